/** What the supervisor itself takes of the machine. */

import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';

/** Over how long it is measured at the least, ms. */
const window = 1000;
const nanoseconds = 1e6;
const microseconds = 1000;

export interface Usage {
  /** Percent of one core. */
  readonly cpu: number;
  /** How busy the main thread was, 0 to 1, and the 99th percentile of how late it came to its timers, ms. */
  readonly eventLoop: { readonly utilization: number; readonly delay: number };
}

export class OwnUsage {
  readonly #delays: IntervalHistogram = monitorEventLoopDelay({ resolution: 20 });
  #cpu = process.cpuUsage();
  #loop = performance.eventLoopUtilization();
  #since = performance.now();
  #lately: Usage = { cpu: 0, eventLoop: { utilization: 0, delay: 0 } };

  constructor() {
    this.#delays.enable();
  }

  get lately(): Usage {
    return this.#lately;
  }

  /** Called at every tick. */
  tick(): void {
    const elapsed = performance.now() - this.#since;
    if (elapsed < window) return;
    const { user, system } = process.cpuUsage(this.#cpu);
    const { utilization } = performance.eventLoopUtilization(this.#loop);
    this.#lately = {
      cpu: ((user + system) / microseconds / elapsed) * 100,
      eventLoop: { utilization, delay: this.#delays.percentile(99) / nanoseconds },
    };
    this.#cpu = process.cpuUsage();
    this.#loop = performance.eventLoopUtilization();
    this.#since = performance.now();
    this.#delays.reset();
  }

  close(): void {
    this.#delays.disable();
  }
}
