// The providers' wire behaviour, over https with throwaway certificates: node 22 selftest.mjs [part of a test's name]
import dataProvider from './selftest/data_provider.mjs';
import franceconnect from './selftest/franceconnect.mjs';
import franceconnectLogout from './selftest/franceconnect_logout.mjs';
import franceconnectPlus from './selftest/franceconnect_plus.mjs';
import generic from './selftest/generic.mjs';
import proconnect from './selftest/proconnect.mjs';
import refresh from './selftest/refresh.mjs';
import relyingParties from './selftest/relying_parties.mjs';
import switches from './selftest/switches.mjs';
import { makeWorld } from './selftest/world.mjs';

const tests = [franceconnect, franceconnectLogout, franceconnectPlus, proconnect, refresh, generic, dataProvider, switches,
  relyingParties]
  .flatMap(Object.entries)
  .filter(([name]) => name.includes(process.argv[2] ?? ''));

const world = await makeWorld();
let failed = 0;
for (const [index, [name, test]] of tests.entries()) {
  try {
    await world.reset();
    await test(world);
    console.log(`ok ${index + 1} - ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${index + 1} - ${name}\n${error.stack.replace(/^/gm, '# ')}`);
  }
}
console.log(`1..${tests.length}`);
await world.close();
process.exitCode = failed ? 1 : 0;
