// client_secret_file.
#pragma once

#include <cstdint>
#include <string>

#include "oidc/base/secret.hpp"

namespace oidc::ngx {

// And what was seen of it when it was last read.
struct SecretFile {
    std::string name;  // empty: none, or workers cannot read it
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec changed{};
    std::int64_t looked = 0;  // Unix seconds
    bool look() noexcept;     // whether it has changed since
};

Secret read_secret(const std::string& name);  // a file of one line

}  // namespace oidc::ngx
