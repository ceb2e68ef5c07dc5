/** What `ph top` shows and what a key changes of it. Pure. */

import type { Status } from '../../control/protocol.ts';
import type { Row } from '../status/columns.ts';
import type { Line } from '../terminal/line.ts';
import { History, sectionKey } from './history.ts';
import { type SortColumn, sortColumns, sorted } from './sort.ts';

/** A row that can be selected. */
export interface Item extends Row {
  /** The same from one status to the next. */
  readonly key: string;
  readonly instance: number;
}

/** A text in place of the tables. */
export interface Overlay {
  readonly title: string;
  readonly lines: readonly Line[];
  /** The first line that is shown. */
  readonly offset: number;
}

export interface Message {
  readonly text: string;
  readonly kind: 'pending' | 'done' | 'error';
}

/** For how many statuses the outcome of a key is shown. */
const MESSAGE_AGE = 6;

/** What a key asks of a supervisor. */
export type Command =
  | { readonly type: 'quit' }
  | { readonly type: 'help' }
  | { readonly type: 'scale'; readonly instance: number; readonly section: string; readonly by: '+1' | '-1' }
  | { readonly type: 'reload'; readonly instance: number; readonly section: string }
  | {
      readonly type: 'stack';
      readonly instance: number;
      readonly section: string;
      readonly index: number;
    };

/** Two generations may share a place for a while. */
const GENERATION = ' generation ';

export class Model {
  readonly history = new History();
  statuses: readonly Status[] = [];
  /** When the statuses were there, ms since 1970. */
  now = 0;
  /** Why there is no newer status. */
  gone: string | undefined;
  message: Message | undefined;
  overlay: Overlay | undefined;
  sort: { readonly column: SortColumn; readonly isReversed: boolean } = {
    column: sortColumns[0],
    isReversed: false,
  };
  #selected: string | undefined;
  #messageAge = 0;

  /** @param at ms of a clock that nobody sets */
  update(statuses: readonly Status[], now: number, at: number): void {
    const selected = this.#selectedIndex;
    this.statuses = statuses;
    this.now = now;
    this.gone = undefined;
    this.history.add(statuses, at);
    this.#messageAge += 1;
    if (this.message?.kind !== 'pending' && this.#messageAge > MESSAGE_AGE) this.message = undefined;
    if (!this.selected) this.#selectInstead(selected);
  }

  /** The sections, then the workers of all of them. */
  get items(): readonly Item[] {
    return [...this.sections, ...this.workers];
  }

  get sections(): readonly Item[] {
    return this.statuses.flatMap(({ supervisor: { instance }, sections }) =>
      sections.map(section => ({
        section,
        instance,
        now: this.now,
        key: sectionKey(instance, section.name),
      })),
    );
  }

  get workers(): readonly Item[] {
    const all = this.sections.flatMap(item =>
      item.section.processes.map(worker => ({
        ...item,
        worker,
        key: `${item.key}#${worker.index}${GENERATION}${worker.generation}`,
      })),
    );
    return sorted(all, this.sort.column, this.sort.isReversed);
  }

  get selected(): Item | undefined {
    return this.items.find(({ key }) => key === this.#selected);
  }

  /** What is pending is shown until something else is said. */
  say(text: string, kind: Message['kind']): void {
    this.message = { text, kind };
    this.#messageAge = 0;
  }

  show(title: string, lines: readonly Line[]): void {
    this.overlay = { title, lines, offset: 0 };
  }

  /** Does what the key is for; returns what is left to others. */
  press(key: string): Command | undefined {
    this.message = undefined;
    if (this.overlay) return this.#pressInOverlay(key, this.overlay);
    switch (key) {
      case 'q':
        return { type: 'quit' };
      case '?':
      case 'h':
        return { type: 'help' };
      case 'up':
      case 'k':
        this.#select(this.#selectedIndex - 1);
        return undefined;
      case 'down':
      case 'j':
        this.#select(this.#selectedIndex + 1);
        return undefined;
      case 'home':
        this.#select(0);
        return undefined;
      case 'end':
        this.#select(Number.POSITIVE_INFINITY);
        return undefined;
      case 'left':
      case '<':
        this.#sortBy(-1);
        return undefined;
      case 'right':
      case '>':
        this.#sortBy(1);
        return undefined;
      case 'i':
        this.sort = { ...this.sort, isReversed: !this.sort.isReversed };
        return undefined;
      default:
        return this.#commandOf(key);
    }
  }

  get #selectedIndex(): number {
    return this.items.findIndex(({ key }) => key === this.#selected);
  }

  #select(index: number): void {
    const { items } = this;
    this.#selected = items[Math.max(0, Math.min(index, items.length - 1))]?.key;
  }

  /** What was selected has gone: whoever has its place is it then, or its neighbour. */
  #selectInstead(index: number): void {
    const place = placeOf(this.#selected ?? '');
    const successor = this.items.find(({ key }) => placeOf(key) === place);
    if (successor) this.#selected = successor.key;
    else this.#select(index);
  }

  #sortBy(step: 1 | -1): void {
    const index = sortColumns.indexOf(this.sort.column) + step + sortColumns.length;
    const column = sortColumns[index % sortColumns.length] ?? sortColumns[0];
    this.sort = { column, isReversed: false };
  }

  #commandOf(key: string): Command | undefined {
    const { selected } = this;
    if (!selected || !['+', '=', '-', 'r', 's'].includes(key)) return undefined;
    const { instance, worker } = selected;
    const section = selected.section.name;
    if (key === 'r') return { type: 'reload', instance, section };
    if (key !== 's') return { type: 'scale', instance, section, by: key === '-' ? '-1' : '+1' };
    if (worker?.pid) return { type: 'stack', instance, section, index: worker.index };
    this.say(
      worker ? 'this worker has no process now' : 'a stack is that of a worker: select one with the arrows',
      'error',
    );
    return undefined;
  }

  #pressInOverlay(key: string, overlay: Overlay): undefined {
    const scroll = (offset: number) => {
      const last = Math.max(0, overlay.lines.length - 1);
      this.overlay = { ...overlay, offset: Math.max(0, Math.min(offset, last)) };
    };
    if (key === 'up' || key === 'k') scroll(overlay.offset - 1);
    else if (key === 'down' || key === 'j') scroll(overlay.offset + 1);
    else if (key === 'home') scroll(0);
    else if (key === 'end') scroll(overlay.lines.length);
    else this.overlay = undefined;
    return undefined;
  }
}

function placeOf(key: string): string {
  return key.split(GENERATION)[0] as string;
}
