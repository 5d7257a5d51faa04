// Browser storage that may be switched off: then nothing is kept and nothing breaks.

/** @template T @param {() => T} action */
function safely(action) {
  try {
    return action();
  } catch {
    return null; // storage is blocked or full
  }
}

/**
 * JSON values by key; who reads them checks them.
 * @param {"localStorage" | "sessionStorage"} area stays, or goes with the tab
 */
function storeIn(area) {
  return {
    /** @param {string} key @returns {unknown} null when there is none */
    get: (key) => safely(() => JSON.parse(globalThis[area].getItem(key) ?? "null")),
    /** @param {string} key @param {unknown} value */
    set: (key, value) => safely(() => globalThis[area].setItem(key, JSON.stringify(value))),
    /** @param {string} key */
    remove: (key) => safely(() => globalThis[area].removeItem(key)),
  };
}

export const kept = storeIn("localStorage");
export const tab = storeIn("sessionStorage");
