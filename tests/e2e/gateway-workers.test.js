'use strict';
/*
 * gateway-workers.test.js - the gateway and its workers: which one is asked, what is told while one is
 * prepared, and what becomes of requests whose worker ends. With a fake worker that dies when told to.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const { WORKER, makeFolder, isAlive, sleep, testModel, until } = require('./lib/proc.js');
const { startHive, get, post, remove, list, spawn } = require('./lib/hive.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');
const sse = require('./lib/sse.js');

const noPrlimit = spawnSync('prlimit', ['--version']).status === 0 ? false : 'prlimit is not there';
const skip = testModel() ? false : 'no model: neither models/tiny.gguf nor the test data are there';

const tokens = (...texts) => texts.map((t, i) => ({ type: 'token', t, i }));
/* A fake's /v1/ready says nothing. */
async function spawnReady(hive, model, more) {
  const { worker_id: id } = (await spawn(hive, model, more)).json;
  await until(async () => (await get(hive, `/v1/workers/${id}`)).json.state === 'idle', () => `idle:\n${hive.stderr}`);
}
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

  test('in the middle of a tool call: its pieces count, too', async () => {
    const call = [{ type: 'tool_call', index: 0, id: 'c', name: 'f' }, { type: 'tool_args', index: 0, t: '{"a":' }, { type: 'tool_args', index: 0, t: '1' }];
    const { error } = (await chat({ events: [...tokens('a'), ...call], die: true })).json;
    assert.match(error.message, /; 4 tokens had come/); // it was 1
    assert.strictEqual(error.details.tokens_out, 4);
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

  /* Nothing was asked of it yet: its refusal is no answer, whatever it is asked. */
  test('that is about to end, and says so to a question of one answer: another one is asked', async () => {
    const ask = () => post(hive, '/v1/embeddings', { model: 'tiny', input: ['x', 'y'] });
    await ask();
    const { pid } = (await list(hive)).find((w) => w.state === 'idle'); // the others are those that died
    worker.leave();
    const answer = await ask();
    assert.strictEqual(answer.status, 200, answer.text);
    assert.deepStrictEqual(answer.json.data.map((d) => d.embedding), [[0.5, -1.25, 2], [1, 0, 0]]);
    await until(() => !isAlive(pid), 'the end of the one that was asked first');
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
      const short = answer.json.error.details.worker_id.slice(0, 15); // `logs` alone would be the next worker's
      assert.ok(answer.json.error.message.endsWith(`What this one did last: \`rbee-keeper logs ${short}\`.`), answer.text);
      assert.strictEqual(worker.deaths(), 2);
    }
  });
});

/*
 * The gateway knew only the first worker of a model: requests queued there while the second had nothing to do,
 * a num_ctx that only the second has was refused, and "unload" was said of a model that stayed.
 */
describe('two workers of one model', { skip }, () => {
  let hive;
  before(async () => {
    ({ hive } = await startFake());
    await spawnReady(hive, 'tiny', { ctx: 128 });
    await spawnReady(hive, 'tiny', { ctx: 512, new: true });
  });
  after(() => hive.stop());

  const idle = async () => (await list(hive)).every((w) => w.state === 'idle');

  test('many requests at once are shared by both', async () => {
    const streams = await Promise.all(Array.from({ length: 8 }, () => sse.stream(`${hive.url}/v1/chat/completions`,
      { method: 'POST', body: { model: 'tiny', stream: true, messages: messages({ events: tokens('a'), hang: true }) } })));
    try {
      await until(async () => (await list(hive)).every((w) => w.slots_busy === 4),
        () => `4 at each:\n${hive.stderr}`);
    } finally {
      for (const stream of streams) stream.leave();
    }
    await until(idle, 'both idle');
  });

  test('a context goes to the one that has it', async () => {
    const ask = (num_ctx) => post(hive, '/api/generate', { model: 'tiny', prompt: 'x', stream: false, options: { num_ctx } });
    for (const num_ctx of [128, 512, 129]) {
      const answer = await ask(num_ctx);
      assert.strictEqual(answer.status, 200, answer.text);
    }
    assert.strictEqual((await list(hive)).length, 2);
    assert.strictEqual((await ask(513)).status, 200); // of one that was started for it
    assert.deepStrictEqual((await list(hive)).map((w) => w.n_ctx), [128, 512, 4096]);
    await until(idle, 'all idle');
  });

  test('unload ends all', async () => {
    const answer = await post(hive, '/api/generate', { model: 'tiny', keep_alive: 0 });
    assert.strictEqual(answer.json.done_reason, 'unload');
    assert.deepStrictEqual((await get(hive, '/api/ps')).json.models, []);
  });
});

