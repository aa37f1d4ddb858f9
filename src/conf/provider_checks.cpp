#include "conf/provider_checks.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <openssl/pem.h>

#include "conf/config_error.hpp"
#include "conf/parse.hpp"
#include "oidc/base/cookie.hpp"
#include "oidc/base/openssl.hpp"
#include "oidc/base/text.hpp"
#include "oidc/jose/own_keys.hpp"
#include "oidc/journey/pending_request.hpp"
#include "oidc/protocol/client_auth.hpp"
#include "oidc/protocol/error_response.hpp"
#include "oidc/provider/acr.hpp"
#include "oidc/provider/metadata.hpp"
#include "oidc/provider/profiles.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc::ngx {
namespace {

constexpr std::string_view metadata_path = "/.well-known/openid-configuration";

struct ProviderChecks {
    ngx_conf_t* cf;
    ProviderConf& conf;
    Provider& provider = conf.provider;
    const Profile& profile = *provider.profile;
    std::string title{profile.title};

    bool has(std::string_view directive) const { return conf.written.contains(directive); }

    // `what` is shown, its first word is the directive whose line is named.
    void refuse_if(bool wrong, std::string_view what, const std::string& sentence,
                   ngx_uint_t level = NGX_LOG_EMERG) const
    {
        if (!wrong) return;
        ConfigError mistake(directive_of(provider, what) + ": " + sentence,
                            conf.place_of(what.substr(0, what.find(' '))));
        if (level == NGX_LOG_EMERG) throw mistake;
        report(cf, level, mistake.place, mistake.what());
    }
    void warn_if(bool odd, std::string_view what, const std::string& why) const
    {
        refuse_if(odd, what, why, NGX_LOG_WARN);
    }

    // What was not written is the profile's.
    void take_profile() const
    {
        if (!has("pkce")) provider.pkce = profile.pkce;
        if (!has("userinfo")) provider.userinfo = profile.userinfo;
        if (!has("userinfo_format")) provider.userinfo_format = profile.userinfo_format;
        if (!has("userinfo_format encryption"))
            provider.userinfo_encryption.required = profile.encryption == Switch::on;
        if (!has("id_token_signing_alg")) provider.id_token_algs = profile.id_token_algs;
        if (!has("id_token_encryption")) provider.id_token_encryption.required = profile.encryption == Switch::on;
        if (!has("logout_token_hint")) provider.logout_token_hint = profile.logout_token_hint;
        if (!has("logout_state on")) provider.logout_state = profile.logout_state;
        if (!has("revoke_on_logout")) provider.revoke_on_logout = profile.revoke_on_logout;
        if (!has("tamper_action")) provider.tamper_logout = profile.tamper_logout;
        provider.cookie.name_given = has("cookie_name");
        provider.config_url = metadata_url(provider);
    }

    // What a look at one or two directives decides.
    void check_rules() const
    {
        refuse_if(provider.issuer.empty(), "issuer",
                  "the directive is missing; copy the issuer of the provider's metadata");
        refuse_if(provider.issuer.ends_with(metadata_path), "issuer",
                  "that is the metadata's address; leave out " + quoted(metadata_path));
        refuse_if(provider.client_id.empty(), "client_id",
                  "the directive is missing; the provider gave it at registration");
        refuse_if(has("client_secret") && has("client_secret_file"), "client_secret_file",
                  "there is a client_secret too; keep one of them");

        refuse_if(provider.max_age && !profile.max_age_refusal.empty(), "max_age",
                  title + ": " + std::string(profile.max_age_refusal));
        refuse_if(provider.pkce == Switch::on && !profile.pkce_refusal.empty(), "pkce on",
                  title + " " + std::string(profile.pkce_refusal) + "; remove the directive");
        refuse_if(!profile.par_accepted && provider.par == Switch::on, "par on",
                  title + " accepts no pushed authorization requests; remove the directive");
        warn_if(profile.one_algorithm && has("id_token_signing_alg") && provider.id_token_algs.size() > 1,
                "id_token_signing_alg", title + " signs with the one algorithm that was registered; name it alone");
        refuse_if(!profile.userinfo_json && provider.userinfo_format == UserinfoFormat::json, "userinfo_format",
                  title + " answers with a signed JWT; remove the directive");
    }

    void check_logout() const
    {
        refuse_if(profile.logout_needs_return && !provider.logout_uri.empty() && provider.post_logout_uri.empty(),
                  "logout_uri", "without post_logout_uri " + title + " keeps the browser; add it, as registered");
        refuse_if(profile.logout_needs_hint && !provider.logout_token_hint, "logout_token_hint off",
                  title + " refuses a logout without id_token_hint; remove the directive");
        for (std::string_view told : {"backchannel_logout_uri", "frontchannel_logout_uri"})
            warn_if(!profile.tells_of_logout && has(told), told,
                    title + " never tells of a logout; remove the directive");
        for (std::string_view page : {"post_logout_uri", "logged_out_uri"})
            warn_if(has(page) && provider.logout_uri.empty(), page,
                    "there is no logout to come back from; add \"logout_uri /logout\"");
    }

