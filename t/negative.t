# What a provider, or somebody between, may send wrong: each is refused, leaves no session, and names its reason in one log line.
# The numbers are those of PROVIDERS.md section 13.
use lib 't/lib', 'lib';
use OIDC::Test;

my %op = map { $_ => start_provider($_) } qw(franceconnect franceconnect_plus proconnect generic);
$op{other_keys} = start_provider('franceconnect_plus', rp => [ rp('/wrong'), rp() ]);
my $app = app();
my $nginx = nginx(<<'NGINX', fc => $op{franceconnect}, fcp => $op{franceconnect_plus}, pc => $op{proconnect}, op => $op{generic}, fcx => $op{other_keys}, app => $app);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    oidc_provider fc {
        profile                 franceconnect;
        issuer                  %%fc%%/api/v2;
        client_id               fc-es256;
        client_secret           %%secret:fc-es256%%;
        redirect_uri            /franceconnect/callback;
        ssl_trusted_certificate %%ca%%;
        jwks_cache              min_refresh=1s;
        tamper_action           reject;
    }
    oidc_provider fchs {
        profile                 franceconnect;
        issuer                  %%fc%%/api/v2;
        client_id               fc-hs256;
        client_secret           %%secret:fc-hs256%%;
        redirect_uri            /oidc_callback_franceconnect;
        ssl_trusted_certificate %%ca%%;
        id_token_signing_alg    HS256;
        jwks_cache              min_refresh=1s;
        tamper_action           reject;
    }
    oidc_provider fcp {
        profile                 franceconnect_plus;
        issuer                  %%fcp%%/api/v2;
        client_id               fcp-ecdh-es;
        client_secret           %%secret:fcp-ecdh-es%%;
        client_key              %%key_ec%% use=enc alg=ECDH-ES;
        client_key              %%key_rsa%% use=enc;
        client_jwks_uri         /oidc_jwks;
        redirect_uri            /franceconnect_plus/callback;
        ssl_trusted_certificate %%ca%%;
        id_token_encryption     required alg=ECDH-ES;
        jwks_cache              min_refresh=1s;
        tamper_action           reject;
    }
    oidc_provider fcprsa {
        profile                 franceconnect_plus;
        issuer                  %%fcp%%/api/v2;
        client_id               fcp-rsa-oaep-256;
        client_secret           %%secret:fcp-rsa-oaep-256%%;
        client_key              %%key_rsa%% use=enc;
        redirect_uri            /oidc_callback_franceconnect_plus;
        ssl_trusted_certificate %%ca%%;
        id_token_encryption     required alg=RSA-OAEP-256;
        jwks_cache              min_refresh=1s;
        tamper_action           reject;
    }
    oidc_provider fcx {
        profile                 franceconnect_plus;
        issuer                  %%fcx%%/api/v2;
        client_id               fcp-ecdh-es;
        client_secret           %%secret:fcp-ecdh-es%%;
        client_key              %%key_ec%% use=enc alg=ECDH-ES;
        redirect_uri            /oidc_callback;
        ssl_trusted_certificate %%ca%%;
        tamper_action           reject;
    }
    oidc_provider pc {
        profile                 proconnect;
        issuer                  %%pc%%/api/v2;
        client_id               pc-es256;
        client_secret           %%secret:pc-es256%%;
        redirect_uri            /proconnect/callback;
        ssl_trusted_certificate %%ca%%;
        acr_values              eidas1;
        jwks_cache              min_refresh=1s;
        tamper_action           reject;
    }
    oidc_provider pcjson {
        profile                 proconnect;
        issuer                  %%pc%%/api/v2;
        client_id               pc-json;
        client_secret           %%secret:pc-json%%;
        redirect_uri            /oidc_callback_proconnect;
        ssl_trusted_certificate %%ca%%;
        userinfo_format         json;
        jwks_cache              min_refresh=1s;
        tamper_action           reject;
    }
    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        redirect_uri            /generic/callback;
        ssl_trusted_certificate %%ca%%;
        userinfo                on;
        jwks_cache              min_refresh=1s;
    }
    oidc_provider opjwt {
        issuer                  %%op%%/api/v2;
        client_id               generic-jwt;
        client_secret           %%secret:generic-jwt%%;
        redirect_uri            /oidc_callback_generic;
        ssl_trusted_certificate %%ca%%;
        userinfo                on;
        userinfo_format         jwt;
        max_age                 60s;
        jwks_cache              min_refresh=1s;
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
            proxy_set_header X-Acr $oidc_acr;
        }
        location /wrong/oidc_jwks { auth_oidc off; return 500 "<html>no keys here</html>"; }
    }
}
NGINX

