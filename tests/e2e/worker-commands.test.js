// The worker's commands that need no server: inspect, tokenize, detokenize, run, bench; as a person
// would type them. Expected texts and ids come from the models' own authors (RBEE_TEST_DATA).
'use strict';
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { spawn, spawnSync } = require('node:child_process');
const { WORKER, DATA, makeFolder } = require('./lib/proc.js');
const { writeHollowModel, writeDamagedModel } = require('./lib/gguf.js');
const { noTerminal } = require('./lib/keeper.js');

const stories = path.join(DATA, 'stories260K/stories260K.gguf');
const vocab = (name) => path.join(DATA, `vocab/ggml-vocab-${name}.gguf`);
const skip = fs.existsSync(stories) ? false : 'RBEE_TEST_DATA is not here';

function worker(args, input = '') {
  const run = spawnSync(WORKER, args, { input, timeout: 60000 });
  return { status: run.status, stdout: run.stdout, stderr: run.stderr.toString() };
}

/* What a terminal shows of a command line of the worker. */
function onTerminal(line) {
  const run = spawnSync('script', ['-qec', `'${WORKER}' ${line}`, '/dev/null'], { timeout: 60000 });
  return run.stdout.toString().replaceAll('\r\n', '\n');
}

/* Fails with one sentence on stderr and nothing on stdout. */
function refused(args, status, words, input) {
  const run = worker(args, input);
  assert.strictEqual(run.status, status, run.stderr);
  assert.strictEqual(run.stdout.length, 0);
  assert.match(run.stderr, words);
  assert.strictEqual(run.stderr.trim().split('\n').length, 1, run.stderr);
}

test('tokenize gives the published ids of the published texts', { skip }, () => {
  for (const name of ['llama-spm', 'qwen2']) {
    const texts = fs.readFileSync(vocab(name) + '.inp', 'utf8').split('\n__ggml_vocab_test__\n');
    const ids = fs.readFileSync(vocab(name) + '.out', 'utf8').split('\n');
    for (const i of [0, 1, 7, 20, 33, 45]) {
      const run = worker(['tokenize', '--model', vocab(name)], texts[i]);
      assert.strictEqual(run.status, 0, run.stderr);
      assert.strictEqual(run.stdout.toString().trim(), ids[i].trim(), `${name}, text ${i}`);
    }
  }
});

test('detokenize gives back every byte that was tokenized', { skip }, () => {
  const bytes = Buffer.concat([Buffer.from('Hello, wörld \u{1F600}\n\t'), Buffer.from([0, 0xff, 0xc3])]);
  for (const name of ['llama-spm', 'phi-3', 'qwen2', 'gpt-2']) {
    const ids = worker(['tokenize', '--model', vocab(name)], bytes);
    const text = worker(['detokenize', '--model', vocab(name)], ids.stdout);
    assert.deepStrictEqual(text.stdout, bytes, name);
  }
});

test('special tokens are added, parsed and shown only when asked for', { skip }, () => {
  const model = vocab('llama-spm');
  const ids = (text, ...flags) =>
    worker(['tokenize', '--model', model, ...flags], text).stdout.toString().trim();
  assert.strictEqual(ids('Hello'), '15043');
  assert.strictEqual(ids('Hello', '--add-special'), '1 15043');
  assert.strictEqual(ids('', '--add-special'), '1');
  assert.strictEqual(ids(''), '');
  assert.ok(ids('</s>').split(' ').length > 1);
  assert.strictEqual(ids('</s>', '--parse-special').split(' ').at(-1), '2');
  assert.strictEqual(worker(['detokenize', '--model', model], '1 15043').stdout.toString(), 'Hello');
  assert.strictEqual(worker(['detokenize', '--special', '--model', model], '1').stdout.toString(), '<s>');
});

/* The model file was opened as descriptor 0, and its own bytes were what was tokenized. */
test('a standard input that is closed is an empty one', { skip }, () => {
  const run = spawnSync('/bin/sh', ['-c', 'exec "$0" tokenize --model "$1" <&-', WORKER, stories], { encoding: 'utf8' });
  assert.deepStrictEqual([run.status, run.stdout.trim(), run.stderr], [0, '', '']);
});

/*
 * "Resource temporarily unavailable", and half of the text: whoever starts a command may have made its standard input
 * and output descriptors that do not block, and be a little late with the one or the other.
 */
