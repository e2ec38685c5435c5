'use strict';
/*
 * whole.test.js - a model is here when all of it is: what is gone, or cut off, is told, and fetched again; what comes
 * back is here again.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { execFileSync } = require('node:child_process');

const { makeFolder, until } = require('./lib/proc.js');
const { get, list, post, remove, spawnReady, startHive } = require('./lib/hive.js');
const { skip: notSynced, synced } = require('./lib/synced.js');
const { writeHollowModel } = require('./lib/gguf.js');
const keeper = require('./lib/keeper.js');
const { Hub, begin, fetches, filesIn, seeded, sha256, startWith } = require('./lib/transfer.js');

const cli = (hive, ...args) => keeper.run([...args, '--node', hive.url]);
const listed = async (hive) => (await get(hive, '/v1/models')).json.models.map((m) => m.model_ref).filter((ref) => ref !== 'tiny');

const PARTS = ['m-Q4_K_M-00001-of-00002.gguf', 'm-Q4_K_M-00002-of-00002.gguf'];
const BYTES = PARTS.map((name) => seeded(name, 9000));

/* A hive with a model of two parts from a hub, and where they are. */
async function startSplit(t) {
  const hub = await Hub.start(), hive = await startWith(hub);
  t.after(() => Promise.all([hive.stop(), hub.stop()]));
  hub.put('a/m', Object.fromEntries(PARTS.map((name, i) => [name, BYTES[i]])));
  await fetches(hive, 'hf:a/m', BYTES[0]);
  return { hub, hive, files: PARTS.map((name) => filesIn(hive).find((f) => f.endsWith(name))) };
}

/*
 * Only the first file was looked at, and only whether it was there: `pull` said for ever that the model was there,
 * `verify` passed over it in silence, and `infer` failed.
 */
