// The algorithms that may name themselves in a key or a token (RFC 7518), and the curves.
#pragma once

#include <cstddef>
#include <string_view>

namespace oidc {

bool is_signature_alg(std::string_view alg) noexcept;  // ES*, RS*, PS*, HS* in all three sizes
inline bool is_rsa_alg(std::string_view alg) noexcept
{
    return is_signature_alg(alg) && (alg[0] == 'R' || alg[0] == 'P');
}
inline bool is_hmac_alg(std::string_view alg) noexcept { return is_signature_alg(alg) && alg[0] == 'H'; }
inline bool is_jwe_alg(std::string_view alg) noexcept
{
    return alg == "RSA-OAEP" || alg == "RSA-OAEP-256" || alg == "ECDH-ES";
}

struct Curve {
    std::string_view crv, group,
        alg;                 // RFC 7518 section 6.2.1.1, OpenSSL's name, the one signature algorithm of its keys
    std::size_t field_size;  // bytes
};

// `by`: the member that has that name. nullptr: no curve of ours.
const Curve* find_curve(std::string_view Curve::*by, std::string_view name);

}  // namespace oidc
