#!/usr/bin/perl
# The package that `make deb` made, on a clean Debian 12: installed, loaded, at work, reloaded, removed without a trace.
# A root of debootstrap's in the package's folder, entered by chroot; packages come from this machine's own sources.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(basename);
use HTTP::Tiny ();
use IO::Socket::INET ();
use Test::More;
use Time::HiRes qw(sleep time);

my $deb_dir = abs_path(shift // 'build/deb') // die 'usage: install.t <folder of the package>';
my ($deb) = grep { !/-dbgsym_/ } glob "$deb_dir/libnginx-mod-http-oidc*.deb" or die "no package in $deb_dir";
my $root = "$deb_dir/root";
my $log = "$deb_dir/install.log";
my $snippet = '/usr/share/nginx/modules-available/mod-http-oidc.conf';
my $enabled = "$root/etc/nginx/modules-enabled/50-mod-http-oidc.conf";
my $site = "$root/etc/nginx/conf.d/site.conf";
my %keep = map { /^https?_proxy$|^no_proxy$/i ? ($_ => $ENV{$_}) : () } keys %ENV;
my %clean = (%keep, PATH => '/usr/sbin:/usr/bin:/sbin:/bin', HOME => '/', LANG => 'C.UTF-8', DEBIAN_FRONTEND => 'noninteractive');

sub file_text { my ($path) = @_; open my $in, '<', $path or return ''; local $/; return <$in> // '' }
sub write_file { my ($path, $text) = @_; open my $out, '>', $path or die "$path: $!"; print {$out} $text; close $out or die "$path: $!"; return }
sub until_true { my ($code) = @_; my $end = time + 20; until ($code->()) { return 0 if time > $end; sleep 0.1 } return 1 }

# Runs a command; its output, which is also in the log. Whether it went well is in $?.
sub run
{
    my @command = @_;
    my $pid = open(my $pipe, '-|') // die "fork: $!";
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDERR, '>&', \*STDOUT;
        exec @command or exit 127;
    }
    local $/;
    my $output = <$pipe> // '';
    close $pipe;
    open my $out, '>>', $log or die "$log: $!";
    print {$out} "\$ @command\n$output";
    return $output;
}
sub inside { my @command = @_; local %ENV = %clean; return run('chroot', $root, @command) }
sub apt { my @arguments = @_; return inside('apt-get', '-q', '-y', '--no-install-recommends', @arguments) }
# ... and must go well: what follows needs it.
sub went_well { my ($what, $output) = @_; my $status = $?; ok($status == 0, $what) or BAIL_OUT("$what:\n" . substr $output, -3000); return }

sub make_root
{
    my ($uri) = split /\n/, run('apt-get', 'indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Codename: bookworm');
    BAIL_OUT('no source of Debian 12 in /etc/apt: run apt-get update') if $? || !$uri;
    went_well('a clean Debian 12', run('debootstrap', '--variant=minbase', 'bookworm', $root, $uri));
    unlink "$root/etc/apt/sources.list";
    run('cp', '-a', '/etc/apt/.', "$root/etc/apt/");
    run('cp', '-a', '/usr/share/keyrings/.', "$root/usr/share/keyrings/");
    run('cp', '-L', '/etc/resolv.conf', '/etc/hosts', "$root/etc/");
    if (-e '/etc/ssl/certs/ca-certificates.crt') {
        run('cp', '-L', '/etc/ssl/certs/ca-certificates.crt', "$root/etc/apt/host-ca.pem");
        write_file("$root/etc/apt/apt.conf.d/99host-ca", "Acquire::https::CaInfo \"/etc/apt/host-ca.pem\";\n");
    }
    write_file("$root/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n");    # no package starts a service
    chmod 0755, "$root/usr/sbin/policy-rc.d";
    return;
}

# What a package can leave behind: neither the package manager's own books nor what a running nginx writes.
sub files
{
    my @pruned = map { ('-path', "$root/$_", '-o') } qw(dev proc sys run tmp etc/apt var/cache var/log var/lib/apt var/lib/dpkg var/lib/nginx);
    pop @pruned;
    return [ sort split /\n/, run('find', $root, '-xdev', '(', @pruned, ')', '-prune', '-o', '-printf', '%P %y %l\n') ];
}

# Two providers that are down: of one nothing is known, of the other the addresses.
sub write_site
{
    my ($port, $down, $answer) = @_;
    my $endpoints = join '', map {"    endpoint $_ http://127.0.0.1:$down/$_;\n"} qw(authorization token userinfo jwks end_session revocation);
    my $client = "    client_id c;\n    client_secret s;\n";
    write_file($site, <<"NGINX");
oidc_provider unknown {
    issuer http://127.0.0.1:$down/unknown;
    redirect_uri https://www.example.fr/unknown/callback;
$client}
oidc_provider known {
    issuer http://127.0.0.1:$down/known;
    redirect_uri https://www.example.fr/oidc_callback;
$client$endpoints}
server {
    listen 127.0.0.1:$port;
    server_name www.example.fr;
    location /         { return 200 "$answer"; }
    location /unknown/ { auth_oidc unknown; }
    location /known/   { auth_oidc known; }
}
NGINX
    return;
}

my ($port, $down) = map { $_->sockport } my @sockets = map { IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) || die $! } 1, 2;
@sockets = ();
my $http = HTTP::Tiny->new(max_redirect => 0, timeout => 20, proxy => undef, http_proxy => undef,
    default_headers => { Accept => 'text/html' });
