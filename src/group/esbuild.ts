/** esbuild, whose process lives only while somebody builds. */

import * as esbuild from 'esbuild';

let underWay = 0;

/** A compiler that waits costs memory; one that is stopped while another part of `ph` uses it fails that one. */
export const build: typeof esbuild.build = async options => {
  underWay++;
  try {
    return await esbuild.build(options);
  } finally {
    if (--underWay === 0) void esbuild.stop();
  }
};
