'use strict';
/*
 * import.test.js - models by disk instead of by net: files of the user's, what other programs keep,
 * folders for machines without a network. A real hive and a real keeper; the stores are laid out here
 * as their programs lay them out.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { execFileSync } = require('node:child_process');

const { makeFolder, smallDisk, testModel } = require('./lib/proc.js');
const { startHive, get, post, spawnReady } = require('./lib/hive.js');
const { stream } = require('./lib/sse.js');
const { writeHollowModel } = require('./lib/gguf.js');
const keeper = require('./lib/keeper.js');

const sha256 = (file) => crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex');
const inode = (file) => fs.lstatSync(file).ino;
const kept = async (hive) => (await get(hive, '/v1/models')).json.models.filter((m) => m.model_ref !== 'tiny');
const row = async (hive, ref) => (await kept(hive)).find((m) => m.model_ref === ref);

let made = 0;
/* A model that can be run; no two have the same bytes. */
function model(file) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  writeHollowModel(file, { layers: 1, ctx: 128 + made++ });
  return file;
}

/* All events of a chore, which must end in order. */
async function chore(hive, where, body) {
  const s = await stream(hive.url + where, { method: 'POST', body });
  const events = await s.all();
  assert.strictEqual(s.status, 200, s.raw);
  assert.ok(s.done, s.raw);
  return events.filter((e) => e.bytes_done === undefined);
}
const importing = (hive, body) => chore(hive, '/v1/models/import', body);

/* What the keeper says, and its exit code. */
const cli = (hive, ...args) => keeper.run([...args, '--node', hive.url]);

