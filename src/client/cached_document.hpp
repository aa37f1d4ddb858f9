// A document of a provider (metadata, key set) as this worker knows it, and the fetch that is under way.
#pragma once

#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "conf/configuration.hpp"
#include "ngx_http_oidc.hpp"
#include "ngx_http_oidc_event.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/task.hpp"
#include "oidc/jose/jwks.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/metadata.hpp"
#include "oidc/provider/provider.hpp"
#include "store/metrics.hpp"

namespace oidc::ngx {

constexpr std::int64_t never = INT64_MAX;

// The clock of the zone of documents: one for all workers, and nobody sets it back.
inline std::int64_t now_ms() noexcept { return static_cast<std::int64_t>(ngx_current_msec); }

struct DocumentKind {
    const char *name, *accept;
    Reason refused, malformed;
    CachePolicy Provider::*policy;
    Metrics::Document Metrics::*metrics;
};
constexpr DocumentKind metadata_kind{"metadata",
                                     "Accept: application/json",
                                     Reason::metadata_refused,
                                     Reason::metadata_malformed,
                                     &Provider::metadata_cache,
                                     &Metrics::metadata};
constexpr DocumentKind keys_kind{"keys",
                                 "Accept: application/jwk-set+json, application/json",
                                 Reason::jwks_refused,
                                 Reason::jwks_malformed,
                                 &Provider::jwks_cache,
                                 &Metrics::keys};

// One document of one provider, in this worker.
struct CachedDocument {
    CachedDocument(const Provider& of, const DocumentKind& what, std::string where)
        : provider{of}, kind{what}, url{std::move(where)}, metrics{metrics_of(of.name).*what.metrics}
    {
        ngx_queue_init(&waiters);
        if (&kind != &metadata_kind || needs_metadata(provider)) return;
        endpoints =
            std::make_shared<const Endpoints>(provider.overrides);  // all of it comes from directives, which do not age
        fetched = never;
    }

    bool known() const noexcept { return endpoints != nullptr || keys != nullptr; }
    const CachePolicy& policy() const noexcept { return provider.*kind.policy; }
    bool younger_than(Seconds age) const noexcept { return known() && now_ms() - fetched < age * 1000; }
    bool fresh() const noexcept { return younger_than(policy().valid); }
    bool usable() const noexcept { return younger_than(policy().valid + policy().stale); }
    // Without the query, which may hold a secret.
    std::string describe() const { return kind.name + (" at " + url.substr(0, url.find('?'))); }
    // Of what the node knows of it: the document itself, its last "failure", a "lease".
    // Another kind of document, or one that was fetched under other trust, is another one.
    Digest key(std::string_view what = {}) const
    {
        return sha256({kind.name, "\n", oidc::view(provider.http.trust), "\n", url, "\n", what});
    }

    // What was parsed stays until the first fetch from there, for those who hold this entry; it is not used any more.
    void move_to(const std::string& where)
    {
        url = where;
        fetched = seen = read_at = 0;
    }

    // An unchanged body keeps what was parsed from it. A refused one changes nothing.
    void parse(std::string_view body, std::int64_t when)
    {
        const Digest now = sha256(body);
        if (!known() || now != digest) {
            if (&kind == &keys_kind) keys = std::make_shared<const Jwks>(parse_jwks(body));
            else endpoints = std::make_shared<const Endpoints>(parse_metadata(provider, body));
            digest = now;
        }
        fetched = when;
        metrics.fetched.set(when);
    }

    const Provider& provider;
    const DocumentKind& kind;
    std::string url;
    Metrics::Document& metrics;
    std::shared_ptr<const Endpoints> endpoints;  // of metadata
    std::shared_ptr<const Jwks> keys;            // of a key set
    Digest digest{};                             // of the body they were parsed from
    std::int64_t fetched = 0, seen = 0;          // when this one was fetched, and the last one found in the zone
    std::int64_t read_at = 0;                    // Unix seconds
    bool fetching = false;
    std::exception_ptr failure;  // of the last fetch
    ngx_queue_t waiters;         // for the end of the fetch
    Root fetch;
};

// Until a document's fetch has ended.
class FetchEnd : Event {
public:
    FetchEnd(ngx_log_t* log, CachedDocument& entry) noexcept : Event{log}, entry_{entry} {}
    bool await_suspend(std::coroutine_handle<> waiter) noexcept
    {
        if (!entry_.fetching) return false;
        resume(waiter);
        fire(entry_.waiters);
        return true;
    }

private:
    CachedDocument& entry_;
};

}  // namespace oidc::ngx
