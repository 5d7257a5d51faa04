// Brings the open conversation up to what stands in Gradio's chat box. That holds one text for each message; here every
// version of an answer is kept, and what an edited question replaced until its own answer comes.
// What is known of a message beside its words comes with it: see chat_notes.py.

import { newVersion, wordsOf } from "./site/record.js";

/**
 * @typedef {import("./site/record.js").Said} Said
 * @typedef {import("./site/record.js").Version} Version
 * @typedef {import("./site/record.js").End} End
 *
 * @typedef {Object} Note
 * @property {"asked" | "more" | "growing" | End} [state]
 * @property {string} [id] of the answer that is awaited or was written
 * @property {boolean} [broken] nothing comes any more, as the model ended
 * @property {[Turn["role"], string][]} [was] what a question stands in the place of
 * @property {boolean} [more] the answer goes on where an earlier one stopped
 * @property {number} [tokens]
 * @property {number} [seconds]
 * @property {number} [context]
 *
 * @typedef {{role: "user" | "assistant", text: string, note: Note}} Shown a message of the box
 * @typedef {{role: "user" | "assistant", content: string | Part[], metadata?: {log?: string} | null, options?: null}} Turn
 *   as Gradio has it
 * @typedef {{type?: "text", text?: string}} Part
 */

const NAMES = /** @type {Record<string, string>} */ ({ "&lt;": "<", "&gt;": ">", "&amp;": "&" });
const MARKS = Object.fromEntries(Object.entries(NAMES).map(([name, mark]) => [mark, name]));
const PENDING = ["asked", "more", "growing"];

/** Half a surrogate pair as the server writes it, which cannot hold one. @param {string} text */
export function whole(text) {
  return text.replace(/\p{Surrogate}/gu, "?");
}

/** @param {Turn | undefined} turn @returns {Note} */
export const noteOf = (turn) => JSON.parse(turn?.metadata?.log || "{}"); // ours: chat_notes.py and chat-end.js write it

/** What was said, as it was typed or written. @param {Turn} turn */
export function plainOf({ content }) {
  const text = typeof content === "string" ? content : content.map((part) => part.text ?? "").join("");
  return text.replace(/&(lt|gt|amp);/g, (name) => NAMES[name]);
}

/** @param {Turn["role"]} role @param {string} text @returns {Turn} */
export function turnOf(role, text) {
  const shown = whole(text).replace(/[<>&]/g, (mark) => MARKS[mark]);
  return { role, content: [{ type: "text", text: shown }], metadata: null, options: null };
}

/** Whether an answer to the last message is awaited, or written. @param {Turn[] | null} history */
export function isPending(history) {
  return PENDING.includes(noteOf(history?.at(-1)).state ?? "");
}

const stopped = /** @type {Set<string | undefined>} */ (new Set()); // the ids of answers
/** What comes of the answer that is awaited or written comes late. @param {Turn[]} history */
export const stop = (history) => stopped.add(noteOf(history.at(-1)).id);

/** Whether the last message is a piece of an answer that was stopped before it came. @param {Turn[] | null} history */
export function isLate(history) {
  const { id, state } = noteOf(history?.at(-1));
  return id !== undefined && stopped.has(id) && state !== "aborted";
}

/** @param {Turn[] | null} history @returns {Shown[]} */
export function shownOf(history) {
  return (history ?? []).map((turn) => ({ role: turn.role, text: plainOf(turn), note: noteOf(turn) }));
}

export class History {
  /** @type {Version | null} */ #live = null; // the version that is being written
  #base = newVersion(); // as it was before this writing
  /** @type {Said[] | null} */ #before = null; // what stood there before a question that waits for its first word
  /** @type {string | undefined} */ #id; // of the answer that is awaited or written
  /** @type {Set<string>} */ #left = new Set(); // those that were left for another conversation
  isBusy = false; // while an answer is awaited or written

  /** @param {import("./site/conversation.js").Conversation} chat */
  constructor(chat) {
    this.chat = chat;
  }

