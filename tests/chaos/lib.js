'use strict';
/*
 * lib.js - what the chaos suites share: chance with a seed, and a look at all processes.
 *
 * Every suite is a function of { rounds, seed, say } that throws when a promise was broken; the seed
 * is printed, and the same seed makes the same choices. CHAOS_ROUNDS and CHAOS_SEED set them.
 */
const fs = require('node:fs');
const path = require('node:path');

const { makeFolder, isAlive, sleep } = require('../e2e/lib/proc.js');
const { writeHollowModel } = require('../e2e/lib/gguf.js');

/* mulberry32, by Tommy Ettinger (public domain): 32 bits of state are enough for choices. */
function chance(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, below: (n) => Math.floor(next() * n), pick: (list) => list[Math.floor(next() * list.length)] };
}

/* The processes that have this text in their command line, without the one that asks. */
function processesWith(text) {
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text) && isAlive(Number(pid));
      } catch { return false; }
    }).map(Number);
}

/* A model that answers "a" for ever, and takes its time over it; in a folder of its own. */
function slowModel(more = {}) {
  const file = path.join(makeFolder('rbee-chaos-'), 'slow.gguf');
  writeHollowModel(file, { layers: 8, embd: 256, ff: 1024, ctx: 4096, ...more });
  return file;
}

const options = (rounds) => ({
  rounds: Number(process.env.CHAOS_ROUNDS) || rounds,
  seed: Number(process.env.CHAOS_SEED) || Math.floor(Math.random() * 2 ** 31),
  say: (text) => console.log(text),
});

/* For a suite that is run by itself. */
function main(suite, rounds) {
  suite(options(rounds)).then(() => process.exit(), /* by the code that a crash has left (watch.js) */ (error) => {
    console.error(error);
    process.exit(1);
  });
}

module.exports = { chance, processesWith, slowModel, options, main, sleep };
