'use strict';
/*
 * hung-paths.test.js - ways onto a file system that stops to answer which do not begin in what a request names:
 * the links by which models are imported from it, the stores of other programs, a models folder that begins to
 * hang while the hub is asked. Only the models folder itself was asked for before the loop touched what lies in
 * it: one GET /v1/models/downloads stopped a hive on a healthy disk for good, because one of its models was a
 * link to a NAS; and such a hive did not come up any more.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { get, post, remove, spawn } = require('./lib/hive.js');
const { Hub } = require('./lib/hub.js');
const { hold } = require('./lib/hold.js');
const { automount, automountSlowly, hang, notAutomounted, notHung, otherDisk, startApart, startWithin } = require('./lib/hung.js');
const { makeFolder, testModel, until } = require('./lib/proc.js');
const { stream } = require('./lib/sse.js');

const skip = !testModel() ? 'no model' : notHung();
const NAMES_MAX = 16; // src/hive/disk/reach.c
const tiny = { RBEE_TINY: testModel() || '' };
const sanitized = /asan|tsan/.test(process.env.RBEE_BUILD || '');
const newNas = () => fs.realpathSync(makeFolder('rbee-nas-'));
const serves = async (hive) => assert.strictEqual((await get(hive, '/v1/health')).status, 200);

async function refused(hive, asked) {
  const r = await asked;
  assert.strictEqual(r.status, 503, r.text);
  assert.strictEqual(r.json.error.code, 'DISK_NOT_ANSWERING');
  assert.strictEqual(r.headers['retry-after'], '1'); // rbee's own routes had none, but where they thought of it
  await serves(hive);
}

/* A hive whose models lie here, but one: local:far is a link to `nas`, which is another disk. */
async function withLink(t, nas) {
  const holder = await startApart({ env: tiny });
  t.after(() => holder.stop());
  otherDisk(holder.pid, nas, testModel());
  const hive = await startWithin(holder.pid, { env: tiny });
  t.after(() => hive.stop());
  const near = path.join(makeFolder(), 'near.gguf');
  fs.copyFileSync(testModel(), near);
  for (const [file, as] of [[near, 'near'], [path.join(nas, path.basename(testModel())), 'far']]) {
    assert.match((await post(hive, '/v1/models/import', { path: file, as })).text, /"imported":1/);
  }
  const dir = path.join(hive.home, 'models/local/far');
  const file = fs.readdirSync(dir, { recursive: true }).find((name) => name.endsWith('.gguf'));
  assert.ok(fs.lstatSync(path.join(dir, file)).isSymbolicLink());
  return { hive, holder };
}

test('a model that is a link to it: the hive serves, and the other models are looked after', { skip, timeout: 60000 }, async (t) => {
  const nas = newNas(), { hive, holder } = await withLink(t, nas);
  const free = await hang(holder.pid, nas);
  t.after(free);

  assert.strictEqual((await get(hive, '/v1/models/downloads')).status, 200);
  await serves(hive);
  await refused(hive, get(hive, '/v1/models/prune')); // what refers to what cannot be told
  await refused(hive, remove(hive, '/v1/models?model_ref=local:far'));
  await refused(hive, spawn(hive, 'local:far'));
  const verified = (await post(hive, '/v1/models/verify', {})).text;
  assert.match(verified, new RegExp(`"stage":"error","code":"DISK_NOT_ANSWERING","message":"the file system at ${nas} `));
  assert.match(verified, /"stage":"verified","model_ref":"local:near"/);
  assert.match(verified, /"stage":"complete","verified":1,"bad":1/);
  assert.strictEqual((await remove(hive, '/v1/models?model_ref=local:near')).status, 200);

  await free();
  let plan;
  await until(async () => (plan = await get(hive, '/v1/models/prune')).status === 200, () => plan.text);
  assert.deepStrictEqual(plan.json.items, []);
  assert.match((await post(hive, '/v1/models/verify', {})).text, /"stage":"complete","verified":1,"bad":0/);
  assert.strictEqual((await remove(hive, '/v1/models?model_ref=local:far')).status, 200);
});

test('a model that is a link to it, at the start: a line in the log, and the hive serves', { skip, timeout: 60000 }, async (t) => {
  const nas = newNas(), { hive: first, holder } = await withLink(t, nas);
  await first.stop();
  const free = await hang(holder.pid, nas);
  t.after(free);
  const hive = await startWithin(holder.pid, { env: tiny, home: first.home });
  t.after(() => hive.stop());
  assert.match(hive.stderr, new RegExp(`the file system at ${nas} \\(fuse, hung\\) has not answered for .*models there are known from the catalog only`));
  const ids = (await get(hive, '/v1/models')).json.data.map((m) => m.id);
  assert.deepStrictEqual(ids, ['tiny', 'local:far', 'local:near']);
});

/* Its disk answered when the work was asked for; when its turn came, it was not asked again, and a thread went into it
 * that nothing ends. Work that does not move lends its place after ten seconds (turns.h): until then these wait. */
