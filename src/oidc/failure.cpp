#include "failure.hpp"

#include <array>
#include <utility>

namespace oidc {
namespace {

struct Row {
    std::string_view name;
    int status;
    Blame blame;
};

constexpr std::array rows{
#define OIDC_REASON(name, status, blame) Row{#name, status, Blame::blame},
    OIDC_REASONS(OIDC_REASON)
#undef OIDC_REASON
};

const Row& row(Reason reason) noexcept { return rows[static_cast<std::size_t>(reason)]; }

}  // namespace

std::string_view name_of(Reason reason) noexcept { return row(reason).name; }
int status_of(Reason reason) noexcept { return row(reason).status; }
Blame blame_of(Reason reason) noexcept { return row(reason).blame; }

void fail(Reason reason, std::string detail) { throw Failure(reason, std::move(detail)); }

}  // namespace oidc
