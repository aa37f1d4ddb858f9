# nginx -t: what is accepted, and each refusal of a single directive with its exact sentence, file and line.
use strict;
use warnings;
use utf8;
use lib 't/lib', 'lib';
use Test::More;
use OIDC::Config;

# ---- Accepted

accepted('without any provider', servers => 'server { listen 8080; }');
accepted($_, kind => $_, block => '') for qw(generic fc fcp pc);
accepted('a configuration for NGINX Plus', kind => 'none', block => <<'PLUS',
    issuer https://accounts.example.com; client_id "cid"; client_secret "sec";
    config_url https://accounts.example.com/.well-known/openid-configuration;
    cookie_name MY_SESSION; extra_auth_args "display=page&k=%C3%A9";
    logout_uri /logout; post_logout_uri /after_logout; logout_token_hint on; pkce on;
    redirect_uri /oidc_callback; scope openid email profile; session_timeout 4h; session_store sessions;
    ssl_trusted_certificate ca.pem; userinfo on;
PLUS
    location => 'auth_oidc p; auth_require $oidc_claim_email;', http => 'oidc_session_zone zone=sessions:1m;');
accepted('every directive', kind => 'generic', block => <<'ALL', http => 'oidc_cookie_key cookie.key; oidc_cookie_key cookie.key;');
    profile generic; endpoint token https://op.example.fr/t; endpoint jwks https://op.example.fr/k;
    endpoint authorization https://op.example.fr/a; endpoint userinfo https://op.example.fr/u;
    endpoint end_session https://op.example.fr/e; endpoint revocation https://op.example.fr/r; endpoint par https://op.example.fr/p;
    par on; ssl_certificate ca.pem; ssl_certificate_key ec.pem;
    metadata_cache valid=5m stale=1h min_refresh=10s; jwks_cache stale=2h; http_timeout 5s connect=1s; http_max_response 64k;
    http_proxy http://user:pass@proxy.example.fr:3128; login_deadline 20s; token_endpoint_auth_method client_secret_basic;
    client_key ec.pem use=enc alg=ECDH-ES kid=e1; client_key rsa.pem use=enc alg=RSA-OAEP-256 kid=r1 state=next;
    client_jwks_uri /oidc_jwks max_age=1h; id_token_encryption required alg=ECDH-ES,RSA-OAEP-256 enc=A256GCM;
    auth_args display $arg_display; acr_values silver gold; claims '{"id_token":{"amr":null}}'; prompt login; login_hint $arg_hint;
    idp_hint x; ui_locales fr en; max_age 1h; id_token_signing_alg ES256 PS512; userinfo_format jwt alg=ES256 encryption=required;
    iss_parameter required; clock_skew 30s; state_timeout 10m; state_limit 4; session_idle_timeout 30m; session_max_lifetime off;
    login_uri /oidc/login; logged_out_uri https://www.example.fr/bye; error_uri /oops; logout_state on; logout_uri /app/out; redirect_uri /app/callback;
    post_logout_uri https://www.example.fr/oidc/out; cookie_name sid; cookie_domain example.fr; cookie_path /app;
    cookie_samesite none; cookie_secure on; response_mode form_post; initiate_login_uri /app/third;
ALL
accepted('another environment',     kind => 'none',
    block => "profile proconnect environment=integration network=rie; client_id c; client_secret $hex;");
accepted('an issuer of its own',    kind => 'fc', block => 'issuer https://fc.example.fr/api/v2;');
accepted('plain http on loopback',  kind => 'none', block => 'issuer http://op.localhost:3000/x; client_id c; token_endpoint_auth_method none;');
accepted('a secret in a file',      kind => 'none',
    block => 'issuer https://op.example.fr; client_id c; client_secret_file secret;');
