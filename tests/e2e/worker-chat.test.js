'use strict';
/*
 * worker-chat.test.js - conversations with llm-worker-rbee serve: prompts by a template, thoughts,
 * tool calls, constrained answers, and what the model thought of its tokens.
 *
 * Two models: the bundled one, and a hollow one (lib/gguf.js) whose logits are all zero, so that what
 * it must write follows from the request alone: greedy it takes the lowest id that is allowed, and
 * with a temperature any token that is allowed, each as likely as the others.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const { startWorker, testModel, makeFolder, until, WORKER } = require('./lib/proc.js');
const { ask, stream, textOf } = require('./lib/sse.js');
const { writeHollowModel, writeDamagedModel } = require('./lib/gguf.js');

const MODEL = testModel();
const skip = MODEL ? false : 'no model: neither models/tiny.gguf nor the test data are there';
const FOLDER = makeFolder();
const HOLLOW = path.join(FOLDER, 'hollow.gguf');
writeHollowModel(HOLLOW, { layers: 1, embd: 64, ff: 64, ctx: 4096 });
const N_VOCAB = 27 + 3 + 256; // letters and the blank, <unk> <s> </s>, bytes
const EOS = 29;

let nTemplates = 0;
function templateFile(text) {
  const file = path.join(FOLDER, `t${nTemplates++}.jinja`);
  fs.writeFileSync(file, text);
  return file;
}

const TURNS = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";
const PLAIN = `${TURNS}{% if add_generation_prompt %}assistant:{% endif %}`;
/* Templates that stand for the ways in which models write calls. */
const FORMATS = {
  generic: PLAIN,
  hermes: `${TURNS}{% if tools %}{{ tools | tojson }}{% endif %}{#<tool_call> arguments </think>#}`,
  llama3: `${TURNS}{% if tools %}{{ tools | tojson }}{% endif %}{#<|start_header_id|>{"name": "parameters": #}`,
  mistral: `${TURNS}{% if tools %}{{ tools | tojson }}{% endif %}{#[TOOL_CALLS]#}`,
  'mistral-args': `${TURNS}{% if tools %}{{ tools | tojson }}{% endif %}{#[TOOL_CALLS] [ARGS]#}`,
  'kimi-k2': `${TURNS}{% if tools %}{{ tools | tojson }}{% endif %}` +
    '{#<|tool_calls_section_begin|> <|tool_call_argument_begin|>#}',
  'deepseek-v3.1': `${TURNS}{#<｜tool▁call▁begin｜> <｜tool▁sep｜>#}`,
  apriel: `${TURNS}{% if tools %}{{ tools | tojson }}{% endif %}{#<tool_calls>[ arguments#}`,
  'functionary-3.1': `${TURNS}{% if tools %}{{ tools | tojson }}{% endif %}{#'<function=' '</function>'#}`,
  firefunction: `${TURNS}{{ functions }}{{ datetime }}{# functools[#}`,
};
const TOOLS = [
  { type: 'function', function: { name: 'get_time', description: 'tells the time', parameters: {
    type: 'object', properties: { zone: { enum: ['utc', 'cet'] } }, required: ['zone'] } } },
  { type: 'function', function: { name: 'add', parameters: {
    type: 'object', properties: { a: { type: 'integer' }, up: { type: 'boolean' } }, required: ['a', 'up'] } } },
];
const USER = [{ role: 'user', content: 'hi' }];

const post = (worker, where, body) => ask(worker.url + where, { method: 'POST', body });
const infer = (worker, body) => stream(`${worker.url}/v1/inference`, { method: 'POST', body });
const events = async (worker, body) => (await infer(worker, body)).all();
const whole = async (worker, body) => {
  const answer = await post(worker, '/v1/inference', { ...body, stream: false });
  assert.strictEqual(answer.status, 200, answer.text);
  return answer.json;
};
const ofType = (list, type) => list.filter((e) => e.type === type);
const joined = (list, type) => ofType(list, type).map((e) => e.t).join('');

async function start(flags) {
  const worker = await startWorker(flags);
  await until(async () => (await ask(`${worker.url}/v1/ready`)).json.ready, () => `ready:\n${worker.stderr}`);
  return worker;
}

