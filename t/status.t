# oidc_status: what was done is counted, once, whichever worker did it; kept over a reload; nothing secret in it.
use lib 't/lib', 'lib';
use OIDC::Test;
use Time::HiRes qw(sleep);

my $op = start_provider('proconnect');
my $app = app();
my $dead = free_port();
my $block = sub {
    my ($name, $more) = @_;
    return <<"NGINX";
    oidc_provider $name {
        profile                 proconnect;
        issuer                  %%op%%/api/v2;
        client_id               pc-es256;
        client_secret           %%secret:pc-es256%%;
        scope                   openid given_name email;
        redirect_uri            /proconnect/callback;
        ssl_trusted_certificate %%ca%%;
        jwks_cache              min_refresh=1s;
        login_uri               /login_$name;
        logout_uri              /logout_$name;
        post_logout_uri         /proconnect/logged_out;
        logged_out_uri          /bye;
        $more
    }
NGINX
};
my $conf = <<"NGINX";
%%globals%%
worker_processes 2;
events { worker_connections 512; }
http {
    %%http%%
    oidc_session_zone 'zone=odd"zo\\ne:64k';
    oidc_session_zone zone=renewed:1m;
@{[ $block->('pc', q{session_store 'odd"zo\ne'; session_refresh off;}) ]}
@{[ $block->('renewed', 'session_store renewed; session_refresh on before=1h;') ]}
    oidc_provider dead {
        issuer    http://127.0.0.1:%%dead%%;
        client_id dead;
        token_endpoint_auth_method none;
        frontchannel_logout_uri /told;
    }
    # more
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        proxy_set_header X-Sub \$oidc_claim_sub;
        add_header X-Pid \$pid always;
        location /pc/      { auth_oidc pc; proxy_pass http://127.0.0.1:%%app%%; }
        location /renewed/ { auth_oidc renewed; proxy_pass http://127.0.0.1:%%app%%; }
        location /dead/    { auth_oidc dead; proxy_pass http://127.0.0.1:%%app%%; }
        location = /bye    { return 200 bye; }
        location = /status { oidc_status; allow 127.0.0.1; deny all; }
        location = /json   { oidc_status json; }
        location = /metrics { oidc_status prometheus; }
        location = /denied { oidc_status; deny all; }
    }
}
NGINX
my $nginx = nginx($conf, op => $op, app => $app, dead => $dead);
$op->reset(auto => 'agent');
my @bodies;

sub status
{
    my ($path) = @_;
    my $r = browser(keep => 0)->get(rp($path // '/status'));
    push @bodies, $r->{body};
    return $r;
}

# The counters, flat: {"pc.failures.state_unknown" => 1}. What a clock decides is left out.
sub counters
{
    my $all = status()->json->{providers};
    my %flat;
    for my $name (keys %$all) {
        for my $family (grep { !/milliseconds|seconds/ } keys %{ $all->{$name} }) {
            my $value = $all->{$name}{$family};
            if (ref $value) { $flat{"$name.$family.$_"} = $value->{$_} for keys %$value }
            else            { $flat{"$name.$family"} = $value }
        }
    }
    return \%flat;
}
sub risen { my ($from) = @_; my $to = counters(); return { map { $to->{$_} == $from->{$_} ? () : ($_ => $to->{$_} - $from->{$_}) } grep { !/^dead\./ } keys %$to } }
sub rises { my ($code, $expected, $what) = @_; my $from = counters(); $code->(); return is_deeply(risen($from), $expected, $what) }

ok(until_true(10, sub { my $c = counters(); $c->{'pc.fetches_done.jwks'} && $c->{'renewed.fetches_done.metadata'} + $c->{'pc.fetches_done.metadata'} && $c->{'dead.fetches_failed.metadata'} }),
    'the documents are fetched, one cannot be');
my $pc = status()->json->{providers}{pc};
is_deeply([ grep { !defined $pc->{document_age_seconds}{$_} } qw(metadata jwks) ], [], 'their age is known');
ok(!exists status()->json->{providers}{dead}{document_age_seconds}, '... and absent where there is none');
ok(until_true(10, sub { my $one = counters(); sleep 0.3; !%{ risen($one) } }), 'nothing rises by itself');

my ($done, %pids) = (0);
my $from = counters();
while ($done < 4 || ($done < 60 && keys %pids < 2)) {
    my $r = browser(keep => 0)->navigate(rp('/pc/x'));
    last if $r->status != 200;
    $pids{ $r->header('x-pid') }++;
    $done++;
}
is_deeply(risen($from), { 'pc.logins_started' => $done, 'pc.logins_done' => $done }, "$done logins");
is(scalar(keys %pids), 2, '... of two workers');
my %seen;
until_true(20, sub { my $r = status(); $seen{ $r->header('x-pid') } = $r->json->{providers}{pc}{logins_done}; keys %seen == 2 });
is_deeply([ values %seen ], [ $done, $done ], '... which each of them tells');

my $browser = browser();
rises(sub { $browser->navigate(rp('/pc/x')) }, { 'pc.logins_started' => 1, 'pc.logins_done' => 1 }, 'a login');
my ($again) = map { $_->[1] } grep { $_->[1] =~ m{/proconnect/callback\?} } @{ $browser->{hops} };
rises(sub { is($browser->get(rp('/pc/x'))->status, 200, 'a page') for 1 .. 3 }, {}, '... and nothing afterwards');
rises(sub { $browser->navigate(rp('/login_pc?return=/pc/y')) }, {}, 'a link to the login, with a session');
rises(sub { is($browser->get($again)->status, 302, 'the callback again') }, {}, '... is no second login');
rises(sub { is($browser->navigate(rp('/logout_pc'))->{body}, 'bye', 'a logout') }, { 'pc.logouts_started' => 1, 'pc.logouts_done' => 1 }, '... and back');
my $told = counters()->{'dead.logouts_told'};
is(browser()->get(rp($_->[0]))->status, $_->[1], "a frame of the provider: $_->[0]") for [ '/told', 200 ], [ '/told?sid=x', 400 ], [ '/told', 200 ];
is(counters()->{'dead.logouts_told'} - $told, 2, '... and two were accepted');

my @failures = (
    [ state_missing => sub { browser()->get(rp('/proconnect/callback?code=x')) } ],
    [ state_unknown => sub { browser()->get(rp('/proconnect/callback?code=x&state=x')) } ],
    [ return_refused => sub { browser()->get(rp('/login_pc?return=//evil.localhost/')) } ],
    [ login_cancelled => sub { $op->control(callback => { error => 'access_denied' }); browser()->navigate(rp('/pc/x')); $op->control(callback => undef) }, 1 ],
    [ id_token_issuer => sub { $op->control(idToken => { set => { iss => 'https://x' } }); browser()->navigate(rp('/pc/x')); $op->control(idToken => undef) }, 1 ],
    [ logout_refused => sub { browser()->get(rp('/logout_pc'), headers => [ 'Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Dest' => 'empty', 'Sec-Fetch-Site' => 'same-origin' ]) } ],
);
for (@failures) {
    my ($reason, $act, $login) = @$_;
    $nginx->mark;
    my $before = counters();
    $act->();
    my $risen = risen($before);
    is_deeply($risen, { "pc.failures.$reason" => 1, $login ? ('pc.logins_started' => 1) : () }, $reason) or diag explain [ $nginx->reasons ];
    is_deeply([ $nginx->reasons ], [$reason], '... with one line in the log');
}

subtest 'tokens are renewed' => sub {
    $op->control(ttl => { AccessToken => 6 });    # due after 3 s
    my $person = browser();
    my $before = counters();
    my $ended = sub { my $n = shift; return until_true(10, sub { my $c = risen($before); ($c->{'renewed.refreshes_done'} // 0) + ($c->{'renewed.refreshes_failed'} // 0) == $n }) };
    is($person->navigate(rp('/renewed/x'))->status, 200, 'a login');
    sleep 3.2;
    $person->get(rp('/renewed/x'));
    ok($ended->($op->refreshes), '... whose tokens are renewed');
    is_deeply(risen($before), { 'renewed.logins_started' => 1, 'renewed.logins_done' => 1, 'renewed.refreshes_done' => $op->refreshes }, '... which is counted');
    sleep 3.2;
    $op->control(refresh => { error => 'invalid_grant' });
    $person->get(rp('/renewed/x'));
    ok(until_true(10, sub { risen($before)->{'renewed.refreshes_failed'} }), 'a refusal');
    my $risen = risen($before);
    is($risen->{'renewed.refreshes_failed'}, 1, '... is counted');
    is($risen->{'renewed.failures.refresh_refused'}, 1, '... by its reason');
    $op->reset(auto => 'agent');
};

subtest 'documents' => sub {
    sleep 1.2;    # min_refresh
    $op->rotate;
    rises(sub { is(browser()->navigate(rp('/pc/x'))->status, 200, 'new keys') }, { 'pc.logins_started' => 1, 'pc.logins_done' => 1, 'pc.fetches_done.jwks' => 1 }, 'one fetch');
    sleep 1.2;
    $op->rotate;
    $op->control(fail => { jwks => '500' });
    rises(sub { is(browser()->navigate(rp('/pc/x'))->status, 502, 'keys that cannot be had') },
        { 'pc.logins_started' => 1, 'pc.failures.id_token_key' => 1, 'pc.fetches_failed.jwks' => 1 }, 'a failed fetch');
    $op->reset(auto => 'agent');
    sleep 1.2;
    is(browser()->navigate(rp('/pc/x'))->status, 200, 'they are back');
};

subtest 'zones' => sub {
    my $zone = sub { return status()->json->{zones}{ $_[0] } };
    is($zone->('renewed')->{sessions}, 0, 'the refused refresh ended a session');
    browser()->navigate(rp('/renewed/x'));
    is($zone->('renewed')->{sessions}, 1, 'a new one');
    is($zone->('renewed')->{zone_size_bytes}, 1024 * 1024, '... in 1 MB');
    my ($free, $size) = @{ $zone->('renewed') }{qw(zone_free_bytes zone_size_bytes)};
    ok($free > $size / 2 && $free < $size, '... mostly free');
    my $odd = qq{odd"zo\ne};
    my $tries = 0;
    browser()->navigate(rp('/pc/x')) while $tries++ < 150 && !$zone->($odd)->{evictions};
    my $full = $zone->($odd);
    ok($full->{evictions}, "a zone that is full after $tries logins");
    my $logins = counters()->{'pc.logins_done'};
    is($full->{sessions} + $full->{evictions}, $logins - 1, 'each login is a session, an eviction or a logout');
};

subtest 'Prometheus' => sub {
    my $r = status('/metrics');
    is($r->header('content-type'), 'text/plain; version=0.0.4', 'its type');
    my (%type, %help, %value, @bad);
    for (split /\n/, $r->{body}) {
        if    (/^# HELP (oidc_\w+) \S/)                   { push @bad, "$_: twice" if $help{$1}++ }
        elsif (/^# TYPE (oidc_\w+) (counter|gauge)$/)     { push @bad, $_ if $type{$1} || !$help{$1} || ($2 eq 'counter' xor '_total' eq substr $1, -6); $type{$1} = $2 }
        elsif (/^(oidc_\w+)(\{\w+="(?:[^"\\\n]|\\["\\n])*"(?:,\w+="(?:[^"\\\n]|\\["\\n])*")*\}) (\d+)$/) { push @bad, $_ if !$type{$1} || exists $value{"$1$2"}; $value{"$1$2"} = $3 }
        else                                              { push @bad, $_ }
    }
    is_deeply(\@bad, [], 'every line is well-formed');
    like($r->{body}, qr/\n\z/, '... and ends');
    my $json = status()->json;
    my $pc = $json->{providers}{pc};
    is($value{'oidc_logins_done_total{provider="pc"}'}, $pc->{logins_done}, 'a counter');
    is($value{'oidc_failures_total{provider="pc",reason="state_unknown"}'}, 1, '... by reason');
    is($value{'oidc_fetches_done_total{provider="pc",document="jwks"}'}, $pc->{fetches_done}{jwks}, '... by document');
    is($value{'oidc_sessions{zone="odd\\"zo\\ne"}'}, $json->{zones}{qq{odd"zo\ne}}{sessions}, 'a label is escaped') or diag explain [ grep {/zone/} keys %value ];
    my @reasons = grep {/^oidc_failures_total\{provider="pc"/} keys %value;
    is(scalar @reasons, scalar keys %{ $pc->{failures} }, 'every reason is there from the start');
};

subtest 'the answer' => sub {
    for (qw(/status /json)) {
        my $r = status($_);
        is($r->header('content-type'), 'application/json', "$_ is JSON");
        is($r->header('cache-control'), 'no-store', '... that nobody keeps');
    }
    my $head = browser()->request(HEAD => rp('/status'));
    is($head->status . $head->{body}, 200, 'HEAD');
    is(browser()->request($_ => rp('/status'), body => 'x')->status, 405, $_) for qw(POST PUT DELETE);
    my $denied = browser()->get(rp('/denied'));
    is($denied->status, 403, 'a denied address');
    unlike($denied->{body}, qr/logins/, '... learns nothing');
    my @secrets = grep { length >= 8 } @OIDC::Browser::Secrets, client_secret('pc-es256');
    cmp_ok(scalar @secrets, '>', 10, 'of the secrets of this test');
    my @found = grep { my $body = $_; grep { index($body, $_) >= 0 } @secrets } @bodies;
    push @found, grep { my $body = $_; grep { $body =~ $_ } @OIDC::Test::Private } @bodies;
    is_deeply(\@found, [], '... none is in any answer');
};

subtest 'a reload' => sub {
    my $before = counters();
    $nginx->reload;
    ok($nginx->settled, 'new workers');
    is_deeply({ map { /fetches/ ? () : ($_ => 1) } keys %{ risen($before) } }, {}, 'every counter is kept');
    $before = counters();
    my $more = $block->('another', q{session_store renewed;});
    $nginx->reload(conf => $conf =~ s/ +# more\n/$more/r);
    ok($nginx->settled, 'a provider more');
    my $now = counters();
    is_deeply([ grep { !/fetches/ && !/^another/ && $now->{$_} != $before->{$_} } keys %$now ], [], '... touches no other');
    is($now->{'another.logins_done'}, 0, '... and begins at zero');
    (my $renamed = $conf) =~ s/oidc_provider renewed/oidc_provider other/;
    $renamed =~ s/auth_oidc renewed/auth_oidc other/;
    $nginx->reload(conf => $renamed);
    ok($nginx->settled, 'another name');
    $now = counters();
    is($now->{'other.logins_done'}, 0, '... is another provider');
    is($now->{'pc.logins_done'}, $before->{'pc.logins_done'}, '... and the first is still the first');
};

subtest 'nginx -t' => sub {
    for ([ 'oidc_status yaml;', qr/invalid value "yaml", it can be json, prometheus/ ], [ 'oidc_status; oidc_status;', qr/another directive answers this location/ ],
        [ 'oidc_status json more;', qr/invalid number of arguments/ ]) {
        my ($line, $says) = @$_;
        my ($accepted, $output) = nginx_t("%%globals%%\nevents {}\nhttp { server { listen 127.0.0.1:1; location / { $line } } }");
        ok(!$accepted, "$line is refused");
        like($output, $says, '... says why');
    }
};

log_ok();
done_testing();
