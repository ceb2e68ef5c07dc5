import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeService } from '../../src/rpc/discover.ts';
import { readParameter } from '../../src/rpc/parameter.ts';

const positional = (name: string, required = true) => ({ isObject: false, members: [{ name, required }] });
const named = (...members: [string, boolean?][]) => ({
  isObject: true,
  members: members.map(([name, required = true]) => ({ name, required })),
});

test('the first parameter of a function is read from its source', () => {
  const cases: [string, ReturnType<typeof readParameter>][] = [
    ['function fib({ n }) { return n; }', named(['n'])],
    ['async ({ n, from = 1, to: end, ...rest }) => n', named(['n'], ['from', false], ['to'])],
    ['({ a, list: [first] = [] }, context) => a', named(['a'], ['list', false])],
    ['({ n } = {}) => n', named(['n', false])],
    ['({ n }                      )        => n', named(['n'])],
    ['n => n * n', positional('n')],
    ['async n => n', positional('n')],
    ['(n = 5) => n', positional('n', false)],
    ['function square(größe, context) {}', positional('größe')],
    ['square(n) { return n }', positional('n')],
    ['() => 1', undefined],
    ['function () { [native code] }', undefined],
    // What could be misread is not read.
    ["({ n = ',)' }) => n", undefined],
    ['(/* n */ m) => m', undefined],
    ['([first]) => first', undefined],
    ['(...all) => all', undefined],
    ['function fib(', undefined],
  ];
  for (const [source, expected] of cases) assert.deepEqual(readParameter(source), expected, source);
});

test('a service is described as an OpenRPC document', () => {
  const run = ({ n }: { n: number }) => n;
  const methods = [{ name: 'twice', run: run as () => unknown, timeout: 0 }];
  assert.deepEqual(describeService('math', methods), {
    openrpc: '1.3.2',
    info: { title: 'math', version: '1.0.0' },
    methods: [
      {
        name: 'twice',
        params: [{ name: 'n', required: true, schema: {} }],
        paramStructure: 'by-name',
        result: { name: 'result', schema: {} },
      },
    ],
  });
});
