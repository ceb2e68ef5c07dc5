import assert from 'node:assert/strict';
import { test } from 'node:test';
import stringWidth from 'string-width';
import { renderLine, span } from '../../src/cli/terminal/line.ts';
import { Model } from '../../src/cli/top/model.ts';
import { topLines } from '../../src/cli/top/view.ts';
import type { Status } from '../../src/control/protocol.ts';
import { mixed, now, section, status, tasks, worker } from './statuses.ts';

/** As many seconds as there are statuses. */
function modelOf(...statuses: readonly Status[]): Model {
  const model = new Model();
  for (const [second, each] of statuses.entries()) model.update([each], now + second * 1000, second * 1000);
  return model;
}

function screenOf(model: Model, columns = 120, rows = 30): string[] {
  return topLines(model, { columns, rows }).map(line => renderLine(line, { width: columns, colour: false }));
}

const selectedLine = (model: Model) => screenOf(model).find(line => line.startsWith('▸'));
const done = (count: number, pid = 1) => status([section({ tasks: tasks({ done: count }) })], { pid });

test('throughput is what ended in the last seconds, by the time between the statuses', () => {
  const model = new Model();
  const add = (at: number, count: number) => model.update([done(count)], now, at);
  add(0, 1000);
  assert.deepEqual(model.history.of('1/images').throughput, []);
  add(1000, 1500);
  // Nobody has told anything new, then two have at once: that is no pause and no burst.
  add(2000, 1500);
  add(3000, 2500);
  add(4000, 3000);
  add(4100, 9999);
  assert.deepEqual(model.history.of('1/images').throughput, [500, 250, 500, 500]);
  assert.match(screenOf(model).join('\n'), /█▅██ +500/);
});

test('another supervisor counts from zero: that is no rate', () => {
  const model = new Model();
  model.update([done(1000, 1)], now, 0);
  model.update([done(1100, 1)], now, 1000);
  model.update([done(3, 2)], now, 2000);
  model.update([done(13, 2)], now, 3000);
  assert.deepEqual(model.history.of('1/images').throughput, [100, 10]);
});

test('the courses of a section are those of its slowest worker and of all its memory', () => {
  const workers = [worker({ p95: 3, rss: 10 }), worker({ index: 1, p95: 9, rss: 20 })];
  const { p95, rss } = modelOf(status([section({ processes: workers })])).history.of('1/images');
  assert.deepEqual([p95, rss], [[9], [30]]);
});

