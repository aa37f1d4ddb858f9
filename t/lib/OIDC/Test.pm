# The tests' machine: a local CA, providers, an application, Debian's nginx with the module; and what every test asserts at its end.
# A test says `use OIDC::Test;` and has Test::More with it.
package OIDC::Test;
use strict;
use warnings;
use utf8;
use Carp qw(croak);
use Cwd qw(abs_path);
use Fcntl qw(:flock);
use File::Basename qw(dirname basename);
use File::Path qw(make_path);
use File::Temp ();
use IO::Socket::INET;
use JSON::PP ();
use POSIX qw(WNOHANG);
use Test::More;
use Time::HiRes qw(sleep time);
use OIDC::Browser;
use OIDC::DataProvider ();

our $Root = abs_path(dirname(__FILE__) . '/../../..');
our $Module = $ENV{OIDC_MODULE} || "$Root/build/ngx_http_oidc_module.so";
our $Nginx = $ENV{OIDC_NGINX} || '/usr/sbin/nginx';
my ($Dir, @Nginx, @Children, %Port_locks);
my $Owner = $$;
my $Name = basename($0, '.t');

sub import
{
    my ($class, @how) = @_;
    strict->import;
    warnings->import;
    utf8->import;
    my $caller = caller;
    no strict 'refs';
    *{"${caller}::$_"} = \&{$_}
        for qw(rp nginx nginx_t start_provider start_data_provider app browser login log_ok dir write_file read_file logged_like free_port wait_for until_true curl_h2
        client_secret own_key pair_of json subst kill_tree spawn ca_file cert_file key_file silent_port);
    Test::More->export_to_level(1, @_[ 0 .. 0 ]);
    binmode $_, ':encoding(UTF-8)' for Test::More->builder->output, Test::More->builder->failure_output, Test::More->builder->todo_output;
    return;
}

# ---- Files, ports, processes -------------------------------------------------------------------------------------------------

sub dir
{
    if (!$Dir) {
        $Dir = File::Temp::tempdir("oidc-$Name-XXXXXX", TMPDIR => 1, CLEANUP => 0);
        chmod 0755, $Dir;    # nginx's workers are another user
    }
    return $Dir;
}

sub write_file
{
    my ($name, $text) = @_;
    my $path = $name =~ m{^/} ? $name : dir() . "/$name";
    make_path(dirname($path));
    open my $out, '>', $path or croak "$path: $!";
    utf8::encode($text) if utf8::is_utf8($text);
    print {$out} $text;
    close $out or croak "$path: $!";
    return $path;
}

sub read_file
{
    my ($path) = @_;
    open my $in, '<', $path or return '';
    local $/;
    return <$in> // '';
}

# A port that no other test takes while this one runs, outside the range that outgoing connections use.
sub free_port
{
    my $locks = '/tmp/oidc-test-ports';
    mkdir $locks;
    for (1 .. 500) {
        my $port = 20000 + int rand 12000;
        next if $Port_locks{$port};
        open my $lock, '>', "$locks/$port" or next;
        flock $lock, LOCK_EX | LOCK_NB or next;
        IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1) or next;
        $Port_locks{$port} = $lock;
        return $port;
    }
    croak 'no free port';
}

# Sockets that keep a port of 127.0.0.1 from answering a SYN, as long as they live: its queue is full.
sub silent_port
{
    my ($port) = @_;
    my @sockets = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1) || croak "port $port: $!";
    push @sockets, IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Blocking => 0) for 1 .. 4;
    return @sockets;
}

# Waits until the code is true, at most `seconds`; its value, or nothing.
sub until_true
{
    my ($seconds, $code) = @_;
    my $end = time + $seconds;
    while (1) {
        my $value = $code->();
        return $value if $value;
        return if time > $end;
        sleep 0.02;
    }
}
# like() for a log of requests: nginx writes a line after the client has its answer.
sub logged_like
{
    my ($file, $pattern, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    until_true(5, sub { read_file($file) =~ $pattern });
    return like(read_file($file), $pattern, $name);
}
sub wait_for { my ($seconds, $code, $what) = @_; return until_true($seconds, $code) || croak "waited $seconds s for $what" }

sub listening { my $port = shift; return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 1) ? 1 : 0 }

