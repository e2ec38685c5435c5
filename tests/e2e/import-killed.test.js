'use strict';
/*
 * import-killed.test.js - a hive that is killed (SIGKILL) while it takes in a model that is on the disk
 * or was pushed: at the next start the model is there, or it is where it was, and never half of it.
 *
 * The hive is held at the very point: at a file's move by the file's lock (flock), before the catalog
 * by a lock on its database. The failure this tells of: the card was written behind the file's move, and a hive that was killed
 * between the two left the file where nobody looked, with no entry anywhere.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const { WORKER, makeFolder, until } = require('./lib/proc.js');
const { startHive, get, post } = require('./lib/hive.js');
const { stream } = require('./lib/sse.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { Hub, filesIn } = require('./lib/transfer.js');
const { hold, holding } = require('./lib/hold.js');
const keeper = require('./lib/keeper.js');
const push = require('./lib/push.js');

const noLock = spawnSync('python3', ['-c', 'import sqlite3']).status === 0 ? false : 'no python3 with sqlite3 here to lock a database';
const sha256 = (file) => crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex');
const kept = async (hive) => (await get(hive, '/v1/models')).json.models.filter((m) => m.model_ref !== 'tiny');
const importing = (hive, file, how) => stream(`${hive.url}/v1/models/import`, { method: 'POST', body: { path: file, ...(how ? { how } : {}) } });

let made = 0;
/* A model of its own, in so many files; the first one. */
function model(name, more = {}, folder = makeFolder('rbee-mine-')) {
  const file = path.join(folder, `${name}.gguf`);
  writeHollowModel(file, { layers: 1, ctx: 400 + made++, ...more });
  return more.parts === 2 ? file.replace(/\.gguf$/, '-00001-of-00002.gguf') : file;
}

const lockCatalog = (hive) => holding('python3', ['-c', `import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()`, path.join(hive.home, 'models.db')]);

/* The next hive of the home. */
async function killed(hive, letGo = () => {}) {
  hive.signal('SIGKILL');
  await hive.ended;
  await letGo();
  return startHive({ home: hive.home });
}

/* The one model of the hive, whole; nothing else lies in its folders but the card. */
async function hasOne(hive, ref, digest, n = 1) {
  const rows = await kept(hive);
  assert.deepStrictEqual(rows.map((m) => m.model_ref), [ref]);
  assert.strictEqual(rows[0].verified, true);
  assert.strictEqual(rows[0].sha256, digest);
  assert.strictEqual(sha256(rows[0].local_path), digest);
  assert.strictEqual(filesIn(hive).length, n + 1, filesIn(hive).join('\n'));
  assert.deepStrictEqual((await get(hive, '/v1/models/prune')).json.items, []);
  assert.deepStrictEqual((await get(hive, '/v1/models/downloads')).json.downloads, []);
}

test('between the file\'s move and the catalog: the model is there after the next start', { skip: noLock }, async (t) => {
  let hive = await startHive();
  t.after(() => hive.stop());
  const file = model('moved'), digest = sha256(file);
  const letMove = await hold(file), s = await importing(hive, file, 'move');
  await s.find((e) => e.stage === 'placing');
  const unlock = await lockCatalog(hive);
  await letMove();
  await until(() => !fs.existsSync(file), 'the move');
  hive = await killed(hive, unlock); // held all the time: nothing can have been written to the catalog
  await hasOne(hive, 'local:moved', digest);
});

test('between the card and the file\'s move: the file is still where it was, and can be taken in', async (t) => {
  let hive = await startHive();
  t.after(() => hive.stop());
  const file = model('early'), digest = sha256(file), letMove = await hold(file);
  const card = path.join(hive.home, 'models/local/early', digest, 'early.gguf.json');
  const s = await importing(hive, file, 'move');
  await s.find((e) => e.stage === 'placing');
  await until(() => fs.existsSync(card), 'the card');
  fs.writeFileSync(`${card}.tmp-${hive.pid}`, '{"half'); // as one that is killed while it writes a card leaves it
  hive = await killed(hive);
  await letMove();
  assert.strictEqual(sha256(file), digest, 'no byte is lost');
  assert.deepStrictEqual(await kept(hive), []);
  assert.strictEqual((await (await importing(hive, file, 'move')).all()).at(-1).imported, 1);
  await hasOne(hive, 'local:early', digest);
});

