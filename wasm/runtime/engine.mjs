// One loaded model: glue.h's functions with memory, text and errors as JavaScript has them. Blocks its thread
// while llama.cpp works, so browsers run it in worker.mjs; node may use it directly.

import { sortFiles } from "./adapter.mjs";
import { yieldToMessages } from "./yield_to_messages.mjs";
import { chooseBuild, makeCore, planMemory } from "./core.mjs";
import { LilmError } from "./errors.mjs";
import { Glue } from "./glue.mjs";
import { checkTokens, messagesJson, textDecoder } from "./messages.mjs";
import { checkSampling } from "./options.mjs";
import { metered } from "./progress.mjs";
import { DEFAULTS } from "./sampling.mjs";
import { openReader } from "./source.mjs";
import { measure, Threads } from "./threads.mjs";

/** @type {Record<string, number>} */ const KV_TYPES = { f16: 1, q8_0: 8 }; // ggml_type's numbers

/**
 * @typedef {import("./lilm.mjs").Stats} Stats
 * @typedef {Omit<Stats, "threads_used" | "n_ctx_used" | "heap_bytes" | "heap_top">} Info what stays the same
 *
 * @typedef {Object} LoadOptions
 * @property {string} base URL of the folder with the builds, ending in a slash
 * @property {Stats["variant"]} variant
 * @property {number} threads the most
 * @property {import("./core.mjs").Table} table memory.json
 * @property {string} name the model's in memory.json
 * @property {boolean} [adapt] fewer threads compute when that is quicker; true unless said otherwise
 * @property {string} [build] the folder in base, if not the best that table tells
 * @property {number} [n_ctx]
 * @property {number} [n_batch]
 * @property {{initial_bytes: number, maximum_bytes: number}} [memory] overrides what the table says
 * @property {import("./lilm.mjs").ChunkList | string} [chunks]
 * @property {import("./source.mjs").Place} [lora] an adapter to use over the model
 * @property {import("./lilm.mjs").ChunkList | string} [lora_chunks]
 * @property {string} [lora_name] by which it is kept
 * @property {boolean} [keep]
 * @property {OnStep} [onStep] told each step of the evaluation, see glue.h; slow, for looking for errors
 *
 * @typedef {(name: string, op: string, weights: string, values: Float32Array) => void} OnStep
 * @typedef {(text: string, info: {tokens: number, seconds: number}) => void} OnText whole characters only
 * @typedef {(id: number, gap: number) => void} OnId each token, and by how much its place's best logit leads
 */

export class Engine {
  #glue;
  #stopped = false;
  #info = /** @type {Info} */ ({}); // load() fills it
  /** @type {Threads | null} */ #threads = null;
  #measuring = Promise.resolve();
  #busy = 0; // generations and embeddings under way or waiting for the measurement

  /** @param {import("./core.mjs").Core} core */
  constructor(core) {
    this.#glue = new Glue(core);
  }

