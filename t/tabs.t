# One browser, several logins: tabs in any order, reloads, double clicks, limits; and another browser's login is not ours.
use lib 't/lib', 'lib';
use OIDC::Test;

my $op = start_provider('generic');
my $app = app();
my $nginx = nginx(<<'NGINX', op => $op, app => $app);
%%globals%%
worker_processes 2;
events { worker_connections 256; }
http {
    %%http%%

    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        state_limit             3;
    }
    oidc_provider hasty {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        redirect_uri            /oidc_callback_generic;
        ssl_trusted_certificate %%ca%%;
        state_timeout           1s;
    }

    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        location / {
            auth_oidc        op;
            proxy_pass       http://127.0.0.1:%%app%%;
            proxy_set_header X-Sub $oidc_claim_sub;
            proxy_set_header X-Session $oidc_session_hash;
        }
        location /hasty/ {
            auth_oidc  hasty;
            proxy_pass http://127.0.0.1:%%app%%;
        }
        location = /ping { return 200 pong; }
    }
}
NGINX

my $callback = qr{/oidc_callback};
my $session = '__Host-NGX_OIDC_SESSION_op';

# Up to the callback that the provider sends the browser to.
sub way_back { my ($browser, $path, @headers) = @_; return $browser->navigate(rp($path), until => $callback)->{next} }

sub token_requests { return $op->count('token') }

$op->reset;

for my $order ([ 0, 1 ], [ 1, 0 ]) {
    my $browser = browser();
    my @start = map { $browser->get(rp($_)) } '/one?x=1', '/two?y=2';
    is(scalar($browser->cookies_for(rp('/'))), 2, 'two tabs: one login cookie each');
    my @paths = ('/one?x=1', '/two?y=2');
    for my $tab (@$order) {
        my $page = $browser->navigate($start[$tab]{location});
        is($page->status, 200, "two tabs in the order @$order: tab $tab arrives");
        is($page->json->{uri}, $paths[$tab], '... at its own page');
    }
    ok(!$browser->cookie(rp('/'), qr/LOGIN/), 'no login cookie is left');
    ok($browser->cookie(rp('/'), $session), 'but a session');
}

subtest 'tabs in which both providers are at the callback before either is answered' => sub {
    my $browser = browser();
    my @urls = map { way_back($browser, $_) } '/one', '/two';
    my @pending = map { $browser->begin(GET => $_) } @urls;
    my @answers = map { $_->response } @pending;
    is(join(' ', map { $_->status } @answers), '302 302', 'both logins succeed');
    is(join(' ', map { $_->{location} } @answers), join(' ', rp('/one'), rp('/two')), 'each goes to its page');
    is($browser->get(rp('/after'))->status, 200, 'and the last cookie is a session');
};

subtest 'the callback is reloaded' => sub {
    my $browser = browser();
    my $url = way_back($browser, '/page?q=%C3%A9&r=1');
    is($browser->get($url)->{location}, rp('/page?q=%C3%A9&r=1'), 'first: the original path and query');
    my $before = token_requests();
    my $again = $browser->get($url);
    is($again->status, 302, 'again: no error');
    is($again->{location}, rp('/page?q=%C3%A9&r=1'), 'the same page');
    is(token_requests(), $before, 'the code is not sent a second time');
    is($browser->navigate($again->{location})->status, 200, 'the session is untouched');
};

subtest 'the callback is reloaded with a login cookie that came back' => sub {
    my $browser = browser();
    my $url = way_back($browser, '/page');
    my $early = $browser->clone;          # what the browser holds before the answer arrives
    is($browser->get($url)->status, 302, 'the first is answered');
    my $before = token_requests();
    $nginx->mark;
    my $second = $early->get($url);
    is($second->status, 302, 'the second: the login begins again by itself');
    is(join(' ', $nginx->reasons), 'state_replayed', '... and the log says why');
    like($second->{location}, qr{^\Q$op->{origin}\E/}, 'at the provider');
    is(token_requests(), $before, 'the code is not sent a second time');
    is($early->navigate($second->{location})->status, 200, 'and arrives');
};

