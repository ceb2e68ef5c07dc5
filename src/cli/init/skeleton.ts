/** The files of a new project. */

export interface SkeletonOptions {
  /** Of the package; any name of a directory will do. */
  readonly name: string;
  /** Of this package. */
  readonly version: string;
}

/** Content by path, relative to the project. */
export function skeleton({ name, version }: SkeletonOptions): ReadonlyMap<string, string> {
  return new Map([
    ['package.json', packageJson(packageName(name), version)],
    ['ph.ini', configuration],
    ['tasks/hello.ts', taskModule],
    ['test/hello.test.js', test],
  ]);
}

function packageJson(name: string, version: string): string {
  const content = {
    name,
    version: '0.0.0',
    private: true,
    type: 'module',
    scripts: { start: 'ph run', test: 'node --test' },
    dependencies: { processhandler: `^${version}` },
    engines: { node: '>=20.19' },
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** What npm takes as a name. */
function packageName(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[._-]+|[._-]+$/g, '');
  return name === '' || name === 'node_modules' || name === 'processhandler' ? 'app' : name;
}

const configuration = `; What \`ph run\` keeps alive: each section with a task. [DEFAULT] is inherited by all of them.

[DEFAULT]
graceful_timeout = 10

[hello]
task           = tasks/hello.ts
number_workers = 2
threads        = 1
; A key that ph does not know is your own: this.config.settings.greeting
greeting       = hello
`;

const taskModule = `import { SyncWorker } from 'processhandler';

/** A task: an exported function. It runs on a thread. */
export function square(n: number): number {
  return n * n;
}

/** Runs on the main thread of each worker process. */
export default class Hello extends SyncWorker {
  #round = 0;

  override async handleRequest(): Promise<void> {
    const n = ++this.#round;
    const result = await this.pool.run(n, { name: 'square' });
    this.logger.info(\`\${this.config.settings.greeting}: \${n}² = \${result}\`);
    await this.sleep(1000);
  }
}
`;

const test = `import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createPool } from 'processhandler';

let pool;

before(async () => {
  pool = await createPool(new URL('../tasks/hello.ts', import.meta.url), { threads: 1 });
});

after(() => pool.close());

test('square() runs on a thread', async () => {
  assert.equal(await pool.run(7, { name: 'square' }), 49);
});
`;
