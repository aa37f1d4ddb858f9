// The directives of http, server and location, and how a location inherits them.
#include "ngx_http_oidc_conf_parse.hpp"
#include "ngx_http_oidc_variables.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t min_zone_size = 64 * 1024, min_cookie_key = 32, max_cookie_key = 4096;

// The C entry of a directive.
template <class Conf, void (*Set)(ngx_conf_t*, const Words&, Conf&)>
char* entry(ngx_conf_t* cf, ngx_command_t* command, void* conf) noexcept
{
    Words words = names_of(items<ngx_str_t>(*cf->args), view);
    return guarded(cf, string(command->name), [&] { Set(cf, words, *static_cast<Conf*>(conf)); });
}

// oidc_session_zone zone=name:size
void declare_session_zone(ngx_conf_t* cf, const Words& words, MainConf& main)
{
    std::string zone;
    read_options(std::span(words).subspan(1), {{"zone", into<parse_text>(zone)}});
    std::size_t colon = zone.rfind(':');
    if (colon == zone.npos || colon == 0) throw Mistake("write it like zone=sessions:8m");
    std::size_t size = parse_size(std::string_view(zone).substr(colon + 1));
    zone.resize(colon);
    if (size < min_zone_size) throw Mistake("the zone " + quoted(zone) + " is too small; 64k is the least");
    if (contains(main.zones, zone, &SessionZone::name)) throw Mistake("the zone " + quoted(zone) + " is declared twice");
    main.zones.push_back(std::make_unique<SessionZone>(cf, zone, size));
}

void add_cookie_key(ngx_conf_t* cf, const Words& words, MainConf& main)
{
    std::string name = full_name(cf, words[1]);
    Secret key(read_file(name, max_cookie_key));
    bool enough = key.reveal().size() >= min_cookie_key;
    if (!enough) throw Mistake(quoted(name) + " holds less than 32 bytes; make one with \"openssl rand -hex 32\"");
    main.cookie_keys.push_back(std::move(key));
}

// oidc_claim_set $variable [source=..] [encoding=..] name ...
void declare_claim_set(ngx_conf_t* cf, const Words& words, MainConf&)
{
    bool variable = words[1].starts_with('$') && words[1].size() > 1;
    if (!variable) throw Mistake(quoted(words[1]) + " is no variable; write it like $roles");
    auto is_option = [](std::string_view word) { return word.starts_with("source=") || word.starts_with("encoding="); };
    auto path = std::find_if_not(words.begin() + 2, words.end(), is_option);
    auto* set = make_in_pool<ClaimSet>(cf->pool);
    read_options({words.begin() + 2, path},
                 {{"source", into<one_of<ClaimSource, "any id_token userinfo">>(set->source)},
                  {"encoding", into<one_of<ClaimEncoding, "raw json base64url urlencode">>(set->encoding)}});
    set->path.assign(path, words.end());
    if (set->path.empty()) throw Mistake("the claim's name is missing");
    if (add_claim_set_variable(cf, copy(cf->pool, words[1].substr(1)), set) != NGX_OK) throw Logged{};
}

ngx_http_complex_value_t* parse_auth(ngx_conf_t* cf, std::string_view text) { return text == "off" ? nullptr : compile(cf, text); }

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
    if (value->lengths == nullptr && !bare) throw Mistake(quoted(text) + " is not like https://www.example.fr");
    return value;
}

template <Setting LocConf::*Member, ngx_http_complex_value_t* (*Parse)(ngx_conf_t*, std::string_view)>
void set_once(ngx_conf_t* cf, const Words& words, LocConf& location)
{
    Setting& setting = location.*Member;
    if (setting.place.line > 0) throw Mistake(quoted(words[0]) + " directive is duplicate", here(cf));
    setting = {Parse(cf, words[1]), here(cf)};
}

// auth_require $value ... [error=status]
void add_require(ngx_conf_t* cf, const Words& words, LocConf& location)
{
    constexpr std::string_view error = "error=";
    Require require;
    for (std::string_view word : std::span(words).subspan(1)) {
        if (!word.starts_with(error)) require.values.push_back(compile(cf, word));
        else require.status = static_cast<ngx_uint_t>(parse_number(word.substr(error.size()), "status", 400, 599));
    }
    if (require.values.empty()) throw Mistake("a value is missing, like $oidc_claim_email");
    if (location.require == nullptr) location.require = make_in_pool<std::vector<Require>>(cf->pool);
    location.require->push_back(std::move(require));
}

// ---- Inheritance

// The arguments of a location must suit the provider that they are sent to.
void use_provider(SrvConf& server, const LocConf& location, const ProviderConf& conf)
{
    const Provider& provider = conf.provider;
    std::string_view args = location.args.value == nullptr ? std::string_view{} : view(location.args.value->value);
    for (const Param& arg : parse_arguments(args)) {
        std::string why = why_refused(*provider.profile, arg.name, &arg.value);
        bool acr = arg.name == "acr_values" && (conf.acr_values != nullptr || !provider.acr_default.empty());
        bool twice = acr || contains(conf.args, arg.name, &AuthArg::name);
        if (twice) why = titled(provider) + " sends " + quoted(arg.name) + " too; keep one of them";
        if (!why.empty()) throw Mistake("auth_oidc_args: " + why, location.args.place);
    }
    if (!contains(server.used, &conf)) server.used.push_back(&conf);
    server.host_needed = server.host_needed || (location.base_url.value == nullptr && provider.redirect_uri.starts_with('/'));
}

