import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { workerEnvironment } from '../../src/config/environment.ts';
import { temporaryDirectory } from './helpers.ts';

const NONE = { name: 'job', envFile: undefined, environment: undefined };

describe('the environment of workers', () => {
  it('is empty by default', () => {
    assert.deepEqual(Object.entries(workerEnvironment(NONE)), []);
  });

  it('is that of env_file, overlaid by environment', t => {
    const envFile = join(temporaryDirectory(t, { '.env': '# c\nA=1\nB="two words"\n' }), '.env');
    const environment = { A: '9', C: '3' };
    assert.deepEqual(
      { ...workerEnvironment({ ...NONE, envFile, environment }) },
      { A: '9', B: 'two words', C: '3' },
    );
  });

  it('is read anew each time', t => {
    const envFile = join(temporaryDirectory(t, { '.env': 'A=1\n' }), '.env');
    assert.equal(workerEnvironment({ ...NONE, envFile }).A, '1');
    writeFileSync(envFile, 'A=2\n');
    assert.equal(workerEnvironment({ ...NONE, envFile }).A, '2');
    rmSync(envFile);
    assert.throws(() => workerEnvironment({ ...NONE, envFile }), {
      code: 'PH_ERR_CONFIG',
      message: /\[job\] env_file/,
    });
  });
});
