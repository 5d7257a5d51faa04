// Bytes of a URL by HTTP ranges, over connections that may break: tried again with growing pauses, from where it broke.

import { LilmError } from "./errors.mjs";

const PAUSES_MS = [300, 1000, 2000, 4000]; // after so many failures in a row without a byte the network is lost
const STALL_MS = 30_000; // a connection that is silent for so long is given up and made anew

/**
 * @typedef {Object} Remote
 * @property {number} size in bytes; 0 when the server does not tell
 * @property {boolean} ranges whether the server sends parts of the file
 * @property {string} tag what the server identifies this version of the file by; empty when by nothing
 */

/**
 * What the server says about the file. Asks for its first byte.
 * @param {string} url @param {AbortSignal} signal @returns {Promise<Remote>}
 */
export function probe(url, signal) {
  return persistently(url, signal, () => probeOnce(url, signal));
}

/**
 * As `probe`, for those who can do without an answer.
 * @param {string} url @param {AbortSignal} signal @returns {Promise<Remote>}
 */
export async function probeOnce(url, signal) {
  const { response, stop } = await request(url, 0, 1, signal);
  stop();
  const total = response.status === 206 ? rangeOf(url, response, 0, 1)?.total : undefined;
  const ranges = total !== undefined;
  // Of an encoded answer content-length counts other bytes, and of a part without a total only that part's.
  const counts = response.status === 200 && !response.headers.has("content-encoding");
  const length = counts ? Number(response.headers.get("content-length") ?? 0) : 0;
  return { size: total ?? length, ranges, tag: tagOf(response) };
}

/** What the server identifies the version by. */
function tagOf(/** @type {Response} */ response) {
  return response.headers.get("etag") ?? response.headers.get("last-modified") ?? "";
}

/**
 * A file that is replaced while it comes would be made of both.
 * @param {string} url @param {string} was @param {string} is
 */
function checkVersion(url, was, is) {
  if (was && is && was !== is) throw new LilmError("network", `${url} was replaced while it came; load it again`);
}

/**
 * Fill `into` from byte `from` on. What came before a break is not asked for again.
 * @param {string} url @param {number} from @param {Uint8Array} into @param {AbortSignal} signal
 * @param {(count: number) => void} onBytes @param {string} [tag] of the version that is wanted; "" is any
 */
export async function fetchRange(url, from, into, signal, onBytes, tag = "") {
  let have = 0;
  await persistently(url, signal, async (alive) => {
    const sameVersion = (/** @type {string} */ is) => checkVersion(url, tag, is);
    for await (const bytes of parts(url, from + have, from + into.length, signal, sameVersion)) {
      if (have + bytes.length > into.length) {
        throw new LilmError("network", `the server sends more of ${url} than was asked for`);
      }
      into.set(bytes, have);
      have += bytes.length;
      onBytes(bytes.length);
      alive();
    }
    if (have < into.length) throw new Error("the connection was closed");
  });
}

/**
 * The whole file in one stream, for servers without ranges; begins anew after a break.
 * @param {string} url @param {AbortSignal} signal
 * @param {() => (bytes: Uint8Array) => Promise<void>} begin answers what takes the bytes, from the file's start on
 * @param {number} size 0 when not known
 */
export function fetchWhole(url, signal, begin, size) {
  let tag = ""; // pieces of the stream before a break are kept
  return persistently(url, signal, async () => {
    const take = begin();
    let have = 0;
    const sameVersion = (/** @type {string} */ is) => (checkVersion(url, tag, is), void (tag = is));
    for await (const bytes of parts(url, 0, 0, signal, sameVersion)) {
      have += bytes.length;
      await take(bytes);
    }
    if (size && have < size) throw new Error(`the connection was closed after ${have} of ${size} bytes`);
    await take(new Uint8Array(0));
  });
}

/**
 * Do `work` until it succeeds. It calls `alive` when it got on, which forgives the failures so far.
 * @template T @param {string} url @param {AbortSignal} signal @param {(alive: () => void) => Promise<T>} work
 * @returns {Promise<T>}
 */
async function persistently(url, signal, work) {
  for (let failures = 0; ;) {
    try {
      return await work(() => void (failures = 0));
    } catch (error) {
      if (error instanceof LilmError) throw error; // trying again does not help
      if (signal.aborted) throw new LilmError("aborted", "the loading was stopped");
      if (failures === PAUSES_MS.length) {
        throw new LilmError("network", `cannot fetch ${url}: ${/** @type {Error} */ (error).message}`);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSES_MS[failures]));
      failures += 1;
    }
  }
}

/**
 * @param {string} url @param {number} from @param {number} to 0: no range @param {AbortSignal} signal
 * @param {(tag: string) => void} sameVersion throws for another one
 */
async function* parts(url, from, to, signal, sameVersion) {
  const { response, stop, onPart } = await request(url, from, to, signal);
  try {
    if (to && response.status !== 206) throw new Error("the server stopped sending parts of the file");
    if (to) rangeOf(url, response, from, to);
    sameVersion(tagOf(response));
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onPart();
      yield value;
    }
  } finally {
    stop();
  }
}

/**
 * What a partial answer says it holds; null when it does not tell, or not to this page. Another part than the one that
 * was asked for is refused: its bytes would stand in the wrong place.
 * @param {string} url @param {Response} response @param {number} from @param {number} to
 */
function rangeOf(url, response, from, to) {
  const told = response.headers.get("content-range");
  if (told === null) return null;
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/i.exec(told) ?? [];
  if (Number(first) !== from || !(Number(last) < to)) {
    throw new LilmError("network", `the server sends ${told} of ${url} where bytes ${from}-${to - 1} were asked for`);
  }
  return { total: total === "*" ? undefined : Number(total) };
}

/**
 * A response whose connection ends by `stop`, by `signal` or by silence.
 * @param {string} url @param {number} from @param {number} to @param {AbortSignal} signal
 */
async function request(url, from, to, signal) {
  const control = new AbortController();
  const stop = () => {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    control.abort();
  };
  const silent = () => stop();
  let timer = setTimeout(silent, STALL_MS);
  const onPart = () => {
    clearTimeout(timer);
    timer = setTimeout(silent, STALL_MS);
  };
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  try {
    const headers = /** @type {Record<string, string>} */ (to ? { Range: `bytes=${from}-${to - 1}` } : {});
    // no-store: the file is kept by us, and Chromium's cache would let only one range at a time through.
    const response = await fetch(url, { headers, cache: "no-store", signal: control.signal });
    if (!response.ok || !response.body) {
      const late = response.status >= 500 || response.status === 408 || response.status === 429;
      const text = `the server answers ${response.status} for ${url}`;
      throw late ? new Error(text) : new LilmError("network", text);
    }
    return { response, stop, onPart };
  } catch (error) {
    stop();
    throw error;
  }
}
