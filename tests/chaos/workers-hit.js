'use strict';
/*
 * workers-hit.js - a worker is killed, stopped, or runs out of memory while 16 clients of the hive's
 * gateway have streams, or wait for it to load: each has a clear error, or a whole answer, and those who
 * had a part of theirs have the error; the next request works.
 */
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { WORKER, makeFolder, until } = require('../e2e/lib/proc.js');
const { ask, stream } = require('../e2e/lib/sse.js');
const { startHive, list } = require('../e2e/lib/hive.js');
const { chance, slowModel, main, sleep } = require('./lib.js');

const CLIENTS = 16, SLOTS = 4, LOAD_MS = 500;
const TOKENS = 3500; /* nobody comes to its end before the hit */
const FEW = 300; /* of a model that was hit as it loaded: should it be loaded again, all of them are made */
const TRIES = 6; /* to hit a loader: some are done before this process is woken */
const body = (model, more = {}) => ({ model, prompt: 'a', max_tokens: TOKENS, temperature: 0, stream: true, ...more });

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

const noLonger = (group) => until(() => { try { fs.rmdirSync(group.folder); return true; } catch { return false; } }, 'the cgroup is empty');

/* Why no worker can run out of memory here; or null. */
function whyNoMemory() {
  const group = memoryGroup();
  if (group) fs.rmdirSync(group.folder);
  return group ? null : 'no cgroup with a memory limit can be made here';
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
const WAYS = ['kill', 'crash', 'stop']; /* those that work everywhere */
/* What the record of the worker then says. */
const told = { kill: /SIGKILL/, crash: /SIGSEGV|SIGABRT|exit code/, stop: /stopped by a signal/, memory: /memory ran out/ };

/* Its stream is in `begun` from its first byte on. */
async function client(hive, model, begun, more) {
  try {
    const s = await stream(`${hive.url}/v1/completions`, { method: 'POST', body: body(model, more) });
    begun.push(s);
    await s.all();
    return s;
  } catch (error) { // an answer that is no stream: it must be an error with a code
    assert.match(error.message, /^no stream but \d{3}: \{"error":\{.*"code":"/);
    return null;
  }
}

const manyClients = (hive, model, begun, more) => Promise.all(Array.from({ length: CLIENTS }, () => client(hive, model, begun, more)));
const tokensOf = (s) => s.events.filter((e) => e.json && e.json.choices && e.json.choices[0].text).length;

/* The error that a stream ended with; without one its answer is whole: none may end in silence. */
function errorOf(s) {
  assert.ok(s.done && s.events.at(-1).data === '[DONE]', `a stream without [DONE] at its end:\n${s.raw.slice(-500)}`);
  const last = s.events.at(-2).json, errors = s.events.filter((e) => e.json && e.json.error);
  assert.strictEqual(errors.length, last.error ? 1 : 0, s.raw.slice(-1000));
  if (!last.error) assert.ok(s.events.some((e) => e.json && e.json.choices && e.json.choices[0].finish_reason === 'length'), `neither an error nor an end:\n${s.raw.slice(-500)}`);
  return last.error;
}

async function hit(hive, model, how, group) {
  const before = await list(hive), begun = [];
  const clients = manyClients(hive, model, begun);
  const worker = await until(async () => (await list(hive)).find((w) => w.slots_busy > 0 && w.tokens_out > 20 &&
    begun.filter(tokensOf).length === SLOTS && !before.some((b) => b.worker_id === w.worker_id && b.state === 'failed')),
  () => `a busy worker, and a client for each of its slots that has tokens:\n${hive.stderr}`);
  const amidst = begun.filter(tokensOf); // no other worker can go on with these
  hits[how](worker.pid, group);
  const streams = (await clients).filter(Boolean);
  let n_errors = 0;
  for (const s of streams) {
    const error = errorOf(s);
    assert.ok(error || !amidst.includes(s), `nobody told a client of ${how}:\n${s.raw.slice(-500)}`);
    if (!error) continue;
    n_errors++;
    assert.match(error.code, /^worker_(crashed|stalled)$/, JSON.stringify(error));
    assert.strictEqual(error.details.worker_id, worker.worker_id);
    const n = tokensOf(s), [, counted] = /(\d+) tokens had come/.exec(error.message);
    assert.ok(Number(counted) >= n, `${counted} counted, ${n} came`);
  }
  assert.ok(amidst.every((s) => streams.includes(s)));
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

/* Waits until the worker itself, and no longer the shell before it, has read a layer of its model. */
async function untilItReads(worker) {
  await until(async () => {
    const s = await stream(`${worker.url}/v1/loading/progress`).catch(() => null); // nobody listens there yet
    return s && s.find((e) => e.stage !== 'loading_to_ram' || e.layers_loaded > 0).then(() => s.leave()).then(() => true, () => true);
  }, 'the worker loads');
}

/* By its log: the worker itself ran, and was not done. */
const wasLoading = (log) => / listens on /.test(log) && !/the model is loaded/.test(log);

/*
 * Its model is one of its own: a model whose load has failed is not tried again for 10 s. `inside`: it is hit
 * when it has begun to read the model, which takes it a while; else at any moment before that. Tells whether
 * it was.
 */
async function hitLoading(hive, how, group, { inside, ms }) {
  const model = slowModel(inside ? { layers: 24, ff: 2048 } : {}), begun = [];
  const clients = manyClients(hive, model, begun, { max_tokens: FEW });
  const worker = await until(async () => (await list(hive)).find((w) => /^(starting|loading)$/.test(w.state) && w.pid), () => `a loading worker:\n${hive.stderr}`);
  await (inside ? untilItReads(worker) : sleep(ms));
  const amidst = begun.filter(tokensOf); // it is ready already
  hits[how](worker.pid, group);
  const streams = (await clients).filter(Boolean);
  for (const s of streams) { // one that was ready by then and had not begun is replaced: its clients have a whole answer
    const error = errorOf(s);
    if (error) assert.match(error.code, /^(worker_|loading_timeout)/, s.raw.slice(-500));
    else assert.ok(!amidst.includes(s), `nobody told a client of ${how}:\n${s.raw.slice(-500)}`);
  }
  const record = await until(async () => (await list(hive)).find((w) => w.worker_id === worker.worker_id && w.state === 'failed' && w.error));
  const log = fs.readFileSync(record.error.log_path, 'utf8');
  assert.match(record.error.message, how !== 'stop' ? told[how] : wasLoading(log) ? /not loaded within 4 s .* stopped by a signal/ : /stopped by a signal|did not answer/);
  const other = await ask(`${hive.url}/v1/completions`, { method: 'POST', body: body(slowModel(), { stream: false, max_tokens: 2 }) });
  assert.strictEqual(other.status, 200, other.text);
  return { n: streams.length, inside: wasLoading(log) };
}

/*
 * Every other worker is hit inside its loader, and that this was so is asked of its log. No loader runs out of
 * memory by a cgroup's limit: what it reads are pages of a file, which are given back; it does before it loads.
 */
async function hitWhileLoading({ rounds, seed, say, ways = WAYS }) {
  const luck = chance(seed), first = luck.below(2);
  say(`workers hit while they load: ${rounds} rounds, CHAOS_SEED=${seed}`);
  const hive = await startHive({ flags: { slots: SLOTS, worker: lateWorker(LOAD_MS / 1000) }, env: { RBEE_HIVE_LOAD_TIMEOUT: '4s' } });
  hive.mayCrash(); // its workers, by a signal of ours
  const group = ways.includes('memory') ? memoryGroup() : null;
  try {
    for (let round = 0; round < rounds; round++) {
      const how = round < ways.length ? ways[round] : luck.pick(ways), ms = luck.below(LOAD_MS);
      const inside = how !== 'memory' && round % 2 === first;
      let got = await hitLoading(hive, how, group, { inside, ms });
      for (let i = 1; inside && !got.inside && i < TRIES; i++) got = await hitLoading(hive, how, group, { inside, ms });
      assert.ok(got.inside || !inside, `${TRIES} times it was too late, or too early, to hit a worker that reads its model`);
      say(`workers hit ${inside ? 'as they read the model' : `${ms} ms after their start`}: ${how}: ${CLIENTS} clients have ended, ${got.n} of them in a stream; another model worked`);
    }
  } finally {
    await hive.stop().finally(() => group && noLonger(group));
  }
}

/* ---- while it answers ---- */

async function workersHit({ rounds, seed, say, ways = WAYS }) {
  const luck = chance(seed), model = slowModel();
  say(`workers hit: ${rounds} rounds, CHAOS_SEED=${seed}`);
  const hive = await startHive({ flags: { slots: SLOTS }, env: { RBEE_HIVE_HEALTH_INTERVAL: '500ms' } });
  hive.mayCrash(); // its workers, by a signal of ours
  const group = ways.includes('memory') ? memoryGroup() : null;
  try {
    for (let round = 0; round < rounds; round++) {
      const how = round < ways.length ? ways[round] : luck.pick(ways);
      const n = await hit(hive, model, how, group);
      say(`workers hit: ${how}: ${CLIENTS} clients ended, ${n} of them by an error in the stream; the next request worked`);
    }
  } finally {
    await hive.stop().finally(() => group && noLonger(group));
  }
}

async function all(how) {
  const why = whyNoMemory(), ways = [...WAYS, ...(why ? [] : ['memory'])];
  if (why) how.say(`workers hit: ${why}: none runs out of memory`);
  await workersHit({ ...how, ways });
  await hitWhileLoading({ ...how, ways });
}

module.exports = { workersHit, hitWhileLoading, whyNoMemory };
if (require.main === module) main(all, 20);
