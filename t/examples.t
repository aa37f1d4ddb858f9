# Every file of conf-examples/: accepted as it is (but for the names of files), and with a local provider's values a person logs in
# and out through it; so are the lines of README.md, in a server that exists. (t/spoofing.t sees what the applications of
# applications.conf get.)
use lib 't/lib', 'lib';
use OIDC::Test;
use File::Basename qw(basename);

my $examples = "$OIDC::Test::Root/conf-examples";
my $app = app();
my $plain = free_port();
my $metrics = free_port();
my $secret_file = write_file('oidc-secret', client_secret('generic-basic') . "\n");

# file => a header of the person, its value
my %of = (
    'applications.conf'          => [ 'x-email', 'eleonore.muller-lefevre@exemple.fr' ],
    'any-provider.conf'          => [ 'x-email', 'eleonore.muller-lefevre@exemple.fr' ],
    'api-particulier.conf'       => [ 'x-birthdate', '1962-08-24' ],
    'behind-tls-terminator.conf' => [ 'x-family-name', 'MÜLLER-LEFÈVRE' ],
    'complete.conf'              => [ 'x-family-name', 'MÜLLER-LEFÈVRE' ],
    'franceconnect.conf'         => [ 'x-birthplace', '2A115' ],
    'franceconnect-plus.conf'    => [ 'x-acr', 'eidas2' ],
    'login.conf'                 => [ 'x-family-name', 'MÜLLER-LEFÈVRE' ],
    'operations.conf'            => [ 'x-email', 'eleonore.muller-lefevre@exemple.fr' ],
    'proconnect.conf'            => [ 'x-usual-name', 'Besson-Oûtis' ],
    'public-page.conf'           => [ 'x-family-name', 'MÜLLER-LEFÈVRE' ],
    'sensitive.conf'             => [ 'x-acr', 'eidas2' ],
    'towns.conf'                 => [ 'x-town', 'grenoble' ],
);
# the buttons of those that have a page to choose from, and its status
my %buttons = ('complete.conf' => [qw(franceconnect sso)], 'login.conf' => [qw(franceconnect proconnect franceconnect)]);
# the protected part of those that do not call it /account/
my %protected = ('towns.conf' => '/grenoble/account/');
# what those have beyond the others
my %beyond = ('complete.conf' => \&complete, 'login.conf' => \&login_page, 'operations.conf' => \&operations, 'public-page.conf' => \&public_page,
    'sensitive.conf' => \&sensitive, 'towns.conf' => \&towns);
# the status of that page
my %chooser = ('complete.conf' => 401, 'login.conf' => 200);
# oidc_provider => local provider, client
my %local = (
    franceconnect      => [ franceconnect => 'fc-es256' ],
    franceconnect_plus => [ franceconnect_plus => 'fcp-ecdh-es' ],
    proconnect         => [ proconnect => 'pc-es256' ],
    sso                => [ generic => 'generic-basic' ],
    grenoble           => [ franceconnect => 'fc-es256' ],
    chambery           => [ franceconnect => 'fc-other' ],
);
my %provider = map { $_ => start_provider($_) } qw(franceconnect franceconnect_plus proconnect generic);
$provider{$_}->reset(auto => $_ eq 'proconnect' ? 'agent' : 'angela') for keys %provider;

my $frame = <<'NGINX';
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    include /etc/nginx/mime.types;    # as Debian's nginx.conf has it
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

