// The provider's own requests (a client's jwks_uri, sector_identifier_uri): node resolves no name under
// .localhost, so the look-up does; the certificate authority is the one of --ca.
import { lookup } from 'node:dns';
import http from 'node:http';
import https from 'node:https';

const TIMEOUT = 6000;

/** A look-up for net.connect that knows the loopback names. */
export function loopbackLookup(host, options, callback) {
  if (!/(^|\.)localhost$/.test(host)) {
    lookup(host, options, callback);
  } else if (options.all) {
    callback(null, [{ address: '127.0.0.1', family: 4 }]);
  } else {
    callback(null, '127.0.0.1', 4);
  }
}

export function agents(ca) {
  const options = { lookup: loopbackLookup, ca, keepAlive: false };
  return { 'http:': new http.Agent(options), 'https:': new https.Agent(options) };
}

/** The part of the Fetch API that oidc-provider 9 uses, and a body. `seen` is told of every answer. */
export function makeFetch(ca, seen = () => {}) {
  const agent = agents(ca);
  return (address, { method = 'GET', headers, body } = {}) => new Promise((resolve, reject) => {
    const { protocol } = new URL(address);
    const { request } = protocol === 'https:' ? https : http;
    const call = request(address, { method, headers, agent: agent[protocol], timeout: TIMEOUT }, async (answer) => {
      try {
        const chunks = [];
        for await (const chunk of answer) chunks.push(chunk);
        seen(address, answer.headers);
        resolve(new Response(Buffer.concat(chunks), { status: answer.statusCode, headers: answer.headers }));
      } catch (error) {
        reject(error);
      }
    });
    call.on('timeout', () => call.destroy(new Error('the request took too long')));
    call.on('error', reject);
    call.end(body && String(body));
  });
}
