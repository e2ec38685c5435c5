'use strict';
/*
 * quickstart.test.js - the three real programs together, as the quickstart has them: a hive, one
 * `infer` as typed, the next one warm; what goes wrong, and what is left afterwards.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const { HIVE, WORKER, testModel, makeFolder, isAlive, until } = require('./lib/proc.js');
const { startHive } = require('./lib/hive.js');
const { Hub } = require('./lib/hub.js');
const { KEEPER, environment, start, run, runOnTerminal, noTerminal } = require('./lib/keeper.js');

const MODEL = testModel();
const skip = !MODEL ? 'no model: neither models/tiny.gguf nor the test data are there'
  : !fs.existsSync(HIVE) ? 'rbee-hive is not built' : false;
const PROMPT = 'Once upon a time';
const it = (what, how, ...more) => (assert.ok(!more.length, what), test(what, { skip }, how));

/* A hive as the quickstart has it; `node` is what --node takes. */
async function begin(env = {}) {
  const hive = await startHive({ env: { RBEE_TINY: MODEL, ...env } });
  hive.node = hive.url.replace('http://', '');
  return hive;
}

const workersOf = async (hive) =>
  JSON.parse((await run(['workers', 'list', '--json', '--node', hive.node])).stdout).workers;
const alive = (workers) => workers.filter((w) => w.state !== 'failed');

function assertOrder(text, parts) {
  let at = 0;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    assert.ok(found >= 0, `"${part}" is missing, or too early, in:\n${text}`);
    at = found + part.length;
  }
}

describe('the quickstart', () => {
  let hive, first;
  before(async () => { if (!skip) hive = await begin(); });
  after(() => hive && hive.stop());
  const infer = (args = [], options) =>
    start(['infer', '--node', hive.node, '--model', 'tiny', '--prompt', PROMPT, ...args], options);

  it('cold, as typed: the steps on stderr, the text on stdout, exit 0', async () => {
    first = await infer(['--max-tokens', '20', '--temperature', '0.7', '--seed', '3']).done;
    assert.strictEqual(first.code, 0, first.stderr);
    assertOrder(first.stderr, ['ok Pool health check', 'ok Worker spawning', 'ok Worker ready', '20 tokens']);
    assert.ok(first.stdout.length > 20, first.stdout);
    assert.ok(first.stdout.endsWith('\n'));
    assert.match(first.stderr, /first token after \d+ ms \(the limit was reached\)/);
  });

  it('warm: the same worker, the same seed, the same text', async () => {
    const r = await infer(['--max-tokens', '20', '--temperature', '0.7', '--seed', '3']).done;
    assert.strictEqual(r.code, 0);
    assert.match(r.stderr, /^ok Worker ready \(warm: worker-/);
    assert.doesNotMatch(r.stderr, /spawning/);
    assert.strictEqual(r.stdout, first.stdout);
    assert.strictEqual(alive(await workersOf(hive)).length, 1);
  });

  it('--timings: each phase once, and together they are the total', async () => {
    const phasesOf = async (args) => {
      const r = await infer(['--max-tokens', '2', '--timings', ...args]).done;
      assert.strictEqual(r.code, 0, r.stderr);
      const phases = r.stderr.match(/^Timings in ms: (.*)$/m)[1].split(', ')
        .map((phase) => phase.match(/^(.*) (\d+\.\d)$/).slice(1));
      const sum = phases.slice(0, -1).reduce((s, [, ms]) => s + Number(ms), 0);
      assert.ok(Math.abs(sum - Number(phases.at(-1)[1])) < 0.05 * phases.length, phases.join());
      return phases.map(([name]) => name);
    };
    assert.deepStrictEqual(await phasesOf([]), ['start', 'setup', 'list', 'first token', 'total']);
    assert.deepStrictEqual(await phasesOf(['--slots', '6']),
      ['start', 'setup', 'list', 'health', 'spawn', 'ready', 'first token', 'total']);
    const [larger] = (await workersOf(hive)).filter((w) => w.slots_total === 6);
    await run(['workers', 'stop', larger.worker_id, '--node', hive.node]);
    await until(async () => alive(await workersOf(hive)).length === 1);
  });

  it('many at once: one worker, every answer whole and the same', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () =>
      infer(['--max-tokens', '20', '--temperature', '0.7', '--seed', '3', '--quiet']).done));
    for (const r of all) {
      assert.strictEqual(r.code, 0, r.stderr);
      assert.strictEqual(r.stdout, first.stdout);
      assert.strictEqual(r.stderr, '');
    }
    assert.strictEqual(alive(await workersOf(hive)).length, 1);
  });

  test('on a terminal', { skip: skip || noTerminal }, async () => {
    const { code, screen } = await runOnTerminal(
      ['infer', '--node', hive.node, '--prompt', PROMPT, '--max-tokens', '5']);
    assert.strictEqual(code, 0, screen);
    assertOrder(screen, ['✓', 'Worker ready', '5 tokens']);
  });

  it('a prompt longer than the context is refused with both numbers', async () => {
    const [{ n_ctx: context }] = alive(await workersOf(hive));
    const r = await start(['infer', '--node', hive.node], { input: 'bee '.repeat(context + 10) }).done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /^rbee-keeper: CONTEXT_LENGTH_EXCEEDED: /m);
    assert.ok(r.stderr.includes(String(context)), r.stderr);
    assert.strictEqual(r.stdout, '');
  });

  it('models that are not there, or no models', async () => {
    const folder = makeFolder();
    const missing = await run(['infer', '--node', hive.node, '--prompt', 'x', '--model', path.join(folder, 'no.gguf')]);
    assert.strictEqual(missing.code, 1);
    assert.match(missing.stderr, /^rbee-keeper: MODEL_NOT_FOUND: /m);
    const bad = path.join(folder, 'bad.gguf');
    fs.writeFileSync(bad, 'this is no model at all, whatever its name says');
    const r = await run(['infer', '--node', hive.node, '--prompt', 'x', '--model', './bad.gguf'], { cwd: folder });
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /^rbee-keeper: INVALID_MODEL_FILE: /m);
    const ref = await run(['infer', '--node', hive.node, '--prompt', 'x', '--model', 'hf:a/b/c']);
    assert.match(ref.stderr, /^rbee-keeper: INVALID_MODEL_REF: /m);
    assert.strictEqual(alive(await workersOf(hive)).length, 1);
  });

  it('a backend that is not there is said, not replaced', async () => {
    const r = await infer(['--backend', 'metal']).done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /^rbee-keeper: (BACKEND_UNAVAILABLE|DEVICE_NOT_FOUND): /m);
  });

  it('a worker that is killed: the next request gets another', async () => {
    const [worker] = alive(await workersOf(hive));
    process.kill(worker.pid, 'SIGKILL');
    await until(() => !isAlive(worker.pid), 'the worker is gone');
    const r = await infer(['--max-tokens', '5']).done;
    assert.strictEqual(r.code, 0, r.stderr);
    assert.notStrictEqual(alive(await workersOf(hive))[0].worker_id, worker.worker_id);
  });

  it('logs, models, and stopping', async () => {
    const logs = await run(['logs', '--node', hive.node]);
    assert.strictEqual(logs.code, 0, logs.stderr);
    assert.match(logs.stdout, /llm-worker-rbee/);
    const models = await run(['models', 'list', '--node', hive.node]);
    assert.strictEqual(models.code, 0, models.stderr);
    const [worker] = alive(await workersOf(hive));
    const stop = await run(['workers', 'stop', 'all', '--node', hive.node]);
    assert.strictEqual(stop.code, 0, stop.stderr);
    await until(() => !isAlive(worker.pid), 'the worker is gone');
    const list = await run(['workers', 'list', '--node', hive.node]);
    assert.match(list.stdout, /^(No worker is running\.|WORKER)/);
  });
});