# Whatever a test started ends with it, also when the test is killed: a process that only waits for that.
my $Watch;
sub watch
{
    my ($line) = @_;
    if (!$Watch) {
        pipe my $read, $Watch or croak "pipe: $!";
        my $pid = fork // croak "fork: $!";
        if (!$pid) {
            setpgrp 0, 0;
            close $Watch;
            $SIG{$_} = 'IGNORE' for qw(TERM INT HUP);
            open $_->[0], $_->[1], '/dev/null' for [ \*STDIN, '<' ], [ \*STDOUT, '>' ], [ \*STDERR, '>' ];
            my %alive;
            while (defined(my $said = <$read>)) {
                if ($said =~ /^\+(\d+)/) { $alive{$1} = 1 }
                if ($said =~ /^-(\d+)/) { delete $alive{$1} }
            }
            kill 'KILL', -$_ for keys %alive;
            POSIX::_exit(0);
        }
        close $read;
        $Watch->autoflush(1);
    }
    print {$Watch} "$line\n";
    return;
}

# A program in a process group of its own, its output in a file.
sub spawn
{
    my ($output, @command) = @_;
    my $pid = fork // croak "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $output or POSIX::_exit(127);
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }
    push @Children, $pid;
    watch("+$pid");
    return $pid;
}

sub kill_tree
{
    my ($pid, $signal) = @_;
    kill $signal || 'TERM', -$pid;
    kill $signal || 'TERM', $pid;
    my $gone = until_true(5, sub { waitpid($pid, WNOHANG) != 0 });
    if (!$gone) { kill 'KILL', -$pid; waitpid $pid, 0 }
    watch("-$pid");
    @Children = grep { $_ != $pid } @Children;
    return;
}

sub json { return JSON::PP->new->utf8->canonical->allow_nonref }

# ---- The CA ------------------------------------------------------------------------------------------------------------------

my @names = ('localhost', map {"$_.localhost"} qw(rp app other www fc fcp pc generic idp data evil));

# Made once for all tests in build/test-ca; nginx's workers read the copies in the test's own directory.
sub ca_dir
{
    my $dir = ($ENV{OIDC_BUILD} || "$Root/build") . '/test-ca';
    make_path($dir);
    open my $lock, '>', "$dir/.lock" or croak "$dir: $!";
    flock $lock, LOCK_EX;
    return $dir if -e "$dir/complete.5" && -M "$dir/complete.5" < 20;
    my $run = sub { my $out = `$_[0] 2>&1`; croak "$_[0]: $out" if $? };
    my $san = join ',', (map {"DNS:$_"} @names), 'IP:127.0.0.1';
    $run->("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=Local CA of the tests'"
            . " -addext keyUsage=critical,keyCertSign,cRLSign -keyout $dir/ca.key -out $dir/ca.pem");
    $run->("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=rp.localhost -keyout $dir/tls.key -out $dir/tls.csr");
    write_file("$dir/tls.ext", "subjectAltName=$san\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n");
    $run->("openssl x509 -req -in $dir/tls.csr -CA $dir/ca.pem -CAkey $dir/ca.key -CAcreateserial -days 30 -extfile $dir/tls.ext -out $dir/tls.pem");
    $run->("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=self-signed -addext subjectAltName=$san"
            . " -keyout $dir/self.key -out $dir/self.pem");
    $run->("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $dir/enc-ec.pem");
    $run->("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $dir/enc-rsa.pem");
    $run->("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=client -keyout $dir/client.key -out $dir/client.csr");
    write_file("$dir/client.ext", "subjectAltName=DNS:client.localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n");
    $run->("openssl x509 -req -in $dir/client.csr -CA $dir/ca.pem -CAkey $dir/ca.key -CAcreateserial -days 30 -extfile $dir/client.ext -out $dir/client.pem");
    write_file("$dir/complete.5", '');
    return $dir;
}

sub _copied { my $name = shift; my $to = dir() . "/tls/$name"; write_file($to, read_file(ca_dir() . "/$name")) if !-e $to; return $to }
sub ca_file   { return $OIDC::Browser::CA = _copied('ca.pem') }
sub cert_file { return _copied('tls.pem') }
sub key_file  { return _copied('tls.key') }
# A certificate and its key: client (of the CA, for client.localhost), self (signed by itself).
sub pair_of   { my $kind = shift; return map { _copied("$kind.$_") } qw(pem key) }
sub own_key   { my $kind = shift; return _copied("enc-$kind.pem") }    # ec, rsa

