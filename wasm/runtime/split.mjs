// A model in several files, as llama.cpp's gguf-split writes them: presented as the one file that they were.
// The GGUF format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

import { LilmError } from "./errors.mjs";

/** @typedef {import("./reader.mjs").Reader} Reader */

const PART = /-(\d{5})-of-(\d{5})(\.gguf(?:\.[^/]*)?)$/i;
// Of a value, by type; a string's and an array's are told in the file.
const SIZES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
export const [STRING, ARRAY] = [8, 9];
const MOST_HEADER = 256 << 20; // bytes
const MOST_ALIGNMENT = 1 << 20; // bytes; files have 32, and up to so many zeros stand between two tensors

/**
 * All parts of a split file, by the address of one of them, or of what lies beside each; null when its name is not that
 * of a part.
 * @param {string} place a URL or a path @returns {string[] | null}
 */
export function partsOf(place) {
  const [, address, rest] = /** @type {RegExpMatchArray} */ (place.match(/^([^?#]*)(.*)$/s));
  const found = address.match(PART);
  const count = Number(found?.[2]);
  if (!found || count < 2) return null;
  const name = (/** @type {number} */ n) => address.replace(PART, `-${String(n).padStart(5, "0")}-of-$2$3`) + rest;
  return Array.from({ length: count }, (_, i) => name(i + 1));
}

/** Reads numbers and texts of a header in order. */
export class Cursor {
  at = 0;
  #bytes = new Uint8Array(8);
  #view = new DataView(this.#bytes.buffer);

  /** @param {Reader} reader */
  constructor(reader) {
    this.reader = reader;
  }

  /** @returns {Uint8Array<ArrayBuffer>} */
  take(/** @type {number} */ n, bytes = new Uint8Array(n)) {
    const part = bytes.subarray(0, n);
    if (this.at + n > MOST_HEADER || this.reader.read(this.at, part) !== n) {
      throw new LilmError("truncated", "a part of the model ends within its header");
    }
    this.at += n;
    return part;
  }

  u32() {
    this.take(4, this.#bytes);
    return this.#view.getUint32(0, true);
  }

  u64() {
    this.take(8, this.#bytes);
    return Number(this.#view.getBigUint64(0, true));
  }

  text() {
    return new TextDecoder().decode(this.take(this.u64()));
  }

  /** @returns {undefined} */
  skip(/** @type {number} */ n) {
    this.at += n;
  }

  /** Go over a value; whole numbers are answered. */
  value(/** @type {number} */ type) {
    if (type === STRING) return this.skip(this.u64());
    if (type === ARRAY) {
      const [of, count] = [this.u32(), this.u64()];
      if (of !== STRING) return this.skip(sizeOf(of) * count); // arrays have none in them, as llama.cpp has it
      for (let i = 0; i < count; i++) this.value(of);
      return undefined;
    }
    const size = sizeOf(type);
    const bytes = this.take(size);
    return bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);
  }
}

/** Of a value, bytes. */
function sizeOf(/** @type {number} */ type) {
  const size = SIZES[type];
  if (!size) throw new LilmError("not_a_gguf", `a part of the model has a value of the unknown type ${type}`);
  return size;
}

/** @param {Reader} reader */
function readHeader(reader) {
  const cursor = new Cursor(reader);
  if (new TextDecoder("latin1").decode(cursor.take(4)) !== "GGUF")
    throw new LilmError("not_a_gguf", "a part of the model is not a GGUF file");
  const version = cursor.u32();
  const [tensorCount, valueCount] = [cursor.u64(), cursor.u64()];
  /** @type {Map<string, number | undefined>} */
  const values = new Map();
  /** @type {{key: string, from: number, to: number}[]} */
  const ranges = [];
  for (let i = 0; i < valueCount; i++) {
    const from = cursor.at;
    const key = cursor.text();
    values.set(key, cursor.value(cursor.u32()));
    ranges.push({ key, from, to: cursor.at });
  }
  /** @type {{head: Uint8Array, offset: number}[]} */
  const tensors = [];
  for (let i = 0; i < tensorCount; i++) {
    const from = cursor.at;
    cursor.skip(cursor.u64());
    cursor.skip(8 * cursor.u32() + 4); // sizes, and the type
    const to = cursor.at;
    const offset = cursor.u64();
    const head = new Uint8Array(to - from);
    reader.read(from, head);
    tensors.push({ head, offset });
  }
  const alignment = values.get("general.alignment") ?? 32;
  if (!(alignment <= MOST_ALIGNMENT && Number.isInteger(Math.log2(alignment)))) {
    throw new LilmError("not_a_gguf", `a part of the model aligns its tensors to ${alignment} bytes`);
  }
  const data = Math.ceil(cursor.at / alignment) * alignment;
  return { reader, version, values, ranges, tensors, alignment, data, bytes: Math.max(0, reader.size - data) };
}

/**
 * @param {Reader[]} readers of all parts, in order
 * @returns {Reader} of the file that they were; its end is theirs
 */
export function joinParts(readers) {
  const parts = readers.map(readHeader);
  const [first] = parts;
  parts.forEach((part, i) => {
    const [no, count] = [part.values.get("split.no"), part.values.get("split.count")];
    if (no !== i || count !== parts.length) {
      const says = count === undefined ? "is a whole model" : `says that it is part ${Number(no) + 1} of ${count}`;
      throw new LilmError(
        "not_a_gguf",
        `file ${i + 1} of ${parts.length} ${says}; all parts of one model are needed, in order`,
      );
    }
  });
  const all = first.values.get("split.tensors.count");
  const here = parts.reduce((sum, part) => sum + part.tensors.length, 0);
  if (all !== here)
    throw new LilmError(
      "not_a_gguf",
      `the parts hold ${here} tensors and the model has ${all}: they are of different models`,
    );

  const { alignment } = first;
  const up = (/** @type {number} */ n) => Math.ceil(n / alignment) * alignment;
  let end = 0;
  const starts = parts.map((part) => {
    const start = end;
    end = up(start + part.bytes);
    return start;
  });
  const header = writeHeader(parts, starts, up);
  const last = parts.length - 1;
  const size = header.length + starts[last] + parts[last].bytes;
  return {
    size,
    read(offset, into) {
      const wanted = Math.min(into.length, size - offset);
      let done = 0;
      while (done < wanted) {
        const place = offset + done;
        const rest = into.subarray(done, wanted);
        const n = place < header.length ? readBytes(header, place, rest) : readPart(place - header.length, rest);
        if (n <= 0) break;
        done += n;
      }
      return done;
    },
    close: () => readers.forEach((reader) => reader.close()),
    discard: async () => void (await Promise.all(readers.map((reader) => reader.discard?.()))),
  };

  /** @param {number} place in the joined data @param {Uint8Array} into */
  function readPart(place, into) {
    const i = starts.findLastIndex((start) => start <= place);
    const { reader, data, bytes } = parts[i];
    const within = place - starts[i];
    if (within < bytes) return reader.read(data + within, into.subarray(0, Math.min(into.length, bytes - within)));
    const gap = into.subarray(0, Math.min(into.length, (starts[i + 1] ?? place) - place));
    gap.fill(0);
    return gap.length;
  }
}

/** @param {Uint8Array} bytes @param {number} at @param {Uint8Array} into */
function readBytes(bytes, at, into) {
  const part = bytes.subarray(at, at + into.length);
  into.set(part);
  return part.length;
}

/**
 * The header of the whole: the first part's values but for split.*, and everybody's tensors.
 * @param {ReturnType<typeof readHeader>[]} parts @param {number[]} starts @param {(n: number) => number} up
 */
function writeHeader(parts, starts, up) {
  const [first] = parts;
  const kept = first.ranges.filter(({ key }) => !key.startsWith("split."));
  const tensors = parts.flatMap((part, i) =>
    part.tensors.map(({ head, offset }) => ({ head, offset: starts[i] + offset })),
  );
  const length =
    kept.reduce((sum, { from, to }) => sum + to - from, 24) +
    tensors.reduce((sum, { head }) => sum + head.length + 8, 0);
  const bytes = new Uint8Array(up(length));
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("GGUF"));
  view.setUint32(4, first.version, true);
  view.setBigUint64(8, BigInt(tensors.length), true);
  view.setBigUint64(16, BigInt(kept.length), true);
  let at = 24;
  for (const { from, to } of kept) {
    first.reader.read(from, bytes.subarray(at, at + to - from));
    at += to - from;
  }
  for (const { head, offset } of tensors) {
    bytes.set(head, at);
    view.setBigUint64(at + head.length, BigInt(offset), true);
    at += head.length + 8;
  }
  return bytes;
}
