// A chat that outgrows the context loses its oldest turns, always whole ones: a question goes with its answers.

/** @typedef {import("./lilm.mjs").Message} Message */

/**
 * The messages, and then without the oldest turn, the two oldest and so on, down to the last turn alone. The system
 * messages at the start stay.
 * @param {Message[]} messages @returns {Message[][]}
 */
function shorter(messages) {
  const head = messages.findIndex(({ role }) => role !== "system");
  if (head < 0) return [messages];
  const starts = messages.flatMap(({ role }, at) => (at > head && role === "user" ? [at] : []));
  return [messages, ...starts.map((at) => [...messages.slice(0, head), ...messages.slice(at)])];
}

/**
 * Tokens of as many turns as leave room for an answer: a quarter of the context, or n_predict where that is less.
 * The last turn is never dropped, so the tokens may still be too many.
 *
 * How many go is found by halves, since a long chat takes its time to tokenise, and nothing stops that.
 * @param {Message[]} messages @param {(messages: Message[]) => number[]} tokenize
 * @param {number} n_ctx @param {number} n_predict
 */
export function fitTurns(messages, tokenize, n_ctx, n_predict) {
  const quarter = n_ctx >> 2;
  const most = n_ctx - (n_predict < 0 ? quarter : Math.min(quarter, n_predict));
  let tokens = tokenize(messages);
  if (tokens.length <= most) return { tokens, dropped_turns: 0 };
  const choices = shorter(messages);
  let [tooLong, dropped_turns] = [0, choices.length - 1];
  if (dropped_turns > 0) tokens = tokenize(choices[dropped_turns]);
  while (dropped_turns - tooLong > 1) {
    const middle = (tooLong + dropped_turns) >> 1;
    const some = tokenize(choices[middle]);
    if (some.length <= most) [dropped_turns, tokens] = [middle, some];
    else tooLong = middle;
  }
  return { tokens, dropped_turns };
}
