'use strict';
/*
 * keeper-contact.test.js - what the keeper's commands besides `infer` make of a node that is no
 * hive, one of another version, or away. Real processes and sockets; loopback.
 */
const { test, describe, beforeEach, afterEach } = require('node:test');
const assert = require('node:assert');
const net = require('node:net');
const http = require('node:http');

const { FakeHive, WORKER_ID, error, json } = require('./lib/fakehive.js');
const { deadPort, run } = require('./lib/keeper.js');

let fake;
beforeEach(async () => { fake = await FakeHive.start(); });
afterEach(() => fake.stop());

const commands = [['models', 'list'], ['workers', 'list'], ['models', 'downloads'], ['models', 'files', 'hf:a/b'],
  ['models', 'show', 'tiny'], ['models', 'rm', 'tiny'], ['models', 'pull', 'hf:a/b'], ['models', 'prune'],
  ['models', 'import', '--scan'], ['models', 'cancel', 'tiny'], ['models', 'verify'], ['workers', 'stop', 'all'],
  ['workers', 'stop', WORKER_ID], ['logs', '1'], ['explain']];
const each = (node, list = commands) => Promise.all(list.map((c) => run([...c, '--node', node])));

async function serve(handler, work) {
  const server = http.createServer(handler);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await work(`127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/* `{}` from a web server was an empty list, and `models rm` said "Removed tiny."; its error pages were "rbee's
 * fault: please report it". */
test('another program\'s web server is neither an empty hive nor rbee\'s fault', async () => {
  const servers = [(req, res) => res.end('{}'), (req, res) => res.end('<html>hello</html>'),
    ...[301, 401, 403, 404, 502].map((status) => (req, res) => { res.writeHead(status); res.end('<html>no</html>'); })];
  for (const handler of servers) {
    await serve(handler, async (node) => {
      const runs = await each(node);
      runs.forEach((r, i) => {
        const said = `${commands[i].join(' ')}: ${r.stdout}${r.stderr}`;
        assert.strictEqual(r.code, 1, said);
        assert.match(said, /what answers at http:\S+ is not rbee: /, said);
        assert.doesNotMatch(said, /rbee's fault|Removed|Stopping|No model|No worker/);
        if (commands[i][0] !== 'explain') assert.ok(r.stderr.includes(`curl http://${node}/v1/health`), said);
      });
    });
  }
});

/* It was NOT_FOUND, with the advice to check the path. */
test('a hive of another version that does not know the question: both versions are named', async () => {
  fake.on('GET /v1/health', (req, res) => json(res, 200, { status: 'alive', version: '9.7.3', api_version: 'v1' }));
  const list = commands.filter(([a, b, c]) => !(a === 'workers' || a === 'logs') || c === WORKER_ID);
  (await each(fake.node, list)).forEach((r, i) => {
    assert.strictEqual(r.code, 1);
    assert.match(r.stdout + r.stderr, /version 0\.1\.0, the hive at \S+ is version 9\.7\.3/, `${list[i].join(' ')}: ${r.stderr}`);
  });
});

test('an id that the hive does not know stays its own error', async () => {
  const r = await run(['workers', 'stop', WORKER_ID, '--node', fake.node]);
  assert.strictEqual(r.code, 1);
  assert.match(r.stderr, /^rbee-keeper: NOT_FOUND: /);
});

test('nobody listens: three tries of every call that may be made twice', async () => {
  const node = `127.0.0.1:${await deadPort()}`;
  const list = commands.filter(([name]) => name !== 'explain');
  (await each(node, list)).forEach((r, i) => {
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /^rbee-keeper: CONNECTION_REFUSED: .*\(after 3 tries\)$/m, list[i].join(' '));
  });
});

