// FranceConnect's checktoken and the local data provider; scopes asked for in a second authorization.
import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { decodeProtectedHeader } from 'jose';
import { DATA_PROVIDER, isSiret } from '../apis.mjs';
import { Browser, Party, control, formAction, logged as logIn, request } from './party.mjs';

const ROW = 'franceconnect';

const CLIENT = 'fc-es256';

const QUOTIENT = '/v3/dss/quotient_familial/france_connect';

const SERVICE = '/v3/dsnj/service_national/france_connect';

const SIRET = '13002526500013';

const logged = (world, options = {}) => logIn(world, ROW, CLIENT, options);

/** A call of the data provider; token may be undefined. */
function call({ ca, data }, path, token, { recipient = SIRET, base = data, ...options } = {}) {
  const query = recipient === null ? '' : `?recipient=${recipient}`;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return request(base.origin + path + query, { ca, headers, ...options });
}

const side = ({ ca }, { origin }, ...args) => control({ ca, origin }, ...args);

const lastReason = async (world, base = world.data) => (await side(world, base)).log.at(-1).reason;

const tests = {};
export default tests;

tests['data: SIRETs'] = () => {
  for (const right of [SIRET, '35600000000048', '35600000049837', '21380185500015']) assert.ok(isSiret(right), right);
  for (const wrong of ['', '13002526500014', '1300252650001', '130025265000130', '1300252650001x', '35600000049838']) {
    assert.ok(!isSiret(wrong), wrong);
  }
};

tests['data: an answer for the scopes that the token has, and no identity'] = async (world) => {
  const { tokens } = await logged(world, { scope: 'openid cnaf_quotient_familial' });
  const answer = await call(world, QUOTIENT, tokens.access_token);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(Object.keys(answer.json), ['data', 'links', 'meta']);
  assert.deepEqual(Object.keys(answer.json.data), ['quotient_familial']);
  assert.doesNotMatch(answer.text, /müller|lefèvre|éléonore/i);
  const { log, counters } = await side(world, world.data);
  assert.deepEqual([log[0].bearer, log[0].recipient, log[0].path, log[0].status, log[0].reason],
    [tokens.access_token, SIRET, QUOTIENT, 200, null]);
  assert.equal(counters.requests.api, 1);
  const more = await logged(world, { scope: 'openid cnaf_quotient_familial cnaf_adresse', identity: 'minimal' });
  const { data } = (await call(world, QUOTIENT, more.tokens.access_token)).json;
  assert.deepEqual(Object.keys(data).sort(), ['adresse', 'quotient_familial']);
  assert.notEqual(data.quotient_familial.valeur, answer.json.data.quotient_familial.valeur);
};

tests['data: every API with its scopes'] = async (world) => {
  const { tokens } = await logged(world, { scope: ['openid', ...DATA_PROVIDER.scopes].join(' ') });
  const data = async (path) => (await call(world, path, tokens.access_token)).json.data;
  assert.deepEqual(Object.keys(await data(QUOTIENT)).sort(), ['adresse', 'enfants', 'quotient_familial']);
  const [admission, ...others] = (await data('/v3/mesri/statut_etudiant/france_connect')).admissions;
  assert.deepEqual(others, []);
  assert.deepEqual(Object.keys(admission).sort(), ['code_cog_insee_commune', 'date_debut', 'date_fin', 'est_inscrit',
    'etablissement_etudes', 'regime_formation']);
  assert.equal(typeof (await data('/v3/cnous/etudiant_boursier/france_connect')).est_boursier, 'boolean');
  assert.equal(typeof (await data(SERVICE)).statut_service_national, 'string');
  assert.equal(typeof (await data('/v3/dss/complementaire_sante_solidaire/france_connect')).est_beneficiaire, 'boolean');
};

tests['data: what is refused'] = async (world) => {
  const { tokens } = await logged(world, { scope: 'openid cnaf_quotient_familial' });
  const { access_token: token } = tokens;
  const expect = async (answer, status, reason) => {
    assert.deepEqual([(await answer).status, await lastReason(world)], [status, reason]);
    assert.equal((await answer).json.errors.length, 1);
  };
  await expect(call(world, QUOTIENT), 401, 'bearer');
  await expect(call(world, QUOTIENT, Buffer.from(token).toString('base64')), 401, 'bearer');
  await expect(call(world, `${QUOTIENT}?access_token=${token}&recipient=${SIRET}`, undefined, { recipient: null }), 401, 'bearer');
  await expect(call(world, QUOTIENT, token, { recipient: null }), 422, 'recipient_missing');
  await expect(call(world, QUOTIENT, token, { recipient: '' }), 422, 'recipient_missing');
  await expect(call(world, QUOTIENT, token, { recipient: '13002526500014' }), 422, 'recipient_invalid');
  await expect(call(world, QUOTIENT, 'x'.repeat(43)), 401, 'inactive');
  await expect(call(world, SERVICE, token), 401, 'scope');
  await expect(call(world, QUOTIENT, token, { method: 'POST' }), 405, 'method');
  await expect(call(world, '/v3/nowhere', token), 404, 'unknown');
  const party = new Party(world, ROW, CLIENT);
  await party.control('', { fail: { checktoken: '503' } });
  await expect(call(world, QUOTIENT, token), 502, 'franceconnect');
  await party.control('', { fail: null, checktoken: { set: { scope: '' } } });
  await expect(call(world, QUOTIENT, token), 401, 'scope');
  await party.control('', { checktoken: null });
  await side(world, world.data, '', { fail: { api: '500' }, delay: { api: 10 } });
  assert.equal((await call(world, QUOTIENT, token)).status, 500);
  await side(world, world.data, '', { fail: null });
  assert.equal((await call(world, QUOTIENT, token)).status, 200);
};

