// The conversation that is open in this tab. Whatever changes in it is written down, an answer while it is written too.
// It outlives an error, a reload and the tab; a new tab begins with the one last opened.

import { LIMITS, newTalk, readTalk, wordsOf } from "./record.js";
import { kept, tab } from "./store.js";

/**
 * @typedef {import("./record.js").Talk} Talk
 * @typedef {import("./record.js").Said} Said
 * @typedef {import("./record.js").Answer} Answer
 * @typedef {import("./record.js").Version} Version
 */

const OPEN = "lilm.open"; // the id of the one that is open
const EARLIER = "lilm.chat"; // where the page kept its only conversation once
const SYSTEM = "lilm.system"; // the system prompt that a new one begins with
const PAUSE_MS = 400; // between two writes of an answer that grows

export class Conversation extends EventTarget {
  talk = newTalk();
  isBusy = false; // while an answer is written, which no other tab's words replace
  #saving = Promise.resolve(); // the writes so far, one after another
  #waiting = 0; // of them
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #soon;

  /** @param {import("./shelf.js").Shelf} shelf */
  constructor(shelf) {
    super();
    this.shelf = shelf;
    shelf.onChange((id) => this.#changedElsewhere(id));
    document.addEventListener("visibilitychange", () => void this.flush());
  }

  /** Open the tab's conversation, else the one last opened anywhere. */
  async start() {
    await this.#takeEarlier();
    const id = tab.get(OPEN) ?? kept.get(OPEN);
    const talk = typeof id === "string" ? await this.shelf.get(id) : null;
    this.open(talk ?? { ...this.#fresh(), ...(typeof id === "string" && { id }) });
  }

  /** @param {Talk} talk */
  open(talk) {
    this.talk = talk;
    tab.set(OPEN, talk.id);
    kept.set(OPEN, talk.id);
  }

  begin() {
    this.open(this.#fresh());
  }

  get messages() {
    return this.talk.messages;
  }

  get last() {
    return this.messages.at(-1);
  }

  get waitsForAnswer() {
    return this.last?.role === "user";
  }

  /** The last answer's version that is shown. @returns {Version | null} */
  get version() {
    return this.last?.role === "assistant" ? this.last.versions[this.last.shown] : null;
  }

  /**
   * Put a question in the place of an earlier one, or at the end; what stood there and behind goes. Where the earlier
   * one stands no more, since another tab has asked something else, none of that tab's words go.
   * @param {string} content @param {import("./composer.js").Edited | null} edited
   */
  ask(content, edited) {
    const was = edited && this.messages[edited.place];
    const stands = was?.role === "user" && was.content === edited?.text;
    // A question never answered is replaced.
    const end = stands ? edited?.place : this.messages.length - Number(this.waitsForAnswer);
    this.talk.messages = [...this.messages.slice(0, end), { role: "user", content }];
    return this.save();
  }

  /** A further version of the last answer, or the first. @param {Version} version */
  answer(version) {
    if (this.last?.role !== "assistant")
      return void this.messages.push({ role: "assistant", versions: [version], shown: 0 });
    const { versions } = this.last;
    if (versions.length === LIMITS.versions) versions.shift();
    this.last.shown = versions.push(version) - 1;
  }

  /** Whether `version` is one of the last answer's. @param {Version} version */
  holds(version) {
    return this.last?.role === "assistant" && this.last.versions.includes(version);
  }

  /** @param {number} place of an answer @param {number} shown its version */
  show(place, shown) {
    const said = this.messages[place];
    if (said?.role !== "assistant" || !said.versions[shown]) return;
    said.shown = shown;
    void this.save();
  }

  /** @param {string} system prompt */
  setSystem(system) {
    this.talk.system = system;
    kept.set(SYSTEM, system);
    if (this.messages.length) this.saveSoon();
  }

  /**
   * What the model gets: all, whose last answer goes on, or all before that answer.
   * @param {boolean} goesOn @returns {import("./wasm/runtime/lilm.mjs").Message[]}
   */
  prompt(goesOn) {
    const { system, messages } = this.talk;
    const said = messages.slice(0, this.last?.role === "assistant" && !goesOn ? -1 : undefined);
    const all = said.map((one) => ({ role: one.role, content: wordsOf(one) }));
    return system.trim() ? [{ role: "system", content: system.trim() }, ...all] : all;
  }

  /** Settles when all that has changed is written down. */
  flush() {
    return this.#soon === undefined ? this.#saving : this.save();
  }

  /** Write it down within a moment. */
  saveSoon() {
    this.#soon ??= setTimeout(() => void this.save(), PAUSE_MS);
  }

  /** Write it down; settles when that is done, or told as the event "lost" or "copied". */
  save() {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    const { talk } = this;
    this.#waiting += 1;
    this.#saving = this.#saving.then(() => this.#write(talk)).finally(() => (this.#waiting -= 1));
    return this.#saving;
  }

  /** @param {Talk} talk */
  async #write(talk) {
    try {
      const { id, revision } = await this.shelf.put({ ...talk, changed: Date.now() });
      const isCopy = id !== talk.id;
      Object.assign(talk, { id, revision });
      if (!isCopy) return;
      if (talk === this.talk) this.open(talk);
      this.dispatchEvent(new Event("copied"));
    } catch (error) {
      this.dispatchEvent(new CustomEvent("lost", { detail: error }));
    }
  }

  /** Another tab has written or deleted a conversation. @param {string} id */
  async #changedElsewhere(id) {
    this.dispatchEvent(new Event("elsewhere"));
    const there = await this.shelf.get(id);
    // Deleted there, it stays here: what is on the screen does not vanish. The next word writes it down again.
    if (!there || id !== this.talk.id || there.revision <= this.talk.revision) return;
    if (this.isBusy || this.#waiting || this.#soon !== undefined) return; // ours becomes a copy when it is written
    this.talk = there;
    this.dispatchEvent(new Event("changed"));
  }

  #fresh() {
    const system = kept.get(SYSTEM);
    return newTalk(typeof system === "string" ? system : "");
  }

  /** The conversation of a page that kept one only, which becomes one of many. */
  async #takeEarlier() {
    const messages = kept.get(EARLIER);
    const talk = readTalk({ ...newTalk(), messages });
    if (talk?.messages.length) {
      await this.shelf.put(talk);
      this.open(talk);
    }
    kept.remove(EARLIER);
    tab.remove(EARLIER);
  }
}
