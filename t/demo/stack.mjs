// The demonstration's parts: keys, a local CA, four providers, a data provider, the application and nginx with the module. Used by demo.mjs and check.mjs.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.join(here, '..', '..');

// row: the name in t/providers; key: the prefix of its placeholders in nginx.conf.in; client: the client_id in t/providers/clients.json.
export const providers = [
  { row: 'franceconnect', key: 'FC', host: 'fc.localhost', client: 'fc-es256' },
  { row: 'franceconnect_plus', key: 'FCP', host: 'fc-plus.localhost', client: 'fcp-ecdh-es' },
  { row: 'proconnect', key: 'PC', host: 'proconnect.localhost', client: 'pc-es256' },
  { row: 'generic', key: 'GEN', host: 'generic.localhost', client: 'generic-basic' },
];
const SITE = 'demo.localhost';
const DATA = 'data.localhost';
export const portCount = providers.length + 3;

function openssl(...args) {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

// The CA and the certificate of every name, and the key to which FranceConnect+ encrypts.
function makeKeys(dir) {
  const at = (name) => path.join(dir, name);
  if (!existsSync(at('client-enc.pem'))) openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', at('client-enc.pem'));
  if (existsSync(at('site.pem'))) return;
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...ec, '-keyout', at('ca.key'), '-out', at('ca.pem'), '-days', '3650', '-subj', '/CN=Demonstration CA',
    '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign');
  openssl('req', ...ec, '-keyout', at('site.key'), '-out', at('site.csr'), '-subj', `/CN=${SITE}`);
  const names = [SITE, DATA, ...providers.map((p) => p.host)].map((name) => `DNS:${name}`).join(',');
  writeFileSync(at('site.ext'), `subjectAltName=${names}\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\n`);
  openssl('x509', '-req', '-in', at('site.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '825',
    '-extfile', at('site.ext'), '-out', at('site.pem'));
}

// A number of ports that nobody listens on now.
export async function freePorts(count) {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
  })));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => { socket.destroy(); resolve(true); });
    socket.once('error', () => resolve(false));
  });
}

function clientOf({ row, client }) {
  const clients = JSON.parse(readFileSync(path.join(root, 't', 'providers', 'clients.json'), 'utf8'));
  const found = clients[row].find((c) => c.client_id === client);
  if (!found) throw new Error(`t/providers/clients.json: ${row} has no client ${client}`);
  return found;
}