subtest 'double click: two callbacks at once' => sub {
    $op->reset(delay => { token => 300 });
    my $browser = browser();
    my $url = way_back($browser, '/page');
    my $before = token_requests();
    my @pending = map { $browser->begin(GET => $url) } 1 .. 2;
    my @answers = map { $_->response } @pending;
    is(join(' ', map { $_->status } @answers), '302 302', 'no error page');
    is(token_requests() - $before, 1, 'the code is sent once');
    for my $answer (@answers) {
        is($browser->navigate($answer->{location})->status, 200, 'each leads to the page');
    }
    $op->reset;
};

subtest 'no login cookie' => sub {
    my $browser = browser();
    my $url = way_back($browser, '/page');
    my $before = token_requests();
    $nginx->mark;
    my $answer = browser()->get($url);
    is($answer->status, 400, 'refused');
    is(scalar(@{ $answer->{set_cookies} }), 0, 'no cookie');
    ok($nginx->wait_reason('state_unknown'), 'state_unknown');
    is(token_requests(), $before, 'no token request');
    unlike($answer->{body}, qr/token|nonce|cookie=/, 'the page tells nothing');
    is($browser->get($url)->status, 302, 'the browser that began is not disturbed');
};

subtest 'login CSRF: the callback of another person' => sub {
    my ($attacker, $victim) = (browser(), browser());
    my $url = way_back($attacker, '/page');
    $victim->get(rp('/mine'));                     # the victim has a login of its own under way
    $nginx->mark;
    my $before = token_requests();
    is($victim->get($url)->status, 400, 'refused');
    ok($nginx->wait_reason('state_unknown'), 'state_unknown');
    is(token_requests(), $before, 'no token request');
    ok(!$victim->cookie(rp('/'), $session), 'no session');

    my ($foreign) = $attacker->cookie(rp('/'), qr/LOGIN/);
    my ($own) = $victim->cookie(rp('/'), qr/LOGIN/);
    my ($state) = $url =~ /[?&]state=([^&]+)/;
    my $answer = browser()->get($url, cookie => "$foreign->{name}=$own->{value}");
    is($answer->status, 400, "the victim's cookie under the other login's name");
    $answer = browser()->get($url, cookie => "$own->{name}=$foreign->{value}");
    is($answer->status, 400, 'the cookie under another name');
    my ($broken) = $foreign->{value} =~ /^(.*)$/;
    substr($broken, length($broken) / 2, 1) =~ tr/A-Za-z0-9_-/B-ZAb-za1-90\-_/;
    is(browser()->get($url, cookie => "$foreign->{name}=$broken")->status, 400, 'one letter of the cookie changed');
    (my $other = $url) =~ s/state=[^&]{4}/state=AAAA/;
    is($attacker->get($other)->status, 400, 'another state');
    (my $cut = $url) =~ s/(state=[^&]+)[^&]/$1/;
    is($attacker->get($cut)->status, 400, 'a letter less');
    is(token_requests(), $before, 'still no token request');
    is($attacker->get($url)->status, 302, 'the genuine one works');
};

subtest 'a login cookie serves once, also with another code' => sub {
    my $browser = browser();
    my $url = way_back($browser, '/page');
    my $kept = $browser->clone;
    $browser->get($url);
    my $before = token_requests();
    (my $forged = $url) =~ s/code=[^&]+/code=forgedcodeforgedcodeforged/;
    my $answer = $kept->get($forged);
    is($answer->status, 302, 'begins again');
    like($answer->{location}, qr{^\Q$op->{origin}\E/}, 'at the provider');
    is(token_requests(), $before, 'and the other code goes nowhere');
};

subtest 'state_limit' => sub {
    my $browser = browser();
    my @urls;
    for my $n (1 .. 5) {
        my $start = $browser->get(rp("/page$n"));
        push @urls, browser()->navigate($start->{location}, until => $callback)->{next};
        cmp_ok(scalar($browser->cookies_for(rp('/'))), '<=', 3, "login $n: at most three cookies");
    }
    is($browser->get($urls[0])->status, 400, 'the oldest is forgotten');
    is($browser->get($urls[1])->status, 400, 'and the second');
    is($browser->get($urls[$_])->{location}, rp('/page' . ($_ + 1)), 'a newer one is not') for 3, 4, 2;
};

