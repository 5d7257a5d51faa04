// Browser storage that may be switched off: then nothing is kept and nothing breaks. All pages of an origin share it:
// what this page keeps is named after its folder.

/** @param {string} name */
export function ownName(name) {
  return `${name} ${new URL(".", location.href).pathname}`;
}

/** @template T @param {() => T} action */
function safely(action) {
  try {
    return action();
  } catch {
    return null; // storage is blocked or full
  }
}

/**
 * JSON values by key; who reads them checks them. What earlier pages kept under the bare key is read where this one has
 * kept nothing.
 * @param {"localStorage" | "sessionStorage"} area stays, or goes with the tab
 */
function storeIn(area) {
  return {
    /** @param {string} key @returns {unknown} null when there is none */
    get: (key) =>
      safely(() => JSON.parse(globalThis[area].getItem(ownName(key)) ?? globalThis[area].getItem(key) ?? "null")),
    /** @param {string} key @param {unknown} value */
    set: (key, value) => safely(() => globalThis[area].setItem(ownName(key), JSON.stringify(value))),
    /** @param {string} key */
    remove: (key) => safely(() => [ownName(key), key].forEach((name) => globalThis[area].removeItem(name))),
  };
}

export const kept = storeIn("localStorage");
export const tab = storeIn("sessionStorage");
