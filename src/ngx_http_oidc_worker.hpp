// What one worker owns: the HTTP client and the provider documents. Made in init_process, nothing before the fork.
#pragma once

#include "ngx_http_oidc_conf.hpp"
#include "oidc/ports.hpp"

namespace oidc::ngx {

std::string printable(std::string_view text);  // for the log: a peer chose some of the bytes; at most 512 of them

// The SessionStore port over the zones of one provider.
class ZoneSessions final : public SessionStore {
public:
    ZoneSessions(Zone& zone, Zone& states, Seconds idle) noexcept : zone_{zone}, states_{states}, idle_{idle} {}

    Task<std::optional<std::string>> take(SessionKey key) override { co_return zone_.take(key, ngx_time()); }
    Task<bool> put(SessionKey key, std::string record, std::int64_t expires) override
    {
        co_return zone_.put(key, record, {expires, idle_}, ngx_time());
    }
    Task<bool> use_once(Digest state, std::int64_t expires) override { co_return states_.use_once(state, expires, ngx_time()); }
    Task<bool> forget(Digest state) override { co_return states_.take(state, ngx_time()).has_value(); }

private:
    Zone &zone_, &states_;
    Seconds idle_;
};

// Members end in reverse: the documents before the client they use.
struct Worker {
    Worker(const MainConf& main, ngx_log_t* log);

    std::unique_ptr<HttpClient> http;
    std::unique_ptr<Documents> documents;
    std::vector<Root> ahead;                   // fetch metadata and keys of every provider before the first login
};

// The worker's own; valid between init_process and exit_process.
Worker& worker() noexcept;

void init_process(const MainConf& main, ngx_log_t* log);
void exit_process(ngx_cycle_t* cycle) noexcept;

std::unique_ptr<HttpClient> make_http_client(ngx_log_t* log);  // ngx_http_oidc_curl.cpp

}  // namespace oidc::ngx
