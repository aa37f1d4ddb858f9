#include "store/local_sessions.hpp"

#include <string_view>
#include <utility>

#include "ngx_http_oidc.hpp"
#include "ngx_http_oidc_event.hpp"
#include "oidc/base/failure.hpp"

namespace oidc::ngx {
namespace {

constexpr ngx_msec_t look_again = 50;  // at a sweep that another request began, ms
constexpr long most_searches =
    32;  // that anyone may have asked for, waiting ones too: each holds a connection of nginx

}  // namespace

Task<std::optional<std::string>> LocalSessions::take(SessionKey key) { co_return sessions_.take(key, ngx_time()); }

Task<bool> LocalSessions::use_once(Digest state, std::int64_t expires)
{
    co_return states_.use_once(state, expires, ngx_time());
}

Task<bool> LocalSessions::forget(Digest state) { co_return states_.take(state, ngx_time()).has_value(); }

Task<std::optional<std::string>> LocalSessions::read(SessionKey key)
{
    std::optional<Zone::Copy> copy = sessions_.read(key, 0, ngx_time());
    co_return copy ? std::optional(std::move(copy->bytes)) : std::nullopt;
}

Task<bool> LocalSessions::put(SessionKey key, std::string record, std::int64_t expires)
{
    co_return sessions_.put(key, record, {expires, idle_timeout_}, ngx_time());
}

Task<bool> LocalSessions::replace(SessionKey key, std::string record, std::int64_t expires)
{
    const Zone::Life life{expires, idle_timeout_};
    co_return sessions_.put(key, record, life, ngx_time(), Zone::Where::taken);
}

// In batches, between which the worker serves others.
Task<bool> LocalSessions::end_all(SessionQuery query)
{
    std::shared_ptr<int> place = query.unproven ? searches_.places : nullptr;
    if (place.use_count() > most_searches) fail(Reason::logout_refused, "too many searches for sessions at once");
    while (query.unproven && !searches_.running.expired()) {
        Pause pause(ngx_cycle->log, look_again);
        co_await Until(pause);
    }

    auto turn = std::make_shared<int>();
    if (query.unproven) searches_.running = turn;

    const Zone::Ends ends = [&query](std::string_view record) { return query.matches(record); };
    for (std::optional<std::uint32_t> next = 0; next; next = sessions_.sweep(*next, ends)) {
        Pause pause(ngx_cycle->log, 1);
        co_await Until(pause);
    }
    co_return true;
}

}  // namespace oidc::ngx
