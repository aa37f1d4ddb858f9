// Provider metadata and key sets: cached by the worker as parsed, by the node as fetched. One fetch at a time in the worker
// (the others wait for its end) and on the node (a lease in the zone of documents; the other workers look again).
#include <deque>
#include <limits>

#include "ngx_http_oidc_worker.hpp"
#include "oidc/provider.hpp"
#include "oidc/protocol.hpp"

namespace oidc::ngx {
namespace {

constexpr ngx_msec_t look_again = 50;                // at what another worker fetches, ms
constexpr std::int64_t retry_after = 1000;           // with nothing cached, ms
constexpr std::int64_t lease_margin = 1000;          // beyond the fetch's own timeout, ms
constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

// The clock of the zone of documents: one for all workers, and nobody sets it back.
std::int64_t now_ms() noexcept { return static_cast<std::int64_t>(ngx_current_msec); }

struct Kind {
    const char *name, *accept;
    Reason refused, malformed;
    CachePolicy Provider::*policy;
};
constexpr Kind metadata_kind{"metadata", "Accept: application/json", Reason::metadata_refused, Reason::metadata_malformed,
                             &Provider::metadata_cache};
constexpr Kind keys_kind{"keys", "Accept: application/jwk-set+json, application/json", Reason::jwks_refused, Reason::jwks_malformed,
                         &Provider::jwks_cache};

// One document of one provider, in this worker.
struct Entry {
    Entry(const Provider& of, const Kind& what, std::string where) : provider{of}, kind{what}, url{std::move(where)}
    {
        ngx_queue_init(&waiters);
    }

    bool known() const noexcept { return endpoints != nullptr || keys != nullptr; }
    const CachePolicy& policy() const noexcept { return provider.*kind.policy; }
    bool younger_than(Seconds age) const noexcept { return known() && now_ms() - fetched < age * 1000; }
    bool fresh() const noexcept { return younger_than(policy().valid); }
    bool usable() const noexcept { return younger_than(policy().valid + policy().stale); }
    // For the log: a configured URL may hold a secret in its query.
    std::string describe() const { return kind.name + (" at " + url.substr(0, url.find('?'))); }
    // Of what the node knows of it: the document itself, its last "failure", a "lease".
    Digest key(const std::string& what = {}) const { return sha256(url + ' ' + what); }

    const Provider& provider;
    const Kind& kind;
    std::string url;
    std::shared_ptr<const Endpoints> endpoints;      // of metadata
    std::shared_ptr<const Jwks> keys;                // of a key set
    Digest digest{};                                 // of the body they were parsed from
    std::int64_t fetched = 0, seen = 0;              // when this one was fetched, and the last one found in the zone
    std::int64_t looked = 0;                         // Unix seconds
    bool flying = false;
    std::exception_ptr failure;                      // of the last flight
    ngx_queue_t waiters;                             // of Landing
    Root flight;
};

// Waits for the end of an entry's flight.
class Landing : private ngx_queue_t {
public:
    Landing(Entry& entry, ngx_log_t* log) noexcept : entry_{entry}, landed_{log} { ngx_queue_init(this); }
    Landing(const Landing&) = delete;
    Landing& operator=(const Landing&) = delete;
    ~Landing() { leave(); }

    bool await_ready() const noexcept { return !entry_.flying; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept
    {
        landed_.resume(waiter);
        ngx_queue_insert_tail(&entry_.waiters, this);
    }

    static void wake_all(Entry& entry) noexcept
    {
        while (!ngx_queue_empty(&entry.waiters)) {
            auto* waiter = static_cast<Landing*>(ngx_queue_head(&entry.waiters));
            waiter->leave();
            waiter->landed_.fire();
        }
    }

private:
    void leave() noexcept
    {
        ngx_queue_remove(this);
        ngx_queue_init(this);
    }

    Entry& entry_;
    Event landed_;
};

class Pause {
public:
    Pause(ngx_log_t* log, ngx_msec_t length) noexcept : over_{log}, length_{length} {}

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept
    {
        over_.resume(waiter);
        over_.start(length_);
    }

private:
    Event over_;
    ngx_msec_t length_;
};

// Ended with the frame that holds it: when the worker stops in the middle of a fetch, too.
class Lease {
public:
    Lease(Zone& zone, const Digest& key) noexcept : zone_{zone}, key_{key} {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { zone_.take(key_, now_ms()); }

private:
    Zone& zone_;
    Digest key_;
};

// An unchanged body keeps what was parsed from it. A refused one changes nothing.
void adopt(Entry& entry, std::string_view body, std::int64_t fetched)
{
    const Digest digest = sha256(body);
    if (!entry.known() || digest != entry.digest) {
        if (&entry.kind == &keys_kind) entry.keys = std::make_shared<const Jwks>(parse_jwks(body));
        else entry.endpoints = std::make_shared<const Endpoints>(parse_metadata(entry.provider, body));
        entry.digest = digest;
    }
    entry.fetched = fetched;
}

class NodeDocuments final : public Documents {
public:
    NodeDocuments(HttpClient& http, Zone& zone, ngx_log_t* log) noexcept : http_{http}, zone_{zone}, log_{log} {}

