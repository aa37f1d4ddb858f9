#include "ngx_http_oidc_shm.hpp"

#include <algorithm>

#include <openssl/rand.h>

#include "ngx_http_oidc_slab.hpp"

namespace oidc::ngx {
namespace {

using slab::Bytes;
using slab::Change;
using slab::Item;
using slab::Locked;
using slab::Table;

constexpr std::size_t key_size = 32;

struct Doc : Item {
    std::uint64_t generation;          // 0: not fetched yet
    std::int64_t fetched, lease_until, failed_at;
    Bytes body;
    Reason failure;
};

struct State : Item {
    std::int64_t expires;
};
constexpr std::size_t state_size = 128;
static_assert(sizeof(State) <= state_size, "a size class of the slab");

struct PrivateHeader : slab::Head {
    static constexpr std::uint64_t layout = 0x6f69646370720001;

    // The cookie key outlives the memory: every process holds a copy.
    void init(ngx_shm_zone_t* zone) noexcept
    {
        documents.init();
        states.init();
        // Beyond whatever a worker saw before the zone was emptied.
        generation = static_cast<std::uint64_t>(ngx_time()) << 20;
        const std::string_view known = static_cast<PrivateZone*>(zone->data)->cookie_key().reveal();
        has_key = known.size() == key_size || RAND_bytes(key, key_size) == 1;
        if (known.size() == key_size) std::memcpy(key, known.data(), key_size);
    }

