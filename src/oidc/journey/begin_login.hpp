// The begin of a login (OpenID Connect Core 3.1.2.1): the browser is sent to the provider.
#pragma once

#include <optional>
#include <string>

#include "oidc/base/task.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/ports/request.hpp"
#include "oidc/ports/session_record.hpp"

namespace oidc {

// Where a login leads, and how often it began again by itself.
struct LoginTarget {
    std::string return_path = "/";
    unsigned restarts = 0;
    bool step_up = false;  // for a session that lacks a level or a scope, and goes on with it
};

// `existing`: the live session of this provider, when the browser has one.

// Redirects to the provider (3.1.2.1). Nothing is written on this side but a sealed cookie.
Task<Reply> start_login(Context context, LoginTarget target);
// The same without a wait; nullopt: the metadata is not at hand, or the request has to be pushed.
std::optional<Reply> login_without_wait(Context context, LoginTarget target);
// login_uri: `?return=` a local path; with a session it leads straight there.
Task<Reply> login_from_link(Context context, SessionView existing);
// initiate_login_uri (Core 4): another site, named by `iss`, asks for a login. With a session, too.
Task<Reply> initiated_login(Context context);

}  // namespace oidc
