// The seam to nginx: the only place that includes its headers, and the few C++ tools every adapter uses.
#pragma once

extern "C" {
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
}

#include <coroutine>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

extern ngx_module_t ngx_http_oidc_module;

namespace oidc::ngx {

inline std::string_view view(const ngx_str_t& s) noexcept { return {reinterpret_cast<const char*>(s.data), s.len}; }
inline std::string string(const ngx_str_t& s) { return std::string(view(s)); }

// The bytes stay where they are: `s` must outlive the result.
inline ngx_str_t borrow(std::string_view s) noexcept
{
    return {s.size(), reinterpret_cast<u_char*>(const_cast<char*>(s.data()))};
}

ngx_str_t copy(ngx_pool_t* pool, std::string_view s);  // throws std::bad_alloc

// nginx's debug log reads ev->data as a connection up to its fd.
inline ngx_connection_t* no_connection() noexcept
{
    static ngx_connection_t none;
    none.fd = static_cast<ngx_socket_t>(-1);
    return &none;
}

// A call postponed to the event loop: nothing resumes from inside a callback.
// Whoever owns it withdraws the call by being destroyed.
class Posted : private ngx_event_t {
public:
    using Function = void (*)(void* arg);

    explicit Posted(ngx_log_t* event_log) noexcept : ngx_event_t{}
    {
        data = no_connection();
        log = event_log;
        handler = [](ngx_event_t* ev) {
            auto* self = static_cast<Posted*>(ev);
            self->function_(self->arg_);
        };
    }
    Posted(const Posted&) = delete;
    Posted& operator=(const Posted&) = delete;
    ~Posted()
    {
        if (posted) { ngx_delete_posted_event(this); }
    }

    void set(Function function, void* arg) noexcept
    {
        function_ = function;
        arg_ = arg;
    }
    void resume(std::coroutine_handle<> waiter) noexcept
    {
        set([](void* frame) { std::coroutine_handle<>::from_address(frame).resume(); }, waiter.address());
    }
    void fire() noexcept { ngx_post_event(this, &ngx_posted_events); }

private:
    Function function_ = nullptr;
    void* arg_ = nullptr;
};

// A timer that its owner cancels by being destroyed. Not cancelable in nginx's sense: it keeps a worker alive during a
// graceful reload, so that what it bounds can finish.
class Timer : private ngx_event_t {
public:
    using Function = void (*)(void* arg);

    Timer(ngx_log_t* event_log, Function function, void* arg) noexcept : ngx_event_t{}, function_{function}, arg_{arg}
    {
        data = no_connection();
        log = event_log;
        handler = [](ngx_event_t* ev) {
            auto* self = static_cast<Timer*>(ev);
            self->function_(self->arg_);
        };
    }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { stop(); }

    void start(ngx_msec_t ms) noexcept { ngx_add_timer(this, ms); }
    void stop() noexcept
    {
        if (timer_set) { ngx_del_timer(this); }
    }

private:
    Function function_;
    void* arg_;
};

// Places a C++ object in an nginx pool and destroys it with the pool.
template <class T, class... Args>
T* make_in_pool(ngx_pool_t* pool, Args&&... args)
{
    static_assert(alignof(T) <= NGX_ALIGNMENT, "nginx pools align to NGX_ALIGNMENT only");
    ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(pool, sizeof(T));
    if (cleanup == nullptr) throw std::bad_alloc{};
    T* object = ::new (cleanup->data) T(std::forward<Args>(args)...);
    cleanup->handler = [](void* data) { static_cast<T*>(data)->~T(); };
    return object;
}

}  // namespace oidc::ngx
