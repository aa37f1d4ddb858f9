#include "request/oidc_request.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/config_error.hpp"
#include "conf/configuration.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/provider/acr.hpp"
#include "oidc/provider/profiles.hpp"
#include "request/cookies.hpp"
#include "request/form.hpp"
#include "request/reply.hpp"
#include "request/request_context.hpp"
#include "request/site.hpp"

namespace oidc::ngx {
namespace {

// The arguments of the authorization URL: a value that the provider would refuse is not sent, and told of where a login
// begins.
void add_args(ngx_http_request_t* r, const ProviderConf& conf, Endpoint endpoint, std::vector<Param>& args)
{
    bool begins = endpoint == Endpoint::page || endpoint == Endpoint::login || endpoint == Endpoint::initiate;
    if (!begins && endpoint != Endpoint::callback) return;  // which may begin the login again
    for (const AuthArg& arg : conf.args) {
        std::string value(evaluate(r, arg.value));
        std::string why = arg.value->lengths == nullptr ? "" : why_refused(*conf.provider.profile, arg.name, &value);
        if (value.empty()) continue;
        if (why.empty()) args.push_back({arg.name, std::move(value)});
        else if (begins)
            log_failure(r, Failure(Reason::argument_refused, arg.directive + ": not sent: " + why), conf.provider.name);
    }
    std::vector<Param> more = parse_query(evaluate(r, location(r).args.value)).value_or(std::vector<Param>{});
    args.insert(args.end(), more.begin(), more.end());
}

}  // namespace

Request make_request(ngx_http_request_t* r, const ProviderConf& conf, Endpoint endpoint)
{
    Request request;
    request.cookies = cookies_of(r);
    request.query = view(r->args);
    request.target = view(r->unparsed_uri);
    request.base_url = base_url(r, conf);
    request.https = request.base_url.starts_with("https:");
    request.now = ngx_time();
    request.acr = join(words(evaluate(r, conf.acr_values)), " ");
    if (request.acr.empty()) request.acr = join(conf.provider.acr_default, " ");
    if (endpoint == Endpoint::backchannel) request.form = form_of(r, max_form).value_or("");
    add_args(r, conf, endpoint, request.args);
    return request;
}

void add_step_up(ngx_http_request_t* r, const Provider& provider, SessionView existing, Request& request)
{
    const LocConf& here = location(r);
    std::string_view level = existing.claim("acr").value_or(Entry()).value;
    request.step_up = here.acr != nullptr && !here.acr->words.empty();
    const Words& wanted = request.step_up ? here.acr->words : provider.acr_default;
    bool known =
        std::ranges::any_of(provider.acr_orders, [&](const AcrOrder& order) { return contains(order, level); });
    if (known && (wanted.empty() || acr_at_least(provider.acr_orders, wanted, level))) request.acr = level;
    else if (request.step_up) request.acr = join(here.acr->words, " ");
    if (here.scope != nullptr) request.scope = join(here.scope->words, " ");
}

}  // namespace oidc::ngx
