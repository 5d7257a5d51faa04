// The messages of the chat, kept on this device: they outlive an error, a reload and the tab. Each tab has its own; a
// new tab begins with the one last changed.

import { kept, tab } from "./store.js";

const KEY = "lilm.chat";

/** @typedef {{role: "user" | "assistant", content: string, note?: string}} Said */

export class Conversation {
  /** @type {Said[]} */
  messages = [];

  constructor() {
    const stored = tab.get(KEY) ?? kept.get(KEY);
    if (Array.isArray(stored)) this.messages = stored.filter(isMessage);
  }

  /** @param {Said["role"]} role @param {string} content @param {string} [note] */
  add(role, content, note = "") {
    this.messages.push({ role, content, note });
    this.#store();
  }

  /**
   * Drop the last message if it is `role`'s: an answer to be given again, a question never answered.
   * @param {Said["role"]} role
   */
  dropLast(role) {
    if (this.messages.at(-1)?.role === role) this.messages.pop();
    this.#store();
  }

  /** Drop the message at `place` and all after it. @param {number} place */
  cut(place) {
    this.messages = this.messages.slice(0, place);
    this.#store();
  }

  clear() {
    this.cut(0);
  }

  get waitsForAnswer() {
    return this.messages.at(-1)?.role === "user";
  }

  /** What the model gets. */
  prompt() {
    return this.messages.map(({ role, content }) => ({ role, content }));
  }

  #store() {
    tab.set(KEY, this.messages);
    kept.set(KEY, this.messages);
  }
}

/** @param {Partial<Said> | null} one @returns {one is Said} */
function isMessage(one) {
  return (one?.role === "user" || one?.role === "assistant") && typeof one.content === "string";
}
