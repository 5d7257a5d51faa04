// The line above the message box: what went wrong or is good to know, and what can be done about it.

import { $ } from "./dom.js";
import { isText, t } from "./texts.js";

/**
 * @param {string} text @param {"error" | "hint"} kind
 * @param {(() => void) | null} [action] what the button does; without it there is none
 * @param {string} [label] of the button
 */
export function showNotice(text, kind, action, label = t("retry")) {
  $("notice").dataset.kind = kind;
  $("notice-text").textContent = text;
  $("notice-action").hidden = !action;
  $("notice-action").textContent = label;
  $("notice-action").onclick = action ?? null;
  $("notice").hidden = false;
}

export function hideNotice() {
  $("notice").hidden = true;
}

/**
 * Say what went wrong in a sentence of the page's language.
 * @param {unknown} thrown the runtime's LilmError, or ours of kinds that it has not @param {() => void} [action]
 * @param {string} [label]
 */
export function showError(thrown, action, label) {
  const error = /** @type {{kind?: string, message?: string}} */ (thrown);
  if (error.kind === "aborted") return;
  const message = error.message ?? String(error);
  const key = `error_${error.kind ?? "internal"}`;
  showNotice(t(isText(key) ? key : "error_internal", { message }), "error", action, label);
  if (!error.kind) throw error; // ours, not the model's: leave the trace in the console
}
