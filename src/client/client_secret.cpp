#include "client/client_secret.hpp"

#include <utility>

#include "conf/config_error.hpp"
#include "conf/secret_file.hpp"
#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

void renew_secret(const ProviderConf& conf)
{
    SecretFile& file = conf.secret_file;
    if (file.name.empty() || std::exchange(file.looked, ngx_time()) == ngx_time() || !file.look()) return;
    const char* name = conf.provider.name.c_str();
    try {
        conf.provider.client_secret = read_secret(file.name);
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0, "oidc: provider \"%s\": client_secret_file was read again",
                      name);
    } catch (const ConfigError& why) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "oidc: provider \"%s\": client_secret_file: %s; the last good secret stays in use", name,
                      printable(why.what()).c_str());
    }
}

}  // namespace oidc::ngx
