'use strict';
/*
 * sdk-anthropic.test.js - the package @anthropic-ai/sdk as it is published, against a running hive.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { testModel, makeFolder, until } = require('./lib/proc.js');
const { hostFor, notApart } = require('./lib/host.js');
const { sdk, skipWithout, versionsOf, talkingModel, realHive, toldHive, endlessAnswer, untilFree, untilBusy, errorOf, collect } = require('./lib/sdk.js');

const Anthropic = sdk('@anthropic-ai/sdk');
const skip = skipWithout(Anthropic);

const say = (todo) => [{ role: 'user', content: JSON.stringify(todo) }];
const text = (...pieces) => pieces.map((t, i) => ({ type: 'token', t, i }));
const THOUGHT = [{ type: 'reasoning', t: 'Let me ', i: 0 }, { type: 'reasoning', t: 'see.', i: 1 }];
const CALL = [{ type: 'tool_call', index: 0, id: 'call_abc', name: 'add' },
  { type: 'tool_args', index: 0, t: '{"a":' }, { type: 'tool_args', index: 0, t: '1.5,"b":"\u00fc\\n"}' }];
const PLACE = { type: 'object', additionalProperties: false, required: ['town', 'north'],
  properties: { town: { type: 'string', maxLength: 8 }, north: { type: 'boolean' } } };

const clientOf = (hive, { key = 'none', retries = 0 } = {}) => new Anthropic({ baseURL: hive.url, apiKey: key, maxRetries: retries });

test('the package is the one that is wanted', { skip }, () => {
  const { here, wanted } = versionsOf('@anthropic-ai/sdk');
  assert.strictEqual(here, wanted);
});

describe('over a worker that says what it is told', { skip }, () => {
  let hive, client;
  before(async () => { hive = await toldHive(); client = clientOf(hive); });
  after(() => hive && hive.stop());
  const body = (todo, more) => ({ model: 'tiny', max_tokens: 50, messages: say(todo), ...more });

  test('messages.create: blocks, usage, the request\'s id', async () => {
    const answer = await client.messages.create(body({ events: [...THOUGHT, ...text('so'), ...CALL] },
      { metadata: { user_id: 'me' }, stop_sequences: ['Q'], temperature: 0.5, top_k: 3, top_p: 0.5, system: 'be kind' }));
    assert.deepStrictEqual(answer.content.map((b) => b.type), ['thinking', 'text', 'tool_use']);
    assert.deepStrictEqual(answer.content[2].input, { a: 1.5, b: '\u00fc\n' });
    assert.deepStrictEqual([answer.role, answer.type, answer.stop_reason], ['assistant', 'message', 'tool_use']);
    assert.deepStrictEqual([answer.usage.input_tokens, answer.usage.cache_read_input_tokens, answer.usage.output_tokens], [7, 4, 2]);
    assert.match(answer._request_id, /^[0-9a-f-]{36}$/);
  });

  test('messages.stream: its events, and the message they add up to', async () => {
    const todo = { events: [...THOUGHT, ...text('a', 'b'), ...CALL] };
    const stream = client.messages.stream(body(todo)), texts = [], thoughts = [], inputs = [];
    stream.on('text', (delta) => texts.push(delta));
    stream.on('thinking', (delta) => thoughts.push(delta));
    stream.on('inputJson', (delta) => inputs.push(delta));
    const message = await stream.finalMessage();
    assert.deepStrictEqual([texts, thoughts.join('')], [['a', 'b'], 'Let me see.']);
    assert.deepStrictEqual(JSON.parse(inputs.join('')), { a: 1.5, b: '\u00fc\n' });
    const whole = await client.messages.create(body(todo));
    assert.deepStrictEqual(message.content.map(({ signature, ...rest }) => ({ ...rest })), whole.content.map(({ signature, ...rest }) => ({ ...rest })));
    assert.deepStrictEqual([message.stop_reason, message.usage.input_tokens, message.usage.output_tokens], ['tool_use', 7, 2]);
    const events = await collect(await client.messages.create(body(todo, { stream: true })));
    assert.deepStrictEqual([events[0].type, events.at(-1).type], ['message_start', 'message_stop']);
  });

  test('a stop sequence, a limit, and tools that go there and back', async () => {
    const stopped = await client.messages.create(body({ events: text('a'), end: { stop_reason: 'STOP_SEQUENCE', stop_sequence_matched: 'Q' } }));
    assert.deepStrictEqual([stopped.stop_reason, stopped.stop_sequence], ['stop_sequence', 'Q']);
    const cut = await client.messages.create(body({ events: text('a'), end: { stop_reason: 'MAX_TOKENS' } }));
    assert.strictEqual(cut.stop_reason, 'max_tokens');
    const first = body({ events: CALL }, { tools: [{ name: 'add', input_schema: { type: 'object' } }] });
    const called = await client.messages.create(first);
    const next = await client.messages.create({ ...first, messages: [...first.messages, { role: 'assistant', content: called.content },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: called.content[0].id, content: JSON.stringify({ events: text('3') }) }] }] });
    assert.strictEqual(next.content[0].text, '3');
    assert.deepStrictEqual(hive.worker.asked().at(-1).messages.map((m) => m.role), ['user', 'assistant', 'tool']);
  });

  test('countTokens', async () => {
    assert.strictEqual((await client.messages.countTokens({ model: 'tiny', system: 's', messages: [{ role: 'user', content: 'x' }] })).input_tokens, 42);
  });

  test('a client that leaves frees the slot', async () => {
    const stream = client.messages.stream(body({ events: text('a', 'b'), hang: true }));
    stream.on('text', (delta) => { if (delta === 'b') stream.abort(); });
    assert.ok(await errorOf(stream.finalMessage()) instanceof Anthropic.APIUserAbortError);
    await untilFree(hive);
    const stop = new AbortController(), waiting = client.messages.create(body({ events: [], hang: true }), { signal: stop.signal });
    await untilBusy(hive);
    stop.abort();
    assert.ok(await errorOf(waiting) instanceof Anthropic.APIUserAbortError);
    await untilFree(hive);
  });

  test('errors have the types that the package has for them', async () => {
    for (const [ask, type, name, pattern] of [
      [() => client.messages.create(body({}, { model: 'nope' })), Anthropic.NotFoundError, 'not_found_error', /nope/],
      [() => client.messages.create(body({}, { temperature: 2 })), Anthropic.BadRequestError, 'invalid_request_error', /temperature/],
      [() => client.messages.create({ model: 'tiny', max_tokens: 5, messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'http://x' } }] }] }),
        Anthropic.BadRequestError, 'invalid_request_error', /image/],
      [() => client.messages.create(body({ status: 503, body: { error: { code: 'ALL_SLOTS_BUSY', message: 'full', details: {} } } })),
        Anthropic.InternalServerError, 'overloaded_error', /full/],
      [() => client.messages.countTokens({ model: 'tiny', messages: [] }), Anthropic.BadRequestError, 'invalid_request_error', /messages/]]) {
      const error = await errorOf(ask());
      assert.ok(error instanceof type, error.stack);
      assert.strictEqual(error.error.error.type, name);
      assert.match(error.message, pattern);
      assert.strictEqual(error.requestID, error.error.request_id);
      assert.match(error.requestID, /^[0-9a-f-]{36}$/);
    }
    const error = await errorOf(client.messages.stream(body({ events: [...text('a'), { type: 'error', code: 'INTERNAL', message: 'oh', retriable: false }] })).finalMessage());
    assert.ok(error instanceof Anthropic.APIError, error.stack);
    assert.match(error.message, /oh/);
  });
});

describe('while a model loads', { skip }, () => {
  /* By the status alone the package asks three times, and has three times computed what its user gave up. */
  test('what asking again does not help is asked once', async () => {
    const hive = await toldHive();
    try {
      for (const [code, status] of [['REQUEST_TIMEOUT', 408], ['INSUFFICIENT_MEMORY', 507]]) {
        let n = 0;
        const client = new Anthropic({ baseURL: hive.url, apiKey: 'none', maxRetries: 2, fetch: (...what) => { n++; return fetch(...what); } });
        const messages = say({ events: [{ type: 'token', t: 'x', i: 0 }, { type: 'error', code, message: 'no', retriable: false }] });
        const error = await errorOf(client.messages.create({ model: 'tiny', max_tokens: 5, messages }));
        assert.deepStrictEqual([error.status, n], [status, 1], code);
      }
    } finally {
      await hive.stop();
    }
  });

  test('the package comes again when Retry-After says so; how far it is stands in the error', async () => {
    const hive = await toldHive('[hive]\nload_wait = 50ms\n');
    try {
      hive.worker.hold();
      const body = { model: 'tiny', max_tokens: 5, messages: say({ events: text('x') }) };
      let early;
      await until(async () => {
        early = await errorOf(clientOf(hive).messages.create(body));
        return early.error.loading && early.error.loading.total === 23;
      }, () => JSON.stringify(early.error));
      assert.deepStrictEqual([early.status, early.error.error.type, early.error.loading.done], [503, 'overloaded_error', 12]);
      const waiting = clientOf(hive, { retries: 5 }).messages.create(body);
      hive.worker.release();
      assert.strictEqual((await waiting).content[0].text, 'x');
    } finally {
      await hive.stop();
    }
  });
});

