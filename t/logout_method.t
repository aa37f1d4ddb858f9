# Who may log a person out: the site itself at once, another site after the person's word, a script never. logout_method says which.
use lib 't/lib', 'lib';
use OIDC::Test;

my $op = start_provider('generic');
my $fc = start_provider('franceconnect');
my $app = app();
my $block = join '', map { my ($name, $more) = @$_; <<"EOF_BLOCK" } [ 'same', '' ], [ 'post', 'logout_method post;' ], [ 'any', 'logout_method any;' ];
    oidc_provider $name {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        logout_uri              /$name/logout;
        post_logout_uri         /generic/logged_out;
        logout_token_hint       on;
        $more
    }
EOF_BLOCK

# Two on one path, in each order.
my @pairs = map { ($_, [ reverse @$_ ]) } [qw(any samesite)], [qw(any post)], [qw(samesite post)];
my ($shared, $pages) = ('', '');
for my $pair (@pairs) {
    my $path = join '_', @$pair;
    for my $method (@$pair) {
        my $name = "${path}_of_$method";
        $shared .= "    oidc_provider $name { issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%;"
            . " ssl_trusted_certificate %%ca%%; session_store pairs; logout_uri /$path/logout; post_logout_uri /generic/logged_out;"
            . " logout_token_hint on; logout_method $method; }\n";
        $pages .= "        location /$name/ { auth_oidc $name; proxy_pass http://127.0.0.1:$app; }\n";
    }
}
my $nginx = nginx(subst(<<'NGINX', op => $op, fc => $fc, app => $app, block => subst($block . $shared, op => $op), pages => $pages));
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    log_format events "$uri $status $oidc_event";
    oidc_session_zone zone=pairs:1m;
