#include "client/transfer.hpp"

#include <new>
#include <utility>

#include <openssl/x509_vfy.h>

#include "oidc/base/text.hpp"

namespace oidc::ngx {
namespace {

static_assert(LIBCURL_VERSION_NUM >= 0x075700, "CURLOPT_QUICK_EXIT: without it a slow resolver blocks the worker");

// Per worker and provider: a slow one takes no more, and nothing from others.
constexpr std::size_t max_in_flight = 256;
constexpr std::size_t max_header = 64 * 1024;  // of one answer, all its header fields together

// Nothing comes from the environment, and no answer leads anywhere else.
constexpr std::pair<CURLoption, long> always[] = {
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_QUICK_EXIT, 1},
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    {CURLOPT_FOLLOWLOCATION, 0},
    {CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
    {CURLOPT_NETRC, CURL_NETRC_IGNORED},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
    {CURLOPT_SSL_VERIFYPEER, 1},
    {CURLOPT_SSL_VERIFYHOST, 2},
    {CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
};

}  // namespace

CurlHandles::~CurlHandles()
{
    CleanErrorQueue clean;
    curl_multi_cleanup(multi);
    curl_share_cleanup(share);
}

Transfer::Transfer(CurlHandles& handles, const HttpRequest& request)
    : handles_{handles}, in_flight_{handles.in_flight[request.policy]},
      origin_{request.url.substr(0, request.url.find('/', request.url.find("://") + 3))},
      max_body_{request.policy->max_response}, once_{request.form.has_value()}, done_{handles.log}
{
    if (easy_ == nullptr) throw std::bad_alloc{};
    for (const std::string& header : request.headers) append_header(header.c_str());
    if (request.form) set_form(*request.form);

    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_HTTPHEADER, headers_.get());
    set(CURLOPT_PRIVATE, this);
    set(CURLOPT_SHARE, handles.share);
    set(CURLOPT_ERRORBUFFER, detail_);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_PREREQFUNCTION, &Transfer::on_request);
    set(CURLOPT_PREREQDATA, this);
    for (const auto& [option, value] : always) set(option, value);
    set(CURLOPT_USERAGENT, "ngx_http_oidc_module");
    set(CURLOPT_PROTOCOLS_STR, "https,http");

    set_policy(*request.policy);
    ++in_flight_;
}

Transfer::~Transfer()
{
    CleanErrorQueue clean;
    curl_multi_remove_handle(handles_.multi, easy_.get());
    easy_.reset();
    --in_flight_;
}

Transfer* Transfer::of(CURL* easy) noexcept
{
    char* transfer = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    return reinterpret_cast<Transfer*>(transfer);
}

bool Transfer::await_suspend(std::coroutine_handle<> waiter) noexcept
{
    done_.resume(waiter);
    if (in_flight_ > max_in_flight) finish(CURLE_NO_CONNECTION_AVAILABLE);
    else if (unset_ || curl_multi_add_handle(handles_.multi, easy_.get()) != CURLM_OK) finish(CURLE_FAILED_INIT);
    return true;
}

void Transfer::finish(CURLcode result) noexcept
{
    result_ = result;
    done_.fire();
}

HttpResponse Transfer::conclude()
{
    if (result_ == CURLE_OK) {
        const char* type = nullptr;
        curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &response_.status);
        curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_TYPE, &type);
        if (type != nullptr) response_.content_type = type;
        return std::move(response_);
    }

    HttpResponse none;
    none.transport = result_ == CURLE_OPERATION_TIMEDOUT        ? Transport::timeout
                     : result_ == CURLE_NO_CONNECTION_AVAILABLE ? Transport::busy
                     : is_unanswered()                          ? Transport::unanswered
                                                                : Transport::unreachable;
    // What it means before what libcurl last met with: a certificate that has expired may end in a broken pipe.
    none.error = none.transport == Transport::unanswered ? "the connection ended before the answer"
                                                         : curl_easy_strerror(result_);
    if (detail_[0] != '\0' && result_ != CURLE_ABORTED_BY_CALLBACK && none.error != detail_)
        none.error.append(": ").append(detail_);
    if (too_large_ || result_ == CURLE_OUT_OF_MEMORY) {  // what libcurl says of a header line above 100 kB
        none.transport = Transport::too_large;
        none.error = "the answer is larger than http_max_response, or its header than 64 kB";
    }
    if (of_unknown_authority()) none.error += "; name its authority with ssl_trusted_certificate";
    return none;
}