accepted('an include in the block', kind => 'none', block => 'issuer https://op.example.fr; include part.conf; client_secret s;');
accepted('claims from a file',      kind => 'fc', block => 'claims file:claims.json;');
accepted('acr_values of FC+',       kind => 'fcp', block => 'acr_values eidas3;');
accepted('acr_values by variable',  kind => 'fcp', block => 'acr_values $arg_level;');
accepted('HS256 of FranceConnect',  kind => 'fc', block => 'id_token_signing_alg HS256;');
accepted('JSON of ProConnect',      kind => 'pc', block => 'userinfo_format json;');
accepted('hints of ProConnect',     kind => 'pc', block => 'login_hint a@b.gouv.fr; auth_args siret_hint 13002526500013;');
accepted('the logout of a portal',  kind => 'fc', block => 'logout_uri /out; post_logout_uri /bye; logged_out_uri /;');
accepted('one URI, two providers',  kind => 'generic', block => '', location => 'auth_oidc $arg_p;',
    http => 'oidc_provider q { issuer https://q.example.fr; client_id c; client_secret s; }');
accepted('one key set, two providers', kind => 'fcp', block => '', location => 'auth_oidc $arg_p;',
    http => "oidc_provider q { profile franceconnect_plus environment=integration; client_id d; client_secret $hex;"
        . ' client_key ec.pem use=enc; client_jwks_uri /oidc_jwks; }');
accepted('a provider that is declared later', location => 'auth_oidc q;',
    servers => 'server { listen 127.0.0.1:8080; auth_oidc q; }'
        . ' oidc_provider q { issuer https://q.example.fr; client_id c; client_secret s; }');
accepted('the rest of a location', kind => 'generic', block => '',
    http => 'oidc_claim_set $roles source=userinfo encoding=json realm_access roles; oidc_claim_set $m chorusdt:matricule;'
        . ' auth_oidc_strip_cookies off; auth_oidc_unauth 401; oidc_base_url https://www.example.fr:8443;',
    location => 'auth_oidc p; auth_oidc_args "prompt=login&display=page"; auth_require $roles $m error=404; auth_require $m;'
        . ' auth_oidc_unauth pass; oidc_base_url $scheme://$host;');
accepted('off', kind => 'generic', block => '', location => 'auth_oidc off;', http => 'auth_oidc p;');

# ---- The block and its directives

my $p = 'oidc_provider "p": ';
refused('unknown directive "foobar" in oidc_provider', kind => 'generic', block => 'foobar on; #!');
refused('unknown directive "clientid" in oidc_provider; did you mean "client_id"?', kind => 'generic', block => 'clientid x; #!');
refused('"issuer" directive is duplicate', kind => 'generic', block => 'issuer https://b.example.fr; #!');
refused('invalid number of arguments in "pkce" directive', kind => 'generic', block => 'pkce on off; #!');
refused("${p}pkce: invalid value \"maybe\", it can be on, off", kind => 'generic', block => 'include bad.conf;',
    in => "$dir/bad.conf:2");
refused('oidc_provider "p" is declared twice; rename one', kind => 'generic', block => '', http => 'oidc_provider p { #!');
refused('oidc_provider "a b": a name has letters, digits, "_", "-" and ".", at most 64', http => 'oidc_provider "a b" { #!');
refused('oidc_provider "off": "auth_oidc off" has another meaning; choose another name', http => 'oidc_provider off { #!');
refused("${p}issuer: the directive is missing; copy the issuer of the provider's metadata", kind => 'none',
    block => 'client_id c;');
refused("${p}client_id: the directive is missing; the provider gave it at registration", kind => 'none',
    block => 'issuer https://a.fr;');

