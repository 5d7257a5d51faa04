// Quality against size: a point per model that is a button, which chooses that model.

import { $, el } from "./dom.js";
import { formatBytes, languageName, significant, t } from "./texts.js";

const NS = "http://www.w3.org/2000/svg";
const [LEFT, RIGHT, TOP, BOTTOM] = [17, 98, 10, 80]; // of the plot, in percent of the figure
const LOWEST = 0.1; // of a divergence: a scale of its logarithm has no 0 for an interval to reach

/** @typedef {import("./models-view.js").Entry} Entry */

/**
 * Draw `entries` that were measured in `lang`; gives whether there was anything to compare. Up goes how far each is from
 * the unquantised model, where that was measured with an interval of each, else bits per byte.
 * @param {Entry[]} entries @param {Entry | undefined} chosen @param {string} lang
 * @param {(entry: Entry) => void} onChoose
 */
export function drawChart(entries, chosen, lang, onChoose) {
  const measured = entries.flatMap((entry) => {
    const figures = entry.quality?.[lang];
    return figures ? [{ entry, figures }] : [];
  });
  $("points").hidden = measured.length < 2;
  if (measured.length < 2) return false;
  const distances = measured.map(({ figures }) => distance(figures));
  const isDistance = !distances.includes(undefined);
  const points = measured.map(({ entry, figures }, at) => {
    const value = figures.bits_per_byte;
    return { entry, size: entry.bytes, ...((isDistance && distances[at]) || { value, low: value, high: value }) };
  });
  points.sort((one, other) => one.size - other.size);
  const sizes = points.map(({ size }) => size);
  const values = points.map(({ value }) => value);
  const height = isDistance ? Math.log : Number; // of files a hundred times as near, too, one sees how near they are
  const across = scale(sizes, LEFT, RIGHT);
  const percent = scale(
    [...points.map(({ low }) => height(low)), ...points.map(({ high }) => height(high))],
    BOTTOM,
    TOP,
  );
  const up = (/** @type {number} */ value) => percent(height(value));
  const show = (/** @type {number} */ value) => (isDistance ? significant(value) : value.toFixed(4));
  const ends = [Math.min, Math.max];
  const labels = [
    ...ends.map((end) => label("size-label", formatBytes(end(...sizes)), across(end(...sizes)), BOTTOM + 5)),
    ...ends.map((end) => label("value-label", show(end(...values)), 0, up(end(...values)))),
    label("size-label axis", t("sizeAxis"), (LEFT + RIGHT) / 2, BOTTOM + 14),
    label("value-label axis", t(isDistance ? "distanceAxis" : "bitsAxis"), 0, TOP / 2),
  ];
  const buttons = points.map(({ entry, size, value }, at) => {
    const told = { name: entry.label, size: formatBytes(size), value: show(value) };
    const title = t(isDistance ? "tryDistance" : "tryPoint", told);
    const state = { ariaLabel: title, ariaPressed: String(entry === chosen) };
    const button = el("button", { type: "button", className: "point", title, ...state });
    const name = el("span", { "aria-hidden": "true" }, entry.label);
    name.dataset.side = at % 2 ? "right" : "left"; // neighbours' names stay apart
    button.append(name);
    button.addEventListener("click", () => onChoose(entry));
    return place(button, across(size), up(value));
  });
  const line = points.map(({ size, value }) => `${across(size)} ${up(value)}`).join("L");
  const bars = points.map(({ size, low, high }) => `M${across(size)} ${up(low)}V${up(high)}`).join("");
  $("plot").replaceChildren(axes(`M${line}${isDistance ? bars : ""}`), ...labels, ...buttons);
  $("points-caption").textContent = t(isDistance ? "distanceCaption" : "pointsCaption", {
    language: languageName(lang),
  });
  return true;
}

/**
 * The divergence and its interval, which on this scale ends above 0; undefined where it was not measured.
 * @param {import("./models-view.js").Figures} figures
 */
function distance({ kld_mean: value, kld_ci95: ends }) {
  if (!value || !ends) return undefined;
  return { value, low: Math.max(ends[0], value * LOWEST), high: ends[1] };
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

/** @param {string} more a path in percent */
function axes(more) {
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(NS, "path");
  path.setAttribute("d", `M${LEFT} ${TOP}V${BOTTOM}H${RIGHT}${more}`);
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
