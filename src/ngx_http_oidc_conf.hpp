// The configuration: what the directives become, immutable and owned by the cycle's pool, and the tools that read them.
#pragma once
#include <map>

#include "ngx_http_oidc_metrics.hpp"
#include "ngx_http_oidc_shm.hpp"
#include "oidc/provider.hpp"

namespace oidc::ngx {

// Where a directive stands, for messages after the line was read.
struct Place {
    ngx_str_t file;
    ngx_uint_t line;
};

// An argument of the authorization URL whose value may hold variables (auth_args, prompt, claims, ...).
struct AuthArg {
    std::string name;
    ngx_http_complex_value_t* value;
    std::string directive;
    Place place;
};

// client_secret_file, and what was seen of it when it was last read.
struct SecretFile {
    std::string name;                                      // empty: none, or workers cannot read it
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec changed{};
    std::int64_t looked = 0;                               // Unix seconds
    bool look() noexcept;                                  // whether it has changed since
};

struct ProviderConf {
    Provider provider;
    std::vector<AuthArg> args;                             // as written
    ngx_http_complex_value_t* acr_values = nullptr;        // nullptr: provider.acr_default
    Zone* sessions = nullptr;
    ngx_shm_zone_t* counters = nullptr;
    mutable SecretFile secret_file;                        // of the worker
    std::string cookie_names[2];                           // of the session: on http, on https
    std::string session_store;                             // its name; empty: a zone of its own
    Place place{};                                         // of oidc_provider
    std::map<std::string_view, Place> written;             // the directives that stand in the block

