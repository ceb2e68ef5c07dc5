/** An HTTP service whose answers take 5 ms, as one does that asks a database. */

import http from 'node:http';
import { Worker } from 'processhandler';

export default class extends Worker {
  async initProcess() {
    await this.serve(http.createServer((_, response) => setTimeout(() => response.end('done'), 5)));
  }
}
