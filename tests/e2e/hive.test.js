'use strict';
/*
 * hive.test.js - rbee-hive daemon: its workers from spawn to end, what it refuses, and what is left
 * behind when it or a worker dies. Real programs, ports picked by the kernel.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const { DATA, HIVE, WORKER, Proc, testModel, makeFolder, isAlive, bindsAny, sleep, until } = require('./lib/proc.js');
const { ask, stream } = require('./lib/sse.js');
const { startHive, get, post, remove, spawn, spawnReady, list, childrenOf } = require('./lib/hive.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');
const { hostFor, notApart } = require('./lib/host.js');

const MODEL = testModel();
const skip = MODEL ? false : 'no model: neither models/tiny.gguf nor the test data are there';
const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}';
const it = (what, how, ...more) => (assert.ok(!more.length, what), test(what, { skip }, how));
const infer = (worker, body) => stream(`${worker.url}/v1/inference`, { method: 'POST', body });

function assertError(answer, status, code) {
  assert.strictEqual(answer.status, status, answer.text);
  const error = answer.json.error;
  assert.strictEqual(error.code, code, answer.text);
  assert.strictEqual(error.src === 'hive' || error.src === 'worker', true, error.src);
  assert.match(error.request_id, new RegExp(`^${UUID}$`));
  assert.ok(error.message.length > 10, error.message);
  assert.strictEqual(typeof error.details, 'object');
  return error;
}

/* The folder of the cgroup (version 2) that a process is in, or null where there is none. */
function cgroupOf(pid) {
  const mount = fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n').find((line) => line.includes(' - cgroup2 '));
  const own = /^0::(.*)$/m.exec(fs.readFileSync(`/proc/${pid}/cgroup`, 'utf8'));
  return mount && own && path.join(mount.split(' ')[4], own[1]);
}

/* A copy of the model that a test may damage or delete. */
function copyModel(name = 'copy.gguf') {
  const file = path.join(makeFolder(), name);
  fs.copyFileSync(MODEL, file);
  return file;
}