function assertRefused(answer, field, message) {
  assert.strictEqual(answer.status, 400, answer.text);
  assert.strictEqual(answer.json.error.code, 'INVALID_REQUEST');
  assert.match(answer.json.error.message, message);
  assert.ok(answer.json.error.details.errors.some((e) => e.field === field), answer.text);
}

describe('a conversation', { skip }, () => {
  let worker;
  before(async () => { worker = await start({ 'chat-template': templateFile(PLAIN), ctx: 512 }); });
  after(() => worker.stop());

  test('is answered as its rendered prompt is', async () => {
    const messages = [{ role: 'system', content: 'Be kind.' },
      { role: 'user', content: [{ type: 'text', text: 'Once upon' }, { type: 'text', text: 'a time' }] }];
    const rendered = await post(worker, '/v1/render', { messages });
    assert.deepStrictEqual(Object.keys(rendered.json), ['prompt', 'tokens']);
    assert.strictEqual(rendered.json.prompt, '<s>system: Be kind.\nuser: Once upon\na time\nassistant:');
    const how = { max_tokens: 30, temperature: 1, seed: 5 };
    const chat = await events(worker, { messages, ...how });
    const plain = await events(worker, { prompt: rendered.json.prompt.slice(3), ...how });
    assert.strictEqual(textOf(chat), textOf(plain));
    assert.ok(textOf(chat).length > 20);
    assert.strictEqual(chat.at(-1).prompt_tokens, rendered.json.tokens);
    assert.strictEqual(chat.at(-1).prompt_tokens, plain.at(-1).prompt_tokens); // one BOS
    assert.strictEqual((await whole(worker, { messages, ...how })).text, textOf(chat));
  });

  test('can be rendered without an opening for the answer', async () => {
    const { json } = await post(worker, '/v1/render', { messages: USER, add_generation_prompt: false });
    assert.strictEqual(json.prompt, '<s>user: hi\n');
  });

  test('goes on with what the assistant has begun to say', async () => {
    const messages = [{ role: 'user', content: 'Once upon a time' }, { role: 'assistant', content: 'there was ' }];
    const begun = { messages, continue_final_message: true };
    const { prompt, tokens } = (await post(worker, '/v1/render', begun)).json;
    assert.strictEqual(prompt, '<s>user: Once upon a time\nassistant: there was ');
    const how = { max_tokens: 30, temperature: 1, seed: 5 };
    const chat = await events(worker, { ...begun, ...how });
    assert.strictEqual(textOf(chat), textOf(await events(worker, { prompt: prompt.slice(3), ...how })));
    assert.strictEqual(chat.at(-1).prompt_tokens, tokens);
    assertRefused(await post(worker, '/v1/inference', { ...begun, messages: USER }), 'continue_final_message', /last message of the assistant/);
  });

  test('is refused at the places at fault', async () => {
    const answer = await post(worker, '/v1/inference', { messages: [
      { role: 'user', content: [{ type: 'text', text: 'a' }, { type: 'image_url', image_url: { url: 'x' } }] },
      { role: 'robot', content: 'a' }, { role: 'user' }] });
    assertRefused(answer, 'messages[0].content[1].type', /messages/);
    const { errors } = answer.json.error.details;
    assert.deepStrictEqual(errors.map((e) => e.field),
      ['messages[0].content[1].type', 'messages[1].role', 'messages[2].content']);
    assert.match(errors[0].message, /image/);
    assertRefused(await post(worker, '/v1/inference', { messages: USER, prompt: 'a' }), 'prompt', /prompt/);
    assertRefused(await post(worker, '/v1/inference', { prompt: 'a', tools: TOOLS }), 'tools', /tools/);
    assertRefused(await post(worker, '/v1/render', {}), 'prompt', /prompt/);
    assertRefused(await post(worker, '/v1/render', { prompt: 'a' }), 'messages', /messages/);
  });

  test('stop strings, seeds and cancelling are those of prompts', async () => {
    const body = { messages: [{ role: 'user', content: 'Once upon a time' }], max_tokens: 40, temperature: 1.3, seed: 11 };
    const text = textOf(await events(worker, body));
    assert.strictEqual(textOf(await events(worker, body)), text);
    const stop = text.slice(10, 13);
    const stopped = await events(worker, { ...body, stop: [stop] });
    assert.strictEqual(textOf(stopped), text.slice(0, text.indexOf(stop)));
    assert.strictEqual(stopped.at(-1).stop_sequence_matched, stop);
    await until(async () => { // it may be over before it is cancelled
      const s = await infer(worker, { ...body, job_id: 'gone', max_tokens: 450, ignore_eos: true });
      await s.find((e) => e.type === 'token');
      const { status } = await ask(`${worker.url}/v1/inference/gone`, { method: 'DELETE' }), { stop_reason: how } = (await s.all()).at(-1);
      assert.strictEqual(status, 204); // also of one that is over
      assert.ok(['CANCELLED', 'MAX_TOKENS'].includes(how), how);
      return how === 'CANCELLED';
    }, 'a cancel that comes in time');
  });

  test('tokens go in as ids, and text goes to tokens and back', async () => {
    const text = 'Once upon a time, \u00e4\u20ac';
    const { tokens } = (await post(worker, '/v1/tokenize', { content: text, add_special: true })).json;
    const bare = (await post(worker, '/v1/tokenize', { text })).json.tokens;
    assert.deepStrictEqual(tokens.slice(1), bare);
    assert.strictEqual((await post(worker, '/v1/detokenize', { tokens: bare })).json.content, text);
    assert.strictEqual((await post(worker, '/v1/detokenize', { tokens: [] })).json.content, '');
    const pieces = (await post(worker, '/v1/tokenize', { content: text, with_pieces: true })).json.tokens;
    assert.deepStrictEqual(pieces.map((p) => p.id), bare);
    const bytes = pieces.flatMap((p) => (typeof p.piece === 'string' ? [...Buffer.from(p.piece)] : p.piece));
    assert.strictEqual(Buffer.from(bytes).toString(), ` ${text}`);
    const how = { max_tokens: 20, temperature: 0 };
    assert.strictEqual(textOf(await events(worker, { prompt_tokens: tokens, ...how })),
      textOf(await events(worker, { prompt: text, ...how })));
    assertRefused(await post(worker, '/v1/inference', { prompt_tokens: [99999999] }), 'prompt', /99999999/);
    assertRefused(await post(worker, '/v1/inference', { prompt: 'a', logit_bias: { 99999999: 1 } }), 'logit_bias', /99999999/);
    assertRefused(await post(worker, '/v1/detokenize', { tokens: ['a'] }), 'tokens', /tokens/);
    assertRefused(await post(worker, '/v1/tokenize', {}), 'content', /content/);
    assertRefused(await post(worker, '/v1/tokenize', { content: 5 }), 'content', /string/);
    assert.deepStrictEqual((await post(worker, '/v1/tokenize', { content: '' })).json, { tokens: [] });
    assert.strictEqual((await post(worker, '/v1/inference', { prompt: 'a', max_tokens: 1, typo: null, stream: false })).status, 200);
  });

  test('a blank that a grammar asks for is there, behind a lone BOS, too', async () => {
    const answer = await whole(worker, { prompt_tokens: [1], grammar: 'root ::= " abc"', max_tokens: 20 });
    assert.deepStrictEqual([answer.text, answer.stop_reason], [' abc', 'EOS']); // it was "abc", which is not of the grammar
  });

  /* It ended with a U+FFFD for each byte of the character, and a client that went on from it put them into the prompt. */
  test('an answer that ends within a character ends before it', async () => {
    const how = (max_tokens) => ({ prompt: 'a', grammar: 'root ::= "b\u{1f600}"', max_tokens, logprobs: true });
    for (const n of [2, 3, 4]) {
      const answer = await whole(worker, how(n)), bytes = answer.logprobs.flatMap((l) => l.bytes);
      assert.deepStrictEqual([answer.text, answer.tokens_out, answer.stop_reason], ['b', n, 'MAX_TOKENS']);
      assert.deepStrictEqual(Buffer.from(bytes), Buffer.from('b\u{1f600}').subarray(0, n)); // nothing is lost
      assert.strictEqual(textOf(await events(worker, how(n))), 'b');
    }
    assert.strictEqual((await whole(worker, how(5))).text, 'b\u{1f600}');
  });

  /* What is a filled-in template was fed by the letters of its marks, and /v1/tokenize counted other tokens than were computed. */
  test('marks in a prompt are letters, or tokens where they are meant', async () => {
    const prompt = '<s>Once</s><s>upon', how = { max_tokens: 20, temperature: 0, ignore_eos: true };
    const { tokens } = (await post(worker, '/v1/tokenize', { content: prompt })).json;
    const meant = await whole(worker, { prompt, parse_special: true, ...how });
    assert.deepStrictEqual([meant.prompt_tokens, meant.text], [tokens.length, (await whole(worker, { prompt_tokens: tokens, ...how })).text]);
    assert.strictEqual((await whole(worker, { prompt: 'Once</s><s>upon', parse_special: true, ...how })).prompt_tokens, tokens.length); // BOS is put before
    const { tokens: letters } = (await post(worker, '/v1/tokenize', { content: prompt, parse_special: false, add_special: true })).json;
    assert.ok(letters.length > 2 * tokens.length);
    assert.strictEqual((await whole(worker, { prompt, ...how })).prompt_tokens, letters.length);
  });

  test('logprobs are of the whole vocabulary, the likeliest first', async () => {
    const body = { messages: [{ role: 'user', content: 'Once upon a time' }], max_tokens: 25, logprobs: true, top_logprobs: 20 };
    const list = await events(worker, { ...body, temperature: 0 });
    const scores = list.flatMap((e) => e.logprobs || []);
    assert.strictEqual(scores.length, list.at(-1).tokens_out);
    for (const one of scores) {
      assert.strictEqual(one.top.length, 20);
      assert.strictEqual(one.top[0].id, one.id); // greedy
      assert.strictEqual(one.top[0].logprob, one.logprob);
      assert.ok(one.top.every((t, i) => i === 0 || t.logprob <= one.top[i - 1].logprob));
      const sum = one.top.reduce((a, t) => a + Math.exp(t.logprob), 0);
      assert.ok(sum > 0 && sum < 1.0001, `${sum}`);
    }
    assert.strictEqual(Buffer.from(scores.flatMap((t) => t.bytes)).toString(), textOf(list));
    const json = await whole(worker, { ...body, temperature: 0 });
    assert.deepStrictEqual(json.logprobs, scores);
    // sampling changes what is chosen, not what is told of the first token
    const hot = (await whole(worker, { ...body, temperature: 2, presence_penalty: 2, seed: 3 })).logprobs;
    assert.deepStrictEqual(hot[0].top, scores[0].top);
  });
});

