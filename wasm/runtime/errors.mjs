// The one error class of the runtime, with a closed set of kinds.

/**
 * @typedef {"not_a_gguf"|"truncated"|"too_big"|"out_of_memory"|"network"|"aborted"|"context_full"|"unsupported"|"internal"} Kind
 */

/** @type {readonly Kind[]} */
export const KINDS = Object.freeze([
  "not_a_gguf",
  "truncated",
  "too_big",
  "out_of_memory",
  "network",
  "aborted",
  "context_full",
  "unsupported",
  "internal",
]);

/** What went wrong: `kind` for code, `message` (one plain sentence) for people. */
export class LilmError extends Error {
  /**
   * @param {Kind} kind
   * @param {string} message
   */
  constructor(kind, message) {
    super(message);
    this.name = "LilmError";
    /** @type {Kind} */
    this.kind = KINDS.includes(kind) ? kind : "internal";
  }

  /** Any thrown value as a LilmError. @param {unknown} thrown */
  static from(thrown) {
    if (thrown instanceof LilmError) return thrown;
    const error = /** @type {any} */ (thrown);
    if (error?.name === "AbortError") return new LilmError("aborted", "stopped by the user");
    return new LilmError("internal", error?.message ? `${error.name}: ${error.message}` : String(thrown));
  }
}
