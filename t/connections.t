# Connections that a provider's TLS front closes while they are idle, as nginx, Apache and every load balancer do: no login is lost on one,
# none costs the reuse of those that live, and a request that crosses the close begins its login again, once.
use lib 't/lib', 'lib';
use OIDC::Test;
use Time::HiRes qw(sleep time);

my ($front, $slow_front) = (free_port(), free_port());
my $op = start_provider('generic');
my $app = app();
my $log = write_file('front.log', '');
chmod 0666, $log;

# The front is an nginx of its own; its connections are told apart in its log. `keepalive_timeout` as its place says.
my $front_conf = write_file('front.conf', OIDC::Test::subst(<<'NGINX', op_port => $op->{port}, front => $front, slow_front => $slow_front));
daemon off;
worker_processes 1;
pid %%dir%%/front.pid;
error_log %%dir%%/front-error.log;
events { worker_connections 256; }
http {
    access_log off;
    log_format connections '$server_port $connection $connection_requests $request_method $uri $status';
    client_body_temp_path %%dir%%/front-body;
    proxy_temp_path %%dir%%/front-proxy;
    ssl_certificate %%dir%%/tls/tls.pem;
    ssl_certificate_key %%dir%%/tls/tls.key;
    proxy_set_header Host generic.localhost:%%op_port%%;
    server { listen 127.0.0.1:%%front%% ssl; keepalive_timeout 1s; location / { access_log %%dir%%/front.log connections; proxy_pass https://127.0.0.1:%%op_port%%; } }
    server { listen 127.0.0.1:%%slow_front%% ssl; keepalive_timeout 60s; location / { access_log %%dir%%/front.log connections; proxy_pass https://127.0.0.1:%%op_port%%; } }
}
NGINX
OIDC::Test::ca_file();
OIDC::Test::cert_file();
OIDC::Test::key_file();
spawn(dir() . '/front.out', $OIDC::Test::Nginx, '-c', $front_conf);
wait_for(10, sub { OIDC::Test::listening($front) && OIDC::Test::listening($slow_front) }, 'the front');

my $nginx = nginx(<<'NGINX', op => $op, app => $app, front => $front, slow_front => $slow_front);
%%globals%%
worker_processes 1;
events { worker_connections 256; }
http {
    %%http%%
    oidc_provider short {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        endpoint token    https://generic.localhost:%%front%%/api/v2/token;
        endpoint userinfo https://generic.localhost:%%front%%/api/v2/userinfo;
        userinfo on; redirect_uri /generic/callback;
    }
    oidc_provider long {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        endpoint token    https://generic.localhost:%%slow_front%%/api/v2/token;
        endpoint userinfo https://generic.localhost:%%slow_front%%/api/v2/userinfo;
        userinfo on; redirect_uri /generic/callback;
    }
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        location ~ ^/(?<provider>short|long)/ { auth_oidc $provider; proxy_pass http://127.0.0.1:%%app%%; }
    }
}
NGINX
$op->reset;
sub login_status { my $page = browser()->navigate(rp("/$_[0]/x")); return $page->status == 200 && $page->{body} =~ m{"uri":"/$_[0]/x"} ? 200 : "no login, " . $page->status }

# ---- 12 logins, each half a second after the front has closed: 1.5 s apart with 1 s, as 6 s with 4 s
my @status;
for (1 .. 12) { push @status, login_status('short'); sleep 1.5 }
is("@status", join(' ', (200) x 12), 'a front that closes idle connections: every login is in');
is(join(' ', $nginx->reasons(0)), '', '... without a line in the log');
my %seen = map { /^$front (\d+)/ ? ($1 => 1) : () } split /\n/, read_file($log);
cmp_ok(scalar keys %seen, '>=', 12, '... over new connections, ' . scalar keys %seen);

# ---- A provider that keeps its connections sees no new one per login
@status = map { login_status('long') } 1 .. 12;
is("@status", join(' ', (200) x 12), 'a front that keeps them: every login is in');
%seen = map { /^$slow_front (\d+)/ ? ($1 => 1) : () } split /\n/, read_file($log);
cmp_ok(scalar keys %seen, '<=', 2, '... over ' . scalar(keys %seen) . ' connections');

log_ok();
done_testing();
