// In: {model, n_ctx}, a file beside this one and how long a context to make. Out: {chats: [[id]]} or {failed}.

import { readJson } from "./runtime/core.mjs";
import { Engine } from "./runtime/engine.mjs";

/** @param {{model: string, n_ctx: string}} ask */
async function tokens({ model, n_ctx }) {
  const base = new URL("./", globalThis.location.href).href;
  const table = /** @type {import("./runtime/core.mjs").Table} */ (await readJson(`${base}memory.json`));
  const chats = /** @type {import("./runtime/lilm.mjs").Message[][]} */ (await readJson(`${base}chats.json`));
  const options = { base, table, name: "", variant: /** @type {const} */ ("threads"), threads: 1, keep: false };
  const engine = await Engine.load(base + model, { ...options, n_ctx: Number(n_ctx), adapt: false }, () => {});
  return { chats: chats.map((messages) => engine.tokenizeChat(messages)) };
}

globalThis.addEventListener("message", async ({ data }) => {
  try {
    globalThis.postMessage(await tokens(data));
  } catch (error) {
    globalThis.postMessage({ failed: error instanceof Error ? error.message : String(error) });
  }
});
