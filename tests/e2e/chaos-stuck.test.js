'use strict';
/*
 * chaos-stuck.test.js - a worker that makes no step while it has work is found out by its steps, not by
 * its health: it answers all the while. And: what the log of such a worker holds, how large a log gets.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { makeFolder, startWorker, testModel, isAlive, until, WORKER } = require('./lib/proc.js');
const { ask, stream } = require('./lib/sse.js');
const { startHive, get, post, spawn, spawnReady, list } = require('./lib/hive.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');
const { findFunction, loopForever, whyNoLoop } = require('./lib/stuck.js');

const LOG_BYTES = 4 << 20, LOG_KEPT = 3, LOG_HARD = 4 * LOG_BYTES; // src/hive/disk/logrotate.h

test('no step with work: WORKER_STALLED and [DONE], the threads in the log, a new worker for the next', async (t) => {
  const fake = makeFakeWorker(makeFolder());
  const model = path.join(makeFolder(), 'any.gguf');
  fs.writeFileSync(model, 'any');
  const hive = await startHive({ flags: { worker: fake.program }, env: { RBEE_HIVE_STALL_AFTER: '600ms' } });
  t.after(() => hive.stop());
  const chat = (todo) => stream(`${hive.url}/v1/completions`, { method: 'POST',
    body: { model, stream: true, prompt: JSON.stringify(todo) } });
  const token = (i) => ({ type: 'token', t: 'x', i });
  const s = await chat({ events: [token(0), token(1), token(2)], hang: true });
  await s.all();
  assert.ok(s.done, s.raw);
  const { error } = s.events.at(-2).json;
  assert.strictEqual(error.code, 'worker_stalled', s.raw);
  assert.match(error.message, /made no step for .* 3 tokens had come/);
  assert.strictEqual(error.details.tokens_out, 3);
  const row = await until(async () => (await list(hive)).find((w) => w.state === 'failed' && w.error));
  assert.strictEqual(row.error.code, 'WORKER_STALLED');
  const log = fs.readFileSync(row.error.log_path, 'utf8');
  assert.match(log, /no step for \d+ ms; the threads:\nrbee-hive: thread \d+ \(.+\): state [A-Z], waits in /);
  const next = await chat({ events: [token(0)] });
  await next.all();
  assert.ok(next.done && !next.events.some((e) => e.json && e.json.error), next.raw);
  assert.notStrictEqual((await list(hive)).find((w) => w.state !== 'failed').worker_id, row.worker_id);
});

test('a real worker that is in a loop for ever: its stack is in the log, the next request works',
  { skip: (!testModel() && 'no model') || (/tsan/.test(process.env.RBEE_BUILD || '') &&
    'the thread sanitizer keeps signals back until a thread calls something') }, async (t) => {
    const hive = await startHive({ env: { RBEE_TINY: testModel(), RBEE_HIVE_STALL_AFTER: '600ms' } });
    t.after(() => hive.stop());
    const ask = (max_tokens) => stream(`${hive.url}/v1/completions`, { method: 'POST',
      body: { model: 'tiny', stream: true, prompt: 'Once', max_tokens, ignore_eos: true } });
    const first = await ask(100); // so that its own pace is known
    await first.all();
    const worker = (await list(hive))[0], why = whyNoLoop(worker.pid);
    if (why) return void t.skip(why);
    loopForever(worker.pid, WORKER, 'engine_decode');
    const s = await ask(50);
    await s.all();
    assert.ok(s.done, s.raw);
    assert.strictEqual(s.events.at(-2).json.error.code, 'worker_stalled', s.raw);
    const row = await until(async () => (await list(hive)).find((w) => w.worker_id === worker.worker_id && w.state === 'failed'));
    await until(() => !isAlive(worker.pid), 'it is gone'); // it had half a second to write its stacks
    const log = fs.readFileSync(row.error.log_path, 'utf8'), { offset, bytes } = findFunction(WORKER, 'engine_decode');
    const stacks = log.slice(log.indexOf('no step for'));
    assert.match(stacks, /thread \d+ \(.+\): state R/, 'it runs, and is told so');
    const places = [...stacks.matchAll(/llm-worker-rbee\(.*\+0x([0-9a-f]+)\)/g)].map((m) => parseInt(m[1], 16));
    assert.ok(places.some((at) => at >= offset && at < offset + bytes), `the loop's place is among the stacks:\n${stacks}`);
    const next = await ask(3);
    await next.all();
    assert.ok(next.done && !next.events.some((e) => e.json && e.json.error), next.raw);
    assert.notStrictEqual((await list(hive)).find((w) => w.state !== 'failed').worker_id, worker.worker_id);
  });

/*
 * The engine's thread hung while it took a job into a slot. No slot was busy, so no silence was seen; the
 * same thread looks for jobs that wait too long; and health was fine. All who came waited there for ever.
 */
