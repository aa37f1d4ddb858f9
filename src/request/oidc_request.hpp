// What the journeys read of a browser's request.
#pragma once

#include <cstddef>

#include "conf/provider_conf.hpp"
#include "conf/route.hpp"
#include "ngx_http_oidc.hpp"
#include "oidc/ports/request.hpp"
#include "oidc/ports/session_record.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc::ngx {

constexpr std::size_t max_form = 64 * 1024;  // bytes of a body that an endpoint reads

Request make_request(ngx_http_request_t* r, const ProviderConf& conf, Endpoint endpoint);

// What the location demands beyond what every login of the provider asks for. A session that goes on keeps its level.
void add_step_up(ngx_http_request_t* r, const Provider& provider, SessionView existing, Request& request);

}  // namespace oidc::ngx
