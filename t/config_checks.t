# nginx -t: refusals and warnings that come of several directives: profiles, keys, paths that meet, the host of the redirect URI.
use strict;
use warnings;
use utf8;
use lib 't/lib', 'lib';
use Test::More;
use OIDC::Config;

my $p = 'oidc_provider "p": ';
my %title = (fc => 'FranceConnect', fcp => 'FranceConnect+', pc => 'ProConnect');
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
    [ fc => 'response_mode form_post; #!',
        'response_mode form_post: FranceConnect does not know the parameter "response_mode"; remove it' ],
    [ fcp => 'response_mode form_post; #!',
        'response_mode form_post: FranceConnect+ does not know the parameter "response_mode"; remove it' ],
    [ generic => "cookie_secure off; cookie_name c;\nresponse_mode form_post; #!",
        'response_mode form_post: the provider posts from its own site, and browsers then bring Secure cookies alone; '
        . 'remove "cookie_secure off"' ],
    [ generic => "redirect_uri http://localhost/cb;\nresponse_mode form_post; #!",
        'response_mode form_post: the provider posts from its own site, and browsers then bring cookies of https alone; '
        . 'write an https redirect_uri' ],
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

    # the client's authentication, pushed requests
    [ fc => 'token_endpoint_auth_method private_key_jwt; client_key ec.pem use=sig; #!',
        'token_endpoint_auth_method: FranceConnect accepts client_secret_post alone; remove the directive' ],
    (map { [ generic => "token_endpoint_auth_method private_key_jwt; $_ #!",
        'token_endpoint_auth_method private_key_jwt: there is no active client_key to sign with; make one with "openssl genpkey '
        . '-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out sig.pem" and add "client_key sig.pem use=sig"' ] }
        '', 'client_key ec.pem use=enc;', 'client_key ec.pem use=sig state=next;', 'client_key ec.pem use=sig state=retired;'),
    [ none => 'issuer https://a.fr; client_id c; client_secret s; token_endpoint_auth_method client_secret_jwt; #!', 'client_secret: client_secret_jwt needs a secret of at least 32 bytes, '
        . 'and this one has 1; ask for a longer one, or choose another token_endpoint_auth_method' ],
    [ none => "issuer https://a.fr; client_id c; token_endpoint_auth_method client_secret_jwt;\nclient_secret_file secret; #!",
        'client_secret_file: client_secret_jwt needs a secret of at least 32 bytes, and this one has 20; ask for a longer one, or choose another '
        . 'token_endpoint_auth_method' ],
    [ none => 'issuer https://a.fr; client_id c; token_endpoint_auth_method client_secret_jwt;',
        'client_secret: the directive is missing; write client_secret or client_secret_file' ],
    [ generic => 'token_endpoint_auth_method tls_client_auth; #!',
        'token_endpoint_auth_method: there is no certificate to show; add ssl_certificate and ssl_certificate_key' ],
    [ none => 'issuer https://a.fr; client_id c; token_endpoint_auth_method self_signed_tls_client_auth; #!',
        'token_endpoint_auth_method: there is no certificate to show; add ssl_certificate and ssl_certificate_key' ],
    [ generic => 'ssl_certificate ca.pem; #!', 'ssl_certificate: it needs its private key; add ssl_certificate_key' ],
    [ generic => 'ssl_certificate_key ec.pem; #!', 'ssl_certificate_key: it needs its certificate; add ssl_certificate' ],
    [ generic => "ssl_certificate ca.pem;\nssl_certificate_key rsa.pem; #!",
        'ssl_certificate_key: it is not the key of the first certificate in ssl_certificate; name the file that belongs to it' ],
    [ generic => "ssl_certificate garbage.pem; #!\nssl_certificate_key ec.pem;", 'ssl_certificate: the file holds no certificate in PEM' ],
    [ generic => "ssl_certificate ca.pem;\nssl_certificate_key garbage.pem; #!",
        'ssl_certificate_key: the file holds no unencrypted private key in PEM' ],
    [ generic => "ssl_certificate ca.pem;\nssl_certificate_key locked.pem; #!",
        'ssl_certificate_key: the file holds no unencrypted private key in PEM' ],
    (map { [ $_ => 'par on; #!', "par on: $title{$_} accepts no pushed authorization requests; remove the directive" ] } qw(fc fcp pc)),
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
refused("$_ of oidc_provider \"q\" and $_ of oidc_provider \"p\" are both \"/told\"; give each a path of its own",
    kind => 'generic', block => "$_ /told;", location => 'auth_oidc $arg_p;', http => "oidc_provider q { $other $_ /told; } #!")
    for qw(backchannel_logout_uri frontchannel_logout_uri);
