# Claims as nginx variables: strings, arrays, objects, other alphabets, odd names, and what is never emitted.
use lib 't/lib', 'lib';
use OIDC::Test;
use Time::HiRes qw(sleep time);

my $op = start_provider('generic');
my $app = app();
my $access_log = dir() . '/access.log';
write_file('access.log', '');
chmod 0666, $access_log;
my $nginx = nginx(<<'NGINX', op => $op, app => $app);
%%globals%%
events { worker_connections 256; }
http {
    %%http%%
    oidc_claim_set $matricule      chorusdt:matricule;
    oidc_claim_set $locality       address locality;
    oidc_claim_set $deep           custom service code;
    oidc_claim_set $site_json      encoding=json custom sites;
    oidc_claim_set $missing_path   address nothing here;
    oidc_claim_set $name_json      encoding=json name;
    oidc_claim_set $name_b64       encoding=base64url name;
    oidc_claim_set $name_url       encoding=urlencode name;
    oidc_claim_set $email_id       source=id_token email;
    oidc_claim_set $email_user     source=userinfo email;
    oidc_claim_set $dotted         http://example.org/claims.role;
    oidc_claim_set $spaced         "a claim";
    oidc_claim_set $inner          test inner;
    oidc_claim_set $in_tax_set      test tax;
    oidc_claim_set $in_id_set       test id;
    oidc_claim_set $in_id_json_set  encoding=json test id;
    oidc_claim_set $in_id_b64_set   encoding=base64url test id;
    oidc_claim_set $colons_set      test of:colon x:y;
    oidc_claim_set $list_url_set    encoding=urlencode list;
    oidc_claim_set $list_b64_set    encoding=base64url list;
    oidc_claim_set $nul_raw_set     nul;
    oidc_claim_set $nul_url_set     encoding=urlencode nul;
    oidc_claim_set $inner_nul_set   test nul;

    log_format requests '$request';
    log_format events '$oidc_event|$uri|$oidc_provider|$oidc_session_hash|$status|$request_method';

    oidc_provider op {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        scope                   openid profile email phone address groups custom;
        userinfo                on;
        login_uri               /login;
        error_uri               /oops;
    }
    oidc_provider tokens {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        redirect_uri            /oidc_callback_generic;
        scope                   openid profile email;
        login_uri               /tokens/login;
    }
    oidc_provider dead {
        issuer                  %%op%%/api/v2;
        client_id               generic-post;
        client_secret           %%secret:generic-post%%;
        ssl_trusted_certificate %%ca%%;
        redirect_uri            /dead/callback;
        error_uri               /dead;
    }

    server {
        listen      %%listen%%;
        server_name rp.localhost;
        %%tls%%
        proxy_set_header X-Name          $oidc_claim_name;
        proxy_set_header X-Test          "[$oidc_claim_test]";
        proxy_set_header X-Roles         $oidc_claim_roles;
        proxy_set_header X-Address       $oidc_claim_address;
        proxy_set_header X-Verified      $oidc_claim_email_verified;
        proxy_set_header X-Phone-Verified $oidc_claim_phone_number_verified;
        proxy_set_header X-Updated       $oidc_claim_updated_at;
        proxy_set_header X-Nothing       "[$oidc_claim_nothing]";
        proxy_set_header X-Sub           $oidc_claim_sub;
        proxy_set_header X-Iss           $oidc_claim_iss;
        proxy_set_header X-Aud           $oidc_claim_aud;
        proxy_set_header X-Exp           $oidc_claim_exp;
        proxy_set_header X-Matricule     $matricule;
        proxy_set_header X-Locality      $locality;
        proxy_set_header X-Deep          $deep;
        proxy_set_header X-Sites         $site_json;
        proxy_set_header X-Missing       "[$missing_path]";
        proxy_set_header X-Name-Json     $name_json;
        proxy_set_header X-Name-B64      $name_b64;
        proxy_set_header X-Name-Url      $name_url;
        proxy_set_header X-Email-Id      "[$email_id]";
        proxy_set_header X-Email-User    "[$email_user]";
        proxy_set_header X-Dotted        "[$dotted]";
        proxy_set_header X-Spaced        "[$spaced]";
        proxy_set_header X-Inner         "[$inner]";
        proxy_set_header X-Tax              "[$oidc_claim_tax]";
        proxy_set_header X-Big              "[$oidc_claim_big]";
        proxy_set_header X-Exp10            "[$oidc_claim_exp10]";
        proxy_set_header X-Minus            "[$oidc_claim_minus]";
        proxy_set_header X-In-Tax           "[$in_tax_set]";
        proxy_set_header X-In-Id            "[$in_id_set]";
        proxy_set_header X-In-Id-Json       "[$in_id_json_set]";
        proxy_set_header X-In-Id-B64        "[$in_id_b64_set]";
        proxy_set_header X-Colons           "[$colons_set]";
        proxy_set_header X-List-Url         "[$list_url_set]";
        proxy_set_header X-List-B64         "[$list_b64_set]";
        proxy_set_header X-Nul-Raw          "[$nul_raw_set]";
        proxy_set_header X-Nul-Url          "[$nul_url_set]";
        proxy_set_header X-Inner-Nul        "[$inner_nul_set]";
        proxy_set_header X-Claims        $oidc_claims;
        proxy_set_header X-Userinfo      $oidc_userinfo;
        proxy_set_header X-Access        "[$oidc_access_token]";
        proxy_set_header X-Access-Until  "[$oidc_access_token_expires]";
        proxy_set_header X-Id-Token      $oidc_id_token;
        proxy_set_header X-In            "[$oidc_authenticated]";
        proxy_set_header X-Auth-Time     "[$oidc_auth_time]";
        proxy_set_header X-Acr           "[$oidc_acr]";
        proxy_set_header X-Provider      "[$oidc_provider]";
        proxy_set_header X-Login         "[$oidc_login_url]";
        proxy_set_header X-Login-Tokens  "[$oidc_login_url_tokens]";

        location /        { auth_oidc op; proxy_pass http://127.0.0.1:%%app%%; access_log %%dir%%/access.log events; }
        location /tokens/ { auth_oidc tokens; proxy_pass http://127.0.0.1:%%app%%; }
        location /pass/   { auth_oidc op; auth_oidc_unauth pass; proxy_pass http://127.0.0.1:%%app%%; }
        location /off/    { auth_oidc off; proxy_pass http://127.0.0.1:%%app%%; }
        location = /oidc_callback_generic { error_page 403 /denied; }
        location = /denied { auth_oidc off; return 200 "denied: $oidc_error"; }
        location = /oops  { add_header X-Said "$oidc_error_description $oidc_error_id" always; return 200 "e=$oidc_error d=$oidc_error_description i=$oidc_error_id l=$oidc_login_url_op"; }
        location /dead/   { auth_oidc dead; proxy_pass http://127.0.0.1:%%app%%; access_log %%dir%%/access.log requests; }
        location = /dead  { internal; proxy_pass http://127.0.0.1:1; access_log %%dir%%/access.log requests; }
    }
}
NGINX

# A login with these additions to UserInfo; the application's answer.
sub with_userinfo
{
    my ($set, %switches) = @_;
    $op->reset(auto => 'angela', userinfo => { set => $set }, %switches);
    my $browser = browser();
    my $page = $browser->navigate(rp('/x'));
    is($page->status, 200, 'logged in') or diag join '|', $nginx->reasons(0);
    return ($page, $browser);
}

subtest 'plain claims' => sub {
    my ($page) = with_userinfo({}, auto => 'agent');
    is($page->seen('x-name'), 'Hyacinthe BESSON-OÛTIS', 'a string, UTF-8');
    is($page->seen('x-roles'), '["agent_public","agent_public_etat"]', 'an array: compact JSON');
    is($page->seen('x-verified'), 'true', 'true');
    is($page->seen('x-phone-verified'), 'false', 'false');
    is($page->seen('x-updated'), '1735689600', 'a number');
    is_deeply(json()->decode(utf8($page->seen('x-address'))), { street_address => '1 rue de l’Église', postal_code => '75001', locality => 'Paris', country => 'FR' }, 'an object');
    is($page->seen('x-nothing'), '[]', 'an absent claim is empty');
    is($page->seen('x-in'), '[1]', '$oidc_authenticated');
    is($page->seen('x-provider'), '[op]', '$oidc_provider');
    like($page->seen('x-access'), qr/^\[[\w-]{20,}\]$/, '$oidc_access_token');
    like($page->seen('x-access-until'), qr/^\[\d{10}\]$/, '$oidc_access_token_expires');
    is(scalar(() = $page->seen('x-id-token') =~ /\./g), 2, '$oidc_id_token');
    is($page->seen('x-iss'), $op->issuer, 'iss');
    is($page->seen('x-aud'), 'generic-post', 'aud');
    like($page->seen('x-exp'), qr/^\d{10}$/, 'exp');
};

sub utf8 { my $s = shift // 'null'; utf8::encode($s); return $s }

subtest 'oidc_claim_set' => sub {
    my ($page) = with_userinfo({ 'http://example.org/claims.role' => 'chef', 'a claim' => 'with a space' }, auto => 'agent');
    is($page->seen('x-matricule'), 'USER_AGC-0042', 'a name with a colon');
    is($page->seen('x-dotted'), '[chef]', 'a URL as a name');
    is($page->seen('x-spaced'), '[with a space]', 'a name with a space');
    is($page->seen('x-locality'), 'Paris', 'a member of an object');
    is($page->seen('x-deep'), '42', 'two levels down');
    is($page->seen('x-sites'), '["Paris","Nîmes"]', 'encoding=json of an array');
    is($page->seen('x-missing'), '[]', 'a path that is not there');
    is($page->seen('x-name-json'), '"Hyacinthe BESSON-OÛTIS"', 'encoding=json of a string');
    is($page->seen('x-name-b64'), 'SHlhY2ludGhlIEJFU1NPTi1Pw5tUSVM', 'encoding=base64url');
    is($page->seen('x-name-url'), 'Hyacinthe%20BESSON-O%C3%9BTIS', 'encoding=urlencode');
    is($page->seen('x-email-user'), '[hyacinthe.besson-outis@ministere.exemple.fr]', 'source=userinfo');
    is($page->seen('x-email-id'), '[]', 'source=id_token: it is not there');
};

subtest '$oidc_claims and $oidc_userinfo' => sub {
    my ($page) = with_userinfo({ test => 'Zoé "quoted" \\ / <b>' });
    my $claims = json()->decode(utf8($page->seen('x-claims')));
    is($claims->{test}, 'Zoé "quoted" \\ / <b>', 'merged JSON');
    is($claims->{sub}, $page->seen('x-sub'), '... with the protocol claims');
    is($claims->{email_verified}, JSON::PP::true, '... types kept');
    my $userinfo = json()->decode(utf8($page->seen('x-userinfo')));
    is($userinfo->{test}, 'Zoé "quoted" \\ / <b>', '$oidc_userinfo');
    is($userinfo->{nonce}, undef, '... without the ID token');
};

subtest 'odd values' => sub {
    my %cases = (
        'an empty string' => [ '', '[]' ],
        'null'            => [ undef, '[]' ],
        'zero'            => [ 0, '[0]' ],
        'a big number'    => [ 9007199254740991, '[9007199254740991]' ],
        'a fraction'      => [ 1.5, '[1.5]' ],
        'empty array'     => [ [], '[[]]' ],
        'empty object'    => [ {}, '[{}]' ],
        'emoji'           => [ "\x{1F600} a", "[\x{1F600} a]" ],
        'quotes'          => [ q{a"b'c\\d}, q{[a"b'c\\d]} ],
        'colon, slash, comma' => [ 'a:b/c,d;e', '[a:b/c,d;e]' ],
        'nested'          => [ [ { a => [ 1, JSON::PP::true, undef ] } ], '[[{"a":[1,true,null]}]]' ],
        'CR LF'           => [ "x\r\nX-Injected: yes", '[]' ],
        'LF'              => [ "x\ny", '[]' ],
        'CR'              => [ "x\ry", '[]' ],
        'NUL'             => [ "x\0y", '[]' ],
        'dollar'          => [ '$oidc_access_token', '[$oidc_access_token]' ],
        'a long one'      => [ 'v' x 3000, '[' . 'v' x 3000 . ']' ],
    );
    for my $what (sort keys %cases) {
        my ($value, $expected) = @{ $cases{$what} };
        my ($page) = with_userinfo({ test => $value });
        is($page->seen('x-test'), $expected, $what);
        is($page->seen('x-injected'), undef, '... no header of its own');
    }
    my ($page) = with_userinfo({ test => [ "a\r\nX-Injected: yes" ] });
    is($page->seen('x-injected'), undef, 'CR LF within an array: escaped, no header of its own');
};

subtest 'numbers as they were written, names and values in every encoding' => sub {
    my $exact = '{"tax":1.10,"id":12345678901234567890123,"small":1E-7,"of:colon":{"x:y":[0.30,{"a/b":-0.0}]},"cr\\rlf\\n":"a\\r\\nb","nul":"a\\u0000b"}';
    my $body = '{"sub":"agent","test":' . $exact . ',"tax":1.10,"big":18446744073709551616,"exp10":1e3,"minus":-9223372036854775809,"list":[1.10,"x y&z"],"nul":"\\u00001.5,"}';
    $op->reset(auto => 'agent', fail => { userinfo => { mode => 'body', status => 200, type => 'application/json', body => $body } });
    my $page = browser()->navigate(rp('/x'));
    is($page->status, 200, 'logged in') or diag join '|', $nginx->reasons(0);
    is($page->seen("x-$_->[0]"), $_->[1], "$_->[0]: $_->[1]")
        for [ tax => '[1.10]' ], [ big => '[18446744073709551616]' ], [ exp10 => '[1e3]' ], [ minus => '[-9223372036854775809]' ], [ test => "[$exact]" ],
        [ 'in-tax' => '[1.10]' ], [ 'in-id' => '[12345678901234567890123]' ], [ 'in-id-json' => '[12345678901234567890123]' ], [ 'in-id-b64' => '[MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM]' ],
        [ colons => '[[0.30,{"a/b":-0.0}]]' ], [ 'list-url' => '[%5B1.10%2C%22x%20y%26z%22%5D]' ], [ 'list-b64' => '[WzEuMTAsInggeSZ6Il0]' ],
        [ 'nul-raw' => '[]' ], [ 'nul-url' => '[]' ], [ 'inner-nul' => '[]' ];
    like($page->seen('x-claims'), qr/"big":18446744073709551616,/, '$oidc_claims');
    is(json()->decode(utf8($page->seen('x-userinfo')))->{sub}, 'agent', '$oidc_userinfo is JSON');
};

subtest 'nothing from outside adds a line to a header' => sub {
    my $lines = "a\r\nX-Injected: yes";
    $op->reset(callback => { error => 'odd', error_description => "$lines\r\n\r\nGET /x HTTP/1.1" });
    my $page = browser()->navigate(rp('/x'));
    like($page->{body}, qr/d=a  X-Injected: yes    GET/, '$oidc_error_description: spaces');
    like($page->header('x-said'), qr/^a  X-Injected: yes/, '... in a header too');
    is($page->header('x-injected'), '', '... no header of its own');
    $op->reset(fail => { token => { mode => 'body', status => 400, type => 'application/json', body => '{"error":"invalid_grant","error_uri":"https://op.example/?id=a%0d%0aX-Injected:%20yes"}' } });
    $page = browser()->navigate(rp('/x'));
    like($page->{body}, qr/^e=token_refused/, '$oidc_error_id');
    is($page->header('x-injected'), '', '... no header of its own');
    for my $token ('access_token', 'id_token') {    # refused, or not shown
        $op->reset(auto => 'angela', token => { set => { $token => $lines } }, idToken => { delete => ['at_hash'] });
        $page = browser()->navigate(rp('/tokens/x'));
        is($page->seen('x-injected'), undef, "\$oidc_$token");
        unlike($page->seen('x-access') // '', qr/^\[a/, '... is not shown');
    }
    ($page) = with_userinfo({ $lines => 'x', test => { inner => $lines } });
    is($page->seen('x-inner'), '[]', 'oidc_claim_set, raw, within an object: empty');
    like($page->seen('x-claims'), qr/a\\r\\nX-Injected: yes/, '$oidc_claims: escaped');
    is($page->seen('x-injected'), undef, '... no header of its own');
};

subtest 'UserInfo does not override the protocol' => sub {
    $op->reset(auto => 'angela', userinfo => { set => { iss => 'https://evil', aud => 'evil', exp => 1, acr => 'evil', nonce => 'evil', auth_time => 1, amr => ['evil'], azp => 'evil', sid => 'evil', at_hash => 'evil' } });
    my $page = browser()->navigate(rp('/x'));
    is($page->status, 200, 'logged in');
    is($page->seen('x-iss'), $op->issuer, 'iss');
    is($page->seen('x-aud'), 'generic-post', 'aud');
    unlike($page->seen('x-acr'), qr/evil/, 'acr');
    isnt($page->seen('x-auth-time'), '[1]', 'auth_time');
    isnt($page->seen('x-exp'), '1', 'exp');
    unlike($page->seen('x-claims'), qr/evil/, '$oidc_claims neither');
};

subtest 'userinfo off' => sub {
    $op->reset(auto => 'angela');
    my $page = browser()->navigate(rp('/tokens/x'));
    is($page->status, 200, 'logged in');
    is($op->count('userinfo'), 0, 'UserInfo is not asked');
    ok(length $page->seen('x-sub'), 'the ID token has the sub');
    ok(!length($page->seen('x-userinfo') // ''), '$oidc_userinfo is empty');
};

subtest 'an expired access token is empty' => sub {
    $op->reset(auto => 'angela', token => { set => { expires_in => 2 } });
    my $browser = browser();
    my $page = $browser->navigate(rp('/x'));
    like($page->seen('x-access'), qr/^\[.{20,}\]$/, 'at first it is there');
    my $end = time + 3;
    sleep 0.1 while time < $end;
    $page = $browser->get(rp('/x'));
    is($page->status, 200, 'the session lives');
    is($page->seen('x-access'), '[]', 'the token is gone');
    ok(length $page->seen('x-sub'), 'the claims are not');
};

subtest 'where nobody is logged in' => sub {
    my $page = browser()->get(rp('/pass/x'));
    is($page->seen("x-$_"), '[]', "$_ is empty") for qw(in test access access-until acr auth-time);
    is($page->seen("x-$_"), undef, "$_ is empty") for qw(name sub claims userinfo id-token);
    my ($ignored, $browser) = with_userinfo({});
    $page = $browser->get(rp('/off/x'));
    is($page->seen('x-in'), '[]', 'auth_oidc off: $oidc_authenticated is empty');
    is($page->seen('x-sub'), undef, '... and every claim');
    is($page->seen('x-access'), '[]', '... and the token');
    is($browser->get(rp('/tokens/x'))->status, 302, "another provider's location knows nothing of it");
};

subtest '$oidc_login_url' => sub {
    my $page = browser()->get(rp('/pass/page?a=1&b=2'));
    my ($url) = ($page->seen('x-login') // '') =~ /^\[(.*)\]$/;
    like($url // '', qr{^/login\?return=}, 'login_uri with the current page');
    my $browser = browser();
    my $end = $browser->navigate(rp($url || '/'));
    is($end->status, 200, 'following it logs in');
    is($end->json->{uri}, '/pass/page?a=1&b=2', 'and leads back');
    is($end->seen('x-in'), '[1]', 'logged in');
    like($page->seen('x-login-tokens') // '', qr{^\[/tokens/login\?return=}, 'of a named provider');
};

subtest 'nothing is kept from one request to the next' => sub {
    $op->reset(auto => 'angela');
    my $one = browser();
    my $first = $one->navigate(rp('/x'));
    $op->reset(auto => 'agent');
    my $two = browser();
    $two->navigate(rp('/x'));
    my $url = rp('/x');
    # both sessions over one connection
    my $shared = browser();
    for (1 .. 3) {
        for my $who ($one, $two) {
            my $page = $shared->get($url, cookie => $who->cookie_header($url));
            is($page->seen('x-sub'), $who == $one ? $first->seen('x-sub') : 'agent', 'the right person');
        }
        is($shared->get(rp('/pass/x'))->seen('x-sub'), undef, 'and nobody between');
    }
};

subtest 'error_uri' => sub {
    $op->reset(auto => 'angela', callback => { error => 'access_denied', error_description => '<script>alert(1)</script>"&' });
    my $page = browser()->navigate(rp('/x?a=1'));
    like($page->{body}, qr/e=login_cancelled/, '$oidc_error');
    like($page->{body}, qr{l=/login\?return=%2Fx%3Fa%3D1$}, '$oidc_login_url: the page that was asked for');
    like(browser()->get(rp('/oidc_callback?code=LIVECODE&state=' . 'S' x 43))->{body}, qr{l=/login\?return=%2F$}, '... unknown: /');
    like(browser()->get(rp('/login?return=//e.tld'))->{body}, qr{l=/login\?return=%2F$}, '... refused: /');
    unlike($page->{body}, qr/<script>/, '$oidc_error_description is escaped');
    is($page->status, 403, 'the status stays');
    $page = browser()->navigate(rp('/tokens/x'));
    is($page->{body}, 'denied: login_cancelled', 'without error_uri: error_page');
    is($page->status, 403, '... with the status');
    $op->reset;
};

subtest "a callback's code is in no line of nginx's own" => sub {
    is(browser()->get(rp("/dead/$_?state=x&code=LIVECODE"))->status, $_ eq 'callback' ? 502 : 302, $_) for 'callback', 'page';
    like($nginx->log_text, qr{connect\(\) failed.*request: "GET /dead/callback HTTP/1\.1"}, 'a dead error_uri');
    logged_like($access_log, qr{^GET /dead/callback HTTP/1\.1$}m, '$request of an access log');
    logged_like($access_log, qr{^GET /dead/page\?state=x&code=LIVECODE HTTP/1\.1$}m, '... of another page is as it was');
    unlike($nginx->log_text, qr/LIVECODE/, 'no code in the error log');
};

subtest '$oidc_event' => sub {
    # the log of `location /`, where the callback is answered too
    logged_like($access_log, qr{^login_started\|/x\|.*\|302\|}m, 'the way to the provider');
    logged_like($access_log, qr{^login_done\|/oidc_callback\|.*\|302\|}m, 'a login');
    logged_like($access_log, qr{^\|/x\|op\|[\w-]+\|200\|}m, 'a page: nothing');
};
logged_like($access_log, qr/\|op\|[\w-]{20,}\|200\|GET/, '$oidc_session_hash in an access log');
unlike(read_file($access_log), qr/SESSION/, '... and no cookie');
log_ok();
done_testing();