void resolve_auth(const MainConf& main, SrvConf& server, LocConf& location)
{
    if (location.auth.value == nullptr) return;
    if (location.auth.value->lengths != nullptr) {
        for (const auto& conf : main.providers) use_provider(server, location, *conf);
        return;
    }
    std::string_view name = view(location.auth.value->value);
    location.provider = find_provider(main, name);
    if (location.provider != nullptr) return use_provider(server, location, *location.provider);
    Words names = names_of(main.providers, [](const auto& conf) -> std::string_view { return conf->provider.name; });
    throw Mistake("auth_oidc: no oidc_provider " + quoted(name) + " is declared" + did_you_mean(name, names), location.auth.place);
}

template <class Conf>
void* create(ngx_conf_t* cf) noexcept
{
    try {
        return make_in_pool<Conf>(cf->pool);
    } catch (const std::exception&) {
        return nullptr;
    }
}

ngx_conf_enum_t unauth_values[] = {
    {ngx_string("auto"), static_cast<ngx_uint_t>(Unauth::automatic)},
    {ngx_string("redirect"), static_cast<ngx_uint_t>(Unauth::redirect)},
    {ngx_string("401"), static_cast<ngx_uint_t>(Unauth::status_401)},
    {ngx_string("403"), static_cast<ngx_uint_t>(Unauth::status_403)},
    {ngx_string("pass"), static_cast<ngx_uint_t>(Unauth::pass)},
    {ngx_null_string, 0},
};

constexpr ngx_uint_t anywhere = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;
constexpr ngx_uint_t to_main = NGX_HTTP_MAIN_CONF_OFFSET, to_location = NGX_HTTP_LOC_CONF_OFFSET;

}  // namespace

const ProviderConf* find_provider(const MainConf& conf, std::string_view name) noexcept
{
    auto at = std::ranges::find_if(conf.providers, [&](const auto& each) { return each->provider.name == name; });
    return at == conf.providers.end() ? nullptr : at->get();
}

void* create_main_conf(ngx_conf_t* cf) { return create<MainConf>(cf); }
void* create_srv_conf(ngx_conf_t* cf) { return create<SrvConf>(cf); }
void* create_loc_conf(ngx_conf_t* cf) { return create<LocConf>(cf); }

char* merge_loc_conf(ngx_conf_t* cf, void* parent, void* child)
{
    auto& outer = *static_cast<LocConf*>(parent);
    auto& inner = *static_cast<LocConf*>(child);
    for (Setting LocConf::*each : {&LocConf::auth, &LocConf::args, &LocConf::base_url}) {
        if ((inner.*each).place.line == 0) inner.*each = outer.*each;
    }
    if (inner.require == nullptr) inner.require = outer.require;
    ngx_conf_merge_uint_value(inner.unauth, outer.unauth, static_cast<ngx_uint_t>(Unauth::automatic));
    ngx_conf_merge_value(inner.strip_cookies, outer.strip_cookies, 1);
    auto* main = static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module));
    auto* server = static_cast<SrvConf*>(ngx_http_conf_get_module_srv_conf(cf, ngx_http_oidc_module));
    return guarded(cf, "", [&] { resolve_auth(*main, *server, inner); });
}

ngx_command_t commands[] = {
    {ngx_string("oidc_provider"), NGX_HTTP_MAIN_CONF | NGX_CONF_BLOCK | NGX_CONF_TAKE1, entry<MainConf, add_provider>, to_main, 0,
     nullptr},
    {ngx_string("oidc_session_zone"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, entry<MainConf, declare_session_zone>, to_main, 0, nullptr},
    {ngx_string("oidc_cookie_key"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, entry<MainConf, add_cookie_key>, to_main, 0, nullptr},
    {ngx_string("oidc_claim_set"), NGX_HTTP_MAIN_CONF | NGX_CONF_2MORE, entry<MainConf, declare_claim_set>, to_main, 0, nullptr},
    {ngx_string("oidc_base_url"), anywhere | NGX_CONF_TAKE1, entry<LocConf, set_once<&LocConf::base_url, parse_base_url>>, to_location,
     0, nullptr},
    {ngx_string("auth_oidc"), anywhere | NGX_CONF_TAKE1, entry<LocConf, set_once<&LocConf::auth, parse_auth>>, to_location, 0, nullptr},
    {ngx_string("auth_oidc_args"), anywhere | NGX_CONF_TAKE1, entry<LocConf, set_once<&LocConf::args, parse_args>>, to_location, 0,
     nullptr},
    {ngx_string("auth_oidc_unauth"), anywhere | NGX_CONF_TAKE1, ngx_conf_set_enum_slot, to_location, offsetof(LocConf, unauth),
     unauth_values},
    {ngx_string("auth_oidc_strip_cookies"), anywhere | NGX_CONF_FLAG, ngx_conf_set_flag_slot, to_location,
     offsetof(LocConf, strip_cookies), nullptr},
    {ngx_string("auth_require"), anywhere | NGX_CONF_1MORE, entry<LocConf, add_require>, to_location, 0, nullptr},
    ngx_null_command,
};

}  // namespace oidc::ngx
