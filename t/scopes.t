# auth_oidc_scope: a page that needs an access token with scopes beyond those of the login, alive. The person is asked again, for
# that, without a new login where the provider still knows them.
use lib 't/lib', 'lib';
use OIDC::Test;

my %op = map { $_ => start_provider($_) } qw(franceconnect proconnect);
my $app = app();
my $nginx = nginx(<<'NGINX', fc => $op{franceconnect}, pc => $op{proconnect}, app => $app);
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
        scope                   openid given_name email;
        redirect_uri            /franceconnect/callback;
        ssl_trusted_certificate %%ca%%;
    }
    oidc_provider pc {
        profile                 proconnect;
        issuer                  %%pc%%/api/v2;
        client_id               pc-es256;
        client_secret           %%secret:pc-es256%%;
        redirect_uri            /proconnect/callback;
        ssl_trusted_certificate %%ca%%;
    }

    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        proxy_set_header X-Sub     $oidc_claim_sub;
        proxy_set_header X-Token   $oidc_access_token;
        proxy_set_header X-Expires $oidc_session_expires;
        proxy_set_header X-Session $oidc_session_hash;
        location /fc/     { auth_oidc fc; proxy_pass http://127.0.0.1:%%app%%; }
        location /pc/     { auth_oidc pc; proxy_pass http://127.0.0.1:%%app%%; }
        location /grant/  {
            auth_oidc       fc;
            auth_oidc_scope cnous_statut_boursier cnous_echelon_bourse;
            proxy_pass      http://127.0.0.1:%%app%%;
            location /grant/inner/ { proxy_pass http://127.0.0.1:%%app%%; }
            location /grant/off/   { auth_oidc_scope off; proxy_pass http://127.0.0.1:%%app%%; }
        }
        location /health/ { auth_oidc fc; auth_oidc_scope complementaire_sante_solidaire; proxy_pass http://127.0.0.1:%%app%%; }
        location /email/  { auth_oidc fc; auth_oidc_scope email; proxy_pass http://127.0.0.1:%%app%%; }
    }
}
NGINX

my $fc = $op{franceconnect};
my $asked = 'openid given_name email cnous_statut_boursier cnous_echelon_bourse';
my $cookie = '__Host-NGX_OIDC_SESSION_fc';
my @xhr = (plain => 1, headers => [ 'Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Dest' => 'empty', Accept => 'application/json' ]);
my $short = 2;    # seconds of an access token

$fc->reset;
$op{proconnect}->reset(auto => 'agent');

sub session_id { my $browser = shift; return $browser->cookie(rp('/'), $cookie)->{value} }
sub scope_of { my $location = shift; return $location =~ /[?&]scope=([^&]+)/ ? OIDC::Browser::unescape($1) : undef }

sub citizen
{
    my $browser = browser();
    my $page = $browser->navigate(rp('/fc/x'));
    is($page->status, 200, 'a session') or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
    is(scope_of($browser->{hops}[0][3]), 'openid given_name email', '... with the scopes of the provider');
    return ($browser, $page);
}

sub kept
{
    my ($browser, $page, $id) = @_;
    is(session_id($browser), $id, '... the cookie is the old one');
    my $again = $browser->get(rp('/fc/again'));
    is($again->status, 200, '... the other pages still work');
    is($again->seen($_), $page->seen($_), "... $_") for qw(x-session x-sub x-token);
    return;
}

# The pages that a person saw at the provider on the way.
sub forms { my $browser = shift; return join ' ', map { $_->[0] eq 'POST' && $_->[1] =~ m{/interaction/[^/]+/(\w+)$} ? $1 : () } @{ $browser->{hops} } }

subtest 'a page that needs more' => sub {
    my ($browser, $page) = citizen();
    my ($id, $stolen) = (session_id($browser), $browser->clone);
    my %first = %{ browser()->get(rp('/fc/x'))->args };
    select undef, undef, undef, 1.1;    # a session of its own would end later
    my $answer = $browser->get(rp('/grant/page?a=1&b=%C3%A9'));
    is($answer->status, 302, 'asked again');
    my %args = %{ $answer->args };
    is($args{scope}, $asked, '... for the scopes of the provider and of the page');
    is($args{$_}, $first{$_}, "... the same $_") for qw(client_id redirect_uri acr_values response_type);
    isnt($args{$_}, $first{$_}, "... a fresh $_") for qw(state nonce);
    my $arrived = $browser->navigate($answer->{location});
    is($arrived->status, 200, 'arrives') or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
    is(($arrived->json || {})->{uri}, '/grant/page?a=1&b=%C3%A9', '... at the page');
    is($arrived->seen('x-sub'), $page->seen('x-sub'), '... the same person');
    isnt($arrived->seen('x-token'), $page->seen('x-token'), '... with another access token');
    is($arrived->seen('x-expires'), $page->seen('x-expires'), '... until the old end');
    isnt(session_id($browser), $id, '... under a new id');
    is($stolen->get(rp('/fc/x'))->status, 302, '... the old one is dead');
    my $count = $fc->count('authorize');
    is($browser->get(rp($_))->status, 200, "$_ needs no more") for qw(/grant/again /grant/inner/x /grant/off/x /fc/x /email/x);
    is($fc->count('authorize'), $count, '... FranceConnect was not asked');
    is($browser->get(rp('/health/x'))->status, 302, 'another scope is another matter');
};

subtest 'without a session' => sub {
    $fc->reset;
    my $browser = browser();
    my $page = $browser->navigate(rp('/grant/x'));
    is($page->status, 200, 'arrives');
    is(scope_of($browser->{hops}[0][3]), $asked, 'all scopes were asked for at the login');
    is($fc->count('token'), 1, '... the only one');
};

subtest 'scopes of the login' => sub {
    my ($browser) = citizen();
    is($browser->get(rp('/email/x'))->status, 200, 'a page that needs one of them asks nothing');
    is($browser->get(rp('/grant/off/x'))->status, 200, 'off ends what is inherited');
    is($browser->get(rp('/grant/inner/x'))->status, 302, 'a nested location inherits');
};

subtest 'the access token has expired' => sub {
    $fc->reset(auto => undef, ttl => { AccessToken => $short });
    my $browser = browser();
    my $page = $browser->navigate(rp('/grant/x'), forms => { identity => 'angela' });
    is($page->status, 200, 'a login with pages') or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
    is(forms($browser), 'login consent', '... of login and consent');
    my $token = $page->seen('x-token');
    is($browser->get(rp('/grant/y'))->seen('x-token'), $token, 'the token serves while it lives');
    select undef, undef, undef, $short + 1.1;
    is($browser->get(rp('/fc/x'))->status, 200, 'expired: the pages that need none go on');
    is($browser->get(rp('/fc/x'))->seen('x-token'), undef, '... the variable is empty');
    my $again = $browser->navigate(rp('/grant/x?y=1'), forms => { identity => 'minimal' });
    is($again->status, 200, '... the page that needs one gets another') or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
    is(forms($browser), 'consent', '... by a consent, without a login');
    ok(length($again->seen('x-token') // ''), '... a token');
    isnt($again->seen('x-token'), $token, '... a new one');
    is($again->seen('x-sub'), $page->seen('x-sub'), '... of the same person');
    $fc->reset;
};

subtest 'another person' => sub {
    my ($browser, $page) = citizen();
    my $id = session_id($browser);
    $fc->reset(person => 'minimal');
    $nginx->mark;
    my $refused = $browser->navigate(rp('/grant/x'));
    is($refused->status, 403, 'status 403');
    is(join(' ', $nginx->reasons), 'subject_changed', '... subject_changed');
    my $text = $refused->{body};
    utf8::decode($text);
    like($text, qr/Une autre personne a répondu/, '... told why');
    is($fc->count('end_session'), 0, '... and not logged out');
    kept($browser, $page, $id);
    $fc->reset;
};

for my $case ([ '/grant/x', 'openid given_name email cnous_statut_boursier' ], [ '/email/x', 'openid given_name' ]) {
    my ($path, $granted) = @$case;
    subtest "refused: $path" => sub {
        $fc->reset($path eq '/email/x' ? (token => { set => { scope => $granted } }) : ());
        my $browser = browser();
        my $page = $browser->navigate(rp('/fc/x'));
        my $id = session_id($browser);
        $fc->reset(token => { set => { scope => $granted } });
        $nginx->mark;
        my $refused = $browser->navigate(rp($path));
        is($refused->status, 403, 'status 403') or diag explain $browser->{hops};
        is(join(' ', $nginx->reasons), 'scope_refused', '... scope_refused');
        is($fc->count('token'), 1, '... asked once: no loop');
        my $text = $refused->{body};
        utf8::decode($text);
        like($text, qr/Autorisation refusée/, '... told why');
        kept($browser, $page, $id);
        my $stranger = browser();
        is($stranger->navigate(rp($path))->status, 403, 'without a session: no loop, either');
        is($stranger->get(rp('/fc/x'))->status, 200, '... the login itself counts');
        $fc->reset;
    };
}

subtest 'cancelled' => sub {
    my ($browser, $page) = citizen();
    my $id = session_id($browser);
    $fc->reset(callback => { error => 'access_denied', error_description => 'User auth aborted' });
    my $refused = $browser->navigate(rp('/grant/x'));
    is($refused->status, 403, 'status 403');
    is($fc->count('authorize'), 1, '... asked once: no loop');
    kept($browser, $page, $id);
    $fc->reset;
};

subtest 'a script and a form' => sub {
    my ($browser) = citizen();
    for my $answer ($browser->get(rp('/grant/x'), @xhr), $browser->post(rp('/grant/x'), [ [ a => 1 ] ])) {
        is($answer->status, 401, 'status 401');
        is($answer->header('www-authenticate'), 'Bearer error="insufficient_scope", scope="cnous_statut_boursier cnous_echelon_bourse"', '... RFC 6750');
        is(scalar(@{ $answer->{set_cookies} }), 0, '... no cookie');
        unlike($answer->{body}, qr/"headers"/, '... nothing of the application');
    }
    $browser->navigate(rp('/grant/x'));
    is($browser->get(rp('/grant/x'), @xhr)->status, 200, 'once granted, a script passes');
};

subtest 'beside a session of ProConnect' => sub {
    my $browser = browser();
    my $agent = $browser->navigate(rp('/pc/x'));
    is($agent->status, 200, 'an agent');
    my $page = $browser->navigate(rp('/grant/x'));
    is($page->status, 200, '... who consents at FranceConnect');
    is($browser->get(rp('/pc/x'))->seen('x-session'), $agent->seen('x-session'), '... and goes on at ProConnect');
    isnt($page->seen('x-sub'), $agent->seen('x-sub'), '... as two persons');
    isnt($page->seen('x-token'), $agent->seen('x-token'), '... with two tokens');
};

subtest 'two tabs that need different scopes' => sub {
    my ($browser) = citizen();
    my @paths = ('/grant/one?x=1', '/health/two?y=2');
    my @start = map { $browser->get(rp($_)) } @paths;
    for my $tab (1, 0) {
        my $page = $browser->navigate($start[$tab]{location});
        is($page->status, 200, "tab $tab arrives") or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
        is(($page->json || {})->{uri}, $paths[$tab], '... at its own page');
    }
};

log_ok();
done_testing();
