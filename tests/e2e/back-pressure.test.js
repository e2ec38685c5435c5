'use strict';
/*
 * back-pressure.test.js - more is asked than can be done: those who wait too long are told so, and when to
 * come again; those who read too slowly hold up nobody and no memory, and are cut with a reason.
 *
 * The work is done by a hollow model (lib/gguf.js), which goes on for thousands of tokens, or by a program
 * that says what it is told (lib/fakeworker.js). Nothing here depends on how fast it is.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const { startWorker, makeFolder, sleep, until } = require('./lib/proc.js');
const { ask, stream } = require('./lib/sse.js');
const { startHive, get, post, list } = require('./lib/hive.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');

const HOLLOW = path.join(makeFolder(), 'hollow.gguf');
writeHollowModel(HOLLOW, { layers: 4, embd: 256, ff: 704, ctx: 16384 });
const SLOW = { model: HOLLOW, threads: 1, ctx: 16384, speculate: 'off' };
const ENDLESS = { prompt: 'abc', max_tokens: 16000, temperature: 0 };

const state = async (worker) => (await ask(`${worker.url}/v1/ready`)).json;
const isIdle = async (worker) => { const s = await state(worker); return s.ready && !s.slots_busy && !s.queued; };
const infer = (worker, body) => ask(`${worker.url}/v1/inference`, { method: 'POST', body });
const sanitized = /asan|tsan/.test(process.env.RBEE_BUILD || ''); // a sanitizer keeps what was freed
/* Hundreds of megabytes through one thread, whose memory the address sanitizer has seen to by then. */
const skipLarge = /tsan/.test(process.env.RBEE_BUILD || '') && 'it takes too long';
const memoryMiB = (pid, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
const rssMiB = (pid) => memoryMiB(pid, 'VmRSS'), peakMiB = (pid) => memoryMiB(pid, 'VmHWM');

/* A client that sends a request and reads only when it is told to. */
function lazyClient(url, body) {
  const { port, pathname } = new URL(url), text = JSON.stringify(body);
  const socket = net.connect(Number(port), '127.0.0.1');
  const client = { socket, n: 0, tail: '', closed: false }; // how many ~ came, and the last bytes
  socket.on('error', () => {});
  socket.on('close', () => { client.closed = true; });
  socket.pause();
  socket.write(`POST ${pathname} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  client.readOn = () => {
    socket.setEncoding('latin1');
    socket.on('data', (piece) => {
      client.n += piece.split('~').length - 1;
      client.tail = (client.tail + piece).slice(-1000);
    });
    socket.resume();
  };
  return client;
}

describe('the queue has a deadline', () => {
  let worker, running;
  before(async () => {
    worker = await startWorker({ ...SLOW, slots: 1, queue: 4, 'queue-timeout': '300ms' });
    await until(() => isIdle(worker), 'ready');
    running = await stream(`${worker.url}/v1/inference`, { method: 'POST', body: ENDLESS });
    await running.find((e) => e.type === 'token');
  });
  after(async () => { running.leave(); await worker.stop(); });

  test('nothing sent yet: 503 with Retry-After, and it is counted', async () => {
    const answer = await infer(worker, { ...ENDLESS, stream: false });
    assert.strictEqual(answer.status, 503, answer.text);
    const { error } = answer.json;
    assert.strictEqual(error.code, 'QUEUE_TIMEOUT');
    assert.match(error.message, /within the 0\.3 seconds .* waited for \d+\.\d/);
    const after = Number(answer.headers['retry-after']);
    assert.ok(Number.isInteger(after) && after >= 1 && after <= 60);
    assert.strictEqual(error.details.retry_after_s, after);
    assert.strictEqual(error.details.tokens_out, 0);
    assert.strictEqual((await state(worker)).queue_timeouts, 1);
  });

  test('a stream: the error event and [DONE]', async () => {
    const before_n = (await state(worker)).queue_timeouts;
    const s = await stream(`${worker.url}/v1/inference`, { method: 'POST', body: ENDLESS });
    const events = await s.all();
    assert.deepStrictEqual(events.map((e) => e.type), ['started', 'error']);
    assert.strictEqual(events[1].code, 'QUEUE_TIMEOUT');
    assert.ok(events[1].details.retry_after_s >= 1);
    assert.ok(s.done);
    assert.strictEqual((await state(worker)).queue_timeouts, before_n + 1);
    assert.ok(!running.over); // who has a slot keeps it
  });
});

/* Each other test of it would hold for a 1 that is written there. */
test('Retry-After is as long as an answer took', async (t) => {
  const worker = await startWorker({ ...SLOW, slots: 1, queue: 4, 'queue-timeout': '300ms' });
  t.after(() => worker.stop());
  await until(() => isIdle(worker), 'ready');
  const began = performance.now();
  const first = await stream(`${worker.url}/v1/inference`, { method: 'POST', body: ENDLESS });
  await first.find((e) => e.type === 'token');
  await sleep(3200);
  first.leave();
  await until(() => isIdle(worker), 'its end');
  const tookS = (performance.now() - began) / 1000;
  const running = await stream(`${worker.url}/v1/inference`, { method: 'POST', body: ENDLESS });
  await running.find((e) => e.type === 'token');
  const late = await infer(worker, { ...ENDLESS, stream: false });
  assert.strictEqual(late.status, 503, late.text);
  const after = Number(late.headers['retry-after']);
  assert.ok(after >= 4 && after <= Math.ceil(tookS), `${after} s, and it took ${tookS}`);
  running.leave();
});

test('a wait within the limit is none: the next in line gets its answer', async (t) => {
  const worker = await startWorker({ ...SLOW, slots: 1, queue: 4, 'queue-timeout': '-1' });
  t.after(() => worker.stop());
  await until(() => isIdle(worker), 'ready');
  const [first, second] = await Promise.all([1, 2].map(() => infer(worker, { ...ENDLESS, max_tokens: 50, stream: false })));
  assert.deepStrictEqual([first.status, second.status], [200, 200]);
  assert.strictEqual((await state(worker)).queue_timeouts, 0);
});

test('through the hive: [hive] queue_timeout, counted in the list', async (t) => {
  const hive = await startHive({ flags: { slots: 1, threads: 1, ctx: 16384 },
    env: { RBEE_HIVE_QUEUE_TIMEOUT: '300ms', RBEE_HIVE_SPECULATE: 'off' } });
  t.after(() => hive.stop());
  const body = { model: HOLLOW, ...ENDLESS };
  const running = await stream(`${hive.url}/v1/completions`, { method: 'POST', body: { ...body, stream: true } });
  await running.find((e) => e.choices && e.choices[0].text);
  const answer = await post(hive, '/v1/completions', body);
  assert.strictEqual(answer.status, 503, answer.text);
  assert.strictEqual(answer.json.error.code, 'queue_timeout');
  assert.ok(Number(answer.headers['retry-after']) >= 1);
  const s = await stream(`${hive.url}/v1/completions`, { method: 'POST', body: { ...body, stream: true } });
  await s.all();
  assert.ok(s.done);
  assert.strictEqual(s.events.at(-2).json.error.code, 'queue_timeout', s.raw);
  assert.strictEqual((await list(hive))[0].queue_timeouts, 2);
  running.leave();
});

describe('over a worker that says what it is told', () => {
  const folder = makeFolder();
  let hive, fake, model;
  before(async () => {
    fake = { ...makeFakeWorker(folder), left: () => Number(fs.readFileSync(path.join(folder, 'left'), 'utf8') || NaN) /* being written: NaN */ };
    model = path.join(makeFolder(), 'any.gguf');
    fs.writeFileSync(model, 'any');
    hive = await startHive({ flags: { worker: fake.program } });
  });
  after(() => hive && hive.stop());

  test("each API's shape of it, with the worker's own word of when to come again", async () => {
    const told = { status: 503, body: { error: { code: 'QUEUE_TIMEOUT', message: 'No slot', src: 'worker', details: { retry_after_s: 7 } } } };
    const prompt = JSON.stringify(told), messages = [{ role: 'user', content: prompt }];
    const find = { '/v1/chat/completions': [{ messages }, (j) => j.error.code, 'queue_timeout'],
      '/v1/completions': [{ prompt }, (j) => j.error.code, 'queue_timeout'],
      '/v1/messages': [{ messages, max_tokens: 9 }, (j) => j.error.type, 'overloaded_error'],
      '/api/chat': [{ messages }, (j) => /No slot/.test(j.error), true] };
    for (const [where, [body, look, want]] of Object.entries(find)) {
      for (const streamed of [true, false]) {
        const answer = await post(hive, where, { model, stream: streamed, ...body });
        assert.strictEqual(answer.status, 503, `${where}: ${answer.text}`);
        assert.strictEqual(answer.headers['retry-after'], '7', where);
        assert.strictEqual(look(answer.json), want, `${where}: ${answer.text}`);
      }
    }
  });

  test('of a client that does not read the worker is not read further; once it reads, it gets all', async () => {
    const FLOOD = 30000; // of over 1,000 bytes: far more than kernels keep
    const before_mib = rssMiB(hive.pid);
    const lazy = lazyClient(`${hive.url}/v1/completions`, { model, stream: true, prompt: JSON.stringify({ flood: FLOOD }) });
    let last = -1;
    await until(async () => { // until nothing moves any more
      await sleep(200);
      let now = last;
      try { now = fake.left(); } catch { return false; }
      const still = now === last;
      last = now;
      return still;
    }, 'the flood stands');
    assert.ok(last > FLOOD / 2, `only ${last} of ${FLOOD} are still to come: who keeps the others?`);
    assert.ok(!lazy.closed);
    const grown = rssMiB(hive.pid) - before_mib;
    assert.ok(sanitized || grown < 4, `the hive grew by ${grown.toFixed(1)} MiB`);
    for (let i = 0; i < 5; i++) { // the others are served
      const other = await post(hive, '/v1/completions', { model, prompt: JSON.stringify({ events: [{ type: 'token', t: 'hello', i: 0 }] }) });
      assert.strictEqual(other.status, 200, other.text);
    }
    lazy.readOn();
    await until(() => /data: \[DONE\]/.test(lazy.tail), () => `[DONE]: ${lazy.n} ~`);
    assert.strictEqual(lazy.n, 1000 * FLOOD);
    lazy.socket.destroy();
  });

  /* The last events of /v1/responses repeat its text, four times in all. They went to the server at once, which
   * found more than its 1 MiB unsent and cut the client off, as too slow, before the answer's end. */
  test('the last events of a response wait for who reads slowly, however large they are', async () => {
    const FLOOD = 5000, WHOLE = 5 * 1000 * FLOOD; // as deltas, and in each of the last four: 25 MB
    const lazy = lazyClient(`${hive.url}/v1/responses`, { model, stream: true, input: [{ type: 'message', role: 'user', content: JSON.stringify({ flood: FLOOD }) }] });
    lazy.readOn();
    await until(() => lazy.n === WHOLE || lazy.closed, () => `${lazy.n} of ${WHOLE}`);
    await until(() => lazy.tail.endsWith('\r\n0\r\n\r\n') || lazy.closed, () => lazy.tail);
    assert.ok(!lazy.closed, `cut off behind ${lazy.n} of ${WHOLE}: ${hive.stderr.split('\n').filter((line) => /slow/.test(line))}`);
    assert.match(lazy.tail, /"total_tokens":5000\}\}\}\n\n\r\n0/);
    lazy.socket.destroy();
  });

  test('a client that leaves before the end of its response: nothing of it is kept', async () => {
    const FLOOD = 5000, before_mib = rssMiB(hive.pid);
    const lazy = lazyClient(`${hive.url}/v1/responses`, { model, stream: true, input: [{ type: 'message', role: 'user', content: JSON.stringify({ flood: FLOOD }) }] });
    lazy.readOn();
    await until(() => lazy.n > 1000 * FLOOD, () => `${lazy.n}: the last events have begun`);
    lazy.socket.destroy();
    await until(() => sanitized || rssMiB(hive.pid) - before_mib < 4, () => `${rssMiB(hive.pid)} MiB of ${before_mib}`);
    const other = await post(hive, '/v1/completions', { model, prompt: 'x' });
    assert.strictEqual(other.status, 200, other.text);
  });

  /* 15 MB each, as what is asked and once more on their way to the worker: nine are past 256 MiB. What is answered
   * with one object (embeddings, tokens) counted not at all. */
  for (const [route, more] of [['completions', (prompt) => ({ n: 8, prompt })], ['embeddings', (input) => ({ input })]]) {
    test(`what all requests hold together is bounded: past it 503, and those who ask for little are served: ${route}`, { skip: skipLarge }, async (t) => {
      const costly = { model, ...more('p'.repeat(15e6)) }, little = { model, ...more('x'), n: undefined };
      const mine = await startHive({ flags: { worker: fake.program } });
      t.after(() => mine.stop());
      assert.strictEqual((await post(mine, `/v1/${route}`, little)).status, 200);
      fake.deaf(); // what is for its worker stays in the hive
      const taken = [];
      let last;
      do {
        last = lazyClient(`${mine.url}/v1/${route}`, costly);
        last.readOn();
        taken.push(last);
        await until(() => fake.heard() === taken.length || last.tail, () => `${taken.length} have been taken`);
      } while (!last.tail && taken.length < 20);
      assert.match(last.tail, /^HTTP\/1.1 503 [^]*Retry-After: [1-9][^]*the requests that wait here hold nearly all the memory they may have together; this one needs \d+ bytes more/);
      assert.ok(taken.length > 4 && taken.length < 10, `the ${taken.length}th was refused`);
      assert.ok(sanitized || rssMiB(mine.pid) < 350, `${rssMiB(mine.pid)} MiB`);
      for (const one of taken) one.socket.destroy();
      await until(() => sanitized || rssMiB(mine.pid) < 40, () => `${rssMiB(mine.pid)} MiB when they have left`);
      fake.listen();
      const after_all = await post(mine, `/v1/${route}`, little);
      assert.strictEqual(after_all.status, 200, after_all.text);
    });
  }

  /* A response repeats fields of its request, whole: they lived as long as it did, and twice more in the events that
   * begin it where nobody read these. None of it counted: 16 streams took 782 MiB. */
  test('what streams repeat of their requests counts until they end', { skip: skipLarge }, async (t) => {
    const stream_of = (note) => ({ model, stream: true, input: JSON.stringify({ events: [{ type: 'token', t: 'hello', i: 0 }], hang: true }), text: { format: { type: 'text', note } } });
    const mine = await startHive({ flags: { worker: fake.program } }), costly = stream_of('n'.repeat(12e6));
    t.after(() => mine.stop());
    const taken = [];
    let last;
    do {
      last = lazyClient(`${mine.url}/v1/responses`, costly);
      last.readOn();
      taken.push(last);
      await until(() => /"delta":"hello"|^HTTP\/1.1 503/.test(last.tail), () => `${taken.length} have been taken: ${last.tail}`);
    } while (!/^HTTP/.test(last.tail) && taken.length < 16);
    assert.match(last.tail, /^HTTP\/1.1 503 [^]*Retry-After: [1-9][^]*the requests that wait here hold nearly all the memory they may have together; this one needs \d+ bytes more/);
    assert.ok(taken.length > 2 && taken.length < 6, `the ${taken.length}th was refused`);
    const little = lazyClient(`${mine.url}/v1/responses`, stream_of('n'));
    little.readOn();
    await until(() => /"delta":"hello"/.test(little.tail), () => little.tail);
    for (const one of [little, ...taken]) one.socket.destroy();
    await until(() => sanitized || rssMiB(mine.pid) < 40, () => `${rssMiB(mine.pid)} MiB when they have left`);
  });

  /* A question lay here as its values, twenty times its bytes: eight took 220 MiB. */
  test('questions of many values that wait for a model take little more than their bytes', { skip: skipLarge }, async (t) => {
    const own = makeFakeWorker(makeFolder()), body = `{"model":${JSON.stringify(model)},"input":[1${',1'.repeat(690000)}]}`;
    const mine = await startHive({ flags: { worker: own.program } });
    t.after(() => mine.stop());
    own.hold();
    const waiting = [];
    for (let i = 0; i < 8; i++) waiting.push(post(mine, '/v1/embeddings', body));
    await until(() => rssMiB(mine.pid) > 8 * body.length / 2 ** 20, () => `${rssMiB(mine.pid)} MiB: less than they are`);
    own.release();
    for (const answer of await Promise.all(waiting)) assert.strictEqual(answer.status, 200, answer.text);
    assert.ok(sanitized || peakMiB(mine.pid) < 120, `${peakMiB(mine.pid)} MiB at the most`);
  });

  /* Log-probabilities were kept as values until an answer's end, 33 KB of them a token, and made a text there in one
   * go: 20,000 tokens took 671 MiB, and nobody was served for 2 s. Those that nobody had asked for were kept, too. */
  test('log-probabilities of a whole answer are kept as the text that they become, and only if asked for', async (t) => {
    const N = 3000, mine = await startHive({ flags: { worker: fake.program } });
    t.after(() => mine.stop());
    const one = (id) => ({ id, t: ` w${id}`, bytes: [32, 119], logprob: -id / 8 });
    const scored = { type: 'token', t: ' w1', i: 0, logprobs: [{ ...one(1), top: Array.from({ length: 20 }, (_, i) => one(i + 1)) }] };
    const unasked = { type: 'token', t: '', i: 0, logprobs: Array(3000).fill({}) };
    const prompt = JSON.stringify({ flood: N, piece: scored }), messages = [{ role: 'user', content: prompt }];
    const told = ({ t: token, logprob, bytes }) => ({ token, logprob, bytes });

    const chat = await post(mine, '/v1/chat/completions', { model, messages, logprobs: true, top_logprobs: 20 });
    assert.strictEqual(chat.status, 200, chat.text);
    const { content } = chat.json.choices[0].logprobs;
    assert.strictEqual(content.length, N);
    for (const at of [0, N - 1]) assert.deepStrictEqual(content[at], { ...told(one(1)), top_logprobs: scored.logprobs[0].top.map(told) });
    const text = await post(mine, '/v1/completions', { model, prompt, logprobs: 20 });
    assert.strictEqual(text.status, 200, text.text);
    const lists = text.json.choices[0].logprobs;
    assert.deepStrictEqual(Object.entries(lists).map(([name, list]) => [name, list.length, list.at(-1)]), [['tokens', N, ' w1'], ['token_logprobs', N, -0.125],
      ['top_logprobs', N, Object.fromEntries(scored.logprobs[0].top.map((o) => [o.t, o.logprob]))], ['text_offset', N, 2 * (N - 1)]]);
    const plain = await post(mine, '/v1/chat/completions', { model, messages: [{ role: 'user', content: JSON.stringify({ flood: 200, piece: unasked }) }] });
    assert.strictEqual(plain.status, 200, plain.text);
    assert.strictEqual(plain.json.choices[0].logprobs, null);
    const most = Number(/^VmHWM:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${mine.pid}/status`, 'utf8'))[1]) / 1024;
    assert.ok(sanitized || most < 60, `the hive had ${most.toFixed(1)} MiB`);
  });

  /* Texts, calls' arguments and log-probabilities had bounds of their own, or none: nobody added them up. */
  test('what an answer keeps is one sum, and so is what all of them keep', { skip: skipLarge }, async (t) => {
    const mine = await startHive({ flags: { worker: fake.program } });
    t.after(() => mine.stop());
    const half = 'x'.repeat(450000), ask_for = (todo, more) => post(mine, '/v1/completions', { model, prompt: JSON.stringify(todo), ...more });
    const two = { flood: 100, piece: { type: 'token', t: half, i: 0, logprobs: [{ t: half, logprob: -1, bytes: [], top: [] }] } };
    const large = await ask_for(two, { logprobs: 0 }); // 45 MB of text, and 45 MB of tokens beside it
    assert.strictEqual(large.status, 400, large.text.slice(0, 300));
    assert.match(large.json.error.message, /^the answer's text, calls and log-probabilities are over 64 MiB together: ask for fewer tokens, for less of top_logprobs, or for a stream\./);
    const many = await ask_for({ flood: 30, piece: { type: 'token', t: half + half, i: 0 } }, { n: 8 }); // 27 MB each
    assert.strictEqual(many.status, 503, many.text.slice(0, 300));
    assert.match(many.json.error.message, /^the answers and requests that wait here hold nearly all the memory they may have together, and this answer goes on\./);
    const after_all = await ask_for({ events: [{ type: 'token', t: 'x', i: 0 }] });
    assert.strictEqual(after_all.status, 200, after_all.text);
    await until(() => sanitized || rssMiB(mine.pid) < 60, () => `${rssMiB(mine.pid)} MiB are still there`);
  });

  /* A worker may send much for a small question: four of them took 800 MiB, and counted in no sum. */
  test('answers that a hive gathers count in the same sum', { timeout: 60000 }, async () => {
    const file = (name) => path.join(folder, name), begun = () => (fs.existsSync(file('begun')) ? fs.statSync(file('begun')).size : 0);
    const question = () => post(hive, '/tokenize', { model, content: 'a' });
    assert.strictEqual((await question()).status, 200);
    fs.writeFileSync(file('endless'), '150');
    const gone = new AbortController();
    const first = fetch(`${hive.url}/tokenize`, { method: 'POST', body: JSON.stringify({ model, content: 'a' }), signal: gone.signal }).catch(() => {});
    await until(() => begun() === 1, 'one has 150 MiB, and no end');
    fs.writeFileSync(file('endless'), '50');
    for (let i = 0; i < 3; i++) {
      const { status, json, text } = await question();
      assert.strictEqual(status, 503, text.slice(0, 300));
      assert.match(json.error.message, /^the requests that wait here hold nearly all the memory/);
    }
    fs.unlinkSync(file('endless'));
    gone.abort();
    await first;
    assert.strictEqual((await question()).status, 200);
    const { status, text } = await post(hive, '/v1/completions', { model, prompt: JSON.stringify({ events: [{ type: 'token', t: 'x', i: 0 }, { type: 'end', stop_reason: 'EOS', tokens_out: 1, prompt_tokens: 1 }] }) });
    assert.strictEqual(status, 200, text);
  });

  /* Behind an error its worker had nothing more to say, and did not leave: the client was told nothing, and the
   * values of the error's details, fifty times their bytes, stayed for as long. */
  test('an error ends the stream, whatever its worker does then, and large details are nobody\'s', { timeout: 60000 }, async () => {
    const details = { a: Array(30000).fill([]) };
    const told = { events: [{ type: 'started' }, { type: 'error', code: 'INTERNAL', message: 'it broke', details }], hang: true };
    const s = await stream(`${hive.url}/v1/completions`, { method: 'POST', body: { model, stream: true, prompt: JSON.stringify(told) } });
    await s.all();
    assert.ok(s.done, s.raw);
    assert.match(s.events.at(-2).json.error.message, /^it broke/);
    assert.ok(s.raw.length < 2000, `${s.raw.length} bytes`);
    await until(async () => (await list(hive))[0].slots_busy === 0, 'the worker is told');
    const whole = await post(hive, '/v1/completions', { model, prompt: JSON.stringify(told) });
    assert.strictEqual(whole.status, 500, whole.text.slice(0, 300));
  });

  test('a client that does not read and leaves: the worker is told', async () => {
    const lazy = lazyClient(`${hive.url}/v1/completions`, { model, stream: true, prompt: JSON.stringify({ flood: 1e6 }) });
    await until(async () => (await list(hive))[0].slots_busy === 1, 'busy');
    lazy.socket.destroy();
    await until(async () => (await list(hive))[0].slots_busy === 0, 'free');
  });
});

