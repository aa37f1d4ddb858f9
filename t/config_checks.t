# nginx -t: refusals and warnings that come of several directives: profiles, keys, paths that meet, the host of the redirect URI.
use strict;
use warnings;
use utf8;
use lib 't/lib', 'lib';
use Test::More;
use OIDC::Config;

my $p = 'oidc_provider "p": ';
# [ kind, block, the sentence behind the provider's name ]
my @cases = (
    # what the profiles accept
    [ fc => 'pkce on; #!', 'pkce on: FranceConnect refuses PKCE parameters with an error page; remove the directive' ],
    [ fcp => 'pkce on; #!', 'pkce on: FranceConnect+ refuses PKCE parameters with an error page; remove the directive' ],
    [ fc => 'max_age 1h; #!',
        'max_age: FranceConnect: its auth_time is always the present, so that max_age says nothing; remove the directive' ],
    [ pc => 'max_age 1h; #!',
        'max_age: ProConnect: its auth_time is always the present, so that max_age says nothing; remove the directive' ],
    [ fc => 'login_hint x; #!', 'login_hint: FranceConnect does not know the parameter "login_hint"; remove it' ],
    [ fc => 'auth_args utm_source $arg_x; #!', 'auth_args: FranceConnect does not know the parameter "utm_source"; remove it' ],
    [ fc => 'extra_auth_args display=page; #!',
        'extra_auth_args: FranceConnect does not know the parameter "display"; remove it' ],
    [ fc => 'prompt none; #!', 'prompt: FranceConnect wants prompt to be login, consent or both' ],
    [ fc => 'prompt select_account; #!', 'prompt: FranceConnect wants prompt to be login, consent or both' ],
    [ fcp => q(claims '{"userinfo":{"email":null}}'; #!),
        'claims: FranceConnect+ wants claims to name amr, acr and auth_time of the id_token alone' ],
    [ pc => 'login_hint jean; #!', 'login_hint: ProConnect wants login_hint to be an e-mail address' ],
    [ pc => 'auth_args siret_hint 123; #!', 'auth_args: ProConnect wants siret_hint to be 14 digits' ],
    [ fc => 'acr_values eidas2; #!', 'acr_values: FranceConnect has no level "eidas2", it has eidas1' ],
    [ fcp => 'acr_values eidas1; #!', 'acr_values: FranceConnect+ has no level "eidas1", it has eidas2 eidas3' ],
    [ fc => 'id_token_signing_alg PS256; #!',
        'id_token_signing_alg: FranceConnect never signs with PS256, it has ES256 RS256 HS256' ],
    [ fcp => 'id_token_signing_alg RS256; #!', 'id_token_signing_alg: FranceConnect+ never signs with RS256, it has ES256' ],
    [ fc => 'userinfo_format json; #!', 'userinfo_format: FranceConnect answers with a signed JWT; remove the directive' ],
    [ fc => 'id_token_encryption required; #!', 'id_token_encryption: FranceConnect encrypts no token; leave encryption out' ],
    [ fcp => 'id_token_encryption off; #!', 'id_token_encryption: FranceConnect+ encrypts every token; leave "off" out' ],
    [ fcp => 'userinfo_format jwt encryption=off; #!', 'userinfo_format: FranceConnect+ encrypts every token; leave "off" out' ],
    [ fc => 'logout_uri /out; #!', 'logout_uri: without post_logout_uri FranceConnect keeps the browser; add it, as registered' ],
    [ fc => 'logout_token_hint off; #!',
        'logout_token_hint off: FranceConnect refuses a logout without id_token_hint; remove the directive' ],

    # tokens and keys
    [ generic => 'id_token_signing_alg none; #!',
        'id_token_signing_alg: "none" means an unsigned token, and is never accepted; name the algorithm' ],
    [ generic => 'id_token_signing_alg ES255; #!', 'id_token_signing_alg: unknown algorithm "ES255"; did you mean "ES256"?' ],
    [ generic => 'id_token_signing_alg HS256; #!',
        'id_token_signing_alg: HS256 needs a client_secret of at least 32 bytes, and this one '
        . 'has 1; name an asymmetric algorithm, or ask for a longer secret' ],
    [ generic => 'userinfo_format jwt alg=HS512; #!',
        'userinfo_format: HS512 needs a client_secret of at least 64 bytes, and this one '
        . 'has 1; name an asymmetric algorithm, or ask for a longer secret' ],
    [ generic => 'userinfo_format json alg=ES256; #!', 'userinfo_format: only "jwt" has parameters' ],
    [ generic => 'id_token_encryption off alg=RSA-OAEP; #!', 'id_token_encryption: "off" has no parameters' ],
    [ generic => 'id_token_encryption required alg=RSA1_5; #!',
        'id_token_encryption: unknown algorithm "RSA1_5"; known: RSA-OAEP, RSA-OAEP-256, ECDH-ES' ],
    [ generic => 'id_token_encryption required enc=A128GCM; #!', 'id_token_encryption: the content encryption is A256GCM alone' ],
    [ generic => 'id_token_encryption required;',
        'client_key: tokens come encrypted, and there is no key to decrypt them; make one with '
        . '"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out enc.pem" and add '
        . '"client_key enc.pem use=enc alg=ECDH-ES"' ],
    [ none => "profile franceconnect_plus; client_id c; client_secret $hex;",
        'client_key: tokens come encrypted, and there is no key to '
        . 'decrypt them; make one with "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out enc.pem" and add '
        . '"client_key enc.pem use=enc alg=ECDH-ES"' ],
    [ fcp => 'id_token_encryption required alg=RSA-OAEP; #!', 'id_token_encryption: no client_key with use=enc can do RSA-OAEP; '
        . 'it needs an RSA key of at least 2048 bits' ],

);
refused($p . $_->[2], kind => $_->[0], block => $_->[1]) for @cases;

my %q = (kind => 'generic', block => '');

# ---- What a place demands

my @demands = ('auth_oidc_acr eidas3', 'auth_oidc_scope email');
my $nobody = 'auth_oidc_acr and auth_oidc_scope say nothing where nobody has to log in; add "auth_oidc <provider>"';
for my $demand (@demands) {
    my ($of_server, $of_http) = map { "server { listen 127.0.0.1:8080; $_ }" } "$demand; location /a/ { auth_oidc p; } location / { }", 'auth_oidc p;';
    refused($nobody, kind => 'fcp', block => '', location => "\n$demand; #!\n");
    refused($nobody, kind => 'fcp', block => '', location => "auth_oidc off;\n$demand; #!\n");
    refused($nobody, kind => 'fcp', block => '', location => "auth_oidc p; location /a/ { auth_oidc off;\n$demand; #!\n}");
    refused($nobody, kind => 'fcp', block => '', servers => "server { listen 127.0.0.1:8080; auth_oidc_acr eidas2;\nlocation / {\n$demand; #!\n} }");
    accepted("$demand: a default of the server", kind => 'fcp', block => '', servers => $of_server);
    accepted("$demand: a default of http", kind => 'fcp', block => '', http => "$demand;", servers => $of_http);
    accepted("$demand: of a location where the server says who", kind => 'fcp', block => '',
        servers => "server { listen 127.0.0.1:8080; auth_oidc p; location /a/ { $demand; location /a/b/ { } } }");
    accepted("$demand: a provider by a variable", kind => 'fcp', block => '', location => "auth_oidc \$arg_p; $demand;");
}
accepted('"off" where nobody has to log in', kind => 'fcp', block => '', location => 'auth_oidc_acr off; auth_oidc_scope off;');
refused('auth_oidc_acr: "eidas2" is below "eidas3", which every login has (acr_values)',
    kind => 'fcp', block => 'acr_values eidas3;', location => "auth_oidc p;\nauth_oidc_acr $_; #!\n") for 'eidas2', 'eidas3 eidas2';
refused('auth_oidc_acr: "eidas2" is below "eidas3", which every login has (acr_values)', kind => 'fcp', block => 'acr_values eidas3;',
    servers => "server { listen 127.0.0.1:8080; auth_oidc p;\nauth_oidc_acr eidas2; #!\n}");
accepted('the level of acr_values',    kind => 'fcp', block => 'acr_values eidas3;', location => 'auth_oidc p; auth_oidc_acr eidas3;');
accepted('the lowest of acr_values',   kind => 'fcp', block => 'acr_values eidas2 eidas3;', location => 'auth_oidc p; auth_oidc_acr eidas2;');
accepted('two orders do not compare',  kind => 'pc', block => 'acr_values eidas2;', location => 'auth_oidc p; auth_oidc_acr eidas1-mfa;');
refused('auth_oidc_acr: FranceConnect has no level "eidas2", it has eidas1',
    kind => 'fc', block => '', location => "auth_oidc p;\nauth_oidc_acr eidas2; #!\n");
refused('auth_oidc_acr: ProConnect has no level "eidas4", it has eidas0 eidas1 eidas2 eidas3 eidas0-mfa eidas1-mfa '
        . 'https://proconnect.gouv.fr/assurance/certification-dirigeant',
    kind => 'pc', block => '', location => "auth_oidc p;\nauth_oidc_acr eidas2 eidas4; #!\n");

# ---- Paths that meet

refused('logout_uri of oidc_provider "p" and redirect_uri of oidc_provider "p" are both "/x"; give each a path of its own',
    kind => 'generic', block => 'redirect_uri https://www.example.fr/x; logout_uri /x;');
my $other = 'issuer https://q.example.fr; client_id c; client_secret s;';
refused('login_uri of oidc_provider "q" and login_uri of oidc_provider "p" are both "/in"; give each a path of its own',
    kind => 'generic', block => 'login_uri /in;', location => 'auth_oidc $arg_p;',
        http => "oidc_provider q { $other login_uri /in; } #!");
refused('logout_uri of oidc_provider "q" and redirect_uri of oidc_provider "p" are both "/oidc_callback"; '
        . 'give each a path of its own',
    kind => 'generic', block => '', location => 'auth_oidc $arg_p;',
    http => "oidc_provider q { $other redirect_uri /b; logout_uri /oidc_callback; } #!");
refused('client_jwks_uri of oidc_provider "q" and client_jwks_uri of oidc_provider "p" are both "/oidc_jwks"; '
        . 'give each a path of its own',
    kind => 'fcp', block => '', location => 'auth_oidc $arg_p;',
    http => "oidc_provider q { $other client_key rsa.pem use=enc; client_jwks_uri /oidc_jwks; } #!");
accepted('the same path in two servers, one provider each', kind => 'generic', block => 'login_uri /in;',
    http => "oidc_provider q { $other login_uri /in; }",
    servers => 'server { listen 127.0.0.1:8080; auth_oidc p; } server { listen 127.0.0.1:8081; auth_oidc q; }');

# ---- Cookies that meet

my $two = 'give each a name of its own';
refused("cookie_name of oidc_provider \"p\" and of oidc_provider \"q\" are both \"a\"; $two",
    kind => 'generic', block => 'cookie_name a; #!', http => "oidc_provider q { $other cookie_name a; }");
refused("cookie_name of oidc_provider \"p\" and of oidc_provider \"q\" are both \"__Host-NGX_OIDC_SESSION_q\"; $two",
    kind => 'generic', block => 'cookie_name __Host-NGX_OIDC_SESSION_q; #!', http => "oidc_provider q { $other }");
accepted('one cookie name on two paths', kind => 'generic', block => 'cookie_name a; cookie_path /p; redirect_uri /p/callback;',
    http => "oidc_provider q { $other cookie_name a; cookie_path /q; redirect_uri /q/callback; }");

# ---- The host of the redirect URI

my $tls = 'ssl; ssl_certificate ca.pem; ssl_certificate_key ec.pem; ssl_protocols';
my $public = "listen 8443 $tls TLSv1.2 TLSv1.3;";
my $nameless = 'this server uses auth_oidc and has no server_name, so that the redirect URI has no host; '
    . 'add server_name, oidc_base_url, or an absolute redirect_uri';
refused($nameless, %q, servers => "server { #!\nlisten 8080; auth_oidc p; }");
refused($nameless, %q,
    servers => "server { #!\nlisten 127.0.0.1:8081; listen [::]:8080; server_name _; location / { auth_oidc p; } }");
refused($nameless, %q, servers => "server { #!\nlisten 8080; server_name _; auth_oidc p; }");
refused($nameless, %q, servers => "server { #!\nlisten 8080; location / { auth_oidc \$arg_p; } location /a { auth_oidc off; } }");
accepted('a name',              %q, servers => "server { $public server_name www.example.fr; auth_oidc p; }");
accepted('a wildcard',          %q, servers => "server { $public server_name *.example.fr; auth_oidc p; }");
accepted('a base URL',          %q, servers => 'server { listen 8080; oidc_base_url https://www.example.fr; auth_oidc p; }');
accepted('loopback listeners',  %q,
    servers => 'server { listen 127.0.0.2:8080; listen [::1]:8080; listen unix:' . $dir . '/s; auth_oidc p; }');
accepted('not used here',       %q, servers => "server { listen 8080; } server { $public server_name a.fr; auth_oidc p; }");
accepted('an absolute redirect URI', kind => 'generic', block => 'redirect_uri https://www.example.fr/cb;',
    servers => 'server { listen 8080; auth_oidc p; }');

# ---- Warnings

warned("${p}client_secret: FranceConnect gives secrets of 64 hexadecimal characters, and this is none",
    kind => 'none', block => "profile franceconnect; client_id c;\nclient_secret short; #!");
warned("${p}id_token_signing_alg: FranceConnect signs with the one algorithm that was registered; name it alone",
    kind => 'fc', block => 'id_token_signing_alg ES256 RS256; #!');
warned("${p}client_jwks_uri: the provider fetches the key it encrypts to from an address registered as jwks_uri, and this module "
        . 'serves none; add "client_jwks_uri /oidc_jwks", unless another server publishes the key',
    kind => 'none', block => "profile franceconnect_plus; client_id c; client_secret $hex; client_key ec.pem use=enc;");
warned("${p}client_secret: there is none, so that anyone can be this client; add client_secret or client_secret_file, or write "
        . '"token_endpoint_auth_method none"', kind => 'none', block => 'issuer https://op.example.fr; client_id c;');
warned("${p}$_: there is no logout to come back from; add \"logout_uri /logout\"", kind => 'generic', block => "$_ /bye; #!")
    for qw(post_logout_uri logged_out_uri);
warned("${p}cookie_path: browsers bring no session to $_; move it below /app", kind => 'generic',
    block => "cookie_name a; redirect_uri /app/callback; $_; cookie_path /app; #!" =~ s{redirect_uri \S+; (?=redirect_uri)}{}r)
    for 'redirect_uri /callback', 'logout_uri /logout';
warned('this server uses auth_oidc on a listener without ssl, browsers would be sent back to http://...; '
        . 'write an absolute https redirect_uri (see conf-examples/behind-tls-terminator.conf)',
    %q, servers => "server { #!\nlisten 8080; server_name a.fr; auth_oidc p; ssl_protocols TLSv1.1; }");
warned('this server uses auth_oidc and accepts TLS below 1.2, which FranceConnect and ProConnect forbid; '
        . 'write "ssl_protocols TLSv1.2 TLSv1.3"',
    %q, servers => "server { #!\nlisten 127.0.0.1:8443 $tls TLSv1.1 TLSv1.2; auth_oidc p; }");
accepted('TLS 1.2 and 1.3', %q, servers => "server { listen 127.0.0.1:8443 $tls TLSv1.2 TLSv1.3; auth_oidc p; }");
accepted('old TLS where nobody logs in', %q, servers => "server { listen 127.0.0.1:8443 $tls TLSv1.1; }");

done_testing();
