# How the client proves who it is, at the token endpoint and at that of revocation: each method against a provider that accepts no other.
use lib 't/lib', 'lib';
use OIDC::Test;
use MIME::Base64 qw(decode_base64 decode_base64url encode_base64url);

# The key of the certificate that is signed by itself, as it is registered.
my ($self_cert, $self_key) = pair_of('self');
my ($client_cert, $client_key) = pair_of('client');
my $x5c = read_file($self_cert) =~ s/-----[^-]+-----|\s//gr;
my $point = substr scalar(`openssl x509 -in $self_cert -pubkey -noout | openssl pkey -pubin -outform DER`), -64;
my %jwk = (kty => 'EC', crv => 'P-256', x => encode_base64url(substr $point, 0, 32), y => encode_base64url(substr $point, 32), x5c => [$x5c]);
my $registered = { client_id => 'generic-self', token_endpoint_auth_method => 'self_signed_tls_client_auth', jwks => { keys => [ \%jwk ] } };

my $op = start_provider('generic', client => [$registered]);
# Offers only these methods, and other endpoints to those who show a certificate.
my $picky = start_provider('generic', client => [$registered]);
my %alias = map { ("${_}_endpoint" => "https://idp.localhost:$picky->{port}/api/v2/" . { token => 'token', revocation => 'token/revocation' }->{$_}) } qw(token revocation);
$picky->reset(discovery => { set => { token_endpoint_auth_methods_supported => [qw(private_key_jwt tls_client_auth)],
    token_endpoint_auth_signing_alg_values_supported => [qw(PS256 ES256)], mtls_endpoint_aliases => \%alias } });

