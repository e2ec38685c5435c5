'use strict';
/*
 * memory.test.js - memory planned before a load: what explain tells, who is ended to make room, and
 * who never is. The limit on memory is chosen by what a worker of this build really takes.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { testModel, makeFolder, until } = require('./lib/proc.js');
const { stream } = require('./lib/sse.js');
const { startHive, get, post, remove, spawn, spawnReady, list } = require('./lib/hive.js');
const { run } = require('./lib/keeper.js');
const { Hub } = require('./lib/hub.js');
const { writeHollowModel } = require('./lib/gguf.js');

const MODEL = testModel();
const skip = MODEL ? false : 'no model: neither models/tiny.gguf nor the test data are there';
const it = (what, how, ...more) => (assert.ok(!more.length, what), test(what, { skip }, how));
const MIB = 2 ** 20;
const CTX = 65536;

const explain = (hive, model, more = {}) => post(hive, '/v1/workers/explain', { model_ref: model, ...more });
const states = async (hive) => Object.fromEntries((await list(hive)).map((w) => [w.worker_id, w.state]));

/* Bytes that only this process has, by the kernel's count. */
function residentBytes(pid) {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return ['RssAnon', 'RssShmem'].reduce((sum, name) => sum + 1024 * Number(status.match(`${name}:\\s+(\\d+)`)[1]), 0);
}

/* Asks it something, and waits until the hive can see that it was used and has nothing to do. */
async function use(hive, worker) {
  const events = await stream(`${worker.url}/v1/inference`, { method: 'POST', body: { prompt: 'a', max_tokens: 2, temperature: 0 } });
  await until(() => events.over, 'the answer');
  assert.ok(events.done, events.raw);
  await until(async () => {
    const row = (await get(hive, `/v1/workers/${worker.worker_id}`)).json;
    return row.tokens_out > 0 && row.slots_busy === 0;
  }, 'the board');
}

/* A model whose answers can be as long as a test needs, with a KV cache that counts. Its tokens are not the cheapest: with
 * small weights an answer of 65,000 of them was over in six seconds, of which whoever read them needed most. */
function longModel(name) {
  const file = path.join(makeFolder(), name);
  writeHollowModel(file, { layers: 1, embd: 64, ff: 16384, ctx: CTX });
  return file;
}

/* Keeps a worker busy until the test lets go of it. */
async function longJob(worker) {
  const job = await stream(`${worker.url}/v1/inference`, { method: 'POST',
    body: { prompt: 'a', max_tokens: CTX - 100, ignore_eos: true, temperature: 0 } });
  await until(() => job.events.some((e) => e.json?.type === 'token'), 'a token');
  return job;
}

const inLine = (hive, name) => new RegExp(`${name}\\.gguf waits until`).test(hive.stderr);

/* MiB that hold one worker with such a model and not two. */
async function limitForOne(model) {
  const hive = await startHive();
  const { need } = (await explain(hive, model, { ctx: CTX })).json;
  const worker = await spawnReady(hive, model, { ctx: CTX });
  await use(hive, worker);
  const takes = Math.max(need.total_bytes, residentBytes((await list(hive))[0].pid));
  await hive.stop();
  return Math.ceil((need.total_bytes + takes / 2) / MIB);
}

