// Conversations as files: JSON that this page reads again, and Markdown for people. What comes in is checked in full
// before anything of it is kept.

import { el } from "./dom.js";
import { LIMITS, nameOf, newId, readTalk, wordsOf } from "./record.js";
import { t } from "./texts.js";

/** @typedef {import("./record.js").Talk} Talk */

const FORMAT = "lilm-conversations";
const MOST_BYTES = 64e6; // of a file that is read

/** Save conversations as JSON. @param {Talk[]} talks */
export function saveJson(talks) {
  const conversations = talks.map(({ revision: _, ...talk }) => talk); // how often this browser wrote it is no one's
  const text = JSON.stringify({ format: FORMAT, version: 1, conversations }, null, 1);
  save(text, "application/json", `${talks.length === 1 ? fileName(talks[0]) : "conversations"}.json`);
}

/** Save a conversation as Markdown, with the answers as they are shown. @param {Talk} talk */
export function saveMarkdown(talk) {
  const said = talk.messages.map((one) => `## ${t(one.role === "user" ? "you" : "model")}\n\n${wordsOf(one)}\n`);
  const system = talk.system.trim() ? [`## ${t("system")}\n\n${talk.system.trim()}\n`] : [];
  const text = [`# ${nameOf(talk) || t("unnamed")}\n`, ...system, ...said].join("\n");
  save(text, "text/markdown", `${fileName(talk)}.md`);
}

/**
 * The conversations of a file that saveJson wrote. Throws an Error whose message says what is wrong with it.
 * @param {Blob} file @returns {Promise<Talk[]>}
 */
export async function readJson(file) {
  if (file.size > MOST_BYTES) throw new Error(t("importTooBig"));
  /** @type {unknown} */ let parsed = null;
  try {
    parsed = JSON.parse(await file.text());
  } catch {
    throw new Error(t("importNotJson"));
  }
  const { format, version, conversations } = /** @type {Record<string, unknown>} */ (parsed ?? {});
  if (format !== FORMAT || version !== 1 || !Array.isArray(conversations)) throw new Error(t("importNotOurs"));
  if (conversations.length > LIMITS.talks) throw new Error(t("importTooBig"));
  return conversations.map((one, at) => {
    const talk = readTalk(one);
    if (!talk) throw new Error(t("importDamaged", { n: at + 1 }));
    return { ...talk, revision: 0 };
  });
}

/**
 * Put conversations on the shelf beside those that are there; gives how many were new. One that is there with the same
 * words stays as it is.
 * @param {Talk[]} talks @param {import("./shelf.js").Shelf} shelf
 */
export async function takeIn(talks, shelf) {
  const here = new Map((await shelf.all()).map((talk) => [talk.id, talk]));
  let taken = 0;
  for (const talk of talks) {
    const known = here.get(talk.id);
    if (known && isSame(known, talk)) continue;
    const own = known ? { ...talk, id: newId() } : talk;
    const written = await shelf.put(own);
    here.set(written.id, own);
    taken += 1;
  }
  return taken;
}

/** @param {Talk} one @param {Talk} other */
function isSame(one, other) {
  const [words, others] = [one, other].map(({ name, system, messages }) => JSON.stringify([name, system, messages]));
  return words === others;
}

/** A name that every system takes. @param {Talk} talk */
function fileName(talk) {
  const words = nameOf(talk).match(/[\p{L}\p{N}]+/gu) ?? [];
  return [...words.join("-")].slice(0, 60).join("") || "conversation";
}

/** @param {string} text @param {string} type @param {string} download its name */
function save(text, type, download) {
  const href = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href, download }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000); // when the browser has read it
}
