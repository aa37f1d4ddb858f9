// Reading directives: tools that return what was meant, or throw Mistake with a sentence that names the remedy; and the
// oidc_provider block while it is read.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "ngx_http_oidc_conf.hpp"
#include "oidc/url.hpp"

namespace oidc::ngx {

// A sentence for `nginx -t`.
struct Mistake : std::runtime_error {
    explicit Mistake(const std::string& sentence) : std::runtime_error(sentence) {}
    Mistake(Place where, const std::string& sentence) : std::runtime_error(sentence), place{where} {}
    std::optional<Place> place;                            // none: the line being read, with the directive's name before it
};

// nginx has already logged why.
struct Logged : std::exception {};

using Words = std::vector<std::string_view>;               // of one directive

Words words_of(const ngx_conf_t* cf);
std::string quoted(std::string_view text);
std::string joined(std::span<const std::string_view> words);
Words split(std::string_view text, char separator);

Place here(ngx_conf_t* cf);
void report(ngx_conf_t* cf, ngx_uint_t level, const Place& place, std::string_view sentence);

// Gives the exception being handled to nginx, as a message with file and line.
char* report_failure(ngx_conf_t* cf, std::string_view who) noexcept;

// What nginx calls: no exception passes.
template <class Who, class Work>
char* guarded(ngx_conf_t* cf, const Who& who, Work work) noexcept
{
    try {
        work();
        return NGX_CONF_OK;
    } catch (...) {
        return report_failure(cf, who);
    }
}

// ---- Values

Seconds parse_seconds(std::string_view text);
Seconds parse_seconds_or_off(std::string_view text);
std::int64_t parse_milliseconds(std::string_view text);
std::size_t parse_size(std::string_view text);
int parse_number(std::string_view text, std::string_view what, int least, int most);
std::string parse_text(std::string_view text);             // not empty
std::string parse_safe_url(std::string_view text);         // https, or http on a loopback host
std::string parse_endpoint_path(std::string_view text);    // our own: no query, nothing that nginx would normalise
std::string parse_endpoint_uri(std::string_view text);     // such a path, or an absolute URI
std::string path_of(std::string_view uri);                 // of a path, or of an absolute URI

template <class T>
struct Choice {
    std::string_view name;
    T value;
};

// One of the names of a table; the message lists them.
template <const auto& Table>
auto parse_choice(std::string_view text)
{
    std::string list;
    for (const auto& [name, value] : Table) {
        if (name == text) return value;
        list += (list.empty() ? "" : ", ") + std::string(name);
    }
    throw Mistake("invalid value " + quoted(text) + ", it can be " + list);
}

// The `key=value` words of a directive from the one at `first` on; a key out of `known` is a mistake.
class Options {
public:
    Options(const Words& words, std::size_t first, std::initializer_list<std::string_view> known);
    std::optional<std::string_view> get(std::string_view key) const;
    template <class T, class Parse>
    void read(std::string_view key, T& into, Parse parse) const
    {
        if (auto text = get(key)) into = parse(*text);
    }

private:
    std::map<std::string_view, std::string_view> options_;
};

// Parameters of an authorization URL that stand in the configuration: reserved names are a mistake.
void require_free_argument(std::string_view name);
std::vector<Param> parse_arguments(std::string_view query);

bool has_variables(std::string_view text);
ngx_http_complex_value_t* compile(ngx_conf_t* cf, std::string_view text);
ngx_http_complex_value_t* literal(ngx_conf_t* cf, std::string_view text);  // no variable in it, whatever its bytes

std::string full_name(ngx_conf_t* cf, std::string_view path);              // relative to the configuration's folder
std::string read_file(ngx_conf_t* cf, std::string_view path, std::size_t max_size);
std::string worker_file(ngx_conf_t* cf, std::string_view path);            // checked: workers open it themselves

// `; did you mean "x"?` for a name that is at most two edits away, else empty.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);

// ---- The oidc_provider block

// An argument of the authorization URL as it was written.
struct Argument {
    std::string name, directive;
    Place place;
    std::optional<std::string> value;                      // none: it has variables
};

struct Block {
    ngx_conf_t* cf;
    ProviderConf& conf;
    Provider& provider;                                    // conf.provider
    std::map<std::string, Place, std::less<>> written{};   // the directives that stand in the block
    std::string directive{}, who{};                        // the one being read, its name in messages
    std::vector<Argument> arguments{};
    std::string environment = "production", network = "internet";  // of `profile`
    bool environment_given = false;
    Switch logout_state = Switch::automatic, userinfo_encryption = Switch::automatic;

    bool has(std::string_view name) const { return written.find(name) != written.end(); }
};

// A row of the block's tables. Setters get the words behind the name.
struct Directive {
    std::string_view name;
    std::size_t min_words, max_words;
    bool repeatable;
    void (*set)(Block& block, const Words& words);
};

std::span<const Directive> login_directives();             // the login, its tokens, the session, the logout

// The oidc_provider directive.
void add_provider(ngx_conf_t* cf, const Words& words, void* main_conf);

// At the end of the block: what the profile sets, then all checks that need more than one directive.
void complete_provider(Block& block);

// The provider's endpoints, with the directive that names each. Throws Mistake for two on one path.
void add_routes(std::vector<Route>& routes, const ProviderConf& conf);

// The directive's one word goes to a member of the block, of the provider or of its parts.
template <auto Member, auto Parse>
void set(Block& block, const Words& words)
{
    using Pointer = decltype(Member);
    auto value = Parse(words[0]);
    if constexpr (std::is_invocable_v<Pointer, Block&>) block.*Member = std::move(value);
    else if constexpr (std::is_invocable_v<Pointer, CookieRules&>) block.provider.cookie.*Member = std::move(value);
    else if constexpr (std::is_invocable_v<Pointer, HttpPolicy&>) block.provider.http.*Member = std::move(value);
    else block.provider.*Member = std::move(value);
}

inline constexpr Choice<bool> on_off[] = {{"on", true}, {"off", false}};

}  // namespace oidc::ngx
