'use strict';
/*
 * hung-disk.test.js - models on a file system that stops to answer (NFS whose server is gone, sshfs, SMB):
 * who asks for them gets an error that names it, all others are served, and when it answers again all is
 * as it was. The hive's one thread looked for a model's file there itself, and served nobody any more.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { startHive, get, post, remove, spawn, spawnReady, list, childrenOf } = require('./lib/hive.js');
const { hold } = require('./lib/hold.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');
const { hang, notHung, served, startApart } = require('./lib/hung.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { HIVE, Proc, isAlive, makeFolder, testModel, until } = require('./lib/proc.js');
const { stream } = require('./lib/sse.js');

const skip = !testModel() ? 'no model' : notHung();
const tiny = { RBEE_TINY: testModel() || '' };
const chat = (hive, model) => post(hive, '/v1/chat/completions', { model, max_tokens: 4, messages: [{ role: 'user', content: 'x' }] });
const refused = (r) => { assert.strictEqual(r.status, 503, r.text); assert.match(r.text, /"code":"DISK_NOT_ANSWERING"/i); };

/* A thread of that process waits in flock(2). */
const isInLock = (pid) => fs.readFileSync('/proc/locks', 'utf8').split('\n').some((line) => line.includes('->') && new RegExp(` ${pid} `).test(line));

function nasWith(...names) {
  const dir = fs.realpathSync(makeFolder('rbee-nas-'));
  for (const name of names) fs.copyFileSync(testModel(), path.join(dir, name));
  return dir;
}

test('a file on it: refused, at once; what lies elsewhere or runs is served', { skip }, async (t) => {
  const nas = nasWith('runs.gguf', 'other.gguf'), hive = await startApart({ env: tiny });
  t.after(() => hive.stop());
  const link = path.join(makeFolder(), 'link'); // as people have them: ~/models -> /mnt/nas
  fs.symlinkSync(nas, link);
  const ran = await spawnReady(hive, path.join(nas, 'runs.gguf'));
  await spawnReady(hive, 'tiny');
  const free = await hang(hive.pid, nas);
  t.after(free);

  for (const file of [path.join(nas, 'other.gguf'), path.join(link, 'other.gguf'), `${path.dirname(link)}/../${path.basename(nas)}/x.gguf`]) {
    const r = await spawn(hive, file);
    refused(r);
    assert.strictEqual(r.json.error.details.retriable, true);
    assert.match(r.json.error.message, new RegExp(`^the file system at ${nas} \\(fuse, hung\\) has not answered for \\d+\\.\\d s$`));
  }
  refused(await post(hive, '/v1/models/import', { path: path.join(link, 'other.gguf') }));
  refused(await get(hive, `/v1/models/show?model_ref=${path.join(nas, 'other.gguf')}`));
  refused(await chat(hive, path.join(nas, 'other.gguf')));
  assert.strictEqual(childrenOf(hive.pid).length, 3, 'two workers, and one process that looks, however often it is asked');

  assert.strictEqual((await chat(hive, 'tiny')).status, 200);
  assert.strictEqual((await chat(hive, 'runs')).status, 200, 'its weights are in memory');
  const rows = (await get(hive, '/v1/models')).json;
  assert.deepStrictEqual(rows.data.map((m) => m.id), ['tiny', ran.model_ref]);
  assert.strictEqual((await get(hive, '/api/ps')).json.models.length, 2);
  assert.strictEqual((await spawn(hive, path.join(makeFolder(), 'none.gguf'))).status, 404);

  await free();
  await spawnReady(hive, path.join(nas, 'other.gguf'));
  assert.strictEqual((await list(hive)).length, 3);
  await until(() => childrenOf(hive.pid).length === 3, 'only workers are left');
});

