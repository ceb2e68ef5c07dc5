/** No pool: what a message to a child and back costs on a socket pair, with nothing around it. */

import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { deserialize, serialize } from 'node:v8';
import { module, type Peer } from './peer.ts';

export const echo: Peer = {
  name: 'raw socket echo',
  kind: 'reference',
  async create() {
    const child = spawn(process.execPath, [fileURLToPath(module('echo.mjs'))], {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    });
    const socket = child.stdio[3] as Socket;
    const waiting: ((reply: unknown) => void)[] = [];
    let pending: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32LE(0)) {
        const end = 4 + pending.readUInt32LE(0);
        const reply: unknown = deserialize(pending.subarray(4, end));
        pending = pending.subarray(end);
        waiting.shift()?.(reply);
      }
    });
    return {
      run: (_task, payload) =>
        new Promise(resolve => {
          waiting.push(resolve);
          const body = serialize(payload);
          const frame = Buffer.allocUnsafe(4 + body.length);
          frame.writeUInt32LE(body.length);
          body.copy(frame, 4);
          socket.write(frame);
        }),
      close: async () => child.kill(),
    };
  },
};
