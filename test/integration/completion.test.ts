import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { runCommand } from '../helpers/command.ts';
import { phEntry } from '../helpers/ph.ts';
import { createProject, iniText, type Project } from '../helpers/project.ts';
import { missing, startTerminal } from '../helpers/terminal.ts';

function setUp(t: TestContext): Project {
  const task = 'tasks.mjs';
  const project = createProject(t, {
    'ph.ini': iniText({ images: { task }, mail: { task }, 'odd name': { task: 'nix.mjs' }, none: { x: 1 } }),
    'other.ini': iniText({ far: { task } }),
    'tasks.mjs': 'export default () => 1;',
    'directory/file': '',
    'bin/ph': `#!/bin/sh\nexec '${process.execPath}' '${phEntry}' "$@"\n`,
  });
  chmodSync(project.path('bin/ph'), 0o755);
  return project;
}

/** What a script would get for a command line. */
async function ask(t: TestContext, project: Project, ...words: readonly string[]) {
  const { code, stdout, stderr } = await runCommand(t, project, ['__complete', '--', ...words]);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const [type, ...lines] = stdout.trimEnd().split('\n');
  return { type, words: lines.map(line => line.split('\t')[0] as string), lines };
}

/** The commands or options that a help text lists. */
function listed(help: string, heading: string): string[] {
  const block = new RegExp(`^${heading}:\n((?: {2}.*\n)+)`, 'm').exec(help)?.[1] ?? '';
  return block
    .split('\n')
    .flatMap(line => /^ {2}(?:-\w, )?(--[\w-]+|[\w-]+)/.exec(line)?.[1] ?? [])
    .sort();
}

test('every command, and every option of each, is completed, as the help has them', async t => {
  const project = setUp(t);
  const { stdout } = await runCommand(t, project, ['--help']);
  const commands = (await ask(t, project, '')).words;
  assert.deepEqual([...commands].sort(), listed(stdout, 'Commands'));
  assert.ok(commands.includes('map') && !commands.includes('__complete'));
  await Promise.all(
    commands
      .filter(command => command !== 'help')
      .map(async command => {
        const { stdout: help } = await runCommand(t, project, [command, '--help']);
        const { words } = await ask(t, project, command, '--');
        assert.deepEqual([...words].sort(), listed(help, 'Options'), command);
      }),
  );
});

test('sections come from the configuration that is given, also from one that has problems; values from their option', async t => {
  const project = setUp(t);
  const cases = [
    [['run', '-s', ''], 'words', ['images', 'mail', 'odd name']],
    [['logs', 'm'], 'words', ['mail']],
    [['logs', 'mail', ''], 'words', []],
    [['run', '--config', 'other.ini', '--section='], 'words', ['--section=far']],
    [['run', '-c', 'nix.ini', '-s', ''], 'words', []],
    [['run', '-w', ''], 'words', []],
    [['run', '--log-format', 'p'], 'words', ['pretty']],
    [['completion', ''], 'words', ['bash', 'zsh', 'fish']],
    [['help', 'ru'], 'words', ['run']],
    [['nix', ''], 'words', []],
    [['run', ''], 'files', []],
    [['map', '-o', ''], 'files', []],
    [['init', ''], 'directories', []],
  ] as const;
  await Promise.all(
    cases.map(async ([words, type, expected]) => {
      const found = await ask(t, project, ...words);
      assert.deepEqual({ words, type: found.type, found: found.words }, { words, type, found: expected });
    }),
  );
  assert.match((await ask(t, project, 'ma')).lines[0] ?? '', /^map\trun a task for each line of stdin/);
});

const shells = [
  ['bash', 'bash --norc --noprofile -i', 'eval "$(ph completion bash)"'],
  ['zsh', 'zsh -f -i', 'autoload -U compinit && compinit -u && eval "$(ph completion zsh)"'],
  ['fish', 'fish --no-config -i', 'ph completion fish | source'],
] as const;

for (const [shell, command, load] of shells) {
  test(`${shell} completes what is typed`, { skip: missing('tmux') || missing(shell) }, async t => {
    const project = setUp(t);
    const env = { PATH: `${project.path('bin')}:${process.env.PATH}`, PS1: '> ', SHELL: '/bin/sh' };
    const terminal = startTerminal(t, project, command, env);
    terminal.type(`${load} && echo load''ed`, 'Enter');
    await terminal.shows(/^loaded$/m);
    for (const [typed, completed] of [
      ['ph ru', 'ph run '],
      ['ph run -s i', 'ph run -s images '],
      ['ph run --section=ma', 'ph run --section=mail '],
      ['ph run -c ot', 'ph run -c other.ini '],
      ['ph init dir', 'ph init directory/'],
    ] as const) {
      // The sign after it shows that it is there, and not only suggested.
      terminal.type(typed, 'Tab');
      terminal.type('#');
      const shown = await terminal.shows(new RegExp(`${completed.replaceAll(/[./]/g, '\\$&')}#`));
      assert.doesNotMatch(shown, /command not found/);
      terminal.type('', 'C-u');
    }
  });
}
