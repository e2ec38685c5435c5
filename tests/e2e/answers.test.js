'use strict';
/*
 * answers.test.js - what a model's answer may turn out to be, and how each API's clients get it: arguments
 * that are no JSON or that no number type holds. Over a worker that says what it is told.
 */
const { test, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { makeFolder } = require('./lib/proc.js');
const { startHive, post } = require('./lib/hive.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');

let hive, fake, model;
before(async () => {
  fake = makeFakeWorker(makeFolder());
  model = path.join(makeFolder(), 'any.gguf');
  fs.writeFileSync(model, 'any');
  hive = await startHive({ flags: { worker: fake.program } });
});
after(() => hive && hive.stop());

const say = (todo) => [{ role: 'user', content: JSON.stringify(todo) }];
const lines = (answer) => answer.text.trim().split('\n').map((line) => JSON.parse(line));

/* ---- workers that leave ---- */

/* The one model that had a worker was meant; asked once more, without a worker, the hive said that it knew of
 * no model: 400, for a request that was right. */
test('a request without a model finds it again when its worker is on its way out', async () => {
  assert.strictEqual((await post(hive, '/v1/completions', { model, prompt: 'x' })).status, 200);
  const n = fake.asked().length;
  fake.leave();
  const answer = await post(hive, '/v1/completions', { prompt: 'x' });
  assert.strictEqual(answer.status, 200, answer.text);
  assert.strictEqual(fake.asked().length, n + 2); // of the one that left, and of another
});

/* ---- arguments of calls ---- */

const call = (index, t) => [{ type: 'tool_call', index, id: `call_${index}`, name: 'f' }, { type: 'tool_args', index, t }];
const CUT = { stop_reason: 'MAX_TOKENS' };
const anthropic = (events, end) => post(hive, '/v1/messages', { model, max_tokens: 9, tools: [{ name: 'f', input_schema: { type: 'object' } }], messages: say({ events, end }) });
const ollama = (events, end, stream = false) => post(hive, '/api/chat',
  { model, stream, tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }], messages: say({ events, end }) });

/* Where arguments are a value and not a text they were made one by way of numbers of 64 bits: what did not fit,
 * or had a NUL in a name, became {}, and a tool was called with nothing. */
test('arguments are what the model wrote, also where they are values', async () => {
  for (const args of ['{"id":12345678901234567890}', '{"n":0.1,"big":9007199254740993}', '{"a\\u0000b":1}', '{"a":{"b":[1,"ü"]},"a":2}']) {
    assert.ok((await anthropic(call(0, args))).text.includes(`"input":${args}}`), args);
    for (const stream of [false, true]) {
      assert.ok((await ollama(call(0, args), {}, stream)).text.includes(`"arguments":${args}}`), args);
    }
  }
  const spread = await ollama(call(0, '{\n\t"a":\r\n1}'), {}, true); // an answer of lines stays one
  assert.deepStrictEqual(lines(spread)[0].message.tool_calls[0].function.arguments, { a: 1 });
  assert.deepStrictEqual((await anthropic([{ type: 'tool_call', index: 0, id: 'c', name: 'f' }])).json.content[0].input, {});
});

test('arguments that are no object end the answer with an error', async () => {
  for (const args of ['{"a":1', '[1]', '{"x":1e999}', '{"s":"\\ud83d"}', 'Paris']) {
    const whole = await anthropic(call(0, args));
    assert.strictEqual(whole.status, 500, whole.text);
    assert.strictEqual(whole.json.type, 'error', whole.text);
    assert.match(whole.json.error.message, /arguments that are no JSON object/);
    assert.match((await ollama(call(0, args))).json.error, /arguments that are no JSON object/);
    const all = lines(await ollama([{ type: 'token', t: 'so', i: 0 }, ...call(0, args), ...call(1, '{}')], {}, true));
    assert.deepStrictEqual(all.map((l) => (l.error ? /no JSON object/.test(l.error) : l.message.content)), ['so', true]);
  }
});

test('a call that the limit of tokens cut is known by the reason of the end', async () => {
  const both = [...call(0, '{"a":1}'), ...call(1, '{"b":')];
  const whole = await anthropic(both, CUT);
  assert.deepStrictEqual([whole.json.stop_reason, whole.json.content.map((c) => c.input)], ['max_tokens', [{ a: 1 }, {}]]);
  for (const stream of [false, true]) {
    const all = lines(await ollama(both, CUT, stream));
    assert.deepStrictEqual(all.flatMap((l) => l.message.tool_calls || []), [{ function: { name: 'f', arguments: { a: 1 } } }]);
    assert.strictEqual(all.at(-1).done_reason, 'length');
  }
  assert.strictEqual((await anthropic([...call(0, '{"b":'), ...call(1, '{}')], CUT)).status, 500); // only the last can be cut
});
