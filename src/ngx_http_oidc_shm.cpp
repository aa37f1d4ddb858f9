#include "ngx_http_oidc_shm.hpp"

#include <algorithm>
#include <limits>

#include "ngx_http_oidc_slab.hpp"

namespace oidc::ngx {
namespace {

using slab::Bytes;
using slab::Change;
using slab::Item;
using slab::Locked;
using slab::Table;

constexpr int walk = 128;                            // how far from the oldest session an expired one is looked for

struct Session : Item {
    std::int64_t expires;
    std::int64_t used;
    Bytes record;
    std::uint32_t idle;
};
static_assert(sizeof(Session) <= 128, "a size class of the slab");

struct SessionHeader : slab::Head {
    static constexpr std::uint64_t layout = 0x6f69646373650001;

    void init(ngx_shm_zone_t*) noexcept { sessions.init(); }

    Table sessions;
    std::size_t evicted;
};
using Sessions = Locked<SessionHeader>;

bool dead(const Session& session, std::int64_t now) noexcept
{
    return session.expires <= now || (session.idle != 0 && session.used + session.idle <= now);
}

void drop(Sessions& zone, Session* session) noexcept
{
    zone->sessions.remove(session);
    slab::release(zone.pool(), session->record);
    ngx_slab_free_locked(zone.pool(), session);
}

// Absent, and gone for good, once it has expired.
Session* find_live(Sessions& zone, const SessionKey& key, std::int64_t now) noexcept
{
    auto* session = static_cast<Session*>(zone->sessions.find(key));
    if (session == nullptr || !dead(*session, now)) return session;
    Change change(*zone);
    drop(zone, session);
    return nullptr;
}

Session* find_expired(Sessions& zone, std::int64_t now) noexcept
{
    Item* item = zone->sessions.oldest();
    for (int i = 0; i < walk && item != nullptr; i++, item = zone->sessions.younger(item)) {
        if (dead(*static_cast<Session*>(item), now)) return static_cast<Session*>(item);
    }
    return nullptr;
}

void use(Sessions& zone, Session* session, std::int64_t now) noexcept
{
    Change change(*zone);
    session->used = now;
    zone->sessions.touch(session);
}

// Makes room for one `put`: expired sessions first, then the least recently used.
class Eviction {
public:
    Eviction(Sessions& zone, std::int64_t now) noexcept : zone_{zone}, now_{now} {}

    bool operator()() noexcept
    {
        Session* victim = find_expired(zone_, now_);
        if (victim == nullptr) {
            victim = static_cast<Session*>(zone_->sessions.oldest());
            if (victim == nullptr) return false;
            zone_->evicted++;
            live_ = true;
        }
        drop(zone_, victim);
        return true;
    }
    bool took_live() const noexcept { return live_; }

private:
    Sessions& zone_;
    std::int64_t now_;
    bool live_ = false;
};

bool insert(Sessions& zone, const SessionKey& key, std::string_view record, const Session& values, Eviction& evict) noexcept
{
    Bytes bytes{};
    if (!slab::store(zone.pool(), record, bytes, evict)) return false;
    void* memory = slab::allocate(zone.pool(), sizeof(Session), evict);
    if (memory == nullptr) {
        slab::release(zone.pool(), bytes);
        return false;
    }
    if (Item* former = zone->sessions.find(key)) drop(zone, static_cast<Session*>(former));
    auto* session = ::new (memory) Session(values);
    session->digest = key;
    session->record = bytes;
    zone->sessions.insert(session);
    return true;
}

}  // namespace

SessionZone::SessionZone(ngx_conf_t* cf, std::string_view name, std::size_t size)
    : zone_{slab::declare(cf, name, size, slab::attach<SessionHeader>, this)}
{
}

std::string_view SessionZone::name() const noexcept { return view(zone_->shm.name); }

std::string_view SessionZone::get(const SessionKey& key, std::int64_t now, ngx_pool_t* pool) noexcept
{
    Sessions zone(zone_);
    Session* session = find_live(zone, key, now);
    if (session == nullptr) return {};
    void* copy = ngx_palloc(pool, session->record.size);
    if (copy == nullptr) return {};
    slab::copy_out(session->record, copy);
    use(zone, session, now);
    return {static_cast<const char*>(copy), session->record.size};
}

std::optional<std::string> SessionZone::take(const SessionKey& key, std::int64_t now)
{
    Sessions zone(zone_);
    Session* session = find_live(zone, key, now);
    if (session == nullptr) return std::nullopt;
    std::string record(session->record.size, '\0');
    slab::copy_out(session->record, record.data());
    Change change(*zone);
    drop(zone, session);
    return record;
}

bool SessionZone::put(const SessionKey& key, std::string_view record, std::int64_t expires, std::int64_t idle, std::int64_t now)
{
    Session values{};
    values.expires = expires;
    values.used = now;
    values.idle = static_cast<std::uint32_t>(std::clamp<std::int64_t>(idle, 0, std::numeric_limits<std::uint32_t>::max()));

    bool stored = false, warn = false;
    std::size_t evicted = 0;
    {
        Sessions zone(zone_);
        // One record must not drive out everybody else's.
        if (record.empty() || record.size() > slab::capacity(zone.pool()) / 4) return false;
        Change change(*zone);
        Eviction evict(zone, now);
        stored = insert(zone, key, record, values, evict);
        warn = evict.took_live() && slab::may_warn(*zone, now);
        evicted = zone->evicted;
    }
    if (warn) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "oidc: zone \"%V\" is full: %uz live sessions have been evicted so far, the least recently used first; "
                      "enlarge it", &zone_->shm.name, evicted);
    }
    return stored;
}

}  // namespace oidc::ngx
