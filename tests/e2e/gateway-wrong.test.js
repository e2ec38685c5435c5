'use strict';
/*
 * gateway-wrong.test.js - what must not be taken: each field of each of the gateway's routes with values
 * of every kind that it does not have. The answer is a 400 in that API's shape, and names the field;
 * nothing is ignored in silence. Then bodies that are hostile as such. Over real workers: some of what is
 * wrong only they can tell.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const path = require('node:path');

const { ROOT, testModel } = require('./lib/proc.js');
const { talkingModel, realHive } = require('./lib/sdk.js');
const { get, post } = require('./lib/hive.js');
const { faultsOf } = require('./lib/openai-shape.js');

const skip = testModel() ? false : 'no model: neither models/tiny.gguf nor the test data are there';

/* A value of each kind. */
const VALUES = { int: 7, real: 1.5, text: 'x', bool: true, empty: [], ints: [7], none: {}, object: { x: 7 } };

const SAMPLING = { top_p: '', top_k: 'int', min_p: '', presence_penalty: 'real', frequency_penalty: 'real',
  repetition_penalty: 'real', ignore_eos: 'bool', stop: 'text empty', seed: 'int', logit_bias: 'none', temperature: 'real' };
const IDLE = { user: 'text', metadata: 'none object', store: '', service_tier: '', safety_identifier: 'text', prompt_cache_key: 'text', prompt_cache_retention: '', prompt_cache_options: 'none object', moderation: '' };
const STREAM = { stream: 'bool', stream_options: '' };
const OPTIONS = { temperature: 'real', top_p: '', top_k: 'int', min_p: '', repeat_penalty: 'real', presence_penalty: 'real', frequency_penalty: 'real',
  stop: 'text empty', seed: 'int', num_predict: 'int', num_ctx: 'int', mirostat: '', num_gpu: 'int real bool', nonsense: '' };
const OLLAMA = { temperature: 'real', top_p: '', max_output_tokens: 'int', num_predict: 'int', truncate: 'bool', shift: 'bool', logprobs: '', top_logprobs: 'int' };

/*
 * Of each route: a body that is good, and its fields with the kinds that may pass for good (those of which
 * an APIs' own value happens to be one, too); every other kind must be refused.
 */
const messages = [{ role: 'user', content: 'hi' }];
const TABLE = {
  '/v1/chat/completions': [{ messages }, { ...SAMPLING, ...IDLE, ...STREAM, model: 'text', messages: '', tools: 'empty', tool_choice: '', parallel_tool_calls: 'bool',
    max_tokens: 'int', max_completion_tokens: 'int', logprobs: 'bool', top_logprobs: '', modalities: '', audio: '', prediction: '', web_search_options: '',
    functions: '', function_call: '', n: 'int', response_format: '', reasoning_effort: 'text', verbosity: 'text', chat_template_kwargs: 'none object', options: 'none', continue_final_message: '', add_generation_prompt: 'bool', nonsense: '' }],
  '/v1/completions': [{ prompt: 'hi' }, { ...SAMPLING, ...IDLE, ...STREAM, model: 'text', prompt: 'text ints', max_tokens: 'int', echo: '', best_of: '', suffix: '',
    n: 'int', logprobs: 'int', response_format: '', nonsense: '' }],
  '/v1/responses': [{ input: 'hi' }, { ...IDLE, metadata: 'none', ...STREAM, model: 'text', input: 'text', instructions: 'text', tools: 'empty', tool_choice: '', text: 'none',
    reasoning: 'none', include: 'empty', top_logprobs: 'int', previous_response_id: '', conversation: '', prompt: '', max_tool_calls: '', background: '',
    truncation: '', max_output_tokens: 'int', parallel_tool_calls: 'bool', temperature: 'real', top_p: '', client_metadata: 'none object', nonsense: '' }],
  '/v1/messages': [{ messages, max_tokens: 5 }, { model: 'text', messages: '', system: 'text empty', tools: 'empty', tool_choice: '', thinking: '', max_tokens: 'int',
    stream: 'bool', temperature: '', top_p: '', top_k: 'int', stop_sequences: 'text empty', metadata: 'none object', service_tier: '', cache_control: 'none object', context_management: 'none object', output_config: 'none',
    nonsense: '' }],
  '/v1/messages/count_tokens': [{ messages }, { model: 'text', messages: '', system: 'text empty', tools: 'empty', tool_choice: '', thinking: '', cache_control: 'none object',
    context_management: 'none object', output_config: 'none', nonsense: '' }],
  '/api/chat': [{ messages }, { ...OLLAMA, tool_choice: '', model: 'text', messages: 'empty', tools: 'empty', stream: 'bool', format: 'none object', options: 'none', keep_alive: 'int real', think: 'bool text', nonsense: '' }],
  '/api/generate': [{ prompt: 'hi' }, { ...OLLAMA, model: 'text', prompt: 'text', system: 'text', raw: 'bool', images: 'empty', suffix: '', template: '', context: 'empty',
    stream: 'bool', format: 'none object', options: 'none', keep_alive: 'int real', think: 'bool text', nonsense: '' }],
  '/api/show': [{}, { model: 'text', verbose: 'bool', system: '', template: '', options: 'none object', nonsense: '' }],
  '/api/pull': [{}, { model: 'text', stream: 'bool', insecure: '', username: '', password: '', nonsense: '' }],
  '/v1/embeddings': [{ input: 'hi' }, { model: 'text', input: 'text ints', encoding_format: '', dimensions: '', user: 'text', pooling: '', normalize: 'bool', nonsense: '' }],
  '/api/embed': [{ input: 'hi' }, { model: 'text', input: 'text ints', truncate: 'bool', dimensions: '', keep_alive: 'int real', options: 'none', nonsense: '' }],
  '/api/embeddings': [{ prompt: 'hi' }, { model: 'text', prompt: 'text', keep_alive: 'int real', options: 'none', nonsense: '' }], // of texts it gave the first one's vector
  '/tokenize': [{ content: 'hi' }, { model: 'text', content: 'text', add_special: 'bool', with_pieces: 'bool', nonsense: '' }],
  '/detokenize': [{ tokens: [5] }, { model: 'text', tokens: 'empty ints', nonsense: '' }],
};

