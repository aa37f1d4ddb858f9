#include "client/worker.hpp"

#include <exception>
#include <utility>

#include "client/documents.hpp"
#include "client/failure_log.hpp"
#include "client/http_client.hpp"
#include "ngx_http_oidc_event.hpp"
#include "oidc/jose/jwks.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc::ngx {
namespace {

constexpr ngx_msec_t head_start = 20;  // the worker accepts connections first, ms

// The documents of one provider, before anybody needs them. The first login after a failure tries again.
Root prefetch(Documents& documents, const Provider& provider, ngx_log_t* log)
{
    Pause start(log, head_start);
    co_await Until(start);
    try {
        if (ngx_exiting) co_return true;
        std::shared_ptr<const Endpoints> endpoints = co_await documents.endpoints(provider);
        if (ngx_exiting) co_return true;
        std::shared_ptr<const Jwks> keys = co_await documents.keys(provider);
    } catch (const std::exception& e) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "oidc: provider \"%s\" is not ready yet: %s", provider.name.c_str(),
                      to_text(e).c_str());
    }
    co_return true;
}

// Not in a pool: the calls must end in exit_process, before nginx looks for sockets left open.
Worker* current = nullptr;

}  // namespace

Worker::Worker(const MainConf& main, ngx_log_t* log)
    : http{make_http_client(log)}, documents{make_documents(*http, *main.documents, log)}
{
    for (const auto& conf : main.providers) prefetches.push_back(prefetch(*documents, conf->provider, log));
    for (Root& root : prefetches) root.start();
}

Worker& worker() noexcept { return *current; }

// nginx also calls it in its cache processes, which serve nobody. Without oidc_cookie_key all workers share the random
// key of the zone, which survives reloads.
ngx_int_t init_process(ngx_cycle_t* cycle) noexcept
{
    bool serves = ngx_process == NGX_PROCESS_WORKER || ngx_process == NGX_PROCESS_SINGLE;
    auto* main = static_cast<MainConf*>(ngx_http_cycle_get_module_main_conf(cycle, ngx_http_oidc_module));
    if (!serves || main == nullptr || main->providers.empty()) return NGX_OK;
    try {
        if (main->cookie_keys.empty()) main->cookie_keys.push_back(main->states->cookie_key());
        current = new Worker(*main, cycle->log);
        return NGX_OK;
    } catch (const std::exception& e) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "oidc: the worker cannot start: %s", e.what());
        return NGX_ERROR;
    }
}

void exit_process(ngx_cycle_t*) noexcept { delete std::exchange(current, nullptr); }

}  // namespace oidc::ngx
