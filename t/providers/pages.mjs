// The pages that a person meets at a provider. Everything is in the page: no script but the logout's, no asset.
import { identities } from './accounts.mjs';

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export const escape = (text) => String(text).replace(/[&<>"']/g, (c) => ENTITIES[c]);

const LABELS = {
  given_name: 'Prénoms', given_name_array: 'Liste des prénoms', family_name: 'Nom de naissance',
  usual_name: 'Nom', preferred_username: 'Nom d’usage', birthdate: 'Date de naissance', gender: 'Sexe',
  birthplace: 'Lieu de naissance (code)', birthcountry: 'Pays de naissance (code)', email: 'Adresse électronique',
  phone_number: 'Téléphone', siret: 'SIRET', siren: 'SIREN', organizational_unit: 'Unité', roles: 'Rôles',
  name: 'Nom complet', address: 'Adresse',
};

const STYLE = `
:root { color-scheme: light dark; --ink: #161616; --paper: #fff; --soft: #f6f6f6; --line: #ddd; --brand: #000091;
  --on-brand: #fff; --muted: #555 }
@media (prefers-color-scheme: dark) { :root { --ink: #fff; --paper: #161616; --soft: #242424; --line: #3a3a3a;
  --brand: #8585f6; --on-brand: #000; --muted: #bbb } }
* { box-sizing: border-box }
body { margin: 0; font: 1rem/1.5 Marianne, Arial, sans-serif; color: var(--ink); background: var(--soft) }
header { padding: 1rem; background: var(--paper); border-bottom: 1px solid var(--line) }
header p { max-width: 40rem; margin: 0 auto; font-weight: 700 }
header span { display: block; font-weight: 400; font-size: .875rem; color: var(--muted) }
main { max-width: 40rem; margin: 2rem auto; padding: 1.5rem; background: var(--paper); border: 1px solid var(--line) }
h1 { margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.25 }
fieldset { margin: 0 0 1.5rem; padding: 0; border: 0 }
legend { padding: 0; margin-bottom: .5rem; font-weight: 700 }
.choice { display: flex; gap: .75rem; align-items: flex-start; padding: .75rem; border: 1px solid var(--line);
  margin-bottom: -1px; cursor: pointer }
.choice input { width: 1.25rem; height: 1.25rem; flex: none; margin: .125rem 0 0; accent-color: var(--brand) }
label small { display: block; color: var(--muted) }
select { display: block; font: inherit; padding: .5rem; margin: .25rem 0 1.5rem; color: inherit;
  background: var(--soft); border: 0; border-bottom: 2px solid var(--ink) }
button { font: inherit; font-weight: 700; padding: .625rem 1.5rem; border: 0; color: var(--on-brand);
  background: var(--brand); cursor: pointer }
dl { display: grid; grid-template-columns: minmax(8rem, 1fr) 2fr; gap: .25rem 1rem; margin: 0 0 1.5rem }
dt { color: var(--muted) }
dd { margin: 0; overflow-wrap: anywhere }
a { color: var(--brand) }
:focus-visible { outline: 2px solid #0a76f6; outline-offset: 2px }
`;

export function layout(settings, title, body) {
  return `<!DOCTYPE html>
<html lang="fr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)} - ${escape(settings.name)}</title>
<style>${STYLE}</style>
</head>
<body>
<header role="banner"><p>${escape(settings.name)}<span>Fournisseur local de test, identités fictives</span></p></header>
<main>
<h1>${escape(title)}</h1>
${body}
</main>
</body>
</html>
`;
}

const backLink = (href) => `<p><a id="back-to-service" href="${escape(href)}">Revenir au service</a></p>`;

const choice = ([id, { label, email }], index) => `<label class="choice"><input type="radio" name="identity"
 value="${id}" required${index ? '' : ' checked'}><span>${escape(label)}<small>${escape(email)}</small></span></label>`;

const option = (level, chosen) => `<option${level === chosen ? ' selected' : ''}>${escape(level)}</option>`;

export function loginPage(settings, { service, action, levels, asked, back }) {
  return layout(settings, `Se connecter pour accéder à ${service}`, `
<form id="login" method="post" action="${escape(action)}">
<fieldset><legend>Choisissez une identité de test</legend>
${Object.entries(identities).map(choice).join('\n')}
</fieldset>
<label for="acr">Niveau de garantie rendu</label>
<select id="acr" name="acr">${levels.map((level) => option(level, asked)).join('')}</select>
<button type="submit" id="submit">Se connecter</button>
</form>
${backLink(back)}`);
}

/** The name of an identity, without what its label says of the test. */
const fullName = (id) => identities[id].label.split(' (')[0];

function shown(value) {
  if (typeof value === 'string') return value || '(vide)';
  const texts = Array.isArray(value) && value.every((each) => typeof each === 'string');
  return texts ? value.join(', ') : JSON.stringify(value);
}

const item = ([scope, label]) => `<li data-scope="${escape(scope)}">${escape(label)}</li>`;

export function consentPage(settings, { service, action, identity, claims, data, back }) {
  const rows = Object.entries(claims).map(([name, value]) => `<dt>${escape(LABELS[name] ?? name)}</dt>
<dd>${escape(shown(value))}</dd>`);
  return layout(settings, `Continuer sur ${service}`, `
<p>Vous êtes connecté avec l’identité <strong>${escape(fullName(identity))}</strong>.</p>
${rows.length ? `<p>Les données suivantes seront transmises au service&nbsp;:</p><dl>${rows.join('\n')}</dl>` : ''}
${data.length ? `<p>Le service pourra demander ces données à leurs fournisseurs&nbsp;:</p>
<ul id="data">${data.map(item).join('')}</ul>` : ''}
<form id="consent" method="post" action="${escape(action)}">
<button type="submit" id="accept">Continuer sur ${escape(service)}</button>
</form>
${backLink(back)}`);
}

export const AUTO_SUBMIT = 'document.addEventListener("DOMContentLoaded", function () { document.forms[0].submit() })';

export function logoutPage(settings, form) {
  const filled = form.replace('</form>', `<input type="hidden" name="logout" value="yes">
<noscript><button type="submit">Continuer la déconnexion</button></noscript></form>`);
  return layout(settings, 'Déconnexion', `<p>Déconnexion en cours.</p>${filled}<script>${AUTO_SUBMIT}</script>`);
}

export function loggedOutPage(settings) {
  return layout(settings, 'Déconnexion', '<p>Vous êtes bien déconnecté, vous pouvez fermer votre navigateur.</p>');
}

export function errorPage(settings, { code, text, id }) {
  return layout(settings, 'Une erreur est survenue', `
<p id="error-message">${escape(text)}</p>
<dl><dt>Code d’erreur</dt><dd id="error-code">${escape(code)}</dd><dt>Identifiant</dt><dd>${escape(id)}</dd></dl>`);
}
