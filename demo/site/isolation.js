// The service worker: it lets the page open without a network, and gives it the headers for threads where the host
// cannot send them.

import { tab } from "./store.js";

const TRIED = "lilm.isolation";
const WAIT_MS = 5000; // a worker that fails to install never becomes ready

/**
 * Resolves when the page is as isolated as it can be; may reload the page once to get there.
 * @param {(takeOver: () => void) => void} onUpdate called when a new version of the page waits, with the function that
 *   lets it take over
 */
export async function startServiceWorker(onUpdate) {
  if (!globalThis.isSecureContext || !("serviceWorker" in navigator)) return;
  const registered = navigator.serviceWorker.register("service-worker.js").then((one) => watch(one, onUpdate));
  if (globalThis.crossOriginIsolated || tab.get(TRIED)) {
    registered.catch(() => {}); // no service workers here (private window, odd host): only the network opens the page
    return;
  }
  try {
    await registered;
    const timeout = new Promise((_, reject) => setTimeout(reject, WAIT_MS));
    await Promise.race([navigator.serviceWorker.ready, timeout]);
  } catch {
    return; // none here either: the page says what that costs
  }
  tab.set(TRIED, true);
  location.reload();
  await new Promise(() => {}); // nothing else happens before the reload
}

/** @param {ServiceWorkerRegistration} registration @param {(takeOver: () => void) => void} onUpdate */
function watch(registration, onUpdate) {
  navigator.serviceWorker.ready.then(({ active }) => active?.postMessage("keep"));
  const look = () => {
    const { waiting } = registration;
    if (!waiting || !navigator.serviceWorker.controller) return; // the first version takes over by itself
    onUpdate(() => {
      navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
      waiting.postMessage("take over");
    });
  };
  look();
  registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", look));
}