subtest 'login cookies stay within 4 kB together' => sub {
    my $browser = browser();
    my $long = 'x' x 1200;
    for my $n (1 .. 6) {
        $browser->get(rp("/$n?$long"));
        cmp_ok(length $browser->cookie_header(rp('/')), '<=', 4096 + 512, "login $n");
    }
    my $url = way_back($browser, '/short');
    is($browser->get($url)->{location}, rp('/short'), 'and the newest works');
};

subtest 'state_timeout' => sub {
    my $browser = browser();
    my $url = way_back($browser, '/hasty/page');
    select undef, undef, undef, 2.05;
    my $before = token_requests();
    $nginx->mark;
    my $answer = $browser->get($url);
    is($answer->status, 302, 'the login begins again by itself');
    is(join(' ', $nginx->reasons), 'state_expired', '... and the log says why');
    like($answer->{location}, qr{^\Q$op->{origin}\E/}, '... at the provider');
    is(token_requests(), $before, 'without a token request');
    is($browser->navigate($answer->{location})->status, 200, 'and arrives');
};

subtest 'an address too long to be kept' => sub {
    for my $length (1500, 2500, 3500, 6000) {
        my $browser = browser();
        my $path = '/page?' . 'x' x $length;
        my $start = $browser->get(rp($path));
        is_deeply($start->{refused_cookies} || [], [], "$length bytes: the browser takes the login cookie");
        my $page = $browser->navigate($start->{location});
        is($page->status, 200, '... and the login arrives');
        is($page->json->{uri}, $path, '... there') if $length <= 1500;
    }
};

subtest 'a login that begins again and again ends at a page' => sub {
    my $browser = browser();
    my $url = way_back($browser, '/page');
    $nginx->mark;
    my ($status, $rounds) = (302, 0);
    while ($status == 302 && ++$rounds < 8) {
        # the session cookie never comes back, and neither does the news that the login cookie was used up
        my $kept = $browser->clone;
        $browser->get($url);
        my $answer = $kept->get($url);
        $status = $answer->status;
        last if $status != 302;
        $browser = $kept;
        $url = $browser->navigate($answer->{location}, until => $callback)->{next};
    }
    is($status, 400, 'an error');
    cmp_ok($rounds, '<=', 4, "after $rounds rounds");
    ok($nginx->wait_reason('login_loop'), 'login_loop');
    like($nginx->log_text($nginx->{mark}), qr/\[error\].*login_loop/, '... a fault of the configuration');
};

subtest 'session fixation' => sub {
    my $attacker = browser();
    is($attacker->navigate(rp('/page'))->status, 200, 'the attacker has a session');
    my $planted = $attacker->cookie(rp('/'), $session)->{value};
    for my $value ($planted, 'A' x 43, 'x') {
        my $victim = browser();
        my $url = way_back($victim, '/page');
        $victim->set_cookie_line(rp('/'), "$session=$value; Path=/; Secure; HttpOnly");
        $victim->get($url);
        my $id = $victim->cookie(rp('/'), $session)->{value};
        isnt($id, $value, 'login makes a new id');
        cmp_ok(length $id, '>=', 43, 'of 256 bits');
        is(browser()->get(rp('/page'), cookie => "$session=$value")->status, 302, 'the planted one is no session') if $value ne 'x';
    }

    my $browser = browser();
    $browser->navigate(rp('/page'));
    my $first = $browser->cookie(rp('/'), $session)->{value};
    my $other_tab = browser();
    my $url = way_back($other_tab, '/page');      # begun elsewhere, with this browser's jar afterwards
    push @{ $other_tab->{jar} }, map { {%$_} } $browser->cookie(rp('/'), $session);
    $other_tab->get($url);
    my $second = $other_tab->cookie(rp('/'), $session)->{value};
    isnt($second, $first, 'a second login: another id');
    is(browser()->get(rp('/page'), cookie => "$session=$first")->status, 302, 'the first is gone');
    is(browser()->get(rp('/page'), cookie => "$session=$second")->status, 200, 'the second lives');
};

is(browser()->get(rp('/ping'))->status, 200, 'nginx serves');
log_ok();
done_testing();
