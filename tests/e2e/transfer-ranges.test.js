'use strict';
/*
 * transfer-ranges.test.js - one file by several requests at once: shared work, servers that know no
 * ranges or lie about them, and what each fault on the line costs in bytes. The hub counts.
 */
const { test, before, after } = require('node:test');
const assert = require('node:assert');

const { until } = require('./lib/proc.js');
const { remove } = require('./lib/hive.js');
const { MIB, Hub, seeded, startWith, begin, fetches, fails, leftOvers } = require('./lib/transfer.js');

let hub, hive, n = 0;
before(async () => { hub = await Hub.start(); hive = await startWith(hub); });
after(async () => { await hive.stop(); await hub.stop(); });

/* A fresh file; its reference, bytes, and how many bytes the hub has sent of it. */
function fresh(size = 6 * MIB, options = {}) {
  const name = `ranges/r${n++}`;
  const bytes = seeded(name, size);
  hub.put(name, { 'r.gguf': bytes }, options);
  hub.cdn.calls.length = hub.cdn.openMost = 0;
  return { ref: `hf:${name}`, bytes, sent: () => hub.cdn.sent.get(`${name}/r.gguf`) || 0 };
}

test('several ranges at once cover the file, and no byte is sent twice', async () => {
  const f = fresh(12 * MIB);
  hub.cdn.faults = () => ({ pace: 200000 });
  await fetches(hive, f.ref, f.bytes, { connections: 4 });
  hub.cdn.faults = null;
  assert.ok(hub.cdn.calls.length >= 4, `${hub.cdn.calls.length} requests`);
  assert.ok(hub.cdn.openMost >= 2, `${hub.cdn.openMost} at once`);
  const spans = hub.cdn.calls.map((c) => /^bytes=(\d+)-(\d*)$/.exec(c.range).slice(1))
    .map(([a, b]) => [Number(a), b ? Number(b) + 1 : f.bytes.length]).sort((a, b) => a[0] - b[0]);
  assert.strictEqual(spans[0][0], 0);
  const covered = spans.reduce((end, [a, b]) => (a <= end ? Math.max(end, b) : NaN), 0);
  assert.strictEqual(covered, f.bytes.length, JSON.stringify(spans));
  // of a stream that was held for so long that another took half of it, its socket had some more
  const shared = spans.reduce((sum, [a, b]) => sum + b - a, 0) > f.bytes.length, more = f.sent() - f.bytes.length;
  assert.ok(more >= 0 && more <= (shared ? 1.1 * MIB : 0), `${more} bytes too many: ${JSON.stringify(spans)}`);
  assert.deepStrictEqual(leftOvers(hive), []);
});

test('one connection is one connection', async () => {
  const f = fresh();
  await fetches(hive, f.ref, f.bytes, { connections: 1 });
  assert.strictEqual(hub.cdn.calls.length, 1);
  assert.strictEqual(f.sent(), f.bytes.length);
});

test('the slowest connection does not decide the end: others take over half of what it has left', async () => {
  const f = fresh(8 * MIB);
  let slow = true; // the first answer drips: alone with its first range it would take seconds
  hub.cdn.faults = () => {
    const told = slow ? { pace: 1000 } : {};
    slow = false;
    return told;
  };
  await fetches(hive, f.ref, f.bytes);
  hub.cdn.faults = null;
  const [first, end] = /^bytes=(\d+)-(\d*)$/.exec(hub.cdn.calls[0].range).slice(1).map((x, i) => (x || i === 0 ? Number(x) : 8 * MIB));
  const taken = hub.cdn.calls.filter((c) => {
    const from = Number(/^bytes=(\d+)-/.exec(c.range)[1]);
    return from > first && from < end;
  });
  assert.ok(taken.length >= 1, `nobody helped: ${JSON.stringify(hub.cdn.calls.map((c) => c.range))}`);
});

/* One connection that fills the line asks for all that is left. Here the line becomes a slow one in the
 * middle of that, and what it brought at first does not speak for it any more. */
async function slowsDown() {
  const f = fresh(64 * MIB);
  let first = true;
  hub.cdn.faults = (req) => {
    const [, from] = /^bytes=(\d+)-$/.exec(req.headers.range || 'bytes=0-') || [];
    const rest = from !== undefined && from < 32 * MIB;
    const told = rest && first ? { quick: 16 * MIB, pace: 20000 } : {};
    first = first && !rest;
    return told;
  };
  await fetches(hive, f.ref, f.bytes);
  hub.cdn.faults = null;
  const begins = hub.cdn.calls.map((c) => Number(/^bytes=(\d+)-/.exec(c.range || 'bytes=0-')[1]));
  const alone = hub.cdn.calls.findIndex((c) => c.told.quick);
  if (alone >= 0) assert.ok(begins.slice(alone + 1).some((b) => b > begins[alone]), `nobody helped: ${begins}`);
  return alone >= 0;
}

test('a line that was quick and is not any more: others come to help', async (t) => {
  for (let i = 0; i < 5; i++) if (await slowsDown()) return;
  t.skip('a machine so busy that five times no line was quick: they helped from the start');
});

test('a server that ignores ranges is read by one stream, and keeps what is there', async () => {
  const f = fresh();
  hub.cdn.faults = () => ({ ignoreRange: true });
  await fetches(hive, f.ref, f.bytes);
  hub.cdn.faults = null;
  assert.match(hive.stderr, /ignores ranges/);
});

