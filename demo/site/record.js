// What a conversation is when it lies still: its shape, its limits, and the check of everything that comes from outside
// (storage, another tab, a file). What does not pass is nothing of ours.

/**
 * @typedef {"writing" | "eos" | "length" | "context_full" | "aborted"} End how an answer ended, by the runtime's names;
 *   writing: it did not, since the page was left or the model failed
 *
 * @typedef {Object} Version one try at an answer
 * @property {string} content
 * @property {End} end
 * @property {number} tokens generated
 * @property {number} seconds of the generation
 * @property {number} context tokens of the context in use after it
 *
 * @typedef {{role: "user", content: string}} Question
 * @typedef {{role: "assistant", versions: Version[], shown: number}} Answer
 * @typedef {Question | Answer} Said
 *
 * @typedef {Object} Talk a conversation
 * @property {string} id
 * @property {string} name that was given to it; "" lets its first question be the name
 * @property {string} system prompt
 * @property {number} changed milliseconds since 1970
 * @property {number} revision one more with each write; 0 before the first
 * @property {Said[]} messages questions and answers in turns; a question is first
 */

export const LIMITS = Object.freeze({ name: 200, text: 1_000_000, messages: 10_000, versions: 100, talks: 5000 });
/** @type {readonly string[]} */ const ENDS = ["writing", "eos", "length", "context_full", "aborted"];
const LAST = 8.64e15; // what Date can say
const SHORT = 48; // characters of a question that stand for a name

/** @param {string} [system] @returns {Talk} */
export function newTalk(system = "") {
  return { id: newId(), name: "", system, changed: Date.now(), revision: 0, messages: [] };
}

/** 128 random bits; crypto.randomUUID is not there without https. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} [content] @returns {Version} */
export function newVersion(content = "") {
  return { content, end: "writing", tokens: 0, seconds: 0, context: 0 };
}

/** The words of a message that are shown, which the model gets too. @param {Said} said */
export function wordsOf(said) {
  return said.role === "user" ? said.content : said.versions[said.shown].content;
}

/** Its name, or its first question's beginning; "" when it has neither. @param {Talk} talk */
export function nameOf({ name, messages: [first] }) {
  if (name || first?.role !== "user") return name;
  const line = first.content.replace(/\s+/g, " ");
  return line.length > SHORT ? `${[...line].slice(0, SHORT).join("")}…` : line;
}

/** `value` as a conversation, without what is none of its parts; null when it is not one. @returns {Talk | null} */
export function readTalk(/** @type {unknown} */ value) {
  if (!isObject(value) || !Array.isArray(value.messages) || value.messages.length > LIMITS.messages) return null;
  const { id, name = "", system = "", changed = 0, revision = 0 } = value;
  const messages = value.messages.map(readSaid);
  const isGood =
    isText(id, 100) && id && isText(name, LIMITS.name) && isText(system) && isCount(changed, LAST) && isCount(revision);
  if (!isGood || !messages.every((one, at) => one?.role === (at % 2 ? "assistant" : "user"))) return null;
  return { id, name, system, changed, revision, messages: /** @type {Said[]} */ (messages) };
}

/** @param {unknown} value @returns {Said | null} */
function readSaid(value) {
  if (!isObject(value)) return null;
  const { role, content } = value;
  if (role === "user") return isText(content) ? { role, content } : null;
  if (role !== "assistant") return null;
  // A message as chat programs write it has one text, which its writer took for whole.
  if (isText(content)) return { role, versions: [{ ...newVersion(content), end: "eos" }], shown: 0 };
  if (!Array.isArray(value.versions) || value.versions.length > LIMITS.versions) return null;
  const versions = value.versions.map(readVersion);
  const shown = value.shown ?? versions.length - 1;
  if (!isCount(shown) || !versions[shown] || versions.includes(null)) return null;
  return { role, versions: /** @type {Version[]} */ (versions), shown };
}

/** @param {unknown} value @returns {Version | null} */
function readVersion(value) {
  if (!isObject(value)) return null;
  const { content, end, tokens = 0, seconds = 0, context = 0 } = value;
  if (!isText(content) || !isEnd(end) || !isCount(tokens) || !isCount(context)) return null;
  if (typeof seconds !== "number" || !(seconds >= 0 && seconds < Infinity)) return null;
  return { content, end, tokens, seconds, context };
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {unknown} value @param {number} [most] characters @returns {value is string} */
function isText(value, most = LIMITS.text) {
  return typeof value === "string" && value.length <= most;
}

/** @param {unknown} value @param {number} [most] @returns {value is number} */
function isCount(value, most = Number.MAX_SAFE_INTEGER) {
  return Number.isInteger(value) && /** @type {number} */ (value) >= 0 && /** @type {number} */ (value) <= most;
}

/** @param {unknown} value @returns {value is End} */
function isEnd(value) {
  return typeof value === "string" && ENDS.includes(value);
}
