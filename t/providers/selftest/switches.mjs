// The switches: each makes exactly one thing wrong.
import assert from 'node:assert/strict';
import https from 'node:https';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { loopbackLookup } from '../fetch.mjs';
import { Browser, Party, callbackOf, formAction, logged, request } from './party.mjs';

const FC = ['franceconnect', 'fc-es256'];

const PLUS = ['franceconnect_plus', 'fcp-ecdh-es'];

const PC = ['proconnect', 'pc-es256'];

const OP = ['generic', 'generic-post'];

/** A login without pages, with some switches on: the code, or what came instead. */
async function auto(world, [row, clientId], switches = {}, options = {}) {
  const party = new Party(world, row, clientId);
  await party.control('', { auto: 'angela', ...switches });
  const parameters = party.parameters(options);
  const answer = await new Browser(world.ca).go(party.address(parameters));
  const callback = answer.location ? callbackOf(answer) : {};
  const token = callback.code && await party.token(callback.code);
  return { party, parameters, answer, callback, token, tokens: token?.json };
}

const rejected = (promise) => assert.rejects(promise, /signature|decrypt|JWE|Invalid|invalid/);

const tests = {};
export default tests;

for (const kind of [FC, PLUS, PC, OP]) {
  tests[`switch: auto at ${kind[0]}, in one redirection and without cookies`] = async (world) => {
    const { answer, party, tokens, parameters } = await auto(world, kind);
    assert.equal(answer.status, 303);
    assert.equal(answer.headers['set-cookie'], undefined);
    const { payload } = await party.open(tokens.id_token);
    assert.equal(payload.nonce, parameters.nonce);
    assert.equal((await party.userinfo(tokens.access_token)).status, 200);
  };
}

tests['switch: auto where a page decides, by redirections alone'] = async (world) => {
  const party = new Party(world, ...FC);
  await party.control('', { auto: 'agent' });
  const { pages, callback } = await party.login(new Browser(world.ca), { claims: '{"id_token":{"amr":null}}' });
  assert.deepEqual(pages, []);
  const tokens = (await party.token(callback.code)).json;
  assert.deepEqual((await party.open(tokens.id_token)).payload.amr, ['pwd', 'mfa']);
};

tests['switch: the level that is returned'] = async (world) => {
  const { party, tokens } = await auto(world, PLUS, { acr: 'eidas3' });
  assert.equal((await party.open(tokens.id_token)).payload.acr, 'eidas3');
  const lower = await auto(world, PLUS, { acr: 'eidas1' });
  assert.equal((await lower.party.open(lower.tokens.id_token)).payload.acr, 'eidas1');
};

tests['switch: claims of the ID token, signed with the real key'] = async (world) => {
  for (const kind of [FC, PLUS, PC]) {
    const { party, tokens } = await auto(world, kind, {
      idToken: { set: { aud: ['a', 'b'], azp: 'a', nonce: 'other' }, delete: ['sub'], shift: { exp: -7200 } },
    });
    const { payload, header } = await party.open(tokens.id_token);
    assert.deepEqual([payload.aud, payload.azp, payload.nonce, payload.sub], [['a', 'b'], 'a', 'other', undefined]);
    assert.ok(payload.exp < payload.iat);
    assert.ok(header.kid);
  }
};

tests['switch: algorithms and signatures of the ID token'] = async (world) => {
  const token = async (idToken, kind = FC) => (await auto(world, kind, { idToken })).tokens.id_token;
  const party = new Party(world, ...FC);
  const none = await token({ alg: 'none' });
  assert.deepEqual([decodeProtectedHeader(none).alg, none.split('.')[2]], ['none', '']);
  const confused = await token({ alg: 'HS256', key: 'public-pem' });
  assert.equal(decodeProtectedHeader(confused).alg, 'HS256');
  const other = await token({ alg: 'RS256' });
  assert.equal(decodeProtectedHeader(other).alg, 'RS256');
  await rejected(party.open(await token({ signature: 'corrupt' })));
  await rejected(party.open(await token({ key: 'foreign' })));
  await rejected(party.open(await token({ signature: 'keep', set: { acr: 'eidas3' } })));
  assert.equal((await token({ signature: 'empty' })).split('.')[2], '');
  const bare = await token({ header: { delete: ['kid'] } });
  assert.deepEqual(decodeProtectedHeader(bare), { alg: 'ES256' });
  const extra = await token({ header: { set: { crit: ['x'], x: 1 } } });
  assert.deepEqual(decodeProtectedHeader(extra).crit, ['x']);
  assert.equal((await token({}, PLUS)).split('.').length, 5);
  assert.equal((await token({ encrypted: false }, PLUS)).split('.').length, 3);
};

