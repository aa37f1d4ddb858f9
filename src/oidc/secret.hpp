// Bytes that must not be logged, compared in variable time, or left in freed memory.
#pragma once

#include <string>
#include <string_view>

#include <openssl/crypto.h>

namespace oidc {

class Secret {
public:
    Secret() = default;
    explicit Secret(std::string value) noexcept : value_{std::move(value)} {}
    Secret(Secret&& other) noexcept : value_{std::move(other.value_)} { other.wipe(); }
    Secret& operator=(Secret&& other) noexcept
    {
        wipe();
        value_ = std::move(other.value_);
        other.wipe();
        return *this;
    }
    Secret(const Secret&) = default;
    Secret& operator=(const Secret&) = delete;
    ~Secret() { wipe(); }

    std::string_view reveal() const noexcept { return value_; }
    bool empty() const noexcept { return value_.empty(); }

private:
    void wipe() noexcept
    {
        OPENSSL_cleanse(value_.data(), value_.size());
        value_.clear();
    }

    std::string value_;
};

// Equality in time that depends on the lengths only.
inline bool equal_constant_time(std::string_view a, std::string_view b) noexcept
{
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace oidc
