# auth_oidc_acr: a page that wants a stronger authentication than the session has. The person is sent back for exactly that level;
# whatever comes of it, the session that was there is never weaker, never longer and never somebody else's.
use lib 't/lib', 'lib';
use OIDC::Test;

my %op = map { $_ => start_provider($_) } qw(franceconnect_plus proconnect generic);
my $app = app();
my $url_level = 'https://proconnect.gouv.fr/assurance/certification-dirigeant';
my %level = ((map { $_ => $_ } qw(eidas0 eidas1 eidas2 eidas3 eidas0-mfa eidas1-mfa)), url => $url_level);
my $levels = join "\n        ", map {"location /pc/$_/ { auth_oidc pc; auth_oidc_acr $level{$_}; proxy_pass http://127.0.0.1:$app; }"} sort keys %level;

my $providers = <<'NGINX';
    oidc_provider fcp {
        profile                 franceconnect_plus;
        issuer                  %%fcp%%/api/v2;
        client_id               fcp-ecdh-es;
        client_secret           %%secret:fcp-ecdh-es%%;
        client_key              %%key_ec%% use=enc alg=ECDH-ES;
        client_jwks_uri         /oidc_jwks;
        scope                   openid given_name;
        redirect_uri            /franceconnect_plus/callback;
        ssl_trusted_certificate %%ca%%;
        logout_uri              /fcp/logout;
        post_logout_uri         /franceconnect_plus/logged_out;
    }
    oidc_provider pc {
        profile                 proconnect;
        issuer                  %%pc%%/api/v2;
        client_id               pc-es256;
        client_secret           %%secret:pc-es256%%;
        redirect_uri            /proconnect/callback;
        ssl_trusted_certificate %%ca%%;
        claims                  '{"id_token":{"amr":null,"acr":null}}';
    }
    oidc_provider pcmixed {
        profile                 proconnect;
        issuer                  %%pc%%/api/v2;
        client_id               pc-es256;
        client_secret           %%secret:pc-es256%%;
        redirect_uri            /oidc_callback_proconnect;
        ssl_trusted_certificate %%ca%%;
        acr_values              eidas1;
    }
    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        redirect_uri            /generic/callback;
        ssl_trusted_certificate %%ca%%;
        acr_values              1 2;
        error_uri               /op/high/oops;
    }
