'use strict';
/*
 * num-ctx.test.js - Ollama's clients say how large a context they want: num_ctx. Nearly all of them do
 * as they are installed, most with more than a worker's 4096: and got 400, "num_ctx is 8192, and the worker's
 * context has 4096 positions", from a hive that had started this worker for this very request. No worker could
 * have more than its model was trained for, either, and the advice was to start the hive with more.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const path = require('node:path');

const { makeFolder, testModel, until } = require('./lib/proc.js');
const { startHive, get, post, list, spawn } = require('./lib/hive.js');
const { writeHollowModel } = require('./lib/gguf.js');
const sse = require('./lib/sse.js');

const skip = testModel() ? false : 'no model: neither models/tiny.gguf nor the test data are there';
const TEMPLATE = '{% for m in messages %}{{ m.content }}{% endfor %}';

function hollow(ctx) {
  const file = path.join(makeFolder(), 'talker.gguf');
  writeHollowModel(file, { layers: 1, embd: 64, ff: 64, ctx, template: TEMPLATE });
  return file;
}

async function start(t, { flags = {}, env = {} } = {}) {
  const hive = await startHive({ env: { RBEE_TINY: testModel(), ...env }, flags });
  t.after(() => hive.stop());
  return hive;
}

async function ask(hive, model, num_ctx, more = {}) {
  const answer = await post(hive, '/api/chat', { model, stream: false, messages: [{ role: 'user', content: 'light' }], ...more,
    options: { num_predict: 2, ...(num_ctx ? { num_ctx } : {}), ...more.options } });
  assert.strictEqual(answer.status, 200, answer.text);
}
const alive = async (hive) => (await list(hive)).filter((w) => w.state === 'idle' || w.state === 'busy');
/* The contexts of those that live. */
const contexts = async (hive) => (await alive(hive)).map((w) => w.n_ctx).sort((a, b) => a - b);

/* What `look` gives while a worker that has at least 8192 is at work, before and behind it. */
async function whileBusy(hive, model, look) {
  const isBusy = async () => (await list(hive)).some((w) => w.slots_busy && w.n_ctx >= 8192);
  let seen;
  await until(async () => {
    const long = await sse.stream(`${hive.url}/v1/chat/completions`, { method: 'POST', body: { model, stream: true, ignore_eos: true,
      max_tokens: 8000, messages: [{ role: 'user', content: 'x' }], options: { num_ctx: 8192 } } });
    await until(async () => long.over || await isBusy(), () => `busy:\n${hive.stderr}`);
    seen = await look();
    const still = await isBusy() && !long.over;
    long.leave();
    return still;
  }, () => `busy for long enough:\n${hive.stderr}`);
  return seen;
}
/* The context of the worker that the next one without a wish would get. */
const nextContext = async (hive, model) => (await post(hive, '/v1/workers/explain', { model_ref: model })).json.ctx;

test('the first request gets a worker as large as it wants', { skip }, async (t) => {
  const hive = await start(t), model = hollow(131072);
  await ask(hive, model, 8192, { keep_alive: -1 }); // Home Assistant
  assert.deepStrictEqual(await contexts(hive), [8192]);
  await ask(hive, model);
  await ask(hive, model, 2048);
  assert.deepStrictEqual(await contexts(hive), [8192]); // which is for all
  assert.strictEqual((await get(hive, '/api/ps')).json.models[0].context_length, 8192);
  const told = (await post(hive, '/v1/workers/explain', { model_ref: model })).json;
  assert.deepStrictEqual([told.decision, told.ctx], ['reuse', 8192]);
});

/* aider's wish grows with every question: it is rounded up, so that the model is not loaded for each. */
test('a larger wish is one more worker, once, and then for all', { skip }, async (t) => {
  const hive = await start(t), model = hollow(20000);
  await ask(hive, model);
  await ask(hive, model, 9000);
  assert.deepStrictEqual(await contexts(hive), [4096, 16384]);
  for (const num_ctx of [12000, 0, 4096]) await ask(hive, model, num_ctx);
  assert.strictEqual(await whileBusy(hive, model, () => nextContext(hive, model)), 16384); // the other one is outgrown
  await ask(hive, model, 50000); // more than the model was trained for
  assert.ok((await contexts(hive)).includes(20000));
  await ask(hive, model, 100000);
  assert.strictEqual((await list(hive)).length, 3);
});

