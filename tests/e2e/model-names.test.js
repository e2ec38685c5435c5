'use strict';
/*
 * model-names.test.js - all models of one commit share a folder, and the names in it come from outside: what is
 * imported, pushed or pulled touches no file of another model, whatever its own files are called.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { get, post, remove } = require('./lib/hive.js');
const { stream } = require('./lib/sse.js');
const { Hub, begin, download, filesIn, seeded, startWith } = require('./lib/transfer.js');
const { hold } = require('./lib/hold.js');
const { makeFolder } = require('./lib/proc.js');
const { manifest, sha256, stick } = require('./lib/stick.js');

const importing = (hive, folder, how) => stream(`${hive.url}/v1/models/import`, { method: 'POST', body: { path: folder, how } });
const kept = async (hive) => (await get(hive, '/v1/models')).json.models.filter((m) => m.model_ref !== 'tiny');
const shaOf = (file) => sha256(fs.readFileSync(file));

const TALE = { model_ref: 'hf:acme/tale:Q4_K_M', repo: 'acme/tale', commit: 'c1' };
const NICE = { model_ref: 'hf:acme/tale:nice.gguf', repo: 'acme/tale', commit: 'c1' };

async function takeIn(hive, folder, how = 'copy') {
  const events = await (await importing(hive, folder, how)).all();
  assert.strictEqual(events.at(-1).imported, 1, JSON.stringify(events));
}
async function refused(hive, folder) {
  const events = await (await importing(hive, folder, 'copy')).all();
  assert.strictEqual(events.at(-1).failed, 1, JSON.stringify(events));
  return events.find((e) => e.stage === 'error');
}

/*
 * Only the reference and the first file were looked at. A second file that was called as another model's replaced that
 * one's, and the catalog went on calling it verified, under the digest that it had had; others took the place of its
 * card, or of the part of a download.
 */
test('a file named as one of another model\'s is refused, by import and push, and replaces nothing', async (t) => {
  const hub = await Hub.start(), hive = await startWith(hub);
  t.after(() => Promise.all([hive.stop(), hub.stop()]));
  await takeIn(hive, stick(TALE, [['tale.gguf', seeded('tale', 5000)]]));
  const before = filesIn(hive).map((f) => [f, shaOf(f)]), rows = await kept(hive);
  const asked = (files) => [post(hive, '/v1/models/import', { path: stick(NICE, files) }), post(hive, '/v1/models/upload', manifest(NICE, files))];
  const files = [['nice.gguf', seeded('nice', 5000)], ['tale.gguf', seeded('other', 5000)]], e = await refused(hive, stick(NICE, files));
  assert.strictEqual(e.code, 'INVALID_REQUEST');
  assert.match(e.message, /a file of another model, hf:acme\/tale:Q4_K_M: remove that one first/);
  const pushed = await post(hive, '/v1/models/upload', manifest(NICE, files));
  assert.strictEqual(pushed.status, 400, pushed.text);
  assert.match(pushed.json.error.message, /a file of another model/);
  for (const name of ['tale.gguf.json', 'tale.gguf.part', 'tale.gguf.part.ledger', 'tale.gguf.bad', 'nice.gguf.json', 'nice.gguf.part']) {
    for (const r of await Promise.all(asked([files[0], [name, seeded('other', 5000)]]))) {
      assert.strictEqual(r.status, 400, r.text);
      assert.match(r.json.error.message, /ends in \.gguf/);
    }
  }
  const twice = await refused(hive, stick(NICE, [files[0], ['nice.gguf', seeded('other', 5000)]]));
  assert.match(twice.message, /named as another one of the same model/);
  assert.deepStrictEqual(filesIn(hive).map((f) => [f, shaOf(f)]), before);
  assert.deepStrictEqual(await kept(hive), rows);
});

