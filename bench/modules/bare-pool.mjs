// What `ph run` is measured against: a script that starts the same Piscina pool, and nothing else.
import { Piscina } from 'piscina';

const threads = 2;
const filename = new URL('./double.mjs', import.meta.url).href;
const pool = new Piscina({ filename, minThreads: threads, maxThreads: threads });
await Promise.all(Array.from({ length: threads }, (_, n) => pool.run(n)));
process.stderr.write('ready\n');
setInterval(() => {}, 1000);