describe('explain', () => {
  let hive;
  before(async () => { hive = await startHive({ env: { RBEE_TINY: MODEL || '' } }); });
  after(() => hive.stop());

  it('tells need and have, and starts nothing', async () => {
    const answer = await explain(hive, 'tiny', { slots: 2, ctx: 128 });
    assert.strictEqual(answer.status, 200, answer.text);
    const { need, have } = answer.json;
    assert.strictEqual(answer.json.decision, 'start');
    assert.strictEqual(answer.json.worker_id, null);
    assert.strictEqual(need.weights_bytes + need.kv_bytes + need.scratch_bytes, need.total_bytes);
    assert.strictEqual(answer.json.slots, 2);
    assert.strictEqual(answer.json.ctx, 128);
    assert.ok(have.usable_bytes <= have.free_bytes && have.free_bytes <= have.total_bytes, answer.text);
    const twice = (await explain(hive, 'tiny', { slots: 4, ctx: 128 })).json.need;
    assert.strictEqual(twice.kv_bytes, 2 * need.kv_bytes);
    assert.deepStrictEqual(await list(hive), []);
  });

  /* It said "start" where a spawn is refused, and "reuse" where one was to be new. */
  it('says what a spawn would do', async () => {
    const [told, done] = [await explain(hive, 'tiny', { ctx: 100000 }), await post(hive, '/v1/workers/spawn', { model_ref: 'tiny', ctx: 100000 })];
    assert.deepStrictEqual([told.status, told.json.error.message], [400, done.json.error.message]);
    const worker = await spawnReady(hive, 'tiny');
    assert.strictEqual((await explain(hive, 'tiny')).json.decision, 'reuse');
    assert.strictEqual((await explain(hive, 'tiny', { new: true })).json.decision, 'start');
    await remove(hive, `/v1/workers/${worker.worker_id}`);
    await until(async () => (await list(hive)).length === 0, 'it has ended');
  });

  /* The keeper's explain said "reuse", and `infer` with the same options started another worker or was refused. With
   * --keep-alive `infer` started one more though one large enough was there: the hive might have given the small one. */
  it('the keeper says what infer would do where a worker is too small, and where there is a larger one', async () => {
    const node = ['--node', new URL(hive.url).host, '--model', 'tiny'], wide = ['--ctx', '512', '--slots', '2'];
    const infer = async (...more) => assert.strictEqual((await run(['infer', '-p', 'x', '-n', '1', ...node, ...wide, ...more])).code, 0);
    const told = async (...more) => JSON.parse((await run(['explain', '--json', ...node, ...more])).stdout).nodes[0];
    const small = await spawnReady(hive, 'tiny', { ctx: 64, slots: 1 });
    assert.strictEqual((await told('--ctx', '64')).decision, 'reuse');
    assert.match((await told('--ctx', '100000')).reason, /was trained for a context of 512/);
    const start = await told(...wide);
    assert.deepStrictEqual([start.decision, start.ctx, start.slots], ['start', 512, 2]);
    await infer();
    const [, large] = await list(hive);
    const reuse = await told(...wide);
    assert.deepStrictEqual([reuse.decision, reuse.worker_id], ['reuse', large.worker_id]);
    await infer('--keep-alive', '7m');
    const now = await list(hive);
    assert.deepStrictEqual(now.map((w) => [w.worker_id, w.keep_alive_ms]), [[small.worker_id, small.keep_alive_ms], [large.worker_id, 420000]]);
    for (const w of now) await remove(hive, `/v1/workers/${w.worker_id}`);
    await until(async () => (await list(hive)).length === 0, 'they have ended');
  });

  it('a worker that is there would be reused', async () => {
    const worker = await spawnReady(hive, 'tiny');
    const answer = (await explain(hive, 'tiny')).json;
    assert.strictEqual(answer.decision, 'reuse');
    assert.strictEqual(answer.worker_id, worker.worker_id);
  });

  test('refuses what cannot fit, with the numbers, as spawn does', async () => {
    const file = path.join(makeFolder(), 'huge.gguf');
    writeHollowModel(file, { layers: 64, embd: 4096, ff: 65536, ctx: 512 });
    const answer = (await explain(hive, file)).json;
    assert.strictEqual(answer.decision, 'refuse');
    assert.strictEqual(answer.code, 'INSUFFICIENT_MEMORY');
    assert.ok(answer.need.total_bytes > answer.have.usable_bytes);
    assert.strictEqual((await spawn(hive, file)).status, 507);
  });

  test('bad asks', async () => {
    assert.strictEqual((await explain(hive, 'tiny', { slots: 0 })).status, 400);
    assert.strictEqual((await explain(hive, '/no/such.gguf')).json.error.code, 'MODEL_NOT_FOUND');
    assert.strictEqual((await post(hive, '/v1/workers/explain', {})).status, 400);
  });

  it('the keeper shows it as a table, and as JSON', async () => {
    const node = ['--node', new URL(hive.url).host];
    const table = await run(['explain', '--model', 'tiny', ...node]);
    assert.strictEqual(table.code, 0, table.stderr);
    assert.match(table.stdout, /^NODE +DECISION +NEEDS +MAY TAKE +WHY\n127\.0\.0\.1:\d+ +(start|reuse) /);
    assert.match(table.stdout, /^Weights [\d.]+ [KMG]?B, KV cache .* slots of .* positions/m);
    const json = JSON.parse((await run(['explain', '--model', 'tiny', '--json', ...node])).stdout);
    assert.strictEqual(json.nodes.length, 1);
    assert.ok(json.nodes[0].need.total_bytes > 0);
    const none = await run(['explain', '--model', 'hf:who/knows', ...node]);
    assert.strictEqual(none.code, 1);
    assert.match(none.stdout, /pull first/);
  });
});

