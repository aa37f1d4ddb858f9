# Our own keys: changed under load without a failed login; made by `make client-key`; never served with a private member.
use lib 't/lib', 'lib';
use OIDC::Test;
use POSIX ();
use Time::HiRes qw(sleep time);

my $op = start_provider('franceconnect_plus', client => [ { client_id => 'fcp-rsa-oaep-256', jwks_uri => rp('/rsa_jwks') } ]);
my $app = app();
my $run = sub { my $out = `$_[0] 2>&1`; die "$_[0]: $out" if $?; return $out };
my $node = "$OIDC::Test::Root/t/providers/node 22";

# ---- Every form of key

my %private = map { $_ => 1 } qw(d p q dp dq qi oth k);
my @forms = qw(ec.pkcs8 ec.sec1 ec.jwk rsa.pkcs8 rsa.pkcs1 rsa.jwk);
my $keys = dir() . '/keys';
sub generate
{
    my ($file, $kind) = @_;
    $run->('openssl genpkey -quiet ' . ($kind eq 'ec' ? '-algorithm EC -pkeyopt ec_paramgen_curve:P-256' : '-algorithm RSA -pkeyopt rsa_keygen_bits:2048') . " -out $file");
    return $file;
}
sub make_form
{
    my ($file, $form) = @_;
    my ($kind, $how) = split /\./, $form;
    generate("$file.pem", $kind);
    if ($how eq 'jwk') {
        write_file($file, $run->("$node -e 'console.log(JSON.stringify(require(\"crypto\").createPrivateKey(require(\"fs\").readFileSync(\"$file.pem\")).export({format: \"jwk\"})))'"));
        like(read_file($file), qr/"d":/, "$form: the file holds the private key");
    } else {
        $run->($how eq 'pkcs8' ? "cp $file.pem $file" : "openssl " . ($kind eq 'ec' ? 'ec' : 'rsa') . " -in $file.pem -out $file" . ($kind eq 'rsa' ? ' -traditional' : ''));
        like(read_file($file), { pkcs8 => qr/BEGIN PRIVATE/, sec1 => qr/BEGIN EC PRIVATE/, pkcs1 => qr/BEGIN RSA PRIVATE/ }->{$how}, "$form: the file is one");
    }
    return;
}
mkdir $keys;
make_form("$keys/$_", $_) for @forms;
generate("$keys/base.pem", 'ec');
my $vault = '';
for my $use (qw(enc sig)) {
    for my $state (qw(next active retired)) {
        my $lines = '';
        for my $form (@forms) {
            $lines .= "        client_key $keys/$form use=$use kid=$use-$state-$form state=$state;\n";
        }
        $vault .= <<"NGINX";
    oidc_provider ${use}_$state {
        issuer %%op%%/api/v2; client_id c; client_secret s; redirect_uri /cb_${use}_$state; ssl_trusted_certificate %%ca%%;
        client_jwks_uri /keys_${use}_$state;
        client_key $keys/base.pem use=enc kid=base;
$lines    }
NGINX
    }
}

# ---- The rotations: `lines` are the client_key lines of EC and of RSA

sub pem { my ($kind, $number) = @_; my $file = "$keys/$kind-$number.pem"; return -e $file ? $file : generate($file, $kind) }
sub conf
{
    my (@states) = @_;    # number => state
    my %lines;
    for my $kind (qw(ec rsa)) {
        my @pairs = @states;
        while (my ($number, $state) = splice @pairs, 0, 2) {
            $lines{$kind} .= '        client_key ' . pem($kind, $number) . ' use=enc alg=' . ($kind eq 'ec' ? 'ECDH-ES' : 'RSA-OAEP-256') . " state=$state;\n";
        }
    }
    my $locations = join '', map {"        location /v$_/ { auth_oidc $_; }\n"} $vault =~ /oidc_provider (\w+)/g;
    return <<"NGINX";
%%globals%%
worker_processes 2;
events { worker_connections 512; }
http {
    %%http%%
    oidc_session_zone zone=sessions:4m;
    oidc_provider ec {
        profile franceconnect_plus; issuer %%op%%/api/v2; client_id fcp-ecdh-es; client_secret %%secret:fcp-ecdh-es%%;
        redirect_uri /franceconnect_plus/callback; ssl_trusted_certificate %%ca%%; session_store sessions;
        client_jwks_uri /oidc_jwks max_age=2s;
$lines{ec}    }
    oidc_provider rsa {
        profile franceconnect_plus; issuer %%op%%/api/v2; client_id fcp-rsa-oaep-256; client_secret %%secret:fcp-rsa-oaep-256%%;
        redirect_uri /oidc_callback; ssl_trusted_certificate %%ca%%; session_store sessions;
        client_jwks_uri /rsa_jwks max_age=2s;
$lines{rsa}    }
$vault
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        add_header X-Sub \$oidc_claim_sub;
        root %%dir%%/html;
        location /ec/  { auth_oidc ec; }
        location /rsa/ { auth_oidc rsa; }
$locations
    }
}
NGINX
}

sub kids { my $path = shift; return map { $_->{kid} } @{ browser(keep => 0)->get(rp($path))->json->{keys} } }

write_file("html/$_/x", 'in') for qw(ec rsa);
my $nginx = nginx(conf(1 => 'active'), op => $op, app => $app);
$op->reset(clientJwks => { floor => 2 });

