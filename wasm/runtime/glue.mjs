// glue.h's functions as JavaScript calls them: text and numbers into the heap and out of it, errors thrown.

import { LilmError } from "./errors.mjs";

export class Glue {
  /** Why it must not be called any more. @type {LilmError | null} */ dead = null;

  /** @param {import("./core.mjs").Core} core */
  constructor(core) {
    this.core = core;
  }

  /** Call a function of glue.h; a negative answer becomes the error it stands for. @returns {number} */
  call(/** @type {string} */ name, /** @type {number[]} */ ...values) {
    if (this.dead) throw this.dead;
    const module = this.core.module;
    let answer;
    try {
      answer = module[`_${name}`](...values);
    } catch (error) {
      // A trap or an abort: the instance must not be used again, but what it said can still be read.
      const log = this.string(module._lilm_log()).trim();
      const words = log || this.core.lastWords() || LilmError.from(error).message;
      throw (this.dead = new LilmError(/allocate/.test(log) ? "out_of_memory" : "internal", `llama.cpp stopped: ${words}`));
    }
    if (answer < 0 && name !== "lilm_info") {
      const text = this.string(module._lilm_error());
      const unknown = /unknown model architecture/.test(text);
      throw new LilmError(unknown ? "unknown_architecture" : this.string(module._lilm_error_kind()), text);
    }
    return answer;
  }

  tokens(/** @type {"lilm_tokenize"|"lilm_tokenize_chat"} */ name, /** @type {string} */ text, /** @type {number[]} */ ...flags) {
    const bytes = new TextEncoder().encode(text);
    const n = this.withBytes(bytes, (at) => this.call(name, at, bytes.length, ...flags));
    const at = this.core.module._lilm_tokens() >>> 0;
    return n ? Array.from(new Int32Array(this.core.memory.buffer, at, n)) : [];
  }

  piece(/** @type {number} */ id) {
    const n = this.call("lilm_piece", id);
    return new Uint8Array(this.core.memory.buffer, this.core.module._lilm_text() >>> 0, n).slice();
  }

  /** @template T @param {Uint8Array} bytes @param {(address: number) => T} use @returns {T} */
  withBytes(bytes, use) {
    const module = this.core.module;
    const at = module._malloc(bytes.length + 1) >>> 0;
    if (!at) throw new LilmError("out_of_memory", "the memory is used up");
    try {
      new Uint8Array(this.core.memory.buffer, at, bytes.length).set(bytes);
      return use(at);
    } finally {
      if (!this.dead) module._free(at);
    }
  }

  /** @returns {any} */
  string(/** @type {number} */ address) {
    const heap = new Uint8Array(this.core.memory.buffer);
    const start = address >>> 0;
    return new TextDecoder().decode(heap.slice(start, heap.indexOf(0, start)));
  }
}
