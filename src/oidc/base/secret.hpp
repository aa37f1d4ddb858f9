// Secrets: never logged, compared in constant time, wiped.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <openssl/crypto.h>

namespace oidc {

// Bytes that must not be logged, compared in variable time, or left in freed memory. Copies share them.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string value) : value_{new std::string{std::move(value)}, wipe} {}
    std::string_view reveal() const noexcept { return value_ ? std::string_view{*value_} : std::string_view{}; }
    bool empty() const noexcept { return reveal().empty(); }

private:
    static void wipe(std::string* value) noexcept
    {
        OPENSSL_cleanse(value->data(), value->size());
        delete value;
    }

    std::shared_ptr<const std::string> value_;
};

// Equality in time that depends on the lengths only.
inline bool equal_constant_time(std::string_view a, std::string_view b) noexcept
{
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace oidc
