'use strict';
/*
 * chaos-cancel.test.js - cancelled in each phase and by each cause: counted once, where it belongs, and
 * the slot is free after one more pass at most. No clock: what is counted is passes.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');

const { startWorker, makeFolder, until } = require('./lib/proc.js');
const { ask, stream } = require('./lib/sse.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');
const { startHive, spawnReady, list, post } = require('./lib/hive.js');
const { slowModel } = require('../chaos/lib.js');

const ready = async (worker) => (await ask(`${worker.url}/v1/ready`)).json;
const infer = (worker, body) => stream(`${worker.url}/v1/inference`, { method: 'POST', body: { temperature: 0, max_tokens: 4000, prompt: 'a', ...body } });
const remove = (worker, id) => ask(`${worker.url}/v1/inference/${id}`, { method: 'DELETE' });
const free = (worker) => until(async () => {
  const now = await ready(worker);
  return now.slots_busy === 0 && now.queued === 0 && now;
}, 'the slots are free');
const inSlot = (worker) => until(async () => (await ready(worker)).slots_busy === 1, 'a slot is taken');

/* What changed between two looks at the books, as "phase.cause": n. */
function difference(from, to) {
  const out = {};
  for (const [phase, causes] of Object.entries(to)) {
    for (const [cause, n] of Object.entries(causes)) if (n !== from[phase][cause]) out[`${phase}.${cause}`] = n - from[phase][cause];
  }
  return out;
}

/* Free, and noted down: a slot is free a moment before the books tell by what. */
const noted = (worker, then) => until(async () => {
  const now = await free(worker);
  return Object.keys(difference(then.cancelled, now.cancelled)).length > 0 && now;
}, 'the books tell of it');

/* By a deadline the phase is the clock's choice, but for what the client has seen. */
function assertOne(then, now, phase, cause) {
  const got = difference(then.cancelled, now.cancelled);
  if (cause !== 'deadline') assert.deepStrictEqual(got, { [`${phase}.${cause}`]: 1 });
  else assert.deepStrictEqual([Object.values(got), Object.keys(got).map((k) => k.split('.')[1])], [[1], [cause]]);
  if (cause === 'deadline' && phase !== 'prefill') assert.ok(`${phase}.${cause}` in got, JSON.stringify(got));
}

/* Ends a job that is in the phase asked for, by the cause asked for. */
const ends = {
  disconnect: async (worker, s) => s.leave(),
  delete: async (worker, s, id) => assert.strictEqual((await remove(worker, id)).status, 204),
  deadline: async (worker, s) => { await s.find((e) => e.type === 'error' && e.code === 'REQUEST_TIMEOUT'); },
};

