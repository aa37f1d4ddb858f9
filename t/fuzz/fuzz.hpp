// What the fuzz targets share: an input in pieces, and properties that must hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <openssl/err.h>

#include "oidc/base/failure.hpp"
#include "oidc/base/task.hpp"

// libFuzzer keeps the input that aborts.
#define MUST(condition) ((condition) ? void() : oidc::fuzz::broken(#condition, __FILE__, __LINE__))

namespace oidc::fuzz {

[[noreturn]] inline void broken(const char* what, const char* file, int line)
{
    std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    std::abort();
}

// Takes the next piece off the front of an input: they are separated by 0x1e, so that seeds stay readable.
constexpr char piece_end = '\x1e';
inline std::string_view next_piece(std::string_view& input) noexcept
{
    const std::string_view piece = input.substr(0, input.find(piece_end));
    input.remove_prefix(std::min(piece.size() + 1, input.size()));
    return piece;
}

// Bytes of their own, exactly as long as they are: AddressSanitizer sees a read beyond them, which it does not in a
// short std::string or in the midst of an input.
class Exact {
public:
    explicit Exact(std::string_view bytes) : bytes_{new char[bytes.size()]}, size_{bytes.size()}
    {
        std::ranges::copy(bytes, bytes_.get());
    }
    std::string_view view() const noexcept { return {bytes_.get(), size_}; }

private:
    std::unique_ptr<char[]> bytes_;
    std::size_t size_;
};

inline bool is_inside(std::string_view part, std::string_view whole) noexcept
{
    return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

// No CR, LF, NUL or other control character: what a header may hold.
inline bool is_header_safe(std::string_view text) noexcept
{
    return std::ranges::none_of(text, [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

// Why `action` refuses, nullopt when it does not. Any exception but Failure ends the run: so it is found.
template <class F>
std::optional<Failure> refusal(F action)
{
    ERR_clear_error();
    std::optional<Failure> why;
    try {
        action();
    } catch (const Failure& failure) {
        why = failure;
    }
    MUST(ERR_peek_error() == 0);  // nginx logs an alert for what is left there
    return why;
}

// The same bytes at every run, never twice in one.
inline std::uint64_t drawn = 0;
inline void counted_random(std::span<unsigned char> out)
{
    std::uint64_t state = ++drawn * 0x9e3779b97f4a7c15;
    for (unsigned char& byte : out) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        byte = static_cast<unsigned char>(state >> 32);
    }
}

// Changes bytes of `text` as `edits` says, two bytes each: where, and to what.
inline std::string edited(std::string text, std::string_view edits)
{
    for (; edits.size() >= 2 && !text.empty(); edits.remove_prefix(2))
        text[static_cast<unsigned char>(edits[0]) * text.size() / 256] = edits[1];
    return text;
}

}  // namespace oidc::fuzz

// A target is this function, with the bytes of one run.
#define FUZZ_TARGET(input)                                                                                             \
    static void run(std::string_view input);                                                                           \
    extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)                                  \
    {                                                                                                                  \
        run({reinterpret_cast<const char*>(data), size});                                                              \
        return 0;                                                                                                      \
    }                                                                                                                  \
    static void run(std::string_view input)
