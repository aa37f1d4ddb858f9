// libcurl's multi interface driven by nginx's event loop: one multi per worker, connections kept between logins.
#define CURL_DISABLE_DEPRECATION  // of curl_multi_socket_all
#include <curl/curl.h>
#include <openssl/x509_vfy.h>

#include "ngx_http_oidc_runtime.hpp"

namespace oidc::ngx {
namespace {

static_assert(LIBCURL_VERSION_NUM >= 0x075700, "CURLOPT_QUICK_EXIT: without it a slow resolver blocks the worker");

constexpr std::size_t max_in_flight = 256;           // per worker and provider: a slow one takes no more, and nothing from others
constexpr std::size_t max_header = 64 * 1024;        // of one answer, all its header fields together
constexpr long kept_connections = 256;
constexpr long tick = 200;                           // the longest that no transfer is looked at, ms

// Nothing comes from the environment, and no answer leads anywhere else.
constexpr std::pair<CURLoption, long> always[] = {
    {CURLOPT_NOSIGNAL, 1}, {CURLOPT_QUICK_EXIT, 1}, {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    {CURLOPT_FOLLOWLOCATION, 0}, {CURLOPT_DISALLOW_USERNAME_IN_URL, 1}, {CURLOPT_NETRC, CURL_NETRC_IGNORED},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2}, {CURLOPT_SSL_VERIFYPEER, 1}, {CURLOPT_SSL_VERIFYHOST, 2},
    {CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
};

// What the transfers of a worker share.
struct Common {
    explicit Common(ngx_log_t* event_log) noexcept : log{event_log} {}
    Common(const Common&) = delete;
    ~Common()
    {
        CleanErrorQueue clean;
        curl_multi_cleanup(multi);
        curl_share_cleanup(share);
    }

    CURLM* multi = curl_multi_init();
    CURLSH* share = curl_share_init();               // TLS sessions: a new connection resumes an old one's
    ngx_log_t* log;
    std::map<const HttpPolicy*, std::size_t> in_flight;
};

// One transfer. It lives in the coroutine frame that awaits it: destroying the frame cancels the transfer.
class Call {
public:
    Call(Common& common, const HttpRequest& request)
        : common_{common}, in_flight_{common.in_flight[request.policy]}, max_body_{request.policy->max_response}, done_{common.log}
    {
        if (easy_ == nullptr) throw std::bad_alloc{};
        const HttpPolicy& policy = *request.policy;
        for (const std::string& header : request.headers) add_header(header.c_str());
        if (request.form) set_form(*request.form);
        set(CURLOPT_URL, request.url.c_str());
        set(CURLOPT_HTTPHEADER, headers_.get());
        set(CURLOPT_PRIVATE, this);
        set(CURLOPT_SHARE, common.share);
        set(CURLOPT_ERRORBUFFER, detail_);
        set(CURLOPT_WRITEFUNCTION, &Call::on_body);
        set(CURLOPT_WRITEDATA, this);
        set(CURLOPT_HEADERFUNCTION, &Call::on_header);
        set(CURLOPT_HEADERDATA, this);
        for (const auto& [option, value] : always) set(option, value);
        set(CURLOPT_USERAGENT, "ngx_http_oidc_module");
        set(CURLOPT_PROTOCOLS_STR, "https,http");
        set(CURLOPT_TIMEOUT_MS, static_cast<long>(policy.timeout));
        set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(policy.connect_timeout));
        set(CURLOPT_PROXY, policy.proxy.c_str());
        set(CURLOPT_NOPROXY, "");
        set(CURLOPT_HTTPPROXYTUNNEL, policy.proxy.empty() ? 0L : 1L);
        if (!policy.ca_file.empty()) set(CURLOPT_CAINFO, policy.ca_file.c_str());
        // Beside the one file no directory of other authorities; without a directory libcurl also keeps the parsed file.
        set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
        if (!policy.certificate.empty()) {
            show(CURLOPT_SSLCERT_BLOB, policy.certificate);
            show(CURLOPT_SSLKEY_BLOB, policy.certificate_key.reveal());
        }
        set(CURLOPT_CRLFILE, policy.crl_file.empty() ? nullptr : policy.crl_file.c_str());
        ++in_flight_;
    }
    ~Call()
    {
        CleanErrorQueue clean;
        curl_multi_remove_handle(common_.multi, easy_.get());
        easy_.reset();
        --in_flight_;
    }

    static Call& of(CURL* easy) noexcept
    {
        char* call = nullptr;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
        return *reinterpret_cast<Call*>(call);
    }

    bool await_suspend(std::coroutine_handle<> waiter) noexcept
    {
        done_.resume(waiter);
        if (in_flight_ > max_in_flight) finish(CURLE_NO_CONNECTION_AVAILABLE);
        else if (unset_ || curl_multi_add_handle(common_.multi, easy_.get()) != CURLM_OK) finish(CURLE_FAILED_INIT);
        return true;
    }

    void finish(CURLcode result) noexcept
    {
        result_ = result;
        done_.fire();
    }

    HttpResponse conclude()
    {
        if (result_ == CURLE_OK) {
            const char* type = nullptr;
            curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &response_.status);
            curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_TYPE, &type);
            if (type != nullptr) response_.content_type = type;
            return std::move(response_);
        }
        HttpResponse none;
        none.transport = result_ == CURLE_OPERATION_TIMEDOUT ? Transport::timeout
                         : result_ == CURLE_NO_CONNECTION_AVAILABLE ? Transport::busy : Transport::unreachable;
        none.error = detail_[0] != '\0' ? detail_ : curl_easy_strerror(result_);
        if (too_large_ || result_ == CURLE_OUT_OF_MEMORY) {  // what libcurl says of a header line above 100 kB
            none.transport = Transport::too_large;
            none.error = "the answer is larger than http_max_response, or its header than 64 kB";
        }
        if (of_unknown_authority()) none.error += "; name its authority with ssl_trusted_certificate";
        return none;
    }

private:
    // A call without one of its options, above all those of security, does not take place.
    template <class Value> void set(CURLoption option, Value value) noexcept
    {
        if (curl_easy_setopt(easy_.get(), option, value) != CURLE_OK) unset_ = true;
    }

