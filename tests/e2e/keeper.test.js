'use strict';
/*
 * keeper.test.js - rbee-keeper against a hive and a worker that misbehave as told: what it asks, in
 * which order, what it prints where, and what it exits with. Real processes and sockets; loopback.
 */
const { test, describe, beforeEach, afterEach } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { createHash } = require('node:crypto');
const { execFileSync, spawn, spawnSync } = require('node:child_process');

const { FakeHive, VERSION, WORKER_ID, json, error, sse, sseHead, event, started, token, end } =
  require('./lib/fakehive.js');
const { hold } = require('./lib/hold.js');
const { KEEPER, deadPort, deafPort, makeHome, run, start, runOnTerminal, noTerminal } = require('./lib/keeper.js');
const { Terminal, KEYS } = require('./lib/terminal.js');
const { startHive } = require('./lib/hive.js');
const { skip: notSynced, synced } = require('./lib/synced.js');
const { Proc, HIVE, WORKER, PATIENCE_MS, makeFolder, until } = require('./lib/proc.js');

const noFlock = spawnSync('sh', ['-c', 'command -v flock']).status === 0 ? false : 'needs flock';
function linkOf(pid, fd) {
  try {
    return fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return '';
  }
}

let fake;
beforeEach(async () => { fake = await FakeHive.start(); });
afterEach(() => fake.stop());

function infer(args = [], options) {
  return start(['infer', '--node', fake.node, '--prompt', 'Hello', ...args], options);
}

function assertOrder(text, parts) {
  let at = 0;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    assert.ok(found >= 0, `"${part}" is missing, or too early, in:\n${text}`);
    at = found + part.length;
  }
}

/* No half control sequence of anybody else's reached the terminal. */
function assertNoForeignEscapes(screen) {
  const ours = screen.replace(/\x1b\[K|\x1b\[32m|\x1b\[0m/g, '');
  assert.doesNotMatch(ours, /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[\x80-\x9f]/);
}

describe('infer, phase by phase', () => {
  test('cold: checks, spawns, waits, infers, sums up', async () => {
    let asked = 0;
    fake.on('GET /v1/ready', (req, res) => json(res, 200, asked++ === 0
      ? { worker_id: WORKER_ID, ready: false, state: 'loading', progress_url: '/v1/loading/progress' }
      : { worker_id: WORKER_ID, ready: true, state: 'idle', model_loaded: true }));
    fake.on('GET /v1/loading/progress', (req, res) => sse(res, [
      { stage: 'loading_to_ram', layers_loaded: 1, layers_total: 2, bytes_loaded: 500000, bytes_total: 1000000 },
      { stage: 'ready' }]));
    const r = await infer(['--max-tokens', '3', '--temperature', '0']).done;
    assert.strictEqual(r.code, 0);
    assert.strictEqual(r.stdout, 'Once upon a time\n');
    assertOrder(r.stderr, ['ok Pool health check', 'ok Worker spawning', 'Loading', '50%',
      'ok Worker ready', '3 tokens, 30.0 tok/s, first token after ']);
    assert.match(r.stderr, /^[\x20-\x7e\n]*$/, 'plain ASCII where stderr is no terminal');
    assert.deepStrictEqual(fake.names(), ['GET /v1/workers/list', 'GET /v1/health',
      'POST /v1/workers/spawn', 'GET /v1/ready', 'GET /v1/loading/progress', 'POST /v1/inference']);
    assert.deepStrictEqual(fake.of('POST', '/v1/workers/spawn')[0].body,
      { model_ref: 'tiny', backend: 'auto', device: 0 });
  });

  test('warm: a worker of the same model is used at once', async () => {
    fake.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers: [fake.worker()] }));
    const r = await infer().done;
    assert.strictEqual(r.code, 0);
    assert.deepStrictEqual(fake.names(), ['GET /v1/workers/list', 'POST /v1/inference']);
    assert.match(r.stderr, /Worker ready \(warm: worker-1111/);
  });

  test('a worker that loads before the hive has answered was spawned, not found', async () => {
    // A small model is idle by the time the answer is written; that once hid the line "spawning".
    fake.on('POST /v1/workers/spawn', (req, res) => json(res, 200, fake.worker({ state: 'idle' })));
    assert.match((await infer().done).stderr, /^ok Worker spawning/m);
    fake.on('GET /v1/workers/list', (req, res) =>
      json(res, 200, { workers: [fake.worker({ state: 'busy', slots_busy: 4 })] }));
    assert.match((await infer().done).stderr, /^ok Worker found/m);
  });

  test('a busy worker without a free slot is not taken from the list', async () => {
    fake.on('GET /v1/workers/list', (req, res) =>
      json(res, 200, { workers: [fake.worker({ state: 'busy', slots_busy: 4 })] }));
    assert.strictEqual((await infer().done).code, 0);
    assert.strictEqual(fake.of('POST', '/v1/workers/spawn').length, 1);
  });

  test('a worker with too small a context is passed by, and a new one asked for', async () => {
    fake.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers: [fake.worker()] }));
    assert.strictEqual((await infer(['--ctx', '4096', '--slots', '2', '--keep-alive', '-1']).done).code, 0);
    assert.deepStrictEqual(fake.of('POST', '/v1/workers/spawn')[0].body,
      { model_ref: 'tiny', backend: 'auto', device: 0, slots: 2, ctx: 4096, keep_alive: '-1', new: true });
  });

  /* It took the small one and was refused, or had its prompt refused; what was in no list it waited for first. */
  test('a worker that the hive gives is passed by, too, when it is or will be too small', async () => {
    const small = { model_ref: 'file:///tiny.gguf', state: 'loading' };
    fake.on('POST /v1/workers/spawn', (req, res, body) => json(res, 200, fake.worker(body.new ? { n_ctx: 4096 } : small)));
    for (const workers of [[fake.worker(small)], []]) {
      fake.calls.length = 0;
      fake.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers }));
      assert.strictEqual((await infer(['--ctx', '4096']).done).code, 0);
      assert.deepStrictEqual(fake.names().slice(2, 5), ['POST /v1/workers/spawn', 'POST /v1/workers/spawn', 'GET /v1/ready']);
      assert.deepStrictEqual(fake.of('POST', '/v1/workers/spawn').map((c) => c.body.new), [undefined, true]);
    }
  });

  /* One that loaded was listed with a context of 0 (and is, by a hive of before), and the model loaded once more beside it. */
  test('a worker that loads and will be large enough is taken', async () => {
    for (const size of [{ n_ctx: 4096 }, { n_ctx: 0, slots_total: 0 }]) {
      fake.calls.length = 0;
      const coming = fake.worker({ state: 'loading', ...size });
      fake.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers: [coming] }));
      fake.on('POST /v1/workers/spawn', (req, res) => json(res, 200, coming));
      assert.strictEqual((await infer(['--ctx', '4096']).done).code, 0);
      assert.deepStrictEqual(fake.of('POST', '/v1/workers/spawn').map((c) => c.body.new), [undefined]);
    }
  });

  /* What another keeper had asked for in the same moment was in no list, and taken whatever its size. */
  test('a worker that the hive gives is looked at once it is ready, and another asked for when it is too small', async () => {
    for (const [args, news] of [[['--ctx', '4096'], [undefined, true]], [['--slots', '5'], [undefined, true]],
      [['--ctx', '2048', '--slots', '4'], [undefined]], [[], [undefined]]]) {
      fake.calls.length = 0;
      const size = () => (fake.of('POST', '/v1/workers/spawn').at(-1).body.new ? {} : { n_ctx: 2048, slots_total: 4 });
      fake.on('GET /v1/ready', (req, res) => json(res, 200, { worker_id: WORKER_ID, ready: true, state: 'idle', ...size() }));
      const r = await infer(args).done;
      assert.strictEqual(r.code, 0, r.stderr);
      assert.deepStrictEqual(fake.of('POST', '/v1/workers/spawn').map((c) => c.body.new), news, args.join(' '));
      assert.strictEqual(/is smaller than was asked for; starting another/.test(r.stderr), news.length > 1, r.stderr);
    }
  });

  /* --keep-alive 0 was taken without a word, and the worker stayed. */
  test('--keep-alive is set where a worker is there, too', async () => {
    fake.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers: [fake.worker({ model_ref: 'hf:a/b' })] }));
    const r = await infer(['--model', 'hf:a/b', '--keep-alive', '0']).done;
    assert.strictEqual(r.code, 0, r.stderr);
    assert.deepStrictEqual(fake.of('POST', '/v1/workers/spawn').map((c) => [c.body.keep_alive, c.body.new]), [['0', undefined]]);
    assert.strictEqual(fake.of('POST', '/v1/models/download').length, 0);
    assertOrder(r.stderr, ['Worker found', 'Worker ready']);
  });

  test('every option reaches the worker', async () => {
    const r = await infer(['--max-tokens', '9', '--temperature', '0.5', '--top-p', '0.25', '--top-k', '7',
      '--min-p', '0.125', '--repetition-penalty', '1.5', '--stop', 'a', '--stop', 'b', '--seed', '42',
      '--timeout', '90']).done;
    assert.strictEqual(r.code, 0);
    const { job_id, ...body } = fake.of('POST', '/v1/inference')[0].body;
    assert.match(job_id, /^[0-9a-f-]{36}$/);
    assert.deepStrictEqual(body, { prompt: 'Hello', max_tokens: 9, temperature: 0.5, top_p: 0.25, top_k: 7,
      min_p: 0.125, repetition_penalty: 1.5, stop: ['a', 'b'], seed: 42, stream: true, timeout_seconds: 90 });
  });

  test('a model of a hub is downloaded first, with progress', async () => {
    fake.on('POST /v1/models/download', (req, res) => json(res, 200, { download_id: 'd-1', local_path: null }));
    fake.on('GET /v1/models/download/progress', (req, res) => sse(res, [
      { stage: 'downloading', bytes_downloaded: 250000, bytes_total: 1000000, speed_mbps: 1, file: 'x/org.Q4_K_M.gguf' },
      { stage: 'complete', local_path: '/models/x.gguf', verified: true }]));
    const r = await infer(['--model', 'hf:org/repo:q4_k_m']).done;
    assert.strictEqual(r.code, 0);
    assertOrder(r.stderr, ['Pool health check', 'Downloading org.Q4_K_M.gguf', '25%', '250.0 kB of 1.0 MB',
      'ok Model downloaded (1.0 MB, verified): /models/x.gguf', 'Worker spawning']);
    assert.strictEqual(fake.of('GET', '/v1/models/download/progress')[0].query.get('id'), 'd-1');
    assert.strictEqual(fake.of('POST', '/v1/workers/spawn')[0].body.model_ref, 'hf:org/repo:Q4_K_M');
  });

  test('a progress stream that breaks off is taken up again', async () => {
    let looks = 0;
    fake.on('POST /v1/models/download', (req, res) => json(res, 200, { download_id: 'd-1', local_path: null }));
    fake.on('GET /v1/models/download/progress', (req, res) => {
      if (looks++ > 0) { sse(res, [{ stage: 'complete', local_path: '/m.gguf' }]); return; }
      sseHead(res);
      res.write(event({ stage: 'downloading', bytes_downloaded: 1, bytes_total: 2 }));
      setTimeout(() => res.destroy(), 20);
    });
    assert.strictEqual((await infer(['--model', 'hf:org/repo']).done).code, 0);
    assert.strictEqual(looks, 2);
  });

  test('without a terminal there is at most one progress line a second', async () => {
    fake.on('POST /v1/models/download', (req, res) => json(res, 200, { download_id: 'd-1', local_path: null }));
    fake.on('GET /v1/models/download/progress', (req, res) => {
      sseHead(res);
      for (let i = 0; i < 200; i++) res.write(event({ stage: 'downloading', bytes_downloaded: i, bytes_total: 200 }));
      res.end(event({ stage: 'complete', local_path: '/m.gguf' }) + event('[DONE]'));
    });
    const began = performance.now(), r = await infer(['--model', 'hf:org/repo']).done;
    assert.strictEqual(r.code, 0);
    const lines = r.stderr.match(/Downloading/g).length, most = 1 + Math.floor((performance.now() - began) / 1000);
    assert.ok(lines >= 1 && lines <= most, `${lines} lines, and ${most} are allowed`);
  });

  test('a local path is made whole before it is sent', async () => {
    const r = await start(['infer', '--node', fake.node, '--prompt', 'x', '--model', './some.gguf'],
      { cwd: fs.realpathSync('/tmp') }).done;
    assert.strictEqual(r.code, 0);
    assert.strictEqual(fake.of('POST', '/v1/workers/spawn')[0].body.model_ref, 'file:///tmp/some.gguf');
    assert.strictEqual(fake.of('POST', '/v1/models/download').length, 0);
  });
});

