# What a login tells the provider beyond the standard parameters: hints, prompt, claims; a silent login; the sector's document.
use lib 't/lib', 'lib';
use OIDC::Test;

my $pc = start_provider('proconnect');
my $fc = start_provider('franceconnect', client => [ { client_id => 'fc-sector', redirect_uris => [ rp('/franceconnect/callback') ] } ]);
my $generic = start_provider('generic');
my $app = app();
my $pro = sub {
    my ($name, $more) = @_;
    return <<"NGINX";
    oidc_provider $name {
        profile proconnect; issuer %%pc%%/api/v2; client_id pc-es256; client_secret %%secret:pc-es256%%; scope openid given_name email;
        redirect_uri /proconnect/callback; ssl_trusted_certificate %%ca%%; session_store sessions; state_timeout 30m;
        $more
    }
NGINX
};
my %blocks = (
    hinted => 'login_hint $http_x_mail; siret_hint $http_x_siret; idp_hint $http_x_idp; prompt $http_x_prompt; login_uri /login_hinted;',
    fixed  => 'login_hint jean@ministere.gouv.fr; siret_hint 13002526500013; idp_hint idp-exemple; prompt login consent;',
    plain  => '',
    silent => 'prompt none;',
    essential => q(claims '{"id_token":{"amr":{"essential":true}}}';),
);
my $blocks = join '', map { $pro->($_, $blocks{$_}) } sort keys %blocks;
my $locations = join '', map {"        location /$_/ { auth_oidc $_; proxy_pass http://127.0.0.1:%%app%%; }\n"} sort keys %blocks;
my $nginx = nginx(<<"NGINX", pc => $pc, fc => $fc, generic => $generic, app => $app, second => free_port(), closed => free_port());
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    oidc_session_zone zone=sessions:1m;
$blocks
    oidc_provider away {
        profile proconnect; issuer https://127.0.0.1:%%closed%%/api/v2; client_id pc-es256; client_secret %%secret:pc-es256%%; scope openid;
        redirect_uri /away/callback; ssl_trusted_certificate %%ca%%; session_store sessions; login_hint \$http_x_mail;
    }
    oidc_provider sector {
        profile franceconnect; issuer %%fc%%/api/v2; client_id fc-sector; client_secret %%secret:fc-sector%%;
        redirect_uri /franceconnect/callback; ssl_trusted_certificate %%ca%%; session_store sessions;
        sector_identifier_uri /oidc_sector;
    }
    oidc_provider mate {
        issuer %%generic%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%;
        redirect_uri /generic/callback; ssl_trusted_certificate %%ca%%; session_store sessions;
        sector_identifier_uri /oidc_sector;
    }
    oidc_provider elsewhere {
        issuer %%generic%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%;
        redirect_uri https://www.example.fr/back; ssl_trusted_certificate %%ca%%; session_store sessions;
        sector_identifier_uri /oidc_sector;
    }
    oidc_provider stranger {
        issuer %%generic%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%;
        redirect_uri /stranger; ssl_trusted_certificate %%ca%%; session_store sessions;
        sector_identifier_uri /oidc_sector;
    }

    server {
        listen      %%listen%%;
        server_name rp.localhost app.localhost *.wild.localhost;
        %%tls%%
        proxy_set_header X-Sub \$oidc_claim_sub;
        proxy_set_header X-Amr \$oidc_claim_amr;
$locations
        location /quiet/     { auth_oidc plain; auth_oidc_args prompt=none; proxy_pass http://127.0.0.1:%%app%%; }
        location /away/      { auth_oidc away;      proxy_pass http://127.0.0.1:%%app%%; }
        location /sector/    { auth_oidc sector;    proxy_pass http://127.0.0.1:%%app%%; }
        location /mate/      { auth_oidc mate;      proxy_pass http://127.0.0.1:%%app%%; }
        location /elsewhere/ { auth_oidc elsewhere; proxy_pass http://127.0.0.1:%%app%%; }
        location = /oidc_sector { auth_oidc mate; root /nowhere; }
    }
    server {
        listen      127.0.0.1:%%second%% ssl;
        server_name other.localhost;
        %%tls%%
        location / { auth_oidc stranger; proxy_pass http://127.0.0.1:%%app%%; }
    }
}
NGINX

# The arguments of the authorization URL of a first request; `x` are headers.
sub args { my ($path, %x) = @_; return browser(headers => [ map { ("X-$_" => $x{$_}) } sort keys %x ])->get(rp($path))->args }

subtest 'hints reach ProConnect' => sub {
    $pc->reset;
    my $args = args('/fixed/x');
    is($args->{login_hint}, 'jean@ministere.gouv.fr', 'login_hint');
    is($args->{siret_hint}, '13002526500013', 'siret_hint');
    is($args->{idp_hint}, 'idp-exemple', 'idp_hint');
    is($args->{prompt}, 'login consent', 'prompt');
    $args = args('/hinted/x', Mail => 'marie@ville.fr', Siret => '11007001800012', Idp => 'idp-ministere', Prompt => 'login');
    is("@$args{qw(login_hint siret_hint idp_hint prompt)}", 'marie@ville.fr 11007001800012 idp-ministere login', 'of variables');
    $args = args('/hinted/x');
    is(join(' ', grep { exists $args->{$_} } qw(login_hint siret_hint idp_hint prompt)), '', 'empty ones are not sent');
    is(args('/login_hinted?return=/hinted/y', Mail => 'a@b.fr')->{login_hint}, 'a@b.fr', 'login_uri sends them, too');
    my $browser = browser(headers => [ 'X-Mail' => 'marie@ville.fr', 'X-Siret' => '11007001800012', 'X-Idp' => 'idp-ministere' ]);
    is($browser->navigate(rp('/hinted/x'))->status, 200, 'the login works');
    my ($request) = grep { ($_->{query}{login_hint} // '') eq 'marie@ville.fr' } $pc->requests('/authorize');
    ok($request, 'ProConnect has seen it') or diag explain [ $pc->requests('/authorize') ];
};

subtest 'a hint that ProConnect would refuse is left out' => sub {
    for (
        [ Mail => login_hint => 'jean' ], [ Mail => login_hint => 'a@b' ], [ Mail => login_hint => 'a b@c.fr' ], [ Mail => login_hint => 'a@b@c.fr' ],
        [ Siret => siret_hint => '1300252650001' ], [ Siret => siret_hint => '1300252650001X' ], [ Siret => siret_hint => '130025265000130' ],
        [ Prompt => prompt => 'select_account' ],
        )
    {
        my ($header, $name, $value) = @$_;
        $pc->reset;
        $nginx->mark;
        my $browser = browser(headers => [ "X-$header" => $value, $header eq 'Mail' ? () : ('X-Mail' => 'good@ville.fr') ]);
        my $r = $browser->navigate(rp('/hinted/x'));
        is($r->status, 200, "$name '$value': the login goes on");
        my ($first) = grep { $_->[1] =~ /\Q$app\E|hinted/ } @{ $browser->{hops} };
        my %sent = map { $_ => 1 } $first->[3] =~ /[?&]([a-z_]+)=/g;
        ok(!$sent{$name}, '... without it');
        is($sent{login_hint} ? 1 : 0, $header eq 'Mail' ? 0 : 1, '... with the others');
        is(join(' ', $nginx->reasons), 'argument_refused', '... one line of log');
        my $log = $nginx->log_text($nginx->{mark});
        like($log, qr/argument_refused: provider "hinted": $name: not sent: ProConnect wants $name to be /, '... that says why');
        unlike($log, qr/(?:: |")\Q$value\E/, '... and not the value');
    }
    $nginx->mark;
    is(browser(headers => [ 'X-Mail' => 'jean' ])->get(rp('/away/x'))->status, 502, 'a login that waited for its provider in vain');
    is((grep { $_ eq 'argument_refused' } $nginx->reasons), 1, '... tells of it once, too');
};

subtest 'nginx -t' => sub {
    my $conf = sub {
        my ($kind, $line) = @_;
        return "%%globals%%\nevents {}\nhttp { %%http%%\noidc_provider p { profile $kind; client_id c; client_secret "
            . '0123456789abcdef' x 4 . "; $line }\nserver { listen 127.0.0.1:%%port%%; server_name rp.localhost; location / { auth_oidc p; } } }\n";
    };
    for (
        [ proconnect => 'siret_hint 123;', qr/siret_hint: ProConnect wants siret_hint to be 14 digits/ ],
        [ proconnect => 'login_hint jean;', qr/login_hint: ProConnect wants login_hint to be an e-mail address/ ],
        [ proconnect => 'prompt select_account;', qr/prompt: ProConnect wants prompt to be login, consent or none/ ],
        [ proconnect => 'auth_args display page;', qr/ProConnect does not know the parameter "display"/ ],
        [ proconnect => q(claims '{"id_token":';), qr/claims: .* JSON/ ],
        [ franceconnect => 'siret_hint 13002526500013;', qr/FranceConnect does not know the parameter "siret_hint"/ ],
        [ franceconnect => 'siret_hint $arg_siret;', qr/FranceConnect does not know the parameter "siret_hint"/ ],
        [ franceconnect => 'login_hint $arg_mail;', qr/FranceConnect does not know the parameter "login_hint"/ ],
        [ franceconnect => 'prompt none;', qr/FranceConnect wants prompt to be/ ],
        )
    {
        my ($kind, $line, $message) = @$_;
        my ($ok, $output) = nginx_t($conf->($kind, $line));
        ok(!$ok, "$kind: $line is refused");
        like($output, $message, '... with the reason');
    }
    my ($ok, $output) = nginx_t($conf->(proconnect => 'siret_hint $arg_siret; login_hint $arg_mail; idp_hint x; prompt none;'));
    ok($ok, 'variables are judged when they have a value') or diag $output;
};

subtest 'prompt=none without a session at ProConnect' => sub {
    $pc->reset(auto => '');
    for my $path ('/silent/page', '/quiet/page', '/hinted/page') {
        $nginx->mark;
        my $browser = browser(headers => [ 'X-Prompt' => 'none', 'Accept-Language' => 'fr' ]);
        is($browser->get(rp($path))->args->{prompt}, 'none', "$path: prompt=none is sent");
        my $r = $browser->navigate(rp($path));
        is($r->status, 403, '... and comes back');
        like($r->{url}, qr{^\Q@{[rp('/proconnect/callback')]}\E}, '... to us, without a page of the provider');
        like($r->{body}, qr/Vous n’êtes pas connecté|Vous n\xe2\x80\x99\xc3\xaates pas connect/, 'a calm page');
        unlike($r->{body}, qr/<small>/, '... without a reference');
        like($r->{body}, qr/<a href="\Q$path\E">/, '... and a link to try again');
        is(join(' ', $nginx->reasons), 'login_required', 'one line of log');
        unlike($nginx->log_text($nginx->{mark}), qr/\[error\]/, '... that is no error');
        ok(!$browser->cookie(rp('/'), qr/SESSION/), 'no session');
    }
    my $english = browser(headers => [ 'Accept-Language' => 'en' ])->navigate(rp('/silent/page'));
    like($english->{body}, qr/You are not logged in/, 'in English, too');
};

subtest 'prompt=none with a session at ProConnect' => sub {
    $pc->reset(auto => '');
    my $browser = browser();
    my $first = $browser->navigate(rp('/plain/x'), forms => { identity => 'agent' });
    is($first->status, 200, 'a person logs in at one service');
    my $r = $browser->navigate(rp('/silent/x'));
    is($r->status, 200, 'the other logs in without a page');
    is($r->seen('x-sub'), $first->seen('x-sub'), '... the same person');
    is(scalar(grep { $_->[2] == 200 } @{ $browser->{hops} }), 1, '... nothing was shown on the way');
};

subtest 'claims with an essential amr' => sub {
    $pc->reset;
    my $claims = args('/essential/x')->{claims};
    is_deeply(json()->decode($claims), { id_token => { amr => { essential => JSON::PP::true } } }, 'sent as it is');
    my $with = browser()->navigate(rp('/essential/x'));
    is($with->status, 200, 'the login works');
    is($with->seen('x-amr'), '["fc","pwd"]', '$oidc_claim_amr');
    is(browser()->navigate(rp('/plain/x'))->seen('x-amr') // '', '', 'unasked there is none');
};

subtest 'sector_identifier_uri' => sub {
    $fc->reset;
    my $r = browser()->get(rp('/oidc_sector'));
    is($r->status, 200, 'served, also where a login is required');
    is($r->header('content-type'), 'application/json', 'as JSON');
    is_deeply($r->{set_cookies}, [], 'without a cookie');
    my %uris = map { $_ => 1 } @{ $r->json };
    my $at_app = rp() =~ s/rp\.localhost/app.localhost/r;
    is_deeply([ sort keys %uris ], [ sort map({ my $host = $_; map {"$host$_"} '/franceconnect/callback', '/generic/callback' } rp(), $at_app), 'https://www.example.fr/back' ],
        'the redirect URIs of the three that this server uses, under each of its names');
    is(browser()->get("$at_app/oidc_sector")->{body} =~ tr/"//, $r->{body} =~ tr/"//, 'the same for every name');
    is(browser()->request(HEAD => rp('/oidc_sector'))->status, 200, 'HEAD');
    is(browser()->request(POST => rp('/oidc_sector'), body => '')->status, 405, 'POST');
    my $login = browser()->navigate(rp('/sector/x'));
    is($login->status, 200, 'a client registered with it logs in');
    cmp_ok($fc->fetches('/oidc_sector'), '>=', 1, 'FranceConnect has fetched it');
};

log_ok();
done_testing();
