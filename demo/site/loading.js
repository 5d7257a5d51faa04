// The progress line: how much is here, how fast it comes, how long it still takes.

import { $ } from "./dom.js";
import { formatBytes, formatTime, t } from "./texts.js";

export class LoadingView {
  show(name) {
    this.name = name;
    $("loading-text").textContent = t("preparing", { name });
    $("loading-bar").removeAttribute("value");
    $("loading").hidden = false;
  }

  /** Takes the runtime's progress events. */
  update({ phase, loaded, total, speed }) {
    const bar = $("loading-bar");
    if (total) bar.value = loaded / total;
    else bar.removeAttribute("value");
    $("loading-text").textContent = this.#text(phase, loaded, total, speed);
  }

  hide() {
    $("loading").hidden = true;
  }

  #text(phase, loaded, total, speed) {
    if (phase === "wait") return t("waiting", { name: this.name });
    if (phase === "load") return t("starting", { name: this.name });
    if (speed <= 0) return t("preparing", { name: this.name });
    const values = { loaded: formatBytes(loaded), total: formatBytes(total), rate: formatBytes(speed) };
    if (!total) return t("downloadingUnknown", values);
    return t("downloading", { ...values, left: formatTime((total - loaded) / speed) });
  }
}
