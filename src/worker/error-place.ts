/** Gives an error in the user's code the file, the line and the code that its author needs to see. */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { isMainThread } from 'node:worker_threads';

/** Of what the import of `url` threw. */
export async function withPlace(error: unknown, url: string): Promise<unknown> {
  if (!(error instanceof Error)) return error;
  if (error.name === 'TransformError') return fromEsbuild(error.message) ?? error;
  if ('code' in error && error.code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') {
    const hint =
      'Node itself only removes types; set `ts = tsx` for this section, or use erasable syntax only';
    return extend(error, hint);
  }
  // A thread fails as the main thread does, which says it for all.
  if (!(error instanceof SyntaxError) || hasPlace(error.stack) || !isMainThread) return error;
  const place = await placeOf(url);
  return place ? extend(error, place) : error;
}

/** At the head of the stack, or in one of its frames. */
function hasPlace(stack = ''): boolean {
  return /^\S+:\d+\n|^\s+at .*\.[cm]?[jt]sx?:\d/m.test(stack);
}

/** Node keeps the place from whoever catches the error and only prints it when nobody does: another Node is asked to. */
async function placeOf(url: string): Promise<string | undefined> {
  const script = `import(${JSON.stringify(url)})`;
  const { stderr } = await promisify(execFile)(process.execPath, [...process.execArgv, '--eval', script], {
    env: { ...process.env, NODE_OPTIONS: '' },
    timeout: 10_000,
  }).catch((failure: { stderr?: string }) => ({ stderr: failure.stderr ?? '' }));
  return /^([\s\S]*?)\n\n?SyntaxError/.exec(stderr)?.[1]?.trim();
}

/** esbuild, which tsx uses, names the place and leaves the code out. */
function fromEsbuild(text: string): SyntaxError | undefined {
  const [, file, line, column, reason] = /^(.+):(\d+):(\d+): ERROR: (.+)$/m.exec(text) ?? [];
  if (file === undefined) return undefined;
  const code = readFileSync(file, 'utf8').split(/\r?\n/)[Number(line) - 1] ?? '';
  const caret = `${code.slice(0, Number(column)).replace(/\S/g, ' ')}^`;
  return new SyntaxError(`${reason}\n${file}:${line}\n${code}\n${caret}`);
}

/** Adds a line to the message, and where it is shown: the stack holds a copy. */
function extend(error: Error, line: string): Error {
  const { message, stack } = error;
  error.message = `${message}\n${line}`;
  if (stack) error.stack = stack.replace(message, () => error.message);
  return error;
}
