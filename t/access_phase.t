# The module among the other access modules: the table of docs/access-phase.md, denied addresses, limit_req, redirects inside nginx and
# sub-requests, the latter beside the same locations with auth_basic.
use lib 't/lib', 'lib';
use OIDC::Test;

my $port = OIDC::Test::rp_port();
my $basic_site = "https://www.localhost:$port";
my $op = start_provider('generic');
my $app = app();
write_file('html/users', "bob:{PLAIN}builder\n");
write_file('html/shielded/x', 'TREASURE');
write_file("html/$_/page.html", 'page <!--#include virtual="/fragment/x" --> <!--#include virtual="/shielded/x" -->') for 'ssi', 'open-ssi';

my $basic = "auth_basic here; auth_basic_user_file %%dir%%/html/users;";
my %rule_of = ('-' => '', allowed => 'allow 127.0.0.1; deny all;', denied => 'deny all;');

# A location for each configuration: who else is asked.
my $grid = '';
for my $satisfy ('any', 'all') {
    for my $address (sort keys %rule_of) {
        for my $users ('', $basic) {
            for my $judge ('', 'auth_request /judge;') {
                my $name = join '.', $satisfy, $address, $users ? 'basic' : '-', $judge ? 'request' : '-';
                $grid .= "        location /$name/ { satisfy $satisfy; $rule_of{$address} $users $judge auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; }\n";
            }
        }
    }
}

