/** How busy a process is: its CPU time, and its main thread's event loop. */

import { type EventLoopUtilization, monitorEventLoopDelay, performance } from 'node:perf_hooks';

export interface Load {
  readonly cpu: {
    /** Of all threads, ms. */
    readonly total: number;
    /** Lately, of one core: 200 is two cores. */
    readonly percent: number;
  };
  readonly eventLoop: {
    /** Part of the time that it was busy lately, 0 to 1. */
    readonly utilization: number;
    /** The 99th percentile of how late it came to its timers lately, ms. */
    readonly delay: number;
  };
}

/** What is told of a shorter time is noise, ms. */
const shortest = 900;
/** Delays are told of the last one to two of these, ms: nobody looks more often than that. */
const delayWindow = 10_000;
/** Pace at which delays are looked for, ms: an idle process pays 0.1 % of a core for it. */
const resolution = 50;

export class LoadMeter {
  readonly #delays = monitorEventLoopDelay({ resolution });
  #windowBegan = performance.now();
  /** Of the window before, ms. */
  #delayBefore = 0;
  #since = performance.now();
  #cpu = cpuTime();
  #loop: EventLoopUtilization = performance.eventLoopUtilization();
  #lately = { percent: 0, utilization: 0 };

  constructor() {
    this.#delays.enable();
  }

  read(): Load {
    const now = performance.now();
    const total = cpuTime();
    if (now - this.#since >= shortest) this.#measure(now, total);
    const { percent, utilization } = this.#lately;
    return { cpu: { total, percent }, eventLoop: { utilization, delay: this.#delay(now) } };
  }

  #measure(now: number, cpu: number): void {
    const loop = performance.eventLoopUtilization();
    this.#lately = {
      percent: (100 * (cpu - this.#cpu)) / (now - this.#since),
      utilization: performance.eventLoopUtilization(loop, this.#loop).utilization,
    };
    this.#since = now;
    this.#cpu = cpu;
    this.#loop = loop;
  }

  #delay(now: number): number {
    // It counts from one look to the next.
    const current = Math.max(0, this.#delays.percentile(99) / 1e6 - resolution);
    const delay = Math.max(this.#delayBefore, current);
    if (now - this.#windowBegan >= delayWindow) {
      this.#windowBegan = now;
      this.#delayBefore = current;
      this.#delays.reset();
    }
    return delay;
  }
}

function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
