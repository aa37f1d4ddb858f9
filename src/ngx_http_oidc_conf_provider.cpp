// The oidc_provider block: its directives, each alone.
#include <openssl/err.h>
#include <openssl/pem.h>

#include "ngx_http_oidc_conf_parse.hpp"
#include "oidc/json.hpp"
#include "oidc/jwe.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t max_key_file = 64 * 1024, max_claims_file = 64 * 1024, max_secret_file = 4096, many = 64;

// ---- What a word can be

// What `Parse` makes of it, when that fits. A sentence that begins with a space stands behind the word.
template <auto Parse, auto Fits, Literal Otherwise>
auto checked(std::string_view text)
{
    auto value = Parse(text);
    std::string_view sentence = Otherwise.text;
    if (!Fits(value)) throw Mistake((sentence.starts_with(' ') ? quoted(text) : "").append(sentence));
    return value;
}

bool is_given(std::string_view text) { return !text.empty(); }
bool is_positive(std::int64_t number) { return number > 0; }
bool holds_metadata(std::size_t size) { return size >= 4096; }
bool has_no_query(std::string_view url) { return url.find('?') == url.npos; }
bool is_on(std::string_view text) { return parse_name(text, "on off") == 0; }
bool is_required(std::string_view text) { return parse_name(text, "required off") == 0; }

bool is_visible(std::string_view text, std::string_view but_not)
{
    auto fits = [&](char c) { return c > 0x20 && c < 0x7f && but_not.find(c) == but_not.npos; };
    return !text.empty() && std::ranges::all_of(text, fits);
}

bool is_cookie_name(std::string_view text) { return is_visible(text, "()<>@,;:\\\"/[]?={}"); }  // RFC 6265: a token
bool is_cookie_domain(std::string_view text) { return is_visible(text, ";,"); }
bool is_cookie_path(std::string_view text) { return is_visible(text, ";,") && text.starts_with('/'); }

constexpr auto parse_lifetime = checked<parse_seconds, is_positive, "a life of 0 s would end every login at once">;
constexpr auto parse_call_time = checked<parse_milliseconds, is_positive, "no call ends in no time; write at least 1s">;
constexpr auto parse_deadline = checked<parse_milliseconds, is_positive, "no login ends in no time; write at least 1s">;
constexpr auto parse_max_response = checked<parse_size, holds_metadata, "metadata and keys do not fit; 4k is the least">;
constexpr auto parse_min_refresh =
    checked<parse_seconds, is_positive, "min_refresh=0 would let any visitor make us fetch; 1s is the least">;
constexpr auto parse_cookie_name =
    checked<parse_text, is_cookie_name, " is no cookie name; use letters, digits, _ and -">;
constexpr auto parse_error_uri =
    checked<parse_text, is_local_path, " is no path of this site, where an internal redirect can go">;
constexpr auto parse_page_here = checked<parse_text, is_local_path, " is no path of this site">;

// Where the browser goes after a logout: anywhere.
std::string parse_page(std::string_view text) { return text.starts_with('/') ? parse_page_here(text) : parse_safe_url(text); }

std::size_t parse_state_limit(std::string_view text) { return static_cast<std::size_t>(parse_number(text, "number", 1, 64)); }

// Credentials may stand before an @ (CONNECT with Basic authentication).
std::string parse_proxy(std::string_view text)
{
    std::size_t start = text.find("://"), at = text.rfind('@');
    std::string bare(text);
    if (start != bare.npos && at != bare.npos) bare.erase(start + 3, at - start - 2);
    std::optional<Url> url = parse_url(bare);
    if (!url || url->path != "/") throw Mistake("the value is no proxy; write it like http://proxy.example.fr:3128");
    return std::string(text);
}

std::vector<std::string> parse_signing_algs(std::string_view list)
{
    static const Words known{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
                             "ES256", "ES384", "ES512", "HS256", "HS384", "HS512"};
    Words algs = split(list, ',');
    if (algs.empty()) throw Mistake("the list of algorithms is empty");
    for (std::string_view alg : algs) {
        if (alg == "none") throw Mistake("\"none\" means an unsigned token, and is never accepted; name the algorithm");
        if (!contains(known, alg)) throw Mistake("unknown algorithm " + quoted(alg) + did_you_mean(alg, known));
    }
    return {algs.begin(), algs.end()};
}

