'use strict';
/*
 * slow-loris.test.js - a thousand clients that send their request's head a byte at a time: they cost some
 * memory each, nobody waits for them, and the time limit ends them.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');

const { sleep } = require('./lib/proc.js');
const { startHive, get } = require('./lib/hive.js');

const N = 1000, DRIP_MS = 250, EACH_KIB = 4;
const HEAD_LIMIT_MS = 10000; // net/http_server.h
const sanitized = /asan|tsan/.test(process.env.RBEE_BUILD || ''); // a sanitizer has memory of its own

const rssKiB = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

/* Sends `whole` at once and then what follows, a byte at a time, until it is closed. */
function drip(port, whole, then) {
  const socket = net.connect(port, '127.0.0.1');
  const slow = { socket, heard: '', closed: false, sent: 0 };
  socket.on('error', () => {});
  socket.on('data', (data) => { slow.heard += data; });
  socket.on('close', () => { slow.closed = true; });
  socket.write(whole);
  slow.next = () => { if (!slow.closed) socket.write(then[slow.sent++ % then.length]); };
  return slow;
}

test(`${N} clients that send their head a byte at a time: others are served, all are closed`, async (t) => {
  const hive = await startHive(), port = Number(new URL(hive.url).port), before = rssKiB(hive.pid), all = [];
  t.after(() => { for (const slow of all) slow.socket.destroy(); return hive.stop(); });
  const head = `OST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ${'a'.repeat(1000)}`;
  for (let i = 0; i < N; i++) all.push(drip(port, 'P', head));
  const timer = setInterval(() => all.forEach((slow) => slow.next()), DRIP_MS);
  t.after(() => clearInterval(timer));
  const begun = Date.now();
  let served = 0, most = before;
  while (all.some((slow) => !slow.closed)) {
    const open = all.filter((slow) => !slow.closed).length;
    assert.strictEqual((await get(hive, '/v1/health')).status, 200, `${open} are open`);
    served++;
    most = Math.max(most, rssKiB(hive.pid));
    assert.ok(Date.now() - begun < 6 * HEAD_LIMIT_MS, `${open} are open still`);
    await sleep(200);
  }
  assert.ok(served > 10, `${served} requests were answered meanwhile`);
  assert.ok(Date.now() - begun > HEAD_LIMIT_MS / 2, 'they were ended by the limit, and not refused');
  assert.ok(sanitized || most - before < N * EACH_KIB, `${most - before} KiB for ${N} connections`);
  assert.strictEqual((await get(hive, '/v1/models')).status, 200);
});
