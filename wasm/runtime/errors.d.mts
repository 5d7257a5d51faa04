declare const KINDS: readonly ["not_a_gguf", "truncated", "wrong_hash", "unknown_architecture", "too_big", "out_of_memory", "network", "not_kept", "wrong_adapter", "aborted", "context_full", "unsupported", "worker_died", "internal"];
export type Kind = (typeof KINDS)[number];
/** @typedef {(typeof KINDS)[number]} Kind */
/**
 * What went wrong: `kind` for code, `message` (one plain sentence) for people.
 * wrong_hash: bytes differ from the list of chunks. not_kept: no such model in this browser's storage.
 * wrong_adapter: it was not made for this model, or is none.
 * worker_died: the browser ended the worker, or it ended itself; the model can be loaded again.
 */
export declare class LilmError extends Error {
    /**
     * @readonly
     * @type {Kind}
     */
    readonly kind: Kind;
    /**
     * @param {Kind} kind
     * @param {string} message
     */
    constructor(kind: Kind, message: string);
    /** Any thrown value as a LilmError. @param {unknown} thrown */
    static from(thrown: unknown): LilmError;
}
export {};
