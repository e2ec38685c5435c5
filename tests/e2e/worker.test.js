'use strict';
/*
 * worker.test.js - llm-worker-rbee serve: its answers, its refusals, its queue, how it loads and how
 * it ends. The real program on loopback, ports picked by the kernel.
 *
 * What is done while an answer runs is done to a worker with a hollow model (lib/gguf.js), which goes
 * on for thousands of tokens; nothing here depends on how fast it is.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { X509Certificate } = require('node:crypto');

const { ROOT, WORKER, Proc, startWorker, runWorker, testModel, makeFolder, isAlive, sleep, until } =
  require('./lib/proc.js');
const { ask, stream, textOf } = require('./lib/sse.js');
const { hostFor, notApart } = require('./lib/host.js');
const { writeHollowModel } = require('./lib/gguf.js');

const MODEL = testModel();
const skip = MODEL ? false : 'no model: neither models/tiny.gguf nor the test data are there';
const MIXED = path.join(ROOT, 'tests/golden/mixed-llama.gguf'); // random weights
const PROMPT = 'Once upon a time';
const HOLLOW = path.join(makeFolder(), 'hollow.gguf');
writeHollowModel(HOLLOW, { layers: 4, embd: 256, ff: 704, ctx: 16384 });
// Its text repeats itself: guessing would hurry it.
const SLOW = { model: HOLLOW, threads: 1, ctx: 16384, speculate: 'off' };
const ENDLESS = { prompt: 'abc', max_tokens: 16000, temperature: 0 };

const infer = (worker, body) => stream(`${worker.url}/v1/inference`, { method: 'POST', body });
const post = (worker, body, headers) =>
  ask(`${worker.url}/v1/inference`, { method: 'POST', body, headers });
const get = (worker, where) => ask(worker.url + where);
const state = async (worker) => (await get(worker, '/v1/ready')).json;
const cancel = (worker, id) => ask(`${worker.url}/v1/inference/${id}`, { method: 'DELETE' });

async function ready(worker) {
  await until(async () => (await state(worker)).ready, () => `ready:\n${worker.stderr}`);
  return worker;
}

const idle = (worker) => until(async () => {
  const s = await state(worker);
  return s.slots_busy === 0 && s.queued === 0;
}, 'all slots free');

const noTls = notApart || (spawnSync('openssl', ['version']).status !== 0 && 'needs openssl');
/* The files of a certificate and its key. */
function selfSigned() {
  const folder = makeFolder(), cert = path.join(folder, 'cert.pem'), secret = path.join(folder, 'key.pem');
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=w', '-days', '2', '-keyout', secret, '-out', cert], { encoding: 'utf8' });
  assert.strictEqual(made.status, 0, made.stderr);
  return [cert, secret];
}

/* An answer that nothing has cut short, and then its worker's end. */
async function endsWhole(worker, running, n) {
  const end = await lastOf(running);
  assert.deepStrictEqual([end.type, end.tokens_out], ['end', n]);
  assert.ok(running.done);
  assert.deepStrictEqual(await worker.end(), { code: 0, killedBy: null });
}

const firstToken = (s) => s.find((e) => e.type === 'token');
const lastOf = async (s) => (await s.all()).at(-1);

function assertError(answer, status, code) {
  assert.strictEqual(answer.status, status, answer.text);
  const { error } = answer.json;
  assert.strictEqual(error.code, code);
  assert.strictEqual(error.src, 'worker');
  assert.ok(error.message.length > 10);
  assert.strictEqual(error.request_id, answer.headers['x-request-id']);
  assert.strictEqual(typeof error.details.hint, 'string');
  return error;
}