describe('one slot, and prompts that take their time', () => {
  let worker;
  before(async () => {
    /* A pass of a few hundred million operations a row: a long prompt takes many long passes. */
    worker = await startWorker({ model: slowModel({ layers: 12, embd: 512, ff: 2048 }), slots: 1, ctx: 4096, threads: 1 });
    await until(async () => (await ready(worker)).ready, 'ready');
  });
  after(() => worker.stop());

  for (const cause of Object.keys(ends)) {
    test(`decode, ${cause}`, async () => {
      const then = await ready(worker);
      const s = await infer(worker, { job_id: `d-${cause}`, ...(cause === 'deadline' ? { timeout_seconds: 3 } : {}) });
      await s.find((e) => e.type === 'token');
      await ends[cause](worker, s, `d-${cause}`);
      const now = await noted(worker, then);
      assertOne(then, now, 'decode', cause);
      assert.ok(now.late_passes_max <= 1, `${now.late_passes_max}`);
      assert.strictEqual((await ready(worker)).passes, now.passes, 'an idle engine makes no pass');
    });

    if (cause !== 'deadline') test(`prefill, ${cause}`, async () => {
      const then = await ready(worker);
      const prompt = `${cause} ${'bcd '.repeat(980)}`; // the beginning is one of its own: nothing is kept of it
      const s = await infer(worker, { job_id: `p-${cause}`, prompt });
      await inSlot(worker);
      await ends[cause](worker, s, `p-${cause}`);
      const now = await noted(worker, then);
      assertOne(then, now, 'prefill', cause);
      assert.ok(now.late_passes_max <= 1, `${now.late_passes_max}`);
    });

    test(`queued, ${cause}`, async () => {
      const first = await infer(worker, { job_id: 'first' });
      await inSlot(worker);
      const then = await ready(worker);
      const s = await infer(worker, { job_id: `q-${cause}`, ...(cause === 'deadline' ? { timeout_seconds: 2 /* the stream begins within it on any machine, the first one lasts longer */ } : {}) });
      await ends[cause](worker, s, `q-${cause}`);
      const now = await until(async () => {
        const row = await ready(worker);
        return row.queued === 0 && Object.keys(difference(then.cancelled, row.cancelled)).length > 0 && row;
      }, 'the queue is empty, and the books tell why');
      assertOne(then, now, 'queued', cause);
      assert.strictEqual(now.slots_busy, 1, 'the first one goes on');
      first.leave();
      await free(worker);
    });
  }

  /* On a machine that is held up a deadline may be over before its prompt is in the slot: then a longer one. */
  test('prefill, deadline', async () => {
    for (const seconds of [0.3, 0.9, 2.7]) {
      const then = await ready(worker);
      const body = { prompt: `${seconds} ${'bcd '.repeat(980)}`, max_tokens: 4000, temperature: 0, timeout_seconds: seconds, stream: false };
      const answer = await ask(`${worker.url}/v1/inference`, { method: 'POST', body });
      assert.strictEqual(answer.status, 408, answer.text);
      const now = await noted(worker, then);
      assertOne(then, now, 'prefill', 'deadline');
      assert.ok(now.late_passes_max <= 1, `${now.late_passes_max}`);
      if ('prefill.deadline' in difference(then.cancelled, now.cancelled)) return;
    }
    assert.fail('no deadline was over while a prompt was read');
  });
});

/* A chunk of a prompt for a model of 8B takes some seconds on a CPU: so long its slot, and the person who pressed Ctrl+C,
 * waited for rows that nobody wanted any more. */
test('a pass that nobody wants any more ends before its next layer', async (t) => {
  const layers = 24, worker = await startWorker({ model: slowModel({ layers, embd: 512, ff: 2048 }), slots: 1, ctx: 4096, threads: 1 });
  t.after(() => worker.stop());
  await until(async () => (await ready(worker)).ready, 'ready');
  const steps = async () => (await ask(`${worker.url}/v1/info`)).json.steps;
  for (let i = 0; i < 20; i++) { // it may be heard just between two of many passes
    const then = await steps();
    const s = await infer(worker, { job_id: `v-${i}`, prompt: `${i} ${'bcd '.repeat(980)}`, max_tokens: 1 });
    await until(async () => s.over || await steps() > then, 'it has begun');
    await remove(worker, `v-${i}`);
    await s.all();
    await free(worker);
    if ((await steps() - then) % layers > 0) return;
  }
  assert.fail('every pass was computed to its end');
});

