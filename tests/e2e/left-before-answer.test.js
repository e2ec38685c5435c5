'use strict';
/*
 * left-before-answer.test.js - clients that leave before their answer is there: what was begun for them alone ends,
 * nothing is kept for them, whoever else waits for it is answered, and so is the next who asks.
 */
const { test, describe } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const { makeFolder, isAlive, until } = require('./lib/proc.js');
const { startHive, get, list, spawn, childrenOf, keepsDeleted } = require('./lib/hive.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');
const { ask } = require('./lib/sse.js');
const { MIB, Hub, fetches, seeded, startWith } = require('./lib/transfer.js');

/* A client that can leave; `answered` once it has a head. */
function client(url, { method, body }) {
  const request = http.request(url, { method, agent: false, headers: { 'Content-Type': 'application/json' } });
  const self = { answered: false, leave: () => request.destroy() };
  request.on('response', () => { self.answered = true; });
  request.on('error', () => {});
  request.end(body && JSON.stringify(body));
  return self;
}

const LOOK_MS = 10000; // src/hive/catalog/inspect.h: longer than that no look goes on anyway

describe('while a model is looked into', () => {
  const QUESTIONS = [['/api/show', { method: 'POST', body: { model: 'tiny' } }, (json) => json.details.family],
    ['/v1/models/show?model_ref=tiny', { method: 'GET' }, (json) => json.inspect.architecture],
    ['/v1/workers/explain', { method: 'POST', body: { model_ref: 'tiny' } }, (json) => json.decision]];
  const FOUND = ['llama', 'llama', 'start']; // as the fake worker says, and as there is room

  /* A hive to which nothing is known of a model yet; what it asks thinks until it is to decide. */
  async function thinking(t) {
    const tiny = path.join(makeFolder(), 'tiny.gguf'), worker = makeFakeWorker(makeFolder());
    fs.writeFileSync(tiny, 'x');
    const hive = await startHive({ flags: { worker: worker.program }, env: { RBEE_TINY: tiny } });
    t.after(() => hive.stop());
    worker.ponder();
    return { hive, worker };
  }

  for (const [i, [where, how, found]] of QUESTIONS.entries()) {
    test(`${where}: the look ends with the only one who waits for it`, async (t) => {
      const { hive, worker } = await thinking(t), began = performance.now(), leaver = client(hive.url + where, how);
      const pid = await until(() => worker.looks() === '(' && childrenOf(hive.pid)[0], () => `a look: ${hive.stderr}`);
      leaver.leave();
      await until(() => !isAlive(pid) && childrenOf(hive.pid).length === 0, 'the end of the look', LOOK_MS);
      assert.ok(performance.now() - began < LOOK_MS, 'it was not its own end');
      worker.decide();
      const answer = await ask(hive.url + where, how);
      assert.deepStrictEqual([answer.status, found(answer.json)], [200, FOUND[i]], answer.text);
      assert.deepStrictEqual([worker.looks(), leaver.answered], ['(()', false]);
    });
  }

  test('who asked the same, and stays, is answered', async (t) => {
    const { hive, worker } = await thinking(t);
    const leavers = QUESTIONS.map(([where, how]) => client(hive.url + where, how));
    const answers = QUESTIONS.map(([where, how]) => ask(hive.url + where, how));
    await until(() => worker.looks(), 'a look');
    for (const leaver of leavers) leaver.leave();
    await get(hive, '/v1/health');
    worker.decide();
    const found = (await Promise.all(answers)).map((answer, i) => QUESTIONS[i][2](answer.json));
    assert.deepStrictEqual(found, FOUND);
  });
});

/* Files of 1 MiB and more stay open until a helper lets go of them: what was deleted is the disk's only then. */
test('who leaves while a removed model\'s worker ends: the hive keeps nothing of its files', async (t) => {
  const worker = makeFakeWorker(makeFolder()), hub = await Hub.start();
  const hive = await startWith(hub, { RBEE_HIVE_WORKER: worker.program });
  t.after(async () => { await hive.stop(); await hub.stop(); });
  const bytes = seeded('left', 2 * MIB), where = `${hive.url}/v1/models?model_ref=hf:left/model&force=1`;
  hub.put('left/model', { 'm.gguf': bytes });
  const { local_path: file } = (await fetches(hive, 'hf:left/model', bytes)).at(-1);
  const { pid } = (await spawn(hive, 'hf:left/model')).json;
  await until(async () => (await list(hive))[0].state === 'idle', () => `a worker: ${hive.stderr}`);
  process.kill(pid, 'SIGSTOP'); // as busy as one can be
  try {
    const leaver = client(where, { method: 'DELETE' });
    await until(() => !fs.existsSync(file) && keepsDeleted(hive.pid, 'm.gguf'), 'its name is gone, the answer waits');
    leaver.leave();
    await until(() => !keepsDeleted(hive.pid, 'm.gguf'), 'the hive lets go of it');
    assert.deepStrictEqual([isAlive(pid), leaver.answered], [true, false]);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await until(() => !isAlive(pid), 'the end of its worker');
  assert.strictEqual((await ask(where, { method: 'DELETE' })).status, 404);
  await fetches(hive, 'hf:left/model', bytes); // and it may come again
});
