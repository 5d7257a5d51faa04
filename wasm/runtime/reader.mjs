// A GGUF's bytes from a Blob or File, or (node) a path. Read synchronously, piece by piece, straight into the wasm
// heap, so that the file is never held a second time by JavaScript.

import { LilmError } from "./errors.mjs";

const WINDOW = 1 << 20; // small reads (the GGUF header has thousands) are served from up to this much read ahead
const FIRST = 16 << 10; // read ahead after a jump: stdio asks for a little after each tensor, and then jumps
const PIECE = 8 << 20; // largest slice of a Blob turned into an ArrayBuffer at once

/**
 * @typedef {Object} Reader
 * @property {number} size in bytes
 * @property {(offset: number, into: Uint8Array) => number} read fills `into` from `offset`; answers the bytes read
 * @property {() => void} close
 * @property {() => Promise<void>} [discard] of a kept model: close, and delete it
 */

/** @returns {Promise<Reader>} */
export async function blobReader(/** @type {Blob} */ blob) {
  if (typeof FileReaderSync === "undefined") return bytesReader(new Uint8Array(await blob.arrayBuffer()));
  const sync = new FileReaderSync();
  /** @param {number} from @param {number} to */
  const slice = (from, to) => {
    try {
      return new Uint8Array(sync.readAsArrayBuffer(blob.slice(from, to)));
    } catch (error) {
      throw new LilmError("network", `the file can no longer be read: ${/** @type {Error} */ (error).message}`);
    }
  };
  return windowed(blob.size, (offset, into) => {
    for (let at = 0; at < into.length; at += PIECE) {
      into.set(slice(offset + at, offset + Math.min(at + PIECE, into.length)), at);
    }
    return into.length;
  });
}

/** @returns {Reader} */
function bytesReader(/** @type {Uint8Array} */ bytes) {
  const read = (/** @type {number} */ offset, /** @type {Uint8Array} */ into) => {
    const part = bytes.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  };
  return { size: bytes.length, read, close() {} };
}

/** @returns {Promise<Reader>} */
export async function pathReader(/** @type {string} */ source) {
  const fs = await import("node:fs");
  const path = source.startsWith("file:") ? new URL(source) : source;
  let file;
  try {
    file = fs.openSync(path, "r");
  } catch (error) {
    throw new LilmError("network", `cannot open ${source}: ${/** @type {Error} */ (error).message}`);
  }
  const reader = windowed(fs.fstatSync(file).size, (offset, into) => fs.readSync(file, into, 0, into.length, offset));
  return { ...reader, close: () => fs.closeSync(file) };
}

/**
 * Serve small reads from a window that is read ahead, the further the longer they follow on each other. There is one
 * buffer: a new one each time would be as large as the model before JavaScript tidies up.
 * @param {number} size
 * @param {(offset: number, into: Uint8Array) => number} direct
 * @returns {Reader}
 */
export function windowed(size, direct) {
  const buffer = new Uint8Array(Math.min(WINDOW, size));
  let [start, filled, ahead] = [0, 0, FIRST];
  return {
    size,
    close() {},
    read(offset, into) {
      const n = Math.min(into.length, size - offset);
      if (n <= 0) return 0;
      if (n > WINDOW / 8) return direct(offset, into.subarray(0, n));
      if (offset < start || offset + n > start + filled) {
        const follows = filled > 0 && offset >= start && offset <= start + filled;
        ahead = follows ? Math.min(2 * ahead, WINDOW) : FIRST;
        filled = 0;
        const part = buffer.subarray(0, Math.min(Math.max(ahead, n), size - offset));
        [start, filled] = [offset, direct(offset, part)];
      }
      const part = buffer.subarray(offset - start, Math.min(offset - start + n, filled));
      into.set(part);
      return part.length;
    },
  };
}
