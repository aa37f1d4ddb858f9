#include "ngx_http_oidc_variables.hpp"

#include "ngx_http_oidc_request.hpp"
#include "ngx_http_oidc_site.hpp"
#include "oidc/cookie.hpp"
#include "oidc/crypto.hpp"
#include "oidc/login.hpp"
#include "oidc/session.hpp"

namespace oidc::ngx {
namespace {

using Value = ngx_http_variable_value_t;

void set(Value* v, std::string_view text) noexcept
{
    v->data = reinterpret_cast<u_char*>(const_cast<char*>(text.data()));
    v->len = static_cast<unsigned>(text.size()) & 0xfffffff;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
}

void set_copy(ngx_http_request_t* r, Value* v, std::string_view text) { set(v, view(copy(r->pool, text))); }

// The provider whose session this request shows, and that session; empty where auth_oidc is off.
struct Here {
    const ProviderConf* conf = nullptr;
    SessionView session;
};

Here here(ngx_http_request_t* r)
{
    AuthResult auth = auth_of(r);
    if (auth.kind != Auth::provider) return {};
    return {auth.conf, session_of(r, *auth.conf)};
}

void number(ngx_http_request_t* r, Value* v, std::int64_t n) { set_copy(r, v, n > 0 ? std::to_string(n) : std::string()); }

void claim(ngx_http_request_t* r, Value* v, std::string_view name)
{
    std::optional<Entry> found = here(r).session.claim(name);
    set(v, found ? found->value : std::string_view());
}

void get_claim(ngx_http_request_t* r, Value* v, uintptr_t data)
{
    constexpr std::string_view prefix = "oidc_claim_";
    claim(r, v, view(*reinterpret_cast<ngx_str_t*>(data)).substr(prefix.size()));
}

void get_acr(ngx_http_request_t* r, Value* v, uintptr_t) { claim(r, v, "acr"); }
void get_auth_time(ngx_http_request_t* r, Value* v, uintptr_t) { claim(r, v, "auth_time"); }

void get_id_token(ngx_http_request_t* r, Value* v, uintptr_t) { set(v, here(r).session.internal(entry_name::id_token)); }

void get_access_token(ngx_http_request_t* r, Value* v, uintptr_t)
{
    SessionView session = here(r).session;
    std::int64_t expires = session.times().access_expires;
    bool alive = expires == 0 || expires > ngx_time();
    set(v, alive ? session.internal(entry_name::access_token) : std::string_view());
}

void get_userinfo(ngx_http_request_t* r, Value* v, uintptr_t)
{
    SessionView session = here(r).session;
    set_copy(r, v, session ? claims_json(session, Source::userinfo) : std::string());
}

void get_claims(ngx_http_request_t* r, Value* v, uintptr_t)
{
    SessionView session = here(r).session;
    set_copy(r, v, session ? claims_json(session, std::nullopt) : std::string());
}

void get_authenticated(ngx_http_request_t* r, Value* v, uintptr_t) { set(v, here(r).session ? "1" : ""); }

void get_provider(ngx_http_request_t* r, Value* v, uintptr_t)
{
    Here at = here(r);
    set(v, at.session ? std::string_view(at.conf->provider.name) : std::string_view());
}

void get_session_expires(ngx_http_request_t* r, Value* v, uintptr_t) { number(r, v, here(r).session.times().expires); }
void get_access_expires(ngx_http_request_t* r, Value* v, uintptr_t) { number(r, v, here(r).session.times().access_expires); }

// A hash of the key under which the session is stored: it opens nothing.
void get_session_hash(ngx_http_request_t* r, Value* v, uintptr_t)
{
    Here at = here(r);
    if (!at.session) return set(v, {});
    std::string_view id = find_cookie(cookies_of(r), at.conf->cookie_names[is_https(r->main, *at.conf) ? 1 : 0]);
    set_copy(r, v, base64url(oidc::view(sha256(oidc::view(sha256(id)))).substr(0, 16)));
}

template <std::string_view RequestCtx::* Field>
void get_ctx(ngx_http_request_t* r, Value* v, uintptr_t)
{
    RequestCtx* ctx = request_ctx(r, false);
    set(v, ctx != nullptr ? ctx->*Field : std::string_view());
}

void login_url(ngx_http_request_t* r, Value* v, const ProviderConf* conf)
{
    if (conf == nullptr || conf->provider.login_uri.empty()) return set(v, {});
    set_copy(r, v, append_args(conf->provider.login_uri, {{"return", return_path(view(r->main->unparsed_uri))}}));
}

void get_login_url(ngx_http_request_t* r, Value* v, uintptr_t) { login_url(r, v, auth_of(r).conf); }

void get_login_url_of(ngx_http_request_t* r, Value* v, uintptr_t data)
{
    constexpr std::string_view prefix = "oidc_login_url_";
    auto* main = static_cast<MainConf*>(ngx_http_get_module_main_conf(r, ngx_http_oidc_module));
    login_url(r, v, find_provider(*main, view(*reinterpret_cast<ngx_str_t*>(data)).substr(prefix.size())));
}

std::optional<Entry> find_from(SessionView session, ClaimSource source, std::string_view name)
{
    switch (source) {
    case ClaimSource::any: return session.claim(name);
    case ClaimSource::id_token: return session.find(name, Source::id_token);
    case ClaimSource::userinfo: return session.find(name, Source::userinfo);
    }
    return std::nullopt;
}

struct Rendered {
    std::string_view text;
    std::string owned;  // when the text is not in the session as it stands
    Kind kind = Kind::string;
    bool found = false;
};

// Nested claims are the rare case: their top-level claim is parsed when asked for.
Rendered nested(const Entry& top, const std::vector<std::string>& path)
{
    Json value = top.kind == Kind::json ? Json::parse(top.value) : Json();
    for (std::size_t i = 1; i < path.size() && value; ++i) value = value.is_object() ? value.at(path[i]) : Json();
    if (!value || value.is_null()) return {};
    Rendered rendered{{}, value.is_string() ? std::string(value.text()) : value.dump(), value.is_string() ? Kind::string : Kind::json, true};
    if (rendered.owned.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) return {};
    return rendered;
}

std::string encoded(std::string_view text, Kind kind, ClaimEncoding encoding)
{
    switch (encoding) {
    case ClaimEncoding::raw: return std::string(text);
    case ClaimEncoding::json: return kind == Kind::json ? std::string(text) : json_quoted(text);
    case ClaimEncoding::base64url: return base64url(text);
    case ClaimEncoding::urlencode: return percent_encode(text);
    }
    return {};
}

void get_claim_set(ngx_http_request_t* r, Value* v, uintptr_t data)
{
    const auto& wanted = *reinterpret_cast<const ClaimSet*>(data);
    std::optional<Entry> top = find_from(here(r).session, wanted.source, wanted.path.front());
    if (!top) return set(v, {});
    if (wanted.path.size() == 1 && wanted.encoding == ClaimEncoding::raw) return set(v, top->value);
    Rendered rendered = wanted.path.size() == 1 ? Rendered{top->value, {}, top->kind, true} : nested(*top, wanted.path);
    if (!rendered.found) return set(v, {});
    set_copy(r, v, encoded(rendered.owned.empty() ? rendered.text : rendered.owned, rendered.kind, wanted.encoding));
}

using Getter = void (*)(ngx_http_request_t*, Value*, uintptr_t);

template <Getter Get>
ngx_int_t guarded(ngx_http_request_t* r, Value* v, uintptr_t data) noexcept
{
    try {
        Get(r, v, data);
        return NGX_OK;
    } catch (const std::exception& e) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "oidc: variable: %s", e.what());
        return NGX_ERROR;
    }
}

