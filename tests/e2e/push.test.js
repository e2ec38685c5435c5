'use strict';
/*
 * push.test.js - a model goes from this machine's hive to another one: two real hives with homes of
 * their own, and a real keeper between them.
 */
const { test, before, after } = require('node:test');
const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const { makeFolder, until } = require('./lib/proc.js');
const { startHive, get, post, remove, spawnReady } = require('./lib/hive.js');
const { ask, stream } = require('./lib/sse.js');
const { writeHollowModel } = require('./lib/gguf.js');
const keeper = require('./lib/keeper.js');

const MIB = 1 << 20;
const digest = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');

let here, there, folder, made = 0;
before(async () => { here = await startHive(); there = await startHive(); folder = makeFolder('rbee-push-'); });
after(() => Promise.all([here.stop(), there.stop()]));

const addr = (hive) => hive.url.replace('http://', '');
const env = () => ({ RBEE_KEEPER_NODE: addr(here) });
const push = (ref, to = there, ...more) => keeper.run(['models', 'push', ref, '--node', addr(to), ...more], { env: env() });
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

const manifest = async (ref, hive = here) => (await get(hive, `/v1/models/manifest?model_ref=${encodeURIComponent(ref)}`)).json;

/* What the other hive misses of it, as it says itself. */
async function begin(hive, m) {
  const s = await stream(`${hive.url}/v1/models/upload`, { method: 'POST', body: m });
  const events = await s.all();
  assert.ok(s.done, s.raw);
  return events.find((e) => e.stage !== 'checking');
}

/* A piece of m, or of another upload or file. */
function put(hive, m, from, bytes, { said = digest(bytes), id = m.sha256, file = path.basename(m.file) } = {}) {
  return fetch(`${hive.url}/v1/models/upload/${id}?file=${file}&from=${from}`, { method: 'PUT', body: bytes,
    headers: { 'content-type': 'application/octet-stream', 'x-content-sha256': said } });
}

test('the file arrives with its digest, is judged, and can be used; again it is there already', async () => {
  const m = await take();
  const r = await push(m.ref);
  assert.strictEqual(r.code, 0, r.stderr);
  assert.match(r.stderr, /Sent local:m\d+ to .* verified/);
  const got = await row(there, m.ref);
  assert.strictEqual(got.sha256, m.sha256);
  assert.strictEqual(got.verified, true);
  assert.strictEqual(digest(fs.readFileSync(got.local_path)), m.sha256);
  assert.deepStrictEqual(parts(there), []);
  await spawnReady(there, m.ref);
  const again = await push(m.ref);
  assert.strictEqual(again.code, 0, again.stderr);
  assert.match(again.stderr, /is there already/);
});

test('what the catalog here knows of it, its licence too, is known there', async () => {
  const m = await take({ license: 'llama3.2' }), ours = await manifest(m.ref);
  assert.strictEqual(ours.models[0].license, 'llama3.2');
  assert.strictEqual(ours.models[0].source, m.file);
  const r = await push(m.ref);
  assert.strictEqual(r.code, 0, r.stderr);
  const theirs = await manifest(m.ref, there);
  for (const x of [ours, theirs]) delete x.models[0].files[0].path;
  assert.deepStrictEqual(theirs, ours);
  const out = path.join(folder, 'out'), e = await keeper.run(['models', 'export', m.ref, out, '--node', addr(there)]);
  assert.strictEqual(e.code, 0, e.stderr);
  assert.deepStrictEqual(JSON.parse(fs.readFileSync(path.join(out, 'rbee-manifest.json'), 'utf8')), ours);
});

test('a kill -9 of the hive there, midway: the next push sends what is missing, and no more', async (t) => {
  const m = await take({ layers: 3, embd: 256, ff: 1024 });
  assert.ok(m.bytes > 8 * MIB, `${m.bytes} bytes`);
  const home = makeFolder('rbee-hive-');
  let hive = await startHive({ home });
  t.after(() => hive.stop());
  const first = keeper.start(['models', 'push', m.ref, '--node', addr(hive), '--limit-rate', '4m'], { env: env() });
  const part = `${partOf(hive, m)}.ledger`;
  await until(() => fs.existsSync(part) && fs.readFileSync(part, 'utf8').split('bytes ').length > 3, 'three pieces');
  hive.signal('SIGKILL');
  await hive.ended;
  first.interrupt();
  await first.done;
  assert.strictEqual(first.code, 130, first.stderr);
  hive = await startHive({ home });
  const { bytes_missing: missing, bytes_total: total } = await begin(hive, await manifest(m.ref));
  assert.strictEqual(total, m.bytes);
  assert.ok(missing <= m.bytes - 3 * MIB, `${missing} of ${m.bytes} are missing`);
  const r = await push(m.ref, hive);
  assert.strictEqual(r.code, 0, r.stderr);
  assert.match(r.stderr, /Going on: .* are there already/);
  assert.strictEqual((await row(hive, m.ref)).sha256, m.sha256);
  assert.deepStrictEqual(parts(hive), []);
});