# ---- The relying party's address -----------------------------------------------------------------------------------------------

my %rp;
sub rp
{
    my ($path) = @_;
    $rp{port} ||= free_port();
    return "https://rp.localhost:$rp{port}" . ($path // '');
}
sub rp_port { rp(); return $rp{port} }

sub browser { my %o = @_; ca_file(); return OIDC::Browser->new(%o) }

# ---- Providers -----------------------------------------------------------------------------------------------------------------

my %host_of = (franceconnect => 'fc', franceconnect_plus => 'fcp', proconnect => 'pc', generic => 'generic');
my $clients;

# The row's clients as the providers know them: {client_id => {...}}.
sub clients
{
    $clients ||= do {
        my $all = json()->decode(read_file("$Root/t/providers/clients.json") || '{}');
        my @list;
        my $walk;
        $walk = sub {
            my $node = shift;
            if (ref $node eq 'HASH' && $node->{client_id}) { push @list, $node }
            elsif (ref $node eq 'HASH') { $walk->(ref $node->{$_} eq 'HASH' && !$node->{$_}{client_id} && $node->{$_}{client_secret} ? { %{ $node->{$_} }, client_id => $_ } : $node->{$_}) for sort keys %$node }
            elsif (ref $node eq 'ARRAY') { $walk->($_) for @$node }
        };
        $walk->($all);
        +{ map { $_->{client_id} => $_ } @list };
    };
    return $clients;
}
sub client_secret { my $id = shift; return (clients()->{$id} || croak "no client $id")->{client_secret} // '' }

# start_provider('franceconnect', rp => [...], client => [{...}], port => .., wait => 0)
sub start_provider
{
    my ($row, %o) = @_;
    my $port = $o{port} || free_port();
    my $self = bless { row => $row, port => $port, origin => "https://$host_of{$row}.localhost:$port", o => \%o, log => dir() . "/provider-$row-$port.log" },
        'OIDC::Provider';
    $self->{data_port} = free_port() if $row eq 'franceconnect';
    $self->start if $o{wait} // 1;
    return $self;
}

# start_data_provider(provider => $franceconnect) or (staging => 1), port => .., wait => 0
sub start_data_provider
{
    my (%o) = @_;
    my $port = $o{port} || ($o{provider} ? $o{provider}{data_port} : free_port());
    my $self = bless { row => 'data_provider', port => $port, origin => "https://data.localhost:$port", o => \%o, log => dir() . "/data-provider-$port.log" },
        'OIDC::DataProvider';
    $self->start if $o{wait} // 1;
    return $self;
}

# ---- The application: tells what reached it --------------------------------------------------------------------------------------

# A small HTTP server that answers every request with what it received, as JSON. Its port.
sub app
{
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => free_port(), Listen => 128, ReuseAddr => 1) or croak "app: $!";
    my $seen = dir() . '/app.log';
    write_file($seen, '');
    watch('');
    my $pid = fork // croak "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        close $Watch;
        # prove waits for all who hold its pipe
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', dir() . '/app.out';
        open STDERR, '>&', \*STDOUT;
        $SIG{PIPE} = 'IGNORE';
        $SIG{$_} = 'DEFAULT' for qw(TERM INT);
        while (1) {
            my $client = $listen->accept or next;
            eval { local $SIG{ALRM} = sub { die "slow\n" }; alarm 5; _serve($client, $seen); alarm 0; 1 } or alarm 0;
            close $client;
        }
    }
    push @Children, $pid;
    watch("+$pid");
    return $listen->sockport;
}

