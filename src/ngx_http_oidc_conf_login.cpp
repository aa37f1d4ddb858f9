// Directives of oidc_provider: the login, its tokens, the session and the logout.
#include <algorithm>
#include <iterator>

#include "ngx_http_oidc_conf_provider.hpp"
#include "oidc/json.hpp"
#include "oidc/jwe.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t max_claims_file = 64 * 1024;

void set_login_deadline(Block& block, const Words& words)
{
    block.provider.login_deadline = parse_milliseconds(words[0]);
    if (block.provider.login_deadline == 0) throw Mistake("no login ends in no time; write at least 1s");
}

void set_scope(Block& block, const Words& words)
{
    std::string text = joined(words);
    Words scopes = split(text, ' ');
    bool openid = std::find(scopes.begin(), scopes.end(), "openid") != scopes.end();
    if (!openid) throw Mistake("\"openid\" is missing; without it there is no login");
    block.provider.scope = joined(scopes);
}

}  // namespace

void require_free_argument(std::string_view name)
{
    if (name.empty()) throw Mistake("an authorization parameter without a name");
    if (is_reserved_argument(name)) throw Mistake("the parameter " + quoted(name) + " is the module's own; remove it");
}

std::vector<Param> parse_arguments(std::string_view query)
{
    std::optional<std::vector<Param>> args = parse_query(query);
    if (!args) throw Mistake(quoted(query) + " is no query; write it like \"a=b&c=d\", with %XX escapes");
    return *args;
}

