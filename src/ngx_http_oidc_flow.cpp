// What the module answers by itself: the journeys of a login and a logout, one coroutine each, and what becomes of them.
#include "ngx_http_oidc_runtime.hpp"

namespace oidc::ngx {
namespace {

// By Endpoint, and by Blame.
constexpr std::string_view events[] = {"login_done", "login_started", "logout_started", "logout_done", "", "login_started"};
constexpr ngx_uint_t log_levels[] = {NGX_LOG_INFO, NGX_LOG_ERR, NGX_LOG_ERR, NGX_LOG_CRIT};

constexpr std::string_view logged_out_page =
    "<!DOCTYPE html>\n<html lang=\"fr\">\n<head><meta charset=\"utf-8\"><title>D\xc3\xa9""connexion</title></head>\n"
    "<body><h1>Vous \xc3\xaates d\xc3\xa9""connect\xc3\xa9</h1>\n<p lang=\"en\">You are logged out.</p></body>\n</html>\n";

Request make_request(ngx_http_request_t* r, const ProviderConf& conf)
{
    Request request;
    request.cookies = cookies_of(r);
    request.query = view(r->args);
    request.target = view(r->unparsed_uri);
    request.base_url = base_url(r, conf);
    request.https = request.base_url.starts_with("https:");
    request.now = ngx_time();
    request.acr = join(words(evaluate(r, conf.acr_values)), " ");
    if (request.acr.empty()) request.acr = join(conf.provider.acr_default, " ");
    for (const AuthArg& arg : conf.args) {
        std::string_view value = evaluate(r, arg.value);
        if (!value.empty()) request.args.push_back({arg.name, std::string(value)});
    }
    std::vector<Param> more = parse_query(evaluate(r, location(r).args.value)).value_or(std::vector<Param>{});
    request.args.insert(request.args.end(), more.begin(), more.end());
    return request;
}

// Sends a whole response and takes the request out of the phases.
ngx_int_t send(ngx_http_request_t* r, ngx_uint_t status, std::string_view type, std::string_view body)
{
    ngx_int_t rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) return rc;
    ngx_str_t content_type = borrow(type);
    ngx_http_complex_value_t text{};
    text.value = borrow(body);
    ngx_http_finalize_request(r, ngx_http_send_response(r, status, &content_type, &text));
    return NGX_DONE;
}

ngx_int_t apply_reply(ngx_http_request_t* r, const Reply& reply)
{
    for (const std::string& cookie : reply.set_cookies) add_header(r, "Set-Cookie", cookie);
    add_header(r, "Cache-Control", "no-store");
    if (reply.location.empty()) return send(r, static_cast<ngx_uint_t>(reply.status), "text/html; charset=utf-8", logged_out_page);
    ngx_http_clear_location(r);
    r->headers_out.location = add_header(r, "Location", reply.location);
    // of another module, under satisfy any
    if (r->headers_out.www_authenticate != nullptr) r->headers_out.www_authenticate->hash = 0;
    return NGX_HTTP_MOVED_TEMPORARILY;
}

// What others wrote, for a page and for a header: control characters are spaces.
std::string_view html_escaped(ngx_pool_t* pool, std::string text)
{
    std::ranges::replace_if(text, [](unsigned char c) { return std::iscntrl(c) != 0; }, ' ');
    std::string room(text.size() + ngx_escape_html(nullptr, borrow(text).data, text.size()), '\0');
    ngx_escape_html(borrow(room).data, borrow(text).data, text.size());
    return view(copy(pool, room));
}

// One line without a token or a claim value, at the level of who is to blame, and without the request line that nginx's own
// handler would add.
void log_failure(ngx_http_request_t* r, const Failure& failure, std::string_view provider)
{
    ngx_log_t log = *r->connection->log;
    log.handler = nullptr;
    std::string text = concat({name_of(failure.reason), ": provider \"", provider, "\""});
    if (!failure.detail.empty()) text += ": " + failure.detail;
    if (!failure.support_id.empty()) text += ", support id " + failure.support_id;
    ngx_uint_t level = log_levels[static_cast<std::size_t>(blame_of(failure.reason))];
    ngx_log_error(level, &log, 0, "oidc: %s, client: %V, path: %s", printable(text).c_str(), &r->connection->addr_text,
                  printable(view(r->uri)).c_str());
}

void run_phases(void* request)
{
    auto* r = static_cast<ngx_http_request_t*>(request);
    ngx_connection_t* c = r->connection;
    r->write_event_handler(r);  // ngx_http_core_run_phases(): comes back to the access handler
    ngx_http_run_posted_requests(c);
}

}  // namespace

