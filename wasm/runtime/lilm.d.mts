import { LilmError } from "./errors.mjs";
export { LilmError };
export type Kind = import("./errors.mjs").Kind;
export type Message = {
    role: "system" | "user" | "assistant";
    content: string;
};
export type Progress = {
    /**
     * wait: Another tab is loading the same model.
     */
    phase: "wait" | "download" | "load";
    /**
     * Bytes.
     */
    loaded: number;
    /**
     * Bytes; 0 when not known.
     */
    total: number;
    /**
     * Bytes per second.
     */
    speed: number;
};
export type Notice = {
    /**
     * Nothing failed, but people may want to know.
     */
    kind: "quota_full" | "cannot_keep" | "kept" | "turns_dropped";
    message: string;
};
export type ChunkList = {
    /**
     * What a file's bytes have to be.
     */
    bytes: number;
    /**
     * Of the whole file, in hex.
     */
    sha256: string;
    /**
     * Of each chunk but the last, which may be shorter.
     */
    chunk_bytes: number;
    /**
     * SHA-256 of each chunk, in hex.
     */
    chunks: string[];
};
export type LoadOptions = {
    onProgress?: (progress: Progress) => void;
    onNotice?: (notice: Notice) => void;
    /**
     * A download that it stops goes on there the next time.
     */
    signal?: AbortSignal;
    /**
     * What a URL's bytes have to be, or where that is written; for a split
     * model where that of its first part is.
     */
    chunks?: string | URL | ChunkList;
    /**
     * An adapter to use over the model, a GGUF file too.
     */
    lora?: string | URL | Blob | {
        opfs: string;
    };
    /**
     * As `chunks`, of the adapter.
     */
    lora_chunks?: string | URL | ChunkList;
    /**
     * Keep a URL's model for the next visit; true unless said otherwise.
     */
    keep?: boolean;
    /**
     * The most; all cores, but for one when there are more than two.
     */
    threads?: number;
    /**
     * Let fewer threads compute while that is quicker, as on a busy device; true unless said
     * otherwise.
     */
    adapt?: boolean;
    n_ctx?: number;
    n_batch?: number;
    /**
     * The folder that holds memory.json and the builds: threads/, single/, their
     * -relaxed/, …
     */
    base?: string | URL;
    /**
     * Of memory.json's; the best one that works here.
     */
    variant?: "threads" | "single" | "threads-memory64";
    /**
     * The file's name in memory.json, when the source does not tell it.
     */
    name?: string;
};
export type GenerateOptions = {
    onToken?: (text: string, info: {
        tokens: number;
        seconds: number;
    }) => void;
    onNotice?: (notice: Notice) => void;
    signal?: AbortSignal;
    /**
     * 0 takes the most likely token.
     */
    temperature?: number;
    /**
     * 0 keeps all.
     */
    top_k?: number;
    top_p?: number;
    min_p?: number;
    repeat_penalty?: number;
    /**
     * -1 looks at the whole context.
     */
    repeat_last_n?: number;
    /**
     * -1 goes on to the end of the context.
     */
    n_predict?: number;
    seed?: number;
    /**
     * Go on after the token that ends a text.
     */
    ignore_eos?: boolean;
};
export type Result = {
    text: string;
    /**
     * Generated.
     */
    tokens: number;
    prompt_tokens: number;
    /**
     * Of the prompt, not evaluated again.
     */
    cached_tokens: number;
    prompt_seconds: number;
    /**
     * Of the generation.
     */
    seconds: number;
    stop_reason: "eos" | "length" | "context_full" | "aborted";
    /**
     * Of a chat: how many of its oldest turns did not fit the context.
     */
    dropped_turns?: number;
};
export type Stats = {
    variant: "threads" | "single" | "threads-memory64";
    /**
     * Whether it is the variant's build with relaxed SIMD.
     */
    relaxed_simd: boolean;
    threads: number;
    /**
     * That compute now.
     */
    threads_used: number;
    n_ctx: number;
    n_batch: number;
    n_vocab: number;
    n_ctx_used: number;
    parameters: number;
    model: string;
    model_bytes: number;
    heap_bytes: number;
    heap_top: number;
    load_seconds: number;
    has_chat_template: boolean;
    metadata: Record<string, string>;
};
export type Kept = {
    key: string;
    name: string;
    url: string;
    bytes: number;
    /**
     * The version: the file's SHA-256, or what the server calls it.
     */
    tag: string;
    complete: boolean;
};
export type Model = LoadedModel;
/**
 * Load a GGUF model. Rejects with LilmError.
 * @param {string | URL | Blob | Blob[] | {opfs: string}} source A URL, for a split model that of its first part; a File
 *   or Blob, or all parts as such, read where they lie, and perhaps an adapter among them; a model that this browser
 *   keeps, by the name or key that listKept() tells; in node also a path.
 * @param {LoadOptions} [options]
 * @returns {Promise<Model>}
 */
export declare function load(source: string | URL | Blob | Blob[] | {
    opfs: string;
}, options?: LoadOptions): Promise<Model>;
/** A loaded model in its worker. Generations run one after another. */
declare class LoadedModel {
    #private;
    /**
     * Statistics as of loading.
     * @readonly
     * @type {Stats}
     */
    readonly info: Stats;
    /**
     * Resolves with the reason when the model can no longer be used: unloaded, or its worker died.
     * @readonly
     * @type {Promise<LilmError>}
     */
    readonly ended: Promise<LilmError>;
    /**
     * The assistant's next message, by the model's chat template; what follows its last one where that stands at the end.
     * @param {Message[]} messages @param {GenerateOptions} [options] @returns {Promise<Result>}
     */
    chat(messages: Message[], options?: GenerateOptions): Promise<Result>;
    /** How the prompt goes on. @param {string} prompt @param {GenerateOptions} [options] @returns {Promise<Result>} */
    complete(prompt: string, options?: GenerateOptions): Promise<Result>;
    /**
     * A vector of length 1 for each text: the last layer's of its tokens, pooled as the GGUF says, else their mean.
     * Throws "context_full" for a text that is longer than the context, and "aborted".
     * @param {string[]} texts @param {{signal?: AbortSignal}} [options] @returns {Promise<Float32Array[]>}
     */
    embed(texts: string[], options?: {
        signal?: AbortSignal;
    }): Promise<Float32Array[]>;
    /**
     * @param {string} text @param {{add_special?: boolean, parse_special?: boolean}} [options]
     * @returns {Promise<number[]>}
     */
    tokenize(text: string, options?: {
        add_special?: boolean;
        parse_special?: boolean;
    }): Promise<number[]>;
    /** @param {number[]} ids @returns {Promise<string>} */
    detokenize(ids: number[]): Promise<string>;
    /** Statistics as of now. @returns {Promise<Stats>} */
    stats(): Promise<Stats>;
    /** End the worker and give its memory back. */
    unload(): Promise<void>;
}
/** Does this page, or node, have shared memory for threads? @returns {{threads: boolean, reason: string}} */
export declare function support(): {
    threads: boolean;
    reason: string;
};
/** The models kept here, whole or in part, by name. Works on pages and in workers. @returns {Promise<Kept[]>} */
export declare function listKept(): Promise<Kept[]>;
/**
 * Delete a kept model. One that is being downloaded is "in use" and stays.
 * @param {string} key @returns {Promise<void>}
 */
export declare function forgetKept(key: string): Promise<void>;
