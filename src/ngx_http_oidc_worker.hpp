// What one worker owns: the HTTP client and the provider documents. Made in init_process, nothing before the fork.
#pragma once

#include <memory>

#include "ngx_http_oidc.hpp"
#include "ngx_http_oidc_conf.hpp"
#include "oidc/failure.hpp"
#include "oidc/ports.hpp"

namespace oidc::ngx {

std::unique_ptr<HttpClient> make_http_client(ngx_log_t* log);
std::unique_ptr<Documents> make_documents(HttpClient& http, PrivateZone& zone, ngx_log_t* log);

std::string printable(std::string_view text);  // for the log: a peer chose some of the bytes; at most 512 of them
std::string to_text(const Failure& failure);   // reason and detail, printable

// The SessionStore port over the zones of one provider.
class ZoneSessions final : public SessionStore {
public:
    ZoneSessions(SessionZone& zone, PrivateZone& states, Seconds idle) noexcept : zone_{zone}, states_{states}, idle_{idle} {}

    Task<std::optional<std::string>> take(SessionKey key) override;
    Task<bool> put(SessionKey key, std::string record, std::int64_t expires) override;
    Task<bool> use_once(Digest state, std::int64_t expires) override;
    Task<bool> forget(Digest state) override;

private:
    SessionZone& zone_;
    PrivateZone& states_;
    Seconds idle_;
};

struct Worker {
    std::unique_ptr<HttpClient> http;
    std::unique_ptr<Documents> documents;
};

// The worker's own; valid between init_process and exit_process.
Worker& worker() noexcept;

ngx_int_t init_process(ngx_cycle_t* cycle);   // starts fetching metadata and keys of every provider ahead of the first login
void exit_process(ngx_cycle_t* cycle) noexcept;

}  // namespace oidc::ngx
