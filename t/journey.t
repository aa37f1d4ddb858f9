# The whole journey with each provider and each algorithm: from a protected page through the provider and back to that page, whose
# application reads who came.
use lib 't/lib', 'lib';
use OIDC::Test;

my %op = map { $_ => start_provider($_) } qw(franceconnect franceconnect_plus proconnect generic);
my $app = app();
my $nginx = nginx(<<'NGINX', fc => $op{franceconnect}, fcp => $op{franceconnect_plus}, pc => $op{proconnect}, op => $op{generic}, app => $app);
%%globals%%
worker_processes 4;
events { worker_connections 256; }
http {
    %%http%%

    oidc_claim_set $matricule     chorusdt:matricule;
    oidc_claim_set $matricule_b64 encoding=base64url chorusdt:matricule;
    oidc_claim_set $family_url    encoding=urlencode family_name;
    oidc_claim_set $service_code  custom service code;
    oidc_claim_set $id_sub        source=id_token sub;

    # ---- FranceConnect ----
    oidc_provider fc_es256 {
        profile franceconnect;
        issuer  %%fc%%/api/v2;
        client_id fc-es256;
        client_secret %%secret:fc-es256%%;
        scope openid identite_pivot preferred_username email;
        redirect_uri /franceconnect/callback;
        ssl_trusted_certificate %%ca%%;
        id_token_signing_alg ES256;
    }
    oidc_provider fc_rs256 {
        profile franceconnect;
        issuer  %%fc%%/api/v2;
        client_id fc-rs256;
        client_secret %%secret:fc-rs256%%;
        scope openid identite_pivot preferred_username email;
        redirect_uri /franceconnect/callback;
        ssl_trusted_certificate %%ca%%;
        id_token_signing_alg RS256;
    }
    oidc_provider fc_hs256 {
        profile franceconnect;
        issuer  %%fc%%/api/v2;
        client_id fc-hs256;
        client_secret %%secret:fc-hs256%%;
        scope openid identite_pivot preferred_username email;
        redirect_uri /franceconnect/callback;
        ssl_trusted_certificate %%ca%%;
        id_token_signing_alg HS256;
    }

    # ---- FranceConnect+ ----
    oidc_provider fcp_ecdh {
        profile franceconnect_plus;
        issuer  %%fcp%%/api/v2;
        client_id fcp-ecdh-es;
        client_secret %%secret:fcp-ecdh-es%%;
        client_key %%key_ec%% use=enc alg=ECDH-ES;
        client_key %%key_rsa%% use=enc;
        client_jwks_uri /oidc_jwks;
        scope openid identite_pivot preferred_username email;
        redirect_uri /franceconnect_plus/callback;
        ssl_trusted_certificate %%ca%%;
        id_token_encryption required alg=ECDH-ES;
    }
    oidc_provider fcp_oaep {
        profile franceconnect_plus;
        issuer  %%fcp%%/api/v2;
        client_id fcp-rsa-oaep;
        client_secret %%secret:fcp-rsa-oaep%%;
        client_key %%key_rsa%% use=enc;
        scope openid identite_pivot preferred_username email;
        redirect_uri /franceconnect_plus/callback;
        ssl_trusted_certificate %%ca%%;
        id_token_encryption required alg=RSA-OAEP;
        userinfo_format jwt encryption=required;
    }
    oidc_provider fcp_oaep256 {
        profile franceconnect_plus;
        issuer  %%fcp%%/api/v2;
        client_id fcp-rsa-oaep-256;
        client_secret %%secret:fcp-rsa-oaep-256%%;
        client_key %%key_rsa%% use=enc;
        scope openid identite_pivot preferred_username email;
        redirect_uri /franceconnect_plus/callback;
        ssl_trusted_certificate %%ca%%;
    }

    # ---- ProConnect ----
    oidc_provider pc_es256 {
        profile proconnect;
        issuer  %%pc%%/api/v2;
        client_id pc-es256;
        client_secret %%secret:pc-es256%%;
        scope openid given_name usual_name email uid siret roles custom chorusdt organizational_unit;
        redirect_uri /proconnect/callback;
        ssl_trusted_certificate %%ca%%;
    }
    oidc_provider pc_rs256 {
        profile proconnect;
        issuer  %%pc%%/api/v2;
        client_id pc-rs256;
        client_secret %%secret:pc-rs256%%;
        scope openid given_name usual_name email uid siret roles custom chorusdt organizational_unit;
        redirect_uri /proconnect/callback;
        ssl_trusted_certificate %%ca%%;
        id_token_signing_alg RS256;
    }
    oidc_provider pc_hs256 {
        profile proconnect;
        issuer  %%pc%%/api/v2;
        client_id pc-hs256;
        client_secret %%secret:pc-hs256%%;
        scope openid given_name usual_name email uid siret roles custom chorusdt organizational_unit;
        redirect_uri /proconnect/callback;
        ssl_trusted_certificate %%ca%%;
        id_token_signing_alg HS256;
    }
    oidc_provider pc_json {
        profile proconnect;
        issuer  %%pc%%/api/v2;
        client_id pc-json;
        client_secret %%secret:pc-json%%;
        scope openid given_name usual_name email uid siret roles custom chorusdt organizational_unit;
        redirect_uri /proconnect/callback;
        ssl_trusted_certificate %%ca%%;
        userinfo_format json;
    }

    # ---- any provider ----
    oidc_provider op_post {
        issuer %%op%%/api/v2;
        client_id generic-post;
        client_secret %%secret:generic-post%%;
        token_endpoint_auth_method client_secret_post;
        scope openid profile email;
        redirect_uri /generic/callback;
        ssl_trusted_certificate %%ca%%;
        userinfo on;
    }
    oidc_provider op_basic {
        issuer %%op%%/api/v2;
        client_id generic-basic;
        client_secret %%secret:generic-basic%%;
        scope openid profile email;
        redirect_uri /generic/callback;
        ssl_trusted_certificate %%ca%%;
        userinfo on;
    }
    oidc_provider op_none {
        issuer %%op%%/api/v2;
        client_id generic-none;
        scope openid profile email;
        redirect_uri /generic/callback;
        ssl_trusted_certificate %%ca%%;
        userinfo on;
    }
    oidc_provider op_jwt {
        issuer %%op%%/api/v2;
        client_id generic-jwt;
        client_secret %%secret:generic-jwt%%;
        token_endpoint_auth_method client_secret_post;
        scope openid profile email;
        redirect_uri /generic/callback;
        ssl_trusted_certificate %%ca%%;
        userinfo on;
        userinfo_format jwt;
    }
    oidc_provider op_ps256 {
        issuer %%op%%/api/v2;
        client_id generic-ps256;
        client_secret %%secret:generic-ps256%%;
        token_endpoint_auth_method client_secret_post;
        scope openid profile email;
        redirect_uri /generic/callback;
        ssl_trusted_certificate %%ca%%;
        userinfo on;
    }

    map $uri $provider {
        ~^/(?<first>\w+)/ $first;
        default           "";
    }

    server {
        listen      %%listen%% reuseport;
        server_name rp.localhost;
        %%tls%%
        location / {
            auth_oidc $provider;
            proxy_pass http://127.0.0.1:%%app%%;
            proxy_set_header X-Worker       $pid;
            proxy_set_header X-Provider     $oidc_provider;
            proxy_set_header X-Sub          $oidc_claim_sub;
            proxy_set_header X-Id-Sub       $id_sub;
            proxy_set_header X-Acr          $oidc_acr;
            proxy_set_header X-Given-Name   $oidc_claim_given_name;
            proxy_set_header X-Given-Names  $oidc_claim_given_name_array;
            proxy_set_header X-Family-Name  $oidc_claim_family_name;
            proxy_set_header X-Family-Url   $family_url;
            proxy_set_header X-Usual-Name   $oidc_claim_usual_name;
            proxy_set_header X-Birthplace   "[$oidc_claim_birthplace]";
            proxy_set_header X-Birthdate    $oidc_claim_birthdate;
            proxy_set_header X-Email        $oidc_claim_email;
            proxy_set_header X-Roles        $oidc_claim_roles;
            proxy_set_header X-Custom       $oidc_claim_custom;
            proxy_set_header X-Service-Code $service_code;
            proxy_set_header X-Matricule    $matricule;
            proxy_set_header X-Matricule-64 $matricule_b64;
            proxy_set_header X-Unit         $oidc_claim_organizational_unit;
        }
    }
}
NGINX

