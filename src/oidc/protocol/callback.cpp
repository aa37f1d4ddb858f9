#include "oidc/protocol/callback.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

#include "oidc/base/failure.hpp"
#include "oidc/provider/profiles.hpp"

namespace oidc {

std::string single_value(const std::vector<Param>& params, std::string_view name)
{
    const auto times = std::ranges::count(params, name, &Param::name);
    const std::string_view value = last_value(params, name);
    if (times > 1 || (times == 1 && value.empty())) fail(Reason::callback_malformed);
    return std::string(value);
}

Callback parse_callback(std::string_view query)
{
    const std::optional<std::vector<Param>> params = parse_query(query);
    if (!params) fail(Reason::callback_malformed);
    Callback callback{single_value(*params, "code"), single_value(*params, "state"), single_value(*params, "iss"),
                      single_value(*params, "error"),
                      std::string(last_value(*params, "error_description").substr(0, 256))};
    if (callback.state.empty()) fail(Reason::state_missing);
    if (callback.code.empty() == callback.error.empty())
        fail(Reason::callback_malformed, "neither or both of code and error");
    std::ranges::replace_if(
        callback.error_description, [](unsigned char c) { return std::iscntrl(c) != 0; }, ' ');
    return callback;
}

void require_code(const Callback& callback, const Provider& provider, const Endpoints& endpoints)
{
    const bool judged = provider.iss_parameter != Switch::off;
    const bool required = judged && (provider.iss_parameter == Switch::on || endpoints.callback_iss);
    if (required && callback.iss.empty()) fail(Reason::callback_issuer, "no iss parameter");
    if (judged && !callback.iss.empty() && callback.iss != provider.issuer)
        fail(Reason::callback_issuer, "iss is another issuer");
    if (callback.error.empty()) return;
    const Reason reason = callback.error == "access_denied"    ? Reason::login_cancelled
                          : callback.error == "login_required" ? Reason::login_required
                                                               : Reason::provider_error;
    Failure failure(reason, "error \"" + callback.error.substr(0, 64) + "\"");
    failure.description = callback.error_description;
    throw failure;
}

}  // namespace oidc
