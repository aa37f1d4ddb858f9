#include "conf/provider_directives.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <openssl/pem.h>

#include "conf/config_error.hpp"
#include "conf/files.hpp"
#include "conf/parse.hpp"
#include "conf/provider_conf.hpp"
#include "conf/secret_file.hpp"
#include "conf/values.hpp"
#include "oidc/base/cookie.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/openssl.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/jose/own_keys.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/http_policy.hpp"
#include "oidc/provider/profiles.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t many = 64;

// ---- Setters: words[0] is the directive

std::string rest(const Words& words, int from = 1) { return join({words.begin() + from, words.end()}, " "); }

// The words go to a member of the provider, or of one of its parts.
template <auto Parse, auto... Path>
void set(ngx_conf_t*, ProviderConf& conf, const Words& words)
{
    auto& target = (conf.provider.*....*Path);
    target = std::remove_reference_t<decltype(target)>(Parse(rest(words)));
}

void set_profile(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    const Profile* profile = find_profile(words[1]);
    std::string environment = "production", network = "internet",
                names = join(names_of(profiles(), &Profile::name), " "), known;
    if (profile == nullptr) throw ConfigError("unknown profile " + quoted(words[1]) + ", it can be one of: " + names);
    read_options(words, 2, {{"environment", into<parse_text>(environment)}, {"network", into<parse_text>(network)}});

    auto row = std::ranges::find_if(profile->issuers, [&](const ProfileIssuer& each) {
        return each.environment == environment && each.network == network;
    });

    bool found = row != profile->issuers.end(), asked = words.size() > 2;
    if (asked && profile->issuers.empty()) throw ConfigError("it has neither environments nor networks");
    std::string where = quoted(environment) + " on network " + quoted(network);
    for (const auto& each : profile->issuers)
        known += concat({"; environment=", each.environment, " network=", each.network});
    if (asked && !found) throw ConfigError(concat({profile->title, " has no environment ", where, known}));

    if (found && !conf.written.contains("issuer")) conf.provider.issuer = row->issuer;
    conf.provider.profile = profile;
}

void set_endpoint(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    constexpr std::string Endpoints::*urls[] = {
        &Endpoints::authorization, &Endpoints::token,      &Endpoints::userinfo, &Endpoints::jwks,
        &Endpoints::end_session,   &Endpoints::revocation, &Endpoints::par};
    std::size_t index = parse_name(words[1], "authorization token userinfo jwks end_session revocation par");
    std::string& url = conf.provider.overrides.*urls[index];
    if (!url.empty()) throw ConfigError(quoted(words[1]) + " is written twice");
    url = parse_safe_url(words[2]);
}

template <auto Member>
void set_cache(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    CachePolicy& policy = conf.provider.*Member;
    read_options(words, 1,
                 {{"valid", into<parse_seconds>(policy.valid)},
                  {"stale", into<parse_seconds>(policy.stale)},
                  {"min_refresh", into<parse_min_refresh>(policy.min_refresh)}});
}

void set_http_timeout(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    HttpPolicy& http = conf.provider.http;
    http.timeout = parse_call_time(words[1]);
    read_options(words, 2, {{"connect", into<parse_call_time>(http.connect_timeout)}});
    http.connect_timeout = std::min(http.connect_timeout, http.timeout);
}

// A file that workers open, and that holds what `Read` finds.
template <auto Member, auto Read, auto Free, Literal What>
void set_pem_file(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    std::string name = full_name(cf, words[1]), text = read_file(name);
    if (std::string why = why_unreadable(cf, name); !why.empty()) throw ConfigError(why);
    Owned<BIO, BIO_free> pem(BIO_new_mem_buf(text.c_str(), -1));
    int count = 0;
    for (; auto* item = Read(pem.get(), nullptr, nullptr, nullptr); ++count) Free(item);
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (!at_end)
        throw ConfigError(quoted(name) + ": " + What.text + " " + std::to_string(count + 1) + " in it is broken");
    if (count == 0) throw ConfigError(quoted(name) + " holds no " + What.text + " in PEM");
    conf.provider.http.*Member = name;
}

// A file that no worker opens: its text is kept.
template <auto Member>
void set_held_file(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    auto& target = conf.provider.http.*Member;
    target = std::remove_reference_t<decltype(target)>(read_file(full_name(cf, words[1])));
}

void set_client_secret_file(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    SecretFile& file = conf.secret_file;
    file.name = full_name(cf, words[1]);
    file.look();  // before it is read: what changes in between is read again
    conf.provider.client_secret = read_secret(file.name);
    std::string why = why_unreadable(cf, file.name);
    if (why.empty()) return;
    file.name.clear();
    report(cf, NGX_LOG_NOTICE, here(cf),
           directive_of(conf.provider, words[0]) + ": " + why + ", or reload when it changes");
}

