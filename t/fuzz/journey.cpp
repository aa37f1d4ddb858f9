// Whole journeys, with a provider and a browser that say anything. Each piece is one step, told by its first letter:
//   P options     L page       a login begins     C query       a callback        R status, type, body   an answer
//   T seconds     F refresh    O logout           o query       its return        B form, f query        others'
//   logouts I query       K query      logins by a link   H cookies     of the browser    S scope  A levels  V
//   revocation
// In texts $S and $N are the state and the nonce of the last request, $C the claims of a right token, and <...> is a
// token of the provider with these claims.
#include "fuzz.hpp"

#include <charconv>

#include "oidc/base/cookie.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/journey/begin_login.hpp"
#include "oidc/journey/finish_login.hpp"
#include "oidc/journey/logout.hpp"
#include "oidc/journey/provider_logout.hpp"
#include "oidc/journey/refresh.hpp"
#include "oidc/journey/revoke_tokens.hpp"
#include "oidc/journey/session_times.hpp"
#include "oidc/ports/session_record.hpp"
#include "oidc/provider/session_cookie.hpp"
#include "provider.hpp"

using namespace oidc;

namespace {

std::string replaced(std::string text, std::string_view what, std::string_view with)
{
    for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + with.size()))
        text.replace(at, what.size(), with);
    return text;
}

class Journey : fuzz::Site {
public:
    void step(std::string_view piece);

private:
    std::string cookies_, query_, record_, page_;
    std::string state_, nonce_;
    std::set<std::string> nonces_;  // that we sent
    std::set<std::string> states_;  // likewise
    std::size_t refused_ = 0;       // codes: each leaves its state good for another one
    std::map<Digest, std::string> before_;

    void set_options(std::string_view letters);
    void push_answer(std::string_view text);
    std::string expanded(std::string_view text);
    void keep(const std::vector<std::string>& lines);
    std::optional<SessionKey> session_key() const;
    SessionView existing();
    void ask(Task<Reply> (*journey)(Context), std::string_view query);
    void check_reply(char kind);
    void check_sessions(char kind);
    void check_requests() const;
};

void Journey::set_options(std::string_view letters)
{
    const auto has = [&](char letter) { return letters.find(letter) != letters.npos; };
    const auto toggle = [&](char letter) { return has(letter) ? Switch::on : Switch::off; };
    provider.userinfo = has('u');
    provider.userinfo_format = has('j') ? UserinfoFormat::jwt : UserinfoFormat::automatic;
    provider.tamper_logout = has('t');
    provider.revoke_on_logout = has('r');
    provider.pkce = toggle('p');
    provider.par = toggle('x');
    provider.logout_state = has('s');
    provider.logout_token_hint = has('h');
    provider.post_logout_uri = has('b') ? "/bye" : "";
    provider.logged_out_uri = has('l') ? "https://www.example/out" : "";
    provider.max_age = has('a') ? std::optional<Seconds>(60) : std::nullopt;
    provider.form_post = has('f');
    provider.acr_orders = has('e') ? std::vector<AcrOrder>{{"eidas1", "eidas2", "eidas3"}} : std::vector<AcrOrder>();
    provider.session_timeout = has('z') ? 30 : 8 * 3600;
    provider.session_max_lifetime = has('m') ? 100 : 0;
    provider.client_auth = has('w') ? ClientAuth::secret_jwt : has('o') ? ClientAuth::post : ClientAuth::automatic;
    provider.iss_parameter = has('i') ? Switch::on : Switch::automatic;
    provider.redirect_uri = has('d') ? "https://other.example/oidc_callback" : "/oidc_callback";
    documents.down = has('D');
    request.step_up = has('U');
}

