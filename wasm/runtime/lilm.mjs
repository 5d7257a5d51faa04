// LiLM in the browser (and node): load a GGUF, chat with it, stop it.
//
//   import { load } from "./wasm/runtime/lilm.mjs";
//   const model = await load("models/model-Q4_K_M.gguf", { onProgress: console.log });
//   await model.chat([{ role: "user", content: "こんにちは" }], { onToken: (text) => out.append(text) });

import { readJson, support } from "./core.mjs";
import { LilmError } from "./errors.mjs";

export { LilmError, support };

const NODE = typeof process === "object" && Boolean(process.versions?.node);
const START_SECONDS = 60; // a worker script that cannot be fetched reports nothing in some browsers

/**
 * @typedef {{role: "system"|"user"|"assistant", content: string}} Message
 * @typedef {{phase: "download"|"load", loaded: number, total: number}} Progress
 * @typedef {Object} LoadOptions
 * @property {(progress: Progress) => void} [onProgress]
 * @property {AbortSignal} [signal]
 * @property {number} [threads]
 * @property {number} [n_ctx]
 * @property {number} [n_batch]
 * @property {string | URL} [base] the folder that holds memory.json, threads/ and single/
 * @property {"threads" | "single"} [variant]
 * @property {string} [name] the file's name in memory.json, when the source does not tell it
 *
 * @typedef {Object} GenerateOptions
 * @property {(text: string, info: {tokens: number, seconds: number}) => void} [onToken]
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
 */

/**
 * Load a GGUF model. Rejects with LilmError.
 * @param {string | URL | Blob} source a URL, a File or Blob; in node also a path
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
  const name = options.name ?? (typeof place === "string" ? lastPart(place) : /** @type {File} */ (place).name ?? "");
  const channel = await Channel.open(options.signal);
  try {
    const { n_ctx, n_batch } = options;
    const { stats, stopFlag } = await channel.ask(
      "load",
      { source: place, options: { base: folder, table, variant, threads, name, n_ctx, n_batch } },
      (_, progress) => options.onProgress?.(progress),
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
    this.#channel.close(new LilmError("aborted", "the model is unloaded"));
  }

  /** @param {"chat"|"complete"} method @param {any} args @param {GenerateOptions} [options] @returns {Promise<Result>} */
  #generate(method, args, options = {}) {
    const run = this.#queue.then(() => this.#run(method, args, options));
    this.#queue = run.catch(() => {});
    return run;
  }

  /** @param {"chat"|"complete"} method @param {any} args @param {GenerateOptions} options @returns {Promise<Result>} */
  async #run(method, args, { onToken, signal, ...sampling }) {
    if (signal?.aborted) {
      return { text: "", tokens: 0, prompt_tokens: 0, cached_tokens: 0, prompt_seconds: 0, seconds: 0, stop_reason: "aborted" };
    }
    const stop = () => {
      // The flag ends an evaluation under way; the message ends the loop between two.
      if (this.#stopFlag) Atomics.store(new Int32Array(this.#stopFlag.buffer, this.#stopFlag.address, 1), 0, 1);
      this.#channel.ask("stop", {}).catch(() => {});
    };
    signal?.addEventListener("abort", stop);
    try {
      return await this.#channel.ask(method, { ...args, options: sampling }, (_, { text, info }) => onToken?.(text, info));
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }
}

/** Questions to the worker and its answers. */
class Channel {
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: LilmError) => void, tell?: (event: string, data: any) => void}>} */
  #waiting = new Map();
  #last = 0;
  /** @type {LilmError | null} */ #closed = null;
  #onAbort = () => this.close(new LilmError("aborted", "the loading was stopped"));

  /** @param {any} worker */
  constructor(worker) {
    this.worker = worker;
    const onMessage = (/** @type {any} */ message) => this.#receive(message);
    const onError = (/** @type {any} */ error) =>
      this.close(new LilmError("internal", `the worker died: ${error.message || "its script cannot be loaded"}`));
    if (NODE) worker.on("message", onMessage).on("error", onError);
    else {
      worker.onmessage = (/** @type {MessageEvent} */ event) => onMessage(event.data);
      worker.onerror = onError;
    }
  }

  /** @param {AbortSignal} [signal] ends the worker, whatever it does */
  static async open(signal) {
    const url = new URL("worker.mjs", import.meta.url);
    const { Worker } = NODE ? await import("node:worker_threads") : globalThis;
    const channel = new Channel(new /** @type {any} */ (Worker)(url, { type: "module" }));
    signal?.addEventListener("abort", channel.#onAbort);
    await channel.#ready();
    return channel;
  }

  /** The signal given to open() no longer counts. @param {AbortSignal} [signal] */
  forget(signal) {
    signal?.removeEventListener("abort", this.#onAbort);
  }

  /** @returns {Promise<void>} */
  #ready() {
    return new Promise((resolve, reject) => {
      const late = () => this.close(new LilmError("network", "the worker script does not start"));
      const timer = setTimeout(late, START_SECONDS * 1000);
      const settle = (/** @type {() => void} */ then) => () => (clearTimeout(timer), this.#waiting.delete(0), then());
      this.#waiting.set(0, {
        resolve: () => {},
        reject: (error) => settle(() => reject(error))(),
        tell: settle(resolve),
      });
    });
  }

  /** @param {string} method @param {any} args @param {(event: string, data: any) => void} [tell] @returns {Promise<any>} */
  ask(method, args, tell) {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closed);
      const id = ++this.#last;
      this.#waiting.set(id, { resolve, reject, tell });
      this.worker.postMessage({ id, method, args });
    });
  }

  /** @param {{id: number, event?: string, data?: any, result?: any, error?: {kind: any, message: string}}} message */
  #receive({ id, event, data, result, error }) {
    const asked = this.#waiting.get(id);
    if (!asked) return;
    if (event) return void asked.tell?.(event, data);
    this.#waiting.delete(id);
    if (error) asked.reject(new LilmError(error.kind, error.message));
    else asked.resolve(result);
  }

  /** @param {LilmError} reason what the questions still open are answered with */
  close(reason) {
    this.#closed ??= reason;
    this.worker.terminate();
    const open = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of open) reject(reason);
  }
}

/** @param {string[]} built @param {"threads"|"single"} [wanted] @returns {"threads"|"single"} */
function chooseVariant(built, wanted) {
  const { threads, reason } = support();
  if (wanted === "threads" && !threads) throw new LilmError("unsupported", `no threads: ${reason}`);
  const order = wanted ? [wanted] : threads ? ["threads", "single"] : ["single"];
  const found = order.find((variant) => built.includes(variant));
  if (found) return /** @type {"threads"|"single"} */ (found);
  throw new LilmError("unsupported", wanted ? `the ${wanted} build is not here` : `only the threads build is here, and ${reason}`);
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
function lastPart(/** @type {string} */ place) {
  const path = /^[a-z]+:\/\//.test(place) ? new URL(place).pathname : place;
  return decodeURIComponent(path.split(/[/\\]/).pop() ?? "");
}
