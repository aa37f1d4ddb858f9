# What becomes of the tokens of a session that ended: the provider is told to forget them, by its own rules, and nobody waits for it.
use lib 't/lib', 'lib';
use OIDC::Test;

my %op = map { $_ => start_provider($_) } qw(franceconnect franceconnect_plus proconnect generic);
my $app = app();
my $nginx = nginx(<<'NGINX', fc => $op{franceconnect}, fcp => $op{franceconnect_plus}, pc => $op{proconnect}, op => $op{generic}, app => $app);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    oidc_session_zone zone=shared:1m;
    oidc_provider fc {
        profile                 franceconnect;
        issuer                  %%fc%%/api/v2;
        client_id               fc-es256;
        client_secret           %%secret:fc-es256%%;
        redirect_uri            /franceconnect/callback;
        ssl_trusted_certificate %%ca%%;
        http_timeout            1s;
        logout_uri              /fc/logout;
        post_logout_uri         /franceconnect/logged_out;
        session_store           shared;
    }
    oidc_provider fcoff {
        profile                 franceconnect;
        issuer                  %%fc%%/api/v2;
        client_id               fc-rs256;
        client_secret           %%secret:fc-rs256%%;
        redirect_uri            /oidc_callback_franceconnect;
        ssl_trusted_certificate %%ca%%;
        logout_uri              /fcoff/logout;
        post_logout_uri         /logged_out_franceconnect;
        revoke_on_logout        off;
    }
    oidc_provider fcp {
        profile                 franceconnect_plus;
        issuer                  %%fcp%%/api/v2;
        client_id               fcp-ecdh-es;
        client_secret           %%secret:fcp-ecdh-es%%;
        client_key              %%key_ec%% use=enc alg=ECDH-ES;
        client_jwks_uri         /oidc_jwks;
        redirect_uri            /franceconnect_plus/callback;
        ssl_trusted_certificate %%ca%%;
        logout_uri              /fcp/logout;
        post_logout_uri         /franceconnect_plus/logged_out;
    }
    oidc_provider pc {
        profile                 proconnect;
        issuer                  %%pc%%/api/v2;
        client_id               pc-es256;
        client_secret           %%secret:pc-es256%%;
        redirect_uri            /proconnect/callback;
        ssl_trusted_certificate %%ca%%;
        http_timeout            1s;
        session_refresh         off;
        logout_uri              /pc/logout;
        post_logout_uri         /proconnect/logged_out;
    }
    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        redirect_uri            /generic/callback;
        ssl_trusted_certificate %%ca%%;
        logout_uri              /op/logout;
    }
    oidc_provider opon {
        issuer                  %%op%%/api/v2;
        client_id               generic-basic;
        client_secret           %%secret:generic-basic%%;
        redirect_uri            /oidc_callback_generic;
        ssl_trusted_certificate %%ca%%;
        logout_uri              /opon/logout;
        revoke_on_logout        on;
        session_store           shared;
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
            auth_oidc $provider;
            proxy_pass http://127.0.0.1:%%app%%;
            proxy_set_header X-Token $oidc_access_token;
        }
    }
}
NGINX

