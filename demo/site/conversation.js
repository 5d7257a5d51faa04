// The messages of the chat. They outlive an error and a reload of the tab, and go when the tab is closed.

import { tab } from "./store.js";

const KEY = "lilm.chat";

export class Conversation {
  /** [{role: "user" | "assistant", content, note?}] */
  messages = [];

  constructor() {
    const stored = tab.get(KEY);
    if (Array.isArray(stored)) this.messages = stored;
  }

  add(role, content, note = "") {
    this.messages.push({ role, content, note });
    this.#store();
  }

  /** Drop the last message if it is `role`'s: an answer to be given again, a question never answered. */
  dropLast(role) {
    if (this.messages.at(-1)?.role === role) this.messages.pop();
    this.#store();
  }

  clear() {
    this.messages = [];
    this.#store();
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
  }
}
