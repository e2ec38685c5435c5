'use strict';
/*
 * sdk-ollama.test.js - the ollama package as it is published, against a running hive: over a worker that
 * says what the test wants, over real ones, and over a hub that is not the hub.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { ROOT, testModel, makeFolder } = require('./lib/proc.js');
const { sdk, skipWithout, versionsOf, talkingModel, realHive, toldHive, untilFree, errorOf, collect } = require('./lib/sdk.js');
const { startHive } = require('./lib/hive.js');
const { Hub } = require('./lib/hub.js');

const ollama = sdk('ollama');
const skip = skipWithout(ollama);

const say = (todo) => [{ role: 'user', content: JSON.stringify(todo) }];
const text = (...pieces) => pieces.map((t, i) => ({ type: 'token', t, i }));
const THOUGHT = [{ type: 'reasoning', t: 'Let me ', i: 0 }, { type: 'reasoning', t: 'see.', i: 1 }];
const CALLS = [{ type: 'tool_call', index: 0, id: 'call_a', name: 'add' }, { type: 'tool_args', index: 0, t: '{"a":1' }, { type: 'tool_args', index: 0, t: '.5}' },
  { type: 'tool_call', index: 1, id: 'call_b', name: 'find' }, { type: 'tool_args', index: 1, t: '{"b":"\u00fc\\n"}' }];
const PLACE = { type: 'object', additionalProperties: false, required: ['town', 'north'],
  properties: { town: { type: 'string', maxLength: 8 }, north: { type: 'boolean' } } };
const TOOLS = [{ type: 'function', function: { name: 'add', description: 'adds', parameters: { type: 'object', properties: { a: { type: 'number' } } } } }];

const clientOf = (hive) => new ollama.Ollama({ host: hive.url });

test('the package is the one that is wanted', { skip }, () => {
  const { here, wanted } = versionsOf('ollama');
  assert.strictEqual(here, wanted);
});

describe('over a worker that says what it is told', { skip }, () => {
  let hive, client;
  before(async () => { hive = await toldHive(); client = clientOf(hive); });
  after(() => hive && hive.stop());

  test('chat: whole, and line by line', async () => {
    const messages = say({ events: [...THOUGHT, ...text('H\u00e9', 'llo')] });
    const whole = await client.chat({ model: 'tiny', messages, think: true });
    assert.deepStrictEqual([whole.message.content, whole.message.thinking, whole.done_reason], ['H\u00e9llo', 'Let me see.', 'stop']);
    assert.deepStrictEqual([whole.prompt_eval_count, whole.eval_count, whole.eval_duration], [11, 2, 7e6]);
    const lines = await collect(await client.chat({ model: 'tiny', messages, stream: true }));
    assert.strictEqual(lines.map((l) => l.message.content).join(''), 'H\u00e9llo');
    assert.strictEqual(lines.map((l) => l.message.thinking || '').join(''), 'Let me see.');
    assert.deepStrictEqual(lines.map((l) => l.done), [...Array(lines.length - 1).fill(false), true]);
    assert.ok(!Number.isNaN(Date.parse(whole.created_at)));
  });

  test('calls are whole objects, and a history of them goes back', async () => {
    const messages = say({ events: CALLS });
    const expected = [{ function: { index: 0, name: 'add', arguments: { a: 1.5 } } }, { function: { index: 1, name: 'find', arguments: { b: '\u00fc\n' } } }];
    const whole = await client.chat({ model: 'tiny', messages, tools: TOOLS });
    const ids = whole.message.tool_calls.map((c) => c.id);
    assert.strictEqual(new Set(ids).size, 2);
    assert.deepStrictEqual(whole.message.tool_calls.map((c) => ({ function: c.function })), expected);
    const lines = await collect(await client.chat({ model: 'tiny', messages, tools: TOOLS, stream: true }));
    assert.deepStrictEqual(lines.flatMap((l) => l.message.tool_calls || []).map((c) => ({ function: c.function })), expected);
    const next = await client.chat({ model: 'tiny', messages: [...messages, whole.message,
      { role: 'tool', tool_name: 'add', content: '2' }, { role: 'tool', tool_name: 'find', content: JSON.stringify({ events: text('3') }) }] });
    assert.strictEqual(next.message.content, '3');
    const asked = hive.worker.asked().at(-1).messages;
    assert.deepStrictEqual(asked.map((m) => m.role), ['user', 'assistant', 'tool', 'tool']);
    assert.deepStrictEqual(asked[1].tool_calls.map((c) => c.id), ids);
    assert.deepStrictEqual(ids, asked.slice(2).map((m) => m.tool_call_id));
  });

  test('generate: the options under their names', async () => {
    const whole = await client.generate({ model: 'tiny', prompt: JSON.stringify({ events: text('x') }), system: 's',
      options: { temperature: 0, seed: 3, num_predict: 7, stop: ['Q'], top_k: 5, top_p: 0.5, min_p: 0.1, repeat_penalty: 1.5, presence_penalty: 1, frequency_penalty: -1 } });
    assert.strictEqual(whole.response, 'x');
    const { messages, url, stream, ...asked } = hive.worker.asked().at(-1);
    assert.deepStrictEqual(messages.map((m) => m.role), ['system', 'user']);
    assert.deepStrictEqual(asked, { temperature: 0, seed: 3, max_tokens: 7, stop: ['Q'], top_k: 5, top_p: 0.5, min_p: 0.1,
      repetition_penalty: 1.5, presence_penalty: 1, frequency_penalty: -1 });
    const lines = await collect(await client.generate({ model: 'tiny', prompt: JSON.stringify({ events: text('a', 'b') }), raw: true, stream: true }));
    assert.strictEqual(lines.map((l) => l.response).join(''), 'ab');
    assert.strictEqual(lines.at(-1).done, true);
  });

  test('leaving frees the slot, from the iterator and from the client', async () => {
    for (const leave of [(stream) => stream.abort(), () => client.abort()]) {
      const stream = await client.chat({ model: 'tiny', messages: say({ events: text('a'), hang: true }), stream: true });
      const error = await errorOf((async () => { for await (const line of stream) if (line.message.content) leave(stream); })());
      assert.strictEqual(error.name, 'AbortError');
      await untilFree(hive);
    }
  });

  test('errors: a sentence and the status', async () => {
    for (const [ask, status, pattern] of [[() => client.chat({ model: 'nope', messages: say({}) }), 404, /nope/],
      [() => client.chat({ model: 'tiny', messages: say({}), options: { temperature: 9 } }), 400, /temperature/],
      [() => client.chat({ model: 'tiny', messages: [{ role: 'user', content: 'x', images: ['AAAA'] }] }), 400, /images/],
      [() => client.show({ model: 'nope' }), 404, /nope/],
      [() => client.chat({ model: 'tiny', messages: say({ status: 503, body: { error: { code: 'ALL_SLOTS_BUSY', message: 'full', details: {} } } }) }), 503, /full/]]) {
      const error = await errorOf(ask());
      assert.strictEqual(error.name, 'ResponseError', error.stack);
      assert.strictEqual(error.status_code, status);
      assert.match(error.message, pattern);
    }
    const cut = await client.chat({ model: 'tiny', messages: say({ events: text('a'), cut: true }), stream: true });
    assert.match((await errorOf(collect(cut))).message, /broke off/);
  });

  test('list, ps, version, embed, and how long a model stays', async () => {
    assert.deepStrictEqual((await client.list()).models.map((m) => [m.name, m.details.format]), [['tiny', 'gguf']]);
    await client.generate({ model: 'tiny', prompt: '', keep_alive: '7m' });
    const [loaded] = (await client.ps()).models;
    assert.strictEqual(loaded.name, 'tiny');
    assert.ok(Math.abs(Date.parse(loaded.expires_at) - Date.now() - 420000) < 60000, loaded.expires_at);
    assert.match((await client.version()).version, /^\d+\.\d+\.\d+$/);
    const embedded = await client.embed({ model: 'tiny', input: ['a', 'b'] });
    assert.deepStrictEqual([embedded.embeddings, embedded.prompt_eval_count], [[[0.5, -1.25, 2], [1, 0, 0]], 6]);
    assert.deepStrictEqual((await client.embeddings({ model: 'tiny', prompt: 'a' })).embedding, [0.5, -1.25, 2]);
  });
});

describe('over a real worker', { skip }, () => {
  let hive, client, model;
  before(async () => { model = talkingModel(); hive = await realHive(); client = clientOf(hive); });
  after(() => hive && hive.stop());
  const messages = [{ role: 'user', content: 'hi' }];

  test('the same seed gives the same text, whole or in lines', async () => {
    const how = { model, messages, options: { temperature: 1, seed: 4, num_predict: 25 } };
    const whole = await client.chat(how);
    const lines = await collect(await client.chat({ ...how, stream: true }));
    assert.strictEqual(lines.map((l) => l.message.content).join(''), whole.message.content);
    assert.ok(whole.message.content.length > 0);
    assert.ok(whole.total_duration >= whole.eval_duration, JSON.stringify(whole));
  });

  test('format: a schema binds the answer', async () => {
    const { message } = await client.chat({ model, messages, format: PLACE, options: { temperature: 1, seed: 4, num_predict: 200 } });
    const place = JSON.parse(message.content);
    assert.deepStrictEqual([Object.keys(place).sort(), typeof place.town, typeof place.north], [['north', 'town'], 'string', 'boolean']);
    const { response } = await client.generate({ model, prompt: 'hi', format: PLACE, options: { temperature: 1, seed: 5, num_predict: 200 } });
    assert.strictEqual(typeof JSON.parse(response).north, 'boolean');
    assert.match((await errorOf(client.chat({ model, messages, format: { dependentSchemas: {} } }))).message, /dependentSchemas/);
  });

  test('show says what the file holds', async () => {
    const shown = await client.show({ model });
    assert.strictEqual(shown.model_info['general.architecture'], 'llama');
    assert.strictEqual(shown.model_info['llama.context_length'], 4096);
    assert.deepStrictEqual(shown.capabilities, ['completion', 'tools']);
    assert.match(shown.template, /messages/);
    assert.strictEqual(shown.details.family, 'llama');
  });

  test('embed: vectors of length one', async () => {
    const { embeddings } = await client.embed({ model: path.join(ROOT, 'tests/golden/small-bert.gguf'), input: ['hello', 'world'] });
    for (const vector of embeddings) assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-5);
  });
});

describe('pull', { skip }, () => {
  test('progress comes line by line, then success, and the model is there', async () => {
    const hub = await Hub.start();
    hub.put('org/tales', { 'tales.Q4_K_M.gguf': fs.readFileSync(testModel()) });
    const hive = await startHive({ home: makeFolder('rbee-hive-'), env: { HF_ENDPOINT: hub.url } });
    const client = clientOf(hive);
    try {
      const lines = await collect(await client.pull({ model: 'hf.co/org/tales', stream: true }));
      assert.strictEqual(lines[0].status, 'pulling manifest');
      assert.strictEqual(lines.at(-1).status, 'success');
      for (const line of lines) if (line.total) assert.ok(line.completed <= line.total);
      assert.strictEqual((await client.pull({ model: 'hf.co/org/tales' })).status, 'success');
      assert.ok((await client.list()).models.some((m) => m.name === 'hf:org/tales'));
      assert.match((await errorOf(client.pull({ model: 'hf.co/org/none' }))).message, /none/);
    } finally {
      await hive.stop();
      await hub.stop();
    }
  });
});
