// Tools for reading directives: they throw Mistake with a sentence that names the remedy, or return what was meant.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ngx_http_oidc_conf.hpp"

namespace oidc::ngx {

// A sentence for `nginx -t`.
struct Mistake : std::runtime_error {
    explicit Mistake(const std::string& sentence) : std::runtime_error(sentence) {}
    Mistake(Place where, const std::string& sentence) : std::runtime_error(sentence), place{where} {}
    std::optional<Place> place;  // none: the line being read
};

// nginx has already logged why.
struct Logged : std::exception {};

using Words = std::vector<std::string_view>;  // of one directive

Words words_of(const ngx_conf_t* cf);
std::string quoted(std::string_view text);
std::string joined(std::span<const std::string_view> words);
Words split(std::string_view text, char separator);

Place here(ngx_conf_t* cf);
void report(ngx_conf_t* cf, ngx_uint_t level, const Place& place, std::string_view sentence);

// Gives an exception to nginx as a message with file and line.
char* report_failure(ngx_conf_t* cf, std::exception_ptr failure) noexcept;

// The C entry of a directive: no exception passes.
template <void (*Set)(ngx_conf_t*, const Words&, void*)>
char* guarded(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept
{
    try {
        Set(cf, words_of(cf), conf);
        return NGX_CONF_OK;
    } catch (...) {
        return report_failure(cf, std::current_exception());
    }
}

Seconds parse_seconds(std::string_view text);
std::int64_t parse_milliseconds(std::string_view text);
std::size_t parse_size(std::string_view text);
bool parse_on_off(std::string_view text);

// One of the names; the message lists them.
template <class T>
T parse_choice(std::string_view text, std::initializer_list<std::pair<std::string_view, T>> choices)
{
    std::string list;
    for (const auto& [name, value] : choices) {
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
    std::vector<std::pair<std::string_view, std::string_view>> options_;
};

bool has_variables(std::string_view text);
ngx_http_complex_value_t* compile(ngx_conf_t* cf, std::string_view text);
ngx_http_complex_value_t* literal(ngx_conf_t* cf, std::string_view text);  // no variable in it, whatever its bytes

std::string full_name(ngx_conf_t* cf, std::string_view path);              // relative to the configuration's folder
std::string read_file(ngx_conf_t* cf, std::string_view path, std::size_t max_size);
std::string worker_file(ngx_conf_t* cf, std::string_view path);            // checked: workers open it themselves

// https, or http on a loopback host.
void require_safe_url(std::string_view text);
// A path of our own: no query, nothing that nginx would normalise.
void require_endpoint_path(std::string_view text);
// The path of a path, or of an absolute URI.
std::string path_of(std::string_view uri);

// `; did you mean "x"?` for a name that is at most two edits away, else empty.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace oidc::ngx
