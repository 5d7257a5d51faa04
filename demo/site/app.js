// Ties the page together: what happens on which click, and what is said when something fails.

import { Answering } from "./answering.js";
import { ChatView } from "./chat-view.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { $, el, hasKeyboard } from "./dom.js";
import { acceptFiles } from "./drop.js";
import { Engine, listKept, support } from "./engine.js";
import { startServiceWorker } from "./isolation.js";
import { LoadingView } from "./loading.js";
import { foreignEntries, ModelsView } from "./models-view.js";
import { hideNotice, showError, showNotice } from "./notice.js";
import { LIMITS } from "./record.js";
import { Settings } from "./settings.js";
import { Shelf } from "./shelf.js";
import { showContext, showSpeed } from "./status.js";
import { TalksView } from "./talks-view.js";
import { firstLanguage, isText, language, setLanguage, t } from "./texts.js";
import { startTheme } from "./theme.js";

/**
 * @typedef {import("./models-view.js").Entry} Entry
 * @typedef {import("./record.js").Talk} Talk
 *
 * @typedef {Object} SiteModel
 * @property {string} file address
 * @property {string} chunks address of its list of chunks
 * @property {string} quant
 * @property {number} bytes
 * @property {string} sha256
 * @property {{file: string, sha256: string}[]} [parts] of a model in several files, of which `file` is the first
 * @property {{file: string, chunks: string, bytes: number, sha256: string}} [lora] an adapter that goes over it
 * @property {Record<string, number | undefined>} memory bytes that it needs, by variant of the engine
 * @property {import("./models-view.js").Quality} [quality]
 *
 * @typedef {Object} Site models.json, as the site stage writes it
 * @property {string} title
 * @property {string} language
 * @property {SiteModel[]} models
 * @property {string[]} prompts
 * @property {import("./settings.js").Sampling} sampling
 * @property {string[]} variants
 * @property {string[]} charts addresses
 * @property {string | null} report address
 */

const engine = new Engine();
const loading = new LoadingView();
const view = new ChatView({
  onAgain: () => void answer(),
  onMore: () => void answer(true),
  onEdit: edit,
  onShow: showVersion,
});
// Errors that tell that there is no model, and those after which a second try can succeed.
const NO_MODEL = ["not_a_gguf", "not_kept"];
const CURABLE = ["network", "truncated", "wrong_hash", "out_of_memory", "worker_died", "internal"];
/** @type {Site} */ let site;
/** @type {Shelf} */ let shelf;
/** @type {Conversation} */ let chat;
/** @type {Answering} */ let answering;
/** @type {ModelsView} */ let models;
/** @type {TalksView} */ let talks;
/** @type {Settings} */ let settings;
/** @type {Composer} */ let composer;
let loads = 0; // how many were begun
/** @type {(() => void) | null} */ let takeUpdate = null; // lets a new version of the page take over, once one waits

async function start() {
  $("boot").remove();
  startTheme();
  setLanguage(firstLanguage());
  await startServiceWorker(offerUpdate);
  try {
    const response = await fetch("models.json");
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    site = await response.json();
  } catch (error) {
    showError({ kind: "no_models", message: /** @type {Error} */ (error).message });
    return;
  }
  shelf = await Shelf.open();
  chat = new Conversation(shelf);
  await chat.start();
  const variant = support().threads && site.variants.includes("threads") ? "threads" : "single";
  const wide = `${variant}-memory64`; // for what 4 GiB do not hold
  const entries = site.models.map((model) => {
    const { file, chunks, quant, sha256, parts, lora, memory, quality } = model;
    const name = file.split("/").at(-1) ?? file;
    const more = lora?.bytes ?? 0;
    const known = memory[variant] ?? memory[wide];
    const need = { memory: known && known + more, memory64: !(variant in memory) && wide in memory };
    const files = [...(parts ?? [{ file, sha256 }]), ...(lora ? [lora] : [])];
    const over = lora && { lora: lora.file, lora_chunks: lora.chunks };
    return { name, label: quant, source: file, chunks, ...over, bytes: model.bytes + more, files, ...need, quality };
  });
  document.title = $("title").textContent = site.title;
  settings = new Settings(site.sampling, chat);
  const parts = { engine, chat, view, sampling: () => settings.values, load: () => loadModel(models.chosen) };
  answering = new Answering({ ...parts, onEnd: () => view.render(chat) });
  const others = foreignEntries(await listKept().catch(() => []), entries); // none where storage is blocked
  models = new ModelsView([...entries, ...others], engine, { lang: site.language, onLoad: changeModel });
  talks = new TalksView(shelf, chat, { onOpen: openTalk, onGone: newChat });
  if (!shelf.keeps) showNotice(t("notKept"), "hint");
  if (!support().threads) warnOfIsolation();
  connect();
  composer.open(chat.talk.id);
  renderAll();
  document.documentElement.dataset.ready = "";
}

function renderAll() {
  $("language").textContent = t("otherLanguage");
  settings.render();
  models.renderChip();
  models.showReport(site.charts, site.report);
  view.lang = site.language;
  renderChat();
  const suggestions = site.prompts.map((text) => {
    const button = el("button", { type: "button", lang: site.language, onclick: () => ask(text) }, text);
    return el("li", {}, button);
  });
  $("suggestions").replaceChildren(...suggestions);
}

/** Draw the conversation that is open. @param {boolean} [stays] do not scroll to its end */
function renderChat(stays = false) {
  view.render(chat, stays);
  showContext(chat.version?.context ?? 0, engine.model?.info.n_ctx);
}

