'use strict';
/*
 * catalog.test.js - what a hive knows of its models, and what becomes of it when files rot, the
 * database is damaged, its folder is moved, or two hives want one home. A real hive and a real keeper.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const { HIVE, WORKER, Proc, makeFolder, isAlive, testModel, until } = require('./lib/proc.js');
const { startHive, get, post, remove, spawn, spawnReady } = require('./lib/hive.js');
const { stream } = require('./lib/sse.js');
const { writeHollowModel } = require('./lib/gguf.js');
const keeper = require('./lib/keeper.js');

const sha256 = (file) => crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex');
const cli = (hive, ...args) => keeper.run([...args, '--node', hive.url]);
const kept = async (hive) => (await get(hive, '/v1/models')).json.models.filter((m) => m.model_ref !== 'tiny');
const row = async (hive, ref) => (await kept(hive)).find((m) => m.model_ref === ref);
const files = (dir) => fs.readdirSync(dir, { recursive: true, withFileTypes: true })
  .filter((e) => !e.isDirectory() && e.name !== '.hive.lock').map((e) => e.name).sort();

let made = 0;
/* A model of its own in the hive's catalog. `copy`: it shares no byte with anything else. */
async function add(hive, name) {
  const file = path.join(makeFolder('rbee-mine-'), `${name}.gguf`);
  writeHollowModel(file, { layers: 1, ctx: 200 + made++ });
  const r = await cli(hive, 'models', 'import', file, '--copy');
  assert.strictEqual(r.code, 0, r.stderr);
  return row(hive, `local:${name}`);
}

function spoil(file) {
  const fd = fs.openSync(file, 'r+');
  fs.writeSync(fd, Buffer.from([0x55]), 0, 1, fs.fstatSync(fd).size - 100);
  fs.closeSync(fd);
}

