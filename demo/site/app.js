// Ties the page together: what happens on which click, and what is said when something fails.

import { ChatView } from "./chat-view.js";
import { Conversation } from "./conversation.js";
import { $, el } from "./dom.js";
import { Engine, support } from "./engine.js";
import { isolate } from "./isolation.js";
import { LoadingView } from "./loading.js";
import { ModelsView } from "./models-view.js";
import { Settings } from "./settings.js";
import { firstLanguage, language, setLanguage, t } from "./texts.js";
import { startTheme } from "./theme.js";

const engine = new Engine();
const chat = new Conversation();
const loading = new LoadingView();
const view = new ChatView({ onAgain: answerAgain });
const CURABLE = ["network", "truncated", "out_of_memory", "internal"]; // errors after which a second try can succeed
let site, models, settings;
let writing = null; // AbortController of the answer being written
let written = Promise.resolve(); // settles when that answer ends

async function start() {
  $("boot").remove();
  startTheme();
  setLanguage(firstLanguage());
  await isolate();
  try {
    const response = await fetch("models.json");
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    site = await response.json();
  } catch (error) {
    fail({ kind: "no_models", message: error.message });
    return;
  }
  const variant = support().threads && site.variants.includes("threads") ? "threads" : "single";
  const entries = site.models.map(({ file, quant, bytes, memory, quality }) => {
    const name = file.split("/").at(-1);
    return { name, label: quant, source: file, bytes, memory: memory[variant], quality };
  });
  document.title = $("title").textContent = site.title;
  settings = new Settings(site.sampling);
  models = new ModelsView(entries, engine, { onLoad: changeModel });
  if (!support().threads) warnOfIsolation();
  renderAll();
  connect();
  document.documentElement.dataset.ready = "";
}

function renderAll() {
  $("language").textContent = t("otherLanguage");
  settings.render();
  models.renderChip();
  models.showCharts(site.charts, site.report);
  view.render(chat.messages, site.language);
  const suggestions = site.prompts.map((text) => {
    const button = el("button", { type: "button", lang: site.language, onclick: () => ask(text) }, text);
    return el("li", {}, button);
  });
  $("suggestions").replaceChildren(...suggestions);
}

async function changeModel(entry) {
  stop();
  await written;
  await loadModel(entry);
}

/** Load `entry`, with progress; gives whether it is ready. */
async function loadModel(entry) {
  hideNotice();
  loading.show(entry.label);
  try {
    await engine.load(entry, (progress) => loading.update(progress));
    return true;
  } catch (error) {
    if (engine.state === "loading") return false; // another one was chosen meanwhile
    const again = () => (chat.waitsForAnswer ? answer() : loadModel(entry));
    if (entry.local && error.kind !== "aborted") models.discard(entry);
    fail(error, CURABLE.includes(error.kind) ? again : undefined);
    return false;
  } finally {
    if (engine.state !== "loading") loading.hide();
  }
}

function ask(text) {
  if (writing || !text.trim()) return;
  chat.dropLast("user"); // its answer never came; the new words replace it
  chat.add("user", text.trim());
  view.render(chat.messages, site.language);
  answer();
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
    const onToken = (text, { tokens, seconds }) => {
      write(text);
      if (seconds > 0) $("speed").textContent = speedText(tokens / seconds);
    };
    const result = await engine.chat(chat.prompt(), { ...settings.values, onToken, signal: abort.signal });
    if (writing !== abort) return; // a new chat was begun meanwhile
    if (result.text.trim()) chat.add("assistant", result.text.trim(), note(result));
    if (result.forgot) hint(t("forgot"));
    $("announce").textContent = t("answered");
  } catch (error) {
    if (writing === abort) fail(error, answer);
  } finally {
    if (writing === abort) end();
  }
}

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
  $("speed").textContent = "";
  view.render(chat.messages, site.language);
  $("prompt").focus();
}

function note({ tokens, seconds, stop_reason }) {
  const parts = [t("answerNote", { tokens, speed: speedText(tokens / Math.max(seconds, 1e-3), false) })];
  if (stop_reason === "aborted") parts.push(t("stopped"));
  if (stop_reason === "length") parts.push(t("cut"));
  if (stop_reason === "context_full") parts.push(t("full"));
  return parts.join(" · ");
}

function speedText(rate, withThreads = true) {
  const text = t("speed", { n: rate < 10 ? rate.toFixed(1) : Math.round(rate) });
  const threads = engine.model?.info.threads;
  if (!withThreads || !threads) return text;
  return `${text} · ${threads === 1 ? t("thread") : t("threads", { n: threads })}`;
}

/** Say what went wrong; the chat stays. `retry` is offered where it can help. */
function fail(error, retry) {
  if (error.kind === "aborted") return;
  const message = error.message ?? String(error);
  const key = `error_${error.kind ?? "internal"}`;
  const text = t(key, { message });
  showNotice(text === key ? t("error_internal", { message }) : text, "error", retry);
  if (!error.kind) throw error; // ours, not the model's: leave the trace in the console
}

function hint(text) {
  showNotice(text, "hint");
}

function showNotice(text, kind, retry) {
  $("notice").dataset.kind = kind;
  $("notice-text").textContent = text;
  $("notice-action").hidden = !retry;
  $("notice-action").textContent = t("retry");
  $("notice-action").onclick = retry ?? null;
  $("notice").hidden = false;
}

function hideNotice() {
  $("notice").hidden = true;
}

function warnOfIsolation() {
  if (globalThis.crossOriginIsolated) return;
  hint(t(site.variants.includes("single") ? "notIsolated" : "notIsolatedFatal"));
}

function connect() {
  const prompt = $("prompt");
  const grow = () => {
    prompt.style.height = "auto";
    prompt.style.height = `${prompt.scrollHeight}px`;
    $("send").disabled = !prompt.value.trim();
  };
  prompt.addEventListener("input", grow);
  prompt.addEventListener("keydown", (event) => {
    // While an input method is open, Enter chooses a candidate (229 is what Safari sends then).
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    $("composer").requestSubmit();
  });
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    if (writing || !prompt.value.trim()) return;
    const text = prompt.value;
    prompt.value = "";
    grow();
    ask(text);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && writing && !document.querySelector("dialog[open]")) stop();
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
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }
  grow();
  if (matchMedia("(pointer: fine)").matches) prompt.focus();
}

start();
