// Several relying parties of one provider: every --rp counts, and a wrong one is told of.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { Browser, Party } from './party.mjs';
import { RUN } from './world.mjs';

const tests = {};
export default tests;

for (const [row, clientId] of [['franceconnect', 'fc-es256'], ['franceconnect_plus', 'fcp-ecdh-es'],
  ['proconnect', 'pc-es256'], ['generic', 'generic-post']]) {
  tests[`rp: ${row} sends a browser back to each`] = async (world) => {
    for (const origin of [world.rp.origin, world.rp.second]) {
      const party = Object.assign(new Party(world, row, clientId), { redirect: `${origin}/oidc_callback` });
      const { answer, callback } = await party.login(new Browser(world.ca));
      assert.ok(answer.location?.startsWith(`${party.redirect}?`), `${answer.status} ${answer.location}`);
      const token = await party.token(callback.code);
      assert.equal(token.status, 200, token.text);
      assert.equal((await party.open(token.json.id_token)).payload.aud, clientId);
    }
  };
}

tests['rp: what is wrong is said'] = async () => {
  const said = (row, ...args) => {
    const { status, stderr } = spawnSync(RUN, [row, '--listen', '127.0.0.1:1', '--origin', 'http://fc.localhost:1', ...args]);
    assert.equal(status, 1);
    return stderr.toString();
  };
  const first = ['--rp', 'http://app.localhost:8080'];
  assert.match(said('generic', ...first, '--rp', 'app.localhost:8090'), /^--rp app\.localhost:8090: write it like http:/);
  assert.match(said('proconnect', '--rp', 'http://app.localhost:8080/'), /^--rp http:\S+: .* without a slash at the end$/m);
  assert.match(said('franceconnect', '--rp', 'http://app.localhost:8080,http://b.localhost'), /write it like/);
  assert.match(said('franceconnect', ...first, 'http://b.localhost:8090'), /^http:\/\/b\.localhost:8090: .* a --rp of its own$/m);
  assert.match(said('franceconnect_plus', ...first, '--client', '{"client_id":"fcp-ecdh-es","jwks_uri":"x"}'),
    /^invalid_client_metadata: jwks_uri must be/);
};
