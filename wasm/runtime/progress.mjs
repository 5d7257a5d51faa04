// Progress with the speed of the last seconds, so that it follows the network.

const WINDOW_MS = 4000;

/** @typedef {import("./lilm.mjs").Progress} Progress */

/**
 * A teller of progress that adds the speed.
 * @template T @param {(progress: Progress) => T} tell
 * @returns {(phase: Progress["phase"], loaded: number, total: number) => T}
 */
export function metered(tell) {
  /** @type {Progress["phase"] | null} */ let current = null;
  /** @type {[number, number][]} */ let samples = [];
  return (phase, loaded, total) => {
    const now = performance.now();
    if (phase !== current || loaded < (samples.at(-1)?.[1] ?? 0)) [current, samples] = [phase, []];
    if (now - (samples.at(-1)?.[0] ?? -Infinity) > 50) samples.push([now, loaded]);
    while (samples.length > 2 && now - samples[0][0] > WINDOW_MS) samples.shift();
    const [then, before] = samples[0] ?? [now, loaded];
    return tell({ phase, loaded, total, speed: now > then ? (1000 * (loaded - before)) / (now - then) : 0 });
  };
}
