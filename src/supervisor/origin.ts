/** How this supervisor was started, so that an upgrade can start its successor in the same way. */

import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, relative, resolve } from 'node:path';

export interface Origin {
  /** Path of Node: through the symbolic links that led to it, so that an upgrade follows them anew. */
  readonly command: string;
  readonly args: readonly string[];
  /** Working directory, by the name that the shell has for it. */
  readonly directory: string;
  /** Before anybody has changed it. */
  readonly env: NodeJS.ProcessEnv;
}

type Facts = Pick<NodeJS.Process, 'argv' | 'argv0' | 'execArgv' | 'execPath' | 'env' | 'cwd'>;

/** To be called before anything changes the environment or the working directory. */
export function originOf({ argv, argv0, execArgv, execPath, env, cwd }: Facts): Origin {
  const directory = namedDirectory(cwd(), env.PWD);
  const [, entry = '', ...args] = argv;
  return {
    command: nodeOf(argv0, execPath, env.PATH),
    args: [...execArgv, renamed(entry, cwd(), directory), ...args],
    directory,
    env: { ...env },
  };
}

/** The system knows only the directory itself; a link such as `current`, which a deploy turns round, is in PWD alone. */
function namedDirectory(directory: string, name: string | undefined): string {
  return name !== undefined && isAbsolute(name) && isSame(name, directory) ? name : directory;
}

/** Node has put the directory itself before a relative path of the script. */
function renamed(path: string, directory: string, name: string): string {
  const rest = relative(directory, path);
  return rest.startsWith('..') || isAbsolute(rest) ? path : join(name, rest);
}

/** What the command line named, where that is the Node that runs; `execPath` has all links resolved. */
function nodeOf(argv0: string, execPath: string, path = ''): string {
  const candidates = argv0.includes('/')
    ? [resolve(argv0)]
    : path.split(delimiter).map(directory => join(directory, argv0));
  const named = candidates.find(isExecutable);
  return named !== undefined && isAbsolute(named) && isSame(named, execPath) ? named : execPath;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function isSame(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return false;
  }
}
