/** The commands of queues. They need no supervisor, only the configuration and the queue's server. */

import type { Command } from 'commander';
import { duration, integer } from '../config/kinds/scalars.ts';
import type { EnqueueFlags } from './commands/enqueue.ts';
import type { QueueFlags } from './commands/queue.ts';
import { parsedOption } from './flags.ts';

/** Jobs that BullMQ can tell apart by their priority. */
const leastPriority = 2 ** 21;

export function addQueueCommands(ph: Command): void {
  ph.command('enqueue')
    .description("add jobs to a section's queue")
    .argument('<section>', 'section with a queue')
    .argument('[json]', 'payload of one job (default: a job for each line of JSON on stdin)')
    .option('-c, --config <file>', 'configuration (default: the nearest ph.ini from here upwards)')
    .option('--name <name>', 'exported function that runs it', 'default')
    .addOption(parsedOption('--delay <duration>', 'run it no sooner', duration()))
    .addOption(
      parsedOption('--priority <n>', '1 comes first; without, before all of them', integer(0, leastPriority)),
    )
    .addOption(
      parsedOption('--attempts <n>', 'how often it is run if it fails, with growing waits', integer(1)),
    )
    .option('--wait', 'wait for the results, and print them instead of the ids')
    .addHelpText(
      'after',
      `
Prints the id of each job. With --wait: the result, or for jobs from stdin {"id","result"} or {"id","error"};
exit code 1 if any failed.

Examples:
  $ ph enqueue thumbnails '{"file":"a.jpg","width":200}'
  $ ph enqueue thumbnails --wait '{"file":"a.jpg","width":200}'
  $ ph enqueue thumbnails --delay 10m --attempts 5 < jobs.ndjson`,
    )
    .action(async (section: string, json: string | undefined, flags: EnqueueFlags) => {
      process.exitCode = await (await import('./commands/enqueue.ts')).enqueue(section, json, flags);
    });

  ph.command('queue')
    .description("show a section's queue: counts, the oldest waiting job, the failed ones")
    .argument('<section>', 'section with a queue')
    .option('-c, --config <file>', 'configuration (default: the nearest ph.ini from here upwards)')
    .option('--json', 'as JSON')
    .option('--retry-failed', 'let all failed jobs run again')
    .addHelpText(
      'after',
      `
Examples:
  $ ph queue thumbnails
  $ ph queue thumbnails --retry-failed
  $ ph queue thumbnails --json | jq .counts.waiting`,
    )
    .action(async (section: string, flags: QueueFlags) => {
      process.exitCode = await (await import('./commands/queue.ts')).queue(section, flags);
    });
}
