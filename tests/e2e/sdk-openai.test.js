'use strict';
/*
 * sdk-openai.test.js - the openai package as it is published, against a running hive. Every raw body
 * and every chunk that it gets is judged by lib/openai-shape.js.
 *
 * Over a worker that says what the test wants where it matters what is said; over real ones for what
 * only a model does: constrained answers, embeddings, the same text for the same seed.
 */
const { test, describe, before, after, afterEach } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { ROOT, testModel, makeFolder, until } = require('./lib/proc.js');
const { hostFor, notApart } = require('./lib/host.js');
const { sdk, skipWithout, versionsOf, judgingFetch, talkingModel, realHive, toldHive, endlessAnswer, untilFree, untilBusy, errorOf, collect } = require('./lib/sdk.js');
const { list } = require('./lib/hive.js');

const OpenAI = sdk('openai'), zod = sdk('zod');
const skip = skipWithout(OpenAI);

const say = (todo) => [{ role: 'user', content: JSON.stringify(todo) }];
const text = (...pieces) => pieces.map((t, i) => ({ type: 'token', t, i }));
const THOUGHT = [{ type: 'reasoning', t: 'Let me ', i: 0 }, { type: 'reasoning', t: 'see.', i: 1 }];
const ARGS = '{"a":1.5,"b":"\u00fc\\n"}';
const calling = (name, ...pieces) => [{ type: 'tool_call', index: 0, id: 'call_abc', name },
  ...pieces.map((t) => ({ type: 'tool_args', index: 0, t }))];
const CALL = calling('add', '{"a":', '1.5,"b":"\u00fc\\n"}');
const SCORED = { type: 'token', t: 'hi', i: 0, logprobs: [{ id: 7, t: 'hi', bytes: [104, 105], logprob: -0.5,
  top: [{ id: 7, t: 'hi', bytes: [104, 105], logprob: -0.5 }, { id: 8, t: 'ho', bytes: [104, 111], logprob: -1.25 }] }] };
const PLACE = { type: 'object', additionalProperties: false, required: ['town', 'north', 'kind'],
  properties: { town: { type: 'string', maxLength: 8 }, north: { type: 'boolean' }, kind: { enum: ['city', 'village'] } } };
const tool = (name, parameters) => ({ type: 'function', function: { name, parameters, strict: true } });
const TOOLS = [tool('add', { type: 'object' }), tool('find', PLACE)];

/* A client whose answers are judged; with `retries` it tries again as the package does by itself. */
let judged;
function clientOf(hive, { key = 'none', retries = 0 } = {}) {
  judged = judgingFetch();
  return new OpenAI({ baseURL: `${hive.url}/v1`, apiKey: key, maxRetries: retries, fetch: judged.fetch });
}
function assertJudged() {
  assert.deepStrictEqual(judged.faults, []);
  assert.ok(judged.seen > 0);
}
function assertPlace(value) {
  assert.deepStrictEqual(Object.keys(value).sort(), ['kind', 'north', 'town']);
  assert.strictEqual(typeof value.town, 'string');
  assert.strictEqual(typeof value.north, 'boolean');
  assert.ok(['city', 'village'].includes(value.kind), value.kind);
}

test('the package is the one that is wanted', { skip }, () => {
  const { here, wanted } = versionsOf('openai');
  assert.strictEqual(here, wanted);
});

