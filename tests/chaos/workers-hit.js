'use strict';
/*
 * workers-hit.js - a worker is killed, stopped, or runs out of memory while 16 clients of the hive's
 * gateway have streams, or wait for it to load: each ends with [DONE], or has a clear error, and the
 * next request works.
 */
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { WORKER, makeFolder, until } = require('../e2e/lib/proc.js');
const { ask, stream } = require('../e2e/lib/sse.js');
const { startHive, list } = require('../e2e/lib/hive.js');
const { chance, slowModel, main, sleep } = require('./lib.js');

const CLIENTS = 16, LOAD_MS = 1000;
const body = (model, more = {}) => ({ model, prompt: 'a', max_tokens: 3500, temperature: 0, stream: true, ...more });

/* A memory cgroup (either version) that a process can be put into to be killed there; or null. */
function memoryGroup() {
  for (const [base, limit] of [['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'], ['/sys/fs/cgroup', 'memory.max']]) {
    const folder = path.join(base, `rbee-chaos-${process.pid}`);
    try {
      fs.mkdirSync(folder);
      if (fs.existsSync(path.join(folder, limit))) return { folder, limit };
      fs.rmdirSync(folder);
    } catch { /* not ours to make */ }
  }
  return null;
}

const hits = {
  kill: (pid) => process.kill(pid, 'SIGKILL'),
  crash: (pid) => process.kill(pid, 'SIGSEGV'),
  stop: (pid) => process.kill(pid, 'SIGSTOP'),
  memory: (pid, group) => {
    fs.writeFileSync(path.join(group.folder, 'cgroup.procs'), String(pid));
    fs.writeFileSync(path.join(group.folder, group.limit), String(1 << 20));
  },
};
/* What the record of the worker then says. */
const told = { kill: /SIGKILL/, crash: /SIGSEGV|SIGABRT|exit code/, stop: /stopped by a signal/, memory: /memory ran out/ };

