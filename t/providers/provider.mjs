// One oidc-provider instance made of a row of the table, its keys and its clients.
import { claimsFor, subjectFor } from './accounts.mjs';
import { shapeCallback } from './callback.mjs';
import { UNFETCHED_SECTOR } from './clients.mjs';
import { renderErrorFor, watchErrors } from './errors.mjs';
import { agents, loopbackLookup } from './fetch.mjs';
import { shapeTokens } from './mutate.mjs';
import { errorPage, loggedOutPage, logoutPage } from './pages.mjs';
import { CLAIMS } from './scopes.mjs';
import { Adapter } from './store.mjs';
import { edit, isSet } from './switches.mjs';

/** A grant of what a request asks for, added to the one it already has. */
export async function saveGrant(provider, { id, accountId, clientId, scope, claims = [] }) {
  const existing = id && await provider.Grant.find(id);
  const grant = existing || new provider.Grant({ accountId, clientId });
  grant.addOIDCScope(scope);
  if (claims.length) grant.addOIDCClaims(claims);
  await grant.save();
  return grant;
}

async function loadExistingGrant(settings, ctx) {
  const { client, session, result, provider, account } = ctx.oidc;
  const id = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
  if (!settings.grantAlways && !ctx.req.auto) return id ? provider.Grant.find(id) : undefined;
  const claims = settings.grantsClaims ? [...ctx.oidc.requestParamClaims] : [];
  const scope = [...ctx.oidc.requestParamOIDCScopes].join(' ');
  return saveGrant(provider, { id, accountId: account.accountId, clientId: client.clientId, scope, claims });
}

const lifetimes = (ttl, control) => Object.fromEntries(Object.entries(ttl).map(([name, seconds]) => {
  const current = () => {
    const { ttl: overrides, consentLife } = control.switches;
    return overrides[name] ?? ((name === 'Grant' && consentLife) || seconds);
  };
  return [name, current];
}));

/** The library's own policy, but that a login without pages is asked nothing. */
function policyOf(base) {
  const policy = base();
  for (const { checks } of policy) {
    for (const entry of checks) {
      const { check } = entry;
      entry.check = (ctx) => (ctx.req.auto ? false : check(ctx));
    }
  }
  return policy;
}

function logoutFeature(settings, sso) {
  const html = (ctx, status, body) => {
    ctx.status = status;
    ctx.type = 'html';
    ctx.body = body;
  };
  return {
    enabled: true,
    logoutSource(ctx, form) {
      const ended = sso.end(ctx.req);
      if (settings.sso.required && !ended) {
        html(ctx, 401, errorPage(settings, { code: 'Y190001', text: 'Votre session a expiré', id: ctx.oidc.session.uid }));
      } else {
        html(ctx, 200, logoutPage(settings, form));
      }
    },
    postLogoutSuccessSource: (ctx) => html(ctx, 200, loggedOutPage(settings)),
  };
}

/** A login without pages comes with its account: no cookie has to carry a session. */
function acceptAuto(provider) {
  const { Session } = provider;
  const fromCookie = Session.get;
  Session.get = async function get(ctx) {
    const { auto } = ctx.req;
    if (!auto) return fromCookie.call(this, ctx);
    const session = new Session();
    session.loginAccount({ ...auto, transient: true });
    session.touched = true;
    ctx.oidc.entity('Session', session);
    return session;
  };
}

/** The relying party's key set is kept as long as the library says, or as the "clientJwks" switch does. */
async function keepClientKeys(provider, { clients, control }) {
  const { client_id: id } = clients.library.find((client) => client.jwks_uri) ?? {};
  if (!id) return;
  const { asymmetricKeyStore: sample } = await provider.Client.find(id);
  const store = Object.getPrototypeOf(sample);
  const { fresh, refresh } = store;
  store.fresh = function isFresh() {
    const own = this.jwksUri && isSet(control.switches.clientJwks);
    return own ? control.isKept(this.answer) : fresh.call(this);
  };
  store.refresh = async function refreshIfStale() {
    if (this.fresh()) return;
    try {
      await refresh.call(this);
    } finally {
      this.answer = control.answers.get(new URL(this.jwksUri).href);
    }
  };
}

function shapeResponses(provider, { settings, control, issuer }) {
  const documents = { '/.well-known/openid-configuration': 'discovery', '/jwks': 'jwks' };
  provider.use(async (ctx, next) => {
    await next();
    const { switches } = control;
    const document = documents[ctx.path];
    if (document && ctx.status === 200) {
      if (settings.cacheControl) ctx.set('cache-control', settings.cacheControl);
      if (isSet(switches[document])) {
        const { type } = ctx;
        ctx.body = edit(ctx.body, switches[document]);
        ctx.type = type;
      }
    } else if (ctx.path === '/token' && ctx.status === 200) {
      const { grant_type: type } = ctx.oidc.params;
      const answer = edit(ctx.body, switches.token);
      ctx.body = type === 'refresh_token' ? edit(answer, switches.refresh.token ?? {}) : answer;
      if (switches.tokenType) ctx.body.token_type = switches.tokenType;
    } else if (ctx.path.startsWith('/authorize')) {
      shapeCallback(ctx, control, issuer);
      if (ctx.req.auto) ctx.res.removeHeader('set-cookie');
    } else if (ctx.status === 404) {
      ctx.status = 404; // said, so that a body does not make it a 200
      ctx.type = 'html';
      ctx.body = errorPage(settings, { code: 'Y000404', text: 'Page introuvable', id: '404' });
    }
  });
}

export async function buildProvider(app) {
  const { row, settings, issuer, control, keys, store, clients, ca, sso, cookieKeys } = app;
  const module = await import(settings.package);
  const { Provider = module.default, interactionPolicy } = module;
  const agent = agents(ca);
  const { library } = settings;
  const provider = new Provider(issuer, {
    ...library,
    adapter: (model) => new Adapter(model, store),
    clients: clients.library,
    ...(library.subjectTypes?.includes('pairwise') && {
      sectorIdentifierUriValidate: ({ sectorIdentifierUri }) => sectorIdentifierUri !== UNFETCHED_SECTOR,
    }),
    jwks: { keys: keys.jwks },
    claims: CLAIMS[row],
    ttl: lifetimes(library.ttl, control),
    ...(library.rotateRefreshToken && { rotateRefreshToken: () => control.switches.refresh.rotate ?? true }),
    cookies: { ...library.cookies, keys: cookieKeys },
    features: { ...library.features, rpInitiatedLogout: logoutFeature(settings, sso) },
    interactions: { policy: policyOf(interactionPolicy.base), url: (ctx, { uid }) => `/api/v2/interaction/${uid}` },
    loadExistingGrant: (ctx) => loadExistingGrant(settings, ctx),
    findAccount: (ctx, accountId) => ({ accountId, claims: () => claimsFor(row, accountId) }),
    pairwiseIdentifier: (ctx, accountId, { clientId }) => subjectFor(accountId, clients.local[clientId].entity),
    renderError: renderErrorFor(settings),
    fetch: app.fetch,
    httpOptions: ({ protocol }) => ({ timeout: 6000, agent: agent[protocol], lookup: loopbackLookup }),
  });
  provider.proxy = true;
  acceptAuto(provider);
  watchErrors(provider, settings);
  shapeResponses(provider, app);
  shapeTokens(provider, app);
  await keepClientKeys(provider, app);
  return provider;
}
