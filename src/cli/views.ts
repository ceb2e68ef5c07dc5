/** The commands that show how running supervisors are. */

import type { Command } from 'commander';
import type { StatusFlags } from './commands/status.ts';
import { addSupervisorFlags } from './control.ts';
import type { SupervisorFlags } from './supervisors.ts';

/** Adds them to `ph`; the module of a command is loaded only when it is called. */
export function addViewCommands(ph: Command): void {
  addStatus(ph);
  addTop(ph);
}

function addStatus(ph: Command): void {
  addSupervisorFlags(ph.command('status').description('show what runs, and how it is'))
    .argument('[section]', 'section to show (default: all)')
    .option('-w, --watch', 'show it anew each second')
    .option('--json', 'print {"supervisors"}; with --watch, a line of JSON each second')
    .addHelpText(
      'after',
      `
Exit codes: 0 all is well, 1 a section is failed, 2 there is no such section, 3 nothing runs.

Examples:
  $ ph status                                       a table that fits the terminal
  $ ph status images --watch                        one section, live
  $ ph status --json | jq .supervisors[0].sections  for a program`,
    )
    .action(async (section: string | undefined, flags: StatusFlags) => {
      process.exitCode = await (await import('./commands/status.ts')).status(section, flags);
    });
}

function addTop(ph: Command): void {
  addSupervisorFlags(ph.command('top').description('watch what runs on the whole screen, and steer it'))
    .addHelpText(
      'after',
      '\nKeys: arrows select and sort, + and - scale, r reloads, s shows a stack, ? lists all.',
    )
    .action(async (flags: SupervisorFlags) => {
      process.exitCode = await (await import('./commands/top.ts')).top(flags);
    });
}
