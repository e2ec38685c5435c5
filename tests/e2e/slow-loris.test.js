'use strict';
/*
 * slow-loris.test.js - clients that send their request a byte at a time, a thousand the head, hundreds the
 * body, to a hive and to a worker: they cost some memory each, nobody waits for them, and the time limits
 * end them.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const https = require('node:https');
const net = require('node:net');
const tls = require('node:tls');

const { HIVE, Proc, makeFolder, startWorker, testModel, sleep, until } = require('./lib/proc.js');
const { ask } = require('./lib/sse.js');
const { startHive, get } = require('./lib/hive.js');

const N = 1000, DRIP_MS = 250, EACH_KIB = 4;
const HEAD_LIMIT_MS = 4000; // less than the 10 s of net/http_server.h, for time
const sanitized = /asan|tsan/.test(process.env.RBEE_BUILD || ''); // a sanitizer has memory of its own

const rssKiB = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

/* Sends `whole` at once and then what follows, a byte at a time, until it is closed. */
function drip(port, whole, then) {
  const socket = net.connect(port, '127.0.0.1');
  const slow = { socket, heard: '', closed: false, sent: 0, lasted: 0 }, begun = Date.now();
  socket.on('error', () => {});
  socket.on('data', (data) => { slow.heard += data; });
  socket.on('close', () => { slow.closed = true; slow.lasted = Date.now() - begun; });
  socket.write(whole);
  slow.next = () => { if (!slow.closed) socket.write(then[slow.sent++ % then.length], 'latin1'); };
  return slow;
}

/* Drips until all are closed by the server; `serve` is an honest client's request. The most KiB meanwhile. */
async function endure(t, all, pid, dripMs, limitMs, serve) {
  // What has come is read first: who writes to a connection that is over may lose what it was told.
  const timer = setInterval(() => setImmediate(() => all.forEach((slow) => slow.next())), dripMs);
  t.after(() => { clearInterval(timer); for (const slow of all) slow.socket.destroy(); });
  const begun = Date.now();
  let served = 0, most = 0;
  while (all.some((slow) => !slow.closed)) {
    const open = all.filter((slow) => !slow.closed).length;
    await serve(`${open} are open`);
    served++;
    most = Math.max(most, rssKiB(pid));
    assert.ok(Date.now() - begun < 60000, `${open} are open still`);
    await sleep(200);
  }
  assert.ok(served > limitMs / 1000, `${served} requests were answered meanwhile`);
  const refused = all.filter((slow) => slow.lasted < limitMs / 2); // at once, and not by the limit
  assert.strictEqual(refused.length, 0, refused.map((slow) => `${slow.lasted} ms: ${slow.heard}`).slice(0, 3).join('\n'));
  return most;
}

test(`${N} clients that send their head a byte at a time: others are served, all are closed`, async (t) => {
  const hive = await startHive({ env: { RBEE_HIVE_HEAD_TIMEOUT: `${HEAD_LIMIT_MS}ms` } }), all = [];
  const port = Number(new URL(hive.url).port), before = rssKiB(hive.pid);
  t.after(() => hive.stop());
  const head = `OST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ${'a'.repeat(1000)}`;
  for (let i = 0; i < N; i++) all.push(drip(port, 'P', head));
  const most = await endure(t, all, hive.pid, DRIP_MS, HEAD_LIMIT_MS, async (what) => {
    assert.strictEqual((await get(hive, '/v1/health')).status, 200, what);
  });
  assert.ok(sanitized || most - before < N * EACH_KIB, `${most - before} KiB for ${N} connections`);
  assert.strictEqual((await get(hive, '/v1/models')).status, 200);
});

/* What a client sends first to speak TLS. */
function clientHello() {
  return new Promise((resolve) => {
    const server = net.createServer((socket) => socket.once('data', (data) => { resolve(data); socket.destroy(); server.close(); }));
    server.listen(0, '127.0.0.1', () => tls.connect({ port: server.address().port, host: '127.0.0.1' }).on('error', () => {}));
  });
}

