/** Records for people to read: one line each, stacks indented beneath. */
import { createRequire } from 'node:module';
import type { prettyFactory } from 'pino-pretty';

/** Turns a record (a line of JSON with its line feed) into the text to write. */
export type Format = (record: string) => string;

/** Loads pino-pretty, which costs some 20 ms: only where it is used. */
export function prettyFormat(colors: boolean): Format {
  const load = createRequire(import.meta.url);
  const { prettyFactory: create }: { prettyFactory: typeof prettyFactory } = load('pino-pretty');
  const pretty = create({
    colorize: colors,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    // What the prefix or the message says already.
    ignore:
      'pid,hostname,section,index,hook,name,stream,workerPid,generation,workers,exit,repeats,instance,directory,file,node,details,address,successor',
    messageFormat: (record, key) => [origin(record), record[key]].filter(isShown).join(' '),
  });
  return record => {
    try {
      const fields = JSON.parse(record);
      return isPinoRecord(fields) ? pretty(record) + detailsOf(fields) : record;
    } catch {
      // What a worker prints must not bring down the supervisor: an object nested too deeply, for example.
      return record;
    }
  };
}

/** `jobexecute#1 4711` for a worker, `jobexecute on_exit 4712` for a hook; `ph jobexecute` for what the supervisor says of it. */
function origin({ section, name, index, hook, pid }: Record<string, unknown>): string {
  if (name === 'ph') return ['ph', section].filter(isShown).join(' ');
  const who = `${section ?? name ?? ''}${index === undefined ? '' : `#${index}`}`;
  return [who, hook, pid].filter(isShown).join(' ');
}

/** The user's own error, as the supervisor tells it: text of several lines. */
function detailsOf({ name, details }: Readonly<Record<string, unknown>>): string {
  if (name !== 'ph' || typeof details !== 'string') return '';
  return `    ${details.replaceAll('\n', '\n    ')}\n`;
}

function isShown(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

/** Other programs' JSON is shown as it is: pino-pretty would print `undefined`, or throw at a level that is an object. */
function isPinoRecord({ level, time }: Readonly<Record<string, unknown>>): boolean {
  return typeof level === 'number' && typeof time === 'number';
}
