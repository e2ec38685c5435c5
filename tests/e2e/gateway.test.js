'use strict';
/*
 * gateway.test.js - the hive as a server for any client: each API whole and as a stream, over a
 * worker that says what the test wants (lib/fakeworker.js), and over a real one.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { testModel, makeFolder, until } = require('./lib/proc.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { hostFor, notApart } = require('./lib/host.js');
const sse = require('./lib/sse.js');
const hives = require('./lib/hive.js');
const { faultsOf, faultsOfEvent } = require('./lib/openai-shape.js');
const { Hub, sha256 } = require('./lib/hub.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');

const { ask } = sse;
const { startHive, list } = hives;

/* Every answer of OpenAI's routes is judged by its published description. */
const judged = (where, answer) => {
  if (answer.json) assert.deepStrictEqual(faultsOf(where, answer.status, answer.json), []);
  return answer;
};
const get = async (hive, where) => judged(where, await hives.get(hive, where));
const post = async (hive, where, body, headers) => judged(where, await hives.post(hive, where, body, headers));
async function stream(url, options) {
  const answer = await sse.stream(url, options), { all } = answer;
  answer.all = async () => {
    const events = await all.call(answer);
    assert.deepStrictEqual(events.flatMap((e) => faultsOfEvent(new URL(url).pathname, e)), []);
    return events;
  };
  return answer;
}

const MODEL = testModel();
const skip = MODEL ? false : 'no model: neither models/tiny.gguf nor the test data are there';
const it = (what, how, ...more) => (assert.ok(!more.length, what), test(what, { skip }, how));

const say = (todo) => [{ role: 'user', content: JSON.stringify(todo) }];
const text = (...pieces) => pieces.map((t, i) => ({ type: 'token', t, i }));
const CALL = [{ type: 'tool_call', index: 0, id: 'call_abc', name: 'add' },
  { type: 'tool_args', index: 0, t: '{"a":' }, { type: 'tool_args', index: 0, t: '1.5,"b":"ü\\n"}' }];
const ARGS = '{"a":1.5,"b":"ü\\n"}';
const THOUGHT = [{ type: 'reasoning', t: 'Let me ', i: 0 }, { type: 'reasoning', t: 'see.', i: 1 }];
const TOOL = { type: 'function', function: { name: 'add', parameters: { type: 'object' } } };

/* A stream of named events: [{ event, data }]. */
async function named(hive, where, body) {
  const answer = await stream(hive.url + where, { method: 'POST', body });
  await answer.all();
  return answer.raw.split('\n\n').filter(Boolean).map((block) => {
    const lines = block.split('\n');
    return { event: (lines.find((l) => l.startsWith('event: ')) || '').slice(7),
      data: JSON.parse(lines.find((l) => l.startsWith('data: ')).slice(6)) };
  });
}

const lines = (answer) => answer.text.trim().split('\n').map(JSON.parse);