test('a hive that comes up meanwhile answers', async () => {
  let n = 0;
  fake.on('GET /v1/models', (req, res) => (++n < 3 ? res.destroy() : json(res, 200, { models: [] })));
  const r = await run(['models', 'list', '--node', fake.node]);
  assert.deepStrictEqual([r.code, n], [0, 3], r.stderr);
});

/* The model was removed and the answer lost; asked once more the hive had no such model, and the keeper
 * said that removing it had failed. The same of a download that was cancelled, and of a worker. */
test('what may be done is not asked for twice: the answer that was lost is told', async () => {
  const id = 'd-1', gone = new Set();
  const once = (req, res) => {
    if (gone.has(req.url)) return error(res, 404, 'MODEL_NOT_FOUND', 'it is not here');
    gone.add(req.url);
    return req.socket.resetAndDestroy();
  };
  const downloads = [{ download_id: id, model_ref: 'hf:a/b', state: 'downloading' }];
  fake.on('GET /v1/models/downloads', (req, res) => json(res, 200, { downloads }));
  fake.on('DELETE /v1/models', once).on('DELETE /v1/models/download/*', once);
  fake.on(`POST /v1/workers/${WORKER_ID}/shutdown`, once);
  const list = [[['models', 'rm', 'tiny'], 'models list'], [['models', 'cancel', id], 'models downloads'],
    [['workers', 'stop', WORKER_ID], 'workers list']];
  const runs = await each(fake.node, list.map(([words]) => words));
  runs.forEach((r, i) => {
    assert.strictEqual(r.code, 1, r.stdout);
    assert.match(r.stderr, /^rbee-keeper: CONNECTION_REFUSED: .*; its answer was lost, and what was asked for may be done all the same$/m);
    assert.ok(r.stderr.includes(`\`rbee-keeper ${list[i][1]} --node ${fake.node}\` shows whether it was done.\n`), r.stderr);
    assert.doesNotMatch(r.stderr, /NOT_FOUND|after \d tries/);
  });
  assert.strictEqual(gone.size, 3);
  assert.strictEqual(fake.of('DELETE', '/v1/models').length + fake.of('POST', '/v1/workers').length, 3);
});

/* A hive with TLS that is being restarted takes the connection, and no handshake: nothing has left, and it was said to
 * be done, maybe. */
test('what was not even sent is asked for again, by https as by http', async () => {
  let n = 0;
  const server = net.createServer((socket) => { n++; socket.on('error', () => {}); socket.once('data', () => socket.resetAndDestroy()); });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const node = `https://127.0.0.1:${server.address().port}`;
  const r = await run(['models', 'rm', 'tiny', '--node', node]).finally(() => server.close());
  assert.deepStrictEqual([r.code, n], [1, 3], r.stderr);
  assert.match(r.stderr, /^rbee-keeper: CONNECTION_REFUSED: .*after 3 tries/m);
  assert.doesNotMatch(r.stderr, /may be done/);
});

/* A pull that is asked twice is one download: it goes on as if nothing had been. */
test('a pull whose answer was lost is asked for again', async () => {
  let n = 0;
  fake.on('POST /v1/models/download', (req, res) =>
    (++n < 2 ? req.socket.resetAndDestroy() : json(res, 200, { download_id: 'cached', local_path: '/m/x.gguf' })));
  const r = await run(['models', 'pull', 'hf:a/b', '--node', fake.node]);
  assert.deepStrictEqual([r.code, n], [0, 2], r.stderr);
});

test('a push to another program\'s web server: it is no older hive', async () => {
  fake.on('GET /v1/models/manifest', (req, res) => json(res, 200, { models: [{ model_ref: 'local:x', files: [] }] }));
  await serve((req, res) => { res.writeHead(404); res.end('<html>no</html>'); }, async (node) => {
    const r = await run(['models', 'push', 'local:x', '--node', node], { env: { RBEE_KEEPER_NODE: fake.node } });
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /^rbee-keeper: VERSION_MISMATCH: what answers at http:\S+ is not rbee: status 404/m);
  });
});
