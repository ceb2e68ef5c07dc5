import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  availableCores,
  cgroupDirectories,
  cgroupPath,
  parseCfsQuota,
  parseCpuMax,
} from '../../src/config/cores.ts';

function coresWith(files: Record<string, string>, parallelism = 8): number {
  return availableCores(file => files[file], parallelism);
}

describe('available cores', () => {
  it('are those of the machine without a quota', () => {
    assert.equal(coresWith({}), 8);
    assert.equal(coresWith({ '/sys/fs/cgroup/cpu.max': 'max 100000\n' }), 8);
    assert.equal(
      coresWith({
        '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
        '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
      }),
      8,
    );
    assert.ok(availableCores() >= 1);
  });

  it('are limited by the quota of a container, rounded up', () => {
    assert.equal(coresWith({ '/sys/fs/cgroup/cpu.max': '150000 100000\n' }), 2);
    assert.equal(coresWith({ '/sys/fs/cgroup/cpu.max': '1000 100000\n' }), 1);
    assert.equal(coresWith({ '/sys/fs/cgroup/cpu.max': '1600000 100000\n' }), 8);
  });

  it('are limited by the narrowest cgroup on the way up', () => {
    const files = {
      '/proc/self/cgroup': '0::/system.slice/x.service\n',
      '/sys/fs/cgroup/system.slice/cpu.max': '300000 100000\n',
      '/sys/fs/cgroup/system.slice/x.service/cpu.max': 'max 100000\n',
    };
    assert.equal(coresWith(files), 3);
  });

  it('are limited by cgroup v1 too', () => {
    const files = {
      '/proc/self/cgroup': '5:memory:/m\n4:cpu,cpuacct:/docker/1\n',
      '/sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us': '250000\n',
      '/sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us': '100000\n',
    };
    assert.equal(coresWith(files), 3);
  });

  it('survive files that hold something else', () => {
    for (const text of ['', 'max', 'a b', '0 0', '5 0', '-1 100000'])
      assert.equal(parseCpuMax(text), undefined, text);
    assert.equal(parseCpuMax('50000'), 0.5);
    assert.equal(parseCfsQuota('', ''), undefined);
    assert.equal(cgroupPath('garbage\n', ''), '/');
    assert.deepEqual(cgroupDirectories('/r', '/../a/b'), ['/r', '/r/a', '/r/a/b']);
  });
});
