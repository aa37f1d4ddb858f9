// ProConnect's refresh tokens, and what the switches make of them.
import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { setTimeout as wait } from 'node:timers/promises';
import { logged as logIn } from './party.mjs';

const logged = (world) => logIn(world, 'proconnect', 'pc-es256', { scope: 'openid email' });

const tests = {};
export default tests;

tests['refresh: tokens rotate, the ID token keeps its nonce'] = async (world) => {
  const { party, login, tokens } = await logged(world);
  const { status, json } = await party.refresh(tokens.refresh_token);
  assert.equal(status, 200);
  assert.deepEqual(Object.keys(json).sort(), Object.keys(tokens).sort());
  assert.notEqual(json.refresh_token, tokens.refresh_token);
  const [first, second] = [await party.open(tokens.id_token), await party.open(json.id_token)];
  assert.equal(second.payload.nonce, login.parameters.nonce);
  assert.equal(second.payload.sub, first.payload.sub);
  assert.equal((await party.userinfo(json.access_token)).status, 200);
  assert.equal((await party.refresh(json.refresh_token)).status, 200);
};

tests['refresh: a token brought twice ends all that came of it'] = async (world) => {
  const { party, tokens } = await logged(world);
  const { json } = await party.refresh(tokens.refresh_token);
  assert.equal((await party.refresh(tokens.refresh_token)).json.error, 'invalid_grant');
  assert.equal((await party.refresh(json.refresh_token)).json.error, 'invalid_grant');
  assert.equal((await party.userinfo(json.access_token)).status, 401);
  const { counters } = await party.control();
  assert.equal(counters.refreshes, 3);
  assert.deepEqual(counters.refreshTokens, { [tokens.refresh_token]: 2, [json.refresh_token]: 1 });
};

tests['refresh: refused by the switch, the token stays good'] = async (world) => {
  const { party, tokens } = await logged(world);
  await party.control('', { refresh: { error: 'invalid_grant' } });
  const refused = await party.refresh(tokens.refresh_token);
  assert.deepEqual([refused.status, refused.json],
    [400, { error: 'invalid_grant', error_description: 'grant request is invalid' }]);
  await party.control('', { refresh: null });
  assert.equal((await party.refresh(tokens.refresh_token)).status, 200);
};

tests['refresh: another subject, another issuer, in the refreshed ID token alone'] = async (world) => {
  const { party, tokens } = await logged(world);
  const edits = { sub: 'another', iss: 'https://other.example', nonce: 'other' };
  await party.control('', { refresh: { idToken: { set: edits } } });
  const { json } = await party.refresh(tokens.refresh_token);
  const { payload } = await party.open(json.id_token);
  assert.deepEqual([payload.sub, payload.iss, payload.nonce], ['another', 'https://other.example', 'other']);
  const again = await logged(world);
  assert.notEqual((await again.party.open(again.tokens.id_token)).payload.sub, 'another');
};

tests['refresh: no new refresh token, the old one goes on'] = async (world) => {
  const { party, tokens } = await logged(world);
  await party.control('', { refresh: { rotate: false, token: { delete: ['refresh_token', 'id_token'] } } });
  for (const turn of [1, 2]) {
    const { status, json } = await party.refresh(tokens.refresh_token);
    assert.deepEqual([status, json.refresh_token, json.id_token], [200, undefined, undefined], `turn ${turn}`);
  }
};

tests['refresh: an access token of a second, then refreshed'] = async (world) => {
  const { party } = await logged(world);
  await party.control('', { ttl: { AccessToken: 1, RefreshToken: 30 } });
  const { tokens } = await logged(world);
  assert.equal(tokens.expires_in, 1);
  await wait(1100);
  assert.equal((await party.userinfo(tokens.access_token)).status, 401);
  await party.control('', { ttl: { AccessToken: 5 } });
  const { json } = await party.refresh(tokens.refresh_token);
  assert.equal(json.expires_in, 5);
  assert.equal((await party.userinfo(json.access_token)).status, 200);
  assert.equal(decodeJwt(json.id_token).exp - decodeJwt(json.id_token).iat, 3600);
};

tests['refresh: revoked with its access token and a hint'] = async (world) => {
  const { party, tokens } = await logged(world);
  const done = await party.post('/token/revocation', {
    token: tokens.refresh_token, token_type_hint: 'refresh_token', client_id: party.clientId, client_secret: party.secret,
  });
  assert.equal(done.status, 200);
  assert.equal((await party.refresh(tokens.refresh_token)).json.error, 'invalid_grant');
  const { log } = await party.control();
  const { body } = log.find(({ path }) => path === '/token/revocation');
  assert.deepEqual([body.token, body.token_type_hint], [tokens.refresh_token, 'refresh_token']);
};
