/**
 * Joins the compiled modules that each kind of process loads into few files: it starts sooner so, and with less memory,
 * than from a hundred. What a process loads only when it is needed stays by itself.
 */

import { readFile, rm } from 'node:fs/promises';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const dist = fileURLToPath(new URL('dist', import.meta.url));
/** What is started or imported by its path. */
const started = ['index', 'cli/main', 'worker/main', 'worker/thread-main', 'worker/watchdog-thread'];
/** What a supervisor loads when it is asked for, maybe after a deploy: by then, the names of chunks may be others. */
const loadedLate = [
  'control/server',
  'metrics/server',
  'metrics/exposition',
  'group/compile',
  'queue/client',
  'queue/schedule',
];

/**
 * Modules find what stands beside them from wherever they are written to, which is one directory deep; `index`, which is
 * not, looks for nothing.
 */
const places: Plugin = {
  name: 'places',
  setup({ onLoad }) {
    onLoad({ filter: /\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      if (!text.includes('import.meta.url')) return { contents: text };
      const place = `new URL('../${relative(dist, path)}', written).href`;
      return { contents: `const { url: written } = import.meta, ownPlace = ${place}; ${text}` };
    });
  },
};

await rm(`${dist}/chunks`, { recursive: true, force: true });
await build({
  entryPoints: [...started, ...loadedLate].map(entry => `${dist}/${entry}.js`),
  outdir: dist,
  outbase: dist,
  allowOverwrite: true,
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  packages: 'external',
  define: { 'import.meta.url': 'ownPlace' },
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  sourcemap: true,
  plugins: [places],
});