struct Row {
    std::string_view name;
    ngx_http_get_variable_pt get;
    ngx_uint_t flags = 0;
};

const Row rows[] = {
    {"oidc_claim_", guarded<get_claim>, NGX_HTTP_VAR_PREFIX},
    {"oidc_login_url_", guarded<get_login_url_of>, NGX_HTTP_VAR_PREFIX},
    {"oidc_login_url", guarded<get_login_url>},
    {"oidc_id_token", guarded<get_id_token>},
    {"oidc_access_token", guarded<get_access_token>},
    {"oidc_userinfo", guarded<get_userinfo>},
    {"oidc_claims", guarded<get_claims>},
    {"oidc_authenticated", guarded<get_authenticated>},
    {"oidc_provider", guarded<get_provider>},
    {"oidc_acr", guarded<get_acr>},
    {"oidc_auth_time", guarded<get_auth_time>},
    {"oidc_session_expires", guarded<get_session_expires>},
    {"oidc_access_token_expires", guarded<get_access_expires>},
    {"oidc_session_hash", guarded<get_session_hash>},
    {"oidc_error", guarded<get_ctx<&RequestCtx::error>>},
    {"oidc_error_description", guarded<get_ctx<&RequestCtx::error_description>>},
    {"oidc_event", guarded<get_ctx<&RequestCtx::event>>},
    {"oidc_error_id", guarded<get_ctx<&RequestCtx::error_id>>},
};

// The session may change during a request (a login, an internal redirect to another provider): never cached.
ngx_http_variable_t* declare(ngx_conf_t* cf, ngx_str_t name, ngx_uint_t flags, ngx_http_get_variable_pt get)
{
    ngx_http_variable_t* variable = ngx_http_add_variable(cf, &name, flags | NGX_HTTP_VAR_NOCACHEABLE);
    if (variable != nullptr) variable->get_handler = get;
    return variable;
}

}  // namespace

ngx_int_t preconfiguration(ngx_conf_t* cf)
{
    for (const Row& row : rows) {
        if (declare(cf, borrow(row.name), row.flags, row.get) == nullptr) return NGX_ERROR;
    }
    return NGX_OK;
}

ngx_int_t add_claim_set_variable(ngx_conf_t* cf, ngx_str_t name, const ClaimSet* set)
{
    ngx_http_variable_t* variable = declare(cf, name, 0, guarded<get_claim_set>);
    if (variable == nullptr) return NGX_ERROR;
    variable->data = reinterpret_cast<uintptr_t>(set);
    return NGX_OK;
}

}  // namespace oidc::ngx
