/** A JSON echo in one process, with nothing but node:http. */

import { createServer } from 'node:http';
import { jsonEcho } from './echo-app.mjs';

createServer(jsonEcho).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
