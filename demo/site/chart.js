// Quality against size: a point per model that is a button, which chooses that model.

import { $, el } from "./dom.js";
import { formatBytes, languageName, t } from "./texts.js";

const NS = "http://www.w3.org/2000/svg";
const [LEFT, RIGHT, TOP, BOTTOM] = [17, 98, 10, 80]; // of the plot, in percent of the figure

/** @typedef {import("./models-view.js").Entry} Entry */

/**
 * Draw `entries` that were measured in `lang`; gives whether there was anything to compare.
 * @param {Entry[]} entries @param {Entry | undefined} chosen @param {string} lang
 * @param {(entry: Entry) => void} onChoose
 */
export function drawChart(entries, chosen, lang, onChoose) {
  const points = entries.flatMap((entry) => {
    const figures = entry.quality?.[lang];
    return figures ? [{ entry, size: entry.bytes, value: figures.bits_per_byte }] : [];
  });
  $("points").hidden = points.length < 2;
  if (points.length < 2) return false;
  points.sort((one, other) => one.size - other.size);
  const sizes = points.map(({ size }) => size);
  const values = points.map(({ value }) => value);
  const across = scale(sizes, LEFT, RIGHT);
  const up = scale(values, BOTTOM, TOP);
  const ends = [Math.min, Math.max];
  const labels = [
    ...ends.map((end) => label("size-label", formatBytes(end(...sizes)), across(end(...sizes)), BOTTOM + 5)),
    ...ends.map((end) => label("value-label", end(...values).toFixed(4), 0, up(end(...values)))),
  ];
  const buttons = points.map(({ entry, size, value }, at) => {
    const title = t("tryPoint", { name: entry.label, size: formatBytes(size), value: value.toFixed(4) });
    const state = { ariaLabel: title, ariaPressed: String(entry === chosen) };
    const button = el("button", { type: "button", className: "point", title, ...state });
    const name = el("span", { "aria-hidden": "true" }, entry.label);
    name.dataset.side = at % 2 ? "right" : "left"; // neighbours' names stay apart
    button.append(name);
    button.addEventListener("click", () => onChoose(entry));
    return place(button, across(size), up(value));
  });
  $("plot").replaceChildren(axes(points.map((point) => [across(point.size), up(point.value)])), ...labels, ...buttons);
  $("points-caption").textContent = t("pointsCaption", { language: languageName(lang) });
  return true;
}

/**
 * From values to percent; equal values lie in the middle.
 * @param {number[]} values @param {number} from @param {number} to
 */
function scale(values, from, to) {
  const least = Math.min(...values);
  const most = Math.max(...values);
  const inset = (to - from) * 0.17;
  if (most === least) return () => (from + to) / 2;
  return (/** @type {number} */ value) => from + inset + ((value - least) / (most - least)) * (to - from - 2 * inset);
}

/** @param {[across: number, up: number][]} places in percent */
function axes(places) {
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(NS, "path");
  path.setAttribute("d", `M${LEFT} ${TOP}V${BOTTOM}H${RIGHT}M${places.map((pair) => pair.join(" ")).join("L")}`);
  svg.append(path);
  return svg;
}

/** @param {string} className @param {string} text @param {number} x @param {number} y in percent */
function label(className, text, x, y) {
  return place(el("span", { className, "aria-hidden": "true" }, text), x, y);
}

/** @template {HTMLElement} E @param {E} node @param {number} x @param {number} y in percent @returns {E} */
function place(node, x, y) {
  node.style.left = `${x}%`;
  node.style.top = `${y}%`;
  return node;
}