async function client(hive, model) {
  try {
    const s = await stream(`${hive.url}/v1/completions`, { method: 'POST', body: body(model) });
    await s.all();
    return s;
  } catch (error) { // an answer that is no stream: it must be an error with a code
    assert.match(error.message, /^no stream but \d{3}: \{"error":\{.*"code":"/);
    return null;
  }
}

async function hit(hive, model, how, group) {
  const before = await list(hive);
  const clients = Array.from({ length: CLIENTS }, () => client(hive, model));
  const worker = await until(async () => (await list(hive)).find((w) => w.slots_busy > 0 && w.tokens_out > 20 &&
    !before.some((b) => b.worker_id === w.worker_id && b.state === 'failed')), () => `a busy worker:\n${hive.stderr}`);
  hits[how](worker.pid, group);
  const streams = (await Promise.all(clients)).filter(Boolean);
  let n_errors = 0;
  for (const s of streams) {
    assert.ok(s.done, `a stream without [DONE] after ${how}:\n${s.raw.slice(-500)}`);
    const last = s.events.at(-2).json;
    if (!last.error) continue;
    n_errors++;
    assert.match(last.error.code, /^worker_(crashed|stalled)$/, JSON.stringify(last));
    const n = s.events.filter((e) => e.json && e.json.choices && e.json.choices[0].text).length;
    const [, counted] = /(\d+) tokens had come/.exec(last.error.message);
    assert.ok(Number(counted) >= n, `${counted} counted, ${n} came`);
  }
  assert.ok(n_errors > 0, `nobody noticed: ${how}`);
  const record = await until(async () => (await list(hive)).find((w) => w.worker_id === worker.worker_id && w.state === 'failed' && w.error));
  assert.match(record.error.message, told[how]);
  const next = await ask(`${hive.url}/v1/completions`, { method: 'POST', body: body(model, { stream: false, max_tokens: 2 }) });
  assert.strictEqual(next.status, 200, next.text);
  return n_errors;
}

/* ---- while it loads ---- */

/* The worker's program, which takes its time before it loads: as from a slow disk. */
function lateWorker(seconds) {
  const file = path.join(makeFolder('rbee-late-'), 'worker');
  fs.writeFileSync(file, `#!/bin/sh\n[ "$1" != serve ] || sleep ${seconds}\nexec '${WORKER}' "$@"\n`, { mode: 0o755 });
  return file;
}

/* A stream that ended as it should: [DONE], and the error before it, if there was one. */
const errorOf = (s) => {
  assert.ok(s.done, `a stream without [DONE]:\n${s.raw.slice(-500)}`);
  return (s.events.at(-2).json || {}).error;
};

/* Its model is one of its own: a model whose load has failed is not tried again for 10 s. */
async function hitLoading(hive, how, group, afterMs) {
  const model = slowModel();
  const clients = Array.from({ length: CLIENTS }, () => client(hive, model));
  const worker = await until(async () => (await list(hive)).find((w) => /^(starting|loading)$/.test(w.state) && w.pid), () => `a loading worker:\n${hive.stderr}`);
  await sleep(afterMs);
  hits[how](worker.pid, group);
  const streams = (await Promise.all(clients)).filter(Boolean);
  for (const s of streams) { // one that was ready by then and had not begun is replaced: its clients have a whole answer
    const error = errorOf(s);
    if (error) assert.match(error.code, /^(worker_|loading_timeout)/, s.raw.slice(-500));
    else assert.match(s.raw, /"finish_reason":"length"/);
  }
  const record = await until(async () => (await list(hive)).find((w) => w.worker_id === worker.worker_id && w.state === 'failed' && w.error));
  assert.match(record.error.message, how === 'stop' ? /not loaded within 4 s .* stopped by a signal|did not answer/ : told[how]);
  const other = await ask(`${hive.url}/v1/completions`, { method: 'POST', body: body(slowModel(), { stream: false, max_tokens: 2 }) });
  assert.strictEqual(other.status, 200, other.text);
  return streams.length;
}

async function hitWhileLoading({ rounds, seed, say }) {
  const luck = chance(seed), group = memoryGroup();
  const ways = Object.keys(hits).filter((how) => how !== 'memory' || group);
  const hive = await startHive({ flags: { slots: 4, worker: lateWorker(LOAD_MS / 1000) }, env: { RBEE_HIVE_LOAD_TIMEOUT: '4s' } });
  hive.mayCrash(); // its workers, by a signal of ours
  try {
    for (let round = 0; round < rounds; round++) {
      const how = round < ways.length ? ways[round] : luck.pick(ways);
      const ms = luck.below(LOAD_MS);
      const n = await hitLoading(hive, how, group, ms);
      say(`workers hit after ${ms} ms of loading: ${how}: ${CLIENTS} clients have ended, ${n} of them in a stream; another model worked`);
    }
  } finally {
    await hive.stop();
    if (group) await until(() => { try { fs.rmdirSync(group.folder); return true; } catch { return false; } }, 'the cgroup is empty');
  }
}

/* ---- while it answers ---- */

async function workersHit({ rounds, seed, say }) {
  const luck = chance(seed), model = slowModel(), group = memoryGroup();
  const ways = Object.keys(hits).filter((how) => how !== 'memory' || group);
  say(`workers hit: ${rounds} rounds, CHAOS_SEED=${seed}${group ? '' : '; no cgroup with a memory limit can be made here, that case is left out'}`);
  const hive = await startHive({ flags: { slots: 4 }, env: { RBEE_HIVE_HEALTH_INTERVAL: '500ms' } });
  hive.mayCrash(); // its workers, by a signal of ours
  try {
    for (let round = 0; round < rounds; round++) {
      const how = round < ways.length ? ways[round] : luck.pick(ways);
      const n = await hit(hive, model, how, group);
      say(`workers hit: ${how}: ${CLIENTS} clients ended, ${n} of them by an error in the stream; the next request worked`);
    }
  } finally {
    await hive.stop();
    if (group) await until(() => { try { fs.rmdirSync(group.folder); return true; } catch { return false; } }, 'the cgroup is empty');
  }
}

module.exports = { workersHit, hitWhileLoading };
if (require.main === module) main(async (how) => { await workersHit(how); await hitWhileLoading(how); }, 20);
