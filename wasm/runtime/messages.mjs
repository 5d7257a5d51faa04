// Text on its way into llama.cpp and out of it.

import { LilmError } from "./errors.mjs";

/** @typedef {{role: string, content: string}} Message */

/**
 * What lilm_tokenize_chat() reads: the messages before `end`. UTF-8 has no half characters, with which JavaScript's texts
 * can end where one was cut off.
 * @param {Message[]} messages @param {number} end
 */
export function messagesJson(messages, end) {
  messages.forEach(({ content }, at) => {
    if (typeof content === "string") return;
    throw new LilmError("unsupported", `the content of message ${at + 1} is no text but ${JSON.stringify(content)}`);
  });
  return JSON.stringify(messages.slice(0, end), (_, value) =>
    typeof value === "string" ? value.replace(/\p{Surrogate}/gu, "\uFFFD") : value,
  );
}

/** Throws for what is none of `n_vocab` tokens. @param {number[]} ids @param {number} n_vocab */
export function checkTokens(ids, n_vocab) {
  const odd = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < n_vocab));
  if (odd === undefined) return;
  throw new LilmError("unsupported", `${odd} is no token: the model's have the numbers 0 to ${n_vocab - 1}`);
}

/** Of text that comes in parts. A U+FEFF at its start is a character as any other. */
export function textDecoder() {
  return new TextDecoder("utf-8", { ignoreBOM: true });
}
