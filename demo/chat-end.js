// What stands in Gradio's chat boxes and its message box when no more comes of an answer. Done here, at once: what the
// server said would come a moment later, and undo what a quick visitor has asked for since. Gradio's events call these,
// some of them late: see chat.py. Each answer has an id, which tells whose end it is.

import { isLate, isPending, noteOf, plainOf, stop, turnOf } from "./chat-history.js";
import { isLeaving } from "./chat-talks.js";

/**
 * @typedef {import("./chat-history.js").Turn} Turn
 * @typedef {unknown[]} Changes of the boxes, what one writes in, Send and Stop; what is not there, or undefined, stays
 */

/** @param {Object<string, unknown>} change of a part of the page, as Gradio takes it */
const update = (change) => ({ __type__: "update", ...change });
const FREE = [update({ interactive: true }), update({ visible: true }), update({ visible: false })];

const latest = /** @type {Turn[][]} */ ([]); // what each box had, but for what came late
const isBroken = (/** @type {Turn[]} */ history) => isPending(history) && noteOf(history.at(-1)).broken;

/** Stop was pressed: the model ends in a moment. @param {Turn[][]} histories @returns {Changes} */
export function stopped(histories) {
  for (const history of histories.filter(isPending)) stop(history);
  const changes = givenBack(histories, isPending);
  histories.forEach((history, at) => (latest[at] = /** @type {Turn[] | undefined} */ (changes[at]) ?? history));
  return changes;
}

/** A box has changed; what was on its way when Stop was pressed goes again. @param {Turn[][]} histories @returns {Changes} */
export function changed(histories) {
  return histories.map((history, at) => {
    if (isLate(history) && !isLeaving()) return latest[at];
    latest[at] = history;
    return undefined;
  });
}

/** An answer has come to its end. @param {Turn[][]} histories @returns {Changes} */
export function ended(histories) {
  return histories.some(isPending) ? [] : [...histories.map(() => undefined), ...FREE];
}

/** An answer went wrong, or was stopped. @param {Turn[][]} histories @returns {Changes} */
export function failed(histories) {
  if (isLeaving()) return [];
  const changes = givenBack(histories, isBroken);
  return histories.some((one) => isPending(one) && !isBroken(one)) ? changes.slice(0, histories.length) : changes;
}

/**
 * What has been said stays; a question that no word has come to goes back to where it can be changed, and what it stood
 * in the place of comes back.
 * @param {Turn[][]} histories @param {(history: Turn[]) => unknown} isOver @returns {Changes}
 */
function givenBack(histories, isOver) {
  const texts = /** @type {string[]} */ ([]);
  const kept = histories.map((history) => (isOver(history) ? without(history, texts) : undefined));
  const [box, ...buttons] = FREE;
  const text = texts.find(Boolean);
  return [...kept, text ? { ...box, value: text } : box, ...buttons];
}

/** @param {Turn[]} history that waits @param {string[]} texts to be written once more */
function without(history, texts) {
  const last = /** @type {Turn} */ (history.at(-1));
  const { state, broken, was = [], ...note } = noteOf(last);
  const kept = history.slice(0, -1);
  if (last.role === "assistant") {
    const log = JSON.stringify({ ...note, state: broken ? "writing" : "aborted" });
    return [...kept, { ...last, metadata: state === "growing" ? { log } : null }];
  }
  const text = plainOf(last);
  if (was[0]?.[1] !== text) texts.push(text);
  return [...kept, ...was.map(([role, said]) => turnOf(role, said))];
}
