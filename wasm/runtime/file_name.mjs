// What a file is called.

/** The name of the file at a URL or, in node, a path. @returns {string} */
export function fileName(/** @type {string} */ place) {
  const isUrl = /^[a-z][a-z\d+.-]*:\/\//i.test(place);
  const last = (isUrl ? new URL(place).pathname : place).split(/[/\\]/).pop() ?? "";
  if (!isUrl) return last; // in a path a % is a %
  try {
    return decodeURIComponent(last);
  } catch {
    return last; // a % that is none of an escape
  }
}
