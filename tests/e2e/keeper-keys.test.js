'use strict';
/*
 * keeper-keys.test.js - which node gets which key from rbee-keeper, where one command speaks to several. Two hives
 * that answer as told, loopback.
 */
const { test, beforeEach, afterEach } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { FakeHive, json, error } = require('./lib/fakehive.js');
const { makeHome, run } = require('./lib/keeper.js');

let attic, bee;
beforeEach(async () => { [attic, bee] = [await FakeHive.start(), await FakeHive.start()]; });
afterEach(() => Promise.all([attic.stop(), bee.stop()]));

/* A home whose keeper knows both, and a third place where attic answers, too. */
function home(settings, kept = {}) {
  const folder = makeHome();
  fs.writeFileSync(path.join(folder, 'config.ini'), `[keeper]\nnode = ${settings}\n[nodes]\nlocalhost = 127.0.0.1:1\n` +
    `attic = ${attic.node}\nbee = ${bee.node}\nthird = 0.0.0.0:${attic.port}\n`);
  const entries = Object.entries(kept).map(([name, key]) => [name, { tls: false, pin: '', key }]);
  fs.writeFileSync(path.join(folder, 'nodes.json'), JSON.stringify(Object.fromEntries(entries)), { mode: 0o600 });
  return folder;
}

const KEY = 'the-key-of-attic-alone';
const given = [{ env: { RBEE_API_KEY: KEY } }, { args: ['--api-key', KEY] }];

/* [host asked, key] of every question to explain. */
const keys = (hive) => hive.of('POST', '/v1/workers/explain').map((call) => [call.headers.host.split(':')[0], call.headers.authorization]);

/* Each got it, in the clear where it spoke http; and where a node's own key was kept, the other went in its place, and
 * counted as a wrong one there. */
test('explain gives a key that was typed to the node of the settings only; the others get their own', async () => {
  for (const hive of [attic, bee]) hive.on('POST /v1/workers/explain', (req, res) => json(res, 200, { decision: 'start' }));
  for (const [node, kept, ofBee] of [['attic', {}, undefined], ['ATTIC', { bee: 'key-of-bee' }, 'Bearer key-of-bee'],
    [`http://${attic.node}/`, {}, undefined], [attic.node, { attic: 'kept-key' }, undefined]]) {
    for (const { env, args = [] } of given) {
      for (const hive of [attic, bee]) hive.calls.length = 0;
      const r = await run(['explain', ...args], { home: home(node, kept), env });
      assert.strictEqual(r.code, 0, r.stderr);
      assert.deepStrictEqual(keys(attic).sort(), [['0.0.0.0', undefined], ['127.0.0.1', `Bearer ${KEY}`]], node);
      assert.deepStrictEqual(keys(bee), [['127.0.0.1', ofBee]], node);
    }
  }
  for (const { env, args = [] } of given) { // who names one node means it
    bee.calls.length = 0;
    await run(['explain', '--node', 'bee', ...args], { home: home('attic', { bee: 'key-of-bee' }), env });
    assert.deepStrictEqual(keys(bee), [['127.0.0.1', `Bearer ${KEY}`]]);
  }
});

test('without [keeper] node it is localhost that a typed key is for', async () => {
  const folder = makeHome();
  fs.writeFileSync(path.join(folder, 'config.ini'), `[nodes]\nlocalhost = ${attic.node}\nbee = ${bee.node}\n`);
  await run(['explain', '--api-key', KEY], { home: folder });
  assert.deepStrictEqual(keys(attic), [['127.0.0.1', `Bearer ${KEY}`]]);
  assert.deepStrictEqual(keys(bee), [['127.0.0.1', undefined]]);
});

/* The hive here was asked with the other's key, and the push ended with its 401. */
test('push asks the hive here with the key that is kept of it, whatever key is for the target', async () => {
  bee.on('GET /v1/models/manifest', (req, res) => error(res, 404, 'MODEL_NOT_FOUND', 'asked and heard'));
  const folder = home('bee', { bee: 'key-of-bee' });
  const cases = [...given.map((g) => [g, 'key-of-bee']), [{ ...given[1], env: { RBEE_API_KEY: 'of-the-settings' } }, 'of-the-settings']];
  for (const [{ env, args = [] }, key] of cases) {
    bee.calls.length = 0;
    const r = await run(['models', 'push', 'local:x', '--node', 'attic', ...args], { home: folder, env });
    assert.match(r.stderr, /asked and heard/);
    assert.deepStrictEqual(bee.calls.map((call) => call.headers.authorization), [`Bearer ${key}`]);
  }
});

test('keys list --json says null for never, as the hive does', async () => { // it was "-"
  const folder = makeHome();
  fs.writeFileSync(path.join(folder, 'api-key'), 'a-key-of-this-home-alone\n', { mode: 0o600 });
  const r = await run(['keys', 'list', '--json'], { home: folder });
  const [{ name, created, last_used }] = JSON.parse(r.stdout).keys;
  assert.deepStrictEqual([name, created, last_used], ['api-key', null, null]);
  assert.match((await run(['keys', 'list'], { home: folder })).stdout, /api-key +- +-\n/);
});

/* The list's key is revoked; whether the older file holds it as well cannot be said. One that no hive takes either, as
 * others can read it, opens nothing; one that could not be looked at may, and then the key is not revoked. */
test('a key that is revoked, and an older file that does not tell whether it holds it, too', async () => {
  const PRINT = /^Revoked the key [0-9a-f]{6} \(me\)\.\n$/;
  for (const [put, code, words] of [
    [(file) => fs.writeFileSync(file, 'the-key-of-the-older-file\n', { mode: 0o644 }), 0, /^Whether the file api-key holds it as well is not known: .*mode 644.*chmod 600/m],
    [(file) => fs.writeFileSync(file, 'x'.repeat(1 << 20), { mode: 0o600 }), 0, /^Whether the file api-key holds it as well is not known: /m],
    [(file) => fs.symlinkSync('api-key', file), 1, /^rbee-keeper: [A-Z_]+: the file api-key may hold it as well: .*Too many levels of symbolic links/m],
  ]) {
    const folder = makeHome(), file = path.join(folder, 'api-key'), key = (await run(['keys', 'create', '--name', 'me'], { home: folder })).stdout.trim();
    put(file);
    const r = await run(['keys', 'revoke', key], { home: folder });
    assert.match(r.stdout, PRINT);
    assert.match(r.stderr, words);
    assert.strictEqual(r.code, code, r.stderr);
    assert.ok(fs.lstatSync(file), 'it is left as it was');
    assert.deepStrictEqual(JSON.parse((await run(['keys', 'list', '--json'], { home: folder })).stdout).keys, [], 'it is out of the list');
  }
});