describe('a model that thinks nothing', () => {
  let worker;
  before(async () => {
    worker = await start({ model: HOLLOW, 'chat-template': templateFile(PLAIN), ctx: 2048, slots: 3 });
  });
  after(() => worker.stop());
  const greedy = (more) => whole(worker, { messages: USER, temperature: 0, max_tokens: 12, ...more });

  test('gives every token the same chance', async () => {
    const { logprobs, text } = await greedy({ top_logprobs: 20 });
    assert.strictEqual(text, 'a'.repeat(12));
    assert.strictEqual(logprobs.length, 12);
    for (const one of logprobs) {
      assert.ok(Math.abs(one.logprob + Math.log(N_VOCAB)) < 1e-5);
      assert.deepStrictEqual(one.top.map((t) => t.id), Array.from({ length: 20 }, (_, i) => i));
      assert.deepStrictEqual([one.t, one.bytes, one.control], ['a', [97], undefined]);
    }
  });

  /* They waited for text to go with; past a megabyte they and that text were left out, and nobody was told. */
  test('scores of tokens without text come too, in any number', async () => {
    const N = 1500;
    const body = { messages: USER, max_tokens: N, temperature: 0, logit_bias: { [EOS]: 100 }, ignore_eos: true, logprobs: true, top_logprobs: 20 };
    const all = await events(worker, body);
    assert.strictEqual(all.at(-1).tokens_out, N, JSON.stringify(all.at(-1)));
    const scores = all.flatMap((e) => e.logprobs || []);
    assert.strictEqual(scores.length, N);
    assert.ok(scores.every((s) => s.id === EOS && s.control === true));
    const numbered = all.filter((e) => e.i !== undefined).map((e) => e.i);
    assert.ok(numbered.length > 1);
    assert.deepStrictEqual(numbered, numbered.map((_, i) => i));
    assert.strictEqual((await whole(worker, body)).logprobs.length, N);
  });

  test('penalties take what was said already', async () => {
    assert.strictEqual((await greedy({ presence_penalty: 0.1 })).text, 'abcdefghijkl');
    assert.strictEqual((await greedy({ frequency_penalty: 0.1 })).text, 'abcdefghijkl');
    assert.strictEqual((await greedy({ presence_penalty: -1 })).text, 'a'.repeat(12));
    // b is worth 2.5 more: frequency takes it down step by step, presence once
    const bias = { 1: 2.5 };
    assert.strictEqual((await greedy({ logit_bias: bias })).text, 'b'.repeat(12));
    assert.strictEqual((await greedy({ logit_bias: bias, frequency_penalty: 1 })).text, 'bbbacdefghij');
    assert.strictEqual((await greedy({ logit_bias: bias, presence_penalty: 2 })).text, 'b'.repeat(12));
  });

  test('bias bans and forces', async () => {
    assert.strictEqual((await greedy({ logit_bias: { 0: -100, 1: -100 } })).text, 'c'.repeat(12));
    const forced = await whole(worker, { messages: USER, max_tokens: 30, temperature: 1, logit_bias: { 7: 100 } });
    assert.strictEqual(forced.text, 'h'.repeat(30));
    const ended = await greedy({ logit_bias: { [EOS]: 100 } });
    assert.deepStrictEqual([ended.text, ended.stop_reason, ended.tokens_out], ['', 'EOS', 0]);
    const forever = await greedy({ logit_bias: { [EOS]: 100 }, ignore_eos: true });
    assert.deepStrictEqual([forever.text, forever.stop_reason, forever.tokens_out], ['', 'MAX_TOKENS', 12]);
  });

  test('is told of tools in words, when its template has none', async () => {
    const { prompt } = (await post(worker, '/v1/render', { messages: USER, tools: TOOLS })).json;
    assert.match(prompt, /^<s>system: You can call these functions\./);
    assert.match(prompt, /"name": "get_time", "description": "tells the time"/);
    const none = (await post(worker, '/v1/render', { messages: USER, tools: TOOLS, tool_choice: 'none' })).json;
    assert.strictEqual(none.prompt, '<s>user: hi\nassistant:');
  });
});

