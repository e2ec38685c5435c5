'use strict';
/*
 * model-changed.test.js - a model's file is overwritten, cut or replaced while a worker has it.
 *
 * What a worker has packed is the old file's, what it reads in the mapping is the new one's: it went
 * on with numbers of neither, and status 200. A file that was cut ended it by SIGBUS.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { ROOT, startWorker, makeFolder, testModel, until } = require('./lib/proc.js');
const { ask, stream } = require('./lib/sse.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { startHive, get, post, list, spawnReady } = require('./lib/hive.js');
const keeper = require('./lib/keeper.js');

const MODEL = testModel();
const skip = MODEL ? false : 'no model: neither models/tiny.gguf nor the test data are there';
const MIXED = path.join(ROOT, 'tests/golden/mixed-llama.gguf'); // random weights
const WHY = /The model's file was changed while this worker had it loaded: .*a\.gguf: the file/;

const copyOf = (model) => {
  const file = path.join(makeFolder(), 'a.gguf');
  fs.copyFileSync(model, file);
  return file;
};

describe('a worker whose file is overwritten in place', { skip }, () => {
  const start = async (model) => {
    const worker = await startWorker({ model });
    await until(async () => (await ask(`${worker.url}/v1/ready`)).json.ready, () => `ready:\n${worker.stderr}`);
    return worker;
  };

  for (const [route, body] of [['inference', { prompt: 'abc', max_tokens: 2, stream: false }],
    ['tokenize', { text: 'abc' }]]) {
    test(`answers no ${route}, says why and ends`, async () => {
      const model = copyOf(MIXED);
      const worker = await start(model);
      assert.strictEqual((await ask(`${worker.url}/v1/${route}`, { method: 'POST', body })).status, 200);
      fs.copyFileSync(MODEL, model);
      const { status, json } = await ask(`${worker.url}/v1/${route}`, { method: 'POST', body });
      assert.strictEqual(status, 500);
      assert.match(json.error.message, WHY);
      assert.strictEqual(json.error.code, 'WORKER_CRASHED');
      assert.strictEqual(json.error.details.retriable, true);
      assert.deepStrictEqual(await worker.end(), { code: 1, killedBy: null });
      assert.match(worker.stderr, WHY);
    });
  }

  test('ends the answer that is under way', async () => {
    const model = path.join(makeFolder(), 'a.gguf');
    writeHollowModel(model, { layers: 4, embd: 256, ff: 704, ctx: 16384 });
    const worker = await startWorker({ model, threads: 1, ctx: 16384, speculate: 'off' });
    const s = await stream(`${worker.url}/v1/inference`, { method: 'POST',
      body: { prompt: 'abc', max_tokens: 16000, temperature: 0 } });
    await s.find((e) => e.type === 'token');
    fs.utimesSync(model, new Date(), new Date(1e12)); // as if it had been written to
    const last = (await s.all()).at(-1);
    assert.strictEqual(last.type, 'error');
    assert.match(last.message, WHY);
    assert.deepStrictEqual(await worker.end(), { code: 1, killedBy: null });
  });
});

describe('a hive whose model is another file now', { skip }, () => {
  let hive;
  before(async () => { hive = await startHive(); });
  after(() => hive.stop());

  const answer = async (model) => {
    const { status, json, text } = await post(hive, '/v1/completions',
      { model, prompt: 'Once', max_tokens: 8, temperature: 0 });
    assert.strictEqual(status, 200, text);
    return json.choices[0].text;
  };

  test('answers by that one', async () => {
    const model = copyOf(MIXED);
    const old = await answer(model);
    const other = await answer(MODEL);
    assert.notStrictEqual(old, other);
    fs.copyFileSync(MODEL, model); // in place
    assert.strictEqual(await answer(model), other);
    fs.copyFileSync(MIXED, `${model}.new`);
    fs.renameSync(`${model}.new`, model);
    assert.strictEqual(await answer(model), old);
    const n = (await list(hive)).length;
    fs.chmodSync(model, 0o600); // which changes no byte
    assert.strictEqual(await answer(model), old);
    assert.strictEqual((await list(hive)).length, n);
  });

  /*
   * By the very reference, and by none at all, the path was taken that the worker had been started with: the old
   * model answered for as long as it was asked for, and the new one's worker counted as replaced, and ended though it
   * was pinned. By the old file's name the new one is not meant.
   */
  test('answers by that one, whatever it is called', async (t) => {
    const one = await startHive();
    t.after(() => one.stop());
    const by = async (model) => {
      const { status, json, text } = await post(one, '/v1/completions',
        { ...(model ? { model } : {}), prompt: 'Once', max_tokens: 8, temperature: 0 });
      assert.strictEqual(status, 200, text);
      return json.choices[0].text;
    };
    const link = path.join(makeFolder(), 'current.gguf'), ref = `file://${link}`, name = path.basename(MIXED, '.gguf');
    fs.symlinkSync(MIXED, link);
    const old = await by(ref);
    assert.strictEqual(await by(name), old);
    fs.symlinkSync(MODEL, `${link}.new`);
    fs.renameSync(`${link}.new`, link);
    const pinned = await spawnReady(one, link, { keep_alive: -1 });
    for (const asked of [ref, undefined, link]) assert.notStrictEqual(await by(asked), old, asked);
    assert.strictEqual((await post(one, '/v1/completions', { model: name, prompt: 'Once' })).status, 404);
    assert.deepStrictEqual((await list(one)).map((w) => [w.worker_id === pinned.worker_id, w.keep_alive_ms < 0, w.replaced]),
      [[false, false, true], [true, true, undefined]]);
    fs.rmSync(link); // what runs is served on, the newest of it
    for (const asked of [ref, undefined]) assert.notStrictEqual(await by(asked), old, asked);
    assert.deepStrictEqual((await list(one)).map((w) => w.replaced), [true, undefined]);
  });

  /* As a link that was switched; and where the old file was gone, its worker was told not to be replaced at all. */
  const importAs = async (name, model) => assert.match(
    (await post(hive, '/v1/models/import', { path: copyOf(model), as: name, how: 'copy' })).text, /"imported":1/);
  const fileOf = async (ref) => (await get(hive, '/v1/models')).json.models.find((m) => m.model_ref === ref).local_path;
  test('answers by what was imported under its name', async () => {
    await importAs('again', MIXED);
    const old = await answer('local:again');
    fs.rmSync(await fileOf('local:again'));
    assert.strictEqual(await answer('local:again'), old, 'what runs is served on');
    await importAs('again', MODEL);
    for (const name of ['local:again', 'again', 'local:again']) assert.notStrictEqual(await answer(name), old, name);
    assert.deepStrictEqual((await list(hive)).filter((w) => w.model_ref === 'local:again').map((w) => w.replaced), [true, undefined]);
  });

  /* It chose by the name alone among those that the hive lists, and never came past the old worker. */
  test('has its keepers answered by that one, too', async () => {
    const infer = async (model) => {
      const r = await keeper.run(['infer', '--quiet', '--node', hive.url, '--model', model, '--prompt', 'Once',
        '--max-tokens', '8', '--temperature', '0']);
      assert.strictEqual(r.code, 0, r.stderr);
      return r.stdout;
    };
    const model = copyOf(MIXED);
    const link = path.join(makeFolder(), 'current.gguf');
    fs.symlinkSync(model, link);
    const old = await infer(link);
    fs.symlinkSync(MODEL, `${link}.new`);
    fs.renameSync(`${link}.new`, link);
    const other = await infer(link);
    assert.notStrictEqual(other, old);
    assert.strictEqual(await infer(model), old);
    fs.copyFileSync(MODEL, `${model}.new`);
    fs.renameSync(`${model}.new`, model);
    assert.strictEqual(await infer(model), other);
    await importAs('kept', MIXED); // whose old worker was looked for at the place of the old file
    assert.strictEqual(await infer('local:kept'), old);
    fs.rmSync(await fileOf('local:kept'));
    await importAs('kept', MODEL);
    assert.strictEqual(await infer('local:kept'), other);
  });
});
