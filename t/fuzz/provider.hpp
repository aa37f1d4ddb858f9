// A provider that says anything, and a site in front of it, without nginx.
#pragma once

#include <set>
#include <utility>

#include "fakes.hpp"
#include "fuzz.hpp"
#include "oidc/base/json.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/ports/request.hpp"
#include "oidc/provider/profiles.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc::fuzz {

struct Site {
    Provider provider;
    ScriptedHttp http;
    MapSessions sessions;
    FixedDocuments documents;
    std::vector<Secret> keys{Secret(std::string(32, 'k'))};
    Ports ports{http, sessions, documents, counted_random, keys};
    Request request;
    std::set<std::string> issued;  // the provider's own tokens
    std::optional<Reply> reply;
    std::optional<Failure> failure;

    Site()
    {
        provider.name = "p";
        provider.profile = find_profile("generic");
        provider.issuer = "https://op.example";
        provider.client_id = "client";
        provider.client_secret = Secret(std::string(64, 's'));
        provider.id_token_algs = {"HS256"};
        provider.binding = session_binding(provider);
        provider.cookie.name = "NGX_OIDC_SESSION";
        documents.known.authorization = "https://op.example/authorize";
        documents.known.token = "https://op.example/token";
        documents.known.userinfo = "https://op.example/userinfo";
        documents.known.end_session = "https://op.example/end";
        documents.known.revocation = "https://op.example/revoke";
        documents.known.par = "https://op.example/par";
        request.base_url = "https://rp.example";
        request.https = true;
        request.now = 1'800'000'000;
        request.target = "/page";
    }

    Context context() { return {provider, ports, request}; }

    // A token of the provider, by its own key.
    std::string issue(std::string_view claims) { return *issued.insert(hs256(claims)).first; }

    // To its end; nothing but Failure comes out of it.
    template <class T>
    std::optional<T> finish(Task<T> task)
    {
        std::optional<T> result;
        failure.reset();
        ERR_clear_error();
        Root root = drive(std::move(task), result, failure);
        root.start();
        MUST(result.has_value() != failure.has_value());
        MUST(ERR_peek_error() == 0);
        return result;
    }
    void run(Task<Reply> task) { reply = finish(std::move(task)); }
};

// What a token of ours says; an empty Json: it is none.
inline Json claims_of(std::string_view token)
{
    take(token, '.');
    const std::optional<std::string> payload = base64url_decode(take(token, '.'));
    return payload ? Json::parse(*payload) : Json();
}

}  // namespace oidc::fuzz