describe('over a worker that says what it is told', () => {
  let hive, worker;
  const chat = (body) => post(hive, '/v1/chat/completions', { model: 'tiny', ...body });
  const chunks = async (where, body) =>
    (await stream(hive.url + where, { method: 'POST', body: { model: 'tiny', stream: true, ...body } })).all();
  const asked = () => worker.asked().at(-1);

  before(async () => {
    const folder = makeFolder();
    worker = makeFakeWorker(folder);
    hive = await startHive({ flags: { worker: worker.program }, env: { RBEE_TINY: MODEL || '' } });
  });
  after(() => hive && hive.stop());

  describe('chat completions', () => {
    it('whole: text, usage, request id', async () => {
      const answer = await chat({ messages: say({ events: text('Hé', 'l"l\no') }) });
      assert.strictEqual(answer.status, 200, answer.text);
      const { choices, usage, object, id, system_fingerprint: print } = answer.json;
      assert.strictEqual(object, 'chat.completion');
      assert.match(id, /^chatcmpl-[0-9a-f]{32}$/);
      assert.match(print, /^rbee-0\.1\.0-cpu-[0-9a-f]{12}$/);
      assert.match(answer.headers['x-request-id'], /^[0-9a-f-]{36}$/);
      assert.deepStrictEqual(choices, [{ index: 0, logprobs: null, finish_reason: 'stop',
        message: { role: 'assistant', content: 'Hél"l\no', refusal: null } }]);
      assert.deepStrictEqual(usage, { prompt_tokens: 11, completion_tokens: 2, total_tokens: 13,
        prompt_tokens_details: { cached_tokens: 4 }, completion_tokens_details: { reasoning_tokens: 0 } });
    });

    it('stream: role once, text piece by piece, a finish reason, usage when asked for', async () => {
      const events = await chunks('/v1/chat/completions',
        { messages: say({ events: text('a', 'b"') }), stream_options: { include_usage: true } });
      assert.deepStrictEqual(events.map((e) => e.choices[0] && e.choices[0].delta),
        [{ role: 'assistant', content: 'a' }, { content: 'b"' }, {}, undefined]);
      assert.deepStrictEqual(events.map((e) => e.choices[0] && e.choices[0].finish_reason), [null, null, 'stop', undefined]);
      assert.deepStrictEqual(events.map((e) => e.usage && e.usage.total_tokens), [null, null, null, 13]);
    });

    it('thoughts and calls', async () => {
      const messages = say({ events: [...THOUGHT, ...CALL], end: { reasoning_tokens: 2 } });
      const answer = await chat({ messages, tools: [TOOL], tool_choice: 'auto' });
      assert.deepStrictEqual(answer.json.choices[0].message, { role: 'assistant', content: null, refusal: null,
        reasoning_content: 'Let me see.',
        tool_calls: [{ id: 'call_abc', type: 'function', function: { name: 'add', arguments: ARGS } }] });
      assert.strictEqual(answer.json.choices[0].finish_reason, 'tool_calls');
      assert.strictEqual(answer.json.usage.completion_tokens_details.reasoning_tokens, 2);
      const deltas = (await chunks('/v1/chat/completions', { messages, tools: [TOOL] })).map((e) => e.choices[0].delta);
      assert.strictEqual(deltas.map((d) => d.reasoning_content || '').join(''), 'Let me see.');
      const calls = deltas.flatMap((d) => d.tool_calls || []);
      assert.deepStrictEqual(calls[0], { index: 0, id: 'call_abc', type: 'function', function: { name: 'add', arguments: '' } });
      assert.strictEqual(calls.map((c) => c.function.arguments).join(''), ARGS);
    });

    it('log-probabilities', async () => {
      const scored = { type: 'token', t: 'hi', i: 0, logprobs: [{ id: 7, t: 'hi', bytes: [104, 105], logprob: -0.5,
        top: [{ id: 7, t: 'hi', bytes: [104, 105], logprob: -0.5 }] }] };
      const answer = await chat({ messages: say({ events: [scored] }), logprobs: true, top_logprobs: 1 });
      const row = { token: 'hi', logprob: -0.5, bytes: [104, 105] };
      assert.deepStrictEqual(answer.json.choices[0].logprobs, { content: [{ ...row, top_logprobs: [row] }], refusal: null });
      assert.strictEqual(asked().top_logprobs, 1);
      const old = await post(hive, '/v1/completions', { prompt: JSON.stringify({ events: [scored] }), logprobs: 1 });
      assert.deepStrictEqual(old.json.choices[0].logprobs,
        { tokens: ['hi'], token_logprobs: [-0.5], top_logprobs: [{ hi: -0.5 }], text_offset: [0] });
    });

    /* A whole answer left out the tokens of thoughts, which the stream has, and said null where it was cut within
     * them: there was no telling how likely an answer was, nor that none of it had been scored. */
    it('log-probabilities are of all tokens, in a whole answer as in a stream', async () => {
      const scored = (type, t) => ({ type, t, i: 0, logprobs: [{ id: 7, t, bytes: [...Buffer.from(t)], logprob: -0.5, top: [] }] });
      const tokens = (choice) => (choice.logprobs ? choice.logprobs.content.map((row) => row.token) : []);
      for (const events of [[scored('reasoning', 'hm'), scored('token', 'so')], [scored('reasoning', 'hm')], []]) {
        const messages = say({ events }), want = events.map((e) => e.t);
        assert.deepStrictEqual(tokens((await chat({ messages, logprobs: true })).json.choices[0]), want);
        const told = await chunks('/v1/chat/completions', { messages, logprobs: true });
        assert.deepStrictEqual(told.flatMap((e) => tokens(e.choices[0])), want);
      }
      const none = await chat({ messages: say({ events: [] }), logprobs: true });
      assert.deepStrictEqual(none.json.choices[0].logprobs, { content: [], refusal: null });
      const text = await post(hive, '/v1/completions', { prompt: JSON.stringify({ events: [] }), logprobs: 1 });
      assert.deepStrictEqual(text.json.choices[0].logprobs, { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] });
    });

    it('every field gets to the worker under its name', async () => {
      const answer = await chat({ messages: [{ role: 'system', content: 's', name: null }, ...say({ events: text('x') })],
        max_completion_tokens: 9, temperature: 0.5, top_p: 0.9, top_k: 3, min_p: 0.1, stop: 'END', seed: 5,
        logit_bias: { 7: -100 }, presence_penalty: 1, frequency_penalty: -1, tools: [TOOL], tool_choice: 'required',
        parallel_tool_calls: false, reasoning_effort: 'low', user: 'u', metadata: {}, store: false,
        response_format: { type: 'json_schema', json_schema: { name: 'n', strict: true, schema: { type: 'object' } } } });
      assert.strictEqual(answer.status, 200, answer.text);
      const { messages, ...rest } = asked();
      assert.deepStrictEqual(messages[0], { role: 'system', content: 's' });
      assert.deepStrictEqual(rest, { url: '/v1/inference', tools: [TOOL], tool_choice: 'required',
        parallel_tool_calls: false, max_tokens: 9, temperature: 0.5, top_p: 0.9, top_k: 3, min_p: 0.1,
        presence_penalty: 1, frequency_penalty: -1, stop: ['END'], seed: 5, logit_bias: { 7: -100 },
        json_schema: { type: 'object' }, template_vars: { reasoning_effort: 'low', enable_thinking: true }, stream: true });
    });

    it('n answers have seeds of their own', async () => {
      const answer = await chat({ messages: say({ events: text('x') }), n: 3, seed: 40 });
      assert.deepStrictEqual(answer.json.choices.map((c) => c.index), [0, 1, 2]);
      assert.deepStrictEqual(worker.asked().slice(-3).map((a) => a.seed).sort(), [40, 41, 42]);
      assert.strictEqual(answer.json.usage.prompt_tokens, 11, 'one prompt counts once');
      assert.strictEqual(answer.json.usage.completion_tokens, 6);
    });

    it('what is not known or cannot be done is refused by name', async () => {
      const cases = [[{ foo: 1 }, 'foo'], [{ n: 9 }, 'n'], [{ audio: {} }, 'audio'], [{ functions: [] }, 'functions'],
        [{ temperature: 3 }, 'temperature'], [{ stop: [1] }, 'stop'], [{ messages: [] }, 'messages'],
        [{ response_format: { type: 'xml' } }, 'response_format'], [{ stream_options: {} }, 'stream_options'],
        [{ top_logprobs: 2 }, 'top_logprobs'], [{ logit_bias: { 1: 101 } }, 'logit_bias']];
      for (const [field, param] of cases) {
        const answer = await chat({ messages: say({ events: [] }), ...field });
        assert.strictEqual(answer.status, 400, JSON.stringify(field));
        const { error } = answer.json;
        assert.strictEqual(error.param, param);
        assert.strictEqual(error.type, 'invalid_request_error');
        assert.strictEqual(error.code, 'invalid_request');
        assert.ok(error.message.includes(param), error.message);
        assert.strictEqual(error.request_id, answer.headers['x-request-id']);
      }
    });

    it('a refusal of the worker keeps its status, also for a stream', async () => {
      const body = { error: { code: 'CONTEXT_LENGTH_EXCEEDED', message: 'the prompt has 9 tokens', details: {}, src: 'worker' } };
      for (const wish of [false, true]) {
        const answer = await chat({ messages: say({ status: 400, body }), stream: wish });
        assert.strictEqual(answer.status, 400, answer.text);
        assert.strictEqual(answer.json.error.code, 'context_length_exceeded');
      }
    });

    /* "Please report it with the request id and the log": no log had it, and the worker had an id of its own. */
    it('an error of our own stands in the log, under the id that the client and the worker know', async () => {
      const body = { error: { code: 'INTERNAL', message: 'oh no\n2026 error: forged', details: {}, src: 'worker' } };
      for (const wish of [false, true]) {
        const { json } = await chat({ messages: say({ status: 500, body }), stream: wish });
        assert.strictEqual(worker.request(), json.error.request_id);
        await until(() => hive.stderr.includes(`INTERNAL in request ${json.error.request_id}, found by the worker: oh no 2026 error: forged\n`), () => hive.stderr);
      }
      const broken = await chunks('/v1/chat/completions', { messages: say({ events: [...text('a'), { type: 'error', code: 'INTERNAL', message: 'in its midst', retriable: false }] }) });
      const { request_id: id } = broken.at(-1).error;
      await until(() => new RegExp(`INTERNAL in request ${id}, found by the \\w+: in its midst`).test(hive.stderr), () => hive.stderr);
      const told = await post(hive, '/tokenize', { model: 'tiny', content: 'words' });
      assert.strictEqual(worker.request(), told.headers['x-request-id']);
    });

    it('a worker that has another\'s port by now: the right one is looked for, not for ever', async () => {
      const body = { error: { code: 'WRONG_WORKER', message: 'not me', details: {}, src: 'worker' } };
      const before = worker.asked().length;
      const answer = await chat({ messages: say({ status: 421, body }) });
      assert.strictEqual(answer.status, 421, answer.text);
      assert.strictEqual(worker.asked().length - before, 3);
    });

    it('a full worker: 503 with Retry-After', async () => {
      const body = { error: { code: 'ALL_SLOTS_BUSY', message: 'full', details: {}, src: 'worker' } };
      const answer = await chat({ messages: say({ status: 503, body }) });
      assert.strictEqual(answer.status, 503);
      assert.ok(Number(answer.headers['retry-after']) >= 1);
      assert.strictEqual(answer.json.error.type, 'server_error');
    });

    it('an error midway is an event, then [DONE]; a worker that breaks off is one, too', async () => {
      const error = { type: 'error', code: 'REQUEST_TIMEOUT', message: 'too slow', retriable: true };
      for (const [todo, code] of [[{ events: [...text('a'), error] }, 'request_timeout'],
        [{ events: text('a'), cut: true }, 'worker_crashed']]) {
        const answer = await stream(`${hive.url}/v1/chat/completions`,
          { method: 'POST', body: { model: 'tiny', stream: true, messages: say(todo) } });
        const events = await answer.all();
        assert.strictEqual(events[0].choices[0].delta.content, 'a');
        assert.strictEqual(events.at(-1).error.code, code);
        assert.deepStrictEqual(['message', 'type', 'param', 'code'].filter((k) => !(k in events.at(-1).error)), []);
        assert.ok(answer.done);
      }
    });

    it('a client that leaves ends the job', async () => {
      const busy = async () => (await list(hive))[0].slots_busy;
      const answer = await stream(`${hive.url}/v1/chat/completions`,
        { method: 'POST', body: { model: 'tiny', stream: true, messages: say({ events: text('a'), hang: true }) } });
      await answer.find((e) => e.choices);
      await until(async () => (await busy()) === 1, 'its slot alone'); // an earlier one may be on its way out
      answer.leave();
      await until(async () => (await busy()) === 0, 'the slot is free');
    });

    /* docs/http-api.md: in silence a comment. The worker's own, which says that it lives, is passed on, as the hive's word
     * and only where there is a stream of events. Three, and sooner than the hive's own three would come. */
    it('a comment of the worker reaches who has a stream of events, and nobody else', async () => {
      worker.hush('spoken');
      const body = { model: 'tiny', stream: true, messages: say({ events: text('a'), comments: 3, until: 'spoken', last: text('b') }) };
      const answer = await stream(`${hive.url}/v1/chat/completions`, { method: 'POST', body });
      await until(() => answer.comments.length >= 3, () => answer.raw);
      assert.deepStrictEqual(answer.comments.slice(0, 3), Array(3).fill(' keep-alive'));
      assert.ok(answer.raw.indexOf('data: ') < answer.raw.indexOf(': keep-alive'), 'those before the first event are not passed on');
      worker.say('spoken');
      assert.strictEqual((await answer.all()).map((e) => e.choices[0]?.delta.content || '').join(''), 'ab');
      const whole = await chat({ ...body, stream: false });
      assert.deepStrictEqual([whole.status, whole.json.choices[0].message.content], [200, 'ab'], whole.text);
      const ollama = lines(await post(hive, '/api/chat', body)); // each line is JSON
      assert.strictEqual(ollama.map((l) => l.message.content).join(''), 'ab');
    });

    /* Somebody else ended it (DELETE of the job at the worker): half an answer must not pass for a whole one. */
    it('a job that was cancelled at its worker is no answer', async () => {
      const cut = { events: [...text('a'), { type: 'end', tokens_out: 1, stop_reason: 'CANCELLED', prompt_tokens: 1 }] };
      const whole = await chat({ messages: say(cut) });
      assert.strictEqual(whole.status, 499, whole.text);
      assert.strictEqual(whole.json.error.code, 'request_cancelled');
      assert.match(whole.json.error.message, /^the worker's job was cancelled\.?$/);
      const answer = await stream(`${hive.url}/v1/chat/completions`, { method: 'POST', body: { model: 'tiny', stream: true, messages: say(cut) } });
      const events = await answer.all();
      assert.strictEqual(events.at(-1).error.code, 'request_cancelled', answer.raw);
      assert.ok(!events.some((e) => e.choices?.[0]?.finish_reason), answer.raw);
      const ollama = await post(hive, '/api/generate', { model: 'tiny', prompt: JSON.stringify(cut), stream: false });
      assert.strictEqual(ollama.status, 499, ollama.text);
      assert.match(ollama.json.error, /^the worker's job was cancelled\.?$/);
    });
  });

  describe('completions', () => {
    it('several prompts, several answers each', async () => {
      const prompt = [JSON.stringify({ events: text('x') }), JSON.stringify({ events: text('y') })];
      const answer = await post(hive, '/v1/completions', { prompt, n: 2 });
      assert.deepStrictEqual(answer.json.choices.map((c) => c.text), ['x', 'x', 'y', 'y']);
      assert.strictEqual(answer.json.usage.prompt_tokens, 22);
    });

    it('token ids are passed as such; echo, suffix and best_of are refused', async () => {
      assert.strictEqual((await post(hive, '/v1/completions', { prompt: [3, 4, 5] })).json.choices[0].text, 'hello');
      assert.deepStrictEqual(asked().prompt_tokens, [3, 4, 5]);
      for (const field of [{ echo: true }, { suffix: 'x' }, { best_of: 2 }]) {
        const answer = await post(hive, '/v1/completions', { prompt: 'x', ...field });
        assert.strictEqual(answer.json.error.param, Object.keys(field)[0]);
      }
    });
  });

  describe('messages (Anthropic)', () => {
    const ASK = { model: 'tiny', max_tokens: 50 };
    const whole = (more) => post(hive, '/v1/messages', { ...ASK, ...more });

    it('thinking, text and calls as blocks', async () => {
      const answer = await whole({ messages: say({ events: [...THOUGHT, ...text('so'), ...CALL] }) });
      assert.deepStrictEqual(answer.json.content, [{ type: 'thinking', signature: '', thinking: 'Let me see.' },
        { type: 'text', text: 'so' }, { type: 'tool_use', id: 'call_abc', name: 'add', input: JSON.parse(ARGS) }]);
      assert.strictEqual(answer.json.stop_reason, 'tool_use');
      assert.deepStrictEqual(answer.json.usage, { input_tokens: 7, cache_creation_input_tokens: 0, cache_read_input_tokens: 4, output_tokens: 2 });
    });

    it('as a stream of named events', async () => {
      const events = await named(hive, '/v1/messages',
        { ...ASK, stream: true, messages: say({ events: [...THOUGHT, ...text('a', 'b'), ...CALL] }) });
      assert.deepStrictEqual(events.map((e) => e.event).filter((e, i, all) => e !== all[i - 1]),
        ['message_start', 'content_block_start', 'content_block_delta', 'content_block_stop', 'content_block_start',
          'content_block_delta', 'content_block_stop', 'content_block_start', 'content_block_delta',
          'content_block_stop', 'message_delta', 'message_stop']);
      for (const e of events) assert.strictEqual(e.data.type, e.event);
      const deltas = events.filter((e) => e.event === 'content_block_delta').map((e) => e.data);
      const of = (i, name) => deltas.filter((d) => d.index === i).map((d) => d.delta[name]).join('');
      assert.strictEqual(of(0, 'thinking'), 'Let me see.');
      assert.strictEqual(of(1, 'text'), 'ab');
      assert.strictEqual(of(2, 'partial_json'), ARGS);
      assert.strictEqual(events.at(-2).data.delta.stop_reason, 'tool_use');
    });

    it('a history of blocks becomes a conversation', async () => {
      await whole({ system: [{ type: 'text', text: 'be ' }, { type: 'text', text: 'kind' }], tools: [{ name: 'add', input_schema: { type: 'object' } }],
        tool_choice: { type: 'any', disable_parallel_tool_use: true }, stop_sequences: ['Q'], thinking: { type: 'enabled', budget_tokens: 1024 },
        messages: [{ role: 'user', content: 'hi' },
          { role: 'assistant', content: [{ type: 'thinking', thinking: 'hm', signature: '' }, { type: 'text', text: 'ok' }, { type: 'tool_use', id: 't1', name: 'add', input: { a: 1 } }] },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content: [{ type: 'text', text: '2' }] }, { type: 'text', text: 'go on' }] }] });
      const { url, stream: always, ...rest } = asked();
      assert.deepStrictEqual(rest, { max_tokens: 50, stop: ['Q'], tool_choice: 'required', parallel_tool_calls: false,
        template_vars: { enable_thinking: true }, tools: [TOOL],
        messages: [{ role: 'system', content: 'be kind' }, { role: 'user', content: 'hi' },
          { role: 'assistant', content: 'ok', reasoning_content: 'hm',
            tool_calls: [{ id: 't1', type: 'function', function: { name: 'add', arguments: { a: 1 } } }] },
          { role: 'tool', tool_call_id: 't1', content: '2' }, { role: 'user', content: 'go on' }] });
    });

    it('a stop sequence is named', async () => {
      const answer = await whole({ messages: say({ events: text('a'), end: { stop_reason: 'STOP_SEQUENCE', stop_sequence_matched: 'E"D' } }) });
      assert.strictEqual(answer.json.stop_reason, 'stop_sequence');
      assert.strictEqual(answer.json.stop_sequence, 'E"D');
    });

    it('errors in its own shape; images are refused; tokens are counted', async () => {
      for (const [body, pattern] of [[{ messages: say({}) , max_tokens: null }, /max_tokens/],
        [{ messages: [{ role: 'user', content: [{ type: 'image', source: {} }] }] }, /image/], [{ messages: say({}), foo: 1 }, /foo/]]) {
        const answer = await whole(body);
        assert.strictEqual(answer.status, 400);
        assert.strictEqual(answer.json.type, 'error');
        assert.strictEqual(answer.json.error.type, 'invalid_request_error');
        assert.match(answer.json.error.message, pattern);
        assert.strictEqual(answer.json.request_id, answer.headers['x-request-id']);
      }
      const count = await post(hive, '/v1/messages/count_tokens', { model: 'tiny', messages: [{ role: 'user', content: 'x' }] });
      assert.deepStrictEqual(count.json, { input_tokens: 42 });
      const more = { metadata: { user_id: 'ann' }, service_tier: 'auto', anthropic_version: '2023-06-01' };
      assert.deepStrictEqual((await post(hive, '/v1/messages/count_tokens',
        { model: 'tiny', messages: [{ role: 'user', content: 'x' }], ...more })).json, { input_tokens: 42 });
      assert.strictEqual((await post(hive, '/v1/messages', { ...ASK, model: 'nope', messages: say({}) })).json.error.type, 'not_found_error');
    });

    it('an error midway is an event named error', async () => {
      const error = { type: 'error', code: 'INTERNAL', message: 'oh', retriable: false };
      const events = await named(hive, '/v1/messages', { ...ASK, stream: true, messages: say({ events: [...text('a'), error] }) });
      assert.strictEqual(events.at(-1).event, 'error');
      assert.strictEqual(events.at(-1).data.error.type, 'api_error');
    });
  });

  describe('responses (OpenAI)', () => {
    const input = (todo) => JSON.stringify(todo);

    it('whole: items and usage', async () => {
      const answer = await post(hive, '/v1/responses', { model: 'tiny', input: input({ events: [...THOUGHT, ...text('so'), ...CALL] }), temperature: 0.5 });
      assert.strictEqual(answer.status, 200, answer.text);
      const r = answer.json;
      assert.deepStrictEqual(r.output.map((o) => o.type), ['reasoning', 'message', 'function_call']);
      assert.strictEqual(r.output[0].content[0].text, 'Let me see.');
      assert.deepStrictEqual(r.output[1].content, [{ type: 'output_text', text: 'so', annotations: [], logprobs: [] }]);
      assert.deepStrictEqual([r.output[2].call_id, r.output[2].name, r.output[2].arguments], ['call_abc', 'add', ARGS]);
      assert.deepStrictEqual([r.object, r.status, r.store, r.temperature, r.error], ['response', 'completed', false, 0.5, null]);
      assert.deepStrictEqual(r.usage, { input_tokens: 11, input_tokens_details: { cached_tokens: 4, cache_write_tokens: 0 }, output_tokens: 2,
        output_tokens_details: { reasoning_tokens: 0 }, total_tokens: 13 });
    });

    /* The scores of a call's tokens come alone behind it, and opened a message without a text in a stream: agents
     * took that for the answer. Those of marks behind a text are the text's. */
    it('scores that come without a text make no message', async () => {
      const scores = (t) => ({ logprobs: [{ id: 7, t, bytes: [...Buffer.from(t)], logprob: -0.5, top: [] }] });
      const scored = (t) => ({ ...text(t)[0], ...scores(t) }), alone = (t) => ({ ...text('')[0], ...scores(t) });
      const read = (r) => r.output.map((o) => (o.type === 'message' ? o.content[0].logprobs.map((row) => row.token).join(' ') : o.type));
      for (const [events, want] of [[[...CALL, alone('{')], ['function_call']], [[scored('a'), alone('</s>'), ...CALL, alone('{')], ['a </s>', 'function_call']],
        [[...THOUGHT, alone('</think>')], ['reasoning']], [[alone('<x>'), scored('a')], ['a']]]) {
        const body = { model: 'tiny', input: input({ events }), include: ['message.output_text.logprobs'] };
        assert.deepStrictEqual(read((await post(hive, '/v1/responses', body)).json), want);
        const told = await (await stream(`${hive.url}/v1/responses`, { method: 'POST', body: { ...body, stream: true } })).all();
        assert.deepStrictEqual(read(told.at(-1).response), want);
        assert.strictEqual(told.filter((e) => e.type === 'response.output_item.added').length, want.length);
      }
    });

    it('as a stream: each item is opened, filled, closed; numbers rise by one', async () => {
      const events = await named(hive, '/v1/responses',
        { model: 'tiny', stream: true, input: input({ events: [...THOUGHT, ...text('a', 'b'), ...CALL] }) });
      assert.deepStrictEqual(events.map((e) => e.data.sequence_number), events.map((e, i) => i));
      for (const e of events) assert.strictEqual(e.data.type, e.event);
      const names = events.map((e) => e.event.replace('response.', ''));
      assert.deepStrictEqual(names, ['created', 'in_progress',
        'output_item.added', 'content_part.added', 'reasoning_text.delta', 'reasoning_text.delta', 'reasoning_text.done', 'content_part.done', 'output_item.done',
        'output_item.added', 'content_part.added', 'output_text.delta', 'output_text.delta', 'output_text.done', 'content_part.done', 'output_item.done',
        'output_item.added', 'function_call_arguments.delta', 'function_call_arguments.delta', 'function_call_arguments.done', 'output_item.done',
        'completed']);
      const closed = events.filter((e) => e.event === 'response.output_item.done').map((e) => e.data.item);
      assert.deepStrictEqual(events.at(-1).data.response.output, closed);
      assert.deepStrictEqual(events.filter((e) => e.data.output_index !== undefined).map((e) => e.data.output_index),
        [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
    });

    it('items of an earlier answer become a conversation', async () => {
      await post(hive, '/v1/responses', { model: 'tiny', instructions: 'be kind', max_output_tokens: 5,
        tools: [{ type: 'function', name: 'add', parameters: { type: 'object' } }], text: { format: { type: 'json_object' } },
        input: [{ role: 'user', content: [{ type: 'input_text', text: 'hi' }] },
          { type: 'reasoning', id: 'r', summary: [], content: [{ type: 'reasoning_text', text: 'hm' }] },
          { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'ok' }] },
          { type: 'function_call', call_id: 'c1', name: 'add', arguments: '{}' },
          { type: 'function_call_output', call_id: 'c1', output: '2' }] });
      const { url, stream: always, ...rest } = asked();
      assert.deepStrictEqual(rest, { max_tokens: 5, tools: [TOOL], json_schema: { type: 'object' },
        messages: [{ role: 'system', content: 'be kind' }, { role: 'user', content: 'hi' },
          { role: 'assistant', content: 'ok', reasoning_content: 'hm',
            tool_calls: [{ id: 'c1', type: 'function', function: { name: 'add', arguments: '{}' } }] },
          { role: 'tool', tool_call_id: 'c1', content: '2' }] });
    });

    it('what would need a memory is refused; cut answers say so', async () => {
      for (const field of [{ store: true }, { previous_response_id: 'x' }, { background: true }, { truncation: 'much' }, { conversation: 'c' }]) {
        const answer = await post(hive, '/v1/responses', { model: 'tiny', input: 'x', ...field });
        assert.strictEqual(answer.status, 400);
        assert.strictEqual(answer.json.error.param, Object.keys(field)[0]);
      }
      const cut = await post(hive, '/v1/responses', { model: 'tiny', input: input({ events: text('a'), end: { stop_reason: 'MAX_TOKENS' } }) });
      assert.deepStrictEqual([cut.json.status, cut.json.incomplete_details], ['incomplete', { reason: 'max_output_tokens' }]);
    });

    /* Codex looks for response.failed; of a stream that ended with the event `error` alone it said "stream
       closed before response.completed", and asked five times more, whatever the error was. */
    it('an error midway is a response that failed, then an error', async () => {
      for (const [code, told] of [['WORKER_STALLED', 'server_error'], ['CONTEXT_LENGTH_EXCEEDED', 'context_length_exceeded'], ['INVALID_REQUEST', 'invalid_prompt']]) {
        const events = await named(hive, '/v1/responses', { model: 'tiny', stream: true,
          input: input({ events: [...text('a'), { type: 'error', code, message: 'oh', retriable: false }] }) });
        const [failed, error] = events.slice(-2);
        assert.deepStrictEqual([failed.event, failed.data.response.status, failed.data.response.error], ['response.failed', 'failed', { code: told, message: 'oh' }]);
        assert.deepStrictEqual([error.event, error.data.code, error.data.message], ['error', code.toLowerCase(), 'oh']);
        assert.deepStrictEqual(events.map((e) => e.data.sequence_number), events.map((e, i) => i));
        assert.deepStrictEqual(events.flatMap((e) => faultsOfEvent('/v1/responses', e.data)), []);
      }
    });
  });

  /* Anthropic's, llama-server's and Ollama's clients begin the answer for the model: `{"colour": "`. What they
     began was closed, and the answer began anew. */
  describe('a last message of the assistant', () => {
    const turns = [{ role: 'user', content: 'hi' }, { role: 'assistant', content: '{"colour": "' }];
    const goesOn = async (where, more) => {
      const answer = await post(hive, where, { model: 'tiny', messages: turns, ...more });
      assert.strictEqual(answer.status, 200, answer.text);
      return asked().continue_final_message;
    };

    it('is gone on with', async () => {
      assert.strictEqual(await goesOn('/v1/messages', { max_tokens: 5 }), true);
      assert.strictEqual(await goesOn('/v1/messages', { max_tokens: 5, messages: [turns[0], { role: 'assistant', content: [{ type: 'text', text: 'So' }] }] }), true);
      assert.strictEqual(await goesOn('/v1/messages/count_tokens', {}), true);
      assert.strictEqual(await goesOn('/v1/chat/completions', {}), true);
      assert.strictEqual(await goesOn('/v1/chat/completions', { continue_final_message: true, add_generation_prompt: false }), true);
      assert.strictEqual(await goesOn('/api/chat', { stream: false }), true);
    });

    it('is whole where its client says so, where the answer must have a form, and of a response', async () => {
      assert.strictEqual(await goesOn('/v1/chat/completions', { continue_final_message: false }), false);
      assert.strictEqual(await goesOn('/v1/chat/completions', { add_generation_prompt: true }), undefined);
      assert.strictEqual(await goesOn('/v1/chat/completions', { response_format: { type: 'json_object' } }), undefined);
      assert.strictEqual(await goesOn('/v1/messages', { max_tokens: 5, tools: [{ name: 'f', input_schema: {} }], tool_choice: { type: 'any' } }), undefined);
      assert.strictEqual(await goesOn('/v1/chat/completions', { messages: turns.slice(0, 1) }), undefined);
      assert.strictEqual(await goesOn('/v1/chat/completions', { messages: [turns[0], { role: 'assistant', content: 'a', tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] }] }), undefined);
      await post(hive, '/v1/responses', { model: 'tiny', input: turns });
      assert.strictEqual(asked().continue_final_message, undefined);
    });
  });

  describe("Ollama's", () => {
    it('chat: lines, calls as objects, durations in nanoseconds', async () => {
      const answer = await post(hive, '/api/chat', { model: 'tiny:latest', messages: say({ events: [...THOUGHT, ...text('a', 'b'), ...CALL] }) });
      assert.match(answer.headers['content-type'], /^application\/x-ndjson/);
      const all = lines(answer);
      assert.strictEqual(all.map((l) => l.message.content).join(''), 'ab');
      assert.strictEqual(all.map((l) => l.message.thinking || '').join(''), 'Let me see.');
      assert.deepStrictEqual(all.flatMap((l) => l.message.tool_calls || []), [{ id: 'call_abc', function: { index: 0, name: 'add', arguments: JSON.parse(ARGS) } }]);
      const last = all.at(-1);
      assert.deepStrictEqual([last.done, last.done_reason, last.prompt_eval_count, last.eval_count, last.eval_duration, last.prompt_eval_duration],
        [true, 'stop', 11, 2, 7000000, 5000000]);
      assert.deepStrictEqual(all.slice(0, -1).map((l) => l.done), all.slice(0, -1).map(() => false));
    });

    it('generate: a prompt by the template or raw, options by their names', async () => {
      const answer = await post(hive, '/api/generate', { model: 'tiny', prompt: JSON.stringify({ events: text('x') }), system: 's', stream: false,
        format: 'json', think: false, options: { num_predict: 7, temperature: 0, seed: 3, stop: ['Q'], repeat_penalty: 1.5, num_ctx: 2048 } });
      assert.strictEqual(answer.json.response, 'x', answer.text);
      const { url, stream: always, messages, ...rest } = asked();
      assert.strictEqual(messages[0].content, 's');
      assert.deepStrictEqual(rest, { max_tokens: 7, temperature: 0, seed: 3, stop: ['Q'], repetition_penalty: 1.5,
        json_schema: { type: 'object' }, template_vars: { enable_thinking: false } });
      await post(hive, '/api/generate', { model: 'tiny', prompt: 'plain', raw: true, stream: false });
      assert.strictEqual(asked().prompt, 'plain');
    });

    it('errors are one text; options that mean nothing here are refused by name', async () => {
      for (const [more, pattern] of [[{ options: { foo: 1 } }, /foo/], [{ options: { mirostat: 2 } }, /mirostat/], [{ images: ['x'] }, /images/],
        [{ context: [1] }, /context/], [{ template: 'x' }, /template/], [{ options: { num_ctx: 0 } }, /num_ctx/]]) {
        const answer = await post(hive, '/api/generate', { model: 'tiny', prompt: 'x', ...more });
        assert.strictEqual(answer.status, 400, answer.text);
        assert.deepStrictEqual(Object.keys(answer.json), ['error']);
        assert.match(answer.json.error, pattern);
      }
      assert.strictEqual((await post(hive, '/api/chat', { model: 'nope', messages: [] })).status, 404);
      const cut = await post(hive, '/api/chat', { model: 'tiny', messages: say({ events: text('a'), cut: true }) });
      assert.match(lines(cut).at(-1).error, /broke off/);
    });

    it('a client that asks first whether a server is there', async () => { // Ollama's command line does: it was told 404
      for (const method of ['GET', 'HEAD']) {
        const answer = await ask(`${hive.url}/`, { method });
        assert.deepStrictEqual([answer.status, answer.text, answer.headers['content-length']], [200, method === 'GET' ? 'rbee is running' : '', '15']);
      }
      assert.strictEqual((await ask(`${hive.url}/`, { headers: { Host: 'evil.example' } })).status, 403);
    });

    /* As encoding/json writes Ollama's own types, for its command line and programs on its client: what nobody set is
     * there, too, as "" or null. `show` and `pull` were refused for it, and with them `ollama run`. */
    it('the bodies of Go\'s client', async () => {
      const go = (where, body) => post(hive, where, body);
      for (const names of ['"model":"","name":"tiny"', '"model":"tiny","name":""']) {
        const shown = await go('/api/show', `{${names},"system":"","template":"","verbose":false,"options":null}`);
        assert.deepStrictEqual(shown.json && shown.json.capabilities, ['completion'], shown.text);
        const pulled = await go('/api/pull', `{${names},"insecure":false,"username":"","password":"","stream":null}`);
        assert.deepStrictEqual(lines(pulled).at(-1), { status: 'success' }, pulled.text);
      }
      for (const [where, body] of [['/api/chat', '{"model":"tiny","messages":[{"role":"user","content":"hi"}],"options":null}'],
        ['/api/generate', '{"model":"tiny","prompt":"","suffix":"","system":"","template":"","options":null}'],
        ['/api/embed', '{"model":"tiny","input":"hi","options":null}'], ['/api/embeddings', '{"model":"tiny","prompt":"hi","options":null}']]) {
        const answer = await go(where, body);
        assert.strictEqual(answer.status, 200, `${where}: ${answer.text}`);
      }
      for (const [where, more] of [['/api/show', '"system":"be kind"'], ['/api/show', '"template":"x"'], ['/api/pull', '"username":"me"'], ['/api/pull', '"password":5']]) {
        const answer = await go(where, `{"model":"tiny",${more}}`);
        assert.strictEqual(answer.status, 400, answer.text);
        assert.ok(answer.json.error.includes(more.split('"')[1]), answer.text);
      }
      for (const where of ['/api/show', '/api/pull', '/api/chat']) {
        const answer = await go(where, '{"model":"","name":""}');
        assert.match(answer.json.error, /model/);
        assert.strictEqual(answer.status, 400, answer.text);
      }
    });

    /* rbee's own 0.1.0 was told here: Codex wants 0.13.4 or newer, Copilot in VS Code 0.6.4, and neither began. */
    it('the version is that of the API which is spoken', async () => {
      const [major, minor, patch] = (await get(hive, '/api/version')).json.version.split('.').map(Number);
      assert.ok(major > 0 || minor > 13 || (minor === 13 && patch >= 4), `${major}.${minor}.${patch}`);
      assert.notStrictEqual((await get(hive, '/v1/health')).json.version, `${major}.${minor}.${patch}`);
    });

    it('lists, a pull of what is here, loading and unloading', async () => {
      const [listed] = (await get(hive, '/api/tags')).json.models;
      assert.strictEqual(listed.name, 'tiny');
      assert.match(listed.digest, /^[0-9a-f]{64}$/); // `ollama list` ended with a panic where it was ""
      assert.deepStrictEqual(lines(await post(hive, '/api/pull', { model: 'tiny' })).at(-1), { status: 'success' });
      const load = await post(hive, '/api/generate', { model: 'tiny', keep_alive: '7m', stream: false });
      assert.strictEqual(load.json.done_reason, 'load');
      assert.strictEqual((await list(hive))[0].keep_alive_ms, 420000);
      const [row] = (await get(hive, '/api/ps')).json.models;
      assert.strictEqual(row.context_length, 4096);
      assert.strictEqual(row.digest, listed.digest);
      assert.ok(Math.abs(Date.parse(row.expires_at) - Date.now() - 420000) < 60000, row.expires_at);
      const end = await post(hive, '/api/chat', { model: 'tiny', messages: [], keep_alive: 0, stream: false });
      assert.strictEqual(end.json.done_reason, 'unload');
      await until(async () => (await list(hive)).length === 0, 'the worker ends');
    });
  });

  describe('embeddings and tokens', () => {
    it('floats, base64, and what is not to be had', async () => {
      const floats = await post(hive, '/v1/embeddings', { model: 'tiny', input: ['a', 'b'] });
      assert.deepStrictEqual(floats.json.data[0], { object: 'embedding', index: 0, embedding: [0.5, -1.25, 2] });
      assert.deepStrictEqual(floats.json.usage, { prompt_tokens: 6, total_tokens: 6 });
      const coded = await post(hive, '/v1/embeddings', { model: 'tiny', input: 'a', encoding_format: 'base64' });
      const bytes = Buffer.from(coded.json.data[0].embedding, 'base64');
      assert.deepStrictEqual([0, 4, 8].map((at) => bytes.readFloatLE(at)), [0.5, -1.25, 2]);
      assert.strictEqual((await post(hive, '/v1/embeddings', { model: 'tiny', input: 'a', dimensions: 3 })).status, 200);
      const short = await post(hive, '/v1/embeddings', { model: 'tiny', input: 'a', dimensions: 2 });
      assert.deepStrictEqual([short.status, short.json.error.param], [400, 'dimensions']);
      assert.deepStrictEqual((await post(hive, '/api/embed', { model: 'tiny', input: 'a' })).json.embeddings[1], [1, 0, 0]);
      assert.deepStrictEqual((await post(hive, '/api/embeddings', { model: 'tiny', prompt: 'a' })).json, { embedding: [0.5, -1.25, 2] });
      assert.strictEqual(asked().normalize, 'model'); // the file says whether Ollama scales them there
    });

    /* AnythingLLM always sends num_ctx, packages say truncate: every one of their texts was refused. */
    it("what Ollama's clients send beside a text changes no vector", async () => {
      for (const more of [{ options: { num_ctx: 4000, num_gpu: 1, keep_alive: '5m' } }, { truncate: true }, { truncate: false }, { dimensions: 0 }, { keep_alive: '-1s' }]) {
        const answer = await post(hive, '/api/embed', { model: 'tiny', input: 'a', ...more });
        assert.deepStrictEqual([answer.status, answer.json.embeddings], [200, [[0.5, -1.25, 2], [1, 0, 0]]], answer.text);
      }
      const old = await post(hive, '/api/embeddings', { model: 'tiny', prompt: 'a', options: { num_ctx: 4000 } });
      assert.deepStrictEqual(old.json, { embedding: [0.5, -1.25, 2] }, old.text);
      const odd = await post(hive, '/api/embed', { model: 'tiny', input: 'a', options: { nonsense: 1 } });
      assert.match(odd.json.error, /nonsense/);
    });

    it('tokenize, detokenize, health', async () => {
      assert.deepStrictEqual((await post(hive, '/tokenize', { content: 'x' })).json, { tokens: [1, 2, 3] });
      assert.deepStrictEqual((await post(hive, '/detokenize', { tokens: [1] })).json, { content: 'abc' });
      assert.deepStrictEqual((await get(hive, '/health')).json, { status: 'ok' });
    });
  });

  describe('which model', () => {
    it('the list has both shapes; one row; a name that is not there', async () => {
      const all = (await get(hive, '/v1/models')).json;
      assert.deepStrictEqual([all.object, all.data[0].id, all.models[0].model_ref], ['list', 'tiny', 'tiny']);
      assert.strictEqual((await get(hive, '/v1/models/tiny')).json.id, 'tiny');
      const none = await get(hive, '/v1/models/hf:org/repo');
      assert.deepStrictEqual([none.status, none.json.error.code, none.json.error.param], [404, 'model_not_found', 'model']);
      assert.match(none.json.error.message, /tiny/);
    });

    it('a file by its path, while it is loaded also by its name; two of one name are ambiguous', async () => {
      const [one, two] = [1, 2].map(() => path.join(makeFolder(), 'same.gguf'));
      for (const file of [one, two]) fs.copyFileSync(MODEL, file);
      const by = async (model) => post(hive, '/v1/completions', { model, prompt: JSON.stringify({ events: text('x') }) });
      assert.strictEqual((await by('same')).status, 404);
      assert.strictEqual((await by(one)).status, 200);
      assert.strictEqual((await by('same')).status, 200);
      assert.strictEqual((await by(`file://${two}`)).status, 200);
      const both = await by('same');
      assert.deepStrictEqual([both.status, both.json.error.param], [400, 'model']);
      const none = await post(hive, '/v1/completions', { prompt: 'x' });
      assert.deepStrictEqual([none.status, none.json.error.param], [400, 'model']);
    });

    /* A loaded foo.gguf answered for Foo.gguf, whose full path was given: a different model. */
    it('a full reference means that model, and no loaded one of another case', async () => {
      const folder = makeFolder(), [lower, upper, absent] = ['case.gguf', 'Case.gguf', 'CASE.gguf'].map((name) => path.join(folder, name));
      for (const file of [lower, upper]) fs.copyFileSync(MODEL, file);
      const by = async (model) => (await post(hive, '/v1/completions', { model, prompt: JSON.stringify({ events: text('x') }) })).status;
      const loaded = async () => (await list(hive)).map((w) => w.model_path).filter((file) => path.dirname(file) === folder);
      for (const name of [lower, 'CASE']) assert.strictEqual(await by(name), 200);
      assert.deepStrictEqual(await loaded(), [lower]);
      assert.strictEqual(await by(`file://${upper}`), 200);
      assert.deepStrictEqual(await loaded(), [lower, upper]);
      assert.strictEqual(await by(`file://${absent}`), 404);
    });
  });
});

