#include "client/documents.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "client/cached_document.hpp"
#include "client/failure_log.hpp"
#include "ngx_http_oidc_event.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/task.hpp"
#include "oidc/jose/jwks.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc::ngx {
namespace {

constexpr ngx_msec_t look_again = 50;        // at what another worker fetches, ms
constexpr std::int64_t retry_after = 1000;   // with nothing cached, ms
constexpr std::int64_t lease_margin = 1000;  // beyond the fetch's own timeout, ms

// Ended with the frame that holds it: when the worker stops in the middle of a fetch, too.
struct Lease {
    ~Lease() { zone.take(key, now_ms()); }
    Zone& zone;
    Digest key;
};

class NodeDocuments final : public Documents {
public:
    NodeDocuments(HttpClient& http, Zone& zone, ngx_log_t* log) noexcept : http_{http}, zone_{zone}, log_{log} {}

    Task<std::shared_ptr<const Endpoints>> endpoints(const Provider& provider) override
    {
        CachedDocument& entry = metadata_of(provider);
        co_await await_fetch(entry);
        co_return entry.endpoints;
    }

    const Endpoints* cached_endpoints(const Provider& provider) override
    {
        CachedDocument& entry = metadata_of(provider);
        return is_ready(entry) ? entry.endpoints.get() : nullptr;
    }

    Task<std::shared_ptr<const Jwks>> keys(const Provider& provider) override
    {
        CachedDocument& metadata = metadata_of(provider);
        co_await await_fetch(metadata);
        CachedDocument& entry = keys_of(metadata);
        co_await await_fetch(entry);
        co_return entry.keys;
    }

    Task<std::shared_ptr<const Jwks>> newer_keys(const Provider& provider, std::shared_ptr<const Jwks> seen) override
    {
        CachedDocument& metadata = metadata_of(provider);
        if (!metadata.known()) co_return seen;
        CachedDocument& entry = keys_of(metadata);
        FetchEnd fetch_end(log_, entry);
        co_await Until(fetch_end);  // a fetch that began before we knew: it may still bring the old set
        read_zone(entry);
        if (entry.keys != seen && entry.younger_than(entry.policy().min_refresh)) co_return entry.keys;
        if (!entry.fetching && may_refetch(entry)) start_fetch(entry);
        co_await Until(fetch_end);
        co_return entry.known() ? entry.keys : seen;
    }

private:
    CachedDocument& metadata_of(const Provider& provider) { return find(provider, metadata_kind, provider.config_url); }
    CachedDocument& keys_of(const CachedDocument& entry)
    {
        return find(entry.provider, keys_kind, entry.endpoints->jwks);
    }

    // A provider that publishes its keys elsewhere from now on keeps its entry: a worker does not grow with each
    // address.
    CachedDocument& find(const Provider& provider, const DocumentKind& kind, const std::string& url)
    {
        for (CachedDocument& entry : entries_) {
            if (&entry.provider != &provider || &entry.kind != &kind) continue;
            if (entry.url != url && !entry.fetching) entry.move_to(url);
            if (entry.url == url) return entry;
        }
        return entries_.emplace_back(provider, kind, url);
    }

    // At most once per min_refresh on the whole node: a lease that nobody ends. Ordinary fetches do not count. Whoever
    // comes too late waits for the fetch that is under way.
    bool may_refetch(const CachedDocument& entry)
    {
        const std::int64_t until = now_ms() + entry.policy().min_refresh * 1000;
        return zone_.use_once(entry.key("refetch"), until, now_ms()) || zone_.read(entry.key("lease"), 0, now_ms());
    }

    // True: the worker's copy can be used at once. Past its validity it is renewed meanwhile.
    bool is_ready(CachedDocument& entry)
    {
        if (entry.fresh()) return true;
        if (std::exchange(entry.read_at, ngx_time()) == ngx_time()) return entry.usable();
        read_zone(entry);
        const std::int64_t since = now_ms() - entry.policy().min_refresh * 1000;
        bool due = entry.usable() && !entry.fresh() && !entry.fetching && !ngx_exiting;
        if (due && !zone_.read(entry.key("failure"), since, now_ms())) start_fetch(entry);
        return entry.usable();
    }

