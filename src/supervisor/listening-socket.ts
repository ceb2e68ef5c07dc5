/** One listening socket of the supervisor: where it came from, and whose it is when it is no longer wanted. */

import { lookup } from 'node:dns/promises';
import { isIP, type Server } from 'node:net';
import { type Address, formatAddress } from '../config/kinds/places.ts';
import type { SectionConfig } from '../config/types.ts';
import type { ListeningSocket } from '../group/spawn.ts';
import { SocketFile } from '../socket-file.ts';
import { unixPathOf } from './activation.ts';
import { BoundSocket, bindTcp } from './bind.ts';
import { bindUnixSocket } from './unix-socket.ts';

/** What else than its address makes a socket. */
export type SocketSettings = Pick<SectionConfig, 'backlog' | 'umask' | 'user' | 'group'>;

/** Who made a socket decides what becomes of it: only what is ours ends with us. */
export type SocketMaker = 'ph' | 'others';

export class HeldSocket implements ListeningSocket {
  readonly fd: number;
  readonly address: string;
  readonly maker: SocketMaker;
  readonly #socket: BoundSocket;
  readonly #file: SocketFile | undefined;
  /** Of this process, and accepts from it. */
  #server: Server | undefined;
  /** Another supervisor holds it as well, and goes on with it. */
  #isShared = false;
  #isClosed = false;

  constructor(socket: BoundSocket, maker: SocketMaker, path = unixPath(socket)) {
    this.fd = socket.fd;
    this.address = nameOf(socket, path);
    this.maker = maker;
    this.#socket = socket;
    this.#file = maker === 'ph' && path !== undefined ? new SocketFile(path) : undefined;
  }

  get end(): ListeningSocket['end'] {
    // While the supervisor has it, some worker accepts or will: one of another section, too, where an address has moved.
    if (this.#isShared || !this.#isClosed) return 'kept';
    return this.maker === 'ph' ? 'sealed' : 'left';
  }

  /** Of the file of a Unix socket that is ours; undefined where there is none. */
  get file(): SocketFile['state'] | undefined {
    return this.#file?.state;
  }

  /** Whether this process itself serves it, and no other one will. */
  get isServedHere(): boolean {
    return this.#server !== undefined && !this.#isShared;
  }

  listen(backlog: number): void {
    // Its server listens.
    if (!this.#server) this.#socket.listen(backlog);
  }

  /** Lets a server of this process accept from it, until it is closed. */
  serve(server: Server): void {
    this.#server = server;
    // The fd is the server's from here on: it goes when that closes.
    server.listen({ fd: this.fd });
  }

  /** Another supervisor goes on with it. */
  share(): void {
    this.#isShared = true;
  }

  /** No other one does any more. */
  own(): void {
    this.#isShared = false;
  }

  /** No one can connect to it any more; workers that have it can still accept who waits. */
  close(): void {
    // The fd may be somebody else's by now.
    if (this.#isClosed) return;
    this.#isClosed = true;
    // First, so that no connection comes in for the last worker that closes it.
    if (!this.#isShared) this.#file?.remove();
    if (this.#server) this.#server.close();
    else this.#socket.close();
  }
}

/** Binds an address, and listens. Throws an `Error` that says why it cannot; then nothing is left of it. */
export async function bindAddress(address: Address, settings: SocketSettings): Promise<HeldSocket> {
  const held = await bind(address, settings);
  try {
    listenOn(held, settings);
    return held;
  } catch (error) {
    if (held.maker === 'ph') held.close();
    throw error;
  }
}

/** Throws where it cannot listen, such as a connection that was passed on in the place of a listening socket. */
export function listenOn(held: HeldSocket, { backlog }: SocketSettings): void {
  try {
    held.listen(backlog);
  } catch (error) {
    throw held.maker === 'others' ? notOurs(error) : error;
  }
}

/** A socket that this process was started with. Throws where it is none. */
export function openFd(fd: number, maker: SocketMaker): HeldSocket {
  try {
    return new HeldSocket(new BoundSocket(fd), maker);
  } catch (error) {
    throw notOurs(error);
  }
}

async function bind(address: Address, settings: SocketSettings): Promise<HeldSocket> {
  switch (address.type) {
    case 'fd':
      return openFd(address.fd, 'others');
    case 'unix':
      return new HeldSocket(await bindUnixSocket(address.path, settings), 'ph', address.path);
    case 'tcp':
      return new HeldSocket(bindTcp(await ipOf(address.host), address.port), 'ph');
  }
}

function notOurs(cause: unknown): Error {
  return new Error('is no listening socket that this process was started with', { cause });
}

/** Of a name that has both, the IPv4 address: what connects to `localhost` tries it in any case. */
export async function ipOf(host: string): Promise<string> {
  if (isIP(host)) return host;
  const addresses = await lookup(host, { all: true }).catch(error => {
    throw new Error(`has a host name that cannot be resolved (${error.code})`);
  });
  const { address } = addresses.find(({ family }) => family === 4) ?? (addresses[0] as { address: string });
  return address;
}

function unixPath(socket: BoundSocket): string | undefined {
  return socket.name ? undefined : unixPathOf(socket.fd);
}

function nameOf({ fd, name }: BoundSocket, path: string | undefined): string {
  if (name) return formatAddress({ type: 'tcp', ...name });
  return formatAddress(path === undefined ? { type: 'fd', fd } : { type: 'unix', path });
}