%%block%%
    oidc_provider fc {
        profile                 franceconnect;
        issuer                  %%fc%%/api/v2;
        client_id               fc-es256;
        client_secret           %%secret:fc-es256%%;
        redirect_uri            /franceconnect/callback;
        ssl_trusted_certificate %%ca%%;
        logout_uri              /franceconnect/logout;
        post_logout_uri         /franceconnect/logged_out;
        logged_out_uri          /bye;
    }

    server {
        listen      %%listen%%;
        server_name rp.localhost;
        access_log  %%dir%%/events.log events;
        %%tls%%
        location /same/ { auth_oidc same; proxy_pass http://127.0.0.1:%%app%%; }
        location /post/ { auth_oidc post; proxy_pass http://127.0.0.1:%%app%%; }
        location /any/  { auth_oidc any;  proxy_pass http://127.0.0.1:%%app%%; }
        location /fc/   { auth_oidc fc;   proxy_pass http://127.0.0.1:%%app%%; }
        location /fc/gone { auth_oidc fc; error_page 410 = /franceconnect/logout; proxy_intercept_errors on; proxy_pass http://127.0.0.1:%%app%%; }
        location /post/gone { auth_oidc post; error_page 410 = /post/logout; return 410; }
%%pages%%
        location = /out { rewrite ^ /same/logout last; }
        location = /bye { return 200 "bye"; }
    }
}
NGINX

$_->reset for $op, $fc;
sub in { my ($name) = @_; my $b = browser(); is($b->navigate(rp("/$name/x"))->status, 200, "$name: logged in"); return $b }
sub alive { my ($browser, $name) = @_; return $browser->get(rp("/$name/x"))->status == 200 }

# The request leaves at once: no session is left when the browser goes to the provider.
sub leaves
{
    my ($answer, $stolen, $name, $what) = @_;
    my $origin = $name eq 'fc' ? $fc->{origin} : $op->{origin};
    is($answer->status, 302, "$what: logged out at once");
    like($answer->{location} // '', qr{^\Q$origin\E/api/v2/session/end\?.*id_token_hint=}, '... and to the provider');
    return ok(!alive($stolen, $name), '... the session is gone before');
}

# A page with a form, the session as it was; the form logs out.
sub asks
{
    my ($answer, $browser, $name, $what, $path) = @_;
    is($answer->status, 200, "$what: a page asks");
    like($answer->header('content-type'), qr{^text/html}, '... HTML');
    is($answer->header('cache-control'), 'no-store', '... never cached');
    is(scalar @{ $answer->{set_cookies} }, 0, '... no cookie is touched');
    my ($form) = $answer->{body} =~ m{<form method="post" action="([^"]*)">};
    is($form, $path // "/$name/logout", '... its form posts to logout_uri');
    return ok(alive($browser, $name), '... the session lives');
}

my $evil = 'https://evil.localhost';
my @cases = (
    # provider, method, headers, what becomes of it
    [ same => GET  => [ 'Sec-Fetch-Site' => 'none' ], 'leaves' ],
    [ same => GET  => [ 'Sec-Fetch-Site' => 'same-origin' ], 'leaves' ],
    [ same => GET  => [ 'Sec-Fetch-Site' => 'same-site' ], 'leaves' ],
    [ same => GET  => [ 'Sec-Fetch-Site' => 'cross-site' ], 'asks' ],
    [ same => GET  => [ 'Sec-Fetch-Site' => 'cross-site', Origin => rp(), Referer => rp('/x') ], 'asks' ],
    [ same => POST => [ 'Sec-Fetch-Site' => 'same-origin' ], 'leaves' ],
    [ same => POST => [ 'Sec-Fetch-Site' => 'cross-site', Origin => $evil ], 'asks' ],
    [ same => GET  => [ 'Sec-Fetch-Site' => undef ], 'asks' ],
    [ same => GET  => [ 'Sec-Fetch-Site' => undef, Referer => rp('/x?y') ], 'leaves' ],
    [ same => GET  => [ 'Sec-Fetch-Site' => undef, Referer => "$evil/x" ], 'asks' ],
    [ same => GET  => [ 'Sec-Fetch-Site' => undef, Referer => rp('.evil.localhost/') ], 'asks' ],
    [ same => POST => [ 'Sec-Fetch-Site' => undef, Origin => rp() ], 'leaves' ],
    [ same => POST => [ 'Sec-Fetch-Site' => undef, Origin => $evil ], 'asks' ],
    [ same => POST => [ 'Sec-Fetch-Site' => undef, Origin => 'null', Referer => rp('/x') ], 'asks' ],
    [ same => POST => [ 'Sec-Fetch-Site' => undef, Origin => $evil, Referer => rp('/x') ], 'asks' ],
    [ post => GET  => [ 'Sec-Fetch-Site' => 'none' ], 'asks' ],
    [ post => GET  => [ 'Sec-Fetch-Site' => 'same-origin' ], 'asks' ],
    [ post => POST => [ 'Sec-Fetch-Site' => 'same-origin' ], 'leaves' ],
    [ post => POST => [ 'Sec-Fetch-Site' => 'cross-site', Origin => $evil ], 'asks' ],
    [ any  => GET  => [ 'Sec-Fetch-Site' => 'cross-site' ], 'leaves' ],
    [ any  => POST => [ 'Sec-Fetch-Site' => 'cross-site', Origin => $evil ], 'leaves' ],
    [ any  => GET  => [ 'Sec-Fetch-Site' => undef ], 'leaves' ],
);
subtest 'who asks' => sub {
    for my $case (@cases) {
        my ($name, $method, $headers, $expected) = @$case;
        my $browser = in($name);
        my $stolen = $browser->clone;
        my $what = "$name: $method, " . join ' ', map { $_ // 'absent' } @$headers;
        my $answer = $browser->request($method => rp("/$name/logout"), headers => $headers, $method eq 'POST' ? (body => '') : ());
        $expected eq 'leaves' ? leaves($answer, $stolen, $name, $what) : asks($answer, $browser, $name, $what);
    }
};

subtest 'the form of the page' => sub {
    for my $name (qw(same post)) {
        my $browser = in($name);
        my $stolen = $browser->clone;
        asks($browser->get(rp("/$name/logout"), headers => [ 'Sec-Fetch-Site' => 'cross-site' ]), $browser, $name, "$name: another site");
        my $answer = $browser->post(rp("/$name/logout"), [], headers => [ 'Sec-Fetch-Site' => 'same-origin', Origin => rp() ]);
        leaves($answer, $stolen, $name, "$name: the form");
        my $end = $browser->navigate($answer->{location}, forms => 1);
        is($end->{url}, rp('/generic/logged_out'), '... and back');
        ok(!$browser->cookie(rp('/'), qr/SESSION/), '... no session cookie');
    }
};

subtest 'two providers on one path: the stricter method holds' => sub {
    my %rank = (any => 0, samesite => 1, post => 2);
    my @requests = ([ 'another site', GET => [ 'Sec-Fetch-Site' => 'cross-site' ], 1 ], [ 'a link of the site', GET => [ 'Sec-Fetch-Site' => 'same-origin' ], 2 ]);
    for my $pair (@pairs) {
        my $path = join '_', @$pair;
        my ($strict) = sort { $b <=> $a } map { $rank{$_} } @$pair;
        for my $method (@$pair) {
            my $name = "${path}_of_$method";
            for my $request (@requests) {
                my ($who, $verb, $headers, $least) = @$request;
                my $browser = in($name);
                my $stolen = $browser->clone;
                my $answer = $browser->request($verb => rp("/$path/logout"), headers => $headers);
                if ($strict >= $least) { asks($answer, $browser, $name, "$name: $who", "/$path/logout") }
                else { leaves($answer, $stolen, $name, "$name: $who") }
            }
            my $browser = in($name);
            my $stolen = $browser->clone;
            leaves($browser->post(rp("/$path/logout"), [], headers => [ 'Sec-Fetch-Site' => 'same-origin' ]), $stolen, $name, "$name: a form of the site");
        }
    }
};

subtest 'a script, or what is fetched ahead, logs nobody out' => sub {
    for my $name (qw(same post any)) {
        my $browser = in($name);
        for my $headers ([ 'Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Site' => 'same-origin', 'Sec-Fetch-Dest' => 'empty' ],
            [ 'Sec-Fetch-Mode' => 'same-origin', 'Sec-Fetch-Site' => 'same-origin' ],
            [ 'Sec-Fetch-Mode' => 'no-cors', 'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Dest' => 'image' ],
            [ 'X-Requested-With' => 'XMLHttpRequest' ], [ 'Sec-Purpose' => 'prefetch;prerender' ])
        {
            for my $method (qw(GET POST)) {
                my $what = "$name: $method, @$headers";
                $nginx->mark;
                my $answer = $browser->request($method => rp("/$name/logout"), headers => $headers, $method eq 'POST' ? (body => 'a=1') : ());
                is($answer->status, 403, "$what: refused");
                like($answer->header('content-type'), qr{^text/plain}, '... in plain text');
                like($answer->{body}, qr{ \Q@{[ rp("/$name/logout") ]}\E$}m, '... which names the URL to navigate to');
                is($answer->header('cache-control'), 'no-store', '... never cached');
                is(scalar @{ $answer->{set_cookies} }, 0, '... no cookie is touched');
                is(join(' ', $nginx->reasons), 'logout_refused', '... logout_refused');
            }
        }
        ok(alive($browser, $name), "$name: the session lives");
    }
    ok(until_true(3, sub { read_file(dir() . '/events.log') =~ m{^/same/logout 403 logout_refused$}m }), 'the event');
};

subtest 'a rewrite is no wish of the site' => sub {
    my $browser = in('same');
    my $stolen = $browser->clone;
    asks($browser->get(rp('/out'), headers => [ 'Sec-Fetch-Site' => 'cross-site' ]), $browser, 'same', 'another site');
    is($browser->get(rp('/out'), headers => [ 'Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Site' => 'same-origin' ])->status, 403, 'a script: refused');
    leaves($browser->get(rp('/out')), $stolen, 'same', 'the person');
};

subtest 'other methods' => sub {
    my $browser = in('any');
    is($browser->request($_ => rp('/any/logout'))->status, 405, $_) for qw(PUT DELETE OPTIONS PATCH);
    ok(alive($browser, 'any'), 'the session lives');
};

# The account is deleted, the application says where to go: whatever the browser sent, this is the site's own wish.
subtest 'the application logs out, by an internal redirect' => sub {
    for my $case ([ GET => [] ], [ POST => [ 'Sec-Fetch-Site' => 'same-origin' ] ], [ POST => [ 'Sec-Fetch-Site' => 'cross-site' ] ],
        [ DELETE => [ 'Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Site' => 'same-origin' ] ])
    {
        my ($method, $headers) = @$case;
        for my $name (qw(fc same post)) {
            my $logout = $name eq 'fc' ? '/franceconnect/logout' : "/$name/logout";
            my $browser = in($name);
            my $stolen = $browser->clone;
            my $answer = $browser->request($method => rp("/$name/delete?accel=$logout"), headers => $headers, $method eq 'GET' ? () : (body => 'confirm=1'));
            leaves($answer, $stolen, $name, "$name: $method, X-Accel-Redirect");
            ok(!$browser->cookie(rp('/'), qr/SESSION/), '... the cookie is deleted');
        }
    }
    for my $case ([ fc => '/fc/gone?status=410' ], [ post => '/post/gone' ]) {
        my ($name, $path) = @$case;
        my $browser = in($name);
        my $stolen = $browser->clone;
        leaves($browser->get(rp($path)), $stolen, $name, "$name: error_page");
    }
    my $browser = in('fc');
    my $answer = $browser->navigate(rp('/fc/delete?accel=/franceconnect/logout'), method => 'POST', form => [ [ confirm => 1 ] ], forms => 1);
    is($answer->{url}, rp('/bye'), 'the whole way: through the provider and back');
};

subtest 'the session of the provider is gone already' => sub {
    for my $provider ([ same => $op, '/same/logout' ], [ fc => $fc, '/franceconnect/logout' ]) {
        my ($name, $there, $path) = @$provider;
        my $browser = in($name);
        my $stolen = $browser->clone;
        $there->revoke;
        my $answer = $browser->get(rp($path));
        leaves($answer, $stolen, $name, $name);
        $browser->navigate($answer->{location}, forms => 1);
        ok(!$browser->cookie(rp('/'), qr/SESSION/), '... no session cookie, whatever the provider says');
        is($browser->get(rp("/$name/x"))->status, 302, '... the next visit begins a login');
    }
};

log_ok();
done_testing();
