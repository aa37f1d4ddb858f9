#include "store/zone.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <openssl/rand.h>

namespace oidc::ngx {
namespace {

constexpr std::uint64_t layout = 0x6f69646373680003;  // of what follows
constexpr int walk = 128;    // items under one lock: of a sweep, and of the oldest for an expired one
constexpr int stale = 4096;  // of the oldest: those that have expired go before items are counted

// The slab rounds what is above half a page to whole pages: bytes go in pieces of one size, which every freed item
// leaves ready for the next.
struct Chunk {
    static constexpr std::size_t capacity = 504;
    Chunk* next;
    char bytes[capacity];
};
static_assert(sizeof(Chunk) == 512, "a size class of the slab");

struct Item {
    static constexpr std::size_t name_size = 24;

    bool dead(std::int64_t now) const noexcept { return expires <= now || (idle != 0 && used + idle <= now); }
    void copy_to(char* out) const noexcept
    {
        const char* end = out + size;
        for (const Chunk* chunk = first; out < end; chunk = chunk->next)
            out = std::copy_n(chunk->bytes, std::min<std::size_t>(end - out, Chunk::capacity), out);
    }
    std::string text() const
    {
        std::string bytes(size, '\0');
        copy_to(bytes.data());
        return bytes;
    }

    ngx_str_node_t node;            // first: the tree hands out nodes
    unsigned char name[name_size];  // with the hash 28 of the digest's 32 bytes: enough to tell items apart
    ngx_queue_t order;
    std::int64_t expires, used;
    Chunk* first;
    std::uint32_t size, idle;
};
static_assert(sizeof(Item) == 128, "a size class of the slab");

Item* item_of(ngx_queue_t* link) noexcept { return ngx_queue_data(link, Item, order); }

// The digests are of random or fixed bytes nobody can choose: any part is as good as a hash.
std::uint32_t hash_of(const Digest& key) noexcept
{
    std::uint32_t hash;
    std::memcpy(&hash, key.data() + Item::name_size, sizeof hash);
    return hash;
}

struct Header {
    std::uint64_t magic;
    std::uint32_t dirty;
    ngx_rbtree_t tree;
    ngx_rbtree_node_t sentinel;
    ngx_queue_t order;           // the most recently used first
    std::size_t items, evicted;  // evicted: alive
    std::int64_t warned;         // Unix seconds of the last warning about a full zone
};

// Only the order of stores matters: a killed process leaves what it had stored so far.
void fence() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }

}  // namespace