describe('tokens', () => {
  test('arrive on stdout one by one, as they are made', async () => {
    let answer;
    fake.on('POST /v1/inference', (req, res, body) => {
      sseHead(res);
      res.write(event(started(body)));
      answer = res;
    });
    const r = infer();
    await until(() => answer, 'it asks');
    for (const [i, word] of ['one', ' two', ' three', ' four'].entries()) { // the next when the last has been printed
      answer.write(event(token(word, i)));
      await until(() => r.stdout.endsWith(word), () => `${word} behind ${r.stdout}`);
    }
    answer.end(event(end(4)) + event('[DONE]'));
    await r.done;
    assert.strictEqual(r.stdout, 'one two three four\n');
  });

  test('survive an event cut anywhere, UTF-8 and line ends included', async () => {
    fake.on('POST /v1/inference', (req, res, body) => {
      const bytes = Buffer.from(event(started(body)) + ': a comment\r\n\r\n' + event(token('schön ', 0)) +
        'data: {"type":"token",\r\ndata: "t":"🐝✓","i":1}\r\n\r\n' + event(end(2)) + event('[DONE]'));
      sseHead(res);
      let at = 0;
      (function next() {
        if (at >= bytes.length) { res.end(); return; }
        res.write(bytes.subarray(at, at + 1));
        at += 1;
        setImmediate(next);
      })();
    });
    const r = await infer().done;
    assert.strictEqual(r.stdout, 'schön 🐝✓\n');
    assert.strictEqual(r.code, 0);
  });

  test('go through a pipe as they are; a line feed is added only where it is missing', async () => {
    const text = 'a\x1b[31m\ttab\r\n';
    fake.on('POST /v1/inference', (req, res, body) => sse(res, [started(body), token(text, 0), end(1, 'EOS')]));
    const r = await infer().done;
    assert.strictEqual(r.stdout, text);
  });

  test('an answer of no tokens is no error', async () => {
    fake.on('POST /v1/inference', (req, res, body) => sse(res, [started(body), end(0, 'EOS')]));
    const r = await infer().done;
    assert.strictEqual(r.code, 0);
    assert.strictEqual(r.stdout, '');
    assert.match(r.stderr, /0 tokens \(the model ended its text\)/);
  });

  test('--quiet: the text and nothing else', async () => {
    const r = await infer(['--quiet']).done;
    assert.strictEqual(r.stdout, 'Once upon a time\n');
    assert.strictEqual(r.stderr, '');
  });

  test('--json: the events, one a line', async () => {
    const r = await infer(['--json']).done;
    const events = r.stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.deepStrictEqual(events.map((e) => e.type), ['started', 'token', 'token', 'token', 'end']);
    assert.strictEqual(events[1].t, 'Once');
  });
});

describe('the prompt', () => {
  const sent = () => fake.of('POST', '/v1/inference')[0].body.prompt;

  test('comes from standard input when there is no --prompt; one line feed goes', async () => {
    const r = await start(['infer', '--node', fake.node], { input: 'Grüße\n\n' }).done;
    assert.strictEqual(r.code, 0);
    assert.strictEqual(sent(), 'Grüße\n');
  });

  /* By it Windows knows UTF-8: no word of the prompt. Where a person did not put it there it is only ever the first. */
  test('a mark of UTF-8 at the beginning of standard input is left out, and kept elsewhere', async () => {
    for (const [args, input, prompt] of [[[], '\ufeffGrüße\n', 'Grüße'], [['-p', '-'], '\ufeff\ufeffx', '\ufeffx'],
      [['-p', 'Sum up:', '--stdin'], '\ufeffone\ufefftwo\n', 'Sum up:\n\none\ufefftwo'], [['-p', '\ufeffx'], undefined, '\ufeffx']]) {
      fake.calls.length = 0;
      const r = await start(['infer', '--node', fake.node, ...args], { input }).done;
      assert.strictEqual(r.code, 0, r.stderr);
      assert.strictEqual(sent(), prompt);
    }
    const empty = await start(['infer', '--node', fake.node], { input: '\ufeff\n' }).done;
    assert.strictEqual(empty.code, 2);
    assert.match(empty.stderr, /prompt is empty/);
  });

  test('comes from standard input for --prompt -', async () => {
    await start(['infer', '--node', fake.node, '--prompt', '-'], { input: 'from here' }).done;
    assert.strictEqual(sent(), 'from here');
  });

  test('may begin with a dash and be long', async () => {
    const prompt = '--' + 'ü'.repeat(60000);
    assert.strictEqual((await start(['infer', '--node', fake.node, '--prompt', prompt]).done).code, 0);
    assert.strictEqual(sent(), prompt);
  });
});

describe('usage errors', () => {
  const cases = [
    ['an empty prompt', ['infer', '--prompt', ''], /prompt is empty/],
    ['no prompt at all', ['infer'], /prompt is empty/, { input: '' }],
    ['a prompt that is not UTF-8', ['infer'], /3 bytes\) is not UTF-8 text from byte 1 on; `iconv/, { input: Buffer.from([0x61, 0xff, 0xfe]) }],
    ['a prompt with a NUL', ['infer'], /NUL byte at offset 1/, { input: 'a\0b' }],
    ['a temperature out of range', ['infer', '--prompt', 'x', '--temperature', '3'], /from 0 to 2/],
    ['no tokens', ['infer', '--prompt', 'x', '--max-tokens', '0'], /--max-tokens/],
    ['a backend nobody knows', ['infer', '--prompt', 'x', '--backend', 'tpu'], /not 'tpu'/],
    ['a bad keep-alive', ['infer', '--prompt', 'x', '--keep-alive', 'soon'], /not 'soon'/],
    ['an empty stop', ['infer', '--prompt', 'x', '--stop', ''], /1 to 256 bytes/],
    ['a misspelt option', ['infer', '--promt', 'x'], /did you mean '--prompt'/],
    ['a command nobody knows', ['wokers', 'list'], /no command/],
    ["another program's command", ['ps'], /no command 'ps'. Did you mean 'workers list'\?/],
    ["the daemon's command", ['serve'], /Did you mean 'rbee-hive daemon'\?/],
    ['the beginning of an option', ['infer', '--temp', '1'], /did you mean '--temperature'/],
    ['half a command', ['workers'], /one more word/],
    ['a word too many', ['workers', 'list', 'x'], /one word too many/],
    ['a bad node', ['infer', '--prompt', 'x', '--node', 'a b'], /a b/],
    ['a node with port 0', ['infer', '--prompt', 'x', '--node', 'localhost:0'], /port/],
    ['a key that is no key', ['infer', '--prompt', 'x', '--api-key', 'a b'], /key/],
    ['a worker that was not named', ['workers', 'stop'], /name a worker/],
    ['a model that was not named', ['models', 'rm'], /name a model/],
    ['a relative path for another machine',
      ['infer', '--prompt', 'x', '--node', 'http://192.0.2.1:1', '--model', './x.gguf'], /full path/],
  ];
  for (const [what, args, message, options] of cases) {
    test(what, async () => {
      const r = await run(args, options);
      assert.match(r.stderr, message);
      assert.strictEqual(r.stdout, '');
      assert.strictEqual(r.code, 2);
    });
  }

  /* Each word typed is UTF-8, but not the folder one stands in: JSON cannot carry the path. It was "out of memory". */
  test('a relative path in a folder whose name is not UTF-8 is refused with a reason', () => {
    const r = spawnSync('bash', ['-c', 'mkdir "$1"/$\'x\\xff\' && cd "$1"/$\'x\\xff\' && exec "$0" models show ./m.gguf', KEEPER, makeHome()],
      { encoding: 'utf8', env: { ...process.env, RBEE_HOME: makeHome() } });
    assert.match(r.stderr, /^rbee-keeper: INVALID_MODEL_REF: the full path of '\.\/m\.gguf' is not UTF-8/);
    assert.strictEqual(r.status, 1);
  });

  /* What was typed is short, but not the folder one stands in. */
  test('a relative path in a folder so deep that no hive takes it is refused with both numbers', async () => {
    const deep = (bytes) => { // a folder in which ./m.gguf has a path of so many
      let folder = fs.realpathSync(makeHome());
      for (let left = bytes - folder.length - '/m.gguf'.length; left > 0;) {
        const n = left > 201 ? 200 : left - 1;
        folder += `/${'d'.repeat(n)}`;
        left -= n + 1;
      }
      fs.mkdirSync(folder, { recursive: true });
      return folder;
    };
    const most = 1017; // with "file://" it is 1024, the limit of a reference
    const cwd = deep(most);
    await run(['models', 'show', './m.gguf', '--node', fake.node], { cwd });
    assert.strictEqual(fake.of('GET', '/v1/models/show')[0].query.get('model_ref'), `file://${cwd}/m.gguf`);
    const r = await run(['models', 'show', './m.gguf', '--node', fake.node], { cwd: deep(most + 1) });
    assert.match(r.stderr, /^rbee-keeper: INVALID_MODEL_REF: the full path of '\.\/m\.gguf' has 1018 bytes, the limit is 1017\n/);
    assert.strictEqual(r.code, 1);
    assert.strictEqual(fake.of('GET', '/v1/models/show').length, 1);
  });

  test('help and version are no errors', async () => {
    for (const args of [['--help'], ['infer', '--help'], ['models', 'pull', '--help'], ['logs', '-h']]) {
      const r = await run(args);
      assert.strictEqual(r.code, 0, args.join(' '));
      assert.match(r.stdout, /Usage: rbee-keeper/);
    }
    assert.strictEqual((await run(['--version'])).stdout, `rbee-keeper ${VERSION}\n`);
  });

  test('both are understood everywhere, also behind the first word of two', async () => {
    for (const args of [['models', '--help'], ['workers', '-h'], ['models', 'help']]) {
      const r = await run(args);
      assert.strictEqual(r.code, 0, r.stderr);
      assert.match(r.stdout, new RegExp(`^Usage: rbee-keeper ${args[0]} COMMAND[^]*\\n  ${args[0]} list +show `));
      assert.strictEqual(r.stderr, '');
    }
    for (const args of [['infer', '--version'], ['models', '--version'], ['models', 'pull', '--version']]) {
      const r = await run(args);
      assert.deepStrictEqual([r.code, r.stdout, r.stderr], [0, `rbee-keeper ${VERSION}\n`, '']);
    }
  });
});

