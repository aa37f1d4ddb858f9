// The tools that read directives.
#include "ngx_http_oidc_conf.hpp"

namespace oidc::ngx {

constexpr std::size_t max_quoted = 200, max_sentence = 1500, max_listed = 8, max_file = 16 * 1024 * 1024;
constexpr std::int64_t longest_time = std::int64_t{100} * 366 * 86400;  // seconds: sums of times never overflow

std::string quoted(std::string_view text)
{
    std::string shown(text.substr(0, max_quoted));
    std::ranges::replace_if(shown, [](unsigned char c) { return c < ' '; }, '?');
    return "\"" + shown + (text.size() > max_quoted ? "...\"" : "\"");
}

std::string titled(const Provider& provider) { return "oidc_provider " + quoted(provider.name); }
std::string said_in(const Provider& provider, std::string_view what) { return titled(provider) + ": " + std::string(what); }

// Whether at most `edits` removals, insertions and replacements make the one name from the other.
static bool is_near(std::string_view a, std::string_view b, std::size_t edits)
{
    auto same = static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
    a.remove_prefix(same);
    b.remove_prefix(same);
    if (a.empty() || b.empty()) return std::max(a.size(), b.size()) <= edits;
    return edits > 0 && (is_near(a.substr(1), b, edits - 1) || is_near(a, b.substr(1), edits - 1) ||
                         is_near(a.substr(1), b.substr(1), edits - 1));
}

std::string did_you_mean(std::string_view name, const Words& candidates)
{
    for (std::size_t edits : {1, 2}) {
        for (std::string_view each : candidates)
            if (each.size() > edits && is_near(name, each, edits)) return "; did you mean " + quoted(each) + "?";
    }
    bool few = !candidates.empty() && candidates.size() <= max_listed;
    return few ? "; known: " + join(candidates, ", ") : "";
}

Place here(ngx_conf_t* cf) { return cf->conf_file ? Place{cf->conf_file->file.name, cf->conf_file->line} : Place{}; }

void report(ngx_conf_t* cf, ngx_uint_t level, const Place& place, std::string_view sentence)
{
    ngx_str_t text = borrow(sentence.substr(0, max_sentence));
    ngx_log_error(level, cf->log, 0, place.line > 0 ? "%V in %V:%ui" : "%V", &text, &place.file, place.line);
}

char* guarded(ngx_conf_t* cf, const std::string& who, const std::function<void()>& work) noexcept
{
    try {
        work();
        return NGX_CONF_OK;
    } catch (const std::exception& e) {
        auto* mistake = dynamic_cast<const Mistake*>(&e);
        bool placed = mistake != nullptr && mistake->place.line > 0, is_logged = *e.what() == '\0';
        std::string sentence = (placed || who.empty() ? "" : who + ": ") + e.what();
        if (!is_logged) report(cf, NGX_LOG_EMERG, placed ? mistake->place : here(cf), sentence);
    }
    return static_cast<char*>(NGX_CONF_ERROR);
}

std::int64_t parse_time(std::string_view text, bool is_seconds)
{
    ngx_str_t value = borrow(text);
    ngx_int_t time = ngx_parse_time(&value, is_seconds);
    if (time == NGX_ERROR) throw Mistake("invalid time " + quoted(text) + "; write it like 30s, 10m or 8h");
    if (time / (is_seconds ? 1 : 1000) > longest_time) throw Mistake(quoted(text) + " is more than a hundred years");
    return time;
}

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

std::string parse_safe_url(std::string_view text)
{
    std::optional<Url> url = parse_url(text);
    if (!url) throw Mistake(quoted(text) + " is no absolute https URL");
    if (url->scheme == "https" || is_loopback(url->host)) return std::string(text);
    throw Mistake(quoted(text) + " must be https; plain http is for loopback hosts alone");
}

std::string parse_constant(std::string_view text)
{
    if (text.find('$') != text.npos) throw Mistake(quoted(text) + " has a variable, and the directive takes no variables");
    return std::string(text);
}

std::string parse_endpoint_path(std::string_view text, std::string_view example)
{
    bool plain = is_local_path(text) && text.find_first_of("?#%") == text.npos && text.find("//") == text.npos;
    for (const std::string& segment : words(text, '/')) plain = plain && segment != "." && segment != "..";
    if (!plain) throw Mistake(quoted(text) + " is no plain path: it starts with \"/\" and has no query, escape or empty segment");
    if (text == "/") throw Mistake("the module would answer \"/\" instead of the site; write " + quoted(example));
    return std::string(text);
}

std::string parse_endpoint_uri(std::string_view text, std::string_view example)
{
    if (text.starts_with('/')) return parse_endpoint_path(text, example);
    std::string either = " is neither a path (write " + quoted(example) + ") nor an absolute https URL";
    if (!parse_url(text)) throw Mistake(quoted(text) + either);
    parse_endpoint_path(path_of(text), example);
    return parse_safe_url(text);
}

std::string path_of(std::string_view uri)
{
    std::optional<Url> url = parse_url(uri);
    return url ? url->path : std::string(uri);
}

std::size_t parse_name(std::string_view text, std::string_view names)
{
    Words all = words(names);
    auto at = std::ranges::find(all, text);
    if (at == all.end()) throw Mistake("invalid value " + quoted(text) + ", it can be " + join(all, ", "));
    return static_cast<std::size_t>(at - all.begin());
}

void read_options(std::span<const std::string> words, std::size_t first, std::initializer_list<Option> options)
{
    Words known = names_of(options, &Option::key), seen;
    for (std::string_view word : words.subspan(first)) {
        std::string key(word.substr(0, word.find('=')));
        auto option = std::ranges::find(options, key, &Option::key);
        bool is_known = key.size() < word.size() && option != options.end();
        if (!is_known) throw Mistake("unknown parameter " + quoted(word) + did_you_mean(key, known));
        if (contains(seen, key)) throw Mistake("parameter " + quoted(key) + " is written twice");
        seen.push_back(key);
        option->set(word.substr(key.size() + 1));
    }
}

void require_free_argument(std::string_view name)
{
    if (name.empty()) throw Mistake("an authorization parameter without a name");
    if (is_reserved_argument(name)) throw Mistake("the parameter " + quoted(name) + " is the module's own; remove it");
    std::string why = " would be sent and not checked; use the directive ";
    bool checked = name == "acr_values" || name == "max_age";
    if (checked) throw Mistake(quoted(name) + why + std::string(name) + ", which is also checked in the token");
}

std::vector<Param> parse_arguments(std::string_view query)
{
    if (query.find('$') != query.npos) throw Mistake("it takes no variables; use auth_args, which does");
    std::optional<std::vector<Param>> args = parse_query(query);
    if (!args) throw Mistake(quoted(query) + " is no query; write it like \"a=b&c=d\", with %XX escapes");
    for (const Param& arg : *args) require_free_argument(arg.name);
    return *args;
}

ngx_http_complex_value_t* compile(ngx_conf_t* cf, std::string_view text)
{
    ngx_http_complex_value_t* value = literal(cf, text);
    ngx_http_compile_complex_value_t ccv{cf, &value->value, value, 0, 0, 0};
    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) throw Mistake();
    return value;
}

