'use strict';
/*
 * openai-shape.js - do answers have the shape that OpenAI publishes?
 *
 * The shapes below are the facts of OpenAI's OpenAPI description (repository openai/openai-openapi,
 * as of August 2026), written down by hand: which fields there are, which of them must be there, their
 * types, which may be null, and the words that enumerations allow. A field that is not in it is a
 * fault, unless it is one of rbee's own that docs/http-api.md names: those are marked `ours`.
 *
 * Where the description and what OpenAI documents beside it differ, the wider of the two holds, and a
 * comment says so.
 */

/* ---- kinds of values: each is (value, place, faults) => void ---- */

const said = (v) => (v === undefined ? 'nothing' : (JSON.stringify(v) || String(v)).slice(0, 80));
const kind = (name, good) => (v, at, faults) => {
  if (!good(v)) faults.push(`${at} must be ${name}, not ${said(v)}`);
};
const text = kind('a text', (v) => typeof v === 'string');
const filled = kind('a text that is not empty', (v) => typeof v === 'string' && v !== '');
const int = kind('an integer', Number.isSafeInteger);
const count = kind('an integer from 0', (v) => Number.isSafeInteger(v) && v >= 0);
const number = kind('a number', Number.isFinite);
const bool = kind('true or false', (v) => typeof v === 'boolean');
const nothing = kind('null', (v) => v === null);
const object = kind('an object', (v) => v !== null && typeof v === 'object' && !Array.isArray(v));
const is = (...words) => kind(`one of ${words.join(', ')}`, (v) => words.includes(v));
const maybe = (of) => (v, at, faults) => { if (v !== null) of(v, at, faults); }; // or null
const list = (of) => (v, at, faults) => {
  if (!Array.isArray(v)) faults.push(`${at} must be an array, not ${said(v)}`);
  else v.forEach((one, i) => of(one, `${at}[${i}]`, faults));
};
const optional = (of) => ({ of, needed: false });
const ours = optional; // a field of rbee's own

function shape(fields) {
  return (v, at, faults) => {
    object(v, at, faults);
    if (v === null || typeof v !== 'object' || Array.isArray(v)) return;
    for (const name of Object.keys(v)) if (!(name in fields)) faults.push(`${at}.${name} is no field of it`);
    for (const [name, field] of Object.entries(fields)) {
      const needed = typeof field === 'function';
      if (name in v) (needed ? field : field.of)(v[name], `${at}.${name}`, faults);
      else if (needed) faults.push(`${at}.${name} is missing`);
    }
  };
}

/* By the word in `name`; each has a shape of its own. */
const by = (name, shapes) => (v, at, faults) => {
  const word = v && typeof v === 'object' ? v[name] : undefined;
  if (typeof word === 'string' && Object.hasOwn(shapes, word)) shapes[word](v, at, faults);
  else faults.push(`${at}.${name} must be one of ${Object.keys(shapes).join(', ')}, not ${said(word)}`);
};
const either = (test, yes, no) => (v, at, faults) => (test(v) ? yes : no)(v, at, faults);

/* ---- errors ---- */

const error = shape({
  message: filled, type: filled, param: maybe(text), code: maybe(text),
  request_id: ours(filled), details: ours(object), src: ours(filled), loading: ours(shape({
    model: text, stage: is('loading', 'downloading'), done: count, total: count, unit: is('layers', 'bytes'), waited_ms: count })),
});
const failure = shape({ error });

/* ---- chat and text completions ---- */

const usage = shape({
  prompt_tokens: count, completion_tokens: count, total_tokens: count,
  prompt_tokens_details: optional(shape({ cached_tokens: optional(count), audio_tokens: optional(count),
    text_tokens: optional(count), image_tokens: optional(count), cache_write_tokens: optional(count) })),
  completion_tokens_details: optional(shape({ reasoning_tokens: optional(count), audio_tokens: optional(count), text_tokens: optional(count),
    accepted_prediction_tokens: optional(count), rejected_prediction_tokens: optional(count) })),
});
const scored = { token: text, logprob: number, bytes: maybe(list(int)) };
const scores = maybe(shape({
  content: maybe(list(shape({ ...scored, top_logprobs: list(shape(scored)) }))),
  refusal: maybe(list(shape({ ...scored, top_logprobs: list(shape(scored)) }))) }));