sub get { my ($path) = @_; return $http->get("http://127.0.0.1:$port$path") }

sub answers
{
    my ($when) = @_;
    is(get('/unknown/')->{status}, 502, "$when: a provider that is down and unknown: 502");
    my $answer = get('/known/');
    is($answer->{status}, 302, "$when: one whose addresses are known: 302");
    like($answer->{headers}{location} // '', qr{^http://127\.0\.0\.1:$down/authorization\?.*\bclient_id=c\b}, '... to it');
    return;
}

END {
    my $status = $?;
    if (my ($pid) = file_text("$root/run/nginx.pid") =~ /^(\d+)/) { kill 'TERM', $pid; until_true(sub { !kill 0, $pid }) }
    system 'rm', '-rf', '--one-file-system', $root;
    $? = $status;
}

system 'rm', '-rf', '--one-file-system', $root, $log;
BAIL_OUT('chroot needs root') if $>;
make_root();
went_well('the lists of packages', apt('update'));
went_well('nginx', apt('install', 'nginx', 'ca-certificates'));
unlink "$root/etc/nginx/sites-enabled/default";    # it listens on port 80
my $before = files();
write_site($port, $down, 'one');
like(inside('nginx', '-t'), qr/unknown directive "oidc_provider"/, 'without the package: no such directive');

run('cp', $deb, "$root/tmp/");
went_well('the package, its dependencies by apt', apt('install', '/tmp/' . basename($deb)));
is(readlink $enabled, $snippet, 'the module is enabled');
is(file_text("$root$snippet"), "load_module modules/ngx_http_oidc_module.so;\n", '... by its snippet');
ok(-s "$root/usr/share/doc/libnginx-mod-http-oidc/$_", "installed: $_")
    for qw(README.md SECURITY.md docs/directives.md examples/franceconnect.conf conf-examples/login.conf copyright changelog.gz);
went_well('nginx -t with an oidc_provider', inside('nginx', '-t'));

went_well('nginx starts', inside('nginx'));
ok(until_true(sub { get('/')->{content} eq 'one' }), '... and answers');
answers('after the start');
write_site($port, $down, 'two');
went_well('reload', inside('nginx', '-s', 'reload'));
ok(until_true(sub { get('/')->{content} eq 'two' }), '... with the new configuration');
answers('after the reload');
went_well('stop', inside('nginx', '-s', 'quit'));
ok(until_true(sub { !-e "$root/run/nginx.pid" }), '... nginx is gone');
unlike(file_text("$root/var/log/nginx/error.log"), qr/\[(?:alert|emerg|crit)\]|exited on signal/, 'the error log: no alert, no worker lost');

unlink $site;
went_well('removed', apt('remove', 'libnginx-mod-http-oidc'));
ok(!-l $enabled, '... no longer enabled');
went_well('nginx -t without it', inside('nginx', '-t'));
went_well('purged, with what came along', apt('purge', '--auto-remove', 'libnginx-mod-http-oidc'));
is_deeply(files(), $before, '... no file is left, and none is missing');
done_testing();