ngx_http_complex_value_t* literal(ngx_conf_t* cf, std::string_view text)
{
    auto* value = make_in_pool<ngx_http_complex_value_t>(cf->pool);
    value->value = copy(cf->pool, text);
    return value;
}

std::string full_name(ngx_conf_t* cf, std::string_view path)
{
    ngx_str_t name = copy(cf->pool, path);
    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) throw std::bad_alloc{};
    return string(name);
}

std::string read_file(const std::string& name)
{
    int fd = open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);  // a FIFO does not keep us waiting
    std::unique_ptr<FILE, decltype([](FILE* open) { std::fclose(open); })> file(fd >= 0 ? fdopen(fd, "rb") : nullptr);
    auto bytes = std::make_unique_for_overwrite<char[]>(max_file + 1);
    std::size_t size = file ? std::fread(bytes.get(), 1, max_file + 1, file.get()) : 0;
    bool read = file && std::ferror(file.get()) == 0;
    if (!read) throw Mistake("cannot read " + quoted(name) + ": " + std::generic_category().message(errno));
    if (size > max_file) throw Mistake(quoted(name) + " is larger than 16 MB");
    return {bytes.get(), size};
}

// `right` as for others: S_IROTH, S_IXOTH.
static bool has_right(const passwd& user, const std::string& name, mode_t right)
{
    struct stat file;
    if (user.pw_uid == 0) return true;
    if (stat(name.c_str(), &file) != 0) return false;
    std::array<gid_t, 64> groups;
    int count = groups.size();
    if (getgrouplist(user.pw_name, user.pw_gid, groups.data(), &count) < 0) count = groups.size();
    bool member = contains(std::span(groups).first(static_cast<std::size_t>(count)), file.st_gid);
    return (file.st_mode & (file.st_uid == user.pw_uid ? right << 6 : member ? right << 3 : right)) != 0;
}

Secret read_secret(const std::string& name)
{
    std::string text = read_file(name);
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    bool one_line = !text.empty() && text.find_first_of(std::string_view("\n\r\0", 3)) == text.npos;
    Secret secret(std::move(text));
    if (!one_line) throw Mistake(quoted(name) + " must hold the secret alone, on one line");
    return secret;
}

bool SecretFile::look() noexcept
{
    struct stat now{};
    if (stat(name.c_str(), &now) != 0) now = {};  // gone: another one
    auto all = [](SecretFile& file) { return std::tie(file.device, file.inode, file.size, file.changed.tv_sec, file.changed.tv_nsec); };
    SecretFile found{{}, now.st_dev, now.st_ino, now.st_size, now.st_mtim};
    bool same = all(*this) == all(found);
    all(*this) = all(found);
    return !same;
}

// The workers' user is `user` when it is written above, else what nginx was built for; ours when the master is not root.
std::string why_unreadable(ngx_conf_t* cf, const std::string& name)
{
    auto* core = reinterpret_cast<ngx_core_conf_t*>(ngx_get_conf(cf->cycle->conf_ctx, ngx_core_module));
    const passwd* user = geteuid() != 0 ? nullptr : getpwnam(core->username != nullptr ? core->username : NGX_USER);
    for (std::size_t end = 0; user != nullptr && end < name.size();) {
        end = std::min(name.find('/', end), name.size() - 1) + 1;
        std::string part = name.substr(0, end), who = quoted(user->pw_name);  // the folders on the way, then the file
        if (has_right(*user, part, part.ends_with('/') ? S_IXOTH : S_IROTH)) continue;
        return quoted(part) + " is unreadable for worker user " + who + "; change its mode or group";
    }
    return {};
}

}  // namespace oidc::ngx
