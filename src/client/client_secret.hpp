// The client secret of a file that changes.
#pragma once

#include "conf/provider_conf.hpp"

namespace oidc::ngx {

void renew_secret(const ProviderConf& conf);  // when its file has changed, looked at once a second

}  // namespace oidc::ngx