    // The policy outlives every call, so that its bytes are not copied.
    void show(CURLoption option, std::string_view pem) noexcept
    {
        curl_blob blob{const_cast<char*>(pem.data()), pem.size(), CURL_BLOB_NOCOPY};
        set(option, &blob);
    }

    // libcurl re-sends a POST when a kept connection closes under it. The code in the form is good for one use: there is no second
    // request of a call.
    void set_form(const std::string& form)
    {
        set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(form.size()));
        set(CURLOPT_POSTFIELDS, form.data());
        set(CURLOPT_PREREQFUNCTION, &Call::on_request);
        set(CURLOPT_PREREQDATA, this);
    }

    void add_header(const char* header)
    {
        curl_slist* all = curl_slist_append(headers_.get(), header);
        if (all == nullptr) throw std::bad_alloc{};
        if (headers_ == nullptr) headers_.reset(all);
    }

    bool of_unknown_authority() const noexcept
    {
        long verified = X509_V_OK;
        curl_easy_getinfo(easy_.get(), CURLINFO_SSL_VERIFYRESULT, &verified);
        return result_ == CURLE_PEER_FAILED_VERIFICATION && verified >= X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT &&
               verified <= X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    }

    static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self) noexcept
    try {
        auto* call = static_cast<Call*>(self);
        call->too_large_ = size > call->max_body_ - call->response_.body.size();
        if (!call->too_large_) call->response_.body.append(data, size);
        return call->too_large_ ? 0 : size;
    } catch (const std::bad_alloc&) {
        return 0;
    }

    static std::size_t on_header(char*, std::size_t, std::size_t size, void* self) noexcept
    {
        auto* call = static_cast<Call*>(self);
        call->header_bytes_ += size;
        call->too_large_ = call->header_bytes_ > max_header;
        return call->too_large_ ? 0 : size;
    }

    static int on_request(void* self, char*, char*, int, int) noexcept
    {
        return std::exchange(static_cast<Call*>(self)->requested_, true) ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
    }

    Common& common_;
    std::size_t& in_flight_;                         // of the provider
    Owned<CURL, curl_easy_cleanup> easy_{curl_easy_init()};
    Owned<curl_slist, curl_slist_free_all> headers_;
    HttpResponse response_;
    CURLcode result_ = CURLE_OK;
    std::size_t header_bytes_ = 0, max_body_;
    bool too_large_ = false, unset_ = false, requested_ = false;
    char detail_[CURL_ERROR_SIZE] = "";
    Event done_;
};

