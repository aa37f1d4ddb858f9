// FranceConnect+: nested tokens, levels, single sign-on, the relying party's key set.
import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { Browser, Party, callbackOf, errorCode, logged as logIn } from './party.mjs';

const ROW = 'franceconnect_plus';

const CLIENT = 'fcp-ecdh-es';

const logged = (world, clientId = CLIENT, options = {}) => logIn(world, ROW, clientId, options);

const tests = {};
export default tests;

for (const [clientId, alg, kid, more] of [['fcp-ecdh-es', 'ECDH-ES', 'rp-ec', ['epk']], ['fcp-rsa-oaep', 'RSA-OAEP', 'rp-rsa', []],
  ['fcp-rsa-oaep-256', 'RSA-OAEP-256', 'rp-rsa-256', []]]) {
  tests[`fc+: login with ${clientId}`] = async (world) => {
    const { party, tokens, login } = await logged(world, clientId, { scope: 'openid identite_pivot email rnipp_birth' });
    const checkHeaders = ({ jwe, header }) => {
      assert.deepEqual(Object.keys(jwe).sort(), ['alg', 'aud', 'cty', 'enc', 'iss', 'kid', ...more].sort());
      assert.deepEqual([jwe.alg, jwe.enc, jwe.cty, jwe.kid, jwe.iss, jwe.aud],
        [alg, 'A256GCM', 'JWT', kid, party.issuer, clientId]);
      if (jwe.epk) assert.deepEqual(Object.keys(jwe.epk).sort(), ['crv', 'kty', 'x', 'y']);
      assert.deepEqual(header, { alg: 'ES256', kid: 'pkcs11:hsm' });
    };
    assert.deepEqual(Object.keys(tokens).sort(), ['access_token', 'expires_in', 'id_token', 'scope', 'token_type']);
    const idToken = await party.open(tokens.id_token);
    checkHeaders(idToken);
    assert.deepEqual(Object.keys(idToken.payload).sort(),
      ['acr', 'aud', 'auth_time', 'exp', 'iat', 'iss', 'nonce', 'sub']);
    assert.equal(idToken.payload.acr, 'eidas2');
    assert.equal(idToken.payload.nonce, login.parameters.nonce);
    const answer = await party.userinfo(tokens.access_token);
    assert.equal(answer.headers['content-type'], 'application/jwt; charset=utf-8');
    const userinfo = await party.open(answer.text);
    checkHeaders(userinfo);
    assert.deepEqual(Object.keys(userinfo.payload).sort(), ['aud', 'birthcountry', 'birthdate', 'birthplace', 'email',
      'exp', 'family_name', 'gender', 'given_name', 'iat', 'iss', 'rnipp_birthcountry', 'rnipp_birthplace', 'sub']);
    assert.equal(userinfo.payload.sub, idToken.payload.sub);
  };
}

tests['fc+: an incomplete date of birth'] = async (world) => {
  const { party, tokens } = await logged(world, CLIENT, { identity: 'presumed', scope: 'openid birthdate rnipp_birthdate' });
  const { payload } = await party.open((await party.userinfo(tokens.access_token)).text);
  assert.deepEqual([payload.birthdate, payload.rnipp_birthdate], ['1992-11-00', '1992-11-01']);
};

tests['fc+: metadata and keys'] = async (world) => {
  const party = new Party(world, ROW, CLIENT);
  const { json: metadata } = await party.get('/.well-known/openid-configuration');
  assert.deepEqual(metadata.acr_values_supported, ['eidas2', 'eidas3']);
  assert.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
  for (const kind of ['id_token', 'userinfo']) {
    assert.deepEqual(metadata[`${kind}_signing_alg_values_supported`], ['ES256']);
    assert.deepEqual([...metadata[`${kind}_encryption_alg_values_supported`]].sort(), ['ECDH-ES', 'RSA-OAEP', 'RSA-OAEP-256']);
    assert.deepEqual(metadata[`${kind}_encryption_enc_values_supported`], ['A256GCM']);
  }
  assert.deepEqual((await party.get('/jwks')).json.keys.map(({ kid }) => kid), ['pkcs11:hsm']);
};

tests['fc+: levels'] = async (world) => {
  const acrOf = async (options) => {
    const { party, tokens } = await logged(world, CLIENT, options);
    return (await party.open(tokens.id_token)).payload.acr;
  };
  assert.equal(await acrOf({ acr_values: 'eidas3 eidas2' }), 'eidas2');
  assert.equal(await acrOf({ acr_values: 'typo' }), 'eidas3');
  assert.equal(await acrOf({ acr_values: 'eidas2', acr: 'eidas3' }), 'eidas3');
  const party = new Party(world, ROW, CLIENT);
  const wrong = await new Browser(world.ca).go(party.address(party.parameters({ acr_values: 'eidas1' })));
  assert.equal(callbackOf(wrong).error, 'invalid_acr');
  const { answer } = await party.login(new Browser(world.ca), { acr_values: 'eidas3', acr: 'eidas2' });
  assert.equal(errorCode(answer), 'Y100001');
};

