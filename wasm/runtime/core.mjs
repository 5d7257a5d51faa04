// Makes an instance of lilm-core.js/.wasm with a memory of the right size.

import { LilmError } from "./errors.mjs";

const NODE = typeof process === "object" && Boolean(process.versions?.node);
const PAGE = 65536;
const MIB = 1 << 20;
const SMALLEST = 32 * MIB; // what the module is linked for
export const PROTOCOL = 5; // LILM_PROTOCOL of glue.h

/** Does this realm have shared memory for threads? */
export function support() {
  if (typeof SharedArrayBuffer === "undefined" || (!NODE && !globalThis.crossOriginIsolated)) {
    return { threads: false, reason: "the page is not cross-origin isolated (it lacks the COOP and COEP headers)" };
  }
  return { threads: true, reason: "" };
}

// (module (func (result v128) i32.const 0 i8x16.splat i32.const 0 i8x16.splat i8x16.relaxed_swizzle))
const RELAXED = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 0, 253, 15, 65, 0, 253, 15,
  253, 128, 2, 11,
];
// (module (memory i64 0))
const MEMORY64 = [0, 97, 115, 109, 1, 0, 0, 0, 5, 3, 1, 4, 0];

/** Does this engine have the instructions of a build? */
export function canRun(/** @type {string} */ build) {
  const has = (/** @type {number[]} */ module) => WebAssembly.validate(new Uint8Array(module));
  return (!build.endsWith("-relaxed") || has(RELAXED)) && (!isMemory64(build) || has(MEMORY64));
}

function isMemory64(/** @type {string} */ build) {
  return build.includes("-memory64");
}

/**
 * memory.json, as far as it is read here. A row without `reason` fits. Models of other versions may lack things.
 * @typedef {{n_ctx: number, initial_bytes: number, maximum_bytes: number, reason?: undefined}
 *   | {n_ctx: number, reason: string, longest_n_ctx: number}} Row
 * @typedef {{file_bytes: number, n_ctx_train: number} & {[variant: string]: Row[] | undefined}} ModelRows
 * @typedef {Object} Table
 * @property {number} n_ctx
 * @property {number} n_batch
 * @property {string} [kv_type]
 * @property {number} threads
 * @property {Record<string, number>} limits bytes that wasm memory may have, by variant
 * @property {string[]} [variants]
 * @property {string[]} [relaxed] variants that have a build with relaxed SIMD, too
 * @property {Record<string, ModelRows | undefined>} [models]
 */

/** The folder of the fastest build of a variant that this engine runs. @param {Table} table */
export function chooseBuild(table, /** @type {string} */ variant) {
  const relaxed = `${variant}-relaxed`;
  return table.relaxed?.includes(variant) && canRun(relaxed) ? relaxed : variant;
}

/** Read JSON from a URL; in node also from file: URLs. @returns {Promise<unknown>} */
export async function readJson(/** @type {string} */ url) {
  try {
    if (NODE && url.startsWith("file:")) {
      const fs = await import("node:fs/promises");
      return JSON.parse(await fs.readFile(new URL(url), "utf8"));
    }
    const response = await fetch(url);
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    return await response.json();
  } catch (error) {
    throw new LilmError("network", `cannot read ${url}: ${/** @type {Error} */ (error).message}`);
  }
}

/**
 * @typedef {{name: string, variant: string, file_bytes: number, lora_bytes: number, threads: number, n_ctx: number,
 *   n_batch: number}} Wish
 * @typedef {{variant: string, initial_bytes: number, maximum_bytes: number}} Plan
 */

/**
 * The variant for a model and its memory: the one wished for, or that with 64-bit memory for what 4 GiB do not hold.
 * @param {Table} table @param {Wish} wish @returns {Plan}
 */
export function planMemory(table, wish) {
  try {
    return planFor(table, wish);
  } catch (error) {
    const variant = `${wish.variant}-memory64`;
    if (!table.variants?.includes(variant) || !canRun(variant)) throw error;
    return planFor(table, { ...wish, variant });
  }
}

/**
 * Bytes of memory to begin with and to end at, for the next longer context in memory.json. What memory.json does not
 * know begins with room for its file and grows as needed.
 * @param {Table} table @param {Wish} wish @returns {Plan}
 */
function planFor(table, wish) {
  const { variant } = wish;
  const largest = table.limits?.[variant];
  if (!largest)
    throw new LilmError("internal", `memory.json has no limit for the build ${variant}; build the page again`);
  const file_bytes = wish.file_bytes + wish.lora_bytes;
  if (file_bytes + SMALLEST > largest) {
    const [gib, most] = [(file_bytes / 2 ** 30).toFixed(2), Math.round(largest / 2 ** 30)];
    throw new LilmError(
      "too_big",
      `the file has ${gib} GiB and a browser's wasm memory ends at ${most} GiB; use a smaller quantisation`,
    );
  }
  const row = findRow(table, wish);
  if (row?.reason !== undefined) {
    const remedy = row.longest_n_ctx ? `use an n_ctx of ${row.longest_n_ctx} or less` : "use a smaller quantisation";
    throw new LilmError("too_big", `${row.reason}; ${remedy}`);
  }
  // The table knows nothing of adapters; what one's steps compute beside its weights lies within what may be grown.
  const withLora = (/** @type {number} */ bytes) => Math.min(bytes + wish.lora_bytes, largest);
  if (row) return { variant, initial_bytes: withLora(row.initial_bytes), maximum_bytes: withLora(row.maximum_bytes) };
  return { variant, initial_bytes: Math.min(file_bytes + SMALLEST, largest), maximum_bytes: largest };
}