/*
 * The reference kernels in one thread: slow enough that something can be done while it answers,
 * however busy the machine is.
 */
function slowWorker() {
  const file = path.join(makeFolder(), 'slow-worker');
  fs.writeFileSync(file, `#!/bin/sh
case $1 in serve) exec '${WORKER}' "$@" --kernels ref --threads 1 ;; esac
exec '${WORKER}' "$@"
`, { mode: 0o755 });
  return file;
}

describe('a slow worker', () => {
  let hive;
  before(async () => { if (!skip) hive = await begin({ RBEE_HIVE_WORKER: slowWorker() }); });
  after(() => hive && hive.stop());
  const infer = (...args) => start(['infer', '--node', hive.node, '--prompt', PROMPT, '--json', ...args]);

  it('tokens come one by one', async () => {
    let r;
    await until(async () => { // who is late to read finds them all at once
      r = await infer('--max-tokens', '60', '--temperature', '0').done;
      assert.strictEqual(r.code, 0, r.stderr);
      const events = r.stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
      const tokens = events.filter((e) => e.type === 'token');
      assert.strictEqual(events[0].type, 'started');
      assert.strictEqual(events.at(-1).type, 'end');
      assert.deepStrictEqual(tokens.map((e) => e.i), tokens.map((e, i) => i));
      return r.pieces.length > 5 && r.pieces.at(-1).at - r.pieces[0].at >= 20;
    }, () => `several pieces, one after the other: ${JSON.stringify(r.pieces)}`);
  });

  it('Ctrl+C: cancelled, and no slot stays busy', async () => {
    let r;
    await until(async () => { // the model may have ended before
      r = infer('--max-tokens', '100000', '--temperature', '1.5');
      await r.says(/"token"/);
      r.interrupt();
      await r.done;
      return r.code !== 0;
    }, 'an answer that goes on');
    assert.strictEqual(r.code, 130, r.stderr);
    assert.match(r.stderr, /Cancelled\.\n$/);
    assert.match(r.stdout, /"stop_reason":"CANCELLED"/);
    await until(async () => alive(await workersOf(hive)).every((w) => w.slots_busy === 0), 'slots are free');
  });
});

