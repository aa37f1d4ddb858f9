// What one worker owns: the HTTP client, the provider documents, the work that no request waits for.
#pragma once

#include <list>
#include <memory>
#include <vector>

#include "conf/configuration.hpp"
#include "ngx_http_oidc.hpp"
#include "oidc/base/task.hpp"
#include "oidc/ports/documents.hpp"
#include "oidc/ports/http.hpp"
#include "store/local_sessions.hpp"

namespace oidc::ngx {

// Owned by the worker, and ended with it at the latest.
struct BackgroundWork {
    virtual ~BackgroundWork() = default;
};

// Made in init_process, nothing before the fork. Members end in reverse: the documents before the client they use.
struct Worker {
    Worker(const MainConf& main, ngx_log_t* log);

    std::unique_ptr<HttpClient> http;
    std::unique_ptr<Documents> documents;
    SearchQueue searches;
    std::vector<Root> prefetches;  // metadata and keys of every provider before the first login
    std::list<std::unique_ptr<BackgroundWork>> background;
};

Worker& worker() noexcept;  // valid between init_process and exit_process
ngx_int_t init_process(ngx_cycle_t* cycle) noexcept;
void exit_process(ngx_cycle_t* cycle) noexcept;

}  // namespace oidc::ngx