/*
 * Agents send tools and the schema of their last answer with every request. The model was told of the tools, and held to
 * the schema at once: instead of calling one, it made up what it would have said.
 */
test('beside a schema a tool may be called, and a required call goes before it', async () => {
  const schema = { type: 'object', properties: { done: { type: 'boolean' } }, required: ['done'] };
  const asked = { messages: USER, tools: TOOLS, json_schema: schema, temperature: 0, max_tokens: 400, parallel_tool_calls: false };
  const byte = (c) => 30 + c.charCodeAt(0), letter = (c) => c.charCodeAt(0) - 97; // tokens of the hollow model, greedy for the lowest
  const formats = { // and what makes it choose the text, and a call
    generic: [{}, { [letter('n')]: 1 }], llama3: [{}, { [letter('n')]: 1 }], hermes: [{ [byte('{')]: 1 }, {}], 'mistral-args': [{ [byte('{')]: 1 }, {}],
    apriel: [{ [byte('{')]: 1 }, {}], 'functionary-3.1': [{ [byte('{')]: 1 }, {}], firefunction: [{ [byte('{')]: 1 }, {}],
  };
  for (const [name, [text, call]] of Object.entries(formats)) {
    const worker = await start({ model: HOLLOW, 'chat-template': templateFile(FORMATS[name]), ctx: 2048 });
    const spoken = await whole(worker, { ...asked, logit_bias: text });
    assert.deepStrictEqual([Object.keys(JSON.parse(spoken.text)), spoken.tool_calls], [['done'], undefined], name);
    const called = await whole(worker, { ...asked, logit_bias: call }), told = called.tool_calls;
    assert.deepStrictEqual([called.text, told?.length, told?.[0].name], ['', 1, 'add'], `${name}: ${JSON.stringify(called)}`);
    assert.deepStrictEqual(Object.keys(JSON.parse(told[0].arguments)), ['a', 'up'], name);
    const required = await whole(worker, { ...asked, logit_bias: text, tool_choice: 'required' });
    assert.deepStrictEqual([required.text, required.tool_calls?.length], ['', 1], name);
    const none = await whole(worker, { ...asked, logit_bias: call, tool_choice: 'none' });
    assert.deepStrictEqual([Object.keys(JSON.parse(none.text)), none.tool_calls], [['done'], undefined], name);
    await worker.stop();
  }
});

