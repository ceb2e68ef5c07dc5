/** The commands that need no running supervisor, beside `run` and `check`. */

import { Argument, type Command, Option } from 'commander';
import { MAX_THREADS } from '../config/keys.ts';
import { duration, integer, integerOrAuto } from '../config/kinds/scalars.ts';
import type { LogsFlags } from './commands/logs.ts';
import type { MapFlags } from './commands/map.ts';
import type { SystemdFlags } from './commands/systemd.ts';
import { type Shell, shells } from './completion/scripts.ts';
import { addConfigurationFlags, collect, parsedOption } from './flags.ts';
import { LEVELS } from './logs/log-line.ts';
import { moment } from './logs/since.ts';
import { addQueueCommands } from './queue-commands.ts';

/** Adds them to `ph`; the module of a command is loaded only when it is called. */
export function addStandaloneCommands(ph: Command): void {
  addMap(ph);
  addLogs(ph);
  addInit(ph);
  addSystemd(ph);
  addCompletion(ph);
  addQueueCommands(ph);
}

function addMap(ph: Command): void {
  const processes = integerOrAuto(1, 1024);
  const threads = integerOrAuto(1, MAX_THREADS);
  ph.command('map')
    .description('run a task for each line of stdin, or for each file; results are NDJSON on stdout')
    .argument('<file>', 'task module, or FILE#name for another task than its default export')
    .option('--glob <pattern>', 'files whose paths are the inputs; may be given several times', collect)
    .option('--lines', 'lines are texts (default: each is a JSON value)')
    .addOption(parsedOption('-p, --processes <n>', 'worker processes, or auto', processes).default('auto'))
    .addOption(parsedOption('-t, --threads <n>', 'threads per process, or auto', threads).default('auto'))
    .addOption(
      parsedOption('--timeout <duration>', 'limit of one run of the task', duration()).default(0, 'none'),
    )
    .addOption(
      parsedOption(
        '--retries <n>',
        'how often an input is run again whose process crashed',
        integer(0),
      ).default(1),
    )
    .option('--ordered', 'write the results in the order of the inputs')
    .option('--fail-fast', 'end with the first input that fails')
    .option('-o, --output <file>', 'write there instead of to stdout')
    .option('--checkpoint <file>', 'note there what is done; the same command continues an interrupted run')
    .addHelpText(
      'after',
      `
Each line of the output is {"input","result"} or {"input","error"}. Exit code 1 if any input failed.

Examples:
  $ ph map tasks/math.ts#fib < inputs.ndjson > results.ndjson
  $ ph map resize.ts --glob 'photos/**/*.jpg' --processes 4 > done.ndjson
  $ cut -f 3 table.tsv | ph map check.ts#url --lines --timeout 30s --retries 0
  $ ph map tasks/math.ts#fib -o out.ndjson --checkpoint out.checkpoint < inputs.ndjson`,
    )
    .action(async (target: string, flags: MapFlags) => {
      process.exitCode = await (await import('./commands/map.ts')).map(target, flags);
    });
}

function addLogs(ph: Command): void {
  ph.command('logs')
    .description('show the log files of the sections, rotated ones too')
    .argument('[section]', 'section whose log is shown (default: those of all, in the order of time)')
    .option('-c, --config <file>', 'configuration (default: the nearest ph.ini from here upwards)')
    .option('-f, --follow', 'go on with what is logged from now on')
    .addOption(
      parsedOption('-n, --lines <n>', 'the last so many lines (default: 100; with --since, all)', integer(0)),
    )
    .addOption(
      new Option('--level <level>', 'only lines of this level, or a worse one').choices(Object.keys(LEVELS)),
    )
    .addOption(
      parsedOption('--since <when>', 'only lines that are not older: 90s, 10m, 2h, 2026-01-31T12:00', moment),
    )
    .option('--json', 'lines as they are in the file')
    .addHelpText(
      'after',
      `
Examples:
  $ ph logs -f                          the last 100 lines, and what comes
  $ ph logs images -n 20 --level warn   the last 20 warnings and errors of one section
  $ ph logs --since 10m --json | jq .   for a program`,
    )
    .action(async (section: string | undefined, flags: LogsFlags) => {
      process.exitCode = await (await import('./commands/logs.ts')).logs(section, flags);
    });
}

function addInit(ph: Command): void {
  ph.command('init')
    .description('write a project that runs: package.json, ph.ini, a task module and its test')
    .argument('[dir]', 'where; it is made if need be', '.')
    .action(async (directory: string) => {
      process.exitCode = await (await import('./commands/init.ts')).init(directory);
    });
}

function addSystemd(ph: Command): void {
  addConfigurationFlags(ph.command('systemd').description('print a systemd unit for the configuration'))
    .option('--user <user>', 'who the supervisor runs as (default: you)')
    .addHelpText(
      'after',
      `
Examples:
  $ ph systemd --user www-data | sudo tee /etc/systemd/system/jobs.service
  $ sudo systemctl daemon-reload && sudo systemctl enable --now jobs`,
    )
    .action(async (file: string | undefined, flags: SystemdFlags) => {
      process.exitCode = await (await import('./commands/systemd.ts')).systemd(file, flags);
    });
}

function addCompletion(ph: Command): void {
  ph.command('completion')
    .description('print a script that lets a shell complete ph: commands, options, sections, files')
    .addArgument(new Argument('<shell>', 'which').choices(shells))
    .addHelpText(
      'after',
      `
Examples:
  $ eval "$(ph completion bash)"                                      in ~/.bashrc
  $ eval "$(ph completion zsh)"                                       in ~/.zshrc, after compinit
  $ ph completion fish > ~/.config/fish/completions/ph.fish           once`,
    )
    .action(async (shell: Shell) => {
      process.exitCode = await (await import('./commands/completion.ts')).completion(shell);
    });
  ph.command('__complete', { hidden: true })
    .argument('[words...]')
    .action(async (words: readonly string[]) => {
      process.exitCode = await (await import('./commands/completion.ts')).printCompletion(ph, words);
    });
}
