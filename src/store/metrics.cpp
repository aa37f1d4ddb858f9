#include "store/metrics.hpp"

#include <new>
#include <stdexcept>

namespace oidc::ngx {

ngx_shm_zone_t* declare_metrics(ngx_conf_t* cf, const std::string& provider)
{
    ngx_str_t name = copy(cf->pool, "oidc_metrics_" + provider);
    ngx_shm_zone_t* zone = ngx_shared_memory_add(cf, &name, 8 * ngx_pagesize, &ngx_http_oidc_module);
    if (zone == nullptr) throw std::runtime_error{"a shared memory zone could not be declared"};
    zone->init = [](ngx_shm_zone_t* shm, void* former) noexcept -> ngx_int_t {
        void* memory = former != nullptr
                           ? former
                           : ngx_slab_alloc(reinterpret_cast<ngx_slab_pool_t*>(shm->shm.addr), sizeof(Metrics));
        if (memory == nullptr) return NGX_ERROR;
        shm->data = former != nullptr ? former : ::new (memory) Metrics{};
        return NGX_OK;
    };
    return zone;
}

}  // namespace oidc::ngx
