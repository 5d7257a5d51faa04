// One model at a time: loads it, answers with it, and says in which state it is.

import { forgetKept, listKept, load, LilmError, support } from "./wasm/runtime/lilm.mjs";

export { forgetKept, LilmError, listKept, support };

export class Engine extends EventTarget {
  state = "idle"; // idle | loading | ready
  entry = null; // what is loaded or being loaded
  model = null;
  #loading = null; // { entry, abort, promise }

  /** Load `entry` ({name, source, chunks?}) unless it is loaded; a load of another one is given up first. */
  async load(entry, onProgress, onNotice) {
    if (this.model && this.entry === entry) return;
    if (this.#loading?.entry === entry) return this.#loading.promise;
    await this.unload();
    const abort = new AbortController();
    const { name, chunks } = entry;
    const options = { onProgress, onNotice, signal: abort.signal, name, chunks };
    this.#loading = { entry, abort, promise: this.#load(entry, options) };
    return this.#loading.promise;
  }

  async #load(entry, options) {
    const { signal } = options;
    this.#become("loading", entry);
    try {
      const model = await load(entry.source, options);
      if (signal.aborted) {
        await model.unload();
        throw new LilmError("aborted", "the load was given up");
      }
      this.model = model;
      model.ended?.then((reason) => this.#end(model, entry, reason));
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

  /** The model ended by itself: the event "died" has {entry, reason}. */
  #end(model, entry, reason) {
    if (this.model !== model) return; // we unloaded it
    this.model = null;
    this.#become("idle", null);
    this.dispatchEvent(new CustomEvent("died", { detail: { entry, reason } }));
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

  /** The runtime's result for `messages`. After an error the model may be broken; it is loaded again when needed. */
  async chat(messages, options) {
    try {
      return await this.model.chat(messages, options);
    } catch (error) {
      if (error.kind !== "context_full") await this.unload().catch(() => {}); // the error below is the news
      throw error;
    }
  }

  /** Bytes of wasm memory in use; null without a model. */
  async memory() {
    return this.model ? (await this.model.stats()).heap_bytes : null;
  }

  #become(state, entry) {
    this.state = state;
    this.entry = entry;
    this.dispatchEvent(new Event("change"));
  }
}
