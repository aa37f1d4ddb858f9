# Nothing protected leaves without a session: spellings of paths, methods, internal redirects, `satisfy`, sub-requests.
use lib 't/lib', 'lib';
use OIDC::Test;

my $port = OIDC::Test::rp_port();
my ($denied, $open) = map {"https://$_.localhost:$port"} qw(app www);
my $op = start_provider('generic', rp => [ rp(), $denied, $open ]);
my $app = app();
write_file('html/admin/secret.txt', "TOP SECRET\n");
write_file('html/admin/index.html', "TOP SECRET index\n");
write_file('html/open.txt', "open\n");
write_file('html/users', "bob:{PLAIN}builder\n");

my $nginx = nginx(<<'NGINX', op => $op, app => $app);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        login_uri               /login;
    }
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        root        %%dir%%/html;

        location /       { }
        location /admin/ { auth_oidc op; }

        # internal redirects into protected places
        location /to-error/    { error_page 404 /admin/secret.txt; return 404; }
        location /to-error2/   { error_page 404 = /admin/secret.txt; proxy_intercept_errors on; proxy_pass http://127.0.0.1:%%app%%/?status=404&x=; }
        location /to-try/      { try_files /nothing /admin/secret.txt; }
        location /to-rewrite/  { rewrite ^ /admin/secret.txt last; }
        location /to-index/    { rewrite ^/to-index/(.*)$ /admin/ last; }
        location /to-accel/    { proxy_pass http://127.0.0.1:%%app%%/?accel=%2Fadmin%2Fsecret.txt&x=; }
        location /to-named/    { try_files /nothing @named; }
        location @named        { auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Sub $oidc_claim_sub; }

        # from one protected place into another: one login, the variables stay
        location /hop/         { auth_oidc op; rewrite ^ /hopped last; }
        location = /hopped     { auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Sub $oidc_claim_sub; }
        location /hop-try/     { auth_oidc op; try_files /nothing @named; }
        location /hop-error/   { auth_oidc op; error_page 404 /hopped; return 404; }

        # satisfy
        location /any-allow/   { satisfy any; allow 127.0.0.1; deny all; auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; }
        location /any-deny/    { satisfy any; deny all; auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; }
        location /any-basic/   { satisfy any; auth_basic here; auth_basic_user_file %%dir%%/html/users; auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; }
        location /any-request/ { satisfy any; auth_request /judge; auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; }
        location /all-deny/    { satisfy all; deny all; auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; }
        location /all-allow/   { satisfy all; allow 127.0.0.1; deny all; auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; }
        location /all-basic/   { satisfy all; auth_basic here; auth_basic_user_file %%dir%%/html/users; auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; }
        location = /judge      { internal; if ($http_x_let_in) { return 204; } return 403; }

        # auth_require
        location /require/     { auth_oidc op; auth_require $oidc_claim_sub; proxy_pass http://127.0.0.1:%%app%%; }
        location /require-not/ { auth_oidc op; auth_require $oidc_claim_sub $oidc_claim_nothing; proxy_pass http://127.0.0.1:%%app%%; }
        location /require-err/ { auth_oidc op; auth_require $arg_zero error=404; proxy_pass http://127.0.0.1:%%app%%; }

        # a sub-request in the name of the person
        location /sub/         { auth_oidc op; auth_request /whoami; auth_request_set $who $upstream_http_content_type; proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Sub $oidc_claim_sub; }
        location = /whoami     { internal; auth_oidc op; proxy_pass http://127.0.0.1:%%app%%/whoami?$oidc_claim_sub; proxy_pass_request_body off; proxy_set_header Content-Length ""; }
        location = /if         { auth_oidc op; if ($oidc_claim_sub) { return 200 "in $oidc_claim_sub"; } return 200 out; }
        location = /ping       { return 200 pong; }
    }
    # `satisfy` for a whole server: our own addresses are answered, whatever else it says
    server {
        listen      %%listen%%;
        server_name app.localhost;
        %%tls%%
        satisfy any;
        deny    all;
        location / { auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Sub $oidc_claim_sub; }
    }
    server {
        listen      %%listen%%;
        server_name www.localhost;
        %%tls%%
        satisfy any;
        allow   all;
        location / { auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Sub $oidc_claim_sub; }
    }
}
NGINX

$op->reset;
my $in = browser();
is($in->navigate(rp('/admin/secret.txt'))->{body}, "TOP SECRET\n", 'with a session the file is served');
is(browser()->get(rp('/open.txt'))->{body}, "open\n", 'and the open one without');

my $to_provider = qr{^\Q$op->{origin}\E/api/v2/};

subtest 'spellings of the path' => sub {
    my @paths = ('/admin/secret.txt', '//admin/secret.txt', '///admin///secret.txt', '/./admin/secret.txt', '/x/../admin/secret.txt', '/%61dmin/secret.txt', '/admin%2fsecret.txt',
        '/admin%2Fsecret.txt', '/ADMIN/secret.txt', '/admin/secret.txt?', '/admin/secret.txt?/open.txt', '/admin/..;/admin/secret.txt', '/admin;x/secret.txt', '/admin%00/secret.txt',
        '/admin/secret.txt%00', '/admin./secret.txt', '/admin /secret.txt', '/%2e%2e/admin/secret.txt', '/%2e/admin/secret.txt', '/admin/%2e/secret.txt', '/open.txt/../admin/secret.txt',
        '/admin/secret.txt#/open.txt', '/admin\\secret.txt', '/%5cadmin/secret.txt', '/admin/secret%2etxt', '/admin/./secret.txt',
        '/admin//secret.txt', '/admin/', '/admin', '/admin/?open', '/admin/x/..', '/%2561dmin/secret.txt', '/admin/secret.txt/', '/admin/secret.txt.', '/open.txt;/admin/secret.txt',
        '/%c0%af/admin/secret.txt', '/admin/%20secret.txt', rp('/admin/secret.txt'), 'http://other.localhost/admin/secret.txt', '/ping/../admin/secret.txt', '*', 'admin/secret.txt');
    for my $path (@paths) {
        my $answer = $in->raw(rp('/'), "GET $path HTTP/1.1\r\nHost: rp.localhost\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
        ok($answer =~ m{^HTTP/1\.1 (?:302|30[18]|400|404|403|405) } && $answer !~ /TOP SECRET/, $path) or diag $answer;
    }
    my $answer = $in->raw(rp('/'), "GET /admin/secret.txt HTTP/1.0\r\n\r\n");
    unlike($answer, qr/TOP SECRET/, 'HTTP/1.0 without Host');
    $answer = $in->raw(rp('/'), "GET /admin/secret.txt HTTP/1.1\r\nHost: rp.localhost\r\nHost: rp.localhost\r\nConnection: close\r\n\r\n");
    unlike($answer, qr/TOP SECRET/, 'two Hosts');
    $answer = $in->raw(rp('/'), "GET /admin/secret.txt\r\n");
    unlike($answer, qr/TOP SECRET/, 'HTTP/0.9');
};

subtest 'methods' => sub {
    for my $method (qw(GET HEAD OPTIONS POST PUT DELETE PATCH TRACE CONNECT PROPFIND MKCOL COPY MOVE LOCK UNLOCK PROPPATCH get Get), 'X' x 64, 'G-ET') {
        my $answer = $in->raw(rp('/'), "$method /admin/secret.txt HTTP/1.1\r\nHost: rp.localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        ok($answer !~ /TOP SECRET/ && $answer !~ m{^HTTP/1\.1 2}, $method) or diag $answer;
    }
};

subtest 'internal redirects' => sub {
    for my $path (map {"/to-$_/x"} qw(error error2 try rewrite index accel named)) {
        my $answer = browser()->get(rp($path));
        unlike($answer->{body}, qr/TOP SECRET|"headers"/, "$path without a session: nothing");
        is($answer->status, 302, '... but the way');
        like($answer->{location} // '', $to_provider, '... to the provider');
        $answer = $in->get(rp($path));
        like($answer->{body}, qr/TOP SECRET|"headers"/, '... with one: the page');
        isnt($answer->status, 302, '... and no login');
    }
    my $browser = browser();
    is($browser->navigate(rp('/to-rewrite/x?y=1'))->{body}, "TOP SECRET\n", 'a login from there arrives');
    is($browser->{hops}[-1][1], rp('/to-rewrite/x?y=1'), '... at the address that was asked for');

    for my $path ('/hop/x', '/hop-try/x', '/hop-error/x') {
        my $answer = $in->get(rp($path));
        ok(length($answer->seen('x-sub') // ''), "$path: the variables stay");
        my $without = browser()->get(rp($path));
        is($without->status, 302, '... and without a session');
        like($without->{location} // '', $to_provider, '... the login begins');
        is(scalar(@{ $without->{set_cookies} }), 1, '... once');
    }
};

subtest 'satisfy' => sub {
    my @basic = (headers => [ Authorization => 'Basic Ym9iOmJ1aWxkZXI=' ]);
    my @wrong = (headers => [ Authorization => 'Basic Ym9iOndyb25n' ]);
    my @let_in = (headers => [ 'X-Let-In' => 1 ]);
    for my $case (
        # location, extra headers, without a session, with one
        [ 'any-allow',   [],       200, 200 ],
        [ 'any-deny',    [],       302, 200 ],
        [ 'any-basic',   [],       302, 200 ],
        [ 'any-basic',   \@basic,  200, 200 ],
        [ 'any-basic',   \@wrong,  302, 200 ],
        [ 'any-request', [],       302, 200 ],
        [ 'any-request', \@let_in, 200, 200 ],
        [ 'all-deny',    [],       403, 403 ],
        [ 'all-allow',   [],       302, 200 ],
        [ 'all-basic',   [],       401, 401 ],
        [ 'all-basic',   \@basic,  302, 200 ],
        [ 'all-basic',   \@wrong,  401, 401 ],
        )
    {
        my ($location, $extra, $without, $with) = @$case;
        my $what = "$location" . (@$extra ? " $extra->[1][0]: $extra->[1][1]" : '');
        my $answer = browser()->get(rp("/$location/x"), @$extra);
        is($answer->status, $without, "$what, without a session");
        is(scalar(@{ $answer->{set_cookies} }), $without == 302 ? 1 : 0, '... a login cookie only on the way to the provider');
        ok(!$answer->has('www-authenticate'), '... no Basic challenge on it') if $without == 302;
        $answer = $in->get(rp("/$location/x"), @$extra);
        is($answer->status, $with, "$what, with a session");
        is(scalar(@{ $answer->{set_cookies} }), 0, '... no cookie');
    }
    is(browser()->get(rp('/any-deny/x'), headers => [ 'Sec-Fetch-Mode' => 'cors' ])->status, 401, 'satisfy any, XHR: 401');
};

subtest 'satisfy any for a whole server' => sub {
    my $browser = browser();
    my $page = $browser->navigate("$denied/x");
    is($page->status, 200, 'deny all: a login arrives');
    ok(length($page->seen('x-sub') // ''), '... with its claims');
    is(browser()->get("$denied/x", headers => [ 'Sec-Fetch-Mode' => 'cors' ])->status, 401, '... XHR: 401');
    $browser = browser();
    is($browser->get("$open/x")->status, 200, 'allow all: the page is open');
    $page = $browser->navigate("$open/login?return=/x");
    is($page->status, 200, '... a login arrives nevertheless');
    ok(length($page->seen('x-sub') // ''), '... and its claims are there');
};

subtest 'auth_require' => sub {
    is($in->get(rp('/require/x'))->status, 200, 'the value is there');
    is($in->get(rp('/require-not/x'))->status, 403, 'one is empty: 403');
    is($in->get(rp('/require-err/x?zero=0'))->status, 404, '0 is not enough: the given status');
    is($in->get(rp('/require-err/x?zero=1'))->status, 200, '1 is');
    is(browser()->get(rp('/require-not/x'))->status, 302, 'without a session the login comes first');
};

subtest 'sub-requests' => sub {
    my $answer = $in->get(rp('/sub/x'));
    is($answer->status, 200, 'auth_request passes');
    my $sub = $answer->seen('x-sub');
    like(read_file(dir() . '/app.log'), qr{GET /whoami\?\Q$sub\E$}m, 'the variables are there in the sub-request');
    my $refused = browser()->get(rp('/sub/x'));
    ok($refused->status == 302 || $refused->status == 401, 'without a session: no');
    my $page = $in->get(rp('/if'));
    like($page->{body}, qr/^in .+/, 'a variable before the access phase finds the session');
    is(browser()->get(rp('/if'))->{body}, 'out', '... or nothing');
};

log_ok();
done_testing();
