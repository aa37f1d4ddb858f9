# Headers that say who it is come from nginx alone: conf-examples/applications.conf as it is, each application behind it, and what a
# browser may try: every spelling of the names, twice each, over HTTP/1.1 and HTTP/2, and names that FastCGI and uwsgi would confuse.
use lib 't/lib', 'lib';
use OIDC::Test;

my $op = start_provider('generic');
my $app = app();
my ($php, $python, $grpc) = map { free_port() } 1 .. 3;

# What reaches an application over FastCGI or uwsgi, as JSON: [[name, value], ...].
write_file('gateway.pl', <<'PERL');
use strict;
use warnings;
use IO::Socket::INET;
use JSON::PP ();
my ($port, $protocol) = @ARGV;
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 32, ReuseAddr => 1) or die "port $port: $!";
sub bytes
{
    my ($from, $size) = @_;
    my $got = '';
    while (length $got < $size) { sysread $from, $got, $size - length $got, length $got or die "cut\n" }
    return $got;
}
sub fastcgi_size { my $in = shift; return ord $$in < 128 ? unpack 'C', substr $$in, 0, 1, '' : unpack('N', substr $$in, 0, 4, '') & 0x7fffffff }
my %read = (
    fastcgi => sub {
        my ($client, $params) = (shift, '');
        while (1) {
            my (undef, $type, undef, $length, $padding) = unpack 'CCnnC', bytes($client, 8);
            my $content = bytes($client, $length + $padding);
            $params .= substr $content, 0, $length if $type == 4;
            last if $type == 5 && !$length;
        }
        my @pairs;
        while (length $params) {
            my ($name, $value) = (fastcgi_size(\$params), fastcgi_size(\$params));
            push @pairs, [ substr($params, 0, $name, ''), substr($params, 0, $value, '') ];
        }
        return @pairs;
    },
    uwsgi => sub {
        my $client = shift;
        my (undef, $size) = unpack 'CvC', bytes($client, 4);
        my $strings = bytes($client, $size);
        my @all = unpack '(v/a)*', $strings;
        return map { [ @all[ 2 * $_, 2 * $_ + 1 ] ] } 0 .. @all / 2 - 1;
    },
);
my %answer = (
    fastcgi => sub { my $text = "Content-Type: application/json\r\n\r\n" . shift; return pack('CCnnCx', 1, 6, 1, length $text, 0) . $text . pack('CCnnCxNx4', 1, 3, 1, 8, 0, 0) },
    uwsgi => sub { return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" . shift },
);
while (1) {
    my $client = $listen->accept or next;
    eval { print {$client} $answer{$protocol}->(JSON::PP->new->latin1->encode({ pairs => [ $read{$protocol}->($client) ] })); $client->flush; 1 } or warn $@;
    close $client;
}
PERL
spawn(dir() . "/gateway-$_->[1].log", $^X, dir() . '/gateway.pl', @$_) for [ $php, 'fastcgi' ], [ $python, 'uwsgi' ];
wait_for(10, sub { OIDC::Test::listening($php) && OIDC::Test::listening($python) }, 'FastCGI and uwsgi');

my $frame = <<'NGINX';
%%globals%%
events { worker_connections 512; }
http {
    %%http%%
    %%example%%
    server { listen 127.0.0.1:%%grpc%% http2; underscores_in_headers on; location / { proxy_pass http://127.0.0.1:%%app%%; } }
}
NGINX
my $example = read_file("$OIDC::Test::Root/conf-examples/applications.conf");
utf8::decode($example);
my ($issuer, $secret, $ca, $dir, $cert, $key, $rp, $rp_port) = ($op->issuer, client_secret('generic-basic'), ca_file(), dir(), cert_file(), key_file(), rp(), OIDC::Test::rp_port());
for ($example) {
    s{https://sso\.example\.fr/realms/main}{$issuer};
    s{client_id     www\.example\.fr;}{client_id generic-basic; ssl_trusted_certificate $ca;};
    s{(client_secret )0+}{$1$secret};
    s{/etc/ssl/certs/www\.example\.fr\.pem}{$cert};
    s{/etc/ssl/private/www\.example\.fr\.key}{$key};
    s{www\.example\.fr}{rp.localhost}g;
    s{/var/cache/nginx_pages}{$dir/cache};
    s{listen 443}{listen 127.0.0.1:$rp_port};
    s{127\.0\.0\.1:(?:8000|3000|8080|8090)}{127.0.0.1:$app}g;
    s{127\.0\.0\.1:9000}{127.0.0.1:$php};
    s{127\.0\.0\.1:3031}{127.0.0.1:$python};
    s{127\.0\.0\.1:50051}{127.0.0.1:$grpc};
}

# The names that applications trust: whatever has a value of the module.
my %of_kind;
push @{ $of_kind{$1} }, $2 while $example =~ /^\s+(proxy_set_header|grpc_set_header|fastcgi_param|uwsgi_param) (\S+) \$oidc/mg;
my %trusted = map { my $kind = $_; $kind => { map { normal($_) => 1 } @{ $of_kind{$kind} } } } keys %of_kind;
my @names = do { my %seen; grep { !$seen{ lc $_ }++ } map { s/^HTTP_//r =~ tr/_/-/r } map {@$_} values %of_kind };
cmp_ok(scalar @names, '>=', 6, 'the example trusts several headers') or diag "@names";

# As FastCGI, CGI, WSGI and PHP spell a header.
sub normal { return uc(shift) =~ s/[^A-Z0-9]/_/gr }

# Every spelling of a name with '-' and '_', in three cases.
sub spellings
{
    my @all = ('');
    for my $part (split /(-)/, shift) { @all = $part eq '-' ? map({ ("$_-", "${_}_") } @all) : map {"$_$part"} @all }
    my %seen;
    return grep { !$seen{$_}++ } map { ($_, lc, uc) } @all;
}
my @forged = map { spellings($_), spellings("HTTP-$_") } @names;

# What the application got under the trusted names: name => [values].
sub got
{
    my ($body, $kind) = @_;
    my $json = eval { json()->decode($body) } or return { nothing => [$body] };
    my @pairs = $json->{pairs} ? @{ $json->{pairs} } : map { my $n = $_; map { [ $n, $_ ] } @{ $json->{headers}{$n} } } sort keys %{ $json->{headers} };
    my %got;
    for (@pairs) {
        my $name = normal($_->[0]);
        push @{ $got{$name} }, $_->[1] if $trusted{$kind}{$name} && length $_->[1];
    }
    return \%got;
}

# location => the kind of its application, whether strangers may see it
my @places = (
    [ '/x', 'proxy_set_header', 'public' ], [ '/hello/x', 'proxy_set_header', 'pass' ],
    map({ [ "/$_/x", 'proxy_set_header' ] } qw(account reports grafana jenkins java live)),
    [ '/php/x', 'fastcgi_param' ], [ '/python/x', 'uwsgi_param' ], [ '/example.Service/x', 'grpc_set_header' ],
);
my $round = 0;
my ($sub, $email, $person);

# All places with all forgeries, as a stranger and as a person, in both versions of HTTP.
sub attack
{
    my ($in) = @_;
    my %cookie = (stranger => '', person => $in->cookie_header(rp('/')));
    for my $place (@places) {
        my ($path, $kind, $open) = @$place;
        for my $who ('stranger', 'person') {
            next if $who eq 'stranger' && !$open;
            my $url = rp($path) . '?' . ++$round;
            my @twice = map { ($_ => 'forged', $_ => 'forged too') } @forged;
            my $first = $in->get($url, cookie => $cookie{$who}, headers => [ @twice, Authorization => 'Basic Zm9yZ2VkOng=' ]);
            my ($status, $second) = curl_h2("$url&h2", (length $cookie{$who} ? ('-H', "Cookie: $cookie{$who}") : ()), '-u', 'forged:x', map { ('-H', "$_: forged", '-H', "$_: forged too") } @forged);
            $second =~ s/^.*?\r\n\r\n//s;
            my $expected = $who eq 'person' && ($open // '') ne 'public'
                ? { map { $_ => [ /SUB$/ ? $sub : /NAME$/ ? $person : $email ] } keys %{ $trusted{$kind} } } : {};
            for ([ 'HTTP/1.1', $first->status, $first->{body} ], [ 'HTTP/2', $status, $second ]) {
                my ($version, $said, $body) = @$_;
                is($said, 200, "$path, $who, $version");
                my $got = got($body, $kind);
                is_deeply($got, $expected, '... the application gets what nginx knows, once') or diag explain $got;
            }
        }
    }
    return;
}

# nginx with this configuration, and a person.
sub start
{
    my ($text) = @_;
    my $nginx = nginx($frame, example => $text, grpc => $grpc, app => $app);
    $op->reset(auto => 'angela');
    my $in = browser();
    my $page = $in->navigate(rp('/account/x'));
    is($page->status, 200, 'logged in') or BAIL_OUT('no login');
    ($sub, $email, $person) = map { $page->seen($_) } qw(x-sub x-email x-name);
    return ($nginx, $in);
}

my ($nginx, $in) = start($example);
subtest 'as the example is' => sub { attack($in) };

subtest 'WebSocket' => sub {
    my @upgrade = (Upgrade => 'websocket', Connection => 'Upgrade', 'Sec-WebSocket-Version' => 13, 'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==');
    is($in->get(rp('/live/x'), plain => 1, headers => \@upgrade)->status, 101, 'opened');
    is(browser()->get(rp('/live/x'), plain => 1, headers => \@upgrade)->status, 401, '... not for a stranger');
};

subtest 'what the browser says of the way' => sub {
    my $page = $in->get(rp('/java/x'), headers => [ 'X-Forwarded-For' => '10.0.0.1', 'X-Forwarded-Proto' => 'http', 'X-Forwarded-Host' => 'evil', 'X-Forwarded-Port' => 1, Forwarded => 'for=10.0.0.1' ]);
    is($page->seen('x-forwarded-for'), '127.0.0.1', 'X-Forwarded-For: the connection');
    is($page->seen('x-forwarded-proto'), 'https', 'X-Forwarded-Proto');
    is($page->seen('x-forwarded-host'), 'rp.localhost', 'X-Forwarded-Host');
    is($page->seen('x-forwarded-port'), $rp_port, 'X-Forwarded-Port');
    is($page->seen('forwarded'), undef, 'Forwarded');
};

subtest 'proxy_cache' => sub {
    $op->control(auto => 'agent');
    my $other = browser();
    is($other->navigate(rp('/account/x'))->status, 200, 'another person');
    my $asked = sub { my $path = shift; return scalar(() = read_file(dir() . '/app.log') =~ /^GET \Q$path\E$/mg) };
    my %pages = map { $_->[0] => [ map { $_->seen('x-sub') } $_->[1]->get(rp('/reports/c')), $_->[1]->get(rp('/reports/c')) ] } [ one => $in ], [ two => $other ];
    is_deeply(\%pages, { one => [ $sub, $sub ], two => [ 'agent', 'agent' ] }, 'a key with $oidc_session_hash: to each his own');
    is($asked->('/reports/c'), 2, '... asked once for each');
    is($in->get(rp('/hello/c'))->seen('x-sub'), $sub, 'proxy_no_cache: a person');
    my $stranger = browser();
    is($stranger->get(rp('/hello/c'))->seen('x-sub'), undef, '... a stranger sees no page of his');
    is($other->get(rp('/hello/c'))->seen('x-sub'), 'agent', '... another person his own');
    is($stranger->get(rp('/hello/c'))->seen('x-sub'), undef, '... a stranger the strangers\' one');
    is($asked->('/hello/c'), 3, '... which was kept');
    is(browser()->get(rp('/reports/c'))->status, 302, 'what is kept is shown to nobody without a session');
};

# The guard that the document gives for servers that let "_" through.
my ($guard) = read_file("$OIDC::Test::Root/docs/applications.md") =~ /```nginx\n(underscores_in_headers on;\n.*?)```/s;
ok($guard, 'the document has a guard') or BAIL_OUT('no guard');
for my $name (map { normal($_) } @{ $of_kind{proxy_set_header} }) { like($guard, qr/\$http_\L$name\E[\$;]/, "... that knows $name") }
my ($setting, $rest) = split /\n/, $guard, 2;
for my $let_through ($setting, 'ignore_invalid_headers off;') {
    $nginx->stop('QUIT');
    my $with = $example =~ s/(    server_name rp\.localhost;\n)/$1    $let_through\n/r;
    ($nginx, $in) = start($with);
    subtest "$let_through: without the guard it can be done" => sub {
        is($in->get(rp('/x'), cookie => '', headers => [ X_Sub => 'forged' ])->seen('x_sub'), 'forged', 'X_Sub arrives');
        is_deeply(got($in->get(rp($_->[0]), headers => [ X_Email => 'forged', 'X-Email' => 'forged' ])->{body}, $_->[1])->{HTTP_X_EMAIL}, [$email], "... at $_->[0] nothing: nginx compares as FastCGI spells") for [ '/php/x', 'fastcgi_param' ], [ '/python/x', 'uwsgi_param' ];
    };
    $nginx->stop('QUIT');
    ($nginx, $in) = start($with =~ s/(    \Q$let_through\E\n)/$1$rest/r);
    subtest "$let_through with the guard" => sub {
        for my $name (map { spellings($_) } @{ $of_kind{proxy_set_header} }) {
            my @status = map { $_->status } map { my $cookie = $_; map { $in->get(rp($_), cookie => $cookie, headers => [ $name => 'forged' ]) } '/x', '/hello/x' } '', $in->cookie_header(rp('/'));
            my ($h2) = curl_h2(rp('/hello/x'), '-H', "$name: forged");
            my $zero = $in->get(rp('/x'), headers => [ $name => 0 ])->status;
            is_deeply([ @status, $h2, $zero ], [ (400) x 6 ], "$name is refused");
        }
        is($in->get(rp('/account/x'), headers => [ X_Other => 1 ])->seen('x_other'), 1, 'other names pass');
    };
}

log_ok();
done_testing();
