# The zone of provider documents: too small for all of them, it says so and everything works.
use lib 't/lib', 'lib';
use OIDC::Test;

my $op = start_provider('generic');
my $app = app();
$op->reset(discovery => { set => { padding => 'x' x 900_000 } });
my $providers = join '', map {<<"NGINX"} 1 .. 6;
    oidc_provider op$_ {
        issuer     %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        config_url %%op%%/api/v2/.well-known/openid-configuration?$_;
        redirect_uri /generic/callback; http_max_response 1m; metadata_cache valid=1s min_refresh=1s;
    }
NGINX
my $nginx = nginx(<<'NGINX' =~ s/PROVIDERS/$providers/r, op => $op, app => $app);
%%globals%%
worker_processes 2;
events { worker_connections 256; }
http {
    %%http%%
PROVIDERS
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        location ~ ^/(?<provider>op\d)/ { auth_oidc $provider; proxy_pass http://127.0.0.1:%%app%%; }
    }
}
NGINX

ok(until_true(10, sub { $nginx->log_text =~ /\[warn\].*zone "oidc_documents" is full/ }), 'it is full: the log says so');
unlike($nginx->log_text, qr/oidc_documents" is full.*(?:larger|enlarge)/, '... without advice that nobody can follow');
is(join(' ', map { browser()->navigate(rp("/op$_/x"))->status } 1 .. 6), join(' ', (200) x 6), 'logins work');

log_ok();
done_testing();
