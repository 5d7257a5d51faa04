// Loads the model within the memory of memory.json and fills its whole context.
//   ?model=FILE &variant=NAME &threads=N &n_ctx=N &keep=yes (as pages do; without it the file lies in memory too)

const ask = Object.fromEntries(new URLSearchParams(location.search));

async function fill() {
  const { load } = await import("./runtime/lilm.mjs");
  const threads = Number(ask.threads);
  const base = new URL("./", location.href).href;
  const model = await load(ask.model, {
    base,
    threads,
    variant: /** @type {"threads" | "single" | "threads-memory64"} */ (ask.variant),
    n_ctx: Number(ask.n_ctx),
    keep: Boolean(ask.keep),
    adapt: false,
  });
  const { n_ctx } = await model.stats();
  const sample = "a b c d ".repeat(64);
  const { length } = await model.tokenize(sample, { add_special: true });
  const prompt = sample.slice(0, 8).repeat(Math.floor(((n_ctx - 16) / length) * 64));
  const { text, stop_reason } = await model.complete(prompt, { temperature: 0, n_predict: -1, ignore_eos: true });
  return { ...(await model.stats()), stop_reason, characters: text.length };
}

async function answer(/** @type {object} */ figures) {
  await fetch("/result", { method: "POST", body: JSON.stringify(figures) });
}

try {
  await answer(await fill());
} catch (error) {
  await answer({ failed: error instanceof Error ? error.message : String(error) });
}
