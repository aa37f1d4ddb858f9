# The public interface against t/interface.txt: what administrators write, read and search for. A name or a sentence that the code has lost is a
# failure; a new one is a line to add to the list, where the failure says. Names are known by their rows' shape and sentences by their
# words, wherever below src they stand: moving, renaming and rewrapping code changes nothing here.
#
# perl t/interface.t --print > t/interface.new && mv t/interface.new t/interface.txt    writes the list anew: read its difference
use strict;
use warnings;
use utf8;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Find ();
use Test::More;

my $root = abs_path(dirname(__FILE__) . '/..');
binmode $_, ':encoding(UTF-8)' for *STDOUT, Test::More->builder->output, Test::More->builder->failure_output, Test::More->builder->todo_output;
sub text_of { my $name = shift; open my $f, '<:encoding(UTF-8)', $name or die "$name: $!"; local $/ = undef; return <$f> }

# Section => [ the fewest that can be right, what it is ]
my @sections = (
    directives => [ 12, 'of http, server and location' ],
    provider_directives => [ 60, 'of oidc_provider' ],
    parameters => [ 12, 'of directives: key=value' ],
    variables => [ 15, '* stands for a name' ],
    events => [ 5, 'values of $oidc_event, beside the reasons' ],
    reasons => [ 70, 'name, HTTP status, whose fault it is: that is the level of the log' ],
    metrics => [ 14, 'of oidc_status, with their labels' ],
    profiles => [ 4, 'of the directive profile, with their titles' ],
    addresses => [ 8, 'issuers of the profiles, and whatever else is an address' ],
    cookies => [ 5, 'names and prefixes' ],
    zones => [ 4, 'of shared memory: names and prefixes' ],
    messages => [ 350, 'string literals of two words or more: of nginx -t, logs, pages, and lists of values' ],
);
my @names = map { $sections[ 2 * $_ ] } 0 .. $#sections / 2;
my %about = @sections;

# ---- What the code says

