// An adapter (LoRA): a GGUF file of its own, which llama.cpp puts over a model. Of files that people choose together, which
// one it is.

import { LilmError } from "./errors.mjs";
import { blobReader } from "./reader.mjs";
import { Cursor, STRING } from "./split.mjs";

/**
 * @param {Blob[]} files a model, in parts or not, and perhaps an adapter
 * @returns {Promise<{model: Blob | Blob[], lora: Blob | null}>}
 */
export async function sortFiles(files) {
  /** @type {Blob[]} */ const adapters = [];
  /** @type {Blob[]} */ const parts = [];
  for (const file of files) (isAdapter(await blobReader(file)) ? adapters : parts).push(file);
  if (adapters.length > 1) throw new LilmError("wrong_adapter", "one adapter at a time goes over a model");
  if (!parts.length) throw new LilmError("wrong_adapter", "the model that the adapter goes over is missing");
  return { model: parts.length > 1 ? parts : parts[0], lora: adapters[0] ?? null };
}

/** Whether the file says so; false for what is no GGUF, which loading tells. @param {import("./reader.mjs").Reader} reader */
function isAdapter(reader) {
  const cursor = new Cursor(reader);
  try {
    if (new TextDecoder("latin1").decode(cursor.take(4)) !== "GGUF") return false;
    cursor.skip(4 + 8); // version, number of tensors
    for (let left = cursor.u64(); left > 0; left--) {
      const [key, type] = [cursor.text(), cursor.u32()];
      if (key === "general.type") return type === STRING && cursor.text() === "adapter";
      cursor.value(type);
    }
    return false;
  } catch (error) {
    if (error instanceof LilmError) return false;
    throw error;
  }
}
