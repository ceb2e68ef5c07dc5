/**
 * A thread beside the main thread of a worker process. It answers the master when the main thread cannot, and ends
 * the process when the master is gone.
 */

import inspector from 'node:inspector';
import { SourceMap } from 'node:module';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { encodeLine, type StackRequest, watchdogFd } from '../channel/watchdog.ts';
import { endProcessGroup, orphanGrace } from './orphan.ts';

/** The main thread answers a pause within ms, or never: it is in native code, or stopped. */
const pauseLimit = 800;
const deepest = 30;

const master = new Socket({ fd: watchdogFd, readable: true, writable: true });
master.on('error', () => {});
master.on('close', () => {
  // The main thread saw it too and may still finish something; a thread or a loop that never ends must not keep it.
  setTimeout(endProcessGroup, orphanGrace);
});
createInterface({ input: master })
  .on('line', async line => {
    const { id } = JSON.parse(line) as StackRequest;
    master.write(encodeLine({ type: 'stack', id, frames: await mainThreadStack() }));
  })
  // readline passes the socket's errors on.
  .on('error', () => {});

/** Pauses the main thread for a moment; the debugger stays off otherwise, since it doubles the cost of promises. */
function mainThreadStack(): Promise<string[]> {
  const session = new inspector.Session();
  const scripts = new Map<string, Script>();
  return new Promise(resolve => {
    const finish = (frames: string[]) => {
      clearTimeout(timer);
      session.post('Debugger.resume', () => {});
      session.post('Debugger.disable', () => {});
      session.disconnect();
      resolve(frames);
    };
    const timer = setTimeout(finish, pauseLimit, []);
    session.connectToMainThread();
    session.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params));
    session.on('Debugger.paused', ({ params }) => {
      finish(
        params.callFrames.slice(0, deepest).map(({ functionName, location }) => {
          const place = placeOf(
            scripts.get(location.scriptId),
            location.lineNumber,
            location.columnNumber ?? 0,
          );
          return `${functionName || '(anonymous)'} (${place})`;
        }),
      );
    });
    session.post('Debugger.enable', () => session.post('Debugger.pause', () => {}));
  });
}

interface Script {
  readonly url: string;
  readonly sourceMapURL?: string | undefined;
}

/** `file:line:column` in what the user wrote, where a source map in the script leads there. */
function placeOf(script: Script | undefined, line: number, column: number): string {
  if (!script) return '(unknown)';
  const origin = inlineSourceMap(script.sourceMapURL)?.findEntry(line, column);
  if (!origin || !('originalSource' in origin))
    return `${readablePath(script.url)}:${line + 1}:${column + 1}`;
  const { originalSource, originalLine, originalColumn } = origin;
  return `${readablePath(new URL(originalSource, script.url).href)}:${originalLine + 1}:${originalColumn + 1}`;
}

function inlineSourceMap(url = ''): SourceMap | undefined {
  const data = /^data:application\/json[^,]*;base64,(.*)$/s.exec(url)?.[1];
  return data === undefined
    ? undefined
    : new SourceMap(JSON.parse(Buffer.from(data, 'base64').toString('utf8')));
}

function readablePath(url: string): string {
  return url.startsWith('file:') ? fileURLToPath(url) : url;
}
