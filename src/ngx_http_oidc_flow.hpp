// One coroutine per request that has to wait or to answer by itself: its parts, its deadline, its outcome.
#pragma once

#include <optional>

#include "ngx_http_oidc_conf.hpp"
#include "ngx_http_oidc_worker.hpp"
#include "oidc/failure.hpp"
#include "oidc/login.hpp"

namespace oidc::ngx {

enum class Journey : std::uint8_t { start_login, login_link, callback, logout, logged_out };

class Flow {
public:
    Flow(ngx_http_request_t* r, const MainConf& main, const ProviderConf& conf);
    Flow(const Flow&) = delete;

    void start(Journey journey, Existing existing);

    bool done() const noexcept { return reply_ || failure_; }
    const Reply* reply() const noexcept { return reply_ ? &*reply_ : nullptr; }
    const Failure* failure() const noexcept { return failure_ ? &*failure_ : nullptr; }
    const ProviderConf& conf() const noexcept { return conf_; }
    Journey journey() const noexcept { return journey_; }
    void wait() noexcept;  // the phase handler returns NGX_AGAIN: the end wakes it up

private:
    static Root drive(Flow& flow, Journey journey, Existing existing);
    static void run_phases(void* request);
    static void expire(void* flow);

    const ProviderConf& conf_;
    Request request_;
    ZoneSessions sessions_;
    Ports ports_;
    std::optional<Reply> reply_;
    std::optional<Failure> failure_;
    Journey journey_ = Journey::start_login;
    bool waiting_ = false;
    Posted finished_;
    Timer deadline_;
    Root root_;  // last member: destroyed first, so that cancellation runs while the rest is alive
};

// The protocol's view of a request.
Request make_request(ngx_http_request_t* r, const ProviderConf& conf);

// What $oidc_event says of a journey that went well.
std::string_view event_name(Journey journey) noexcept;

// Logs one line without a token or a claim value, at the level of who is to blame.
void log_failure(ngx_http_request_t* r, const ProviderConf& conf, const Failure& failure);

}  // namespace oidc::ngx