/*
 * Only the load itself was watched by a clock. While the file was looked into (up to 10 s) or others were ended
 * to make room (up to 30 s), a request waited past load_wait, and a stream had neither head nor comments.
 */
describe('a worker that is still being prepared', { skip }, () => {
  let hive, worker;
  before(async () => { ({ hive, worker } = await startFake({ env: { RBEE_HIVE_LOAD_WAIT: '300ms' } })); });
  after(() => hive.stop());

  test('load_wait holds, streams have comments, and the preparing goes on', async () => {
    worker.ponder();
    const chat = { model: 'tiny', messages: messages('x') };
    const opened = sse.stream(`${hive.url}/v1/chat/completions`, { method: 'POST', body: { ...chat, stream: true } });
    const whole = await post(hive, '/v1/chat/completions', chat);
    assert.strictEqual(whole.status, 503, whole.text);
    assert.match(whole.json.error.message, /^a worker for tiny is still being prepared/);
    assert.strictEqual(whole.json.error.details.loading.stage, 'loading');
    assert.ok(Number(whole.headers['retry-after']) >= 1);
    assert.strictEqual((await post(hive, '/tokenize', { model: 'tiny', content: 'x' })).status, 503);

    const events = await opened;
    await until(() => events.comments.length, 'a comment');
    assert.match(events.comments[0], /loading 0\/0 layers/);
    worker.decide();
    await until(() => events.over, 'the answer');
    assert.match(events.raw, /hello/);
    assert.strictEqual((await post(hive, '/tokenize', { model: 'tiny', content: 'x' })).status, 200);
  });
});

/* What was left of a load was total - done, whichever was larger: a worker that had loaded more than there is
 * (it may say any two numbers) had 18 trillion layers to go, and a number of seconds that no integer holds. */
test('a worker that says more is loaded than there is: one comes again soon', { skip }, async (t) => {
  const { hive, worker } = await startFake({ env: { RBEE_HIVE_LOAD_WAIT: '300ms' } });
  t.after(() => hive.stop());
  worker.layers(50);
  worker.hold();
  const answer = await until(async () => { // its process may take longer to come so far than anybody waits for it
    const now = await post(hive, '/v1/chat/completions', { model: 'tiny', messages: messages('x') });
    assert.strictEqual(now.status, 503, now.text);
    return !/still being prepared/.test(now.json.error.message) && now;
  }, 'it loads');
  assert.match(answer.json.error.message, /still being loaded: 50 of 23 layers/);
  assert.strictEqual(answer.headers['retry-after'], '1');
  worker.release();
});

/* Each of these questions was a process of its own: 400 asked of one file were 400 at once. */
describe('looks into model files', { skip }, () => {
  let hive, worker;
  before(async () => { ({ hive, worker } = await startFake({ env: { RBEE_HIVE_AUTO_PULL: 'on', HF_ENDPOINT: 'http://127.0.0.1:9' } })); });
  after(() => hive.stop());

  test('few at once, and one for all who ask the same', async () => {
    const folder = makeFolder();
    const files = Array.from({ length: 8 }, (_, i) => path.join(folder, `${i}.gguf`));
    for (const file of files) fs.writeFileSync(file, 'x');
    worker.ponder();
    const asks = [...files, ...Array(12).fill('tiny')].flatMap((model) => [
      post(hive, '/v1/workers/explain', { model_ref: model }), post(hive, '/api/show', { model })]);
    await until(() => worker.looks().length >= 4, () => `looks: ${worker.looks()}\n${hive.stderr}`);
    for (let i = 0; i < 3; i++) await get(hive, '/v1/health'); // those that came with the first are in
    worker.decide();
    const statuses = (await Promise.all(asks)).map((a) => a.status);
    assert.deepStrictEqual(statuses, Array(asks.length).fill(200));
    let n = 0, most = 0;
    for (const c of worker.looks()) most = Math.max(most, n += c === '(' ? 1 : -1);
    assert.strictEqual(most, 4, worker.looks());
    assert.ok(worker.looks().length / 2 < asks.length - 8, worker.looks());
  });

  test('/api/show of a model that could be pulled says that it is not here', async () => {
    const answer = await post(hive, '/api/show', { model: 'hf:no/such:Q4_K_M' });
    assert.strictEqual(answer.status, 404, answer.text);
    assert.match(answer.json.error, /^hf:no\/such:Q4_K_M is not on this machine/);
  });
});

