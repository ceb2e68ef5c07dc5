/** The end of a listening socket that nobody else will accept from: what waits in its queue is taken first. */

import { readFileSync, readlinkSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';

/** Turns of the event loop without a new connection after which the queue counts as empty. */
const quietTurns = 3;
/** Under a load that leaves no pause, ms. */
const longest = 1000;
/** A connection to this machine is made within microseconds, or refused a place in the queue. */
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
 * Linux takes no connection into a queue that is full, and a backlog of 0 is full with one. So the last place is taken
 * by a connection of our own, while nothing is accepted. Others who try then are refused once the socket is closed.
 */
export async function takeWaiting(server: net.Server, seal: boolean): Promise<void> {
  const deadline = performance.now() + longest;
  let accepted = 0;
  const count = () => accepted++;
  server.on('connection', count);
  try {
    do await untilQuiet(() => accepted, deadline);
    while (seal && performance.now() < deadline && server.listening && !(await sealed(server)));
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

/** Whether the queue holds nothing but a connection of our own now; else accepting goes on. */
async function sealed(server: net.Server): Promise<boolean> {
  const { _handle: handle } = server as unknown as { _handle: ListenHandle };
  const address = server.address();
  if (address === null || typeof address === 'string') return true;
  handle.listen(0);
  // Reading is what libuv can stop, and accepting is reading to it.
  if (handle.readStart() !== 0 || handle.readStop() !== 0) return true;
  const filler = net.connect(address.port, reachable(address.address));
  const isConnected = await connected(filler);
  const isSealed = isConnected && server.listening && holdsOnly(filler, handle.fd, address.port);
  filler.destroy();
  // Also what makes libuv accept again.
  if (!isSealed && server.listening) handle.listen(0);
  return isSealed;
}

/** An address of this machine that leads to a socket bound to `address`. */
function reachable(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  return address === '::' ? '::1' : address;
}

async function connected(socket: net.Socket): Promise<boolean> {
  const ended = new Promise(resolve => socket.once('connect', resolve).once('error', resolve));
  await Promise.race([ended, delay(connectLimit)]);
  // On a busy machine the time is over before anybody has looked.
  await nextTurn();
  return !socket.connecting && !socket.destroyed;
}

const listening = '0A';
const established = '01';
/** The other side believes that it is connected, or soon will. */
const halfOpen = '03';

/** Asks the kernel: one waits, it is this one, and none is on its way into the queue. */
function holdsOnly(filler: net.Socket, fd: number, port: number): boolean {
  const inode = /\d+/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[0];
  const rows = ['tcp', 'tcp6'].flatMap(table => socketsAt(table, port));
  const waiting = rows.find(row => row.state === listening && row.inode === inode)?.queued;
  const isTaken = rows.some(row => row.state === established && row.remotePort === filler.localPort);
  return waiting === 1 && isTaken && !rows.some(row => row.state === halfOpen);
}

interface SocketRow {
  readonly remotePort: number;
  readonly state: string;
  /** Of a listening socket: connections that wait to be accepted. */
  readonly queued: number;
  readonly inode: string | undefined;
}

/** The rows of /proc/net/tcp with that local port: `sl local remote state tx:rx … inode`. */
function socketsAt(table: string, port: number): SocketRow[] {
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
    if (!local?.endsWith(suffix)) return [];
    const hex = (field: string) => Number.parseInt(field.split(':')[1] ?? '', 16);
    return { remotePort: hex(remote), state, queued: hex(queues), inode };
  });
}
