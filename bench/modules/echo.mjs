/** Sends every frame (u32 length, body) back on the socket that it came from. */

import { Socket } from 'node:net';

const socket = new Socket({ fd: 3 });
let pending = Buffer.alloc(0);
socket.on('data', chunk => {
  pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
  while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32LE(0)) {
    const end = 4 + pending.readUInt32LE(0);
    socket.write(pending.subarray(0, end));
    pending = pending.subarray(end);
  }
});
