// The progress line: how much is here, how fast it comes, how long it still takes.

import { $ } from "./dom.js";
import { formatBytes, formatTime, t } from "./texts.js";

/** @typedef {import("./wasm/runtime/lilm.mjs").Progress} Progress */

export class LoadingView {
  name = "";

  /** @param {string} name */
  show(name) {
    this.name = name;
    $("loading-text").textContent = t("preparing", { name });
    $("loading-bar").removeAttribute("value");
    $("loading").hidden = false;
  }

  /** @param {Progress} progress */
  update(progress) {
    const { loaded, total } = progress;
    const bar = $("loading-bar");
    if (total) bar.value = loaded / total;
    else bar.removeAttribute("value");
    $("loading-text").textContent = this.#text(progress);
  }

  hide() {
    $("loading").hidden = true;
  }

  /** @param {Progress} progress */
  #text({ phase, loaded, total, speed }) {
    if (phase === "wait") return t("waiting", { name: this.name });
    if (phase === "load") return t("starting", { name: this.name });
    if (speed <= 0) return t("preparing", { name: this.name });
    const values = { loaded: formatBytes(loaded), total: formatBytes(total), rate: formatBytes(speed) };
    if (!total) return t("downloadingUnknown", values);
    return t("downloading", { ...values, left: formatTime((total - loaded) / speed) });
  }
}
