// The oidc_provider block as a whole: what the profile sets, then the checks that need more than one directive.
#include "ngx_http_oidc_conf.hpp"
#include "oidc/login.hpp"

namespace oidc::ngx {
namespace {

struct Completion {
    ngx_conf_t* cf;
    ProviderConf& conf;
    Provider& provider = conf.provider;
    const Profile& profile = *provider.profile;
    std::string title{profile.title};

    bool has(std::string_view directive) const { return conf.written.contains(directive); }

    // `what` is shown, its first word is the directive whose line is named.
    void refuse_if(bool wrong, std::string_view what, const std::string& sentence, ngx_uint_t level = NGX_LOG_EMERG) const
    {
        if (!wrong) return;
        Mistake mistake(said_in(provider, what) + ": " + sentence, conf.place_of(what.substr(0, what.find(' '))));
        if (level == NGX_LOG_EMERG) throw mistake;
        report(cf, level, mistake.place, mistake.what());
    }
    void warn_if(bool odd, std::string_view what, const std::string& why) const { refuse_if(odd, what, why, NGX_LOG_WARN); }

    // The directives that were not written take the profile's value. Then what a look at one or two directives decides.
    void check_rules() const
    {
        refuse_if(provider.issuer.empty(), "issuer", "the directive is missing; copy the issuer of the provider's metadata");
        if (!has("pkce")) provider.pkce = profile.pkce;
        if (!has("userinfo")) provider.userinfo = profile.userinfo;
        if (!has("userinfo_format")) provider.userinfo_format = profile.userinfo_format;
        if (!has("id_token_signing_alg")) provider.id_token_algs = profile.id_token_algs;
        if (!has("id_token_encryption")) provider.id_token_encryption.required = profile.encryption == Switch::on;
        if (!has("logout_token_hint")) provider.logout_token_hint = profile.logout_token_hint;
        if (!has("revoke_on_logout")) provider.revoke_on_logout = profile.revoke_on_logout;
        if (!has("tamper_action")) provider.tamper_logout = profile.tamper_logout;
        if (!has("logout_state on")) provider.logout_state = profile.logout_state;
        if (!has("userinfo_format encryption")) provider.userinfo_encryption.required = profile.encryption == Switch::on;
        provider.cookie.name_given = has("cookie_name");
        provider.config_url = metadata_url(provider);
        refuse_if(provider.client_id.empty(), "client_id", "the directive is missing; the provider gave it at registration");
        refuse_if(has("client_secret") && has("client_secret_file"), "client_secret_file",
                  "there is a client_secret too; keep one of them");
        refuse_if(provider.max_age && !profile.max_age_refusal.empty(), "max_age",
                  title + ": " + std::string(profile.max_age_refusal));
        refuse_if(provider.pkce == Switch::on && !profile.pkce_refusal.empty(), "pkce on",
                  title + " " + std::string(profile.pkce_refusal) + "; remove the directive");
        warn_if(profile.portal && has("id_token_signing_alg") && provider.id_token_algs.size() > 1, "id_token_signing_alg",
                title + " signs with the one algorithm that was registered; name it alone");
        refuse_if(!profile.userinfo_json && provider.userinfo_format == UserinfoFormat::json, "userinfo_format",
                  title + " answers with a signed JWT; remove the directive");
        refuse_if(profile.portal && !provider.logout_uri.empty() && provider.post_logout_uri.empty(), "logout_uri",
                  "without post_logout_uri " + title + " keeps the browser; add it, as registered");
        refuse_if(profile.logout_needs_hint && !provider.logout_token_hint, "logout_token_hint off",
                  title + " refuses a logout without id_token_hint; remove the directive");
        for (std::string_view page : {"post_logout_uri", "logged_out_uri"})
            warn_if(has(page) && provider.logout_uri.empty(), page, "there is no logout to come back from; add \"logout_uri /logout\"");
    }