describe('a hive and its workers', () => {
  let hive;
  before(async () => { hive = await startHive({ env: { RBEE_TINY: MODEL || '' } }); });
  after(() => hive.stop());

  test('health says alive, version and API version', async () => {
    const answer = await get(hive, '/v1/health');
    assert.strictEqual(answer.status, 200);
    assert.deepStrictEqual(answer.json, { status: 'alive', version: '0.1.0', api_version: 'v1' });
    assert.deepStrictEqual((await get(hive, '/v1/workers/list')).json, { workers: [] });
  });

  it('spawn: id, URL and state at once; ready soon; listed with its numbers', async () => {
    const answer = await spawn(hive, 'tiny');
    assert.strictEqual(answer.status, 200, answer.text);
    assert.match(answer.json.worker_id, new RegExp(`^worker-${UUID}$`));
    assert.match(answer.json.url, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.strictEqual(answer.json.state, 'loading');
    const worker = answer.json;
    await until(async () => (await get(worker, '/v1/ready')).json.ready, 'ready');
    const [row] = await until(async () => {
      const rows = await list(hive);
      return rows[0].state === 'idle' && rows;
    });
    assert.strictEqual(row.worker_id, worker.worker_id);
    assert.strictEqual(row.url, worker.url);
    assert.strictEqual(row.model_ref, 'tiny');
    assert.strictEqual(row.model_path, fs.realpathSync(MODEL));
    assert.strictEqual(row.backend, 'cpu');
    assert.ok(row.slots_total >= 1 && row.slots_busy === 0 && row.n_ctx > 0, JSON.stringify(row));
    assert.deepStrictEqual([worker.slots_total, worker.n_ctx], [row.slots_total, row.n_ctx], 'known before it was loaded');
    assert.ok(isAlive(row.pid));
    assert.ok(Math.abs(Date.parse(row.started_at) - Date.now()) < 60000);
  });

  it('the second spawn of one model gives the same worker, "new" another', async () => {
    const [first] = await list(hive);
    const again = await spawn(hive, `file://${MODEL}`, { backend: 'cpu', device: 0 });
    const tiny = await spawn(hive, 'tiny', { backend: 'auto' });
    assert.strictEqual(tiny.json.worker_id, first.worker_id);
    assert.strictEqual(again.json.worker_id, first.worker_id, 'another name of one file is no other model');
    const fresh = await spawn(hive, 'tiny', { new: true, slots: 1, ctx: 64 });
    assert.notStrictEqual(fresh.json.worker_id, first.worker_id);
    assert.notStrictEqual(fresh.json.url, first.url);
    await until(async () => (await get(hive, `/v1/workers/${fresh.json.worker_id}`)).json.state === 'idle');
    const row = (await get(hive, `/v1/workers/${fresh.json.worker_id}`)).json;
    assert.strictEqual(row.slots_total, 1);
    assert.strictEqual(row.n_ctx, 64);
  });

  it('spawns of one model at one moment become one worker', async () => {
    const file = copyModel();
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => spawn(hive, file)));
    assert.deepStrictEqual(answers.map((a) => a.status), [200, 200, 200, 200, 200]);
    assert.strictEqual(new Set(answers.map((a) => a.json.worker_id)).size, 1);
  });

  it('a running request shows as busy', async () => {
    const worker = await spawnReady(hive, 'tiny');
    let row;
    await until(async () => { // the answer may be over before it is looked at
      const answer = await infer(worker, { prompt: 'Once', max_tokens: 2000, temperature: 0 });
      await answer.find((e) => e.type === 'token');
      row = (await get(hive, `/v1/workers/${worker.worker_id}`)).json;
      answer.leave();
      return row.state !== 'idle';
    }, 'a look at it while it runs');
    assert.deepStrictEqual([row.state, row.slots_busy], ['busy', 1], JSON.stringify(row));
  });

  it('stop: 202, the process ends, the record goes', async () => {
    const worker = await spawnReady(hive, copyModel());
    const answer = await post(hive, `/v1/workers/${worker.worker_id}/shutdown`);
    assert.strictEqual(answer.status, 202);
    assert.deepStrictEqual(answer.json, { worker_id: worker.worker_id, state: 'draining' });
    await until(() => !isAlive(worker.pid), 'the end');
    await until(async () => (await get(hive, `/v1/workers/${worker.worker_id}`)).status === 404);
    const again = await remove(hive, `/v1/workers/${worker.worker_id}`);
    assertError(again, 404, 'NOT_FOUND');
  });

  it('a worker is born in a cgroup of its own, which goes with it', async (t) => {
    const base = cgroupOf(hive.pid) && path.join(cgroupOf(hive.pid), 'rbee');
    if (!base || !fs.existsSync(base)) { t.skip('the hive can make no cgroups here'); return; }
    const worker = await spawnReady(hive, copyModel());
    const folder = path.join(base, worker.worker_id);
    assert.strictEqual(cgroupOf(worker.pid), folder);
    assert.strictEqual(fs.readFileSync(path.join(folder, 'cgroup.procs'), 'utf8'), `${worker.pid}\n`);
    await remove(hive, `/v1/workers/${worker.worker_id}`);
    await until(() => !fs.existsSync(folder), 'its cgroup has gone');
  });

  it('the log of a worker, by lines', async () => {
    const worker = await spawnReady(hive, 'tiny');
    const log = await get(hive, `/v1/workers/${worker.worker_id}/log?lines=1`);
    assert.strictEqual(log.status, 200);
    assert.strictEqual(log.text.trimEnd().split('\n').length, 1);
    assert.match((await get(hive, `/v1/workers/${worker.worker_id}/log`)).text, /listens on/);
    assertError(await get(hive, `/v1/workers/${worker.worker_id}/log?lines=x`), 400, 'INVALID_REQUEST');
    /* A folder in its place was "rbee's fault: please report it", and no log had the request's id. */
    const file = path.join(hive.home, 'logs', `${worker.worker_id}.log`);
    fs.renameSync(file, `${file}.away`);
    fs.mkdirSync(file);
    const odd = assertError(await get(hive, `/v1/workers/${worker.worker_id}/log`), 500, 'INTERNAL');
    assert.match(odd.message, /Is a directory/);
    assert.match(odd.details.hint, /^See to what the message names/);
    await until(() => hive.stderr.includes(`INTERNAL in request ${odd.request_id}, found by the hive: ${odd.message}`), () => hive.stderr);
    fs.rmdirSync(file);
    fs.renameSync(`${file}.away`, file);
    /* Its file was deleted: that was INTERNAL, "This is rbee's fault". */
    fs.rmSync(path.join(hive.home, 'logs', `${worker.worker_id}.log`));
    const gone = assertError(await get(hive, `/v1/workers/${worker.worker_id}/log`), 404, 'NOT_FOUND');
    assert.match(gone.message, /^the log of that worker, .*\.log, is gone$/);
    assert.match(gone.details.hint, /has deleted it/);
  });

  it('a worker killed while idle: noticed within a second, told, and the next spawn works', async () => {
    const file = copyModel();
    const took = [];
    let worker, row;
    do { // a machine that is held up for a moment has another try
      worker = await spawnReady(hive, file);
      process.kill(worker.pid, 'SIGKILL');
      const killed = performance.now();
      row = await until(async () => {
        const now = (await get(hive, `/v1/workers/${worker.worker_id}`)).json;
        return now.state === 'failed' && now;
      });
      took.push(performance.now() - killed);
    } while (took.at(-1) >= 1000 && took.length < 3);
    assert.ok(took.at(-1) < 1000, `${took} ms`);
    assert.strictEqual(row.error.code, 'WORKER_CRASHED');
    assert.match(row.error.message, /SIGKILL/);
    assert.deepStrictEqual([row.slots_total, row.n_ctx, typeof row.sandbox], [4, 512, 'string'], 'its numbers outlive it');
    assert.strictEqual(row.error.log_path, path.join(fs.realpathSync(hive.home), 'logs', `${worker.worker_id}.log`));
    assert.ok(row.error.log_tail.some((line) => /listens on/.test(line)), row.error.log_tail);
    const stopped = await post(hive, `/v1/workers/${worker.worker_id}/shutdown`);
    assert.deepStrictEqual([stopped.status, stopped.json.state], [202, 'failed'], 'it is not draining');
    const next = await spawnReady(hive, file);
    assert.notStrictEqual(next.worker_id, worker.worker_id);
  });

  test('GET /v1/node and /v1/backends tell what is there', async () => {
    const node = (await get(hive, '/v1/node')).json;
    assert.strictEqual(node.version, '0.1.0');
    assert.ok(node.cpus >= 1 && node.memory_bytes > 1e8 && node.memory_free_bytes <= node.memory_bytes);
    const { backends } = (await get(hive, '/v1/backends')).json;
    assert.deepStrictEqual(backends.map((b) => b.name), ['cpu', 'cuda', 'metal', 'vulkan']);
    assert.strictEqual(backends[0].available, true);
    assert.strictEqual(backends[0].devices[0].cores, node.cpus);
    for (const other of backends.slice(1)) assert.ok(other.available === false && other.reason.length > 5);
  });

  it('small: under 20 MB resident with workers and after requests', (t) => {
    if (process.env.ASAN_OPTIONS || process.env.TSAN_OPTIONS) return t.skip('a sanitized build is larger');
    const rss = /^VmRSS:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${hive.pid}/status`, 'utf8'));
    assert.ok(Number(rss[1]) < 20 * 1024, rss[0]);
  });
});

describe('what a hive refuses', () => {
  let hive;
  before(async () => { hive = await startHive({ env: { RBEE_TINY: MODEL || '' } }); });
  after(() => hive.stop());

  test('a body that is no JSON, no object, or cut short', async () => {
    for (const body of ['{', '[]', '"x"', '{"model_ref":"tiny"', '{"a":1,"a":2}', '\0']) {
      assertError(await post(hive, '/v1/workers/spawn', body), 400, 'INVALID_REQUEST');
    }
  });

  test('every bad field at once, unknown ones too', async () => {
    const answer = await post(hive, '/v1/workers/spawn',
      { model_ref: 5, device: -1, slots: 'many', ctx: 0, keep_alive: 'soon', new: 1, modle: 'x' });
    const error = assertError(answer, 400, 'INVALID_REQUEST');
    assert.deepStrictEqual(error.details.errors.map((e) => e.field).sort(),
      ['ctx', 'device', 'keep_alive', 'model_ref', 'modle', 'new', 'slots']);
    for (const e of error.details.errors) assert.ok(e.constraint && e.message);
    const missing = assertError(await post(hive, '/v1/workers/spawn', {}), 400, 'INVALID_REQUEST');
    assert.deepStrictEqual(missing.details.errors.map((e) => [e.field, e.constraint]), [['model_ref', 'required']]);
    const twice = assertError(await post(hive, '/v1/workers/spawn', '{"model_ref":"a","model_ref":"b"}'), 400, 'INVALID_REQUEST');
    assert.match(twice.message, /a field is there twice \(line 1, /);
  });

  /* A worker ran that no list showed and nobody could stop, and the hive was said to be out of memory. */
  test('a link whose file lies at a path that no answer can hold', async () => {
    const folder = makeFolder(), odd = Buffer.concat([Buffer.from(`${folder}/mod`), Buffer.from([0xe8]), Buffer.from('les')]);
    fs.mkdirSync(odd);
    fs.writeFileSync(Buffer.concat([odd, Buffer.from('/m.gguf')]), 'GGUF');
    fs.symlinkSync(odd, path.join(folder, 'link'));
    const error = assertError(await spawn(hive, path.join(folder, 'link', 'm.gguf')), 400, 'INVALID_MODEL_REF');
    assert.match(error.message, /mod\?les\/m\.gguf, a path that is not UTF-8: rename its folder/);
  });

  test('a body over the limit', async () => {
    const answer = await post(hive, '/v1/workers/spawn', { model_ref: 'x'.repeat(2 << 20) });
    assert.strictEqual(answer.status, 413);
    assert.strictEqual(answer.json.error.code, 'BODY_TOO_LARGE');
  });

  test('unknown paths and ids, wrong methods', async () => {
    assertError(await get(hive, '/v1/nothing'), 404, 'NOT_FOUND');
    assertError(await get(hive, '/v1/workers/worker-none'), 404, 'NOT_FOUND');
    assertError(await post(hive, '/v1/workers/..%2f..%2fx/shutdown'), 404, 'NOT_FOUND');
    assertError(await get(hive, '/v1/models/download/progress?id=nothing'), 404, 'NOT_FOUND');
    assertError(await get(hive, '/v1/models/download/progress'), 400, 'INVALID_REQUEST');
    const wrong = await get(hive, '/v1/workers/spawn');
    assertError(wrong, 405, 'METHOD_NOT_ALLOWED');
    assert.strictEqual(wrong.headers.allow, 'POST');
    const answer = await ask(`${hive.url}/v1/health`, { method: 'HEAD' });
    assert.strictEqual(answer.status, 200);
    assert.strictEqual(answer.text, '');
  });

  test('a foreign Host or Origin on a loopback address', async () => {
    assertError(await ask(`${hive.url}/v1/node`, { headers: { Host: 'evil.example' } }), 403, 'FORBIDDEN_HOST');
    assertError(await ask(`${hive.url}/v1/node`, { headers: { Origin: 'http://evil.example' } }), 403, 'FORBIDDEN_HOST');
  });

  test('model references that are none, or that are not here', async () => {
    assertError(await spawn(hive, 'org/repo'), 400, 'INVALID_MODEL_REF');
    assertError(await spawn(hive, './x.gguf'), 400, 'INVALID_MODEL_REF');
    assertError(await spawn(hive, '/none/x.gguf'), 404, 'MODEL_NOT_FOUND');
    assertError(await spawn(hive, '/'), 400, 'INVALID_MODEL_REF');
    assert.match(assertError(await spawn(hive, '/usr'), 404, 'MODEL_NOT_FOUND').message, /regular file/);
    const error = assertError(await spawn(hive, 'hf:org/repo'), 404, 'MODEL_NOT_FOUND');
    assert.match(error.message, /download/);
  });

  /* It was asked for by the path of the running program, which is "... (deleted)" after an upgrade in place: INTERNAL. */
  test('backends are told also when the hive\'s program was replaced on the disk', async (t) => {
    const program = path.join(makeFolder(), 'rbee-hive');
    fs.copyFileSync(HIVE, program);
    const mine = await startHive({ program, flags: { worker: WORKER } });
    t.after(() => mine.stop());
    fs.rmSync(program);
    fs.writeFileSync(program, '#!/bin/sh\nexit 1\n', { mode: 0o755 }); // what runs is asked, not what is there now
    const { status, json } = await get(mine, '/v1/backends');
    assert.strictEqual(status, 200, JSON.stringify(json));
    assert.strictEqual(json.backends[0].name, 'cpu');
    assert.strictEqual(json.backends[0].available, true);
    assert.ok(!mine.stderr.includes('look for devices'), mine.stderr);
  });

  test('backends and devices that are not there', async () => {
    for (const backend of ['cuda', 'metal', 'vulkan', 'abacus']) {
      const error = assertError(await spawn(hive, 'tiny', { backend }), 422, 'BACKEND_UNAVAILABLE');
      assert.match(error.message, /cpu/);
    }
    assertError(await spawn(hive, 'tiny', { backend: 'cpu', device: 1 }), 422, 'DEVICE_NOT_FOUND');
  });

  it('files that are no model, with the engine\'s sentence', async () => {
    const file = path.join(makeFolder(), 'x.gguf');
    fs.writeFileSync(file, 'GGUF is not enough');
    const text = assertError(await spawn(hive, file), 422, 'INVALID_MODEL_FILE').message;
    assert.match(text, /x\.gguf/);
    fs.copyFileSync(MODEL, file);
    fs.truncateSync(file, fs.statSync(file).size - 1000);
    assert.match(assertError(await spawn(hive, file), 422, 'INVALID_MODEL_FILE').message, /byte|tensor/);
    assert.deepStrictEqual(await list(hive), []);
  });

  /* The file was told as one of an architecture that is not known. */
  test('a tensor that is missing makes a damaged file', async () => {
    const file = path.join(makeFolder(), 'lacks.gguf');
    writeHollowModel(file);
    const bytes = fs.readFileSync(file);
    bytes.write('output_nurm', bytes.indexOf('output_norm'));
    fs.writeFileSync(file, bytes);
    assert.match(assertError(await spawn(hive, file), 422, 'INVALID_MODEL_FILE').message, /output_norm/);
  });

  /* What the worker said of it was no JSON for the hive: 500. */
  test('a NUL in a text of the file ends that text', async () => {
    const file = path.join(makeFolder(), 'nul.gguf');
    writeHollowModel(file, { layers: 1, license: 'MIT\0 or so' });
    const worker = await spawnReady(hive, file);
    assert.strictEqual((await remove(hive, `/v1/workers/${worker.worker_id}`)).status, 202);
  });

  test('architectures that the engine does not know', (t) => {
    const gpt2 = path.join(DATA, 'vocab/ggml-vocab-gpt-2.gguf');
    if (!fs.existsSync(gpt2)) return t.skip('the vocabulary files are not there');
    return spawn(hive, gpt2).then((answer) => {
      assert.match(assertError(answer, 422, 'UNSUPPORTED_MODEL').message, /gpt2/);
    });
  });

  test('a model that needs more memory than there is, with both numbers', async () => {
    const file = path.join(makeFolder(), 'huge.gguf');
    writeHollowModel(file, { layers: 64, embd: 4096, ff: 65536, ctx: 512 });
    const error = assertError(await spawn(hive, file), 507, 'INSUFFICIENT_MEMORY');
    assert.match(error.message, /needs [\d.]+ GB .* [\d.]+ [MG]B are free/);
    assert.ok(error.details.need_bytes > error.details.have_bytes);
  });

  test('POST ready of a worker that nobody knows', async () => {
    const body = { worker_id: 'worker-x', url: 'http://127.0.0.1:1', model_ref: 'tiny', backend: 'cpu', device: 0 };
    assertError(await post(hive, '/v1/workers/ready', body), 404, 'NOT_FOUND');
    assertError(await post(hive, '/v1/workers/ready', { worker_id: 'x' }), 400, 'INVALID_REQUEST');
  });
});

describe('a worker that does not come up', () => {
  /* A program in the worker's place that behaves at "inspect" and does as told at "serve". */
  function standIn(serve) {
    const file = path.join(makeFolder(), 'worker.sh');
    fs.writeFileSync(file, '#!/bin/sh\n[ "$1" = inspect ] && { echo \'{"supported":true}\'; exit 0; }\n' + serve + '\n');
    fs.chmodSync(file, 0o755);
    return file;
  }
  const model = path.join(makeFolder(), 'any.gguf');
  fs.writeFileSync(model, 'any');

  async function failed(hive, id) {
    return until(async () => {
      const row = (await get(hive, `/v1/workers/${id}`)).json;
      return row.state === 'failed' && row;
    }, () => hive.stderr);
  }

  test('an exit while loading: told with the log, and not tried again for 10 s', async (t) => {
    const hive = await startHive({ flags: { worker: standIn('echo no luck today >&2; exit 3') } });
    t.after(() => hive.stop());
    const began = performance.now(), first = await spawn(hive, model);
    assert.strictEqual(first.status, 200, first.text);
    const row = await failed(hive, first.json.worker_id);
    assert.strictEqual(row.error.code, 'WORKER_START_FAILED');
    assert.match(row.error.message, /exit code 3/);
    assert.deepStrictEqual(row.error.log_tail, ['no luck today']);
    const second = await spawn(hive, model);
    const error = assertError(second, 503, 'WORKER_START_FAILED');
    assert.ok(Number(second.headers['retry-after']) >= 1 && Number(second.headers['retry-after']) <= 10);
    assert.strictEqual(error.details.cause, 'WORKER_START_FAILED');
    assert.strictEqual((await list(hive)).length, 1);
    const again = await until(async () => {
      const r = await spawn(hive, model);
      return r.status !== 503 && r;
    }, 'the ten seconds are over', 15000);
    assert.strictEqual(again.status, 200, again.text);
    assert.notStrictEqual(again.json.worker_id, first.json.worker_id);
    assert.ok(performance.now() - began > 9000, 'and not before');
  });

  /* After an upgrade in place each new worker ended with "exit code 1", was called worth another try, and nobody was told
   * that the hive has to be restarted. */
  const USAGE = "llm-worker-rbee serve: there is no option '--later'. Try 'llm-worker-rbee serve --help'.";
  for (const [what, serve] of [['says that it is of another build', 'exit 76'], ['does not know its words', `echo "${USAGE}" >&2; exit 2`]])
    test(`a worker that ${what}: restart the hive, and no other try`, async (t) => {
      const hive = await startHive({ flags: { worker: standIn(serve) } });
      t.after(() => hive.stop());
      const row = await failed(hive, (await spawn(hive, model)).json.worker_id);
      assert.match(row.error.message, /worker\.sh on the disk is.* of another build than this running rbee-hive \(\d/);
      assert.match(row.error.hint, /^Restart rbee-hive/);
      const error = assertError(await spawn(hive, model), 500, 'WORKER_START_FAILED');
      assert.match(error.message, /of another build/);
      assert.match(error.details.hint, /^Restart rbee-hive/);
      assert.strictEqual(error.details.retriable, false);
      assert.ok(error.details.log_path);
    });

  /* A script around the worker ended with that code, and the hive was to be restarted, which mended nothing. */
  test('one that ends with the code of a wrong usage, and does not say so, has another fault', async (t) => {
    const hive = await startHive({ flags: { worker: standIn('echo "no licence for this machine" >&2; exit 2') } });
    t.after(() => hive.stop());
    const row = await failed(hive, (await spawn(hive, model)).json.worker_id);
    assert.match(row.error.message, /ended with exit code 2 while it loaded the model/);
    assert.doesNotMatch(JSON.stringify(row.error), /another build|Restart rbee-hive/);
  });

  test('the worker says that what it shares with its hive is of another build', async (t) => {
    const board = path.join(makeFolder(), 'board'), head = Buffer.alloc(64);
    head.writeUInt32LE(0x72626565, 0);
    head.writeUInt32LE(999, 4);
    fs.writeFileSync(board, head);
    const fd = fs.openSync(board, 'r+');
    t.after(() => fs.closeSync(fd));
    const r = spawnSync(WORKER, ['serve', '--model', model, '--board-fd', '3'], { stdio: ['ignore', 'pipe', 'pipe', fd], encoding: 'utf8' });
    assert.strictEqual(r.status, 76, r.stderr);
    assert.match(r.stderr, /version 999.*another build/);
  });

  test('a signal while loading is told by its name', async (t) => {
    const hive = await startHive({ flags: { worker: standIn('kill -SEGV $$') } });
    hive.mayCrash(); // its workers, that is
    t.after(() => hive.stop());
    const row = await failed(hive, (await spawn(hive, model)).json.worker_id);
    assert.strictEqual(row.error.code, 'WORKER_CRASHED');
    assert.match(row.error.message, /SIGSEGV/);
  });

  /* SIGCHLD ignored in the hive's parent is so in the hive: how a child ended was not told, and read as
   * "exit code 0". Signals that the parent had blocked stayed blocked: SIGTERM never came. */
  test('signals that the hive\'s parent ignored or blocked change nothing', async (t) => {
    const program = path.join(makeFolder(), 'hive.sh');
    fs.writeFileSync(program, `#!/bin/sh\nexec env --ignore-signal=CHLD --block-signal=TERM ${HIVE} "$@"\n`);
    fs.chmodSync(program, 0o755);
    const hive = await startHive({ program, flags: { worker: standIn('kill -SEGV $$') } });
    hive.mayCrash(); // its workers, that is
    t.after(() => hive.stop());
    const row = await failed(hive, (await spawn(hive, model)).json.worker_id);
    assert.strictEqual(row.error.code, 'WORKER_CRASHED');
    assert.match(row.error.message, /SIGSEGV/);
    hive.signal('SIGTERM');
    assert.strictEqual((await hive.ended).code, 0);
  });

  test('a load that never ends is ended: LOADING_TIMEOUT', async (t) => {
    const hive = await startHive({ flags: { worker: standIn('exec sleep 60') }, env: { RBEE_HIVE_LOAD_TIMEOUT: '300ms' } });
    t.after(() => hive.stop());
    const { worker_id: id, pid } = (await spawn(hive, model)).json;
    const row = await failed(hive, id);
    assert.strictEqual(row.error.code, 'LOADING_TIMEOUT');
    await until(() => !isAlive(pid), 'the end');
  });

  test('a program that is not there: every place is named', async (t) => {
    const hive = await startHive({ flags: { worker: '/none/llm-worker-rbee' } });
    t.after(() => hive.stop());
    const error = assertError(await spawn(hive, model), 500, 'WORKER_START_FAILED');
    assert.match(error.message, /\/none\/llm-worker-rbee/);
    assert.deepStrictEqual(await list(hive), []);
  });

  test('a program that cannot be run', async (t) => {
    const file = path.join(makeFolder(), 'worker');
    fs.writeFileSync(file, 'neither script nor binary');
    fs.chmodSync(file, 0o755);
    const hive = await startHive({ flags: { worker: file } });
    t.after(() => hive.stop());
    assertError(await spawn(hive, model), 500, 'WORKER_START_FAILED');
    await hive.says(/no worker for file:\S+any\.gguf: cannot run /); // only the client was told
  });

  it('a file damaged behind its header: the worker judges it, the error keeps the engine\'s code', async (t) => {
    /* inspect passes (a script that always says yes), then the real worker finds the damage. */
    const { WORKER } = require('./lib/proc.js');
    const hive = await startHive({ flags: { worker: standIn(`exec ${WORKER} "$@"`) } });
    t.after(() => hive.stop());
    const row = await failed(hive, (await spawn(hive, model)).json.worker_id);
    assert.strictEqual(row.error.code, 'INVALID_MODEL_FILE');
    assert.match(row.error.message, /any\.gguf|GGUF|bytes/);
  });

  /* A worker whose load failed stays half a second, to tell its clients. The ten seconds began only when it
   * had ended, so each ask in between started one more process: some thirty of them. */
  it('a failed load is not tried again, also while its worker is still there to tell', async (t) => {
    const { WORKER } = require('./lib/proc.js');
    const hive = await startHive({ flags: { worker: standIn(`exec ${WORKER} "$@"`) } });
    t.after(() => hive.stop());
    const first = (await spawn(hive, model)).json.worker_id;
    await failed(hive, first);
    const second = await spawn(hive, model), error = assertError(second, 503, 'WORKER_START_FAILED');
    assert.ok(Number(second.headers['retry-after']) >= 5, 'the time is ahead');
    assert.deepStrictEqual({ ...error.details, hint: '', retriable: '' },
      { worker_id: first, cause: 'INVALID_MODEL_FILE', hint: '', retriable: '' });
    assert.match(error.message, /any\.gguf/);
    assert.strictEqual((await list(hive)).length, 1);
  });
});

