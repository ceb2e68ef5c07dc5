/** Frames arrive whole, however the stream that carries them is cut. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameSender } from '../../src/channel/frame-sender.ts';
import { FrameReader, frameHeader, headerLength } from '../../src/channel/frames.ts';

interface Frame {
  readonly type: number;
  readonly body: Buffer;
}

function encode({ type, body }: Frame): Buffer {
  const header = Buffer.alloc(headerLength);
  frameHeader(header, type, body.length);
  return Buffer.concat([header, body]);
}

/** What a reader gets of these chunks; each has memory of its own, which is overwritten once it was read. */
function read(chunks: readonly Buffer[]): Frame[] {
  const frames: Frame[] = [];
  const reader = new FrameReader((type, body) => frames.push({ type, body: Buffer.from(body) }));
  for (const chunk of chunks) {
    const memory = Buffer.from(chunk);
    reader.push(memory);
    memory.fill(0xee);
  }
  return frames;
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map(n => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

const frame = fc
  .record({ type: fc.integer({ min: 0, max: 255 }), body: fc.uint8Array({ maxLength: 40 }) })
  .map(({ type, body }) => ({ type, body: Buffer.from(body) }));

test('frames that are cut at any places arrive whole and in their order', () => {
  fc.assert(
    fc.property(fc.array(frame), fc.array(fc.nat()), (frames, cuts) => {
      assert.deepEqual(read(cut(Buffer.concat(frames.map(encode)), cuts)), frames);
    }),
    { numRuns: 1000 },
  );
});

const three = [
  { type: 1, body: Buffer.from('first') },
  { type: 2, body: Buffer.alloc(0) },
  { type: 255, body: Buffer.from('a third one that is longer than what a reader makes room for at first') },
];

test('frames that are cut in two anywhere, or in three, arrive', () => {
  const bytes = Buffer.concat(three.map(encode));
  for (let a = 0; a <= bytes.length; a++) {
    for (let b = a; b <= bytes.length; b++) assert.deepEqual(read(cut(bytes, [a, b])), three);
  }
});

test('frames that come byte by byte arrive', () => {
  const bytes = Buffer.concat(three.map(encode));
  assert.deepEqual(read([...bytes].map(byte => Buffer.of(byte))), three);
});

test('a frame is told as soon as its last byte is there, and not before', () => {
  const bytes = encode(three[0] as Frame);
  for (const size of [1, 2, 3, bytes.length - 1]) {
    const seen: string[] = [];
    const reader = new FrameReader((_type, body) => seen.push(body.toString()));
    for (let at = 0; at < bytes.length - 1; at += size)
      reader.push(bytes.subarray(at, Math.min(at + size, bytes.length - 1)));
    assert.deepEqual(seen, []);
    reader.push(bytes.subarray(-1));
    assert.deepEqual(seen, ['first']);
  }
});

test('a frame of 17 MB arrives in the chunks of a socket, and what follows it as well', () => {
  const body = Buffer.alloc(17 * 2 ** 20);
  for (let at = 0; at < body.length; at += 4096) body.writeUInt32LE(at, at);
  const bytes = Buffer.concat([encode({ type: 5, body }), encode(three[0] as Frame)]);
  for (const size of [65_536, 65_535, bytes.length]) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
    const [large, small, ...rest] = read(chunks);
    assert.equal(large?.type, 5);
    assert.equal(large?.body.equals(body), true);
    assert.deepEqual(small, three[0]);
    assert.deepEqual(rest, []);
  }
});

test('a body of no bytes is a frame', () => {
  const empty = { type: 3, body: Buffer.alloc(0) };
  assert.deepEqual(read([Buffer.concat([encode(empty), encode(empty)])]), [empty, empty]);
});

test('a chunk of no bytes changes nothing', () => {
  const bytes = encode(three[0] as Frame);
  for (let at = 0; at <= bytes.length; at++) {
    assert.deepEqual(read([Buffer.alloc(0), bytes.subarray(0, at), Buffer.alloc(0), bytes.subarray(at)]), [
      three[0],
    ]);
  }
});

test('a body that was told stays as it was while later ones come', () => {
  const bodies: Buffer[] = [];
  const reader = new FrameReader((_type, body) => bodies.push(body));
  const bytes = Buffer.concat(three.map(encode));
  for (const size of [1, 7, bytes.length]) {
    bodies.length = 0;
    for (let at = 0; at < bytes.length; at += size) reader.push(Buffer.from(bytes.subarray(at, at + size)));
    assert.deepEqual(
      bodies,
      three.map(({ body }) => body),
    );
  }
});

test('what a sender writes a reader gets, in the order of the calls', async () => {
  const stream = new PassThrough();
  const sender = new FrameSender(stream);
  const frames: Frame[] = [];
  const reader = new FrameReader((type, body) => frames.push({ type, body: Buffer.from(body) }));
  stream.on('data', chunk => reader.push(chunk));
  const expected: Frame[] = [];
  for (let n = 0; n < 500; n++) {
    const body = Buffer.alloc((n * 7919) % 10_000, n);
    expected.push({ type: n % 7, body });
    if (n % 3 === 0) {
      sender.sendWhole(n % 7, body);
    } else {
      sender.body.bytes(body);
      sender.send(n % 7);
    }
    // Memory of frames that are out is used again.
    if (n % 20 === 0) await new Promise(setImmediate);
  }
  stream.end();
  await once(stream, 'end');
  assert.equal(frames.length, expected.length);
  assert.deepEqual(frames, expected);
});

test('a sender to a stream that is closed sends nothing, and goes on', () => {
  const stream = new PassThrough();
  const sender = new FrameSender(stream);
  stream.destroy();
  for (let n = 0; n < 10; n++) {
    sender.body.bytes(Buffer.from('text'));
    assert.equal(sender.hasBody, true);
    sender.send(1);
    assert.equal(sender.hasBody, false);
    sender.sendWhole(1, Buffer.from('text'));
  }
});
