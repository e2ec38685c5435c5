'use strict';
/*
 * download.test.js - models from a hub: which file is meant, progress that is true, and what becomes
 * of a download when the hub, the network, the disk or the hive itself fails. A real hive; the hub is
 * tests/e2e/lib/hub.js.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const { testModel, makeFolder, smallDisk, sleep, until, BUILD, HIVE } = require('./lib/proc.js');
const { stream } = require('./lib/sse.js');
const { startHive, get, post, remove, spawn, spawnReady, list } = require('./lib/hive.js');
const { Hub, sha256 } = require('./lib/hub.js');
const { lenientWorker } = require('./lib/lenient.js');

const WORKER = lenientWorker(); // what is downloaded here is any bytes

const MODEL = testModel();
const random = (n) => crypto.randomBytes(n);
const ask = (hive, ref) => post(hive, '/v1/models/download', { model_ref: ref });
const watch = (hive, id) => stream(`${hive.url}/v1/models/download/progress?id=${id}`);
const models = async (hive) => (await get(hive, '/v1/models')).json.models.filter((m) => m.model_ref !== 'tiny');

/* Asks, watches to the end, and checks what every stream must keep to; its events. */
async function download(hive, ref) {
  const answer = await ask(hive, ref);
  assert.strictEqual(answer.status, 200, answer.text);
  assert.strictEqual(answer.json.local_path, null, answer.text);
  return toTheEnd(await watch(hive, answer.json.download_id));
}

async function toTheEnd(s) {
  const events = await s.all();
  assert.ok(s.done, `no [DONE]: ${s.raw}`);
  assert.strictEqual(s.events.at(-1).data, '[DONE]');
  assert.ok(events.length >= 1, s.raw);
  let before = 0;
  for (const e of events.slice(0, -1)) {
    assert.strictEqual(e.stage, 'downloading', JSON.stringify(e));
    assert.ok(e.bytes_downloaded >= before, `backwards: ${s.raw}`);
    assert.ok(e.bytes_total === null || e.bytes_downloaded <= e.bytes_total);
    assert.ok(e.speed_mbps >= 0);
    before = e.bytes_downloaded;
  }
  assert.match(events.at(-1).stage, /^(complete|error)$/);
  return events;
}

async function downloadFails(hive, ref, code) {
  const end = (await download(hive, ref)).at(-1);
  assert.strictEqual(end.stage, 'error', JSON.stringify(end));
  assert.strictEqual(end.code, code, JSON.stringify(end));
  return end;
}

/* Where `meson install` would put it. */
function installedModules() {
  const options = JSON.parse(fs.readFileSync(path.join(BUILD, 'meson-info/intro-buildoptions.json'), 'utf8'));
  const value = (name) => options.find((o) => o.name === name).value;
  return [path.join(value('prefix'), value('libdir'), 'rbee', 'librbee-curl.so')];
}

const partsIn = (hive) => spawnSync('find', [path.join(hive.home, 'models'), '-type', 'f', '!', '-name', '.hive.lock'], { encoding: 'utf8' })
  .stdout.trim().split('\n').filter(Boolean).map((f) => path.basename(f)).sort();

let hub;
before(async () => { hub = await Hub.start({ token: 'hf_right' }); });
after(() => hub.stop());
const startWith = (env = {}, options = {}) =>
  startHive({ ...options, env: { RBEE_TINY: MODEL || '', HF_ENDPOINT: hub.url, RBEE_HIVE_WORKER: WORKER, ...env } });

