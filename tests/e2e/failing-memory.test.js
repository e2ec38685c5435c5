'use strict';
/*
 * failing-memory.test.js - a hive whose allocations fail now and then, of whatever library: it may answer with an
 * error or close a connection; it ends neither itself nor an answer that is whole, and keeps nothing.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { BUILD, HIVE, testModel, makeFolder, until } = require('./lib/proc.js');
const { startHive, get, list } = require('./lib/hive.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');

const PRELOAD = path.join(BUILD, 'tests/preload/failing_malloc.so');
const skip = fs.existsSync(PRELOAD) ? false : 'the build is for a sanitizer, which has a malloc of its own';
const MS = 5000, CLIENTS = 4, PATIENCE_MS = 10000;
const ONE_OF = 500; // allocations that fail

const program = path.join(makeFolder(), 'hive.sh'); // the hive alone, not what starts it
fs.writeFileSync(program, `#!/bin/sh\nLD_PRELOAD='${PRELOAD}' FAILING_MALLOC=${ONE_OF} exec '${HIVE}' "$@"\n`, { mode: 0o755 });

const residentKb = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
const openFiles = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;

/* What a fake worker is to answer, as a prompt: longer than the places that libraries begin with. */
const said = (n) => JSON.stringify({ events: Array.from({ length: n }, (_, i) => ({ type: 'token', t: `word${i} `, i })) });
const words = (n) => Array.from({ length: n }, (_, i) => `word${i} `).join('');

/* Each asks one thing; where an answer is whole its text is, too. */
function questions(hive, model) {
  const call = async (where, body) => {
    const r = await fetch(hive.url + where, {
      method: body ? 'POST' : 'GET', body: body && JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return { status: r.status, text: await r.text() };
  };
  const user = (n) => [{ role: 'user', content: said(n) }];
  const ask = async (where, body, find) => {
    const r = await call(where, body);
    if (find && r.status === 200 && !/"error"/.test(r.text)) assert.strictEqual(find(JSON.parse(r.text)), words(30), `${where}: ${r.text}`);
    return r.status;
  };
  return [
    () => ask('/v1/chat/completions', { model, messages: user(30) }, (j) => j.choices[0].message.content),
    () => ask('/v1/messages', { model, max_tokens: 99, messages: user(30) }, (j) => j.content[0].text),
    () => ask('/v1/responses', { model, input: said(30) }, (j) => j.output.at(-1).content[0].text),
    () => ask('/api/chat', { model, stream: false, messages: user(30) }, (j) => j.message.content),
    () => ask('/v1/chat/completions', { model, stream: true, messages: user(9) }),
    () => ask('/v1/completions', { model, stream: true, prompt: said(9) }),
    () => ask('/v1/embeddings', { model, input: ['a', 'b'] }),
    () => ask('/v1/workers/spawn', { model_ref: model }),
    () => ask('/v1/workers/explain', { model_ref: model }),
    () => ask('/v1/models'),
    () => ask('/api/tags'),
    () => ask('/v1/models/downloads'),
    () => ask('/v1/node'),
  ];
}

test('a hive outlives allocations that fail, and no answer is part of itself', { skip, timeout: 120000 }, async (t) => {
  const fake = makeFakeWorker(makeFolder()), model = path.join(makeFolder(), 'm.gguf');
  fs.writeFileSync(model, 'm');
  const hive = await startHive({ program, flags: { worker: fake.program }, env: { RBEE_TINY: testModel() || '' } });
  t.after(() => hive.stop());
  const all = questions(hive, model), statuses = {};
  const each = async () => { for (const q of all) assert.strictEqual(await q(), 200, String(q)); };
  await each();
  const before = { kb: residentKb(hive.pid), files: openFiles(hive.pid) };
  hive.signal('SIGUSR1');
  const end = Date.now() + MS;
  await Promise.all(Array.from({ length: CLIENTS }, async (_, c) => {
    for (let i = c; Date.now() < end; i++) {
      const status = await all[i % all.length]().catch((e) => {
        if (e.code === 'ERR_ASSERTION') throw e;
        return e.name === 'TimeoutError' ? 'late' : 'cut';
      });
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  }));
  hive.signal('SIGUSR1');
  assert.ok(statuses[200] > 100 && statuses[500] > 0, JSON.stringify(statuses));
  assert.ok(!statuses.late, JSON.stringify(statuses));
  await until(async () => (await list(hive)).every((w) => w.slots_busy === 0 && w.queued === 0), 'all slots are free');
  await until(async () => (await all[0]().catch(() => 0)) === 200, 'it answers again'); // a worker's start may have failed
  await each();
  await until(() => openFiles(hive.pid) <= before.files + 16, () => `${openFiles(hive.pid)} open files, ${before.files} before`);
  assert.ok(residentKb(hive.pid) < before.kb + 8192, `${before.kb} kB before, ${residentKb(hive.pid)} now`);
  assert.strictEqual((await get(hive, '/v1/health')).status, 200);
});
