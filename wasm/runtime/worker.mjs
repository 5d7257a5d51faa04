// The worker that holds the model. Messages:
//   in   {id, method, args}               method: load | chat | complete | embed | tokenize | detokenize | stats | stop
//   out  {id, event, data}                event: progress, notice (load) | notice (chat) | text (chat, complete)
//        {id, result} or {id, error: {kind, message}}
// lilm.mjs sends a generation only when the one before has answered; `stop` may come at any time. The first message out
// is the event "ready" of id 0 with the name of a lock that the worker holds as long as it lives.

import { Engine } from "./engine.mjs";
import { LilmError } from "./errors.mjs";
import { DEFAULTS } from "./sampling.mjs";
import { fitTurns } from "./turns.mjs";

const NODE = typeof process === "object" && Boolean(process.versions?.node);
const inNode = NODE ? (await import("node:worker_threads")).parentPort : null;

/**
 * @typedef {import("./channel.mjs").Methods} Methods
 * @typedef {import("./channel.mjs").Tell} Tell
 */

/** @type {Engine} */ let engine;

/**
 * @template {keyof Methods} M
 * @typedef {ReturnType<Methods[M]> | Promise<ReturnType<Methods[M]>>} Answer
 */

/** @type {{[M in keyof Methods]: (asked: Parameters<Methods[M]>[0], tell: Tell) => Answer<M>}} */
const methods = {
  async load({ source, options }, tell) {
    let last = 0;
    const onProgress = (/** @type {import("./progress.mjs").Progress} */ progress) => {
      const now = performance.now();
      if (now - last < 50 && progress.loaded !== progress.total) return;
      last = now;
      tell("progress", progress);
    };
    engine = await Engine.load(source, options, onProgress, (kind, message) => tell("notice", { kind, message }));
    const { memory, address } = engine.stopFlag;
    const buffer = /** @type {SharedArrayBuffer} */ (/** @type {unknown} */ (memory.buffer));
    const shared = options.variant === "single" ? null : { buffer, address };
    setTimeout(() => engine.measureThreads()); // once the answer is out
    return { stats: engine.stats(), stopFlag: shared };
  },
  async chat({ messages, options }, tell) {
    const tokenize = (/** @type {typeof messages} */ some) => engine.tokenizeChat(some);
    const { tokens, dropped_turns } = fitTurns(
      messages,
      tokenize,
      engine.n_ctx,
      options.n_predict ?? DEFAULTS.n_predict,
    );
    const message = `the context is full; the oldest turns (${dropped_turns}) were left out`;
    if (dropped_turns) tell("notice", { kind: "turns_dropped", message });
    return { ...(await generate(tokens, options, tell)), dropped_turns };
  },
  complete: ({ prompt, options }, tell) => generate(engine.tokenize(prompt, true, false), options, tell),
  embed: ({ text }) => engine.embed(text),
  tokenize: ({ text, add_special, parse_special }) => engine.tokenize(text, add_special, parse_special),
  detokenize: ({ ids }) => engine.detokenize(ids),
  stats: () => engine.stats(),
  stop: () => engine?.stop(),
};

/** @param {number[]} prompt @param {import("./channel.mjs").Wishes} options @param {Tell} tell */
function generate(prompt, options, tell) {
  return engine.generate(prompt, options, (text, info) => tell("text", { text, info }));
}

/** @template {keyof Methods} M @param {{id: number, method: M, args: Parameters<Methods[M]>[0]}} question */
async function answer({ id, method, args }) {
  try {
    const result = await methods[method](args, (event, data) => send({ id, event, data }));
    send({ id, result });
  } catch (thrown) {
    const { kind, message } = LilmError.from(thrown);
    send({ id, error: { kind, message } });
  }
}

/** @param {import("./channel.mjs").Reply} reply */
function send(reply) {
  (inNode ?? globalThis).postMessage(reply);
}

if (inNode) inNode.on("message", answer);
else globalThis.addEventListener("message", ({ data }) => void answer(data));
send({ id: 0, event: "ready", data: await holdLock() });

/** Free again when the worker has ended in whatever way, which browsers report by nothing else. */
async function holdLock() {
  // In node the exit is told; pages that are neither https nor localhost have no locks.
  if (NODE || !globalThis.navigator.locks) return null;
  const name = `lilm-worker:${crypto.randomUUID()}`;
  await new Promise((held) => void navigator.locks.request(name, () => new Promise(() => held(undefined))));
  return name;
}
