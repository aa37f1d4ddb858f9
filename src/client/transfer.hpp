// One call over libcurl. It lives in the coroutine frame that awaits it: destroying the frame cancels it.
#pragma once

#include <coroutine>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#define CURL_DISABLE_DEPRECATION  // of curl_multi_socket_all
#include <curl/curl.h>

#include "ngx_http_oidc.hpp"
#include "ngx_http_oidc_event.hpp"
#include "oidc/base/openssl.hpp"
#include "oidc/ports/http.hpp"
#include "oidc/provider/http_policy.hpp"

namespace oidc::ngx {

// What the transfers of a worker share.
struct CurlHandles {
    explicit CurlHandles(ngx_log_t* event_log) noexcept : log{event_log} {}
    CurlHandles(const CurlHandles&) = delete;
    ~CurlHandles();

    CURLM* multi = curl_multi_init();
    CURLSH* share = curl_share_init();  // TLS sessions: a new connection resumes an old one's
    ngx_log_t* log;
    std::map<const HttpPolicy*, std::size_t> in_flight;
};

class Transfer {
public:
    Transfer(CurlHandles& handles, const HttpRequest& request);  // throws std::bad_alloc
    ~Transfer();

    static Transfer* of(CURL* easy) noexcept;  // nullptr: a handle of libcurl's own, for connections that it closes

    bool await_suspend(std::coroutine_handle<> waiter) noexcept;
    void finish(CURLcode result) noexcept;  // the waiter goes on with the next turn of the event loop
    HttpResponse conclude();
    const std::string& origin() const noexcept { return origin_; }  // "https://host:port"

private:
    // A call without one of its options, above all those of security, does not take place.
    template <class Value>
    void set(CURLoption option, Value value) noexcept
    {
        if (curl_easy_setopt(easy_.get(), option, value) != CURLE_OK) unset_ = true;
    }

    void set_policy(const HttpPolicy& policy) noexcept;
    void show(CURLoption option, std::string_view pem) noexcept;
    void set_form(const std::string& form) noexcept;
    void append_header(const char* header);
    bool is_unanswered() const noexcept;
    bool of_unknown_authority() const noexcept;

    static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self) noexcept;
    static std::size_t on_header(char*, std::size_t, std::size_t size, void* self) noexcept;
    static int on_request(void* self, char*, char*, int, int) noexcept;

    CurlHandles& handles_;
    std::size_t& in_flight_;  // of the provider
    Owned<CURL, curl_easy_cleanup> easy_{curl_easy_init()};
    Owned<curl_slist, curl_slist_free_all> headers_;
    HttpResponse response_;
    CURLcode result_ = CURLE_OK;
    std::string origin_;
    std::size_t header_bytes_ = 0, max_body_;
    bool too_large_ = false, unset_ = false, requested_ = false;
    bool once_;  // no second request, whatever becomes of the first
    char detail_[CURL_ERROR_SIZE] = "";
    Event done_;
};

}  // namespace oidc::ngx
