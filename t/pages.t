# The pages that the module shows by itself: their words, what protects them, what replaces them; then the same in a headless Chromium
# (t/demo/pages.mjs; screenshots: build/demo-check/pages/).
use lib 't/lib', 'lib';
use OIDC::Test;

my %op = map { $_ => start_provider($_) } qw(franceconnect proconnect generic);
my $app = app();
my $nginx = nginx(<<'NGINX', fc => $op{franceconnect}, pc => $op{proconnect}, op => $op{generic}, down => 'https://idp.localhost:' . free_port(), app => $app);
%%globals%%
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
        logout_uri              /fc/logout;
        post_logout_uri         /logged_out;
    }
    oidc_provider pc {
        profile                 proconnect;
        issuer                  %%pc%%/api/v2;
        client_id               pc-es256;
        client_secret           %%secret:pc-es256%%;
        redirect_uri            /proconnect/callback;
        ssl_trusted_certificate %%ca%%;
    }
    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        redirect_uri            /generic/callback;
        ssl_trusted_certificate %%ca%%;
        login_uri               /login;
        logout_uri              /op/logout;
        logout_method           post;
        logout_state            on;
        post_logout_uri         /generic/logged_out;
    }
    oidc_provider uri {
        issuer                  %%op%%/api/v2;
        client_id               generic-jwt;
        client_secret           %%secret:generic-jwt%%;
        redirect_uri            /oidc_callback_generic;
        ssl_trusted_certificate %%ca%%;
        error_uri               /oops;
    }
    oidc_provider page {
        issuer                  %%op%%/api/v2;
        client_id               generic-es256;
        client_secret           %%secret:generic-es256%%;
        redirect_uri            /oidc_callback;
        ssl_trusted_certificate %%ca%%;
    }
    oidc_provider down {
        issuer                  %%down%%;
        client_id               nobody;
        client_secret           nothing;
        ssl_trusted_certificate %%ca%%;
        redirect_uri            /down/callback;
        http_timeout            1s;
    }

    map $uri $provider {
        ~^/(?<first>fc|pc|op|uri|page|down)/ $first;
        default                              "off";
    }

    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        location / {
            auth_oidc $provider;
            proxy_pass http://127.0.0.1:%%app%%;
        }
        location /callbacks/  { auth_oidc off; return 204; }
        location = /oops      { auth_oidc off; proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Error "$oidc_error|$oidc_error_description|$oidc_error_id"; }
        location = /mine.html { auth_oidc off; return 200 "a page of the site"; }
        location = /oidc_callback { auth_oidc page; error_page 403 400 /mine.html; }
    }
}
NGINX