/** @param {Table} table @param {Wish} wish */
function findRow(table, wish) {
  const model = table.models?.[wish.name];
  if (model?.file_bytes !== wish.file_bytes || wish.n_batch > table.n_batch || wish.threads > table.threads)
    return null;
  // llama.cpp makes no longer context than the model was trained with, which is what 0 asks for.
  const n_ctx = Math.min(wish.n_ctx || Infinity, model.n_ctx_train);
  const row = model[wish.variant]?.find((one) => one.n_ctx >= n_ctx);
  // The next longer context does not fit; this one may.
  return row?.reason !== undefined && n_ctx <= row.longest_n_ctx ? null : row;
}

/** @param {Plan} plan @returns {WebAssembly.Memory} */
function makeMemory(plan) {
  const wide = isMemory64(plan.variant);
  const initial = Math.max(SMALLEST, Math.ceil(plan.initial_bytes / PAGE) * PAGE);
  const maximum = Math.max(initial, Math.ceil(plan.maximum_bytes / PAGE) * PAGE);
  const [first, last] = [initial / PAGE, maximum / PAGE];
  const sizes = wide
    ? { address: "i64", initial: BigInt(first), maximum: BigInt(last) }
    : { initial: first, maximum: last };
  try {
    // TypeScript knows no BigInt here.
    const descriptor = /** @type {unknown} */ ({ ...sizes, shared: plan.variant !== "single" });
    return new WebAssembly.Memory(/** @type {WebAssembly.MemoryDescriptor} */ (descriptor));
  } catch (error) {
    throw new LilmError(
      "out_of_memory",
      `this device does not give ${Math.ceil(initial / MIB)} MiB of memory to a page`,
    );
  }
}

/**
 * Emscripten's Module: glue.h's functions, each with a _ before its name, malloc and free, and what they call.
 * @typedef {{[name: `_${string}`]: (...values: (number | bigint)[]) => number | bigint}} Functions
 * @typedef {Functions & {
 *   lilmRead?: (file: number, offset: number, into: Uint8Array) => number,
 *   lilmLoaded?: (part: number) => boolean,
 *   lilmWatched?: (values: Float32Array) => void,
 * }} Module
 * @typedef {(options: Record<string, unknown>) => Promise<Module>} Factory
 *
 * @typedef {Object} Core
 * @property {Module} module
 * @property {WebAssembly.Memory} memory
 * @property {boolean} wide addresses have 64 bits: the module takes and gives them as BigInt
 * @property {() => string} lastWords what the module last wrote to stderr
 */

/**
 * @param {string} folder URL of the build's folder, ending in a slash
 * @param {number} threads
 * @param {Plan} plan
 * @returns {Promise<Core>}
 */
export async function makeCore(folder, threads, plan) {
  const script = new URL("lilm-core.js", folder).href;
  const memory = makeMemory(plan);
  let words = "";
  const options = {
    wasmMemory: memory,
    INITIAL_MEMORY: memory.buffer.byteLength,
    lilmPool: Math.max(1, threads - 1), // an empty pool never gets ready
    print() {},
    printErr: (/** @type {string} */ line) => void (line.startsWith("Aborted(") || (words = line)),
    locateFile: (/** @type {string} */ name) => toPlace(new URL(name, folder).href),
    // Old Emscriptens would fetch() a path in node.
    ...(NODE
      ? { wasmBinary: await readBytes(toPlace(script.replace(/js$/, "wasm"))) }
      : { mainScriptUrlOrBlob: script, lilmScript: script }),
  };
  let module;
  try {
    module = await (await importFactory(script))(options);
  } catch (error) {
    const text = /** @type {Partial<Error> | null | undefined} */ (error)?.message ?? String(error);
    const kind =
      error instanceof WebAssembly.CompileError || error instanceof WebAssembly.LinkError ? "unsupported" : "network";
    throw new LilmError(kind, `cannot start ${script}: ${text}`);
  }
  if (module._lilm_protocol() !== PROTOCOL) {
    throw new LilmError("internal", `${script} is of another version than the runtime beside it`);
  }
  return { module, memory, wide: isMemory64(plan.variant), lastWords: () => words };
}

/** node wants paths where browsers want URLs. */
function toPlace(/** @type {string} */ url) {
  return NODE && url.startsWith("file:") ? decodeURIComponent(new URL(url).pathname) : url;
}

/** Of a file, in node. */
async function readBytes(/** @type {string} */ path) {
  const fs = await import("node:fs/promises");
  try {
    return await fs.readFile(path);
  } catch (error) {
    throw new LilmError("network", `cannot read ${path}: ${/** @type {Error} */ (error).message}`);
  }
}

/** @returns {Promise<Factory>} */
async function importFactory(/** @type {string} */ script) {
  if (NODE) {
    const { createRequire } = await import("node:module");
    return createRequire(import.meta.url)(toPlace(script));
  }
  await import(script); // a classic script: it leaves its factory in the global scope
  return /** @type {{createLilmCore: Factory}} */ (/** @type {unknown} */ (globalThis)).createLilmCore;
}