describe('errors', () => {
  test('nobody listens: three tries, and the real host and port in the hint', async () => {
    const port = await deadPort();
    const r = await run(['infer', '--node', `127.0.0.1:${port}`, '--prompt', 'x']);
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /^rbee-keeper: CONNECTION_REFUSED: .*\(after 3 tries\)$/m);
    assert.ok(r.stderr.includes(`curl http://127.0.0.1:${port}/v1/health`), r.stderr);
    assert.ok(r.stderr.includes(`rbee-hive daemon --addr 127.0.0.1:${port}`), r.stderr);
  });

  test('a hive that comes up between two tries is found', async () => {
    let tries = 0;
    fake.on('GET /v1/workers/list', (req, res) => (tries === 0 ? res.destroy() : json(res, 200, { workers: [] })));
    fake.on('GET /v1/health', (req, res) => {
      if (++tries < 3) res.destroy();
      else json(res, 200, { status: 'alive', version: VERSION, api_version: 'v1' });
    });
    const r = await infer().done;
    assert.strictEqual(r.code, 0, r.stderr);
    assert.strictEqual(tries, 3);
  });

  test('a hive that takes the call and says nothing: three times ten seconds', { skip:
    process.env.RBEE_SLOW ? false : 'takes 40 s; set RBEE_SLOW=1' }, async () => {
    fake.on('GET /v1/workers/list', () => {});
    fake.on('GET /v1/health', () => {});
    const before = Date.now();
    const r = await infer().done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /^rbee-keeper: CONNECTION_TIMEOUT: .*\(after 3 tries\)$/m);
    assert.ok(r.stderr.includes(`http://${fake.node}/v1/health`));
    assert.strictEqual(fake.of('GET', '/v1/health').length, 3);
    const took = Date.now() - before;
    assert.ok(took > 29000 && took < 45000, `${took} ms`);
  });

  test('a name that nobody knows', async () => {
    const r = await run(['infer', '--node', 'no-such-bee.invalid', '--prompt', 'x']);
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /CONNECTION_REFUSED: there is no machine 'no-such-bee.invalid'/);
    assert.match(r.stderr, /node add/);
  });

  test('another version: both are named', async () => {
    fake.on('GET /v1/health', (req, res) => json(res, 200, { status: 'alive', version: '9.7.3', api_version: 'v1' }));
    const r = await infer().done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /^rbee-keeper: VERSION_MISMATCH: .*0\.1\.0.*9\.7\.3/m);
    assert.strictEqual(fake.of('POST', '/v1/workers/spawn').length, 0);
  });

  test('a patch version apart is fine', async () => {
    fake.on('GET /v1/health', (req, res) => json(res, 200, { status: 'alive', version: '0.1.77', api_version: 'v1' }));
    assert.strictEqual((await infer().done).code, 0);
  });

  test('what answers is no hive', async () => {
    fake.on('GET /v1/workers/list', (req, res) => { res.writeHead(404); res.end('<html>not here</html>'); });
    fake.on('GET /v1/health', (req, res) => json(res, 200, { hello: 'world' }));
    const r = await infer().done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /VERSION_MISMATCH: what answers at/);
  });

  test('an answer that is not JSON', async () => {
    fake.on('GET /v1/health', (req, res) => { res.writeHead(200); res.end('hi there'); });
    const r = await infer().done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /is not a JSON object/);
  });

  test('the hive says what is wrong: code, sentence and hint are shown as they are', async () => {
    fake.on('POST /v1/workers/spawn', (req, res) => error(res, 507, 'INSUFFICIENT_MEMORY',
      'The model needs 9.1 GB and 3.0 GB are free.', { hint: 'Try a smaller one.' }));
    const r = await infer().done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /^rbee-keeper: INSUFFICIENT_MEMORY: The model needs 9\.1 GB and 3\.0 GB are free\.\nTry a smaller one\.\n$/m);
    assert.strictEqual(r.stdout, '');
  });

  test('an internal error shows the request id', async () => {
    fake.on('POST /v1/workers/spawn', (req, res) => error(res, 500, 'INTERNAL', 'Oh.'));
    const r = await infer().done;
    assert.match(r.stderr, /req-1/);
    assert.strictEqual(r.code, 1);
  });

  test('failing fields are all shown; a bad request is a usage error', async () => {
    fake.on('POST /v1/inference', (req, res) => error(res, 400, 'INVALID_REQUEST', 'Two fields fail.', {
      errors: [{ field: 'top_p', constraint: 'c', message: 'top_p is odd.' },
        { field: 'seed', constraint: 'c', message: 'seed is odd.' }] }));
    const r = await infer().done;
    assert.strictEqual(r.code, 2);
    assertOrder(r.stderr, ['INVALID_REQUEST: Two fields fail.', 'top_p: top_p is odd.', 'seed: seed is odd.']);
  });

  test('a key goes with every call; its absence is explained', async () => {
    fake.on('POST /v1/workers/spawn', (req, res) => (req.headers.authorization === 'Bearer sesame-open-now'
      ? json(res, 200, { worker_id: WORKER_ID, url: fake.url, state: 'loading' })
      : error(res, 401, 'MISSING_API_KEY', 'A key is needed.')));
    const without = await infer().done;
    assert.strictEqual(without.code, 1);
    assert.match(without.stderr, /MISSING_API_KEY: A key is needed\.\n.*RBEE_API_KEY/);
    const withKey = await infer([], { env: { RBEE_API_KEY: 'sesame-open-now' } }).done;
    assert.strictEqual(withKey.code, 0, withKey.stderr);
    fake.calls.length = 0;
    const flag = await infer(['--api-key', 'sesame-open-now'], { env: { RBEE_API_KEY: 'wrong' } }).done;
    assert.strictEqual(flag.code, 0);
    for (const call of fake.calls) assert.strictEqual(call.headers.authorization, 'Bearer sesame-open-now');
  });

  test('a download that fails', async () => {
    fake.on('POST /v1/models/download', (req, res) => json(res, 200, { download_id: 'd-1', local_path: null }));
    fake.on('GET /v1/models/download/progress', (req, res) => sse(res, [
      { stage: 'downloading', bytes_downloaded: 1, bytes_total: 4 },
      { stage: 'error', code: 'DISK_FULL', message: 'The disk has 1 byte left, 3 are needed.' }]));
    const r = await infer(['--model', 'hf:org/repo']).done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /^rbee-keeper: DISK_FULL: The disk has 1 byte left/m);
  });

  test('a worker that dies while it loads: the hive knows why', async () => {
    const port = await deadPort();
    fake.on('POST /v1/workers/spawn', (req, res) =>
      json(res, 200, { worker_id: WORKER_ID, url: `http://127.0.0.1:${port}`, state: 'loading' }));
    fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => json(res, 200, { ...fake.worker({ state: 'failed' }),
      error: { code: 'INVALID_MODEL_FILE', message: 'The tensor count at byte 8 is wrong.',
        log_path: '/logs/w.log', log_tail: ['first line', 'last line'] } }));
    const r = await infer().done;
    assert.strictEqual(r.code, 1);
    assertOrder(r.stderr, ['INVALID_MODEL_FILE: The tensor count at byte 8 is wrong.', '/logs/w.log', 'last line']);
  });

  test('a worker that says itself why it cannot load', async () => {
    fake.on('GET /v1/ready', (req, res) => json(res, 200, { worker_id: WORKER_ID, ready: false, state: 'loading', progress_url: 'x' }));
    fake.on('GET /v1/loading/progress', (req, res) => sse(res, [
      { stage: 'error', code: 'UNSUPPORTED_MODEL', message: 'The architecture is mamba.' }]));
    const r = await infer().done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /UNSUPPORTED_MODEL: The architecture is mamba\./);
  });

  /*
   * It was killed while it loaded, and its port was another model's worker's before the keeper looked again:
   * that one was ready, and answered.
   */
  test('a worker that dies while it loads, and another has its port: the hive is asked, and nobody infers', async () => {
    let dead = false;
    fake.on('GET /v1/ready', (req, res) => json(res, 200, dead
      ? { worker_id: 'worker-2', ready: true, state: 'idle', model_loaded: true }
      : { worker_id: WORKER_ID, ready: false, state: 'loading', progress_url: 'x' }));
    fake.on('GET /v1/loading/progress', (req, res) => {
      sseHead(res);
      res.write(event({ stage: 'loading_to_ram', layers_loaded: 1, layers_total: 2, bytes_loaded: 1, bytes_total: 2 }));
      dead = true;
      setTimeout(() => res.destroy(), 20);
    });
    // a hive needs a moment to notice, and the keeper looks at the port once more
    fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => json(res, 200, fake.of('GET', '/v1/workers/worker-').length < 2
      ? fake.worker({ state: 'loading' })
      : { ...fake.worker({ state: 'failed' }), error: { code: 'WORKER_CRASHED', message: 'It was ended by signal 9.' } }));
    const r = await infer().done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /WORKER_CRASHED: It was ended by signal 9/);
    assert.strictEqual(fake.of('POST', '/v1/inference').length, 0);
  });

  test('a worker whose port another one has by now is replaced, and each request says whom it is for', async () => {
    let asked = 0;
    fake.on('POST /v1/inference', (req, res, body) => (asked++ === 0
      ? error(res, 421, 'WRONG_WORKER', 'The request is for another.')
      : sse(res, [started(body), token('ok', 0), end(1)])));
    fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => error(res, 404, 'NOT_FOUND', 'There is no such worker.'));
    const r = await infer().done;
    assert.strictEqual(r.code, 0, r.stderr);
    assert.match(r.stderr, /is gone; looking for another/);
    const told = fake.calls.filter((c) => ['/v1/ready', '/v1/inference'].includes(c.path));
    assert.deepStrictEqual(told.map((c) => c.headers['x-rbee-worker']), Array(4).fill(WORKER_ID));
  });

  test('all slots busy, and meanwhile the worker ends: its port is anybody\'s, so the hive is asked before the next try', async () => {
    let asked = 0;
    fake.on('POST /v1/inference', (req, res, body) => (asked++ === 0
      ? error(res, 503, 'ALL_SLOTS_BUSY', 'Full.') : sse(res, [started(body), token('ok', 0), end(1)])));
    fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => error(res, 404, 'NOT_FOUND', 'There is no such worker.'));
    const r = await infer().done;
    assert.strictEqual(r.code, 0, r.stderr);
    assertOrder(r.stderr, ['trying again in 1 s', 'is gone; looking for another']);
    assert.deepStrictEqual(fake.names().filter((n) => /workers.worker-|inference|spawn/.test(n)), ['POST /v1/workers/spawn',
      'POST /v1/inference', `GET /v1/workers/${WORKER_ID}`, 'POST /v1/workers/spawn', 'POST /v1/inference']);
  });

  test('all slots busy: says so, waits, asks again', async () => {
    let asked = 0;
    fake.on('POST /v1/inference', (req, res, body) => (asked++ === 0
      ? error(res, 503, 'ALL_SLOTS_BUSY', 'Four of 4 slots are busy.', { slots_total: 4, slots_busy: 4 }, { 'retry-after': '1' })
      : sse(res, [started(body), token('ok', 0), end(1)])));
    const before = Date.now();
    const r = await infer().done;
    assert.strictEqual(r.code, 0);
    assert.match(r.stderr, /slots are busy; trying again in 1 s \(1 of 3\)/);
    assert.ok(Date.now() - before >= 950);
  });

  test('a worker that went between the list and its use is replaced, once', async () => {
    const port = await deadPort();
    fake.on('GET /v1/workers/list', (req, res) =>
      json(res, 200, { workers: [fake.worker({ worker_id: 'worker-dead', url: `http://127.0.0.1:${port}` })] }));
    const r = await infer().done;
    assert.strictEqual(r.code, 0, r.stderr);
    assert.match(r.stderr, /worker-dead is gone/);
    assert.strictEqual(fake.of('POST', '/v1/workers/spawn').length, 1);
  });

  /*
   * The hive's port was let through and those of its workers were not. Refused: "is gone", twice, and advice about a
   * log. Dropped without a word: 3 min 22 s of silence, then the same; or, of a warm one, that it "fell silent".
   */
  describe('a worker that lives by its hive\'s word, and is not reached', () => {
    const lives = async (url, { warm = true } = {}) => {
      const worker = fake.worker({ url });
      fake.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers: warm ? [worker] : [] }));
      fake.on('POST /v1/workers/spawn', (req, res) => json(res, 200, worker));
      fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => json(res, 200, worker));
      const r = await infer().done;
      assert.strictEqual(r.code, 1, r.stderr);
      assert.doesNotMatch(r.stderr, /is gone|looking for another|rbee-keeper logs/);
      assert.match(r.stderr, new RegExp(`: the worker ${WORKER_ID} runs, says its hive, but `));
      return r.stderr;
    };
    const hint = (port) => new RegExp(`^The hive answers, port ${port} of that machine does not: let the workers' ports \\(8081 and up\\) through its firewall`, 'm');

    for (const warm of [true, false]) {
      test(`its port is shut: ${warm ? 'warm' : 'cold'}`, async () => {
        const port = await deadPort(), said = await lives(`http://127.0.0.1:${port}`, { warm });
        assert.match(said, /CONNECTION_REFUSED: .* cannot be reached: http\S+ does not answer: Connection refused/);
        assert.match(said, hint(port));
      });
    }

    test('its port takes no connection', async (t) => {
      const { port, fill } = await deafPort(t);
      await fill();
      const said = await lives(`http://127.0.0.1:${port}`);
      assert.match(said, /^No token yet: http\S+ is being connected to\.$/m);
      assert.match(said, /CONNECTION_TIMEOUT: .* cannot be reached: connecting to \S+ took longer than 5000 ms/);
      assert.match(said, hint(port));
    });

    test('another hive\'s worker answers there', async (t) => {
      const other = await FakeHive.start();
      t.after(() => other.stop());
      other.on('POST /v1/inference', (req, res) => error(res, 421, 'WRONG_WORKER', 'The request is for another.'));
      const said = await lives(other.url);
      assert.match(said, new RegExp(`WRONG_WORKER: .* it is not the one that answers at ${other.url}`));
      assert.match(said, new RegExp(`^Another hive's worker answers at port ${other.port}: the tunnel or port mapping`, 'm'));
    });
  });

  test('a worker on its way out is replaced, not waited for', async () => {
    let asked = 0;
    fake.on('GET /v1/workers/list', (req, res) =>
      json(res, 200, { workers: asked ? [fake.worker(), fake.worker({ worker_id: 'worker-2' })] : [fake.worker()] }));
    fake.on('POST /v1/inference', (req, res, body) => (asked++ === 0
      ? error(res, 503, 'ALL_SLOTS_BUSY', 'This worker is ending.', { draining: 1 })
      : sse(res, [started(body), token('ok', 0), end(1)])));
    const r = await infer().done;
    assert.strictEqual(r.code, 0, r.stderr);
    assert.match(r.stderr, /is ending; looking for another/);
    assert.match(r.stderr, /warm: worker-2/);
  });

  /* Two workers in a row that are not to be had are enough. What became of the second is told, and why, as far as its
   * hive knows; nobody else is asked, and nothing was generated. */
  describe('the worker that was to take the place of one that is gone does not answer either', () => {
    const FIRST = WORKER_ID.replace(/.$/, 'f');
    const wrong = (res) => error(res, 421, 'WRONG_WORKER', 'The request is for another.');
    const fates = {
      'its hive does not know it any more': [wrong, (res) => error(res, 404, 'NOT_FOUND', 'There is no such worker.'), 'is gone', 'The request is for another\\.'],
      'its hive knows why it ended': [wrong, (res) => json(res, 200, { ...fake.worker({ state: 'failed' }),
        error: { code: 'WORKER_CRASHED', message: 'It was ended by signal 9.', log_path: '/logs/w.log', log_tail: 'the last words' } }),
      'is gone', 'It was ended by signal 9\\.[^]*/logs/w\\.log[^]*the last words'],
      'its hive does not say': [wrong, (res) => error(res, 500, 'INTERNAL', 'Oh.'), 'does not answer', 'The request is for another\\.'],
      'it is ending': [(res) => error(res, 503, 'ALL_SLOTS_BUSY', 'This worker is ending.', { draining: true }),
        (res) => json(res, 200, fake.worker({ state: 'draining' })), 'is ending', 'This worker is ending\\.'],
    };
    for (const [what, [refuse, look, fate, why]] of Object.entries(fates)) {
      test(what, async () => {
        fake.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers: [fake.worker({ worker_id: FIRST })] }));
        fake.on('POST /v1/inference', (req, res) => refuse(res));
        fake.on('GET /v1/workers/*', (req, res) => look(res));
        fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => look(res));
        const r = await infer().done;
        assert.strictEqual(r.code, 1, r.stderr);
        assert.strictEqual(r.stdout, '');
        assert.match(r.stderr, new RegExp(`^The worker ${FIRST} ${fate}; looking for another\\.$`, 'm'));
        assert.match(r.stderr, new RegExp(`^rbee-keeper: WORKER_CRASHED: the worker ${WORKER_ID} ${fate}: ${why}`, 'm'));
        assert.deepStrictEqual(fake.of('POST', '/v1/inference').map((c) => c.headers['x-rbee-worker']), [FIRST, WORKER_ID]);
      });
    }
  });

  /* The hive answers for a worker that does not; with no word of why, what it is doing is told. */
  test('a worker that is not reached while it loads, and failed or ends by its hive\'s word', async () => {
    const port = await deadPort();
    fake.on('POST /v1/workers/spawn', (req, res) =>
      json(res, 200, { worker_id: WORKER_ID, url: `http://127.0.0.1:${port}`, state: 'loading' }));
    for (const [state, words, looks] of [['failed', 'failed while it was loading', 5], ['draining', 'was told to end while it was loading', 1]]) {
      fake.calls.length = 0;
      fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => json(res, 200, fake.worker({ state })));
      const r = await infer().done;
      assert.strictEqual(r.code, 1, r.stderr);
      assert.match(r.stderr, new RegExp(`^rbee-keeper: WORKER_START_FAILED: the worker ${WORKER_ID} ${words}$`, 'm'));
      assert.match(r.stderr, new RegExp(`rbee-keeper logs worker-11111111 --node ${fake.node}`), 'where to read on');
      assert.strictEqual(fake.of('GET', '/v1/workers/worker-').length, looks, 'the error of a failed one may come a moment later');
      assert.strictEqual(fake.of('POST', '/v1/inference').length, 0);
    }
  });

  test('a token that is long in coming: says so after a while, and why in the end', async () => {
    fake.on('POST /v1/inference', (req, res, body) => {
      sseHead(res);
      res.write(event(started(body)));
      setTimeout(() => res.end(event(token('ok', 0)) + event({ ...end(1), queue_time_ms: 2100 }) + event('[DONE]')), 2200);
    });
    const r = await infer().done;
    assert.strictEqual(r.code, 0);
    assertOrder(r.stderr, ['No token yet', '1 token, ', '2.1 s of them waiting for a slot']);
  });

  test('a stream that breaks off: what came is kept and counted, the hive is asked why', async () => {
    fake.on('POST /v1/inference', (req, res, body) => {
      sseHead(res);
      res.write(event(started(body)) + event(token('Once', 0)) + event(token(' upon', 1)));
      setTimeout(() => res.destroy(), 30);
    });
    fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => json(res, 200, { ...fake.worker({ state: 'failed' }),
      error: { code: 'WORKER_CRASHED', message: 'It was ended by signal 9.', log_path: '/logs/w.log', log_tail: 'the last words' } }));
    const r = await infer().done;
    assert.strictEqual(r.code, 1);
    assert.strictEqual(r.stdout, 'Once upon');
    assertOrder(r.stderr, ['WORKER_CRASHED:', 'after 2 tokens', 'It was ended by signal 9.', '/logs/w.log', 'the last words']);
  });

  test('... and where the hive does not know either, what was seen is told', async () => {
    fake.on('POST /v1/inference', (req, res, body) => {
      sseHead(res);
      res.write(event(started(body)) + event(token('Once', 0)), () => res.destroy());
    });
    for (const look of [(res) => error(res, 404, 'NOT_FOUND', 'There is no such worker.'), (res) => error(res, 500, 'INTERNAL', 'Oh.'),
      (res) => json(res, 200, fake.worker()), (res) => res.destroy()]) {
      fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => look(res));
      const r = await infer().done;
      assert.strictEqual(r.code, 1);
      assert.match(r.stderr, new RegExp(`^rbee-keeper: WORKER_CRASHED: the worker ${WORKER_ID} broke off after 1 token: http://${fake.node}/v1/inference\\b.*\n.*rbee-keeper logs worker-11111111 --node ${fake.node}`, 'm'));
      assert.strictEqual(r.stdout, 'Once');
    }
  });

  test('an answer that stops in its midst, of a worker that stays: it is left after a minute', { timeout: 150000,
    skip: process.env.RBEE_SLOW ? false : 'takes 60 s; set RBEE_SLOW=1' }, async () => {
    let left;
    const gone = new Promise((resolve) => { left = resolve; });
    fake.on('POST /v1/inference', (req, res, body) => {
      res.on('close', left);
      sseHead(res);
      res.write(event(started(body)) + event(token('Once', 0)));
    });
    fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => json(res, 200, fake.worker({ slots_busy: 1 })));
    const r = await infer().done;
    await gone;
    assert.strictEqual(r.code, 1);
    assert.strictEqual(r.stdout, 'Once');
    assert.match(r.stderr, new RegExp(`WORKER_STALLED: the worker ${WORKER_ID} fell silent after 1 token: .* sent nothing for 60 s`));
  });

  test('a stream closed without an end event is broken off too', async () => {
    fake.on('POST /v1/inference', (req, res, body) => sse(res, [started(body), token('Once', 0)]));
    const r = await infer().done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /WORKER_CRASHED: .*after 1 token/);
  });

  test('a stream that is no JSON', async () => {
    fake.on('POST /v1/inference', (req, res, body) => {
      sseHead(res);
      res.end(event(started(body)) + 'data: <html>\n\n');
    });
    const r = await infer().done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /not a JSON object/);
  });

  /* Nobody looked at how long an error's text is: a server that went on and on held the keeper for ever. */
  test('an error that never ends: its beginning is shown, and that is it', { timeout: 20000 }, async () => {
    let over;
    const gone = new Promise((resolve) => { over = resolve; });
    fake.on('POST /v1/inference', (req, res) => {
      const more = () => { while (!res.destroyed && res.write('x'.repeat(20000))); };
      res.on('drain', more).on('close', over);
      res.writeHead(500, { 'content-type': 'text/html' });
      more();
    });
    const r = await infer().done;
    await gone;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /status 500 and no error body: xxx/);
  });

  test('an error that comes in drops, or not at all', { timeout: 40000, skip:
    process.env.RBEE_SLOW ? false : 'takes 20 s; set RBEE_SLOW=1' }, async () => {
    for (const drop of ['x', '']) {
      fake.on('POST /v1/inference', (req, res) => {
        res.writeHead(502, { 'content-type': 'text/html' });
        res.flushHeaders();
        const timer = setInterval(() => drop && res.write(drop), 200);
        res.on('close', () => clearInterval(timer));
      });
      const r = await infer().done;
      assert.strictEqual(r.code, 1);
      assert.match(r.stderr, /status 502 and no error body: x*$/m);
    }
  });

  /* Before it has a slot a worker says nothing, for as long as its hive lets it: what tells that from a worker that
   * has lost the request is whether it has any work. It was waited for without an end. */
  test('a worker that takes the request and says nothing at all is waited for while it has work', { timeout: 150000,
    skip: process.env.RBEE_SLOW ? false : 'takes 120 s; set RBEE_SLOW=1' }, async () => {
    let asked = 0;
    fake.on('POST /v1/inference', () => {});
    fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => json(res, 200, fake.worker({ queued: ++asked === 1 ? 1 : 0 })));
    const r = await infer().done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /WORKER_STALLED: the worker .* fell silent after 0 tokens/);
    assert.ok(asked >= 2, `${asked} questions`);
  });

  /* One question that the hive did not answer cost an answer that was on its way. */
  test('... and while the hive does not say', { timeout: 150000, skip: process.env.RBEE_SLOW ? false : 'takes 65 s; set RBEE_SLOW=1' }, async () => {
    let asked = 0;
    fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => { asked++; error(res, 503, 'ALL_SLOTS_BUSY', 'too many'); });
    fake.on('POST /v1/inference', (req, res) => setTimeout(() => sse(res, [started({ job_id: 'j' }), token('Hi', 0), end(1)]), 65000));
    const r = await infer().done;
    assert.strictEqual(r.code, 0, r.stderr);
    assert.strictEqual(r.stdout, 'Hi\n');
    assert.ok(asked > 0);
  });

  test('an error event after some tokens', async () => {
    fake.on('POST /v1/inference', (req, res, body) => sse(res, [started(body), token('Once', 0),
      { type: 'error', code: 'REQUEST_TIMEOUT', message: 'The 2 s are over.', retriable: true }]));
    const r = await infer().done;
    assert.strictEqual(r.code, 1);
    assert.strictEqual(r.stdout, 'Once');
    assert.match(r.stderr, /REQUEST_TIMEOUT: The 2 s are over\. \(1 token/);
  });

  /* Half a text with exit 0 was taken for an answer by every script. 130 is for the Ctrl+C of our own person. */
  test('an answer that somebody else cancelled, or that ended in an error, is a failure', async () => {
    for (const [ending, words] of [
      [end(1, 'CANCELLED'), /REQUEST_CANCELLED: somebody else has cancelled the answer \(1 token had come\)/],
      [end(1, 'ERROR'), /INTERNAL: the answer ended in an error that was not told \(1 token had come\)/],
      [{ type: 'error', code: 'REQUEST_CANCELLED', message: 'It was cancelled.', retriable: false }, /REQUEST_CANCELLED: It was cancelled\./],
    ]) {
      fake.on('POST /v1/inference', (req, res, body) => sse(res, [started(body), token('half of ', 0), ending]));
      const r = await infer().done;
      assert.strictEqual(r.code, 1, r.stderr);
      assert.strictEqual(r.stdout, 'half of ');
      assert.match(r.stderr, words);
    }
  });

  test('a configuration that is wrong names its line', async () => {
    const home = makeHome();
    fs.writeFileSync(path.join(home, 'config.ini'), '[keeper]\nnod = x\n');
    const r = await run(['workers', 'list'], { home });
    assert.strictEqual(r.code, 2);
    assert.match(r.stderr, /config\.ini.*2/);
  });
});