sub _serve
{
    my ($client, $seen) = @_;
    my $in = '';
    while ($in !~ /\r\n\r\n/) { sysread $client, $in, 65536, length $in or return }
    $in =~ s/^(.*?)\r\n\r\n//s;
    my ($line, @lines) = split /\r\n/, $1;
    my ($method, $uri) = split / /, $line;
    my %headers;
    for (@lines) {
        my ($name, $value) = /^([^:]+):[ \t]*(.*)$/s or next;
        utf8::decode($value);
        push @{ $headers{ lc $name } }, $value;
    }
    my $length = ($headers{'content-length'} || [0])->[0];
    while (length $in < $length) { sysread $client, $in, 65536, length $in or last }
    open my $log, '>>', $seen;
    print {$log} "$method $uri\n";
    close $log;
    if (lc(($headers{upgrade} || [''])->[0]) eq 'websocket') {
        print {$client} "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello";
        return;
    }
    my $body = json()->encode({ method => $method, uri => $uri, headers => \%headers, body => $in });
    my $status = $uri =~ m{[?&]status=(\d{3})} ? "$1 Wanted" : '200 OK';
    my $extra = $uri =~ m{[?&]accel=([^&]+)} ? 'X-Accel-Redirect: ' . OIDC::Browser::unescape($1) . "\r\n" : '';
    print {$client} "HTTP/1.1 $status\r\nContent-Type: application/json\r\n${extra}Content-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
    return;
}

# ---- nginx ---------------------------------------------------------------------------------------------------------------------

