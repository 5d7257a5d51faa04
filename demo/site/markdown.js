// The Markdown that small models write, as elements: paragraphs, headings, lists, quotes, tables, code, emphasis.
// Everything else, HTML and links too, is shown as the text that it is.

import { el } from "./dom.js";

const LONGEST = 50_000; // characters; what comes behind, as an answer from a file may have, is text
const DEEPEST = 20; // quotes and lists in each other; what lies deeper is text
const FENCE = /^\s*(```|~~~)/;
const HEADING = /^(#{1,6})\s+(.*)$/;
const ITEM = /^(\s*)(?:[-*+]\s+|[・•]\s*|(\d{1,3})[.)]\s+)(.*)$/;
const QUOTE = /^>\s?(.*)$/;
const ROW = /^\s*\|(.*)$/;
const DASHES = /^\s*\|(?:\s*:?-+:?\s*\|)+\s*$/; // the line under a table's head
const BAR = /(?<!\\)\|/; // between cells; one behind a backslash is a cell's
// Code first: what stands in it is no emphasis. A star between letters or figures (2*3*4) is a star. What ends them is
// looked for so far and no further.
const CODE = /(?<!`)(`+)(?!`)(.{1,2000}?)(?<!`)\1(?!`)/;
const STRONG = /\*\*(?=\S)(.{1,2000}?)(?<=\S)\*\*/;
const EM = /(?<![\w*])\*(?=[^\s*])([^*\n]+?)(?<=\S)\*(?![\w*])/;
const INLINE = new RegExp([CODE, STRONG, EM].map(({ source }) => source).join("|"), "gs");

/** @typedef {[block: HTMLElement | null, next: number]} Read a block (null for an empty line), and the line after it */

/**
 * The elements of `source`, which may end in the middle (a fence still open is code up to the end).
 * @param {string} source @param {number} [depth] of quotes and lists around it
 */
export function markdown(source, depth = 0) {
  const end = source.length <= LONGEST ? source.length : source.lastIndexOf("\n", LONGEST) + 1 || LONGEST;
  const lines = source.slice(0, end).split("\n");
  /** @type {HTMLElement[]} */ const blocks = [];
  for (let at = 0; at < lines.length;) {
    const [block, next] = readBlock(lines, at, depth);
    if (block) blocks.push(block);
    at = next;
  }
  if (end < source.length) blocks.push(el("p", {}, source.slice(end)));
  return blocks;
}

/**
 * The block that begins at line `at`.
 * @param {string[]} lines @param {number} at @param {number} depth @returns {Read}
 */
function readBlock(lines, at, depth) {
  const line = lines[at];
  if (!line.trim()) return [null, at + 1];
  if (FENCE.test(line)) return readCode(lines, at);
  const heading = HEADING.exec(line);
  // The page has h1 and h2; an answer's headings stand below them.
  if (heading) {
    const tag = /** @type {"h3" | "h4" | "h5" | "h6"} */ (`h${Math.min(6, heading[1].length + 2)}`);
    return [el(tag, {}, ...inline(heading[2])), at + 1];
  }
  if (ITEM.test(line) && depth < DEEPEST) return readList(lines, at, depth);
  if (isTable(lines, at)) return readTable(lines, at);
  if (QUOTE.test(line) && depth < DEEPEST) {
    const end = endOf(lines, at, (one) => QUOTE.test(one));
    const inner = lines.slice(at, end).map((one) => one.replace(QUOTE, "$1"));
    return [el("blockquote", {}, ...markdown(inner.join("\n"), depth + 1)), end];
  }
  const isOther = (/** @type {string} */ one) => [FENCE, HEADING, ITEM, QUOTE].some((kind) => kind.test(one));
  const end = endOf(lines, at, (one, next) => one.trim() && !isOther(one) && !isTable(lines, next));
  return [el("p", {}, ...inline(lines.slice(at, end).join("\n"))), end];
}

