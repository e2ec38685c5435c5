'use strict';
/*
 * import-at-once.test.js - imports beside other work on the same model: another import, a removal, a
 * download. The hive is held in the middle of a move by the file's lock (lib/hold.js).
 */
const { test } = require('node:test');
const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const { makeFolder, until } = require('./lib/proc.js');
const { startHive, get, post, remove } = require('./lib/hive.js');
const { stream } = require('./lib/sse.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { MIB, Hub, begin, fetches, filesIn, seeded, startWith } = require('./lib/transfer.js');
const { hold } = require('./lib/hold.js');

const tooSlow = /tsan/.test(process.env.RBEE_BUILD || '') && 'it takes too long';
const sha256 = (file) => crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex');
const kept = async (hive) => (await get(hive, '/v1/models')).json.models.filter((m) => m.model_ref !== 'tiny');

/* A folder as `models export` writes it, for a machine that may have the hub's repository already. */
function stick(hub, repo, files, tag) {
  const folder = makeFolder('rbee-stick-'), { commit } = hub.repos.get(repo);
  for (const [name, bytes] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), bytes);
  fs.writeFileSync(path.join(folder, 'rbee-manifest.json'), JSON.stringify({ rbee_manifest: 1, models: [{
    model_ref: `hf:${repo}${tag}`, repo, commit, quantization: 'Q4_K_M', source: `hf:${repo}@${commit}`, license: null,
    files: Object.keys(files).map((name) => ({ file: name, name, size_bytes: files[name].length, sha256: sha256(path.join(folder, name)) })) }] }));
  return folder;
}
const importing = (hive, file, how) => stream(`${hive.url}/v1/models/import`, { method: 'POST', body: { path: file, how } });

let made = 0;
/* A model of its own under that name, in a folder of its own. */
function model(name) {
  const file = path.join(makeFolder('rbee-mine-'), name);
  writeHollowModel(file, { layers: 1, ctx: 600 + made++ });
  return file;
}

/* The error that an import ends with before it has put anything anywhere. */
async function refused(s) {
  const e = await s.find((x) => x.stage === 'error' || x.stage === 'placing' || x.stage === 'imported');
  assert.strictEqual(e.stage, 'error', JSON.stringify(e));
  assert.strictEqual((await s.all()).at(-1).failed, 1);
  return e;
}

/*
 * The second of two took the first one's file, just moved, for what an earlier hive had left there, and
 * deleted it: the only copy, while the first client was told "imported". Two files under one name both
 * entered as it, and the first one's was lost sight of until the next start.
 */
test('a model that is being imported is not brought a second time, nor another under its name, nor removed', async (t) => {
  const hive = await startHive();
  t.after(() => hive.stop());
  const file = model('one.gguf'), other = model('one.gguf'), digest = sha256(file);
  const letMove = await hold(file);
  t.after(letMove);
  const first = await importing(hive, file, 'move');
  await first.find((e) => e.stage === 'placing');
  for (const path of [file, other]) {
    const e = await refused(await importing(hive, path, 'move'));
    assert.strictEqual(e.code, 'INVALID_REQUEST');
    assert.match(e.message, /local:one is being imported at this moment/);
  }
  const removed = await remove(hive, '/v1/models?model_ref=local:one');
  assert.strictEqual(removed.status, 400, removed.text);
  assert.match(removed.json.error.message, /local:one is being imported at this moment/);
  await letMove();
  assert.strictEqual((await first.all()).at(-1).imported, 1, first.raw);
  const rows = await kept(hive);
  assert.deepStrictEqual(rows.map((m) => m.model_ref), ['local:one']);
  assert.strictEqual(sha256(rows[0].local_path), digest);
  assert.ok(!fs.existsSync(file) && fs.existsSync(other));
  assert.match((await refused(await importing(hive, other, 'move'))).message, /local:one is another file already/);
  assert.strictEqual((await remove(hive, '/v1/models?model_ref=local:one')).status, 200);
  assert.deepStrictEqual(filesIn(hive), []);
});