describe('with a key', { skip: skip || notApart }, () => {
  test('a wrong one is an AuthenticationError, the right one is taken as x-api-key', async (t) => {
    const home = makeFolder('rbee-hive-'), host = await hostFor(t);
    const hive = await host.hive(home, { RBEE_HIVE_TLS: 'off' });
    try {
      hive.url = `http://127.0.0.1:${await host.door(8080)}`;
      const ask = { model: 'nope', max_tokens: 5, messages: say({}) };
      const wrong = await errorOf(clientOf(hive, { key: 'wrong' }).messages.create(ask));
      assert.ok(wrong instanceof Anthropic.AuthenticationError, wrong.stack);
      assert.deepStrictEqual([wrong.error.error.type, wrong.requestID], ['authentication_error', wrong.error.request_id]);
      const key = fs.readFileSync(path.join(home, 'api-key'), 'utf8').trim();
      assert.ok(await errorOf(clientOf(hive, { key }).messages.create(ask)) instanceof Anthropic.NotFoundError);
    } finally {
      await hive.stop();
    }
  });
});

describe('over a real worker', { skip }, () => {
  let hive, client, model;
  before(async () => { model = talkingModel(); hive = await realHive(); client = clientOf(hive); });
  after(() => hive && hive.stop());
  const messages = [{ role: 'user', content: 'hi' }];

  test('a stream says what the whole says; tokens are counted as they are used', async () => {
    const how = { model, messages, max_tokens: 12, temperature: 0 };
    const whole = await client.messages.create(how);
    assert.deepStrictEqual([whole.content[0].text, whole.stop_reason], ['a'.repeat(12), 'max_tokens']);
    assert.strictEqual((await client.messages.stream(how).finalText()), 'a'.repeat(12));
    const { input_tokens: counted } = await client.messages.countTokens({ model, messages });
    assert.strictEqual(counted, whole.usage.input_tokens + whole.usage.cache_read_input_tokens);
    // Tools that are left out of the prompt were counted: a multiple of what it had.
    const unused = { model, messages, tools: [{ name: 'find', description: 'd'.repeat(300), input_schema: PLACE }], tool_choice: { type: 'none' } };
    const { usage } = await client.messages.create({ ...unused, max_tokens: 1 });
    assert.strictEqual((await client.messages.countTokens(unused)).input_tokens, usage.input_tokens + usage.cache_read_input_tokens);
  });

  test('a tool that must be used is', async () => {
    for (const tool_choice of [{ type: 'any', disable_parallel_tool_use: true }, { type: 'tool', name: 'find', disable_parallel_tool_use: true }]) {
      const message = await client.messages.stream({ model, messages, max_tokens: 300, tools: [{ name: 'find', input_schema: PLACE }], tool_choice }).finalMessage();
      assert.strictEqual(message.stop_reason, 'tool_use');
      const [{ name, input }] = message.content.filter((b) => b.type === 'tool_use');
      assert.deepStrictEqual([name, typeof input.town, typeof input.north], ['find', 'string', 'boolean']);
    }
  });

  test('a client that leaves in the middle frees the slot', async () => {
    const { how, left } = await endlessAnswer(hive), stream = client.messages.stream({ ...how, messages });
    stream.once('text', () => stream.abort());
    assert.ok(await errorOf(stream.done()) instanceof Anthropic.APIUserAbortError);
    await left();
  });
});