/* With stderr closed libevent's pipe for signals was descriptor 2: each line of the log was read as signals. */
test('standard descriptors that are closed stay nobody\'s', async (t) => {
  const home = makeFolder('rbee-hive-'), lock = path.join(home, 'run', 'hive.lock');
  const hive = new Proc('/bin/sh', ['-c', 'exec "$0" daemon --addr 127.0.0.1:0 --home "$1" <&- >&- 2>&-', HIVE, home]);
  t.after(() => hive.stop());
  await until(() => fs.existsSync(lock));
  for (const fd of [0, 1, 2]) assert.strictEqual(fs.readlinkSync(`/proc/${hive.pid}/fd/${fd}`), '/dev/null');
});

describe('a model file that was judged before', () => {
  const { WORKER } = require('./lib/proc.js');
  /* The real worker, behind a script that notes each command. Both files are old enough to be known again. */
  async function countingHive(t) {
    const file = path.join(makeFolder(), 'worker');
    fs.writeFileSync(file, `#!/bin/sh\necho "$1" >> ${file}.calls\nexec ${WORKER} "$@"\n`);
    fs.chmodSync(file, 0o755);
    const model = copyModel();
    const hive = await startHive({ flags: { worker: file } });
    t.after(() => hive.stop());
    await sleep(1100);
    return { hive, model, calls: () => fs.readFileSync(`${file}.calls`, 'utf8').trim().split('\n') };
  }
  async function spawnAndStop(hive, model) {
    const worker = await spawnReady(hive, model);
    await remove(hive, `/v1/workers/${worker.worker_id}`);
    await until(async () => (await list(hive)).length === 0);
  }

  it('is not judged again for the next worker', async (t) => {
    const { hive, model, calls } = await countingHive(t);
    await spawnAndStop(hive, model);
    await spawnAndStop(hive, model);
    assert.deepStrictEqual(calls(), ['inspect', 'serve', 'serve']);
  });

  it('is judged again once it has changed, though its size and time of writing are the same', async (t) => {
    const { hive, model, calls } = await countingHive(t);
    await spawnAndStop(hive, model);
    const { size, atime, mtime } = fs.statSync(model);
    fs.writeFileSync(model, Buffer.alloc(size));
    fs.utimesSync(model, atime, mtime);
    assertError(await spawn(hive, model), 422, 'INVALID_MODEL_FILE');
    assert.deepStrictEqual(calls(), ['inspect', 'serve', 'inspect']);
  });
});

