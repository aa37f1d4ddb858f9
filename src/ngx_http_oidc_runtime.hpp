// At run time: what one worker owns, what one request keeps, how its site looks from the browser, what the module does with it.
#pragma once
#include "ngx_http_oidc_conf.hpp"
#include "oidc/login.hpp"

namespace oidc::ngx {

// What every journey takes along. Its SessionStore is the zones of its provider.
struct Traveller : SessionStore {
    Traveller(const ProviderConf& provider_conf, const MainConf& main, Request asked);
    Traveller(const Traveller&) = delete;
    Task<std::optional<std::string>> take(SessionKey key) override { co_return conf.sessions->take(key, ngx_time()); }
    Task<std::optional<std::string>> read(SessionKey key) override;
    Task<bool> put(SessionKey key, std::string record, std::int64_t expires) override;
    Task<bool> replace(SessionKey key, std::string record, std::int64_t expires) override;
    Task<bool> use_once(Digest state, std::int64_t expires) override { co_return states.use_once(state, expires, ngx_time()); }
    Task<bool> forget(Digest state) override { co_return states.take(state, ngx_time()).has_value(); }
    Task<bool> end_all(SessionQuery query) override;

    const ProviderConf& conf;
    Zone& states;
    Request request;
    Ports ports;
    Journey journey{conf.provider, ports, request};
};

// A journey that no request waits for: it belongs to the worker, and is forgotten at its end.
struct Errand final : Traveller {
    using Work = std::function<Task<bool>(Journey)>;
    using After = std::function<void(bool failed, bool done)>;
    Errand(const ProviderConf& provider_conf, const MainConf& main, Work what, After then);
    Root run();

    Work work;
    After after;
    Event done;
    Root root;
};

// The HTTP client and the provider documents: made in init_process, nothing before the fork. Members end in reverse: the
// documents before the client they use.
struct Worker {
    Worker(const MainConf& main, ngx_log_t* log);