# [ kind, block, the sentence behind the provider's name ]
# [ kind, block, the sentence behind the provider's name ]
my @cases = (
    [ generic => 'profile google; #!',
        'profile: unknown profile "google", it can be one of: ' . join ' ', profile_names() ],
    [ generic => 'profile generic environment=production; #!', 'profile: it has neither environments nor networks' ],
    [ none    => 'profile franceconnect network=rie; #!',
        'profile: FranceConnect has no environment "production" on network "rie"'
        . '; environment=production network=internet; environment=integration network=internet' ],
    [ none    => 'profile proconnect env=production; #!',
        'profile: unknown parameter "env=production"; known: environment, network' ],
    [ none    => 'issuer http://op.example.fr; #!',
        'issuer: "http://op.example.fr" must be https; plain http is for loopback hosts alone' ],
    [ none    => 'issuer op.example.fr; #!', 'issuer: "op.example.fr" is no absolute https URL' ],
    [ none    => 'issuer https://op.example.fr/?x; #!', 'issuer: "https://op.example.fr/?x" has a query, and an issuer has none' ],
    [ generic => 'endpoint token http://op.example.fr/t; #!',
        'endpoint: "http://op.example.fr/t" must be https; plain http is for loopback hosts alone' ],
    [ generic => 'endpoint tokens https://op.example.fr/t; #!',
        'endpoint: invalid value "tokens", it can be authorization, token, userinfo, jwks, end_session, revocation, par' ],
    [ generic => "endpoint token https://a.fr/;\nendpoint token https://b.fr/; #!", 'endpoint: "token" is written twice' ],
    [ generic => 'metadata_cache valid=soon; #!', 'metadata_cache: invalid time "soon"; write it like 30s, 10m or 8h' ],
    [ generic => 'session_timeout 99999999999d; #!', 'session_timeout: "99999999999d" is more than a hundred years' ],
    [ generic => 'jwks_cache min_refresh=0; #!',
        'jwks_cache: min_refresh=0 would let any visitor make us fetch; 1s is the least' ],
    [ generic => 'jwks_cache valids=1s; #!', 'jwks_cache: unknown parameter "valids=1s"; did you mean "valid"?' ],
    [ generic => 'jwks_cache valid=1s valid=2s; #!', 'jwks_cache: parameter "valid" is written twice' ],
    [ generic => 'http_timeout 0; #!', 'http_timeout: no call ends in no time; write at least 1s' ],
    [ generic => 'http_max_response 1k; #!', 'http_max_response: metadata and keys do not fit; 4k is the least' ],
    [ generic => 'http_max_response x; #!', 'http_max_response: invalid size "x"; write it like 256k or 8m' ],
    [ generic => 'http_proxy proxy:3128; #!', 'http_proxy: the value is no proxy; write it like http://proxy.example.fr:3128' ],
    [ generic => 'login_deadline 0; #!', 'login_deadline: no login ends in no time; write at least 1s' ],
    [ generic => 'ssl_trusted_certificate none.pem; #!',
        'ssl_trusted_certificate: cannot read "%dir%/none.pem": No such file or directory' ],
    [ generic => 'ssl_trusted_certificate garbage.pem; #!',
        'ssl_trusted_certificate: "%dir%/garbage.pem" holds no certificate in PEM' ],
    [ generic => 'ssl_trusted_certificate two.pem; #!', 'ssl_trusted_certificate: "%dir%/two.pem": certificate 2 in it is broken' ],
    [ generic => 'ssl_trusted_certificate /; #!', 'ssl_trusted_certificate: cannot read "/": Is a directory' ],
    [ generic => 'ssl_crl /dev/zero; #!', 'ssl_crl: "/dev/zero" is larger than 16 MB' ],
    [ generic => 'ssl_crl fifo; #!', 'ssl_crl: "%dir%/fifo" holds no certificate revocation list in PEM' ],
    [ generic => 'ssl_crl ca.pem; #!', 'ssl_crl: "%dir%/ca.pem" holds no certificate revocation list in PEM' ],
    [ none => 'client_id ""; #!', 'client_id: the value is empty' ],
    [ none => 'client_id $host; #!', 'client_id: "$host" has a variable, and the directive takes no variables' ],
    [ none => 'client_secret ""; #!', 'client_secret: the secret is empty' ],
    [ generic => 'client_secret_file secret; #!', 'client_secret_file: there is a client_secret too; keep one of them' ],
    [ none => 'client_secret_file two; #!', 'client_secret_file: "%dir%/two" must hold the secret alone, on one line' ],
    [ none => 'client_secret_file empty; #!', 'client_secret_file: "%dir%/empty" must hold the secret alone, on one line' ],
    [ none => 'client_secret_file nowhere; #!', 'client_secret_file: cannot read "%dir%/nowhere": No such file or directory' ],
    [ none => 'issuer https://a.fr; client_id c; token_endpoint_auth_method client_secret_basic;',
        'client_secret: the directive is missing; write client_secret or client_secret_file' ],
    [ none => 'profile franceconnect; client_id c;',
        'client_secret: the directive is missing; write client_secret or client_secret_file' ],
    [ generic => 'token_endpoint_auth_method private_key; #!', 'token_endpoint_auth_method: invalid value "private_key", '
        . 'it can be auto, client_secret_basic, client_secret_post, private_key_jwt, client_secret_jwt, tls_client_auth, self_signed_tls_client_auth, none' ],
    [ generic => 'token_endpoint_auth_method private_key_jwt audience=x; #!',
        'token_endpoint_auth_method: invalid value "x", it can be issuer, token_endpoint' ],
    [ generic => 'token_endpoint_auth_method none audience=issuer; #!',
        'token_endpoint_auth_method: only private_key_jwt and client_secret_jwt have an audience' ],
    [ generic => 'ssl_certificate nowhere; #!', 'ssl_certificate: cannot read "%dir%/nowhere": No such file or directory' ],
    [ generic => 'par yes; #!', 'par: invalid value "yes", it can be auto, on, off' ],
    [ generic => 'endpoint par http://op.example.fr/par; #!',
        'endpoint: "http://op.example.fr/par" must be https; plain http is for loopback hosts alone' ],
    [ fc => 'token_endpoint_auth_method client_secret_basic; #!',
        'token_endpoint_auth_method: FranceConnect accepts client_secret_post alone; remove the directive' ],
    [ generic => 'client_key ec.pem kid=a; #!', 'client_key: use=sig or use=enc is missing' ],
    [ generic => 'client_key ec.pem use=both; #!', 'client_key: invalid value "both", it can be sig, enc' ],
    [ generic => 'client_key ec.pem use=enc state=old; #!', 'client_key: invalid value "old", it can be next, active, retired' ],
    [ generic => 'client_key garbage.pem use=enc; #!', 'client_key: "%dir%/garbage.pem": no private key in it: '
        . 'give an unencrypted PEM (PKCS#1, SEC1 or PKCS#8) or a private JWK' ],
    [ generic => "client_key ec.pem use=enc kid=a;\nclient_key rsa.pem use=enc kid=a; #!",
        'client_key: "%dir%/rsa.pem": another client_key has the kid "a"' ],
    [ generic => 'client_jwks_uri /k; #!', 'client_jwks_uri: no client_key is active, add one' ],
    [ generic => 'client_jwks_uri /k age=1; #!', 'client_jwks_uri: unknown parameter "age=1"; known: max_age' ],
    [ generic => 'client_key ec.pem use=enc alg=RSA-OAEP; #!',
        'client_key: "%dir%/ec.pem": the key cannot do "RSA-OAEP" with use=enc, it can do ECDH-ES' ],
    [ generic => 'client_key rsa.pem use=sig alg=ES256; #!',
        'client_key: "%dir%/rsa.pem": the key cannot do "ES256" with use=sig, it can do RS256 to PS512' ],
    [ generic => 'client_key ec.pem; #!', 'client_key: use=sig or use=enc is missing' ],

    # paths and arguments
    [ generic => 'redirect_uri oidc; #!',
        'redirect_uri: "oidc" is neither a path (write "/oidc_callback") nor an absolute https URL' ],
    ( map { [ generic => "$_->[0] /; #!", qq{$_->[0]: the module would answer "/" instead of the site; write "$_->[1]"} ] }
        [ redirect_uri => '/oidc_callback' ],
        [ login_uri => '/login' ], [ logout_uri => '/logout' ], [ client_jwks_uri => '/oidc_jwks' ] ),
    [ generic => 'redirect_uri http://www.example.fr/cb; #!',
        'redirect_uri: "http://www.example.fr/cb" must be https; plain http is for loopback hosts alone' ],
    [ generic => 'response_mode fragment; #!', 'response_mode: invalid value "fragment", it can be query, form_post' ],
    [ generic => 'login_uri /a?b; #!',
        'login_uri: "/a?b" is no plain path: it starts with "/" and has no query, escape or empty segment' ],
    [ generic => 'logout_uri /a//b; #!',
        'logout_uri: "/a//b" is no plain path: it starts with "/" and has no query, escape or empty segment' ],
    [ generic => 'post_logout_uri https://www.example.fr/; #!',
        'post_logout_uri: the module would answer "/" instead of the site; write "/logged_out"' ],
    ( map { my ($name) = split / /;
        my $refuses = sub { my ($page, $why) = @_; [ generic => "$_ $page; #!", qq{$name: "$page" $why} ] };
        ( $refuses->('//evil.example', 'is no path of this site'),
            $refuses->('bye', 'is neither a path (write it like /bye) nor an absolute https URL'),
            $refuses->('http://www.example.fr/bye', 'must be https; plain http is for loopback hosts alone') ) }
        'logged_out_uri', 'tamper_action provider_logout' ),
    [ generic => 'tamper_action reject /bye; #!', 'tamper_action: "reject" has no parameters' ],
    [ generic => 'error_uri https://a.fr/; #!',
        'error_uri: "https://a.fr/" is no path of this site, where an internal redirect can go' ],
    ( map { [ generic => qq{error_uri "$_"; #!},
            qq{error_uri: "$_" is taken literally, by an internal redirect: leave out "?", "%" and "#"} ] } '/e?x', '/e%20', '/e#x' ),
    ( map { [ generic => "$_ https://www.example.fr/x; logout_state on; logout_uri /out;\nerror_uri /x; #!",
            "error_uri: the module answers this path, as the $_; choose another" ] } qw(redirect_uri post_logout_uri) ),
    [ generic => "login_uri /x;\nerror_uri /x; #!", 'error_uri: the module answers this path, as the login_uri; choose another' ],
    [ generic => 'scope email profile; #!', 'scope: "openid" is missing; without it there is no login' ],
    [ generic => 'extra_auth_args "a=%zz"; #!',
        'extra_auth_args: "a=%zz" is no query; write it like "a=b&c=d", with %XX escapes' ],
    ( map { [ generic => "auth_args $_ x; #!", qq{auth_args: the parameter "$_" is the module's own; remove it} ] }
        qw(client_id redirect_uri response_type scope state nonce code_challenge code_challenge_method request request_uri) ),
    [ generic => "prompt login;\nauth_args prompt none; #!", 'auth_args: the authorization parameter "prompt" is written twice' ],
    [ fc => "auth_args idp_hint x;\nauth_args display x; #!",
        'auth_args: FranceConnect does not know the parameter "display"; remove it' ],
    ( map { [ $_ => 'auth_args acr_values b; #!', 'auth_args: "acr_values" would be sent and not checked; '
            . 'use the directive acr_values, which is also checked in the token' ] } qw(generic fcp) ),
    [ generic => "max_age 1h;\nextra_auth_args max_age=60; #!", 'extra_auth_args: "max_age" would be sent and not checked; '
        . 'use the directive max_age, which is also checked in the token' ],
    [ generic => 'extra_auth_args "a=$host"; #!', 'extra_auth_args: it takes no variables; use auth_args, which does' ],
    [ generic => 'claims "{x"; #!', q(claims: the value is no JSON object; write it like '{"id_token":{"amr":null}}') ],
    [ generic => 'claims file:list.json; #!', q(claims: the value is no JSON object; write it like '{"id_token":{"amr":null}}') ],
    [ generic => 'iss_parameter on; #!', 'iss_parameter: invalid value "on", it can be auto, required, off' ],

    # cookies and sessions
    [ generic => 'cookie_name "a b"; #!', 'cookie_name: "a b" is no cookie name; use letters, digits, _ and -' ],
    [ generic => 'cookie_name $host; #!', 'cookie_name: "$host" has a variable, and the directive takes no variables' ],
    ( map { [ generic => "cookie_name $_; #!", 'cookie_name: the module has other cookies of such names; choose another cookie_name' ] }
        qw(NGX_OIDC_LOGIN_x __Host-NGX_OIDC_LOGIN_x NGX_OIDC_ROUNDS_p __host-NGX_OIDC_ROUNDS_p) ),
    [ generic => 'cookie_name ' . 'x' x 300 . '=; #!',
        'cookie_name: "' . 'x' x 200 . '..." is no cookie name; use letters, digits, _ and -' ],
    [ generic => 'cookie_samesite strict; #!',
        q(cookie_samesite strict: browsers withhold it after the provider's redirect: logins would loop; use lax) ],
    [ generic => "cookie_secure off;\ncookie_samesite none; #!",
        'cookie_samesite none: browsers accept it on Secure cookies alone; remove "cookie_secure off"' ],
    [ generic => 'cookie_domain example.fr; #!',
        'cookie_domain: browsers refuse it with the prefix __Host-; name the cookie with cookie_name' ],
    [ generic => "cookie_name __host-x;\ncookie_domain example.fr; #!",
        'cookie_domain: browsers refuse it with the prefix __Host-; choose another cookie_name' ],
    [ generic => 'cookie_path /app; #!',
        'cookie_path: with the prefix __Host- browsers accept / alone; name the cookie with cookie_name' ],
    [ generic => "cookie_name __Secure-x;\ncookie_secure off; #!",
        'cookie_secure off: browsers then refuse the name "__Secure-x"; choose another cookie_name' ],
    [ generic => 'session_timeout 0; #!', 'session_timeout: a life of 0 s would end every login at once' ],
    [ generic => 'session_refresh off before=10s; #!', 'session_refresh: "off" has no parameters' ],
    [ generic => 'state_limit 0; #!', 'state_limit: invalid number "0", it can be 1 to 64' ],
    [ generic => 'session_store nowhere; #!', 'session_store: no oidc_session_zone is named "nowhere"; add "oidc_session_zone zone=nowhere:8m"' ],
);
refused($p . $_->[2], kind => $_->[0], block => $_->[1]) for @cases;
refused("${p}session_store: no oidc_session_zone is named \"zon\"; did you mean \"zone\"?",
    kind => 'generic', block => 'session_store zon; #!', http => 'oidc_session_zone zone=zone:1m;');
SKIP: {
    skip('the workers are this user', 2) if $> != 0;
    write_file('closed.pem', do { open my $f, '<', "$dir/ca.pem" or die $!; local $/ = undef; <$f> });
    chmod 0600, "$dir/closed.pem";
    refused("${p}ssl_trusted_certificate: \"$dir/closed.pem\" is unreadable for worker user \"www-data\"; change its mode or group",
        kind => 'generic', block => 'ssl_trusted_certificate closed.pem; #!');
    mkdir "$dir/closed", 0700 or die $!;
    rename "$dir/closed.pem", "$dir/closed/ca.pem" or die $!;
    chmod 0644, "$dir/closed/ca.pem";
    refused("${p}ssl_trusted_certificate: \"$dir/closed/\" is unreadable for worker user \"www-data\"; change its mode or group",
        kind => 'generic', block => 'ssl_trusted_certificate closed/ca.pem; #!');
}

# ---- http, server, location

my %q = (kind => 'generic', block => '');
my @http = (
    [ 'oidc_session_zone zone=8m; #!', 'oidc_session_zone: write it like zone=sessions:8m' ],
    [ 'oidc_session_zone zone=a:32k; #!', 'oidc_session_zone: the zone "a" is too small; 64k is the least' ],
    [ "oidc_session_zone zone=a:1m;\noidc_session_zone zone=a:1m; #!", 'oidc_session_zone: the zone "a" is declared twice' ],
    [ 'oidc_session_zone size=1m; #!', 'oidc_session_zone: unknown parameter "size=1m"; known: zone' ],
    [ 'oidc_session_zone zone=$host:1m; #!',
        'oidc_session_zone: "$host:1m" has a variable, and the directive takes no variables' ],
    [ 'oidc_cookie_key short.key; #!',
        'oidc_cookie_key: "%dir%/short.key" holds less than 32 bytes; make one with "openssl rand -hex 32"' ],
    [ 'oidc_cookie_key none.key; #!', 'oidc_cookie_key: cannot read "%dir%/none.key": No such file or directory' ],
    ( map { [ "oidc_claim_set $_ a; #!", qq{oidc_claim_set: "$_" is no variable; write it like \$roles} ] } qw(roles $ ${a} $1 $a-b) ),
    [ 'oidc_claim_set $roles a encoding=json; #!', q(oidc_claim_set: options stand before the claim's name) ],
    [ 'oidc_claim_set $roles source=any; #!', q(oidc_claim_set: the claim's name is missing) ],
    [ 'oidc_claim_set $roles source=x a; #!', 'oidc_claim_set: invalid value "x", it can be any, id_token, userinfo' ],
    [ 'oidc_base_url https://a.fr/; #!', 'oidc_base_url: "https://a.fr/" is not like https://www.example.fr' ],
    [ "oidc_base_url https://a.fr;\noidc_base_url https://a.fr; #!", '"oidc_base_url" directive is duplicate' ],
);
refused($_->[1], http => $_->[0]) for @http;
refused('auth_oidc: no oidc_provider "q" is declared; known: p', %q, location => "\nauth_oidc q; #!\n");
refused('auth_oidc: no oidc_provider "franceconect" is declared; did you mean "franceconnect"?', %q,
    location => "\nauth_oidc franceconect; #!\n",
        http => 'oidc_provider franceconnect { issuer https://q.example.fr; client_id c; }');
refused('auth_oidc: no oidc_provider "elsewhere" is declared; known: p', %q, http => 'auth_oidc elsewhere; #!', location => '');
refused('"auth_oidc" directive is duplicate', %q, location => "auth_oidc p;\nauth_oidc off; #!\n");
refused('auth_require: invalid status "200", it can be 400 to 599', %q, location => "\nauth_require \$uri error=200; #!\n");
refused('auth_require: a value is missing, like $oidc_claim_email', %q, location => "\nauth_require error=403; #!\n");
refused("auth_require: \"$_->[0]\" has no variable and would always be $_->[1]; write \"\$$_->[2]\"", %q,
    location => "\nauth_oidc p; auth_require \$uri \"$_->[0]\"; #!\n")
    for [ oidc_claim_email => 'true', 'oidc_claim_email' ], [ 'a b' => 'true', 'oidc_claim_email' ], [ 0 => 'false', 'oidc_claim_email' ];
refused('auth_oidc_unauth: invalid value "maybe", it can be auto, redirect, 401, 403, pass', %q, location => "\nauth_oidc_unauth maybe; #!\n");
refused(q(auth_oidc_args: the parameter "state" is the module's own; remove it), %q, location => "\nauth_oidc_args state=x; #!\n");
refused('auth_oidc_args: "%" is no query; write it like "a=b&c=d", with %XX escapes', %q, location => "\nauth_oidc_args %; #!\n");
refused('auth_oidc_args: FranceConnect does not know the parameter "display"; remove it',
    kind => 'fc', block => '', location => "auth_oidc p;\nauth_oidc_args display=page; #!\n");
refused('auth_oidc_args: oidc_provider "p" sends "prompt" too; keep one of them',
    kind => 'generic', block => 'prompt login;', location => "auth_oidc p;\nauth_oidc_args prompt=none; #!\n");
refused('auth_oidc_args: "acr_values" would be sent and not checked; use the directive acr_values, which is also checked in the token',
    kind => 'fcp', block => '', location => "auth_oidc p;\nauth_oidc_args acr_values=eidas3; #!\n");
refused('auth_oidc_args: it takes no variables; use auth_args, which does', %q, location => "\nauth_oidc_args a=\$uri; #!\n");
for my $name (qw(auth_oidc_acr auth_oidc_scope)) {
    refused("$name: \"off\" stands alone", %q, location => "auth_oidc p;\n$name off eidas2; #!\n");
    refused("$name: \"$_\" is no plain word; write the words one by one", %q, location => "auth_oidc p;\n$name a \"$_\"; #!\n")
        for 'b,c', 'b,', 'b c', '$uri', '';
}
refused("auth_oidc_chooser: \"$_\" is no page of this site, where an internal redirect can go; write it like /login/index.html", %q,
    location => "auth_oidc \$arg_p;\nauth_oidc_chooser $_; #!\n") for '/login/', '/', '//login', 'login', '/login?a', '/login%20';

# ---- No secret in a message

for my $block (map { "client_secret topsecret$_" } '; client_secret topsecret;', ' x;', '; pkce maybe;') {
    my ($ok, $output) = nginx_t(conf(kind => 'none', block => $block));
    ok(!$ok && $output !~ /topsecret/, "no secret in: $block");
}

done_testing();
