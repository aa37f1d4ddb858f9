# The pages of conf-examples/login/ in a headless Chromium: t/demo/login-page.mjs measures them. Screenshots: build/demo-check/login/.
use lib 't/lib', 'lib';
use OIDC::Test;
use File::Basename qw(basename);

my $examples = "$OIDC::Test::Root/conf-examples";
my $dir = dir();
my $port = OIDC::Test::rp_port();
my $text = read_file("$examples/login.conf");
utf8::decode($text);
my ($cert, $key, $idle) = (cert_file(), key_file(), free_port());
for ($text) {
    s{/etc/ssl/certs/www\.example\.fr\.pem}{$cert};
    s{/etc/ssl/private/www\.example\.fr\.key}{$key};
    s{environment=production;}{environment=production; issuer https://rp.localhost:$idle/api/v2;}g;    # nobody logs in here: no provider is needed
    s{listen 443}{listen 127.0.0.1:$port};
    s{www\.example\.fr}{rp.localhost}g;
    s{root /var/www;}{root $dir/www;};
}
write_file("www/login/@{[basename $_]}", read_file($_)) for glob "$examples/login/*";
my $nginx = nginx(<<'NGINX', example => $text);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    include /etc/nginx/mime.types;
    %%example%%
}
NGINX

my @measure = ("$OIDC::Test::Root/t/providers/node", 22, "$OIDC::Test::Root/t/demo/login-page.mjs", rp(), "$OIDC::Test::Root/build/demo-check/login");
open my $results, '-|:encoding(UTF-8)', @measure or die "$measure[0]: $!";
my $planned = 0;
while (my $line = <$results>) {
    if ($line =~ /^(not )?ok \d+ - (.*)/) { ok(!$1, $2) }
    elsif ($line =~ /^1\.\.(\d+)$/) { $planned = $1 }
    else { diag $line }
}
close $results;
cmp_ok($planned, '>', 1400, 'all of it was measured');
is(Test::More->builder->current_test, $planned + 1, '... and told');

done_testing();
