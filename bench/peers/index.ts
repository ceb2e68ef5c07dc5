/** All pools that are measured, in the order of the tables. */

import { availableCores } from '../../src/config/cores.ts';
import { echo } from './echo.ts';
import { jestProcesses, jestThreads } from './jest-worker.ts';
import type { Peer } from './peer.ts';
import { piscina, piscinaAhead } from './piscina.ts';
import { poolifierCluster, poolifierThreads } from './poolifier.ts';
import { processhandler } from './processhandler.ts';
import { tinypoolProcesses, tinypoolThreads } from './tinypool.ts';
import { workerpoolProcesses, workerpoolThreads } from './workerpool.ts';

export const cores = availableCores();

/** Ours with as many workers as the others have: all of them processes, or all of them threads of one process. */
export const wide = processhandler(cores, 1);
export const deep = processhandler(1, cores);
/** Ours with one worker, for what its two tiers cost. */
export const single = processhandler(1, 1);

export const peers: readonly Peer[] = [
  piscina,
  piscinaAhead,
  tinypoolThreads,
  workerpoolThreads,
  poolifierThreads,
  jestThreads,
  tinypoolProcesses,
  workerpoolProcesses,
  poolifierCluster,
  jestProcesses,
  wide,
  deep,
  single,
  echo,
];
