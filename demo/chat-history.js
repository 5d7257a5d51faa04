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
 * @property {boolean} [more] the answer goes on where an earlier one stopped
 * @property {number} [tokens]
 * @property {number} [seconds]
 * @property {number} [context]
 *
 * @typedef {{role: "user" | "assistant", text: string, note: Note}} Shown a message of the box
 * @typedef {{role: "user" | "assistant", content: string | {text?: string}[], metadata?: {log?: string} | null}} Turn
 *   as Gradio has it
 */

const NAMES = /** @type {Record<string, string>} */ ({ "&lt;": "<", "&gt;": ">", "&amp;": "&" });
const PENDING = ["asked", "more", "growing"];

/** Half a surrogate pair as the server writes it, which cannot hold one. @param {string} text */
export function whole(text) {
  return text.replace(/\p{Surrogate}/gu, "?");
}

/** @param {Turn[] | null} history @returns {Shown[]} */
export function shownOf(history) {
  return (history ?? []).map(({ role, content, metadata }) => {
    const text = typeof content === "string" ? content : content.map((part) => part.text ?? "").join("");
    const note = JSON.parse(metadata?.log || "{}"); // ours: the server writes it
    return { role, text: text.replace(/&(lt|gt|amp);/g, (name) => NAMES[name]), note };
  });
}

export class History {
  /** @type {Version | null} */ #live = null; // the version that is being written
  #base = newVersion(); // as it was before this writing
  /** @type {Said[] | null} */ #before = null; // what stood there before a question that waits for its first word
  isBusy = false; // while an answer is awaited or written

  /** @param {import("./site/conversation.js").Conversation} chat */
  constructor(chat) {
    this.chat = chat;
  }

  /** No more comes of what was being written. */
  leave() {
    if (this.#live?.end === "writing") {
      this.#live.end = "aborted";
      void this.chat.save();
    }
    this.#live = this.#before = null;
    this.#busy(false);
  }

  /** Bring the conversation up to what is shown. @param {Shown[]} shown */
  follow(shown) {
    const last = shown.at(-1);
    const state = last?.note.state;
    const isBusy = state !== undefined && PENDING.includes(state);
    if (!isBusy && isEdited(this.chat.messages, shown)) return; // the server asks it in a moment
    const isAnswer = last?.role === "assistant" && state !== undefined && state !== "more";
    this.#align(isAnswer ? shown.slice(0, -1) : shown, state === "asked" || isAnswer);
    if (isAnswer) this.#grow(last);
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

  /** @param {Shown} shown the last answer */
  #grow({ text, note }) {
    const { chat } = this;
    const { state, more, tokens = 0, seconds = 0, context = 0 } = note;
    const isGrowing = state === "growing";
    // An answer is shown again when a question after it was taken back.
    const isKnown = !this.#live && !this.isBusy && chat.version && whole(chat.version.content) === text;
    if (isKnown) return;
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