describe('list, show, rm', () => {
  let hive;
  before(async () => { hive = await startHive(); });
  after(() => hive.stop());

  test('list tells size, where from, whether verified, and when used', async () => {
    const m = await add(hive, 'listed');
    const none = await cli(hive, 'models', 'list');
    assert.match(none.stdout, /^MODEL +TYPE +SIZE +LAST USED \(UTC\) +VERIFIED +FROM$/m);
    assert.match(none.stdout, /^local:listed +- +\d+\.\d kB +- +yes +\/.*listed\.gguf$/m);
    await spawnReady(hive, 'local:listed', { slots: 1, ctx: 64 });
    assert.ok(Math.abs(Date.parse((await row(hive, 'local:listed')).last_used_at) - Date.now()) < 60000);
    assert.strictEqual(m.last_used_at, null);
  });

  /* It was the time of the worker's start: of a model that stays loaded for weeks, and is asked every day, weeks ago.
   * And a start that was refused counted. */
  test('used is when its worker last had a request, not when that was started', { skip: !testModel() && 'no model' }, async () => {
    const file = path.join(makeFolder('rbee-mine-'), 'used.gguf'), used = async () => Date.parse((await row(hive, 'local:used')).last_used_at);
    fs.copyFileSync(testModel(), file);
    assert.strictEqual((await cli(hive, 'models', 'import', file, '--copy')).code, 0);
    assert.strictEqual((await spawn(hive, 'local:used', { ctx: 1 << 24 })).status, 400);
    assert.strictEqual((await row(hive, 'local:used')).last_used_at, null);
    const worker = await spawnReady(hive, 'local:used', { slots: 1, ctx: 64 });
    const started = await used(), asked = Date.now();
    assert.ok(started <= asked);
    assert.strictEqual((await post(hive, '/v1/completions', { model: 'local:used', prompt: 'a', max_tokens: 1 })).status, 200);
    await remove(hive, `/v1/workers/${worker.worker_id}`);
    await until(async () => (await used()) > started, 'the request\'s time');
    assert.ok((await used()) >= asked - 5, 'clocks of two kinds'); // a millisecond of each
  });

  test('show plans memory for the context and the slots that are asked for', async () => {
    await add(hive, 'shown');
    const plan = async (query) => (await get(hive, `/v1/models/show?model_ref=local:shown${query}`)).json.plan;
    const one = await plan('&ctx=64&slots=1'), more = await plan('&ctx=128&slots=3');
    // keys and values grow with positions times slots; weights do not (the plan's own definition)
    assert.strictEqual(more.kv_bytes, one.kv_bytes * 6);
    assert.strictEqual(more.weight_bytes, one.weight_bytes);
    for (const p of [one, more]) assert.strictEqual(p.total_bytes, p.weight_bytes + p.kv_bytes + p.scratch_bytes);
    // as for spawn: 65 slots were planned here, and a context that no worker of the model gets
    for (const none of ['ctx=0', 'ctx=16777217', 'ctx=16777216', 'slots=0', 'slots=65']) {
      assert.strictEqual((await get(hive, `/v1/models/show?model_ref=local:shown&${none}`)).status, 400, none);
    }
    const r = await cli(hive, 'models', 'show', 'local:shown', '--ctx', '64', '--slots', '1');
    assert.match(r.stdout, /^plan:\n {2}slots: 1\n {2}ctx: 64$/m);
    assert.match(r.stdout, /^ {2}architecture: llama$/m);
  });

  test('rm is refused while a worker uses it, unless --force; it says what it freed', async () => {
    const m = await add(hive, 'gone');
    const { worker_id: id } = await spawnReady(hive, 'local:gone', { slots: 1, ctx: 64 });
    const refused = await cli(hive, 'models', 'rm', 'local:gone');
    assert.strictEqual(refused.code, 1);
    assert.match(refused.stderr, /in use by a worker/);
    assert.ok(fs.existsSync(m.local_path));
    const { pid } = (await get(hive, `/v1/workers/${id}`)).json;
    const r = await cli(hive, 'models', 'rm', 'local:gone', '--force');
    assert.strictEqual(r.code, 0, r.stderr);
    assert.match(r.stdout, /^Removed local:gone; it freed \d+\.\d kB\.$/m);
    assert.ok(!isAlive(pid));
    assert.ok(!fs.existsSync(path.dirname(m.local_path)));
  });

  /* "It freed 53 MB" was said while the worker held the file for up to 30 s more: the next pull found the disk full. */
  test('rm --force counts what a worker holds that has not ended as not free yet', async () => {
    const m = await add(hive, 'held'), size = fs.statSync(m.local_path).size;
    const { worker_id: id } = await spawnReady(hive, 'local:held', { slots: 1, ctx: 64 });
    const { pid } = (await get(hive, `/v1/workers/${id}`)).json;
    process.kill(pid, 'SIGSTOP'); // as busy as one can be
    try {
      const r = await remove(hive, '/v1/models?model_ref=local:held&force=1');
      assert.deepStrictEqual(r.json, { removed: 'local:held', freed_bytes: 0, held_bytes: size });
      assert.ok(!fs.existsSync(m.local_path) && isAlive(pid));
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await until(() => !isAlive(pid), 'the end of its worker');
  });

  test('a model that was only linked frees nothing; the user\'s file stays', async () => {
    const file = path.join(makeFolder('rbee-mine-'), 'mine.gguf');
    writeHollowModel(file, { layers: 1, ctx: 999 });
    const digest = sha256(file);
    await cli(hive, 'models', 'import', file);
    const { local_path: local } = await row(hive, 'local:mine');
    const shares = fs.lstatSync(local).isSymbolicLink() || fs.lstatSync(local).nlink > 1;
    const gone = (await remove(hive, '/v1/models?model_ref=local:mine')).json;
    assert.strictEqual(gone.freed_bytes, shares ? 0 : fs.statSync(file).size);
    assert.strictEqual(sha256(file), digest);
  });

  test('a name that nearly matches gets the near one', async () => {
    await add(hive, 'alpaca-7b');
    const r = await cli(hive, 'models', 'show', 'local:alpacca-7b');
    assert.match(r.stderr, /MODEL_NOT_FOUND: .*did you mean local:alpaca-7b\?/);
  });
});

describe('verify and prune', () => {
  let hive;
  before(async () => { hive = await startHive(); });
  after(() => hive.stop());

  test('a file that rotted is told, set aside, and not used again', async () => {
    const bad = await add(hive, 'rotten');
    await add(hive, 'fresh');
    const { worker_id: id } = await spawnReady(hive, 'local:rotten', { slots: 1, ctx: 64 });
    const { pid } = (await get(hive, `/v1/workers/${id}`)).json;
    spoil(bad.local_path);
    const r = await cli(hive, 'models', 'verify');
    assert.strictEqual(r.code, 1);
    assert.match(r.stdout, new RegExp(`^local:fresh: as it was, SHA-256 ${(await row(hive, 'local:fresh')).sha256}$`, 'm'));
    assert.match(r.stdout, new RegExp(`^local:rotten: BAD: .*has the SHA-256 [0-9a-f]{64} now, it should be ${bad.sha256}.*\`rbee-keeper models rm local:rotten --node ${hive.url}\`, then import it again`, 'm'));
    assert.strictEqual(await row(hive, 'local:rotten'), undefined);
    assert.ok(fs.existsSync(`${bad.local_path}.bad`), 'no byte is lost');
    assert.strictEqual((await post(hive, '/v1/workers/spawn', { model_ref: 'local:rotten' })).status, 404);
    await until(() => !isAlive(pid), 'the end of the worker that used it');
    assert.strictEqual((await cli(hive, 'models', 'verify', 'local:fresh')).code, 0);
  });

  test('a client that leaves ends the work; another one may begin', async (t) => {
    const own = await startHive(), file = path.join(makeFolder('rbee-mine-'), 'large.gguf');
    t.after(() => own.stop());
    const size = writeHollowModel(file, { layers: 2, embd: 1024, ff: 2816 });
    const r = await cli(own, 'models', 'import', file);
    assert.strictEqual(r.code, 0, r.stderr);
    const verify = () => stream(`${own.url}/v1/models/verify`, { method: 'POST', body: {} });
    const has = () => fs.readdirSync(`/proc/${own.pid}/fd`).some((fd) => {
      try { return fs.readlinkSync(`/proc/${own.pid}/fd/${fd}`).endsWith('/large.gguf'); } catch { return false; }
    });
    const nRead = () => Number(/^rchar: (\d+)/m.exec(fs.readFileSync(`/proc/${own.pid}/io`, 'utf8'))[1]);
    await until(async () => { // it may be read before its client leaves
      const before = nRead(), s = await verify();
      await until(() => has() || nRead() - before >= size, 'it is read');
      s.leave();
      await until(() => !has(), 'it is let go');
      return nRead() - before < 0.9 * size;
    }, 'an end before all of it is read');
    const events = await (await verify()).all();
    assert.strictEqual(events.at(-1).stage, 'complete');
    assert.strictEqual(events.at(-1).verified, 1);
  });

  test('prune shows first, deletes what was shown and nothing else', async () => {
    const folder = path.join(hive.home, 'models/hf/org/left/' + 'c'.repeat(40));
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'x.gguf.part'), Buffer.alloc(5000, 1));
    fs.writeFileSync(path.join(folder, 'y.gguf.tmp-1'), 'y');
    const outside = makeFolder('rbee-outside-');
    fs.writeFileSync(path.join(outside, 'mine.txt'), 'mine');
    fs.symlinkSync(outside, path.join(hive.home, 'models/hf/org/link'));
    const lost = await add(hive, 'lost');
    fs.rmSync(lost.local_path);
    const before = files(path.join(hive.home, 'models'));

    const shown = await cli(hive, 'models', 'prune');
    assert.strictEqual(shown.code, 0, shown.stderr);
    for (const what of [/x\.gguf\.part +5\.0 kB +an unfinished download/, /y\.gguf\.tmp-1/, /rotten\.gguf\.bad/, /local:lost +0 B +its file is gone/]) {
      assert.match(shown.stdout, what);
    }
    assert.match(shown.stderr, /Nothing was deleted\. --yes/);
    if (!keeper.noTerminal) { // at one, but with the list in a file, it asked whether to delete what nobody had seen
      const blind = spawnSync('script', ['-qec', `'${keeper.KEEPER}' models prune --node ${hive.url} > /dev/null`, '/dev/null'],
        { env: keeper.environment({ RBEE_HOME: hive.home }), encoding: 'utf8', input: 'y\n', timeout: 20000 });
      assert.match(blind.stdout, /Nothing was deleted\. --yes/);
    }
    assert.deepStrictEqual(files(path.join(hive.home, 'models')), before);

    const { plan } = (await get(hive, '/v1/models/prune')).json;
    fs.writeFileSync(path.join(folder, 'z.gguf'), 'new');
    const stale = await post(hive, '/v1/models/prune', { plan });
    assert.strictEqual(stale.status, 409, 'what was not shown is not deleted');
    assert.ok(fs.existsSync(path.join(folder, 'x.gguf.part')));

    const done = await cli(hive, 'models', 'prune', '--yes');
    assert.strictEqual(done.code, 0, done.stderr);
    assert.match(done.stderr, /Deleted; .* are free again/);
    assert.ok(!fs.existsSync(folder));
    assert.ok(fs.existsSync(path.join(outside, 'mine.txt')), 'links are never followed');
    assert.deepStrictEqual(files(path.join(hive.home, 'models')).filter((f) => !/^(listed|fresh|link$)/.test(f)), []);
    assert.match((await cli(hive, 'models', 'prune')).stdout, /nothing to delete/);
    const none = await cli(hive, 'models', 'prune', '--json', '--yes'); // it printed nothing, which is no JSON
    assert.deepStrictEqual(JSON.parse(none.stdout).items, []);
    assert.strictEqual((await cli(hive, 'models', 'verify')).code, 0);
  });
});

