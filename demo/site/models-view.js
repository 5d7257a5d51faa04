// The picker: each file's size, memory, whether it fits, and measured quality; the chart that compares them; and what
// is kept on the device.

import { drawChart } from "./chart.js";
import { $, el } from "./dom.js";
import { fitOf } from "./fits.js";
import { KeptView } from "./kept-view.js";
import { ADAPTER, modelAddress, nameIn, PART } from "./address.js";
import { kept } from "./store.js";
import { formatBytes, languageName, significant, t } from "./texts.js";

const CHOSEN = "lilm.model"; // the name of the one that was chosen last

/**
 * @typedef {{bits_per_byte: number, kld_mean: number | null, top1_agreement: number | null, kld_ci95?: [number, number] | null}} Figures
 *   kld_ci95: where the files were measured with intervals
 * @typedef {Record<string, Figures>} Quality by language
 *
 * @typedef {Object} Entry a model that can be chosen
 * @property {string} name
 * @property {string} label
 * @property {string | File | File[] | {opfs: string}} source opfs: one that is kept, by its key
 * @property {number} bytes 0 where they are not known yet
 * @property {string} [chunks] address of the list of chunks
 * @property {string} [lora] address of an adapter that goes over it
 * @property {string} [lora_chunks] address of its list of chunks
 * @property {{file: string, sha256: string}[]} [files] that it consists of
 * @property {number} [memory] bytes that it needs
 * @property {boolean} [memory64] in a build with 64-bit memory
 * @property {Quality} [quality]
 * @property {boolean} [local] a file of the user's
 * @property {boolean} [foreign] from an address that the user typed
 */

export class ModelsView {
  /**
   * @param {Entry[]} entries the first is the default @param {import("./engine.js").Engine} engine
   * @param {{lang: string, onLoad: (entry: Entry) => void}} does lang: the language whose quality the chart shows
   */
  constructor(entries, engine, { lang, onLoad }) {
    this.entries = entries;
    const chosen = kept.get(CHOSEN);
    /** @type {Entry} */ this.chosen = entries.find(({ name }) => name === chosen) ?? entries[0];
    this.engine = engine;
    this.lang = lang;
    this.onLoad = onLoad;
    this.keptView = new KeptView();
    $("open-models").addEventListener("click", async () => {
      this.render();
      $("models").showModal();
      await this.keptView.refresh();
      this.#listKept();
      this.render();
    });
    $("load").addEventListener("click", () => {
      $("models").close();
      onLoad(this.chosen);
    });
    $("open-file").addEventListener("click", () => $("file").click());
    $("file").addEventListener("change", () => {
      const files = [...($("file").files ?? [])];
      $("file").value = ""; // so that the same file can be chosen again
      this.open(files);
    });
    $("address").addEventListener("input", () => $("address").setCustomValidity(""));
    $("address-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#openAddress($("address").value);
    });
    engine.addEventListener("change", () => {
      this.renderChip();
      if ($("models").open) this.render();
    });
  }

  /** Load a model of the user's; of one in parts or with an adapter, all files at once. @param {File[]} files */
  open(files) {
    const sorted = files.toSorted((one, other) => (one.name < other.name ? -1 : 1));
    const [first] = sorted;
    if (!first) return;
    const bytes = sorted.reduce((sum, { size }) => sum + size, 0);
    const source = sorted.length > 1 ? sorted : first;
    this.chosen = { name: first.name, label: first.name, source, bytes, local: true };
    this.entries = [...this.entries.filter((entry) => !entry.local), this.chosen];
    $("models").close();
    this.onLoad(this.chosen);
  }

  /** @param {string} typed */
  #openAddress(typed) {
    const source = modelAddress(typed);
    if (!source) {
      $("address").setCustomValidity(t("noAddress"));
      $("address").reportValidity();
      return;
    }
    $("address").value = "";
    const name = nameIn(source);
    this.chosen = { name, label: name, source, bytes: 0, foreign: true };
    this.entries = [...this.entries.filter((entry) => entry.source !== source), this.chosen];
    kept.set(CHOSEN, name);
    $("models").close();
    this.onLoad(this.chosen);
  }

  /** Offer what is kept here and is none of this page's own, once it is whole; no longer what was deleted. */
  #listKept() {
    const { entry: loaded } = this.engine;
    const gone = (/** @type {Entry} */ entry) => entry.foreign && entry !== loaded && entry !== this.chosen;
    this.entries = this.entries.filter((entry) => !gone(entry));
    this.entries.push(...foreignEntries(this.keptView.models, this.entries));
  }

  renderChip() {
    const entry = this.engine.entry ?? this.chosen;
    const bytes = this.engine.state === "idle" ? entry?.bytes : 0;
    $("model-label").textContent = entry?.label ?? t("noModel");
    $("model-size").textContent = bytes ? formatBytes(bytes) : "";
    $("model-dot").dataset.state = this.engine.state;
    $("open-models").title = t("models");
  }

  render() {
    $("model-list").replaceChildren(...this.entries.map((entry, at) => this.#card(entry, at)));
    $("quality-hint").hidden = !this.entries.some((entry) => entry.quality);
    this.#renderChart();
    this.#renderButton();
  }

  /** Forget a file or an address of the user's that turned out to be no model. @param {Entry} entry */
  discard(entry) {
    this.entries = this.entries.filter((other) => other !== entry);
    this.chosen = this.entries[0];
    this.renderChip();
  }

  /**
   * The report, and its chart where the page has too little to draw its own.
   * @param {string[]} charts addresses @param {string | null} report address
   */
  showReport(charts, report) {
    const image = this.#renderChart() ? undefined : charts[0];
    $("chart").hidden = !image && !report;
    $("chart-image").hidden = !image;
    if (image) $("chart-image").src = image;
    $("chart-image").alt = t("chart");
    $("report-link").hidden = !report;
    if (report) $("report-link").href = report;
  }

  #renderChart() {
    return drawChart(this.entries, this.chosen, this.lang, (entry) => {
      this.#choose(entry);
      this.render();
      /** @type {HTMLElement | null} */ ($("plot").querySelector("[aria-pressed=true]"))?.focus();
    });
  }

  /** @param {Entry} entry */
  #choose(entry) {
    this.chosen = entry;
    if (!entry.local) kept.set(CHOSEN, entry.name); // a file of the user's cannot be opened again without them
    this.renderChip();
  }

  #renderButton() {
    const entry = this.chosen;
    const isLoaded = this.engine.state === "ready" && this.engine.entry === entry;
    $("load").disabled = !entry || isLoaded;
    const size = entry?.bytes ? formatBytes(entry.bytes) : (entry?.label ?? "");
    $("load").textContent = isLoaded ? t("loaded") : t("load", { size });
  }

  /** @param {Entry} entry @param {number} at */
  #card(entry, at) {
    const radio = el("input", { type: "radio", name: "model", value: entry.name, checked: entry === this.chosen });
    radio.addEventListener("change", () => {
      this.#choose(entry);
      this.#renderButton();
      this.#renderChart();
    });
    const name = el("span", { className: "name" }, entry.label);
    if (this.engine.state === "ready" && this.engine.entry === entry) name.append(badge(t("loaded"), "ready"));
    else if (entry.local) name.append(badge(t("yourFile")));
    else if (entry.foreign) name.append(badge(t("otherSite")));
    else if (at === 0 && this.entries.length > 1) name.append(badge(t("defaultModel")));
    if (this.keptView.isKept(entry)) name.append(badge(t("kept")));
    const size = el("span", { className: "size" }, el("b", {}, entry.bytes ? formatBytes(entry.bytes) : ""));
    if (entry.memory) size.append(` · ${t("memory", { size: formatBytes(entry.memory) })}`);
    const fit = fitOf(entry);
    const fitting = el("span", { className: "fit", "data-fit": fit }, t(`fit_${fit}`));
    const lines = el("span", { className: "facts" }, fitting, ...facts(entry.quality ?? {}));
    return el("label", { className: "model" }, radio, name, size, lines);
  }
}

