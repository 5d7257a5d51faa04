// The message box. It sends by Enter, grows with its text, and takes back an earlier question to be asked anew.

import { $ } from "./dom.js";

export class Composer {
  /** @type {number | null} */ #editing = null; // place of the message that the text replaces

  /**
   * @param {{onSend: (text: string, place: number | null) => boolean}} does place: of the message that is asked anew,
   *   or null. Gives whether it was taken.
   */
  constructor({ onSend }) {
    this.box = $("prompt");
    this.box.addEventListener("input", () => this.#grow());
    this.box.addEventListener("keydown", (event) => {
      // While an input method is open, Enter chooses a candidate (229 is what Safari sends then).
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      $("composer").requestSubmit();
    });
    $("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.box.value;
      if (!text.trim() || !onSend(text, this.#editing)) return;
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
    this.#editing = place;
    $("editing").hidden = false;
    this.box.value = text;
    this.#grow();
    this.box.focus();
  }

  reset() {
    this.#editing = null;
    $("editing").hidden = true;
    this.box.value = "";
    this.#grow();
  }

  #grow() {
    this.box.style.height = "auto";
    this.box.style.height = `${this.box.scrollHeight}px`;
    $("send").disabled = !this.box.value.trim();
  }
}
