// The oidc_provider block, and its directives for the client, the provider and how it is called.
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>

#include "ngx_http_oidc_conf_parse.hpp"

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

std::string parse_issuer(std::string_view text)
{
    std::string url = parse_safe_url(text);
    if (url.find('?') != url.npos) throw Mistake(quoted(url) + " has a query, and an issuer has none");
    return url;
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
    block.environment = options.get("environment").value_or(block.environment);
    block.network = options.get("network").value_or(block.network);
    block.environment_given = words.size() > 1;
}

Secret parse_secret(std::string_view text)
{
    if (text.empty()) throw Mistake("the secret is empty");
    return Secret(std::string(text));
}

void set_client_secret_file(Block& block, const Words& words)
{
    std::string text = read_file(block.cf, words[0], max_secret_file);
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    bool one_line = !text.empty() && text.find_first_of(std::string_view("\n\r\0", 3)) == text.npos;
    block.provider.client_secret = Secret(std::move(text));
    if (!one_line) throw Mistake(quoted(full_name(block.cf, words[0])) + " must hold the secret alone, on one line");
}

constexpr Choice<ClientAuth> auth_methods[] = {{"auto", ClientAuth::automatic},
                                               {"client_secret_basic", ClientAuth::basic},
                                               {"client_secret_post", ClientAuth::post},
                                               {"none", ClientAuth::none}};
constexpr Choice<KeyUse> key_uses[] = {{"sig", KeyUse::sig}, {"enc", KeyUse::enc}};
constexpr Choice<KeyState> key_states[] = {{"next", KeyState::next}, {"active", KeyState::active}, {"retired", KeyState::retired}};

void set_client_key(Block& block, const Words& words)
{
    Options options(words, 1, {"use", "alg", "kid", "state"});
    if (!options.get("use")) throw Mistake("use=sig or use=enc is missing");
    KeyUse use = parse_choice<key_uses>(*options.get("use"));
    Secret text(read_file(block.cf, words[0], max_key_file));
    std::string name = quoted(full_name(block.cf, words[0]));
    OwnKey key;
    try {
        key = load_own_key(text.reveal(), use, options.get("alg").value_or(""), options.get("kid").value_or(""));
    } catch (const std::invalid_argument& e) {
        throw Mistake(name + ": " + e.what());
    }
    options.read("state", key.state, parse_choice<key_states>);
    std::vector<OwnKey>& keys = block.provider.own_keys;
    bool known = std::ranges::find(keys, key.kid, &OwnKey::kid) != keys.end();
    if (known) throw Mistake(name + ": another client_key has the kid " + quoted(key.kid));
    keys.push_back(std::move(key));
}

void set_client_jwks_uri(Block& block, const Words& words)
{
    block.provider.client_jwks_uri = parse_endpoint_path(words[0]);
    Options(words, 1, {"max_age"}).read("max_age", block.provider.client_jwks_max_age, parse_seconds);
}

constexpr Choice<std::string Endpoints::*> endpoints[] = {{"authorization", &Endpoints::authorization},
                                                          {"token", &Endpoints::token},
                                                          {"userinfo", &Endpoints::userinfo},
                                                          {"jwks", &Endpoints::jwks},
                                                          {"end_session", &Endpoints::end_session},
                                                          {"revocation", &Endpoints::revocation}};

void set_endpoint(Block& block, const Words& words)
{
    std::string& url = block.provider.overrides.*parse_choice<endpoints>(words[0]);
    if (!url.empty()) throw Mistake(quoted(words[0]) + " is written twice");
    url = parse_safe_url(words[1]);
}

void set_http_timeout(Block& block, const Words& words)
{
    HttpPolicy& http = block.provider.http;
    http.timeout = parse_milliseconds(words[0]);
    Options(words, 1, {"connect"}).read("connect", http.connect_timeout, parse_milliseconds);
    if (http.timeout == 0 || http.connect_timeout == 0) throw Mistake("no call ends in no time; write at least 1s");
    http.connect_timeout = std::min(http.connect_timeout, http.timeout);
}

std::size_t parse_max_response(std::string_view text)
{
    std::size_t size = parse_size(text);
    if (size < 4096) throw Mistake("metadata and keys do not fit; 4k is the least");
    return size;
}

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

constexpr std::string_view certificate = "certificate", revocation_list = "certificate revocation list";

// A file that workers open, and that holds what `Read` finds.
template <auto Member, auto Read, auto Free, const std::string_view& What>
void set_pem_file(Block& block, const Words& words)
{
    std::string name = worker_file(block.cf, words[0]);
    std::unique_ptr<BIO, decltype([](BIO* bio) { BIO_free(bio); })> file(BIO_new_file(name.c_str(), "r"));
    auto* item = file ? Read(file.get(), nullptr, nullptr, nullptr) : nullptr;
    ERR_clear_error();
    if (item == nullptr) throw Mistake(quoted(name) + " holds no " + std::string(What) + " in PEM");
    Free(item);
    block.provider.http.*Member = name;
}