describe('asks that a worker could only fail on', () => {
  let hive;
  before(async () => { hive = await startHive({ env: { RBEE_TINY: MODEL || '' } }); });
  after(() => hive.stop());

  /* A ctx over the model's own was answered with 200; the worker failed, and for 10 seconds everybody
     who asked for that model was told 503. */
  it('a context beyond the model is refused by name, and holds up nobody', async () => {
    const answer = await post(hive, '/v1/workers/spawn', { model_ref: 'tiny', ctx: 1 << 20 });
    const error = assertError(answer, 400, 'INVALID_REQUEST');
    assert.deepStrictEqual(error.details.errors.map((e) => e.field), ['ctx']);
    assert.match(error.message, /1048576.*trained for a context of \d+/);
    assert.deepStrictEqual(await list(hive), []);
    await spawnReady(hive, 'tiny');
  });

  /* force=1 on the bundled model stopped its workers, and then said that it cannot be removed. */
  it('the bundled model cannot be removed, and its worker stays', async () => {
    const worker = await spawnReady(hive, 'tiny');
    for (const force of ['', '&force=1'])
      assertError(await remove(hive, `/v1/models?model_ref=tiny${force}`), 400, 'INVALID_REQUEST');
    assert.strictEqual((await get(worker, '/v1/ready')).json.ready, true);
  });
});

describe('a default context larger than the model', () => {
  it('bends to the model', async (t) => {
    const hive = await startHive({ flags: { ctx: 1000000 }, env: { RBEE_TINY: MODEL || '' } });
    t.after(() => hive.stop());
    const worker = await spawnReady(hive, 'tiny');
    const row = (await list(hive)).find((w) => w.worker_id === worker.worker_id);
    assert.ok(row.n_ctx > 0 && row.n_ctx < 1000000, JSON.stringify(row));
  });
});

