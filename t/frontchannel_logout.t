# OpenID Connect Front-Channel Logout 1.0: the provider's page has a frame that leads to us, with our cookie or with iss and sid.
use lib 't/lib', 'lib';
use OIDC::Test;

my $op = start_provider('generic', client => [ { client_id => 'generic-post', backchannel_logout_uri => '{rp}/nowhere',
    backchannel_logout_session_required => JSON::PP::true() } ]);
my $app = app();
my $nginx = nginx(<<'NGINX', op => $op, app => $app);
%%globals%%
worker_processes 2;
events { worker_connections 256; }
http {
    %%http%%
    log_format event '$request $status $oidc_event';
    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        cookie_samesite         none;
        revoke_on_logout        on;
        frontchannel_logout_uri /frontchannel;
    }
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        access_log %%dir%%/access.log event;
        proxy_set_header X-Sid $oidc_claim_sid;
        location / { auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; }
    }
}
NGINX

my @frame = ('Sec-Fetch-Dest' => 'iframe', 'Sec-Fetch-Site' => 'cross-site');
my @private;
$op->reset;

sub in
{
    my $b = browser();
    my $r = $b->navigate(rp('/x'));
    push @private, qr/\Q@{[ $r->seen('x-sid') ]}\E/;
    return { b => $b, sid => $r->seen('x-sid') };
}
sub lives { my $s = shift; return join ',', map { $s->{b}->get(rp('/x'), fresh => 1)->status } 1 .. 4 }
my ($alive, $over) = (join(',', (200) x 4), join(',', (302) x 4));

sub query { my ($sid, $iss) = @_; return '?iss=' . OIDC::Browser::escape($iss // $op->issuer) . '&sid=' . OIDC::Browser::escape($sid) }
sub frame { my ($b, $query, $method) = @_; return $b->request($method || 'GET', rp('/frontchannel') . ($query // ''), headers => \@frame) }

for my $case ([ 'the cookie alone', sub {''} ], [ 'the cookie, iss and sid', sub { query($_[0]{sid}) } ]) {
    subtest $case->[0] => sub {
        my ($s, $foreign) = (in(), in());
        my $stolen = { b => $s->{b}->clone };
        is($s->{b}->cookie(rp('/'), qr/SESSION/)->{samesite}, 'None', 'the cookie goes into frames');
        my $r = frame($s->{b}, $case->[1]->($s));
        is($r->status, 200, 'answered');
        is($r->header('cache-control'), 'no-store', 'never kept');
        like($r->header('content-type'), qr{^text/html}, 'a page');
        cmp_ok(length $r->{body}, '<', 200, '... a small one');
        ok(!$r->has('x-frame-options') && !$r->has('content-security-policy'), '... that a frame may show');
        ok(!$s->{b}->cookie(rp('/'), qr/SESSION/), 'the cookie is deleted');
        is(lives($stolen), $over, 'the session is over');
        is(lives($foreign), $alive, 'another one is not');
    };
}

subtest 'without a cookie' => sub {
    my ($s, $foreign) = (in(), in());
    my $r = frame(browser(), query($s->{sid}));
    is($r->status, 200, 'answered');
    is_deeply($r->{set_cookies}, [], 'no cookie is set');
    is(lives($s), $over, 'the session is over');
    is(lives($foreign), $alive, 'another one is not');
    is(frame(browser(), query('nobody'))->status, 200, 'an unknown sid: 200');
    is(frame(browser())->status, 200, 'nothing at all: 200');
    is(lives($foreign), $alive, 'no session ended');

    my $third = in();
    is(frame($foreign->{b}, query($third->{sid}))->status, 200, 'the sid of another session than the cookie: 200');
    is(join(' ', lives($foreign), lives($third)), "$alive $over", '... ends the one that the sid names');
    is_deeply([ $op->revocations ], [], 'nothing is revoked: the provider has ended it itself');
};

subtest 'refused' => sub {
    my $s = in();
    my $sid = OIDC::Browser::escape($s->{sid});
    my $iss = OIDC::Browser::escape($op->issuer);
    my @cases = ([ 'another iss', query($s->{sid}, $op->issuer . '1') ], [ 'sid alone', "?sid=$sid" ], [ 'iss alone', "?iss=$iss" ],
        [ 'an empty sid', "?iss=$iss&sid=" ], [ 'two sids', "?iss=$iss&sid=$sid&sid=$sid" ], [ 'two issuers', "?iss=$iss&iss=$iss&sid=$sid" ]);
    for my $case (@cases) {
        for my $b ($s->{b}, browser()) {
            $nginx->mark;
            my $r = frame($b, $case->[1]);
            is($r->status, 400, "$case->[0]: 400");
            is($r->header('cache-control'), 'no-store', '... never kept');
            is_deeply([ $nginx->reasons ], ['logout_refused'], '... one line of the log');
        }
    }
    is(frame($s->{b}, query($s->{sid}), $_)->status, 405, "$_: 405") for qw(POST PUT);
    is(lives($s), $alive, 'the session goes on');
};

subtest 'a link of another site' => sub {
    my $s = in();
    for my $query ('', query('nobody')) {
        my $r = $s->{b}->get(rp('/frontchannel') . $query, headers => [ 'Sec-Fetch-Site' => 'cross-site' ]);
        is($r->status, 200, 'answered');
        is_deeply($r->{set_cookies}, [], '... no cookie is deleted');
    }
    is(lives($s), $alive, 'the session goes on: only a frame ends it by its cookie');
};

subtest 'many at once' => sub {
    my @sessions = map { in() } 1 .. 8;
    my @pending = map { browser()->begin(GET => rp('/frontchannel') . query($_->{sid})) } @sessions;
    is(join(',', map { $_->response->status } @pending), join(',', (200) x 8), 'all are answered');
    is(join(',', map { $_->{b}->get(rp('/x'))->status } @sessions), join(',', (302) x 8), 'all sessions are over');

    my $s = in();
    my @workers = $nginx->workers;
    my @sockets = map { OIDC::Browser::connect_to(OIDC::Browser::parse_url(rp())) } 1 .. 120;
    kill STOP => @workers;    # so that they find all requests at once
    @pending = map { browser()->begin(GET => rp('/frontchannel') . query("nobody$_"), socket => $sockets[ $_ - 1 ]) } 1 .. 120;
    kill CONT => @workers;
    my %answers;
    $answers{ $_->response->status }++ for @pending;
    is(join(',', sort keys %answers), '200,400', 'more than can wait: the others are refused') or diag explain \%answers;
    is(frame(browser(), query($s->{sid}))->status, 200, 'and then it goes on');
    is(lives($s), $over, '... as before');
};

my $log = dir() . '/access.log';
logged_like($log, qr{^GET /frontchannel HTTP/1\.1 200 frontchannel_logout$}m, '$oidc_event, and $request without the query');
logged_like($log, qr{^GET /frontchannel HTTP/1\.1 400 logout_refused$}m, '... of a refusal');
unlike(read_file($log), $_, 'no sid in the log') for @private;
log_ok(private => \@private);
done_testing();
