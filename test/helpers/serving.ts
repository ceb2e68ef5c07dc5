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
