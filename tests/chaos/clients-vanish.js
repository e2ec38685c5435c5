'use strict';
/*
 * clients-vanish.js - clients of a hive and of its worker that go away at any moment (some before they
 * have an answer), are deleted or run out of time: those ends are in the books, by their cause; then all slots
 * are free, no pass was spent on a job after the one that ran as its end was wished, and neither worker
 * nor hive has grown or has a descriptor more.
 */
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const { isDeepStrictEqual } = require('node:util');

const { until } = require('../e2e/lib/proc.js');
const { ask, stream } = require('../e2e/lib/sse.js');
const { startHive, spawnReady, get, list } = require('../e2e/lib/hive.js');
const { chance, slowModel, main, sleep } = require('./lib.js');

const AT_ONCE = 12, CTX = 16384, SLOTS = 4;
/*
 * An answer of CTX tokens by one thread goes on for longer than `until` waits, so no job that was to end early
 * ends by itself in time. Its keys and values are few: 2 of 64 numbers of 2 bytes for a position of a layer.
 */
const MODEL = { layers: 4, embd: 64, ff: 16384, ctx: CTX };
const POSITION_BYTES = MODEL.layers * 2 * MODEL.embd * 2; /* touched as they fill */
const SLACK_BYTES = 8 << 20; /* heaps that fit unevenly */
const rss = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
const descriptors = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;
const MiB = (bytes) => (bytes / 2 ** 20).toFixed(0);

/* A client that is gone so many milliseconds after it asked; true: its answer had begun by then. */
function goEarly(url, body, ms) {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    let status = 0;
    const request = http.request(url, { method: 'POST', agent: false, headers: { 'Content-Type': 'application/json', 'Content-Length': text.length } });
    request.on('response', (response) => { status = response.statusCode; response.on('error', () => {}).resume(); });
    request.on('error', () => {}); // it hung up itself
    request.on('close', () => (!status || status === 200 ? resolve(status === 200) : reject(new Error(`${url}: ${status}`))));
    request.end(text);
    setTimeout(() => request.destroy(), ms);
  });
}

/* One client and its end, which it counts; whoever left before the answer may have been too early to be a job. */
async function vanish(hive, worker, model, luck, n, ended, early) {
  const by = luck.pick(['worker', 'gateway']), end = early ? 'early' : luck.pick(by === 'worker' ? ['leave', 'delete', 'deadline'] : ['leave']);
  const id = `chaos-${n}`, wait = luck.below(120), prompt = 'a '.repeat(1 + luck.below(200));
  const body = { prompt, max_tokens: CTX, temperature: 0, ...(by === 'worker' ? { job_id: id } : { model, stream: true }) };
  const url = by === 'worker' ? `${worker.url}/v1/inference` : `${hive.url}/v1/completions`;
  if (end === 'early') {
    ended[await goEarly(url, body, wait / 4) ? 'disconnect' : 'early']++;
    return;
  }
  if (end === 'deadline') {
    const s = await stream(url, { method: 'POST', body: { ...body, timeout_seconds: 0.001 + wait / 1000 } }).catch((error) => error);
    if (s instanceof Error) assert.match(s.message, /^no stream but 408: .*REQUEST_TIMEOUT/); // it was still in the queue
    else assert.strictEqual((await s.all()).at(-1).code, 'REQUEST_TIMEOUT', s.raw.slice(-300));
    assert.ok(s instanceof Error || s.done, s.raw);
    ended.deadline++;
    return;
  }
  const s = await stream(url, { method: 'POST', body });
  await sleep(wait);
  if (end === 'leave') {
    assert.ok(!s.over, `it went on when its client left:\n${s.raw.slice(-300)}`);
    s.leave();
    ended.disconnect++;
    return;
  }
  assert.strictEqual((await ask(`${worker.url}/v1/inference/${id}`, { method: 'DELETE' })).status, 204);
  assert.strictEqual((await s.all()).at(-1).stop_reason, 'CANCELLED', s.raw.slice(-300));
  assert.ok(s.done, s.raw.slice(-300));
  ended.delete++;
}

