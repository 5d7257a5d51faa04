// Threads need a cross-origin isolated page. A host that cannot send the headers gets a service worker that adds them.

import { tab } from "./store.js";

const TRIED = "lilm.isolation";
const WAIT_MS = 5000; // a worker that fails to install never becomes ready

/** Resolves when the page is as isolated as it can be; may reload the page once to get there. */
export async function isolate() {
  if (globalThis.crossOriginIsolated || !globalThis.isSecureContext || !("serviceWorker" in navigator)) return;
  if (tab.get(TRIED)) return;
  try {
    await navigator.serviceWorker.register("isolation-worker.js");
    const timeout = new Promise((_, reject) => setTimeout(reject, WAIT_MS));
    await Promise.race([navigator.serviceWorker.ready, timeout]);
  } catch {
    return; // no service workers here (private window, odd host): the page says what that costs
  }
  tab.set(TRIED, true);
  location.reload();
  await new Promise(() => {}); // nothing else happens before the reload
}
