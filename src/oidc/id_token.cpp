#include "id_token.hpp"

#include <algorithm>

#include <strings.h>

#include "crypto.hpp"

namespace oidc {
namespace {

constexpr std::size_t max_subject_size = 255;       // Core 2
constexpr std::int64_t max_token_age = 24 * 3600;   // a token is made for this login: an older one was kept by someone

bool equal_no_case(std::string_view a, std::string_view b) noexcept
{
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

VerifyPolicy policy_of(const Provider& provider)
{
    return {allowed_algs(provider), &provider.client_secret, id_token_reasons};
}

// RFC 8725 section 3.11: neither a logout token nor an access token.
void require_type(const VerifiedJws& jws)
{
    const bool typed = jws.typ().empty() || equal_no_case(jws.typ(), "JWT") || equal_no_case(jws.typ(), "application/jwt");
    if (!typed) fail(Reason::id_token_type, "typ \"" + std::string{jws.typ()} + "\"");
    if (jws.claims().has("events")) fail(Reason::id_token_type, "it has \"events\", as a logout token");
}

void require_issuer(const Json& claims, std::string_view issuer)
{
    if (claims.string("iss") != issuer) fail(Reason::id_token_issuer, "iss is not " + std::string{issuer});
}

void require_subject(const Json& claims)
{
    const std::size_t size = claims.string("sub").value_or("").size();
    if (size == 0 || size > max_subject_size) fail(Reason::id_token_subject, "sub is missing, empty or too long");
}

bool only_strings(const Json& claims, std::string_view name)
{
    return claims.at(name).is_string() || claims.strings(name).size() == claims.at(name).elements().size();
}

void require_audience(const Json& claims, std::string_view client_id)
{
    const std::vector<std::string> audience = claims.strings("aud");
    const bool ours = std::find(audience.begin(), audience.end(), client_id) != audience.end();
    if (!ours || !only_strings(claims, "aud")) fail(Reason::id_token_audience, "aud does not hold our client_id");

    const bool several = audience.size() > 1;
    if (several && !claims.has("azp")) fail(Reason::id_token_azp, "several audiences and no azp");
    if (claims.has("azp") && claims.string("azp") != client_id) fail(Reason::id_token_azp, "azp is not our client_id");
}

void require_not_expired(const Json& claims, std::int64_t now, Seconds skew)
{
    const std::optional<std::int64_t> exp = claims.integer("exp");
    if (!exp) fail(Reason::id_token_expired, "exp is missing or no integer");
    if (*exp <= now - skew)
        fail(Reason::id_token_expired, "expired " + std::to_string(now - *exp) + " s ago: check the clock of this host");
}

void require_begun(const Json& claims, std::int64_t now, Seconds skew)
{
    if (!claims.has("nbf")) return;
    const std::optional<std::int64_t> nbf = claims.integer("nbf");
    if (!nbf || *nbf > now + skew) fail(Reason::id_token_expired, "not valid yet (nbf): check the clock of this host");
}

void require_recent(const Json& claims, std::int64_t now, Seconds skew)
{
    const std::optional<std::int64_t> iat = claims.integer("iat");
    if (!iat) fail(Reason::id_token_iat, "iat is missing or no integer");
    if (*iat > now + skew)
        fail(Reason::id_token_iat, "issued " + std::to_string(*iat - now) + " s ahead: check the clock of this host");
    if (*iat < now - skew - max_token_age) fail(Reason::id_token_iat, "issued more than a day ago");
}

void require_nonce(const Json& claims, std::string_view nonce)
{
    const std::optional<std::string> found = claims.string("nonce");
    const bool same = found && !nonce.empty() && equal_constant_time(*found, nonce);
    if (!same) fail(Reason::id_token_nonce, "the nonce is not the one of this login");
}

void require_acr(const Json& claims, const Provider& provider, const std::vector<std::string>& asked)
{
    if (asked.empty()) return;
    const std::optional<std::string> level = claims.string("acr");
    if (!level || !acr_at_least(provider.acr_orders, asked, *level)) fail(Reason::id_token_acr, "acr is below the level asked for");
}

void require_recent_login(const Json& claims, const std::optional<std::int64_t>& max_age, std::int64_t now, Seconds skew)
{
    if (!max_age) return;
    const std::optional<std::int64_t> auth_time = claims.integer("auth_time");
    if (!auth_time) fail(Reason::id_token_auth_time, "auth_time is missing or no integer");
    if (now - *auth_time - skew > *max_age) fail(Reason::id_token_auth_time, "the authentication is older than max_age");
}

// Core 3.1.3.8: optional with the code flow, right when present.
void require_at_hash(const VerifiedJws& jws, std::string_view access_token)
{
    if (!jws.claims().has("at_hash")) return;
    const std::string digest = hash(jws.alg(), access_token);
    const std::string left_half = base64url(std::string_view{digest}.substr(0, digest.size() / 2));
    const std::string found = jws.claims().string("at_hash").value_or("");
    const bool right = !access_token.empty() && equal_constant_time(found, left_half);
    if (!right) fail(Reason::id_token_at_hash, "at_hash is not that of the access token");
}

bool stands_above(const std::vector<std::string>& order, std::string_view asked, std::string_view level)
{
    const auto low = std::find(order.begin(), order.end(), asked);  // ascending
    return low != order.end() && std::find(low, order.end(), level) != order.end();
}

}  // namespace

const std::vector<std::string>& allowed_algs(const Provider& provider)
{
    static const std::vector<std::string> asymmetric{"RS256", "RS384", "RS512", "PS256", "PS384",
                                                     "PS512", "ES256", "ES384", "ES512"};
    return provider.id_token_algs.empty() ? asymmetric : provider.id_token_algs;
}

bool acr_at_least(const std::vector<std::vector<std::string>>& orders, const std::vector<std::string>& asked,
                  std::string_view level)
{
    return std::any_of(asked.begin(), asked.end(), [&](const std::string& each) {
        return each == level ||
               std::any_of(orders.begin(), orders.end(), [&](const auto& order) { return stands_above(order, each, level); });
    });
}

void require_claims(const Json& claims, const Provider& provider, std::int64_t now)
{
    require_issuer(claims, provider.issuer);                // (2)
    require_subject(claims);                                // Core 2
    require_audience(claims, provider.client_id);           // (3) to (5)
    require_not_expired(claims, now, provider.clock_skew);  // (9)
    require_begun(claims, now, provider.clock_skew);        // RFC 7519 4.1.5
    require_recent(claims, now, provider.clock_skew);       // (10)
}

// In the order of Core 3.1.3.7. The nonce comes after everything that makes the token genuine: a caller may conclude from
// id_token_nonce that the provider issued this token to us, for another login.
VerifiedJws verify_id_token(const Jws& token, const Jwks& keys, const Provider& provider, const Expected& expected,
                            std::int64_t now)
{
    VerifiedJws jws = verify(token, keys, policy_of(provider));                // (6), (7), (8)
    const Json& claims = jws.claims();
    require_type(jws);
    require_claims(claims, provider, now);                                     // (2) to (5), (9), (10)
    require_nonce(claims, expected.nonce);                                     // (11)
    require_acr(claims, provider, expected.acr);                               // (12)
    require_recent_login(claims, expected.max_age, now, provider.clock_skew);  // (13)
    require_at_hash(jws, expected.access_token);                               // 3.1.3.8
    return jws;
}

}  // namespace oidc