const isFree = (row) => row.slots_busy === 0 && row.queued === 0;
/* What the books say of each cause, whatever the phase. */
const causes = (books) => Object.values(books).reduce((sum, phase) => {
  for (const [cause, count] of Object.entries(phase)) sum[cause] = (sum[cause] || 0) + count;
  return sum;
}, {});
/* One whose leaving was noticed by a write to it that failed was in no count, up to half of those that left. */
const isTold = (books, ended) => {
  const told = causes(books);
  return told.delete === ended.delete && told.deadline === ended.deadline &&
    told.disconnect >= ended.disconnect && told.disconnect <= ended.disconnect + ended.early;
};

/* What a client left behind may reach the worker, and be counted, a moment later. */
async function settled(hive, worker, ended = null) {
  let ready, row;
  await until(async () => {
    ready = (await get(worker, '/v1/ready')).json;
    [row] = await list(hive);
    return isFree(ready) && isFree(row) && isDeepStrictEqual(row.cancelled, ready.cancelled) &&
      (!ended || isTold(ready.cancelled, ended));
  }, () => `all slots are free, the hive shows the worker's books, ${ended ? `which tell of ${JSON.stringify(ended)}` : 'whatever they tell'}: ${JSON.stringify([ready, row])}`);
  assert.strictEqual(row.worker_id, worker.worker_id);
  return { ready, tokens: row.tokens_out };
}

/* Makes a worker use what its passes ever will: all slots read a long prompt at once. */
const warmUp = (worker) => Promise.all(Array.from({ length: SLOTS }, () => ask(`${worker.url}/v1/inference`,
  { method: 'POST', body: { prompt: 'a '.repeat(400), max_tokens: 1, stream: false } })));

async function clientsVanish({ rounds, seed, say }) {
  const luck = chance(seed), model = slowModel(MODEL);
  const ended = { disconnect: 0, delete: 0, deadline: 0, early: 0 };
  say(`clients vanish: ${rounds} clients, CHAOS_SEED=${seed}`);
  const hive = await startHive({ flags: { slots: SLOTS, ctx: CTX, threads: 1 } });
  try {
    const worker = await spawnReady(hive, model);
    const some = async (from, to, early) => {
      for (let n = from; n < to; n += AT_ONCE) {
        await Promise.all(Array.from({ length: Math.min(AT_ONCE, to - n) }, (_, i) => vanish(hive, worker, model, luck, n + i, ended, early)));
        await settled(hive, worker); // else those after them may find the queue full
      }
      const { ready, tokens } = await settled(hive, worker, ended);
      return { ready, tokens, processes: [['worker', worker.pid], ['hive', hive.pid]].map(([name, pid]) => ({ name, pid, bytes: rss(pid), fds: descriptors(pid) })) };
    };
    await warmUp(worker);
    const third = Math.ceil(rounds / 3);
    const then = await some(0, third, false);
    await some(third, 2 * third, false);
    const now = await some(2 * third, rounds, true); // of these only how many there may be is known
    assert.ok(now.ready.late_passes_max <= 1, `${now.ready.late_passes_max} passes behind a wish`);
    assert.ok(ended.disconnect > 0 && ended.delete > 0 && ended.deadline > 0, JSON.stringify(ended));
    const sanitized = /asan|tsan/.test(process.env.RBEE_BUILD || ''); // a sanitizer keeps what was freed
    const filled = Math.min(SLOTS * CTX, now.tokens - then.tokens) * POSITION_BYTES;
    for (const [i, { name, pid, bytes, fds }] of then.processes.entries()) {
      await until(() => descriptors(pid) <= fds, () => `${name}: ${descriptors(pid)} descriptors, ${fds} before`);
      assert.ok(sanitized || now.processes[i].bytes < bytes + SLACK_BYTES + (name === 'worker' ? filled : 0), `${name}: ${bytes} bytes grew to ${now.processes[i].bytes}`);
    }
    say(`clients vanish: ${rounds} clients, ${JSON.stringify(ended)}, all in the books ${JSON.stringify(now.ready.cancelled)}, at most ${now.ready.late_passes_max} pass behind a wish, ` +
      then.processes.map(({ name, bytes, fds }, i) => `${name} ${MiB(bytes)} MiB and ${fds} descriptors, then ${MiB(now.processes[i].bytes)} MiB`).join(', '));
  } finally {
    await hive.stop();
  }
}

module.exports = { clientsVanish };
if (require.main === module) main(clientsVanish, 1000);
