# conf-examples/api-particulier.conf with a data provider: what nginx sends there, for whom, and what the browser gets of it.
use lib 't/lib', 'lib';
use OIDC::Test;

my $siret = $OIDC::DataProvider::Siret;
my $fc = start_provider('franceconnect');
my $pc = start_provider('proconnect');
my $data = start_data_provider(provider => $fc);
my $staging = start_data_provider(staging => 1);
my ($app, $local) = (app(), free_port());
my $short = 2;    # seconds of an access token

my $example = read_file("$OIDC::Test::Root/conf-examples/api-particulier.conf");
utf8::decode($example);
my @recipients = $example =~ /^\s*set \$recipient (\S+);/mg;
my ($check) = $example =~ /^( *#   echo \d{14} \| awk '.*?\}')$/ms;

my ($dir, $ca) = (dir(), ca_file());
my %here = (cert => cert_file(), key => key_file(), issuer => $fc->issuer, secret => client_secret('fc-es256'), port => OIDC::Test::rp_port());
for ($example) {
    s{/etc/ssl/certs/www\.example\.fr\.pem}{$here{cert}};
    s{/etc/ssl/private/www\.example\.fr\.key}{$here{key}};
    s{/etc/ssl/certs/ca-certificates\.crt}{$ca}g;
    s{/var/log/nginx/www\.example\.fr\.([\w-]+)\.log}{$dir/$1.log}g;
    s{(profile \w+ environment=production;)}{$1 issuer $here{issuer}; ssl_trusted_certificate $ca;};
    s{(client_id\s+)0+}{$1fc-es256};
    s{(client_secret\s+)0+}{$1$here{secret}};
    s{www\.example\.fr}{rp.localhost}g;
    s{listen 443}{listen 127.0.0.1:$here{port}};
    s{listen 127\.0\.0\.1:8081}{listen 127.0.0.1:$local};
    s{127\.0\.0\.1:8000}{127.0.0.1:$app}g;
    s{server particulier\.api\.gouv\.fr:443}{server 127.0.0.1:$data->{port}};
    s{server staging\.particulier\.api\.gouv\.fr:443}{server 127.0.0.1:$staging->{port}};
    s{proxy_ssl_name [\w.]+;}{proxy_ssl_name data.localhost;}g;
    s{(\n    # Public\.\n)}{\n    location /agent/ { auth_oidc proconnect; proxy_pass http://127.0.0.1:$app; }\n$1};
}
my $nginx = nginx(<<'NGINX', example => $example, pc => $pc);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    oidc_provider proconnect {
        profile                 proconnect;
        issuer                  %%pc%%/api/v2;
        client_id               pc-es256;
        client_secret           %%secret:pc-es256%%;
        redirect_uri            /proconnect/callback;
        ssl_trusted_certificate %%ca%%;
    }
    %%example%%
}
NGINX

my @xhr = (plain => 1, headers => [ 'Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Dest' => 'empty', Accept => '*/*' ]);
my %api = (
    'quotient-familial'              => 'dss/quotient_familial',
    'complementaire-sante-solidaire' => 'dss/complementaire_sante_solidaire',
    'statut-etudiant'                => 'mesri/statut_etudiant',
    'etudiant-boursier'              => 'cnous/etudiant_boursier',
    'service-national'               => 'dsnj/service_national',
);
my $log = "$dir/api-particulier.log";

sub reset_all { my %switches = @_; $fc->reset(%switches); $data->reset; $staging->reset; return }
sub forms { my $browser = shift; return join ' ', map { $_->[0] eq 'POST' && $_->[1] =~ m{/interaction/[^/]+/(\w+)$} ? $1 : () } @{ $browser->{hops} } }

# Everything that an answer tells the browser.
sub told { my $answer = shift; return join "\n", $answer->{body}, map { @$_ } values %{ $answer->{headers} } }

subtest 'the recipient' => sub {
    is_deeply(\@recipients, [ $siret, $siret ], 'the configuration names it, for both servers');
    ok($check, 'and tells how to verify one') or return;
    $check =~ s/^ *# ?//mg;
    my %expected = ($siret => 'valid', '35600000049837' => 'valid', '35600000000048' => 'valid', '21750001600019' => 'valid',
        '13002526500014' => 'not valid', '35600000049838' => 'not valid', '1300252650001' => 'not valid', '130025265000130' => 'not valid', '1300252650001x' => 'not valid');
    for my $number (sort keys %expected) {
        my $command = $check =~ s/echo \d+/echo $number/r;
        chomp(my $said = `$command`);
        is($said, $expected{$number}, "$number: $expected{$number}");
    }
};

subtest 'from the page to the data' => sub {
    reset_all();
    my $browser = browser();
    my $page = $browser->navigate(rp('/mes-donnees?etape=2'));
    is($page->status, 200, 'consent given') or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
    is(($page->json || {})->{uri}, '/mes-donnees?etape=2', '... the person lands on the page, not on the JSON');
    is($page->seen('authorization'), undef, '... whose application gets no token');
    is(scalar($data->received), 0, '... nothing was fetched yet');
    for my $name (sort keys %api) {
        $data->reset;
        my $answer = $browser->get(rp("/mes-donnees/$name"), @xhr);
        is($answer->status, 200, $name) or diag $answer->{body};
        ok(ref(($answer->json || {})->{data}), '... is data');
        is($answer->header('cache-control'), 'no-store', '... never cached');
        my ($call) = my @calls = $data->received;
        is(scalar @calls, 1, '... by one call');
        is($call->{path}, "/v3/$api{$name}/france_connect", '... of its API');
        is($call->{method}, 'GET', '... a GET');
        is_deeply($call->{query}, { recipient => $siret }, '... for the recipient');
        like($call->{bearer}, qr/^[\w-]{43}$/, '... with the access token, raw');
        is_deeply([ sort keys %{ $call->{headers} } ], [qw(accept authorization host)], '... and nothing of the browser');
        is(index(told($answer), $call->{bearer}), -1, '... which the browser does not see');
        is(index(told($page), $call->{bearer}), -1, '... nor on the page');
    }
};

subtest 'a hostile browser' => sub {
    reset_all();
    my $browser = browser();
    $browser->navigate(rp('/mes-donnees'));
    my @evil = (Authorization => 'Bearer ' . 'e' x 43, 'X-Recipient' => '21750001600019', 'X-Forwarded-For' => '10.0.0.1', 'Content-Type' => 'text/evil');
    for my $query ('?recipient=21750001600019', '?x=1&recipient=', '?', '?recipient=' . $siret . '&recipient=21750001600019', '?%72ecipient=21750001600019#x') {
        $data->reset;
        my $answer = $browser->get(rp("/mes-donnees/etudiant-boursier$query"), plain => 1, headers => [@evil]);
        is($answer->status, 200, "$query: the data") or diag $answer->{body};
        my ($call) = $data->received;
        is_deeply($call->{query}, { recipient => $siret }, '... of the configured recipient');
        isnt($call->{bearer}, 'e' x 43, '... with the token of the session');
        is_deeply([ sort keys %{ $call->{headers} } ], [qw(accept authorization host)], '... no header passed');
    }
    $data->reset;
    $browser->post(rp('/mes-donnees/etudiant-boursier'), [ [ recipient => '21750001600019' ] ], headers => [@evil]);
    for my $call ($data->received) {
        is_deeply([ $call->{method}, $call->{query}, $call->{headers}{'content-length'} ], [ 'GET', { recipient => $siret }, undef ], 'a POST passes nothing on, either');
    }
    $data->reset;
    for my $path ('/mes-donnees/', '/mes-donnees/v3', '/mes-donnees/etudiant-boursier/', '/mes-donnees/etudiant-boursier/../v3/dss/x') {
        isnt($browser->get(rp($path), @xhr)->status, 200, "$path: no other path leads there");
    }
    is(scalar($data->received), 0, '... nothing arrived');
};

subtest 'without a session of FranceConnect' => sub {
    reset_all();
    my $stranger = browser();
    for my $answer ($stranger->get(rp('/mes-donnees/etudiant-boursier'), @xhr), $stranger->get(rp('/mes-donnees/etudiant-boursier')),
        $stranger->get(rp('/mes-donnees/etudiant-boursier'), headers => [ Authorization => 'Bearer ' . 'e' x 43 ]))
    {
        is($answer->status, 401, 'status 401');
        is(scalar(@{ $answer->{set_cookies} }), 0, '... no cookie');
    }
    my $logged_in = browser();
    is($logged_in->navigate(rp('/account/x'))->status, 200, 'logged in without the scopes');
    is($logged_in->get(rp('/mes-donnees/etudiant-boursier'))->status, 401, '... 401, and not a login: the page is where it begins');
    like($logged_in->get(rp('/mes-donnees/etudiant-boursier'))->header('www-authenticate'), qr/insufficient_scope.*cnous_statut_boursier/, '... it says why');
    is(scalar($data->received), 0, 'nothing was sent');
};

subtest 'the token has expired' => sub {
    reset_all(auto => undef, ttl => { AccessToken => $short });
    my $browser = browser();
    is($browser->navigate(rp('/mes-donnees'), forms => { identity => 'angela' })->status, 200, 'login and consent') or diag explain $browser->{hops};
    is(forms($browser), 'login consent', '... on two pages');
    is($browser->get(rp('/mes-donnees/etudiant-boursier'), @xhr)->status, 200, 'data');
    my ($first) = $data->received;
    select undef, undef, undef, $short + 1.1;
    $data->reset;
    is($browser->get(rp('/mes-donnees/etudiant-boursier'), @xhr)->status, 401, 'expired: 401');
    is(scalar($data->received), 0, '... it is not sent');
    is($browser->get(rp('/account/x'))->status, 200, '... the session goes on');
    my $again = $browser->navigate(rp('/mes-donnees'), forms => { identity => 'minimal' });
    is($again->status, 200, 'the page asks for consent again') or diag explain $browser->{hops}, join '|', $nginx->reasons(0);
    is(forms($browser), 'consent', '... without a new login');
    is(($again->json || {})->{uri}, '/mes-donnees', '... and comes back to itself');
    is($browser->get(rp('/mes-donnees/etudiant-boursier'), @xhr)->status, 200, 'data again');
    my ($second) = $data->received;
    isnt($second->{bearer}, $first->{bearer}, '... with a new token');
};

subtest 'FranceConnect ended the token before its time' => sub {
    reset_all();
    my $browser = browser();
    $browser->navigate(rp('/mes-donnees'));
    $fc->control(checktoken => { set => { active => JSON::PP::false } });
    is($browser->get(rp('/mes-donnees/etudiant-boursier'), @xhr)->status, 401, 'the API\'s 401 is the page\'s');
};

subtest 'beside a session of ProConnect' => sub {
    reset_all();
    $pc->reset(auto => 'agent');
    my $browser = browser();
    is($browser->navigate(rp('/agent/x'))->status, 200, 'an agent');
    is($browser->get(rp('/mes-donnees/etudiant-boursier'), @xhr)->status, 401, '... has no data by that');
    is(scalar($data->received), 0, '... and the token of ProConnect goes nowhere');
    is($browser->navigate(rp('/mes-donnees'))->status, 200, 'a citizen, too');
    is($browser->get(rp('/mes-donnees/etudiant-boursier'), @xhr)->status, 200, '... gets the data');
    is($browser->get(rp('/agent/x'))->status, 200, 'the agent is still logged in');
};

subtest 'the log of calls' => sub {
    reset_all();
    write_file($log, '');
    $nginx->signal('USR1');
    my $browser = browser();
    $browser->get(rp('/mes-donnees/etudiant-boursier'), @xhr);
    $browser->navigate(rp('/mes-donnees'));
    $browser->get(rp('/mes-donnees/etudiant-boursier?recipient=1'), @xhr);
    $data->control(fail => { api => '503' });
    $browser->get(rp('/mes-donnees/service-national'), @xhr);
    until_true(3, sub { read_file($log) =~ /service-national/ });
    my @lines = split /\n/, read_file($log);
    is(scalar @lines, 2, 'a line for each call, none for a refusal') or diag explain \@lines;
    my ($session) = ($lines[0] // '') =~ m{^\S+ recipient=$siret api=/mes-donnees/etudiant-boursier session=([\w-]{20,}) status=200$};
    ok($session, '... the recipient, the API, the session and the status');
    like($lines[1] // '', qr{recipient=$siret api=/mes-donnees/service-national session=\Q$session\E status=503$}, '... of failures, too') if $session;
    unlike(read_file($log), qr/Bearer|recipient=1 /, '... and neither token nor query');
};

subtest 'staging' => sub {
    reset_all();
    my $browser = browser();
    for my $name (sort keys %api) {
        $staging->reset;
        my $answer = $browser->get("http://localhost:$local/mes-donnees/$name?recipient=1", headers => [ Authorization => 'Bearer mesri' ]);
        is($answer->status, 200, $name) or diag $answer->{body};
        ok(ref(($answer->json || {})->{data}), '... is made-up data');
        my ($call) = $staging->received;
        is_deeply([ @$call{qw(path recipient bearer)} ], [ "/v3/$api{$name}/france_connect", $siret, 'all_fc' ], '... with the token of the configuration');
    }
    my @trusted = $example =~ /proxy_set_header (X-[\w-]+) \$oidc/g;
    cmp_ok(scalar @trusted, '>=', 6, 'what the application trusts');
    my $page = $browser->get("http://localhost:$local/mes-donnees", headers => [ map { ($_ => 'forged') } @trusted ]);
    is($page->json->{uri}, '/mes-donnees', 'the page is there');
    is($page->seen($_), undef, "... $_ cannot be forged") for @trusted;
    is(scalar($data->received), 0, 'the real one was never asked');
};

log_ok();
done_testing();