/* What a pull has put down is somebody's, too, and what was imported is a pull's to leave alone. */
test('a pull of a file that an imported model has for its second one is refused', async (t) => {
  const hub = await Hub.start(), hive = await startWith(hub);
  t.after(() => Promise.all([hive.stop(), hub.stop()]));
  const bytes = seeded('hub', 5000), { commit } = hub.put('acme/tale', { 'tale.gguf': bytes }).repos.get('acme/tale');
  await takeIn(hive, stick({ ...NICE, commit }, [['nice.gguf', seeded('nice', 5000)], ['tale.gguf', seeded('mine', 5000)]]));
  const before = filesIn(hive).map((f) => [f, shaOf(f)]);
  const end = (await download(hive, 'hf:acme/tale:tale.gguf')).at(-1);
  assert.strictEqual(end.code, 'INVALID_REQUEST', JSON.stringify(end));
  assert.match(end.message, /a file of another model, hf:acme\/tale:nice\.gguf/);
  assert.deepStrictEqual(filesIn(hive).map((f) => [f, shaOf(f)]), before);
});

/* An earlier rbee let such a model in: its removal deleted the other one's file. */
test('a removal leaves the file that another model\'s card names', async (t) => {
  const hub = await Hub.start(), hive = await startWith(hub);
  t.after(() => Promise.all([hive.stop(), hub.stop()]));
  await takeIn(hive, stick(TALE, [['tale.gguf', seeded('tale', 5000)]]));
  await takeIn(hive, stick(NICE, [['nice.gguf', seeded('nice', 5000)], ['nice2.gguf', seeded('nice2', 5000)]]));
  const card = filesIn(hive).find((f) => f.endsWith('nice.gguf.json')), told = JSON.parse(fs.readFileSync(card));
  told.files.push(JSON.parse(fs.readFileSync(path.join(path.dirname(card), 'tale.gguf.json'))).files[0]);
  fs.writeFileSync(card, JSON.stringify(told));
  assert.strictEqual((await remove(hive, `/v1/models?model_ref=${NICE.model_ref}`)).status, 200);
  assert.deepStrictEqual(filesIn(hive).map((f) => path.basename(f)), ['tale.gguf', 'tale.gguf.json']);
});

/*
 * The unfinished card of an import at work was taken for a download's of an earlier life. Its commit was not on the
 * hub, so what lay there was deleted to make room for today's: the part that had just been moved in, the only one there
 * was.
 */
test('a pull of what an import is moving in is refused, and deletes nothing', async (t) => {
  const hub = await Hub.start(), hive = await startWith(hub);
  t.after(() => Promise.all([hive.stop(), hub.stop()]));
  hub.put('acme/big', { 'big-Q4_K_M.gguf': seeded('new', 5000) });
  const names = ['big-00001-of-00002.gguf', 'big-00002-of-00002.gguf'], bytes = names.map((name) => seeded(name, 5000));
  const folder = stick({ model_ref: 'hf:acme/big', repo: 'acme/big', commit: 'gone' }, names.map((name, i) => [name, bytes[i]]));
  const letMove = await hold(path.join(folder, '1.gguf'));
  t.after(letMove);
  const moving = await importing(hive, folder, 'move');
  await moving.find((e) => e.stage === 'placing');
  for (const ref of ['hf:acme/big', 'hf:acme/big:Q4_K_M']) {
    const end = (await download(hive, ref)).at(-1);
    if (ref === 'hf:acme/big') assert.match(`${end.code} ${end.message}`, /INVALID_REQUEST hf:acme\/big is being imported at this moment/);
    else assert.strictEqual(end.stage, 'complete', JSON.stringify(end)); // another file, of another commit
  }
  await letMove();
  assert.strictEqual((await moving.all()).at(-1).imported, 1, moving.raw);
  const row = (await kept(hive)).find((m) => m.model_ref === 'hf:acme/big');
  assert.deepStrictEqual(names.map((name) => shaOf(path.join(path.dirname(row.local_path), name))), bytes.map(sha256));
  assert.strictEqual((await begin(hive, 'hf:acme/big')).download_id, 'cached');
});

