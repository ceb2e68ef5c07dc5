#!/usr/bin/env node
/** `ph` */

import module from 'node:module';
import { cacheDirectory } from '../cache-directory.ts';

// Before anything else is loaded. Node 20 has no such cache.
(module as { enableCompileCache?: (directory: string) => unknown }).enableCompileCache?.(cacheDirectory());

const { runProgram } = await import('./program.ts');
await runProgram();
// Nothing of value is left: what still holds the process, such as a pipe that nobody reads, must not.
process.exit();