describe('Ctrl+C', () => {
  const silent = (req, res) => { res.on('error', () => {}); };

  async function interrupted(r, phase) {
    await phase;
    const before = Date.now(), late = setTimeout(() => r.child.kill('SIGKILL'), PATIENCE_MS);
    r.interrupt();
    await r.done;
    clearTimeout(late);
    assert.strictEqual(r.signal, null);
    assert.strictEqual(r.code, 130, r.stderr);
    assert.match(r.stderr, /(^|\n)Cancelled\.\n$/);
    assert.ok(Date.now() - before < 2000);
  }

  test('while the hive does not answer', async () => {
    const r = infer();
    await interrupted(r, new Promise((resolve) => {
      fake.on('GET /v1/workers/list', (req, res) => { silent(req, res); resolve(); });
    }));
  });

  test('between two tries', async () => {
    let tries = 0;
    const r = infer();
    await interrupted(r, new Promise((resolve) => {
      fake.on('GET /v1/health', (req, res) => { res.destroy(); if (++tries === 2) resolve(); });
    }));
  });

  test('during a download: it goes on without us', async () => {
    fake.on('POST /v1/models/download', (req, res) => json(res, 200, { download_id: 'd-1', local_path: null }));
    fake.on('GET /v1/models/download/progress', (req, res) => {
      sseHead(res);
      res.write(event({ stage: 'downloading', bytes_downloaded: 1, bytes_total: 4 }));
    });
    const r = infer(['--model', 'hf:org/repo']);
    await interrupted(r, r.says(/Downloading/));
    assert.match(r.stderr, /hive goes on with the download/);
  });

  test('while a worker loads', async () => {
    fake.on('GET /v1/ready', (req, res) => json(res, 200, { worker_id: WORKER_ID, ready: false, state: 'loading', progress_url: 'x' }));
    fake.on('GET /v1/loading/progress', (req, res) => {
      sseHead(res);
      res.write(event({ stage: 'loading_to_ram', bytes_loaded: 1, bytes_total: 4 }));
    });
    const r = infer();
    await interrupted(r, r.says(/Loading/));
  });

  /* "... does not answer; looking for another." stood before it, though nobody was looked for any more. */
  test('while the hive is asked what became of a worker that does not answer', async () => {
    const port = await deadPort();
    fake.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers: [fake.worker({ url: `http://127.0.0.1:${port}` })] }));
    const asked = new Promise((resolve) => { fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => { silent(req, res); resolve(); }); });
    const r = infer();
    await interrupted(r, asked);
    assert.doesNotMatch(r.stderr, /looking for another/);
  });

  test('while all slots are busy', async () => {
    fake.on('POST /v1/inference', (req, res) => error(res, 503, 'ALL_SLOTS_BUSY', 'Full.'));
    const r = infer();
    await interrupted(r, r.says(/trying again/));
  });

  test('during inference: the worker is told, its last word awaited', async () => {
    let answer;
    fake.on('POST /v1/inference', (req, res, body) => {
      answer = res;
      sseHead(res);
      res.write(event(started(body)) + event(token('Once', 0)));
    });
    fake.on('DELETE /v1/inference/*', (req, res) => {
      res.writeHead(204); res.end();
      answer.write(event(token(' late', 1)));
      answer.end(event(end(2, 'CANCELLED')) + event('[DONE]'));
    });
    const r = infer();
    await interrupted(r, r.says(/Once/));
    assert.strictEqual(r.stdout, 'Once');
    const job = fake.of('POST', '/v1/inference')[0].body.job_id;
    assert.deepStrictEqual(fake.of('DELETE', '/').map((c) => c.path), [`/v1/inference/${job}`]);
  });

  /* `rbee-keeper models list | less`: it waited for a reader until the second one, or ended with 0 and half a list. */
  test('while nobody reads what it prints', async () => {
    const many = (make) => Array.from({ length: 3000 }, (_, i) => make(`${i}-${'x'.repeat(100)}`)); // no pipe takes it
    fake.on('GET /v1/models', (req, res) => json(res, 200, { models: many((name) => ({ model_ref: `local:${name}` })) }));
    fake.on(`GET /v1/workers/${WORKER_ID}/log`, (req, res) => res.end(many((name) => `${name}\n`).join('')));
    fake.on('POST /v1/inference', (req, res, body) => {
      sseHead(res);
      res.write(event(started(body)) + many((name) => event(token(name, 0))).join(''));
      fake.on('DELETE /v1/inference/*', (r, gone) => { gone.writeHead(204); gone.end(); res.end(event(end(1, 'CANCELLED')) + event('[DONE]')); });
    });
    for (const args of [['models', 'list'], ['models', 'list', '--json'], ['logs', WORKER_ID], ['infer', '-p', 'x', '--json'], ['infer', '-p', 'x']]) {
      const pipe = path.join(makeFolder(), 'pipe');
      execFileSync('mkfifo', [pipe]);
      const reader = fs.openSync(pipe, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK), writer = fs.openSync(pipe, 'w');
      const began = () => { try { return fs.readSync(reader, Buffer.alloc(1)); } catch { return 0; } };
      const r = start([...args, '--node', fake.node], { stdout: writer });
      await interrupted(r, until(began, 'the first byte'));
      fs.closeSync(reader);
      fs.closeSync(writer);
    }
  });

  test('a worker that does not heed it: a second one ends at once', async () => {
    fake.on('POST /v1/inference', (req, res, body) => {
      sseHead(res);
      res.write(event(started(body)) + event(token('Once', 0)));
    });
    const r = infer();
    await r.says(/Once/);
    r.interrupt();
    await until(() => fake.of('DELETE', '/v1/inference/').length > 0, 'the worker is told'); // two that wait are one
    assert.strictEqual(r.child.exitCode, null, 'it waits for the worker');
    const before = Date.now();
    r.interrupt();
    await r.done;
    assert.strictEqual(r.code, 130);
    assert.ok(Date.now() - before < 3000); // without it, it waits for five seconds from the first
    assert.strictEqual(fake.of('DELETE', '/v1/inference/').length, 1);
  });
});

