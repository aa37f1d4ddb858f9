#include "request/variables.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/provider_conf.hpp"
#include "conf/route.hpp"
#include "oidc/base/base64.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/url.hpp"
#include "oidc/ports/session_record.hpp"
#include "request/request_context.hpp"
#include "request/session_lookup.hpp"

namespace oidc::ngx {
namespace {

using Value = ngx_http_variable_value_t;
bool is_emittable(std::string_view text) noexcept
{
    return std::ranges::none_of(std::string_view("\r\n\0", 3), [&](char c) { return text.find(c) != text.npos; });
}

// Whatever a value's way here: no variable adds a line to a header. `clean`: an entry of a record, into which nothing
// else gets.
ngx_int_t show(Value* v, std::string_view text, bool clean = false) noexcept
{
    if (!clean && !is_emittable(text)) text = {};
    *v = {static_cast<unsigned>(text.size()) & 0xfffffff, 1, 0, 0, 0, borrow(text).data};  // valid, and nothing else
    return NGX_OK;
}

std::string_view keep(ngx_http_request_t* r, std::string_view text) { return view(copy(r->pool, text)); }
std::string_view number(ngx_http_request_t* r, std::int64_t n)
{
    return n > 0 ? keep(r, std::to_string(n)) : std::string_view();
}

// A place that says nothing of auth_oidc has what a sub-request or an internal redirect brings along from one that
// does.
const ProviderConf* provider_here(ngx_http_request_t* r)
{
    const LocConf& here = location(r);
    if (here.provider != nullptr) return here.provider;
    if (here.auth.place.line > 0) return auth_of(r).conf;
    RequestContext* ctx = request_context(r, false);
    return ctx != nullptr ? ctx->guard : nullptr;
}

// The session that this request shows; empty where auth_oidc is off.
SessionView session_here(ngx_http_request_t* r)
{
    const ProviderConf* conf = provider_here(r);
    return conf != nullptr ? find_session(r, *conf) : SessionView();
}

std::string_view claim(ngx_http_request_t* r, std::string_view name)
{
    return session_here(r).claim(name).value_or(Entry()).value;
}

std::string_view access_token(ngx_http_request_t* r)
{
    SessionView session = session_here(r);
    std::int64_t expires = session.times().access_expires;
    return expires == 0 || expires > ngx_time() ? session.internal(entry_name::access_token) : std::string_view();
}

std::string_view login_url(ngx_http_request_t* r, const ProviderConf* conf)
{
    if (conf == nullptr || conf->provider.login_uri.empty()) return {};
    RequestContext* ctx = request_context(r, false);
    bool failed = ctx != nullptr && !ctx->asked.empty();
    std::string here = failed ? std::string(ctx->asked) : return_path(view(r->main->unparsed_uri));
    std::string_view page = here;
    if (find_route(server(r).routes, page.substr(0, page.find('?'))) != nullptr) page = "/";  // an endpoint is no page
    return keep(r, append_args(conf->provider.login_uri, {{"return", page}}));
}

// A hash of the key under which the session is stored: it opens nothing.
std::string_view session_hash(ngx_http_request_t* r)
{
    if (!session_here(r)) return {};
    return keep(r, base64url(oidc::view(sha256(oidc::view(request_context(r, true)->key))).substr(0, 16)));
}

template <std::string_view RequestContext::*field>
std::string_view kept(ngx_http_request_t* r, std::string_view)
{
    RequestContext* ctx = request_context(r, false);
    return ctx != nullptr ? ctx->*field : std::string_view();
}

struct Row {
    std::string_view name;
    std::string_view (*get)(ngx_http_request_t* r, std::string_view rest);  // of the name, behind a prefix
    bool clean = false;
};

const Row prefixes[] = {
    {"oidc_claim_", claim, true},
    {"oidc_login_url_", [](auto* r, auto rest) { return login_url(r, find_provider(main_conf(r), rest)); }},
};

const Row rows[] = {
    {"oidc_login_url", [](auto* r, auto) { return login_url(r, provider_here(r)); }},
    {"oidc_id_token", [](auto* r, auto) { return session_here(r).internal(entry_name::id_token); }},
    {"oidc_access_token", [](auto* r, auto) { return access_token(r); }},
    {"oidc_userinfo", [](auto* r, auto) { return keep(r, claims_json(session_here(r), EntrySource::userinfo)); }},
    {"oidc_claims", [](auto* r, auto) { return keep(r, claims_json(session_here(r), std::nullopt)); }},
    {"oidc_authenticated", [](auto* r, auto) { return std::string_view(session_here(r) ? "1" : ""); }},
    {"oidc_provider",
     [](auto* r, auto) { return session_here(r) ? std::string_view(provider_here(r)->provider.name) : ""; }},
    {"oidc_acr", [](auto* r, auto) { return claim(r, "acr"); }},
    {"oidc_auth_time", [](auto* r, auto) { return claim(r, "auth_time"); }},
    {"oidc_session_expires", [](auto* r, auto) { return number(r, session_here(r).times().expires); }},
    {"oidc_access_token_expires", [](auto* r, auto) { return number(r, session_here(r).times().access_expires); }},
    {"oidc_session_hash", [](auto* r, auto) { return session_hash(r); }},
    {"oidc_error", kept<&RequestContext::error>},
    {"oidc_error_description", kept<&RequestContext::error_description>},
    {"oidc_event", kept<&RequestContext::event>},
    {"oidc_error_id", kept<&RequestContext::error_id>},
};

// Nested claims are the rare case: their top-level claim is parsed when asked for.
Json nested(const Entry& top, const std::vector<std::string>& path)
{
    Json value = top.kind == EntryKind::json ? Json::parse(top.value) : Json();
    for (std::size_t i = 1; i < path.size() && value; ++i) value = value.is_object() ? value.at(path[i]) : Json();
    return value.is_null() ? Json() : value;
}

std::string_view claim_set(ngx_http_request_t* r, const ClaimSet& wanted)
{
    SessionView session = session_here(r);
    EntrySource source = wanted.source == ClaimSetSource::userinfo ? EntrySource::userinfo : EntrySource::id_token;
    const std::string& name = wanted.path.front();
    std::optional<Entry> found =
        wanted.source == ClaimSetSource::any ? session.claim(name) : session.find(name, source);
    if (!found) return {};

    if (wanted.path.size() > 1) {
        Json value = nested(*found, wanted.path);
        found->kind = value.is_string() ? EntryKind::string : EntryKind::json;
        found->value =
            value ? keep(r, value.is_string() ? std::string(value.text()) : value.dump()) : std::string_view();
        if (!value || !is_emittable(found->value)) return {};
    }

    switch (wanted.encoding) {
    case ClaimSetEncoding::json:
        return keep(r, found->kind == EntryKind::json ? std::string(found->value) : json_quoted(found->value));
    case ClaimSetEncoding::base64url: return keep(r, base64url(found->value));
    case ClaimSetEncoding::urlencode: return keep(r, percent_encode(found->value));
    case ClaimSetEncoding::raw: break;
    }
    return found->value;
}

ngx_int_t get_row(ngx_http_request_t* r, Value* v, uintptr_t row)
{
    return show(v, reinterpret_cast<const Row*>(row)->get(r, {}));
}

static_assert(std::size(prefixes) == 2, "declare_variables() declares each");
// nginx gives it the whole name.
template <std::size_t number>
ngx_int_t get_prefixed(ngx_http_request_t* r, Value* v, uintptr_t name)
{
    const Row& row = prefixes[number];
    return show(v, row.get(r, view(*reinterpret_cast<ngx_str_t*>(name)).substr(row.name.size())), row.clean);
}

ngx_int_t get_claim_set(ngx_http_request_t* r, Value* v, uintptr_t set)
{
    return show(v, claim_set(r, *reinterpret_cast<const ClaimSet*>(set)));
}

// The session may change during a request (a login, an internal redirect to another provider): never cached.
bool declare(ngx_conf_t* cf, ngx_str_t name, ngx_uint_t flags, ngx_http_get_variable_pt get, const void* data)
{
    ngx_http_variable_t* variable = ngx_http_add_variable(cf, &name, flags | NGX_HTTP_VAR_NOCACHEABLE);
    if (variable == nullptr) return false;
    variable->get_handler = get;
    variable->data = reinterpret_cast<uintptr_t>(data);
    return true;
}

}  // namespace

ngx_int_t declare_variables(ngx_conf_t* cf)
{
    bool ok = true;
    for (const Row& row : rows) ok = ok && declare(cf, borrow(row.name), 0, guarded<get_row, NGX_ERROR>, &row);
    ok = ok && declare(cf, borrow(prefixes[0].name), NGX_HTTP_VAR_PREFIX, guarded<get_prefixed<0>, NGX_ERROR>, nullptr);
    ok = ok && declare(cf, borrow(prefixes[1].name), NGX_HTTP_VAR_PREFIX, guarded<get_prefixed<1>, NGX_ERROR>, nullptr);
    return ok ? NGX_OK : NGX_ERROR;
}

ngx_int_t add_claim_set_variable(ngx_conf_t* cf, ngx_str_t name, const ClaimSet* set)
{
    return declare(cf, name, 0, guarded<get_claim_set, NGX_ERROR>, set) ? NGX_OK : NGX_ERROR;
}

}  // namespace oidc::ngx
