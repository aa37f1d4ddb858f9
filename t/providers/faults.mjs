// An endpoint that fails on purpose: the "fail" switch. A fault is a name, or { mode, status, type, body, times }.

const send = (status, type, body, headers = {}) => ({ res }, options) => {
  res.writeHead(options.status ?? status, { 'content-type': options.type ?? type, ...headers });
  res.end(options.body ?? body);
};

const HTML = '<!DOCTYPE html><html lang="fr"><title>Erreur</title><h1>Une erreur est survenue</h1></html>';

function reset({ req }) {
  const socket = req.socket._parent ?? req.socket;
  if (socket.resetAndDestroy) socket.resetAndDestroy();
  else req.socket.destroy();
}

/** Lets the answer be made, then sends its head and half its body. */
function truncate({ req, res }) {
  const { end } = res;
  res.end = (chunk = '') => {
    const whole = Buffer.from(chunk);
    res.end = end;
    if (!res.headersSent) res.setHeader('content-length', whole.length);
    res.write(whole.subarray(0, whole.length / 2), () => req.socket.destroy());
    return res;
  };
  return true;
}

const MODES = {
  500: send(500, 'text/plain', 'Internal Server Error'),
  503: send(503, 'text/plain', 'Service Unavailable', { 'retry-after': '1' }),
  html: send(400, 'text/html; charset=utf-8', HTML),
  body: send(200, 'application/json', ''),
  empty: send(200, 'application/json', ''),
  garbage: send(200, 'application/json', Buffer.from([0, 255, 123, 34, 0, 128, 10, 13])),
  huge: send(200, 'application/json', `{"padding":"${'x'.repeat(4 << 20)}"}`),
  redirect: send(302, 'text/plain', '', { location: '/healthz' }),
  silence: () => {},
  reset,
  truncate,
};

/** Applies the fault of an endpoint; false when the request is to be served as usual. */
export function fail(exchange, name) {
  const { fail: faults } = exchange.app.control.switches;
  const fault = faults[name];
  if (!fault) return false;
  const options = typeof fault === 'object' ? fault : { mode: fault };
  if (options.times !== undefined) {
    if (options.times === 0) return false;
    options.times -= 1;
  }
  const served = MODES[options.mode](exchange, options);
  return served !== true;
}
