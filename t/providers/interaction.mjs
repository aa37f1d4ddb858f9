// What happens between /authorize and the callback: login page, consent page, way back. One address per
// interaction, /api/v2/interaction/<uid>, with /login, /consent and /abort below it.
import { claimsFor, identities } from './accounts.mjs';
import { levelsOf, reportedLevel, unmet } from './acr.mjs';
import { LOST, sendErrorPage } from './errors.mjs';
import { consentPage, loginPage } from './pages.mjs';
import { saveGrant } from './provider.mjs';
import { claimsOf, dataOf } from './scopes.mjs';

const MINUTES = 1800;

const html = (res, text) => {
  res.writeHead(200, {
    'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', 'x-frame-options': 'DENY',
  });
  res.end(text);
};

const seeOther = (res, location) => {
  res.writeHead(303, { location, 'content-length': 0 });
  res.end();
};

/** FranceConnect's link back puts the parameters in without encoding them; the others end the interaction. */
function backHref({ settings }, { uid, params }) {
  if (settings.flavour !== 'franceconnect') return `/api/v2/interaction/${uid}/abort`;
  return '/api/v2/redirect-to-sp-with-error?error=access_denied&error_description=User auth aborted'
    + `&state=${params.state}&redirect_uri=${params.redirect_uri}`;
}

/** The answer of FranceConnect's link back: whatever state it was given, "undefined" included. */
export function backToService({ res, query, app }) {
  const known = app.clients.library.some(({ redirect_uris: uris }) => uris.includes(query.redirect_uri));
  if (!known) {
    sendErrorPage(res, app.settings, 400, 'Y000400', 'redirect_uri is not valid');
    return;
  }
  const { error, error_description: description, state } = query;
  const answer = new URLSearchParams({ error, error_description: description });
  if (state !== undefined) answer.set('state', state);
  answer.set('iss', app.issuer);
  seeOther(res, `${query.redirect_uri}?${answer}`);
}

async function describe(app, interaction) {
  const { params } = interaction;
  const client = await app.provider.Client.find(params.client_id);
  const levels = levelsOf(app.settings, params);
  return { service: client.clientName ?? client.clientId, levels, back: backHref(app, interaction) };
}

const requestedClaims = ({ claims }) => Object.values(claims ? JSON.parse(claims) : {})
  .flatMap((members) => Object.keys(members));

async function finish({ req, res, app }, interaction, login) {
  const { settings, provider, control } = app;
  const { params } = interaction;
  const acr = reportedLevel(settings, control.switches.acr || login.acr);
  const levels = levelsOf(settings, params);
  if (unmet(levels, acr)) {
    await provider.interactionFinished(req, res, {
      error: 'access_denied', error_description: 'requested ACRs could not be satisfied',
    });
    return;
  }
  const accountId = control.takePerson(login.identity);
  const result = {
    login: {
      accountId, acr, amr: identities[accountId].claims.amr, ts: Math.floor(Date.now() / 1000), remember: false,
    },
    consent: {},
  };
  if (settings.consentPage) {
    const grant = await saveGrant(provider, {
      accountId,
      clientId: params.client_id,
      scope: params.scope,
      claims: settings.grantsClaims ? requestedClaims(params) : [],
    });
    result.consent.grantId = grant.jti;
  }
  app.store.delete(`Pending:${interaction.uid}`);
  await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false });
}

/** Who is logged in already, as far as this request may use it. */
function known({ req, app }, interaction, levels) {
  const { settings, sso, store } = app;
  const pending = store.get(`Pending:${interaction.uid}`);
  if (pending) return pending;
  const { prompt, session: own, params } = interaction;
  if (prompt.name === 'consent' && own?.accountId) return { identity: own.accountId, acr: levels.asked };
  const session = sso.find(req);
  if (!session || !settings.sso.reuse({ session, params, levels, asked: levels.asked })) return undefined;
  return settings.flavour === 'franceconnect' ? { ...session, acr: levels.asked } : session;
}

async function show(exchange, interaction) {
  const { req, res, app } = exchange;
  const { settings, control } = app;
  const { service, levels, back } = await describe(app, interaction);
  const action = `/api/v2/interaction/${interaction.uid}`;
  let login = known(exchange, interaction, levels);
  if (!login && control.switches.auto) {
    login = { identity: control.switches.auto, acr: levels.asked };
    app.sso.start(res, { ...login, email: identities[login.identity].email });
  }
  if (!login) {
    html(res, loginPage(settings, {
      service, action: `${action}/login`, levels: levels.possible, asked: levels.asked, back,
    }));
  } else if (settings.consentPage && !req.consented && !control.switches.auto) {
    const all = claimsFor(app.row, login.identity);
    const names = claimsOf(app.row, interaction.params.scope).filter((name) => name in all);
    html(res, consentPage(settings, {
      service, action: `${action}/consent`, identity: login.identity, back,
      claims: Object.fromEntries(names.map((name) => [name, all[name]])),
      data: dataOf(app.row, interaction.params.scope),
    }));
  } else {
    await finish(exchange, interaction, login);
  }
}

async function logIn(exchange, interaction) {
  const { res, body, app } = exchange;
  const { settings, sso, store } = app;
  const { levels } = await describe(app, interaction);
  const { identity, acr = levels.asked } = body;
  if (!identities[identity]) {
    sendErrorPage(res, settings, 400, 'Y020022', 'identité inconnue');
  } else if (!levels.possible.includes(acr)) {
    sendErrorPage(res, settings, 400, 'Y100001', 'Le niveau de garantie est trop faible');
  } else {
    const login = { identity, acr };
    store.set(`Pending:${interaction.uid}`, login, MINUTES);
    sso.start(res, { ...login, email: identities[identity].email, idp: interaction.params.idp_hint });
    seeOther(res, `/api/v2/interaction/${interaction.uid}`);
  }
}

const STEPS = {
  'GET ': show,
  'POST login': logIn,
  'POST consent'(exchange, interaction) {
    exchange.req.consented = true;
    return show(exchange, interaction);
  },
  'GET abort': ({ req, res, app }) => app.provider.interactionFinished(req, res, {
    error: 'access_denied', error_description: 'User auth aborted',
  }),
};

/** path: what follows /interaction/. */
export async function interact(exchange, path) {
  const { req, res, app } = exchange;
  const [uid, step = ''] = path.split('/');
  const run = STEPS[`${req.method} ${step}`];
  const interaction = await app.provider.interactionDetails(req, res).catch(() => undefined);
  if (!run) {
    sendErrorPage(res, app.settings, 404, 'Y000404', 'Page introuvable');
  } else if (interaction?.uid !== uid) {
    sendErrorPage(res, app.settings, 401, LOST[app.settings.flavour], 'Votre session a expiré');
  } else {
    await run(exchange, interaction);
  }
}
