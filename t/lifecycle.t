# Reloads, killed workers, browsers that leave: nobody notices but those who left.
use lib 't/lib', 'lib';
use OIDC::Test;
use Time::HiRes qw(sleep time);

my $op = start_provider('generic');
my $app = app();
my $conf = <<'NGINX';
%%globals%%
worker_processes 2;
events { worker_connections 256; }
http {
    %%http%%
    oidc_session_zone zone=sessions:1m;

    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        session_store           sessions;
        userinfo                on;
    }
    # nothing of this one is ever fetched ahead: every first login meets every wait
    oidc_provider cold {
        issuer                  %%op%%/api/v2;
        config_url              %%op%%/api/v2/.well-known/openid-configuration?%%generation%%;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        redirect_uri            /generic/callback;
        ssl_trusted_certificate %%ca%%;
        session_store           sessions;
        userinfo                on;
    }

    oidc_provider silent {
        issuer                  %%op%%/api/v2;
        endpoint                token https://evil.localhost:%%silent%%/token;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        redirect_uri            /generic/callback;
        ssl_trusted_certificate %%ca%%;
        session_store           sessions;
    }

    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        location /      { auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Sub $oidc_claim_sub; }
        location /silent/ { auth_oidc silent; proxy_pass http://127.0.0.1:%%app%%; }
        location /cold/ { auth_oidc cold; proxy_pass http://127.0.0.1:%%app%%; }
        location = /ping   { return 200 pong; }
        location = /status { stub_status; }
    }
}
NGINX
my $silent = free_port();
my $nginx = nginx($conf, op => $op, app => $app, generation => 1, silent => $silent);

my $callback = qr{/(?:oidc_callback|generic/callback)\?};
sub way_back { my ($browser, $path) = @_; return $browser->navigate(rp($path), until => $callback)->{next} }
# Requests under way, without the one that asks; connections that are merely kept do not count.
sub under_way { return browser()->get(rp('/status'), plain => 1, headers => [ Connection => 'close' ])->{body} =~ /Reading: (\d+) Writing: (\d+)/ ? $1 + $2 - 1 : -1 }

$op->reset;

subtest 'reload in the middle of a login' => sub {
    my $browser = browser();
    my $url = way_back($browser, '/page?x=1');
    $nginx->reload;
    ok($nginx->settled, 'the old workers go');
    is($browser->get($url)->{location}, rp('/page?x=1'), 'the login goes on');
    my $page = $browser->get(rp('/page?x=1'));
    is($page->status, 200, 'and has a session');

    $nginx->reload;
    ok($nginx->settled, 'the old workers go');
    is($browser->get(rp('/page'))->status, 200, 'which the next reload keeps');
    is($browser->get(rp('/page'))->seen('x-sub'), $page->seen('x-sub'), 'with its claims');
    ok($browser->get($url)->status == 302, 'a callback of before is still no error');
};

subtest 'reload while callbacks wait for the provider' => sub {
    $op->reset(delay => { token => 800 });
    my @browsers = map { browser() } 1 .. 4;
    my @urls = map { way_back($_, '/page') } @browsers;
    my @pending = map { $browsers[$_]->begin(GET => $urls[$_]) } 0 .. 3;
    sleep 0.2;
    $nginx->reload;
    is(join(' ', map { $_->response->status } @pending), '302 302 302 302', 'the old workers finish them');
    is(join(' ', map { $_->get(rp('/page'))->status } @browsers), '200 200 200 200', 'the new ones know the sessions');
    ok($nginx->settled, 'then the old workers go');
    $op->reset;
};

subtest 'several reloads in a row with logins between' => sub {
    my @browsers = map { browser() } 1 .. 5;
    my @urls;
    for my $browser (@browsers) {
        push @urls, way_back($browser, '/page');
        $nginx->reload;
    }
    ok($nginx->settled, 'the old workers go');
    is(join(' ', map { $browsers[$_]->get($urls[$_])->status } 0 .. 4), '302 302 302 302 302', 'every login goes on');
};

subtest 'a reload with another size of the zone, and back' => sub {
    my $browser = browser();
    $browser->navigate(rp('/page'));
    $nginx->reload(conf => $conf =~ s/zone=sessions:1m/zone=sessions:2m/r);
    ok($nginx->settled, 'it happens');
    is($browser->navigate(rp('/page'))->status, 200, 'a login works');
    my $lasting = $browser;
    $nginx->reload(conf => $conf =~ s/zone=sessions:1m/zone=sessions:2m/r);
    ok($nginx->settled, 'once more with that size');
    is($lasting->get(rp('/page'))->status, 200, 'the session is kept');
    $nginx->reload(conf => $conf);
    ok($nginx->settled, 'and back');
};

