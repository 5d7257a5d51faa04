// A model from a URL: in pieces, several at a time, each checked against the list of chunks, kept for the next visit
// where the browser can. A download that broke off goes on where it was.

import { LilmError } from "./errors.mjs";
import { fetchRange, fetchWhole, probe } from "./http.mjs";
import { countPieces, forgetKept, KeptFile, listKept } from "./kept.mjs";
import { MemoryPieces, OverflowingPieces } from "./pieces.mjs";
import { blobReader, windowed } from "./reader.mjs";

const AT_ONCE = 4;
const PIECE = 8 << 20; // bytes, where no list says how long a chunk is

/**
 * @typedef {import("./lilm.mjs").ChunkList} ChunkList
 *
 * @typedef {Object} DownloadOptions
 * @property {string} name for people
 * @property {ChunkList | string | null} chunks the list, or its URL
 * @property {boolean} keep
 * @property {(loaded: number, total: number) => void} onProgress total is 0 when not known
 * @property {(kind: "quota_full"|"cannot_keep"|"waiting"|"kept", message: string) => void} onNotice
 * @property {(bytes: number) => void} onSize called before the download; may throw
 *
 * @typedef {{has: (piece: number) => boolean, write: (piece: number, bytes: Uint8Array) => void}} Pieces
 */

/** @param {KeptFile} kept @param {() => void} release @returns {import("./reader.mjs").Reader} */
export function keptReader(kept, release) {
  const reader = windowed(kept.header.bytes, (offset, into) => kept.read(offset, into));
  const close = () => (kept.close(), release());
  return { ...reader, close, discard: () => (close(), forgetKept(kept.key)) };
}

