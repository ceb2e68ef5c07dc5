/** The end of a listening socket that nobody else will accept from: what waits in its queue is taken first. */

import { readFileSync, readlinkSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';

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
  const limit = seal ? longest.sealed : longest.unsealed;
  const deadline = performance.now() + Math.min(limit, time * largestPart);
  let accepted = 0;
  const count = () => accepted++;
  server.on('connection', count);
  try {
    await untilQuiet(() => accepted, deadline);
    while (seal && server.listening && performance.now() < deadline) {
      const attempt = await trySeal(server);
      if (attempt.isSealed) break;
      await untilLetIn(attempt.shutOut, deadline);
      await untilQuiet(() => accepted, deadline);
    }
  } finally {
    server.removeListener('connection', count);
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

async function trySeal(server: net.Server): Promise<Attempt> {
  const { _handle: handle } = server as unknown as { _handle: ListenHandle };
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
  for (const filler of fillers) {
    // Otherwise the kernel would go on offering it to let it in.
    if (rowOf(filler, halfOpen, rows)) filler.resetAndDestroy();
    else filler.destroy();
  }
  // Also what makes libuv accept again.
  if (!isSealed && server.listening) handle.listen(backlog);
  const ours = fillers.map(filler => rowOf(filler, halfOpen, rows));
  return { isSealed, shutOut: rows.filter(row => row.state === halfOpen && !ours.includes(row)) };
}

/** They come in when they, or the kernel, try again. */
async function untilLetIn(shutOut: readonly SocketRow[], deadline: number): Promise<void> {
  const isOut = ({ port, remote }: SocketRow) =>
    socketsAt(port).some(row => row.state === halfOpen && row.remote === remote);
  while (performance.now() < deadline && shutOut.some(isOut)) await delay(connectLimit);
}

/** An address of this machine that leads to a socket bound to `address`. */
function reachable(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  return address === '::' ? '::1' : address;
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

const listening = '0A';
const established = '01';
/** The other side believes that it is connected, or soon will. */
const halfOpen = '03';

/** Whether these wait, nobody else does, and none is on its way into the queue. */
function holdsOnly(fillers: readonly net.Socket[], rows: readonly SocketRow[], fd: number): boolean {
  const inode = /\d+/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[0];
  const waiting = rows.find(row => row.state === listening && row.inode === inode)?.queued;
  const areTaken = fillers.every(filler => rowOf(filler, established, rows));
  return waiting === fillers.length && areTaken && !rows.some(row => row.state === halfOpen);
}

/** The other end of a connection of our own. */
function rowOf({ localPort }: net.Socket, state: string, rows: readonly SocketRow[]): SocketRow | undefined {
  return rows.find(row => row.state === state && afterColon(row.remote) === localPort);
}

/** How many handshakes of this machine's network namespace were answered by SYN cookie. */
function cookiesSent(): string | undefined {
  const [names, values] = readFileSync('/proc/self/net/netstat', 'latin1')
    .split('\n')
    .map(line => line.split(' ')) as [string[], string[]];
  return values[names.indexOf('SyncookiesSent')];
}

interface SocketRow {
  readonly port: number;
  /** Address and port, in hexadecimal digits. */
  readonly remote: string;
  readonly state: string;
  /** Of a listening socket: connections that wait to be accepted. */
  readonly queued: number;
  readonly inode: string | undefined;
}

function socketsAt(port: number): SocketRow[] {
  return ['tcp', 'tcp6'].flatMap(table => rowsOf(table, port));
}

/** The rows of /proc/net/tcp with that local port: `sl local remote state tx:rx … inode`. */
function rowsOf(table: string, port: number): SocketRow[] {
  let text: string;
  try {
    text = readFileSync(`/proc/self/net/${table}`, 'latin1');
  } catch {
    return []; // a kernel without IPv6
  }
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return text.split('\n').flatMap(line => {
    if (!line.includes(suffix)) return [];
    const [, local, remote = '', state = '', queues = '', , , , , inode] = line.trim().split(/\s+/);
    return local?.endsWith(suffix) ? { port, remote, state, queued: afterColon(queues), inode } : [];
  });
}

/** The second of two hexadecimal numbers. */
function afterColon(pair: string): number {
  return Number.parseInt(pair.split(':')[1] ?? '', 16);
}