// One coroutine: its parts, its deadline, its outcome. It ends with the pool of its request, whatever the reason. Its SessionStore
// is the zones of its provider.
struct Flow final : private SessionStore {
    Flow(ngx_http_request_t* r, const ProviderConf& provider_conf, Endpoint at)
        : conf{provider_conf}, endpoint{at}, request{make_request(r, conf)},
          states{*main_conf(r).states}, ports{*worker().http, *this, *worker().documents, worker_random, main_conf(r).cookie_keys},
          finished{r->connection->log, run_phases, r}, deadline{r->connection->log, expire, this}
    {
    }

    Task<std::optional<std::string>> take(SessionKey key) override { co_return conf.sessions->take(key, ngx_time()); }
    Task<bool> put(SessionKey key, std::string record, std::int64_t expires) override
    {
        co_return conf.sessions->put(key, record, {expires, conf.provider.session_idle_timeout}, ngx_time());
    }
    Task<bool> use_once(Digest state, std::int64_t expires) override { co_return states.use_once(state, expires, ngx_time()); }
    Task<bool> forget(Digest state) override { co_return states.take(state, ngx_time()).has_value(); }

    Task<Reply> travel(SessionView existing)
    {
        Journey journey{conf.provider, ports, request};
        switch (endpoint) {
        case Endpoint::callback: return finish_login(journey, existing);
        case Endpoint::login: return login_link(journey, existing);
        case Endpoint::logout: return logout(journey);
        case Endpoint::logged_out: return logged_out(journey);
        default: return start_login(journey, Destination{return_path(request.target), 0});
        }
    }

    Root drive(SessionView existing)
    {
        try {
            reply = co_await travel(existing);
        } catch (const Failure& why) {
            failure = why;
        } catch (const std::exception& e) {
            failure.emplace(Reason::internal, e.what());
        }
        deadline.stop();
        // Never finalize the request from inside a coroutine: that frees this frame.
        if (waiting) finished.fire();
        co_return true;
    }

    static void expire(void* data)
    {
        auto* flow = static_cast<Flow*>(data);
        flow->root = Root();  // cancels every call of this login
        flow->failure.emplace(Reason::provider_timeout, "login_deadline has passed");
        flow->finished.fire();
    }

    const ProviderConf& conf;
    Endpoint endpoint;
    Request request;
    Zone& states;
    Ports ports;
    std::optional<Reply> reply;
    std::optional<Failure> failure;
    bool waiting = false;  // the phase handler returned NGX_AGAIN: the end wakes it up
    Event finished, deadline;
    Root root;             // last member: destroyed first, so that cancellation runs while the rest is alive
};

namespace {

// The page that a journey was to lead to.
std::string asked_page(ngx_http_request_t* r, const Flow& flow)
{
    if (flow.endpoint == Endpoint::page) return return_path(flow.request.target);
    std::optional<Origin> origin = origin_of_callback(flow.request, main_conf(r).cookie_keys);
    std::vector<Param> params = parse_query(flow.request.query).value_or(std::vector<Param>());
    return origin ? origin->return_path : return_path(last_value(params, "return"));
}

// While it waits, the client going away is noticed as ngx_http_limit_req_module does.
ngx_int_t continue_flow(ngx_http_request_t* r, RequestCtx& ctx)
{
    Flow& flow = *ctx.flow;
    if (flow.reply || flow.failure) {
        r->read_event_handler = ngx_http_block_reading;
        ctx.flow = nullptr;
        const Provider& provider = flow.conf.provider;
        if (flow.failure) return refuse(r, *flow.failure, provider.name, provider.error_uri, asked_page(r, flow));
        const std::optional<Failure>& why = flow.reply->why;
        if (why) log_failure(r, *why, provider.name);
        ctx.event = why ? name_of(why->reason) : events[static_cast<std::size_t>(flow.endpoint)];
        return apply_reply(r, *flow.reply);
    }
    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);
    } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    r->read_event_handler = ngx_http_test_reading;
    if (!flow.waiting) flow.deadline.start(static_cast<ngx_msec_t>(flow.conf.provider.login_deadline));
    flow.waiting = true;
    return NGX_AGAIN;
}