const LATE = `
import array, fcntl, os, subprocess, sys, termios, time
def pipe(end):
    ends = os.pipe()
    os.set_blocking(ends[end], False)
    return ends
def waiting(fd):
    n = array.array('i', [0])
    fcntl.ioctl(fd, termios.FIONREAD, n)
    return n[0]
def until(ask):
    while p.poll() is None and not ask(): time.sleep(0.002)
def sleeps():
    return open(f'/proc/{p.pid}/stat').read().rsplit(')', 1)[1].split()[0] == 'S'
(in_r, in_w), (out_r, out_w) = pipe(0), pipe(1)
p = subprocess.Popen(sys.argv[1:], stdin=in_r, stdout=out_w)
os.close(out_w)
half = b'300 ' * 13000
os.write(in_w, half)
until(lambda: waiting(in_r) == 0 and sleeps())
if p.poll() is None: os.write(in_w, half)
os.close(in_w)
until(lambda: waiting(out_r) > 65536 - 4096)
while piece := os.read(out_r, 65536): sys.stdout.buffer.write(piece)
sys.exit(p.wait())
`;
test('descriptors that do not block are waited for', { skip }, () => {
  const args = ['detokenize', '--model', stories], whole = worker(args, '300 '.repeat(26000)).stdout;
  assert.ok(whole.length > 65536, `${whole.length} bytes`); // more than a pipe holds
  const late = spawnSync('python3', ['-c', LATE, WORKER, ...args], { timeout: 60000 });
  assert.deepStrictEqual([late.status, late.stderr.toString()], [0, '']);
  assert.ok(late.stdout.equals(whole), `${late.stdout.length} bytes of ${whole.length}`);
});

test('detokenize refuses what is no id', { skip }, () => {
  refused(['detokenize', '--model', vocab('qwen2')], 1, /'12x' is no token id/, '5 12x');
  refused(['detokenize', '--model', vocab('qwen2')], 1, /the ids hold a NUL at byte 2/, '5 \0 6'); // all behind it was left out, exit 0
  refused(['detokenize', '--model', vocab('llama-spm')], 1, /id 2 is 32000, but .* 32000 tokens/, '5 32000');
});

test('inspect prints one JSON object', { skip }, () => {
  const run = worker(['inspect', stories]);
  const told = JSON.parse(run.stdout);
  assert.strictEqual(run.status, 0, run.stderr);
  assert.strictEqual(told.architecture, 'llama');
  assert.strictEqual(told.supported, true);
  assert.strictEqual(told.reason, null);
  assert.strictEqual(told.file_bytes, fs.statSync(stories).size);
  assert.strictEqual(told.context_length, 2048);
  assert.strictEqual(told.kv_bytes_per_token, 5 * 4 * 8 * 2 * 2); // layers, heads, size, K and V, half floats
  assert.deepStrictEqual(told.tensor_types,
    [{ type: 'F32', supported: true, tensors: 48, bytes: 1171200 }]);
});

test('inspect tells of a file that cannot be run why', { skip }, () => {
  const told = JSON.parse(worker(['inspect', vocab('phi-3')]).stdout);
  assert.strictEqual(told.supported, false);
  assert.match(told.reason, /'phi3' is not supported; llama, qwen2, bert and nomic-bert are/);
});

test('a file that is no model, or not there, is an error', () => {
  refused(['inspect', '/nonexistent.gguf'], 1, /^llm-worker-rbee: .*\/nonexistent\.gguf/);
  const judged = worker(['inspect', __filename]); // a hive is told in JSON that it is the file's fault
  assert.strictEqual(judged.status, 1);
  assert.match(judged.stderr, /^llm-worker-rbee: .*not a GGUF file/);
  const { supported, damaged, reason } = JSON.parse(judged.stdout);
  assert.deepStrictEqual([supported, damaged, `llm-worker-rbee: ${reason}\n`], [false, true, judged.stderr]);
  refused(['run', '--model', __filename, '--prompt', 'x'], 1, /not a GGUF file/);
  refused(['bench', '--model', __filename], 1, /not a GGUF file/);
});

test('wrong words are usage errors', () => {
  refused(['inspect'], 2, /a FILE is needed/);
  refused(['tokenize'], 2, /--model FILE is needed/);
  refused(['run', '--model', 'x'], 2, /one of --prompt TEXT and --prompt-ids IDS is needed/);
  refused(['run', '--model', 'x', '--prompt', 'x', '--temperature', '3'], 2, /from 0 to 2, not '3'/);
  refused(['run', '--modle', 'x'], 2, /did you mean '--model'/);
});