constexpr Directive client_directives[] = {
    {"profile", 1, 3, false, set_profile},
    {"issuer", 1, 1, false, set<&Provider::issuer, parse_issuer>},
    {"config_url", 1, 1, false, set<&Provider::config_url, parse_safe_url>},
    {"endpoint", 2, 2, true, set_endpoint},
    {"metadata_cache", 1, 3, false, set_cache<&Provider::metadata_cache>},
    {"jwks_cache", 1, 3, false, set_cache<&Provider::jwks_cache>},
    {"http_timeout", 1, 2, false, set_http_timeout},
    {"http_max_response", 1, 1, false, set<&HttpPolicy::max_response, parse_max_response>},
    {"http_proxy", 1, 1, false, set<&HttpPolicy::proxy, parse_proxy>},
    {"ssl_trusted_certificate", 1, 1, false, set_pem_file<&HttpPolicy::ca_file, PEM_read_bio_X509_AUX, X509_free, certificate>},
    {"ssl_crl", 1, 1, false, set_pem_file<&HttpPolicy::crl_file, PEM_read_bio_X509_CRL, X509_CRL_free, revocation_list>},
    {"client_id", 1, 1, false, set<&Provider::client_id, parse_text>},
    {"client_secret", 1, 1, false, set<&Provider::client_secret, parse_secret>},
    {"client_secret_file", 1, 1, false, set_client_secret_file},
    {"token_endpoint_auth_method", 1, 1, false, set<&Provider::client_auth, parse_choice<auth_methods>>},
    {"client_key", 2, 5, true, set_client_key},
    {"client_jwks_uri", 1, 2, false, set_client_jwks_uri},
};

// ---- The block

const Directive& find_directive(std::string_view name)
{
    Words names;
    for (std::span<const Directive> table : {std::span<const Directive>(client_directives), login_directives()}) {
        for (const Directive& row : table) {
            if (row.name == name) return row;
            names.push_back(row.name);
        }
    }
    throw Mistake("unknown directive " + quoted(name) + " in oidc_provider" + did_you_mean(name, names));
}

void apply_directive(Block& block, const Words& words)
{
    block.who.clear();
    const Directive& row = find_directive(words[0]);
    std::string name = quoted(row.name);
    if (block.has(row.name) && !row.repeatable) throw Mistake(name + " directive is duplicate");
    std::size_t count = words.size() - 1;
    bool fits = count >= row.min_words && count <= row.max_words;
    if (!fits) throw Mistake("invalid number of arguments in " + name + " directive");
    block.written.emplace(row.name, here(block.cf));
    block.directive = row.name;
    block.who = "oidc_provider " + quoted(block.provider.name) + ": " + block.directive;
    row.set(block, Words(words.begin() + 1, words.end()));
}

char* read_directive(ngx_conf_t* cf, ngx_command_t* dummy, void* conf) noexcept
{
    auto& block = *static_cast<Block*>(conf);
    return guarded(cf, block.who, [&] {
        Words words = words_of(cf);
        if (words[0] != "include") return apply_directive(block, words);
        if (ngx_conf_include(cf, dummy, nullptr) != NGX_CONF_OK) throw Logged{};
    });
}

void read_block(ngx_conf_t* cf, Block& block)
{
    ngx_conf_t saved = *cf;
    cf->handler = read_directive;
    cf->handler_conf = &block;
    char* result = ngx_conf_parse(cf, nullptr);
    *cf = saved;
    if (result != NGX_CONF_OK) throw Logged{};
}

// The name goes into cookie, zone and variable names.
void require_name(ngx_conf_t* cf, const MainConf& main, std::string_view name)
{
    bool plain = !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](unsigned char c) {
        return c < 0x80 && (std::isalnum(c) || c == '_' || c == '-' || c == '.');
    });
    std::string who = "oidc_provider " + quoted(name);
    if (!plain) throw Mistake(here(cf), who + ": a name has letters, digits, \"_\", \"-\" and \".\", at most 64");
    if (name == "off") throw Mistake(here(cf), who + ": \"auth_oidc off\" has another meaning; choose another name");
    if (find_provider(main, name) != nullptr) throw Mistake(here(cf), who + " is declared twice; rename one");
}

}  // namespace

void add_provider(ngx_conf_t* cf, const Words& words, void* main_conf)
{
    auto& main = *static_cast<MainConf*>(main_conf);
    require_name(cf, main, words[1]);
    auto conf = std::make_unique<ProviderConf>();
    conf->provider.name = words[1];
    conf->place = here(cf);
    Block block{cf, *conf, conf->provider};
    read_block(cf, block);
    complete_provider(block);
    main.providers.push_back(std::move(conf));
}

const ProviderConf* find_provider(const MainConf& conf, std::string_view name) noexcept
{
    auto at = std::ranges::find_if(conf.providers, [&](const auto& each) { return each->provider.name == name; });
    return at == conf.providers.end() ? nullptr : at->get();
}

}  // namespace oidc::ngx
