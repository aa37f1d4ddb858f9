# response_mode form_post: the provider's page posts the code. And initiate_login_uri, where another site asks for a login.
use lib 't/lib', 'lib';
use OIDC::Test;

my %op = map { $_ => start_provider($_) } qw(generic proconnect);
my $app = app();
my $nginx = nginx(<<'NGINX', op => $op{generic}, pc => $op{proconnect}, app => $app);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        redirect_uri            /generic/callback;
        response_mode           form_post;
        login_hint              $arg_hint;
        initiate_login_uri      /third;
        error_uri               /sorry;
        userinfo                on;
        ssl_trusted_certificate %%ca%%;
    }
    oidc_provider opquery {
        issuer                  %%op%%/api/v2;
        client_id               generic-basic;
        client_secret           %%secret:generic-basic%%;
        redirect_uri            /oidc_callback_generic;
        response_mode           query;
        ssl_trusted_certificate %%ca%%;
    }
    oidc_provider oppost {
        issuer                  %%op%%/api/v2;
        client_id               generic-jwt;
        client_secret           %%secret:generic-jwt%%;
        redirect_uri            /oidc_callback_generic;
        response_mode           form_post;
        ssl_trusted_certificate %%ca%%;
    }
    oidc_provider pc {
        profile                 proconnect;
        issuer                  %%pc%%/api/v2;
        client_id               pc-es256;
        client_secret           %%secret:pc-es256%%;
        redirect_uri            /proconnect/callback;
        response_mode           form_post;
        initiate_login_uri      /third;
        ssl_trusted_certificate %%ca%%;
    }
    oidc_provider pcquery {
        profile                 proconnect;
        issuer                  %%pc%%/api/v2;
        client_id               pc-json;
        client_secret           %%secret:pc-json%%;
        userinfo_format         json;
        redirect_uri            /oidc_callback_proconnect;
        ssl_trusted_certificate %%ca%%;
    }
    map $uri $provider {
        ~^/(?<first>\w+)/ $first;
        default           "";
    }
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        location / {
            auth_oidc $provider;
            proxy_pass http://127.0.0.1:%%app%%;
        }
        location /op/none { auth_oidc op; auth_oidc_args prompt=none; }
        location = /generic/callback { satisfy any; deny all; auth_oidc off; }
        location = /oidc_callback_generic { client_body_in_file_only on; }
        location = /sorry {
            auth_oidc off;
            proxy_pass http://127.0.0.1:%%app%%;
            proxy_set_header X-Error $oidc_error;
        }
    }
}
NGINX

