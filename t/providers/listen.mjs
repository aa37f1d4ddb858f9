// A program that answers on one address, by http or https, until it is told to stop.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { sendJson } from './errors.mjs';
import { handleControl } from './control.mjs';

const text = { type: 'string' };

/** The options that every program here has. */
export const LISTENING = { listen: text, origin: text, 'tls-cert': text, 'tls-key': text, ca: text };

const KEEP_ALIVE = 65_000;

function answer(app, handle, req, res) {
  req.socket.served = (req.socket.served ?? 0) + 1;
  if (req.url === '/healthz') {
    res.end('ok\n');
    return;
  }
  const done = req.url.startsWith('/__control') ? handleControl(app, req, res) : handle(app, req, res);
  done.catch((error) => {
    process.stderr.write(`${req.method} ${req.url}: ${error.stack}\n`);
    if (res.headersSent) res.end();
    else sendJson(res, 500, { error: 'server_error' });
  });
}

/** Listens, and prints "ready ORIGIN"; ends on SIGTERM or SIGINT. app has a Control. */
export function listen(app, options, handle) {
  const certificate = options['tls-cert'];
  const tls = certificate && { cert: readFileSync(certificate), key: readFileSync(options['tls-key']) };
  // A client's certificate is asked for, and judged by the library.
  if (tls && app.settings?.clientCertificates) Object.assign(tls, { requestCert: true, rejectUnauthorized: false, ca: app.ca });
  const server = tls ? https.createServer(tls) : http.createServer();
  server.keepAliveTimeout = KEEP_ALIVE;
  server.headersTimeout = KEEP_ALIVE + 1000;
  server.on('request', (req, res) => answer(app, handle, req, res));
  server.on(tls ? 'secureConnection' : 'connection', () => { app.control.counters.connections += 1; });
  const [, address, port] = /^(.*):(\d+)$/.exec(options.listen);
  server.listen({ host: address, port: Number(port) }, () => process.stdout.write(`ready ${options.origin}\n`));
  const stop = () => process.exit(0);
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** Runs a program's main, whose failure is told in one line. */
export function run(main) {
  main().catch((error) => {
    // The library's message is an error code: what is wrong stands beside it.
    process.stderr.write(`${[error.message, error.error_description].filter(Boolean).join(': ')}\n`);
    process.exit(1);
  });
}
