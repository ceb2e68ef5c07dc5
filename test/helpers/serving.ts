/** Task modules that serve, and what tests ask of them. */

/** A Worker whose class body is `members`; `rest` stands before it. */
export function servingModule(members: string, rest = ''): string {
  return `import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { Worker } from 'processhandler';
${rest}
export default class extends Worker {
  ${members}
}
`;
}

/** Answers every request, on every listener, with who it is. */
export const whoAnswers = servingModule(
  `async initProcess() {
    const answer = ({ address }) => JSON.stringify({ pid: process.pid, address, env: process.env, threads: this.config.threads });
    for (const listener of this.listeners) {
      await this.serve(http.createServer((_, response) => response.end(answer(listener))), listener);
    }
  }`,
);

/** An HTTP server on each listener, with an answer for each way in which a request can be slow. */
export const slowAnswers = servingModule(
  `async initProcess() {
    this.signal.addEventListener('abort', () => console.log('draining'));
    for (const listener of this.listeners) {
      await this.serve(http.createServer((request, response) => this.answer(request, response)), listener);
    }
  }
  answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, 'http://x');
    const ms = Number(searchParams.get('ms'));
    const said = 'pid ' + process.pid;
    switch (pathname) {
      case '/': return void response.end(said);
      case '/slow': return void setTimeout(() => response.end(said), ms);
      case '/stream': response.write('begun '); return void setTimeout(() => response.end(said), ms);
      case '/block': console.log('blocking'); for (const end = Date.now() + ms; Date.now() < end; ); return void response.end(said);
      case '/never': return void console.log('got a request that is never answered');
      case '/body': request.resume().on('end', () => response.end(said)); return;
      case '/much': {
        console.log('much');
        const chunk = Buffer.alloc(2 ** 16);
        const more = () => { while (response.write(chunk)); };
        more();
        response.on('drain', more);
      }
    }
  }`,
);
