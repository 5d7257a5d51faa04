// The progress line: how much is here, how fast it comes, how long it still takes.

import { $ } from "./dom.js";
import { formatBytes, formatTime, t } from "./texts.js";

const WINDOW_SECONDS = 4; // the rate is that of the last seconds, so that it follows the network

export class LoadingView {
  show(name) {
    this.name = name;
    this.samples = [];
    $("loading-text").textContent = t("preparing", { name });
    $("loading-bar").removeAttribute("value");
    $("loading").hidden = false;
  }

  /** Takes the runtime's progress events. */
  update({ phase, loaded, total }) {
    const bar = $("loading-bar");
    if (total) bar.value = loaded / total;
    else bar.removeAttribute("value");
    if (phase !== "download") {
      $("loading-text").textContent = t("starting", { name: this.name });
      return;
    }
    const now = performance.now() / 1000;
    this.samples.push([now, loaded]);
    while (this.samples.length > 2 && now - this.samples[0][0] > WINDOW_SECONDS) this.samples.shift();
    const [then, before] = this.samples[0];
    const rate = now > then ? (loaded - before) / (now - then) : 0;
    const values = { loaded: formatBytes(loaded), total: formatBytes(total), rate: formatBytes(rate) };
    if (!rate) $("loading-text").textContent = t("preparing", { name: this.name });
    else if (!total) $("loading-text").textContent = t("downloadingUnknown", values);
    else $("loading-text").textContent = t("downloading", { ...values, left: formatTime((total - loaded) / rate) });
  }

  hide() {
    $("loading").hidden = true;
  }
}
