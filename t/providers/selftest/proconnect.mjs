// ProConnect: tokens, lifetimes, prompts, levels, errors, logout, refresh.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Browser, Party, callbackOf, errorCode, formAction, hiddenInputs, logged as logIn, request } from './party.mjs';

const ROW = 'proconnect';

const CLIENT = 'pc-es256';

const SCOPE = 'openid given_name usual_name email siret organizational_unit phone roles custom chorusdt';

const VERIFIER = 'v'.repeat(43);

const logged = (world, clientId = CLIENT, options = {}) => logIn(world, ROW, clientId, options);

const ask = (world, parameters, browser = new Browser(world.ca)) => {
  const party = new Party(world, ROW, CLIENT);
  return browser.follow(party.address(party.parameters(parameters)), {}, party.issuer);
};

const redirected = async (world, parameters, error, description, browser = undefined) => {
  const answer = await ask(world, parameters, browser);
  assert.equal(answer.status, 303, answer.text);
  const callback = callbackOf(answer);
  assert.deepEqual([callback.error, callback.error_description], [error, description]);
  assert.ok(callback.iss);
  return answer;
};

const tests = {};
export default tests;

for (const [clientId, header] of Object.entries({
  'pc-es256': { alg: 'ES256', typ: 'JWT', kid: 'pkcs11:ES256:hsm' },
  'pc-rs256': { alg: 'RS256', typ: 'JWT', kid: 'pkcs11:RS256:hsm' },
  'pc-hs256': { alg: 'HS256', typ: 'JWT' },
  'pc-json': { alg: 'ES256', typ: 'JWT', kid: 'pkcs11:ES256:hsm' },
})) {
  tests[`pc: login with ${clientId}`] = async (world) => {
    const { party, login, tokens } = await logged(world, clientId, { identity: 'agent', scope: SCOPE });
    assert.deepEqual(login.pages, ['login']);
    assert.equal(login.callback.iss, party.issuer);
    assert.deepEqual(Object.keys(tokens).sort(),
      ['access_token', 'expires_in', 'id_token', 'refresh_token', 'scope', 'token_type']);
    assert.equal(tokens.expires_in, 3600);
    const { header: actual, payload } = await party.open(tokens.id_token);
    assert.deepEqual(actual, header);
    assert.deepEqual(Object.keys(payload).sort(), ['at_hash', 'aud', 'auth_time', 'exp', 'iat', 'iss', 'nonce', 'sub']);
    assert.equal(payload.exp - payload.iat, 3600);
    const digest = createHash('sha256').update(tokens.access_token).digest();
    assert.equal(payload.at_hash, digest.subarray(0, 16).toString('base64url'));
    assert.match(payload.sub, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const answer = await party.userinfo(tokens.access_token);
    const isJson = clientId === 'pc-json';
    assert.equal(answer.headers['content-type'], `application/${isJson ? 'json' : 'jwt'}; charset=utf-8`);
    const claims = isJson ? answer.json : (await party.open(answer.text)).payload;
    assert.deepEqual(Object.keys(claims).sort(), [...(isJson ? [] : ['aud', 'exp', 'iat', 'iss']), 'chorusdt:matricule',
      'chorusdt:societe', 'custom', 'email', 'given_name', 'organizational_unit', 'phone_number', 'roles', 'siret', 'sub',
      'usual_name'].sort());
    assert.equal(claims.sub, payload.sub);
    assert.deepEqual(claims.roles, ['agent_public', 'agent_public_etat']);
    assert.deepEqual(claims.custom.service, { code: 42, actif: true });
  };
}

tests['pc: metadata and keys'] = async (world) => {
  const party = new Party(world, ROW, CLIENT);
  const { json: metadata } = await party.get('/.well-known/openid-configuration');
  assert.equal(metadata.acr_values_supported.length, 7);
  assert.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
  assert.deepEqual([...metadata.grant_types_supported].sort(), ['authorization_code', 'refresh_token']);
  assert.deepEqual(metadata.subject_types_supported, ['public']);
  assert.deepEqual([...metadata.id_token_signing_alg_values_supported].sort(), ['ES256', 'HS256', 'RS256']);
  assert.deepEqual([...metadata.id_token_encryption_alg_values_supported].sort(), ['ECDH-ES', 'RSA-OAEP']);
  assert.equal(metadata.authorization_response_iss_parameter_supported, true);
  assert.equal(metadata.introspection_endpoint, `${party.issuer}/token/introspection`);
  assert.ok(!metadata.scopes_supported.includes('offline_access'));
  const keys = await party.get('/jwks');
  assert.equal(keys.headers['content-type'], 'application/jwk-set+json; charset=utf-8');
  assert.deepEqual(keys.json.keys.map(({ alg }) => alg), ['ES256', 'RS256']);
};

tests['pc: parameters'] = async (world) => {
  for (const wrong of [{ state: undefined }, { login_hint: 'someone' }, { siret_hint: '123' }, { nonce: '' },
    { redirect_uri: 'app' }]) {
    const answer = await ask(world, wrong);
    assert.deepEqual([answer.status, errorCode(answer)], [400, 'Y000400'], JSON.stringify(wrong));
  }
  assert.equal(errorCode(await ask(world, { client_id: 'unknown' })), 'oidc-provider-rendered-error:invalid_client');
  assert.equal(errorCode(await ask(world, { redirect_uri: 'https://app.example.fr/' })),
    'oidc-provider-rendered-error:invalid_redirect_uri');
  for (const right of [{ utm_source: 'x' }, { nonce: undefined }, { login_hint: 'agent@exemple.fr' },
    { siret_hint: '13002526500013' }, { idp_hint: 'idp-exemple' }]) {
    assert.match((await ask(world, right)).text, /id="login"/, JSON.stringify(right));
  }
};

tests['pc: PKCE, S256 alone'] = async (world) => {
  const challenge = createHash('sha256').update(VERIFIER).digest('base64url');
  await redirected(world, { code_challenge: challenge }, 'invalid_request',
    'plain code_challenge_method fallback disabled, code_challenge_method must be provided');
  const plain = await redirected(world, { code_challenge: challenge, code_challenge_method: 'plain' }, 'invalid_request',
    'not supported value of code_challenge_method');
  assert.match(plain.location, /not%20supported%20value/);
  const pkce = { code_challenge: challenge, code_challenge_method: 'S256' };
  await logged(world, CLIENT, { ...pkce, verifier: VERIFIER });
  const party = new Party(world, ROW, CLIENT);
  const { callback } = await party.login(new Browser(world.ca), pkce);
  assert.equal((await party.token(callback.code, { code_verifier: 'w'.repeat(43) })).json.error, 'invalid_grant');
};

tests['pc: prompts and single sign-on'] = async (world) => {
  await redirected(world, { prompt: 'none' }, 'login_required', 'End-User authentication is required');
  await redirected(world, { prompt: 'select_account' }, 'invalid_request', 'unsupported prompt value requested');
  await redirected(world, { idp_hint: 'nobody' }, 'idp_hint_not_found', 'provided idp_hint could not be found');
  const { party, browser } = await logged(world);
  for (const silent of [{ prompt: 'none' }, { prompt: 'login' }, {}, { login_hint: 'eleonore.muller-lefevre@exemple.fr' }]) {
    const { pages, callback } = await party.login(browser, silent);
    assert.deepEqual(pages, []);
    assert.ok(callback.code, JSON.stringify(silent));
  }
  for (const asks of [{ login_hint: 'other@exemple.fr' }, { idp_hint: 'idp-exemple' }, { acr_values: 'eidas2' }]) {
    assert.match((await ask(world, asks, browser)).text, /id="login"/, JSON.stringify(asks));
  }
};

tests['pc: levels'] = async (world) => {
  const acrOf = async (options) => {
    const { party, tokens } = await logged(world, CLIENT, options);
    return (await party.open(tokens.id_token)).payload.acr;
  };
  const essential = (values) => JSON.stringify({ id_token: { acr: { essential: true, values } } });
  assert.equal(await acrOf({}), undefined);
  assert.equal(await acrOf({ acr_values: 'eidas1' }), 'eidas1');
  assert.equal(await acrOf({ acr_values: 'eidas2', acr: 'eidas1-mfa' }), 'eidas1-mfa');
  assert.equal(await acrOf({ claims: essential(['eidas2', 'eidas3']), acr: 'eidas3' }), 'eidas3');
  const party = new Party(world, ROW, CLIENT);
  const { callback } = await party.login(new Browser(world.ca), { claims: essential(['eidas3']), acr: 'eidas1' });
  assert.deepEqual([callback.error, callback.error_description],
    ['access_denied', 'requested ACRs could not be satisfied']);
  await party.control('', { acr: 'https://unknown.example/level' });
  assert.equal(await acrOf({ acr_values: 'eidas1' }), 'eidas1');
};

tests['pc: seven levels, voluntary and essential; one that is not met'] = async (world) => {
  const party = new Party(world, ROW, CLIENT);
  const { acr_values_supported: levels } = (await party.get('/.well-known/openid-configuration')).json;
  const essential = (level) => JSON.stringify({ id_token: { acr: { essential: true, values: [level] } } });
  const acrOf = async (browser, options) => {
    const { callback } = await party.login(browser, options);
    const { json } = await party.token(callback.code);
    return (await party.open(json.id_token)).payload.acr;
  };
  for (const level of levels) {
    assert.equal(await acrOf(new Browser(world.ca), { acr_values: level }), level);
    const browser = new Browser(world.ca);
    assert.equal(await acrOf(browser, { claims: essential(level) }), level);
    const other = levels.find((one) => one !== level);
    const asked = await ask(world, { claims: essential(other) }, browser);
    assert.match(asked.text, /id="login"/, `a session of ${level} is not one of ${other}`);
  }
  await party.control('', { auto: 'angela', acr: 'eidas1' });
  const { callback } = await party.login(new Browser(world.ca), { claims: essential('eidas2') });
  assert.equal(callback.error, 'access_denied');
};

tests['pc: prompt=none sees the session, and not another level'] = async (world) => {
  const { party, browser } = await logged(world, CLIENT, { acr_values: 'eidas1' });
  const essential = JSON.stringify({ id_token: { acr: { essential: true, values: ['eidas3'] } } });
  await redirected(world, { prompt: 'none', claims: essential }, 'login_required',
    'none of the requested ACRs could not be obtained', browser);
  const { callback } = await party.login(browser, { prompt: 'none', siret_hint: '13002526500013' });
  assert.ok(callback.code);
  await party.control('/revoke', {});
  await redirected(world, { prompt: 'none' }, 'login_required', 'End-User authentication is required', browser);
};

tests['pc: claims on demand'] = async (world) => {
  const claims = JSON.stringify({ id_token: { amr: null }, userinfo: { email: null } });
  const { party, tokens } = await logged(world, CLIENT, { claims });
  assert.deepEqual((await party.open(tokens.id_token)).payload.amr, ['fc', 'pwd']);
  const { payload } = await party.open((await party.userinfo(tokens.access_token)).text);
  assert.equal(payload.email, 'eleonore.muller-lefevre@exemple.fr');
};

tests['pc: errors of the API'] = async (world) => {
  const party = new Party(world, ROW, CLIENT);
  const secret = await party.token('x', { client_secret: 'x'.repeat(64) });
  assert.deepEqual([secret.status, secret.json],
    [401, { error: 'invalid_client', error_description: 'client authentication failed' }]);
  const { json } = await party.token('unknown');
  assert.deepEqual(json, { error: 'invalid_grant', error_description: 'grant request is invalid' });
  const html = await party.post('/token', { code: 'x' }, { accept: 'text/html' });
  assert.match(html.headers['content-type'], /^text\/html/);
  assert.equal(errorCode(await party.get('/nowhere')), 'Y000404');
};

tests['pc: abort'] = async (world) => {
  const browser = new Browser(world.ca);
  const page = await ask(world, {}, browser);
  const link = /id="back-to-service" href="([^"]+)"/.exec(page.text)[1];
  const answer = await browser.follow(new URL(link, page.url).href, {}, new Party(world, ROW, CLIENT).issuer);
  assert.equal(callbackOf(answer).error, 'access_denied');
  assert.match(answer.location, /User%20auth%20aborted/);
};

