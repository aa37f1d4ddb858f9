// What the worker does behind the requests' back: new tokens before the old ones end, and the tokens of ended sessions taken back.
#include "ngx_http_oidc_runtime.hpp"

namespace oidc::ngx {
namespace {

constexpr Seconds backoff = 5;  // after a refresh that did not take place
constexpr ngx_msec_t look_again = 50;  // at a sweep that another request began, ms
constexpr long most_searches = 32;     // that anyone may have asked for, waiting ones too: each holds a connection of nginx

Request now_only()
{
    Request request;
    request.now = ngx_time();
    return request;
}

Digest lease_of(const SessionKey& key) { return sha256({"refresh ", oidc::view(key)}); }

void begin(const ProviderConf& conf, const MainConf& main, Errand::Work work, Errand::After after)
{
    Errand& errand = worker().errands.emplace_back(conf, main, std::move(work), std::move(after));
    errand.root = errand.run();
    errand.root.start();
}

void discard(void* finished)
{
    worker().errands.remove_if([&](const Errand& errand) { return &errand == finished; });
}

}  // namespace

Traveller::Traveller(const ProviderConf& provider_conf, const MainConf& main, Request asked)
    : conf{provider_conf}, states{*main.states}, request{std::move(asked)},
      ports{*worker().http, *this, *worker().documents, worker_random, main.cookie_keys}
{
}

Task<std::optional<std::string>> Traveller::read(SessionKey key)
{
    std::optional<Zone::Copy> copy = conf.sessions->read(key, 0, ngx_time());
    co_return copy ? std::optional(std::move(copy->bytes)) : std::nullopt;
}

Task<bool> Traveller::put(SessionKey key, std::string record, std::int64_t expires)
{
    co_return conf.sessions->put(key, record, {expires, conf.provider.session_idle_timeout}, ngx_time());
}

Task<bool> Traveller::replace(SessionKey key, std::string record, std::int64_t expires)
{
    const Zone::Life life{expires, conf.provider.session_idle_timeout};
    co_return conf.sessions->put(key, record, life, ngx_time(), Zone::Where::taken);
}

// In batches, between which the worker serves others.
Task<bool> Traveller::end_all(SessionQuery query)
{
    std::shared_ptr<int> place = query.unproven ? worker().searches : nullptr;
    if (place.use_count() > most_searches) fail(Reason::logout_refused, "too many searches for sessions at once");
    while (query.unproven && !worker().sweep.expired()) {
        Pause pause(ngx_cycle->log, look_again);
        co_await Until(pause);
    }
    auto turn = std::make_shared<int>();
    if (query.unproven) worker().sweep = turn;
    const Zone::Ends ends = [&query](std::string_view record) { return query.matches(record); };
    for (std::optional<std::uint32_t> next = 0; next; next = conf.sessions->sweep(*next, ends)) {
        Pause pause(ngx_cycle->log, 1);
        co_await Until(pause);
    }
    co_return true;
}

Errand::Errand(const ProviderConf& provider_conf, const MainConf& main, Work what, After then)
    : Traveller{provider_conf, main, now_only()}, work{std::move(what)}, after{std::move(then)}, done{ngx_cycle->log, discard, this}
{
}

Root Errand::run()
{
    bool failed = false, achieved = false;
    try {
        renew_secret(conf);
        achieved = co_await work(journey);
    } catch (const std::exception& e) {
        failed = true;
        auto* why = dynamic_cast<const Failure*>(&e);
        log_failure(ngx_cycle->log, why != nullptr ? *why : Failure(Reason::internal, e.what()), conf.provider.name);
    }
    after(failed, achieved);
    done.fire();
    co_return true;
}

// The lease outlives the calls, so that no other worker begins meanwhile; a mark in its place keeps all from trying at once again.
void begin_refresh(const ProviderConf& conf, const MainConf& main, const SessionKey& key)
{
    const Digest lease = lease_of(key);
    const Seconds longest = 4 * conf.provider.http.timeout / 1000 + 1;
    Zone& states = *main.states;
    if (!states.use_once(lease, ngx_time() + longest, ngx_time())) return;
    begin(conf, main, [key](Journey on) { return refresh(on, key); }, [lease, &states, &metrics = conf.metrics()](bool failed, bool renewed) {
        if (failed || renewed) metrics.add(failed ? Count::refreshes_failed : Count::refreshes_done);
        if (failed) states.put(lease, "failed", {ngx_time() + backoff}, ngx_time());
        else states.take(lease, ngx_time());
    });
}

bool is_refreshing(const MainConf& main, const SessionKey& key)
{
    std::optional<Zone::Copy> lease = main.states->read(lease_of(key), 0, ngx_time());
    return lease && lease->bytes.empty();
}

void begin_revocation(const ProviderConf& conf, const MainConf& main, std::string record)
{
    begin(conf, main, [record = std::move(record)](Journey on) { return revoke(on, record); }, [](bool, bool) {});
}

}  // namespace oidc::ngx
