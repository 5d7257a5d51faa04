// Where the conversations lie: an IndexedDB of this page, one record each, so that tabs which have different ones open
// never touch each other's. A tab that writes over what another has written meanwhile gets a copy instead. Where the
// browser keeps nothing they last as long as the tab.

import { newId, readTalk } from "./record.js";
import { ownName } from "./store.js";
import { t } from "./texts.js";

/** @typedef {import("./record.js").Talk} Talk */

const EARLIER = "lilm"; // the database that all pages of an origin had together
const STORE = "conversations";

export class Shelf {
  /** @type {IDBDatabase | null} */ #database = null;
  /** @type {Map<string, Talk>} */ #memory = new Map(); // in place of the database
  #channel = new BroadcastChannel(ownName("lilm.conversations"));

  /** Whether they outlive the tab. */
  get keeps() {
    return this.#database !== null;
  }

  static async open() {
    const shelf = new Shelf();
    try {
      const earlier = await earlierTalks();
      const request = indexedDB.open(ownName(EARLIER), 1);
      request.onupgradeneeded = () => {
        const store = request.result.createObjectStore(STORE, { keyPath: "id" });
        for (const talk of earlier) store.put(talk);
      };
      shelf.#database = await answerOf(request);
      shelf.#database.onversionchange = () => shelf.#database?.close(); // a later page's database
    } catch {
      shelf.#database = null; // blocked, as in some private windows
    }
    return shelf;
  }

  /** @param {(id: string) => void} tell called with the conversation that another tab has written or deleted */
  onChange(tell) {
    this.#channel.onmessage = ({ data }) => typeof data === "string" && tell(data);
  }

  /** All conversations, the one last changed first. @returns {Promise<Talk[]>} */
  async all() {
    const found = this.#database
      ? await answerOf(this.#store("readonly").getAll())
      : [...this.#memory.values()].map((talk) => structuredClone(talk));
    const talks = found.map(readTalk).filter((talk) => talk !== null);
    return talks.sort((one, other) => other.changed - one.changed || (one.id < other.id ? -1 : 1));
  }

  /** @param {string} id @returns {Promise<Talk | null>} */
  async get(id) {
    if (!this.#database) return structuredClone(this.#memory.get(id) ?? null);
    return readTalk(await answerOf(this.#store("readonly").get(id)));
  }

  /**
   * Write `talk` down, of which this tab knows `talk.revision`. Where another tab has written a later one it stays, and
   * this becomes a conversation of its own. Rejects when the browser has no room, and for what could not be read again.
   * @param {Talk} talk @returns {Promise<{id: string, revision: number}>} as it was written
   */
  async put(talk) {
    if (!readTalk(talk)) throw new Error(t("tooLong"));
    if (!this.#database) {
      const written = { id: talk.id, revision: talk.revision + 1 };
      this.#memory.set(talk.id, structuredClone({ ...talk, ...written }));
      return written;
    }
    const store = this.#store("readwrite"); // transactions of all tabs that write come one after another
    const own = structuredClone(talk);
    const there = await answerOf(store.get(talk.id));
    const isOthers = there && there.revision !== own.revision;
    const written = { id: isOthers ? newId() : own.id, revision: own.revision + 1 };
    store.put({ ...own, ...written });
    await endOf(store.transaction);
    this.#channel.postMessage(written.id);
    return written;
  }

  /** @param {string} id */
  async remove(id) {
    this.#memory.delete(id);
    if (!this.#database) return;
    const store = this.#store("readwrite");
    store.delete(id);
    await endOf(store.transaction);
    this.#channel.postMessage(id);
  }

  /** @param {IDBTransactionMode} mode */
  #store(mode) {
    const database = /** @type {IDBDatabase} */ (this.#database);
    return database.transaction(STORE, mode).objectStore(STORE);
  }
}

/** What the first visit of this page copies: the conversations of the database that it shared. */
async function earlierTalks() {
  const names = ((await indexedDB.databases?.()) ?? []).map(({ name }) => name);
  if (names.includes(ownName(EARLIER)) || !names.includes(EARLIER)) return [];
  const database = await answerOf(indexedDB.open(EARLIER));
  try {
    return await answerOf(database.transaction(STORE).objectStore(STORE).getAll());
  } finally {
    database.close();
  }
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function answerOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {IDBTransaction} transaction @returns {Promise<void>} */
function endOf(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}
