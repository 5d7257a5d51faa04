// The message box. It sends by Enter, grows with its text, and takes back an earlier question to be asked anew. What is
// written in it and not sent is kept, for each conversation.

import { $ } from "./dom.js";
import { kept, tab } from "./store.js";

/** @typedef {{place: number, text: string}} Edited a question that is asked anew, as it was */

const DRAFT = "lilm.draft."; // and the conversation's id

/**
 * Whether an input method is open, in which Enter chooses a candidate (229 is what Safari sends then).
 * @param {KeyboardEvent} event
 */
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}

/** Forget what was written and not sent in a conversation. @param {string} id */
export function forgetDraft(id) {
  kept.remove(DRAFT + id);
  tab.remove(DRAFT + id);
}

export class Composer {
  /** @type {Edited | null} */ #editing = null; // what the text replaces
  #key = ""; // where the draft is kept

  /**
   * @param {{onSend: (text: string, edited: Edited | null) => boolean}} does Gives whether it was taken.
   */
  constructor({ onSend }) {
    this.box = $("prompt");
    this.box.addEventListener("input", () => {
      if (!this.editing) this.#keep(this.box.value);
      this.#grow();
    });
    this.box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
      event.preventDefault();
      $("composer").requestSubmit();
    });
    $("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.box.value;
      if (!text.trim() || !onSend(text, this.#editing)) return;
      if (!this.editing) this.#keep("");
      this.reset();
    });
    $("edit-cancel").addEventListener("click", () => {
      this.reset();
      this.box.focus();
    });
    this.#grow();
  }

  get editing() {
    return this.#editing !== null;
  }

  /** @param {string} text @param {number} place */
  edit(text, place) {
    this.#editing = { place, text };
    $("editing").hidden = false;
    this.box.value = text;
    this.#grow();
    this.box.focus();
  }

  /** Show the draft of a conversation. @param {string} id */
  open(id) {
    this.#key = DRAFT + id;
    this.reset();
  }

  /** The conversation goes on as another one, and the draft with it. @param {string} id */
  follow(id) {
    const draft = this.#draft;
    this.#key = DRAFT + id;
    this.#keep(draft);
  }

  /** Back from an edit to the draft. */
  reset() {
    this.#editing = null;
    $("editing").hidden = true;
    this.box.value = this.#draft;
    this.#grow();
  }

  get #draft() {
    const draft = tab.get(this.#key) ?? kept.get(this.#key); // two tabs may write two
    return typeof draft === "string" ? draft : "";
  }

  /** @param {string} draft */
  #keep(draft) {
    if (draft) kept.set(this.#key, draft);
    else kept.remove(this.#key);
    tab.set(this.#key, draft);
  }

  #grow() {
    this.box.style.height = "auto";
    this.box.style.height = `${this.box.scrollHeight}px`;
    $("send").disabled = !this.box.value.trim();
  }
}
