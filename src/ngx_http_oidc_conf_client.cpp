// Directives of oidc_provider: the client, the provider, and how it is called.
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>

#include "ngx_http_oidc_conf_provider.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t max_key_file = 64 * 1024, max_secret_file = 4096;

template <auto Member>
void set_cache(Block& block, const Words& words)
{
    Options options(words, 0, {"valid", "stale", "min_refresh"});
    CachePolicy& policy = block.provider.*Member;
    options.read("valid", policy.valid, parse_seconds);
    options.read("stale", policy.stale, parse_seconds);
    options.read("min_refresh", policy.min_refresh, parse_seconds);
    if (policy.min_refresh == 0) throw Mistake("min_refresh=0 would let any visitor make us fetch; 1s is the least");
}

void set_issuer(Block& block, const Words& words)
{
    require_safe_url(words[0]);
    if (words[0].find('?') != words[0].npos) throw Mistake(quoted(words[0]) + " has a query, and an issuer has none");
    block.provider.issuer = words[0];
}

void set_profile(Block& block, const Words& words)
{
    block.provider.profile = find_profile(words[0]);
    if (block.provider.profile == nullptr) {
        Words names;
        for (const Profile& row : profiles()) names.push_back(row.name);
        throw Mistake("unknown profile " + quoted(words[0]) + ", it can be one of: " + joined(names));
    }
    Options options(words, 1, {"environment", "network"});
    auto text = [](std::string_view value) { return std::string(value); };
    options.read("environment", block.environment, text);
    options.read("network", block.network, text);
}

void set_client_secret(Block& block, const Words& words)
{
    if (words[0].empty()) throw Mistake("the secret is empty");
    block.provider.client_secret = Secret(std::string(words[0]));
}

void set_client_secret_file(Block& block, const Words& words)
{
    std::string text = read_file(block.cf, words[0], max_secret_file);
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    bool one_line = !text.empty() && text.find_first_of(std::string_view("\n\r\0", 3)) == text.npos;
    Secret secret(std::move(text));
    if (!one_line) throw Mistake(quoted(full_name(block.cf, words[0])) + " must hold the secret alone, on one line");
    block.provider.client_secret = std::move(secret);
}

void set_auth_method(Block& block, const Words& words)
{
    block.provider.client_auth = parse_choice<ClientAuth>(words[0], {{"auto", ClientAuth::automatic},
                                                                     {"client_secret_basic", ClientAuth::basic},
                                                                     {"client_secret_post", ClientAuth::post},
                                                                     {"none", ClientAuth::none}});
}

void set_client_key(Block& block, const Words& words)
{
    Options options(words, 1, {"use", "alg", "kid", "state"});
    if (!options.get("use")) throw Mistake("use=sig or use=enc is missing");
    KeyUse use = parse_choice<KeyUse>(*options.get("use"), {{"sig", KeyUse::sig}, {"enc", KeyUse::enc}});
    Secret text(read_file(block.cf, words[0], max_key_file));
    std::string name = full_name(block.cf, words[0]);
    auto load = [&] {
        try {
            return load_own_key(text.reveal(), use, options.get("alg").value_or(""), options.get("kid").value_or(""));
        } catch (const std::invalid_argument& e) {
            throw Mistake(quoted(name) + ": " + e.what());
        }
    };
    OwnKey key = load();
    key.state = parse_choice<KeyState>(options.get("state").value_or("active"),
                                       {{"next", KeyState::next}, {"active", KeyState::active}, {"retired", KeyState::retired}});
    for (const OwnKey& other : block.provider.own_keys) {
        if (other.kid == key.kid) throw Mistake(quoted(name) + ": another client_key has the kid " + quoted(key.kid));
    }
    block.provider.own_keys.push_back(std::move(key));
}

void set_client_jwks_uri(Block& block, const Words& words)
{
    set_endpoint_path<&Provider::client_jwks_uri>(block, words);
    Options options(words, 1, {"max_age"});
    options.read("max_age", block.provider.client_jwks_max_age, parse_seconds);
}