test('by way of the hive: in each phase, by a client that leaves and by a deadline, and shown in its list', async (t) => {
  const model = slowModel({ layers: 12, embd: 512, ff: 2048 });
  const hive = await startHive({ flags: { slots: 1, threads: 1 } });
  t.after(() => hive.stop());
  const worker = await spawnReady(hive, model);
  const body = { model, prompt: 'a', max_tokens: 3000, stream: true, temperature: 0 }; // else an end may be drawn by chance
  const complete = (more) => stream(`${hive.url}/v1/completions`, { method: 'POST', body: { ...body, ...more } });
  const begun = async (s) => { await s.find((e) => e.choices && e.choices[0].text); return s; };
  const late = (e) => e.error?.code === 'request_timeout' || e.json?.error?.code === 'request_timeout';
  const counted = async (then, what) => {
    const now = await noted(worker, then);
    assert.deepStrictEqual(difference(then.cancelled, now.cancelled), what);
    return now;
  };

  let then = await free(worker);
  (await begun(await complete())).leave();
  then = await counted(then, { 'decode.disconnect': 1 });
  const dated = await begun(await complete({ timeout_seconds: 2 }));
  await dated.all();
  assert.ok(late(dated.events.at(-2)), dated.raw.slice(-300));
  then = await counted(then, { 'decode.deadline': 1 });

  let reading = false; // a deadline that falls there: which one does is the machine's
  for (let seconds = 0.05; !reading && seconds < 20; seconds *= 1.5) {
    const cut = await post(hive, '/v1/completions', { ...body, stream: false, prompt: `${seconds} ${'bcd '.repeat(980)}`, timeout_seconds: seconds });
    assert.strictEqual(cut.status, 408, cut.text);
    assert.match(cut.json.error.message, /within the [\d.]+ seconds allowed/);
    const now = await noted(worker, then);
    reading = 'prefill.deadline' in difference(then.cancelled, now.cancelled);
    then = now;
  }
  assert.ok(reading);

  const running = await begun(await complete());
  const waits = async (ends) => { // its answer does not begin before it is in a slot
    await until(async () => (await ready(worker)).queued === 1, 'one waits');
    await ends();
    await until(async () => (await ready(worker)).queued === 0, 'none waits');
  };
  const gone = new AbortController();
  const left = fetch(`${hive.url}/v1/completions`, { method: 'POST', body: JSON.stringify(body), signal: gone.signal }).catch(() => {});
  await waits(() => gone.abort());
  await left;
  const told = complete({ timeout_seconds: 3 });
  await waits(async () => { const s = await told; await s.all(); assert.ok(late(s.events.at(-2)), s.raw); });
  running.leave();
  const now = await free(worker);
  await until(async () => Object.keys(difference(then.cancelled, (await ready(worker)).cancelled)).length === 3, 'the books tell of all three');
  assert.deepStrictEqual(difference(then.cancelled, (await ready(worker)).cancelled),
    { 'queued.disconnect': 1, 'queued.deadline': 1, 'decode.disconnect': 1 });
  assert.ok(now.late_passes_max <= 1);
  assert.deepStrictEqual((await list(hive))[0].cancelled, (await ready(worker)).cancelled);
});

/* Each choice got the whole time anew when its turn came: six of a second each were within two seconds. */
test('by way of the hive: a deadline is that of all choices together', async (t) => {
  const model = slowModel({ layers: 12, embd: 512, ff: 2048 });
  const hive = await startHive({ flags: { slots: 1, threads: 1 } });
  t.after(() => hive.stop());
  const worker = await spawnReady(hive, model);
  const body = { model, prompt: 'a', temperature: 0, ignore_eos: true, n: 8, max_tokens: 200 };
  const whole = await post(hive, '/v1/completions', { ...body, max_tokens: 1 });
  assert.strictEqual(whole.json.choices?.length, 8, whole.text);
  const one = (await post(hive, '/v1/completions', { ...body, n: 1 })).json;
  assert.strictEqual(one.usage.completion_tokens, 200);
  const { decode_time_ms: ms } = (await (await stream(`${worker.url}/v1/inference`, { method: 'POST', body: { prompt: 'a', temperature: 0, ignore_eos: true, max_tokens: 200 } })).all()).at(-1);
  const late = await post(hive, '/v1/completions', { ...body, timeout_seconds: 2.5 * ms / 1000 });
  assert.strictEqual(late.status, 408, late.text);
  assert.match(late.json.error.message, /was not done within the [\d.]+ seconds allowed/);
  await free(worker);
});

