// Opens whatever a model comes from: a URL (or what was kept of it), a kept model, a Blob or File, or (node) a path.

import { checkChunkList, readChunkList } from "./chunk_list.mjs";
import { Download, keptReader, sha256 } from "./download.mjs";
import { LilmError } from "./errors.mjs";
import { fileName } from "./file_name.mjs";
import { probeOnce } from "./http.mjs";
import { canKeep, KeptFile, listKept, reserve } from "./kept.mjs";
import { blobReader, pathReader } from "./reader.mjs";
import { joinParts, partsOf } from "./split.mjs";

const PATIENCE_MS = 3000; // so long a kept model waits for what its server says
const NODE = typeof process === "object" && Boolean(process.versions?.node);

/**
 * @typedef {import("./reader.mjs").Reader} Reader
 * @typedef {import("./download.mjs").DownloadOptions} DownloadOptions
 * @typedef {import("./lilm.mjs").ChunkList} ChunkList
 */

/**
 * @typedef {string | Blob | {opfs: string}} Place an absolute URL, a Blob, a kept model's name, or in node a path
 * @typedef {Place | Blob[]} Source a place, also that of the first part of a split file; or all parts as Blobs
 */

/**
 * @param {Source} source @param {DownloadOptions} options
 * @returns {Promise<Reader>} of a file that begins like a GGUF
 */
export async function openReader(source, options) {
  const parts = Array.isArray(source) ? source : typeof source === "string" ? partsOf(source) : null;
  return parts ? openParts(parts, options) : openOne(/** @type {Place} */ (source), options);
}

/** @param {Place} source @param {DownloadOptions} options @returns {Promise<Reader>} */
async function openOne(source, options) {
  const reader = await open(source, options);
  try {
    checkMagic(reader);
    return reader;
  } catch (error) {
    await (reader.discard ?? reader.close)();
    throw error;
  }
}

/**
 * One after the other; each is downloaded and kept like a whole file.
 * @param {Place[]} places @param {DownloadOptions} options
 */
async function openParts(places, options) {
  const { chunks } = options;
  const lists = chunks === null ? null : typeof chunks === "string" ? (partsOf(chunks) ?? []) : [];
  if (lists && lists.length !== places.length) {
    throw new LilmError(
      "unsupported",
      "each part of a model has a list of chunks of its own, as in …-00001-of-00002.gguf.chunks.json",
    );
  }
  /** @type {Reader[]} */
  const readers = [];
  try {
    for (const [i, place] of places.entries()) {
      const before = readers.reduce((sum, { size }) => sum + size, 0);
      const onProgress = (/** @type {number} */ loaded, /** @type {number} */ total) =>
        options.onProgress(i * total + loaded, places.length * total); // parts are of about one size
      const onSize = (/** @type {number} */ bytes) => options.onSize(before + bytes);
      const name = typeof place === "string" ? fileName(place) : options.name;
      readers.push(await openOne(place, { ...options, name, chunks: lists?.[i] ?? null, onProgress, onSize }));
    }
    return joinParts(readers);
  } catch (error) {
    readers.forEach((reader) => reader.close());
    throw error;
  }
}

/** @param {string | Blob | {opfs: string}} source @param {DownloadOptions} options @returns {Promise<Reader>} */
async function open(source, options) {
  if (typeof source === "string") {
    return NODE && !/^(https?|blob|data):/.test(source) ? pathReader(source) : openUrl(source, options);
  }
  return "opfs" in source ? openKept(source.opfs) : blobReader(source);
}

/** @param {string} url @param {DownloadOptions} options @returns {Promise<Reader>} */
async function openUrl(url, options) {
  const { onNotice } = options;
  const keep = options.keep && canKeep();
  const list = await readList(url, options.chunks, keep);
  if (list === "kept") return openKept(url);
  if (!keep) {
    if (options.keep && !NODE) onNotice("cannot_keep", "this browser cannot keep the model for the next visit");
    return new Download(url, list, options).toMemory();
  }
  const key = await keyOf(url, list);
  const release = await reserve(key, () => onNotice("waiting", "another tab is loading this model"));
  try {
    const kept = await KeptFile.open(key);
    if (kept?.complete && (list || (await isCurrent(url, kept.header)))) return keptReader(kept, release);
    kept?.close();
    return await new Download(url, list, options).toStorage(key, release);
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * Whether the kept file is the server's; a list of chunks tells it by its key. True where the server cannot be reached.
 * @param {string} url @param {import("./kept.mjs").Header} kept
 */
async function isCurrent(url, kept) {
  const remote = await probeOnce(url, AbortSignal.timeout(PATIENCE_MS)).catch(() => null);
  const differs = (/** @type {number | string} */ told, /** @type {number | string} */ known) =>
    told && known && told !== known;
  return !remote || !(differs(remote.size, kept.bytes) || differs(remote.tag, kept.tag));
}

/**
 * The list of chunks; "kept" when it cannot be had (no network) and the model is here.
 * @param {string} url @param {ChunkList | string | null} chunks @param {boolean} keep
 * @returns {Promise<ChunkList | null | "kept">}
 */
async function readList(url, chunks, keep) {
  if (typeof chunks !== "string") return chunks && checkChunkList(chunks, `of ${url}`);
  try {
    return await readChunkList(chunks);
  } catch (error) {
    if (keep && (await listKept()).some((one) => one.complete && one.url === url)) return "kept";
    throw error;
  }
}

/** A model kept earlier, by its key, name or URL. @param {string} wanted @returns {Promise<Reader>} */
async function openKept(wanted) {
  const all = canKeep() ? await listKept() : [];
  const found = all.find((one) => one.complete && [one.key, one.name, one.url].includes(wanted));
  if (!found) throw new LilmError("not_kept", `no model ${wanted} is kept in this browser`);
  const release = await reserve(found.key, () => {});
  const kept = await KeptFile.open(found.key);
  if (kept?.complete) return keptReader(kept, release);
  kept?.close();
  release();
  throw new LilmError("not_kept", `the model ${wanted} is damaged or in use in another tab`);
}

/** @param {string} url @param {ChunkList | null} list */
async function keyOf(url, list) {
  return (list?.sha256 ?? (await sha256(new TextEncoder().encode(url)))).slice(0, 32);
}

/** @param {Reader} reader */
function checkMagic(reader) {
  const magic = new Uint8Array(4);
  const n = reader.read(0, magic);
  const text = new TextDecoder("latin1").decode(magic.subarray(0, n));
  if (text === "GGUF".slice(0, n) && reader.size < 32) {
    throw new LilmError("truncated", `the file ends after ${reader.size} bytes`);
  }
  if (text !== "GGUF") throw new LilmError("not_a_gguf", "the file is not a GGUF model");
}