describe('keep-alive', () => {
  it('an idle worker ends after its time, one in use does not', async (t) => {
    const hive = await startHive({ flags: { 'keep-alive': '500ms' }, env: { RBEE_TINY: MODEL } });
    t.after(() => hive.stop());
    const worker = await spawnReady(hive, 'tiny');
    const used = performance.now(); // before: its time begins behind the answer, whenever that is heard of here
    await (await infer(worker, { prompt: 'Once', max_tokens: 3 })).all();
    await until(() => !isAlive(worker.pid), 'the end');
    assert.ok(performance.now() - used >= 499, `${performance.now() - used} ms`);
    await until(async () => (await list(hive)).length === 0);
  });

  /* A model that took more than a moment to pack was ended before anybody had come: packing counted as use. */
  it('0: it waits for its first request, then ends', async (t) => {
    const file = path.join(makeFolder(), 'large.gguf');
    writeHollowModel(file, { layers: 8, embd: 1024, ff: 4096, packable: true });
    const hive = await startHive({ flags: { threads: 1 } });
    t.after(() => hive.stop());
    const worker = await spawnReady(hive, file, { keep_alive: 0 });
    await sleep(700);
    assert.ok(isAlive(worker.pid), 'it ended before it was used');
    await (await infer(worker, { prompt: 'Once', max_tokens: 3 })).all();
    await until(() => !isAlive(worker.pid), 'the end');
  });

  /* A client that left in the middle of a long pass had the time until the end counted as idle. */
  it('it counts from the end of the last pass', async (t) => {
    const file = path.join(makeFolder(), 'slow.gguf');
    writeHollowModel(file, { layers: 4, embd: 1024, ff: 4096, ctx: 2048 });
    const hive = await startHive({ flags: { threads: 1 } });
    t.after(() => hive.stop());
    const worker = await spawnReady(hive, file, { ctx: 2048, slots: 1 });
    const row = async () => (await list(hive))[0];
    const answer = await infer(worker, { prompt: 'ab '.repeat(600), max_tokens: 1000, temperature: 0 });
    await until(async () => (await row()).slots_busy === 1, 'it is at work');
    const left = performance.now();
    answer.leave();
    const { last_activity_ms_ago: ago } = await until(async () => { const w = await row(); return w.slots_busy === 0 && w; }, 'it is idle');
    assert.ok(performance.now() - ago >= left, `active ${ago} ms ago, left ${performance.now() - left} ms ago`);
  });

  it('-1: never', async (t) => {
    const hive = await startHive({ flags: { 'keep-alive': '0' }, env: { RBEE_TINY: MODEL } });
    t.after(() => hive.stop());
    const worker = await spawnReady(hive, 'tiny', { keep_alive: '-1' });
    await (await infer(worker, { prompt: 'Once', max_tokens: 3 })).all();
    await sleep(700);
    assert.ok(isAlive(worker.pid));
  });
});

describe('health', () => {
  it('a worker that hangs is found out, ended, and called stalled', async (t) => {
    const hive = await startHive({ env: { RBEE_TINY: MODEL, RBEE_HIVE_HEALTH_INTERVAL: '400ms' } });
    t.after(() => hive.stop());
    const worker = await spawnReady(hive, 'tiny');
    await sleep(1000);
    assert.ok(isAlive(worker.pid), 'a healthy one passes');
    process.kill(worker.pid, 'SIGSTOP');
    const row = await until(async () => {
      const now = (await get(hive, `/v1/workers/${worker.worker_id}`)).json;
      return now.state === 'failed' && now.error && now;
    });
    assert.strictEqual(row.error.code, 'WORKER_STALLED');
    await until(() => !isAlive(worker.pid), 'the end');
  });
});

