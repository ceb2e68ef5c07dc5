/** All listening sockets of a supervisor: bound before any worker starts, kept over reloads, handed on at an upgrade. */

import { type Address, formatAddress } from '../config/kinds/places.ts';
import { problemAt } from '../config/section.ts';
import type { Configuration } from '../config/types.ts';
import { BindError, type Problem, ProcessHandlerError } from '../errors.ts';
import {
  bindAddress,
  type HeldSocket,
  ipOf,
  listenOn,
  openFd,
  type SocketMaker,
  type SocketSettings,
} from './listening-socket.ts';

export interface ListenersOptions {
  /** From the supervisor that this one takes over from: its `held`. */
  readonly inherited?: ReadonlyMap<string, number>;
  /** Its `foreign`. */
  readonly foreign?: ReadonlySet<string>;
  /** From a service manager. */
  readonly activated?: readonly number[];
}

/** What a new configuration needs, beside what is in force. */
export interface PreparedListeners {
  /** In the order of its `bind`. */
  of(section: string): readonly HeldSocket[];
  commit(): void;
  rollback(): void;
}

/** An address that a configuration names. */
interface Wanted {
  readonly key: string;
  readonly address: Address;
  readonly settings: SocketSettings;
  /** Where it is written. */
  readonly section: string;
  readonly setting: 'bind' | 'metrics_bind';
}

/** Few ask at the same time, and only processes of the supervisor's own user where it is a Unix socket. */
const metricsSettings: SocketSettings = { backlog: 128, umask: undefined, user: undefined, group: undefined };

export class Listeners {
  /** By key, so that the same address keeps its socket. */
  #current: ReadonlyMap<string, HeldSocket> = new Map();
  #metrics: HeldSocket | undefined;
  /** Came with the process, and no section has asked for them yet. */
  readonly #inherited = new Map<string, HeldSocket>();
  readonly #activated = new Set<HeldSocket>();
  #startedWith: Required<ListenersOptions>;
  /** False as long as the supervisor goes on that the inherited ones come from. */
  #isInCharge: boolean;

  constructor({ inherited = new Map(), foreign = new Set(), activated = [] }: ListenersOptions = {}) {
    this.#startedWith = { inherited, foreign, activated };
    this.#isInCharge = inherited.size === 0;
  }

  /** That of `metrics_bind`, for this process itself to serve. */
  get metrics(): HeldSocket | undefined {
    return this.#metrics;
  }

