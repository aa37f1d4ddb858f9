// A browser with cookies and a relying party, as small as the self-test needs them.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { compactDecrypt, compactVerify, createLocalJWKSet, decodeProtectedHeader, importJWK } from 'jose';
import { loopbackLookup } from '../fetch.mjs';

const registered = JSON.parse(readFileSync(new URL('../clients.json', import.meta.url), 'utf8'));

const tokens = () => randomBytes(32).toString('hex');

export function request(address, { ca, method = 'GET', form, json, headers = {}, agent } = {}) {
  const body = form ? new URLSearchParams(form).toString() : json && JSON.stringify(json);
  const type = form ? 'application/x-www-form-urlencoded' : 'application/json';
  return new Promise((resolve, reject) => {
    const call = https.request(address, {
      method, ca, agent, lookup: loopbackLookup,
      headers: { ...headers, ...(body !== undefined && { 'content-type': type, 'content-length': Buffer.byteLength(body) }) },
    }, (res) => {
      const chunks = [];
      res.on('data', (chunk) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = /json/.test(res.headers['content-type'] ?? '');
        let parsed;
        try { parsed = isJson ? JSON.parse(text) : undefined; } catch { parsed = undefined; }
        resolve({ status: res.statusCode, headers: res.headers, text, json: parsed, location: res.headers.location });
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}

/** The side door of a program: its switches set, or what it recorded. */
export async function control({ origin, ca }, path = '', json = undefined) {
  const method = path || json ? 'POST' : 'GET';
  const { json: answer, status } = await request(`${origin}/__control${path}`, { ca, method, json: json ?? {} });
  if (status !== 200) throw new Error(`control: ${answer.error}`);
  return answer;
}

export class Browser {
  constructor(ca) {
    this.ca = ca;
    this.cookies = new Map();
  }

  async go(address, options = {}) {
    const { host, pathname } = new URL(address);
    const cookie = [...this.cookies.values()].filter((one) => one.host === host && pathname.startsWith(one.path))
      .map(({ name, value }) => `${name}=${value}`).join('; ');
    const answer = await request(address, {
      ca: this.ca, ...options, headers: { accept: 'text/html', ...(cookie && { cookie }), ...options.headers },
    });
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      const [, path] = /; path=([^;]+)/i.exec(line);
      const key = [host, path, name].join(' ');
      if (/expires=Thu, 01 Jan 1970/i.test(line)) this.cookies.delete(key);
      else this.cookies.set(key, { host, path, name, value });
    }
    return { ...answer, url: address };
  }

  /** Follows redirections as long as they stay at the provider. */
  async follow(address, options, issuer) {
    let answer = await this.go(address, options);
    while (answer.location?.startsWith('/') || answer.location?.startsWith(issuer)) {
      answer = await this.go(new URL(answer.location, answer.url).href);
    }
    return answer;
  }
}

export const formAction = ({ text, url }) => new URL(/<form[^>]* action="([^"]+)"/.exec(text)[1].replaceAll('&amp;', '&'), url).href;

export const hiddenInputs = ({ text }) => Object.fromEntries(
  [...text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [name, value]),
);

export const errorCode = ({ text }) => /id="error-code">([^<]+)</.exec(text)?.[1];

export const callbackOf = ({ location }) => Object.fromEntries(new URL(location).searchParams);

export class Party {
  constructor({ ca, rp, providers }, row, clientId) {
    const { client_secret: secret, metadata } = registered[row].find((one) => one.client_id === clientId);
    Object.assign(this, {
      ca, rp, row, clientId, secret, metadata, issuer: providers[row].issuer, origin: providers[row].origin,
      redirect: `${rp.origin}/oidc_callback`,
    });
  }

  parameters(more = {}) {
    const acr = { franceconnect: 'eidas1', franceconnect_plus: 'eidas2' }[this.row];
    const all = {
      client_id: this.clientId, response_type: 'code', scope: 'openid', redirect_uri: this.redirect, state: tokens(),
      nonce: tokens(), ...(acr && { acr_values: acr }), ...more,
    };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  }

  address(parameters) {
    return `${this.issuer}/authorize?${new URLSearchParams(parameters)}`;
  }

  /** The whole way through the pages: { answer, callback, parameters }. */
  async login(browser, { identity = 'angela', acr, verifier, ...more } = {}) {
    const parameters = this.parameters(more);
    let answer = await browser.follow(this.address(parameters), {}, this.issuer);
    const pages = [];
    while (answer.status === 200) {
      const [, form] = /<form id="(login|consent)"/.exec(answer.text);
      pages.push(form);
      const fields = form === 'login' ? { identity, ...(acr && { acr }) } : { };
      answer = await browser.follow(formAction(answer), { method: 'POST', form: fields }, this.issuer);
    }
    return { answer, pages, parameters, callback: answer.location ? callbackOf(answer) : {} };
  }

  token(code, more = {}) {
    const form = {
      grant_type: 'authorization_code', code, redirect_uri: this.redirect, client_id: this.clientId,
      client_secret: this.secret, ...more,
    };
    return this.post('/token', form);
  }

  post(path, form, headers = {}) {
    return request(this.issuer + path, { ca: this.ca, method: 'POST', form, headers: { accept: 'application/json', ...headers } });
  }

  get(path, headers = {}) {
    return request(this.issuer + path, { ca: this.ca, headers });
  }

  userinfo(accessToken, options = {}) {
    return request(`${this.issuer}/userinfo`, {
      ca: this.ca, headers: { authorization: `Bearer ${accessToken}`, accept: 'application/jwt, application/json' }, ...options,
    });
  }

  control(path = '', json = undefined) {
    return control(this, path, json);
  }

  refresh(token) {
    return this.post('/token', {
      grant_type: 'refresh_token', refresh_token: token, client_id: this.clientId, client_secret: this.secret,
    });
  }

  /** Decrypts and verifies a token: { jwe, header, payload, jws }. */
  async open(token, alg = this.metadata.id_token_signed_response_alg ?? 'RS256') {
    let jws = token;
    let jwe;
    if (token.split('.').length === 5) {
      jwe = decodeProtectedHeader(token);
      const own = this.rp.keys.find((key) => key.public.alg === jwe.alg).private;
      jws = new TextDecoder().decode((await compactDecrypt(token, await importJWK(own, jwe.alg))).plaintext);
    }
    const key = alg.startsWith('HS') ? new TextEncoder().encode(this.secret)
      : createLocalJWKSet((await this.get('/jwks')).json);
    const { payload, protectedHeader } = await compactVerify(jws, key, { algorithms: [alg] });
    return { jwe, header: protectedHeader, jws, payload: JSON.parse(new TextDecoder().decode(payload)) };
  }
}

/** A login up to the tokens. */
export async function logged(world, row, clientId, options = {}) {
  const party = new Party(world, row, clientId);
  const browser = new Browser(world.ca);
  const login = await party.login(browser, options);
  const token = await party.token(login.callback.code, options.verifier && { code_verifier: options.verifier });
  assert.equal(token.status, 200, token.text);
  return { party, browser, login, token, tokens: token.json };
}
