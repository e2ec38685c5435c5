'use strict';
/*
 * gateway-workers.test.js - the gateway and its workers: which one is asked, what is told while one is
 * prepared, and what becomes of requests whose worker ends. With a fake worker that dies when told to.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');

const { makeFolder, testModel, until } = require('./lib/proc.js');
const { startHive, get, post, list } = require('./lib/hive.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');
const sse = require('./lib/sse.js');

const skip = testModel() ? false : 'no model: neither models/tiny.gguf nor the test data are there';

const tokens = (...texts) => texts.map((t, i) => ({ type: 'token', t, i }));
const messages = (what) => [{ role: 'user', content: typeof what === 'string' ? what : JSON.stringify(what) }];

async function startFake(options = {}) {
  const worker = makeFakeWorker(makeFolder());
  const hive = await startHive({ ...options, flags: { worker: worker.program, ...options.flags },
    env: { RBEE_TINY: testModel(), ...options.env } });
  return { worker, hive };
}

/*
 * A dying process's sockets are closed a moment before the kernel says that it has ended. The hive judged in
 * that moment: it knew no cause, and gave out the same dead worker for the second and the third try.
 */
describe('a worker that dies', { skip }, () => {
  let hive, worker;
  before(async () => { ({ hive, worker } = await startFake()); });
  after(() => hive.stop());

  const chat = (what, more = {}) => post(hive, '/v1/chat/completions', { model: 'tiny', messages: messages(what), ...more });

  test('in the middle of an answer: its clients are told of what', async () => {
    for (const stream of [false, true]) {
      const answer = await chat({ events: tokens('a', 'b'), die: true }, { stream });
      assert.strictEqual(answer.status, stream ? 200 : 500);
      assert.match(answer.text, /the worker for tiny ended with signal SIGKILL \(Killed\); 2 tokens had come/);
      assert.match(answer.text, /"code":"worker_crashed"/);
    }
  });

  test('before a word: another one is asked', async () => {
    const asks = {
      named: () => chat('die once'),
      unnamed: async () => { // the model is the one that was found first, though it is loaded no more
        await chat('x');
        return post(hive, '/v1/completions', { prompt: 'die once' });
      },
      stream: () => chat('die once', { stream: true }),
      relayed: () => post(hive, '/v1/embeddings', { model: 'tiny', input: ['die once', 'x'] }),
      counted: () => post(hive, '/v1/messages/count_tokens', { model: 'tiny', messages: messages('die once') }),
    };
    for (const [name, ask] of Object.entries(asks)) {
      worker.revive();
      const answer = await ask();
      assert.strictEqual(answer.status, 200, `${name}: ${answer.text}`);
      assert.doesNotMatch(answer.text, /error/, name);
      assert.strictEqual(worker.deaths(), 1, name);
    }
  });

  test('of a request that kills whoever gets it: the second death is the last, and told', async () => {
    const asks = [() => chat('die at once'), () => chat('die at once', { stream: true }),
      () => post(hive, '/v1/embeddings', { model: 'tiny', input: 'die at once' })];
    for (const ask of asks) {
      worker.revive();
      const answer = await ask();
      assert.strictEqual(answer.status, 500, answer.text);
      assert.match(answer.json.error.message, /^the worker for tiny ended with signal SIGKILL \(Killed\) before/);
      assert.strictEqual(answer.json.error.code, 'worker_crashed');
      assert.match(answer.json.error.details.worker_id, /^worker-/);
      assert.strictEqual(worker.deaths(), 2);
    }
  });
});
