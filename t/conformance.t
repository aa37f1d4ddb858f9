# What the OpenID Foundation's suite asks of a relying party (the C numbers are those of its modules as SECURITY.md lists them), and
# their neighbours: each a valid login with one thing changed. One that is refused leaves no session, and nobody asks for UserInfo.
#
# Proved elsewhere: C19, C20 with other providers, under load: faults.t. C37, C38: logout.t ("the state of the return"). C50:
# form_post.t. Renewed tokens of another issuer or subject: refresh.t ("a renewed ID token is judged"). Everything by French
# profiles: negative.t. Back-channel logout (C39 to C45) has a directive and tests of its own; dynamic registration, WebFinger and
# request_uri are no part of the module; c_hash, and at_hash demanded, belong to other flows.
use lib 't/lib', 'lib';
use OIDC::Test;
use MIME::Base64 qw(encode_base64url);

# Every byte that a form encodes.
my %odd = (client_id => q(odd id:+%/?&=~), client_secret => q(s:e+c%20r/e?t&=~!#@|<>^`));
my $op = start_provider('generic', client => [ { %odd, token_endpoint_auth_method => 'client_secret_basic' } ]);
my $plus = start_provider('franceconnect_plus', client => [ map { { client_id => $_, jwks_uri => rp('/jwks_ec') } } 'fcp-ecdh-es' ]);
my $liar = start_provider('generic');
$liar->control(discovery => { set => { issuer => $liar->issuer . 'INVALID' } });
# C08, C16: RS256 alone is advertised, and the keys are where this metadata says.
my @advertised = (id_token_signing_alg_values_supported => ['RS256'], jwks_uri => $op->issuer . '/jwks?at=' . int rand 1e9);
$op->control(discovery => { set => {@advertised} });
my $secret = write_file('odd.secret', $odd{client_secret});
my $app = app();
my $nginx = nginx(<<'NGINX', op => $op, plus => $plus, liar => $liar, app => $app, odd => $odd{client_id}, secret => $secret);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    oidc_provider plain {
        issuer                     %%op%%/api/v2;
        client_id                  '%%odd%%';
        client_secret_file         %%secret%%;
        token_endpoint_auth_method client_secret_basic;
        redirect_uri               /generic/callback;
        scope                      openid profile email address phone;
        userinfo                   on;
        max_age                    1h;
        logout_uri                 /logout;
        logout_state               on;
        logout_token_hint          on;
        post_logout_uri            /generic/logged_out;
        ssl_trusted_certificate    %%ca%%;
        jwks_cache                 valid=1s stale=0s min_refresh=1s;
    }
    oidc_provider keeps {
        issuer                     %%op%%/api/v2;
        client_id                  generic-post;
        client_secret              %%secret:generic-post%%;
        redirect_uri               /oidc_callback_generic;
        userinfo                   on;
        ssl_trusted_certificate    %%ca%%;
        jwks_cache                 min_refresh=1s;
    }
    oidc_provider signed {
        issuer                     %%op%%/api/v2;
        client_id                  generic-jwt;
        client_secret              %%secret:generic-jwt%%;
        redirect_uri               /oidc_callback;
        userinfo                   on;
        ssl_trusted_certificate    %%ca%%;
        jwks_cache                 min_refresh=1s;
    }
    oidc_provider ecdh {
        issuer                     %%plus%%/api/v2;
        client_id                  fcp-ecdh-es;
        client_secret              %%secret:fcp-ecdh-es%%;
        client_key                 %%key_ec%% use=enc alg=ECDH-ES;
        client_jwks_uri            /jwks_ec;
        redirect_uri               /franceconnect_plus/callback;
        profile                    franceconnect_plus;
        tamper_action              reject;
        ssl_trusted_certificate    %%ca%%;
    }
    oidc_provider oaep {
        issuer                     %%plus%%/api/v2;
        client_id                  fcp-rsa-oaep;
        client_secret              %%secret:fcp-rsa-oaep%%;
        client_key                 %%key_rsa%% use=enc alg=RSA-OAEP;
        client_jwks_uri            /oidc_jwks;
        redirect_uri               /oidc_callback_franceconnect_plus;
        profile                    franceconnect_plus;
        tamper_action              reject;
        ssl_trusted_certificate    %%ca%%;
    }
    oidc_provider liar {
        issuer                     %%liar%%/api/v2;
        client_id                  generic-post;
        client_secret              %%secret:generic-post%%;
        redirect_uri               /liar;
        ssl_trusted_certificate    %%ca%%;
    }
    oidc_claim_set $of_the_source address;
    map $uri $provider {
        ~^/(?<first>\w+)/ $first;
        default           "";
    }
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        location / {
            auth_oidc $provider;
            proxy_pass http://127.0.0.1:%%app%%;
            proxy_set_header X-Sub $oidc_claim_sub;
            proxy_set_header X-Email $oidc_claim_email;
            proxy_set_header X-Address $of_the_source;
            proxy_set_header X-Credit $oidc_claim_credit_score;
        }
    }
}
NGINX