/* Things inside a field, by route: [the field that is to be named, the body]. */
const tool = (function_) => [{ type: 'function', function: function_ }];
const INSIDE = {
  '/v1/chat/completions': [
    ['messages', { messages: [{ role: 'robot', content: 'x' }] }], ['messages', { messages: [{ role: 'user', content: 5 }] }],
    ['messages', { messages: [{ role: 'user', content: [{ type: 'text', text: 5 }] }] }], ['messages', { messages: [{ role: 'user' }] }],
    ['messages', { messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: {} }] }] }],
    ['messages', { messages: [...messages, { role: 'assistant', tool_calls: 5 }] }],
    ['tools', { tools: tool({}) }], ['tools', { tools: tool({ name: 5 }) }], ['tools', { tools: tool({ name: 'f', parameters: 5 }) }], ['tools', { tools: [{ type: 'custom', custom: {} }] }],
    ['tool_choice', { tool_choice: 'required' }], ['tool_choice', { tools: tool({ name: 'f' }), tool_choice: { type: 'function', function: { name: 'g' } } }],
    ['response_format', { response_format: { type: 'json_schema' } }], ['response_format', { response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 5 } } } }],
    ['response_format', { response_format: { type: 'json_schema', json_schema: { name: 'n', schema: {}, nonsense: 1 } } }],
    ['stream_options', { stream: true, stream_options: { nonsense: true } }], ['stream_options', { stream: true, stream_options: { include_usage: 1 } }],
    ['logit_bias', { logit_bias: { 999999: 1 } }], ['stop', { stop: [''] }], ['stop', { stop: Array(17).fill('x') }], ['n', { n: 0 }], ['max_tokens', { max_tokens: 0 }],
    ['max_tokens', { max_tokens: 3, max_completion_tokens: 4 }]],
  '/v1/completions': [['prompt', { prompt: [[7], ['x']] }], ['prompt', { prompt: [999999] }], ['prompt', { prompt: [7, 'x'] }], ['n', { prompt: Array(32).fill('x'), n: 2 }]],
  '/v1/responses': [['input', { input: [{ type: 'message', role: 'user', content: 5 }] }], ['input', { input: [{ type: 'message', role: 'robot', content: 'x' }] }],
    ['input', { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] }], ['input', { input: [{ type: 'function_call', call_id: 5, name: 'f', arguments: '{}' }] }],
    ['input', { input: [{ type: 'item_reference', id: 'x' }] }], ['tools', { tools: [{ type: 'file_search' }] }], ['tool_choice', { tool_choice: { type: 'web_search' } }], ['tools', { tools: [{ type: 'function', name: 5 }] }],
    ['text', { text: { format: 5 } }], ['text', { text: { format: { type: 'xml' } } }], ['text', { text: { verbosity: 5 } }],
    ['text', { text: { format: { type: 'json_schema', name: 'n', schema: { type: 5 } } } }],
    ['reasoning', { reasoning: { effort: 5 } }], ['reasoning', { reasoning: { summary: 'none' } }], ['include', { include: ['file_search_call.results'] }]],
  '/v1/messages': [['messages', { messages: [{ role: 'robot', content: 'x' }] }], ['messages', { messages: [{ role: 'user', content: [{ type: 'text', text: 5 }] }] }],
    ['messages', { messages: [{ role: 'user', content: [{ type: 'document' }] }] }], ['messages', { messages: [{ role: 'assistant', content: [{ type: 'tool_use', id: 5, name: 'f', input: {} }] }] }],
    ['messages', { messages: [{ role: 'assistant', content: [{ type: 'tool_use', id: 'i', name: 'f', input: 5 }] }] }],
    ['messages', { messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 5, content: 'x' }] }] }],
    ['tools', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }], ['tools', { tools: [{ name: 5, input_schema: {} }] }],
    ['tool_choice', { tool_choice: { type: 'auto', disable_parallel_tool_use: 5 } }], ['thinking', { thinking: { type: 'much' } }]],
  '/v1/messages/count_tokens': [['tool_choice', { tools: [{ name: 'f', input_schema: {} }], tool_choice: { type: 'tool', name: 'g' } }], ['tool_choice', { tool_choice: { type: 'any' } }]],
  '/api/chat': [['messages', { messages: [{ role: 'user', content: 5 }] }], ['messages', { messages: [{ role: 'user', content: 'x', images: 5 }] }],
    ['messages', { messages: [{ role: 'assistant', content: 'x', tool_calls: 5 }] }], ['messages', { messages: [{ role: 'user', content: 'x', nonsense: 5 }] }],
    ['format', { format: { type: 5 } }]],
  '/api/generate': Object.entries(OPTIONS).flatMap(([name, good]) => Object.entries(VALUES)
    .filter(([kind]) => !good.split(' ').includes(kind)).map(([, value]) => [name, { options: { [name]: value } }])),
};