subtest 'four workers, fifteen providers: each document is fetched once' => sub {
    for my $row (sort keys %op) {
        ok(until_true(5, sub { $op{$row}->count('jwks') }), "$row: fetched ahead");
    }
    select undef, undef, undef, 0.3;
    is(join(' ', map { $op{$_}->count('discovery') . $op{$_}->count('jwks') } sort keys %op), '11 11 11 11', 'metadata and keys: once for each issuer');
};

my $given = 'Éléonore Françoise Zoé';
my %expected = (
    franceconnect => { 'x-given-name' => $given, 'x-given-names' => '["Éléonore","Françoise","Zoé"]', 'x-family-name' => 'MÜLLER-LEFÈVRE',
        'x-family-url' => 'M%C3%9CLLER-LEF%C3%88VRE', 'x-birthplace' => '[2A115]', 'x-birthdate' => '1962-08-24', 'x-email' => 'eleonore.muller-lefevre@exemple.fr', 'x-acr' => 'eidas1' },
    franceconnect_plus => { 'x-given-name' => $given, 'x-family-name' => 'MÜLLER-LEFÈVRE', 'x-birthplace' => '[2A115]', 'x-email' => 'eleonore.muller-lefevre@exemple.fr', 'x-acr' => 'eidas2' },
    proconnect => { 'x-given-name' => 'Hyacinthe', 'x-usual-name' => 'Besson-Oûtis', 'x-roles' => '["agent_public","agent_public_etat"]',
        'x-matricule' => 'USER_AGC-0042', 'x-matricule-64' => 'VVNFUl9BR0MtMDA0Mg', 'x-service-code' => '42',
        'x-unit' => 'Direction générale / Bureau des « affaires », pôle n° 3' },
    generic => { 'x-given-name' => $given, 'x-family-name' => 'MÜLLER-LEFÈVRE', 'x-email' => 'eleonore.muller-lefevre@exemple.fr' },
);
my %who = (proconnect => 'agent');