std::vector<std::string> parse_encryption_algs(std::string_view list)
{
    Words algs = split(list, ',');
    auto unknown = std::ranges::find_if_not(algs, is_jwe_alg);
    if (unknown == algs.end()) return {algs.begin(), algs.end()};
    throw Mistake("unknown algorithm " + quoted(*unknown) + ", it can be RSA-OAEP, RSA-OAEP-256, ECDH-ES");
}

// ---- Setters: they get the words behind the directive's name

// One word goes to a member of the block, of the provider or of its parts.
template <auto Member, auto Parse>
void set(Block& block, const Words& words)
{
    using Pointer = decltype(Member);
    auto store = [&](auto& owner) {
        auto& target = owner.*Member;
        target = std::remove_reference_t<decltype(target)>(Parse(words[0]));
    };
    if constexpr (std::is_invocable_v<Pointer, Block&>) store(block);
    else if constexpr (std::is_invocable_v<Pointer, ProviderConf&>) store(block.conf);
    else if constexpr (std::is_invocable_v<Pointer, CookieRules&>) store(block.provider.cookie);
    else if constexpr (std::is_invocable_v<Pointer, HttpPolicy&>) store(block.provider.http);
    else store(block.provider);
}

std::span<const std::string_view> options_of(const Words& words) { return std::span(words).subspan(1); }

void set_profile(Block& block, const Words& words)
{
    const Profile* profile = find_profile(words[0]);
    std::string environment = "production", network = "internet", names = joined(names_of(profiles(), &Profile::name));
    if (profile == nullptr) throw Mistake("unknown profile " + quoted(words[0]) + ", it can be one of: " + names);
    read_options(options_of(words), {{"environment", into<parse_text>(environment)}, {"network", into<parse_text>(network)}});
    auto row = std::ranges::find_if(profile->issuers, [&](const ProfileIssuer& each) {
        return each.environment == environment && each.network == network;
    });
    bool found = row != profile->issuers.end(), asked = words.size() > 1;
    if (asked && profile->issuers.empty()) throw Mistake("it has neither environments nor networks");
    if (asked && !found) {
        throw Mistake(std::string(profile->title) + " has no environment " + quoted(environment) + " on network " +
                      quoted(network));
    }
    if (found && !block.conf.written.contains("issuer")) block.provider.issuer = row->issuer;
    block.provider.profile = profile;
}

void set_endpoint(Block& block, const Words& words)
{
    constexpr std::string Endpoints::*urls[] = {&Endpoints::authorization, &Endpoints::token,       &Endpoints::userinfo,
                                                &Endpoints::jwks,          &Endpoints::end_session, &Endpoints::revocation};
    std::size_t index = parse_name(words[0], "authorization token userinfo jwks end_session revocation");
    std::string& url = block.provider.overrides.*urls[index];
    if (!url.empty()) throw Mistake(quoted(words[0]) + " is written twice");
    url = parse_safe_url(words[1]);
}

template <auto Member>
void set_cache(Block& block, const Words& words)
{
    CachePolicy& policy = block.provider.*Member;
    read_options(words, {{"valid", into<parse_seconds>(policy.valid)},
                         {"stale", into<parse_seconds>(policy.stale)},
                         {"min_refresh", into<parse_min_refresh>(policy.min_refresh)}});
}

void set_http_timeout(Block& block, const Words& words)
{
    HttpPolicy& http = block.provider.http;
    http.timeout = parse_call_time(words[0]);
    read_options(options_of(words), {{"connect", into<parse_call_time>(http.connect_timeout)}});
    http.connect_timeout = std::min(http.connect_timeout, http.timeout);
}

