// Service worker: keeps the page's own files so that it opens without a network, and adds the headers that make it
// cross-origin isolated. The site stage puts FILES in front: each file's path and SHA-256. Another site has another
// FILES, so browsers see a new version of this script. It takes over when the page is opened, or, while other tabs have
// the page as it was, when a visitor says so.

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const KEPT = "lilm-files";
const PATIENCE_MS = 1000; // so long an opening page waits for its new version
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

// The first version begins at once, since the page may wait for the headers; a later one when it has all its files.
worker.addEventListener("install", (event) => worker.registration.active && event.waitUntil(keepFiles()));
worker.addEventListener("activate", (event) => event.waitUntil(dropOldFiles().then(() => worker.clients.claim())));
worker.addEventListener("message", (event) => {
  if (event.data === "take over") worker.skipWaiting();
  if (event.data === "keep") event.waitUntil(keepFiles());
});
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const { scope } = worker.registration;
  if (request.method !== "GET" || !request.url.startsWith(scope)) return;
  const path = decodeURIComponent(new URL(request.url).pathname.slice(new URL(scope).pathname.length)) || "index.html";
  if (path.endsWith(".gguf")) return; // models are kept by the engine
  event.respondWith(request.mode === "navigate" ? open(request, FILES[path]) : answer(request, FILES[path]));
});

/**
 * The page; or, when its new version is ready, word to the browser to ask again, which that version answers.
 * @param {Request} request @param {string | undefined} hash
 */
async function open(request, hash) {
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  const next = await Promise.race([newVersion(), late]);
  if (!next) return answer(request, hash);
  next.postMessage("take over");
  return new Response("", { headers: { ...HEADERS, Refresh: "0" } });
}

async function newVersion() {
  const { registration } = worker;
  await registration.update().catch(() => {}); // no network: there is no new version then
  const { installing } = registration;
  if (installing) await new Promise((done) => installing.addEventListener("statechange", done, { once: true }));
  const tabs = await worker.clients.matchAll({ type: "window" }); // also the one that is opening, when it is a reload
  return tabs.length > 1 ? null : registration.waiting;
}

/**
 * Content is kept under its hash: a file that did not change is not fetched for the next version.
 * @param {string} hash
 */
function place(hash) {
  return new URL(`kept/${hash}`, worker.registration.scope).href;
}

async function keepFiles() {
  const cache = await caches.open(KEPT);
  const keep = async (/** @type {[string, string]} */ [path, hash]) => {
    if (await cache.match(place(hash))) return;
    const response = await fetch(new URL(path, worker.registration.scope), { cache: "no-cache" });
    const body = await response.arrayBuffer();
    if (!response.ok || (await sha256(body)) !== hash) throw new Error(`${path} is not the file of this version`);
    const type = response.headers.get("Content-Type");
    const headers = new Headers(type === null ? {} : { "Content-Type": type });
    await cache.put(place(hash), new Response(body, { headers }));
  };
  const results = await Promise.allSettled(Object.entries(FILES).map(keep));
  // A host that changes files, or no room: then the page needs the network, but it still needs the headers too.
  for (const one of results) if (one.status === "rejected") console.warn(one.reason);
}

async function dropOldFiles() {
  const cache = await caches.open(KEPT);
  const wanted = new Set(Object.values(FILES).map(place));
  const others = (/** @type {string} */ url) => !url.startsWith(place("")); // pages of other folders share the cache
  for (const { url } of await cache.keys()) if (!wanted.has(url) && !others(url)) await cache.delete(url);
}

/** In hex. @param {ArrayBuffer} body */
async function sha256(body) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * What is kept, else what the network has, with the headers.
 * @param {Request} request @param {string | undefined} hash
 */
async function answer(request, hash) {
  const kept = hash && (await caches.match(place(hash), { cacheName: KEPT }));
  const response = kept || (await fetch(request));
  if (response.status === 0) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
