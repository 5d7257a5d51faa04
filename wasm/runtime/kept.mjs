// Models kept in this browser: the origin private file system (OPFS), one file of bytes and one journal per model.
// The journal is a line of JSON (Header) and then a letter per piece: 1 for one that is there, 0 for one that is not.

import { LilmError } from "./errors.mjs";

const FOLDER = "lilm-models";
const TEXT = new TextEncoder();

/**
 * @typedef {Object} Header
 * @property {string} name for people
 * @property {string} url where it comes from
 * @property {number} bytes
 * @property {number} piece_bytes
 * @property {string} tag the version: the file's SHA-256, or what the server calls it
 *
 * @typedef {import("./lilm.mjs").Kept} Kept
 */

/** Whether this realm (a worker) can read and write such files as the engine needs. */
export function canKeep() {
  const Handle = globalThis.FileSystemFileHandle;
  const root = globalThis.navigator?.storage?.getDirectory;
  return Boolean(root) && Boolean(Handle) && "createSyncAccessHandle" in Handle.prototype;
}

/**
 * Null when nothing was ever kept, or there is no storage.
 * @param {boolean} create @returns {Promise<FileSystemDirectoryHandle | null>}
 */
async function folder(create) {
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getDirectoryHandle(FOLDER, { create });
  } catch (error) {
    if (create) throw error;
    return null;
  }
}

/** The models kept here, whole or in part, by name. Works on pages and in workers. @returns {Promise<Kept[]>} */
export async function listKept() {
  if (!globalThis.navigator?.storage?.getDirectory) return [];
  const place = await folder(false);
  const found = [];
  for await (const [file, handle] of place?.entries() ?? []) {
    if (!file.endsWith(".journal")) continue;
    const journal = parse(await textOf(/** @type {FileSystemFileHandle} */ (handle)));
    if (!journal) continue;
    const { name, url, bytes, tag } = journal.header;
    const key = file.slice(0, -".journal".length);
    found.push({ key, name, url, bytes, tag, complete: !journal.marks.includes("0") });
  }
  const order = (/** @type {Kept} */ { name, key }) => `${name}\n${key}`;
  return found.sort((one, other) => (order(one) < order(other) ? -1 : 1));
}

/** Of a file that another tab may delete or write at any time: then it has none. @param {FileSystemFileHandle} handle */
async function textOf(handle) {
  try {
    return await (await handle.getFile()).text();
  } catch {
    return "";
  }
}

/** Delete a kept model. One that is being downloaded is "in use" and stays. @param {string} key */
export async function forgetKept(key) {
  const place = await folder(false);
  // What has no journal is seen by nobody.
  for (const file of place ? [`${key}.gguf`, `${key}.journal`] : []) {
    try {
      await /** @type {FileSystemDirectoryHandle} */ (place).removeEntry(file);
    } catch (error) {
      if (/** @type {Error} */ (error).name === "NotFoundError") continue;
      throw new LilmError("internal", `${key} is in use in another tab`);
    }
  }
}

/**
 * Let nobody else use the model `key` until the answer is called: a second tab waits for the first one's download and
 * then reads what that kept.
 * @param {string} key @param {() => void} onWait @returns {Promise<() => void>}
 */
export async function reserve(key, onWait) {
  const name = `lilm-model:${key}`;
  /** @type {(options: LockOptions) => Promise<(() => void) | null>} */
  const ask = (options) =>
    new Promise((resolve, reject) => {
      navigator.locks
        .request(name, options, (lock) => {
          if (!lock) return void resolve(null);
          return new Promise((release) => resolve(() => release(undefined)));
        })
        .catch(reject);
    });
  const free = await ask({ ifAvailable: true });
  if (free) return free;
  onWait();
  return /** @type {() => void} */ (await ask({}));
}

