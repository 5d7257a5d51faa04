// Uses lilm.mjs as a page does, in node: `node drive.mjs RUNTIME_DIR BASE GGUF SCENARIO [OPTIONS]`; prints one
// JSON value. OPTIONS: of the loading, as JSON.

const [runtime, base, gguf, scenario, options = "{}"] = process.argv.slice(2);
/** @type {typeof import("../../wasm/runtime/lilm.mjs")} */
const { load, LilmError } = await import(`${runtime}/lilm.mjs`);
const GREEDY = { temperature: 0, repeat_penalty: 1 };

/** @type {Record<string, (model: import("../../wasm/runtime/lilm.mjs").Model) => Promise<unknown>>} */
const scenarios = {
  /** Every text as it came, and the result. */
  async stream(model) {
    /** @type {string[]} */ const texts = [];
    const result = await model.complete("S", { ...GREEDY, onToken: (text) => void texts.push(text) });
    return { texts, result };
  },
  /** Stop at the fifth text; then use the model again. */
  async stop(model) {
    const controller = new AbortController();
    let seen = 0;
    const onToken = () => ++seen === 5 && controller.abort();
    const stopped = await model.complete("S", { ...GREEDY, n_predict: -1, signal: controller.signal, onToken });
    const after = await model.complete("S", { ...GREEDY, n_predict: 3 });
    return { seen, stopped, after };
  },
  /** Two generations at once are done one after the other; stopping the waiting one leaves the first alone. */
  async queue(model) {
    const controller = new AbortController();
    const first = model.complete("S", { ...GREEDY, n_predict: 50 });
    const second = model.complete("S", { ...GREEDY, n_predict: 50, signal: controller.signal });
    controller.abort();
    return { first: await first, second: await second };
  },
  /** A second turn evaluates only what is new. */
  async turns(model) {
    /** @type {import("../../wasm/runtime/lilm.mjs").Message[]} */
    const messages = [{ role: "user", content: "S" }];
    const first = await model.chat(messages, { ...GREEDY, n_predict: 8 });
    messages.push({ role: "assistant", content: first.text }, { role: "user", content: "S" });
    return { first, second: await model.chat(messages, { ...GREEDY, n_predict: 8 }) };
  },
  async words(model) {
    const ids = await model.tokenize("\ufeff日本語🎉");
    return { ids, text: await model.detokenize(ids), stats: await model.stats(), info: model.info };
  },
  /** Vectors of texts, between two halves of a text that goes on as if nothing had been. */
  async embed(model) {
    const before = await model.complete("S", { ...GREEDY, n_predict: 4 });
    const vectors = await model.embed(["Sa", "zS", "Sa"]);
    const after = await model.complete("S", { ...GREEDY, n_predict: 4 });
    const long = await model.embed(["S".repeat(600)]).catch((error) => error.kind);
    return {
      vectors: vectors.map((one) => [...one]),
      same: before.text === after.text,
      text: before.text,
      kept: after.cached_tokens,
      long,
    };
  },
  /** What becomes of each odd option, and that the model is of use after it. */
  async odd(model) {
    const odd = [
      { n_predict: "3" }, // of a text box
      { n_predict: NaN }, // of an empty one
      { n_predict: 2.5 },
      { n_predict: -2 },
      { temperature: NaN },
      { temperature: "warm" },
      { top_k: 1.5 },
      { top_p: NaN },
      { repeat_penalty: 0 },
      { repeat_last_n: -2 },
      { seed: Infinity },
    ];
    const said = [];
    for (const one of odd) {
      const options = /** @type {import("../../wasm/runtime/lilm.mjs").GenerateOptions} */ (one);
      const asked = model.complete("S", { ...GREEDY, n_predict: 5, ...options });
      said.push(await asked.then(({ text }) => text).catch(({ kind, message }) => `${kind}: ${message}`));
    }
    const nulls = /** @type {object} */ ({ temperature: null, n_predict: undefined });
    return { said, after: (await model.complete("S", { repeat_penalty: 1, top_k: 1, ...nulls })).text };
  },
  /** By how many of the last tokens repetition is counted. */
  async repeats(model) {
    const last = [0, -1, 512, 2 ** 40];
    const options = { temperature: 0, repeat_penalty: 5, n_predict: 20 };
    return Promise.all(last.map(async (n) => (await model.complete("S", { ...options, repeat_last_n: n })).text));
  },
  /** Text that ends in half a character, as one that was cut off does; and what is no text, and no token. */
  async halves(model) {
    const chat = (/** @type {unknown} */ content) =>
      model
        .chat([{ role: "user", content: /** @type {string} */ (content) }], { ...GREEDY, n_predict: 1 })
        .then(({ prompt_tokens }) => prompt_tokens)
        .catch(({ kind, message }) => `${kind}: ${message}`);
    const tokens = await model.detokenize([5, 260]).catch(({ kind, message }) => `${kind}: ${message}`);
    return [await chat("a\ud83c"), await chat("a\ufffd"), await chat(null), tokens];
  },
  async unload(model) {
    await model.unload();
    return model.tokenize("a").catch((error) => ({ kind: error.kind, message: error.message }));
  },
};

async function main() {
  /** @type {import("../../wasm/runtime/lilm.mjs").Progress[]} */ const progress = [];
  const controller = new AbortController();
  if (scenario === "abort-load") controller.abort();
  const loading = load(gguf, {
    base,
    threads: 2,
    signal: controller.signal,
    onProgress: (one) => void progress.push(one),
    ...JSON.parse(options),
  });
  if (scenario === "abort-begun-load") controller.abort();
  const model = await loading;
  const answer = await scenarios[scenario](model);
  await model.unload();
  return { answer, progress };
}

const out = await main().catch((error) => {
  if (!(error instanceof LilmError)) throw error;
  return { error: { kind: error.kind, message: error.message } };
});
process.stdout.write(JSON.stringify(out), () => process.exit(0));
