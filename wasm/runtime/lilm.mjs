// LiLM in the browser (and node): load a GGUF, chat with it, stop it.
//
//   import { load } from "./wasm/runtime/lilm.mjs";
//   const model = await load("models/m.gguf", { chunks: "models/m.gguf.chunks.json", onProgress: console.log });
//   await model.chat([{ role: "user", content: "こんにちは" }], { onToken: (text) => out.append(text) });
//
// A URL's model is kept in the browser (OPFS): the next load needs no network. listKept() and forgetKept() manage them.

import { Channel } from "./channel.mjs";
import * as core from "./core.mjs";
import { LilmError } from "./errors.mjs";
import { fileName } from "./file_name.mjs";
import * as kept from "./kept.mjs";
import { checkLoading } from "./options.mjs";

export { LilmError };

/** @typedef {import("./errors.mjs").Kind} Kind */

/** @typedef {{role: "system" | "user" | "assistant", content: string}} Message */

/**
 * @typedef {Object} Progress
 * @property {"wait" | "download" | "load"} phase wait: Another tab is loading the same model.
 * @property {number} loaded Bytes.
 * @property {number} total Bytes; 0 when not known.
 * @property {number} speed Bytes per second.
 */

/**
 * @typedef {Object} Notice
 * @property {"quota_full" | "cannot_keep" | "kept" | "turns_dropped"} kind Nothing failed, but people may want to know.
 * @property {string} message
 */

/**
 * @typedef {Object} ChunkList
 * @property {number} bytes What a file's bytes have to be.
 * @property {string} sha256 Of the whole file, in hex.
 * @property {number} chunk_bytes Of each chunk but the last, which may be shorter.
 * @property {string[]} chunks SHA-256 of each chunk, in hex.
 */

/**
 * @typedef {Object} LoadOptions
 * @property {(progress: Progress) => void} [onProgress]
 * @property {(notice: Notice) => void} [onNotice]
 * @property {AbortSignal} [signal] A download that it stops goes on there the next time.
 * @property {string | URL | ChunkList} [chunks] What a URL's bytes have to be, or where that is written; for a split
 *   model where that of its first part is.
 * @property {string | URL | Blob | {opfs: string}} [lora] An adapter to use over the model, a GGUF file too.
 * @property {string | URL | ChunkList} [lora_chunks] As `chunks`, of the adapter.
 * @property {boolean} [keep] Keep a URL's model for the next visit; true unless said otherwise.
 * @property {number} [threads] The most; all cores, but for one when there are more than two.
 * @property {boolean} [adapt] Let fewer threads compute while that is quicker, as on a busy device; true unless said
 *   otherwise.
 * @property {number} [n_ctx]
 * @property {number} [n_batch]
 * @property {string | URL} [base] The folder that holds memory.json and the builds: threads/, single/, their
 *   -relaxed/, …
 * @property {"threads" | "single" | "threads-memory64"} [variant] Of memory.json's; the best one that works here.
 * @property {string} [name] The file's name in memory.json, when the source does not tell it.
 */

/**
 * llama.cpp's names.
 * @typedef {Object} GenerateOptions
 * @property {(text: string, info: {tokens: number, seconds: number}) => void} [onToken]
 * @property {(notice: Notice) => void} [onNotice]
 * @property {AbortSignal} [signal]
 * @property {number} [temperature] 0 takes the most likely token.
 * @property {number} [top_k] 0 keeps all.
 * @property {number} [top_p]
 * @property {number} [min_p]
 * @property {number} [repeat_penalty]
 * @property {number} [repeat_last_n] -1 looks at the whole context.
 * @property {number} [n_predict] -1 goes on to the end of the context.
 * @property {number} [seed]
 * @property {boolean} [ignore_eos] Go on after the token that ends a text.
 */

/**
 * @typedef {Object} Result
 * @property {string} text
 * @property {number} tokens Generated.
 * @property {number} prompt_tokens
 * @property {number} cached_tokens Of the prompt, not evaluated again.
 * @property {number} prompt_seconds
 * @property {number} seconds Of the generation.
 * @property {"eos" | "length" | "context_full" | "aborted"} stop_reason
 * @property {number} [dropped_turns] Of a chat: how many of its oldest turns did not fit the context.
 */

