#include "conf/config_error.hpp"

#include <algorithm>
#include <cstddef>
#include <exception>

#include "oidc/base/text.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t max_quoted = 200, max_sentence = 1500, max_listed = 8;

// Whether at most `edits` removals, insertions and replacements make the one name from the other.
bool is_near(std::string_view a, std::string_view b, std::size_t edits)
{
    auto same = static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
    a.remove_prefix(same);
    b.remove_prefix(same);
    if (a.empty() || b.empty()) return std::max(a.size(), b.size()) <= edits;
    return edits > 0 && (is_near(a.substr(1), b, edits - 1) || is_near(a, b.substr(1), edits - 1) ||
                         is_near(a.substr(1), b.substr(1), edits - 1));
}

}  // namespace

std::string quoted(std::string_view text)
{
    std::string shown(text.substr(0, max_quoted));
    std::ranges::replace_if(
        shown, [](unsigned char c) { return c < ' '; }, '?');
    return "\"" + shown + (text.size() > max_quoted ? "...\"" : "\"");
}

std::string provider_title(const Provider& provider) { return "oidc_provider " + quoted(provider.name); }
std::string directive_of(const Provider& provider, std::string_view what)
{
    return provider_title(provider) + ": " + std::string(what);
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
        auto* mistake = dynamic_cast<const ConfigError*>(&e);
        bool placed = mistake != nullptr && mistake->place.line > 0, is_logged = *e.what() == '\0';
        std::string sentence = (placed || who.empty() ? "" : who + ": ") + e.what();
        if (!is_logged) report(cf, NGX_LOG_EMERG, placed ? mistake->place : here(cf), sentence);
    }
    return static_cast<char*>(NGX_CONF_ERROR);
}

}  // namespace oidc::ngx
