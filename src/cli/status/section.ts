/** The part of a status that a command is about. Pure. */

import type { Status } from '../../control/protocol.ts';
import { UsageError } from '../../errors.ts';
import { plainText } from '../terminal/text.ts';

/** The statuses with that section alone. Throws a `UsageError` with the names that there are, where it is in none. */
export function onlySection(statuses: readonly Status[], name: string | undefined): readonly Status[] {
  if (name === undefined) return statuses;
  const found = statuses
    .map(status => ({ ...status, sections: status.sections.filter(section => section.name === name) }))
    .filter(({ sections }) => sections.length > 0);
  if (found.length > 0) return found;
  const names = new Set(statuses.flatMap(({ sections }) => sections.map(section => plainText(section.name))));
  throw new UsageError(`there is no section [${plainText(name)}]; there are: ${[...names].join(', ')}`);
}
