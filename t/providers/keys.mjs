// The provider's signing keys, made at start and replaced by /__control/rotate.
import { createHmac, createPrivateKey, createPublicKey, generateKeyPair, sign } from 'node:crypto';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

const CURVES = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

const DIGEST = { 256: 'sha256', 384: 'sha384', 512: 'sha512' };

async function make({ crv, alg, kid }) {
  const kind = crv ? ['ec', { namedCurve: crv }] : ['rsa', { modulusLength: 2048 }];
  const { privateKey } = await generate(...kind);
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid };
}

export class Keys {
  /** specs: [{ crv, alg, kid }]; an RSA key has no curve, without alg it serves every algorithm of its type. */
  constructor(specs) {
    this.specs = specs;
    this.generation = 0;
    this.suffix = '';
    this.jwks = [];
  }

  async generate() {
    this.jwks = await Promise.all(this.specs.map(make));
  }

  /** New keys, under new kids unless keepKid; keepOld still publishes the old ones, after them. */
  async rotate({ keepKid = false, keepOld = false } = {}) {
    if (!keepKid) {
      this.generation += 1;
      this.suffix = `:${this.generation}`;
    }
    const fresh = await Promise.all(this.specs.map((spec) => make({ ...spec, kid: spec.kid + this.suffix })));
    this.jwks = keepOld && !keepKid ? [...fresh, ...this.jwks] : fresh;
  }

  find(kid) {
    return this.jwks.find((jwk) => jwk.kid === kid);
  }

  /** The newest key that can sign with an algorithm. */
  forAlg(alg) {
    return this.jwks.find((jwk) => jwk.crv === CURVES[alg] && (!jwk.alg || jwk.alg === alg));
  }

  publicPem(jwk) {
    return createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
  }
}

const part = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A compact JWS with exactly this header and payload; key: a private JWK, or the bytes of a secret. */
export function signCompact(header, payload, key, alg = header.alg) {
  const input = `${part(header)}.${part(payload)}`;
  const digest = DIGEST[alg.slice(2)];
  if (alg === 'none') return `${input}.`;
  if (alg.startsWith('HS')) return `${input}.${createHmac(digest, key).update(input).digest('base64url')}`;
  const options = { key: createPrivateKey({ key, format: 'jwk' }) };
  if (alg.startsWith('ES')) options.dsaEncoding = 'ieee-p1363';
  if (alg.startsWith('PS')) Object.assign(options, { padding: 6, saltLength: -1 });
  return `${input}.${sign(digest, Buffer.from(input), options).toString('base64url')}`;
}