test('a real worker that hangs before a job has its slot is found out, too', { skip: !testModel() && 'no model' }, async (t) => {
  const hive = await startHive({ env: { RBEE_TINY: testModel(), RBEE_HIVE_STALL_AFTER: '600ms' } });
  t.after(() => hive.stop());
  const ask = (max_tokens) => stream(`${hive.url}/v1/completions`, { method: 'POST',
    body: { model: 'tiny', stream: true, prompt: 'Once', max_tokens, ignore_eos: true } });
  await (await ask(100)).all(); // so that its own pace is known
  const worker = (await list(hive))[0], why = whyNoLoop(worker.pid);
  if (why) return void t.skip(why);
  loopForever(worker.pid, WORKER, 'pass_add');
  const s = await ask(3);
  await s.all();
  assert.ok(s.done, s.raw);
  assert.strictEqual(s.events.at(-2).json.error.code, 'worker_stalled', s.raw);
  const next = await ask(3);
  await next.all();
  assert.ok(next.done && !next.events.some((e) => e.json && e.json.error), next.raw);
  assert.notStrictEqual((await list(hive)).find((w) => w.state !== 'failed').worker_id, worker.worker_id);
});

/*
 * The thread that makes prompts into tokens hung: the engine had no work, so no silence was seen, and health was
 * fine. The same for the one that answers questions about text alone.
 */
for (const [what, hangs, where, body] of [
  ['a prompt', 'intake_prompt', '/v1/completions', { model: 'tiny', stream: true, prompt: 'Once', max_tokens: 3 }],
  ['a question about text', 'intake_answer', '/tokenize', { model: 'tiny', content: 'Once' }],
]) {
  test(`a real worker that hangs while it reads ${what} is found out, too`, { skip: !testModel() && 'no model' }, async (t) => {
    const hive = await startHive({ env: { RBEE_TINY: testModel(), RBEE_HIVE_STALL_AFTER: '300ms' } });
    t.after(() => hive.stop());
    const ready = await spawnReady(hive, 'tiny'), why = whyNoLoop(ready.pid);
    if (why) return void t.skip(why);
    loopForever(ready.pid, WORKER, hangs);
    const answer = await (await fetch(`${hive.url}${where}`, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })).text();
    const row = await until(async () => (await list(hive)).find((w) => w.worker_id === ready.worker_id && w.state === 'failed'));
    assert.strictEqual(row.error.code, 'WORKER_STALLED');
    assert.match(row.error.message, /was not done with reading a text for \d+\.\d s/);
    assert.match(answer, body.stream ? /"finish_reason":"length"[\s\S]*\[DONE\]/ : /"tokens":\[\d/, 'nothing was shown yet: another worker is asked');
    const next = await post(hive, '/v1/completions', { model: 'tiny', prompt: 'Once', max_tokens: 3 });
    assert.strictEqual(next.status, 200, next.text);
  });
}

test('SIGQUIT: a thread writes its stack, and the worker goes on', { skip: !testModel() }, async (t) => {
  const worker = await startWorker();
  t.after(() => worker.stop());
  await until(async () => (await ask(`${worker.url}/v1/ready`)).json.ready, 'ready');
  worker.signal('SIGQUIT');
  await worker.says(/stack of thread .*:\n(.*\[0x[0-9a-f]+\]\n)+/);
  assert.match(worker.stderr, /llm-worker-rbee\(.*\+0x[0-9a-f]+\)/);
  const answer = await ask(`${worker.url}/v1/inference`, { method: 'POST', body: { prompt: 'Once', max_tokens: 3, stream: false } });
  assert.strictEqual(answer.status, 200, answer.text);
});

test('a worker stopped by a signal is told as stopped, gets no work, and may go on', { skip: !testModel() }, async (t) => {
  const hive = await startHive({ env: { RBEE_TINY: testModel() } });
  t.after(() => hive.stop());
  const state = async (id) => (await get(hive, `/v1/workers/${id}`)).json.state;
  const first = (await spawn(hive, 'tiny')).json;
  await until(async () => (await state(first.worker_id)) === 'idle');
  process.kill(first.pid, 'SIGSTOP');
  await until(async () => (await state(first.worker_id)) === 'stopped');
  const second = (await spawn(hive, 'tiny')).json;
  assert.notStrictEqual(second.worker_id, first.worker_id);
  process.kill(first.pid, 'SIGCONT');
  await until(async () => (await state(first.worker_id)) === 'idle');
});

test('a worker that writes without end cannot fill the disk', async (t) => {
  const program = path.join(makeFolder(), 'worker.sh'), model = path.join(makeFolder(), 'any.gguf');
  fs.writeFileSync(program, '#!/bin/sh\n[ "$1" = inspect ] && { echo \'{"supported":true}\'; exit 0; }\n' +
    'trap "" XFSZ\nwhile :; do yes chatter | head -c 3000000; done >&2\n', { mode: 0o755 });
  fs.writeFileSync(model, 'any');
  const hive = await startHive({ flags: { worker: program } });
  t.after(() => hive.stop());
  const { worker_id: id, pid } = (await spawn(hive, model)).json;
  const log = path.join(hive.home, 'logs', `${id}.log`);
  const size = (n) => { try { return fs.statSync(n ? `${log}.${n}` : log).size; } catch { return 0; } };
  // A piece too many comes with the fourth turn: one more, and the oldest has been thrown away for sure.
  const oldest = () => { try { return fs.statSync(`${log}.${LOG_KEPT}`).ino; } catch { return 0; } };
  let seen = 0, turns = -1;
  await until(() => {
    const now = oldest();
    if (now && now !== seen) { seen = now; turns++; }
    return turns >= 2;
  }, () => `two turns behind three older pieces: ${turns}`, 60000);
  for (let n = 0; n <= LOG_KEPT; n++) assert.ok(size(n) <= LOG_HARD, `${n}: ${size(n)}`);
  assert.strictEqual(size(LOG_KEPT + 1), 0);
  assert.ok(isAlive(pid));
});