// A file that workers open, and that holds what `Read` finds.
template <auto Member, auto Read, auto Free, Literal What>
void set_pem_file(Block& block, const Words& words)
{
    std::string name = worker_file(block.cf, words[0]);
    std::unique_ptr<BIO, decltype([](BIO* bio) { BIO_free(bio); })> file(BIO_new_file(name.c_str(), "r"));
    auto* item = file ? Read(file.get(), nullptr, nullptr, nullptr) : nullptr;
    ERR_clear_error();
    if (item == nullptr) throw Mistake(quoted(name) + " holds no " + What.text + " in PEM");
    Free(item);
    block.provider.http.*Member = name;
}

void set_client_secret_file(Block& block, const Words& words)
{
    std::string name = full_name(block.cf, words[0]), text = read_file(name, max_secret_file);
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    bool one_line = !text.empty() && text.find_first_of(std::string_view("\n\r\0", 3)) == text.npos;
    block.provider.client_secret = Secret(std::move(text));
    if (!one_line) throw Mistake(quoted(name) + " must hold the secret alone, on one line");
}

void set_client_key(Block& block, const Words& words)
{
    std::optional<KeyUse> use;
    KeyState state = KeyState::active;
    std::string alg, kid, name = full_name(block.cf, words[0]);
    read_options(options_of(words), {{"use", into<one_of<KeyUse, "sig enc">>(use)},
                                     {"alg", into<parse_text>(alg)},
                                     {"kid", into<parse_text>(kid)},
                                     {"state", into<one_of<KeyState, "next active retired">>(state)}});
    if (!use) throw Mistake("use=sig or use=enc is missing");
    Secret text(read_file(name, max_key_file));
    try {
        OwnKey key = load_own_key(text.reveal(), *use, alg, kid);
        key.state = state;
        bool known = contains(block.provider.own_keys, key.kid, &OwnKey::kid);
        if (known) throw std::invalid_argument("another client_key has the kid " + quoted(key.kid));
        block.provider.own_keys.push_back(std::move(key));
    } catch (const std::invalid_argument& e) {
        throw Mistake(quoted(name) + ": " + e.what());
    }
}

void set_client_jwks_uri(Block& block, const Words& words)
{
    block.provider.client_jwks_uri = parse_endpoint_path(words[0]);
    read_options(options_of(words), {{"max_age", into<parse_seconds>(block.provider.client_jwks_max_age)}});
}

void set_scope(Block& block, const Words& words)
{
    std::string text = joined(words);
    Words scopes = split(text, ' ');
    if (!contains(scopes, "openid")) throw Mistake("\"openid\" is missing; without it there is no login");
    block.provider.scope = joined(scopes);
}

void add_argument(Block& block, std::string_view name, ngx_http_complex_value_t* value)
{
    require_free_argument(name);
    bool known = contains(block.conf.args, name, &AuthArg::name);
    if (known) throw Mistake("the authorization parameter " + quoted(name) + " is written twice");
    block.conf.args.push_back({std::string(name), value, std::string(block.directive), here(block.cf)});
}

void set_auth_args(Block& block, const Words& words) { add_argument(block, words[0], compile(block.cf, words[1])); }

void set_extra_auth_args(Block& block, const Words& words)
{
    for (const Param& arg : parse_arguments(words[0])) add_argument(block, arg.name, literal(block.cf, arg.value));
}

// prompt, login_hint, ...: the directive is the parameter.
void set_argument(Block& block, const Words& words) { add_argument(block, block.directive, compile(block.cf, joined(words))); }

void set_claims(Block& block, const Words& words)
{
    constexpr std::string_view from_file = "file:";
    std::string text(words[0]);
    if (text.starts_with(from_file)) {
        text = read_file(full_name(block.cf, words[0].substr(from_file.size())), max_claims_file);
    } else if (ngx_http_complex_value_t* value = compile(block.cf, text); value->lengths != nullptr) {
        return add_argument(block, "claims", value);
    }
    Json claims = Json::parse(text);
    if (!claims.is_object()) throw Mistake("the value is no JSON object; write it like '{\"id_token\":{\"amr\":null}}'");
    add_argument(block, "claims", literal(block.cf, claims.dump()));
}

