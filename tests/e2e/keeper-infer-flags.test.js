'use strict';
/*
 * keeper-infer-flags.test.js - what `rbee-keeper infer` takes beside a prompt: standard input, the
 * system's text, forms of answers, every sampling field. Against a hive and worker that note it.
 */
const { test, describe, before, after, beforeEach, afterEach } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { spawn } = require('node:child_process');

const { FakeHive, sse, started, token, end } = require('./lib/fakehive.js');
const { KEEPER, environment, makeHome, start } = require('./lib/keeper.js');
const { startHive } = require('./lib/hive.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { makeFolder } = require('./lib/proc.js');

let fake;
beforeEach(async () => { fake = await FakeHive.start(); });
afterEach(() => fake.stop());

const infer = (args = [], options) => start(['infer', '--node', fake.node, ...args], options);
const asked = () => fake.of('POST', '/v1/inference').map((c) => c.body);
const schema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };

describe('standard input', () => {
  test('is the prompt where there is no --prompt, and added to it by --stdin', async () => {
    await infer([], { input: 'a text\n' }).done;
    await infer(['--prompt', 'Sum up:', '--stdin'], { input: 'a text\n' }).done;
    await infer(['--stdin'], { input: 'a text\n' }).done;
    await infer(['--prompt', '-', '--stdin'], { input: 'a text\n' }).done;
    assert.deepStrictEqual(asked().map((b) => b.prompt), ['a text', 'Sum up:\n\na text', 'a text', 'a text']);
  });

  test('that never ends does not hold up a --prompt', async () => {
    // Jobs of schedulers inherit such pipes; reading them to their end would hang for ever.
    const child = spawn(KEEPER, ['infer', '--node', fake.node, '--prompt', 'Hello'],
      { env: environment({ RBEE_HOME: makeHome() }), stdio: ['pipe', 'ignore', 'ignore'] });
    const code = await new Promise((resolve) => child.on('close', resolve));
    child.stdin.destroy();
    assert.strictEqual(code, 0);
    assert.strictEqual(asked()[0].prompt, 'Hello');
  });

  test('that is not read, though somebody wrote into it, is told of', async () => {
    // dd waits for the first byte, and with it came the others.
    const child = spawn('sh', ['-c', `printf text | (dd bs=1 count=1 >/dev/null 2>&1; exec "$0" infer --node ${fake.node} --prompt Hello)`, KEEPER],
      { env: environment({ RBEE_HOME: makeHome() }), stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (data) => { said += data; });
    await new Promise((resolve) => child.on('close', resolve));
    assert.match(said, /Standard input is not read[^\n]*--stdin/);
    assert.strictEqual(asked()[0].prompt, 'Hello');
  });

  test('that is long in coming is waited for, and that is said', async () => {
    const child = spawn(KEEPER, ['infer', '--node', fake.node],
      { env: environment({ RBEE_HOME: makeHome() }), stdio: ['pipe', 'ignore', 'pipe'] });
    await new Promise((resolve) => {
      let said = '';
      child.stderr.on('data', (data) => { said += data; if (/Reading the prompt from standard input/.test(said)) resolve(); });
    });
    child.stdin.end('late');
    await new Promise((resolve) => child.on('close', resolve));
    assert.strictEqual(asked()[0].prompt, 'late');
  });

  test('of nothing, or too much, is refused with the limit', async () => {
    let r = await infer(['--stdin'], { input: '' }).done;
    assert.match(r.stderr, /prompt is empty/);
    r = await infer(['--prompt', 'x', '--stdin'], { input: Buffer.alloc(8 * 1024 * 1024, 'y') }).done;
    assert.match(r.stderr, /longer than 8388608 bytes/);
    assert.strictEqual(r.code, 2);
    assert.strictEqual(asked().length, 0);
  });
});

describe('conversations of one message', () => {
  test('--chat and --system make the prompt a message', async () => {
    await infer(['--chat', '--prompt', 'Hi']).done;
    await infer(['--system', 'Be brief.'], { input: 'Gr\u00fc\u00dfe\n' }).done;
    assert.deepStrictEqual(asked().map((b) => [b.prompt, b.messages]), [
      [undefined, [{ role: 'user', content: 'Hi' }]],
      [undefined, [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Gr\u00fc\u00dfe' }]]]);
  });

  test('thoughts are set apart, and left out by --quiet', async () => {
    fake.on('POST /v1/inference', (req, res, body) => sse(res, [started(body),
      { type: 'reasoning', t: 'hm', i: 0 }, token('Yes', 1), end(2, 'EOS')]));
    assert.strictEqual((await infer(['--chat', '--prompt', 'x']).done).stdout, '<think>\nhm\n</think>\nYes\n');
    assert.strictEqual((await infer(['--chat', '--prompt', 'x', '--quiet']).done).stdout, 'Yes\n');
  });
});

describe('sampling', () => {
  test('every field of the worker has its option', async () => {
    const folder = makeFolder();
    const grammar = path.join(folder, 'g.gbnf');
    fs.writeFileSync(grammar, 'root ::= "yes" | "no"\n');
    await infer(['--prompt', 'x', '--max-tokens', '9', '--temperature', '0.5', '--top-p', '0.25', '--top-k', '7',
      '--min-p', '0.125', '--repetition-penalty', '1.5', '--presence-penalty', '-2', '--frequency-penalty', '0.5',
      '--logit-bias', '15=-2.5', '--logit-bias', '7=100', '--stop', 'a', '--stop', 'b', '--seed', '42', '--ignore-eos',
      '--grammar', grammar, '--timeout', '90']).done;
    const { job_id, ...body } = asked()[0];
    assert.deepStrictEqual(body, { prompt: 'x', max_tokens: 9, temperature: 0.5, top_p: 0.25, top_k: 7, min_p: 0.125,
      repetition_penalty: 1.5, presence_penalty: -2, frequency_penalty: 0.5, logit_bias: { 15: -2.5, 7: 100 },
      stop: ['a', 'b'], seed: 42, ignore_eos: true, grammar: 'root ::= "yes" | "no"\n', stream: true, timeout_seconds: 90 });
  });

  test('a schema is JSON, or a file that holds some', async () => {
    const file = path.join(makeFolder(), 's.json');
    fs.writeFileSync(file, JSON.stringify(schema));
    await infer(['--prompt', 'x', '--json-schema', file]).done;
    await infer(['--prompt', 'x', '--json-schema', JSON.stringify(schema)]).done;
    await infer(['--prompt', 'x', '--json-schema', 'true']).done;
    assert.deepStrictEqual(asked().map((b) => b.json_schema), [schema, schema, true]);
  });

  test('what no worker takes is a usage error', async () => {
    const folder = makeFolder();
    const file = (name, text) => { fs.writeFileSync(path.join(folder, name), text); return path.join(folder, name); };
    for (const [args, message] of [
      [['--presence-penalty', '3'], /--presence-penalty takes a number from -2 to 2, not '3'/],
      [['--frequency-penalty', 'x'], /--frequency-penalty/],
      [['--logit-bias', '5'], /--logit-bias takes a token's id and a number from -100 to 100, such as 15=-2\.5, not '5'/],
      [['--logit-bias', '5=101'], /not '5=101'/], [['--logit-bias', '-1=1'], /not '-1=1'/],
      [['--stop', ''], /--stop takes UTF-8 text of 1 to 256 bytes, not of 0/],
      [['--timeout', '-1'], /--timeout takes 0 to 86400 seconds/],
      [['--json-schema', '{"a":'], /--json-schema: the text is not JSON \(line 1, column 5\)/],
      [['--json-schema', file('list', '[1]')], /list is no schema/],
      [['--json-schema', path.join(folder, 'none')], /--json-schema: .*none/],
      [['--json-schema', file('big', ' '.repeat(1024 * 1024 + 1))], /--json-schema: .*1048576/],
      [['--grammar', file('empty', '')], /--grammar: .*empty \(0 bytes\) is not a GBNF text/],
      [['--grammar', file('g', 'root ::= "a"'), '--json-schema', '{}'], /only one of --json-schema and --grammar/],
      [['--system', 'x', '--chta'], /did you mean '--chat'/],
    ]) {
      const r = await infer(['--prompt', 'x', ...args]).done;
      assert.match(r.stderr, message);
      assert.strictEqual(r.code, 2, args.join(' '));
    }
    assert.deepStrictEqual(fake.names(), []);
  });
});

describe('a real hive and a model', () => {
  let hive;
  const folder = makeFolder();
  /* Their logits are all zero: greedy, the lowest token that is allowed. */
  const [with_template, without] = ['with', 'without'].map((name) => path.join(folder, `${name}.gguf`));
  before(async () => {
    const small = { layers: 1, embd: 64, ff: 64, ctx: 512 };
    writeHollowModel(with_template, { ...small, template: '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}' });
    writeHollowModel(without, small);
    hive = await startHive();
  });
  after(() => hive.stop());
  const ask = (model, args) => start(['infer', '--node', hive.url, '--model', model, '--prompt', 'hi',
    '--temperature', '0', '--quiet', ...args]).done;

  test('an answer has the form that was asked for', async () => {
    const grammar = path.join(folder, 'g.gbnf');
    fs.writeFileSync(grammar, 'root ::= "zebra"');
    assert.strictEqual((await ask(with_template, ['--chat', '--grammar', grammar])).stdout, 'zebra\n');
    const r = await ask(with_template, ['--system', 'JSON.', '--json-schema', '{"enum": [{"a": [1, true]}]}']);
    assert.deepStrictEqual(JSON.parse(r.stdout), { a: [1, true] });
    assert.strictEqual((await ask(with_template, ['-n', '5', '--logit-bias', '0=-100'])).stdout, 'bbbbb\n');
  });

  test('a conversation with a model that has no template is refused with what to do', async () => {
    const r = await ask(without, ['--chat']);
    assert.match(r.stderr, /no chat template[^\n]*--chat-template FILE/);
    assert.strictEqual(r.stdout, '');
    assert.strictEqual((await ask(without, ['-n', '3'])).stdout, 'aaa\n');
    const chat = await start(['chat', '--node', hive.url, '--model', without], { input: 'hi\n' }).done;
    assert.match(chat.stderr, /no chat template/);
    assert.strictEqual(chat.code, 1);
  });
});
