/** The configuration of the one section that a command is about. */

import { loadConfiguration } from '../config/load.ts';
import type { SectionConfig } from '../config/types.ts';
import { loadOptions } from './configuration.ts';

/** Throws a `ConfigError`. */
export function sectionConfig(section: string, file: string | undefined): SectionConfig {
  const flags = { section: [section], ...(file !== undefined && { config: file }) };
  const { sections } = loadConfiguration(loadOptions(undefined, flags));
  return sections.get(section) as SectionConfig;
}
