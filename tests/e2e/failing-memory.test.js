'use strict';
/*
 * failing-memory.test.js - a hive, and a worker, whose allocations fail now and then, of whatever library: it may
 * answer with an error or close a connection; it ends neither itself nor an answer that is whole, and keeps nothing.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { BUILD, HIVE, startWorker, testModel, makeFolder, until } = require('./lib/proc.js');
const { startHive, get, list } = require('./lib/hive.js');
const { makeFakeWorker } = require('./lib/fakeworker.js');

const PRELOAD = path.join(BUILD, 'tests/preload/failing_malloc.so');
const skip = fs.existsSync(PRELOAD) ? false : 'the build is for a sanitizer, which has a malloc of its own';
const MS = 5000, CLIENTS = 4, PATIENCE_MS = 10000;
const ONE_OF = 500; // allocations that fail

const program = path.join(makeFolder(), 'hive.sh'); // the hive alone, not what starts it
fs.writeFileSync(program, `#!/bin/sh\nLD_PRELOAD='${PRELOAD}' FAILING_MALLOC=${ONE_OF} exec '${HIVE}' "$@"\n`, { mode: 0o755 });

const residentKb = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
const openFiles = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;

/* What a fake worker is to answer, as a prompt: longer than the places that libraries begin with. */
const said = (n) => JSON.stringify({ events: Array.from({ length: n }, (_, i) => ({ type: 'token', t: `word${i} `, i })) });
const ARGS = { a: 1, text: 'b'.repeat(99) };
const CALL = JSON.stringify({ events: [{ type: 'tool_call', index: 0, id: 'call_abc', name: 'f' }, { type: 'tool_args', index: 0, t: JSON.stringify(ARGS) },
  { type: 'end', tool_calls: 1, stop_reason: 'EOS', tokens_out: 9, prompt_tokens: 3 }] });
const words = (n) => Array.from({ length: n }, (_, i) => `word${i} `).join('');

/* Each asks one thing; where an answer is whole its text is, too. */
function questions(hive, model) {
  const call = async (where, body) => {
    const r = await fetch(hive.url + where, {
      method: body ? 'POST' : 'GET', body: body && JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return { status: r.status, text: await r.text() };
  };
  const user = (n) => [{ role: 'user', content: said(n) }];
  const ask = async (where, body, find) => {
    const r = await call(where, body);
    if (find && r.status === 200 && !/"error"/.test(r.text)) assert.strictEqual(find(JSON.parse(r.text)), words(30), `${where}: ${r.text}`);
    return r.status;
  };
  const askCall = async (where, body, find) => {
    const r = await call(where, body);
    if (r.status === 200 && !/"error"/.test(r.text)) assert.deepStrictEqual(find(JSON.parse(r.text)), ARGS, `${where}: ${r.text}`);
    return r.status;
  };
  const parameters = { type: 'object' }, tools = [{ type: 'function', function: { name: 'f', parameters } }], asked = [{ role: 'user', content: CALL }];
  return [
    () => ask('/v1/chat/completions', { model, messages: user(30) }, (j) => j.choices[0].message.content),
    () => ask('/v1/messages', { model, max_tokens: 99, messages: user(30) }, (j) => j.content[0].text),
    () => ask('/v1/responses', { model, input: said(30) }, (j) => j.output.at(-1).content[0].text),
    () => ask('/api/chat', { model, stream: false, messages: user(30) }, (j) => j.message.content),
    () => ask('/v1/chat/completions', { messages: user(30) }, (j) => j.choices[0].message.content), // whoever is loaded
    () => askCall('/v1/chat/completions', { model, tools, messages: asked }, (j) => JSON.parse(j.choices[0].message.tool_calls[0].function.arguments)),
    () => askCall('/v1/messages', { model, max_tokens: 99, messages: asked, tools: [{ name: 'f', input_schema: parameters }] }, (j) => j.content[0].input),
    () => askCall('/api/chat', { model, stream: false, tools, messages: asked }, (j) => j.message.tool_calls[0].function.arguments),
    () => ask('/v1/messages/count_tokens', { model, messages: user(3) }),
    () => ask('/v1/chat/completions', { model, stream: true, messages: user(9) }),
    () => ask('/v1/completions', { model, stream: true, prompt: said(9) }),
    () => ask('/v1/embeddings', { model, input: ['a', 'b'] }),
    () => ask('/v1/workers/spawn', { model_ref: model }),
    () => ask('/v1/workers/explain', { model_ref: model }),
    () => ask('/v1/models'),
    () => ask('/api/tags'),
    () => ask('/v1/models/downloads'),
    () => ask('/v1/node'),
  ];
}

test('a hive outlives allocations that fail, and no answer is part of itself', { skip, timeout: 120000 }, async (t) => {
  const fake = makeFakeWorker(makeFolder()), model = path.join(makeFolder(), 'm.gguf');
  fs.writeFileSync(model, 'm');
  const hive = await startHive({ program, flags: { worker: fake.program }, env: { RBEE_TINY: testModel() || '' } });
  t.after(() => hive.stop());
  const all = questions(hive, model), statuses = {};
  const each = async () => { for (const q of all) assert.strictEqual(await q(), 200, String(q)); };
  await each();
  const before = { kb: residentKb(hive.pid), files: openFiles(hive.pid) };
  hive.signal('SIGUSR1');
  const end = Date.now() + MS;
  await Promise.all(Array.from({ length: CLIENTS }, async (_, c) => {
    for (let i = c; Date.now() < end; i++) {
      const status = await all[i % all.length]().catch((e) => {
        if (e.code === 'ERR_ASSERTION') throw e;
        return e.name === 'TimeoutError' ? 'late' : 'cut';
      });
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  }));
  hive.signal('SIGUSR1');
  assert.ok(statuses[200] > 100 && statuses[500] > 0, JSON.stringify(statuses));
  assert.ok(!statuses.late, JSON.stringify(statuses));
  await until(async () => (await list(hive)).every((w) => w.slots_busy === 0 && w.queued === 0), 'all slots are free');
  await until(async () => (await all[0]().catch(() => 0)) === 200, 'it answers again'); // a worker's start may have failed
  await each();
  await until(() => openFiles(hive.pid) <= before.files + 16, () => `${openFiles(hive.pid)} open files, ${before.files} before`);
  assert.ok(residentKb(hive.pid) < before.kb + 8192, `${before.kb} kB before, ${residentKb(hive.pid)} now`);
  assert.strictEqual((await get(hive, '/v1/health')).status, 200);
});

const USER = [{ role: 'user', content: 'Once upon a time' }];
const TOOLS = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: { a: { type: 'integer' } } } } }];
const PERSON = { type: 'object', properties: { a: { type: 'string', maxLength: 5 } }, required: ['a'] };
const ASKED = [
  { prompt: 'Once upon a time' },
  { messages: USER },
  { messages: USER, tools: TOOLS },
  { messages: USER, tools: TOOLS, tool_choice: 'required' },
  { prompt: 'a', json_schema: PERSON },
  { prompt: 'a', grammar: 'root ::= ("ab" | "cd")+' },
  { prompt: 'Once', logprobs: true, top_logprobs: 5 },
  { prompt: 'Once', stop: ['girl', 'zzz'] },
  { prompt: 'Once', logit_bias: { 5: 3, 9: -3 } },
  { prompt: 'Once', parse_special: true },
].flatMap((body) => [false, true].map((stream) => ({ temperature: 0, max_tokens: 24, seed: 1, stream, ...body })));