// By the state that the browser brings: its sealed cookie names the provider. nullptr: it names none of these.
const ProviderConf* who_answers(ngx_http_request_t* r, const std::vector<const ProviderConf*>& providers)
{
    for (const ProviderConf* conf : providers) {
        std::optional<Origin> origin = origin_of_callback(make_request(r, *conf), main_conf(r).cookie_keys);
        const ProviderConf* named = origin ? find_provider(main_conf(r), origin->provider) : nullptr;
        if (contains(providers, named)) return named;
    }
    return nullptr;
}

// By the session that the browser has; nullptr: none. Of several the first goes on to its provider, the others end here.
const ProviderConf* who_leaves(ngx_http_request_t* r, const std::vector<const ProviderConf*>& providers)
{
    const ProviderConf* first = nullptr;
    for (const ProviderConf* conf : providers) {
        if (!session_of(r, *conf)) continue;
        if (first == nullptr) first = conf;
        if (first == conf) continue;
        bool https = is_https(r, *conf);
        conf->sessions->take(request_ctx(r, true)->key, ngx_time());
        add_header(r, "Set-Cookie", delete_cookie(conf->cookie_names[https], session_cookie_attributes(conf->provider, https)));
    }
    return first;
}

}  // namespace

ngx_int_t begin_flow(ngx_http_request_t* r, const ProviderConf& conf, Endpoint endpoint)
{
    SessionView existing = session_of(r, conf);
    auto* flow = make_in_pool<Flow>(r->pool, r, conf, endpoint);
    flow->root = flow->drive(existing);
    flow->root.start();
    RequestCtx* ctx = request_ctx(r, true);
    ctx->flow = flow;
    return continue_flow(r, *ctx);
}

ngx_int_t answer(ngx_http_request_t* r)
{
    RequestCtx* ctx = request_ctx(r, false);
    if (ctx != nullptr && ctx->flow != nullptr) return continue_flow(r, *ctx);
    const Route* route = find_route(r, view(r->uri));
    if (route == nullptr) return NGX_DECLINED;
    if (r->method != NGX_HTTP_GET && r->method != NGX_HTTP_HEAD) return NGX_HTTP_NOT_ALLOWED;
    const ProviderConf* conf = nullptr;
    if (route->providers.size() > 1) conf = (route->endpoint == Endpoint::logout ? who_leaves : who_answers)(r, route->providers);
    if (conf == nullptr) conf = route->providers.front();
    if (route->endpoint != Endpoint::jwks) return begin_flow(r, *conf, route->endpoint);
    add_header(r, "Cache-Control", "public, max-age=" + std::to_string(conf->provider.client_jwks_max_age));
    return send(r, NGX_HTTP_OK, "application/jwk-set+json", conf->provider.own_jwks);
}

// The page of error_uri, whatever `satisfy` says.
ngx_int_t refuse(ngx_http_request_t* r, const Failure& failure, std::string_view provider, std::string_view error_uri,
                 std::string_view asked)
{
    log_failure(r, failure, provider);
    RequestCtx* ctx = request_ctx(r, true);
    ctx->error = ctx->event = name_of(failure.reason);
    ctx->error_description = html_escaped(r->pool, failure.description);
    ctx->error_id = html_escaped(r->pool, failure.support_id);
    ctx->error_status = status_of(failure.reason);
    ctx->asked = view(copy(r->pool, asked));
    add_header(r, "Cache-Control", "no-store");
    if (!error_uri.empty()) {
        r->err_status = static_cast<ngx_uint_t>(ctx->error_status);
        ngx_str_t uri = borrow(error_uri), args{};
        ngx_http_internal_redirect(r, &uri, &args);
    }
    ngx_http_finalize_request(r, error_uri.empty() ? ctx->error_status : NGX_DONE);
    return NGX_DONE;
}

}  // namespace oidc::ngx
