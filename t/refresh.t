# New tokens before the old ones end: once per session, behind the requests' back; and what ends a session and what does not.
use lib 't/lib', 'lib';
use OIDC::Test;
use Time::HiRes qw(sleep time);

my $op = start_provider('proconnect');
my $app = app();
my $provider = sub {
    my ($name, $more) = @_;
    return <<"NGINX";
    oidc_provider $name {
        profile                 proconnect;
        issuer                  %%op%%/api/v2;
        client_id               pc-es256;
        client_secret           %%secret:pc-es256%%;
        scope                   openid given_name email;
        acr_values              eidas1;
        redirect_uri            /proconnect/callback;
        ssl_trusted_certificate %%ca%%;
        session_store           sessions;
        http_timeout            5s connect=1s;
        jwks_cache              min_refresh=1s;
        logout_uri              /logout_$name;
        post_logout_uri         /proconnect/logged_out;
        logged_out_uri          /bye;
        $more
    }
NGINX
};
my %kinds = (
    pc      => 'session_refresh on before=3s;',
    never   => 'session_refresh off;',
    hasty   => 'session_refresh on before=3s; http_timeout 1s connect=1s;',
    bounded => 'session_refresh on before=3s; session_timeout 6s; session_max_lifetime 9s;',
    ended   => 'session_refresh off; session_timeout 2s;',
    asking  => 'session_refresh off; session_timeout 2s; prompt login;',
);
my $blocks = join '', map { my $more = $kinds{$_}; my $text = $provider->($_, $more); $more =~ /http_timeout/ ? $text =~ s/ +http_timeout +5s connect=1s;\n//r : $text } sort keys %kinds;
my $locations = join '', map {"        location /$_/ { auth_oidc $_; proxy_pass http://127.0.0.1:%%app%%; }\n"} sort keys %kinds;
my $nginx = nginx(<<"NGINX", op => $op, app => $app);
%%globals%%
worker_processes 2;
events { worker_connections 512; }
http {
    %%http%%
    oidc_session_zone zone=sessions:1m;
$blocks
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        proxy_set_header X-Sub \$oidc_claim_sub;
        proxy_set_header X-Name \$oidc_claim_given_name;
        proxy_set_header X-Acr \$oidc_acr;
        proxy_set_header X-Token \$oidc_access_token;
        proxy_set_header X-Expires \$oidc_session_expires;
        add_header X-Pid \$pid;
$locations
        location = /bye { return 200 bye; }
    }
}
NGINX