describe('Ctrl+C and a worker that says nothing more', () => {
  test('one DELETE, five seconds, and the end', async () => { // it was told twice, and had ten
    fake.on('POST /v1/inference', (req, res, body) => {
      sseHead(res);
      res.write(event(started(body)) + event(token('Once', 0)));
    });
    fake.on('DELETE /v1/inference/*', () => {}); // no answer
    const r = infer();
    await r.says(/Once/);
    const began = performance.now();
    r.interrupt();
    await r.done;
    const took = performance.now() - began;
    assert.strictEqual(r.code, 130);
    assert.strictEqual(fake.of('DELETE', '/v1/inference/').length, 1);
    assert.ok(took > 4900 && took < 9500, `${took} ms`);
    assert.match(r.stderr, /Cancelled\.\n$/);
  });
});

describe('what must not be', () => {
  test('an empty word for a worker is no worker: the newest was stopped', async () => {
    fake.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers: [fake.worker()] }));
    const r = await run(['workers', 'stop', '', '--node', fake.node]);
    assert.strictEqual(r.code, 2);
    assert.match(r.stderr, /name a worker/);
    assert.strictEqual(fake.of('POST', '/v1/workers/').length + fake.of('DELETE', '/v1/workers/').length, 0);
  });

  test('a mistyped option does not show its value, which may be a key', async () => {
    const r = await run(['infer', '--api_key=rbee_SECRET', '--prompt', 'x']);
    assert.strictEqual(r.code, 2);
    assert.match(r.stderr, /no option '--api_key'/);
    assert.doesNotMatch(r.stderr, /SECRET/);
  });

  test('what cannot be read is not "as it was written"', async () => {
    const r = await run(['security', 'verify', makeHome()]); // a folder
    assert.strictEqual(r.code, 1, r.stdout);
    assert.doesNotMatch(r.stdout, /as they were written/);
    assert.match(r.stderr, /cannot be read/);
  });

  /* An empty FILE.1 beside it was enough for a log without its first lines to be "as they were written". */
  test('a log whose first lines were removed is broken, and one whose beginning was dropped says since when it tells', async () => {
    const file = path.join(makeHome(), 'security.jsonl'), lines = [];
    for (let prev = '0'.repeat(64), i = 0; i < 6; i++) {
      lines.push(JSON.stringify({ prev, at: `2026-01-31T12:00:0${i}.000Z`, event: 'end' }));
      prev = createHash('sha256').update(lines[i]).digest('hex');
    }
    const put = (kept, name) => fs.writeFileSync(name, kept.map((line) => line + '\n').join(''));
    const verify = () => run(['security', 'verify', file]);
    put(lines, file);
    const whole = await verify();
    assert.strictEqual(whole.code, 0, whole.stderr);
    assert.doesNotMatch(whole.stdout, /not here/);
    put(lines.slice(2), file);
    for (const beside of [[], ['.1'], ['.1', '.2', '.3'], ['.9']]) {
      for (const name of beside) put([], file + name);
      const r = await verify();
      assert.strictEqual(r.code, 1, `${beside}: ${r.stdout}`);
      assert.match(r.stderr, /security\.jsonl, line 1: those before it are not here/);
    }
    put([lines[2]], file + '.2');
    put(lines.slice(3), file);
    assert.strictEqual((await verify()).code, 1, 'no line is dropped before FILE.3 is full');
    put([lines[2]], file + '.3');
    put([], file + '.2');
    const r = await verify();
    assert.strictEqual(r.code, 0, r.stderr);
    assert.match(r.stdout, /^4 lines in 5 files are as they were written[^]*\nThe first line here is of 2026-01-31T12:00:02\.000Z; those before it are not here\.\n$/);
  });

  test('a long list is shown whole', async () => { // it ended behind 4,095 rows, without a word
    const models = Array.from({ length: 5000 }, (_, i) => ({ model_ref: `hf:a/m${i}`, path: `/m/${i}`, bytes: 1, state: 'cached' }));
    fake.on('GET /v1/models', (req, res) => json(res, 200, { models }));
    const r = await run(['models', 'list', '--node', fake.node]);
    assert.strictEqual(r.code, 0, r.stderr);
    assert.match(r.stdout, /hf:a\/m4999/);
  });

  test('explain takes only words that it knows for a yes', async () => {
    fake.on('POST /v1/workers/explain', (req, res) => json(res, 200, {}));
    assert.strictEqual((await run(['explain', '--node', fake.node])).code, 1);
    for (const decision of ['reuse', 'start', 'make_room']) {
      fake.on('POST /v1/workers/explain', (req, res) => json(res, 200, { decision }));
      assert.strictEqual((await run(['explain', '--node', fake.node])).code, 0, decision);
    }
  });

  /* They were asked one after the other: three machines that said nothing were 90 s without a line. Here nobody
   * gets an answer before all have asked. */
  test('explain asks all nodes at the same time', { timeout: 20000 }, async () => {
    const home = makeHome(), asked = [];
    fs.writeFileSync(path.join(home, 'config.ini'),
      `[nodes]\n${['localhost', 'bee1', 'bee2'].map((name) => `${name} = ${fake.node}\n`).join('')}`);
    fake.on('POST /v1/workers/explain', (req, res) => {
      asked.push(res);
      if (asked.length === 3) asked.forEach((r, i) => json(r, 200, { decision: i === 1 ? 'refuse' : 'start' }));
    });
    const r = await run(['explain'], { home });
    assert.strictEqual(r.code, 0, r.stderr);
    assert.match(r.stdout, /localhost .*start .*\nbee1 .*(start|refuse).*\nbee2 /);
  });

  /* One remote node among the known made the whole command a usage error, though the table said that this
   * machine would run it. (0.0.0.0 is no address of this machine's to the keeper.) */
  test('explain says of a relative path in the row of each other machine that it means nothing there', async () => {
    const home = makeHome();
    fs.writeFileSync(path.join(home, 'config.ini'), `[nodes]\nlocalhost = ${fake.node}\nfar = 0.0.0.0:${fake.port}\n`);
    fake.on('POST /v1/workers/explain', (req, res) => json(res, 200, { decision: 'start' }));
    const r = await run(['explain', '--model', './x.gguf', '--json'], { home });
    assert.strictEqual(r.code, 0, r.stderr);
    assert.strictEqual(r.stderr, '');
    const [here, far] = JSON.parse(r.stdout).nodes;
    assert.deepStrictEqual([here.asked_node, here.decision], ['localhost', 'start']);
    assert.deepStrictEqual([far.asked_node, far.decision, far.code], ['far', 'refuse', 'INVALID_MODEL_REF']);
    assert.strictEqual(fake.of('POST', '/v1/workers/explain').length, 1);
    const named = await run(['explain', '--model', './x.gguf', '--node', 'far'], { home });
    assert.strictEqual(named.code, 2); // who names that machine alone has typed it wrong
  });
});

/* They asked localhost, and said that it does not answer, while all other commands spoke to that machine. */
describe('the node of the settings, which is in no list', () => {
  const settings = () => ({ RBEE_KEEPER_NODE: fake.node });

  test('is asked by explain, whatever is wrong with the others', async () => {
    const home = makeHome();
    fs.writeFileSync(path.join(home, 'config.ini'), '[nodes]\nlocalhost = 127.0.0.1:1\nbroken = 127.0.0.1:2\n');
    fs.writeFileSync(path.join(home, 'nodes.json'), '{"broken": {"tls": "maybe"}}', { mode: 0o600 });
    fake.on('POST /v1/workers/explain', (req, res) => json(res, 200, { decision: 'start' }));
    const r = await run(['explain', '--json'], { home, env: settings() });
    assert.strictEqual(r.code, 0, r.stderr);
    const rows = JSON.parse(r.stdout).nodes;
    assert.deepStrictEqual(rows.map((n) => [n.asked_node, n.decision]), [[fake.node, 'start'], ['localhost', 'refuse'], ['broken', 'refuse']]);
    assert.match(rows[2].reason, /'broken' in nodes\.json is damaged/);
    const unknown = await run(['explain', '--json'], { home, env: { RBEE_KEEPER_NODE: 'no-such-host.invalid' } });
    assert.strictEqual(unknown.code, 1, unknown.stderr);
    assert.deepStrictEqual(JSON.parse(unknown.stdout).nodes[0].asked_node, 'no-such-host.invalid');
  });

  test('is shown by node list, once', async () => {
    const home = makeHome(), list = (more) => fs.writeFileSync(path.join(home, 'config.ini'), `[nodes]\nlocalhost = 127.0.0.1:1\n${more}`);
    const names = async (env) => JSON.parse((await run(['node', 'list', '--json'], { home, env })).stdout).nodes.map((n) => [n.name, n.alive]);
    list('');
    assert.deepStrictEqual(await names(settings()), [[fake.node, true], ['localhost', false]]);
    assert.deepStrictEqual(await names({ RBEE_KEEPER_NODE: `http://${fake.node}` }), [[`http://${fake.node}`, true], ['localhost', false]]);
    list(`bee = ${fake.node}\n`);
    for (const node of [fake.node, 'bee', 'localhost', `http://${fake.node}`, `http://${fake.node}/`]) {
      assert.deepStrictEqual(await names({ RBEE_KEEPER_NODE: node }), [['localhost', false], ['bee', true]]);
    }
    const r = await run(['node', 'list', '--json'], { home, env: { RBEE_KEEPER_NODE: `https://${fake.node}` } });
    assert.deepStrictEqual(JSON.parse(r.stdout).nodes.map((n) => n.name), [`https://${fake.node}`, 'localhost', 'bee'], 'https it does not speak');
  });

  /* As a URL it had a second row, without the certificate's key that `node add` had kept: CERTIFICATE_MISMATCH, said
   * that of a node that works. And localhost was shown twice, unless it was spelled so. */
  test('is not shown twice by node list and explain, however it is written', async () => {
    const home = makeHome();
    const nodes = async (command, node) => {
      const r = await run([...command, '--json'], { home, env: { RBEE_KEEPER_NODE: node } });
      return JSON.parse(r.stdout).nodes.map((n) => n.asked_node ?? n.name);
    };
    const places = ['localhost', 'localhost:8080', 'http://localhost:8080', 'http://localhost/', '127.0.0.1', '::1'];
    for (const place of places) assert.deepStrictEqual(await nodes(['node', 'list'], place), ['localhost'], place);
    assert.deepStrictEqual(await nodes(['node', 'list'], 'http://localhost:9'), ['http://localhost:9', 'localhost']);
    fs.writeFileSync(path.join(home, 'config.ini'), `[nodes]\nlocalhost = 127.0.0.1:1\nbee2 = ${fake.node}\n`);
    fs.writeFileSync(path.join(home, 'nodes.json'), JSON.stringify({ bee2: { tls: true, pin: 'cd'.repeat(32), key: '' } }), { mode: 0o600 });
    for (const place of [`https://${fake.node}`, `https://${fake.node}/`, `http://${fake.node}`]) {
      for (const command of [['node', 'list'], ['explain']]) assert.deepStrictEqual(await nodes(command, place), ['localhost', 'bee2'], place);
    }
  });
});