my %row = (fc => 'franceconnect', fchs => 'franceconnect', fcp => 'franceconnect_plus', fcprsa => 'franceconnect_plus', fcx => 'other_keys', pc => 'proconnect', pcjson => 'proconnect', op => 'generic', opjwt => 'generic');
my $callback = qr{^https://rp\.localhost:\d+/(?:\w+/callback|oidc_callback\w*)\?};

# One login with the switches on, up to the answer of the callback.
sub attempt
{
    my ($name, $switches) = @_;
    my $browser = browser();
    $op{ $row{$name} }->reset(%$switches);
    my $end = $browser->navigate(rp("/$name/page"), until => $callback);
    return ($browser, $end) if !$end->{next};
    $nginx->mark;
    return ($browser, $browser->get($end->{next}));
}

my $none = 'A' x 43;
# what is sent, the provider (`any`: one of each family), the switches, the reason in the log, the status
my @cases = (
    '1 state' => [
        [ 'another state',             fc => { callback => { state => $none } },                           state_unknown => 400 ],
        [ 'state "undefined"',         fc => { callback => { state => 'undefined' } },                     state_unknown => 400 ],
        [ 'no state',                  fc => { callback => { state => 'missing' } },                       state_missing => 400 ],
        [ 'an empty state',            op => { callback => { raw => 'code={code}&state=&iss={iss}' } },     undef, 400 ],
        [ 'two states',                op => { callback => { raw => 'code={code}&state={state}&state={state}&iss={iss}' } }, callback_malformed => 400 ],
        [ 'two codes',                 op => { callback => { raw => 'code={code}&code={code}&state={state}&iss={iss}' } }, callback_malformed => 400 ],
        [ 'neither code nor error',    op => { callback => { code => 'missing' } },                        callback_malformed => 400 ],
        [ 'both code and error',       op => { callback => { raw => 'code={code}&error=access_denied&state={state}&iss={iss}' } }, callback_malformed => 400 ],
        [ 'nothing at all',            op => { callback => { raw => '' } },                                undef, 400 ],
        [ 'separators only',           op => { callback => { raw => '&&=&' } },                            undef, 400 ],
        [ 'a broken escape',           op => { callback => { raw => 'code=%zz&state={state}' } },          callback_malformed => 400 ],
        [ 'a code of 8 kB',            op => { callback => { code => 'x' x 6000 } },                       undef, undef ],
        [ 'a forged code',             op => { callback => { code => 'forged' . 'x' x 37 } },              token_refused => 502 ],
    ],
    '2 nonce' => [
        [ 'another nonce',             any => { idToken => { set => { nonce => $none } } },                 id_token_nonce => 403 ],
        [ 'no nonce',                  any => { idToken => { delete => ['nonce'] } },                       id_token_nonce => 403 ],
    ],
    '5 UserInfo after the consent has ended' => [
        [ 'too late',                  fc => { consentLife => 1, delay => { userinfo => 2200 } },          userinfo_refused => 502 ],
    ],
    '6 code' => [
        [ 'refused',                   fc => { codeRefuse => JSON::PP::true },                             token_refused => 502 ],
        [ 'refused, FC+',              fcp => { codeRefuse => JSON::PP::true },                            token_refused => 502 ],
        [ 'refused, ProConnect',       pc => { codeRefuse => JSON::PP::true },                             token_refused => 502 ],
    ],
    '9 our key set cannot be had' => [
        [ 'a page with 500',           fcx => {},                                                          undef, 502 ],
    ],
    '10 errors at the callback' => [
        [ 'access_denied',             fc => { callback => { error => 'access_denied', error_description => 'User auth aborted' } }, login_cancelled => 403 ],
        [ 'with %20',                  pc => { callback => { error => 'access_denied', error_description => 'User auth aborted', space => 'percent' } }, login_cancelled => 403 ],
        [ 'unencoded',                 fc => { callback => { raw => 'error=access_denied&error_description=User+auth%20aborted&state={state}&iss=' . $op{franceconnect}->issuer } }, login_cancelled => 403 ],
        [ 'login_required',            pc => { callback => { error => 'login_required' } },                login_required => 403 ],
        [ 'server_error',              fc => { callback => { error => 'server_error' } },                  provider_error => 403 ],
        [ 'invalid_acr',               fc => { callback => { error => 'invalid_acr' } },                   provider_error => 403 ],
        [ 'invalid_scope with scope',  fc => { callback => { error => 'invalid_scope', extra => { scope => 'dgfip_rfr' } } }, provider_error => 403 ],
        [ 'idp_hint_not_found',        pc => { callback => { error => 'idp_hint_not_found' } },            provider_error => 403 ],
        [ 'an unknown one, with HTML', op => { callback => { error => '<b>x</b>', error_description => '<script>alert(1)</script>' x 80 } }, provider_error => 403 ],
        [ 'without a state',           fc => { callback => { error => 'access_denied', state => 'missing' } }, state_missing => 400 ],
        [ 'state "undefined"',         fc => { callback => { error => 'access_denied', state => 'undefined' } }, state_unknown => 400 ],
        [ 'without iss',               fc => { callback => { error => 'access_denied', iss => 'missing' } }, callback_issuer => 400 ],
    ],
    '11 iss at the callback' => [
        [ 'another issuer',            fc => { callback => { iss => 'wrong' } },                           callback_issuer => 400 ],
        [ 'another issuer, FC+',       fcp => { callback => { iss => 'wrong' } },                          callback_issuer => 400 ],
        [ 'another issuer, ProConnect', pc => { callback => { iss => 'wrong' } },                          callback_issuer => 400 ],
        [ 'another issuer, generic',   op => { callback => { iss => 'wrong' } },                           callback_issuer => 400 ],
        [ 'none',                      fc => { callback => { iss => 'missing' } },                         callback_issuer => 400 ],
        [ 'with a slash',              fc => { callback => { iss => $op{franceconnect}->issuer . '/' } },  callback_issuer => 400 ],
    ],
    '12 at_hash' => [
        [ 'wrong',                     pc => { idToken => { set => { at_hash => 'AAAAAAAAAAAAAAAAAAAAAA' } } }, id_token_at_hash => 502 ],
        [ 'wrong, FC',                 fc => { idToken => { set => { at_hash => 'AAAAAAAAAAAAAAAAAAAAAA' } } }, id_token_at_hash => 502 ],
        [ 'a number',                  fc => { idToken => { set => { at_hash => 1 } } },                   id_token_at_hash => 502 ],
        [ 'of another access token',   pc => { token => { set => { access_token => 'other' . 'x' x 38 } } }, id_token_at_hash => 502 ],
    ],
    '13 encryption' => [
        [ 'plain where it is required', fcp => { idToken => { encrypted => JSON::PP::false } },            id_token_encryption => 502 ],
        [ 'claims without a signature', fcp => { idToken => { inner => 'claims' } },                       id_token_malformed => 502 ],
        [ 'the key damaged',           fcprsa => { jwe => { damage => 'key' } },                           id_token_decryption => 502 ],
        [ 'the IV damaged',            fcp => { jwe => { damage => 'iv' } },                               id_token_decryption => 502 ],
        [ 'the text damaged',          fcp => { jwe => { damage => 'ciphertext' } },                       id_token_decryption => 502 ],
        [ 'the tag damaged',           fcp => { jwe => { damage => 'tag' } },                              id_token_decryption => 502 ],
        [ 'the header damaged',        fcp => { jwe => { damage => 'header' } },                           undef, 502 ],
        [ 'a key with ECDH-ES',        fcp => { jwe => { damage => 'key' } },                              id_token_malformed => 502 ],
        [ 'four parts',                fcp => { jwe => { damage => 'parts' } },                            undef, 502 ],
        [ 'a crit header',             fcp => { jwe => { header => { set => { crit => ['exp'], exp => 1 } } } }, id_token_malformed => 502 ],
        [ 'none inside',               fcp => { idToken => { alg => 'none', signature => 'empty' } },      id_token_algorithm => 502 ],
        [ 'a foreign signature inside', fcp => { idToken => { key => 'foreign' } },                        id_token_signature => 502 ],
        [ 'nonce inside',              fcp => { idToken => { set => { nonce => $none } } },                id_token_nonce => 403 ],
    ],
    '14 signature' => [
        [ 'none',                      any => { idToken => { alg => 'none', signature => 'empty' } },       id_token_algorithm => 502 ],
        [ 'NonE',                      fc => { idToken => { alg => 'none', signature => 'empty', header => { set => { alg => 'NonE' } } } }, id_token_algorithm => 502 ],
        [ 'HS256 with the public key', fc => { idToken => { alg => 'HS256', key => 'public-pem' } },       id_token_algorithm => 502 ],
        [ 'HS256 with the secret',     fc => { idToken => { alg => 'HS256' } },                            id_token_algorithm => 502 ],
        [ 'HS256 with the public key, ProConnect', pc => { idToken => { alg => 'HS256', key => 'public-pem' } }, id_token_algorithm => 502 ],
        [ 'HS256, generic',            op => { idToken => { alg => 'HS256' } },                            id_token_algorithm => 502 ],
        [ 'ES256 where HS256 is configured', fchs => { idToken => { alg => 'ES256' } },                    undef, 502 ],
        [ 'corrupt',                   fc => { idToken => { signature => 'corrupt' } },                    id_token_signature => 502 ],
        [ 'corrupt, HS256',            fchs => { idToken => { signature => 'corrupt' } },                  id_token_signature => 502 ],
        [ 'corrupt, RS256',            op => { idToken => { signature => 'corrupt' } },                    id_token_signature => 502 ],
        [ 'empty',                     fc => { idToken => { signature => 'empty' } },                      id_token_signature => 502 ],
        [ 'empty, HS256',              fchs => { idToken => { signature => 'empty' } },                    id_token_signature => 502 ],
        [ 'of other claims',           fc => { idToken => { signature => 'keep', set => { sub => 'admin' } } }, id_token_signature => 502 ],
        [ 'a foreign key',             fc => { idToken => { key => 'foreign' } },                          id_token_signature => 502 ],
        [ 'an unknown kid',            fc => { idToken => { header => { set => { kid => '../../etc/passwd' } } } }, id_token_key => 502 ],
        [ 'crit',                      fc => { idToken => { header => { set => { crit => ['x'], x => 1 } } } }, id_token_malformed => 502 ],
        [ 'b64',                       fc => { idToken => { header => { set => { b64 => JSON::PP::false } } } }, id_token_malformed => 502 ],
        [ 'zip',                       fc => { idToken => { header => { set => { zip => 'DEF' } } } },     id_token_malformed => 502 ],
        [ 'an access token',           fc => { idToken => { header => { set => { typ => 'at+jwt' } } } },  id_token_type => 502 ],
        [ 'a logout token',            fc => { idToken => { header => { set => { typ => 'logout+jwt' } } } }, id_token_type => 502 ],
        [ 'events',                    fc => { idToken => { set => { events => {} } } },                   id_token_type => 502 ],
    ],
    '15 UserInfo' => [
        [ 'JSON where a JWT is required', fc => { userinfo => { form => 'json' } },                        userinfo_malformed => 502 ],
        [ 'JSON where a JWT is required, generic', opjwt => { userinfo => { form => 'json' } },            userinfo_malformed => 502 ],
        [ 'not encrypted',             fcp => { userinfo => { encrypted => JSON::PP::false } },            userinfo_encryption => 502 ],
        [ 'another sub',               any => { userinfo => { set => { sub => 'another' } } },              userinfo_subject => 403 ],
        [ 'no sub',                    any => { userinfo => { delete => ['sub'] } },                        userinfo_subject => 403 ],
        [ 'another audience',          fc => { userinfo => { set => { aud => 'other' } } },                userinfo_audience => 502 ],
        [ 'another audience, FC+',     fcp => { userinfo => { set => { aud => 'other' } } },               userinfo_audience => 502 ],
        [ 'another issuer',            pc => { userinfo => { set => { iss => 'https://evil.example' } } }, userinfo_issuer => 502 ],
        [ 'expired',                   fc => { userinfo => { set => { exp => time() - 3600 } } },            userinfo_expired => 502 ],
        [ 'an array',                  pcjson => { userinfo => { form => 'array' } },                      userinfo_malformed => 502 ],
        [ 'no JSON',                   pcjson => { userinfo => { raw => '<html>', type => 'application/json' } }, userinfo_malformed => 502 ],
        [ 'cut JSON',                  op => { userinfo => { raw => '{"sub":"angela"', type => 'application/json' } }, userinfo_malformed => 502 ],
        [ 'a member twice',            op => { userinfo => { raw => '{"sub":"angela","sub":"angela"}', type => 'application/json' } }, userinfo_malformed => 502 ],
        [ 'empty',                     op => { userinfo => { raw => '', type => 'application/json' } },    undef, 502 ],
        [ 'none',                      fc => { userinfo => { alg => 'none', signature => 'empty' } },      userinfo_signature => 502 ],
        [ 'a foreign key',             pc => { userinfo => { key => 'foreign' } },                         userinfo_signature => 502 ],
        [ 'HS256 with the public key', fc => { userinfo => { alg => 'HS256', key => 'public-pem' } },      userinfo_signature => 502 ],
        [ 'of other claims',           fc => { userinfo => { signature => 'keep', set => { email => 'admin@example.org' } } }, userinfo_signature => 502 ],
    ],
    'too many claims' => [
        [ '80 kB',                     op => { userinfo => { set => { big => 'x' x 80_000 } } },           session_too_large => 502 ],
        [ '300 kB',                    op => { userinfo => { set => { big => 'x' x 300_000 } } },          undef, 502 ],
    ],
    '16 audience' => [
        [ 'another',                   any => { idToken => { set => { aud => 'other' } } },                 id_token_audience => 502 ],
        [ 'none',                      fc => { idToken => { delete => ['aud'] } },                         id_token_audience => 502 ],
        [ 'an empty array',            fc => { idToken => { set => { aud => [] } } },                      id_token_audience => 502 ],
        [ 'with a number',             fc => { idToken => { set => { aud => [ 'fc-es256', 1 ] } } },       id_token_audience => 502 ],
        [ 'several, no azp',           fc => { idToken => { set => { aud => [ 'fc-es256', 'other' ] } } }, id_token_azp => 502 ],
        [ 'azp is another',            fc => { idToken => { set => { aud => [ 'fc-es256', 'other' ], azp => 'other' } } }, id_token_azp => 502 ],
        [ 'one, azp is another',       op => { idToken => { set => { azp => 'other' } } },                 id_token_azp => 502 ],
    ],
    '17 acr' => [
        [ 'lower than asked',          fcp => { acr => 'eidas1' },                                         id_token_acr => 403 ],
        [ 'lower, by the token',       fcp => { idToken => { set => { acr => 'eidas1' } } },               id_token_acr => 403 ],
        [ 'none',                      fc => { idToken => { delete => ['acr'] } },                         id_token_acr => 403 ],
        [ 'an unknown one',            fc => { idToken => { set => { acr => 'eidas9' } } },                id_token_acr => 403 ],
        [ 'an array',                  fc => { idToken => { set => { acr => ['eidas1'] } } },              id_token_acr => 403 ],
    ],
    'claims' => [
        [ 'another issuer',            any => { idToken => { set => { iss => 'https://evil.example' } } },  id_token_issuer => 502 ],
        [ 'a slash more',              fc => { idToken => { set => { iss => $op{franceconnect}->issuer . '/' } } }, id_token_issuer => 502 ],
        [ 'an array of issuers',       fc => { idToken => { set => { iss => [ $op{franceconnect}->issuer ] } } }, id_token_issuer => 502 ],
        [ 'no sub',                    any => { idToken => { delete => ['sub'] } },                         id_token_subject => 502 ],
        [ 'an empty sub',              fc => { idToken => { set => { sub => '' } } },                      id_token_subject => 502 ],
        [ 'a number as sub',           fc => { idToken => { set => { sub => 42 } } },                      id_token_subject => 502 ],
        [ 'a long sub',                fc => { idToken => { set => { sub => 's' x 256 } } },               id_token_subject => 502 ],
        [ 'expired',                   any => { idToken => { shift => { exp => -7300 } } },                 id_token_expired => 502 ],
        [ 'no exp',                    fc => { idToken => { delete => ['exp'] } },                         id_token_expired => 502 ],
        [ 'exp is text',               fc => { idToken => { set => { exp => '9999999999' } } },            id_token_expired => 502 ],
        [ 'no iat',                    fc => { idToken => { delete => ['iat'] } },                         id_token_iat => 502 ],
        [ 'iat ahead',                 fc => { idToken => { shift => { iat => 600 } } },                   id_token_iat => 502 ],
        [ 'iat a week ago',            fc => { idToken => { shift => { iat => -7 * 86400 } } },            id_token_iat => 502 ],
        [ 'nbf ahead',                 fc => { idToken => { set => { nbf => time() + 600 } } },              id_token_expired => 502 ],
        [ 'max_age: an old login',     opjwt => { idToken => { set => { auth_time => time() - 600 } } },     id_token_auth_time => 502 ],
        [ 'max_age: no auth_time',     opjwt => { idToken => { delete => ['auth_time'] } },                id_token_auth_time => 502 ],
    ],
    '23 the token response' => [
        [ 'MAC',                       fc => { tokenType => 'MAC' },                                       token_type => 502 ],
        [ 'no token_type',             fc => { token => { delete => ['token_type'] } },                    token_type => 502 ],
        [ 'no ID token',               any => { token => { delete => ['id_token'] } },                      id_token_missing => 502 ],
        [ 'a header in it',            op => { token => { set => { access_token => "a\r\nX-Evil: 1" } } }, token_malformed => 502 ],
        [ 'no access token',           fc => { token => { delete => ['access_token'] } },                  token_malformed => 502 ],
        [ 'an ID token that is none',  fc => { token => { set => { id_token => 'x.y' } } },                id_token_malformed => 502 ],
        [ 'an ID token of 70 kB',      fc => { token => { set => { id_token => 'a.' . 'b' x 70000 . '.c' } } }, id_token_malformed => 502 ],
        [ 'a million dots',            fc => { token => { set => { id_token => '.' x 60000 } } },          id_token_malformed => 502 ],
    ],
);

my $session = qr/SESSION/;
while (my ($family, $rows) = splice @cases, 0, 2) {
    subtest $family => sub {
        for my $row (@$rows) {
            my ($what, $name, $switches, $reason, $status) = @$row;
            for my $provider ($name eq 'any' ? qw(fc fcp pc op) : $name) {
                my ($browser, $answer) = attempt($provider, { auto => 'angela', %$switches });
                if (defined $status) { is($answer->status, $status, "$provider: $what") }
                else { like($answer->status, qr/^[45]/, "$provider: $what") }
                ok((!grep { $_ =~ $session } @{ $answer->{set_cookies} }), '... no session cookie');
                is($browser->get(rp("/$provider/page"))->status, 302, '... no session');
                unlike($answer->{body}, qr/"headers"|script>alert|eyJ/, '... the page tells nothing');
                my @reasons = $nginx->reasons;
                is("@reasons", $reason, '... ' . $reason) if defined $reason;
                is(scalar @reasons, 1, '... one line') if !defined $reason;
            }
        }
    };
}

# The same switches used for what is allowed: a test that refuses everything would not notice.
subtest 'allowed' => sub {
    for my $row (
        [ 'nothing changed',                 any => {} ],
        [ 'at_hash absent',                  pc => { idToken => { delete => ['at_hash'] } } ],
        [ 'auth_time absent',                op => { idToken => { delete => ['auth_time'] } } ],
        [ 'JWE header without iss and aud',  fcp => { jwe => { header => { delete => [ 'iss', 'aud' ] } } } ],
        [ 'JWE without kid',                 fcp => { jwe => { header => { delete => ['kid'] } } } ],
        [ 'JWE with an unknown kid',         fcprsa => { jwe => { header => { set => { kid => 'other' } } } } ],
        [ 'JWS without kid',                 fc => { idToken => { header => { delete => ['kid'] } } } ],
        [ 'typ JWT',                         fc => { idToken => { header => { set => { typ => 'JWT' } } } } ],
        [ 'an unused jku',                   fc => { idToken => { header => { set => { jku => 'https://evil.localhost/jwks' } } } } ],
        [ 'aud in an array',                 fc => { idToken => { set => { aud => ['fc-es256'] } } } ],
        [ 'azp is us',                       fc => { idToken => { set => { aud => [ 'fc-es256', 'other' ], azp => 'fc-es256' } } } ],
        [ 'acr higher than asked',           fcp => { acr => 'eidas3' } ],
        [ 'acr higher, ProConnect',          pc => { idToken => { set => { acr => 'eidas2' } } } ],
        [ 'token_type in small letters',     fc => { tokenType => 'bearer' } ],
        [ 'no expires_in',                   op => { token => { delete => ['expires_in'] } } ],
        [ 'members we do not know',          fc => { token => { set => { hello => [ 1, 2 ] } } } ],
        [ 'expired within the skew',         fc => { idToken => { set => { exp => time() - 20 } } } ],
        [ 'UserInfo without exp',            fc => { userinfo => { delete => ['exp'] } } ],
        [ 'UserInfo with charset',           pcjson => { userinfo => { set => { x => 1 } } } ],
        [ 'claims of 30 kB',                 op => { userinfo => { set => { big => [ map {"role $_"} 1 .. 3000 ] } } } ],
        [ 'a consent of 5 s',                fcp => { consentLife => 5 } ],
        )
    {
        my ($what, $name, $switches) = @$row;
        for my $provider ($name eq 'any' ? qw(fc fchs fcp fcprsa pc pcjson op opjwt) : $name) {
            my ($browser, $answer) = attempt($provider, { auto => 'angela', %$switches });
            is($answer->status, 302, "$provider: $what") or diag join '|', $nginx->reasons;
            is($answer->{location}, rp("/$provider/page"), '... to the page');
            is($browser->get(rp("/$provider/page"))->status, 200, '... with a session');
            is(scalar(() = $nginx->reasons), 0, '... nothing in the log');
        }
    }
};

subtest 'strange requests to the callback' => sub {
    my $url = rp('/generic/callback');
    is(browser()->post($url, [ [ code => 'x' ], [ state => $none ] ])->status, 405, 'POST');
    is(browser()->request(POST => $url, body => 'x')->status, 405, 'POST without a content type');
    is(browser()->request(PUT => $url, body => 'x')->status, 405, 'PUT');
    like(browser()->get("$url?" . join '&', map {"a$_=$_"} 1 .. 800)->status, qr/^4/, '800 parameters');
    like(browser()->get("$url?code=" . 'x' x 9000)->status, qr/^4/, 'a URL of 9 kB');
    is(browser()->get("$url?$_")->status, 400, "?$_") for '', '&', '?', '=', '&&&', 'state', 'state=', 'code', 'code=a', 'state=a', 'code=a&state=%', 'code=a&state=%00', "code=a&state=$none\xff", 'state[]=a&code[]=b', 'error=';
    is(browser()->request(HEAD => "$url?code=a&state=$none")->status, 400, 'HEAD');
};

# An error page is no place for what a provider, or anybody, wrote.
subtest 'the page of an error' => sub {
    my $answer = (attempt(op => { auto => 'angela', callback => { error => 'x"><svg onload=alert(1)>', error_description => '<svg/onload=alert(2)>' } }))[1];
    is($answer->status, 403, 'refused');
    unlike($answer->{body}, qr/<svg/, 'no markup of theirs');
    like($answer->header('cache-control'), qr/no-store/, 'never cached');
    my $log = $nginx->log_text($nginx->{mark});
    is(scalar(() = $log =~ /oidc: /g), 1, "one line in the log");
};

log_ok();
done_testing();
