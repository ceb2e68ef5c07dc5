/** Measures one pool in one scenario, in a process of its own, and prints the figures as one line of JSON. */

import { setTimeout as delay } from 'node:timers/promises';
import { keepInFlight } from './lib/load.ts';
import { peers } from './peers/index.ts';
import { scenarios } from './scenarios/index.ts';
import type { Settings } from './scenarios/scenario.ts';
import { runTiny } from './scenarios/tiny.ts';

const [peerName, scenarioName, json = '{}'] = process.argv.slice(2);
const peer = peers.find(({ name }) => name === peerName);
const scenario = scenarios.find(({ name }) => name === scenarioName);
if (!peer || !scenario) throw new Error(`there is no pool ${peerName} or no scenario ${scenarioName}`);
const settings = JSON.parse(json) as Settings;

const pool = await peer.create({ workers: settings.cores, bytes: false, retries: 0, ...scenario.options });
let warmUps = settings.quick ? 1000 : 5000;
await keepInFlight(64, () => {
  if (warmUps-- <= 0) return undefined;
  return peer.kind === 'reference' ? pool.run('tiny', { n: 1 }) : runTiny(pool);
});
const figures = await scenario.measure(pool, settings);
process.stdout.write(`${JSON.stringify(figures)}\n`);
// A pool that cannot end is ended by who measures.
await Promise.race([pool.close(), delay(3000)]);
process.exit();
