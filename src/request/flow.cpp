#include "request/flow.hpp"

#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/background.hpp"
#include "client/client_secret.hpp"
#include "client/task_context.hpp"
#include "conf/config_error.hpp"
#include "conf/configuration.hpp"
#include "ngx_http_oidc_event.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/task.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/journey/begin_login.hpp"
#include "oidc/journey/finish_login.hpp"
#include "oidc/journey/logout.hpp"
#include "oidc/journey/pending_request.hpp"
#include "oidc/journey/provider_logout.hpp"
#include "oidc/ports/request.hpp"
#include "oidc/ports/session_record.hpp"
#include "oidc/ports/sessions.hpp"
#include "oidc/provider/provider.hpp"
#include "request/headers.hpp"
#include "request/oidc_request.hpp"
#include "request/reply.hpp"
#include "request/session_lookup.hpp"
#include "store/metrics.hpp"

namespace oidc::ngx {
namespace {

constexpr ngx_msec_t look_again = 50;  // at tokens that another coroutine renews, ms

struct Outcome {
    std::string_view event;
    Count count;
};
// By Endpoint.
constexpr Outcome outcomes[] = {
    {"login_done", Count::logins_done},
    {"login_started", Count::logins_started},
    {"logout_started", Count::logouts_started},
    {"logout_done", Count::logouts_done},
    {},
    {},
    {"login_started", Count::logins_started},
    {"backchannel_logout", Count::logouts_told},
    {"frontchannel_logout", Count::logouts_told},
    {"login_started", Count::logins_started},
};

// The provider speaks there, by itself or in a frame: no person sees what is answered.
bool is_from_provider(Endpoint endpoint) noexcept
{
    return endpoint == Endpoint::backchannel || endpoint == Endpoint::frontchannel;
}

LoginTarget back_to_page(const Request& request, SessionView existing)
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
struct Flow final : TaskContext {
    Flow(ngx_http_request_t* r, const ProviderConf& provider_conf, Endpoint at, Request asked)
        : TaskContext{provider_conf, main_conf(r), std::move(asked)}, endpoint{at}, main{main_conf(r)},
          key{request_context(r, true)->key}, finished{r->connection->log, run_phases, r}, deadline{r->connection->log,
                                                                                                    expire, this}
    {
    }

