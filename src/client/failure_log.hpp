// What failed, in nginx's error log and in the counters.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "ngx_http_oidc.hpp"
#include "oidc/base/failure.hpp"

namespace oidc::ngx {

// One line without a token or a claim value, at the level of who is to blame; counted for the provider of that name.
void log_failure(ngx_log_t* log, const Failure& failure, std::string_view provider, std::string_view where = {});

std::string to_text(const std::exception& e);  // for the log

}  // namespace oidc::ngx
