/** The documentation of the metrics, from their definitions. */

import { type Metric, sectionMetrics, supervisorMetrics, workerMetrics } from './definitions.ts';

export function metricsTable(): string {
  return [
    ['The supervisor', rows(supervisorMetrics, [])],
    ['Each section', rows(sectionMetrics, ['section'])],
    ['Each worker process', rows(workerMetrics, ['section', 'worker'])],
  ]
    .map(
      ([title, body]) => `### ${title}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n${body}`,
    )
    .join('\n\n');
}

function rows(metrics: readonly Metric<never>[], subject: readonly string[]): string {
  return metrics
    .map(({ name, type, labels, help }) => {
      const all = [...subject, ...labels].map(label => `\`${label}\``).join(', ') || '–';
      return `| \`${name}\` | ${type} | ${all} | ${help} |`;
    })
    .join('\n');
}