/* The finished part was deleted to make room for the import's, which then did not come. */
test('an import that fails leaves an unfinished download the files that it has', async (t) => {
  const hub = await Hub.start(), hive = await startWith(hub);
  t.after(() => Promise.all([hive.stop(), hub.stop()]));
  const [first, second] = ['s-00001-of-00002.gguf', 's-00002-of-00002.gguf'];
  const files = { [first]: seeded('1', MIB), [second]: seeded('2', MIB) };
  hub.put('at/once', files);
  hub.cdn.faults = (req, file) => (file === second ? { pace: 100 } : {});
  const { download_id: id } = await begin(hive, 'hf:at/once'), finished = () => filesIn(hive).find((f) => f.endsWith(first));
  await until(finished, 'the first part');
  assert.strictEqual((await remove(hive, `/v1/models/download/${id}`)).status, 204);
  const done = finished(), { ino } = fs.lstatSync(done);
  const folder = stick(hub, 'at/once', files, ''), letMove = await hold(path.join(folder, second));
  t.after(letMove);
  const failing = await importing(hive, folder, 'move');
  await failing.find((e) => e.stage === 'placing');
  fs.appendFileSync(path.join(folder, second), 'x'); // not what was hashed any more
  await letMove();
  assert.strictEqual((await failing.all()).at(-1).failed, 1, failing.raw);
  assert.strictEqual(fs.lstatSync(done).ino, ino);
  assert.deepStrictEqual(fs.readdirSync(folder).sort(), ['rbee-manifest.json', first, second]);
  // and one that goes well brings what is missing
  fs.writeFileSync(path.join(folder, second), files[second]);
  const ends = await (await importing(hive, folder, 'copy')).all();
  assert.strictEqual(ends.at(-1).imported, 1, JSON.stringify(ends));
  assert.strictEqual(fs.lstatSync(done).ino, ino);
  assert.strictEqual((await begin(hive, 'hf:at/once')).download_id, 'cached');
});

/* The sweep of the folder they share deleted the copy that was being made: "No such file or directory". */
test('while a file of a repository is imported, a pull and a removal of another leave its folder alone', async (t) => {
  const hub = await Hub.start(), hive = await startWith(hub);
  t.after(() => Promise.all([hive.stop(), hub.stop()]));
  const bytes = seeded('q4', MIB), commit = hub.put('at/work', { 'm.Q4_K_M.gguf': bytes }).repos.get('at/work').commit;
  const folder = stick(hub, 'at/work', { 'm.Q8_0.gguf': seeded('q8', MIB) }, ':Q8_0');
  const letMove = await hold(path.join(folder, 'm.Q8_0.gguf'));
  t.after(letMove);
  const held = await importing(hive, folder, 'move');
  await held.find((e) => e.stage === 'placing');
  const dir = path.join(hive.home, 'models/hf/at/work', commit), copy = path.join(dir, 'm.Q8_0.gguf.tmp-4711');
  await until(() => fs.existsSync(dir), 'its folder');
  fs.writeFileSync(copy, 'as a copy begins');
  await fetches(hive, 'hf:at/work', bytes);
  assert.ok(fs.existsSync(copy));
  assert.strictEqual((await remove(hive, '/v1/models?model_ref=hf:at/work')).status, 200);
  assert.ok(fs.existsSync(copy));
  await letMove();
  assert.strictEqual((await held.all()).at(-1).imported, 1, held.raw);
});

/*
 * Each had a thread and a MiB of its own at once: 400 imports by one client took 425 MB, and the loop, which got no
 * CPU beside them, left others' GET /v1/health without an answer for 10 s, as long as a keeper waits for it.
 */
