'use strict';
/*
 * random.js - a random stream that is the same everywhere, for tests. Source: SplitMix64 (Steele, Lea,
 * Flood 2014), cut to 53 bits.
 */
class Random {
  #state;

  constructor(seed) { this.#state = BigInt(seed); }

  #next() {
    const mask = 0xFFFFFFFFFFFFFFFFn;
    this.#state = (this.#state + 0x9E3779B97F4A7C15n) & mask;
    let z = this.#state;
    z = ((z ^ (z >> 30n)) * 0xBF58476D1CE4E5B9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94D049BB133111EBn) & mask;
    return z ^ (z >> 31n);
  }

  unit() { return Number(this.#next() >> 11n) / 2 ** 53; }

  below(n) { return Math.floor(this.unit() * n); }

  between(lo, hi) { return lo + this.below(hi - lo + 1); }

  /* True once in n times. */
  once(n) { return this.below(n) === 0; }

  one(list) { return list[this.below(list.length)]; }

  /* Mean 0, deviation 1 (Box, Muller 1958). */
  normal() { return Math.sqrt(-2 * Math.log(1 - this.unit())) * Math.cos(2 * Math.PI * this.unit()); }
}

module.exports = { Random };
