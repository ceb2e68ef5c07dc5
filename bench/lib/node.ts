/** The Node versions that a bench compares. */

import { execFileSync } from 'node:child_process';

export interface NodeBinary {
  readonly version: string;
  readonly path: string;
}

/** The Node that runs this bench. */
export const thisNode: NodeBinary = { version: process.version, path: process.execPath };

/** That one, and Node 24 from the registry where it can be had. */
export function nodeBinaries(): NodeBinary[] {
  try {
    const found = execFileSync(
      'npx',
      [
        '--yes',
        '--package',
        'node@24',
        '--',
        'node',
        '-p',
        'JSON.stringify([process.version, process.execPath])',
      ],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    const [version, path] = JSON.parse(found) as [string, string];
    return version === thisNode.version ? [thisNode] : [thisNode, { version, path }];
  } catch {
    process.stderr.write('Node 24 cannot be had here: only the Node that runs this is measured\n');
    return [thisNode];
  }
}
