/** The end of a listening socket that nobody else will accept from: what waits in its queue is taken first. */

import net from 'node:net';
import os from 'node:os';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { cookiesSent, inodeOf, othersHolding, type SocketRow, State, socketsAt } from './socket-table.ts';

/** Turns of the event loop without a new connection after which the queue counts as empty. */
const quietTurns = 3;
/** Under a load that leaves no pause, ms. Who tries again to get in does so after 200 ms, and then after twice that, and so on. */
const longest = { unsealed: 1000, sealed: 3000 } as const;
/** The largest part of the time in which all has to end. */
const largestPart = 0.5;
/**
 * Of the queue while it is sealed. Where as many handshakes as that are under way, Linux answers by SYN cookie, and who is
 * answered so is seen nowhere until the last step, which needs a place; those of this machine are over within microseconds.
 */
const backlog = 8;
/** Connections to this machine are made within microseconds, or refused a place in the queue, ms. */
const connectLimit = 10;

/** Of Node's own handles, which have no public way to stop accepting without closing. */
interface ListenHandle {
  readonly fd: number;
  listen(backlog: number): number;
  readStart(): number;
  readStop(): number;
  /** Called with each connection that is accepted. */
  onconnection(error: number, connection?: ConnectionHandle): void;
}

interface ConnectionHandle {
  getpeername(result: { address?: string; port?: number }): number;
  close(): void;
}

/**
 * Accepts until nothing waits. With `seal` no connection can come in after the last one: whoever calls it closes the
 * server at once, and nobody is cut off between an empty queue and the close.
 *
 * Linux takes no connection into a queue that is full, which it is with one more than its backlog. So all places are taken
 * by connections of our own, while nothing is accepted. Others who try then are refused once the socket is closed.
 *
 * @param time in which all has to end, ms
 */
export async function takeWaiting(server: net.Server, seal: boolean, time: number): Promise<void> {
  const begin = performance.now();
  const deadline = begin + Math.min(longest.sealed, time * largestPart);
  const { _handle: handle } = server as unknown as { _handle: ListenHandle };
  const { onconnection } = handle;
  let accepted = 0;
  const fillers = new Set<string>();
  handle.onconnection = (error, connection) => {
    accepted++;
    // Where sealing has to be tried again. The server neither counts nor answers it, and it is gone by then.
    if (connection && fillers.size > 0 && fillers.delete(otherEnd(connection))) connection.close();
    else onconnection.call(handle, error, connection);
  };
  try {
    await untilQuiet(() => accepted, Math.min(begin + longest.unsealed, deadline));
    if (!seal || !(await isLeftTo(handle.fd, deadline))) return;
    while (server.listening && performance.now() < deadline) {
      const attempt = await trySeal(server, handle, fillers);
      if (attempt.isSealed) break;
      await untilLetIn(attempt.shutOut, deadline);
      await untilQuiet(() => accepted, deadline);
    }
  } finally {
    handle.onconnection = onconnection;
  }
}

function otherEnd(connection: ConnectionHandle): string {
  const peer: { address?: string; port?: number } = {};
  connection.getpeername(peer);
  return nameOf(peer.address, peer.port);
}

/** The same of an IPv4 connection to a socket of both families. */
function nameOf(address = '', port = 0): string {
  return `${address.replace('::ffff:', '')}:${port}`;
}

/**
 * Where several workers hold the socket, all but one of them just leave it: to others that accept from it, our fillers would
 * be clients. The one waits for that, and goes on accepting.
 */
async function isLeftTo(fd: number, deadline: number): Promise<boolean> {
  for (;;) {
    const others = othersHolding(fd);
    if (others.some(pid => pid < process.pid)) return false;
    if (others.length === 0 || performance.now() >= deadline) return true;
    await delay(connectLimit);
  }
}

