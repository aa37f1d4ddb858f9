// Why a login, a logout or a document was refused: one closed list, one stable identifier each. docs/variables.md
// describes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace oidc {

enum class Blame : std::uint8_t { browser, configuration, provider, us };

// name, HTTP status shown to the browser, who is to blame (chooses the log level)
// clang-format off
#define OIDC_REASONS(X) \
    X(callback_malformed, 400, browser) \
    X(state_missing, 400, browser) \
    X(state_unknown, 400, browser) \
    X(state_expired, 400, browser) \
    X(state_replayed, 400, browser) \
    X(login_loop, 400, configuration) \
    X(login_cancelled, 403, browser) \
    X(login_required, 403, browser) \
    X(return_refused, 400, browser) \
    X(logout_state, 400, browser) \
    X(provider_error, 403, provider) \
    X(callback_issuer, 400, provider) \
    X(provider_unreachable, 502, provider) \
    X(provider_timeout, 504, provider) \
    X(provider_busy, 503, provider) \
    X(metadata_issuer, 502, configuration) \
    X(metadata_refused, 502, provider) \
    X(metadata_malformed, 502, provider) \
    X(metadata_endpoint, 502, provider) \
    X(jwks_refused, 502, provider) \
    X(jwks_malformed, 502, provider) \
    X(client_refused, 502, configuration) \
    X(token_refused, 502, provider) \
    X(token_malformed, 502, provider) \
    X(token_type, 502, provider) \
    X(par_refused, 502, provider) \
    X(par_malformed, 502, provider) \
    X(id_token_encryption, 502, configuration) \
    X(id_token_malformed, 502, provider) \
    X(id_token_missing, 502, provider) \
    X(id_token_decryption, 502, configuration) \
    X(id_token_algorithm, 502, configuration) \
    X(id_token_key, 502, provider) \
    X(id_token_signature, 502, provider) \
    X(id_token_type, 502, provider) \
    X(id_token_issuer, 502, provider) \
    X(id_token_subject, 502, provider) \
    X(id_token_audience, 502, provider) \
    X(id_token_azp, 502, provider) \
    X(id_token_expired, 502, configuration) \
    X(id_token_iat, 502, configuration) \
    X(id_token_nonce, 403, browser) \
    X(id_token_acr, 403, provider) \
    X(id_token_at_hash, 502, provider) \
    X(id_token_auth_time, 502, provider) \
    X(userinfo_encryption, 502, configuration) \
    X(userinfo_malformed, 502, provider) \
    X(userinfo_refused, 502, provider) \
    X(userinfo_expired, 502, configuration) \
    X(userinfo_signature, 502, provider) \
    X(userinfo_issuer, 502, provider) \
    X(userinfo_subject, 403, provider) \
    X(userinfo_audience, 502, provider) \
    X(subject_changed, 403, browser) \
    X(scope_refused, 403, provider) \
    X(refresh_refused, 502, browser) \
    X(logout_refused, 403, browser) \
    X(argument_refused, 400, browser) \
    X(logout_token_missing, 400, browser) \
    X(logout_token_malformed, 400, browser) \
    X(logout_token_encryption, 400, browser) \
    X(logout_token_algorithm, 400, browser) \
    X(logout_token_signature, 400, browser) \
    X(logout_token_type, 400, provider) \
    X(logout_token_issuer, 400, provider) \
    X(logout_token_subject, 400, provider) \
    X(logout_token_audience, 400, provider) \
    X(logout_token_event, 400, provider) \
    X(logout_token_expired, 400, configuration) \
    X(logout_token_iat, 400, configuration) \
    X(logout_token_replayed, 400, provider) \
    X(session_too_large, 502, configuration) \
    X(session_store, 503, us) \
    X(internal, 500, us) \
    X(provider_unknown, 500, configuration)
// clang-format on

#define OIDC_REASON_NAME(name, status, blame) name,
#define OIDC_REASON_ROW(name, status, blame) {#name, status, Blame::blame},
enum class Reason : std::uint8_t { OIDC_REASONS(OIDC_REASON_NAME) };

struct ReasonRow {
    std::string_view name;
    int status;
    Blame blame;
};
inline constexpr ReasonRow reason_rows[] = {OIDC_REASONS(OIDC_REASON_ROW)};
constexpr const ReasonRow& row_of(Reason reason) noexcept { return reason_rows[static_cast<std::size_t>(reason)]; }
constexpr std::string_view name_of(Reason reason) noexcept { return row_of(reason).name; }  // of logs and $oidc_error
constexpr int status_of(Reason reason) noexcept { return row_of(reason).status; }
constexpr Blame blame_of(Reason reason) noexcept { return row_of(reason).blame; }

// Thrown by src/oidc, caught once by the adapter. `detail` is for the log: it never holds a token or a claim value,
// and it may hold bytes chosen by the provider (the adapter escapes it).
struct Failure final : std::exception {
    Reason reason;
    std::string detail;
    std::string support_id;   // the provider's own reference of the incident, when it gave one
    std::string description;  // the provider's own words to the person, unescaped
    bool unanswered = false;  // a code was sent, and nobody knows whether it was used

    Failure(Reason why, std::string text) noexcept : reason{why}, detail{std::move(text)} {}
    const char* what() const noexcept override { return name_of(reason).data(); }
};

[[noreturn]] inline void fail(Reason reason, std::string detail = {}) { throw Failure(reason, std::move(detail)); }

}  // namespace oidc
