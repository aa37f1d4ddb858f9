// What the module answers by itself: the journeys of a login and a logout, one coroutine each, and what becomes of them.
#include "ngx_http_oidc_runtime.hpp"
#include "oidc/pages.hpp"

namespace oidc::ngx {
namespace {

constexpr ngx_msec_t look_again = 50;  // at tokens that another coroutine renews, ms
constexpr std::size_t max_form = 64 * 1024;

struct Happened {
    std::string_view event;
    Count count;
};
// By Endpoint.
constexpr Happened happened[] = {
    {"login_done", Count::logins_done}, {"login_started", Count::logins_started}, {"logout_started", Count::logouts_started},
    {"logout_done", Count::logouts_done}, {}, {}, {"login_started", Count::logins_started},
    {"backchannel_logout", Count::logouts_told}, {"frontchannel_logout", Count::logouts_told}, {"login_started", Count::logins_started},
};

// The provider speaks there, by itself or in a frame: no person sees what is answered.
bool is_told(Endpoint endpoint) noexcept { return endpoint == Endpoint::backchannel || endpoint == Endpoint::frontchannel; }

// The arguments of the authorization URL: a value that the provider would refuse is not sent, and told of where a login begins.
void add_args(ngx_http_request_t* r, const ProviderConf& conf, Endpoint endpoint, std::vector<Param>& args)
{
    bool begins = endpoint == Endpoint::page || endpoint == Endpoint::login || endpoint == Endpoint::initiate;
    if (!begins && endpoint != Endpoint::callback) return;  // which may begin the login again
    for (const AuthArg& arg : conf.args) {
        std::string value(evaluate(r, arg.value));
        std::string why = arg.value->lengths == nullptr ? "" : why_refused(*conf.provider.profile, arg.name, &value);
        if (value.empty()) continue;
        if (why.empty()) args.push_back({arg.name, std::move(value)});
        else if (begins) log_failure(r, Failure(Reason::argument_refused, arg.directive + ": not sent: " + why), conf.provider.name);
    }
    std::vector<Param> more = parse_query(evaluate(r, location(r).args.value)).value_or(std::vector<Param>{});
    args.insert(args.end(), more.begin(), more.end());
}

Request make_request(ngx_http_request_t* r, const ProviderConf& conf, Endpoint endpoint)
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
    if (endpoint == Endpoint::backchannel) request.form = form_of(r, max_form).value_or("");
    add_args(r, conf, endpoint, request.args);
    return request;
}

Destination back_here(const Request& request, SessionView existing)
{
    return {return_path(request.target), 0, static_cast<bool>(existing)};
}

void run_phases(void* request)
{
    auto* r = static_cast<ngx_http_request_t*>(request);
    ngx_connection_t* c = r->connection;
    r->write_event_handler(r);  // ngx_http_core_run_phases(): comes back to the access handler
    ngx_http_run_posted_requests(c);
}

}  // namespace

// One coroutine: its parts, its deadline, its outcome. It ends with the pool of its request, whatever the reason.
struct Flow final : Traveller {
    Flow(ngx_http_request_t* r, const ProviderConf& provider_conf, Endpoint at, Request asked)
        : Traveller{provider_conf, main_conf(r), std::move(asked)}, endpoint{at}, main{main_conf(r)}, key{request_ctx(r, true)->key},
          finished{r->connection->log, run_phases, r}, deadline{r->connection->log, expire, this}
    {
    }

    Task<Reply> travel(SessionView existing)
    {
        renew_secret(conf);
        switch (endpoint) {
        case Endpoint::callback: return finish_login(journey, existing);
        case Endpoint::login: return login_link(journey, existing);
        case Endpoint::initiate: return initiated_login(journey);
        case Endpoint::logout: return logout(journey);
        case Endpoint::logged_out: return logged_out(journey);
        case Endpoint::backchannel: return backchannel_logout(journey);
        case Endpoint::frontchannel: return frontchannel_logout(journey, existing);
        case Endpoint::refresh: return await_refresh();
        default: return start_login(journey, back_here(request, existing));
        }
    }