my %at = (plain => $op, keeps => $op, signed => $op, ecdh => $plus, oaep => $plus);
my %client = (plain => $odd{client_id}, ecdh => 'fcp-ecdh-es', oaep => 'fcp-rsa-oaep');
my $callback = qr{^https://rp\.localhost:\d+/(?:\w+/callback|oidc_callback\w*)\?};

subtest 'C15, C16: metadata, then keys from where it says, both before any login' => sub {
    ok(until_true(10, sub { $op->count('jwks') }), 'the keys are fetched');
    my @log = @{ $op->control->{log} };
    is($log[0]{path}, '/.well-known/openid-configuration', 'the metadata first');
    is(join(' ', map {"$_->{path}?at=$_->{query}{at}"} $log[1]), '/jwks' . $advertised[3] =~ s/.*(?=\?)//r, 'then the keys, at its address');
};

# One login with the switches on, up to the answer of the callback; between authorize and token, `before` is called.
sub attempt
{
    my ($name, $switches, $before) = @_;
    my $browser = browser();
    $at{$name}->reset(%$switches);
    my $end = $browser->navigate(rp("/$name/page"), until => $callback);
    $before->() if $before;
    $nginx->mark;
    return ($browser, $browser->get($end->{next}), $end->{next});
}

sub accepted
{
    my ($what, $name, $switches, $before) = @_;
    my ($browser, $answer) = attempt($name, $switches, $before);
    is($answer->{location} // $answer->status, rp("/$name/page"), "$name: $what") or diag join '|', $nginx->reasons;
    is($at{$name}->count('userinfo'), 1, '... UserInfo is asked for, once');
    my $page = $browser->get(rp("/$name/page"));
    is($page->status, 200, '... a session');
    ok(length($page->seen('X-Sub') // ''), '... of a person');
    return ($browser, $page);
}

sub refused
{
    my ($what, $name, $switches, $reason, $userinfo, $before) = @_;
    my ($browser, $answer) = attempt($name, $switches, $before);
    like($answer->status, qr/^(?:400|403|502)$/, "$name: $what");
    is(join(' ', $nginx->reasons), $reason, "... $reason");
    is($at{$name}->count('userinfo'), $userinfo // 0, $userinfo ? '... after UserInfo' : '... nobody asks for UserInfo');
    is($browser->get(rp("/$name/page"))->status, 302, '... no session');
    return;
}

my $late = time - 400;
# number, what is changed, how (of the provider's issuer and of the client_id), the reason
my @id_tokens = (
    [ C02 => 'iss + 1',                 sub { { set => { iss => "$_[0]1" } } },                          'id_token_issuer' ],
    [ C02 => 'no iss',                  sub { { delete => ['iss'] } },                                   'id_token_issuer' ],
    [ C03 => 'no sub',                  sub { { delete => ['sub'] } },                                   'id_token_subject' ],
    [ C03 => 'sub is null',             sub { { set => { sub => undef } } },                             'id_token_subject' ],
    [ C04 => 'aud + 1',                 sub { { set => { aud => "$_[1]1" } } },                          'id_token_audience' ],
    [ C04 => 'aud: another',            sub { { set => { aud => ['other'] } } },                         'id_token_audience' ],
    [ C04 => 'no aud',                  sub { { delete => ['aud'] } },                                   'id_token_audience' ],
    [ C04 => 'aud: two, no azp',        sub { { set => { aud => [ $_[1], 'other' ] } } },                'id_token_azp' ],
    [ C04 => 'azp: another',            sub { { set => { azp => 'other' } } },                           'id_token_azp' ],
    [ C05 => 'no iat',                  sub { { delete => ['iat'] } },                                   'id_token_iat' ],
    [ C05 => 'iat ahead',               sub { { set => { iat => time + 600 } } },                        'id_token_iat' ],
    [ C09 => 'alg none',                sub { { alg => 'none', signature => 'empty' } },                 'id_token_algorithm' ],
    [ C09 => 'alg none, as signed',     sub { { signature => 'keep', header => { set => { alg => 'none' } } } }, 'id_token_algorithm' ],
    [ C10 => 'a corrupt signature',     sub { { signature => 'corrupt' } },                              'id_token_signature' ],
    [ C10 => 'a signature of other claims', sub { { signature => 'keep', set => { sub => 'admin' } } },  'id_token_signature' ],
    [ C12 => 'nonce + 1',               sub { { set => { nonce => 'A' x 43 . 1 } } },                    'id_token_nonce' ],
    [ C12 => 'no nonce',                sub { { delete => ['nonce'] } },                                 'id_token_nonce' ],
    [ C12 => 'nonce: a list',           sub { { set => { nonce => ['A' x 43] } } },                      'id_token_nonce' ],
    [ C68 => 'exp 400 s ago',           sub { { set => { exp => $late } } },                             'id_token_expired' ],
    [ C68 => 'no exp',                  sub { { delete => ['exp'] } },                                   'id_token_expired' ],
    [ ''  => 'at_hash of another',      sub { { set => { at_hash => 'A' x 22 } } },                      'id_token_at_hash' ],
    [ ''  => 'the secret as the key',   sub { { alg => 'HS256' } },                                      'id_token_algorithm' ],
    [ ''  => 'the public key as the key', sub { { alg => 'HS256', key => 'public-pem' } },               'id_token_algorithm' ],
);

# C63, C80: all of it inside a JWE for ECDH-ES and RSA-OAEP, A256GCM, signed by ES256.
for my $name (qw(plain ecdh oaep)) {
    subtest "$name: ID tokens" => sub {
        accepted('C01: nothing changed', $name, {});
        accepted('C73: aud is an array', $name, { idToken => { set => { aud => [ $client{$name} ] } } });
        accepted('C04: azp is us', $name, { idToken => { set => { aud => [ $client{$name}, 'other' ], azp => $client{$name} } } });
        refused("$_->[0] $_->[1]", $name, { idToken => $_->[2]->($at{$name}->issuer, $client{$name}) }, $_->[3]) for @id_tokens;
    };
}

subtest 'C08: an algorithm that is not advertised' => sub {
    refused('ES256', 'plain', { idToken => { alg => 'ES256', header => { set => { kid => 'ec-256' } } } }, 'id_token_algorithm');
};

subtest 'C01, C13, C14: what the provider is asked' => sub {
    my ($browser, $answer) = attempt('plain', {});
    my ($authorize) = map { $_->{query} } $op->requests('/authorize');
    is($authorize->{scope}, 'openid profile email address phone', 'the scopes');
    is($authorize->{$_}, { response_type => 'code', client_id => $odd{client_id}, redirect_uri => rp('/generic/callback') }->{$_}, $_)
        for qw(response_type client_id redirect_uri);
    like($authorize->{$_}, qr/^[A-Za-z0-9]{43}$/, "$_: letters that nobody trips over") for qw(state nonce);
    my ($token) = $op->requests('/token');
    is($token->{headers}{authorization}, 'Basic', 'the client authenticates by client_secret_basic, odd characters and all');
    is(join(' ', $token->{status}, grep { /^client_/ } sort keys %{ $token->{body} }), '200', '... accepted, and not in the form, too');
    my ($userinfo) = $op->requests('/userinfo');
    is($userinfo->{headers}{authorization}, 'Bearer', 'UserInfo: the access token in the header');
    is(scalar(keys %{ $userinfo->{query} }) + keys %{ $userinfo->{body} }, 0, '... and nowhere else');
};

subtest 'C11: UserInfo' => sub {
    for my $row (
        [ 'C11: sub + invalid',  'plain',  { set => { sub => 'angelainvalid' } },              'userinfo_subject' ],
        [ 'C11: no sub',         'plain',  { delete => ['sub'] },                              'userinfo_subject' ],
        [ 'a JSON array',        'plain',  { form => 'array' },                                'userinfo_malformed' ],
        [ 'text',                'plain',  { raw => '"angela"', type => 'application/json' },  'userinfo_malformed' ],
        [ 'C51: another sub',    'signed', { set => { sub => 'angelainvalid' } },              'userinfo_subject' ],
        [ 'C51: corrupt',        'signed', { signature => 'corrupt' },                         'userinfo_signature' ],
        [ 'C51: alg none',       'signed', { alg => 'none', signature => 'empty' },            'userinfo_signature' ],
        [ 'C51: another iss',    'signed', { set => { iss => 'https://evil.example' } },       'userinfo_issuer' ],
        [ 'C51: another aud',    'signed', { set => { aud => 'other' } },                      'userinfo_audience' ],
        )
    {
        my ($what, $name, $edits, $reason) = @$row;
        refused($what, $name, { userinfo => $edits }, $reason, 1);
    }
    accepted('C51: signed', 'signed', {});
};

subtest 'aggregated and distributed claims: never fetched, nobody\'s claims' => sub {
    my %sources = (
        _claim_names => { address => 'there', credit_score => 'here' },
        _claim_sources => { there => { endpoint => $op->issuer . '/elsewhere', access_token => 'ksj3n283dke' },
            here => { JWT => 'eyJhbGciOiJub25lIn0.eyJjcmVkaXRfc2NvcmUiOjY1MH0.' } });
    for my $where ({ userinfo => { set => \%sources, delete => ['address'] } }, { idToken => { set => \%sources }, userinfo => { delete => ['address'] } }) {
        my ($browser, $page) = accepted('in ' . join(' ', sort keys %$where), 'plain', $where);
        ok(!length($page->seen($_) // ''), "... $_ is empty") for qw(X-Address X-Credit);
        is(scalar($op->requests('/elsewhere')), 0, '... nobody asks there');
    }
};

# ---- Keys. They are fetched again at each login that comes a second after the last.

sub number { return encode_base64url(pack 'H*', $_[0]) }
my ($modulus) = `openssl rsa -in @{[own_key('rsa')]} -noout -modulus` =~ /=([0-9A-F]+)/;
my @useless = (
    { kty => 'EC', crv => 'secp256k1', use => 'sig', kid => 'k1', x => number('79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798'),
        y => number('483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8') },
    { kty => 'OKP', crv => 'Ed25519', use => 'sig', kid => 'ed', x => '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' },
    { kty => 'RSA', use => 'enc', kid => 'rsa-enc', n => number($modulus), e => 'AQAB' },
    { kty => 'EC', crv => 'P-256', use => 'enc', kid => 'ec-enc', x => number('6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296'),
        y => number('4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5') },
    { kty => 'RSA', use => 'sig', kid => 'cut' }, { kty => 'new', use => 'sig' }, 'no key', {},
);
# The published key set, its keys without kid.
sub published { return map { my %key = %$_; delete $key{kid}; \%key } @{ browser()->get($op->issuer . '/jwks', plain => 1)->json->{keys} } }
sub with_keys { my @keys = @_; my %token = @{ pop @keys }; return { jwks => { set => { keys => \@keys } }, idToken => \%token } }
my $no_kid = { header => { delete => ['kid'] } };

subtest 'keys' => sub {
    $op->reset;
    my ($rsa) = grep { $_->{kty} eq 'RSA' } my @all = published();
    my ($ec) = grep { ($_->{crv} // '') eq 'P-256' } @all;
    my $again = sub { select undef, undef, undef, 1.2 };
    accepted('C06: no kid, one key that fits among useless ones', 'plain', with_keys(@useless, $ec, $rsa, [%$no_kid]), $again);
    my %named = (%$rsa, kid => 'rsa-1');
    accepted('useless keys before and after the one that is named', 'plain', with_keys(@useless, $ec, \%named, reverse(@useless), []), $again);
    refused('the key is published for encryption', 'plain', with_keys({ %named, use => 'enc' }, $ec, []), 'id_token_key', 0, $again);
    refused('... for another algorithm', 'plain', with_keys({ %named, alg => 'RS512' }, $ec, []), 'id_token_key', 0, $again);
    refused('useless keys alone', 'plain', with_keys(@useless, []), 'jwks_malformed', 0, $again);
    accepted('the true ones again', 'plain', {}, $again);

    $op->rotate(keepOld => JSON::PP::true) for 1 .. 2;
    $op->reset;
    my @many = published();
    is(scalar(grep { $_->{kty} eq 'RSA' } @many), 3, '(three keys of each kind)');
    accepted('C07: no kid, several keys, the right one last', 'plain', with_keys(@useless, reverse(@many), [%$no_kid]), $again);
    $op->reset;
};

subtest 'C19, C20: rotation' => sub {
    my $pause = sub { select undef, undef, undef, 1.2 };
    my $again = sub { $pause->(); $op->rotate };
    accepted('(the keys are known)', 'keeps', {}, $pause);
    accepted('C19: just before signing', 'keeps', {}, $again);
    is($op->count('jwks'), 1, '... the keys are fetched again');
    accepted('C20: and at the next login', 'keeps', {}, $again);
    is($op->count('jwks'), 1, '... and again');
    accepted('no rotation', 'keeps', {});
    is($op->count('jwks'), 0, '... nor fetch');
};

# ---- Beside the tokens

subtest 'C64: the callback' => sub {
    my %raw = (
        'two codes'       => [ 'code={code}&code={code}&state={state}&iss={iss}',   'callback_malformed' ],
        'two states'      => [ 'code={code}&state={state}&state=x&iss={iss}',       'callback_malformed' ],
        'two issuers'     => [ 'code={code}&state={state}&iss={iss}&iss={iss}',     'callback_malformed' ],
        'code and error'  => [ 'code={code}&error=x&state={state}&iss={iss}',       'callback_malformed' ],
        'state + 1'       => [ 'code={code}&state={state}1&iss={iss}',              'state_unknown' ],
        'no state'        => [ 'code={code}&iss={iss}',                             'state_missing' ],
        'another issuer'  => [ 'code={code}&state={state}&iss={iss}1',              'callback_issuer' ],
        'no issuer'       => [ 'code={code}&state={state}',                         'callback_issuer' ],
    );
    for my $what (sort keys %raw) {
        my ($query, $reason) = @{ $raw{$what} };
        refused($what, 'plain', { callback => { raw => $query } }, $reason);
        is($op->count('token'), 0, '... nor for tokens');
    }
};

subtest 'C17: metadata of another issuer' => sub {
    $nginx->mark;
    my $answer = browser()->get(rp('/liar/page'));
    is($answer->status, 502, 'no login begins');
    is(join(' ', $nginx->reasons), 'metadata_issuer', '... metadata_issuer');
    is($liar->count('authorize') + $liar->count('jwks'), 0, '... nobody gets to the provider');
};

subtest 'C36: logout' => sub {
    my ($browser) = accepted('a login', 'plain', {});
    my $stolen = $browser->clone;
    my $answer = $browser->get(rp('/logout'));
    my $args = $answer->args;
    like($answer->{location}, qr{^\Q@{[ $op->issuer ]}\E/session/end\?}, 'at the provider');
    is($args->{post_logout_redirect_uri}, rp('/generic/logged_out'), '... with the registered return');
    is(scalar(split /\./, $args->{id_token_hint}), 3, '... and an ID token');
    is($browser->navigate($answer->{location}, forms => 1)->status, 200, '... which comes back');
    is($stolen->get(rp('/plain/page'))->status, 302, '... no session is left');
};

log_ok();
done_testing();
