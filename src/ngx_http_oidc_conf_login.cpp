// Directives of oidc_provider: the login, its tokens, the session and the logout.
#include <algorithm>

#include "ngx_http_oidc_conf_parse.hpp"
#include "oidc/json.hpp"
#include "oidc/jose.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t max_claims_file = 64 * 1024;

std::int64_t parse_deadline(std::string_view text)
{
    std::int64_t deadline = parse_milliseconds(text);
    if (deadline == 0) throw Mistake("no login ends in no time; write at least 1s");
    return deadline;
}

void set_scope(Block& block, const Words& words)
{
    std::string text = joined(words);
    Words scopes = split(text, ' ');
    if (std::ranges::find(scopes, "openid") == scopes.end()) throw Mistake("\"openid\" is missing; without it there is no login");
    block.provider.scope = joined(scopes);
}

void add_argument(Block& block, std::string_view name, std::string_view text, bool is_literal)
{
    require_free_argument(name);
    bool known = std::ranges::find(block.conf.args, name, &AuthArg::name) != block.conf.args.end();
    if (known) throw Mistake("the authorization parameter " + quoted(name) + " is written twice");
    auto value = is_literal ? std::optional<std::string>(text) : std::nullopt;
    block.arguments.push_back({std::string(name), block.directive, here(block.cf), std::move(value)});
    block.conf.args.push_back({std::string(name), is_literal ? literal(block.cf, text) : compile(block.cf, text)});
}

void set_auth_args(Block& block, const Words& words)
{
    add_argument(block, words[0], words[1], !has_variables(words[1]));
}

void set_extra_auth_args(Block& block, const Words& words)
{
    for (const Param& arg : parse_arguments(words[0])) add_argument(block, arg.name, arg.value, true);
}

// prompt, login_hint, ...: the directive is the parameter.
void set_argument(Block& block, const Words& words)
{
    std::string text = joined(words);
    add_argument(block, block.directive, text, !has_variables(text));
}

void set_claims(Block& block, const Words& words)
{
    constexpr std::string_view from_file = "file:";
    bool is_file = words[0].starts_with(from_file);
    std::string text = is_file ? read_file(block.cf, words[0].substr(from_file.size()), max_claims_file) : std::string(words[0]);
    if (!is_file && has_variables(text)) return add_argument(block, "claims", text, false);
    Json claims = Json::parse(text);
    if (!claims.is_object()) throw Mistake("the value is no JSON object; write it like '{\"id_token\":{\"amr\":null}}'");
    add_argument(block, "claims", claims.dump(), true);
}

void set_acr_values(Block& block, const Words& words)
{
    std::string text = joined(words);
    Words levels = split(text, ' ');
    if (levels.empty()) throw Mistake("the value is empty");
    if (has_variables(text)) block.conf.acr_values = compile(block.cf, text);
    else block.provider.acr_default.assign(levels.begin(), levels.end());
}

constexpr Choice<Switch> pkce_switch[] = {{"on", Switch::on}, {"off", Switch::off}};
constexpr Choice<Switch> iss_switch[] = {{"auto", Switch::automatic}, {"required", Switch::on}, {"off", Switch::off}};
constexpr Choice<Switch> any_switch[] = {{"auto", Switch::automatic}, {"on", Switch::on}, {"off", Switch::off}};
constexpr Choice<Switch> required_or_off[] = {{"required", Switch::on}, {"off", Switch::off}};
constexpr Choice<SameSite> samesites[] = {{"lax", SameSite::lax}, {"none", SameSite::none}, {"strict", SameSite::strict}};
constexpr Choice<UserinfoFormat> userinfo_formats[] = {
    {"auto", UserinfoFormat::automatic}, {"json", UserinfoFormat::json}, {"jwt", UserinfoFormat::jwt}};