test('the first section is selected; arrows go down over the workers and stop at both ends', () => {
  const model = modelOf(mixed());
  assert.match(selectedLine(model) ?? '', /^▸ images {3}running/);
  model.press('up');
  assert.match(selectedLine(model) ?? '', /^▸ images {3}running/);
  for (const _ of mixed().sections) model.press('down');
  assert.match(selectedLine(model) ?? '', /^▸ images#0/);
  model.press('end');
  model.press('down');
  assert.match(selectedLine(model) ?? '', /^▸ mail#0/);
});

test('the selection stays with its worker when the order changes, and goes to a neighbour when it has gone', () => {
  const model = modelOf(mixed());
  for (let i = 0; i < 5; i++) model.press('down');
  assert.equal(model.selected?.key, '1/images#1 generation 3');
  model.press('right');
  assert.match(screenOf(model).join('\n'), /CPU▼/);
  assert.equal(model.selected?.key, '1/images#1 generation 3');
  const [images, ...rest] = mixed().sections;
  assert.ok(images);
  const replaced = images.processes.map(each => ({ ...each, generation: 4 }));
  model.update([status([{ ...images, processes: replaced }, ...rest])], now, 4000);
  assert.equal(model.selected?.key, '1/images#1 generation 4');
  const fewer = status([{ ...images, processes: images.processes.slice(0, 1) }, ...rest]);
  model.update([fewer], now, 5000);
  assert.equal(model.selected?.key, '1/images#0 generation 3');
});

test('workers are sorted by the column that the header marks, either way round', () => {
  const model = modelOf(mixed());
  const order = () => model.workers.map(({ key }) => key.split(' ')[0]);
  assert.deepEqual(order(), ['1/images#0', '1/images#1', '1/web#0', '1/web#0', '1/mail#0']);
  model.press('>');
  model.press('>');
  assert.match(screenOf(model).join('\n'), /WORKER .*RSS▼/);
  assert.deepEqual(order().slice(0, 2), ['1/images#1', '1/images#0']);
  model.press('i');
  assert.match(screenOf(model).join('\n'), /WORKER .*RSS▲/);
  assert.equal(order().at(-1), '1/images#1');
  for (const _ of ['RSS', 'CPU']) model.press('<');
  assert.match(screenOf(model).join('\n'), /WORKER▼/);
});

test('keys ask for what is to be done to the selected section or worker', () => {
  const model = modelOf(mixed());
  const images = { instance: 1, section: 'images' };
  assert.deepEqual(model.press('+'), { type: 'scale', ...images, by: '+1' });
  assert.deepEqual(model.press('-'), { type: 'scale', ...images, by: '-1' });
  assert.deepEqual(model.press('r'), { type: 'reload', ...images });
  assert.equal(model.press('s'), undefined);
  assert.match(model.message?.text ?? '', /select one/);
  for (let i = 0; i < 5; i++) model.press('down');
  assert.deepEqual(model.press('s'), { type: 'stack', ...images, index: 1 });
  model.press('end');
  assert.equal(model.press('s'), undefined);
  assert.match(model.message?.text ?? '', /no process/);
  assert.deepEqual(model.press('q'), { type: 'quit' });
  for (const key of ['x', '', 'return', '=-']) assert.equal(model.press(key), undefined);
});

test('the outcome of a key is shown for some seconds, what is pending until it is done', () => {
  const model = modelOf(mixed());
  const wait = (from: number) => {
    for (let second = from; second < from + 10; second++) model.update([mixed()], now, second * 1000);
  };
  model.say('images: reloading …', 'pending');
  wait(1);
  assert.equal(screenOf(model).at(-1), 'images: reloading …');
  model.say('images: reloaded in 2s', 'done');
  model.update([mixed()], now, 20_000);
  assert.equal(screenOf(model).at(-1), 'images: reloaded in 2s');
  wait(21);
  assert.match(screenOf(model).at(-1) ?? '', /^ q {2}quit/);
});

test('a text that is shown scrolls, and any other key takes it away without doing anything else', () => {
  const model = modelOf(mixed());
  model.show(
    'stack of images#1',
    Array.from({ length: 50 }, (_, i) => [span(`frame ${i}`)]),
  );
  assert.match(screenOf(model).join('\n'), /stack of images#1\n\nframe 0\n/);
  for (let i = 0; i < 3; i++) model.press('down');
  assert.match(screenOf(model).join('\n'), /stack of images#1\n\nframe 3\n/);
  assert.equal(model.press('q'), undefined);
  assert.equal(model.overlay, undefined);
  assert.match(selectedLine(model) ?? '', /images/);
});

test('when nothing answers any more, it says so above what was there last', () => {
  const model = modelOf(mixed());
  model.gone = 'no supervisor runs';
  assert.match(screenOf(model)[0] ?? '', /^no supervisor runs$/);
  assert.match(screenOf(model).join('\n'), /images {3}running/);
  model.update([mixed()], now, 1);
  assert.match(screenOf(model)[0] ?? '', /^ph 0\.1\.0/);
});

test('all sections and workers are there where there is room for them', () => {
  const text = screenOf(modelOf(mixed()), 120, 18).join('\n');
  for (const name of ['images ', 'web ', 'mail ', 'reports ', 'images#0 ', 'images#1 ', 'web#0 ', 'mail#0 '])
    assert.ok(text.includes(name), name);
});

test('the screen is never fuller than it can be, however small, and shows what is selected', () => {
  const many = Array.from({ length: 4 }, (_, s) =>
    section({
      name: `section-${s}`,
      processes: Array.from({ length: 6 }, (_, index) => worker({ index, pid: 1000 * s + index + 1 })),
    }),
  );
  const model = modelOf(status(many));
  for (let step = 0; step < 4 + 4 * 6; step++) {
    const { section: shown, worker: selected } = model.selected ?? {};
    const name = selected ? `${shown?.name}#${selected.index}` : shown?.name;
    for (const [columns, rows] of [
      [60, 10],
      [80, 24],
      [120, 7],
      [200, 50],
      [30, 3],
      [12, 2],
    ] as const) {
      const lines = screenOf(model, columns, rows);
      assert.equal(lines.length, rows);
      assert.ok(lines.every(line => stringWidth(line) <= columns));
      const wanted = `▸ ${name}`.slice(0, columns - 2);
      assert.ok(
        lines.some(line => line.startsWith(wanted)),
        `${columns}x${rows} without ${wanted}:\n${lines.join('\n')}`,
      );
    }
    model.press('down');
  }
});

for (const columns of [60, 80, 120, 200]) {
  test(`at ${columns} columns the courses are there, as wide as there is room`, () => {
    const model = modelOf(...Array.from({ length: 60 }, (_, i) => done(i * i)));
    const [line = ''] = screenOf(model, columns).filter(each => /^▸ images/.test(each));
    const widths = [...line.matchAll(/[▁▂▃▄▅▆▇█]+/g)].map(([{ length }]) => length);
    assert.ok(widths[0] !== undefined && widths[0] >= 8, line);
    assert.equal(new Set(widths).size, 1);
    if (columns >= 80) assert.equal(widths.length, 3);
    if (columns === 200) assert.ok(widths[0] >= 24, line);
  });
}
