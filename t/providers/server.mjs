// A local identity provider that behaves, on the wire, like FranceConnect, FranceConnect+ or ProConnect, or like
// a plain OpenID Connect provider.
//
//   run ROW --listen 127.0.0.1:PORT --origin https://NAME.localhost:PORT --rp ORIGIN [options]
//
//   ROW                    franceconnect, franceconnect_plus, proconnect or generic
//   --listen ADDRESS:PORT  where to listen
//   --origin ORIGIN        the public origin; the issuer is ORIGIN/api/v2
//   --tls-cert, --tls-key  certificate and key in PEM; without both, plain http
//   --ca FILE              trusted for the provider's own requests (a client's jwks_uri, sector_identifier_uri)
//   --rp ORIGIN            a relying party's origin; repeatable
//   --redirect-path PATH   a redirection path of the relying parties, instead of the usual ones; repeatable
//   --client JSON          client metadata, added to the client of that client_id or as a new one; repeatable
//
// It prints "ready ORIGIN" when it listens and ends on SIGTERM or SIGINT.
//
// Pages, for a browser or a script that drives them. The identities are those of identities.json.
//   login    form#login: radio "identity" (angela, abroad, agent, presumed, minimal), select "acr" (the level that is
//            returned; preset to the one asked), button#submit
//   consent  form#consent: button#accept (not at ProConnect, which has no such page)
//   both     a#back-to-service: back to the relying party with access_denied
//   logout   a form that submits itself by JavaScript, with a button for browsers without
//   errors   #error-code and #error-message
// Each form is posted to the address in its "action"; the answer is a 303 to the next page or to the relying party.
// What a test can switch on is in README.md.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { parseArgs } from 'node:util';
import { clientsFor } from './clients.mjs';
import { handleControl } from './control.mjs';
import { handle } from './front.mjs';
import { Keys } from './keys.mjs';
import { buildProvider } from './provider.mjs';
import { rows } from './settings.mjs';
import { Sso } from './sso.mjs';
import { Store } from './store.mjs';
import { Control } from './switches.mjs';

const text = { type: 'string' };

const list = { type: 'string', multiple: true, default: [] };

const KEEP_ALIVE = 65_000;

// The library's notices are about choices that are made here on purpose, and stdout is kept for main()'s one line.
console.info = () => {};
console.warn = () => {};

function readArguments() {
  const { values, positionals: [row] } = parseArgs({
    allowPositionals: true,
    options: {
      listen: text, origin: text, 'tls-cert': text, 'tls-key': text, ca: text, rp: list, 'redirect-path': list,
      client: list,
    },
  });
  if (!rows[row] || !values.listen || !values.origin) {
    throw new Error(`usage: run ${Object.keys(rows).join('|')} --listen ADDRESS:PORT --origin ORIGIN [options]`);
  }
  return { row, ...values };
}

async function makeApp({ row, origin, ca, rp, 'redirect-path': redirects, client }) {
  const settings = rows[row];
  const { host, protocol } = new URL(origin);
  const store = new Store();
  const app = {
    row,
    settings,
    origin,
    host,
    protocol: protocol.slice(0, -1),
    issuer: `${origin}/api/v2`,
    store,
    ca: ca && readFileSync(ca),
    keys: new Keys(settings.keys),
    control: new Control(),
    clients: clientsFor(row, settings, { rps: rp, redirects, overrides: client.map((one) => JSON.parse(one)) }),
    sso: new Sso(settings.sso, store, protocol === 'https:'),
    cookieKeys: [randomBytes(32).toString('hex')],
    async rebuild() {
      app.provider = await buildProvider(app);
      app.callback = app.provider.callback();
    },
  };
  await app.keys.generate();
  await app.rebuild();
  return app;
}

function answer(app, req, res) {
  req.socket.served = (req.socket.served ?? 0) + 1;
  if (req.url === '/healthz') {
    res.end('ok\n');
    return;
  }
  const done = req.url.startsWith('/__control') ? handleControl(app, req, res) : handle(app, req, res);
  done.catch((error) => {
    process.stderr.write(`${req.method} ${req.url}: ${error.stack}\n`);
    if (!res.headersSent) res.writeHead(500);
    res.end();
  });
}

async function main() {
  const options = readArguments();
  const app = await makeApp(options);
  const certificate = options['tls-cert'];
  const tls = certificate && { cert: readFileSync(certificate), key: readFileSync(options['tls-key']) };
  const server = tls ? https.createServer(tls) : http.createServer();
  server.keepAliveTimeout = KEEP_ALIVE;
  server.headersTimeout = KEEP_ALIVE + 1000;
  server.on('request', (req, res) => answer(app, req, res));
  server.on(tls ? 'secureConnection' : 'connection', () => { app.control.counters.connections += 1; });
  const [, address, port] = /^(.*):(\d+)$/.exec(options.listen);
  server.listen({ host: address, port: Number(port) }, () => process.stdout.write(`ready ${options.origin}\n`));
  const stop = () => process.exit(0);
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
