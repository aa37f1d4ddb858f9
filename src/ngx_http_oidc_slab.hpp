// What the zones are made of: a table of items in order of use, byte strings in chunks, and the lock that resets a zone
// which a killed worker left half-changed.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "ngx_http_oidc.hpp"
#include "oidc/crypto.hpp"

namespace oidc::ngx::slab {

struct Item {
    ngx_rbtree_node_t node;    // first: the tree hands out nodes
    ngx_queue_t order;
    Digest digest;
};

// Items by digest, the most recently used first. Lives in a zone, does not own the items' memory.
class Table {
public:
    void init() noexcept;
    Item* find(const Digest& digest) noexcept;
    void insert(Item* item) noexcept;
    void remove(Item* item) noexcept;
    void touch(Item* item) noexcept;
    Item* oldest() noexcept { return at(ngx_queue_last(&order_)); }
    Item* younger(Item* item) noexcept { return at(ngx_queue_prev(&item->order)); }
    std::size_t size() const noexcept { return size_; }

private:
    Item* at(ngx_queue_t* link) noexcept { return link == &order_ ? nullptr : ngx_queue_data(link, Item, order); }

    ngx_rbtree_t tree_;
    ngx_rbtree_node_t sentinel_;
    ngx_queue_t order_;
    std::size_t size_;
};

// The slab rounds what is above half a page to whole pages: longer strings go in pieces of one size, which every freed
// string leaves ready for the next.
struct Chunk {
    static constexpr std::size_t capacity = 504;

    Chunk* next;
    unsigned char bytes[capacity];
};
static_assert(sizeof(Chunk) == 512, "a size class of the slab");

struct Bytes {
    Chunk* first;
    std::uint32_t size;
};

void copy_out(const Bytes& bytes, void* out) noexcept;
void release(ngx_slab_pool_t* pool, Bytes bytes) noexcept;
inline std::size_t capacity(const ngx_slab_pool_t* pool) noexcept { return static_cast<std::size_t>(pool->end - pool->start); }

// `evict` frees something of the caller's choice, or answers false when nothing is left.
template <class Evict>
void* allocate(ngx_slab_pool_t* pool, std::size_t size, Evict& evict) noexcept
{
    void* memory = ngx_slab_alloc_locked(pool, size);
    while (memory == nullptr && evict()) memory = ngx_slab_alloc_locked(pool, size);
    return memory;
}

template <class Evict>
bool store(ngx_slab_pool_t* pool, std::string_view text, Bytes& out, Evict& evict) noexcept
{
    out = Bytes{nullptr, static_cast<std::uint32_t>(text.size())};
    Chunk** last = &out.first;
    while (!text.empty()) {
        auto* chunk = static_cast<Chunk*>(allocate(pool, sizeof(Chunk), evict));
        if (chunk == nullptr) {
            release(pool, out);
            return false;
        }
        const std::size_t piece = text.copy(reinterpret_cast<char*>(chunk->bytes), Chunk::capacity);
        chunk->next = nullptr;
        *last = chunk;
        last = &chunk->next;
        text.remove_prefix(piece);
    }
    return true;
}

// Every zone begins with it. The magic holds the version of the layout and is written last.
struct Head {
    std::uint64_t magic;
    std::uint32_t dirty;
    std::int64_t warned;       // Unix seconds of the last warning about a full zone
};

// At most one warning a minute for the whole node.
inline bool may_warn(Head& head, std::int64_t now) noexcept
{
    if (now - head.warned < 60) return false;
    head.warned = now;
    return true;
}

void log_reset(ngx_shm_zone_t* zone) noexcept;

inline ngx_slab_pool_t* pool_of(ngx_shm_zone_t* zone) noexcept { return reinterpret_cast<ngx_slab_pool_t*>(zone->shm.addr); }

template <class Header>
Header* build(ngx_shm_zone_t* zone) noexcept
{
    ngx_slab_pool_t* pool = pool_of(zone);
    pool->log_nomem = 0;       // a full zone is ordinary: we evict
    auto* header = static_cast<Header*>(ngx_slab_calloc_locked(pool, sizeof(Header)));
    if (header == nullptr) return nullptr;
    header->init(zone);
    pool->data = header;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    header->magic = Header::layout;
    return header;
}

template <class Header>
bool sound(const Header* header) noexcept { return header != nullptr && header->magic == Header::layout && header->dirty == 0; }

// The zone's lock. Whoever died inside a Change left the zone dirty: it is emptied, the allocator's own state included.
template <class Header>
class Locked {
public:
    explicit Locked(ngx_shm_zone_t* zone) noexcept : pool_{pool_of(zone)}, lock_{pool_}, header_{static_cast<Header*>(pool_->data)}
    {
        if (!sound(header_)) [[unlikely]] reset(zone);
    }

    Header* operator->() noexcept { return header_; }
    Header& operator*() noexcept { return *header_; }
    ngx_slab_pool_t* pool() noexcept { return pool_; }

private:
    void reset(ngx_shm_zone_t* zone) noexcept
    {
        log_reset(zone);
        ngx_slab_init(pool_);
        header_ = build<Header>(zone);    // the first allocation of a zone that held one before
    }

    ngx_slab_pool_t* pool_;
    ShmLock lock_;
    Header* header_;
};

// Marks the zone as half-changed. Only the order of stores matters: a killed process leaves what it had stored so far.
class Change {
public:
    explicit Change(Head& head) noexcept : head_{head}
    {
        head_.dirty = 1;
        std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change()
    {
        std::atomic_signal_fence(std::memory_order_seq_cst);
        head_.dirty = 0;
    }

private:
    Head& head_;
};

// nginx calls it in the master with every configuration; `old` is set when the memory was kept.
template <class Header>
ngx_int_t attach(ngx_shm_zone_t* zone, void* old) noexcept
{
    ngx_slab_pool_t* pool = pool_of(zone);
    if (old != nullptr) {
        Locked<Header> kept(zone);
        return NGX_OK;
    }
    ShmLock lock(pool);
    return build<Header>(zone) == nullptr ? NGX_ERROR : NGX_OK;
}

// Declares a zone; what it is called must be unique among the configuration's zones.
ngx_shm_zone_t* declare(ngx_conf_t* cf, std::string_view name, std::size_t size, ngx_shm_zone_init_pt init, void* owner);

}  // namespace oidc::ngx::slab