/**
 * @typedef {Object} Stats
 * @property {"threads" | "single" | "threads-memory64"} variant
 * @property {boolean} relaxed_simd Whether it is the variant's build with relaxed SIMD.
 * @property {number} threads
 * @property {number} threads_used That compute now.
 * @property {number} n_ctx
 * @property {number} n_batch
 * @property {number} n_vocab
 * @property {number} n_ctx_used
 * @property {number} parameters
 * @property {string} model
 * @property {number} model_bytes
 * @property {number} heap_bytes
 * @property {number} heap_top
 * @property {number} load_seconds
 * @property {boolean} has_chat_template
 * @property {Record<string, string>} metadata
 */

/**
 * @typedef {Object} Kept
 * @property {string} key
 * @property {string} name
 * @property {string} url
 * @property {number} bytes
 * @property {string} tag The version: the file's SHA-256, or what the server calls it.
 * @property {boolean} complete
 */

/** @typedef {LoadedModel} Model */

const NODE = typeof process === "object" && Boolean(process.versions?.node);

/**
 * Load a GGUF model. Rejects with LilmError.
 * @param {string | URL | Blob | Blob[] | {opfs: string}} source A URL, for a split model that of its first part; a File
 *   or Blob, or all parts as such, read where they lie, and perhaps an adapter among them; a model that this browser
 *   keeps, by the name or key that listKept() tells; in node also a path.
 * @param {LoadOptions} [options]
 * @returns {Promise<Model>}
 */
export async function load(source, options = {}) {
  const { threads: most = usualThreads(), n_ctx, n_batch } = checkLoading(options);
  if (options.signal?.aborted) throw new LilmError("aborted", "the loading was stopped");
  const base = new URL(options.base ?? new URL("..", import.meta.url), NODE ? undefined : document.baseURI).href;
  const folder = base.endsWith("/") ? base : `${base}/`;
  const table = /** @type {core.Table} */ (await core.readJson(new URL("memory.json", folder).href));
  const variant = chooseVariant(table.variants ?? [], options.variant);
  const threads = variant === "single" ? 1 : Math.min(most, table.threads);
  const place = placeOf(source);
  const name = options.name ?? nameOf(place);
  const channel = await Channel.open(options.signal);
  try {
    const { keep, adapt } = options;
    const lora = placeOf(options.lora);
    const files = {
      chunks: placeOf(options.chunks),
      lora,
      lora_name: lora && nameOf(lora),
      lora_chunks: placeOf(options.lora_chunks),
    };
    const { stats, stopFlag } = await channel.ask(
      "load",
      {
        source: place,
        options: { base: folder, table, variant, threads, name, n_ctx, n_batch, ...files, keep, adapt },
      },
      (event, data) => {
        if (event === "progress") options.onProgress?.(data);
        if (event !== "notice") return;
        if (data.kind === "kept") askToStay();
        options.onNotice?.(data);
      },
    );
    return new LoadedModel(channel, stats, stopFlag);
  } catch (error) {
    channel.close(LilmError.from(error));
    throw error;
  } finally {
    channel.forget(options.signal);
  }
}

/** A loaded model in its worker. Generations run one after another. */
class LoadedModel {
  /** @type {Channel} */ #channel;
  /** @type {import("./channel.mjs").StopFlag | null} */ #stopFlag;
  /** @type {Promise<unknown>} */ #queue = Promise.resolve();

  /**
   * Statistics as of loading.
   * @readonly
   * @type {Stats}
   */
  info;
  /**
   * Resolves with the reason when the model can no longer be used: unloaded, or its worker died.
   * @readonly
   * @type {Promise<LilmError>}
   */
  ended;

  /**
   * @internal
   * @param {Channel} channel @param {Stats} info @param {import("./channel.mjs").StopFlag | null} stopFlag
   */
  constructor(channel, info, stopFlag) {
    this.#channel = channel;
    this.#stopFlag = stopFlag;
    this.info = info;
    this.ended = channel.ended;
  }