/** In hex. */
export async function sha256(/** @type {Uint8Array} */ bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", /** @type {BufferSource} */ (bytes)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Download {
  #loaded = 0;
  #control = new AbortController();
  #tag = ""; // of the version that comes, where no list tells it

  /** @param {string} url @param {ChunkList | null} list @param {DownloadOptions} options */
  constructor(url, list, options) {
    this.url = url;
    this.list = list;
    this.options = options;
  }

  async toMemory() {
    const remote = await this.#ask();
    return blobReader((await this.#fill(remote, new MemoryPieces())).blob());
  }

  /** @param {string} key @param {() => void} release */
  async toStorage(key, release) {
    const remote = await this.#ask();
    const kept = remote.size ? await this.#openStorage(key, remote) : null;
    if (!kept) {
      release();
      return blobReader((await this.#fill(remote, new MemoryPieces())).blob());
    }
    this.options.onNotice("kept", "the model is kept in this browser");
    const pieces = new OverflowingPieces(kept);
    try {
      await this.#fill(remote, pieces);
    } catch (error) {
      kept.close(); // what is there stays for the next try
      throw error;
    }
    if (!pieces.memory) {
      await forgetOlder(this.url, key);
      return keptReader(kept, release);
    }
    kept.close();
    await this.#tellFull(key, remote.size);
    release();
    return blobReader(pieces.memory.blob());
  }

  /**
   * Null, and a notice, when the storage has no room.
   * @param {string} key @param {import("./http.mjs").Remote} remote
   */
  async #openStorage(key, remote) {
    const { name, onNotice } = this.options;
    const version = { bytes: remote.size, piece_bytes: this.#pieceBytes, tag: this.list?.sha256 ?? remote.tag };
    try {
      const hasRoom = async () => ((await freeRoom()) ?? remote.size) >= remote.size;
      const begun = (await listKept()).some((one) => one.key === key); // then it has its room already
      if (!begun && !(await hasRoom())) {
        await forgetOlder(this.url, key);
        if (!(await hasRoom())) throw new DOMException("too little room", "QuotaExceededError");
      }
      return await KeptFile.open(key, { name, url: this.url, ...version });
    } catch (error) {
      if (isFull(error)) await this.#tellFull(key, remote.size);
      else onNotice("cannot_keep", `the model is not kept for the next visit: ${/** @type {Error} */ (error).message}`);
      return null;
    }
  }

  /** @param {string} key @param {number} size */
  async #tellFull(key, size) {
    await forgetKept(key);
    const room = await freeRoom();
    const left = room === null ? "" : `, which has ${megabytes(Math.max(0, room))} left for this page`;
    const what = `the model (${megabytes(size)}) does not fit into the browser's storage${left}`;
    this.options.onNotice("quota_full", `${what}; it is used from memory this time`);
  }

  get #pieceBytes() {
    return this.list?.chunk_bytes ?? PIECE;
  }

  async #ask() {
    const remote = await probe(this.url, this.#control.signal);
    const { list } = this;
    if (list && remote.size && remote.size !== list.bytes) {
      const sizes = `${remote.size} bytes and the list of chunks says ${list.bytes}`;
      throw new LilmError("wrong_hash", `${this.url} has ${sizes}`);
    }
    const size = list?.bytes ?? remote.size;
    if (size) this.options.onSize(size);
    if (!list) this.#tag = remote.tag;
    return { ...remote, size };
  }

  /**
   * @template {Pieces} P @param {import("./http.mjs").Remote} remote @param {P} pieces @returns {Promise<P>}
   */
  async #fill(remote, pieces) {
    const missing = this.#startFrom(remote.size, pieces);
    if (!remote.ranges) {
      await this.#stream(remote.size, pieces);
      return pieces;
    }
    const work = async () => {
      const buffer = new Uint8Array(Math.min(this.#pieceBytes, remote.size)); // one for all pieces of this connection
      for (let piece = missing.shift(); piece !== undefined; piece = missing.shift()) {
        await this.#fetchPiece(piece, buffer.subarray(0, this.#length(piece, remote.size)), remote.size, pieces);
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    } catch (error) {
      this.#control.abort(); // the other connections
      throw error;
    }
    return pieces;
  }

  /** Count what is there; gives what is missing. @param {number} size @param {Pieces} pieces */
  #startFrom(size, pieces) {
    const all = Array.from({ length: countPieces(size, this.#pieceBytes) }, (_, piece) => piece);
    const missing = all.filter((piece) => !pieces.has(piece));
    this.#loaded = 0;
    this.#count(
      all.reduce((sum, piece) => sum + (pieces.has(piece) ? this.#length(piece, size) : 0), 0),
      size,
    );
    return missing;
  }

  #length(/** @type {number} */ piece, /** @type {number} */ size) {
    return Math.min(this.#pieceBytes, size - piece * this.#pieceBytes);
  }

  /** @param {number} piece @param {Uint8Array} bytes to be filled @param {number} size @param {Pieces} pieces */
  async #fetchPiece(piece, bytes, size, pieces) {
    for (let tries = 1; ; tries++) {
      const onBytes = (/** @type {number} */ n) => this.#count(n, size);
      await fetchRange(this.url, piece * this.#pieceBytes, bytes, this.#control.signal, onBytes, this.#tag);
      if (await this.#isRight(piece, bytes)) return pieces.write(piece, bytes);
      this.#count(-bytes.length, size);
      if (tries === 2) throw this.#wrong(piece);
    }
  }

  /** From a server without ranges. @param {number} size @param {Pieces} pieces */
  async #stream(size, pieces) {
    let wrong = 0;
    const begin = () => {
      let piece = 0;
      let filled = 0;
      let buffer = new Uint8Array(this.#pieceBytes);
      this.#startFrom(size, pieces);
      const finish = async () => {
        const whole = buffer.subarray(0, filled);
        if (!pieces.has(piece)) {
          if (await this.#isRight(piece, whole)) pieces.write(piece, whole);
          else if (++wrong === 2) throw this.#wrong(piece);
          else throw new Error("a chunk is damaged"); // once more from the start
        }
        [piece, filled, buffer] = [piece + 1, 0, new Uint8Array(this.#pieceBytes)];
      };
      return async (/** @type {Uint8Array} */ bytes) => {
        if (!bytes.length && filled) return finish(); // the end
        for (let at = 0; at < bytes.length;) {
          const n = Math.min(buffer.length - filled, bytes.length - at);
          buffer.set(bytes.subarray(at, at + n), filled);
          [filled, at] = [filled + n, at + n];
          if (!pieces.has(piece)) this.#count(n, size);
          if (filled === buffer.length) await finish();
        }
      };
    };
    await fetchWhole(this.url, this.#control.signal, begin, size);
  }

  #count(/** @type {number} */ bytes, /** @type {number} */ size) {
    this.#loaded += bytes;
    this.options.onProgress(this.#loaded, size);
  }

  /** @param {number} piece @param {Uint8Array} bytes */
  async #isRight(piece, bytes) {
    const wanted = this.list?.chunks[piece];
    // Pages that are neither https nor localhost get no hashes from the browser.
    return wanted === undefined || !globalThis.crypto?.subtle || (await sha256(bytes)) === wanted;
  }

  #wrong(/** @type {number} */ piece) {
    const what = `chunk ${piece} of ${this.url} is not what the list of chunks says, twice`;
    return new LilmError("wrong_hash", `${what}; the file on the server is damaged or was replaced`);
  }
}

/** @param {unknown} error */
function isFull(error) {
  return /** @type {Error} */ (error).name === "QuotaExceededError";
}

/** Versions of the same address that were kept before this one. @param {string} url @param {string} key */
async function forgetOlder(url, key) {
  for (const one of await listKept()) {
    if (one.url !== url || one.key === key) continue;
    await forgetKept(one.key).catch(() => {}); // another tab still uses it; it goes the next time
  }
}

/** Bytes that the browser still has for this page; null when it does not tell. */
async function freeRoom() {
  const { quota, usage } = (await navigator.storage.estimate?.()) ?? {};
  return quota === undefined ? null : quota - (usage ?? 0);
}

function megabytes(/** @type {number} */ bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
}
