# OpenID Connect Back-Channel Logout 1.0: the provider posts a logout token, and the sessions that it names end in every worker.
use lib 't/lib', 'lib';
use OIDC::Test;

my @told = map { { client_id => $_->[0], backchannel_logout_uri => "{rp}$_->[1]", backchannel_logout_session_required => JSON::PP::true() } }
    [ 'generic-post', '/backchannel' ], [ 'generic-basic', '/other/backchannel' ];
my $encrypted = { client_id => 'generic-es256', backchannel_logout_session_required => JSON::PP::true(), backchannel_logout_uri => '{rp}/enc/backchannel',
    id_token_encrypted_response_alg => 'ECDH-ES', id_token_encrypted_response_enc => 'A256GCM' };
my $op = start_provider('generic', client => [ @told, $encrypted ]);
my $app = app();
my $nginx = nginx(<<'NGINX', op => $op, app => $app, closed => free_port());
%%globals%%
worker_processes 2;
events { worker_connections 512; }
http {
    %%http%%
    log_format event '$uri $status $oidc_event';
    oidc_session_zone zone=shared:4m;

    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        session_store           shared;
        revoke_on_logout        on;
        backchannel_logout_uri  /backchannel;
        jwks_cache              min_refresh=1s;
    }
    oidc_provider other {
        issuer                  %%op%%/api/v2;
        client_id               generic-basic;
        client_secret           %%secret:generic-basic%%;
        redirect_uri            /generic/callback;
        ssl_trusted_certificate %%ca%%;
        session_store           shared;
        backchannel_logout_uri  /other/backchannel;
    }
    oidc_provider enc {
        issuer                  %%op%%/api/v2;
        client_id               generic-es256;
        client_secret           %%secret:generic-es256%%;
        client_key              %%key_ec%% use=enc alg=ECDH-ES;
        client_jwks_uri         /oidc_jwks;
        id_token_encryption     required;
        redirect_uri            /oidc_callback_generic;
        ssl_trusted_certificate %%ca%%;
        backchannel_logout_uri  /enc/backchannel;
    }
    oidc_provider down {
        issuer                  https://generic.localhost:%%closed%%;
        client_id               c;
        client_secret           s;
        redirect_uri            /down/callback;
        backchannel_logout_uri  /down/backchannel;
    }

    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        access_log %%dir%%/access.log event;
        client_body_buffer_size 4k;
        proxy_set_header X-Sub $oidc_claim_sub;
        proxy_set_header X-Sid $oidc_claim_sid;
        location /       { auth_oidc op;    proxy_pass http://127.0.0.1:%%app%%; }
        location /other/ { auth_oidc other; proxy_pass http://127.0.0.1:%%app%%; }
        location /enc/   { auth_oidc enc;   proxy_pass http://127.0.0.1:%%app%%; }
        location /down/  { auth_oidc down;  proxy_pass http://127.0.0.1:%%app%%; }
    }
}
NGINX

$op->reset;
my %path = (op => '/x', other => '/other/x', enc => '/enc/x');
my %endpoint = (op => '/backchannel', other => '/other/backchannel', enc => '/enc/backchannel', down => '/down/backchannel');
my %client = (op => 'generic-post', other => 'generic-basic', enc => 'generic-es256');
my @private;

# A session: its browser, its provider, whose it is.
sub in
{
    my ($name, $who) = @_;
    $op->control(auto => $who || 'angela');
    my $b = browser();
    my $r = $b->navigate(rp($path{$name}));
    my $s = { b => $b, name => $name, sub => $r->seen('x-sub'), sid => $r->seen('x-sid') };
    push @private, map {qr/\Q$_\E/} grep { defined && length > 8 } @$s{qw(sub sid)};
    return $s;
}

# Whether it lives: asked of several connections, so that both workers answer.
sub lives { my ($s, $times) = @_; return join ',', map { $s->{b}->get(rp($path{ $s->{name} }), fresh => 1)->status } 1 .. $times || 4 }
my ($alive, $over) = (join(',', (200) x 4), join(',', (302) x 4));

sub token { my ($s, %edits) = @_; return $op->logout_token(client_id => $client{ $s->{name} }, sub => $s->{sub}, sid => $s->{sid}, %edits) }
sub post { my ($name, $token, %o) = @_; return browser()->post(rp($endpoint{$name}), [ [ logout_token => $token ] ], plain => 1, %o) }

# The answer is 400 with that reason, and nothing else happened.
sub is_refused
{
    my ($response, $reason, $what) = @_;
    is($response->status, 400, "$what: 400");
    is_deeply($response->json, { error => 'invalid_request', error_description => $reason }, "$what: $reason");
    is($response->header('cache-control'), 'no-store', "$what: never kept");
    is_deeply([ $nginx->reasons ], [$reason], "$what: one line of the log");
    $nginx->mark;
    return;
}

subtest 'by sid, by sub, one provider alone' => sub {
    my ($one, $two, $foreign, $else) = (in('op'), in('op'), in('op', 'abroad'), in('other'));
    isnt($one->{sid}, $two->{sid}, 'two sessions at the provider');
    is(lives($_), $alive, 'logged in') for $one, $two, $foreign, $else;

    my $done = post(op => token($one));
    is($done->status, 200, 'sid and sub: 200');
    is($done->header('cache-control'), 'no-store', 'never kept');
    is(join(' ', map { lives($_) } $one, $two, $foreign, $else), "$over $alive $alive $alive", 'that session has ended, alone');

    my $three = in('op');
    is(post(op => token($three, delete => ['sub']))->status, 200, 'sid alone: 200');
    is(join(' ', map { lives($_) } $two, $three, $foreign, $else), "$alive $over $alive $alive", '... ends the one');

    is(post(op => token($two, set => { sid => 'nobody' }))->status, 200, 'a session that is not here: 200');
    is(join(' ', map { lives($_) } $two, $foreign, $else), "$alive $alive $alive", '... ends none');

    my $four = in('op');
    is(post(op => token($four, delete => ['sid']))->status, 200, 'sub alone: 200');
    is(join(' ', map { lives($_) } $two, $four, $foreign, $else), "$over $over $alive $alive", '... ends all of that person, at this provider');
    is_deeply([ $op->revocations ], [], 'nothing is revoked: the provider has ended it itself');
};

subtest 'among many sessions' => sub {
    $op->control(auto => 'abroad');
    my $b = browser();
    my @many = map {
        my $url = rp($path{ $_ % 2 ? 'other' : 'op' });
        $b->forget_cookies->navigate($url);
        [ $url, $b->cookie_header($url) ]
    } 1 .. 150;
    my @mine = map { in('op') } 1 .. 3;
    is(post(op => token($mine[0], delete => ['sid']))->status, 200, 'sub alone: 200');
    is(join(' ', map { lives($_) } @mine), "$over $over $over", 'all of them end');
    is(scalar(grep { $b->get($_->[0], cookie => $_->[1])->status != 200 } @many), 0, 'the sessions of others do not');
};

subtest 'what is wrong with a token' => sub {
    my $s = in('op');
    my $event = 'http://schemas.openid.net/event/backchannel-logout';
    my @cases = (
        [ 'alg none', { alg => 'none' }, 'logout_token_algorithm' ],
        [ 'alg none, empty signature', { alg => 'none', signature => 'empty' }, 'logout_token_algorithm' ],
        [ 'HS256 with the public key', { alg => 'HS256', key => 'public-pem' }, 'logout_token_algorithm' ],
        [ 'HS256 with the secret', { alg => 'HS256' }, 'logout_token_algorithm' ],
        [ 'a key of someone else', { alg => 'ES256', key => 'foreign', header => { set => { kid => 'ec-256' } } }, 'logout_token_signature' ],
        [ 'a damaged signature', { signature => 'corrupt' }, 'logout_token_signature' ],
        [ 'no signature', { signature => 'empty' }, 'logout_token_signature' ],
        [ 'changed after signing', { set => { sub => 'x' }, signature => 'keep' }, 'logout_token_signature' ],
        [ 'an unknown kid', { header => { set => { kid => 'nobody' } } }, 'logout_token_signature' ],
        [ 'crit', { header => { set => { crit => ['x'], x => 1 } } }, 'logout_token_malformed' ],
        [ 'typ at+jwt', { header => { set => { typ => 'at+jwt' } } }, 'logout_token_type' ],
        [ 'iss and 1', { set => { iss => $op->issuer . '1' } }, 'logout_token_issuer' ],
        [ 'no iss', { delete => ['iss'] }, 'logout_token_issuer' ],
        [ 'another client', { set => { aud => 'generic-basic' } }, 'logout_token_audience' ],
        [ 'two clients', { set => { aud => [ 'generic-post', 'generic-basic' ] } }, 'logout_token_audience' ],
        [ 'no aud', { delete => ['aud'] }, 'logout_token_audience' ],
        [ 'no iat', { delete => ['iat'] }, 'logout_token_iat' ],
        [ 'an old one', { shift => { iat => -3600 } }, 'logout_token_iat' ],
        [ 'one of tomorrow', { shift => { iat => 86400, exp => 86400 } }, 'logout_token_iat' ],
        [ 'expired', { shift => { exp => -1000 } }, 'logout_token_expired' ],
        [ 'no exp', { delete => ['exp'] }, 'logout_token_expired' ],
        [ 'no jti', { delete => ['jti'] }, 'logout_token_replayed' ],
        [ 'no events', { delete => ['events'] }, 'logout_token_event' ],
        [ 'another event', { set => { events => { foo => {} } } }, 'logout_token_event' ],
        [ 'an event that is no object', { set => { events => { $event => 'yes' } } }, 'logout_token_event' ],
        [ 'events as a list', { set => { events => [$event] } }, 'logout_token_event' ],
        [ 'a nonce', { set => { nonce => 'abc' } }, 'logout_token_type' ],
        [ 'neither sub nor sid', { delete => [ 'sub', 'sid' ] }, 'logout_token_subject' ],
        [ 'sid a number', { set => { sid => 7 } }, 'logout_token_subject' ],
    );
    $nginx->mark;
    is_refused(post(op => token($s, %{ $_->[1] })), $_->[2], $_->[0]) for @cases;
    is_refused(post(op => 'x' x 100), 'logout_token_malformed', 'no token');
    is_refused(post(op => token($s, encrypted => JSON::PP::false()) . '.a.b'), 'logout_token_encryption', 'five parts');

    my $id_token = $op->logout_token(client_id => 'generic-post', sub => $s->{sub}, delete => [ 'events', 'jti' ], set => { nonce => 'n' }, header => { set => { typ => 'JWT' } });
    is_refused(post(op => $id_token), 'logout_token_type', 'an ID token');
    is(lives($s), $alive, 'the session goes on');

    my $good = token($s, set => { sid => 'nobody' });
    is(post(op => $good)->status, 200, 'a good token');
    is_refused(post(op => $good), 'logout_token_replayed', 'the same again') for 1 .. 4;
    is(lives($s), $alive, 'the session goes on');
    is(post(op => token($s, header => { set => { typ => 'JWT' } }, set => { aud => ['generic-post'], more => {} }))->status, 200, 'typ JWT, aud as a list, more claims: 200');
    is(lives($s), $over, '... and over');
};

subtest 'what is wrong with a request' => sub {
    my $s = in('op');
    my $url = rp('/backchannel');
    my $form = sub { 'logout_token=' . token($s) };
    my $to = sub { my ($body, %o) = @_; browser()->request(POST => $url, body => $body, plain => 1, headers => [ 'Content-Type' => 'application/x-www-form-urlencoded' ], %o) };
    my $missing = 'logout_token_missing';
    $nginx->mark;
    is_refused($to->($form->(), headers => [ 'Content-Type' => 'application/jwt' ]), $missing, 'another content type');
    is_refused($to->($form->(), headers => []), $missing, 'no content type');
    is_refused($to->($form->() . '&' . $form->()), $missing, 'two tokens');
    is_refused($to->($form->() . '&logout_token='), $missing, 'a second, empty one');
    is_refused($to->(''), $missing, 'an empty body');
    is_refused(browser()->request(POST => $url, plain => 1), $missing, 'no body');
    is_refused($to->('token=x'), $missing, 'another parameter');
    is_refused($to->($form->() . '&x=' . 'y' x 66_000), $missing, 'more than 64 kB');
    is_refused(browser()->request(POST => "$url?" . $form->(), plain => 1), $missing, 'in the query');
    my $chunked = sub { my $body = shift; return (sprintf("%x\r\n", length $body) . "$body\r\n0\r\n\r\n", headers =>
        [ 'Content-Type' => 'application/x-www-form-urlencoded', 'Transfer-Encoding' => 'chunked', 'Content-Length' => undef ]) };
    is_refused($to->($chunked->($form->() . '&x=' . 'y' x 66_000)), $missing, 'more than 64 kB in chunks');
    is($to->('x' x 1_100_000)->status, 413, 'more than client_max_body_size: 413');
    is(browser()->request($_ => $url, plain => 1)->status, 405, "$_: 405") for qw(GET HEAD PUT DELETE);
    is(lives($s), $alive, 'the session goes on');

    my $more = sub { return (set => { sid => 'nobody' }) };
    is($to->('logout_token=' . token($s, $more->()) . '&x=' . 'y' x 30_000)->status, 200, 'a body that nginx keeps in a file: 200');
    is($to->('logout_token=' . token($s, $more->()), headers => [ 'Content-Type' => 'Application/X-WWW-Form-Urlencoded; charset=UTF-8' ])->status, 200, 'a charset: 200');
    is((curl_h2($url, '-d', 'logout_token=' . token($s, $more->())))[0], 200, 'HTTP/2: 200');
    is($to->($chunked->($form->()))->status, 200, 'in chunks: 200');
    is(lives($s), $over, '... and over');

    my $slow = in('op');
    my $body = 'logout_token=' . token($slow);
    my $pending = browser()->begin(POST => $url, plain => 1, body => substr($body, 0, 50),
        headers => [ 'Content-Type' => 'application/x-www-form-urlencoded', 'Content-Length' => length $body ]);
    ok(!$pending->ready(0.2), 'half a body: no answer yet');
    print { $pending->{socket} } substr $body, 50;
    $pending->{socket}->flush;
    is($pending->response->status, 200, 'the other half: 200');
    is(lives($slow), $over, '... and over');
};

subtest 'the provider' => sub {
    $nginx->mark;
    is_refused(post(down => 'a.b.c'), 'provider_unreachable', 'it cannot be reached');

    my $enc = in('enc');
    is(lives($enc), $alive, 'encrypted tokens: logged in');
    my $jwe = token($enc);
    is(scalar(() = $jwe =~ /\./g), 4, 'the logout token is encrypted, too');
    is_refused(post(enc => token($enc, encrypted => JSON::PP::false())), 'logout_token_encryption', 'a token that is not');
    is(post(enc => $jwe)->status, 200, 'the right one: 200');
    is(lives($enc), $over, '... and over');

    my $s = in('op');
    $op->rotate;
    ok(until_true(20, sub { post(op => token($s))->status == 200 }), 'signed with a new key: 200');
    is(lives($s), $over, '... and over');

    $op->control(auto => undef);
    my $b = browser();
    is($b->navigate(rp('/x'), forms => { identity => 'agent' })->status, 200, 'logged in with the pages of the provider');
    my $elsewhere = browser();
    is($b->navigate("$op->{origin}/api/v2/session/end", forms => 1)->status, 200, 'logged out there');
    is($b->get(rp('/x'), fresh => 1)->status, 302, '... and over, here too');
    is($op->fetches('/backchannel'), 1, 'the provider has posted');
};

my $log = dir() . '/access.log';
logged_like($log, qr{^/backchannel 200 backchannel_logout$}m, '$oidc_event of a logout');
logged_like($log, qr{^/backchannel 400 logout_token_replayed$}m, '... of a refusal');
log_ok(private => \@private);
done_testing();