describe('a download that goes well', () => {
  let hive;
  before(async () => { hive = await startWith(); });
  after(() => hive.stop());

  test('the file arrives whole, is catalogued, and the next ask is answered from disk', async () => {
    const bytes = random(300000);
    hub.put('org/plain', { 'plain.Q4_K_M.gguf': bytes });
    const events = await download(hive, 'hf:org/plain');
    const end = events.at(-1);
    assert.strictEqual(end.stage, 'complete');
    assert.strictEqual(end.file, 'plain.Q4_K_M.gguf');
    assert.ok(path.isAbsolute(end.local_path));
    assert.strictEqual(sha256(fs.readFileSync(end.local_path)), sha256(bytes));
    assert.strictEqual(events.at(-2).bytes_downloaded, 300000);
    assert.strictEqual(events.at(-2).bytes_total, 300000);
    const calls = hub.api.calls.length;
    const again = await ask(hive, 'hf:org/plain');
    assert.deepStrictEqual(again.json, { download_id: 'cached', local_path: end.local_path });
    assert.strictEqual(hub.api.calls.length, calls, 'a cached model needs no hub');
    const row = (await models(hive)).find((m) => m.model_ref === 'hf:org/plain');
    assert.strictEqual(row.local_path, end.local_path);
    assert.strictEqual(row.size_bytes, 300000);
    assert.strictEqual(row.quantization, 'Q4_K_M');
    assert.strictEqual(row.sha256, sha256(bytes));
    assert.strictEqual(row.verified, true);
    assert.match(row.source, /^hf:org\/plain@[0-9a-f]{40}$/);
    assert.ok(Math.abs(Date.parse(row.downloaded_at) - Date.now()) < 60000);
    assert.strictEqual(row.last_used_at, null);
  });

  test('a late watcher learns the end', async () => {
    hub.put('org/late', { 'late.gguf': random(1000) });
    const { json } = await ask(hive, 'hf:org/late');
    await toTheEnd(await watch(hive, json.download_id));
    const events = await toTheEnd(await watch(hive, json.download_id));
    assert.deepStrictEqual(events.map((e) => e.stage), ['complete']);
  });

  test('without a quantisation: Q4_K_M, else the nearest in size; else as asked', async () => {
    const files = {};
    for (const q of ['Q2_K', 'Q3_K_M', 'Q4_0', 'Q5_K_M', 'Q8_0']) files[`m.${q}.gguf`] = random(1000);
    hub.put('org/choice', { ...files, 'mmproj-m-f16.gguf': random(10) });
    assert.strictEqual((await download(hive, 'hf:org/choice')).at(-1).file, 'm.Q4_0.gguf');
    assert.strictEqual((await download(hive, 'hf:org/choice:q8_0')).at(-1).file, 'm.Q8_0.gguf');
    assert.strictEqual((await download(hive, 'hf:org/choice:m.Q2_K.gguf')).at(-1).file, 'm.Q2_K.gguf');
    hub.put('org/default', { ...files, 'm.Q4_K_M.gguf': random(1000) });
    assert.strictEqual((await download(hive, 'hf:org/default')).at(-1).file, 'm.Q4_K_M.gguf');
  });

  /* The second one tidied up the folder while the first was about to write there, which failed then. */
  test('two references, one file: it is fetched once', async () => {
    for (let i = 0; i < 5; i++) {
      const name = `org/twice${i}`, before = hub.cdn.calls.length;
      hub.put(name, { 'twice.Q4_K_M.gguf': random(200000) });
      hub.cdn.plan.push({ pace: 20000 });
      const [a, b] = await Promise.all([download(hive, `hf:${name}`), download(hive, `hf:${name}:Q4_K_M`)]);
      for (const end of [a.at(-1), b.at(-1)]) assert.strictEqual(end.stage, 'complete', JSON.stringify(end));
      assert.strictEqual(a.at(-1).local_path, b.at(-1).local_path);
      assert.strictEqual(hub.cdn.calls.length - before, 1);
      assert.strictEqual((await models(hive)).filter((m) => m.local_path === a.at(-1).local_path).length, 2);
    }
  });

  test('a split model is one model', async () => {
    const parts = {};
    for (const i of [1, 2, 3]) parts[`big/x-Q4_K_M-0000${i}-of-00003.gguf`] = random(50000 + i);
    hub.put('org/split', parts);
    const end = (await download(hive, 'hf:org/split')).at(-1);
    assert.strictEqual(end.stage, 'complete');
    assert.match(end.local_path, /-00001-of-00003\.gguf$/);
    const row = (await models(hive)).find((m) => m.model_ref === 'hf:org/split');
    assert.strictEqual(row.size_bytes, 150006);
    for (const i of [1, 2, 3]) {
      const file = end.local_path.replace('-00001-of', `-0000${i}-of`);
      assert.strictEqual(sha256(fs.readFileSync(file)), sha256(parts[`big/x-Q4_K_M-0000${i}-of-00003.gguf`]));
    }
  });

  test('two watchers of one download see the same end; two asks are one', async () => {
    hub.put('org/watched', { 'w.gguf': random(400000) });
    hub.cdn.plan.push({ pace: 10000 });
    const first = await ask(hive, 'hf:org/watched');
    const second = await ask(hive, 'hf:org/watched');
    assert.strictEqual(first.json.download_id, second.json.download_id);
    const streams = await Promise.all([watch(hive, first.json.download_id), watch(hive, first.json.download_id),
      watch(hive, first.json.download_id)]);
    await streams[2].find((e) => e.bytes_downloaded > 0);
    streams[2].leave(); // it harms nobody
    const [a, b] = await Promise.all(streams.slice(0, 2).map(toTheEnd));
    assert.deepStrictEqual(a.at(-1), b.at(-1));
    assert.strictEqual(a.at(-1).stage, 'complete');
    assert.ok(a.length > 2, 'progress was told on the way');
  });

  test('nothing is left beside the files and their cards', () => {
    for (const name of partsIn(hive)) assert.match(name, /\.gguf(\.json)?$/);
  });

  test('tiny and files of one\'s own are there already', { skip: MODEL ? false : 'no model' }, async () => {
    assert.deepStrictEqual((await ask(hive, 'tiny')).json, { download_id: 'cached', local_path: MODEL });
    assert.strictEqual((await ask(hive, MODEL)).json.download_id, 'cached');
    assert.strictEqual((await ask(hive, '/none.gguf')).json.error.code, 'MODEL_NOT_FOUND');
  });

  test('fetch, spawn, show, remove', { skip: MODEL ? false : 'no model' }, async () => {
    hub.put('org/real', { 'real-Q8_0.gguf': fs.readFileSync(MODEL) });
    const { local_path: file } = (await download(hive, 'hf:org/real:Q8_0')).at(-1);
    const worker = await spawnReady(hive, 'hf:org/real:Q8_0');
    assert.strictEqual(worker.model_path, file);
    const shown = (await get(hive, '/v1/models/show?model_ref=hf:org/real:Q8_0')).json;
    assert.strictEqual(shown.inspect.supported, true);
    assert.ok(shown.last_used_at);
    const kept = await remove(hive, '/v1/models?model_ref=hf:org/real:Q8_0');
    assert.strictEqual(kept.status, 409, kept.text);
    assert.ok(fs.existsSync(file));
    assert.strictEqual((await remove(hive, '/v1/models?model_ref=hf:org/real:Q8_0&force=1')).status, 200);
    assert.strictEqual(fs.existsSync(file), false);
    await until(async () => (await list(hive)).length === 0, 'the worker\'s end');
    assert.strictEqual((await spawn(hive, 'hf:org/real:Q8_0')).json.error.code, 'MODEL_NOT_FOUND');
    assert.strictEqual((await remove(hive, '/v1/models?model_ref=hf:org/real:Q8_0')).status, 404);
    assert.strictEqual((await remove(hive, '/v1/models?model_ref=tiny')).status, 400);
    assert.ok(fs.existsSync(MODEL));
  });
});

