// FranceConnect (low): filters, tokens, UserInfo, logout, revocation.
import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { Browser, Party, callbackOf, errorCode, formAction, logged as logIn } from './party.mjs';

const ROW = 'franceconnect';

const CLIENT = 'fc-es256';

const PIVOT = 'openid identite_pivot preferred_username email';

const logged = (world, clientId = CLIENT, options = {}) => logIn(world, ROW, clientId, options);

const pages = async (world, parameters, options) => {
  const party = new Party(world, ROW, CLIENT);
  const browser = new Browser(world.ca);
  return browser.go(`${party.issuer}/authorize?${new URLSearchParams(party.parameters(parameters))}`, options);
};

const refused = async (world, parameters, code, status = 400) => {
  const answer = await pages(world, parameters);
  assert.equal(answer.status, status, JSON.stringify(parameters));
  assert.match(answer.headers['content-type'], /^text\/html/);
  assert.equal(errorCode(answer), code, JSON.stringify(parameters));
  assert.equal(answer.location, undefined);
};

const redirected = async (world, parameters, error, description) => {
  const answer = await pages(world, parameters);
  assert.equal(answer.status, 303, answer.text);
  const callback = callbackOf(answer);
  assert.equal(callback.error, error);
  if (description) assert.match(callback.error_description, description);
  assert.match(callback.iss, /\/api\/v2$/);
  return answer;
};

const tests = {};
export default tests;

for (const [clientId, header] of Object.entries({
  'fc-es256': { alg: 'ES256', kid: 'pkcs11:ES256:hsm' },
  'fc-rs256': { alg: 'RS256', kid: 'pkcs11:RS256:hsm' },
  'fc-hs256': { alg: 'HS256' },
})) {
  tests[`fc: login with ${clientId}`] = async (world) => {
    const { party, login, token, tokens } = await logged(world, clientId, { scope: PIVOT });
    assert.deepEqual(login.pages, ['login', 'consent']);
    assert.deepEqual(Object.keys(login.callback).sort(), ['code', 'iss', 'state']);
    assert.equal(login.callback.state, login.parameters.state);
    assert.equal(login.callback.iss, party.issuer);
    assert.match(login.callback.code, /^[\w-]{43}$/);
    assert.deepEqual(Object.keys(tokens).sort(), ['access_token', 'expires_in', 'id_token', 'scope', 'token_type']);
    assert.equal(tokens.expires_in, 60);
    assert.equal(tokens.token_type, 'Bearer');
    assert.match(tokens.access_token, /^[\w-]{43}$/);
    assert.equal(token.headers['set-cookie'], undefined);
    const idToken = await party.open(tokens.id_token);
    assert.deepEqual(idToken.header, header);
    const { payload } = idToken;
    assert.deepEqual(Object.keys(payload).sort(), ['acr', 'aud', 'auth_time', 'exp', 'iat', 'iss', 'nonce', 'sub']);
    assert.equal(payload.aud, clientId);
    assert.equal(payload.acr, 'eidas1');
    assert.equal(payload.exp - payload.iat, 60);
    assert.equal(payload.nonce, login.parameters.nonce);
    assert.match(payload.sub, /^[0-9a-f]{64}v1$/);
    const answer = await party.userinfo(tokens.access_token);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'application/jwt; charset=utf-8');
    const userinfo = await party.open(answer.text);
    assert.deepEqual(userinfo.header, header);
    assert.deepEqual(Object.keys(userinfo.payload).sort(), ['aud', 'birthcountry', 'birthdate', 'birthplace', 'email',
      'exp', 'family_name', 'gender', 'given_name', 'given_name_array', 'iat', 'iss', 'preferred_username', 'sub']);
    assert.equal(userinfo.payload.sub, payload.sub);
    assert.equal(userinfo.payload.given_name, 'Éléonore Françoise Zoé');
    assert.deepEqual(userinfo.payload.given_name_array, ['Éléonore', 'Françoise', 'Zoé']);
  };
}