# %%names%% of a configuration: the harness's own and those given.
sub subst
{
    my ($text, %values) = @_;
    my $dir = dir();
    my %all = (
        globals => "daemon off;\npid $dir/nginx.pid;\nerror_log $dir/error.log info;\nload_module $Module;",
        http => "access_log off;\n    client_body_temp_path $dir/body;\n    proxy_temp_path $dir/proxy;\n    fastcgi_temp_path $dir/fastcgi;\n"
            . "    uwsgi_temp_path $dir/uwsgi;\n    scgi_temp_path $dir/scgi;",
        tls => 'ssl_certificate ' . cert_file() . ";\n        ssl_certificate_key " . key_file() . ';',
        port => rp_port(), listen => '127.0.0.1:' . rp_port() . ' ssl http2', rp => rp(), dir => $dir, ca => ca_file(),
        key_ec => own_key('ec'), key_rsa => own_key('rsa'), %values);
    $text =~ s{%%secret:([\w-]+)%%}{client_secret($1)}ge;
    $text =~ s{%%(\w+)%%}{ref $all{$1} ? $all{$1}{origin} : $all{$1} // croak "no value for %%$1%%"}ge;
    return $text;
}

# nginx($conf, name => value, ...): a running nginx.
sub nginx
{
    my ($conf, %values) = @_;
    my $self = bless { conf => $conf, values => \%values, dir => dir(), log => dir() . '/error.log' }, 'OIDC::Nginx';
    $self->start;
    return $self;
}

sub remember { my $self = shift; push @Nginx, $self if !grep { $_ == $self } @Nginx; return }

# `nginx -t` on a configuration: (true when it is accepted, what it printed).
sub nginx_t
{
    my ($conf, %values) = @_;
    my $file = write_file('check/nginx.conf', subst($conf, %values));
    make_path(dir() . '/check/logs');
    my $preload = $ENV{OIDC_PRELOAD} ? "LD_PRELOAD=$ENV{OIDC_PRELOAD} " : '';
    my $output = `$preload$Nginx -p @{[dir()]}/check -c $file -e @{[dir()]}/check/error.log -t 2>&1`;
    return ($? == 0, $output);
}

# curl over HTTP/2: (status, headers and body). Options are curl's.
sub curl_h2
{
    my ($url, @options) = @_;
    my $u = OIDC::Browser::parse_url($url);
    my @command = ('curl', '-sS', '-i', '--http2', '--max-time', 20, '--cacert', ca_file(), '--resolve', "$u->{host}:$u->{port}:127.0.0.1", @options, $url);
    my $pid = open(my $pipe, '-|') // croak "curl: $!";
    if (!$pid) {
        open STDERR, '>', dir() . '/curl.err';
        exec @command or POSIX::_exit(127);
    }
    local $/;
    my $answer = <$pipe> // '';
    close $pipe;
    my $said = read_file(dir() . '/curl.err');
    diag $said if length $said && $said !~ /timed out/;
    my ($status) = $answer =~ m{^HTTP/2 (\d+)};
    return ($status, $answer);
}

# The whole way from a protected URL to the answer behind it.
sub login
{
    my ($browser, $url, %o) = @_;
    return $browser->navigate($url, %o);
}

# ---- The end of every test -------------------------------------------------------------------------------------------------------

# What no log may hold, whatever the case: tokens, and what makes the test identities recognisable.
our @Private = (qr/eyJ[A-Za-z0-9_-]{6}/, qr/M.{1,2}LLER-LEF/i, qr/l.{1,2}onore/i, qr/exemple\.fr/i, qr/BESSON|Besson/, qr/USER_AGC/, qr/2A115/);

# Asserts that nginx said nothing worse than [error] beyond `allow`, that no worker died, that no secret is in its log, and that no
# sanitizer spoke. Stops what still runs first: what a shutdown logs counts too.
sub log_ok
{
    my (%o) = @_;
    $_->stop for @Nginx;
    my @allowed = @{ $o{allow} || [] };
    my $log = read_file(dir() . '/error.log');
    my @lines = split /\n/, $log;
    my @bad = grep {
        my $line = $_;
        $line =~ /\[(?:alert|crit|emerg)\]|exited on signal|open socket #|heap-buffer|runtime error:/ && !grep { $line =~ $_ } @allowed
    } @lines;
    is(join("\n", @bad), '', 'error log: no alert, no worker lost');
    my %seen;
    my @leaks;
    for my $secret (grep { !$seen{$_}++ && length >= 12 } @OIDC::Browser::Secrets) {
        push @leaks, grep { index($_, $secret) >= 0 } @lines;
    }
    for my $private (@Private, @{ $o{private} || [] }) {
        push @leaks, grep {$_ =~ $private} map { my $l = $_; utf8::decode($l); $l } @lines;
    }
    is(scalar(@leaks), 0, 'error log: no token, code, cookie or claim') or diag join "\n", @leaks[ 0 .. ($#leaks > 3 ? 3 : $#leaks) ];
    my @reports = sanitizer_reports();
    is(join("\n", map { read_file($_) } @reports), '', 'no sanitizer report') if $ENV{OIDC_PRELOAD};
    return;
}

# Reports go beside those that the Makefile names, under this test's name.
sub sanitizer_prefix
{
    my ($kind) = @_;
    my ($given) = ($ENV{ uc($kind) . '_OPTIONS' } // '') =~ /log_path=([^:]+)/;
    return ($given // dir() . "/$kind") . ".$Name";
}
sub sanitizer_reports { return map { glob sanitizer_prefix($_) . '.*' } qw(asan ubsan) }
sub sanitizer_environment
{
    return if !$ENV{OIDC_PRELOAD};
    for my $kind (qw(asan ubsan)) {
        my $options = ($ENV{ uc($kind) . '_OPTIONS' } // '') =~ s/:?log_path=[^:]*//r;
        my $own = $kind eq 'asan' ? ':detect_leaks=0:detect_odr_violation=0' : ':print_stacktrace=1';
        $ENV{ uc($kind) . '_OPTIONS' } = ($options . $own . ':log_path=' . sanitizer_prefix($kind)) =~ s/^://r;
    }
    $ENV{LD_PRELOAD} = $ENV{OIDC_PRELOAD};
    return;
}

END {
    if ($$ == $Owner) {
        my $status = $?;
        $_->stop for @Nginx;
        kill_tree($_) for my @all = @Children;
        my $failed = $status || !Test::More->builder->is_passing;
        if ($Dir && $failed) { diag "kept for inspection: $Dir" }
        elsif ($Dir && !$ENV{OIDC_KEEP}) { File::Path::remove_tree($Dir) }
        $? = $status;
    }
}
$SIG{TERM} = $SIG{INT} = sub { exit 1 };

# ================================================================================================================================
package OIDC::Nginx;
use strict;
use warnings;
use Carp qw(croak);
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

sub write_conf { my $self = shift; return OIDC::Test::write_file('nginx.conf', OIDC::Test::subst($self->{conf}, %{ $self->{values} })) }

sub start
{
    my $self = shift;
    my $file = $self->write_conf;
    my $dir = $self->{dir};
    $self->{output} = "$dir/nginx.out";
    File::Path::make_path("$dir/logs");
    my $pid = fork // croak "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $self->{output};
        open STDERR, '>&', \*STDOUT;
        OIDC::Test::sanitizer_environment();
        exec $OIDC::Test::Nginx, '-p', $dir, '-c', $file, '-e', "$dir/error.log" or POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    OIDC::Test::watch("+$pid");
    OIDC::Test::remember($self);
    my ($port) = $self->{values}{wait_port} || OIDC::Test::rp_port();
    my $up = OIDC::Test::until_true(20, sub { waitpid($pid, WNOHANG) ? 'died' : OIDC::Test::listening($port) && $self->workers });
    if (!$up || $up eq 'died') {
        $self->{pid} = 0 if ($up // '') eq 'died';
        Test::More::diag(OIDC::Test::read_file($self->{output}), OIDC::Test::read_file($self->{log}));
        croak 'nginx did not start';
    }
    return $self;
}

# The pids of the running workers (and not of those that are leaving).
sub workers
{
    my ($self, %o) = @_;
    my $children = OIDC::Test::read_file("/proc/$self->{pid}/task/$self->{pid}/children");
    my @pids = split ' ', $children;
    return grep { my $title = OIDC::Test::read_file("/proc/$_/cmdline"); $title =~ /worker process/ && ($o{all} || $title !~ /shutting down/) } @pids;
}

# The free pages of the zone of that size as a worker sees them: nginx's ngx_slab_pool_t, at the start of the mapping, counts them in
# `pfree`.
sub free_pages
{
    my ($self, $size) = @_;
    no warnings qw(portable);
    my ($pid) = $self->workers;
    my ($start) = map { hex $_->[0] } grep { @$_ && hex($_->[1]) - hex($_->[0]) == $size } map { [/^(\w+)-(\w+) rw-s/] }
        split /\n/, OIDC::Test::read_file("/proc/$pid/maps");
    open my $memory, '<:raw', "/proc/$pid/mem" or croak "/proc/$pid/mem: $!";
    seek $memory, $start + 80, 0;
    read $memory, my $bytes, 8;
    return unpack 'Q', $bytes;
}

sub signal { my ($self, $name) = @_; return kill $name, $self->{pid} }

# HUP, and waits for the workers of the new configuration. `conf` replaces the old one.
sub reload
{
    my ($self, %o) = @_;
    $self->{conf} = $o{conf} if $o{conf};
    $self->write_conf;
    my %old = map { $_ => 1 } $self->workers(all => 1);
    $self->{old} = \%old;
    $self->signal('HUP');
    return OIDC::Test::wait_for(10, sub { grep { !$old{$_} } $self->workers }, 'new workers');
}

# Waits until the workers from before the last reload are gone.
sub settled { my ($self, $seconds) = @_; return OIDC::Test::until_true($seconds || 10, sub { !grep { $self->{old}{$_} } $self->workers(all => 1) }) }

sub stop
{
    my ($self, $signal) = @_;
    my $pid = $self->{pid} or return;
    kill $signal || 'TERM', $pid;
    if (!OIDC::Test::until_true(15, sub { waitpid($pid, WNOHANG) })) {
        kill 'KILL', -$pid;
        waitpid $pid, 0;
        Test::More::fail('nginx stops within 15 s');
    }
    OIDC::Test::watch("-$pid");
    $self->{pid} = 0;
    return;
}

sub mark { my $self = shift; return $self->{mark} = -s $self->{log} || 0 }
sub log_text { my ($self, $from) = @_; return substr OIDC::Test::read_file($self->{log}), $from // 0 }

# The Reasons logged since the mark, in order: every refusal is one line `oidc: <reason>[: ...]`.
sub reasons
{
    my ($self, $from) = @_;
    return map { /\boidc: ([a-z_]+): / && $1 ne 'variable' ? $1 : () } split /\n/, $self->log_text($from // $self->{mark});
}
sub wait_reason { my ($self, $reason, $seconds) = @_; return OIDC::Test::until_true($seconds || 3, sub { grep { $_ eq $reason } $self->reasons }) }

# ================================================================================================================================
package OIDC::Provider;
use strict;
use warnings;
use Carp qw(croak);
use POSIX qw(WNOHANG);

sub start
{
    my $self = shift;
    my %o = %{ $self->{o} };
    my @command = ("$OIDC::Test::Root/t/providers/run", $self->{row}, '--listen', "127.0.0.1:$self->{port}", '--origin', $self->{origin},
        '--tls-cert', $o{cert} || OIDC::Test::cert_file(), '--tls-key', $o{key} || OIDC::Test::key_file(), '--ca', OIDC::Test::ca_file(),
        $self->options);
    $self->{pid} = OIDC::Test::spawn($self->{log}, @command);
    my $pid = $self->{pid};
    my $up = OIDC::Test::until_true(30, sub { waitpid($pid, WNOHANG) ? 'died' : OIDC::Test::read_file($self->{log}) =~ /^ready / && OIDC::Test::listening($self->{port}) });
    croak "provider $self->{row} did not start: " . OIDC::Test::read_file($self->{log}) if !$up || $up eq 'died';
    return $self;
}

# Those of this kind of program.
sub options
{
    my $self = shift;
    my %o = %{ $self->{o} };
    my @rp = map { (ref $_ ? $_->() : $_) } @{ $o{rp} || [ OIDC::Test::rp() ] };
    my @data = $self->{data_port} ? ('--data-provider', "https://data.localhost:$self->{data_port}") : ();
    return ((map { ('--rp', $_) } @rp), (map { ('--client', OIDC::Test::json()->encode($_)) } @{ $o{client} || [] }), @data);
}

sub stop { my ($self, $signal) = @_; OIDC::Test::kill_tree(delete $self->{pid}, $signal) if $self->{pid}; return OIDC::Test::write_file($self->{log}, '') }
sub issuer { return $_[0]{origin} . '/api/v2' }
sub freeze { my $self = shift; return kill 'STOP', -$self->{pid} }
sub thaw   { my $self = shift; return kill 'CONT', -$self->{pid} }

sub _call
{
    my ($self, $method, $path, $data) = @_;
    $self->{control} ||= OIDC::Test::browser(keep => 0);
    my $r = $self->{control}->request($method, $self->{origin} . $path, plain => 1,
        $method eq 'GET' ? () : (body => $data ? OIDC::Test::json()->encode($data) : '{}', headers => [ 'Content-Type' => 'application/json' ]));
    croak "control $method $path: $r->{status} $r->{body}" if $r->{status} !~ /^2/;
    return $r->json;
}
sub control { my ($self, %switches) = @_; return %switches ? $self->_call(POST => '/__control', \%switches) : $self->_call(GET => '/__control') }
# All switches off; the person logs in without pages.
sub reset { my ($self, %switches) = @_; $self->_call(POST => '/__control/reset'); return $self->control(auto => 'angela', %switches) }
sub rotate { my ($self, %o) = @_; return $self->_call(POST => '/__control/rotate', \%o) }
# Every session at the provider ends; the provider forgets the relying party's key set.
sub revoke { my $self = shift; return $self->_call(POST => '/__control/revoke') }
# A logout token for a client, with edits as those of an ID token.
sub logout_token { my ($self, %o) = @_; return $self->_call(POST => '/__control/logout_token', \%o)->{logout_token} }
sub flush  { my $self = shift; return $self->_call(POST => '/__control/flush') }
# How often an endpoint was asked since the last reset; how often a code was brought.
sub count { my ($self, $endpoint) = @_; return $self->control->{counters}{requests}{$endpoint} || 0 }
sub code_posts { my ($self, $code) = @_; my $codes = $self->control->{counters}{codes}; return defined $code ? $codes->{$code} || 0 : $codes }
# How many refreshes came, or how often a refresh token was brought; how often the provider fetched a path of the relying party.
sub refreshes { my ($self, $token) = @_; my $counters = $self->control->{counters}; return defined $token ? $counters->{refreshTokens}{$token} || 0 : $counters->{refreshes} }
sub fetches { my ($self, $path) = @_; return $self->control->{counters}{fetched}{ OIDC::Test::rp($path) } || 0 }
# The requests of a path (below the issuer), in order: method, query, body, headers, status.
sub requests { my ($self, $path) = @_; return grep { $_->{path} eq $path } @{ $self->control->{log} } }
sub revocations { my $self = shift; return $self->requests('/token/revocation') }

1;
