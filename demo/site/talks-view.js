// The list of conversations: open, rename and delete one, save them as files and read such files.

import { forgetDraft, isComposing } from "./composer.js";
import { $, el, iconButton } from "./dom.js";
import { hideNotice, showNotice } from "./notice.js";
import { LIMITS, nameOf } from "./record.js";
import { formatDate, t } from "./texts.js";
import { readJson, saveJson, saveMarkdown, takeIn } from "./transfer.js";

/** @typedef {import("./record.js").Talk} Talk */

export class TalksView {
  #renaming = ""; // the id of the one whose name is being written

  /**
   * @param {import("./shelf.js").Shelf} shelf @param {import("./conversation.js").Conversation} chat the open one
   * @param {{onOpen: (talk: Talk) => void, onGone: () => Promise<void>}} does onGone: the open one was deleted
   */
  constructor(shelf, chat, { onOpen, onGone }) {
    this.shelf = shelf;
    this.chat = chat;
    this.onOpen = onOpen;
    this.onGone = onGone;
    $("open-talks").addEventListener("click", async () => {
      this.#renaming = "";
      $("deleted").hidden = true;
      await this.render();
      $("talks").showModal();
    });
    $("save-markdown").addEventListener("click", () => saveMarkdown(chat.talk));
    $("save-json").addEventListener("click", () => saveJson([chat.talk]));
    $("save-all").addEventListener("click", async () => saveJson(await shelf.all()));
    $("import").addEventListener("click", () => $("import-file").click());
    $("import-file").addEventListener("change", () => {
      const [file] = $("import-file").files ?? [];
      if (file) void this.take(file);
      $("import-file").value = "";
    });
    // Whoever goes through the list by keyboard keeps the place.
    const isUsed = () => $("talk-list").contains(document.activeElement);
    chat.addEventListener("elsewhere", () => $("talks").open && !isUsed() && void this.render());
  }

  async render() {
    const talks = await this.shelf.all();
    $("talk-list").replaceChildren(...talks.map((talk) => this.#row(talk)));
    $("no-talks").hidden = talks.length > 0;
    $("save-all").hidden = talks.length === 0;
    $("save-one").hidden = this.chat.messages.length === 0;
    $("talk-list").querySelector("input")?.select();
  }

  /** Read a file of conversations. @param {File} file */
  async take(file) {
    $("talks").close();
    try {
      const talks = await readJson(file);
      const n = await takeIn(talks, this.shelf);
      showNotice(t(n ? "imported" : "importedNone", { n }), "hint", () => $("open-talks").click(), t("talks"));
    } catch (error) {
      showNotice(t("notImported", { message: /** @type {Error} */ (error).message }), "error");
    }
  }

  /** @param {Talk} talk */
  #row(talk) {
    const name = nameOf(talk) || t("unnamed");
    if (talk.id === this.#renaming) return el("li", {}, this.#nameBox(talk, name));
    const id = { "data-id": talk.id };
    const open = el("button", { type: "button", className: "talk" }, el("span", {}, name));
    open.append(el("time", { dateTime: new Date(talk.changed).toISOString() }, formatDate(talk.changed)));
    if (talk.id === this.chat.talk.id) open.setAttribute("aria-current", "true");
    open.addEventListener("click", () => {
      $("talks").close();
      this.onOpen(talk);
    });
    const rename = iconButton("edit", t("rename", { name }), () => {
      this.#renaming = talk.id;
      void this.render();
    });
    const remove = iconButton("trash", t("deleteTalk", { name }), () => this.remove(talk, name));
    return el("li", id, open, rename, remove);
  }

  /** @param {Talk} talk @param {string} name that is shown */
  #nameBox(talk, name) {
    const box = el("input", { type: "text", value: name, maxLength: LIMITS.name, ariaLabel: t("nameOfTalk") });
    const typed = () => (box.value.trim() === name ? talk.name : box.value.trim());
    box.addEventListener("keydown", (event) => {
      if (isComposing(event) || (event.key !== "Enter" && event.key !== "Escape")) return;
      event.preventDefault(); // Escape would close the list
      void this.#rename(talk, event.key === "Enter" ? typed() : talk.name);
    });
    box.addEventListener("blur", () => void this.#rename(talk, typed()));
    return box;
  }

  /** @param {Talk} talk @param {string} name */
  async #rename(talk, name) {
    if (this.#renaming !== talk.id) return;
    this.#renaming = "";
    if (name !== talk.name) await this.#write(talk, name);
    await this.render();
    /** @type {HTMLElement | null} */ (
      $("talk-list").querySelector(`[data-id="${CSS.escape(talk.id)}"] .icon`)
    )?.focus();
  }

  /** @param {Talk} talk @param {string} name */
  async #write(talk, name) {
    if (talk.id === this.chat.talk.id) {
      this.chat.talk.name = name;
      return this.chat.save();
    }
    const now = await this.shelf.get(talk.id); // another tab may have gone on with it
    if (now) await this.shelf.put({ ...now, name });
  }

  /** Delete a conversation; it can be undone. @param {Talk} talk @param {string} [name] that is shown */
  async remove(talk, name = nameOf(talk) || t("unnamed")) {
    const isOpen = talk.id === this.chat.talk.id;
    if (isOpen) await this.onGone();
    const last = (await this.shelf.get(talk.id)) ?? talk; // with what was written since the list was drawn
    await this.shelf.remove(talk.id);
    forgetDraft(talk.id);
    const undo = async () => {
      hideNotice();
      $("deleted").hidden = true;
      const back = { ...last, ...(await this.shelf.put(last)) };
      if (isOpen && this.chat.messages.length === 0) this.onOpen(back);
      if ($("talks").open) await this.render();
      $("talks-title").focus();
    };
    await this.render();
    $("deleted-text").textContent = t("deleted", { name });
    $("deleted-undo").onclick = undo;
    $("deleted").hidden = false;
    $("deleted-undo").focus(); // the row is gone
    showNotice(t("deleted", { name }), "hint", undo, t("undo")); // for when the list is closed
  }
}
