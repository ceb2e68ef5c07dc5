/** The log outputs of `ph run`: the supervisor is the only one who writes to them. */
import { resolve } from 'node:path';
import { isatty } from 'node:tty';
import { type Logger, pino } from 'pino';
import { type Collection, type CollectionSource, collect } from './collection.ts';
import { FileTarget } from './file-target.ts';
import { type Format, prettyFormat } from './pretty.ts';
import { noticeRecord } from './records.ts';
import { Sink } from './sink.ts';
import { type StandardStream, StandardTarget, standardFds } from './standard-target.ts';
import type { Target } from './target.ts';

/** Where the lines of one section go. */
export interface LogSettings {
  readonly section: string;
  /** Path; undefined: the supervisor's standard stream. Where sections share an output, the first one decides on format and rotation. */
  readonly logFile: string | undefined;
  /** Name of a pino level, or `silent`: for what is logged, never for what a worker prints. */
  readonly logLevel: string;
  /** `auto`: pretty on a terminal, JSON otherwise. */
  readonly logFormat: 'auto' | 'pretty' | 'json';
  /** Bytes above which a file is rotated; 0: never. */
  readonly logMaxSize: number;
  /** Rotated files that are kept; 0: none. */
  readonly logKeep: number;
}

/** A section, and where its lines go now. */
interface Route {
  sink: Sink;
  level: string;
  /** Made when it is first asked for. */
  logger: Logger | undefined;
  /** Workers whose output is being taken. */
  collections: number;
}

interface FileOutput {
  readonly target: FileTarget;
  readonly sink: Sink;
}

export class Logs {
  /** Where lines go that no file takes. */
  readonly #standard: Sink;
  readonly #stream: StandardStream;
  /** The supervisor's own lines. */
  readonly #main: Route;
  readonly #routes = new Map<string, Route>();
  readonly #files = new Map<string, FileOutput>();
  /** Outputs that write their last lines. */
  readonly #closing = new Map<Sink, Promise<void>>();
  #sections: ReadonlySet<string> = new Set();

  /** Until the first `apply()` all lines go to that stream, at level `info`. */
  constructor(stream: StandardStream = 'stderr') {
    this.#stream = stream;
    this.#standard = new Sink(new StandardTarget(stream), this.#onTrouble);
    this.#standard.format = standardFormat(stream, 'auto');
    this.#main = { sink: this.#standard, level: 'info', logger: undefined, collections: 0 };
  }

