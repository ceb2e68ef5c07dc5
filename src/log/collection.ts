/** Takes over what a worker or a hook prints, line by line, as fast as the output takes it. */
import type { Readable } from 'node:stream';
import { type Line, LineSplitter } from './lines.ts';
import { type Origin, toRecord } from './records.ts';
import type { Sink } from './sink.ts';

export interface CollectionSource {
  /** undefined: it is of no single section. */
  readonly section: string | undefined;
  readonly pid: number;
  /** Number of the worker within its section, from 1. */
  readonly index?: number;
  /** The key whose command prints, where it is no worker. */
  readonly hook?: string;
  readonly stdout: Readable;
  readonly stderr: Readable;
}

export interface Collection {
  /** True while the output is slower than the worker: a worker that is silent then may only be blocked on its own print. */
  readonly paused: boolean;
  /**
   * Resolves when both streams have ended and their last line is handed to the output; never rejects. It may outlive the
   * worker for as long as a child of the worker holds the pipe open.
   */
  readonly done: Promise<void>;
}

/** `sink` is asked anew for each line, since a reload may change where a section's lines go. */
export function collect({ stdout, stderr, ...source }: CollectionSource, sink: () => Sink): Collection {
  let waiting = 0;

  async function room(): Promise<void> {
    waiting += 1;
    // Another source may fill it again before our turn comes.
    while (sink().full) await sink().drained();
    waiting -= 1;
  }

  async function copy(stream: Readable, origin: Origin): Promise<void> {
    const splitter = new LineSplitter();
    async function write(lines: Iterable<Line>): Promise<void> {
      for (const line of lines) {
        // A promise for each line would cost more than the line.
        if (sink().full) await room();
        sink().write(toRecord(line, origin));
      }
    }
    try {
      for await (const chunk of stream) await write(splitter.push(chunk));
    } catch {
      // A pipe that breaks has ended.
    }
    await write(splitter.end());
  }

  const streams = [
    copy(stdout, { ...source, stream: 'stdout' }),
    copy(stderr, { ...source, stream: 'stderr' }),
  ];
  return {
    get paused() {
      return waiting > 0;
    },
    done: Promise.all(streams).then(() => {}),
  };
}
