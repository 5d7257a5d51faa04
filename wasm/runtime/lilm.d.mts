// Types of lilm.mjs. What each thing does is said there.

export type Kind =
  | "not_a_gguf"
  | "truncated"
  | "wrong_hash"
  | "unknown_architecture"
  | "too_big"
  | "out_of_memory"
  | "network"
  | "not_kept"
  | "aborted"
  | "context_full"
  | "unsupported"
  | "worker_died"
  | "internal";

export class LilmError extends Error {
  constructor(kind: Kind, message: string);
  readonly kind: Kind;
  static from(thrown: unknown): LilmError;
}

export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

/** Bytes, and bytes per second. wait: another tab is loading the same model. total is 0 when not known. */
export interface Progress {
  phase: "wait" | "download" | "load";
  loaded: number;
  total: number;
  speed: number;
}

/** Nothing failed, but people may want to know. */
export interface Notice {
  kind: "quota_full" | "cannot_keep" | "kept" | "turns_dropped";
  message: string;
}

/** What a file's bytes have to be: chunk i (of chunk_bytes, the last one shorter) has SHA-256 chunks[i], in hex. */
export interface ChunkList {
  bytes: number;
  sha256: string;
  chunk_bytes: number;
  chunks: string[];
}

export interface LoadOptions {
  onProgress?: (progress: Progress) => void;
  onNotice?: (notice: Notice) => void;
  /** A download that it stops goes on there the next time. */
  signal?: AbortSignal;
  /** What a URL's bytes have to be, or where that is written; for a split model where that of its first part is. */
  chunks?: string | URL | ChunkList;
  /** Keep a URL's model for the next visit; true unless said otherwise. */
  keep?: boolean;
  /** The most; all cores, but for one when there are more than two. */
  threads?: number;
  /** Let fewer threads compute while that is quicker, as on a busy device; true unless said otherwise. */
  adapt?: boolean;
  n_ctx?: number;
  n_batch?: number;
  /** The folder that holds memory.json, threads/ and single/. */
  base?: string | URL;
  variant?: "threads" | "single" | "threads-memory64";
  /** The file's name in memory.json, when the source does not tell it. */
  name?: string;
}

export interface GenerateOptions {
  onToken?: (text: string, info: { tokens: number; seconds: number }) => void;
  onNotice?: (notice: Notice) => void;
  signal?: AbortSignal;
  /** 0 takes the most likely token. */
  temperature?: number;
  /** 0 keeps all. */
  top_k?: number;
  top_p?: number;
  min_p?: number;
  repeat_penalty?: number;
  repeat_last_n?: number;
  /** -1 goes on to the end of the context. */
  n_predict?: number;
  seed?: number;
}

export interface Result {
  text: string;
  tokens: number;
  prompt_tokens: number;
  cached_tokens: number;
  prompt_seconds: number;
  seconds: number;
  stop_reason: "eos" | "length" | "context_full" | "aborted";
  /** Of a chat: how many of its oldest turns did not fit the context. */
  dropped_turns?: number;
}

export interface Stats {
  variant: "threads" | "single";
  threads: number;
  /** That compute now. */
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
}

/** Generations run one after another. */
export interface Model {
  readonly info: Stats;
  /** Resolves with the reason when the model can no longer be used. */
  readonly ended: Promise<LilmError>;
  chat(messages: Message[], options?: GenerateOptions): Promise<Result>;
  complete(prompt: string, options?: GenerateOptions): Promise<Result>;
  /** A vector of length 1 for each text; "context_full" for one longer than the context. */
  embed(texts: string[], options?: { signal?: AbortSignal }): Promise<Float32Array[]>;
  tokenize(text: string, options?: { add_special?: boolean; parse_special?: boolean }): Promise<number[]>;
  detokenize(ids: number[]): Promise<string>;
  stats(): Promise<Stats>;
  unload(): Promise<void>;
}

/** A URL, for a split model that of its first part; a File or Blob, or all parts as such, read where they lie; a kept model
 * by name or key; in node also a path. */
export function load(source: string | URL | Blob | Blob[] | { opfs: string }, options?: LoadOptions): Promise<Model>;

export interface Kept {
  key: string;
  name: string;
  url: string;
  bytes: number;
  /** The version: the file's SHA-256, or what the server calls it. */
  tag: string;
  complete: boolean;
}

export function listKept(): Promise<Kept[]>;
export function forgetKept(key: string): Promise<void>;
export function support(): { threads: boolean; reason: string };
