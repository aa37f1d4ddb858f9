// Signed tokens: their keys rotate, and an ID token answers to one login.
#include "crypto.hpp"
#include "protocol.hpp"

namespace oidc {
namespace {

constexpr std::size_t max_subject_size = 255;       // Core 2
constexpr std::int64_t max_token_age = 24 * 3600;   // a token is made for this login: an older one was kept by someone
const std::string clock_hint = ": check the clock of this host";

void require_audience(const Json& claims, std::string_view client_id)
{
    const std::vector<std::string> audience = claims.strings("aud");
    const bool only_strings = claims.at("aud").is_string() || audience.size() == claims.at("aud").elements().size();
    if (!contains(audience, client_id) || !only_strings) fail(Reason::id_token_audience, "aud does not hold our client_id");
    if (audience.size() > 1 && !claims.has("azp")) fail(Reason::id_token_azp, "several audiences and no azp");
    if (claims.has("azp") && claims.string("azp") != client_id) fail(Reason::id_token_azp, "azp is not our client_id");
}

void require_times(const Json& claims, std::int64_t now, Seconds skew)
{
    const std::optional<std::int64_t> exp = claims.integer("exp"), nbf = claims.integer("nbf"), iat = claims.integer("iat");
    if (!exp) fail(Reason::id_token_expired, "exp is missing or no integer");
    if (*exp <= now - skew) fail(Reason::id_token_expired, "expired " + std::to_string(now - *exp) + " s ago" + clock_hint);
    if (claims.has("nbf") && (!nbf || *nbf > now + skew)) fail(Reason::id_token_expired, "not valid yet (nbf)" + clock_hint);
    if (!iat) fail(Reason::id_token_iat, "iat is missing or no integer");
    if (*iat > now + skew) fail(Reason::id_token_iat, "issued " + std::to_string(*iat - now) + " s ahead" + clock_hint);
    if (*iat < now - skew - max_token_age) fail(Reason::id_token_iat, "issued more than a day ago");
}

// Core 3.1.3.8: optional with the code flow, right when present.
void require_at_hash(const VerifiedJws& jws, std::string_view access_token)
{
    if (!jws.claims().has("at_hash")) return;
    const std::string digest = hash(jws.alg(), access_token);
    const std::string left_half = base64url(std::string_view{digest}.substr(0, digest.size() / 2));
    const bool right = equal_constant_time(jws.claims().string("at_hash").value_or(""), left_half);
    if (access_token.empty() || !right) fail(Reason::id_token_at_hash, "at_hash is not that of the access token");
}

}  // namespace

Task<VerifiedJws> open_token(std::string token, const Provider& provider, Documents& documents, const Encryption& encryption,
                             const VerifyPolicy& policy)
{
    const Jws jws = unwrap(std::move(token), encryption.required, provider.own_keys, encryption.algs, policy.reasons);
    if (is_hmac_alg(jws.alg())) co_return VerifiedJws(jws, Jwks(), policy);  // its key is the client secret, where that is allowed
    std::shared_ptr<const Jwks> keys = co_await documents.keys(provider);
    try {
        co_return VerifiedJws(jws, *keys, policy);
    } catch (const Failure& failure) {
        if (failure.reason != policy.reasons.key && failure.reason != policy.reasons.signature) throw;
    }
    std::shared_ptr<const Jwks> newer = co_await documents.newer_keys(provider, keys);
    co_return VerifiedJws(jws, *newer, policy);
}

VerifyPolicy id_token_policy(const Provider& provider)
{
    static const std::vector<std::string> asymmetric = words("RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512");
    return {provider.id_token_algs.empty() ? asymmetric : provider.id_token_algs, &provider.client_secret, id_token_reasons};
}

bool acr_at_least(const std::vector<AcrOrder>& orders, const std::vector<std::string>& asked, std::string_view level)
{
    return contains(asked, level) || std::ranges::any_of(orders, [&](const AcrOrder& order) {
        const auto low = std::ranges::find_first_of(order, asked);  // ascending
        return std::find(low, order.end(), level) != order.end();
    });
}

void require_claims(const Json& claims, const Provider& provider, std::int64_t now)
{
    if (claims.string("iss") != provider.issuer) fail(Reason::id_token_issuer, "iss is not " + provider.issuer);       // (2)
    const std::size_t subject = claims.string("sub").value_or("").size();                                              // Core 2
    if (subject == 0 || subject > max_subject_size) fail(Reason::id_token_subject, "sub is missing, empty or too long");
    require_audience(claims, provider.client_id);                                                                      // (3) to (5)
    require_times(claims, now, provider.clock_skew);                                                                   // (9), (10)
}

// In the order of Core 3.1.3.7. The nonce comes after everything that makes the token genuine: a caller may conclude from
// id_token_nonce that the provider issued this token to us, for another login.
void require_id_token(const VerifiedJws& jws, const Provider& provider, const Expected& expected, std::int64_t now)
{
    const Json& claims = jws.claims();
    // RFC 8725 section 3.11: neither a logout token nor an access token.
    const bool typed = jws.typ().empty() || equal_no_case(jws.typ(), "JWT") || equal_no_case(jws.typ(), "application/jwt");
    if (!typed) fail(Reason::id_token_type, concat({"typ \"", jws.typ(), "\""}));
    if (claims.has("events")) fail(Reason::id_token_type, "it has \"events\", as a logout token");
    require_claims(claims, provider, now);

    const std::string nonce = claims.string("nonce").value_or("");                                                     // (11)
    const bool answers = !nonce.empty() && equal_constant_time(nonce, expected.nonce);
    if (!answers) fail(Reason::id_token_nonce, "the nonce is not the one of this login");

    const std::string level = claims.string("acr").value_or("");                                                       // (12)
    const bool strong = expected.acr.empty() || acr_at_least(provider.acr_orders, expected.acr, level);
    if (!strong) fail(Reason::id_token_acr, "acr is below the level asked for");

    const std::optional<std::int64_t> login = claims.integer("auth_time");                                             // (13)
    if (expected.max_age && !login) fail(Reason::id_token_auth_time, "auth_time is missing or no integer");
    const bool recent = !expected.max_age || now - *login - provider.clock_skew <= *expected.max_age;
    if (!recent) fail(Reason::id_token_auth_time, "the authentication is older than max_age");
    require_at_hash(jws, expected.access_token);
}

}  // namespace oidc