tests['fc: subjects are pairwise per entity, not per client'] = async (world) => {
  const subject = async (clientId) => {
    const { party, tokens } = await logged(world, clientId);
    return (await party.open(tokens.id_token)).payload.sub;
  };
  const [one, same, other] = [await subject('fc-es256'), await subject('fc-rs256'), await subject('fc-other')];
  assert.equal(one, same);
  assert.notEqual(one, other);
};

tests['fc: identities with empty and incomplete values'] = async (world) => {
  const claims = async (identity) => {
    const { party, tokens } = await logged(world, CLIENT, {
      identity, scope: 'openid birth profile birthdate idp_birthdate',
    });
    return (await party.open((await party.userinfo(tokens.access_token)).text)).payload;
  };
  const abroad = await claims('abroad');
  assert.equal(abroad.birthplace, '');
  assert.equal(abroad.birthdate, '1985-02-01');
  assert.equal(abroad.idp_birthdate, '1985-02-00');
  assert.equal((await claims('presumed')).preferred_username, '');
};

tests['fc: metadata'] = async (world) => {
  const party = new Party(world, ROW, CLIENT);
  const { headers, json: metadata } = await party.get('/.well-known/openid-configuration');
  assert.equal(headers['cache-control'], 'public, max-age=600');
  assert.equal(metadata.issuer, party.issuer);
  const path = (name) => metadata[name].slice(party.issuer.length);
  assert.deepEqual(['authorization_endpoint', 'token_endpoint', 'userinfo_endpoint', 'end_session_endpoint', 'jwks_uri',
    'revocation_endpoint'].map(path), ['/authorize', '/token', '/userinfo', '/session/end', '/jwks', '/token/revocation']);
  assert.deepEqual(metadata.acr_values_supported, ['eidas1']);
  assert.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
  assert.deepEqual(metadata.grant_types_supported, ['authorization_code']);
  assert.deepEqual(metadata.response_types_supported, ['code']);
  assert.deepEqual(metadata.subject_types_supported, ['pairwise']);
  assert.deepEqual(metadata.token_endpoint_auth_methods_supported, ['client_secret_post', 'private_key_jwt']);
  assert.deepEqual([...metadata.id_token_signing_alg_values_supported].sort(), ['ES256', 'HS256', 'RS256']);
  assert.equal(metadata.authorization_response_iss_parameter_supported, true);
  for (const absent of ['id_token_encryption_alg_values_supported', 'userinfo_encryption_alg_values_supported',
    'backchannel_logout_supported', 'check_session_iframe', 'introspection_endpoint',
    'pushed_authorization_request_endpoint']) {
    assert.equal(metadata[absent], undefined, absent);
  }
  assert.ok(!metadata.scopes_supported.includes('offline_access'));
};

tests['fc: key set'] = async (world) => {
  const { headers, json } = await new Party(world, ROW, CLIENT).get('/jwks');
  assert.equal(headers['content-type'], 'application/jwk-set+json; charset=utf-8');
  assert.equal(headers['cache-control'], 'public, max-age=600');
  assert.deepEqual(json.keys.map(({ kid, alg, use, d }) => [kid, alg, use, d]),
    [['pkcs11:ES256:hsm', 'ES256', 'sig', undefined], ['pkcs11:RS256:hsm', 'RS256', 'sig', undefined]]);
};

