// Where sessions and used states are kept: what the journeys need of a store. Times are Unix seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "oidc/base/digest.hpp"
#include "oidc/base/task.hpp"
#include "oidc/base/text.hpp"
#include "oidc/ports/session_record.hpp"

namespace oidc {

using SessionKey = Digest;  // SHA-256 of the cookie's value: the value itself is never stored
struct SessionStore {
    virtual ~SessionStore() = default;
    virtual Task<std::optional<std::string>> take(SessionKey key) = 0;  // get and delete
    virtual Task<std::optional<std::string>> read(SessionKey key) = 0;  // no use of it: it goes on ageing
    virtual Task<bool> put(SessionKey key, std::string record, std::int64_t expires) = 0;  // false: no room
    virtual Task<bool> replace(SessionKey key, std::string record,
                               std::int64_t expires) = 0;                 // false: nor when it has ended
    virtual Task<bool> use_once(Digest state, std::int64_t expires) = 0;  // false: seen before
    virtual Task<bool> forget(Digest state) = 0;         // a refused code: the state costs nothing more
    virtual Task<bool> end_all(SessionQuery query) = 0;  // reads every session: not on a path that is hot
};

}  // namespace oidc
