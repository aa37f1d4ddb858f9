// Provider metadata and key sets: cached by the worker as parsed, by the node as fetched. One fetch at a time in the worker
// (the others wait for its end) and on the node (a lease in the zone of documents; the other workers look again).
#include <deque>

#include "ngx_http_oidc_runtime.hpp"

namespace oidc::ngx {
namespace {

constexpr ngx_msec_t head_start = 20;                // the worker accepts connections first, ms
constexpr ngx_msec_t look_again = 50;                // at what another worker fetches, ms
constexpr std::int64_t retry_after = 1000;           // with nothing cached, ms
constexpr std::int64_t lease_margin = 1000;          // beyond the fetch's own timeout, ms
constexpr std::int64_t never = INT64_MAX;

// The clock of the zone of documents: one for all workers, and nobody sets it back.
std::int64_t now_ms() noexcept { return static_cast<std::int64_t>(ngx_current_msec); }

struct Kind {
    const char *name, *accept;
    Reason refused, malformed;
    CachePolicy Provider::*policy;
    Metrics::Document Metrics::*metrics;
};
constexpr Kind metadata_kind{"metadata", "Accept: application/json", Reason::metadata_refused, Reason::metadata_malformed,
                             &Provider::metadata_cache, &Metrics::metadata};
constexpr Kind keys_kind{"keys", "Accept: application/jwk-set+json, application/json", Reason::jwks_refused, Reason::jwks_malformed,
                         &Provider::jwks_cache, &Metrics::keys};

// One document of one provider, in this worker.
struct Entry {
    Entry(const Provider& of, const Kind& what, std::string where)
        : provider{of}, kind{what}, url{std::move(where)}, metrics{metrics_of(of.name).*what.metrics}
    {
        ngx_queue_init(&waiters);
        if (&kind != &metadata_kind || needs_metadata(provider)) return;
        endpoints = std::make_shared<const Endpoints>(provider.overrides);  // all of it comes from directives, which do not age
        fetched = never;
    }

    bool known() const noexcept { return endpoints != nullptr || keys != nullptr; }
    const CachePolicy& policy() const noexcept { return provider.*kind.policy; }
    bool younger_than(Seconds age) const noexcept { return known() && now_ms() - fetched < age * 1000; }
    bool fresh() const noexcept { return younger_than(policy().valid); }
    bool usable() const noexcept { return younger_than(policy().valid + policy().stale); }
    std::string describe() const { return kind.name + (" at " + url.substr(0, url.find('?'))); }  // the query may hold a secret
    // Of what the node knows of it: the document itself, its last "failure", a "lease".
    Digest key(const std::string& what = {}) const { return sha256(url + ' ' + what); }

    // An unchanged body keeps what was parsed from it. A refused one changes nothing.
    void adopt(std::string_view body, std::int64_t when)
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
    const Kind& kind;
    std::string url;
    Metrics::Document& metrics;
    std::shared_ptr<const Endpoints> endpoints;      // of metadata
    std::shared_ptr<const Jwks> keys;                // of a key set
    Digest digest{};                                 // of the body they were parsed from
    std::int64_t fetched = 0, seen = 0;              // when this one was fetched, and the last one found in the zone
    std::int64_t looked = 0;                         // Unix seconds
    bool flying = false;
    std::exception_ptr failure;                      // of the last flight
    ngx_queue_t waiters;                             // for the end of the flight
    Root flight;
};

// Until an entry's flight has ended.
class Wait : Event {
public:
    Wait(ngx_log_t* log, Entry& entry) noexcept : Event{log}, entry_{entry} {}
    bool await_suspend(std::coroutine_handle<> waiter) noexcept
    {
        if (!entry_.flying) return false;
        resume(waiter);
        fire(entry_.waiters);
        return true;
    }

private:
    Entry& entry_;
};

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
        Entry& entry = metadata_of(provider);
        co_await land(entry);
        co_return entry.endpoints;
    }

    const Endpoints* at_hand(const Provider& provider) override
    {
        Entry& entry = metadata_of(provider);
        return ready(entry) ? entry.endpoints.get() : nullptr;
    }

    Task<std::shared_ptr<const Jwks>> keys(const Provider& provider) override
    {
        Entry& metadata = metadata_of(provider);
        co_await land(metadata);
        Entry& entry = keys_of(metadata);
        co_await land(entry);
        co_return entry.keys;
    }

