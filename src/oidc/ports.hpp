// What the protocol needs from outside (the network, the shared store, the cached documents: three virtual interfaces, nothing
// else), what it reads of a browser's request, and what it answers.
#pragma once
#include "session.hpp"
#include "task.hpp"

namespace oidc {

// The views point into memory that outlives the handling of the request.
struct Request {
    std::string_view cookies;       // the Cookie header, several joined with "; "
    std::string_view query;         // without '?'
    std::string form;               // the body of a POST that is a form; empty: there is none, or it is longer than any of ours
    std::string_view target;        // path and query as the browser sent them
    std::string base_url;           // "scheme://host[:port]" as the browser sees this site
    bool https = false;             // the scheme of base_url
    std::int64_t now = 0;           // Unix seconds
    std::vector<Param> args;        // for the authorization URL, evaluated, none empty
    std::string acr, scope;         // the levels to ask for, and the scopes beside the provider's, separated by spaces
    bool step_up = false;           // the levels are a location's: no other will do
};

struct Reply {
    int status = 302;
    std::string location{};
    std::vector<std::string> set_cookies{};
    std::optional<Failure> why{};   // the login began again, or was tampered with: what became of it, for the log
    std::string ended{};            // the record of the session that this ends: revoke() takes its tokens back
};

struct HttpRequest {
    std::string url;
    std::vector<std::string> headers;      // "Name: value"
    std::optional<std::string> form;       // application/x-www-form-urlencoded: a POST whose body leaves at most once, ever
    const HttpPolicy* policy = nullptr;
};
enum class Transport : std::uint8_t { ok, unreachable, timeout, too_large, busy };
struct HttpResponse {
    Transport transport = Transport::ok;
    long status = 0;
    std::string content_type, body;
    std::string error;                     // of the transport, for the log
};

// Throws the Failure of a call that brought no response: provider_*, or `too_large`.
void require_response(const HttpResponse& response, std::string_view what, Reason too_large);

struct HttpClient {
    virtual ~HttpClient() = default;
    virtual Task<HttpResponse> send(HttpRequest request) = 0;  // never throws for a fault of the peer
};

// Times are Unix seconds. `record` is what session.hpp serialises.
using SessionKey = Digest;  // SHA-256 of the cookie's value: the value itself is never stored
struct SessionStore {
    virtual ~SessionStore() = default;
    virtual Task<std::optional<std::string>> take(SessionKey key) = 0;              // get and delete
    virtual Task<std::optional<std::string>> read(SessionKey key) = 0;              // no use of it: it goes on ageing
    virtual Task<bool> put(SessionKey key, std::string record, std::int64_t expires) = 0;      // false: no room
    virtual Task<bool> replace(SessionKey key, std::string record, std::int64_t expires) = 0;  // false: nor when it has ended
    virtual Task<bool> use_once(Digest state, std::int64_t expires) = 0;             // false: seen before
    virtual Task<bool> forget(Digest state) = 0;                                     // a refused code: the state costs nothing more
    virtual Task<bool> end_all(SessionQuery query) = 0;                              // reads every session: not on a path that is hot
};

// Provider metadata and keys, cached for all workers, fetched by one of them.
struct Documents {
    virtual ~Documents() = default;
    virtual Task<std::shared_ptr<const Endpoints>> endpoints(const Provider& provider) = 0;
    virtual const Endpoints* at_hand(const Provider& provider) = 0;  // the same without a wait, until the next one; nullptr: there is one
    virtual Task<std::shared_ptr<const Jwks>> keys(const Provider& provider) = 0;    // whatever is cached, else fetched
    // A newer set than `seen` after an unknown kid or a failed signature, else `seen` again: at most one fetch per min_refresh.
    virtual Task<std::shared_ptr<const Jwks>> newer_keys(const Provider& provider, std::shared_ptr<const Jwks> seen) = 0;
};

struct Ports {
    HttpClient& http;
    SessionStore& sessions;
    Documents& documents;
    RandomBytes random;
    const std::vector<Secret>& cookie_keys;  // the first seals, all open
};

// What the answer to a browser's request has at hand. Copied into every coroutine; what it names outlives them all.
struct Journey {
    const Provider& provider;
    Ports& ports;
    const Request& request;
};

}  // namespace oidc