  /**
   * Makes `settings` those in force, at the start and at each reload. What stays the same stays open.
   *
   * @throws LogFileError where a file cannot be opened; what was in force before stays so.
   */
  apply(settings: readonly LogSettings[]): void {
    for (const [path, file] of this.#openMissing(settings)) this.#files.set(path, file);

    const configured = new Set<Sink>();
    for (const each of settings) {
      redirect(this.#route(each.section), this.#configure(each, configured), each.logLevel);
    }
    const first = settings[0] && this.#route(settings[0].section);
    if (first !== undefined) redirect(this.#main, first.sink, first.level);
    if (!configured.has(this.#standard)) this.#standard.format = standardFormat(this.#stream, 'auto');
    this.#sections = new Set(settings.map(({ section }) => section));
    this.#closeUnused();
  }

  /**
   * A logger that follows later calls of `apply()`; its children follow in output, not in level.
   *
   * @param section undefined: the supervisor's own, which goes where the first section's lines go.
   */
  logger(section?: string): Logger {
    const route = section === undefined ? this.#main : this.#route(section);
    const { pid } = process;
    route.logger ??= pino(
      { name: 'ph', level: route.level, base: section === undefined ? { pid } : { pid, section } },
      { write: record => route.sink.write(record) },
    );
    return route.logger;
  }

  /** Takes a worker's or a hook's output until it ends, also where a reload removes its section. */
  collect(source: CollectionSource): Collection {
    const route = source.section === undefined ? this.#main : this.#route(source.section);
    route.collections += 1;
    const collection = collect(source, () => route.sink);
    void collection.done.then(() => {
      route.collections -= 1;
      this.#closeUnused();
    });
    return collection;
  }

  /** Opens all files anew by their names, after they have been renamed from outside. */
  reopen(): void {
    for (const { sink } of this.#files.values()) sink.reopen();
  }

  /** Writes what waits and closes. What cannot be written within two seconds without progress is lost, and reported. */
  async close(): Promise<void> {
    for (const { sink } of this.#files.values()) this.#close(sink);
    this.#files.clear();
    await Promise.all(this.#closing.values());
    // The last, since the others report to it.
    await this.#standard.close();
  }

  /** Writes what waits before it returns; for the end of a process that cannot wait for `close()`. */
  flushSync(): void {
    for (const { sink } of this.#files.values()) sink.flushSync();
    for (const sink of this.#closing.keys()) sink.flushSync();
    this.#standard.flushSync();
  }

  /** All or none. */
  #openMissing(settings: readonly LogSettings[]): Map<string, FileOutput> {
    const opened = new Map<string, FileOutput>();
    try {
      for (const { logFile } of settings) {
        if (logFile === undefined) continue;
        const path = resolve(logFile);
        if (this.#files.has(path) || opened.has(path)) continue;
        const target = new FileTarget(path);
        target.onRotateError = reason =>
          this.#onTrouble(target, `cannot rotate: ${reason}; writing goes on in the same file`);
        opened.set(path, { target, sink: new Sink(target, this.#onTrouble) });
      }
    } catch (error) {
      for (const { target } of opened.values()) target.close();
      throw error;
    }
    return opened;
  }

  #configure({ logFile, logFormat, logMaxSize, logKeep }: LogSettings, configured: Set<Sink>): Sink {
    const file = logFile === undefined ? undefined : this.#files.get(resolve(logFile));
    const sink = file?.sink ?? this.#standard;
    if (configured.has(sink)) return sink;
    configured.add(sink);
    if (file === undefined) {
      sink.format = standardFormat(this.#stream, logFormat);
    } else {
      sink.format = logFormat === 'pretty' ? prettyFormat(false) : undefined;
      file.target.maxSize = logMaxSize;
      file.target.keep = logKeep;
    }
    return sink;
  }

  #route(section: string): Route {
    let route = this.#routes.get(section);
    if (route === undefined) {
      route = { sink: this.#main.sink, level: this.#main.level, logger: undefined, collections: 0 };
      this.#routes.set(section, route);
    }
    return route;
  }

  #closeUnused(): void {
    for (const [section, route] of this.#routes) {
      // A removed section keeps its file for as long as its workers print; its loggers then join the supervisor's.
      if (!this.#sections.has(section) && route.collections === 0) route.sink = this.#main.sink;
    }
    const used = new Set([this.#main, ...this.#routes.values()].map(({ sink }) => sink));
    for (const [path, { sink }] of this.#files) {
      if (used.has(sink)) continue;
      this.#files.delete(path);
      this.#close(sink);
    }
  }

  #close(sink: Sink): void {
    const closed = sink.close().finally(() => this.#closing.delete(sink));
    this.#closing.set(sink, closed);
  }

  /** An arrow function, as the sinks keep it. */
  readonly #onTrouble = (target: Target, message: string): void => {
    const record = noticeRecord(50, `log ${target.name}: ${message}`);
    for (const sink of new Set([this.#standard, this.#main.sink])) sink.write(record);
  };
}

function redirect(route: Route, sink: Sink, level: string): void {
  route.sink = sink;
  route.level = level;
  if (route.logger !== undefined) route.logger.level = level;
}

function standardFormat(stream: StandardStream, format: LogSettings['logFormat']): Format | undefined {
  const isTerminal = isatty(standardFds[stream]);
  if (format === 'json' || (format === 'auto' && !isTerminal)) return undefined;
  return prettyFormat(isTerminal && !process.env.NO_COLOR);
}
