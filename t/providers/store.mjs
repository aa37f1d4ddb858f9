// Everything the providers remember, in memory, each entry with its end.

const SWEEP = 30_000;

export class Store {
  constructor() {
    this.entries = new Map();
    this.byGrant = new Map();
    setInterval(() => this.sweep(), SWEEP).unref();
  }

  get(key) {
    const entry = this.entries.get(key);
    return entry && entry.end > Date.now() ? entry.value : undefined;
  }

  set(key, value, seconds) {
    this.entries.set(key, { value, end: Date.now() + seconds * 1000 });
  }

  delete(key) {
    this.entries.delete(key);
  }

  sweep() {
    const now = Date.now();
    for (const [key, { end }] of this.entries) {
      if (end <= now) this.entries.delete(key);
    }
    for (const [grant, keys] of this.byGrant) {
      if (!keys.some((key) => this.entries.has(key))) this.byGrant.delete(grant);
    }
  }

  /** Ends every session: those of the library and those of the provider in front of it. */
  endSessions() {
    for (const key of this.entries.keys()) {
      if (/^(Session|Sso|Pending):/.test(key)) this.entries.delete(key);
    }
  }

  bindToGrant(grant, key) {
    const keys = this.byGrant.get(grant);
    if (keys) keys.push(key);
    else this.byGrant.set(grant, [key]);
  }

  revokeGrant(grant) {
    this.byGrant.get(grant)?.forEach((key) => this.entries.delete(key));
    this.byGrant.delete(grant);
  }
}

const BOUND = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken']);

/** What oidc-provider calls an adapter. */
export class Adapter {
  constructor(model, store) {
    this.model = model;
    this.store = store;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload, seconds) {
    const key = this.key(id);
    if (this.model === 'Session') this.store.set(`Uid:${payload.uid}`, id, seconds);
    if (BOUND.has(this.model) && payload.grantId) this.store.bindToGrant(payload.grantId, key);
    this.store.set(key, payload, seconds);
  }

  async find(id) {
    return this.store.get(this.key(id));
  }

  async findByUid(uid) {
    return this.find(this.store.get(`Uid:${uid}`));
  }

  async consume(id) {
    this.store.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.store.delete(this.key(id));
  }

  async revokeByGrantId(grant) {
    this.store.revokeGrant(grant);
  }
}
