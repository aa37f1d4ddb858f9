// FranceConnect's /checktoken, where a data provider asks what an access token is good for: the answer is a JWS inside a
// JWE for the data provider's key. It looks at the access token alone, whose life is its own and not the grant's.
import { createPublicKey } from 'node:crypto';
import { claimsFor, subjectFor } from './accounts.mjs';
import { sendJson } from './errors.mjs';
import { signCompact } from './keys.mjs';
import { objection } from './rules.mjs';
import { edit } from './switches.mjs';

const SIGNED = 'ES256';

const IDENTITY = ['gender', 'family_name', 'given_name', 'given_name_array', 'birthdate', 'birthplace', 'birthcountry'];

/** What the data provider is told of a token; its subject is one of the data provider's own. */
function introspect({ row, store }, value, { client_id: id, scopes }) {
  const token = store.get(`AccessToken:${value}`);
  if (!token) return { active: false };
  const { accountId, clientId, iat, exp, jti, scope, claims } = token;
  const identity = claimsFor(row, accountId);
  return {
    active: true,
    aud: clientId,
    sub: subjectFor(accountId, id),
    iat,
    exp,
    acr: claims.id_token.acr.values.join(' '),
    jti,
    scope: scope.split(' ').filter((name) => scopes.includes(name)).join(' '),
    ...Object.fromEntries(IDENTITY.map((name) => [name, identity[name]])),
  };
}

async function encrypt(app, jws, { alg, enc }) {
  const { CompactEncrypt } = await import('jose');
  const { keys } = await (await app.fetch(`${app.dataProvider}/jwks`)).json();
  const jwk = keys.find((key) => key.alg === alg && key.use === 'enc');
  return new CompactEncrypt(new TextEncoder().encode(jws))
    .setProtectedHeader({ alg, enc, cty: 'JWT', kid: jwk.kid })
    .encrypt(createPublicKey({ key: jwk, format: 'jwk' }));
}

export async function checkToken({ res, body, app }) {
  const { settings, keys, issuer, control } = app;
  const wrong = objection(settings.rules.checktoken, body);
  const known = settings.dataProviders.find((one) => one.client_id === body.client_id && one.client_secret === body.client_secret);
  if (wrong || !known) {
    const [status, error, text] = wrong ? [400, 'invalid_request', wrong] : [401, 'invalid_client', 'client authentication failed'];
    sendJson(res, status, { error, error_description: text });
    return;
  }
  const key = keys.forAlg(SIGNED);
  const jws = signCompact({ alg: SIGNED, kid: key.kid }, {
    token_introspection: edit(introspect(app, body.token, known), control.switches.checktoken),
    iss: issuer,
    aud: known.client_id,
    iat: Math.floor(Date.now() / 1000),
  }, key);
  const jwe = await encrypt(app, jws, known);
  res.writeHead(200, { 'content-type': 'application/token-introspection+jwt', 'cache-control': 'no-store' });
  res.end(jwe);
}
