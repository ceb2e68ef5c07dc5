/** `ph` in a pid namespace of its own, as in a container: pids in there are no pids out here. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';
import { phEntry } from './ph.ts';
import { childrenOf } from './processes.ts';

const namespace = [
  'unshare',
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  '--pid',
  '--fork',
  '--mount-proc',
  // All in it end with the test's own child.
  '--kill-child',
] as const;
const [program, ...flags] = namespace;

/** For `skip`. */
export const noNamespaces: string | false =
  spawnSync(program, [...flags, 'true']).status === 0 ? false : 'no pid namespaces here';

/** How long a test waits for a log line before it fails, ms. */
const patience = 20_000;

export interface ContainerOptions {
  readonly cwd: string;
  /** What is process 1 and starts `ph`. Default: `ph` is. */
  readonly init?: readonly string[];
}

export interface Container {
  /** Seen from here. */
  readonly processOne: () => number;
  /** Lines of either stream so far. */
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  readonly exitCode: Promise<number | null>;
  /** The first line of stdout that matches, from the `from`-th on; waits for it. */
  line(match: RegExp, from?: number): Promise<string>;
}

/** For `spawn`: `ph` as process 1 on a terminal, whose keys are what is written to its standard input. */
export function onTerminal(args: readonly string[]): readonly [command: string, args: readonly string[]] {
  const command = [...namespace, 'setsid', '--ctty', process.execPath, phEntry, ...args];
  return [
    'script',
    ['--quiet', '--flush', '--return', '--command', command.map(word => `'${word}'`).join(' '), '/dev/null'],
  ];
}

/** When the test ends, so does all that is in it. */
export function startContainer(
  t: TestContext,
  args: readonly string[],
  { cwd, init = [] }: ContainerOptions,
) {
  const child = spawn(program, [...flags, ...init, process.execPath, phEntry, ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  cleanUp(t, async () => {
    child.kill('SIGKILL');
    await closed;
  });
  const stdout: string[] = [];
  const stderr: string[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stderr }).on('line', line => stderr.push(line));
  createInterface({ input: child.stdout }).on('line', line => {
    stdout.push(line);
    for (const check of [...waiting]) check();
  });
  const container: Container = {
    processOne: () => childrenOf(child.pid as number)[0] as number,
    stdout,
    stderr,
    exitCode: closed.then(([code]) => code),
    line: (match, from = 0) =>
      new Promise((resolve, reject) => {
        const check = () => {
          const found = stdout.slice(from).find(line => match.test(line));
          if (found === undefined) return;
          clearTimeout(timer);
          waiting.delete(check);
          resolve(found);
        };
        const timer = setTimeout(
          () => reject(new Error(`no ${match} came:\n${[...stdout, ...stderr].join('\n')}`)),
          patience,
        );
        waiting.add(check);
        check();
      }),
  };
  return container;
}