    Table documents, states;
    std::uint64_t generation;
    bool has_key;
    unsigned char key[key_size];
};
using Private = Locked<PrivateHeader>;

void drop(Private& zone, Doc* document) noexcept
{
    zone->documents.remove(document);
    slab::release(zone.pool(), document->body);
    ngx_slab_free_locked(zone.pool(), document);
}

void drop(Private& zone, State* state) noexcept
{
    zone->states.remove(state);
    ngx_slab_free_locked(zone.pool(), state);
}

bool drop_oldest_document(Private& zone, const Item* spared) noexcept
{
    Item* victim = zone->documents.oldest();
    if (victim != nullptr && victim == spared) victim = zone->documents.younger(victim);
    if (victim == nullptr) return false;
    drop(zone, static_cast<Doc*>(victim));
    return true;
}

bool drop_oldest_state(Private& zone) noexcept
{
    Item* victim = zone->states.oldest();
    if (victim == nullptr) return false;
    drop(zone, static_cast<State*>(victim));
    return true;
}

Doc* find_document(Private& zone, const Digest& url) noexcept { return static_cast<Doc*>(zone->documents.find(url)); }

Doc* make_document(Private& zone, const Digest& url) noexcept
{
    if (Doc* found = find_document(zone, url)) return found;
    auto evict = [&zone]() noexcept { return drop_oldest_document(zone, nullptr); };
    void* memory = slab::allocate(zone.pool(), sizeof(Doc), evict);
    if (memory == nullptr) return nullptr;
    auto* document = ::new (memory) Doc{};
    document->digest = url;
    zone->documents.insert(document);
    return document;
}

// States expire in the order in which they were recorded, more or less: the oldest goes first in both cases.
void keep_budget(Private& zone, std::int64_t now) noexcept
{
    const std::size_t budget = slab::capacity(zone.pool()) / 4 / state_size;
    for (int i = 0; i < 2; i++) {
        auto* oldest = static_cast<State*>(zone->states.oldest());
        if (oldest != nullptr && oldest->expires <= now) drop(zone, oldest);
    }
    while (zone->states.size() >= budget && drop_oldest_state(zone)) {
    }
}

}  // namespace

// The only one who writes PrivateZone::key_, in the master, before any worker exists.
struct ZoneInit {
    static ngx_int_t attach(ngx_shm_zone_t* shm, void* old) noexcept
    {
        if (slab::attach<PrivateHeader>(shm, old) != NGX_OK) return NGX_ERROR;
        try {
            Private zone(shm);
            if (!zone->has_key) return NGX_ERROR;
            static_cast<PrivateZone*>(shm->data)->key_ = Secret(std::string(reinterpret_cast<char*>(zone->key), key_size));
            return NGX_OK;
        } catch (const std::bad_alloc&) {
            return NGX_ERROR;
        }
    }
};

PrivateZone::PrivateZone(ngx_conf_t* cf, std::size_t size)
    : zone_{slab::declare(cf, "oidc_private", size, ZoneInit::attach, this)}
{
}

const Secret& PrivateZone::cookie_key() { return key_; }

std::optional<Document> PrivateZone::document(std::string_view url, std::uint64_t newer_than)
{
    const Digest key = sha256(url);
    Private zone(zone_);
    Doc* found = find_document(zone, key);
    if (found == nullptr || found->generation <= newer_than) return std::nullopt;
    Document document{std::string(found->body.size, '\0'), found->fetched, found->generation};
    slab::copy_out(found->body, document.body.data());
    Change change(*zone);
    zone->documents.touch(found);
    return document;
}

std::uint64_t PrivateZone::put_document(std::string_view url, std::string_view body, std::int64_t now)
{
    const Digest key = sha256(url);
    Private zone(zone_);
    if (body.size() > slab::capacity(zone.pool()) / 2) return 0;
    Change change(*zone);
    Doc* document = make_document(zone, key);
    if (document == nullptr) return 0;

    Bytes bytes{};
    auto evict = [&]() noexcept { return drop_oldest_document(zone, document); };
    const bool stored = slab::store(zone.pool(), body, bytes, evict);
    document->lease_until = 0;
    document->failed_at = 0;
    if (!stored) return 0;
    slab::release(zone.pool(), document->body);
    document->body = bytes;
    document->fetched = now;
    document->generation = ++zone->generation;
    zone->documents.touch(document);
    return document->generation;
}

bool PrivateZone::acquire_lease(std::string_view url, std::int64_t now_ms, std::int64_t life_ms)
{
    const Digest key = sha256(url);
    Private zone(zone_);
    Change change(*zone);
    Doc* document = make_document(zone, key);
    if (document == nullptr) return true;      // without shared memory everybody fetches
    if (document->lease_until > now_ms) return false;
    document->lease_until = now_ms + life_ms;
    return true;
}

bool PrivateZone::lease_held(std::string_view url, std::int64_t now_ms)
{
    const Digest key = sha256(url);
    Private zone(zone_);
    const Doc* document = find_document(zone, key);
    return document != nullptr && document->lease_until > now_ms;
}

void PrivateZone::end_lease(std::string_view url)
{
    const Digest key = sha256(url);
    Private zone(zone_);
    Change change(*zone);
    if (Doc* document = find_document(zone, key)) document->lease_until = 0;
}

void PrivateZone::put_failure(std::string_view url, Reason reason, std::int64_t now_ms)
{
    const Digest key = sha256(url);
    Private zone(zone_);
    Change change(*zone);
    Doc* document = make_document(zone, key);
    if (document == nullptr) return;
    document->lease_until = 0;
    document->failed_at = std::max<std::int64_t>(now_ms, 1);
    document->failure = reason;
}

std::optional<FetchFailure> PrivateZone::last_failure(std::string_view url)
{
    const Digest key = sha256(url);
    Private zone(zone_);
    const Doc* document = find_document(zone, key);
    if (document == nullptr || document->failed_at == 0) return std::nullopt;
    return FetchFailure{document->failure, document->failed_at};
}

bool PrivateZone::use_once(const Digest& state, std::int64_t expires, std::int64_t now)
{
    Private zone(zone_);
    if (zone->states.find(state) != nullptr) return false;
    Change change(*zone);
    keep_budget(zone, now);
    // Documents can be fetched again: within their budget the states go before.
    auto evict = [&zone]() noexcept { return drop_oldest_document(zone, nullptr) || drop_oldest_state(zone); };
    void* memory = slab::allocate(zone.pool(), sizeof(State), evict);
    if (memory == nullptr) return false;
    auto* record = ::new (memory) State{};
    record->digest = state;
    record->expires = expires;
    zone->states.insert(record);
    return true;
}

void PrivateZone::forget(const Digest& state)
{
    Private zone(zone_);
    Item* found = zone->states.find(state);
    if (found == nullptr) return;
    Change change(*zone);
    drop(zone, static_cast<State*>(found));
}

}  // namespace oidc::ngx
