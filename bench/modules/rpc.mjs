/** What the JSON-RPC bench calls. */

export { echo, spin } from './tasks.mjs';

export function pid() {
  return process.pid;
}