  /**
   * The assistant's next message, by the model's chat template; what follows its last one where that stands at the end.
   * @param {Message[]} messages @param {GenerateOptions} [options] @returns {Promise<Result>}
   */
  chat(messages, options) {
    return this.#generate(
      (sampling, tell) => this.#channel.ask("chat", { messages, options: sampling }, tell),
      options,
    );
  }

  /** How the prompt goes on. @param {string} prompt @param {GenerateOptions} [options] @returns {Promise<Result>} */
  complete(prompt, options) {
    return this.#generate(
      (sampling, tell) => this.#channel.ask("complete", { prompt, options: sampling }, tell),
      options,
    );
  }

  /**
   * A vector of length 1 for each text: the last layer's of its tokens, pooled as the GGUF says, else their mean.
   * Throws "context_full" for a text that is longer than the context, and "aborted".
   * @param {string[]} texts @param {{signal?: AbortSignal}} [options] @returns {Promise<Float32Array[]>}
   */
  embed(texts, options = {}) {
    const { signal } = options;
    const run = this.#queue.then(async () => {
      /** @type {Float32Array[]} */ const vectors = [];
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

  /**
   * @param {string} text @param {{add_special?: boolean, parse_special?: boolean}} [options]
   * @returns {Promise<number[]>}
   */
  tokenize(text, options = {}) {
    return this.#channel.ask("tokenize", { text, ...options });
  }

  /** @param {number[]} ids @returns {Promise<string>} */
  detokenize(ids) {
    return this.#channel.ask("detokenize", { ids });
  }

  /** Statistics as of now. @returns {Promise<Stats>} */
  stats() {
    return this.#channel.ask("stats", {});
  }

  /** End the worker and give its memory back. */
  async unload() {
    this.#stopFlag = null; // it holds the model's memory
    this.#channel.close(new LilmError("aborted", "the model is unloaded"));
  }

  /** @param {import("./channel.mjs").Ask} ask @param {GenerateOptions} [options] @returns {Promise<Result>} */
  #generate(ask, options = {}) {
    const run = this.#queue.then(() => this.#run(ask, options));
    this.#queue = run.catch(() => {});
    return run;
  }

  /** @param {import("./channel.mjs").Ask} ask @param {GenerateOptions} options @returns {Promise<Result>} */
  async #run(ask, { onToken, onNotice, signal, ...sampling }) {
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
      return await ask(sampling, (event, data) => {
        if (event === "text") onToken?.(data.text, data.info);
        else if (event === "notice") onNotice?.(data);
      });
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }
}

/** Does this page, or node, have shared memory for threads? @returns {{threads: boolean, reason: string}} */
export function support() {
  return core.support();
}

/** The models kept here, whole or in part, by name. Works on pages and in workers. @returns {Promise<Kept[]>} */
export function listKept() {
  return kept.listKept();
}

/**
 * Delete a kept model. One that is being downloaded is "in use" and stays.
 * @param {string} key @returns {Promise<void>}
 */
export function forgetKept(key) {
  return kept.forgetKept(key);
}

/** @param {string[]} built @param {Stats["variant"]} [wanted] @returns {Stats["variant"]} */
function chooseVariant(built, wanted) {
  const { threads, reason } = core.support();
  if (wanted && wanted !== "single" && !threads) throw new LilmError("unsupported", `no threads: ${reason}`);
  /** @type {Stats["variant"][]} */
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

/** What the worker can open: addresses are whole ones there. @template T @param {T | string | URL} source */
function placeOf(source) {
  if (typeof source !== "string" && !(source instanceof URL)) return source;
  return NODE ? String(source) : new URL(source, document.baseURI).href;
}

/** @returns {string} */
function nameOf(/** @type {string | Blob | Blob[] | {opfs: string}} */ place) {
  if (Array.isArray(place)) return nameOf(place[0]);
  if (typeof place === "string") return fileName(place);
  return "opfs" in place ? place.opfs : (/** @type {File} */ (place).name ?? "");
}

/** Ask the browser not to throw the models away when its disk gets full; some ask the user. */
async function askToStay() {
  const { storage } = navigator;
  if (storage.persist && !(await storage.persisted())) await storage.persist();
}
