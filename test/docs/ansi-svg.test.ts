import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHTML } from 'linkedom';
import { ansiToSvg } from '../../docs/ansi-svg.ts';

test('a picture has the text of the terminal in its styles, which go on over the ends of lines', () => {
  const screen = '\x1b[1mph\x1b[0m  \x1b[32ma<b&c\x1b[2m\nnext\x1b[0m \x1b[7m q \x1b[0m▁█\n\n\n';
  const { document } = parseHTML(ansiToSvg(screen, 20, 'ph <top>'));
  const texts = [...document.querySelectorAll('text')].map(each => [
    each.textContent,
    each.getAttribute('class'),
  ]);
  assert.deepEqual(texts, [
    ['ph', 'ink bold'],
    ['a<b&c', 'green'],
    ['next', 'green dim'],
    [' q ', 'on'],
  ]);
  assert.equal(document.querySelector('title')?.textContent, 'ph <top>');
  // The paper, what is behind the inverse text, and the two blocks.
  const heights = [...document.querySelectorAll('rect')].map(each => Number(each.getAttribute('height')));
  assert.deepEqual(heights, [63, 18, 1.9, 15]);
});

test('a style that it does not know is an error, not a wrong picture', () => {
  assert.throws(() => ansiToSvg('\x1b[4munderlined', 20, ''), /no style 4/);
});
