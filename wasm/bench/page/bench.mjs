// One engine, one model: a warm-up, then `rounds` times a prompt and its continuation. The best round counts.
//   ?engine=ours|wllama &model=URL &threads=N &prompt=TOKENS &predict=TOKENS &rounds=N (0: it is only loaded)
//   &folder=NAME (of ours)

const ask = Object.fromEntries(new URLSearchParams(location.search));
const [threads, wanted, predict, rounds] = [ask.threads, ask.prompt, ask.predict, ask.rounds].map(Number);
const WORDS = ["cat", "dog", "bird", "tree", "house", "river", "small", "big", "red", "ran", "saw", "the", "a", "and"];

/** Text of about `count` words that begins otherwise each time, so that no cache helps. */
function words(/** @type {number} */ count, /** @type {number} */ seed) {
  let state = seed * 7919 + 17;
  const next = () => (state = (state * 1103515245 + 12345) % 2147483648);
  return Array.from({ length: count }, () => WORDS[next() % WORDS.length]).join(" ");
}

/**
 * @typedef {{prompt_tokens: number, prompt_seconds: number, tokens: number, seconds: number}} Round
 * @typedef {{load_s: number, variant: string, threads: number}} Info
 * @type {Record<string, () => Promise<{run: (text: string, predict: number) => Promise<Round>, info: Info}>>}
 */
const engines = {
  async ours() {
    /** @type {typeof import("../../runtime/lilm.mjs")} */
    const { load } = await import(`./${ask.folder}/runtime/lilm.mjs`);
    const started = performance.now();
    const model = await load(ask.model, { threads, base: new URL(`./${ask.folder}/`, location.href).href });
    const load_s = (performance.now() - started) / 1000;
    const { variant, threads: used } = await model.stats();
    return {
      info: { load_s, variant, threads: used },
      async run(text, n_predict) {
        const one = await model.complete(text, { temperature: 0, repeat_penalty: 1, n_predict, ignore_eos: true });
        return {
          prompt_tokens: one.prompt_tokens - one.cached_tokens,
          prompt_seconds: one.prompt_seconds,
          tokens: one.tokens,
          seconds: one.seconds,
        };
      },
    };
  },
  async wllama() {
    const name = "./wllama/index.js"; // the bench puts it here: nothing that the checker could look at
    const { Wllama } = await import(name);
    const quiet = { debug() {}, log() {}, warn() {}, error: console.error };
    const model = new Wllama({ default: new URL("./wllama/wllama.wasm", location.href).href }, { logger: quiet });
    model.setCompat(null);
    const started = performance.now();
    const options = { n_ctx: 2048, n_batch: 512, n_threads: threads, n_gpu_layers: 0, useCache: false };
    await model.loadModelFromUrl(new URL(ask.model, location.href).href, options);
    const load_s = (performance.now() - started) / 1000;
    return {
      info: { load_s, variant: model.isMultithread() ? "threads" : "single", threads: model.getNumThreads() },
      async run(prompt, max_tokens) {
        const { timings } = await model.createCompletion({ prompt, max_tokens, temperature: 0, ignore_eos: true });
        return {
          prompt_tokens: timings.prompt_n,
          prompt_seconds: timings.prompt_ms / 1000,
          tokens: timings.predicted_n,
          seconds: timings.predicted_ms / 1000,
        };
      },
    };
  },
};

async function measure() {
  const { run, info } = await engines[ask.engine]();
  if (!rounds) {
    await new Promise((resolve) => setTimeout(resolve, 500)); // memory is looked at every 50 ms: the peak must be seen
    return info;
  }
  await run(words(wanted, 1), 8); // the browser compiles what is slow at first
  let prefill = 0;
  let decode = 0;
  /** @type {Round | undefined} */ let last;
  for (let round = 0; round < rounds; round++) {
    last = await run(words(wanted, round + 2), predict);
    prefill = Math.max(prefill, last.prompt_tokens / last.prompt_seconds);
    decode = Math.max(decode, last.tokens / last.seconds);
  }
  return { ...info, prefill, decode, prompt_tokens: last?.prompt_tokens, tokens: last?.tokens };
}

async function answer(/** @type {object} */ figures) {
  await fetch("/result", { method: "POST", body: JSON.stringify(figures) });
}

addEventListener("unhandledrejection", ({ reason }) => void answer({ error: String(reason?.message ?? reason) }));
await answer(await measure());
