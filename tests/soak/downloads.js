#!/usr/bin/env node
'use strict';
/*
 * downloads.js - N downloads on a bad line: random faults of the hub, random SIGKILLs of the hive. Every
 * one must end with the right digest, and nothing may be left beside the files and their cards.
 *
 *   tests/soak/downloads.js [N] [SEED]     12 by default; the seed is printed, and decides the faults
 *
 * Exit code 0 when all is well. What it says ends with the bytes that were fetched more than once.
 */
const fs = require('node:fs');
const { MIB, Hub, sha256, seeded, startWith, begin, watch, toTheEnd, filesIn } = require('../e2e/lib/transfer.js');
const { sleep } = require('../e2e/lib/proc.js');

const N = Number(process.argv[2] || 12);
const SEED = Number(process.argv[3] || Date.now() % 1000000);
const SIDE_BY_SIDE = 4;

/* A small generator of numbers that a seed decides (the "mulberry32" recurrence). */
function randomOf(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6D2B79F5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const random = randomOf(SEED);
const upTo = (n) => Math.floor(random() * n);

/* What the next answer of the store meets; most are well. */
function fault() {
  const kind = upTo(24);
  const at = upTo(900000);
  return [{ reset: at }, { short: at }, { stall: at }, { shift: 1 + upTo(100) }, { status: 503 },
    { status: 429, headers: { 'retry-after': '0' } }, { status: 403 }, { extra: 1 + upTo(50) },
    { corrupt: true }, { ignoreRange: true, reset: at }, { pace: 20000 + upTo(50000) }, { status: 500 }][kind] || {};
}

let hive, lives = 0, kills = 0, ending = false;

async function live(hub, home) {
  hive = await startWith(hub, { RBEE_HIVE_DOWNLOAD_STALL: '300ms' }, home ? { home } : {});
  lives++;
}

async function killNowAndThen(hub) {
  while (!ending) {
    await sleep(300 + upTo(1500));
    if (ending) return;
    const old = hive;
    hive = null;
    old.signal('SIGKILL');
    await old.ended;
    kills++;
    await live(hub, old.home);
  }
}

/* Asks until it is there, whatever happens to the hive meanwhile. Only a hive that was killed may break anything off. */
async function pull(job) {
  for (let tries = 0; tries < 400; tries++) {
    const mine = hive;
    try {
      if (!mine) throw new Error('no hive now');
      const told = await begin(mine, job.ref);
      if (told.local_path) return told.local_path;
      const s = await watch(mine, told.download_id);
      await s.all();
      if (s.broken) throw s.broken;
      const end = (await toTheEnd(s)).at(-1);
      if (end.stage === 'complete') return end.local_path;
      if (end.stage === 'error') {
        job.errors.push(end.code);
        // two readings that lie in the same byte cannot be told from the truth: only a discard helps
        if (end.code === 'CHECKSUM_MISMATCH') await discard(job);
      }
    } catch (error) {
      if (mine && mine === hive) throw error; // nobody has killed it
    }
    await sleep(50);
  }
  throw new Error(`${job.ref} does not come: ${job.errors.slice(-5).join(', ')}`);
}

async function discard(job) {
  job.discards++;
  const { remove } = require('../e2e/lib/hive.js');
  await remove(hive, `/v1/models?model_ref=${job.ref}`);
}

async function main() {
  console.log(`seed ${SEED}: ${N} downloads, ${SIDE_BY_SIDE} at once`);
  const hub = await Hub.start();
  hub.cdn.faults = fault;
  await live(hub);
  const jobs = Array.from({ length: N }, (_, i) => {
    const bytes = seeded(SEED * 1000 + i, 100000 + upTo(4 * MIB));
    hub.put(`soak/d${i}`, { [`d${i}.gguf`]: bytes });
    return { ref: `hf:soak/d${i}`, size: bytes.length, digest: sha256(bytes), errors: [], discards: 0 };
  });
  const killer = killNowAndThen(hub);
  const queue = [...jobs];
  let wrong = 0;
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, async () => {
    for (let job; (job = queue.shift());) {
      const file = await pull(job);
      if (sha256(fs.readFileSync(file)) !== job.digest) {
        wrong++;
        console.log(`WRONG: ${job.ref} at ${file}`);
      }
    }
  }));
  ending = true;
  await killer;
  const orphans = filesIn(hive).filter((f) => !/\.gguf(\.json)?$/.test(f));
  const total = jobs.reduce((sum, j) => sum + j.size, 0);
  const sent = [...hub.cdn.sent.values()].reduce((a, b) => a + b, 0);
  const errors = jobs.flatMap((j) => j.errors).reduce((m, e) => ({ ...m, [e]: (m[e] || 0) + 1 }), {});
  console.log(`seed ${SEED}: ${N} downloads, ${kills} kills, ${wrong} wrong, ${orphans.length} orphans, `
    + `${jobs.reduce((s, j) => s + j.discards, 0)} discards, ${(total / 1e6).toFixed(1)} MB of files, `
    + `${(sent / 1e6).toFixed(1)} MB sent; errors told: ${JSON.stringify(errors)}`);
  for (const f of orphans) console.log(`ORPHAN: ${f}`);
  await hive.stop();
  hub.stop();
  if (wrong || orphans.length || filesIn(hive).length !== 2 * N) process.exitCode = 1;
}

main().catch((error) => {
  console.error(`seed ${SEED}: ${error.stack}`);
  process.exit(1);
});
