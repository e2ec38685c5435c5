'use strict';
/*
 * keeper-exit.test.js - exit 2 is for a command line that is wrong. What a hive will not do, or a file that cannot be
 * read, is exit 1, though the hive calls it a bad request. A hive that answers as told; loopback.
 */
const { test, beforeEach, afterEach } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { FakeHive, json, error } = require('./lib/fakehive.js');
const { makeHome, run } = require('./lib/keeper.js');

let fake;
beforeEach(async () => { fake = await FakeHive.start(); });
afterEach(() => fake.stop());

const field = { errors: [{ field: 'f', constraint: 'c', message: 'it is odd' }] };

/* All of these were exit 2. */
test('what a hive refuses is exit 1, unless it names a field', async () => {
  fake.on('GET /v1/models/prune', (req, res) => json(res, 200, { plan: 'p', items: [{ path: '/x', size_bytes: 1, why: 'w' }], freed_bytes: 1 }));
  fake.on('GET /v1/models/downloads', (req, res) => json(res, 200, { downloads: [{ download_id: 'd-1', model_ref: 'hf:a/b', state: 'downloading' }] }));
  for (const [route, args] of [['POST /v1/models/prune', ['prune', '--yes']], ['DELETE /v1/models/download/*', ['cancel', 'hf:a/b']],
    ['POST /v1/models/download', ['pull', 'hf:a/b']]]) {
    for (const [details, code] of [[{}, 1], [field, 2]]) {
      fake.on(route, (req, res) => error(res, 409, 'INVALID_REQUEST', 'Not at this moment.', details));
      const r = await run(['models', ...args, '--node', fake.node]);
      assert.strictEqual(r.code, code, `${args}: ${r.stderr}`);
      assert.match(r.stderr, /INVALID_REQUEST: Not at this moment\./);
    }
  }
});

test('a script of chat whose turn is refused ends with 1', async () => {
  fake.on('POST /v1/inference', (req, res) => error(res, 400, 'INVALID_REQUEST', 'One field fails.', field));
  const r = await run(['chat', '--node', fake.node], { input: 'Hello\n' });
  assert.strictEqual(r.code, 1, r.stderr);
  assert.match(r.stderr, /One field fails/);
});

test('keys: what is typed wrong is 2; what is wrong with the file is 1', async () => {
  const home = makeHome(), file = path.join(home, 'keys'), line = (i) => `${i.toString(16).padStart(64, '0')} 1700000000 k${i}\n`;
  const write = (text, mode = 0o600) => { fs.writeFileSync(file, text); fs.chmodSync(file, mode); };
  const keys = async (...args) => (await run(['keys', ...args], { home })).code;
  write(line(1));
  assert.strictEqual(await keys('create', '--name', 'no name'), 2);
  assert.strictEqual(await keys('revoke', 'abc'), 2);
  write(line(1) + line(2));
  assert.strictEqual(await keys('revoke', '00000000'), 1, 'several begin so');
  write(line(1), 0o644);
  for (const args of [['list'], ['create'], ['revoke', '123456']]) assert.strictEqual(await keys(...args), 1, `${args} of a file that others read`);
  write('what is this\n');
  for (const args of [['list'], ['create'], ['revoke', '123456']]) assert.strictEqual(await keys(...args), 1, `${args} of a damaged file`);
  write(Array.from({ length: 64 }, (_, i) => line(i)).join(''));
  assert.strictEqual(await keys('create'), 1, 'one too many');
});

test('a configuration that cannot be read is 1, one that is wrong 2', async () => {
  const home = makeHome(), file = path.join(home, 'config.ini');
  fs.symlinkSync(file, file);
  const r = await run(['config'], { home });
  assert.strictEqual(r.code, 1, r.stderr);
  assert.match(r.stderr, /config\.ini/);
  fs.unlinkSync(file);
  fs.writeFileSync(file, '[hive]\nslots = many\n');
  assert.strictEqual((await run(['config'], { home })).code, 2);
});