describe('the end', () => {
  it('SIGTERM: workers are ended, exit 0, nothing is left', async () => {
    const hive = await startHive({ env: { RBEE_TINY: MODEL } });
    const a = await spawnReady(hive, 'tiny');
    const b = await spawnReady(hive, copyModel());
    hive.signal('SIGTERM');
    assert.deepStrictEqual(await hive.end(), { code: 0, killedBy: null });
    assert.deepStrictEqual([isAlive(a.pid), isAlive(b.pid)], [false, false]);
  });

  /*
   * Somebody else had told it to end. Its port was free, the next worker took it, and "stop" went there: the
   * first worker's end was the second one's. So were the answers to its health checks.
   */
  test('of a worker that drains already: the one that has its port by now lives on', { skip: skip || notApart }, async (t) => {
    const home = makeFolder('rbee-hive-'), host = await hostFor(t); // where nobody else takes a port
    const first = path.join(makeFolder(), 'first.gguf');
    writeHollowModel(first, { layers: 8, embd: 512, ff: 2048, ctx: 4096 });
    const hive = host.startWith({ HOME: home, RBEE_TINY: MODEL }, HIVE, 'daemon', '--addr', '127.0.0.1:8080', '--home', home,
      '--threads', '1', '--worker-port-first', '8081');
    await hive.says(/listening on/);
    hive.url = `http://127.0.0.1:${await host.door(8080)}`;
    const worker = { url: `http://127.0.0.1:${await host.door(8081)}` }; // whichever has the port
    const row = async (w) => (await get(hive, `/v1/workers/${w.worker_id}`)).json;
    const comes = async (model) => {
      const { json } = await spawn(hive, model);
      await until(async () => (await row(json)).state === 'idle', () => `idle:\n${hive.stderr}`);
      return json;
    };
    const a = await comes(first);
    const running = await infer(worker, { prompt: 'a', max_tokens: 4000, temperature: 0 });
    await running.find((e) => e.type === 'token');
    process.kill((await row(a)).pid, 'SIGTERM');
    await until(async () => (await row(a)).state === 'draining');
    const b = await comes('tiny');
    assert.deepStrictEqual([a.url, b.url], ['http://127.0.0.1:8081', 'http://127.0.0.1:8081']);
    assert.strictEqual((await remove(hive, `/v1/workers/${a.worker_id}`)).status, 202);
    running.leave();
    await until(async () => (await get(hive, `/v1/workers/${a.worker_id}`)).status === 404, 'the end of the first');
    assert.strictEqual((await row(b)).state, 'idle');
    assert.strictEqual((await post(worker, '/v1/inference', { prompt: 'Once', max_tokens: 2, stream: false })).status, 200);
    await hive.stop();
  });

  /*
   * A service manager signals all processes of a service at once. The worker closed its port; the hive, whose
   * wish was refused there, sent a second SIGTERM, and that cut every answer off without a word.
   */
  for (const order of [['hive', 'worker'], ['worker', 'hive']])
    test(`SIGTERM to ${order.join(' and ')} at once: what runs is answered to its end`, async () => {
      const file = path.join(makeFolder(), 'hollow.gguf');
      writeHollowModel(file, { layers: 8, embd: 512, ff: 2048, ctx: 1024 });
      const hive = await startHive({ flags: { threads: 1 } });
      const worker = await spawnReady(hive, file);
      const { pid } = (await get(hive, `/v1/workers/${worker.worker_id}`)).json;
      const running = await infer(worker, { prompt: 'a', max_tokens: 60, temperature: 0 });
      await running.find((e) => e.type === 'token');
      for (const who of order) process.kill(who === 'hive' ? hive.pid : pid, 'SIGTERM');
      const last = (await running.all()).at(-1);
      assert.deepStrictEqual([last.type, last.tokens_out, running.done], ['end', 60, true]);
      assert.deepStrictEqual(await hive.end(), { code: 0, killedBy: null });
      assert.strictEqual(isAlive(pid), false);
    });

  it('SIGTERM while a worker loads: nothing is left', async () => {
    const hive = await startHive({ env: { RBEE_TINY: MODEL } });
    const answer = await spawn(hive, 'tiny');
    hive.signal('SIGTERM');
    assert.strictEqual((await hive.end()).code, 0);
    assert.strictEqual(isAlive(answer.json.pid), false);
  });

  it('a second signal ends a drain at once', async () => {
    const hive = await startHive({ env: { RBEE_TINY: MODEL } });
    const worker = await spawnReady(hive, 'tiny');
    process.kill(worker.pid, 'SIGSTOP'); // it cannot drain
    hive.signal('SIGTERM');
    await hive.says(/SIGTERM: the hive ends; its workers are asked to finish/); // two that wait are one
    assert.ok(isAlive(hive.pid));
    hive.signal('SIGTERM');
    await hive.end(10000); // a drain has 30 s
    assert.strictEqual(isAlive(worker.pid), false);
  });

  /*
   * A worker whose model lies on a filesystem that hangs does not die of SIGKILL before that has answered. The
   * hive waited for its death, also behind a second signal: it never ended. Here a tracer holds a process on its
   * way out, which looks the same from outside.
   */
  test('a worker that does not die holds up nobody, and keeps its note', async (t) => {
    const folder = makeFolder(), worker = path.join(folder, 'worker.sh'), model = path.join(folder, 'any.gguf');
    const libc = 'import ctypes, time; libc = ctypes.CDLL(None); long = ctypes.c_ulong;';
    fs.writeFileSync(model, 'any');
    fs.writeFileSync(worker, `#!/bin/sh
[ "$1" = inspect ] && { echo '{"supported":true}'; exit 0; }
exec python3 -c '${libc} libc.prctl(0x59616d61, long(2**64 - 1), 0, 0, 0); open("${folder}/up", "w"); time.sleep(60)'
`, { mode: 0o755 }); // PR_SET_PTRACER: whoever likes may hold it
    const hive = await startHive({ flags: { worker } });
    t.after(() => hive.signal('SIGKILL'));
    const { worker_id: id, pid } = (await spawn(hive, model)).json;
    await until(() => fs.existsSync(`${folder}/up`), 'the worker');
    // PTRACE_SEIZE with PTRACE_O_TRACEEXIT
    const holder = new Proc('python3', ['-c', `${libc} print("held", libc.ptrace(0x4206, long(${pid}), 0, long(0x40)), flush=True); time.sleep(60)`]);
    t.after(async () => { holder.signal('SIGKILL'); await holder.ended; });
    if ((await holder.says(/held (\S+)/))[1] !== '0') return void t.skip('no process may be held here');
    hive.signal('SIGTERM');
    await hive.says(/its workers are asked to finish/);
    hive.signal('SIGTERM');
    await hive.end(15000);
    assert.ok(isAlive(pid));
    assert.match(hive.stderr, new RegExp(`${id} \\(process ${pid}\\) was killed and is not gone yet`));
    assert.ok(fs.existsSync(path.join(hive.home, 'run', `${id}.worker`)), 'the next hive knows of it');
    holder.signal('SIGKILL');
    await until(() => !isAlive(pid), 'once it is let go it dies');
  });

  it('SIGKILL: no worker lives one second later', async () => {
    const hive = await startHive({ env: { RBEE_TINY: MODEL } });
    const ready = await spawnReady(hive, 'tiny');
    const loading = (await spawn(hive, copyModel())).json;
    const stopped = await spawnReady(hive, copyModel());
    process.kill(stopped.pid, 'SIGSTOP'); // even one that cannot act
    hive.signal('SIGKILL');
    await hive.ended;
    await sleep(1000);
    assert.deepStrictEqual([ready, loading, stopped].map((w) => isAlive(w.pid)), [false, false, false]);
  });

  it('a killed hive starts again in the same home', async (t) => {
    const first = await startHive({ env: { RBEE_TINY: MODEL } });
    await spawnReady(first, 'tiny');
    first.signal('SIGKILL');
    await first.ended;
    const second = await startHive({ home: first.home, env: { RBEE_TINY: MODEL } });
    t.after(() => second.stop());
    assert.deepStrictEqual(await list(second), []);
    await spawnReady(second, 'tiny');
  });

  /* What a worker has at its very first: later it has closed and wiped by itself what it should not have. */
  it('workers inherit only what they should', async (t) => {
    const folder = makeFolder(), program = path.join(folder, 'worker.sh'), port = (url) => Number(new URL(url).port);
    fs.writeFileSync(program, `#!/bin/sh
f=${folder}/$1.$$
(ls -l /proc/$$/fd >$f.fd; grep -H flags /proc/$$/fdinfo/* >$f.info 2>/dev/null; cat /proc/$$/environ >$f.env)
exec ${WORKER} "$@"
`, { mode: 0o755 });
    const env = { RBEE_TINY: MODEL, HF_TOKEN: 'hf_secret', RBEE_SECRET: 'x' };
    const hive = await startHive({ flags: { worker: program }, env });
    t.after(() => hive.stop());
    await spawnReady(hive, path.join(__dirname, '../golden/small-bert.gguf')); // one that is there before
    const worker = await spawnReady(hive, 'tiny');
    const read = (what) => fs.readFileSync(path.join(folder, `serve.${worker.pid}.${what}`), 'utf8');

    const may = ['PATH', 'LANG', 'LC_ALL', 'TMPDIR', 'LD_LIBRARY_PATH',
      'ASAN_OPTIONS', 'LSAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS'];
    const names = read('env').split('\0').filter(Boolean).map((v) => v.split('=')[0]);
    assert.ok(names.includes('PATH'));
    assert.deepStrictEqual(names.filter((name) => !may.includes(name)), []);

    const links = [...read('fd').matchAll(/ (\d+) -> (.*)$/gm)].map(([, n, what]) => [n, what]);
    const given = Object.fromEntries(links.filter(([, what]) => what !== program)); // which its shell reads
    const { 0: input, 1: output, 2: errors, 3: listener, 4: lease, 5: board, 6: share, ...more } = given;
    assert.deepStrictEqual(more, {}, 'nothing else');
    const log = path.join(hive.home, 'logs', `${worker.worker_id}.log`);
    assert.deepStrictEqual([input, output, errors], ['/dev/null', log, log]);
    assert.match(board, /memfd:/);
    if (share) assert.match(share, /memfd:/);
    const listens = fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').map((line) => line.trim().split(/\s+/))
      .filter((f) => f[3] === '0A' && parseInt((f[1] || '').split(':')[1], 16) === port(worker.url));
    assert.ok(listens.some((f) => listener === `socket:[${f[9]}]`), `${listener} listens at ${worker.url}`);
    assert.match(lease, /^pipe:/); // of which it has the reading end: with the other one it would outlive its hive
    assert.match(read('info'), /fdinfo\/4:flags:\s+0[0-7]*0$/m);

    const address = net.createConnection(port(hive.url), '127.0.0.1');
    await new Promise((resolve) => address.on('connect', resolve));
    address.destroy();
  });
});

describe('drivers', () => {
  /* A driver's library that does as the given body of cuInit says; its folder, or null without cc. */
  function fakeDriver(init) {
    const folder = makeFolder();
    fs.writeFileSync(path.join(folder, 'cuda.c'), `
      #include <stdio.h>
      #include <stdlib.h>
      #include <unistd.h>
      int cuInit(unsigned flags) { (void)flags; ${init} }
      int cuDeviceGetCount(int *n) { *n = 2; return 0; }
      int cuDeviceGet(int *d, int i) { *d = 100 + i; return 0; }
      int cuDeviceGetName(char *name, int n, int d) { snprintf(name, (size_t)n, "Fake %d", d); return 0; }
      int cuDeviceTotalMem_v2(size_t *n, int d) { *n = (size_t)d << 30; return 0; }`);
    const cc = spawnSync('cc', ['-shared', '-fPIC', '-o', 'libcuda.so.1', 'cuda.c'], { cwd: folder });
    return cc.status === 0 ? folder : null;
  }
  const cuda = (found) => found.backends.find((b) => b.name === 'cuda');
  const detect = (folder) => JSON.parse(spawnSync(HIVE, ['detect', '--json'],
    { encoding: 'utf8', env: { ...process.env, LD_LIBRARY_PATH: folder } }).stdout);

  test('devices are listed, though this build cannot use them', (t) => {
    const folder = fakeDriver('return 0;');
    if (!folder) return t.skip('no C compiler');
    const found = cuda(detect(folder));
    assert.deepStrictEqual(found.devices, [{ index: 0, name: 'Fake 100', memory_bytes: 100 * 2 ** 30 },
      { index: 1, name: 'Fake 101', memory_bytes: 101 * 2 ** 30 }]);
    assert.strictEqual(found.available, false);
    return undefined;
  });

  test('a driver without a device says so', (t) => {
    const folder = fakeDriver('return 100;');
    if (!folder) return t.skip('no C compiler');
    const found = cuda(detect(folder));
    assert.deepStrictEqual(found.devices, []);
    assert.match(found.reason, /CUDA error 100/);
    return undefined;
  });

  test('a driver that crashes does not take the hive with it', async (t) => {
    const folder = fakeDriver('abort();');
    if (!folder) return t.skip('no C compiler');
    const hive = await startHive({ env: { LD_LIBRARY_PATH: folder } });
    hive.mayCrash(); // what looks for it, that is
    t.after(() => hive.stop());
    const answer = await get(hive, '/v1/backends');
    assert.strictEqual(answer.status, 200);
    assert.match(cuda(answer.json).reason, /SIGABRT|exit code/);
    assert.strictEqual(answer.json.backends[0].available, true);
    assert.strictEqual((await get(hive, '/v1/health')).status, 200);
    return undefined;
  });

  /* Ten seconds, then it is killed: detect.h, inspect.h. Both limits at once, for they are as long as the test. */
  test('a driver that hangs, and a look into a model that does not end, are given up in time; who leaves ends them', async (t) => {
    const folder = fakeDriver('for (;;) pause();');
    if (!folder) return t.skip('no C compiler');
    const worker = makeFakeWorker(makeFolder()), model = path.join(makeFolder(), 'm.gguf');
    fs.writeFileSync(model, 'x');
    const hive = await startHive({ flags: { worker: worker.program }, env: { LD_LIBRARY_PATH: folder } });
    t.after(() => hive.stop());
    const left = http.request(`${hive.url}/v1/backends`).on('error', () => {}).end(), began = performance.now();
    const pid = await until(() => childrenOf(hive.pid)[0], 'a look for devices');
    left.destroy();
    await until(() => !isAlive(pid) && childrenOf(hive.pid).length === 0, 'the end of the look', 10000);
    assert.ok(performance.now() - began < 10000, 'it was not its own end');

    worker.ponder();
    const [devices, look] = await Promise.all([get(hive, '/v1/backends'), post(hive, '/v1/workers/explain', { model_ref: model })]);
    assert.strictEqual(devices.status, 200);
    assert.strictEqual(cuda(devices.json).reason, 'the look for devices ended with no answer in time');
    assert.strictEqual(devices.json.backends[0].available, true);
    assert.match(assertError(look, 500, 'WORKER_START_FAILED').message, /m\.gguf took more than 10 s and was given up, which says nothing about the file/);
    await until(() => childrenOf(hive.pid).length === 0, 'the end of both');
    worker.decide(); // "the next ask looks again"
    assert.strictEqual((await post(hive, '/v1/workers/explain', { model_ref: model })).json.decision, 'start');
    return undefined;
  });
});