/** @param {string[]} lines @param {number} at @param {(line: string, at: number) => unknown} belongs */
function endOf(lines, at, belongs) {
  let end = at + 1;
  while (end < lines.length && belongs(lines[end], end)) end += 1;
  return end;
}

/** @param {string[]} lines @param {number} at of a fence @returns {Read} */
function readCode(lines, at) {
  const [, mark] = /** @type {RegExpExecArray} */ (FENCE.exec(lines[at]));
  const end = endOf(lines, at, (one) => !one.trim().startsWith(mark));
  const code = el("code", {}, lines.slice(at + 1, end).join("\n"));
  return [el("pre", { tabIndex: 0 }, code), end + 1]; // with the focus it can be scrolled by keys
}

/**
 * Items at the first one's depth; deeper lines are the blocks of their item.
 * @param {string[]} lines @param {number} at @param {number} depth @returns {Read}
 */
function readList(lines, at, depth) {
  const [, indent, number] = /** @type {RegExpExecArray} */ (ITEM.exec(lines[at]));
  const start = number === undefined || number === "1" ? {} : { start: Number(number) };
  const list = el(number === undefined ? "ul" : "ol", start);
  while (at < lines.length) {
    const item = ITEM.exec(lines[at]);
    if (!item || item[1].length < indent.length || (item[2] === undefined) !== (number === undefined)) break;
    const end = endOf(lines, at, (one) => one.trim() && one.search(/\S/) > indent.length);
    const below = lines.slice(at + 1, end).map((one) => one.slice(indent.length + 2));
    list.append(el("li", {}, ...inline(item[3]), ...markdown(below.join("\n"), depth + 1)));
    at = end;
  }
  return [list, at];
}

/** @param {string[]} lines @param {number} at */
function isTable(lines, at) {
  return ROW.test(lines[at]) && DASHES.test(lines[at + 1] ?? "");
}

/** @param {string[]} lines @param {number} at of the head @returns {Read} */
function readTable(lines, at) {
  const end = endOf(lines, at, (one) => ROW.test(one));
  const sides = cellsOf(lines[at + 1]).map((dashes) => sideOf(dashes));
  const row = (/** @type {string} */ line, /** @type {"th" | "td"} */ tag) => {
    const cells = cellsOf(line).slice(0, sides.length);
    const side = (/** @type {number} */ place) => (sides[place] ? { "data-align": sides[place] } : {});
    return el("tr", {}, ...cells.map((cell, place) => el(tag, side(place), ...inline(cell))));
  };
  const head = el("thead", {}, row(lines[at], "th"));
  const body = el("tbody", {}, ...lines.slice(at + 2, end).map((line) => row(line, "td")));
  return [el("div", { className: "table", tabIndex: 0 }, el("table", {}, head, body)), end];
}

/** @param {string} line of a table */
function cellsOf(line) {
  const [, rest] = /** @type {RegExpExecArray} */ (ROW.exec(line));
  const cells = rest.trimEnd().split(BAR);
  if (cells.length > 1 && !cells.at(-1)) cells.pop(); // the line ends with a bar
  return cells.map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** @param {string} dashes */
function sideOf(dashes) {
  if (!dashes.endsWith(":")) return "";
  return dashes.startsWith(":") ? "center" : "right";
}

/** @param {string} text @returns {(Node | string)[]} */
function inline(text) {
  /** @type {(Node | string)[]} */ const nodes = [];
  let done = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, , code, strong, em] = match;
    if (match.index > done) nodes.push(text.slice(done, match.index));
    if (code !== undefined) nodes.push(el("code", {}, code.trim()));
    else nodes.push(strong !== undefined ? el("strong", {}, ...inline(strong)) : el("em", {}, ...inline(em)));
    done = match.index + whole.length;
  }
  if (done < text.length) nodes.push(text.slice(done));
  return nodes;
}