test('bytes that went bad on the disk there are asked for again, no others', async () => {
  const m = await take({ layers: 2, embd: 256, ff: 1024 }), bytes = fs.readFileSync(m.file), says = await manifest(m.ref);
  await begin(there, says);
  for (let at = 0; at < 3 * MIB; at += MIB) assert.strictEqual((await put(there, m, at, bytes.subarray(at, at + MIB))).status, 204);
  const fd = fs.openSync(partOf(there, m), 'r+');
  fs.writeSync(fd, 'rot', MIB + 1000);
  fs.closeSync(fd);
  const missing = (await begin(there, says)).files[0].missing;
  assert.deepStrictEqual(missing, [[MIB, 2 * MIB], [3 * MIB, m.bytes]]);
  const r = await push(m.ref);
  assert.strictEqual(r.code, 0, r.stderr);
  assert.strictEqual((await row(there, m.ref)).sha256, m.sha256);
});

test('a split model: all its parts, each under its name', async () => {
  writeHollowModel(path.join(folder, 'split.gguf'), { layers: 2, ctx: 777, parts: 3 });
  const part = (i) => `split-0000${i}-of-00003.gguf`;
  const r = await keeper.run(['models', 'import', path.join(folder, part(1)), '--node', addr(here)]);
  assert.strictEqual(r.code, 0, r.stderr);
  const sent = await push('local:split');
  assert.strictEqual(sent.code, 0, sent.stderr);
  const got = path.dirname((await row(there, 'local:split')).local_path);
  for (const i of [1, 2, 3]) assert.strictEqual(digest(fs.readFileSync(path.join(got, part(i)))), digest(fs.readFileSync(path.join(folder, part(i)))));
});

test('what was begun and not finished is found by prune', async () => {
  const m = await take();
  await begin(there, await manifest(m.ref));
  const shown = (await get(there, '/v1/models/prune')).json.items;
  assert.deepStrictEqual(shown.map((i) => i.path), [partOf(there, m), `${partOf(there, m)}.ledger`]);
  assert.match(shown[0].why, /unfinished push/);
  assert.strictEqual((await remove(there, `/v1/models/upload/${m.sha256}`)).status, 204);
});

test('a piece that is not what it says is refused, and nothing of it is written', async () => {
  const m = await take(), says = await manifest(m.ref), bytes = fs.readFileSync(m.file);
  await begin(there, says);
  const bad = await put(there, m, 0, bytes.subarray(0, 4096), { said: digest(Buffer.from('other')) });
  assert.strictEqual(bad.status, 400);
  const { message } = (await bad.json()).error;
  assert.ok(message.includes(digest(bytes.subarray(0, 4096))) && message.includes(digest(Buffer.from('other'))), message);
  assert.ok(fs.readFileSync(partOf(there, m)).every((b) => b === 0));
  for (const [from, as, status] of [[m.bytes, {}, 400], [m.bytes - 10, {}, 400], [0, { id: 'ab' }, 400], [0, { id: 'f'.repeat(64) }, 404],
    [0, { file: 'other.gguf' }, 404], [0, { file: '..%2Fx' }, 400], [0, { file: '' }, 400], [0, { file: '.ssh' }, 400]])
    assert.strictEqual((await put(there, m, from, bytes.subarray(0, 11), as)).status, status, `${from} ${JSON.stringify(as)}`);
  for (const query of ['', '?from=0', '?file=a&from=-1', '?file=a&from=x', '?file=a&from=99999999999999999999'])
    assert.strictEqual((await fetch(`${there.url}/v1/models/upload/${m.sha256}${query}`, { method: 'PUT', body: 'x' })).status, 400, query);
  assert.match(String((await put(there, m, 0, bytes.subarray(0, 4), { id: '..%2f..%2fetc' })).status), /^4\d\d$/);
  assert.match(await (await put(there, m, 0xfffff, bytes.subarray(0, 2))).text(), /lie in two pieces/);
  assert.strictEqual((await remove(there, `/v1/models/upload/${m.sha256}`)).status, 204);
  assert.strictEqual((await remove(there, `/v1/models/upload/${m.sha256}`)).status, 404);
  assert.deepStrictEqual(parts(there), []);
});

