// What a location inherits, and whether the whole of it makes sense.
#pragma once

#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

char* merge_location(ngx_conf_t* cf, void* parent, void* child);

}  // namespace oidc::ngx
