# Sessions: idle and absolute lifetimes, a full zone, what is evicted first.
use lib 't/lib', 'lib';
use OIDC::Test;
use Time::HiRes qw(sleep time);

my $op = start_provider('generic');
my $app = app();
my $nginx = nginx(<<'NGINX', op => $op, app => $app);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    oidc_session_zone zone=lives:1m;
    oidc_session_zone zone=tiny:64k;

    oidc_provider long {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        session_store lives;
    }
    oidc_provider idle {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        session_store        lives;
        session_idle_timeout 2s;
        session_timeout      6s;
    }
    oidc_provider absolute {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        session_store        lives;
        session_timeout      2s;
    }
    oidc_provider max {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        session_store        lives;
        session_max_lifetime 2s;
    }
    oidc_provider brief {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        session_store        tiny;
        session_timeout      2s;
    }
    oidc_provider full {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;
        session_store        tiny;
    }

    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        proxy_set_header X-Expires $oidc_session_expires;
        proxy_set_header X-Hash $oidc_session_hash;
        proxy_set_header X-Sub $oidc_claim_sub;
        proxy_set_header X-Provider $oidc_provider;
        location /long/     { auth_oidc long;     proxy_pass http://127.0.0.1:%%app%%; }
        location /idle/     { auth_oidc idle;     proxy_pass http://127.0.0.1:%%app%%; }
        location /absolute/ { auth_oidc absolute; proxy_pass http://127.0.0.1:%%app%%; }
        location /max/      { auth_oidc max;      proxy_pass http://127.0.0.1:%%app%%; }
        location /brief/    { auth_oidc brief;    proxy_pass http://127.0.0.1:%%app%%; }
        location /full/     { auth_oidc full;     proxy_pass http://127.0.0.1:%%app%%; }
        location = /ping    { return 200 pong; }
    }
}
NGINX

$op->reset;

sub in { my ($name) = @_; my $b = browser(); my $r = $b->navigate(rp("/$name/x")); is($r->status, 200, "$name: logged in"); return ($b, $r) }
sub status { my ($browser, $name) = @_; return $browser->get(rp("/$name/x"))->status }

subtest 'lifetimes' => sub {
    my ($absolute, $max) = map { my ($b) = in($_); is(status($b, $_), 200, "$_: alive at first"); $b } qw(absolute max);
    my ($abandoned) = in('idle');
    my ($long, $r) = in('long');
    sleep 0.02 while time - int(time) > 0.2;    # sessions count whole seconds: one that begins at the end of one is a second old at once
    my ($idle) = in('idle');
    my $began = time;
    cmp_ok(abs($r->seen('x-expires') - time - 8 * 3600), '<', 5, '$oidc_session_expires: 8 h by default');
    is($r->seen('x-provider'), 'long', '$oidc_provider');
    like($r->seen('x-hash'), qr/^[A-Za-z0-9_-]{20,}$/, '$oidc_session_hash');
    my $id = $long->cookie(rp('/'), qr/SESSION_long/)->{value};
    isnt($r->seen('x-hash'), $id, '... is not the cookie');
    for my $at (1, 2, 3, 4) {
        sleep 0.05 while time < $began + $at;
        is(status($idle, 'idle'), 200, "idle: used every second, alive after $at s");
    }
    is(status($absolute, 'absolute'), 302, 'session_timeout has passed');
    is(status($max, 'max'), 302, 'session_max_lifetime has passed');
    is(status($abandoned, 'idle'), 302, 'session_idle_timeout has passed');
    is(status($long, 'long'), 200, 'the long one lives');
    while (time < $began + 6.5) { sleep 0.5; status($idle, 'idle') }
    is(status($idle, 'idle'), 302, 'session_timeout ends an idle session that is used, too');
    is($absolute->navigate(rp('/absolute/again'))->status, 200, 'a new login works');
};

subtest 'a full zone' => sub {
    my @brief = map { (in('brief'))[0] } 1 .. 6;
    my @old = map { (in('full'))[0] } 1 .. 4;
    sleep 3;
    # the brief ones have expired: their room is taken first
    my @more = map { (in('full'))[0] } 1 .. 6;
    is(join(' ', map { status($_, 'full') } @old), '200 200 200 200', 'expired sessions were evicted, none that lives');
    is(join(' ', map { status($_, 'brief') } @brief), '302 302 302 302 302 302', 'expired is expired');

    # 64 kB hold far fewer than sixty: the least recently used ones make room
    my $used = $old[0];
    my @all;
    for (1 .. 60) {
        push @all, (in('full'))[0];
        status($used, 'full');
    }
    is(status($used, 'full'), 200, 'a session in constant use stays');
    is(status($all[-1], 'full'), 200, 'the newest is there');
    is(status($old[1], 'full'), 302, 'the one unused for longest is gone');
    my @alive = grep { status($_, 'full') == 200 } @all;
    cmp_ok(scalar @alive, '>=', 5, 'the zone holds ' . @alive . ' of them');
    cmp_ok(scalar @alive, '<', 60, 'and not all');
    is(join(' ', map { $_ == $all[-1] ? 'newest' : () } $alive[-1]), 'newest', 'the survivors are the newest');
    is(browser()->get(rp('/ping'))->status, 200, 'other requests do not care');
    my ($long) = in('long');
    is(status($long, 'long'), 200, 'and another zone neither');
};

subtest 'a session that does not fit' => sub {
    my ($other) = in('full');
    $op->reset(idToken => { set => { big => 'x' x 20_000 } });
    my $browser = browser();
    $nginx->mark;
    my $answer = $browser->navigate(rp('/full/x'));
    is($answer->status, 503, 'is refused');
    ok($nginx->wait_reason('session_store'), 'session_store');
    ok(!$browser->cookie(rp('/'), qr/SESSION/), 'no session cookie');
    is(status($other, 'full'), 200, 'the others stay');
    $op->reset;
};

log_ok(allow => [qr/oidc: session_store: /]);
done_testing();