  /** No more comes of what was being written. */
  leave() {
    if (this.#id) this.#left.add(this.#id);
    this.#id = undefined;
    if (this.#live?.end === "writing") {
      this.#live.end = "aborted";
      void this.chat.save();
    }
    this.#live = this.#before = null;
    this.#busy(false);
  }

  /** Whether these are pieces of an answer that was left. @param {Turn[] | null} turns */
  hasLeft(turns) {
    return this.#left.has(noteOf(turns?.at(-1)).id ?? "");
  }

  /** Bring the conversation up to what is shown. @param {Shown[]} shown */
  follow(shown) {
    const last = shown.at(-1);
    const state = last?.note.state;
    const isBusy = state !== undefined && PENDING.includes(state);
    const awaited = this.#id;
    this.#id = isBusy ? last?.note.id : undefined;
    if (!isBusy && isEdited(this.chat.messages, shown)) return; // the server asks it in a moment
    const isAnswer = last?.role === "assistant" && state !== undefined && state !== "more";
    this.#align(isAnswer ? shown.slice(0, -1) : shown, state === "asked" || isAnswer);
    if (isAnswer) this.#grow(last, !this.isBusy || last.note.id !== awaited);
    else if (state === "more") this.#begin(this.chat.version);
    else this.#live = null;
    this.#busy(isBusy);
  }

  /**
   * @param {Shown[]} shown without the answer that is being written @param {boolean} isAsked an answer of before stays
   *   where the same question waits for another
   */
  #align(shown, isAsked) {
    const { talk } = this.chat;
    const before = talk.messages;
    if (!isAsked && this.#before && sameUpTo(this.#before, shown) === shown.length) talk.messages = this.#before;
    const same = sameUpTo(talk.messages, shown);
    const { messages } = talk;
    if (same < shown.length) talk.messages = [...messages.slice(0, same), ...shown.slice(same).map(saidOf)];
    else if (messages.length > same + Number(isAsked)) talk.messages = messages.slice(0, same + Number(isAsked));
    if (isAsked && !this.isBusy) this.#before = before;
    if (talk.messages !== before) void this.chat.save();
  }

  /** @param {Shown} shown the last answer @param {boolean} isEarlier than the one that was awaited */
  #grow({ text, note }, isEarlier) {
    const { chat } = this;
    const { state, more, tokens = 0, seconds = 0, context = 0 } = note;
    const isGrowing = state === "growing";
    // An answer is shown again when a question after it was taken back.
    if (!this.#live && isEarlier && chat.version && whole(chat.version.content) === text) {
      this.#before = null;
      return;
    }
    if (!this.#live) this.#begin(more ? chat.version : null);
    const live = /** @type {Version} */ (this.#live);
    const base = this.#base;
    const end = isGrowing ? "writing" : /** @type {End} */ (state);
    const figures = { tokens: base.tokens + tokens, seconds: base.seconds + seconds };
    Object.assign(live, { content: text, end }, tokens ? { ...figures, context } : {});
    if ((text.trim() || !isGrowing) && !chat.holds(live)) chat.answer(live);
    this.#before = null;
    if (isGrowing) return chat.saveSoon();
    this.#live = null;
    void chat.save();
  }

  /** @param {Version | null} version that is gone on with; null for a new one */
  #begin(version) {
    this.#live = version ?? newVersion();
    this.#base = { ...this.#live };
  }

  /** @param {boolean} isBusy */
  #busy(isBusy) {
    this.isBusy = this.chat.isBusy = isBusy;
  }
}

/** How many of the first messages are the same. @param {Said[]} messages @param {Shown[]} shown */
function sameUpTo(messages, shown) {
  const other = messages.findIndex(
    (said, at) => said.role !== shown[at]?.role || whole(wordsOf(said)) !== shown[at].text,
  );
  return other < 0 ? messages.length : other;
}

/**
 * Whether a question alone is another one: Gradio shows an edited one before it is asked.
 * @param {Said[]} messages @param {Shown[]} shown
 */
function isEdited(messages, shown) {
  const at = sameUpTo(messages, shown);
  if (messages.length !== shown.length || at === shown.length || shown[at].role !== "user") return false;
  const rest = [messages, shown].map((all) => all.slice(at + 1));
  const [said, same] = /** @type {[Said[], Shown[]]} */ (rest);
  return messages[at].role === "user" && sameUpTo(said, same) === same.length;
}

/** @param {Shown} shown @returns {Said} */
function saidOf({ role, text }) {
  if (role === "user") return { role, content: text };
  return { role, versions: [{ ...newVersion(text), end: "eos" }], shown: 0 };
}
