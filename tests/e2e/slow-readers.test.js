'use strict';
/*
 * slow-readers.test.js - clients that read a stream a byte a second: what waits for them is bounded, the
 * others are served meanwhile, and who has taken nothing for as long as the limit allows is cut, with the
 * reason in the log and the slot free.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const { startWorker, makeFolder, sleep, testModel, until } = require('./lib/proc.js');
const { ask } = require('./lib/sse.js');
const { startHive, post, list, spawnReady } = require('./lib/hive.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');

const sanitized = /asan|tsan/.test(process.env.RBEE_BUILD || ''); // it has memory of its own, and is slow
const N = sanitized ? 4 : 8, LIMIT_MS = 2000;
const WAITS_MAX = 256 << 10; // hive/gateway/outlet.h: 128 KiB, and what one read from the worker adds
const PATIENCE_MS = 60000; // kernels take megabytes before a writer has to wait
const rssKiB = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

/* Bytes that the kernel has taken from a server's connection and that the client's has not: proc(5). */
function queued(from, to) {
  const hex = (n) => n.toString(16).toUpperCase().padStart(4, '0');
  const line = fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').find((l) => new RegExp(`^ *\\d+: [0-9A-F]{8}:${hex(from)} [0-9A-F]{8}:${hex(to)} `).test(l));
  return line ? parseInt(line.trim().split(/\s+/)[4].split(':')[0], 16) : 0;
}

