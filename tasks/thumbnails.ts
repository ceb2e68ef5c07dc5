/**
 * Jobs of a queue: makes thumbnails with sharp, whose binaries come inside its package.
 *
 *     [thumbnails]
 *     task      = tasks/thumbnails.ts
 *     queue     = thumbnails
 *     queue_url = redis://127.0.0.1:6379
 *
 * `tasks/thumbnails-producer.ts` adds jobs; so does `ph enqueue thumbnails '{"source":"a.jpg","directory":"thumbs"}'`.
 */

import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { TaskContext } from 'processhandler';
import sharp from 'sharp';

export interface ThumbnailJob {
  /** Path of an image: JPEG, PNG, WebP, AVIF, GIF, SVG or TIFF. */
  readonly source: string;
  /** Where the thumbnails go; made where it is not there. */
  readonly directory: string;
  /** Pixels. Default: 160, 320 and 640. */
  readonly widths?: readonly number[];
}

export interface Thumbnail {
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
}

// The section has a thread for each core; libvips would take all cores once more in each of them.
sharp.concurrency(1);

/** One WebP file for each width. Run twice, as after a crash, it makes the same files. */
export default async function thumbnails(
  { source, directory, widths = [160, 320, 640] }: ThumbnailJob,
  { signal, attempt, job }: TaskContext,
): Promise<Thumbnail[]> {
  if (attempt > 1) job?.log(`attempt ${attempt}`);
  await mkdir(directory, { recursive: true });
  const made: Thumbnail[] = [];
  for (const [at, width] of widths.entries()) {
    signal.throwIfAborted();
    const file = join(directory, `${basename(source, extname(source))}-${width}.webp`);
    made.push(await makeThumbnail(source, file, width));
    job?.progress({ done: at + 1, of: widths.length });
  }
  return made;
}

/** The file is there as a whole, or not at all. */
async function makeThumbnail(source: string, file: string, width: number): Promise<Thumbnail> {
  const unfinished = `${file}.${process.pid}`;
  try {
    const { height, size } = await sharp(source)
      .rotate()
      .resize({ width, withoutEnlargement: true })
      .webp({ quality: 75 })
      .toFile(unfinished);
    await rename(unfinished, file);
    return { file, width, height, bytes: size };
  } finally {
    await rm(unfinished, { force: true });
  }
}
