#include "ngx_http_oidc_slab.hpp"

#include <algorithm>
#include <stdexcept>

namespace oidc::ngx::slab {
namespace {

// The digests are of random or fixed bytes nobody can choose: their beginning is as good as a hash.
ngx_rbtree_key_t key_of(const Digest& digest) noexcept
{
    ngx_rbtree_key_t key;
    static_assert(sizeof key <= sizeof(Digest));
    std::memcpy(&key, digest.data(), sizeof key);
    return key;
}

int compare(ngx_rbtree_key_t key, const Digest& digest, const Item& item) noexcept
{
    if (key != item.node.key) return key < item.node.key ? -1 : 1;
    return std::memcmp(digest.data(), item.digest.data(), digest.size());
}

Item* item_of(ngx_rbtree_node_t* node) noexcept { return reinterpret_cast<Item*>(node); }

void insert_node(ngx_rbtree_node_t* place, ngx_rbtree_node_t* node, ngx_rbtree_node_t* sentinel) noexcept
{
    const Item& item = *item_of(node);
    ngx_rbtree_node_t** child = nullptr;
    for (;;) {
        child = compare(node->key, item.digest, *item_of(place)) < 0 ? &place->left : &place->right;
        if (*child == sentinel) break;
        place = *child;
    }
    *child = node;
    node->parent = place;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}

}  // namespace

void Table::init() noexcept
{
    ngx_rbtree_init(&tree_, &sentinel_, insert_node);
    ngx_queue_init(&order_);
    size_ = 0;
}

Item* Table::find(const Digest& digest) noexcept
{
    const ngx_rbtree_key_t key = key_of(digest);
    ngx_rbtree_node_t* node = tree_.root;
    while (node != &sentinel_) {
        const int order = compare(key, digest, *item_of(node));
        if (order == 0) return item_of(node);
        node = order < 0 ? node->left : node->right;
    }
    return nullptr;
}

void Table::insert(Item* item) noexcept
{
    item->node.key = key_of(item->digest);
    ngx_rbtree_insert(&tree_, &item->node);
    ngx_queue_insert_head(&order_, &item->order);
    size_++;
}

void Table::remove(Item* item) noexcept
{
    ngx_rbtree_delete(&tree_, &item->node);
    ngx_queue_remove(&item->order);
    size_--;
}

void Table::touch(Item* item) noexcept
{
    if (ngx_queue_head(&order_) == &item->order) return;
    ngx_queue_remove(&item->order);
    ngx_queue_insert_head(&order_, &item->order);
}

void copy_out(const Bytes& bytes, void* out) noexcept
{
    auto* to = static_cast<unsigned char*>(out);
    std::size_t left = bytes.size;
    for (const Chunk* chunk = bytes.first; left > 0; chunk = chunk->next) {
        const std::size_t piece = std::min(left, Chunk::capacity);
        std::memcpy(to, chunk->bytes, piece);
        to += piece;
        left -= piece;
    }
}

void release(ngx_slab_pool_t* pool, Bytes bytes) noexcept
{
    while (bytes.first != nullptr) {
        Chunk* next = bytes.first->next;
        ngx_slab_free_locked(pool, bytes.first);
        bytes.first = next;
    }
}

void log_reset(ngx_shm_zone_t* zone) noexcept
{
    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "oidc: a killed process left zone \"%V\" half-changed: it has been emptied",
                  &zone->shm.name);
}

ngx_shm_zone_t* declare(ngx_conf_t* cf, std::string_view name, std::size_t size, ngx_shm_zone_init_pt init, void* owner)
{
    ngx_str_t given = borrow(name);
    ngx_str_t kept{name.size(), ngx_pstrdup(cf->pool, &given)};
    if (kept.data == nullptr) throw std::bad_alloc{};

    ngx_shm_zone_t* zone = ngx_shared_memory_add(cf, &kept, size, &ngx_http_oidc_module);
    if (zone == nullptr) throw std::runtime_error{"a shared memory zone could not be declared"};
    if (zone->data != nullptr) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "oidc: zone \"%V\" is declared twice", &kept);
        throw std::runtime_error{"a shared memory zone is declared twice"};
    }
    zone->init = init;
    zone->data = owner;
    return zone;
}

}  // namespace oidc::ngx::slab
