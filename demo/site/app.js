// Ties the page together: what happens on which click, and what is said when something fails.

import { ChatView } from "./chat-view.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { $, el } from "./dom.js";
import { Engine, support } from "./engine.js";
import { startServiceWorker } from "./isolation.js";
import { LoadingView } from "./loading.js";
import { ModelsView } from "./models-view.js";
import { hideNotice, showError, showNotice } from "./notice.js";
import { Settings } from "./settings.js";
import { firstLanguage, formatBytes, isText, language, setLanguage, t } from "./texts.js";
import { startTheme } from "./theme.js";

/**
 * @typedef {import("./models-view.js").Entry} Entry
 *
 * @typedef {Object} SiteModel
 * @property {string} file address
 * @property {string} chunks address of its list of chunks
 * @property {string} quant
 * @property {number} bytes
 * @property {string} sha256
 * @property {{file: string, sha256: string}[]} [parts] of a model in several files, of which `file` is the first
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
const chat = new Conversation();
const loading = new LoadingView();
const view = new ChatView({ onAgain: answerAgain, onEdit: edit });
// Errors after which a second try can succeed.
const CURABLE = ["network", "truncated", "wrong_hash", "out_of_memory", "worker_died", "internal"];
/** @type {Site} */ let site;
/** @type {ModelsView} */ let models;
/** @type {Settings} */ let settings;
/** @type {Composer} */ let composer;
/** @type {(() => void) | null} */ let takeUpdate = null; // lets a new version of the page take over, once one waits
/** @type {AbortController | null} */ let writing = null; // of the answer being written
let written = Promise.resolve(); // settles when that answer ends

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
  const variant = support().threads && site.variants.includes("threads") ? "threads" : "single";
  const wide = `${variant}-memory64`; // for what 4 GiB do not hold
  const entries = site.models.map(({ file, chunks, quant, bytes, sha256, parts, memory, quality }) => {
    const name = file.split("/").at(-1) ?? file;
    const need = { memory: memory[variant] ?? memory[wide], memory64: !(variant in memory) && wide in memory };
    return { name, label: quant, source: file, chunks, bytes, files: parts ?? [{ file, sha256 }], ...need, quality };
  });
  document.title = $("title").textContent = site.title;
  settings = new Settings(site.sampling);
  models = new ModelsView(entries, engine, { lang: site.language, onLoad: changeModel });
  if (!support().threads) warnOfIsolation();
  renderAll();
  connect();
  document.documentElement.dataset.ready = "";
}

function renderAll() {
  $("language").textContent = t("otherLanguage");
  settings.render();
  models.renderChip();
  models.showReport(site.charts, site.report);
  view.render(chat.messages, site.language);
  const suggestions = site.prompts.map((text) => {
    const button = el("button", { type: "button", lang: site.language, onclick: () => ask(text) }, text);
    return el("li", {}, button);
  });
  $("suggestions").replaceChildren(...suggestions);
}

/** @param {Entry} entry */
async function changeModel(entry) {
  stop();
  await written;
  await loadModel(entry);
}

/** Load `entry`, with progress; gives whether it is ready. @param {Entry} entry */
async function loadModel(entry) {
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
    showSpeed();
    return true;
  } catch (thrown) {
    if (engine.state === "loading") return false; // another one was chosen meanwhile
    const error = /** @type {Partial<import("./engine.js").LilmError>} */ (thrown);
    const again = () => (chat.waitsForAnswer ? answer() : loadModel(entry));
    if (entry.local && error.kind !== "aborted") models.discard(entry);
    // A model that is not this page's may be the new version's.
    if (error.kind === "wrong_hash" && takeUpdate) showError(error, takeUpdate, t("updateNow"));
    else showError(error, CURABLE.includes(error.kind ?? "") ? again : undefined);
    return false;
  } finally {
    if (engine.state !== "loading") loading.hide();
  }
}

/**
 * Ask `text`, in the place of an earlier message where one is given; gives whether it was taken.
 * @param {string} text @param {number | null} [place]
 */
function ask(text, place = null) {
  if (writing || !text.trim()) return false;
  if (place !== null) chat.cut(place);
  chat.dropLast("user"); // its answer never came; the new words replace it
  chat.add("user", text.trim());
  view.render(chat.messages, site.language);
  answer();
  return true;
}

/** @param {string} text @param {number} place */
function edit(text, place) {
  if (!writing) composer.edit(text, place);
}

function answerAgain() {
  if (writing) return;
  chat.dropLast("assistant");
  view.render(chat.messages, site.language);
  answer();
}

/** Let the model answer the last message; loads the model first where needed. */
function answer() {
  written = writeAnswer();
  return written;
}