test('run continues a prompt, the same under every seed when greedy', { skip }, () => {
  const golden = fs.readFileSync(path.join(DATA, 'stories260K/greedy-200-steps.txt'), 'utf8');
  const args = ['run', '--model', stories, '--prompt', 'Once upon a time', '--max-tokens', '40'];
  for (const seed of ['1', '2']) {
    const run = worker([...args, '--temperature', '0', '--seed', seed, '--chunk', '2']);
    const text = run.stdout.toString().slice(0, -1);
    assert.strictEqual(run.status, 0, run.stderr);
    assert.ok(text.length > 60 && golden.startsWith('Once upon a time' + text), text);
    assert.match(run.stderr, /40 tokens in .* MAX_TOKENS, seed/);
  }
  const draw = (seed) => worker([...args, '--seed', seed, '--temperature', '1.2']).stdout.toString();
  assert.strictEqual(draw('5'), draw('5'));
  assert.notStrictEqual(draw('5'), draw('6'));
});

test('run gives the scores of every token as JSON lines', { skip }, () => {
  const run = worker(['run', '--model', stories, '--prompt-ids', '1 403 407 261', '--max-tokens', '3',
    '--temperature', '0', '--top-logprobs', '512']);
  const rows = run.stdout.toString().trim().split('\n').map((line) => JSON.parse(line));
  assert.deepStrictEqual(rows.map((row) => row.pos), [1, 2, 3, 4, 5, 6]);
  assert.deepStrictEqual(rows.slice(0, 3).map((row) => row.token), [403, 407, 261]);
  for (const row of rows) {
    const sum = row.top.reduce((s, [, logprob]) => s + Math.exp(logprob), 0);
    assert.ok(Math.abs(sum - 1) < 1e-3, `probabilities add up to ${sum}`);
    assert.strictEqual(row.top.find(([id]) => id === row.token)[1], row.logprob);
  }
  for (const row of rows.slice(3)) assert.strictEqual(row.top[0][0], row.token);
});

/* It went on behind an end: a file may ask for EOS behind every text, which is meant for texts that are whole. */
test('run puts no end behind a prompt', () => {
  const file = path.join(makeFolder(), 'adds-eos.gguf');
  writeHollowModel(file, { layers: 1, addEos: true });
  const whole = worker(['tokenize', '--model', file, '--add-special'], 'ab').stdout.toString();
  const run = worker(['run', '--model', file, '--prompt', 'ab', '--max-tokens', '1', '--temperature', '0', '--top-logprobs', '1']);
  const rows = run.stdout.toString().trim().split('\n').map((line) => JSON.parse(line));
  assert.deepStrictEqual(whole.trim(), '28 26 0 1 29');
  assert.deepStrictEqual(rows.map((row) => row.token), [26, 0, 1, 0], run.stderr); // behind BOS: the prompt's, and the first of the answer
});

test('run tells how long each phase took, and they add up', { skip }, () => {
  const began = process.hrtime.bigint();
  const run = worker(['run', '--model', stories, '--prompt', 'Once', '--max-tokens', '3', '--timings']);
  const wall = Number(process.hrtime.bigint() - began) / 1e6;
  const line = run.stderr.toString().match(/timings in ms: (.*)/)[1];
  const phases = line.split(', ').map((phase) => phase.match(/^(.*) (\d+\.\d)$/).slice(1));
  assert.deepStrictEqual(phases.map(([name]) => name), ['start', 'header', 'weights', 'tokenizer',
    'engine', 'prompt', 'prefill', 'first token', 'total']);
  const total = Number(phases.pop()[1]);
  const sum = phases.reduce((s, [, ms]) => s + Number(ms), 0);
  assert.ok(Math.abs(sum - total) < 0.05 * 9, `${line}: together ${sum}`);
  assert.ok(total < wall, `${total} ms of ${wall}`);
});

test('run refuses a prompt that is longer than the context', { skip }, () => {
  refused(['run', '--model', stories, '--prompt', 'a b c d e f g', '--ctx', '3'], 1,
    /the prompt has \d+ tokens, but the context holds 3/);
  const ids = (n) => Array.from({ length: n }, (_, i) => i + 3).join(' '); // that many tokens
  refused(['run', '--model', stories, '--prompt-ids', ids(8), '--ctx', '8'], 1, /8 tokens, but the context holds 8, of which one/);
  const last = worker(['run', '--model', stories, '--prompt-ids', ids(5), '--ctx', '8', '--temperature', '0']);
  assert.match(last.stderr, /\b3 tokens\b.*the context is full/, 'prompt and answer fill it');
});

