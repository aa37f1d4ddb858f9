// Calls that nginx's event loop makes: next, or after a time. What waits is a coroutine, or a function.
#pragma once

#include <coroutine>

#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

// A call that the event loop makes, next (`fire`) or after a time (`start`): nothing resumes from inside a callback.
// Its owner withdraws it by being destroyed. The timer is not cancelable in nginx's sense: it keeps a worker alive
// during a graceful reload, so that what it bounds can finish.
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
        if (timer_set) {
            ngx_del_timer(this);
        }
        if (posted) {
            ngx_delete_posted_event(this);
        }
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

}  // namespace oidc::ngx
