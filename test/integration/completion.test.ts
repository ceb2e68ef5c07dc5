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

test('sections come from the configuration that the line gives, also from one that has problems', async t => {
  const project = setUp(t);
  assert.deepEqual((await ask(t, project, 'run', '-s', '')).words, ['images', 'mail', 'odd name']);
  assert.deepEqual((await ask(t, project, 'run', '-c', 'other.ini', '--section=')).words, ['--section=far']);
  assert.deepEqual((await ask(t, project, 'run', '--config=nix.ini', '-s', '')).words, []);
  assert.equal((await ask(t, project, 'map', '-o', '')).type, 'files');
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
      ['ph scale im', 'ph scale images='],
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
