// Two helpers to build and find elements. Text always goes in as text, never as HTML.

/**
 * Those of index.html's elements, by id, of which more is used than what every element has.
 * @typedef {Object} Special
 * @property {HTMLInputElement} address
 * @property {HTMLFormElement} composer
 * @property {HTMLTextAreaElement} prompt
 * @property {HTMLButtonElement} send
 * @property {HTMLInputElement} file
 * @property {HTMLInputElement} import-file
 * @property {HTMLTextAreaElement} system
 * @property {HTMLMeterElement} context-meter
 * @property {HTMLButtonElement} load
 * @property {HTMLDialogElement} models
 * @property {HTMLDialogElement} settings
 * @property {HTMLDialogElement} talks
 * @property {HTMLProgressElement} loading-bar
 * @property {HTMLImageElement} chart-image
 * @property {HTMLAnchorElement} report-link
 */

/** @template {string} Id @param {Id} id of an element of index.html */
export function $(id) {
  return /** @type {Id extends keyof Special ? Special[Id] : HTMLElement} */ (document.getElementById(id));
}

/**
 * An element with properties (`class`, `data-…`, `aria-…` and `role` as attributes) and children.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Record<string, unknown>} [props] @param {(Node | string)[]} children
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name in node) Object.assign(node, { [name]: value });
    else node.setAttribute(name, String(value));
  }
  node.append(...children);
  return node;
}

/** Whether the focus may move by itself: on a touch screen the box with the focus would bring up the keyboard. */
export function hasKeyboard() {
  return matchMedia("(pointer: fine)").matches;
}

const ICONS = new URL("icons.svg", import.meta.url).href;

/** @param {string} name of a symbol of icons.svg */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `${ICONS}#${name}`);
  svg.append(use);
  return svg;
}

/** @param {string} name @param {string} label @param {() => void} onclick */
export function iconButton(name, label, onclick) {
  return el("button", { type: "button", className: "icon", title: label, ariaLabel: label, onclick }, icon(name));
}
