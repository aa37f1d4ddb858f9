#include "client/background.hpp"

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "client/client_secret.hpp"
#include "client/failure_log.hpp"
#include "client/task_context.hpp"
#include "client/worker.hpp"
#include "ngx_http_oidc.hpp"
#include "ngx_http_oidc_event.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/task.hpp"
#include "oidc/journey/refresh.hpp"
#include "oidc/journey/revoke_tokens.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/ports/request.hpp"
#include "oidc/provider/provider.hpp"
#include "store/metrics.hpp"
#include "store/zone.hpp"

namespace oidc::ngx {
namespace {

constexpr Seconds backoff = 5;  // after a refresh that did not take place

Request now_only()
{
    Request request;
    request.now = ngx_time();
    return request;
}

Digest lease_of(const SessionKey& key) { return sha256({"refresh ", oidc::view(key)}); }

// A journey that no request waits for: it belongs to the worker, and is forgotten at its end.
struct BackgroundTask final : BackgroundWork, TaskContext {
    using Work = std::function<Task<bool>(Context)>;
    using After = std::function<void(bool failed, bool done)>;

    BackgroundTask(const ProviderConf& provider_conf, const MainConf& main, Work what, After then);
    Root run();

    Work work;
    After after;
    Event done;
    Root root;
};

void forget(void* finished)
{
    worker().background.remove_if([&](const auto& each) { return each.get() == finished; });
}

BackgroundTask::BackgroundTask(const ProviderConf& provider_conf, const MainConf& main, Work what, After then)
    : TaskContext{provider_conf, main, now_only()}, work{std::move(what)}, after{std::move(then)},
      done{ngx_cycle->log, forget, static_cast<BackgroundWork*>(this)}
{
}

Root BackgroundTask::run()
{
    bool failed = false, achieved = false;
    try {
        renew_secret(conf);
        achieved = co_await work(context);
    } catch (const std::exception& e) {
        failed = true;
        auto* why = dynamic_cast<const Failure*>(&e);
        log_failure(ngx_cycle->log, why != nullptr ? *why : Failure(Reason::internal, e.what()), conf.provider.name);
    }
    after(failed, achieved);
    done.fire();
    co_return true;
}

void start(const ProviderConf& conf, const MainConf& main, BackgroundTask::Work work, BackgroundTask::After after)
{
    auto made = std::make_unique<BackgroundTask>(conf, main, std::move(work), std::move(after));
    BackgroundTask& task = *made;
    worker().background.push_back(std::move(made));
    task.root = task.run();
    task.root.start();
}

}  // namespace

// The lease outlives the calls, so that no other worker begins meanwhile; a mark in its place keeps all from trying at
// once again.
void begin_refresh(const ProviderConf& conf, const MainConf& main, const SessionKey& key)
{
    const Digest lease = lease_of(key);
    const Seconds longest = 4 * conf.provider.http.timeout / 1000 + 1;
    Zone& states = *main.states;
    if (!states.use_once(lease, ngx_time() + longest, ngx_time())) return;
    start(
        conf, main, [key](Context context) { return refresh(context, key); },
        [lease, &states, &metrics = conf.metrics()](bool failed, bool renewed) {
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
    start(
        conf, main, [record = std::move(record)](Context context) { return revoke_tokens(context, record); },
        [](bool, bool) {});
}

}  // namespace oidc::ngx
