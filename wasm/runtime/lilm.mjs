// LiLM in the browser (and node): load a GGUF, chat with it, stop it.
//
//   import { load } from "./wasm/runtime/lilm.mjs";
//   const model = await load("models/m.gguf", { chunks: "models/m.gguf.chunks.json", onProgress: console.log });
//   await model.chat([{ role: "user", content: "こんにちは" }], { onToken: (text) => out.append(text) });
//
// A URL's model is kept in the browser (OPFS): the next load needs no network. listKept() and forgetKept() manage them.

import { Channel } from "./channel.mjs";
import { readJson, support } from "./core.mjs";
import { LilmError } from "./errors.mjs";
import { forgetKept, listKept } from "./kept.mjs";

export { forgetKept, LilmError, listKept, support };

const NODE = typeof process === "object" && Boolean(process.versions?.node);

/**
 * @typedef {{role: "system"|"user"|"assistant", content: string}} Message
 * @typedef {import("./progress.mjs").Progress} Progress
 * @typedef {{kind: "quota_full"|"cannot_keep"|"kept"|"turns_dropped", message: string}} Notice nothing failed, but people
 *   may want to know
 * @typedef {Object} LoadOptions
 * @property {(progress: Progress) => void} [onProgress]
 * @property {(notice: Notice) => void} [onNotice]
 * @property {AbortSignal} [signal] a download that it stops goes on there the next time
 * @property {string | URL | import("./download.mjs").ChunkList} [chunks] what a URL's bytes have to be, or where that
 *   is written; for a split model where that of its first part is
 * @property {boolean} [keep] a URL's model for the next visit; true unless said otherwise
 * @property {number} [threads] the most
 * @property {boolean} [adapt] let fewer threads compute while that is quicker
 * @property {number} [n_ctx]
 * @property {number} [n_batch]
 * @property {string | URL} [base] the folder that holds memory.json and the builds: threads/, single/, their -relaxed/, …
 * @property {"threads" | "single" | "threads-memory64"} [variant] of memory.json's; the best one that works here
 * @property {string} [name] the file's name in memory.json, when the source does not tell it
 *
 * @typedef {Object} GenerateOptions
 * @property {(text: string, info: {tokens: number, seconds: number}) => void} [onToken]
 * @property {(notice: Notice) => void} [onNotice]
 * @property {AbortSignal} [signal]
 * @property {number} [temperature]
 * @property {number} [top_k]
 * @property {number} [top_p]
 * @property {number} [min_p]
 * @property {number} [repeat_penalty]
 * @property {number} [repeat_last_n]
 * @property {number} [n_predict]
 * @property {number} [seed]
 *
 * @typedef {Object} Result
 * @property {string} text
 * @property {number} tokens generated
 * @property {number} prompt_tokens
 * @property {number} cached_tokens of the prompt, not evaluated again
 * @property {number} prompt_seconds
 * @property {number} seconds of the generation
 * @property {"eos"|"length"|"context_full"|"aborted"} stop_reason
 * @property {number} [dropped_turns] of a chat: how many of its oldest turns did not fit the context
 */

/**
 * Load a GGUF model. Rejects with LilmError.
 * @param {string | URL | Blob | Blob[] | {opfs: string}} source a URL, for a split model that of its first part; a File or
 *   Blob, or all parts as such, read where they lie; a model that this browser keeps, by the name or key that listKept()
 *   tells; in node also a path
 * @param {LoadOptions} [options]
 * @returns {Promise<Model>}
 */
export async function load(source, options = {}) {
  if (options.signal?.aborted) throw new LilmError("aborted", "the loading was stopped");
  const base = new URL(options.base ?? new URL("..", import.meta.url), NODE ? undefined : document.baseURI).href;
  const folder = base.endsWith("/") ? base : `${base}/`;
  const table = await readJson(new URL("memory.json", folder).href);
  const variant = chooseVariant(table.variants, options.variant);
  const threads = variant === "single" ? 1 : Math.min(options.threads ?? usualThreads(), table.threads);
  const place = typeof source === "string" || source instanceof URL ? absolute(String(source)) : source;
  const name = options.name ?? nameOf(place);
  const channel = await Channel.open(options.signal);
  try {
    const { n_ctx, n_batch, keep, adapt } = options;
    const isPlace = typeof options.chunks === "string" || options.chunks instanceof URL;
    const chunks = isPlace ? absolute(String(options.chunks)) : options.chunks;
    const { stats, stopFlag } = await channel.ask(
      "load",
      { source: place, options: { base: folder, table, variant, threads, name, n_ctx, n_batch, chunks, keep, adapt } },
      (event, data) => {
        if (event === "progress") return options.onProgress?.(data);
        if (data.kind === "kept") askToStay();
        options.onNotice?.(data);
      },
    );
    return new Model(channel, stats, stopFlag);
  } catch (error) {
    channel.close(LilmError.from(error));
    throw error;
  } finally {
    channel.forget(options.signal);
  }
}

/** A loaded model in its worker. Generations run one after another. */
class Model {
  /** @type {Channel} */ #channel;
  /** @type {{buffer: SharedArrayBuffer, address: number} | null} */ #stopFlag;
  /** @type {Promise<unknown>} */ #queue = Promise.resolve();

