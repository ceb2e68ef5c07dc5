/** What tests ask of `metrics_bind`, read by a parser that is not ours. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import {
  getMetricsFromIterator,
  type PromData,
  type PromHistogramData,
  type PromMetrics,
} from 'prom2javascript';
import { target } from './clients.ts';
import type { Ph } from './ph.ts';

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

type Labels = Readonly<Record<string, string>>;

/** Where it says that it serves them. */
export async function metricsAddressOf(ph: Ph, from = 0): Promise<string> {
  const { msg } = await ph.log(/^metrics on /, from);
  return msg.slice('metrics on '.length);
}

/** Rejects where nobody answers. */
export function ask(address: string, path: string, method = 'GET'): Promise<Answer> {
  const where = target(address);
  return new Promise((resolve, reject) => {
    const to = 'path' in where ? { socketPath: where.path } : where;
    http
      .request({ ...to, path, method, agent: false }, response => {
        const { statusCode: status = 0, headers } = response;
        text(response).then(body => resolve({ status, headers, body }), reject);
      })
      .on('error', reject)
      .end();
  });
}

export class Metrics {
  readonly text: string;
  readonly families: PromMetrics;

  private constructor(text: string, families: PromMetrics) {
    this.text = text;
    this.families = families;
  }

  /** Fails where a line is none, or a series is there twice. */
  static async of(text: string): Promise<Metrics> {
    const families = await getMetricsFromIterator(text.split('\n').values());
    const series = text.split('\n').flatMap(line => /^(\w+(?:\{.*\})?) \S+$/.exec(line)?.[1] ?? []);
    const twice = series.filter((name, at) => series.indexOf(name) !== at);
    assert.deepEqual(twice, []);
    return new Metrics(text, families);
  }

  /** Of the series with all of these labels. */
  values(name: string, labels: Labels = {}): number[] {
    return (this.#data(name, labels) as PromData[]).map(({ value }) => value);
  }

  /** Of the only one. */
  value(name: string, labels: Labels = {}): number | undefined {
    const values = this.values(name, labels);
    assert.ok(values.length < 2, `${name} ${JSON.stringify(labels)}: ${values}`);
    return values[0];
  }

  histogram(name: string, labels: Labels = {}): PromHistogramData | undefined {
    return this.#data(name, labels)[0] as PromHistogramData | undefined;
  }

  /** Every value that a label has in any series. */
  labels(name: string, label: string): string[] {
    return [...new Set(this.#data(name, {}).map(({ labels }) => labels[label] as string))].sort();
  }

  #data(name: string, wanted: Labels) {
    const data: readonly { readonly labels: Labels }[] = this.families[name]?.data ?? [];
    return data.filter(({ labels }) => Object.entries(wanted).every(([key, value]) => labels[key] === value));
  }
}

export async function scrape(address: string): Promise<Metrics> {
  const { status, headers, body } = await ask(address, '/metrics');
  assert.deepEqual(
    [status, headers['content-type']],
    [200, 'text/plain; version=0.0.4; charset=utf-8'],
    body,
  );
  return Metrics.of(body);
}

/** Scrapes until it holds; fails with the last text where that takes too long. */
export async function scrapeUntil(address: string, holds: (metrics: Metrics) => boolean): Promise<Metrics> {
  for (const deadline = performance.now() + 20_000; ; ) {
    const metrics = await scrape(address);
    if (holds(metrics)) return metrics;
    assert.ok(performance.now() < deadline, metrics.text);
  }
}

/** What `promtool` has to say; undefined where it is not installed. */
export function promtool(args: readonly string[], input = ''): string | undefined {
  try {
    return execFileSync('promtool', args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
  } catch (error) {
    const { code, stdout, stderr } = error as NodeJS.ErrnoException & { stdout: string; stderr: string };
    if (code === 'ENOENT') return undefined;
    return `${stdout}${stderr}` || String(error);
  }
}