describe('a model of a hub', () => {
  let hub, hive;
  before(async () => {
    if (skip) return;
    hub = await Hub.start();
    hub.put('bees/story', { 'story.Q4_K_M.gguf': fs.readFileSync(MODEL), 'story.Q8_0.gguf': Buffer.from('not it') });
    hive = await begin({ HF_ENDPOINT: hub.url, NO_PROXY: '127.0.0.1' });
  });
  after(async () => {
    if (hive) await hive.stop();
    if (hub) hub.stop();
  });
  const infer = () => start(['infer', '--node', hive.node, '--model', 'hf:bees/story', '--prompt', PROMPT,
    '--max-tokens', '5', '--temperature', '0']);

  it('Ctrl+C during the download, then the same again: it is not fetched anew', async () => {
    hub.cdn.plan.push({ pace: Math.ceil(fs.statSync(MODEL).size / 200) });
    const stopped = infer();
    await stopped.says(/Downloading story\.Q4_K_M\.gguf/);
    stopped.interrupt();
    await stopped.done;
    assert.strictEqual(stopped.code, 130, stopped.stderr);
    assertOrder(stopped.stderr, ['The hive goes on with the download', 'Cancelled.']);
    const r = await infer().done;
    assert.strictEqual(r.code, 0, r.stderr);
    assertOrder(r.stderr, ['ok Pool health check', 'ok Model ', 'story.Q4_K_M.gguf', 'ok Worker spawning',
      'ok Worker ready', '5 tokens']);
    const size = fs.statSync(MODEL).size, [sent] = hub.cdn.sent.values();
    assert.ok(sent <= 1.25 * size, `${sent} bytes were sent of a file of ${size}`); // a slow stream is cut and shared
  });

  it('warm: found under the name that was typed', async () => {
    const r = await infer().done;
    assert.match(r.stderr, /^ok Worker ready \(warm: worker-.*hf:bees\/story/);
  });

  it('is listed, shown and removed', async () => {
    const list = await run(['models', 'list', '--node', hive.node]);
    assert.match(list.stdout, /^hf:bees\/story +Q4_K_M +\S+ [kMG]?B +\d{4}-\d\d-\d\d \d\d:\d\d +yes +hf:bees\/story@[0-9a-f]{40}$/m);
    const show = await run(['models', 'show', 'hf:bees/story', '--node', hive.node]);
    assert.match(show.stdout, /^ +architecture: llama$/m);
    const used = await run(['models', 'rm', 'hf:bees/story', '--node', hive.node]);
    assert.strictEqual(used.code, 1);
    assert.match(used.stderr, /--force/);
    const rm = await run(['models', 'rm', 'hf:bees/story', '--force', '--node', hive.node]);
    assert.strictEqual(rm.code, 0, rm.stderr);
    assert.doesNotMatch((await run(['models', 'list', '--node', hive.node])).stdout, /bees/);
  });

  it('one that the hub does not have', async () => {
    const r = await run(['models', 'pull', 'hf:bees/none', '--node', hive.node]);
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /^rbee-keeper: MODEL_NOT_FOUND: /m);
  });
});

describe('a hive that ends', () => {
  it('leaves no worker, and the keeper says that it is gone', async () => {
    const hive = await begin();
    const r = await run(['infer', '--node', hive.node, '--prompt', PROMPT, '--max-tokens', '3']);
    assert.strictEqual(r.code, 0, r.stderr);
    const [worker] = await workersOf(hive);
    hive.signal('SIGKILL');
    await hive.ended;
    await until(() => !isAlive(worker.pid), 'the worker is gone', 1000);
    const late = await run(['infer', '--node', hive.node, '--prompt', PROMPT]);
    assert.strictEqual(late.code, 1);
    assert.match(late.stderr, /^rbee-keeper: CONNECTION_REFUSED: /m);
  });
});

/* With [hive] tls = on it waited for an http:// that never came, and said that the hive did not start. */
it('test_inference.sh, where the environment has the hive speak https', () => {
  const dir = makeFolder();
  for (const folder of ['tools', 'build/bin']) fs.mkdirSync(path.join(dir, folder), { recursive: true });
  fs.copyFileSync(path.resolve(__dirname, '../../test_inference.sh'), path.join(dir, 'test_inference.sh'));
  fs.writeFileSync(path.join(dir, 'tools/install-deps.sh'), '#!/bin/sh\n', { mode: 0o755 }); // all is built
  fs.writeFileSync(path.join(dir, 'Makefile'), 'all:\n');
  fs.symlinkSync(HIVE, path.join(dir, 'build/bin/rbee-hive'));
  fs.symlinkSync(KEEPER, path.join(dir, 'build/bin/rbee-keeper'));
  const r = spawnSync(path.join(dir, 'test_inference.sh'), [PROMPT], { encoding: 'utf8',
    env: environment({ RBEE_TINY: MODEL, RBEE_HIVE_WORKER: WORKER, RBEE_HIVE_TLS: 'on' }) });
  assert.strictEqual(r.status, 0, r.stderr);
  assert.match(r.stderr, /Worker ready/);
  assert.ok(r.stdout.length > 20, r.stdout);
});
