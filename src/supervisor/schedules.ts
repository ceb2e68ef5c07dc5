/** The schedules of all sections: those without a queue run from here, those with one are the queue's. */

import type { Logger } from 'pino';
import type { Configuration, SectionConfig } from '../config/types.ts';
import { PoolClosedError } from '../errors.ts';
import { Schedule } from './schedule.ts';
import type { Sections } from './sections.ts';

export interface SchedulesOptions {
  readonly sections: Sections;
  readonly logger: (section: string) => Logger;
}

export class Schedules {
  readonly #options: SchedulesOptions;
  readonly #schedules = new Map<string, Schedule>();

  constructor(options: SchedulesOptions) {
    this.#options = options;
  }

  /** Runs what is due. */
  tick(): void {
    const { groups } = this.#options.sections;
    for (const name of this.#schedules.keys()) if (!groups.has(name)) this.#schedules.delete(name);
    for (const { config } of groups.values()) this.#of(config)?.tick();
  }

  /** What a reload has taken out of the configuration is taken out of its queue; the workers of others see to theirs. */
  async leave(before: Configuration, next: Configuration): Promise<void> {
    for (const config of before.sections.values()) {
      if (config.schedule === undefined || config.queue === undefined) continue;
      const other = next.sections.get(config.name);
      const isSame =
        other?.queue === config.queue &&
        other.queueUrl === config.queueUrl &&
        other.queuePrefix === config.queuePrefix;
      if (!isSame) await this.#removeFromQueue(config);
    }
  }

  #of(config: SectionConfig): Schedule | undefined {
    const { name, schedule: pattern, scheduleTimezone: timezone } = config;
    if (pattern === undefined || config.queue !== undefined) {
      this.#schedules.delete(name);
      return undefined;
    }
    const known = this.#schedules.get(name);
    if (known?.pattern === pattern && known.timezone === timezone) return known;
    const schedule = new Schedule({
      pattern,
      timezone,
      logger: this.#options.logger(name),
      run: () => this.#run(name),
      now: Date.now,
    });
    this.#schedules.set(name, schedule);
    return schedule;
  }

  async #run(section: string): Promise<void> {
    try {
      // The payload of a schedule's jobs in a queue is the same.
      await this.#options.sections.submissions(section)?.run({});
    } catch (error) {
      // The section was stopped first.
      if (!(error instanceof PoolClosedError)) throw error;
    }
  }

  async #removeFromQueue(config: SectionConfig): Promise<void> {
    try {
      // Only workers have a connection; this is rare.
      const [{ withQueue }, { removeSchedule }] = await Promise.all([
        import('../queue/client.ts'),
        import('../queue/schedule.ts'),
      ]);
      await withQueue(config, queue => removeSchedule(queue, config.name));
    } catch (error) {
      const logger = this.#options.logger(config.name);
      logger.error(`the schedule could not be taken out of the queue: ${(error as Error).message}`);
    }
  }
}
