// Read once for all objects of the targets: a fifth of the compiler's work.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/evp.h>
