// One model at a time: loads it, answers with it, and says in which state it is.

import { forgetKept, listKept, load, LilmError, support } from "./wasm/runtime/lilm.mjs";

export { forgetKept, LilmError, listKept, support };

/**
 * @typedef {import("./models-view.js").Entry} Entry
 * @typedef {import("./wasm/runtime/lilm.mjs").Model} Model
 * @typedef {import("./wasm/runtime/lilm.mjs").LoadOptions} LoadOptions
 * @typedef {import("./wasm/runtime/lilm.mjs").GenerateOptions} GenerateOptions
 * @typedef {import("./wasm/runtime/lilm.mjs").Message} Message
 * @typedef {{entry: Entry, reason: LilmError}} Died of the event "died": a model ended by itself
 */

export class Engine extends EventTarget {
  /** @type {"idle" | "loading" | "ready"} */ state = "idle";
  /** @type {Entry | null} */ entry = null; // what is loaded or being loaded
  /** @type {Model | null} */ model = null;
  /** @type {{entry: Entry, abort: AbortController, promise: Promise<void>} | null} */ #loading = null;

  /**
   * Load `entry` unless it is loaded; a load of another one is given up first.
   * @param {Entry} entry @param {LoadOptions["onProgress"]} onProgress @param {LoadOptions["onNotice"]} onNotice
   */
  async load(entry, onProgress, onNotice) {
    if (this.model && this.entry === entry) return;
    const now = this.#loading;
    if (now?.entry === entry && !now.abort.signal.aborted) return now.promise;
    const before = this.unload();
    const abort = new AbortController();
    const { name, chunks, lora, lora_chunks } = entry;
    const options = { onProgress, onNotice, signal: abort.signal, name, chunks, lora, lora_chunks };
    // Known at once: a wish for another one gives this one up also while the model before it is unloaded.
    this.#loading = { entry, abort, promise: before.then(() => this.#load(entry, options)) };
    return this.#loading.promise;
  }

  /** @param {Entry} entry @param {LoadOptions & {signal: AbortSignal}} options */
  async #load(entry, options) {
    const { signal } = options;
    try {
      if (signal.aborted) throw new LilmError("aborted", "the load was given up");
      this.#become("loading", entry);
      const model = await load(entry.source, options);
      if (signal.aborted) {
        await model.unload();
        throw new LilmError("aborted", "the load was given up");
      }
      this.model = model;
      model.ended.then((reason) => this.#end(model, entry, reason));
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

  /**
   * The model ended by itself: the event "died" tells it.
   * @param {Model} model @param {Entry} entry @param {LilmError} reason
   */
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

  /**
   * The runtime's result for `messages`. After an error the model may be broken; it is loaded again when needed.
   * @param {Message[]} messages @param {GenerateOptions} options
   */
  async chat(messages, options) {
    try {
      if (!this.model) throw new LilmError("worker_died", "the model ended");
      return await this.model.chat(messages, options);
    } catch (error) {
      const { kind } = /** @type {Partial<LilmError>} */ (error);
      if (kind !== "context_full") await this.unload().catch(() => {}); // the error below is the news
      throw error;
    }
  }

  /** Bytes of wasm memory in use; null without a model. */
  async memory() {
    return this.model ? (await this.model.stats()).heap_bytes : null;
  }

  /** @param {Engine["state"]} state @param {Entry | null} entry */
  #become(state, entry) {
    this.state = state;
    this.entry = entry;
    this.dispatchEvent(new Event("change"));
  }
}
