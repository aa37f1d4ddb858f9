// A local identity provider that behaves, on the wire, like FranceConnect, FranceConnect+ or ProConnect, or like
// a plain OpenID Connect provider.
//
//   run ROW --listen 127.0.0.1:PORT --origin https://NAME.localhost:PORT --rp ORIGIN [options]
//
//   ROW                    franceconnect, franceconnect_plus, proconnect or generic (data_provider: see data_provider.mjs)
//   --listen ADDRESS:PORT  where to listen
//   --origin ORIGIN        the public origin; the issuer is ORIGIN/api/v2
//   --tls-cert, --tls-key  certificate and key in PEM; without both, plain http
//   --ca FILE              trusted for the provider's own requests (a client's jwks_uri, sector_identifier_uri)
//   --rp ORIGIN            a relying party's origin, like http://app.localhost:8080; repeatable
//   --redirect-path PATH   a redirection path of the relying parties, instead of the usual ones; repeatable
//   --client JSON          client metadata, added to the client of that client_id or as a new one; repeatable
//   --data-provider ORIGIN the data provider's origin, whose keys are at ORIGIN/jwks
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
import { parseArgs } from 'node:util';
import { clientsFor } from './clients.mjs';
import { makeFetch } from './fetch.mjs';
import { handle } from './front.mjs';
import { Keys } from './keys.mjs';
import { LISTENING, listen, run } from './listen.mjs';
import { buildProvider } from './provider.mjs';
import { rows } from './settings.mjs';
import { Sso } from './sso.mjs';
import { Store } from './store.mjs';
import { Control } from './switches.mjs';

const text = { type: 'string' };

const list = { type: 'string', multiple: true, default: [] };

// A path may follow: it stands before those that are registered.
const ORIGIN = /^https?:\/\/[^\s,/?#@]+(\/[^\s,/?#]+)*$/;

// The library's notices are about choices that are made here on purpose, and stdout is kept for main()'s one line.
console.info = () => {};
console.warn = () => {};

function readArguments() {
  const { values, positionals: [row, ...rest] } = parseArgs({
    allowPositionals: true,
    options: {
      ...LISTENING, rp: list, 'redirect-path': list, client: list, 'data-provider': text,
    },
  });
  if (!rows[row] || !values.listen || !values.origin) {
    throw new Error(`usage: run ${Object.keys(rows).join('|')} --listen ADDRESS:PORT --origin ORIGIN [options]`);
  }
  if (rest.length) throw new Error(`${rest[0]}: no option stands before it; each relying party has a --rp of its own`);
  const odd = values.rp.find((rp) => !ORIGIN.test(rp));
  if (odd !== undefined) throw new Error(`--rp ${odd}: write it like http://app.localhost:8080, without a slash at the end`);
  return { row, ...values };
}

async function makeApp({ row, origin, ca, rp, 'redirect-path': redirects, client, 'data-provider': dataProvider }) {
  const settings = rows[row];
  const { host, protocol } = new URL(origin);
  const store = new Store();
  const control = new Control();
  const authority = ca && readFileSync(ca);
  const app = {
    row,
    settings,
    origin,
    host,
    protocol: protocol.slice(0, -1),
    issuer: `${origin}/api/v2`,
    store,
    ca: authority,
    fetch: makeFetch(authority, (address, headers) => control.fetched(address, headers)),
    dataProvider,
    keys: new Keys(settings.keys),
    control,
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

run(async () => {
  const options = readArguments();
  listen(await makeApp(options), options, handle);
});