/* Sends a request and takes one byte of the answer a second from the kernel; `drain` takes the rest at once. */
function slowReader(url, body) {
  const { port, pathname } = new URL(url), text = JSON.stringify(body), buffer = Buffer.alloc(1);
  const reader = { n: 0, tail: '', over: false, port: 0 };
  let fast = false;
  const callback = (n, bytes) => {
    reader.n += n;
    reader.tail = (reader.tail + bytes.toString('latin1', 0, n)).slice(-50);
    return fast;
  };
  const socket = net.connect({ port: Number(port), host: '127.0.0.1', onread: { buffer: () => (fast ? Buffer.alloc(65536) : buffer), callback } });
  socket.on('connect', () => { reader.port = socket.localPort; });
  socket.on('error', () => {});
  socket.on('close', () => { reader.over = true; clearInterval(timer); });
  const timer = setInterval(() => { if (!fast) socket.resume(); }, 1000);
  socket.write(`POST ${pathname} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  reader.drain = () => { fast = true; socket.resume(); };
  reader.leave = () => { clearInterval(timer); socket.destroy(); };
  return reader;
}

const CUT = /127\.0\.0\.1:(\d+) reads too slowly and is cut off: (\d+) bytes wait for it; the limits are (\d+) bytes, and ([\d.]+) s without taking any/g;

test(`${N} readers of a byte a second through the hive`, async (t) => {
  const fake = makeFakeWorker(makeFolder()), model = path.join(makeFolder(), 'any.gguf'), readers = [];
  fs.writeFileSync(model, 'any');
  const hive = await startHive({ flags: { worker: fake.program }, env: { RBEE_HIVE_WRITE_TIMEOUT: `${LIMIT_MS}ms` } });
  t.after(() => { for (const reader of readers) reader.leave(); return hive.stop(); });
  const honest = async () => {
    const other = await post(hive, '/v1/completions', { model, prompt: JSON.stringify({ events: [{ type: 'token', t: 'hello', i: 0 }] }) });
    assert.strictEqual(other.status, 200, other.text);
    assert.strictEqual(other.json.choices[0].text, 'hello');
  };
  await honest();
  const before = rssKiB(hive.pid), begun = Date.now();
  for (let i = 0; i < N; i++) readers.push(slowReader(`${hive.url}/v1/completions`, { model, stream: true, prompt: JSON.stringify({ flood: 1e6 }) }));
  let most = before;
  await until(async () => {
    await honest();
    most = Math.max(most, rssKiB(hive.pid));
    return [...hive.stderr.matchAll(CUT)].length === N && (await list(hive))[0].slots_busy === 0;
  }, () => `all are cut, their slots free:\n${hive.stderr.slice(-2000)}`, PATIENCE_MS);
  assert.ok(Date.now() - begun >= LIMIT_MS, 'none was cut before its time');
  assert.ok(sanitized || most - before < N * WAITS_MAX / 1024, `${most - before} KiB for ${N} readers`);
  const cuts = [...hive.stderr.matchAll(CUT)];
  assert.deepStrictEqual(cuts.map((c) => Number(c[1])).sort(), readers.map((r) => r.port).sort());
  for (const [, , bytes, limit, seconds] of cuts) {
    assert.ok(Number(bytes) > 0 && Number(bytes) < WAITS_MAX && WAITS_MAX < Number(limit), bytes);
    assert.strictEqual(Number(seconds), LIMIT_MS / 1000);
  }
  readers[0].drain(); // what its kernel holds, and then the end: no last word
  await until(() => readers[0].over, 'it sees the end');
  assert.doesNotMatch(readers[0].tail, /\[DONE\]|0\r\n\r\n$/);
  await honest();
});

test('a reader of a byte a second straight from a worker', { skip: sanitized && 'megabytes of tokens take a sanitizer long' }, async (t) => {
  const file = path.join(makeFolder(), 'hollow.gguf');
  writeHollowModel(file, { layers: 4, embd: 256, ff: 704, ctx: 16384 });
  const worker = await startWorker({ model: file, threads: 1, ctx: 16384, speculate: 'off', slots: 1, 'write-timeout': '1s' });
  const state = async () => (await ask(`${worker.url}/v1/ready`)).json;
  await until(async () => (await state()).ready, 'ready');
  const before = rssKiB(worker.pid);
  const reader = slowReader(`${worker.url}/v1/inference`, { prompt: 'abc', max_tokens: 16000, temperature: 0, logprobs: true, top_logprobs: 20 });
  t.after(() => { reader.leave(); return worker.stop(); });
  await until(async () => (await state()).slow_clients_cut === 1, () => `cut:\n${worker.stderr}`, PATIENCE_MS);
  await until(async () => (await state()).slots_busy === 0, 'free');
  const [[, port, bytes, limit, seconds]] = [...worker.stderr.matchAll(CUT)];
  assert.strictEqual(Number(port), reader.port);
  assert.ok(Number(bytes) > 0 && Number(bytes) < 2 * Number(limit), bytes);
  assert.strictEqual(Number(seconds), 1);
  const grown = (rssKiB(worker.pid) - before) / 1024;
  assert.ok(sanitized || grown < 150, `the worker grew by ${grown.toFixed(1)} MiB`); // its caches of 16,384 positions are filled meanwhile
  const next = await ask(`${worker.url}/v1/inference`, { method: 'POST', body: { prompt: 'abc', max_tokens: 5, temperature: 0, stream: false } });
  assert.strictEqual(next.status, 200, next.text);
  assert.strictEqual(next.json.tokens_out, 5);
});

/*
 * The hive itself stood still (docker pause, Ctrl+Z) for longer than a client may take nothing: the time was over
 * and the client had room, in one turn of the loop, and an answer was cut whose client had read all it was sent.
 */
test('a hive that was stopped cuts nobody who reads', { skip: !testModel() ? 'no model' : /tsan/.test(process.env.RBEE_BUILD || '') && 'an answer of megabytes takes half a minute' }, async (t) => {
  const hive = await startHive({ env: { RBEE_TINY: testModel(), RBEE_HIVE_WRITE_TIMEOUT: '1900ms' } });
  t.after(() => { hive.signal('SIGCONT'); return hive.stop(); });
  await spawnReady(hive, 'tiny');
  const text = JSON.stringify({ model: 'tiny', content: 'once upon a time '.repeat(400000) });
  const socket = net.connect({ port: Number(new URL(hive.url).port), host: '127.0.0.1', highWaterMark: 1024 });
  await new Promise((resolve) => { socket.on('connect', resolve); });
  socket.pause();
  let head = '', n = 0, closed = false;
  socket.on('data', (bytes) => { n += bytes.length; if (head.length < 4096) head += bytes.toString('latin1', 0, 4096); });
  socket.on('close', () => { closed = true; });
  socket.on('error', () => {});
  socket.write(`POST /tokenize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
  const port = socket.localPort, waits = () => queued(Number(new URL(hive.url).port), port);
  await until(async () => {
    const now = waits();
    await sleep(100);
    return now > 0 && waits() === now;
  }, 'more than the kernel takes', PATIENCE_MS);
  hive.signal('SIGSTOP');
  socket.resume();
  await until(() => waits() === 0, 'it has read all it was sent');
  const before = n;
  await sleep(2400);
  hive.signal('SIGCONT');
  const whole = Number(/content-length: (\d+)/i.exec(head)[1]) + head.indexOf('\r\n\r\n') + 4;
  await until(() => n >= whole || closed, 'the rest', PATIENCE_MS);
  assert.strictEqual(n, whole, `${before} bytes had come before`);
  assert.ok(before < whole, 'something was left to be sent');
  socket.destroy();
});

