import assert from 'node:assert/strict';
import { test } from 'node:test';
import { complete } from '../../src/cli/completion/complete.ts';
import { createProgram } from '../../src/cli/program.ts';

const ph = await createProgram();

function ask(...words: readonly string[]) {
  const found = complete(ph, words, config => (config === 'other.ini' ? ['far'] : ['images', 'mail']));
  return found.type === 'words' ? found.candidates.map(({ value }) => value) : found.type;
}

/** The commands or options that a help text lists. */
function listed(help: string, heading: string): string[] {
  const block = new RegExp(`^${heading}:\n((?: {2}.*\n)+)`, 'm').exec(help)?.[1] ?? '';
  return block
    .split('\n')
    .flatMap(line => /^ {2}(?:-\w, )?(--[\w-]+|[\w-]+)/.exec(line)?.[1] ?? [])
    .sort();
}

test('every command, and every option of each, is completed, as the help has them', () => {
  const commands = ask('');
  assert.ok(Array.isArray(commands));
  assert.deepEqual([...commands].sort(), listed(ph.helpInformation(), 'Commands'));
  assert.ok(commands.includes('map') && commands.includes('run') && !commands.includes('__complete'));
  for (const command of ph.commands) {
    if (command.name() === '__complete') continue;
    assert.deepEqual([...ask(command.name(), '--')].sort(), listed(command.helpInformation(), 'Options'));
  }
});

test('arguments and values are completed by what they are: sections, choices, files, directories, or nothing', () => {
  for (const [words, expected] of [
    [['-'], ['--version', '--help']],
    [['ru'], ['run']],
    [['nix', ''], []],
    [['help', 'ru'], ['run']],
    [['help', 'run', ''], []],
    [['run', ''], 'files'],
    [['run', 'file', ''], []],
    [
      ['run', '-s', ''],
      ['images', 'mail'],
    ],
    [['run', '--section', 'm'], ['mail']],
    [['run', '--section=m'], ['--section=mail']],
    [['run', '-c', 'other.ini', '-s', ''], ['far']],
    [['run', '--config=other.ini', '--section='], ['--section=far']],
    [['run', '--config', ''], 'files'],
    [['run', '--config='], 'files'],
    [['run', '-w', ''], []],
    [['run', '--watch', '-s', 'i'], ['images']],
    [
      ['run', '--log-format', ''],
      ['auto', 'pretty', 'json'],
    ],
    [['logs', 'm'], ['mail']],
    [['stack', 'm'], ['mail']],
    [['scale', 'mail=2', 'i'], ['images=']],
    [['scale', 'images='], []],
    [['logs', 'mail', ''], []],
    [['logs', '--level', 'w'], ['warn']],
    [['map', '-o', ''], 'files'],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['init', ''], 'directories'],
  ] as const) {
    assert.deepEqual({ words, found: ask(...words) }, { words, found: expected });
  }
});
