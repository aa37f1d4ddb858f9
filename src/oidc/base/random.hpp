// Randomness, which enters the other files as a parameter.
#pragma once

#include <span>

namespace oidc {

using RandomBytes = void (*)(std::span<unsigned char> out);  // fills, or throws std::runtime_error

void system_random(std::span<unsigned char> out);  // RAND_bytes
void worker_random(
    std::span<unsigned char> out);  // the same, drawn 4 kB at a time and never handed out twice: not before a fork

}  // namespace oidc