/**
 * The kept models that can be chosen and are none of `entries`.
 * @param {import("./wasm/runtime/lilm.mjs").Kept[]} models @param {Entry[]} entries @returns {Entry[]}
 */
export function foreignEntries(models, entries) {
  const addresses = entries.flatMap(({ source, files = [] }) => [source, ...files.map(({ file }) => file)]);
  const known = addresses.map((one) => (typeof one === "string" ? new URL(one, document.baseURI).href : one));
  const keys = new Set(entries.map(({ source }) => typeof source === "object" && "opfs" in source && source.opfs));
  const others = models.filter(({ key, url, complete }) => complete && !keys.has(key) && !known.includes(url));
  const whole = others.filter(({ url }) => !PART.test(url) && !ADAPTER.test(url)); // these alone are no models
  return whole.map(({ key, name, bytes }) => ({ name, label: name, source: { opfs: key }, bytes, foreign: true }));
}

/** @param {string} text @param {string} [state] */
function badge(text, state = "") {
  const node = el("span", { className: "badge" }, text);
  if (state) node.dataset.state = state;
  return node;
}

/** The measured figures, a line per language. @param {Quality} quality */
function facts(quality) {
  return Object.entries(quality).map(([lang, figures]) => {
    const pieces = [t("bitsPerByte", { value: figures.bits_per_byte.toFixed(3) })];
    if (figures.kld_mean !== null) pieces.push(t("divergence", { value: significant(figures.kld_mean) }));
    if (figures.top1_agreement !== null)
      pieces.push(t("sameTop", { value: (100 * figures.top1_agreement).toFixed(1) }));
    const unbroken = pieces.map((piece) => piece.replaceAll(" ", "\u00a0"));
    return el("span", {}, el("b", {}, languageName(lang)), ` ${unbroken.join(" · ")}`);
  });
}
