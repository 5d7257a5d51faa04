// Makes an instance of lilm-core.js/.wasm with a memory of the right size.

import { LilmError } from "./errors.mjs";

const NODE = typeof process === "object" && Boolean(process.versions?.node);
const PAGE = 65536;
const MIB = 1 << 20;
const SMALLEST = 32 * MIB; // what the module is linked for
const LARGEST = 4096 * MIB - PAGE; // all of wasm32, but for a last page that some browsers refuse
export const PROTOCOL = 2; // LILM_PROTOCOL of glue.h

/** Does this realm have shared memory for threads? */
export function support() {
  if (typeof SharedArrayBuffer === "undefined" || (!NODE && !globalThis.crossOriginIsolated)) {
    return { threads: false, reason: "the page is not cross-origin isolated (it lacks the COOP and COEP headers)" };
  }
  return { threads: true, reason: "" };
}

// (module (func (result v128) i32.const 0 i8x16.splat i32.const 0 i8x16.splat i8x16.relaxed_swizzle))
const RELAXED = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 0, 253, 15, 65, 0, 253, 15, 253, 128, 2, 11];

/** The folder of the fastest build of a variant that this engine runs. @param {any} table memory.json */
export function chooseBuild(table, /** @type {string} */ variant) {
  const relaxed = table.relaxed?.includes(variant) && WebAssembly.validate(new Uint8Array(RELAXED));
  return relaxed ? `${variant}-relaxed` : variant;
}

/** Read JSON from a URL; in node also from file: URLs. */
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
 * Bytes of memory to begin with and to end at, for the next longer context in memory.json. What memory.json does not
 * know begins with room for its file and grows as needed.
 * @param {any} table memory.json
 * @param {{name: string, variant: string, file_bytes: number, threads: number, n_ctx: number, n_batch: number}} wish
 */
export function planMemory(table, wish) {
  if (wish.file_bytes + SMALLEST > LARGEST) {
    const gib = (wish.file_bytes / 2 ** 30).toFixed(2);
    throw new LilmError("too_big", `the file has ${gib} GiB and a browser's wasm memory ends at 4 GiB; use a smaller quantisation`);
  }
  const row = findRow(table, wish);
  if (row?.reason) {
    const remedy = row.longest_n_ctx ? `use an n_ctx of ${row.longest_n_ctx} or less` : "use a smaller quantisation";
    throw new LilmError("too_big", `${row.reason}; ${remedy}`);
  }
  if (row) return { initial_bytes: row.initial_bytes, maximum_bytes: row.maximum_bytes };
  return { initial_bytes: Math.min(wish.file_bytes + SMALLEST, LARGEST), maximum_bytes: LARGEST };
}

/** @param {any} table @param {{name: string, variant: string, file_bytes: number, threads: number, n_ctx: number, n_batch: number}} wish */
function findRow(table, wish) {
  const model = table.models?.[wish.name];
  if (model?.file_bytes !== wish.file_bytes || wish.n_batch > table.n_batch || wish.threads > table.threads) return null;
  // llama.cpp makes no longer context than the model was trained with, which is what 0 asks for.
  const n_ctx = Math.min(wish.n_ctx || Infinity, model.n_ctx_train);
  const row = model[wish.variant]?.find((/** @type {any} */ one) => one.n_ctx >= n_ctx);
  // The next longer context does not fit; this one may.
  return row?.reason && n_ctx <= row.longest_n_ctx ? null : row;
}

/** @returns {WebAssembly.Memory} */
function makeMemory(/** @type {{initial_bytes: number, maximum_bytes: number}} */ plan, /** @type {boolean} */ shared) {
  const initial = Math.max(SMALLEST, Math.ceil(plan.initial_bytes / PAGE) * PAGE);
  const maximum = Math.max(initial, Math.min(LARGEST, Math.ceil(plan.maximum_bytes / PAGE) * PAGE));
  try {
    return new WebAssembly.Memory({ initial: initial / PAGE, maximum: maximum / PAGE, shared });
  } catch (error) {
    throw new LilmError("out_of_memory", `this device does not give ${Math.ceil(initial / MIB)} MiB of memory to a page`);
  }
}

/**
 * @typedef {Object} Core
 * @property {any} module Emscripten's Module
 * @property {WebAssembly.Memory} memory
 * @property {() => string} lastWords what the module last wrote to stderr
 */

/**
 * @param {string} folder URL of the variant's folder, ending in a slash
 * @param {boolean} threaded
 * @param {number} threads
 * @param {{initial_bytes: number, maximum_bytes: number}} plan
 * @returns {Promise<Core>}
 */
export async function makeCore(folder, threaded, threads, plan) {
  const script = new URL("lilm-core.js", folder).href;
  const memory = makeMemory(plan, threaded);
  let words = "";
  const options = {
    wasmMemory: memory,
    INITIAL_MEMORY: memory.buffer.byteLength,
    lilmPool: Math.max(1, threads - 1), // an empty pool never gets ready
    print() {},
    printErr: (/** @type {string} */ line) => void (line.startsWith("Aborted(") || (words = line)),
    locateFile: (/** @type {string} */ name) => toPlace(new URL(name, folder).href),
    // Old Emscriptens would fetch() a path in node.
    ...(NODE ? { wasmBinary: await readBytes(toPlace(script.replace(/js$/, "wasm"))) } : { mainScriptUrlOrBlob: script, lilmScript: script }),
  };
  let module;
  try {
    module = await (await importFactory(script))(options);
  } catch (error) {
    const text = /** @type {any} */ (error)?.message ?? String(error);
    const kind = error instanceof WebAssembly.CompileError || error instanceof WebAssembly.LinkError ? "unsupported" : "network";
    throw new LilmError(kind, `cannot start ${script}: ${text}`);
  }
  if (module._lilm_protocol() !== PROTOCOL) {
    throw new LilmError("internal", `${script} is of another version than the runtime beside it`);
  }
  return { module, memory, lastWords: () => words };
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

async function importFactory(/** @type {string} */ script) {
  if (NODE) {
    const { createRequire } = await import("node:module");
    return createRequire(import.meta.url)(toPlace(script));
  }
  await import(script); // a classic script: it leaves its factory in the global scope
  return /** @type {any} */ (globalThis).createLilmCore;
}
