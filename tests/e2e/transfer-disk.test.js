'use strict';
/*
 * transfer-disk.test.js - a disk that takes no more for a while holds up the download, and nothing else; nor does
 * one that takes its time to give back what a model had.
 *
 * The disk is played by an instruction that jumps to itself, over the first one of what writes a
 * download's bytes, or lets go of a removed file (lib/stuck.js): whoever comes there stays until it is
 * put right again.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { execFileSync, spawnSync } = require('node:child_process');

const { BUILD, HIVE, makeFolder, sleep, testModel, until } = require('./lib/proc.js');
const { stream } = require('./lib/sse.js');
const { get, remove, keepsDeleted } = require('./lib/hive.js');
const { loopForever, whyNoLoop } = require('./lib/stuck.js');
const push = require('./lib/push.js');
const { MIB, Hub, sha256, seeded, startWith, begin, watch, toTheEnd, filesIn, partOf } = require('./lib/transfer.js');

const PIECES_MAX = 64; // src/hive/chores/upload_piece.h
const noPrlimit = spawnSync('prlimit', ['--version']).status === 0 ? false : 'prlimit is not there';
const SPIN_TICKS = 20; // a thread that has run so long since we looked does nothing else

/* Ticks that each thread has run in user space, by its id: proc(5), field 14. One that ends meanwhile has none. */
function ticks(pid) {
  return new Map(fs.readdirSync(`/proc/${pid}/task`).flatMap((tid) => {
    let stat;
    try {
      stat = fs.readFileSync(`/proc/${pid}/task/${tid}/stat`, 'utf8');
    } catch {
      return [];
    }
    return [[tid, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[11])]];
  }));
}

/* Connections to the hive that it has not closed: of its port, from its side. proc(5), "net/tcp". */
function clientsOf(hive) {
  const port = Number(new URL(hive.url).port).toString(16).toUpperCase().padStart(4, '0');
  return fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').filter((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    return local?.endsWith(`:${port}`) && (state === '01' || state === '08'); // ESTABLISHED, CLOSE_WAIT
  }).length;
}

/* Tokens, all that were asked for. */
async function speaks(hive) {
  const s = await stream(`${hive.url}/v1/completions`, { method: 'POST',
    body: { model: 'tiny', stream: true, prompt: 'Once', max_tokens: 20, ignore_eos: true } });
  await s.all();
  assert.ok(s.done && !s.events.some((e) => e.json && e.json.error), s.raw);
}

/* Until a thread of the process does nothing but run. */
async function spins(pid) {
  const before = ticks(pid);
  await until(() => [...ticks(pid)].some(([tid, n]) => n - (before.get(tid) ?? 0) > SPIN_TICKS), 'a write that does not return');
}

test('while a write does not return, tokens come and the hive answers; then the download goes on', { skip: !testModel() && 'no model' },
  async (t) => {
    const hub = await Hub.start(), hive = await startWith(hub, { RBEE_TINY: testModel(), RBEE_HIVE_DOWNLOAD_STALL: '600s' });
    let letGo = () => {};
    t.after(async () => { letGo(); await hive.stop(); await hub.stop(); });
    const why = whyNoLoop(hive.pid);
    if (why) return void t.skip(why);
    const bytes = seeded('disk', 4 * MIB);
    hub.put('disk/slow', { 's.gguf': bytes });
    letGo = loopForever(hive.pid, HIVE, 'path_write_at');
    const { download_id: id } = await begin(hive, 'hf:disk/slow');
    const progress = await watch(hive, id);
    await spins(hive.pid);
    await speaks(hive);
    const row = (await get(hive, '/v1/models/downloads')).json.downloads.find((d) => d.download_id === id);
    assert.strictEqual(row.state, 'downloading', JSON.stringify(row));
    assert.strictEqual(row.bytes_downloaded, 0, JSON.stringify(row));
    letGo();
    const end = (await progress.all()).at(-1);
    assert.strictEqual(end.stage, 'complete', JSON.stringify(end));
    assert.strictEqual(sha256(fs.readFileSync(end.local_path)), sha256(bytes));
  });

test('while a piece of a push is not written, the hive answers; so many wait, the others are to come again', async (t) => {
  const { there } = await push.start();
  const m = await push.take(), says = await push.manifest(m.ref);
  let letGo = () => {};
  t.after(async () => { letGo(); await push.stop(); });
  const why = whyNoLoop(there.pid);
  if (why) return void t.skip(why);
  await push.begin(there, says);
  letGo = loopForever(there.pid, HIVE, 'path_write_at');
  const bytes = fs.readFileSync(m.file).subarray(0, 65536), first = push.put(there, m, 0, bytes);
  await spins(there.pid);
  const leaver = new AbortController(), left = push.put(there, m, 0, bytes, { signal: leaver.signal }).catch((error) => error.name);
  const others = Array.from({ length: PIECES_MAX + 10 }, () => push.put(there, m, 0, bytes));
  const refused = await Promise.any(others.map(async (o) => { const a = await o; return a.status === 503 ? a : Promise.reject(a); }));
  assert.ok(Number(refused.headers.get('retry-after')) > 0);
  assert.match((await refused.json()).error.message, new RegExp(`${PIECES_MAX} pieces of uploads wait`));
  leaver.abort();
  const end = await left; // unless all the others were quicker
  assert.ok(end === 'AbortError' || end.status === 503, `${end}`);
  assert.strictEqual((await get(there, '/health')).status, 200);
  letGo();
  const statuses = (await Promise.all([first, ...others])).map((a) => a.status);
  assert.strictEqual(statuses[0], 204);
  assert.ok(statuses.every((s) => s === 204 || s === 503), `${statuses}`);
  assert.ok(statuses.filter((s) => s === 204).length >= PIECES_MAX - 1, `${statuses}`);
});

