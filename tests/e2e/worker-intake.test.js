'use strict';
/*
 * worker-intake.test.js - requests on their way into a worker: what takes long to read holds up no
 * others, those who wait for it can end, and what waits is bounded in memory.
 *
 * What takes long is a chat template that counts up to millions when it is told to.
 */
const { test, before, after } = require('node:test');
const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const { startWorker, makeFolder, until } = require('./lib/proc.js');
const { ask, stream } = require('./lib/sse.js');
const { writeHollowModel } = require('./lib/gguf.js');

const FOLDER = makeFolder(), MODEL = path.join(FOLDER, 'hollow.gguf'), TEMPLATE = path.join(FOLDER, 't.jinja');
const SLOW = 'count', sanitized = /asan|tsan/.test(process.env.RBEE_BUILD || ''); // a sanitizer keeps what was freed
writeHollowModel(MODEL, { layers: 1, embd: 64, ff: 64, ctx: 512 });
fs.writeFileSync(TEMPLATE, '{% for m in messages %}{{ m.content }}{% endfor %}' +
  `{% if messages[0].content == '${SLOW}' %}{% for a in range(1000) %}{% for b in range(700) %}{% endfor %}{% endfor %}{% endif %}`);
const asked = (content, more) => ({ messages: [{ role: 'user', content }], max_tokens: 2, temperature: 0, ...more });
const rssMB = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1000;

let worker;
before(async () => {
  worker = await startWorker({ model: MODEL, 'chat-template': TEMPLATE, ctx: 512, slots: 2, queue: 64 });
  await until(async () => (await ask(`${worker.url}/v1/ready`)).json.ready, 'ready');
});
after(() => worker.stop());
const post = (where, body) => ask(worker.url + where, { method: 'POST', body });
/* So many slow requests; `left` of them have no answer yet. */
function slowOnes(n, where = '/v1/inference') {
  const all = { left: n };
  all.done = Promise.all(Array.from({ length: n }, async () => {
    const answer = await post(where, where === '/v1/render' ? { messages: asked(SLOW).messages } : asked(SLOW, { stream: false }));
    all.left--;
    return answer.status;
  }));
  return all;
}

test('an inference does not wait for questions about text', async () => {
  for (let tries = 1, left = 0; left < 2; tries++) { // a machine may be so busy that all are answered before they were asked for
    assert.ok(tries <= 5, `${left} of 6 questions are without an answer`);
    const slow = slowOnes(6, '/v1/render');
    await until(async () => (await ask(`${worker.url}/v1/ready`)).json.queued > 0 || slow.left < 6, 'they are there');
    const answer = await post('/v1/inference', asked('hi', { stream: false }));
    left = slow.left;
    assert.strictEqual(answer.status, 200, answer.text);
    assert.deepStrictEqual(await slow.done, Array(6).fill(200));
  }
});

/* "0 of 4 slots are busy and 20 of 16 may wait", it said: those that are read hold places, and no slot yet. */
test('a worker that is full of what it reads says so in numbers that can be', async (t) => {
  const own = await startWorker({ model: MODEL, 'chat-template': TEMPLATE, ctx: 512, slots: 2, queue: 1 });
  t.after(() => own.stop());
  const look = async () => (await ask(`${own.url}/v1/ready`)).json, send = (body) => ask(`${own.url}/v1/inference`, { method: 'POST', body });
  await until(async () => (await look()).ready, 'ready');
  let answer;
  await until(async () => { // a machine may be so busy that one is answered before the last one comes
    const all = await Promise.all(Array.from({ length: 4 }, () => send(asked(SLOW, { stream: false }))));
    answer = all.find((one) => one.status === 503);
    return answer;
  }, 'one that is refused');
  const { message, details } = answer.json.error;
  assert.match(message, /^All 3 places are taken: as many requests are here as there are slots \(2, \d of them busy\) and may wait \(1\)\.$/);
  assert.deepStrictEqual([details.slots_total, details.queued, details.queue_max], [2, 1, 1]);
  assert.ok(details.slots_busy <= 2, answer.text);
});

