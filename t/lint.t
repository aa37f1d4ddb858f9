# t/lint itself: a copy of the tree with one breach of each rule, and what it says of each.
use strict;
use warnings;
use utf8;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

my $root = abs_path(dirname(__FILE__) . '/..');
my $copy = tempdir(CLEANUP => 1);
make_path("$copy/t");
system('cp', '-R', (map {"$root/$_"} qw(src docs conf-examples .clang-format)), $copy) == 0 or die 'cp';
system('cp', (map {"$root/t/$_"} qw(lint interface.t interface.txt)), "$copy/t") == 0 or die 'cp';

sub lint { my $output = `python3 $copy/t/lint 2>&1`; return ($?, $output) }

sub change
{
    my ($name, $change) = @_;
    open my $in, '<:encoding(UTF-8)', "$copy/$name" or die "$name: $!";
    my $text = do { local $/ = undef; <$in> };
    local $_ = $text;
    $change->();
    die "$name: nothing was changed" if $_ eq $text;
    open my $out, '>:encoding(UTF-8)', "$copy/$name" or die "$name: $!";
    print {$out} $_;
    close $out or die $!;
    return;
}

my ($status, $output) = lint();
is($output =~ /^lint: clean$/m ? 'clean' : $output, 'clean', 'the tree as it is');
like($output, qr{^src, from above to below: module > request > client > conf > store > seam > oidc/journey > .*oidc/base$}m, '... in this order');
is($status, 0, '... which is success');

# A row, and another one like it before it.
sub beside { my ($row, $from, $to) = @_; return $row =~ s/$from/$to/gr . $row }

# [ rule, file, change, what is said ]
my $include = sub { my $target = shift; return sub {s/^(?=#include ")/#include "$target"\n/m} };
my @breaches = (
    [ 'a file of the base includes one of the journeys', 'src/oidc/base/url.cpp', $include->('oidc/journey/logout.hpp'),
        qr{^src/oidc/base/url\.cpp:\d+: oidc/base includes oidc/journey/logout\.hpp, which stands above it}m ],
    [ 'the client includes a file of the request', 'src/client/worker.cpp', $include->('request/reply.hpp'),
        qr{^src/client/worker\.cpp:\d+: client includes request/reply\.hpp, which stands above it}m ],
    [ 'two rooms of a floor include each other', 'src/oidc/jose/jwk.cpp', $include->('oidc/jose/own_keys.hpp'),
        qr{^src/oidc/jose/\w+\.cpp:\d+: a circle: .*oidc/jose/jwk}m ],
    [ 'a path that is not whole', 'src/oidc/jose/jws.cpp', $include->('jwk.hpp'),
        qr{^src/oidc/jose/jws\.cpp:\d+: "jwk\.hpp" is no file below src}m ],
    [ 'a source that does not begin with its header', 'src/oidc/base/digest.cpp', sub {s/^#include "oidc\/base\/digest.hpp"\n//m},
        qr{^src/oidc/base/digest\.cpp: does not include its own header}m ],
    [ 'a name whose header is not included', 'src/oidc/protocol/par.cpp', sub {s/^#include "oidc\/protocol\/client_auth.hpp"\n//m},
        qr{^src/oidc/protocol/par\.cpp:\d+: names send_repeatable and does not include oidc/protocol/client_auth\.hpp}m ],
    [ 'the protocol names nginx', 'src/oidc/journey/pages.cpp', sub {s/^namespace oidc \{\n/namespace oidc {\n\/\/ as ngx_escape_html\n/m},
        qr{^src/oidc/journey/pages\.cpp: the protocol layer names nginx, curl or hiredis}m ],
    [ 'a long function', 'src/oidc/base/random.cpp', sub {s/^\{\n/"{\n" . "    (void)out;\n" x 70/me},
        qr{^src/oidc/base/random\.cpp:\d+: a function of \d\d lines \(at most 60\)}m ],
    [ 'a wide line', 'src/store/metrics.cpp', sub {s/$/"\n\/\/ " . "x" x 130/me}, qr{^src/store/metrics\.cpp:\d+: 133 columns \(at most 120\)}m ],
    [ 'an await in a condition', 'src/oidc/journey/revoke_tokens.cpp', sub {s/^(    co_return true;)/    if (co_await x()) co_return false;\n$1/m},
        qr{^src/oidc/journey/revoke_tokens\.cpp:\d+: co_await outside the dialect}m ],
    [ 'something unfinished', 'docs/journey.md', sub { $_ .= 'TO' . "DO\n" }, qr{^docs/journey\.md:\d+: unfinished}m ],
    [ 'a variable without description', 'src/request/variables.cpp', sub {s/^(    \{"oidc_acr", .*\n)/beside($1, oidc_acr => "oidc_new")/me},
        qr{^docs/variables\.md: the variable `\$oidc_new` is not described}m ],
    [ 'a directive without description', 'src/conf/provider_directives.cpp', sub {s/^(    \{"pkce", .*\n)/beside($1, pkce => "new_one")/me},
        qr{^docs/directives\.md: the directive `new_one` is not described}m ],
    [ 'a reason without description', 'src/oidc/base/failure.hpp', sub {s/^(    X\(id_token_acr, .*\n)/beside($1, id_token_acr => "id_token_new")/me},
        qr{^docs/variables\.md: the reason `id_token_new` is not described}m ],
    [ 'a metric without description', 'src/request/status.cpp', sub {s/^(    \{"evictions", .*\n)/beside($1, evictions => "news")/me},
        qr{^docs/operations\.md: the metric `oidc_news_total` is not described}m ],
    [ 'a described variable that does not exist', 'docs/variables.md', sub {s/^(\| `\$oidc_acr` .*\n)/beside($1, oidc_acr => "oidc_gone")/me},
        qr{^docs/variables\.md: `\$oidc_gone` is described and is no variable}m ],
    [ 'a described directive that does not exist', 'docs/directives.md', sub {s/^(\| `pkce` .*\n)/beside($1, pkce => "gone")/me},
        qr{^docs/directives\.md: `gone` is described and is no directive}m ],
    [ 'a described metric that does not exist', 'docs/operations.md', sub {s/^(\| `oidc_evictions_total` .*\n)/beside($1, evictions => "gone")/me},
        qr{^docs/operations\.md: `oidc_gone_total` is described and is no metric}m ],
    [ 'a profile without page, column and example', 'src/oidc/provider/profiles.cpp', sub {s/^(.*name = )"proconnect"/$1"newconnect"/m},
        qr{^docs/providers\.md: the profile `newconnect` is not described\n(?s:.*)^docs/providers/: the profile `newconnect` is not described\n(?s:.*)^conf-examples/newconnect\.conf: the profile `newconnect` has no example there$}m ],
);
change(@$_[ 1, 2 ]) for @breaches;
($status, $output) = lint();
isnt($status, 0, 'breaches are failures');
for (@breaches) {
    my ($rule, undef, undef, $said) = @$_;
    $said = qr/$said/;
    like($output, $said, $rule);
}
done_testing();