// A zone under its lock, the only mutex that nginx's master unlocks for a worker that was killed. What changes the zone
// marks it dirty until then: whoever finds it so empties it, the allocator's own state included.
class Zone::Locked {
public:
    explicit Locked(const Zone& zone) noexcept
        : name_{zone.zone_->shm.name}, pool_{reinterpret_cast<ngx_slab_pool_t*>(zone.zone_->shm.addr)}
    {
        ngx_shmtx_lock(&pool_->mutex);
        header_ = static_cast<Header*>(pool_->data);
        if (header_ != nullptr && header_->magic == layout && header_->dirty == 0) [[likely]]
            return;
        if (header_ != nullptr) {
            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                          "oidc: a killed process left zone \"%V\" half-changed: it has been emptied", &name_);
        }
        build();
    }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;
    ~Locked()
    {
        fence();
        header_->dirty = 0;
        ngx_shmtx_unlock(&pool_->mutex);
    }

    // Absent, and gone for good, once it has expired.
    Item* find(const Digest& key, std::int64_t now) noexcept
    {
        ngx_str_t name{Item::name_size, const_cast<u_char*>(key.data())};
        auto* item = reinterpret_cast<Item*>(ngx_str_rbtree_lookup(&header_->tree, &name, hash_of(key)));
        if (item == nullptr || !item->dead(now)) return item;
        drop(item);
        return nullptr;
    }

    // The first whose hash is not below that; nullptr: there is none.
    Item* from(std::uint32_t hash) noexcept
    {
        ngx_rbtree_node_t* found = nullptr;
        for (ngx_rbtree_node_t* at = header_->tree.root; at != &header_->sentinel;
             at = at->key < hash ? at->right : at->left)
            if (at->key >= hash) found = at;
        return reinterpret_cast<Item*>(found);
    }
    Item* after(Item* item) noexcept
    {
        return reinterpret_cast<Item*>(ngx_rbtree_next(&header_->tree, &item->node.node));
    }

    void use(Item* item, std::int64_t now) noexcept
    {
        change();
        item->used = now;
        if (ngx_queue_head(&header_->order) == &item->order) return;
        ngx_queue_remove(&item->order);
        ngx_queue_insert_head(&header_->order, &item->order);
    }

    void drop(Item* item) noexcept
    {
        change();
        ngx_rbtree_delete(&header_->tree, &item->node.node);
        ngx_queue_remove(&item->order);
        --header_->items;
        release(item);
    }

    bool insert(const Digest& key, std::string_view bytes, const Life& life, std::int64_t now) noexcept
    {
        change();
        auto* item = static_cast<Item*>(allocate(sizeof(Item), now));
        if (item == nullptr) return false;
        const auto idle = std::min<std::int64_t>(life.idle, UINT32_MAX);
        const auto size = static_cast<std::uint32_t>(bytes.size());
        *item = Item{{}, {}, {}, life.expires, now, nullptr, size, static_cast<std::uint32_t>(idle)};
        if (!fill(item, bytes, now)) return false;
        if (Item* former = find(key, now)) drop(former);
        std::copy_n(key.data(), Item::name_size, item->name);
        item->node.str = {Item::name_size, item->name};
        item->node.node.key = hash_of(key);
        ngx_rbtree_insert(&header_->tree, &item->node.node);
        ngx_queue_insert_head(&header_->order, &item->order);
        ++header_->items;
        return true;
    }

    Usage usage(std::int64_t now, std::size_t size) noexcept
    {
        ngx_queue_t* link = ngx_queue_last(&header_->order);
        for (int i = 0; i < stale && link != &header_->order; ++i) {
            Item* item = item_of(std::exchange(link, ngx_queue_prev(link)));
            if (item->dead(now)) drop(item);
        }
        return {header_->items, size, pool_->pfree * ngx_pagesize, header_->evicted};
    }

    // One item must not drive out all the others.
    bool too_large(std::size_t size) const noexcept
    {
        return size > static_cast<std::size_t>(pool_->end - pool_->start) / 4;
    }

private:
    void change() noexcept
    {
        header_->dirty = 1;
        fence();
    }

    void build() noexcept
    {
        pool_->data = nullptr;
        fence();
        ngx_slab_init(pool_);
        pool_->log_nomem = 0;  // a full zone is ordinary: we evict
        // Never null: the first allocation of a zone of 64 kB or more.
        header_ = static_cast<Header*>(ngx_slab_calloc_locked(pool_, sizeof(Header)));
        ngx_rbtree_init(&header_->tree, &header_->sentinel, ngx_str_rbtree_insert_value);
        ngx_queue_init(&header_->order);
        header_->magic = layout;
        fence();
        pool_->data = header_;
    }

    void* allocate(std::size_t size, std::int64_t now) noexcept
    {
        void* memory = ngx_slab_alloc_locked(pool_, size);
        while (memory == nullptr && evict(now)) memory = ngx_slab_alloc_locked(pool_, size);
        return memory;
    }

    // What has expired first, then the least recently used. A state or a lease is no loss to warn of.
    bool evict(std::int64_t now) noexcept
    {
        if (ngx_queue_empty(&header_->order)) return false;
        ngx_queue_t* link = ngx_queue_last(&header_->order);
        for (int i = 0; i < walk && link != &header_->order && !item_of(link)->dead(now); i++)
            link = ngx_queue_prev(link);
        const bool expired = link != &header_->order && item_of(link)->dead(now);
        Item* victim = item_of(expired ? link : ngx_queue_last(&header_->order));
        if (!expired && victim->size != 0) warn(++header_->evicted);
        drop(victim);
        return true;
    }

    // At most once a minute. No directive sizes the zone of documents.
    void warn(std::size_t evicted) noexcept
    {
        if (ngx_time() - header_->warned < 60) return;
        header_->warned = ngx_time();
        ngx_log_error(
            NGX_LOG_WARN, ngx_cycle->log, 0,
            "oidc: zone \"%V\" is full: %uz live records have been evicted so far, the least recently used first%s",
            &name_, evicted, view(name_) == of_documents ? "" : "; a larger oidc_session_zone holds more");
    }

    bool fill(Item* item, std::string_view bytes, std::int64_t now) noexcept
    {
        for (Chunk** last = &item->first; !bytes.empty(); last = &(*last)->next) {
            *last = static_cast<Chunk*>(allocate(sizeof(Chunk), now));
            if (*last == nullptr) {
                release(item);
                return false;
            }
            (*last)->next = nullptr;
            bytes.remove_prefix(bytes.copy((*last)->bytes, Chunk::capacity));
        }
        return true;
    }

    void release(Item* item) noexcept
    {
        while (Chunk* chunk = item->first) {
            item->first = chunk->next;
            ngx_slab_free_locked(pool_, chunk);
        }
        ngx_slab_free_locked(pool_, item);
    }

    ngx_str_t& name_;
    ngx_slab_pool_t* pool_;
    Header* header_;
};