/* A model "fits" by the memory of the whole machine, and was refused by the spawn that followed. */
it('what fits is told by what a new worker may take', async (t) => {
  const hub = await Hub.start();
  hub.put('org/one', { 'one.gguf': Buffer.alloc(100) });
  const hive = await startHive({ env: { RBEE_TINY: MODEL, RBEE_HIVE_MEMORY_LIMIT: '4', HF_ENDPOINT: hub.url } });
  t.after(() => Promise.all([hive.stop(), hub.stop()]));
  const node = (await get(hive, '/v1/node')).json;
  assert.deepStrictEqual([node.memory_bytes, node.memory_free_bytes], [4 * MIB, 4 * MIB]);
  const { plan } = (await get(hive, '/v1/models/show?model_ref=tiny')).json;
  assert.ok(plan.total_bytes > 4 * MIB);
  assert.deepStrictEqual([plan.memory_free_bytes, plan.fits], [4 * MIB, false]);
  const files = (await get(hive, '/v1/models/files?model_ref=hf:org/one')).json;
  assert.deepStrictEqual([files.memory_bytes, files.memory_free_bytes, files.files[0].fits], [4 * MIB, 4 * MIB, 'no']);
});

describe('room for one worker only', () => {
  const models = ['one.gguf', 'two.gguf', 'three.gguf'].map(longModel);
  let hive, limit;
  const bring = (i, more) => spawnReady(hive, models[i], { ctx: CTX, ...more });
  before(async () => {
    limit = await limitForOne(models[0]);
    hive = await startHive({ env: { RBEE_HIVE_MEMORY_LIMIT: String(limit) } });
  });
  after(() => hive.stop());

  test('the idle one makes room, and that was announced', async () => {
    const first = await bring(0);
    await use(hive, first);
    const told = (await explain(hive, models[1], { ctx: CTX })).json;
    assert.strictEqual(told.decision, 'make_room', JSON.stringify(told));
    assert.deepStrictEqual(told.ends.map((w) => w.worker_id), [first.worker_id]);
    assert.deepStrictEqual(await states(hive), { [first.worker_id]: 'idle' });
    const second = await bring(1);
    assert.deepStrictEqual(Object.keys(await states(hive)), [second.worker_id]);
    await use(hive, second);
  });

  /* It was refused for good (507) though it had room a moment later. Two wait here for the same memory: each counted
   * what the other one wanted, neither would have started. */
  test('a busy one is never ended; those who need its memory wait, in their order, until it has nothing to do', async () => {
    const [busy] = await list(hive), job = await longJob(busy);
    assert.strictEqual((await explain(hive, models[0], { ctx: CTX })).json.decision, 'wait');
    const gone = new AbortController();
    const left = fetch(`${hive.url}/v1/workers/spawn`, { method: 'POST', signal: gone.signal,
      body: JSON.stringify({ model_ref: longModel('four.gguf'), ctx: CTX }) }).catch((error) => error.name);
    await until(() => inLine(hive, 'four'), 'the first in line');
    const first = spawn(hive, models[2], { ctx: CTX });
    await until(() => inLine(hive, 'three'), 'the second in line');
    const second = spawn(hive, models[0], { ctx: CTX });
    await until(() => inLine(hive, 'one'), 'the third in line');
    gone.abort();
    assert.strictEqual(await left, 'AbortError');
    await until(() => /nobody waits for \S*four\.gguf/.test(hive.stderr), 'one leaves');
    assert.ok(!job.over, 'the job had ended before');
    assert.deepStrictEqual(await states(hive), { [busy.worker_id]: 'busy' });
    job.request.destroy();
    const started = (await first).json;
    assert.strictEqual(started.model_path, models[2], JSON.stringify(started));
    await use(hive, await bring(2));
    assert.strictEqual((await second).json.model_path, models[0]);
    const next = await bring(0);
    assert.deepStrictEqual(Object.keys(await states(hive)), [next.worker_id]);
  });

  test('one that somebody was just given stays until he has come', async () => {
    const [given] = await list(hive); // by the test above, and not used yet
    const answer = (await explain(hive, models[1], { ctx: CTX })).json;
    assert.strictEqual(answer.decision, 'wait');
    await use(hive, given);
    assert.strictEqual((await explain(hive, models[1], { ctx: CTX })).json.decision, 'make_room');
  });

  test('a pinned one stays', async () => {
    const pinned = await bring(2, { keep_alive: -1 });
    await use(hive, pinned);
    const refused = await spawn(hive, models[0], { ctx: CTX });
    assert.strictEqual(refused.status, 507, refused.text);
    assert.deepStrictEqual(await states(hive), { [pinned.worker_id]: 'idle' });
  });

  test('who waits in vain is told for whom, and may ask again', async (t) => {
    const short = await startHive({ env: { RBEE_HIVE_MEMORY_LIMIT: String(limit), RBEE_HIVE_CTX: String(CTX),
      RBEE_HIVE_QUEUE_TIMEOUT: '300ms', RBEE_HIVE_LOAD_WAIT: '200ms' } });
    t.after(() => short.stop());
    const busy = await spawnReady(short, models[0]), job = await longJob(busy);
    for (const [where, body] of [['/v1/workers/spawn', { model_ref: models[1] }], ['/v1/completions', { model: models[1], prompt: 'a' }]]) {
      const answer = await post(short, where, body), { error } = answer.json;
      assert.deepStrictEqual([answer.status, answer.headers['retry-after'], error.code.toLowerCase()], [503, '1', 'queue_timeout'], answer.text);
      assert.ok(error.message.includes(`${models[0]} (${busy.worker_id}) has work`), answer.text);
      assert.ok(error.details.retriable && error.details.need_bytes > error.details.have_bytes, answer.text);
    }
    assert.ok(!job.over, 'the job had ended before');
    job.request.destroy(); // the hive's end would wait for it
  });
});

