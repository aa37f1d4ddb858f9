// What a provider publishes: its metadata and its keys.
#pragma once

#include <memory>

#include "oidc/base/task.hpp"
#include "oidc/jose/jwks.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {

// Provider metadata and keys, cached for all workers, fetched by one of them.
struct Documents {
    virtual ~Documents() = default;
    virtual Task<std::shared_ptr<const Endpoints>> endpoints(const Provider& provider) = 0;
    virtual const Endpoints* cached_endpoints(
        const Provider& provider) = 0;  // the same without a wait, until the next one; nullptr: there is one
    virtual Task<std::shared_ptr<const Jwks>> keys(const Provider& provider) = 0;  // whatever is cached, else fetched
    // A newer set than `seen` after an unknown kid or a failed signature, else `seen` again: at most one fetch per
    // min_refresh.
    virtual Task<std::shared_ptr<const Jwks>> newer_keys(const Provider& provider,
                                                         std::shared_ptr<const Jwks> seen) = 0;
};

}  // namespace oidc