NGINX
my %values = (fcp => $op{franceconnect_plus}, pc => $op{proconnect}, op => $op{generic}, app => $app, levels => $levels);
my $nginx = nginx(<<"NGINX", %values);
%%globals%%
worker_processes 2;
events { worker_connections 256; }
http {
    %%http%%
$providers
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        proxy_set_header X-Acr     \$oidc_acr;
        proxy_set_header X-Sub     \$oidc_claim_sub;
        proxy_set_header X-Expires \$oidc_session_expires;
        proxy_set_header X-Session \$oidc_session_hash;
        proxy_set_header X-Error   \$oidc_error;
        location /fcp/      { auth_oidc fcp; proxy_pass http://127.0.0.1:%%app%%; }
        location /fcp/high/ {
            auth_oidc     fcp;
            auth_oidc_acr eidas3;
            proxy_pass    http://127.0.0.1:%%app%%;
            location /fcp/high/inner/ { proxy_pass http://127.0.0.1:%%app%%; }
            location /fcp/high/off/   { auth_oidc_acr off; proxy_pass http://127.0.0.1:%%app%%; }
            location /fcp/high/lower/ { auth_oidc_acr eidas2; proxy_pass http://127.0.0.1:%%app%%; }
            location /fcp/high/401/   { auth_oidc_unauth 401; proxy_pass http://127.0.0.1:%%app%%; }
        }
        location /fcp/email/ { auth_oidc fcp; auth_oidc_scope email; proxy_pass http://127.0.0.1:%%app%%; }
        location /pc/       { auth_oidc pc; proxy_pass http://127.0.0.1:%%app%%; }
        location /pc/email/ { auth_oidc pc; auth_oidc_scope email; proxy_pass http://127.0.0.1:%%app%%; }
        location /pc/both/  { auth_oidc pc; auth_oidc_scope uid; auth_oidc_acr eidas1-mfa eidas2; proxy_pass http://127.0.0.1:%%app%%; }
        %%levels%%
        location /pcmixed/     { auth_oidc pcmixed; proxy_pass http://127.0.0.1:%%app%%; }
        location /pcmixed/mfa/ { auth_oidc pcmixed; auth_oidc_acr eidas0-mfa; proxy_pass http://127.0.0.1:%%app%%; }
        location /pcmixed/two/ { auth_oidc pcmixed; auth_oidc_acr eidas2; proxy_pass http://127.0.0.1:%%app%%; }
        location /op/      { auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; }
        location /op/high/ { auth_oidc op; auth_oidc_acr 2; proxy_pass http://127.0.0.1:%%app%%; }
    }
}
NGINX

my $callback = qr{/(?:callback|oidc_callback_\w+)\?};
my $cookie = '__Host-NGX_OIDC_SESSION_fcp';
my @xhr = (plain => 1, headers => [ 'Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Dest' => 'empty', Accept => 'application/json' ]);
$_->reset for values %op;
$op{proconnect}->control(auto => 'agent');

# A browser with a session of FranceConnect+ at eidas2.
sub citizen
{
    my $browser = browser();
    my $page = $browser->navigate(rp('/fcp/x'));
    is($page->seen('x-acr'), 'eidas2', 'a session at eidas2') or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
    return ($browser, $page);
}

# The session is the one from before, and does what it did.
sub kept
{
    my ($browser, $page, $id) = @_;
    is($browser->cookie(rp('/'), $cookie)->{value}, $id, '... the cookie is the old one');
    my $again = $browser->get(rp('/fcp/again'));
    is($again->status, 200, '... the pages of eidas2 still work');
    is($again->seen('x-session'), $page->seen('x-session'), '... with the old session');
    is($again->seen('x-sub'), $page->seen('x-sub'), '... of the same person');
    return;
}

sub session_id { my $browser = shift; return $browser->cookie(rp('/'), $cookie)->{value} }

subtest 'FranceConnect+: eidas2, then eidas3' => sub {
    my ($browser, $page) = citizen();
    my ($id, $stolen) = (session_id($browser), $browser->clone);
    my %first = %{ $browser->get(rp('/fcp/high/a'), cookie => '')->args };
    select undef, undef, undef, 1.1;    # a session of its own would end later
    my $path = '/fcp/high/page?a=1&b=%C3%A9&c=x%2Fy';
    my $answer = $browser->get(rp($path));
    is($answer->status, 302, 'sent back');
    like($answer->{location}, qr{^\Q$op{franceconnect_plus}{origin}\E/api/v2/authorize\?}, '... to the provider');
    is($answer->header('cache-control'), 'no-store', '... never cached');
    my %args = %{ $answer->args };
    is($args{acr_values}, 'eidas3', '... for exactly that level');
    is_deeply([ sort keys %args ], [qw(acr_values client_id nonce redirect_uri response_type scope state)], '... with the parameters of a login');
    is($args{$_}, $first{$_}, "... the same $_") for qw(client_id redirect_uri scope);
    isnt($args{$_}, $first{$_}, "... a fresh $_") for qw(state nonce);
    is(session_id($browser), $id, 'the session stays meanwhile');
    is($browser->get(rp('/fcp/meanwhile'))->status, 200, '... and its pages, too');

    my $arrived = $browser->navigate($answer->{location});
    is($arrived->status, 200, 'arrives') or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
    is(($arrived->json || {})->{uri}, $path, '... at the path and query that were asked for');
    is($arrived->seen('x-acr'), 'eidas3', '... $oidc_acr');
    is($arrived->seen('x-sub'), $page->seen('x-sub'), '... the same person');
    isnt(session_id($browser), $id, 'a new session id');
    isnt($arrived->seen('x-session'), $page->seen('x-session'), '... and $oidc_session_hash');
    is($arrived->seen('x-expires'), $page->seen('x-expires'), '... with the old absolute expiry');
    is($stolen->get(rp('/fcp/x'))->status, 302, 'the old id is dead');
    my $count = $op{franceconnect_plus}->count('authorize');
    is($browser->get(rp($_))->status, 200, "$_ needs no login") for qw(/fcp/x /fcp/high/again /fcp/high/inner/x /fcp/high/lower/x /fcp/high/401/x);
    is($op{franceconnect_plus}->count('authorize'), $count, '... the provider was not asked');
    is(scalar(grep { $_->{name} =~ /LOGIN/ } $browser->cookies_for(rp('/'))), 1, 'of the login cookies, that of the page left behind is there');
};

subtest 'a lower answer' => sub {
    my ($browser, $page) = citizen();
    my $id = session_id($browser);
    $op{franceconnect_plus}->reset(acr => 'eidas2');
    $nginx->mark;
    my $refused = $browser->navigate(rp('/fcp/high/x?y=1'));
    is($refused->status, 403, 'status 403');
    is(join(' ', $nginx->reasons), 'id_token_acr', '... id_token_acr');
    is($op{franceconnect_plus}->count('token'), 1, '... asked once: no loop');
    like($refused->{body}, qr/Niveau de garantie insuffisant/, '... told why');
    is($refused->header('cache-control'), 'no-store', '... never cached');
    is(scalar(grep { /SESSION/ } @{ $refused->{set_cookies} }), 0, '... no session');
    kept($browser, $page, $id);
    $op{franceconnect_plus}->reset;
    is($browser->navigate(rp('/fcp/high/x?y=1'))->status, 200, 'the next attempt may succeed');
};

subtest 'a higher answer' => sub {
    $op{franceconnect_plus}->reset(acr => 'eidas3');
    my $browser = browser();
    is($browser->navigate(rp('/fcp/x'))->seen('x-acr'), 'eidas3', 'a login at eidas3 though eidas2 was asked');
    is($browser->get(rp('/fcp/high/x'))->status, 200, '... is enough for the page of eidas3');
    $op{franceconnect_plus}->reset;
};

subtest 'another person' => sub {
    my ($browser, $page) = citizen();
    my $id = session_id($browser);
    $op{franceconnect_plus}->reset(person => 'minimal');
    $nginx->mark;
    my $refused = $browser->navigate(rp('/fcp/high/x'));
    is($refused->status, 403, 'status 403') or diag explain $browser->{hops};
    is(join(' ', $nginx->reasons), 'subject_changed', '... subject_changed');
    like($refused->{body}, qr/Une autre personne a répondu|Une autre personne a r\xc3\xa9pondu/, '... told why');
    is($op{franceconnect_plus}->count('end_session'), 0, '... and not logged out');
    kept($browser, $page, $id);
    $op{franceconnect_plus}->reset;
};

subtest 'a token for another login' => sub {
    my ($browser, $page) = citizen();
    my $id = session_id($browser);
    $op{franceconnect_plus}->reset(idToken => { set => { nonce => 'N' x 43 } });
    $nginx->mark;
    my $refused = $browser->navigate(rp('/fcp/high/x'));
    is($refused->status, 403, '403: tamper_action is not for a step-up');
    is(join(' ', $nginx->reasons), 'id_token_nonce', '... id_token_nonce');
    kept($browser, $page, $id);
    $op{franceconnect_plus}->reset;
};

subtest 'cancelled at the provider' => sub {
    my ($browser, $page) = citizen();
    my $id = session_id($browser);
    $op{franceconnect_plus}->reset(callback => { error => 'access_denied', error_description => 'User auth aborted' });
    $nginx->mark;
    my $refused = $browser->navigate(rp('/fcp/high/x'));
    is($refused->status, 403, 'status 403');
    is(join(' ', $nginx->reasons), 'login_cancelled', '... login_cancelled');
    is($op{franceconnect_plus}->count('authorize'), 1, '... asked once: no loop');
    like($refused->{body}, qr{href="/fcp/high/x"}, '... the page offers another attempt');
    kept($browser, $page, $id);
    $op{franceconnect_plus}->reset;
};

subtest 'a script, a form, and auth_oidc_unauth 401' => sub {
    my ($browser) = citizen();
    my $challenge = 'Bearer error="insufficient_user_authentication", acr_values="eidas3"';
    for my $case ([ 'XHR', $browser->get(rp('/fcp/high/x'), @xhr) ], [ 'POST', $browser->post(rp('/fcp/high/x'), [ [ a => 1 ] ]) ],
        [ 'auth_oidc_unauth 401', $browser->get(rp('/fcp/high/401/x')) ])
    {
        my ($what, $answer) = @$case;
        is($answer->status, 401, "$what: 401");
        is($answer->header('www-authenticate'), $challenge, '... RFC 9470');
        is(scalar(@{ $answer->{set_cookies} }), 0, '... no cookie');
        like($answer->header('cache-control'), qr/no-store/, '... never cached');
        unlike($answer->{body}, qr/"headers"/, '... nothing of the application');
    }
    like(browser()->get(rp('/fcp/high/x'), @xhr)->header('www-authenticate'), qr/login required/, 'without a session it is a login that is missing');
};

subtest 'inheritance' => sub {
    my ($browser) = citizen();
    is($browser->get(rp('/fcp/high/inner/x'))->status, 302, 'a nested location inherits');
    is($browser->get(rp('/fcp/high/off/x'))->status, 200, 'off ends it');
    is($browser->get(rp('/fcp/high/lower/x'))->status, 200, 'another level replaces it');
};

subtest 'the first login is on the page of eidas3' => sub {
    $op{franceconnect_plus}->reset;
    my $browser = browser();
    my $page = $browser->navigate(rp('/fcp/high/x?y=1'));
    is($page->status, 200, 'arrives');
    is($page->json->{uri}, '/fcp/high/x?y=1', '... there');
    is($page->seen('x-acr'), 'eidas3', '... at eidas3');
    like($browser->{hops}[0][3], qr/[?&]acr_values=eidas3(?:&|$)/, 'eidas3 was asked for at once');
    is($op{franceconnect_plus}->count('token'), 1, '... by one login');
    is($browser->get(rp('/fcp/x'))->status, 200, 'the other pages are open');
    $op{franceconnect_plus}->control(acr => 'eidas2');
    my $weak = browser();
    is($weak->navigate(rp('/fcp/high/x'))->status, 403, 'a first login at a lower level is refused');
    ok(!$weak->cookie(rp('/'), $cookie), '... without a session');
    $op{franceconnect_plus}->reset;
};

for my $order ([ 0, 1 ], [ 1, 0 ]) {
    subtest "two tabs, in the order @$order" => sub {
        my ($browser, $page) = citizen();
        my @start = map { $browser->get(rp($_)) } '/fcp/high/one?x=1', '/fcp/high/two?y=2';
        my @paths = ('/fcp/high/one?x=1', '/fcp/high/two?y=2');
        for my $tab (@$order) {
            my $arrived = $browser->navigate($start[$tab]{location});
            is($arrived->status, 200, "tab $tab arrives") or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
            is(($arrived->json || {})->{uri}, $paths[$tab], '... at its own page');
            is($arrived->seen('x-acr'), 'eidas3', '... at eidas3');
            is($arrived->seen('x-expires'), $page->seen('x-expires'), '... with the old expiry');
        }
        ok(!$browser->cookie(rp('/'), qr/LOGIN/), 'no login cookie is left');
    };
}

subtest 'with the pages of FranceConnect+' => sub {
    $op{franceconnect_plus}->reset(auto => undef);
    my $browser = browser();
    my $pages = sub { return join ' ', map { $_->[0] eq 'POST' && $_->[1] =~ m{/interaction/[^/]+/(\w+)$} ? $1 : () } @{ $browser->{hops} } };
    is($browser->navigate(rp('/fcp/x'), forms => { identity => 'angela' })->seen('x-acr'), 'eidas2', 'a login');
    is($browser->navigate(rp('/fcp/high/x'), forms => { identity => 'minimal' })->status, 403, 'somebody else at the login page of eidas3');
    is($pages->(), 'login consent', '... which is there: being known at eidas2 is not enough');
    is($browser->navigate(rp('/fcp/high/x'), forms => { identity => 'angela' })->seen('x-acr'), 'eidas3', 'the person');
    $op{franceconnect_plus}->reset;
};

subtest 'a page that needs a scope leaves the level as it is' => sub {
    my $browser = browser();
    $browser->navigate(rp('/fcp/high/x'));
    is($browser->get(rp('/fcp/email/x'))->args->{acr_values}, 'eidas3', 'eidas3 is asked for again');
    is($browser->navigate(rp('/fcp/email/x'))->seen('x-acr'), 'eidas3', '... and kept');
    is($browser->get(rp('/fcp/high/x'))->status, 200, '... the page of eidas3 is open');
};

subtest 'another person logged in while the first was away' => sub {
    my ($browser) = citizen();
    my $back = $browser->navigate(rp('/fcp/high/x'), until => $callback)->{next};
    $browser->forget_cookies(qr/SESSION/);
    $op{franceconnect_plus}->reset(auto => 'minimal');
    my $page = $browser->navigate(rp('/fcp/x'));
    my $id = session_id($browser);
    $nginx->mark;
    is($browser->navigate($back)->status, 403, 'the first does not become the second');
    is(join(' ', $nginx->reasons), 'subject_changed', '... subject_changed');
    kept($browser, $page, $id);
    $op{franceconnect_plus}->reset;
};

subtest 'the session ended while the person was away' => sub {
    my ($browser) = citizen();
    my $back = $browser->navigate(rp('/fcp/high/x'), until => $callback)->{next};
    $browser->forget_cookies(qr/SESSION/);
    my $page = $browser->navigate($back);
    is($page->status, 200, 'it was a login, then');
    is($page->seen('x-acr'), 'eidas3', '... at the level that was asked for');
};

subtest 'the session is logged out while the answer is on its way' => sub {
    my ($browser) = citizen();
    my $back = $browser->navigate(rp('/fcp/high/x'), until => $callback)->{next};
    my $other_tab = $browser->clone;
    my $before = $op{franceconnect_plus}->count('token');
    $op{franceconnect_plus}->control(delay => { token => 3000 });
    $nginx->mark;
    my $pending = $browser->begin(GET => $back);
    ok(until_true(5, sub { $op{franceconnect_plus}->count('token') > $before }), 'the code is being brought');
    is($other_tab->get(rp('/fcp/logout'))->status, 302, '... and in another tab the person logs out');
    my $answer = $pending->response;
    is($answer->{location}, rp('/fcp/high/x'), 'the answer leads to its page, where a login begins');
    is(join(' ', $nginx->reasons), 'login_required', '... login_required');
    is(scalar(grep { /SESSION/ && !/Max-Age=0/ } @{ $answer->{set_cookies} }), 0, '... no session begins');
    is($_->get(rp('/fcp/x'))->status, 302, '... and none goes on') for $browser, $other_tab;
    $op{franceconnect_plus}->reset;
};

# ---- ProConnect: two orders of levels, asked for as an essential claim

sub essential { my $level = shift; return { id_token => { acr => { essential => JSON::PP::true, values => [$level] }, amr => undef } } }

sub agent
{
    my $browser = browser();
    my $page = $browser->navigate(rp('/pc/x'));
    is($page->seen('x-acr'), 'eidas1', 'ProConnect: a session at eidas1') or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
    is_deeply(json()->decode(OIDC::Browser::unescape($browser->{hops}[0][3] =~ /[?&]claims=([^&]+)/ ? $1 : 'null')), { id_token => { amr => undef, acr => undef } },
        '... without a level, with the configured claims');
    return $browser;
}

# level => what it is enough for
my %enough = (
    eidas1       => [qw(eidas0 eidas1)],
    eidas2       => [qw(eidas0 eidas1 eidas2)],
    eidas3       => [qw(eidas0 eidas1 eidas2 eidas3)],
    'eidas0-mfa' => [qw(eidas0-mfa)],
    'eidas1-mfa' => [qw(eidas0-mfa eidas1-mfa)],
    url          => [qw(url)],
);
for my $name (sort keys %enough) {
    subtest "ProConnect: $name" => sub {
        my $browser = agent();
        if ($name ne 'eidas1') {
            my $answer = $browser->get(rp("/pc/$name/x?y=1"));
            is($answer->status, 302, 'sent back');
            my $args = $answer->args;
            is_deeply(json()->decode($args->{claims} // 'null'), essential($level{$name}), '... for that level as an essential claim, with the configured claims');
            is($args->{acr_values}, undef, '... instead of acr_values');
            is(scalar(() = $answer->{location} =~ /[?&]claims=/g), 1, '... one parameter');
            is($args->{code_challenge_method}, 'S256', '... with PKCE');
            my $page = $browser->navigate($answer->{location});
            is($page->status, 200, 'arrives') or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
            is($page->seen('x-acr'), $level{$name}, '... at that level');
            is(($page->json || {})->{uri}, "/pc/$name/x?y=1", '... at the page');
        }
        my %open = map { $_ => 1 } @{ $enough{$name} };
        is($browser->get(rp("/pc/$_/x"))->status, $open{$_} ? 200 : 302, ($open{$_} ? 'enough' : 'not enough') . " for $_") for sort keys %level;
    };
}

subtest 'ProConnect: eidas0, and a first login' => sub {
    my $browser = browser();
    my $page = $browser->navigate(rp('/pc/eidas0/x'));
    is($page->seen('x-acr'), 'eidas0', 'a first login at eidas0');
    my ($claims) = $browser->{hops}[0][3] =~ /[?&]claims=([^&]+)/;
    is_deeply(json()->decode(OIDC::Browser::unescape($claims // 'null')), essential('eidas0'), '... as an essential claim, too');
    is($browser->get(rp("/pc/$_/x"))->status, $_ eq 'eidas0' ? 200 : 302, $_) for sort keys %level;
};

subtest 'ProConnect: the level cannot be had' => sub {
    my $browser = agent();
    $op{proconnect}->control(acr => 'eidas1');
    $nginx->mark;
    my $refused = $browser->navigate(rp('/pc/eidas2/x'));
    is($refused->status, 403, 'status 403');
    is(join(' ', $nginx->reasons), 'login_cancelled', '... access_denied, says ProConnect');
    is($browser->get(rp('/pc/x'))->status, 200, '... the session stays');
    $op{proconnect}->control(acr => undef);
};

subtest 'ProConnect: five in a few seconds' => sub {
    my $browser = agent();
    for my $name (qw(eidas1-mfa eidas2 eidas0-mfa url eidas3)) {
        my $page = $browser->navigate(rp("/pc/$name/x"));
        is($page->status, 200, $name) or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
    }
    $op{proconnect}->revoke;
    $browser->forget_cookies(qr/SESSION/);
    is($browser->navigate(rp('/pc/eidas2/x'))->status, 400, 'and yet a browser that keeps no session is told so');
};

subtest 'ProConnect: a page that needs a scope leaves the level as it is' => sub {
    my $browser = agent();
    $browser->navigate(rp('/pc/eidas3/x'));
    my $args = $browser->get(rp('/pc/email/x'))->args;
    is($args->{acr_values}, 'eidas3', 'it is asked for again');
    is($browser->navigate(rp('/pc/email/x'))->seen('x-acr'), 'eidas3', '... and kept');
    $op{proconnect}->reset(auto => 'agent');
    $args = $browser->get(rp('/pc/both/x'))->args;
    is_deeply(json()->decode($args->{claims} // 'null'), essential('eidas3'), 'a page that needs both asks for the level of the session');
    is($args->{scope}, 'openid uid', '... and the scope');
    is($browser->navigate(rp('/pc/both/x'))->seen('x-acr'), 'eidas3', '... and gets them');
    is($op{proconnect}->count('token'), 1, '... in one go');
    $op{proconnect}->reset(auto => 'agent');
    my $first = browser();
    my $page = $first->navigate(rp('/pc/both/x'));
    is($page->seen('x-acr'), 'eidas1-mfa', 'without a session: the first of several levels that will do');
    is($op{proconnect}->count('token'), 1, '... in one go');
};

subtest 'ProConnect: acr_values of one order, a page of the other' => sub {
    $op{proconnect}->reset(auto => 'agent');
    my $browser = browser();
    is($browser->navigate(rp('/pcmixed/x'))->seen('x-acr'), 'eidas1', 'a login');
    is($browser->navigate(rp('/pcmixed/two/x'))->seen('x-acr'), 'eidas2', 'a higher level of the same order');
    is($browser->get(rp('/pcmixed/x'))->status, 200, '... is enough for the other pages');
    is($browser->navigate(rp('/pcmixed/mfa/x'))->seen('x-acr'), 'eidas0-mfa', 'a level of the other order');
    is($browser->get(rp('/pcmixed/x'), @xhr)->header('www-authenticate'),
        'Bearer error="insufficient_user_authentication", acr_values="eidas1"', '... is not: a script is told so');
    my $answer = $browser->get(rp('/pcmixed/x'));
    is($answer->status, 302, '... a person is sent back');
    is($answer->args->{acr_values}, 'eidas1', '... for acr_values');
    is($answer->args->{claims}, undef, '... as at a login');
    my $page = $browser->navigate($answer->{location});
    is($page->status, 200, '... arrives') or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
    is($page->seen('x-acr'), 'eidas1', '... at that level');
    is($browser->get(rp('/pcmixed/mfa/x'))->status, 302, '... which is not enough for the page of the other order');
    $op{proconnect}->reset(auto => 'agent');
    my $first = browser();
    is($first->navigate(rp('/pcmixed/mfa/x'))->seen('x-acr'), 'eidas0-mfa', 'a first login at the other level');
    is($first->navigate(rp('/pcmixed/x'))->seen('x-acr'), 'eidas1', '... then at acr_values');
    is($op{proconnect}->count('token'), 2, '... each in one go');
};

# ---- Any provider: acr_values in ascending order

subtest 'generic: acr_values are an order' => sub {
    $op{generic}->reset;
    my $browser = browser();
    is($browser->navigate(rp('/op/x'))->seen('x-acr'), '1', 'a login at the first level');
    is($browser->{hops}[0][3] =~ /[?&]acr_values=([^&]+)/ ? $1 : '', '1%202', '... of those asked for');
    my $page = $browser->navigate(rp('/op/high/x'));
    is($page->seen('x-acr'), '2', 'the higher one where it is wanted');
    is($browser->{hops}[0][3] =~ /[?&]acr_values=([^&]+)/ ? $1 : '', '2', '... alone');
    unlike($browser->{hops}[0][3], qr/[?&]claims=/, '... without claims');

    $op{generic}->reset(acr => '1');
    my $weak = browser();
    $weak->navigate(rp('/op/x'));
    my $refused = $weak->navigate(rp('/op/high/x'));
    is($refused->status, 403, 'a lower answer') or diag explain $weak->{hops};
    is($refused->seen('x-error'), 'id_token_acr', '... the page of error_uri, although it needs the higher level itself');
    is($op{generic}->count('token'), 2, '... no loop');
    is($weak->get(rp('/op/x'))->status, 200, '... the session stays');
};

# ---- nginx -t

sub configured
{
    my ($locations) = @_;
    return nginx_t("%%globals%%\nevents { worker_connections 256; }\nhttp {\n%%http%%\n$providers\nserver {\nlisten %%listen%%;\nserver_name rp.localhost;\n%%tls%%\n$locations\n}\n}\n",
        %values);
}
sub accepted { my ($locations, $what) = @_; my ($ok, $output) = configured($locations); ok($ok, "accepted: $what") or diag $output; return }
sub refused { my ($locations, $sentence) = @_; my ($ok, $output) = configured($locations); ok(!$ok, 'refused'); like($output, qr/\[emerg\].*\Q$sentence\E.*:\d+$/m, "... $sentence"); return }

subtest 'nginx -t' => sub {
    accepted('auth_oidc_acr eidas3; location / { auth_oidc fcp; }', 'at server level');
    accepted('auth_oidc fcp; auth_oidc_acr eidas2 eidas3; location /a/ { auth_oidc_acr off; auth_oidc_unauth pass; }', 'several levels; off beside pass');
    accepted('auth_oidc op; auth_oidc_acr urn:example:gold;', 'any level of a provider that has no list');
    accepted("auth_oidc pc; auth_oidc_acr $url_level;", 'a level that is a URL');
    refused('auth_oidc fcp; auth_oidc_acr eidas1;', 'auth_oidc_acr: FranceConnect+ has no level "eidas1"');
    refused('auth_oidc pc; auth_oidc_acr eidas4;', 'auth_oidc_acr: ProConnect has no level "eidas4"');
    refused('auth_oidc_acr eidas4; location / { auth_oidc pc; }', 'auth_oidc_acr: ProConnect has no level "eidas4"');
    refused('auth_oidc fcp; auth_oidc_acr eidas3; auth_oidc_unauth pass;', 'auth_oidc_unauth pass');
    refused('auth_oidc fcp; auth_oidc_acr eidas3; location / { auth_oidc_unauth pass; }', 'auth_oidc_unauth pass');
    refused('auth_oidc fcp; auth_oidc_acr eidas3; auth_oidc_acr eidas2;', 'the directive is written twice');
    refused('auth_oidc fcp; auth_oidc_acr "eidas3 eidas2";', 'is no plain word; write the words one by one');
    refused('auth_oidc fcp; auth_oidc_acr $arg_level;', 'is no plain word; write the words one by one');
};

log_ok();
done_testing();
