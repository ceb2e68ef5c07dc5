import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { generated, generatedParts } from '../../docs/generate.ts';
import { addressesOf, fetchBody } from '../helpers/clients.ts';
import { promtool } from '../helpers/metrics.ts';
import { runPh, startPh } from '../helpers/ph.ts';
import { createProject, packageRoot } from '../helpers/project.ts';

const read = (path: string) => readFileSync(join(packageRoot, path), 'utf8');

for (const part of generatedParts) {
  test(`the table of ${part.name} in ${part.path} is what the source says (else: npm run docs)`, () => {
    assert.equal(read(part.path), generated(read(part.path), part));
  });
}

test('every error code of the source is in docs/errors.md, and no other', () => {
  const source = execFileSync('grep', ['-rhoE', "'PH_(ERR|NOTE)_[A-Z_]+'", join(packageRoot, 'src')], {
    encoding: 'utf8',
  });
  const used = new Set(
    source
      .trim()
      .split('\n')
      .map(code => code.slice(1, -1)),
  );
  const documented = new Set(read('docs/errors.md').match(/PH_(ERR|NOTE)_[A-Z_]+/g));
  assert.deepEqual([...documented].sort(), [...used].sort());
});

test("the README's task module and ph.ini run as they stand there", async t => {
  const block = (language: string) =>
    new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(read('README.md'))?.[1] ?? '';
  const project = createProject(t, { 'tasks/hello.ts': block('ts'), 'ph.ini': block('ini') });
  const checked = await runPh(t, ['check'], { cwd: project.directory });
  assert.equal(checked.code, 0, checked.stderr);

  const ph = startPh(t, ['run', '--set', 'log_file=stderr'], { cwd: project.directory });
  await ph.ready();
  await ph.logs('7² = 49', 2);
  assert.equal((await ph.stop()).code, 0);
});

test('the ini of docs/configuration.md means what its text says', async t => {
  const ini = /```ini\n([\s\S]*?)```/.exec(read('docs/configuration.md'))?.[1] ?? '';
  const project = createProject(t, { 'ph.ini': ini });
  const { stdout } = await runPh(t, ['check', '--json'], {
    cwd: project.directory,
    env: { HOME: '/home/of/%(x)s' },
  });
  const { thumbnails } = JSON.parse(stdout).sections;
  assert.equal(thumbnails.task, 'tasks/thumbnails.ts');
  assert.equal(thumbnails.log_file, '/srv/images/ph.log');
  assert.equal(thumbnails.environment, 'REGION=eu,BANNER="a, b ; c"');
  assert.equal(thumbnails.greeting, '  kept as it is  ');
  assert.equal(thumbnails.rate, '100%');
  assert.equal(thumbnails.home, '/home/of/%(x)s');
});

test('the Worker and the ini of docs/sockets.md serve as its text says', async t => {
  const block = (language: string) =>
    new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(read('docs/sockets.md'))?.[1] ?? '';
  const ini = block('ini').replace(':8080', ':0');
  const project = createProject(t, { 'tasks/web.ts': block('ts'), 'ph.ini': ini });
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  const addresses = await addressesOf(ph, 2);
  assert.equal(addresses[1], `unix:${project.path('web.sock')}`);
  for (const address of addresses) {
    const body = await fetchBody(address);
    assert.match(body.replace(address, 'ADDRESS'), /^ADDRESS, worker [12]\n$/);
  }
});

test('the example of docs/pool.md prints what its text says', t => {
  const [, code = '', output = ''] =
    /```ts\n([\s\S]*?)```[\s\S]*?```\n([\s\S]*?)```/.exec(read('docs/pool.md')) ?? [];
  const project = createProject(t, { 'example.mts': code, 'tasks/math.ts': read('tasks/math.ts') });
  // `await using` is more than Node 20 reads.
  const printed = execFileSync(process.execPath, ['--import', import.meta.resolve('tsx'), 'example.mts'], {
    cwd: project.directory,
    encoding: 'utf8',
  });
  assert.equal(printed, output);
});

test('the RpcWorker and the clients of docs/rpc.md do as its text says', async t => {
  const text = read('docs/rpc.md');
  const [, iniOfWords = ''] = /```ini\n([\s\S]*?)```/.exec(text) ?? [];
  const codeOf = (file: string) =>
    new RegExp(`\`\`\`ts\\n// ${file}\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1] ?? '';
  const printedBy = (file: string) =>
    new RegExp(`npx tsx ${file}\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1] ?? '';
  const project = createProject(t, {
    'ph.ini': `${iniOfWords.replace(':8080', ':0')}\n[math]\ntask = tasks/math.ts\nbind = 127.0.0.1:0\n`,
    'tasks/words.ts': codeOf('tasks/words.ts'),
    'tasks/math.ts': read('tasks/math.ts'),
    'words-client.mts': codeOf('words-client.mts'),
  });
  const env = { WORDS_TOKEN: 's3cret' };
  const ph = startPh(t, ['run'], { cwd: project.directory, env });
  await ph.ready();
  const [, , math] = await addressesOf(ph, 3);
  project.write('client.mts', codeOf('client.mts').replace('127.0.0.1:8080', String(math)));
  for (const file of ['client.mts', 'words-client.mts']) {
    const printed = execFileSync(process.execPath, ['--import', import.meta.resolve('tsx'), file], {
      cwd: project.directory,
      env: { ...process.env, ...env },
      encoding: 'utf8',
    });
    assert.equal(printed, printedBy(file));
  }
});

test('the rules of docs/metrics.md ask for metrics that there are; promtool, where there is one, takes them and the configuration', t => {
  const text = read('docs/metrics.md');
  const yaml = (file: string) =>
    new RegExp(`\`\`\`yaml\\n# ${file}\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1] ?? '';
  const rules = yaml('ph\\.rules\\.yml');
  const names = new Set(rules.match(/\bph_\w+/g)?.map(name => name.replace(/_bucket$/, '')));
  const known = new Set(text.match(/(?<=^\| `)ph_\w+/gm));
  assert.ok(names.size > 5);
  assert.deepEqual(
    [...names].filter(name => !known.has(name)),
    [],
  );
  const project = createProject(t, { 'ph.rules.yml': rules, 'prometheus.yml': yaml('prometheus\\.yml') });
  const verdict = promtool(['check', 'config', project.path('prometheus.yml')]);
  if (verdict !== undefined) assert.match(verdict, /SUCCESS: 9 rules found/);
});
