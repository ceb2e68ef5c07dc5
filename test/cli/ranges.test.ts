import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Ranges } from '../../src/cli/map/ranges.ts';

test('Ranges holds what was added, whatever the order, in ranges with a gap between each two', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(60)), numbers => {
      const ranges = new Ranges();
      for (const number of numbers) ranges.add(number);
      for (let number = 0; number <= 62; number++) {
        assert.equal(ranges.has(number), numbers.includes(number));
      }
      assert.equal(ranges.size, numbers.length);
      assert.equal(ranges.end, numbers.length === 0 ? 0 : Math.max(...numbers) + 1);
      const list = [...ranges];
      for (const [i, [start, end]] of list.entries()) {
        assert.ok(start < end);
        assert.ok(start > (list[i - 1]?.[1] ?? -1), 'no range touches the one before it');
      }
      assert.deepEqual([...new Ranges(list)], list);
    }),
  );
});
