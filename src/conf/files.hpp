// Files that directives name.
#pragma once

#include <string>
#include <string_view>

#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

std::string full_name(ngx_conf_t* cf, std::string_view path);  // relative to the configuration's folder

std::string read_file(const std::string& name);  // of a bounded size

// What is known of a file without reading it: name, device, inode and time. Another text when it was replaced.
std::string file_identity(const std::string& name);

std::string why_unreadable(ngx_conf_t* cf, const std::string& name);  // for workers; empty: they can open it

}  // namespace oidc::ngx
