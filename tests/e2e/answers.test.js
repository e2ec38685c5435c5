'use strict';
/*
 * answers.test.js - what a model's answer may turn out to be, and how each API's clients get it: arguments
 * that are no JSON or that no number type holds; more choices than the worker has places for; many calls and items. Over a worker that says what it is told.
 */
const { test, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { makeFolder, until } = require('./lib/proc.js');
const { stream } = require('./lib/sse.js');
const { startHive, post, list } = require('./lib/hive.js');
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

/* ---- choices ---- */

const one = (t, more) => JSON.stringify({ events: [{ type: 'token', t, i: 0 }], ...more });
const texts = (answer) => answer.json.choices.map((c) => `${c.index}:${c.text}`);
const NAMES = Array.from('abcdefgh');

/* All choices were asked at once: a worker has room for its slots and 16 more, so requests of 21 to 32 choices,
 * which are allowed, were refused each time, by a worker that had nothing to do. */
test('no more choices are asked at a time than the worker has slots', async () => {
  const before_n = fake.asked().length;
  const answer = await post(hive, '/v1/completions', { model, n: 4, seed: 5, prompt: NAMES.map((name) => one(name, { slow: 3 })) });
  assert.strictEqual(answer.status, 200, answer.text);
  assert.deepStrictEqual(texts(answer), NAMES.flatMap((name, i) => [0, 1, 2, 3].map((k) => `${4 * i + k}:${name}`)));
  const asked = fake.asked().slice(before_n);
  assert.deepStrictEqual(asked.map((a) => `${JSON.parse(a.prompt).events[0].t}${a.seed}`).sort(), NAMES.flatMap((name) => [5, 6, 7, 8].map((seed) => name + seed)));
  assert.ok(fake.peak() > 1 && fake.peak() <= 4, `${fake.peak()} ran at once`);
});

test('a choice that gets no place is asked when another has ended', async () => {
  fake.places(2);
  for (const streamed of [false, true]) {
    const before_n = fake.asked().length, body = { model, n: 8, prompt: one('x', { slow: 50 }) };
    if (streamed) {
      const events = await (await stream(`${hive.url}/v1/completions`, { method: 'POST', body: { ...body, stream: true } })).all();
      assert.deepStrictEqual(events.filter((e) => e.choices[0].finish_reason).map((e) => e.choices[0].index).sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
    } else {
      assert.deepStrictEqual(texts(await post(hive, '/v1/completions', body)), NAMES.map((_, i) => `${i}:x`));
    }
    const n_asked = fake.asked().length - before_n;
    assert.ok(n_asked > 8 && n_asked <= 32, `asked ${n_asked} times`); // refused as others end, not all the time
  }
  fake.places(0);
  assert.strictEqual((await post(hive, '/v1/completions', { model, n: 2, prompt: one('x') })).status, 503); // nothing has begun: told at once
  fake.places(99);
});

test('others take the places while none of it runs: it is asked again', async () => {
  const before_n = fake.asked().length, prompts = [one('a', { until: 'others have its place' }), one('b'), one('c')];
  fake.places(1);
  const s = await stream(`${hive.url}/v1/completions`, { method: 'POST', body: { model, prompt: prompts, stream: true } });
  await s.find((e) => e.choices[0].text === 'a');
  fake.places(0);
  fake.say('others have its place');
  await until(() => fake.asked().length >= before_n + 4, 'once behind a, and when that has ended, and again');
  assert.ok(!s.over);
  fake.places(99);
  assert.deepStrictEqual((await s.all()).map((e) => e.choices[0].text).filter(Boolean), ['a', 'b', 'c']);
});

test('choices that still wait when their worker leaves go to another', async () => {
  const before_n = fake.asked().length;
  fake.places(1);
  const s = await stream(`${hive.url}/v1/completions`, { method: 'POST', body: { model, n: 3, prompt: one('a', { until: 'it has left' }), stream: true } });
  await until(() => fake.asked().length === before_n + 3, 'the two others have been refused');
  fake.places(99);
  fake.leave();
  fake.say('it has left');
  const events = await s.all();
  assert.deepStrictEqual(events.map((e) => (e.error ? e.error.message : e.choices[0].text)).filter(Boolean), ['a', 'a', 'a']);
  assert.ok(s.done);
});

/* An answer that failed waited on for the worker that it had looked for before: while its client took the
 * last events slowly that worker became ready, was asked all that had not ended, and what it said came behind
 * [DONE]. */
test('an answer that has failed asks nobody any more', async () => {
  assert.strictEqual((await post(hive, '/v1/completions', { model, prompt: 'x' })).status, 200);
  const before_n = fake.asked().length, [old] = (await list(hive)).filter((w) => w.state === 'idle');
  const prompts = [one('a', { until: 'a ends' }), JSON.stringify({ flood: 1e5, until: 'flood' }), one('c', { until: 'c breaks', cut: true }), one('d', { hang: true }), one('e')];
  const s = await stream(`${hive.url}/v1/completions`, { method: 'POST', body: { model, prompt: prompts, stream: true } });
  await until(() => fake.asked().length === before_n + 4, 'all but the last one are asked');
  s.response.pause();
  fake.hold();
  fake.leave();
  fake.say('a ends');
  await until(async () => (await list(hive)).some((w) => w.state === 'loading'), 'the last one is refused, and waits for another worker');
  fake.say('flood');
  let left = '', since = Date.now();
  await until(() => { if (fake.left() !== left) { left = fake.left(); since = Date.now(); } return left && Date.now() - since > 200; }, 'the client takes no more');
  fake.say('c breaks');
  await until(async () => !(await list(hive)).some((w) => w.worker_id === old.worker_id), 'nobody is at the old one any more: the answer has failed');
  fake.release();
  await until(async () => (await list(hive)).some((w) => w.state === 'idle'), 'the other one is ready');
  s.response.resume();
  await s.all();
  assert.strictEqual(fake.asked().length, before_n + 5);
  assert.ok(s.done);
  assert.strictEqual(s.events.findIndex((e) => e.json === undefined), s.events.length - 1);
  assert.ok(s.events.at(-2).json.error, JSON.stringify(s.events.at(-2).json));
});

test('one choice that fails ends them all, and so does a client that leaves', async () => {
  const refusal = JSON.stringify({ status: 400, body: { error: { code: 'CONTEXT_LENGTH_EXCEEDED', message: 'too long', src: 'worker' } } });
  const idle = async () => (await list(hive)).every((w) => w.slots_busy === 0);
  let before_n = fake.asked().length;
  const answer = await post(hive, '/v1/completions', { model, prompt: [one('a', { hang: true }), refusal, ...NAMES.map((name) => one(name, { hang: true }))] });
  assert.strictEqual(answer.status, 400, answer.text);
  await until(idle, 'the others are cancelled');
  assert.strictEqual(fake.asked().length, before_n + 4);
  before_n = fake.asked().length;
  assert.strictEqual((await post(hive, '/v1/completions', { model, n: 8, prompt: refusal })).status, 400);
  assert.strictEqual(fake.asked().length, before_n + 1); // what is hopeless is asked once
  const s = await stream(`${hive.url}/v1/completions`, { method: 'POST', body: { model, n: 8, prompt: one('x', { hang: true }), stream: true } });
  await until(async () => (await list(hive)).some((w) => w.slots_busy === 4), 'four run');
  before_n = fake.asked().length;
  s.leave();
  await until(idle, 'and end');
  assert.strictEqual(fake.asked().length, before_n);
});

/* What came behind the 512th item was left out in silence, and the response called completed; then it was an error. */
test('a response has as many items as its answer has turns', async () => {
  const turns = (n) => ({ events: Array.from({ length: n }, (_, i) => [{ type: 'reasoning', t: `r${i} `, i: 0 }, { type: 'token', t: `t${i} `, i: 0 }]).flat() });
  const ask = async (n) => (await stream(`${hive.url}/v1/responses`, { method: 'POST', body: { model, stream: true, input: [{ type: 'message', ...say(turns(n))[0] }] } })).all();
  const whole = (await ask(300)).at(-1);
  assert.deepStrictEqual([whole.type, whole.response.output.length], ['response.completed', 600]);
  assert.deepStrictEqual(whole.response.output.slice(-2).map((o) => o.content[0].text), ['r299 ', 't299 ']);
});

/* The whole answer had a message without a text where the stream had none: now both have what there is. An
 * answer of nothing goes back as part of the conversation. */
test('an answer of nothing has nothing in it, whole or as a stream', async () => {
  const messages = say({ events: [] });
  const told = async (where, body) => (await stream(hive.url + where, { method: 'POST', body: { model, stream: true, ...body } })).all();
  const whole = (await post(hive, '/v1/messages', { model, max_tokens: 9, messages })).json;
  assert.deepStrictEqual([whole.content, whole.stop_reason], [[], 'end_turn']);
  assert.deepStrictEqual((await told('/v1/messages', { max_tokens: 9, messages })).map((e) => e.type), ['message_start', 'message_delta', 'message_stop']);
  const response = (await post(hive, '/v1/responses', { model, input: messages })).json;
  assert.deepStrictEqual([response.output, response.status], [[], 'completed']);
  assert.deepStrictEqual((await told('/v1/responses', { input: messages })).at(-1).response.output, []);
  const on = await post(hive, '/v1/messages', { model, max_tokens: 9, messages: [...messages, { role: 'assistant', content: whole.content }, ...say({ events: [{ type: 'token', t: 'so', i: 0 }] })] });
  assert.deepStrictEqual(on.json.content, [{ type: 'text', text: 'so' }], on.text);
});

/* ---- arguments of calls ---- */

const call = (index, t) => [{ type: 'tool_call', index, id: `call_${index}`, name: 'f' }, { type: 'tool_args', index, t }];
const CUT = { stop_reason: 'MAX_TOKENS' };
const STOPPED = { stop_reason: 'STOP_SEQUENCE', stop_sequence_matched: 'END' };
const anthropic = (events, end, stream = false) => post(hive, '/v1/messages',
  { model, stream, max_tokens: 9, tools: [{ name: 'f', input_schema: { type: 'object' } }], messages: say({ events, end }) });
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

/* What each API says of such an answer, whole and as a stream: the text, the calls, the reason of the end. */
async function byAnthropic(events, end) {
  const whole = await anthropic(events, end), streamed = await anthropic(events, end, true);
  assert.strictEqual(whole.status, 200, whole.text);
  const told = streamed.text.split('\n\n').filter(Boolean).map((e) => JSON.parse(e.slice(e.indexOf('data: ') + 6)));
  const { content, stop_reason: reason, stop_sequence: matched } = whole.json;
  const starts = told.filter((e) => e.type === 'content_block_start').map((e) => `${e.content_block.type} ${e.content_block.id}`);
  assert.deepStrictEqual(starts, content.map((b) => `${b.type} ${b.id}`));
  assert.deepStrictEqual(told.at(-2).delta, { stop_reason: reason, stop_sequence: matched });
  return { text: content.filter((b) => b.type === 'text').map((b) => b.text).join(''), inputs: content.filter((b) => b.type === 'tool_use').map((b) => b.input), reason, matched };
}
async function byOllama(events, end) {
  const read = (all) => ({ text: all.map((l) => l.message.content).join(''),
    calls: all.flatMap((l) => l.message.tool_calls || []).map((c) => `${c.id} ${JSON.stringify(c.function.arguments)}`), reason: all.at(-1).done_reason });
  const whole = await ollama(events, end);
  assert.strictEqual(whole.status, 200, whole.text);
  assert.deepStrictEqual(read(lines(await ollama(events, end, true))), read([whole.json]));
  return read([whole.json]);
}
async function byOpenai(events, end) {
  const body = { model, tools: [{ type: 'function', function: { name: 'f' } }], messages: say({ events, end }) };
  const { choices: [{ message, finish_reason: reason }] } = (await post(hive, '/v1/chat/completions', body)).json;
  const told = await (await stream(`${hive.url}/v1/chat/completions`, { method: 'POST', body: { ...body, stream: true } })).all();
  assert.strictEqual(told.at(-1).choices[0].finish_reason, reason);
  const { output, status } = (await post(hive, '/v1/responses', { model, input: say({ events, end }), tools: [{ type: 'function', name: 'f' }] })).json;
  const args = message.tool_calls.map((c) => c.function.arguments), items = output.filter((i) => i.type === 'function_call');
  assert.deepStrictEqual(items.map((i) => i.arguments), args);
  return { text: message.content, args, reason, status, items: items.map((i) => i.status) };
}

/* The whole answer was lost, with a 500 that called it a fault of rbee's, wherever a client's own stop string stood
 * in the arguments, the model ended within them, or what it wrote was no JSON; streams said that there was a
 * call to make. */
test('a call that nobody can make costs nothing of the rest of the answer', async () => {
  const so = { type: 'token', t: 'so', i: 0 };
  for (const args of ['{"a":1', '[1]', '{"x":1e999}', '{"s":"\\ud83d"}', 'Paris']) {
    const events = [so, ...call(0, args), ...call(1, '{}')];
    assert.deepStrictEqual(await byAnthropic(events), { text: 'so', inputs: [{}, {}], reason: 'end_turn', matched: null });
    assert.deepStrictEqual(await byOllama(events), { text: 'so', calls: ['call_1 {}'], reason: 'stop' });
    assert.deepStrictEqual(await byOpenai(events), { text: 'so', args: [args, '{}'], reason: 'tool_calls', status: 'completed', items: ['incomplete', 'completed'] });
  }
});

test('a call that a stop string or the limit of tokens cut is known by the reason of the end', async () => {
  const both = [...call(0, '{"a":1}'), ...call(1, '{"b":')], calls = ['call_0 {"a":1}'], args = ['{"a":1}', '{"b":'];
  assert.deepStrictEqual(await byAnthropic(both, STOPPED), { text: '', inputs: [{ a: 1 }, {}], reason: 'stop_sequence', matched: 'END' });
  assert.deepStrictEqual(await byOllama(both, STOPPED), { text: '', calls, reason: 'stop' });
  assert.deepStrictEqual(await byOpenai(both, STOPPED), { text: null, args, reason: 'stop', status: 'completed', items: ['completed', 'incomplete'] });
  assert.deepStrictEqual(await byAnthropic(both, CUT), { text: '', inputs: [{ a: 1 }, {}], reason: 'max_tokens', matched: null });
  assert.deepStrictEqual(await byOllama(both, CUT), { text: '', calls, reason: 'length' });
  assert.deepStrictEqual(await byOpenai(both, CUT), { text: null, args, reason: 'length', status: 'incomplete', items: ['completed', 'incomplete'] });
});

test('whole calls are to be made, also where a stop string comes behind them', async () => {
  for (const end of [{}, STOPPED]) {
    const { reason } = await byAnthropic(call(0, '{}'), end);
    assert.deepStrictEqual([reason, (await byOpenai(call(0, '{}'), end)).reason], ['tool_use', 'tool_calls']);
  }
});

/* The 129th call of an answer lost all of it: "the answer is over a limit, or there is no memory for it", as an error
 * of rbee's own. What is kept is bounded by its bytes. */
test('an answer may have any number of calls', async () => {
  const N = 600, events = [];
  for (let i = 0; i < N; i++) {
    events.push({ type: 'tool_call', index: i, id: `call_${i}`, name: 'f' }, { type: 'tool_args', index: i, t: '{}' });
  }
  const said = JSON.stringify({ events }), messages = [{ role: 'user', content: said }];
  const tool = { name: 'f', parameters: { type: 'object' } }, tools = [{ type: 'function', function: tool }];
  const ask = async (where, body) => {
    const answer = await post(hive, where, { model, ...body });
    assert.strictEqual(answer.status, 200, answer.text.slice(0, 300));
    return answer;
  };
  assert.strictEqual((await ask('/v1/chat/completions', { messages, tools })).json.choices[0].message.tool_calls.length, N);
  assert.strictEqual((await ask('/api/chat', { messages, tools, stream: false })).json.message.tool_calls.length, N);
  const items = { input: said, tools: [{ type: 'function', ...tool }] };
  const { content } = (await ask('/v1/messages', { messages, max_tokens: 9, tools: [{ name: 'f', input_schema: { type: 'object' } }] })).json;
  assert.strictEqual(content.length, N);
  assert.strictEqual((await ask('/v1/responses', items)).json.output.length, N);
  const { text } = await ask('/v1/responses', { ...items, stream: true });
  const last = JSON.parse(text.trim().split('\n').filter((l) => l.startsWith('data: {')).at(-1).slice(6));
  assert.strictEqual(last.type, 'response.completed', text.slice(-400));
  assert.deepStrictEqual(last.response.output.map((o) => o.call_id), events.filter((e) => e.id).map((e) => e.id));
});
