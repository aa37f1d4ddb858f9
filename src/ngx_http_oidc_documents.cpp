// Provider metadata and key sets: cached by the worker as parsed, by the node as fetched. One fetch at a time in the worker
// (the others wait for its end) and on the node (a lease in the private zone; the other workers look again).
#include <vector>

#include "ngx_http_oidc_flight.hpp"
#include "ngx_http_oidc_worker.hpp"
#include "oidc/provider.hpp"

namespace oidc::ngx {
namespace {

constexpr ngx_msec_t look_again = 50;                // at what another worker fetches, ms
constexpr std::int64_t retry_after = 1000;           // with nothing cached, ms
constexpr std::int64_t lease_margin = 1000;          // beyond the fetch's own timeout, ms

std::int64_t now_ms() noexcept { return static_cast<std::int64_t>(ngx_current_msec); }

// For the log: a configured URL may hold a secret in its query.
std::string describe(const Entry& entry)
{
    return (entry.kind == Kind::metadata ? "metadata at " : "keys at ") + entry.url.substr(0, entry.url.find('?')) + ": ";
}

void require_success(const Entry& entry, const HttpResponse& response)
{
    const bool metadata = entry.kind == Kind::metadata;
    switch (response.transport) {
    case Transport::ok: break;
    case Transport::unreachable: fail(Reason::provider_unreachable, describe(entry) + response.error);
    case Transport::timeout: fail(Reason::provider_timeout, describe(entry) + response.error);
    case Transport::busy: fail(Reason::provider_busy, describe(entry) + response.error);
    case Transport::too_large:
        fail(metadata ? Reason::metadata_malformed : Reason::jwks_malformed, describe(entry) + "larger than http_max_response");
    }
    if (response.status == 200) return;
    fail(metadata ? Reason::metadata_refused : Reason::jwks_refused,
         describe(entry) + "HTTP status " + std::to_string(response.status));
}

HttpRequest fetch_request(const Entry& entry)
{
    HttpRequest request;
    request.url = entry.url;
    request.headers.emplace_back(entry.kind == Kind::metadata ? "Accept: application/json"
                                                              : "Accept: application/jwk-set+json, application/json");
    request.policy = &entry.provider.http;
    return request;
}

// An unchanged body keeps what was parsed from it. A refused one changes nothing.
void adopt(Entry& entry, std::string_view body, std::int64_t fetched)
{
    const Digest digest = sha256(body);
    if (!entry.known() || digest != entry.digest) {
        if (entry.kind == Kind::metadata) entry.endpoints = std::make_shared<const Endpoints>(parse_metadata(entry.provider, body));
        else entry.keys = std::make_shared<const Jwks>(parse_jwks(body));
        entry.digest = digest;
    }
    entry.fetched = fetched;
}

class NodeDocuments final : public Documents {
public:
    NodeDocuments(HttpClient& http, PrivateZone& zone, ngx_log_t* log) noexcept : http_{http}, zone_{zone}, log_{log} {}

    const Endpoints* peek(const Provider& provider) override;
    Task<Endpoints> endpoints(const Provider& provider) override;
    Task<std::shared_ptr<const Jwks>> keys(const Provider& provider) override;
    Task<std::shared_ptr<const Jwks>> newer_keys(const Provider& provider, std::shared_ptr<const Jwks> seen) override;

private:
    Entry& find(const Provider& provider, Kind kind, std::string_view url);
    Entry& metadata_of(const Provider& provider);
    Entry& keys_of(const Entry& metadata) { return find(metadata.provider, Kind::keys, metadata.endpoints->jwks); }

    bool look(Entry& entry);
    bool ready(Entry& entry);
    void refresh_behind(Entry& entry);
    bool refetch(Entry& entry);
    void require_no_failure_since(const Entry& entry, std::int64_t started);
    void launch(Entry& entry);
    void report(Entry& entry, const Failure& failure);

    Task<bool> land(Entry& entry);
    Root fly(Entry& entry);
    Task<bool> obtain(Entry& entry);
    Task<bool> fetch(Entry& entry);