    // Takes over what another worker fetched. What this provider's configuration refuses is not looked at twice.
    bool read_zone(CachedDocument& entry)
    try {
        std::optional<Zone::Copy> found = zone_.read(entry.key(), entry.seen, now_ms());
        if (!found) return false;
        entry.seen = found->stored;
        entry.parse(found->bytes, found->stored);
        return true;
    } catch (const Failure&) {
        return false;
    }

    void require_no_failure_since(const CachedDocument& entry, std::int64_t time)
    {
        std::optional<Zone::Copy> failure = zone_.read(entry.key("failure"), time, now_ms());
        if (failure) fail(static_cast<Reason>(failure->bytes.front()), failure->bytes.substr(1) + " (a moment ago)");
    }

    void accept(CachedDocument& entry, const HttpResponse& response)
    {
        const std::string name = entry.describe();
        require_response(response, name, entry.kind.malformed);
        if (response.status != 200) fail(entry.kind.refused, name + ": HTTP status " + std::to_string(response.status));
        const std::int64_t now = std::max(now_ms(), entry.seen + 1);  // so that nobody takes it for the one before
        entry.parse(response.body, now);
        entry.seen = now;
        zone_.take(entry.key("failure"), now);
        if (zone_.put(entry.key(), response.body, {never}, now)) return;
        ngx_log_error(NGX_LOG_WARN, log_, 0, "oidc: a document of provider \"%s\" does not fit into zone \"%*s\"",
                      entry.provider.name.c_str(), zone_.name().size(), zone_.name().data());
    }

    void start_fetch(CachedDocument& entry)
    {
        entry.fetch = run_fetch(entry);
        entry.fetching = true;
        entry.fetch.start();
    }

    // Belongs to the worker, not to a request: the requests that wait for it may go. A failure that nobody waits for is
    // told here, once per spell; where there is no copy to fall back on the waiting request tells it.
    Root run_fetch(CachedDocument& entry)
    {
        try {
            co_await fetch_document(entry);
            entry.failure = nullptr;
        } catch (const std::exception& e) {
            if (!entry.failure && entry.usable()) {
                ngx_log_error(NGX_LOG_ERR, log_, 0, "oidc: provider \"%s\": %s; the last good copy stays in use",
                              entry.provider.name.c_str(), to_text(e).c_str());
            }
            entry.failure = std::current_exception();
        }
        entry.fetching = false;
        Event::fire_all(entry.waiters);
        co_return true;
    }

    Task<bool> fetch_document(CachedDocument& entry)
    {
        const std::int64_t started = now_ms(), timeout = entry.provider.http.timeout;
        while (!zone_.use_once(entry.key("lease"), now_ms() + timeout + lease_margin, now_ms())) {
            bool late = now_ms() - started > timeout;
            if (late) fail(Reason::provider_timeout, entry.describe() + ": another worker's fetch takes too long");
            Pause pause(log_, look_again);
            co_await Until(pause);
            if (read_zone(entry)) co_return true;
            require_no_failure_since(entry, started);
        }
        Lease lease{zone_, entry.key("lease")};
        if (read_zone(entry)) co_return true;
        HttpRequest request{entry.url, {entry.kind.accept}, std::nullopt, &entry.provider.http};
        const std::int64_t sent = now_ms();
        HttpResponse response = co_await http_.send(std::move(request));
        entry.metrics.latency.set(now_ms() - sent);
        try {
            accept(entry, response);
            entry.metrics.done.add();
        } catch (const Failure& failure) {
            entry.metrics.failed.add();
            zone_.put(entry.key("failure"), static_cast<char>(failure.reason) + failure.detail, {never}, now_ms());
            throw;
        }
        co_return true;
    }

    Task<bool> await_fetch(CachedDocument& entry)
    {
        if (is_ready(entry)) co_return true;
        if (!entry.fetching) {
            require_no_failure_since(entry, now_ms() - retry_after);
            start_fetch(entry);
        }
        FetchEnd fetch_end(log_, entry);
        co_await Until(fetch_end);
        if (entry.failure) std::rethrow_exception(entry.failure);
        co_return true;
    }

    HttpClient& http_;
    Zone& zone_;
    ngx_log_t* log_;
    std::deque<CachedDocument> entries_;  // never removed: coroutines refer to them
};

}  // namespace

std::unique_ptr<Documents> make_documents(HttpClient& http, Zone& zone, ngx_log_t* log)
{
    return std::make_unique<NodeDocuments>(http, zone, log);
}

}  // namespace oidc::ngx