  /** @param {Channel} channel @param {any} info @param {{buffer: SharedArrayBuffer, address: number} | null} stopFlag */
  constructor(channel, info, stopFlag) {
    this.#channel = channel;
    this.#stopFlag = stopFlag;
    /** Statistics as of loading. */
    this.info = info;
    /**
     * Resolves with the reason when the model can no longer be used: unloaded, or its worker died.
     * @type {Promise<LilmError>}
     */
    this.ended = channel.ended;
  }

  /**
   * The assistant's next message, by the model's chat template.
   * @param {Message[]} messages @param {GenerateOptions} [options] @returns {Promise<Result>}
   */
  chat(messages, options) {
    return this.#generate("chat", { messages }, options);
  }

  /** How the prompt goes on. @param {string} prompt @param {GenerateOptions} [options] @returns {Promise<Result>} */
  complete(prompt, options) {
    return this.#generate("complete", { prompt }, options);
  }

  /**
   * A vector of length 1 for each text: the last layer's of its tokens, pooled as the GGUF says, else their mean.
   * Throws "context_full" for a text that is longer than the context, and "aborted".
   * @param {string[]} texts @param {{signal?: AbortSignal}} [options] @returns {Promise<Float32Array[]>}
   */
  embed(texts, { signal } = {}) {
    const run = this.#queue.then(async () => {
      const vectors = [];
      for (const text of texts) {
        if (signal?.aborted) throw new LilmError("aborted", "stopped by the user");
        vectors.push(await this.#channel.ask("embed", { text }));
      }
      return vectors;
    });
    this.#queue = run.then(
      () => {},
      () => {},
    );
    return run;
  }

  /** @param {string} text @param {{add_special?: boolean, parse_special?: boolean}} [options] @returns {Promise<number[]>} */
  tokenize(text, options = {}) {
    return this.#channel.ask("tokenize", { text, ...options });
  }

  /** @param {number[]} ids @returns {Promise<string>} */
  detokenize(ids) {
    return this.#channel.ask("detokenize", { ids });
  }

  /** @returns {Promise<Record<string, any>>} */
  stats() {
    return this.#channel.ask("stats", {});
  }

  /** End the worker and give its memory back. */
  async unload() {
    this.#stopFlag = null; // it holds the model's memory
    this.#channel.close(new LilmError("aborted", "the model is unloaded"));
  }

  /** @param {"chat"|"complete"} method @param {any} args @param {GenerateOptions} [options] @returns {Promise<Result>} */
  #generate(method, args, options = {}) {
    const run = this.#queue.then(() => this.#run(method, args, options));
    this.#queue = run.catch(() => {});
    return run;
  }

  /** @param {"chat"|"complete"} method @param {any} args @param {GenerateOptions} options @returns {Promise<Result>} */
  async #run(method, args, { onToken, onNotice, signal, ...sampling }) {
    if (signal?.aborted) {
      return {
        text: "",
        tokens: 0,
        prompt_tokens: 0,
        cached_tokens: 0,
        prompt_seconds: 0,
        seconds: 0,
        stop_reason: "aborted",
      };
    }
    const stop = () => {
      // The flag ends an evaluation under way; the message ends the loop between two.
      if (this.#stopFlag) Atomics.store(new Int32Array(this.#stopFlag.buffer, this.#stopFlag.address, 1), 0, 1);
      this.#channel.ask("stop", {}).catch(() => {});
    };
    signal?.addEventListener("abort", stop);
    try {
      return await this.#channel.ask(method, { ...args, options: sampling }, (event, data) => {
        if (event === "text") onToken?.(data.text, data.info);
        else onNotice?.(data);
      });
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }
}

/** @param {string[]} built @param {string} [wanted] @returns {string} */
function chooseVariant(built, wanted) {
  const { threads, reason } = support();
  if (wanted && wanted !== "single" && !threads) throw new LilmError("unsupported", `no threads: ${reason}`);
  const order = wanted ? [wanted] : threads ? ["threads", "single"] : ["single"];
  const found = order.find((variant) => built.includes(variant));
  if (found) return found;
  throw new LilmError(
    "unsupported",
    wanted ? `the ${wanted} build is not here` : `only the threads build is here, and ${reason}`,
  );
}

/** All cores of a small device; on others one is left for the page. */
function usualThreads() {
  const cores = globalThis.navigator?.hardwareConcurrency ?? 4;
  return cores <= 2 ? cores : cores - 1;
}

/** @returns {string} */
function absolute(/** @type {string} */ source) {
  return NODE ? source : new URL(source, document.baseURI).href;
}

/** @returns {string} */
function nameOf(/** @type {string | Blob | Blob[] | {opfs: string}} */ place) {
  if (Array.isArray(place)) return nameOf(place[0]);
  if (typeof place === "string") return lastPart(place);
  return "opfs" in place ? place.opfs : (/** @type {File} */ (place).name ?? "");
}

/** Ask the browser not to throw the models away when its disk gets full; some ask the user. */
async function askToStay() {
  const { storage } = navigator;
  if (storage.persist && !(await storage.persisted())) await storage.persist();
}

/** @returns {string} */
function lastPart(/** @type {string} */ place) {
  const path = /^[a-z]+:\/\//.test(place) ? new URL(place).pathname : place;
  return decodeURIComponent(path.split(/[/\\]/).pop() ?? "");
}
