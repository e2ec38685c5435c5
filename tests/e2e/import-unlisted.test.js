'use strict';
/*
 * import-unlisted.test.js - a model is in its place, and the catalog cannot be written: another program has it, or its
 * disk is full. The failure these tell of: `import --move` failed, and the user's only file lay where no list showed
 * it, and the next try did not find it; a push that failed so was "here" when it was sent again, while `models list`
 * and `infer` knew nothing of it.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const { makeFolder } = require('./lib/proc.js');
const { startHive, get } = require('./lib/hive.js');
const { stream } = require('./lib/sse.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { filesIn } = require('./lib/transfer.js');
const { hold, holding } = require('./lib/hold.js');
const push = require('./lib/push.js');

const skip = spawnSync('python3', ['-c', 'import sqlite3']).status === 0 ? false : 'no python3 with sqlite3 here to lock a database';
const listed = async (hive) => (await get(hive, '/v1/models')).json.models.filter((m) => m.model_ref !== 'tiny').map((m) => m.model_ref);
const sql = (hive, text) => ['-c', `import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute(sys.argv[2])
print("done", flush=True)
sys.stdin.read()`, path.join(hive.home, 'models.db'), text];

/* Goes on with a move, held at its file, with the catalog locked; its last events but the end. */
async function moveUnlisted(hive, file, ask) {
  const letMove = await hold(file), s = await ask();
  await s.find((e) => e.stage === 'placing');
  const unlock = await holding('python3', sql(hive, 'BEGIN IMMEDIATE'));
  await letMove();
  const events = await s.all();
  await unlock();
  assert.ok(events.some((e) => e.stage === 'error' && /database is locked|catalog/.test(e.message)), JSON.stringify(events));
  assert.deepStrictEqual([events.at(-1).imported, events.at(-1).failed], [0, 1]);
  assert.deepStrictEqual(await listed(hive), []);
}

test('a file that was moved is where it was', { skip }, async (t) => {
  const hive = await startHive();
  t.after(() => hive.stop());
  const file = path.join(makeFolder('rbee-mine-'), 'mine.gguf');
  writeHollowModel(file, { layers: 1 });
  const move = () => stream(`${hive.url}/v1/models/import`, { method: 'POST', body: { path: file, how: 'move' } });
  await moveUnlisted(hive, file, move);
  assert.ok(fs.existsSync(file));
  assert.deepStrictEqual(filesIn(hive), []);
  const again = await (await move()).all();
  assert.strictEqual(again.at(-1).imported, 1, JSON.stringify(again));
  assert.deepStrictEqual(await listed(hive), ['local:mine']);
});

test('a push goes on from what has come; what is here is listed before that is said', { skip }, async (t) => {
  await push.start();
  t.after(push.stop);
  const hive = await startHive();
  t.after(() => hive.stop());
  const m = await push.take(), says = await push.manifest(m.ref);
  await push.bring(hive, m, says);
  const commit = () => stream(`${hive.url}/v1/models/upload/commit`, { method: 'POST', body: says });
  await moveUnlisted(hive, push.partOf(hive, m), commit);
  const missing = await push.begin(hive, says);
  assert.deepStrictEqual([missing.stage, missing.bytes_missing], ['missing', 0]);
  assert.strictEqual((await (await commit()).all()).at(-1).imported, 1);
  assert.deepStrictEqual(await listed(hive), [m.ref]);

  spawnSync('python3', sql(hive, 'DELETE FROM models'), { input: '' }); // as an earlier hive left it
  assert.deepStrictEqual(await listed(hive), []);
  assert.strictEqual((await push.begin(hive, says)).stage, 'here');
  assert.deepStrictEqual(await listed(hive), [m.ref]);
});
