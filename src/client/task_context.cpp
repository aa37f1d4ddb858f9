#include "client/task_context.hpp"

#include <utility>

#include "client/worker.hpp"
#include "oidc/base/random.hpp"

namespace oidc::ngx {

TaskContext::TaskContext(const ProviderConf& provider_conf, const MainConf& main, Request asked)
    : conf{provider_conf}, request{std::move(asked)}, sessions{*conf.sessions, *main.states,
                                                               conf.provider.session_idle_timeout, worker().searches},
      ports{*worker().http, sessions, *worker().documents, worker_random, main.cookie_keys}
{
}

}  // namespace oidc::ngx
