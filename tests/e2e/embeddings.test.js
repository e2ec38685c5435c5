'use strict';
/*
 * embeddings.test.js - texts to vectors: the worker's route and the embed command, with two small
 * random models, against the vectors that llama.cpp makes of them (tests/golden/small-embeddings.json,
 * made by tests/golden/make-small-encoders.sh).
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const { ROOT, WORKER, startWorker, until } = require('./lib/proc.js');
const { ask } = require('./lib/sse.js');

const GOLDEN = path.join(ROOT, 'tests/golden');
const BERT = path.join(GOLDEN, 'small-bert.gguf');
const DECODER = path.join(GOLDEN, 'mixed-llama.gguf');
const DIMENSIONS = 32;
const N_CTX = 512;
const oracle = JSON.parse(fs.readFileSync(path.join(GOLDEN, 'small-embeddings.json'), 'utf8'));

const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);
const length = (a) => Math.sqrt(dot(a, a));
const cosine = (a, b) => dot(a, b) / length(a) / length(b);

const post = (worker, body) => ask(`${worker.url}/v1/embeddings`, { method: 'POST', body });
const state = async (worker) => (await ask(`${worker.url}/v1/ready`)).json;

async function serve(model, flags = {}) {
  const worker = await startWorker({ model, ...flags });
  await until(async () => (await state(worker)).ready, () => `ready:\n${worker.stderr}`);
  return worker;
}

async function embed(worker, body) {
  const answer = await post(worker, body);
  assert.strictEqual(answer.status, 200, answer.text);
  return answer.json;
}

function assertError(answer, status, code, pattern) {
  assert.strictEqual(answer.status, status, answer.text);
  assert.strictEqual(answer.json.error.code, code);
  assert.match(JSON.stringify(answer.json.error), pattern);
}

const command = (args, input) => spawnSync(WORKER, ['embed', ...args], { input, encoding: 'utf8' });

for (const [file, rows] of Object.entries(oracle)) {
  test(`${file}: vectors are those of llama.cpp`, () => {
    assert.ok(rows.length > 5);
    for (const { text, vector } of rows) {
      const run = command(['--model', path.join(GOLDEN, file)], text);
      assert.strictEqual(run.status, 0, run.stderr);
      const ours = JSON.parse(run.stdout);
      assert.strictEqual(ours.length, DIMENSIONS);
      assert.ok(cosine(ours, vector) > 0.9999, `${cosine(ours, vector)} for ${text}`);
      assert.ok(Math.abs(length(ours) - 1) < 1e-6);
    }
  });
}

test('the embed command refuses with the numbers', () => {
  const long = command(['--model', BERT], 'a '.repeat(N_CTX));
  assert.strictEqual(long.status, 1);
  assert.match(long.stderr, /514 tokens and would pass the context of 512/);
  const wrong = command(['--model', BERT, '--pooling', 'median'], 'a');
  assert.strictEqual(wrong.status, 1);
  assert.match(wrong.stderr, /'median' is unknown; mean, cls and last/);
  const decoder = command(['--model', DECODER], 'a');
  assert.strictEqual(decoder.status, 1);
  assert.match(decoder.stderr, /a llama model generates text/);
});

describe('a worker with an embedding model', () => {
  let worker;
  before(async () => { worker = await serve(BERT, { slots: 2, queue: 40 }); });
  after(() => worker.stop());

  test('says so', async () => {
    const ready = await state(worker);
    assert.strictEqual(ready.embeddings, true);
    assert.strictEqual(ready.chat, false);
    assert.strictEqual(ready.n_ctx, N_CTX);
  });

  test('embeds one text, with the shape promised', async () => {
    const { text, vector } = oracle['small-bert.gguf'][1];
    const answer = await embed(worker, { input: text });
    assert.deepStrictEqual(Object.keys(answer), ['model', 'embeddings', 'prompt_tokens', 'dimensions']);
    assert.strictEqual(answer.model, 'small-bert.gguf');
    assert.strictEqual(answer.dimensions, DIMENSIONS);
    assert.ok(answer.prompt_tokens > 3);
    assert.strictEqual(answer.embeddings.length, 1);
    assert.ok(cosine(answer.embeddings[0], vector) > 0.9999);
    assert.ok(Math.abs(length(answer.embeddings[0]) - 1) < 1e-6);
  });

  test('as base64: the same floats', async () => {
    const texts = ['a', 'hello there'], numbers = await embed(worker, { input: texts, encoding_format: 'float' });
    const coded = await embed(worker, { input: texts, encoding_format: 'base64' });
    assert.strictEqual(coded.dimensions, DIMENSIONS);
    for (const [i, text] of coded.embeddings.entries()) {
      assert.match(text, /^[A-Za-z0-9+/]+={0,2}$/);
      const bytes = Buffer.from(text, 'base64');
      assert.strictEqual(bytes.length, 4 * DIMENSIONS);
      assert.deepStrictEqual(numbers.embeddings[i].map(Math.fround), Array.from({ length: DIMENSIONS }, (_, k) => bytes.readFloatLE(4 * k)));
    }
  });

  test('embeds many texts in their order, each with the same bits as alone', async () => {
    const texts = oracle['small-bert.gguf'].map(({ text }) => text);
    const many = [];
    for (let i = 0; i < 200; i++) many.push(`${texts[i % texts.length]} ${i}`);
    const together = await embed(worker, { input: many });
    assert.strictEqual(together.embeddings.length, many.length);
    let tokens = 0;
    for (const i of [0, 1, 63, 64, 65, 137, 199]) {
      const alone = await embed(worker, { input: many[i] });
      assert.deepStrictEqual(together.embeddings[i], alone.embeddings[0], `text ${i}`);
      tokens += alone.prompt_tokens;
    }
    assert.ok(together.prompt_tokens > tokens);
  });

  test('requests that run together get what they get alone', async () => {
    const texts = oracle['small-bert.gguf'].map(({ text }) => text);
    const alone = [];
    for (const text of texts) alone.push((await embed(worker, { input: text })).embeddings);
    const together = await Promise.all(texts.map((text) => embed(worker, { input: [text, text] })));
    together.forEach((answer, i) => assert.deepStrictEqual(answer.embeddings, [alone[i][0], alone[i][0]]));
  });

  test('takes token ids as they are', async () => {
    const text = 'hello world';
    const { json: { tokens } } = await ask(`${worker.url}/v1/tokenize`,
      { method: 'POST', body: { content: text, add_special: true } });
    const want = (await embed(worker, { input: text })).embeddings[0];
    const one = await embed(worker, { input: tokens });
    assert.deepStrictEqual(one.embeddings, [want]);
    assert.strictEqual(one.prompt_tokens, tokens.length);
    assert.deepStrictEqual((await embed(worker, { input: [tokens, tokens] })).embeddings, [want, want]);
  });

  test('pools and normalises as asked', async () => {
    const input = 'some words of a text';
    const of = async (body) => (await embed(worker, { input, ...body })).embeddings[0];
    const standard = await of({});
    assert.deepStrictEqual(await of({ pooling: 'mean', normalize: true }), standard);
    const raw = await of({ normalize: false });
    assert.ok(Math.abs(length(raw) - 1) > 1e-3);
    assert.ok(cosine(raw, standard) > 1 - 1e-9);
    const [cls, last] = [await of({ pooling: 'cls' }), await of({ pooling: 'last' })];
    assert.ok(cosine(cls, standard) < 0.999 && cosine(last, standard) < 0.999 && cosine(cls, last) < 0.999);
  });

  /* Ollama's /api/embeddings asks so: it gave raw vectors for every model. */
  test('scales as the file means it, if asked', async (t) => {
    const nomic = await serve(path.join(GOLDEN, 'small-nomic-bert.gguf'));
    t.after(() => nomic.stop());
    for (const [one, as] of [[worker, true], [nomic, false]]) { // neither file says; each has a pooling
      assert.deepStrictEqual(await embed(one, { input: 'words', normalize: 'model' }), await embed(one, { input: 'words', normalize: as }));
    }
    assert.ok(length((await embed(nomic, { input: 'words', normalize: 'model' })).embeddings[0]) > 1.1);
  });

  test('refuses what it cannot take, with the numbers', async () => {
    const bad = [
      [{}, /input is missing/],
      [{ input: [] }, /must not be empty/],
      [{ input: [[]] }, /must not be empty/],
      [{ input: 7 }, /input must be/],
      [{ input: ['a', 7] }, /input must be/],
      [{ input: [1.5] }, /input must be/],
      [{ input: [-1] }, /input must be/],
      [{ input: Array(2049).fill('a') }, /2049 texts; 2048 are the most/],
      [{ input: 'a', pooling: 'median' }, /mean, cls or last/],
      [{ input: 'a', encoding_format: 'hex' }, /float or base64/],
      [{ input: 'a', normalize: 1 }, /normalize must be true or false/],
      [{ input: 'a', normalize: 'mode' }, /normalize must be true or false, or .+model/],
      [{ input: 'a', dimension: 3 }, /dimension/],
      [{ input: [[5], [90]] }, /Input 1 .*names the token 90, but the vocabulary has 90/],
    ];
    for (const [body, pattern] of bad) assertError(await post(worker, body), 400, 'INVALID_REQUEST', pattern);
    const long = await post(worker, { input: ['a', 'a '.repeat(N_CTX)] });
    assert.strictEqual(long.json.error.code, 'CONTEXT_LENGTH_EXCEEDED');
    assert.match(long.json.error.message, /Input 1 has 514 tokens and the model's context holds 512/);
    assert.strictEqual(long.json.error.details.n_ctx, N_CTX);
    await embed(worker, { input: 'a '.repeat(N_CTX - 2) }); // it goes on, to the last token
  });

  /* It was made into tokens to its end, and nobody heard that its client had left: others waited for 2.5 s behind 10 MB. */
  test('a text that is far too long is not looked at to its end', async () => {
    assertError(await post(worker, { input: ['a', 'a '.repeat(1e6)] }), 400, 'CONTEXT_LENGTH_EXCEEDED',
      /Input 1 has more than 2048 tokens and the model's context holds 512/);
    const ids = await post(worker, { input: Array(3000).fill(5) });
    assert.match(ids.json.error.message, /Input 0 has 3000 tokens/); // those are there
  });

  test('a client that leaves while its texts are read holds up nobody', async () => {
    const word = `${'q'.repeat(99)}\u0416 `, texts = Array(40).fill(word.repeat(500)); // each a token, and long to look for
    const clock = async (what) => { const begun = performance.now(); await what; return performance.now() - begun; };
    const whole = await clock(post(worker, { input: [...texts, 'a '.repeat(N_CTX)] }));
    const body = JSON.stringify({ input: texts });
    let behind;
    for (let tries = 0; tries < 8 && !(behind < whole / 2); tries++) { // a machine may be busy
      let over = false;
      await until(async () => (await state(worker)).queued === 0, 'nobody else');
      const request = http.request(`${worker.url}/v1/embeddings`,
        { method: 'POST', headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } });
      request.on('error', () => {}).on('response', () => { over = true; });
      request.end(body);
      await until(async () => (await state(worker)).queued === 1 || over, 'it is read');
      request.destroy();
      if (over) continue;
      behind = await clock(embed(worker, { input: 'short' }));
    }
    assert.ok(behind < whole / 2, `${behind} ms behind one that takes ${whole}`);
  });

  test('generates nothing', async () => {
    const answer = await ask(`${worker.url}/v1/inference`, { method: 'POST', body: { prompt: 'abc' } });
    assertError(answer, 400, 'INVALID_REQUEST', /\(bert\) makes embeddings and generates no text: ask \/v1\/embeddings/);
  });

  test('a client that leaves frees its place', async () => {
    const body = JSON.stringify({ input: Array(2048).fill('a '.repeat(N_CTX - 2)) });
    const request = http.request(`${worker.url}/v1/embeddings`,
      { method: 'POST', headers: { 'content-type': 'application/json', 'content-length': body.length } });
    request.on('error', () => {});
    request.end(body);
    await until(async () => (await state(worker)).slots_busy === 1, 'a busy slot');
    await embed(worker, { input: 'short' }); // and meanwhile nobody waits for it
    assert.ok((await state(worker)).slots_busy >= 1);
    request.destroy();
    await until(async () => (await state(worker)).slots_busy === 0, 'the slot free again');
  });
});

test('a worker whose model generates text makes no embeddings', async () => {
  const worker = await serve(DECODER);
  assert.strictEqual((await state(worker)).embeddings, false);
  assertError(await post(worker, { input: 'a' }), 400, 'INVALID_REQUEST',
    /\(llama\) generates text and makes no embeddings/);
  await worker.stop();
});