/*
 * A model whose heads do not fit q8_0 was planned with no bytes for keys and values: explain said that it starts,
 * show that it fits, a spawn was answered with 200 and its worker failed, and the gateway gave 503 with Retry-After for
 * ever. With `ctx` of the settings past the model's, show planned for a context that no worker gets.
 */
test('what the settings cannot run is refused before anything is started', async (t) => {
  const file = path.join(makeFolder(), 'narrow.gguf'), wide = longModel('wide.gguf');
  writeHollowModel(file, { layers: 1, embd: 64, heads: 4 });
  const hive = await startHive({ env: { RBEE_HIVE_KV_TYPE: 'q8_0', RBEE_HIVE_CTX: String(2 * CTX) } });
  t.after(() => hive.stop());
  const show = async (model) => (await get(hive, `/v1/models/show?model_ref=${model}`)).json;
  for (const [where, body] of [['/v1/workers/explain', { model_ref: file }], ['/v1/workers/spawn', { model_ref: file }],
    ['/v1/completions', { model: file, prompt: 'a' }]]) {
    const answer = await post(hive, where, body);
    assert.strictEqual(answer.status, 422, answer.text);
    assert.strictEqual(answer.headers['retry-after'], undefined);
    assert.match(answer.text, /unsupported_model/i);
    assert.match(answer.json.error.message, /narrow\.gguf: \[hive\] kv_type is q8_0, which needs heads of a multiple of 32/);
  }
  const narrow = await show(file);
  assert.deepStrictEqual([narrow.plan, narrow.error.code], [undefined, 'UNSUPPORTED_MODEL']);
  assert.deepStrictEqual(await list(hive), []);
  const { plan } = await show(wide), { need, ctx } = (await explain(hive, wide)).json;
  assert.deepStrictEqual([plan.ctx, plan.total_bytes], [CTX, need.total_bytes]);
  assert.strictEqual(ctx, CTX);
});