void set_acr_values(Block& block, const Words& words)
{
    std::string text = joined(words);
    Words levels = split(text, ' ');
    if (levels.empty()) throw Mistake("the value is empty");
    ngx_http_complex_value_t* value = compile(block.cf, text);
    if (value->lengths != nullptr) block.conf.acr_values = value;
    else block.provider.acr_default.assign(levels.begin(), levels.end());
}

void set_id_token_signing_alg(Block& block, const Words& words)
{
    block.provider.id_token_algs = parse_signing_algs(joined(words, ","));
}

void set_id_token_encryption(Block& block, const Words& words)
{
    Encryption& encryption = block.provider.id_token_encryption;
    std::string enc = "A256GCM";
    encryption.required = is_required(words[0]);
    read_options(options_of(words), {{"alg", into<parse_encryption_algs>(encryption.algs)}, {"enc", into<parse_text>(enc)}});
    if (enc != "A256GCM") throw Mistake("the content encryption is A256GCM alone");
    if (!encryption.required && words.size() > 1) throw Mistake("\"off\" has no parameters");
}

void set_userinfo_format(Block& block, const Words& words)
{
    Provider& provider = block.provider;
    provider.userinfo_format = one_of<UserinfoFormat, "auto json jwt">(words[0]);
    if (provider.userinfo_format != UserinfoFormat::jwt && words.size() > 1) throw Mistake("only \"jwt\" has parameters");
    read_options(options_of(words), {{"alg", into<parse_signing_algs>(provider.userinfo_algs)},
                                     {"encryption", into<one_of<Switch, "required off", 1>>(block.userinfo_encryption)}});
}

// ---- The block

struct Directive {
    std::string_view name;
    std::size_t min_words, max_words;
    void (*set)(Block& block, const Words& words);
    bool repeatable = false;
};