/* A file of 50 GB was read through, and then refused for its name. */
test('a name that no file here can have is refused before the file is hashed', async (t) => {
  const hive = await startHive(), folder = makeFolder('rbee-named-');
  t.after(() => hive.stop());
  const file = model(path.join(folder, '\u6a21'.repeat(24) + '.gguf'));
  const r = await post(hive, '/v1/models/import', { path: file, as: 'long' });
  assert.match(r.text, /"code":"INVALID_REQUEST","message":"a name of 77 bytes is too long for a file: it has 221 /);
  assert.doesNotMatch(r.text, /"stage":"hashing"/);
  assert.match(r.text, /"imported":0,"failed":1/);
});

/* What was past the limit was left out in silence: of a cache with a thousand data sets, each model. */
test('what is past the limit of a store is told, and comes by its name', async (t) => {
  const home = makeFolder('rbee-home-'), hub = path.join(home, '.cache/huggingface/hub');
  model(path.join(hub, 'models--org--z/snapshots', 'c'.repeat(40), 'z.Q8_0.gguf'));
  for (let i = 0; i <= 1000; i++) fs.symlinkSync('nowhere', path.join(hub, `models--a--r${i}`));
  const hive = await startHive({ env: { HOME: home } });
  t.after(() => hive.stop());
  assert.strictEqual((await get(hive, '/v1/models/import')).json.not_looked_at, 2);
  assert.match((await cli(hive, 'models', 'import', '--scan')).stderr, /^2 more of what is kept there were not looked at: the limits are 1000 a store, and 16 MiB of paths and names\./m);
  const all = await cli(hive, 'models', 'import', 'hf-cache');
  assert.strictEqual(all.code, 1);
  assert.match(all.stderr, /^the rest: INVALID_REQUEST: 2 more repositories, .* the limits are 1000, and 16777216 bytes of paths and names: /m);
  const one = await cli(hive, 'models', 'import', 'hf-cache:org/z/z.Q8_0.gguf');
  assert.strictEqual(one.code, 0, one.stderr);
});

describe('a file of the user\'s', () => {
  let hive, folder;
  before(async () => { hive = await startHive(); folder = makeFolder('rbee-mine-'); });
  after(() => hive.stop());

  test('is taken in without a copy, told how, and can be used by its name', async () => {
    const file = model(path.join(folder, 'My tale.Q8_0.gguf'));
    const r = await cli(hive, 'models', 'import', file);
    assert.strictEqual(r.code, 0, r.stderr);
    assert.match(r.stdout, /^local:My-tale\.Q8_0: .*(reflink|hard link|reference in place), from My tale\.Q8_0\.gguf$/m);
    const m = await row(hive, 'local:My-tale.Q8_0');
    assert.strictEqual(m.sha256, sha256(file));
    assert.strictEqual(m.verified, true);
    assert.strictEqual(m.quantization, 'Q8_0');
    assert.strictEqual(m.source, file);
    assert.strictEqual(m.size_bytes, fs.statSync(file).size);
    assert.ok(m.local_path.startsWith(path.join(hive.home, 'models/local/')));
    if (/hard link/.test(r.stdout)) assert.strictEqual(inode(m.local_path), inode(file));
    const worker = await spawnReady(hive, 'local:My-tale.Q8_0', { slots: 1, ctx: 64 });
    assert.ok(worker.url);
  });

  test('again: it is here already; under a name that is another file\'s: refused', async () => {
    const file = model(path.join(folder, 'twice.gguf'));
    assert.strictEqual((await importing(hive, { path: file })).at(-1).imported, 1);
    assert.strictEqual((await importing(hive, { path: file }))[0].how, 'already here');
    const other = model(path.join(folder, 'other/twice.gguf'));
    const [error, end] = await importing(hive, { path: other });
    assert.strictEqual(error.code, 'INVALID_REQUEST');
    assert.match(error.message, /local:twice is another file already.*--as/);
    assert.deepStrictEqual([end.imported, end.failed], [0, 1]);
    const r = await cli(hive, 'models', 'import', other, '--as', 'third');
    assert.strictEqual(r.code, 0, r.stderr);
    assert.strictEqual((await row(hive, 'local:third')).sha256, sha256(other));
  });

  /* It was called as what the link led to: local:0123456789abcdef; a split model whose parts were links was "part 2
   * of 2: cannot read". */
  test('a link is called by its own name, and has its siblings beside it', async () => {
    const blobs = path.join(folder, 'blobs'), snap = path.join(folder, 'snap'), real = model(path.join(blobs, '0123456789abcdef'));
    fs.mkdirSync(snap);
    fs.symlinkSync(real, path.join(snap, 'Linked.Q4_K_M.gguf'));
    assert.strictEqual((await importing(hive, { path: path.join(snap, 'Linked.Q4_K_M.gguf') }))[0].model_ref, 'local:Linked.Q4_K_M');
    const m = await row(hive, 'local:Linked.Q4_K_M');
    assert.deepStrictEqual([m.quantization, m.sha256], ['Q4_K_M', sha256(real)]);
    writeHollowModel(path.join(blobs, 's.gguf'), { layers: 1, ctx: 99, parts: 2 });
    for (const part of ['00001-of-00002', '00002-of-00002']) {
      fs.renameSync(path.join(blobs, `s-${part}.gguf`), path.join(blobs, part));
      fs.symlinkSync(path.join(blobs, part), path.join(snap, `Split-${part}.gguf`));
    }
    const [imported] = await importing(hive, { path: path.join(snap, 'Split-00001-of-00002.gguf'), how: 'copy' });
    assert.strictEqual(imported.model_ref, 'local:Split', JSON.stringify(imported));
  });

  /* A model could be put anywhere under any name: as authorized_keys into ~/.ssh, as hf-token into the hive's home. */
  test('a file without an ending gets one: what rbee keeps or puts elsewhere is called *.gguf', async () => {
    const file = model(path.join(folder, 'authorized_keys')), out = makeFolder('rbee-out-');
    assert.strictEqual((await importing(hive, { path: file, how: 'copy' }))[0].model_ref, 'local:authorized_keys');
    assert.match((await row(hive, 'local:authorized_keys')).local_path, /\/authorized_keys\.gguf$/);
    const [exported] = await chore(hive, '/v1/models/export', { model_ref: 'local:authorized_keys', dir: out });
    assert.strictEqual(exported.file, 'authorized_keys.gguf', JSON.stringify(exported));
    assert.deepStrictEqual(fs.readdirSync(out).sort(), ['authorized_keys.gguf', 'rbee-manifest.json']);
    assert.strictEqual((await importing(hive, { path: file }))[0].how, 'already here');
  });

  test('--copy shares nothing, --move takes it away, a relative path is the keeper\'s', async () => {
    const a = model(path.join(folder, 'a.gguf')), b = model(path.join(folder, 'b.gguf'));
    const digest = sha256(b);
    const copy = await keeper.run(['models', 'import', './a.gguf', '--copy', '--node', hive.url], { cwd: folder });
    assert.strictEqual(copy.code, 0, copy.stderr);
    assert.match(copy.stdout, /copy|reflink/);
    assert.notStrictEqual(inode((await row(hive, 'local:a')).local_path), inode(a));
    assert.strictEqual((await cli(hive, 'models', 'import', b, '--move')).code, 0);
    assert.ok(!fs.existsSync(b));
    assert.strictEqual(sha256((await row(hive, 'local:b')).local_path), digest);
  });

  test('a split model is taken whole or not at all', async () => {
    const first = model(path.join(folder, 'split/s-00001-of-00002.gguf'));
    const [error] = await (async () => {
      const answer = await post(hive, '/v1/models/import', { path: first });
      return [answer.json.error];
    })();
    assert.strictEqual(error.code, 'MODEL_NOT_FOUND');
    assert.match(error.message, /part 2 of 2/);
  });

  test('what cannot be run does not enter, and stays where it was', async () => {
    for (const [name, bytes, code] of [['empty.gguf', Buffer.alloc(0), /INVALID_MODEL_FILE/],
      ['noise.gguf', crypto.randomBytes(5000), /INVALID_MODEL_FILE/],
      ['cut.gguf', fs.readFileSync(model(path.join(folder, 'whole.gguf'))).subarray(0, 3000), /INVALID_MODEL_FILE/]]) {
      const file = path.join(folder, name);
      fs.writeFileSync(file, bytes);
      const r = await cli(hive, 'models', 'import', file);
      assert.strictEqual(r.code, 1, r.stdout);
      assert.match(r.stderr, code);
      assert.ok(fs.readFileSync(file).equals(bytes));
      assert.strictEqual(await row(hive, `local:${name.replace('.gguf', '')}`), undefined);
    }
    assert.strictEqual((await post(hive, '/v1/models/prune', { plan: 'x' })).status, 409);
    assert.deepStrictEqual((await get(hive, '/v1/models/prune')).json.items, [], 'nothing was left behind');
  });

  test('bad asks are refused, with every field', async () => {
    const bad = await post(hive, '/v1/models/import', { path: 'x.gguf', how: 'steal', store: 'attic' });
    assert.strictEqual(bad.status, 400);
    assert.ok(bad.json.error.details.errors.length >= 3, bad.text);
    const move = await post(hive, '/v1/models/import', { store: 'ollama', how: 'move' });
    assert.match(move.text, /only read/);
    assert.strictEqual((await post(hive, '/v1/models/import', { path: path.join(folder, 'none.gguf') })).status, 404);
    const own = (await kept(hive))[0].local_path;
    assert.match((await importing(hive, { path: own }))[0].message, /own models folder/);
  });
});

describe('what other programs keep', () => {
  const COMMIT = 'a'.repeat(40), OLD = 'b'.repeat(40);
  let hive, home, blobs, digest;

  function putHf(repo, commit, name, { main = false } = {}) {
    const folder = path.join(home, '.cache/huggingface/hub', `models--${repo.replace('/', '--')}`);
    const file = model(path.join(folder, 'blobs/new'));
    const blob = path.join(folder, 'blobs', sha256(file));
    fs.renameSync(file, blob);
    const link = path.join(folder, 'snapshots', commit, name);
    fs.mkdirSync(path.dirname(link), { recursive: true });
    fs.symlinkSync(path.relative(path.dirname(link), blob), link);
    fs.mkdirSync(path.join(folder, 'refs'), { recursive: true });
    if (main) fs.writeFileSync(path.join(folder, 'refs/main'), commit);
    return blob;
  }

  function putOllama(where, { size = null, hex = null, beside = [] } = {}) {
    const file = model(path.join(home, '.ollama/models/blobs/new'));
    const found = sha256(file);
    fs.renameSync(file, path.join(blobs, `sha256-${hex || found}`));
    const manifest = path.join(home, '.ollama/models/manifests', where);
    fs.mkdirSync(path.dirname(manifest), { recursive: true });
    fs.writeFileSync(manifest, JSON.stringify({ schemaVersion: 2,
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      config: { mediaType: 'application/vnd.docker.container.image.v1+json', digest: `sha256:${'0'.repeat(64)}`, size: 3 },
      layers: [{ mediaType: 'application/vnd.ollama.image.license', digest: `sha256:${'1'.repeat(64)}`, size: 9 },
        { mediaType: 'application/vnd.ollama.image.model', digest: `sha256:${hex || found}`,
          size: size ?? fs.statSync(path.join(blobs, `sha256-${hex || found}`)).size },
        ...beside.map((type) => ({ mediaType: `application/vnd.ollama.image.${type}`, digest: `sha256:${'2'.repeat(64)}`, size: 9 }))] }));
    return found;
  }

  before(async () => {
    home = makeFolder('rbee-home-');
    blobs = path.join(home, '.ollama/models/blobs');
    putHf('org/tale', COMMIT, 'q4/tale.Q4_K_M.gguf', { main: true });
    putHf('org/tale', OLD, 'tale.Q8_0.gguf');
    fs.symlinkSync('/etc/hostname', path.join(home, '.cache/huggingface/hub/models--org--tale/snapshots', COMMIT, 'evil.gguf'));
    fs.mkdirSync(path.join(home, '.cache/huggingface/hub/models--..--evil/snapshots/x'), { recursive: true });
    digest = putOllama('registry.ollama.ai/library/tale/8b');
    putOllama('registry.ollama.ai/ann/mine/latest');
    putOllama('registry.ollama.ai/library/bad/1b', { hex: 'c'.repeat(64) });
    putOllama('registry.ollama.ai/library/short/1b', { size: 12 });
    fs.writeFileSync(path.join(home, '.ollama/models/manifests/registry.ollama.ai/library/tale/garbage'), '{"layers":[[]]');
    hive = await startHive({ env: { HOME: home } });
  });
  after(() => hive.stop());

  test('is listed: by name, with what it would be called here', async () => {
    const r = await cli(hive, 'models', 'import', '--scan', '--json');
    const found = JSON.parse(r.stdout).found;
    assert.deepStrictEqual(found.map((f) => [f.store, f.name, f.model_ref, f.quantization]).sort(), [
      ['hf-cache', 'org/tale/q4/tale.Q4_K_M.gguf', 'hf:org/tale:q4/tale.Q4_K_M.gguf', 'Q4_K_M'],
      ['hf-cache', 'org/tale/tale.Q8_0.gguf', `hf:org/tale:tale.Q8_0.gguf@${OLD}`, 'Q8_0'],
      ['ollama', 'ann/mine:latest', 'local:ann/mine:latest', ''],
      ['ollama', 'bad:1b', 'local:bad:1b', ''],
      ['ollama', 'tale:8b', 'local:tale:8b', ''],
    ]);
    assert.match((await cli(hive, 'models', 'import', '--scan')).stdout, /^ollama:tale:8b +- +\S+ \S+ +local:tale:8b$/m);
  });

  test('one model by its name; a wrong name gets the near ones', async () => {
    const wrong = await cli(hive, 'models', 'import', 'ollama:tael:8b');
    assert.strictEqual(wrong.code, 1);
    assert.match(wrong.stderr, /there is no 'tael:8b'.*nearest: tale:8b/);
    const r = await cli(hive, 'models', 'import', 'ollama:tale:8b');
    assert.strictEqual(r.code, 0, r.stderr);
    const m = await row(hive, 'local:tale:8b');
    assert.strictEqual(m.sha256, digest);
    assert.strictEqual(m.source, 'ollama:tale:8b');
    assert.match(m.local_path, /tale-8b\.gguf$/);
    assert.strictEqual((await importing(hive, { store: 'ollama', name: 'ann/mine' })).at(-1).imported, 1);
  });

  test('all of a store: a blob that is not what its name says is refused, the others are taken', async () => {
    const before = fs.readdirSync(blobs).sort();
    const events = await importing(hive, { store: 'ollama' });
    const bad = events.find((e) => e.stage === 'error');
    assert.strictEqual(bad.name, 'bad:1b');
    assert.strictEqual(bad.code, 'CHECKSUM_MISMATCH');
    assert.deepStrictEqual([events.at(-1).imported, events.at(-1).failed], [2, 1]);
    assert.deepStrictEqual(fs.readdirSync(blobs).sort(), before, 'the store is only read');
    assert.strictEqual((await importing(hive, { store: 'hf-cache' })).at(-1).imported, 2);
    const m = await row(hive, 'hf:org/tale:q4/tale.Q4_K_M.gguf');
    assert.strictEqual(m.source, `hf:org/tale@${COMMIT}`);
    assert.ok(await row(hive, `hf:org/tale:tale.Q8_0.gguf@${OLD}`));
  });

  /* ":latest", the tag that most of Ollama's models have, was cut off before a name was looked up: no spelling named
   * such a model to the gateway, not even the one on the hive's own list. */
  test('a model tagged latest is known by what the list calls it, and without the tag', async () => {
    const meant = async (name) => {
      const [one, shown] = [await get(hive, `/v1/models/${name}`), await post(hive, '/api/show', { model: name })];
      assert.strictEqual(shown.status, one.status, shown.text);
      return one.json.id;
    };
    for (const name of ['local:ann/mine:latest', 'ann/mine:latest', 'local:ann/mine', 'ann/mine', 'Ann/Mine', 'ann-mine-latest']) {
      assert.strictEqual(await meant(name), 'local:ann/mine:latest', name);
    }
    for (const name of ['local:tale:8b', 'tale:8b', 'tale:8b:latest']) assert.strictEqual(await meant(name), 'local:tale:8b', name);
    assert.strictEqual(await meant('mine'), undefined);
    // Both are there: each is nearest to its own name.
    const plain = await cli(hive, 'models', 'import', model(path.join(home, 'plain.gguf')), '--as', 'ann/mine');
    assert.strictEqual(plain.code, 0, plain.stderr);
    for (const name of ['ann/mine', 'ann/mine:latest']) assert.strictEqual(await meant(name), `local:${name}`);
  });

  /* A base model and an adapter came in as the base model, under the name of the fine-tuned one and without a word; what
   * else Ollama had beside a model was lost in silence, too. */
  test('an adapter is refused by name, and what else is left out is told', async () => {
    putOllama('registry.ollama.ai/library/pirate/latest', { beside: ['adapter', 'system'] });
    putOllama('registry.ollama.ai/library/dressed/latest', { beside: ['params', 'template', 'system'] });
    const found = (await get(hive, '/v1/models/import')).json.found;
    assert.match(found.find((f) => f.name === 'pirate:latest').refused, /is a base model and an adapter \(LoRA\)/);
    const dressed = found.find((f) => f.name === 'dressed:latest');
    assert.deepStrictEqual([dressed.left_out, dressed.refused], [['system', 'template', 'params'], undefined]);
    assert.match((await cli(hive, 'models', 'import', '--scan')).stdout, /^ollama:pirate:latest .* - \(it has an adapter\)$/m);

    const refused = await cli(hive, 'models', 'import', 'ollama:pirate');
    assert.strictEqual(refused.code, 1, refused.stdout);
    assert.match(refused.stderr, /UNSUPPORTED_MODEL: the model 'pirate:latest' is a base model and an adapter .*merge it into the model first/);
    assert.strictEqual(await row(hive, 'local:pirate:latest'), undefined);
    const taken = await cli(hive, 'models', 'import', 'ollama:dressed');
    assert.strictEqual(taken.code, 0, taken.stderr);
    assert.match(taken.stdout, /from dressed:latest \(left out: system, template, params\)$/m);
  });
});

describe('a folder for a machine without a network', () => {
  let here, there, folder;
  before(async () => {
    [here, there] = await Promise.all([startHive(), startHive()]);
    folder = path.join(makeFolder('rbee-stick-'), 'models');
    const mine = makeFolder('rbee-mine-');
    for (const name of ['one.Q4_0.gguf', 'two.gguf', 'three.gguf']) {
      assert.strictEqual((await cli(here, 'models', 'import', model(path.join(mine, name)))).code, 0);
    }
  });
  after(() => Promise.all([here.stop(), there.stop()]));

  /* The files were copied, and then the list was one that nobody can read. */
  test('a list that is full takes no more, and no file is copied', async () => {
    const full = makeFolder('rbee-full-'), list = path.join(full, 'rbee-manifest.json');
    assert.strictEqual((await cli(here, 'models', 'export', 'local:one.Q4_0', full)).code, 0);
    const manifest = JSON.parse(fs.readFileSync(list));
    for (let i = 1; i < 1000; i++) manifest.models.push({ ...manifest.models[0], model_ref: `local:x${i}` });
    fs.writeFileSync(list, JSON.stringify(manifest));
    const [event] = await chore(here, '/v1/models/export', { model_ref: 'local:two', dir: full });
    assert.deepStrictEqual([event.stage, event.code], ['error', 'INVALID_REQUEST']);
    assert.match(event.message, /lists 1000 models, which is the most: export into another folder/);
    assert.deepStrictEqual(fs.readdirSync(full).sort(), ['one.Q4_0.gguf', 'rbee-manifest.json']);
    assert.strictEqual((await cli(here, 'models', 'export', 'local:one.Q4_0', full)).code, 0); // in its own place
  });

  /*
   * A hive that was killed while it copied left its copies, of the model's size, beside what came of the next try. Then the
   * files of other programs went as well: "NAME.tmp-" and digits is what many call theirs.
   */
  test('export gives human names and a list of digests, and clears away what a killed one left', async () => {
    fs.mkdirSync(folder);
    const theirs = ['two.gguf.tmp-20261127', 'rbee-manifest.json.tmp-12'], old = Date.now() / 1000 - 7200;
    for (const name of ['two.gguf.rbee.tmp-4711', 'rbee-manifest.json.rbee.tmp-12', ...theirs]) {
      fs.writeFileSync(path.join(folder, name), 'x');
      fs.utimesSync(path.join(folder, name), old, old);
    }
    for (const name of ['one.Q4_0', 'two', 'three', 'two']) {
      const r = await cli(here, 'models', 'export', `local:${name}`, folder);
      assert.strictEqual(r.code, 0, r.stderr);
    }
    for (const name of theirs) fs.unlinkSync(path.join(folder, name));
    assert.deepStrictEqual(fs.readdirSync(folder).sort(), ['one.Q4_0.gguf', 'rbee-manifest.json', 'three.gguf', 'two.gguf']);
    assert.match(here.stderr, /two\.gguf\.rbee\.tmp-4711 was left over by a hive that was killed, and is deleted/);
    const manifest = JSON.parse(fs.readFileSync(path.join(folder, 'rbee-manifest.json')));
    assert.deepStrictEqual(manifest.models.map((m) => m.model_ref), ['local:one.Q4_0', 'local:two', 'local:three']);
    for (const m of manifest.models) {
      assert.strictEqual(m.files[0].sha256, sha256(path.join(folder, m.files[0].file)));
      assert.ok(!fs.lstatSync(path.join(folder, m.files[0].file)).isSymbolicLink());
      assert.strictEqual(m.license, null);
      assert.strictEqual(m.source, m.files[0].file, 'the whole path on this machine went out with the stick');
    }
    assert.strictEqual((await post(here, '/v1/models/export', { model_ref: 'tiny', dir: folder })).status, testModel() ? 400 : 404);
  });

  /* It made all folders of the path, and put the model among the hive's own files as well. */
  test('export makes one folder, and none in the hive\'s home', async () => {
    const out = makeFolder('rbee-out-'), body = (dir) => ({ model_ref: 'local:two', dir });
    fs.symlinkSync(here.home, path.join(out, 'link'));
    for (const dir of [here.home, path.join(here.home, 'new'), path.join(out, 'link'), path.join(here.home, 'models/local')]) {
      const r = await post(here, '/v1/models/export', body(dir));
      assert.strictEqual(r.status, 400, r.text);
      assert.match(r.json.error.message, /a folder of the hive's own/);
    }
    const deep = await cli(here, 'models', 'export', 'local:two', path.join(out, 'not/plugged/in'));
    assert.strictEqual(deep.code, 1, deep.stdout);
    assert.match(deep.stderr, /not\/plugged\/? is not there: make that first/);
    assert.deepStrictEqual(fs.readdirSync(out), ['link']);
    for (const name of ['new', 'two.gguf', 'rbee-manifest.json']) assert.ok(!fs.existsSync(path.join(here.home, name)), name);
    assert.strictEqual((await chore(here, '/v1/models/export', body(path.join(out, 'in')))).at(-1).stage, 'complete');
  });

  test('names that differ by case only are not put side by side: many sticks take them for one', async () => {
    const stick = path.join(makeFolder('rbee-stick-'), 'models'), mine = makeFolder('rbee-mine-');
    for (const name of ['Fold.gguf', 'fold.gguf', 'con.gguf']) {
      assert.strictEqual((await cli(here, 'models', 'import', model(path.join(mine, name)))).code, 0);
    }
    assert.strictEqual((await cli(here, 'models', 'export', 'local:Fold', stick)).code, 0);
    const digest = sha256(path.join(stick, 'Fold.gguf'));
    const r = await cli(here, 'models', 'export', 'local:fold', stick);
    assert.strictEqual(r.code, 1, r.stdout);
    assert.match(r.stderr, /has a file Fold\.gguf already, and many sticks and disks do not tell fold\.gguf from it: export into another folder/);
    assert.strictEqual((await cli(here, 'models', 'export', 'local:con', stick)).code, 0);
    assert.deepStrictEqual(fs.readdirSync(stick).sort(), ['%63on.gguf', 'Fold.gguf', 'rbee-manifest.json']);
    assert.strictEqual(sha256(path.join(stick, 'Fold.gguf')), digest);
    for (const ref of ['local:Fold', 'local:fold', 'local:con']) assert.strictEqual((await cli(here, 'models', 'rm', ref)).code, 0);
    assert.strictEqual((await cli(here, 'models', 'import', stick)).code, 0); // and back
    assert.strictEqual((await row(here, 'local:Fold')).sha256, digest);
    assert.match((await row(here, 'local:con')).local_path, /con\.gguf$/);
    for (const ref of ['local:Fold', 'local:con']) assert.strictEqual((await cli(here, 'models', 'rm', ref)).code, 0);
  });

  /* The name was dropped without a word: who asked for it looked for the model under it afterwards. */
  test('a name of one\'s own is for a file: of a folder and of a store it is refused, and nothing taken in', async () => {
    const before = await kept(there);
    const r = await cli(there, 'models', 'import', folder, '--as', 'mine');
    assert.strictEqual(r.code, 1, r.stdout);
    assert.match(r.stderr, /models is a folder, whose models keep the names/);
    const store = await cli(there, 'models', 'import', 'ollama:tale', '--as', 'mine');
    assert.strictEqual(store.code, 2, store.stdout);
    assert.match(store.stderr, /as .*its models keep their names/);
    assert.deepStrictEqual(await kept(there), before);
  });

  test('import takes it back: the bad one is named, the good ones are taken', async () => {
    const bytes = fs.readFileSync(path.join(folder, 'two.gguf'));
    bytes[bytes.length - 1] ^= 1;
    fs.rmSync(path.join(folder, 'two.gguf')); // it may share its bytes with the model at home
    fs.writeFileSync(path.join(folder, 'two.gguf'), bytes);
    const r = await cli(there, 'models', 'import', folder);
    assert.strictEqual(r.code, 1, r.stdout);
    assert.match(r.stderr, /local:two: CHECKSUM_MISMATCH: .*two\.gguf has the SHA-256/);
    assert.deepStrictEqual((await kept(there)).map((m) => m.model_ref).sort(), ['local:one.Q4_0', 'local:three']);
    const m = await row(there, 'local:one.Q4_0');
    assert.strictEqual(m.sha256, sha256(path.join(folder, 'one.Q4_0.gguf')));
    fs.rmSync(folder, { recursive: true }); // the stick is gone; the models stay
    assert.strictEqual((await chore(there, '/v1/models/verify', {})).at(-1).verified, 2);
  });

  /* Whoever opened it waited for a writer: the hive's loop, or a helper that its end waited for. */
  test('a named pipe in the place of the list, or of a model, holds up nothing', async () => {
    const bad = makeFolder('rbee-bad-'), list = path.join(bad, 'rbee-manifest.json');
    execFileSync('mkfifo', [list, path.join(bad, 'x.gguf')]);
    const answer = await post(there, '/v1/models/import', { path: bad });
    assert.strictEqual(answer.status, 400, answer.text);
    assert.match(answer.json.error.message, /rbee-manifest\.json is not a regular file/);
    const r = await cli(here, 'models', 'export', 'local:one.Q4_0', bad);
    assert.strictEqual(r.code, 1, r.stdout);
    assert.match(r.stderr, /rbee-manifest\.json is not a regular file/);
    fs.unlinkSync(list);
    fs.writeFileSync(list, JSON.stringify({ rbee_manifest: 1, models: [{ model_ref: 'local:x', commit: 'c',
      files: [{ file: 'x.gguf', size_bytes: 5, sha256: 'a'.repeat(64) }] }] }));
    const [error, end] = await importing(there, { path: bad });
    assert.strictEqual(error.code, 'INVALID_REQUEST');
    assert.match(error.message, /x\.gguf is not a regular file/);
    assert.deepStrictEqual([end.imported, end.failed], [0, 1]);
  });

  test('a list that makes no sense is refused', async () => {
    const bad = makeFolder('rbee-bad-');
    const manifest = (files) => JSON.stringify({ rbee_manifest: 1, models: [{ model_ref: 'local:x', commit: 'c', files }] });
    for (const [text, why] of [['', /no JSON/], ['{"rbee_manifest":9}', /no manifest of version 1/],
      [manifest([]), /0 files/],
      [manifest([{ file: '../../etc/passwd', size_bytes: 1, sha256: 'a'.repeat(64) }]), /not one plain name/],
      [manifest([{ file: 'x.gguf', size_bytes: 1, sha256: 'short' }]), /no size or no SHA-256/],
      [manifest([{ file: 'x.gguf', size_bytes: -1, sha256: 'a'.repeat(64) }]), /no size or no SHA-256/],
      [JSON.stringify({ rbee_manifest: 1, models: [{ model_ref: 'file:///etc/x.gguf', commit: 'c', files: [] }] }), /only its own machine/]]) {
      fs.writeFileSync(path.join(bad, 'rbee-manifest.json'), text);
      const answer = await post(there, '/v1/models/import', { path: bad });
      assert.strictEqual(answer.status, 400, answer.text);
      assert.match(answer.json.error.message, why);
    }
  });
});

/* It was told as "move", and both files were where they had been. */
test('a split model that cannot be deleted where it was is told as a copy, and why', async (t) => {
  const disk = smallDisk('8m');
  if (disk.why) return void t.skip(disk.why);
  const hive = await startHive(), first = path.join(disk.folder, 'ro-00001-of-00002.gguf');
  t.after(async () => { await hive.stop(); disk.end(); });
  writeHollowModel(path.join(disk.folder, 'ro.gguf'), { layers: 1, ctx: 128 + made++, parts: 2 });
  execFileSync('mount', ['-o', 'remount,ro', disk.folder]);
  const r = await cli(hive, 'models', 'import', first, '--move');
  assert.strictEqual(r.code, 0, r.stderr);
  assert.match(r.stdout, /^local:ro: .*, copy, from .*; .*00002-of-00002\.gguf stays where it is: Read-only file system$/m);
  assert.strictEqual((await row(hive, 'local:ro')).verified, true);
  assert.ok(fs.existsSync(first));
});

/* What rbee serves under a name does not change behind the back of who uses it: the hub's newer file comes beside it,
 * told apart by its commit. */
test('a file of the hub\'s cache whose name means an older commit\'s here gets its commit\'s name', async (t) => {
  const [older, newer] = ['a'.repeat(40), 'b'.repeat(40)], cache = makeFolder('rbee-cache-'), store = path.join(cache, 'hub/models--org--moved');
  const [was, is] = [older, newer].map((commit) => sha256(model(path.join(store, 'snapshots', commit, 'm.Q8_0.gguf'))));
  const ref = 'hf:org/moved:m.Q8_0.gguf', main = (commit) => fs.writeFileSync(path.join(store, 'refs/main'), commit);
  const hive = await startHive({ env: { HF_HOME: cache } });
  t.after(() => hive.stop());
  fs.mkdirSync(path.join(store, 'refs'));
  main(older);
  fs.renameSync(path.join(store, 'snapshots', newer), path.join(cache, 'later'));
  assert.deepStrictEqual((await importing(hive, { store: 'hf-cache' })).at(-1).imported, 1);
  main(newer); // `hf download` once more
  fs.renameSync(path.join(cache, 'later'), path.join(store, 'snapshots', newer));
  const events = await importing(hive, { store: 'hf-cache' });
  assert.deepStrictEqual([events.at(-1).imported, events.at(-1).failed], [2, 0], JSON.stringify(events));
  assert.strictEqual((await row(hive, ref)).sha256, was);
  assert.strictEqual((await row(hive, `${ref}@${newer}`)).sha256, is);
  assert.strictEqual(sha256((await row(hive, `${ref}@${newer}`)).local_path), is);
});

/* The client heard that it failed, and the next start listed it: the name was on the card. */
test('a second name that the catalog cannot take is not there at the next start either', async (t) => {
  const disk = smallDisk('4m'), commit = 'a'.repeat(40), cache = makeFolder('rbee-cache-'), store = path.join(cache, 'hub/models--org--two');
  if (disk.why) return void t.skip(disk.why);
  model(path.join(store, 'snapshots', commit, 'two.Q8_0.gguf'));
  fs.mkdirSync(path.join(store, 'refs'));
  fs.writeFileSync(path.join(store, 'refs/main'), commit);
  const home = path.join(disk.folder, 'home'), env = { HF_HOME: cache, RBEE_HIVE_MODELS_DIR: makeFolder('rbee-models-') };
  const start = () => startHive({ home, env }), names = async () => (await kept(hive)).map((m) => m.model_ref);
  let hive = await start();
  t.after(async () => { await hive.stop(); disk.end(); });
  assert.strictEqual((await cli(hive, 'models', 'import', 'hf-cache')).code, 0);
  const [name] = await names();
  fs.rmSync(path.join(store, 'refs/main')); // it goes by its commit now
  const filler = path.join(disk.folder, 'filler');
  assert.throws(() => fs.writeFileSync(filler, Buffer.alloc(8 << 20)), /ENOSPC/);
  const r = await cli(hive, 'models', 'import', 'hf-cache');
  assert.strictEqual(r.code, 1, r.stdout);
  assert.match(r.stderr, /DISK_FULL/);
  fs.rmSync(filler);
  assert.deepStrictEqual(await names(), [name]);
  await hive.stop();
  hive = await start();
  assert.deepStrictEqual(await names(), [name]);
  return undefined;
});