/* A hive deleted files in its loop: 0.1 s for 583 MB that were still in memory, and all streams stood as long. */
test('while a removed model is being let go of, its name is free, tokens come; the answer says when it is over', { skip: !testModel() && 'no model' },
  async (t) => {
    const hub = await Hub.start(), hive = await startWith(hub, { RBEE_TINY: testModel() });
    let letGo = () => {};
    t.after(async () => { letGo(); await hive.stop(); await hub.stop(); });
    const why = whyNoLoop(hive.pid);
    if (why) return void t.skip(why);
    const bytes = seeded('removed', 2 * MIB), pull = async () => {
      const progress = await watch(hive, (await begin(hive, 'hf:disk/gone')).download_id);
      return (await progress.all()).at(-1);
    };
    hub.put('disk/gone', { 'g.gguf': bytes });
    const { local_path: file } = await pull();
    assert.strictEqual(fs.statSync(file).size, bytes.length);
    letGo = loopForever(hive.pid, HIVE, 'unlinked_close');
    let answered = false;
    const removed = fetch(`${hive.url}/v1/models?model_ref=hf:disk/gone`, { method: 'DELETE' }).finally(() => { answered = true; });
    await spins(hive.pid);
    assert.ok(!fs.existsSync(file));
    await speaks(hive);
    const again = await pull(); // the same model once more: nothing of the old one is in its way
    assert.strictEqual(again.stage, 'complete', JSON.stringify(again));
    assert.strictEqual(answered, false);
    letGo();
    const answer = await removed;
    assert.strictEqual(answer.status, 200);
    assert.strictEqual((await answer.json()).freed_bytes, bytes.length);
    assert.strictEqual(sha256(fs.readFileSync(file)), sha256(bytes));
  });

/* The helper goes on letting go, and has nobody to tell of it. */
test('who leaves while a removed model is being let go of: it goes all the same', async (t) => {
  const hub = await Hub.start(), hive = await startWith(hub);
  let letGo = () => {};
  t.after(async () => { letGo(); await hive.stop(); await hub.stop(); });
  const why = whyNoLoop(hive.pid);
  if (why) return void t.skip(why);
  hub.put('disk/left', { 'l.gguf': seeded('left', 2 * MIB) });
  await (await watch(hive, (await begin(hive, 'hf:disk/left')).download_id)).all();
  letGo = loopForever(hive.pid, HIVE, 'unlinked_close');
  let answered = false;
  const leaver = http.request(`${hive.url}/v1/models?model_ref=hf:disk/left`, { method: 'DELETE', agent: false });
  leaver.on('response', () => { answered = true; }).on('error', () => {}).end();
  await spins(hive.pid);
  leaver.destroy();
  await until(() => clientsOf(hive) === 0, 'the hive has seen that he left');
  assert.deepStrictEqual([keepsDeleted(hive.pid, 'l.gguf'), answered], [true, false]);
  letGo();
  await until(() => !keepsDeleted(hive.pid, 'l.gguf'), 'it is let go of');
  assert.strictEqual((await remove(hive, '/v1/models?model_ref=hf:disk/left')).status, 404);
});

/* The card of a download was synced by the loop, three times each: a disk busy with the same download's bytes
 * takes seconds for that, and all streams stood as long. */
test('while the disk does not say that it has a card, tokens come; what is cancelled meanwhile stays so', { skip: !testModel() && 'no model' },
  async (t) => {
    const hub = await Hub.start(), hive = await startWith(hub, { RBEE_TINY: testModel(), RBEE_HIVE_DOWNLOAD_STALL: '600s' });
    let letGo = () => {};
    t.after(async () => { letGo(); await hive.stop(); await hub.stop(); });
    const why = whyNoLoop(hive.pid);
    if (why) return void t.skip(why);
    const bytes = seeded('card', 2 * MIB), hold = () => loopForever(hive.pid, HIVE, 'path_write_finish');
    const stateOf = async (id) => (await get(hive, '/v1/models/downloads')).json.downloads.find((d) => d.download_id === id).state;
    hub.put('disk/card', { 'c.gguf': bytes });

    letGo = hold();
    const first = await begin(hive, 'hf:disk/card');
    await spins(hive.pid);
    await speaks(hive);
    assert.strictEqual(await stateOf(first.download_id), 'downloading');
    assert.strictEqual(hub.cdn.calls.length, 0, 'no byte before the card is safe');
    assert.strictEqual((await remove(hive, `/v1/models/download/${first.download_id}`)).status, 204);
    const second = await begin(hive, 'hf:disk/card'), progress = await watch(hive, second.download_id);
    let mayEnd = false;
    hub.cdn.faults = () => ({ until: () => mayEnd });
    letGo();
    await until(() => hub.cdn.calls.length > 0, 'a request for the file');
    letGo = hold();
    mayEnd = true;
    await spins(hive.pid);
    await speaks(hive);
    assert.strictEqual(await stateOf(second.download_id), 'downloading', 'not complete before the card is safe');
    letGo();
    const end = (await progress.all()).at(-1);
    assert.strictEqual(end.stage, 'complete', JSON.stringify(end));
    assert.strictEqual(sha256(fs.readFileSync(end.local_path)), sha256(bytes));
    assert.strictEqual(hub.cdn.sent.get('disk/card/c.gguf'), bytes.length, 'the cancelled one asked for nothing');
  });

