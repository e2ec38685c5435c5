'use strict';
/*
 * push.js - what the tests of `models push` share: two hives with homes of their own, models in the
 * first one, and the calls that a keeper makes of the second.
 */
const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const { makeFolder } = require('./proc.js');
const { startHive, get } = require('./hive.js');
const { stream } = require('./sse.js');
const { writeHollowModel } = require('./gguf.js');
const { Between } = require('./between.js');
const keeper = require('./keeper.js');

const MIB = 1 << 20;
const digest = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');

let here, there, folder, made = 0;

/* From here the models go, to there. */
async function start() {
  [here, there] = await Promise.all([startHive(), startHive()]);
  folder = makeFolder('rbee-push-');
  return { here, there, folder };
}
const stop = () => Promise.all([here.stop(), there.stop()]);

const addr = (hive) => hive.url.replace('http://', '');
const command = (ref, to, more) => [['models', 'push', ref, '--node', addr(to), ...more], { env: { RBEE_KEEPER_NODE: addr(here) } }];
const push = (ref, to = there, ...more) => keeper.run(...command(ref, to, more));
const startPush = (ref, to = there, ...more) => keeper.start(...command(ref, to, more));
const row = async (hive, ref) => (await get(hive, '/v1/models')).json.models.find((m) => m.model_ref === ref);
const uploads = (hive) => path.join(hive.home, 'models', 'push');
const parts = (hive) => { try { return fs.readdirSync(uploads(hive)); } catch { return []; } };
const partOf = (hive, m) => path.join(uploads(hive), m.sha256, path.basename(m.file));

/* A model of about so many bytes in the catalog of this machine's hive; its reference and digest. */
async function take(more = {}) {
  const name = `m${made++}`, file = path.join(folder, `${name}.gguf`);
  writeHollowModel(file, { layers: 1, ctx: 128 + made, ...more });
  const r = await keeper.run(['models', 'import', file, '--node', addr(here)]);
  assert.strictEqual(r.code, 0, r.stderr);
  return { ref: `local:${name}`, file, bytes: fs.statSync(file).size, sha256: digest(fs.readFileSync(file)) };
}

/* The bytes that have come, as a part's ledger has them. */
function noted(ledger) {
  let text = '';
  try { text = fs.readFileSync(ledger, 'utf8'); } catch { /* not yet */ }
  return [...text.matchAll(/ bytes (\d+) (\d+) /g)].reduce((sum, [, from, to]) => sum + Number(to) - Number(from), 0);
}

const manifest = async (ref, hive = here) => (await get(hive, `/v1/models/manifest?model_ref=${encodeURIComponent(ref)}`)).json;

/* What the other hive misses of it, as it says itself. */
async function begin(hive, m) {
  const s = await stream(`${hive.url}/v1/models/upload`, { method: 'POST', body: m });
  const events = await s.all();
  assert.ok(s.done, s.raw);
  return events.find((e) => e.stage !== 'checking');
}

/* A piece of m, or of another upload or file. */
function put(hive, m, from, bytes, { said = digest(bytes), id = m.sha256, file = path.basename(m.file), signal } = {}) {
  return fetch(`${hive.url}/v1/models/upload/${id}?file=${file}&from=${from}`, { method: 'PUT', body: bytes, signal,
    headers: { 'content-type': 'application/octet-stream', 'x-content-sha256': said } });
}

/* As if nothing had come for an hour. */
function age(hive, m) {
  const then = Date.now() / 1000 - 3600, dir = path.dirname(partOf(hive, m));
  for (const name of fs.readdirSync(dir)) fs.utimesSync(path.join(dir, name), then, then);
}

/* Everything but the end. */
async function bring(hive, m, says) {
  await begin(hive, says);
  const bytes = fs.readFileSync(m.file);
  for (let at = 0; at < m.bytes; at += MIB) assert.strictEqual((await put(hive, m, at, bytes.subarray(at, at + MIB))).status, 204);
}

/* A push by way of a proxy that makes trouble. */
async function pushThrough(t, m, trouble) {
  const between = await Between.start(there.url, trouble);
  t.after(() => between.stop());
  const r = await push(m.ref, between);
  assert.strictEqual(r.code, 0, r.stderr);
  assert.match(r.stderr, /Sent local:m\d+ to .* verified/);
  assert.strictEqual(digest(fs.readFileSync((await row(there, m.ref)).local_path)), m.sha256);
  assert.deepStrictEqual(parts(there), []);
  return between;
}

module.exports = { MIB, digest, start, stop, addr, push, startPush, row, parts, partOf, noted, take, manifest, begin, put, age, bring, pushThrough };
