/**
 * Turns a TypeScript task module and the project's files that it imports into one JavaScript file, for a Node that
 * cannot strip types. Once per boot of a process: a loader such as tsx would cost each of its threads a loader thread
 * and a compiler process.
 */

import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { BuildFailure, OnResolveArgs, Plugin, PluginBuild } from 'esbuild';
import { cacheDirectory } from '../cache-directory.ts';
import type { ErrorReport } from '../channel/control.ts';
import { CompileError } from '../errors.ts';
import { build } from './esbuild.ts';

const underWay = new Map<string, Promise<string>>();

/** Returns the path of the JavaScript. Throws a `CompileError`. */
export function compileTaskModule(task: string): Promise<string> {
  const same = underWay.get(task);
  if (same) return same;
  const compiling = bundle(task)
    .then(store)
    .finally(() => underWay.delete(task));
  underWay.set(task, compiling);
  return compiling;
}

async function bundle(task: string): Promise<string> {
  const result = await build({
    entryPoints: [task],
    absWorkingDir: '/',
    // Only for the relative paths in the source map: every stored file is in this directory.
    outfile: join(cacheDirectory(), 'module.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: `node${process.versions.node}`,
    conditions: ['node'],
    define: Object.fromEntries(ownPlaces.map(place => [place, placeName(place)])),
    plugins: [packagesOutside, placesKept],
    keepNames: true,
    sourcemap: 'inline',
    sourcesContent: false,
    write: false,
    logLevel: 'silent',
  }).catch((failure: BuildFailure) => {
    throw new CompileError(describe(failure));
  });
  return result.outputFiles[0]?.text ?? '';
}

/** Packages are imported from where they are: they are JavaScript, and must exist once in a process. */
const packagesOutside: Plugin = {
  name: 'packages outside',
  setup(builder) {
    builder.onResolve({ filter: /.*/ }, async args => {
      if (args.kind === 'entry-point' || args.pluginData === resolved) return undefined;
      if (isBuiltin(args.path)) return { path: args.path, external: true };
      const { path, errors } = await resolveAsEsbuild(builder, args);
      if (errors.length > 0) {
        // Left to the moment when it runs: an optional dependency may be missing.
        return args.kind === 'dynamic-import' || args.kind === 'require-call'
          ? { path: args.path, external: true }
          : { errors };
      }
      if (isPackage(args) || !compiledExtensions.has(extname(path))) {
        return { path: args.kind === 'require-call' ? path : pathToFileURL(path).href, external: true };
      }
      return { path };
    });
  },
};

const resolved = Symbol('resolved');
const compiledExtensions = new Set(['.ts', '.tsx', '.mts', '.cts', '.js', '.jsx', '.mjs', '.cjs', '.json']);

function resolveAsEsbuild(builder: PluginBuild, { path, importer, resolveDir, kind }: OnResolveArgs) {
  return builder.resolve(path, { importer, resolveDir, kind, pluginData: resolved });
}

/** A bare name is a package, unless it is an alias of the project (`#name`, `paths` of tsconfig.json). */
function isPackage({ path, resolveDir }: OnResolveArgs): boolean {
  if (/^[./#]/.test(path)) return false;
  const name = path.split('/', path.startsWith('@') ? 2 : 1).join('/');
  for (let directory = resolveDir; ; directory = dirname(directory)) {
    if (existsSync(join(directory, 'node_modules', name)) || nameOfPackage(directory) === name) return true;
    if (directory === dirname(directory)) return false;
  }
}

function nameOfPackage(directory: string): string | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')).name;
  } catch {
    return undefined;
  }
}

/** What a module knows of its own place must not become the place of the compiled file. */
const ownPlaces = [
  'import.meta.url',
  'import.meta.dirname',
  'import.meta.filename',
  '__dirname',
  '__filename',
] as const;
const placeName = (place: string) => `__ph_${place.replaceAll(/\W/g, '_')}`;

const placesKept: Plugin = {
  name: 'places kept',
  setup(builder) {
    builder.onLoad({ filter: /\.[cm]?[jt]sx?$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      if (!ownPlaces.some(place => source.includes(place))) return undefined;
      const [url, directory] = [pathToFileURL(path).href, dirname(path)];
      const values = [url, directory, path, directory, path];
      const constants = ownPlaces.map((place, i) => `${placeName(place)} = ${JSON.stringify(values[i])}`);
      // In the first line, so that all others keep their numbers.
      return { contents: `const ${constants.join(', ')}; ${source}`, loader: 'default' };
    });
  },
};

/** By its content: an unchanged module is stored once, and a running process never sees another's version. */
function store(code: string): string {
  const directory = ensureCacheDirectory();
  const path = join(directory, `${createHash('sha256').update(code).digest('hex')}.mjs`);
  if (existsSync(path)) return path;
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, code, { mode: 0o644 });
  renameSync(temporary, path);
  return path;
}

function ensureCacheDirectory(): string {
  const directory = cacheDirectory();
  // Open to workers that run as another user, who must know a file's name to read it; written to by us alone.
  mkdirSync(directory, { recursive: true, mode: 0o711 });
  const found = lstatSync(directory);
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o022) !== 0) {
    throw new Error(`${directory} is not a directory that only this user can write to: remove it`);
  }
  return directory;
}

function describe({ errors }: BuildFailure): ErrorReport {
  const texts = errors.map(({ text, location }) => {
    if (!location) return text;
    const { file, line, column, lineText } = location;
    return `${join('/', file)}:${line}:${column + 1}\n${lineText}\n${' '.repeat(column)}^\nSyntaxError: ${text}`;
  });
  return {
    message: `SyntaxError: ${errors[0]?.text ?? 'it cannot be compiled'}`,
    details: texts.join('\n\n'),
  };
}