tests['data: a token serves for its own life, not for the grant\'s'] = async (world) => {
  const party = new Party(world, ROW, CLIENT);
  await party.control('', { consentLife: 1 });
  const scope = 'openid dsnj_statut_service_national';
  const { tokens } = await logged(world, { scope });
  await wait(1100);
  assert.equal((await party.userinfo(tokens.access_token)).status, 401);
  assert.equal((await call(world, SERVICE, tokens.access_token)).status, 200);
  await party.control('', { consentLife: null, ttl: { AccessToken: 1 } });
  const short = await logged(world, { scope });
  assert.equal((await call(world, SERVICE, short.tokens.access_token)).status, 200);
  await wait(1100);
  assert.equal((await call(world, SERVICE, short.tokens.access_token)).status, 401);
  assert.equal(await lastReason(world), 'inactive');
};

tests['data: checktoken, its form and its refusals'] = async (world) => {
  const { party, tokens } = await logged(world, { scope: 'openid email cnaf_adresse droits_assurance_maladie' });
  const { client_id: id, client_secret: secret } = DATA_PROVIDER;
  const form = { token: tokens.access_token, client_id: id, client_secret: secret };
  const check = (change, path = '/checktoken') => party.post(path, { ...form, ...change });
  const { status, headers, text } = await check({});
  assert.deepEqual([status, headers['content-type']], [200, 'application/token-introspection+jwt']);
  assert.deepEqual(decodeProtectedHeader(text).enc, 'A256GCM');
  const wrong = await check({ client_secret: 'x'.repeat(64) });
  assert.deepEqual([wrong.status, wrong.json.error], [401, 'invalid_client']);
  assert.equal((await check({ client_id: CLIENT, client_secret: party.secret })).status, 401);
  const extra = await check({ token_type_hint: 'access_token' });
  assert.deepEqual([extra.status, extra.json.error], [400, 'invalid_request']);
  assert.equal((await party.get('/checktoken')).status, 404);
  const { counters } = await party.control();
  assert.equal(counters.requests.checktoken, 5);
  for (const row of ['franceconnect_plus', 'proconnect', 'generic']) {
    const other = await request(`${world.providers[row].issuer}/checktoken`, { ca: world.ca, method: 'POST', form });
    assert.equal(other.status, 404, row);
  }
};

tests['data: more scopes within the session: the consent page alone, which names them'] = async (world) => {
  const { party, browser, tokens } = await logged(world, { scope: 'openid email' });
  assert.equal((await call(world, QUOTIENT, tokens.access_token)).status, 401);
  const scope = 'openid email cnaf_quotient_familial dsnj_statut_service_national';
  const page = await browser.follow(party.address(party.parameters({ scope })), {}, party.issuer);
  assert.doesNotMatch(page.text, /id="login"/);
  assert.deepEqual([...page.text.matchAll(/<li data-scope="(\w+)">/g)].map(([, name]) => name),
    ['cnaf_quotient_familial', 'dsnj_statut_service_national']);
  const answer = await browser.follow(formAction(page), { method: 'POST', form: {} }, party.issuer);
  const { json } = await party.token(new URL(answer.location).searchParams.get('code'));
  assert.equal(json.scope, scope);
  const subject = async ({ id_token: token }) => (await party.open(token)).payload.sub;
  assert.equal(await subject(json), await subject(tokens));
  assert.equal((await call(world, QUOTIENT, json.access_token)).status, 200);
};

tests['data: another person than the one who is logged in, once'] = async (world) => {
  const { party, browser, tokens } = await logged(world);
  const subject = async ({ id_token: token }) => (await party.open(token)).payload.sub;
  const again = async () => {
    const { pages, callback } = await party.login(browser, { scope: 'openid cnaf_adresse' });
    assert.deepEqual(pages, ['consent']);
    return subject((await party.token(callback.code)).json);
  };
  await party.control('', { person: 'minimal' });
  assert.notEqual(await again(), await subject(tokens));
  assert.equal(await again(), await subject(tokens));
  await party.control('', { auto: 'angela', person: 'minimal' });
  const auto = async () => {
    const { callback } = await party.login(new Browser(world.ca));
    return subject((await party.token(callback.code)).json);
  };
  assert.notEqual(await auto(), await subject(tokens));
  assert.equal(await auto(), await subject(tokens));
  await assert.rejects(party.control('', { person: 'nobody' }), /no such identity/);
};

tests['data: staging takes made-up tokens'] = async (world) => {
  const staged = (path, token) => call(world, path, token, { base: world.staging });
  const boursier = '/v3/cnous/etudiant_boursier/france_connect';
  const whole = (await staged(boursier, 'cnous')).json.data;
  const part = (await staged(boursier, 'cnous_with_less_scopes')).json.data;
  assert.ok(Object.keys(whole).length > Object.keys(part).length);
  assert.equal((await staged('/v3/dss/complementaire_sante_solidaire/france_connect', 'cnaf_css')).status, 200);
  assert.equal((await staged(QUOTIENT, 'cnous')).status, 401);
  assert.equal((await staged(QUOTIENT, 'invented')).status, 401);
  assert.equal(await lastReason(world, world.staging), 'inactive');
};
