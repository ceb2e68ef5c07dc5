/** Where a supervisor can be reached while it is in charge: its control socket and its metrics. */

import type { Logger } from 'pino';
import type { Status } from '../control/protocol.ts';
import { MetricsServer, type ServedSocket } from '../metrics/server.ts';
import { Control } from './control.ts';
import { Operations, type OperationsOptions } from './operations.ts';
import type { Reload } from './reload.ts';

export interface FrontOptions extends OperationsOptions {
  readonly logger: Logger;
  readonly status: () => Status;
  readonly reload: Reload;
  /** Where the control socket is to be now. */
  readonly controlPath: () => string;
  /** Undefined without `metrics_bind`. */
  readonly metricsSocket: () => ServedSocket | undefined;
}

export class Front {
  readonly #options: FrontOptions;
  readonly #control: Control;
  readonly #metrics: MetricsServer;

  constructor(options: FrontOptions) {
    const { logger, status, sections, reload, controlPath } = options;
    this.#options = options;
    this.#control = new Control({ logger, handlers: new Operations(options), path: controlPath });
    this.#metrics = new MetricsServer({
      logger,
      status,
      groups: () => sections.groups.values(),
      reloads: () => reload.outcomes,
    });
  }

  /** Takes both places, also from a supervisor that this one replaces. Resolves when commands reach this one. */
  async open(): Promise<void> {
    this.serveMetrics();
    await this.#control.open();
  }

  /** To be called again where a reload has changed their address. */
  serveMetrics(): void {
    this.#metrics.serve(this.#options.metricsSocket());
  }

  /** Called now and then: somebody may have removed the control socket, a reload may have moved it. */
  look(): void {
    this.#control.look();
  }

  /** The supervisor of that pid answers from now on; this one goes on until its workers have ended. */
  handOver(pid: number): void {
    this.#metrics.handOver(pid);
  }

  /** Resolves when answers that are on their way have gone out. */
  async close(): Promise<void> {
    this.#metrics.close();
    await this.#control.close();
  }
}
