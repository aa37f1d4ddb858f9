# A provider that is down, slow, wrong or gone: an answer in bounded time, everybody else undisturbed, and no code sent twice.
use lib 't/lib', 'lib';
use OIDC::Test;
use Time::HiRes qw(sleep time);

my $op = start_provider('generic');
my $pc = start_provider('proconnect');
my $late = start_provider('generic', wait => 0);
my $self_signed = start_provider('generic', cert => OIDC::Test::_copied('self.pem'), key => OIDC::Test::_copied('self.key'));
my $app = app();

# nginx alone sees a name with two addresses.
my $two = free_port();
my $hosts = write_file('hosts', "127.0.0.1 localhost two.test\n127.0.0.2 two.test\n");
my $mounts = system("unshare -m mount --bind $hosts /etc/hosts 2>/dev/null") == 0;
if ($mounts) {
    my $real = $OIDC::Test::Nginx;
    $OIDC::Test::Nginx = write_file('nginx', "#!/bin/sh\nexec unshare -m sh -c 'mount --bind $hosts /etc/hosts && exec $real \"\$@\"' nginx \"\$@\"\n");
    chmod 0755, $OIDC::Test::Nginx;
}
my $nginx = nginx(<<'NGINX', two => $two, op => $op, pc => $pc, late => $late, self => $self_signed, app => $app, op_port => $op->{port}, generation => 1);
%%globals%%
worker_processes 1;
events { worker_connections 1000; }
http {
    %%http%%

    oidc_provider op {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        redirect_uri   /generic/callback;
        userinfo       on;
        http_timeout   1s connect=500ms;
        jwks_cache     valid=1s min_refresh=1s;
        metadata_cache valid=1s min_refresh=1s;
    }
    oidc_provider pc {
        profile proconnect;
        issuer %%pc%%/api/v2; client_id pc-es256; client_secret %%secret:pc-es256%%; ssl_trusted_certificate %%ca%%;
        redirect_uri   /proconnect/callback;
        http_timeout   2s;
        jwks_cache     min_refresh=1s;
    }
    oidc_provider late {
        issuer %%late%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        redirect_uri   /oidc_callback_generic;
        http_timeout   1s connect=500ms;
        jwks_cache     min_refresh=1s;
        metadata_cache min_refresh=1s;
    }
    # nothing of it is known after a change of generation
    oidc_provider cold {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        config_url     %%op%%/api/v2/.well-known/openid-configuration?%%generation%%;
        endpoint       jwks %%op%%/api/v2/jwks?%%generation%%;
        redirect_uri   /generic/callback;
        http_timeout   1s connect=500ms;
        jwks_cache     min_refresh=1s;
        metadata_cache min_refresh=1s;
    }
    oidc_provider hurried {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        redirect_uri   /generic/callback;
        http_timeout   5s;
        login_deadline 1s;
    }
    oidc_provider full {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        redirect_uri   /generic/callback;
        http_timeout   60s;
        login_deadline 60s;
    }
    oidc_provider self_signed {
        issuer %%self%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        http_timeout   1s;
        redirect_uri   /generic/callback;
    }
    oidc_provider misnamed {
        issuer https://unlisted.localhost:%%op_port%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        http_timeout   1s;
        redirect_uri   /generic/callback;
    }
    oidc_provider two {
        issuer https://two.test:%%two%%; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        http_timeout   4s connect=1200ms;
        redirect_uri   /generic/callback;
    }

    map $uri $provider {
        ~^/(?<first>\w+)/ $first;
        default           "";
    }

    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        location / {
            auth_oidc  $provider;
            proxy_pass http://127.0.0.1:%%app%%;
        }
        location = /ping { return 200 pong; }
    }
}
NGINX