test('it ignores them and breaks off: what came is passed over, not asked to be right again', async () => {
  const f = fresh(3 * MIB);
  let calls = 0;
  hub.cdn.faults = () => ({ ignoreRange: true, ...(calls++ < 6 ? { reset: 2 * MIB } : {}) });
  await fetches(hive, f.ref, f.bytes, { connections: 1 });
  hub.cdn.faults = null;
});

const broken = {
  'a reset': { reset: 300000 }, 'an end too early': { short: 300000 }, 'silence': { stall: 300000 },
  'another range than asked for': { shift: 7 }, 'a 416': { unsatisfiable: true },
  'a 429 with Retry-After': { status: 429, headers: { 'retry-after': '1' } }, 'a 503': { status: 503 },
};
for (const [what, fault] of Object.entries(broken)) {
  test(`${what} on one of several connections: the file is right, and little is sent again`, async (t) => {
    const f = fresh(), on = fault.stall ? await startWith(hub, { RBEE_HIVE_DOWNLOAD_STALL: '1s' }) : hive;
    if (on !== hive) t.after(() => on.stop());
    let calls = 0;
    hub.cdn.faults = () => (calls++ === 1 ? fault : { pace: 50000 }); // so slow that others help
    await fetches(on, f.ref, f.bytes);
    hub.cdn.faults = null;
    if (!fault.unsatisfiable) { // after a 416 ranges are not trusted, and one stream reads all
      // what the hub had given to a socket that broke, or in answer to the wrong question
      assert.ok(f.sent() <= f.bytes.length + 1.1 * MIB, `${f.sent()} of ${f.bytes.length} bytes`);
    }
  });
}

test('a connection that never works: the others do its work', async () => {
  const f = fresh(10 * MIB);
  // the first piece is refused to whoever asks for it, until six have
  let refused = 0;
  hub.cdn.faults = (req) => (/^bytes=0-/.test(req.headers.range) && refused++ < 6 ? { status: 500 } : { pace: 50000 });
  await fetches(hive, f.ref, f.bytes);
  hub.cdn.faults = null;
  assert.ok(refused >= 6);
});

test('a source that tells no size at all', async () => {
  const f = fresh(2 * MIB);
  hub.linked = hub.sized = false;
  hub.cdn.faults = () => ({ noSize: true });
  const end = (await fetches(hive, f.ref, f.bytes)).at(-1);
  Object.assign(hub, { linked: true, sized: true });
  hub.cdn.faults = null;
  assert.strictEqual(end.verified, false);
});

/* Each try begins at the first byte, so that all counted as headway: it was asked ten times a second, for ever. */
test('a source without a size that breaks off at the same place is given up like any other', async () => {
  const f = fresh(4 * MIB);
  hub.linked = hub.sized = false;
  hub.cdn.faults = () => ({ noSize: true, reset: 3 * MIB });
  const { download_id: id } = await begin(hive, f.ref);
  await until(() => hive.stderr.includes('try 4 of 7'), () => hive.stderr.slice(-2000));
  await remove(hive, `/v1/models/download?id=${id}`);
  Object.assign(hub, { linked: true, sized: true });
  hub.cdn.faults = null;
});

test('redirects: five are followed, a sixth is not, nor one to another scheme', async () => {
  const f = fresh(1000);
  hub.cdn.plan = [{ hops: 4 }];
  await fetches(hive, f.ref, f.bytes);
  const g = fresh(1000);
  hub.cdn.plan = [{ hops: 9 }];
  await fails(hive, g.ref, 'DOWNLOAD_FAILED');
  hub.cdn.plan = [];
  const h = fresh(1000);
  hub.cdn.plan = [{ location: 'ftp://127.0.0.1/x' }];
  await fails(hive, h.ref, 'DOWNLOAD_FAILED');
  hub.cdn.plan = [];
});

/* A size that only the file itself had told was held against every later version of another size: "the hub gives another
 * size or digest with the file than in its listing", at each ask, for ever. */
for (const [what, size] of [['', 3 * MIB], [', to another size too', 4 * MIB]]) {
  test(`the file changes at a source without digests${what}: begun anew, never mixed`, async () => {
    const f = fresh(3 * MIB);
    const other = seeded('another version', size);
    hub.linked = hub.sized = false;
    let calls = 0;
    hub.cdn.faults = (req, file) => {
      if (calls++ === 0) return { etag: '"one"', reset: MIB };
      hub.repos.get(f.ref.slice(3)).entries.get(file).bytes = other;
      return { etag: '"two"' };
    };
    await fetches(hive, f.ref, other, { connections: 1 });
    Object.assign(hub, { linked: true, sized: true });
    hub.cdn.faults = null;
    assert.strictEqual(hub.cdn.calls[1].ifRange, '"one"');
  });
}

test('split files come side by side over the same connections, with one progress', async () => {
  const files = {};
  for (const i of [1, 2, 3]) files[`x-Q4_K_M-0000${i}-of-00003.gguf`] = seeded(i, 2 * MIB + i);
  hub.put('ranges/split', files);
  hub.cdn.calls.length = hub.cdn.openMost = 0;
  hub.cdn.faults = () => ({ pace: 100000 });
  const events = await fetches(hive, 'hf:ranges/split', files['x-Q4_K_M-00001-of-00003.gguf']);
  hub.cdn.faults = null;
  assert.strictEqual(events.at(-2).bytes_downloaded, 6 * MIB + 6);
  assert.strictEqual(events.at(-2).bytes_total, 6 * MIB + 6);
  assert.strictEqual(new Set(hub.cdn.calls.slice(0, 3).map((c) => c.file)).size, 3, 'all three at once');
});
