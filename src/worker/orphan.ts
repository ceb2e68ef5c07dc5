/** The end of a worker process whose master has died. */

/** Ms that it gets to finish: with the time to notice it, it is gone within 2 s. */
export const orphanGrace = 1200;

/** Ends this process and whatever it has started: it leads a process group of its own. */
export function endProcessGroup(): void {
  process.kill(-process.pid, 'SIGKILL');
}