test('the folder of the models on it: what is in memory is told and served, nothing is lost', { skip }, async (t) => {
  const nas = nasWith(), dir = path.join(nas, 'models'), hive = await startApart({ env: { ...tiny, RBEE_HIVE_MODELS_DIR: dir } });
  t.after(() => hive.stop());
  const file = path.join(makeFolder(), 'mine.gguf');
  fs.copyFileSync(testModel(), file);
  assert.match((await post(hive, '/v1/models/import', { path: file })).text, /"stage":"complete"/);
  const before = (await get(hive, '/v1/models')).json;
  assert.ok(before.data.some((m) => m.id === 'local:mine'));
  await spawnReady(hive, 'tiny');
  const free = await hang(hive.pid, nas);
  t.after(free);

  assert.deepStrictEqual((await get(hive, '/v1/models/downloads')).json, { downloads: [] });
  for (const where of ['/v1/models/prune', '/v1/models/manifest?model_ref=local:mine', '/v1/models/import']) {
    refused(await get(hive, where));
  }
  refused(await spawn(hive, 'local:mine'));
  refused(await chat(hive, 'mine'));
  refused(await remove(hive, '/v1/models?model_ref=local:mine&force=1'));
  refused(await post(hive, '/v1/models/download', { model_ref: 'hf:a/b' }));
  const during = (await get(hive, '/v1/models')).json;
  assert.deepStrictEqual(during.data.map((m) => m.id), before.data.map((m) => m.id));
  assert.ok((await get(hive, '/api/tags')).json.models.some((m) => m.name === 'local:mine'));
  assert.strictEqual((await chat(hive, 'tiny')).status, 200);

  await free();
  await spawnReady(hive, 'local:mine');
  assert.deepStrictEqual((await get(hive, '/v1/models')).json.data, before.data);
});

/*
 * Half a second was all that the folder of the models had at the start, though nobody waits to be served then: where
 * an automounter had to mount it, or its disks slept, the service failed at each boot.
 */
test('at the start: a sentence, and the hive begins when it answers', { skip, timeout: 60000 }, async (t) => {
  const nas = nasWith(), first = await startApart({ env: tiny });
  t.after(() => first.stop());
  const free = await hang(first.pid, nas);
  t.after(free);
  const second = new Proc('nsenter', ['-t', String(first.pid), '-m', HIVE, 'daemon', '--addr', '127.0.0.1:0',
    '--home', makeFolder()], { env: { ...tiny, RBEE_HIVE_MODELS_DIR: path.join(nas, 'models') } });
  t.after(() => second.signal('SIGKILL'));
  await until(() => /the file system at \S+ \(fuse, hung\) has not answered for .*: the hive begins when it answers, or ends in 15 s$/m.test(second.stderr),
    () => second.stderr);
  await free();
  await second.says(/listening on/);
  second.signal('SIGTERM');
  await second.end(20000);
  assert.strictEqual(second.code, 0);
});

test('SIGTERM while it hangs: the hive ends', { skip }, async (t) => {
  const nas = nasWith('x.gguf'), hive = await startApart({ env: tiny });
  t.after(() => hive.signal('SIGKILL'));
  await spawnReady(hive, 'tiny');
  const free = await hang(hive.pid, nas);
  t.after(free);
  refused(await spawn(hive, path.join(nas, 'x.gguf')));
  const left = childrenOf(hive.pid);
  hive.signal('SIGTERM');
  await hive.end(20000);
  assert.strictEqual(hive.code, 0);
  await until(() => left.every((pid) => !isAlive(pid)), 'nothing is left');
});

/*
 * A helper that hangs in a disk does not come back, and the hive waited for it: neither SIGTERM nor a second one
 * ended it, and the next hive found the home locked. Here it hangs in a lock, as no disk hangs on every machine.
 */
test('SIGTERM while a helper hangs: the hive ends all the same, in order', { skip: !testModel() && 'no model', timeout: 60000 }, async (t) => {
  const file = path.join(makeFolder(), 'mine.gguf'), hive = await startHive({ env: tiny });
  t.after(() => hive.signal('SIGKILL'));
  fs.copyFileSync(testModel(), file);
  const letGo = await hold(file);
  t.after(letGo);
  await spawnReady(hive, 'tiny');
  const [worker] = childrenOf(hive.pid), coming = await stream(`${hive.url}/v1/models/import`, { method: 'POST', body: { path: file, how: 'move' } });
  await until(() => isInLock(hive.pid), 'a helper waits for the lock');

  const since = Date.now();
  hive.signal('SIGTERM');
  await hive.end(30000);
  assert.deepStrictEqual([hive.code, hive.killedBy], [0, null]);
  assert.ok(Date.now() - since >= 4000, 'what is only slow has its time');
  assert.match(hive.stderr, /the hive ends without what still waits for a disk after 5 s/);
  assert.ok(!isAlive(worker));
  assert.ok(coming.over);
  const last = fs.readFileSync(path.join(hive.home, 'logs/security.jsonl'), 'utf8').trim().split('\n').pop();
  assert.match(last, /"event":"end"/);
  assert.ok(fs.existsSync(file), 'it is where it was');
  const next = await startHive({ env: tiny, home: hive.home }); // nothing is locked
  await next.stop();
  assert.strictEqual(next.code, 0);
});

