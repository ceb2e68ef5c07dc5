/** Memory of large arrays on its way beside the tasks or records that refer to it. */

/** What has arrived and belongs to the next frame of tasks or records. */
export class ReceivedBlobs {
  #blobs: Uint8Array[] = [];

  add(body: Buffer): void {
    this.#blobs.push(own(body));
  }

  /** Those that have arrived since the last call. */
  take(): readonly Uint8Array[] {
    if (this.#blobs.length === 0) return none;
    const taken = this.#blobs;
    this.#blobs = [];
    return taken;
  }
}

const none: readonly Uint8Array[] = [];

/** In memory that holds nothing else: whoever gets it may hand it over, and its `buffer` is theirs. */
function own(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

/** What is needed to hand them over to another thread. */
export function memoryOf(blobs: readonly Uint8Array[]): ArrayBuffer[] {
  return blobs.map(({ buffer }) => buffer as ArrayBuffer);
}