namespace {

void add_argument(Block& block, std::string_view name, std::string_view text, bool is_literal)
{
    require_free_argument(name);
    for (const AuthArg& other : block.conf.args) {
        if (other.name == name) throw Mistake("the authorization parameter " + quoted(name) + " is written twice");
    }
    std::optional<std::string> value;
    if (is_literal) value = text;
    block.arguments.push_back({std::string(name), std::string(block.directive), here(block.cf), std::move(value)});
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
template <const std::string_view& Name>
void set_argument(Block& block, const Words& words)
{
    std::string text = joined(words);
    add_argument(block, Name, text, !has_variables(text));
}

constexpr std::string_view prompt = "prompt", login_hint = "login_hint", idp_hint = "idp_hint", ui_locales = "ui_locales";

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
    if (has_variables(text)) {
        block.conf.acr_values = compile(block.cf, text);
        return;
    }
    for (std::string_view level : split(text, ' ')) block.provider.acr_default.emplace_back(level);
    if (block.provider.acr_default.empty()) throw Mistake("the value is empty");
}

void set_pkce(Block& block, const Words& words)
{
    block.provider.pkce = parse_on_off(words[0]) ? Switch::on : Switch::off;
}

void set_iss_parameter(Block& block, const Words& words)
{
    block.provider.iss_parameter =
        parse_choice<Switch>(words[0], {{"auto", Switch::automatic}, {"required", Switch::on}, {"off", Switch::off}});
}

void set_max_age(Block& block, const Words& words) { block.provider.max_age = parse_seconds(words[0]); }

std::vector<std::string> parse_signing_algs(std::span<const std::string_view> words)
{
    constexpr std::string_view known[] = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
                                          "ES256", "ES384", "ES512", "HS256", "HS384", "HS512"};
    std::vector<std::string> algs;
    for (std::string_view word : words) {
        if (word == "none") throw Mistake("\"none\" means an unsigned token, and is never accepted; name the algorithm");
        bool is_known = std::find(std::begin(known), std::end(known), word) != std::end(known);
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

bool parse_required(std::string_view text) { return parse_choice<bool>(text, {{"required", true}, {"off", false}}); }

void set_id_token_signing_alg(Block& block, const Words& words) { block.provider.id_token_algs = parse_signing_algs(words); }

void set_id_token_encryption(Block& block, const Words& words)
{
    Encryption& encryption = block.provider.id_token_encryption;
    encryption.required = parse_required(words[0]);
    Options options(words, 1, {"alg", "enc"});
    options.read("alg", encryption.algs, parse_encryption_algs);
    if (options.get("enc").value_or("A256GCM") != "A256GCM") throw Mistake("the content encryption is A256GCM alone");
    if (!encryption.required && words.size() > 1) throw Mistake("\"off\" has no parameters");
}

void set_userinfo_format(Block& block, const Words& words)
{
    Provider& provider = block.provider;
    provider.userinfo_format = parse_choice<UserinfoFormat>(
        words[0], {{"auto", UserinfoFormat::automatic}, {"json", UserinfoFormat::json}, {"jwt", UserinfoFormat::jwt}});
    Options options(words, 1, {"alg", "encryption"});
    if (provider.userinfo_format != UserinfoFormat::jwt && words.size() > 1) throw Mistake("only \"jwt\" has parameters");
    options.read("alg", provider.userinfo_algs, [](std::string_view text) { return parse_signing_algs(split(text, ',')); });
    options.read("encryption", block.userinfo_encryption,
                 [](std::string_view text) { return parse_required(text) ? Switch::on : Switch::off; });
}

// Browsers hold a cookie name to RFC 6265's token.
void set_cookie_name(Block& block, const Words& words)
{
    bool token = !words[0].empty() && std::all_of(words[0].begin(), words[0].end(), [](char c) {
        return c > 0x20 && c < 0x7f && std::string_view("()<>@,;:\\\"/[]?={}").find(c) == std::string_view::npos;
    });
    if (!token) throw Mistake(quoted(words[0]) + " is no cookie name; use letters, digits, _ and -");
    block.provider.cookie.name = words[0];
    block.provider.cookie.name_given = true;
}

bool is_cookie_attribute(std::string_view text)
{
    bool visible = std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    return !text.empty() && visible && text.find_first_of(";,") == text.npos;
}

void set_cookie_domain(Block& block, const Words& words)
{
    if (!is_cookie_attribute(words[0])) throw Mistake(quoted(words[0]) + " is no domain");
    block.provider.cookie.domain = words[0];
}

void set_cookie_path(Block& block, const Words& words)
{
    if (!is_cookie_attribute(words[0]) || !words[0].starts_with('/')) throw Mistake(quoted(words[0]) + " is no path");
    block.provider.cookie.path = words[0];
}

void set_cookie_samesite(Block& block, const Words& words)
{
    block.provider.cookie.samesite =
        parse_choice<SameSite>(words[0], {{"lax", SameSite::lax}, {"none", SameSite::none}, {"strict", SameSite::strict}});
}

Switch parse_switch(std::string_view text)
{
    return parse_choice<Switch>(text, {{"auto", Switch::automatic}, {"on", Switch::on}, {"off", Switch::off}});
}

void set_cookie_secure(Block& block, const Words& words) { block.provider.cookie.secure = parse_switch(words[0]); }

void set_logout_state(Block& block, const Words& words) { block.logout_state = parse_switch(words[0]); }

void set_error_uri(Block& block, const Words& words)
{
    if (!is_local_path(words[0])) throw Mistake(quoted(words[0]) + " is no path of this site, where an internal redirect can go");
    block.provider.error_uri = words[0];
}

void set_session_store(Block& block, const Words& words)
{
    block.conf.session_store = words[0];
    block.conf.store_place = here(block.cf);
}

template <auto Member>
void set_lifetime(Block& block, const Words& words)
{
    set_seconds<Member>(block, words);
    if (block.provider.*Member == 0) throw Mistake("a life of 0 s would end every login at once");
}

void set_state_limit(Block& block, const Words& words)
{
    ngx_int_t limit = ngx_atoi(borrow(words[0]).data, words[0].size());
    if (limit < 1 || limit > 64) throw Mistake("invalid number " + quoted(words[0]) + ", it can be 1 to 64");
    block.provider.state_limit = static_cast<std::size_t>(limit);
}

constexpr std::size_t many = 64;

constexpr Directive table[] = {
    {"scope", 1, many, false, set_scope},
    {"redirect_uri", 1, 1, false, set_endpoint_uri<&Provider::redirect_uri>},
    {"login_uri", 1, 1, false, set_endpoint_path<&Provider::login_uri>},
    {"logout_uri", 1, 1, false, set_endpoint_path<&Provider::logout_uri>},
    {"post_logout_uri", 1, 1, false, set_endpoint_uri<&Provider::post_logout_uri>},
    {"logged_out_uri", 1, 1, false, set_page<&Provider::logged_out_uri>},
    {"error_uri", 1, 1, false, set_error_uri},
    {"extra_auth_args", 1, 1, false, set_extra_auth_args},
    {"auth_args", 2, 2, true, set_auth_args},
    {"acr_values", 1, many, false, set_acr_values},
    {"claims", 1, 1, false, set_claims},
    {"prompt", 1, many, false, set_argument<prompt>},
    {"login_hint", 1, 1, false, set_argument<login_hint>},
    {"idp_hint", 1, 1, false, set_argument<idp_hint>},
    {"ui_locales", 1, many, false, set_argument<ui_locales>},
    {"max_age", 1, 1, false, set_max_age},
    {"pkce", 1, 1, false, set_pkce},
    {"iss_parameter", 1, 1, false, set_iss_parameter},
    {"login_deadline", 1, 1, false, set_login_deadline},
    {"id_token_signing_alg", 1, many, false, set_id_token_signing_alg},
    {"id_token_encryption", 1, 3, false, set_id_token_encryption},
    {"userinfo", 1, 1, false, set_on_off<&Provider::userinfo>},
    {"userinfo_format", 1, 3, false, set_userinfo_format},
    {"clock_skew", 1, 1, false, set_seconds<&Provider::clock_skew>},
    {"state_timeout", 1, 1, false, set_lifetime<&Provider::state_timeout>},
    {"state_limit", 1, 1, false, set_state_limit},
    {"session_store", 1, 1, false, set_session_store},
    {"session_timeout", 1, 1, false, set_lifetime<&Provider::session_timeout>},
    {"session_idle_timeout", 1, 1, false, set_seconds_or_off<&Provider::session_idle_timeout>},
    {"session_max_lifetime", 1, 1, false, set_seconds_or_off<&Provider::session_max_lifetime>},
    {"cookie_name", 1, 1, false, set_cookie_name},
    {"cookie_domain", 1, 1, false, set_cookie_domain},
    {"cookie_path", 1, 1, false, set_cookie_path},
    {"cookie_samesite", 1, 1, false, set_cookie_samesite},
    {"cookie_secure", 1, 1, false, set_cookie_secure},
    {"logout_token_hint", 1, 1, false, set_on_off<&Provider::logout_token_hint>},
    {"logout_state", 1, 1, false, set_logout_state},
};

}  // namespace

std::span<const Directive> login_directives() { return table; }

}  // namespace oidc::ngx
