// ID tokens and UserInfo as the switches want them: built by the library, opened, edited, signed again with the
// provider's real key and encrypted again to the client's, so that exactly one thing is wrong.
import { createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import { signCompact } from './keys.mjs';
import { edit, isSet } from './switches.mjs';

const decode = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());

const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

const flip = (text) => (text.startsWith('A') ? 'B' : 'A') + text.slice(1);

/** The key a token is signed with: the one its header names, unless the switch says another. */
function signingKey({ key, alg }, header, client, keys) {
  if (key === 'foreign') return foreign;
  if (key === 'public-pem') return keys.publicPem(keys.find(header.kid) ?? keys.jwks[0]);
  const wanted = alg ?? header.alg;
  if (wanted.startsWith('HS')) return client.clientSecret;
  return wanted === header.alg ? keys.find(header.kid) : keys.forAlg(wanted);
}

function signAgain(signed, spec, client, keys) {
  const [head, body, signature] = signed.split('.');
  const original = decode(head);
  const header = { ...original, ...(spec.alg && { alg: spec.alg }) };
  const payload = edit(decode(body), spec);
  if (spec.signature === 'keep') {
    const unsigned = signCompact(edit(header, spec.header ?? {}), payload, undefined, 'none');
    return unsigned + signature;
  }
  const key = signingKey(spec, original, client, keys);
  const token = signCompact(edit(header, spec.header ?? {}), payload, key, header.alg);
  const cut = token.lastIndexOf('.') + 1;
  if (spec.signature === 'empty') return token.slice(0, cut);
  return spec.signature === 'corrupt' ? token.slice(0, cut) + flip(token.slice(cut)) : token;
}

const PARTS = ['header', 'key', 'iv', 'ciphertext', 'tag'];

/** Damage to one of the five parts, by name; "parts" leaves four. */
function damaged(token, damage) {
  const parts = token.split('.');
  const index = PARTS.indexOf(damage);
  if (damage === 'parts') parts.pop();
  if (index >= 0) parts[index] = parts[index] ? flip(parts[index]) : 'AAAA';
  return parts.join('.');
}

async function encrypt(text, spec, client, { alg, enc }, issuer) {
  const { CompactEncrypt } = await import('jose');
  const store = client.asymmetricKeyStore;
  await store.refresh();
  const [jwk] = store.selectForEncrypt({ alg, use: 'enc' });
  const header = edit({
    alg: spec.alg ?? alg, enc: spec.enc ?? enc, cty: 'JWT', ...(jwk.kid && { kid: jwk.kid }), iss: issuer, aud: client.clientId,
  }, spec.header ?? {});
  const crit = Object.fromEntries((header.crit ?? []).map((name) => [name, true]));
  const token = await new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader(header)
    .encrypt(createPublicKey({ key: jwk, format: 'jwk' }), { crit });
  return damaged(token, spec.damage);
}

const encryptionOf = (client, use) => (use === 'userinfo'
  ? { alg: client.userinfoEncryptedResponseAlg, enc: client.userinfoEncryptedResponseEnc }
  : { alg: client.idTokenEncryptedResponseAlg, enc: client.idTokenEncryptedResponseEnc });

/** The same client, whose tokens stay readable. */
const withoutEncryption = (client) => Object.create(client, {
  idTokenEncryptedResponseEnc: { value: undefined },
  userinfoEncryptedResponseEnc: { value: undefined },
});

function shapeJsonUserinfo(provider, { switches }) {
  provider.use(async (ctx, next) => {
    await next();
    const { userinfo } = switches();
    if (ctx.path !== '/userinfo' || ctx.status !== 200 || !isSet(userinfo)) return;
    if (userinfo.raw !== undefined) {
      ctx.body = userinfo.raw;
      if (userinfo.type) ctx.type = userinfo.type;
    } else if (typeof ctx.body === 'object') {
      ctx.body = userinfo.form === 'array' ? [edit(ctx.body, userinfo)] : edit(ctx.body, userinfo);
    } else if (userinfo.form) {
      const claims = decode(ctx.body.split('.')[1]);
      ctx.type = 'json';
      ctx.body = userinfo.form === 'array' ? [claims] : claims;
    }
  });
}

/** The edits of an ID token; one that comes of a refresh has its own, if there are any. */
function idTokenEdits(ctx, { idToken, refresh }) {
  return ctx?.oidc.params.grant_type === 'refresh_token' ? refresh.idToken ?? idToken : idToken;
}

/** A logout token as the library makes it, with edits like those of an ID token. */
export async function logoutToken({ provider, keys, issuer, control }, { client_id: id, sub, sid, ...spec }) {
  const client = await provider.Client.find(id);
  const token = new provider.IdToken({ sub }, { client: withoutEncryption(client) });
  token.mask = { sub: null };
  token.set('events', { 'http://schemas.openid.net/event/backchannel-logout': {} });
  token.set('jti', randomUUID());
  if (sid) token.set('sid', sid);
  const text = signAgain(await token.issue({ use: 'logout' }), spec, client, keys);
  const encryption = encryptionOf(client, 'logout');
  if (!encryption.enc || spec.encrypted === false) return text;
  return encrypt(text, control.switches.jwe, client, encryption, issuer);
}

export function shapeTokens(provider, { control, keys, issuer }) {
  const switches = () => control.switches;
  shapeJsonUserinfo(provider, { switches });
  const { IdToken } = provider;
  const { issue } = IdToken.prototype;
  IdToken.prototype.issue = async function issueAsWanted(options) {
    const { userinfo, jwe } = control.switches;
    const spec = options.use === 'userinfo' ? userinfo : idTokenEdits(this.ctx, control.switches);
    if (!isSet(spec) && !isSet(jwe)) return issue.call(this, options);
    const { client } = this;
    const encryption = encryptionOf(client, options.use);
    const signed = await issue.call(Object.create(this, { client: { value: withoutEncryption(client) } }), options);
    const token = spec.inner === 'claims' ? JSON.stringify(edit(decode(signed.split('.')[1]), spec))
      : signAgain(signed, spec, client, keys);
    const plain = !encryption.enc || spec.encrypted === false || spec.form;
    return plain ? token : encrypt(token, jwe, client, encryption, issuer);
  };
}