void Transfer::set_policy(const HttpPolicy& policy) noexcept
{
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(policy.timeout));
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(policy.connect_timeout));
    set(CURLOPT_PROXY, policy.proxy.c_str());
    set(CURLOPT_NOPROXY, "");
    set(CURLOPT_HTTPPROXYTUNNEL, policy.proxy.empty() ? 0L : 1L);

    if (!policy.ca_file.empty()) set(CURLOPT_CAINFO, policy.ca_file.c_str());
    // Beside the one file no directory of other authorities; without a directory libcurl also keeps the parsed file.
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    set(CURLOPT_CRLFILE, policy.crl_file.empty() ? nullptr : policy.crl_file.c_str());
    if (!policy.certificate.empty()) {
        show(CURLOPT_SSLCERT_BLOB, policy.certificate);
        show(CURLOPT_SSLKEY_BLOB, policy.certificate_key.reveal());
    }
}

// The policy outlives every call, so that its bytes are not copied.
void Transfer::show(CURLoption option, std::string_view pem) noexcept
{
    curl_blob blob{const_cast<char*>(pem.data()), pem.size(), CURL_BLOB_NOCOPY};
    set(option, &blob);
}

void Transfer::set_form(const std::string& form) noexcept
{
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(form.size()));
    set(CURLOPT_POSTFIELDS, form.data());
}

void Transfer::append_header(const char* header)
{
    curl_slist* all = curl_slist_append(headers_.get(), header);
    if (all == nullptr) throw std::bad_alloc{};
    if (headers_ == nullptr) headers_.reset(all);
}

// The request had left.
bool Transfer::is_unanswered() const noexcept
{
    constexpr CURLcode ends[] = {CURLE_ABORTED_BY_CALLBACK, CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR,
                                 CURLE_PARTIAL_FILE};
    return requested_ && contains(ends, result_);
}

bool Transfer::of_unknown_authority() const noexcept
{
    long verified = X509_V_OK;
    curl_easy_getinfo(easy_.get(), CURLINFO_SSL_VERIFYRESULT, &verified);
    return result_ == CURLE_PEER_FAILED_VERIFICATION && verified >= X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT &&
           verified <= X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
}

std::size_t Transfer::on_body(char* data, std::size_t, std::size_t size, void* self) noexcept
try {
    auto* transfer = static_cast<Transfer*>(self);
    transfer->too_large_ = size > transfer->max_body_ - transfer->response_.body.size();
    if (!transfer->too_large_) transfer->response_.body.append(data, size);
    return transfer->too_large_ ? 0 : size;
} catch (const std::bad_alloc&) {
    return 0;
}

std::size_t Transfer::on_header(char*, std::size_t, std::size_t size, void* self) noexcept
{
    auto* transfer = static_cast<Transfer*>(self);
    transfer->header_bytes_ += size;
    transfer->too_large_ = transfer->header_bytes_ > max_header;
    return transfer->too_large_ ? 0 : size;
}

// libcurl re-sends a request when a kept connection closes under it. The code in a form is good for one use: there is
// no second request of such a call.
int Transfer::on_request(void* self, char*, char*, int, int) noexcept
{
    auto* transfer = static_cast<Transfer*>(self);
    const bool again = std::exchange(transfer->requested_, true);
    return again && transfer->once_ ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

}  // namespace oidc::ngx
