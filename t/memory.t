# Visitors who never log in cost the zone nothing: no session is evicted, whatever they send.
use lib 't/lib', 'lib';
use OIDC::Test;
use Time::HiRes qw(time);

my $op = start_provider('generic');
my $app = app();
my $nginx = nginx(<<'NGINX', op => $op, app => $app);
%%globals%%
worker_processes 1;
events { worker_connections 512; }
http {
    %%http%%
    keepalive_requests 100000;
    oidc_session_zone zone=tiny:64k;
    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        session_store           tiny;
    }
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        location / { auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; }
    }
}
NGINX

$op->reset;

# How many sessions the zone holds: fill it, then look who is left.
my @all = map { my $b = browser(); $b->navigate(rp('/x')); $b } 1 .. 60;
my @kept = grep { $_->get(rp('/x'))->status == 200 } @all;
cmp_ok(scalar @kept, '>=', 5, 'a full zone of ' . @kept . ' sessions');
cmp_ok(scalar @kept, '<', 60, '... that has begun to evict');

# The zones' free pages.
sub pages { return { sessions => $nginx->free_pages(64 * 1024), states => $nginx->free_pages(1024 * 1024) } }

sub survivors { return scalar grep { $_->get(rp('/x'))->status == 200 } @kept }

# 10,000 requests without a session
my ($pid) = $nginx->workers;
my $rss = sub { return read_file("/proc/$pid/status") =~ /VmRSS:\s+(\d+)/ ? $1 : 0 };
my $command = join ' ', 'curl -s -o /dev/null -w "%{http_code}\n" --cacert', ca_file(), '--resolve', 'rp.localhost:' . OIDC::Test::rp_port() . ':127.0.0.1', "'" . rp('/page?[1-5000]') . "'";
my %status;
$status{$_}++ for split /\n/, `$command`;
my $warm = $rss->();
my $before = pages();
cmp_ok($before->{states}, q(>), 200, "free pages: $before->{states} of the used states, $before->{sessions} of the sessions'");
$status{$_}++ for split /\n/, `$command`;
is_deeply(\%status, { 302 => 10000 }, '10,000 redirects to the provider');
cmp_ok($rss->() - $warm, '<', 1024, 'the worker has not grown by 1 MB over the second half');
is(survivors(), scalar @kept, 'every session is still there');
is_deeply(pages(), $before, 'the zones have as many free pages as before');

# 1,000 callbacks with genuine cookies and codes that the provider refuses
subtest 'refused callbacks' => sub {
    $nginx->mark;
    my $began = time;
    my $refused = 0;
    for my $n (1 .. 1000) {
        my $browser = browser();
        my $start = $browser->get(rp('/page'));
        my $url = rp('/oidc_callback?code=' . sprintf('no%041d', $n) . '&state=' . $start->args->{state} . '&iss=' . OIDC::Browser::escape($op->issuer));
        my $answer = $browser->get($url);
        ++$refused if $answer->status >= 400 && !grep {/SESSION/} @{ $answer->{set_cookies} };
    }
    is($refused, 1000, '1,000 genuine cookies with forged codes: all refused');
    is(scalar(grep { $_ eq 'token_refused' } $nginx->reasons), 1000, 'by the provider');
    is(survivors(), scalar @kept, 'every session is still there');
    is_deeply(pages(), $before, 'the zones have as many free pages as before');
    my $browser = browser();
    is($browser->navigate(rp('/x'))->status, 200, 'and a login works');
};

log_ok();
done_testing();