/* Each cost 48 KiB, OpenSSL's for a handshake that never came to anything, and most of that stayed. */
test(`${N} clients that send the beginning of TLS a byte at a time, and then as many that stop amid the handshake`, async (t) => {
  const hive = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', makeFolder()],
    { env: { RBEE_HIVE_TLS: 'on', RBEE_HIVE_HEAD_TIMEOUT: `${HEAD_LIMIT_MS}ms` } });
  t.after(() => hive.stop());
  const [, port] = await hive.says(/listening on https:\/\/127\.0\.0\.1:(\d+)/), hello = await clientHello();
  const serve = async (what) => {
    const status = await new Promise((resolve) => {
      https.get({ port, host: '127.0.0.1', path: '/v1/health', rejectUnauthorized: false, agent: false }, (r) => resolve(r.resume().statusCode))
        .on('error', (e) => resolve(e.message));
    });
    assert.strictEqual(status, 200, what);
  };
  await serve('before');
  const before = rssKiB(hive.pid), rest = hello.latin1Slice(1);
  let all = Array.from({ length: N }, () => drip(port, hello.subarray(0, 1), rest));
  const most = await endure(t, all, hive.pid, DRIP_MS, HEAD_LIMIT_MS, serve);
  assert.ok(sanitized || most - before < N * EACH_KIB, `${most - before} KiB for ${N} connections`);
  all = Array.from({ length: N }, () => drip(port, hello, '\x14'));
  await endure(t, all, hive.pid, 60000, HEAD_LIMIT_MS, serve);
  await until(() => sanitized || rssKiB(hive.pid) < before + 8192, () => `${rssKiB(hive.pid) - before} KiB more than before are kept`);
});

const LIMIT_MS = 3000, LIMIT = `${LIMIT_MS}ms`;

/* A whole head that promises a megabyte, and its body a byte a second. */
const dripBody = (port, where) => drip(port, `POST ${where} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n`, '{"prompt":"');

/* Most are told, and why; some may lose it by a byte that was on its way when they were. */
function checkTold(all) {
  const told = all.filter((slow) => slow.heard);
  assert.ok(told.length > all.length / 2, `${told.length} of ${all.length} were told`);
  for (const slow of told) assert.match(slow.heard, /^HTTP\/1\.1 408 .*REQUEST_TIMEOUT|^HTTP\/1\.1 408 .*request_timeout/s);
}

test('500 clients that send their body a byte a second, to a hive', async (t) => {
  const hive = await startHive({ env: { RBEE_HIVE_BODY_TIMEOUT: LIMIT } }), all = [];
  t.after(() => hive.stop());
  const port = Number(new URL(hive.url).port), before = rssKiB(hive.pid);
  for (let i = 0; i < 500; i++) all.push(dripBody(port, i % 2 ? '/v1/chat/completions' : '/v1/workers/spawn'));
  const most = await endure(t, all, hive.pid, 1000, LIMIT_MS, async (what) => {
    assert.strictEqual((await get(hive, '/v1/models')).status, 200, what);
  });
  assert.ok(sanitized || most - before < all.length * EACH_KIB, `${most - before} KiB for ${all.length} connections`);
  checkTold(all);
});

test('100 clients that send their body so and 100 their head, to a worker', { skip: !testModel() && 'no model' }, async (t) => {
  const worker = await startWorker({ 'head-timeout': LIMIT, 'body-timeout': LIMIT, threads: 1 }), all = [];
  t.after(() => worker.stop());
  const infer = async (what) => {
    const answer = await ask(`${worker.url}/v1/inference`, { method: 'POST', body: { prompt: 'Once', max_tokens: 2, stream: false } });
    assert.strictEqual(answer.status, 200, `${what}: ${answer.text}`);
  };
  await until(async () => (await ask(`${worker.url}/v1/ready`)).json.ready, 'ready');
  for (let i = 0; i < 3; i++) await infer('warm');
  const port = Number(new URL(worker.url).port), before = rssKiB(worker.pid);
  for (let i = 0; i < 100; i++) all.push(dripBody(port, '/v1/inference'), drip(port, 'P', 'OST /v1/inference HTTP/1.1\r\nHost: x\r\nX-Long: aaaaaaaaaa'));
  const most = await endure(t, all, worker.pid, 1000, LIMIT_MS, infer);
  assert.ok(sanitized || most - before < all.length * EACH_KIB + 4096, `${most - before} KiB for ${all.length} connections`); // and what answers take
  checkTold(all);
});