/* Llama 3's template fails on two calls in a message: an answer of two ended its conversation. */
test('a template that takes one call a message is answered with one', async () => {
  const worker = await start({ model: HOLLOW, 'chat-template': templateFile(`${FORMATS.llama3}{% for m in messages %}` +
    "{% if m.tool_calls and m.tool_calls | length != 1 %}{{ raise_exception('one call') }}{% endif %}" +
    '{{ m.tool_calls[0].function | tojson if m.tool_calls }}{% endfor %}'), ctx: 2048 });
  const asked = { messages: USER, tools: TOOLS, tool_choice: 'required', temperature: 1, max_tokens: 400 };
  for (let seed = 1; seed <= 8; seed++)
    assert.strictEqual((await whole(worker, { ...asked, seed })).tool_calls.length, 1);
  const calls = ['utc', 'cet'].map((zone) => ({ id: zone, type: 'function', function: { name: 'get_time', arguments: JSON.stringify({ zone }) } }));
  const messages = [...USER, { role: 'assistant', content: null, tool_calls: calls },
    ...calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'noon' }))];
  assert.match((await post(worker, '/v1/render', { messages, tools: TOOLS })).json.prompt, /"utc".*"cet"/);
  await worker.stop();
});

/* Hermes' models bring a second template, for tools, as llama.cpp knows; it goes over the tools, and fails without.
 * Only the first was read: such a model was told of tools in our words, and its calls came as content. */
