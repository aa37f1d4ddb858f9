// /__control: the test's side door, on the same listener.
import { identities } from './accounts.mjs';
import { sendJson } from './errors.mjs';
import { logoutToken } from './mutate.mjs';

async function readJson(req) {
  let text = '';
  for await (const chunk of req) text += chunk;
  return text ? JSON.parse(text) : {};
}

const ACTIONS = {
  'GET /__control': () => {},
  'POST /__control': ({ control }, values) => {
    for (const name of [values.auto, values.person]) {
      if (name && !identities[name]) throw new Error(`no such identity: ${name}`);
    }
    control.set(values);
  },
  'POST /__control/reset': ({ control }) => control.reset(),
  'POST /__control/rotate': async (app, options) => {
    await app.keys.rotate(options);
    await app.rebuild();
  },
  'POST /__control/revoke': ({ store }) => store.endSessions(),
  'POST /__control/logout_token': async (app, wanted) => ({ logout_token: await logoutToken(app, wanted) }),
  'POST /__control/flush': ({ rebuild }) => rebuild(),
};

export async function handleControl(app, req, res) {
  const action = ACTIONS[`${req.method} ${req.url}`];
  try {
    if (!action) throw new Error(`no such control: ${req.method} ${req.url}`);
    const made = await action(app, req.method === 'POST' ? await readJson(req) : undefined);
    sendJson(res, 200, made?.logout_token ? made : app.control.view());
  } catch (error) {
    sendJson(res, 400, { error: error.message });
  }
}