const finish = is('stop', 'length', 'tool_calls', 'content_filter', 'function_call');
const call = { name: filled, arguments: text };
const toolCall = by('type', { function: shape({ id: filled, type: is('function'), function: shape(call) }) });
const head = { id: filled, created: count, model: filled, system_fingerprint: optional(filled), service_tier: optional(maybe(text)) };

const chat = shape({
  ...head, object: is('chat.completion'), usage: optional(usage),
  choices: list(shape({
    index: count, finish_reason: finish, logprobs: scores,
    message: shape({ role: is('assistant'), content: maybe(text), refusal: maybe(text), tool_calls: optional(list(toolCall)),
      annotations: optional(list(object)), reasoning_content: ours(text) }),
  })),
});

/* `usage` is null in all chunks but the last when it was asked for, as the reference says in words. */
const chatChunk = shape({
  ...head, object: is('chat.completion.chunk'), usage: optional(maybe(usage)),
  choices: list(shape({
    index: count, finish_reason: maybe(finish), logprobs: optional(scores),
    delta: shape({ role: optional(is('assistant')), content: optional(maybe(text)), refusal: optional(maybe(text)),
      reasoning_content: ours(text),
      tool_calls: optional(list(shape({ index: count, id: optional(filled), type: optional(is('function')),
        function: optional(shape({ name: optional(filled), arguments: optional(text) })) }))) }),
  })),
});

const legacyScores = maybe(shape({ text_offset: optional(list(count)), token_logprobs: optional(list(number)),
  tokens: optional(list(text)), top_logprobs: optional(list(object)) }));
const completion = (isChunk) => shape({
  ...head, object: is('text_completion'), usage: optional(isChunk ? maybe(usage) : usage),
  choices: list(shape({ text, index: count, logprobs: legacyScores,
    finish_reason: isChunk ? maybe(is('stop', 'length', 'content_filter')) : is('stop', 'length', 'content_filter') })),
});

/* ---- embeddings, models ---- */

/* A vector in base64 is a text, as the parameter encoding_format says; the description has numbers only. */
const embeddings = shape({
  object: is('list'), model: filled, usage: shape({ prompt_tokens: count, total_tokens: count }),
  data: list(shape({ object: is('embedding'), index: count, embedding: either((v) => typeof v === 'string', filled, list(number)) })),
});
const model = shape({ id: filled, created: count, object: is('model'), owned_by: filled });
const models = shape({ object: is('list'), data: list(model), models: ours(list(object)) });

/* ---- responses ---- */

const topScored = { token: text, logprob: number, bytes: list(int) };
const partScores = list(shape({ ...topScored, top_logprobs: list(shape(topScored)) }));
/* In events the description leaves `bytes` out; OpenAI's server sends it there as well. */
const eventScores = list(shape({ token: text, logprob: number, bytes: optional(list(int)),
  top_logprobs: optional(list(shape({ token: optional(text), logprob: optional(number), bytes: optional(list(int)) }))) }));
const textPart = shape({ type: is('output_text'), text, annotations: list(object), logprobs: partScores });
const thoughtPart = shape({ type: is('reasoning_text'), text });
const stage = is('in_progress', 'completed', 'incomplete');
const item = by('type', {
  message: shape({ id: filled, type: is('message'), role: is('assistant'), status: stage, content: list(textPart) }),
  reasoning: shape({ id: filled, type: is('reasoning'), status: optional(stage),
    summary: list(shape({ type: is('summary_text'), text })), content: optional(list(thoughtPart)), encrypted_content: optional(maybe(text)) }),
  function_call: shape({ id: optional(filled), type: is('function_call'), call_id: filled, name: filled, arguments: text, status: optional(stage) }),
});
const format = by('type', {
  text: shape({ type: is('text') }),
  json_object: shape({ type: is('json_object') }),
  json_schema: shape({ type: is('json_schema'), name: filled, schema: object, description: optional(text), strict: optional(maybe(bool)) }),
});
const tool = by('type', { function: shape({ type: is('function'), name: filled, description: optional(maybe(text)),
  parameters: maybe(object), strict: maybe(bool) }) });
const toolChoice = either((v) => typeof v === 'string', is('none', 'auto', 'required'),
  by('type', { function: shape({ type: is('function'), name: filled }) }));
