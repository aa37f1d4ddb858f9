#include "client/failure_log.hpp"

#include <cstddef>

#include "conf/configuration.hpp"
#include "oidc/base/text.hpp"

namespace oidc::ngx {
namespace {

constexpr ngx_uint_t log_levels[] = {NGX_LOG_INFO, NGX_LOG_ERR, NGX_LOG_ERR, NGX_LOG_CRIT};  // by Blame

}  // namespace

void log_failure(ngx_log_t* log, const Failure& failure, std::string_view provider, std::string_view where)
{
    metrics_of(provider).add(failure.reason);
    std::string text = concat({name_of(failure.reason), ": provider \"", provider, "\""});
    if (!failure.detail.empty()) text += ": " + failure.detail;
    if (!failure.support_id.empty()) text += ", support id " + failure.support_id;
    ngx_uint_t level = log_levels[static_cast<std::size_t>(blame_of(failure.reason))];
    ngx_log_error(level, log, 0, "oidc: %s%s", printable(text).c_str(), printable(where).c_str());
}

std::string to_text(const std::exception& e)
{
    auto* failure = dynamic_cast<const Failure*>(&e);
    return printable(e.what() + (failure == nullptr || failure->detail.empty() ? "" : ": " + failure->detail));
}

}  // namespace oidc::ngx
