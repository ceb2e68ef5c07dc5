/** `ph` as the main process of a container: what it has to be then, and who reaps what others leave behind. */

import { accessSync, constants, readFileSync } from 'node:fs';
import type { Configuration } from '../config/types.ts';
import type { GroupState } from '../group/group.ts';

/**
 * `process-one`: nobody reaps. `under-shell`: this package's own shell is process 1, and `under-init`: tini or the like
 * is. `none`: no container's main process.
 */
export type ContainerRole = 'none' | 'process-one' | 'under-shell' | 'under-init';

/** Set by the shell that has taken the place of process 1, and nowhere else. */
const mark = 'PH_PROCESS_ONE';

const shell = '/bin/sh';

/** What is process 1 of a container, started by `docker run --init`, by podman, or by an image itself. */
const inits = ['tini', 'tini-static', 'docker-init', 'dumb-init', 'catatonit', 'podman-init'];

/**
 * Process 1 is the parent of whatever has lost its own, and Node waits for no child that it has not started. A shell
 * waits for any, passes signals on, and ends as the supervisor does. `wait` returns for a signal too: then it is called again.
 */
const shellScript = `
child=
for name in HUP INT QUIT TERM USR1 USR2 TTIN TTOU WINCH; do trap "kill -$name \\$child" $name; done
"$@" <&3 3<&- &
child=$!
exec 3<&-
while :; do
  wait $child; code=$?
  kill -0 $child 2>/dev/null && continue
  wait $child 2>/dev/null; again=$?
  [ $code -gt 128 ] && [ $again -ne 127 ] && code=$again
  exit $code
done`;

type Execve = (file: string, args: readonly string[], env: NodeJS.ProcessEnv) => never;

/** To be called before anything has been opened that is not to be passed on. Takes the mark off. */
export function takeContainerRole(env: NodeJS.ProcessEnv): ContainerRole {
  const isMarked = env[mark] !== undefined;
  delete env[mark];
  if (process.pid === 1) return 'process-one';
  if (process.ppid !== 1) return 'none';
  if (isMarked) return 'under-shell';
  return inits.includes(nameOf(1)) ? 'under-init' : 'none';
}

/**
 * Process 1 becomes a shell that starts `ph` anew as its child. Returns where that cannot be: a Node before 22.15 or 23.11, an
 * image without a shell, sockets that were passed to this process and would be lost.
 */
export function giveUpProcessOne({ sections }: Configuration): void {
  const { execve } = process as { execve?: Execve };
  const addresses = [...sections.values()].flatMap(({ bind = [] }) => bind);
  const hasSockets = process.env.LISTEN_FDS !== undefined || addresses.some(({ type }) => type === 'fd');
  if (!execve || hasSockets || !isExecutable(shell)) return;
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  execve.call(process, shell, [shell, '-c', `exec 3<&0${shellScript}`, 'ph', ...command], {
    ...process.env,
    [mark]: '1',
  });
}

/** What the log says of it at the start; undefined: nothing. */
export function noteOf(
  role: ContainerRole,
): { readonly level: 'info' | 'warn'; readonly text: string } | undefined {
  switch (role) {
    case 'under-shell':
      return {
        level: 'info',
        text: `${shell} is process 1 in place of ph, to reap what others leave behind; it passes signals on`,
      };
    case 'process-one':
      return {
        level: 'warn',
        text:
          'this is process 1, and Node does not reap what others leave behind: ' +
          'start the container with an init (docker run --init, or tini in the image), or take Node 22.15 or later and an image with /bin/sh',
      };
    default:
      return undefined;
  }
}

/** Whether nothing serves any more and nothing will for long: then whoever runs the container knows better. */
export function isHopeless(states: readonly GroupState[]): boolean {
  return states.includes('failed') && states.every(state => state === 'failed' || state === 'stopped');
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