/* It was taken for a download's of an earlier life, too, and deleted: its commit was not on the hub. */
test('a pull deletes nothing of what was imported and is not whole', async (t) => {
  const hub = await Hub.start(), hive = await startWith(hub);
  t.after(() => Promise.all([hive.stop(), hub.stop()]));
  hub.put('acme/big', { 'big-Q4_K_M.gguf': seeded('new', 5000) });
  const parts = ['big-00001-of-00002.gguf', 'big-00002-of-00002.gguf'].map((name) => [name, seeded(name, 5000)]);
  await takeIn(hive, stick({ model_ref: 'hf:acme/big', repo: 'acme/big', commit: 'gone' }, parts));
  const [{ local_path: first }] = await kept(hive);
  fs.rmSync(first.replace('00001-of', '00002-of'));
  const end = (await download(hive, 'hf:acme/big')).at(-1);
  assert.match(`${end.code} ${end.message}`, /^INVALID_REQUEST .*1 of its 2 files are here, imported from a stick, and the hub has another commit now/);
  assert.strictEqual(shaOf(first), sha256(parts[0][1]));
});

/* Both came, and the one that came last had the name: the other was lost sight of. */
test('an import under the name of a download that is under way is refused', async (t) => {
  const hub = await Hub.start(), hive = await startWith(hub);
  t.after(() => Promise.all([hive.stop(), hub.stop()]));
  hub.put('acme/slow', { 'slow.gguf': seeded('slow', 1 << 20) });
  hub.cdn.faults = () => ({ pace: 100 });
  const { download_id: id } = await begin(hive, 'hf:acme/slow');
  const e = await refused(hive, stick({ model_ref: 'hf:acme/slow', repo: 'acme/slow', commit: 'c3' }, [['other.gguf', seeded('other', 5000)]]));
  assert.match(`${e.code} ${e.message}`, /^INVALID_REQUEST a download of the same files, or of hf:acme\/slow, is under way/);
  assert.strictEqual((await remove(hive, `/v1/models/download/${id}`)).status, 204);
});

/*
 * Where the files of a folder are links: only the name of the first one was looked at, not where it led, and a move
 * took a model out of rbee's own folder, or a file that is none of the folder's.
 */
test('a move by way of a link takes nothing out of rbee\'s folder, or out of another one', async (t) => {
  const hub = await Hub.start(), hive = await startWith(hub);
  t.after(() => Promise.all([hive.stop(), hub.stop()]));
  const bytes = ['one.gguf', 'two.gguf'].map((name) => [name, seeded(name, 5000)]);
  await takeIn(hive, stick(TALE, bytes));
  const [{ local_path: here }] = await kept(hive), elsewhere = path.join(makeFolder('rbee-elsewhere-'), 'two.gguf');
  fs.writeFileSync(elsewhere, bytes[1][1]);
  const before = filesIn(hive);
  for (const target of [path.join(path.dirname(here), 'two.gguf'), elsewhere]) {
    const folder = stick({ model_ref: 'local:other', repo: 'local:other', commit: 'c2' }, bytes);
    fs.rmSync(path.join(folder, '1.gguf'));
    fs.symlinkSync(target, path.join(folder, '1.gguf'));
    const moved = await post(hive, '/v1/models/import', { path: folder, how: 'move' });
    assert.strictEqual(moved.status, 400, moved.text);
    assert.match(moved.json.error.message, /1\.gguf is a link to \S+two\.gguf, which is not the folder's to move/);
    assert.ok(fs.existsSync(target));
    if (target === elsewhere) await takeIn(hive, folder); // a copy takes nothing away
    else assert.match((await refused(hive, folder)).message, /rbee's own models folder/);
  }
  assert.deepStrictEqual(filesIn(hive).filter((f) => f.includes('/hf/')), before);
});
