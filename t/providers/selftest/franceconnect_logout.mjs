// FranceConnect (low): single sign-on, logout, revocation.
import assert from 'node:assert/strict';
import { errorCode, formAction, hiddenInputs, logged as logIn } from './party.mjs';

const CLIENT = 'fc-es256';

const logged = (world) => logIn(world, 'franceconnect', CLIENT);

const tests = {};
export default tests;

tests['fc: single sign-on shows the consent page alone, logout ends it'] = async (world) => {
  const { party, browser, tokens } = await logged(world);
  assert.deepEqual((await party.login(browser)).pages, ['consent']);
  const { jws } = await party.open(tokens.id_token);
  const back = `${party.rp.origin}/logged_out`;
  const page = await browser.go(`${party.issuer}/session/end?${new URLSearchParams({
    id_token_hint: jws, post_logout_redirect_uri: back, state: 'a state',
  })}`);
  assert.equal(page.status, 200);
  assert.match(page.text, /<noscript><button/);
  assert.match(page.text, /<script>.*submit\(\)/);
  const end = await browser.go(formAction(page), { method: 'POST', form: hiddenInputs(page) });
  assert.equal(end.status, 303);
  assert.equal(end.location, `${back}?state=a+state`);
  assert.deepEqual((await party.login(browser)).pages, ['login', 'consent']);
};

tests['fc: logout rules'] = async (world) => {
  const { party, browser, tokens } = await logged(world);
  const logout = (parameters) => browser.go(`${party.issuer}/session/end?${new URLSearchParams(parameters)}`);
  const hint = { id_token_hint: tokens.id_token };
  assert.equal(errorCode(await logout({})), 'Y000400');
  assert.equal(errorCode(await logout({ id_token_hint: '' })), 'Y000400');
  assert.equal(errorCode(await logout({ ...hint, extra: '' })), 'Y000400');
  assert.equal((await logout({ id_token_hint: 'a.b.c' })).status, 400);
  assert.match((await logout({ ...hint, post_logout_redirect_uri: 'https://app.example.fr/' })).text, /not registered/);
  assert.match((await logout({ ...hint, client_id: 'fc-rs256' })).text, /does not match/);
  await party.control('/revoke', {});
  const gone = await logout(hint);
  assert.match(formAction(gone), /\/session\/end\/confirm$/);
  const end = await browser.go(formAction(gone), { method: 'POST', form: hiddenInputs(gone) });
  const page = await browser.go(end.location);
  assert.match(page.text, /Déconnexion/);
};

tests['fc: logout after a rotation of keys'] = async (world) => {
  const { party, browser, tokens } = await logged(world);
  await party.control('/rotate', {});
  const answer = await browser.go(`${party.issuer}/session/end?id_token_hint=${tokens.id_token}`);
  assert.equal(answer.status, 400);
  assert.match(answer.text, /could not validate id_token_hint/);
};

tests['fc: revocation rules'] = async (world) => {
  const { party, tokens } = await logged(world);
  const form = { token: tokens.access_token, client_id: CLIENT, client_secret: party.secret };
  assert.equal(errorCode(await party.post('/token/revocation', { ...form, token_type_hint: 'access_token' })), 'Y000400');
  const { client_secret: secret, ...basic } = form;
  assert.equal(errorCode(await party.post('/token/revocation', basic)), 'Y000400');
  const authorization = `Basic ${Buffer.from(`${CLIENT}:${party.secret}`).toString('base64')}`;
  const { client_id: id, ...bare } = basic;
  assert.equal(errorCode(await party.post('/token/revocation', bare, { authorization })), 'Y000400');
  const done = await party.post('/token/revocation', { ...form, client_id: id, client_secret: secret });
  assert.deepEqual([done.status, done.text], [200, '']);
  assert.equal((await party.userinfo(tokens.access_token)).status, 401);
  const { counters, log } = await party.control();
  assert.equal(counters.requests.revocation, 4);
  const revocations = log.filter(({ path }) => path === '/token/revocation');
  assert.deepEqual(revocations.map(({ status, body }) => [status, body.token]),
    [400, 400, 400, 200].map((status) => [status, tokens.access_token]));
};