/*
 * A job is over when its answer has been handed to the server: with keep_alive 0, or when room was needed, its worker
 * was ended then, and one second later it left with megabytes unsent. Who read 7 MB at 1.5 MB/s got 5.6 of them. Then
 * it waited the whole drain for one that had stopped: whoever wanted its memory waited 29 s, and `docker stop`,
 * which gives 10 s, killed the hive.
 */
test('a worker that ends waits for who is reading, not for who has stopped, and a second signal waits no longer', { skip: !testModel() ? 'no model' : /tsan/.test(process.env.RBEE_BUILD || '') && 'an answer of megabytes takes half a minute' }, async (t) => {
  const text = JSON.stringify({ content: 'once upon a time '.repeat(120000), with_pieces: true });
  const unread = async () => { // all has been said, and more than the kernel takes is unsent
    const worker = await startWorker({ slots: 1 });
    t.after(() => worker.stop());
    await until(async () => (await ask(`${worker.url}/v1/ready`)).json.ready, 'ready');
    const at = Number(new URL(worker.url).port), socket = net.connect({ port: at, host: '127.0.0.1' });
    const reader = { n: 0, head: '', closed: false };
    await new Promise((resolve) => { socket.on('connect', resolve); });
    socket.once('data', () => socket.pause());
    socket.on('data', (bytes) => { reader.n += bytes.length; if (reader.head.length < 4096) reader.head += bytes.toString('latin1', 0, 4096); });
    socket.on('close', () => { reader.closed = true; });
    socket.on('error', () => {});
    socket.write(`POST /v1/tokenize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
    await until(async () => {
      const now = queued(at, socket.localPort);
      await sleep(100);
      return reader.n > 0 && now > 0 && queued(at, socket.localPort) === now;
    }, 'more than the kernel takes', PATIENCE_MS);
    return { worker, reader, socket };
  };
  const stopped = await unread();
  await ask(`${stopped.worker.url}/v1/admin/shutdown`, { method: 'POST' });

  const { worker, reader, socket } = await unread();
  await ask(`${worker.url}/v1/admin/shutdown`, { method: 'POST' });
  await sleep(1500); // LIFECYCLE_FLUSH_MS and some
  socket.resume();
  await until(() => reader.closed, 'the rest', PATIENCE_MS);
  assert.strictEqual(reader.n, Number(/content-length: (\d+)/i.exec(reader.head)[1]) + reader.head.indexOf('\r\n\r\n') + 4);
  assert.deepStrictEqual(await worker.end(), { code: 0, killedBy: null });

  const other = await unread();
  other.worker.signal('SIGTERM');
  await other.worker.says(/ending: 0 answers/);
  other.worker.signal('SIGTERM');
  assert.deepStrictEqual(await other.worker.end(5000), { code: 0, killedBy: null }); // the first has 8 s
  assert.match(other.worker.stderr, /1 answers were not read to their end within the time given/);
  other.socket.destroy();

  assert.deepStrictEqual(await stopped.worker.end(15000), { code: 0, killedBy: null }); // the drain has 30 s
  assert.match(stopped.worker.stderr, /1 answers were not read to their end: nothing of them was taken for 5 s/);
  stopped.socket.destroy();
});
