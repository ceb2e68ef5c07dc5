/** Projects that consume a queue, and outside clients of it. */

import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createPostgresBackend, type Job, Queue } from 'bullmq';
import { cleanUp } from './cleanup.ts';
import { type Ph, startPh } from './ph.ts';
import { createProject, iniText, type Project } from './project.ts';

const module = `
import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const note = ({ name, attempt, job }) => appendFileSync('runs', \`\${name} \${job.id} \${attempt}\\n\`);

export default function (payload, context) {
  note(context);
  return { payload, attempt: context.attempt, threadId: context.threadId };
}

/** Runs until there is a file of that name. */
export async function hold(file, context) {
  note(context);
  while (!existsSync(file)) {
    context.signal.throwIfAborted();
    await delay(10);
  }
  return context.attempt;
}

export function spin(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
  return ms;
}

export async function tell(payload, { job }) {
  for (let i = 1; i <= 50; i++) job.progress(i);
  job.log('half');
  await delay(1);
  job.log('all');
  job.progress({ percent: 100 });
}

export function fail(times, { attempt }) {
  if (attempt <= times) throw new RangeError(\`attempt \${attempt}\`);
  return attempt;
}

export function exit() {
  process.exit(7);
}
`;

export interface QueueProject extends Project {
  /** \`NAME ID ATTEMPT\` of every run that has begun. */
  readonly runs: () => string[];
}

/** One section, `jobs`, with the queue of that name. */
export function queueProject(
  t: TestContext,
  url: string,
  keys: Readonly<Record<string, string | number>> = {},
): QueueProject {
  const project = createProject(t, { 'tasks.mjs': module });
  writeIni(project, url, keys);
  return {
    ...project,
    runs() {
      try {
        return readFileSync(project.path('runs'), 'utf8').trimEnd().split('\n');
      } catch {
        return [];
      }
    },
  };
}

export function writeIni(
  project: Project,
  url: string,
  keys: Readonly<Record<string, string | number>>,
): void {
  const jobs = { task: 'tasks.mjs', queue: 'jobs', queue_url: url, threads: 2, lock_duration: 2, ...keys };
  project.write('ph.ini', iniText({ jobs }));
}

/** Starts `ph run`, and waits until its worker processes are ready. */
export async function consume(t: TestContext, project: Project): Promise<Ph> {
  const ph = startPh(t, ['run'], { cwd: project.directory });
  await ph.ready();
  return ph;
}

/** A producer as anybody would write it. */
export function producer(t: TestContext, url: string, name = 'jobs'): Queue {
  const queue = url.startsWith('redis')
    ? new Queue(name, { connection: { url, maxRetriesPerRequest: null } })
    : (new Queue(
        name,
        { connection: { connectionString: url, migrate: true } },
        createPostgresBackend,
      ) as unknown as Queue);
  queue.on('error', () => {});
  cleanUp(t, () => queue.close());
  return queue;
}

/** Waits until the job is in that state, and returns it as it is then. */
export async function untilState(queue: Queue, { id }: Job, state: string, limit = 20_000): Promise<Job> {
  const deadline = performance.now() + limit;
  for (;;) {
    const found = await queue.getJobState(id as string);
    if (found === state) return (await queue.getJob(id as string)) as Job;
    if (performance.now() > deadline)
      throw new Error(`job ${id} is ${found}, not ${state}, after ${limit} ms`);
    await delay(10);
  }
}
