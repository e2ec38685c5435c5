'use strict';
/*
 * import-at-once.test.js - imports beside other work on the same model: another import, a removal, a
 * download. The hive is held in the middle of a move by the file's lock (lib/hold.js).
 */
const { test } = require('node:test');
const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const { makeFolder } = require('./lib/proc.js');
const { startHive, get, remove } = require('./lib/hive.js');
const { stream } = require('./lib/sse.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { filesIn } = require('./lib/transfer.js');
const { hold } = require('./lib/hold.js');

const sha256 = (file) => crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex');
const kept = async (hive) => (await get(hive, '/v1/models')).json.models.filter((m) => m.model_ref !== 'tiny');
const importing = (hive, file, how) => stream(`${hive.url}/v1/models/import`, { method: 'POST', body: { path: file, how } });

let made = 0;
/* A model of its own under that name, in a folder of its own. */
function model(name) {
  const file = path.join(makeFolder('rbee-mine-'), name);
  writeHollowModel(file, { layers: 1, ctx: 600 + made++ });
  return file;
}

/* The error that an import ends with before it has put anything anywhere. */
async function refused(s) {
  const e = await s.find((x) => x.stage === 'error' || x.stage === 'placing' || x.stage === 'imported');
  assert.strictEqual(e.stage, 'error', JSON.stringify(e));
  assert.strictEqual((await s.all()).at(-1).failed, 1);
  return e;
}

/*
 * The second of two took the first one's file, just moved, for what an earlier hive had left there, and
 * deleted it: the only copy, while the first client was told "imported". Two files under one name both
 * entered as it, and the first one's was lost sight of until the next start.
 */
test('a model that is being imported is not brought a second time, nor another under its name, nor removed', async (t) => {
  const hive = await startHive();
  t.after(() => hive.stop());
  const file = model('one.gguf'), other = model('one.gguf'), digest = sha256(file);
  const letMove = await hold(file);
  t.after(letMove);
  const first = await importing(hive, file, 'move');
  await first.find((e) => e.stage === 'placing');
  for (const path of [file, other]) {
    const e = await refused(await importing(hive, path, 'move'));
    assert.strictEqual(e.code, 'INVALID_REQUEST');
    assert.match(e.message, /local:one is being imported at this moment/);
  }
  const removed = await remove(hive, '/v1/models?model_ref=local:one');
  assert.strictEqual(removed.status, 400, removed.text);
  assert.match(removed.json.error.message, /local:one is being imported at this moment/);
  await letMove();
  assert.strictEqual((await first.all()).at(-1).imported, 1, first.raw);
  const rows = await kept(hive);
  assert.deepStrictEqual(rows.map((m) => m.model_ref), ['local:one']);
  assert.strictEqual(sha256(rows[0].local_path), digest);
  assert.ok(!fs.existsSync(file) && fs.existsSync(other));
  assert.match((await refused(await importing(hive, other, 'move'))).message, /local:one is another file already/);
  assert.strictEqual((await remove(hive, '/v1/models?model_ref=local:one')).status, 200);
  assert.deepStrictEqual(filesIn(hive), []);
});