describe('the hive of the same home', () => {
  /* With [hive] addr in the configuration that both read, the keeper said that localhost:8080 does not answer. */
  test('is found where it says it is, by who names no other; without TLS it gets no key', { skip: noFlock }, async (t) => {
    const home = makeHome();
    fs.writeFileSync(path.join(home, 'api-key'), 'a-key-of-this-home', { mode: 0o600 });
    fs.mkdirSync(path.join(home, 'run'));
    const die = await hold(path.join(home, 'run/hive.lock')); // as it does while it runs
    t.after(die);
    fake.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers: [] }));
    for (const [host, where] of [['0.0.0.0', 'localhost'], ['127.0.0.1', '127.0.0.1']]) {
      fs.writeFileSync(path.join(home, 'run/hive.json'), JSON.stringify({ host, port: fake.port, tls: false, pin: '' }), { mode: 0o600 });
      for (const node of [[], ['--node', 'localhost'], ['--node', 'LOCALHOST']]) {
        const r = await run(['workers', 'list', ...node], { home });
        assert.strictEqual(r.code, 0, r.stderr);
      }
      const { nodes } = JSON.parse((await run(['node', 'list', '--json'], { home })).stdout);
      assert.deepStrictEqual(nodes.map((n) => [n.name, n.address, n.alive]), [['localhost', `${where}:${fake.port}`, true]]);
    }
    assert.strictEqual(fake.of('GET', '/v1/workers/list').length, 6);
    assert.ok(fake.calls.every((c) => c.headers.authorization === undefined));
    const port = await deadPort();
    const other = await run(['workers', 'list', '--node', `localhost:${port}`], { home });
    assert.match(other.stderr, new RegExp(`localhost:${port}`), 'a port that was typed is meant');
    const shown = async (node) => JSON.parse((await run(['node', 'list', '--json'], { home, env: { RBEE_KEEPER_NODE: node } })).stdout).nodes.map((n) => n.name);
    assert.deepStrictEqual(await shown(fake.node), ['localhost'], 'it is that one');
    assert.deepStrictEqual(await shown('localhost:8080'), ['localhost:8080', 'localhost'], 'it is not there');
    await die(); // its file stays; by now a stranger may be there
    const { nodes } = JSON.parse((await run(['node', 'list', '--json'], { home })).stdout);
    assert.deepStrictEqual(nodes.map((n) => [n.name, n.address]), [['localhost', 'localhost:8080']]);
    fs.writeFileSync(path.join(home, 'config.ini'), `[nodes]\nlocalhost = 127.0.0.1:${port}\n`);
    assert.match((await run(['workers', 'list'], { home })).stderr, new RegExp(`127.0.0.1:${port}`), 'so is one of the list');
  });

  /* On a plain loopback address no hive wrote where it is: beside another account's hive at the usual port the
   * keeper of this home sent its prompts there, and its `workers stop` and `models rm` as well. */
  test('is found on a loopback address, too, while it lives', async (t) => {
    const hive = await startHive(), { home } = hive;
    t.after(() => hive.stop());
    const here = async () => JSON.parse((await run(['node', 'list', '--json'], { home })).stdout).nodes.map((n) => n.address);
    const workers = await run(['workers', 'list', '--json'], { home });
    assert.deepStrictEqual(JSON.parse(workers.stdout), { workers: [] });
    assert.deepStrictEqual(await here(), [new URL(hive.url).host]);
    const line = spawnSync(HIVE, ['pair', '--home', home], { encoding: 'utf8' });
    assert.match(line.stderr, /listens on 127\.0\.0\.1, where other machines cannot reach it/);
    hive.signal('SIGKILL');
    await hive.end();
    assert.ok(fs.existsSync(path.join(home, 'run/hive.json')), 'nobody has taken it away');
    assert.deepStrictEqual(await here(), ['localhost:8080'], 'who is there by now is a stranger');
  });

  /* At its end it took the file away: whoever had its port by then was asked without TLS, and got the prompt and the
   * key of the environment. */
  test('with TLS is asked with its pin or not at all, running or not', async (t) => {
    const home = makeHome(), env = { RBEE_API_KEY: 'rbee-0123456789abcdef' };
    const start = () => {
      const hive = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', home], { env: { HOME: home, RBEE_HIVE_TLS: 'on' } });
      t.after(() => hive.stop());
      return hive;
    };
    const before = fake.calls.length;
    for (const signal of ['SIGTERM', 'SIGKILL']) {
      const hive = start();
      const [, url] = await hive.says(/listening on (https:\/\/\S+)$/m);
      assert.strictEqual((await run(['workers', 'list'], { home, env })).code, 0);
      hive.signal(signal);
      await hive.end();
      const gone = await run(['infer', '--prompt', 'a secret'], { home, env });
      assert.match(gone.stderr, new RegExp(`CONNECTION_REFUSED: ${url}/`));
      assert.match(gone.stderr, new RegExp(`${home}/run/hive\\.json says .*\\. Start it with .rbee-hive daemon.; if there is no such hive any more, remove that file`));
      const { port, ...rest } = JSON.parse(fs.readFileSync(path.join(home, 'run/hive.json'), 'utf8'));
      fs.writeFileSync(path.join(home, 'run/hive.json'), JSON.stringify({ port: fake.port, ...rest }), { mode: 0o600 }); // its port is another's by now
      const taken = await run(['infer', '--prompt', 'a secret'], { home, env });
      assert.match(taken.stderr, /does not speak https/);
    }
    assert.deepStrictEqual(fake.calls.slice(before), []);
    fake.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers: [] }));
    fs.writeFileSync(path.join(home, 'config.ini'), `[nodes]\nbox = ${fake.node}\n`);
    assert.strictEqual((await run(['workers', 'list', '--node', 'box'], { home })).code, 0, 'one that its owner has listed is another');
    const plain = await startHive({ home });
    t.after(() => plain.stop());
    assert.strictEqual((await run(['workers', 'list'], { home })).code, 0, 'one that has no TLS by now is found again');
    await plain.stop();
    assert.ok(!fs.existsSync(path.join(home, 'run/hive.json')));
  });

  /* A hive that starts has the lock of the home before it listens: what a killed one said was taken for its word. */
  test('is not where one was that was killed, from the first on', async () => {
    const home = makeHome(), file = path.join(home, 'run/hive.json');
    fs.mkdirSync(path.dirname(file));
    fs.writeFileSync(file, JSON.stringify({ host: '192.168.1.20', port: 9000, tls: false, pin: '' }), { mode: 0o600 });
    const r = spawnSync(HIVE, ['daemon', '--addr', `127.0.0.1:${fake.port}`, '--home', home], { encoding: 'utf8' });
    assert.match(r.stderr, /is another rbee-hive running there\?/);
    assert.ok(!fs.existsSync(file));
  });
});