  /** What the next supervisor can take over: key → fd. */
  get held(): ReadonlyMap<string, number> {
    return new Map([...this.#current].map(([key, { fd }]) => [key, fd]));
  }

  /** Keys of `held` whose sockets somebody else made, so that nobody of ours removes their files. */
  get foreign(): ReadonlySet<string> {
    return new Set([...this.#current].filter(([, { maker }]) => maker === 'others').map(([key]) => key));
  }

  /** Unix sockets of ours whose file somebody removed, or put another in its place. */
  get lost(): readonly HeldSocket[] {
    return [...this.#current.values()].filter(({ file }) => file !== undefined && file !== 'ours');
  }

  /**
   * Binds what a configuration names and is not held yet; nothing is given up before `commit`. Throws a `BindError`
   * with all addresses that cannot be bound; then everything is as it was.
   */
  async prepare(configuration: Configuration): Promise<PreparedListeners> {
    this.#takeOver();
    const next = new Map<string, HeldSocket>();
    const before = new Set([...this.#current.values(), ...this.#inherited.values()]);
    const problems: Problem[] = [];
    const wanted = wantedBy(configuration);
    for (const each of wanted) {
      try {
        next.set(each.key, this.#known(each.key) ?? (await this.#open(each, [...next.values()])));
      } catch (error) {
        problems.push(this.#problemOf(configuration, each, error as Error));
      }
    }
    const prepared = this.#prepared(wanted, next, before);
    if (problems.length === 0) return prepared;
    prepared.rollback();
    throw new BindError(problems);
  }

  /** Closes what this process was started with and no section wants; returns the addresses. */
  closeUnclaimed(): string[] {
    const unclaimed = [...this.#inherited.values(), ...this.#activated];
    for (const socket of unclaimed) socket.close();
    this.#inherited.clear();
    this.#activated.clear();
    return unclaimed.map(({ address }) => address);
  }

  /** From now on these, by default all, are another supervisor's: closing them ends nothing. */
  handOver(keys: ReadonlySet<string> = new Set(this.#current.keys())): void {
    for (const [key, socket] of this.#current) if (keys.has(key)) socket.share();
  }

  /** The supervisor that the inherited ones come from does not go on with them. */
  takeCharge(): void {
    this.#isInCharge = true;
    for (const socket of [...this.#current.values(), ...this.#inherited.values()]) socket.own();
  }

  /** Closes all but those that stay; workers go on accepting from those that they have. */
  close(stays: (socket: HeldSocket) => boolean = () => false): void {
    const sockets = [...this.#current];
    for (const [, socket] of sockets) if (!stays(socket)) socket.close();
    this.#current = new Map(sockets.filter(([, socket]) => stays(socket)));
    this.closeUnclaimed();
  }

  #takeOver(): void {
    const { inherited, foreign, activated } = this.#startedWith;
    this.#startedWith = { inherited: new Map(), foreign, activated: [] };
    for (const [key, fd] of inherited) {
      const socket = take(fd, foreign.has(key) ? 'others' : 'ph');
      if (!this.#isInCharge) socket.share();
      this.#inherited.set(key, socket);
    }
    for (const fd of activated) this.#activated.add(take(fd, 'others'));
  }

  /** One whose file is gone serves nobody: another takes its place. */
  #known(key: string): HeldSocket | undefined {
    const socket = this.#current.get(key) ?? this.#inherited.get(key);
    return socket?.file === 'gone' ? undefined : socket;
  }

  async #open({ address, settings }: Wanted, others: readonly HeldSocket[]): Promise<HeldSocket> {
    const activated = await this.#findActivated(address);
    if (activated && !others.includes(activated)) {
      listenOn(activated, settings);
      return activated;
    }
    const owner = [...others, ...this.#current.values()].find(
      ({ fd }) => address.type === 'fd' && fd === address.fd,
    );
    if (owner) throw new Error(`is in use for ${owner.address}`);
    return bindAddress(address, settings);
  }

  async #findActivated(address: Address): Promise<HeldSocket | undefined> {
    if (this.#activated.size === 0) return undefined;
    const name = formatAddress(
      address.type === 'tcp' ? { ...address, host: await ipOf(address.host) } : address,
    );
    return [...this.#activated].find(({ fd, address: bound }) => name === bound || name === `fd://${fd}`);
  }

  #prepared(
    wanted: readonly Wanted[],
    next: ReadonlyMap<string, HeldSocket>,
    before: ReadonlySet<HeldSocket>,
  ): PreparedListeners {
    const sockets = new Set(next.values());
    const socketOf = ({ key }: Wanted) => next.get(key) as HeldSocket;
    return {
      of: name =>
        wanted.filter(({ section, setting }) => section === name && setting === 'bind').map(socketOf),
      commit: () => {
        const dropped = [...this.#current.values()].filter(socket => !sockets.has(socket));
        this.#current = next;
        this.#metrics = wanted.filter(({ setting }) => setting === 'metrics_bind').map(socketOf)[0];
        for (const key of next.keys()) this.#inherited.delete(key);
        for (const socket of sockets) this.#activated.delete(socket);
        for (const socket of dropped) socket.close();
        for (const each of wanted) socketOf(each).listen(each.settings.backlog);
      },
      rollback: () => {
        // What somebody else made cannot be made again.
        for (const socket of sockets) if (!before.has(socket) && socket.maker === 'ph') socket.close();
      },
    };
  }

  #problemOf(configuration: Configuration, wanted: Wanted, error: Error): Problem {
    const { file, directory, originOf, supervisor } = configuration;
    const { section, setting, address } = wanted;
    const origin = originOf(section, setting);
    let message = `${formatAddress(address)} ${reasonOf(error, address)}`;
    const isInUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    if (isInUse && this.#activated.size > 0) {
      const passed = [...this.#activated].map(socket => socket.address).join(', ');
      message += `; the service manager has passed on ${passed}, which has to be written just so`;
    } else if (isInUse && setting === 'metrics_bind' && !supervisor.singleInstance) {
      message += '; each instance needs an address of its own: ph run --set metrics_bind=HOST:PORT';
    }
    return problemAt(section, setting, origin, 'PH_ERR_BIND', message, file ?? directory);
  }
}

function wantedBy({ sections, supervisor }: Configuration): Wanted[] {
  const wanted: Wanted[] = [...sections.values()].flatMap(config =>
    (config.bind ?? []).map(address => ({
      key: keyOf(address, config.name),
      address,
      settings: config,
      section: config.name,
      setting: 'bind' as const,
    })),
  );
  const { metricsBind: address } = supervisor;
  if (!address) return wanted;
  // There is none where all are stopped by themselves.
  const [section = ''] = sections.keys();
  // A key of its own: what this process serves cannot become a socket of workers, nor the other way round.
  const key = `${formatAddress(address)} for metrics`;
  return [...wanted, { key, address, settings: metricsSettings, section, setting: 'metrics_bind' }];
}

/** Of port 0 each section has its own. */
function keyOf(address: Address, section: string): string {
  const text = formatAddress(address);
  return address.type === 'tcp' && address.port === 0 ? `${text} of [${section}]` : text;
}

function take(fd: number, maker: SocketMaker): HeldSocket {
  try {
    return openFd(fd, maker);
  } catch (error) {
    const message = `fd ${fd} ${(error as Error).message}`;
    throw new BindError([{ file: 'environment', code: 'PH_ERR_BIND', message }]);
  }
}

/** After the address. */
function reasonOf(error: NodeJS.ErrnoException, address: Address): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return 'is in use';
    case 'EADDRNOTAVAIL':
      return 'is no address of this machine';
    case 'EACCES':
      return address.type === 'tcp'
        ? `cannot be bound: ${error.message}; ports below 1024 need root or CAP_NET_BIND_SERVICE`
        : `cannot be bound: ${error.message}`;
    default:
      return error instanceof ProcessHandlerError || error.code
        ? `cannot be bound: ${error.message}`
        : error.message;
  }
}