    const Place& place_of(std::string_view directive) const
    {
        auto at = written.find(directive);
        return at != written.end() ? at->second : place;
    }
    Metrics& metrics() const noexcept { return *static_cast<Metrics*>(counters->data); }
};

// page: none, a protected page. refresh: none either, it waits for new tokens.
enum class Endpoint : std::uint8_t {
    callback, login, logout, logged_out, jwks, sector, initiate, backchannel, frontchannel, page, refresh
};

// One path of a server that a module endpoint answers.
struct Route {
    std::string path;
    Endpoint endpoint;
    std::vector<const ProviderConf*> providers;            // several may share a redirect URI: the sealed cookie names the provider
};

enum class ClaimSource : std::uint8_t { any, id_token, userinfo };
enum class ClaimEncoding : std::uint8_t { raw, json, base64url, urlencode };

struct ClaimSet {                                          // oidc_claim_set
    ClaimSource source = ClaimSource::any;
    ClaimEncoding encoding = ClaimEncoding::raw;
    std::vector<std::string> path;
};

struct MainConf {
    std::vector<std::unique_ptr<ProviderConf>> providers;
    std::vector<std::unique_ptr<Zone>> zones;              // oidc_session_zone and the defaults
    std::unique_ptr<Zone> documents, states;               // of the node: what was fetched, which states were used
    std::vector<std::string> session_cookies;              // all their names, sorted
    ngx_int_t cookie_variable = 0;                         // the index of $http_cookie
    std::vector<Secret> cookie_keys;                       // oidc_cookie_key; empty: the random key of the zone of states
};

struct SrvConf {
    std::vector<ngx_http_server_name_t> hosts;             // its names but "_" and the like; nginx keeps no list of its own
    std::vector<const ProviderConf*> used;                 // by auth_oidc in this server; all when it holds a variable
    bool host_needed = false;                              // a redirect URI is a path, and oidc_base_url is not set
    std::vector<Route> routes;                             // sorted by path
};

enum class Unauth : ngx_uint_t { automatic, redirect, status_401, status_403, pass };

// What a directive says for a location and those inside it.
struct Setting {
    ngx_http_complex_value_t* value;                       // nullptr: off, or not written
    Place place;                                           // line 0: not written
};

struct Require {                                           // auth_require
    std::vector<ngx_http_complex_value_t*> values;
    ngx_uint_t status = NGX_HTTP_FORBIDDEN;
};

struct Demand {                                            // auth_oidc_acr, auth_oidc_scope; no words: off
    std::vector<std::string> words;
    Place place;
};

struct LocConf {                                           // nginx's slots write it by offset
    Setting auth{}, args{}, base_url{};                    // auth_oidc, auth_oidc_args, oidc_base_url
    const ProviderConf* provider = nullptr;                // set when auth_oidc is a constant name
    ngx_uint_t unauth = NGX_CONF_UNSET_UINT;               // Unauth
    ngx_flag_t strip_cookies = NGX_CONF_UNSET;             // auth_oidc_strip_cookies
    std::vector<Require>* require = nullptr;
    Demand *acr = nullptr, *scope = nullptr;
    ngx_str_t chooser{};                                   // auth_oidc_chooser
};

const ProviderConf* find_provider(const MainConf& conf, std::string_view name) noexcept;  // nullptr: none has that name

// ---- Reading directives: tools that return what was meant, or throw Mistake with a sentence that names the remedy

// A sentence for `nginx -t`; empty: nginx has already logged why.
struct Mistake : std::runtime_error {
    explicit Mistake(const std::string& sentence = {}, const Place& where = {}) : std::runtime_error(sentence), place{where} {}
    Place place;                                           // none: the line being read, with the directive's name before it
};

using Words = std::vector<std::string>;

Words names_of(const auto& range, auto name)
{
    Words names;
    for (const auto& each : range) names.emplace_back(std::invoke(name, each));
    return names;
}

std::string quoted(std::string_view text);                 // cut when long: a line of the error log has 2 kB
std::string titled(const Provider& provider);              // oidc_provider "name"
std::string said_in(const Provider& provider, std::string_view directive);  // oidc_provider "name": directive
std::string did_you_mean(std::string_view name, const Words& candidates);  // one at most two edits away, else all when few

Place here(ngx_conf_t* cf);
void report(ngx_conf_t* cf, ngx_uint_t level, const Place& place, std::string_view sentence);

// What nginx calls: no exception passes, it becomes a message with file and line.
char* guarded(ngx_conf_t* cf, const std::string& who, const std::function<void()>& work) noexcept;

inline std::string parse_text(std::string_view text) { return std::string(text); }
std::int64_t parse_time(std::string_view text, bool is_seconds);
inline Seconds parse_seconds(std::string_view text) { return parse_time(text, true); }
inline Seconds parse_seconds_or_off(std::string_view text) { return text == "off" ? 0 : parse_seconds(text); }
inline std::int64_t parse_milliseconds(std::string_view text) { return parse_time(text, false); }
std::size_t parse_size(std::string_view text);
int parse_number(std::string_view text, std::string_view what, int least, int most);
std::string parse_safe_url(std::string_view text);         // https, or http on a loopback host
std::string parse_constant(std::string_view text);         // no variable: the directive takes none
// Our own: no query, nothing that nginx would normalise. `example` is for messages.
std::string parse_endpoint_path(std::string_view text, std::string_view example);
std::string parse_endpoint_uri(std::string_view text, std::string_view example);  // such a path, or an absolute URI
std::string path_of(std::string_view uri);                 // of a path, or of an absolute URI
std::size_t parse_name(std::string_view text, std::string_view names);  // its place among the names

// A literal as a template argument.
template <std::size_t Size>
struct Literal {
    char text[Size];
    constexpr Literal(const char (&literal)[Size]) { std::copy_n(literal, Size, text); }
};

// Names of the enumerators of T, in their order from `First` on.
template <class T, Literal Names, int First = 0>
T one_of(std::string_view text) { return static_cast<T>(First + static_cast<int>(parse_name(text, Names.text))); }

// A `key=value` word from the one at `first` on; read_options knows no other keys, and none twice.
struct Option {
    std::string_view key;
    std::function<void(std::string_view)> set;
};
void read_options(std::span<const std::string> words, std::size_t first, std::initializer_list<Option> options);

template <auto Parse, class T> auto into(T& target) { return [&target](std::string_view text) { target = Parse(text); }; }

// Parameters of an authorization URL that stand in the configuration: those that the module sends itself are a mistake.
void require_free_argument(std::string_view name);
std::vector<Param> parse_arguments(std::string_view query);

ngx_http_complex_value_t* compile(ngx_conf_t* cf, std::string_view text);  // without variables: lengths is nullptr
ngx_http_complex_value_t* literal(ngx_conf_t* cf, std::string_view text);  // no variable in it, whatever its bytes
std::string full_name(ngx_conf_t* cf, std::string_view path);              // relative to the configuration's folder
std::string read_file(const std::string& name);            // of a bounded size
Secret read_secret(const std::string& name);               // a file of one line
std::string why_unreadable(ngx_conf_t* cf, const std::string& name);       // for workers; empty: they can open it

void add_provider(ngx_conf_t* cf, const Words& words, MainConf& main);
void complete(ngx_conf_t* cf);                             // when all was read; throws Mistake
char* read_directive(ngx_conf_t* cf, ngx_command_t* dummy, void* conf) noexcept;  // nginx's handler inside oidc_provider

}  // namespace oidc::ngx