/* The hive said "the worker is gone: Too many open files" and "another worker is started" of a healthy worker. */
test('a hive without descriptors says that it is the hive', { skip: skip || noPrlimit }, async (t) => {
  const { hive } = await startFake();
  t.after(() => hive.stop());
  const ask = () => post(hive, '/v1/completions', { model: 'tiny', prompt: 'x' });
  assert.strictEqual((await ask()).status, 200);
  post(hive, '/v1/completions', { model: 'tiny', stream: true, prompt: JSON.stringify({ events: tokens('a'), hang: true }) }).catch(() => {});
  await until(async () => (await list(hive))[0].slots_busy === 1, 'the kept connection to the worker is in use');
  const body = JSON.stringify({ model: 'tiny', prompt: 'x' });
  const client = net.connect(Number(new URL(hive.url).port), '127.0.0.1');
  let heard = '';
  client.on('data', (piece) => { heard += piece; });
  client.write('POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n');
  const open = () => fs.readdirSync(`/proc/${hive.pid}/fd`).map(Number);
  let n = 0, before = -1;
  await until(async () => { // its connection is there, and those of before are closed
    await sleep(100);
    [before, n] = [n, open().length];
    return before === n;
  }, 'the number of descriptors stays');
  const taken = new Set(open());
  for (n = 0; taken.has(n); n++); // none below it is free
  execFileSync('prlimit', ['--pid', String(hive.pid), `--nofile=${n}:`]);
  client.write(`Content-Length: ${body.length}\r\n\r\n${body}`);
  await until(() => /"request_id"|"usage"/.test(heard), 'an answer');
  client.destroy();
  assert.match(heard, /^HTTP\/1\.1 503 /);
  assert.match(heard, /"message":"the hive cannot ask the worker: [^"]*Too many open files/);
  assert.match(heard, /"code":"all_slots_busy"/);
  execFileSync('prlimit', ['--pid', String(hive.pid), `--nofile=${n + 99}:`]);
  assert.strictEqual((await ask()).status, 200);
  assert.strictEqual((await list(hive)).length, 1);
});

/*
 * A failure of /v1/responses names the answer's model, which was known only once a worker was ready: one that came
 * before, while a load was being told of, took the hive with it (SIGSEGV), at an ordinary stop of the hive, too. Then
 * it was the first event of its stream, and OpenAI's package threw that this should be response.created, and no word of
 * what had failed.
 */
describe('what fails while it tells of a load', { skip }, () => {
  const bodies = { completions: { prompt: 'x' }, 'chat/completions': { messages: messages('x') },
    messages: { max_tokens: 5, messages: messages('x') }, responses: { input: 'x' } };
  async function endsWell(hive, fail, said) {
    const answers = await Promise.all(Object.entries(bodies).map(([route, body]) =>
      sse.stream(`${hive.url}/v1/${route}`, { method: 'POST', body: { model: 'tiny', stream: true, ...body } })));
    for (const answer of answers) await until(() => answer.comments.some((c) => c.includes('loading 12/23')), 'a comment');
    await fail();
    for (const answer of answers) {
      await until(() => answer.over, () => `an end: ${answer.raw}`);
      assert.match(answer.raw, said);
    }
    assert.match(answers[3].raw, /"type":"response\.failed".*"model":"tiny"/);
    assert.deepStrictEqual(answers[3].raw.match(/(?<=^event: ).*/gm), ['response.created', 'response.in_progress', 'response.failed', 'error']);
  }

  test('its worker dies', async (t) => {
    const { hive, worker } = await startFake();
    t.after(() => hive.stop());
    worker.hold();
    await endsWell(hive, async () => process.kill((await list(hive))[0].pid, 'SIGKILL'), /the worker for tiny ended with signal SIGKILL/);
    assert.strictEqual((await get(hive, '/v1/health')).status, 200);
  });

  test('its hive ends', async () => {
    const { hive, worker } = await startFake();
    worker.hold();
    await endsWell(hive, () => hive.signal('SIGTERM'), /the hive ends, and its worker has not loaded the model/);
    assert.deepStrictEqual(await hive.end(20000), { code: 0, killedBy: null });
  });
});

