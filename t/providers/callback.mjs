// The redirection back to the relying party, as the "callback" switch wants it.
import { isSet } from './switches.mjs';

const WRONG_ISSUER = 'https://wrong.example/api/v2';

/** "missing" removes a parameter, another string replaces it. */
function put(params, name, value) {
  if (value === undefined) return;
  if (value === 'missing') params.delete(name);
  else params.set(name, value);
}

function changed(params, { iss, state, code, error, error_description: description, extra = {} }) {
  if (error) {
    params.delete('code');
    params.set('error', error);
  }
  put(params, 'error_description', description);
  put(params, 'iss', iss === 'wrong' ? WRONG_ISSUER : iss);
  put(params, 'state', state);
  put(params, 'code', code);
  for (const [name, value] of Object.entries(extra)) params.append(name, value);
  return params.toString();
}

/** A query string with {state}, {code} and {iss} in it, sent byte for byte. */
const filled = (raw, params) => raw.replace(/\{(state|code|iss)\}/g, (all, name) => params.get(name) ?? '');

export function shapeCallback(ctx, { switches, counters }, issuer) {
  const location = ctx.response.get('location');
  if (!location || location.startsWith(issuer) || location.startsWith('/')) return;
  const [target, query = ''] = location.split('?');
  const params = new URLSearchParams(query);
  if (params.has('code')) counters.logins += 1;
  const { callback } = switches;
  if (!isSet(callback)) return;
  const text = callback.raw !== undefined ? filled(callback.raw, params) : changed(params, callback);
  ctx.set('location', `${target}?${callback.space === 'percent' ? text.replaceAll('+', '%20') : text}`);
}
