/** What systemd is told where it runs `ph` as a service of `Type=notify`. */

import { execFile } from 'node:child_process';

/** systemd-notify waits until systemd has taken it in; ms. */
const notifyLimit = 5000;

/**
 * Says that the service is ready and that this process is its main one, and resolves once systemd knows: the one that
 * was before may exit then. Does nothing elsewhere. Rejects where systemd cannot be told.
 */
export async function announceMainProcess(env = process.env): Promise<void> {
  if (!env.NOTIFY_SOCKET) return;
  // Node cannot send to a Unix datagram socket.
  await new Promise<void>((resolve, reject) => {
    const args = ['--ready', `--pid=${process.pid}`];
    execFile('systemd-notify', args, { env, timeout: notifyLimit }, (error, _stdout, stderr) => {
      if (error) reject(new Error(`systemd-notify: ${stderr.trim() || error.message}`, { cause: error }));
      else resolve();
    });
  });
}
