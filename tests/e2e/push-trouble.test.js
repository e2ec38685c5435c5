'use strict';
/*
 * push-trouble.test.js - what goes wrong while a model goes from one hive to another: lines that break,
 * answers that are lost, hives that are busy, full, old, just being started or ended, a keeper that is
 * killed; and what must not happen beside a push.
 */
const { test, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { makeFolder, smallDisk, until } = require('./lib/proc.js');
const { startHive, get, post, remove } = require('./lib/hive.js');
const { hold } = require('./lib/hold.js');
const { stream } = require('./lib/sse.js');
const { FakeHive, error, json, sse } = require('./lib/fakehive.js');
const { Between } = require('./lib/between.js');
const { Hub, startWith } = require('./lib/transfer.js');
const keeper = require('./lib/keeper.js');
const lib = require('./lib/push.js');

const { MIB, digest, addr, push, startPush, row, parts, partOf, noted, take, manifest, begin, put, age, bring, pushThrough } = lib;

let there;
before(async () => { ({ there } = await lib.start()); });
after(lib.stop);

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

test('beginning and end are asked for again where that may help, and Retry-After is heeded', async (t) => {
  const m = await take();
  const { fake, at } = await fakeThere(t, m, {
    begins: [{ status: 429, code: 'TOO_MANY_FAILURES', headers: { 'retry-after': '1' } }, 'reset'],
    ends: ['broken', { status: 503, code: 'ALL_SLOTS_BUSY' }],
  });
  const r = await push(m.ref, fake);
  assert.strictEqual(r.code, 0, r.stderr);
  assert.strictEqual(fake.of('POST', '/v1/models/upload/commit').length, 3);
  assert.strictEqual(fake.of('POST', '/v1/models/upload').length, 3 + 3);
  assert.ok(at[1] - at[0] >= 995, `${at[1] - at[0]} ms, though a second was asked for`);
  assert.match(r.stderr, /trying again/);
});

test('a hive that is just being started is waited for', async (t) => {
  const m = await take(), home = makeFolder('rbee-hive-'), old = await startHive({ home });
  const between = await Between.start(old.url, () => undefined); // its address stays
  t.after(() => between.stop());
  await old.stop();
  const sending = startPush(m.ref, between);
  await sending.says(/trying again/);
  const again = await startHive({ home });
  t.after(() => again.stop());
  between.to = new URL(again.url);
  await sending.done;
  assert.strictEqual(sending.code, 0, sending.stderr);
  assert.strictEqual((await row(again, m.ref)).sha256, m.sha256);
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

test('a hive that asks for bytes twice, or for what is no part of the file, is told off and gets no more', async (t) => {
  const m = await take(), { fake } = await fakeThere(t, m, {});
  const asks = [[[0, m.bytes], [0, m.bytes]], [[0, 1], [-1, 1]], [[0, 1], [1, m.bytes + 1]], [[0, 1], [1, 2 ** 60]], [[0, 1], 'x']];
  let put = 0;
  fake.on('PUT /v1/models/upload/*', (req, res) => { put += Number(req.headers['content-length']); res.writeHead(204).end(); });
  for (const missing of asks) {
    const files = [{ file: path.basename(m.file), missing }];
    put = 0;
    fake.on('POST /v1/models/upload', (req, res) => sse(res, [{ stage: 'missing', bytes_missing: 1, bytes_total: m.bytes, files }]));
    const r = await push(m.ref, fake);
    assert.strictEqual(r.code, 1, r.stderr);
    assert.match(r.stderr, /the hive there asks for what is no part of .*, or for a part of its \d+ bytes twice/);
    assert.strictEqual(put, missing[0][1]);
  }
});

/* Under another account than the hive's, Permission denied was "rbee's fault: please report it". */
test('a file that cannot be read here is told with what to do', async (t) => {
  const fake = await FakeHive.start(), folder = makeFolder();
  t.after(() => fake.stop());
  const short = path.join(folder, 'short.gguf'), hidden = path.join(folder, 'hidden.gguf');
  fs.writeFileSync(short, 'x');
  fs.writeFileSync(hidden, 'xy', { mode: 0 });
  const cases = [[path.join(folder, 'none.gguf'), /at byte 0: No such file/, /See to what it names/], [folder, /Is a directory/, /See to what it names/],
    [short, /at byte 1: it is shorter/, /See to what it names/]];
  if (process.getuid() !== 0) cases.push([hidden, /Permission denied/, /account of this machine's hive/]);
  for (const [file, what, todo] of cases) {
    const files = [{ file: 'x.gguf', path: file, size_bytes: 2, sha256: 'a'.repeat(64) }];
    fake.on('GET /v1/models/manifest', (req, res) => json(res, 200, { models: [{ model_ref: 'local:x', files }] }));
    fake.on('POST /v1/models/upload', (req, res) => sse(res, [{ stage: 'missing', bytes_missing: 2, bytes_total: 2, files: [{ file: 'x.gguf', missing: [[0, 2]] }] }]));
    const r = await keeper.run(['models', 'push', 'local:x', '--node', fake.node], { env: { RBEE_KEEPER_NODE: fake.node } });
    assert.strictEqual(r.code, 1, r.stderr);
    assert.match(r.stderr, what);
    assert.match(r.stderr, todo);
    assert.doesNotMatch(r.stderr, /fault/);
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
  hive.signal('SIGINT'); // a second one: at once
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

test('what had come is deleted there midway: it is begun anew', async () => {
  const m = await take({ layers: 3, embd: 256, ff: 1024 }), ledger = `${partOf(there, m)}.ledger`;
  const sending = startPush(m.ref, there, '--limit-rate', '8m');
  await until(() => noted(ledger) >= 3 * MIB, 'three MiB');
  assert.strictEqual((await remove(there, `/v1/models/upload/${m.sha256}`)).status, 204);
  await sending.done;
  assert.strictEqual(sending.code, 0, sending.stderr);
  assert.match(sending.stderr, /beginning anew/);
  assert.strictEqual(digest(fs.readFileSync((await row(there, m.ref)).local_path)), m.sha256);
});

test('a kill -9 of the keeper midway: the next push sends what is missing', async () => {
  const m = await take({ layers: 3, embd: 256, ff: 1024 });
  const first = startPush(m.ref, there, '--limit-rate', '4m');
  const ledger = `${partOf(there, m)}.ledger`;
  await until(() => noted(ledger) >= 3 * MIB, 'three MiB');
  first.child.kill('SIGKILL');
  await first.done;
  const { bytes_missing: missing } = await begin(there, await manifest(m.ref));
  assert.ok(missing <= m.bytes - 3 * MIB && missing > 0, `${missing} of ${m.bytes} are missing`);
  const between = await Between.start(there.url, () => undefined);
  const r = await push(m.ref, between).finally(() => between.stop());
  assert.strictEqual(r.code, 0, r.stderr);
  assert.match(r.stderr, /Going on: .* are there already/);
  assert.strictEqual(between.pieces.reduce((sum, n) => sum + n, 0), missing, 'no byte more');
  assert.strictEqual((await row(there, m.ref)).sha256, m.sha256);
});

/* The keeper had it all deleted: gigabytes that had come whole were sent again from the first byte. */
test('what a machine that went down has lost of a push is sent again, and nothing else', async () => {
  const m = await take({ layers: 3, embd: 256, ff: 1024 }), LOST = 4096;
  const between = await Between.start(there.url, (method, where, n) => {
    if (where !== '/v1/models/upload/commit' || n > 1) return;
    const fd = fs.openSync(partOf(there, m), 'r+');
    fs.writeSync(fd, Buffer.alloc(LOST, 'lost'), 0, LOST, 2 * MIB);
    fs.closeSync(fd);
  });
  const r = await push(m.ref, between).finally(() => between.stop());
  assert.strictEqual(r.code, 0, r.stderr);
  assert.strictEqual(between.of('POST /v1/models/upload/commit'), 2, between.calls.join());
  const sent = between.pieces.reduce((sum, n) => sum + n, 0);
  assert.ok(sent > m.bytes && sent < m.bytes * 1.9, `${sent} of ${m.bytes}`);
  assert.strictEqual((await row(there, m.ref)).sha256, m.sha256);
});

test('a disk that fills up midway there: DISK_FULL at once, what came is kept', async (t) => {
  const { folder: small, end, why } = smallDisk('16m');
  if (why) return t.skip(why);
  const hive = await startHive({ env: { RBEE_HIVE_MODELS_DIR: small } });
  t.after(async () => { await hive.stop(); end(); });
  const m = await take({ layers: 3, embd: 256, ff: 1024 });
  const part = path.join(small, 'push', m.sha256, path.basename(m.file)), ledger = `${part}.ledger`;
  const first = startPush(m.ref, hive, '--limit-rate', '4m');
  await until(() => noted(ledger) >= 3 * MIB, 'three MiB');
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
