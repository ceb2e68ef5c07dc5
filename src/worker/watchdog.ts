import { Worker as Thread } from 'node:worker_threads';

/** Starts the watchdog thread. It never keeps the process alive. */
export function startWatchdog(): void {
  new Thread(new URL('./watchdog-thread.js', import.meta.url), {
    name: 'ph watchdog',
    // Neither the user's loaders nor a large heap: it only waits.
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
  }).unref();
}
