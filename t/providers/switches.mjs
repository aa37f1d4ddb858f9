// What a test can turn on while a provider runs, and what it can read back. See README.md.

const DEFAULTS = {
  auto: '', // the identity that logs in without pages
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
};

const LOG_LIMIT = 5000;

const CODE_LIMIT = 20_000;

const fresh = () => ({ requests: {}, connections: 0, logins: 0, codes: {} });

export class Control {
  constructor() {
    this.reset();
  }

  reset() {
    this.switches = structuredClone(DEFAULTS);
    this.counters = fresh();
    this.codesSeen = 0;
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

  /** Every POST that brings a code is counted by code, before anything can fail. */
  countCode(code) {
    if (this.codesSeen < CODE_LIMIT) {
      this.counters.codes[code] = (this.counters.codes[code] ?? 0) + 1;
      this.codesSeen += 1;
    }
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