/* The error's sentence, from that API's shape. */
function sentenceOf(where, { json }) {
  if (where.startsWith('/api/')) {
    assert.deepStrictEqual(Object.keys(json), ['error']);
    return json.error;
  }
  if (where.startsWith('/v1/messages')) {
    assert.deepStrictEqual([json.type, json.error.type, Object.keys(json.error).sort().join()], ['error', 'invalid_request_error', 'message,type']);
    return json.error.message;
  }
  assert.deepStrictEqual([json.error.type, json.error.code], ['invalid_request_error', 'invalid_request']);
  return json.error.message;
}

function assertRefused(where, field, body, answer) {
  const what = `${where} ${JSON.stringify(body).slice(0, 200)}: ${answer.status} ${answer.text.slice(0, 400)}`;
  assert.strictEqual(answer.status, 400, what);
  const sentence = sentenceOf(where, answer);
  assert.deepStrictEqual(faultsOf(where, 400, answer.json), [], what);
  if (answer.json.error.details) {
    const named = answer.json.error.details.errors.map((e) => e.field.split(/[.[]/)[0]);
    assert.ok(named.includes(field), what);
    assert.ok(named.includes(answer.json.error.param.split(/[.[]/)[0]), what);
  } else {
    assert.ok(sentence.includes(field), what);
  }
}

describe('wrong values', { skip }, () => {
  let hive, talker;
  const encoder = path.join(ROOT, 'tests/golden/small-bert.gguf');
  const modelOf = (where) => (/embed/.test(where) ? encoder : talker);
  before(async () => { talker = talkingModel(); hive = await realHive(); });
  after(() => hive && hive.stop());

  for (const [where, [good, fields]] of Object.entries(TABLE)) {
    test(`${where}: each field with each kind of value that it does not have`, async () => {
      const base = { model: modelOf(where), ...good };
      for (const [field, kinds] of Object.entries(fields)) {
        for (const [kind, value] of Object.entries(VALUES)) {
          if (kinds.split(' ').includes(kind)) continue;
          const body = { ...base, [field]: value };
          assertRefused(where, field, { [field]: value }, await post(hive, where, body));
        }
      }
    });
  }

  /* Agents shorten a conversation when they find these words, and only then. */
  test('a prompt that is too long is told in the words that agents know', async () => {
    for (const times of [1400, 25000]) { // of the second a lower bound was told, a sixth of what it is
      const asked = { model: talker, messages: [{ role: 'user', content: 'ab '.repeat(times) }] }, long = { ...asked, max_tokens: 5 };
      const [claude, openai, count] = await Promise.all([post(hive, '/v1/messages', long), post(hive, '/v1/chat/completions', long),
        post(hive, '/v1/messages/count_tokens', asked)]);
      const [, n, max] = /^prompt is too long: (\d+) tokens > (\d+) maximum\. /.exec(claude.json.error.message) || assert.fail(claude.text);
      assert.deepStrictEqual([Number(n), Number(max)], [count.json.input_tokens, 4095]);
      assert.match(openai.json.error.message, /^This model's maximum context length is 4096 tokens\. /);
      assert.deepStrictEqual([claude.status, openai.status, openai.json.error.code], [400, 400, 'context_length_exceeded']);
    }
  });

  /* Claude Code told its user to raise max_tokens, where it was the context that had ended. */
  test('an answer that ends with the context says so to who has a word for it', async () => {
    const body = { model: talker, max_tokens: 32000, temperature: 0, messages: [{ role: 'user', content: 'ab '.repeat(1330) }] };
    const { json } = await post(hive, '/v1/messages', body);
    assert.deepStrictEqual([json.stop_reason, json.usage.input_tokens + json.usage.cache_read_input_tokens + json.usage.output_tokens],
      ['model_context_window_exceeded', 4096]);
    assert.strictEqual((await post(hive, '/v1/messages', { ...body, max_tokens: 3 })).json.stop_reason, 'max_tokens');
  });

  for (const [where, cases] of Object.entries(INSIDE)) {
    test(`${where}: what is wrong inside a field`, async () => {
      const [good] = TABLE[where];
      for (const [field, more] of cases) {
        assertRefused(where, field, more, await post(hive, where, { model: modelOf(where), ...good, ...more }));
      }
    });
  }

  test('bodies that are hostile as such: 400 in the API\'s shape, and the hive goes on', async () => {
    const deep = (n) => `${'['.repeat(n)}${']'.repeat(n)}`, objects = (n) => `${'{"a":'.repeat(n)}1${'}'.repeat(n)}`;
    const bodies = ['{', '[]', '5', '"x"', 'null', '{"a":1,"a":2}', '{"model":"\\ud800"}', Buffer.from('{"model":"\xff"}', 'latin1'), '{"model":"a\\u0000b"}',
      `{"messages":${deep(100000)}}`, `{"tools":${objects(100000)}}`, `{"messages":${deep(1500)},"input":${deep(1500)},"prompt":${deep(1500)}}`,
      `{"messages":[${'{},'.repeat(10000)}{}],"input":[${'{},'.repeat(10000)}{}],"prompt":[${'{},'.repeat(10000)}{}]}`,
      `{${Array.from({ length: 10000 }, (_, i) => `"f${i}":0`).join()}}`, `{"model":"${'m'.repeat(1 << 18)}"}`, `{"stop":[${'"x",'.repeat(20000)}"x"]}`, '{"seed":1e999}', '{"temperature":-1e308}'];
    for (const where of Object.keys(TABLE)) {
      for (const body of bodies) {
        const answer = await post(hive, where, body);
        assert.strictEqual(answer.status, 400, `${where} ${String(body).slice(0, 60)}: ${answer.status} ${answer.text.slice(0, 200)}`);
        assert.ok(sentenceOf(where, answer).length > 0);
        assert.ok(answer.text.length < 20000, `${answer.text.length} bytes`);
      }
    }
    assert.strictEqual((await get(hive, '/health')).json.status, 'ok');
  });

  test('a long conversation is read, and refused with its length', async () => {
    const long = Array.from({ length: 20000 }, () => ({ role: 'user', content: 'hi' }));
    const answer = await post(hive, '/v1/chat/completions', { model: talker, messages: long });
    assert.strictEqual(answer.status, 400, answer.text.slice(0, 300));
    assert.strictEqual(answer.json.error.code, 'context_length_exceeded');
  });
});
