// The pages that the module shows by itself, in French or English: no script, nothing from elsewhere, everything
// escaped.
#pragma once

#include <string>
#include <string_view>

#include "oidc/base/failure.hpp"

namespace oidc {

// Their Content-Security-Policy: no frame shows them. No form-action: browsers hold it against the redirect to the
// provider, too.
constexpr std::string_view page_policy =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

// What of a browser's Accept-Language (RFC 9110 section 12.5.4) these pages have: French unless it prefers English.
bool prefers_french(std::string_view accept_language);

// For HTML text and attributes: control characters are spaces.
std::string html_escaped(std::string_view text);

// What became of a login or a logout. `retry`: where it can be tried again, empty: nowhere. `support_id`: the
// provider's own reference.
std::string failure_page(bool french, Reason reason, std::string_view support_id, std::string_view retry);
std::string logged_out_page(bool french);
// Asks the person, with a form that posts to `action`, our own logout_uri.
std::string confirm_logout_page(bool french, std::string_view action);

}  // namespace oidc