test('work that waits for its turn, and whose disk hangs meanwhile, is not begun', { skip, timeout: 60000 }, async (t) => {
  const nas = newNas(), { hive, holder } = await withLink(t, nas), letMove = [];
  t.after(() => Promise.all(letMove.map((go) => go())));
  const begin = (what, body) => stream(`${hive.url}/v1/models/${what}`, { method: 'POST', body });
  const parts = path.join(hive.home, 'models/push'); // where a push's pieces come to
  const { text: manifest } = await get(hive, '/v1/models/manifest?model_ref=local:near');
  const pushed = JSON.parse(manifest.replaceAll('near', 'new').replace(/(?<="sha256":")./g, (c) => (c === '0' ? '1' : '0'))); // of a model that is not here
  fs.mkdirSync(parts, { mode: 0o700 });
  for (let i = 0; i < 4; i++) { // all there may be at once
    const file = path.join(makeFolder(), `held${i}.gguf`);
    fs.writeFileSync(file, Buffer.concat([fs.readFileSync(testModel()), Buffer.from([i])]));
    letMove.push(await hold(file));
    await (await begin('import', { path: file, how: 'move' })).find((e) => e.stage === 'placing');
  }
  const dir = path.join(makeFolder(), 'out'), asked = { 'local:far': await begin('verify', { model_ref: 'local:far' }),
    out: await begin('export', { model_ref: 'local:far', dir }), up: await begin('upload', pushed), 'local:near': await begin('verify', { model_ref: 'local:near' }) };
  for (const s of Object.values(asked)) await s.find((e) => e.stage === 'waiting');
  const free = await hang(holder.pid, nas), freePushed = await hang(holder.pid, parts);
  t.after(free);
  t.after(freePushed);
  for (const go of letMove) await go();
  for (const [s, disk] of [[asked['local:far'], nas], [asked.out, nas], [asked.up, parts]]) {
    const failed = await s.find((e) => ['error', 'verified', 'exported', 'missing'].includes(e.stage));
    assert.strictEqual(failed.code, 'DISK_NOT_ANSWERING', s.raw);
    assert.match(failed.message, new RegExp(`^the file system at ${disk} `));
    await s.all();
    assert.ok(s.done, s.raw);
  }
  assert.strictEqual((await asked['local:near'].all()).at(-1).verified, 1, asked['local:near'].raw);
  await serves(hive);
  await free();
  await freePushed();
  await until(async () => /"stage":"complete","verified":1,"bad":0/.test((await post(hive, '/v1/models/verify', { model_ref: 'local:far' })).text), 'it is read again');
});

test('the stores of other programs on it', { skip, timeout: 60000 }, async (t) => {
  const nas = newNas(), ollama = path.join(nas, 'ollama');
  fs.mkdirSync(path.join(ollama, 'manifests'), { recursive: true });
  const hive = await startApart({ env: { ...tiny, OLLAMA_MODELS: ollama } });
  t.after(() => hive.stop());
  assert.deepStrictEqual((await get(hive, '/v1/models/import')).json, { found: [], not_looked_at: 0 });
  const free = await hang(hive.pid, nas);
  t.after(free);
  await refused(hive, get(hive, '/v1/models/import'));
  await refused(hive, post(hive, '/v1/models/import', { store: 'ollama' }));
});

test('the folder of the models hangs while the hub is asked', { skip, timeout: 60000 }, async (t) => {
  const nas = newNas(), hub = await Hub.start();
  t.after(() => hub.stop());
  let answer;
  const gate = new Promise((resolve) => { answer = resolve; });
  hub.put('ann/tales', { 'tales-Q4_K_M.gguf': fs.readFileSync(testModel()) });
  hub.api.plan.push({ until: gate }, { until: gate }, { until: gate });
  const hive = await startApart({ env: { ...tiny, HF_ENDPOINT: hub.url, RBEE_HIVE_MODELS_DIR: path.join(nas, 'models') } });
  t.after(() => hive.stop());
  const { download_id: id } = (await post(hive, '/v1/models/download', { model_ref: 'hf:ann/tales' })).json;
  const { download_id: second } = (await post(hive, '/v1/models/download', { model_ref: 'hf:ann/other' })).json;
  const told = await stream(`${hive.url}/v1/models/download/progress?id=${id}`);
  const files = get(hive, '/v1/models/files?model_ref=hf:ann/tales');
  await until(() => hub.api.calls.length === 3, 'all ask the hub');
  const free = await hang(hive.pid, nas);
  t.after(free);
  // what is in memory is told, watched and ended: that was refused with the rest
  const rows = (await get(hive, '/v1/models/downloads')).json.downloads;
  assert.deepStrictEqual(rows.map((row) => [row.download_id, row.state]), [[second, 'resolving'], [id, 'resolving']]);
  const watched = await stream(`${hive.url}/v1/models/download/progress?id=${second}`);
  assert.strictEqual((await remove(hive, `/v1/models/download/${second}`)).status, 204);
  await until(() => watched.done, 'its end is told');
  await refused(hive, post(hive, '/v1/models/download', { model_ref: 'hf:ann/tales' }));
  answer();
  await refused(hive, files);
  await until(() => told.done, 'the download has ended');
  const last = told.events.at(-2).json;
  assert.deepStrictEqual([last.stage, last.code], ['error', 'DISK_NOT_ANSWERING']);
  await serves(hive);

  await free(); // and the next ask gets it
  const again = (await post(hive, '/v1/models/download', { model_ref: 'hf:ann/tales' })).json.download_id;
  const retold = await stream(`${hive.url}/v1/models/download/progress?id=${again}`);
  await until(() => retold.done, 'it is here');
  assert.strictEqual(retold.events.at(-2).json.stage, 'complete', JSON.stringify(retold.events.at(-2)));
});

/*
 * Each name in an automounter's place is another machine. One that is gone, or a typo that its map takes for a
 * machine, was taken for all of them: models on servers that answered were refused with it.
 */
test('of an automounter the names that do not answer are refused, and no others', { skip: skip || notAutomounted(), timeout: 60000 }, async (t) => {
  const net = newNas(), good = makeFolder(), hive = await startApart({ env: tiny });
  t.after(() => hive.stop());
  for (const name of ['a.gguf', 'b.gguf']) fs.copyFileSync(testModel(), path.join(good, name));
  t.after(await automount(hive.pid, net, good));
  assert.strictEqual((await spawn(hive, path.join(net, 'good/a.gguf'))).status, 200);
  for (const server of ['dead', 'typo']) {
    const r = await spawn(hive, path.join(net, server, 'a.gguf'));
    assert.strictEqual(r.status, 503, r.text);
    assert.match(r.json.error.message, new RegExp(`^the file system at ${net}/${server} \\(autofs, auto\\) has not answered for `));
  }
  assert.strictEqual((await spawn(hive, path.join(net, 'good/b.gguf'))).status, 200);
});

/* All downloads had one thread, and it waited for the dead disk: what was pulled to a healthy one stood at 0 bytes without a
 * word until the other was back, and nothing ever told of the first. */
test('a disk that hangs under a download: that one is told, and what goes to another disk comes', { skip, timeout: 60000 }, async (t) => {
  const nas = newNas(), hub = await Hub.start();
  t.after(() => hub.stop());
  const bytes = fs.readFileSync(testModel());
  for (const name of ['ann', 'bob']) hub.put(`${name}/tales`, { 'tales-Q4_K_M.gguf': bytes });
  const hive = await startApart({ env: { ...tiny, HF_ENDPOINT: hub.url, RBEE_HIVE_DOWNLOAD_STALL: '3s' } });
  t.after(() => hive.stop());
  otherDisk(hive.pid, nas, testModel());
  fs.mkdirSync(path.join(hive.home, 'models/hf'), { recursive: true });
  fs.symlinkSync(nas, path.join(hive.home, 'models/hf/ann'));
  let go = false;
  hub.cdn.plan.push({ until: () => go });
  const begin = async (who) => (await post(hive, '/v1/models/download', { model_ref: `hf:${who}/tales` })).json.download_id;
  const row = async (id) => (await get(hive, '/v1/models/downloads')).json.downloads.find((d) => d.download_id === id);
  const ann = await begin('ann');
  await until(async () => (await row(ann)).bytes_downloaded > 0, 'a part is here');
  const free = await hang(hive.pid, nas);
  t.after(free);
  go = true;
  const bob = await begin('bob');
  await until(async () => (await row(bob)).state === 'complete', 'what goes elsewhere is here');
  await until(async () => (await row(ann)).state === 'error', 'the other one is told');
  assert.strictEqual((await row(ann)).code, 'DISK_NOT_ANSWERING');
  assert.match((await row(ann)).message, new RegExp(`^the file system at ${nas} \\(fuse, hung\\) has not answered for `));
  await serves(hive);
  await free(); // and the next ask goes on
  const again = await begin('ann');
  await until(async () => (await row(again)).state === 'complete', 'all of it is here');
});

/* Each was counted among those that do not answer for as long as nobody asked of that very name again: sixteen typos,
 * and no name under the automounter was let in any more. */
test('names of an automounter that were slow once, and have answered, are counted no more', { skip: skip || notAutomounted() || (sanitized && 'it takes too long'), timeout: 120000 }, async (t) => {
  const net = newNas(), good = makeFolder(), hive = await startApart({ env: tiny });
  t.after(() => hive.stop());
  fs.copyFileSync(testModel(), path.join(good, 'a.gguf'));
  t.after(await automountSlowly(hive.pid, net, good, 2));
  for (let i = 0; i < NAMES_MAX; i++) assert.strictEqual((await spawn(hive, path.join(net, `typo${i}`, 'a.gguf'))).status, 503);
  let late;
  await until(async () => { late = await spawn(hive, path.join(net, 'good/a.gguf')); return late.status !== 503; }, () => late.text, 15000);
  assert.strictEqual(late.status, 200, late.text);
});