    Task<Reply> await_refresh()
    {
        while (is_refreshing(main, key)) {
            Pause pause(ngx_cycle->log, look_again);
            co_await Until(pause);
        }
        co_return Reply();
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

    Endpoint endpoint;
    const MainConf& main;
    SessionKey key;
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

ngx_int_t answer_provider(ngx_http_request_t* r, const Flow& flow)
{
    const Happened& done = happened[static_cast<std::size_t>(flow.endpoint)];
    std::string_view event = flow.failure ? name_of(flow.failure->reason) : done.event;
    request_ctx(r, true)->event = event;
    if (flow.failure) log_failure(r, *flow.failure, flow.conf.provider.name);
    else flow.conf.metrics().add(done.count);
    for (const std::string& cookie : flow.reply ? flow.reply->set_cookies : Words()) add_header(r, "Set-Cookie", cookie);
    add_header(r, "Cache-Control", "no-store");
    ngx_uint_t status = flow.failure ? NGX_HTTP_BAD_REQUEST : NGX_HTTP_OK;
    if (flow.endpoint == Endpoint::frontchannel)
        return send(r, status, "text/html; charset=utf-8", concat({"<!DOCTYPE html>\n<title>", event, "</title>\n"}));
    return send(r, status, "application/json",
                flow.failure ? concat({"{\"error\":\"invalid_request\",\"error_description\":\"", event, "\"}\n"}) : "{}\n");
}

ngx_int_t conclude(ngx_http_request_t* r, const ProviderConf& conf, Endpoint endpoint, const Reply& reply)
{
    const Happened& done = happened[static_cast<std::size_t>(endpoint)];
    if (reply.why) log_failure(r, *reply.why, conf.provider.name);
    else if (!reply.set_cookies.empty()) conf.metrics().add(done.count);  // else it only led on to its page
    request_ctx(r, true)->event = reply.why ? name_of(reply.why->reason) : done.event;
    if (!reply.ended.empty()) begin_revocation(conf, main_conf(r), reply.ended);
    return apply_reply(r, reply);
}

// While it waits, the client going away is noticed as ngx_http_limit_req_module does; a logout goes on without it.
ngx_int_t continue_flow(ngx_http_request_t* r, RequestCtx& ctx)
{
    Flow& flow = *ctx.flow;
    if (flow.reply || flow.failure) {
        r->read_event_handler = ngx_http_block_reading;
        ctx.flow = nullptr;
        const Provider& provider = flow.conf.provider;
        if (flow.endpoint == Endpoint::refresh) {
            ctx.provider = nullptr;  // the session is looked up again
            return NGX_DECLINED;
        }
        if (is_told(flow.endpoint)) return answer_provider(r, flow);
        if (flow.failure) return refuse(r, *flow.failure, provider.name, provider.error_uri, asked_page(r, flow));
        return conclude(r, flow.conf, flow.endpoint, *flow.reply);
    }
    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);
    } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    r->read_event_handler = is_told(flow.endpoint) ? ngx_http_block_reading : ngx_http_test_reading;
    if (!flow.waiting) flow.deadline.start(static_cast<ngx_msec_t>(flow.conf.provider.login_deadline));
    flow.waiting = true;
    return NGX_AGAIN;
}

// What the location demands beyond what every login of the provider asks for. A session that goes on keeps its level.
void add_demands(ngx_http_request_t* r, const Provider& provider, SessionView existing, Request& request)
{
    const LocConf& here = location(r);
    std::string_view level = existing.claim("acr").value_or(Entry()).value;
    request.step_up = here.acr != nullptr && !here.acr->words.empty();
    const Words& wanted = request.step_up ? here.acr->words : provider.acr_default;
    bool known = std::ranges::any_of(provider.acr_orders, [&](const AcrOrder& order) { return contains(order, level); });
    if (known && (wanted.empty() || acr_at_least(provider.acr_orders, wanted, level))) request.acr = level;
    else if (request.step_up) request.acr = join(here.acr->words, " ");
    if (here.scope != nullptr) request.scope = join(here.scope->words, " ");
}

// Most logins begin without a wait: those need neither a coroutine nor memory of the request's. NGX_DECLINED: this one has to wait.
ngx_int_t begin_at_once(ngx_http_request_t* r, const ProviderConf& conf, SessionView existing, Request& request)
{
    Traveller here(conf, main_conf(r), std::move(request));
    std::optional<Reply> reply;
    std::optional<Failure> failure;
    try {
        reply = login_at_once(here.journey, back_here(here.request, existing));
    } catch (const Failure& why) {
        failure = why;
    } catch (const std::exception& e) {
        failure.emplace(Reason::internal, e.what());
    }
    if (reply) return conclude(r, conf, Endpoint::page, *reply);
    if (failure) return refuse(r, *failure, conf.provider.name, conf.provider.error_uri, return_path(here.request.target));
    request = std::move(here.request);
    return NGX_DECLINED;
}

// A script cannot log anyone out of the provider: the browser itself has to go there.
ngx_int_t refuse_script(ngx_http_request_t* r, const ProviderConf& conf)
{
    log_failure(r, Failure(Reason::logout_refused, "a script or a prefetch asked for it"), conf.provider.name);
    request_ctx(r, true)->event = name_of(Reason::logout_refused);
    add_header(r, "Cache-Control", "no-store");
    return send(r, NGX_HTTP_FORBIDDEN, "text/plain; charset=utf-8",
                concat({"Navigate to ", base_url(r, conf), conf.provider.logout_uri, "\n"}));
}

// OpenID Connect Registration 1.0 section 5: the redirect URIs of those who share the sector, under every name of this server.
std::string redirect_uris(ngx_http_request_t* r, const std::vector<const ProviderConf*>& providers)
{
    Words uris;
    auto add = [&](const std::string& uri) {
        if (!contains(uris, json_quoted(uri))) uris.push_back(json_quoted(uri));
    };
    for (const ProviderConf* conf : providers) {
        const std::string& path = conf->provider.redirect_uri;
        std::string site = base_url(r, *conf);
        add(path.starts_with('/') ? site + path : path);
        std::size_t host = site.find("://") + 3, port = std::min(site.find(':', host), site.size());
        for (const ngx_http_server_name_t& name : server(r).hosts)
            if (path.starts_with('/') && is_plain(name) && location(r).base_url.value == nullptr)
                add(concat({site.substr(0, host), view(name.name), site.substr(port), path}));
    }
    return "[" + join(uris, ",") + "]";
}

