/** A status as text. Pure. */

import type { SectionStatus, Status } from '../../control/protocol.ts';
import { type Line, type Look, renderLine, span } from '../terminal/line.ts';
import { table } from '../terminal/table.ts';
import { plainText } from '../terminal/text.ts';
import { formatAge, formatBytes, formatPercent } from '../terminal/units.ts';
import { columns, type Row } from './columns.ts';

/** A headline and a table for each supervisor, with an empty line between them. */
export function statusLines(statuses: readonly Status[], now: number, width: number): Line[] {
  return statuses.flatMap((status, index) => [
    ...(index > 0 ? [[]] : []),
    headline(status, statuses.length > 1),
    ...sectionLines(status.sections, now, width),
  ]);
}

export function renderStatus(statuses: readonly Status[], now: number, look: Look): string {
  return statusLines(statuses, now, look.width)
    .map(line => `${renderLine(line, look)}\n`)
    .join('');
}

/** What is said of the supervisor itself. */
export function headline({ supervisor }: Status, isOneOfSeveral: boolean): Line {
  const { version, state, pid, instance, uptime, node, cpu, rss, file, directory, busyWith } = supervisor;
  const parts = [
    span(`ph ${version}`, 'bold'),
    ...(isOneOfSeveral || instance > 1 ? [span(`instance ${instance}`)] : []),
    span(state, state === 'running' ? 'green' : 'yellow'),
    ...(busyWith ? [span(`${busyWith} under way`, 'cyan')] : []),
    span(`pid ${pid}`),
    span(`up ${formatAge(uptime)}`),
    span(`CPU ${formatPercent(cpu)}`),
    span(`RSS ${formatBytes(rss)}`),
    span(plainText(file ?? directory), 'dim'),
    span(`node ${plainText(node)}`, 'dim'),
  ];
  return parts.flatMap((part, index) => (index > 0 ? [span('  '), part] : [part]));
}

/** Beneath a section that does not work, why. */
function sectionLines(sections: readonly SectionStatus[], now: number, width: number): Line[] {
  const rows = sections.flatMap<Row>(section => [
    { section, now },
    ...section.processes.map(worker => ({ section, worker, now })),
  ]);
  const [header = [], ...lines] = table(Object.values(columns), rows, width);
  return [
    header,
    ...lines.flatMap((line, index) => {
      const { section, worker } = rows[index] as Row;
      const failure = worker ? undefined : failureLine(section);
      return failure ? [line, failure] : [line];
    }),
  ];
}

/** Why a section does not do its work; undefined where it does. */
export function failureLine({ state, lastFailure, processes }: SectionStatus): Line | undefined {
  if (lastFailure !== null && (state === 'failed' || state === 'backoff')) {
    const [first = ''] = lastFailure.trim().split('\n');
    return [span('  ! ', 'red'), span(plainText(first), state === 'failed' ? 'red' : 'yellow')];
  }
  const cutOff = processes.find(({ queue }) => queue?.connected === false);
  const reason = cutOff?.queue?.reason ?? 'no connection';
  return cutOff && [span('  ! ', 'red'), span(`queue: ${plainText(reason)}`, 'yellow')];
}