/* DELETE, the deadline and leaving were heard only when the request's turn had come. */
test('who waits to be read ends at once when it should', async () => {
  const queued = async () => (await ask(`${worker.url}/v1/ready`)).json.queued;
  let left;
  await until(async () => { // a machine may be so busy that the slow ones are answered before
    const slow = slowOnes(8);
    await until(async () => (await queued()) >= 8 || slow.left < 8, 'they wait');
    if (slow.left < 8) return (await slow.done, false);
    const deleted = post('/v1/inference', asked('hi', { job_id: 'deleted', stream: false }));
    const late = post('/v1/inference', asked('hi', { timeout_seconds: 0.01, stream: false }));
    await until(async () => (await queued()) >= 9 || slow.left < 8, 'they wait, too');
    assert.strictEqual((await ask(`${worker.url}/v1/inference/deleted`, { method: 'DELETE' })).status, 204);
    const answers = await Promise.all([late, deleted]);
    left = slow.left;
    assert.deepStrictEqual(await slow.done, Array(8).fill(200));
    if (left <= 1) return false; // their turn had come
    assert.strictEqual(answers[0].status, 408, answers[0].text);
    assert.strictEqual(answers[1].json.stop_reason, 'CANCELLED', answers[1].text);
    return true;
  }, () => `an end before its turn: ${left} of 8 slow ones are without an answer`);
});

/* It got an event stream with 200, of an inference that nobody had asked for. */
test('a question about text that is cancelled is told so', async () => {
  const queued = async () => (await ask(`${worker.url}/v1/ready`)).json.queued;
  let slow, question, answer;
  await until(async () => { // a machine may be so busy that it is answered before it can be cancelled
    slow = slowOnes(4, '/v1/render');
    await until(async () => (await queued()) >= 4 || slow.left < 4, 'they wait');
    question = post('/v1/render', { messages: asked('hi').messages, job_id: 'question' });
    await until(async () => (await queued()) >= 5 || slow.left < 4, 'it waits, too');
    await ask(`${worker.url}/v1/inference/question`, { method: 'DELETE' });
    answer = await question;
    await slow.done;
    return answer.status !== 200 || !answer.json?.prompt;
  }, 'one that was cancelled');
  assert.strictEqual(answer.status, 499, answer.text);
  assert.strictEqual(answer.json.error.code, 'REQUEST_CANCELLED');
});

/*
 * A text of 15 MB was made into tokens to its end, up to 10 s long, whoever had left meanwhile, and all others waited
 * for it. What tells is what became of it: it was refused as too long then, or answered, and counted as no request that
 * was cancelled.
 */
test('a text that nobody waits for is not made into tokens to its end', async (t) => {
  const model = path.join(FOLDER, 'joined.gguf'), long = 'aaaaaaab'.repeat(15e6 / 8);
  writeHollowModel(model, { layers: 1, embd: 64, ff: 64, ctx: 131072, doubles: 7 }); // 15 MB might be as few tokens as that
  const own = await startWorker({ model, 'chat-template': TEMPLATE, ctx: 131072, slots: 1, threads: 1 });
  t.after(() => own.stop());
  const look = async () => (await ask(`${own.url}/v1/ready`)).json;
  const send = (where, body) => ask(own.url + where, { method: 'POST', body });
  await until(async () => (await look()).ready, 'ready');
  const isRead = () => until(async () => (await look()).queued > 0, 'it is read');

  for (const [where, body] of [['/v1/inference', { prompt: long }], ['/v1/inference', { prompt: long, parse_special: true }],
    ['/v1/inference', asked(long)], ['/v1/render', { messages: asked(long).messages }]]) {
    const deleted = send(where, { ...body, job_id: 'long', ...(where === '/v1/inference' && { stream: false }) });
    await isRead();
    assert.strictEqual((await ask(`${own.url}/v1/inference/long`, { method: 'DELETE' })).status, 204);
    const { status, json, text } = await deleted;
    assert.strictEqual(json.stop_reason ?? json.error?.code, where === '/v1/render' ? 'REQUEST_CANCELLED' : 'CANCELLED', `${status} ${text.slice(0, 200)}`);
  }
  const late = await send('/v1/inference', { prompt: long, timeout_seconds: 0.1, stream: false });
  assert.strictEqual(late.status, 408, late.text.slice(0, 200));

  for (const [where, body] of [['/v1/tokenize', { content: long }], ['/v1/inference', { prompt: long }]]) {
    const { disconnect } = (await look()).cancelled.queued, client = new AbortController();
    const left = fetch(own.url + where, { method: 'POST', body: JSON.stringify(body), signal: client.signal }).catch(() => {});
    await isRead();
    client.abort();
    await left;
    assert.strictEqual((await send(where, where === '/v1/tokenize' ? { content: 'a' } : asked('hi', { stream: false }))).status, 200);
    assert.strictEqual((await look()).cancelled.queued.disconnect, disconnect + 1, `${where} went on without its client`);
  }
});

