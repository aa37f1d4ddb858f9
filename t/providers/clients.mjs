// The registered clients of a row, with the addresses of the relying parties.
import { readFileSync } from 'node:fs';

const registered = JSON.parse(readFileSync(new URL('clients.json', import.meta.url), 'utf8'));

const redirectPaths = (row) => ['/oidc_callback', `/${row}/callback`, `/oidc_callback_${row}`];

const logoutPaths = (row) => ['/', '/logged_out', `/${row}/logged_out`, `/logged_out_${row}`];

const everywhere = (origins, paths) => origins.flatMap((origin) => paths.map((path) => origin + path));

/** "{rp}" in a string of the table is the first relying party's origin. */
const fill = (value, rp) => (typeof value === 'string' ? value.replaceAll('{rp}', rp) : value);

/**
 * The library wants a sector of a client whose subjects are its own and whose addresses have several hosts. Subjects are computed for
 * its entity here, so that any will do: nothing is fetched from this one.
 */
export const UNFETCHED_SECTOR = 'https://sector.invalid/';

function sectorOf(settings, { redirect_uris: uris }) {
  const pairwise = settings.library.clientDefaults?.subject_type === 'pairwise';
  const hosts = new Set(uris.map((uri) => /^\w+:\/\/([^/]*)/.exec(uri)?.[1]));
  return pairwise && hosts.size > 1 && { sector_identifier_uri: UNFETCHED_SECTOR };
}

/**
 * Returns { library, local }: the library's metadata, and by client_id what only this program reads
 * (entity: the legal entity subjects are computed for; amr: may ask for amr).
 */
export function clientsFor(row, settings, { rps, redirects, overrides }) {
  const paths = redirects.length ? redirects : redirectPaths(row);
  const addresses = {
    redirect_uris: everywhere(rps, paths),
    post_logout_redirect_uris: everywhere(rps, logoutPaths(row)),
  };
  const clients = new Map();
  for (const { client_id: id, client_secret: secret, active = true, metadata, ...local } of registered[row]) {
    if (active) clients.set(id, { local, metadata: { client_id: id, client_secret: secret, ...addresses, ...metadata } });
  }
  for (const { entity, amr, ...metadata } of overrides) {
    const known = clients.get(metadata.client_id);
    clients.set(metadata.client_id, {
      local: { entity: 'demo', ...known?.local, ...(entity && { entity }), ...(amr !== undefined && { amr }) },
      metadata: { ...addresses, ...known?.metadata, ...metadata },
    });
  }
  const result = { library: [], local: {} };
  for (const [id, { local, metadata }] of clients) {
    const encrypts = Boolean(metadata.id_token_encrypted_response_alg);
    const complete = { ...(encrypts && { jwks_uri: '{rp}/oidc_jwks' }), ...sectorOf(settings, metadata), ...metadata };
    result.library.push(Object.fromEntries(Object.entries(complete).map(([key, value]) => [key, fill(value, rps[0])])));
    result.local[id] = local;
  }
  return result;
}