/** @returns {{header: Header, marks: string} | null} */
function parse(/** @type {string} */ text) {
  try {
    const end = text.indexOf("\n");
    const header = JSON.parse(text.slice(0, end));
    const marks = text.slice(end + 1);
    return marks.length === countPieces(header.bytes, header.piece_bytes) ? { header, marks } : null;
  } catch {
    return null; // cut off by a crash: as if it were not there
  }
}

export function countPieces(/** @type {number} */ bytes, /** @type {number} */ piece_bytes) {
  return Math.ceil(bytes / piece_bytes);
}

/** @param {Header} one @param {Header} other */
function sameVersion(one, other) {
  return one.bytes === other.bytes && one.piece_bytes === other.piece_bytes && one.tag === other.tag;
}

/** What browsers throw; Chromium's private windows do not, but take less and answer a number that makes no sense. */
function noRoom() {
  return new DOMException("the storage takes no more", "QuotaExceededError");
}

/** A model's two files, open in a worker. Whoever opens it has reserved its key. */
export class KeptFile {
  /**
   * @param {string} key @param {Header} header @param {string} marks
   * @param {FileSystemSyncAccessHandle} data @param {FileSystemSyncAccessHandle} journal
   */
  constructor(key, header, marks, data, journal) {
    this.key = key;
    this.header = header;
    this.marks = [...marks];
    this.data = data;
    this.journal = journal;
    this.start = TEXT.encode(`${JSON.stringify(header)}\n`).length;
  }

  /**
   * Open `key`. wanted: its header as it should be; what is there of another version or size is emptied. Without it:
   * whatever is there, and null when nothing is.
   * @param {string} key @param {Header} [wanted] @returns {Promise<KeptFile | null>}
   */
  static async open(key, wanted) {
    const place = await folder(Boolean(wanted));
    const create = Boolean(wanted);
    /** @type {FileSystemSyncAccessHandle[]} */ const opened = [];
    try {
      for (const file of [`${key}.journal`, `${key}.gguf`]) {
        const handle = await /** @type {FileSystemDirectoryHandle} */ (place).getFileHandle(file, { create });
        opened.push(await handle.createSyncAccessHandle());
      }
      const [journal, data] = opened;
      const text = new Uint8Array(journal.getSize());
      journal.read(text, { at: 0 });
      const found = parse(new TextDecoder().decode(text));
      if (found && data.getSize() === found.header.bytes && (!wanted || sameVersion(found.header, wanted))) {
        return new KeptFile(key, found.header, found.marks, data, journal);
      }
      if (!wanted) throw new LilmError("not_kept", "the kept model is damaged");
      const marks = "0".repeat(countPieces(wanted.bytes, wanted.piece_bytes));
      journal.truncate(0);
      data.truncate(0);
      data.truncate(wanted.bytes); // asks for the room now and not in the middle of the download
      if (data.getSize() !== wanted.bytes) throw noRoom();
      journal.write(TEXT.encode(`${JSON.stringify(wanted)}\n${marks}`), { at: 0 });
      journal.flush();
      return new KeptFile(key, wanted, marks, data, journal);
    } catch (error) {
      for (const handle of opened) handle.close();
      if (!wanted) return null;
      throw error;
    }
  }

  has(/** @type {number} */ piece) {
    return this.marks[piece] === "1";
  }

  get complete() {
    return !this.marks.includes("0");
  }

  /** @param {number} piece @param {Uint8Array} bytes */
  write(piece, bytes) {
    if (this.data.write(bytes, { at: piece * this.header.piece_bytes }) !== bytes.length) throw noRoom();
    this.data.flush(); // the bytes first, then the mark that says so
    this.journal.write(TEXT.encode("1"), { at: this.start + piece });
    this.journal.flush();
    this.marks[piece] = "1";
  }

  /** @param {number} offset @param {Uint8Array} into @returns {number} */
  read(offset, into) {
    return this.data.read(into, { at: offset });
  }

  close() {
    this.data.close();
    this.journal.close();
  }
}
