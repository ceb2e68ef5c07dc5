/** The metrics of one moment as the text that Prometheus reads. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { Gauge, type MetricType, Registry } from 'prom-client';
import { type TimeHistogram, timeBuckets } from '../channel/statistics.ts';
import { type Metric, type Sample, sectionMetrics, supervisorMetrics, workerMetrics } from './definitions.ts';
import type { Snapshot } from './snapshot.ts';

type Labels = Readonly<Record<string, string>>;

/** What a metric has series of. */
interface Subject<Source> {
  readonly labels: Labels;
  readonly source: Source;
}

export const contentType = Registry.PROMETHEUS_CONTENT_TYPE;

/** How long a text of many workers may hold up what else the supervisor has to do, ms. */
const longestTurn = 5;

/** A registry for each text: what is gone by then has no series in it, and no two texts share anything. */
export async function exposition(snapshot: Snapshot): Promise<string> {
  const { sections } = snapshot;
  const workers = sections.flatMap(({ status: { name }, workers }) =>
    workers.map(worker => ({ labels: { section: name, worker: `${worker.status.index}` }, source: worker })),
  );
  const registry = new Registry();
  add(registry, supervisorMetrics, [{ labels: {}, source: snapshot }]);
  add(
    registry,
    sectionMetrics,
    sections.map(section => ({ labels: { section: section.status.name }, source: section })),
  );
  add(registry, workerMetrics, workers);

  const parts: string[] = [];
  let since = performance.now();
  for (const { name } of registry.getMetricsAsArray()) {
    parts.push(await registry.getSingleMetricAsString(name));
    if (performance.now() - since < longestTurn) continue;
    await nextTurn();
    since = performance.now();
  }
  return `${parts.join('\n\n')}\n`;
}

function add<Source>(
  registry: Registry,
  metrics: readonly Metric<Source>[],
  subjects: readonly Subject<Source>[],
): void {
  for (const metric of metrics) registry.registerMetric(new KnownMetric(metric, subjects));
}

/** One whose values come from elsewhere: prom-client's own count by themselves, and begin at zero. */
class KnownMetric<Source> extends Gauge {
  readonly #metric: Metric<Source>;
  readonly #subjects: readonly Subject<Source>[];

  constructor(metric: Metric<Source>, subjects: readonly Subject<Source>[]) {
    super({ name: metric.name, help: metric.help, registers: [] });
    this.#metric = metric;
    this.#subjects = subjects;
  }

  override async get() {
    const { name, type, read } = this.#metric;
    return {
      ...(await super.get()),
      // A word; the declaration has it as a number.
      type: type as unknown as MetricType,
      values: this.#subjects.flatMap(({ labels: sharedLabels, source }) =>
        read(source)
          .flatMap(sample => linesOf(name, sample))
          // Made into text once for all lines that have them.
          .map(line => ({ ...line, sharedLabels })),
      ),
    };
  }
}

function linesOf(name: string, { value, labels = {} }: Sample) {
  return typeof value === 'number' ? { value, labels } : histogramLines(name, value);
}

/** Seconds, and each bucket with all below it. */
function histogramLines(name: string, { counts, sum }: TimeHistogram) {
  let total = 0;
  const buckets = counts.map((count, at) => {
    total += count;
    const bound = timeBuckets[at];
    const le = bound === undefined ? '+Inf' : `${bound / 1000}`;
    return { metricName: `${name}_bucket`, value: total, labels: { le } as Labels };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, value: sum / 1000, labels: {} },
    { metricName: `${name}_count`, value: total, labels: {} },
  ];
}