    std::unique_ptr<HttpClient> http;
    std::unique_ptr<Documents> documents;
    std::vector<Root> ahead;                 // fetch metadata and keys of every provider before the first login
    std::list<Errand> errands;
    std::weak_ptr<int> sweep;                // that anyone may have asked for: one at a time
    std::shared_ptr<int> searches = std::make_shared<int>();  // shared by those, and by those that wait for it
};

Worker& worker() noexcept;                   // valid between init_process and exit_process
ngx_int_t init_process(ngx_cycle_t* cycle) noexcept;
void exit_process(ngx_cycle_t* cycle) noexcept;

std::unique_ptr<HttpClient> make_http_client(ngx_log_t* log);  // ngx_http_oidc_curl.cpp
std::string to_text(const std::exception& e);  // for the log
Metrics& metrics_of(std::string_view provider) noexcept;       // nobody reads those of an unknown one
void renew_secret(const ProviderConf& conf);                   // when its file has changed, looked at once a second
std::string printable(std::string_view text);  // for the log: a peer chose some of the bytes; at most 512 of them

// ---- ngx_http_oidc_errand.cpp: new tokens, and old ones taken back
// Begins to renew the tokens of the session under `key`, unless a worker does, or has just failed to.
void begin_refresh(const ProviderConf& conf, const MainConf& main, const SessionKey& key);
bool is_refreshing(const MainConf& main, const SessionKey& key);
void begin_revocation(const ProviderConf& conf, const MainConf& main, std::string record);

// ---- ngx_http_oidc_form.cpp
// NGX_OK: the body was read, or is known to be longer than `longest`, and was not. NGX_DONE: it is still arriving, the phase's handler
// will be called again. Else what nginx refuses.
ngx_int_t read_body(ngx_http_request_t* r, std::size_t longest);
// The body that was read; nullopt when it is no form, or longer than `longest`.
std::optional<std::string> form_of(ngx_http_request_t* r, std::size_t longest);
// read_body, and NGX_OK: the form stands where the query stood, in r->args.
ngx_int_t read_form(ngx_http_request_t* r);

struct Flow;

// Lives in the pool of the main request; found again after an internal redirect.
struct RequestCtx {
    const ProviderConf* provider = nullptr;  // whose session was looked for
    const ProviderConf* guard = nullptr;     // of the place that the request is in, or came from
    SessionView session;
    Digest key{};                            // under which it is stored
    std::string_view cookies;                // the Cookie header before our cookies were stripped from it; empty: they were not
    std::string_view error, error_description, error_id, event;
    std::string_view asked;                  // the page that a journey which failed in this request was to lead to
    ngx_int_t error_status = 0;              // of that journey; 0: none failed
    Flow* flow = nullptr;                    // while a coroutine runs, and until its outcome is applied
    bool refreshed = false;                  // it waited for new tokens: not twice
};

RequestCtx* find_request_ctx(ngx_http_request_t* main, bool create);
// nullptr only when `create` is false and there is none.
inline RequestCtx* request_ctx(ngx_http_request_t* r, bool create)
{
    auto* ctx = static_cast<RequestCtx*>(ngx_http_get_module_ctx(r->main, ngx_http_oidc_module));
    return ctx != nullptr ? ctx : find_request_ctx(r->main, create);
}

template <class Conf> Conf& conf_of(void** confs) noexcept { return *static_cast<Conf*>(confs[ngx_http_oidc_module.ctx_index]); }
inline MainConf& main_conf(ngx_http_request_t* r) noexcept { return conf_of<MainConf>(r->main_conf); }
inline SrvConf& server(ngx_http_request_t* r) noexcept { return conf_of<SrvConf>(r->srv_conf); }
inline LocConf& location(ngx_http_request_t* r) noexcept { return conf_of<LocConf>(r->loc_conf); }

// The text lies in r->pool, or where a variable keeps it; empty for nullptr.
std::string_view evaluate(ngx_http_request_t* r, ngx_http_complex_value_t* value);

// What auth_oidc says here. On without a provider: the value of its variable is empty, or names no oidc_provider.
struct Auth {
    bool on = false;
    const ProviderConf* conf = nullptr;
    std::string_view value;
};
Auth auth_of(ngx_http_request_t* r);
SessionView find_session(ngx_http_request_t* r, RequestCtx& ctx, const ProviderConf& conf);
// The live session of that provider, looked up at first use; an empty view without one.
inline SessionView session_of(ngx_http_request_t* r, const ProviderConf& conf)
{
    RequestCtx* ctx = request_ctx(r, true);
    return ctx->provider == &conf ? ctx->session : find_session(r, *ctx, conf);
}
// The levels of which a session needs one here: of auth_oidc_acr, else of acr_values where a location could have demanded another
// that does not compare. nginx -t saw to it where there is one order alone.
const Words& levels_here(ngx_http_request_t* r, const Provider& provider) noexcept;
const Route* find_route(ngx_http_request_t* r, std::string_view path);  // of this server; nullptr: none

bool is_plain(const ngx_http_server_name_t& name) noexcept;  // no pattern
// A request header by its lower-case name; empty when absent. The first one counts.
std::string_view header(ngx_http_request_t* r, std::string_view name);
// A request that a person made by going to a page: only those are sent to a provider.
bool is_navigation(ngx_http_request_t* r);
enum class Leave : std::uint8_t { now, ask, refuse };  // ask: with a form that posts
Leave may_leave(ngx_http_request_t* r, const ProviderConf& conf);  // logout_method

// Access handlers. `first` runs before every other module's, `last` after them (DESIGN: phases).
ngx_int_t preaccess(ngx_http_request_t* r);
ngx_int_t access_first(ngx_http_request_t* r);
ngx_int_t access_last(ngx_http_request_t* r);

// The Cookie header as the browser sent it, several lines as one.
std::string_view cookies_of(ngx_http_request_t* r);
// Whether the browser came by https, as far as the configuration knows: cheap, on the path of every request.
bool is_https(ngx_http_request_t* r, const ProviderConf& conf);
// "scheme://host[:port]" (an absolute redirect_uri, oidc_base_url, else the server's own names).
std::string base_url(ngx_http_request_t* r, const ProviderConf& conf);
// Of the response: `name` is a literal, the value is copied. Throws std::bad_alloc.
ngx_table_elt_t* add_header(ngx_http_request_t* r, std::string_view name, std::string_view value);

// ---- ngx_http_oidc_flow.cpp: what the module answers by itself; each returns what the access handler returns
// What a coroutine that has begun says, or the endpoint of this path; NGX_DECLINED: neither.
ngx_int_t answer(ngx_http_request_t* r);
ngx_int_t begin_flow(ngx_http_request_t* r, const ProviderConf& conf, Endpoint endpoint);  // page: a login that leads back here

// ---- ngx_http_oidc_reply.cpp: whole answers, which take the request out of the phases
ngx_int_t respond(ngx_http_request_t* r, ngx_uint_t status, std::string_view type, std::string_view body);  // a content handler's
ngx_int_t send(ngx_http_request_t* r, ngx_uint_t status, std::string_view type, std::string_view body);
ngx_int_t send_page(ngx_http_request_t* r, ngx_uint_t status, const std::string& page);
ngx_int_t apply_reply(ngx_http_request_t* r, const Reply& reply);
bool speaks_french(ngx_http_request_t* r);
// One line without a token or a claim value, at the level of who is to blame, and without the request line that nginx's own
// handler would add.
void log_failure(ngx_http_request_t* r, const Failure& failure, std::string_view provider);
void log_failure(ngx_log_t* log, const Failure& failure, std::string_view provider, std::string_view where = {});
// `asked`: where a new login is to lead.
ngx_int_t refuse(ngx_http_request_t* r, const Failure& failure, std::string_view provider, std::string_view error_uri = {},
                 std::string_view asked = {});

void set_status(ngx_conf_t* cf, const Words& words, LocConf& location);  // oidc_status: ngx_http_oidc_status.cpp
ngx_int_t preconfiguration(ngx_conf_t* cf);  // declares the variables
// Declares a variable of oidc_claim_set; `set` lives as long as the configuration.
ngx_int_t add_claim_set_variable(ngx_conf_t* cf, ngx_str_t name, const ClaimSet* set);

}  // namespace oidc::ngx
