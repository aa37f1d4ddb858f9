// Shared memory: zones of items found by a digest and kept in order of use. Sessions, used states, fetched documents
// and leases are such items. A zone that a killed worker left half-changed is emptied, not trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "ngx_http_oidc.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/base/text.hpp"

namespace oidc::ngx {

// The times of a zone are on one clock, which its callers choose: Unix seconds or milliseconds of ngx_current_msec.
class Zone {
public:
    static constexpr std::string_view of_documents = "oidc_documents";
    struct Life {
        std::int64_t expires;
        std::int64_t idle = 0;  // the longest time between two uses; 0: any
    };
    struct Copy {
        std::string bytes;
        std::int64_t stored;
    };
    struct Usage {
        std::size_t items, size, free, evicted;  // size and free (in whole pages) in bytes
    };

    // Declares the zone during configuration: `size` is at least 64 kB. It survives a reload of unchanged size.
    Zone(ngx_conf_t* cf, std::string_view name, std::size_t size);
    Zone(const Zone&) = delete;
    Zone& operator=(const Zone&) = delete;

    std::string_view name() const noexcept { return view(zone_->shm.name); }
    // Random, made with the zone and kept over reloads: seals the cookies where no oidc_cookie_key does.
    Secret cookie_key() const { return Secret(std::string(oidc::view(key_))); }
    // The hot path: the bytes copied to `pool` in one piece, or an empty view. Expired (absolute or idle) is absent.
    // Touches the order of use and the idle clock. No allocation but the copy, no system call.
    std::string_view get(const Digest& key, std::int64_t now, ngx_pool_t* pool) noexcept;
    // What was stored later than `since`, without touching it.
    std::optional<Copy> read(const Digest& key, std::int64_t since, std::int64_t now);
    std::optional<std::string> take(const Digest& key, std::int64_t now);  // and removes it
    // Room is made by evicting what has expired first, then the least recently used. False: too large.
    // Nor is anything put where something is, or is not, when `where` says so.
    enum class Where : std::uint8_t { anywhere, free, taken };
    bool put(const Digest& key, std::string_view bytes, const Life& life, std::int64_t now,
             Where where = Where::anywhere) noexcept;
    Usage usage(std::int64_t now) noexcept;  // removes the oldest that have expired
    bool use_once(const Digest& key, std::int64_t expires, std::int64_t now) noexcept
    {
        return put(key, {}, {expires}, now, Where::free);
    }
    // Removes what `ends` says, of some 128 items in the order of their hashes from `hash` on: all of one hash at once.
    // Where the next call goes on; nullopt: that was the last.
    using Ends = std::function<bool(std::string_view bytes)>;
    std::optional<std::uint32_t> sweep(std::uint32_t hash, const Ends& ends);

private:
    class Locked;

    ngx_shm_zone_t* zone_;
    Digest key_{};
};

}  // namespace oidc::ngx
