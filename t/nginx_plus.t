# What a configuration for NGINX Plus says, directive by directive as its reference and its guides have it, works here: keyval_zone and
# auth_jwt_claim_set alone have other names; addresses, certificates and the client are this machine's.
use lib 't/lib', 'lib';
use OIDC::Test;

my %client = (client_id => 'generic-basic', post_logout_redirect_uris => [ map { rp($_) } qw(/post_logout/ /logged_out_page.html) ]);
my %providers = map { $_ => start_provider('generic', client => [ \%client ]) } qw(op other);
my $op = $providers{op};
my $app = app();
my $upstream = free_port();
my %person = (name => 'Zoe Test', email => 'zoe@test.example', address => { postal_code => '38000' });
my $frame = <<'NGINX';
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    resolver 10.0.0.1 valid=300s;    # not needed here, does no harm; ipv4=on is for nginx 1.23.1 and later
    %%parts%%
}
NGINX
my $server = 'listen %%listen%%; server_name rp.localhost; %%tls%%';

# The lines that every oidc_provider of the guides has; the CA is this machine's.
sub credentials
{
    my $which = shift // 'op';
    return "issuer %%$which%%/api/v2; client_id generic-basic; client_secret %%secret:generic-basic%%; ssl_trusted_certificate %%ca%%;";
}

sub running
{
    my ($parts, %switches) = @_;
    my @values = (parts => subst($parts, %providers, app => $app, upstream => $upstream));
    my ($accepted, $output) = nginx_t($frame, @values);
    ok($accepted, 'nginx -t accepts it') or diag $output;
    unlike($output, qr/\[(?:warn|error|emerg|alert|crit)\](?!.*TLS below 1\.2)/, '... without a warning, but for the TLS of an old nginx');
    $_->reset(userinfo => { set => \%person }, %switches) for values %providers;
    return nginx($frame, @values);
}

# ---- The guides: Keycloak, Entra ID, Okta, Auth0, OneLogin, Cognito, Ping Identity, AD FS, and the one for any provider

my $fetched = 'logout_uri /logout; post_logout_uri %%rp%%/post_logout/; userinfo on;';
my $hint = 'logout_token_hint on;';
my $front = read_file("$OIDC::Test::Root/docs/directives.md") =~ /^\| `frontchannel_logout_uri`/m ? 'frontchannel_logout_uri /front_logout;' : '';
my @guides = (
    [ my_idp => $hint ], [ keycloak => "$hint $front" ], [ entra => "$hint $front" ], [ okta => "$hint $front" ], [ auth0 => $hint ],
    [ onelogin => $hint ], [ cognito => '' ], [ ping => "$hint $front" ], [ adfs => "$hint $front pkce on;" ],
);
for (@guides) {
    my ($name, $lines) = @$_;
    subtest "the guide for $name" => sub {
        my $nginx = running(<<"NGINX");
    oidc_provider $name { @{[ credentials() ]} $fetched $lines }
    server {
        $server
        location / {
            auth_oidc $name;
            proxy_set_header sub \$oidc_claim_sub; proxy_set_header email \$oidc_claim_email; proxy_set_header name \$oidc_claim_name;
            proxy_pass http://127.0.0.1:%%upstream%%;
        }
        location /post_logout/ { return 200 "You are out.\\n"; default_type text/plain; }
    }
    server { listen 127.0.0.1:%%upstream%%; location / { return 200 "Hello, \$http_name!\\n\$http_email\\n\$http_sub\\n"; default_type text/plain; } }
NGINX
        my $browser = browser();
        my $start = $browser->get(rp('/page'));
        is($start->args->{redirect_uri}, rp('/oidc_callback'), 'the redirect URI is /oidc_callback');
        is($start->args->{code_challenge_method}, 'S256', 'PKCE, as the metadata says');
        my $page = $browser->navigate($start->{location});
        like($page->{body}, qr/^Hello, Zoe Test!\nzoe\@test\.example\n\S+\n$/, 'logged in: the claims of UserInfo and sub arrive')
            or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
        my $answer = $browser->get(rp('/logout'));
        is($answer->status, 302, '/logout leads to the provider');
        is($answer->args->{post_logout_redirect_uri}, rp('/post_logout/'), '... with the page after it');
        is(exists $answer->args->{id_token_hint}, $lines =~ /hint/, $lines =~ /hint/ ? '... and the hint' : '... without a hint');
        my $end = $browser->navigate($answer->{location}, forms => 1);
        is($end->{body}, "You are out.\n", '... which sends the browser there');
        like($browser->get(rp('/page'))->{location}, qr{^\Q$op->{origin}\E}, 'and the next visit begins a login');
        $nginx->stop('QUIT');
    };
}