test('four are at work, the others wait and say so; past 64 they are refused, and at the end of the hive they go', async (t) => {
  const hive = await startHive(), files = [1, 2, 3, 4].map((i) => model(`held-${i}.gguf`)), letMove = [];
  const threads = () => Number(/^Threads:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${hive.pid}/status`, 'utf8'))[1]);
  t.after(() => Promise.all([hive.stop(), ...letMove.map((go) => go())]));
  const before = threads(), held = [], crowd = [], last = model('last.gguf');
  for (const file of files) {
    letMove.push(await hold(file));
    held.push(await importing(hive, file, 'move'));
  }
  for (const s of held) await s.find((e) => e.stage === 'placing');
  const left = await importing(hive, model('left.gguf'), 'move'), next = await importing(hive, model('next.gguf'), 'move');
  const told = await next.find((e) => e.stage !== 'hashing');
  assert.deepStrictEqual([told.stage, told.name, told.bytes_done], ['waiting', 'next.gguf', 0]);
  assert.ok(told.bytes_total > 0);
  for (let i = 0; i < 58; i++) crowd.push(await importing(hive, last, 'move'));
  assert.ok(threads() <= before + 5, `${threads()} threads, ${before} before`); // four; the thread sanitizer has one of its own
  const refused = await post(hive, '/v1/models/import', { path: last });
  assert.deepStrictEqual([refused.status, refused.json.error.code, refused.headers['retry-after']], [503, 'QUEUE_TIMEOUT', '5']);
  assert.match(refused.json.error.message, /^64 imports, exports and checks of model files are at work or wait for their turn/);

  left.leave();
  await until(() => importing(hive, last, 'move').then((s) => crowd.push(s), () => false), 'the place of one who left');
  await letMove[0]();
  assert.strictEqual((await held[0].all()).at(-1).imported, 1);
  assert.strictEqual((await next.all()).at(-1).imported, 1, next.raw);
  hive.signal('SIGTERM');
  for (const go of letMove) await go();
  await hive.end(20000);
  assert.deepStrictEqual([hive.code, hive.killedBy], [0, null], hive.stderr);
});

/* A list of `n` models of 512 files, in a folder whose path takes all that a path may: 2 MB of memory a model. */
function deepList(n) {
  let folder = makeFolder('rbee-deep-');
  while (folder.length < 3780) folder = path.join(folder, 's'.repeat(Math.min(250, 3781 - folder.length)));
  fs.mkdirSync(folder, { recursive: true });
  const files = Array(512).fill({ file: 'a.gguf', sha256: '0'.repeat(64), size_bytes: 1 });
  fs.writeFileSync(path.join(folder, 'rbee-manifest.json'), JSON.stringify({ rbee_manifest: 1,
    models: Array.from({ length: n }, (_, i) => ({ model_ref: `local:m${i}`, commit: 'c', files })) }));
  return folder;
}

/*
 * Five requests of 3.8 KB took 710 MB, for as long as others were at work: each has the full path of each file of
 * its list, and that stood in no sum.
 */
test('lists that wait count as what is held of requests do, and what is too much for one is refused', { skip: tooSlow }, async (t) => {
  const hive = await startHive(), letMove = [], waiting = [], deep = deepList(8), deeper = deepList(9);
  t.after(() => Promise.all([hive.stop(), ...letMove.map((go) => go())]));
  const fill = async () => { while (waiting.length < 12) waiting.push(await importing(hive, deep, 'copy')); };
  for (const file of [1, 2, 3, 4].map((i) => model(`busy-${i}.gguf`))) {
    letMove.push(await hold(file));
    await (await importing(hive, file, 'move')).find((e) => e.stage === 'placing');
  }
  const one = await post(hive, '/v1/models/import', { path: deeper });
  assert.deepStrictEqual([one.status, one.json.error.code], [400, 'INVALID_REQUEST']);
  assert.match(one.json.error.message, /^the first 9 models of the list take 18\d+ bytes .*, one import takes 16777216: divide them/);

  await fill();
  assert.strictEqual((await waiting[11].find((e) => e.stage)).stage, 'waiting');
  const full = await post(hive, '/v1/models/import', { path: deep });
  assert.deepStrictEqual([full.status, full.json.error.code, full.headers['retry-after']], [503, 'ALL_SLOTS_BUSY', '1']);
  assert.match(full.json.error.message, /hold nearly all the memory they may have together; this one needs 16\d+ bytes more/);
  await importing(hive, model('small.gguf'), 'copy'); // there is room for what is little

  for (const s of waiting.splice(0)) s.leave();
  await until(() => importing(hive, deep, 'copy').then((s) => waiting.push(s), () => false), 'the room of those who left');
  await fill();
  for (const s of waiting.splice(0)) s.leave();
  for (const go of letMove) await go();
  await until(async () => (await kept(hive)).length === 5, 'those who stayed');
  const over = await (await importing(hive, deep, 'copy')).all(); // no file of it is there
  assert.deepStrictEqual([over.at(-1).stage, over.at(-1).failed], ['complete', 8]);
  await fill();
});