/* docs/configuration.md: the newest 200, and those of the workers that the hive knows. Looked at with each 16th worker. */
test('of many logs the oldest go, but for that of a worker that says nothing', async (t) => {
  const program = path.join(makeFolder(), 'worker.sh'), model = path.join(makeFolder(), 'm.gguf');
  fs.writeFileSync(program, '#!/bin/sh\n[ "$1" = inspect ] && { echo \'{"supported":true}\'; exit 0; }\nexec sleep 600\n', { mode: 0o755 });
  fs.writeFileSync(model, 'x');
  const hive = await startHive({ flags: { worker: program } });
  t.after(() => hive.stop());
  const logs = path.join(hive.home, 'logs'), logOf = (id) => path.join(logs, `${id}.log`);
  const { worker_id: quiet } = (await spawn(hive, model)).json, ended = 'worker-ended';
  for (let i = 0; i < 200; i++) fs.writeFileSync(logOf(`worker-${i}`), 'x');
  fs.writeFileSync(logOf(ended), 'x');
  for (const id of [quiet, ended]) fs.utimesSync(logOf(id), 1, 1);
  fs.writeFileSync(`${logOf(ended)}.1`, 'x'); // an older piece of it
  const begun = [];
  for (let i = 1; i < 16; i++) begun.push((await spawn(hive, model, { new: true })).json.worker_id);
  await until(() => !fs.existsSync(logOf(ended)), 'the oldest of a worker that is no more goes');
  assert.ok(!fs.existsSync(`${logOf(ended)}.1`));
  for (const id of [quiet, ...begun]) assert.ok(fs.existsSync(logOf(id)), id);
  const n = fs.readdirSync(logs).filter((name) => /^worker-.*\.log$/.test(name)).length;
  assert.ok(n >= 200 && n <= 200 + 2, `${n} logs`); // the quiet one's, and that of the one just begun
});

describe('reachable from other machines', () => {
  /* In a network of its own, so that nobody else can reach it even for a moment. */
  const apart = process.getuid() === 0 && spawnSync('unshare', ['-n', 'true']).status === 0 &&
    spawnSync('sh', ['-c', 'command -v ip nsenter curl']).status === 0;

  test('a key is made, asked for, and given to workers', { skip: apart ? skip : 'needs root, unshare, ip, nsenter, curl' }, async (t) => {
    const home = makeFolder();
    const hive = new Proc('unshare', ['-n', 'sh', '-c', 'ip link set lo up; exec "$0" "$@"', HIVE, 'daemon',
      '--addr', '0.0.0.0:0', '--home', home], { env: { HOME: home, RBEE_TINY: MODEL } });
    t.after(() => hive.stop());
    const [, port] = await hive.says(/listening on https:\/\/0\.0\.0\.0:(\d+)/);
    const keyFile = path.join(home, 'api-key');
    const key = fs.readFileSync(keyFile, 'utf8').trim();
    assert.strictEqual(fs.statSync(keyFile).mode & 0o777, 0o600);
    assert.match(hive.stderr, /a key is needed: made in .*api-key/);
    assert.ok(!hive.stderr.includes(key), 'the key itself is not shown');
    const curl = (url, ...args) => {
      const r = spawnSync('nsenter', ['-t', String(hive.pid), '-n', 'curl', '-sk', '-w', '\n%{http_code}', url, ...args], { encoding: 'utf8' });
      const [text, status] = r.stdout.split(/\n(?=\d+$)/);
      return { status: Number(status), text };
    };
    const base = `https://localhost:${port}`, bearer = ['-H', `Authorization: Bearer ${key}`];
    assert.strictEqual(curl(`${base}/v1/health`).status, 200);
    assert.strictEqual(curl(`${base}/v1/workers/list`).status, 401);
    assert.strictEqual(curl(`${base}/v1/workers/list`, '-H', 'Authorization: Bearer wrong').status, 401);
    assert.strictEqual(curl(`${base}/v1/workers/list`, ...bearer).status, 200);
    const spawned = curl(`${base}/v1/workers/spawn`, ...bearer, '-d', '{"model_ref":"tiny"}');
    assert.strictEqual(spawned.status, 200, spawned.text);
    const { url } = JSON.parse(spawned.text);
    assert.match(url, /^https:\/\/localhost:\d+$/, 'the host that was asked, not the wildcard');
    await until(() => curl(`${url}/v1/health`).status === 200, 'the worker');
    assert.strictEqual(curl(`${url}/v1/inference`, '-d', '{"prompt":"x","max_tokens":1}').status, 401);
    assert.strictEqual(curl(`${url}/v1/inference`, ...bearer, '-d', '{"prompt":"x","max_tokens":1}').status, 200);
  });

  /*
   * VPN clients switch IPv6 off while a hive runs. Bound to [::] it reached its workers by ::1 alone: requests that
   * came by IPv4 failed, and after three looks at their health the workers were killed.
   */
  test('at [::] it reaches its workers when IPv6 is switched off', { skip: apart ? skip : 'needs root, unshare, ip, nsenter, curl' }, async (t) => {
    const home = makeFolder();
    const hive = new Proc('unshare', ['-n', 'sh', '-c', 'ip link set lo up; exec "$0" "$@"', HIVE, 'daemon',
      '--addr', '[::]:0', '--home', home], { env: { HOME: home, RBEE_TINY: MODEL, RBEE_HIVE_TLS: 'off' } });
    t.after(() => hive.stop());
    const [, port] = await hive.says(/listening on http:\/\/\[::\]:(\d+)/);
    const inside = (...args) => spawnSync('nsenter', ['-t', String(hive.pid), '-n', ...args], { encoding: 'utf8' });
    const gone = inside('ip', '-6', 'addr', 'del', '::1/128', 'dev', 'lo');
    if (gone.status !== 0) return void t.skip('there is no IPv6 here');
    const key = fs.readFileSync(path.join(home, 'api-key'), 'utf8').trim();
    const { stdout } = inside('curl', '-s', '-H', `Authorization: Bearer ${key}`, `http://127.0.0.1:${port}/v1/completions`,
      '-d', '{"model":"tiny","prompt":"Once","max_tokens":3}');
    assert.ok(JSON.parse(stdout).choices?.[0].text, stdout);
  });
});