my %row = (op => 'generic', opquery => 'generic', oppost => 'generic', pc => 'proconnect', pcquery => 'proconnect');
my $callback = qr{^https://rp\.localhost:\d+/(?:\w+/callback|oidc_callback\w*)(?:\?|$)};
my $page = sub { my $name = shift; return rp("/$name/page?a=1") };
$_->reset for values %op;

# A login up to its callback.
sub asked
{
    my ($name, $path) = @_;
    my $browser = browser();
    my $end = $browser->navigate(rp($path // "/$name/page?a=1"), until => $callback);
    $nginx->mark;
    return ($browser, $end);
}

# The post comes from the provider's site: with the cookies alone that browsers send then.
sub brought { my ($browser, $url) = @_; return join '; ', map {"$_->{name}=$_->{value}"} grep { ($_->{samesite} // '') eq 'None' && $_->{secure} } $browser->cookies_for($url) }
sub send_form { my ($browser, $url, $form, %o) = @_; return $browser->post($url, $form, cookie => brought($browser, $url), %o) }
sub bytes { return join '&', map { OIDC::Browser::escape($_->[0]) . '=' . OIDC::Browser::escape($_->[1]) } @{ $_[0] } }

subtest 'a login' => sub {
    for my $name (qw(op oppost pc)) {
        my ($browser, $end) = asked($name);
        my ($ask) = grep { $_->[1] =~ m{/authorize\?} } @{ $browser->{hops} };
        like($ask->[1], qr/[?&]response_mode=form_post(?:&|$)/, "$name: response_mode=form_post");
        unlike($end->{next}, qr/\?/, '... nothing in the address of the callback');
        my ($login) = grep { $_->{name} =~ /NGX_OIDC_LOGIN_/ } $browser->cookies_for(rp());
        like($login->{line}, qr/^__Host-NGX_OIDC_LOGIN_\S+; Path=\/; .*Secure.*SameSite=None|^__Host-.*SameSite=None.*Secure/i, '... the login cookie comes with a post from elsewhere');
        my $answer = send_form($browser, $end->{next}, $end->{form});
        is($answer->status, 302, '... accepted') or diag join '|', $nginx->reasons;
        is($answer->{location}, $page->($name), '... to the page');
        like($_, qr/SameSite=Lax/i, '... the session cookie does not') for grep {/SESSION/} @{ $answer->{set_cookies} };
        is((scalar grep { $_->{name} =~ /LOGIN_/ } $browser->cookies_for(rp())), 0, '... the login cookie is gone');
        is($browser->get($answer->{location})->status, 200, '... and there is a session');
        is(scalar(() = $nginx->reasons), 0, '... nothing in the log');
    }
};

subtest 'without form_post' => sub {
    for my $name (qw(opquery pcquery)) {
        my ($browser, $end) = asked($name);
        like($browser->cookie(rp(), qr/LOGIN_/)->{line}, qr/SameSite=Lax/i, "$name: SameSite=Lax");
        unlike(join(' ', map { $_->[1] } @{ $browser->{hops} }), qr/response_mode/, '... no response_mode');
        is($browser->get($end->{next})->status, 302, '... by the query');
    }
    is(browser()->post(rp('/oidc_callback_proconnect'), [ [ code => 'x' ], [ state => 'A' x 43 ] ])->status, 405, 'a post is refused');
};

subtest 'it comes the other way' => sub {
    for my $name (qw(op oppost)) {
        my ($browser, $end) = asked($name);
        is($browser->get("$end->{next}?" . bytes($end->{form}))->status, 400, "$name: by the query");
        is(join(' ', $nginx->reasons), 'callback_malformed', '... refused');
        is(send_form($browser, $end->{next}, $end->{form})->status, 302, '... and the true one goes on');
    }
    my ($browser, $end) = asked('opquery');
    my ($url, $query) = split /\?/, $end->{next};
    is($browser->request(POST => $url, body => $query, headers => [ 'Content-Type' => 'application/x-www-form-urlencoded' ])->status, 400, 'opquery: by a form');
    is(join(' ', $nginx->reasons), 'callback_malformed', '... refused');
};

subtest 'no form' => sub {
    my $url = rp('/generic/callback');
    my $type = 'application/x-www-form-urlencoded';
    my $long = 'state=' . 'x' x 17_000;
    my @chunked = ('Transfer-Encoding' => 'chunked', 'Content-Length' => undef);
    for my $row (
        [ 'nothing',                'GET',  400 ],
        [ 'nothing',                'HEAD', 400 ],
        [ 'a body',                 'PUT',  405, $type, 'state=a' ],
        [ 'no type',                'POST', 415, undef, 'state=a' ],
        [ 'no body, no type',       'POST', 415, undef, undef ],
        [ 'text',                   'POST', 415, 'text/plain', 'state=a' ],
        [ 'JSON',                   'POST', 415, 'application/json', '{}' ],
        [ 'parts',                  'POST', 415, 'multipart/form-data; boundary=x', '--x--' ],
        [ 'nothing in it',          'POST', 400, $type, '' ],
        [ 'a charset',              'POST', 400, "Application/X-WWW-Form-Urlencoded ; charset=UTF-8", 'state=a' ],
        [ 'a broken escape',        'POST', 400, $type, 'state=%zz&code=a' ],
        [ 'two states',             'POST', 400, $type, 'state=a&state=a&code=b' ],
        [ 'separators',             'POST', 400, $type, '&&=&' ],
        [ 'NUL and high bytes',     'POST', 400, $type, "state=\0\xff&code=\xff" ],
        [ '17 kB',                  'POST', 413, $type, $long ],
        [ '17 kB in pieces',        'POST', 413, $type, sprintf("%x\r\n%s\r\n0\r\n\r\n", length $long, $long), @chunked ],
        [ 'a little in pieces',     'POST', 400, $type, "7\r\nstate=a\r\n0\r\n\r\n", @chunked ],
        )
    {
        my ($what, $method, $status, $is, $body, @headers) = @$row;
        $nginx->mark;
        my $answer = browser()->request($method => $url, body => $body, headers => [ ($is ? ('Content-Type' => $is) : ()), @headers ]);
        is($answer->status, $status, "$method: $what");
        is(scalar(() = $nginx->reasons), $status == 400 ? 1 : 0, '... one line for a refused login') if $method ne 'HEAD';
        ok((!grep {/SESSION/} @{ $answer->{set_cookies} }), '... no session');
    }
};

subtest 'byte by byte' => sub {
    my ($browser, $end) = asked('op');
    my $form = bytes($end->{form});
    my $u = $end->{next};
    my @head = (cookie => brought($browser, $u), headers => [ 'Content-Type' => 'application/x-www-form-urlencoded', 'Content-Length' => length $form ]);
    my $gone = browser()->begin(POST => $u, body => substr($form, 0, 9), @head);
    $gone->abort;
    my $pending = $browser->begin(POST => $u, body => substr($form, 0, 1), @head);
    for my $at (1 .. length($form) - 1) { print { $pending->{socket} } substr $form, $at, 1; $pending->{socket}->flush }
    is($pending->response->status, 302, 'accepted');
    is($browser->get($page->('op'))->status, 200, 'a session');
    my ($status) = curl_h2(rp('/generic/callback'), '--data', 'state=' . 'A' x 43 . '&code=a');
    is($status, 400, 'HTTP/2');
    ($status) = curl_h2(rp('/generic/callback'), '--data', 'state=' . 'x' x 20_000);
    is($status, 413, 'HTTP/2, 20 kB');
};

subtest 'a state that is not this browser\'s, or was used' => sub {
    my ($browser, $end) = asked('op');
    my ($other) = asked('op');
    my $answer = send_form($other, $end->{next}, $end->{form});
    is($answer->status, 400, 'of another browser');
    is($answer->seen('X-Error'), 'state_unknown', '... on the page of error_uri');
    is($answer->json->{method}, 'GET', '... which is got');
    is($answer->json->{body}, '', '... without the code');
    my $cookies = brought($browser, $end->{next});
    is(send_form($browser, $end->{next}, $end->{form})->status, 302, 'its own');
    $nginx->mark;
    is($browser->post($end->{next}, $end->{form}, cookie => $cookies)->args->{response_mode}, 'form_post', 'again, without the session: the login begins once more');
    is(join(' ', $nginx->reasons), 'state_replayed', '... and the log says why');
};

subtest 'an error of the provider' => sub {
    my ($browser, $end) = asked('op', '/op/none');
    my %form = map {@$_} @{ $end->{form} };
    is($form{error}, 'login_required', 'the provider posts it');
    my $answer = send_form($browser, $end->{next}, $end->{form});
    is($answer->status, 403, 'refused');
    is($answer->seen('X-Error'), 'login_required', 'the page of error_uri knows it');
};

# ---- initiate_login_uri

my ($op, $pc) = map { $op{$_}->issuer } qw(generic proconnect);
my $third = sub { return rp('/third?') . bytes([@_]) };

subtest 'another site asks for a login' => sub {
    for my $row (
        [ 'the issuer alone',        [],                                                   '/' ],
        [ 'a path',                  [ [ target_link_uri => '/op/a?b=c#d' ] ],             '/op/a?b=c#d' ],
        [ 'an address of this site', [ [ target_link_uri => rp('/op/a?b=%2F') ] ],         '/op/a?b=%2F' ],
        [ 'this site',               [ [ target_link_uri => rp('/') ] ],                   '/' ],
        [ 'an empty one',            [ [ target_link_uri => '' ], [ login_hint => '' ] ],  '/' ],
        [ 'unknown parameters',      [ [ lti_message_hint => 'x' ] ],                      '/' ],
        )
    {
        my ($what, $params, $path) = @$row;
        my @params = ([ iss => $op ], @$params);
        for my $how (qw(GET POST)) {
            my $browser = browser();
            my $begun = $how eq 'GET' ? $browser->get($third->(@params)) : $browser->post(rp('/third'), \@params);
            like($begun->{location} // '', qr{^\Q$op{generic}{origin}\E/api/v2/authorize\?}, "$what, $how: to the provider") or next;
            my $end = $browser->navigate($begun->{location}, until => $callback);
            is(send_form($browser, $end->{next}, $end->{form})->{location}, rp($path), '... and to the page');
        }
    }
    my $browser = browser();
    my $first = $browser->navigate(rp('/op/page'), until => $callback);
    send_form($browser, $first->{next}, $first->{form});
    like($browser->get($third->([ iss => $op ]))->{location}, qr{/authorize\?}, 'with a session, too');
    is($browser->get(rp('/op/page'))->status, 200, '... which goes on meanwhile');
};

subtest 'the hint' => sub {
    my $asked = sub { return browser()->get($third->(@_))->args };
    is($asked->([ iss => $pc ], [ login_hint => 'a@b.example' ])->{login_hint}, 'a@b.example', 'is passed on');
    is($asked->([ iss => $pc ], [ login_hint => 'somebody' ])->{login_hint}, undef, 'not one that ProConnect refuses');
    my $answer = browser()->get($third->([ iss => $op ], [ login_hint => 'them' ], [ hint => 'us' ]));
    is(join(' ', $answer->{location} =~ /login_hint=([^&]*)/g), 'them', 'once, instead of the configured one');
};

subtest 'refused' => sub {
    my $port = OIDC::Browser::parse_url(rp())->{port};
    my @away = ('https://evil.example/', '//evil.example', '/\\evil.example', '/%09/evil' =~ s/%09/\t/r, "/\r\nX: y", 'op/a', 'javascript:alert(1)', rp() . '.evil.example/',
        rp() . '@evil.example/', rp() . '//evil.example', rp('/\\evil.example'), rp() . '0/', "http://rp.localhost:$port/", 'https://rp.localhost/', rp('?x'));
    my @iss = ([], [ [ iss => '' ] ], [ [ iss => "$op/" ] ], [ [ iss => 'https://evil.example' ] ], [ [ iss => $op ], [ iss => $op ] ], [ [ iss => uc $op ] ]);
    for my $row ((map { [ "to $_", return_refused => [ iss => $op ], [ target_link_uri => $_ ] ] } @away), (map { [ 'issuer ' . bytes($_), undef, @$_ ] } @iss)) {
        my ($what, $reason, @params) = @$row;
        $nginx->mark;
        my $answer = browser()->get($third->(@params));
        is($answer->status, 400, $what =~ s/[^ -~]/?/gr);
        like(join(' ', $nginx->reasons), defined $reason ? qr/^$reason$/ : qr/^(?:argument_refused|callback_malformed)$/, '... and the log says why');
    }
    is(browser()->request(PUT => rp('/third'))->status, 405, 'PUT');
    is(browser()->request(POST => rp('/third'), body => '{}', headers => [ 'Content-Type' => 'application/json' ])->status, 415, 'no form');
};

log_ok();
done_testing();