/** @param {Entry} entry */
async function changeModel(entry) {
  stop();
  await answering.done;
  await loadModel(entry);
}

/** Load `entry`, with progress; gives whether it is ready. @param {Entry} entry */
async function loadModel(entry) {
  const own = ++loads;
  hideNotice();
  loading.show(entry.label);
  try {
    await engine.load(
      entry,
      (progress) => loading.update(progress),
      ({ kind, message }) => {
        const key = `notice_${kind}`;
        if (isText(key)) showNotice(t(key, { message }), "hint"); // that it is kept needs no words
      },
    );
    showSpeed(engine.model?.info);
    showContext(chat.version?.context ?? 0, engine.model?.info.n_ctx);
    return true;
  } catch (thrown) {
    if (own !== loads) return false; // another one was chosen meanwhile, or a second wish for this one tells it
    const error = /** @type {Partial<import("./engine.js").LilmError>} */ (thrown);
    const again = () => (chat.waitsForAnswer ? answer() : loadModel(entry));
    const gone = entry.local ? error.kind !== "aborted" : NO_MODEL.includes(error.kind ?? "");
    if (gone && (entry.local || entry.foreign)) models.discard(entry);
    // A model that is not this page's may be the new version's.
    if (error.kind === "wrong_hash" && takeUpdate) showError(error, takeUpdate, t("updateNow"));
    else if (entry.foreign && error.kind === "network") showError({ kind: "foreign", message: error.message }, again);
    else showError(error, CURABLE.includes(error.kind ?? "") ? again : undefined);
    return false;
  } finally {
    if (own === loads) loading.hide();
  }
}

/**
 * Ask `text`, in the place of an earlier question where one is given; gives whether it was taken.
 * @param {string} text @param {import("./composer.js").Edited | null} [edited]
 */
function ask(text, edited = null) {
  if (answering.isWriting || !text.trim()) return false;
  if (text.length > LIMITS.text) {
    showError({ kind: "context_full" }); // of any model; and it could not be kept
    return false;
  }
  void chat.ask(text.trim(), edited);
  answer();
  return true;
}

/** @param {string} text @param {number} place */
function edit(text, place) {
  if (!answering.isWriting) composer.edit(text, place);
}

/** Let the model answer the last question, or go on with its answer. @param {boolean} [goesOn] */
function answer(goesOn = false) {
  return answering.start(goesOn);
}

/** @param {number} place @param {number} version */
function showVersion(place, version) {
  if (answering.isWriting) return;
  chat.show(place, version);
  renderChat(true);
}

function stop() {
  answering.stop();
  if (engine.state === "loading") engine.cancelLoad();
}

/**
 * Open a conversation, or begin one; an answer being written ends and is kept, a model that comes without one goes on
 * coming.
 * @param {Talk} [talk]
 */
async function openTalk(talk) {
  if (answering.isWriting) stop();
  await answering.done;
  await chat.flush();
  hideNotice();
  if (talk)
    chat.open((await shelf.get(talk.id)) ?? talk); // with what was written since the list was drawn
  else chat.begin();
  composer.open(chat.talk.id);
  settings.render();
  $("speed").textContent = "";
  renderChat();
  if (hasKeyboard()) $("prompt").focus();
}

function newChat() {
  return openTalk();
}

/** @param {() => void} takeOver */
function offerUpdate(takeOver) {
  takeUpdate = takeOver;
  showNotice(t("update"), "hint", takeOver, t("updateNow"));
}

/** The browser ended the model's worker, most likely for want of memory. @param {Event} event "died" */
function modelDied(event) {
  const { entry, reason } = /** @type {CustomEvent<import("./engine.js").Died>} */ (event).detail;
  if (answering.isWriting) return; // the answer's failure tells it
  showError(reason, () => loadModel(entry), t("reload"));
}

function warnOfIsolation() {
  if (globalThis.crossOriginIsolated) return;
  showNotice(t(site.variants.includes("single") ? "notIsolated" : "notIsolatedFatal"), "hint");
}

function connect() {
  composer = new Composer({ onSend: ask });
  engine.addEventListener("died", modelDied);
  chat.addEventListener("changed", () => renderChat(!view.follow));
  chat.addEventListener("copied", () => {
    composer.follow(chat.talk.id);
    showNotice(t("copied_elsewhere"), "hint");
  });
  chat.addEventListener("lost", (event) => {
    const { message } = /** @type {CustomEvent<Error>} */ (event).detail;
    showNotice(t("noRoomToKeep", { message }), "error");
  });
  acceptFiles({
    onModel: (files) => models.open(files),
    onTalks: (file) => void talks.take(file),
    onOther: () => showNotice(t("notDropped"), "error"),
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
    if (answering.isWriting || engine.state === "loading") stop();
    else if (composer.editing) composer.reset();
  });
  $("stop").addEventListener("click", stop);
  $("loading-cancel").addEventListener("click", stop);
  $("new-chat").addEventListener("click", () => void newChat());
  $("notice-close").addEventListener("click", hideNotice);
  $("open-settings").addEventListener("click", () => {
    settings.render(); // another tab may have changed the system prompt
    $("settings").showModal();
  });
  $("settings-reset").addEventListener("click", () => settings.reset());
  $("language").addEventListener("click", () => {
    setLanguage(language() === "ja" ? "en" : "ja");
    if (!answering.isWriting) renderAll();
  });
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog")?.close());
  }
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }
  if (hasKeyboard()) composer.box.focus();
}

start();