describe('over a worker that says what it is told', { skip }, () => {
  let hive, client;
  before(async () => { hive = await toldHive(); client = clientOf(hive); });
  after(() => hive && hive.stop());
  afterEach(assertJudged);
  const chat = (todo, more) => client.chat.completions.create({ model: 'tiny', messages: say(todo), ...more });

  test('chat: text, usage, the request\'s id', async () => {
    const answer = await chat({ events: text('H\u00e9', 'llo'), end: { reasoning_tokens: 0 } });
    assert.strictEqual(answer.choices[0].message.content, 'H\u00e9llo');
    assert.strictEqual(answer.choices[0].finish_reason, 'stop');
    assert.strictEqual(answer.usage.total_tokens, 13);
    assert.strictEqual(answer.usage.prompt_tokens_details.cached_tokens, 4);
    assert.match(answer.system_fingerprint, /^rbee-/);
    assert.match(answer._request_id, /^[0-9a-f-]{36}$/);
  });

  test('a stream: every piece, a finish reason, usage at the end when asked for', async () => {
    const pieces = Array.from({ length: 300 }, (_, i) => `${i} \ud83d\ude00 `);
    const chunks = await collect(await chat({ events: text(...pieces) }, { stream: true, stream_options: { include_usage: true } }));
    assert.deepStrictEqual(chunks.slice(0, 300).map((c) => c.choices[0].delta.content), pieces);
    assert.strictEqual(chunks[0].choices[0].delta.role, 'assistant');
    assert.deepStrictEqual(chunks.slice(300).map((c) => [c.choices.length, c.choices[0] && c.choices[0].finish_reason, c.usage && c.usage.total_tokens]),
      [[1, 'stop', null], [0, undefined, 13]]);
    assert.strictEqual(new Set(chunks.map((c) => c.id)).size, 1);
    const plain = await collect(await chat({ events: text('a') }, { stream: true }));
    assert.deepStrictEqual(plain.map((c) => 'usage' in c), [false, false]);
  });

  test('calls in a stream add up to the arguments', async () => {
    const chunks = await collect(await chat({ events: [...text('so '), ...CALL] }, { stream: true, tools: TOOLS }));
    const calls = chunks.flatMap((c) => c.choices[0].delta.tool_calls || []);
    assert.deepStrictEqual([calls[0].id, calls[0].type, calls[0].function.name], ['call_abc', 'function', 'add']);
    assert.deepStrictEqual(JSON.parse(calls.map((c) => c.function.arguments).join('')), JSON.parse(ARGS));
    assert.strictEqual(chunks.at(-1).choices[0].finish_reason, 'tool_calls');
  });

  test('the stream helper: events while it comes, and the whole at the end', async () => {
    const stream = client.chat.completions.stream({ model: 'tiny', messages: say({ events: [...THOUGHT, ...text('a', 'b'), ...CALL] }), tools: TOOLS.slice(0, 1), stream_options: { include_usage: true } });
    const content = [], args = [];
    stream.on('content.delta', ({ delta }) => content.push(delta));
    stream.on('tool_calls.function.arguments.delta', (e) => args.push(e.arguments_delta));
    const whole = await stream.finalChatCompletion();
    assert.deepStrictEqual(content, ['a', 'b']);
    assert.strictEqual(args.join(''), ARGS);
    assert.strictEqual(whole.choices[0].message.content, 'ab');
    assert.deepStrictEqual(whole.choices[0].message.tool_calls[0].function.name, 'add');
    assert.strictEqual((await stream.totalUsage()).total_tokens, 13);
  });

  test('runTools: the function is called, its result goes back, the answer comes', async () => {
    for (const stream of [false, true]) {
      const asked = [];
      const runner = client.chat.completions.runTools({ model: 'tiny', stream, messages: say({ events: CALL }), tools: [{
        type: 'function', function: { name: 'add', description: 'adds', parameters: { type: 'object', properties: {} }, parse: JSON.parse,
          function: (args) => { asked.push(args); return JSON.stringify({ events: text('it is ', '3') }); } } }] });
      assert.strictEqual(await runner.finalContent(), 'it is 3');
      assert.deepStrictEqual(asked, [JSON.parse(ARGS)]);
      const { messages } = hive.worker.asked().at(-1);
      assert.deepStrictEqual(messages.map((m) => m.role), ['user', 'assistant', 'tool']);
      assert.strictEqual(messages[1].tool_calls[0].id, messages[2].tool_call_id);
    }
  });

  test('thoughts are beside the text', async () => {
    const todo = { events: [...THOUGHT, ...text('so')], end: { reasoning_tokens: 2 } };
    const { choices: [{ message }], usage } = await chat(todo);
    assert.deepStrictEqual([message.reasoning_content, message.content], ['Let me see.', 'so']);
    assert.strictEqual(usage.completion_tokens_details.reasoning_tokens, 2);
    const chunks = await collect(await chat(todo, { stream: true, reasoning_effort: 'low' }));
    assert.strictEqual(chunks.map((c) => c.choices[0].delta.reasoning_content || '').join(''), 'Let me see.');
    assert.strictEqual(hive.worker.asked().at(-1).template_vars.reasoning_effort, 'low');
  });

  test('log-probabilities, several answers, and what sampling takes', async () => {
    const answer = await chat({ events: [SCORED] }, { logprobs: true, top_logprobs: 2, n: 2, seed: 3, logit_bias: { 5: -100 },
      presence_penalty: 0.5, frequency_penalty: -0.5, stop: ['x'], temperature: 0.1, top_p: 0.5, user: 'me', parallel_tool_calls: true,
      metadata: { a: 'b' }, service_tier: 'auto', store: false, max_completion_tokens: 9 });
    assert.deepStrictEqual(answer.choices.map((c) => c.index), [0, 1]);
    for (const c of answer.choices) {
      assert.deepStrictEqual(c.logprobs.content.map((l) => [l.token, l.logprob, l.top_logprobs.length]), [['hi', -0.5, 2]]);
    }
    const chunks = await collect(await chat({ events: [SCORED, ...text('!')] }, { logprobs: true, stream: true, n: 2 }));
    for (const index of [0, 1]) {
      const mine = chunks.filter((c) => c.choices[0].index === index);
      assert.strictEqual(mine.map((c) => c.choices[0].delta.content || '').join(''), 'hi!');
      assert.strictEqual(mine[0].choices[0].logprobs.content[0].logprob, -0.5);
    }
  });

  test('completions: prompts, several answers, scores, a stream', async () => {
    const prompt = JSON.stringify({ events: [SCORED] });
    const answer = await client.completions.create({ model: 'tiny', prompt: [prompt, prompt], n: 2, logprobs: 1 });
    assert.deepStrictEqual(answer.choices.map((c) => [c.index, c.text, c.logprobs.token_logprobs[0]]),
      [0, 1, 2, 3].map((i) => [i, 'hi', -0.5]));
    const chunks = await collect(await client.completions.create({ model: 'tiny', prompt, stream: true, logprobs: 0, stream_options: { include_usage: true } }));
    assert.strictEqual(chunks.map((c) => c.choices[0] ? c.choices[0].text : '').join(''), 'hi');
    assert.strictEqual(chunks.at(-1).usage.total_tokens, 13);
  });

  test('responses: text, thoughts, calls, scores', async () => {
    const input = JSON.stringify({ events: [...THOUGHT, SCORED, ...text('!'), ...CALL] });
    const answer = await client.responses.create({ model: 'tiny', input, include: ['message.output_text.logprobs'], top_logprobs: 2,
      reasoning: { effort: 'low', summary: 'auto' }, metadata: { a: 'b' }, tools: [{ type: 'function', name: 'add', parameters: { type: 'object' } }] });
    assert.strictEqual(answer.output_text, 'hi!');
    assert.deepStrictEqual(answer.output.map((o) => o.type), ['reasoning', 'message', 'function_call']);
    assert.deepStrictEqual(answer.output[1].content[0].logprobs.map((l) => l.token), ['hi']);
    assert.deepStrictEqual(JSON.parse(answer.output[2].arguments), JSON.parse(ARGS));
    assert.strictEqual(answer.usage.total_tokens, 13);
    const again = await client.responses.create({ model: 'tiny', input: [{ role: 'user', content: 'hi' }, ...answer.output,
      { type: 'function_call_output', call_id: 'call_abc', output: JSON.stringify({ events: text('3') }) }] });
    assert.strictEqual(again.output_text, '3');
  });

  test('a response that was cut off says so, and so does its last item', async () => {
    const input = JSON.stringify({ events: [...THOUGHT, ...text('a')], end: { stop_reason: 'MAX_TOKENS' } });
    const whole = await client.responses.create({ model: 'tiny', input });
    assert.deepStrictEqual([whole.status, whole.incomplete_details, whole.output.map((o) => o.status)],
      ['incomplete', { reason: 'max_output_tokens' }, ['completed', 'incomplete']]);
    const events = await collect(await client.responses.create({ model: 'tiny', input, stream: true }));
    assert.strictEqual(events.at(-1).type, 'response.incomplete');
    assert.deepStrictEqual(events.at(-1).response.output.map((o) => o.status), ['completed', 'incomplete']);
  });

  test('responses as a stream, by events and by the helper', async () => {
    const body = { model: 'tiny', input: JSON.stringify({ events: [...THOUGHT, SCORED, ...text('b'), ...CALL, ] }), include: ['message.output_text.logprobs'] };
    const events = await collect(await client.responses.create({ ...body, stream: true }));
    assert.deepStrictEqual(events.map((e) => e.sequence_number), events.map((e, i) => i));
    assert.strictEqual(events.filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join(''), 'hib');
    const done = events.find((e) => e.type === 'response.output_text.done');
    assert.deepStrictEqual([done.text, done.logprobs.map((l) => l.token)], ['hib', ['hi']]);
    assert.strictEqual(events.find((e) => e.type === 'response.function_call_arguments.done').name, 'add');
    const whole = await client.responses.stream(body).finalResponse();
    assert.strictEqual(whole.output_text, 'hib');
    assert.deepStrictEqual(whole.output, events.at(-1).response.output.map((o, i) => ({ ...o, id: whole.output[i].id,
      ...(o.type === 'function_call' ? { parsed_arguments: null } : {}),
      ...(o.type === 'message' ? { content: o.content.map((c) => ({ ...c, parsed: null })) } : {}) })));
  });

  test('embeddings: as base64, which the package asks for by itself, and as numbers', async () => {
    const whole = await client.embeddings.create({ model: 'tiny', input: ['a', 'b'] });
    assert.deepStrictEqual(whole.data.map((d) => [d.index, d.embedding]), [[0, [0.5, -1.25, 2]], [1, [1, 0, 0]]]);
    assert.strictEqual(JSON.parse(judged.requests.at(-1).body).encoding_format, 'base64');
    const plain = await client.embeddings.create({ model: 'tiny', input: [1, 2], encoding_format: 'float', user: 'me' });
    assert.deepStrictEqual(plain.data[0].embedding, [0.5, -1.25, 2]);
  });

  test('models: the list, one, and one that is not there', async () => {
    assert.ok((await collect(client.models.list())).some((m) => m.id === 'tiny' && m.object === 'model'));
    assert.strictEqual((await client.models.retrieve('tiny')).owned_by, 'local');
    const none = await errorOf(client.models.retrieve('tinny'));
    assert.ok(none instanceof OpenAI.NotFoundError, none.stack);
    assert.deepStrictEqual([none.status, none.code, none.param], [404, 'model_not_found', 'model']);
  });

  test('a client that leaves frees the slot', async () => {
    const stream = await chat({ events: text('a', 'b'), hang: true }, { stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0].delta.content === 'b') break;
    }
    await untilFree(hive);
    const stop = new AbortController();
    const waiting = client.chat.completions.create({ model: 'tiny', messages: say({ events: [], hang: true }) }, { signal: stop.signal });
    await untilBusy(hive);
    stop.abort();
    assert.ok(await errorOf(waiting) instanceof OpenAI.APIUserAbortError);
    await untilFree(hive);
  });

  test('errors have the types that the package has for them', async () => {
    const cases = [
      [() => chat({ events: [] }, { temperature: 3 }), OpenAI.BadRequestError, 'invalid_request', 'temperature'],
      [() => chat({ events: [] }, { nonsense: 1 }), OpenAI.BadRequestError, 'invalid_request', 'nonsense'],
      [() => chat({ events: [] }, { model: 'nope' }), OpenAI.NotFoundError, 'model_not_found', 'model'],
      [() => chat({ events: [] }, { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:,' } }] }], store: true }),
        OpenAI.BadRequestError, 'invalid_request', 'store'],
      [() => chat({ status: 400, body: { error: { code: 'INVALID_REQUEST', message: 'no', details: { errors: [{ field: 'json_schema', constraint: 'c', message: 'no' }] } } } }),
        OpenAI.BadRequestError, 'invalid_request', 'response_format'],
      [() => chat({ status: 503, body: { error: { code: 'ALL_SLOTS_BUSY', message: 'full', details: {} } } }), OpenAI.InternalServerError, 'all_slots_busy', null],
      [() => client.responses.create({ model: 'tiny', input: 'x', store: true }), OpenAI.BadRequestError, 'invalid_request', 'store'],
      [() => client.embeddings.create({ model: 'tiny', input: 'x', dimensions: 2 }), OpenAI.BadRequestError, 'invalid_request', 'dimensions'],
      [() => client.completions.create({ model: 'nope', prompt: 'x' }), OpenAI.NotFoundError, 'model_not_found', 'model'],
    ];
    for (const [ask, type, code, param] of cases) {
      const error = await errorOf(ask());
      assert.ok(error instanceof type, error.stack);
      assert.deepStrictEqual([error.code, error.param], [code, param], error.message);
      assert.strictEqual(typeof error.type, 'string');
      assert.strictEqual(error.requestID, error.error.request_id);
      assert.match(error.requestID, /^[0-9a-f-]{36}$/);
      assert.strictEqual(error.headers.has('retry-after'), error.status === 503);
    }
  });

  test('an error in the middle of a stream is thrown', async () => {
    const broken = { events: [...text('a'), { type: 'error', code: 'REQUEST_TIMEOUT', message: 'too slow', retriable: true }] };
    const seen = [];
    const error = await errorOf((async () => { for await (const c of await chat(broken, { stream: true })) seen.push(c); })());
    assert.ok(error instanceof OpenAI.APIError, error.stack);
    assert.match(error.message, /too slow/);
    assert.strictEqual(seen.length, 1);
    const other = await errorOf((async () => collect(await client.responses.create({ model: 'tiny', input: JSON.stringify(broken), stream: true })))());
    assert.match(other.message, /too slow/);
  });
});

describe('while a model loads', { skip }, () => {
  let hive;
  before(async () => { hive = await toldHive('[hive]\nload_wait = 50ms\n'); });
  after(() => hive && hive.stop());
  afterEach(assertJudged);

  test('the package waits as long as Retry-After says, and then gets its answer', async () => {
    hive.worker.hold();
    const messages = say({ events: text('x') });
    const early = await errorOf(clientOf(hive).chat.completions.create({ model: 'tiny', messages }));
    assert.ok(early instanceof OpenAI.InternalServerError, early.stack);
    assert.deepStrictEqual([early.status, early.error.loading.model], [503, 'tiny']);
    assert.strictEqual(early.headers.get('retry-after'), '1'); // nothing is known yet: as long again
    const patient = clientOf(hive, { retries: 5 }), waiting = patient.chat.completions.create({ model: 'tiny', messages });
    await until(() => judged.requests.some((r) => r.status === 503), 'a first refusal');
    hive.worker.release();
    assert.strictEqual((await waiting).choices[0].message.content, 'x');
  });

  /* By the status alone the package asks three times: a deadline of a minute became three, on slots that others wait for. */
  test('what asking again does not help is asked once', async () => {
    for (const [code, status] of [['REQUEST_TIMEOUT', 408], ['INSUFFICIENT_MEMORY', 507], ['INTERNAL', 500]]) {
      const messages = say({ events: [...text('x'), { type: 'error', code, message: 'no', retriable: false }] });
      const error = await errorOf(clientOf(hive, { retries: 2 }).chat.completions.create({ model: 'tiny', messages }));
      assert.deepStrictEqual([error.status, judged.requests.length], [status, 1], code);
    }
  });

  test('comments of progress do not disturb it', async () => {
    const [{ worker_id: id }] = await list(hive);
    await fetch(`${hive.url}/v1/workers/${id}`, { method: 'DELETE' });
    await until(async () => (await list(hive)).length === 0, 'the worker ends');
    hive.worker.hold();
    const stream = await clientOf(hive).chat.completions.create({ model: 'tiny', messages: say({ events: text('x') }), stream: true });
    hive.worker.release(); // its headers have come: a comment was sent
    assert.strictEqual((await collect(stream))[0].choices[0].delta.content, 'x');
  });
});

describe('with a key', { skip: skip || notApart }, () => {
  test('a wrong one is an AuthenticationError, also of the list of models', async (t) => {
    const home = makeFolder('rbee-hive-'), host = await hostFor(t);
    const hive = await host.hive(home, { RBEE_HIVE_TLS: 'off' });
    try {
      hive.url = `http://127.0.0.1:${await host.door(8080)}`;
      const wrong = clientOf(hive, { key: 'wrong' });
      for (const ask of [() => wrong.chat.completions.create({ model: 'tiny', messages: say({}) }), () => wrong.models.list(), () => wrong.models.retrieve('tiny')]) {
        const error = await errorOf(ask());
        assert.ok(error instanceof OpenAI.AuthenticationError, error.stack);
        assert.deepStrictEqual([error.type, error.param], ['authentication_error', null]);
        assert.match(error.code, /^invalid_api_key$/i);
        assert.ok(error.requestID);
      }
      assertJudged();
      const right = clientOf(hive, { key: fs.readFileSync(path.join(home, 'api-key'), 'utf8').trim() });
      assert.ok((await right.models.list()).data.length > 0);
      assertJudged();
    } finally {
      await hive.stop();
    }
  });
});

describe('over a real worker', { skip }, () => {
  let hive, client, model;
  before(async () => { model = talkingModel(); hive = await realHive(); client = clientOf(hive); });
  after(() => hive && hive.stop());
  afterEach(assertJudged);
  const chat = (more) => client.chat.completions.create({ model, messages: [{ role: 'user', content: 'hi' }], temperature: 0, max_tokens: 200, ...more });

  test('a stream says what the whole says, and the same seed the same', async () => {
    const whole = await chat({ max_tokens: 20 });
    assert.strictEqual(whole.choices[0].message.content, 'a'.repeat(20));
    assert.strictEqual(whole.choices[0].finish_reason, 'length');
    const drawn = { temperature: 1, seed: 7, max_tokens: 30, n: 2, logit_bias: { 29: -100 } };
    const [one, two] = [await chat(drawn), await collect(await chat({ ...drawn, stream: true }))];
    for (const { index, message } of one.choices) {
      assert.strictEqual(two.filter((c) => c.choices[0].index === index).map((c) => c.choices[0].delta.content || '').join(''), message.content);
    }
    assert.notStrictEqual(one.choices[0].message.content, one.choices[1].message.content);
    const biased = await chat({ max_tokens: 4, logit_bias: { 1: 100 } });
    assert.strictEqual(biased.choices[0].message.content, 'bbbb');
  });

  test('log-probabilities are those of a model that knows nothing', async () => {
    const { choices: [{ logprobs }] } = await chat({ max_tokens: 3, logprobs: true, top_logprobs: 2 });
    assert.strictEqual(logprobs.content.length, 3);
    for (const row of logprobs.content) {
      assert.ok(Math.abs(row.logprob - Math.log(1 / 286)) < 1e-4, String(row.logprob)); // 286 tokens, each as likely
      assert.strictEqual(row.top_logprobs.length, 2);
    }
  });

  test('a call that is required, or named, is one of the tools\'', async () => {
    for (const stream of [false, true]) {
      for (const [tool_choice, name] of [['required', null], [{ type: 'function', function: { name: 'find' } }, 'find']]) {
        const body = { tools: [TOOLS[1], tool('other', { type: 'object', properties: { n: { type: 'integer', maximum: 9, minimum: 0 } }, required: ['n'] })],
          tool_choice, parallel_tool_calls: false, temperature: 1, seed: 3 };
        const message = stream ? (await client.chat.completions.stream({ model, messages: [{ role: 'user', content: 'hi' }], max_tokens: 400, ...body }).finalMessage())
          : (await chat({ ...body, max_tokens: 400 })).choices[0].message;
        assert.strictEqual(message.tool_calls.length, 1);
        const [{ function: call }] = message.tool_calls, args = JSON.parse(call.arguments);
        if (name) assert.strictEqual(call.name, name);
        if (call.name === 'find') assertPlace(args);
        else assert.ok(Number.isInteger(args.n));
      }
    }
  });

  test('structured output: a schema, and the package\'s parse with its own schemas', async () => {
    const response_format = { type: 'json_schema', json_schema: { name: 'place', strict: true, schema: PLACE } };
    assertPlace(JSON.parse((await chat({ response_format, temperature: 1, seed: 5 })).choices[0].message.content));
    const { zodResponseFormat, zodTextFormat, zodFunction } = sdk('openai/helpers/zod'), z = zod;
    const Place = z.object({ town: z.string().max(8), north: z.boolean(), kind: z.enum(['city', 'village']) });
    const parsed = await client.chat.completions.parse({ model, messages: [{ role: 'user', content: 'hi' }], temperature: 1, seed: 9, max_tokens: 200,
      response_format: zodResponseFormat(Place, 'place') });
    assertPlace(parsed.choices[0].message.parsed);
    const called = await client.chat.completions.parse({ model, messages: [{ role: 'user', content: 'hi' }], temperature: 1, seed: 9, max_tokens: 200,
      tools: [zodFunction({ name: 'find', parameters: Place })], tool_choice: 'required', parallel_tool_calls: false });
    assertPlace(called.choices[0].message.tool_calls[0].function.parsed_arguments);
    const response = await client.responses.parse({ model, input: 'hi', temperature: 1, max_output_tokens: 200, text: { format: zodTextFormat(Place, 'place') } });
    assertPlace(response.output_parsed);
    const any = await chat({ response_format: { type: 'json_object' }, temperature: 0 }); // it ends of itself: all tokens are as likely
    assert.strictEqual(any.choices[0].finish_reason, 'stop');
    assert.deepStrictEqual(JSON.parse(any.choices[0].message.content), {});
  });

  /* As agents send them with every request. The answer was one by the schema, whatever the model wanted. */
  test('tools beside a schema: the model chooses', async () => {
    const { zodResponseFormat, zodTextFormat, zodFunction } = sdk('openai/helpers/zod'), z = zod;
    const Place = z.object({ town: z.string().max(8), north: z.boolean(), kind: z.enum(['city', 'village']) });
    const asked = { model, messages: [{ role: 'user', content: 'hi' }], temperature: 0, max_tokens: 300, parallel_tool_calls: false,
      response_format: zodResponseFormat(Place, 'place'), tools: [zodFunction({ name: 'find', parameters: Place })] };
    const [{ message: called, finish_reason }] = (await client.chat.completions.parse(asked)).choices; // "name" before "town": the lowest
    assert.deepStrictEqual([called.content, called.parsed, called.tool_calls.length, finish_reason], [null, null, 1, 'tool_calls']);
    assertPlace(called.tool_calls[0].function.parsed_arguments);
    const [{ message: spoken }] = (await client.chat.completions.parse({ ...asked, logit_bias: { 19: 1 } })).choices; // t
    assert.strictEqual(spoken.tool_calls?.length ?? 0, 0);
    assertPlace(spoken.parsed);
    const response = await client.responses.parse({ model, input: 'hi', temperature: 0, max_output_tokens: 300, parallel_tool_calls: false,
      text: { format: zodTextFormat(Place, 'place') }, tools: [{ type: 'function', name: 'find', parameters: PLACE, strict: true }] });
    assert.deepStrictEqual(response.output.map((o) => o.type), ['function_call']);
    assertPlace(JSON.parse(response.output[0].arguments));
  });

  test('a schema that cannot be kept is refused under the name of the field it came in', async () => {
    const error = await errorOf(chat({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object', dependentSchemas: {} } } } }));
    assert.ok(error instanceof OpenAI.BadRequestError, error.stack);
    assert.strictEqual(error.param, 'response_format');
    assert.match(error.message, /dependentSchemas/);
  });

  test('responses with a tool that is required', async () => {
    const answer = await client.responses.create({ model, input: 'hi', temperature: 1, max_output_tokens: 300, tool_choice: 'required', parallel_tool_calls: false,
      tools: [{ type: 'function', name: 'find', parameters: PLACE, strict: true }] });
    assertPlace(JSON.parse(answer.output.find((o) => o.type === 'function_call').arguments));
  });

  test('a client that leaves in the middle frees the slot', async () => {
    const { how, left } = await endlessAnswer(hive);
    for await (const chunk of await chat({ ...how, stream: true })) {
      if (chunk.choices[0].delta.content) break;
    }
    await left();
  });

  test('embeddings of an encoder: base64 and numbers are the same vectors', async () => {
    const model = path.join(ROOT, 'tests/golden/small-bert.gguf');
    const rows = JSON.parse(fs.readFileSync(path.join(ROOT, 'tests/golden/small-embeddings.json'), 'utf8'))['small-bert.gguf'].slice(1, 4);
    const input = rows.map((r) => r.text);
    const coded = await client.embeddings.create({ model, input });
    const plain = await client.embeddings.create({ model, input, encoding_format: 'float' });
    assert.strictEqual(coded.data.length, 3);
    coded.data.forEach((d, i) => {
      assert.deepStrictEqual(d.embedding, plain.data[i].embedding.map(Math.fround));
      const dot = d.embedding.reduce((sum, v, k) => sum + v * rows[i].vector[k], 0) / Math.hypot(...rows[i].vector);
      assert.ok(dot > 0.9999, `${dot}: not the vector of llama.cpp`);
    });
    const refused = await errorOf(client.chat.completions.create({ model, messages: [{ role: 'user', content: 'hi' }] }));
    assert.ok(refused instanceof OpenAI.BadRequestError, refused.stack);
  });
});
