#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace oidc {

// A lazy coroutine: it starts when awaited and is destroyed with its owner.
// Destroying a suspended Task is the one and only way to cancel it.
template <class T>
class [[nodiscard]] Task {
public:
    struct promise_type {
        std::optional<T> value;
        std::exception_ptr error;
        std::coroutine_handle<> caller = std::noop_coroutine();

        struct Finish {
            bool await_ready() const noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) noexcept
            {
                return self.promise().caller;
            }
            void await_resume() const noexcept {}
        };

        Task get_return_object() noexcept
        {
            return Task{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        Finish final_suspend() const noexcept { return {}; }
        void unhandled_exception() noexcept { error = std::current_exception(); }
        template <class U> void return_value(U&& v) { value.emplace(std::forward<U>(v)); }
    };

    Task(Task&& other) noexcept : self_{std::exchange(other.self_, nullptr)} {}
    Task& operator=(Task&&) = delete;
    ~Task() { if (self_) self_.destroy(); }

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept
    {
        self_.promise().caller = caller;
        return self_;
    }
    T await_resume()
    {
        auto& promise = self_.promise();
        if (promise.error) std::rethrow_exception(promise.error);
        return std::move(*promise.value);
    }

private:
    explicit Task(std::coroutine_handle<promise_type> self) noexcept : self_{self} {}

    std::coroutine_handle<promise_type> self_;
};

// Awaits a named awaiter that can be neither copied nor moved: g++ 12 copies what a call in a co_await refers to.
template <class Awaiter>
class Until {
public:
    explicit Until(Awaiter& awaiter) noexcept : awaiter_{&awaiter} {}
    bool await_ready() const noexcept { return awaiter_->await_ready(); }
    void await_suspend(std::coroutine_handle<> waiter) const noexcept { awaiter_->await_suspend(waiter); }
    void await_resume() const noexcept {}

private:
    Awaiter* awaiter_;
};

// The root of a chain of Tasks. Its owner (the request) starts it and cancels it
// by destroying it; it has no caller to resume.
class [[nodiscard]] Root {
public:
    struct promise_type {
        Root get_return_object() noexcept
        {
            return Root{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void unhandled_exception() noexcept { std::terminate(); }
        void return_void() const noexcept {}
    };

    Root() noexcept = default;
    Root(Root&& other) noexcept : self_{std::exchange(other.self_, nullptr)} {}
    Root& operator=(Root&& other) noexcept
    {
        std::swap(self_, other.self_);
        return *this;
    }
    ~Root() { if (self_) self_.destroy(); }

    void start() { self_.resume(); }
    bool done() const noexcept { return self_ && self_.done(); }

private:
    explicit Root(std::coroutine_handle<promise_type> self) noexcept : self_{self} {}

    std::coroutine_handle<promise_type> self_;
};

}  // namespace oidc
