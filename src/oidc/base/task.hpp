// Coroutines: a lazy task with a single owner. How waiting and cancelling work: docs/architecture.md.
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace oidc {

// A lazy coroutine: it starts when awaited and is destroyed with its owner, the one and only way to cancel a suspended
// one.
template <class T>
class [[nodiscard]] Task {
public:
    struct promise_type;
    using Handle = std::coroutine_handle<promise_type>;
    struct promise_type {
        std::optional<T> value;
        std::exception_ptr error;
        std::coroutine_handle<> caller = std::noop_coroutine();
        struct Finish {
            bool await_ready() const noexcept { return false; }
            std::coroutine_handle<> await_suspend(Handle me) noexcept { return me.promise().caller; }
            void await_resume() const noexcept {}
        };
        Task get_return_object() noexcept { return Task{*this}; }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        Finish final_suspend() const noexcept { return {}; }
        void unhandled_exception() noexcept { error = std::current_exception(); }
        template <class U>
        void return_value(U&& v)
        {
            value.emplace(std::forward<U>(v));
        }
    };

    Task() noexcept = default;
    void start() { Handle::from_promise(*frame_).resume(); }
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept
    {
        frame_->caller = caller;
        return Handle::from_promise(*frame_);
    }
    T await_resume()
    {
        if (frame_->error) std::rethrow_exception(frame_->error);
        return std::move(*frame_->value);
    }

private:
    struct Destroy {
        void operator()(promise_type* promise) const noexcept { Handle::from_promise(*promise).destroy(); }
    };
    explicit Task(promise_type& promise) noexcept : frame_{&promise} {}
    std::unique_ptr<promise_type, Destroy> frame_;
};

// Awaits a named awaiter that can be neither copied nor moved: g++ 12 copies what a call in a co_await refers to.
template <class Awaiter>
class Until {
public:
    explicit Until(Awaiter& awaiter) noexcept : awaiter_{&awaiter} {}
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) const noexcept { return awaiter_->await_suspend(waiter); }
    void await_resume() const noexcept {}

private:
    Awaiter* awaiter_;
};

// The root of a chain of Tasks: its owner starts it, and cancels it by destroying it. It has no caller, and lets no
// exception out.
using Root = Task<bool>;

}  // namespace oidc
