// What can be done with the answers in Gradio's chat box, under each: show another version, and let the last one go on
// where it was cut.

import { el, iconButton, $ } from "./site/dom.js";
import { noteOf } from "./site/status.js";
import { t } from "./site/texts.js";

/** @typedef {import("./site/record.js").Answer} Answer */

const BUBBLES = '#chat [data-testid="bot"] .message-content, #chat [data-testid="user"] .message-content';

/**
 * Draw them now and whenever the box changes; gives the function that draws them.
 * @param {import("./site/conversation.js").Conversation} chat @param {import("./chat-history.js").History} history
 * @param {() => void} handOver show the conversation as it is now
 */
export function startActs(chat, history, handOver) {
  const draw = () => {
    const bubbles = [...document.querySelectorAll(BUBBLES)];
    const isDue = !history.isBusy && bubbles.length === chat.messages.length; // else the box is about to change
    bubbles.forEach((bubble, at) => place(bubble, isDue ? actsOf(at) : []));
  };

  /** @param {number} at a message's place @returns {HTMLElement[]} */
  const actsOf = (at) => {
    const said = chat.messages[at];
    const isLast = at === chat.messages.length - 1;
    const goOn = (/** @type {"more" | "answerNow"} */ name) =>
      el("button", { type: "button", className: `go-on ${name}`, onclick: () => $("go-on").click() }, t(name));
    if (said.role === "user") return isLast ? [goOn("answerNow")] : [];
    const { end } = said.versions[said.shown];
    const acts = said.versions.length > 1 ? versions(said, at) : [];
    if (isLast && end !== "eos") {
      acts.push(goOn("more"), el("span", { className: "note" }, noteOf({ ...said.versions[said.shown], tokens: 0 })));
    }
    return acts;
  };

  /** @param {Answer} said @param {number} at */
  const versions = ({ versions, shown }, at) => {
    const step = (/** @type {"before" | "behind"} */ name, /** @type {number} */ to) => {
      const button = iconButton(name, t(name), () => {
        chat.show(at, to);
        handOver();
      });
      button.classList.add("step", name);
      button.disabled = !versions[to];
      return button;
    };
    const which = el("span", { className: "place" }, `${shown + 1}/${versions.length}`);
    which.append(el("span", { className: "hidden-text" }, ` ${t("versions")}`));
    return [step("before", shown - 1), which, step("behind", shown + 1)];
  };

  new MutationObserver(draw).observe(document.body, { subtree: true, childList: true });
  return draw;
}

/** Put `acts` under a message in the place of those there; who has the focus there keeps it. */
function place(/** @type {Element} */ bubble, /** @type {HTMLElement[]} */ acts) {
  const old = bubble.querySelector(":scope > .acts");
  if (!acts.length) return old?.remove();
  const box = el("div", { className: "acts" }, ...acts);
  if (old?.isEqualNode(box)) return;
  const name = ["before", "behind"].find((one) => document.activeElement?.classList.contains(one));
  const hadFocus = old?.contains(document.activeElement);
  if (old) old.replaceWith(box);
  else bubble.append(box);
  if (!hadFocus) return;
  /** @type {HTMLElement | null} */ (
    box.querySelector(`.${name}:enabled`) ?? box.querySelector("button:enabled")
  )?.focus();
}
