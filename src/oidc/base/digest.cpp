#include "oidc/base/digest.hpp"

#include <cstddef>
#include <stdexcept>

#include <openssl/hmac.h>

#include "oidc/base/openssl.hpp"

namespace oidc {
namespace {

const EVP_MD* md_of(std::string_view alg)
{
    for (const EVP_MD* md : {EVP_sha256(), EVP_sha384(), EVP_sha512()})
        if (alg.ends_with(std::to_string(EVP_MD_get_size(md) * 8))) return md;
    throw std::invalid_argument{"unknown hash"};
}

}  // namespace

Digest sha256(std::initializer_list<std::string_view> parts)
{
    static const Owned<EVP_MD, EVP_MD_free> md{EVP_MD_fetch(nullptr, "SHA256", nullptr)};
    static const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context{EVP_MD_CTX_new()};
    Digest out;
    bool ok = EVP_DigestInit_ex2(context.get(), md.get(), nullptr) == 1;
    for (const std::string_view part : parts) ok = ok && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
    require_done(ok && EVP_DigestFinal_ex(context.get(), out.data(), nullptr) == 1, "SHA-256");
    return out;
}

std::string hash(std::string_view alg, std::string_view bytes)
{
    const EVP_MD* md = md_of(alg);
    std::string out(static_cast<std::size_t>(EVP_MD_get_size(md)), '\0');
    require_done(EVP_Digest(bytes.data(), bytes.size(), bytes_of(out), nullptr, md, nullptr) == 1, "digest");
    return out;
}

std::string hmac(std::string_view alg, std::string_view key, std::string_view bytes)
{
    const EVP_MD* md = md_of(alg);
    std::string out(static_cast<std::size_t>(EVP_MD_get_size(md)), '\0');
    require_done(
        HMAC(md, key.data(), static_cast<int>(key.size()), bytes_of(bytes), bytes.size(), bytes_of(out), nullptr),
        "HMAC");
    return out;
}

}  // namespace oidc