for my $case (
    [ fc_es256 => 'franceconnect' ],      [ fc_rs256 => 'franceconnect' ],      [ fc_hs256 => 'franceconnect' ],
    [ fcp_ecdh => 'franceconnect_plus' ], [ fcp_oaep => 'franceconnect_plus' ], [ fcp_oaep256 => 'franceconnect_plus' ],
    [ pc_es256 => 'proconnect' ], [ pc_rs256 => 'proconnect' ], [ pc_hs256 => 'proconnect' ], [ pc_json => 'proconnect' ],
    [ op_post => 'generic' ], [ op_basic => 'generic' ], [ op_none => 'generic' ], [ op_jwt => 'generic' ], [ op_ps256 => 'generic' ],
    )
{
    my ($name, $row) = @$case;
    subtest $name => sub {
        $op{$row}->reset(auto => $who{$row} || 'angela');
        my $browser = browser();
        my $path = "/$name/some/page?a=1&b=%C3%A9&c=x%2Fy";
        my $page = $browser->navigate(rp($path));
        is($page->status, 200, 'arrives') or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
        is(($page->json || {})->{uri}, $path, 'at the path and query that were asked for');
        is($page->seen('x-provider'), $name, '$oidc_provider');
        ok(length($page->seen('x-sub') // ''), 'sub');
        is($page->seen('x-id-sub'), $page->seen('x-sub'), '... the same in the ID token');
        is($page->seen($_), $expected{$row}{$_}, $_) for sort keys %{ $expected{$row} };
        my $custom = $page->seen('x-custom');
        is_deeply(json()->decode(encoded($custom)), { service => { code => 42, actif => JSON::PP::true }, sites => [ 'Paris', 'Nîmes' ], note => undef }, 'an object')
            if $row eq 'proconnect';
        is($page->seen('cookie'), undef, 'no cookie of ours reaches the application');

        my $authorize = $browser->{hops}[0][3];
        my ($query) = $authorize =~ /\?(.*)/;
        my @names = sort map {/^([^=]*)/} split /&/, $query;
        my @common = qw(client_id nonce redirect_uri response_type scope state);
        is_deeply(\@names, [ sort @common, $row =~ /france/ ? 'acr_values' : (), $row =~ /france/ ? () : qw(code_challenge code_challenge_method) ], 'authorization parameters');

        my %workers;
        for (1 .. 16) {
            my $again = $browser->get(rp("/$name/again"), fresh => 1, headers => [ Connection => 'close' ]);
            $workers{ $again->seen('x-worker') // 'none' } += $again->status == 200;
        }
        is($workers{none}, undef, 'every worker knows the session');
        cmp_ok(scalar keys %workers, '>', 1, 'several were asked (' . keys(%workers) . ')');
    };
}

sub encoded { my $s = shift // 'null'; utf8::encode($s); return $s }

subtest 'a login whose steps meet other workers' => sub {
    $op{generic}->reset;
    my %seen;
    for (1 .. 12) {
        my $browser = browser(keep => 0);      # a connection for each request: reuseport spreads them
        my $page = $browser->navigate(rp('/op_post/x'));
        $seen{ $page->status }++;
        $seen{worker}{ $page->seen('x-worker') // 'none' } = 1;
    }
    is($seen{200}, 12, 'all twelve arrive');
    cmp_ok(scalar keys %{ $seen{worker} }, '>', 1, 'at several workers');
};

subtest 'twenty logins at once' => sub {
    $op{generic}->reset;
    my @browsers = map { browser() } 1 .. 20;
    my @urls = map { $_->navigate(rp('/op_post/x'), until => qr{/generic/callback})->{next} } @browsers;
    my @pending = map { $browsers[$_]->begin(GET => $urls[$_]) } 0 .. 19;
    my @answers = map { $_->response } @pending;
    is(join(' ', map { $_->status } @answers), join(' ', (302) x 20), 'all are answered');
    is(join(' ', map { $_->get(rp('/op_post/x'))->status } @browsers), join(' ', (200) x 20), 'all have their session');
};

subtest 'one browser, several providers' => sub {
    my $browser = browser();
    my @paths = ('/fc_es256/x', '/fcp_ecdh/x', '/pc_es256/x', '/op_post/x');
    $_->reset for values %op;
    is($browser->navigate(rp($_))->status, 200, "$_: logs in") for @paths;
    is(join(' ', map { $browser->get(rp($_))->status } @paths), '200 200 200 200', 'all sessions live side by side');
    is($browser->get(rp('/fc_rs256/x'))->status, 302, 'and none is another provider\'s');
};

subtest 'over HTTP/2' => sub {
    my $jar = dir() . '/curl.jar';
    for my $name (qw(fcp_ecdh op_post)) {
        my ($row) = $name =~ /^fcp/ ? 'franceconnect_plus' : 'generic';
        my $u = OIDC::Browser::parse_url($op{$row}->{origin});
        my ($status, $text) = curl_h2(rp("/$name/page?a=%C3%A9"), '-L', '-b', $jar, '-c', $jar, '--resolve', "$u->{host}:$u->{port}:127.0.0.1");
        my @statuses = $text =~ m{^HTTP/[\d.]+ (\d+)}mg;
        is($statuses[-1], 200, "$name: arrives (@statuses)");
        like($text, qr{"uri":"/$name/page\?a=%C3%A9"}, '... at its page');
        like($text, qr{^set-cookie: __Host-NGX_OIDC_SESSION_$name=}mi, '... with a session');
    }
};

subtest 'our keys' => sub {
    my $answer = browser()->get(rp('/oidc_jwks'));
    is($answer->status, 200, 'client_jwks_uri');
    like($answer->header('cache-control'), qr/public/, 'may be cached');
    my $keys = $answer->json->{keys};
    is_deeply([ sort map { $_->{kty} } @$keys ], [ 'EC', 'RSA' ], 'both keys');
    is_deeply([ grep { my $k = $_; grep { exists $k->{$_} } qw(d p q dp dq qi k) } @$keys ], [], 'no private member');
    is_deeply([ map { $_->{use} } @$keys ], [ 'enc', 'enc' ], 'use');
    is(scalar(@{ $answer->{set_cookies} }), 0, 'no cookie');
    is(browser()->request(HEAD => rp('/oidc_jwks'))->status, 200, 'HEAD');
    is(browser()->get(rp('/oidc_jwks'), plain => 1, headers => [ Accept => 'application/json' ])->status, 200, 'for a program');
};

subtest 'FranceConnect+ logs a person born abroad in' => sub {
    $op{franceconnect_plus}->reset(auto => 'abroad');
    my $page = browser()->navigate(rp('/fcp_ecdh/x'));
    is($page->seen('x-family-name'), 'NGUYỄN', 'family name');
    is($page->seen('x-birthplace'), '[]', 'an empty birthplace');
};

subtest 'as a person: the pages of login and consent' => sub {
    for my $case ([ fc_es256 => 'franceconnect', 'angela' ], [ fcp_ecdh => 'franceconnect_plus', 'angela' ], [ pc_es256 => 'proconnect', 'agent' ], [ op_post => 'generic', 'angela' ]) {
        my ($name, $row, $who) = @$case;
        $op{$row}->reset(auto => undef);
        my $browser = browser();
        my $page = $browser->navigate(rp("/$name/x"), forms => { login => $who, identity => $who });
        is($page->status, 200, "$name: arrives") or diag explain $browser->{hops}, $page->{body};
        is($page->seen('x-given-name'), $expected{$row}{'x-given-name'}, '... as who logged in');
    }
};

log_ok();
done_testing();