refused("${p}backchannel_logout_uri: \"/told?x\" is no plain path: it starts with \"/\" and has no query, escape or empty segment",
    kind => 'generic', block => 'backchannel_logout_uri /told?x; #!');
refused("${p}frontchannel_logout_uri: the module would answer \"/\" instead of the site; write \"/frontchannel_logout\"",
    kind => 'generic', block => 'frontchannel_logout_uri /; #!');
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

accepted('response_mode form_post at ProConnect', kind => 'pc', block => 'response_mode form_post;');
accepted('response_mode query at FranceConnect', kind => 'fc', block => 'response_mode query;');
accepted('an initiate_login_uri of two providers', kind => 'generic', block => 'initiate_login_uri /third;', location => 'auth_oidc $arg_p;',
    http => "oidc_provider q { $other redirect_uri /b; initiate_login_uri /third; }");
refused('initiate_login_uri of oidc_provider "p" and redirect_uri of oidc_provider "p" are both "/x"; give each a path of its own',
    kind => 'generic', block => 'redirect_uri https://www.example.fr/x; initiate_login_uri /x;');

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
accepted('a client with a key alone', kind => 'none', block => 'issuer https://op.example.fr; client_id c; client_key ec.pem use=sig;');
accepted('a client with a certificate alone', kind => 'none', block => 'issuer https://op.example.fr; client_id c; ssl_certificate ca.pem; ssl_certificate_key ec.pem;');
warned("${p}client_secret: there is none, so that anyone can be this client; add client_secret or client_secret_file, or write "
        . '"token_endpoint_auth_method none"', kind => 'none', block => 'issuer https://op.example.fr; client_id c;');
warned(qq(${p}scope: it has the value "userinfo"; is a ";" missing before that word?), kind => 'none',
    block => "issuer https://op.example.fr; client_id c; client_secret $hex; scope openid profile email\nuserinfo on; #!");
accepted('... mended', kind => 'none', block => "issuer https://op.example.fr; client_id c; client_secret $hex; scope openid profile; userinfo on;");
warned("${p}$_: there is no logout to come back from; add \"logout_uri /logout\"", kind => 'generic', block => "$_ /bye; #!")
    for qw(post_logout_uri logged_out_uri);
warned("${p}$_: ProConnect never tells of a logout; remove the directive", kind => 'pc', block => "$_ /told; #!")
    for qw(backchannel_logout_uri frontchannel_logout_uri);
warned("${p}cookie_path: browsers bring no session to $_; move it below /app", kind => 'generic',
    block => "cookie_name a; redirect_uri /app/callback; $_; cookie_path /app; #!" =~ s{redirect_uri \S+; (?=redirect_uri)}{}r)
    for 'redirect_uri /callback', 'logout_uri /logout', 'logout_uri /application/logout';
warned('this server uses auth_oidc on a listener without ssl, browsers would be sent back to http://...; '
        . 'write an absolute https redirect_uri (see conf-examples/behind-tls-terminator.conf)',
    %q, servers => "server { #!\nlisten 8080; server_name a.fr; auth_oidc p; ssl_protocols TLSv1.1; }");
warned('this server uses auth_oidc and accepts TLS below 1.2, which FranceConnect and ProConnect forbid; '
        . 'write "ssl_protocols TLSv1.2 TLSv1.3"',
    %q, servers => "server { #!\nlisten 127.0.0.1:8443 $tls TLSv1.1 TLSv1.2; auth_oidc p; }");
