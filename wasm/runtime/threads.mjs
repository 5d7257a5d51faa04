// How many threads compute: as many as are fastest now. On a busy device fewer are faster, since the ones that wait for
// a core hold up the others; so each so many tokens the neighbouring counts get a try, with tokens that are wanted
// anyway.

const TRIES = 2; // tokens for each neighbour; the quicker one counts
const FIRST_PAUSE = 12; // tokens between two rounds of tries, which doubles as long as nothing changes
const LONGEST_PAUSE = 96;
const BETTER = 0.95; // a neighbour has to be this much quicker, lest noise moves the choice
const SLOWER = 1.6; // times the usual: the device has got busy, or free
const MEASURE_MS = 400; // at most for finding the first number
const ROUNDS = 3;

/** Counts to choose from: 1, 2, 4, … and the most. @param {number} most @returns {number[]} */
export function counts(most) {
  const all = [];
  for (let n = 1; n < most; n *= 2) all.push(n);
  return [...all, most];
}

/** The count with the lowest time; the more threads, the rather. @param {Map<number, number>} times */
function quickest(times) {
  return [...times].reduce((best, one) => (one[1] * (one[0] > best[0] ? BETTER : 1) < best[1] ? one : best))[0];
}

export class Threads {
  #most;
  #now;
  /** @type {number[]} */ #waiting = []; // counts to try, one for each token
  /** @type {Map<number, number>} */ #tried = new Map(); // milliseconds, of this round
  /** @type {number[]} */ #usual = []; // milliseconds of the last tokens with the chosen count
  #pause = FIRST_PAUSE;
  #left = FIRST_PAUSE;

  constructor(/** @type {number} */ most) {
    this.#most = most;
    this.#now = most;
  }

  /** For the next token. */
  get next() {
    return this.#waiting[0] ?? this.#now;
  }

  get chosen() {
    return this.#now;
  }

  /** Begin with the quickest of these. @param {Map<number, number>} times milliseconds by count */
  begin(times) {
    if (times.size) this.#now = quickest(times);
  }

  /** A token with next's count took so long. */
  took(/** @type {number} */ milliseconds) {
    if (this.#most === 1) return;
    if (this.#waiting.length) return this.#judge(/** @type {number} */ (this.#waiting.shift()), milliseconds);
    const usual = this.#usual.length ? middle(this.#usual) : milliseconds;
    this.#usual = [...this.#usual, milliseconds].slice(-8);
    this.#left -= 1;
    const changed = this.#usual.length >= 4 && this.#usual.slice(-3).every((time) => time > usual * SLOWER);
    if (changed) this.#pause = FIRST_PAUSE;
    if (changed || this.#left <= 0) this.#round();
  }

  #round() {
    const all = counts(this.#most);
    const place = all.indexOf(this.#now);
    const neighbours = [all[place - 1], all[place + 1]].filter(Boolean);
    this.#tried.clear();
    this.#waiting = neighbours.flatMap((count) => Array(TRIES).fill(count));
  }

  #judge(/** @type {number} */ count, /** @type {number} */ milliseconds) {
    this.#tried.set(count, Math.min(milliseconds, this.#tried.get(count) ?? Infinity));
    if (this.#waiting.length) return;
    const usual = middle(this.#usual.slice(-4));
    const better = [...this.#tried].filter(([, time]) => time < usual * BETTER);
    if (better.length) {
      this.#now = quickest(new Map(better));
      this.#usual = [];
      this.#pause = FIRST_PAUSE;
    } else {
      this.#pause = Math.min(LONGEST_PAUSE, this.#pause * 2);
    }
    this.#left = this.#pause;
  }
}

/**
 * Begin with the quickest count, by trying each up to ROUNDS times.
 * @param {Threads} threads @param {number} most
 * @param {(count: number) => Promise<number | null>} time milliseconds of a token with so many; null ends the tries
 */
export async function measure(threads, most, time) {
  const times = new Map();
  const until = performance.now() + MEASURE_MS;
  for (let round = 0; round < ROUNDS; round++) {
    for (const count of counts(most)) {
      const took = performance.now() > until ? null : await time(count);
      if (took === null) return;
      times.set(count, Math.min(took, times.get(count) ?? Infinity));
    }
    threads.begin(times);
  }
}

function middle(/** @type {number[]} */ values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