  /**
   * @param {import("./source.mjs").Source} source @param {LoadOptions} options
   * @param {(progress: import("./lilm.mjs").Progress) => boolean | void} onProgress false stops the loading
   * @param {(kind: import("./lilm.mjs").Notice["kind"], message: string) => void} [onNotice]
   */
  static async load(source, options, onProgress, onNotice = () => {}) {
    const started = performance.now();
    const tell = metered(onProgress);
    const n_ctx = options.n_ctx ?? options.table.n_ctx;
    const n_batch = options.n_batch ?? options.table.n_batch;
    /** @param {number} file_bytes */
    const plan = (file_bytes, lora_bytes = 0) =>
      options.memory
        ? { variant: options.variant, ...options.memory }
        : planMemory(options.table, { ...options, n_ctx, n_batch, file_bytes, lora_bytes });
    const sorted = Array.isArray(source) ? await sortFiles(source) : { model: source, lora: null };
    const lora = options.lora ?? sorted.lora;
    const reading = {
      name: options.name,
      keep: options.keep ?? true,
      onProgress: (/** @type {number} */ loaded, /** @type {number} */ total) => void tell("download", loaded, total),
      /** @param {import("./lilm.mjs").Notice["kind"] | "waiting"} kind @param {string} message */
      onNotice(kind, message) {
        if (kind === "waiting") tell("wait", 0, 0);
        else onNotice(kind, message);
      },
    };
    const over = { ...reading, name: options.lora_name ?? "", chunks: options.lora_chunks ?? null, onSize() {} };
    /** @type {import("./reader.mjs").Reader[]} */
    const readers = lora === null ? [] : [await openReader(lora, over)]; // the small one first
    let last = 0; // the file that was read last
    try {
      const lora_bytes = readers[0]?.size ?? 0;
      const onSize = (/** @type {number} */ bytes) => void plan(bytes, lora_bytes); // too big is told before downloading
      readers.unshift(await openReader(sorted.model, { ...reading, chunks: options.chunks ?? null, onSize }));
      const wish = plan(readers[0].size, lora_bytes);
      const build = options.build ?? chooseBuild(options.table, wish.variant);
      const core = await makeCore(new URL(`${build}/`, options.base).href, options.threads, wish);
      const engine = new Engine(core);
      if (options.onStep) {
        const { onStep } = options;
        core.module.lilmWatched = (/** @type {Float32Array} */ values) => {
          const [name, op, weights] = engine.#glue.string("lilm_text").split("\t");
          onStep(name, op, weights, values);
        };
        core.module._lilm_watch(1);
      }
      engine.#open(
        readers,
        [n_ctx, n_batch, options.threads, KV_TYPES[options.table.kv_type ?? "f16"]],
        (loaded, total) => tell("load", loaded, total),
        (file) => (last = file),
      );
      engine.#info = {
        variant: wish.variant,
        relaxed_simd: build !== wish.variant,
        ...JSON.parse(engine.#glue.string("lilm_info")),
        load_seconds: (performance.now() - started) / 1000,
      };
      if ((options.adapt ?? true) && options.threads > 1) engine.#threads = new Threads(options.threads);
      return engine;
    } catch (error) {
      // Delete a kept file that is no GGUF, or the next visit fails too.
      if (["not_a_gguf", "truncated"].includes(LilmError.from(error).kind)) await readers[last]?.discard?.();
      throw error;
    } finally {
      readers.forEach((reader) => reader.close());
    }
  }

  /**
   * @param {import("./reader.mjs").Reader[]} readers of the model, and of the adapter where there is one
   * @param {number[]} sizes lilm_load()'s n_ctx, n_batch, n_threads and kv_type
   * @param {(loaded: number, total: number) => boolean | void} onProgress
   * @param {(file: number) => void} onRead told which of `readers` is read
   */
  #open(readers, sizes, onProgress, onRead) {
    const [{ size }, lora] = readers;
    /** @type {LilmError | null} */ let broken = null;
    this.#glue.core.module.lilmRead = (file, offset, into) => {
      onRead(file);
      try {
        return readers[file].read(offset, into);
      } catch (error) {
        broken = LilmError.from(error);
        return -1;
      }
    };
    this.#glue.core.module.lilmLoaded = (/** @type {number} */ part) =>
      onProgress(Math.round(part * size), size) !== false;
    try {
      this.#glue.call("lilm_load", size, lora?.size ?? 0, ...sizes);
    } catch (error) {
      throw broken ?? error;
    }
  }

  /** Shared memory and address of the number that stops an evaluation from another thread. */
  get stopFlag() {
    return { memory: this.#glue.core.memory, address: this.#glue.at("lilm_abort_flag") };
  }

  /** Ends the generation under way before its next token. */
  stop() {
    this.#stopped = true;
  }

  /**
   * Find the number of threads to begin with, by trying each. Whoever asks for text meanwhile waits for one try at
   * most.
   * @returns {Promise<void>}
   */
  measureThreads() {
    this.#measuring = this.#measure().catch((error) => {
      if (LilmError.from(error).kind !== "aborted") throw error;
    });
    this.#measuring.catch(() => {}); // the next generation tells it
    return this.#measuring;
  }

  async #measure() {
    if (!this.#threads || this.#busy) return;
    Atomics.store(this.#flag(), 0, 0);
    this.#glue.call("lilm_try_token"); // the first one compiles
    await measure(this.#threads, this.#info.threads, async (count) => {
      await yieldToMessages();
      if (this.#busy || this.#glue.dead) return null;
      this.#glue.call("lilm_set_threads", count);
      return this.#timed("lilm_try_token"); // fails as "aborted" when a waiting generation is stopped
    });
  }

  /** A call's milliseconds. @param {string} name @param {number[]} values */
  #timed(name, ...values) {
    const started = performance.now();
    this.#glue.call(name, ...values);
    return performance.now() - started;
  }

  /** @returns {Stats} */
  stats() {
    return {
      ...this.#info,
      threads_used: this.#threads?.chosen ?? this.#info.threads,
      n_ctx_used: this.#glue.call("lilm_n_ctx_used"),
      heap_bytes: this.#glue.core.memory.buffer.byteLength,
      heap_top: this.#glue.call("lilm_heap_top"),
    };
  }

  free() {
    if (!this.#glue.dead) this.#glue.call("lilm_free");
    this.#glue.dead = new LilmError("internal", "the model is unloaded");
  }

  /** @returns {number[]} */
  tokenize(/** @type {string} */ text, add_special = false, parse_special = false) {
    return this.#glue.tokens("lilm_tokenize", text, Number(add_special), Number(parse_special));
  }

  get n_ctx() {
    return this.#info.n_ctx;
  }

  /**
   * Tokens of a chat, by the model's own template. An assistant's message at the end is an answer to go on with.
   * @param {{role: string, content: string}[]} messages
   */
  tokenizeChat(messages) {
    const last = messages.at(-1);
    const isBegun = last?.role === "assistant";
    const asked = this.#glue.tokens("lilm_tokenize_chat", messagesJson(messages, messages.length - Number(isBegun)));
    return isBegun ? [...asked, ...this.#tokenizeOn(last.content)] : asked;
  }

  /**
   * Tokens of text that stands behind other text: without the space that some vocabularies begin with.
   * @param {string} text
   */
  #tokenizeOn(text) {
    if (!text) return [];
    const edge = this.tokenize("\n");
    const both = this.tokenize(`\n${text}`);
    return edge.every((id, at) => both[at] === id) ? both.slice(edge.length) : this.tokenize(text);
  }

  detokenize(/** @type {number[]} */ ids) {
    checkTokens(ids, this.#info.n_vocab);
    const decoder = textDecoder();
    return ids.map((id) => decoder.decode(this.#glue.piece(id), { stream: true })).join("") + decoder.decode();
  }

  /**
   * Go on from `prompt`. A full context ends the text; a prompt that does not fit throws "context_full".
   * @param {number[]} prompt
   * @param {Partial<import("./sampling.mjs").Sampling>} wishes
   * @param {OnText} onText
   * @param {OnId} [onId]
   */
  generate(prompt, wishes, onText, onId) {
    return this.#alone(() => this.#generate(prompt, wishes, onText, onId));
  }

  /**
   * @param {number[]} prompt @param {Partial<import("./sampling.mjs").Sampling>} wishes
   * @param {OnText} onText @param {OnId} [onId] @returns {Promise<import("./lilm.mjs").Result>}
   */
  async #generate(prompt, wishes, onText, onId) {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0];
    const sampling = { ...DEFAULTS, seed, ...checkSampling(wishes) };
    const { n_ctx, n_vocab } = this.#info;
    const { repeat_last_n } = sampling;
    /** @type {import("./lilm.mjs").Result} */
    const result = {
      text: "",
      tokens: 0,
      prompt_tokens: prompt.length,
      cached_tokens: 0,
      prompt_seconds: 0,
      seconds: 0,
      stop_reason: "length",
    };
    const decoder = textDecoder(); // keeps a character that n_predict cuts to itself
    const begun = performance.now();
    let started = begun;
    const say = (/** @type {string} */ text) => {
      if (!text) return;
      result.text += text;
      onText(text, { tokens: result.tokens, seconds: (performance.now() - started) / 1000 });
    };
    try {
      result.cached_tokens = this.#prompt(prompt);
      do this.#mayGoOn();
      while (this.#glue.call("lilm_prefill") > 0 && (await yieldToMessages(), true));
      started = performance.now();
      this.#glue.call(
        "lilm_sampler",
        sampling.temperature,
        Math.min(sampling.top_k, n_vocab),
        sampling.top_p,
        sampling.min_p,
        sampling.repeat_penalty,
        // llama.cpp's tools know what -1 means, its library does not; and it keeps room for as many as it is told.
        repeat_last_n < 0 ? n_ctx : Math.min(repeat_last_n, n_ctx),
        sampling.seed >>> 0,
      );
      while (result.tokens !== sampling.n_predict) {
        await yieldToMessages();
        this.#mayGoOn();
        const id = this.#glue.call("lilm_sample");
        onId?.(id, /** @type {number} */ (this.#glue.core.module._lilm_gap()));
        if (!sampling.ignore_eos && this.#glue.call("lilm_is_end", id)) {
          result.stop_reason = "eos";
          break;
        }
        result.tokens += 1;
        say(decoder.decode(this.#glue.piece(id), { stream: true }));
        if (result.tokens === sampling.n_predict) break;
        this.#decode(id);
      }
    } catch (error) {
      const { kind } = LilmError.from(error);
      const inPrompt = result.tokens === 0 && kind === "context_full";
      if ((kind !== "aborted" && kind !== "context_full") || inPrompt) throw error;
      result.stop_reason = kind;
    }
    const ended = performance.now();
    result.prompt_seconds = (started === begun ? ended - begun : started - begun) / 1000;
    result.seconds = started === begun ? 0 : (ended - started) / 1000;
    return result;
  }

  /**
   * Do `work` with the context for itself: the measurement ends before. @template T @param {() => T | Promise<T>} work
   * @returns {Promise<T>}
   */
  async #alone(work) {
    this.#busy += 1;
    this.#stopped = false; // before the wait: a stop during it counts
    Atomics.store(this.#flag(), 0, 0);
    const measuring = this.#measuring;
    this.#measuring = Promise.resolve(); // what failed there is told once
    try {
      await measuring;
      return await work();
    } finally {
      this.#busy -= 1;
    }
  }

  /** A vector of length 1 that stands for the text. @returns {Promise<Float32Array>} */
  embed(/** @type {string} */ text) {
    return this.#alone(() => {
      const ids = Int32Array.from(this.tokenize(text, true, false));
      const size = this.#glue.withBytes(new Uint8Array(ids.buffer), (at) =>
        this.#glue.call("lilm_embed", at, ids.length),
      );
      return new Float32Array(this.#glue.core.memory.buffer, this.#glue.at("lilm_embedding"), size).slice();
    });
  }

  #decode(/** @type {number} */ id) {
    if (!this.#threads) return void this.#glue.call("lilm_decode", id);
    this.#glue.call("lilm_set_threads", this.#threads.next);
    this.#threads.took(this.#timed("lilm_decode", id));
  }

  /**
   * Logits [n_vocab] of the places step - 1, step - 1 + stride, … of `tokens`, each evaluated as the last of `step`
   * tokens at a time.
   * @param {number[]} tokens @param {number} step @param {number} stride
   * @param {(logits: Float32Array) => void} onLogits the array is valid until onLogits returns
   */
  logits(tokens, step, stride, onLogits) {
    for (let n = step; n <= tokens.length; n += stride) {
      this.#prompt(tokens.slice(0, n - step + 1)); // forgets what was evaluated behind
      this.#prompt(tokens.slice(0, n));
      while (this.#glue.call("lilm_prefill") > 0);
      onLogits(new Float32Array(this.#glue.core.memory.buffer, this.#glue.at("lilm_logits"), this.#info.n_vocab));
    }
  }

  /** How many of the tokens are in the context already. */
  #prompt(/** @type {number[]} */ tokens) {
    return this.#glue.withBytes(new Uint8Array(Int32Array.from(tokens).buffer), (at) =>
      this.#glue.call("lilm_prompt", at, tokens.length),
    );
  }

  #mayGoOn() {
    if (this.#stopped) throw new LilmError("aborted", "stopped by the user");
  }

  #flag() {
    return new Int32Array(this.#glue.core.memory.buffer, this.#glue.at("lilm_abort_flag"), 1);
  }
}