test('... and a second signal ends it at once', { skip: !testModel() && 'no model', timeout: 60000 }, async (t) => {
  const file = path.join(makeFolder(), 'mine.gguf'), hive = await startHive({ env: tiny });
  t.after(() => hive.signal('SIGKILL'));
  fs.copyFileSync(testModel(), file);
  t.after(await hold(file));
  await stream(`${hive.url}/v1/models/import`, { method: 'POST', body: { path: file, how: 'move' } });
  await until(() => isInLock(hive.pid), 'a helper waits for the lock');
  hive.signal('SIGTERM');
  await until(() => hive.stderr.includes('SIGTERM: the hive ends'), 'it has heard the first');
  hive.signal('SIGTERM');
  await hive.end(30000);
  assert.deepStrictEqual([hive.code, hive.killedBy], [1, null]);
});

/*
 * The thread that hangs there keeps a killed worker's connections open, and its process from being over: its
 * clients waited for ever, and so did who asked for a model that needed its memory.
 */
test('a worker that SIGKILL does not end: its clients are told, its memory is counted as it is', { skip }, async (t) => {
  const fake = makeFakeWorker(makeFolder()), folder = makeFolder(), models = ['a', 'b'].map((name) => path.join(folder, `${name}.gguf`));
  for (const model of models) fs.writeFileSync(model, 'any');
  fake.needs(300 << 20);
  const hive = await startApart({ flags: { worker: fake.program },
    env: { RBEE_HIVE_STALL_AFTER: '600ms', RBEE_HIVE_MEMORY_LIMIT: '450' } });
  t.after(() => hive.stop());
  const nas = await served(hive.pid, models[0]);
  t.after(nas.free);
  await nas.hang();
  const todo = { events: [0, 1, 2].map((i) => ({ type: 'token', t: 'x', i })), touch: nas.file, hang: true };
  const s = await stream(`${hive.url}/v1/completions`, { method: 'POST', body: { model: models[0], stream: true, prompt: JSON.stringify(todo) } });
  const row = await until(async () => (await list(hive)).find((w) => w.state === 'failed'), 'it is found to be stuck');
  const there = () => fs.existsSync(`/proc/${row.pid}`); // a thread of it, at least
  let other = null; // there is no room for both
  spawn(hive, models[1]).then((r) => { other = r; });
  await until(() => s.over, () => `its client is told:\n${hive.stderr}`);
  assert.ok(s.done, s.raw);
  assert.match(s.events.at(-2).json.error.message, /made no step for .* 3 tokens had come\./);
  await until(() => other, 'who needs its memory is answered');
  assert.strictEqual(other.status, 200, other.text);
  assert.ok(there(), 'it hangs still');
  assert.match(hive.stderr, new RegExp(`${row.worker_id} \\(process ${row.pid}\\) was killed and does not end`));
  await nas.free();
  await until(() => !there(), 'it ends');
  assert.strictEqual((await list(hive)).find((w) => w.worker_id === row.worker_id).error.code, 'WORKER_STALLED');
});

/* Before each request, and now and then within, it looks at its model's file: there it hung, and was killed for it. */
test('a worker whose model is in memory serves all who ask, while its disk hangs', { skip, timeout: 60000 }, async (t) => {
  const hive = await startApart({ env: { RBEE_HIVE_STALL_AFTER: '2s', RBEE_HIVE_MODELS_DIR: makeFolder() } });
  t.after(() => hive.stop());
  const hollow = path.join(makeFolder(), 'h.gguf');
  writeHollowModel(hollow, { layers: 4, embd: 256, ff: 704, ctx: 16384 });
  const nas = await served(hive.pid, hollow);
  t.after(nas.free);
  const worker = await spawnReady(hive, nas.file, { ctx: 16384 });
  const ask = (max_tokens) => stream(`${worker.url}/v1/inference`, { method: 'POST', body: { prompt: 'abc', temperature: 0, max_tokens } });
  const long = await ask(16000);
  t.after(() => long.leave());
  await until(() => long.events.length > 3, 'an answer is under way');
  await nas.hang();
  for (let i = 0; i < 3; i++) {
    const s = await ask(3), n = long.events.length;
    await until(() => s.over && long.events.length > n, () => `both go on:\n${hive.stderr}`);
    assert.strictEqual(s.events.at(-2).json.type, 'end', s.raw);
  }
  assert.strictEqual((await post(worker, '/v1/tokenize', { text: 'abc' })).status, 200);
  assert.ok(!long.over, long.raw.slice(-500));
  assert.deepStrictEqual((await list(hive)).map((w) => w.state), ['busy']);
  long.leave();
  await nas.free();
});