std::string Journey::expanded(std::string_view text)
{
    const std::string now = std::to_string(request.now), end = std::to_string(request.now + 60);
    const std::string right =
        concat({R"("iss":"https://op.example","aud":"client","sub":"alice","iat":)", now, R"(,"exp":)", end});
    std::string plain = replaced(replaced(replaced(std::string(text), "$C", right), "$S", state_), "$N", nonce_);
    std::string out;
    for (std::string_view rest = plain; !rest.empty();) {
        const std::size_t open = std::min(rest.find('<'), rest.size());
        const std::size_t close = rest.find('>', open);
        out += rest.substr(0, open);
        if (close == rest.npos) return out.append(rest.substr(open));
        out += issue(rest.substr(open + 1, close - open - 1));
        rest.remove_prefix(close + 1);
    }
    return out;
}

// "200j{...}": the status, one letter for the type of the content or the transport's fault, the body.
void Journey::push_answer(std::string_view text)
{
    HttpResponse answer;
    const char* const end = text.data() + std::min<std::size_t>(text.size(), 3);
    text.remove_prefix(static_cast<std::size_t>(std::from_chars(text.data(), end, answer.status).ptr - text.data()));
    const char kind = text.empty() ? 'j' : text[0];
    constexpr std::string_view faults = "jUTLB";  // in the order of Transport
    if (faults.find(kind) != faults.npos) answer.transport = static_cast<Transport>(faults.find(kind));
    answer.content_type = kind == 'w' ? "application/jwt" : "application/json; charset=utf-8";
    answer.body = expanded(text.substr(std::min<std::size_t>(text.size(), 1)));
    http.replies.push_back(std::move(answer));
}

// A browser: keeps what Set-Cookie says.
void Journey::keep(const std::vector<std::string>& lines)
{
    for (const std::string& line : lines) {
        const std::string pair = line.substr(0, line.find(';')), name = pair.substr(0, pair.find('='));
        const IsOurs same = [](const void* wanted, std::string_view found) {
            return found == *static_cast<const std::string*>(wanted);
        };
        std::string kept(cookies_.size(), '?');
        if (const auto left = strip_cookies(cookies_, kept.data(), same, &name)) cookies_ = std::string(*left);
        if (line.find("Max-Age=0") == line.npos) cookies_ += (cookies_.empty() ? "" : "; ") + pair;
    }
    request.cookies = cookies_;
}

std::optional<SessionKey> Journey::session_key() const
{
    const std::string_view id = find_cookie(cookies_, session_cookie_name(provider, request.https));
    return id.empty() || id.size() > 64 ? std::nullopt : std::optional(sha256(id));
}

SessionView Journey::existing()
{
    const std::optional<SessionKey> key = session_key();
    const auto at = key ? sessions.sessions.find(*key) : sessions.sessions.end();
    record_ = at == sessions.sessions.end() ? "" : at->second;
    const SessionView view(record_);
    return view && view.binding() == provider.binding && view.times().expires > request.now ? view : SessionView();
}

void Journey::ask(Task<Reply> (*journey)(Context), std::string_view query)
{
    query_ = expanded(query);
    request.query = query_;
    run(journey(context()));
}

// What goes to a browser is what a header may hold, and leads to this site, to the provider, or to a configured page.
void Journey::check_reply(char kind)
{
    refused_ += failure && failure->reason == Reason::token_refused ? 1 : 0;
    if (failure) MUST(fuzz::is_header_safe(failure->description) && is_visible(failure->support_id));
    if (!reply) return;
    MUST(reply->status == 200 || reply->status == 302);
    MUST(is_visible(reply->location) && (reply->status == 200) == reply->location.empty());
    for (const std::string& line : reply->set_cookies) MUST(fuzz::is_header_safe(line));

    const std::string& location = reply->location;
    const bool to_provider = location.starts_with("https://op.example/authorize?");
    const bool to_logout = location.starts_with("https://op.example/end?");
    const bool here = location.starts_with("https://rp.example/") || location.starts_with("https://other.example/");
    MUST(reply->status == 200 || to_provider || here || to_logout || location == provider.logged_out_uri);

    std::vector<Param> params =
        parse_query(std::string_view(location).substr(std::min(location.find('?') + 1, location.size())))
            .value_or(std::vector<Param>());
    if (to_provider && contains(params, "request_uri", &Param::name))
        params = parse_query(*http.requests.back().form).value();
    if (to_logout) MUST(kind == 'O' || kind == 'C');
    if (to_provider) {
        states_.insert(state_ = last_value(params, "state"));
        nonces_.insert(nonce_ = last_value(params, "nonce"));
        MUST(state_.size() == 43 && nonce_.size() == 43 && state_ != nonce_);
    }
    if (to_logout && contains(params, "state", &Param::name)) state_ = last_value(params, "state");
    keep(reply->set_cookies);
}

// Nobody has a session but by a token that this provider issued, to us, in answer to one of our requests.
void Journey::check_sessions(char kind)
{
    for (const auto& [key, record] : sessions.sessions) {
        const auto old = before_.find(key);
        if (old != before_.end() && old->second == record) continue;
        MUST(old == before_.end() ? kind == 'C' : kind == 'F');

        const SessionView view(record);
        const std::string token(view.internal(entry_name::id_token));
        MUST(view && view.binding() == provider.binding && issued.contains(token));
        const Json claims = fuzz::claims_of(token);
        MUST(claims.text("iss") == provider.issuer && contains(claims.strings("aud"), provider.client_id));
        MUST(!claims.text("sub").empty() && view.claim("sub") && view.claim("sub")->value == claims.text("sub"));
        const auto info = view.find("sub", EntrySource::userinfo);
        MUST(!info || info->value == claims.text("sub"));
        if (kind == 'F') {
            MUST(SessionView(old->second).claim("sub")->value == claims.text("sub"));
            continue;
        }
        MUST(nonces_.contains(claims.text("nonce")));
        MUST(claims.integer("exp").value_or(0) > request.now - provider.clock_skew);
        MUST(provider.userinfo == info.has_value() && session_key() == key);
        MUST(view.times().expires > 0 && view.times().created <= request.now);
    }
    before_ = sessions.sessions;
}

// What goes to the provider goes to its endpoints, in one piece; a code is asked for once for each state.
void Journey::check_requests() const
{
    std::size_t codes = 0;
    const Endpoints& known = documents.known;
    for (const HttpRequest& sent : http.requests) {
        MUST(sent.url == known.token || sent.url == known.userinfo || sent.url == known.revocation ||
             sent.url == known.par);
        for (const std::string& header : sent.headers) MUST(fuzz::is_header_safe(header));
        if (!sent.form) continue;
        MUST(is_visible(*sent.form) && parse_query(*sent.form));
        codes += last_value(*parse_query(*sent.form), "grant_type") == "authorization_code" ? 1 : 0;
    }
    MUST(codes <= states_.size() + refused_);
}

void Journey::step(std::string_view piece)
{
    if (piece.empty()) return;
    const char kind = piece[0];
    const std::string_view text = piece.substr(1);
    request.cookies = cookies_;
    reply.reset();
    failure.reset();

    switch (kind) {
    case 'P': set_options(text); break;
    case 'R': push_answer(text); break;
    case 'A': request.acr = join(words(text.substr(0, text.find('\n'))), " "); break;
    case 'S': request.scope = join(words(text.substr(0, text.find('\n'))), " "); break;
    case 'H':
        if (fuzz::is_header_safe(text)) cookies_ += concat({"; ", text});
        break;
    case 'T': {
        unsigned seconds = 0;
        std::from_chars(text.data(), text.data() + std::min<std::size_t>(text.size(), 6), seconds);
        request.now += seconds;
        break;
    }
    case 'L': run(start_login(context(), {return_path(text), 0, request.step_up && existing()})); break;
    case 'C': {
        query_ = expanded(text);
        request.query = query_;
        const SessionView session = existing();
        run(finish_login(context(), session));
        break;
    }
    case 'K': {
        query_ = expanded(text);
        request.query = query_;
        const SessionView session = existing();
        run(login_from_link(context(), session));
        break;
    }
    case 'I': ask(initiated_login, text); break;
    case 'O': {
        const std::optional<SessionKey> key = session_key();
        ask(logout, {});
        MUST(!failure && (!key || !sessions.sessions.contains(*key)));
        break;
    }
    case 'o': ask(finish_logout, text); break;
    case 'B':
        request.form = expanded(text);
        ask(backchannel_logout, {});
        break;
    case 'f': {
        query_ = expanded(text);
        request.query = query_;
        const SessionView session = existing();
        run(frontchannel_logout(context(), session));
        break;
    }
    case 'F':
        if (const SessionView session = existing(); session && refresh_due(provider, session, request.now))
            finish(refresh(context(), *session_key()));
        break;
    case 'V':
        if (existing()) finish(revoke_tokens(context(), record_));
        break;
    default: break;
    }
    check_reply(kind);
    check_sessions(kind);
    check_requests();
}

}  // namespace

FUZZ_TARGET(input)
{
    constexpr int max_steps = 24;
    Journey journey;
    for (int i = 0; i < max_steps && !input.empty(); ++i) journey.step(fuzz::next_piece(input));
}
