// Whether a model fits this device: its wasm memory against the device's and against what the browser gives.

const PAGE = 65536;
const BESIDE = 64e6; // bytes for a model whose memory is not known, beside its file

/**
 * For a model that needs `memory` bytes (or has a file of `bytes`); memory64: in a build with 64-bit memory.
 * @param {{memory?: number, bytes: number, memory64?: boolean}} model
 * @returns {"fits" | "tight" | "too_big" | "unknown"}
 */
export function fitOf({ memory, bytes, memory64 = false }) {
  const need = memory ?? bytes + BESIDE;
  if (!canHave(need, memory64)) return "too_big";
  const device = navigator.deviceMemory; // GiB, rounded, and cut off at 8 or more; Chromium only
  if (!device) return "unknown";
  // A browser tab may use about half of a phone's memory before the system ends it.
  const share = need / (device * 2 ** 30);
  return share > 0.5 && device < 8 ? "too_big" : share > 0.25 ? "tight" : "fits";
}

/**
 * The browser knows its limit: it refuses to make a larger memory.
 * @param {number} need bytes @param {boolean} memory64
 */
function canHave(need, memory64) {
  const pages = Math.ceil(need / PAGE);
  const size = memory64 ? BigInt(pages) : pages;
  try {
    const memory = /** @type {unknown} */ ({ initial: size, maximum: size, ...(memory64 && { address: "i64" }) });
    // Untouched, so that it costs nothing. TypeScript knows no BigInt here.
    return Boolean(new WebAssembly.Memory(/** @type {WebAssembly.MemoryDescriptor} */ (memory)));
  } catch {
    return false;
  }
}
