// Whether a model fits this device: its wasm memory against the device's and against what the browser gives.

const PAGE = 65536;
const LARGEST = 65535; // pages: all that wasm32 can have
const BESIDE = 64e6; // bytes for a model whose memory is not known, beside its file

/** "fits" | "tight" | "too_big" | "unknown", for a model that needs `memory` bytes (or has a file of `bytes`). */
export function fitOf({ memory, bytes }) {
  const need = memory ?? bytes + BESIDE;
  if (!canHave(need)) return "too_big";
  const device = navigator.deviceMemory; // GiB, rounded, and cut off at 8 or more; Chromium only
  if (!device) return "unknown";
  // A browser tab may use about half of a phone's memory before the system ends it.
  const share = need / (device * 2 ** 30);
  return share > 0.5 && device < 8 ? "too_big" : share > 0.25 ? "tight" : "fits";
}

function canHave(need) {
  const pages = Math.ceil(need / PAGE);
  if (pages > LARGEST) return false;
  try {
    return Boolean(new WebAssembly.Memory({ initial: pages, maximum: pages })); // untouched, so that it costs nothing
  } catch {
    return false;
  }
}