test('while one model loads, for as many as wait for it, another that is ready answers as ever', { skip }, async (t) => {
  const { hive, worker } = await startFake();
  t.after(() => hive.stop());
  const ready = () => post(hive, '/v1/chat/completions', { model: 'tiny', messages: messages('x') });
  assert.strictEqual((await ready()).status, 200);
  worker.hold();
  const slow = [];
  for (const name of ['a.gguf', 'b.gguf']) {
    const model = path.join(makeFolder(), name);
    fs.writeFileSync(model, name);
    for (let i = 0; i < 8; i++) slow.push(post(hive, '/v1/chat/completions', { model, messages: messages('x') }));
  }
  await until(async () => (await list(hive)).filter((w) => w.state === 'loading').length === 2, 'two load');
  for (let i = 0; i < 20; i++) assert.strictEqual((await ready()).status, 200);
  assert.strictEqual((await list(hive)).filter((w) => w.state === 'loading').length, 2, 'they load still');
  worker.release();
  assert.deepStrictEqual((await Promise.all(slow)).map((r) => r.status), Array(16).fill(200));
});

/* A worker that somebody ended was told as one that crashed, with "another worker is started". */
describe('a worker that is asked to end', { skip }, () => {
  const asks = (hive, what) => [post(hive, '/v1/chat/completions', { model: 'tiny', messages: messages(what) }),
    post(hive, '/v1/chat/completions', { model: 'tiny', stream: true, messages: messages(what) }),
    post(hive, '/api/chat', { model: 'tiny', stream: false, messages: messages(what) })];
  const check = async (answers, said) => {
    for (const { text } of await Promise.all(answers)) {
      assert.match(text, said);
      assert.doesNotMatch(text, /crashed|another worker/);
    }
  };

  test('while it answers, while it loads, and with its hive', async (t) => {
    const { hive, worker } = await startFake();
    t.after(() => hive.stop());
    const only = async () => (await list(hive))[0];

    const cut = asks(hive, { events: tokens('a'), hang: true });
    await until(async () => (await only())?.slots_busy === 3, '3 at work');
    await remove(hive, `/v1/workers/${(await only()).worker_id}`);
    await check(cut, /the worker was asked to end, and has ended; 1 tokens had come/);

    worker.hold();
    const unloaded = asks(hive, 'x');
    await until(async () => (await only())?.state === 'loading', 'loading');
    await remove(hive, `/v1/workers/${(await only()).worker_id}`);
    await check(unloaded, /the worker was stopped while it loaded the model/);

    const left = asks(hive, 'x');
    await until(async () => (await only())?.state === 'loading', 'loading');
    hive.signal('SIGTERM');
    await check(left, /the hive ends, and its worker has not loaded the model/);
  });

  /* Its own words for that are those of one that fails: the hive knows better. */
  test('and has no time for what it answers', async (t) => {
    const { hive, worker } = await startFake();
    t.after(() => hive.stop());
    worker.say('linger');
    const cut = asks(hive, { events: tokens('a'), until: 'told', last: [{ type: 'error', code: 'WORKER_CRASHED', message: 'no more time', retriable: true }] });
    await until(async () => (await list(hive))[0]?.slots_busy === 3, '3 at work');
    hive.signal('SIGTERM');
    await check(cut, /the worker was asked to end, and had no more time for this answer; 1 tokens had come/);
  });
});

/* "Unload" was answered; then the worker that was still being prepared loaded the model, and kept it. */
test('Ollama\'s unload ends a worker that is being prepared, too', { skip }, async (t) => {
  const folder = makeFolder(), looking = path.join(folder, 'looking'), go = path.join(folder, 'go');
  const worker = path.join(folder, 'worker.sh');
  fs.writeFileSync(worker, `#!/bin/sh\n[ "$1" = inspect ] && { touch ${looking}; while [ ! -e ${go} ]; do sleep 0.02; done; }\nexec ${WORKER} "$@"\n`,
    { mode: 0o755 });
  const hive = await startHive({ flags: { worker }, env: { RBEE_TINY: testModel() } });
  t.after(() => hive.stop());
  const loads = post(hive, '/api/generate', { model: 'tiny', stream: false });
  await until(() => fs.existsSync(looking), 'a look into the model');
  const unload = await post(hive, '/api/generate', { model: 'tiny', keep_alive: 0, stream: false });
  assert.strictEqual(unload.json.done_reason, 'unload', unload.text);
  fs.writeFileSync(go, '');
  assert.match((await loads).text, /the worker was stopped before it was started/);
  assert.deepStrictEqual(await list(hive), []);
});
