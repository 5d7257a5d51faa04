// Runs a GGUF in node by the browser's engine. One JSON job on stdin, one JSON answer on stdout:
//   job     {gguf, lora?, base, variant, build, limit, threads, n_ctx, n_batch, kv_type, memory?,
//            runs: [{prompt | messages | tokens, ...sampling}]}
//           or with {tokens, logits: FILE, step, stride} for a run: float32 logits into the file, one n_vocab after the
//           other. With job.watched, a FILE: each step of the evaluation, a JSON line {name, op, weights, n} and then n
//           float32, of the names that match job.names.
//           With job.chats, a list of chats' messages: their tokens up to where the answer begins.
//   answer  {stats, runs: [{text, ids, gaps, tokens, stop_reason, ...}], chats: [[id]]} or {error: {kind, message}}
// With job.stream the text is written to stderr as it comes.

import { appendFileSync, readFileSync, writeFileSync } from "node:fs";

import { Engine } from "./engine.mjs";
import { LilmError } from "./errors.mjs";

const job = JSON.parse(readFileSync(0, "utf8"));

async function main() {
  const { n_ctx, n_batch, kv_type, threads } = job;
  const table = { models: {}, limits: { [job.variant]: job.limit }, n_ctx, n_batch, kv_type, threads };
  const onStep = job.watched && watcher(job.watched, new RegExp(job.names));
  const engine = await Engine.load(job.gguf, { adapt: false, ...job, name: "", table, onStep }, () => {});
  const chats = (job.chats ?? []).map((/** @type {import("./lilm.mjs").Message[]} */ chat) =>
    engine.tokenizeChat(chat),
  );
  const runs = [];
  for (const { prompt, messages, tokens, logits, step, stride, ...sampling } of job.runs) {
    if (logits) {
      writeFileSync(logits, "");
      engine.logits(tokens, step, stride, (values) => appendFileSync(logits, new Uint8Array(values.slice().buffer)));
      continue;
    }
    const input = tokens ?? (messages ? engine.tokenizeChat(messages) : engine.tokenize(prompt, true, false));
    /** @type {number[]} */ const ids = [];
    /** @type {number[]} */ const gaps = [];
    const result = await engine.generate(
      input,
      sampling,
      (text) => void (job.stream && process.stderr.write(text)),
      (id, gap) => void (ids.push(id), gaps.push(gap)),
    );
    runs.push({ ...result, ids, gaps, prompt_ids: input });
  }
  const stats = engine.stats();
  engine.free();
  return { stats, runs, chats };
}

/** @param {string} file @param {RegExp} names */
function watcher(file, names) {
  writeFileSync(file, "");
  return (
    /** @type {string} */ name,
    /** @type {string} */ op,
    /** @type {string} */ weights,
    /** @type {Float32Array} */ values,
  ) => {
    if (!names.test(name)) return;
    appendFileSync(file, JSON.stringify({ name, op, weights, n: values.length }) + "\n");
    appendFileSync(file, new Uint8Array(values.slice().buffer));
  };
}

let answer;
try {
  answer = await main();
} catch (thrown) {
  const { kind, message } = LilmError.from(thrown);
  answer = { error: { kind, message } };
}
process.stdout.write(JSON.stringify(answer), () => process.exit(0)); // the pool's threads would keep node alive