async function writeAnswer() {
  const abort = new AbortController();
  begin(abort);
  const write = view.beginAnswer();
  try {
    if (engine.state !== "ready" && !(await loadModel(models.chosen))) return;
    if (abort.signal.aborted) return;
    /** @type {import("./wasm/runtime/lilm.mjs").GenerateOptions["onToken"]} */
    const onToken = (text, { tokens, seconds }) => {
      write(text);
      if (seconds > 0) showSpeed(tokens / seconds);
    };
    const result = await engine.chat(chat.prompt(), { ...settings.values, onToken, signal: abort.signal });
    if (writing !== abort) return; // a new chat was begun meanwhile
    if (result.text.trim()) chat.add("assistant", result.text.trim(), note(result));
    else if (result.stop_reason !== "aborted") showNotice(t("silent"), "hint", answer, t("again"));
    if (result.dropped_turns) showNotice(t("forgot"), "hint");
    showSpeed(result.tokens / Math.max(result.seconds, 1e-3), await engine.memory());
    $("announce").textContent = t("answered");
  } catch (error) {
    if (writing === abort) showError(error, answer);
  } finally {
    if (writing === abort) end();
  }
}

/** @param {AbortController} abort */
function begin(abort) {
  writing = abort;
  hideNotice();
  $("send").hidden = true;
  $("stop").hidden = false;
  $("announce").textContent = "";
}

function end() {
  writing = null;
  $("send").hidden = false;
  $("stop").hidden = true;
  view.endAnswer();
  view.render(chat.messages, site.language);
}

function stop() {
  writing?.abort();
  if (engine.state === "loading") engine.cancelLoad();
}

function newChat() {
  stop();
  if (writing) end();
  hideNotice();
  chat.clear();
  composer.reset();
  $("speed").textContent = "";
  view.render(chat.messages, site.language);
  $("prompt").focus();
}

/** What is said under an answer. @param {import("./wasm/runtime/lilm.mjs").Result} result */
function note({ tokens, seconds, stop_reason }) {
  const parts = [t("answerNote", { tokens, speed: speedText(tokens / Math.max(seconds, 1e-3)) })];
  if (stop_reason === "aborted") parts.push(t("stopped"));
  if (stop_reason === "length") parts.push(t("cut"));
  if (stop_reason === "context_full") parts.push(t("full"));
  return parts.join(" · ");
}

/** @param {number} rate tokens per second */
function speedText(rate) {
  return t("speed", { n: rate < 10 ? rate.toFixed(1) : Math.round(rate) });
}

/**
 * The line under the message box, as far as known.
 * @param {number | null} [rate] tokens per second @param {number | null} [memory] bytes
 */
function showSpeed(rate = null, memory = null) {
  const threads = engine.model?.info.threads;
  const parts = rate === null ? [] : [speedText(rate)];
  if (threads) parts.push(threads === 1 ? t("thread") : t("threads", { n: threads }));
  const bytes = memory ?? engine.model?.info.heap_bytes;
  if (bytes) parts.push(t("memory", { size: formatBytes(bytes) }));
  $("speed").textContent = parts.join(" · ");
}

/** @param {() => void} takeOver */
function offerUpdate(takeOver) {
  takeUpdate = takeOver;
  showNotice(t("update"), "hint", takeOver, t("updateNow"));
}

/** The browser ended the model's worker, most likely for want of memory. @param {Event} event "died" */
function modelDied(event) {
  const { entry, reason } = /** @type {CustomEvent<import("./engine.js").Died>} */ (event).detail;
  if (writing) return; // the answer's failure tells it
  showError(reason, () => loadModel(entry), t("reload"));
}

function warnOfIsolation() {
  if (globalThis.crossOriginIsolated) return;
  showNotice(t(site.variants.includes("single") ? "notIsolated" : "notIsolatedFatal"), "hint");
}

function connect() {
  composer = new Composer({ onSend: ask });
  engine.addEventListener("died", modelDied);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
    if (writing) stop();
    else if (composer.editing) composer.reset();
  });
  $("stop").addEventListener("click", stop);
  $("loading-cancel").addEventListener("click", stop);
  $("new-chat").addEventListener("click", newChat);
  $("notice-close").addEventListener("click", hideNotice);
  $("open-settings").addEventListener("click", () => $("settings").showModal());
  $("settings-reset").addEventListener("click", () => settings.reset());
  $("language").addEventListener("click", () => {
    setLanguage(language() === "ja" ? "en" : "ja");
    if (!writing) renderAll();
  });
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog")?.close());
  }
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }
  if (matchMedia("(pointer: fine)").matches) composer.box.focus();
}

start();