my %escaped = (n => "\n", t => "\t", r => "\r", 0 => "\0", a => "\a", b => "\b", f => "\f", v => "\x0b");
sub unescape { return shift =~ s{\\(?:x([0-9A-Fa-f]+)|([0-7]{1,3})|u([0-9A-Fa-f]{4})|(.))}{defined $1 ? chr hex $1 : defined $2 ? chr oct $2 : defined $3 ? chr hex $3 : $escaped{$4} // $4}gers }

# The code with one space between its tokens, without comments and preprocessor lines that are no macros; each literal, adjacent ones joined, is
# "number" of the second value.
sub read_code
{
    my ($text) = @_;
    my (@tokens, @literals);
    my $asserting = 0;    # the sentence of a static_assert is shown to nobody
    $text =~ s/\\\n//g;
    while (1) {
        if ($text =~ m{\G(?:\s+|//[^\n]*|/\*.*?\*/)}gcs) { next }
        if ($text =~ m{\G\#\s*(?:include|pragma|if|ifdef|ifndef|elif|else|endif|undef|error)\b[^\n]*}gc) { next }
        my $literal = $text =~ m{\G(?:u8|[LuU])?R"([^()\\\s]*)\((.*?)\)\1"}gcs ? $2 : $text =~ m{\G(?:u8|[LuU])?"((?:[^"\\\n]|\\.)*)"}gc ? unescape($1) : undef;
        if (defined $literal) {
            next if $asserting;
            if (@tokens && $tokens[-1] =~ /^"/) { $literals[-1] .= $literal }
            else { push @tokens, '"' . scalar(@literals) . '"'; push @literals, $literal }
        } elsif ($text =~ m{\G('(?:[^'\\\n]|\\.)+'|[A-Za-z_]\w*|\d[\w.']*|::|->|.)}gc) {
            $asserting = 1 if $1 eq 'static_assert';
            $asserting = 0 if $1 eq ';';
            push @tokens, $1 =~ /^'/ ? "''" : $1;
        } else {
            last;
        }
    }
    return (join(' ', @tokens), \@literals);
}

my %found = map { $_ => {} } @names;
sub found { my ($section, $line) = @_; $found{$section}{$line} = 1; return }
sub shown { return '"' . (shift =~ s/\\/\\\\/gr =~ s/\n/\\n/gr =~ s/\r/\\r/gr =~ s/\t/\\t/gr =~ s/\0/\\0/gr) . '"' }

my (%row, %single);
sub read_source
{
    my ($code, $literals) = read_code(text_of(shift));
    my $is = sub { my ($number, $pattern) = @_; return $literals->[$number] =~ /^(?:$pattern)$/ };
    my $name = '[a-z][a-z_]*';
    my $string = qr/"(\d+)"/;

    while ($code =~ /\{ ngx_string \( $string \) , (?!nullptr|0 )/g) { found(directives => $literals->[$1]) if $is->($1, $name) }
    while ($code =~ /\{ $string , \d+ , \w+ , (?:[a-z_]|\[|\&)/g) { found(provider_directives => $literals->[$1]) if $is->($1, $name) }
    while ($code =~ /\{ $string , (?:into <|set_\w+ \})/g) { found(parameters => $literals->[$1]) if $is->($1, $name) }
    while ($code =~ /\{ $string , [^"\d]/g) {
        next if !$is->($1, 'oidc_[a-z_]+');
        $row{ $literals->[$1] } = 1;
        found(variables => '$' . $literals->[$1] =~ s/_$/_*/r);
    }
    while ($code =~ /\{ $string , \w+ :: \w+ \}/g) { found(events => $literals->[$1]) if $is->($1, $name) }
    while ($code =~ /\bX \( ($name) , (\d{3}) , (\w+) \)/g) { found(reasons => "$1 $2 $3") }
    # name, help, owner[, detail[, counter]]
    while ($code =~ /\{ $string , $string , $string (?:, (?:$string|\{ \}) )?(?:, (true|false) )?\}/g) {
        my ($family, $help, $owner, $detail, $counter) = ($1, $2, $3, $4, $5 // 'true');
        next if !$is->($family, $name) || !$is->($help, '.* .*\.') || !$is->($owner, $name);
        my $labels = join ',', map { $literals->[$_] } grep {defined} $owner, $detail;
        found(metrics => 'oidc_' . $literals->[$family] . ($counter eq 'true' ? '_total' : '') . "{$labels}");
    }
    while ($code =~ /\bname = $string [,;] (?:\w+ )?(?:\. )?title = $string/g) { found(profiles => "$literals->[$1] $literals->[$2]") }

    for my $text (@$literals) {
        found(addresses => $text) if $text =~ m{^https?://\S+\.\S+$};
        found(cookies => $text) if $text =~ /^(?:__\w+-|NGX_OIDC_\w+)$/;
        $single{$text} = 1 if $text =~ /^oidc_[a-z][a-z_]*$/;
        found(messages => shown($text)) if $text =~ /\pL\S* +\S*\pL/;
    }
    return;
}
File::Find::find({ wanted => sub { read_source($_) if /\.[ch]pp$/ }, no_chdir => 1 }, "$root/src");
found(zones => $_) for grep { !$row{$_} && !$found{directives}{$_} } keys %single;

if ("@ARGV" eq '--print') {
    print "# What must not be lost: compared with the code by t/interface.t, which says what a line means and how the list is written anew.\n";
    for my $section (@names) {
        print "\n[$section] $about{$section}[1]\n";
        print "$_\n" for sort keys %{ $found{$section} };
    }
    exit 0;
}

# ---- What was promised

my (%frozen, $section);
for (split /\n/, text_of("$root/t/interface.txt")) {
    if (/^\[(\w+)\]/) { $section = $1 }
    elsif (/^[^#]/) { $frozen{$section}{$_}++ }
}
is_deeply([ sort keys %frozen ], [ sort @names ], 'the sections of t/interface.txt');
for my $section (@names) {
    my @now = sort keys %{ $found{$section} };
    cmp_ok(scalar @now, '>=', $about{$section}[0], "$section are found in src");
    my @lost = grep { !$found{$section}{$_} } sort keys %{ $frozen{$section} };
    my @new = grep { !$frozen{$section}{$_} } @now;
    my @twice = grep { $frozen{$section}{$_} > 1 } sort keys %{ $frozen{$section} };
    ok(!@lost, "$section: none is lost") or diag "lost, in t/interface.txt and no more in src:\n", map {"    $_\n"} @lost;
    ok(!@new, "$section: none is new") or diag "new in src, to add below [$section] in t/interface.txt:\n", map {"    $_\n"} @new;
    ok(!@twice, "$section: none stands twice") or diag "twice in t/interface.txt:\n", map {"    $_\n"} @twice;
}
done_testing();