void set_auth_method(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    bool& by_endpoint = conf.provider.audience_is_token_endpoint;
    conf.provider.client_auth = one_of<ClientAuth, client_auth_names>(words[1]);
    read_options(words, 2, {{"audience", into<one_of<bool, "issuer token_endpoint">>(by_endpoint)}});
    bool signs = words[1].ends_with("_jwt");
    if (words.size() > 2 && !signs) throw ConfigError("only private_key_jwt and client_secret_jwt have an audience");
}

void set_client_key(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    std::optional<KeyUse> use;
    KeyState state = KeyState::active;
    std::string alg, kid, name = full_name(cf, words[1]);
    read_options(words, 2,
                 {{"use", into<one_of<KeyUse, "sig enc">>(use)},
                  {"alg", into<parse_text>(alg)},
                  {"kid", into<parse_text>(kid)},
                  {"state", into<one_of<KeyState, "next active retired">>(state)}});

    if (!use) throw ConfigError("use=sig or use=enc is missing");

    Secret text(read_file(name));
    try {
        OwnKey key = load_own_key(text.reveal(), *use, alg, kid);
        key.state = state;

        bool known = contains(conf.provider.own_keys, key.kid, &OwnKey::kid);
        if (known) throw ConfigError(quoted(name) + ": another client_key has the kid " + quoted(key.kid));
        conf.provider.own_keys.push_back(std::move(key));
    } catch (const std::invalid_argument& e) {
        throw ConfigError(quoted(name) + ": " + e.what());
    }
}

void set_client_jwks_uri(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    conf.provider.client_jwks_uri = parse_endpoint_path(words[1], "/oidc_jwks");
    read_options(words, 2, {{"max_age", into<parse_seconds>(conf.provider.client_jwks_max_age)}});
}

void add_argument(ngx_conf_t* cf, ProviderConf& conf, const Words& words, std::string_view name,
                  ngx_http_complex_value_t* value)
{
    require_free_argument(name);
    bool known = contains(conf.args, name, &AuthArg::name);
    if (known) throw ConfigError("the authorization parameter " + quoted(name) + " is written twice");
    conf.args.push_back({std::string(name), value, words[0], here(cf)});
}

void set_extra_auth_args(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    for (const Param& arg : parse_arguments(words[1])) add_argument(cf, conf, words, arg.name, literal(cf, arg.value));
}

// The word that is the parameter's name: of prompt, login_hint, ... it is the directive.
template <int Name>
void set_argument(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    add_argument(cf, conf, words, words[Name], compile(cf, rest(words, Name + 1)));
}

void set_claims(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    constexpr std::string_view from_file = "file:";
    std::string text = words[1];
    if (text.starts_with(from_file)) {
        text = read_file(full_name(cf, words[1].substr(from_file.size())));
    } else if (ngx_http_complex_value_t* value = compile(cf, text); value->lengths != nullptr) {
        return add_argument(cf, conf, words, words[0], value);
    }
    Json claims = Json::parse(text);
    if (!claims.is_object())
        throw ConfigError("the value is no JSON object; write it like '{\"id_token\":{\"amr\":null}}'");
    add_argument(cf, conf, words, words[0], literal(cf, claims.dump()));
}

void set_acr_values(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    Words levels = oidc::words(rest(words));
    if (levels.empty()) throw ConfigError("the value is empty");
    ngx_http_complex_value_t* value = compile(cf, rest(words));
    if (value->lengths != nullptr) conf.acr_values = value;
    else conf.provider.acr_default = levels;
}

void set_id_token_encryption(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    Encryption& encryption = conf.provider.id_token_encryption;
    std::string enc = "A256GCM";
    encryption.required = is_required(words[1]);
    read_options(words, 2, {{"alg", into<parse_encryption_algs>(encryption.algs)}, {"enc", into<parse_text>(enc)}});
    if (enc != "A256GCM") throw ConfigError("the content encryption is A256GCM alone");
    if (!encryption.required && words.size() > 2) throw ConfigError("\"off\" has no parameters");
}

void set_userinfo_format(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    Provider& provider = conf.provider;
    provider.userinfo_format = one_of<UserinfoFormat, "auto json jwt">(words[1]);
    if (provider.userinfo_format != UserinfoFormat::jwt && words.size() > 2)
        throw ConfigError("only \"jwt\" has parameters");
    auto set_encryption = [&](std::string_view text) {
        provider.userinfo_encryption.required = is_required(text);
        conf.written.emplace("userinfo_format encryption", here(cf));
    };
    read_options(words, 2, {{"alg", into<parse_signing_algs>(provider.userinfo_algs)}, {"encryption", set_encryption}});
}