my %row = (fc => 'franceconnect', fcoff => 'franceconnect', fcp => 'franceconnect_plus', pc => 'proconnect', op => 'generic', opon => 'generic');
my $callback = qr{^https://rp\.localhost:\d+/(?:\w+/callback|oidc_callback\w*)\?};

# A browser that is logged in, and its access token.
sub in
{
    my ($name, %switches) = @_;
    $op{ $row{$name} }->reset(%switches);
    my $browser = browser();
    my $page = $browser->navigate(rp("/$name/x"));
    is($page->status, 200, "$name: logged in");
    my $token = $page->seen('x-token');
    push @OIDC::Browser::Secrets, $token if length($token // '');
    return ($browser, $token);
}
sub out { my ($browser, $name) = @_; $nginx->mark; my $answer = $browser->get(rp("/$name/logout")); is($answer->status, 302, '... logged out'); return $answer }
# What came within 5 s, and, once there are `number`, within a moment more.
sub revoked { my ($name, $number) = @_; my $provider = $op{ $row{$name} }; until_true($number ? 5 : 1, sub { $number && $provider->revocations >= $number }); select undef, undef, undef, 0.3; return $provider->revocations }
sub fields { my ($request) = @_; my $body = $request->{body}; return ref $body ? $body : { map { map { OIDC::Browser::unescape($_) } split /=/, $_, 2 } split /&/, $body // '' } }
sub complaints { return grep {/oidc: /} split /\n/, $nginx->log_text($nginx->{mark}) }

for my $name (qw(fc fcp)) {
    subtest "$name: its access token, without token_type_hint" => sub {
        my ($browser, $token) = in($name);
        ok(length $token, 'an access token');
        out($browser, $name);
        my @revoked = revoked($name, 1);
        is(scalar @revoked, 1, 'one revocation');
        my $fields = fields($revoked[0]);
        is_deeply([ sort keys %$fields ], [qw(client_id client_secret token)], '... exactly the accepted parameters');
        is($fields->{token}, $token, '... of this token');
        is($revoked[0]{method}, 'POST', '... by POST');
        is($revoked[0]{status}, 200, '... accepted');
        is(scalar complaints(), 0, 'nothing in the log');
    };
}

subtest 'pc: the refresh token, then the access token, with hints' => sub {
    my ($browser, $token) = in('pc');
    out($browser, 'pc');
    my @revoked = revoked('pc', 2);
    is(scalar @revoked, 2, 'two revocations');
    my @fields = map { fields($_) } @revoked;
    is_deeply([ map { $_->{token_type_hint} } @fields ], [qw(refresh_token access_token)], '... with their kinds');
    is($fields[1]{token}, $token, '... of this access token');
    isnt($fields[0]{token}, $token, '... and another');
    push @OIDC::Browser::Secrets, $fields[0]{token};
    is_deeply([ map { $_->{status} } @revoked ], [ 200, 200 ], '... accepted');
    is(scalar complaints(), 0, 'nothing in the log');
};

subtest 'opon: a generic provider that is asked for it' => sub {
    my ($browser, $token) = in('opon');
    out($browser, 'opon');
    my @revoked = revoked('opon', 1);
    my ($fields) = grep { $_->{token} eq $token } map { fields($_) } @revoked;
    is($fields->{token_type_hint}, 'access_token', 'with the hint');
    is($fields->{client_secret}, undef, 'authenticated as at the token endpoint: not in the form');
    is($revoked[-1]{status}, 200, 'accepted');
};

subtest 'no revocation' => sub {
    for my $name (qw(fcoff op)) {
        my ($browser) = in($name);
        out($browser, $name);
        is(scalar revoked($name, 0), 0, $name);
    }
    my ($browser) = in('fc');
    my $twin = $browser->clone;
    out($browser, 'fc');
    is(scalar revoked('fc', 1), 1, 'a session');
    $twin->get(rp('/fc/logout'));
    select undef, undef, undef, 1;
    is(scalar revoked('fc', 1), 1, '... is ended once');
    $op{franceconnect}->reset;
    browser()->get(rp('/fc/logout'));
    is(scalar revoked('fc', 0), 0, 'nobody was logged in');
};

subtest "another provider's session under this one's cookie" => sub {
    for my $case ([ fc => 'opon' ], [ opon => 'fc' ]) {
        my ($name, $where) = @$case;
        my ($browser) = in($name);
        my $id = $browser->cookie(rp('/'), "__Host-NGX_OIDC_SESSION_$name")->{value};
        my $mixed = browser();
        $mixed->set_cookie_line(rp('/'), "__Host-NGX_OIDC_SESSION_$where=$id; Path=/; Secure");
        $op{ $row{$where} }->reset;
        is($mixed->get(rp("/$where/x"))->status, 302, "$where: no session there");
        $nginx->mark;
        is($mixed->get(rp("/$where/logout"))->status, $where eq 'fc' ? 200 : 302, '... a logout all the same');
        is(scalar revoked($where, 0), 0, "... which is not told the tokens of $name");
        is(scalar revoked($name, 0), 0, '... nor are they brought where they are from');
        is(scalar complaints(), 0, '... nothing in the log');
    }
};

subtest 'a token that has expired is not brought' => sub {
    my ($browser) = in('fc', token => { set => { expires_in => 1 } });
    sleep 2;
    out($browser, 'fc');
    is(scalar revoked('fc', 0), 0, 'fc');
    is(scalar complaints(), 0, 'nothing in the log');
    ($browser) = in('pc', token => { set => { expires_in => 1 } });
    sleep 2;
    out($browser, 'pc');
    is_deeply([ map { fields($_)->{token_type_hint} } revoked('pc', 1) ], ['refresh_token'], 'pc: the refresh token alone');
};

subtest 'nobody waits for it' => sub {
    for my $name (qw(fc pc)) {
        my ($browser) = in($name, delay => { revocation => 700 });
        my $stolen = $browser->clone;
        my $answer = out($browser, $name);
        cmp_ok($answer->{seconds}, '<', 0.5, "$name: the redirect comes at once");
        is($stolen->get(rp("/$name/x"))->status, 302, '... the session is gone');
        my $number = $name eq 'pc' ? 2 : 1;
        is(scalar revoked($name, $number), $number, '... and the revocation comes');
        is(scalar complaints(), 0, '... nothing in the log');
    }
    my ($browser) = in('fc', delay => { revocation => 700 });
    my $pending = $browser->begin(GET => rp('/fc/logout'));
    until_true(2, sub { $op{franceconnect}->count('revocation') });
    $pending->abort;
    is(scalar revoked('fc', 1), 1, 'the browser may be gone');
};

subtest 'a provider that fails: one line, nothing else' => sub {
    for my $fault (qw(500 503 html garbage reset silence huge redirect)) {
        my ($browser) = in('fc', fail => { revocation => $fault });
        my $answer = out($browser, 'fc');
        like($answer->{location}, qr{/session/end\?}, "$fault: the logout goes on");
        my $line = until_true(5, sub { (complaints())[0] });
        if ($fault eq 'garbage') { pass('... whatever the body says') }
        else { like($line // '', qr/\[error\].*oidc: \w+: provider "fc": revocation endpoint: /, '... one line') }
        cmp_ok(scalar complaints(), '<=', 1, '... and no more');
    }
    my ($browser) = in('pc', fail => { revocation => '500' });
    out($browser, 'pc');
    ok(until_true(5, sub { complaints() }), 'pc: a line');
    is(scalar complaints(), 1, '... and no more');
    ($browser) = in('fc');
    my $stolen = $browser->clone;
    $op{franceconnect}->stop('KILL');
    out($browser, 'fc');
    ok(until_true(5, sub { complaints() }), 'a provider that is down: a line');
    is(scalar complaints(), 1, '... and no more');
    is($stolen->get(rp('/fc/x'))->status, 302, '... the session is gone');
};

log_ok();
done_testing();
