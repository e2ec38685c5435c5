'use strict';
/* streams.test.js - a thousand open streams through the hive: what each costs it in memory. */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const { makeFolder, until } = require('./lib/proc.js');
const { startHive, list } = require('./lib/hive.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');

const N = 1000, BATCH = 100;
const STREAM_KIB = 14; // a connection, a request, a call to the worker; measured: 11.3

const ownKiB = (pid) => Number(/^Anonymous:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]);
const sanitized = Boolean(process.env.ASAN_OPTIONS || process.env.TSAN_OPTIONS);

test(`${N} open streams: their memory, and they all end`, { skip: sanitized && 'a sanitizer has memory of its own' }, async (t) => {
  const fake = makeFakeWorker(makeFolder()), model = path.join(makeFolder(), 'any.gguf'), all = [];
  fs.writeFileSync(model, 'any');
  const hive = await startHive({ flags: { worker: fake.program } });
  t.after(() => { for (const s of all) s.destroy(); return hive.stop(); });
  const body = JSON.stringify({ model, stream: true, prompt: JSON.stringify({ events: [{ type: 'token', t: 'x', i: 0 }], hang: true }) });
  const open = () => new Promise((resolve, reject) => {
    const s = net.connect(Number(new URL(hive.url).port), '127.0.0.1');
    all.push(s);
    s.on('error', reject);
    s.once('data', resolve);
    s.write(`POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
  await open();
  const before = ownKiB(hive.pid);
  for (let i = 0; i < N / BATCH; i++) await Promise.all(Array.from({ length: BATCH }, open));
  const each = (ownKiB(hive.pid) - before) / N;
  assert.strictEqual((await list(hive))[0].slots_busy, N + 1);
  assert.ok(each < STREAM_KIB, `${each.toFixed(1)} KiB a stream`);
  for (const s of all) s.destroy();
  await until(async () => (await list(hive))[0].slots_busy === 0, 'all have ended');
});