constexpr Directive directives[] = {
    {"profile", 1, 3, set_profile},
    {"issuer", 1, 1, set<&Provider::issuer, checked<parse_safe_url, has_no_query, " has a query, and an issuer has none">>},
    {"config_url", 1, 1, set<&Provider::config_url, parse_safe_url>},
    {"endpoint", 2, 2, set_endpoint, true},
    {"metadata_cache", 1, 3, set_cache<&Provider::metadata_cache>},
    {"jwks_cache", 1, 3, set_cache<&Provider::jwks_cache>},
    {"http_timeout", 1, 2, set_http_timeout},
    {"http_max_response", 1, 1, set<&HttpPolicy::max_response, parse_max_response>},
    {"http_proxy", 1, 1, set<&HttpPolicy::proxy, parse_proxy>},
    {"ssl_trusted_certificate", 1, 1, set_pem_file<&HttpPolicy::ca_file, PEM_read_bio_X509_AUX, X509_free, "certificate">},
    {"ssl_crl", 1, 1, set_pem_file<&HttpPolicy::crl_file, PEM_read_bio_X509_CRL, X509_CRL_free, "certificate revocation list">},
    {"client_id", 1, 1, set<&Provider::client_id, checked<parse_text, is_given, "the value is empty">>},
    {"client_secret", 1, 1, set<&Provider::client_secret, checked<parse_text, is_given, "the secret is empty">>},
    {"client_secret_file", 1, 1, set_client_secret_file},
    {"token_endpoint_auth_method", 1, 1,
     set<&Provider::client_auth, one_of<ClientAuth, "auto client_secret_basic client_secret_post none">>},
    {"client_key", 2, 5, set_client_key, true},
    {"client_jwks_uri", 1, 2, set_client_jwks_uri},
    {"scope", 1, many, set_scope},
    {"redirect_uri", 1, 1, set<&Provider::redirect_uri, parse_endpoint_uri>},
    {"login_uri", 1, 1, set<&Provider::login_uri, parse_endpoint_path>},
    {"logout_uri", 1, 1, set<&Provider::logout_uri, parse_endpoint_path>},
    {"post_logout_uri", 1, 1, set<&Provider::post_logout_uri, parse_endpoint_uri>},
    {"logged_out_uri", 1, 1, set<&Provider::logged_out_uri, parse_page>},
    {"error_uri", 1, 1, set<&Provider::error_uri, parse_error_uri>},
    {"extra_auth_args", 1, 1, set_extra_auth_args},
    {"auth_args", 2, 2, set_auth_args, true},
    {"acr_values", 1, many, set_acr_values},
    {"claims", 1, 1, set_claims},
    {"prompt", 1, many, set_argument},
    {"login_hint", 1, 1, set_argument},
    {"idp_hint", 1, 1, set_argument},
    {"ui_locales", 1, many, set_argument},
    {"max_age", 1, 1, set<&Provider::max_age, parse_seconds>},
    {"pkce", 1, 1, set<&Provider::pkce, one_of<Switch, "on off", 1>>},
    {"iss_parameter", 1, 1, set<&Provider::iss_parameter, one_of<Switch, "auto required off">>},
    {"login_deadline", 1, 1, set<&Provider::login_deadline, parse_deadline>},
    {"id_token_signing_alg", 1, many, set_id_token_signing_alg},
    {"id_token_encryption", 1, 3, set_id_token_encryption},
    {"userinfo", 1, 1, set<&Provider::userinfo, is_on>},
    {"userinfo_format", 1, 3, set_userinfo_format},
    {"clock_skew", 1, 1, set<&Provider::clock_skew, parse_seconds>},
    {"state_timeout", 1, 1, set<&Provider::state_timeout, parse_lifetime>},
    {"state_limit", 1, 1, set<&Provider::state_limit, parse_state_limit>},
    {"session_store", 1, 1, set<&ProviderConf::session_store, parse_text>},
    {"session_timeout", 1, 1, set<&Provider::session_timeout, parse_lifetime>},
    {"session_idle_timeout", 1, 1, set<&Provider::session_idle_timeout, parse_seconds_or_off>},
    {"session_max_lifetime", 1, 1, set<&Provider::session_max_lifetime, parse_seconds_or_off>},
    {"cookie_name", 1, 1, set<&CookieRules::name, parse_cookie_name>},
    {"cookie_domain", 1, 1, set<&CookieRules::domain, checked<parse_text, is_cookie_domain, " is no domain">>},
    {"cookie_path", 1, 1, set<&CookieRules::path, checked<parse_text, is_cookie_path, " is no path">>},
    {"cookie_samesite", 1, 1, set<&CookieRules::samesite, one_of<SameSite, "lax none strict">>},
    {"cookie_secure", 1, 1, set<&CookieRules::secure, one_of<Switch, "auto on off">>},
    {"logout_token_hint", 1, 1, set<&Provider::logout_token_hint, is_on>},
    {"logout_state", 1, 1, set<&Block::logout_state, one_of<Switch, "auto on off">>},
};

// The row of a directive that may stand here.
const Directive& expect(Block& block, const Words& words)
{
    auto row = std::ranges::find(directives, words[0], &Directive::name);
    if (row == std::end(directives)) {
        Words names = names_of(directives, &Directive::name);
        throw Mistake("unknown directive " + quoted(words[0]) + " in oidc_provider" + did_you_mean(words[0], names));
    }
    bool is_new = block.conf.written.emplace(row->name, here(block.cf)).second;
    if (!is_new && !row->repeatable) throw Mistake(quoted(row->name) + " directive is duplicate");
    bool fits = words.size() > row->min_words && words.size() <= row->max_words + 1;
    if (!fits) throw Mistake("invalid number of arguments in " + quoted(row->name) + " directive");
    return *row;
}

}  // namespace

char* read_directive(ngx_conf_t* cf, ngx_command_t* dummy, void* conf) noexcept
{
    auto& block = *static_cast<Block*>(conf);
    Words words = names_of(items<ngx_str_t>(*cf->args), view);
    if (words[0] == "include") return ngx_conf_include(cf, dummy, nullptr);
    const Directive* row = nullptr;
    char* result = guarded(cf, "", [&] { row = &expect(block, words); });
    if (row == nullptr) return result;
    block.directive = row->name;
    words.erase(words.begin());
    return guarded(cf, said_in(block.provider, row->name), [&] { row->set(block, words); });
}

}  // namespace oidc::ngx
