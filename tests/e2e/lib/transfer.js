'use strict';
/*
 * transfer.js - what the tests of the transfer share: a hub and a hive, downloads watched to their end
 * and checked, and the bytes that the hub sent counted.
 */
const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const { makeFolder } = require('./proc.js');
const { stream } = require('./sse.js');
const { startHive, post } = require('./hive.js');
const { lenientWorker } = require('./lenient.js');
const { Hub, sha256 } = require('./hub.js');

const WORKER = lenientWorker(); // what is downloaded here is any bytes

const MIB = 1 << 20;
const PIECE = 64 << 10; // of files up to 4 MiB

/* Bytes that a seed decides, quickly: AES in counter mode over zeros. */
function seeded(seed, n) {
  const key = crypto.createHash('sha256').update(String(seed)).digest().subarray(0, 16);
  return crypto.createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(n));
}

/* The hub is the test's own process: held for longer than the stall it would be asked again, rightly. */
const startWith = (hub, env = {}, options = {}) => startHive({ ...options,
  env: { HF_ENDPOINT: hub.url, RBEE_HIVE_WORKER: WORKER, RBEE_HIVE_DOWNLOAD_STALL: '20s', ...env } });

async function begin(hive, ref, wish = {}) {
  const answer = await post(hive, '/v1/models/download', { model_ref: ref, ...wish });
  assert.strictEqual(answer.status, 200, answer.text);
  return answer.json;
}

const watch = (hive, id) => stream(`${hive.url}/v1/models/download/progress?id=${id}`);

/* Every stream must keep to this: bytes true and never going backwards, one end, [DONE]. */
async function toTheEnd(s) {
  const events = await s.all();
  assert.ok(s.done, `no [DONE]: ${s.raw}`);
  let before = 0;
  for (const e of events.slice(0, -1)) {
    assert.strictEqual(e.stage, 'downloading', JSON.stringify(e));
    assert.ok(e.bytes_downloaded >= before, `backwards: ${s.raw}`);
    assert.ok(e.bytes_total === null || e.bytes_downloaded <= e.bytes_total, JSON.stringify(e));
    before = e.bytes_downloaded;
  }
  return events;
}

async function download(hive, ref, wish) {
  const { download_id: id } = await begin(hive, ref, wish);
  return toTheEnd(await watch(hive, id));
}

/* The last event: the file must be there, and right. */
async function fetches(hive, ref, bytes, wish) {
  const events = await download(hive, ref, wish);
  const end = events.at(-1);
  assert.strictEqual(end.stage, 'complete', `${JSON.stringify(end)}\n${hive.stderr}`);
  assert.strictEqual(sha256(fs.readFileSync(end.local_path)), sha256(bytes));
  return events;
}

async function fails(hive, ref, code) {
  const end = (await download(hive, ref)).at(-1);
  assert.strictEqual(end.stage, 'error', JSON.stringify(end));
  assert.strictEqual(end.code, code, JSON.stringify(end));
  return end;
}

/* Every file under the models folder but the hive's lock, by its full path. */
function filesIn(hive) {
  const folder = path.join(hive.home, 'models');
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((f) => f.isFile() && f.name !== '.hive.lock').map((f) => path.join(f.parentPath ?? f.path, f.name)).sort();
}
const partOf = (hive) => filesIn(hive).find((f) => f.endsWith('.part'));
const leftOvers = (hive) => filesIn(hive).filter((f) => /\.(part|ledger)$/.test(f));

/* Runs until the progress passes n bytes, then ends the hive by a signal. */
async function until(hive, ref, n, signal) {
  const { download_id: id } = await begin(hive, ref);
  const s = await watch(hive, id);
  await s.find((e) => e.bytes_downloaded > n);
  if (signal) {
    hive.signal(signal);
    await hive.ended;
  }
  return { id, s };
}

module.exports = { MIB, PIECE, Hub, sha256, seeded, startWith, begin, watch, toTheEnd, download, fetches, fails,
  filesIn, partOf, leftOvers, until, makeFolder };