const WORKERS_MAX = 64; // src/hive/workers/workers.h, docs/http-api.md

/*
 * Of places as of memory: whose worker may end for another one is waited for, and where all are pinned nobody waits in
 * vain. The last place is pinned while the model that wants it is still looked into. Workers that never load.
 */
test('past 64 workers: the place of one that may end is waited for, that of pinned ones is not', async (t) => {
  const folder = makeFolder(), program = path.join(folder, 'worker.sh'), ponder = path.join(folder, 'ponder'), looks = path.join(folder, 'looks');
  fs.writeFileSync(program, `#!/bin/sh
    [ "$1" = inspect ] || exec sleep 600
    echo x >> ${looks}; while [ -e ${ponder} ]; do sleep 0.05; done; echo '{"supported":true,"scratch_bytes":1000}'\n`, { mode: 0o755 });
  const [pinned, last, more] = ['pinned', 'last', 'more'].map((name) => path.join(folder, `${name}.gguf`));
  for (const file of [pinned, last, more]) fs.writeFileSync(file, file);
  const hive = await startHive({ flags: { worker: program } });
  t.after(() => hive.stop());
  for (let i = 0; i < WORKERS_MAX - 1; i++) assert.strictEqual((await spawn(hive, pinned, { new: true, keep_alive: -1 })).status, 200);
  assert.strictEqual((await explain(hive, more)).json.decision, 'start');
  assert.strictEqual((await spawn(hive, last)).status, 200);
  const told = (await explain(hive, more)).json;
  assert.deepStrictEqual([told.decision, /last\.gguf \(worker-\S+\) has nothing to do any more/.test(told.reason)], ['wait', true], told.reason);

  fs.writeFileSync(ponder, '');
  const seen = fs.statSync(looks).size, asked = spawn(hive, more);
  await until(() => fs.statSync(looks).size > seen, 'a look into it');
  assert.strictEqual((await spawn(hive, last, { keep_alive: -1 })).status, 200);
  fs.rmSync(ponder);
  const none = /^there are 64 workers already, which is the limit, and none of them may be ended for another one: they are pinned/;
  for (const answer of [await asked, await spawn(hive, more)]) {
    assert.deepStrictEqual([answer.status, answer.json.error.code], [500, 'WORKER_START_FAILED'], answer.text);
    assert.match(answer.json.error.message, none);
  }
  const refused = (await explain(hive, more)).json;
  assert.deepStrictEqual([refused.decision, refused.code], ['refuse', 'WORKER_START_FAILED']);
  assert.match(refused.reason, none);
  const workers = await list(hive);
  assert.strictEqual(workers.length, WORKERS_MAX);
  process.kill(workers[0].pid, 'SIGKILL');
  await until(async () => (await explain(hive, more)).json.decision === 'start', 'its place');
});
