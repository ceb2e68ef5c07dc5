/** The servers that are measured, each in processes of its own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface RunningServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts one on a port. */
export type Server = (port: number) => ChildProcess;

const ph = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const path = (name: string) => fileURLToPath(new URL(`../modules/${name}`, import.meta.url));
const running = new Set<ChildProcess>();

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

/** A program that takes the port, and says when it is ready. */
export const script =
  (module: string): Server =>
  port =>
    launch([path(module), String(port)]);

/** `ph run` with that many worker processes, and threads in each. */
export const underPh =
  (module: string, workers: number, threads: number): Server =>
  port =>
    launch([
      ...[ph, 'run', path(module), '--bind', `127.0.0.1:${port}`],
      ...['-w', String(workers), '-t', String(threads)],
    ]);

export async function start(server: Server): Promise<RunningServer> {
  const port = await freePort();
  const child = server(port);
  running.add(child);
  const exited = once(child, 'exit').finally(() => running.delete(child));
  await untilReady(child);
  return {
    port,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function launch(args: readonly string[]): ChildProcess {
  // Where no ph.ini is.
  return spawn(process.execPath, args, { cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe'] });
}

function untilReady({ stdout, stderr }: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let last = '';
    for (const stream of [stdout, stderr]) {
      if (!stream) continue;
      const lines = createInterface({ input: stream });
      lines.on('line', line => {
        last = line;
        if (line === 'ready' || line.includes('"all workers ready"')) resolve();
      });
      lines.once('close', () => reject(new Error(`the server ended before it was ready: ${last}`)));
    }
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
