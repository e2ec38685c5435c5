'use strict';
/*
 * unmounted.test.js - the disk of the models is not there: an empty folder is where it was mounted, or none.
 *
 * The failure this tells of: the hive made the folder, on another disk, said nothing, and fetched everything once
 * more into it.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { HIVE, Proc } = require('./lib/proc.js');
const { get, post } = require('./lib/hive.js');
const { stream } = require('./lib/sse.js');
const push = require('./lib/push.js');
const keeper = require('./lib/keeper.js');
const { Hub, seeded, startWith, fetches, makeFolder } = require('./lib/transfer.js');
const { manifest, sha256 } = require('./lib/stick.js');

const IS_IT = /is its disk mounted\?/;
const own = (dir) => fs.readdirSync(dir).filter((name) => name !== '.hive.lock');
const isAway = (answer) => {
  assert.strictEqual(answer.status, 503, answer.text);
  assert.strictEqual(answer.json.error.code, 'DISK_NOT_ANSWERING');
  assert.match(answer.json.error.message, /1 model is noted in .*, and there is nothing in that folder/);
  assert.match(answer.json.error.message, IS_IT);
};

test('nothing is brought into what is left of a disk that is not mounted, until its models are forgotten', async (t) => {
  const hub = await Hub.start(), disk = path.join(makeFolder('rbee-mnt-'), 'disk'), dir = path.join(disk, 'models');
  const env = { RBEE_HIVE_MODELS_DIR: dir }, bytes = seeded('away', 70000);
  fs.mkdirSync(disk);
  hub.put('away/x', { 'x.gguf': bytes }).put('away/y', { 'y.gguf': bytes });
  let hive = await startWith(hub, env);
  t.after(async () => { await hive.stop(); await hub.stop(); });
  const { home } = hive;
  await fetches(hive, 'hf:away/x', bytes);

  fs.renameSync(dir, `${disk}-away`); // while the hive runs
  const gone = await post(hive, '/v1/models/download', { model_ref: 'hf:away/y' });
  assert.strictEqual(gone.status, 503, gone.text);
  assert.match(gone.json.error.message, IS_IT);
  assert.ok(!fs.existsSync(dir));
  await hive.stop();
  fs.rmdirSync(disk); // the place of the mount is gone, too
  const none = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', home], { env: { HOME: home, ...env } });
  await none.ended;
  assert.strictEqual(none.code, 1);
  assert.match(none.stderr, new RegExp(`there is no ${disk}, and the folder of the models is to be ${dir}: is its disk mounted\\?`));
  assert.ok(!fs.existsSync(disk));

  fs.mkdirSync(disk);
  hive = await startWith(hub, env, { home });
  await hive.says(/1 model is noted in .*: is its disk mounted\? If the files were deleted, `rbee-keeper models prune`/);
  isAway(await post(hive, '/v1/models/download', { model_ref: 'hf:away/x' }));
  isAway(await post(hive, '/v1/models/upload', manifest({ model_ref: 'local:z', repo: 'local:z', commit: sha256(bytes) }, [['z.gguf', bytes]])));
  const file = path.join(makeFolder('rbee-mine-'), 'mine.gguf');
  fs.writeFileSync(file, bytes);
  const imported = await (await stream(`${hive.url}/v1/models/import`, { method: 'POST', body: { path: file } })).all();
  assert.match(imported.find((e) => e.stage === 'error').message, IS_IT);
  assert.deepStrictEqual(own(dir), []);

  fs.rmSync(dir, { recursive: true }); // it is mounted now
  fs.renameSync(`${disk}-away`, dir);
  await fetches(hive, 'hf:away/y', bytes);
  assert.strictEqual((await get(hive, '/v1/models')).json.models.filter((m) => m.model_ref.startsWith('hf:')).length, 2);

  for (const name of own(dir)) fs.rmSync(path.join(dir, name), { recursive: true }); // deleted by hand: the list is to say so
  const r = await keeper.run(['models', 'prune', '--yes', '--node', push.addr(hive)]);
  assert.strictEqual(r.code, 0, r.stderr);
  await fetches(hive, 'hf:away/x', bytes);
});
