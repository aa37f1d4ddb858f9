#include "client/http_client.hpp"

#include <algorithm>
#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include "client/idle_connections.hpp"
#include "client/transfer.hpp"
#include "ngx_http_oidc_event.hpp"
#include "oidc/base/openssl.hpp"
#include "oidc/base/task.hpp"

namespace oidc::ngx {
namespace {

constexpr long kept_connections = 256;
constexpr long tick = 200;  // the longest that no transfer is looked at, ms

// curl expects level-triggered readiness.
bool watch(ngx_event_t* ev, ngx_int_t kind, bool wanted) noexcept
{
    if (wanted == static_cast<bool>(ev->active)) return true;
    return (wanted ? ngx_add_event(ev, kind, NGX_LEVEL_EVENT) : ngx_del_event(ev, kind, 0)) == NGX_OK;
}

class CurlClient final : public HttpClient {
public:
    explicit CurlClient(ngx_log_t* log)
        : timer_{log, [](void* self) { static_cast<CurlClient*>(self)->advance(CURL_SOCKET_TIMEOUT, 0); }, this},
          handles_{log}
    {
        current_ = this;
        if (handles_.multi == nullptr || handles_.share == nullptr) throw std::bad_alloc{};
        curl_share_setopt(handles_.share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
        curl_multi_setopt(handles_.multi, CURLMOPT_SOCKETFUNCTION, &CurlClient::on_socket);
        curl_multi_setopt(handles_.multi, CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(handles_.multi, CURLMOPT_TIMERFUNCTION, &CurlClient::on_timer);
        curl_multi_setopt(handles_.multi, CURLMOPT_TIMERDATA, this);
        curl_multi_setopt(handles_.multi, CURLMOPT_MAXCONNECTS, kept_connections);
    }

    Task<HttpResponse> send(HttpRequest request) override
    {
        HttpResponse response = co_await send_once(request);
        const bool again = response.transport == Transport::unanswered && !request.form;
        if (!again) co_return response;
        co_return co_await send_once(request);
    }

private:
    // `request` outlives it.
    Task<HttpResponse> send_once(const HttpRequest& request)
    {
        Transfer transfer(handles_, request);
        starting_.push_back(transfer.origin());
        co_await Until(transfer);
        co_return transfer.conclude();
    }

    // Watches a socket of curl's under a descriptor of our own: curl tells of some of its own only after it has closed
    // them.
    ngx_connection_t* adopt(curl_socket_t fd) noexcept
    {
        const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        ngx_connection_t* c = own != -1 ? ngx_get_connection(own, handles_.log) : nullptr;
        if (c == nullptr && own != -1) close(own);
        if (c == nullptr) return nullptr;
        c->data = reinterpret_cast<void*>(static_cast<std::intptr_t>(fd));
        c->read->log = c->write->log = handles_.log;
        c->read->handler = c->write->handler = [](ngx_event_t* ev) {
            const auto theirs = reinterpret_cast<std::intptr_t>(static_cast<ngx_connection_t*>(ev->data)->data);
            current_->advance(static_cast<curl_socket_t>(theirs), ev->write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
        };
        curl_multi_assign(handles_.multi, fd, c);
        return c;
    }

    // Without memory for it, its end is noticed by the request that is lost on it.
    void keep(curl_socket_t fd, int own, const Transfer& transfer) noexcept
    try {
        idle_.add(fd, own, transfer.origin());
    } catch (const std::bad_alloc&) {
    }

    // Any answer but 0 would end the whole multi: a socket that cannot be watched ends its own call only.
    static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* socket) noexcept
    {
        auto* client = static_cast<CurlClient*>(self);
        auto* c = static_cast<ngx_connection_t*>(socket);
        Transfer* transfer = Transfer::of(easy);
        if (what != CURL_POLL_REMOVE) client->idle_.in_use(fd);
        if (c == nullptr && what != CURL_POLL_REMOVE) c = client->adopt(fd);
        const bool reading = c != nullptr && watch(c->read, NGX_READ_EVENT, (what & CURL_POLL_IN) != 0);
        const bool writing = c != nullptr && watch(c->write, NGX_WRITE_EVENT, (what & CURL_POLL_OUT) != 0);
        if (what != CURL_POLL_REMOVE && (!reading || !writing) && transfer != nullptr)
            transfer->finish(CURLE_NO_CONNECTION_AVAILABLE);

        if (what == CURL_POLL_REMOVE && c != nullptr) {
            if (transfer != nullptr) client->keep(fd, c->fd, *transfer);
            ngx_close_connection(c);
        }
        return 0;
    }

    // libcurl 7.88 goes on to the next address of a name only when it looks at the transfer again, and asks for no such
    // look.
    static int on_timer(CURLM*, long timeout_ms, void* self) noexcept
    {
        auto* curl = static_cast<CurlClient*>(self);
        curl->timer_.stop();  // nginx keeps a set timer that is less than 300 ms off
        if (timeout_ms >= 0) curl->timer_.start(static_cast<ngx_msec_t>(std::min(timeout_ms, tick)));
        return 0;
    }

    void advance(curl_socket_t fd, int events) noexcept
    {
        CleanErrorQueue clean;  // nginx would take what libcurl leaves there for an error of its own connections
        int count = 0;
        // libcurl chooses the connections of new calls now.
        for (const std::string& origin : starting_) idle_.shut_dead(origin);
        starting_.clear();
        if (fd == CURL_SOCKET_TIMEOUT) curl_multi_socket_all(handles_.multi, &count);
        curl_multi_socket_action(handles_.multi, fd, events, &count);
        while (CURLMsg* message = curl_multi_info_read(handles_.multi, &count))
            if (message->msg == CURLMSG_DONE) Transfer::of(message->easy_handle)->finish(message->data.result);
    }

    static inline CurlClient* current_ = nullptr;  // of the worker: there is one
    Event timer_;
    IdleConnections idle_;
    std::vector<std::string> starting_;  // the origins of calls that have no connection yet
    CurlHandles handles_;
};

}  // namespace

std::unique_ptr<HttpClient> make_http_client(ngx_log_t* log) { return std::make_unique<CurlClient>(log); }

}  // namespace oidc::ngx