    HttpClient& http_;
    PrivateZone& zone_;
    ngx_log_t* log_;
    std::vector<std::unique_ptr<Entry>> entries_;    // never removed: coroutines refer to them
};

const Endpoints* NodeDocuments::peek(const Provider& provider)
{
    Entry& entry = metadata_of(provider);
    return ready(entry) ? entry.endpoints.get() : nullptr;
}

Task<Endpoints> NodeDocuments::endpoints(const Provider& provider)
{
    Entry& entry = metadata_of(provider);
    if (!ready(entry)) {
        co_await land(entry);
    }
    co_return *entry.endpoints;
}

Task<std::shared_ptr<const Jwks>> NodeDocuments::keys(const Provider& provider)
{
    Entry& metadata = metadata_of(provider);
    if (!ready(metadata)) {
        co_await land(metadata);
    }
    Entry& entry = keys_of(metadata);
    if (!ready(entry)) {
        co_await land(entry);
    }
    co_return entry.keys;
}

Task<std::shared_ptr<const Jwks>> NodeDocuments::newer_keys(const Provider& provider, std::shared_ptr<const Jwks> seen)
{
    Entry& metadata = metadata_of(provider);
    if (!metadata.known()) co_return seen;
    Entry& entry = keys_of(metadata);

    if (entry.flying) {                              // a fetch that began before we knew: it may still bring the old set
        Landing landing(entry, log_);
        co_await Until(landing);
    }
    look(entry);
    if (entry.keys != seen && entry.age() < entry.policy().min_refresh) co_return entry.keys;

    if (refetch(entry)) {
        Landing landing(entry, log_);
        co_await Until(landing);
    }
    co_return entry.known() ? entry.keys : seen;
}

Entry& NodeDocuments::find(const Provider& provider, Kind kind, std::string_view url)
{
    for (const std::unique_ptr<Entry>& entry : entries_) {
        if (&entry->provider == &provider && entry->kind == kind && (kind == Kind::metadata || entry->url == url)) return *entry;
    }
    entries_.push_back(std::make_unique<Entry>(provider, kind, std::string(url), log_));
    return *entries_.back();
}

Entry& NodeDocuments::metadata_of(const Provider& provider)
{
    Entry& entry = find(provider, Kind::metadata, {});
    if (!entry.url.empty()) return entry;
    entry.url = metadata_url(provider);
    entry.fixed = !needs_metadata(provider);
    if (entry.fixed) entry.endpoints = std::make_shared<const Endpoints>(provider.overrides);
    return entry;
}

// Takes over what another worker fetched. What this provider's configuration refuses is not looked at twice.
bool NodeDocuments::look(Entry& entry)
{
    std::optional<Document> document = zone_.document(entry.url, entry.generation);
    if (!document) return false;
    entry.generation = document->generation;
    try {
        adopt(entry, document->body, document->fetched);
        return true;
    } catch (const Failure&) {
        return false;
    }
}

// True: the worker's copy can be used at once. Past its validity it is renewed meanwhile.
bool NodeDocuments::ready(Entry& entry)
{
    if (entry.fresh()) return true;
    if (entry.looked != ngx_time()) {
        entry.looked = ngx_time();
        look(entry);
        if (entry.usable() && !entry.fresh()) refresh_behind(entry);
    }
    return entry.usable();
}

void NodeDocuments::refresh_behind(Entry& entry)
{
    if (entry.flying || ngx_exiting) return;
    std::optional<FetchFailure> failure = zone_.last_failure(entry.url);
    if (failure && now_ms() - failure->at_ms < entry.policy().min_refresh * 1000) return;
    launch(entry);
}

// At most once per min_refresh on the whole node: a lease that nobody ends. Ordinary fetches do not count. Whoever comes
// too late waits for the fetch that is under way.
bool NodeDocuments::refetch(Entry& entry)
{
    if (entry.flying) return true;
    const bool ours = zone_.acquire_lease(entry.url + " refetch", now_ms(), entry.policy().min_refresh * 1000);
    if (!ours && !zone_.lease_held(entry.url, now_ms())) return false;
    launch(entry);
    return true;
}

void NodeDocuments::require_no_failure_since(const Entry& entry, std::int64_t started)
{
    std::optional<FetchFailure> failure = zone_.last_failure(entry.url);
    if (failure && failure->at_ms > started) fail(failure->reason, describe(entry) + "failed a moment ago");
}

void NodeDocuments::launch(Entry& entry)
{
    entry.flight = fly(entry);
    entry.flying = true;
    entry.launch.fire();
}

Task<bool> NodeDocuments::land(Entry& entry)
{
    if (!entry.flying) {
        require_no_failure_since(entry, now_ms() - retry_after);
        launch(entry);
    }
    Landing landing(entry, log_);
    co_await Until(landing);
    if (landing.failure) throw Failure(*landing.failure);
    co_return true;
}

// Belongs to the worker, not to a request: the requests that wait for it may go.
Root NodeDocuments::fly(Entry& entry)
{
    std::shared_ptr<const Failure> failure;
    try {
        co_await obtain(entry);
    } catch (const Failure& refused) {
        failure = std::make_shared<const Failure>(refused);
    } catch (const std::exception& e) {
        failure = std::make_shared<const Failure>(Reason::internal, e.what());
    }
    entry.flying = false;
    Landing::wake_all(entry, failure);
}

Task<bool> NodeDocuments::obtain(Entry& entry)
{
    const std::int64_t started = now_ms();
    const std::int64_t timeout = entry.provider.http.timeout;
    while (!zone_.acquire_lease(entry.url, now_ms(), timeout + lease_margin)) {
        if (now_ms() - started > timeout) fail(Reason::provider_timeout, describe(entry) + "another worker's fetch takes too long");
        Pause pause(log_, look_again);
        co_await Until(pause);
        if (look(entry)) co_return true;
        require_no_failure_since(entry, started);
    }

    Lease lease(zone_, entry.url);
    if (look(entry)) co_return true;
    try {
        bool stored = co_await fetch(entry);
        if (stored) lease.ended();
    } catch (const Failure& failure) {
        zone_.put_failure(entry.url, failure.reason, now_ms());
        lease.ended();
        report(entry, failure);
        throw;
    }
    entry.failing = false;
    co_return true;
}

// False: there was no room in the zone, so that the document is this worker's alone.
Task<bool> NodeDocuments::fetch(Entry& entry)
{
    HttpRequest request = fetch_request(entry);
    HttpResponse response = co_await http_.send(std::move(request));
    require_success(entry, response);
    adopt(entry, response.body, ngx_time());
    const std::uint64_t generation = zone_.put_document(entry.url, response.body, ngx_time());
    if (generation == 0) {
        ngx_log_error(NGX_LOG_WARN, log_, 0, "oidc: a document of provider \"%s\" does not fit into zone \"oidc_private\"",
                      entry.provider.name.c_str());
        co_return false;
    }
    entry.generation = generation;
    co_return true;
}

// What nobody waits for is told here, once per spell. Where there is no copy to fall back on the waiting request tells it.
void NodeDocuments::report(Entry& entry, const Failure& failure)
{
    const bool told = std::exchange(entry.failing, true);
    if (told || !entry.known()) return;
    ngx_log_error(NGX_LOG_ERR, log_, 0, "oidc: provider \"%s\": %s; the last good copy stays in use", entry.provider.name.c_str(),
                  to_text(failure).c_str());
}

}  // namespace

std::string printable(std::string_view text)
{
    std::string safe(text.substr(0, 512));
    for (char& c : safe) c = c < ' ' || c > '~' ? '?' : c;
    return safe;
}

std::string to_text(const Failure& failure)
{
    return printable(std::string(name_of(failure.reason)) + (failure.detail.empty() ? "" : ": " + failure.detail));
}

std::unique_ptr<Documents> make_documents(HttpClient& http, PrivateZone& zone, ngx_log_t* log)
{
    return std::make_unique<NodeDocuments>(http, zone, log);
}

}  // namespace oidc::ngx
