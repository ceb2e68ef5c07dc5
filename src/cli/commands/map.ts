/** `ph map` */

import { fstatSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { ExitCode, OutputError, UnknownTaskError, UsageError } from '../../errors.ts';
import { resolvePoolOptions } from '../../pool/options.ts';
import { TwoTierPool } from '../../pool/pool.ts';
import { CheckpointFile } from '../map/checkpoint.ts';
import { findFiles, type Input, type InputFormat, listFiles, readLines } from '../map/inputs.ts';
import { MapRun } from '../map/map-run.ts';
import { checkOutput, type Destination, FileDestination, StdoutDestination } from '../map/output.ts';
import { count, formatRate, formatSeconds, Progress } from '../map/progress.ts';

export interface MapFlags {
  readonly glob?: readonly string[];
  readonly lines?: boolean;
  readonly processes: number | 'auto';
  readonly threads: number | 'auto';
  /** ms; 0: none. */
  readonly timeout: number;
  readonly retries: number;
  readonly ordered?: boolean;
  readonly failFast?: boolean;
  readonly output?: string;
  readonly checkpoint?: string;
}

/** How long what runs may take to finish after a first signal, ms. */
const FINISH_LIMIT = 10_000;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** A process that does not start is tried again soon: there is nothing else to wait for. ms. */
const RESTART_DELAY_MAX = 1000;
/** Enough to keep all threads busy with the smallest tasks. */
const LEAST_CONCURRENCY = 256;

/** Returns the exit code. @param target `FILE` or `FILE#name` */
export async function map(target: string, flags: MapFlags): Promise<number> {
  const { file, name } = parseTarget(target);
  const output = pathOf('--output', flags.output);
  const checkpointPath = pathOf('--checkpoint', flags.checkpoint);
  if (output !== undefined && output === checkpointPath) {
    throw new UsageError(`${output} cannot be both the output and the checkpoint; name another file for one`);
  }
  const source = await openSource(flags);
  const identity = { task: `${file}#${name}`, format: source.format, output };
  const checkpoint =
    checkpointPath === undefined ? undefined : await CheckpointFile.open(checkpointPath, identity);
  if (output !== undefined) checkOutput(output, checkpoint?.earlier?.outputLength, checkpoint !== undefined);
  return new MapCommand({ file, name, source, output, checkpoint, flags }).run();
}

/** Absolute. A shell variable that is not set must not pass for a flag that was not given. */
function pathOf(flag: string, path: string | undefined): string | undefined {
  if (path === '') throw new UsageError(`${flag} names no file`);
  return path === undefined ? undefined : resolve(path);
}

interface Plan {
  readonly file: string;
  readonly name: string;
  readonly source: Source;
  readonly output: string | undefined;
  readonly checkpoint: CheckpointFile | undefined;
  readonly flags: MapFlags;
}

class MapCommand {
  readonly #plan: Plan;
  readonly #progress = new Progress(isatty(2) && process.env.TERM !== 'dumb' ? process.stderr : undefined);
  /** stderr, above the progress line. */
  readonly #log: Writable = this.#progress.above(process.stderr);
  #interrupt: NodeJS.Signals | undefined;

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  async run(): Promise<number> {
    const { file, flags } = this.#plan;
    const { processes, threads, retries, timeout: taskTimeout } = flags;
    const restartDelayMax = RESTART_DELAY_MAX;
    const options = resolvePoolOptions(file, { processes, threads, retries, taskTimeout, restartDelayMax });
    // What is on stdout are the records alone.
    const pool = new TwoTierPool({ ...options, output: { stdout: this.#log, stderr: this.#log } });
    pool.on('error', error => this.#say(error.message));
    await pool.start();
    try {
      const destination = await this.#openDestination();
      const { numberWorkers, threads } = options.config;
      const concurrency = Math.max(LEAST_CONCURRENCY, 4 * numberWorkers * threads);
      const run = await this.#createRun(pool, destination, concurrency);
      return await this.#carryOut(run, destination);
    } finally {
      this.#progress.end();
      await pool.destroy();
      // A slow reader of stderr gets all of it, unless somebody wants an end.
      if (!this.#interrupt) await new Promise<void>(resolve => this.#log.end(resolve));
    }
  }

  async #openDestination(): Promise<Destination> {
    const { output, checkpoint } = this.#plan;
    const earlier = checkpoint?.earlier;
    if (output !== undefined) return FileDestination.open(output, earlier?.outputLength);
    const isTerminal = isatty(1);
    return new StdoutDestination(earlier !== undefined, () => isTerminal && this.#progress.hide());
  }

  async #createRun(pool: TwoTierPool, destination: Destination, concurrency: number): Promise<MapRun> {
    const { name, source, checkpoint, flags } = this.#plan;
    const { ordered = false, failFast = false } = flags;
    const run = new MapRun({
      pool,
      name,
      inputs: source.inputs,
      totalSize: source.totalSize,
      destination,
      checkpoint,
      ordered,
      failFast,
      concurrency,
    });
    await checkpoint?.start(
      () => run.progress,
      () => destination.sync(),
      error => run.fail(error),
    );
    return run;
  }

  async #carryOut(run: MapRun, destination: Destination): Promise<number> {
    for (const signal of SIGNALS) process.on(signal, () => this.#onSignal(signal, run));
    this.#progress.start(() => run.state);
    const begun = performance.now();
    await run.run();
    const seconds = (performance.now() - begun) / 1000;
    const { failure } = run;
    await this.#plan.checkpoint?.close(failure !== undefined);
    await destination.close(failure !== undefined);
    this.#progress.end();
    // Whoever reads has enough: no reason to say anything, and yet not all is done.
    if (isReaderGone(failure)) return ExitCode.failed;
    if (!failure || run.doneNow > 0) this.#say(this.#summary(run, seconds));
    if (failure) throw this.#explained(failure);
    if (this.#interrupt) return 128 + constants.signals[this.#interrupt];
    return run.state.failed > 0 ? ExitCode.failed : ExitCode.done;
  }

  #onSignal(signal: NodeJS.Signals, run: MapRun): void {
    if (this.#interrupt) {
      run.giveUp();
      return;
    }
    this.#interrupt = signal;
    run.stop();
    setTimeout(() => run.giveUp(), FINISH_LIMIT).unref();
    if (run.inHand === 0) return;
    this.#say(`${signal}: what runs has ${FINISH_LIMIT / 1000} s to finish; again to stop at once`);
  }

  #summary(run: MapRun, seconds: number): string {
    const { doneNow, inHand, isStopped } = run;
    const { done, failed } = run.state;
    return [
      `${count(doneNow)} ${doneNow === 1 ? 'input' : 'inputs'} done in ${formatSeconds(seconds)}`,
      ` (${formatRate(doneNow / seconds)})`,
      done > doneNow && `, ${count(done - doneNow)} were done before`,
      failed > 0 && `, ${count(failed)} failed`,
      inHand > 0 && `, ${count(inHand)} read and not done`,
      isStopped && this.#plan.checkpoint && '; the same command continues',
    ]
      .filter(Boolean)
      .join('');
  }

  #explained(failure: Error): Error {
    if (!(failure instanceof UnknownTaskError)) return failure;
    return new UsageError(`${this.#plan.file}: ${failure.message}; name one: ph map FILE#name`);
  }

  #say(text: string): void {
    this.#log.write(`ph map: ${text}\n`);
  }
}

function isReaderGone(error: Error | undefined): boolean {
  return error instanceof OutputError && (error.cause as NodeJS.ErrnoException).code === 'EPIPE';
}

function parseTarget(target: string): { readonly file: string; readonly name: string } {
  const at = target.lastIndexOf('#');
  const isNamed = at > 0 && !isFile(target);
  const file = resolve(isNamed ? target.slice(0, at) : target);
  const name = isNamed ? target.slice(at + 1) : 'default';
  if (!isFile(file)) throw new UsageError(`the task module ${file} is no file; give FILE or FILE#name`);
  if (name === '') throw new UsageError(`${target} names no task; give FILE#name`);
  return { file, name };
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

interface Source {
  readonly format: InputFormat;
  /** undefined: nobody knows it. */
  readonly totalSize: number | undefined;
  readonly inputs: (signal: AbortSignal) => AsyncIterable<Input>;
}

async function openSource({ glob, lines }: MapFlags): Promise<Source> {
  if (glob) {
    if (lines) throw new UsageError('--lines is for lines on stdin, and --glob reads none');
    const paths = await findFiles(glob);
    return { format: 'glob', totalSize: paths.length, inputs: signal => listFiles(paths, signal) };
  }
  const stats = fstatSync(0);
  if (isatty(0)) {
    throw new UsageError(
      'nothing to read, since stdin is a terminal: ph map FILE < inputs.ndjson, or name files with --glob',
    );
  }
  if (stats.isDirectory()) throw new UsageError('stdin is a directory: ph map FILE < inputs.ndjson');
  const format = lines ? 'lines' : 'ndjson';
  return {
    format,
    totalSize: stats.isFile() ? stats.size : undefined,
    inputs: signal => readLines(process.stdin, format, signal),
  };
}
