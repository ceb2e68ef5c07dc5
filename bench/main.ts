/** Runs all benches, one after the other. Each can also be run alone: `node --import tsx bench/pools.ts --help`. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { readOptions } from './lib/options.ts';

const { json } = readOptions('Runs all benches.');
/** By the name of their file. */
const benches = {
  pools: 'Threads, processes, or both',
  boot: 'Boot and recovery',
  map: 'A task over many inputs',
  rpc: 'JSON-RPC and sockets',
  deploys: 'Deploys under load',
  queue: 'Queues',
};

/** What the bench prints. */
async function run(name: string): Promise<string> {
  const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', file, ...process.argv.slice(2)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  if (exitCode !== 0) throw new Error(`${name} ended with code ${exitCode}`);
  return output;
}

const reports: Record<string, unknown> = {};
for (const [name, title] of Object.entries(benches)) {
  const output = await run(name);
  if (json) reports[name] = JSON.parse(output);
  else process.stdout.write(`## ${title}\n\n${output}\n`);
}
if (json) process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`);
