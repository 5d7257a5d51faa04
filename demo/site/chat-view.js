// Shows the conversation: a bubble per question, an answer's Markdown, and what can be done with each.

import { $, el, icon, iconButton } from "./dom.js";
import { markdown } from "./markdown.js";
import { showError } from "./notice.js";
import { noteOf } from "./status.js";
import { t } from "./texts.js";

const NEAR_END = 90; // pixels from the end within which new text scrolls along
const LONG = { characters: 1200, lines: 16 }; // of a question that is folded

/**
 * @typedef {import("./conversation.js").Conversation} Conversation
 * @typedef {import("./record.js").Answer} Answer
 *
 * @typedef {Object} Does what the buttons do
 * @property {() => void} onAgain answer the last question, once more or at last
 * @property {() => void} onMore go on with the last answer
 * @property {(text: string, place: number) => void} onEdit
 * @property {(place: number, version: number) => void} onShow another version of an answer
 */

export class ChatView {
  lang = "";

  /** @param {Does} does */
  constructor(does) {
    this.does = does;
    this.log = $("log");
    this.scroller = /** @type {HTMLElement} */ (document.querySelector("main"));
    this.follow = true;
    this.scroller.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.scroller;
      this.follow = scrollHeight - scrollTop - clientHeight < NEAR_END;
    });
  }

  /** Draw all messages. @param {Conversation} chat @param {boolean} [stays] do not scroll to the end */
  render(chat, stays = false) {
    const { scrollTop } = this.scroller;
    const { messages } = chat;
    const last = messages.length - 1;
    $("welcome").hidden = messages.length > 0;
    this.log.replaceChildren(
      ...messages.map((said, at) =>
        said.role === "user" ? this.#question(said.content, at) : this.#answer(said, at, at === last),
      ),
    );
    if (chat.waitsForAnswer)
      this.log.append(el("div", { className: "acts" }, this.#small("answerNow", this.does.onAgain)));
    if (stays) this.scroller.scrollTop = scrollTop;
    else this.scrollToEnd();
  }

  /**
   * Make place for an answer that begins with `start`; gives a function that shows what it is by now.
   * @param {Conversation} chat @param {string} start
   */
  beginAnswer(chat, start) {
    this.render(chat);
    this.log.lastElementChild?.remove(); // the answer that this one follows, or the button in its place
    const turn = this.#turn("assistant", markdown(start));
    const text = /** @type {HTMLElement} */ (turn.querySelector(".text"));
    turn.classList.add("writing");
    this.log.append(turn);
    this.log.ariaBusy = "true";
    this.scrollToEnd();
    let said = start;
    let due = false;
    const draw = () => {
      due = false;
      text.replaceChildren(...markdown(said));
      if (this.follow) this.scroller.scrollTop = this.scroller.scrollHeight;
    };
    return (/** @type {string} */ now) => {
      said = now;
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

  /** @param {"user" | "assistant"} role @param {(Node | string)[]} parts */
  #turn(role, parts) {
    const who = el("span", { className: "hidden-text" }, `${t(role === "user" ? "you" : "model")}: `);
    const text = el("div", { className: "text", lang: this.lang }, ...parts);
    return el("article", { className: `turn ${role}` }, who, text);
  }

  /** @param {string} content @param {number} at */
  #question(content, at) {
    const turn = this.#turn("user", [content]);
    turn.append(iconButton("edit", t("edit"), () => this.does.onEdit(content, at)));
    if (content.length <= LONG.characters && content.split("\n").length <= LONG.lines) return turn;
    turn.classList.add("folded");
    const fold = this.#small("unfold", () => {
      const isFolded = turn.classList.toggle("folded");
      fold.ariaExpanded = String(!isFolded);
      fold.textContent = t(isFolded ? "unfold" : "fold");
    });
    fold.ariaExpanded = "false";
    turn.append(fold);
    return turn;
  }

  /** @param {Answer} said @param {number} at @param {boolean} isLast */
  #answer(said, at, isLast) {
    const version = said.versions[said.shown];
    const turn = this.#turn("assistant", markdown(version.content));
    for (const code of turn.querySelectorAll("pre")) {
      const box = el("div", { className: "code" });
      code.replaceWith(box);
      box.append(code, copyButton(code.textContent ?? "", t("copyCode")));
    }
    const acts = el("div", { className: "acts" }, copyButton(version.content, t("copy")));
    if (isLast) acts.append(iconButton("again", t("again"), this.does.onAgain));
    if (said.versions.length > 1) acts.append(...this.#versions(said, at));
    if (isLast && version.end !== "eos") acts.append(this.#small("more", this.does.onMore));
    const note = noteOf(version);
    if (note) acts.append(el("span", { className: "note" }, note));
    turn.append(acts);
    return turn;
  }

  /** Buttons to the version before and behind, and which one this is. @param {Answer} said @param {number} at */
  #versions({ versions, shown }, at) {
    const step = (/** @type {"before" | "behind"} */ name, /** @type {number} */ to) => {
      const button = iconButton(name, t(name), () => {
        this.does.onShow(at, to);
        /** @type {HTMLElement | null} */ (
          this.log.children[at].querySelector(`.${name}:enabled, .step:enabled`)
        )?.focus();
      });
      button.classList.add("step", name);
      button.disabled = !versions[to];
      return button;
    };
    const place = el("span", { className: "place" }, `${shown + 1}/${versions.length}`);
    place.append(el("span", { className: "hidden-text" }, ` ${t("versions")}`));
    return [step("before", shown - 1), place, step("behind", shown + 1)];
  }

  /** @param {"more" | "answerNow" | "unfold"} name @param {() => void} onclick */
  #small(name, onclick) {
    return el("button", { type: "button", className: `small ${name}`, onclick }, t(name));
  }
}

/** @param {string} text @param {string} label */
function copyButton(text, label) {
  const copy = iconButton("copy", label, async () => {
    try {
      await navigator.clipboard.writeText(text); // not there without https, or not allowed
    } catch (error) {
      return showError({ kind: "cannot_copy", message: /** @type {Error} */ (error).message });
    }
    copy.replaceChildren(icon("check"));
    $("announce").textContent = t("copied");
    setTimeout(() => copy.replaceChildren(icon("copy")), 1500);
  });
  return copy;
}
