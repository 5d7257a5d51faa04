// Uses lilm.mjs as a page does, in node: `node drive.mjs RUNTIME_DIR BASE GGUF SCENARIO`; prints one JSON value.

const [runtime, base, gguf, scenario] = process.argv.slice(2);
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
    const ids = await model.tokenize("日本語🎉");
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
  async unload(model) {
    await model.unload();
    return model.tokenize("a").catch((error) => ({ kind: error.kind, message: error.message }));
  },
};

async function main() {
  /** @type {import("../../wasm/runtime/lilm.mjs").Progress[]} */ const progress = [];
  const controller = new AbortController();
  if (scenario === "abort-load") controller.abort();
  const model = await load(gguf, {
    base,
    threads: 2,
    signal: controller.signal,
    onProgress: (one) => void progress.push(one),
  });
  const answer = await scenarios[scenario](model);
  await model.unload();
  return { answer, progress };
}

const out = await main().catch((error) => {
  if (!(error instanceof LilmError)) throw error;
  return { error: { kind: error.kind, message: error.message } };
});
process.stdout.write(JSON.stringify(out), () => process.exit(0));
