#include "ngx_http_oidc_flow.hpp"

#include "ngx_http_oidc_request.hpp"
#include "ngx_http_oidc_site.hpp"

namespace oidc::ngx {
namespace {

ngx_uint_t log_level(Reason reason) noexcept
{
    switch (blame_of(reason)) {
    case Blame::browser: return NGX_LOG_INFO;
    case Blame::configuration: return NGX_LOG_WARN;
    case Blame::provider: return NGX_LOG_ERR;
    case Blame::us: return NGX_LOG_CRIT;
    }
    return NGX_LOG_ERR;
}

std::string evaluate(ngx_http_request_t* r, ngx_http_complex_value_t* value)
{
    ngx_str_t text{};
    if (ngx_http_complex_value(r, value, &text) != NGX_OK) throw std::bad_alloc{};
    return string(text);
}

std::vector<std::string> words(std::string_view text)
{
    std::vector<std::string> found;
    while (!text.empty()) {
        std::size_t end = std::min(text.find(' '), text.size());
        if (end > 0) found.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return found;
}

void add_args(std::vector<Param>& args, ngx_http_request_t* r, const ProviderConf& conf)
{
    for (const AuthArg& arg : conf.args) {
        std::string value = evaluate(r, arg.value);
        if (!value.empty()) args.push_back({arg.name, std::move(value)});
    }
    auto* location = static_cast<LocConf*>(ngx_http_get_module_loc_conf(r, ngx_http_oidc_module));
    if (location->args.len == 0) return;
    std::vector<Param> more = parse_query(view(location->args)).value_or(std::vector<Param>{});
    args.insert(args.end(), more.begin(), more.end());
}

std::vector<std::string> levels(ngx_http_request_t* r, const ProviderConf& conf)
{
    std::vector<std::string> asked;
    if (conf.acr_values != nullptr) asked = words(evaluate(r, conf.acr_values));
    return asked.empty() ? conf.provider.acr_default : asked;
}

}  // namespace

std::string_view event_name(Journey journey) noexcept
{
    switch (journey) {
    case Journey::start_login:
    case Journey::login_link: return "login_started";
    case Journey::callback: return "login_done";
    case Journey::logout: return "logout_started";
    case Journey::logged_out: return "logout_done";
    }
    return {};
}

Request make_request(ngx_http_request_t* r, const ProviderConf& conf)
{
    Request request;
    request.cookies = cookies_of(r);
    request.query = view(r->args);
    request.target = view(r->unparsed_uri);
    request.base_url = base_url(r, conf);
    request.https = request.base_url.starts_with("https:");
    request.now = ngx_time();
    request.acr = join(levels(r, conf), " ");
    add_args(request.args, r, conf);
    return request;
}

// Without the request line that nginx's own handler would add: a callback's holds a live code.
void log_failure(ngx_http_request_t* r, const ProviderConf& conf, const Failure& failure)
{
    ngx_log_t log = *r->connection->log;
    log.handler = nullptr;
    std::string text = std::string(name_of(failure.reason)) + ": provider \"" + conf.provider.name + "\"";
    if (!failure.detail.empty()) text += ": " + failure.detail;
    if (!failure.support_id.empty()) text += ", support id " + failure.support_id;
    ngx_log_error(log_level(failure.reason), &log, 0, "oidc: %s, client: %V, path: %s", printable(text).c_str(),
                  &r->connection->addr_text, printable(view(r->uri)).c_str());
}

Flow::Flow(ngx_http_request_t* r, const MainConf& main, const ProviderConf& conf)
    : conf_{conf},
      request_{make_request(r, conf)},
      sessions_{*conf.sessions, *main.private_zone, conf.provider.session_idle_timeout},
      ports_{*worker().http, sessions_, *worker().documents, worker_random, main.cookie_keys},
      finished_{r->connection->log},
      deadline_{r->connection->log, &Flow::expire, this}
{
    finished_.set(&Flow::run_phases, r);
}

void Flow::start(Journey journey, Existing existing)
{
    journey_ = journey;
    root_ = drive(*this, journey, std::move(existing));
    root_.start();
}

void Flow::wait() noexcept
{
    if (waiting_) return;
    waiting_ = true;
    deadline_.start(static_cast<ngx_msec_t>(conf_.provider.login_deadline));
}

namespace {

Task<Reply> travel(Journey journey, const Provider& provider, Ports& ports, const Request& request, Existing existing)
{
    switch (journey) {
    case Journey::start_login: {
        Destination here{return_path(request.target), 0};
        co_return co_await start_login(provider, ports, request, std::move(here));
    }
    case Journey::login_link: {
        co_return co_await login_link(provider, ports, request, std::move(existing));
    }
    case Journey::callback: {
        co_return co_await finish_login(provider, ports, request, std::move(existing));
    }
    case Journey::logout: {
        co_return co_await logout(provider, ports, request);
    }
    case Journey::logged_out: {
        co_return co_await logged_out(provider, ports, request);
    }
    }
    fail(Reason::internal);
}

}  // namespace

Root Flow::drive(Flow& flow, Journey journey, Existing existing)
{
    try {
        flow.reply_ = co_await travel(journey, flow.conf_.provider, flow.ports_, flow.request_, std::move(existing));
    } catch (const Failure& failure) {
        flow.failure_ = failure;
    } catch (const std::exception& e) {
        flow.failure_.emplace(Reason::internal, e.what());
    }
    flow.deadline_.stop();
    // Never finalize the request from inside a coroutine: that frees this frame.
    if (flow.waiting_) flow.finished_.fire();
}

void Flow::expire(void* flow)
{
    auto* self = static_cast<Flow*>(flow);
    self->root_ = Root();  // cancels every call of this login
    self->failure_.emplace(Reason::provider_timeout, "login_deadline has passed");
    self->finished_.fire();
}

void Flow::run_phases(void* request)
{
    auto* r = static_cast<ngx_http_request_t*>(request);
    ngx_connection_t* c = r->connection;
    r->write_event_handler(r);  // ngx_http_core_run_phases(): comes back to the access handler
    ngx_http_run_posted_requests(c);
}

}  // namespace oidc::ngx
