'use strict';
/*
 * hub-retry.test.js - a hub that does not answer at once: what may pass is asked again, for a list of
 * what a repository offers as for a pull, as long as it makes sense. The list was asked for once only,
 * and a hub that had too much to do for a moment was an error. And few at once: an answer may be large.
 */
const { describe, test } = require('node:test');
const assert = require('node:assert');
const http = require('node:http');

const { until } = require('./lib/proc.js');
const { startHive, get, post } = require('./lib/hive.js');
const { Hub } = require('./lib/hub.js');
const transfer = require('./lib/transfer.js');
const keeper = require('./lib/keeper.js');

const HOUR = { status: 429, headers: { 'retry-after': '3600' } };

/* A hub whose API meets the plan, and its hive. */
async function withHub(t, plan, start = startHive) {
  const hub = await Hub.start();
  t.after(() => hub.stop());
  const hive = await start({ env: { HF_ENDPOINT: hub.url } });
  t.after(() => hive.stop());
  hub.put('org/busy', { 'b.Q4_0.gguf': Buffer.alloc(1000, 7) });
  hub.api.plan.push(...plan);
  return { hub, hive, files: () => get(hive, '/v1/models/files?model_ref=hf:org/busy') };
}

describe('a hub that does not answer at once', { concurrency: true }, () => {
  test('503, a reset, 429 with Retry-After: the list comes all the same', async (t) => {
    const { hub, files } = await withHub(t, [{ status: 503 }, { reset: true }, { status: 429, headers: { 'retry-after': '1' } }]);
    const { status, json, text } = await files();
    assert.strictEqual(status, 200, text);
    assert.deepStrictEqual(json.files.map((f) => f.file), ['b.Q4_0.gguf']);
    const { calls } = hub.api;
    assert.strictEqual(calls.length, 4);
    assert.ok(calls[3].at - calls[2].at >= 995, `${calls[3].at - calls[2].at} ms, though a second was asked for`);
  });

  test('one that lasts is given up after seven times, and the error says so', async (t) => {
    const { hub, files } = await withHub(t, Array(7).fill({ status: 502 }));
    const { status, json } = await files();
    assert.deepStrictEqual([status, json.error.code], [502, 'DOWNLOAD_FAILED']);
    assert.match(json.error.message, /does not tell about org\/busy: it answers 502; tried 7 times$/);
    assert.strictEqual(hub.api.calls.length, 7);
  });

  test('nobody waits for longer than the keeper does: the wish is told instead', async (t) => {
    const { hub, hive } = await withHub(t, [HOUR]);
    const r = await keeper.run(['models', 'files', 'hf:org/busy', '--node', hive.url]);
    assert.strictEqual(r.code, 1, r.stdout);
    assert.match(r.stderr, /DOWNLOAD_FAILED: .* about org\/busy: it answers 429 and wants to be asked again in 3600 s; tried 1 time/);
    assert.strictEqual(hub.api.calls.length, 1);
  });

  test('what does not pass is asked once', async (t) => {
    for (const [status, code] of [[400, 'DOWNLOAD_FAILED'], [403, 'MODEL_ACCESS_DENIED'], [404, 'MODEL_NOT_FOUND']]) {
      const { hub, files } = await withHub(t, [{ status }]);
      assert.strictEqual((await files()).json.error.code, code);
      assert.strictEqual(hub.api.calls.length, 1, `${status} once`);
    }
  });

  test('a client that leaves while it is waited for: nobody asks any more', async (t) => {
    const { hub, hive, files } = await withHub(t, [{ status: 429, headers: { 'retry-after': '1' } }]);
    const gone = new AbortController();
    const asked = fetch(`${hive.url}/v1/models/files?model_ref=hf:org/busy`, { signal: gone.signal });
    await until(() => hub.api.calls.length === 1, 'the first ask');
    gone.abort();
    await assert.rejects(asked);
    await new Promise((resolve) => setTimeout(resolve, 1500)); // it would have come by now
    assert.strictEqual(hub.api.calls.length, 1);
    assert.strictEqual((await files()).status, 200);
  });

  test('a pull waits the same way, and is done in the end', async (t) => {
    const start = ({ env }) => transfer.startWith({ url: env.HF_ENDPOINT });
    const { hub, hive } = await withHub(t, [{ status: 503 }, { reset: true }, { status: 429, headers: { 'retry-after': '1' } }], start);
    await transfer.fetches(hive, 'hf:org/busy', Buffer.alloc(1000, 7));
    assert.ok(hub.api.calls.length >= 4);
  });
});

/* 40 requests of 69 bytes, at a hub that sent 15.9 MiB to each and no end, took 660 MB; 4096 could be asked at once. */
test('four asks are under way, the others wait in their order, a download does not wait for all of them, and 64 may', async (t) => {
  const asked = [], answers = new Map(); // the repositories, by the names behind org/
  const hub = http.createServer((req, res) => {
    const name = /^\/api\/models\/org\/(\w+)\//.exec(req.url)[1];
    req.resume();
    asked.push(name);
    answers.set(name, () => res.end(JSON.stringify({ sha: 'c'.repeat(40), siblings: [] })));
  });
  await new Promise((resolve) => hub.listen(0, '127.0.0.1', resolve));
  const hive = await startHive({ env: { HF_ENDPOINT: `http://127.0.0.1:${hub.address().port}` } });
  t.after(async () => { await hive.stop(); hub.closeAllConnections(); hub.close(); });
  const where = (i) => `/v1/models/files?model_ref=hf:org/r${i}`, leaving = new AbortController(), asks = [];
  for (let i = 0; i < 64; i++) {
    asks.push(i === 5 ? fetch(hive.url + where(i), { signal: leaving.signal }) : get(hive, where(i)));
    asks[i].catch(() => {}); // those that the hive's end cuts
    if (i < 8) await get(hive, '/v1/health'); // so that they come in this order
  }
  const more = await until(async () => {
    const r = await Promise.race([get(hive, where(64)).catch(() => null), new Promise((resolve) => setTimeout(resolve, 200))]);
    return r && r.status === 503 && r;
  }, 'all have come');
  assert.deepStrictEqual([more.json.error.code, more.headers['retry-after']], ['QUEUE_TIMEOUT', '5']);
  assert.match(more.json.error.message, /^64 others ask what the hub has, or wait for their turn/);
  assert.deepStrictEqual(asked, ['r0', 'r1', 'r2', 'r3']);

  assert.strictEqual((await post(hive, '/v1/models/download', { model_ref: 'hf:org/pulled' })).status, 200);
  leaving.abort();
  await assert.rejects(asks[5]);
  for (const [i, next] of ['pulled', 'r4', 'r6'].entries()) {
    answers.get(`r${i}`)();
    assert.strictEqual((await asks[i]).json.repo, `org/r${i}`);
    await until(() => asked.length === 5 + i, `the ask behind r${i}`);
    assert.strictEqual(asked.at(-1), next);
  }
});
