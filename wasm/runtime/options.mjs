// The numbers that callers choose, checked before anything is made of them: wasm takes whatever comes for some number, so
// that a text box's "100" or the NaN of an empty one would go on without an end, and 0 threads wait for each other.

import { LilmError } from "./errors.mjs";

/** @typedef {[isGood: (value: number) => boolean, wanted: string]} Rule */

/** @returns {Rule} */
function whole(least = -Infinity) {
  const isGood = (/** @type {number} */ value) => Number.isSafeInteger(value) && value >= least;
  return [isGood, `a whole number${least === -Infinity ? "" : ` from ${least} on`}`];
}
/** @type {Rule} */ const FINITE = [Number.isFinite, "a number"];
/** @type {Rule} */ const POSITIVE = [(value) => Number.isFinite(value) && value > 0, "a number above 0"];

/** @type {Record<string, Rule>} */
const LOADING = { threads: whole(1), n_ctx: whole(0), n_batch: whole(1) };
/** @type {Record<string, Rule>} */
const SAMPLING = {
  temperature: FINITE,
  top_k: whole(),
  top_p: FINITE,
  min_p: FINITE,
  repeat_penalty: POSITIVE,
  repeat_last_n: whole(-1),
  n_predict: whole(-1),
  seed: whole(),
};

/**
 * The options that are given: one that is undefined or null, as of a form's empty field, is not.
 * @template {object} T @param {T} options @param {Record<string, Rule>} rules @returns {Partial<T>}
 */
function checked(options, rules) {
  const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== null);
  for (const [name, value] of given) {
    const [isGood, wanted] = rules[name] ?? [];
    if (!isGood || isGood(value)) continue;
    const said = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? typeof value);
    throw new LilmError("unsupported", `${name} is ${said}, and it has to be ${wanted}`);
  }
  return /** @type {Partial<T>} */ (Object.fromEntries(given));
}

/** @template {object} T @param {T} options of loading @returns {Partial<T>} */
export function checkLoading(options) {
  return checked(options, LOADING);
}

/** @template {object} T @param {T} options of a generation @returns {Partial<T>} */
export function checkSampling(options) {
  return checked(options, SAMPLING);
}
