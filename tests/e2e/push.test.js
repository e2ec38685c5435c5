'use strict';
/*
 * push.test.js - a model goes from this machine's hive to another one: two real hives with homes of
 * their own, and a real keeper between them. What goes wrong on the way: push-trouble.test.js.
 */
const { test, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { makeFolder, smallDisk, until } = require('./lib/proc.js');
const { startHive, get, post, remove, spawnReady } = require('./lib/hive.js');
const { ask, stream } = require('./lib/sse.js');
const { writeHollowModel } = require('./lib/gguf.js');
const keeper = require('./lib/keeper.js');
const lib = require('./lib/push.js');

const { MIB, digest, addr, push, startPush, row, parts, partOf, noted, take, manifest, begin, put, age, bring, pushThrough } = lib;

let here, there, folder;
before(async () => { ({ here, there, folder } = await lib.start()); });
after(lib.stop);

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
  assert.strictEqual(ours.models[0].source, path.basename(m.file));
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
  const first = startPush(m.ref, hive, '--limit-rate', '4m');
  const part = `${partOf(hive, m)}.ledger`;
  await until(() => noted(part) >= 3 * MIB, 'three MiB');
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

/*
 * Parts lay in a folder that others of the machine could read where they may read the models, and a lock
 * (flock), for which reading is enough, had every piece refused for as long as a stranger liked.
 */
test('what has come lies where nobody else can reach it, the model where it could before', async (t) => {
  const m = await take(), hive = await startHive(), says = await manifest(m.ref);
  t.after(() => hive.stop());
  const mode = (file) => fs.statSync(file).mode & 0o777, dir = path.dirname(partOf(hive, m));
  fs.mkdirSync(dir, { recursive: true, mode: 0o755 }); // as an early version made it
  fs.chmodSync(dir, 0o755);
  await bring(hive, m, says);
  assert.strictEqual(mode(dir), 0o700);
  const r = await push(m.ref, hive);
  assert.strictEqual(r.code, 0, r.stderr);
  assert.strictEqual(mode((await row(hive, m.ref)).local_path), mode(m.file));
});

/*
 * Every piece was a MiB, for which a hive waits 30 s: over a line of less than 35 kB/s nothing ever
 * arrived. Here the line brings 40,000 bytes in that time.
 */
test('a line that is too slow for a large piece gets small ones', async (t) => {
  const m = await take(), most = 40000;
  const between = await pushThrough(t, m, (method, where, n, bytes) => (method === 'PUT' && bytes > most ? 'late' : undefined));
  const pieces = between.pieces;
  assert.ok(Math.max(...pieces) <= most && pieces.length >= m.bytes / most, pieces.join(' '));
  assert.strictEqual(pieces.reduce((sum, n) => sum + n, 0), m.bytes, 'each byte arrived once');
});

test('bytes that went bad on the disk there are asked for again, no others', async () => {
  const m = await take({ layers: 2, embd: 256, ff: 1024 }), bytes = fs.readFileSync(m.file), says = await manifest(m.ref);
  await begin(there, says);
  for (let at = 0; at < 3 * MIB; at += MIB) assert.strictEqual((await put(there, m, at, bytes.subarray(at, at + MIB))).status, 204);
  const fd = fs.openSync(partOf(there, m), 'r+');
  fs.writeSync(fd, 'rot', MIB + 1000);
  fs.closeSync(fd);
  /* A hive that was killed while it wrote the ledger anew left this, for as long as the push was not done. */
  const left = `${partOf(there, m)}.ledger.rbee.tmp-4711`, old = Date.now() / 1000 - 7200;
  fs.writeFileSync(left, 'half');
  fs.utimesSync(left, old, old);
  const missing = (await begin(there, says)).files[0].missing;
  assert.deepStrictEqual(missing, [[MIB, 2 * MIB], [3 * MIB, m.bytes]]);
  assert.ok(!fs.existsSync(left));
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
});

/* All that lies in the other hive's home, but for what a running hive writes anyway; and what has such a name beside it. */
function everything(hive, name) {
  const home = fs.readdirSync(hive.home, { recursive: true }).filter((file) => !/^(logs\/|run\/|models\.db)/.test(file));
  return [...home, ...fs.readdirSync(path.dirname(hive.home)).filter((file) => file.includes(name))];
}

/* As a download's. By itself it would lead to the models' folder, to the home, or out of it. */
for (const up of [3, 4, 5]) {
  test(`a name in the repository that leads ${up} folders up is made harmless`, async () => {
    const m = await take(), copy = await manifest(m.ref), name = `up-${process.pid}.gguf`, before = everything(there, name);
    copy.models[0].files[0].name = '../'.repeat(up) + name;
    await begin(there, copy);
    assert.strictEqual((await put(there, m, 0, fs.readFileSync(m.file))).status, 204);
    const commit = await stream(`${there.url}/v1/models/upload/commit`, { method: 'POST', body: copy });
    await commit.all();
    const got = await row(there, m.ref);
    assert.ok(commit.done && got, commit.raw);
    const place = path.join('models/local', m.ref.slice('local:'.length)) + path.sep, local = fs.realpathSync(got.local_path);
    assert.ok(local.startsWith(path.join(fs.realpathSync(there.home), place)), local);
    assert.strictEqual(digest(fs.readFileSync(local)), m.sha256);
    const elsewhere = everything(there, name).filter((file) => !before.includes(file) && !`${file}/`.startsWith(place));
    assert.deepStrictEqual(elsewhere.filter((file) => !['models/local', 'models/push'].includes(file)), []);
  });
}

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

/* What it said to do here was for the machine there: with --node in it, `models rm` would have deleted the good copy. */
test('advice about the model here is for here, about the one there for there', async () => {
  const missing = await push('local:nowhere');
  assert.strictEqual(missing.code, 1);
  assert.match(missing.stderr, /MODEL_NOT_FOUND[\s\S]*`rbee-keeper models list` shows/);
  const gone = await keeper.run(['models', 'rm', 'local:nowhere', '--node', addr(there)]);
  assert.match(gone.stderr, /MODEL_NOT_FOUND[\s\S]*`rbee-keeper models list --node [0-9.:]+` shows/);
});

test('what the command says to wrong words', async () => {
  const m = await take();
  const none = await keeper.run(['models', 'push', m.ref], { env: { RBEE_KEEPER_NODE: addr(here) } });
  assert.strictEqual(none.code, 2);
  assert.match(none.stderr, /--node/);
  const missing = await push('local:nothing');
  assert.strictEqual(missing.code, 1);
  assert.match(missing.stderr, /MODEL_NOT_FOUND/);
  const bundled = await push('tiny'); // as `models rm tiny`: the words are right
  assert.strictEqual(bundled.code, 1);
  assert.match(bundled.stderr, /models import/);
  assert.strictEqual((await push(m.ref, there, '--limit-rate', 'fast')).code, 2);
});

test('a full disk there is said before a byte is sent, with both numbers', async (t) => {
  const { folder: small, end, why } = smallDisk('2m');
  if (why) return t.skip(why);
  const hive = await startHive({ env: { RBEE_HIVE_MODELS_DIR: small } });
  t.after(async () => { await hive.stop(); end(); });
  const m = await take({ layers: 2, embd: 256, ff: 1024 });
  const sent = await push(m.ref, hive);
  assert.strictEqual(sent.code, 1, sent.stderr);
  assert.match(sent.stderr, /DISK_FULL: [\d.]+ MB are still to come, and the disk of the models has room for [\d.]+ MB/);
  assert.deepStrictEqual(fs.readdirSync(path.join(small, 'push')), [], 'what cannot come leaves nothing');
  return undefined;
});

/* Where there are no sparse files (FAT) a part takes all of its room as soon as it is made, and the push was then
 * refused for want of as much once more. */
test('room that the part has taken already is not asked for again', async (t) => {
  const m = await take({ layers: 2, embd: 256, ff: 1024 }), says = await manifest(m.ref);
  const { folder: small, end, why } = smallDisk(Math.round(1.5 * m.bytes));
  if (why) return t.skip(why);
  const hive = await startHive({ env: { RBEE_HIVE_MODELS_DIR: small } });
  t.after(async () => { await hive.stop(); end(); });
  assert.strictEqual((await begin(hive, says)).bytes_missing, m.bytes);
  const part = path.join(small, 'push', m.sha256, path.basename(m.file));
  assert.strictEqual(fs.statSync(part).size, m.bytes);
  fs.writeFileSync(part, Buffer.alloc(m.bytes));
  const sent = await push(m.ref, hive);
  assert.strictEqual(sent.code, 0, sent.stderr);
  return undefined;
});