test('between the two files of a split model that moves: both are still where they were', async (t) => {
  let hive = await startHive();
  t.after(() => hive.stop());
  const first = model('split', { parts: 2 }), second = first.replace('00001-of', '00002-of'), digest = sha256(first);
  const letMove = await hold(second), s = await importing(hive, first, 'move');
  await s.find((e) => e.stage === 'placing');
  await until(() => filesIn(hive).some((f) => f.endsWith('00001-of-00002.gguf')), 'the first one in its place');
  hive = await killed(hive);
  await letMove();
  assert.deepStrictEqual(await kept(hive), []);
  assert.deepStrictEqual((await get(hive, '/v1/models/downloads')).json.downloads, [], 'it is no download');
  assert.match(hive.stderr, /local:split: 1 of its 2 files are here, in .*: import it again, or delete them with `rbee-keeper models rm local:split`/);
  assert.ok(fs.existsSync(first) && fs.existsSync(second));
  assert.strictEqual((await (await importing(hive, first, 'move')).all()).at(-1).imported, 1);
  assert.ok(!fs.existsSync(first) && !fs.existsSync(second));
  await hasOne(hive, 'local:split', digest, 2);
});

/*
 * Nobody was there any more when the file was in its place: the hive had freed its workers, told them of the model all
 * the same, and crashed. What is freed is overwritten here, so that it is not read by luck.
 */
test('a hive that ends while a file moves waits for it, and the model has entered', async (t) => {
  let hive = await startHive({ env: { MALLOC_PERTURB_: '85' } });
  t.after(() => hive.stop());
  const file = model('ending'), digest = sha256(file), letMove = await hold(file), s = await importing(hive, file, 'move');
  await s.find((e) => e.stage === 'placing');
  hive.signal('SIGTERM');
  await s.all(); // its connection is closed, which is the first thing that goes
  await letMove();
  assert.deepStrictEqual(await hive.end(), { code: 0, killedBy: null }, hive.stderr);
  assert.ok(!fs.existsSync(file), 'it has moved');
  hive = await startHive({ home: hive.home });
  await hasOne(hive, 'local:ending', digest);
});

const SHM = '/dev/shm';
const oneDisk = fs.existsSync(SHM) && fs.statSync(SHM).dev !== fs.statSync(os.tmpdir()).dev ? false : 'there is one file system here';

/* The first one was copied, and deleted where it had been: it was here, the second there, and neither could be taken in
 * again. A pull then deleted it, where its commit was not on the hub any more. */
test('...also from another file system: what was copied is still there, until all of it is', { skip: oneDisk }, async (t) => {
  let hive = await startHive();
  const folder = fs.mkdtempSync(path.join(SHM, 'rbee-mine-'));
  t.after(async () => { await hive.stop(); fs.rmSync(folder, { recursive: true }); });
  const first = model('split', { parts: 2 }, folder), second = first.replace('00001-of', '00002-of'), digests = [first, second].map(sha256);
  const letMove = await hold(second), s = await importing(hive, first, 'move');
  await s.find((e) => e.stage === 'placing');
  await until(() => filesIn(hive).some((f) => f.endsWith('00001-of-00002.gguf')), 'the first one in its place');
  hive = await killed(hive);
  await letMove();
  assert.deepStrictEqual([first, second].map(sha256), digests);
  assert.strictEqual((await (await importing(hive, first, 'move')).all()).at(-1).imported, 1);
  assert.ok(!fs.existsSync(second), 'it has moved');
  await hasOne(hive, 'local:split', digests[0], 2);
});

/* Its parts were copied there, and stayed where they had come: twice the bytes, for ever. */
test('a push of a split model to where the models are on another disk leaves nothing behind', { skip: oneDisk }, async (t) => {
  const disk = fs.mkdtempSync(path.join(SHM, 'rbee-models-')), home = makeFolder('rbee-hive-');
  fs.mkdirSync(path.join(home, 'models'));
  fs.symlinkSync(disk, path.join(home, 'models/local'));
  const here = await startHive(), there = await startHive({ home });
  t.after(async () => { await Promise.all([here.stop(), there.stop()]); fs.rmSync(disk, { recursive: true }); });
  assert.strictEqual((await keeper.run(['models', 'import', model('far', { parts: 2 }), '--node', push.addr(here)])).code, 0);
  const r = await keeper.run(['models', 'push', 'local:far', '--node', push.addr(there)], { env: { RBEE_KEEPER_NODE: push.addr(here) } });
  assert.strictEqual(r.code, 0, r.stderr);
  assert.deepStrictEqual(push.parts(there), []);
  assert.strictEqual((await kept(there)).length, 1);
});

test('...and `models rm` deletes what is here of it, not what is there', async (t) => {
  let hive = await startHive();
  t.after(() => hive.stop());
  const first = model('left', { parts: 2 }), second = first.replace('00001-of', '00002-of');
  const letMove = await hold(second), s = await importing(hive, first, 'move');
  await s.find((e) => e.stage === 'placing');
  await until(() => filesIn(hive).some((f) => f.endsWith('00001-of-00002.gguf')), 'the first one in its place');
  hive = await killed(hive);
  await letMove();
  const r = await keeper.run(['models', 'rm', 'local:left', '--node', hive.url]);
  assert.strictEqual(r.code, 0, r.stderr);
  assert.deepStrictEqual(filesIn(hive), []);
  assert.ok(fs.existsSync(first) && fs.existsSync(second));
});