Zone::Zone(ngx_conf_t* cf, std::string_view name, std::size_t size)
{
    ngx_str_t kept = copy(cf->pool, name);
    zone_ = ngx_shared_memory_add(cf, &kept, size, &ngx_http_oidc_module);
    if (zone_ == nullptr) throw std::runtime_error{"a shared memory zone could not be declared"};
    if (zone_->data != nullptr) throw std::runtime_error{"the zone \"" + std::string(name) + "\" is declared twice"};
    zone_->data = this;
    // Called in the master with every configuration; `former` is the zone of the previous one when the memory was kept.
    zone_->init = [](ngx_shm_zone_t* shm, void* former) noexcept -> ngx_int_t {
        Zone& zone = *static_cast<Zone*>(shm->data);
        if (former != nullptr) zone.key_ = static_cast<Zone*>(former)->key_;
        else if (RAND_bytes(zone.key_.data(), static_cast<int>(zone.key_.size())) != 1) return NGX_ERROR;
        Locked built(zone);
        return NGX_OK;
    };
}

std::string_view Zone::get(const Digest& key, std::int64_t now, ngx_pool_t* pool) noexcept
{
    Locked zone(*this);
    Item* item = zone.find(key, now);
    if (item == nullptr) return {};
    auto* copy = static_cast<char*>(ngx_palloc(pool, item->size));
    if (copy == nullptr) return {};
    item->copy_to(copy);
    zone.use(item, now);
    return {copy, item->size};
}

std::optional<Zone::Copy> Zone::read(const Digest& key, std::int64_t since, std::int64_t now)
{
    Locked zone(*this);
    const Item* item = zone.find(key, now);
    if (item == nullptr || item->used <= since) return std::nullopt;
    return Copy{item->text(), item->used};
}

std::optional<std::string> Zone::take(const Digest& key, std::int64_t now)
{
    Locked zone(*this);
    Item* item = zone.find(key, now);
    if (item == nullptr) return std::nullopt;
    std::string bytes = item->text();
    zone.drop(item);
    return bytes;
}

Zone::Usage Zone::usage(std::int64_t now) noexcept
{
    Locked zone(*this);
    return zone.usage(now, zone_->shm.size);
}

std::optional<std::uint32_t> Zone::sweep(std::uint32_t hash, const Ends& ends)
{
    Locked zone(*this);
    Item* item = zone.from(hash);
    for (int seen = 0; item != nullptr && (seen < walk || item->node.node.key == hash); seen++) {
        Item* next = zone.after(item);
        hash = static_cast<std::uint32_t>(item->node.node.key);
        if (ends(item->text())) zone.drop(item);
        item = next;
    }
    return item != nullptr ? std::optional(static_cast<std::uint32_t>(item->node.node.key)) : std::nullopt;
}

bool Zone::put(const Digest& key, std::string_view bytes, const Life& life, std::int64_t now, Where where) noexcept
{
    Locked zone(*this);
    const bool taken = where != Where::anywhere && zone.find(key, now) != nullptr;
    if (zone.too_large(bytes.size()) || (where != Where::anywhere && taken != (where == Where::taken))) return false;
    return zone.insert(key, bytes, life, now);
}

}  // namespace oidc::ngx
