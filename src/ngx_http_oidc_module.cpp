// The module: the directives of http, server and location, and the tables that nginx reads.
#include "ngx_http_oidc_runtime.hpp"

namespace oidc::ngx {

ngx_str_t copy(ngx_pool_t* pool, std::string_view s)
{
    auto* data = static_cast<u_char*>(ngx_pnalloc(pool, s.size() + 1));
    if (data == nullptr) throw std::bad_alloc{};
    data[s.copy(reinterpret_cast<char*>(data), s.size())] = '\0';
    return {s.size(), data};
}

const ProviderConf* find_provider(const MainConf& conf, std::string_view name) noexcept
{
    auto at = std::ranges::find_if(conf.providers, [&](const auto& each) { return each->provider.name == name; });
    return at == conf.providers.end() ? nullptr : at->get();
}

namespace {

constexpr std::size_t min_zone_size = 64 * 1024, min_cookie_key = 32;

// The C entry of a directive.
template <class Conf, void (*Set)(ngx_conf_t*, const Words&, Conf&)>
char* entry(ngx_conf_t* cf, ngx_command_t* command, void* conf) noexcept
{
    Words words = names_of(items<ngx_str_t>(*cf->args), view);
    return guarded(cf, string(command->name), [&] { Set(cf, words, *static_cast<Conf*>(conf)); });
}

// oidc_session_zone zone=name:size
void declare_zone(ngx_conf_t* cf, const Words& words, MainConf& main)
{
    std::string zone;
    read_options(words, 1, {{"zone", into<parse_constant>(zone)}});
    std::size_t colon = zone.rfind(':');
    if (colon == zone.npos || colon == 0) throw Mistake("write it like zone=sessions:8m");
    std::size_t size = parse_size(std::string_view(zone).substr(colon + 1));
    zone.resize(colon);
    if (size < min_zone_size) throw Mistake("the zone " + quoted(zone) + " is too small; 64k is the least");
    if (contains(main.zones, zone, &Zone::name)) throw Mistake("the zone " + quoted(zone) + " is declared twice");
    main.zones.push_back(std::make_unique<Zone>(cf, zone, size));
}

void add_cookie_key(ngx_conf_t* cf, const Words& words, MainConf& main)
{
    std::string name = full_name(cf, words[1]);
    Secret key(read_file(name));
    bool enough = key.reveal().size() >= min_cookie_key;
    if (!enough) throw Mistake(quoted(name) + " holds less than 32 bytes; make one with \"openssl rand -hex 32\"");
    main.cookie_keys.push_back(std::move(key));
}

bool is_variable(std::string_view text)
{
    auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
    return text.size() > 1 && text[0] == '$' && std::isdigit(text[1]) == 0 && std::ranges::all_of(text.substr(1), fits);
}

// oidc_claim_set $variable [source=..] [encoding=..] name ...
void declare_claim_set(ngx_conf_t* cf, const Words& words, MainConf&)
{
    if (!is_variable(words[1])) throw Mistake(quoted(words[1]) + " is no variable; write it like $roles");
    auto is_option = [](std::string_view word) { return word.starts_with("source=") || word.starts_with("encoding="); };
    auto path = std::find_if_not(words.begin() + 2, words.end(), is_option);
    auto* set = make_in_pool<ClaimSet>(cf->pool);
    read_options({words.begin(), path}, 2,
                 {{"source", into<one_of<ClaimSource, "any id_token userinfo">>(set->source)},
                  {"encoding", into<one_of<ClaimEncoding, "raw json base64url urlencode">>(set->encoding)}});
    set->path.assign(path, words.end());
    if (set->path.empty()) throw Mistake("the claim's name is missing");
    if (std::any_of(path, words.end(), is_option)) throw Mistake("options stand before the claim's name");
    if (add_claim_set_variable(cf, copy(cf->pool, words[1].substr(1)), set) != NGX_OK) throw Mistake();
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
char* set_once(ngx_conf_t* cf, ngx_command_t* command, void* conf) noexcept
{
    Setting& setting = static_cast<LocConf*>(conf)->*Member;
    if (setting.place.line > 0) return const_cast<char*>("is duplicate");
    return guarded(cf, string(command->name), [&] { setting = {Parse(cf, view(items<ngx_str_t>(*cf->args)[1])), here(cf)}; });
}

void set_unauth(ngx_conf_t*, const Words& words, LocConf& location)
{
    if (location.unauth != NGX_CONF_UNSET_UINT) throw Mistake("the directive is written twice");
    location.unauth = parse_name(words[1], "auto redirect 401 403 pass");
}

// value ... | off
template <Demand* LocConf::*Member>
void set_demand(ngx_conf_t* cf, const Words& words, LocConf& location)
{
    if (location.*Member != nullptr) throw Mistake("the directive is written twice");
    for (const std::string& word : words) {
        bool plain = !word.empty() && word.find_first_of("$ ,\"\\") == word.npos;
        if (!plain) throw Mistake(quoted(word) + " is no plain word; write the words one by one");
    }
    bool off = words[1] == "off";
    if (off && words.size() > 2) throw Mistake("\"off\" stands alone");
    location.*Member = make_in_pool<Demand>(cf->pool, Demand{off ? Words() : Words(words.begin() + 1, words.end()), here(cf)});
}

void set_chooser(ngx_conf_t* cf, const Words& words, LocConf& location)
{
    bool plain = is_local_path(words[1]) && words[1].find_first_of("?%#") == words[1].npos && !words[1].ends_with('/');
    if (location.chooser.len > 0) throw Mistake("the directive is written twice");
    if (!plain) throw Mistake(quoted(words[1]) + " is no page of this site, where an internal redirect can go; write it like /login/index.html");
    location.chooser = copy(cf->pool, words[1]);
}

// auth_require $value ... [error=status]
void add_require(ngx_conf_t* cf, const Words& words, LocConf& location)
{
    constexpr std::string_view error = "error=";
    Require require;
    for (std::string_view word : std::span(words).subspan(1)) {
        if (word.starts_with(error)) {
            require.status = static_cast<ngx_uint_t>(parse_number(word.substr(error.size()), "status", 400, 599));
            continue;
        }
        require.values.push_back(compile(cf, word));
        std::string variable = "$" + std::string(word), always = word.empty() || word == "0" ? "false" : "true";
        if (require.values.back()->lengths != nullptr) continue;
        throw Mistake(quoted(word) + " has no variable and would always be " + always + "; write " +
                      quoted(is_variable(variable) ? variable : "$oidc_claim_email"));
    }
    if (require.values.empty()) throw Mistake("a value is missing, like $oidc_claim_email");
    if (location.require == nullptr) location.require = make_in_pool<std::vector<Require>>(cf->pool);
    location.require->push_back(std::move(require));
}

// ---- Inheritance

// Why a location cannot demand the level; empty: it can.
std::string why_no_level(const Provider& provider, const std::string& level)
{
    const Profile& profile = *provider.profile;
    std::string known, least = join(provider.acr_default, " ");
    for (const AcrOrder& order : profile.acr_orders) known += " " + join(order, " ");
    if (!knows_acr(profile, level)) return concat({profile.title, " has no level ", quoted(level), ", it has", known});
    bool below = profile.acr_orders.size() == 1 && !acr_at_least(provider.acr_orders, provider.acr_default, level);
    return below ? concat({quoted(level), " is below ", quoted(least), ", which every login has (acr_values)"}) : "";
}

// The arguments of a location must suit the provider that they are sent to.
void use_provider(SrvConf& server, const LocConf& location, const ProviderConf& conf)
{
    const Provider& provider = conf.provider;
    std::string_view args = location.args.value == nullptr ? std::string_view{} : view(location.args.value->value);
    for (const Param& arg : parse_arguments(args)) {
        std::string why = why_refused(*provider.profile, arg.name, &arg.value);
        bool twice = contains(conf.args, arg.name, &AuthArg::name);
        if (twice) why = titled(provider) + " sends " + quoted(arg.name) + " too; keep one of them";
        if (!why.empty()) throw Mistake("auth_oidc_args: " + why, location.args.place);
    }
    for (const std::string& level : location.acr != nullptr ? location.acr->words : Words())
        if (std::string why = why_no_level(provider, level); !why.empty()) throw Mistake("auth_oidc_acr: " + why, location.acr->place);
    if (!contains(server.used, &conf)) server.used.push_back(&conf);
    server.host_needed = server.host_needed || (location.base_url.value == nullptr && provider.redirect_uri.starts_with('/'));
}

void resolve_auth(const MainConf& main, SrvConf& server, LocConf& location)
{
    if (location.auth.value == nullptr) return;
    for (const Demand* demand : {location.acr, location.scope})
        if (demand != nullptr && !demand->words.empty() && static_cast<Unauth>(location.unauth) == Unauth::pass)
            throw Mistake("auth_oidc_acr and auth_oidc_scope say nothing where \"auth_oidc_unauth pass\" lets everyone in; write \"off\"",
                          demand->place);
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

char* inherit(ngx_conf_t* cf, void* parent, void* child)
{
    auto& outer = *static_cast<LocConf*>(parent);
    auto& inner = *static_cast<LocConf*>(child);
    for (Setting LocConf::*each : {&LocConf::auth, &LocConf::args, &LocConf::base_url})
        if ((inner.*each).place.line == 0) inner.*each = outer.*each;
    if (inner.require == nullptr) inner.require = outer.require;
    if (inner.acr == nullptr) inner.acr = outer.acr;
    if (inner.scope == nullptr) inner.scope = outer.scope;
    if (inner.chooser.len == 0) inner.chooser = outer.chooser;
    ngx_conf_merge_uint_value(inner.unauth, outer.unauth, static_cast<ngx_uint_t>(Unauth::automatic));
    ngx_conf_merge_value(inner.strip_cookies, outer.strip_cookies, 1);
    auto* main = static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module));
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    auto* server = static_cast<SrvConf*>(ngx_http_conf_get_module_srv_conf(cf, ngx_http_oidc_module));
    return guarded(cf, "", [&] {
        // Of a server or of http they are defaults for its locations.
        for (Demand* LocConf::*each : {&LocConf::acr, &LocConf::scope})
            if (core->name.len > 0 && inner.*each != outer.*each && !(inner.*each)->words.empty() && inner.auth.value == nullptr)
                throw Mistake("auth_oidc_acr and auth_oidc_scope say nothing where nobody has to log in; add \"auth_oidc <provider>\"",
                              (inner.*each)->place);
        resolve_auth(*main, *server, inner);
    });
}

ngx_int_t postconfiguration(ngx_conf_t* cf) { return guarded(cf, "", [&] { complete(cf); }) == NGX_CONF_OK ? NGX_OK : NGX_ERROR; }

// ---- Tables

template <class Conf>
void* create(ngx_conf_t* cf) noexcept
{
    Conf* conf = nullptr;
    guarded(cf, "", [&] { conf = make_in_pool<Conf>(cf->pool); });
    return conf;
}

constexpr ngx_uint_t anywhere = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;
constexpr ngx_uint_t to_main = NGX_HTTP_MAIN_CONF_OFFSET, to_location = NGX_HTTP_LOC_CONF_OFFSET;

ngx_command_t commands[] = {
    {ngx_string("oidc_provider"), NGX_HTTP_MAIN_CONF | NGX_CONF_BLOCK | NGX_CONF_TAKE1, entry<MainConf, add_provider>, to_main, 0,
     nullptr},
    {ngx_string("oidc_session_zone"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, entry<MainConf, declare_zone>, to_main, 0, nullptr},
    {ngx_string("oidc_cookie_key"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, entry<MainConf, add_cookie_key>, to_main, 0, nullptr},
    {ngx_string("oidc_claim_set"), NGX_HTTP_MAIN_CONF | NGX_CONF_2MORE, entry<MainConf, declare_claim_set>, to_main, 0, nullptr},
    {ngx_string("oidc_base_url"), anywhere | NGX_CONF_TAKE1, set_once<&LocConf::base_url, parse_base_url>, to_location, 0, nullptr},
    {ngx_string("auth_oidc"), anywhere | NGX_CONF_TAKE1, set_once<&LocConf::auth, parse_auth>, to_location, 0, nullptr},
    {ngx_string("auth_oidc_args"), anywhere | NGX_CONF_TAKE1, set_once<&LocConf::args, parse_args>, to_location, 0, nullptr},
    {ngx_string("auth_oidc_acr"), anywhere | NGX_CONF_1MORE, entry<LocConf, set_demand<&LocConf::acr>>, to_location, 0, nullptr},
    {ngx_string("auth_oidc_scope"), anywhere | NGX_CONF_1MORE, entry<LocConf, set_demand<&LocConf::scope>>, to_location, 0, nullptr},
    {ngx_string("auth_oidc_chooser"), anywhere | NGX_CONF_TAKE1, entry<LocConf, set_chooser>, to_location, 0, nullptr},
    {ngx_string("auth_oidc_unauth"), anywhere | NGX_CONF_TAKE1, entry<LocConf, set_unauth>, to_location, 0, nullptr},
    {ngx_string("auth_oidc_strip_cookies"), anywhere | NGX_CONF_FLAG, ngx_conf_set_flag_slot, to_location,
     offsetof(LocConf, strip_cookies), nullptr},
    {ngx_string("auth_require"), anywhere | NGX_CONF_1MORE, entry<LocConf, add_require>, to_location, 0, nullptr},
    ngx_null_command,
};

ngx_http_module_t module_ctx = {
    preconfiguration, postconfiguration, create<MainConf>, nullptr, create<SrvConf>, nullptr, create<LocConf>, inherit,
};

}  // namespace
}  // namespace oidc::ngx

ngx_module_t ngx_http_oidc_module = {
    NGX_MODULE_V1, &oidc::ngx::module_ctx, oidc::ngx::commands, NGX_HTTP_MODULE,
    nullptr, nullptr, oidc::ngx::init_process, nullptr, nullptr, oidc::ngx::exit_process, nullptr,
    NGX_MODULE_V1_PADDING,
};
