'use strict';
/*
 * streams.test.js - a thousand open streams through the hive: what each costs it in memory, however long
 * its prompt. A hive kept each prompt twice for as long as its answer took.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const { makeFolder, until } = require('./lib/proc.js');
const { startHive, list } = require('./lib/hive.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');

const N = 1000, BATCH = 100;
const STREAM_KIB = 13; // a connection, a request, a call to the worker, a timer; measured: 9.8 to 10.2
const PROMPT = 8000;   // bytes
const HIVE_MB = 20;    // promised, with the libraries' pages, in 1e6 bytes; measured: 18.6 to 19.2, of which 5.2 are those

const kib = (pid, what) => Number(new RegExp(`^${what}:\\s+(\\d+)`, 'm').exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]);
const HUGE = '/sys/kernel/mm/transparent_hugepage/enabled'; // where all is in huge pages a stack alone takes 2 MB
const isHuge = fs.existsSync(HUGE) && /\[always\]/.test(fs.readFileSync(HUGE, 'utf8'));
const sanitized = Boolean(process.env.ASAN_OPTIONS || process.env.TSAN_OPTIONS);

test(`${N} open streams: their memory, and they all end`, { skip: sanitized && 'a sanitizer has memory of its own' }, async (t) => {
  const fake = makeFakeWorker(makeFolder()), model = path.join(makeFolder(), 'any.gguf'), all = [];
  fs.writeFileSync(model, 'any');
  const hive = await startHive({ flags: { worker: fake.program } });
  t.after(() => { for (const s of all) s.destroy(); return hive.stop(); });
  const body = JSON.stringify({ model, stream: true, prompt: JSON.stringify({ events: [{ type: 'token', t: 'x', i: 0 }], hang: true, pad: 'p'.repeat(PROMPT) }) });
  const open = () => new Promise((resolve, reject) => {
    const s = net.connect(Number(new URL(hive.url).port), '127.0.0.1');
    all.push(s);
    s.on('error', reject);
    s.once('data', resolve);
    s.write(`POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
  await open();
  const before = kib(hive.pid, 'Anonymous');
  for (let i = 0; i < N / BATCH; i++) await Promise.all(Array.from({ length: BATCH }, open));
  const each = (kib(hive.pid, 'Anonymous') - before) / N;
  assert.strictEqual((await list(hive))[0].slots_busy, N + 1);
  assert.ok(each < STREAM_KIB, `${each.toFixed(1)} KiB a stream`);
  const mb = kib(hive.pid, 'Rss') * 1024 / 1e6;
  assert.ok(isHuge || mb < HIVE_MB, `the hive has ${mb.toFixed(1)} MB resident`);
  for (const s of all) s.destroy();
  await until(async () => (await list(hive))[0].slots_busy === 0, 'all have ended');
});