describe('starting', () => {
  const daemon = (args, options) => spawnSync(HIVE, ['daemon', ...args], { encoding: 'utf8', timeout: 20000, ...options });

  /* Each wrote an `end` without a `start` into the security log: a service that is started again and again washed out
   * in days what stood there. */
  test('a port that is taken', async (t) => {
    const server = net.createServer();
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const { port } = server.address();
    const home = makeFolder(), log = path.join(home, 'logs/security.jsonl');
    const events = () => fs.readFileSync(log, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line).event);
    const proc = new Proc(HIVE, ['daemon', '--addr', `127.0.0.1:${port}`, '--home', home]);
    assert.strictEqual((await proc.end()).code, 1);
    assert.deepStrictEqual(events(), []);
    await (await startHive({ home })).stop();
    assert.deepStrictEqual(events(), ['start', 'end']);
    assert.match(proc.stderr, new RegExp(`^rbee-hive: .*${port}.*--addr`, 'm'));
    assert.strictEqual(proc.stdout, '');
  });

  /* The log knew of the first one only: the others were to be told with the next behind a minute. */
  test('who was refused again and again is told with the number, at the end at the latest', async () => {
    const hive = await startHive();
    for (let i = 0; i < 30; i++) assert.strictEqual((await ask(hive.url + '/v1/node', { headers: { Host: `evil${i}.example` } })).status, 403);
    await hive.stop();
    const lines = fs.readFileSync(path.join(hive.home, 'logs/security.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
    assert.deepStrictEqual(lines.map(({ event, from, times }) => [event, from, times]), [['start', undefined, undefined],
      ['forbidden_place', '127.0.0.1', 1], ['forbidden_place', '127.0.0.1', 29], ['end', undefined, undefined]]);
  });

  /* What a hive that was killed had half written lay there for ever, with keys in it. */
  test('half-written copies of a killed hive are gone, others stay', async () => {
    const home = makeFolder(), copies = ['api-key.tmp-4711', 'run/keys-used.tmp-4711', 'tls/key.pem.tmp-12'];
    for (const folder of ['run', 'tls']) fs.mkdirSync(path.join(home, folder));
    for (const name of [...copies, 'mine.tmp-4711']) fs.writeFileSync(path.join(home, name), 'half');
    await (await startHive({ home })).stop();
    assert.deepStrictEqual([...copies, 'mine.tmp-4711'].filter((name) => fs.existsSync(path.join(home, name))), ['mine.tmp-4711']);
  });

  test('a second hive in one home', async (t) => {
    const hive = await startHive();
    t.after(() => hive.stop());
    const second = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', hive.home]);
    assert.strictEqual((await second.end()).code, 1);
    assert.match(second.stderr, new RegExp(`process ${hive.pid}\\b`));
  });

  test('an address of the hub that is none, or holds a password, which is not shown', () => {
    for (const given of ['nonsense', 'ftp://hub', 'http://', 'http://me:secret@127.0.0.1:9']) {
      const r = daemon(['--addr', '127.0.0.1:0', '--home', makeFolder()], { env: { HF_ENDPOINT: given } });
      assert.strictEqual(r.status, 2, given);
      assert.match(r.stderr, /^rbee-hive: the environment's HF_ENDPOINT: hf_endpoint takes http:\/\/HOST.* HF_TOKEN$/m);
      assert.ok(!r.stderr.includes('secret'));
    }
  });

  /* The hive started, and then each of its workers failed. */
  test('a chat template that is not there, or no file', () => {
    const home = makeFolder(), ini = path.join(home, 'config.ini'), none = path.join(home, 'none.jinja');
    for (const [given, why] of [[none, 'No such file or directory'], [home, 'it is no regular file']]) {
      fs.writeFileSync(ini, `[hive]\nchat_template = ${given}\n`);
      const r = daemon(['--addr', '127.0.0.1:0', '--home', home]);
      assert.strictEqual(r.status, 1, r.stderr);
      assert.strictEqual(r.stderr.trim(), `rbee-hive: [hive] chat_template is ${given} (${ini}), which cannot be read: ${why}`);
    }
  });

  test('flags, configuration and addresses that are wrong', () => {
    const home = makeFolder();
    for (const [args, word] of [
      [['--slots', '1000'], /--slots.*64/], [['--keep-alive', 'soon'], /--keep-alive/],
      [['--log-level', 'loud'], /--log-level/], [['--addr', 'no host'], /--addr/], [['--addr', ''], /--addr/],
      [['--addr', '8080'], /'8080' names no host: 8080 is a port; write HOST:PORT/],
    ]) {
      const r = daemon(['--home', home, '--addr', '127.0.0.1:0', ...args]);
      assert.strictEqual(r.status, 2, r.stderr); // it was 1, and the manual says 2
      assert.match(r.stderr, word);
    }
    assert.strictEqual(daemon(['--nonsense']).status, 2);
    for (const [addr, what] of [[`${'x'.repeat(64)}:0`, /is not known: /], // so long that no name server is asked
      ...(bindsAny() ? [] : [['192.0.2.1:0', /cannot listen on 192\.0\.2\.1 /]])]) {
      const elsewhere = daemon(['--home', home, '--addr', addr]);
      assert.strictEqual(elsewhere.status, 1);
      assert.match(elsewhere.stderr, what);
      assert.match(elsewhere.stderr, /; --addr takes an address of this machine/); // what to do was missing
    }
    fs.writeFileSync(path.join(home, 'config.ini'), '[hive]\nadddr = 1\n');
    const r = daemon(['--home', home]);
    assert.strictEqual(r.status, 2);
    assert.match(r.stderr, /config\.ini, line 2.*adddr/);
  });

  test('the file, the environment and the flag, each stronger than the one before', async (t) => {
    const home = makeFolder();
    fs.writeFileSync(path.join(home, 'config.ini'), '[hive]\nlog_level = silent\nworker_port_first = 1\nkeep_alive = 7s\n');
    const hive = await startHive({ home, env: { RBEE_TINY: MODEL || '', RBEE_HIVE_WORKER_PORT_FIRST: '2' },
      flags: { 'worker-port-first': 20000 } });
    t.after(() => hive.stop());
    if (!MODEL) return;
    const worker = await spawnReady(hive, 'tiny');
    assert.ok(Number(new URL(worker.url).port) >= 20000, worker.url);
    assert.strictEqual(worker.keep_alive_ms, 7000);
  });

  /* Whoever tidied up had no worker start any more, until the hive was started anew. */
  it('a folder of logs that somebody has deleted is made again', async () => {
    const hive = await startHive({ env: { RBEE_TINY: MODEL } });
    try {
      fs.rmSync(path.join(hive.home, 'logs'), { recursive: true, force: true });
      const worker = await spawnReady(hive, 'tiny');
      assert.ok(fs.existsSync(path.join(hive.home, 'logs', `${worker.worker_id}.log`)));
    } finally {
      await hive.stop();
    }
  });

  /* It said "give the hive another one with --home; --home or RBEE_HOME names another place". */
  test('a home whose path is not UTF-8 is refused, with one advice', () => {
    const r = spawnSync('bash', ['-c', 'exec "$0" daemon --addr 127.0.0.1:0 --home "$1"/$\'x\\xff\'', HIVE, makeFolder()],
      { encoding: 'utf8', timeout: 10000 });
    assert.match(r.stderr, /x\?, is not UTF-8, so that nobody could be told what lies there; --home or RBEE_HOME names another place$/m);
    assert.strictEqual(r.stderr.split('--home').length, 2);
    assert.strictEqual(r.status, 1);
  });

  test('a home that cannot be written', (t) => {
    const file = path.join(makeFolder(), 'a-file');
    fs.writeFileSync(file, '');
    const r = daemon(['--home', path.join(file, 'home')]);
    assert.strictEqual(r.status, 1);
    assert.match(r.stderr, /^rbee-hive: cannot make the folder .*a-file.*; --home or RBEE_HOME names another place$/m);
    if (process.getuid() === 0) return t.diagnostic('root may write anywhere: the read-only case is left out');
    const locked = makeFolder();
    fs.chmodSync(locked, 0o500);
    assert.match(daemon(['--home', locked]).stderr, /Permission denied/);
  });

  test('detect: a table for people, JSON for programs', () => {
    const table = spawnSync(HIVE, ['detect'], { encoding: 'utf8' });
    assert.strictEqual(table.status, 0);
    assert.match(table.stdout, /^BACKEND .*\ncpu +0 /);
    const json = JSON.parse(spawnSync(HIVE, ['detect', '--json'], { encoding: 'utf8' }).stdout);
    const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(fs.readFileSync('/proc/cpuinfo', 'utf8'))[1].split(' '));
    for (const f of json.backends[0].devices[0].features) assert.ok(flags.has(f), f);
  });

  test('--version and --help', () => {
    assert.strictEqual(spawnSync(HIVE, ['--version'], { encoding: 'utf8' }).stdout, 'rbee-hive 0.1.0\n');
    const help = spawnSync(HIVE, ['daemon', '--help'], { encoding: 'utf8' });
    assert.strictEqual(help.status, 0);
    assert.match(help.stdout, /--keep-alive/);
  });
});
