#include "oidc/protocol/client_auth.hpp"

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include "oidc/base/base64.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/openssl.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/jose/own_keys.hpp"

namespace oidc {
namespace {

constexpr std::size_t least_secret = 32;  // of an HS256 signature (RFC 7518 section 3.2)
constexpr Seconds assertion_life = 60;

struct Signer {
    const OwnKey* key = nullptr;
    std::string_view alg{};
};

// The first active key whose algorithm the provider names, else the first one. An RSA key without one signs with RS256,
// or PS256.
Signer signer_of(const Provider& provider, const std::vector<std::string>& offered)
{
    Signer first;
    for (const OwnKey& key : provider.own_keys) {
        if (key.use != KeyUse::sig || key.state != KeyState::active) continue;
        for (const std::string_view alg : {std::string_view("RS256"), std::string_view("PS256")}) {
            const Signer signer{&key, key.alg.empty() ? alg : key.alg};
            if (contains(offered, signer.alg)) return signer;
            if (first.key == nullptr) first = signer;
        }
    }
    return first;
}

// RFC 7518 section 3.4: two integers of the curve's size, where OpenSSL writes DER.
std::string raw_ecdsa(std::string_view der, std::size_t size)
{
    const unsigned char* at = bytes_of(der);
    const Owned<ECDSA_SIG, ECDSA_SIG_free> signature{d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()))};
    std::string raw(2 * size, '\0');
    const auto length = static_cast<int>(size);
    const bool written = signature &&
                         BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), bytes_of(raw), length) == length &&
                         BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), bytes_of(raw) + size, length) == length;
    return written ? raw : std::string();
}

std::string sign(std::string_view alg, EVP_PKEY* key, std::string_view input)
{
    const CleanErrorQueue clean;
    const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context{EVP_MD_CTX_new()};
    EVP_PKEY_CTX* options = nullptr;
    const std::string digest = concat({"SHA", alg.substr(2)});
    std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key)), '\0');
    std::size_t size = signature.size();

    bool ok = EVP_DigestSignInit_ex(context.get(), &options, digest.c_str(), nullptr, nullptr, key, nullptr) == 1;
    if (ok && alg.starts_with("PS"))
        ok = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
    ok = ok && EVP_DigestSign(context.get(), bytes_of(signature), &size, bytes_of(input), input.size()) == 1;

    signature.resize(size);
    if (ok && alg.starts_with("ES"))
        signature = raw_ecdsa(signature, static_cast<std::size_t>(EVP_PKEY_get_bits(key) + 7) / 8);
    if (!ok || signature.empty()) fail(Reason::internal, concat({"the client_key cannot sign with ", alg}));
    return signature;
}

// RFC 7523 section 3. The audience is the issuer: every provider that follows FAPI 2.0 or RFC 9126 takes it, and no
// endpoint in the metadata of another provider can make an assertion that is good for this one.
std::string assertion(Context context, const Endpoints& endpoints, bool by_secret)
{
    const Provider& provider = context.provider;
    const Signer signer = by_secret ? Signer{nullptr, "HS256"} : signer_of(provider, endpoints.auth_algs);
    const std::string client = json_quoted(provider.client_id), now = std::to_string(context.request.now);
    const std::string audience = json_quoted(provider.audience_is_token_endpoint ? endpoints.token : provider.issuer);
    Digest id;
    context.ports.random(id);

    Json header = Json::object({{"alg", std::string(signer.alg)}});
    if (signer.key != nullptr) header.set("kid", signer.key->kid);
    if (signer.key != nullptr)
        for (const auto& [name, print] : signer.key->thumbprints) header.set(name, print);

    const std::string claims =
        concat({"{\"iss\":", client, ",\"sub\":", client, ",\"aud\":", audience, ",\"jti\":\"", base64url(view(id)),
                "\",\"iat\":", now, ",\"exp\":", std::to_string(context.request.now + assertion_life), "}"});

    const std::string input = base64url(header.dump()) + '.' + base64url(claims);
    const std::string signature = by_secret ? hmac(signer.alg, provider.client_secret.reveal(), input)
                                            : sign(signer.alg, signer.key->key.get(), input);
    return input + '.' + base64url(signature);
}

}  // namespace

bool can_authenticate(const Provider& provider, ClientAuth method)
{
    const std::size_t secret = provider.client_secret.reveal().size();
    switch (method) {
    case ClientAuth::basic:
    case ClientAuth::post: return secret > 0;
    case ClientAuth::secret_jwt: return secret >= least_secret;
    case ClientAuth::private_key_jwt: return signer_of(provider, {}).key != nullptr;
    case ClientAuth::tls:
    case ClientAuth::self_signed_tls: return !provider.http.certificate.empty();
    default: return true;
    }
}

ClientAuth client_auth(const Provider& provider, const Endpoints& endpoints)
{
    if (provider.client_auth != ClientAuth::automatic) return provider.client_auth;
    const std::vector<std::string> names = words(client_auth_names);
    ClientAuth first = ClientAuth::none;
    for (std::size_t i = 1; i + 1 < names.size(); ++i) {
        const auto method = static_cast<ClientAuth>(i);
        if (!can_authenticate(provider, method)) continue;
        if (contains(endpoints.auth_methods, names[i])) return method;
        if (first == ClientAuth::none) first = method;
    }
    return first;
}

HttpRequest client_request(Context context, const Endpoints& endpoints, const std::string& url,
                           const std::string& query)
{
    const Provider& provider = context.provider;
    HttpRequest request{url, {"Accept: application/json"}, std::nullopt, &provider.http};
    const ClientAuth method = client_auth(provider, endpoints);
    const std::string_view secret = provider.client_secret.reveal();
    const bool by_secret = method == ClientAuth::secret_jwt;

    std::string signed_by_client;
    std::vector<Arg> params;

    if (method == ClientAuth::basic) {  // RFC 6749 2.3.1: both parts are form-encoded before base64
        const std::string pair = percent_encode(provider.client_id) + ':' + percent_encode(secret);
        request.headers.push_back("Authorization: Basic " + base64(pair));
    } else if (!query.starts_with("?client_id=")) {
        params.push_back({"client_id", provider.client_id});
    }

    if (method == ClientAuth::post) params.push_back({"client_secret", secret});
    if (by_secret || method == ClientAuth::private_key_jwt) {
        signed_by_client = assertion(context, endpoints, by_secret);
        params.push_back({"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"});
        params.push_back({"client_assertion", signed_by_client});
    }

    request.form = append_args(query, params).substr(1);
    return request;
}

Task<HttpResponse> send_repeatable(Context context, const Endpoints& endpoints, std::string url, std::string query)
{
    HttpRequest request = client_request(context, endpoints, url, query);
    HttpResponse response = co_await context.ports.http.send(std::move(request));
    if (response.transport != Transport::unanswered) co_return response;
    HttpRequest again = client_request(context, endpoints, url, query);
    co_return co_await context.ports.http.send(std::move(again));
}

}  // namespace oidc
