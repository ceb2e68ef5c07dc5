/** What a reload would change, and why it would fail. */

import { camelCase, KEYS } from '../config/keys.ts';
import type { Configuration, SectionConfig } from '../config/types.ts';
import type { AnswerOf } from '../control/protocol.ts';
import { ConfigError, NoSectionError } from '../errors.ts';
import { checkTaskModule } from '../group/check-task-module.ts';

type Plan = AnswerOf<'plan'>;
type KeyChange = Plan['keys'][number];

const secrets = KEYS.filter(key => 'secret' in key).map(({ name }) => name);

/** `section`: of that one only. Loads each task module once, in a process of its own. */
export async function planReload(
  current: Configuration,
  load: () => Configuration,
  section: string | undefined,
): Promise<Plan> {
  const isMeant = (name: string) => section === undefined || name === section;
  let next: Configuration;
  try {
    next = load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { added: [], removed: [], keys: [], problems: [...error.problems] };
  }
  if (section !== undefined && !current.sections.has(section) && !next.sections.has(section)) {
    throw new NoSectionError(section, next.sections.keys());
  }
  const names = (configuration: Configuration) => [...configuration.sections.keys()].filter(isMeant);
  const [before, after] = [names(current), names(next)];
  const found = await Promise.all(
    after.map(name => checkTaskModule(next.sections.get(name) as SectionConfig)),
  );
  return {
    added: after.filter(name => !before.includes(name)),
    removed: before.filter(name => !after.includes(name)),
    keys: after.filter(name => before.includes(name)).flatMap(name => changedKeys(name, current, next)),
    problems: found.flatMap(problem => problem ?? []),
  };
}

function changedKeys(section: string, current: Configuration, next: Configuration): KeyChange[] {
  const [before, after] = [current, next].map(({ texts }) => texts.get(section) ?? new Map<string, string>());
  const keys = new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])]);
  const changes = [...keys].map(key => ({
    section,
    key,
    before: before?.get(key) ?? null,
    after: after?.get(key) ?? null,
  }));
  const [old, young] = [current, next].map(({ sections }) => sections.get(section));
  const hasNewSecret = (key: string) => {
    const name = camelCase(key) as keyof SectionConfig;
    return secrets.some(secret => secret === key) && old?.[name] !== young?.[name];
  };
  return changes.filter(({ key, before, after }) => before !== after || hasNewSecret(key));
}
