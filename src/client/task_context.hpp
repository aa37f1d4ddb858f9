// What a coroutine works with: the provider, the request, and the worker's side of the ports.
#pragma once

#include "conf/configuration.hpp"
#include "conf/provider_conf.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/ports/request.hpp"
#include "store/local_sessions.hpp"

namespace oidc::ngx {

struct TaskContext {
    TaskContext(const ProviderConf& provider_conf, const MainConf& main, Request asked);
    TaskContext(const TaskContext&) = delete;

    const ProviderConf& conf;
    Request request;
    LocalSessions sessions;
    Ports ports;
    Context context{conf.provider, ports, request};
};

}  // namespace oidc::ngx
