// The end of an oidc_provider block: what the profile sets, then the checks that need more than one directive.
#include <algorithm>
#include <array>

#include "ngx_http_oidc_conf_parse.hpp"

namespace oidc::ngx {
namespace {

Place place_of(const Block& block, std::string_view directive)
{
    auto at = block.written.find(directive);
    return at != block.written.end() ? at->second : block.conf.place;
}

std::string prefixed(const Block& block, std::string_view what, const std::string& sentence)
{
    return "oidc_provider " + quoted(block.provider.name) + ": " + std::string(what) + ": " + sentence;
}

// `what` is shown, its first word is the directive whose line is named.
[[noreturn]] void refuse(const Block& block, std::string_view what, const std::string& sentence)
{
    throw Mistake(place_of(block, what.substr(0, what.find(' '))), prefixed(block, what, sentence));
}

void warn(const Block& block, std::string_view what, const std::string& sentence)
{
    report(block.cf, NGX_LOG_WARN, place_of(block, what), prefixed(block, what, sentence));
}

std::string title(const Block& block) { return std::string(block.provider.profile->title); }

void choose_issuer(Block& block)
{
    Provider& provider = block.provider;
    const std::vector<ProfileIssuer>& issuers = provider.profile->issuers;
    if (issuers.empty() && block.environment_given) refuse(block, "profile", "it has neither environments nor networks");
    auto row = std::ranges::find_if(issuers, [&](const ProfileIssuer& each) {
        return each.environment == block.environment && each.network == block.network;
    });
    if (row == issuers.end() && block.environment_given) {
        refuse(block, "profile", title(block) + " has no environment " + quoted(block.environment) + " on network " +
                                     quoted(block.network));
    }
    if (row != issuers.end() && provider.issuer.empty()) provider.issuer = row->issuer;
    if (provider.issuer.empty()) refuse(block, "issuer", "the directive is missing; copy the issuer of the provider's metadata");
    if (!provider.config_url.empty()) return;
    provider.config_url = provider.issuer;
    if (provider.config_url.ends_with('/')) provider.config_url.pop_back();
    provider.config_url += "/.well-known/openid-configuration";
}

template <class T, class U>
void default_to(const Block& block, std::string_view directive, T& value, const U& profile_value)
{
    if (!block.has(directive)) value = profile_value;
}

// The directives that were not written take the profile's value.
void apply_profile(Block& block)
{
    Provider& provider = block.provider;
    if (provider.profile == nullptr) provider.profile = find_profile("generic");
    const Profile& profile = *provider.profile;
    choose_issuer(block);
    default_to(block, "pkce", provider.pkce, profile.pkce);
    default_to(block, "userinfo", provider.userinfo, profile.userinfo);
    default_to(block, "userinfo_format", provider.userinfo_format, profile.userinfo_format);
    default_to(block, "id_token_signing_alg", provider.id_token_algs, profile.id_token_algs);
    default_to(block, "id_token_encryption", provider.id_token_encryption.required, profile.encryption == Switch::on);
    default_to(block, "logout_token_hint", provider.logout_token_hint, profile.logout_token_hint);
    provider.logout_state = block.logout_state == Switch::automatic ? profile.logout_state : block.logout_state == Switch::on;
    Switch encryption = block.userinfo_encryption == Switch::automatic ? profile.encryption : block.userinfo_encryption;
    provider.userinfo_encryption.required = encryption == Switch::on;
    provider.acr_orders = profile.acr_orders;
    if (provider.acr_orders.empty() && !provider.acr_default.empty()) provider.acr_orders = {provider.acr_default};
}

bool is_hex64(std::string_view text)
{
    return text.size() == 64 && text.find_first_not_of("0123456789abcdefABCDEF") == text.npos;
}

void check_client(Block& block)
{
    Provider& provider = block.provider;
    if (provider.client_id.empty()) refuse(block, "client_id", "the directive is missing; the provider gave it at registration");
    if (block.has("client_secret") && block.has("client_secret_file")) {
        refuse(block, "client_secret_file", "there is a client_secret too; keep one of them");
    }
    ClientAuth accepted = provider.profile->client_auth;
    if (provider.client_auth == ClientAuth::automatic) provider.client_auth = accepted;
    if (accepted != ClientAuth::automatic && provider.client_auth != accepted) {
        refuse(block, "token_endpoint_auth_method", title(block) + " accepts client_secret_post alone; remove the directive");
    }
    if (provider.client_secret.empty()) {
        if (provider.client_auth == ClientAuth::basic || provider.client_auth == ClientAuth::post) {
            refuse(block, "client_secret", "the directive is missing; write client_secret or client_secret_file");
        }
        provider.client_auth = ClientAuth::none;
    }
    if (provider.profile->portal && !is_hex64(provider.client_secret.reveal())) {
        warn(block, block.has("client_secret_file") ? "client_secret_file" : "client_secret",
             title(block) + " gives secrets of 64 hexadecimal characters, and this is none");
    }
}

void check_arguments(const Block& block)
{
    const Provider& provider = block.provider;
    const Profile& profile = *provider.profile;
    for (const Argument& arg : block.arguments) {
        std::string why = why_refused(profile, arg.name, arg.value ? &*arg.value : nullptr);
        bool acr = arg.name == "acr_values" && (block.has("acr_values") || !provider.acr_default.empty());
        bool max_age = arg.name == "max_age" && provider.max_age;
        if (acr || max_age) why = quoted(arg.name) + " would be sent twice; use its own directive alone";
        if (!why.empty()) throw Mistake(arg.place, prefixed(block, arg.directive, why));
    }
    if (provider.max_age && !profile.max_age_refusal.empty()) {
        refuse(block, "max_age", title(block) + ": " + std::string(profile.max_age_refusal));
    }
    if (provider.pkce == Switch::on && !profile.pkce_refusal.empty()) {
        refuse(block, "pkce on", title(block) + " " + std::string(profile.pkce_refusal) + "; remove the directive");
    }
}

void check_acr(Block& block)
{
    Provider& provider = block.provider;
    for (const std::string& level : provider.acr_default) {
        if (knows_acr(*provider.profile, level)) continue;
        Words known;
        for (const auto& order : provider.profile->acr_orders) known.insert(known.end(), order.begin(), order.end());
        refuse(block, "acr_values", title(block) + " has no level " + quoted(level) + ", it has " + joined(known));
    }
    if (provider.acr_default.empty()) provider.acr_default = provider.profile->acr_default;
}

void check_hs_secret(const Block& block, std::string_view directive, const std::vector<std::string>& algs)
{
    for (const std::string& alg : algs) {
        if (!alg.starts_with("HS")) continue;
        std::size_t least = static_cast<std::size_t>(std::stoi(alg.substr(2))) / 8;
        std::size_t size = block.provider.client_secret.reveal().size();
        if (size >= least) continue;
        refuse(block, directive, alg + " needs a client_secret of at least " + std::to_string(least) + " bytes, and this one has " +
                                     std::to_string(size) + "; name an asymmetric algorithm, or ask for a longer secret");
    }
}

void check_algs(const Block& block, std::string_view directive, const std::vector<std::string>& algs)
{
    check_hs_secret(block, directive, algs);
    const std::vector<std::string>& known = block.provider.profile->known_algs;
    for (const std::string& alg : algs) {
        if (known.empty() || std::ranges::find(known, alg) != known.end()) continue;
        Words names(known.begin(), known.end());
        refuse(block, directive, title(block) + " never signs with " + alg + ", it has " + joined(names));
    }
}

void check_signing(const Block& block)
{
    const Provider& provider = block.provider;
    const Profile& profile = *provider.profile;
    check_algs(block, "id_token_signing_alg", provider.id_token_algs);
    check_algs(block, "userinfo_format", provider.userinfo_algs);
    if (profile.portal && block.has("id_token_signing_alg") && provider.id_token_algs.size() > 1) {
        warn(block, "id_token_signing_alg", title(block) + " signs with the one algorithm that was registered; name it alone");
    }
    if (!profile.userinfo_json && provider.userinfo_format == UserinfoFormat::json) {
        refuse(block, "userinfo_format", title(block) + " answers with a signed JWT; remove the directive");
    }
}

bool any_key(const Provider& provider, std::string_view alg)
{
    return std::ranges::any_of(provider.own_keys, [&](const OwnKey& key) { return can_decrypt(key, alg); });
}

constexpr std::array<std::string_view, 3> all_encryption_algs{"ECDH-ES", "RSA-OAEP-256", "RSA-OAEP"};

// The algorithms that were named, else all that the keys can do.
void choose_encryption_algs(Block& block)
{
    Provider& provider = block.provider;
    std::vector<std::string>& algs = provider.id_token_encryption.algs;
    for (const std::string& alg : algs) {
        if (any_key(provider, alg)) continue;
        refuse(block, "id_token_encryption", "no client_key with use=enc can do " + alg + "; it needs " +
                                                 (alg == "ECDH-ES" ? "an EC key on P-256" : "an RSA key of at least 2048 bits"));
    }
    if (algs.empty()) {
        for (std::string_view alg : all_encryption_algs) {
            if (any_key(provider, alg)) algs.emplace_back(alg);
        }
    }
    provider.userinfo_encryption.algs = algs;
}

void check_profile_encryption(const Block& block, std::string_view directive, bool required)
{
    Switch rule = block.provider.profile->encryption;
    if (rule == Switch::off && required) refuse(block, directive, title(block) + " encrypts no token; leave encryption out");
    if (rule == Switch::on && !required) refuse(block, directive, title(block) + " encrypts every token; leave \"off\" out");
}

void check_encryption(Block& block)
{
    Provider& provider = block.provider;
    bool id_token = provider.id_token_encryption.required, userinfo = provider.userinfo_encryption.required;
    check_profile_encryption(block, "id_token_encryption", id_token);
    check_profile_encryption(block, "userinfo_format", userinfo);
    if (!id_token && !userinfo) return;
    if (std::ranges::none_of(all_encryption_algs, [&](std::string_view alg) { return any_key(provider, alg); })) {
        refuse(block, "client_key",
               "tokens come encrypted, and there is no key to decrypt them; make one with \"openssl genpkey -algorithm EC "
               "-pkeyopt ec_paramgen_curve:P-256 -out enc.pem\" and add \"client_key enc.pem use=enc alg=ECDH-ES\"");
    }
    choose_encryption_algs(block);
    if (!provider.client_jwks_uri.empty()) return;
    warn(block, "client_jwks_uri",
         "the provider fetches the key it encrypts to from an address registered as jwks_uri, and this module serves none; "
         "add \"client_jwks_uri /oidc/jwks\", unless another server publishes the key");
}

void publish_keys(Block& block)
{
    Provider& provider = block.provider;
    bool none = std::ranges::find(provider.own_keys, KeyState::active, &OwnKey::state) == provider.own_keys.end();
    if (!provider.client_jwks_uri.empty() && none) refuse(block, "client_jwks_uri", "no client_key is active, add one");
    provider.own_jwks = public_jwks(provider.own_keys);
}

bool has_prefix(std::string_view name, std::string_view prefix)
{
    return name.size() >= prefix.size() && ngx_strncasecmp(borrow(name).data, borrow(prefix).data, prefix.size()) == 0;
}

void check_cookie(const Block& block)
{
    const CookieRules& cookie = block.provider.cookie;
    bool secure_off = cookie.secure == Switch::off;
    if (cookie.samesite == SameSite::strict) {
        refuse(block, "cookie_samesite strict", "browsers withhold it after the provider's redirect: logins would loop; use lax");
    }
    if (cookie.samesite == SameSite::none && secure_off) {
        refuse(block, "cookie_samesite none", "browsers accept it on Secure cookies alone; remove \"cookie_secure off\"");
    }
    bool host = cookie.name_given ? has_prefix(cookie.name, "__Host-") : !secure_off;
    bool secure = host || (cookie.name_given && has_prefix(cookie.name, "__Secure-"));
    std::string remedy = cookie.name_given ? "; choose another cookie_name" : "; name the cookie with cookie_name";
    if (secure && secure_off) refuse(block, "cookie_secure off", "browsers then refuse the name " + quoted(cookie.name) + remedy);
    if (host && !cookie.domain.empty()) refuse(block, "cookie_domain", "browsers refuse it with the prefix __Host-" + remedy);
    if (host && cookie.path != "/") refuse(block, "cookie_path", "with the prefix __Host- browsers accept / alone" + remedy);
}

void check_logout(const Block& block)
{
    const Provider& provider = block.provider;
    if (provider.profile->portal && !provider.logout_uri.empty() && provider.post_logout_uri.empty()) {
        refuse(block, "logout_uri", "without post_logout_uri " + title(block) + " keeps the browser; add it, as registered");
    }
    if (provider.profile->logout_needs_hint && !provider.logout_token_hint) {
        refuse(block, "logout_token_hint off", title(block) + " refuses a logout without id_token_hint; remove the directive");
    }
}

}  // namespace

void complete_provider(Block& block)
{
    apply_profile(block);
    check_client(block);
    check_acr(block);
    check_arguments(block);
    check_signing(block);
    check_encryption(block);
    publish_keys(block);
    check_cookie(block);
    check_logout(block);
    std::vector<Route> routes;
    add_routes(routes, block.conf);
}

}  // namespace oidc::ngx
