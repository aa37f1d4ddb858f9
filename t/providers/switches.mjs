// What a test can turn on while a provider runs, and what it can read back. See README.md.

const DEFAULTS = {
  auto: '', // the identity that logs in without pages
  person: '', // the identity of the next login, once, whoever is logged in
  acr: '', // the level that is returned, whatever was asked
  delay: {}, // milliseconds before an endpoint answers
  fail: {}, // an endpoint that does not answer as it should
  ttl: {}, // lifetimes in seconds, by the library's names
  consentLife: 0, // the grant's lifetime in seconds
  codeRefuse: false, // the token endpoint refuses every code
  dropKeepAlive: false, // the token endpoint closes a kept connection without answering
  tokenType: '', // token_type as written in the token response
  token: {}, // edits of the token response
  discovery: {}, // edits of the metadata
  jwks: {}, // edits of the published key set
  idToken: {}, // edits of the ID token
  userinfo: {}, // edits of the UserInfo response
  jwe: {}, // edits of the encryption around both
  callback: {}, // edits of the redirection back to the relying party
  refresh: {}, // what becomes of refresh tokens
  clientJwks: {}, // how long the relying party's key set is kept
  checktoken: {}, // edits of what a data provider is told
};

const LOG_LIMIT = 5000;

const BROUGHT_LIMIT = 20_000;

const fresh = () => ({ requests: {}, connections: 0, logins: 0, codes: {}, refreshes: 0, refreshTokens: {}, fetched: {} });

/** The seconds that an answer's headers let it be kept. */
function lifeOf({ expires, 'cache-control': cache = '' }) {
  const until = expires ? (Date.parse(expires) - Date.now()) / 1000 : 0;
  return Math.max(until || 0, Number(/max-age=(\d+)/.exec(cache)?.[1] ?? 0));
}

export class Control {
  constructor() {
    this.answers = new Map();
    this.reset();
  }

  reset() {
    this.switches = structuredClone(DEFAULTS);
    this.counters = fresh();
    this.broughtSeen = 0;
    this.log = [];
  }

  /** Sets top-level switches; null restores a default. */
  set(values) {
    for (const name of Object.keys(values)) {
      if (!(name in DEFAULTS)) throw new Error(`no such switch: ${name}`);
    }
    for (const [name, value] of Object.entries(values)) {
      this.switches[name] = value ?? structuredClone(DEFAULTS[name]);
    }
  }

  record(entry) {
    this.log.push(entry);
    if (this.log.length > LOG_LIMIT) this.log.splice(0, LOG_LIMIT / 10);
  }

  count(name) {
    this.counters.requests[name] = (this.counters.requests[name] ?? 0) + 1;
  }

  /** Every POST that brings a code or a refresh token is counted by it, before anything can fail. */
  countBrought({ code, refresh_token: token, grant_type: type }) {
    if (type === 'refresh_token') this.counters.refreshes += 1;
    if (code) this.countOne(this.counters.codes, code);
    if (token) this.countOne(this.counters.refreshTokens, token);
  }

  countOne(counts, value) {
    if (this.broughtSeen >= BROUGHT_LIMIT) return;
    counts[value] = (counts[value] ?? 0) + 1;
    this.broughtSeen += 1;
  }

  /** The identity of this login: the switch's, which then is off again, or the one that logged in. */
  takePerson(identity) {
    const { person } = this.switches;
    this.switches.person = '';
    return person || identity;
  }

  /** An answer to one of the provider's own requests: counted by address; what it said of caching is for `isKept`. */
  fetched(address, headers) {
    this.countOne(this.counters.fetched, address);
    this.answers.set(address, { since: Date.now(), life: lifeOf(headers) });
  }

  /** Whether an answer is still kept, by the "clientJwks" switch. */
  isKept(answer) {
    const { floor = 0, life } = this.switches.clientJwks;
    return Boolean(answer) && Date.now() < answer.since + 1000 * (life ?? Math.max(floor, answer.life));
  }

  view() {
    return { switches: this.switches, counters: this.counters, log: this.log };
  }
}

/** { set: {name: value}, delete: [name], shift: {name: seconds} } applied to a copy of an object. */
export function edit(object, { set = {}, delete: removed = [], shift = {} }) {
  const result = { ...object, ...set };
  for (const [name, seconds] of Object.entries(shift)) result[name] += seconds;
  for (const name of removed) delete result[name];
  return result;
}

export const isSet = (value) => Object.keys(value).length > 0;
