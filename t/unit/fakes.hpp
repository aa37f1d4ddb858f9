// What the journeys need from outside, without nginx: a scripted provider, sessions in a map, documents that are there.
#pragma once
#include <deque>
#include <functional>
#include <map>

#include "oidc/base/base64.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/task.hpp"
#include "oidc/base/text.hpp"
#include "oidc/jose/jwks.hpp"
#include "oidc/ports/documents.hpp"
#include "oidc/ports/http.hpp"
#include "oidc/ports/session_record.hpp"
#include "oidc/ports/sessions.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {

struct ScriptedHttp final : HttpClient {
    std::deque<HttpResponse> replies;
    std::vector<HttpRequest> requests;
    std::function<void()> meanwhile = [] {};

    Task<HttpResponse> send(HttpRequest request) override
    {
        requests.push_back(request);
        meanwhile();
        HttpResponse reply;
        reply.transport = Transport::unreachable;
        if (!replies.empty()) {
            reply = std::move(replies.front());
            replies.pop_front();
        }
        co_return reply;
    }
};

struct MapSessions final : SessionStore {
    std::map<Digest, std::string> sessions;
    std::map<Digest, std::int64_t> states;
    std::int64_t expires = 0;

    Task<std::optional<std::string>> take(SessionKey key) override
    {
        std::optional<std::string> found = find(key);
        sessions.erase(key);
        co_return found;
    }
    Task<std::optional<std::string>> read(SessionKey key) override { co_return find(key); }
    Task<bool> put(SessionKey key, std::string record, std::int64_t) override
    {
        sessions[key] = std::move(record);
        co_return true;
    }
    Task<bool> replace(SessionKey key, std::string record, std::int64_t end) override
    {
        const bool there = sessions.contains(key);
        if (there) sessions[key] = std::move(record);
        expires = end;
        co_return there;
    }
    Task<bool> use_once(Digest state, std::int64_t end) override { co_return states.emplace(state, end).second; }
    Task<bool> forget(Digest state) override { co_return states.erase(state) == 1; }
    Task<bool> end_all(SessionQuery query) override
    {
        ++sweeps;
        std::erase_if(sessions, [&](const auto& each) { return query.matches(each.second); });
        co_return true;
    }
    int sweeps = 0;

private:
    std::optional<std::string> find(SessionKey key) const
    {
        auto at = sessions.find(key);
        return at == sessions.end() ? std::nullopt : std::optional(at->second);
    }
};

struct FixedDocuments final : Documents {
    Endpoints known;
    std::shared_ptr<const Jwks> jwks = std::make_shared<Jwks>();
    bool down = false;

    Task<std::shared_ptr<const Endpoints>> endpoints(const Provider&) override
    {
        if (down) fail(Reason::provider_unreachable);
        co_return std::make_shared<const Endpoints>(known);
    }
    const Endpoints* cached_endpoints(const Provider&) override { return down ? nullptr : &known; }
    Task<std::shared_ptr<const Jwks>> keys(const Provider&) override { co_return jwks; }
    Task<std::shared_ptr<const Jwks>> newer_keys(const Provider&, std::shared_ptr<const Jwks> seen) override
    {
        co_return seen;
    }
};

// A token of this provider: its secret is 64 times 's'.
inline std::string hs256(std::string_view claims)
{
    std::string input = base64url(R"({"alg":"HS256"})") + "." + base64url(claims);
    return input + "." + base64url(hmac("HS256", std::string(64, 's'), input));
}

template <class T>
Root drive(Task<T> task, std::optional<T>& result, std::optional<Failure>& failure)
{
    try {
        result = co_await std::move(task);
    } catch (const Failure& caught) {
        failure = caught;
    }
    co_return true;
}

}  // namespace oidc
