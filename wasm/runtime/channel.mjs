// Questions to the worker and its answers; and its end, which may come without a word.

import { LilmError } from "./errors.mjs";

const NODE = typeof process === "object" && Boolean(process.versions?.node);
const START_SECONDS = 60; // a worker script that cannot be fetched reports nothing in some browsers

/**
 * @typedef {import("./lilm.mjs").Progress} Progress
 * @typedef {import("./lilm.mjs").Notice} Notice
 * @typedef {import("./lilm.mjs").Message} Message
 * @typedef {import("./lilm.mjs").Result} Result
 * @typedef {import("./lilm.mjs").Stats} Stats
 * @typedef {Partial<import("./sampling.mjs").Sampling>} Wishes
 *
 * @typedef {{buffer: SharedArrayBuffer, address: number}} StopFlag where a number other than 0 ends an evaluation
 *
 * @typedef {Object} Methods what the worker is asked, and what it answers
 * @property {(asked: {source: import("./source.mjs").Source, options: import("./engine.mjs").LoadOptions}) =>
 *   {stats: Stats, stopFlag: StopFlag | null}} load
 * @property {(asked: {messages: Message[], options: Wishes}) => Result} chat
 * @property {(asked: {prompt: string, options: Wishes}) => Result} complete
 * @property {(asked: {text: string}) => Float32Array} embed
 * @property {(asked: {text: string, add_special?: boolean, parse_special?: boolean}) => number[]} tokenize
 * @property {(asked: {ids: number[]}) => string} detokenize
 * @property {(asked: {}) => Stats} stats
 * @property {(asked: {}) => void} stop
 *
 * What it tells before it answers: progress and notice of load, notice and text of chat, text of complete; and "ready"
 * once, see worker.mjs.
 * @typedef {["progress", Progress] | ["notice", Notice] | ["ready", string | null]
 *   | ["text", {text: string, info: {tokens: number, seconds: number}}]} Event
 * @typedef {(...event: Event) => void} Tell
 *
 * @typedef {(sampling: Wishes, tell: Tell) => Promise<Result>} Ask for a generation
 *
 * @typedef {Object} Waiting a question without an answer so far
 * @property {(result: any) => void} resolve of the type that Methods says
 * @property {(error: LilmError) => void} reject
 * @property {Tell} [tell]
 *
 * @typedef {{id: number, event?: Event[0], data?: Event[1], result?: unknown,
 *   error?: {kind: import("./errors.mjs").Kind, message: string}}} Reply
 */

export class Channel {
  /** @type {Map<number, Waiting>} */ #waiting = new Map();
  #last = 0;
  #over = new AbortController(); // nobody waits for the worker's end any more
  /** @type {LilmError | null} */ #closed = null;
  /** @type {(reason: LilmError) => void} */ #tellEnd = () => {};
  /** @type {Promise<LilmError>} */ ended = new Promise((resolve) => (this.#tellEnd = resolve));
  #onAbort = () => this.close(new LilmError("aborted", "the loading was stopped"));

  /** @param {Worker | import("node:worker_threads").Worker} worker */
  constructor(worker) {
    this.worker = worker;
    const onMessage = (/** @type {Reply} */ message) => this.#receive(message);
    const onError = (/** @type {{message?: string}} */ error) =>
      this.close(new LilmError("internal", `the worker died: ${error.message || "its script cannot be loaded"}`));
    if ("on" in worker)
      worker
        .on("message", onMessage)
        .on("error", onError)
        .on("exit", () => this.close(died()));
    else {
      worker.onmessage = ({ data }) => onMessage(data);
      worker.onerror = onError;
    }
  }

  /** @param {AbortSignal} [signal] ends the worker, whatever it does */
  static async open(signal) {
    const url = new URL("worker.mjs", import.meta.url);
    const { Worker } = NODE ? await import("node:worker_threads") : globalThis;
    // A signal that was given before this one's listener tells it no more.
    if (signal?.aborted) throw new LilmError("aborted", "the loading was stopped");
    const channel = new Channel(new Worker(url, { type: "module" }));
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
        tell: (event, lock) => event === "ready" && settle(() => (this.#watch(lock), resolve()))(),
      });
    });
  }

  /** The worker holds this lock: who gets it knows that the worker is no more. @param {string | null} lock */
  #watch(lock) {
    if (lock) navigator.locks.request(lock, { signal: this.#over.signal }, () => this.close(died())).catch(() => {});
  }

  /**
   * @template {keyof Methods} M @param {M} method @param {Parameters<Methods[M]>[0]} args @param {Tell} [tell]
   * @returns {Promise<ReturnType<Methods[M]>>}
   */
  ask(method, args, tell) {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closed);
      const id = ++this.#last;
      this.#waiting.set(id, { resolve, reject, tell });
      this.worker.postMessage({ id, method, args });
    });
  }

  /** @param {Reply} reply */
  #receive({ id, event, data, result, error }) {
    const asked = this.#waiting.get(id);
    if (!asked) return;
    if (event) return void asked.tell?.(.../** @type {Event} */ ([event, data]));
    this.#waiting.delete(id);
    if (error) asked.reject(new LilmError(error.kind, error.message));
    else asked.resolve(result);
  }

  /** @param {LilmError} reason what the questions still open are answered with */
  close(reason) {
    if (this.#closed) return;
    this.#closed = reason;
    this.#tellEnd(reason);
    this.#over.abort();
    this.worker.terminate();
    const open = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of open) reject(reason);
  }
}

function died() {
  return new LilmError("worker_died", "the worker with the model was ended");
}
