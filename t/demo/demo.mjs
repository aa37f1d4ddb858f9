// The demonstration in the foreground: prints the addresses, Ctrl-C stops all.
import { hostname } from 'node:os';
import path from 'node:path';
import { portCount, root, start } from './stack.mjs';

const count = portCount;
const first = Number(process.env.DEMO_PORT || 8080);
if (!Number.isInteger(first) || first < 1 || first + count > 65536) {
  console.error(`demo: DEMO_PORT is "${process.env.DEMO_PORT}": it must be a number from 1 to ${65536 - count}, the first of ${count} ports`);
  process.exit(1);
}
const ports = Array.from({ length: count }, (_, i) => first + i);
console.log('starting four providers, a data provider, an application and nginx');
let stack;
try {
  stack = await start({ dir: path.join(root, 'build', 'demo'), ports });
} catch (error) {
  console.error(`demo: ${error.message}`);
  process.exit(1);
}

// The browser goes to the site and to the providers; their names are its own machine's.
const forwards = [stack.origin, ...Object.values(stack.providers)].map((origin) => new URL(origin).port).map((port) => `-L ${port}:127.0.0.1:${port}`);
console.log(`
Open          ${stack.origin}/

Elsewhere     ssh ${forwards.join(' ')} ${hostname()}
              on the machine of the browser, then the same address there

Providers     ${Object.values(stack.providers).map((origin) => `${origin}/api/v2/.well-known/openid-configuration`).join('\n              ')}
Configuration ${path.relative(process.cwd(), stack.dir)}/nginx.conf
nginx's log   ${path.relative(process.cwd(), stack.dir)}/log/error.log

Ctrl-C stops all of it.
`);

const signal = new Promise((resolve) => { for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => resolve(null)); });
const failure = await Promise.race([signal, stack.ended]);
await stack.stop();
if (failure) console.error(`demo: ${failure}`);
process.exit(failure ? 1 : 0);