/* The lowest number that no descriptor of the process has, once nothing opens or closes any. */
async function lowestFree(pid) {
  let open = '', before;
  await until(async () => {
    await sleep(100);
    [before, open] = [open, fs.readdirSync(`/proc/${pid}/fd`).sort().join()];
    return before === open;
  }, 'the descriptors stay');
  const taken = new Set(open.split(',').map(Number));
  for (let n = 0; ; n++) if (!taken.has(n)) return n;
}

/*
 * A helper that found no descriptor, or no thread, ended the download at once ("the hive is out of memory or
 * descriptors"), and the pieces that it had been given were fetched again by the next.
 */
test('without descriptors for a while a download waits, and nothing is fetched twice', { skip: noPrlimit }, async (t) => {
  const hub = await Hub.start(), hive = await startWith(hub, { RBEE_HIVE_DOWNLOAD_STALL: '20s' });
  t.after(() => Promise.all([hive.stop(), hub.stop()]));
  const bytes = seeded('descriptors', 4 * MIB);
  let goesOn = false;
  hub.put('no/descriptors', { 'd.gguf': bytes }).cdn.faults = () => ({ until: () => goesOn });
  const { download_id: id } = await begin(hive, 'hf:no/descriptors', { connections: 1 }), s = await watch(hive, id);
  const here = (size) => until(() => partOf(hive) && fs.statSync(partOf(hive)).size >= size, `${size} bytes are here`);
  await here(MIB);
  const n = await lowestFree(hive.pid);
  execFileSync('prlimit', ['--pid', String(hive.pid), `--nofile=${n}:`]);
  goesOn = true;
  await until(() => /download of d\.gguf: a helper cannot work on .*: Too many open files; try [2-7] of 7 in \d+ ms/.test(hive.stderr),
    () => `a helper that is missed:\n${hive.stderr}`);
  await here(bytes.length); // what comes is written all the same
  execFileSync('prlimit', ['--pid', String(hive.pid), `--nofile=${n + 99}:`]);
  const end = (await toTheEnd(s)).at(-1);
  assert.strictEqual(end.stage, 'complete', JSON.stringify(end));
  assert.strictEqual(sha256(fs.readFileSync(end.local_path)), sha256(bytes));
  assert.strictEqual(hub.cdn.sent.get('no/descriptors/d.gguf'), bytes.length);
});

const FAILING_SYNC = path.join(BUILD, 'tests/preload/failing_sync.so');

/*
 * Of a file's bytes that the disk could not keep the kernel tells once. Every 256 MiB of a download are synced beside
 * its transfer; its last sync ran beside that one, was told of nothing, and the file with lost bytes got its place.
 */
test('what a sync under way has to say is waited for', { skip: fs.existsSync(FAILING_SYNC) ? false : 'the build is for a sanitizer, which is to be loaded first' }, async (t) => {
  const hub = await Hub.start(), goOn = path.join(makeFolder(), 'go-on'), bytes = seeded('sync', 260 * MIB);
  t.after(() => hub.stop());
  hub.put('large/one', { 'l.gguf': bytes });
  const hive = await startWith(hub, { LD_PRELOAD: FAILING_SYNC, FAILING_SYNC: goOn });
  t.after(() => hive.stop());
  const s = await watch(hive, (await begin(hive, 'hf:large/one')).download_id);
  await until(() => hub.cdn.sent.get('large/one/l.gguf') >= bytes.length, 'all of it'); // progress is told at times
  const placed = () => filesIn(hive).filter((file) => file.endsWith('.gguf'));
  for (let i = 0; i < 50; i++) {
    await sleep(20);
    assert.deepStrictEqual(placed(), []);
  }
  fs.writeFileSync(goOn, '');
  const end = (await toTheEnd(s)).at(-1);
  assert.deepStrictEqual([end.stage, end.code], ['error', 'DOWNLOAD_FAILED'], JSON.stringify(end));
  assert.match(end.message, /cannot bring what was downloaded to the disk: Input\/output error/);
  assert.deepStrictEqual(placed(), []);
});