/*
 * A power cut had left the card of a model empty, the catalog whole. The model was listed as verified and ran, but
 * `verify` passed it over, `pull` found it there and mended nothing, and `prune`, which the hive's log advised, deleted
 * its file under a worker.
 */
test('a listed model whose card is damaged or gone is no file that nothing refers to, and gets its card back', async (t) => {
  let hive = await startHive();
  t.after(() => hive.stop());
  const { local_path: file, size_bytes: size } = await add(hive, 'cardless');
  const card = `${file}.json`, text = fs.readFileSync(card, 'utf8');
  const pruned = async () => (await get(hive, '/v1/models/prune')).json.items;
  fs.truncateSync(card, 100);
  fs.writeFileSync(path.join(path.dirname(file), 'other.gguf'), 'of which nobody knows whether it is a part');
  assert.deepStrictEqual(await pruned(), []);
  const r = await cli(hive, 'models', 'verify');
  assert.match(r.stdout, /^local:cardless: as it was/m);
  assert.strictEqual(fs.readFileSync(card, 'utf8'), text);
  assert.deepStrictEqual((await pruned()).map((i) => path.basename(i.path)), ['other.gguf']);

  fs.rmSync(card);
  fs.appendFileSync(file, 'x'); // it is not what the catalog knows
  for (const which of [[], ['local:cardless']]) {
    const bad = await cli(hive, 'models', 'verify', ...which);
    assert.strictEqual(bad.code, 1, bad.stdout);
    assert.match(bad.stderr, /what was noted of local:cardless .* is gone or damaged, .*`rbee-keeper models rm local:cardless --node [^`]+`, then pull or import/);
  }
  assert.deepStrictEqual(await pruned(), []);

  await hive.stop();
  fs.truncateSync(file, size);
  hive = await startHive({ home: hive.home });
  await hive.says(/cardless\.gguf\.json was gone, .* written anew from the catalog/);
  assert.strictEqual(fs.readFileSync(card, 'utf8'), text);
});

/* A power cut took the bytes of a file, and the catalog's newest rows; or the folder is not the one that it was. `verify`
 * said nothing of these models, and all was well. */
test('verify tells of a file that was cut, though no list has its model, and of models of which nothing is there', async (t) => {
  let hive = await startHive();
  t.after(() => hive.stop());
  const gone = await add(hive, 'gone'), cut = await add(hive, 'cut');
  fs.rmSync(path.dirname(gone.local_path), { recursive: true });
  const r = await cli(hive, 'models', 'verify');
  assert.strictEqual(r.code, 1, r.stdout);
  assert.match(r.stdout, /^local:gone: BAD: its file .*gone\.gguf is no longer there, nor what was noted of it\. It is out of use now\. If it is on another disk, mount that; if it was deleted, `rbee-keeper models prune --node [^`]+` forgets the model\.$/m);
  assert.match(r.stdout, /^local:cut: as it was/m);

  await hive.stop();
  fs.truncateSync(cut.local_path, 0);
  for (const f of fs.readdirSync(hive.home).filter((name) => name.startsWith('models.db'))) fs.rmSync(path.join(hive.home, f));
  hive = await startHive({ home: hive.home });
  await hive.says(/local:cut is not used: its file .*cut\.gguf has 0 bytes, it should have \d+; pull or import it again/);
  assert.deepStrictEqual(await kept(hive), []);
  const again = await cli(hive, 'models', 'verify');
  assert.strictEqual(again.code, 1, again.stdout);
  assert.match(again.stdout, /^local:cut: BAD: its file .* has 0 bytes, it should have \d+/m);
});

/*
 * An older rbee-hive took the cards of a newer one for damaged: at its start it wrote what the catalog knew over them,
 * and with the catalog moved away, as the error about that one's version advises, `prune` offered the models' files.
 */
test('cards of a newer rbee are left alone, and so are the files beside them', async (t) => {
  let hive = await startHive();
  t.after(() => hive.stop());
  const { local_path: file } = await add(hive, 'later'), card = `${file}.json`;
  const source = path.join(makeFolder('rbee-mine-'), 'later.gguf');
  await hive.stop();
  fs.copyFileSync(file, source);
  fs.writeFileSync(card, JSON.stringify({ ...JSON.parse(fs.readFileSync(card, 'utf8')), version: 2, tags: ['mine'] }));
  const text = fs.readFileSync(card, 'utf8');

  for (const listed of [true, false]) {
    if (!listed)
      for (const db of fs.readdirSync(hive.home).filter((n) => n.startsWith('models.db'))) fs.rmSync(path.join(hive.home, db));
    hive = await startHive({ home: hive.home });
    await hive.says(/later\.gguf\.json was written by a newer rbee .*start that one; nothing of that model is changed or deleted here/);
    assert.doesNotMatch(hive.stderr, /models prune|models rm/);
    assert.deepStrictEqual((await get(hive, '/v1/models/prune')).json.items, []);
    assert.strictEqual(Boolean(await row(hive, 'local:later')), listed, 'it runs by what the catalog knows');
    const rm = await cli(hive, 'models', 'rm', 'local:later');
    assert.strictEqual(rm.code, 1, rm.stdout);
    assert.match(rm.stderr, listed ? /written by a newer rbee/ : /is not on this machine/);
    const again = await cli(hive, 'models', 'import', source, '--copy');
    assert.strictEqual(again.code, 1, again.stdout);
    assert.match(again.stderr, /written by a newer rbee/);
    await hive.stop();
    assert.strictEqual(fs.readFileSync(card, 'utf8'), text);
    assert.ok(fs.existsSync(file));
  }
});

/*
 * Which files such a card names nobody can tell, so none beside it are deleted. That was found out when the model's row
 * was gone and its download cancelled, and was told as an INTERNAL error with a hint about a folder's permissions.
 */
test('a model beside a card that cannot be read is not removed, and stays as it is', async (t) => {
  const hive = await startHive();
  t.after(() => hive.stop());
  const before = await add(hive, 'near'), other = path.join(path.dirname(before.local_path), 'other.gguf.json');
  const refused = async (why) => {
    const { status, json } = await remove(hive, '/v1/models?model_ref=local:near');
    assert.deepStrictEqual([status, json.error.code], [400, 'INVALID_REQUEST'], JSON.stringify(json));
    assert.match(json.error.message, why);
    assert.doesNotMatch(JSON.stringify(json.error), /permissions/);
    assert.deepStrictEqual(await row(hive, 'local:near'), before);
    assert.ok(fs.existsSync(before.local_path));
  };
  fs.writeFileSync(other, JSON.stringify({ version: 2 }));
  await refused(/^local:near was not removed: another model lies in its folder; .*other\.gguf\.json was written by a newer rbee .*: start that one/);
  fs.unlinkSync(other);
  fs.symlinkSync(other, other); // ELOOP, as any other errno
  await refused(/^local:near was not removed: .*other\.gguf\.json: .*let rbee read this file, or delete it, if that model is needed no more$/);
  fs.unlinkSync(other);
  assert.strictEqual((await cli(hive, 'models', 'rm', 'local:near')).code, 0);
  assert.ok(!fs.existsSync(before.local_path));
});

/* Its size was counted as freed, though it was neither shown nor deleted: JSON has no word for its name. */
test('prune counts what it shows, and leaves a file whose name is not UTF-8', async (t) => {
  const hive = await startHive();
  t.after(() => hive.stop());
  const folder = path.join(hive.home, 'models/hf/org/left/' + 'c'.repeat(40));
  const odd = Buffer.concat([Buffer.from(folder + '/x'), Buffer.from([0xff]), Buffer.from('.gguf')]);
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(odd, Buffer.alloc(100000, 1));
  fs.writeFileSync(path.join(folder, 'y.gguf'), Buffer.alloc(2000, 1));
  const { items, freed_bytes: freed } = (await get(hive, '/v1/models/prune')).json;
  assert.deepStrictEqual(items.map((i) => path.basename(i.path)), ['y.gguf']);
  assert.strictEqual(freed, items[0].size_bytes);
  await hive.says(/x.*\.gguf: prune leaves it alone/);
  const done = await cli(hive, 'models', 'prune', '--yes');
  assert.strictEqual(done.code, 0, done.stderr);
  assert.deepStrictEqual([fs.existsSync(odd), fs.existsSync(path.join(folder, 'y.gguf'))], [true, false]);
});

/* The 10,001st was passed over without a word: "There is nothing to delete" needed a second look to be true. */
test('prune shows 10,000 at a time, and says how many are left', async (t) => {
  const hive = await startHive();
  t.after(() => hive.stop());
  const folder = path.join(hive.home, 'models/hf/org/left/' + 'c'.repeat(40));
  fs.mkdirSync(folder, { recursive: true });
  for (let i = 0; i < 10003; i++) fs.closeSync(fs.openSync(path.join(folder, `x${i}.gguf.part`), 'w'));
  const plan = (await get(hive, '/v1/models/prune')).json;
  assert.deepStrictEqual([plan.items.length, plan.left_out], [10000, 3]);
  const done = await cli(hive, 'models', 'prune', '--yes');
  assert.match(done.stderr, /^3 more can be deleted once these are: prune again then\.$/m);
  assert.strictEqual(fs.readdirSync(folder).length, 3);
});

/* It said that nothing refers to the link, and deleted it: the models on that disk were lost sight of. */
test('prune leaves alone what leads to models on another disk, also while that is away', async (t) => {
  const hive = await startHive(), disk = makeFolder('rbee-disk-');
  t.after(() => hive.stop());
  const m = await add(hive, 'elsewhere'), folder = path.dirname(path.dirname(m.local_path));
  const pruned = async () => (await get(hive, '/v1/models/prune')).json.items.map((i) => i.path ?? i.model_ref);
  fs.cpSync(folder, path.join(disk, 'there'), { recursive: true });
  fs.rmSync(folder, { recursive: true });
  fs.symlinkSync(path.join(disk, 'there'), folder);
  assert.deepStrictEqual(await pruned(), []);
  fs.renameSync(path.join(disk, 'there'), path.join(disk, 'away'));
  assert.deepStrictEqual(await pruned(), ['local:elsewhere']);
  assert.strictEqual((await cli(hive, 'models', 'prune', '--yes')).code, 0);
  assert.ok(fs.lstatSync(folder).isSymbolicLink());
});

/* Whoever was told `rel.gguf` as a model's path stood elsewhere. */
test('a bundled model that is told by a relative path is listed with its full one', async (t) => {
  const file = path.join(fs.realpathSync(makeFolder('rbee-tiny-')), 'rel.gguf');
  writeHollowModel(file, { layers: 1, ctx: 199 });
  const hive = await startHive({ env: { RBEE_TINY: path.relative(fs.realpathSync(os.tmpdir()), file) } });
  t.after(() => hive.stop());
  assert.strictEqual((await get(hive, '/v1/models')).json.models[0].local_path, file);
});

/* With PREFIX=~/.local a ~/models/tiny.gguf of somebody's own was `tiny`, "bundled", instead of the installed one. */
test('the bundled model is the installed one, not one of a folder `models` nearby', async (t) => {
  const home = fs.realpathSync(makeFolder('rbee-prefix-')), program = path.join(home, '.local/bin/rbee-hive');
  const put = (...where) => {
    const file = path.join(home, ...where);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    writeHollowModel(file, { layers: 1, ctx: 198 });
    return file;
  };
  put('models/tiny.gguf');
  fs.mkdirSync(path.dirname(program), { recursive: true });
  fs.copyFileSync(HIVE, program);
  const hive = await startHive({ program });
  t.after(() => hive.stop());
  const bundled = async () => (await get(hive, '/v1/models')).json.models.map((m) => fs.realpathSync(m.local_path));
  assert.deepStrictEqual(await bundled(), []);
  const installed = put('.local/share/rbee/tiny.gguf');
  assert.deepStrictEqual(await bundled(), [installed]);
});

/*
 * The rows kept the paths of before: the list showed them, the first request for a model got "its file is no
 * longer there", the next ones "not on this machine", until the hive was started once more.
 */
test('models that were moved, with their folder or with the home, are served from where they are', async (t) => {
  let hive = await startHive();
  t.after(() => hive.stop());
  await add(hive, 'nomad');
  await spawnReady(hive, 'local:nomad', { slots: 1, ctx: 64 });
  const { last_used_at: used, downloaded_at: came } = await row(hive, 'local:nomad');
  assert.ok(used);
  const data = path.join(makeFolder('rbee-data-'), 'models'), home = path.join(makeFolder('rbee-data-'), 'home');
  const moves = [
    [() => fs.renameSync(path.join(hive.home, 'models'), data), () => ({ home: hive.home, env: { RBEE_HIVE_MODELS_DIR: data } }), data],
    [() => { fs.renameSync(data, path.join(hive.home, 'models')); fs.renameSync(hive.home, home); }, () => ({ home }), home],
  ];
  for (const [move, options, where] of moves) {
    await hive.stop();
    move();
    hive = await startHive(options());
    const m = await row(hive, 'local:nomad');
    assert.ok(m.local_path.startsWith(`${where}/`) && fs.existsSync(m.local_path), m.local_path);
    assert.deepStrictEqual([m.last_used_at, m.downloaded_at], [used, came]);
    assert.strictEqual((await post(hive, '/v1/models/download', { model_ref: 'local:nomad' })).json.local_path, m.local_path);
  }
});

/* The rows of a copy led to the first one's files, which were there, and whose cards were nothing to this hive: it told
 * each model as damaged, to be removed and pulled again. */
test('models of which a copy is made, with their folder or with the home, are not told as damaged', async (t) => {
  let hive = await startHive();
  t.after(() => hive.stop());
  await add(hive, 'copied');
  await add(hive, 'halved');
  const data = path.join(makeFolder('rbee-data-'), 'models'), home = path.join(makeFolder('rbee-data-'), 'home');
  await hive.stop();
  fs.cpSync(path.join(hive.home, 'models'), data, { recursive: true });
  fs.cpSync(hive.home, home, { recursive: true });
  for (const [options, where] of [[{ home: hive.home, env: { RBEE_HIVE_MODELS_DIR: data } }, data], [{ home }, home]]) {
    await hive.stop();
    hive = await startHive(options);
    for (const m of await kept(hive)) assert.ok(m.local_path.startsWith(`${where}/`), m.local_path);
    assert.doesNotMatch(hive.stderr, /gone or damaged/);
    assert.strictEqual((await cli(hive, 'models', 'verify')).stdout.match(/^local:\w+: as it was/gm).length, 2);
  }
  const { local_path: file } = await row(hive, 'local:halved');
  const third = path.join(makeFolder('rbee-data-'), 'home');
  await hive.stop();
  fs.cpSync(home, third, { recursive: true, filter: (from) => from !== path.dirname(file) }); // not all of it
  hive = await startHive({ home: third });
  await hive.says(/what was noted of local:halved when it came is gone or damaged/);
  assert.doesNotMatch(hive.stderr, /local:copied/);
});

describe('the database', () => {
  const home = makeFolder('rbee-db-');
  const db = path.join(home, 'models.db');
  let expected;
  const start = () => startHive({ home });
  const told = async (hive) => (await kept(hive)).map((m) => [m.model_ref, m.sha256, m.verified]);
  const came = new Date('2026-01-02T03:04:05.678Z'); // so the cards say

  before(async () => {
    const hive = await start();
    for (const name of ['one', 'two']) await add(hive, name);
    expected = await told(hive);
    await hive.stop();
    assert.strictEqual(expected.length, 2);
    const models = path.join(home, 'models');
    for (const card of fs.readdirSync(models, { recursive: true }).filter((f) => f.endsWith('.json'))) fs.utimesSync(path.join(models, card), came, came);
  });

  const damages = {
    'cut in the middle': () => fs.truncateSync(db, fs.statSync(db).size - 1000),
    'cut to half a page': () => fs.truncateSync(db, 2000),
    'noise for a header': () => { const fd = fs.openSync(db, 'r+'); fs.writeSync(fd, crypto.randomBytes(100), 0, 100, 0); fs.closeSync(fd); },
    'noise all over': () => fs.writeFileSync(db, crypto.randomBytes(20000)),
    'another kind of file': () => fs.writeFileSync(db, 'models:\n  - one\n'),
    'the pages behind the first are zero': () => { const n = fs.statSync(db).size; const fd = fs.openSync(db, 'r+'); fs.writeSync(fd, Buffer.alloc(n - 4096), 0, n - 4096, 4096); fs.closeSync(fd); },
  };
  for (const [how, damage] of Object.entries(damages)) {
    test(`${how}: set aside, and made again from what is on disk`, async () => {
      fs.rmSync(`${db}-wal`, { force: true });
      damage();
      const damaged = fs.readFileSync(db);
      const hive = await start();
      try {
        assert.deepStrictEqual(await told(hive), expected);
        for (const m of await kept(hive)) assert.strictEqual(Math.floor(Date.parse(m.downloaded_at) / 1000), Math.floor(came / 1000), JSON.stringify(m));
        assert.match(hive.stderr, /the catalog \S+models\.db was damaged: it is now \S+\.corrupt-\d+/);
        const aside = fs.readdirSync(home).filter((f) => /^models\.db\.corrupt-\d+$/.test(f));
        assert.strictEqual(aside.length, 1);
        assert.ok(fs.readFileSync(path.join(home, aside[0])).equals(damaged), 'nothing of it is lost');
      } finally {
        await hive.stop();
        for (const f of fs.readdirSync(home).filter((n) => /corrupt/.test(n))) fs.rmSync(path.join(home, f));
      }
    });
  }

  /* The model was on no list any more, and nobody was told why. */
  test('a damaged card is named in the log when the catalog is made again', async () => {
    const own = makeFolder('rbee-db-'), models = path.join(own, 'models');
    const first = await startHive({ home: own });
    await add(first, 'gone');
    await first.stop();
    const card = path.join(models, fs.readdirSync(models, { recursive: true }).find((f) => f.endsWith('.json')));
    fs.truncateSync(card, 100);
    for (const f of fs.readdirSync(own).filter((n) => n.startsWith('models.db'))) fs.rmSync(path.join(own, f));
    const hive = await startHive({ home: own });
    await hive.says(new RegExp(`${card} cannot be read as what was noted of a model`));
    assert.deepStrictEqual(await kept(hive), []);
    await hive.stop();
  });

  test('what was judged stays judged: the licence is known, a file is not looked at again', async () => {
    const folder = makeFolder('rbee-judge-'), worker = path.join(folder, 'worker'), looks = path.join(folder, 'looks');
    fs.writeFileSync(worker, `#!/bin/sh\necho "$1" >> '${looks}'\nexec '${WORKER}' "$@"\n`, { mode: 0o755 });
    fs.writeFileSync(looks, '');
    const own = makeFolder('rbee-db-'), file = path.join(folder, 'lic.gguf');
    const begin = () => startHive({ home: own, env: { RBEE_HIVE_WORKER: worker } });
    const manifest = async (hive) => (await get(hive, '/v1/models/manifest?model_ref=local:lic')).json.models[0];
    writeHollowModel(file, { layers: 1, ctx: 777, license: 'llama3.2' });
    let hive = await begin();
    assert.strictEqual((await cli(hive, 'models', 'import', file)).code, 0);
    assert.strictEqual(fs.readFileSync(looks, 'utf8'), 'inspect\n');
    const before = await manifest(hive);
    assert.strictEqual(before.license, 'llama3.2');
    for (const damage of [(f) => fs.writeFileSync(f, crypto.randomBytes(20000)), (f) => fs.rmSync(f)]) {
      await hive.stop();
      fs.rmSync(path.join(own, 'models.db-wal'), { force: true });
      damage(path.join(own, 'models.db'));
      hive = await begin();
      assert.deepStrictEqual(await manifest(hive), before);
      assert.strictEqual((await cli(hive, 'models', 'import', file)).code, 0); // asks for the verdict
      assert.strictEqual(fs.readFileSync(looks, 'utf8'), 'inspect\n', 'once in all');
    }
    await hive.stop();
  });

  /* A model that the program of then could not run stayed away after the upgrade that was made for it, without a word. */
  test('a model that could not be run is asked about again after an upgrade, and only then', async (t) => {
    let hive = await startHive();
    t.after(() => hive.stop());
    const { local_path: file } = await add(hive, 'learnt'), card = `${file}.json`;
    const again = async (judge) => {
      await hive.stop();
      const text = JSON.parse(fs.readFileSync(card, 'utf8'));
      text.verdict = { judge: judge ?? text.verdict.judge, code: 'UNSUPPORTED_MODEL', message: 'architecture x is not known', license: '' };
      fs.writeFileSync(card, JSON.stringify(text));
      for (const name of fs.readdirSync(hive.home)) if (name.startsWith('models.db')) fs.rmSync(path.join(hive.home, name));
      hive = await startHive({ home: hive.home });
    };
    await again();
    await hive.says(/learnt\.gguf\.json is on the disk, but does not enter the catalog: architecture x is not known/);
    assert.strictEqual(await row(hive, 'local:learnt'), undefined);
    assert.match(fs.readFileSync(card, 'utf8'), /^\{"version":1,/, 'nothing new is known: it was not written again');
    await again('0.0.9-1-1');
    await until(() => row(hive, 'local:learnt'), () => hive.stderr);
    await until(() => JSON.parse(fs.readFileSync(card, 'utf8')).verdict.code === '', 'the verdict');
  });

  test('empty, or gone: made again', async () => {
    for (const damage of [() => fs.truncateSync(db, 0), () => fs.rmSync(db)]) {
      damage();
      fs.rmSync(`${db}-wal`, { force: true });
      const hive = await start();
      assert.deepStrictEqual(await told(hive), expected);
      await hive.stop();
    }
  });

  test('two hives on one home: the second one says whose it is', async () => {
    const hive = await start();
    const second = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', home], { env: { HOME: home } });
    assert.strictEqual((await second.end()).code, 1);
    assert.match(second.stderr, new RegExp(`another rbee-hive \\(process ${hive.pid}\\) uses the home`));
    hive.signal('SIGKILL');
    await hive.ended;
    const third = await start(); // a dead one holds nothing
    assert.deepStrictEqual(await told(third), expected);
    await third.stop();
  });

  /* Both fetched into the same part, and one put the other's wrong bytes over a model that was verified. */
  test('two hives with homes of their own on one folder of models: neither', async (t) => {
    const hive = await startHive(), other = makeFolder('rbee-hive-'), models = path.join(hive.home, 'models');
    t.after(() => hive.stop());
    const env = { HOME: other, RBEE_HIVE_MODELS_DIR: models }, args = ['daemon', '--addr', '127.0.0.1:0', '--home', other];
    const second = new Proc(HIVE, args, { env });
    assert.strictEqual((await second.end()).code, 1);
    assert.match(second.stderr, new RegExp(`another rbee-hive \\(process ${hive.pid}\\) keeps its models in ${models}; .*models_dir`));
    hive.signal('SIGKILL');
    await hive.ended;
    const third = await startHive({ home: other, env }); // a dead one holds nothing
    assert.doesNotMatch(third.stderr, /lock/);
    await third.stop();
    fs.rmSync(path.join(models, '.hive.lock')); // where nothing can be locked, it is said, and goes on
    fs.symlinkSync('/nowhere', path.join(models, '.hive.lock'));
    const fourth = await startHive({ home: other, env });
    assert.match(fourth.stderr, /cannot open .*\.hive\.lock: .*: no other rbee-hive may use this folder/);
    await fourth.stop();
  });
});
