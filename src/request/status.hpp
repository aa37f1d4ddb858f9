// oidc_status: the counters of all workers and the state of the zones, as JSON or as Prometheus reads them (text format
// 0.0.4).
#pragma once

#include "conf/config_error.hpp"
#include "conf/configuration.hpp"
#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

void set_status(ngx_conf_t* cf, const Words& words, LocConf& location);

}  // namespace oidc::ngx