describe('the hub says no', () => {
  let hive;
  before(async () => { hive = await startWith(); });
  after(() => hive.stop());

  test('a repository, revision, quantisation or file that is not there', async () => {
    hub.put('org/there', { 'there.Q4_0.gguf': random(10), 'there.Q5_0.gguf': random(10) });
    hub.put('org/nogguf', { 'model.safetensors': random(10) });
    assert.match((await downloadFails(hive, 'hf:org/none', 'MODEL_NOT_FOUND')).message, /org\/none/);
    assert.match((await downloadFails(hive, 'hf:org/there@v9', 'MODEL_NOT_FOUND')).message, /v9/);
    const near = (await downloadFails(hive, 'hf:org/there:Q4_1', 'MODEL_NOT_FOUND')).message;
    assert.match(near, /did you mean Q5_0\?.*Q4_0, Q5_0/);
    assert.match((await downloadFails(hive, 'hf:org/there:their.Q4_0.gguf', 'MODEL_NOT_FOUND')).message, /there\.Q4_0\.gguf/);
    assert.match((await downloadFails(hive, 'hf:org/nogguf', 'MODEL_NOT_FOUND')).message, /no GGUF/);
    assert.deepStrictEqual(partsIn(hive), []);
  });

  test('gated and private repositories', async () => {
    hub.put('org/gated', { 'g.gguf': random(10) }, { gated: true });
    hub.put('org/private', { 'p.gguf': random(10) }, { isPrivate: true });
    const end = await downloadFails(hive, 'hf:org/gated', 'MODEL_ACCESS_DENIED');
    assert.match(end.message, /org\/gated.*without a token.*401/);
    assert.match((await downloadFails(hive, 'hf:org/private', 'MODEL_ACCESS_DENIED')).message, /does not exist, or it is private/);
  });

  test('a token is sent to the hub and to nobody else', async (t) => {
    const own = await startWith({ HF_TOKEN: 'hf_right' });
    t.after(() => own.stop());
    const from = hub.cdn.calls.length;
    assert.strictEqual((await download(own, 'hf:org/gated')).at(-1).stage, 'complete');
    assert.deepStrictEqual(hub.cdn.calls.slice(from).map((c) => c.authorization), [undefined]);
    const wrong = await startWith({ HF_TOKEN: 'hf_wrong' });
    t.after(() => wrong.stop());
    assert.match((await downloadFails(wrong, 'hf:org/gated', 'MODEL_ACCESS_DENIED')).message, /with the token.*403/);
  });

  test('an answer that makes no sense', async () => {
    for (const body of ['', '[]', '{"sha":"x"}', 'not json', '{"sha":5,"siblings":[]}']) {
      hub.api.plan.push({ body });
      await downloadFails(hive, 'hf:org/there', 'DOWNLOAD_FAILED');
    }
  });

  test('names in an answer never become paths elsewhere', async () => {
    const commit = '../../../../../../tmp/evil';
    hub.put('org/evil', { 'x.gguf': random(10) }, { commit });
    hub.api.plan.push({ body: JSON.stringify({ sha: commit, siblings: [
      { rfilename: '../../../../x.gguf' }, { rfilename: '/etc/x.gguf' }, { rfilename: 'a/../x.gguf' }] }) });
    assert.match((await downloadFails(hive, 'hf:org/evil', 'MODEL_NOT_FOUND')).message, /no GGUF/);
    const end = (await download(hive, 'hf:org/evil')).at(-1);
    assert.strictEqual(end.stage, 'complete', JSON.stringify(end));
    assert.ok(end.local_path.startsWith(fs.realpathSync(hive.home) + '/models/hf/org/evil/'), end.local_path);
    assert.doesNotMatch(end.local_path, /\/\.\.?\//);
  });

  test('a hub that is not there', async (t) => {
    const own = await startWith({ HF_ENDPOINT: 'http://127.0.0.1:9' });
    t.after(() => own.stop());
    const end = await downloadFails(own, 'hf:org/there', 'DOWNLOAD_FAILED');
    assert.match(end.message, /127\.0\.0\.1:9/);
    assert.strictEqual(end.retriable, true);
  });
});

describe('the way is rough', () => {
  let hive, n = 0;
  before(async () => { hive = await startWith(); });
  after(() => hive.stop());

  /* A download of a fresh repository whose CDN does as planned; the ranges it was asked for. */
  async function rough(plan, { size = 200000, code = null, lie, on = hive } = {}) {
    const name = `rough/r${n++}`;
    const bytes = random(size);
    hub.put(name, { 'r.gguf': bytes }, { lie });
    hub.cdn.plan = [...plan];
    const from = hub.cdn.calls.length;
    const end = code ? await downloadFails(on, `hf:${name}`, code) : (await download(on, `hf:${name}`)).at(-1);
    if (!code) {
      assert.strictEqual(end.stage, 'complete', JSON.stringify(end));
      assert.strictEqual(sha256(fs.readFileSync(end.local_path)), sha256(bytes));
    }
    assert.deepStrictEqual(hub.cdn.plan, [], 'the whole plan was met');
    return { end, name, bytes, ranges: hub.cdn.calls.slice(from).map((c) => c.range) };
  }

  test('a reset connection: on from the last byte', async () => {
    assert.deepStrictEqual((await rough([{ reset: 70000 }, { reset: 30000 }])).ranges,
      [undefined, 'bytes=70000-', 'bytes=100000-']);
  });

  test('an end too early', async () => {
    assert.deepStrictEqual((await rough([{ short: 1 }])).ranges, [undefined, 'bytes=1-']);
  });

  /* As of an answer that is made piece by piece (chunked): by itself it is whole, and only its size tells that it is not. */
  test('an end too early that says it is the end', async () => {
    const { ranges } = await rough([{ noSize: true, short: 70000 }, { noSize: true, short: 30000 }]);
    assert.deepStrictEqual(ranges, [undefined, 'bytes=70000-', 'bytes=100000-']);
    for (const n of [70000, 100000]) assert.match(hive.stderr, new RegExp(`the connection ended after ${n} of 200000 bytes; ${n} bytes are here`));
  });

  test('200 instead of 206: what is here is passed over', async () => {
    assert.deepStrictEqual((await rough([{ reset: 70000 }, { ignoreRange: true }])).ranges, [undefined, 'bytes=70000-']);
  });

  test('206 of another range is not taken', async () => {
    assert.strictEqual((await rough([{ reset: 70000 }, { shift: 5 }])).ranges.length, 3);
  });

  test('more bytes than the file has are not taken', async () => {
    const { ranges } = await rough([{ extra: 10 }]);
    assert.ok(ranges.length >= 1 && ranges.length <= 2, ranges);
  });

  test('503 with Retry-After is waited for, other errors of the store are tried again', async () => {
    const start = performance.now();
    await rough([{ status: 503, headers: { 'retry-after': '1' } }, { status: 500 }, { status: 403 }]);
    assert.ok(performance.now() - start >= 1000);
  });

  test('an API that stumbles is asked again', async () => {
    hub.api.plan.push({ status: 502 }, { status: 429, headers: { 'retry-after': '0' } });
    await rough([]);
  });

  test('silence: tried anew from the last byte', async (t) => {
    const on = await startWith({ RBEE_HIVE_DOWNLOAD_STALL: '1300ms' }); // for longer this process may not be held
    t.after(() => on.stop());
    assert.deepStrictEqual((await rough([{ stall: 50000 }], { on })).ranges, [undefined, 'bytes=50000-']);
  });

  test('a wrong byte on the way: it is read a second time, and all is well', async () => {
    assert.deepStrictEqual((await rough([{ corrupt: true }])).ranges, [undefined, undefined]);
  });

  test('a wrong byte in what was kept: once more from the start', async () => {
    const { ranges } = await rough([{ corrupt: true, reset: 150000 }, {}]);
    assert.deepStrictEqual(ranges, [undefined, 'bytes=150000-', undefined]);
  });

  test('a hub that contradicts itself', async () => {
    const lie = 'ab'.repeat(32);
    const { name, end, bytes, ranges } = await rough([{}], { code: 'CHECKSUM_MISMATCH', lie: { 'r.gguf': lie } });
    assert.ok(end.message.includes(lie) && end.message.includes(sha256(bytes)), end.message);
    assert.strictEqual(ranges.length, 2, 'read twice');
    assert.strictEqual((await spawn(hive, `hf:${name}`)).json.error.code, 'MODEL_NOT_FOUND');
    const from = hub.cdn.calls.length;
    await downloadFails(hive, `hf:${name}`, 'CHECKSUM_MISMATCH');
    assert.strictEqual(hub.cdn.calls.length, from, 'the next ask fetches nothing blindly');
    assert.strictEqual((await remove(hive, `/v1/models?model_ref=hf:${name}`)).status, 200);
    assert.ok(!partsIn(hive).some((f) => /\.part/.test(f)), partsIn(hive).join(' '));
  });

  test('no end of trouble: DOWNLOAD_FAILED after seven tries, the bytes are kept for the next ask', async () => {
    const { name, end, bytes } = await rough([{ reset: 60000 }, ...Array(6).fill({ status: 500 })], { code: 'DOWNLOAD_FAILED' });
    assert.match(end.message, /60000 bytes are kept/);
    const from = hub.cdn.calls.length;
    const done = (await download(hive, `hf:${name}`)).at(-1);
    assert.strictEqual(sha256(fs.readFileSync(done.local_path)), sha256(bytes));
    assert.deepStrictEqual(hub.cdn.calls.slice(from).map((c) => c.range), ['bytes=60000-']);
  });
});

describe('the hive ends on the way', () => {
  async function halfway(hive, name, bytes, ref = `hf:${name}`) {
    hub.put(name, { 'h.gguf': bytes });
    hub.cdn.plan.push({ pace: 20000 });
    const { json } = await ask(hive, ref);
    const watching = await watch(hive, json.download_id);
    await watching.find((e) => e.bytes_downloaded > 200000);
    return watching;
  }

  async function goesOn(home, name, bytes, least = 0) {
    const hive = await startWith({}, { home });
    const [from, apiFrom] = [hub.cdn.calls.length, hub.api.calls.length];
    const events = await download(hive, `hf:${name}`);
    const range = /^bytes=(\d+)-$/.exec(hub.cdn.calls[from].range);
    assert.ok(range && Number(range[1]) > 200000 - least, `${hub.cdn.calls[from].range} of ${least}`);
    assert.strictEqual(sha256(fs.readFileSync(events.at(-1).local_path)), sha256(bytes));
    assert.ok(!hub.api.calls.slice(apiFrom).some((c) => c.path.startsWith('/api/')), 'it is pinned: the API is not asked');
    return hive;
  }

  test('SIGKILL: the next life goes on from the last whole piece (of 64 KiB here)', async (t) => {
    const hive = await startWith();
    const bytes = random(1000000);
    await halfway(hive, 'end/kill', bytes);
    hive.signal('SIGKILL');
    await hive.ended;
    const next = await goesOn(hive.home, 'end/kill', bytes, 2 * 65536);
    t.after(() => next.stop());
  });

  test('SIGTERM: watchers are told, the bytes are kept', async (t) => {
    const hive = await startWith();
    const bytes = random(1000000);
    const watching = await halfway(hive, 'end/term', bytes);
    hive.signal('SIGTERM');
    const end = (await toTheEnd(watching)).at(-1);
    assert.strictEqual(end.code, 'DOWNLOAD_FAILED');
    assert.match(end.message, /bytes of hf:end\/term are kept/);
    assert.strictEqual((await hive.end()).code, 0);
    const next = await goesOn(hive.home, 'end/term', bytes);
    t.after(() => next.stop());
  });

  test('bytes that rotted on disk meanwhile are fetched again', async (t) => {
    const hive = await startWith();
    const bytes = random(1000000);
    await halfway(hive, 'end/rot', bytes);
    hive.signal('SIGKILL');
    await hive.ended;
    const part = spawnSync('find', [hive.home, '-name', '*.part'], { encoding: 'utf8' }).stdout.trim();
    const fd = fs.openSync(part, 'r+');
    fs.writeSync(fd, Buffer.from([~bytes[1000] & 255]), 0, 1, 1000);
    fs.closeSync(fd);
    const next = await startWith({}, { home: hive.home });
    t.after(() => next.stop());
    const end = (await download(next, 'hf:end/rot')).at(-1);
    assert.strictEqual(end.stage, 'complete', JSON.stringify(end));
    assert.strictEqual(sha256(fs.readFileSync(end.local_path)), sha256(bytes));
  });

  test('a commit that is gone from the hub: the reference is asked anew', async (t) => {
    const hive = await startWith();
    await halfway(hive, 'end/moved', random(1000000));
    hive.signal('SIGKILL');
    await hive.ended;
    const bytes = random(5000);
    hub.put('end/moved', { 'other.Q4_K_M.gguf': bytes }, { commit: 'f'.repeat(40) });
    const next = await startWith({}, { home: hive.home });
    t.after(() => next.stop());
    const answer = await ask(next, 'hf:end/moved');
    const s = await watch(next, answer.json.download_id);
    const end = (await s.all()).at(-1);
    assert.strictEqual(end.stage, 'complete', JSON.stringify(end));
    assert.strictEqual(sha256(fs.readFileSync(end.local_path)), sha256(bytes));
    assert.deepStrictEqual(partsIn(next), ['other.Q4_K_M.gguf', 'other.Q4_K_M.gguf.json']);
  });

  test('removed while it comes: the watcher is told, nothing stays', async (t) => {
    const hive = await startWith();
    t.after(() => hive.stop());
    const watching = await halfway(hive, 'end/removed', random(1000000));
    const answer = await remove(hive, '/v1/models?model_ref=hf:end/removed');
    assert.strictEqual(answer.status, 200, answer.text);
    assert.strictEqual((await toTheEnd(watching)).at(-1).code, 'REQUEST_CANCELLED');
    assert.deepStrictEqual(partsIn(hive), []);
  });

  test('a damaged catalog is set aside and made again from the cards', async (t) => {
    const hive = await startWith();
    hub.put('end/catalog', { 'c.Q4_K_M.gguf': random(5000) });
    await download(hive, 'hf:end/catalog');
    const rows = await models(hive);
    await hive.stop();
    fs.writeFileSync(path.join(hive.home, 'models.db'), 'this is no database, whatever it was before');
    const next = await startWith({}, { home: hive.home });
    t.after(() => next.stop());
    assert.match(next.stderr, /damaged.*models\.db\.corrupt-/);
    const again = await models(next);
    assert.deepStrictEqual(again.map((m) => [m.model_ref, m.local_path, m.sha256]), rows.map((m) => [m.model_ref, m.local_path, m.sha256]));
    assert.strictEqual((await ask(next, 'hf:end/catalog')).json.download_id, 'cached');
  });

  test('a file that somebody deleted is not pretended to be there', async (t) => {
    const hive = await startWith();
    t.after(() => hive.stop());
    hub.put('end/deleted', { 'd.gguf': random(5000) });
    const { local_path: file } = (await download(hive, 'hf:end/deleted')).at(-1);
    fs.unlinkSync(file);
    assert.match((await spawn(hive, 'hf:end/deleted')).json.error.message, /no longer there/);
    assert.strictEqual((await download(hive, 'hf:end/deleted')).at(-1).stage, 'complete');
    assert.ok(fs.existsSync(file));
  });
});

test('without the module that holds libcurl the hive runs, and says what is missing when it is needed', async (t) => {
  if (installedModules().some((file) => fs.existsSync(file))) return t.skip('the module is installed on this machine');
  const alone = path.join(makeFolder('rbee-alone-'), 'rbee-hive');
  fs.copyFileSync(HIVE, alone);
  const hive = await startHive({ program: alone, flags: { worker: WORKER }, env: { HF_ENDPOINT: hub.url } });
  t.after(() => hive.stop());
  hub.put('alone/m', { 'm.gguf': random(1000) });
  for (let i = 0; i < 2; i++) {
    const end = (await download(hive, 'hf:alone/m')).at(-1);
    assert.strictEqual(end.stage, 'error', JSON.stringify(end));
    assert.match(end.message, /librbee-curl\.so is neither beside the program in .*; install it, or libcurl/);
  }
  assert.strictEqual((await get(hive, '/v1/models')).status, 200);
  return undefined;
});

/* After an upgrade in place each pull said that version 1 was needed and version 1 was there: "install the two together". */
test('a module with libcurl of another build: start the hive again', async (t) => {
  const folder = makeFolder('rbee-other-'), program = path.join(folder, 'rbee-hive');
  const bytes = fs.readFileSync(path.join(path.dirname(HIVE), '../net/librbee-curl.so')), at = bytes.indexOf('rbee-curl ');
  assert.ok(at > 0);
  bytes.write('rbee-curl ?', at);
  fs.copyFileSync(HIVE, program);
  fs.writeFileSync(path.join(folder, 'librbee-curl.so'), bytes);
  const hive = await startHive({ program, flags: { worker: WORKER }, env: { HF_ENDPOINT: hub.url } });
  t.after(() => hive.stop());
  const end = (await download(hive, 'hf:other/m')).at(-1);
  assert.strictEqual(end.stage, 'error', JSON.stringify(end));
  assert.match(end.message, /librbee-curl\.so is of another build than the running program: start that again; if that does not help, install both anew/);
});

describe('a full disk', () => {
  let disk = {};
  after(() => { if (disk.end) disk.end(); });

  test('too little room is said before the first byte, with both numbers; less room later is met', async (t) => {
    disk = smallDisk('2m');
    if (disk.why) return t.skip(disk.why);
    const hive = await startWith({ RBEE_HIVE_MODELS_DIR: disk.folder });
    t.after(() => hive.stop());
    hub.put('full/big', { 'b.gguf': random(3 << 20) });
    const from = hub.cdn.calls.length;
    assert.match((await downloadFails(hive, 'hf:full/big', 'DISK_FULL')).message, /needs 3\.1 MB .*room for 2\.[01] MB/);
    assert.strictEqual(hub.cdn.calls.length, from);
    hub.put('full/later', { 'l.gguf': random(1500000) });
    hub.cdn.plan.push({ pace: 10000 });
    const { json } = await ask(hive, 'hf:full/later');
    const watching = await watch(hive, json.download_id);
    await watching.find((e) => e.bytes_downloaded > 0);
    const blocker = path.join(disk.folder, 'blocker');
    assert.throws(() => fs.writeFileSync(blocker, random(2 << 20)), /ENOSPC/);
    assert.strictEqual((await toTheEnd(watching)).at(-1).code, 'DISK_FULL');
    fs.unlinkSync(blocker);
    assert.strictEqual((await download(hive, 'hf:full/later')).at(-1).stage, 'complete', 'with room again it goes on');
    return undefined;
  });
});
