#include "conf/http_directives.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "conf/files.hpp"
#include "conf/parse.hpp"
#include "oidc/base/secret.hpp"
#include "oidc/base/text.hpp"
#include "store/zone.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t min_zone_size = 64 * 1024, min_cookie_key = 32;

}  // namespace

void declare_zone(ngx_conf_t* cf, const Words& words, MainConf& main)
{
    std::string zone;
    read_options(words, 1, {{"zone", into<parse_constant>(zone)}});
    std::size_t colon = zone.rfind(':');
    if (colon == zone.npos || colon == 0) throw ConfigError("write it like zone=sessions:8m");
    std::size_t size = parse_size(std::string_view(zone).substr(colon + 1));
    zone.resize(colon);
    if (size < min_zone_size) throw ConfigError("the zone " + quoted(zone) + " is too small; 64k is the least");
    if (contains(main.zones, zone, &Zone::name)) throw ConfigError("the zone " + quoted(zone) + " is declared twice");
    main.zones.push_back(std::make_unique<Zone>(cf, zone, size));
}

void add_cookie_key(ngx_conf_t* cf, const Words& words, MainConf& main)
{
    std::string name = full_name(cf, words[1]);
    Secret key(read_file(name));
    bool enough = key.reveal().size() >= min_cookie_key;
    if (!enough) throw ConfigError(quoted(name) + " holds less than 32 bytes; make one with \"openssl rand -hex 32\"");
    main.cookie_keys.push_back(std::move(key));
}

}  // namespace oidc::ngx