/*
 * "No slot became free within the 0.1 seconds that a request may wait", said a worker that had nothing to do: the
 * request had been read for longer than that, so it was refused each time that it came.
 */
test('who was read for long takes a slot that is free', async (t) => {
  const own = await startWorker({ model: MODEL, 'chat-template': TEMPLATE, ctx: 512, slots: 2, 'queue-timeout': '1ms' });
  t.after(() => own.stop());
  const look = async () => (await ask(`${own.url}/v1/ready`)).json;
  await until(async () => (await look()).ready, 'ready');
  const answer = await ask(`${own.url}/v1/inference`, { method: 'POST', body: asked(SLOW, { stream: false }) });
  assert.strictEqual(answer.status, 200, answer.text);
  assert.ok(answer.json.queue_time_ms > 1, `it was read in ${answer.json.queue_time_ms} ms`);
  assert.strictEqual((await look()).queue_timeouts, 0);
});

/*
 * 18 requests of 11 MB that waited took 1.3 GB, of which 0.9 stayed: body, texts and values of each. These here
 * have 1.4 MB each, and 27 of values.
 */
test('what waits is bounded in memory: past it 503, and little goes on', async () => {
  const before_mb = rssMB(worker.pid), slow = slowOnes(20);
  const long = JSON.stringify({ messages: Array(40000).fill({ role: 'user', content: 'q' }), max_tokens: 1 });
  await until(async () => (await ask(`${worker.url}/v1/ready`)).json.queued >= 10, 'they wait'); // some may have been answered
  let most = 0;
  const timer = setInterval(() => { most = Math.max(most, rssMB(worker.pid)); }, 20);
  const many = await Promise.all(Array.from({ length: 12 }, () => post('/v1/inference', long)));
  clearInterval(timer);
  const refused = many.filter((a) => a.status === 503), taken = many.filter((a) => a.status === 400);
  assert.strictEqual(refused.length + taken.length, 12, many.map((a) => a.status).join());
  assert.ok(refused.length > 0 && taken.length > 0, `${refused.length} refused`);
  for (const answer of refused) assert.ok(answer.json.error.code === 'ALL_SLOTS_BUSY' && Number(answer.headers['retry-after']) >= 1, answer.text);
  for (const answer of taken) assert.strictEqual(answer.json.error.code, 'CONTEXT_LENGTH_EXCEEDED', answer.text);
  assert.ok(sanitized || most - before_mb < 600, `${most} MB`);
  assert.deepStrictEqual(await slow.done, Array(20).fill(200));
  await until(() => sanitized || rssMB(worker.pid) < before_mb + 30, () => `${rssMB(worker.pid)} MB are left of ${before_mb}`);
});

/* Such an answer broke the connection behind its head: 200, a length, and then nothing. */
test('an answer about text that would be too long is refused', { skip: sanitized && 'it takes too long' }, async () => {
  const answer = await post('/v1/tokenize', { content: 'a'.repeat(7e6), with_pieces: true });
  assert.strictEqual(answer.status, 400, answer.text.slice(0, 200));
  assert.match(answer.json.error.message, /over 134217728 bytes: send less at once/);
});

