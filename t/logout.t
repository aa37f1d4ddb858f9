# Logout: the session first, then exactly the parameters the provider accepts, then a return that is verified.
use lib 't/lib', 'lib';
use OIDC::Test;

my %op = map { $_ => start_provider($_) } qw(franceconnect franceconnect_plus proconnect generic);
my $app = app();
write_file('html/home.txt', 'home');
my $nginx = nginx(<<'NGINX', fc => $op{franceconnect}, fcp => $op{franceconnect_plus}, pc => $op{proconnect}, op => $op{generic}, app => $app);
%%globals%%
worker_processes 2;
events { worker_connections 256; }
http {
    %%http%%

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
        tamper_action           reject;
    }
    oidc_provider fcp {
        profile                 franceconnect_plus;
        issuer                  %%fcp%%/api/v2;
        client_id               fcp-ecdh-es;
        client_secret           %%secret:fcp-ecdh-es%%;
        client_key              %%key_ec%% use=enc alg=ECDH-ES;
        client_jwks_uri         /oidc_jwks;
        redirect_uri            /franceconnect_plus/callback;
        ssl_trusted_certificate %%ca%%;
        logout_uri              /franceconnect_plus/logout;
        post_logout_uri         /franceconnect_plus/logged_out;
    }
    oidc_provider pc {
        profile                 proconnect;
        issuer                  %%pc%%/api/v2;
        client_id               pc-es256;
        client_secret           %%secret:pc-es256%%;
        redirect_uri            /proconnect/callback;
        ssl_trusted_certificate %%ca%%;
        logout_uri              /proconnect/logout;
        post_logout_uri         /proconnect/logged_out;
        logged_out_uri          /bye;
    }
    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        redirect_uri            /generic/callback;
        ssl_trusted_certificate %%ca%%;
        logout_uri              /generic/logout;
        post_logout_uri         /generic/logged_out;
        logout_token_hint       on;
    }
    oidc_provider bare {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        logout_uri              /bare/logout;
    }
    oidc_provider twin {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        logout_uri              /bare/logout;
        logout_token_hint       on;
    }

    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        proxy_set_header X-Sub $oidc_claim_sub;
        location /fc/   { auth_oidc fc;   proxy_pass http://127.0.0.1:%%app%%; }
        location /fcp/  { auth_oidc fcp;  proxy_pass http://127.0.0.1:%%app%%; }
        location /pc/   { auth_oidc pc;   proxy_pass http://127.0.0.1:%%app%%; }
        location /op/   { auth_oidc op;   proxy_pass http://127.0.0.1:%%app%%; }
        location /bare/ { auth_oidc bare; proxy_pass http://127.0.0.1:%%app%%; }
        location /twin/ { auth_oidc twin; proxy_pass http://127.0.0.1:%%app%%; }
        location = /bye { return 200 goodbye; }
        location /      { root %%dir%%/html; try_files /home.txt =404; }
    }
}
NGINX

my %row = (fc => 'franceconnect', fcp => 'franceconnect_plus', pc => 'proconnect', op => 'generic', bare => 'generic', twin => 'generic');
my %path = (fc => '/franceconnect', fcp => '/franceconnect_plus', pc => '/proconnect', op => '/generic', bare => '/bare');
$_->reset for values %op;

sub in { my ($name) = @_; my $b = browser(); is($b->navigate(rp("/$name/x"))->status, 200, "$name: logged in"); return $b }

for my $name (qw(fc fcp pc op)) {
    subtest "$name: the whole way" => sub {
        my $browser = in($name);
        my $provider = $op{ $row{$name} };
        my $id = $browser->cookie(rp('/'), qr/SESSION_$name$/)->{value};
        my $stolen = $browser->clone;

        my $answer = $browser->get(rp("$path{$name}/logout"));
        is($answer->status, 302, 'redirected');
        like($answer->{location}, qr{^\Q$provider->{origin}\E/api/v2/session/end\?}, 'to end_session');
        is($answer->header('cache-control'), 'no-store', 'never cached');
        ok(!$browser->cookie(rp('/'), qr/SESSION/), 'the session cookie is deleted');
        is($stolen->get(rp("/$name/x"))->status, 302, 'the session is gone before the provider is asked');

        my $args = $answer->args;
        my @expected = $name eq 'op' ? qw(id_token_hint post_logout_redirect_uri) : qw(id_token_hint post_logout_redirect_uri state);
        is_deeply([ sort keys %$args ], \@expected, 'exactly the accepted parameters');
        is(scalar(() = $args->{id_token_hint} =~ /\./g), 2, 'the hint is a signed token, not an encrypted one');
        is($args->{post_logout_redirect_uri}, rp("$path{$name}/logged_out"), 'post_logout_redirect_uri');
        like($args->{state}, qr/^[A-Za-z0-9]{43}$/, 'state') if $name ne 'op';

        my $end = $browser->navigate($answer->{location}, forms => 1);
        my ($return) = grep { $_->[1] =~ m{^\Q@{[ rp("$path{$name}/logged_out") ]}\E} } @{ $browser->{hops} };
        ok($return, 'the provider sends the browser back') or diag explain $browser->{hops};
        is($end->{body}, $name =~ /^(?:fc|pc)$/ ? 'goodbye' : $name eq 'op' ? 'home' : $end->{body}, 'it ends at the page after logout');
        is($end->status, 200, '... with 200');
        unlike($end->{body}, qr/"headers"/, '... that is no protected one');
        is_deeply([ map { $_->{name} } $browser->cookies_for(rp('/')) ], [], 'no cookie of ours is left');
        is($browser->get(rp("/$name/x"))->status, 302, 'the next visit begins a login');
    };
}

subtest 'the state of the return' => sub {
    my $browser = in('fc');
    my $start = $browser->get(rp('/franceconnect/logout'));
    my $state = $start->args->{state};
    my $fresh = $browser->clone;
    my $back = rp('/franceconnect/logged_out');

    $nginx->mark;
    is(browser()->get("$back?state=$state")->status, 400, 'another browser: refused');
    ok($nginx->wait_reason('logout_state'), 'logout_state');
    is($browser->get($back)->status, 400, 'no state: refused');
    is($browser->get("$back?state=")->status, 400, 'an empty one');
    is($browser->get("$back?state=" . 'A' x 43)->status, 400, 'a wrong one');
    is($browser->get("$back?state=$state&state=$state")->status, 400, 'two of them');
    is($browser->get("$back?state=" . substr($state, 0, 42))->status, 400, 'a shorter one');
    is(browser()->get($back, headers => [ 'Sec-Fetch-Mode' => 'cors' ])->status, 400, 'by a script');
    my $done = $browser->get("$back?state=$state");
    is($done->status, 302, 'the right one');
    is($done->{location}, rp('/bye'), '... leads to logged_out_uri');
    my $again = $fresh->get("$back?state=$state");
    isnt($again->{location} // '', rp('/bye'), 'once') if $again->status == 302;
    is($again->status, 400, 'a second time: refused');
};

subtest 'a login state is no logout state, and the reverse' => sub {
    my $browser = browser();
    my $login = $browser->get(rp('/fc/x'));
    is($browser->get(rp('/franceconnect/logged_out?state=' . $login->args->{state}))->status, 400, 'login state at the return of logout');
    my $out = in('fc');
    my $state = $out->get(rp('/franceconnect/logout'))->args->{state};
    $nginx->mark;
    my $answer = $out->get(rp("/franceconnect/callback?code=abcdefgh&state=$state&iss=" . OIDC::Browser::escape($op{franceconnect}->issuer)));
    is($answer->status, 400, 'logout state at the callback');
    ok($nginx->wait_reason('state_unknown'), 'state_unknown');
    my $other = in('pc');
    my $pc_state = $other->get(rp('/proconnect/logout'))->args->{state};
    is($other->get(rp("/franceconnect/logged_out?state=$pc_state"))->status, 400, "another provider's state");
};

subtest 'without a session' => sub {
    my $answer = browser()->get(rp('/franceconnect/logout'));
    is($answer->status, 302, 'FranceConnect wants a hint: without one');
    is($answer->{location}, rp('/bye'), '... straight to the page after logout');
    $answer = browser()->get(rp('/generic/logout'));
    ok($answer->status == 302 || $answer->status == 200, 'generic');
    is($answer->args->{id_token_hint}, undef, '... without a hint');
    $answer = browser()->get(rp('/franceconnect/logout'), cookie => '__Host-NGX_OIDC_SESSION_fc=' . 'x' x 43);
    is($answer->{location}, rp('/bye'), 'an unknown session: the same');
};

subtest 'an expired or foreign cookie ends nobody else' => sub {
    my ($one, $two) = (in('op'), in('op'));
    $one->get(rp('/generic/logout'));
    is($two->get(rp('/op/x'))->status, 200, 'the other session lives');
    my $pc = in('pc');
    $pc->get(rp('/franceconnect/logout'));
    is($pc->get(rp('/pc/x'))->status, 200, "another provider's logout leaves it");
};

subtest 'no post_logout_uri: a page of our own' => sub {
    my $browser = in('bare');
    my $answer = $browser->get(rp('/bare/logout'));
    is($answer->args->{post_logout_redirect_uri}, undef, 'nothing to come back to');
    ok(!$browser->cookie(rp('/'), qr/SESSION_bare/), 'the cookie is deleted');
};

subtest 'a logout_uri of two providers' => sub {
    my $browser = in('twin');
    my $stolen = $browser->clone;
    my $answer = $browser->get(rp('/bare/logout'));
    ok($answer->args->{id_token_hint}, 'the second: its own logout');
    is($stolen->get(rp('/twin/x'))->status, 302, '... its session is gone');
    $browser = in('twin');
    is($browser->navigate(rp('/bare/x'))->status, 200, 'both');
    $stolen = $browser->clone;
    $answer = $browser->get(rp('/bare/logout'));
    is($answer->args->{id_token_hint}, undef, '... the logout of the first');
    is($stolen->get(rp("/$_/x"))->status, 302, "... no session of $_") for 'bare', 'twin';
    ok(!$browser->cookie(rp('/'), qr/SESSION/), '... no session cookie');
};

subtest 'the provider is down' => sub {
    my $browser = in('fc');
    my $stolen = $browser->clone;
    $op{franceconnect}->stop('KILL');
    my $answer = $browser->get(rp('/franceconnect/logout'));
    is($answer->status, 302, 'logout works');
    is($stolen->get(rp('/fc/x'))->status, 302, 'the session is gone');
};

subtest 'a login link after logout' => sub {
    my $browser = in('op');
    $browser->get(rp('/generic/logout'));
    my $page = $browser->navigate(rp('/op/again'));
    is($page->status, 200, 'logs in again');
};

subtest 'the same cookie over the same connection' => sub {    # as of a thief who shares a proxy with the person
    my $cookie = in('bare')->cookie_header(rp('/'));
    my @same = ('--http1.1', '--max-time', 20, '--cacert', OIDC::Test::ca_file(), '--resolve', 'rp.localhost:' . OIDC::Test::rp_port() . ':127.0.0.1', '-H', "Cookie: $cookie",
        '-H', 'Sec-Fetch-Mode: navigate', '-H', 'Sec-Fetch-Site: same-origin', '-o', '/dev/null', '-w', '%{http_code} %{num_connects}\n');
    my @curl = ('curl', '-sS', @same, rp('/bare/x'), '--next', @same, rp('/bare/logout'), '--next', @same, rp('/bare/x'));
    open(my $pipe, '-|', @curl) // die "curl: $!";
    chomp(my @answers = <$pipe>);
    close $pipe;
    is_deeply(\@answers, [ '200 1', '302 0', '302 0' ], 'served, logged out, and no session any more');
};

log_ok();
done_testing();
