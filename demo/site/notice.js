// The line above the message box: what went wrong or is good to know, and what can be done about it.

import { $ } from "./dom.js";
import { t } from "./texts.js";

/** kind: "error" | "hint". action: what the button does; without it there is none. */
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

/** Say what went wrong in a sentence of the page's language. */
export function showError(error, action, label) {
  if (error.kind === "aborted") return;
  const message = error.message ?? String(error);
  const key = `error_${error.kind ?? "internal"}`;
  const text = t(key, { message });
  showNotice(text === key ? t("error_internal", { message }) : text, "error", action, label);
  if (!error.kind) throw error; // ours, not the model's: leave the trace in the console
}
