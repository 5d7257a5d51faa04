// Where a GGUF's bytes come from: a URL, a Blob or File, a path (node). Read synchronously, piece by piece,
// straight into the wasm heap, so that the file is never held a second time by JavaScript.

import { LilmError } from "./errors.mjs";

const NODE = typeof process === "object" && Boolean(process.versions?.node);
const WINDOW = 1 << 20; // small reads (the GGUF header has thousands) are served from this much read ahead
const PIECE = 8 << 20; // largest slice of a Blob turned into an ArrayBuffer at once

/**
 * @typedef {Object} Reader
 * @property {number} size in bytes
 * @property {(offset: number, into: Uint8Array) => number} read fills `into` from `offset`; answers the bytes read
 * @property {() => void} close
 */

/**
 * @param {string | Blob} source an absolute URL, a Blob, or in node a path
 * @param {(loaded: number, total: number) => void} onProgress of the download; total is 0 when not known
 * @returns {Promise<Reader>}
 */
export async function openReader(source, onProgress) {
  if (typeof source !== "string") return blobReader(source);
  if (NODE && !/^(https?|blob|data):/.test(source)) return pathReader(source);
  return blobReader(await download(source, onProgress));
}

/** A URL's content as a Blob, which browsers keep outside of the tab's memory. */
async function download(/** @type {string} */ url, /** @type {(loaded: number, total: number) => void} */ onProgress) {
  let response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new LilmError("network", `cannot fetch ${url}: ${/** @type {Error} */ (error).message}`);
  }
  if (!response.ok || !response.body) throw new LilmError("network", `the server answers ${response.status} for ${url}`);
  const encoded = response.headers.has("content-encoding"); // then content-length counts other bytes
  const total = encoded ? 0 : Number(response.headers.get("content-length") ?? 0);
  let loaded = 0;
  const counted = response.body.pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        loaded += chunk.byteLength;
        onProgress(loaded, total);
        controller.enqueue(chunk);
      },
    }),
  );
  try {
    return await new Response(counted).blob();
  } catch (error) {
    throw new LilmError("network", `the download of ${url} broke off after ${loaded} bytes`);
  }
}

/** @returns {Promise<Reader>} */
async function blobReader(/** @type {Blob} */ blob) {
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
async function pathReader(/** @type {string} */ source) {
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
 * Serve small reads from a window that is read ahead.
 * @param {number} size
 * @param {(offset: number, into: Uint8Array) => number} direct
 * @returns {Reader}
 */
function windowed(size, direct) {
  let window = new Uint8Array(0);
  let start = 0;
  return {
    size,
    close() {},
    read(offset, into) {
      const n = Math.min(into.length, size - offset);
      if (n <= 0) return 0;
      if (n > WINDOW / 8) return direct(offset, into.subarray(0, n));
      if (offset < start || offset + n > start + window.length) {
        window = new Uint8Array(Math.min(WINDOW, size - offset));
        window = window.subarray(0, direct(offset, window));
        start = offset;
      }
      const part = window.subarray(offset - start, offset - start + n);
      into.set(part);
      return part.length;
    },
  };
}