async function untilQuiet(accepted: () => number, deadline: number): Promise<void> {
  for (let quiet = 0, before = accepted(); quiet < quietTurns && performance.now() < deadline; ) {
    await nextTurn();
    quiet = accepted() === before ? quiet + 1 : 0;
    before = accepted();
  }
}

interface Attempt {
  /** The queue holds nothing but connections of our own; else accepting goes on. */
  readonly isSealed: boolean;
  /** Who found no place in it, and believes to be connected. */
  readonly shutOut: readonly SocketRow[];
}

const needless: Attempt = { isSealed: true, shutOut: [] };

/** @param own gets the names of the connections of our own that may be accepted after all */
async function trySeal(server: net.Server, handle: ListenHandle, own: Set<string>): Promise<Attempt> {
  const address = server.address();
  if (address === null || typeof address === 'string') return needless;
  handle.listen(backlog);
  // Reading is what libuv can stop, and accepting is reading to it.
  if (handle.readStart() !== 0 || handle.readStop() !== 0) return needless;
  const cookies = cookiesSent();
  const fillers = Array.from({ length: backlog + 1 }, () =>
    net.connect(address.port, reachable(address.address)),
  );
  const areConnected = await connected(fillers);
  const rows = server.listening ? socketsAt(address.port) : [];
  const isSealed = areConnected && holdsOnly(fillers, rows, handle.fd) && cookiesSent() === cookies;
  const ours = fillers.map(filler => rowOf(filler, State.halfOpen, rows));
  for (const filler of fillers) {
    if (rowOf(filler, State.established, rows)) own.add(nameOf(filler.localAddress, filler.localPort));
    // Otherwise the kernel would go on offering it to let it in.
    if (rowOf(filler, State.halfOpen, rows)) filler.resetAndDestroy();
    else filler.destroy();
  }
  // Also what makes libuv accept again.
  if (!isSealed && server.listening) handle.listen(backlog);
  return { isSealed, shutOut: rows.filter(row => row.state === State.halfOpen && !ours.includes(row)) };
}

/** They come in when they, or the kernel, try again. */
async function untilLetIn(shutOut: readonly SocketRow[], deadline: number): Promise<void> {
  const isOut = ({ port, remote }: SocketRow) =>
    socketsAt(port).some(row => row.state === State.halfOpen && row.remote === remote);
  while (performance.now() < deadline && shutOut.some(isOut)) await delay(connectLimit);
}

/** An address of this machine that leads to a socket bound to `address`. */
function reachable(address: string): string {
  if (address !== '::' && address !== '0.0.0.0') return address;
  // Without IPv6, which containers often are, a socket of both families can be bound all the same.
  return address === '::' && hasAddress('::1') ? '::1' : '127.0.0.1';
}

function hasAddress(address: string): boolean {
  return Object.values(os.networkInterfaces()).some(all => all?.some(each => each.address === address));
}

async function connected(sockets: readonly net.Socket[]): Promise<boolean> {
  const ended = sockets.map(
    socket => new Promise(resolve => socket.once('connect', resolve).once('error', resolve)),
  );
  await Promise.race([Promise.all(ended), delay(connectLimit)]);
  // On a busy machine the time is over before anybody has looked.
  await nextTurn();
  return sockets.every(({ connecting, destroyed }) => !connecting && !destroyed);
}

/** Whether these wait, nobody else does, and none is on its way into the queue. */
function holdsOnly(fillers: readonly net.Socket[], rows: readonly SocketRow[], fd: number): boolean {
  const inode = inodeOf(fd);
  const waiting = rows.find(row => row.state === State.listening && row.inode === inode)?.queued;
  const areTaken = fillers.every(filler => rowOf(filler, State.established, rows));
  return waiting === fillers.length && areTaken && !rows.some(row => row.state === State.halfOpen);
}

/** The other end of a connection of our own. */
function rowOf({ localPort }: net.Socket, state: string, rows: readonly SocketRow[]): SocketRow | undefined {
  return rows.find(row => row.state === state && row.remotePort === localPort);
}
