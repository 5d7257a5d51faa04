// The Gradio chat's own part of its page. Gradio's box holds messages with <, > and & escaped (`shown` in chat_turns.py)
// and draws them as text. An answer's text is hidden, and beside it stands what site/markdown.js makes of it: elements,
// never HTML. What people copy and edit is what was typed.

import { el } from "./site/dom.js";
import { markdown } from "./site/markdown.js";

const ANSWERS = '[data-testid="bot"] .message-content > .md'; // where Gradio draws them
const EDITED = "textarea.edit-textarea";
const NAMES = /** @type {Record<string, string>} */ ({ "&lt;": "<", "&gt;": ">", "&amp;": "&" });
const LETTERS = Object.fromEntries(Object.entries(NAMES).map(([name, letter]) => [letter, name]));
const [COPY, COPIED] = navigator.language.startsWith("ja") ? ["コピー", "コピー済み"] : ["Copy", "Copied"];

const write = navigator.clipboard?.writeText.bind(navigator.clipboard); // not there without https
const drawn = /** @type {WeakMap<Element, string>} */ (new WeakMap());

/** @param {string} text as Gradio holds it */
const plain = (text) => text.replace(/&(lt|gt|amp);/g, (name) => NAMES[name]);
/** @param {string} text */
const shown = (text) => text.replace(/[<>&]/g, (letter) => LETTERS[letter]);

if (write) navigator.clipboard.writeText = (text) => write(plain(text));
// Without it Gradio copies out of a box that it puts on the page for that.
document.addEventListener("copy", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLTextAreaElement) || box.parentElement !== document.body) return;
  event.clipboardData?.setData("text/plain", plain(box.value));
  event.preventDefault();
});
new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
look();

/** Called before anything is painted: nobody sees the text without its marks obeyed. */
function look() {
  for (const text of document.querySelectorAll(ANSWERS)) {
    const source = text.textContent;
    if (drawn.get(text) === source) continue;
    drawn.set(text, source);
    draw(text, source);
  }
  for (const box of document.querySelectorAll(EDITED))
    if (!Object.hasOwn(box, "value")) editAsTyped(/** @type {HTMLTextAreaElement} */ (box));
}

/**
 * Show `source` beside `text`. Blocks that are the same as before stay, with what is selected or scrolled in them.
 * @param {Element} text @param {string} source
 */
function draw(text, source) {
  let box = text.nextElementSibling;
  if (!box) text.after((box = el("div", { className: "answer prose" })));
  const blocks = el("div", {}, ...markdown(source));
  for (const code of blocks.querySelectorAll("pre")) {
    const around = el("div", { className: "code" });
    code.replaceWith(around);
    around.append(code, copyButton(code));
  }
  let same = 0;
  while (box.children[same]?.isEqualNode(blocks.children[same])) same += 1;
  while (box.children.length > same) box.lastElementChild?.remove();
  box.append(...[...blocks.children].slice(same));
}

/** @param {HTMLElement} code */
function copyButton(code) {
  const onclick = async () => {
    if (write) await write(code.textContent ?? "");
    else {
      getSelection()?.selectAllChildren(code);
      document.execCommand("copy");
    }
    button.textContent = COPIED;
    setTimeout(() => (button.textContent = COPY), 1500);
  };
  const button = el("button", { type: "button", onclick }, COPY);
  return button;
}

/** Gradio goes on to read and write what it holds; the visitor has it as it was typed. @param {HTMLTextAreaElement} box */
function editAsTyped(box) {
  const { get, set } = /** @type {Required<PropertyDescriptor>} */ (
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value")
  );
  set.call(box, plain(box.value));
  Object.defineProperty(box, "value", {
    get: () => shown(get.call(box)),
    set: (text) => set.call(box, plain(text)),
  });
}
