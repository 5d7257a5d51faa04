// How text is drawn: the system prompt, and sliders whose defaults come from models.json and whose changes are kept in
// this browser.

import { $, el } from "./dom.js";
import { kept } from "./store.js";
import { t } from "./texts.js";

const KEY = "lilm.sampling";
/** @typedef {Pick<Required<import("./wasm/runtime/lilm.mjs").GenerateOptions>, keyof typeof RANGES>} Sampling */

/** @satisfies {Record<string, [least: number, most: number, step: number]>} */
const RANGES = {
  temperature: [0, 2, 0.05],
  top_p: [0.05, 1, 0.01],
  top_k: [0, 200, 1],
  min_p: [0, 0.5, 0.01],
  repeat_penalty: [1, 1.5, 0.01],
  n_predict: [16, 1024, 16],
};

/** The kept changes, without what is not a value of ours. @returns {Partial<Sampling>} */
function stored() {
  const pairs = Object.entries(kept.get(KEY) ?? {});
  return Object.fromEntries(pairs.filter(([name, value]) => name in RANGES && Number.isFinite(value)));
}

export class Settings {
  /** @param {Sampling} defaults @param {import("./conversation.js").Conversation} chat whose system prompt is set here */
  constructor(defaults, chat) {
    this.defaults = defaults;
    this.chat = chat;
    this.changed = stored();
    $("system").addEventListener("input", () => chat.setSystem($("system").value));
  }

  /** All sampling options under llama.cpp's names. */
  get values() {
    return { ...this.defaults, ...this.changed };
  }

  /** @param {keyof Sampling} name @param {number} value */
  set(name, value) {
    this.changed[name] = value;
    kept.set(KEY, this.changed);
  }

  reset() {
    this.changed = {};
    kept.remove(KEY);
    this.chat.setSystem("");
    this.render();
  }

  render() {
    $("system").value = this.chat.talk.system;
    const names = /** @type {(keyof Sampling)[]} */ (Object.keys(RANGES));
    const rows = names.map((name) => {
      const [min, max, step] = RANGES[name];
      const digits = step < 1 ? 2 : 0;
      const value = this.values[name];
      const output = el("output", {}, value.toFixed(digits));
      const input = el("input", {
        id: `set-${name}`,
        type: "range",
        min,
        max,
        step,
        "aria-describedby": `help-${name}`,
      });
      input.valueAsNumber = value;
      input.addEventListener("input", () => {
        output.textContent = input.valueAsNumber.toFixed(digits);
        this.set(name, input.valueAsNumber);
      });
      const label = el("label", { htmlFor: input.id }, t(name));
      return el(
        "div",
        { className: "setting" },
        label,
        output,
        input,
        el("p", { id: `help-${name}` }, t(`${name}Help`)),
      );
    });
    $("setting-list").replaceChildren(...rows);
  }
}