test('a template for tools is for conversations with tools', async () => {
  const file = path.join(FOLDER, 'two.gguf');
  const toolTemplate = "{% for t in tools %}[{{ t.function.name }}]{% endfor %}{% for m in messages %}<{{ m.role }}>{{ m.content }}" +
    '{% for c in m.tool_calls %}<tool_call>{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}';
  writeHollowModel(file, { layers: 1, embd: 64, ff: 64, ctx: 4096, template: PLAIN, toolTemplate });
  const worker = await start({ model: file, ctx: 2048 });
  const messages = [{ role: 'system', content: 'be' }, ...USER];
  const prompt = async (more) => (await post(worker, '/v1/render', { messages, ...more })).json.prompt;
  assert.strictEqual(await prompt({}), '<s>system: be\nuser: hi\nassistant:');
  assert.strictEqual(await prompt({ tools: TOOLS, tool_choice: 'none' }), '<s>system: be\nuser: hi\nassistant:');
  assert.strictEqual(await prompt({ tools: TOOLS }), '[get_time][add]<system>be<user>hi');
  const asked = { messages, tools: TOOLS, tool_choice: 'required', parallel_tool_calls: false, temperature: 1, max_tokens: 400 };
  const { tool_calls: calls, text } = await whole(worker, { ...asked, seed: 1 });
  assert.deepStrictEqual([calls.length, text], [1, '']);
  assert.strictEqual((await ask(`${worker.url}/v1/info`)).json.model.chat_template_tool_use, toolTemplate);
  await worker.stop();
});