// options: dir (made, and kept for reading), tls, ports [site, four providers, data provider, application], quiet.
// Returns { origin, providers: {row: origin}, ca, dir, stop, ended } once everything answers; rejects, all stopped, when a part does not start.
export async function start({ dir, tls = false, ports, quiet = false }) {
  const [sitePort, ...rest] = ports;
  const appPort = rest.pop();
  const dataPort = rest.pop();
  for (const port of ports) {
    if (await answers(port)) throw new Error(`port ${port} is in use on 127.0.0.1: free it, or set DEMO_PORT to another first port`);
  }
  for (const sub of ['log', 'tmp']) {
    rmSync(path.join(dir, sub), { recursive: true, force: true });
    mkdirSync(path.join(dir, sub), { recursive: true });
  }
  makeKeys(dir);

  const scheme = tls ? 'https' : 'http';
  const origin = `${scheme}://${SITE}:${sitePort}`;
  const children = [];
  let stopping = null;
  const stop = () => (stopping ??= (async () => {
    const gone = children.map(({ child }) => new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve();
      else child.once('exit', resolve);
    }));
    for (const { child } of [...children].reverse()) child.kill('SIGTERM');
    const timer = setTimeout(() => { for (const { child } of children) child.kill('SIGKILL'); }, 5000);
    await Promise.all(gone);
    clearTimeout(timer);
  })());

  let reportEnd;
  const ended = new Promise((resolve) => { reportEnd = resolve; });
  const launch = (name, command, args, env = {}) => {
    // A process group of its own: Ctrl-C in the terminal reaches this program alone, which stops the others in order.
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const lines = [];
    const note = (chunk) => {
      lines.push(chunk.toString());
      if (lines.length > 200) lines.shift();
      if (!quiet && process.env.DEMO_VERBOSE) process.stderr.write(chunk);
    };
    child.stdout.on('data', note);
    child.stderr.on('data', note);
    child.once('error', (error) => lines.push(String(error)));
    child.once('exit', (code, signal) => { if (!stopping) reportEnd(`${name} ended (${signal ?? code})\n${lines.join('').slice(-2000)}`); });
    children.push({ name, child });
    return { child, output: () => lines.join('') };
  };
  const until = async (what, condition, seconds = 20) => {
    let failure = null;
    ended.then((reason) => { failure = reason; });
    for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline;) {
      if (await condition()) return;
      if (failure) throw new Error(failure);
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
    throw new Error(`${what} did not start within ${seconds} s`);
  };

  const dataOrigin = `${scheme}://${DATA}:${dataPort}`;
  const identity = tls ? ['--tls-cert', `${dir}/site.pem`, '--tls-key', `${dir}/site.key`, '--ca', `${dir}/ca.pem`] : [];
  const values = {
    MODULE: process.env.OIDC_MODULE, DATA: `${scheme}://127.0.0.1:${dataPort}`, DATA_NAME: DATA, DATA_HOST: `${DATA}:${dataPort}`,
    EXAMPLES: path.join(root, 'conf-examples'), ORIGIN: origin, DEMO: here, DSFR: path.join(root, 't/node_modules/@gouvfr/dsfr/dist'), CA: path.join(dir, 'ca.pem'),
    USER: process.getuid() === 0 ? 'user root;' : '', APP: `127.0.0.1:${appPort}`, LISTEN: `127.0.0.1:${sitePort}${tls ? ' ssl http2' : ''}`, DIR: dir,
    TLS: tls ? `ssl_certificate ${dir}/site.pem;\n        ssl_certificate_key ${dir}/site.key;\n        ssl_protocols TLSv1.2 TLSv1.3;` : '',
  };
  const origins = {};
  try {
    const ready = providers.map(async (provider, i) => {
      const providerOrigin = `${scheme}://${provider.host}:${rest[i]}`;
      const client = clientOf(provider);
      Object.assign(values, { [`${provider.key}_ISSUER`]: `${providerOrigin}/api/v2`, [`${provider.key}_ID`]: client.client_id, [`${provider.key}_SECRET`]: client.client_secret });
      const args = [provider.row, '--listen', `127.0.0.1:${rest[i]}`, '--origin', providerOrigin, '--rp', origin, ...identity];
      if (provider.row === 'franceconnect') args.push('--data-provider', dataOrigin);
      const { output } = launch(provider.row, path.join(root, 't/providers/run'), args);
      origins[provider.row] = providerOrigin;
      await until(provider.row, () => /^ready /m.test(output()));
    });
    const { output: dataOutput } = launch('data provider', path.join(root, 't/providers/run'), ['data_provider', '--listen', `127.0.0.1:${dataPort}`,
      '--origin', dataOrigin, '--issuer', `${scheme}://${providers[0].host}:${rest[0]}/api/v2`, ...identity]);
    ready.push(until('the data provider', () => /^ready /m.test(dataOutput())));
    launch('application', process.execPath, [path.join(here, 'app.mjs'), String(appPort)]);
    await Promise.all([...ready, until('the application', () => answers(appPort))]);

    const template = readFileSync(path.join(here, 'nginx.conf.in'), 'utf8');
    writeFileSync(path.join(dir, 'nginx.conf'), template.replace(/@([A-Z_]+)@/g, (whole, name) => values[name] ?? whole));
    launch('nginx', 'nginx', ['-p', `${dir}/`, '-e', `${dir}/log/error.log`, '-c', `${dir}/nginx.conf`, '-g', 'daemon off;']);
    await until('nginx', () => answers(sitePort));
  } catch (error) {
    await stop();
    throw error;
  }
  return { origin, providers: origins, ca: values.CA, dir, stop, ended };
}
