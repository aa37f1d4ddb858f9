// The directives of http, server and location; creation, inheritance and completion of the configuration.
#include "ngx_http_oidc_conf.hpp"

#include <algorithm>

#include "ngx_http_oidc_conf_parse.hpp"
#include "ngx_http_oidc_request.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t default_store_size = 8 * 1024 * 1024, documents_size = 4 * 1024 * 1024,
                      states_size = 1024 * 1024, min_zone_size = 64 * 1024;
constexpr std::size_t min_cookie_key = 32, max_cookie_key = 4096;

// The C entry of a directive.
template <void (*Set)(ngx_conf_t*, const Words&, void*)>
char* entry(ngx_conf_t* cf, ngx_command_t* command, void* conf) noexcept
{
    return guarded(cf, view(command->name), [&] { Set(cf, words_of(cf), conf); });
}

Mistake duplicate(ngx_conf_t* cf, const Words& words) { return {here(cf), quoted(words[0]) + " directive is duplicate"}; }

Zone* find_zone(const MainConf& main, std::string_view name)
{
    auto at = std::ranges::find_if(main.zones, [&](const auto& zone) { return zone->name() == name; });
    return at == main.zones.end() ? nullptr : at->get();
}

// oidc_session_zone zone=name:size
void declare_session_zone(ngx_conf_t* cf, const Words& words, void* conf)
{
    auto& main = *static_cast<MainConf*>(conf);
    Options options(words, 1, {"zone"});
    std::string_view zone = options.get("zone").value_or("");
    std::size_t colon = zone.rfind(':');
    if (colon == zone.npos || colon == 0) throw Mistake("write it like zone=sessions:8m");
    std::string_view name = zone.substr(0, colon);
    std::size_t size = parse_size(zone.substr(colon + 1));
    if (size < min_zone_size) throw Mistake("the zone " + quoted(name) + " is too small; 64k is the least");
    if (find_zone(main, name) != nullptr) throw Mistake("the zone " + quoted(name) + " is declared twice");
    main.zones.push_back(std::make_unique<Zone>(cf, name, size));
}

void add_cookie_key(ngx_conf_t* cf, const Words& words, void* conf)
{
    Secret key(read_file(cf, words[1], max_cookie_key));
    bool enough = key.reveal().size() >= min_cookie_key;
    std::string name = quoted(full_name(cf, words[1]));
    if (!enough) throw Mistake(name + " holds less than 32 bytes; make one with \"openssl rand -hex 32\"");
    static_cast<MainConf*>(conf)->cookie_keys.push_back(std::move(key));
}

constexpr Choice<ClaimSource> claim_sources[] = {
    {"any", ClaimSource::any}, {"id_token", ClaimSource::id_token}, {"userinfo", ClaimSource::userinfo}};
constexpr Choice<ClaimEncoding> claim_encodings[] = {{"raw", ClaimEncoding::raw},
                                                     {"json", ClaimEncoding::json},
                                                     {"base64url", ClaimEncoding::base64url},
                                                     {"urlencode", ClaimEncoding::urlencode}};

// oidc_claim_set $variable [source=..] [encoding=..] name ...
void declare_claim_set(ngx_conf_t* cf, const Words& words, void*)
{
    bool variable = words[1].starts_with('$') && words[1].size() > 1;
    if (!variable) throw Mistake(quoted(words[1]) + " is no variable; write it like $roles");
    auto is_option = [](std::string_view word) { return word.starts_with("source=") || word.starts_with("encoding="); };
    auto path = std::find_if_not(words.begin() + 2, words.end(), is_option);
    Options options(Words(words.begin(), path), 2, {"source", "encoding"});
    auto* set = make_in_pool<ClaimSet>(cf->pool);
    options.read("source", set->source, parse_choice<claim_sources>);
    options.read("encoding", set->encoding, parse_choice<claim_encodings>);
    set->path.assign(path, words.end());
    if (set->path.empty()) throw Mistake("the claim's name is missing");
    if (add_claim_set_variable(cf, copy(cf->pool, words[1].substr(1)), set) != NGX_OK) throw Logged{};
}

void set_auth(ngx_conf_t* cf, const Words& words, void* conf)
{
    auto& location = *static_cast<LocConf*>(conf);
    if (location.auth_set != NGX_CONF_UNSET) throw duplicate(cf, words);
    location.auth_set = 1;
    location.auth_place = here(cf);
    if (words[1] != "off") location.auth = compile(cf, words[1]);
}