test('a placing that goes wrong leaves nothing, and what lay there before as it was', async (t) => {
  const hive = await startHive();
  t.after(() => hive.stop());
  const file = model('wrong'), letMove = await hold(file), s = await importing(hive, file, 'move');
  await s.find((e) => e.stage === 'placing');
  fs.appendFileSync(file, 'x'); // it is not what was hashed any more
  await letMove();
  const events = await s.all();
  assert.deepStrictEqual([events.at(-1).imported, events.at(-1).failed], [0, 1]);
  assert.ok(fs.existsSync(file));
  assert.deepStrictEqual(filesIn(hive), []);
});

/* "Please report it with the request id and the log": the log had the error without the id. */
test('an error of our own in a stream stands in the log under its id', async (t) => {
  const hive = await startHive(), local = path.join(hive.home, 'models/local');
  t.after(() => hive.stop());
  fs.rmSync(local, { recursive: true, force: true });
  fs.writeFileSync(local, 'in the way');
  const s = await importing(hive, model('no-room'));
  const { code, message } = (await s.all()).find((e) => e.stage === 'error');
  assert.strictEqual(code, 'INTERNAL', message);
  await hive.says(/INTERNAL in request/);
  const line = hive.stderr.split('\n').find((l) => l.includes('INTERNAL'));
  assert.ok(line.includes(`INTERNAL in request ${s.headers['x-request-id']}, in work on `) && line.endsWith(message), line);
});

/*
 * It entered at the next start, though nobody had judged it.
 */
test('a download, between its last byte and the verdict: judged after the next start, and in the list if it is fit', async (t) => {
  const hub = await Hub.start(), folder = makeFolder('rbee-judge-'), worker = path.join(folder, 'worker'), slow = path.join(folder, 'slow');
  t.after(() => hub.stop());
  fs.writeFileSync(worker, `#!/bin/sh\nif [ -e '${slow}' ]; then echo x >> '${slow}'; exec sleep 5; fi\nexec '${WORKER}' "$@"\n`, { mode: 0o755 });
  fs.writeFileSync(slow, '');
  const options = { env: { HF_ENDPOINT: hub.url, RBEE_HIVE_WORKER: worker } };
  let hive = await startHive(options);
  t.after(() => hive.stop());
  hub.put('org/good', { 'g.Q8_0.gguf': fs.readFileSync(model('good')) }).put('org/bad', { 'b.Q8_0.gguf': Buffer.alloc(5000, 'GGUF') });
  for (const name of ['good', 'bad']) assert.strictEqual((await post(hive, '/v1/models/download', { model_ref: `hf:org/${name}` })).status, 200);
  await until(() => fs.readFileSync(slow, 'utf8') === 'x\nx\n', 'both are being judged');
  hive.signal('SIGKILL');
  await hive.ended;
  fs.unlinkSync(slow);
  hive = await startHive({ home: hive.home, ...options });
  await hive.says(/b\.Q8_0\.gguf\.json is on the disk, but does not enter the catalog: /);
  await until(async () => (await kept(hive)).length > 0, 'the good one');
  assert.deepStrictEqual((await kept(hive)).map((m) => m.model_ref), ['hf:org/good']);
  assert.strictEqual(hub.cdn.calls.length, 2, 'no byte is fetched again');
});

test('a push, between the files\' move and the catalog: the model is there, and is not sent again', { skip: noLock }, async (t) => {
  const { here } = await push.start();
  t.after(push.stop);
  let hive = await startHive();
  t.after(() => hive.stop());
  for (const parts of [1, 2]) {
    const first = model(`sent${parts}`, { parts }), digest = sha256(first), ref = `local:sent${parts}`;
    assert.strictEqual((await (await importing(here, first)).all()).at(-1).imported, 1);
    const says = await push.manifest(ref, here), files = says.models[0].files;
    await push.begin(hive, says);
    for (const f of files) {
      const m = { file: f.file, sha256: files[0].sha256 };
      assert.strictEqual((await push.put(hive, m, 0, fs.readFileSync(f.path))).status, 204);
    }
    const last = path.join(hive.home, 'models/push', digest, files.at(-1).file), before = filesIn(hive).length;
    const letMove = await hold(last), s = await stream(`${hive.url}/v1/models/upload/commit`, { method: 'POST', body: says });
    await s.find((e) => e.stage === 'placing');
    const unlock = await lockCatalog(hive);
    await letMove();
    await until(() => filesIn(hive).some((f) => f.startsWith(path.join(hive.home, 'models/local')) && f.endsWith(files.at(-1).file)), () => `moved: ${before}`);
    hive = await killed(hive, unlock);
    await hasOne(hive, ref, digest, parts);
    assert.strictEqual((await push.begin(hive, says)).stage, 'here');
    assert.strictEqual((await keeper.run(['models', 'rm', ref, '--node', hive.url])).code, 0);
  }
});
