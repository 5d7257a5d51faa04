// Questions to the worker and its answers; and its end, which may come without a word.

import { LilmError } from "./errors.mjs";

const NODE = typeof process === "object" && Boolean(process.versions?.node);
const START_SECONDS = 60; // a worker script that cannot be fetched reports nothing in some browsers

export class Channel {
  /**
   * @type {Map<number, {resolve: (value: any) => void, reject: (error: LilmError) => void,
   *   tell?: (event: string, data: any) => void}>}
   */
  #waiting = new Map();
  #last = 0;
  #over = new AbortController(); // nobody waits for the worker's end any more
  /** @type {LilmError | null} */ #closed = null;
  /** @type {(reason: LilmError) => void} */ #tellEnd = () => {};
  /** @type {Promise<LilmError>} */ ended = new Promise((resolve) => (this.#tellEnd = resolve));
  #onAbort = () => this.close(new LilmError("aborted", "the loading was stopped"));

  /** @param {any} worker */
  constructor(worker) {
    this.worker = worker;
    const onMessage = (/** @type {any} */ message) => this.#receive(message);
    const onError = (/** @type {any} */ error) =>
      this.close(new LilmError("internal", `the worker died: ${error.message || "its script cannot be loaded"}`));
    if (NODE)
      worker
        .on("message", onMessage)
        .on("error", onError)
        .on("exit", () => this.close(died()));
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
        tell: (_, lock) => settle(() => (this.#watch(lock), resolve()))(),
      });
    });
  }

  /** The worker holds this lock: who gets it knows that the worker is no more. @param {string | null} lock */
  #watch(lock) {
    if (lock) navigator.locks.request(lock, { signal: this.#over.signal }, () => this.close(died())).catch(() => {});
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
