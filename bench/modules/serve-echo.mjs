/** The HTTP echo on the socket that the supervisor has bound. */

import { createServer } from 'node:http';
import { Worker } from 'processhandler';
import { echo } from './echo-app.mjs';

export default class Echo extends Worker {
  initProcess() {
    return this.serve(createServer(echo));
  }
}
