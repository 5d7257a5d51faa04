// glue.h's functions as JavaScript calls them: text and numbers into the heap and out of it, errors thrown.

import { LilmError } from "./errors.mjs";

export class Glue {
  /** Why it must not be called any more. @type {LilmError | null} */ dead = null;

  /** @param {import("./core.mjs").Core} core */
  constructor(core) {
    this.core = core;
  }

  /** An address as the module gave it, as a number. Those of 32 bits come as signed. @returns {number} */
  #address(/** @type {number | bigint} */ pointer) {
    return typeof pointer === "bigint" ? Number(pointer) : pointer >>> 0;
  }

  /** @returns {number | bigint} */
  #pointer(/** @type {number} */ address) {
    return this.core.wide ? BigInt(address) : address;
  }

  /** Where a function of glue.h without arguments says that something lies. @returns {number} */
  at(/** @type {string} */ name) {
    return this.#address(this.core.module[`_${name}`]());
  }

  /** Call a function of glue.h; a negative answer becomes the error it stands for. @returns {number} */
  call(/** @type {string} */ name, /** @type {(number | bigint)[]} */ ...values) {
    if (this.dead) throw this.dead;
    const module = this.core.module;
    let answer = 0;
    try {
      answer = /** @type {number} */ (module[`_${name}`](...values));
    } catch (error) {
      // A trap or an abort: the instance must not be used again, but what it said can still be read.
      const log = this.string("lilm_log").trim();
      const words = log || this.core.lastWords() || LilmError.from(error).message;
      throw (this.dead = new LilmError(
        /allocate/.test(log) ? "out_of_memory" : "internal",
        `llama.cpp stopped: ${words}`,
      ));
    }
    if (answer < 0) {
      const text = this.string("lilm_error");
      const unknown = /unknown model architecture/.test(text);
      const kind = /** @type {import("./errors.mjs").Kind} */ (this.string("lilm_error_kind"));
      throw new LilmError(unknown ? "unknown_architecture" : kind, text);
    }
    return answer;
  }

  tokens(
    /** @type {"lilm_tokenize"|"lilm_tokenize_chat"} */ name,
    /** @type {string} */ text,
    /** @type {number[]} */ ...flags
  ) {
    const bytes = new TextEncoder().encode(text);
    const n = this.withBytes(bytes, (at) => this.call(name, at, bytes.length, ...flags));
    return n ? Array.from(new Int32Array(this.core.memory.buffer, this.at("lilm_tokens"), n)) : [];
  }

  piece(/** @type {number} */ id) {
    const n = this.call("lilm_piece", id);
    return new Uint8Array(this.core.memory.buffer, this.at("lilm_text"), n).slice();
  }

  /** @template T @param {Uint8Array} bytes @param {(pointer: number | bigint) => T} use @returns {T} */
  withBytes(bytes, use) {
    const module = this.core.module;
    const at = this.#address(module._malloc(this.#pointer(bytes.length + 1)));
    if (!at) throw new LilmError("out_of_memory", "the memory is used up");
    const pointer = this.#pointer(at);
    try {
      new Uint8Array(this.core.memory.buffer, at, bytes.length).set(bytes);
      return use(pointer);
    } finally {
      if (!this.dead) module._free(pointer);
    }
  }

  /** The text that a function of glue.h without arguments answers. @returns {string} */
  string(/** @type {string} */ name) {
    const heap = new Uint8Array(this.core.memory.buffer);
    const start = this.at(name);
    return new TextDecoder().decode(heap.slice(start, heap.indexOf(0, start)));
  }
}
