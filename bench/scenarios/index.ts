/** All scenarios, in the order of the tables. */

import { cpu } from './cpu.ts';
import { crashes } from './crashes.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { mixed } from './mixed.ts';
import { payloads } from './payloads.ts';
import { recovery } from './recovery.ts';
import type { Scenario } from './scenario.ts';
import { tiny } from './tiny.ts';

export const scenarios: readonly Scenario[] = [
  tiny,
  latency,
  payloads,
  cpu,
  mixed,
  crashes,
  recovery,
  memory,
];
