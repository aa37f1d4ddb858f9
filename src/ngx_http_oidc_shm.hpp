// Shared memory: a zone of sessions per store, and one private zone for documents, used states and the random cookie key.
// All of a zone's data is under its slab mutex and is published last. A zone that a killed worker left dirty is reset, not trusted.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ngx_http_oidc.hpp"
#include "oidc/failure.hpp"
#include "oidc/ports.hpp"

namespace oidc::ngx {

class SessionZone {
public:
    // Declares the zone during configuration; `sizeof` below 64 kB is refused by the caller. Survives a reload of unchanged size.
    SessionZone(ngx_conf_t* cf, std::string_view name, std::size_t size);  // throws std::runtime_error with nginx's message logged
    SessionZone(const SessionZone&) = delete;

    std::string_view name() const noexcept;

    // The hot path: the record copied to `pool` in one piece, or an empty view. Expired (absolute or idle) is absent.
    // Touches the LRU queue and the idle clock. No allocation but the copy, no system call.
    std::string_view get(const SessionKey& key, std::int64_t now, ngx_pool_t* pool) noexcept;

    std::optional<std::string> take(const SessionKey& key, std::int64_t now);
    // Evicts expired sessions first, then the least recently used. idle: seconds of idle lifetime, 0 for none.
    bool put(const SessionKey& key, std::string_view record, std::int64_t expires, std::int64_t idle, std::int64_t now);

private:
    ngx_shm_zone_t* zone_;
};

// A document (provider metadata or key set) as fetched.
struct Document {
    std::string body;
    std::int64_t fetched = 0;       // Unix seconds
    std::uint64_t generation = 0;   // grows with every fetch of any document
};

struct FetchFailure {
    Reason reason;
    std::int64_t at_ms;
};

class PrivateZone {
public:
    PrivateZone(ngx_conf_t* cf, std::size_t size);
    PrivateZone(const PrivateZone&) = delete;

    // Documents are keyed by URL: providers that share an issuer share them.
    std::optional<Document> document(std::string_view url, std::uint64_t newer_than);   // nullopt: none, or not newer
    std::uint64_t put_document(std::string_view url, std::string_view body, std::int64_t now);  // ends the lease; 0: no room
    // The lease of a fetch: true for one caller on the node until it is ended or expires. Milliseconds of ngx_current_msec.
    bool acquire_lease(std::string_view url, std::int64_t now_ms, std::int64_t life_ms);
    bool lease_held(std::string_view url, std::int64_t now_ms);
    void end_lease(std::string_view url);
    void put_failure(std::string_view url, Reason reason, std::int64_t now_ms);         // ends the lease
    std::optional<FetchFailure> last_failure(std::string_view url);                     // nullopt: none since the last success

    bool use_once(const Digest& state, std::int64_t expires, std::int64_t now);          // false: seen before; bounded budget
    void forget(const Digest& state);

    const Secret& cookie_key();                                                          // random, made once, kept over reloads


private:
    friend struct ZoneInit;
    ngx_shm_zone_t* zone_;
    Secret key_;
};

}  // namespace oidc::ngx
