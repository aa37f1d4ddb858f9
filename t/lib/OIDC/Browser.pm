# A browser as far as a login needs one: a cookie jar, redirects, forms, several connections at once. Names under .localhost are
# this machine. HTTP/1.1 over TLS (with SNI, verified against the tests' CA) or plain.
package OIDC::Browser;
use strict;
use warnings;
use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::SSL;
use JSON::PP ();
use Time::HiRes qw(time);

our $CA;                # file of the CA that servers must be signed by
our $Timeout = 30;      # seconds for one answer
our @Secrets;           # cookie values and codes seen by any browser: no log may hold one

sub new
{
    my ($class, %o) = @_;
    return bless { jar => [], idle => {}, hops => [], headers => $o{headers} || [], keep => $o{keep} // 1 }, $class;
}

# What a person's browser says when a link is followed. Every request has it unless `plain` is given.
my @navigation = ('User-Agent' => 'Mozilla/5.0 (tests)', Accept => 'text/html,application/xhtml+xml,*/*;q=0.8',
    'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document', 'Sec-Fetch-Site' => 'none');

sub parse_url
{
    my ($url) = @_;
    $url =~ m{^(https?)://([^/:?#]+)(?::(\d+))?([^#]*)} or croak "no URL: $url";
    my ($scheme, $host, $port, $rest) = ($1, lc $2, $3, $4);
    $rest = "/$rest" if $rest !~ m{^/};
    return { scheme => $scheme, host => $host, port => $port || ($scheme eq 'https' ? 443 : 80), target => $rest,
        authority => $host . ($port ? ":$port" : ''), path => $rest =~ s/\?.*//sr };
}

sub resolve
{
    my ($location, $base) = @_;
    return $location if $location =~ m{^https?://}i;
    my $u = parse_url($base);
    my $root = "$u->{scheme}://$u->{authority}";
    return "$u->{scheme}:$location" if $location =~ m{^//};
    return $root . $location if $location =~ m{^/};
    return $root . $u->{path} . $location if $location =~ m{^\?};
    return $root . ($u->{path} =~ s{[^/]*$}{}r) . $location;
}

# ---- Connections -----------------------------------------------------------------------------------------------------------

sub connect_to
{
    my ($u, %o) = @_;
    my $tcp = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $u->{port}, Proto => 'tcp', Timeout => 5) or return;
    return $tcp if $u->{scheme} eq 'http';
    my $ok = IO::Socket::SSL->start_SSL($tcp, SSL_hostname => $o{sni} || $u->{host}, SSL_verifycn_name => $o{sni} || $u->{host},
        SSL_verifycn_scheme => 'http', SSL_ca_file => $CA, SSL_verify_mode => SSL_VERIFY_PEER, Timeout => 10,
        $o{alpn} ? (SSL_alpn_protocols => $o{alpn}) : ());
    return $ok;
}

sub _request_bytes
{
    my ($self, $method, $u, %o) = @_;
    my @given = @{ $o{headers} || [] };
    my %named = map { $_ % 2 ? () : (lc $given[$_] => 1) } 0 .. $#given;
    my @headers;
    my @default = (Host => $u->{authority}, ($o{plain} ? () : @navigation), @{ $self->{headers} });
    my $cookie = $o{cookie} // $self->cookie_header($u);
    push @default, Cookie => $cookie if length $cookie;
    while (my ($name, $value) = splice @default, 0, 2) {
        push @headers, $name, $value if !$named{ lc $name };
    }
    push @headers, @given;
    my $body = $o{body};
    if ($o{form}) {
        $body = join '&', map { ref $_ ? join('=', map { escape($_) } @$_) : $_ } @{ $o{form} };
        push @headers, 'Content-Type' => 'application/x-www-form-urlencoded' if !$named{'content-type'};
    }
    push @headers, 'Content-Length' => length $body if defined $body && !$named{'content-length'};
    my $text = "$method $u->{target} HTTP/1.1\r\n";
    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\r\n" if defined $value;
    }
    return $text . "\r\n" . ($body // '');
}

sub escape { my $s = shift; utf8::encode($s) if utf8::is_utf8($s); $s =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge; return $s }
sub unescape { my $s = shift; $s =~ tr/+/ /; $s =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge; return $s }

# Sends a request on a connection of its own and returns at once: ->response waits for the answer, ->abort goes away.
sub begin
{
    my ($self, $method, $url, %o) = @_;
    my $u = parse_url($url);
    my $socket = $o{socket} || connect_to($u, %o) or croak "no connection to $u->{authority}: " . ($SSL_ERROR || $!);
    my $bytes = $self->_request_bytes($method, $u, %o);
    local $SIG{PIPE} = 'IGNORE';
    print {$socket} $bytes;
    $socket->flush;
    return bless { browser => $self, socket => $socket, url => $url, method => $method, began => time, o => \%o }, 'OIDC::Pending';
}

# One request, one answer; cookies are sent and kept, redirects are not followed.
sub request
{
    my ($self, $method, $url, %o) = @_;
    my $u = parse_url($url);
    my $origin = "$u->{scheme}://$u->{authority}";
    my $kept = $o{fresh} ? undef : delete $self->{idle}{$origin};
    if ($kept) {
        # readable while idle: the server closed it
        $kept = undef if IO::Select->new($kept)->can_read(0);
    }
    my $pending = $self->begin($method, $url, %o, $kept ? (socket => $kept) : ());
    my $response = $pending->response;
    if ($kept && !$response->{status} && !defined $o{body}) {
        $pending = $self->begin($method, $url, %o);
        $response = $pending->response;
    }
    $self->{idle}{$origin} = $pending->{socket} if $self->{keep} && $response->{reusable};
    return $response;
}

sub get  { my ($self, $url, %o) = @_; return $self->request(GET => $url, %o) }
sub post { my ($self, $url, $form, %o) = @_; return $self->request(POST => $url, form => $form, %o) }

# Bytes as they are; everything that comes back until the server closes or `seconds` have passed.
sub raw
{
    my ($self, $url, $bytes, $seconds) = @_;
    my $u = parse_url($url);
    my $socket = connect_to($u) or croak "no connection to $u->{authority}";
    print {$socket} $bytes;
    $socket->flush;
    my ($answer, $end) = ('', time + ($seconds || 5));
    while ((my $left = $end - time) > 0) {
        next if !($socket->can('pending') && $socket->pending) && !IO::Select->new($socket)->can_read($left);
        my $n = sysread $socket, $answer, 16384, length $answer;
        last if !$n && !$!{EAGAIN};
    }
    return $answer;
}

# Follows links, redirects and (with `forms`) the pages of a provider. Stops in front of a URL that matches `until` and returns it
# as ->{next} of the last answer, with the ->{form} that it would post there. Every step is in ->{hops}: [method, url, status, location].
sub navigate
{
    my ($self, $url, %o) = @_;
    my ($method, $form) = ($o{method} || 'GET', $o{form});
    my @extra = ($o{headers} ? (headers => $o{headers}) : ());
    $self->{hops} = [];
    for (1 .. ($o{max} || 25)) {
        my $response = $self->request($method => $url, ($form ? (form => $form) : ()), @extra);
        push @{ $self->{hops} }, [ $method, $url, $response->{status}, $response->{location} ];
        my ($next, $next_form);
        if (($response->{status} || 0) =~ /^30[1-8]$/ && defined $response->{location}) {
            $next = resolve($response->{location}, $url);
            ($method, $form) = ('GET', undef) if $response->{status} !~ /^30[78]$/;
        } elsif (($next, $next_form, my $next_method) = $self->_form_of($response, $url, \%o)) {
            ($method, $form) = ($next_method, $next_method eq 'POST' ? $next_form : undef);
            $next .= ($next =~ /\?/ ? '&' : '?') . join('&', map { escape($_->[0]) . '=' . escape($_->[1]) } @$next_form)
                if $next_method eq 'GET' && @$next_form;
        }
        return $response if !defined $next;
        if ($o{until} && $next =~ $o{until}) { @$response{qw(next form)} = ($next, $form); return $response }
        $url = $next;
    }
    return { status => 0, error => 'too many redirects', headers => {}, body => '', url => $url };
}

sub _form_of
{
    my ($self, $response, $url, $o) = @_;
    return if ($response->{headers}{'content-type'} || [''])->[0] !~ m{text/html};
    my $auto_submit = $response->{body} =~ /document\.forms\[0\]\.submit|\.submit\(\)|data-auto-submit|auto-?submit/i;
    return if !$auto_submit && (!$o->{forms} || ($response->{status} || 0) != 200);
    my $page = $response->{body};
    my ($attributes, $inner) = $page =~ m{<form\b([^>]*)>(.*?)</form>}si or return;
    my %form = attributes($attributes);
    my (@fields, $pressed);
    while ($inner =~ m{<(input|button)\b([^>]*)>}sig) {
        my ($tag, %a) = (lc $1, attributes($2));
        next if !defined $a{name};
        my $type = lc($a{type} || ($tag eq 'button' ? 'submit' : 'text'));
        my $wanted = ref $o->{forms} ? $o->{forms}{ $a{name} } : undef;
        if ($type eq 'submit') {
            my $value = $a{value} // '';
            next if $pressed || defined $wanted && $wanted ne $value;
            $pressed = 1;
            push @fields, [ $a{name}, $value ];
        } elsif ($type eq 'radio' || $type eq 'checkbox') {
            push @fields, [ $a{name}, $a{value} // 'on' ] if defined $wanted ? $wanted eq ($a{value} // 'on') : exists $a{checked};
        } else {
            push @fields, [ $a{name}, $wanted // $a{value} // '' ];
        }
    }
    while ($inner =~ m{<select\b([^>]*)>(.*?)</select>}sig) {
        my ($options, %a) = ($2, attributes($1));
        my $value = ref $o->{forms} ? $o->{forms}{ $a{name} } : undef;
        while (!defined $value && $options =~ /<option\b([^>]*)>([^<]*)/gi) {
            my ($text, %o) = ($2, attributes($1));
            $value = $o{value} // $text if exists $o{selected} || $options !~ /\bselected\b/;
        }
        push @fields, [ $a{name}, $value ] if defined $a{name};
    }
    return (resolve(length($form{action} // '') ? $form{action} : $url, $url), \@fields, uc($form{method} || 'GET'));
}

sub attributes
{
    my ($text) = @_;
    my %a;
    while ($text =~ /([A-Za-z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/g) {
        my $value = $2 // $3 // $4 // '';
        $value =~ s/&quot;/"/g; $value =~ s/&#39;/'/g; $value =~ s/&lt;/</g; $value =~ s/&gt;/>/g; $value =~ s/&amp;/&/g;
        $a{ lc $1 } = $value;
    }
    return %a;
}

# ---- Cookies ---------------------------------------------------------------------------------------------------------------

sub _matches
{
    my ($cookie, $u) = @_;
    return 0 if $cookie->{secure} && $u->{scheme} ne 'https';
    return 0 if $cookie->{host_only} ? $u->{host} ne $cookie->{domain} : $u->{host} !~ /(?:^|\.)\Q$cookie->{domain}\E$/;
    return 0 if defined $cookie->{expires} && $cookie->{expires} <= time;
    return $u->{path} eq $cookie->{path} || index($u->{path}, $cookie->{path}) == 0
        && ($cookie->{path} =~ m{/$} || substr($u->{path}, length $cookie->{path}, 1) eq '/');
}

sub cookies_for { my ($self, $url) = @_; my $u = ref $url ? $url : parse_url($url); return grep { _matches($_, $u) } @{ $self->{jar} } }
sub cookie_header { my ($self, $url) = @_; return join '; ', map {"$_->{name}=$_->{value}"} $self->cookies_for($url) }
sub cookie { my ($self, $url, $name) = @_; my ($c) = grep { ref $name ? $_->{name} =~ $name : $_->{name} eq $name } $self->cookies_for($url); return $c }
sub set_cookie_line { my ($self, $url, $line) = @_; return $self->_store($line, parse_url($url)) }
sub forget_cookies { my ($self, $pattern) = @_; @{ $self->{jar} } = grep { defined $pattern && $_->{name} !~ $pattern } @{ $self->{jar} }; return $self }
sub clone { my $self = shift; my $twin = ref($self)->new(headers => $self->{headers}); $twin->{jar} = [ map { {%$_} } @{ $self->{jar} } ]; return $twin }

# Stores one Set-Cookie line by the rules of browsers (RFC 6265bis): true when it was accepted.
sub _store
{
    my ($self, $line, $u) = @_;
    my ($pair, @attributes) = split /\s*;\s*/, $line;
    my ($name, $value) = $pair =~ /^([^=]+)=(.*)$/s or return 0;
    my %c = (name => $name, value => $value, domain => $u->{host}, host_only => 1, path => $u->{path} =~ s{/[^/]*$}{}r || '/', line => $line);
    for (@attributes) {
        my ($key, $v) = /^([^=]+)(?:=(.*))?$/s or next;
        $key = lc $key;
        if ($key eq 'secure' || $key eq 'httponly') { $c{$key} = 1 }
        elsif ($key eq 'path' && ($v // '') =~ m{^/}) { $c{path} = $v }
        elsif ($key eq 'samesite') { $c{samesite} = $v }
        elsif ($key eq 'max-age') { $c{max_age} = $v; $c{expires} = time + $v }
        elsif ($key eq 'expires') { $c{expires} = 0 if $v =~ /1970/ && !defined $c{expires} }
        elsif ($key eq 'domain' && length $v) { @c{qw(domain host_only)} = ($v =~ s/^\.//r, 0) }
    }
    return 0 if !$c{host_only} && $u->{host} !~ /(?:^|\.)\Q$c{domain}\E$/;
    return 0 if $c{secure} && $u->{scheme} ne 'https';
    return 0 if $name =~ /^__Secure-/i && !$c{secure};
    return 0 if $name =~ /^__Host-/i && (!$c{secure} || !$c{host_only} || $c{path} ne '/');
    return 0 if length("$name=$value") > 4096;
    push @Secrets, $value if length $value >= 16 && $u->{host} eq 'rp.localhost';
    # a cookie that is replaced keeps its place in the Cookie line
    my ($old) = grep { $_->{name} eq $name && $_->{domain} eq $c{domain} && $_->{path} eq $c{path} } @{ $self->{jar} };
    if ($old) { %$old = %c } else { push @{ $self->{jar} }, \%c }
    @{ $self->{jar} } = grep { !defined $_->{expires} || $_->{expires} > time } @{ $self->{jar} };
    return 1;
}

# ---- The answer --------------------------------------------------------------------------------------------------------------

package OIDC::Pending;
use strict;
use warnings;
use IO::Select;
use Time::HiRes qw(time);

sub abort
{
    my $self = shift;
    my $socket = delete $self->{socket} or return;
    $socket->can('stop_SSL') && $self->{o}{rude} ? CORE::close($socket) : $socket->close;
    return;
}

sub _fill
{
    my ($self, $end) = @_;
    while (1) {
        my $left = $end - time;
        return 0 if $left <= 0;
        my $socket = $self->{socket};
        my $buffered = $socket->can('pending') && $socket->pending;
        next if !$buffered && !IO::Select->new($socket)->can_read($left);
        my $n = sysread $socket, $self->{in}, 65536, length($self->{in} // '');
        return 1 if $n;
        return 0 if defined $n || !$!{EAGAIN} && !$!{EINTR};
    }
}

# Has the answer begun to arrive?
sub ready { my ($self, $seconds) = @_; return IO::Select->new($self->{socket})->can_read($seconds || 0) ? 1 : 0 }

sub response
{
    my ($self, $seconds) = @_;
    return $self->{response} if $self->{response};
    my $end = time + ($seconds || $OIDC::Browser::Timeout);
    my $r = { url => $self->{url}, headers => {}, set_cookies => [], body => '', status => 0 };
    bless $r, 'OIDC::Response';
    $self->{in} = '';
    my $head;
    while (1) {
        while ($self->{in} !~ /\r\n\r\n/) { $self->_fill($end) or return $self->_done($r) }
        $self->{in} =~ s/^(.*?)\r\n\r\n//s;
        $head = $1;
        last if $head !~ m{^HTTP/1\.1 1(?!01)\d\d};
    }
    my ($line, @lines) = split /\r\n/, $head;
    ($r->{status}) = $line =~ m{^HTTP/1\.[01] (\d{3})};
    for (@lines) {
        my ($name, $value) = /^([^:]+):\s*(.*?)\s*$/s or next;
        push @{ $r->{headers}{ lc $name } }, $value;
    }
    $r->{set_cookies} = $r->{headers}{'set-cookie'} || [];
    $r->{location} = ($r->{headers}{location} || [])->[0];
    my $close = lc(($r->{headers}{connection} || [''])->[0]) eq 'close';
    my ($length) = @{ $r->{headers}{'content-length'} || [] };
    if ($self->{method} eq 'HEAD' || $r->{status} =~ /^(?:204|304|101)$/) {
        $r->{complete} = 1;
    } elsif (lc(($r->{headers}{'transfer-encoding'} || [''])->[0]) eq 'chunked') {
        while (1) {
            while ($self->{in} !~ /^[0-9A-Fa-f]+[^\r\n]*\r\n/) { $self->_fill($end) or return $self->_done($r) }
            $self->{in} =~ s/^([0-9A-Fa-f]+)[^\r\n]*\r\n//;
            my $size = hex $1;
            while (length $self->{in} < $size + 2) { $self->_fill($end) or return $self->_done($r) }
            $r->{body} .= substr $self->{in}, 0, $size;
            substr($self->{in}, 0, $size + 2) = '';
            last if !$size;
        }
        $r->{complete} = 1;
    } elsif (defined $length) {
        while (length $self->{in} < $length) { $self->_fill($end) or last }
        $r->{body} = substr $self->{in}, 0, $length, '';
        $r->{complete} = length $r->{body} == $length;
    } else {
        1 while $self->_fill($end);
        $r->{body} = $self->{in};
        ($r->{complete}, $close) = (1, 1);
    }
    $r->{reusable} = $r->{complete} && !$close && $r->{status} != 101;
    return $self->_done($r);
}

sub _done
{
    my ($self, $r) = @_;
    $r->{seconds} = time - $self->{began};
    my $u = OIDC::Browser::parse_url($self->{url});
    for my $line (@{ $r->{set_cookies} }) {
        push @{ $r->{refused_cookies} }, $line if !$self->{browser}->_store($line, $u);
    }
    push @OIDC::Browser::Secrets, OIDC::Browser::unescape($1) if ($r->{location} // '') =~ /[?&]code=([^&]+)/;
    $self->{response} = $r;
    return $r;
}

package OIDC::Response;
use strict;
use warnings;

sub status { return $_[0]{status} }
sub header { my ($self, $name) = @_; return join ', ', @{ $self->{headers}{ lc $name } || [] } }
sub has    { my ($self, $name) = @_; return exists $self->{headers}{ lc $name } }
sub json   { my $self = shift; return eval { JSON::PP->new->utf8->decode($self->{body}) } }

# What the application behind saw in the header `name`; undef when it came without.
sub seen { my ($self, $name) = @_; my $v = ($self->json || {})->{headers}{ lc $name }; return $v ? join ', ', @$v : undef }

# The arguments of the redirect's URL, the last of each name.
sub args
{
    my $self = shift;
    my ($query) = ($self->{location} // '') =~ /\?([^#]*)/;
    return { map { my ($n, $v) = split /=/, $_, 2; (OIDC::Browser::unescape($n) => OIDC::Browser::unescape($v // '')) } split /&/, $query // '' };
}

1;
