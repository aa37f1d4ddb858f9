#include "oidc/provider/session_cookie.hpp"

#include "oidc/base/text.hpp"
#include "oidc/provider/profiles.hpp"

namespace oidc {

std::string session_cookie_name(const Provider& provider, bool https)
{
    const CookieRules& rules = provider.cookie;
    bool host_bound =
        https && !rules.name_given && rules.domain.empty() && rules.path == "/" && rules.secure != Switch::off;
    return concat({host_bound ? host_prefix : "", rules.name});
}

CookieAttributes session_cookie_attributes(const Provider& provider, bool https)
{
    const CookieRules& rules = provider.cookie;
    bool secure = rules.secure == Switch::automatic ? https : rules.secure == Switch::on;
    return {rules.domain, rules.path, rules.samesite, secure};
}

}  // namespace oidc
