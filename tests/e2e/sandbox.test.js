'use strict';
/*
 * sandbox.test.js - what a real worker has left when it serves: the kernel's own account of it, and
 * that nothing which a worker is for has been taken with the rest. What each right's loss means is
 * tested call by call in tests/unit/test_sandbox.c.
 */
const { test, describe } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { spawn, spawnSync } = require('node:child_process');

const { WORKER, testModel, makeFolder, startWorker, until } = require('./lib/proc.js');
const { startHive, get, post, remove, spawnReady, list } = require('./lib/hive.js');
const { ask, stream } = require('./lib/sse.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { run } = require('./lib/keeper.js');

const MODEL = testModel();
const BUILD = process.env.RBEE_BUILD || '';
const sanitized = /asan|tsan/.test(BUILD);
const skip = !MODEL ? 'no model: neither models/tiny.gguf nor the test data are there'
  : sanitized ? 'sanitizers need the rights that are given up' : false;
const it = (what, how, ...more) => (assert.ok(!more.length, what), test(what, { skip }, how));

const status = (pid, name) => fs.readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`^${name}:\\s+(.*)$`, 'm'))[1];
/* Landlock's version as the kernel tells it, and not the program that is tested; nothing where nobody can ask. */
function landlockHere() {
  const ask = 'import ctypes; print(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1))'; // landlock_create_ruleset
  const r = spawnSync('python3', ['-c', ask], { encoding: 'utf8' });
  return r.status === 0 ? Math.max(0, Number(r.stdout)) : undefined;
}
const LANDLOCK = skip ? 0 : landlockHere();
const LEVEL = LANDLOCK === undefined ? /^(full \(landlock \d+ \+ seccomp\)|seccomp)$/
  : LANDLOCK ? new RegExp(`^full \\(landlock ${LANDLOCK} \\+ seccomp\\)$`) : /^seccomp$/;
const WORD = LANDLOCK === undefined ? '(full|seccomp)' : LANDLOCK ? 'full' : 'seccomp';

