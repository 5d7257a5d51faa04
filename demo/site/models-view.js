// The picker: each file's size, memory and measured quality, and the chart that compares them.

import { $, el } from "./dom.js";
import { formatBytes, languageName, t } from "./texts.js";

export class ModelsView {
  /** `entries`: {name, label, source, bytes, memory?, quality?}; the first is the default. */
  constructor(entries, engine, { onLoad }) {
    this.entries = entries;
    this.chosen = entries[0];
    this.engine = engine;
    $("open-models").addEventListener("click", () => {
      this.render();
      $("models").showModal();
    });
    $("load").addEventListener("click", () => {
      $("models").close();
      onLoad(this.chosen);
    });
    $("open-file").addEventListener("click", () => $("file").click());
    $("file").addEventListener("change", (event) => {
      const [file] = event.target.files;
      event.target.value = ""; // so that the same file can be chosen again
      if (!file) return;
      this.chosen = { name: file.name, label: file.name, source: file, bytes: file.size, local: true };
      this.entries = [...this.entries.filter((entry) => !entry.local), this.chosen];
      $("models").close();
      onLoad(this.chosen);
    });
    engine.addEventListener("change", () => {
      this.renderChip();
      if ($("models").open) this.render();
    });
  }

  renderChip() {
    const entry = this.engine.entry ?? this.chosen;
    $("model-label").textContent = entry?.label ?? t("noModel");
    $("model-size").textContent = entry && this.engine.state === "idle" ? formatBytes(entry.bytes) : "";
    $("model-dot").dataset.state = this.engine.state;
    $("open-models").title = t("models");
  }

  render() {
    $("model-list").replaceChildren(...this.entries.map((entry, at) => this.#card(entry, at)));
    $("quality-hint").hidden = !this.entries.some((entry) => entry.quality);
    this.#renderButton();
  }

  /** Forget a file of the user's that turned out to be no model. */
  discard(entry) {
    this.entries = this.entries.filter((other) => other !== entry);
    this.chosen = this.entries[0];
    this.renderChip();
  }

  showCharts(charts, report) {
    $("chart").hidden = charts.length === 0 && !report;
    $("chart-image").hidden = charts.length === 0;
    if (charts.length) $("chart-image").src = charts[0];
    $("chart-image").alt = t("chart");
    $("report-link").hidden = !report;
    if (report) $("report-link").href = report;
  }

  #renderButton() {
    const entry = this.chosen;
    const isLoaded = this.engine.state === "ready" && this.engine.entry === entry;
    $("load").disabled = !entry || isLoaded;
    $("load").textContent = isLoaded ? t("loaded") : t("load", { size: formatBytes(entry?.bytes ?? 0) });
  }

  #card(entry, at) {
    const radio = el("input", { type: "radio", name: "model", value: entry.name, checked: entry === this.chosen });
    radio.addEventListener("change", () => {
      this.chosen = entry;
      this.#renderButton();
      this.renderChip();
    });
    const name = el("span", { className: "name" }, entry.label);
    if (this.engine.state === "ready" && this.engine.entry === entry) name.append(badge(t("loaded"), "ready"));
    else if (entry.local) name.append(badge(t("yourFile")));
    else if (at === 0 && this.entries.length > 1) name.append(badge(t("defaultModel")));
    const size = el("span", { className: "size" }, el("b", {}, formatBytes(entry.bytes)));
    if (entry.memory) size.append(` · ${t("memory", { size: formatBytes(entry.memory) })}`);
    return el("label", { className: "model" }, radio, name, size, el("span", { className: "facts" }, ...facts(entry.quality)));
  }

}

function badge(text, state = "") {
  const node = el("span", { className: "badge" }, text);
  if (state) node.dataset.state = state;
  return node;
}

/** The measured figures, a line per language. */
function facts(quality) {
  return Object.entries(quality ?? {}).map(([lang, figures]) => {
    const pieces = [t("bitsPerByte", { value: figures.bits_per_byte.toFixed(3) })];
    if (figures.kld_mean !== null) pieces.push(t("divergence", { value: significant(figures.kld_mean) }));
    if (figures.top1_agreement !== null) pieces.push(t("sameTop", { value: (100 * figures.top1_agreement).toFixed(1) }));
    const unbroken = pieces.map((piece) => piece.replaceAll(" ", "\u00a0"));
    return el("span", {}, el("b", {}, languageName(lang)), ` ${unbroken.join(" · ")}`);
  });
}

function significant(value) {
  return value >= 0.001 ? value.toPrecision(2) : value.toExponential(1);
}
