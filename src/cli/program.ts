/** Parses the command line and hands over to a command. */

import { Command, CommanderError } from 'commander';
import { ExitCode } from '../errors.ts';
import { packageVersion } from '../version.ts';
import type { ConfigurationOptions } from './configuration.ts';
import { explain } from './explain.ts';
import { addConfigurationFlags } from './flags.ts';

/** What a command does once its words are understood; its module is loaded only then. */
type Action<Options> = (file: string | undefined, options: Options) => Promise<ExitCode>;

/** All commands, with what they take. */
export async function createProgram(): Promise<Command> {
  const ph = new Command('ph')
    .description('Keeps worker processes alive, each with a pool of threads for CPU tasks.')
    .version(packageVersion)
    .enablePositionalOptions()
    .showHelpAfterError('(ph --help, or ph COMMAND --help, shows what there is)')
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 usage or configuration, 3 not running, 4 already running, 5 no worker could boot.',
    );

  addCommand(ph, 'run', 'start worker processes and keep them alive', async (file, options) =>
    (await import('./commands/run.ts')).run(file, options),
  )
    .option('-d, --daemon', 'go to the background; returns when the workers are ready')
    .option('--no-daemon', 'stay in the foreground, whatever ph.ini says')
    .option('--watch', 'restart the workers when a task module, or a file that it imports, changes')
    .addHelpText(
      'after',
      `
Examples:
  $ ph run tasks/jobexecute.ts                 run one task module
  $ ph run tasks/jobexecute.ts -w 2 -t 4       with 2 worker processes of 4 threads each
  $ ph run                                     run every section of ph.ini that has a task
  $ ph run -s images -s mail -c /etc/ph.ini    run two of them
  $ ph run -d --set log_file=ph.log            in the background
  $ ph run tasks/web.ts -b 127.0.0.1:8080      with an address on which its workers accept
  $ ph run tasks/jobexecute.ts --watch         restart when the code changes`,
    );

  addCommand(
    ph,
    'check',
    'load the configuration and the task modules, and say what is wrong with them',
    async (file, options) => (await import('./commands/check.ts')).check(file, options),
  )
    .option('--json', 'print {"sections", "problems", "notes"}')
    .addHelpText(
      'after',
      `
Examples:
  $ ph check                          every section of the nearest ph.ini
  $ ph check -s images                one of them
  $ ph check tasks/jobexecute.ts      one task module
  $ ph check --json | jq .problems    for a program`,
    );
  // What a supervisor need not wait for when it starts.
  if (process.argv[2] !== 'run') {
    (await import('./views.ts')).addViewCommands(ph);
    (await import('./control.ts')).addControlCommands(ph);
    (await import('./standalone.ts')).addStandaloneCommands(ph);
  }
  return ph;
}

/** A command that reads the configuration, with the flags that all of those share. */
function addCommand<Options extends ConfigurationOptions>(
  ph: Command,
  name: string,
  description: string,
  action: Action<Options>,
) {
  return addConfigurationFlags(ph.command(name).description(description)).action(
    async (file: string | undefined, options: Options) => {
      process.exitCode = await action(file, options);
    },
  );
}

/** Does what the command line says, and sets `process.exitCode`. */
export async function runProgram(): Promise<void> {
  try {
    await (await createProgram()).parseAsync();
  } catch (error) {
    // Commander has printed its own already.
    if (error instanceof CommanderError)
      process.exitCode = error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
    else process.exitCode = explain(error);
  }
}