    void check_client() const
    {
        ClientAuth accepted = profile.client_auth;
        ClientAuth& auth = provider.client_auth;
        if (auth == ClientAuth::automatic) auth = accepted;
        refuse_if(accepted != ClientAuth::automatic && auth != accepted, "token_endpoint_auth_method",
                  title + " accepts " + words(client_auth_names)[static_cast<std::size_t>(accepted)] +
                      " alone; remove the directive");

        std::string_view secret = provider.client_secret.reveal();
        std::string_view from = has("client_secret_file") ? "client_secret_file" : "client_secret";
        bool unable = !can_authenticate(provider, auth), by_secret = auth == ClientAuth::secret_jwt;
        bool by_key = auth == ClientAuth::private_key_jwt,
             by_tls = auth == ClientAuth::tls || auth == ClientAuth::self_signed_tls;
        refuse_if(unable && by_key, "token_endpoint_auth_method private_key_jwt",
                  "there is no active client_key to sign with; make one with \"openssl genpkey -algorithm EC -pkeyopt "
                  "ec_paramgen_curve:P-256 -out sig.pem\" and add \"client_key sig.pem use=sig\"");
        refuse_if(unable && by_tls, "token_endpoint_auth_method",
                  "there is no certificate to show; add ssl_certificate and ssl_certificate_key");
        refuse_if(unable && secret.empty(), "client_secret",
                  "the directive is missing; write client_secret or client_secret_file");
        refuse_if(unable && by_secret, from,
                  "client_secret_jwt needs a secret of at least 32 bytes, and this one has " +
                      std::to_string(secret.size()) +
                      "; ask for a longer one, or choose another token_endpoint_auth_method");

        warn_if(auth == ClientAuth::automatic && client_auth(provider, {}) == ClientAuth::none, "client_secret",
                "there is none, so that anyone can be this client; add client_secret or client_secret_file, or write "
                "\"token_endpoint_auth_method none\"");
        bool hex = secret.size() == 64 && secret.find_first_not_of("0123456789abcdefABCDEF") == secret.npos;
        warn_if(profile.hexadecimal_secret && !hex, from,
                title + " gives secrets of 64 hexadecimal characters, and this is none");
    }

    // What every call shows of us where the provider asks for it.
    void check_certificate() const
    {
        bool certificate = has("ssl_certificate"), key = has("ssl_certificate_key");
        refuse_if(certificate && !key, "ssl_certificate", "it needs its private key; add ssl_certificate_key");
        refuse_if(key && !certificate, "ssl_certificate_key", "it needs its certificate; add ssl_certificate");
        if (!certificate) return;
        CleanErrorQueue clean;
        auto open = [](std::string_view text) {
            return Owned<BIO, BIO_free>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
        };
        char passphrase[] = "";  // nobody is asked for one
        Owned<X509, X509_free> x509(
            PEM_read_bio_X509(open(provider.http.certificate).get(), nullptr, nullptr, passphrase));
        Pkey own(
            PEM_read_bio_PrivateKey(open(provider.http.certificate_key.reveal()).get(), nullptr, nullptr, passphrase));
        refuse_if(!x509, "ssl_certificate", "the file holds no certificate in PEM");
        refuse_if(!own, "ssl_certificate_key", "the file holds no unencrypted private key in PEM");
        refuse_if(X509_check_private_key(x509.get(), own.get()) != 1, "ssl_certificate_key",
                  "it is not the key of the first certificate in ssl_certificate; name the file that belongs to it");
    }

    void check_arguments() const
    {
        std::string error_response = why_refused(profile, "response_mode", nullptr);
        refuse_if(provider.form_post && !error_response.empty(), "response_mode form_post", error_response);
        refuse_if(provider.form_post && provider.redirect_uri.starts_with("http:"), "response_mode form_post",
                  "the provider posts from its own site, and browsers then bring cookies of https alone; write an "
                  "https redirect_uri");
        for (const std::string& level : provider.acr_default) {
            std::string known;
            for (const AcrOrder& order : profile.acr_orders) known += " " + join(order, " ");
            refuse_if(!knows_acr(profile, level), "acr_values",
                      title + " has no level " + quoted(level) + ", it has" + known);
        }
        provider.acr_orders = profile.acr_orders;
        if (provider.acr_orders.empty() && !provider.acr_default.empty()) provider.acr_orders = {provider.acr_default};
        if (provider.acr_default.empty()) provider.acr_default = profile.acr_default;
        for (const AuthArg& arg : conf.args) {
            std::string text = string(arg.value->value);
            std::string why = why_refused(profile, arg.name, arg.value->lengths == nullptr ? &text : nullptr);
            if (!why.empty()) throw ConfigError(directive_of(provider, arg.directive) + ": " + why, arg.place);
        }
    }

