// What is said of a configuration: sentences of `nginx -t`, each with its place and its remedy.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "ngx_http_oidc.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc::ngx {

// Where a directive stands, for messages after the line was read.
struct Place {
    ngx_str_t file;
    ngx_uint_t line;
};

using Words = std::vector<std::string>;

inline Words names_of(const auto& range, auto name)
{
    Words names;
    for (const auto& each : range) names.emplace_back(std::invoke(name, each));
    return names;
}

// A sentence for `nginx -t`; empty: nginx has already logged why.
struct ConfigError : std::runtime_error {
    explicit ConfigError(const std::string& sentence = {}, const Place& where = {})
        : std::runtime_error(sentence), place{where}
    {
    }
    Place place;  // none: the line being read, with the directive's name before it
};

std::string quoted(std::string_view text);             // cut when long: a line of the error log has 2 kB
std::string provider_title(const Provider& provider);  // oidc_provider "name"
std::string directive_of(const Provider& provider, std::string_view directive);  // oidc_provider "name": directive
std::string did_you_mean(std::string_view name,
                         const Words& candidates);  // one at most two edits away, else all when few

Place here(ngx_conf_t* cf);
void report(ngx_conf_t* cf, ngx_uint_t level, const Place& place, std::string_view sentence);

// What nginx calls: no exception passes, it becomes a message with file and line.
char* guarded(ngx_conf_t* cf, const std::string& who, const std::function<void()>& work) noexcept;

// The C entry of a directive.
template <class Conf, void (*Set)(ngx_conf_t*, const Words&, Conf&)>
char* entry(ngx_conf_t* cf, ngx_command_t* command, void* conf) noexcept
{
    Words words = names_of(items<ngx_str_t>(*cf->args), view);
    return guarded(cf, string(command->name), [&] { Set(cf, words, *static_cast<Conf*>(conf)); });
}

}  // namespace oidc::ngx
