// The HTTP side: what every request goes through before the library.
import { parse } from 'node:querystring';
import { setTimeout as wait } from 'node:timers/promises';
import { prepareAuthorize } from './authorize.mjs';
import { checkToken } from './checktoken.mjs';
import { apiError, sendErrorPage, sendJson } from './errors.mjs';
import { fail } from './faults.mjs';
import { backToService, interact } from './interaction.mjs';
import { objection } from './rules.mjs';

const MOUNT = '/api/v2';

const ENDPOINTS = {
  '/authorize': 'authorize',
  '/token': 'token',
  '/userinfo': 'userinfo',
  '/jwks': 'jwks',
  '/session/end': 'end_session',
  '/request': 'par',
  '/token/revocation': 'revocation',
  '/token/introspection': 'introspection',
  '/checktoken': 'checktoken',
  '/.well-known/openid-configuration': 'discovery',
};

const LOGGED_HEADERS = ['accept', 'content-type', 'host', 'user-agent'];

const BODY_LIMIT = 1 << 20;

async function readBody(req) {
  const chunks = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size <= BODY_LIMIT) chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function logged({ req, res, path, query, body, app }) {
  const headers = Object.fromEntries(LOGGED_HEADERS.map((name) => [name, req.headers[name]]));
  if (req.headers.authorization) [headers.authorization] = req.headers.authorization.split(' ');
  const entry = { time: Date.now(), method: req.method, path, query, body, headers, status: 0 };
  app.control.record(entry);
  res.on('finish', () => { entry.status = res.statusCode; });
}

/** Why the token endpoint refuses, by the switches: the error and its detail. */
function tokenRefusal({ body, app: { control: { switches } } }) {
  if (switches.codeRefuse && body.code) return ['invalid_grant', 'authorization code not found'];
  const refreshing = body.grant_type === 'refresh_token';
  return refreshing && switches.refresh.error ? [switches.refresh.error, 'refresh token not found'] : undefined;
}

/** A code or a refresh token counts as sent when it has reached the server, whatever comes next. */
function beforeToken(exchange) {
  const { req, res, body, app } = exchange;
  app.control.countBrought(body);
  if (app.control.switches.dropKeepAlive && req.socket.served > 1) {
    req.socket.destroy();
    return true;
  }
  const [error, detail] = tokenRefusal(exchange) ?? [];
  if (error) sendJson(res, 400, apiError(app.settings, error, 'grant request is invalid', detail));
  return Boolean(error);
}

/** FranceConnect serves UserInfo by GET alone, and its logout too. */
const GET_ONLY = new Set(['userinfo', 'end_session']);

const RULED = { authorize: ['GET', 'POST'], end_session: ['GET'], revocation: ['POST'] };

/** True when the request was answered here. */
async function intercept(exchange, name) {
  const { req, res, query, body, app } = exchange;
  const { settings, control } = app;
  control.count(name);
  const early = name === 'token' && req.method === 'POST' && beforeToken(exchange);
  if (early) return true;
  if (control.switches.delay[name]) await wait(control.switches.delay[name]);
  if (fail(exchange, name)) return true;
  if (settings.flavour === 'franceconnect' && GET_ONLY.has(name) && req.method !== 'GET') {
    sendErrorPage(res, settings, 404, 'Y000404', 'Page introuvable');
    return true;
  }
  const rules = RULED[name]?.includes(req.method) && settings.rules[name];
  const wrong = rules && objection(rules, req.method === 'POST' ? body : query);
  if (wrong) {
    sendErrorPage(res, settings, 400, rules.code, wrong);
    return true;
  }
  if (name === 'checktoken' && req.method === 'POST' && settings.dataProviders) {
    await checkToken(exchange);
    return true;
  }
  return name === 'authorize' && ['GET', 'POST'].includes(req.method) && !await prepareAuthorize(exchange);
}

/** Hands the request to the library, mounted under /api/v2. */
function serve({ req, res, app }) {
  req.originalUrl = MOUNT + req.url;
  return app.callback(req, res);
}

export async function handle(app, req, res) {
  const url = new URL(req.url, app.origin);
  if (!url.pathname.startsWith(MOUNT)) {
    sendErrorPage(res, app.settings, 404, 'Y000404', 'Page introuvable');
    return;
  }
  const path = url.pathname.slice(MOUNT.length);
  const text = req.method === 'GET' || req.method === 'HEAD' ? '' : await readBody(req);
  const body = { ...parse(text) };
  const query = { ...parse(url.search.slice(1)) };
  const exchange = { req, res, path, query, body, app };
  logged(exchange);
  req.body = body;
  req.url = path + url.search;
  // The address in the provider's answers is always its own origin, whatever the name it was reached by.
  Object.assign(req.headers, { host: app.host, 'x-forwarded-proto': app.protocol });
  delete req.headers['x-forwarded-host'];
  const name = ENDPOINTS[path];
  if (path.startsWith('/interaction/')) {
    req.originalUrl = MOUNT + req.url;
    await interact(exchange, path.slice('/interaction/'.length));
  } else if (path === '/redirect-to-sp-with-error') {
    backToService(exchange);
  } else if (!name || !await intercept(exchange, name)) {
    await serve(exchange);
  }
}