/* Functionary's prompt has begun what the answer is to whom. */
test('a call whose mark the prompt has given', async () => {
  const worker = await start({ model: HOLLOW, ctx: 2048, 'chat-template': templateFile(
    `${TURNS}{% if tools %}{{ tools | tojson }}{% endif %}{% if add_generation_prompt %}>>>{% endif %}{#>>>all >>>\${recipient}#}`) });
  const asked = { messages: USER, tools: TOOLS, tool_choice: 'required', temperature: 1, max_tokens: 400 };
  for (let seed = 1; seed <= 4; seed++) {
    const { tool_calls: calls, text } = await whole(worker, { ...asked, seed });
    assert.deepStrictEqual([calls.length > 0, text], [true, '']);
    for (const { name, arguments: args } of calls)
      assert.deepStrictEqual(Object.keys(JSON.parse(args)).sort(), name === 'add' ? ['a', 'up'] : ['zone']);
  }
  const named = await whole(worker, { messages: USER, grammar: 'root ::= "all\\nwell"', max_tokens: 60 });
  assert.strictEqual(named.text, 'well'); // without tools, too
  const all = await post(worker, '/v1/inference', { ...asked, stream: false, tools: [...TOOLS, { type: 'function', function: { name: 'all' } }] });
  assert.strictEqual(all.status, 400, all.text); // its call was taken for content
  assert.match(all.json.error.message, /^tools\[2\] is named 'all', which this model's chat template calls content by/);
  await worker.stop();
});

/* A plain prompt ended with the EOS that the file asks for, so that its answer was what comes behind an end. */
test('a prompt has no end, whatever the file puts behind its texts', async () => {
  const file = path.join(FOLDER, 'adds-eos.gguf');
  writeHollowModel(file, { layers: 1, addEos: true });
  const worker = await start({ model: file });
  const n = async (how) => (await whole(worker, { prompt: 'ab', max_tokens: 1, ...how })).prompt_tokens;
  const text = (await post(worker, '/v1/tokenize', { content: 'ab', add_special: true })).json.tokens;
  assert.deepStrictEqual(text, [28, 26, 0, 1, EOS]); // a text that is whole
  assert.deepStrictEqual([await n({}), await n({ parse_special: true })], [4, 4]);
  await worker.stop();
});

/* Files of before 2024's May do not say how their texts are cut into words. They were cut by a guess, and nobody was told. */
test('a file that does not say how it cuts texts is told of', async () => {
  const good = path.join(__dirname, '../golden/mixed-qwen2.gguf'), lacking = path.join(FOLDER, 'lacks-pre.gguf');
  fs.writeFileSync(lacking, fs.readFileSync(good, 'latin1').replace('tokenizer.ggml.pre', 'tokenizer.ggml.old'), 'latin1');
  const told = (file) => JSON.parse(spawnSync(WORKER, ['inspect', file]).stdout);
  assert.deepStrictEqual([told(good).pre_tokenizer, told(good).pre_tokenizer_missing], ['qwen2', undefined]);
  assert.deepStrictEqual([told(lacking).pre_tokenizer, told(lacking).pre_tokenizer_missing], ['default', true]);
  for (const [model, times] of [[good, 0], [lacking, 1]]) {
    const worker = await start({ model });
    await worker.stop();
    assert.strictEqual(worker.stderr.match(/ warn .*\(tokenizer\.ggml\.pre names none, or 'default'\).*convert it anew/g)?.length ?? 0, times, worker.stderr);
  }
});

/*
 * One damaged byte, and every logit is NaN. Each counted as impossible, so that all were as likely as each other:
 * answers of random text, or of random data in the asked form, with status 200.
 */
test('a model that gives no numbers gives no answer', async () => {
  const file = path.join(FOLDER, 'damaged.gguf');
  writeDamagedModel(file, { layers: 1, embd: 64, ff: 64 });
  const worker = await start({ model: file });
  const schema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };
  for (const how of [{ temperature: 0 }, { temperature: 1 }, { json_schema: schema }, { logprobs: true }]) {
    const answer = await post(worker, '/v1/inference', { prompt: 'ab', max_tokens: 4, stream: false, ...how });
    assert.deepStrictEqual([answer.status, answer.json.error?.code], [422, 'INVALID_MODEL_FILE'], answer.text);
    assert.match(answer.json.error.message, /behind \d tokens the model gives no numbers \(NaN\).*models verify/);
  }
  const list = await events(worker, { prompt: 'ab', max_tokens: 4 });
  assert.deepStrictEqual(list.map((e) => e.type), ['started', 'error']);
  assert.strictEqual(list.at(-1).code, 'INVALID_MODEL_FILE');
  await worker.stop();
});

