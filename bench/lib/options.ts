/** The command line of the benches. */

import { Command, InvalidArgumentError } from 'commander';

export interface Options {
  readonly json: boolean;
  readonly quick: boolean;
  readonly verbose: boolean;
  readonly rounds?: number;
  readonly pool: readonly string[];
  readonly scenario: readonly string[];
}

const append = (value: string, values: readonly string[]) => [...values, value];

export function readOptions(description: string): Options {
  return new Command()
    .description(description)
    .option('--json', 'print JSON instead of tables', false)
    .option('--quick', 'measure little, to see that all works; writes no results', false)
    .option('--rounds <n>', 'how often everything is measured', positiveInteger)
    .option('--pool <name>', 'measure only pools with this in their name; can be repeated', append, [])
    .option('--scenario <name>', 'measure only this scenario; can be repeated', append, [])
    .option('--verbose', 'show what the pools print on stderr', false)
    .parse()
    .opts<Options>();
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('not a number of rounds');
  return value;
}
