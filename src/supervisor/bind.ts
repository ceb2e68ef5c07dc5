/** Listening without accepting, which Node has no public way to do: all that relies on its inside is here. */

import { closeSync } from 'node:fs';
import net from 'node:net';
import { getSystemErrorMap } from 'node:util';

/** Node's own handle of a socket. Methods return 0, or a negative error number. */
interface Handle {
  readonly fd: number;
  /** Of TCP only. */
  getsockname?(result: { address?: string; port?: number }): number;
  listen(backlog: number): number;
  readStart(): number;
  readStop(): number;
  close(): void;
}

type CreateHandle = (
  address: string | null,
  port: number | null,
  type: 4 | 6 | -1 | null,
  fd?: number,
  flags?: number,
) => Handle | number;

const createHandle = (net as unknown as { readonly _createServerHandle?: CreateHandle })._createServerHandle;

/** None of these is ever closed by libuv: it would remove whatever file a Unix socket was bound to by then. */
const retained = new Set<Handle>();

/** A socket that listens once it is told to, and that this process never accepts from. */
export class BoundSocket {
  readonly fd: number;
  readonly #handle: Handle;

  constructor(fd: number) {
    this.fd = fd;
    this.#handle = create(null, null, null, fd);
    retained.add(this.#handle);
  }

  /** Where a TCP socket is bound; undefined for a Unix socket. */
  get name(): { readonly host: string; readonly port: number } | undefined {
    const result: { address?: string; port?: number } = {};
    if (!this.#handle.getsockname) return undefined;
    check(this.#handle.getsockname(result));
    return { host: result.address as string, port: result.port as number };
  }

  /** Also where it listens already: then `backlog` is what changes. */
  listen(backlog: number): void {
    check(this.#handle.listen(backlog));
    // Before libuv looks at the socket for the first time. Accepting is reading to it, and reading can be stopped.
    check(this.#handle.readStart());
    check(this.#handle.readStop());
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Each of these throws an error with a `code` such as EADDRINUSE. */
export function bindTcp(host: string, port: number): BoundSocket {
  const handle = create(host, port, net.isIPv6(host) ? 6 : 4);
  // libuv keeps EADDRINUSE to itself until it is asked for something else.
  const error = handle.getsockname?.({}) ?? 0;
  if (error !== 0) {
    handle.close();
    throw systemError(error);
  }
  return adopt(handle);
}

export function bindUnix(path: string): BoundSocket {
  return adopt(create(path, -1, -1));
}

function adopt(handle: Handle): BoundSocket {
  retained.add(handle);
  return new BoundSocket(handle.fd);
}

function create(...where: Parameters<CreateHandle>): Handle {
  if (!createHandle)
    throw new Error(`Node ${process.version} does not let a process bind a socket for others`);
  const [address, port, type, fd, flags = 0] = where;
  const handle = createHandle(address, port, type, fd, flags);
  if (typeof handle === 'number') throw systemError(handle);
  return handle;
}

function check(result: number): void {
  if (result !== 0) throw systemError(result);
}

function systemError(number: number): NodeJS.ErrnoException {
  const [code = 'UNKNOWN', text = `error ${number}`] = getSystemErrorMap().get(number) ?? [];
  return Object.assign(new Error(text), { code, errno: number });
}
