// The one error class of the runtime, with a closed set of kinds.

const KINDS = /** @type {const} */ ([
  "not_a_gguf",
  "truncated",
  "wrong_hash",
  "unknown_architecture",
  "too_big",
  "out_of_memory",
  "network",
  "not_kept",
  "wrong_adapter",
  "aborted",
  "context_full",
  "unsupported",
  "worker_died",
  "internal",
]);

/** @typedef {(typeof KINDS)[number]} Kind */

/**
 * What went wrong: `kind` for code, `message` (one plain sentence) for people.
 * wrong_hash: bytes differ from the list of chunks. not_kept: no such model in this browser's storage.
 * wrong_adapter: it was not made for this model, or is none.
 * worker_died: the browser ended the worker, or it ended itself; the model can be loaded again.
 */
export class LilmError extends Error {
  /**
   * @readonly
   * @type {Kind}
   */
  kind;

  /**
   * @param {Kind} kind
   * @param {string} message
   */
  constructor(kind, message) {
    super(message);
    this.name = "LilmError";
    this.kind = KINDS.includes(kind) ? kind : "internal";
  }

  /** Any thrown value as a LilmError. @param {unknown} thrown */
  static from(thrown) {
    if (thrown instanceof LilmError) return thrown;
    const error = /** @type {Partial<Error> | null | undefined} */ (thrown);
    if (error?.name === "AbortError") return new LilmError("aborted", "stopped by the user");
    return new LilmError("internal", error?.message ? `${error.name}: ${error.message}` : String(thrown));
  }
}
