'use strict';
/*
 * thin-disk.test.js - the disk of the models takes what is written, and does not have it: a thin volume that is full
 * beneath its file system (lib/thin.js).
 *
 * The failure these tell of: the sync failed and was told, room was made, and the next try held the bytes against
 * their digests in memory, where all of them were, sent nothing, and called the model complete and verified. So did
 * `models verify`; two thirds of the file on the disk were zeros. And a file that was imported as soon as it was
 * written was called verified before its bytes were anywhere but in memory.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { thinDisk } = require('./lib/thin.js');
const { startHive, get } = require('./lib/hive.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { lenientWorker } = require('./lib/lenient.js');
const push = require('./lib/push.js');
const keeper = require('./lib/keeper.js');
const { MIB, Hub, sha256, seeded, startWith, download, makeFolder } = require('./lib/transfer.js');

const SIZE = 12 * MIB, ROOM_KIB = 4096;

/* A folder for models on such a disk, with room for a third of one. The caller ends the disk, behind its hives. */
function thinFolder(t) {
  const disk = thinDisk();
  if (disk.why) return void t.skip(disk.why);
  const folder = path.join(disk.folder, 'models');
  fs.mkdirSync(folder);
  disk.remount();
  disk.leave(ROOM_KIB);
  return { disk, folder };
}

test('a download whose bytes did not get to the disk fetches them again', async (t) => {
  const { disk, folder } = thinFolder(t) ?? {};
  if (!disk) return;
  const hub = await Hub.start(), bytes = seeded('thin', SIZE);
  const hive = await startWith(hub, { RBEE_HIVE_MODELS_DIR: folder });
  t.after(async () => { await hive.stop(); await hub.stop(); disk.end(); });
  hub.put('thin/x', { 'x.gguf': bytes });
  const first = (await download(hive, 'hf:thin/x')).at(-1);
  assert.strictEqual(first.code, 'DISK_FULL', JSON.stringify(first));
  disk.refill();
  hub.cdn.sent.clear();
  const end = (await download(hive, 'hf:thin/x')).at(-1);
  assert.strictEqual(end.stage, 'complete', JSON.stringify(end));
  assert.ok(hub.cdn.sent.get('thin/x/x.gguf') > SIZE / 3, `${hub.cdn.sent.get('thin/x/x.gguf')} bytes were sent again`);
  await hive.stop();
  disk.remount();
  assert.strictEqual(sha256(fs.readFileSync(end.local_path)), sha256(bytes));
});

test('a push whose bytes did not get to the disk sends them again; verify reads the disk', async (t) => {
  const { disk, folder } = thinFolder(t) ?? {};
  if (!disk) return;
  const env = { RBEE_HIVE_WORKER: lenientWorker() }, bytes = seeded('pushed', SIZE), file = path.join(makeFolder('rbee-mine-'), 'x.gguf');
  fs.writeFileSync(file, bytes);
  let [here, there] = await Promise.all([startHive({ env }), startHive({ env: { ...env, RBEE_HIVE_MODELS_DIR: folder } })]);
  t.after(async () => { await Promise.all([here.stop(), there.stop()]); disk.end(); });
  const at = (hive) => ['--node', push.addr(hive)];
  const send = () => keeper.run(['models', 'push', 'local:x', ...at(there)], { env: { RBEE_KEEPER_NODE: push.addr(here) } });
  assert.strictEqual((await keeper.run(['models', 'import', file, ...at(here)])).code, 0);
  const first = await send();
  assert.strictEqual(first.code, 1);
  assert.match(first.stderr, /DISK_FULL/);
  disk.refill();
  const second = await send();
  assert.strictEqual(second.code, 0, second.stderr);
  await there.stop();
  disk.remount();
  const is = path.join(folder, fs.readdirSync(folder, { recursive: true }).find((name) => name.endsWith('/x.gguf')));
  assert.strictEqual(sha256(fs.readFileSync(is)), sha256(bytes));

  disk.spoil(bytes.subarray(0, 4096)); // in memory it is as it was
  there = await startHive({ home: there.home, env: { ...env, RBEE_HIVE_MODELS_DIR: folder } });
  const verified = await keeper.run(['models', 'verify', 'local:x', ...at(there)]);
  assert.strictEqual(verified.code, 1, verified.stdout);
  assert.match(verified.stdout + verified.stderr, /has the SHA-256/);
});

test('an import as a hard link has its bytes on the disk when it says so; a file without them is told', async (t) => {
  const disk = thinDisk();
  if (disk.why) return void t.skip(disk.why);
  const home = path.join(disk.folder, 'home'), file = path.join(disk.folder, 'mine.gguf'), model = path.join(makeFolder('rbee-mine-'), 'x.gguf');
  let hive = await startHive({ home });
  t.after(async () => { await hive.stop(); disk.end(); });
  writeHollowModel(model, { layers: 1 });
  const bytes = fs.readFileSync(model);
  fs.writeFileSync(file, bytes);
  const r = await keeper.run(['models', 'import', file, '--node', push.addr(hive)]);
  assert.match(r.stdout, /local:mine: .* hard link/, r.stderr);
  disk.cutPower();
  const { local_path: name } = (await get(hive, '/v1/models')).json.models.find((m) => m.model_ref === 'local:mine');
  await hive.stop();
  disk.powerIsBack();
  assert.strictEqual(sha256(fs.readFileSync(file)), sha256(bytes));
  assert.strictEqual(fs.statSync(name).size, bytes.length);

  fs.truncateSync(name, 0);
  hive = await startHive({ home });
  await hive.says(/local:mine is not used: its file .* has 0 bytes, it should have \d+; pull or import it again/);
});
