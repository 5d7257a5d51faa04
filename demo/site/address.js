// An address that a person typed, of a model elsewhere.

export const PART = /-\d{5}-of-\d{5}\.gguf([?#]|$)/; // llama.cpp's name of a part
export const ADAPTER = /\/adapter\.gguf([?#]|$)/; // how an export calls one

/**
 * The address of the file itself: the hub's page about a file has another. A part's name stands for all parts.
 * @param {string} typed @returns {string | null} null for what is no address of a GGUF
 */
export function modelAddress(typed) {
  if (!URL.canParse(typed, document.baseURI)) return null;
  const url = new URL(typed, document.baseURI);
  if (!["http:", "https:"].includes(url.protocol) || !/\.gguf$/i.test(url.pathname)) return null;
  if (url.username || url.password) return null; // fetch refuses them
  if (url.hostname === "huggingface.co") url.pathname = url.pathname.replace("/blob/", "/resolve/");
  return url.href;
}

/** The file's name. @param {string} address */
export function nameIn(address) {
  const last = new URL(address).pathname.split("/").at(-1) ?? address;
  try {
    return decodeURIComponent(last);
  } catch {
    return last; // a % that is none of an escape
  }
}