my $callback = qr{^https://rp\.localhost:\d+/(?:\w+/callback|oidc_callback\w*)\?};
sub way_back { my ($browser, $path) = @_; my $r = $browser->navigate(rp($path), until => $callback); return $r->{next} // die "no way back: $r->{status}" }

subtest 'down when nginx starts' => sub {
    $nginx->mark;
    my $began = time;
    my $answer = browser()->get(rp('/late/x'));
    is($answer->status, 502, 'a login is refused');
    is(scalar(@{ $answer->{set_cookies} }), 0, 'no cookie');
    cmp_ok(time - $began, '<', 5, 'soon');
    ok($nginx->wait_reason('provider_unreachable'), 'provider_unreachable');
    is(browser()->get(rp('/ping'))->status, 200, 'the rest is served');
    $late->start;
    $late->reset;
    my $page = until_true(5, sub { my $r = browser()->navigate(rp('/late/x')); $r->status == 200 && $r });
    ok($page, 'up: a login works');
};

$op->reset;
$pc->reset;
is(browser()->navigate(rp('/op/warm'))->status, 200, 'warm');

subtest 'the certificate' => sub {
    for my $name (qw(self_signed misnamed)) {
        $nginx->mark;
        is(browser()->get(rp("/$name/x"))->status, 502, "$name: refused");
        ok($nginx->wait_reason('provider_unreachable'), '... provider_unreachable');
        browser()->get(rp("/$name/x"));
        my $log = $nginx->log_text($nginx->{mark});
        like($log, qr{oidc: provider_unreachable: provider "$name": metadata at https://\S+: SSL.* \(a moment ago\)}, '... with the cause, again');
        is($log =~ /; name its authority with ssl_trusted_certificate/ ? 1 : 0, $name eq 'self_signed' ? 1 : 0, '... and what to do');
    }
    like($nginx->log_text, qr/\[error\].*oidc: provider "self_signed" is not ready yet: provider_unreachable: /, 'said when nginx starts');
};

subtest 'a name with two addresses, the first of no use' => sub {
    plan skip_all => 'needs unshare -m and mount' if !$mounts;
    my $second = IO::Socket::INET->new(LocalAddr => '127.0.0.2', LocalPort => $two, Listen => 8, ReuseAddr => 1, Timeout => 3);
    for my $first ('refuses', 'is silent') {
        my @sockets = $first eq 'is silent' ? silent_port($two) : ();
        sleep 1.1;
        my $pending = browser()->begin(GET => rp('/two/x'));
        my $connection = $second->accept;
        sysread $connection, my $hello, 1 if $connection;
        is(unpack('H*', $hello // ''), '16', "the first $first: a handshake with the second");
        close $_ for grep {$_} $connection, @sockets;
        is($pending->response->status, 502, '... which ends');
    }
};

# ---- one endpoint at a time ----------------------------------------------------------------------------------------------------

my @faults = (
    # mode, reasons for token and UserInfo, statuses
    [ '500',      'token_refused|token_malformed',  'userinfo_refused',     qr/^502$/ ],
    [ '503',      'token_refused|token_malformed',  'userinfo_refused',     qr/^50[23]$/ ],
    [ 'html',     'token_refused|token_malformed',  'userinfo_refused',     qr/^502$/ ],
    [ 'empty',    'token_malformed',                'userinfo_malformed|userinfo_subject',   qr/^502$/ ],
    [ 'garbage',  'token_malformed',                'userinfo_malformed',   qr/^502$/ ],
    [ 'huge',     'token_malformed',                'userinfo_malformed',   qr/^502$/, qr/larger than http_max_response/ ],
    [ 'redirect', 'token_refused|token_malformed',  'userinfo_refused',     qr/^502$/ ],
    # nobody knows whether the code was used: the login begins again, once
    [ 'reset',    'provider_unreachable',           'provider_unreachable', qr/^502$/, qr/the connection ended before the answer/, 'again' ],
    [ 'truncate', 'provider_unreachable',           'provider_unreachable', qr/^502$/, qr/the connection ended before the answer/, 'again' ],
    [ 'silence',  'provider_timeout',               'provider_timeout',     qr/^504$/ ],
);
for my $endpoint (qw(token userinfo)) {
    subtest "$endpoint endpoint" => sub {
        for (@faults) {
            my ($mode, $token_reason, $userinfo_reason, $status, $said, $again) = @$_;
            $again = '' if $endpoint ne 'token';
            $op->reset(fail => { $endpoint => $mode });
            my $browser = browser();
            my $url = way_back($browser, '/op/page');
            my ($code) = $url =~ /[?&]code=([^&]+)/;
            $nginx->mark;
            my $answer = $browser->get($url);
            like($answer->status, $again ? qr/^302$/ : $status, "$mode: " . $answer->status);
            cmp_ok($answer->{seconds}, '<', 5, '... in time');
            my $wanted = $endpoint eq 'token' ? $token_reason : $userinfo_reason;
            like(join(' ', $nginx->reasons), qr/^(?:$wanted)$/, "... $wanted");
            like($nginx->log_text($nginx->{mark}), $said, '... told so') if $said;
            ok(!grep({/SESSION/} @{ $answer->{set_cookies} }), '... no session');
            is($op->code_posts($code), 1, '... the code was sent once');
            next if !$again;
            like($nginx->log_text($nginx->{mark}), qr/; the login begins again,/, '... it begins again');
            my $second = $browser->navigate($answer->header('location'), until => $callback)->{next};
            like($browser->get($second)->status, $status, '... and not twice');
        }
        $op->reset;
        is(browser()->navigate(rp('/op/page'))->status, 200, 'afterwards a login works');
    };
}

my $generation = 1;
sub cold { $nginx->{values}{generation} = ++$generation; $nginx->reload; return $nginx->settled }

subtest 'metadata' => sub {
    for my $case (
        [ { fail => { discovery => '500' } },      'metadata_refused' ],
        [ { fail => { discovery => 'html' } },     'metadata_refused' ],
        [ { fail => { discovery => 'redirect' } }, 'metadata_refused' ],
        [ { fail => { discovery => 'garbage' } },  'metadata_malformed' ],
        [ { fail => { discovery => 'empty' } },    'metadata_malformed' ],
        [ { fail => { discovery => 'huge' } },     'provider_unreachable|metadata_malformed' ],
        [ { fail => { discovery => 'truncate' } }, 'provider_unreachable|metadata_malformed' ],
        [ { fail => { discovery => 'reset' } },    'provider_unreachable' ],
        [ { fail => { discovery => 'silence' } },  'provider_timeout' ],
        [ { discovery => { set => { issuer => $op->issuer . 'X' } } }, 'metadata_issuer' ],
        [ { discovery => { delete => ['issuer'] } }, 'metadata_issuer|metadata_malformed' ],
        [ { discovery => { delete => ['authorization_endpoint'] } }, 'metadata_endpoint|metadata_malformed' ],
        [ { discovery => { set => { authorization_endpoint => 'ftp://idp.example/authorize' } } }, 'metadata_endpoint|metadata_malformed' ],
        [ { discovery => { set => { authorization_endpoint => "https://e.tld/\r\nSet-Cookie: a=b" } } }, 'metadata_endpoint' ],
        [ { discovery => { set => { authorization_endpoint => 'javascript:alert(1)' } } }, 'metadata_endpoint' ],
        )
    {
        my ($switches, $reason) = @$case;
        my $what = json()->encode($switches);
        $op->reset(%$switches);
        cold();
        $nginx->mark;
        my $answer = browser()->get(rp('/cold/x'));
        like($answer->status, qr/^50[234]$/, $what);
        cmp_ok($answer->{seconds}, '<', 5, '... in time');
        is(scalar(@{ $answer->{set_cookies} }), 0, '... no cookie');
        like(join(' ', $nginx->reasons), qr/\b(?:$reason)\b/, "... $reason");
    }
    $op->reset;
    ok(until_true(5, sub { browser()->navigate(rp('/cold/x'))->status == 200 }), 'then a login works without a reload');
};

subtest 'keys' => sub {
    for my $case (
        [ { fail => { jwks => '500' } },      'jwks_refused' ],
        [ { fail => { jwks => 'html' } },     'jwks_refused' ],
        [ { fail => { jwks => 'redirect' } }, 'jwks_refused' ],
        [ { fail => { jwks => 'garbage' } },  'jwks_malformed' ],
        [ { fail => { jwks => 'huge' } },     'provider_unreachable|jwks_malformed' ],
        [ { fail => { jwks => 'reset' } },    'provider_unreachable' ],
        [ { fail => { jwks => 'silence' } },  'provider_timeout' ],
        [ { jwks => { set => { keys => [] } } }, 'jwks_malformed' ],
        [ { jwks => { set => { keys => {} } } }, 'jwks_malformed' ],
        [ { jwks => { delete => ['keys'] } }, 'jwks_malformed' ],
        )
    {
        my ($switches, $reason) = @$case;
        my $what = json()->encode($switches);
        $op->reset(%$switches);
        cold();
        my $browser = browser();
        my $url = way_back($browser, '/cold/page');
        $nginx->mark;
        my $answer = $browser->get($url);
        like($answer->status, qr/^50[234]$/, $what);
        cmp_ok($answer->{seconds}, '<', 6, '... in time');
        ok(!grep({/SESSION/} @{ $answer->{set_cookies} }), '... no session');
        like(join(' ', $nginx->reasons), qr/\b(?:$reason)\b/, "... $reason");
    }
    $op->reset;
    my $good = browser()->get($op->{origin} . '/api/v2/jwks', plain => 1)->json->{keys};
    $op->reset(jwks => { set => { keys => [
        { kty => 'OKP', crv => 'Ed25519', x => '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', use => 'sig', kid => 'ed' },
        { kty => 'EC', crv => 'secp256k1', x => 'A' x 43, y => 'A' x 43, use => 'sig', kid => 'k1' },
        { kty => 'oct', k => 'A' x 43, kid => 'oct' }, 'nonsense', { kty => 'RSA' },
        @$good ] } });
    cold();
    is(browser()->navigate(rp('/cold/page'))->status, 200, 'keys we cannot use do not spoil those we can') or diag join '|', $nginx->reasons;
    $op->reset;
};

# ---- time ----------------------------------------------------------------------------------------------------------------------

sub pings
{
    my ($seconds) = @_;
    my $browser = browser();
    my ($slowest, $count, $end) = (0, 0, time + $seconds);
    while (time < $end) {
        my $r = $browser->get(rp('/ping'), plain => 1);
        $slowest = $r->{seconds} if $r->{seconds} > $slowest;
        ++$count;
        sleep 0.005;
    }
    return ($slowest, $count);
}

subtest 'slow: the others do not wait' => sub {
    $op->reset;
    my @browsers = map { browser() } 1 .. 20;
    my @urls = map { way_back($_, '/full/page') } @browsers;
    $op->control(delay => { token => 700 });
    my @pending = map { $browsers[$_]->begin(GET => $urls[$_]) } 0 .. 19;
    my ($slowest, $count) = pings(0.6);
    cmp_ok($slowest, '<', 0.6, sprintf '%d other requests meanwhile, the slowest took %.0f ms', $count, $slowest * 1000);
    is(join(' ', map { $_->response->status } @pending), join(' ', (302) x 20), 'twenty logins are answered');
    $op->reset;
};

subtest 'too slow' => sub {
    for my $case ([ token => 'op' ], [ userinfo => 'op' ]) {
        my ($endpoint, $name) = @$case;
        $op->reset;
        my $browser = browser();
        my $url = way_back($browser, "/$name/page");
        $op->control(delay => { $endpoint => 4000 });
        $nginx->mark;
        my $pending = $browser->begin(GET => $url);
        my ($slowest) = pings(0.5);
        cmp_ok($slowest, '<', 0.8, 'other requests are served');
        my $answer = $pending->response;
        is($answer->status, 504, "$endpoint: 504");
        cmp_ok($answer->{seconds}, '<', 5, '... after http_timeout');
        ok($nginx->wait_reason('provider_timeout'), '... provider_timeout');
    }
    $op->reset;
    my $browser = browser();
    my $url = way_back($browser, '/hurried/page');
    $op->control(delay => { token => 4000 });
    my $answer = $browser->get($url);
    is($answer->status, 504, 'login_deadline: 504');
    cmp_ok(abs($answer->{seconds} - 1), '<', 2, '... when it has passed');
    $op->reset;
};

# ---- keys change ---------------------------------------------------------------------------------------------------------------

subtest 'the provider changes its keys' => sub {
    $pc->reset;
    is(browser()->navigate(rp('/pc/warm'))->status, 200, 'warm');
    my $browser = browser();
    my $url = way_back($browser, '/pc/page');
    $pc->rotate;
    is($browser->get($url)->status, 302, 'between authorize and token: the keys are fetched again');
    is($pc->count('jwks') <= 2, 1, '... once');

    sleep 1.1;
    $browser = browser();
    $url = way_back($browser, '/pc/page');
    $pc->rotate(keepKid => JSON::PP::true);
    is($browser->get($url)->status, 302, 'under the same kid: too');

    sleep 1.1;
    $browser = browser();
    $url = way_back($browser, '/pc/page');
    $pc->control(delay => { userinfo => 500 });
    my $pending = $browser->begin(GET => $url);
    ok(until_true(3, sub { $pc->count('userinfo') }), '(UserInfo is being asked)');
    $pc->rotate;
    is($pending->response->status, 302, 'between token and UserInfo: too');
    $pc->reset;

    sleep 1.1;
    my @browsers = map { browser() } 1 .. 8;
    my @urls = map { way_back($_, '/pc/page') } @browsers;
    $pc->rotate;
    my $before = $pc->count('jwks');
    my @pending = map { $browsers[$_]->begin(GET => $urls[$_]) } 0 .. 7;
    is(join(' ', map { $_->response->status } @pending), join(' ', (302) x 8), 'eight logins at once');
    is($pc->count('jwks') - $before, 1, '... with one fetch');

    sleep 1.1;
    $before = $pc->count('jwks');
    for (1 .. 5) {
        my $b = browser();
        my $u = way_back($b, '/pc/page');
        $pc->control(idToken => { header => { set => { kid => "unknown$_" } } });
        is($b->get($u)->status, 502, 'an unknown kid is refused');
        $pc->reset;
    }
    cmp_ok($pc->count('jwks'), '<=', 2, '... and does not make us fetch each time');
};

# ---- down ----------------------------------------------------------------------------------------------------------------------

subtest 'what was fetched serves on' => sub {
    $op->reset;
    is(browser()->navigate(rp('/op/x'))->status, 200, 'warm');
    $op->control(fail => { discovery => '500', jwks => '500' });
    sleep 2.1;
    for (1 .. 3) {
        is(browser()->navigate(rp('/op/x'))->status, 200, 'metadata and keys cannot be fetched: a login works');
    }
    $op->control(fail => {}, jwks => { set => { keys => [] } }, discovery => { set => { issuer => 'https://evil.example' } });
    sleep 1.1;
    browser()->get(rp('/op/x'));
    sleep 1.1;
    is(browser()->navigate(rp('/op/x'))->status, 200, 'an empty key set and wrong metadata do not replace good ones');
    $op->reset;

    my $in = browser();
    $in->navigate(rp('/op/x'));
    my $waiting = browser();
    my $url = way_back($waiting, '/op/x');
    $op->stop('KILL');
    is($in->get(rp('/op/x'))->status, 200, 'down: sessions work');
    my $start = browser()->get(rp('/op/x'));
    is($start->status, 302, 'a new login is sent to it');
    $nginx->mark;
    my $answer = $waiting->get($url);
    is($answer->status, 502, 'one in flight is refused');
    cmp_ok($answer->{seconds}, '<', 5, 'soon');
    ok($nginx->wait_reason('provider_unreachable'), 'provider_unreachable');
    $op->start;
    $op->reset;
    is($in->get(rp('/op/x'))->status, 200, 'up again: sessions work');
    ok(until_true(4, sub { browser()->navigate(rp('/op/x'))->status == 200 }), 'and logins');
};

subtest 'killed while a login waits' => sub {
    $op->reset(delay => { token => 3000 });
    my $browser = browser();
    my $url = way_back($browser, '/op/page');
    my $pending = $browser->begin(GET => $url);
    ok(until_true(3, sub { $op->count('token') }), '(the token endpoint is being asked)');
    $op->stop('KILL');
    my $answer = $pending->response;
    is($answer->status, 502, 'refused');
    cmp_ok($answer->{seconds}, '<', 5, 'soon');
    $op->start;
    $op->reset;
    ok(until_true(4, sub { browser()->navigate(rp('/op/x'))->status == 200 }), 'up again, with other keys: logins work');
};

subtest 'connections that ended while nobody used them' => sub {
    $op->reset(delay => { token => 200 });
    my @browsers = map { browser() } 1 .. 3;
    my @urls = map { way_back($_, '/op/page') } @browsers;
    my @pending = map { $browsers[$_]->begin(GET => $urls[$_]) } 0 .. 2;
    is(join(' ', map { $_->response->status } @pending), '302 302 302', 'three connections are kept');
    $op->stop('KILL');
    $op->start;
    $op->reset;
    $nginx->mark;
    browser()->navigate(rp('/op/x')) for 1 .. 4;
    is(scalar(grep { $_ eq 'provider_unreachable' } $nginx->reasons), 0, 'are not used for the next logins') or diag $nginx->log_text($nginx->{mark});
    ok(until_true(4, sub { browser()->navigate(rp('/op/x'))->status == 200 }), 'which succeed, with the new keys');
};

subtest 'a provider that answers nobody takes no room from the others' => sub {
    $op->reset;
    $pc->reset;
    my $most = 256;
    is(browser()->navigate(rp("/$_/x"))->status, 200, "$_: a login works") for qw(full pc);
    my $starts = browser();
    my @begun;
    for (0 .. $most) {
        my $state = $starts->get(rp('/full/x'))->args->{state};
        push @begun, [ rp("/generic/callback?code=any&state=$state&iss=" . OIDC::Browser::escape($op->issuer)), $starts->cookie_header(rp('/')) ];
        $starts->forget_cookies(qr/LOGIN/);
    }
    $op->reset(fail => { token => 'silence' });
    my @waiting = map { $starts->begin(GET => $_->[0], cookie => $_->[1]) } @begun[ 0 .. $most - 1 ];
    ok(until_true(30, sub { $op->count('token') == $most }), "$most calls wait") or diag $op->count('token');
    $nginx->mark;
    my $answer = $starts->get($begun[$most][0], cookie => $begun[$most][1]);
    is($answer->status, 503, '... one more is refused');
    cmp_ok($answer->{seconds}, '<', 10, '... and does not wait');
    is(join(' ', $nginx->reasons), 'provider_busy', '... provider_busy');
    is($op->count('token'), $most, '... the provider is not asked');
    is(browser()->navigate(rp('/pc/x'))->status, 200, 'a login at another provider works') or diag $nginx->log_text($nginx->{mark});
    $op->control(fail => undef);
    is(browser()->navigate(rp('/op/x'))->status, 200, '... and by another oidc_provider');
    $_->abort for @waiting;
    ok(until_true(10, sub { browser()->navigate(rp('/full/x'))->status == 200 }), 'those who wait go away: there is room again');
};

# ---- a code leaves once --------------------------------------------------------------------------------------------------------

subtest 'a kept connection that closes under the request' => sub {
    $op->reset;
    is(browser()->navigate(rp('/op/x'))->status, 200, 'a connection is kept') for 1 .. 2;
    $op->control(dropKeepAlive => JSON::PP::true);
    for my $n (1 .. 4) {
        my $browser = browser();
        my $url = way_back($browser, '/op/page');
        my ($code) = $url =~ /[?&]code=([^&]+)/;
        my $answer = $browser->get($url);
        like($answer->status, qr/^(?:302|502)$/, "login $n is answered (" . $answer->status . ')');
        is($op->code_posts($code), 1, '... its code was sent once');
    }
    my $codes = $op->code_posts;
    is_deeply([ grep { $_ > 1 } values %$codes ], [], 'no code was ever sent twice');
    $op->reset;
};

subtest 'connections are kept' => sub {
    $op->reset;
    browser()->navigate(rp('/op/x'));
    my $before = $op->control->{counters};
    for (1 .. 6) { browser()->navigate(rp('/op/x')) }
    my $after = $op->control->{counters};
    my $ours = ($after->{connections} - $before->{connections}) - 6 - 1;    # the browsers' own, and that of the control
    cmp_ok($ours, '<=', 2, "six logins made $ours new connections from nginx");
    is(($after->{requests}{jwks} || 0) - ($before->{requests}{jwks} || 0) <= 1, 1, 'and hardly fetched keys');
};

log_ok();
done_testing();
