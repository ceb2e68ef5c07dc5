/** What the cores can do. */

import { Worker } from 'node:worker_threads';
import { module } from '../peers/peer.ts';

/** Turns of the task `spin` in a ms, on each of as many bare threads as there are cores. */
export async function calibrate(cores: number): Promise<number> {
  const thread = () =>
    new Promise<number>((resolve, reject) => {
      new Worker(module('calibrate.mjs'), { execArgv: [] }).once('message', resolve).once('error', reject);
    });
  return Math.max(...(await Promise.all(Array.from({ length: cores }, thread))));
}