    void check_client() const
    {
        ClientAuth accepted = profile.client_auth;
        ClientAuth& auth = provider.client_auth;
        if (auth == ClientAuth::automatic) auth = accepted;
        refuse_if(accepted != ClientAuth::automatic && auth != accepted, "token_endpoint_auth_method",
                  title + " accepts client_secret_post alone; remove the directive");
        std::string_view secret = provider.client_secret.reveal();
        refuse_if(secret.empty() && (auth == ClientAuth::basic || auth == ClientAuth::post), "client_secret",
                  "the directive is missing; write client_secret or client_secret_file");
        warn_if(secret.empty() && auth == ClientAuth::automatic, "client_secret",
                "there is none, so that anyone can be this client; add client_secret or client_secret_file, or write "
                "\"token_endpoint_auth_method none\"");
        if (secret.empty()) auth = ClientAuth::none;
        bool hex = secret.size() == 64 && secret.find_first_not_of("0123456789abcdefABCDEF") == secret.npos;
        warn_if(profile.portal && !hex, has("client_secret_file") ? "client_secret_file" : "client_secret",
                title + " gives secrets of 64 hexadecimal characters, and this is none");
    }

    void check_arguments() const
    {
        for (const std::string& level : provider.acr_default) {
            std::string known;
            for (const AcrOrder& order : profile.acr_orders) known += " " + join(order, " ");
            refuse_if(!knows_acr(profile, level), "acr_values", title + " has no level " + quoted(level) + ", it has" + known);
        }
        provider.acr_orders = profile.acr_orders;
        if (provider.acr_orders.empty() && !provider.acr_default.empty()) provider.acr_orders = {provider.acr_default};
        if (provider.acr_default.empty()) provider.acr_default = profile.acr_default;
        for (const AuthArg& arg : conf.args) {
            std::string text = string(arg.value->value);
            std::string why = why_refused(profile, arg.name, arg.value->lengths == nullptr ? &text : nullptr);
            if (!why.empty()) throw Mistake(said_in(provider, arg.directive) + ": " + why, arg.place);
        }
    }

    void check_algs(std::string_view directive, const std::vector<std::string>& algs) const
    {
        const std::vector<std::string>& known = profile.known_algs;
        std::size_t size = provider.client_secret.reveal().size();
        for (const std::string& alg : algs) {
            std::size_t least = alg.starts_with("HS") ? std::stoul(alg.substr(2)) / 8 : 0;
            refuse_if(size < least, directive,
                      alg + " needs a client_secret of at least " + std::to_string(least) + " bytes, and this one has " +
                          std::to_string(size) + "; name an asymmetric algorithm, or ask for a longer secret");
            refuse_if(!known.empty() && !contains(known, alg), directive,
                      title + " never signs with " + alg + ", it has " + join(known, " "));
        }
    }

    // The algorithms in force are those that were named, else all that the keys can do.
    void check_decryption(std::vector<std::string>& algs) const
    {
        std::vector<std::string> usable{"ECDH-ES", "RSA-OAEP-256", "RSA-OAEP"};
        std::erase_if(usable, [&](const std::string& alg) {
            return std::ranges::none_of(provider.own_keys, [&](const OwnKey& key) { return can_decrypt(key, alg); });
        });
        refuse_if(usable.empty(), "client_key",
                  "tokens come encrypted, and there is no key to decrypt them; make one with \"openssl genpkey -algorithm EC "
                  "-pkeyopt ec_paramgen_curve:P-256 -out enc.pem\" and add \"client_key enc.pem use=enc alg=ECDH-ES\"");
        for (const std::string& alg : algs) {
            std::string key = alg == "ECDH-ES" ? "an EC key on P-256" : "an RSA key of at least 2048 bits";
            refuse_if(!contains(usable, alg), "id_token_encryption",
                      "no client_key with use=enc can do " + alg + "; it needs " + key);
        }
        if (algs.empty()) algs = usable;
        warn_if(provider.client_jwks_uri.empty(), "client_jwks_uri",
                "the provider fetches the key it encrypts to from an address registered as jwks_uri, and this module serves none; "
                "add \"client_jwks_uri /oidc_jwks\", unless another server publishes the key");
    }

