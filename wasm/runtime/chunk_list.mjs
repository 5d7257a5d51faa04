// The list of a file's chunks: read, and checked before anything is downloaded by it.

import { readJson } from "./core.mjs";
import { LilmError } from "./errors.mjs";

const SHA256 = /^[0-9a-f]{64}$/;

/** @typedef {import("./lilm.mjs").ChunkList} ChunkList */

/** @param {string} url @returns {Promise<ChunkList>} */
export async function readChunkList(url) {
  return checkChunkList(await readJson(url), url);
}

/** @param {unknown} value @param {string} where @returns {ChunkList} */
export function checkChunkList(value, where) {
  const list = /** @type {Partial<ChunkList> | null} */ (value);
  if (typeof list !== "object" || list === null) throw refused(where, "it is no object");
  const { bytes, chunk_bytes, sha256, chunks } = list;
  if (!isCount(bytes)) throw refused(where, "`bytes` is no whole number above 0");
  if (!isCount(chunk_bytes)) throw refused(where, "`chunk_bytes` is no whole number above 0");
  if (typeof sha256 !== "string" || !SHA256.test(sha256)) throw refused(where, "`sha256` is no SHA-256 in hex");
  if (!Array.isArray(chunks)) throw refused(where, "`chunks` is no list");
  const wanted = Math.ceil(bytes / chunk_bytes);
  if (chunks.length !== wanted) {
    throw refused(where, `${bytes} bytes are ${wanted} chunks of ${chunk_bytes}, and it has ${chunks.length}`);
  }
  const wrong = chunks.findIndex((hash) => typeof hash !== "string" || !SHA256.test(hash));
  if (wrong >= 0) throw refused(where, `chunk ${wrong} has no SHA-256 in hex`);
  return { bytes, chunk_bytes, sha256, chunks };
}

/** @param {unknown} value @returns {value is number} */
function isCount(value) {
  return Number.isSafeInteger(value) && Number(value) > 0;
}

/** @param {string} where @param {string} what */
function refused(where, what) {
  return new LilmError("wrong_hash", `the list of chunks ${where} cannot be used: ${what}`);
}
