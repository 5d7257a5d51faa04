// Uses lilm.d.mts as a TypeScript page does; test_types.py compiles it.

import { forgetKept, listKept, load, LilmError, type Model, type Notice, support } from "lilm";

const notices: Notice[] = [];
const model: Model = await load(new URL("https://example.org/m.gguf"), {
  chunks: "m.gguf.chunks.json",
  onProgress: ({ phase, loaded, total, speed }) => console.log(phase === "download" && loaded / total, speed),
  onNotice: (notice) => void notices.push(notice),
});
const result = await model.chat([{ role: "user", content: "hi" }], {
  n_predict: 8,
  signal: new AbortController().signal,
});
const words: string = result.text + result.stop_reason + (result.dropped_turns ?? 0);
model.complete(words, { n_predict: 8, ignore_eos: true });
const wide: boolean = (await model.stats()).variant === "threads-memory64" || model.info.relaxed_simd;
// @ts-expect-error: what was loaded stays
model.info = await model.stats();
// @ts-expect-error: an error stays what it is
new LilmError("network", words).kind = "internal";
// @ts-expect-error: a role that is none
model.chat([{ role: "robot", content: words }]);
// @ts-expect-error: not an option
model.complete(words, { n_predicts: 3 });
for (const { key, complete } of await listKept()) if (!complete) await forgetKept(key);
await load("base.gguf", { lora: new URL("https://example.org/adapter.gguf"), lora_chunks: "adapter.gguf.chunks.json" });
await load({ opfs: "m.gguf" }).catch((error: LilmError) => error.kind === "not_kept");
console.log(wide);
await model.ended.then(({ kind }) => kind === "worker_died" && support().threads);
