# Several providers on one site: whose answer a callback is, whose session a cookie is, who is logged out; and very many of one issuer.
use lib 't/lib', 'lib';
use OIDC::Test;

my ($first, $second) = map { start_provider('generic') } 1 .. 2;
$_->reset for $first, $second;
my $app = app();
# The second one does not promise the issuer at the callback.
$second->control(discovery => { delete => ['authorization_response_iss_parameter_supported'] });
my $nginx = nginx(<<'NGINX', first => $first, second => $second, app => $app);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    oidc_session_zone zone=sessions:1m;
    oidc_provider a {
        issuer %%first%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        session_store sessions; login_uri /in/a; logout_uri /out/a;
    }
    oidc_provider b {
        issuer %%second%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        session_store sessions; login_uri /in/b; logout_uri /out/b;
    }
    oidc_provider c {
        issuer %%first%%/api/v2; client_id generic-basic; client_secret %%secret:generic-basic%%; ssl_trusted_certificate %%ca%%;
        session_store sessions; redirect_uri /generic/callback;
    }
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        proxy_set_header X-Iss $oidc_claim_iss;
        proxy_set_header X-Sub $oidc_claim_sub;
        location /a/ { auth_oidc a; proxy_pass http://127.0.0.1:%%app%%; }
        location /b/ { auth_oidc b; proxy_pass http://127.0.0.1:%%app%%; }
        location /c/ { auth_oidc c; proxy_pass http://127.0.0.1:%%app%%; }
        location /any/ { auth_oidc $cookie_choice; auth_oidc_chooser /choice; proxy_pass http://127.0.0.1:%%app%%; }
        location = /choice { default_type text/html; return 200 "<a href=\"$oidc_login_url_a\">a</a> <a href=\"$oidc_login_url_b\">b</a>"; }
    }
}
NGINX

my %op = (a => $first, b => $second, c => $first);
my $callback = qr{^https://rp\.localhost:\d+/(?:oidc_callback|generic/callback)\?};
sub iss { my $name = shift; return $op{$name}->issuer }
sub asked { my ($browser, $name) = @_; return $browser->navigate(rp("/$name/page"), until => $callback)->{next} }
sub in { my ($browser, @names) = @_; $browser->navigate(rp("/$_/page")) for @names; return $browser }
# The query of a callback, with other values.
sub changed
{
    my ($url, %with) = @_;
    for my $name (sort keys %with) {
        my $value = defined $with{$name} ? "&$name=" . OIDC::Browser::escape($with{$name}) : '';
        $url =~ s/([?&])$name=[^&]*&?/$1/;
        $url .= $value;
    }
    return $url;
}
sub of { my ($url, $name) = @_; return OIDC::Browser::unescape(($url =~ /[?&]$name=([^&]*)/)[0]) }

subtest 'whose answer it is' => sub {
    my $both = sub { my $browser = browser(); return ($browser, map { asked($browser, $_) } qw(a b)) };
    for my $row (
        # what arrives, in a browser that is between both providers; the reason, and who was brought a code
        [ "the state of a, all else of b",         sub { changed($_[1], state => of($_[0], 'state')) },                     callback_issuer => 0, 0 ],
        [ "the state of b, all else of a",         sub { changed($_[0], state => of($_[1], 'state')) },                     callback_issuer => 0, 0 ],
        [ "a's answer with b's issuer",            sub { changed($_[0], iss => iss('b')) },                                 callback_issuer => 0, 0 ],
        [ "a's answer without the issuer it promises", sub { changed($_[0], iss => undef) },                                callback_issuer => 0, 0 ],
        [ "a's code and b's state, from nobody",   sub { changed($_[0], state => of($_[1], 'state'), iss => undef) },       token_refused   => 0, 1 ],
        [ "a's answer at c's address",             sub { $_[0] =~ s{/oidc_callback}{/generic/callback}r },                  state_unknown   => 0, 0 ],
        [ "a state of nobody",                     sub { changed($_[0], state => 'A' x 43) },                               state_unknown   => 0, 0 ],
        )
    {
        my ($what, $arrives, $reason, @brought) = @$row;
        my ($browser, @urls) = $both->();
        my @before = map { $_->count('token') } $first, $second;
        $nginx->mark;
        my $answer = $browser->get($arrives->(@urls));
        like($answer->status, qr/^(?:400|502)$/, $what);
        is(join(' ', $nginx->reasons), $reason, "... $reason");
        is(join(' ', $first->count('token') - $before[0], $second->count('token') - $before[1]), "@brought", '... no provider is brought what is not its own');
        ok(!$browser->cookie(rp('/'), qr/SESSION/), '... no session');
    }
    my ($browser, @urls) = $both->();
    is(join(' ', map { $browser->get($_)->{location} } reverse @urls), join(' ', rp('/b/page'), rp('/a/page')), 'the true ones, in any order');
    is($browser->get(rp("/$_/x"))->seen('X-Iss'), iss($_), "... $_ has its session") for qw(a b);
    ($browser) = (browser());
    is($browser->get(changed(asked($browser, 'b'), iss => undef))->status, 302, 'who promises no issuer need not name it');
};

subtest 'one browser, sessions of two' => sub {
    $first->control(auto => 'angela');
    $second->control(auto => 'agent');
    my $browser = in(browser(), qw(a b));
    my ($a, $b) = map { $browser->get(rp("/$_/x")) } qw(a b);
    is(join(' ', map { $_->seen('X-Iss') } $a, $b), join(' ', iss('a'), iss('b')), 'each place has its own');
    isnt($a->seen('X-Sub'), $b->seen('X-Sub'), '... and its own person');
    is($browser->get(rp('/c/x'))->status, 302, 'none at another client of the same issuer');

    my $thief = browser();
    my $value = $browser->cookie(rp('/'), '__Host-NGX_OIDC_SESSION_a')->{value};
    for my $name (qw(b c)) {
        my $answer = $thief->get(rp("/$name/x"), cookie => "__Host-NGX_OIDC_SESSION_$name=$value");
        is($answer->status, 302, "the session of a is none of $name, though they share the zone");
    }
    is($thief->get(rp('/a/x'), cookie => "__Host-NGX_OIDC_SESSION_a=$value")->status, 200, '(it is one of a)');

    my $stolen = $browser->clone;
    like($browser->get(rp('/out/a'))->{location}, qr{^\Q$first->{origin}\E/}, 'logging out of a goes to a');
    is($stolen->get(rp('/a/x'))->status, 302, '... ends its session');
    is($stolen->get(rp('/b/x'))->status, 200, '... and keeps that of b');
    ok($browser->cookie(rp('/'), qr/SESSION_b/), '... in this browser, too');
    ok(!$browser->cookie(rp('/'), qr/SESSION_a/), '... with its cookie alone');
};

subtest 'the browser chooses' => sub {
    my $browser = browser();
    my $page = $browser->get(rp('/any/page?x=1'));
    is($page->status, 200, 'no choice: the chooser');
    my ($to_a, $to_b) = $page->{body} =~ /href="([^"]*)"/g;
    is($browser->navigate(rp($to_b =~ s/^https:\/\/[^\/]*//r =~ s/&amp;/&/gr))->{url} // '', rp('/any/page?x=1'), 'its link leads back') or diag $to_b;
    for my $row ([ b => 200, 'b' ], [ a => 302, 'a' ], [ 'nobody', 500 ], [ 'off', 500 ]) {
        my ($choice, $status, $name) = @$row;
        my $answer = $browser->get(rp('/any/page'), cookie => $browser->cookie_header(rp('/any/page')) . "; choice=$choice");
        is($answer->status, $status, "choice=$choice");
        is($answer->seen('X-Iss'), iss('b'), '... the session of b') if $choice eq 'b';
        like($answer->{location}, qr{^\Q$first->{origin}\E/}, '... to a') if $choice eq 'a';
        unlike($answer->{body}, qr/"headers"/, '... not the page') if $choice ne 'b';
    }
};

subtest '200 providers of one issuer' => sub {
    my $many = join '', map {"oidc_provider p$_ { include many.conf; login_uri /in/p$_; }\n"} 1 .. 200;
    write_file('many.conf', subst('issuer %%first%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; '
        . 'ssl_trusted_certificate %%ca%%; session_store sessions;', first => $first));
    $nginx->stop;
    $first->reset;
    $nginx->{conf} = <<'NGINX' =~ s/MANY/$many/r;
%%globals%%
worker_processes 2;
events { worker_connections 512; }
http {
    %%http%%
    oidc_session_zone zone=sessions:1m;
    MANY
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        location ~ ^/(?<provider>p\d+)/ { auth_oidc $provider; proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Iss $oidc_claim_iss; }
    }
}
NGINX
    $nginx->start;
    ok(until_true(20, sub { $first->count('jwks') }), 'the keys are fetched');
    my $browser = browser();
    my @names = map {"p$_"} 1, 2, 100, 200;
    is($browser->navigate(rp("/$_/page"))->status, 200, "$_: a login") for @names;
    is($browser->get(rp("/$_/x"))->seen('X-Iss'), iss('a'), "$_: a session") for @names;
    is($browser->get(rp("/$_/x"))->status, 302, "$_: none") for qw(p3 p199);
    is($first->count('discovery'), 1, 'the metadata was fetched once for all, by two workers');
    is($first->count('jwks'), 1, '... and the keys');
};

log_ok();
done_testing();
