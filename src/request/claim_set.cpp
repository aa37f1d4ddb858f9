#include "request/claim_set.hpp"

#include <algorithm>
#include <string_view>

#include "conf/location_directives.hpp"
#include "conf/parse.hpp"
#include "request/variables.hpp"

namespace oidc::ngx {

void declare_claim_set(ngx_conf_t* cf, const Words& words, MainConf&)
{
    if (!is_variable(words[1])) throw ConfigError(quoted(words[1]) + " is no variable; write it like $roles");
    auto is_option = [](std::string_view word) { return word.starts_with("source=") || word.starts_with("encoding="); };
    auto path = std::find_if_not(words.begin() + 2, words.end(), is_option);
    auto* set = make_in_pool<ClaimSet>(cf->pool);
    read_options({words.begin(), path}, 2,
                 {{"source", into<one_of<ClaimSetSource, "any id_token userinfo">>(set->source)},
                  {"encoding", into<one_of<ClaimSetEncoding, "raw json base64url urlencode">>(set->encoding)}});
    set->path.assign(path, words.end());
    if (set->path.empty()) throw ConfigError("the claim's name is missing");
    if (std::any_of(path, words.end(), is_option)) throw ConfigError("options stand before the claim's name");
    if (add_claim_set_variable(cf, copy(cf->pool, words[1].substr(1)), set) != NGX_OK) throw ConfigError();
}

}  // namespace oidc::ngx
