/** Entry of a worker process. */

import { once } from 'node:events';
import type { BootMessage, MasterMessage } from '../channel/control.ts';
import { Host } from './host.ts';
import { endProcessGroup, orphanGrace } from './orphan.ts';

// A terminal sends both to everything in it; the master says when to stop.
process.on('SIGINT', () => {});
process.on('SIGHUP', () => {});

const [boot] = (await once(process, 'message')) as [BootMessage];
const host = new Host(boot);
process.on('message', (message: MasterMessage) => {
  if (message.type === 'closing') host.onClosing(message);
});
for (const signal of new Set<NodeJS.Signals>(['SIGTERM', boot.config.stopSignal])) {
  process.on(signal, () => host.drain());
}
process.on('disconnect', () => {
  // The master is gone: finish what takes a moment, then take along whatever this process has started.
  process.on('exit', endProcessGroup);
  setTimeout(endProcessGroup, orphanGrace);
  host.drain();
});
await host.run();
