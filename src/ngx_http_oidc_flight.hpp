// What a worker keeps of one provider document, and how coroutines wait for its fetch.
#pragma once

#include <utility>

#include "ngx_http_oidc.hpp"
#include "ngx_http_oidc_shm.hpp"
#include "oidc/failure.hpp"
#include "oidc/ports.hpp"

namespace oidc::ngx {

enum class Kind : std::uint8_t { metadata, keys };

// One document of one provider, in this worker.
struct Entry {
    Entry(const Provider& of, Kind what, std::string where, ngx_log_t* log)
        : provider{of}, kind{what}, url{std::move(where)},
          launch{log, [](void* self) { static_cast<Entry*>(self)->flight.start(); }, this}
    {
        ngx_queue_init(&waiters);
    }

    bool known() const noexcept { return endpoints != nullptr || keys != nullptr; }
    const CachePolicy& policy() const noexcept { return kind == Kind::metadata ? provider.metadata_cache : provider.jwks_cache; }
    std::int64_t age() const noexcept { return ngx_time() - fetched; }
    bool fresh() const noexcept { return known() && (fixed || age() < policy().valid); }
    bool usable() const noexcept { return known() && (fixed || age() < policy().valid + policy().stale); }

    const Provider& provider;
    Kind kind;
    std::string url;
    std::shared_ptr<const Endpoints> endpoints;      // of Kind::metadata
    std::shared_ptr<const Jwks> keys;                // of Kind::keys
    Digest digest{};                                 // of the body they were parsed from
    std::uint64_t generation = 0;                    // seen in the zone
    std::int64_t fetched = 0, looked = 0;            // Unix seconds
    bool fixed = false;                              // all of it comes from directives
    bool flying = false, failing = false;
    ngx_queue_t waiters;                             // of Landing
    Event launch;
    Root flight;
};

// Waits for the end of an entry's flight.
class Landing : private ngx_queue_t {
public:
    Landing(Entry& entry, ngx_log_t* log) noexcept : ngx_queue_t{}, entry_{entry}, landed_{log} {}
    Landing(const Landing&) = delete;
    Landing& operator=(const Landing&) = delete;
    ~Landing() { leave(); }

    bool await_ready() const noexcept { return !entry_.flying; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept
    {
        landed_.resume(waiter);
        ngx_queue_insert_tail(&entry_.waiters, this);
    }
    void await_resume() const noexcept {}

    static void wake_all(Entry& entry, const std::shared_ptr<const Failure>& failure) noexcept
    {
        while (!ngx_queue_empty(&entry.waiters)) {
            auto* waiter = static_cast<Landing*>(ngx_queue_head(&entry.waiters));
            waiter->leave();
            waiter->failure = failure;
            waiter->landed_.fire();
        }
    }

    std::shared_ptr<const Failure> failure;

private:
    void leave() noexcept
    {
        if (next == nullptr) return;
        ngx_queue_remove(this);
        next = nullptr;
    }

    Entry& entry_;
    Event landed_;
};

class Pause {
public:
    Pause(ngx_log_t* log, ngx_msec_t length) noexcept
        : over_{log}, length_{length},
          timer_{log, [](void* self) noexcept { static_cast<Pause*>(self)->over_.fire(); }, this}
    {
    }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept
    {
        over_.resume(waiter);
        timer_.start(length_);
    }
    void await_resume() const noexcept {}

private:
    Event over_;
    ngx_msec_t length_;
    Event timer_;
};

// Ended early when the worker stops in the middle of a fetch.
class Lease {
public:
    Lease(PrivateZone& zone, const std::string& url) noexcept : zone_{zone}, url_{url} {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { if (held_) zone_.end_lease(url_); }

    void ended() noexcept { held_ = false; }

private:
    PrivateZone& zone_;
    const std::string& url_;
    bool held_ = true;
};

}  // namespace oidc::ngx
