// What the worker does that no request waits for: new tokens before the old ones end, and the tokens of ended sessions
// taken back.
#pragma once

#include <string>

#include "conf/configuration.hpp"
#include "conf/provider_conf.hpp"
#include "oidc/ports/sessions.hpp"

namespace oidc::ngx {

// Begins to renew the tokens of the session under `key`, unless a worker does, or has just failed to.
void begin_refresh(const ProviderConf& conf, const MainConf& main, const SessionKey& key);
bool is_refreshing(const MainConf& main, const SessionKey& key);
void begin_revocation(const ProviderConf& conf, const MainConf& main, std::string record);

}  // namespace oidc::ngx