my ($ec, $rsa) = map { own_key($_) } qw(ec rsa);
# A file with a key and its certificate: the assertion names the certificate, too.
my ($certified, $certificate) = map { write_file($_, '') } 'certified.pem', 'certificate.pem';
system('openssl', qw(req -x509 -days 2 -subj /CN=client -key), $rsa, '-out', $certificate) == 0 or die 'openssl req';
write_file('certified.pem', read_file($rsa) . read_file($certificate));
my %print = map { my ($hex) = `openssl x509 -in $certificate -noout -fingerprint -$_->[1]` =~ /=([0-9A-F:]+)/;
    ($_->[0] => encode_base64url(pack 'H*', $hex =~ tr/://dr)) } [ 'x5t', 'sha1' ], [ 'x5t#S256', 'sha256' ];
my $tls = "ssl_certificate $client_cert; ssl_certificate_key $client_key";
# location => [ provider, client, directives, what the client is known by ]
my %case = (
    basic    => [ $op, 'generic-basic', 'client_secret %%secret:generic-basic%%', 'basic' ],
    post     => [ $op, 'generic-post', 'client_secret %%secret:generic-post%%; token_endpoint_auth_method client_secret_post', 'client_secret' ],
    none     => [ $op, 'generic-none', 'token_endpoint_auth_method none', 'none' ],
    hs256    => [ $op, 'generic-secret-jwt', 'client_secret %%secret:generic-secret-jwt%%; token_endpoint_auth_method client_secret_jwt', 'HS256' ],
    es256    => [ $op, 'generic-key', "client_key $ec use=sig; client_key $rsa use=sig; client_jwks_uri /oidc_jwks; token_endpoint_auth_method private_key_jwt", 'ES256' ],
    rs256    => [ $op, 'generic-key', "client_key $rsa use=sig; token_endpoint_auth_method private_key_jwt", 'RS256' ],
    ps256    => [ $op, 'generic-key', "client_key $rsa use=sig alg=PS256; token_endpoint_auth_method private_key_jwt", 'PS256' ],
    certified => [ $op, 'generic-key', "client_key $certified use=sig; token_endpoint_auth_method private_key_jwt", 'RS256' ],
    endpoint => [ $op, 'generic-key', "client_key $ec use=sig; token_endpoint_auth_method private_key_jwt audience=token_endpoint", 'ES256' ],
    tls      => [ $op, 'generic-tls', "$tls; token_endpoint_auth_method tls_client_auth", 'certificate' ],
    self     => [ $op, 'generic-self', "ssl_certificate $self_cert; ssl_certificate_key $self_key; token_endpoint_auth_method self_signed_tls_client_auth", 'certificate' ],
    # auto: what the metadata offers and the configuration can do
    both     => [ $op, 'generic-basic', "client_secret %%secret:generic-basic%%; client_key $ec use=sig", 'basic' ],
    auto_key => [ $picky, 'generic-key', "client_secret unused; client_key $rsa use=sig", 'PS256' ],
    auto_tls => [ $picky, 'generic-tls', "client_secret unused; $tls", 'certificate' ],
);
# Known to the provider, by another key or certificate.
my %stranger = (
    wrong_key    => [ $op, 'generic-key', "client_key $self_key use=sig" ],
    wrong_secret => [ $op, 'generic-secret-jwt', 'client_secret ' . 'x' x 40 . '; token_endpoint_auth_method client_secret_jwt' ],
    wrong_tls    => [ $op, 'generic-self', $tls ],
    no_tls       => [ $op, 'generic-tls', 'token_endpoint_auth_method none' ],
);

my $blocks = '';
my $locations = '';
for my $name (sort keys(%case), keys %stranger) {
    my ($provider, $client, $directives) = @{ $case{$name} || $stranger{$name} };
    $blocks .= "    oidc_provider $name { issuer $provider->{origin}/api/v2; client_id $client; $directives; logout_uri /$name/logout;"
        . " revoke_on_logout on; pkce on; ssl_trusted_certificate %%ca%%; }\n";
    $locations .= "        location /$name/ { auth_oidc $name; proxy_pass http://127.0.0.1:%%app%%; }\n";
}
my $nginx = nginx(<<"NGINX", app => app());
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
$blocks
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
$locations
    }
}
NGINX

$_->control(auto => 'angela') for $op, $picky;
sub part { my ($token, $i) = @_; return json()->decode(decode_base64url((split /\./, $token)[$i])) }

# What a request to an endpoint of the provider is known by.
sub known_by
{
    my ($request) = @_;
    my ($body, $headers) = @{$request}{qw(body headers)};
    return 'basic' if ($headers->{authorization} || '') eq 'Basic' && !exists $body->{client_id};
    return 'two methods' if $headers->{authorization} || (exists $body->{client_secret} && exists $body->{client_assertion});
    return part($body->{client_assertion}, 0)->{alg} if exists $body->{client_assertion};
    return 'client_secret' if exists $body->{client_secret};
    return exists $body->{client_id} ? 'the id' : 'nothing';
}

my (%jti, @assertions);
for my $name (sort keys %case) {
    subtest $name => sub {
        my ($provider, $client, undef, $how) = @{ $case{$name} };
        my $browser = browser();
        my $page = $browser->navigate(rp("/$name/x"));
        is($page->status, 200, 'logged in');
        my ($token) = reverse $provider->requests('/token');
        my $before = $provider->revocations;
        $browser->get(rp("/$name/logout"));
        ok(until_true(10, sub { $provider->revocations > $before }), 'its tokens are taken back');
        my ($revocation) = reverse $provider->revocations;
        for ([ token => $token ], [ revocation => $revocation ]) {
            my ($endpoint, $request) = @$_;
            is($request->{status}, 200, "$endpoint: accepted");
            is(known_by($request), $how =~ /none|certificate/ ? 'the id' : $how, "$endpoint: by $how");
            my $host = $name eq 'auto_tls' ? 'idp' : 'generic';
            is($request->{headers}{host}, "$host.localhost:$provider->{port}", "$endpoint: at $host");
            my $assertion = $request->{body}{client_assertion} or next;
            my ($header, $claims) = map { part($assertion, $_) } 0, 1;
            my %named = $name eq 'certified' ? %print : ();
            is_deeply([ sort keys %$header ], $how eq 'HS256' ? ['alg'] : [ sort qw(alg kid), keys %named ], "$endpoint: the header says which key");
            is($header->{$_}, $named{$_}, "$endpoint: $_ of the certificate") for sort keys %named;
            is_deeply([ sort keys %$claims ], [qw(aud exp iat iss jti sub)], "$endpoint: the claims");
            is("$claims->{iss} $claims->{sub}", "$client $client", "$endpoint: of the client");
            is($claims->{aud}, $provider->issuer . ($name eq 'endpoint' ? '/token' : ''), "$endpoint: for the provider");
            is($claims->{exp} - $claims->{iat}, 60, "$endpoint: for a minute");
            is(length(decode_base64url((split /\./, $assertion)[2])), 64, "$endpoint: two integers") if $how eq 'ES256';
            ok(!$jti{ $claims->{jti} }++, "$endpoint: under an id of its own");
            push @assertions, $assertion if $provider == $op;
        }
    };
}

subtest 'an assertion is good for one use' => sub {
    for my $assertion (@assertions) {
        my $answer = browser(keep => 0)->post($op->issuer . '/token', [ [ grant_type => 'authorization_code' ], [ code => 'x' ],
            [ client_assertion_type => 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' ], [ client_assertion => $assertion ] ],
            plain => 1, headers => [ Accept => 'application/json' ]);
        is($answer->json->{error}, 'invalid_client', part($assertion, 0)->{alg} . ': refused the second time');
    }
};

for my $name (sort keys %stranger) {
    subtest $name => sub {
        $nginx->mark;
        my $page = browser()->navigate(rp("/$name/x"));
        is($page->status, 502, 'no login');
        is(join(' ', $nginx->reasons), 'client_refused', 'client_refused');
    };
}

subtest 'a kept connection that closes under an assertion' => sub {
    $op->control(dropKeepAlive => JSON::PP::true);
    $nginx->mark;
    browser()->navigate(rp("/$_/x")) for qw(es256 tls es256 tls);
    $op->control(dropKeepAlive => undef);
    ok(scalar(grep { $_ eq 'provider_unreachable' } $nginx->reasons), 'it closes');
    my $codes = $op->code_posts;
    delete $codes->{x};    # of the replays above
    my %count = map { $_ => 1 } values %$codes;
    is_deeply([ keys %count ], [1], 'no code ever left twice');
};

log_ok();
done_testing();