    void check_algs(std::string_view directive, const std::vector<std::string>& algs) const
    {
        const std::vector<std::string>& known = profile.known_algs;
        std::size_t size = provider.client_secret.reveal().size();
        for (const std::string& alg : algs) {
            std::size_t least = alg.starts_with("HS") ? std::stoul(alg.substr(2)) / 8 : 0;
            refuse_if(size < least, directive,
                      alg + " needs a client_secret of at least " + std::to_string(least) +
                          " bytes, and this one has " + std::to_string(size) +
                          "; name an asymmetric algorithm, or ask for a longer secret");
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
        refuse_if(
            usable.empty(), "client_key",
            "tokens come encrypted, and there is no key to decrypt them; make one with \"openssl genpkey -algorithm EC "
            "-pkeyopt ec_paramgen_curve:P-256 -out enc.pem\" and add \"client_key enc.pem use=enc alg=ECDH-ES\"");
        for (const std::string& alg : algs) {
            std::string key = alg == "ECDH-ES" ? "an EC key on P-256" : "an RSA key of at least 2048 bits";
            refuse_if(!contains(usable, alg), "id_token_encryption",
                      "no client_key with use=enc can do " + alg + "; it needs " + key);
        }
        if (algs.empty()) algs = usable;
        warn_if(provider.client_jwks_uri.empty(), "client_jwks_uri",
                "the provider fetches the key it encrypts to from an address registered as jwks_uri, and this module "
                "serves none; "
                "add \"client_jwks_uri /oidc_jwks\", unless another server publishes the key");
    }

    void check_keys() const
    {
        Encryption &id_token = provider.id_token_encryption, &userinfo = provider.userinfo_encryption;
        for (auto [directive, token] : {std::pair("id_token_encryption", &id_token), {"userinfo_format", &userinfo}}) {
            Switch rule = profile.encryption;
            refuse_if(rule == Switch::off && token->required, directive,
                      title + " encrypts no token; leave encryption out");
            refuse_if(rule == Switch::on && !token->required, directive,
                      title + " encrypts every token; leave \"off\" out");
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
        auto begins = [&](std::string_view prefix) {
            return equal_no_case(cookie.name.substr(0, prefix.size()), prefix);
        };
        std::string_view bare =
            begins(host_prefix) ? std::string_view(cookie.name).substr(host_prefix.size()) : cookie.name;
        bool ours = bare.starts_with(pending_cookie_prefix) || bare.starts_with(recent_logins_cookie_prefix);
        bool off = cookie.secure == Switch::off;
        refuse_if(ours, "cookie_name", "the module has other cookies of such names; choose another cookie_name");
        refuse_if(cookie.samesite == SameSite::strict, "cookie_samesite strict",
                  "browsers withhold it after the provider's redirect: logins would loop; use lax");
        refuse_if(cookie.samesite == SameSite::none && off, "cookie_samesite none",
                  "browsers accept it on Secure cookies alone; remove \"cookie_secure off\"");
        refuse_if(provider.form_post && off, "response_mode form_post",
                  "the provider posts from its own site, and browsers then bring Secure cookies alone; remove "
                  "\"cookie_secure off\"");
        bool host = cookie.name_given ? begins("__Host-") : !off;
        std::string remedy = cookie.name_given ? "; choose another cookie_name" : "; name the cookie with cookie_name";
        refuse_if(off && (host || begins("__Secure-")), "cookie_secure off",
                  "browsers then refuse the name " + quoted(cookie.name) + remedy);
        refuse_if(host && !cookie.domain.empty(), "cookie_domain",
                  "browsers refuse it with the prefix __Host-" + remedy);
        refuse_if(host && cookie.path != "/", "cookie_path",
                  "with the prefix __Host- browsers accept / alone" + remedy);
        std::string folder = cookie.path + (cookie.path.ends_with('/') ? "" : "/");
        for (auto [directive, uri] :
             {std::pair("redirect_uri", &provider.redirect_uri), {"logout_uri", &provider.logout_uri}}) {
            bool outside = !uri->empty() && !(path_of(*uri) + "/").starts_with(folder);
            warn_if(outside, "cookie_path",
                    concat({"browsers bring no session to ", directive, " ", path_of(*uri), "; move it below ",
                            cookie.path}));
        }
    }
};

}  // namespace

void check_provider(ngx_conf_t* cf, ProviderConf& conf)
{
    ProviderChecks checks{cf, conf};
    checks.take_profile();
    checks.check_rules();
    checks.check_logout();
    checks.check_certificate();
    checks.check_client();
    checks.check_arguments();
    checks.check_algs("id_token_signing_alg", conf.provider.id_token_algs);
    checks.check_algs("userinfo_format", conf.provider.userinfo_algs);
    checks.check_keys();
    checks.check_cookie();
}

}  // namespace oidc::ngx
