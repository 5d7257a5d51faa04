// When an answer begins, and what stands in Gradio's chat boxes and its message box when no more comes of it. Done here,
// at once: what the server said would come a moment later, and undo what a quick visitor has asked for since. Gradio's
// events call these, some of them late: see chat.py. Each answer has an id, which tells whose end it is.

import { isLate, isPending, noteOf, plainOf, stop, turnOf } from "./chat-history.js";
import { isLeaving } from "./chat-talks.js";

/**
 * @typedef {import("./chat-history.js").Turn} Turn
 * @typedef {unknown[]} Changes of the boxes, what one writes in, Send and Stop; what is not there, or undefined, stays
 */

/** @param {Object<string, unknown>} change of a part of the page, as Gradio takes it */
const update = (change) => ({ __type__: "update", ...change });
const FREE = [update({ interactive: true }), update({ visible: true }), update({ visible: false })];

const AFTER_MS = 2000; // at most, from a cancelled answer's end to that of the request which cancelled it

const latest = /** @type {Turn[][]} */ ([]); // what each box had, but for what came late
const over = /** @type {Set<string | undefined>} */ (new Set()); // the ids of answers of which no more comes
const isOver = (/** @type {Turn[]} */ history) => isPending(history) && over.has(noteOf(history.at(-1)).id);
/** @type {{ids: (string | undefined)[], done: Promise<void>, end: () => void} | null} */
let running = null; // the event in which Gradio waits for answers
let hasFailed = false; // an answer's last end was a failure
let asked = 0; // how often an answer was asked for

/**
 * Settles when the answers of before have ended for Gradio too, which takes no more of an event that goes on: one that
 * was stopped does until the model has come to its next word. Never, where something else is asked meanwhile.
 * @returns {Promise<Changes>}
 */
export async function ready() {
  const place = (asked += 1);
  while (running) await running.done;
  if (place < asked) return new Promise(() => {});
  let end = () => {};
  const done = new Promise((/** @type {(value: void) => void} */ resolve) => (end = resolve));
  running = { ids: [], done, end };
  return [];
}

/** The server is asked. @param {Turn[][]} histories @returns {Changes} */
export function begun(histories) {
  if (running) running.ids = histories.filter(isPending).map(idOf);
  return [];
}

const idOf = (/** @type {Turn[]} */ history) => noteOf(history.at(-1)).id;

/** Gradio takes another event. @param {typeof running} mine */
function release(mine = running) {
  if (!mine || mine !== running) return;
  mine.ids.forEach((id) => over.add(id));
  running = null;
  mine.end();
}

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

/** An answer has come to its end; also one that was cancelled may. @param {Turn[][]} histories @returns {Changes} */
export function ended(histories) {
  const whole = histories.filter((one) => !isPending(one) && noteOf(one.at(-1)).state !== "aborted").map(idOf);
  hasFailed = false;
  if (running?.ids.every((id) => whole.includes(id))) release();
  else setTimeout(release, AFTER_MS, running);
  return histories.some(isPending) ? [] : [...histories.map(() => undefined), ...FREE];
}

/** An answer went wrong, or was cancelled. @param {Turn[][]} histories @returns {Changes} */
export function failed(histories) {
  hasFailed = true;
  if (histories.some((one) => isPending(one) && noteOf(one.at(-1)).broken && running?.ids.includes(idOf(one))))
    release();
  else setTimeout(release, AFTER_MS, running);
  return settled(histories);
}

/**
 * Comes after every end but an error's. An answer that was cancelled has two: what the server says, and Gradio's own,
 * which is a failure.
 * @param {Turn[][]} histories @returns {Changes}
 */
export function closed(histories) {
  if (!hasFailed) return [];
  release();
  return settled(histories);
}

/** What stays where no more comes. @param {Turn[][]} histories @returns {Changes} */
export function settled(histories) {
  if (isLeaving()) return [];
  const changes = givenBack(histories, isOver);
  return histories.some((one) => isPending(one) && !isOver(one)) ? changes.slice(0, histories.length) : changes;
}

/**
 * What has been said stays; a question that no word has come to goes back to where it can be changed, and what it stood
 * in the place of comes back.
 * @param {Turn[][]} histories @param {(history: Turn[]) => unknown} isLeft @returns {Changes}
 */
function givenBack(histories, isLeft) {
  const texts = /** @type {string[]} */ ([]);
  const kept = histories.map((history) => (isLeft(history) ? without(history, texts) : undefined));
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
