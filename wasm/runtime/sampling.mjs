// How the next token is drawn.

/**
 * llama.cpp's names and values, but for repeat_penalty.
 * @typedef {Object} Sampling
 * @property {number} temperature 0 takes the most likely token
 * @property {number} top_k 0 keeps all
 * @property {number} top_p
 * @property {number} min_p
 * @property {number} repeat_penalty
 * @property {number} repeat_last_n -1 looks at the whole context
 * @property {number} n_predict -1 goes on to the end of the context
 * @property {number} seed
 * @property {boolean} ignore_eos go on after the end token
 */
export const DEFAULTS = Object.freeze({
  temperature: 0.8,
  top_k: 40,
  top_p: 0.95,
  min_p: 0.05,
  repeat_penalty: 1.1,
  repeat_last_n: 64,
  n_predict: 512,
  ignore_eos: false,
});
