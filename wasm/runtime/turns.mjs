// A chat that outgrows the context loses its oldest turns, always whole ones: a question goes with its answers.

/** @typedef {import("./lilm.mjs").Message} Message */

/**
 * The messages without the oldest turn; the system messages at the start stay. Null when only one turn is left.
 * @param {Message[]} messages @returns {Message[] | null}
 */
export function withoutOldest(messages) {
  const head = messages.findIndex(({ role }) => role !== "system");
  const next = messages.findIndex(({ role }, at) => at > head && role === "user");
  return head < 0 || next < 0 ? null : [...messages.slice(0, head), ...messages.slice(next)];
}

/**
 * Tokens of as many turns as leave room for an answer: a quarter of the context, or n_predict where that is less.
 * The last turn is never dropped, so the tokens may still be too many.
 * @param {Message[]} messages @param {(messages: Message[]) => number[]} tokenize
 * @param {number} n_ctx @param {number} n_predict
 */
export function fitTurns(messages, tokenize, n_ctx, n_predict) {
  const quarter = n_ctx >> 2;
  const most = n_ctx - (n_predict < 0 ? quarter : Math.min(quarter, n_predict));
  let dropped_turns = 0;
  let tokens = tokenize(messages);
  /** @type {Message[] | null} */ let left = messages;
  while (tokens.length > most && (left = withoutOldest(left))) {
    dropped_turns += 1;
    tokens = tokenize(left);
  }
  return { tokens, dropped_turns };
}
