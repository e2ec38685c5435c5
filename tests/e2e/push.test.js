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
const { spawn, spawnSync } = require('node:child_process');

const { HIVE, Proc, makeFolder, until } = require('./lib/proc.js');
const { startHive, get, post, remove, spawnReady } = require('./lib/hive.js');
const { ask, stream } = require('./lib/sse.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { FakeHive, error, sse } = require('./lib/fakehive.js');
const { Between } = require('./lib/between.js');
const { Hub, startWith } = require('./lib/transfer.js');
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

/* As if nothing had come for an hour. */
function age(hive, m) {
  const then = Date.now() / 1000 - 3600, dir = path.dirname(partOf(hive, m));
  for (const name of fs.readdirSync(dir)) fs.utimesSync(path.join(dir, name), then, then);
}

test('prune leaves a push under way alone, and finds one that nobody goes on with', async () => {
  const m = await take(), says = await manifest(m.ref), both = [partOf(there, m), `${partOf(there, m)}.ledger`];
  const plan = async () => (await get(there, '/v1/models/prune')).json;
  const paths = async () => (await plan()).items.map((i) => i.path);
  await begin(there, says);
  assert.deepStrictEqual(await paths(), [], 'it was begun a moment ago');
  age(there, m);
  const shown = await plan();
  assert.deepStrictEqual(shown.items.map((i) => i.path), both);
  assert.match(shown.items[0].why, /unfinished push/);
  assert.strictEqual((await put(there, m, 0, fs.readFileSync(m.file).subarray(0, 4096))).status, 204);
  assert.deepStrictEqual(await paths(), [], 'somebody goes on with it');
  const late = await post(there, '/v1/models/prune', { plan: shown.plan });
  assert.strictEqual(late.status, 409, 'what was shown before is not deleted now');
  for (const file of both) assert.ok(fs.existsSync(file), file);
  age(there, m);
  await begin(there, says);
  assert.deepStrictEqual(await paths(), [], 'it was asked for again');
  age(there, m);
  assert.strictEqual((await post(there, '/v1/models/prune', { plan: (await plan()).plan })).status, 200);
  assert.deepStrictEqual(parts(there), []);
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

/* ---- what passes, and what does not ---- */

/* A hive that is told what to answer to each beginning and end; without a word all goes well. */
async function fakeThere(t, m, { begins = [], ends = [] }) {
  const fake = await FakeHive.start(), at = [];
  t.after(() => fake.stop());
  const play = (list, good) => (req, res) => {
    at.push(Date.now());
    const how = list.shift();
    if (how === 'reset') req.socket.resetAndDestroy();
    else if (how === 'broken') { res.writeHead(200, { 'content-type': 'text/event-stream' }); res.write(': \n\n'); setTimeout(() => res.destroy(), 20); }
    else if (how) error(res, how.status, how.code, how.message || 'said so', {}, how.headers);
    else sse(res, [good]);
  };
  const files = [{ file: path.basename(m.file), missing: [] }];
  fake.on('POST /v1/models/upload', play(begins, { stage: 'missing', bytes_missing: 0, bytes_total: m.bytes, files }));
  fake.on('POST /v1/models/upload/commit', play(ends, { stage: 'imported', model_ref: m.ref }));
  return { fake, at };
}

const BUSY = { status: 503, code: 'ALL_SLOTS_BUSY' };

test('beginning and end are asked for again where that may help, and Retry-After is heeded', async (t) => {
  const m = await take();
  const { fake, at } = await fakeThere(t, m, {
    begins: [{ status: 429, code: 'TOO_MANY_FAILURES', headers: { 'retry-after': '1' } }, 'reset', 'broken'],
    ends: [BUSY, { status: 500, code: 'INTERNAL' }],
  });
  const r = await push(m.ref, fake);
  assert.strictEqual(r.code, 0, r.stderr);
  assert.strictEqual(fake.of('POST', '/v1/models/upload/commit').length, 3);
  assert.strictEqual(fake.of('POST', '/v1/models/upload').length, 4 + 3);
  assert.ok(at[1] - at[0] >= 995, `${at[1] - at[0]} ms, though a second was asked for`);
  assert.match(r.stderr, /trying again/);
});

test('a hive that is just being started is waited for', async (t) => {
  const m = await take(), home = makeFolder('rbee-hive-');
  const old = await startHive({ home }), where = addr(old);
  old.signal('SIGTERM');
  await old.ended;
  const sending = keeper.start(['models', 'push', m.ref, '--node', where], { env: env() });
  await sending.says(/trying again/);
  const again = new Proc(HIVE, ['daemon', '--addr', where, '--home', home], { env: { HOME: home } });
  t.after(() => again.stop());
  await sending.done;
  assert.strictEqual(sending.code, 0, sending.stderr);
});

test('what does not pass ends the push at once, with what the hive says', async (t) => {
  const m = await take();
  const lasting = [[401, 'INVALID_API_KEY'], [403, 'FORBIDDEN_HOST'], [409, 'INVALID_REQUEST'], [413, 'BODY_TOO_LARGE'],
    [422, 'UNSUPPORTED_MODEL'], [507, 'DISK_FULL']];
  for (const [status, code] of lasting) {
    const no = { status, code, message: `this is ${status}` };
    for (const told of [{ begins: [no] }, { ends: [no] }]) {
      const { fake } = await fakeThere(t, m, told);
      const r = await push(m.ref, fake);
      assert.notStrictEqual(r.code, 0);
      assert.ok(r.stderr.includes(`${code}: this is ${status}`), r.stderr);
      assert.strictEqual(fake.of('POST', '/v1/models/upload').length, told.ends ? 2 : 1, `${status} once`);
    }
  }
});

test('a hive that is too old to take models is named so', async (t) => {
  const m = await take(), fake = await FakeHive.start();
  t.after(() => fake.stop());
  const r = await push(m.ref, fake);
  assert.strictEqual(r.code, 1, r.stderr);
  assert.match(r.stderr, /VERSION_MISMATCH: the hive at .* takes no models from others.*older than this rbee-keeper.*upgrade rbee on that machine/);
  assert.strictEqual(fake.of('POST', '/v1/models/upload').length, 1);
});

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

test('a connection that is reset within every third piece, and after one, does no harm', async (t) => {
  const m = await take({ layers: 3, embd: 256, ff: 1024 });
  const between = await pushThrough(t, m, (method, where, n) => (method !== 'PUT' ? undefined : n % 3 === 0 ? 'cut' : n === 4 ? 'lose' : undefined));
  assert.ok(between.of(`PUT /v1/models/upload/${m.sha256}`) > m.bytes / MIB + 2, between.calls.join('\n'));
});

test('an end whose answer was lost, or whose client was lost midway, is asked for again: the model is there', async (t) => {
  for (const how of ['lose', 'leave']) {
    const m = await take();
    const between = await pushThrough(t, m, (method, where, n) => (where.endsWith('/commit') && n === 1 ? how : undefined));
    assert.ok(between.of('POST /v1/models/upload/commit') >= 2, how);
  }
});

/* Everything but the end. */
async function bring(hive, m, says) {
  await begin(hive, says);
  const bytes = fs.readFileSync(m.file);
  for (let at = 0; at < m.bytes; at += MIB) assert.strictEqual((await put(hive, m, at, bytes.subarray(at, at + MIB))).status, 204);
}

/* Holds the lock of a file, as a piece being written does; a function that lets go. */
async function hold(file) {
  const child = spawn('flock', [file, 'sh', '-c', 'echo held; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return () => new Promise((resolve) => child.on('close', resolve).stdin.end());
}

/*
 * The files were in their places, but nobody knew them when the client had left meanwhile: gone from
 * the push, and not in the catalog either.
 */
test('what is being taken in is left alone by all, and enters though its client leaves', async () => {
  const m = await take(), says = await manifest(m.ref), commit = `${there.url}/v1/models/upload/commit`;
  await bring(there, m, says);
  age(there, m);
  const letGo = await hold(partOf(there, m));
  const first = await stream(commit, { method: 'POST', body: says });
  await first.find((e) => e.stage === 'placing');
  for (const where of ['/v1/models/upload', '/v1/models/upload/commit']) {
    const second = await post(there, where, says);
    assert.strictEqual(second.status, 503, second.text);
    assert.match(second.headers['retry-after'], /^[1-9]\d*$/);
    assert.match(second.json.error.message, /taken in at this moment/);
  }
  assert.strictEqual((await put(there, m, 0, Buffer.from('late'))).status, 400);
  assert.strictEqual((await remove(there, `/v1/models/upload/${m.sha256}`)).status, 400);
  assert.deepStrictEqual((await get(there, '/v1/models/prune')).json.items, []);
  first.leave();
  await letGo();
  await until(() => row(there, m.ref), () => `${m.ref} enters: ${there.stderr}`);
  assert.strictEqual(digest(fs.readFileSync((await row(there, m.ref)).local_path)), m.sha256);
  const s = await stream(commit, { method: 'POST', body: says });
  assert.deepStrictEqual((await s.all()).map((e) => e.stage), ['here']);
});

test('a hive that ends while it takes a model in loses nothing of it', async (t) => {
  const m = await take(), says = await manifest(m.ref), home = makeFolder('rbee-hive-');
  let hive = await startHive({ home });
  t.after(() => hive.stop());
  await bring(hive, m, says);
  const letGo = await hold(partOf(hive, m));
  const s = await stream(`${hive.url}/v1/models/upload/commit`, { method: 'POST', body: says });
  await s.find((e) => e.stage === 'placing');
  hive.signal('SIGTERM');
  hive.signal('SIGTERM');
  await s.all();
  await letGo();
  await hive.ended;
  hive = await startHive({ home });
  const end = await begin(hive, says);
  assert.ok(end.stage === 'here' || end.bytes_missing === 0, JSON.stringify(end));
});

test('the same piece again and again does not make the ledger grow; another one is noted', async () => {
  const m = await take({ layers: 2, embd: 256, ff: 1024 }), says = await manifest(m.ref), bytes = fs.readFileSync(m.file);
  const size = () => fs.statSync(`${partOf(there, m)}.ledger`).size;
  const send = async (at, what) => assert.strictEqual((await put(there, m, at, what)).status, 204);
  await begin(there, says);
  const empty = size(), piece = (i) => bytes.subarray(i * MIB, (i + 1) * MIB);
  assert.ok(piece(1).every((b) => b === 0), 'zeros, as the file is before anything has come');
  await send(0, piece(0));
  await send(MIB, piece(1));
  const two = size();
  assert.ok(two > empty);
  for (let i = 0; i < 5; i++) await send(MIB * (i % 2), piece(i % 2));
  assert.strictEqual(size(), two);
  await send(0, Buffer.alloc(MIB, 1)); // other bytes, then the right ones: both are news
  await send(0, piece(0));
  assert.ok(size() > two);
  await send(MIB, piece(1).subarray(0, 100)); // a part of a piece takes the place of the whole
  await send(MIB, piece(1));
  assert.deepStrictEqual((await begin(there, says)).files[0].missing, [[2 * MIB, m.bytes]]);
  assert.strictEqual((await remove(there, `/v1/models/upload/${m.sha256}`)).status, 204);
});

test('a model that is being downloaded there is refused at the beginning, and at the end', async (t) => {
  const hub = await Hub.start(), hive = await startWith(hub);
  t.after(async () => { await hive.stop(); hub.stop(); });
  const m = await take(), says = await manifest(m.ref), ref = 'hf:ann/tales:tale.gguf', bytes = fs.readFileSync(m.file);
  hub.put('ann/tales', { 'tale.gguf': bytes });
  hub.cdn.faults = () => ({ pace: 64 });
  Object.assign(says.models[0], { model_ref: ref, repo: 'ann/tales', commit: hub.repos.get('ann/tales').commit });
  says.models[0].files[0].name = 'tale.gguf';
  const ask = (where) => post(hive, where, says);
  const download = async () => (await post(hive, '/v1/models/download', { model_ref: ref })).json.download_id;
  const refused = (r) => {
    assert.strictEqual(r.status, 409, r.text);
    assert.match(r.json.error.message, /hf:ann\/tales:tale\.gguf is being downloaded here at this moment: wait .* models cancel hf:ann/);
  };
  const id = await download();
  refused(await ask('/v1/models/upload'));
  assert.deepStrictEqual(parts(hive), [], 'nothing was begun');
  assert.strictEqual((await remove(hive, `/v1/models/download/${id}`)).status, 204);
  await bring(hive, m, says);
  await download();
  refused(await ask('/v1/models/upload/commit'));
  assert.strictEqual(fs.statSync(partOf(hive, m)).size, m.bytes, 'what came is kept');
});

test('a kill -9 of the keeper midway: the next push sends what is missing', async () => {
  const m = await take({ layers: 3, embd: 256, ff: 1024 });
  const first = keeper.start(['models', 'push', m.ref, '--node', addr(there), '--limit-rate', '4m'], { env: env() });
  const ledger = `${partOf(there, m)}.ledger`;
  await until(() => fs.existsSync(ledger) && fs.readFileSync(ledger, 'utf8').split('bytes ').length > 3, 'three pieces');
  first.child.kill('SIGKILL');
  await first.done;
  const { bytes_missing: missing } = await begin(there, await manifest(m.ref));
  assert.ok(missing <= m.bytes - 3 * MIB && missing > 0, `${missing} of ${m.bytes} are missing`);
  const between = await Between.start(there.url, () => undefined);
  const r = await push(m.ref, between).finally(() => between.stop());
  assert.strictEqual(r.code, 0, r.stderr);
  assert.match(r.stderr, /Going on: .* are there already/);
  assert.strictEqual(between.of(`PUT /v1/models/upload/${m.sha256}`), Math.ceil(missing / MIB), 'no piece more');
  assert.strictEqual((await row(there, m.ref)).sha256, m.sha256);
});

test('a disk that fills up midway there: DISK_FULL at once, what came is kept', async (t) => {
  if (process.getuid() !== 0) return t.skip('only root can mount a small file system');
  const small = makeFolder('rbee-disk-');
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'none', small], { encoding: 'utf8' });
  if (mounted.status !== 0) return t.skip(`cannot mount: ${mounted.stderr}`);
  const hive = await startHive({ env: { RBEE_HIVE_MODELS_DIR: small } });
  t.after(async () => { await hive.stop(); spawnSync('umount', [small]); });
  const m = await take({ layers: 3, embd: 256, ff: 1024 });
  const part = path.join(small, 'push', m.sha256, path.basename(m.file)), ledger = `${part}.ledger`;
  const first = keeper.start(['models', 'push', m.ref, '--node', addr(hive), '--limit-rate', '4m'], { env: env() });
  await until(() => fs.existsSync(ledger) && fs.readFileSync(ledger, 'utf8').split('bytes ').length > 3, 'three pieces');
  assert.throws(() => fs.writeFileSync(path.join(small, 'blocker'), Buffer.alloc(16 * MIB)), /ENOSPC/);
  await first.done;
  assert.strictEqual(first.code, 1, first.stderr);
  assert.match(first.stderr, /DISK_FULL: .*No space left/);
  assert.doesNotMatch(first.stderr, /trying again/);
  const full = await push(m.ref, hive);
  assert.match(full.stderr, /DISK_FULL: .* still to come/);
  fs.unlinkSync(path.join(small, 'blocker'));
  const r = await push(m.ref, hive);
  assert.strictEqual(r.code, 0, r.stderr);
  assert.match(r.stderr, /Going on: .* are there already/);
  assert.strictEqual((await row(hive, m.ref)).sha256, m.sha256);
  return undefined;
});
