# client_secret_file is read again when it changes: a secret is rotated while nginx runs, for the token endpoint and for HS256.
use lib 't/lib', 'lib';
use OIDC::Test;
use Time::HiRes qw(sleep);

my $app = app();
my @secrets = (client_secret('fc-hs256'), map { my $digit = $_; $digit x 64 } qw(1 2 3 4));
my $op = start_provider('franceconnect');
my $file = write_file('secret', "$secrets[0]\n");
my $own = write_file('own', "$secrets[0]\n");    # the administrator's alone
chmod 0600, $own;
my $block = sub {
    my ($name, $of) = @_;
    return <<"NGINX";
    oidc_provider $name {
        profile                 franceconnect;
        issuer                  %%op%%/api/v2;
        client_id               fc-hs256;
        client_secret_file      %%dir%%/$of;
        id_token_signing_alg    HS256;
        ssl_trusted_certificate %%ca%%;
        jwks_cache              min_refresh=1s;
    }
NGINX
};
my $nginx = nginx(<<"NGINX", op => $op, app => $app);
%%globals%%
worker_processes 1;
events { worker_connections 256; }
http {
    %%http%%
@{[ $block->('fc', 'secret') . $block->('root', 'own') ]}
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        proxy_set_header X-Sub \$oidc_claim_sub;
        location /fc/   { auth_oidc fc; proxy_pass http://127.0.0.1:%%app%%; }
        location /root/ { auth_oidc root; proxy_pass http://127.0.0.1:%%app%%; }
    }
}
NGINX
$op->reset(auto => 'angela');

# The provider comes back with that secret, at the same address.
sub provider_has
{
    my ($secret) = @_;
    $op->stop;
    $op->{o}{client} = [ { client_id => 'fc-hs256', client_secret => $secret } ];
    delete $op->{control};
    $op->start;
    $op->reset(auto => 'angela');
    sleep 1.2;    # the file is looked at once a second, the keys too
    $nginx->mark;
    return;
}
# Another file takes the place of the old one.
sub replace { my ($text) = @_; write_file('secret.new', $text); return rename dir() . '/secret.new', $file }
sub attempt { my ($name) = @_; return browser()->navigate(rp('/' . ($name // 'fc') . '/x'))->status }
sub told { my ($what) = @_; return scalar(() = $nginx->log_text($nginx->{mark}) =~ /provider "fc": client_secret_file\b[^\n]*$what/g) }

is(attempt(), 200, 'a login');

replace("$secrets[1]\n");
provider_has($secrets[1]);
is(attempt(), 200, 'a rotated secret: logins go on');
is(told('was read again'), 1, '... it was read again');
is(attempt(), 200, '... and is in use');
sleep 1.2;
is(attempt(), 200, '... later too');
is(told('was read again'), 1, '... read once');

provider_has($secrets[2]);
is(attempt(), 502, 'a secret that was rotated at the provider alone');
is_deeply([ $nginx->reasons ], ['client_refused'], '... is refused');
write_file($file, $secrets[2]);    # in place, without a line break
sleep 1.2;
is(attempt(), 200, '... until the file has it');

my %broken = (
    'two lines'    => sub { replace("$secrets[3]\n$secrets[3]\n") },
    'empty'        => sub { replace('') },
    'a NUL in it'  => sub { replace("$secrets[3]\0\n") },
    'gone'         => sub { unlink $file },
    'a folder'     => sub { unlink $file; mkdir $file },
);
if ($> == 0) { $broken{'unreadable for workers'} = sub { replace("$secrets[3]\n"); chmod 0600, $file } }
for my $name (sort keys %broken) {
    rmdir $file if -d $file;
    $nginx->mark;
    $broken{$name}->();
    sleep 1.2;
    is(attempt(), 200, "$name: the old secret stays in use");
    is(told('the last good secret stays in use'), 1, '... which is told');
    sleep 1.2;
    is(attempt(), 200, '... later too');
    is(told('the last good secret stays in use'), 1, '... once');
}
rmdir $file if -d $file;
replace("$secrets[4]\r\n");
provider_has($secrets[4]);
is(attempt(), 200, 'a good file again');

subtest "the administrator's own file" => sub {
    plan skip_all => 'workers are the same user' if $> != 0;
    write_file($own, "$secrets[4]\n");
    chmod 0600, $own;
    $nginx->mark;
    sleep 1.2;
    is(attempt('root'), 502, 'what workers cannot read is not read again');
    unlike($nginx->log_text($nginx->{mark}), qr/"root": client_secret_file/, '... nor looked at');
    $nginx->reload;
    ok($nginx->settled, 'a reload');
    is(attempt('root'), 200, '... reads it');
    my @said = $nginx->log_text($nginx->{mark}) =~ /\[(\w+)\][^\n]*oidc_provider "root": client_secret_file: "[^"]*\/own" is unreadable for worker user/g;
    is_deeply(\@said, ['notice'], '... and says once that workers cannot');
};

log_ok(private => [ map { qr/\Q$_/ } @secrets ]);
done_testing();
