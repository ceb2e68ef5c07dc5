/** What the log tests share. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { LogSettings } from '../../src/log/logs.ts';

export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'ph-log-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function logSettings(settings: Partial<LogSettings> = {}): LogSettings {
  return {
    section: 'jobs',
    logFile: undefined,
    logLevel: 'info',
    logFormat: 'json',
    logMaxSize: 0,
    logKeep: 10,
    ...settings,
  };
}

/** The lines of a text that ends with a line feed. */
export function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error('the last line is torn');
  return lines;
}

export function messagesIn(path: string): unknown[] {
  return linesOf(readFileSync(path, 'utf8')).map(line => JSON.parse(line).msg);
}

/** A log and its rotated files, oldest first. */
export function rotatedFiles(path: string): string[] {
  const directory = join(path, '..');
  return readdirSync(directory)
    .filter(name => join(directory, name).startsWith(path))
    .sort((a, b) => rank(b) - rank(a))
    .map(name => join(directory, name));
}

function rank(name: string): number {
  return Number(/\.(\d+)$/.exec(name)?.[1] ?? 0);
}

export async function until(isTrue: () => boolean, what: string, limit = 15_000): Promise<void> {
  const end = performance.now() + limit;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`not within ${limit} ms: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

/** A child that runs a file of `fixtures/`, by way of a shell; it is killed when the test ends. */
export function fixture(
  t: TestContext,
  name: string,
  args: readonly string[] = [],
  shell: string = 'exec "$@"',
): ChildProcess {
  const file = fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
  const command = [process.execPath, '--import', 'tsx', file, ...args];
  const child = spawn('bash', ['-c', shell, 'bash', ...command], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

export async function message<T>(child: ChildProcess): Promise<T> {
  const [value]: T[] = await once(child, 'message');
  if (value === undefined) throw new Error('an empty message');
  return value;
}

export async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