tests['switch: encryption'] = async (world) => {
  const token = async (jwe, more = {}) => (await auto(world, PLUS, { jwe, ...more })).tokens.id_token;
  const party = new Party(world, ...PLUS);
  const bare = await token({ header: { delete: ['kid', 'iss', 'aud', 'cty'], set: { extra: 1, crit: ['extra'] } } });
  assert.deepEqual(Object.keys(decodeProtectedHeader(bare)).sort(), ['alg', 'crit', 'enc', 'epk', 'extra']);
  assert.equal(decodeProtectedHeader(await token({ enc: 'A128GCM' })).enc, 'A128GCM');
  assert.equal(decodeProtectedHeader(await token({ alg: 'ECDH-ES+A256KW' })).alg, 'ECDH-ES+A256KW');
  for (const damage of ['tag', 'iv', 'ciphertext', 'key']) await rejected(party.open(await token({ damage })));
  assert.equal((await token({ damage: 'parts' })).split('.').length, 4);
  const inner = await token({}, { idToken: { inner: 'claims' } });
  await rejected(party.open(inner));
};

tests['switch: UserInfo'] = async (world) => {
  const answer = async (userinfo, kind = FC) => {
    const { party, tokens } = await auto(world, kind, { userinfo }, { scope: 'openid email' });
    return { party, answer: await party.userinfo(tokens.access_token) };
  };
  const { party, answer: changed } = await answer({ set: { sub: 'other', aud: 'other' }, shift: { exp: -120 } });
  const { payload } = await party.open(changed.text);
  assert.deepEqual([payload.sub, payload.aud], ['other', 'other']);
  for (const kind of [FC, PLUS]) {
    const json = (await answer({ form: 'json' }, kind)).answer;
    assert.match(json.headers['content-type'], /^application\/json/);
    assert.equal(json.json.email, 'eleonore.muller-lefevre@exemple.fr');
  }
  assert.ok(Array.isArray((await answer({ form: 'array' }, ['proconnect', 'pc-json'])).answer.json));
  assert.equal((await answer({ encrypted: false }, PLUS)).answer.text.split('.').length, 3);
  assert.equal((await answer({ set: { sub: 'x' } }, ['proconnect', 'pc-json'])).answer.json.sub, 'x');
  assert.equal((await answer({ raw: 'nonsense', type: 'text/plain' })).answer.text, 'nonsense');
  const override = (await answer({ set: { iss: 'https://evil.example' } }, OP)).answer;
  assert.equal(override.json.iss, 'https://evil.example');
};

tests['switch: the callback'] = async (world) => {
  const callback = async (values, kind = FC) => (await auto(world, kind, { callback: values })).answer.location;
  assert.match(await callback({ iss: 'wrong' }), /iss=https%3A%2F%2Fwrong\.example/);
  assert.doesNotMatch(await callback({ iss: 'missing' }), /iss=/);
  assert.match(await callback({ state: 'undefined' }), /state=undefined/);
  assert.doesNotMatch(await callback({ state: 'missing' }), /state=/);
  const error = await callback({ error: 'access_denied', error_description: 'User auth aborted', space: 'percent' });
  assert.match(error, /error=access_denied&error_description=User%20auth%20aborted/);
  assert.doesNotMatch(error, /code=/);
  assert.match(await callback({ raw: 'error=a+b%20c&state={state}' }), /\?error=a\+b%20c&state=[0-9a-f]{64}$/);
};

tests['switch: endpoints that fail'] = async (world) => {
  const party = new Party(world, ...FC);
  const get = async (discovery) => {
    await party.control('', { fail: { discovery } });
    return party.get('/.well-known/openid-configuration');
  };
  assert.equal((await get('500')).status, 500);
  assert.equal((await get('503')).status, 503);
  assert.match((await get('html')).headers['content-type'], /^text\/html/);
  assert.equal((await get('empty')).text, '');
  assert.equal((await get('garbage')).json, undefined);
  assert.ok((await get('huge')).text.length > 1 << 20);
  assert.equal((await get('redirect')).status, 302);
  assert.deepEqual((await get({ mode: 'body', body: '{"keys":[]}' })).json, { keys: [] });
  await assert.rejects(get('truncate'), /aborted|hang up|reset/i);
  await assert.rejects(get('reset'), /hang up|reset/i);
  assert.equal((await get({ mode: '500', times: 1 })).status, 500);
  assert.equal((await party.get('/.well-known/openid-configuration')).status, 200);
  await party.control('', { fail: {}, delay: { jwks: 300 } });
  const start = Date.now();
  await party.get('/jwks');
  assert.ok(Date.now() - start >= 295);
  await party.control('', { delay: null, jwks: { set: { keys: [] } }, discovery: { set: { issuer: 'https://x' } } });
  const empty = await party.get('/jwks');
  assert.deepEqual(empty.json, { keys: [] });
  assert.match(empty.headers['content-type'], /jwk-set/);
  assert.equal((await party.get('/.well-known/openid-configuration')).json.issuer, 'https://x');
};