/*
 * Once its prompt was tokens a request counted as nothing, though its tools and the grammar of its answer stayed:
 * 40 that waited for a slot took 0.9 GB, for 48 MB of tools that none could call as for 19 MB of schemas.
 */
test('what waits for a slot is bounded, too', { skip: sanitized && 'it takes too long', timeout: 60000 }, async (t) => {
  const model = path.join(FOLDER, 'long.gguf');
  writeHollowModel(model, { layers: 4, embd: 256, ff: 1024, ctx: 32768 });
  const own = await startWorker({ model, 'chat-template': TEMPLATE, ctx: 32768, slots: 1, queue: 64, threads: 1 });
  t.after(() => own.stop());
  const look = async () => (await ask(`${own.url}/v1/ready`)).json, send = (body) => ask(`${own.url}/v1/inference`, { method: 'POST', body });
  await until(async () => (await look()).ready, 'ready');
  const before_mb = rssMB(own.pid), long = send({ prompt: 'a', max_tokens: 32000, ignore_eos: true, job_id: 'long', temperature: 0, stream: false });
  await until(async () => (await look()).slots_busy === 1, 'the slot is taken');

  const parameters = { type: 'object', properties: { a: { enum: Array(300000).fill(1) } } };
  const tools = JSON.stringify(asked('hi', { tools: [{ type: 'function', function: { name: 'f', parameters } }], tool_choice: 'none', stream: false }));
  const many = [];
  for (let i = 0; i < 12; i++) {
    many.push(send(tools));
    await until(async () => (await look()).queued === i + 1, 'it waits');
  }
  await until(() => rssMB(own.pid) < before_mb + 120, () => `${rssMB(own.pid)} MB of ${before_mb}`); // with the tools it was 200

  const choices = (i) => Array.from({ length: 60 }, (_, k) => `${i} ${k} ${crypto.randomBytes(4000).toString('hex')}`);
  const schemas = Array.from({ length: 12 }, (_, i) => send(asked('hi', { json_schema: { enum: choices(i) }, stream: i % 2 === 0 })));
  const refused = await Promise.race(schemas); // the others wait for the slot
  assert.strictEqual(refused.status, 503, refused.text);
  assert.match(refused.json.error.message, /hold nearly all the memory .* takes \d+ bytes more/);
  assert.strictEqual(refused.json.error.code, 'ALL_SLOTS_BUSY');
  assert.ok(Number(refused.headers['retry-after']) >= 1);
  await ask(`${own.url}/v1/inference/long`, { method: 'DELETE' });
  await long;
  assert.deepStrictEqual((await Promise.all(many)).map((a) => a.status), Array(12).fill(200));
  const n_taken = (await Promise.all(schemas)).filter((a) => a.status === 200).length;
  assert.ok(n_taken >= 5 && n_taken < 12, `${n_taken} were taken`);
  assert.strictEqual((await send(asked('hi', { json_schema: { enum: choices(0) }, stream: false }))).status, 200); // what was held is given back
});

/* A worker may have no memory for machine code, so patterns are interpreted there; one of them looked through a run of blanks
 * from each of its blanks anew: 30,000 took five seconds, in which nobody else's text was read, and these minutes. */
test('a run of blanks is cut into words in time by its length', { timeout: 60000 }, async (t) => {
  const model = path.join(FOLDER, 'blanks.gguf'), n = 300000;
  writeHollowModel(model, { layers: 1, embd: 64, ff: 64, pre: 'deepseek-llm' });
  const own = await startWorker({ model, slots: 1, threads: 1 });
  t.after(() => own.stop());
  await until(async () => (await ask(`${own.url}/v1/ready`)).json.ready, 'ready');
  for (const [content, more] of [[`${' '.repeat(n)}1`, 1], [' '.repeat(n), 0], [`a${'\t'.repeat(n)}b`, n / 2 + 2]]) {
    const answer = await ask(`${own.url}/v1/tokenize`, { method: 'POST', body: { content } });
    assert.strictEqual(answer.status, 200, answer.text.slice(0, 300));
    assert.strictEqual(answer.json.tokens.length, n / 2 + more);
  }
});