test('a worker cuts a client that reads nothing, past the limit: logged, counted, its slot freed', async (t) => {
  const worker = await startWorker({ ...SLOW, slots: 2 });
  t.after(() => worker.stop());
  await until(() => isIdle(worker), 'ready');
  const before_mib = rssMiB(worker.pid);
  const lazy = lazyClient(`${worker.url}/v1/inference`, { ...ENDLESS, logprobs: true, top_logprobs: 20, stream: true });
  const other = await stream(`${worker.url}/v1/inference`, { method: 'POST', body: { ...ENDLESS, max_tokens: 100 } });
  assert.strictEqual((await other.all()).at(-1).tokens_out, 100);
  await until(async () => (await state(worker)).slow_clients_cut === 1, () => `cut:\n${worker.stderr}`, 60000);
  await until(() => isIdle(worker), 'free');
  const [, port, bytes, limit] = await worker.says(/127\.0\.0\.1:(\d+) reads too slowly and is cut off: (\d+) bytes wait for it; the limits are (\d+) bytes/);
  assert.strictEqual(Number(port), lazy.socket.localPort);
  assert.strictEqual(Number(limit), 1 << 20);
  assert.ok(Number(bytes) > limit && Number(bytes) < 2 * limit, bytes);
  const grown = rssMiB(worker.pid) - before_mib;
  assert.ok(sanitized || grown < 150, `the worker grew by ${grown.toFixed(1)} MiB`); // its caches of 16,384 positions are filled meanwhile
  lazy.socket.destroy();
});