tests['switch: a silent endpoint'] = async (world) => {
  const party = new Party(world, ...FC);
  await party.control('', { fail: { jwks: 'silence' } });
  const call = party.get('/jwks').then(() => 'answered');
  assert.equal(await Promise.race([call, new Promise((done) => setTimeout(done, 200, 'silent'))]), 'silent');
};

tests['switch: the token endpoint'] = async (world) => {
  const bearer = await auto(world, FC, { tokenType: 'bearer', token: { delete: ['expires_in'] } });
  assert.deepEqual([bearer.tokens.token_type, bearer.tokens.expires_in], ['bearer', undefined]);
  const refused = await auto(world, PC, { codeRefuse: true });
  assert.deepEqual([refused.token.status, refused.tokens.error], [400, 'invalid_grant']);
  const short = await auto(world, PC, { codeRefuse: null, ttl: { AccessToken: 7, IdToken: 9 } });
  assert.equal(short.tokens.expires_in, 7);
  const { payload } = await short.party.open(short.tokens.id_token);
  assert.equal(payload.exp - payload.iat, 9);
};

tests['switch: a kept connection that closes under a code'] = async (world) => {
  const party = new Party(world, ...FC);
  await party.control('', { auto: 'angela', dropKeepAlive: true });
  const { location } = await new Browser(world.ca).go(party.address(party.parameters()));
  const { code } = callbackOf({ location });
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: world.ca, lookup: loopbackLookup });
  await request(`${party.origin}/healthz`, { agent });
  const form = { grant_type: 'authorization_code', code };
  await assert.rejects(request(`${party.issuer}/token`, { agent, method: 'POST', form }), /hang up|reset/i);
  const { counters, log } = await party.control();
  assert.equal(counters.codes[code], 1);
  const entry = log.find(({ path }) => path === '/token');
  assert.deepEqual([entry.method, entry.body.code, entry.status], ['POST', code, 0]);
};

tests['switch: rotation of keys'] = async (world) => {
  const party = new Party(world, ...FC);
  const kids = async () => (await party.get('/jwks')).json.keys.map(({ kid }) => kid);
  const before = (await party.get('/jwks')).json.keys;
  const { tokens } = await logged(world, ...FC);
  await party.control('/rotate', { keepKid: true });
  const after = (await party.get('/jwks')).json.keys;
  assert.equal(after.length, before.length);
  assert.notEqual(after[0].x, before[0].x);
  await rejected(party.open(tokens.id_token));
  await party.control('/rotate', {});
  const fresh = await kids();
  await party.control('/rotate', { keepOld: true });
  assert.deepEqual((await kids()).slice(2), fresh);
  const again = await logged(world, ...FC);
  await party.open(again.tokens.id_token);
  assert.equal((await again.party.userinfo(again.tokens.access_token)).status, 200);
};

tests['switch: unknown ones are refused, the log tells what was sent'] = async (world) => {
  const party = new Party(world, ...PC);
  await assert.rejects(party.control('', { nonsense: 1 }), /no such switch/);
  await assert.rejects(party.control('', { auto: 'nobody' }), /no such identity/);
  await logged(world, ...PC, { scope: 'openid email' });
  const { log, counters } = await party.control();
  assert.equal(log.find(({ path }) => path === '/authorize').query.scope, 'openid email');
  assert.equal(log.find(({ path }) => path === '/token').headers.accept, 'application/json');
  assert.deepEqual([counters.logins, counters.requests.token], [1, 1]);
  const health = await request(`${party.origin}/healthz`, { ca: world.ca });
  assert.equal(health.status, 200);
};

tests['switch: sessions are revoked'] = async (world) => {
  const { party, browser } = await logged(world, ...PC);
  assert.deepEqual((await party.login(browser)).pages, []);
  await party.control('/revoke', {});
  const page = await browser.follow(party.address(party.parameters()), {}, party.issuer);
  assert.match(formAction(page), /\/login$/);
};
