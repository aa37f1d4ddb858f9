// The application behind nginx: it knows nothing of OpenID Connect and prints the request headers it received. Usage: app.mjs PORT
import { createServer } from 'node:http';

const services = {
  franceconnect: 'FranceConnect', franceconnect_plus: 'FranceConnect+', proconnect: 'ProConnect', generic: 'le fournisseur générique',
};

// Header, label for a person; the header's name is shown beside it. What is not listed here is shown with the other headers.
const claims = [
  ['x-given-name', 'Prénoms'], ['x-family-name', 'Nom de naissance'], ['x-usual-name', 'Nom'], ['x-preferred-username', 'Nom d’usage'],
  ['x-birthdate', 'Date de naissance'], ['x-gender', 'Sexe'], ['x-birthplace', 'Lieu de naissance (code COG)'],
  ['x-birthcountry', 'Pays de naissance (code COG)'], ['x-email', 'Adresse électronique'], ['x-phone-number', 'Téléphone'],
  ['x-siret', 'SIRET'],
  ['x-uid', 'Identifiant chez l’employeur'], ['x-organizational-unit', 'Service'], ['x-matricule', 'Matricule'], ['x-roles', 'Rôles'],
  ['x-name', 'Nom complet'], ['x-sub', 'Identifiant (sub)'],
];

const escape = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
// Node reads header bytes as Latin-1; they are UTF-8.
const utf8 = (value) => Buffer.from(String(value), 'latin1').toString('utf8');

function page(title, body) {
  return `<!DOCTYPE html>
<html lang="fr" data-fr-scheme="system">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${escape(title)} – Service de démonstration</title>
  <link rel="icon" href="/favicon.svg">
  <link rel="stylesheet" href="/dsfr/dsfr.min.css">
  <link rel="stylesheet" href="/demo.css">
</head>
<body>
  <header class="demo-header"><div class="fr-container"><a href="/" title="Accueil – Service de démonstration">Service de démonstration</a></div></header>
  <main class="fr-container fr-py-6w">
${body}
  </main>
  <script type="module" src="/dsfr/dsfr.module.min.js"></script>
</body>
</html>
`;
}

function table(caption, rows) {
  const lines = rows.map(([name, value, header]) =>
    `<tr><th scope="row">${escape(name)}${header && header !== name ? ` <code>${header}</code>` : ''}</th><td${header ? ` data-header="${header}"` : ''}>${escape(value)}</td></tr>`).join('\n');
  return `<h2 class="fr-h4">${escape(caption)}</h2>
<div class="demo-table"><table>\n<tbody>\n${lines}\n</tbody>\n</table></div>`;
}

function person(headers, provider) {
  return [headers['x-given-name'], headers['x-preferred-username'] ?? headers['x-family-name'] ?? headers['x-usual-name']].filter(Boolean).join(' ')
    || headers['x-email'] || headers['x-sub'] || provider;
}

function welcome(request, headers) {
  const provider = headers['x-oidc-provider'] ?? '';
  const service = services[provider] ?? provider;
  const space = request.url.split('/')[1];
  const known = claims.filter(([header]) => headers[header] !== undefined);
  const shown = new Set(known.map(([header]) => header));
  // What the module adds first, then what the browser sent.
  const rank = (header) => (header.startsWith('x-') ? 0 : 1) + header;
  const others = Object.entries(headers).filter(([header]) => !shown.has(header)).sort(([a], [b]) => (rank(a) < rank(b) ? -1 : 1));
  return page('Vos informations', `    <div class="demo-status">
      <p>Vous êtes connecté(e) avec ${escape(service)} : <strong>${escape(person(headers, service))}</strong></p>
      <a class="fr-btn fr-btn--secondary" id="logout" href="/${escape(space)}/logout">Se déconnecter</a>
    </div>
    ${more[provider] ?? ''}
    <h1>Vos informations</h1>
    <p>Page demandée : <code id="requested">${escape(request.url)}</code></p>
    ${table(`Ce que ${service} a transmis`, known.map(([header, label]) => [label, headers[header], header]))}
    ${table('Autres en-têtes reçus / Other headers received', others.map(([header, value]) => [header, value, header]))}`);
}

// What else there is to try with the provider.
const more = {
  franceconnect: '<p><a class="fr-link" id="data-page" href="/franceconnect/donnees">Mon quotient familial, par API Particulier</a></p>',
  franceconnect_plus: '<p><a class="fr-link" id="step-up" href="/franceconnect-plus/coordonnees-bancaires">Mes coordonnées bancaires (niveau eIDAS élevé)</a></p>',
};

const dataPage = () => page('Récupérer vos données', `    <h1>Votre quotient familial</h1>
    <p>Plutôt que de joindre un justificatif, autorisez le service à demander votre quotient familial à la CAF ou à la MSA.</p>
    <div class="fr-connect-group">
      <a class="fr-connect" href="/franceconnect/quotient-familial">
        <span class="fr-connect__login">Récupérer ses données avec</span>
        <span class="fr-connect__brand">FranceConnect</span>
      </a>
      <p><a href="https://franceconnect.gouv.fr/" target="_blank" rel="noopener" title="Qu’est-ce que FranceConnect ? - nouvelle fenêtre">Qu’est-ce que FranceConnect ?</a></p>
    </div>
    <p><a class="fr-link" href="/franceconnect/">Revenir à mes informations</a></p>`);

// data.js fills in the data: nginx passes its call on, with the access token that this page's location obtained.
const quotient = (headers) => page('Votre quotient familial', `    <h1>Votre quotient familial</h1>
    <div id="data" aria-live="polite"><p>Chargement des données…</p></div>
    <noscript><p>Cette page demande JavaScript.</p></noscript>
    ${table('Ce que l’application a reçu', [['Identifiant (sub)', headers['x-sub'], 'x-sub']])}
    <p><a class="fr-link" href="/franceconnect/">Revenir à mes informations</a></p>
    <script type="module" src="/data.js"></script>`);

const pages = { '/franceconnect/donnees': dataPage, '/franceconnect/quotient-familial': quotient };

function failure(headers) {
  const cancelled = headers['x-oidc-error'] === 'login_cancelled';
  const details = ['x-oidc-error', 'x-oidc-error-description', 'x-oidc-error-id'].filter((h) => headers[h]);
  // oidc_error_description and oidc_error_id come escaped, and oidc_error is one of the module's own words.
  const list = details.map((h) => `<li><code>${h}</code> : ${headers[h]}</li>`).join('\n');
  return page('Connexion interrompue', `    <h1>${cancelled ? 'Vous avez interrompu la connexion' : 'La connexion n’a pas abouti'}</h1>
    <p>Aucune information n’a été transmise au service.</p>
    <ul>${list}</ul>
    <p class="fr-mt-3w"><a class="fr-btn" href="${escape(headers['x-login-url'] ?? '/')}">Réessayer</a></p>
    <p><a class="fr-link" href="/">Revenir à la page de connexion</a></p>`);
}

createServer((request, response) => {
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, utf8(value)]));
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.setHeader('Cache-Control', 'no-store');
  const [where] = request.url.split('?');
  if (!headers['x-oidc-provider']) response.end(failure(headers));
  else response.end(pages[where]?.(headers) ?? welcome(request, headers));
}).listen(Number(process.argv[2]), '127.0.0.1');
