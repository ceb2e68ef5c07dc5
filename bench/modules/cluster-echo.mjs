/** The HTTP echo in two processes of node:cluster. */

import cluster from 'node:cluster';
import { createServer } from 'node:http';
import { echo } from './echo-app.mjs';

const workers = 2;
if (cluster.isPrimary) {
  for (let i = 0; i < workers; i++) cluster.fork();
  let listening = 0;
  cluster.on('listening', () => {
    if (++listening === workers) console.log('ready');
  });
} else {
  createServer(echo).listen(Number(process.argv[2]), '127.0.0.1');
}
