# Pushed authorization requests (RFC 9126): the arguments of a login go to the provider first, the browser carries a reference.
use lib 't/lib', 'lib';
use OIDC::Test;

my $op = start_provider('generic');
# Says that it wants them, and for one client it does.
my $strict = start_provider('generic', client => [ { client_id => 'generic-post', require_pushed_authorization_requests => JSON::PP::true } ]);
$strict->reset(discovery => { set => { require_pushed_authorization_requests => JSON::PP::true } });
write_file('secret', "wrong\n");
my $nginx = nginx(<<'NGINX', op => $op, strict => $strict, app => app(), cert => (pair_of('client'))[0], key => (pair_of('client'))[1]);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    oidc_provider on {
        issuer %%op%%/api/v2; client_id generic-key; client_key %%key_ec%% use=sig; client_jwks_uri /oidc_jwks; pkce on; iss_parameter required;
        token_endpoint_auth_method private_key_jwt; par on; acr_values 1 2; auth_args utm $arg_utm; http_timeout 1s;
        error_uri /sorry; ssl_trusted_certificate %%ca%%;
    }
    oidc_provider tls {
        issuer %%op%%/api/v2; client_id generic-tls; ssl_certificate %%cert%%; ssl_certificate_key %%key%%; pkce on; iss_parameter required;
        token_endpoint_auth_method tls_client_auth; par on; ssl_trusted_certificate %%ca%%;
    }
    oidc_provider basic {
        issuer %%op%%/api/v2; client_id generic-basic; client_secret %%secret:generic-basic%%; par on; ssl_trusted_certificate %%ca%%;
        endpoint par %%op%%/api/v2/request; endpoint authorization %%op%%/api/v2/authorize?kept=1;
    }
    oidc_provider file {
        issuer %%op%%/api/v2; client_id generic-basic; client_secret_file %%dir%%/secret; par on; ssl_trusted_certificate %%ca%%;
    }
    oidc_provider wish {
        issuer %%op%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; token_endpoint_auth_method client_secret_post;
        ssl_trusted_certificate %%ca%%;
    }
    oidc_provider strict {
        issuer %%strict%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; token_endpoint_auth_method client_secret_post;
        ssl_trusted_certificate %%ca%%;
    }
    oidc_provider never {
        issuer %%strict%%/api/v2; client_id generic-post; client_secret %%secret:generic-post%%; token_endpoint_auth_method client_secret_post;
        par off; ssl_trusted_certificate %%ca%%;
    }
    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        location /on/     { auth_oidc on;     proxy_pass http://127.0.0.1:%%app%%; }
        location /tls/    { auth_oidc tls;    proxy_pass http://127.0.0.1:%%app%%; }
        location /basic/  { auth_oidc basic;  proxy_pass http://127.0.0.1:%%app%%; }
        location /file/   { auth_oidc file;   proxy_pass http://127.0.0.1:%%app%%; }
        location /wish/   { auth_oidc wish;   proxy_pass http://127.0.0.1:%%app%%; }
        location /strict/ { auth_oidc strict; proxy_pass http://127.0.0.1:%%app%%; }
        location /never/  { auth_oidc never;  proxy_pass http://127.0.0.1:%%app%%; }
        location /sorry   { auth_oidc off; return 200 "e=$oidc_error"; }
    }
}
NGINX
$_->control(auto => 'angela') for $op, $strict;
my %op_of = (strict => $strict, never => $strict);

# location => whether the request is pushed
my %pushed = (on => 1, tls => 1, basic => 1, wish => 0, strict => 1);
for my $name (sort keys %pushed) {
    subtest $name => sub {
        my $provider = $op_of{$name} || $op;
        my $pushes = $provider->count('par');
        my $browser = browser();
        my $sent = $browser->get(rp("/$name/x?utm=a%26b"));
        is($sent->status, 302, 'redirected');
        my $args = $sent->args;
        is($provider->count('par') - $pushes, $pushed{$name}, $pushed{$name} ? 'the request is pushed' : 'nothing is pushed');
        if ($pushed{$name}) {
            my @kept = $name eq 'basic' ? 'kept' : ();
            is_deeply([ sort keys %$args ], [ sort 'client_id', @kept, 'request_uri' ], 'the browser carries the reference alone');
            like($args->{request_uri}, qr/^urn:ietf:params:oauth:request_uri:\S+$/, 'the reference');
            my ($push) = reverse $provider->requests('/request');
            is($push->{status}, 201, 'accepted');
            my %body = %{ $push->{body} };
            is($body{client_id}, $args->{client_id}, 'client_id');
            delete @body{qw(client_id client_assertion client_assertion_type client_secret)};
            my @more = $name eq 'on' ? qw(acr_values utm) : ();
            is_deeply([ sort keys %body ], [ sort @more, qw(code_challenge code_challenge_method nonce redirect_uri response_type scope state) ], 'all arguments');
            is($body{utm}, 'a%26b', 'variables too') if $name eq 'on';
        }
        my $page = $browser->navigate($sent->{location});
        is($page->status, 200, 'logged in');
        is($page->json->{uri}, "/$name/x?utm=a%26b", 'at the page that was asked for');
    };
}

subtest 'par off where the provider insists' => sub {
    $nginx->mark;
    my $page = browser()->navigate(rp('/never/x'));
    is($page->status, 403, 'the provider refuses the login');
    is(join(' ', $nginx->reasons), 'provider_error', 'provider_error');
};

subtest 'two tabs, each with a reference of its own' => sub {
    my $browser = browser();
    my @start = map { $browser->get(rp("/on/$_")) } qw(one two);
    isnt($start[0]->args->{request_uri}, $start[1]->args->{request_uri}, 'two references');
    for my $tab (1, 0) {
        my $page = $browser->navigate($start[$tab]{location});
        is($page->status, 200, "tab $tab arrives");
        is($page->json->{uri}, '/on/' . (qw(one two))[$tab], 'at its own page');
    }
};

subtest 'a reference that has ended' => sub {
    my $browser = browser();
    my $start = $browser->get(rp('/on/x'));
    my $late = $start->{location} =~ s/(request_uri=.*)/$1gone/r;
    is($browser->get($late)->status, 400, 'the provider says so');
    is($browser->navigate(rp('/on/x'))->status, 200, 'and the page begins a new login');
};

subtest 'a secret that was rotated' => sub {
    $nginx->mark;
    is(browser()->navigate(rp('/file/x'))->status, 502, 'the old one is refused');
    is(join(' ', $nginx->reasons), 'client_refused', '... where the login begins');
    write_file('secret', client_secret('generic-basic') . "\n");
    select undef, undef, undef, 1.2;    # the file is looked at once a second
    is(browser()->navigate(rp('/file/x'))->status, 200, 'the new one is read there');
};

sub answer { my ($status, $body) = @_; return { mode => 'body', status => $status, body => $body } }
# what the endpoint does => [ fault, reason ]
my %fault = (
    'a refusal' => [ answer(400, '{"error":"invalid_request","error_description":"redirect_uri"}'), 'par_refused' ],
    'a refused client' => [ answer(401, '{"error":"invalid_client"}'), 'client_refused' ],
    'another success' => [ answer(200, '{"request_uri":"urn:x","expires_in":60}'), 'par_refused' ],
    'no request_uri' => [ answer(201, '{"expires_in":60}'), 'par_malformed' ],
    'a line break' => [ answer(201, '{"request_uri":"urn:x\r\nSet-Cookie: a=b","expires_in":60}'), 'par_malformed' ],
    'a long one' => [ answer(201, '{"request_uri":"' . 'u' x 3000 . '"}'), 'par_malformed' ],
    'no JSON' => [ answer(201, '<html>'), 'par_malformed' ],
    'a redirect' => [ 'redirect', 'par_refused' ],
    'an outage' => [ '503', 'par_refused' ],
    'too much' => [ 'huge', 'par_malformed' ],
    'a closed connection' => [ 'reset', 'provider_unreachable' ],
    'silence' => [ 'silence', 'provider_timeout' ],
);
for my $what (sort keys %fault) {
    subtest $what => sub {
        my ($fault, $reason) = @{ $fault{$what} };
        $op->control(fail => { par => $fault });
        $nginx->mark;
        my $answer = browser()->navigate(rp('/on/x'));
        is(join(' ', $nginx->reasons), $reason, $reason);
        is("$answer->{status} $answer->{body}", ($reason eq 'provider_timeout' ? 504 : 502) . " e=$reason", 'a page of the site says so');
        is(scalar(@{ $answer->{set_cookies} }), 0, 'and no login is pending');
    };
}
$op->control(fail => undef);
is(browser()->navigate(rp('/on/x'))->status, 200, 'all is well again');

log_ok();
done_testing();
