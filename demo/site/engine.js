// One model at a time: loads it, answers with it, and says in which state it is.

import { load, LilmError, support } from "./wasm/runtime/lilm.mjs";

export { LilmError, support };

export class Engine extends EventTarget {
  state = "idle"; // idle | loading | ready
  entry = null; // what is loaded or being loaded
  model = null;
  #loading = null; // { entry, abort, promise }

  /** Load `entry` ({name, source}) unless it is loaded; a load of another one is given up first. */
  async load(entry, onProgress) {
    if (this.model && this.entry === entry) return;
    if (this.#loading?.entry === entry) return this.#loading.promise;
    await this.unload();
    const abort = new AbortController();
    this.#loading = { entry, abort, promise: this.#load(entry, onProgress, abort.signal) };
    return this.#loading.promise;
  }

  async #load(entry, onProgress, signal) {
    this.#become("loading", entry);
    try {
      const options = { onProgress, signal, name: entry.name };
      const model = await load(entry.source, options);
      if (signal.aborted) {
        await model.unload();
        throw new LilmError("aborted", "the load was given up");
      }
      this.model = model;
      this.#loading = null;
      this.#become("ready", entry);
    } catch (error) {
      if (this.#loading?.abort.signal === signal) {
        this.#loading = null;
        this.#become("idle", null);
      }
      throw error;
    }
  }

  cancelLoad() {
    this.#loading?.abort.abort();
  }

  async unload() {
    if (this.#loading) {
      const { abort, promise } = this.#loading;
      abort.abort();
      await promise.catch(() => {}); // its caller gets the error
    }
    const model = this.model;
    this.model = null;
    if (model) {
      this.#become("idle", null);
      await model.unload();
    }
  }

  /**
   * Answer `messages`. When they do not fit the context, the oldest exchanges are left out.
   * Gives the runtime's result and `forgot`, the number of messages left out.
   */
  async chat(messages, options) {
    for (let forgot = 0; ; forgot += 2) {
      try {
        return { ...(await this.model.chat(messages.slice(forgot), options)), forgot };
      } catch (error) {
        if (error.kind === "context_full" && forgot + 2 < messages.length) continue;
        if (error.kind !== "context_full") await this.unload().catch(() => {}); // a broken worker; the error below is the news
        throw error;
      }
    }
  }

  #become(state, entry) {
    this.state = state;
    this.entry = entry;
    this.dispatchEvent(new Event("change"));
  }
}