subtest 'no private member is ever served' => sub {
    for my $use (qw(enc sig)) {
        for my $state (qw(next active retired)) {
            my $r = browser()->get(rp("/keys_${use}_$state"));
            is($r->status, 200, "use=$use state=$state");
            my @keys = @{ $r->json->{keys} };
            is(join(' ', map { my $key = $_; grep { $private{$_} } keys %$key } @keys), '', '... no private member');
            is(scalar(@keys), $state eq 'active' ? 7 : 1, '... and only what is published');
            my @secrets = map { $_->{d} // (), $_->{p} // () } map { eval { json()->decode(read_file($_)) } // () } glob "$keys/*.jwk";
            is(scalar(@secrets), 3, '... of JWKs with private members');
            is(scalar(grep { index($r->{body}, $_) >= 0 } @secrets), 0, '... of which none is there');
        }
    }
};

subtest 'two rotations under load' => sub {
    $vault = '';    # to read so many RSA keys takes seconds
    $nginx->reload(conf => conf(1 => 'active'));
    my $stop = dir() . '/stop';
    my @children;
    my $began = time;
    for my $number (1 .. 3) {
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            open my $out, '>', dir() . "/logins-$number" or POSIX::_exit(1);
            $out->autoflush(1);
            until (-e $stop) {
                for my $kind (qw(ec rsa)) {
                    my $browser = browser(keep => 0);
                    my $r = eval { $browser->navigate(rp("/$kind/x")) };
                    my $ok = $r && $r->status == 200 && length $r->header('x-sub');
                    my $why = !$r ? "died: $@" : join ' ', map { join ',', map { $_ // '-' } @$_ } @{ $browser->{hops} };
                    print {$out} $ok ? "ok\n" : 'failed ' . time . ' ' . ($why =~ s/\s+/ /gr) . "\n";
                }
            }
            POSIX::_exit(0);
        }
        push @children, $pid;
    }
    my $logins = sub { return map { split /\n/, read_file($_) } glob dir() . '/logins-*' };
    my $step = sub {
        my (@states) = @_;
        my $conf = conf(@states);
        my $from = time;
        $nginx->reload(conf => $conf);
        ok($nginx->settled(20), sprintf '%s: reloaded in %.1f s', join(' ', @states), time - $from);
        return;
    };
    my %before = map { $_ => join ' ', kids($_) } qw(/oidc_jwks /rsa_jwks);
    for my $old (1, 2) {
        my $new = $old + 1;
        my $base = $logins->();
        wait_for(20, sub { $logins->() >= $base + 20 }, 'logins');
        $step->($old => 'active', $new => 'next');
        is(join(' ', kids($_)), $before{$_}, "$_: the next key is not published") for qw(/oidc_jwks /rsa_jwks);
        $step->($old => 'retired', $new => 'active');
        for my $path (qw(/oidc_jwks /rsa_jwks)) {
            my @now = kids($path);
            is(scalar @now, 1, "$path: one key");
            isnt($now[0], $before{$path}, '... the new one');
            $before{$path} = $now[0];
        }
        # the copy of the old key at the provider, and the logins in flight
        sleep 4;
        $step->($new => 'active');
    }
    wait_for(60, sub { $logins->() >= 310 }, '310 logins');
    write_file($stop, '');
    waitpid $_, 0 for @children;
    my @all = $logins->();
    cmp_ok(scalar @all, '>=', 300, @all . sprintf ' logins in %.0f s', time - $began);
    my @failed = grep { $_ ne 'ok' } @all;
    is(scalar @failed, 0, 'none failed') or diag join "\n", @failed[ 0 .. ($#failed > 4 ? 4 : $#failed) ];
    cmp_ok($op->fetches($_), '>=', 3, "$_ was fetched again and again") for qw(/oidc_jwks /rsa_jwks);
    unlike($nginx->log_text, qr/oidc: id_token_decryption|userinfo_encryption/, 'no token could not be opened');
};

subtest 'make client-key' => sub {
    my $folder = dir() . '/made';
    my $make = "make -s -C $OIDC::Test::Root client-key DIR";
    isnt(system("$make=$folder >/dev/null 2>&1"), 0, 'a folder that is not there is refused');
    mkdir $folder;
    my $said = $run->("$make=$folder");
    my @lines = $said =~ /^\s*(client_key \S+ use=enc alg=[\w-]+;)/mg;
    is(scalar @lines, 2, 'it prints two lines') or diag $said;
    for my $kind (qw(ec rsa)) {
        my $file = "$folder/oidc-enc-$kind.pem";
        is(sprintf('%04o', (stat $file)[2] & 07777), '0640', "$kind: mode 0640");
        like($run->("openssl pkey -in $file -noout -text"), $kind eq 'ec' ? qr/P-256/ : qr/3072 bit/, '... the right kind');
    }
    my %bytes = map { $_ => read_file($_) } glob "$folder/*";
    isnt(system("$make=$folder >/dev/null 2>&1"), 0, 'it overwrites nothing');
    is(read_file($_), $bytes{$_}, '... ' . s{.*/}{}r) for sort keys %bytes;
    unlink "$folder/oidc-enc-ec.pem";
    isnt(system("$make=$folder >/dev/null 2>&1"), 0, '... where one is there, either');
    ok(!-e "$folder/oidc-enc-ec.pem", '... and makes no half of them');
    write_file("$folder/oidc-enc-ec.pem", $bytes{"$folder/oidc-enc-ec.pem"});
    for my $line (@lines) {
        my ($alg) = $line =~ /alg=([\w-]+)/;
        my ($ok, $output) = nginx_t("%%globals%%\nevents {}\nhttp { %%http%%\noidc_provider p { profile franceconnect_plus; client_id c; client_secret "
                . '0123456789abcdef' x 4 . "; id_token_encryption required alg=$alg; client_jwks_uri /oidc_jwks; $line }\n"
                . "server { listen 127.0.0.1:%%port%%; server_name rp.localhost; location / { auth_oidc p; } } }\n");
        ok($ok, "nginx -t accepts: alg=$alg") or diag $output;
    }
};

log_ok();
done_testing();
