import { Worker as Thread } from 'node:worker_threads';

/** How soon it is tried again where no file descriptor was free to load it, ms. */
const retryDelay = 1000;

/** Starts the watchdog thread. It never keeps the process alive. */
export function startWatchdog(): void {
  const thread = new Thread(new URL('./watchdog-thread.js', import.meta.url), {
    name: 'ph watchdog',
    // Neither the user's loaders nor a large heap: it only waits.
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
  });
  thread.on('error', (error: Error) => {
    // A flood of connections may be faster than its first moments. Node has several codes for that.
    if (!/too many open files/.test(error.message)) throw error;
    setTimeout(startWatchdog, retryDelay).unref();
  });
  thread.unref();
}
