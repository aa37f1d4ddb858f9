# Someone edits the authorization URL: the qualification's own test, at each provider. The login stops, nobody is logged in, and the
# person lands on the home page; where the tokens are genuine but another login's, the provider's session ends first.
use lib 't/lib', 'lib';
use OIDC::Test;
use MIME::Base64 qw();

my %op = map { $_ => start_provider($_) } qw(franceconnect franceconnect_plus proconnect generic);
my $app = app();
my $nginx = nginx(<<'NGINX', fc => $op{franceconnect}, fcp => $op{franceconnect_plus}, pc => $op{proconnect}, op => $op{generic}, app => $app);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    log_format events "$uri $status $oidc_event";

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
    }
    oidc_provider fcreject {
        profile                 franceconnect;
        issuer                  %%fc%%/api/v2;
        client_id               fc-rs256;
        client_secret           %%secret:fc-rs256%%;
        redirect_uri            /oidc_callback_franceconnect;
        ssl_trusted_certificate %%ca%%;
        tamper_action           reject;
        logout_uri              /fcreject/logout;
        post_logout_uri         /logged_out_franceconnect;
    }
    oidc_provider fcelse {
        profile                 franceconnect;
        issuer                  %%fc%%/api/v2;
        client_id               fc-es256;
        client_secret           %%secret:fc-es256%%;
        ssl_trusted_certificate %%ca%%;
        tamper_action           provider_logout /elsewhere;
        state_timeout           5s;
        logout_uri              /fcelse/logout;
        post_logout_uri         /logged_out;
    }
    oidc_provider pcloop {
        profile                 proconnect;
        issuer                  %%pc%%/api/v2;
        client_id               pc-es256;
        client_secret           %%secret:pc-es256%%;
        redirect_uri            /oidc_callback_proconnect;
        ssl_trusted_certificate %%ca%%;
        tamper_action           provider_logout /pcloop/page;
        logout_uri              /pcloop/logout;
        post_logout_uri         /logged_out_proconnect;
    }
    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        redirect_uri            /generic/callback;
        ssl_trusted_certificate %%ca%%;
        userinfo                on;
        logout_uri              /generic/logout;
        post_logout_uri         /generic/logged_out;
    }
    oidc_provider oplogout {
        issuer                  %%op%%/api/v2;
        client_id               generic-jwt;
        client_secret           %%secret:generic-jwt%%;
        redirect_uri            /oidc_callback_generic;
        ssl_trusted_certificate %%ca%%;
        userinfo                on;
        tamper_action           provider_logout /elsewhere;
        logout_state            on;
        logout_uri              /oplogout/logout;
        post_logout_uri         /logged_out_generic;
    }

    map $uri $provider {
        ~^/(?<first>\w+)/ $first;
        default           "";
    }

    server {
        listen      %%listen%%;
        server_name rp.localhost;
        access_log  %%dir%%/events.log events;
        %%tls%%
        location / {
            auth_oidc $provider;
            proxy_pass http://127.0.0.1:%%app%%;
            proxy_set_header X-Acr $oidc_acr;
            proxy_set_header X-Sub $oidc_claim_sub;
        }
        location /fcp/strong/ {
            auth_oidc fcp;
            auth_oidc_acr eidas3;
            proxy_pass http://127.0.0.1:%%app%%;
        }
        location = /          { auth_oidc off; return 200 "home"; }
        location = /elsewhere { auth_oidc off; return 200 "elsewhere"; }
        location = /bye       { auth_oidc off; return 200 "bye"; }
    }
}
NGINX

