# However a return address is spelled, the browser stays on this site.
use lib 't/lib', 'lib';
use OIDC::Test;

my $op = start_provider('generic');
my $app = app();
my %port = map { $_ => free_port() } qw(nameless named pattern mixed);
my $nginx = nginx(<<'NGINX', op => $op, app => $app, %port);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    absolute_redirect off;
    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        login_uri               /login;
    }
    oidc_provider fixed {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        redirect_uri            https://WWW.example.fr/cb;
    }
    server { listen 127.0.0.1:%%nameless%%; server_name _; auth_oidc fixed; location / { } location /op { auth_oidc op; } }
    server { listen 127.0.0.1:%%named%%; server_name internal.lan www.example.fr; auth_oidc fixed; location / { } location /op { auth_oidc op; } }
    server { listen 127.0.0.1:%%pattern%%; server_name *.example.fr ~^w\d+\.example\.com$; auth_oidc fixed; location / { } location /op { auth_oidc op; } }
    server { listen 127.0.0.1:%%mixed%%; server_name _ *.example.fr good.lan; auth_oidc op; location / { } }
    server {
        listen       %%listen%%;
        server_name  rp.localhost www.localhost;
        %%tls%%
        merge_slashes off;
        location / { auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; }
    }
}
NGINX

my $callback = qr{/oidc_callback};
$op->reset;

# What a browser makes of a Location (WHATWG URL): tabs and newlines vanish, \ is /, a scheme or two slashes lead away.
sub stays_here
{
    my ($location) = @_;
    return 0 if !defined $location || $location =~ /[\x00-\x20\x7f-\xff]/;
    my $root = rp();
    return $location =~ m{^\Q$root\E/(?![/\\])} && $location !~ m{\\};
}

my @spellings = (
    # H01 scheme-relative
    '//e.tld', '///e.tld', '////e.tld/..', '//e.tld/', '/%2f/e.tld', '/.//e.tld', '/..//e.tld', '//e.tld:80', '//[::1]', '/%2fe.tld', './/e.tld', '..//e.tld',
    # H02 backslash
    '/\\e.tld', '\\/\\/e.tld', '/%5ce.tld', '\\\\e.tld', 'https:\\\\e.tld', '/\\/e.tld', '\\e.tld', '/\\\\e.tld', '//\\e.tld', '/%5c%5ce.tld', '/page\\e.tld',
    # H03 control characters and white space
    "/\t/e.tld", "/\r\n/e.tld", ' //e.tld', "/\t\\e.tld", "\x{a0}//e.tld", "\x{2028}//e.tld", "/\n/e.tld", "\t//e.tld", "/\0/e.tld", '/ /e.tld', "/page\r\nSet-Cookie: a=b", "/\x{0b}/e.tld", "/\x7f/e.tld",
    '/%09/e.tld', '/%0d%0a/e.tld', '/%0d%0aSet-Cookie:a=b', '%20//e.tld',
    # H04 userinfo
    'https://good@e.tld', 'https://good%40e.tld', 'https://good:pw@e.tld', '//good\\@e.tld', '@e.tld', ':80@e.tld', '/@e.tld', '.e.tld', ':8443/',
    # H05 hosts
    'https://evil-good.fr', 'https://good.fr.e.tld', 'good.fr:443@e.tld', 'https://GOOD.fr.', "https://g\x{43e}\x{43e}d.fr", "//e\x{3002}tld", "//e\x{ff0e}tld", "\x{3031}e.tld", rp() . '.e.tld', rp() . '@e.tld', rp('//e.tld'),
    # H06 schemes
    'javascript:alert(1)', 'data:text/html,x', 'vbscript:x', 'http:e.tld', 'https:e.tld', 'file:///etc/passwd', 'HtTpS://e.tld', "java\tscript:alert(1)", 'JaVaScRiPt:alert(1)', 'javascript://rp.localhost/%0aalert(1)',
    # H07 addresses
    'http://2130706433/', 'http://0177.0.0.1/', 'http://0x7f.1/', '//[::ffff:1.2.3.4]', '//0x7f.1',
    # H08 fragments and queries
    'https://e.tld#good.fr', 'https://e.tld?good.fr', '?good.fr', ';good.fr', 'https://good.fr%23.e.tld', '#//e.tld', '//e.tld#/page',
    # H09 encodings
    '/%252f%252fe.tld', '%252f%252fe.tld', '%2f%2fe.tld', '%2F%5Ce.tld', '/%255ce.tld', '%zz', '', 'page', '.', '..', '/' . 'x' x 5000,
);