const response = shape({
  id: filled, object: is('response'), created_at: number, completed_at: optional(maybe(number)), model: optional(filled),
  status: optional(is('completed', 'failed', 'in_progress', 'cancelled', 'queued', 'incomplete')),
  error: maybe(shape({ code: filled, message: text })),
  incomplete_details: maybe(shape({ reason: optional(is('max_output_tokens', 'content_filter')) })),
  instructions: either(Array.isArray, list(object), maybe(text)),
  output: list(item), parallel_tool_calls: bool,
  usage: optional(shape({ input_tokens: count, output_tokens: count, total_tokens: count,
    input_tokens_details: shape({ cached_tokens: count, cache_write_tokens: count }),
    output_tokens_details: shape({ reasoning_tokens: count }) })),
  /* The two that the description does not require are required by the types of the openai package. */
  tools: list(tool), tool_choice: toolChoice, temperature: maybe(number), top_p: maybe(number),
  max_output_tokens: optional(maybe(int)), top_logprobs: optional(maybe(int)), text: optional(shape({ format: optional(format), verbosity: optional(maybe(is('low', 'medium', 'high'))) })),
  metadata: maybe(object), truncation: optional(maybe(is('auto', 'disabled'))), background: optional(maybe(bool)),
  previous_response_id: optional(maybe(text)), service_tier: optional(maybe(is('auto', 'default', 'flex', 'scale', 'priority'))),
  reasoning: optional(maybe(shape({ summary: optional(maybe(is('auto', 'concise', 'detailed'))),
    effort: optional(maybe(is('none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'))) }))),
  user: optional(text), safety_identifier: optional(maybe(text)), prompt_cache_key: optional(maybe(text)),
  store: ours(bool), system_fingerprint: ours(filled),
});

const event = (fields) => ({ type: filled, sequence_number: count, ...fields });
const ofItem = { item_id: filled, output_index: count };
const inItem = { ...ofItem, content_index: count };
const part = by('type', { output_text: textPart, reasoning_text: thoughtPart });
const responseEvents = Object.fromEntries(Object.entries({
  'response.created': { response },
  'response.in_progress': { response },
  'response.completed': { response },
  'response.incomplete': { response },
  'response.failed': { response },
  'response.output_item.added': { output_index: count, item },
  'response.output_item.done': { output_index: count, item },
  'response.content_part.added': { ...inItem, part },
  'response.content_part.done': { ...inItem, part },
  'response.output_text.delta': { ...inItem, delta: text, logprobs: eventScores },
  'response.output_text.done': { ...inItem, text, logprobs: eventScores },
  'response.reasoning_text.delta': { ...inItem, delta: text },
  'response.reasoning_text.done': { ...inItem, text },
  'response.function_call_arguments.delta': { ...ofItem, delta: text },
  'response.function_call_arguments.done': { ...ofItem, name: filled, arguments: text },
  error: { code: maybe(text), message: filled, param: maybe(text), error: ours(error) },
}).map(([name, fields]) => [name, shape(event(fields))]));
const responseEvent = by('type', responseEvents);

/* ---- which of them an answer has ---- */

const routes = [
  [/^\/v1\/chat\/completions$/, chat, chatChunk],
  [/^\/v1\/completions$/, completion(false), completion(true)],
  [/^\/v1\/embeddings$/, embeddings],
  [/^\/v1\/models$/, models],
  [/^\/v1\/models\/.+$/, model],
  [/^\/v1\/responses$/, response, responseEvent],
];

/* The shapes of a path's answers: { whole, chunk }; null when OpenAI has no such route. */
function routeOf(where) {
  const found = routes.find(([pattern]) => pattern.test(new URL(where, 'http://x').pathname));
  return found ? { whole: found[1], chunk: found[2] } : null;
}

/* What is wrong with a whole answer's body; [] when nothing is. */
function faultsOf(where, status, body) {
  const faults = [], route = routeOf(where);
  if (route) (status >= 400 ? failure : route.whole)(body, `${status} ${where}`, faults);
  return faults;
}

/* What is wrong with one event of a stream; an error may come instead of a chunk. */
function faultsOfEvent(where, body) {
  const faults = [], route = routeOf(where);
  if (!route) return faults;
  if (!route.chunk) faults.push(`${where} has no stream`);
  else if (body && body.error && !body.type && !body.object) failure(body, where, faults);
  else route.chunk(body, where, faults);
  return faults;
}

module.exports = { faultsOf, faultsOfEvent };