# ---- The reference: the first example, the logout, the variables

subtest q(the first example, with every variable, and an issuer that ends with a slash, like Auth0's) => sub {
    my $issuer = $op->issuer . '/';
    my %switches = (discovery => { set => { issuer => $issuer } }, idToken => { set => { iss => $issuer } }, callback => { iss => $issuer });
    my $nginx = running(<<"NGINX", %switches);
    oidc_provider my_idp { @{[ credentials() =~ s/issuer \S+;/issuer $issuer;/r ]} extra_auth_args "display=page&prompt=login"; pkce off; scope openid email; userinfo on; }
    oidc_claim_set \$postal_code address postal_code;    # there: auth_jwt_claim_set
    upstream backend { server 127.0.0.1:%%app%%; }
    server {
        $server
        location / {
            auth_oidc my_idp;
            proxy_set_header username \$oidc_claim_sub;
            proxy_set_header id-token \$oidc_id_token; proxy_set_header access-token \$oidc_access_token; proxy_set_header userinfo \$oidc_userinfo;
            proxy_set_header x-postal_code \$postal_code;
            proxy_pass http://backend;
        }
    }
NGINX
    my $browser = browser();
    my $start = $browser->get(rp('/x'));
    my %args = %{ $start->args };
    is("$args{display} $args{prompt} $args{scope}", 'page login openid email', 'extra_auth_args and scope');
    ok(!exists $args{code_challenge}, 'pkce off');
    my $page = $browser->navigate($start->{location});
    ok(length($page->seen('username') // ''), '$oidc_claim_sub') or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
    is(scalar(() = ($page->seen('id-token') // '') =~ /\./g), 2, '$oidc_id_token is a signed token');
    ok(length($page->seen('access-token') // ''), '$oidc_access_token');
    my $userinfo = json()->decode($page->seen('userinfo') // '{}');
    is($page->seen('x-postal_code'), '38000', 'a nested claim');
    is_deeply([ @$userinfo{qw(sub email)} ], [ $page->seen('username'), $person{email} ], '$oidc_userinfo is JSON');
    is(($browser->cookie(rp('/'), qr/SESSION/) || {})->{name}, '__Host-NGX_OIDC_SESSION', 'the cookie, with the prefix that https allows');
    $nginx->stop('QUIT');
};

subtest 'auth_oidc of the server, a page after the logout without it' => sub {
    write_file('www/logged_out_page.html', 'bye');
    my $nginx = running(<<"NGINX");
    oidc_provider my_idp { @{[ credentials() ]} logout_uri /logout; post_logout_uri /logged_out_page.html; cookie_name MY_SESSION; session_timeout 1h; }
    server {
        $server
        auth_oidc my_idp;
        root %%dir%%/www;
        location /app { proxy_pass http://127.0.0.1:%%app%%; }
        location /logged_out_page.html { auth_oidc off; }
    }
NGINX
    my $browser = browser();
    is($browser->navigate(rp('/app'))->status, 200, 'logged in');
    ok($browser->cookie(rp('/'), 'MY_SESSION'), 'cookie_name as it is written');
    my $end = $browser->navigate(rp('/logout'), forms => 1);
    is($end->{body}, 'bye', 'the page after the logout');
    is($end->{url}, rp('/logged_out_page.html'), '... is a page of the site');
    ok(!$browser->cookie(rp('/'), 'MY_SESSION'), '... without a session');
    is($browser->get(rp('/app'))->status, 302, 'nobody is logged in');
    $nginx->stop('QUIT');
};

# ---- auth_require

subtest 'auth_require with a map of a claim' => sub {
    my $nginx = running(<<"NGINX");
    oidc_provider my_idp { @{[ credentials() ]} }
    map \$oidc_claim_role \$admin_role { "admin" 1; }
    map \$oidc_claim_groups \$editor { default 0; ~"editors" 1; }
    server {
        $server
        auth_oidc my_idp;
        location /       { proxy_pass http://127.0.0.1:%%app%%; }
        location /admin  { auth_require \$admin_role; proxy_pass http://127.0.0.1:%%app%%; }
        location /both   { auth_require \$oidc_claim_role error=404; auth_require \$admin_role \$editor error=503; proxy_pass http://127.0.0.1:%%app%%; }
        location /report { limit_except GET { auth_require \$editor; } proxy_pass http://127.0.0.1:%%app%%; }
    }
NGINX
    for (
        [ {}, 403, 404, 403 ],
        [ { role => 'guest' }, 403, 503, 403 ],
        [ { role => 'admin' }, 200, 503, 403 ],
        [ { role => 'admin', groups => [ 'editors', 'staff' ] }, 200, 200, 200 ],
        [ { groups => ['staff'] }, 403, 404, 403 ],
    ) {
        my ($claims, @status) = @$_;
        my $who = json()->encode($claims);
        $op->reset(idToken => { set => $claims });
        my $browser = browser();
        is($browser->navigate(rp('/x'))->status, 200, "$who: logged in");
        is(join(' ', map { $browser->get(rp($_))->status } qw(/admin /both)), "@status[0, 1]", '... /admin, /both');
        is($browser->get(rp('/report'))->status, 200, '... may read the report');
        is($browser->post(rp('/report'), [ [ a => 1 ] ])->status, $status[2], "... and change it: $status[2]");
    }
    is(browser()->get(rp('/admin'))->status, 302, 'nobody: the login comes first');
    $nginx->stop('QUIT');
};

# ---- auth_oidc with a variable, session_store

subtest 'several providers by a map, one store' => sub {
    my $nginx = running(<<"NGINX");
    oidc_session_zone zone=my_store:8M;    # there: keyval_zone zone=my_store:8M
    oidc_provider one { @{[ credentials() ]} session_store my_store; logout_uri /logout; }
    oidc_provider two { @{[ credentials('other') ]} session_store my_store; redirect_uri %%rp%%/oidc_callback; logout_uri /two/logout; }
    map \$uri \$idp { ~^/one/ one; ~^/two/ two; ~^/wrong/ three; }
    server {
        $server
        location / { auth_oidc \$idp; proxy_set_header sub \$oidc_claim_sub; proxy_set_header email \$oidc_claim_email; proxy_pass http://127.0.0.1:%%app%%; }
        location /public/ { auth_oidc off; proxy_pass http://127.0.0.1:%%app%%; }
    }
NGINX
    $op->reset(idToken => { set => { email => 'one@test.example' } });
    $providers{other}->reset(idToken => { set => { email => 'two@test.example' } });
    my $browser = browser();
    is($browser->navigate(rp("/$_/x"))->seen('email'), "$_\@test.example", "$_: its own provider") for qw(one two);
    is($browser->get(rp("/$_/x"))->seen('email'), "$_\@test.example", "$_: goes on beside the other") for qw(one two);
    my %value = map { $_ => $browser->cookie(rp('/'), "__Host-NGX_OIDC_SESSION_$_")->{value} } qw(one two);
    my $swapped = browser()->get(rp('/two/x'), headers => [ Cookie => "__Host-NGX_OIDC_SESSION_two=$value{one}" ]);
    is($swapped->status, 302, 'a session of the one is none at the other, though the store is one');
    is($browser->get(rp('/public/x'))->status, 200, 'auth_oidc off');
    is($browser->get(rp('/else'))->status, 401, 'an empty value: 401');
    is($browser->get(rp('/wrong/x'))->status, 500, 'a value that is no provider: an error');
    $browser->navigate(rp('/logout'), forms => 1);
    is($browser->get(rp('/one/x'))->status, 302, 'a logout ends the session of its provider');
    is($browser->get(rp('/two/x'))->status, 200, '... and not that of the other');
    $nginx->stop('QUIT');
};

log_ok();
done_testing();
