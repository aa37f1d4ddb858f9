# Without a session: a navigation goes to the provider, everything else is told 401 and leaves nothing behind.
use lib 't/lib', 'lib';
use OIDC::Test;

my $op = start_provider('generic');
my $app = app();
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
    oidc_provider twin {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        login_uri               /twin/login;
    }

    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        auth_oidc op;

        location /          { proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Sub "s:$oidc_claim_sub"; proxy_set_header X-In "a:$oidc_authenticated"; }
        location /redirect/ { auth_oidc_unauth redirect; proxy_pass http://127.0.0.1:%%app%%; }
        location /401/      { auth_oidc_unauth 401; proxy_pass http://127.0.0.1:%%app%%; }
        location /403/      { auth_oidc_unauth 403; proxy_pass http://127.0.0.1:%%app%%; }
        location /pass/     { auth_oidc_unauth pass; proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Sub "s:$oidc_claim_sub"; proxy_set_header X-In "a:$oidc_authenticated"; }
        location /require/  { auth_oidc_unauth pass; auth_require $arg_ok error=404; proxy_pass http://127.0.0.1:%%app%%; }
        location /var/pass/ { auth_oidc $arg_p; auth_oidc_unauth pass; auth_require $arg_ok; proxy_pass http://127.0.0.1:%%app%%; }
        location /off/      { auth_oidc off; proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Sub "s:$oidc_claim_sub"; }
        location /ws/       { proxy_pass http://127.0.0.1:%%app%%; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }
        location /var/      { auth_oidc $arg_p; proxy_pass http://127.0.0.1:%%app%%; }
        location /var/acr/   { auth_oidc $arg_p; auth_oidc_acr 2; proxy_pass http://127.0.0.1:%%app%%; location /var/acr/off/ { auth_oidc_acr off; proxy_pass http://127.0.0.1:%%app%%; } }
        location /var/scope/ { auth_oidc $arg_p; auth_oidc_scope email; proxy_pass http://127.0.0.1:%%app%%; location /var/scope/off/ { auth_oidc_scope off; proxy_pass http://127.0.0.1:%%app%%; } }
        location = /ping    { auth_oidc off; return 200 pong; }
        location /nice/     { error_page 401 /please.html; proxy_pass http://127.0.0.1:%%app%%; }
        location = /please.html { auth_oidc off; return 200 "please log in"; }
        location /choose/   { auth_oidc $arg_p; auth_oidc_chooser /chooser/page; proxy_pass http://127.0.0.1:%%app%%; }
        location /choose/401/ { auth_oidc $arg_p; auth_oidc_chooser /chooser/page; auth_oidc_unauth 401; proxy_pass http://127.0.0.1:%%app%%; }
        location = /chooser/page { default_type text/html; return 200 '<a href="$oidc_login_url_op">op</a> <a href="$oidc_login_url_twin">twin</a>'; }
        location /loop/     { auth_oidc $arg_p; auth_oidc_chooser /loop/chooser; proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Login $oidc_login_url_op; }
    }
}
NGINX

$op->reset;
# the metadata is there from here on
is(browser()->navigate(rp('/warm'))->status, 200, 'a login works');

sub to_provider
{
    my ($answer, $what) = @_;
    is($answer->status, 302, "$what: 302");
    like($answer->{location} // '', qr{^\Q$op->{origin}\E/api/v2/}, '... to the provider');
    is($answer->header('cache-control'), 'no-store', '... never cached');
    is(scalar(@{ $answer->{set_cookies} }), 1, '... with one login cookie');
    return;
}

sub refused
{
    my ($answer, $what, $status) = @_;
    is($answer->status, $status || 401, "$what: " . ($status || 401));
    is(scalar(@{ $answer->{set_cookies} }), 0, '... no cookie');
    ok(!$answer->has('location'), '... no Location');
    isnt($answer->header('www-authenticate'), '', '... WWW-Authenticate') if !$status || $status == 401;
    like($answer->header('cache-control'), qr/no-store/, '... never cached');
    unlike($answer->{body}, qr/"headers"/, '... nothing of the application');
    return;
}

sub seen_by_app { return scalar(() = read_file(dir() . '/app.log') =~ /\n/g) }
my $before = seen_by_app();

my %navigate = ('Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document');
to_provider(browser()->get(rp('/page'), plain => 1, headers => [%navigate]), 'navigation');
to_provider(browser()->get(rp('/page'), plain => 1, headers => [ %navigate, Accept => 'application/json' ]), 'navigation, whatever it accepts');
to_provider(browser()->get(rp('/page'), plain => 1, headers => [ Accept => 'text/html' ]), 'an old browser');
to_provider(browser()->get(rp('/page'), plain => 1, headers => [ Accept => '*/*' ]), 'curl');
to_provider(browser()->request(HEAD => rp('/page'), headers => [%navigate]), 'HEAD');

my @others = (
    [ 'fetch with CORS'        => GET => 'Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Dest' => 'empty', Accept => '*/*' ],
    [ 'fetch same-origin'      => GET => 'Sec-Fetch-Mode' => 'same-origin', Accept => '*/*' ],
    [ 'an image'               => GET => 'Sec-Fetch-Mode' => 'no-cors', 'Sec-Fetch-Dest' => 'image', Accept => 'image/*' ],
    [ 'a script'               => GET => 'Sec-Fetch-Mode' => 'no-cors', 'Sec-Fetch-Dest' => 'script', Accept => '*/*' ],
    [ 'an iframe'              => GET => 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'iframe', Accept => 'text/html' ],
    [ 'a frame'                => GET => 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'frame', Accept => 'text/html' ],
    [ 'an embed'               => GET => 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'embed', Accept => 'text/html' ],
    [ 'prefetch'               => GET => 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document', 'Sec-Purpose' => 'prefetch' ],
    [ 'prerender'              => GET => 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document', 'Sec-Purpose' => 'prefetch;prerender' ],
    [ 'prefetch, old'          => GET => Purpose => 'prefetch', Accept => 'text/html' ],
    [ 'XHR, old'               => GET => 'X-Requested-With' => 'XMLHttpRequest', Accept => '*/*' ],
    [ 'an API client'          => GET => Accept => 'application/json' ],
    [ 'an event stream'        => GET => Accept => 'text/event-stream' ],
    [ 'POST of a form'         => POST => %navigate ],
    [ 'POST, old browser'      => POST => Accept => 'text/html' ],
    [ 'PUT'                    => PUT => Accept => '*/*' ],
    [ 'DELETE'                 => DELETE => Accept => '*/*' ],
    [ 'PATCH'                  => PATCH => Accept => '*/*' ],
    [ 'CORS preflight'         => OPTIONS => Origin => 'https://evil.localhost', 'Access-Control-Request-Method' => 'PUT', Accept => '*/*' ],
    [ 'PROPFIND'               => PROPFIND => Accept => '*/*' ],
);
for (@others) {
    my ($what, $method, @headers) = @$_;
    my @body = $method =~ /^P(?:OST|UT|ATCH)$/ ? (body => 'x' x 1000) : ();
    refused(browser()->request($method => rp('/page'), plain => 1, headers => \@headers, @body), $what);
}

subtest 'a POST of 3 MB is not stored and not passed on' => sub {
    my $browser = browser();
    my $answer = $browser->request(POST => rp('/page'), body => 'y' x 3_000_000);
    ok($answer->status == 401 || $answer->status == 413, 'refused');
    is(seen_by_app(), $before, 'the application saw nothing');
    is_deeply([ glob dir() . '/body/*' ], [], 'no temporary file is left');
};

subtest 'WebSocket' => sub {
    my @upgrade = (Upgrade => 'websocket', Connection => 'Upgrade', 'Sec-WebSocket-Version' => 13, 'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==');
    refused(browser()->get(rp('/ws/x'), plain => 1, headers => [ 'Sec-Fetch-Mode' => 'websocket', @upgrade ]), 'without a session');
    refused(browser()->get(rp('/ws/x'), plain => 1, headers => [ Accept => '*/*', @upgrade ]), 'without a session, from a program');
    my $browser = browser();
    $browser->navigate(rp('/page'));
    is($browser->get(rp('/ws/x'), plain => 1, headers => \@upgrade)->status, 101, 'with a session it is opened');
};

my $navigation = sub { return browser()->get(rp(shift), plain => 1, headers => [%navigate]) };
my $xhr = sub { return browser()->get(rp(shift), plain => 1, headers => [ 'Sec-Fetch-Mode' => 'cors', Accept => 'application/json' ]) };

to_provider($navigation->('/redirect/x'), 'auth_oidc_unauth redirect, navigation');
to_provider($xhr->('/redirect/x'), 'auth_oidc_unauth redirect, XHR');
refused($navigation->('/401/x'), 'auth_oidc_unauth 401, navigation');
refused($xhr->('/401/x'), 'auth_oidc_unauth 401, XHR');
refused($navigation->('/403/x'), 'auth_oidc_unauth 403, navigation', 403);
refused($xhr->('/403/x'), 'auth_oidc_unauth 403, XHR', 403);

for my $answer ($navigation->('/pass/x'), $xhr->('/pass/x')) {
    is($answer->status, 200, 'auth_oidc_unauth pass: the application answers');
    is($answer->seen('x-sub') . $answer->seen('x-in'), 's:a:', '... without an identity');
    is(scalar(@{ $answer->{set_cookies} }), 0, '... and no cookie');
}

is($navigation->('/require/x')->status, 404, 'pass and auth_require: the value is missing');
is($navigation->('/require/x?ok=1')->status, 200, '... is there');
is($navigation->('/var/pass/x?p=')->status, 403, 'pass, an empty variable and auth_require: the value is missing');
is($navigation->('/var/pass/x?p=&ok=1')->status, 200, '... is there');

subtest 'with a session' => sub {
    my $browser = browser();
    my $page = $browser->navigate(rp('/redirect/x'));
    is($page->status, 200, 'redirect');
    is($browser->get(rp("/$_/x"))->status, 200, "mode $_") for qw(401 403 pass);
    like($browser->get(rp('/pass/x'))->seen('x-sub'), qr/^s:.+/, 'pass: the identity');
    is($browser->get(rp('/pass/x'))->seen('x-in'), 'a:1', 'pass: $oidc_authenticated');
    is($browser->post(rp('/page'), [ [ a => 1 ] ])->status, 200, 'POST passes');
    is($browser->post(rp('/page'), [ [ a => 1 ] ])->json->{body}, 'a=1', '... with its body');
    is($browser->get(rp('/off/x'))->seen('x-sub'), 's:', 'auth_oidc off: the variables are empty');
    is($browser->get(rp('/page'), plain => 1, headers => [ 'Sec-Fetch-Mode' => 'cors' ])->status, 200, 'XHR passes');
};
is($navigation->('/off/x')->status, 200, 'auth_oidc off cancels what is inherited');

my $page = $xhr->('/nice/x');
is($page->status, 401, 'error_page 401: the status');
is($page->{body}, 'please log in', '... and its page');
is(scalar(@{ $page->{set_cookies} }), 0, '... no cookie');

subtest 'auth_oidc with a variable' => sub {
    to_provider($navigation->('/var/x?p=op'), 'the name of a provider');
    is($navigation->('/var/x?p=off')->status, 200, 'off');
    refused($navigation->('/var/x?p='), 'empty');
    $nginx->mark;
    is($navigation->('/var/x?p=nobody')->status, 500, 'an unknown name is an error');
    like($nginx->log_text($nginx->{mark}), qr{\[error\].*oidc: provider_unknown: provider "nobody": auth_oidc: no such oidc_provider, client: .*, path: /var/x$}m, '... and is logged');
    $navigation->('/var/x?p=' . 'n' x 1000);
    like($nginx->log_text($nginx->{mark}), qr/provider "n{64}": /, '... cut');
};

subtest 'auth_oidc_chooser' => sub {
    my $browser = browser();
    my $target = '/choose/page?p=&a=%C3%A9&b=x%2Fy&c="<';
    my $page = $browser->get(rp($target));
    is($page->status, 200, 'an empty variable: the page to choose from');
    like($page->header('content-type'), qr{^text/html}, '... as it is');
    is($page->header('cache-control'), 'no-store', '... never cached');
    is(scalar(@{ $page->{set_cookies} }), 0, '... no cookie: nothing has begun');
    my ($op_url, $twin_url) = $page->{body} =~ /href="([^"]*)"/g;
    like($op_url, qr{^/login\?return=}, '$oidc_login_url_<provider>');
    like($twin_url, qr{^/twin/login\?return=}, '... of each provider');
    my $arrived = $browser->navigate(rp($twin_url), until => qr{/choose/page});
    is($arrived->status, 302, 'a choice: a login');
    is($arrived->{next}, rp($target), '... that leads back to the page that was asked for, with its query');
    ok($browser->cookie(rp('/'), qr/SESSION_twin$/), '... with the provider that was chosen');
    is($browser->get(rp('/choose/page?p=twin'))->status, 200, 'the page is open with it');
    is($navigation->('/choose/page?p=twin')->status, 302, 'a variable that names one leads straight to it');
    refused($xhr->('/choose/page?p='), 'XHR');
    refused(browser()->post(rp('/choose/page?p='), [ [ a => 1 ] ]), 'POST');
    refused($navigation->('/choose/401/x?p='), 'auth_oidc_unauth 401');
    is($navigation->('/choose/page?p=nobody')->status, 500, 'an unknown name is still an error');
};

subtest 'a variable turns no demand off' => sub {
    my $browser = browser();
    is($browser->navigate(rp('/page'))->status, 200, 'logged in');
    for my $path ('/choose/page', '/choose/401/x', '/var/acr/x', '/var/scope/x') {
        for my $who ([ 'nobody', browser() ], [ 'somebody', $browser ]) {
            my ($what, $asks) = @$who;
            $nginx->mark;
            my $answer = $asks->get(rp("$path?p=off"));
            is($answer->status, 500, "$path, $what: an error");
            unlike($answer->{body}, qr/"headers"/, '... nothing of the application');
            ok(!$answer->has('location'), '... no Location');
            like($nginx->log_text($nginx->{mark}), qr{\[error\].*oidc: provider_unknown: provider "off": auth_oidc: no such oidc_provider, }, '... provider_unknown');
        }
    }
    is($navigation->("$_?p=off")->status, 200, "$_: nothing is demanded") for '/var/x', '/var/acr/off/x', '/var/scope/off/x';
    to_provider($navigation->("$_?p=op"), $_) for '/var/acr/x', '/var/scope/x';
};

subtest 'a page to choose from that is protected itself never loops' => sub {
    for my $path ('/loop/chooser', '/loop/chooser?p=', '/loop/page?p=') {
        my $page = $navigation->($path);
        is($page->status, 200, "$path: shown");
        is($page->json->{uri}, $path, '... by the application') if $path !~ /page/;
        is($page->json->{uri}, '/loop/chooser', '... once') if $path =~ /page/;
        is($page->seen('x-login'), '/login?return=' . OIDC::Browser::escape($path), '... with the way back') if $path =~ /page/;
    }
};

subtest 'a body that nobody read is no next request' => sub {
    my $host = 'Host: rp.localhost:' . OIDC::Test::rp_port();
    my $inner = "GET /off/smuggled HTTP/1.1\r\n$host\r\n\r\n";
    for my $line ('POST /page', 'PUT /page', 'GET /page', 'POST /oidc_callback', "GET /oidc_callback?code=a&state=" . 'S' x 43, 'POST /login', 'GET /login?return=//e.tld') {
        my $answer = browser()->raw(rp('/'), "$line HTTP/1.1\r\n$host\r\nContent-Length: " . length($inner) . "\r\n\r\n$inner" . "GET /ping HTTP/1.1\r\n$host\r\nConnection: close\r\n\r\n");
        my @statuses = $answer =~ m{^HTTP/1\.1 (\d+)}mg;
        is(scalar @statuses, 2, "$line: an answer to each request (@statuses)");
        like($answer, qr/pong$/, '... the last is to the last');
    }
    unlike(read_file(dir() . '/app.log'), qr/smuggled/, 'the body never became a request');
};

subtest 'HTTP/2' => sub {
    my ($status, $text) = curl_h2(rp('/page'), '-H', 'Sec-Fetch-Mode: navigate', '-H', 'Sec-Fetch-Dest: document');
    is($status, 302, 'a navigation is redirected');
    like($text, qr/^set-cookie: __Host-NGX_OIDC_LOGIN_/im, '... with the login cookie');
    ($status, $text) = curl_h2(rp('/page'), '-H', 'Accept: application/json');
    is($status, 401, 'an API client is not');
    ($status) = curl_h2(rp('/page'), '-d', 'a=1');
    is($status, 401, 'nor a POST');
};

log_ok();
done_testing();
