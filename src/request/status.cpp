#include "request/status.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "conf/parse.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/text.hpp"
#include "request/headers.hpp"
#include "request/reply.hpp"
#include "request/request_context.hpp"
#include "store/metrics.hpp"
#include "store/zone.hpp"

namespace oidc::ngx {
namespace {

struct Family {
    std::string_view name, help, owner, detail = {};  // the names of the labels
    bool counter = true;
};

// Those of Count stand first, in its order.
constexpr Family families[] = {
    {"logins_started", "Browsers sent to the provider to log in.", "provider"},
    {"logins_done", "Logins that ended with a session.", "provider"},
    {"logouts_started", "Sessions ended by the logout link.", "provider"},
    {"logouts_done", "Browsers that came back from a logout at the provider.", "provider"},
    {"logouts_told", "Accepted requests at backchannel_logout_uri and frontchannel_logout_uri.", "provider"},
    {"refreshes_done", "Sessions whose tokens were renewed.", "provider"},
    {"refreshes_failed", "Renewals of tokens that failed.", "provider"},
    {"failures", "What failed, each with a line in the error log.", "provider", "reason"},
    {"fetches_done", "Fetches of the provider's documents.", "provider", "document"},
    {"fetches_failed", "Fetches that brought no document that can be used.", "provider", "document"},
    {"fetch_milliseconds", "How long the last fetch took.", "provider", "document", false},
    {"document_age_seconds", "Since the document in use was fetched.", "provider", "document", false},
    {"sessions", "Sessions in the zone.", "zone", {}, false},
    {"zone_size_bytes", "The size of the zone.", "zone", {}, false},
    {"zone_free_bytes", "In free pages of the zone.", "zone", {}, false},
    {"evictions", "Live sessions that a full zone has driven out.", "zone"},
};

struct Sample {
    const Family* family;
    std::string_view owner, detail;
    std::int64_t value;
};
using Samples = std::vector<Sample>;

void add(Samples& samples, std::string_view family, std::string_view owner, std::int64_t value,
         std::string_view detail = {})
{
    samples.push_back({std::ranges::find(families, family, &Family::name), owner, detail, value});
}

void add_document(Samples& samples, std::string_view provider, std::string_view name, const Metrics::Document& document)
{
    add(samples, "fetches_done", provider, document.done.get(), name);
    add(samples, "fetches_failed", provider, document.failed.get(), name);
    if (document.done.get() + document.failed.get() > 0)
        add(samples, "fetch_milliseconds", provider, document.latency.get(), name);
    const std::int64_t fetched = document.fetched.get(), age = static_cast<std::int64_t>(ngx_current_msec) - fetched;
    if (fetched > 0) add(samples, "document_age_seconds", provider, std::max<std::int64_t>(age, 0) / 1000, name);
}

Samples collect(const MainConf& main)
{
    Samples samples;
    for (const auto& conf : main.providers) {
        const std::string& name = conf->provider.name;
        const Metrics& metrics = conf->metrics();
        for (std::size_t i = 0; i < std::size(metrics.counts); ++i)
            samples.push_back({&families[i], name, {}, metrics.counts[i].get()});
        for (std::size_t i = 0; i < std::size(metrics.failures); ++i)
            add(samples, "failures", name, metrics.failures[i].get(), reason_rows[i].name);

        add_document(samples, name, "metadata", metrics.metadata);
        add_document(samples, name, "jwks", metrics.keys);
    }

    for (const auto& zone : main.zones) {
        const Zone::Usage usage = zone->usage(ngx_time());
        add(samples, "sessions", zone->name(), static_cast<std::int64_t>(usage.items));
        add(samples, "zone_size_bytes", zone->name(), static_cast<std::int64_t>(usage.size));
        add(samples, "zone_free_bytes", zone->name(), static_cast<std::int64_t>(usage.free));
        add(samples, "evictions", zone->name(), static_cast<std::int64_t>(usage.evicted));
    }
    return samples;
}

void put(Json& values, const Sample& sample)
{
    const std::string_view name = sample.family->name;
    if (sample.detail.empty()) return values.set(name, Json::of(sample.value));
    Json details = values.has(name) ? values.at(name) : Json::object();
    details.set(sample.detail, Json::of(sample.value));
    values.set(name, details);
}

// {"providers": {name: {family: value, family: {detail: value}}}, "zones": {...}}
std::string json(const Samples& samples)
{
    Json all = Json::object();
    for (std::string_view owner : {"provider", "zone"}) {
        std::map<std::string_view, Json> owners;
        for (const Sample& sample : samples)
            if (sample.family->owner == owner)
                put(owners.try_emplace(sample.owner, Json::object()).first->second, sample);
        Json named = Json::object();
        for (const auto& [name, values] : owners) named.set(name, values);
        all.set(std::string(owner) + "s", named);
    }
    return all.dump() + "\n";
}

std::string label(std::string_view name, std::string_view value)
{
    std::string text = std::string(name) + "=\"";
    for (char c : value) {
        if (c == '\\' || c == '"') text += '\\';
        text += c == '\n' ? "\\n" : std::string(1, c);
    }
    return text + '"';
}

std::string prometheus(const Samples& samples)
{
    std::string text;
    for (const Family& family : families) {
        const std::string name = concat({"oidc_", family.name, family.counter ? "_total" : ""});
        text +=
            concat({"# HELP ", name, " ", family.help, "\n# TYPE ", name, family.counter ? " counter\n" : " gauge\n"});
        for (const Sample& sample : samples) {
            if (sample.family != &family) continue;
            std::string labels = label(family.owner, sample.owner);
            if (!sample.detail.empty()) labels += "," + label(family.detail, sample.detail);
            text += concat({name, "{", labels, "} ", std::to_string(sample.value), "\n"});
        }
    }
    return text;
}

template <auto Write, Literal Type>
ngx_int_t show(ngx_http_request_t* r)
{
    if (r->method != NGX_HTTP_GET && r->method != NGX_HTTP_HEAD) return NGX_HTTP_NOT_ALLOWED;
    add_header(r, "Cache-Control", "no-store");
    return respond(r, NGX_HTTP_OK, Type.text, Write(collect(main_conf(r))));
}

}  // namespace

void set_status(ngx_conf_t* cf, const Words& words, LocConf&)
{
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    if (core->handler != nullptr)
        throw ConfigError("another directive answers this location; give oidc_status one of its own");
    bool text = words.size() > 1 && parse_name(words[1], "json prometheus") == 1;
    core->handler = text ? guarded<show<prometheus, "text/plain; version=0.0.4">, NGX_HTTP_INTERNAL_SERVER_ERROR>
                         : guarded<show<json, "application/json">, NGX_HTTP_INTERNAL_SERVER_ERROR>;
}

}  // namespace oidc::ngx