my $callback = qr{^https://rp\.localhost:\d+/(?:\w+/callback|oidc_callback\w*)\?};
my $none = 'S' x 43;
my $unknown = rp("/generic/callback?code=a&state=$none");
$_->reset for values %op;

# What holds for every page, whatever it says.
sub is_page
{
    my ($answer, $status, $what) = @_;
    my $body = $answer->{body};
    is($answer->status, $status, "$what: $status");
    is($answer->header('content-type'), 'text/html; charset=utf-8', '... HTML');
    is($answer->header('cache-control'), 'no-store', '... never cached');
    like($answer->header('content-security-policy'), qr/^default-src 'none'; .*frame-ancestors 'none'/, '... a policy: nothing from elsewhere, no frame');
    is($answer->header('referrer-policy'), 'strict-origin', '... its address goes nowhere');
    is(scalar(() = $body =~ /<h1>/g), 1, '... one h1');
    is(scalar(() = $body =~ /<html lang="(?:fr|en)">/g), 1, '... a language');
    unlike($body, qr/<script|<img|<link|\son\w+=|https?:/i, '... no script, nothing from elsewhere');
    return;
}
sub title { my ($answer) = @_; my ($title) = $answer->{body} =~ m{<h1>(.*?)</h1>}; utf8::decode($title); return $title }

# One login with the switches on, up to the answer of the callback.
sub attempt
{
    my ($name, $provider, %switches) = @_;
    $op{$provider}->reset(%switches);
    my $browser = browser();
    my $end = $browser->navigate(rp("/$name/page?a=1&b=2"), until => $callback);
    $nginx->mark;
    return ($browser->get($end->{next}, headers => [ 'Accept-Language' => 'fr' ]), $browser);
}

subtest 'the language' => sub {
    for my $case ([ undef, 'fr' ], [ 'fr-FR,fr;q=0.9,en;q=0.8', 'fr' ], [ 'en-GB,en;q=0.9,fr;q=0.8', 'en' ], [ 'fr;q=0.2,en;q=0.7', 'en' ], [ 'de,en;q=0.3', 'en' ],
        [ 'de', 'fr' ], [ '*', 'fr' ], [ 'en;q=0', 'fr' ], [ '', 'fr' ])
    {
        my ($header, $expected) = @$case;
        my $answer = browser()->get($unknown, headers => [ 'Accept-Language' => $header ]);
        like($answer->{body}, qr/<html lang="$expected">/, ($header // 'no header') . ": $expected");
        is(title($answer), $expected eq 'fr' ? 'La connexion n’a pas abouti' : 'The login could not be completed', '... and its words');
    }
};

subtest 'a login that failed' => sub {
    my ($answer) = attempt('op', 'generic', idToken => { signature => 'corrupt' });
    is_page($answer, 502, 'a bad signature');
    like($answer->{body}, qr/id_token_signature/, 'a reference for the support');
    like($answer->{body}, qr{<a href="/op/page\?a=1&amp;b=2">Réessayer</a>}, 'again: to the page that was asked for') if utf8::decode($answer->{body});
    like($answer->{body}, qr{<a class="second" href="/">}, '... or the home page');

    ($answer) = attempt('fc', 'franceconnect', codeRefuse => JSON::PP::true);
    is_page($answer, 502, 'the code is refused');
    my ($id) = $nginx->log_text($nginx->{mark}) =~ /support id ([\w-]+)/;
    ok($id, 'the provider gave a reference, which is in the log') and like($answer->{body}, qr/\b\Q$id\E\b/, '... and on the page');

    is_page(browser()->get(rp('/down/page')), 502, 'the provider cannot be reached');
    my $bare = browser()->get($unknown);
    is_page($bare, 400, 'an unknown state');
    unlike($bare->{body}, qr/essayer/, '... which leads to no page of ours: the home page alone');
    is_page(browser()->get(rp("/logged_out?state=$none")), 400, 'an unknown state after logout');
    is(title(browser()->get(rp("/logged_out?state=$none"))), 'La déconnexion n’est pas confirmée', '... speaks of the logout');
    is_page(browser()->get(rp('/login?return=//evil.localhost')), 400, 'a login link to another site');
    unlike(browser()->get(rp('/login?return=//evil.localhost'))->{body}, qr/evil/, '... which is not shown');
};

subtest 'a person who stops' => sub {
    my ($answer, $browser) = attempt('fc', 'franceconnect', callback => { error => 'access_denied', error_description => 'User auth aborted' });
    is_page($answer, 403, 'cancelled at FranceConnect');
    is(title($answer), 'Connexion annulée', 'calm words');
    unlike($answer->{body}, qr/login_cancelled|f.rence|access_denied|<small/, '... no incident');
    ok(utf8::decode($answer->{body}) && $answer->{body} =~ m{<a href="/fc/page\?a=1&amp;b=2">Réessayer</a>}, '... and again') or diag $answer->{body};
    $op{franceconnect}->reset;
    is($browser->navigate(rp('/fc/page?a=1&b=2'))->status, 200, '... which works');
};

subtest 'what a provider wrote' => sub {
    my $evil = '"><svg onload=alert(1)><script>alert(2)</script>';
    for my $name (qw(fc pc op)) {
        my $provider = { fc => 'franceconnect', pc => 'proconnect', op => 'generic' }->{$name};
        my ($answer) = attempt($name, $provider, callback => { error => "x$evil", error_description => $evil });
        is_page($answer, 403, "$name: markup in the error");
        unlike($answer->{body}, qr/svg|alert/, '... is not shown');
    }
    my ($answer) = attempt('uri', 'generic', callback => { error => "x$evil", error_description => $evil });
    like($answer->seen('x-error') // '', qr/^provider_error\|&quot;&gt;&lt;svg/, 'error_uri gets it escaped');
    my $browser = browser();
    $op{generic}->reset(callback => { error => 'server_error' });
    my $end = $browser->navigate(rp('/op/page?"><svg/onload=alert(1)>'), until => $callback);
    $answer = $browser->get($end->{next});
    is_page($answer, 403, 'markup in the address');
    unlike($answer->{body}, qr/<svg/, '... is escaped in the link');
};

subtest 'pages of the site take their place' => sub {
    my ($answer) = attempt('uri', 'generic', callback => { error => 'access_denied' });
    like($answer->seen('x-error') // '', qr/^login_cancelled\|/, 'error_uri');
    unlike($answer->{body}, qr/<h1>/, '... and nothing of ours');
    ($answer) = attempt('page', 'generic', callback => { error => 'access_denied' });
    is($answer->status, 403, 'error_page: the status');
    is($answer->{body}, 'a page of the site', '... and its page');
    ($answer) = attempt('page', 'generic', idToken => { signature => 'corrupt' });
    is_page($answer, 502, 'another status than those of error_page');
};

subtest 'HEAD, HTTP/2, frames' => sub {
    my $answer = browser()->request(HEAD => $unknown);
    is($answer->status, 400, 'HEAD: the status');
    is($answer->{body}, '', '... no body');
    is($answer->header('content-length'), length browser()->get($unknown)->{body}, '... the length');
    my ($status, $text) = curl_h2($unknown, '-H', 'Accept-Language: en');
    is($status, 400, 'HTTP/2: the status');
    like($text, qr/^content-security-policy: .*frame-ancestors 'none'/m, '... the policy');
    like($text, qr/<html lang="en">.*<\/html>\n\z/s, '... the whole page');
    for my $dest (qw(iframe frame embed object fencedframe)) {
        $answer = browser()->get(rp('/op/page'), headers => [ 'Sec-Fetch-Dest' => $dest ]);
        is($answer->status, 401, "a protected page asked for by an $dest: 401");
        is(scalar @{ $answer->{set_cookies} }, 0, '... no login begins');
    }
};

subtest 'after logout' => sub {
    $_->reset for values %op;
    my $browser = browser();
    $browser->navigate(rp('/op/page'));
    my $ask = $browser->get(rp('/op/logout'));
    is_page($ask, 200, 'asked first');
    like($ask->{body}, qr{<form method="post" action="/op/logout"><button>}, '... a form');
    my $end = $browser->navigate(rp('/op/logout'), forms => 1);
    is_page($end, 200, 'logged out');
    is(title($end), 'Vous êtes déconnecté', '... it says so');
    is($end->{url} =~ s/\?.*//r, rp('/generic/logged_out'), '... once the provider has sent the browser back');
};

# WCAG 2: the contrast of the colours that the style sheet puts on each other, in both themes.
subtest 'contrast' => sub {
    my ($style) = browser()->get($unknown)->{body} =~ m{<style>(.*?)</style>}s;
    my ($light, $dark) = split /\@media\(prefers-color-scheme:dark\)/, $style;
    my $luminance = sub {
        my ($hex) = @_;
        $hex =~ s/(\w)/$1$1/g if length $hex == 3;
        my @c = map { my $c = hex($_) / 255; $c <= 0.04045 ? $c / 12.92 : (($c + 0.055) / 1.055)**2.4 } $hex =~ /../g;
        return 0.2126 * $c[0] + 0.7152 * $c[1] + 0.0722 * $c[2];
    };
    my $contrast = sub { my ($high, $low) = sort { $b <=> $a } map { $luminance->($_) } @_; return ($high + 0.05) / ($low + 0.05) };
    my $colour = sub { my ($css, $selector, $property) = @_; my ($found) = $css =~ /(?:^|[{}])\Q$selector\E\{(?:[^}]*?;)?\Q$property\E:#(\w+)/; return $found };
    is(sprintf('%.1f', $contrast->('000', 'fff')), '21.0', 'black on white');
    for my $theme ([ light => $light ], [ dark => $dark =~ s/^\{//r ]) {
        my ($name, $css) = @$theme;
        my $page = $colour->($css, 'body', 'background');
        my $button = $colour->($css, 'a,button', 'background');
        for my $pair ([ body => $colour->($css, 'body', 'color'), $page ], [ h1 => $colour->($css, 'h1', 'color'), $page ],
            [ small => $colour->($css, 'small', 'color'), $page ], [ button => $colour->($css, 'a,button', 'color'), $button ],
            [ 'button, pointed at' => $colour->($css, 'a,button', 'color'), $colour->($css, 'a:hover,button:hover', 'background') ],
            [ 'second button' => $colour->($css, 'a.second', 'color'), $page ],
            [ 'second button, pointed at' => $colour->($css, 'a.second', 'color'), $colour->($css, 'a.second:hover', 'background') ])
        {
            my ($what, $ink, $ground) = @$pair;
            ok(defined $ink && defined $ground, "$name: $what has colours") or next;
            cmp_ok($contrast->($ink, $ground), '>=', 4.5, "... $ink on $ground");
        }
    }
};

$op{franceconnect}->reset(callback => { error => 'access_denied' });
$op{proconnect}->reset(idToken => { signature => 'corrupt' });
$op{generic}->reset;
my @measure = ("$OIDC::Test::Root/t/providers/node", 22, "$OIDC::Test::Root/t/demo/pages.mjs", rp(), "$OIDC::Test::Root/build/demo-check/pages");
my $before = Test::More->builder->current_test;
open my $results, '-|:encoding(UTF-8)', @measure or die "$measure[0]: $!";
my $planned = 0;
while (my $line = <$results>) {
    if ($line =~ /^(not )?ok \d+ - (.*)/) { ok(!$1, $2) }
    elsif ($line =~ /^1\.\.(\d+)$/) { $planned = $1 }
    else { diag $line }
}
close $results;
cmp_ok($planned, '>', 400, 'all of it was measured in Chromium');
is(Test::More->builder->current_test, $before + $planned + 1, '... and told');

log_ok();
done_testing();
