// What the self-test runs in: throwaway certificates, the four providers as processes, a relying party's key set.
import { execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { request } from './party.mjs';

export const RUN = fileURLToPath(new URL('../run', import.meta.url));

const HOSTS = { franceconnect: 'fc', franceconnect_plus: 'fcp', proconnect: 'pc', generic: 'op', data_provider: 'data' };

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

function certificates() {
  const dir = mkdtempSync(join(tmpdir(), 'providers-'));
  const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const names = ['app', ...Object.values(HOSTS)].map((name) => `DNS:${name}.localhost`).join(',');
  openssl('req', '-x509', ...curve, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Test CA', '-days', '2');
  openssl('req', '-x509', ...curve, '-keyout', 'key.pem', '-out', 'cert.pem', '-subj', '/CN=localhost', '-days', '2',
    '-addext', `subjectAltName=${names}`, '-addext', 'basicConstraints=critical,CA:FALSE', '-CA', 'ca.pem', '-CAkey', 'ca.key');
  return { dir, file: (name) => join(dir, name), read: (name) => readFileSync(join(dir, name)) };
}

const pair = (type, options, members) => {
  const { publicKey, privateKey } = generateKeyPairSync(type, options);
  return {
    public: { ...publicKey.export({ format: 'jwk' }), use: 'enc', ...members },
    private: { ...privateKey.export({ format: 'jwk' }), ...members },
  };
};

/** The relying party's encryption keys, served as its jwks_uri; what it serves can be replaced. */
async function relyingParty(tls) {
  const port = await freePort();
  const keys = [
    pair('ec', { namedCurve: 'P-256' }, { kid: 'rp-ec', alg: 'ECDH-ES' }),
    pair('rsa', { modulusLength: 2048 }, { kid: 'rp-rsa', alg: 'RSA-OAEP' }),
    pair('rsa', { modulusLength: 2048 }, { kid: 'rp-rsa-256', alg: 'RSA-OAEP-256' }),
  ];
  const rp = {
    origin: `https://app.localhost:${port}`,
    second: `https://second.localhost:${port}`, // registered too, and nobody listens
    keys,
    answer: { status: 200, type: 'application/jwk-set+json', body: JSON.stringify({ keys: keys.map((k) => k.public) }) },
    sector: { status: 503, type: 'application/json', body: '' },
    cache: 'public, max-age=600',
    fetched: 0,
  };
  const server = https.createServer(tls, (req, res) => {
    if (req.url === '/oidc_jwks') rp.fetched += 1;
    const { status, type, body } = req.url === '/oidc_sector' ? rp.sector : rp.answer;
    res.writeHead(status, { 'content-type': type, 'cache-control': rp.cache }).end(body);
  });
  server.listen(port, '127.0.0.1');
  return Object.assign(rp, { close: () => server.close() });
}

/** A program of `run` under a name of its own, with its further arguments. */
async function program(row, certs, port, ...args) {
  const origin = `https://${HOSTS[row]}.localhost:${port}`;
  const child = spawn(RUN, [row, '--listen', `127.0.0.1:${port}`, '--origin', origin, '--tls-cert',
    certs.file('cert.pem'), '--tls-key', certs.file('key.pem'), '--ca', certs.file('ca.pem'), ...args],
  { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const [ready] = await Promise.race([
    new Promise((resolve) => lines.once('line', (line) => resolve([line]))),
    new Promise((_, reject) => child.once('exit', () => reject(new Error(`${row} did not start`)))),
  ]);
  if (ready !== `ready ${origin}`) throw new Error(`${row} said: ${ready}`);
  return { row, origin, issuer: `${origin}/api/v2`, child };
}

const ROWS = ['franceconnect', 'franceconnect_plus', 'proconnect', 'generic'];

export async function makeWorld() {
  const certs = certificates();
  const rp = await relyingParty({ cert: certs.read('cert.pem'), key: certs.read('key.pem') });
  const dataPort = await freePort();
  const providers = await Promise.all(ROWS.map(async (row) => program(row, certs, await freePort(), '--rp', rp.origin,
    '--rp', rp.second, '--data-provider', `https://${HOSTS.data_provider}.localhost:${dataPort}`)));
  const [{ issuer }] = providers;
  const data = await program('data_provider', certs, dataPort, '--issuer', issuer);
  const staging = await program('data_provider', certs, await freePort(), '--staging');
  const started = [...providers, data, staging];
  const ca = certs.read('ca.pem');
  return {
    ca,
    rp,
    data,
    staging,
    reset: () => Promise.all(started.map(({ origin }) => request(`${origin}/__control/reset`, { ca, method: 'POST' }))),
    providers: Object.fromEntries(providers.map((one) => [one.row, one])),
    async close() {
      rp.close();
      await Promise.all(started.map(({ child }) => new Promise((resolve) => {
        child.once('exit', resolve);
        child.kill('SIGTERM');
      })));
      rmSync(certs.dir, { recursive: true });
    },
  };
}
