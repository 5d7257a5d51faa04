// The models that this browser keeps: how much room they take, and a button to delete each.

import { forgetKept, listKept } from "./engine.js";
import { $, el, iconButton } from "./dom.js";
import { showError } from "./notice.js";
import { formatBytes, t } from "./texts.js";

/** @typedef {import("./wasm/runtime/lilm.mjs").Kept} Kept */

export class KeptView {
  /** What is kept, as of the last look. @type {Kept[]} */
  models = [];

  async refresh() {
    this.models = await listKept().catch(() => []); // storage is blocked: then nothing is kept
    $("kept").hidden = this.models.length === 0;
    $("kept-list").replaceChildren(...this.models.map((one) => this.#row(one)));
    const { usage = 0, quota } = this.models.length ? await navigator.storage.estimate() : {};
    $("kept-room").textContent = quota ? t("keptRoom", { usage: formatBytes(usage), quota: formatBytes(quota) }) : "";
  }

  /** Whether this version of a model of the site is kept, all of it. @param {import("./models-view.js").Entry} entry */
  isKept({ files = [] }) {
    const isHere = (/** @type {{file: string, sha256: string}} */ { file, sha256 }) => {
      const { href } = new URL(file, document.baseURI);
      return this.models.some((one) => one.complete && one.url === href && one.tag === sha256);
    };
    return files.length > 0 && files.every(isHere); // a file of the user's is no file of the site
  }

  /** @param {Kept} one */
  #row(one) {
    const state = one.complete ? "" : ` · ${t("keptPart")}`;
    const remove = iconButton("trash", t("forget", { name: one.name }), async () => {
      try {
        await forgetKept(one.key);
      } catch (error) {
        showError({ kind: "in_use", message: /** @type {Error} */ (error).message });
      }
      await this.refresh();
      $("kept-title").focus();
    });
    const size = el("span", { className: "size" }, formatBytes(one.bytes) + state);
    return el("li", {}, el("span", {}, one.name), size, remove);
  }
}