describe('the list of nodes', () => {
  /* Each read the files, changed them and wrote them: of 30 at once 8 remained. Worse, a node could keep its
   * address and lose its secret, and was then asked without TLS, with the key. */
  test('keepers that add at once all do', async () => {
    const home = makeHome(), names = Array.from({ length: 12 }, (_, i) => `bee${i}`);
    const port = await deadPort();
    const runs = await Promise.all(names.map((name) => run(['node', 'add', name, `https://127.0.0.1:${port}`], { home })));
    for (const r of runs) assert.strictEqual(r.code, 0, r.stderr);
    const ini = fs.readFileSync(path.join(home, 'config.ini'), 'utf8');
    const secrets = JSON.parse(fs.readFileSync(path.join(home, 'nodes.json'), 'utf8'));
    for (const name of names) {
      assert.match(ini, new RegExp(`^${name} *=`, 'm'));
      assert.strictEqual(secrets[name].tls, true, name);
    }
    await Promise.all(names.map((name) => run(['node', 'rm', name], { home })));
    assert.deepStrictEqual(JSON.parse(fs.readFileSync(path.join(home, 'nodes.json'), 'utf8')), {});
  });

  /* The secret was written before the address was looked at: an address with a slash behind it cost a paired
   * node its key and its pin, and left the rest as it was. */
  test('an address that is none changes nothing, least of all the secret of a node of that name', async () => {
    const home = makeHome(), at = (name) => path.join(home, name), text = (name) => fs.readFileSync(at(name), 'utf8');
    const port = await deadPort(), line = `rbee://127.0.0.1:${port}/${'ab'.repeat(32)}/tkskohzkwj3j3jtaevhk`;
    fs.writeFileSync(at('config.ini'), '[nodes]\nbee2 = 10.255.255.1:8080 ; the tall one\n', { mode: 0o600 });
    fs.writeFileSync(at('nodes.json'), JSON.stringify({ bee2: { tls: true, pin: 'cd'.repeat(32), key: 'rbee-0123456789abcdef' } }), { mode: 0o600 });
    const before = [text('config.ini'), JSON.parse(text('nodes.json'))];
    for (const address of ['https://10.255.255.1:8080/', 'https://', 'https://a b', '10.255.255.1:99999']) {
      const r = await run(['node', 'add', 'bee2', address], { home });
      assert.strictEqual(r.code, 2, r.stderr);
      assert.deepStrictEqual([text('config.ini'), JSON.parse(text('nodes.json'))], before, address);
    }
    fs.writeFileSync(at('config.ini'), `[nodes]\n${Array.from({ length: 256 }, (_, i) => `n${i} = h`).join('\n')}\n`);
    for (const place of ['https://10.0.0.1', line]) { // one too many: nothing is asked, so no code is spent
      const r = await run(['node', 'add', 'bee3', place], { home });
      assert.strictEqual(r.code, 2, r.stderr); // it was INTERNAL, with a line that is not in the file
      assert.match(r.stderr, /^rbee-keeper: INVALID_REQUEST: \S+ lists 256 nodes, which is the most; `rbee-keeper node rm` makes room$/m);
      assert.doesNotMatch(r.stderr, /CONNECTION/);
    }
    assert.deepStrictEqual(JSON.parse(text('nodes.json')), before[1]);
  });

  /* Another keeper held the home's lock: Ctrl+C was not heard, and the change was made all the same. */
  test('Ctrl+C while the home is locked: nothing is changed', { skip: noFlock }, async () => {
    for (const args of [['node', 'add', 'a', '10.1.1.1'], ['keys', 'create']]) {
      const home = makeHome(), lock = path.join(home, '.lock'), letGo = await hold(lock);
      const r = start(args, { home });
      try {
        await until(() => fs.readdirSync(`/proc/${r.child.pid}/fd`).some((fd) => linkOf(r.child.pid, fd) === fs.realpathSync(lock)), 'it waits for the lock');
        r.child.kill('SIGINT');
        await r.done;
      } finally {
        await letGo();
      }
      assert.deepStrictEqual([r.code, r.stderr], [130, 'Cancelled.\n']);
      assert.deepStrictEqual(fs.readdirSync(home), ['.lock']);
    }
  });

  /* It stood in the process list, for all accounts of the machine, while the hive was waited for: up to 20 s in
   * which it could be used by another. */
  test('the code of a pairing line is in no list of processes, and may come by stdin', async (t) => {
    let come;
    const silent = net.createServer((socket) => { socket.on('error', () => {}); come(); });
    await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
    t.after(() => silent.close());
    const pin = 'ab'.repeat(32), code = 'tkskohzkwj3j3jtaevhk', place = `rbee://127.0.0.1:${silent.address().port}/`, line = `${place}${pin}/${code}`;
    for (const [word, input] of [[line], ['-', `some word\nrbee-keeper node add NAME ${line} \n`]]) {
      const connected = new Promise((resolve) => { come = resolve; });
      const r = start(['node', 'add', 'bee2', word], { input });
      await Promise.race([connected, r.done.then(() => assert.fail(r.stderr))]);
      const list = fs.readFileSync(`/proc/${r.child.pid}/cmdline`, 'latin1').split('\0');
      r.interrupt();
      await r.done;
      assert.strictEqual(list[4], word === '-' ? '-' : place + 'x'.repeat(`${pin}/${code}`.length));
      assert.strictEqual(r.code, 130, r.stderr);
    }
    for (const input of ['', 'rbee-keeper node add NAME\n', `${place}${'a'.repeat(2000)}\n`]) {
      const r = await run(['node', 'add', 'bee2', '-'], { input });
      assert.strictEqual(r.code, 2, r.stderr);
      assert.match(r.stderr, /rbee-hive pair/);
    }
  });

  /* The code of a pairing line works once: it was spent, and then the file could not be written. */
  test('files that cannot be written are found before a pairing code is spent', async () => {
    const home = makeHome(), port = await deadPort();
    fs.writeFileSync(path.join(home, 'nodes.json'), '{}', { mode: 0o644 });
    fs.chmodSync(path.join(home, 'nodes.json'), 0o644);
    const line = `rbee://127.0.0.1:${port}/${'ab'.repeat(32)}/tkskohzkwj3j3jtaevhk`;
    const r = await run(['node', 'add', 'bee', line], { home });
    assert.notStrictEqual(r.code, 0);
    assert.match(r.stderr, /chmod 600/, r.stderr);
    assert.doesNotMatch(r.stderr, /CONNECTION|rbee's fault/);
    assert.ok(!fs.existsSync(path.join(home, 'config.ini')), 'no address without its secret');
  });
});

describe('a stdout that is closed', () => {
  test('the job is cancelled and the end is quiet', async () => {
    fake.on('POST /v1/inference', (req, res, body) => {
      let i = 0;
      sseHead(res);
      res.write(event(started(body)));
      const timer = setInterval(() => res.write(event(token(`line ${i}\n`, i++))), 10);
      res.on('close', () => clearInterval(timer));
    });
    const shell = spawn('bash', ['-c',
      `set -o pipefail; "$0" infer --node ${fake.node} --prompt x --quiet | head -1; echo "exit $?"`, KEEPER],
    { env: { ...process.env, RBEE_HOME: makeHome() }, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '', err = '';
    shell.stdout.on('data', (d) => { out += d; });
    shell.stderr.on('data', (d) => { err += d; });
    await new Promise((resolve) => shell.on('close', resolve));
    assert.strictEqual(out, 'line 0\nexit 141\n');
    assert.strictEqual(err, '');
    assert.strictEqual(fake.of('DELETE', '/v1/inference/').length, 1);
  });

  test('a full disk is an error with a name', async () => {
    const full = fs.openSync('/dev/full', 'w');
    const child = spawn(KEEPER, ['infer', '--node', fake.node, '--prompt', 'x'],
      { env: { ...process.env, RBEE_HOME: makeHome() }, stdio: ['ignore', full, 'pipe'] });
    let err = '';
    child.stderr.on('data', (d) => { err += d; });
    const code = await new Promise((resolve) => child.on('close', resolve));
    fs.closeSync(full);
    assert.strictEqual(code, 1);
    assert.match(err, /DISK_FULL: cannot write to standard output/);
  });

  test('help that cannot be written was not given', () => { // it was exit 0, and an empty file
    const full = fs.openSync('/dev/full', 'w');
    for (const args of [['--help'], ['--version'], ['infer', '--help']]) {
      const r = spawnSync(KEEPER, args, { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' });
      assert.strictEqual(r.status, 1, args.join(' '));
      assert.match(r.stderr, /^rbee-keeper: cannot write to standard output: No space left/);
    }
    fs.closeSync(full);
  });
});

describe('closed descriptors', () => {
  const shell = (redirection) => new Promise((resolve) => {
    const child = spawn('bash', ['-c', `"$0" infer --node ${fake.node} --prompt x ${redirection}`, KEEPER],
      { env: { ...process.env, RBEE_HOME: makeHome() }, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '', err = '';
    child.stdout.on('data', (d) => { out += d; });
    child.stderr.on('data', (d) => { err += d; });
    child.on('close', (code) => resolve({ code, out, err }));
  });

  test('a stdout that was never open is an error, and no socket takes its place', async () => {
    const r = await shell('>&-');
    assert.strictEqual(r.code, 1);
    assert.match(r.err, /cannot write to standard output: Bad file descriptor/);
  });

  test('a stderr that was never open harms nothing', async () => {
    const r = await shell('2>&- <&-');
    assert.strictEqual(r.code, 0);
    assert.strictEqual(r.out, 'Once upon a time\n');
  });
});

describe('on a terminal', () => {
  test('marks, one redrawn line, and no words of others that move the cursor', { skip: noTerminal }, async () => {
    fake.on('POST /v1/models/download', (req, res) => json(res, 200, { download_id: 'd-1', local_path: null }));
    fake.on('GET /v1/models/download/progress', (req, res) => {
      sseHead(res);
      res.write(event({ stage: 'downloading', bytes_downloaded: 250000, bytes_total: 1000000 }));
      setTimeout(() => res.end(event({ stage: 'complete', local_path: '/m/\x1b[2Jx.gguf' }) + event('[DONE]')), 150);
    });
    fake.on('POST /v1/inference', (req, res, body) =>
      sse(res, [started(body), token('red \x1b[31m', 0), token('\u009bbell\x07', 1), end(2)]));
    const { code, screen } = await runOnTerminal(['infer', '--node', fake.node, '--prompt', 'x', '--model', 'hf:org/repo']);
    assert.strictEqual(code, 0, screen);
    assertOrder(screen, ['\x1b[32m✓\x1b[0m Pool health check', '\rDownloading repo', '█', '25%', '\x1b[K',
      'Model downloaded', '✓\x1b[0m Worker spawning', 'red ?[31m?bell?\r\n', '2 tokens']);
    assertNoForeignEscapes(screen.replace(/\r/g, ''));
  });

  test('NO_COLOR: plain ASCII', { skip: noTerminal }, async () => {
    const { code, screen } = await runOnTerminal(['infer', '--node', fake.node, '--prompt', 'x'], { env: { NO_COLOR: '1' } });
    assert.strictEqual(code, 0);
    assert.match(screen, /ok Pool health check/);
    assert.match(screen, /^[\x20-\x7e\r\n]*$/);
  });

  test('an error from elsewhere is data', { skip: noTerminal }, async () => {
    fake.on('POST /v1/workers/spawn', (req, res) => error(res, 500, 'INTERNAL', 'a\x1b]0;owned\x07b\u009b31m'));
    const { code, screen } = await runOnTerminal(['infer', '--node', fake.node, '--prompt', 'x']);
    assert.strictEqual(code, 1);
    assert.match(screen, /INTERNAL: a\?\]0;owned\?b\?31m/);
    assertNoForeignEscapes(screen.replace(/\r/g, ''));
  });

  test('no prompt and a terminal as stdin: asks for one', { skip: noTerminal }, async () => {
    const { code, screen } = await runOnTerminal(['infer', '--node', fake.node]);
    assert.strictEqual(code, 2);
    assert.match(screen, /--prompt TEXT is needed/);
  });
});

describe('workers', () => {
  const two = () => ({ workers: [fake.worker(), fake.worker({ worker_id: 'worker-22222222-0000-4000-8000-000000000000',
    started_at: '2026-01-02T00:00:00.000Z', model_ref: 'hf:a/b\x1b[31m', state: 'busy', slots_busy: 3 })] });

  test('list: a table', async () => {
    fake.on('GET /v1/workers/list', (req, res) => json(res, 200, two()));
    const r = await run(['workers', 'list', '--node', fake.node]);
    assert.strictEqual(r.code, 0);
    const lines = r.stdout.split('\n');
    assert.match(lines[0], /^WORKER +MODEL +DEVICE +STATE +BUSY +CTX +IDLE +URL +SANDBOX$/);
    assert.match(lines[1], /^worker-11111111 +tiny +cpu:0 +idle +0\/4 +2048 +1 s +http:/);
    assert.match(lines[2], /hf:a\/b\?\[31m/);
  });

  test('list: how long each is idle, in the unit that says it in few digits', async () => {
    const [s, min, h] = [1000, 60000, 3600000];
    const ages = [[-1, '-'], [0, '0 s'], [2 * min - 1, '119 s'], [2 * min, '2 min'], [61 * min, '61 min'], [2 * h - 1, '119 min'], [2 * h, '2 h'],
      [50 * h + 59 * min + 59 * s, '50 h']];
    fake.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers: ages.map(([ms]) => fake.worker({ last_activity_ms_ago: ms })) }));
    const r = await run(['workers', 'list', '--node', fake.node]), lines = r.stdout.trimEnd().split('\n');
    const [from, to] = ['IDLE', 'URL'].map((head) => lines[0].indexOf(head));
    assert.deepStrictEqual(lines.slice(1).map((line) => line.slice(from, to).trimEnd()), ages.map(([, text]) => text));
  });

  test('list: JSON, and none', async () => {
    const none = await run(['workers', 'list', '--node', fake.node]);
    assert.strictEqual(none.stdout, 'No worker is running.\n');
    fake.on('GET /v1/workers/list', (req, res) => json(res, 200, two()));
    const r = await run(['workers', 'list', '--node', fake.node, '--json']);
    assert.strictEqual(JSON.parse(r.stdout).workers.length, 2);
  });

  test('stop: by the beginning of an id, all, and none such', async () => {
    fake.on('GET /v1/workers/list', (req, res) => json(res, 200, two()));
    for (const id of [WORKER_ID, two().workers[1].worker_id]) {
      fake.on(`POST /v1/workers/${id}/shutdown`, (req, res) => json(res, 202, { worker_id: id, state: 'draining' }));
    }
    const one = await run(['workers', 'stop', '1111', '--node', fake.node]);
    assert.strictEqual(one.code, 0, one.stderr);
    assert.deepStrictEqual(fake.of('POST', '/').map((c) => c.path), [`/v1/workers/${WORKER_ID}/shutdown`]);
    fake.calls.length = 0;
    assert.strictEqual((await run(['workers', 'stop', 'all', '--node', fake.node])).code, 0);
    assert.strictEqual(fake.of('POST', '/').length, 2);
    fake.on(`POST /v1/workers/${WORKER_ID}/shutdown`, (req, res) => json(res, 202, { worker_id: WORKER_ID, state: 'failed' }));
    assert.strictEqual((await run(['workers', 'stop', '1111', '--node', fake.node])).stdout, 'worker-11111111 had failed already.\n');
    const many = await run(['workers', 'stop', 'worker-', '--node', fake.node]);
    assert.strictEqual(many.code, 1);
    assert.match(many.stderr, /NOT_FOUND: 2 workers/);
    assert.match((await run(['workers', 'stop', '99', '--node', fake.node])).stderr, /no worker at/);
  });
});

describe('models', () => {
  test('list: a table', async () => {
    fake.on('GET /v1/models', (req, res) => json(res, 200, { models: [{ model_ref: 'hf:a/b:Q8_0',
      local_path: '/m/x.gguf', size_bytes: 1234567, quantization: 'Q8_0', sha256: 'x', source: 'hf',
      downloaded_at: '2026-01-31T12:34:56.000Z', last_used_at: '2026-01-31T12:34:56.000Z', verified: true }] }));
    const r = await run(['models', 'list', '--node', fake.node]);
    assert.strictEqual(r.code, 0);
    assert.match(r.stdout, /^MODEL +TYPE +SIZE +LAST USED \(UTC\) +VERIFIED +FROM\nhf:a\/b:Q8_0 +Q8_0 +1\.2 MB +2026-01-31 12:34 +yes +hf\n$/);
  });

  test('show and rm name the model in the query', async () => {
    fake.on('GET /v1/models/show', (req, res) => json(res, 200, { model_ref: 'x', inspect: { architecture: 'llama' } }));
    fake.on('DELETE /v1/models', (req, res) => json(res, 200, { removed: 'hf:a/b', freed_bytes: 0 }));
    const r = await run(['models', 'show', 'hf:a/b:Q8_0@v1', '--node', fake.node]);
    assert.strictEqual(r.stdout, 'model_ref: x\ninspect:\n  architecture: llama\n');
    assert.strictEqual(fake.of('GET', '/v1/models/show')[0].query.get('model_ref'), 'hf:a/b:Q8_0@v1');
    // a path of over 690 bytes, which infer takes, was "too long for a request"; each of its bytes takes three there
    const deep = `/${'\u6a21'.repeat(338)}/x`;
    await run(['models', 'show', deep, '--node', fake.node]);
    assert.strictEqual(fake.of('GET', '/v1/models/show')[1].query.get('model_ref'), `file://${deep}`);
    const deeper = await run(['models', 'show', `${deep}yz`, '--node', fake.node]);
    assert.match(deeper.stderr, /^rbee-keeper: INVALID_MODEL_REF: the model's path has 1019 bytes, the limit is 1017/);
    const rm = await run(['models', 'rm', 'hf:a/b', '--force', '--node', fake.node]);
    assert.strictEqual(rm.code, 0, rm.stderr);
    assert.strictEqual(rm.stdout, 'Removed hf:a/b; it freed 0 B.\n');
    assert.strictEqual(fake.of('DELETE', '/v1/models')[0].query.get('force'), '1');
    fake.on('DELETE /v1/models', (req, res) => json(res, 200, { removed: 'hf:a/b', freed_bytes: 0, held_bytes: 53e6 }));
    const held = await run(['models', 'rm', 'hf:a/b', '--force', '--node', fake.node]);
    assert.strictEqual(held.stdout, 'Removed hf:a/b; 53.0 MB are free when its worker has ended.\n');
  });

  test('pull: cached, and a reference that makes no sense', async () => {
    fake.on('POST /v1/models/download', (req, res) => json(res, 200, { download_id: 'cached', local_path: '/m/x.gguf' }));
    const r = await run(['models', 'pull', 'hf:a/b', '--node', fake.node]);
    assert.strictEqual(r.code, 0);
    assert.match(r.stderr, /Model is there: \/m\/x\.gguf/);
    const bad = await run(['models', 'pull', 'a//b', '--node', fake.node]);
    assert.strictEqual(bad.code, 1);
    assert.match(bad.stderr, /^rbee-keeper: INVALID_MODEL_REF: /);
  });
});

/* Whatever is typed at that question but a yes deletes nothing. */
describe('prune asks a person', { skip: noTerminal }, () => {
  const items = [{ path: '/m/old.part', size_bytes: 1234567, why: 'nobody goes on with it' }];
  let t;
  afterEach(() => t.kill());
  const ask = async () => {
    fake.on('GET /v1/models/prune', (req, res) => json(res, 200, { plan: 'p-1', items, freed_bytes: 1234567, left_out: 0 }));
    fake.on('POST /v1/models/prune', (req, res, body) => json(res, 200, { plan: body.plan, items, freed_bytes: 1234567 }));
    t = new Terminal(['models', 'prune', '--node', fake.node]);
    await t.says(/\/m\/old\.part +1\.2 MB +nobody goes on with it\r\n[^]*Delete this, which frees 1\.2 MB\? \[y\/N\] $/);
  };
  const deleted = () => fake.of('POST', '/v1/models/prune').map((c) => c.body);

  for (const yes of ['y', 'Yes']) {
    test(`${yes} deletes what was shown`, async () => {
      await ask();
      t.enter(yes);
      await t.says(/Deleted; 1\.2 MB are free again\./);
      assert.strictEqual(await t.end(), 0);
      assert.deepStrictEqual(deleted(), [{ plan: 'p-1' }]);
    });
  }

  for (const [what, keys] of [['n', `n${KEYS.enter}`], ['Enter', KEYS.enter], ['a word that is none', ` y${KEYS.enter}`],
    ['the end of input', KEYS.end]]) {
    test(`${what} deletes nothing`, async () => {
      await ask();
      t.keys(keys);
      await t.says(/\r\nNothing was deleted\.\r\n/); // it stood behind the question, as nobody had pressed Enter
      assert.strictEqual(await t.end(), 0);
      assert.deepStrictEqual(deleted(), []);
    });
  }

  test('Ctrl+C deletes nothing, and ends with 130', async () => {
    await ask();
    t.keys(KEYS.interrupt);
    assert.strictEqual(await t.end(), 130);
    assert.match(t.screen, /\r\nCancelled\.\r\n$/);
    assert.doesNotMatch(t.screen, /Nothing was deleted/);
    assert.deepStrictEqual(deleted(), []);
  });
});

describe('nodes, logs, config', () => {
  test('add, list, use and rm of a node', async () => {
    const home = makeHome();
    const dead = await deadPort();
    const added = await run(['node', 'add', 'bee', fake.node], { home });
    assert.strictEqual(added.code, 0, added.stderr);
    assert.match(added.stdout, /bee is 127\.0\.0\.1:\d+ \(alive, 0\.1\.0\)/);
    const silent = await run(['node', 'add', 'gone', `127.0.0.1:${dead}`], { home });
    assert.strictEqual(silent.code, 0);
    assert.match(silent.stderr, /Added, but gone does not answer/);
    const list = await run(['node', 'list', '--json'], { home });
    const nodes = JSON.parse(list.stdout).nodes;
    assert.deepStrictEqual(nodes.filter((n) => n.name !== 'localhost').map((n) => [n.name, n.alive]),
      [['bee', true], ['gone', false]]);
    const used = await run(['infer', '--node', 'bee', '--prompt', 'x'], { home });
    assert.strictEqual(used.stdout, 'Once upon a time\n');
    assert.strictEqual((await run(['node', 'rm', 'gone'], { home })).code, 0);
    const again = await run(['node', 'rm', 'gone'], { home });
    assert.strictEqual(again.code, 1);
    assert.match(again.stderr, /gone/);
    assert.strictEqual((await run(['node', 'add', 'a b', 'x'], { home })).code, 2);
  });

  /* A power cut brought back a key that had been taken away, or took one with the code that it was got for. */
  test('add and rm of a node are on the disk when they are told', { skip: notSynced }, async () => {
    const home = makeHome(), settings = path.join(makeFolder(), 'rbee.ini');
    fs.writeFileSync(settings, '');
    fs.symlinkSync(settings, path.join(home, 'config.ini'));
    for (const words of [['add', 'far', `https://127.0.0.1:${await deadPort()}`], ['rm', 'far']]) {
      const { env, lost, renamed } = synced();
      const r = await run(['node', ...words], { home, env });
      assert.strictEqual(r.code, 0, r.stderr);
      assert.deepStrictEqual([...new Set(renamed())].sort(), [path.join(home, 'nodes.json'), settings].sort());
      assert.deepStrictEqual(lost(), [], words[0]);
    }
  });

  /* Its line was deleted in an editor: the key that lets in there stayed, and `node rm` knew of no such node. */
  test('rm of a node whose line is gone removes its key', async () => {
    const home = makeHome(), secrets = path.join(home, 'nodes.json');
    const entry = { tls: true, pin: 'a'.repeat(64), key: 'k'.repeat(43) };
    fs.writeFileSync(secrets, JSON.stringify({ bee: entry, other: entry }), { mode: 0o600 });
    const removed = await run(['node', 'rm', 'bee'], { home });
    assert.strictEqual(removed.code, 0, removed.stderr);
    assert.deepStrictEqual(Object.keys(JSON.parse(fs.readFileSync(secrets, 'utf8'))), ['other']);
    const again = await run(['node', 'rm', 'bee'], { home });
    assert.strictEqual(again.code, 1);
    assert.match(again.stderr, /bee/);
  });

  /* Each node has a row, whatever becomes of it: what it is called, where it is, what it says it is, and in a word why
   * it is of no use. Nothing of a list is an error: the command has shown it. */
  test('list: a table in which each node has its row', async (t) => {
    const home = makeHome(), long = `b${'-'.repeat(61)}e`; // no name may be longer
    const others = await Promise.all(Array.from({ length: 3 }, () => FakeHive.start())), [silent, web, old] = others;
    t.after(() => Promise.all(others.map((hive) => hive.stop())));
    silent.on('GET /v1/health', () => {});
    web.on('GET /v1/health', (req, res) => { res.writeHead(404); res.end('<html>'); });
    old.on('GET /v1/health', (req, res) => json(res, 200, { status: 'alive', version: '9.7.3\x1b[2J', api_version: 'v1' }));
    const gone = `127.0.0.1:${await deadPort()}`;
    fs.writeFileSync(path.join(home, 'config.ini'), `[nodes]\n${[[long, fake], ['still', silent], ['web', web], ['old', old]]
      .map(([name, hive]) => `${name} = ${hive.node}\n`).join('')}gone = ${gone}\nlocalhost = ${fake.node}\n`);
    const r = await run(['node', 'list'], { home });
    assert.deepStrictEqual([r.code, r.stderr], [0, '']);
    const lines = r.stdout.split('\n'), columns = ['NODE', 'ADDRESS', 'VERSION', 'STATE'].map((head) => lines[0].indexOf(head));
    assert.strictEqual(lines.pop(), '');
    const rows = lines.map((line) => columns.map((at, i) => line.slice(at, columns[i + 1])));
    for (const row of rows) for (const cell of row.slice(0, -1)) assert.match(cell, /\S {2,}$/, 'a column is wider than what is in it');
    assert.deepStrictEqual(rows.map((row) => row.map((cell) => cell.trimEnd())), [
      ['NODE', 'ADDRESS', 'VERSION', 'STATE'],
      [long, fake.node, VERSION, 'alive'],
      ['still', silent.node, '-', 'CONNECTION_TIMEOUT'],
      ['web', web.node, '-', 'answers, but is no rbee-hive'],
      ['old', old.node, '9.7.3?[2J', `alive, but this keeper is ${VERSION}`],
      ['gone', gone, '-', 'CONNECTION_REFUSED'],
      ['localhost', fake.node, VERSION, 'alive']]);
    assert.doesNotMatch(r.stdout, / $/m, 'no blanks at the end of a line');
    const listed = fs.readFileSync(path.join(home, 'config.ini'), 'utf8'), longer = await run(['node', 'add', `${long}e`, fake.node], { home });
    assert.strictEqual(longer.code, 2, longer.stderr);
    assert.match(longer.stderr, /63/, 'it says how long a name may be');
    assert.strictEqual(fs.readFileSync(path.join(home, 'config.ini'), 'utf8'), listed);
  });

  test('list: who knows no node has this machine', async () => {
    const r = await run(['node', 'list']);
    assert.strictEqual(r.code, 0, r.stderr);
    assert.match(r.stdout, /^NODE +ADDRESS +VERSION +STATE\nlocalhost +localhost:8080 +\S+ +\S[^\n]*\n$/);
  });

  test('a program that is no hive is not alive, in the JSON neither', async () => {
    const home = makeHome();
    fake.on('GET /v1/health', (req, res) => json(res, 200, {}));
    fs.writeFileSync(path.join(home, 'config.ini'), `[nodes]\nlocalhost = ${fake.node}\n`);
    const [node] = JSON.parse((await run(['node', 'list', '--json'], { home })).stdout).nodes;
    assert.deepStrictEqual([node.alive, node.state], [false, 'answers, but is no rbee-hive']);
  });

  /* The newest is the last of the list. By the clock it was one that had started before the clock was set back. */
  test('logs: of the newest worker, of a named one, of none', async () => {
    const none = await run(['logs', '--node', fake.node]);
    assert.strictEqual(none.code, 1);
    assert.match(none.stderr, /no worker is running/);
    fake.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers: [
      fake.worker({ worker_id: 'worker-old', started_at: '2099-01-01T00:00:00.000Z' }), fake.worker()] }));
    fake.on(`GET /v1/workers/${WORKER_ID}/log`, (req, res) => { res.writeHead(200); res.end('line 1\nline 2'); });
    const r = await run(['logs', '--node', fake.node, '--lines', '2']);
    assert.strictEqual(r.stdout, 'line 1\nline 2\n');
    assert.strictEqual(fake.of('GET', `/v1/workers/${WORKER_ID}/log`)[0].query.get('lines'), '2');
    assert.strictEqual((await run(['logs', 'worker-1111', '--node', fake.node])).code, 0);
  });

  test('config: each value and where it came from', async () => {
    const home = makeHome();
    fs.writeFileSync(path.join(home, 'config.ini'), '[hive]\nslots = 3\n');
    const r = await run(['config', '--json'], { home, env: { RBEE_KEEPER_NODE: 'bee' } });
    const options = JSON.parse(r.stdout).options;
    const find = (section, key) => options.find((o) => o.section === section && o.key === key);
    assert.strictEqual(find('keeper', 'node').value, 'bee');
    assert.match(find('keeper', 'node').from, /RBEE_KEEPER_NODE/);
    assert.strictEqual(find('hive', 'slots').value, '3');
    assert.match(find('hive', 'slots').from, /config\.ini/);
    assert.strictEqual(find('hive', 'addr').from, 'default');
    const table = await run(['config'], { home });
    assert.match(table.stdout, /^hive\.slots +3 +\S*config\.ini/m);
  });
});

test('a chore whose stream ends without a word of how it went is an error with a sentence', async () => {
  fake.on('POST /v1/models/verify', (req, res) => sse(res, [{ stage: 'hashing', name: 'x', bytes_done: 1, bytes_total: 2 }]));
  const r = await run(['models', 'verify', '--node', fake.node]);
  assert.strictEqual(r.code, 1);
  assert.match(r.stderr, /INTERNAL: the hive ended its account without a word of how it went/);
});

test('a hive with too much to do is asked again, and a chore that waits there says so', async () => {
  const full = (req, res) => error(res, 503, 'QUEUE_TIMEOUT', '64 wait', {}, { 'Retry-After': '0' });
  let asked = 0;
  fake.on('POST /v1/models/import', (req, res) => (++asked < 3 ? full(req, res) : sse(res, [
    { stage: 'waiting', name: 'x.gguf', bytes_done: 0, bytes_total: 2e9 },
    { stage: 'imported', model_ref: 'local:x', name: 'x.gguf', local_path: '/x', how: 'copy', size_bytes: 2, sha256: 'a' },
    { stage: 'complete', imported: 1, failed: 0 }])));
  const r = await run(['models', 'import', '/tmp/x.gguf', '--node', fake.node]);
  assert.strictEqual(r.code, 0, r.stderr);
  assert.match(r.stderr, /64 wait; trying again, 5 times at most/);
  assert.match(r.stderr, /^Waiting for its turn: x\.gguf {2}.* 0%/m);

  asked = 0;
  fake.on('POST /v1/models/download', (req, res) => (++asked < 3 ? full(req, res) : json(res, 200, { download_id: 'cached', local_path: '/x' })));
  const pulled = await run(['models', 'pull', 'hf:a/b', '--node', fake.node]);
  assert.deepStrictEqual([pulled.code, asked], [0, 3], pulled.stderr);
  assert.match(pulled.stderr, /64 wait; trying again, 5 times at most/);
});

/* Exit 2 is for a command that was typed wrong; of these only the hive knew that they could not be. */
test('a chore that the hive refuses for the model that is named is an error, not a usage error', async () => {
  const refuse = (req, res) => error(res, 400, 'INVALID_REQUEST', 'x was neither downloaded nor imported');
  fake.on('POST /v1/models/verify', refuse).on('POST /v1/models/export', refuse);
  for (const args of [['verify', 'tiny'], ['export', 'tiny', '/tmp/x']]) {
    const r = await run(['models', ...args, '--node', fake.node]);
    assert.strictEqual(r.code, 1, r.stderr);
    assert.match(r.stderr, /INVALID_REQUEST: x was neither downloaded nor imported/);
  }
});

/* ... but where it names fields, what was typed was wrong; and a name that is none needs no hive to say so. */
test('a name for an import that is none is a usage error', async () => {
  for (const as of ['', 'a b', '..']) {
    const r = await run(['models', 'import', '/tmp/x.gguf', '--as', as, '--node', fake.node]);
    assert.strictEqual(r.code, 2, r.stderr);
    assert.match(r.stderr, /^rbee-keeper models import: --as/);
  }
  assert.strictEqual(fake.calls.length, 0);
  fake.on('POST /v1/models/import', (req, res) => error(res, 400, 'INVALID_REQUEST', 'One field fails.', {
    errors: [{ field: 'as', constraint: 'c', message: 'as is long.' }] }));
  assert.strictEqual((await run(['models', 'import', '/tmp/x.gguf', '--as', 'x', '--node', fake.node])).code, 2);
});

/* `models import --scan hf-cache` showed Ollama's store, too. */
test('an import that is only to be shown takes nothing beside it', async () => {
  for (const more of [['hf-cache'], ['--as', 'x'], ['--copy'], ['--move']]) {
    const r = await run(['models', 'import', '--scan', ...more, '--node', fake.node]);
    assert.strictEqual(r.code, 2, r.stdout);
    assert.match(r.stderr, /--scan takes nothing in/);
  }
  assert.strictEqual(fake.calls.length, 0);
});

/* All of them said "`rbee-keeper workers list` shows the workers", of nodes, keys and downloads too. */
test('what is not there: the hint says where to look for the like of it', async () => {
  fake.on('GET /v1/models/downloads', (req, res) => json(res, 200, { downloads: [] }));
  for (const [args, hint] of [[['node', 'rm', 'x'], 'node list'], [['keys', 'revoke', 'abcdef'], 'keys list'],
    [['models', 'cancel', 'x', '--node', fake.node], 'models downloads'], [['workers', 'stop', 'x', '--node', fake.node], 'workers list'],
    [['security', 'verify', '/nowhere'], "that hive's home"]]) {
    const r = await run(args);
    assert.strictEqual(r.code, 1, r.stderr);
    assert.match(r.stderr, /^rbee-keeper: NOT_FOUND: /);
    assert.ok(r.stderr.split('\n')[1].includes(hint), r.stderr);
  }
});

test('a file that cannot be imported: what to do about it stands behind it', async () => {
  fake.on('POST /v1/models/import', (req, res) => sse(res, [
    { stage: 'error', name: 'x.gguf', code: 'INVALID_MODEL_FILE', message: 'no magic' },
    { stage: 'error', name: 'y.gguf', code: 'INTERNAL', message: 'cannot open it' }, { stage: 'complete', imported: 0 }]));
  const r = await run(['models', 'import', '/tmp/x.gguf', '--node', fake.node]);
  assert.strictEqual(r.code, 1);
  assert.match(r.stderr, /^x\.gguf: INVALID_MODEL_FILE: no magic\nThe file is damaged or no GGUF: .*models rm MODEL/m);
  assert.match(r.stderr, /^y\.gguf: INTERNAL: cannot open it\nSee to what it names, and try again\.$/m);
});

test('the range of a large number is told in full', async () => {
  const r = await infer(['--seed', 'x']).done;
  assert.match(r.stderr, /--seed takes a whole number from 0 to 9007199254740991, not 'x'/); // it was 9.007199255e+15
});

/* `models import *.gguf` hands over what files are called: of the second, as of each word that no command takes, the
 * name went to the terminal as it is. */
test('no word that was typed moves the cursor', () => {
  const evil = 'b\x1b]0;PWNED\x07\x1b[2J\xc2\x9b.gguf';
  for (const [program, ...args] of [[KEEPER, 'models', 'import', 'a.gguf', evil], [KEEPER, evil], [KEEPER, 'models', evil],
    [KEEPER, 'infer', '--temperature', evil], [KEEPER, 'infer', `--${evil}`], [HIVE, evil], [HIVE, 'daemon', evil],
    [WORKER, evil], [WORKER, 'tokenize', '--model', evil]]) {
    const r = spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, RBEE_HOME: makeHome() } });
    assert.ok(r.status > 0, `${args}: ${r.status}`);
    assert.match(r.stderr, /PWNED/);
    assert.doesNotMatch(r.stdout + r.stderr, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/, JSON.stringify(args));
  }
});
