#include "conf/location_directives.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "conf/parse.hpp"
#include "oidc/base/url.hpp"

namespace oidc::ngx {
namespace {

// value ... | off
void set_step_up(ngx_conf_t* cf, const Words& words, StepUp*& demand)
{
    if (demand != nullptr) throw ConfigError("the directive is written twice");
    for (const std::string& word : words) {
        bool plain = !word.empty() && word.find_first_of("$ ,\"\\") == word.npos;
        if (!plain) throw ConfigError(quoted(word) + " is no plain word; write the words one by one");
    }
    bool off = words[1] == "off";
    if (off && words.size() > 2) throw ConfigError("\"off\" stands alone");
    demand = make_in_pool<StepUp>(cf->pool, StepUp{off ? Words() : Words(words.begin() + 1, words.end()), here(cf)});
}

}  // namespace

ngx_http_complex_value_t* parse_auth(ngx_conf_t* cf, std::string_view text)
{
    return text == "off" ? nullptr : compile(cf, text);
}

ngx_http_complex_value_t* parse_args(ngx_conf_t* cf, std::string_view text)
{
    parse_arguments(text);
    return literal(cf, text);
}

ngx_http_complex_value_t* parse_base_url(ngx_conf_t* cf, std::string_view text)
{
    ngx_http_complex_value_t* value = compile(cf, text);
    std::optional<Url> url = parse_url(text);
    bool bare = url && url->path == "/" && !text.ends_with('/');
    if (value->lengths == nullptr && !bare) throw ConfigError(quoted(text) + " is not like https://www.example.fr");
    return value;
}

void set_unauth(ngx_conf_t*, const Words& words, LocConf& location)
{
    if (location.unauth != NGX_CONF_UNSET_UINT) throw ConfigError("the directive is written twice");
    location.unauth = parse_name(words[1], "auto redirect 401 403 pass");
}

void set_acr(ngx_conf_t* cf, const Words& words, LocConf& location) { set_step_up(cf, words, location.acr); }

void set_scope(ngx_conf_t* cf, const Words& words, LocConf& location) { set_step_up(cf, words, location.scope); }

void set_chooser(ngx_conf_t* cf, const Words& words, LocConf& location)
{
    bool plain = is_local_path(words[1]) && words[1].find_first_of("?%#") == words[1].npos && !words[1].ends_with('/');
    if (location.chooser.len > 0) throw ConfigError("the directive is written twice");
    if (!plain)
        throw ConfigError(
            quoted(words[1]) +
            " is no page of this site, where an internal redirect can go; write it like /login/index.html");
    location.chooser = copy(cf->pool, words[1]);
}

// auth_require $value ... [error=status]
void add_require(ngx_conf_t* cf, const Words& words, LocConf& location)
{
    constexpr std::string_view error = "error=";
    AuthRequire require;
    for (std::string_view word : std::span(words).subspan(1)) {
        if (word.starts_with(error)) {
            require.status = static_cast<ngx_uint_t>(parse_number(word.substr(error.size()), "status", 400, 599));
            continue;
        }

        require.values.push_back(compile(cf, word));
        std::string variable = "$" + std::string(word), always = word.empty() || word == "0" ? "false" : "true";
        if (require.values.back()->lengths != nullptr) continue;
        throw ConfigError(quoted(word) + " has no variable and would always be " + always + "; write " +
                          quoted(is_variable(variable) ? variable : "$oidc_claim_email"));
    }

    if (require.values.empty()) throw ConfigError("a value is missing, like $oidc_claim_email");
    if (location.require == nullptr) location.require = make_in_pool<std::vector<AuthRequire>>(cf->pool);
    location.require->push_back(std::move(require));
}

bool is_variable(std::string_view text)
{
    auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
    return text.size() > 1 && text[0] == '$' && std::isdigit(text[1]) == 0 && std::ranges::all_of(text.substr(1), fits);
}

}  // namespace oidc::ngx
