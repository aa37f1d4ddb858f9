# Cookies and headers: what browsers are told, and what the application never sees.
use lib 't/lib', 'lib';
use OIDC::Test;

my ($plain_port, $nameless_port) = (free_port(), free_port());
my $op = start_provider('generic', rp => [ rp(), "http://rp.localhost:$plain_port" ]);
my $app = app();
my $nginx = nginx(<<'NGINX', op => $op, app => $app, plain => $plain_port, nameless => $nameless_port);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    large_client_header_buffers 8 16k;
    map $http_cookie $mapped { ~NGX_OIDC_SESSION_op= op; }

    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
    }
    oidc_provider named {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        redirect_uri            /generic/callback;
        ssl_trusted_certificate %%ca%%;
        cookie_name             my_session;
        cookie_samesite         none;
    }
    oidc_provider narrow {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        redirect_uri            /oidc_callback_generic;
        ssl_trusted_certificate %%ca%%;
        cookie_name             narrow;
        cookie_path             /narrow/;
    }

    server {
        listen      %%listen%%;
        listen      127.0.0.1:%%plain%%;
        server_name rp.localhost;
        %%tls%%
        location /        { auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Sub $oidc_claim_sub; }
        location /named/  { auth_oidc named; proxy_pass http://127.0.0.1:%%app%%; }
        location /narrow/ { auth_oidc narrow; proxy_pass http://127.0.0.1:%%app%%; }
        location /keep/   { auth_oidc op; auth_oidc_strip_cookies off; proxy_pass http://127.0.0.1:%%app%%; }
        location /map/    { auth_oidc $mapped; proxy_set_header Cookie $http_cookie; proxy_pass http://127.0.0.1:%%app%%; }
        location /off/    { auth_oidc off; proxy_pass http://127.0.0.1:%%app%%; }
        location /own/    { auth_oidc op; add_header X-Cookies "$http_cookie" always; add_header X-Named "$cookie_theme" always; proxy_pass http://127.0.0.1:%%app%%; }
    }
    server {
        listen      127.0.0.1:%%nameless%%;
        server_name _;
        auth_oidc   op;
    }
}
NGINX

my $callback = qr{^https://rp\.localhost:\d+/(?:\w+/callback|oidc_callback\w*)\?};
my $session = '__Host-NGX_OIDC_SESSION_op';
my ($op_app) = ($app);
$op->reset;

sub attributes_of { my ($line) = @_; my ($pair, @rest) = split /; */, $line; return { map { my ($n, $v) = split /=/, $_, 2; (lc $n => $v // 1) } @rest } }
sub way_back { my ($browser, $path) = @_; return $browser->navigate(rp($path), until => $callback)->{next} }

subtest 'the login cookie' => sub {
    my $answer = browser()->get(rp('/page?a=1'));
    my ($line) = @{ $answer->{set_cookies} };
    like($line, qr/^__Host-NGX_OIDC_LOGIN_[A-Za-z0-9]{8}=[A-Za-z0-9_-]+;/, 'its name');
    my $a = attributes_of($line);
    is_deeply([ sort keys %$a ], [ sort qw(path secure httponly samesite max-age) ], 'its attributes');
    is($a->{path}, '/', 'Path=/');
    is(lc $a->{samesite}, 'lax', 'SameSite=Lax');
    cmp_ok($a->{'max-age'}, '<=', 2400, 'minutes');
    unlike($line, qr/page|generic-post/, 'sealed');
    my $other = browser()->get(rp('/page?a=1'));
    isnt($other->{set_cookies}[0] =~ s/;.*//r =~ s/.*=//r, $line =~ s/;.*//r =~ s/.*=//r, 'never the same twice');
};

subtest 'the session cookie' => sub {
    my $browser = browser();
    my $answer = $browser->get(way_back($browser, '/page'));
    is($answer->header('cache-control'), 'no-store', 'the answer is never cached');
    my ($set) = grep {/SESSION/} @{ $answer->{set_cookies} };
    my ($deleted) = grep {/LOGIN/} @{ $answer->{set_cookies} };
    is(scalar(grep { !/_ROUNDS_/ } @{ $answer->{set_cookies} }), 2, 'one set, one deleted');
    like($set, qr/^\Q$session\E=[A-Za-z0-9_-]{43};/, '256 random bits');
    is_deeply(attributes_of($set), { path => '/', secure => 1, httponly => 1, samesite => 'Lax' }, 'its attributes: no Max-Age, no Expires, no Domain');
    is(attributes_of($deleted)->{'max-age'}, 0, 'the login cookie is deleted');
    is_deeply([ map { attributes_of($deleted)->{$_} } qw(path secure httponly samesite) ], [ '/', 1, 1, 'Lax' ], '... with its own attributes');
    is(scalar(@{ $answer->{refused_cookies} || [] }), 0, 'a browser accepts them all');

    $answer = $browser->get(rp('/page'));
    is(scalar(@{ $answer->{set_cookies} }), 0, 'a request with a session sets nothing');
    ok(!$answer->has('cache-control'), '... and leaves caching to the application');
};

subtest 'cookie_name, cookie_samesite' => sub {
    my $browser = browser();
    my $answer = $browser->get(way_back($browser, '/named/x'));
    my ($set) = grep {/^my_session=/} @{ $answer->{set_cookies} };
    is_deeply(attributes_of($set // ''), { path => '/', secure => 1, httponly => 1, samesite => 'None' }, 'as configured');
    my ($deleted) = grep {/LOGIN/} @{ $answer->{set_cookies} };
    like($deleted, qr/^__Host-/, 'the login cookie keeps its prefix');
    is($browser->get(rp('/named/x'))->status, 200, 'the session works');
    is($browser->get(rp('/page'))->status, 302, "and is not the other provider's");
};

subtest 'cookie_path' => sub {
    my $browser = browser();
    my $answer = $browser->get(way_back($browser, '/narrow/x'));
    my ($set) = grep {/^narrow=/} @{ $answer->{set_cookies} };
    is(attributes_of($set // '')->{path}, '/narrow/', 'Path');
    is($browser->get(rp('/narrow/x'))->status, 200, 'the session works there');
};

subtest 'a session is bound to its provider' => sub {
    my $browser = browser();
    $browser->navigate(rp('/page'));
    my $id = $browser->cookie(rp('/'), $session)->{value};
    is(browser()->get(rp('/named/x'), cookie => "my_session=$id")->status, 302, "under another provider's name it is none");
};

subtest 'plain http' => sub {
    my $answer = browser()->get("http://rp.localhost:$plain_port/page");
    is($answer->status, 302, 'redirected');
    my ($line) = @{ $answer->{set_cookies} };
    like($line, qr/^NGX_OIDC_LOGIN_/, 'no __Host- prefix');
    is_deeply([ sort keys %{ attributes_of($line) } ], [ sort qw(path httponly samesite max-age) ], 'no Secure');
    is($answer->args->{redirect_uri}, "http://rp.localhost:$plain_port/oidc_callback", 'redirect_uri has the scheme and the port');
    is(browser()->get("http://app.localhost:$nameless_port/page")->args->{redirect_uri}, "http://app.localhost:$nameless_port/oidc_callback",
        '"server_name _" is no name: on loopback the host is the one of the request');
    my $browser = browser();
    my $page = $browser->navigate("http://rp.localhost:$plain_port/page");
    is($page->status, 200, 'a login arrives');
    my $cookie = $browser->cookie("http://rp.localhost:$plain_port/", qr/SESSION/);
    is($cookie->{name}, 'NGX_OIDC_SESSION_op', 'the session cookie: no prefix');
    is_deeply(attributes_of($cookie->{line}), { path => '/', httponly => 1, samesite => 'Lax' }, '... no Secure');
    is(browser()->get(rp('/page'), cookie => "__Host-NGX_OIDC_SESSION_op=none; NGX_OIDC_SESSION_op=$cookie->{value}")->status, 302, 'it is none on https');
};

# ---- what reaches the application --------------------------------------------------------------------------------------------

my $in = browser();
$in->navigate(rp('/page'));
my $id = $in->cookie(rp('/'), $session)->{value};

for my $case (
    # what the browser sends ('ID' is the session), what the application gets
    [ 'ours alone',             "$session=ID",                                     undef ],
    [ 'first of three',         "$session=ID; theme=dark; lang=fr",                'theme=dark; lang=fr' ],
    [ 'in the middle',          "theme=dark; $session=ID; lang=fr",                'theme=dark; lang=fr' ],
    [ 'last',                   "theme=dark; lang=fr; $session=ID",                'theme=dark; lang=fr' ],
    [ 'with a login cookie',    "__Host-NGX_OIDC_LOGIN_abcdefgh=x; $session=ID; a=b", 'a=b' ],
    [ 'of two providers',       "my_session=zzz; $session=ID; a=b",                'a=b' ],
    [ 'no spaces',              "a=b;$session=ID;c=d",                             'a=b;c=d' ],
    [ 'a name that begins alike', "$session=ID; ${session}x=1; x$session=2",       "${session}x=1; x$session=2" ],
    [ 'odd neighbours',         "$session=ID; =; novalue; =x; a==b",               '=; novalue; =x; a==b' ],
    [ 'quoted',                 "q=\"a b\"; $session=ID",                          'q="a b"' ],
    [ 'empty pieces',           ";; $session=ID;;",                                undef ],
    )
{
    my ($what, $line, $expected) = @$case;
    $line =~ s/\bID\b/$id/;
    my $answer = browser()->get(rp('/page'), cookie => $line);
    is($answer->status, 200, "$what: the session is found");
    is($answer->seen('cookie'), $expected, '... the rest arrives as it was');
}

like($in->get(rp('/keep/x'))->seen('cookie'), qr/(?:^|; )\Q$session=$id\E(?:;|$)/, 'auth_oidc_strip_cookies off');
is(browser()->get(rp('/off/x'), cookie => "$session=$id; a=b")->seen('cookie') =~ s/\Q$id\E/ID/r, 'a=b', 'stripped where auth_oidc is off, too');
is(browser()->get(rp('/own/x'), cookie => "theme=dark; $session=$id")->header('x-named'), 'dark', 'nginx still reads the others');

subtest 'a map of $http_cookie in auth_oidc' => sub {
    is(browser()->get(rp('/map/x'))->status, 401, 'no session cookie');
    my $answer = browser()->get(rp('/map/x'), cookie => "a=b; $session=$id");
    is($answer->status, 200, 'the session cookie is seen');
    is($answer->seen('cookie'), 'a=b', '... and $http_cookie is stripped afterwards nevertheless');
};

subtest 'two Cookie lines' => sub {
    my $answer = browser()->get(rp('/page'), headers => [ Cookie => 'a=b; c=d', Cookie => "$session=$id; e=f", Cookie => 'g=h' ], cookie => '');
    is($answer->status, 200, 'the session is found in the second');
    is_deeply([ sort split /; |, /, $answer->seen('cookie') // '' ], [ 'a=b', 'c=d', 'e=f', 'g=h' ], 'the rest arrives');
};

subtest 'among many headers' => sub {    # nginx keeps them twenty to a part
    for my $count (0, 8, 14 .. 24, 36 .. 41) {
        my @others = map { ("X-Other-$_" => "v$_") } 1 .. $count;
        for my $headers ([ Cookie => "$session=$id", @others ], [ @others, Cookie => "$session=$id" ], [ Cookie => "$session=$id", @others, Cookie => "$session=other" ]) {
            my $answer = browser()->get(rp('/page'), headers => $headers, cookie => '');
            is($answer->seen('cookie'), undef, "$count others: no cookie arrives");
            is_deeply([ map { $answer->seen("x-other-$_") } 1 .. $count ], [ map {"v$_"} 1 .. $count ], '... each other header, once');
        }
    }
};

subtest 'over HTTP/2, in crumbs' => sub {
    my ($status, $text) = curl_h2(rp('/page'), '-H', "Cookie: a=b; $session=$id; c=d");
    is($status, 200, 'the session is found');
    like($text, qr/"cookie":\["a=b; c=d"\]/, 'stripped');
};

# A proxy sends the requests of many browsers over one connection: (status, the Cookie header that the application got) of each.
sub on_one_connection
{
    my ($version, @requests) = @_;
    my @curl = ('curl', '-sS');
    for (@requests) {
        my ($path, $cookie) = @$_;
        push @curl, '--next' if @curl > 2;
        push @curl, $version, '--max-time', 20, '--cacert', OIDC::Test::ca_file(), '--resolve', 'rp.localhost:' . OIDC::Test::rp_port() . ':127.0.0.1',
            (length $cookie ? ('-H', "Cookie: $cookie") : ()), '-w', "\n%{http_code} %{num_connects}\n", rp($path);
    }
    open(my $pipe, '-|', @curl) // die "curl: $!";
    my $answer = do { local $/; <$pipe> };
    close $pipe;
    my @answers;
    while ($answer =~ /\G(.*?)\n(\d+) (\d+)\n/gs) {
        my ($body, $status, $connects) = ($1, $2, $3);
        my ($seen) = $body =~ /"cookie":\["([^"]*)"\]/;
        my ($sub) = $body =~ /"x-sub":\["([^"]*)"\]/;
        is($connects, @answers ? 0 : 1, 'over the same connection');
        push @answers, [ $status, $seen // '', $sub // '' ];
    }
    return @answers;
}

subtest 'many browsers over one connection' => sub {
    my $other = browser();
    $op->control(auto => 'abroad');
    $other->navigate(rp('/page'));
    my $other_id = $other->cookie(rp('/'), $session)->{value};
    my ($one, $two) = map { $_->get(rp('/page'))->seen('x-sub') } $in, $other;
    isnt($one, $two, 'two persons');
    my $named = browser();
    $named->navigate(rp('/named/x'));
    my $named_id = $named->cookie(rp('/'), 'my_session')->{value};
    my $long = 'a=' . 'v' x 3000;
    my @requests = (    # path, cookies, status, cookies and person that the application sees
        [ '/page',    "$session=$id; a=1",                          200, 'a=1', $one ],
        [ '/page',    "$session=$id; a=1",                          200, 'a=1', $one ],
        [ '/page',    "$session=$other_id; a=1",                    200, 'a=1', $two ],
        [ '/page',    '',                                           302, '',    '' ],
        [ '/page',    "$session=$id; a=2",                          200, 'a=2', $one ],
        [ '/page',    'a=2',                                        302, '',    '' ],
        [ '/page',    "$session=$other_id; $long",                  200, $long, $two ],
        [ '/page',    "$session=$id; $long",                        200, $long, $one ],
        [ '/page',    "$session=$id; my_session=$named_id",         200, '',    $one ],
        [ '/named/x', "$session=$id; my_session=$named_id",         200, '',    '' ],
        [ '/page',    "$session=$id; my_session=$named_id",         200, '',    $one ],
        [ '/keep/x',  "$session=$id; my_session=$named_id",         200, "$session=$id; my_session=$named_id", '' ],
        [ '/page',    "$session=" . ('x' x 43),                     302, '',    '' ],
        [ '/page',    "$session=" . ('x' x 65),                     302, '',    '' ],
        [ '/page',    "$session=$other_id; my_session=$named_id",   200, '',    $two ],
    );
    for my $version ('--http1.1', '--http2') {
        my @answers = on_one_connection($version, @requests);
        is_deeply($answers[$_], [ @{ $requests[$_] }[ 2 .. 4 ] ], "$version, request $_") for 0 .. $#requests;
    }
};

subtest 'strange Cookie headers' => sub {
    my $big = join '; ', map {"c$_=" . 'v' x 30} 1 .. 200;
    my $before = () = $nginx->workers;
    my %pids = map { $_ => 1 } $nginx->workers;
    for my $line (';', '=; ;', '=', ';;;;', '; ; ;', $session, "$session=", "$session=;", "=$session", "$session=" . 'x' x 4000, "$session==", "$session=\"$id\"x",
        "$session=\x{ff}\x{fe}", '__Host-NGX_OIDC_LOGIN_', '__Host-NGX_OIDC_LOGIN_=;', '__Host-NGX_OIDC_LOGIN_abcdefgh', "NGX_OIDC_LOGIN_=x", ' ', "\t;\t=", 'a' x 8000,
        $big, join('; ', map {"__Host-NGX_OIDC_LOGIN_a$_=b"} 100 .. 400), join('; ', map {"$session=$_"} 1 .. 300), ',', '$Version=1; a=b', "\x80=\x80")
    {
        my $short = substr $line, 0, 24;
        $short =~ s/[^ -~]/?/g;
        my $answer = browser()->get(rp('/page'), cookie => $line);
        is($answer->status, 302, "'$short': no session");
        my $url = rp('/oidc_callback?code=abcdefgh&state=' . 'S' x 43);
        is(browser()->get($url, cookie => $line)->status, 400, '... and no login at the callback');
    }
    for my $count (10, 100, 1000, 3000, 7000) {    # bare separators: nothing is written beyond the header's own length
        my $line = join ';', ('a') x $count;
        is(browser()->get(rp('/off/x'), cookie => $line)->seen('cookie'), $line, "$count pieces without a space arrive as they are");
        is(browser()->get(rp('/off/x'), cookie => "$line;$session=$id")->seen('cookie'), $line, '... and without ours');
    }
    is_deeply({ map { $_ => 1 } $nginx->workers }, \%pids, 'the workers live');
    is(browser()->get(rp('/page'), cookie => "$big; $session=$id")->status, 200, 'behind 8 kB of cookies the session is found');
};

subtest 'the first of two session cookies counts' => sub {
    is(browser()->get(rp('/page'), cookie => "$session=$id; $session=other")->status, 200, 'the valid one first');
    my $answer = browser()->get(rp('/page'), cookie => "$session=$id; $session=other; a=b");
    is($answer->seen('cookie'), 'a=b', 'both are stripped');
};

subtest 'headers that claim an identity' => sub {
    my $answer = $in->get(rp('/page'), headers => [ 'X-Sub' => 'admin' ]);
    isnt($answer->seen('x-sub'), 'admin', "the browser's is replaced");
    unlike($answer->seen('x-sub'), qr/admin/, '... not joined');
    is(browser()->get(rp('/page'), headers => [ Authorization => 'Bearer abc' ])->status, 302, 'a bearer token is no session');
    is(browser()->get(rp('/page'), headers => [ 'X-Forwarded-Uri' => '/off/', 'X-Original-URL' => '/off/', 'User-Agent' => 'kube-probe/1.0' ])->status, 302, 'forwarded headers open nothing');
    my $r = browser()->get(rp('/page'), headers => [ 'X-Forwarded-Host' => 'evil.localhost', 'X-Forwarded-Proto' => 'http', Forwarded => 'host=evil.localhost' ]);
    is($r->args->{redirect_uri}, rp('/oidc_callback'), '... and do not change the redirect URI');
};

log_ok();
done_testing();