test('no more than the model was trained for', { skip }, async (t) => {
  const hive = await start(t, { flags: { ctx: 8192 } });
  for (const num_ctx of [8192, 1000000]) await ask(hive, 'tiny', num_ctx);
  assert.deepStrictEqual(await contexts(hive), [512]);
});

/* A person's workers keep their work, and their contexts. */
test('workers that were asked for one by one are not outgrown', { skip }, async (t) => {
  const hive = await start(t), model = hollow(131072);
  const { worker_id: id } = (await spawn(hive, model, { ctx: 256 })).json;
  await until(async () => (await get(hive, `/v1/workers/${id}`)).json.state === 'idle', () => `idle:\n${hive.stderr}`);
  await ask(hive, model, 8192);
  assert.deepStrictEqual(await contexts(hive), [256, 8192]);
  assert.ok(await whileBusy(hive, model, () => nextContext(hive, model)) < 8192);
});

/* 1 GiB of keys and values, where 200 MiB may be taken: the question may be short all the same. */
test('without memory for it what is there has to do, or the hive\'s own', { skip }, async (t) => {
  const hive = await start(t, { env: { RBEE_HIVE_MEMORY_LIMIT: '200' } }), model = hollow(1048576);
  const long = { messages: [{ role: 'user', content: 'x'.repeat(5000) }] };
  for (let i = 0; i < 2; i++) await ask(hive, model, 1048576);
  assert.deepStrictEqual(await contexts(hive), [4096]);
  assert.strictEqual((await list(hive)).length, 1);
  const refused = await post(hive, '/api/chat', { model, stream: false, ...long, options: { num_ctx: 1048576 } });
  assert.strictEqual(refused.status, 400, refused.text);
  assert.match(refused.json.error, /5\d\d\d .*4096/);
});

test('an idle smaller one is ended where both have no room', { skip }, async (t) => {
  const model = hollow(131072), hive = await start(t);
  const { need } = (await post(hive, '/v1/workers/explain', { model_ref: model, ctx: 131072 })).json;
  const narrow = await start(t, { env: { RBEE_HIVE_MEMORY_LIMIT: String(Math.ceil(need.total_bytes / 1048576) + 1) } });
  await ask(narrow, model, 65536);
  await until(async () => { // one whose board says late that it is idle is not ended, and answers
    await ask(narrow, model, 131072);
    return (await contexts(narrow)).join() === '131072';
  }, () => `one is left:\n${narrow.stderr}`);
});

/* Pinned is pinned: it stays, and may be asked. */
test('a pinned smaller one stays', { skip }, async (t) => {
  const hive = await start(t), model = hollow(131072);
  await ask(hive, model, 0, { keep_alive: -1 });
  await ask(hive, model, 8192);
  assert.deepStrictEqual(await contexts(hive), [4096, 8192]);
  assert.ok(await whileBusy(hive, model, () => nextContext(hive, model)) < 8192);
  assert.strictEqual((await list(hive)).find((w) => w.n_ctx === 4096).keep_alive_ms, -1);
});

/* Who waited for a busy model's memory was given the hive's own context though there was room for the one he wished, and
 * was then told that his prompt is too long for it. */
test('who has to wait for memory keeps his wish', { skip }, async (t) => {
  const busy = hollow(65536), model = hollow(65536), hive = await start(t, { flags: { ctx: 32768 } });
  const need = async (ctx) => (await post(hive, '/v1/workers/explain', { model_ref: model, ctx })).json.need.total_bytes;
  const limit = Math.ceil((await need(65536) + 0.6 * await need(32768)) / 1048576);
  const narrow = await start(t, { flags: { ctx: 32768 }, env: { RBEE_HIVE_MEMORY_LIMIT: String(limit) } });
  const { worker_id: id, url } = (await spawn(narrow, busy, { ctx: 65536 })).json;
  await until(async () => (await get(narrow, `/v1/workers/${id}`)).json.state === 'idle', () => `idle:\n${narrow.stderr}`);
  const job = await sse.stream(`${url}/v1/inference`, { method: 'POST', body: { prompt: 'a', max_tokens: 65000, ignore_eos: true } });
  await job.find((e) => e.type === 'token');
  const answer = ask(narrow, model, 65536, { messages: [{ role: 'user', content: 'x'.repeat(40000) }] });
  await until(() => narrow.stderr.includes(`${model} waits until`), () => `in line:\n${narrow.stderr}`);
  assert.ok(!job.over, 'the job had ended before');
  job.leave();
  await answer;
  assert.deepStrictEqual(await contexts(narrow), [65536]);
});
