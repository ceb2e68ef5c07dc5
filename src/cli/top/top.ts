/** `ph top` at work: what it gets from the supervisors, and what it asks of them. */

import type { ControlClient } from '../../control/client.ts';
import { ControlError, ProcessHandlerError } from '../../errors.ts';
import type { RunningSupervisor } from '../supervisors.ts';
import { type Line, span } from '../terminal/line.ts';
import { LiveView } from '../terminal/live.ts';
import { plainText } from '../terminal/text.ts';
import { formatAge } from '../terminal/units.ts';
import { helpLines } from './help.ts';
import { type Command, Model } from './model.ts';
import { topLines } from './view.ts';

type Stack = Awaited<ReturnType<ControlClient['stack']>>['workers'][number];

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
        model.say(`${section}: ${command.by === '+1' ? 'one worker more' : 'one worker less'} …`);
        const { before, after } = await client.scale({ section, workers: command.by });
        model.say(`${section}: ${before} → ${after} workers`);
        break;
      }
      case 'reload': {
        model.say(`${section}: reloading …`);
        const began = performance.now();
        await client.reload({ section });
        model.say(`${section}: reloaded in ${formatAge(performance.now() - began)}`);
        break;
      }
      case 'stack': {
        const { workers } = await client.stack({ section, index: command.index });
        model.show(`${section}#${command.index}`, workers.flatMap(stackLines));
      }
    }
  }

  /** An error of several lines needs the room. */
  #explain(section: string, error: unknown): void {
    if (!(error instanceof Error)) throw error;
    const details = error instanceof ControlError ? error.details : undefined;
    const lines = details?.split('\n').map(text => [span(plainText(text))]);
    if (lines) this.#model.show(`${section}: ${error.message}`, lines);
    else this.#model.say(`${section}: ${error.message}`, true);
  }
}

function stackLines({ pid, frames, running }: Stack): Line[] {
  const where = frames.length > 0 ? frames : ['idle, or in code that is not JavaScript'];
  const tasks = running.map(
    ({ name, threadId, age }) => `${name} on thread ${threadId} for ${formatAge(age)}`,
  );
  return [
    [span(`main thread of ${pid}`, 'dim')],
    ...where.map(frame => [span(`  ${plainText(frame)}`)]),
    [],
    [span(tasks.length > 0 ? 'tasks on its threads' : 'no task runs on its threads', 'dim')],
    ...tasks.map(task => [span(`  ${plainText(task)}`, 'cyan')]),
    [],
  ];
}
