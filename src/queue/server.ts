/** How the server of a queue is reached: the same for the workers and for `ph enqueue` and `ph queue`. */

import type { BackendFactory, IQueueBackend, Queue } from 'bullmq';
import type { SectionConfig } from '../config/types.ts';
import { backoff } from './backoff.ts';
import { type Bullmq, isPostgres, loadBullmq } from './packages.ts';

/** A section that has a queue. */
export type QueueConfig = SectionConfig & { readonly queue: string; readonly queueUrl: string };

export function hasQueue(config: SectionConfig): config is QueueConfig {
  return config.queue !== undefined && config.queueUrl !== undefined;
}

export type AnyQueue = Queue<unknown, unknown, string, unknown, unknown, string, IQueueBackend, unknown>;

/** What has not been answered by then is asked again on a new connection, ms; consumers block for 10 s at the most. */
const silence = 30_000;

export interface QueueServer {
  readonly bullmq: Bullmq;
  readonly createBackend: BackendFactory<IQueueBackend, unknown>;
  /** Options of every class of BullMQ. */
  readonly options: { readonly connection: unknown; readonly prefix?: string };
}

/**
 * `patient`: commands wait until the server is there; otherwise they fail where it is not. Throws a
 * `QueuePackagesError`.
 */
export function queueServer(config: QueueConfig, mode: 'patient' | 'impatient'): QueueServer {
  const bullmq = loadBullmq(config);
  const { queueUrl, queuePrefix } = config;
  if (isPostgres(queueUrl)) {
    return {
      bullmq,
      createBackend: bullmq.createPostgresBackend as QueueServer['createBackend'],
      options: {
        connection: {
          connectionString: queueUrl,
          // The tables are made where there are none.
          migrate: true,
          connectionTimeoutMillis: 5000,
          query_timeout: silence,
          keepAlive: true,
          ...(queuePrefix !== undefined && { schema: queuePrefix }),
        },
      },
    };
  }
  return {
    bullmq,
    createBackend: bullmq.createRedisBackend as QueueServer['createBackend'],
    options: {
      connection: {
        url: queueUrl,
        connectTimeout: 5000,
        socketTimeout: silence,
        maxRetriesPerRequest: null,
        retryStrategy: (times: number) => (mode === 'patient' ? backoff(times) : null),
        // After a failover: ask again, of the new master.
        reconnectOnError: (error: Error) => (error.message.startsWith('READONLY') ? 2 : false),
      },
      ...(queuePrefix !== undefined && { prefix: queuePrefix }),
    },
  };
}

/** For producers and for those who look. */
export function openQueue({ bullmq, createBackend, options }: QueueServer, name: string): AnyQueue {
  return new bullmq.Queue(name, options as never, createBackend as never) as unknown as AnyQueue;
}
