/** V8's structured clone to bytes and back, as `structuredClone()` would have it. */

import { DefaultDeserializer, DefaultSerializer } from 'node:v8';

class Serializer extends DefaultSerializer {
  /** Called by V8, and by Node with `new`. A plain Error would look like one of the user's getters. */
  _getDataCloneError = function dataCloneError(message: string): DOMException {
    return new DOMException(message, 'DataCloneError');
  };

  _getSharedArrayBufferId(): never {
    throw this._getDataCloneError('#<SharedArrayBuffer> could not be cloned.');
  }

  _writeHostObject(value: object): void {
    if (!ArrayBuffer.isView(value)) {
      const name = value.constructor?.name || 'an object';
      throw this._getDataCloneError(`${name} belongs to its process and could not be cloned`);
    }
    // An empty view may be one whose memory was given away, which is refused there.
    if (value.byteLength === 0) structuredClone(value);
    (Object.getPrototypeOf(Serializer.prototype) as HostObjectWriter)._writeHostObject.call(this, value);
  }
}

interface HostObjectWriter {
  _writeHostObject(value: object): void;
}

interface HostObjectReader {
  _readHostObject(): ArrayBufferView;
}

class Deserializer extends DefaultDeserializer {
  /** Node's own makes views of what was received, where other values are as well. */
  _readHostObject(): ArrayBufferView {
    const reader = Object.getPrototypeOf(Deserializer.prototype) as HostObjectReader;
    return copyOf(reader._readHostObject.call(this));
  }
}

/** Throws a `DataCloneError` for a value that cannot be cloned, and whatever its getters throw. */
export function serialize(value: unknown): Buffer {
  const serializer = new Serializer();
  serializer.writeHeader();
  serializer.writeValue(value);
  return serializer.releaseBuffer();
}

export function deserialize(bytes: Buffer): unknown {
  const deserializer = new Deserializer(bytes);
  deserializer.readHeader();
  return deserializer.readValue();
}

function copyOf(view: ArrayBufferView): ArrayBufferView {
  const { buffer, byteOffset, byteLength } = view;
  if (view instanceof DataView) return new DataView(buffer.slice(byteOffset, byteOffset + byteLength));
  if (!Buffer.isBuffer(view)) return (view as Uint8Array).slice();
  const copy = Buffer.allocUnsafeSlow(byteLength);
  copy.set(view);
  return copy;
}
