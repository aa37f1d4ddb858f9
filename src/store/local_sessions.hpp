// Sessions and used states in the shared memory of this nginx.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "oidc/base/digest.hpp"
#include "oidc/base/task.hpp"
#include "oidc/base/text.hpp"
#include "oidc/ports/session_record.hpp"
#include "oidc/ports/sessions.hpp"
#include "oidc/provider/provider.hpp"
#include "store/zone.hpp"

namespace oidc::ngx {

// Searches for sessions that anyone may have asked for: one at a time in a worker, and few that wait.
struct SearchQueue {
    std::weak_ptr<int> running;
    std::shared_ptr<int> places = std::make_shared<int>();  // shared by those, and by those that wait for it
};

class LocalSessions final : public SessionStore {
public:
    // `idle_timeout` in seconds, 0: none.
    LocalSessions(Zone& sessions, Zone& states, Seconds idle_timeout, SearchQueue& searches) noexcept
        : sessions_{sessions}, states_{states}, idle_timeout_{idle_timeout}, searches_{searches}
    {
    }

    Task<std::optional<std::string>> take(SessionKey key) override;
    Task<std::optional<std::string>> read(SessionKey key) override;
    Task<bool> put(SessionKey key, std::string record, std::int64_t expires) override;
    Task<bool> replace(SessionKey key, std::string record, std::int64_t expires) override;
    Task<bool> use_once(Digest state, std::int64_t expires) override;
    Task<bool> forget(Digest state) override;
    Task<bool> end_all(SessionQuery query) override;

private:
    Zone& sessions_;
    Zone& states_;
    Seconds idle_timeout_;
    SearchQueue& searches_;
};

}  // namespace oidc::ngx
