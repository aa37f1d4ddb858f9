# Every file of conf-examples/: accepted as it is (but for the names of files), and with a local provider's values a person logs in
# and out through it.
use lib 't/lib', 'lib';
use OIDC::Test;
use File::Basename qw(basename);

my $examples = "$OIDC::Test::Root/conf-examples";
my $app = app();
my $plain = free_port();

my %of = (
    # file => provider, client, a header of the person, its value
    'any-provider.conf'          => [ generic => 'generic-basic', 'x-email', 'eleonore.muller-lefevre@exemple.fr' ],
    'behind-tls-terminator.conf' => [ franceconnect => 'fc-es256', 'x-family-name', 'MÜLLER-LEFÈVRE' ],
    'franceconnect.conf'         => [ franceconnect => 'fc-es256', 'x-birthplace', '2A115' ],
    'franceconnect-plus.conf'    => [ franceconnect_plus => 'fcp-ecdh-es', 'x-acr', 'eidas2' ],
    'proconnect.conf'            => [ proconnect => 'pc-es256', 'x-usual-name', 'Besson-Oûtis' ],
);
my %provider = map { $_ => start_provider($_) } qw(franceconnect franceconnect_plus proconnect generic);
$provider{$_}->reset(auto => $_ eq 'proconnect' ? 'agent' : 'angela') for keys %provider;

my $frame = <<'NGINX';
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    %%example%%
    # what stands in front of a server without TLS
    server {
        listen      %%terminator%%;
        server_name rp.localhost;
        %%tls%%
        auth_oidc_strip_cookies off;    # elsewhere it would be another machine
        location / { proxy_pass http://127.0.0.1:%%plain%%; proxy_set_header Host $host; }
    }
}
NGINX

my @files = glob "$examples/*.conf";
cmp_ok(scalar @files, '>=', 5, 'there are examples');
is_deeply([ map { basename $_ } @files ], [ sort keys %of ], 'each is known here');

for my $file (@files) {
    my $name = basename $file;
    my ($row, $client, $header, $value) = @{ $of{$name} || next };
    subtest $name => sub {
        my $text = read_file($file);
        utf8::decode($text);
        my ($cert, $key, $enc) = (cert_file(), key_file(), own_key('ec'));
        s{/etc/ssl/certs/www\.example\.fr\.pem}{$cert}, s{/etc/ssl/private/www\.example\.fr\.key}{$key}, s{/etc/nginx/oidc-enc\.pem}{$enc}g for $text;
        my @idle = (terminator => '127.0.0.1:' . $plain, plain => $plain);
        my ($accepted, $output) = nginx_t($frame, example => $text, @idle);
        ok($accepted, 'nginx -t accepts it as it is') or diag $output;
        unlike($output, qr/\[(?:error|emerg|alert|crit)\]/, '... without an error');

        my ($issuer, $rp, $port, $secret, $ca) = ($provider{$row}->issuer, rp(), OIDC::Test::rp_port(), client_secret($client), ca_file());
        for ($text) {
            s{https://sso\.example\.fr/realms/main}{$issuer};
            s{(profile \w+ environment=production;)}{$1 issuer $issuer;};
            s{(\n    client_id )}{\n    ssl_trusted_certificate $ca;$1};
            s{(client_id\s+)[^;]+}{$1$client};
            s{(client_secret\s+)0+}{$1$secret};
            s{https://www\.example\.fr}{$rp}g;
            s{www\.example\.fr}{rp.localhost}g;
            s{listen 443}{listen 127.0.0.1:$port};
            s{listen 8080}{listen 127.0.0.1:$plain};
            s{127\.0\.0\.1:8000}{127.0.0.1:$app}g;
        }
        my $behind = $name =~ /behind/;
        my $nginx = nginx($frame, example => $text, plain => $plain, terminator => $behind ? "127.0.0.1:$port ssl http2" : "127.0.0.1:$plain");
        my $browser = browser();
        is($browser->get(rp('/'))->status, 200, 'the public part is public');
        my $page = $browser->navigate(rp('/account/page?x=1'));
        is($page->status, 200, 'a login arrives') or diag explain $browser->{hops}, $nginx->reasons(0);
        is(($page->json || {})->{uri}, '/account/page?x=1', '... at the page');
        is($page->seen($header), $value, "... $header");
        ok(length($page->seen('x-sub') // ''), '... x-sub');
        like($browser->cookie(rp('/'), qr/SESSION/)->{name}, qr/^__Host-/, 'a __Host- cookie') if $page->status == 200;
        is($browser->get(rp('/account/'), headers => [ 'X-Sub' => 'admin' ])->seen('x-sub'), $page->seen('x-sub'), 'a header of the browser is replaced');
        my $end = $browser->navigate(rp('/logout'), forms => 1);
        is($end->status, 200, 'logout arrives') or diag explain $browser->{hops};
        is($end->{url}, rp('/'), '... at logged_out_uri');
        is($browser->get(rp('/account/'))->status, 302, 'nobody is logged in');
        $nginx->stop('QUIT');
    };
}

log_ok();
done_testing();
