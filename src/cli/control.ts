/** The commands that reach a running supervisor. */

import type { Command } from 'commander';
import { duration, integer } from '../config/kinds/scalars.ts';
import type { ReloadFlags } from './commands/reload.ts';
import type { WaitFlags } from './commands/stop.ts';
import type { SubmitFlags } from './commands/submit.ts';
import { parsedOption } from './flags.ts';
import type { SupervisorFlags } from './supervisors.ts';

/** Adds them to `ph`; the module of a command is loaded only when it is called. */
export function addControlCommands(ph: Command): void {
  addStop(ph);
  addRestart(ph);
  addReload(ph);
  addUpgrade(ph);
  addScale(ph);
  addStack(ph);
  addSubmit(ph);
}

function addStop(ph: Command): void {
  addWaitFlags(ph.command('stop').description('let the workers finish what they have, and end them'))
    .argument('[section]', 'section to stop (default: all, and the supervisor with them)')
    .action(async (section: string | undefined, flags: WaitFlags) => {
      process.exitCode = await (await import('./commands/stop.ts')).stop(section, flags);
    });
}

function addRestart(ph: Command): void {
  addWaitFlags(
    ph
      .command('restart')
      .description('end the workers, then start new ones; also of a section that was stopped'),
  )
    .argument('[section]', 'section to restart (default: all)')
    .action(async (section: string | undefined, flags: WaitFlags) => {
      process.exitCode = await (await import('./commands/reload.ts')).restart(section, flags);
    });
}

function addReload(ph: Command): void {
  addWaitFlags(
    ph.command('reload').description('read the configuration anew and replace the workers, without a gap'),
  )
    .argument('[section]', 'section to reload (default: all)')
    .option('--dry-run', 'only print what would change')
    .addHelpText(
      'after',
      `
New workers are ready before old ones go. Where the configuration or the code does not load, nothing changes, the
reason is printed, and the exit code is 1, or 2 for the configuration.`,
    )
    .action(async (section: string | undefined, flags: ReloadFlags) => {
      process.exitCode = await (await import('./commands/reload.ts')).reload(section, flags);
    });
}

function addUpgrade(ph: Command): void {
  addWaitFlags(
    ph
      .command('upgrade')
      .description('replace the supervisor itself, and with it Node and ph, without a gap'),
  ).action(async (flags: WaitFlags) => {
    process.exitCode = await (await import('./commands/upgrade.ts')).upgrade(flags);
  });
}

function addScale(ph: Command): void {
  addWaitFlags(ph.command('scale').description('change how many workers a section has'))
    .argument('<section=n...>', 'SECTION=4, SECTION=+1 or SECTION=-2')
    .addHelpText('after', '\nThe next reload goes back to number_workers of the configuration.')
    .action(async (wishes: readonly string[], flags: WaitFlags) => {
      process.exitCode = await (await import('./commands/scale.ts')).scale(wishes, flags);
    });
}

function addStack(ph: Command): void {
  addSupervisorFlags(
    ph
      .command('stack')
      .description('show where workers are: their main threads, and the tasks on their threads'),
  )
    .argument('[worker]', 'SECTION#INDEX, or SECTION for all of its workers (default: all)')
    .action(async (worker: string | undefined, flags: SupervisorFlags) => {
      process.exitCode = await (await import('./commands/stack.ts')).stack(worker, flags);
    });
}

function addSubmit(ph: Command): void {
  addSupervisorFlags(ph.command('submit').description('run one task in a section, and print its result'))
    .argument('<section>', 'section whose workers run it')
    .argument('[json]', 'payload; - reads it from stdin (default: none)')
    .option('--name <function>', 'exported function to call (default: default)')
    .addOption(
      parsedOption('--timeout <duration>', 'how long it may run (default: task_timeout)', duration()),
    )
    .addHelpText('after', '\nExample:\n  $ ph submit math \'{"n": 30}\' --name fib')
    .action(async (section: string, json: string | undefined, flags: SubmitFlags) => {
      process.exitCode = await (await import('./commands/submit.ts')).submit(section, json, flags);
    });
}

/** Of a command that reaches a running supervisor. */
export function addSupervisorFlags(command: Command): Command {
  return command
    .option(
      '-c, --config <file>',
      'configuration of the supervisor (default: the nearest ph.ini from here upwards)',
    )
    .addOption(parsedOption('--instance <k>', 'the k-th supervisor of the configuration', integer(1)))
    .option('--all', 'all supervisors of the configuration')
    .option('--socket <file>', 'control socket of the supervisor, whatever the configuration says');
}

function addWaitFlags(command: Command): Command {
  return addSupervisorFlags(command)
    .addOption(
      parsedOption('--timeout <duration>', 'wait so long at the most; what was begun goes on', duration()),
    )
    .option('--no-wait', 'return at once');
}
