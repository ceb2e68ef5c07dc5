/** Runs a measurement in a process of its own, which may crash or hang. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { compileTaskModule } from '../../src/group/compile.ts';
import type { Peer } from '../peers/peer.ts';
import type { Figures, Scenario, Settings } from '../scenarios/scenario.ts';

export type Outcome = { readonly figures: Figures } | { readonly failure: 'died' | 'hung' };

export interface MeasureOptions extends Omit<Settings, 'scratch'> {
  /** Whether what the pools print on stderr is shown. */
  readonly verbose: boolean;
}

// Compiled once, since a loader in the measured process would weigh half as much as a pool, and the pools would
// pass it on to their workers.
const program = compileTaskModule(fileURLToPath(new URL('../measure.ts', import.meta.url)));

// So that the measured process, which is in a group of its own, ends with us.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

export async function measure(peer: Peer, scenario: Scenario, options: MeasureOptions): Promise<Outcome> {
  const { verbose, ...rest } = options;
  const scratch = mkdtempSync(join(tmpdir(), 'bench-'));
  const settings: Settings = { ...rest, scratch };
  const child = spawn(
    process.execPath,
    [await program, peer.name, scenario.name, JSON.stringify(settings)],
    // A process group, so that whatever a pool leaves behind can be ended with it.
    { detached: true, stdio: ['ignore', 'pipe', verbose ? 'inherit' : 'ignore'] },
  );
  const endWithUs = () => endGroup(child);
  process.once('exit', endWithUs);
  let isOver = false;
  const timer = setTimeout(
    () => {
      isOver = true;
      endGroup(child);
    },
    options.quick ? 20_000 : 90_000,
  );
  const output = child.stdout ? text(child.stdout) : Promise.resolve('');
  const [exitCode] = await once(child, 'exit');
  endGroup(child);
  clearTimeout(timer);
  process.off('exit', endWithUs);
  rmSync(scratch, { recursive: true, force: true });
  // Whatever else workers print, the figures are the only line of JSON.
  const line = (await output).split('\n').find(isJson);
  if (line) return { figures: JSON.parse(line) as Figures };
  return { failure: isOver || exitCode === unsettled ? 'hung' : 'died' };
}

/** The exit code of a process that waits for what nothing in it can bring about any more. */
const unsettled = 13;

const isJson = (line: string): boolean => line.startsWith('{');

function endGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-(pid as number), 'SIGKILL');
  } catch {
    // All have ended.
  }
}
