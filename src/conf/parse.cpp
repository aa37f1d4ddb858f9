#include "conf/parse.hpp"

#include <optional>

#include "conf/config_error.hpp"
#include "oidc/base/text.hpp"
#include "oidc/provider/profiles.hpp"

namespace oidc::ngx {
namespace {

constexpr std::int64_t longest_time = std::int64_t{100} * 366 * 86400;  // seconds: sums of times never overflow

}  // namespace

std::int64_t parse_time(std::string_view text, bool is_seconds)
{
    ngx_str_t value = borrow(text);
    ngx_int_t time = ngx_parse_time(&value, is_seconds);
    if (time == NGX_ERROR) throw ConfigError("invalid time " + quoted(text) + "; write it like 30s, 10m or 8h");
    if (time / (is_seconds ? 1 : 1000) > longest_time)
        throw ConfigError(quoted(text) + " is more than a hundred years");
    return time;
}

std::size_t parse_size(std::string_view text)
{
    ngx_str_t value = borrow(text);
    ssize_t size = ngx_parse_size(&value);
    if (size == NGX_ERROR) throw ConfigError("invalid size " + quoted(text) + "; write it like 256k or 8m");
    return static_cast<std::size_t>(size);
}

int parse_number(std::string_view text, std::string_view what, int least, int most)
{
    ngx_int_t number = ngx_atoi(borrow(text).data, text.size());
    if (number >= least && number <= most) return static_cast<int>(number);
    throw ConfigError("invalid " + std::string(what) + " " + quoted(text) + ", it can be " + std::to_string(least) +
                      " to " + std::to_string(most));
}

std::string parse_safe_url(std::string_view text)
{
    std::optional<Url> url = parse_url(text);
    if (!url) throw ConfigError(quoted(text) + " is no absolute https URL");
    if (url->scheme == "https" || is_loopback(url->host)) return std::string(text);
    throw ConfigError(quoted(text) + " must be https; plain http is for loopback hosts alone");
}

std::string parse_constant(std::string_view text)
{
    if (text.find('$') != text.npos)
        throw ConfigError(quoted(text) + " has a variable, and the directive takes no variables");
    return std::string(text);
}

std::string parse_endpoint_path(std::string_view text, std::string_view example)
{
    bool plain = is_local_path(text) && text.find_first_of("?#%") == text.npos && text.find("//") == text.npos;
    for (const std::string& segment : words(text, '/')) plain = plain && segment != "." && segment != "..";
    if (!plain)
        throw ConfigError(quoted(text) +
                          " is no plain path: it starts with \"/\" and has no query, escape or empty segment");
    if (text == "/") throw ConfigError("the module would answer \"/\" instead of the site; write " + quoted(example));
    return std::string(text);
}

std::string parse_endpoint_uri(std::string_view text, std::string_view example)
{
    if (text.starts_with('/')) return parse_endpoint_path(text, example);
    std::string either = " is neither a path (write " + quoted(example) + ") nor an absolute https URL";
    if (!parse_url(text)) throw ConfigError(quoted(text) + either);
    parse_endpoint_path(path_of(text), example);
    return parse_safe_url(text);
}

std::string path_of(std::string_view uri)
{
    std::optional<Url> url = parse_url(uri);
    return url ? url->path : std::string(uri);
}

std::size_t parse_name(std::string_view text, std::string_view names)
{
    Words all = words(names);
    auto at = std::ranges::find(all, text);
    if (at == all.end()) throw ConfigError("invalid value " + quoted(text) + ", it can be " + join(all, ", "));
    return static_cast<std::size_t>(at - all.begin());
}

void read_options(std::span<const std::string> words, std::size_t first, std::initializer_list<Option> options)
{
    Words known = names_of(options, &Option::key), seen;
    for (std::string_view word : words.subspan(first)) {
        std::string key(word.substr(0, word.find('=')));
        auto option = std::ranges::find(options, key, &Option::key);
        bool is_known = key.size() < word.size() && option != options.end();
        if (!is_known) throw ConfigError("unknown parameter " + quoted(word) + did_you_mean(key, known));
        if (contains(seen, key)) throw ConfigError("parameter " + quoted(key) + " is written twice");
        seen.push_back(key);
        option->set(word.substr(key.size() + 1));
    }
}

void require_free_argument(std::string_view name)
{
    if (name.empty()) throw ConfigError("an authorization parameter without a name");
    if (is_reserved_argument(name))
        throw ConfigError("the parameter " + quoted(name) + " is the module's own; remove it");
    std::string why = " would be sent and not checked; use the directive ";
    bool checked = name == "acr_values" || name == "max_age";
    if (checked) throw ConfigError(quoted(name) + why + std::string(name) + ", which is also checked in the token");
}

std::vector<Param> parse_arguments(std::string_view query)
{
    if (query.find('$') != query.npos) throw ConfigError("it takes no variables; use auth_args, which does");
    std::optional<std::vector<Param>> args = parse_query(query);
    if (!args) throw ConfigError(quoted(query) + " is no query; write it like \"a=b&c=d\", with %XX escapes");
    for (const Param& arg : *args) require_free_argument(arg.name);
    return *args;
}

ngx_http_complex_value_t* compile(ngx_conf_t* cf, std::string_view text)
{
    ngx_http_complex_value_t* value = literal(cf, text);
    ngx_http_compile_complex_value_t ccv{cf, &value->value, value, 0, 0, 0};
    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) throw ConfigError();
    return value;
}

ngx_http_complex_value_t* literal(ngx_conf_t* cf, std::string_view text)
{
    auto* value = make_in_pool<ngx_http_complex_value_t>(cf->pool);
    value->value = copy(cf->pool, text);
    return value;
}

}  // namespace oidc::ngx
