/** Tells on stderr how far a bench is: one line that is rewritten on a terminal, a line per stage elsewhere. */

export class Progress {
  #stage = '';

  /** `detail` changes within a stage, and is told on a terminal only. */
  show(stage: string, detail = ''): void {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${stage}${detail && `: ${detail}`}`);
    else if (stage !== this.#stage) process.stderr.write(`${stage}\n`);
    this.#stage = stage;
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  }
}
