// The oidc_provider block as a whole: what the profile sets, then the checks that need more than one directive.
#pragma once

#include "conf/provider_conf.hpp"
#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

// Fills in what was not written, warns, or throws ConfigError.
void check_provider(ngx_conf_t* cf, ProviderConf& conf);

}  // namespace oidc::ngx