    void check_keys() const
    {
        Encryption &id_token = provider.id_token_encryption, &userinfo = provider.userinfo_encryption;
        for (auto [directive, token] : {std::pair("id_token_encryption", &id_token), {"userinfo_format", &userinfo}}) {
            Switch rule = profile.encryption;
            refuse_if(rule == Switch::off && token->required, directive, title + " encrypts no token; leave encryption out");
            refuse_if(rule == Switch::on && !token->required, directive, title + " encrypts every token; leave \"off\" out");
        }
        if (id_token.required || userinfo.required) check_decryption(id_token.algs);
        userinfo.algs = id_token.algs;
        bool none = !contains(provider.own_keys, KeyState::active, &OwnKey::state);
        refuse_if(!provider.client_jwks_uri.empty() && none, "client_jwks_uri", "no client_key is active, add one");
        provider.own_jwks = public_jwks(provider.own_keys);
    }

    void check_cookie() const
    {
        const CookieRules& cookie = provider.cookie;
        auto begins = [&](std::string_view prefix) { return equal_no_case(cookie.name.substr(0, prefix.size()), prefix); };
        std::string_view bare = begins(host_prefix) ? std::string_view(cookie.name).substr(host_prefix.size()) : cookie.name;
        bool ours = bare.starts_with(attempt_cookie_prefix) || bare.starts_with(rounds_cookie_prefix);
        bool off = cookie.secure == Switch::off;
        refuse_if(ours, "cookie_name", "the module has other cookies of such names; choose another cookie_name");
        refuse_if(cookie.samesite == SameSite::strict, "cookie_samesite strict",
                  "browsers withhold it after the provider's redirect: logins would loop; use lax");
        refuse_if(cookie.samesite == SameSite::none && off, "cookie_samesite none",
                  "browsers accept it on Secure cookies alone; remove \"cookie_secure off\"");
        bool host = cookie.name_given ? begins("__Host-") : !off;
        std::string remedy = cookie.name_given ? "; choose another cookie_name" : "; name the cookie with cookie_name";
        refuse_if(off && (host || begins("__Secure-")), "cookie_secure off",
                  "browsers then refuse the name " + quoted(cookie.name) + remedy);
        refuse_if(host && !cookie.domain.empty(), "cookie_domain", "browsers refuse it with the prefix __Host-" + remedy);
        refuse_if(host && cookie.path != "/", "cookie_path", "with the prefix __Host- browsers accept / alone" + remedy);
        for (auto [directive, uri] : {std::pair("redirect_uri", &provider.redirect_uri), {"logout_uri", &provider.logout_uri}}) {
            bool outside = !uri->empty() && !path_of(*uri).starts_with(cookie.path);
            warn_if(outside, "cookie_path", concat({"browsers bring no session to ", directive, " ", path_of(*uri), "; move it below ",
                                                    cookie.path}));
        }
    }
};

// The name goes into cookie, zone and variable names.
void require_name(ngx_conf_t* cf, const MainConf& main, const Provider& provider)
{
    const std::string& name = provider.name;
    constexpr std::string_view known = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    bool plain = !name.empty() && name.size() <= 64 && name.find_first_not_of(known) == name.npos;
    std::string why;
    if (!plain) why = ": a name has letters, digits, \"_\", \"-\" and \".\", at most 64";
    else if (name == "off") why = ": \"auth_oidc off\" has another meaning; choose another name";
    else if (find_provider(main, name) != nullptr) why = " is declared twice; rename one";
    if (!why.empty()) throw Mistake(titled(provider) + why, here(cf));
}

}  // namespace

void add_provider(ngx_conf_t* cf, const Words& words, MainConf& main)
{
    auto conf = std::make_unique<ProviderConf>();
    conf->provider.name = words[1];
    conf->provider.profile = find_profile("generic");
    conf->place = here(cf);
    require_name(cf, main, conf->provider);
    ngx_conf_t saved = *cf;
    cf->handler = read_directive;
    cf->handler_conf = conf.get();
    char* result = ngx_conf_parse(cf, nullptr);
    *cf = saved;
    if (result != NGX_CONF_OK) throw Mistake();
    Completion completion{cf, *conf};
    completion.check_rules();
    completion.check_client();
    completion.check_arguments();
    completion.check_algs("id_token_signing_alg", conf->provider.id_token_algs);
    completion.check_algs("userinfo_format", conf->provider.userinfo_algs);
    completion.check_keys();
    completion.check_cookie();
    main.providers.push_back(std::move(conf));
}

}  // namespace oidc::ngx
