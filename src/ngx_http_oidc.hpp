// The seam to nginx: the only place that includes its headers, and the few C++ tools every adapter uses.
#pragma once
extern "C" {
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
}

#include <algorithm>
#include <coroutine>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

extern ngx_module_t ngx_http_oidc_module;

namespace oidc::ngx {

inline std::string_view view(const ngx_str_t& s) noexcept { return {reinterpret_cast<const char*>(s.data), s.len}; }
inline std::string string(const ngx_str_t& s) { return std::string(view(s)); }

// The bytes stay where they are: `s` must outlive the result.
inline ngx_str_t borrow(std::string_view s) noexcept { return {s.size(), reinterpret_cast<u_char*>(const_cast<char*>(s.data()))}; }
ngx_str_t copy(ngx_pool_t* pool, std::string_view s);  // throws std::bad_alloc

// A call that the event loop makes, next (`fire`) or after a time (`start`): nothing resumes from inside a callback. Its owner
// withdraws it by being destroyed. The timer is not cancelable in nginx's sense: it keeps a worker alive during a graceful
// reload, so that what it bounds can finish.
class Event : private ngx_event_t {
public:
    using Function = void (*)(void* arg);

    explicit Event(ngx_log_t* event_log, Function function = nullptr, void* arg = nullptr) noexcept
        : ngx_event_t{}, function_{function}, arg_{arg}
    {
        static ngx_connection_t none;
        none.fd = static_cast<ngx_socket_t>(-1);
        data = &none;  // nginx's debug log reads it as a connection up to its fd
        log = event_log;
        handler = [](ngx_event_t* ev) { static_cast<Event*>(ev)->function_(static_cast<Event*>(ev)->arg_); };
    }
    Event& operator=(Event&&) = delete;
    ~Event() { stop(); }

    void resume(std::coroutine_handle<> waiter) noexcept
    {
        function_ = [](void* frame) { std::coroutine_handle<>::from_address(frame).resume(); };
        arg_ = waiter.address();
    }
    // Next, or when all of `queue` fire.
    void fire(ngx_queue_t& queue = ngx_posted_events) noexcept { ngx_post_event(this, &queue); }
    static void fire_all(ngx_queue_t& queue) noexcept
    {
        if (ngx_queue_empty(&queue)) return;
        ngx_queue_add(&ngx_posted_events, &queue);
        ngx_queue_init(&queue);
    }
    void start(ngx_msec_t ms) noexcept { ngx_add_timer(this, ms); }
    void stop() noexcept
    {
        if (timer_set) { ngx_del_timer(this); }
        if (posted) { ngx_delete_posted_event(this); }
    }

private:
    Function function_;
    void* arg_;
};

// Until a time has passed.
class Pause : Event {
public:
    Pause(ngx_log_t* log, ngx_msec_t length) noexcept : Event{log}, length_{length} {}
    bool await_suspend(std::coroutine_handle<> waiter) noexcept
    {
        resume(waiter);
        start(length_);
        return true;
    }

private:
    ngx_msec_t length_;
};

template <class T> void destroy(void* object) noexcept { static_cast<T*>(object)->~T(); }

// Places a C++ object in an nginx pool and destroys it with the pool.
template <class T, class... Args>
T* make_in_pool(ngx_pool_t* pool, Args&&... args)
{
    static_assert(alignof(T) <= NGX_ALIGNMENT, "nginx pools align to NGX_ALIGNMENT only");
    ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(pool, sizeof(T));
    if (cleanup == nullptr) throw std::bad_alloc{};
    T* object = ::new (cleanup->data) T(std::forward<Args>(args)...);
    cleanup->handler = destroy<T>;
    return object;
}

// The object of that type which was last placed in the pool; nullptr: none.
template <class T>
T* find_in_pool(const ngx_pool_t* pool) noexcept
{
    ngx_pool_cleanup_t* at = pool->cleanup;
    while (at != nullptr && at->handler != destroy<T>) at = at->next;
    return at != nullptr ? static_cast<T*>(at->data) : nullptr;
}

template <class T> std::span<T> items(const ngx_array_t& array) noexcept { return {static_cast<T*>(array.elts), array.nelts}; }

// Where exceptions meet the C frames of a request.
template <auto Handler, ngx_int_t on_throw, class... Args>
ngx_int_t guarded(ngx_http_request_t* r, Args... args) noexcept
{
    try {
        return Handler(r, args...);
    } catch (const std::exception& e) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0, "oidc: internal: %s", e.what());
        return on_throw;
    }
}

}  // namespace oidc::ngx
