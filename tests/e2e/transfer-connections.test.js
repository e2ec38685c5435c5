'use strict';
/*
 * transfer-connections.test.js - never more requests at once than docs/models.md says: so many for one
 * model, each model for itself. The hub counts, while requests end early, are repeated, and are shared
 * out anew.
 */
const { test, before, after } = require('node:test');
const assert = require('node:assert');

const { post, remove } = require('./lib/hive.js');
const { until } = require('./lib/proc.js');
const { MIB, Hub, seeded, startWith, begin, fetches } = require('./lib/transfer.js');

let hub, hive, n = 0;
before(async () => { hub = await Hub.start(); hive = await startWith(hub); });
after(async () => { await hive.stop(); await hub.stop(); });

function fresh(size) {
  const name = `connections/c${n++}`, bytes = seeded(name, size);
  hub.put(name, { 'c.gguf': bytes });
  return { ref: `hf:${name}`, bytes };
}

/* From here on the hub makes trouble, and counts. Where two requests or more are `allowed` its first answer
 * waits for the second: on a busy machine it could be over before the hive had come to ask. */
function trouble(allowed) {
  const until = () => allowed === 1 || hub.cdn.openMost > 1;
  let k = 0;
  hub.cdn.openMost = 0;
  hub.cdn.faults = () => [{ pace: 60000, ...(k ? {} : { until }) }, { pace: 60000, ...(k % 3 ? {} : { reset: 200000 }) }, { status: 503 }, { pace: 20000 }, {}][k++ % 5];
}
function atMost(allowed) {
  const most = hub.cdn.openMost;
  assert.ok(most <= allowed && most >= Math.min(allowed, 2), `${most} at once, ${allowed} are allowed`);
}

for (const connections of [1, 2, 3]) {
  test(`one file, ${connections}`, async () => {
    const f = fresh(3 * MIB);
    trouble(connections);
    await fetches(hive, f.ref, f.bytes, { connections });
    atMost(connections);
  });
}

test('many files of one model share them', async () => {
  const files = {};
  for (const i of [1, 2, 3, 4, 5]) files[`y-Q4_K_M-0000${i}-of-00005.gguf`] = seeded(`y${i}`, (MIB >> 1) + i);
  hub.put('connections/shared', files);
  trouble(3);
  await fetches(hive, 'hf:connections/shared', files['y-Q4_K_M-00001-of-00005.gguf'], { connections: 3 });
  atMost(3);
});

/* The number of whoever joined was dropped without a word, though his limit_rate was taken. */
test('who joins a download changes how many it has', async () => {
  const one = fresh(8 * MIB), files = {};
  for (const i of [1, 2, 3]) files[`z-Q4_K_M-0000${i}-of-00003.gguf`] = seeded(`z${i}`, MIB);
  hub.put('connections/joined', files);
  for (const ref of [one.ref, 'hf:connections/joined']) {
    hub.cdn.openMost = 0;
    hub.cdn.faults = () => ({ pace: 6000 });
    const { download_id: id } = await begin(hive, ref, { connections: 1 });
    await until(() => hub.cdn.openMost > 0, 'it is under way');
    assert.strictEqual((await begin(hive, ref, { connections: 3 })).download_id, id);
    await until(() => hub.cdn.openMost >= 3, () => `three connections, not ${hub.cdn.openMost}`);
    assert.strictEqual(hub.cdn.openMost, 3);
    assert.strictEqual((await remove(hive, `/v1/models/download/${id}?discard=1`)).status, 204);
  }
});

test('two models at once have each their own', async () => {
  const a = fresh(2 * MIB + 5), b = fresh(2 * MIB + 5);
  trouble(4);
  await Promise.all([a, b].map((f) => fetches(hive, f.ref, f.bytes, { connections: 2 })));
  atMost(4);
});

test('without a word, as many as the hive was told; and the option\'s default is 4', async () => {
  const two = await startWith(hub, { RBEE_HIVE_DOWNLOAD_CONNECTIONS: '2' });
  try {
    const f = fresh(2 * MIB + 5);
    trouble(2);
    await fetches(two, f.ref, f.bytes);
    atMost(2);
  } finally {
    await two.stop();
  }
  const f = fresh(5 * MIB);
  trouble(4);
  await fetches(hive, f.ref, f.bytes);
  atMost(4);
});

/* 502 DOWNLOAD_FAILED, "the hive is about to end, or has 16 downloads under way": no client could know what to do. */
test('a seventeenth model is told to come again, and may when one of the sixteen has ended', async (t) => {
  let over = false;
  t.after(() => { over = true; });
  hub.cdn.faults = () => ({ until: () => over });
  const models = Array.from({ length: 17 }, () => fresh(MIB)), last = models.pop(), ids = [];
  for (const m of models) ids.push((await begin(hive, m.ref)).download_id);
  const one = await post(hive, '/v1/models/download', { model_ref: last.ref });
  assert.deepStrictEqual([one.status, one.json.error.code, one.headers['retry-after']], [503, 'QUEUE_TIMEOUT', '5'], one.text);
  assert.strictEqual(one.json.error.message, 'the hive has 16 downloads under way, which is the limit');
  const asked = await post(hive, '/api/pull', { model: last.ref });
  assert.deepStrictEqual([asked.status, asked.headers['retry-after']], [503, '5'], asked.text);
  assert.strictEqual((await begin(hive, models[3].ref)).download_id, ids[3], 'one of the sixteen is joined');
  assert.strictEqual((await remove(hive, `/v1/models/download/${ids[0]}`)).status, 204);
  over = true;
  await fetches(hive, last.ref, last.bytes);
});