/* Its descriptors: what each is ("socket:[7]", "pipe:[8]", "anon_inode:[eventfd]", or a path), and if it can be written. */
const descriptors = (pid) => fs.readdirSync(`/proc/${pid}/fd`).flatMap((n) => {
  try {
    const flags = parseInt(/^flags:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/fdinfo/${n}`, 'utf8'))[1], 8);
    return [{ n, what: fs.readlinkSync(`/proc/${pid}/fd/${n}`), reads: (flags & 3) === fs.constants.O_RDONLY }];
  } catch { return []; } // closed meanwhile
});

/*
 * Its log, its model, its loop, and sockets and pipes of its own: nothing else is open. What it shares with its hive
 * is the reading end of the pipe by whose end it knows of the hive's, and with another worker it shares that one, too.
 */
function assertDescriptors(pid, hive, others) {
  const own = descriptors(pid);
  for (const { what } of own) {
    assert.ok(/^(socket|pipe):|^anon_inode:\[event(poll|fd)\]$|^\/dev\/null$/.test(what) || what === MODEL ||
      what.endsWith('.log'), `it has ${what} open`);
  }
  const shared = (with_) => {
    const theirs = new Set(descriptors(with_).map((d) => d.what));
    return own.filter((d) => /^(socket|pipe):/.test(d.what) && theirs.has(d.what));
  };
  for (const d of [hive, ...others].flatMap(shared)) {
    assert.ok(d.what.startsWith('pipe:') && d.reads, `it shares number ${d.n}, ${d.what}`);
  }
  assert.strictEqual(new Set([hive, ...others].flatMap(shared).map((d) => d.what)).size, 1, 'one pipe');
}

describe('a worker of a hive', () => {
  it('has no rights left, and serves', async (t) => {
    const hive = await startHive({ env: { RBEE_TINY: MODEL, RBEE_TEST_SECRET: 'not for workers' } });
    t.after(() => hive.stop());
    const worker = await spawnReady(hive, 'tiny');
    const other = await spawnReady(hive, path.join(__dirname, '../golden/small-bert.gguf'));
    const row = (await list(hive)).find((w) => w.worker_id === worker.worker_id);
    assert.strictEqual(status(row.pid, 'NoNewPrivs'), '1');
    assert.strictEqual(status(row.pid, 'Seccomp'), '2'); // a filter
    for (const rights of ['CapEff', 'CapPrm', 'CapInh', 'CapAmb']) assert.match(status(row.pid, rights), /^0+$/, rights);
    for (const thread of fs.readdirSync(`/proc/${row.pid}/task`)) {
      assert.match(fs.readFileSync(`/proc/${row.pid}/task/${thread}/status`, 'utf8'), /^Seccomp:\s+2$/m);
    }
    if (process.getuid() !== 0) { // others of the same user see nothing of it
      assert.throws(() => fs.readFileSync(`/proc/${row.pid}/environ`), /EACCES/);
      assert.throws(() => fs.readdirSync(`/proc/${row.pid}/fd`), /EACCES/);
    } else {
      assert.match(fs.readFileSync(`/proc/${row.pid}/environ`, 'latin1'), /^\0*$/); // wiped, to the last name
      assertDescriptors(row.pid, hive.pid, [other.pid]);
    }
    const answer = await stream(`${worker.url}/v1/inference`, { method: 'POST', body: { prompt: 'Once', max_tokens: 3 } });
    await until(() => answer.over, 'the answer');
    assert.ok(answer.done, answer.raw);
    assert.match(row.sandbox, LEVEL);
    const table = await run(['workers', 'list', '--node', new URL(hive.url).host]);
    assert.match(table.stdout, /SANDBOX\n/);
    assert.match(table.stdout, new RegExp(` ${WORD}\\n$`));
  });

  /* Looked for once it served, which also one had that gave them up behind the whole load. */
  it('has none left before it has read its model', async (t) => {
    const model = path.join(makeFolder(), 'slow.gguf');
    writeHollowModel(model, { layers: 24, embd: 512, ff: 2048, ctx: 512 });
    const hive = await startHive();
    t.after(() => hive.stop());
    const filters = (pid) => fs.readdirSync(`/proc/${pid}/task`).map((n) => status(`${pid}/task/${n}`, 'Seccomp'));
    await until(async () => { // again where it was too late
      const { worker_id: id } = (await post(hive, '/v1/workers/spawn', { model_ref: model })).json;
      const row = await until(async () => {
        const now = (await get(hive, `/v1/workers/${id}`)).json;
        return ['loading', 'idle'].includes(now.state) && now;
      }, 'its load');
      const progress = await stream(`${row.url}/v1/loading/progress`);
      await until(() => progress.over || progress.events.some((e) => e.json?.bytes_loaded > 0), 'the first of its bytes');
      const found = filters(row.pid), ready = (await ask(`${row.url}/v1/ready`)).json.model_loaded;
      await remove(hive, `/v1/workers/${id}`);
      await until(async () => (await get(hive, `/v1/workers/${id}`)).status === 404, 'its end');
      if (ready) return false;
      assert.ok(found.every((filter) => filter === '2'), `${found}`);
      return true;
    }, 'one that is seen while it loads');
  });

  it('says that it was switched off', async (t) => {
    const hive = await startHive({ env: { RBEE_TINY: MODEL, RBEE_HIVE_SANDBOX: 'off' } });
    t.after(() => hive.stop());
    await spawnReady(hive, 'tiny');
    const [row] = await list(hive);
    assert.strictEqual(status(row.pid, 'Seccomp'), '0');
    assert.match(row.sandbox, /^none/);
  });
});

describe('a worker by hand', () => {
  it('goes through the same door', async () => {
    const worker = await startWorker({ model: MODEL });
    await worker.says(new RegExp(`sandbox: ${WORD}`));
    assert.strictEqual(status(worker.child.pid, 'Seccomp'), '2');
    const limits = fs.readFileSync(`/proc/${worker.child.pid}/limits`, 'utf8');
    assert.match(limits, /^Max core file size +0 +0 /m);
    assert.match(limits, /^Max file size +1073741824 +1073741824 /m); // its log is a file
    await worker.stop();
  });

  /* All parts and the template are opened at the door, by their names, and read behind it. */
  it('has a split model and a template of its own', async () => {
    const folder = makeFolder();
    const template = path.join(folder, 't.jinja');
    writeHollowModel(path.join(folder, 'm.gguf'), { layers: 2, embd: 64, ff: 64, parts: 2 });
    fs.writeFileSync(template, '{% for m in messages %}{{ m.content }}{% endfor %}');
    const worker = await startWorker({ model: path.join(folder, 'm-00001-of-00002.gguf'), 'chat-template': template });
    await until(async () => (await ask(`${worker.url}/v1/ready`)).json.ready, () => worker.stderr);
    assert.strictEqual(status(worker.child.pid, 'Seccomp'), '2');
    const { json, text } = await ask(`${worker.url}/v1/inference`, { method: 'POST',
      body: { messages: [{ role: 'user', content: 'abc' }], max_tokens: 4, temperature: 0, stream: false } });
    assert.ok(json && json.tokens_out === 4 && text.includes('aaaa'), text);
    await worker.stop();
  });
});

describe('commands', () => {
  const inspect = (...args) => spawnSync(WORKER, ['inspect', ...args], { encoding: 'utf8' });

  it('are the same with the sandbox and without', () => {
    const inside = inspect(MODEL), without = inspect('--sandbox', 'off', MODEL);
    assert.deepStrictEqual([inside.status, without.status], [0, 0], inside.stderr + without.stderr);
    assert.strictEqual(inside.stdout, without.stdout);
    assert.ok(JSON.parse(inside.stdout).supported);
  });

  it('have it around a chat template, which is a program of a stranger', async () => {
    const folder = makeFolder(), file = path.join(folder, 't.jinja'), model = path.join(folder, 'm.gguf');
    fs.writeFileSync(file, '{{ strftime_now("%Y") }}');
    writeHollowModel(model, { template: 'x' });
    const options = { env: { ...process.env, TZ: 'Asia/Kolkata' } };
    for (const from of [['--template', file], ['--model', model]]) {
      const proc = spawn(WORKER, ['render', ...from], options); // it waits for the variables
      await until(() => status(proc.pid, 'Seccomp') === '2', `${from[0]}: a filter`);
      proc.kill();
    }
    const once = spawnSync(WORKER, ['render', '--template', file, '--sandbox', 'required'], { ...options, input: '{}', encoding: 'utf8' });
    if (LANDLOCK !== undefined) assert.strictEqual(once.status === 0, LANDLOCK > 0, once.stderr);
    if (once.status === 0) assert.match(once.stdout, /^20\d\d$/);
    else assert.match(once.stderr, /sandbox/); // an older kernel
    assert.strictEqual(spawnSync(WORKER, ['render', '--template', file], { ...options, input: '{}', encoding: 'utf8' }).stdout.length, 4);
  });

  /* The sandbox keeps the time zone for this; what a hive starts never had one. */
  it("write the date of the user's time zone where a hive starts them", async (t) => {
    const folder = makeFolder(), file = path.join(folder, 't.jinja');
    fs.writeFileSync(file, "{{ strftime_now('%d %H') }}{% for m in messages %}{{ m.content }}{% endfor %}");
    const hive = await startHive({ env: { RBEE_TINY: MODEL, TZ: 'AAA-13', RBEE_HIVE_CHAT_TEMPLATE: file } });
    t.after(() => hive.stop());
    const { url } = await spawnReady(hive, 'tiny');
    const there = () => `${new Date(Date.now() + 13 * 3600e3).toISOString().slice(8, 13).replace('T', ' ')}x`, before = there();
    const { json } = await ask(`${url}/v1/render`, { method: 'POST', body: { messages: [{ role: 'user', content: 'x' }] } });
    assert.ok([before, there()].includes(json.prompt), `${json.prompt} where it is ${before}`);
  });

  it('say which words there are for it', () => {
    const wrong = inspect('--sandbox', 'perhaps', MODEL);
    assert.strictEqual(wrong.status, 2);
    assert.match(wrong.stderr, /'perhaps'; there are auto, off and required/);
  });
});