describe('while a model loads', () => {
  let hive, worker;
  before(async () => {
    const home = makeFolder('rbee-hive-');
    worker = makeFakeWorker(makeFolder());
    fs.writeFileSync(path.join(home, 'config.ini'), '[hive]\nload_wait = 50ms\n');
    worker.hold();
    hive = await startHive({ home, flags: { worker: worker.program }, env: { RBEE_TINY: MODEL || '' } });
  });
  after(() => hive && hive.stop());

  it('one answer says how far it is and when to come again; a stream tells and waits', async () => {
    const body = { model: 'tiny', messages: say({ events: text('x') }) };
    const early = await post(hive, '/v1/chat/completions', body);
    assert.strictEqual(early.status, 503, early.text);
    assert.ok(Number(early.headers['retry-after']) >= 1);
    await until(async () => {
      const { loading } = (await post(hive, '/v1/chat/completions', body)).json.error;
      return loading.done === 12 && loading.total === 23 && loading.unit === 'layers' && loading.stage === 'loading';
    }, 'the layers');
    const waiting = stream(`${hive.url}/v1/chat/completions`, { method: 'POST', body: { ...body, stream: true } });
    const answer = await waiting;
    await until(() => answer.comments.some((c) => c === ' loading 12/23 layers'), () => answer.raw);
    worker.release();
    const events = await answer.all();
    assert.strictEqual(events[0].choices[0].delta.content, 'x');
    assert.ok(answer.done);
  });
});