/* A template, and a token, set the title of the terminal; in a file or a pipe all bytes are as they were. */
test('a model moves no cursor', { skip: noTerminal }, () => {
  const folder = makeFolder(), title = '\x1b]0;pwned\x07';
  const [template, angry, vars, ids, model] = ['t', 'angry', 'vars', 'ids', 'm.gguf'].map((f) => path.join(folder, f));
  fs.writeFileSync(template, `hello ${title}\n{{ x }}\t\u009b31m\u00e9`);
  fs.writeFileSync(angry, `{{ raise_exception('one\ntwo ${title}') }}`);
  fs.writeFileSync(vars, '{"x": "\\u001b[2J"}');
  fs.writeFileSync(ids, `0 ${30 + 0x1b} ${30 + 0x07} 1`); // a, two bytes, b
  writeHollowModel(model);
  assert.strictEqual(onTerminal(`render --template '${template}' < '${vars}'`), 'hello ?]0;pwned?\n?[2J\t?31m\u00e9');
  assert.strictEqual(onTerminal(`detokenize -m '${model}' < '${ids}'`), 'a??b');
  const piped = worker(['render', '--template', template], '{"x": "y"}');
  assert.strictEqual(piped.stdout.toString(), `hello ${title}\ny\t\u009b31m\u00e9`, piped.stderr);
  refused(['render', '--template', angry], 1, /line 1: one two \?\]0;pwned\?$/m, '{}');
});

/* It printed random text. */
test('run says of a damaged model that it gives no numbers', () => {
  const file = path.join(makeFolder(), 'damaged.gguf');
  writeDamagedModel(file);
  const run = worker(['run', '-m', file, '-p', 'ab', '-n', '4']);
  assert.deepStrictEqual([run.status, run.stdout.toString()], [1, '\n'], run.stderr);
  assert.match(run.stderr, /behind \d tokens the model gives no numbers \(NaN\)/);
});

test('run ends with 130 on Ctrl+C, and keeps what was said', { skip }, async () => {
  const child = spawn(WORKER, ['run', '--model', stories, '--prompt', 'Once', '--max-tokens', '2000',
    '--temperature', '0', '--kernels', 'ref', '--threads', '1']);
  let stdout = '', stderr = '';
  child.stderr.on('data', (data) => { stderr += data; });
  child.stdout.on('data', (data) => {
    if (stdout === '') child.kill('SIGINT');
    stdout += data;
  });
  const status = await new Promise((resolve) => { child.on('close', resolve); });
  assert.strictEqual(status, 130, stderr);
  assert.match(stderr, /CANCELLED/);
  assert.ok(stdout.length > 0 && stdout.endsWith('\n'));
});

test('bench leaves out what was not asked for', { skip }, () => {
  const run = (prompt, gen) => worker(['bench', '--model', stories, '--prompt-tokens', prompt, '--gen-tokens', gen,
    '--repeat', '1']);
  const [first, second] = [JSON.parse(run('8', '0').stdout), JSON.parse(run('0', '4').stdout)];
  assert.ok(first.prefill_tokens_per_sec > 0 && !('decode_tokens_per_sec' in first));
  assert.ok(second.decode_tokens_per_sec > 0 && !('prefill_tokens_per_sec' in second));
  assert.strictEqual(run('0', '0').status, 2);
});

test('bench prints its figures as JSON', { skip }, () => {
  const run = worker(['bench', '--model', stories, '--threads', '1', '--prompt-tokens', '16',
    '--gen-tokens', '4', '--batch', '3', '--repeat', '2', '--depth', '8', '--kernels', 'ref']);
  const told = JSON.parse(run.stdout);
  assert.strictEqual(run.status, 0, run.stderr);
  assert.ok(told.prefill_tokens_per_sec > 0 && told.decode_tokens_per_sec > 0 && told.rss_bytes > 0);
  assert.ok(told.load_ms >= 0);
  assert.ok(told.prefill_min <= told.prefill_tokens_per_sec && told.prefill_tokens_per_sec <= told.prefill_max);
  assert.ok(told.decode_min <= told.decode_tokens_per_sec && told.decode_tokens_per_sec <= told.decode_max);
  // All weights (F32) but the norms, and the embedding, of which a token needs one row.
  const facts = JSON.parse(worker(['inspect', stories]).stdout);
  const others = (2 * facts.n_layers + 1 + facts.n_vocab) * facts.n_embd * 4;
  assert.strictEqual(told.token_bytes, facts.weight_bytes - others);
  assert.deepStrictEqual([told.kernels, told.threads, told.batch, told.model], ['ref', 1, 3, stories]);
});