my %row = (fc => 'franceconnect', fcp => 'franceconnect_plus', pc => 'proconnect', pcloop => 'proconnect', fcreject => 'franceconnect', fcelse => 'franceconnect', op => 'generic', oplogout => 'generic');
my $callback = qr{^https://rp\.localhost:\d+/(?:\w+/callback|oidc_callback\w*)\?};
my $other = 'Tampered' . 'x' x 35;

sub provider { return $op{ $row{ $_[0] } } }
# Whether the access log comes to say so of a callback: it is written behind the answer.
my $told = 0;
sub event_is
{
    my ($next, $expected) = @_;
    my ($path) = $next =~ m{^https://[^/]*([^?]*)};
    my $log = dir() . '/events.log';
    my $found = until_true(3, sub { substr(read_file($log), $told) =~ /^\Q$path $expected\E$/m });
    $told = -s $log;
    return ok($found, "... the event: $expected");
}

# The way to the callback: a person with pages, the authorization URL edited on the way.
sub to_callback
{
    my ($browser, $name, $edit, $path) = @_;
    my $url = $browser->get(rp($path || "/$name/page"))->{location};
    $edit->() for $url;
    my $end = $browser->navigate($url, forms => { identity => 'angela' }, until => $callback);
    $nginx->mark;
    return $end->{next};
}
sub edited { my ($name) = @_; return sub {s/([?&]$name=)\w+/$1$other/ or die "no $name in $_"} }

# Whether the provider knows the browser no more: it asks who is there.
sub asks_who { my ($browser, $name) = @_; return $browser->clone->navigate(rp("/$name/page"), until => $callback)->{body} =~ /name="identity"/ ? 1 : 0 }
sub no_cookie { my ($browser) = @_; return ok(!$browser->cookie(rp('/'), qr/SESSION/), '... no session cookie') }
sub no_session { my ($browser, $name) = @_; no_cookie($browser); return is($browser->get(rp("/$name/page"))->status, 302, '... no session') }

# Tokens that are genuine and another login's: the provider's session ends, with this token, and the browser comes back to `page`.
sub turned_away
{
    my ($browser, $name, $next, $reason, $page) = @_;
    my $provider = provider($name);
    my $answer = $browser->get($next);
    is($answer->status, 302, "$name: stopped");
    like($answer->{location} // '', qr{^\Q$provider->{origin}\E/api/v2/session/end\?}, '... by way of end_session');
    my $hint = $answer->args->{id_token_hint} // '';
    my ($header, $claims) = map { eval { json()->decode(MIME::Base64::decode_base64url($_)) } } (split /\./, $hint)[ 0, 1 ];
    is(scalar(() = $hint =~ /\./g), 2, '... the hint is a signed token, nothing encrypted');
    is($claims->{nonce}, $other, '... the one that was just verified') if $reason eq 'id_token_nonce';
    is($claims->{iss}, $provider->issuer, '... of this provider');
    like($answer->args->{state} // '', qr/^[A-Za-z0-9]{43}$/, '... with a state');
    ok(!$browser->cookie(rp('/'), qr/SESSION/), '... no session cookie');
    is(join(' ', $nginx->reasons), $reason, "... one line: $reason");
    event_is($next, "302 $reason");

    my $back = $answer->args->{post_logout_redirect_uri};
    my $return = $browser->navigate($answer->{location}, forms => 1, until => qr/^\Q$back\E/)->{next};
    like($return // '', qr/[?&]state=\Q@{[ $answer->args->{state} ]}\E$/, '... the state comes back');
    my $fresh = $browser->clone;
    is(browser()->get($return)->status, 400, '... nobody else can return with it');
    is($browser->get("$back?state=$other")->status, 400, '... nor with another state');
    my $end = $browser->navigate($return);
    is($end->{url}, rp($page), "... the person lands on $page");
    is($end->status, 200, '... which is shown');
    is(scalar(grep { $_->[1] =~ m{/authorize} } @{ $browser->{hops} }), 0, '... no login begins by itself');
    is($fresh->get($return)->status, 400, '... and the state is good once');
    return;
}

for my $name (qw(fc fcp pc)) {
    subtest "$name: the state is edited" => sub {
        provider($name)->reset(auto => '');
        my $browser = browser();
        my $next = to_callback($browser, $name, edited('state'));
        like($next, qr/state=$other/, 'the provider returns what it got');
        my $end = $browser->navigate($next);
        is($end->{url}, rp('/'), 'the person lands on the home page');
        is($end->{body}, 'home', '... which is shown');
        is(scalar @{ $browser->{hops} }, 2, '... at once: no login begins by itself, nobody is logged out');
        is(join(' ', $nginx->reasons), 'state_unknown', 'state_unknown');
        event_is($next, '302 state_unknown');
        is(provider($name)->count('token'), 0, 'the code is not brought');
        is(asks_who($browser, $name), 0, 'the provider still knows the person');
        no_session($browser, $name);
    };

    subtest "$name: the nonce is edited" => sub {
        provider($name)->reset(auto => '');
        my $browser = browser();
        my $next = to_callback($browser, $name, edited('nonce'));
        turned_away($browser, $name, $next, id_token_nonce => '/');
        is(asks_who($browser, $name), 1, 'the provider knows nobody any more');
        no_session($browser, $name);
    };

    subtest "$name: UserInfo of another person" => sub {
        provider($name)->reset(auto => '', userinfo => { set => { sub => 'another' } });
        my $browser = browser();
        my $next = to_callback($browser, $name, sub { });
        turned_away($browser, $name, $next, userinfo_subject => '/');
        is(asks_who($browser, $name), 1, 'the provider knows nobody any more');
        no_session($browser, $name);
    };

    subtest "$name: a bad signature" => sub {
        provider($name)->reset(auto => '', idToken => { signature => 'corrupt', set => { nonce => $other } });
        my $browser = browser();
        my $next = to_callback($browser, $name, sub { });
        my $answer = $browser->get($next);
        is($answer->status, 502, 'refused, no way to the provider');
        is(join(' ', $nginx->reasons), 'id_token_signature', 'id_token_signature');
        is(provider($name)->count('end_session'), 0, 'nobody is logged out');
        is(asks_who($browser, $name), 0, 'the provider still knows the person');
        no_session($browser, $name);
    };

    subtest "$name: a session that exists is kept" => sub {
        for my $case ([ 'state', edited('state'), {} ], [ 'nonce', edited('nonce'), {} ], [ 'sub', sub { }, { userinfo => { set => { sub => 'another' } } } ],
            [ 'signature', sub { }, { idToken => { signature => 'corrupt' } } ])
        {
            my ($what, $edit, $switches) = @$case;
            provider($name)->reset;
            my $browser = browser();
            my $url = $browser->get(rp("/$name/second"))->{location};
            is($browser->navigate(rp("/$name/page"))->status, 200, 'logged in, in another tab');
            my $session = $browser->cookie(rp('/'), qr/SESSION/)->{value};
            provider($name)->control(%$switches) if %$switches;
            $edit->() for $url;
            my $next = $browser->navigate($url, until => $callback)->{next};
            my $answer = $browser->get($next);
            ok(($answer->{location} // '') =~ m{/session/end\?} || $what !~ /nonce|sub/, "$what: the provider's logout");
            is($browser->cookie(rp('/'), qr/SESSION/)->{value}, $session, '... the cookie is the same');
            is($browser->get(rp("/$name/page"))->status, 200, '... and the session lives');
        }
    };
}

subtest 'tamper_action reject' => sub {
    for my $name (qw(fcreject op)) {
        for my $case ([ 'nonce', edited('nonce'), 'id_token_nonce', 403 ], [ 'state', edited('state'), 'state_unknown', 400 ], [ 'sub', sub { }, 'userinfo_subject', 403 ]) {
            my ($what, $edit, $reason, $status) = @$case;
            provider($name)->reset(auto => '', $what eq 'sub' ? (userinfo => { set => { sub => 'another' } }) : ());
            my $browser = browser();
            my $next = to_callback($browser, $name, $edit);
            my $answer = $browser->get($next);
            is($answer->status, $status, "$name, $what: refused");
            is(join(' ', $nginx->reasons), $reason, "... $reason");
            event_is($next, "$status $reason");
            is(provider($name)->count('end_session'), 0, '... no logout at the provider');
            is(asks_who($browser, $name), 0, '... which still knows the person');
            no_session($browser, $name);
        }
    }
};

subtest 'tamper_action provider_logout /elsewhere' => sub {
    for my $name (qw(fcelse oplogout)) {
        provider($name)->reset(auto => '');
        my $browser = browser();
        my $next = to_callback($browser, $name, edited('nonce'));
        turned_away($browser, $name, $next, id_token_nonce => '/elsewhere');
        is(asks_who($browser, $name), 1, 'the provider knows nobody any more');
        provider($name)->reset;
        $browser = browser();
        $next = to_callback($browser, $name, edited('state'));
        is($browser->get($next)->{location}, rp('/elsewhere'), "$name: an unknown state leads there, too");
    }
};

subtest 'a page of tamper_action that needs a login itself: the rounds end at a page' => sub {
    for my $case ([ 'state', { callback => { state => $other } }, 'state_unknown' ], [ 'nonce', { idToken => { set => { nonce => $other } } }, 'id_token_nonce' ],
        [ 'sub', { userinfo => { set => { sub => 'another' } } }, 'userinfo_subject' ])
    {
        my ($what, $switches, $reason) = @$case;
        provider('pcloop')->reset(%$switches);
        my $browser = browser();
        $nginx->mark;
        my $end = $browser->navigate(rp('/pcloop/page'), forms => 1, max => 60);
        is($end->{status}, 400, "$what: an error") or diag explain $browser->{hops};
        my $rounds = provider('pcloop')->count('authorize');
        cmp_ok($rounds, '<=', 4, "... after $rounds rounds");
        cmp_ok($rounds, '>=', 2, '... and not at once');
        is(join(' ', $nginx->reasons), join(' ', ($reason) x $rounds, 'login_loop'), '... login_loop');
        no_cookie($browser);
        provider('pcloop')->reset;
        is(browser()->navigate(rp('/pcloop/page'))->status, 200, '... another browser is not concerned');
    }
};

subtest 'a state that is old or used logs nobody out' => sub {
    provider('fcelse')->reset;
    my $browser = browser();
    my $next = to_callback($browser, 'fcelse', sub { });
    sleep 6;
    my $answer = $browser->get($next);
    is($answer->{location}, rp('/elsewhere'), 'expired: to the page');
    is(join(' ', $nginx->reasons), 'state_expired', 'state_expired');
    for my $name (qw(fc fcp pc)) {
        provider($name)->reset;
        $browser = browser();
        $next = to_callback($browser, $name, sub { });
        my $before = $browser->clone;
        is($browser->get($next)->{location}, rp("/$name/page"), "$name: logged in");
        $nginx->mark;
        $answer = $before->get($next);
        is($answer->{location}, rp('/'), '... replayed without the session: to the home page');
        is(join(' ', $nginx->reasons), 'state_replayed', '... state_replayed');
        is($before->get(rp('/'))->{body}, 'home', '... which is shown');
        no_session($before, $name);
        is($browser->get($next)->{location}, rp("/$name/page"), '... by the browser that has the session: to its page');
        is($browser->get(rp("/$name/page"))->status, 200, '... it is alive');
        is(provider($name)->count('end_session'), 0, '... no logout at the provider');
        is(provider($name)->count('token'), 1, '... one code was brought');
    }
    provider('op')->reset;
    $browser = browser();
    $next = to_callback($browser, 'op', sub { });
    my $before = $browser->clone;
    $browser->get($next);
    $answer = $before->navigate($next);
    is($answer->{url}, rp('/op/page'), 'generic: the login begins once more');
    is($answer->status, 200, '... and ends well');
};

subtest 'the state twice at the callback' => sub {
    for my $name (qw(fc fcp pc op)) {
        provider($name)->reset;
        my $browser = browser();
        my $next = to_callback($browser, $name, sub { });
        my ($state) = $next =~ /[?&](state=\w+)/;
        is($browser->get("$next&$state")->status, 400, "$name: refused");
        is(join(' ', $nginx->reasons), 'callback_malformed', '... callback_malformed');
        is(provider($name)->count('token') + provider($name)->count('end_session'), 0, '... the provider is not asked');
        no_session($browser, $name);
        is($browser->get($next)->{location}, rp("/$name/page"), '... the genuine answer still counts');
    }
};

subtest 'more for a session: another person is told so, nobody is logged out' => sub {
    provider('fcp')->reset;
    my $browser = browser();
    my $page = $browser->navigate(rp('/fcp/page'));
    is($page->seen('x-acr'), 'eidas2', 'logged in');
    my $sub = $page->seen('x-sub');
    for my $case ([ 'another person', sub { }, { person => 'abroad' }, 'subject_changed' ], [ 'the nonce edited', edited('nonce'), {}, 'id_token_nonce' ],
        [ 'UserInfo of another', sub { }, { userinfo => { set => { sub => 'another' } } }, 'userinfo_subject' ])
    {
        my ($what, $edit, $switches, $reason) = @$case;
        provider('fcp')->reset(%$switches);
        my $next = to_callback($browser, 'fcp', sub { like($_, qr/acr_values=eidas3/, 'more is asked for'); $edit->() }, '/fcp/strong/x');
        my $answer = $browser->get($next, headers => [ 'Accept-Language' => 'en' ]);
        is($answer->status, 403, "$what: refused");
        is(join(' ', $nginx->reasons), $reason, "... $reason");
        event_is($next, "403 $reason");
        like($answer->{body}, qr/Another person answered/, '... and told why') if $reason eq 'subject_changed';
        is(provider('fcp')->count('end_session'), 0, '... no logout at the provider');
        my $after = $browser->get(rp('/fcp/page'));
        is($after->seen('x-sub') . $after->seen('x-acr'), $sub . 'eidas2', '... the session stays as it was');
    }
    provider('fcp')->reset;
    is($browser->navigate(rp('/fcp/strong/x'))->status, 200, 'the same person gets there');
};

log_ok();
done_testing();