describe('templates that fail', () => {
  test('tell the line, as a fault of the request', async () => {
    const worker = await start({ model: HOLLOW, 'chat-template': templateFile(
      "{% for m in messages %}\n{% if m.content == 'x' %}{{ raise_exception('No x here') }}{% endif %}{% endfor %}") });
    const answer = await post(worker, '/v1/inference', { messages: [{ role: 'system', content: 'x' }] });
    assertRefused(answer, 'messages', /line 2.*No x here/);
    await worker.stop();
  });

  test('do not repeat what was said', async () => {
    const worker = await start({ model: HOLLOW, 'chat-template': templateFile("{{ raise_exception('bad: ' + messages[0].content) }}") });
    const answer = await post(worker, '/v1/inference', { messages: [{ role: 'user', content: 'my secret' }] });
    assertRefused(answer, 'messages', /line 1: the template refuses this/);
    assert.doesNotMatch(answer.text + worker.stderr, /my secret/);
    await worker.stop();
  });

  /* A render may take its 5,000,000 steps, a second and more: DELETE and the deadline were heard only behind it. */
  test('end when nobody waits for them any more', async () => {
    const worker = await start({ model: HOLLOW, 'chat-template': templateFile(
      "{% if messages[0].content == 'long' %}{% set x = range(1000) %}{% set f = 1e-300 / 3 %}" +
      `{% for i in x %}{% for j in x %}{% set y = f | string %}{% endfor %}{% endfor %}{% endif %}${PLAIN}`) });
    const long = { messages: [{ role: 'user', content: 'long' }], stream: false };
    const late = await post(worker, '/v1/inference', { ...long, timeout_seconds: 0.05 });
    assert.deepStrictEqual([late.status, late.json.error.code], [408, 'REQUEST_TIMEOUT'], late.text);
    const deleted = post(worker, '/v1/inference', { ...long, job_id: 'deleted' });
    await until(async () => (await ask(`${worker.url}/v1/ready`)).json.queued > 0, 'it is there');
    assert.strictEqual((await ask(`${worker.url}/v1/inference/deleted`, { method: 'DELETE' })).status, 204);
    assert.strictEqual((await deleted).json.stop_reason, 'CANCELLED', (await deleted).text);
    await worker.stop();
  });

  test('a model without one says what to do', async () => {
    const worker = await start({ model: HOLLOW });
    const state = (await ask(`${worker.url}/v1/ready`)).json;
    assert.deepStrictEqual([state.chat, state.tools, state.embeddings, state.n_vocab], [false, false, false, N_VOCAB]);
    assertRefused(await post(worker, '/v1/inference', { messages: USER }), 'messages', /no chat template.*--chat-template FILE/);
    await worker.stop();
  });

  /* Any bytes may be a token; to the template they go as text. Every chat was "Out of memory: 0 bytes". */
  test('a BOS that is no UTF-8 is no fault of the conversation', async () => {
    const file = path.join(FOLDER, 'bos.gguf'), bytes = fs.readFileSync(HOLLOW), at = bytes.indexOf('<s>');
    bytes[at + 1] = 0xff;
    fs.writeFileSync(file, bytes);
    const worker = await start({ model: file, 'chat-template': templateFile(PLAIN) });
    const { prompt } = (await post(worker, '/v1/render', { messages: USER })).json;
    assert.strictEqual(prompt, '<?>user: hi\nassistant:');
    assert.strictEqual((await whole(worker, { messages: USER, max_tokens: 2, temperature: 0 })).text, 'aa');
    await worker.stop();
  });

  test('one that was given and is none ends the worker', async () => {
    const worker = await startWorker({ model: HOLLOW, 'chat-template': templateFile('a\n{% if %}') });
    assert.strictEqual((await worker.end()).code, 1);
    assert.match(worker.stderr, /chat template.*line 2/);
  });
});
