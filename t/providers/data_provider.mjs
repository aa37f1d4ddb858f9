// A local data provider that behaves, on the wire, like API Particulier called with a FranceConnect access token.
//
//   run data_provider --listen 127.0.0.1:PORT --origin https://NAME.localhost:PORT --issuer ISSUER [options]
//
//   --issuer ISSUER  the local FranceConnect's issuer, which was started with --data-provider ORIGIN
//   --staging        takes the made-up tokens of apis.mjs (cnous, cnaf_css, ...) and asks no FranceConnect
//   --listen, --origin, --tls-cert, --tls-key, --ca: as in server.mjs
//
// It prints "ready ORIGIN" when it listens and ends on SIGTERM or SIGINT. The APIs are those of apis.mjs; README.md tells
// what is refused, and what a test can switch on and read back.
import { createHash, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { compactDecrypt, createLocalJWKSet, jwtVerify } from 'jose';
import { APIS, DATA_PROVIDER, STAGING, dataOf, isSiret } from './apis.mjs';
import { sendJson } from './errors.mjs';
import { fail } from './faults.mjs';
import { makeFetch } from './fetch.mjs';
import { LISTENING, listen, run } from './listen.mjs';
import { Control } from './switches.mjs';

const INTROSPECTION = 'application/token-introspection+jwt';

// What is recorded as `reason`, with the answer it gives.
const REFUSALS = {
  unknown: [404, '00404', 'Page introuvable'],
  method: [405, '00405', 'Méthode non autorisée'],
  bearer: [401, '00101', 'Le jeton FranceConnect est absent ou mal formé'],
  recipient_missing: [422, '00202', 'Le paramètre recipient est obligatoire'],
  recipient_invalid: [422, '00210', 'Le paramètre recipient n’est pas un SIRET valide'],
  inactive: [401, '00103', 'Le jeton FranceConnect est inconnu ou expiré'],
  scope: [401, '00100', 'Le jeton FranceConnect ne donne pas accès à ces données'],
  franceconnect: [502, '50000', 'FranceConnect ne répond pas comme il le devrait'],
};

class Refusal extends Error {}

const refuseIf = (wrong, reason) => {
  if (wrong) throw new Refusal(reason);
};

/** The raw access token: nothing encoded, nothing in the query. */
function bearerOf({ headers }, staging) {
  const [, token] = /^Bearer ([\w-]+)$/i.exec(headers.authorization ?? '') ?? [];
  refuseIf(!token || !(staging || token.length === 43), 'bearer');
  return token;
}

/** What FranceConnect says of a token, which only this data provider can read and only FranceConnect can have signed. */
async function introspect({ fetch, issuer, key }, token) {
  const { client_id: id, client_secret: secret, alg, enc } = DATA_PROVIDER;
  try {
    const answer = await fetch(`${issuer}/checktoken`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: INTROSPECTION },
      body: new URLSearchParams({ token, client_id: id, client_secret: secret }).toString(),
    });
    const type = answer.headers.get('content-type');
    if (answer.status !== 200 || type !== INTROSPECTION) throw new Error(`checktoken: ${answer.status} ${type}`);
    const { plaintext } = await compactDecrypt(await answer.text(), key.private, {
      keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc],
    });
    const keys = createLocalJWKSet(await (await fetch(`${issuer}/jwks`)).json());
    const { payload } = await jwtVerify(plaintext, keys, { issuer, audience: id, algorithms: ['ES256'] });
    return payload.token_introspection;
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    throw new Refusal('franceconnect');
  }
}

const staged = (token) => (STAGING[token] ? { active: true, scope: STAGING[token].join(' '), sub: token } : { active: false });

const numberOf = ({ sub }) => createHash('sha256').update(sub).digest().readUInt32BE();

/** The data asked for, or a Refusal; entry is what is recorded. */
async function serve(app, req, entry) {
  const api = APIS[entry.path];
  refuseIf(!api, 'unknown');
  refuseIf(req.method !== 'GET', 'method');
  const token = bearerOf(req, app.staging);
  refuseIf(!entry.recipient, 'recipient_missing');
  refuseIf(!isSiret(entry.recipient), 'recipient_invalid');
  const introspection = app.staging ? staged(token) : await introspect(app, token);
  refuseIf(!introspection.active, 'inactive');
  const data = dataOf(api, introspection.scope.split(' '), numberOf(introspection));
  refuseIf(!data, 'scope');
  return data;
}

/** The path, the recipient and the bearer of a request, for the test to read back. */
function recorded(app, req, res) {
  const { pathname, searchParams } = new URL(req.url, app.origin);
  const { authorization } = req.headers;
  const entry = {
    time: Date.now(), method: req.method, path: pathname, query: Object.fromEntries(searchParams), headers: req.headers,
    recipient: searchParams.get('recipient'), bearer: authorization?.replace(/^Bearer /i, '') ?? null, status: 0, reason: null,
  };
  app.control.record(entry);
  app.control.count('api');
  res.on('finish', () => { entry.status = res.statusCode; });
  return entry;
}

async function handle(app, req, res) {
  if (req.url === '/jwks') {
    sendJson(res, 200, { keys: [app.key.public] });
    return;
  }
  const entry = recorded(app, req, res);
  const { delay } = app.control.switches;
  if (delay.api) await wait(delay.api);
  if (fail({ req, res, app }, 'api')) return;
  try {
    const data = await serve(app, req, entry);
    sendJson(res, 200, { data, links: {}, meta: {} });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    entry.reason = error.message;
    const [status, code, title] = REFUSALS[error.message];
    sendJson(res, status, { errors: [{ code, title, detail: title, source: null, meta: { provider: 'API Particulier' } }] });
  }
}

function makeKey() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const members = { use: 'enc', alg: DATA_PROVIDER.alg, kid: 'data-provider' };
  return { private: privateKey, public: { ...publicKey.export({ format: 'jwk' }), ...members } };
}

run(async () => {
  const { values: options } = parseArgs({
    options: { ...LISTENING, issuer: { type: 'string' }, staging: { type: 'boolean', default: false } },
  });
  const { origin, issuer, staging, ca } = options;
  if (!options.listen || !origin || !(issuer || staging)) {
    throw new Error('usage: run data_provider --listen ADDRESS:PORT --origin ORIGIN --issuer ISSUER|--staging [options]');
  }
  const app = { origin, issuer, staging, key: makeKey(), control: new Control(), fetch: makeFetch(ca && readFileSync(ca)) };
  listen(app, options, handle);
});
