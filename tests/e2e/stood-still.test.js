'use strict';
/*
 * stood-still.test.js - a hive, or a keeper, that stood still for a while (SIGSTOP as in a debugger or by Ctrl+Z, a
 * paused machine, a frozen cgroup). Its timers were over then before it had looked at any socket, and it judged by
 * them: requests that lay there were cut off, models that were asked for ended as idle, and a limited rate was made
 * up for all at once.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const { makeFakeWorker } = require('./lib/fakeworker.js');
const { startHive, post, list } = require('./lib/hive.js');
const { Hub } = require('./lib/hub.js');
const { makeFolder, sleep, until } = require('./lib/proc.js');
const push = require('./lib/push.js');
const { MIB, begin, seeded, startWith } = require('./lib/transfer.js');

const LIMIT_MS = 3000, STOP_MS = LIMIT_MS + 300;

/* Runs `meanwhile` while it stands still, for at least as long as the limits are. */
async function stopped(hive, meanwhile) {
  const begun = Date.now();
  hive.signal('SIGSTOP');
  await meanwhile();
  await sleep(STOP_MS - (Date.now() - begun));
  hive.signal('SIGCONT');
}

async function dial(hive) {
  const socket = net.connect(Number(new URL(hive.url).port), '127.0.0.1');
  await new Promise((resolve) => { socket.once('connect', resolve); });
  const one = { socket, got: '', closed: false };
  socket.setEncoding('latin1').on('data', (text) => { one.got += text; });
  socket.on('error', () => {}).on('close', () => { one.closed = true; });
  return one;
}

function anyModel() {
  const file = path.join(makeFolder(), 'any.gguf');
  fs.writeFileSync(file, 'any');
  return file;
}

test('requests that came meanwhile are answered, and a body has time for its rest', async (t) => {
  const hive = await startHive({ env: { RBEE_HIVE_HEAD_TIMEOUT: `${LIMIT_MS}ms`, RBEE_HIVE_BODY_TIMEOUT: `${LIMIT_MS}ms` } });
  t.after(() => { hive.signal('SIGCONT'); return hive.stop(); });
  const fresh = await dial(hive), half = await dial(hive), HOST = 'Host: 127.0.0.1\r\n';
  const body = JSON.stringify({ model: 'nobody', prompt: 'a '.repeat(60000) });
  half.socket.write(`POST /v1/completions HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n${body.slice(0, 50000)}`);
  await sleep(100);
  await stopped(hive, () => {
    fresh.socket.write(`GET /v1/health HTTP/1.1\r\n${HOST}\r\n`);
    half.socket.write(body.slice(50000));
  });
  await until(() => [fresh, half].every((one) => one.got.includes('\r\n\r\n') || one.closed), 'both are answered');
  assert.deepStrictEqual([fresh, half].map((one) => one.got.split('\r\n')[0]), ['HTTP/1.1 200 OK', 'HTTP/1.1 404 Not Found']);
});

test('a model that was asked for meanwhile is not ended as idle', async (t) => {
  const fake = makeFakeWorker(makeFolder()), model = anyModel();
  const hive = await startHive({ flags: { worker: fake.program, 'keep-alive': `${LIMIT_MS}ms` } });
  t.after(() => { hive.signal('SIGCONT'); return hive.stop(); });
  const ask = () => post(hive, '/v1/completions', { model, prompt: 'hi' });
  assert.strictEqual((await ask()).status, 200);
  await until(() => /is ready after/.test(hive.stderr), 'it is seen to be ready');
  assert.strictEqual((await ask()).status, 200); // used: its keep-alive counts
  const [worker] = await list(hive);
  let asked;
  await stopped(hive, () => { asked = ask(); });
  assert.strictEqual((await asked).status, 200);
  assert.deepStrictEqual((await list(hive)).map((w) => w.worker_id), [worker.worker_id]);
  assert.doesNotMatch(hive.stderr, /was idle for its keep-alive/);
});

test('who waits for memory that has become free meanwhile gets it', async (t) => {
  const folder = makeFolder(), fake = makeFakeWorker(folder), one = anyModel(), two = anyModel();
  const beside = (name) => path.join(path.dirname(fake.program), name);
  fs.writeFileSync(beside('needs'), String(300 * MIB));
  const hive = await startHive({ flags: { worker: fake.program }, env: { RBEE_HIVE_MEMORY_LIMIT: '500', RBEE_HIVE_QUEUE_TIMEOUT: `${LIMIT_MS}ms` } });
  t.after(() => { hive.signal('SIGCONT'); return hive.stop(); });
  const ask = (model, todo) => post(hive, '/v1/completions', { model, prompt: JSON.stringify({ events: [{ type: 'token', t: 'a', i: 0 }], ...todo }) });
  const first = ask(one, { until: 'go' });
  await until(async () => (await list(hive))[0]?.slots_busy > 0 && /is ready after/.test(hive.stderr), 'the first is at work');
  const second = ask(two);
  await until(() => /waits until .* has nothing to do/.test(hive.stderr), () => `in line: ${hive.stderr}`);
  await stopped(hive, () => fs.writeFileSync(beside('go'), ''));
  assert.strictEqual((await first).status, 200);
  const { status, text } = await second;
  assert.strictEqual(status, 200, text);
});

test('a download whose source went on sending is not told that it was silent', async (t) => {
  const hub = await Hub.start(), bytes = seeded(1, 24 * MIB);
  hub.put('ann/tales', { 'a.gguf': bytes });
  hub.cdn.faults = () => ({ pace: 20000 });
  const hive = await startWith(hub, { RBEE_HIVE_DOWNLOAD_CONNECTIONS: '1', RBEE_HIVE_DOWNLOAD_STALL: `${LIMIT_MS}ms` });
  t.after(async () => { hive.signal('SIGCONT'); await hive.stop(); await hub.stop(); });
  await begin(hive, 'hf:ann/tales:a.gguf');
  await until(() => /download of .* begins/.test(hive.stderr), 'it has begun');
  await sleep(500);
  await stopped(hive, () => {});
  await sleep(500);
  assert.doesNotMatch(hive.stderr, /sent nothing|try 2/);
});

test('a limited push does not make up for it', async (t) => {
  const { there } = await push.start();
  t.after(() => push.stop());
  const model = await push.take({ layers: 6, embd: 512, ff: 2048 });
  const sending = push.startPush(model.ref, there, '--limit-rate', '1m');
  const sent = () => push.noted(`${push.partOf(there, model)}.ledger`) / push.MIB;
  await until(() => sent() >= 2, 'it is under way');
  process.kill(sending.child.pid, 'SIGSTOP');
  await sleep(5000);
  const before = sent(), begun = Date.now();
  process.kill(sending.child.pid, 'SIGCONT');
  await sleep(1000);
  const after = sent(), seconds = (Date.now() - begun) / 1000;
  process.kill(sending.child.pid, 'SIGKILL');
  assert.ok(after - before <= seconds + 2, `${after - before} MiB in ${seconds} s`); // it was 5 in 0.2
  assert.ok(after < model.bytes / push.MIB, 'there was something left to be sent');
});
