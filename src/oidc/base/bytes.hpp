// Values as they lie in memory: what is sealed into a cookie or kept in a session's record.
#pragma once

#include <cstring>
#include <string_view>
#include <type_traits>

namespace oidc {

// The bytes of a value as they lie in memory; and such a value from the front of some, T{} when they are cut.
template <class T>
std::string_view stored(const T& value) noexcept
{
    static_assert(std::has_unique_object_representations_v<T>, "no padding is stored");
    return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

template <class T>
T load(std::string_view bytes) noexcept
{
    T value{};
    if (bytes.size() >= sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
}

}  // namespace oidc
