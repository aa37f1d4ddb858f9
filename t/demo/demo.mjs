// The demonstration in the foreground: prints the addresses, Ctrl-C stops all.
import path from 'node:path';
import { providers, root, start } from './stack.mjs';

const first = Number(process.env.DEMO_PORT ?? 8080);
const ports = Array.from({ length: providers.length + 2 }, (_, i) => first + i);
let stack;
try {
  stack = await start({ dir: path.join(root, 'build', 'demo'), ports });
} catch (error) {
  console.error(`demo: ${error.message}`);
  process.exit(1);
}

console.log(`
Open          ${stack.origin}/

Providers     ${Object.values(stack.providers).join('\n              ')}
Configuration ${path.relative(process.cwd(), stack.dir)}/nginx.conf
nginx's log   ${path.relative(process.cwd(), stack.dir)}/log/error.log

Ctrl-C stops all of it.
`);

const signal = new Promise((resolve) => { for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => resolve(null)); });
const failure = await Promise.race([signal, stack.ended]);
await stack.stop();
if (failure) console.error(`demo: ${failure}`);
process.exit(failure ? 1 : 0);
