// Between two tokens.

/** Let waiting messages in, among them the one that stops the generation. */
export const yieldToMessages = (() => {
  if (typeof setImmediate === "function") return () => new Promise((resolve) => setImmediate(resolve));
  const { port1, port2 } = new MessageChannel();
  /** @type {(() => void)[]} */
  const waiting = [];
  port1.onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((resolve) => {
      waiting.push(() => resolve(undefined));
      port2.postMessage(0);
    });
})();
