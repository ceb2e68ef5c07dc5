import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import type { ExitReason } from '../../src/group/exit-reason.ts';
import { GroupLog } from '../../src/group/group-log.ts';

const crash: ExitReason = { kind: 'crash', text: 'exited with code 1', unexpected: true, failure: true };
const otherCrash: ExitReason = { ...crash, text: 'exited with code 2' };
const clean: ExitReason = { kind: 'clean', text: 'exited with code 0', unexpected: true, failure: false };

const levels = { info: 30, error: 50 };

function exitLog() {
  const lines: { level: number; msg: string; [key: string]: unknown }[] = [];
  const log = new GroupLog(pino({ base: null }, { write: line => lines.push(JSON.parse(line)) }));
  let pid = 100;
  return {
    log,
    lines,
    end: (reason: ExitReason, bootError?: { message: string; details: string }) =>
      log.ended({ index: 1, pid: pid++, bootError }, reason, 'restarting'),
  };
}

test('S16 a crash is an error, a clean exit is information; both say who, why and what follows', () => {
  const { lines, end } = exitLog();
  end(crash);
  end(clean);
  assert.deepEqual(
    lines.map(({ level, msg, index, workerPid, exit }) => ({ level, msg, index, workerPid, exit })),
    [
      {
        level: levels.error,
        msg: 'worker 1 (pid 100) exited with code 1; restarting',
        index: 1,
        workerPid: 100,
        exit: 'crash',
      },
      {
        level: levels.info,
        msg: 'worker 1 (pid 101) exited with code 0; restarting',
        index: 1,
        workerPid: 101,
        exit: 'clean',
      },
    ],
  );
});

test('S16 a repeat is counted: it is logged again only when its count has doubled', () => {
  const { lines, end } = exitLog();
  for (let n = 0; n < 100; n++) end(crash);
  assert.deepEqual(
    lines.map(({ repeats }) => repeats),
    [undefined, 2, 4, 8, 16, 32, 64],
  );
  assert.match(lines.at(-1)?.msg ?? '', /restarting \(64 times in a row\)$/);
});

test('another reason is news, and so is the first one after it', () => {
  const { lines, end } = exitLog();
  for (const reason of [crash, crash, otherCrash, crash]) end(reason);
  assert.deepEqual(
    lines.map(({ repeats }) => repeats),
    [undefined, 2, undefined, undefined],
  );
});

test('after a reset the next failure is news again', () => {
  const { log, lines, end } = exitLog();
  end(crash);
  log.forgetFailures();
  end(crash);
  assert.deepEqual(
    lines.map(({ repeats }) => repeats),
    [undefined, undefined],
  );
});

test("the user's error at boot is told in full the first time, and not repeated", () => {
  const { lines, end } = exitLog();
  const bootFailure: ExitReason = { ...crash, kind: 'boot-failure', text: 'could not boot: Error: no' };
  const error = { message: 'Error: no', details: 'Error: no\n    at setup (/app/task.js:1:1)' };
  end(bootFailure, error);
  end(bootFailure, error);
  assert.deepEqual(
    lines.map(({ details }) => details),
    [error.details, undefined],
  );
});
