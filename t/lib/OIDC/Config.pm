# `nginx -t` on small configurations: what it accepts, refuses and warns of. Plain core Perl, no provider, no running nginx.
package OIDC::Config;
use strict;
use warnings;
use utf8;
use Test::More;
use Exporter qw(import);
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);

our @EXPORT = qw(accepted refused warned nginx_t conf write_file profile_names $dir $file $hex);
my $root   = abs_path(dirname(__FILE__) . '/../../..');
my $module = $ENV{OIDC_MODULE} || "$root/build/ngx_http_oidc_module.so";
my ($nginx) = grep { -x } $ENV{OIDC_NGINX} || (), qw(/usr/sbin/nginx /usr/local/sbin/nginx /usr/bin/nginx);
plan(skip_all => 'no nginx here') if !$nginx;
our $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
our $file = "$dir/nginx.conf";

sub write_file
{
    my ($name, $text) = @_;
    open my $f, '>', "$dir/$name" or die $!;
    print {$f} $text;
    close $f or die $!;
    return;
}

sub openssl
{
    my $arguments = shift;
    system("cd '$dir' && openssl $arguments >/dev/null 2>&1") == 0 or die "openssl $arguments";
    return;
}

openssl('genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem');
openssl('genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem');
openssl('pkey -in ec.pem -aes256 -passout pass:secret -out locked.pem');
openssl('req -x509 -key ec.pem -subj /CN=localhost -days 2 -out ca.pem');
system("cp '$dir/ca.pem' '$dir/two.pem'; mkfifo '$dir/fifo'") == 0 or die 'mkfifo';
{
    open my $broken, '>>', "$dir/two.pem" or die $!;
    print {$broken} "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    close $broken or die $!;
}
write_file('garbage.pem', "no PEM\n");
write_file('empty',       '');
write_file('secret',      "a secret on one line\n");
write_file('two',         "one\ntwo\n");
write_file('short.key',   'short');
write_file('cookie.key',  'k' x 64);
write_file('claims.json', '{"id_token":{"amr":null}}');
write_file('list.json',   '[]');
write_file('part.conf',   "client_id inc;\n");
write_file('bad.conf',    "\npkce maybe; #!\n");

our $hex = '0123456789abcdef' x 4;
my %base = (
    generic => "issuer https://op.example.fr; client_id c; client_secret s;",
    fc      => "profile franceconnect; client_id c; client_secret $hex;",
    fcp     => "profile franceconnect_plus; client_id c; client_secret $hex; client_key ec.pem use=enc;"
        . ' client_jwks_uri /oidc_jwks;',
    pc      => "profile proconnect; client_id c; client_secret $hex;",
    none    => '',
);

# As docs/directives.md has them, which t/lint holds against the code.
sub profile_names
{
    open my $f, '<', "$root/docs/directives.md" or die $!;
    my ($names) = map { /^\| `profile` \| `profile (.*?) \[/ } <$f>;
    return split / \\\| /, $names;
}

# A whole configuration of the parts that a case gives.
sub conf
{
    my %part = @_;
    my $block = exists $part{kind} ? "oidc_provider p { #block\n$base{$part{kind}}\n$part{block}\n}" : '';
    my $user = $> == 0 ? 'user www-data;' : '';
    my $temp = join ' ', map { "${_}_temp_path $dir/tmp;" } qw(client_body proxy fastcgi uwsgi scgi);
    my $auth = $part{location} // (exists $part{kind} ? 'auth_oidc p;' : '');
    my $servers = $part{servers} // "server { listen 127.0.0.1:8080;\n location / { $auth }\n }";
    return "load_module $module; pid $dir/pid; error_log stderr notice; $user\nevents {}\nhttp {\naccess_log off; $temp\n"
        . "$block\n" . ($part{http} // '') . "\n$servers\n}\n";
}

sub nginx_t
{
    my $text = shift;
    write_file('nginx.conf', $text);
    local $ENV{LD_PRELOAD} = $ENV{OIDC_PRELOAD} // '';
    my $output = `$nginx -t -p $dir -c $file 2>&1`;
    return ($? == 0, $output);
}

# The line marked #! in the configuration, else that of the block.
sub line_of
{
    my @lines = split /\n/, shift, -1;
    for my $mark ('#!', '#block') {
        for my $i (0 .. $#lines) { return $i + 1 if index($lines[$i], $mark) >= 0 }
    }
    return 0;
}

sub messages { my ($level, $output) = @_; return [ $output =~ /\[$level\] \d+#\d+: (.*)$/mg ] }

sub accepted
{
    my ($name, %part) = @_;
    my ($ok, $output) = nginx_t(conf(%part));
    ok($ok, "accepted: $name") or diag $output;
    is_deeply(messages('warn', $output), [], '... without a warning');
    return;
}

sub refused
{
    my ($message, %part) = @_;
    my $text = conf(%part);
    my ($ok, $output) = nginx_t($text);
    my $where = $part{in} // "$file:" . line_of($text);
    $message =~ s/%dir%/$dir/g;
    my $title = $part{block} || $part{location} || $part{http} || $message;
    is(messages('emerg', $output)->[0] // '', "$message in $where", "refused: " . $title =~ s/\s+/ /gr);
    ok(!$ok, '... nginx does not start') if $ok;
    return;
}

sub warned
{
    my ($message, %part) = @_;
    my $text = conf(%part);
    my ($ok, $output) = nginx_t($text);
    ok($ok, 'accepted with a warning') or diag $output;
    is_deeply(messages('warn', $output), [ "$message in $file:" . line_of($text) ], "... $message");
    return;
}

1;