    Task<Reply> run(SessionView existing)
    {
        renew_secret(conf);
        switch (endpoint) {
        case Endpoint::callback: return finish_login(context, existing);
        case Endpoint::login: return login_from_link(context, existing);
        case Endpoint::initiate: return initiated_login(context);
        case Endpoint::logout: return logout(context);
        case Endpoint::logged_out: return finish_logout(context);
        case Endpoint::backchannel: return backchannel_logout(context);
        case Endpoint::frontchannel: return frontchannel_logout(context, existing);
        case Endpoint::refresh: return await_refresh();
        default: return start_login(context, back_to_page(request, existing));
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
            reply = co_await run(existing);
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
    Root root;  // last member: destroyed first, so that cancellation runs while the rest is alive
};

namespace {

// The page that a journey was to lead to.
std::string page_of_flow(ngx_http_request_t* r, const Flow& flow)
{
    if (flow.endpoint == Endpoint::page) return return_path(flow.request.target);
    std::optional<PendingRequest> pending = pending_request_of(flow.request, main_conf(r).cookie_keys);
    std::vector<Param> params = parse_query(flow.request.query).value_or(std::vector<Param>());
    return pending ? pending->return_path : return_path(last_value(params, "return"));
}

ngx_int_t answer_to_provider(ngx_http_request_t* r, const Flow& flow)
{
    const Outcome& done = outcomes[static_cast<std::size_t>(flow.endpoint)];
    std::string_view event = flow.failure ? name_of(flow.failure->reason) : done.event;
    request_context(r, true)->event = event;
    if (flow.failure) log_failure(r, *flow.failure, flow.conf.provider.name);
    else flow.conf.metrics().add(done.count);

    for (const std::string& cookie : flow.reply ? flow.reply->set_cookies : Words())
        add_header(r, "Set-Cookie", cookie);
    add_header(r, "Cache-Control", "no-store");

    ngx_uint_t status = flow.failure ? NGX_HTTP_BAD_REQUEST : NGX_HTTP_OK;
    if (flow.endpoint == Endpoint::frontchannel)
        return send(r, status, "text/html; charset=utf-8", concat({"<!DOCTYPE html>\n<title>", event, "</title>\n"}));
    return send(r, status, "application/json",
                flow.failure ? concat({"{\"error\":\"invalid_request\",\"error_description\":\"", event, "\"}\n"})
                             : "{}\n");
}

ngx_int_t conclude(ngx_http_request_t* r, const ProviderConf& conf, Endpoint endpoint, const Reply& reply)
{
    const Outcome& done = outcomes[static_cast<std::size_t>(endpoint)];
    if (reply.why) log_failure(r, *reply.why, conf.provider.name);
    else if (!reply.set_cookies.empty()) conf.metrics().add(done.count);  // else it only led on to its page
    request_context(r, true)->event = reply.why ? name_of(reply.why->reason) : done.event;
    if (!reply.ended.empty()) begin_revocation(conf, main_conf(r), reply.ended);
    return apply_reply(r, reply);
}

// Most logins begin without a wait: those need neither a coroutine nor memory of the request's. NGX_DECLINED: this one
// has to wait.
ngx_int_t begin_without_wait(ngx_http_request_t* r, const ProviderConf& conf, SessionView existing, Request& request)
{
    TaskContext here(conf, main_conf(r), std::move(request));
    std::optional<Reply> reply;
    std::optional<Failure> failure;
    try {
        reply = login_without_wait(here.context, back_to_page(here.request, existing));
    } catch (const Failure& why) {
        failure = why;
    } catch (const std::exception& e) {
        failure.emplace(Reason::internal, e.what());
    }
    if (reply) return conclude(r, conf, Endpoint::page, *reply);
    if (failure)
        return refuse(r, *failure, conf.provider.name, conf.provider.error_uri, return_path(here.request.target));

    request = std::move(here.request);
    return NGX_DECLINED;
}

}  // namespace

// While it waits, the client going away is noticed as ngx_http_limit_req_module does; a logout goes on without it.
ngx_int_t continue_flow(ngx_http_request_t* r, RequestContext& ctx)
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
        if (is_from_provider(flow.endpoint)) return answer_to_provider(r, flow);
        if (flow.failure) return refuse(r, *flow.failure, provider.name, provider.error_uri, page_of_flow(r, flow));
        return conclude(r, flow.conf, flow.endpoint, *flow.reply);
    }

    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);
    } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->read_event_handler = is_from_provider(flow.endpoint) ? ngx_http_block_reading : ngx_http_test_reading;
    if (!flow.waiting) flow.deadline.start(static_cast<ngx_msec_t>(flow.conf.provider.login_deadline));
    flow.waiting = true;
    return NGX_AGAIN;
}

ngx_int_t begin_flow(ngx_http_request_t* r, const ProviderConf& conf, Endpoint endpoint)
{
    // No frame: a link of any site would end the session, against logout_method.
    bool linked = endpoint == Endpoint::frontchannel && header(r, "sec-fetch-dest") == "document";
    SessionView existing = linked ? SessionView() : find_session(r, conf);

    Request request = make_request(r, conf, endpoint);
    if (endpoint == Endpoint::page) {
        add_step_up(r, conf.provider, existing, request);
        if (ngx_int_t rc = begin_without_wait(r, conf, existing, request); rc != NGX_DECLINED) return rc;
    }

    auto* flow = make_in_pool<Flow>(r->pool, r, conf, endpoint, std::move(request));
    flow->root = flow->drive(existing);
    flow->root.start();
    RequestContext* ctx = request_context(r, true);
    ctx->flow = flow;
    return continue_flow(r, *ctx);
}

}  // namespace oidc::ngx