void set_logout_state(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    Switch state = one_of<Switch, "auto on off">(words[1]);
    conf.provider.logout_state = state == Switch::on;
    if (state != Switch::automatic) conf.written.emplace("logout_state on", here(cf));
}

void set_session_refresh(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    conf.provider.session_refresh = is_on(words[1]);
    if (!conf.provider.session_refresh && words.size() > 2) throw ConfigError("\"off\" has no parameters");
    read_options(words, 2, {{"before", into<parse_seconds>(conf.provider.refresh_before)}});
}

void set_tamper_action(ngx_conf_t* cf, ProviderConf& conf, const Words& words)
{
    conf.provider.tamper_logout = parse_name(words[1], "reject provider_logout") == 1;
    if (!conf.provider.tamper_logout && words.size() > 2) throw ConfigError("\"reject\" has no parameters");
    if (words.size() > 2) conf.provider.tamper_uri = parse_page(words[2]);
}

// ---- The table

struct Directive {
    std::string_view name;
    std::size_t min_words, max_words;
    void (*set)(ngx_conf_t* cf, ProviderConf& conf, const Words& words);
    bool repeatable = false;
};

constexpr Directive directives[] = {
    {"profile", 1, 3, set_profile},
    {"issuer", 1, 1,
     set<checked<parse_safe_url, has_no_query, " has a query, and an issuer has none">, &Provider::issuer>},
    {"config_url", 1, 1, set<parse_safe_url, &Provider::config_url>},
    {"endpoint", 2, 2, set_endpoint, true},
    {"metadata_cache", 1, 3, set_cache<&Provider::metadata_cache>},
    {"jwks_cache", 1, 3, set_cache<&Provider::jwks_cache>},
    {"http_timeout", 1, 2, set_http_timeout},
    {"http_max_response", 1, 1, set<parse_max_response, &Provider::http, &HttpPolicy::max_response>},
    {"http_proxy", 1, 1, set<parse_proxy, &Provider::http, &HttpPolicy::proxy>},
    {"ssl_trusted_certificate", 1, 1,
     set_pem_file<&HttpPolicy::ca_file, PEM_read_bio_X509_AUX, X509_free, "certificate">},
    {"ssl_crl", 1, 1,
     set_pem_file<&HttpPolicy::crl_file, PEM_read_bio_X509_CRL, X509_CRL_free, "certificate revocation list">},
    {"ssl_certificate", 1, 1, set_held_file<&HttpPolicy::certificate>},
    {"ssl_certificate_key", 1, 1, set_held_file<&HttpPolicy::certificate_key>},
    {"client_id", 1, 1, set<checked<parse_constant, is_given, "the value is empty">, &Provider::client_id>},
    {"client_secret", 1, 1, set<checked<parse_text, is_given, "the secret is empty">, &Provider::client_secret>},
    {"client_secret_file", 1, 1, set_client_secret_file},
    {"token_endpoint_auth_method", 1, 2, set_auth_method},
    {"client_key", 1, 5, set_client_key, true},
    {"client_jwks_uri", 1, 2, set_client_jwks_uri},
    {"sector_identifier_uri", 1, 1,
     set<like<parse_endpoint_path, "/redirect_uris.json">, &Provider::sector_identifier_uri>},
    {"scope", 1, many, set<parse_scope, &Provider::scope>},
    {"redirect_uri", 1, 1, set<like<parse_endpoint_uri, "/oidc_callback">, &Provider::redirect_uri>},
    {"response_mode", 1, 1, set<is_form_post, &Provider::form_post>},
    {"initiate_login_uri", 1, 1, set<like<parse_endpoint_path, "/initiate_login">, &Provider::initiate_login_uri>},
    {"login_uri", 1, 1, set<like<parse_endpoint_path, "/login">, &Provider::login_uri>},
    {"logout_uri", 1, 1, set<like<parse_endpoint_path, "/logout">, &Provider::logout_uri>},
    {"post_logout_uri", 1, 1, set<like<parse_endpoint_uri, "/logged_out">, &Provider::post_logout_uri>},
    {"backchannel_logout_uri", 1, 1,
     set<like<parse_endpoint_path, "/backchannel_logout">, &Provider::backchannel_logout_uri>},
    {"frontchannel_logout_uri", 1, 1,
     set<like<parse_endpoint_path, "/frontchannel_logout">, &Provider::frontchannel_logout_uri>},
    {"logged_out_uri", 1, 1, set<parse_page, &Provider::logged_out_uri>},
    {"error_uri", 1, 1, set<parse_error_uri, &Provider::error_uri>},
    {"extra_auth_args", 1, 1, set_extra_auth_args},
    {"auth_args", 2, 2, set_argument<1>, true},
    {"acr_values", 1, many, set_acr_values},
    {"claims", 1, 1, set_claims},
    {"prompt", 1, many, set_argument<0>},
    {"login_hint", 1, 1, set_argument<0>},
    {"siret_hint", 1, 1, set_argument<0>},
    {"idp_hint", 1, 1, set_argument<0>},
    {"ui_locales", 1, many, set_argument<0>},
    {"max_age", 1, 1, set<parse_seconds, &Provider::max_age>},
    {"pkce", 1, 1, set<one_of<Switch, "on off", 1>, &Provider::pkce>},
    {"iss_parameter", 1, 1, set<one_of<Switch, "auto required off">, &Provider::iss_parameter>},
    {"par", 1, 1, set<one_of<Switch, "auto on off">, &Provider::par>},
    {"login_deadline", 1, 1, set<parse_deadline, &Provider::login_deadline>},
    {"id_token_signing_alg", 1, many, set<parse_signing_algs, &Provider::id_token_algs>},
    {"id_token_encryption", 1, 3, set_id_token_encryption},
    {"userinfo", 1, 1, set<is_on, &Provider::userinfo>},
    {"userinfo_format", 1, 3, set_userinfo_format},
    {"clock_skew", 1, 1, set<parse_seconds, &Provider::clock_skew>},
    {"state_timeout", 1, 1, set<parse_lifetime, &Provider::state_timeout>},
    {"state_limit", 1, 1, set<parse_state_limit, &Provider::state_limit>},
    {"session_store", 1, 1, [](ngx_conf_t*, ProviderConf& conf, const Words& words) { conf.session_store = words[1]; }},
    {"session_timeout", 1, 1, set<parse_lifetime, &Provider::session_timeout>},
    {"session_idle_timeout", 1, 1, set<parse_seconds_or_off, &Provider::session_idle_timeout>},
    {"session_max_lifetime", 1, 1, set<parse_seconds_or_off, &Provider::session_max_lifetime>},
    {"cookie_name", 1, 1, set<parse_cookie_name, &Provider::cookie, &CookieRules::name>},
    {"cookie_domain", 1, 1,
     set<checked<parse_text, is_cookie_domain, " is no domain; write it like example.fr">, &Provider::cookie,
         &CookieRules::domain>},
    {"cookie_path", 1, 1,
     set<checked<parse_text, is_cookie_path, " is no path">, &Provider::cookie, &CookieRules::path>},
    {"cookie_samesite", 1, 1, set<one_of<SameSite, "lax none strict">, &Provider::cookie, &CookieRules::samesite>},
    {"cookie_secure", 1, 1, set<one_of<Switch, "auto on off">, &Provider::cookie, &CookieRules::secure>},
    {"logout_token_hint", 1, 1, set<is_on, &Provider::logout_token_hint>},
    {"logout_state", 1, 1, set_logout_state},
    {"logout_method", 1, 1, set<one_of<LogoutMethod, "post samesite any">, &Provider::logout_method>},
    {"revoke_on_logout", 1, 1, set<is_on, &Provider::revoke_on_logout>},
    {"tamper_action", 1, 2, set_tamper_action},
    {"session_refresh", 1, 2, set_session_refresh},
};