my $in = browser();
is($in->navigate(rp('/page'))->status, 200, 'a session');

my ($refused, $kept) = (0, 0);
for my $target (@spellings) {
    my $shown = substr OIDC::Browser::escape($target), 0, 50;
    my $answer = $in->get(rp('/login?return=' . OIDC::Browser::escape($target)));
    if ($answer->status == 302) {
        ok(stays_here($answer->{location}), "$shown: stays") or diag $answer->{location};
        ++$kept;
    } else {
        is($answer->status, 400, "$shown: refused");
        ok(!$answer->has('location'), '... without a Location');
        ++$refused;
    }
    is(scalar(grep { !/^(?:__Host-)?NGX_OIDC/ } @{ $answer->{set_cookies} }), 0, '... no foreign cookie');
}
cmp_ok($refused, '>', 60, "most are refused ($refused), some are paths of this site ($kept)");

# The same without a session: refused before the provider is asked, or kept as a path through the whole login.
for my $target ('//e.tld', '/\\e.tld', "/\t/e.tld", 'https://e.tld/', 'javascript:alert(1)', '/%09//e.tld') {
    my $browser = browser();
    my $shown = OIDC::Browser::escape($target);
    my $answer = $browser->get(rp("/login?return=$shown"));
    if ($answer->status == 400) {
        is(scalar(@{ $answer->{set_cookies} }), 0, "$shown without a session: refused, no cookie");
        next;
    }
    my $end = $browser->get($browser->navigate($answer->{location}, until => $callback)->{next});
    ok(stays_here($end->{location}), "$shown: stays after the login") or diag $end->{location};
}

# As the parameter came, not decoded by us
for my $raw ('//e.tld', '/\\e.tld', '%2F%2Fe.tld', '/%2Fe.tld&return=//e.tld', '/ok&return=https://e.tld', '%zz', '/a%00b', '/a%0ab', '/a+//b', '%') {
    my $answer = $in->get(rp("/login?return=$raw"));
    ok($answer->status == 400 || stays_here($answer->{location}), "raw $raw") or diag $answer->{location};
}

# Good ones arrive
for my $target ('/', '/page', '/page?x=1&y=%C3%A9', '/a/b/c?d=/e', '/?next=https://e.tld/', '/page?a=b+c') {
    my $answer = $in->get(rp('/login?return=' . OIDC::Browser::escape($target)));
    is($answer->{location}, rp($target), "$target: with a session at once");
    my $browser = browser();
    my $page = $browser->navigate(rp('/login?return=' . OIDC::Browser::escape($target)));
    is($page->status, 200, '... without one after a login');
    is($page->json->{uri}, $target, '... there');
}
is($in->get(rp('/login'))->{location}, rp('/'), 'no return parameter: /');

