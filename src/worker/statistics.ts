/** What this process counts of itself, put together for a heartbeat. */

import type { Statistics } from '../channel/statistics.ts';
import { LoadMeter } from '../load-meter.ts';
import { RpcCounts } from '../rpc/rpc-counts.ts';
import { RecentTimes } from './recent-times.ts';
import type { Servers } from './servers.ts';
import { TaskCounts } from './task-counts.ts';

const none = new TaskCounts();

export class WorkerStatistics {
  readonly rpc = new RpcCounts();
  readonly #servers: Servers;
  readonly #load = new LoadMeter();
  readonly #recent = new RecentTimes(performance.now());

  constructor(servers: Servers) {
    this.#servers = servers;
  }

  /** `counts`: of all tasks so far. */
  read(counts = none): Statistics {
    const { tasks, runTime, waitTime, fine } = counts;
    return {
      tasks,
      runTime,
      waitTime,
      recent: this.#recent.read(fine, performance.now()),
      rpc: this.rpc.all,
      accepted: this.#servers.accepted,
      ...this.#load.read(),
    };
  }
}
