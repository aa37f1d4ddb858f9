#include "oidc/protocol/registered_claims.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oidc/base/text.hpp"

namespace oidc {
namespace {

constexpr std::size_t max_subject_size = 255;  // Core 2
const std::string clock_hint = ": check the clock of this host";

void require_audience(const Json& claims, std::string_view client_id, const ClaimRules& rules)
{
    const std::vector<std::string> audience = claims.strings("aud");
    const bool only_strings = claims.at("aud").is_string() || audience.size() == claims.at("aud").elements().size();
    if (!contains(audience, client_id) || !only_strings) fail(rules.audience, "aud does not hold our client_id");
    if (audience.size() > 1 && !claims.has("azp")) fail(rules.azp, "several audiences and no azp");
    if (claims.has("azp") && claims.string("azp") != client_id) fail(rules.azp, "azp is not our client_id");
}

void require_times(const Json& claims, std::int64_t now, Seconds skew, const ClaimRules& rules)
{
    const std::optional<std::int64_t> exp = claims.integer("exp"), nbf = claims.integer("nbf"),
                                      iat = claims.integer("iat");
    if (!exp) fail(rules.expired, "exp is missing or no integer");
    if (*exp <= now - skew) fail(rules.expired, "expired " + std::to_string(now - *exp) + " s ago" + clock_hint);
    if (claims.has("nbf") && (!nbf || *nbf > now + skew)) fail(rules.expired, "not valid yet (nbf)" + clock_hint);
    if (!iat) fail(rules.iat, "iat is missing or no integer");
    if (*iat > now + skew) fail(rules.iat, "issued " + std::to_string(*iat - now) + " s ahead" + clock_hint);
    if (*iat < now - skew - rules.max_age) fail(rules.iat, "issued " + std::to_string(now - *iat) + " s ago: too old");
}

}  // namespace

void require_claims(const Json& claims, const Provider& provider, std::int64_t now, const ClaimRules& rules)
{
    if (claims.string("iss") != provider.issuer) fail(rules.issuer, "iss is not " + provider.issuer);  // (2)
    const std::string subject = claims.text("sub");                                                    // Core 2
    const bool named = !subject.empty() || (rules.sub_optional && !claims.has("sub"));
    if (!named || subject.size() > max_subject_size) fail(rules.subject, "sub is missing, empty or too long");
    // No session's record holds such a value: the session would name nobody.
    const bool kept = subject.find_first_of(std::string_view("\r\n\0", 3)) == subject.npos;
    if (!kept) fail(rules.subject, "sub holds a line end or a NUL");
    require_audience(claims, provider.client_id, rules);     // (3) to (5)
    require_times(claims, now, provider.clock_skew, rules);  // (9), (10)
}

}  // namespace oidc
