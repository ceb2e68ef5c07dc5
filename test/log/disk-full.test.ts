import assert from 'node:assert/strict';
import { readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { collector, isPaused, printer } from './collecting.ts';
import type { CollectorReport } from './fixtures/collector.ts';
import { fixture, linesOf, message, temporaryDirectory, textOf, until } from './support.ts';

// Side by side, since each has to wait for as long as sources may be held up.
describe('a full disk', { concurrency: true }, () => {
  test('S54 a full disk: one report, bounded memory, and the services go on', async t => {
    const collecting = collector(t, printer(1_000_000), { logFile: '/dev/full' });
    const { child } = collecting;
    const stderr = textOf(collecting.stderr);
    await message(child);
    while (!(await isPaused(child)));
    const start = performance.now();
    const report = await message<CollectorReport>(child);
    const held = performance.now() - start;
    assert.ok(held > 3000 && held < 12_000, `held up for ${held} ms`);
    assert.ok(report.grown < 100, `grown by ${report.grown} MB`);
    const messages = linesOf(await stderr).map(line => JSON.parse(line).msg);
    assert.equal(messages.length, 2);
    assert.equal(
      messages[0],
      'log /dev/full: cannot write: no space left on device; trying again every second',
    );
    // The report itself is lost as well: it was to be in the file, too.
    assert.equal(messages[1], 'log /dev/full: 1000001 log lines were lost: no space left on device');
  });

  test('S54 lines that did not fit are counted, and one line says so once it works again', async t => {
    const path = join(temporaryDirectory(t), 'log');
    // A limit on the size of files fails as a full disk does, and needs no file system of our own.
    const child = fixture(t, 'limited.ts', [path], 'ulimit -f 64; exec "$@"');
    assert.ok(child.stderr);
    const stderr = textOf(child.stderr);
    await until(() => statSync(path, { throwIfNoEntry: false })?.size === 65_536, 'the file is at its limit');
    const first = readFileSync(path, 'utf8');
    // Longer than the sources may be held up: from then on lines are lost.
    await new Promise(resolve => setTimeout(resolve, 6500));
    truncateSync(path);
    await until(() => readFileSync(path, 'utf8').includes('were lost'), 'the notice');
    child.send('end');
    const written = await message<number>(child);
    const text = first + readFileSync(path, 'utf8');
    const messages: string[] = linesOf(text).map(line => JSON.parse(line).msg);
    const lost = messages.filter(msg => /^\d+ log lines were lost: file too large$/.test(msg));
    assert.equal(lost.length, 1);
    const numbers = messages.filter(msg => msg.startsWith('line ')).map(msg => Number(msg.slice(5)));
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    );
    assert.equal(numbers.length + Number.parseInt(lost[0] ?? '', 10), written);
    assert.match(await stderr, /^\{[^\n]*cannot write: file too large[^\n]*\}\n$/);
  });
});
