// Lets the model answer the last question: once more, or on from where an answer stopped. What it writes is kept while
// it comes, and whatever ends it leaves a way on.

import { $, hasKeyboard } from "./dom.js";
import { hideNotice, showError, showNotice } from "./notice.js";
import { newVersion } from "./record.js";
import { showContext, showSpeed } from "./status.js";
import { t } from "./texts.js";

/**
 * @typedef {Object} Parts
 * @property {import("./engine.js").Engine} engine
 * @property {import("./conversation.js").Conversation} chat
 * @property {import("./chat-view.js").ChatView} view
 * @property {() => import("./settings.js").Sampling} sampling
 * @property {() => Promise<boolean>} load the chosen model; gives whether it is ready
 * @property {() => void} onEnd
 */

const CUT = /\uFFFD+$/; // a character of which the longest answer left a part

export class Answering {
  /** @type {AbortController | null} */ #abort = null; // of the answer being written
  done = Promise.resolve(); // settles when that answer has ended and is kept

  /** @param {Parts} parts */
  constructor(parts) {
    this.parts = parts;
  }

  get isWriting() {
    return this.#abort !== null;
  }

  stop() {
    this.#abort?.abort();
  }

  /** Answer the last question; goesOn: from the end of the answer that is shown. */
  start(goesOn = false) {
    if (this.isWriting) return this.done;
    const run = this.#write(goesOn);
    this.done = run.catch(() => {}); // that a fault of ours is thrown is its caller's news
    return run;
  }

  /** @param {boolean} goesOn */
  async #write(goesOn) {
    const { engine, chat, view, sampling, load, onEnd } = this.parts;
    const abort = new AbortController();
    const version = (goesOn && chat.version) || newVersion();
    version.content = version.content.replace(CUT, "");
    const prompt = chat.prompt(goesOn);
    const before = { ...version };
    this.#begin(abort);
    const draw = view.beginAnswer(chat, before.content);
    if (hasKeyboard() && document.activeElement === document.body) $("stop").focus(); // the button pressed is gone
    /** @param {string} text that came @param {number} tokens @param {number} seconds */
    const grow = (text, tokens, seconds) => {
      version.content = (before.content + text).trimStart();
      version.tokens = before.tokens + tokens;
      version.seconds = before.seconds + seconds;
      version.end = "writing";
      if (version.content.trim() && !chat.holds(version)) chat.answer(version);
    };
    try {
      if (engine.state !== "ready" && !(await load())) return;
      if (abort.signal.aborted) return;
      let text = "";
      /** @type {{tokens: number, seconds: number} | undefined} */ let first;
      /** @type {import("./wasm/runtime/lilm.mjs").GenerateOptions["onToken"]} */
      const onToken = (piece, { tokens, seconds }) => {
        text += piece;
        grow(text, tokens, seconds);
        draw(version.content);
        chat.saveSoon();
        first ??= { tokens, seconds }; // it came with the prompt, in no time, of which no speed can be told
        const [more, took] = [tokens - first.tokens, seconds - first.seconds];
        if (took > 0) showSpeed(engine.model?.info, more / took);
      };
      const result = await engine.chat(prompt, { ...sampling(), onToken, signal: abort.signal });
      if (result.text) grow(result.text, result.tokens, result.seconds);
      version.content = version.content.trimEnd();
      if (result.tokens || result.stop_reason !== "aborted") {
        version.context = result.prompt_tokens + result.tokens;
        version.end = result.stop_reason;
        showContext(version.context, engine.model?.info.n_ctx);
      }
      if (!chat.holds(version) && result.stop_reason !== "aborted") {
        showNotice(t("silent"), "hint", () => this.start(), t("again"));
      }
      if (result.dropped_turns) showNotice(t("forgot"), "hint");
      showSpeed(engine.model?.info, result.tokens / Math.max(result.seconds, 1e-3), await engine.memory());
      $("announce").textContent = t("answered");
    } catch (error) {
      const isFull = /** @type {{kind?: string}} */ (error).kind === "context_full";
      if (goesOn && isFull) showNotice(t("noRoom"), "hint");
      else showError(error, () => this.start(chat.holds(version)));
    } finally {
      if (chat.holds(version)) await chat.save();
      this.#end();
      onEnd();
    }
  }

  /** @param {AbortController} abort */
  #begin(abort) {
    this.#abort = abort;
    this.parts.chat.isBusy = true;
    hideNotice();
    $("send").hidden = true;
    $("stop").hidden = false;
    $("announce").textContent = "";
  }

  #end() {
    const hadFocus = document.activeElement === $("stop");
    this.#abort = null;
    this.parts.chat.isBusy = false;
    $("send").hidden = false;
    $("stop").hidden = true;
    if (hadFocus && hasKeyboard()) $("prompt").focus(); // the button is gone
    this.parts.view.endAnswer();
  }
}