// By the state that the browser brings: its sealed cookie names the provider. nullptr: it names none of these.
const ProviderConf* who_answers(ngx_http_request_t* r, const std::vector<const ProviderConf*>& providers)
{
    for (const ProviderConf* conf : providers) {
        std::optional<Origin> origin = origin_of_callback(make_request(r, *conf, Endpoint::logged_out), main_conf(r).cookie_keys);
        const ProviderConf* named = origin ? find_provider(main_conf(r), origin->provider) : nullptr;
        if (contains(providers, named)) return named;
    }
    return nullptr;
}

bool may_post(const Route& route)
{
    auto posts = [](const ProviderConf* each) { return each->provider.form_post; };
    bool callback = route.endpoint == Endpoint::callback && std::ranges::any_of(route.providers, posts);
    constexpr Endpoint others[] = {Endpoint::logout, Endpoint::initiate, Endpoint::backchannel};
    return callback || contains(others, route.endpoint);
}

// By the issuer that another site names.
const ProviderConf* who_is_named(ngx_http_request_t* r, const std::vector<const ProviderConf*>& providers)
{
    std::vector<Param> params = parse_query(view(r->args)).value_or(std::vector<Param>());
    auto is_named = [&](const ProviderConf* conf) { return conf->provider.issuer == last_value(params, "iss"); };
    auto named = std::ranges::find_if(providers, is_named);
    return named != providers.end() ? *named : nullptr;
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
        std::optional<std::string> ended = conf->sessions->take(request_ctx(r, true)->key, ngx_time());
        if (ended && conf->provider.revoke_on_logout) begin_revocation(*conf, main_conf(r), std::move(*ended));
        add_header(r, "Set-Cookie", delete_cookie(conf->cookie_names[https], session_cookie_attributes(conf->provider, https)));
    }
    return first;
}

}  // namespace

ngx_int_t begin_flow(ngx_http_request_t* r, const ProviderConf& conf, Endpoint endpoint)
{
    // No frame: a link of any site would end the session, against logout_method.
    bool linked = endpoint == Endpoint::frontchannel && header(r, "sec-fetch-dest") == "document";
    SessionView existing = linked ? SessionView() : session_of(r, conf);
    Request request = make_request(r, conf, endpoint);
    if (endpoint == Endpoint::page) {
        add_demands(r, conf.provider, existing, request);
        if (ngx_int_t rc = begin_at_once(r, conf, existing, request); rc != NGX_DECLINED) return rc;
    }
    auto* flow = make_in_pool<Flow>(r->pool, r, conf, endpoint, std::move(request));
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
    bool seen = r->method == NGX_HTTP_GET || r->method == NGX_HTTP_HEAD, posted = r->method == NGX_HTTP_POST;
    bool told = route->endpoint == Endpoint::backchannel;
    if ((!seen || told) && !(posted && may_post(*route))) return NGX_HTTP_NOT_ALLOWED;
    bool form = posted && route->endpoint != Endpoint::logout;
    if (ngx_int_t rc = !form ? NGX_OK : told ? read_body(r, max_form) : read_form(r); rc != NGX_OK) return rc;
    if (route->endpoint == Endpoint::logout) {
        auto method = [](const ProviderConf* each) { return each->provider.logout_method; };
        const ProviderConf& asked = **std::ranges::min_element(route->providers, {}, method);
        Leave leave = may_leave(r, asked);
        if (leave == Leave::ask) return send_page(r, NGX_HTTP_OK, confirm_logout_page(speaks_french(r), asked.provider.logout_uri));
        if (leave == Leave::refuse) return refuse_script(r, asked);
    }
    const ProviderConf* conf = nullptr;
    Endpoint at = route->endpoint;
    auto choose = at == Endpoint::logout ? who_leaves : at == Endpoint::initiate ? who_is_named : who_answers;
    if (route->providers.size() > 1) conf = choose(r, route->providers);
    if (conf == nullptr) conf = route->providers.front();
    if (route->endpoint == Endpoint::callback && posted != conf->provider.form_post)
        return refuse(r, Failure(Reason::callback_malformed, "response_mode says that it comes otherwise"), conf->provider.name,
                      conf->provider.error_uri);
    if (route->endpoint == Endpoint::sector) return send(r, NGX_HTTP_OK, "application/json", redirect_uris(r, route->providers));
    if (route->endpoint != Endpoint::jwks) return begin_flow(r, *conf, route->endpoint);
    add_header(r, "Cache-Control", "public, max-age=" + std::to_string(conf->provider.client_jwks_max_age));
    return send(r, NGX_HTTP_OK, "application/jwk-set+json", conf->provider.own_jwks);
}

}  // namespace oidc::ngx