test('a file here that is not what its catalog says: both digests are named, nothing enters, nothing stays', async () => {
  const m = await take(), file = (await row(here, m.ref)).local_path;
  fs.chmodSync(file, 0o644);
  const fd = fs.openSync(file, 'r+');
  fs.writeSync(fd, 'rot', m.bytes - 100);
  fs.closeSync(fd);
  const r = await push(m.ref);
  assert.strictEqual(r.code, 1, r.stderr);
  assert.match(r.stderr, /CHECKSUM_MISMATCH/);
  assert.ok(r.stderr.includes(m.sha256) && r.stderr.includes(digest(fs.readFileSync(file))), r.stderr);
  assert.strictEqual(await row(there, m.ref), undefined);
  assert.deepStrictEqual(parts(there), []);
});

test('names that lead elsewhere, and manifests that are none, are refused', async () => {
  const m = await take(), says = await manifest(m.ref);
  const wrong = async (change) => {
    const copy = structuredClone(says);
    change(copy);
    const r = await post(there, '/v1/models/upload', copy);
    assert.strictEqual(r.status, 400, r.text);
    return r.json.error.message;
  };
  await wrong((x) => { x.models[0].files[0].file = '../x.gguf'; });
  await wrong((x) => { x.models[0].files[0].sha256 = '../x'; });
  await wrong((x) => { x.models[0].model_ref = '/etc/passwd'; });
  await wrong((x) => { x.models[0].files[0].file = 'x.gguf.ledger'; });
  await wrong((x) => { x.models[0].files.push(x.models[0].files[0]); });
  await wrong((x) => { x.models.push(x.models[0]); });
  await wrong((x) => { delete x.rbee_manifest; });
  assert.strictEqual((await ask(`${there.url}/v1/models/upload`, { method: 'POST', body: 'no' })).status, 400);
  const copy = structuredClone(says); // a name in the repository is made harmless, as a download's
  copy.models[0].files[0].name = '../../../up.gguf';
  await begin(there, copy);
  await put(there, m, 0, fs.readFileSync(m.file));
  await (await stream(`${there.url}/v1/models/upload/commit`, { method: 'POST', body: copy })).all();
  const got = await row(there, m.ref);
  assert.ok(!got || got.local_path.startsWith(path.join(there.home, 'models', 'local')), got && got.local_path);
});

test('the same name for another file there is refused before a byte is sent', async () => {
  const m = await take(), other = path.join(folder, 'other.gguf');
  writeHollowModel(other, { layers: 1, ctx: 999 });
  const r = await keeper.run(['models', 'import', other, '--as', m.ref.slice(6), '--node', addr(there)]);
  assert.strictEqual(r.code, 0, r.stderr);
  const sent = await push(m.ref);
  assert.notStrictEqual(sent.code, 0);
  assert.ok(sent.stderr.includes(m.sha256) && sent.stderr.includes(digest(fs.readFileSync(other))), sent.stderr);
  assert.deepStrictEqual(parts(there), []);
});

test('what the command says to wrong words', async () => {
  const m = await take();
  const none = await keeper.run(['models', 'push', m.ref], { env: env() });
  assert.strictEqual(none.code, 2);
  assert.match(none.stderr, /--node/);
  const missing = await push('local:nothing');
  assert.strictEqual(missing.code, 1);
  assert.match(missing.stderr, /MODEL_NOT_FOUND/);
  assert.match((await push('tiny')).stderr, /models import/);
  assert.strictEqual((await push(m.ref, there, '--limit-rate', 'fast')).code, 2);
});

test('a full disk there is said before a byte is sent, with both numbers', async (t) => {
  if (process.getuid() !== 0) return t.skip('only root can mount a small file system');
  const small = makeFolder('rbee-disk-');
  const r = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', small], { encoding: 'utf8' });
  if (r.status !== 0) return t.skip(`cannot mount: ${r.stderr}`);
  const hive = await startHive({ env: { RBEE_HIVE_MODELS_DIR: small } });
  t.after(async () => { await hive.stop(); spawnSync('umount', [small]); });
  const m = await take({ layers: 2, embd: 256, ff: 1024 });
  const sent = await push(m.ref, hive);
  assert.strictEqual(sent.code, 1, sent.stderr);
  assert.match(sent.stderr, /DISK_FULL: [\d.]+ MB are still to come, and the disk of the models has room for [\d.]+ MB/);
  assert.deepStrictEqual(fs.readdirSync(path.join(small, 'push')), [], 'what cannot come leaves nothing');
  return undefined;
});
