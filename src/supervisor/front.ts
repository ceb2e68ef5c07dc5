/** Where a supervisor can be reached while it is in charge: its control socket and its metrics. */

import type { Logger } from 'pino';
import type { Status } from '../control/protocol.ts';
import type { MetricsServer, ServedSocket } from '../metrics/server.ts';
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
  /** Loaded where there is an address for them: an HTTP server costs memory. */
  #metrics: Promise<MetricsServer | undefined> | undefined;

  constructor(options: FrontOptions) {
    const { logger, controlPath } = options;
    this.#options = options;
    this.#control = new Control({ logger, handlers: new Operations(options), path: controlPath });
  }

  /** Resolves when commands reach this supervisor. */
  async open(): Promise<void> {
    await Promise.all([this.serveMetrics(), this.#control.open()]);
  }

  /** The same in place of the supervisor that this one replaces. */
  async takeOver(): Promise<void> {
    await Promise.all([this.serveMetrics(), this.#control.takeOver()]);
  }

  /** To be called again where a reload has changed their address. */
  async serveMetrics(): Promise<void> {
    const { metricsSocket } = this.#options;
    if (metricsSocket()) this.#metrics ??= this.#createMetrics();
    (await this.#metrics)?.serve(metricsSocket());
  }

  /** Called now and then: somebody may have removed the control socket, a reload may have moved it. */
  look(): void {
    this.#control.look();
  }

  /** The supervisor of that pid answers from now on; this one goes on until its workers have ended. */
  handOver(pid: number): void {
    this.#control.handOver();
    void this.#metrics?.then(metrics => metrics?.handOver(pid));
  }

  /** Resolves when answers that are on their way have gone out. */
  async close(): Promise<void> {
    (await this.#metrics)?.close();
    await this.#control.close();
  }

  /** Undefined where its files are gone, as after a deploy: that must cost no worker. */
  async #createMetrics(): Promise<MetricsServer | undefined> {
    const { logger, status, sections, reload } = this.#options;
    try {
      const { MetricsServer } = await import('../metrics/server.ts');
      return new MetricsServer({
        logger,
        status,
        groups: () => sections.groups.values(),
        reloads: () => reload.outcomes,
      });
    } catch (error) {
      logger.error(`no metrics can be served: ${(error as Error).message}`);
      this.#metrics = undefined;
      return undefined;
    }
  }
}
