// OpenSSL's objects, owned; its bytes; its queue of errors.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include <openssl/err.h>
#include <openssl/evp.h>

namespace oidc {

// What a C library made, with the function that frees it.
template <auto release>
struct Release {
    void operator()(auto* object) const noexcept { release(object); }
};
template <class T, auto release>
using Owned = std::unique_ptr<T, Release<release>>;
using Pkey = Owned<EVP_PKEY, EVP_PKEY_free>;
using PkeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

// Leaves OpenSSL's queue of errors as it was: nginx logs an alert for what others leave in it.
struct CleanErrorQueue {
    CleanErrorQueue() noexcept { ERR_set_mark(); }
    CleanErrorQueue(const CleanErrorQueue&) = delete;
    ~CleanErrorQueue() { ERR_pop_to_mark(); }
};

inline const unsigned char* bytes_of(std::string_view text) noexcept
{
    return reinterpret_cast<const unsigned char*>(text.data());
}
inline unsigned char* bytes_of(std::string& text) noexcept { return reinterpret_cast<unsigned char*>(text.data()); }

// For calls that fail only without memory, or where a provider of OpenSSL lacks the algorithm.
inline void require_done(bool done, const char* what)
{
    if (!done) throw std::runtime_error{what};
}

}  // namespace oidc
