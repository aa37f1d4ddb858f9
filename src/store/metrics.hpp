// What oidc_status shows of one provider. All workers count in the same memory, by atomic additions and without a lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include "ngx_http_oidc.hpp"
#include "oidc/base/failure.hpp"

namespace oidc::ngx {

enum class Count : std::uint8_t {
    logins_started,
    logins_done,
    logouts_started,
    logouts_done,
    logouts_told,
    refreshes_done,
    refreshes_failed
};

struct Metrics {
    class Number {
    public:
        void add() noexcept { value_.fetch_add(1, std::memory_order_relaxed); }
        void set(std::int64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
        std::int64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

    private:
        std::atomic<std::int64_t> value_{0};
        static_assert(decltype(value_)::is_always_lock_free, "several processes share it");
    };
    struct Document {
        Number done, failed;      // fetches
        Number latency, fetched;  // of the last fetch, ms; when the copy in use was fetched, ngx_current_msec, 0: never
    };

    void add(Count event) noexcept { counts[static_cast<std::size_t>(event)].add(); }
    void add(Reason reason) noexcept { failures[static_cast<std::size_t>(reason)].add(); }

    Number counts[7], failures[std::size(reason_rows)];
    Document metadata, keys;
};

// Declares their memory during configuration. A reload keeps it for a provider of the same name; its `data` are the
// Metrics then.
ngx_shm_zone_t* declare_metrics(ngx_conf_t* cf, const std::string& provider);

}  // namespace oidc::ngx