test('a part that is gone: verify tells it, the list does not, a pull fetches that part and no more', async (t) => {
  const { hub, hive, files } = await startSplit(t);
  fs.unlinkSync(files[1]);
  for (const which of [[], ['hf:a/m']]) {
    const r = await cli(hive, 'models', 'verify', ...which);
    assert.strictEqual(r.code, 1, r.stdout + r.stderr);
    assert.match(r.stdout, /^hf:a\/m: BAD: its file \S+-00002-of-00002\.gguf is no longer there\. .* mount that; if it was deleted, `rbee-keeper models pull hf:a\/m --node [^`]+` fetches it again\.$/m);
  }
  assert.deepStrictEqual(await listed(hive), []);
  const fetched = hub.cdn.calls.length;
  await fetches(hive, 'hf:a/m', BYTES[0]);
  assert.strictEqual(sha256(fs.readFileSync(files[1])), sha256(BYTES[1]));
  assert.deepStrictEqual([...new Set(hub.cdn.calls.slice(fetched).map((call) => call.file))], [PARTS[1]]);
  assert.deepStrictEqual(await listed(hive), ['hf:a/m']);
  assert.strictEqual((await cli(hive, 'models', 'verify')).code, 0);
});

test('a part that was cut off: verify tells both sizes and sets it aside, a pull fetches it', async (t) => {
  const { hive, files } = await startSplit(t);
  fs.truncateSync(files[0], 8000);
  assert.deepStrictEqual(await listed(hive), []);
  const r = await cli(hive, 'models', 'verify');
  assert.strictEqual(r.code, 1, r.stdout + r.stderr);
  assert.match(r.stdout, /^hf:a\/m: BAD: its file \S+-00001-of-00002\.gguf has 8000 bytes, it should have 9000/m);
  assert.strictEqual(fs.statSync(`${files[0]}.bad`).size, 8000, 'no byte is lost');
  await fetches(hive, 'hf:a/m', BYTES[0]);
  assert.strictEqual((await begin(hive, 'hf:a/m')).download_id, 'cached');
});

/* The catalog is made anew of what is on the disk: `verify` passed over one whose card is there and whose file is not, as
 * over a download that was never done. */
test('a file that is gone is told where the catalog does not know of it either, until it is fetched', async (t) => {
  const { hub, hive: first, files } = await startSplit(t);
  await first.stop();
  for (const name of fs.readdirSync(first.home).filter((n) => n.startsWith('models.db'))) fs.rmSync(path.join(first.home, name));
  fs.unlinkSync(files[1]);
  const hive = await startWith(hub, {}, { home: first.home });
  t.after(() => hive.stop());
  assert.deepStrictEqual(await listed(hive), []);
  const r = await cli(hive, 'models', 'verify');
  assert.strictEqual(r.code, 1, r.stdout + r.stderr);
  assert.match(r.stdout, /^hf:a\/m: BAD: its file \S+-00002-of-00002\.gguf is no longer there/m);
  await fetches(hive, 'hf:a/m', BYTES[0]);
  assert.strictEqual((await cli(hive, 'models', 'verify')).code, 0);
});

/* A question that only read deleted the row: the model was unknown until the hive was started again. */
/* What could not be found whole was taken for what nobody uses: it was removed without --force, and its worker ran on. */
test('a worker still holds a model that has lost a part: it is removed with force only, and the worker ends', async (t) => {
  const hive = await startHive(), file = path.join(makeFolder('rbee-mine-'), 'big.gguf');
  t.after(() => hive.stop());
  writeHollowModel(file, { layers: 1, ctx: 222, parts: 2 });
  assert.strictEqual((await cli(hive, 'models', 'import', file.replace('.gguf', '-00001-of-00002.gguf'), '--copy')).code, 0);
  await spawnReady(hive, 'local:big');
  fs.unlinkSync(filesIn(hive).find((f) => f.endsWith('00002-of-00002.gguf')));
  const kept = await remove(hive, '/v1/models?model_ref=local:big');
  assert.strictEqual(kept.status, 409, kept.text);
  assert.strictEqual((await remove(hive, '/v1/models?model_ref=local:big&force=1')).status, 200);
  await until(async () => (await list(hive)).length === 0, 'its worker ends');
});

/* Its worker was ended before anything was looked at: of an answer that was under way the client got the beginning,
 * and the model was not removed. */
test('a removal with force that is refused leaves the model\'s worker alone', async (t) => {
  const hive = await startHive(), file = path.join(makeFolder('rbee-mine-'), 'm.gguf');
  t.after(() => hive.stop());
  writeHollowModel(file, { layers: 1, ctx: 223 });
  assert.strictEqual((await cli(hive, 'models', 'import', file, '--copy')).code, 0);
  const worker = await spawnReady(hive, 'local:m');
  const card = filesIn(hive).find((f) => f.endsWith('.json')), newer = path.join(path.dirname(card), 'other.gguf.json');
  fs.writeFileSync(newer, JSON.stringify({ ...JSON.parse(fs.readFileSync(card)), version: 99 }));
  const refused = await remove(hive, '/v1/models?model_ref=local:m&force=1');
  assert.strictEqual(refused.status, 400, refused.text);
  assert.deepStrictEqual((await list(hive)).map((w) => [w.worker_id, w.state]), [[worker.worker_id, 'idle']]);
  assert.strictEqual((await get(worker, '/v1/ready')).json.ready, true);
  fs.unlinkSync(newer);
  assert.strictEqual((await remove(hive, '/v1/models?model_ref=local:m&force=1')).status, 200);
  await until(async () => (await list(hive)).length === 0, 'its worker ends');
});

/* The card of a file that was deleted by hand kept the name, and which of the two was taken was chance: `verify` said
 * BAD of the new one, and `rm` removed nothing. */
test('a name whose file was deleted by hand is the next one\'s alone', async (t) => {
  let hive = await startHive();
  t.after(() => hive.stop());
  const folder = makeFolder('rbee-mine-'), mine = async () => (await get(hive, '/v1/models')).json.models.find((m) => m.model_ref === 'local:m').local_path;
  for (let i = 0; i < 5; i++) { // one of so many would do
    const file = path.join(folder, `${i}.gguf`);
    writeHollowModel(file, { layers: 1, ctx: 300 + i });
    const r = await cli(hive, 'models', 'import', file, '--as', 'm', '--copy');
    assert.strictEqual(r.code, 0, r.stderr);
    assert.strictEqual((await cli(hive, 'models', 'verify', 'local:m')).code, 0);
    if (i < 4) fs.unlinkSync(await mine());
  }
  const last = await mine();
  assert.ok((await remove(hive, '/v1/models?model_ref=local:m')).json.freed_bytes > 0);
  assert.ok(!fs.existsSync(last));
  await hive.stop();
  hive = await startHive({ home: hive.home });
  assert.deepStrictEqual(await listed(hive), []);
});

test('a model on a disk that goes and comes back is here again with it', async (t) => {
  const hive = await startHive(), disk = makeFolder('rbee-disk-');
  t.after(() => hive.stop());
  const file = path.join(disk, 'on', 'away.gguf');
  fs.mkdirSync(path.dirname(file));
  writeHollowModel(file, { layers: 1, ctx: 200 });
  assert.strictEqual((await cli(hive, 'models', 'import', file, '--copy')).code, 0);
  const [{ local_path: here }] = (await get(hive, '/v1/models')).json.models.filter((m) => m.model_ref === 'local:away');
  fs.rmSync(here); // as the import leaves it where the disk is another one
  fs.symlinkSync(file, here);
  const shown = () => get(hive, '/v1/models/show?model_ref=local:away');
  assert.strictEqual((await shown()).status, 200);
  fs.renameSync(path.dirname(file), path.join(disk, 'off'));
  const away = await shown();
  assert.strictEqual(away.status, 404, away.text);
  assert.match(away.json.error.message, /its file \S+away\.gguf is no longer there/);
  assert.deepStrictEqual(await listed(hive), []);
  assert.deepStrictEqual((await get(hive, '/v1/models/prune')).json.items.map((i) => [i.model_ref, i.why]), [['local:away', 'its file is gone']]);
  fs.renameSync(path.join(disk, 'off'), path.dirname(file));
  assert.strictEqual((await shown()).status, 200);
  assert.deepStrictEqual(await listed(hive), ['local:away']);
  assert.strictEqual((await cli(hive, 'models', 'verify', 'local:away')).code, 0);
});

/* "It is out of use now" was said of a file that had its old name again behind a power cut, and was listed. */
test('a file is set aside on the disk before verify says so', { skip: notSynced }, async (t) => {
  const { env, lost, renamed } = synced();
  const hive = await startHive({ env }), file = path.join(makeFolder('rbee-mine-'), 'm.gguf');
  t.after(() => hive.stop());
  writeHollowModel(file, { layers: 1, ctx: 224 });
  assert.strictEqual((await cli(hive, 'models', 'import', file, '--copy')).code, 0);
  const here = filesIn(hive).find((f) => f.endsWith('.gguf'));
  fs.truncateSync(here, 8000);
  const { text } = await post(hive, '/v1/models/verify', { model_ref: 'local:m' });
  assert.match(text, /"stage":"bad",.*"kept_as":"[^"]+\.gguf\.bad"/);
  assert.ok(renamed().includes(`${here}.bad`));
  assert.ok(!lost().includes(`${here}.bad`));
});

/*
 * In that folder nothing can be renamed or deleted, as on a disk that was made read-only; a function that ends this.
 * NULL: this cannot be had here.
 */
function freeze(dir) {
  if (process.getuid() !== 0) {
    fs.chmodSync(dir, 0o555);
    return () => fs.chmodSync(dir, 0o755);
  }
  try {
    execFileSync('chattr', ['+i', dir], { stdio: 'ignore' });
  } catch { return null; }
  return () => execFileSync('chattr', ['-i', dir]);
}

/*
 * `rm` said how much it had freed, and had deleted nothing; the model was off the list, and on it again at the next
 * start. `prune` said the same.
 */
test('what cannot be deleted is told, counted as nothing, and stays on the list', async (t) => {
  const { hive, files } = await startSplit(t), dir = path.dirname(files[0]);
  fs.writeFileSync(path.join(dir, 'nobodys.gguf'), 'x');
  const thaw = freeze(dir);
  if (!thaw) return t.skip('a folder cannot be made unchangeable here');
  try {
    const r = await cli(hive, 'models', 'rm', 'hf:a/m');
    assert.strictEqual(r.code, 1, r.stdout + r.stderr);
    assert.match(r.stderr, /hf:a\/m was not removed: cannot delete \S+-00001-of-00002\.gguf: \w.*\n.*Mend what the message names/);
    assert.deepStrictEqual(await listed(hive), ['hf:a/m']);
    const pruned = await cli(hive, 'models', 'prune', '--yes');
    assert.strictEqual(pruned.code, 1, pruned.stdout + pruned.stderr);
    assert.match(pruned.stderr, /nobodys\.gguf could not be deleted: \w/);
    assert.match(pruned.stderr, /The others were deleted; 0 B are free again/);
  } finally { thaw(); }
  assert.strictEqual((await cli(hive, 'models', 'rm', 'hf:a/m')).code, 0);
  assert.deepStrictEqual(filesIn(hive).map((f) => path.basename(f)), ['nobodys.gguf']);
  assert.strictEqual((await cli(hive, 'models', 'prune', '--yes')).code, 0);
  assert.deepStrictEqual(filesIn(hive), []);
});

/* The card could not be written: "Removed" was said, and the name was on the list again at the next start. */
test('a second name that cannot be taken from its card is not removed', async (t) => {
  const { hive, files } = await startSplit(t), ref = 'hf:a/m:Q4_K_M';
  await fetches(hive, ref, BYTES[0]);
  const thaw = freeze(path.dirname(files[0]));
  if (!thaw) return t.skip('a folder cannot be made unchangeable here');
  try {
    const r = await cli(hive, 'models', 'rm', ref);
    assert.strictEqual(r.code, 1, r.stdout + r.stderr);
    assert.match(r.stderr, /hf:a\/m:Q4_K_M was not removed: cannot create \S+\.gguf\.json\S*: \w.*\n.*Mend what the message names/);
    assert.deepStrictEqual(await listed(hive), ['hf:a/m', ref]);
  } finally { thaw(); }
  assert.strictEqual((await cli(hive, 'models', 'rm', ref)).code, 0);
  assert.deepStrictEqual(await listed(hive), ['hf:a/m']);
  return undefined;
});

/* `verify` said that it had noted the digest, and the next one had nothing to compare with. */
test('a digest that cannot be noted is no success of verify', async (t) => {
  const { hive, files } = await startSplit(t), card = JSON.parse(fs.readFileSync(`${files[0]}.json`));
  for (const file of card.files) delete file.sha256; // as of a hub that told none
  fs.writeFileSync(`${files[0]}.json`, JSON.stringify(card));
  const thaw = freeze(path.dirname(files[0]));
  if (!thaw) return t.skip('a folder cannot be made unchangeable here');
  try {
    const r = await cli(hive, 'models', 'verify', 'hf:a/m');
    assert.strictEqual(r.code, 1, r.stdout + r.stderr);
    assert.match(r.stderr, /hf:a\/m: INTERNAL: its SHA-256 [0-9a-f]{64} could not be noted: cannot create /);
  } finally { thaw(); }
  for (const said of [/from now on it is SHA-256/, /as it was, SHA-256/]) assert.match((await cli(hive, 'models', 'verify', 'hf:a/m')).stdout, said);
  return undefined;
});

/*
 * What could not be set aside was off the list until the next start only; a pull found it complete at once, and called
 * it verified.
 */
test('a file that is bad, and stays under its name, is out of use until it is fetched again', async (t) => {
  let { hub, hive, files } = await startSplit(t);
  t.after(() => hive.stop());
  fs.mkdirSync(path.join(`${files[1]}.bad`, 'in the way'), { recursive: true });
  const bad = Buffer.from(BYTES[1]);
  bad[5] ^= 1;
  fs.writeFileSync(files[1], bad);
  const r = await cli(hive, 'models', 'verify');
  assert.strictEqual(r.code, 1, r.stdout + r.stderr);
  assert.match(r.stdout, /^hf:a\/m: BAD: .* has the SHA-256 .*; it cannot be renamed: Is a directory/m);
  assert.deepStrictEqual(await listed(hive), []);
  await hive.stop();
  hive = await startWith(hub, {}, { home: hive.home });
  assert.deepStrictEqual(await listed(hive), []);
  await fetches(hive, 'hf:a/m', BYTES[0]);
  assert.strictEqual(sha256(fs.readFileSync(files[1])), sha256(BYTES[1]));
  assert.deepStrictEqual(await listed(hive), ['hf:a/m']);
  assert.strictEqual((await cli(hive, 'models', 'verify')).code, 0);
});
