/** The file of the control socket: only its owner may connect, and it is put in its place whole. */

import { once } from 'node:events';
import { closeSync, lstatSync, openSync, renameSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { basename, dirname } from 'node:path';
import { ControlSocketError } from '../errors.ts';
import { SocketFile } from '../socket-file.ts';

/** The longest path that the system takes for a socket, bytes. */
const longestPath = 107;

/** A name by which the system reaches a path of any length, for as long as it is not closed. */
export function reach(path: string): { readonly path: string; close(): void } {
  if (Buffer.byteLength(path) <= longestPath) return { path, close() {} };
  const fd = openSync(dirname(path), 'r');
  return { path: `/proc/self/fd/${fd}/${basename(path)}`, close: () => closeSync(fd) };
}

export class ControlSocket {
  readonly #listener: Server;
  readonly #file: SocketFile;

  private constructor(listener: Server, file: SocketFile) {
    this.#listener = listener;
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  /**
   * Connections go to `accept`, paused. `replaces`: from whoever serves it. Throws a `ControlSocketError`; then whatever
   * was there still is.
   */
  static async open(
    path: string,
    accept: (socket: Socket) => void,
    replaces: boolean,
  ): Promise<ControlSocket> {
    const listener = createServer({ pauseOnConnect: true }, accept);
    try {
      refuseForeignFile(path);
      if (!replaces && (await isServed(path))) throw new Error('another process serves it');
      // Under another name until it listens. A socket that is renamed over is gone for new connections. No number alone
      // at its end: that is what the sockets of further supervisors have.
      const temporary = `${path}.new-${process.pid}`;
      await listen(listener, temporary);
      renameSync(temporary, path);
      return new ControlSocket(listener, new SocketFile(path));
    } catch (error) {
      listener.close();
      throw new ControlSocketError(path, (error as Error).message, error);
    }
  }

  /** Whether nobody can find it any more. */
  get isGone(): boolean {
    return this.#file.state === 'gone';
  }

  /** Nobody can connect any more; a file that is another supervisor's by now stays. */
  close(): void {
    this.#listener.close();
    this.#file.remove();
  }
}

async function listen(listener: Server, path: string): Promise<void> {
  const name = reach(path);
  listener.on('close', () => name.close());
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    // Bound within the call, so that at no time anybody but its owner can connect.
    const umask = process.umask(0o177);
    listener.listen(name.path, resolve);
    process.umask(umask);
  });
}

/** Whether anybody accepts connections there: a socket of a process that was killed is as good as none. */
async function isServed(path: string): Promise<boolean> {
  const name = reach(path);
  const socket = connect(name.path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
    name.close();
  }
}

/** A mistyped path must not cost anybody a file. */
function refuseForeignFile(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats && !stats.isSocket()) throw new Error('is there, and is no socket');
}