std::vector<std::string> parse_signing_algs(std::span<const std::string_view> words)
{
    constexpr std::string_view known[] = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
                                          "ES256", "ES384", "ES512", "HS256", "HS384", "HS512"};
    std::vector<std::string> algs;
    for (std::string_view word : words) {
        if (word == "none") throw Mistake("\"none\" means an unsigned token, and is never accepted; name the algorithm");
        bool is_known = std::ranges::find(known, word) != std::end(known);
        if (!is_known) throw Mistake("unknown algorithm " + quoted(word) + did_you_mean(word, known));
        algs.emplace_back(word);
    }
    if (algs.empty()) throw Mistake("the list of algorithms is empty");
    return algs;
}

std::vector<std::string> parse_encryption_algs(std::string_view text)
{
    std::vector<std::string> algs;
    for (std::string_view word : split(text, ',')) {
        if (!is_jwe_alg(word)) throw Mistake("unknown algorithm " + quoted(word) + ", it can be RSA-OAEP, RSA-OAEP-256, ECDH-ES");
        algs.emplace_back(word);
    }
    return algs;
}

void set_id_token_signing_alg(Block& block, const Words& words) { block.provider.id_token_algs = parse_signing_algs(words); }

void set_id_token_encryption(Block& block, const Words& words)
{
    Encryption& encryption = block.provider.id_token_encryption;
    encryption.required = parse_choice<required_or_off>(words[0]) == Switch::on;
    Options options(words, 1, {"alg", "enc"});
    options.read("alg", encryption.algs, parse_encryption_algs);
    if (options.get("enc").value_or("A256GCM") != "A256GCM") throw Mistake("the content encryption is A256GCM alone");
    if (!encryption.required && words.size() > 1) throw Mistake("\"off\" has no parameters");
}

void set_userinfo_format(Block& block, const Words& words)
{
    Provider& provider = block.provider;
    provider.userinfo_format = parse_choice<userinfo_formats>(words[0]);
    Options options(words, 1, {"alg", "encryption"});
    if (provider.userinfo_format != UserinfoFormat::jwt && words.size() > 1) throw Mistake("only \"jwt\" has parameters");
    options.read("alg", provider.userinfo_algs, [](std::string_view text) { return parse_signing_algs(split(text, ',')); });
    options.read("encryption", block.userinfo_encryption, parse_choice<required_or_off>);
}

bool is_visible(std::string_view text, std::string_view but_not)
{
    auto fits = [&](char c) { return c > 0x20 && c < 0x7f && but_not.find(c) == but_not.npos; };
    return !text.empty() && std::ranges::all_of(text, fits);
}

// Browsers hold a cookie name to RFC 6265's token.
void set_cookie_name(Block& block, const Words& words)
{
    bool token = is_visible(words[0], "()<>@,;:\\\"/[]?={}");
    if (!token) throw Mistake(quoted(words[0]) + " is no cookie name; use letters, digits, _ and -");
    block.provider.cookie.name = words[0];
    block.provider.cookie.name_given = true;
}

std::string parse_cookie_domain(std::string_view text)
{
    if (!is_visible(text, ";,")) throw Mistake(quoted(text) + " is no domain");
    return std::string(text);
}

std::string parse_cookie_path(std::string_view text)
{
    if (!is_visible(text, ";,") || !text.starts_with('/')) throw Mistake(quoted(text) + " is no path");
    return std::string(text);
}

// Where the browser goes after a logout: anywhere.
std::string parse_page(std::string_view text)
{
    if (!text.starts_with('/')) return parse_safe_url(text);
    if (!is_local_path(text)) throw Mistake(quoted(text) + " is no path of this site");
    return std::string(text);
}

std::string parse_error_uri(std::string_view text)
{
    if (!is_local_path(text)) throw Mistake(quoted(text) + " is no path of this site, where an internal redirect can go");
    return std::string(text);
}

void set_session_store(Block& block, const Words& words)
{
    block.conf.session_store = words[0];
    block.conf.store_place = here(block.cf);
}

