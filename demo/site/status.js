// The line under the message box, what is said under an answer, and how full the model's context is.

import { $ } from "./dom.js";
import { formatBytes, formatCount, t } from "./texts.js";

/** @typedef {import("./record.js").Version} Version */

const NEARLY = 0.85; // of the context: soon the oldest messages go

/** @param {number} rate tokens per second */
function speedText(rate) {
  return t("speed", { n: rate < 10 ? rate.toFixed(1) : Math.round(rate) });
}

/** What is said under an answer; "" of one that came from elsewhere without figures. @param {Version} version */
export function noteOf({ tokens, seconds, end }) {
  const parts = tokens ? [t("answerNote", { tokens, speed: speedText(tokens / Math.max(seconds, 1e-3)) })] : [];
  if (end !== "eos") parts.push(t(`end_${end}`));
  return parts.join(" · ");
}

/**
 * Speed, threads and memory, as far as known.
 * @param {import("./wasm/runtime/lilm.mjs").Stats | undefined} info of the model
 * @param {number | null} [rate] tokens per second @param {number | null} [memory] bytes
 */
export function showSpeed(info, rate = null, memory = null) {
  const parts = rate === null ? [] : [speedText(rate)];
  if (info?.threads) parts.push(info.threads === 1 ? t("thread") : t("threads", { n: info.threads }));
  const bytes = memory ?? info?.heap_bytes;
  if (bytes) parts.push(t("memory", { size: formatBytes(bytes) }));
  $("speed").textContent = parts.join(" · ");
}

/**
 * How full the context is. Neither is known before a model is loaded and has answered.
 * @param {number} used tokens @param {number | undefined} n_ctx
 */
export function showContext(used, n_ctx) {
  $("context").hidden = !used || !n_ctx;
  if (!used || !n_ctx) return;
  const share = used / n_ctx;
  const text = t("context", { used: formatCount(Math.min(used, n_ctx)), n_ctx: formatCount(n_ctx) });
  $("context-text").textContent = text;
  const meter = $("context-meter");
  meter.value = Math.min(1, share);
  meter.high = NEARLY;
  meter.title = meter.ariaLabel = text;
}
