// The oidc_provider block while it is read.
#pragma once

#include <map>

#include "ngx_http_oidc_conf_parse.hpp"
#include "oidc/url.hpp"

namespace oidc::ngx {

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
    std::map<std::string, Place, std::less<>> written;     // the directives that stand in the block
    std::string_view directive;                            // the one being read
    std::vector<Argument> arguments;
    std::string environment, network;                      // of `profile`
    Switch logout_state = Switch::automatic;
    Switch userinfo_encryption = Switch::automatic;        // of `userinfo_format`

    Block(ngx_conf_t* conf_cf, ProviderConf& new_conf) : cf{conf_cf}, conf{new_conf}, provider{new_conf.provider} {}
    bool has(std::string_view directive) const { return written.find(directive) != written.end(); }
};

// A row of the block's tables. Setters get the words behind the name.
struct Directive {
    std::string_view name;
    std::size_t min_words, max_words;
    bool repeatable;
    void (*set)(Block& block, const Words& words);
};

std::span<const Directive> client_directives();            // who we are, who the provider is, how it is called
std::span<const Directive> login_directives();             // the login, its tokens, the session, the logout

// The oidc_provider directive.
void declare_provider(ngx_conf_t* cf, const Words& words, void* main_conf);

// At the end of the block: what the profile sets, then all checks that need more than one directive.
void complete_provider(Block& block);

// The provider's endpoints, with the directive that names each. Throws Mistake for two on one path.
void add_routes(std::vector<Route>& routes, const ProviderConf& conf);

// Parameters of an authorization URL that stand in the configuration: reserved names are a mistake.
void require_free_argument(std::string_view name);
std::vector<Param> parse_arguments(std::string_view query);

template <auto Member>
void set_text(Block& block, const Words& words)
{
    if (words[0].empty()) throw Mistake("the value is empty");
    block.provider.*Member = words[0];
}

template <auto Member>
void set_on_off(Block& block, const Words& words)
{
    block.provider.*Member = parse_on_off(words[0]);
}

template <auto Member>
void set_seconds(Block& block, const Words& words)
{
    block.provider.*Member = parse_seconds(words[0]);
}

template <auto Member>
void set_seconds_or_off(Block& block, const Words& words)
{
    block.provider.*Member = words[0] == "off" ? 0 : parse_seconds(words[0]);
}

template <auto Member>
void set_safe_url(Block& block, const Words& words)
{
    require_safe_url(words[0]);
    block.provider.*Member = words[0];
}

template <auto Member>
void set_endpoint_path(Block& block, const Words& words)
{
    require_endpoint_path(words[0]);
    block.provider.*Member = words[0];
}

// A path, or an absolute URI.
template <auto Member>
void set_endpoint_uri(Block& block, const Words& words)
{
    if (!words[0].starts_with('/')) require_safe_url(words[0]);
    require_endpoint_path(path_of(words[0]));
    block.provider.*Member = words[0];
}

template <auto Member>
void set_page(Block& block, const Words& words)
{
    bool local = words[0].starts_with('/');
    if (local && !is_local_path(words[0])) throw Mistake(quoted(words[0]) + " is no path of this site");
    if (!local) require_safe_url(words[0]);
    block.provider.*Member = words[0];
}

}  // namespace oidc::ngx
