# What one provider is trusted for is not lent to another: an authority, a proxy or a client certificate of its own are its own, and so is
# every document that was fetched with them.
use lib 't/lib', 'lib';
use OIDC::Test;
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

my $op = start_provider('generic');
my $app = app();
my $evil_port = free_port();
my ($evil_cert, $evil_key) = map { OIDC::Test::_copied("self.$_") } qw(pem key);

# A proxy that leads every tunnel to the port of someone else, who has a certificate of an authority of their own.
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => free_port(), Listen => 64, ReuseAddr => 1) or die "proxy: $!";
my $proxy = $listen->sockport;
my $owner = $$;
my $pid = fork // die "fork: $!";
if (!$pid) {
    setpgrp 0, 0;
    open $_->[0], $_->[1], '/dev/null' for [ \*STDIN, '<' ], [ \*STDOUT, '>' ], [ \*STDERR, '>' ];
    $SIG{$_} = 'DEFAULT' for qw(TERM INT);
    $SIG{CHLD} = 'IGNORE';
    while (my $client = $listen->accept || redo) {
        next if fork;
        my $in = '';
        while ($in !~ /\r\n\r\n/) { sysread $client, $in, 4096, length $in or POSIX::_exit(0) }
        my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $evil_port) or POSIX::_exit(0);
        syswrite $client, "HTTP/1.1 200 Connection established\r\n\r\n";
        my $both = IO::Select->new($client, $server);
        while (my @ready = $both->can_read(20)) {
            for my $from (@ready) {
                sysread $from, my $bytes, 65536 or POSIX::_exit(0);
                syswrite $from == $client ? $server : $client, $bytes;
            }
        }
        POSIX::_exit(0);
    }
}
close $listen;
OIDC::Test::watch("+$pid");
END { kill 'KILL', -$pid if $pid && $$ == $owner }

my $nginx = nginx(<<'NGINX', op => $op, app => $app, proxy => $proxy, evil => $evil_port, evil_cert => $evil_cert, evil_key => $evil_key);
%%globals%%
worker_processes 2;
events { worker_connections 256; }
http {
    %%http%%

    oidc_provider right {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        redirect_uri   /generic/callback;
        jwks_cache     valid=1s min_refresh=1s;
        metadata_cache valid=1s min_refresh=1s;
    }
    # equal trust: they share
    oidc_provider same {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        redirect_uri   /generic/callback;
        jwks_cache     valid=1s min_refresh=1s;
        metadata_cache valid=1s min_refresh=1s;
    }
    # someone else answers for the very same addresses
    oidc_provider led_astray {
        issuer %%op%%/api/v2; client_id generic-post; client_secret other; ssl_trusted_certificate %%evil_cert%%; http_proxy http://127.0.0.1:%%proxy%%;
        redirect_uri   /astray/callback;
        jwks_cache     valid=1s min_refresh=1s;
        metadata_cache valid=1s min_refresh=1s;
    }
    # its key set is the address of the metadata: what it fetches is no key set, which is a failure of its own
    oidc_provider odd {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        endpoint jwks  %%op%%/api/v2/.well-known/openid-configuration;
        redirect_uri   /odd/callback;
        jwks_cache     valid=1s min_refresh=1s;
        metadata_cache valid=1s min_refresh=1s;
    }
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        location ~ ^/(?<provider>right|same|led_astray|odd)/ { auth_oidc $provider; proxy_pass http://127.0.0.1:%%app%%; }
    }
    server {
        listen 127.0.0.1:%%evil%% ssl;
        ssl_certificate %%evil_cert%%;
        ssl_certificate_key %%evil_key%%;
        default_type application/json;
        location / {
            return 200 '{"issuer":"%%op%%/api/v2","authorization_endpoint":"https://evil.localhost:%%evil%%/authorize","token_endpoint":"https://evil.localhost:%%evil%%/token","jwks_uri":"https://evil.localhost:%%evil%%/jwks"}';
        }
    }
}
NGINX

sub led_to { return (browser()->navigate(rp("/$_[0]/x"), until => qr{authorize})->{next} // '') =~ m{^(https://[^/]+)} ? $1 : 'nowhere' }

ok(until_true(10, sub { led_to('led_astray') eq "https://evil.localhost:$evil_port" }), 'the trap is set: that provider is led astray');
is($nginx->log_text =~ /oidc:.*provider "right"/ ? 'a failure' : 'none', 'none', 'the other one knows nothing of it');

# Both fetch again and again, in two workers, each a copy younger than the other's.
my (%led, $logins);
my $end = time + 6;
while (time < $end) {
    led_to('led_astray');
    browser()->navigate(rp('/odd/x'));
    $led{ led_to($_) }++ for qw(right same right same);
    my $page = browser()->navigate(rp('/right/x'));
    $logins++ if $page->status == 200;
    $led{'no login: ' . $page->status}++ if $page->status != 200;
    sleep 0.1;
}
is_deeply([ keys %led ], [ $op->{origin} ], 'nobody else is led astray');
cmp_ok($logins, '>', 3, 'logins work meanwhile');
my $text = $nginx->log_text;
unlike($text, qr/provider "(?:right|same)"/, 'nothing failed for them');
like($text, qr/provider "odd" .*jwks_malformed/, 'what is no key set fails where it is asked for');

# ---- Equal trust shares: of the two, one fetches
my $count = $op->count('discovery');
$op->reset;
my $start = time;
while (time < $start + 3.5) { led_to($_) for qw(right same); sleep 0.05 }
my $fetches = $op->count('discovery');
cmp_ok($fetches, '<=', 8, "two providers of equal trust, two workers, 3.5 s: $fetches fetches, one a second and those of \"odd\"");

log_ok(allow => [qr/evil\.localhost/]);
done_testing();