describe('models of the hub', () => {
  let hive, hub;
  const auto = async (setting, tiny = MODEL || '') => {
    const home = makeFolder('rbee-hive-');
    fs.writeFileSync(path.join(home, 'config.ini'), `[hive]\nauto_pull = ${setting}\n`);
    hive = await startHive({ home, flags: { worker: makeFakeWorker(makeFolder()).program },
      env: { RBEE_TINY: tiny, HF_ENDPOINT: hub.url } });
  };
  const complete = (model) =>
    post(hive, '/v1/completions', { model, prompt: JSON.stringify({ events: text('x') }) });
  before(async () => {
    hub = await Hub.start();
    hub.put('org/tales', { 'tales.Q4_K_M.gguf': Buffer.alloc(200000, 7) });
    hub.put('org/split', { 's-00001-of-00002.gguf': Buffer.alloc(300000, 1), 's-00002-of-00002.gguf': Buffer.alloc(500000, 2) });
  });
  after(() => hub.stop());

  test('auto_pull: off is 404; on, the model is fetched, loaded and known by its short names', async () => {
    await auto('off', '/nowhere/tiny.gguf');
    const { error } = (await complete('hf:org/tales')).json;
    assert.strictEqual(error.code, 'model_not_found');
    assert.match(error.message, /^there is no model 'hf:org\/tales' here\. /); // it said "what comes nearest: (none)"
    // The bundled one was told like any other name, without a word of where it should lie.
    for (const bundled of ['tiny', 'tiny:latest']) {
      const answer = (await complete(bundled)).json;
      assert.deepStrictEqual([answer.error.code, answer.error.param], ['model_not_found', 'model']);
      assert.match(answer.error.message, /^the bundled model tiny\.gguf is not there; looked at: \/nowhere\/tiny\.gguf\. .*RBEE_TINY/);
    }
    await hive.stop();
    await auto('on');
    const first = await complete('hf:org/tales');
    assert.strictEqual(first.json.choices[0].text, 'x', first.text);
    for (const name of ['org/tales', 'hf.co/org/tales', 'tales.Q4_K_M', 'hf:org/tales:latest']) {
      assert.strictEqual((await complete(name)).status, 200, name);
    }
    assert.strictEqual((await list(hive)).length, 1, 'all of them are one model');
    const none = await complete('hf:org/none');
    assert.ok(none.status >= 400, none.text);
    assert.strictEqual(none.json.error.type, none.status < 500 ? 'invalid_request_error' : 'server_error');
    await hive.stop();
  });

  test('pull tells its progress, and what went wrong', async () => {
    await auto('off');
    const told = lines(await post(hive, '/api/pull', { model: 'hf.co/org/tales:latest' }));
    assert.deepStrictEqual(told[0], { status: 'pulling manifest' });
    assert.deepStrictEqual(told.at(-1), { status: 'success' });
    const quiet = await post(hive, '/api/pull', { model: 'hf:org/tales', stream: false });
    assert.deepStrictEqual(quiet.json, { status: 'success' });
    assert.match(lines(await post(hive, '/api/pull', { model: 'hf:org/none' })).at(-1).error, /none/);
    hub.cdn.faults = () => ({ pace: 20000 }); // both files had the bytes of the whole model
    const parts = lines(await post(hive, '/api/pull', { model: 'hf:org/split' })).filter((line) => line.digest);
    hub.cdn.faults = null;
    const sizes = Object.fromEntries([[1, 300000], [2, 500000]].map(([fill, n]) => [`sha256:${sha256(Buffer.alloc(n, fill))}`, n]));
    assert.ok(parts.length > 0);
    for (const line of parts) {
      assert.strictEqual(line.total, sizes[line.digest], JSON.stringify(line));
      assert.ok(line.completed <= line.total, JSON.stringify(line));
    }
    await hive.stop();
  });

  /* Not as one that is complete, and not for ever as one that is under way. */
  test('who waits for a download that is removed is told so, and the hive may begin anew', async () => {
    await auto('on');
    hub.put('org/taken', { 'taken.Q4_K_M.gguf': Buffer.alloc(200000, 8) });
    let over = false;
    hub.cdn.faults = () => ({ until: () => over });
    const { request, response } = await sse.open(`${hive.url}/api/pull`, { method: 'POST', body: { model: 'hf:org/taken' } });
    let told = '';
    response.on('data', (piece) => { told += piece; });
    const answer = await stream(`${hive.url}/v1/completions`, { method: 'POST', body: { model: 'hf:org/taken', stream: true, prompt: 'x' } });
    await until(() => told && answer.comments.some((c) => c.startsWith(' downloading ')), 'both wait for it');
    const [{ download_id: id }] = (await hives.get(hive, '/v1/models/downloads')).json.downloads;
    assert.strictEqual((await hives.remove(hive, `/v1/models/download/${id}?discard=1`)).status, 204);
    const { error } = (await answer.all()).at(-1);
    assert.strictEqual(error.code, 'request_cancelled', error.message); // docs/http-api.md: the model was removed meanwhile
    await until(() => response.complete, () => told);
    assert.match(lines({ text: told }).at(-1).error, /^hf:org\/taken was removed while it came/);
    request.destroy();
    over = true;
    hub.cdn.faults = null;
    assert.deepStrictEqual(lines(await post(hive, '/api/pull', { model: 'hf:org/taken' })).at(-1), { status: 'success' });
    await hive.stop();
  });
});

