'use strict';
/*
 * clients-vanish.js - clients of a hive and of its worker that go away at any moment, are deleted or
 * run out of time: in the end all slots are free, no pass was spent on a job after the one that ran as
 * its end was wished, and the worker has not grown.
 */
const assert = require('node:assert');
const fs = require('node:fs');
const { isDeepStrictEqual } = require('node:util');

const { until } = require('../e2e/lib/proc.js');
const { ask, stream } = require('../e2e/lib/sse.js');
const { startHive, spawnReady, get, list } = require('../e2e/lib/hive.js');
const { chance, slowModel, main, sleep } = require('./lib.js');

const AT_ONCE = 12, CTX = 1024, SLOTS = 4;
/* Keys and values of one position of slowModel: 8 layers, 2 of them, 256 numbers, 2 bytes. */
const POOL_BYTES = SLOTS * CTX * 8 * 2 * 256 * 2;
const SLACK_BYTES = 16 << 20; /* heaps that fit unevenly */
const rss = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;

/* One client and its end. */
async function vanish(hive, worker, model, luck, n) {
  const by = luck.pick(['worker', 'gateway']), end = luck.pick(by === 'worker' ? ['leave', 'delete', 'deadline'] : ['leave']);
  const id = `chaos-${n}`, wait = luck.below(120), prompt = 'a '.repeat(1 + luck.below(200));
  const body = { prompt, max_tokens: 2000, temperature: 0 };
  const url = by === 'worker' ? `${worker.url}/v1/inference` : `${hive.url}/v1/completions`;
  const more = by === 'worker' ? { job_id: id, ...(end === 'deadline' ? { timeout_seconds: 0.001 + wait / 1000 } : {}) } : { model, stream: true };
  const s = await stream(url, { method: 'POST', body: { ...body, ...more } }).catch((error) => {
    if (!/ no stream but (408|503)|^no stream but (408|503)/.test(error.message)) throw error;
    return null;
  });
  if (!s) return;
  if (end === 'deadline') { await s.all(); assert.ok(s.done, s.raw.slice(-300)); return; }
  await sleep(wait);
  if (end === 'leave') { s.leave(); return; }
  assert.strictEqual((await ask(`${worker.url}/v1/inference/${id}`, { method: 'DELETE' })).status, 204);
  await s.all();
  assert.ok(s.done, s.raw.slice(-300));
}

const isFree = (row) => row.slots_busy === 0 && row.queued === 0;

async function clientsVanish({ rounds, seed, say }) {
  const luck = chance(seed), model = slowModel();
  say(`clients vanish: ${rounds} clients, CHAOS_SEED=${seed}`);
  const hive = await startHive({ flags: { slots: SLOTS, ctx: CTX } });
  try {
    const worker = await spawnReady(hive, model);
    let early = 0;
    for (let n = 0; n < rounds; n += AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, rounds - n) }, (_, i) => vanish(hive, worker, model, luck, n + i)));
      if (!early && n + AT_ONCE >= rounds / 4) early = rss(worker.pid);
    }
    /* What a client of the gateway left behind may reach the worker, and be counted, a moment later. */
    let ready, row;
    await until(async () => {
      ready = (await get(worker, '/v1/ready')).json;
      [row] = await list(hive);
      return isFree(ready) && isFree(row) && isDeepStrictEqual(row.cancelled, ready.cancelled);
    }, () => `all slots are free, and the hive shows the worker's books: ${JSON.stringify([ready, row])}`);
    assert.strictEqual(row.worker_id, worker.worker_id);
    assert.ok(ready.late_passes_max <= 1, `${ready.late_passes_max} passes behind a wish`);
    const n_cancelled = Object.values(ready.cancelled).flatMap((phase) => Object.values(phase)).reduce((a, b) => a + b);
    assert.ok(n_cancelled > 0 && n_cancelled <= rounds, JSON.stringify(ready.cancelled));
    const late = rss(worker.pid);
    /* The pool of keys and values is touched as it fills: it is bounded, and so is all else. */
    const sanitized = /asan|tsan/.test(process.env.RBEE_BUILD || ''); // a sanitizer keeps what was freed
    assert.ok(sanitized || late < early + POOL_BYTES + SLACK_BYTES, `${early} bytes grew to ${late}`);
    say(`clients vanish: ${rounds} clients, ${n_cancelled} cancelled ${JSON.stringify(ready.cancelled)}, at most ${ready.late_passes_max} pass behind a wish, ${(early / 2 ** 20).toFixed(0)} MiB then ${(late / 2 ** 20).toFixed(0)} MiB`);
  } finally {
    await hive.stop();
  }
}

module.exports = { clientsVanish };
if (require.main === module) main(clientsVanish, 1000);
