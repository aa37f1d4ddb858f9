# docs/directives.md and docs/variables.md against the module: every directive stands where its Context says and nowhere else, every
# default and every value of a Syntax is accepted, every variable exists, and nothing exists that has no row. And docs/nginx-plus.md, the examples
# as README.md and docs/configuration.md have them, the tests that documents name, and the links of every document.
use strict;
use warnings;
use utf8;
use lib 't/lib', 'lib';
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;
use OIDC::Config;

my $root = abs_path(dirname(__FILE__) . '/..');
sub text_of { my $name = shift; open my $f, '<:encoding(UTF-8)', "$root/$name" or die "$name: $!"; local $/ = undef; return <$f> }

# The rows of the tables of directives: [ cells ], with `\|` in a cell as `|`.
my @tables = text_of('docs/directives.md') =~ /^\| Directive \| Syntax \|.*\n\|[-|]+\n((?:\|.*\n)*)/mg;
my @rows = map { [ map { s/\\\|/|/gr } split / (?<!\\)\| /, s/^\| | \|$//gr ] } map { split /\n/ } @tables;
my %row = map { $_->[0] =~ /^`(\w+)`$/ ? ($1 => $_) : () } grep { @$_ == 5 } @rows;
cmp_ok(scalar keys %row, '>', 60, 'the rows are found');

# ---- The names

my $source = join '', map { text_of($_ =~ s{^\Q$root/}{}r) } glob "$root/src/*.cpp $root/src/*/*.cpp";
my %known = map { $_ => 1 } $source =~ /^    \{(?:ngx_string\()?"([a-z_]+)"\)?, +(?:\d|NGX_|anywhere)/mg;
is_deeply([ sort keys %row ], [ sort keys %known ], 'a row for each directive of the tables in src, and no other');
for my $name (sort keys %row) {
    my (undef, $syntax, $default, $context, $meaning) = @{ $row{$name} };
    like($syntax, qr/^`$name [^`]+`( \(variables\))?$/, "$name: syntax");
    like($default, qr/\S/, '... default');
    like($context, qr/^(?:P|H|L|H, S, L(?:, limit_except)?)$/, '... context');
    like($meaning, qr/^\S.{10,}\S$/, '... meaning');
}

# ---- Where they stand: without its parameters a directive is refused for these where it is known, else for the place

my %place = (
    P => sub { conf(kind => 'generic', block => "$_[0];") },
    H => sub { conf(http => "$_[0];") },
    S => sub { conf(servers => "server { listen 127.0.0.1:8080; $_[0]; }") },
    L => sub { conf(location => "$_[0];") },
    limit_except => sub { conf(location => "limit_except GET { $_[0]; }") },
);
for my $name (sort keys %row) {
    my @tried = $row{$name}[3] eq 'P' ? qw(L P) : qw(H L P S limit_except);
    my @here = grep { (nginx_t($place{$_}->($name)))[1] !~ /unknown directive|is not allowed here/ } @tried;
    is(join(', ', @here), join(', ', sort split /, /, $row{$name}[3]), "$name: context");
}

# ---- What they accept: the default, and each value that the syntax spells out

my $key = 'client_key ec.pem use=enc';
my %needs = (    # before the value, in place of the name alone
    id_token_encryption => "$key; client_jwks_uri /k; id_token_encryption", profile => "$key; client_jwks_uri /k; profile",
    client_jwks_uri     => "$key; client_jwks_uri /k",                      client_key => $key,
    token_endpoint_auth_method => 'client_key ec.pem use=sig; ssl_certificate ca.pem; ssl_certificate_key ec.pem; token_endpoint_auth_method',
);
$place{able} = sub { conf(kind => 'none', block => "issuer https://op.example.fr; client_id c; client_secret $hex; $_[0];") };
my $placeholder = qr/^(?:string|file|uri|path|name|time|number|size|level|scope|alg|domain|path|JSON|issuer|URL)$/;
for my $name (sort keys %row) {
    my (undef, $syntax, $default, $context) = @{ $row{$name} };
    my ($words) = $syntax =~ /^`$name ([^`]*)`/;
    my %value = map { $_ => 1 } grep { /^[a-z_0-9]+$/ && !/$placeholder/ } split / \| /, $words =~ s/ ?\[.*//r;
    $value{$1} = 1 if $default =~ /^`([^`<\$]+)`(?:,|;|$)/ && $1 ne $name;
    for my $value (sort keys %value) {
        my ($ok, $output) = nginx_t($place{ $name eq 'token_endpoint_auth_method' ? 'able' : $context =~ /^[PL]$/ ? $context : 'H' }->(($needs{$name} // $name) . " $value"));
        ok($ok, "$name $value") or diag $output;
    }
}

# ---- Variables

my %described = map { $_ => 1 } map { /^\| (`\$[^|]+) \|/ ? $1 =~ /`\$(oidc_[a-z_]+)(?:<\w+>)?`/g : () } split /\n/, text_of('docs/variables.md');
my %exists = map { $_ => 1 } text_of('src/request/variables.cpp') =~ /^    \{"(oidc_[a-z_]+)",/mg;
is_deeply([ sort keys %described ], [ sort keys %exists ], 'a row for each variable, and no other');
for my $name (sort keys %described) {
    my $variable = $name =~ /_$/ ? "${name}x" : $name;
    my ($ok, $output) = nginx_t(conf(location => "add_header X \$$variable;"));
    ok($ok, "\$$variable") or diag $output;
}

# ---- docs/nginx-plus.md: what it calls the same exists, what it says is not here does not

my %plus = map { /^\| `(\w+)` \| R\d[^|]+\| (.*) \|$/ ? ($1 => $2) : () } split /\n/, text_of('docs/nginx-plus.md');
is(scalar keys %plus, 21, 'all directives of NGINX Plus are there');
is(exists $row{$_} ? 'here' : 'not here', $plus{$_} =~ /^Not here/ ? 'not here' : 'here', "NGINX Plus: $_") for sort keys %plus;

# ---- The examples: README.md names each, docs/configuration.md shows what is in them

my %linked = map { $_ => 1 } text_of('README.md') =~ m{\]\(conf-examples/([^)/#]+)}g;
is_deeply([ sort keys %linked ], [ sort map { s{.*/}{}r } glob "$root/conf-examples/*" ], 'README.md names all of conf-examples/, and no other');
my $shown = 0;
for my $section (split /^(?=## )/m, text_of('docs/configuration.md')) {
    my ($example) = $section =~ m{\]\(\.\./(conf-examples/[\w-]+\.conf)\)};
    for my $block ($section =~ /^```nginx\n(.*?)^```/gms) {
        $shown++;
        ok(index(text_of($example), $block) >= 0, "docs/configuration.md shows $example as it is");
    }
}
is($shown, 5, '... those of five providers and sites');

# ---- Links: the file is there, and the heading

# The anchors of a document, as its headings are shown on the web.
sub anchors
{
    my $text = shift =~ s/^ *```.*?^ *```//gmsr;
    return map { my $t = lc s/\[([^\]]*)\]\([^)]*\)/$1/gr; $t =~ s/[^\w\- ]//g; $t =~ s/ /-/g; ($t => 1) } $text =~ /^#+ +(.*?) *$/mg;
}
my @documents = map { s{^\Q$root/}{}r } glob("$root/*.md $root/docs/*.md $root/docs/*/*.md"), "$root/t/providers/README.md";
my (%anchors, @dead);
my $links = 0;
for my $document (@documents) {
    my $folder = $document =~ s{[^/]+$}{}r;
    for my $link (text_of($document) =~ /(?:\]\(|src=")([^)"\s]+)/g) {
        next if $link =~ /^https?:/;
        $links++;
        my ($path, $anchor) = split /#/, $link, 2;
        my $target = length $path ? abs_path("$root/$folder$path") : "$root/$document";
        my $found = defined $target && -e $target;
        $anchors{$target} //= { anchors(text_of($target =~ s{^\Q$root/}{}r)) } if $found && $anchor;
        push @dead, "$document: $link" if !$found || ($anchor && !$anchors{$target}{$anchor});
    }
}
cmp_ok($links, '>', 150, 'the links are found');
is_deeply(\@dead, [], 'none is dead');

# ---- Every file of t/ that a document names is there

my @missing;
for my $document (@documents) {
    push @missing, map {"$document: $_"} grep { !-e "$root/$_" } text_of($document) =~ m{`(t/[\w./-]*\w)`}g;
}
is_deeply(\@missing, [], 'so are the tests that they name');

# ---- Qualification: every test that a row names is there, by its name ("fc: the whole way" is made of two parts)

for my $document ('docs/qualification.md', 'docs/qualification.fr.md') {
    my ($named, @lost) = (0);
    for my $cell (map { split /[|;]/ } grep { /^\|/ } split /\n/, text_of($document)) {
        my ($test, $names) = $cell =~ /^\s*`(t\/[\w\/.]+)`(.*)/ or next;
        my $text = -e "$root/$test" ? text_of($test) : '';
        push @lost, "$test is not there" if !length $text;
        for my $name ($names =~ /"([^"]+)"/g) {
            $named++;
            push @lost, "$test: $name" if index($text, $name =~ s/^\w+: //r) < 0;
        }
    }
    cmp_ok($named, '>', 80, "$document: the names are found");
    is_deeply(\@lost, [], '... each in its test');
}

done_testing();
