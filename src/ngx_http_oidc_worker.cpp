#include "ngx_http_oidc_worker.hpp"

#include <vector>

#include "oidc/failure.hpp"

namespace oidc::ngx {
namespace {

constexpr ngx_msec_t head_start = 20;                // the worker accepts connections first, ms

// The documents of one provider, before anybody needs them. A failure says nothing yet: the first login tries again.
Root fetch_ahead(Documents& documents, const Provider& provider, ngx_log_t* log)
{
    try {
        Endpoints endpoints = co_await documents.endpoints(provider);
        if (ngx_exiting) co_return;
        std::shared_ptr<const Jwks> keys = co_await documents.keys(provider);
    } catch (const Failure& failure) {
        ngx_log_error(NGX_LOG_WARN, log, 0, "oidc: provider \"%s\" is not ready yet: %s", provider.name.c_str(),
                      to_text(failure).c_str());
    } catch (const std::exception& e) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "oidc: provider \"%s\" is not ready yet: %s", provider.name.c_str(), e.what());
    }
}

// In the cycle's pool, emptied by exit_process: the calls must end before nginx looks for sockets left open.
class Process {
public:
    Process(const MainConf& main, ngx_log_t* log) : begin_{log, &Process::on_begin, this}
    {
        worker_.http = make_http_client(log);
        worker_.documents = make_documents(*worker_.http, *main.private_zone, log);
        for (const std::unique_ptr<ProviderConf>& conf : main.providers) {
            ahead_.push_back(fetch_ahead(*worker_.documents, conf->provider, log));
        }
        begin_.start(head_start);
    }

    void stop() noexcept
    {
        begin_.stop();
        ahead_.clear();
        worker_.documents.reset();
        worker_.http.reset();
    }
    Worker& worker() noexcept { return worker_; }

private:
    static void on_begin(void* self) noexcept
    {
        if (ngx_exiting) return;
        for (Root& root : static_cast<Process*>(self)->ahead_) root.start();
    }

    Worker worker_;                                  // members end in reverse: the documents before the client they use
    std::vector<Root> ahead_;
    Event begin_;
};

Process* current = nullptr;

}  // namespace

Task<std::optional<std::string>> ZoneSessions::take(SessionKey key) { co_return zone_.take(key, ngx_time()); }

Task<bool> ZoneSessions::put(SessionKey key, std::string record, std::int64_t expires)
{
    co_return zone_.put(key, record, expires, idle_, ngx_time());
}

Task<bool> ZoneSessions::use_once(Digest state, std::int64_t expires) { co_return states_.use_once(state, expires, ngx_time()); }

Task<bool> ZoneSessions::forget(Digest state)
{
    states_.forget(state);
    co_return true;
}

Worker& worker() noexcept { return current->worker(); }

ngx_int_t init_process(ngx_cycle_t* cycle)
{
    // nginx also calls it in its cache processes, which serve nobody.
    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE) return NGX_OK;
    auto* main = static_cast<MainConf*>(ngx_http_cycle_get_module_main_conf(cycle, ngx_http_oidc_module));
    if (main == nullptr || main->providers.empty()) return NGX_OK;
    current = make_in_pool<Process>(cycle->pool, *main, cycle->log);
    return NGX_OK;
}

void exit_process(ngx_cycle_t*) noexcept
{
    if (current != nullptr) current->stop();
}

}  // namespace oidc::ngx
