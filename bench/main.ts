/** Runs all benches, one after the other. Each can also be run alone: `node --import tsx bench/pools.ts --help`. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { readOptions } from './lib/options.ts';

const { json } = readOptions('Runs all benches.');

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

const pools = await run('pools');
if (!json) process.stdout.write(`## Threads, processes, or both\n\n${pools}\n`);
const boot = await run('boot');
if (!json) process.stdout.write(`## Boot and recovery\n\n${boot}\n`);
const rpc = await run('rpc');
process.stdout.write(
  json
    ? `${JSON.stringify({ pools: JSON.parse(pools), boot: JSON.parse(boot), rpc: JSON.parse(rpc) }, null, 2)}\n`
    : `## JSON-RPC and sockets\n\n${rpc}`,
);