tests['fc: closed list of authorization parameters'] = async (world) => {
  for (const extra of ['code_challenge', 'code_challenge_method', 'max_age', 'login_hint', 'response_mode', 'display',
    'id_token_hint', 'request', 'resource', 'utm_source']) {
    await refused(world, { [extra]: '' }, 'Y030007');
  }
  for (const name of ['client_id', 'acr_values', 'response_type', 'nonce', 'state', 'redirect_uri', 'scope']) {
    await refused(world, { [name]: undefined }, 'Y030007');
  }
  await refused(world, { nonce: 'x'.repeat(21) }, 'Y030007');
  for (const prompt of ['', 'none', 'select_account']) await refused(world, { prompt }, 'Y030007');
  await refused(world, { redirect_uri: 'http://app.example.fr/oidc_callback' }, 'Y030007');
  const party = new Party(world, ROW, CLIENT);
  const twice = await new Browser(world.ca).go(`${party.address(party.parameters())}&state=again`);
  assert.equal(errorCode(twice), 'Y030007');
  for (const accepted of [{ prompt: 'login' }, { ui_locales: 'fr' }, { nonce: `@#&${'x'.repeat(64)}` }]) {
    const answer = await pages(world, accepted);
    assert.match(answer.location, /^\/api\/v2\/interaction\//, JSON.stringify(accepted));
  }
};

tests['fc: authorization errors of the library'] = async (world) => {
  await refused(world, { client_id: 'unknown' }, 'Y04EA6EF');
  await refused(world, { client_id: 'fc-inactive' }, 'Y04EA6EF');
  await refused(world, { redirect_uri: 'https://app.example.fr/elsewhere' }, 'Y04C013C');
  await refused(world, { redirect_uri: 'https://app.example.fr/elsewhere', response_type: 'x' }, 'Y040001');
  await refused(world, { client_id: 'fc-sector' }, 'Y04A8220');
  await redirected(world, { response_type: '' }, 'invalid_request');
  await redirected(world, { response_type: 'unknown' }, 'unsupported_response_type');
  await redirected(world, { scope: 'profile' }, 'invalid_request', /openid scope must be requested/);
  const scope = await redirected(world, { client_id: 'fc-minimal', scope: 'openid birth' }, 'invalid_scope',
    /requested scope is not allowed/);
  assert.equal(callbackOf(scope).scope, 'birth');
  assert.match(scope.location, /error_description=requested\+scope\+is/);
  const fragment = await pages(world, { response_type: 'id_token' });
  assert.match(fragment.location, /oidc_callback#error=/);
};

tests['fc: levels and hints'] = async (world) => {
  await redirected(world, { acr_values: 'eidas2' }, 'invalid_acr', /expected eidas1, got eidas2/);
  await redirected(world, { idp_hint: 'nobody' }, 'invalid_idp_hint', /not allowed/);
  for (const accepted of [{ acr_values: 'eidas3 eidas1' }, { acr_values: 'typo' }, { idp_hint: 'fi-exemple' }]) {
    const answer = await pages(world, accepted);
    assert.match(answer.location, /^\/api\/v2\/interaction\//, JSON.stringify(accepted));
  }
};

tests['fc: amr on demand, for the clients that may'] = async (world) => {
  const claims = JSON.stringify({ id_token: { amr: null } });
  const { party, tokens } = await logged(world, CLIENT, { claims });
  assert.deepEqual((await party.open(tokens.id_token)).payload.amr, ['fc', 'pwd']);
  await refused(world, { client_id: 'fc-rs256', claims }, 'Y100009');
};

tests['fc: authorization by POST'] = async (world) => {
  const party = new Party(world, ROW, CLIENT);
  const post = (parameters) => new Browser(world.ca).go(`${party.issuer}/authorize`, { method: 'POST', form: parameters });
  assert.match((await post(party.parameters())).location, /^\/api\/v2\/interaction\//);
  assert.equal((await post(party.parameters({ client_id: 'unknown' }))).status, 500);
  assert.equal(errorCode(await post(party.parameters({ max_age: '1' }))), 'Y030007');
};

tests['fc: back to service, with and without a state'] = async (world) => {
  const party = new Party(world, ROW, CLIENT);
  const browser = new Browser(world.ca);
  const parameters = party.parameters();
  const page = await browser.follow(party.address(parameters), {}, party.issuer);
  const link = /id="back-to-service" href="([^"]+)"/.exec(page.text)[1].replaceAll('&amp;', '&');
  assert.ok(link.includes(`&state=${parameters.state}&redirect_uri=${party.redirect}`));
  const answer = await browser.go(new URL(link, page.url).href.replaceAll(' ', '%20'));
  assert.equal(answer.status, 303);
  assert.deepEqual(Object.entries(callbackOf(answer)), [['error', 'access_denied'],
    ['error_description', 'User auth aborted'], ['state', parameters.state], ['iss', party.issuer]]);
  const lost = await browser.go(new URL(link.replace(parameters.state, 'undefined'), page.url).href);
  assert.equal(callbackOf(lost).state, 'undefined');
  const away = await browser.go(new URL(link.replace(party.redirect, 'https://evil.example/'), page.url).href);
  assert.equal(away.status, 400);
};

tests['fc: errors of the token endpoint'] = async (world) => {
  const party = new Party(world, ROW, CLIENT);
  const expect = async (answer, status, error, description, code) => {
    const { json } = await answer;
    assert.deepEqual([(await answer).status, json.error, json.error_description], [status, error, description]);
    assert.match(json.error_uri, new RegExp(`^https://docs\\.partenaires.*\\?code=${code}&id=[0-9a-f-]{36}$`));
  };
  await expect(party.token('x', { client_secret: 'x'.repeat(64) }), 401, 'invalid_client',
    'client authentication failed (invalid secret provided)', 'Y0434A7B');
  const { code, ...rest } = { grant_type: 'authorization_code', redirect_uri: party.redirect };
  await expect(party.post('/token', { ...rest, client_id: CLIENT, client_secret: party.secret }), 400, 'invalid_request',
    "missing required parameter 'code' (undefined)", 'Y048017B');
  await expect(party.token('unknown'), 400, 'invalid_grant', 'grant request is invalid (authorization code not found)',
    'Y049E20B');
  const html = await party.post('/token', { code: 'x' }, { accept: 'text/html' });
  assert.match(html.headers['content-type'], /json/);
  const missing = await party.get('/userinfo');
  assert.equal(missing.status, 401);
  assert.equal(missing.json.error_description, 'no access token provided (no access token provided)');
  assert.match(missing.headers['www-authenticate'], new RegExp(`^Bearer realm="${party.issuer}"`));
  const unknown = await party.userinfo('x'.repeat(43));
  assert.equal(unknown.json.error_description, 'invalid token provided (access token not found)');
  assert.equal(errorCode(await party.post('/userinfo', {})), 'Y000404');
  assert.equal(errorCode(await party.get('/nowhere')), 'Y000404');
};

tests['fc: a code is good once, its replay revokes the tokens'] = async (world) => {
  const { party, login, tokens } = await logged(world);
  assert.equal((await party.userinfo(tokens.access_token)).status, 200);
  assert.equal((await party.token(login.callback.code)).json.error, 'invalid_grant');
  assert.equal((await party.userinfo(tokens.access_token)).status, 401);
  const again = await party.login(new Browser(world.ca));
  assert.equal((await party.token(again.callback.code, { code_verifier: 'x'.repeat(43) })).json.error, 'invalid_grant');
};

tests['fc: client_secret_basic works too'] = async (world) => {
  const party = new Party(world, ROW, CLIENT);
  const { callback } = await party.login(new Browser(world.ca));
  const answer = await party.post('/token', {
    grant_type: 'authorization_code', code: callback.code, redirect_uri: party.redirect,
  }, { authorization: `Basic ${Buffer.from(`${CLIENT}:${party.secret}`).toString('base64')}` });
  assert.equal(answer.status, 200);
};

tests['fc: the grant outlives neither 30 s nor the switch'] = async (world) => {
  const party = new Party(world, ROW, CLIENT);
  await party.control('', { consentLife: 2 });
  const { tokens } = await logged(world);
  assert.equal((await party.userinfo(tokens.access_token)).status, 200);
  await wait(2100);
  const answer = await party.userinfo(tokens.access_token);
  assert.equal(answer.status, 401);
  assert.equal(answer.json.error, 'invalid_token');
};

tests['fc: a second login in the browser ends the first'] = async (world) => {
  const party = new Party(world, ROW, CLIENT);
  const browser = new Browser(world.ca);
  const first = await browser.follow(party.address(party.parameters()), {}, party.issuer);
  await browser.follow(party.address(party.parameters()), {}, party.issuer);
  const lost = await browser.go(formAction(first), { method: 'POST', form: { identity: 'angela' } });
  assert.equal(lost.status, 401);
  assert.match(errorCode(lost), /^Y19/);
};
