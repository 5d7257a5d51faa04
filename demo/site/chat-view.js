// Shows the conversation: a bubble per question, an answer's Markdown, and what can be done with each.

import { $, el, icon, iconButton } from "./dom.js";
import { markdown } from "./markdown.js";
import { showError } from "./notice.js";
import { t } from "./texts.js";

const NEAR_END = 90; // pixels from the end within which new text scrolls along

/** @typedef {import("./conversation.js").Said} Said */

export class ChatView {
  lang = "";

  /** @param {{onAgain: () => void, onEdit: (text: string, place: number) => void}} does */
  constructor({ onAgain, onEdit }) {
    this.log = $("log");
    this.scroller = /** @type {HTMLElement} */ (document.querySelector("main"));
    this.onAgain = onAgain;
    this.onEdit = onEdit;
    this.follow = true;
    this.scroller.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.scroller;
      this.follow = scrollHeight - scrollTop - clientHeight < NEAR_END;
    });
  }

  /**
   * Draw all messages; the last answer gets the button to answer again.
   * @param {Said[]} messages @param {string} lang
   */
  render(messages, lang) {
    this.lang = lang;
    $("welcome").hidden = messages.length > 0;
    const last = messages.length - 1;
    this.log.replaceChildren(
      ...messages.map((message, at) => {
        const turn = this.#turn(message.role, message.content);
        turn.append(message.role === "user" ? this.#edit(message, at) : this.#acts(message, at === last));
        return turn;
      }),
    );
    this.scrollToEnd();
  }

  /** An empty answer to be filled; gives a function that adds text to it. */
  beginAnswer() {
    const turn = this.#turn("assistant", "");
    const text = /** @type {HTMLElement} */ (turn.querySelector(".text"));
    turn.classList.add("writing");
    this.log.append(turn);
    this.log.ariaBusy = "true";
    this.scrollToEnd();
    let said = "";
    let due = false;
    const draw = () => {
      due = false;
      text.replaceChildren(...markdown(said));
      if (this.follow) this.scroller.scrollTop = this.scroller.scrollHeight;
    };
    return (/** @type {string} */ piece) => {
      said = (said + piece).trimStart();
      if (!due) requestAnimationFrame(draw); // drawn once per frame, however many tokens come in it
      due = true;
    };
  }

  endAnswer() {
    this.log.ariaBusy = "false";
    this.log.querySelector(".writing")?.remove();
  }

  scrollToEnd() {
    this.follow = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** @param {Said["role"]} role @param {string} content */
  #turn(role, content) {
    const who = el("span", { className: "hidden-text" }, `${t(role === "user" ? "you" : "model")}: `);
    const parts = role === "user" ? [content] : markdown(content);
    return el(
      "article",
      { className: `turn ${role}` },
      who,
      el("div", { className: "text", lang: this.lang }, ...parts),
    );
  }

  /** @param {Said} message @param {number} at */
  #edit(message, at) {
    return iconButton("edit", t("edit"), () => this.onEdit(message.content, at));
  }

  /** @param {Said} message @param {boolean} isLast */
  #acts(message, isLast) {
    const copy = iconButton("copy", t("copy"), async () => {
      try {
        await navigator.clipboard.writeText(message.content); // not there without https, or not allowed
      } catch (error) {
        return showError({ kind: "cannot_copy", message: /** @type {Error} */ (error).message });
      }
      copy.replaceChildren(icon("check"));
      $("announce").textContent = t("copied");
      setTimeout(() => copy.replaceChildren(icon("copy")), 1500);
    });
    const acts = el("div", { className: "acts" }, copy);
    if (isLast) acts.append(iconButton("again", t("again"), this.onAgain));
    if (message.note) acts.append(el("span", { className: "note" }, message.note));
    return acts;
  }
}