describe('an answer', { skip }, () => {
  let worker;
  before(async () => { worker = await ready(await startWorker({ slots: 9 })); });
  after(() => worker.stop());

  test('its events come in order and have the shapes promised', async () => {
    const s = await infer(worker, { prompt: PROMPT, max_tokens: 20, temperature: 0, job_id: 'job-1' });
    const events = await s.all();
    const tokens = events.filter((e) => e.type === 'token');
    const { started_at: startedAt, ...started } = events[0];

    assert.match(s.headers['cache-control'], /no-cache/);
    assert.match(startedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(Math.abs(Date.parse(startedAt) - Date.now()) < 60000);
    assert.ok(Number.isSafeInteger(started.seed));
    assert.deepStrictEqual(started, { type: 'started', job_id: 'job-1', model: path.basename(MODEL), seed: started.seed });
    assert.deepStrictEqual(tokens.map((e) => e.i), tokens.map((_, i) => i));
    assert.ok(tokens.every((e) => Object.keys(e).join() === 'type,t,i' && e.t.length > 0));
    assert.ok(events.slice(1, -1).every((e) => e.type === 'token' || e.type === 'metrics'));
    const end = events.at(-1);
    assert.strictEqual(end.type, 'end');
    assert.strictEqual(end.stop_reason, 'MAX_TOKENS');
    assert.strictEqual(end.tokens_out, 20);
    assert.ok(end.prompt_tokens > 1);
    assert.ok(end.decode_time_ms >= 0 && end.prefill_time_ms >= 0);
    assert.ok(!('context_full' in end));
    assert.strictEqual(s.events.at(-1).data, '[DONE]');
    assert.strictEqual(s.events.filter((e) => e.data === '[DONE]').length, 1);
  });

  test('every line of the stream is data, a comment or empty', async () => {
    const s = await infer(worker, { prompt: PROMPT, max_tokens: 5 });
    await s.all();
    for (const line of s.raw.split('\n')) assert.match(line, /^(data: .+|:.*|)$/);
  });

  test('greedy text is that of the run command', async () => {
    const want = runWorker({ prompt: PROMPT, 'max-tokens': 60, temperature: 0 });
    const s = await infer(worker, { prompt: PROMPT, max_tokens: 60, temperature: 0 });
    assert.strictEqual(`${textOf(await s.all())}\n`, want);
  });

  test('sampled text is that of the run command, too', async () => {
    const how = { temperature: 1.5, 'top-p': 0.9, 'top-k': 100, 'min-p': 0.01, 'repetition-penalty': 1.3, seed: 77 };
    const want = runWorker({ prompt: PROMPT, 'max-tokens': 60, ...how });
    const s = await infer(worker, {
      prompt: PROMPT, max_tokens: 60, temperature: 1.5, top_p: 0.9, top_k: 100, min_p: 0.01,
      repetition_penalty: 1.3, seed: 77,
    });
    assert.strictEqual(`${textOf(await s.all())}\n`, want);
  });

  test('the seed it reports gives the same text again', async () => {
    const body = { prompt: PROMPT, max_tokens: 30, temperature: 1.5 };
    const first = await (await infer(worker, body)).all();
    const again = await (await infer(worker, { ...body, seed: first[0].seed })).all();
    assert.strictEqual(again[0].seed, first[0].seed);
    assert.strictEqual(textOf(again), textOf(first));
    const other = await (await infer(worker, { ...body, seed: first[0].seed + 1 })).all();
    assert.notStrictEqual(textOf(other), textOf(first));
  });

  test('alone or with eight others at once: the same tokens', async () => {
    const body = { prompt: PROMPT, max_tokens: 60, temperature: 1.2, seed: 4711 };
    const alone = await (await infer(worker, body)).all();
    const long = `${PROMPT} there was a dog. `.repeat(20);
    const others = Array.from({ length: 8 }, (_, i) => infer(worker, {
      prompt: i % 2 ? long : `${i}`, max_tokens: 80, temperature: 1, seed: i,
    }));
    const together = await (await infer(worker, body)).all();
    assert.strictEqual(textOf(together), textOf(alone));
    assert.strictEqual(together.at(-1).tokens_out, alone.at(-1).tokens_out);
    for (const other of await Promise.all(others)) assert.strictEqual((await lastOf(other)).type, 'end');
  });

  test('without a stream it is one object with the same text', async () => {
    const body = { prompt: PROMPT, max_tokens: 25, temperature: 1, seed: 9 };
    const events = await (await infer(worker, body)).all();
    const answer = await post(worker, { ...body, stream: false, job_id: 'whole' });
    assert.strictEqual(answer.status, 200);
    assert.match(answer.headers['content-type'], /^application\/json/);
    assert.strictEqual(answer.json.text, textOf(events));
    assert.strictEqual(answer.json.job_id, 'whole');
    assert.strictEqual(answer.json.model, path.basename(MODEL));
    assert.strictEqual(answer.json.seed, 9);
    assert.strictEqual(answer.json.tokens_out, 25);
    assert.strictEqual(answer.json.stop_reason, 'MAX_TOKENS');
    assert.strictEqual(answer.json.prompt_tokens, events.at(-1).prompt_tokens);
  });

  test('stop strings end it, are not sent, and are named', async () => {
    const body = { prompt: PROMPT, max_tokens: 60, temperature: 0 };
    const text = textOf(await (await infer(worker, body)).all());
    // From the middle of one word to the middle of a later one: over several tokens.
    const stop = text.slice(17, 29);
    const at = text.indexOf(stop);
    const events = await (await infer(worker, { ...body, stop: ['no such text', stop] })).all();
    assert.strictEqual(textOf(events), text.slice(0, at));
    assert.strictEqual(events.at(-1).stop_reason, 'STOP_SEQUENCE');
    assert.strictEqual(events.at(-1).stop_sequence_matched, stop);
    assert.ok(events.at(-1).tokens_out < 60);
  });

  test('text held back for a stop string comes when it was none', async () => {
    const body = { prompt: PROMPT, max_tokens: 12, temperature: 0 };
    const text = textOf(await (await infer(worker, body)).all());
    const events = await (await infer(worker, { ...body, stop: [`${text}!`] })).all();
    assert.strictEqual(textOf(events), text);
    assert.strictEqual(events.at(-1).stop_reason, 'MAX_TOKENS');
  });

  test('one token is enough', async () => {
    const events = await (await infer(worker, { prompt: PROMPT, max_tokens: 1 })).all();
    assert.strictEqual(events.at(-1).tokens_out, 1);
  });

  test('info tells the model and the slots', async () => {
    const { json } = await get(worker, '/v1/info');
    assert.strictEqual(json.slots_total, 9);
    assert.strictEqual(json.model.architecture, 'llama');
    assert.ok(json.n_ctx > 100 && json.model.n_vocab > 100 && json.n_threads >= 1);
    assert.ok(json.tokens_out > 100 && json.steps > 100);
    assert.match(json.worker_id, /^worker-[0-9a-f-]{36}$/);
  });
});

describe('beginnings that are known', { skip }, () => {
  const long = `${PROMPT} there was a dog who liked to run. `.repeat(8);
  const how = { max_tokens: 40, temperature: 1.2, seed: 12, stream: false };
  let worker;
  let plain;
  before(async () => {
    worker = await ready(await startWorker({ slots: 8 }));
    plain = await ready(await startWorker({ slots: 8, 'prefix-cache': 'off' }));
  });
  after(() => Promise.all([worker.stop(), plain.stop()]));

  test('need no computing, but for the last token, and the text is the same', async () => {
    const first = await post(worker, { prompt: long, ...how });
    const again = await post(worker, { prompt: long, ...how });
    const other = await post(plain, { prompt: long, ...how });
    assert.ok(first.json.prompt_tokens > 100);
    assert.strictEqual(first.json.cached_tokens, 0);
    assert.strictEqual(again.json.cached_tokens, again.json.prompt_tokens - 1);
    assert.strictEqual(again.json.text, first.json.text);
    assert.strictEqual(other.json.text, first.json.text);
  });

  test('an answer is a beginning, too', async () => {
    const { json: first } = await post(worker, { prompt: 'Lily had a cat.', ...how, temperature: 0 });
    const prompt = `Lily had a cat.${first.text} The cat was`;
    const { json: next } = await post(worker, { prompt, ...how });
    assert.ok(next.cached_tokens > first.prompt_tokens, JSON.stringify(next));
    assert.strictEqual((await post(plain, { prompt, ...how })).json.text, next.text);
  });

  test('asked for by many at once they are computed once', async () => {
    const prompt = (i) => `The bear sat down. ${long} ${'abcdefgh'[i]}`;
    const bodies = Array.from({ length: 8 }, (_, i) => ({ prompt: prompt(i), ...how, seed: i }));
    const answers = await Promise.all(bodies.map((body) => post(worker, body)));
    // Of each but one at least the whole pages of 32 tokens that all have in common.
    const shared = answers.filter(({ json }) => json.cached_tokens >= json.prompt_tokens - 2 * 32);
    assert.ok(shared.length >= 7, answers.map(({ json }) => json.cached_tokens).join());
    for (let i = 0; i < 8; i++) {
      assert.strictEqual(answers[i].json.text, (await post(plain, bodies[i])).json.text);
    }
  });

  test('off is off', async () => {
    const answer = await post(plain, { prompt: long, ...how });
    assert.strictEqual(answer.json.cached_tokens, 0);
  });
});

describe('guessed tokens', { skip }, () => {
  const again = 'Lily saw a red ball. Tom saw a red ball. '.repeat(6);
  const bodies = Array.from({ length: 8 }, (_, i) => ({
    prompt: `${again}${['Lily', 'Tom', 'The', 'A', 'Lily saw', 'Tom saw', 'One', 'She'][i]}`,
    max_tokens: 120 + i, temperature: i % 2 ? 0.9 : 0, seed: i, repetition_penalty: i % 3 ? 1 : 1.1,
    stop: i === 4 ? ['ball.'] : [],
  }));
  const tokens = (events) => events.filter((e) => e.type === 'token').map((e) => [e.i, e.t]);
  const ending = (events) => {
    const { stop_reason: reason, tokens_out: n, stop_sequence_matched: stop } = events.at(-1);
    return [reason, n, stop];
  };
  let guessing;
  let plain;
  before(async () => {
    guessing = await ready(await startWorker({ slots: 8 }));
    plain = await ready(await startWorker({ slots: 8, speculate: 'off' }));
  });
  after(() => Promise.all([guessing.stop(), plain.stop()]));

  test('change no token and no event, for one alone and for eight at once', async () => {
    const want = [];
    for (const body of bodies) want.push(await (await infer(plain, body)).all());
    const alone = [];
    for (const body of bodies) alone.push(await (await infer(guessing, body)).all());
    const together = await Promise.all(bodies.map(async (body) => (await infer(guessing, body)).all()));
    for (let i = 0; i < bodies.length; i++) {
      assert.deepStrictEqual(tokens(alone[i]), tokens(want[i]));
      assert.deepStrictEqual(ending(alone[i]), ending(want[i]));
      assert.deepStrictEqual(tokens(together[i]), tokens(want[i]));
      assert.deepStrictEqual(ending(together[i]), ending(want[i]));
      assert.ok(!('drafted' in want[i].at(-1)));
    }
    const { drafted, accepted } = alone[0].at(-1);
    assert.ok(drafted > 0 && accepted >= 0 && accepted <= drafted, JSON.stringify(alone[0].at(-1)));
    assert.ok(alone.some((events) => events.at(-1).accepted > 0));
  });

  test('end with the context like any', async () => {
    const { json: info } = await get(plain, '/v1/info');
    const body = { prompt: again, max_tokens: 100000, temperature: 0, stream: false };
    const want = await post(plain, body);
    const answer = await post(guessing, body);
    assert.strictEqual(want.json.text, answer.json.text);
    assert.strictEqual(answer.json.tokens_out, want.json.tokens_out);
    if (want.json.stop_reason !== 'EOS') {
      assert.strictEqual(answer.json.context_full, true);
      assert.strictEqual(answer.json.tokens_out, info.n_ctx - answer.json.prompt_tokens);
    }
  });
});

describe('a beginning that another one is computing', () => {
  test('is not lost when that one leaves', async () => {
    const worker = await ready(await startWorker({ ...SLOW, slots: 8 }));
    const prompt = 'abcdefgh '.repeat(200);
    const streams = await Promise.all(Array.from({ length: 8 }, (_, i) =>
      infer(worker, { prompt: `${prompt}${i}`, max_tokens: 3, temperature: 0, job_id: `j${i}` })));
    for (const i of [0, 1, 2, 4]) await cancel(worker, `j${i}`);
    for (const i of [3, 5, 6, 7]) assert.strictEqual((await lastOf(streams[i])).tokens_out, 3);
    await idle(worker);
    await worker.stop();
  });
});

describe('the end of an answer, by the model', () => {
  let worker;
  before(async () => { worker = await ready(await startWorker({ model: MIXED })); });
  after(() => worker.stop());

  test('an end token is neither sent nor counted', async () => {
    const body = { prompt: 'hello', max_tokens: 300, temperature: 2, top_k: 0, top_p: 1, min_p: 0, stream: false };
    let answer;
    for (let seed = 0; seed < 100 && answer?.json.stop_reason !== 'EOS'; seed++) {
      answer = await post(worker, { ...body, seed });
    }
    assert.strictEqual(answer.json.stop_reason, 'EOS');
    assert.ok(answer.json.tokens_out < 300);
    assert.ok(!answer.json.text.includes('</s>'));
    const shorter = await post(worker, { ...body, seed: answer.json.seed, max_tokens: answer.json.tokens_out });
    assert.strictEqual(shorter.json.text, answer.json.text);
    assert.strictEqual(shorter.json.stop_reason, 'MAX_TOKENS');
  });

  /* Prompt and answer were together one token more than the context that had been promised. */
  test('a full context is said, not cut in silence', async () => {
    const { json: info } = await get(worker, '/v1/info');
    for (let seed = 0; seed < 100; seed++) {
      const { json } = await post(worker, { prompt: 'hello', max_tokens: 100000, temperature: 0, seed, stream: false });
      if (json.stop_reason === 'EOS') continue;
      assert.strictEqual(json.stop_reason, 'MAX_TOKENS');
      assert.strictEqual(json.context_full, true);
      assert.strictEqual(json.tokens_out, info.n_ctx - json.prompt_tokens);
      return;
    }
    assert.fail('every seed ends by itself');
  });

  test('bytes that are no character become U+FFFD, the same with and without a stream', async () => {
    const body = { prompt: 'hello', max_tokens: 200, temperature: 2, top_k: 0, top_p: 1, min_p: 0, seed: 5 };
    const events = await (await infer(worker, body)).all();
    const whole = await post(worker, { ...body, stream: false });
    assert.strictEqual(textOf(events), whole.json.text);
    assert.ok(whole.json.text.includes('\ufffd'), 'none came'); // sse.js takes nothing but UTF-8
  });

  test('a prompt that fills the context but for one token gets answers; one longer is refused', async () => {
    const { json: info } = await get(worker, '/v1/info');
    const words = (n) => post(worker, { prompt: 'a'.repeat(n), max_tokens: 5, temperature: 0, stream: false });
    let n = info.n_ctx;
    let answer = await words(n);
    while (answer.status === 200) answer = await words(n *= 2);
    const error = assertError(answer, 400, 'CONTEXT_LENGTH_EXCEEDED');
    assert.strictEqual(error.details.n_ctx, info.n_ctx);
    assert.ok(error.details.prompt_tokens >= info.n_ctx);
    assert.ok(error.message.includes(info.n_ctx) && error.message.includes(error.details.prompt_tokens));
    while (answer.status !== 200) answer = await words(--n);
    assert.strictEqual(answer.json.prompt_tokens, info.n_ctx - 1);
    assert.deepStrictEqual([answer.json.tokens_out, answer.json.context_full], [1, true]);
  });
});

describe('refusals', { skip }, () => {
  let worker;
  before(async () => { worker = await ready(await startWorker()); });
  after(() => worker.stop());

  /* The gateway's client was told an id that the worker's log knew nothing of. */
  test('who asks in somebody\'s name says by which id that one knows the request; no other text is one', async () => {
    const id = '6b1b2e66-5b0e-4b3c-9d7a-1f2e3d4c5b6a';
    const as = async (told) => assertError(await ask(`${worker.url}/v1/inference`,
      { method: 'POST', body: { prompt: '' }, headers: { 'X-Rbee-Request': told } }), 400, 'INVALID_REQUEST').request_id;
    assert.strictEqual(await as(id), id);
    for (const text of [`${id} forged`, id.toUpperCase(), '']) assert.match(await as(text), /^(?!6b1b2e66)[0-9a-f-]{36}$/);
  });

  test('every failing field is reported at once', async () => {
    const answer = await post(worker, {
      prompt: '', max_tokens: 0, temperature: 2.1, top_p: -1, top_k: 1.5, min_p: 2, stop: 'x',
      repetition_penalty: 3, seed: -1, stream: 1, timeout_seconds: -1, job_id: '/', temprature: 1,
    });
    const error = assertError(answer, 400, 'INVALID_REQUEST');
    assert.deepStrictEqual(error.details.errors.map((e) => e.field).sort(),
      ['job_id', 'max_tokens', 'min_p', 'prompt', 'repetition_penalty', 'seed', 'stop', 'stream',
        'temperature', 'temprature', 'timeout_seconds', 'top_k', 'top_p']);
    for (const e of error.details.errors) assert.ok(e.constraint && e.message);
  });

  test('bodies that are no JSON object', async () => {
    for (const body of ['', 'hello', '{', '[]', '{"prompt":"a"', '{"prompt":"SECRET"}}', '\xff', 'null']) {
      const error = assertError(await post(worker, body), 400, 'INVALID_REQUEST');
      assert.strictEqual(error.details.errors[0].field, 'body');
      assert.ok(!JSON.stringify(error).includes('SECRET'));
    }
  });

  test('a body too large', async () => {
    const answer = await post(worker, 'x'.repeat((16 << 20) + 1)).catch((e) => e);
    if (!(answer instanceof Error)) assertError(answer, 413, 'BODY_TOO_LARGE');
    else assert.match(answer.code, /EPIPE|ECONNRESET/); // the server need not read it all
    assert.strictEqual((await get(worker, '/v1/health')).status, 200);
  });

  test('a prompt of megabytes is refused with its length, and nobody waits for it', async () => {
    const huge = post(worker, { prompt: 'word '.repeat(1 << 18), max_tokens: 1 });
    const small = await post(worker, { prompt: PROMPT, max_tokens: 3, stream: false });
    assert.strictEqual(small.status, 200);
    const error = assertError(await huge, 400, 'CONTEXT_LENGTH_EXCEEDED');
    const { prompt_bytes, prompt_tokens, prompt_tokens_least, n_ctx } = error.details;
    assert.ok(prompt_bytes === 1310720 && prompt_tokens === undefined && prompt_tokens_least >= n_ctx, JSON.stringify(error.details));
    assert.match(error.message, /has 1310720 bytes, which are at least \d+ tokens/); // they were not counted
  });

  /* By its bytes it might have fitted: all of it was made into tokens, up to sixteen seconds for 16 MB. */
  test('nor is one counted to its end that turns out not to fit', async () => {
    const model = path.join(makeFolder(), 'wide.gguf'), ctx = 196608;
    writeHollowModel(model, { layers: 1, ctx, pre: 'deepseek-llm' });
    const wide = await ready(await startWorker({ model, ctx, slots: 1 }));
    const error = assertError(await post(wide, { prompt: 'word '.repeat(215000), max_tokens: 1 }), 400, 'CONTEXT_LENGTH_EXCEEDED');
    const { prompt_bytes: n, prompt_tokens_least: least } = error.details;
    assert.ok(n === 1075000 && least > ctx && least < ctx + 1000, JSON.stringify(error.details));
    await wide.stop();
  });

  test('unknown routes and wrong methods', async () => {
    assertError(await get(worker, '/'), 404, 'NOT_FOUND');
    assertError(await get(worker, '/v1/inference/'), 404, 'NOT_FOUND');
    assertError(await get(worker, '/v1/readyx'), 404, 'NOT_FOUND');
    for (const [method, where, allow] of [['GET', '/v1/inference', 'POST'], ['POST', '/v1/ready', 'GET, HEAD'],
      ['POST', '/v1/inference/x', 'DELETE'], ['GET', '/v1/admin/shutdown', 'POST'],
      ['DELETE', '/v1/loading/progress', 'GET']]) {
      const answer = await ask(worker.url + where, { method });
      assertError(answer, 405, 'METHOD_NOT_ALLOWED');
      assert.strictEqual(answer.headers.allow, allow);
    }
    const head = await ask(`${worker.url}/v1/ready`, { method: 'HEAD' });
    assert.strictEqual(head.status, 200);
    assert.strictEqual(head.text, '');
  });

  test('a Host or an Origin of elsewhere', async () => {
    const evil = await ask(`${worker.url}/v1/ready`, { headers: { Host: 'evil.example:8081' } });
    assertError(evil, 403, 'FORBIDDEN_HOST');
    const page = await post(worker, { prompt: 'a' }, { Origin: 'http://evil.example' });
    assertError(page, 403, 'FORBIDDEN_HOST');
  });

  /*
   * A worker ended, and the next one got its port: it answered what was meant for the other, with its own
   * model, and ended when the other was told to.
   */
  test('what is for another worker is refused, whatever it is', async () => {
    const { worker_id } = await state(worker);
    const other = { 'X-Rbee-Worker': `${worker_id.slice(0, -1)}x` };
    const error = assertError(await post(worker, { prompt: PROMPT, max_tokens: 1 }, other), 421, 'WRONG_WORKER');
    assert.ok(error.message.includes(other['X-Rbee-Worker']), error.message);
    for (const [method, where] of [['GET', '/v1/ready'], ['GET', '/v1/health'], ['POST', '/v1/admin/shutdown'],
      ['GET', '/v1/loading/progress'], ['DELETE', '/v1/inference/x']])
      assertError(await ask(worker.url + where, { method, headers: other }), 421, 'WRONG_WORKER');
    const own = await post(worker, { prompt: PROMPT, max_tokens: 1, stream: false }, { 'x-rbee-worker': worker_id });
    assert.strictEqual(own.status, 200, own.text);
  });

  /* Each that left near its end was an error of the worker's in the log, of an event that is too long. */
  test('a client that leaves is no error', async () => {
    for (let i = 0; i < 40; i++)
      await Promise.all([0, 1, 2].map(async (k) => {
        const s = await infer(worker, { prompt: PROMPT, max_tokens: 10 + 10 * k, ignore_eos: true });
        await s.find((e) => e.type === 'token');
        s.leave();
      }));
    await until(async () => (await get(worker, '/v1/ready')).json.slots_busy === 0, 'all are over');
    assert.doesNotMatch(worker.stderr, /INTERNAL/);
  });

  test('nothing of a prompt or an answer is in the log, whatever is logged', async (t) => {
    const loud = await ready(await startWorker({ 'log-level': 'debug' }));
    t.after(() => loud.stop());
    for (const log of [worker, loud]) {
      const { json } = await post(log, { prompt: 'Zebra quagga okapi', max_tokens: 40, ignore_eos: true, stream: false, temperature: 0 });
      await post(log, { prompt: 'Zebra quagga okapi', max_tokens: 0 });
      const said = json.text.trim().slice(0, 12);
      assert.ok(said.length === 12, json.text);
      assert.doesNotMatch(log.stderr, /Zebra|quagga|okapi/);
      assert.ok(!log.stderr.includes(said), said);
    }
  });
});

describe('cancelling', () => {
  let worker;
  before(async () => { worker = await ready(await startWorker({ ...SLOW, slots: 1, queue: 2 })); });
  after(() => worker.stop());

  /* By the client's clock, which no event can come before: a client that is held up sees them later, never closer
   * to the question. */
  test('tokens come one by one, with metrics at most four times a second', async () => {
    const asked = performance.now();
    const s = await infer(worker, ENDLESS);
    const metrics = () => s.events.filter((e) => e.json?.type === 'metrics');
    await s.find(() => metrics().length >= 4);
    s.leave();
    const times = s.events.filter((e) => e.json?.type === 'token').map((e) => e.at);
    assert.ok(new Set(times.map((t) => Math.round(t))).size > 20, 'they came in lumps');
    for (const [i, m] of metrics().entries()) {
      assert.ok(m.at - asked >= (i + 1) * 249, `${i + 1} of them within ${m.at - asked} ms`);
      assert.ok(m.json.tokens_per_sec > 0 && m.json.vram_bytes === 0);
    }
    await idle(worker);
  });

  test('DELETE ends an answer with its counts, and always says 204', async () => {
    const s = await infer(worker, { ...ENDLESS, job_id: 'to-cancel' });
    await firstToken(s);
    assert.strictEqual((await cancel(worker, 'to-cancel')).status, 204);
    const end = await lastOf(s);
    assert.strictEqual(end.stop_reason, 'CANCELLED');
    assert.ok(end.tokens_out >= 1 && end.tokens_out < ENDLESS.max_tokens);
    assert.ok(s.done);
    assert.strictEqual((await cancel(worker, 'to-cancel')).status, 204);
    assert.strictEqual((await cancel(worker, 'none%20such')).status, 204);
    await idle(worker);
  });

  test('a client that leaves frees its slot', async () => {
    const s = await infer(worker, ENDLESS);
    await firstToken(s);
    assert.strictEqual((await state(worker)).slots_busy, 1);
    s.leave();
    await idle(worker);
  });

  test('a client that leaves during the prompt frees its slot', async () => {
    const request = http.request(`${worker.url}/v1/inference`, { method: 'POST', agent: false });
    request.on('error', () => {});
    request.end(JSON.stringify({ prompt: 'a'.repeat(8000), max_tokens: 8000, stream: false })); // longer than a look may be late
    await until(async () => (await state(worker)).slots_busy === 1, 'busy');
    request.destroy();
    await idle(worker);
  });

  test('who waits can be cancelled, too, and may leave', async () => {
    const running = await infer(worker, ENDLESS);
    await firstToken(running);
    const waiting = await infer(worker, { ...ENDLESS, job_id: 'waiting' });
    const leaving = await infer(worker, ENDLESS);
    assert.strictEqual((await state(worker)).queued, 2);
    await cancel(worker, 'waiting');
    leaving.leave();
    const events = await waiting.all();
    assert.deepStrictEqual(events.map((e) => e.type), ['started', 'end']);
    assert.strictEqual(events[1].stop_reason, 'CANCELLED');
    assert.strictEqual(events[1].tokens_out, 0);
    await until(async () => (await state(worker)).queued === 0, 'nobody waits');
    assert.strictEqual((await state(worker)).slots_busy, 1);
    running.leave();
    await idle(worker);
  });

  test('a deadline ends a running answer with an error and [DONE]', async () => {
    const s = await infer(worker, { ...ENDLESS, timeout_seconds: 2 }); // it begins within that, and goes on for longer
    const last = await lastOf(s);
    assert.deepStrictEqual([last.type, last.code, last.retriable], ['error', 'REQUEST_TIMEOUT', true]);
    assert.match(last.message, /\b2 seconds/);
    assert.ok(s.done);
    await idle(worker);
  });

  test('a deadline counts while waiting, and without a stream gives 408', async () => {
    const running = await infer(worker, ENDLESS);
    await firstToken(running);
    const late = await post(worker, { ...ENDLESS, timeout_seconds: 0.1, stream: false });
    assertError(late, 408, 'REQUEST_TIMEOUT');
    running.leave();
    await idle(worker);
  });

  test('the id of a job that is not over is refused, and free again later', async () => {
    const s = await infer(worker, { ...ENDLESS, job_id: 'twice' });
    await firstToken(s);
    const error = assertError(await post(worker, { prompt: 'a', job_id: 'twice' }), 400, 'INVALID_REQUEST');
    assert.strictEqual(error.details.errors[0].field, 'job_id');
    s.leave();
    await idle(worker);
    assert.strictEqual((await post(worker, { prompt: 'a', job_id: 'twice', max_tokens: 1, stream: false })).status, 200);
  });

  test('slots and queue full: 503 with Retry-After and the numbers; later there is room', async () => {
    const all = [await infer(worker, ENDLESS)];
    await firstToken(all[0]);
    all.push(await infer(worker, ENDLESS), await infer(worker, ENDLESS));
    const answer = await post(worker, ENDLESS);
    const { details } = assertError(answer, 503, 'ALL_SLOTS_BUSY');
    assert.ok(Number(answer.headers['retry-after']) >= 1);
    assert.deepStrictEqual([details.slots_total, details.slots_busy, details.queued], [1, 1, 2]);
    for (const s of all) s.leave();
    await idle(worker);
    assert.strictEqual((await post(worker, { prompt: 'a', max_tokens: 1, stream: false })).status, 200);
  });

  test('a hundred clients that come and go leave no slot lost', async () => {
    for (let i = 0; i < 100; i++) {
      const request = http.request(`${worker.url}/v1/inference`, { method: 'POST', agent: false });
      request.on('error', () => {});
      request.end(JSON.stringify({ ...ENDLESS, stream: i % 2 === 0 }));
      await sleep(i % 7);
      request.destroy();
    }
    await idle(worker);
    assert.strictEqual((await post(worker, { prompt: 'a', max_tokens: 1, stream: false })).status, 200);
  });
});

describe('fairness', () => {
  test('a long prompt slows the others down, but never stops them', async () => {
    const worker = await ready(await startWorker({ ...SLOW, slots: 2 }));
    const running = await infer(worker, ENDLESS);
    await firstToken(running);
    const before = running.events.length;
    const newcomer = await infer(worker, { prompt: 'a'.repeat(3000), max_tokens: 1 });
    await lastOf(newcomer);
    await new Promise(setImmediate); // what came before its end on the other connection is read, too
    // 3000 tokens are at least 12 batches of 256, and each has a row of the one that decodes.
    assert.ok(running.events.length - before >= 10, `${running.events.length - before} tokens meanwhile`);
    running.leave();
    await worker.stop();
  });

  /* Some megabytes, with twenty alternatives a token: more than kernels keep, and than the worker does. The slow one
   * is cut in the end; until then, while all of it fills, the others get their answers. */
  test('a slow reader does not slow the others', async (t) => {
    const model = path.join(makeFolder(), 'quick.gguf');
    writeHollowModel(model, { layers: 1, embd: 64, ff: 64, ctx: 16384 });
    const worker = await startWorker({ ...SLOW, model, slots: 2 });
    t.after(() => worker.stop());
    await ready(worker);
    const slow = await infer(worker, { ...ENDLESS, logprobs: true, top_logprobs: 20 });
    slow.response.pause();
    const end = Date.now() + 60000;
    for (let n = 1; (await state(worker)).slow_clients_cut === 0; n++) {
      assert.ok(Date.now() < end, `behind ${n} answers of others nobody is cut:\n${worker.stderr}`);
      const answer = await post(worker, { ...ENDLESS, max_tokens: 30, stream: false });
      assert.deepStrictEqual([answer.status, answer.json.tokens_out], [200, 30], answer.text);
    }
    await worker.says(/reads too slowly and is cut off: \d{7,} bytes wait for it/);
    await idle(worker);
  });
});

describe('loading', { skip }, () => {
  const model = path.join(makeFolder(), 'large.gguf');
  before(() => writeHollowModel(model, { layers: 24, embd: 512, ff: 1408 }));

  test('progress is told to all who watch, truly, and ends with ready', async () => {
    let worker, early, streams, seen;
    await until(async () => { // it may have loaded before all of them watch
      if (worker) await worker.stop();
      worker = await startWorker({ model });
      early = await state(worker);
      streams = await Promise.all([0, 1, 2].map(() => stream(`${worker.url}/v1/loading/progress`)));
      seen = await Promise.all(streams.map((s) => s.all()));
      return !early.ready && seen.every((events) => events.length > 3);
    }, () => `several reports, of a load that is asked about: ${JSON.stringify([early, seen])}`);
    assert.strictEqual(early.state, 'loading');
    assert.strictEqual(early.progress_url, `${worker.url}/v1/loading/progress`);
    for (const events of seen) {
      assert.deepStrictEqual(events.at(-1), { stage: 'ready' });
      const steps = events.slice(0, -1);
      for (const [i, e] of steps.entries()) {
        assert.strictEqual(e.stage, 'loading_to_ram');
        assert.ok(e.bytes_loaded <= e.bytes_total && e.layers_loaded <= e.layers_total);
        if (i > 0) assert.ok(e.bytes_loaded >= steps[i - 1].bytes_loaded);
      }
      assert.strictEqual(steps.at(-1).bytes_loaded, steps.at(-1).bytes_total);
      assert.strictEqual(steps.at(-1).layers_loaded, steps.at(-1).layers_total);
      assert.ok(steps.at(-1).bytes_total > 0.9 * fs.statSync(model).size);
    }
    for (const s of streams) assert.ok(s.done);
    const late = await stream(`${worker.url}/v1/loading/progress`);
    assert.deepStrictEqual(await late.all(), [{ stage: 'ready' }]);
    assert.ok(late.done);
    const now = await state(worker);
    assert.deepStrictEqual([now.ready, now.state, now.model_loaded], [true, 'idle', true]);
    await worker.stop();
  });

  /* It was http:// whatever the worker speaks: who followed it was told "This port speaks https". */
  test('bound to all addresses: told under the name that was asked, and by https where that is spoken', { skip: noTls }, async (t) => {
    const key = 'rbee-test-key-of-34-characters-xyz', [cert, secret] = selfSigned(), host = await hostFor(t);
    const door = await host.door(8081); // before it loads: that it is loading still is what is asked
    const where = await until(async () => { // it may have loaded before it is asked
      const worker = host.startWith({ RBEE_API_KEY: key }, WORKER, 'serve', '--model', model, '--addr', '0.0.0.0:8081',
        '--tls-cert', cert, '--tls-key', secret);
      await worker.says(/listens on https:\/\/0\.0\.0\.0:8081/);
      const text = await new Promise((resolve, reject) => {
        https.get({ port: door, host: '127.0.0.1', path: '/v1/ready', rejectUnauthorized: false, headers: { Authorization: `Bearer ${key}`, Host: 'bee2.home.arpa:8081' } },
          (response) => response.on('data', resolve)).on('error', reject);
      });
      await worker.stop();
      const told = JSON.parse(text);
      return told.state === 'loading' && told.progress_url;
    }, 'an ask that comes in time');
    assert.strictEqual(where, 'https://bee2.home.arpa:8081/v1/loading/progress');
  });

  test('a request that comes early waits and is answered', async () => {
    const worker = await startWorker({ model });
    const answer = await post(worker, { prompt: 'abc', max_tokens: 2, temperature: 0, stream: false });
    assert.strictEqual(answer.status, 200, answer.text);
    assert.strictEqual(answer.json.tokens_out, 2);
    await worker.stop();
  });

  test('SIGTERM while loading ends it, and tells who watches', async () => {
    await until(async () => { // it may have loaded before it is asked to end
      const worker = await startWorker({ model }), watcher = await stream(`${worker.url}/v1/loading/progress`);
      worker.signal('SIGTERM');
      const last = await lastOf(watcher);
      assert.ok(watcher.done);
      assert.deepStrictEqual(await worker.end(), { code: 0, killedBy: null });
      if (last.stage !== 'ready') assert.match(`${last.stage} ${last.code}: ${last.message}`, /^error WORKER_START_FAILED: .* told to end before/);
      return last.stage !== 'ready';
    }, 'a signal that comes in time');
  });

  test('a damaged file: an error event, a sentence, exit 1', async () => {
    const damaged = path.join(makeFolder(), 'damaged.gguf');
    fs.copyFileSync(MODEL, damaged);
    fs.truncateSync(damaged, fs.statSync(MODEL).size / 2);
    const worker = await startWorker({ model: damaged });
    const watcher = await stream(`${worker.url}/v1/loading/progress`);
    const event = await lastOf(watcher);
    assert.deepStrictEqual([event.stage, event.code], ['error', 'INVALID_MODEL_FILE']);
    assert.match(event.message, /damaged\.gguf/);
    assert.ok(watcher.done);
    const { json } = await get(worker, '/v1/ready');
    assert.deepStrictEqual([json.ready, json.state, json.error.code], [false, 'failed', 'INVALID_MODEL_FILE']);
    assertError(await post(worker, { prompt: 'a' }), 422, 'INVALID_MODEL_FILE');
    assert.deepStrictEqual(await worker.end(), { code: 1, killedBy: null });
    assert.match(worker.stderr, /INVALID_MODEL_FILE: .*damaged\.gguf/);
  });

  test('who waited for a model that cannot be loaded is told why', async () => {
    const worker = await startWorker({ model: '/no/such/model.gguf' });
    assertError(await post(worker, { prompt: 'a' }), 404, 'MODEL_NOT_FOUND');
    assert.strictEqual((await worker.end()).code, 1);
    assert.match(worker.stderr, /\/no\/such\/model\.gguf/);
  });

  test('a kernel set that is not here', async () => {
    const worker = await startWorker({ kernels: 'abacus' });
    assert.strictEqual((await worker.end()).code, 1);
    assert.match(worker.stderr, /BACKEND_UNAVAILABLE.*abacus/);
  });
});

describe('the board', () => {
  const STATES = ['starting', 'loading', 'ready', 'draining', 'failed'];

  /* A board in a file: the layout of struct board (src/api/board.h). */
  function makeBoard() {
    const file = path.join(makeFolder(), 'board');
    const bytes = Buffer.alloc(4096);
    bytes.writeUInt32LE(0x72626565, 0);
    bytes.writeUInt32LE(6, 4); // BOARD_VERSION
    fs.writeFileSync(file, bytes);
    const fd = fs.openSync(file, 'r+');
    const text = (b, at, n) => b.subarray(at, at + n).toString().split('\0')[0];
    const read = () => {
      const b = fs.readFileSync(file);
      return {
        state: STATES[b.readUInt32LE(8)], slotsTotal: b.readUInt32LE(12), slotsBusy: b.readUInt32LE(16),
        queued: b.readUInt32LE(20), steps: b.readBigUInt64LE(24), tokensOut: b.readBigUInt64LE(32),
        activity: b.readBigInt64LE(40), bytesLoaded: b.readBigUInt64LE(48), bytesTotal: b.readBigUInt64LE(56),
        layersLoaded: b.readUInt32LE(64), layersTotal: b.readUInt32LE(68), nCtx: b.readUInt32LE(72),
        errorCode: text(b, 76, 64), errorText: text(b, 140, 1024),
      };
    };
    return { fd, read };
  }

  test('shows what the worker does, from outside of it', async () => {
    const board = makeBoard();
    const worker = await startWorker({ ...SLOW, slots: 1, 'board-fd': 3 }, { stdio: [board.fd] });
    await until(() => board.read().state === 'ready', 'ready');
    const first = board.read();
    assert.deepStrictEqual([first.slotsTotal, first.slotsBusy, first.queued, first.nCtx], [1, 0, 0, 16384]);
    assert.ok(first.bytesTotal > 1e6 && first.bytesLoaded === first.bytesTotal);
    assert.ok(first.layersTotal > 4 && first.layersLoaded === first.layersTotal);
    const running = await infer(worker, ENDLESS);
    await firstToken(running);
    const waiting = await infer(worker, ENDLESS);
    const busy = await until(() => {
      const b = board.read();
      return b.queued === 1 && b.slotsBusy === 1 && b.steps > first.steps && b.tokensOut > 0n && b;
    }, 'one runs, one waits');
    assert.ok(busy.activity >= first.activity);
    await until(() => board.read().steps > busy.steps, 'it goes on');
    running.leave();
    waiting.leave();
    await until(() => board.read().slotsBusy === 0 && board.read().queued === 0, 'idle again');
    worker.signal('SIGTERM');
    await worker.end();
    assert.strictEqual(board.read().state, 'draining');
    fs.closeSync(board.fd);
  });

  /* The list told of a queue as long as a lone request's prompt was read. */
  test('a request that is alone is not told to wait while its prompt is read', async () => {
    const worker = await ready(await startWorker({ ...SLOW, slots: 4 }));
    const running = await infer(worker, { ...ENDLESS, prompt: 'abcdefgh'.repeat(1500) });
    await until(async () => { const s = await state(worker); return s.slots_busy === 1 && s.queued === 0; }, 'it has its slot');
    assert.strictEqual(running.events.filter((e) => e.json && e.json.type === 'token').length, 0);
    running.leave();
    await worker.stop();
  });

  test('says why loading failed', async () => {
    const board = makeBoard();
    const worker = await startWorker({ model: '/no/such.gguf', 'board-fd': 3 }, { stdio: [board.fd] });
    await worker.end();
    const last = board.read();
    assert.deepStrictEqual([last.state, last.errorCode], ['failed', 'MODEL_NOT_FOUND']);
    assert.match(last.errorText, /\/no\/such\.gguf/);
    fs.closeSync(board.fd);
  });
});

describe('beginnings and ends', { skip }, () => {
  /* Answers every request with 200 and keeps what was asked. */
  async function startHive(answer = (_, response) => response.end('{"ok":true}')) {
    const hive = { asked: [] };
    hive.server = http.createServer(async (request, response) => {
      let text = '';
      for await (const piece of request) text += piece;
      const { method, url, headers: { authorization } } = request;
      hive.asked.push({ method, url, authorization, body: JSON.parse(text) });
      answer(request, response, hive.asked.length);
    });
    await new Promise((resolve) => hive.server.listen(0, '127.0.0.1', resolve));
    hive.url = `http://127.0.0.1:${hive.server.address().port}`;
    hive.stop = () => { hive.server.closeAllConnections(); hive.server.close(); };
    return hive;
  }

  test('the hive is told twice: here, and loaded', async () => {
    const hive = await startHive();
    const worker = await startWorker({
      'hive-url': hive.url, 'worker-id': 'worker-1', 'model-ref': 'tiny', slots: 3,
    });
    await until(() => hive.asked.some((a) => a.body.state === 'idle'), 'the second call');
    const [first] = hive.asked;
    assert.deepStrictEqual([first.method, first.url], ['POST', '/v1/workers/ready']);
    assert.strictEqual(first.body.url, worker.url);
    assert.strictEqual(first.body.model_ref, 'tiny');
    assert.deepStrictEqual([first.body.backend, first.body.device], ['cpu', 0]);
    const last = hive.asked.at(-1).body;
    assert.deepStrictEqual([last.worker_id, last.slots_total], ['worker-1', 3]);
    assert.ok(last.n_ctx > 0);
    await worker.stop();
    hive.stop();
  });

  test('a hive that fails is asked again; one that is not there is no reason to end', async () => {
    const hive = await startHive((_, response, n) => {
      response.statusCode = n < 3 ? 500 : 200;
      response.end('{}');
    });
    const worker = await startWorker({ 'hive-url': hive.url });
    await until(() => hive.asked.length >= 3, 'the third call');
    await worker.stop();
    hive.stop();
    const alone = await ready(await startWorker({ 'hive-url': hive.url }));
    assert.strictEqual((await post(alone, { prompt: 'a', max_tokens: 1, stream: false })).status, 200);
    await alone.says(/was not told of this worker: Connection refused/);
    await alone.stop();
  });

  test('shutdown lets what runs go on, refuses what comes, and exits 0', async () => {
    await until(async () => { // the answer may be over before all this is done
      const worker = await ready(await startWorker({ ...SLOW, slots: 1 }));
      const running = await infer(worker, { ...ENDLESS, max_tokens: 500 });
      await firstToken(running);
      const { port } = new URL(worker.url), late = JSON.stringify({ prompt: 'abc', max_tokens: 1 });
      const half = net.connect(port, '127.0.0.1').on('error', () => {});
      await new Promise((resolve) => half.once('connect', resolve));
      half.write(`POST /v1/inference HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: ${late.length}\r\n\r\n${late.slice(0, 5)}`);
      await get(worker, '/v1/health'); // behind it: what was sent so far is there
      const answer = await ask(`${worker.url}/v1/admin/shutdown`, { method: 'POST' });
      assert.strictEqual(answer.status, 202);
      assert.deepStrictEqual(answer.json, { state: 'draining' });
      await assert.rejects(get(worker, '/v1/health'), { code: 'ECONNREFUSED' });
      let refusal = '';
      half.setEncoding('utf8').on('data', (text) => { refusal += text; });
      half.write(late.slice(5));
      await until(() => /"request_id"/.test(refusal) || running.over, () => `a refusal: ${refusal}`);
      const meanwhile = !running.over;
      if (meanwhile) assert.match(refusal, /^HTTP\/1\.1 503 [\s\S]*"ALL_SLOTS_BUSY"[\s\S]*"draining":true/);
      await endsWhole(worker, running, 500);
      await assert.rejects(get(worker, '/v1/health'), { code: 'ECONNREFUSED' });
      return meanwhile;
    }, 'an answer that goes on meanwhile');
  });

  test('SIGTERM drains, and a second one ends its answers, each with its last word', async () => {
    const worker = await ready(await startWorker({ ...SLOW, slots: 1 }));
    const running = await infer(worker, ENDLESS);
    await firstToken(running);
    worker.signal('SIGTERM');
    await worker.says(/ending: 1 answer/);
    const count = running.events.length;
    await until(() => running.events.length > count, 'the answer goes on');
    worker.signal('SIGTERM');
    const last = await lastOf(running);
    assert.deepStrictEqual([last.type, last.code], ['error', 'WORKER_CRASHED']);
    assert.ok(running.done);
    assert.deepStrictEqual(await worker.end(), { code: 0, killedBy: null });
  });

  test('a drain by request, then SIGTERM: what runs goes on', async () => {
    await until(async () => { // the answer may be over before the signal
      const worker = await ready(await startWorker({ ...SLOW, slots: 1 }));
      const running = await infer(worker, { ...ENDLESS, max_tokens: 500 });
      await firstToken(running);
      await ask(`${worker.url}/v1/admin/shutdown`, { method: 'POST' });
      worker.signal('SIGTERM');
      await sleep(20); // what has come is read
      const meanwhile = !running.over;
      await endsWhole(worker, running, 500);
      return meanwhile;
    }, 'a signal that comes in time');
  });

  test('Ctrl+C drains, and a second one ends it at once', async () => {
    const worker = await ready(await startWorker({ ...SLOW, slots: 1 }));
    const running = await infer(worker, ENDLESS);
    await firstToken(running);
    worker.signal('SIGINT');
    await worker.says(/ending: 1 answer/);
    worker.signal('SIGINT');
    assert.deepStrictEqual(await worker.end(), { code: 1, killedBy: null });
  });

  /* The window of a terminal was closed over it: the answer broke off without a word. A shell and the kernel may
   * both say so. */
  test('SIGHUP drains, however often it comes', async () => {
    await until(async () => { // the answer may be over before the signals
      const worker = await ready(await startWorker({ ...SLOW, slots: 1 }));
      const running = await infer(worker, { ...ENDLESS, max_tokens: 500 });
      await firstToken(running);
      worker.signal('SIGHUP');
      const [, n] = await worker.says(/ending: (\d+) answers/);
      worker.signal('SIGHUP');
      await sleep(20); // what has come is read
      const meanwhile = n === '1' && !running.over;
      await endsWhole(worker, running, 500);
      return meanwhile;
    }, 'signals that come in time');
  });

  test('an idle worker ends at once on SIGTERM', async () => {
    const worker = await ready(await startWorker());
    const began = performance.now();
    worker.signal('SIGTERM');
    assert.deepStrictEqual(await worker.end(), { code: 0, killedBy: null });
    assert.ok(performance.now() - began < 5000);
  });

  test('the end of the lease is the end of the worker, whatever runs', async () => {
    const worker = await ready(await startWorker({ ...SLOW, 'lease-fd': 3 }, { stdio: ['pipe'] }));
    const running = await infer(worker, ENDLESS);
    await firstToken(running);
    worker.child.stdio[3].destroy();
    assert.strictEqual((await worker.end(1000)).code, 1);
  });

  test('a pipe as the lease: the kernel ends the worker, also one whose threads all stand still', async () => {
    const fifo = path.join(makeFolder(), 'lease');
    assert.strictEqual(spawnSync('mkfifo', [fifo]).status, 0);
    const both = fs.openSync(fifo, 'r+'), end = fs.openSync(fifo, 'r');
    const worker = await ready(await startWorker({ 'lease-fd': 3 }, { stdio: [end] }));
    worker.signal('SIGSTOP');
    await until(() => /^State:\s+T/m.test(fs.readFileSync(`/proc/${worker.pid}/status`, 'utf8')), 'it stands still');
    fs.closeSync(end);
    fs.closeSync(both); // the last who could write; its parent, which is this process, lives
    assert.deepStrictEqual(await worker.end(1000), { code: null, killedBy: 'SIGKILL' });
  });

  test('a parent killed takes its worker along, also while the lease is held by another', async () => {
    const shell = new Proc('/bin/sh', ['-c', '"$@" & echo "pid $!"; wait', 'sh', WORKER, 'serve', '--model',
      MODEL, '--addr', '127.0.0.1:0', '--lease-fd', '3'], { stdio: ['pipe'] });
    const [, pid] = await shell.says(/pid (\d+)/);
    await shell.says(/listens on/);
    shell.signal('SIGKILL');
    await until(() => !isAlive(Number(pid)), 'the worker dies', 1000);
    shell.child.stdio[3].destroy();
    await shell.ended;
  });

  test('an inherited socket is served', async () => {
    const { TCP, constants } = process.binding('tcp_wrap');
    const handle = new TCP(constants.SERVER);
    assert.strictEqual(handle.bind('127.0.0.1', 0), 0);
    const worker = await startWorker({ 'listen-fd': 3, addr: null }, { stdio: [handle.fd] });
    handle.close();
    await ready(worker);
    assert.strictEqual((await get(worker, '/v1/health')).json.status, 'alive');
    await worker.stop();
  });

  test('a number alone is a port, and no host', async () => { // it was 0.0.31.145 to the system
    const worker = new Proc(WORKER, ['serve', '--model', MODEL, '--addr', '8081']);
    assert.strictEqual((await worker.end()).code, 1);
    assert.match(worker.stderr, /'8081' names no host: 8081 is a port; write 127\.0\.0\.1:8081/);
  });

  test('on an address that others can reach a key is needed, but for its health', { skip: notApart }, async (t) => {
    const key = 'rbee-test-key-of-34-characters-xyz';
    const none = new Proc(WORKER, ['serve', '--model', MODEL, '--addr', '0.0.0.0:0']);
    assert.strictEqual((await none.end()).code, 1);
    assert.match(none.stderr, /key is needed: set RBEE_API_KEY/);
    const plain = new Proc(WORKER, ['serve', '--model', MODEL, '--addr', '0.0.0.0:0'], { env: { RBEE_API_KEY: key } });
    assert.strictEqual((await plain.end()).code, 1);
    assert.match(plain.stderr, /keys and prompts cross the network in the clear: give --tls-cert FILE and --tls-key FILE, say --tls off/);
    const hive = await startHive();
    const host = await hostFor(t), back = `http://127.0.0.1:${await host.wayOut(new URL(hive.url).port)}`;
    const worker = host.startWith({ RBEE_API_KEY: key }, WORKER, 'serve', '--model', MODEL, '--addr', '0.0.0.0:8081',
      '--hive-url', back, '--tls', 'off');
    await worker.says(/listens on http:\/\/0\.0\.0\.0:8081/);
    worker.url = `http://127.0.0.1:${await host.door(8081)}`;
    const health = await ask(`${worker.url}/v1/health`, { headers: { Host: 'bee2.home.arpa:8081' } });
    assert.strictEqual(health.status, 200);
    const missing = await get(worker, '/v1/ready');
    assertError(missing, 401, 'MISSING_API_KEY');
    assert.strictEqual(missing.headers['www-authenticate'], 'Bearer');
    assertError(await post(worker, { prompt: 'a' }, { Authorization: `Bearer ${key}x` }), 401, 'INVALID_API_KEY');
    const { status } = await post(worker, { prompt: 'a', max_tokens: 1, stream: false }, { Authorization: `Bearer ${key}` });
    // of another hive's worker no key is looked at: it is not a wrong one
    assertError(await post(worker, { prompt: 'a' }, { 'X-Rbee-Worker': 'worker-x', Authorization: `Bearer ${key}x` }), 421, 'WRONG_WORKER');
    assert.strictEqual(status, 200);
    await until(() => hive.asked.length > 0, 'the callback');
    assert.strictEqual(hive.asked[0].authorization, `Bearer ${key}`);
    const wrong = [];
    for (let i = 0; i < 14; i++) wrong.push((await post(worker, { prompt: 'a' }, { Authorization: `Bearer ${key}${i}` })).status);
    assert.deepStrictEqual([wrong[0], wrong.at(-1)], [401, 429]);
    assert.ok(!worker.stderr.includes(key));
    await worker.stop();
    // its log knew of the first one only: a burst that ends was never told, nor who had to wait
    assert.deepStrictEqual([...worker.stderr.matchAll(/wrong keys from \S+ \((\d+)\)/g)].map(([, n]) => n), ['1', '14']);
    hive.stop();
  });

  test('by hand beyond loopback: https with files of one\'s own', { skip: noTls }, async (t) => {
    const key = 'rbee-test-key-of-34-characters-xyz', [cert, secret] = selfSigned();
    const args = ['serve', '--model', MODEL, '--addr', '0.0.0.0:0', '--tls-cert', cert, '--tls-key', secret], env = { RBEE_API_KEY: key };
    fs.chmodSync(secret, 0o644);
    const open = new Proc(WORKER, args, { env });
    assert.strictEqual((await open.end()).code, 1);
    assert.match(open.stderr, /can be read by others \(mode 644\): run `chmod 600/);
    fs.chmodSync(secret, 0o600);
    const host = await hostFor(t), worker = host.startWith(env, WORKER, ...args);
    const [, inside] = await worker.says(/listens on https:\/\/0\.0\.0\.0:(\d+)/);
    const port = await host.door(inside);
    const seen = await new Promise((resolve, reject) => {
      https.get({ port, host: '127.0.0.1', path: '/v1/ready', rejectUnauthorized: false, headers: { Authorization: `Bearer ${key}` } }, (response) => {
        resolve({ status: response.statusCode, fingerprint: response.socket.getPeerX509Certificate().fingerprint256 });
        response.resume();
      }).on('error', reject);
    });
    assert.deepStrictEqual(seen, { status: 200, fingerprint: new X509Certificate(fs.readFileSync(cert)).fingerprint256 });
    await worker.stop();
  });

  test('a port in use: one sentence, exit 1', async () => {
    const other = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address();
    const worker = new Proc(WORKER, ['serve', '--model', MODEL, '--addr', `127.0.0.1:${port}`]);
    assert.strictEqual((await worker.end()).code, 1);
    assert.match(worker.stderr, new RegExp(`port ${port} .*taken`));
    other.close();
  });

  test('command lines that cannot be: exit 2 or 1 and a reason', async () => {
    for (const [args, code, reason] of [
      [[], 2, /--model FILE is needed/],
      [['--model', MODEL, '--slots', '0'], 2, /--slots/],
      [['--model', MODEL, '--slots', '257'], 2, /--slots/],
      [['--model', MODEL, '--ctx', '-1'], 2, /--ctx/],
      [['--model', MODEL, '--log-level', 'loud'], 2, /--log-level/],
      [['--model', MODEL, '--prefix-cache', 'maybe'], 2, /--prefix-cache/],
      [['--model', MODEL, '--tls', 'on'], 2, /--tls is auto or off/],
      [['--model', MODEL, '--tls-cert', 'a.pem'], 2, /belong together/],
      [['--model', MODEL, '--speculate', 'on'], 2, /--speculate/],
      [['--model', MODEL, '--queue-timeout', '0'], 2, /--queue-timeout takes a duration such as 30s, 5m or -1, .*not '0'/], // it was for ever
      [['--model', MODEL, '--kv-type', 'f15'], 2, /--kv-type is 'f15'; there are f16 and q8_0/], // these three were exit 1
      [['--model', MODEL, '--sandbox', 'no'], 2, /--sandbox is 'no'/],
      [['--model', MODEL, '--backend', 'gpu'], 2, /--backend is cpu or auto/],
      [['--model', MODEL, '--addr', 'nowhere.invalid:1'], 1, /nowhere\.invalid/],
      [['--model', MODEL, '--addr', '127.0.0.1:99999'], 1, /port/],
      [['--model', MODEL, '--backend', 'cuda'], 1, /cuda/],
      [['--model', MODEL, '--device', '1'], 1, /device 1/],
      [['--model', MODEL, '--addr', '127.0.0.1:0', '--hive-url', 'ftp://x'], 1, /hive's URL/],
      [['--model', MODEL, '--addr', '127.0.0.1:0', '--board-fd', '9'], 1, /descriptor 9/],
      [['--model', MODEL, '--listen-fd', '9'], 1, /descriptor 9/],
    ]) {
      const proc = new Proc(WORKER, ['serve', ...args]);
      assert.strictEqual((await proc.end()).code, code, `${args.join(' ')}: ${proc.stderr}`);
      assert.match(proc.stderr, reason);
    }
  });
});
