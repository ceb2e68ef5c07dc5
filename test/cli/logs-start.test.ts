import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { LogChain } from '../../src/cli/logs/log-chain.ts';
import { LogReader } from '../../src/cli/logs/log-reader.ts';
import { endOf, lastLines, type Position, positionAt } from '../../src/cli/logs/start.ts';
import { createProject } from '../helpers/project.ts';

/** Lines with these times, in files of these many lines each, the last one first. */
function writeChain(t: TestContext) {
  const path = createProject(t, {}).path('log');
  let files = 0;
  return (times: readonly number[], sizes: readonly number[], padding: number) => {
    for (let i = 0; i < files; i++) rmSync(nameOf(path, i), { force: true });
    const lines = times.map(
      (time, i) => `${JSON.stringify({ time, msg: i, padding: 'x'.repeat(padding) })}\n`,
    );
    files = sizes.length + 1;
    for (const [i, size] of [...sizes, lines.length].entries()) {
      writeFileSync(nameOf(path, i), lines.splice(Math.max(0, lines.length - size)).join(''));
    }
    return new LogChain(path);
  };
}

function nameOf(path: string, number: number): string {
  return number === 0 ? path : `${path}.${number}`;
}

/** Numbers of the lines that a reader shows from there on. */
function readFrom(
  chain: LogChain,
  filter: { since?: number; level?: number },
  start: Position | undefined,
): number[] {
  const reader = new LogReader(chain, filter, start);
  const shown: number[] = [];
  for (let line = reader.peek(); line; line = reader.peek()) {
    shown.push(JSON.parse(line.text).msg);
    reader.take();
  }
  return shown;
}

const times = fc.array(fc.nat(50), { maxLength: 60 }).map(list => list.sort((a, b) => a - b));
const sizes = fc.array(fc.nat(30), { maxLength: 3 });
// Lines of some bytes, and some that are longer than a block.
const padding = fc.constantFrom(0, 3000, 100_000);

test('the last lines of a chain of files are those that a reader of everything would show last', t => {
  const write = writeChain(t);
  fc.assert(
    fc.property(times, sizes, padding, fc.nat(70), (list, lengths, size, count) => {
      const chain = write(list, lengths, size);
      const [start] = lastLines([{ chain, filter: {} }], count);
      const all = list.map((_, i) => i);
      assert.equal(start === undefined, all.length === 0 || count === 0);
      if (start) assert.deepEqual(readFrom(chain, {}, start), all.slice(-count));
    }),
    { numRuns: 60 },
  );
});

test('the place of a time is one from which on a reader shows all lines that are not older', t => {
  const write = writeChain(t);
  fc.assert(
    fc.property(times, sizes, padding, fc.integer({ min: 1, max: 52 }), (list, lengths, size, since) => {
      const chain = write(list, lengths, size);
      const expected = list.flatMap((time, i) => (time >= since ? [i] : []));
      assert.deepEqual(readFrom(chain, { since }, positionAt(chain, since)), expected);
    }),
    { numRuns: 60 },
  );
});

test('who follows from the end begins with a line that is only half there', t => {
  const path = createProject(t, { log: '{"time":1}\n{"time":2,"ms' }).path('log');
  assert.equal(endOf(new LogChain(path))?.offset, 11);
});
