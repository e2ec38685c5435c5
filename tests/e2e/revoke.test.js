'use strict';
/*
 * revoke.test.js - a key that is revoked ends what runs under it: streams by the gateway and straight from
 * a worker, requests that wait for their answer, a push in the middle of a body, watchers of a download.
 * What runs under another key goes on. The hive lives in a network of its own (lib/host.js).
 */
const { test, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');

const { KEEPER, makeFolder, until } = require('./lib/proc.js');
const { Host, notApart: skip } = require('./lib/host.js');
const { writeHollowModel } = require('./lib/gguf.js');

const HIVE = 'https://127.0.0.1:8080', MUTE = 9001;
const REVOKED = /The key under which this was asked was revoked/;
const ENDLESS = { prompt: 'abc', max_tokens: 16000, temperature: 0 };
const home = makeFolder('rbee-hive-'), model = path.join(makeFolder(), 'hollow.gguf');
const started = [];
let host, hive, mine, theirs;

/* A hub that takes connections and never says a word. */
const mute = `require('node:net').createServer((s) => s.on('error', () => {})).listen(${MUTE}, '127.0.0.1', () => console.log('up'))`;

/* A push that has sent the head of a piece, and of its body 3 bytes. */
const half = (key) => `require('node:tls').connect({ port: 8080, host: '127.0.0.1', rejectUnauthorized: false }, function () {
  this.on('data', (piece) => process.stdout.write(piece)).write('PUT /v1/models/upload/x?from=0 HTTP/1.1\\r\\nHost: x\\r\\n' +
    'Authorization: Bearer ${key}\\r\\nExpect: 100-continue\\r\\nContent-Length: 1000\\r\\n\\r\\nabc'); })`;

const print = (key) => createHash('sha256').update(key).digest('hex').slice(0, 6);
const keeper = (...args) => {
  const r = spawnSync(KEEPER, args, { encoding: 'utf8', env: { RBEE_HOME: home } });
  assert.strictEqual(r.status, 0, r.stderr);
  return r.stdout.trim();
};
const auth = (key) => ['-H', `Authorization: Bearer ${key}`];
const data = (body) => ['-d', JSON.stringify(body)];
const workers = () => JSON.parse(host.curl(`${HIVE}/v1/workers/list`, ...auth(theirs)).text).workers;
const busy = () => workers().reduce((n, w) => n + w.slots_busy + w.queued, 0);

/* A request that goes on; what came of it so far is in its stdout. */
function go(key, url, ...args) {
  const proc = host.start('curl', '-skNi', '--max-time', '60', url, ...auth(key), ...args);
  started.push(proc);
  return proc;
}

before(async () => {
  if (skip) return;
  writeHollowModel(model, { layers: 4, embd: 256, ff: 704, ctx: 16384 });
  host = new Host('127.0.0.1');
  await host.proc.says(/up/);
  started.push(host.start(process.execPath, '-e', mute));
  await started[0].says(/up/);
  hive = await host.hive(home, { RBEE_HIVE_SLOTS: '8', RBEE_HIVE_THREADS: '1', RBEE_HIVE_CTX: '16384',
    RBEE_HIVE_SPECULATE: 'off', RBEE_HIVE_HF_ENDPOINT: `http://127.0.0.1:${MUTE}` });
  mine = keeper('keys', 'create', '--name', 'mine');
  theirs = fs.readFileSync(path.join(home, 'api-key'), 'utf8').trim();
  await until(() => host.curl(`${HIVE}/v1/node`, ...auth(mine)).status === 200, 'the key opens');
});

after(async () => {
  if (skip) return;
  await Promise.all(started.map((proc) => proc.stop()));
  await hive.stop();
  await host.proc.stop();
  assert.strictEqual(hive.code, 0, hive.stderr.slice(-3000));
});

const logged = (event) => fs.readFileSync(path.join(home, 'logs/security.jsonl'), 'utf8').trim().split('\n')
  .map((line) => JSON.parse(line)).filter((line) => line.event === event);

test('what runs under it ends, told each in its own way; the slots are free; another key goes on', { skip, timeout: 90000 }, async () => {
  const body = { model, ...ENDLESS };
  const other = go(theirs, `${HIVE}/v1/completions`, ...data({ ...body, stream: true }));
  await other.says(/"text":"/);
  const direct = workers()[0].url;
  const asked = host.curl(`${HIVE}/v1/models/download`, ...auth(theirs), ...data({ model_ref: 'hf:some/where' }));
  const id = JSON.parse(asked.text).download_id;
  assert.match(id, /^[0-9a-f-]{36}$/, asked.text);
  const under = {
    gateway: go(mine, `${HIVE}/v1/completions`, ...data({ ...body, stream: true })),
    ollama: go(mine, `${HIVE}/api/generate`, ...data({ model, prompt: 'abc', raw: true, options: { num_predict: 16000, temperature: 0 } })),
    worker: go(mine, `${direct}/v1/inference`, ...data(ENDLESS)),
    download: go(mine, `${HIVE}/v1/models/download/progress?id=${id}`),
    pull: go(mine, `${HIVE}/api/pull`, ...data({ model: 'hf:some/where' })),
  };
  await under.gateway.says(/"text":"/);
  await under.ollama.says(/"response":"/);
  await under.worker.says(/"type":"token"/);
  await under.download.says(/200 OK/);
  await under.pull.says(/pulling manifest/);
  const waiting = {
    gateway: go(mine, `${HIVE}/v1/completions`, ...data(body)),
    worker: go(mine, `${direct}/v1/inference`, ...data({ ...ENDLESS, stream: false })),
  };
  await until(() => busy() === 6, () => `6 at work: ${busy()}`);
  const push = host.start(process.execPath, '-e', half(mine));
  started.push(push);
  await push.says(/100 Continue/);

  keeper('keys', 'revoke', print(mine));
  await until(() => busy() === 1, () => `only the other's at work: ${busy()}`);
  for (const proc of [...Object.values(under), ...Object.values(waiting)]) assert.strictEqual((await proc.end()).code, 0, proc.stdout.slice(-500));
  const last = (proc) => proc.stdout.slice(-1500);
  const events = (proc) => last(proc).split('\n\n').filter((e) => e.startsWith('data: ')).map((e) => e.slice(6));
  for (const [name, find] of [['gateway', (e) => e.error.code === 'invalid_api_key' && e.error.message],
    ['worker', (e) => e.type === 'error' && e.code === 'INVALID_API_KEY' && e.message],
    ['download', (e) => e.stage === 'error' && e.code === 'INVALID_API_KEY' && e.message]]) {
    const [error, done] = events(under[name]).slice(-2);
    assert.match(String(find(JSON.parse(error))), REVOKED, `${name}: ${last(under[name])}`);
    assert.strictEqual(done.trim(), '[DONE]', name);
  }
  for (const name of ['ollama', 'pull']) assert.match(JSON.parse(last(under[name]).trim().split('\n').at(-1)).error, REVOKED, name);
  for (const [name, proc] of Object.entries(waiting)) {
    assert.match(proc.stdout, /^HTTP\/1\.1 401 [^]*WWW-Authenticate: Bearer/i, name);
    assert.match(proc.stdout, REVOKED, name);
  }
  await push.says(/HTTP\/1\.1 401 [^]*revoked/);

  const so_far = other.stdout.length;
  await until(() => other.stdout.length > so_far, 'the other stream goes on');
  assert.doesNotMatch(other.stdout, /"error"/);
  const list = JSON.parse(host.curl(`${HIVE}/v1/models/downloads`, ...auth(theirs)).text).downloads;
  assert.strictEqual(list.find((d) => d.download_id === id).state, 'resolving');
  await until(() => logged('key_revoked').length === 1, 'the log');
  const [{ key, name, ended }] = logged('key_revoked');
  assert.deepStrictEqual({ key, name, ended }, { key: print(mine), name: 'mine', ended: 6 }); // two more are the worker's own clients
  const logs = fs.readdirSync(path.join(home, 'logs')).map((file) => fs.readFileSync(path.join(home, 'logs', file), 'utf8')).join('');
  assert.match(logs, /2 requests were ended: their keys were revoked/);
  assert.ok(!logs.includes(mine) && !hive.stderr.includes(mine));
});

test('a key file that is gone revokes its key', { skip, timeout: 60000 }, async () => {
  const stream = go(theirs, `${HIVE}/v1/completions`, ...data({ model, ...ENDLESS, stream: true }));
  await stream.says(/"text":"/);
  fs.rmSync(path.join(home, 'api-key'));
  await stream.says(REVOKED);
  await stream.end();
  assert.match(stream.stdout, /data: \[DONE\]\n\n$/);
  await until(() => logged('key_revoked').some(({ key, name }) => key === print(theirs) && name === 'api-key'), 'the log');
  assert.strictEqual(host.curl(`${HIVE}/v1/node`, ...auth(theirs)).status, 401);
});
