// The plain provider with everything on.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Browser, Party, callbackOf, formAction, hiddenInputs, logged as logIn } from './party.mjs';

const ROW = 'generic';

const VERIFIER = 'v'.repeat(43);

const PKCE = {
  code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'), code_challenge_method: 'S256',
};

const tests = {};
export default tests;

for (const [clientId, alg] of [['generic-post', 'RS256'], ['generic-es256', 'ES256'], ['generic-ps256', 'PS256'],

  ['generic-hs256', 'HS256'], ['generic-jwt', 'RS256']]) {
  tests[`generic: login with ${clientId}`] = async (world) => {
    const { party, login, tokens } = await logIn(world, ROW, clientId, {
      identity: 'agent', scope: 'openid profile email groups custom address', ...PKCE, verifier: VERIFIER,
    });
    assert.deepEqual(login.pages, ['login', 'consent']);
    const { header } = await party.open(tokens.id_token);
    assert.equal(header.alg, alg);
    const answer = await party.userinfo(tokens.access_token);
    const claims = clientId === 'generic-jwt' ? (await party.open(answer.text)).payload : answer.json;
    assert.equal(claims.sub, 'agent');
    assert.deepEqual(claims.groups, ['bureau-3', 'astreinte']);
    assert.equal(claims.address.locality, 'Paris');
    assert.deepEqual(claims.custom.sites, ['Paris', 'Nîmes']);
  };
}

tests['generic: client_secret_basic, and no secret with PKCE'] = async (world) => {
  const basic = new Party(world, ROW, 'generic-basic');
  const { callback } = await basic.login(new Browser(world.ca));
  const answer = await basic.post('/token', {
    grant_type: 'authorization_code', code: callback.code, redirect_uri: basic.redirect,
  }, { authorization: `Basic ${Buffer.from(`generic-basic:${basic.secret}`).toString('base64')}` });
  assert.equal(answer.status, 200);
  const open = new Party(world, ROW, 'generic-none');
  const login = await open.login(new Browser(world.ca), PKCE);
  const form = {
    grant_type: 'authorization_code', code: login.callback.code, redirect_uri: open.redirect, client_id: 'generic-none',
  };
  assert.equal((await open.post('/token', { ...form, code_verifier: VERIFIER })).status, 200);
  const bare = await open.login(new Browser(world.ca));
  assert.equal(bare.callback.error, 'invalid_request');
};

tests['generic: offline_access gives a refresh token'] = async (world) => {
  const { party, tokens } = await logIn(world, ROW, 'generic-post', { scope: 'openid offline_access', prompt: 'consent' });
  const { json } = await party.post('/token', {
    grant_type: 'refresh_token', refresh_token: tokens.refresh_token, client_id: 'generic-post', client_secret: party.secret,
  });
  assert.ok(json.access_token);
};

tests['generic: pushed authorization requests'] = async (world) => {
  const party = new Party(world, ROW, 'generic-post');
  const pushed = await party.post('/request', { ...party.parameters(), client_secret: party.secret });
  assert.equal(pushed.status, 201, pushed.text);
  const page = await new Browser(world.ca).follow(
    party.address({ client_id: 'generic-post', request_uri: pushed.json.request_uri }), {}, party.issuer,
  );
  assert.match(page.text, /id="login"/);
};

tests['generic: session, prompt=none, max_age, logout'] = async (world) => {
  const { party, browser, tokens } = await logIn(world, ROW, 'generic-post', {});
  assert.deepEqual((await party.login(browser, { prompt: 'none' })).pages, []);
  assert.deepEqual((await party.login(browser, { prompt: 'login' })).pages, ['login', 'consent']);
  const back = `${party.rp.origin}/logged_out`;
  const page = await browser.go(`${party.issuer}/session/end?${new URLSearchParams({
    id_token_hint: tokens.id_token, post_logout_redirect_uri: back,
  })}`);
  const end = await browser.go(formAction(page), { method: 'POST', form: hiddenInputs(page) });
  assert.equal(end.location, back);
  const gone = await browser.follow(party.address(party.parameters({ prompt: 'none' })), {}, party.issuer);
  assert.equal(callbackOf(gone).error, 'login_required');
};

tests['generic: two logins at once in one browser'] = async (world) => {
  const party = new Party(world, ROW, 'generic-post');
  const browser = new Browser(world.ca);
  const first = await browser.follow(party.address(party.parameters()), {}, party.issuer);
  await browser.follow(party.address(party.parameters()), {}, party.issuer);
  const next = await browser.follow(formAction(first), { method: 'POST', form: { identity: 'angela' } }, party.issuer);
  assert.match(next.text, /id="consent"/);
};

tests['generic: claims parameter'] = async (world) => {
  const claims = JSON.stringify({ userinfo: { email: { essential: true } }, id_token: { acr: { essential: true, value: '2' } } });
  const { party, tokens } = await logIn(world, ROW, 'generic-post', { claims });
  assert.equal((await party.open(tokens.id_token)).payload.acr, '2');
  assert.ok((await party.userinfo(tokens.access_token)).json.email);
};