// curl expects level-triggered readiness.
bool watch(ngx_event_t* ev, ngx_int_t kind, bool wanted) noexcept
{
    if (wanted == static_cast<bool>(ev->active)) return true;
    return (wanted ? ngx_add_event(ev, kind, NGX_LEVEL_EVENT) : ngx_del_event(ev, kind, 0)) == NGX_OK;
}

class Curl final : public HttpClient {
public:
    explicit Curl(ngx_log_t* log)
        : timer_{log, [](void* self) { static_cast<Curl*>(self)->advance(CURL_SOCKET_TIMEOUT, 0); }, this}, common_{log}
    {
        if (common_.multi == nullptr || common_.share == nullptr) throw std::bad_alloc{};
        curl_share_setopt(common_.share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
        curl_multi_setopt(common_.multi, CURLMOPT_SOCKETFUNCTION, &Curl::on_socket);
        curl_multi_setopt(common_.multi, CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(common_.multi, CURLMOPT_TIMERFUNCTION, &Curl::on_timer);
        curl_multi_setopt(common_.multi, CURLMOPT_TIMERDATA, this);
        curl_multi_setopt(common_.multi, CURLMOPT_MAXCONNECTS, kept_connections);
    }

    Task<HttpResponse> send(HttpRequest request) override
    {
        Call call(common_, request);
        co_await Until(call);
        co_return call.conclude();
    }

private:
    // Watches a socket of curl's under a descriptor of our own: curl tells of some of its own only after it has closed them.
    ngx_connection_t* adopt(curl_socket_t fd) noexcept
    {
        const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        ngx_connection_t* c = own != -1 ? ngx_get_connection(own, common_.log) : nullptr;
        if (c == nullptr && own != -1) close(own);
        if (c == nullptr) return nullptr;
        c->data = reinterpret_cast<void*>(static_cast<std::intptr_t>(fd));
        c->read->log = c->write->log = common_.log;
        c->read->handler = c->write->handler = [](ngx_event_t* ev) {
            const auto theirs = reinterpret_cast<std::intptr_t>(static_cast<ngx_connection_t*>(ev->data)->data);
            auto& curl = static_cast<Curl&>(*worker().http);
            curl.advance(static_cast<curl_socket_t>(theirs), ev->write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
        };
        curl_multi_assign(common_.multi, fd, c);
        return c;
    }

    // Any answer but 0 would end the whole multi: a socket that cannot be watched ends its own call only.
    static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* socket) noexcept
    {
        auto* c = static_cast<ngx_connection_t*>(socket);
        if (c == nullptr && what != CURL_POLL_REMOVE) c = static_cast<Curl*>(self)->adopt(fd);
        const bool reading = c != nullptr && watch(c->read, NGX_READ_EVENT, (what & CURL_POLL_IN) != 0);
        const bool writing = c != nullptr && watch(c->write, NGX_WRITE_EVENT, (what & CURL_POLL_OUT) != 0);
        if (what != CURL_POLL_REMOVE && (!reading || !writing)) Call::of(easy).finish(CURLE_NO_CONNECTION_AVAILABLE);
        if (what == CURL_POLL_REMOVE && c != nullptr) ngx_close_connection(c);
        return 0;
    }

    // libcurl 7.88 goes on to the next address of a name only when it looks at the transfer again, and asks for no such look.
    static int on_timer(CURLM*, long timeout_ms, void* self) noexcept
    {
        auto* curl = static_cast<Curl*>(self);
        curl->timer_.stop();                             // nginx keeps a set timer that is less than 300 ms off
        if (timeout_ms >= 0) curl->timer_.start(static_cast<ngx_msec_t>(std::min(timeout_ms, tick)));
        return 0;
    }

    void advance(curl_socket_t fd, int events) noexcept
    {
        CleanErrorQueue clean;  // nginx would take what libcurl leaves there for an error of its own connections
        int count = 0;
        if (fd == CURL_SOCKET_TIMEOUT) curl_multi_socket_all(common_.multi, &count);
        curl_multi_socket_action(common_.multi, fd, events, &count);
        while (CURLMsg* message = curl_multi_info_read(common_.multi, &count))
            if (message->msg == CURLMSG_DONE) Call::of(message->easy_handle).finish(message->data.result);
    }

    Event timer_;
    Common common_;
};

}  // namespace

std::unique_ptr<HttpClient> make_http_client(ngx_log_t* log) { return std::make_unique<Curl>(log); }

}  // namespace oidc::ngx
