#include "ngx_http_oidc_worker.hpp"

namespace oidc::ngx {
namespace {

constexpr ngx_msec_t head_start = 20;                // the worker accepts connections first, ms

// Not in a pool: the calls must end in exit_process, before nginx looks for sockets left open.
Worker* current = nullptr;

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

void begin_ahead(void* worker) noexcept
{
    if (ngx_exiting) return;
    for (Root& root : static_cast<Worker*>(worker)->ahead) root.start();
}

}  // namespace

std::string printable(std::string_view text)
{
    std::string safe(text.substr(0, 512));
    for (char& c : safe) c = c < ' ' || c > '~' ? '?' : c;
    return safe;
}

std::string to_text(const Failure& failure)
{
    return printable(std::string(name_of(failure.reason)) + (failure.detail.empty() ? "" : ": " + failure.detail));
}

Worker::Worker(const MainConf& main, ngx_log_t* log)
    : http{make_http_client(log)}, documents{make_documents(*http, *main.documents, log)}, begin{log, begin_ahead, this}
{
    for (const std::unique_ptr<ProviderConf>& conf : main.providers) ahead.push_back(fetch_ahead(*documents, conf->provider, log));
    begin.start(head_start);
}

Worker& worker() noexcept { return *current; }

void init_process(const MainConf& main, ngx_log_t* log)
{
    // nginx also calls it in its cache processes, which serve nobody.
    if (ngx_process == NGX_PROCESS_WORKER || ngx_process == NGX_PROCESS_SINGLE) current = new Worker(main, log);
}

void exit_process(ngx_cycle_t*) noexcept { delete std::exchange(current, nullptr); }

}  // namespace oidc::ngx