void set_args(ngx_conf_t* cf, const Words& words, void* conf)
{
    auto& location = *static_cast<LocConf*>(conf);
    if (location.args.data != nullptr) throw duplicate(cf, words);
    for (const Param& arg : parse_arguments(words[1])) require_free_argument(arg.name);
    location.args = copy(cf->pool, words[1]);
    location.args_place = here(cf);
}

void set_base_url(ngx_conf_t* cf, const Words& words, void* conf)
{
    auto& location = *static_cast<LocConf*>(conf);
    if (location.base_url != NGX_CONF_UNSET_PTR) throw duplicate(cf, words);
    if (!has_variables(words[1])) {
        std::optional<Url> url = parse_url(words[1]);
        bool bare = url && url->path == "/" && !words[1].ends_with('/');
        if (!bare) throw Mistake(quoted(words[1]) + " is not like https://www.example.fr");
    }
    location.base_url = compile(cf, words[1]);
}

template <class T>
T& push(ngx_array_t* array)
{
    auto* slot = static_cast<T*>(ngx_array_push(array));
    if (slot == nullptr) throw std::bad_alloc{};
    return *slot;
}

template <class T>
ngx_array_t* make_array(ngx_conf_t* cf)
{
    ngx_array_t* array = ngx_array_create(cf->pool, 2, sizeof(T));
    if (array == nullptr) throw std::bad_alloc{};
    return array;
}

// auth_require $value ... [error=status]
void add_require(ngx_conf_t* cf, const Words& words, void* conf)
{
    auto& location = *static_cast<LocConf*>(conf);
    constexpr std::string_view error = "error=";
    if (location.require == NGX_CONF_UNSET_PTR) location.require = make_array<Require>(cf);
    Require require{make_array<ngx_http_complex_value_t>(cf), NGX_HTTP_FORBIDDEN};
    for (std::string_view word : std::span(words).subspan(1)) {
        if (word.starts_with(error)) {
            require.status = static_cast<ngx_uint_t>(parse_number(word.substr(error.size()), "status", 400, 599));
        } else {
            push<ngx_http_complex_value_t>(require.values) = *compile(cf, word);
        }
    }
    if (require.values->nelts == 0) throw Mistake("a value is missing, like $oidc_claim_email");
    push<Require>(location.require) = require;
}

void complete_session_store(ngx_conf_t* cf, MainConf& main, ProviderConf& conf)
{
    if (conf.session_store.empty()) {
        main.zones.push_back(std::make_unique<Zone>(cf, "oidc_default_store_" + conf.provider.name, default_store_size));
        conf.sessions = main.zones.back().get();
        return;
    }
    conf.sessions = find_zone(main, conf.session_store);
    if (conf.sessions != nullptr) return;
    Words names;
    for (const auto& zone : main.zones) names.push_back(zone->name());
    std::string who = "oidc_provider " + quoted(conf.provider.name) + ": session_store: ";
    throw Mistake(conf.store_place, who + "no oidc_session_zone is named " + quoted(conf.session_store) +
                                        did_you_mean(conf.session_store, names));
}

void complete_main(ngx_conf_t* cf, MainConf& main)
{
    if (main.providers.empty()) return;
    main.documents = std::make_unique<Zone>(cf, "oidc_documents", documents_size);
    main.states = std::make_unique<Zone>(cf, "oidc_states", states_size);
    for (auto& conf : main.providers) {
        CookieRules& cookie = conf->provider.cookie;
        if (!cookie.name_given) cookie.name = "NGX_OIDC_SESSION" + (main.providers.size() > 1 ? "_" + conf->provider.name : "");
        complete_session_store(cf, main, *conf);
    }
}

// The arguments of a location must suit the provider that they are sent to.
void check_args(const LocConf& location, const ProviderConf& conf)
{
    for (const Param& arg : parse_arguments(view(location.args))) {
        std::string why = why_refused(*conf.provider.profile, arg.name, &arg.value);
        bool acr = arg.name == "acr_values" && (conf.acr_values != nullptr || !conf.provider.acr_default.empty());
        bool twice = acr || std::ranges::find(conf.args, arg.name, &AuthArg::name) != conf.args.end();
        if (twice) why = "oidc_provider " + quoted(conf.provider.name) + " sends " + quoted(arg.name) + " too; keep one of them";
        if (!why.empty()) throw Mistake(location.args_place, "auth_oidc_args: " + why);
    }
}

void use_provider(SrvConf& server, const LocConf& location, const ProviderConf& conf)
{
    check_args(location, conf);
    if (std::ranges::find(server.used, &conf) == server.used.end()) server.used.push_back(&conf);
    server.host_needed = server.host_needed || (location.base_url == nullptr && conf.provider.redirect_uri.starts_with('/'));
}

