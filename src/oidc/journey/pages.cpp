#include "oidc/journey/pages.hpp"

#include <charconv>
#include <cstddef>

#include "oidc/base/text.hpp"

namespace oidc {
namespace {

struct Both {
    std::string_view fr, en;
};

// Title and sentence, in both languages.
struct Page {
    Both title, text;
    bool calm = false;  // nothing went wrong: no reference is shown
};

constexpr Both try_again{"Réessayer", "Try again"}, home{"Retour à l’accueil", "Back to the home page"},
    confirm{"Se déconnecter", "Log out"}, reference{"Référence de l’incident", "Reference of the incident"},
    footer{"Si le problème persiste, transmettez cette référence au support du service.",
           "If it happens again, give this reference to the support of this service."};

constexpr Page session_ended{
    {"Vous êtes déconnecté", "You are logged out"},
    {"Votre session est terminée. Vous pouvez fermer cette page.", "Your session has ended. You can close this page."},
    true};
constexpr Page confirm_logout{{"Voulez-vous vous déconnecter&nbsp;?", "Do you want to log out?"},
                              {"Confirmez votre déconnexion de ce service, si c’est bien vous qui l’avez demandée.",
                               "Confirm that you want to log out of this service, if it was you who asked for it."},
                              true};
constexpr Page cancelled{{"Connexion annulée", "Login cancelled"},
                         {"Vous avez interrompu la connexion. Rien n’a été transmis à ce service.",
                          "You stopped the login. Nothing was passed on to this service."},
                         true};
constexpr Page not_logged_in{{"Vous n’êtes pas connecté", "You are not logged in"},
                             {"Cette page demande une connexion, et vous n’en avez pas en cours.",
                              "This page needs a login, and you have none at the moment."},
                             true};
constexpr Page other_person{
    {"Une autre personne a répondu", "Another person answered"},
    {"L’identité reçue n’est pas celle de la session en cours, qui reste ouverte. Recommencez avec le même compte, "
     "ou déconnectez-vous d’abord.",
     "The identity received is not the one of the current session, which stays open. Start again with the same "
     "account, or log out first."}};
constexpr Page too_weak{{"Niveau de garantie insuffisant", "Authentication too weak"},
                        {"Cette page demande une authentification plus forte que celle qui a été obtenue.",
                         "This page needs a stronger authentication than the one obtained."}};
constexpr Page not_granted{{"Autorisation refusée", "Authorization refused"},
                           {"Les données demandées par cette page n’ont pas été autorisées.",
                            "The data that this page needs was not authorized."}};
constexpr Page interrupted{{"La connexion n’a pas abouti", "The login could not be completed"},
                           {"Cette tentative de connexion a expiré, a déjà servi ou ne vient pas de ce navigateur.",
                            "This login attempt has expired, was used before or does not come from this browser."}};
constexpr Page not_confirmed{{"La déconnexion n’est pas confirmée", "The logout is not confirmed"},
                             {"Cette demande de déconnexion a expiré, a déjà servi ou ne vient pas de ce navigateur.",
                              "This logout request has expired, was used before or does not come from this browser."}};
constexpr Page bad_link{{"Lien non valide", "Invalid link"},
                        {"Le lien que vous avez suivi n’est pas valide.", "The link that you followed is not valid."}};
constexpr Page unavailable{{"Service momentanément indisponible", "Service unavailable for the moment"},
                           {"La connexion n’a pas pu être vérifiée. Réessayez dans quelques minutes.",
                            "The login could not be verified. Try again in a few minutes."}};
constexpr Page failed{{"La connexion a échoué", "The login failed"},
                      {"Une erreur technique a interrompu la connexion.", "A technical error interrupted the login."}};

const Page& page_of(Reason reason)
{
    using enum Reason;
    switch (reason) {
    case login_cancelled: return cancelled;
    case login_required: return not_logged_in;
    case subject_changed: return other_person;
    case id_token_acr: return too_weak;
    case scope_refused: return not_granted;
    case logout_state:
    case logout_refused: return not_confirmed;
    case return_refused:
    case argument_refused: return bad_link;
    case provider_unreachable:
    case provider_timeout:
    case provider_busy:
    case session_store: return unavailable;
    default: return blame_of(reason) == Blame::browser ? interrupted : failed;
    }
}

// The look of the French State's design system, in both of its themes; colours of its own with a contrast above 4.5.
constexpr std::string_view style =
    "body{margin:0;font:1rem/1.5 Marianne,arial,sans-serif;color:#3a3a3a;background:#fff;border-top:4px solid #000091}"
    "main{max-width:36rem;margin:0 auto;padding:4rem 1.5rem}form{display:inline}"
    "h1{font-size:2rem;line-height:1.25;color:#161616;margin:0 0 1.5rem}"
    "a,button{display:inline-block;margin:1.5rem 1rem 0 0;padding:.5rem "
    "1rem;font:inherit;font-weight:500;border:0;cursor:pointer;"
    "text-decoration:none;color:#f5f5fe;background:#000091}"
    "a:hover,button:hover{background:#1212ff}"
    "a.second{color:#000091;background:transparent;box-shadow:inset 0 0 0 1px "
    "#000091}a.second:hover{background:#f6f6f6}"
    "a:focus-visible,button:focus-visible{outline:2px solid #0a76f6;outline-offset:2px}"
    "small{display:block;margin-top:2.5rem;font-size:.875rem;color:#666}"
    "@media(prefers-color-scheme:dark){body{color:#cecece;background:#161616;border-color:#8585f6}h1{color:#fff}"
    "a,button{color:#000091;background:#8585f6}a:hover,button:hover{background:#b1b1f9}"
    "a.second{color:#8585f6;box-shadow:inset 0 0 0 1px #8585f6}a.second:hover{background:#242424}small{color:#929292}}";

std::string_view pick(bool french, const Both& words) { return french ? words.fr : words.en; }

std::string render(bool french, const Page& page, std::string_view rest)
{
    const std::string_view title = pick(french, page.title);
    return concat({"<!DOCTYPE html>\n<html lang=\"", french ? "fr" : "en", "\">\n<head>\n<meta charset=\"utf-8\">\n",
                   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta "
                   "name=\"color-scheme\" content=\"light dark\">\n",
                   "<title>", title, "</title>\n<style>", style, "</style>\n</head>\n<body>\n<main>\n<h1>", title,
                   "</h1>\n<p>", pick(french, page.text), "</p>\n", rest, "</main>\n</body>\n</html>\n"});
}

std::string link(bool french, std::string_view to, const Both& words, std::string_view attributes = {})
{
    return concat({"<a", attributes, " href=\"", html_escaped(to), "\">", pick(french, words), "</a>\n"});
}

}  // namespace

bool prefers_french(std::string_view accept_language)
{
    double best = 0;
    bool french = true;
    while (!accept_language.empty()) {
        std::string_view range = take(accept_language, ',');
        std::string_view tag = trim(take(range, ';'));
        const std::string_view language = take(tag, '-');

        double quality = 1;
        if (const std::size_t at = range.find("q="); at != range.npos) {
            quality = 0;
            std::from_chars(range.data() + at + 2, range.data() + range.size(), quality);
        }

        const bool is_french = equal_no_case(language, "fr");
        if (quality <= best || !(is_french || equal_no_case(language, "en"))) continue;
        best = quality;
        french = is_french;
    }
    return french;
}

std::string html_escaped(std::string_view text)
{
    constexpr std::string_view special = "&<>\"'";
    constexpr std::string_view entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    std::string out;
    for (const char c : text) {
        const std::size_t at = special.find(c);
        const bool control = static_cast<unsigned char>(c) < ' ' || c == '\x7f';
        if (at != special.npos) out += entities[at];
        else out += control ? ' ' : c;
    }
    return out;
}

std::string failure_page(bool french, Reason reason, std::string_view support_id, std::string_view retry)
{
    const Page& page = page_of(reason);
    std::string rest;
    const bool elsewhere = !retry.empty() && retry != "/";
    if (elsewhere) rest += link(french, retry, try_again);
    rest += link(french, "/", home, elsewhere ? " class=\"second\"" : "");
    if (!page.calm) {
        rest += concat({"<small>", pick(french, reference), french ? "&nbsp;: " : ": ", name_of(reason),
                        support_id.empty() ? "" : " ", html_escaped(support_id), "<br>", pick(french, footer),
                        "</small>\n"});
    }
    return render(french, page, rest);
}

std::string logged_out_page(bool french) { return render(french, session_ended, link(french, "/", home)); }

std::string confirm_logout_page(bool french, std::string_view action)
{
    const std::string form = concat({"<form method=\"post\" action=\"", html_escaped(action), "\"><button>",
                                     pick(french, confirm), "</button></form>\n"});
    return render(french, confirm_logout, form + link(french, "/", home, " class=\"second\""));
}

}  // namespace oidc
