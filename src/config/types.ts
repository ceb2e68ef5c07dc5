/** The typed configuration, derived from the table of keys. */

import type { KEYS } from './keys.ts';
import type { Kind } from './kinds/kind.ts';
import type { Origin } from './layers.ts';

type Key = (typeof KEYS)[number];

type CamelCase<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

type ValueOf<K extends Key> =
  | (K['kind'] extends Kind<infer T> ? T : never)
  | (K['default'] extends string ? never : undefined);

/** Each key as its kind reads it. */
export type TypedKeys = { readonly [K in Key as CamelCase<K['name']>]: ValueOf<K> };

type Resolved = 'task' | 'numberWorkers' | 'threads' | 'procName';

/** One section that can run. Durations are milliseconds, sizes bytes, paths absolute. */
export interface SectionConfig extends Omit<TypedKeys, Resolved> {
  readonly name: string;
  readonly task: string;
  /** `auto` resolved. */
  readonly numberWorkers: number;
  /** `auto` resolved; 0: no pool. */
  readonly threads: number;
  /** Default: `name`. */
  readonly procName: string;
  /** The application's own keys. Frozen, without prototype. */
  readonly settings: Readonly<Record<string, string | undefined>>;
}

type SupervisorKey = CamelCase<Extract<Key, { scope: 'supervisor' }>['name']>;

/** What concerns the supervisor as a whole: the same in all sections. */
export interface SupervisorConfig extends Omit<Pick<SectionConfig, SupervisorKey>, 'controlSocket'> {
  /** Default: beside the first pidfile, or beside ph.ini where there is none. */
  readonly controlSocket: string;
  /** The distinct pidfiles of the sections; none where no section has one. */
  readonly pidfiles: readonly string[];
}

export interface Configuration {
  /** Absolute path of ph.ini. */
  readonly file: string | undefined;
  /** Relative paths count from it: that of the file, or the one that was given. */
  readonly directory: string;
  /** The sections to run, in the order of the file; at least one. */
  readonly sections: ReadonlyMap<string, SectionConfig>;
  readonly supervisor: SupervisorConfig;
  /** By section and key, what has been set, with references resolved; secrets are hidden. */
  readonly texts: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Where the value of a key was written; undefined for a default. */
  readonly originOf: (section: string, key: string) => Origin | undefined;
}