void set_endpoint(Block& block, const Words& words)
{
    using Member = std::string Endpoints::*;
    Member member = parse_choice<Member>(words[0], {{"authorization", &Endpoints::authorization},
                                                    {"token", &Endpoints::token},
                                                    {"userinfo", &Endpoints::userinfo},
                                                    {"jwks", &Endpoints::jwks},
                                                    {"end_session", &Endpoints::end_session},
                                                    {"revocation", &Endpoints::revocation}});
    require_safe_url(words[1]);
    std::string& url = block.provider.overrides.*member;
    if (!url.empty()) throw Mistake(quoted(words[0]) + " is written twice");
    url = words[1];
}

void set_http_timeout(Block& block, const Words& words)
{
    HttpPolicy& http = block.provider.http;
    http.timeout = parse_milliseconds(words[0]);
    Options options(words, 1, {"connect"});
    options.read("connect", http.connect_timeout, parse_milliseconds);
    if (http.timeout == 0 || http.connect_timeout == 0) throw Mistake("no call ends in no time; write at least 1s");
    http.connect_timeout = std::min(http.connect_timeout, http.timeout);
}

void set_max_response(Block& block, const Words& words)
{
    block.provider.http.max_response = parse_size(words[0]);
    if (block.provider.http.max_response < 4096) throw Mistake("metadata and keys do not fit; 4k is the least");
}

// Credentials may stand before an @ (CONNECT with Basic authentication).
void set_http_proxy(Block& block, const Words& words)
{
    std::size_t start = words[0].find("://");
    std::size_t at = words[0].rfind('@');
    std::string bare(words[0]);
    if (start != bare.npos && at != bare.npos) bare.erase(start + 3, at - start - 2);
    std::optional<Url> url = parse_url(bare);
    if (!url || url->path != "/") throw Mistake("the value is no proxy; write it like http://proxy.example.fr:3128");
    block.provider.http.proxy = words[0];
}

template <class T, auto Read, auto Free>
bool holds_pem(const std::string& path)
{
    std::unique_ptr<BIO, decltype([](BIO* bio) { BIO_free(bio); })> file(BIO_new_file(path.c_str(), "r"));
    T* item = file ? Read(file.get(), nullptr, nullptr, nullptr) : nullptr;
    ERR_clear_error();
    Free(item);
    return item != nullptr;
}

void set_ca_file(Block& block, const Words& words)
{
    block.provider.http.ca_file = worker_file(block.cf, words[0]);
    bool certificate = holds_pem<X509, PEM_read_bio_X509_AUX, X509_free>(block.provider.http.ca_file);
    if (!certificate) throw Mistake(quoted(block.provider.http.ca_file) + " holds no certificate in PEM");
}

void set_crl_file(Block& block, const Words& words)
{
    block.provider.http.crl_file = worker_file(block.cf, words[0]);
    bool list = holds_pem<X509_CRL, PEM_read_bio_X509_CRL, X509_CRL_free>(block.provider.http.crl_file);
    if (!list) throw Mistake(quoted(block.provider.http.crl_file) + " holds no certificate revocation list in PEM");
}

constexpr Directive table[] = {
    {"profile", 1, 3, false, set_profile},
    {"issuer", 1, 1, false, set_issuer},
    {"config_url", 1, 1, false, set_safe_url<&Provider::config_url>},
    {"endpoint", 2, 2, true, set_endpoint},
    {"metadata_cache", 1, 3, false, set_cache<&Provider::metadata_cache>},
    {"jwks_cache", 1, 3, false, set_cache<&Provider::jwks_cache>},
    {"http_timeout", 1, 2, false, set_http_timeout},
    {"http_max_response", 1, 1, false, set_max_response},
    {"http_proxy", 1, 1, false, set_http_proxy},
    {"ssl_trusted_certificate", 1, 1, false, set_ca_file},
    {"ssl_crl", 1, 1, false, set_crl_file},
    {"client_id", 1, 1, false, set_text<&Provider::client_id>},
    {"client_secret", 1, 1, false, set_client_secret},
    {"client_secret_file", 1, 1, false, set_client_secret_file},
    {"token_endpoint_auth_method", 1, 1, false, set_auth_method},
    {"client_key", 2, 5, true, set_client_key},
    {"client_jwks_uri", 1, 2, false, set_client_jwks_uri},
};

}  // namespace

std::span<const Directive> client_directives() { return table; }

}  // namespace oidc::ngx
