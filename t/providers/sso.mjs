// The provider's own session in the browser, beside the library's: FranceConnect's window of 30 (10) minutes in
// which nobody has to log in again, ProConnect's of 12 hours.
import { randomBytes } from 'node:crypto';

export class Sso {
  constructor({ cookie, seconds, sliding }, store, secure) {
    Object.assign(this, { cookie, seconds, sliding, store, secure });
    this.pattern = new RegExp(`(?:^|; *)${cookie}=([0-9a-f]{64})`);
  }

  key(req) {
    const [, id] = this.pattern.exec(req.headers.cookie ?? '') ?? [];
    return id && `Sso:${id}`;
  }

  find(req) {
    const key = this.key(req);
    const session = key && this.store.get(key);
    if (session && this.sliding) this.store.set(key, session, this.seconds);
    return session;
  }

  start(res, session) {
    const id = randomBytes(32).toString('hex');
    this.store.set(`Sso:${id}`, session, this.seconds);
    res.appendHeader('set-cookie', `${this.cookie}=${id}; Path=/; HttpOnly; SameSite=Lax${this.secure ? '; Secure' : ''}`);
  }

  /** Ends the session of a browser; false if it had none. */
  end(req) {
    const key = this.key(req);
    if (!key || !this.store.get(key)) return false;
    this.store.delete(key);
    return true;
  }
}
