// What FranceConnect and ProConnect do to an authorization request before the library sees it.
import { identities } from './accounts.mjs';
import { levelsOf, pickAcr, reportedLevel } from './acr.mjs';
import { sendErrorPage } from './errors.mjs';

/** An error sent to the relying party, if the client and its redirect_uri are genuine; else the library's turn. */
async function refuse({ res, app }, params, error, description) {
  const client = await app.provider.Client.find(params.client_id);
  if (!client?.redirectUriAllowed(params.redirect_uri)) return false;
  const answer = new URLSearchParams({ error, error_description: description, state: params.state, iss: app.issuer });
  res.writeHead(303, { location: `${params.redirect_uri}?${answer}`, 'content-length': 0 });
  res.end();
  return true;
}

const asksAmr = ({ claims }) => {
  try {
    return Object.values(JSON.parse(claims ?? '{}')).some((members) => members && 'amr' in members);
  } catch {
    return false;
  }
};

/** The library never sees who was logged in, neither now nor when the login is over. */
function forgetSession(req, res) {
  for (const [, name] of (req.headers.cookie ?? '').matchAll(/(?:^|; *)(_session[^=]*)=/g)) {
    res.appendHeader('set-cookie', `${name}=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT`);
  }
  req.headers.cookie = '';
}

const FLAVOURS = {
  async franceconnect(exchange, params) {
    const { app, req, res } = exchange;
    const { settings, clients } = app;
    forgetSession(req, res);
    const local = clients.local[params.client_id];
    if (!local && req.method === 'POST') {
      sendErrorPage(res, settings, 500, 'Y000000', 'Une erreur technique est survenue');
      return undefined;
    }
    if (asksAmr(params) && local && !local.amr) {
      sendErrorPage(res, settings, 400, 'Y100009', 'Le service n’est pas autorisé à demander amr');
      return undefined;
    }
    const acr = pickAcr(settings, params.acr_values);
    const { allowed } = settings.acr;
    const wrongAcr = !allowed.includes(acr) && await refuse(exchange, params, 'invalid_acr',
      `acr_value is not valid, should be equal one of these values, expected ${allowed.join(',')}, got ${acr}`);
    if (wrongAcr) return undefined;
    const hint = req.method === 'GET' ? params.idp_hint : undefined;
    const wrongHint = hint && !settings.idpHints.includes(hint)
      && await refuse(exchange, params, 'invalid_idp_hint', 'An idp_hint was provided but is not allowed');
    if (wrongHint) return undefined;
    const { idp_hint: dropped, ui_locales: ignored, ...rest } = params;
    return { ...rest, acr_values: acr, prompt: 'login consent' };
  },

  async proconnect(exchange, params) {
    const { settings } = exchange.app;
    const wrongHint = params.idp_hint && !settings.idpHints.includes(params.idp_hint)
      && await refuse(exchange, params, 'idp_hint_not_found', 'provided idp_hint could not be found');
    if (wrongHint) return undefined;
    return params.prompt === undefined ? { ...params, prompt: 'login' } : params;
  },

  generic: async (exchange, params) => params,
};

/** The login of the "auto" switch, for a request simple enough to be answered at once. */
function autoLogin({ settings, control }, params) {
  const { switches } = control;
  if (!switches.auto || params.claims || params.prompt === 'none') return undefined;
  const { asked } = levelsOf(settings, params);
  const accountId = control.takePerson(switches.auto);
  return {
    accountId,
    acr: reportedLevel(settings, switches.acr || asked),
    amr: identities[accountId].claims.amr,
    loginTs: Math.floor(Date.now() / 1000),
  };
}

/** Rewrites the request for the library; false when it was answered here. */
export async function prepareAuthorize(exchange) {
  const { req, query, body, app } = exchange;
  const params = await FLAVOURS[app.settings.flavour](exchange, req.method === 'POST' ? body : query);
  if (!params) return false;
  req.auto = autoLogin(app, params);
  req.method = 'GET';
  delete req.headers['content-type'];
  delete req.headers['content-length'];
  const pairs = Object.entries(params).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  req.url = `/authorize?${new URLSearchParams(pairs)}`;
  return true;
}