void resolve_auth(const MainConf& main, SrvConf& server, LocConf& location)
{
    if (location.auth == nullptr) return;
    if (location.auth->lengths != nullptr) {
        for (const auto& conf : main.providers) use_provider(server, location, *conf);
        return;
    }
    std::string_view name = view(location.auth->value);
    location.provider = find_provider(main, name);
    if (location.provider != nullptr) return use_provider(server, location, *location.provider);
    Words names;
    for (const auto& conf : main.providers) names.push_back(conf->provider.name);
    throw Mistake(location.auth_place, "auth_oidc: no oidc_provider " + quoted(name) + " is declared" + did_you_mean(name, names));
}

void inherit(ngx_conf_t* cf, const LocConf& parent, LocConf& child)
{
    if (child.auth_set == NGX_CONF_UNSET && parent.auth_set != NGX_CONF_UNSET) {
        child.auth = parent.auth;
        child.auth_place = parent.auth_place;
        child.auth_set = parent.auth_set;
    }
    if (child.args.data == nullptr) {
        child.args = parent.args;
        child.args_place = parent.args_place;
    }
    ngx_conf_merge_uint_value(child.unauth, parent.unauth, static_cast<ngx_uint_t>(Unauth::automatic));
    ngx_conf_merge_value(child.strip_cookies, parent.strip_cookies, 1);
    ngx_conf_merge_ptr_value(child.base_url, parent.base_url, nullptr);
    ngx_conf_merge_ptr_value(child.require, parent.require, nullptr);
    auto* main = static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module));
    auto* server = static_cast<SrvConf*>(ngx_http_conf_get_module_srv_conf(cf, ngx_http_oidc_module));
    resolve_auth(*main, *server, child);
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

void* create_main_conf(ngx_conf_t* cf) { return create<MainConf>(cf); }
void* create_srv_conf(ngx_conf_t* cf) { return create<SrvConf>(cf); }

void* create_loc_conf(ngx_conf_t* cf)
{
    auto* conf = static_cast<LocConf*>(ngx_pcalloc(cf->pool, sizeof(LocConf)));
    if (conf == nullptr) return nullptr;
    conf->unauth = NGX_CONF_UNSET_UINT;
    conf->strip_cookies = NGX_CONF_UNSET;
    conf->base_url = static_cast<ngx_http_complex_value_t*>(NGX_CONF_UNSET_PTR);
    conf->require = static_cast<ngx_array_t*>(NGX_CONF_UNSET_PTR);
    conf->auth_set = NGX_CONF_UNSET;
    return conf;
}

char* init_main_conf(ngx_conf_t* cf, void* conf)
{
    return guarded(cf, "", [&] { complete_main(cf, *static_cast<MainConf*>(conf)); });
}

char* merge_loc_conf(ngx_conf_t* cf, void* parent, void* child)
{
    return guarded(cf, "", [&] { inherit(cf, *static_cast<LocConf*>(parent), *static_cast<LocConf*>(child)); });
}

ngx_command_t commands[] = {
    {ngx_string("oidc_provider"), NGX_HTTP_MAIN_CONF | NGX_CONF_BLOCK | NGX_CONF_TAKE1, entry<add_provider>, to_main, 0, nullptr},
    {ngx_string("oidc_session_zone"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, entry<declare_session_zone>, to_main, 0, nullptr},
    {ngx_string("oidc_cookie_key"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, entry<add_cookie_key>, to_main, 0, nullptr},
    {ngx_string("oidc_claim_set"), NGX_HTTP_MAIN_CONF | NGX_CONF_2MORE, entry<declare_claim_set>, to_main, 0, nullptr},
    {ngx_string("oidc_base_url"), anywhere | NGX_CONF_TAKE1, entry<set_base_url>, to_location, 0, nullptr},
    {ngx_string("auth_oidc"), anywhere | NGX_CONF_TAKE1, entry<set_auth>, to_location, 0, nullptr},
    {ngx_string("auth_oidc_args"), anywhere | NGX_CONF_TAKE1, entry<set_args>, to_location, 0, nullptr},
    {ngx_string("auth_oidc_unauth"), anywhere | NGX_CONF_TAKE1, ngx_conf_set_enum_slot, to_location, offsetof(LocConf, unauth),
     unauth_values},
    {ngx_string("auth_oidc_strip_cookies"), anywhere | NGX_CONF_FLAG, ngx_conf_set_flag_slot, to_location,
     offsetof(LocConf, strip_cookies), nullptr},
    {ngx_string("auth_require"), anywhere | NGX_CONF_1MORE, entry<add_require>, to_location, 0, nullptr},
    ngx_null_command,
};

}  // namespace oidc::ngx