# An oidc_provider block with a local provider's values.
sub localised
{
    my ($block, $name) = @_;
    my ($row, $client) = @{ $local{$name} };
    my ($issuer, $secret, $ca) = ($provider{$row}->issuer, client_secret($client), ca_file());
    for ($block) {
        s{https://sso\.example\.fr/realms/main}{$issuer};
        s{(profile \w+ environment=production;)}{$1 issuer $issuer;};
        s{(\n    client_id )}{\n    ssl_trusted_certificate $ca;$1};
        s{(client_id\s+)[^;]+}{$1$client};
        s{(client_secret\s+)0+}{$1$secret};
    }
    return $block;
}

# What README.md tells to put beside a server, and into it.
sub readme
{
    my @fragments = read_file("$OIDC::Test::Root/README.md") =~ /^```nginx\n(.*?)^```/gms;
    is(scalar @fragments, 2, 'README.md has two fragments');
    return <<"NGINX";
$fragments[0]
server {
    listen 443 ssl http2;
    server_name www.example.fr;
    ssl_certificate     /etc/ssl/certs/www.example.fr.pem;
    ssl_certificate_key /etc/ssl/private/www.example.fr.key;
    ssl_protocols       TLSv1.2 TLSv1.3;
    location / { proxy_pass http://127.0.0.1:8000; }
$fragments[1]
}
NGINX
}

my %example = map { basename($_) => read_file($_) } glob "$examples/*.conf";
cmp_ok(scalar keys %example, '>=', 6, 'there are examples');
is_deeply([ sort keys %example ], [ sort keys %of ], 'each is known here');
$example{'README.md'} = readme();
$of{'README.md'} = [ 'x-family-name', 'MÜLLER-LEFÈVRE' ];

for my $name (sort keys %example) {
    my ($header, $value) = @{ $of{$name} || next };
    subtest $name => sub {
        my $text = $example{$name};
        utf8::decode($text);
        my ($cert, $key, $enc, $dir) = (cert_file(), key_file(), own_key('ec'), dir());
        s{/etc/ssl/certs/www\.example\.fr\.pem}{$cert}, s{/etc/ssl/private/www\.example\.fr\.key}{$key}, s{/etc/nginx/oidc-enc\.pem}{$enc}g,
            s{/etc/nginx/oidc-secret}{$secret_file}, s{/var/log/nginx/www\.example\.fr\.([\w-]+)\.log}{$dir/$1.log}g, s{server [\w.]+\.api\.gouv\.fr:443}{server 127.0.0.1:1}g,
            s{/var/cache/nginx_pages}{$dir/pages}
            for $text;
        my @idle = (terminator => '127.0.0.1:' . $plain, plain => $plain);
        my ($accepted, $output) = nginx_t($frame, example => $text, @idle);
        ok($accepted, 'nginx -t accepts it as it is') or diag $output;
        $output =~ s/.*the "listen \.\.\. http2" directive is deprecated.*\n//g;    # nginx 1.25.1 and later
        unlike($output, qr/\[(?:warn|error|emerg|alert|crit)\]/, '... without a warning');

        my ($rp, $port) = (rp(), OIDC::Test::rp_port());
        for ($text) {
            s{(oidc_provider (\w+) \{.*?\n\})}{localised($1, $2)}gse;
            s{https://www\.example\.fr}{$rp}g;
            s{www\.example\.fr}{rp.localhost}g;
            s{listen 443}{listen 127.0.0.1:$port};
            s{listen 8080}{listen 127.0.0.1:$plain};
            s{listen 127\.0\.0\.1:8081}{'listen 127.0.0.1:' . free_port()}e;
            s{127\.0\.0\.1:9145}{127.0.0.1:$metrics};
            s{127\.0\.0\.1:8000}{127.0.0.1:$app}g;
            s{"admins"}{"bureau-3"}g;
            s{root /var/www;}{root $dir/www;};
        }
        my $behind = $name =~ /behind/;
        my $nginx = nginx($frame, example => $text, plain => $plain, terminator => $behind ? "127.0.0.1:$port ssl http2" : "127.0.0.1:$plain");
        my $browser = browser();
        my @trusted = $text =~ /proxy_set_header (X-[\w-]+) /g;
        my $public = $browser->get(rp('/'), headers => [ map { ($_ => 'forged') } @trusted ]);
        is($public->status, 200, 'the public part is public');
        cmp_ok(scalar @trusted, '>=', 3, '... and no forged header arrives there');
        isnt($public->seen($_) // '', 'forged', "... $_") for @trusted;
        write_file("www/login/@{[basename $_]}", read_file($_)) for glob "$examples/login/*";
        my $buttons = $buttons{$name};
        my $area = $protected{$name} // '/account/';
        my ($start, $stranger) = $buttons ? (choice($browser, $name, "${area}page?x=1"), $chooser{$name}) : (rp("${area}page?x=1"), 302);
        my $page = $browser->navigate($start);
        is($page->status, 200, 'a login arrives') or diag explain $browser->{hops}, $nginx->reasons(0);
        is(($page->json || {})->{uri}, "${area}page?x=1", '... at the page');
        is($page->seen($header), $value, "... $header");
        ok(length($page->seen('x-sub') // ''), '... x-sub');
        like($browser->cookie(rp('/'), qr/SESSION/)->{name}, qr/^__Host-/, 'a __Host- cookie') if $page->status == 200;
        is($browser->get(rp($area), headers => [ 'X-Sub' => 'admin' ])->seen('x-sub'), $page->seen('x-sub'), 'a header of the browser is replaced');
        my $known = $name eq 'public-page.conf' ? $page->seen('x-sub') : undef;
        is($browser->get(rp('/'), headers => [ 'X-Sub' => 'admin' ])->seen('x-sub'), $known, '... and on the public part too, session or not');
        $beyond{$name}->($browser, $page, $buttons) if $beyond{$name};
        my $end = $browser->navigate(rp($text =~ m{logout_uri +(/\S+);} ? $1 : '/logout'), forms => 1);
        is($end->status, 200, 'logout arrives') or diag explain $browser->{hops};
        is($end->{url}, rp($text =~ m{logged_out_uri +(/\S*);} ? $1 : '/'), '... at logged_out_uri');
        my $gone = $browser->get(rp($area));
        is($gone->status, $stranger, 'nobody is logged in');
        ok(!$gone->json, '... the application is not asked');
        $nginx->stop('QUIT');
    };
}

# The page to choose from, and where one of its buttons leads.
sub choice
{
    my ($browser, $name, $path, $which) = @_;
    my $page = $browser->get(rp($path));
    is($page->status, $chooser{$name}, "without a session: $chooser{$name}");
    like($page->header('cache-control'), qr/no-store/, '... never cached') if $chooser{$name} == 200;
    like($page->header('content-type'), qr{^text/html}, '... with a page');
    my @buttons = buttons($page);
    is_deeply([ map { m{^/(?:login/)?(\w+)} } @buttons ], $buttons{$name}, '... of the buttons');
    return rp($buttons[ $which // 0 ] // '/');
}

# A page as a person reads it.
sub text_of { my $body = shift->{body}; utf8::decode($body); return $body }

# The addresses of a page's buttons.
sub buttons { my $page = shift; return $page->{body} =~ m{href="((?:/login/\w+|/\w+/login)\?[^"]+)"}g }

# What complete.conf has beyond the others.
sub complete
{
    my ($citizen, $page) = @_;
    is($page->seen('x-provider'), 'franceconnect', 'the provider is told');
    is($citizen->get(rp('/api/x'))->seen('x-sub'), $page->seen('x-sub'), 'the API with a session');
    my $stranger = browser();
    my $api = $stranger->get(rp('/api/x'));
    is($api->status, 401, '... and without');
    unlike($api->{body}, qr{/login/}, '... no page to choose from');

    my $other = browser();
    my $arrived = $other->navigate(choice($other, 'complete.conf', '/account/b', 1));
    is($arrived->seen('x-provider'), 'sso', 'the second button');
    is($arrived->json->{uri}, '/account/b', '... to the page');
    is($other->get(rp('/admin/'))->status, 403, 'another group');
    $provider{generic}->control(auto => 'agent');
    my $admin = browser();
    is($admin->navigate(rp('/admin/'))->seen('x-groups'), '["bureau-3","astreinte"]', 'that group');
    is($admin->navigate(rp('/logout/sso'), forms => 1)->{url}, rp('/'), '... logs out');
    is($admin->get(rp('/admin/'))->status, 302, '... and has to log in again');

    $provider{generic}->control(callback => { error => 'access_denied', error_description => '<b>no' });
    my $failed = browser()->navigate(rp('/login/sso'));
    is($failed->status, 403, 'a failed login');
    like($failed->{body}, qr/login_cancelled\. &lt;b&gt;no/, '... shows why');
    $provider{generic}->reset(auto => 'angela');

    my $log = dir() . '/access.log';
    logged_like($log, qr{GET /oidc_callback 302 "login_done" "" ""}, 'the access log has the login');
    logged_like($log, qr{GET /account/page 200 "" "franceconnect" "[\w-]{20,}"}, '... and who asks for a page, as a hash');
    unlike(read_file($log), qr{code=|SESSION}, '... and no code or cookie');
    my $errors = read_file(dir() . '/error.log');
    like($errors, qr/oidc: login_cancelled: provider "sso"/, 'the error log has the failure');
}

# What public-page.conf has beyond the others.
sub public_page
{
    my ($citizen, $page) = @_;
    write_file('www/pages/index.html', <<'SSI');
<!--# if expr="$oidc_authenticated" --><!--# echo var="oidc_claim_given_name" --> <a href="/logout">Se déconnecter</a>
<!--# else --><a href="<!--# echo var="oidc_login_url" -->">S'identifier avec FranceConnect</a><!--# endif -->
SSI
    is($citizen->get(rp('/any'))->seen('x-authenticated'), 1, 'a public page knows the person');
    like(text_of($citizen->get(rp('/pages/'))), qr{^Éléonore Françoise Zoé <a href="/logout">}, '... a file too');
    my $stranger = browser();
    my $any = $stranger->get(rp('/any?a=1&b=2'));
    is($any->seen('x-authenticated'), undef, '... and knows of a stranger');
    is($any->seen('x-login-url'), '/login?return=%2Fany%3Fa%3D1%26b%3D2', '... where he logs in');
    my $file = $stranger->get(rp('/pages/?c=1'));
    is($file->header('cache-control'), 'no-cache', '... is kept by nobody');
    my ($button) = text_of($file) =~ m{^<a href="(/login\?return=[^"<]+)">S'identifier};
    $button =~ s/&amp;/&/g;
    my $back = $stranger->navigate(rp($button));
    is($back->{url}, rp('/pages/?c=1'), 'its button leads back to it');
    like(text_of($back), qr{Se déconnecter}, '... with a session');
    return;
}

# What sensitive.conf has beyond the others.
sub sensitive
{
    my ($citizen, $page) = @_;
    my $bank = $citizen->navigate(rp('/account/bank/?a=1'));
    is($bank->seen('x-acr'), 'eidas3', 'the sensitive part has the high level');
    is($bank->json->{uri}, '/account/bank/?a=1', '... at the page');
    is($bank->seen('x-sub'), $page->seen('x-sub'), '... of the same person');
    is($citizen->get(rp('/account/bank/'))->status, 200, '... once');
    my $agent = browser();
    my $any = $agent->navigate(rp('/agents/'));
    is($any->seen('x-usual-name'), 'Besson-Oûtis', 'an agent');
    is($any->seen('x-acr'), undef, '... of no level');
    my $files = $agent->navigate(rp('/agents/files/7'));
    is($files->seen('x-acr'), 'eidas1-mfa', '... with a second factor');
    is($agent->navigate(rp('/agents/logout'), forms => 1)->{url}, rp('/'), '... logs out');
    return;
}

# What operations.conf has beyond the others, and the files that go with it.
sub operations
{
    my ($citizen, $page) = @_;
    my ($status, $text) = map { scalar `curl -sS --max-time 20 http://127.0.0.1:$metrics/$_` } qw(oidc_status metrics);
    my $sso = json()->decode($status)->{providers}{sso};
    is($sso->{logins_done}, 1, 'the login is counted');
    like($text, qr/^oidc_logins_done_total\{provider="sso"\} 1$/m, '... for Prometheus too');
    my $log = dir() . '/access.log';
    until_true(5, sub { read_file($log) =~ /"login_done".*\n/ });
    my ($line) = grep { $_->{event} eq 'login_done' } map { json()->decode($_) } grep {/^\{.*\}$/} split /\n/, read_file($log);
    is($line->{path}, '/oidc_callback', 'the access log is JSON') or diag read_file($log);

    my %real = map { $_ => 1 } $text =~ /^# TYPE (\w+)/mg;
    my $dashboard = json()->decode(read_file("$examples/grafana/oidc.json"));
    my @expressions = ((map { $_->{expr} } map { @{ $_->{targets} } } @{ $dashboard->{panels} }), map { $_->{query}{query} } grep { ref $_->{query} } @{ $dashboard->{templating}{list} });
    my %named = map { $_ => 1 } map {/\b(oidc_\w+)/g} @expressions;
    is_deeply([ grep { !$real{$_} } sort keys %named ], [], 'the dashboard names real metrics alone');
    is_deeply([ grep { !$named{$_} } sort keys %real ], [], '... and all of them');
    is_deeply([ map { $_->{id} } @{ $dashboard->{panels} } ], [ 1 .. @{ $dashboard->{panels} } ], '... its panels are numbered');

    # fail2ban takes the date from the line and puts an address for <HOST>
    my ($jail, $filter) = map { read_file("$examples/fail2ban/$_.d/nginx-oidc.conf") } qw(jail filter);
    like($jail, qr{\n\[nginx-oidc\]\n}, 'the jail has a name');
    like($jail, qr{\n\Q$_\E\n}, "... and $_") for 'filter   = nginx-oidc', 'logpath  = /var/log/nginx/www.example.fr.error.log';
    my ($regex) = $filter =~ /^failregex = (.+)$/m;
    $regex =~ s/<HOST>/(?<host>(?:\\d{1,3}\\.){3}\\d{1,3}|\\[?[0-9a-f:]+\\]?)/;
    my $errors = dir() . '/error.log';
    my $banned = sub {
        my $from = -s $errors;
        $_[0]->();
        return [ map { s{^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d}{}r =~ /$regex/ ? $+{host} : () } split /\n/, substr read_file($errors), $from ];
    };
    my $forged = '%2C%20client%3A%20192.0.2.1%2C%20path%3A%20/';
    my %attack = ('code=x' => 1, 'code=x&state=made-up' => 1, 'state=a&code=b&error=c' => 1, "error=x$forged&state=y" => 1, "state=x$forged&code=$forged" => 1);
    for my $query (sort keys %attack) {
        is_deeply($banned->(sub { browser()->get(rp("/oidc_callback?$query")) }), [ ('127.0.0.1') x $attack{$query} ], "fail2ban: $query");
    }
    my $visitor = browser();
    is_deeply($banned->(sub { $visitor->get(rp("/account/x$forged")); $visitor->navigate(rp('/account/')); $visitor->get(rp('/account/')) }), [], '... no person who logs in');
    $provider{generic}->control(callback => { error => 'access_denied', error_description => 'x, client: 192.0.2.1, path: /' });
    is_deeply($banned->(sub { browser()->navigate(rp('/account/')) }), [], '... nor who is refused at the provider');
    $provider{generic}->reset(auto => 'angela');
    return;
}

# What towns.conf has beyond the others.
sub towns
{
    my ($citizen, $page) = @_;
    is($citizen->get(rp('/chambery/account/'))->status, 302, 'the other town does not know the person');
    my $there = $citizen->navigate(rp('/chambery/account/'));
    is($there->seen('x-town'), 'chambery', '... who logs in there too');
    isnt($there->seen('x-sub'), $page->seen('x-sub'), '... under another sub');
    is($citizen->get(rp('/grenoble/account/'))->seen('x-town'), 'grenoble', '... and is still known to the first');
    is($citizen->get(rp("/$_/account/"))->status, 401, "no town: $_") for 'nowhere', 'grenobl%65x', 'grenoble%2f..%2fnowhere';
    is($citizen->get(rp('/x/../chambery/account/'))->seen('x-town'), 'chambery', 'the address as nginx reads it');
    my $end = $citizen->navigate(rp('/chambery/logout'), forms => 1);
    is($end->{url}, rp('/chambery/'), 'a logout ends at its town');
    is($citizen->get(rp('/chambery/account/'))->status, 302, '... for that town');
    is($citizen->get(rp('/grenoble/account/'))->status, 200, '... alone');
    return;
}

# What login.conf has beyond the others.
sub login_page
{
    my $agent = browser();
    my $arrived = $agent->navigate(choice($agent, 'login.conf', '/account/a%20b?c=d&e=%22%3Cb%3E', 1));
    is($arrived->seen('x-usual-name'), 'Besson-Oûtis', 'the second button: an agent');
    is($arrived->json->{uri}, '/account/a%20b?c=d&e=%22%3Cb%3E', '... at the page');
    my $stranger = browser();
    my $hostile = $stranger->get(rp(q{/account/?"><script>x</script>'&amp;}));
    unlike($hostile->{body}, qr/<script|"">/, 'nothing of an address becomes markup');
    is(scalar(() = buttons($hostile)), 3, '... nor ends an attribute');
    my %direct = ('' => '/account/', 'en.html' => '/account/', 'donnees.html' => '/account/donnees');
    for my $name (sort keys %direct) {
        my $page = $stranger->get(rp("/login/$name"));
        is($page->status, 200, "/login/$name can be opened");
        is($page->header('cache-control'), 'no-cache', '... and is asked for each time');
        is_deeply([ grep { !/return=\Q$direct{$name}\E$/ } buttons($page) ], [], "... its buttons lead to $direct{$name}");
        unlike($page->{body}, qr/<!--#/, '... no instruction of SSI is left');
    }
    like($stranger->get(rp('/login/franceconnect-plus.html'))->{body}, qr{href="/franceconnect-plus/login\?return=/account/"}, 'without its provider: the default');
    is($stranger->get(rp("/login/$_"))->status, 200, $_) for qw(login.css franceconnect.svg proconnect.svg external.svg);
    return;
}

log_ok();
done_testing();