tests['pc: userinfo by POST, introspection, revocation with extras'] = async (world) => {
  const { party, tokens } = await logged(world);
  const posted = await request(`${party.issuer}/userinfo`, {
    ca: world.ca, method: 'POST', form: { access_token: tokens.access_token },
  });
  assert.equal(posted.status, 200);
  const form = { token: tokens.access_token, client_id: CLIENT, client_secret: party.secret };
  assert.equal((await party.post('/token/introspection', form)).json.active, true);
  const done = await party.post('/token/revocation', { ...form, token_type_hint: 'access_token' });
  assert.equal(done.status, 200);
  assert.equal((await party.userinfo(tokens.access_token)).status, 401);
};

tests['pc: logout'] = async (world) => {
  const { party, browser, tokens } = await logged(world);
  const back = `${party.rp.origin}/`;
  const logout = (parameters) => browser.go(`${party.issuer}/session/end?${new URLSearchParams(parameters)}`);
  const confirm = (page) => browser.go(formAction(page), { method: 'POST', form: hiddenInputs(page) });
  assert.equal(errorCode(await logout({ post_logout_redirect_uri: 'nowhere' })), 'Y000400');
  const dropped = await confirm(await logout({ post_logout_redirect_uri: back }));
  assert.match(dropped.location, /\/session\/end\/success/);
  const { callback } = await party.login(browser);
  assert.ok(callback.code);
  const known = await confirm(await logout({
    client_id: CLIENT, post_logout_redirect_uri: back, state: 's', unknown: 'x', id_token_hint: tokens.id_token,
  }));
  assert.equal(known.location, `${back}?state=s`);
  assert.match((await ask(world, {}, browser)).text, /id="login"/);
};