# The tokens live 4 s: renewed from the 2nd on, over at the 4th.
my $life = 4;
sub start { my (%switches) = @_; $op->reset(ttl => { AccessToken => $life }, %switches); $nginx->mark; return }
sub in
{
    my ($name) = @_;
    my $browser = browser();
    my $r = $browser->navigate(rp("/$name/x"));
    is($r->status, 200, "$name: logged in") or diag $r->{url}, $r->{body};
    return ($browser, $r);
}
sub page { my ($browser, $name, @more) = @_; return $browser->get(rp('/' . ($name // 'pc') . '/x'), @more) }
sub due { my ($of) = @_; sleep(($of // $life) / 2 + 0.3); return }
sub over { my ($of) = @_; sleep(($of // $life) + 0.3); return }
sub to_provider { my ($r, $what) = @_; is($r->status, 302, $what); like($r->{location} // '', qr{^\Q@{[$op->issuer]}\E/authorize\?}, '... to the provider'); return }
sub brought { return $op->control->{counters}{refreshTokens} }

subtest 'in the background while the token is valid, waited for once it is over' => sub {
    start(ttl => { AccessToken => 6 });  # long beside the second that a refresh takes here
    my ($browser, $first) = in('pc');
    my $cookie = $browser->cookie_header(rp('/pc/x'));
    is(page($browser)->seen('x-token'), $first->seen('x-token'), 'a young token stays');
    is($op->refreshes, 0, 'nothing is renewed yet');
    due(6);
    $op->control(delay => { token => 1000 });
    for (1 .. 3) {
        my $r = page($browser);
        is($r->status, 200, 'near its end');
        cmp_ok($r->{seconds}, '<', 0.6, 'nobody waits');
        is($r->seen('x-token'), $first->seen('x-token'), '... and the old token still serves');
    }
    ok(until_true(4, sub { page($browser)->seen('x-token') ne $first->seen('x-token') }), 'then there is a new one');
    is($op->refreshes, 1, 'of one refresh');
    my $second = page($browser);
    is($second->seen($_), $first->seen($_), "$_ stays") for qw(x-sub x-name x-acr);
    ok(length $second->seen('x-name'), 'there is a name');
    ok(length $second->seen('x-acr'), 'there is a level');
    cmp_ok($second->seen('x-expires'), '>', $first->seen('x-expires'), 'session_timeout counts from the refresh');
    is($browser->cookie_header(rp('/pc/x')), $cookie, 'the cookie is the same');

    over(6);
    my $waited = page($browser);
    is($waited->status, 200, 'the token is over');
    cmp_ok($waited->{seconds}, '>', 0.8, 'the request waits');
    isnt($waited->seen('x-token'), $second->seen('x-token'), '... for the new one');
    ok(length $waited->seen('x-token'), '... which is there');
    is(join(' ', values %{ brought() }), '1 1', 'two refresh tokens, each brought once: the new one is the next one');
    is(join(' ', $nginx->reasons), '', 'nothing to log');
};

subtest '100 requests at once, 2 workers, one refresh' => sub {
    start();
    my ($browser, $first) = in('pc');
    over();
    $op->control(delay => { token => 3000 }, ttl => { AccessToken => 60 });
    my @pending = map { $browser->begin(GET => rp("/pc/$_")) } 1 .. 100;
    my @answers = map { $_->response } @pending;
    is(scalar(grep { $_->status == 200 } @answers), 100, 'all are answered');
    my %tokens = map { ($_->seen('x-token') // '') => 1 } @answers;
    is(join(' ', map { length && $_ ne $first->seen('x-token') ? 'new' : 'old' } keys %tokens), 'new', 'with one new token');
    my %pids = map { $_->header('x-pid') => 1 } @answers;
    is(scalar keys %pids, 2, 'by both workers');
    is($op->refreshes, 1, 'one refresh');
};

subtest 'a provider that gives no new refresh token' => sub {
    start(refresh => { rotate => JSON::PP::false, token => { delete => ['refresh_token'] } });
    my ($browser, $first) = in('pc');
    over();
    my $second = page($browser);
    isnt($second->seen('x-token'), $first->seen('x-token'), 'renewed');
    over();
    my $third = page($browser);
    isnt($third->seen('x-token'), $second->seen('x-token'), 'and again');
    is(join(' ', values %{ brought() }), '2', 'the old refresh token goes on');
};

subtest 'what the provider refuses ends the session' => sub {
    start(refresh => { error => 'invalid_grant' });
    my ($person) = in('pc');
    my ($script) = in('pc');
    over();
    to_provider(page($person), 'a navigation');
    is(join(' ', $nginx->reasons), 'refresh_refused', 'one line of log');
    to_provider(page($person), 'the session has ended');
    is($op->refreshes, 1, 'and is not renewed again');
    my $r = page($script, 'pc', headers => [ 'Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Dest' => 'empty' ]);
    is($r->status, 401, 'a script');
    like($r->header('www-authenticate'), qr/Bearer/, '... is told');
    $op->control(refresh => undef);
    is($person->navigate(rp('/pc/x'))->status, 200, 'a new login works');
};

subtest 'a renewed ID token is judged' => sub {
    my @cases = (
        [ subject_changed => { set => { sub => 'somebody-else' } } ],
        [ id_token_issuer => { set => { iss => 'https://evil.example' } } ],
        [ id_token_nonce => { set => { nonce => 'x' x 43 } } ],
        [ id_token_signature => { signature => 'corrupt' } ],
        [ id_token_audience => { set => { aud => 'somebody-else' } } ],
        [ '', { delete => ['nonce'] } ],
        [ '', {}, { token => { delete => ['id_token'] } } ],
    );
    start();
    my @browsers = map { (in('pc'))[0] } @cases;
    over();
    for my $i (0 .. $#cases) {
        my ($reason, $edits, $more) = @{ $cases[$i] };
        $op->control(refresh => { idToken => $edits, %{ $more // {} } });
        $nginx->mark;
        my $r = page($browsers[$i]);
        if (!$reason) {
            is($r->status, 200, $more ? 'no ID token: the session goes on' : 'no nonce: the session goes on');
            ok(length $r->seen($_), "... with $_") for qw(x-token x-sub x-name x-acr);
            next;
        }
        to_provider($r, $reason);
        is(join(' ', $nginx->reasons), $reason, '... one line of log');
        to_provider(page($browsers[$i]), '... and the session has ended');
    }
};

subtest 'a provider that cannot answer has refused nothing' => sub {
    start();
    my @faults = ('500', '503', 'html', 'reset', 'garbage', 'empty', { mode => 'body', status => 429, type => 'application/json', body => '{"error":"slow_down"}' });
    my @browsers = map { (in('pc'))[0] } @faults;
    my ($slow) = in('hasty');
    over();
    for my $i (0 .. $#faults) {
        $op->control(fail => { token => $faults[$i] });
        my $title = ref $faults[$i] ? 429 : $faults[$i];
        my $before = $op->refreshes;
        $nginx->mark;
        my @answers = map { page($browsers[$i]) } 1 .. 8;
        is(join(' ', map { $_->status } @answers), '200 ' x 7 . '200', "$title: the session lives");
        is(join('', map { $_->seen('x-token') // '' } @answers), '', '... without an access token');
        is($answers[0]->seen('x-sub'), $answers[7]->seen('x-sub'), '... with its claims');
        is($op->refreshes - $before, 1, '... and the provider is asked once');
        is(scalar(my @said = $nginx->reasons), 1, '... and one line is logged');
    }
    $op->control(fail => { token => 'silence' });
    my $r = page($slow, 'hasty');
    is($r->status, 200, 'silence: the session lives');
    cmp_ok($r->{seconds}, '<', 3, 'http_timeout bounds the wait');
    is($r->seen('x-token') // '', '', '... no token');
    cmp_ok(page($slow, 'hasty')->{seconds}, '<', 0.6, 'the next one does not wait');
    sleep 5.5;
    $op->control(fail => undef);
    ok(length(page($browsers[0])->seen('x-token') // ''), 'some seconds later it is asked again');
    my $last = page($slow, 'hasty');
    is($last->status, 200, 'the slow one, too');
};

subtest 'in the background, too' => sub {
    start();
    my ($browser, $first) = in('pc');
    due();
    $op->control(fail => { token => '500' });
    is(page($browser)->seen('x-token'), $first->seen('x-token'), 'the token is valid until its end') for 1 .. 5;
    ok($nginx->wait_reason('token_refused'), 'the refresh failed');
    is($op->refreshes, 1, '... once');
};

subtest 'session_timeout, session_max_lifetime' => sub {
    start();
    my ($browser, $first) = in('bounded');
    my $began = time;
    my $end = $first->seen('x-expires');
    my $at = sub { my $second = shift; sleep 0.05 while time < $began + $second; return page($browser, 'bounded') };
    $at->(3);
    my $r = $at->(4.5);
    is($r->seen('x-expires') - $end, 3, 'extended, to session_max_lifetime at most');
    $at->(5.5);
    is($at->(7)->status, 200, 'session_timeout after the login has passed');
    is($at->(7.5)->seen('x-expires') - $end, 3, 'no refresh goes beyond session_max_lifetime');
    is($at->(9.6)->status, 302, 'session_max_lifetime has passed');
};

subtest 'session_refresh off' => sub {
    start();
    my ($browser, $first) = in('never');
    ok(length $first->seen('x-token'), 'the token is there');
    over();
    my $r = page($browser, 'never');
    is($r->status, 200, 'the session lives');
    is($r->seen('x-token') // '', '', '... without a token');
    is($op->refreshes, 0, 'nothing is renewed');
};

subtest 'logout during a refresh' => sub {
    start();
    my ($browser) = in('pc');
    over();
    $op->control(delay => { token => 1500 });
    my $pending = $browser->begin(GET => rp('/pc/x'));
    my $twin = $browser->clone;
    ok(until_true(3, sub { $op->refreshes == 1 }), 'the refresh is under way');
    my $out = $browser->clone->get(rp('/logout_pc'));
    is($out->status, 302, 'logged out meanwhile');
    to_provider($pending->response, 'the request that waited');
    ok(until_true(4, sub { $op->revocations >= 1 }), 'tokens are taken back');
    sleep 0.5;
    to_provider(page($twin), 'the old cookie opens nothing');
};

subtest 'the browser leaves while it waits' => sub {
    start();
    my ($browser, $first) = in('pc');
    over();
    $op->control(delay => { token => 1000 });
    my @pending = map { $browser->begin(GET => rp('/pc/x')) } 1 .. 5;
    ok(until_true(3, sub { $op->refreshes == 1 }), 'the refresh is under way');
    $_->abort for @pending;
    my $r = page($browser);
    isnt($r->seen('x-token') // '', $first->seen('x-token'), 'it goes on without them');
    ok(length($r->seen('x-token') // ''), '... to the new token');
    is($op->refreshes, 1, 'one refresh');
};

subtest 'a reload in the middle' => sub {
    start(ttl => { AccessToken => 6 });  # the new one is far from its own end while this looks at it
    my ($waiting) = in('pc');
    my ($behind, $old) = in('pc');
    due(6);
    $op->control(delay => { token => 1500 });
    page($behind);
    ok(until_true(3, sub { $op->refreshes == 1 }), 'one is renewed in the background');
    $nginx->reload;
    ok(until_true(5, sub { (page($behind)->seen('x-token') // '') ne $old->seen('x-token') }), 'the old worker finishes it');
    ok($nginx->settled, 'and goes');
    is($op->refreshes, 1, 'nobody else did it');
    sleep 1;
    my $pending = $waiting->begin(GET => rp('/pc/x'));
    ok(until_true(3, sub { $op->refreshes == 2 }), 'one is waited for');
    $nginx->reload;
    my $r = $pending->response;
    is($r->status, 200, 'the old worker answers it');
    ok(length($r->seen('x-token') // ''), '... with the new token');
    is($op->refreshes, 2, 'of one refresh');
    is(page($waiting)->seen('x-token'), $r->seen('x-token'), 'which the new workers have');
    ok($nginx->settled, 'the old worker goes');
};

subtest 'a worker killed in the middle' => sub {
    start(refresh => { rotate => JSON::PP::false });
    my ($browser) = in('hasty');
    over();
    $op->control(delay => { token => 900 });
    my $pending = $browser->begin(GET => rp('/hasty/x'));
    ok(until_true(3, sub { $op->refreshes == 1 }), 'the refresh is under way');
    my @workers = $nginx->workers;
    kill 'KILL', @workers;
    is($pending->response->status, 0, 'its request is lost');
    wait_for(10, sub { my @new = $nginx->workers; @new == 2 && !grep { my $pid = $_; grep { $_ == $pid } @new } @workers }, 'new workers');
    $op->control(delay => undef);
    my $r = page($browser, 'hasty');
    is($r->status, 200, 'the session lives');
    cmp_ok($r->{seconds}, '<', 7, 'the lease of the dead one ends');
    $r = page($browser, 'hasty');
    ok(length($r->seen('x-token') // ''), 'and another worker renews the tokens');
    is($op->refreshes, 2, 'once');
};

subtest 'a session that ended here is renewed while the one at ProConnect lives' => sub {
    $op->reset(auto => '');
    for my $name (qw(ended asking)) {
        my $browser = browser();
        my $r = $browser->navigate(rp("/$name/x"));
        like($r->{body}, qr/id="?login/, "$name: the login page");
        $r = $browser->navigate(rp("/$name/x"), forms => { identity => 'agent' });
        is($r->status, 200, 'a person logs in');
        my $sub = $r->seen('x-sub');
        sleep 2.5;
        is(page($browser, $name)->status, 302, 'session_timeout has passed');
        $r = $browser->navigate(rp("/$name/x"));
        is($r->status, 200, 'a new session, and no page');
        is($r->seen('x-sub'), $sub, '... of the same person');
        is(scalar(grep { $_->[1] =~ m{/authorize\?(?:.*&)?prompt=login\b} } @{ $browser->{hops} }), $name eq 'asking' ? 1 : 0, 'prompt');
        $r = $browser->navigate(rp("/logout_$name"));
        is($r->{body}, 'bye', 'logged out');
        $r = $browser->navigate(rp("/$name/x"));
        like($r->{body}, qr/id="?login/, 'then the login page again');
    }
};

log_ok(allow => [qr/exited on signal 9/]);
done_testing();