const name = (n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

test('by way of the hive: by DELETE, in each phase', async (t) => {
  const model = slowModel({ layers: 12, embd: 512, ff: 2048 });
  const hive = await startHive({ flags: { slots: 1, threads: 1 } });
  t.after(() => hive.stop());
  const cancel = async (id) => assert.strictEqual((await remove(hive, id)).status, 204);
  const body = { model, prompt: 'a', max_tokens: 3000, temperature: 0 };
  const later = (id, path = '/v1/completions', more = {}) => ask(hive.url + path, { method: 'POST', headers: { 'X-Request-Id': id }, body: { ...body, ...more } });
  const code = (answer) => { assert.strictEqual(answer.status, 499, answer.text); return answer.json.error.code ?? answer.json.error; };
  await cancel(name(0)); // of nothing

  const worker = await spawnReady(hive, model);
  let then = await free(worker);
  const counted = async (what) => {
    const told = () => difference(then.cancelled, now.cancelled);
    let now;
    await until(async () => { now = await free(worker); return Object.keys(told()).length >= Object.keys(what).length; }, 'the books tell of it');
    assert.deepStrictEqual(told(), what);
    assert.ok(now.late_passes_max <= 1);
    then = now;
  };

  const streamed = await stream(`${hive.url}/v1/completions`, { method: 'POST', body: { ...body, stream: true } });
  const { id } = await streamed.find((e) => e.choices && e.choices[0].text);
  await cancel(id.slice(0, -1)); // another's
  const waits = later(name(2));
  await until(async () => (await ready(worker)).queued === 1, 'one waits');
  await cancel(name(2));
  assert.strictEqual(code(await waits), 'request_cancelled');
  await until(async () => (await ready(worker)).queued === 0, 'none waits');
  assert.ok(!streamed.over, 'the other one goes on');
  await cancel(id);
  await streamed.all();
  assert.strictEqual(streamed.events.at(-2).json.error.code, 'request_cancelled', streamed.raw.slice(-300));
  await counted({ 'queued.disconnect': 1, 'decode.disconnect': 1 });

  const reads = later(name(3), '/v1/completions', { prompt: 'bcd '.repeat(980) });
  await inSlot(worker);
  await cancel(name(3));
  assert.strictEqual(code(await reads), 'request_cancelled');
  await counted({ 'prefill.disconnect': 1 });

  const blocked = await stream(`${worker.url}/v1/inference`, { method: 'POST', body: { prompt: 'a', max_tokens: 4000, temperature: 0 } });
  await blocked.find((e) => e.type === 'token');
  const ollama = later(name(4), '/api/generate', { stream: false, raw: true, max_tokens: undefined, temperature: undefined });
  await until(async () => (await ready(worker)).queued === 1, 'one waits');
  await cancel(name(4));
  assert.match(code(await ollama), /cancelled/);
  blocked.leave();
  await free(worker);
});

test('by way of the hive: by DELETE, while the model loads', async (t) => {
  const worker = makeFakeWorker(makeFolder());
  worker.hold();
  const hive = await startHive({ flags: { worker: worker.program }, env: { RBEE_TINY: slowModel({ layers: 1, embd: 64, ff: 64 }) } });
  t.after(() => hive.stop());
  const headers = { 'X-Request-Id': name(1) }; // their client has one name for all of them
  const post = (path, body) => ask(hive.url + path, { method: 'POST', headers, body: { model: 'tiny', ...body } });
  const streamed = await stream(`${hive.url}/v1/completions`, { method: 'POST', headers, body: { model: 'tiny', prompt: 'a', stream: true } });
  const answers = [post('/v1/completions', { prompt: 'a' }), post('/v1/embeddings', { input: 'a' }), post('/api/generate', { prompt: 'a', stream: false })];
  let over = false;
  const all = Promise.all(answers).then((got) => { over = true; return got; });
  await until(async () => { await remove(hive, name(1)); return over; }, 'all are told'); // again, as each may have come later
  for (const { status, text } of await all) {
    assert.strictEqual(status, 499, text);
    assert.match(text, /the request was cancelled/);
  }
  await streamed.all();
  assert.strictEqual(streamed.events.at(-2).json.error.code, 'request_cancelled', streamed.raw);
  assert.strictEqual((await list(hive))[0].state, 'loading', 'the load goes on, for those who come');
  worker.release();
  await until(async () => (await list(hive))[0].state === 'idle', 'it is loaded');
});
