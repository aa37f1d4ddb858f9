#include "oidc/journey/revoke_tokens.hpp"

#include <cstdint>
#include <memory>
#include <utility>

#include "oidc/ports/session_record.hpp"
#include "oidc/protocol/revocation.hpp"
#include "oidc/provider/endpoints.hpp"

namespace oidc {

Task<bool> revoke_tokens(Context context, std::string record)
{
    const SessionView session(record);
    const std::int64_t expires = session.times().access_expires;
    std::shared_ptr<const Endpoints> endpoints = co_await context.ports.documents.endpoints(context.provider);
    if (endpoints->revocation.empty()) co_return false;
    std::string refresh_token(session.internal(entry_name::refresh_token));
    std::string access_token(session.internal(entry_name::access_token));
    if (!refresh_token.empty()) {
        co_await revoke_token(context, *endpoints, std::move(refresh_token), "refresh_token");
    }
    if (!access_token.empty() && (expires == 0 || expires > context.request.now)) {
        co_await revoke_token(context, *endpoints, std::move(access_token), "access_token");
    }
    co_return true;
}

}  // namespace oidc
