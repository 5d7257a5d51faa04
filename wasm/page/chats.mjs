// Tokenises chats by the page's own engine, in a worker as pages have one: chats_worker.mjs.
//   ?model=FILE &n_ctx=N; the chats lie in chats.json

async function answer(/** @type {object} */ figures) {
  await fetch("/result", { method: "POST", body: JSON.stringify(figures) });
}

const worker = new Worker("chats_worker.mjs", { type: "module" });
worker.addEventListener("message", ({ data }) => void answer(data));
worker.addEventListener("error", ({ message }) => void answer({ failed: message || "the worker does not start" }));
worker.postMessage(Object.fromEntries(new URLSearchParams(location.search)));
