import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';
import { renderStatus } from '../../src/cli/status/view.ts';
import { mixed, now, section, status, worker } from './statuses.ts';

const plain = (width: number) => ({ width, colour: false });
const render = (statuses: Parameters<typeof renderStatus>[0], width: number) =>
  renderStatus(statuses, now, plain(width));

test('the table with all columns, where nothing limits the width', () => {
  assert.equal(
    render([mixed()], Number.POSITIVE_INFINITY),
    `\
ph 0.1.0  running  pid 40990  up 3d 4h  CPU 1%  RSS 61M  /srv/app/ph.ini  node v24.21.0
SECTION  STATE      READY  GEN    PID      UP  RESTARTS  THREADS  QUEUE    DONE  FAILED    P50   P95  LOOP   CPU   RSS  NEXT TRY  RETIRES  LAST EXIT
images   running      2/2    3                        1      7/8      7   2.41M       3                     679%  1.5G
  #0     ready               3  41001   3d 4h         0      3/4      2   1.20M       0  3.7ms  18ms   12%  287%  183M
  #1     ready               3  41377  3m 07s         1      4/4      5   1.20M       0  3.7ms  18ms   12%  392%  1.3G                     3m 08s ago: killed by SIGKILL (out of memory?)
web      reloading    1/1    4                        0      6/8      0  48,211       0                     291%  366M
  #0     draining            3  41010   3d 4h         0      3/4      2   1.20M       0                12%    3%  183M            reload
  #0     starting            4  44102   412ms         0      3/4      2       0       0                12%  287%  183M
mail     failed       0/1    3                       10               0      12      11
  ! more than 10 failures within 60 s; the last: Error: connect ECONNREFUSED 10.0.0.7:25
  #0     exited                                      10                                                                 in 18s             12s ago: exited with code 1
reports  stopped      0/0    3                        1               0   2.41M       3
`,
  );
});

test('at 80 columns what matters least is gone, and nothing is wrapped', () => {
  assert.equal(
    render([mixed()], 80),
    `\
ph 0.1.0  running  pid 40990  up 3d 4h  CPU 1%  RSS 61M  /srv/app/ph.ini  node …
SECTION  STATE      READY    PID  THREADS  QUEUE  FAILED   CPU   RSS  NEXT TRY
images   running      2/2             7/8      7       3  679%  1.5G
  #0     ready             41001      3/4      2       0  287%  183M
  #1     ready             41377      4/4      5       0  392%  1.3G
web      reloading    1/1             6/8      0       0  291%  366M
  #0     draining          41010      3/4      2       0    3%  183M
  #0     starting          44102      3/4      2       0  287%  183M
mail     failed       0/1                      0      11
  ! more than 10 failures within 60 s; the last: Error: connect ECONNREFUSED 10…
  #0     exited                                                       in 18s
reports  stopped      0/0                      0       3
`,
  );
});

for (const width of [1, 10, 20, 40, 60, 80, 120, 200]) {
  test(`no line is wider than ${width} columns, coloured or not`, () => {
    const wide = section({
      name: '画像処理👩‍👩‍👧‍👦サービス',
      lastFailure: '失敗しました'.repeat(30),
      state: 'failed',
    });
    const statuses = [mixed(), status([wide, section({ name: 'x'.repeat(300) })], { instance: 2 })];
    const text = render(statuses, width);
    for (const line of text.split('\n'))
      assert.ok(stringWidth(line) <= width, `${stringWidth(line)}: ${line}`);
    const coloured = renderStatus(statuses, now, { width, colour: true });
    const withoutStyles = stripVTControlCharacters(coloured).replace(/ +$/gm, '');
    assert.equal(withoutStyles, text.replace(/ +$/gm, ''));
    // Each style ends in the line in which it begins.
    for (const line of coloured.split('\n')) {
      const codes = line
        .split('\x1b[')
        .slice(1)
        .map(part => Number.parseInt(part, 10));
      assert.ok(codes.length % 2 === 0 && [undefined, 22, 27, 39].includes(codes.at(-1)), line);
    }
  });
}

test('columns stay in line beside a name of wide characters', () => {
  const [, header = '', wide = '', narrow = ''] = render(
    [status([section({ name: '画像👍🏽', processes: [worker()] })])],
    100,
  ).split('\n');
  const widthBefore = (line: string, text: string) => stringWidth(line.slice(0, line.indexOf(text)));
  assert.equal(widthBefore(wide, 'running'), widthBefore(header, 'STATE'));
  assert.equal(widthBefore(narrow, 'ready'), widthBefore(header, 'STATE'));
});

test('names and messages cannot move the cursor, colour the rest or begin a line', () => {
  const evil = 'a\x1b[2J\x1b]0;title\x07b\r\nc\u202ed';
  const [mail] = mixed().sections.slice(2);
  assert.ok(mail);
  const text = render([status([{ ...mail, name: evil, lastFailure: evil }])], 120);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f\u202e]/);
  assert.match(text, /^ab cd /m);
});

test('a section whose worker gets no jobs says why', () => {
  const cutOff = worker({ queue: { connected: false, reason: 'connect ECONNREFUSED 127.0.0.1:6379' } });
  const text = render([status([section({ processes: [cutOff] })])], 120);
  assert.match(text, /^images .*\n {2}! queue: connect ECONNREFUSED 127\.0\.0\.1:6379 *\n {2}#0/m);
});

test('several supervisors: each says which instance it is', () => {
  const text = render([mixed(), status([section()], { instance: 2, pid: 77 })], 120);
  assert.match(text, /^ph 0\.1\.0 {2}instance 1 .*pid 40990/m);
  assert.match(text, /\n\nph 0\.1\.0 {2}instance 2 .*pid 77/);
});
