#include "ngx_http_oidc_conf_parse.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

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
    if (place.file.len == 0) {
        ngx_log_error(level, cf->log, 0, "%V", &text);
    } else {
        ngx_log_error(level, cf->log, 0, "%V in %V:%ui", &text, &place.file, place.line);
    }
}

char* report_failure(ngx_conf_t* cf, std::string_view who) noexcept
{
    std::string prefix = who.empty() ? "" : std::string(who) + ": ";
    try {
        throw;
    } catch (const Logged&) {
    } catch (const Mistake& mistake) {
        report(cf, NGX_LOG_EMERG, mistake.place.value_or(here(cf)), (mistake.place ? "" : prefix) + mistake.what());
    } catch (const std::exception& e) {
        report(cf, NGX_LOG_EMERG, here(cf), prefix + e.what());
    }
    return static_cast<char*>(NGX_CONF_ERROR);
}

static std::int64_t parse_time(std::string_view text, ngx_uint_t is_seconds)
{
    ngx_str_t value = borrow(text);
    ngx_int_t time = ngx_parse_time(&value, is_seconds);
    if (time == NGX_ERROR) throw Mistake("invalid time " + quoted(text) + "; write it like 30s, 10m or 8h");
    return time;
}

std::int64_t parse_milliseconds(std::string_view text) { return parse_time(text, 0); }
Seconds parse_seconds(std::string_view text) { return parse_time(text, 1); }
Seconds parse_seconds_or_off(std::string_view text) { return text == "off" ? 0 : parse_seconds(text); }

std::size_t parse_size(std::string_view text)
{
    ngx_str_t value = borrow(text);
    ssize_t size = ngx_parse_size(&value);
    if (size == NGX_ERROR) throw Mistake("invalid size " + quoted(text) + "; write it like 256k or 8m");
    return static_cast<std::size_t>(size);
}

int parse_number(std::string_view text, std::string_view what, int least, int most)
{
    ngx_int_t number = ngx_atoi(borrow(text).data, text.size());
    if (number >= least && number <= most) return static_cast<int>(number);
    throw Mistake("invalid " + std::string(what) + " " + quoted(text) + ", it can be " + std::to_string(least) + " to " +
                  std::to_string(most));
}

std::string parse_text(std::string_view text)
{
    if (text.empty()) throw Mistake("the value is empty");
    return std::string(text);
}

std::string parse_safe_url(std::string_view text)
{
    std::optional<Url> url = parse_url(text);
    if (!url) throw Mistake(quoted(text) + " is no absolute https URL");
    if (url->scheme == "https" || is_loopback(url->host)) return std::string(text);
    throw Mistake(quoted(text) + " must be https; plain http is for loopback hosts alone");
}

std::string parse_endpoint_path(std::string_view text)
{
    bool plain = is_local_path(text) && text.find_first_of("?#%") == text.npos && text.find("//") == text.npos;
    for (std::string_view segment : split(text, '/')) plain = plain && segment != "." && segment != "..";
    if (!plain) throw Mistake(quoted(text) + " is no plain path: it starts with \"/\" and has no query, escape or empty segment");
    if (text == "/") throw Mistake("the module would answer \"/\" instead of the site; choose another path, like /oidc/callback");
    return std::string(text);
}

std::string parse_endpoint_uri(std::string_view text)
{
    if (!text.starts_with('/')) parse_safe_url(text);
    parse_endpoint_path(path_of(text));
    return std::string(text);
}

std::string path_of(std::string_view uri)
{
    std::optional<Url> url = parse_url(uri);
    return url ? url->path : std::string(uri);
}

Options::Options(const Words& words, std::size_t first, std::initializer_list<std::string_view> known)
{
    for (std::string_view word : std::span(words).subspan(first)) {
        std::size_t equals = std::min(word.find('='), word.size());
        std::string_view key = word.substr(0, equals);
        bool is_known = equals < word.size() && std::ranges::find(known, key) != known.end();
        if (!is_known) throw Mistake("unknown parameter " + quoted(word) + did_you_mean(key, {known.begin(), known.size()}));
        bool added = options_.emplace(key, word.substr(equals + 1)).second;
        if (!added) throw Mistake("parameter " + quoted(key) + " is written twice");
    }
}

std::optional<std::string_view> Options::get(std::string_view key) const
{
    auto at = options_.find(key);
    return at == options_.end() ? std::nullopt : std::optional(at->second);
}

void require_free_argument(std::string_view name)
{
    if (name.empty()) throw Mistake("an authorization parameter without a name");
    if (is_reserved_argument(name)) throw Mistake("the parameter " + quoted(name) + " is the module's own; remove it");
}

std::vector<Param> parse_arguments(std::string_view query)
{
    std::optional<std::vector<Param>> args = parse_query(query);
    if (!args) throw Mistake(quoted(query) + " is no query; write it like \"a=b&c=d\", with %XX escapes");
    return *args;
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
    std::array<gid_t, 64> groups;
    int count = groups.size();
    if (getgrouplist(user, group, groups.data(), &count) < 0) count = groups.size();
    return std::ranges::count(std::span(groups).first(static_cast<std::size_t>(count)), wanted) > 0;
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

// Whether at most `edits` removals, insertions and replacements make the one name from the other.
static bool is_near(std::string_view a, std::string_view b, std::size_t edits)
{
    auto [left, right] = std::ranges::mismatch(a, b);
    a.remove_prefix(static_cast<std::size_t>(left - a.begin()));
    b.remove_prefix(static_cast<std::size_t>(right - b.begin()));
    if (a.empty() || b.empty()) return std::max(a.size(), b.size()) <= edits;
    return edits > 0 && (is_near(a.substr(1), b, edits - 1) || is_near(a, b.substr(1), edits - 1) ||
                         is_near(a.substr(1), b.substr(1), edits - 1));
}

std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates)
{
    for (std::size_t edits : {1, 2}) {
        auto near = [&](std::string_view each) { return each.size() > edits && is_near(name, each, edits); };
        auto found = std::ranges::find_if(candidates, near);
        if (found != candidates.end()) return "; did you mean " + quoted(*found) + "?";
    }
    return {};
}

}  // namespace oidc::ngx
