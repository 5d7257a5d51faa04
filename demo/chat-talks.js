// Keeps the conversations of the Gradio chat in the browser, with the modules of the page in demo/site. What stands in
// the chat box goes into the open conversation as it changes (`keep`); a conversation that is opened is handed to the
// server, which checks it and puts it into the box (`handed`, `arrived`). Gradio's events call these: see chat.py.

import { startActs } from "./chat-acts.js";
import { buildDialog } from "./chat-dialog.js";
import { History, isLate, shownOf, whole } from "./chat-history.js";
import { Conversation } from "./site/conversation.js";
import { $ } from "./site/dom.js";
import { hideNotice, showNotice } from "./site/notice.js";
import { wordsOf } from "./site/record.js";
import { Shelf } from "./site/shelf.js";
import { TalksView } from "./site/talks-view.js";
import { setLanguage, t } from "./site/texts.js";

/**
 * @typedef {import("./site/record.js").Talk} Talk
 * @typedef {import("./chat-history.js").Turn} Turn
 */

const AGAIN_MS = 300;
const LOOK_MS = 30;

/** @type {Conversation} */ let chat;
/** @type {History} */ let history;
/** @type {TalksView} */ let talks;
/** @type {() => void} */ let drawActs;
/** @type {() => void} */ let isReady;
const ready = new Promise((resolve) => (isReady = () => resolve(null)));
let first = ""; // the system message that `lilm chat` was given
let isEarly = false; // a message was sent before the conversations were there
let isAway = false; // what stands in the box is not the open conversation, or not yet
let pressing = 0; // the timer that presses the button until Gradio has taken it
let came = /** @type {Turn[] | null} */ (null); // what came into the box last
let isChosen = false; // a file is being read into the box

/** Whether what stands in the box is to be replaced. */
export const isLeaving = () => isAway;

/**
 * A question is asked; where another conversation is on its way into the box, in that.
 * @param {string} message @param {(Turn[] | null)[]} boxes
 */
export async function asking(message, boxes) {
  if (!isAway) return [message, ...boxes];
  came = boxes[0];
  while (isAway) await new Promise((then) => setTimeout(then, LOOK_MS));
  return [message, came];
}

/** @param {string} system message that stands in the box */
export async function start(system) {
  first = system;
  setLanguage(navigator.language.toLowerCase().startsWith("ja") ? "ja" : "en");
  buildDialog();
  const shelf = await Shelf.open();
  chat = new Conversation(shelf);
  history = new History(chat);
  await chat.start();
  talks = new TalksView(shelf, chat, { onOpen: open, onGone: () => open() });
  drawActs = startActs(chat, history, handOver);
  chat.addEventListener("changed", handOver);
  chat.addEventListener("copied", () => showNotice(t("copied_elsewhere"), "hint"));
  chat.addEventListener("lost", (event) => {
    const { message } = /** @type {CustomEvent<Error>} */ (event).detail;
    showNotice(t("noRoomToKeep", { message }), "error");
  });
  $("new-chat").addEventListener("click", () => void open());
  if (!shelf.keeps) showNotice(t("notKept"), "hint");
  if (isEarly) begin(system);
  else if (chat.messages.length) handOver();
  else chat.talk.system = system;
  isReady();
  return [];
}

/** What stands in the box has changed. @param {Turn[] | null} turns @param {string} system */
export async function keep(turns, system) {
  isEarly ||= Boolean(turns?.length);
  await ready;
  if (isAway || isLate(turns)) return [];
  if (history.hasLeft(turns)) return handOver(); // a piece that was on its way
  if (system !== chat.talk.system) chat.setSystem(system);
  if (turns?.length || !chat.messages.length) history.follow(shownOf(turns));
  else await emptied();
  drawActs();
  return [];
}

/** The open conversation as the server takes it, in the place of what stands in the box. */
export function handed() {
  clearInterval(pressing);
  pressing = 0;
  const { system, messages } = chat.talk;
  const said = messages.map((one) => ({ role: one.role, content: whole(wordsOf(one)) }));
  return [JSON.stringify({ messages: [{ role: "system", content: whole(system) }, ...said] })];
}

/** Let the visitor choose a file; with it a conversation of its own begins. @param {() => Promise<[string]>} choose */
export async function chosen(choose) {
  const [text] = await choose();
  isAway ||= isChosen = text !== "";
  return [text];
}

/** What was handed over, or chosen, stands in the box. @param {Turn[] | null} turns @param {string} system */
export async function arrived(turns, system) {
  if (pressing) return []; // another one is on its way
  came = turns;
  if (isChosen) {
    history.leave();
    await chat.flush();
    begin(system);
    history.follow(shownOf(turns));
  }
  isAway = isChosen = false;
  drawActs();
  return [];
}

/** It does not: the server took it for no chat. */
export function missed() {
  if (!pressing) isAway = isChosen = false;
  return [];
}

/** Open a conversation, or begin one; what was being written ends and is kept. @param {Talk} [talk] */
async function open(talk) {
  isAway = true;
  history.leave();
  await chat.flush();
  hideNotice();
  if (talk)
    chat.open((await chat.shelf.get(talk.id)) ?? talk); // with what was written since the list was drawn
  else begin(first || chat.talk.system);
  handOver();
}

/** @param {string} system message of a new conversation */
function begin(system) {
  chat.begin();
  chat.talk.system = system;
}

function handOver() {
  isAway = true;
  drawActs();
  clearInterval(pressing);
  pressing = setInterval(press, AGAIN_MS); // Gradio does not listen yet, or is about another one
  press();
  return [];
}

function press() {
  $("hand-over").click();
}

/** The box was cleared, or its only question went back to be changed, of which nothing needs to stay. */
async function emptied() {
  const { talk } = chat;
  history.leave();
  if (talk.messages.length > 1 || talk.name) return talks.remove(talk);
  talk.messages = [];
  await chat.flush();
  await chat.shelf.remove(talk.id);
  talk.revision = 0;
}