    Task<std::shared_ptr<const Jwks>> newer_keys(const Provider& provider, std::shared_ptr<const Jwks> seen) override
    {
        Entry& metadata = metadata_of(provider);
        if (!metadata.known()) co_return seen;
        Entry& entry = keys_of(metadata);
        Wait landing(log_, entry);
        co_await Until(landing);                     // a fetch that began before we knew: it may still bring the old set
        look(entry);
        if (entry.keys != seen && entry.younger_than(entry.policy().min_refresh)) co_return entry.keys;
        if (!entry.flying && may_refetch(entry)) launch(entry);
        co_await Until(landing);
        co_return entry.known() ? entry.keys : seen;
    }

private:
    Entry& metadata_of(const Provider& provider) { return find(provider, metadata_kind, provider.config_url); }
    Entry& keys_of(const Entry& entry) { return find(entry.provider, keys_kind, entry.endpoints->jwks); }

    Entry& find(const Provider& provider, const Kind& kind, const std::string& url)
    {
        for (Entry& entry : entries_)
            if (&entry.provider == &provider && &entry.kind == &kind && entry.url == url) return entry;
        return entries_.emplace_back(provider, kind, url);
    }

    // At most once per min_refresh on the whole node: a lease that nobody ends. Ordinary fetches do not count. Whoever comes too
    // late waits for the fetch that is under way.
    bool may_refetch(const Entry& entry)
    {
        const std::int64_t until = now_ms() + entry.policy().min_refresh * 1000;
        return zone_.use_once(entry.key("refetch"), until, now_ms()) || zone_.read(entry.key("lease"), 0, now_ms());
    }

    // True: the worker's copy can be used at once. Past its validity it is renewed meanwhile.
    bool ready(Entry& entry)
    {
        if (entry.fresh()) return true;
        if (std::exchange(entry.looked, ngx_time()) == ngx_time()) return entry.usable();
        look(entry);
        const std::int64_t since = now_ms() - entry.policy().min_refresh * 1000;
        bool due = entry.usable() && !entry.fresh() && !entry.flying && !ngx_exiting;
        if (due && !zone_.read(entry.key("failure"), since, now_ms())) launch(entry);
        return entry.usable();
    }

    // Takes over what another worker fetched. What this provider's configuration refuses is not looked at twice.
    bool look(Entry& entry)
    try {
        std::optional<Zone::Copy> found = zone_.read(entry.key(), entry.seen, now_ms());
        if (!found) return false;
        entry.seen = found->stored;
        entry.adopt(found->bytes, found->stored);
        return true;
    } catch (const Failure&) {
        return false;
    }

    void require_no_failure_since(const Entry& entry, std::int64_t time)
    {
        std::optional<Zone::Copy> failure = zone_.read(entry.key("failure"), time, now_ms());
        if (failure) fail(static_cast<Reason>(failure->bytes.front()), failure->bytes.substr(1) + " (a moment ago)");
    }

    void accept(Entry& entry, const HttpResponse& response)
    {
        const std::string name = entry.describe();
        require_response(response, name, entry.kind.malformed);
        if (response.status != 200) fail(entry.kind.refused, name + ": HTTP status " + std::to_string(response.status));
        const std::int64_t now = std::max(now_ms(), entry.seen + 1);  // so that nobody takes it for the one before
        entry.adopt(response.body, now);
        entry.seen = now;
        zone_.take(entry.key("failure"), now);
        if (zone_.put(entry.key(), response.body, {never}, now)) return;
        ngx_log_error(NGX_LOG_WARN, log_, 0, "oidc: a document of provider \"%s\" does not fit into zone \"%*s\"",
                      entry.provider.name.c_str(), zone_.name().size(), zone_.name().data());
    }

    void launch(Entry& entry)
    {
        entry.flight = fly(entry);
        entry.flying = true;
        entry.flight.start();
    }

    // Belongs to the worker, not to a request: the requests that wait for it may go. A failure that nobody waits for is told here,
    // once per spell; where there is no copy to fall back on the waiting request tells it.
    Root fly(Entry& entry)
    {
        try {
            co_await obtain(entry);
            entry.failure = nullptr;
        } catch (const std::exception& e) {
            if (!entry.failure && entry.known()) {
                ngx_log_error(NGX_LOG_ERR, log_, 0, "oidc: provider \"%s\": %s; the last good copy stays in use",
                              entry.provider.name.c_str(), to_text(e).c_str());
            }
            entry.failure = std::current_exception();
        }
        entry.flying = false;
        Event::fire_all(entry.waiters);
        co_return true;
    }

