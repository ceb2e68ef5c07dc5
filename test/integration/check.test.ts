import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { Problem } from '../../src/errors.ts';
import { type Exit, runPh } from '../helpers/ph.ts';
import { processesIn, until } from '../helpers/processes.ts';
import { createProject } from '../helpers/project.ts';

const task = 'export const task = () => 1;';

interface Report {
  readonly sections: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly problems: readonly Problem[];
  readonly notes: readonly Problem[];
}

function setUp(t: TestContext, files: Readonly<Record<string, string>>) {
  const project = createProject(t, { 'task.mjs': task, ...files });
  const check = async (...args: string[]): Promise<Exit> => {
    const before = readdirSync(project.directory);
    const exit = await runPh(t, ['check', ...args], { cwd: project.directory });
    assert.deepEqual(readdirSync(project.directory), before, 'nothing is left behind');
    await until('no process is left', () => processesIn(project.directory).length === 0);
    return exit;
  };
  const checkJson = async (...args: string[]): Promise<{ code: number | null; report: Report }> => {
    const { code, stdout, stderr } = await check('--json', ...args);
    assert.equal(stderr, '');
    return { code, report: JSON.parse(stdout) };
  };
  return { project, check, checkJson };
}

const good = [
  '[DEFAULT]',
  'root = /srv',
  'threads = 0',
  '[mail]',
  'task = task.mjs',
  'pidfile = ph.pid',
  'log_file = app.log',
  'files = %(root)s/mail # a note',
  '[web]',
  'task = ./task.mjs',
  'graceful_timeout = 250ms',
  '[spare]',
  'x = 100%%',
].join('\n');

test('ph check prints the resolved sections as ini text, exit code 0', async t => {
  const { check } = setUp(t, { 'ph.ini': good });
  const { code, stdout, stderr } = await check();
  assert.equal(code, 0);
  assert.equal(stderr, '');
  assert.equal(
    stdout,
    [
      '[mail]\nroot = /srv\nthreads = 0\ntask = task.mjs\npidfile = ph.pid\nlog_file = app.log\nfiles = /srv/mail\n',
      '[web]\nroot = /srv\nthreads = 0\ntask = ./task.mjs\ngraceful_timeout = 250ms\n',
      '[spare]\nroot = /srv\nthreads = 0\nx = 100%%\n',
    ].join('\n'),
  );
});

test('ph check --json prints the resolved texts before typing, and no problems', async t => {
  const { checkJson } = setUp(t, { 'ph.ini': good });
  assert.deepEqual(await checkJson(), {
    code: 0,
    report: {
      sections: {
        mail: {
          root: '/srv',
          threads: '0',
          task: 'task.mjs',
          pidfile: 'ph.pid',
          log_file: 'app.log',
          files: '/srv/mail',
        },
        web: { root: '/srv', threads: '0', task: './task.mjs', graceful_timeout: '250ms' },
        spare: { root: '/srv', threads: '0', x: '100%' },
      },
      problems: [],
      notes: [],
    },
  });
});

test('ph check FILE checks a module without any ph.ini', async t => {
  const { project, check } = setUp(t, {});
  const { code, stdout } = await check('task.mjs');
  assert.equal(code, 0);
  assert.equal(stdout, `[task]\ntask = ${project.path('task.mjs')}\n`);
});

const bad = [
  '[mail]',
  'task = missing.mjs',
  'number_workers = many',
  'graceful_timout = 3',
  '[web]',
  'task = task.mjs',
  'files = %(nowhere)s',
  'no assignment at all',
  'threads = 0',
  'threads = 1',
].join('\n');

/** Line, section, key and code of each problem of `bad`. */
const badPlaces = [
  [2, 'mail', 'task', 'PH_ERR_CONFIG_TASK_MISSING'],
  [3, 'mail', 'number_workers', 'PH_ERR_CONFIG_VALUE'],
  [4, 'mail', 'graceful_timout', 'PH_ERR_CONFIG_UNKNOWN_KEY'],
  [7, 'web', 'files', 'PH_ERR_CONFIG_INTERPOLATION_MISSING'],
  [8, 'web', undefined, 'PH_ERR_CONFIG_SYNTAX'],
  [10, 'web', 'threads', 'PH_ERR_CONFIG_DUPLICATE_KEY'],
] as const;

test('ph check prints every problem with file:line, all at once, exit code 2', async t => {
  const { project, check } = setUp(t, { 'ph.ini': bad });
  const { code, stdout, stderr } = await check();
  assert.equal(code, 2);
  assert.equal(stdout, '');
  const lines = stderr.trimEnd().split('\n');
  assert.match(lines.pop() ?? '', /^note: .*task modules are loaded once the configuration has no problem$/);
  assert.equal(lines.length, badPlaces.length, stderr);
  for (const [i, [line, section, key]] of badPlaces.entries()) {
    const start = `${project.path('ph.ini')}:${line}: [${section}] ${key === undefined ? '' : `${key}: `}`;
    assert.ok(lines[i]?.startsWith(start), `${lines[i]} starts with ${start}`);
  }
  assert.match(stderr, /did you mean `graceful_timeout`\?/);
});

