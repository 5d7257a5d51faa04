// Browser storage that may be switched off: then nothing is kept and nothing breaks.

function safely(action) {
  try {
    return action();
  } catch {
    return null; // storage is blocked or full
  }
}

/** JSON values by key; `area` is localStorage (stays) or sessionStorage (goes with the tab). */
function storeIn(area) {
  return {
    get: (key) => safely(() => JSON.parse(globalThis[area].getItem(key))),
    set: (key, value) => safely(() => globalThis[area].setItem(key, JSON.stringify(value))),
    remove: (key) => safely(() => globalThis[area].removeItem(key)),
  };
}

export const kept = storeIn("localStorage");
export const tab = storeIn("sessionStorage");
