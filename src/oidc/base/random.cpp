#include "oidc/base/random.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include <openssl/rand.h>

#include "oidc/base/openssl.hpp"

namespace oidc {

void system_random(std::span<unsigned char> out)
{
    require_done(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1, "the system has no randomness to give");
}

void worker_random(std::span<unsigned char> out)
{
    static std::array<unsigned char, 4096> stock;
    static std::size_t used = stock.size();
    require_done(out.size() <= stock.size(), "too much randomness at once");
    if (out.size() > stock.size() - used) {
        system_random(stock);
        used = 0;
    }
    std::copy_n(stock.data() + used, out.size(), out.data());
    OPENSSL_cleanse(stock.data() + used, out.size());
    used += out.size();
}

}  // namespace oidc