subtest 'another client_id' => sub {
    my $browser = browser();
    $browser->navigate(rp('/page'));
    $nginx->reload(conf => $conf =~ s/(oidc_provider op \{.*?client_id\s+)generic-post/$1generic-es256/sr);
    $nginx->settled;
    is($browser->get(rp('/page'))->status, 302, 'a session of another client is none');
    $nginx->reload(conf => $conf);
    $nginx->settled;
    is($browser->get(rp('/page'))->status, 200, 'back: it is one again');
};

subtest 'another cookie key' => sub {
    my %key = map { $_ => write_file("cookie-$_.key", unpack 'H64', join '', map { chr int rand 256 } 1 .. 32) } qw(a b);
    my $with = sub { return $conf =~ s/(oidc_session_zone [^;]+;)/join ' ', $1, map {"oidc_cookie_key $key{$_};"} @_/er };
    $nginx->reload(conf => $with->('a'));
    $nginx->settled;
    my ($one, $two) = (browser(), browser());
    my $in = browser();
    $in->navigate(rp('/page'));
    my @urls = map { way_back($_, '/page') } $one, $two;
    $nginx->reload(conf => $with->('b', 'a'));
    $nginx->settled;
    is($one->get($urls[0])->status, 302, 'a new key before the old one: logins go on');
    $nginx->reload(conf => $with->('b'));
    $nginx->settled;
    is($two->get($urls[1])->status, 400, 'the old one is gone: a login of before is refused');
    is($in->get(rp('/page'))->status, 200, 'sessions do not depend on it');
    is($two->navigate(rp('/page'))->status, 200, 'and the next login works');
    $nginx->reload(conf => $conf);
    ok($nginx->settled, 'back');
};

subtest 'a broken configuration is refused and nothing changes' => sub {
    my $browser = browser();
    $browser->navigate(rp('/page'));
    my $mark = $nginx->mark;
    $nginx->{conf} = $conf =~ s/session_store           sessions;/session_store nowhere;/r;
    $nginx->write_conf;
    $nginx->signal('HUP');
    ok(until_true(5, sub { $nginx->log_text($mark) =~ /\[emerg\]/ }), 'HUP: [emerg]');
    is($browser->get(rp('/page'))->status, 200, 'the session works');
    $nginx->{conf} = $conf;
    $nginx->write_conf;
};

subtest 'a worker is killed' => sub {
    my $browser = browser();
    $browser->navigate(rp('/page'));
    my $waiting = browser();
    my $url = way_back($waiting, '/page');
    my @workers = $nginx->workers;
    for my $pid (@workers) {
        kill 'KILL', $pid;
        ok(until_true(5, sub { my %now = map { $_ => 1 } $nginx->workers; !$now{$pid} && keys %now == 2 }), 'kill -9: another comes');
    }
    my $after = until_true(5, sub { my $r = eval { $browser->get(rp('/page'), fresh => 1) }; $r && $r->{status} ? $r : undef });
    is($after->status, 200, 'the session lives');
    is($waiting->get($url, fresh => 1)->status, 302, 'a login goes on');
};

subtest 'workers are killed under load' => sub {
    my $keeper = browser();
    $keeper->navigate(rp('/page'));
    my @children;
    for (1 .. 2) {
        my $pid = fork;
        if (!$pid) {
            my $end = time + 2;
            while (time < $end) {
                eval {
                    $keeper->get(rp('/page'), fresh => 1);
                    my $b = browser(keep => 0);
                    $b->navigate(rp('/page'));
                };
            }
            POSIX::_exit(0);
        }
        push @children, $pid;
    }
    for (1 .. 6) {
        sleep 0.25;
        my ($pid) = $nginx->workers;
        kill 'KILL', $pid if $pid;
    }
    waitpid $_, 0 for @children;
    ok(until_true(5, sub { $nginx->workers == 2 }), 'two workers run');
    my $browser = browser();
    is($browser->navigate(rp('/page'))->status, 200, 'a login works');
    is($browser->get(rp('/page'))->status, 200, 'and its session');
};

# the counters of workers that were killed stay as they were
my $base = under_way();

# ---- browsers that leave -----------------------------------------------------------------------------------------------------

my $generation = 1;
sub cold_start { $nginx->{values}{generation} = ++$generation; $nginx->reload; return $nginx->settled }

subtest 'the browser leaves at each wait' => sub {
    for my $endpoint (qw(token userinfo)) {
        $op->reset;
        for my $how (qw(polite rude)) {
            my $browser = browser();
            my $url = way_back($browser, '/page');
            $op->control(delay => { $endpoint => 600 });
            my $before = $op->count($endpoint);
            my $pending = $browser->begin(GET => $url, rude => $how eq 'rude');
            ok(until_true(3, sub { $op->count($endpoint) > $before }), "$endpoint: the provider is asked");
            $pending->abort;
            ok(until_true(2, sub { under_way() <= $base }), "... $how: the request is freed");
            $op->reset;
            my $again = $browser->navigate($url);
            is($again->status, 200, '... the reloaded callback leads to the page');
        }
    }
    for my $endpoint (qw(discovery jwks)) {
        $op->reset(delay => { $endpoint => 600 });
        cold_start();
        my $browser = browser();
        my $before = $op->count($endpoint);
        my $url = rp('/cold/page');
        if ($endpoint eq 'jwks') {
            $url = way_back($browser, '/cold/page');
        }
        my $pending = $browser->begin(GET => $url);
        sleep 0.2;
        $pending->abort;
        ok(until_true(2, sub { under_way() <= $base }), "$endpoint: the request is freed");
        $op->reset;
        is($browser->navigate(rp('/cold/page'))->status, 200, '... the next login works');
    }
};

subtest 'the browser leaves while the connection is being made' => sub {
    $op->reset;
    my @sockets = silent_port($silent);
    my @urls = map { my $browser = browser(); [ $browser, way_back($browser, '/silent/page') ] } 1 .. 6;
    my @pending = map { $_->[0]->begin(GET => $_->[1]) } @urls;
    sleep 0.2;
    $_->abort for @pending;
    ok(until_true(2, sub { under_way() <= $base }), 'the requests are freed');
    close $_ for @sockets;
    is(browser()->navigate(rp('/page'))->status, 200, 'the next login works');
};

subtest 'the browser leaves, HTTP/2' => sub {
    for my $endpoint (qw(token userinfo)) {
        $op->reset;
        my $browser = browser();
        my $url = way_back($browser, '/page');
        $op->control(delay => { $endpoint => 700 });
        my ($status) = curl_h2($url, '--max-time', '0.3', '-H', 'Cookie: ' . $browser->cookie_header($url), '-o', '/dev/null');
        is($status, undef, "$endpoint: left without an answer");
        ok(until_true(2, sub { under_way() <= $base }), '... the request is freed');
        $op->reset;
        is($browser->navigate($url)->status, 200, '... the reloaded callback leads to the page');
    }
    $op->reset;
    my $browser = browser();
    my $url = way_back($browser, '/page');
    my ($status, $text) = curl_h2($url, '-H', 'Cookie: ' . $browser->cookie_header($url));
    is($status, 302, 'one that stays is answered');
    like($text, qr/^set-cookie: __Host-NGX_OIDC_SESSION_op=/im, 'with its session');
};

subtest 'many leave at once' => sub {
    $op->reset(delay => { token => 500 });
    my @browsers = map { browser() } 1 .. 15;
    my @urls = map { way_back($_, '/page') } @browsers;
    my @pending = map { $browsers[$_]->begin(GET => $urls[$_]) } 0 .. 14;
    sleep 0.15;
    $_->abort for @pending[ 0 .. 9 ];
    is(join(' ', map { $_->response->status } @pending[ 10 .. 14 ]), '302 302 302 302 302', 'those that stay are answered');
    undef $_ for @pending;
    ok(until_true(2, sub { under_way() <= $base }), 'the others are freed');
    $op->reset;
};

subtest 'pipelined and half-closed' => sub {
    $op->reset(delay => { token => 300 });
    my $browser = browser();
    my $url = way_back($browser, '/page');
    my $u = OIDC::Browser::parse_url($url);
    my $bytes = "GET $u->{target} HTTP/1.1\r\nHost: $u->{authority}\r\nCookie: " . $browser->cookie_header($url) . "\r\n\r\n";
    my $answer = $browser->raw($url, $bytes . "GET /ping HTTP/1.1\r\nHost: $u->{authority}\r\nConnection: close\r\n\r\n", 5);
    like($answer, qr{^HTTP/1\.1 302.*HTTP/1\.1 200.*pong}s, 'a request behind the waiting callback is answered after it');
    $op->reset;
};

subtest 'graceful quit' => sub {
    $op->reset(delay => { token => 600 });
    my $browser = browser();
    my $url = way_back($browser, '/page');
    my $pending = $browser->begin(GET => $url);
    sleep 0.15;
    $nginx->signal('QUIT');
    is($pending->response->status, 302, 'the login in flight is finished');
    my $pid = $nginx->{pid};
    ok(until_true(5, sub { waitpid($pid, POSIX::WNOHANG()) }), 'then nginx ends');
    $nginx->{pid} = 0;
};

# A worker may hold a zone's lock when it is killed: nginx's master takes it back and says so.
log_ok(allow => [ qr/exited on signal 9/, qr/shared memory zone "\w+" was locked by/, qr/\[emerg\].*nowhere/, qr/oidc: .*(?:zone|killed|reset)/ ]);
done_testing();
