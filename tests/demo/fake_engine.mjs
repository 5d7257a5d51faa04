// Stands for lilm.mjs in the tests of the page. They put what it should keep into globalThis, and read there what it
// was asked. A load waits while it is held, and an answer at the letter where it is held: what a test wants to see of
// them is there for as long as the machine needs to look.

/**
 * @typedef {import("../../wasm/runtime/lilm.mjs").LoadOptions} LoadOptions
 * @typedef {import("../../wasm/runtime/lilm.mjs").GenerateOptions} GenerateOptions
 * @typedef {import("../../wasm/runtime/lilm.mjs").Message} Message
 * @typedef {{keptModels?: {key: string}[], loadedSource?: string, killModel?: () => void, loadHeld?: boolean, heldAt?: number, lastChat?: object, alive?: number}} World
 */

export class LilmError extends Error {
  /** @param {string} kind @param {string} message */
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}
const world = /** @type {World} */ (/** @type {unknown} */ (globalThis));

export const listKept = async () => world.keptModels ?? [];
export const forgetKept = async (/** @type {string} */ key) =>
  void (world.keptModels = world.keptModels?.filter((one) => one.key !== key));
export const support = () => ({ threads: globalThis.crossOriginIsolated, reason: "" });
const pause = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));
const TEXT = "猫は<img src=x onerror=alert(1)>庭で" + "あ".repeat(1000);
/** @param {string | File} source @param {Required<LoadOptions>} options */
export async function load(source, { onProgress, signal }) {
  for (let part = 0; part <= 4; part++) {
    onProgress({ phase: "download", loaded: part * 1e6, total: 4e6, speed: 1e6 });
    do await pause(20);
    while (world.loadHeld && !signal.aborted);
    if (signal.aborted) throw new LilmError("aborted", "given up");
  }
  world.loadedSource = String(source);
  if (source instanceof File) throw new LilmError("not_a_gguf", "not GGUF");
  world.alive = (world.alive ?? 0) + 1;
  return {
    info: { threads: 2, n_ctx: 256 },
    stats: async () => ({ heap_bytes: 40e6 }),
    ended: new Promise((resolve) => (world.killModel = () => resolve(new LilmError("worker_died", "ended")))),
    unload: async () => void (world.alive = (world.alive ?? 0) - 1),
    /** @param {Message[]} messages @param {Required<GenerateOptions>} options */
    chat: async (messages, options) => {
      world.lastChat = { messages, temperature: options.temperature, repeat_penalty: options.repeat_penalty };
      const asked = messages.at(-1)?.content ?? "";
      if (asked === "crash") throw new LilmError("internal", "worker died");
      const prompt_tokens = messages.length * 10;
      if (asked === "silence")
        return { text: " ", tokens: 1, seconds: 1, stop_reason: "eos", dropped_turns: 0, prompt_tokens };
      const dropped_turns = Math.max(0, Math.floor((messages.length - 3) / 2));
      const [, echo] = asked.split("say: ");
      if (echo) {
        options.onToken(echo, { tokens: 1, seconds: 1 });
        return { text: echo, tokens: 1, seconds: 1, stop_reason: "eos", dropped_turns, prompt_tokens };
      }
      let text = "";
      for (const letter of TEXT.slice(0, options.n_predict)) {
        do await pause(5);
        while (world.heldAt === text.length && !options.signal.aborted);
        if (options.signal.aborted)
          return { text, tokens: text.length, seconds: 1, stop_reason: "aborted", dropped_turns, prompt_tokens };
        text += letter;
        options.onToken(letter, { tokens: text.length, seconds: text.length / 100 });
      }
      return {
        text,
        tokens: text.length,
        seconds: text.length / 100,
        stop_reason: "length",
        dropped_turns,
        prompt_tokens,
      };
    },
  };
}
