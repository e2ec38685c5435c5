'use strict';
/*
 * transfer-commands.test.js - pulling in the background, looking, cancelling, a limited rate, many
 * watchers, and a disk that fills up: the routes and the keeper's commands for them.
 */
const { test, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');

const { MIB, Hub, sha256, seeded, startWith, begin, watch, toTheEnd, fetches, filesIn, leftOvers } = require('./lib/transfer.js');
const { smallDisk, until } = require('./lib/proc.js');
const { get, remove } = require('./lib/hive.js');
const { run } = require('./lib/keeper.js');

let hub, hive, n = 0;
before(async () => { hub = await Hub.start(); hive = await startWith(hub); });
after(async () => { await hive.stop(); await hub.stop(); });
const keeper = (...args) => run([...args, '--node', hive.url.replace('http://', '')]);
const slow = () => { hub.cdn.faults = () => ({ pace: 3000 }); };
const fast = () => { hub.cdn.faults = null; };

function fresh(size = 3 * MIB) {
  const name = `commands/c${n++}`;
  const bytes = seeded(name, size);
  hub.put(name, { 'c.gguf': bytes });
  return { ref: `hf:${name}`, bytes };
}

test('pull --background, downloads, cancel, and a pull that goes on', async () => {
  const f = fresh();
  slow();
  const pulled = await keeper('models', 'pull', f.ref, '--background');
  assert.strictEqual(pulled.code, 0, pulled.stderr);
  const id = /as ([0-9a-f-]{36})/.exec(pulled.stdout)[1];
  await (await watch(hive, id)).find((e) => e.bytes_downloaded > 200000);
  const listed = await keeper('models', 'downloads');
  assert.match(listed.stdout, /ID +MODEL +STATE +DONE +SIZE +SPEED +LEFT/);
  assert.match(listed.stdout, new RegExp(`${id.slice(0, 8)} +${f.ref} +downloading +\\d+% +3\\.1 MB`));
  const watching = await watch(hive, id);
  const cancelled = await keeper('models', 'cancel', id.slice(0, 8));
  assert.strictEqual(cancelled.code, 0, cancelled.stderr);
  assert.match(cancelled.stdout, /kept/);
  const end = (await toTheEnd(watching)).at(-1);
  assert.strictEqual(end.code, 'REQUEST_CANCELLED');
  assert.strictEqual(leftOvers(hive).length, 2, 'the part and its ledger');
  assert.match((await keeper('models', 'downloads')).stdout, new RegExp(`${f.ref} +error +\\d+%`));
  fast();
  hub.cdn.sent.clear();
  const done = await keeper('models', 'pull', f.ref);
  assert.strictEqual(done.code, 0, done.stderr);
  assert.match(done.stderr, /downloaded \(3\.1 MB, verified\)/);
  assert.ok(hub.cdn.sent.get(`${f.ref.slice(3)}/c.gguf`) < f.bytes.length - 100000);
  assert.deepStrictEqual(leftOvers(hive), []);
});

test('cancel --discard, by the model\'s name: nothing of it stays', async () => {
  const f = fresh();
  slow();
  const { download_id: id } = await begin(hive, f.ref);
  await (await watch(hive, id)).find((e) => e.bytes_downloaded > 100000);
  const cancelled = await keeper('models', 'cancel', f.ref, '--discard');
  fast();
  assert.strictEqual(cancelled.code, 0, cancelled.stderr);
  assert.deepStrictEqual(leftOvers(hive), []);
  const again = await keeper('models', 'cancel', f.ref);
  assert.notStrictEqual(again.code, 0);
  assert.match(again.stderr, /models downloads/);
});

/* It removed whatever the reference meant by then: a complete model, under the worker that ran it. */
test('an ended download that is discarded takes nothing with it that came later', async () => {
  const f = fresh(), discard = (d) => remove(hive, `/v1/models/download/${d.download_id}?discard=1`);
  hub.api.plan = [{ status: 403 }];
  const old = await begin(hive, f.ref);
  assert.strictEqual((await toTheEnd(await watch(hive, old.download_id))).at(-1).stage, 'error');
  slow();
  const second = await begin(hive, f.ref), watching = await watch(hive, second.download_id);
  await watching.find((e) => e.bytes_downloaded > 100000);
  const refused = await discard(old);
  assert.strictEqual(refused.status, 400, refused.text);
  assert.match(refused.json.error.message, /another download of .* is under way/);
  fast();
  assert.strictEqual((await remove(hive, `/v1/models/download/${second.download_id}`)).status, 204);
  const { local_path: file } = (await fetches(hive, f.ref, f.bytes)).at(-1);
  for (const d of [old, second]) {
    const kept = await discard(d);
    assert.strictEqual(kept.status, 400, kept.text);
    assert.match(kept.json.error.message, /is here, and complete.*DELETE \/v1\/models/);
  }
  assert.ok(fs.existsSync(file));
  assert.strictEqual((await get(hive, `/v1/models/show?model_ref=${f.ref}`)).status, 200);
});

/* The part and its ledger went from under the download that wrote them, which failed at its end. */
test('of two downloads of one file, one that is discarded leaves the other what has come', async () => {
  for (const which of [0, 1]) { // the one that fetches; the one that waits for it
    const f = fresh();
    slow();
    const both = [await begin(hive, f.ref)];
    await (await watch(hive, both[0].download_id)).find((e) => e.bytes_downloaded > 100000);
    both.push(await begin(hive, `${f.ref}:c.gguf`));
    const streams = await Promise.all(both.map((d) => watch(hive, d.download_id)));
    await streams[1].find((e) => e.bytes_downloaded > 200000);
    fast();
    assert.strictEqual((await remove(hive, `/v1/models/download/${both[which].download_id}?discard=1`)).status, 204);
    assert.strictEqual((await toTheEnd(streams[which])).at(-1).code, 'REQUEST_CANCELLED');
    assert.strictEqual(leftOvers(hive).length, 2, 'the part and its ledger');
    if (which === 1) { // not so slowly on
      assert.strictEqual((await remove(hive, `/v1/models/download/${both[0].download_id}`)).status, 204);
      await fetches(hive, f.ref, f.bytes);
    } else {
      const end = (await toTheEnd(streams[1])).at(-1);
      assert.strictEqual(end.stage, 'complete', JSON.stringify(end));
      assert.strictEqual(sha256(fs.readFileSync(end.local_path)), sha256(f.bytes));
    }
    const refs = (await get(hive, '/v1/models')).json.models.map((m) => m.model_ref).filter((r) => r.startsWith(f.ref));
    assert.deepStrictEqual(refs, [which === 1 ? f.ref : `${f.ref}:c.gguf`]);
    const card = JSON.parse(fs.readFileSync(`${filesIn(hive).find((p) => p.includes(`/${f.ref.slice(3)}/`) && p.endsWith('.json'))}`));
    assert.deepStrictEqual(card.refs, refs);
  }
});

/* "no single download is ..." for the spelling that had begun it, and for what `models downloads` had just shown: the
 * hive that began it is gone. Where nothing can be cancelled, the message spoke of HTTP's methods, and it was exit 2. */
test('cancel takes the model as pull does; of what is not under way it says what to do', async (t) => {
  let own = await startWith(hub);
  t.after(() => own.stop());
  const on = (...args) => run([...args, '--node', new URL(own.url).host]);
  const name = `a/spelled-${process.pid}`;
  hub.put(name, { 'c.Q4_K_M.gguf': seeded('spelled', 3 << 20) });
  slow();
  const pulled = await on('models', 'pull', `hf:${name}:q4_k_m@main`, '--background');
  assert.strictEqual(pulled.code, 0, pulled.stderr);
  const cancelled = await on('models', 'cancel', `hf:${name}:q4_k_m@main`);
  assert.strictEqual(cancelled.code, 0, cancelled.stderr);
  assert.strictEqual((await on('models', 'pull', `hf:${name}:q4_k_m`, '--background')).code, 0);
  await until(() => leftOvers(own).length > 0, 'some of it');
  await own.stop();
  own = await startWith(hub, {}, { home: own.home });
  fast();
  assert.match((await on('models', 'downloads')).stdout, /^- .*interrupted/m);
  const left = await on('models', 'cancel', `hf:${name}:q4_k_m`, '--discard');
  assert.strictEqual(left.code, 1);
  assert.match(left.stderr, /hf:\S+:Q4_K_M was interrupted and is not under way\n.*models pull.*models rm/);
  assert.strictEqual((await on('models', 'pull', '-q', `hf:${name}:q4_k_m`)).code, 0);
  const whole = await on('models', 'cancel', `hf:${name}:q4_k_m`, '--discard');
  assert.strictEqual(whole.code, 1);
  assert.match(whole.stderr, /is complete; `rbee-keeper models rm --node [0-9.:]+`/);
});

test('what cannot be cancelled is said', async () => {
  const f = fresh(1000);
  const { download_id: id } = await begin(hive, f.ref);
  await toTheEnd(await watch(hive, id));
  assert.strictEqual((await remove(hive, `/v1/models/download/${id}`)).status, 400);
  assert.strictEqual((await remove(hive, '/v1/models/download/none')).status, 404);
  assert.strictEqual((await remove(hive, `/v1/models/download/${id}?discard=perhaps`)).status, 400);
  for (const bad of ['none', '0', '-5k']) {
    const refused = await keeper('models', 'pull', f.ref, `--limit-rate=${bad}`);
    assert.strictEqual(refused.code, 2, refused.stdout + refused.stderr);
  }
});

test('--limit-rate holds over all connections together', async () => {
  const f = fresh(3 * MIB);
  const start = performance.now();
  await fetches(hive, f.ref, f.bytes, { limit_rate: 2 * MIB, connections: 4 });
  // a quarter of a second's worth is free at first, and each connection may hold one buffer more
  assert.ok(performance.now() - start >= 1000, `${performance.now() - start} ms`);
});

/* A stream that the old limit held back slept to the end of what that asked for: at 100 bytes/s for minutes. */
test('a limit that is raised midway holds at once', async (t) => {
  const own = await startWith(hub, { RBEE_HIVE_DOWNLOAD_STALL: '600s' });
  t.after(() => own.stop());
  const f = fresh(), sent = () => hub.cdn.sent.get(`${f.ref.slice(3)}/c.gguf`) || 0;
  const { download_id: id } = await begin(own, f.ref, { limit_rate: 100 });
  let before = 0;
  await until(() => { // no more goes into the line: it is held back
    const stands = sent() > 0 && sent() === before;
    before = sent();
    return stands;
  }, 'a line that is full');
  assert.strictEqual((await begin(own, f.ref, { limit_rate: 1e9 })).download_id, id);
  await until(async () => (await get(own, '/v1/models/downloads')).json.downloads[0].state === 'complete', 'the end');
});

/* It showed the speed it last had for as long as nothing came. */
test('a download that stands still is not shown as one that runs', async (t) => {
  const own = await startWith(hub, { RBEE_HIVE_DOWNLOAD_STALL: '600s' });
  t.after(() => own.stop());
  const f = fresh();
  hub.cdn.faults = () => ({ stall: 2 * MIB });
  t.after(fast);
  await begin(own, f.ref, { connections: 1 });
  let most = 0;
  await until(async () => {
    const now = (await get(own, '/v1/models/downloads')).json.downloads[0].speed_mbps || 0;
    most = Math.max(most, now);
    return most > 0 && now < most / 2;
  }, 'a speed that falls');
});

test('the hive\'s own limit holds for all downloads together', async (t) => {
  const own = await startWith(hub, { RBEE_HIVE_DOWNLOAD_LIMIT_RATE: '2m' });
  t.after(() => own.stop());
  const [f, g] = [fresh(2 * MIB), fresh(2 * MIB)];
  const start = performance.now();
  await Promise.all([fetches(own, f.ref, f.bytes), fetches(own, g.ref, g.bytes)]);
  assert.ok(performance.now() - start >= 1300, `${performance.now() - start} ms`);
});

test('many watchers see one download; who leaves harms nobody; no time is told before it is known', async () => {
  const f = fresh();
  slow();
  const { download_id: id } = await begin(hive, f.ref);
  const streams = await Promise.all(Array.from({ length: 8 }, () => watch(hive, id)));
  await streams[0].find((e) => e.bytes_downloaded > 0);
  for (const s of streams.slice(4)) s.leave();
  const first = streams[0].events[0].json;
  assert.strictEqual(first.eta_seconds, undefined);
  fast();
  const all = await Promise.all(streams.slice(0, 4).map(toTheEnd));
  for (const events of all) assert.deepStrictEqual(events.at(-1), all[0].at(-1));
  assert.strictEqual(all[0].at(-1).stage, 'complete');
  assert.strictEqual(sha256(fs.readFileSync(all[0].at(-1).local_path)), sha256(f.bytes));
  assert.strictEqual((await get(hive, '/v1/models/downloads')).json.downloads[0].state, 'complete');
});

test('a disk that fills up under several connections: DISK_FULL, what came is kept', async (t) => {
  const disk = smallDisk('6m'), { folder } = disk;
  if (disk.why) return t.skip(disk.why);
  let own;
  t.after(async () => { if (own) await own.stop(); disk.end(); });
  own = await startWith(hub, { RBEE_HIVE_MODELS_DIR: folder });
  const f = fresh(4 * MIB);
  slow();
  const { download_id: id } = await begin(own, f.ref);
  const s = await watch(own, id);
  await s.find((e) => e.bytes_downloaded > MIB);
  fast();
  assert.throws(() => fs.writeFileSync(`${folder}/blocker`, Buffer.alloc(8 * MIB)), /ENOSPC/);
  const end = (await toTheEnd(s)).at(-1);
  assert.strictEqual(end.code, 'DISK_FULL', JSON.stringify(end));
  fs.unlinkSync(`${folder}/blocker`);
  hub.cdn.sent.clear();
  await fetches(own, f.ref, f.bytes);
  assert.ok(hub.cdn.sent.get(`${f.ref.slice(3)}/c.gguf`) < f.bytes.length, 'with room again it goes on');
  return undefined;
});

/* Of a source that tells no size the disk was full to the last byte behind it, of bytes that no try could go on from. */
test('a source without a size that fills the disk leaves nothing of it', async (t) => {
  const disk = smallDisk('6m'), { folder } = disk;
  if (disk.why) return t.skip(disk.why);
  let own;
  t.after(async () => {
    Object.assign(hub, { linked: true, sized: true });
    hub.cdn.faults = null;
    if (own) await own.stop();
    disk.end();
  });
  own = await startWith(hub, { RBEE_HIVE_MODELS_DIR: folder });
  const f = fresh(8 * MIB);
  hub.linked = hub.sized = false;
  hub.cdn.faults = () => ({ noSize: true });
  const s = await watch(own, (await begin(own, f.ref)).download_id);
  const end = (await toTheEnd(s)).at(-1);
  assert.strictEqual(end.code, 'DISK_FULL', JSON.stringify(end));
  assert.match(end.message, /after [56]\d{6} bytes, none of which is kept, as its source tells no size/);
  const { bavail, bsize } = fs.statfsSync(folder);
  assert.ok(bavail * bsize > 5 * MIB, 'the disk has its room again');
  return undefined;
});

/* On a full disk SQLite cannot write: `models rm`, which DISK_FULL tells one to use, failed with INTERNAL, and a hive did
 * not start, as a catalog that is only read needs a few pages beside it, too. */
test('on a full disk a hive starts, serves what is there, and `models rm` makes room', async (t) => {
  const disk = smallDisk('12m'), { folder } = disk;
  if (disk.why) return t.skip(disk.why);
  const hives = [];
  t.after(async () => {
    for (const h of hives) await h.stop();
    disk.end();
  });
  const home = `${folder}/home`, fill = () => assert.throws(() => fs.writeFileSync(`${folder}/blocker`, Buffer.alloc(16 * MIB)), /ENOSPC/);
  const listed = async (h) => (await get(h, '/v1/models')).json.models.map((m) => m.model_ref).filter((r) => r.startsWith('hf:'));
  const one = fresh(2 * MIB), two = fresh(2 * MIB);
  const first = await startWith(hub, {}, { home });
  hives.push(first);
  await fetches(first, one.ref, one.bytes);
  await fetches(first, two.ref, two.bytes);
  fill();
  const gone = await remove(first, `/v1/models?model_ref=${one.ref}`);
  assert.strictEqual(gone.status, 200, gone.text);
  assert.deepStrictEqual(await listed(first), [two.ref]);
  await first.stop();
  fill();
  const next = await startWith(hub, {}, { home });
  hives.push(next);
  assert.match(next.stderr, /its disk is full, it has room for 0 /);
  assert.deepStrictEqual(await listed(next), [two.ref]);
  assert.strictEqual((await remove(next, `/v1/models?model_ref=${two.ref}`)).status, 200);
  assert.deepStrictEqual(await listed(next), []);
  return undefined;
});