# The address that was asked for, as strangely as it came
for my $path ('//e.tld/%2e%2e', '/\\e.tld', '///e.tld', '//e.tld', '/./\\e.tld', "/\xc3\xa9?\xff", '/%0d%0aSet-Cookie:x=y', '/a"b<c>', '/;@e.tld', 'http://e.tld/page', 'https://e.tld//x', '/?http://e.tld') {
    my $browser = browser();
    my $answer = $browser->raw(rp('/'), "GET $path HTTP/1.1\r\nHost: rp.localhost:" . OIDC::Test::rp_port() . "\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
    my $shown = $path =~ s/[^ -~]/?/gr;
    if ($answer !~ m{^HTTP/1\.1 302}) { like($answer, qr{^HTTP/1\.1 4\d\d}, "$shown: refused by nginx"); next }
    $browser->set_cookie_line(rp('/'), $1) while $answer =~ /^Set-Cookie: (.*?)\r?$/mgi;
    my ($location) = $answer =~ /^Location: (.*?)\r?$/mi;
    like($location, qr{^\Q$op->{origin}\E/api/v2/}, "$shown: to the provider");
    my $end = $browser->get($browser->navigate($location, until => $callback)->{next});
    ok(stays_here($end->{location}), '... and back to this site') or diag $end->{location};
}

# Hosts
subtest 'whatever Host says' => sub {
    my $port = OIDC::Test::rp_port();
    for my $host ('evil.localhost', "evil.localhost:$port", "rp.localhost:8080\@evil.localhost", 'rp.localhost.evil.localhost', 'evil.localhost:443', '[::1]', '127.0.0.1', 'rp.localhost.', 'RP.LOCALHOST', "rp.localhost:1", ' ') {
        my $answer = $in->raw(rp('/'), "GET /page HTTP/1.1\r\nHost: $host\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
        if ($answer =~ m{^HTTP/1\.1 302}) {
            my ($uri) = $answer =~ /[?&]redirect_uri=([^&\r]+)/;
            like(lc OIDC::Browser::unescape($uri // ''), qr{^https://(?:rp|www)\.localhost:$port/oidc_callback$}, "Host: $host: redirect_uri names this site");
        } else {
            like($answer, qr{^HTTP/1\.1 400}, "Host: $host: refused");
        }
    }
    my $answer = $in->raw(rp('/'), "GET /page HTTP/1.1\r\nHost: www.localhost:$port\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
    like($answer, qr{redirect_uri=https%3A%2F%2Fwww\.localhost%3A$port%2Foidc_callback}i, 'another name of this server is its own site');
    $answer = $in->raw(rp('/'), "GET /page HTTP/1.0\r\nAccept: text/html\r\n\r\n");
    like($answer, qr{redirect_uri=https%3A%2F%2Frp\.localhost%3A$port%2Foidc_callback}i, 'HTTP/1.0 without Host: the first name');
};

subtest 'the site of the redirect URI' => sub {
    for my $case (
        # server, path, Host, where the redirect leads: a redirect URI, or another site first
        [ nameless => '/page', 'www.example.fr',  'https://WWW.example.fr/cb' ],
        [ nameless => '/page', 'WWW.EXAMPLE.FR',  'https://WWW.example.fr/cb' ],
        [ nameless => '/page', 'balancer.lan',    'https://WWW.example.fr/cb' ],
        [ nameless => '/op',   'any.lan',         "http://any.lan:$port{nameless}/oidc_callback" ],
        [ named    => '/page', 'www.example.fr',  'https://WWW.example.fr/cb' ],
        [ named    => '/page', 'evil.lan',        'https://WWW.example.fr/cb' ],
        [ named    => '/page', 'Internal.lan',    'first https://WWW.example.fr/page' ],
        [ named    => '/op',   'evil.lan',        "http://internal.lan:$port{named}/oidc_callback" ],
        [ pattern  => '/page', 'www.example.fr',  'https://WWW.example.fr/cb' ],
        [ pattern  => '/page', 'a.example.fr',    'first https://WWW.example.fr/page' ],
        [ pattern  => '/page', 'w1.example.com',  'first https://WWW.example.fr/page' ],
        [ pattern  => '/page', 'evil.lan',        'https://WWW.example.fr/cb' ],
        [ pattern  => '/op',   'a.example.fr',    "http://a.example.fr:$port{pattern}/oidc_callback" ],
        [ pattern  => '/op',   'evil.lan',        "http://localhost:$port{pattern}/oidc_callback" ],
        [ mixed    => '/page', 'evil.lan',        "http://good.lan:$port{mixed}/oidc_callback" ],
        )
    {
        my ($server, $path, $host, $expected) = @$case;
        my $answer = browser()->raw("http://127.0.0.1:$port{$server}/", "GET $path HTTP/1.1\r\nHost: $host\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
        my ($location) = $answer =~ /^Location: (.*?)\r?$/mi;
        my ($uri) = ($location // '') =~ /[?&]redirect_uri=([^&]+)/;
        is($uri ? OIDC::Browser::unescape($uri) : 'first ' . ($location // $answer), $expected, "$server, Host $host, $path");
    }
};

log_ok();
done_testing();