    Task<bool> obtain(Entry& entry)
    {
        const std::int64_t started = now_ms(), timeout = entry.provider.http.timeout;
        while (!zone_.use_once(entry.key("lease"), now_ms() + timeout + lease_margin, now_ms())) {
            bool late = now_ms() - started > timeout;
            if (late) fail(Reason::provider_timeout, entry.describe() + ": another worker's fetch takes too long");
            Pause pause(log_, look_again);
            co_await Until(pause);
            if (look(entry)) co_return true;
            require_no_failure_since(entry, started);
        }
        Lease lease{zone_, entry.key("lease")};
        if (look(entry)) co_return true;
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

    Task<bool> land(Entry& entry)
    {
        if (ready(entry)) co_return true;
        if (!entry.flying) {
            require_no_failure_since(entry, now_ms() - retry_after);
            launch(entry);
        }
        Wait landing(log_, entry);
        co_await Until(landing);
        if (entry.failure) std::rethrow_exception(entry.failure);
        co_return true;
    }

    HttpClient& http_;
    Zone& zone_;
    ngx_log_t* log_;
    std::deque<Entry> entries_;                      // never removed: coroutines refer to them
};

// The documents of one provider, before anybody needs them. The first login after a failure tries again.
Root fetch_ahead(Documents& documents, const Provider& provider, ngx_log_t* log)
{
    Pause start(log, head_start);
    co_await Until(start);
    try {
        if (ngx_exiting) co_return true;
        std::shared_ptr<const Endpoints> endpoints = co_await documents.endpoints(provider);
        if (ngx_exiting) co_return true;
        std::shared_ptr<const Jwks> keys = co_await documents.keys(provider);
    } catch (const std::exception& e) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "oidc: provider \"%s\" is not ready yet: %s", provider.name.c_str(), to_text(e).c_str());
    }
    co_return true;
}

// Not in a pool: the calls must end in exit_process, before nginx looks for sockets left open.
Worker* current = nullptr;

}  // namespace

std::string to_text(const std::exception& e)
{
    auto* failure = dynamic_cast<const Failure*>(&e);
    return printable(e.what() + (failure == nullptr || failure->detail.empty() ? "" : ": " + failure->detail));
}

std::string printable(std::string_view text)
{
    std::string safe(text.substr(0, 512));
    std::ranges::replace_if(safe, [](char c) { return c < ' ' || c > '~'; }, '?');
    return safe;
}

Metrics& metrics_of(std::string_view provider) noexcept
{
    static Metrics unread;
    auto* main = static_cast<MainConf*>(ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_oidc_module));
    const ProviderConf* conf = main != nullptr ? find_provider(*main, provider) : nullptr;
    return conf != nullptr ? conf->metrics() : unread;
}

void renew_secret(const ProviderConf& conf)
{
    SecretFile& file = conf.secret_file;
    if (file.name.empty() || std::exchange(file.looked, ngx_time()) == ngx_time() || !file.look()) return;
    const char* name = conf.provider.name.c_str();
    try {
        conf.provider.client_secret = read_secret(file.name);
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0, "oidc: provider \"%s\": client_secret_file was read again", name);
    } catch (const Mistake& why) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "oidc: provider \"%s\": client_secret_file: %s; the last good secret stays in use",
                      name, printable(why.what()).c_str());
    }
}

Worker::Worker(const MainConf& main, ngx_log_t* log)
    : http{make_http_client(log)}, documents{std::make_unique<NodeDocuments>(*http, *main.documents, log)}
{
    for (const auto& conf : main.providers) ahead.push_back(fetch_ahead(*documents, conf->provider, log));
    for (Root& root : ahead) root.start();
}

Worker& worker() noexcept { return *current; }

// nginx also calls it in its cache processes, which serve nobody. Without oidc_cookie_key all workers share the random key of
// the zone, which survives reloads.
ngx_int_t init_process(ngx_cycle_t* cycle) noexcept
{
    bool serves = ngx_process == NGX_PROCESS_WORKER || ngx_process == NGX_PROCESS_SINGLE;
    auto* main = static_cast<MainConf*>(ngx_http_cycle_get_module_main_conf(cycle, ngx_http_oidc_module));
    if (!serves || main == nullptr || main->providers.empty()) return NGX_OK;
    try {
        if (main->cookie_keys.empty()) main->cookie_keys.push_back(main->states->cookie_key());
        current = new Worker(*main, cycle->log);
        return NGX_OK;
    } catch (const std::exception& e) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "oidc: the worker cannot start: %s", e.what());
        return NGX_ERROR;
    }
}

void exit_process(ngx_cycle_t*) noexcept { delete std::exchange(current, nullptr); }

}  // namespace oidc::ngx