accepted('TLS 1.2 and 1.3', %q, servers => "server { listen 127.0.0.1:8443 $tls TLSv1.2 TLSv1.3; auth_oidc p; }");
accepted('old TLS where nobody logs in', %q, servers => "server { listen 127.0.0.1:8443 $tls TLSv1.1; }");

# ---- Every mistake of a kind that nginx -t explains, and what its message advises: mended so, it is accepted without a warning

OIDC::Config::openssl("genpkey -algorithm $_->[1] -out $_->[0]")
    for [ 'p384.pem', 'EC -pkeyopt ec_paramgen_curve:P-384' ], [ 'small.pem', 'RSA -pkeyopt rsa_keygen_bits:1024' ], [ 'ed.pem', 'ED25519' ];
OIDC::Config::openssl('pkey -in ec.pem -pubout -out public.pem');
system("cat '$dir/p384.pem' '$dir/ca.pem' > '$dir/another.pem'") == 0 or die 'cat';
write_file('public.jwk', '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}');
write_file('set.jwk',    '{"keys":[]}');
write_file('hidden.pem', do { open my $f, '<', "$dir/ca.pem" or die $!; local $/ = undef; <$f> });
chmod 0600, "$dir/hidden.pem";
my $none = 'client_id c; client_secret s;';
my $answers = 'the module answers this path, as the';
my $unfit = 'no private key in it: give an unencrypted PEM (PKCS#1, SEC1 or PKCS#8) or a private JWK';
# [ kind, block, the sentence behind the provider's name, the block that it asks for, what else http has then ]
my @mended = (
    # addresses
    [ none => "$none issuer http://op.example.fr; #!",
        'issuer: "http://op.example.fr" must be https; plain http is for loopback hosts alone', "$none issuer https://op.example.fr;" ],
    [ generic => 'endpoint jwks http://op.example.fr/k; #!',
        'endpoint: "http://op.example.fr/k" must be https; plain http is for loopback hosts alone', 'endpoint jwks https://op.example.fr/k;' ],
    [ none => $none, q(issuer: the directive is missing; copy the issuer of the provider's metadata), "$none issuer https://op.example.fr;" ],
    [ none => "$none issuer https://op.example.fr/.well-known/openid-configuration; #!",
        q(issuer: that is the metadata's address; leave out "/.well-known/openid-configuration"), "$none issuer https://op.example.fr;" ],
    [ none => 'issuer https://op.example.fr; client_secret s;',
        'client_id: the directive is missing; the provider gave it at registration', "$none issuer https://op.example.fr;" ],
    [ generic => 'logout_uri /x; redirect_uri /x;',
        'logout_uri of oidc_provider "p" and redirect_uri of oidc_provider "p" are both "/x"; give each a path of its own',
        'logout_uri /y; redirect_uri /x;' ],
    ( map { [ generic => "logout_uri /out;\n$_ /out; #!", "$_: $answers logout_uri; choose another", "logout_uri /out; $_ /bye;" ],
            [ generic => "logout_uri /out;\n$_ /oidc_callback; #!", "$_: $answers redirect_uri; choose another", "logout_uri /out; login_uri /in; $_ /in;" ] }
        qw(post_logout_uri logged_out_uri) ),
    [ generic => "login_uri /in;\nerror_uri /in; #!", "error_uri: $answers login_uri; choose another", 'login_uri /in; error_uri /oops;' ],

    # keys and algorithms
    [ generic => 'client_key ec.pem use=enc alg=RSA-OAEP; #!',
        'client_key: "%dir%/ec.pem": the key cannot do "RSA-OAEP" with use=enc, it can do ECDH-ES', 'client_key ec.pem use=enc alg=ECDH-ES;' ],
    [ generic => 'client_key p384.pem use=enc; #!', 'client_key: "%dir%/p384.pem": encryption (ECDH-ES) needs a P-256 key', 'client_key ec.pem use=enc;' ],
    [ generic => 'client_key small.pem use=enc; #!', 'client_key: "%dir%/small.pem": the RSA key has 1024 bits: use 2048 to 8192', 'client_key rsa.pem use=enc;' ],
    [ generic => 'client_key ed.pem use=sig; #!', 'client_key: "%dir%/ed.pem": the kind of the key is not supported: use RSA or EC', 'client_key p384.pem use=sig;' ],
    [ generic => 'client_key another.pem use=sig; #!', 'client_key: "%dir%/another.pem": the first certificate in it is of another key',
        'client_key ec.pem use=sig;' ],
    [ generic => 'client_key public.pem use=enc; #!', qq(client_key: "%dir%/public.pem": $unfit), 'client_key ec.pem use=enc;' ],
    [ generic => 'client_key public.jwk use=enc; #!', 'client_key: "%dir%/public.jwk": it is a public key: give the private one', 'client_key ec.pem use=enc;' ],
    [ generic => 'client_key set.jwk use=enc; #!', 'client_key: "%dir%/set.jwk": it is a JWK set: give one key', 'client_key ec.pem use=enc;' ],
    [ fcp => 'id_token_encryption required alg=RSA-OAEP-256; #!',
        'id_token_encryption: no client_key with use=enc can do RSA-OAEP-256; it needs an RSA key of at least 2048 bits',
        'id_token_encryption required alg=RSA-OAEP-256; client_key rsa.pem use=enc;' ],
    [ none => "profile franceconnect_plus; client_id c; client_secret $hex; client_key rsa.pem use=enc; client_jwks_uri /k;\nid_token_encryption required alg=ECDH-ES; #!",
        'id_token_encryption: no client_key with use=enc can do ECDH-ES; it needs an EC key on P-256',
        "profile franceconnect_plus; client_id c; client_secret $hex; client_jwks_uri /k; id_token_encryption required alg=ECDH-ES; client_key ec.pem use=enc;" ],
    [ generic => 'id_token_signing_alg HS384; #!', 'id_token_signing_alg: HS384 needs a client_secret of at least 48 bytes, and this one '
        . 'has 1; name an asymmetric algorithm, or ask for a longer secret', 'id_token_signing_alg RS384;' ],
    [ none => "issuer https://op.example.fr; client_id c; client_secret short;\nid_token_signing_alg HS256; #!",
        'id_token_signing_alg: HS256 needs a client_secret of at least 32 bytes, and this one '
        . 'has 5; name an asymmetric algorithm, or ask for a longer secret',
        "issuer https://op.example.fr; client_id c; client_secret $hex; id_token_signing_alg HS256;" ],
    [ generic => 'id_token_signing_alg ""; #!', 'id_token_signing_alg: the list of algorithms is empty', 'id_token_signing_alg ES256;' ],

    # cookies
    [ generic => "cookie_secure off;\ncookie_samesite none; #!",
        'cookie_samesite none: browsers accept it on Secure cookies alone; remove "cookie_secure off"', 'cookie_samesite none;' ],
    [ generic => 'cookie_samesite strict; #!',
        q(cookie_samesite strict: browsers withhold it after the provider's redirect: logins would loop; use lax), 'cookie_samesite lax;' ],
    [ generic => 'cookie_domain example.fr; #!',
        'cookie_domain: browsers refuse it with the prefix __Host-; name the cookie with cookie_name', 'cookie_domain example.fr; cookie_name s;' ],
    ( map { [ generic => "cookie_name s;\ncookie_domain $_; #!", qq{cookie_domain: "$_" is no domain; write it like example.fr},
            'cookie_name s; cookie_domain example.fr;' ] } qw(https://example.fr example.fr:8443) ),
    [ generic => 'cookie_path /app; #!',
        'cookie_path: with the prefix __Host- browsers accept / alone; name the cookie with cookie_name', 'cookie_path /app; cookie_name s; redirect_uri /app/callback;' ],
    # what the provider accepts, what the module needs
    [ fc => 'pkce on; #!', 'pkce on: FranceConnect refuses PKCE parameters with an error page; remove the directive', '' ],
    [ fcp => 'acr_values eidas1; #!', 'acr_values: FranceConnect+ has no level "eidas1", it has eidas2 eidas3', 'acr_values eidas2 eidas3;' ],
    [ fc => 'logout_uri /out; #!', 'logout_uri: without post_logout_uri FranceConnect keeps the browser; add it, as registered',
        'logout_uri /out; post_logout_uri /bye;' ],
    [ generic => q(claims '{"id_token":}'; #!), q(claims: the value is no JSON object; write it like '{"id_token":{"amr":null}}'),
        q(claims '{"id_token":{"amr":null}}';) ],
    [ generic => 'auth_args "" x; #!', 'auth_args: an authorization parameter without a name', 'auth_args y x;' ],
    [ generic => 'tamper_action reject /x; #!', 'tamper_action: "reject" has no parameters', 'tamper_action provider_logout /x;' ],
    [ generic => 'scope email; #!', 'scope: "openid" is missing; without it there is no login', 'scope openid email;' ],
    [ generic => 'session_store st; #!', 'session_store: no oidc_session_zone is named "st"; add "oidc_session_zone zone=st:8m"',
        'session_store st;', 'oidc_session_zone zone=st:8m;' ],
);
for (@mended) {
    my ($kind, $block, $sentence, $right, $http) = @$_;
    refused(($sentence =~ / of oidc_provider / ? '' : $p) . $sentence, kind => $kind, block => $block);
    accepted("... mended: $sentence", kind => $kind, block => $right, http => $http // '');
}
SKIP: {
    skip('the workers are this user', 4) if $> != 0;
    refused("${p}ssl_trusted_certificate: \"$dir/hidden.pem\" is unreadable for worker user \"www-data\"; change its mode or group",
        kind => 'generic', block => 'ssl_trusted_certificate hidden.pem; #!');
    chmod 0644, "$dir/hidden.pem";
    accepted('... mended: readable', kind => 'generic', block => 'ssl_trusted_certificate hidden.pem;');
}
refused('oidc_session_zone: the zone "a" is too small; 64k is the least', http => 'oidc_session_zone zone=a:63k; #!');
accepted('... mended: 64k', http => 'oidc_session_zone zone=a:64k;');
refused('oidc_session_zone: unknown parameter "timeout=1h"; known: zone', http => 'oidc_session_zone zone=a:8M timeout=1h sync; #!');
accepted('... mended: without what is for keyval_zone', http => 'oidc_session_zone zone=a:8M;');
accepted("... mended: $_->[0]", kind => $_->[1], block => $_->[2])
    for [ 'one algorithm', fc => 'id_token_signing_alg ES256;' ],
    [ 'client_jwks_uri', none => "profile franceconnect_plus; client_id c; client_secret $hex; client_key ec.pem use=enc; client_jwks_uri /oidc_jwks;" ],
    [ 'a public client', none => 'issuer https://op.example.fr; client_id c; token_endpoint_auth_method none;' ],
    [ 'a logout to come back from', generic => 'post_logout_uri /bye; logged_out_uri /bye; logout_uri /logout;' ];
my $listen = 'server { listen 127.0.0.1:8080; auth_oidc p; server_name';
refused("${p}cookie_domain: browsers refuse it from \"www.example.fr\"; write a domain that a server_name ends in",
    kind => 'generic', block => "cookie_name s;\ncookie_domain example.org; #!", servers => "$listen www.example.fr notexample.org; }");
accepted("... mended: $_->[0], $_->[1]", kind => 'generic', block => "cookie_name s; cookie_domain $_->[0];", servers => "$listen $_->[1]; }")
    for [ 'example.fr', 'www.example.fr' ], [ '.Example.FR', 'www.example.fr' ], [ 'example.fr', 'example.fr' ],
    [ 'example.fr', 'www.example.org www.example.fr' ], [ 'example.org', 'www.example.fr *.example.org' ], [ 'example.org', '_' ];
accepted('another host by redirect_uri', kind => 'generic', block => 'cookie_name s; cookie_domain example.org; redirect_uri https://www.example.org/cb;',
    servers => "$listen www.example.fr; }");
accepted('... mended: an https redirect_uri', kind => 'generic', block => 'redirect_uri https://a.fr/cb;',
    servers => 'server { listen 8080; server_name a.fr; auth_oidc p; }');

done_testing();
