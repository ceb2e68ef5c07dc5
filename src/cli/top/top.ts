/** `ph top` at work: what it gets from the supervisors, and what it asks of them. */

import type { ControlClient } from '../../control/client.ts';
import { ControlError, ProcessHandlerError } from '../../errors.ts';
import { describe } from '../commands/stack.ts';
import type { RunningSupervisor } from '../supervisors.ts';
import { span } from '../terminal/line.ts';
import { LiveView } from '../terminal/live.ts';
import { plainText } from '../terminal/text.ts';
import { formatAge } from '../terminal/units.ts';
import { helpLines } from './help.ts';
import { type Command, Model } from './model.ts';
import { topLines } from './view.ts';

export class Top {
  readonly #look: () => Promise<readonly RunningSupervisor[]>;
  readonly #model = new Model();
  readonly #view: LiveView;
  #supervisors: readonly RunningSupervisor[] = [];

  constructor(look: () => Promise<readonly RunningSupervisor[]>) {
    this.#look = look;
    this.#view = new LiveView({
      refresh: () => this.#refresh(),
      lines: size => topLines(this.#model, size),
      onKey: key => this.#onKey(key),
    });
  }

  /** Until a key ends it. Rejects where there is nothing to begin with. */
  async run(): Promise<void> {
    this.#update(await this.#look());
    await this.#view.run();
  }

  /** Where the supervisor has gone, another one may come: after a restart, for example. */
  async #refresh(): Promise<void> {
    try {
      this.#update(await this.#look());
    } catch (error) {
      if (!(error instanceof ProcessHandlerError)) throw error;
      this.#model.gone = `${error.message}; waiting for it to come back`;
    }
  }

  #update(supervisors: readonly RunningSupervisor[]): void {
    this.#supervisors = supervisors;
    this.#model.update(
      supervisors.map(({ status }) => status),
      Date.now(),
      performance.now(),
    );
  }

  #onKey(key: string): void {
    const command = this.#model.press(key);
    if (command?.type === 'quit') this.#view.end();
    else if (command?.type === 'help') this.#model.show('Keys', helpLines);
    else if (command) void this.#carryOut(command);
  }

  /** Says how it goes; what a supervisor refuses ends nothing here. */
  async #carryOut(command: Exclude<Command, { type: 'quit' | 'help' }>): Promise<void> {
    const isMeant = ({ status }: RunningSupervisor) => status.supervisor.instance === command.instance;
    const supervisor = this.#supervisors.find(isMeant);
    if (!supervisor) return;
    try {
      await this.#ask(supervisor.client, command);
      await this.#refresh();
    } catch (error) {
      this.#explain(command.section, error);
    }
    this.#view.draw();
  }

  async #ask(client: ControlClient, command: Exclude<Command, { type: 'quit' | 'help' }>): Promise<void> {
    const model = this.#model;
    const { section } = command;
    switch (command.type) {
      case 'scale': {
        model.say(`${section}: ${command.by === '+1' ? 'one worker more' : 'one worker less'} …`, 'pending');
        const { before, after } = await client.scale({ section, workers: command.by });
        model.say(`${section}: ${before} → ${after} workers`, 'done');
        break;
      }
      case 'reload': {
        model.say(`${section}: reloading …`, 'pending');
        const began = performance.now();
        await client.reload({ section });
        model.say(`${section}: reloaded in ${formatAge(performance.now() - began)}`, 'done');
        break;
      }
      case 'stack': {
        const { workers } = await client.stack({ section, index: command.index });
        this.#showText(`stack of ${section}#${command.index}`, workers.map(describe).join('\n'));
      }
    }
  }

  /** An error of several lines needs the room. */
  #explain(section: string, error: unknown): void {
    if (!(error instanceof Error)) throw error;
    const details = error instanceof ControlError ? error.details : undefined;
    if (details === undefined) this.#model.say(`${section}: ${error.message}`, 'error');
    else {
      this.#model.message = undefined;
      this.#showText(`${section}: ${error.message}`, details);
    }
  }

  #showText(title: string, text: string): void {
    this.#model.show(
      title,
      text.split('\n').map(line => [span(plainText(line))]),
    );
  }
}
