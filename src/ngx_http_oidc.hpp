// The seam to nginx: the only place that includes its headers, and the few C++ tools every adapter uses.
#pragma once

extern "C" {
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
}

#include <exception>
#include <new>
#include <span>
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

// For the log: a peer chose some of the bytes. At most 512 of them.
std::string printable(std::string_view text);

template <class T>
void destroy(void* object) noexcept
{
    static_cast<T*>(object)->~T();
}

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

template <class T>
std::span<T> items(const ngx_array_t& array) noexcept
{
    return {static_cast<T*>(array.elts), array.nelts};
}

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
