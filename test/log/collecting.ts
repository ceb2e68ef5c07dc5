/** A child process that collects what another prints, for tests of memory and of a supervisor that must not block. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { fixture, message } from './support.ts';

/** Prints `lines` numbered lines of 100 bytes, in large writes that block. */
export function printer(lines: number): string {
  return `
    const { writeSync } = require('node:fs');
    for (let n = 0; n < ${lines}; ) {
      let text = '';
      for (let i = 0; i < 1000; i++, n++) text += String(n).padEnd(99, '.') + '\\n';
      let rest = Buffer.from(text);
      while (rest.length) rest = rest.subarray(writeSync(1, rest));
    }`;
}

/** What the stderr of the collector is: a socket, as Node and systemd make it, or a pipe, as a shell does. */
export type StderrKind = 'socket' | 'pipe';

export interface Collector {
  readonly child: ChildProcess;
  /** What comes out of its stderr. */
  readonly stderr: Readable;
}

export function collector(
  t: TestContext,
  program: string,
  settings: object = {},
  kind: StderrKind = 'socket',
): Collector {
  const args = [program, JSON.stringify(settings)];
  const child = fixture(t, 'collector.ts', args, kind === 'pipe' ? '"$@" 2>&1 >/dev/null | cat' : undefined);
  const stderr = kind === 'pipe' ? child.stdout : child.stderr;
  assert.ok(stderr);
  return { child, stderr };
}

export async function isPaused(child: ChildProcess): Promise<boolean> {
  child.send('ping');
  return (await message<{ paused: boolean }>(child)).paused;
}
