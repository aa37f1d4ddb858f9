// The oidc_provider block: its directives are looked up in two tables.
#include "ngx_http_oidc_conf_provider.hpp"

#include <algorithm>

namespace oidc::ngx {
namespace {

const Directive* find_directive(std::string_view name)
{
    for (std::span<const Directive> table : {client_directives(), login_directives()}) {
        for (const Directive& row : table) {
            if (row.name == name) return &row;
        }
    }
    return nullptr;
}

Words directive_names()
{
    Words names;
    for (std::span<const Directive> table : {client_directives(), login_directives()}) {
        for (const Directive& row : table) names.push_back(row.name);
    }
    return names;
}

void apply_directive(Block& block, const Words& words)
{
    std::string name(words[0]);
    const Directive* row = find_directive(name);
    if (row == nullptr) {
        throw Mistake("unknown directive " + quoted(name) + " in oidc_provider" + did_you_mean(name, directive_names()));
    }
    if (block.has(name) && !row->repeatable) throw Mistake(quoted(name) + " directive is duplicate");
    std::size_t count = words.size() - 1;
    bool fits = count >= row->min_words && count <= row->max_words;
    if (!fits) throw Mistake("invalid number of arguments in " + quoted(name) + " directive");
    block.written.emplace(name, here(block.cf));
    block.directive = row->name;
    try {
        row->set(block, Words(words.begin() + 1, words.end()));
    } catch (const Mistake& mistake) {
        throw Mistake("oidc_provider " + quoted(block.provider.name) + ": " + name + ": " + mistake.what());
    }
}

char* read_directive(ngx_conf_t* cf, ngx_command_t* dummy, void* block) noexcept
{
    try {
        Words words = words_of(cf);
        if (words[0] == "include") return ngx_conf_include(cf, dummy, nullptr);
        apply_directive(*static_cast<Block*>(block), words);
        return NGX_CONF_OK;
    } catch (...) {
        return report_failure(cf, std::current_exception());
    }
}

void read_block(ngx_conf_t* cf, Block& block)
{
    ngx_conf_t saved = *cf;
    cf->handler = read_directive;
    cf->handler_conf = &block;
    char* result = ngx_conf_parse(cf, nullptr);
    *cf = saved;
    if (result != NGX_CONF_OK) throw Logged{};
}

// The name goes into cookie, zone and variable names.
void require_name(const MainConf& main, std::string_view name)
{
    bool plain = !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || c == '.';
    });
    if (!plain) throw Mistake("oidc_provider " + quoted(name) + ": a name has letters, digits, \"_\", \"-\" and \".\", at most 64");
    if (name == "off") throw Mistake("oidc_provider \"off\": \"auth_oidc off\" has another meaning; choose another name");
    if (find_provider(main, name) != nullptr) throw Mistake("oidc_provider " + quoted(name) + " is declared twice; rename one");
}

}  // namespace

void declare_provider(ngx_conf_t* cf, const Words& words, void* main_conf)
{
    auto& main = *static_cast<MainConf*>(main_conf);
    require_name(main, words[1]);
    auto conf = std::make_unique<ProviderConf>();
    conf->provider.name = words[1];
    conf->place = here(cf);
    Block block(cf, *conf);
    read_block(cf, block);
    complete_provider(block);
    main.providers.push_back(std::move(conf));
}

const ProviderConf* find_provider(const MainConf& conf, std::string_view name) noexcept
{
    for (const auto& provider : conf.providers) {
        if (provider->provider.name == name) return provider.get();
    }
    return nullptr;
}

}  // namespace oidc::ngx