Seconds parse_lifetime(std::string_view text)
{
    Seconds lifetime = parse_seconds(text);
    if (lifetime == 0) throw Mistake("a life of 0 s would end every login at once");
    return lifetime;
}

std::size_t parse_state_limit(std::string_view text) { return static_cast<std::size_t>(parse_number(text, "number", 1, 64)); }

constexpr std::size_t many = 64;

constexpr Directive table[] = {
    {"scope", 1, many, false, set_scope},
    {"redirect_uri", 1, 1, false, set<&Provider::redirect_uri, parse_endpoint_uri>},
    {"login_uri", 1, 1, false, set<&Provider::login_uri, parse_endpoint_path>},
    {"logout_uri", 1, 1, false, set<&Provider::logout_uri, parse_endpoint_path>},
    {"post_logout_uri", 1, 1, false, set<&Provider::post_logout_uri, parse_endpoint_uri>},
    {"logged_out_uri", 1, 1, false, set<&Provider::logged_out_uri, parse_page>},
    {"error_uri", 1, 1, false, set<&Provider::error_uri, parse_error_uri>},
    {"extra_auth_args", 1, 1, false, set_extra_auth_args},
    {"auth_args", 2, 2, true, set_auth_args},
    {"acr_values", 1, many, false, set_acr_values},
    {"claims", 1, 1, false, set_claims},
    {"prompt", 1, many, false, set_argument},
    {"login_hint", 1, 1, false, set_argument},
    {"idp_hint", 1, 1, false, set_argument},
    {"ui_locales", 1, many, false, set_argument},
    {"max_age", 1, 1, false, set<&Provider::max_age, parse_seconds>},
    {"pkce", 1, 1, false, set<&Provider::pkce, parse_choice<pkce_switch>>},
    {"iss_parameter", 1, 1, false, set<&Provider::iss_parameter, parse_choice<iss_switch>>},
    {"login_deadline", 1, 1, false, set<&Provider::login_deadline, parse_deadline>},
    {"id_token_signing_alg", 1, many, false, set_id_token_signing_alg},
    {"id_token_encryption", 1, 3, false, set_id_token_encryption},
    {"userinfo", 1, 1, false, set<&Provider::userinfo, parse_choice<on_off>>},
    {"userinfo_format", 1, 3, false, set_userinfo_format},
    {"clock_skew", 1, 1, false, set<&Provider::clock_skew, parse_seconds>},
    {"state_timeout", 1, 1, false, set<&Provider::state_timeout, parse_lifetime>},
    {"state_limit", 1, 1, false, set<&Provider::state_limit, parse_state_limit>},
    {"session_store", 1, 1, false, set_session_store},
    {"session_timeout", 1, 1, false, set<&Provider::session_timeout, parse_lifetime>},
    {"session_idle_timeout", 1, 1, false, set<&Provider::session_idle_timeout, parse_seconds_or_off>},
    {"session_max_lifetime", 1, 1, false, set<&Provider::session_max_lifetime, parse_seconds_or_off>},
    {"cookie_name", 1, 1, false, set_cookie_name},
    {"cookie_domain", 1, 1, false, set<&CookieRules::domain, parse_cookie_domain>},
    {"cookie_path", 1, 1, false, set<&CookieRules::path, parse_cookie_path>},
    {"cookie_samesite", 1, 1, false, set<&CookieRules::samesite, parse_choice<samesites>>},
    {"cookie_secure", 1, 1, false, set<&CookieRules::secure, parse_choice<any_switch>>},
    {"logout_token_hint", 1, 1, false, set<&Provider::logout_token_hint, parse_choice<on_off>>},
    {"logout_state", 1, 1, false, set<&Block::logout_state, parse_choice<any_switch>>},
};

}  // namespace

std::span<const Directive> login_directives() { return table; }

}  // namespace oidc::ngx