test('ph check --json: a problem has file, line, section, key, code and message', async t => {
  const { project, checkJson } = setUp(t, { 'ph.ini': bad });
  const { code, report } = await checkJson();
  assert.equal(code, 2);
  assert.deepEqual(
    report.problems.map(problem => [problem.line, problem.section, problem.key, problem.code]),
    badPlaces,
  );
  for (const problem of report.problems) {
    assert.equal(problem.file, project.path('ph.ini'));
    assert.ok(problem.message.length > 5);
  }
  assert.equal(report.sections.mail?.number_workers, 'many', 'the texts are there all the same');
});

test('ph check -s NAME checks that section alone; one that is not there is a problem', async t => {
  const { check, checkJson } = setUp(t, { 'ph.ini': '[mail]\ntask = missing.mjs\n[web]\ntask = task.mjs\n' });
  assert.equal((await check('-s', 'web')).code, 0);
  assert.equal((await check('-s', 'mail')).code, 2);
  const { code, report } = await checkJson('-s', 'nowhere');
  assert.equal(code, 2);
  assert.deepEqual(
    report.problems.map(({ section, code, message }) => [section, code, message]),
    [['nowhere', 'PH_ERR_CONFIG_SECTION', 'no such section; there are: mail, web']],
  );
});

test('what is risky is a note with its line, and no problem', async t => {
  const { project, check } = setUp(t, {
    'ph.ini': '[web]\ntask = task.mjs\nthreads = 1\ntask_timeout = 1m\n',
  });
  const { code, stderr } = await check();
  assert.equal(code, 0);
  assert.equal(
    stderr,
    `note: ${project.path('ph.ini')}:4: [web] task_timeout: graceful_timeout (30) is shorter than task_timeout (1m): ` +
      'at a stop, reload or replacement a task is killed that may still run\n',
  );
});

test('a module that does not load is a problem of its section, with its own line, text and code', async t => {
  const { project, check, checkJson } = setUp(t, {
    'ph.ini':
      '[good]\ntask = task.mjs\n[throws]\ntask = throws.mjs\n[syntax]\ntask = syntax.mjs\n[empty]\ntask = empty.mjs\n',
    'throws.mjs': "const f = () => {\n  throw new TypeError('no luck');\n};\nf();",
    'syntax.mjs': '\n\nexport const broken = (;',
    'empty.mjs': '',
  });
  const { code, report } = await checkJson();
  assert.equal(code, 2);
  assert.deepEqual(
    report.problems.map(({ file, line, section, key, code }) => ({ file, line, section, key, code })),
    [
      ['throws', 2],
      ['syntax', 3],
      ['empty', undefined],
    ].map(([section, line]) => ({
      file: project.path(`${section}.mjs`),
      line,
      section,
      key: 'task',
      code: 'PH_ERR_TASK_MODULE',
    })),
  );
  const [throws, syntax, empty] = report.problems;
  assert.match(throws?.message ?? '', /^TypeError: no luck\n {4}at f \(/);
  assert.match(syntax?.message ?? '', /export const broken = \(;\n +\^/);
  assert.match(empty?.message ?? '', /exports no task \(found: nothing\)/);
  assert.doesNotMatch(JSON.stringify(report), /\bdist\/|node:internal/);

  const { stderr } = await check();
  assert.ok(stderr.includes(`${project.path('throws.mjs')}:2: [throws] task: TypeError: no luck\n`), stderr);
});

test('a module that hangs at import is a problem after boot_timeout', async t => {
  const { checkJson } = setUp(t, {
    'ph.ini':
      '[slow]\ntask = slow.mjs\nboot_timeout = 700ms\n[stuck]\ntask = stuck.mjs\nboot_timeout = 700ms\n',
    'slow.mjs': 'setInterval(() => {}, 1000);\nawait new Promise(() => {});',
    'stuck.mjs': 'for (;;);',
  });
  const { code, report } = await checkJson();
  assert.equal(code, 2);
  const said = 'killed: not ready within 0.7 s (boot_timeout)';
  assert.deepEqual(
    report.problems.map(({ section, message }) => [section, message]),
    [
      ['slow', said],
      ['stuck', said],
    ],
  );
});

test('a module that prints at import does not spoil the output', async t => {
  const { check, checkJson } = setUp(t, {
    'loud.mjs': `console.log('on stdout');\nconsole.error('on stderr');\n${task}\nconsole.log('x'.repeat(200_000));`,
  });
  const { code, report } = await checkJson('loud.mjs');
  assert.equal(code, 0);
  assert.deepEqual(Object.keys(report.sections), ['loud']);
  assert.doesNotMatch((await check('loud.mjs')).stdout, /on stdout|xxx/);
});

test('the Worker of a module is not started by ph check', async t => {
  const { check } = setUp(t, {
    'job.mjs': `import { writeFileSync } from 'node:fs';
      import { Worker } from 'processhandler';
      export default class extends Worker {
        constructor(context) { super(context); writeFileSync('started', ''); }
        setup() { throw new Error('no'); }
      }`,
  });
  assert.equal((await check('job.mjs', '-t', '2')).code, 0);
});

test('names such as __proto__ are sections like any other', async t => {
  const { checkJson } = setUp(t, { 'ph.ini': '[__proto__]\ntask = task.mjs\nconstructor = mine\n' });
  const { code, report } = await checkJson();
  assert.equal(code, 0);
  assert.deepEqual(Object.entries(report.sections), [
    ['__proto__', { task: 'task.mjs', constructor: 'mine' }],
  ]);
});