tests['fc+: single sign-on for eidas2 alone'] = async (world) => {
  const { party, browser } = await logged(world, CLIENT, { acr_values: 'eidas3' });
  const again = await party.login(browser, { acr_values: 'eidas2' });
  assert.deepEqual(again.pages, ['consent']);
  const tokens = (await party.token(again.callback.code)).json;
  assert.equal((await party.open(tokens.id_token)).payload.acr, 'eidas2');
  assert.deepEqual((await party.login(browser, { acr_values: 'eidas3' })).pages, ['login', 'consent']);
};

tests['fc+: a session of eidas2 is not enough for eidas3, and the level may come out lower'] = async (world) => {
  const { party, browser } = await logged(world, CLIENT, { acr_values: 'eidas2' });
  const acrOf = async () => {
    const { pages, callback } = await party.login(browser, { acr_values: 'eidas3' });
    assert.deepEqual(pages, ['login', 'consent']);
    const { json } = await party.token(callback.code);
    return (await party.open(json.id_token)).payload.acr;
  };
  assert.equal(await acrOf(), 'eidas3');
  await party.control('', { acr: 'eidas2' });
  assert.equal(await acrOf(), 'eidas2');
};

tests['fc+: how long the key set of the relying party is kept'] = async (world) => {
  const { rp } = world;
  const party = new Party(world, ROW, CLIENT);
  const fetches = async () => {
    const before = rp.fetched;
    await logged(world);
    return rp.fetched - before;
  };
  rp.cache = 'no-store';
  await party.control('/flush', {});
  assert.equal(await fetches(), 1);
  assert.equal(await fetches(), 0, 'a minute at least');
  await party.control('/flush', {});
  assert.equal(await fetches(), 1, 'flushed');
  await party.control('', { clientJwks: { floor: 1 } });
  assert.equal(await fetches(), 0);
  await wait(1100);
  assert.ok(await fetches() >= 1, 'the floor is a second');
  rp.cache = 'public, max-age=600';
  await wait(1100);
  assert.ok(await fetches() >= 1);
  await wait(1100);
  assert.equal(await fetches(), 0, 'max-age is longer than the floor');
  await party.control('', { clientJwks: { life: 1 } });
  assert.ok(await fetches() >= 1, 'a life that no header prolongs');
  const { counters } = await party.control();
  assert.ok(counters.fetched[`${rp.origin}/oidc_jwks`] >= 4);
};

tests['fc+: logout wants the decrypted token'] = async (world) => {
  const { party, browser, tokens } = await logged(world);
  const logout = (hint) => browser.go(`${party.issuer}/session/end?id_token_hint=${hint}`);
  const encrypted = await logout(tokens.id_token);
  assert.equal(encrypted.status, 400);
  assert.match(encrypted.text, /could not decode id_token_hint/);
  assert.equal((await logout((await party.open(tokens.id_token)).jws)).status, 200);
};

tests['fc+: the key set of the relying party is fetched, kept, and burns the code when it is wrong'] = async (world) => {
  const { rp } = world;
  const party = new Party(world, ROW, CLIENT);
  await party.control('/rotate', {}); // forgets the key set
  const before = rp.fetched;
  await logged(world);
  await logged(world);
  assert.equal(rp.fetched - before, 1);
  const good = rp.answer;
  const only = (change) => ({ ...good, body: JSON.stringify({ keys: rp.keys.map((key) => ({ ...key.public, ...change(key) })) }) });
  const wrong = [{ ...good, status: 500 }, { ...good, body: '<html>' }, { ...good, body: '{"keys":[]}' },
    only(() => ({ use: 'sig' })), only(() => ({ alg: 'other' })), only((key) => key.private)];
  for (const answer of wrong) {
    rp.answer = answer;
    await party.control('/rotate', {});
    const { callback } = await party.login(new Browser(world.ca));
    const refused = await party.token(callback.code);
    assert.deepEqual([refused.status, refused.json.error], [400, 'invalid_client_metadata']);
    assert.equal((await party.token(callback.code)).json.error, 'invalid_grant');
  }
  rp.answer = only(() => ({ kid: undefined, use: undefined, alg: undefined }));
  await party.control('/rotate', {});
  const { tokens } = await logged(world, 'fcp-ecdh-es');
  assert.equal('kid' in (await party.open(tokens.id_token)).jwe, false);
  rp.answer = good;
  await party.control('/rotate', {});
};