    const Endpoints* peek(const Provider& provider) override;
    Task<Endpoints> endpoints(const Provider& provider) override;
    Task<std::shared_ptr<const Jwks>> keys(const Provider& provider) override;
    Task<std::shared_ptr<const Jwks>> newer_keys(const Provider& provider, std::shared_ptr<const Jwks> seen) override;

private:
    Entry& find(const Provider& provider, const Kind& kind, std::string_view url);
    Entry& metadata_of(const Provider& provider);
    Entry& keys_of(const Entry& entry) { return find(entry.provider, keys_kind, entry.endpoints->jwks); }

    bool ready(Entry& entry);
    bool look(Entry& entry);
    bool may_refetch(const Entry& entry);
    void require_no_failure_since(const Entry& entry, std::int64_t time);
    void accept(Entry& entry, const HttpResponse& response);

    void launch(Entry& entry);
    Root fly(Entry& entry);
    Task<bool> obtain(Entry& entry);
    Task<bool> land(Entry& entry);

    HttpClient& http_;
    Zone& zone_;
    ngx_log_t* log_;
    std::deque<Entry> entries_;                      // never removed: coroutines refer to them
};

const Endpoints* NodeDocuments::peek(const Provider& provider)
{
    Entry& entry = metadata_of(provider);
    return ready(entry) ? entry.endpoints.get() : nullptr;
}

Task<Endpoints> NodeDocuments::endpoints(const Provider& provider)
{
    Entry& entry = metadata_of(provider);
    co_await land(entry);
    co_return *entry.endpoints;
}

Task<std::shared_ptr<const Jwks>> NodeDocuments::keys(const Provider& provider)
{
    Entry& metadata = metadata_of(provider);
    co_await land(metadata);
    Entry& entry = keys_of(metadata);
    co_await land(entry);
    co_return entry.keys;
}

Task<std::shared_ptr<const Jwks>> NodeDocuments::newer_keys(const Provider& provider, std::shared_ptr<const Jwks> seen)
{
    Entry& metadata = metadata_of(provider);
    if (!metadata.known()) co_return seen;
    Entry& entry = keys_of(metadata);

    Landing landing(entry, log_);
    co_await Until(landing);                         // a fetch that began before we knew: it may still bring the old set
    look(entry);
    if (entry.keys != seen && entry.younger_than(entry.policy().min_refresh)) co_return entry.keys;
    if (!entry.flying && may_refetch(entry)) launch(entry);
    co_await Until(landing);
    co_return entry.known() ? entry.keys : seen;
}

Entry& NodeDocuments::find(const Provider& provider, const Kind& kind, std::string_view url)
{
    for (Entry& entry : entries_) {
        if (&entry.provider == &provider && &entry.kind == &kind && (&kind == &metadata_kind || entry.url == url)) return entry;
    }
    return entries_.emplace_back(provider, kind, std::string(url));
}

Entry& NodeDocuments::metadata_of(const Provider& provider)
{
    Entry& entry = find(provider, metadata_kind, {});
    if (!entry.url.empty()) return entry;
    entry.url = metadata_url(provider);
    if (!needs_metadata(provider)) {                 // all of it comes from directives, which do not age
        entry.endpoints = std::make_shared<const Endpoints>(provider.overrides);
        entry.fetched = never;
    }
    return entry;
}

// At most once per min_refresh on the whole node: a lease that nobody ends. Ordinary fetches do not count. Whoever comes too
// late waits for the fetch that is under way.
bool NodeDocuments::may_refetch(const Entry& entry)
{
    const std::int64_t until = now_ms() + entry.policy().min_refresh * 1000;
    return zone_.use_once(entry.key("refetch"), until, now_ms()) || zone_.read(entry.key("lease"), 0, now_ms());
}

// True: the worker's copy can be used at once. Past its validity it is renewed meanwhile.
bool NodeDocuments::ready(Entry& entry)
{
    if (entry.fresh()) return true;
    if (entry.looked == ngx_time()) return entry.usable();
    entry.looked = ngx_time();
    look(entry);
    if (entry.usable() && !entry.fresh() && !entry.flying && !ngx_exiting) {
        const std::int64_t since = now_ms() - entry.policy().min_refresh * 1000;
        if (!zone_.read(entry.key("failure"), since, now_ms())) launch(entry);
    }
    return entry.usable();
}

// Takes over what another worker fetched. What this provider's configuration refuses is not looked at twice.
bool NodeDocuments::look(Entry& entry)
{
    std::optional<Zone::Copy> found = zone_.read(entry.key(), entry.seen, now_ms());
    if (!found) return false;
    entry.seen = found->stored;
    try {
        adopt(entry, found->bytes, found->stored);
        return true;
    } catch (const Failure&) {
        return false;
    }
}

void NodeDocuments::require_no_failure_since(const Entry& entry, std::int64_t time)
{
    std::optional<Zone::Copy> failure = zone_.read(entry.key("failure"), time, now_ms());
    if (failure) fail(static_cast<Reason>(failure->bytes.front()), entry.describe() + ": failed a moment ago");
}

void NodeDocuments::accept(Entry& entry, const HttpResponse& response)
{
    const std::string name = entry.describe();
    require_response(response, name, entry.kind.malformed);
    if (response.status != 200) fail(entry.kind.refused, name + ": HTTP status " + std::to_string(response.status));

    const std::int64_t now = std::max(now_ms(), entry.seen + 1);  // so that nobody takes it for the one before
    adopt(entry, response.body, now);
    entry.seen = now;
    zone_.take(entry.key("failure"), now);
    if (zone_.put(entry.key(), response.body, {never}, now)) return;
    ngx_log_error(NGX_LOG_WARN, log_, 0, "oidc: a document of provider \"%s\" does not fit into zone \"%*s\"",
                  entry.provider.name.c_str(), zone_.name().size(), zone_.name().data());
}

void NodeDocuments::launch(Entry& entry)
{
    entry.flight = fly(entry);
    entry.flying = true;
    entry.flight.start();
}

// Belongs to the worker, not to a request: the requests that wait for it may go. A failure that nobody waits for is told here,
// once per spell; where there is no copy to fall back on the waiting request tells it.
Root NodeDocuments::fly(Entry& entry)
{
    try {
        co_await obtain(entry);
        entry.failure = nullptr;
    } catch (const Failure& failure) {
        if (!entry.failure && entry.known()) {
            ngx_log_error(NGX_LOG_ERR, log_, 0, "oidc: provider \"%s\": %s; the last good copy stays in use",
                          entry.provider.name.c_str(), to_text(failure).c_str());
        }
        entry.failure = std::current_exception();
    } catch (...) {
        entry.failure = std::current_exception();
    }
    entry.flying = false;
    Landing::wake_all(entry);
}

Task<bool> NodeDocuments::obtain(Entry& entry)
{
    const std::int64_t started = now_ms();
    const std::int64_t timeout = entry.provider.http.timeout;
    while (!zone_.use_once(entry.key("lease"), now_ms() + timeout + lease_margin, now_ms())) {
        if (now_ms() - started > timeout) {
            fail(Reason::provider_timeout, entry.describe() + ": another worker's fetch takes too long");
        }
        Pause pause(log_, look_again);
        co_await Until(pause);
        if (look(entry)) co_return true;
        require_no_failure_since(entry, started);
    }

    Lease lease(zone_, entry.key("lease"));
    if (look(entry)) co_return true;
    HttpRequest request;
    request.url = entry.url;
    request.headers.emplace_back(entry.kind.accept);
    request.policy = &entry.provider.http;
    HttpResponse response = co_await http_.send(std::move(request));
    try {
        accept(entry, response);
    } catch (const Failure& failure) {
        const char reason = static_cast<char>(failure.reason);
        zone_.put(entry.key("failure"), {&reason, 1}, {never}, now_ms());
        throw;
    }
    co_return true;
}

Task<bool> NodeDocuments::land(Entry& entry)
{
    if (ready(entry)) co_return true;
    if (!entry.flying) {
        require_no_failure_since(entry, now_ms() - retry_after);
        launch(entry);
    }
    Landing landing(entry, log_);
    co_await Until(landing);
    if (entry.failure) std::rethrow_exception(entry.failure);
    co_return true;
}

}  // namespace

std::unique_ptr<Documents> make_documents(HttpClient& http, Zone& zone, ngx_log_t* log)
{
    return std::make_unique<NodeDocuments>(http, zone, log);
}

}  // namespace oidc::ngx
