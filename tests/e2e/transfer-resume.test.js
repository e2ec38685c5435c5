'use strict';
/*
 * transfer-resume.test.js - what is on disk after an end of any kind is worth its bytes: the ledger,
 * parts without one, power cuts, versions to come, wrong digests. The hub counts what is sent again.
 */
const { test, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');

const { MIB, PIECE, Hub, sha256, seeded, startWith, fetches, fails, filesIn, leftOvers, partOf, until } = require('./lib/transfer.js');
const { get, post } = require('./lib/hive.js');
const { run } = require('./lib/keeper.js');

let hub, n = 0;
before(async () => { hub = await Hub.start(); });
after(() => hub.stop());

/* A hive that was ended by a signal in the middle of a file; what the hub sends from now on. */
async function interrupted(t, signal, { size = 4 * MIB, past = 1.5 * MIB } = {}) {
  const name = `resume/r${n++}`;
  const bytes = seeded(name, size);
  hub.put(name, { 'r.gguf': bytes });
  hub.cdn.faults = () => ({ pace: 6000 });
  const hive = await startWith(hub);
  await until(hive, `hf:${name}`, past, signal);
  hub.cdn.faults = null;
  hub.cdn.sent.clear();
  return {
    ref: `hf:${name}`, bytes, hive, part: partOf(hive), ledger: `${partOf(hive)}.ledger`,
    sent: () => hub.cdn.sent.get(`${name}/r.gguf`) || 0,
    async goesOn() {
      const next = await startWith(hub, {}, { home: hive.home });
      t.after(() => next.stop());
      await fetches(next, this.ref, bytes);
      assert.deepStrictEqual(leftOvers(next), []);
      return next;
    },
  };
}

/* Bytes on disk that a kill may cost: four unfinished pieces, and what waited for its digest. */
const COST = 8 * PIECE;

test('kill -9: only pieces that were not whole are fetched again', async (t) => {
  const r = await interrupted(t, 'SIGKILL');
  // a kill while the card or the ledger is written leaves a half copy; 22 of 200 downloads of a soak did
  for (const name of ['json.tmp-4711', 'part.ledger.tmp-4712']) {
    fs.writeFileSync(r.part.replace(/part$/, name), 'half');
  }
  const next = await r.goesOn();
  assert.deepStrictEqual(filesIn(next).filter((f) => f.includes('.tmp-')), []);
  assert.ok(r.sent() <= r.bytes.length - 1.5 * MIB + COST, `${r.sent()} bytes were sent again`);
});

/* What had come before was taken to have come since the question: "again in 2 seconds", of 12. */
test('who asks for a model whose download goes on is told to come again when it may be here', async (t) => {
  const r = await interrupted(t, 'SIGTERM');
  const hive = await startWith(hub, { RBEE_HIVE_AUTO_PULL: 'on', RBEE_HIVE_LOAD_WAIT: '1500ms', RBEE_HIVE_DOWNLOAD_LIMIT_RATE: '200k' },
    { home: r.hive.home });
  t.after(() => hive.stop());
  const early = await post(hive, '/v1/completions', { model: r.ref, prompt: 'x', max_tokens: 1 });
  assert.deepStrictEqual([early.status, early.json.error.code], [503, 'loading_timeout'], early.text);
  assert.ok(early.json.error.loading.done > 1.5 * MIB, early.text);
  assert.ok(Number(early.headers['retry-after']) >= 6, early.headers['retry-after']);
});

/* A hub that lags behind itself (a mirror, a deployment under way) says 404 once of a commit that is there. All
 * that had come was deleted for it, before the hub was asked what there is; with the hub away, nothing was left. */
for (const [what, plan, goesOn] of [
  ['', [{ status: 404 }], true],
  [', and then not at all', [{ status: 404 }, { status: 403 }], false],
]) {
  test(`the hub does not know the file for a moment${what}: what is there stays`, async (t) => {
    const r = await interrupted(t, 'SIGTERM');
    const had = fs.statSync(r.part).size;
    hub.api.plan = [...plan];
    if (goesOn) {
      await r.goesOn();
    } else {
      const next = await startWith(hub, {}, { home: r.hive.home });
      t.after(() => next.stop());
      await fails(next, r.ref, 'MODEL_ACCESS_DENIED');
      assert.strictEqual(fs.statSync(r.part).size, had);
      await next.stop();
      await r.goesOn();
    }
    assert.strictEqual(hub.api.plan.length, 0);
    assert.ok(r.sent() <= r.bytes.length - 1.5 * MIB + COST, `${r.sent()} bytes were sent again`);
  });
}

test('kill -9 in the last moment: a finished file has nothing of the download beside it when the next hive is up', async (t) => {
  const bytes = seeded('last', MIB);
  hub.put('resume/last', { 'r.gguf': bytes });
  const hive = await startWith(hub);
  const [end] = (await fetches(hive, 'hf:resume/last', bytes)).slice(-1);
  hive.signal('SIGKILL');
  await hive.ended;
  // behind the rename, before the ledger was forgotten; while the card was written: 2 of 200 downloads of a soak
  fs.writeFileSync(`${end.local_path}.part.ledger`, 'whatever');
  fs.writeFileSync(`${end.local_path}.json.tmp-4711`, 'half');
  const next = await startWith(hub, {}, { home: hive.home });
  t.after(() => next.stop());
  assert.deepStrictEqual(filesIn(next), [end.local_path, `${end.local_path}.json`]);
});

test('a new hive shows what the one before left, until it is gone on with or removed', async (t) => {
  const r = await interrupted(t, 'SIGKILL');
  const next = await startWith(hub, {}, { home: r.hive.home });
  t.after(() => next.stop());
  const rows = async () => (await get(next, '/v1/models/downloads')).json.downloads;
  const [row, ...more] = await rows();
  assert.deepStrictEqual(more, []);
  assert.deepStrictEqual([row.model_ref, row.state, row.download_id, row.bytes_total], [r.ref, 'interrupted', null, r.bytes.length]);
  assert.ok(row.bytes_downloaded > MIB && row.bytes_downloaded < r.bytes.length, JSON.stringify(row));
  const shown = await run(['models', 'downloads', '--node', next.url.replace('http://', '')]);
  assert.match(shown.stdout, new RegExp(`- +${r.ref} +interrupted +\\d+% +4\\.2 MB`));
  await fetches(next, r.ref, r.bytes);
  assert.deepStrictEqual((await rows()).map((d) => d.state), ['complete']);
});

test('SIGTERM: not even these; unfinished pieces are noted down', async (t) => {
  const r = await interrupted(t, 'SIGTERM');
  const lines = fs.readFileSync(r.ledger, 'utf8').trim().split('\n');
  assert.match(lines[0], /^[0-9a-f]{8} rbee-ledger 2 4194304 65536$/);
  let noted = 0;
  for (const line of lines.slice(1)) { // that the digests are true shows when nothing of it is fetched again
    const [, sum, text] = /^([0-9a-f]{8}) (.*)$/.exec(line);
    assert.strictEqual(sha256(text).slice(0, 8), sum);
    const [, from, to] = /^bytes (\d+) (\d+) [0-9a-f]{32}$/.exec(text);
    noted += Number(to) - Number(from);
  }
  assert.ok(noted > 1.5 * MIB, `${noted}`);
  await r.goesOn();
  assert.ok(r.sent() <= r.bytes.length - noted, `${r.sent()} sent, ${noted} were noted`);
});

test('a power cut: the tail is zeros and the ledger torn; the rest is kept', async (t) => {
  const r = await interrupted(t, 'SIGKILL');
  const lines = fs.readFileSync(r.ledger, 'utf8').trimEnd().split('\n');
  fs.writeFileSync(r.ledger, `${lines.slice(0, -2).join('\n')}\n${lines.at(-2).slice(0, 30)}`);
  const [, from, to] = /bytes (\d+) (\d+) /.exec(lines[3]).map(Number);
  const fd = fs.openSync(r.part, 'r+'); // a piece the ledger tells of never reached the disk
  fs.writeSync(fd, Buffer.alloc(to - from), 0, to - from, from);
  fs.closeSync(fd);
  const next = await r.goesOn();
  assert.match(next.stderr, new RegExp(`bytes ${from} to ${to} on disk are not what they were`));
  assert.ok(r.sent() <= r.bytes.length - 1.5 * MIB + COST + 3 * PIECE, `${r.sent()} bytes were sent again`);
});

test('a part that was cut off: what is left of it is used', async (t) => {
  const r = await interrupted(t, 'SIGKILL');
  fs.truncateSync(r.part, MIB);
  await r.goesOn();
  assert.ok(r.sent() < r.bytes.length, `${r.sent()} bytes were sent again`);
});

/* It was cut, and what the ledger told of was neither taken nor forgotten: the download's count of doubted bytes went
 * below zero, its progress was nonsense, and it never ended. */
test('a part that is longer than the file: it is cut, and what the ledger tells of is used', async (t) => {
  const r = await interrupted(t, 'SIGKILL');
  fs.truncateSync(r.part, r.bytes.length + 1);
  await r.goesOn();
  assert.ok(r.sent() <= r.bytes.length - 1.5 * MIB + COST, `${r.sent()} bytes were sent again`);
});

test('a ledger of the first version, with SHA-256: what it tells of is not fetched again, but for what is wrong', async (t) => {
  const r = await interrupted(t, 'SIGTERM');
  const lines = fs.readFileSync(r.ledger, 'utf8').trim().split('\n').slice(1);
  const claims = lines.map((line) => /bytes (\d+) (\d+) /.exec(line).slice(1).map(Number));
  const old = ['rbee-ledger 1 4194304 65536',
    ...claims.map(([from, to], i) => `bytes ${from} ${to} ${sha256(i === 1 ? 'wrong' : r.bytes.subarray(from, to))}`)];
  fs.writeFileSync(r.ledger, old.map((text) => `${sha256(text).slice(0, 8)} ${text}\n`).join(''));
  const noted = claims.reduce((sum, [from, to]) => sum + to - from, 0);
  const next = await r.goesOn();
  assert.match(next.stderr, new RegExp(`bytes ${claims[1][0]} to ${claims[1][1]} on disk are not what they were`));
  assert.ok(r.sent() <= r.bytes.length - noted + PIECE, `${r.sent()} sent, ${noted} were noted`);
});

test('a ledger of a version to come: its bytes are unverified, not thrown away', async (t) => {
  const r = await interrupted(t, 'SIGTERM');
  const text = 'rbee-ledger 9 whatever comes';
  fs.writeFileSync(r.ledger, `${sha256(text).slice(0, 8)} ${text}\n`);
  await r.goesOn();
  assert.ok(r.sent() < r.bytes.length - MIB, `${r.sent()} bytes were sent again`);
});

test('a part of the earlier format, a plain prefix, is taken over to its last byte', async (t) => {
  const r = await interrupted(t, 'SIGTERM');
  fs.unlinkSync(r.ledger);
  fs.writeFileSync(r.part, r.bytes.subarray(0, 3000001));
  await r.goesOn();
  assert.ok(r.sent() <= r.bytes.length - 3000001, `${r.sent()} bytes were sent`);
});

test('a wrong byte in such a prefix: its pieces are suspect, the others are kept', async (t) => {
  const r = await interrupted(t, 'SIGTERM');
  fs.unlinkSync(r.ledger);
  const prefix = Buffer.from(r.bytes.subarray(0, MIB));
  prefix[77] ^= 1;
  fs.writeFileSync(r.part, prefix);
  await r.goesOn();
  assert.ok(r.sent() <= r.bytes.length + COST, `${r.sent()} bytes were sent: the good ones too`);
});

test('rot: one byte of a noted piece costs one piece', async (t) => {
  const r = await interrupted(t, 'SIGTERM');
  const [, from] = /bytes (\d+) (\d+) /.exec(fs.readFileSync(r.ledger, 'utf8')).map(Number);
  const fd = fs.openSync(r.part, 'r+');
  fs.writeSync(fd, Buffer.from([r.bytes[from] ^ 255]), 0, 1, from);
  fs.closeSync(fd);
  await r.goesOn();
  assert.ok(r.sent() <= r.bytes.length - 1.5 * MIB + COST, `${r.sent()} bytes were sent again`);
});

test('bytes that lie on the way: found by reading twice, and only what differs a third time', async (t) => {
  const hive = await startWith(hub);
  t.after(() => hive.stop());
  const bytes = seeded('lies', 1500000);
  hub.put('resume/lies', { 'r.gguf': bytes });
  hub.cdn.plan = [{ corrupt: true }, { corrupt: true }]; // both readings are wrong in the same byte
  await fails(hive, 'hf:resume/lies', 'CHECKSUM_MISMATCH');
  hub.cdn.calls.length = 0;
  await fails(hive, 'hf:resume/lies', 'CHECKSUM_MISMATCH');
  assert.strictEqual(hub.cdn.calls.length, 0, 'nothing is fetched blindly');
  const other = seeded('lies once', 1500000);
  hub.put('resume/once', { 'r.gguf': other });
  hub.cdn.plan = [{ corrupt: true }];
  hub.cdn.sent.clear();
  await fetches(hive, 'hf:resume/once', other);
  assert.strictEqual(hub.cdn.sent.get('resume/once/r.gguf'), 2 * other.length);
});

/* The card is in its place before the disk has it (flush.h): XFS may then have its name and not its text. */
test('a power cut that left the card empty: what is here is gone on with; of a whole model nothing is fetched', async (t) => {
  const r = await interrupted(t, 'SIGKILL'), card = r.part.replace(/\.part$/, '.json');
  fs.truncateSync(card, 0);
  const hive = await r.goesOn();
  assert.ok(r.sent() <= r.bytes.length - 1.5 * MIB + COST, `${r.sent()} bytes were sent again`);
  hive.signal('SIGKILL');
  await hive.ended;
  fs.truncateSync(card, 0);
  fs.unlinkSync(`${hive.home}/models.db`);
  hub.cdn.sent.clear();
  await r.goesOn();
  assert.strictEqual(r.sent(), 0);
});