describe('over a real worker', () => {
  let hive;
  before(async () => { hive = await startHive({ env: { RBEE_TINY: MODEL || '' } }); });
  after(() => hive && hive.stop());

  it('the same prompt and seed give the same text by every way', async () => {
    const prompt = 'Once upon a time', sampling = { temperature: 0.7, seed: 11 };
    const first = (await post(hive, '/v1/completions', { model: 'tiny', prompt, max_tokens: 8, ...sampling })).json;
    assert.strictEqual(first.usage.completion_tokens, 8);
    const events = await (await stream(`${hive.url}/v1/completions`,
      { method: 'POST', body: { prompt, max_tokens: 8, stream: true, ...sampling } })).all();
    assert.strictEqual(events.map((e) => e.choices[0].text).join(''), first.choices[0].text);
    const ollama = await post(hive, '/api/generate', { model: 'tiny', prompt, raw: true, stream: false, options: { num_predict: 8, ...sampling } });
    assert.strictEqual(ollama.json.response, first.choices[0].text);
    const [worker] = await list(hive);
    const direct = await ask(`${worker.url}/v1/inference`, { method: 'POST', body: { prompt, max_tokens: 8, stream: false, ...sampling } });
    assert.strictEqual(direct.json.text, first.choices[0].text);
  });

  it('a conversation, where the model has a template; else the reason', async () => {
    const answer = await post(hive, '/v1/chat/completions', { model: 'tiny', messages: [{ role: 'user', content: 'hi' }], max_tokens: 4 });
    if (path.basename(MODEL) === 'tiny.gguf') assert.strictEqual(answer.json.usage.completion_tokens, 4);
    else assert.match(answer.json.error.message, /template/); // that of the test data has none
  });

  it('show says what the file holds', async () => {
    const answer = await post(hive, '/api/show', { model: 'tiny' });
    assert.strictEqual(answer.json.model_info['general.architecture'], 'llama');
    assert.deepStrictEqual(answer.json.capabilities, ['completion']);
  });

  it('show says that a model with a template of its own for tools takes tools', async () => {
    const file = path.join(makeFolder(), 'two.gguf');
    writeHollowModel(file, { layers: 1, ctx: 128, template: '{{ messages[0].content }}', toolTemplate: '{{ messages[0].content }}{{ functions }}' });
    assert.deepStrictEqual((await post(hive, '/api/show', { model: file })).json.capabilities, ['completion', 'tools']);
  });

  it('bodies: 16 MiB where texts go, 1 MiB elsewhere; refusals in the API\'s shape', async () => {
    const big = (n) => 'x'.repeat(n);
    const long = await post(hive, '/v1/completions', { model: 'tiny', prompt: big(3 << 20) });
    assert.strictEqual(long.json.error.code, 'context_length_exceeded', long.text.slice(0, 300));
    for (const [where, size, look] of [['/v1/workers/spawn', 2 << 20, (e) => e.error.code === 'BODY_TOO_LARGE'],
      ['/v1/completions', 17 << 20, (e) => e.error.code === 'body_too_large'],
      ['/v1/messages', 17 << 20, (e) => e.error.type === 'request_too_large'],
      ['/api/chat', 17 << 20, (e) => typeof e.error === 'string']]) {
      const answer = await post(hive, where, big(size));
      assert.strictEqual(answer.status, 413, where);
      assert.ok(look(answer.json), answer.text);
    }
  });

  /* The server refuses by itself what it need not ask anybody about; a page read "Failed to fetch" then, and an SDK
   * took that for a broken line and sent its 17 MB again. */
  it('what is refused by its head alone has what every answer has', async () => {
    const id = '3f0a4a52-1f1e-4c3a-9c55-0123456789ab', origin = 'http://localhost:3000';
    const headers = { Origin: origin, 'X-Request-Id': id };
    for (const [where, more, status] of [['/v1/messages', { 'Content-Length': 17e6 }, 413], ['/v1/messages', { 'Content-Encoding': 'gzip' }, 415],
      ['/v1/messages', { Expect: 'nonsense' }, 417], ['/v1/messages', {}, 400]]) {
      const answer = await ask(hive.url + where, { method: 'POST', headers: { ...headers, ...more }, body: 'x'.repeat(5000) });
      const told = ['access-control-allow-origin', 'x-request-id', 'request-id'].map((name) => answer.headers[name]);
      assert.strictEqual(answer.status, status, answer.text);
      assert.deepStrictEqual(told, [origin, id, id], `${status}`);
    }
    const pieces = new Blob(['x'.repeat(5000)]).stream(); // whose length is found out on the way
    const long = await fetch(`${hive.url}/v1/health`, { method: 'POST', headers, body: pieces, duplex: 'half' });
    assert.deepStrictEqual([long.status, long.headers.get('access-control-allow-origin'), long.headers.get('x-request-id')], [413, origin, id]);
  });

  it('a body with a byte order mark is told of it', async () => {
    const { status, json } = await post(hive, '/v1/completions', '\ufeff{"model":"tiny","prompt":"x"}');
    assert.strictEqual(status, 400);
    assert.match(json.error.message, /it begins with a byte order mark: save it as UTF-8 without one \(line 1, column 1/);
  });

  it('-1 tokens are as many as there is room for', async () => {
    for (const body of [{ max_tokens: -1 }, { max_tokens: 4096 }]) {
      const answer = await post(hive, '/v1/completions', { model: 'tiny', prompt: 'Once upon', ignore_eos: true, ...body });
      assert.deepStrictEqual([answer.status, answer.json.choices[0].finish_reason], [200, 'length'], answer.text);
      assert.ok(answer.json.usage.completion_tokens > 16, answer.text);
    }
    assert.strictEqual((await post(hive, '/v1/completions', { model: 'tiny', prompt: 'x', max_tokens: -2 })).status, 400);
  });

  it('unknown paths, methods and hosts in the API\'s shape', async () => {
    assert.strictEqual(typeof (await get(hive, '/api/nothing')).json.error, 'string');
    assert.strictEqual((await post(hive, '/v1/models', {})).headers.allow, 'DELETE, GET, HEAD');
    const method = await get(hive, '/v1/chat/completions');
    assert.deepStrictEqual([method.status, method.json.error.code], [405, 'method_not_allowed']);
    const host = await post(hive, '/v1/messages', {}, { Host: 'evil.example' });
    assert.deepStrictEqual([host.status, host.json.error.type], [403, 'permission_error']);
    const origin = await post(hive, '/v1/chat/completions', {}, { Origin: 'http://evil.example' });
    assert.deepStrictEqual([origin.status, origin.json.error.code, origin.headers['access-control-allow-origin']], [403, 'forbidden_host', undefined]);
  });
});

describe('with a key', () => {
  test('as Bearer or x-api-key', { skip: skip || notApart }, async (t) => {
    const home = makeFolder('rbee-hive-'), host = await hostFor(t);
    const hive = await host.hive(home, { RBEE_HIVE_TLS: 'off' });
    hive.url = `http://127.0.0.1:${await host.door(8080)}`;
    const key = fs.readFileSync(path.join(home, 'api-key'), 'utf8').trim();
    const tags = (headers) => ask(`${hive.url}/v1/models`, { headers });
    const none = await ask(`${hive.url}/v1/messages`, { method: 'POST', body: {} });
    assert.deepStrictEqual([none.status, none.json.error.type], [401, 'authentication_error']);
    assert.strictEqual((await tags({ 'x-api-key': key })).status, 200);
    assert.strictEqual((await tags({ Authorization: `Bearer ${key}` })).status, 200);
    assert.strictEqual((await tags({ 'x-api-key': `${key}x` })).status, 401);
    // a proxy in between has asked for a name and a password: Authorization is taken
    const basic = `Basic ${Buffer.from('ann:secret').toString('base64')}`;
    assert.strictEqual((await tags({ Authorization: basic, 'x-api-key': key })).status, 200);
    assert.strictEqual((await tags({ Authorization: 'Bearer ', 'x-api-key': key })).status, 200);
    assert.strictEqual((await tags({ Authorization: basic, 'x-api-key': `${key}x` })).status, 401);
    for (const nothing of [{ Authorization: basic }, { 'x-api-key': '' }]) {
      const { json } = await ask(`${hive.url}/v1/node`, { headers: nothing });
      assert.strictEqual(json.error.code, 'MISSING_API_KEY', JSON.stringify(nothing)); // and no guess
    }
    await hive.stop();
  });
});
