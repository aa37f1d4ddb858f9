#include "ngx_http_oidc_conf_parse.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "oidc/url.hpp"

namespace oidc::ngx {

Words words_of(const ngx_conf_t* cf)
{
    auto* args = static_cast<ngx_str_t*>(cf->args->elts);
    Words words;
    for (ngx_uint_t i = 0; i < cf->args->nelts; ++i) words.push_back(view(args[i]));
    return words;
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string joined(std::span<const std::string_view> words)
{
    std::string text;
    for (std::string_view word : words) text.append(text.empty() ? "" : " ").append(word);
    return text;
}

Words split(std::string_view text, char separator)
{
    Words words;
    while (!text.empty()) {
        std::size_t end = std::min(text.find(separator), text.size());
        if (end > 0) words.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return words;
}

Place here(ngx_conf_t* cf)
{
    if (cf->conf_file == nullptr) return {};
    return {cf->conf_file->file.name, cf->conf_file->line};
}

void report(ngx_conf_t* cf, ngx_uint_t level, const Place& place, std::string_view sentence)
{
    ngx_str_t text = borrow(sentence);
    ngx_str_t file = place.file;
    if (file.len == 0) {
        ngx_log_error(level, cf->log, 0, "%V", &text);
    } else {
        ngx_log_error(level, cf->log, 0, "%V in %V:%ui", &text, &file, place.line);
    }
}

char* report_failure(ngx_conf_t* cf, std::exception_ptr failure) noexcept
{
    try {
        std::rethrow_exception(failure);
    } catch (const Logged&) {
    } catch (const Mistake& mistake) {
        report(cf, NGX_LOG_EMERG, mistake.place.value_or(here(cf)), mistake.what());
    } catch (const std::exception& e) {
        report(cf, NGX_LOG_EMERG, here(cf), e.what());
    }
    return static_cast<char*>(NGX_CONF_ERROR);
}

std::int64_t parse_milliseconds(std::string_view text)
{
    ngx_str_t value = borrow(text);
    ngx_int_t time = ngx_parse_time(&value, 0);
    if (time == NGX_ERROR) throw Mistake("invalid time " + quoted(text) + "; write it like 30s, 10m or 8h");
    return time;
}

Seconds parse_seconds(std::string_view text)
{
    ngx_str_t value = borrow(text);
    ngx_int_t time = ngx_parse_time(&value, 1);
    if (time == NGX_ERROR) throw Mistake("invalid time " + quoted(text) + "; write it like 30s, 10m or 8h");
    return time;
}

std::size_t parse_size(std::string_view text)
{
    ngx_str_t value = borrow(text);
    ssize_t size = ngx_parse_size(&value);
    if (size == NGX_ERROR) throw Mistake("invalid size " + quoted(text) + "; write it like 256k or 8m");
    return static_cast<std::size_t>(size);
}

bool parse_on_off(std::string_view text)
{
    return parse_choice<bool>(text, {{"on", true}, {"off", false}});
}

Options::Options(const Words& words, std::size_t first, std::initializer_list<std::string_view> known)
{
    for (std::size_t i = first; i < words.size(); ++i) {
        std::string_view word = words[i];
        std::size_t equals = std::min(word.find('='), word.size());
        std::string_view key = word.substr(0, equals);
        bool is_known = equals < word.size() && std::find(known.begin(), known.end(), key) != known.end();
        if (!is_known) throw Mistake("unknown parameter " + quoted(word) + did_you_mean(key, {known.begin(), known.size()}));
        if (get(key)) throw Mistake("parameter " + quoted(key) + " is written twice");
        options_.emplace_back(key, word.substr(equals + 1));
    }
}

std::optional<std::string_view> Options::get(std::string_view key) const
{
    for (const auto& [name, value] : options_) {
        if (name == key) return value;
    }
    return std::nullopt;
}

bool has_variables(std::string_view text) { return text.find('$') != text.npos; }

ngx_http_complex_value_t* compile(ngx_conf_t* cf, std::string_view text)
{
    auto* value = make_in_pool<ngx_http_complex_value_t>(cf->pool);
    ngx_str_t source = copy(cf->pool, text);
    ngx_http_compile_complex_value_t ccv{};
    ccv.cf = cf;
    ccv.value = &source;
    ccv.complex_value = value;
    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) throw Logged{};
    return value;
}

ngx_http_complex_value_t* literal(ngx_conf_t* cf, std::string_view text)
{
    auto* value = make_in_pool<ngx_http_complex_value_t>(cf->pool);
    *value = {};
    value->value = copy(cf->pool, text);
    return value;
}

std::string full_name(ngx_conf_t* cf, std::string_view path)
{
    ngx_str_t name = copy(cf->pool, path);
    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) throw std::bad_alloc{};
    return string(name);
}

static Mistake unreadable(const std::string& name)
{
    return Mistake("cannot read " + quoted(name) + ": " + std::generic_category().message(errno));
}

std::string read_file(ngx_conf_t* cf, std::string_view path, std::size_t max_size)
{
    std::string name = full_name(cf, path);
    std::ifstream file(name, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file.is_open() || file.bad()) throw unreadable(name);
    if (text.size() > max_size) throw Mistake(quoted(name) + " is larger than " + std::to_string(max_size) + " bytes");
    return text;
}

namespace {

bool is_member(const char* user, gid_t group, gid_t wanted)
{
    std::vector<gid_t> groups(64);
    int count = static_cast<int>(groups.size());
    if (getgrouplist(user, group, groups.data(), &count) < 0) count = static_cast<int>(groups.size());
    return std::find(groups.begin(), groups.begin() + count, wanted) != groups.begin() + count;
}

// The workers' user: `user` when it is written above, else what nginx was built for. Nothing when the master is not root.
const passwd* worker_user(ngx_conf_t* cf)
{
    if (geteuid() != 0) return nullptr;
    auto* core = reinterpret_cast<ngx_core_conf_t*>(ngx_get_conf(cf->cycle->conf_ctx, ngx_core_module));
    return getpwnam(core->username != nullptr ? core->username : NGX_USER);
}

bool may_read(const passwd& user, const struct stat& file)
{
    if (user.pw_uid == 0) return true;
    if (file.st_uid == user.pw_uid) return file.st_mode & S_IRUSR;
    if (is_member(user.pw_name, user.pw_gid, file.st_gid)) return file.st_mode & S_IRGRP;
    return file.st_mode & S_IROTH;
}

}  // namespace

std::string worker_file(ngx_conf_t* cf, std::string_view path)
{
    std::string name = full_name(cf, path);
    struct stat info;
    if (stat(name.c_str(), &info) != 0) throw unreadable(name);
    const passwd* user = worker_user(cf);
    if (user != nullptr && !may_read(*user, info)) {
        throw Mistake(quoted(name) + " is unreadable for worker user " + quoted(user->pw_name) + "; change its mode or group");
    }
    return name;
}

void require_safe_url(std::string_view text)
{
    std::optional<Url> url = parse_url(text);
    if (!url) throw Mistake(quoted(text) + " is no absolute https URL");
    if (url->scheme == "https" || is_loopback(url->host)) return;
    throw Mistake(quoted(text) + " must be https; plain http is for loopback hosts alone");
}

void require_endpoint_path(std::string_view text)
{
    bool plain = is_local_path(text) && text.find_first_of("?#%") == text.npos && text.find("//") == text.npos;
    for (std::string_view segment : split(text, '/')) plain = plain && segment != "." && segment != "..";
    if (!plain) throw Mistake(quoted(text) + " is no plain path: it starts with \"/\" and has no query, escape or empty segment");
    if (text == "/") throw Mistake("the module would answer \"/\" instead of the site; choose another path, like /oidc/callback");
}

std::string path_of(std::string_view uri)
{
    if (uri.starts_with('/')) return std::string(uri);
    std::optional<Url> url = parse_url(uri);
    return url ? url->path : std::string();
}

namespace {

std::size_t edit_distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates)
{
    constexpr std::size_t max_edits = 2;
    std::string_view best;
    std::size_t distance = max_edits + 1;
    for (std::string_view candidate : candidates) {
        std::size_t edits = edit_distance(name, candidate);
        if (edits < distance && edits < candidate.size()) {
            best = candidate;
            distance = edits;
        }
    }
    return best.empty() ? std::string() : "; did you mean " + quoted(best) + "?";
}

}  // namespace oidc::ngx
