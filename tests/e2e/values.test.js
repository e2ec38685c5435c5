'use strict';
/*
 * values.test.js - bodies whose values cost far more memory than their bytes. Four megabytes of "{}," made
 * a hive 720 MB large, and it stayed at 480; while they were read it answered nobody for 0.7 s. Anybody
 * could send one megabyte of them to where a pairing is asked for.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const https = require('node:https');

const { HIVE, Proc, makeFolder, startWorker, testModel, until } = require('./lib/proc.js');
const { startHive, get, post } = require('./lib/hive.js');
const { ask } = require('./lib/sse.js');

const MB = 1e6;
const OPEN_MOST = 4096; // src/api/access.h
const sanitized = /asan|tsan/.test(process.env.RBEE_BUILD || ''); // a sanitizer keeps what was freed
const mostMB = (pid) => Number(/^VmHWM:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1000;
const nowMB = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1000;

/* So many bytes of one value after the other. */
const many = (value, bytes) => `${`${value},`.repeat(bytes / (value.length + 1))}${value}`;
const keys = (bytes) => Array.from({ length: bytes / 11 }, (_, i) => `"k${i}":0`).join();

/* Of 4 MB each: { name: body }. */
const COSTLY = {
  objects: `{"messages":[${many('{}', 4 * MB)}]}`,
  arrays: `{"messages":[${many('[]', 4 * MB)}]}`,
  numbers: `{"prompt_tokens":[${many('0', 4 * MB)}]}`,
  texts: `{"stop":[${many('"\\\\\\""', 8 * MB)}]}`, // ends in a quote behind a quoted backslash: a mark, not an end
  fields: `{"metadata":{${keys(8 * MB)}}}`,
};
const HAS_TOO_MANY = /so many values that they would take [\d.]+ [MG]B of memory, and 33\.6 MB are allowed/;

describe('a hive', () => {
  let hive;
  before(async () => { hive = await startHive({ env: { RBEE_TINY: testModel() || '' } }); });
  after(async () => { await hive.stop(); });

  test('refuses them before it makes the first value', async () => {
    for (const [what, body] of Object.entries(COSTLY)) {
      for (const where of ['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/api/chat', '/v1/messages']) {
        const answer = await post(hive, where, body);
        assert.strictEqual(answer.status, 400, `${what} ${where}: ${answer.text.slice(0, 300)}`);
        assert.match(answer.text, HAS_TOO_MANY, `${what} ${where}`);
      }
    }
    const own = `{"model_ref":[${many('{}', 1000000)}]}`; // a route with the smaller limit
    assert.match((await post(hive, '/v1/workers/spawn', own)).text, HAS_TOO_MANY);
    assert.ok(sanitized || mostMB(hive.pid) < 60, `${mostMB(hive.pid)} MB`);
  });

  test('takes as much text as ever, in a text the marks between values are none', async () => {
    const text = ',:{}[]'.repeat(2 * MB);
    const answer = await post(hive, '/v1/chat/completions', { model: 'hf:nobody/nothing', messages: [{ role: 'user', content: text }] });
    assert.strictEqual(answer.status, 404, answer.text.slice(0, 300));
  });

  /* The bound is for what strangers send: a worker's answer is looked at and handed on, however long. */
  test('hands on a million tokens of a text', { skip: !testModel() && 'no model' }, async () => {
    const answer = await post(hive, '/tokenize', { model: 'tiny', content: 'a'.repeat(MB) });
    assert.strictEqual(answer.status, 200, answer.text.slice(0, 300));
    assert.ok(answer.json.tokens.length > MB / 4 && answer.json.tokens.every(Number.isInteger), `${answer.json.tokens.length}`);
  });

  test('gives back what a large body took', { skip: sanitized && 'a sanitizer keeps what was freed' }, async () => {
    await until(() => nowMB(hive.pid) < 20, () => `${nowMB(hive.pid)} MB`);
  });
});

/* A hive that speaks https: only there are pairings, for which no key is asked. */
test('a hive takes little from those who have shown no key', async (t) => {
  const hive = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', makeFolder('rbee-hive-')], { env: { RBEE_HIVE_TLS: 'on' } });
  t.after(() => hive.stop());
  const [, port] = await hive.says(/listening on https:\/\/127\.0\.0\.1:(\d+)$/m);
  const send = (method, where, body) => new Promise((resolve, reject) => {
    const request = https.request({ port, method, path: where, rejectUnauthorized: false, headers: { 'content-length': body.length } }, (response) => {
      let text = '';
      response.on('data', (piece) => { text += piece; }).on('end', () => resolve({ status: response.statusCode, text }));
    });
    request.on('error', reject).end(body);
  });
  for (const [method, where] of [['POST', '/v1/pair'], ['POST', '/v1/health'], ['GET', '/health']]) {
    const answer = await send(method, where, 'x'.repeat(OPEN_MOST + 1));
    assert.strictEqual(answer.status, 413, `${method} ${where}: ${answer.text}`);
    assert.match(answer.text, new RegExp(`${OPEN_MOST} bytes`), where);
  }
  const fits = `{"code":"${'x'.repeat(OPEN_MOST - 11)}"}`;
  assert.strictEqual(fits.length, OPEN_MOST);
  const answer = await send('POST', '/v1/pair', fits);
  assert.strictEqual(answer.status, 404, answer.text); // read, and there is no key to be had
});

test('a worker refuses them, too', { skip: !testModel() && 'no model' }, async (t) => {
  const worker = await startWorker();
  t.after(() => worker.stop());
  await until(async () => (await get(worker, '/v1/ready')).json.ready, 'the model is loaded');
  const before = mostMB(worker.pid);
  for (const [what, body] of Object.entries(COSTLY)) {
    const answer = await post(worker, '/v1/inference', body);
    assert.strictEqual(answer.status, 400, `${what}: ${answer.text.slice(0, 300)}`);
    assert.match(answer.text, HAS_TOO_MANY, what);
  }
  const grown = mostMB(worker.pid) - before;
  assert.ok(sanitized || grown < 60, `grown by ${grown} MB`);
  const answer = await ask(`${worker.url}/v1/health`, { method: 'GET', body: 'x'.repeat(OPEN_MOST + 1) });
  assert.strictEqual(answer.status, 413, answer.text);
});