/* An answer less its times, names and cuts; its status or code, and nothing else, where it is none. */
function told({ stream }, { status, text }) {
  if (status !== 200) return status;
  const same = (key, value) => (/_ms$|_at$|^id$|_id$|per_s|cached|draft|accepted/.test(key) ? undefined : value);
  if (!stream) return JSON.stringify(JSON.parse(text), same);
  const events = text.split('\n').filter((line) => line.startsWith('data: {')).map((line) => JSON.parse(line.slice(6)));
  if (!/^data: \[DONE\]$/m.test(text)) return 'cut';
  return events.at(-1).type === 'error' ? events.at(-1).error.code : JSON.stringify(events.filter((e) => e.type !== 'metrics'), same);
}

/*
 * With stop strings an answer could have 24 tokens and no text; a call was told as text; tokens of logprobs had no
 * text; and a request was refused as wrong.
 */
test('a worker outlives allocations that fail, and no answer is part of itself', { skip: skip || (testModel() ? false : 'no model'), timeout: 120000 }, async (t) => {
  const template = path.join(makeFolder(), 'chat.jinja');
  fs.writeFileSync(template, '{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if tools %}{{ tools | tojson }}{% endif %}');
  const worker = await startWorker({ slots: 4, 'chat-template': template }, { env: { LD_PRELOAD: PRELOAD, FAILING_MALLOC: ONE_OF } });
  t.after(() => worker.stop());
  const call = async (where, body) => {
    const r = await fetch(worker.url + where, { method: body ? 'POST' : 'GET', body: body && JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE_MS) });
    return { status: r.status, text: await r.text() };
  };
  const ask = async (body) => told(body, await call('/v1/inference', body));
  const whole = [];
  for (const body of ASKED) whole.push(await ask(body), await ask(body)); // the second on what is kept of the first
  for (const [i, text] of whole.entries()) assert.ok(text.length > 50 && text === whole[i - i % 2], text);
  const before = { kb: residentKb(worker.pid), files: openFiles(worker.pid) }, ends = {};
  worker.signal('SIGUSR1');
  const end = Date.now() + MS;
  await Promise.all(Array.from({ length: CLIENTS }, async (_, c) => {
    for (let i = c; Date.now() < end; i++) {
      const at = i % ASKED.length;
      const got = await ask(ASKED[at]).catch((e) => (e.name === 'TimeoutError' ? 'late' : 'cut'));
      const how = got.length > 50 ? 200 : got;
      if (how === 200) assert.strictEqual(got, whole[2 * at], JSON.stringify(ASKED[at]));
      ends[how] = (ends[how] ?? 0) + 1;
      for (const body of [{ content: 'hello world' }, { tokens: [1, 5, 9] }]) await call(body.tokens ? '/v1/detokenize' : '/v1/tokenize', body).catch(() => {});
    }
  }));
  worker.signal('SIGUSR1');
  assert.ok(ends[200] > 100 && ends[500] > 0 && !ends.late, JSON.stringify(ends));
  assert.ok(!ends[400] && !ends[404], `${JSON.stringify(ends)}: nothing was wrong with what was asked`);
  for (const [i, body] of ASKED.entries()) assert.strictEqual(await ask(body), whole[2 * i]);
  await until(() => openFiles(worker.pid) <= before.files + 16, () => `${openFiles(worker.pid)} open files, ${before.files} before`);
  assert.ok(residentKb(worker.pid) < before.kb + 8192, `${before.kb} kB before, ${residentKb(worker.pid)} now`);
});