# The same site twice: guarded by this module, guarded by auth_basic.
my $site = <<'NGINX';
        location /page/     { GUARD proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Who WHO; }
        location /named/    { GUARD error_page 404 = @lost; proxy_intercept_errors on; proxy_pass http://127.0.0.1:%%app%%/?status=404&x=; }
        location @lost      { return 200 "lost WHO"; }
        location /uri/      { GUARD error_page 404 /lost.html; proxy_intercept_errors on; proxy_pass http://127.0.0.1:%%app%%/?status=404&x=; }
        location = /lost.html { return 200 "lost WHO"; }
        location /try/      { GUARD try_files /nothing /tried; }
        location = /tried   { return 200 "tried WHO"; }
        location /accel/    { GUARD proxy_pass http://127.0.0.1:%%app%%/?accel=%2Fstore%2Fx&x=; }
        location /store/    { internal; return 200 "store WHO"; }
        location /accel2/   { GUARD proxy_pass http://127.0.0.1:%%app%%/?accel=%2Fbehind%2Fx&x=; }
        location /behind/   { internal; proxy_pass http://127.0.0.1:%%app%%; proxy_set_header X-Who WHO; }
        location /ssi/      { GUARD ssi on; }
        location /open-ssi/ { ssi on; }
        location /fragment/ { return 200 "[WHO]"; }
        location /shielded/ { GUARD }
        location /sub/      { GUARD auth_request /who; proxy_pass http://127.0.0.1:%%app%%; }
        location = /who     { internal; proxy_pass http://127.0.0.1:%%app%%/who?WHO; proxy_pass_request_body off; proxy_set_header Content-Length ""; }
NGINX
sub site_of { my ($guard, $who) = @_; return $site =~ s/GUARD/$guard/gr =~ s/WHO/$who/gr }

my ($with_oidc, $with_basic) = (site_of('auth_oidc op;', '$oidc_claim_sub'), site_of($basic, '$remote_user'));
my $provider = 'issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; ssl_trusted_certificate %%ca%%;';
my $nginx = nginx(<<"NGINX", op => $op, app => $app);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    types { text/html html; }
    limit_req_zone \$server_name zone=logins:1m rate=1r/m;
    oidc_provider op    { $provider }
    oidc_provider shut  { $provider redirect_uri /generic/callback; login_uri /shut/login; logout_uri /shut/logout; }
    oidc_provider tight { $provider redirect_uri /oidc_callback_generic; }
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        root        %%dir%%/html;
        location = /judge { internal; if (\$http_x_judge = 401) { return 401; } if (\$http_x_judge = 500) { return 500; } if (\$http_x_judge) { return 204; } return 403; }
$grid
$with_oidc
        # from a protected place to one that says "off", and by a rewrite to one that says nothing
        location /accel-off/ { auth_oidc op; proxy_pass http://127.0.0.1:%%app%%/?accel=%2Foff%2Fx&x=; }
        location /off/       { internal; auth_oidc off; return 200 "off [\$oidc_claim_sub\$oidc_provider\$oidc_authenticated]"; }
        location /rewrite/   { auth_oidc op; rewrite ^ /rewritten last; }
        location = /rewritten { return 200 "open [\$oidc_claim_sub\$oidc_provider\$oidc_authenticated]"; }
        location /public/    { proxy_pass http://127.0.0.1:%%app%%/?accel=%2Fbehind%2Fx&x=; }
        location /any-through/ { satisfy any; allow all; auth_oidc op; proxy_pass http://127.0.0.1:%%app%%/?accel=%2Fstore%2Fx&x=; }

        # a login from here ends at a callback that is denied; one from there at one that is limited
        location /for-shut/          { auth_oidc shut; proxy_pass http://127.0.0.1:%%app%%; }
        location = /generic/callback { deny all; }
        location /shut/              { deny all; }
        location /for-tight/         { auth_oidc tight; proxy_pass http://127.0.0.1:%%app%%; }
        location = /oidc_callback_generic { limit_req zone=logins; limit_req_status 429; }

        # a 401 with a page, and a denied address with one
        location /at/          { auth_oidc op; auth_oidc_unauth 401; error_page 401 = \@sign-in; proxy_pass http://127.0.0.1:%%app%%; }
        location \@sign-in     { return 303 /sign-in?from=\$uri; }
        location /deny-page/   { deny all; auth_oidc op; error_page 403 /denied.html; }
        location = /denied.html { auth_oidc off; return 200 "not from there"; }
    }
    server {
        listen      %%listen%%;
        server_name www.localhost;
        %%tls%%
        root        %%dir%%/html;
$with_basic
    }
}
NGINX

$op->reset(auto => 'angela');
my $in = browser();
my $sub = $in->navigate(rp('/page/x'))->seen('x-who');
ok(length($sub // ''), 'with a session') or BAIL_OUT('no login');
# Requests that are no navigation by a person: the provider's own log of what it was asked.
my $asked = sub { return scalar grep { $_->{path} !~ /well-known|jwks/ } @{ $op->control->{log} } };
$op->reset(auto => 'angela');
my $nobody = browser();
sub as_nobody { my ($path, @o) = @_; return $nobody->get(rp($path), cookie => '', @o) }
my @script = ('Sec-Fetch-Mode' => 'cors');
my @right = (Authorization => 'Basic Ym9iOmJ1aWxkZXI=');

sub leaves_nothing
{
    my ($answer, $what) = @_;
    return is_deeply([ scalar @{ $answer->{set_cookies} }, $answer->has('location') ? 1 : 0 ], [ 0, 0 ], "$what: no cookie, no way to anywhere");
}

subtest 'the documented table' => sub {
    my $document = read_file("$OIDC::Test::Root/docs/access-phase.md");
    my @rows = map { [ split / \| / ] } $document =~ /^\| ((?:-|allowed|denied) \| .*?) \|$/mg;
    is(scalar @rows, 27, 'every combination is there');
    my @headers = ([], [ Authorization => 'Basic Ym9iOndyb25n' ]);
    for my $row (@rows) {
        my ($address, $users, $judge, @expected) = @$row;
        my @credentials = $users eq 'right' ? \@right : $users eq 'wrong' ? @headers : [];
        for my $satisfy ('any', 'all') {
            my ($without, $with) = splice @expected, 0, 2;
            my $path = '/' . join('.', $satisfy, $address, $users eq '-' ? '-' : 'basic', $judge eq '-' ? '-' : 'request') . '/x';
            for my $given (@credentials) {
                my @extra = (@$given, $judge eq '2xx' ? ('X-Judge' => 1) : ());
                my $what = "$path basic $users, auth_request $judge" . (@$given ? ' (given)' : '');
                my $page = as_nobody($path, headers => \@extra);
                is($page->status, $without, "$what, no session");
                if ($without == 302) {
                    like($page->{location}, qr{^\Q$op->{origin}\E/}, '... to the provider');
                    ok(!$page->has('www-authenticate'), '... no challenge on it');
                } else {
                    leaves_nothing($page, '...');
                }
                my $script = as_nobody($path, headers => [ @extra, @script ]);
                is($script->status, $without == 302 ? 401 : $without, '... a script');
                leaves_nothing($script, '...');
                is($in->get(rp($path), headers => \@extra)->status, $with, "$what, with a session");
            }
        }
    }
};

subtest 'what a sub-request may answer besides' => sub {
    my $challenged = as_nobody('/any.-.basic.request/x', headers => [ 'X-Judge' => 401 ]);
    is($challenged->status, 302, 'satisfy any, 401 of Basic and of auth_request: to the provider');
    ok(!$challenged->has('www-authenticate'), '... without a challenge of either');
    is(as_nobody('/all.-.-.request/x', headers => [ 'X-Judge' => 401 ])->status, 401, 'satisfy all: its 401');
    for my $path ('/any.-.-.request/x', '/all.-.-.request/x') {
        my $broken = as_nobody($path, headers => [ 'X-Judge' => 500 ]);
        is($broken->status, 500, "$path, 500: the request ends");
        leaves_nothing($broken, '...');
    }
};

subtest 'a denied address leaves nothing behind' => sub {
    is($asked->(), 0, 'nothing of the above reached the provider by itself');
    my $browser = browser();
    my $before = $browser->navigate(rp('/for-shut/x'), until => qr{/generic/callback});
    ok($before->{next}, 'a login comes to its callback') or return;
    $op->reset(auto => 'angela');
    $nginx->mark;
    for my $path ($before->{next} =~ s{^\Q@{[rp()]}\E}{}r, '/generic/callback?code=x&state=' . 'S' x 43, '/shut/login?return=/', '/shut/logout', '/all.denied.-.-/x') {
        my $what = $path =~ s/\?.*//sr;
        my $answer = $browser->get(rp($path));
        is($answer->status, 403, "$what: denied");
        leaves_nothing($answer, '...');
    }
    is($asked->(), 0, 'the provider is not called');
    is_deeply([ $nginx->reasons ], [], 'nothing failed: nothing was begun');
    my $page = as_nobody('/deny-page/x');
    is_deeply([ $page->status, $page->{body} ], [ 403, 'not from there' ], 'error_page 403 with "auth_oidc off"');
    leaves_nothing($page, '...');
};

subtest 'limit_req on the callback' => sub {
    $op->reset(auto => 'angela');
    is(browser()->navigate(rp('/for-tight/x'))->status, 200, 'a login passes');
    is($op->count('token'), 1, '... the code was brought');
    my $browser = browser();
    my $second = $browser->navigate(rp('/for-tight/x'));
    is($second->status, 429, 'the next is limited');
    leaves_nothing($second, '...');
    is($op->count('token'), 1, '... and its code stays here');
};

# The two sites side by side.
my @bob = (headers => \@right);
my %answer_of = (    # path => status and text for one who may pass; WHO stands for the person
    '/page/x'     => [ 200, qr/"x-who":\["WHO"\]/ ],
    '/named/x'    => [ 200, qr/^lost WHO$/ ],
    '/uri/x'      => [ 404, qr/^lost WHO$/ ],
    '/try/x'      => [ 200, qr/^tried WHO$/ ],
    '/accel/x'    => [ 200, qr/^store WHO$/ ],
    '/accel2/x'   => [ 200, qr/"x-who":\["WHO"\]/ ],
    '/ssi/page.html' => [ 200, qr/^page \[WHO\] TREASURE$/ ],
    '/shielded/x' => [ 200, qr/^TREASURE$/ ],
    '/sub/x'      => [ 200, qr/"uri":"\/sub\/x"/ ],
);
subtest 'redirects inside nginx and sub-requests, as with auth_basic' => sub {
    for my $path (sort keys %answer_of) {
        my ($status, $text) = @{ $answer_of{$path} };
        my $oidc = $in->get(rp($path));
        my $basic = $nobody->get("$basic_site$path", @bob);
        for ([ 'this module', $oidc, $sub ], [ 'auth_basic', $basic, 'bob' ]) {
            my ($who, $answer, $name) = @$_;
            is($answer->status, $status, "$path, $who");
            my $expected = $text =~ s/WHO/\Q$name\E/r;
            like($answer->{body}, qr/$expected/, '... what is shown');
            leaves_nothing($answer, '...');
        }
        my $stranger = as_nobody($path);
        is($stranger->status, 302, '... a stranger is sent to the provider');
        is(scalar @{ $stranger->{set_cookies} }, 1, '... once');
        is($nobody->get("$basic_site$path")->status, 401, '... or asked for a password');
        unlike($_->{body}, qr/lost|tried|store|TREASURE|headers/, '... and sees nothing') for $stranger, $nobody->get("$basic_site$path");
    }
    my $log = read_file(dir() . '/app.log');
    like($log, qr{^GET /who\?\Q$sub\E$}m, 'auth_request: the sub-request knows who it is');
    like($log, qr{^GET /who\?bob$}m, '... as with auth_basic');
    is($_->{body}, 'page [] TREASURE', 'a public page that includes a protected one shows it') for as_nobody('/open-ssi/page.html'), $nobody->get("$basic_site/open-ssi/page.html");
};

subtest 'where the variables end' => sub {
    is($in->get(rp('/accel-off/x'))->{body}, 'off []', '"auth_oidc off" at the end of a redirect');
    is($_->{body}, 'open []', 'a rewrite asks nobody, and shows nobody') for $in->get(rp('/rewrite/x')), as_nobody('/rewrite/x');
    is($in->get(rp('/fragment/x'))->{body}, '[]', 'the target of a redirect, asked for directly');
    is($in->get(rp('/open-ssi/page.html'))->{body}, 'page [] TREASURE', '... by a sub-request of a public page');
    is($in->get(rp('/public/x'))->seen('x-who'), undef, '... by a redirect from one');
    is($in->get(rp('/any-through/x'))->{body}, "store $sub", 'satisfy any by the address: who it is, is known');
    is(as_nobody('/any-through/x')->{body}, 'store ', '... or nobody');
};

subtest 'error_page 401 with a named location' => sub {
    my $answer = as_nobody('/at/x');
    is($answer->status, 303, 'its answer');
    is($answer->{location}, rp('/sign-in?from=/at/x'), '... with the address');
    is(scalar @{ $answer->{set_cookies} }, 0, '... no cookie');
    is($in->get(rp('/at/x'))->status, 200, 'with a session: the page');
};

log_ok();
done_testing();
