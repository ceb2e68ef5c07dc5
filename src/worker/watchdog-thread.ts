/**
 * A thread beside the main thread of a worker process. It answers the master when the main thread cannot, and ends
 * the process when the master is gone.
 */

import inspector from 'node:inspector';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { encodeLine, type StackRequest, watchdogFd } from '../channel/watchdog.ts';
import { orphanGrace } from './orphan.ts';

/** The main thread answers a pause within ms, or never: it is in native code, or stopped. */
const pauseLimit = 800;
const deepest = 30;

const master = new Socket({ fd: watchdogFd, readable: true, writable: true });
master.on('error', () => {});
master.on('close', () => {
  // The main thread saw it too and may still finish something; a thread or a loop that never ends must not keep it.
  setTimeout(() => process.kill(-process.pid, 'SIGKILL'), orphanGrace);
});
createInterface({ input: master }).on('line', async line => {
  const { id } = JSON.parse(line) as StackRequest;
  master.write(encodeLine({ type: 'stack', id, frames: await mainThreadStack() }));
});

/** Pauses the main thread for a moment; the debugger stays off otherwise, since it doubles the cost of promises. */
function mainThreadStack(): Promise<string[]> {
  const session = new inspector.Session();
  const scripts = new Map<string, string>();
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
    session.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params.url));
    session.on('Debugger.paused', ({ params }) => {
      finish(
        params.callFrames.slice(0, deepest).map(({ functionName, url, location }) => {
          const file = readablePath(url || scripts.get(location.scriptId) || '(unknown)');
          return `${functionName || '(anonymous)'} (${file}:${location.lineNumber + 1}:${(location.columnNumber ?? 0) + 1})`;
        }),
      );
    });
    session.post('Debugger.enable', () => session.post('Debugger.pause', () => {}));
  });
}

function readablePath(url: string): string {
  return url.startsWith('file:') ? fileURLToPath(url) : url;
}