// A directive's name among the values of a list: nginx reads on to the next ";". ("profile" is a scope too.)
void warn_of_swallowed(ngx_conf_t* cf, const std::string& who, std::span<const std::string> values, const Words& names)
{
    for (const std::string& value : values.subspan(1)) {
        bool odd = value != "profile" && contains(names, value);
        if (odd)
            report(cf, NGX_LOG_WARN, here(cf),
                   concat({who, ": it has the value ", quoted(value), "; is a \";\" missing before that word?"}));
    }
}

}  // namespace

char* read_directive(ngx_conf_t* cf, ngx_command_t* dummy, void* provider_conf) noexcept
{
    auto& conf = *static_cast<ProviderConf*>(provider_conf);
    Words words = names_of(items<ngx_str_t>(*cf->args), view), names = names_of(directives, &Directive::name);
    if (words[0] == "include") return ngx_conf_include(cf, dummy, nullptr);

    std::string who, name = quoted(words[0]);
    return guarded(cf, who, [&] {
        auto row = std::ranges::find(directives, words[0], &Directive::name);
        bool known = row != std::end(directives);
        if (!known)
            throw ConfigError("unknown directive " + name + " in oidc_provider" + did_you_mean(words[0], names));

        bool is_new = conf.written.emplace(row->name, here(cf)).second;
        if (!is_new && !row->repeatable) throw ConfigError(name + " directive is duplicate");

        bool fits = words.size() > row->min_words && words.size() <= row->max_words + 1;
        if (!fits) throw ConfigError("invalid number of arguments in " + name + " directive");
        who = directive_of(conf.provider, row->name);
        if (row->max_words == many) warn_of_swallowed(cf, who, std::span(words).subspan(1), names);
        row->set(cf, conf, words);
    });
}

}  // namespace oidc::ngx
