'use strict';
/*
 * keeper-chat.test.js - `rbee-keeper chat`: conversations from a script and at a terminal, against a
 * hive and a worker that do as told, and one against real ones. Real processes, sockets, terminals.
 */
const { test, describe, before, after, beforeEach, afterEach } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { execFileSync, spawn, spawnSync } = require('node:child_process');

const { FakeHive, WORKER_ID, json, error, sse, sseHead, event, started, token, end } = require('./lib/fakehive.js');
const { KEEPER, deadPort, environment, start, run, noTerminal } = require('./lib/keeper.js');
const { Terminal, KEYS } = require('./lib/terminal.js');
const { startHive } = require('./lib/hive.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { makeFolder, isAlive, until } = require('./lib/proc.js');

let fake;
beforeEach(async () => {
  fake = await FakeHive.start();
  fake.on('GET /v1/ready', (req, res) =>
    json(res, 200, { worker_id: WORKER_ID, ready: true, state: 'idle', model_loaded: true, chat: true, n_ctx: 2048 }));
  fake.on('POST /v1/inference', (req, res, body) => answer(res, body, `answer ${asked().length}`));
});
afterEach(() => fake.stop());

const asked = () => fake.of('POST', '/v1/inference').map((c) => c.body);
const user = (content) => ({ role: 'user', content });
const model = (content) => ({ role: 'assistant', content });
const answer = (res, body, text, more = {}) => sse(res, [started(body), token(text, 0), { ...end(1, 'EOS'), ...more }]);

function script(input, args = [], options = {}) {
  return start(['chat', '--node', fake.node, ...args], { input, ...options });
}

describe('a script', () => {
  test('each line and each quoted block is a turn; the answers alone are on stdout', async () => {
    const r = await script('one\n\n"""two\n/lines"""\n  \nthree\\\nmore\nlast without a feed').done;
    assert.strictEqual(r.code, 0, r.stderr);
    assert.strictEqual(r.stdout, 'answer 1\nanswer 2\nanswer 3\nanswer 4\n');
    const all = [user('one'), model('answer 1'), user('two\n/lines'), model('answer 2'), user('three\nmore'),
      model('answer 3'), user('last without a feed')];
    assert.deepStrictEqual(asked().map((b) => b.messages), [1, 3, 5, 7].map((n) => all.slice(0, n)));
    assert.ok(asked().every((b) => b.prompt === undefined));
    assert.strictEqual(new Set(asked().map((b) => b.job_id)).size, 4);
    assert.strictEqual(fake.of('POST', '/v1/workers/spawn').length, 1, 'one worker for all of it');
    assert.ok(!fs.existsSync(path.join(r.home, 'chat-history')), 'what a script says is no history');
  });

  test('a script of Windows: its mark of UTF-8 is no part of the first line', async () => {
    const r = await script('\ufeff/system Be brief\r\nhi\r\n').done;
    assert.strictEqual(r.code, 0, r.stderr);
    assert.deepStrictEqual(asked()[0].messages, [{ role: 'system', content: 'Be brief' }, user('hi')]);
  });

  test('a NUL in an answer does not end what is kept of it', async () => {
    fake.on('POST /v1/inference', (req, res, body) => answer(res, body, 'abc\u0000def'));
    await script('one\ntwo\n').done;
    assert.strictEqual(asked()[1].messages[1].content, 'abc\ufffddef');
  });

  test('options reach the worker; without a limit an answer may be as long as fits', async () => {
    await script('hi', ['--system', 'Be brief.', '--temperature', '0', '--stop', 'END', '--seed', '7',
      '--presence-penalty', '-1', '--json-schema', '{"type":"object"}']).done;
    const { job_id, ...body } = asked()[0];
    assert.deepStrictEqual(body, { messages: [{ role: 'system', content: 'Be brief.' }, user('hi')],
      max_tokens: 2147483647, temperature: 0, top_p: 0.95, top_k: 40, min_p: 0.05, repetition_penalty: 1,
      stop: ['END'], seed: 7, presence_penalty: -1, json_schema: { type: 'object' }, stream: true });
  });

  test('a command that nobody knows is told, and none of it is sent', async () => {
    const r = await script('/modle tiny\n/etc/passwd\nhi\n').done;
    assert.match(r.stderr, /no command '\/modle' \(did you mean '\/model'\?\)/);
    assert.match(r.stderr, /no command '\/etc\/passwd'; \/help/);
    assert.deepStrictEqual(asked().map((b) => b.messages), [[user('hi')]]);
    assert.strictEqual(r.stdout, 'answer 1\n');
    assert.strictEqual(r.code, 1);
  });

  test('a message without an answer is taken back, and the next one is asked', async () => {
    fake.on('POST /v1/inference', (req, res, body) => (asked().length === 2
      ? error(res, 500, 'INTERNAL', 'The engine is out of order.') : answer(res, body, 'yes')));
    const r = await script('one\ntwo\nthree\n').done;
    assert.strictEqual(r.code, 1);
    assert.strictEqual(r.stdout, 'yes\nyes\n');
    assert.match(r.stderr, /INTERNAL: The engine is out of order\.[\s\S]*taken back/);
    assert.deepStrictEqual(asked()[2].messages, [user('one'), model('yes'), user('three')]);
  });

  test('what had come of an answer that broke off is kept', async () => {
    fake.on('POST /v1/inference', (req, res, body) => {
      if (asked().length > 1) { answer(res, body, 'yes'); return; }
      sseHead(res);
      res.write(event(started(body)) + event(token('half an', 0)));
      setTimeout(() => res.destroy(), 20);
    });
    const r = await script('one\ntwo\n').done;
    assert.strictEqual(r.stdout, 'half an\nyes\n');
    assert.match(r.stderr, /WORKER_CRASHED[\s\S]*stays in the conversation/);
    assert.deepStrictEqual(asked()[1].messages, [user('one'), model('half an'), user('two')]);
  });

  test('thoughts are marked, or left out, and go back with their answer', async () => {
    fake.on('POST /v1/inference', (req, res, body) => sse(res, [started(body),
      { type: 'reasoning', t: 'hm', i: 0 }, { type: 'reasoning', t: 'm', i: 1 }, token('\n\nYes', 2), token('.', 3),
      end(4, 'EOS')]));
    const r = await script('one\ntwo\n').done;
    assert.strictEqual(r.stdout, '<think>\nhmm\n</think>\nYes.\n'.repeat(2));
    assert.deepStrictEqual(asked()[1].messages[1], { role: 'assistant', content: '\n\nYes.', reasoning_content: 'hmm' });
    assert.strictEqual((await script('one\n', ['--quiet']).done).stdout, 'Yes.\n');
  });

  /*
   * Its worker had ended by its keep-alive while the person thought, and another program of the machine had
   * the port: it got key and conversation, and what it said was shown.
   */
  test('between two turns the worker ends: nothing goes to its old port', async (t) => {
    const thief = await FakeHive.start();
    t.after(() => thief.stop());
    fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => (thief.of('POST', '/v1/inference').length
      ? error(res, 404, 'NOT_FOUND', 'There is no such worker.') : json(res, 200, fake.worker())));
    fake.on('POST /v1/workers/spawn', (req, res) => json(res, 200, { worker_id: WORKER_ID, state: 'loading',
      url: fake.of('POST', '/v1/workers/spawn').length === 1 ? thief.url : fake.url }));
    const r = await script('one\ntwo\n').done;
    assert.strictEqual(r.code, 0, r.stderr);
    assert.match(r.stderr, /is gone; looking for another/);
    assert.deepStrictEqual(thief.of('POST', '/v1/inference').map((c) => c.body.messages), [[user('one')]]);
    assert.strictEqual(thief.calls.at(-1).path, '/v1/inference', 'it was not looked at after that');
    assert.deepStrictEqual(asked().map((b) => b.messages.at(-1)), [user('two')]);
  });

  test('between two turns the model is replaced: the next one goes to the worker that has the new file', async (t) => {
    const other = await FakeHive.start();
    const id = WORKER_ID.replace(/.$/, 'f');
    t.after(() => other.stop());
    fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => json(res, 200,
      { ...fake.worker(), replaced: fake.of('POST', '/v1/inference').length > 0 }));
    fake.on('POST /v1/workers/spawn', (req, res) => json(res, 200, fake.of('POST', '/v1/workers/spawn').length === 1
      ? fake.worker() : { worker_id: id, url: other.url, state: 'loading' }));
    other.on('GET /v1/ready', (req, res) => json(res, 200, { ready: true, state: 'idle', worker_id: id }));
    const r = await script('one\ntwo\n').done;
    assert.strictEqual(r.code, 0, r.stderr);
    assert.match(r.stderr, /has a file of the model that was replaced; looking for another/);
    assert.deepStrictEqual(asked().map((b) => b.messages.at(-1)), [user('one')]);
    assert.deepStrictEqual(other.of('POST', '/v1/inference').map((c) => c.body.messages.at(-1)), [user('two')]);
  });

  test('a full context is told with both numbers, and what to do', async () => {
    fake.on('POST /v1/inference', (req, res, body) => (asked().length > 1
      ? error(res, 400, 'CONTEXT_LENGTH_EXCEEDED', 'The prompt has 2100 tokens and the context holds 2048.')
      : answer(res, body, 'no end', { stop_reason: 'MAX_TOKENS', context_full: true, prompt_tokens: 2000, tokens_out: 48 })));
    const r = await script('one\ntwo\n').done;
    assert.match(r.stderr, /context is full: 2048 of 2048 tokens[^\n]*\n\/clear[^\n]*\/save/);
    assert.match(r.stderr, /2100 tokens and the context holds 2048\.\n\/clear/);
    assert.strictEqual(r.code, 1);
  });

  test('an answer that its limit ends is told to be cut', async () => {
    fake.on('POST /v1/inference', (req, res, body) => answer(res, body, 'and', { stop_reason: 'MAX_TOKENS', tokens_out: 9 }));
    assert.match((await script('one\n', ['-n', '9']).done).stderr, /ends here: 9 tokens are its limit \(\/set max_tokens\)/);
  });

  test('bytes that are no text, and quotes that stay open, are refused whole', async () => {
    let r = await script(Buffer.from('a\xff\nb\n', 'latin1')).done;
    assert.match(r.stderr, /not UTF-8 text; none of it was sent/);
    assert.deepStrictEqual(asked().map((b) => b.messages), [[user('b')]]);
    assert.strictEqual(r.code, 1);
    r = await script('"""never\nclosed').done;
    assert.match(r.stderr, /ended within a text that """ began/);
    assert.strictEqual(r.code, 1);
    assert.strictEqual(asked().length, 1);
  });

  test('a standard input that cannot be read is told of, and no script that went well', async () => {
    const child = spawn('sh', ['-c', 'exec "$0" chat --node "$1" < "$2"', KEEPER, fake.node, makeFolder()],
      { env: environment({ RBEE_HOME: makeFolder() }), stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.on('data', (data) => { said += data; });
    const code = await new Promise((resolve) => child.on('close', resolve));
    assert.match(said, /cannot read standard input: Is a directory/);
    assert.strictEqual(code, 1);
  });

  test('Ctrl+C cancels the answer and ends the script', async () => {
    fake.on('POST /v1/inference', (req, res, body) => {
      sseHead(res);
      res.write(event(started(body)) + event(token('Once', 0)));
      fake.held = res;
    });
    fake.on('DELETE /v1/inference/*', (req, res) => {
      res.writeHead(204); res.end();
      fake.held.end(event(end(1, 'CANCELLED')) + event('[DONE]'));
    });
    const r = script('one\ntwo\n');
    await r.says(/Once/);
    r.interrupt();
    await r.done;
    assert.strictEqual(r.code, 130);
    assert.strictEqual(asked().length, 1);
    assert.strictEqual(fake.of('DELETE', '/v1/inference/')[0].path, `/v1/inference/${asked()[0].job_id}`);
  });
});

describe('before the first line', () => {
  test('a model without a chat template is refused, with what it can do', async () => {
    fake.on('GET /v1/ready', (req, res) => json(res, 200, { worker_id: WORKER_ID, ready: true, state: 'idle', chat: false, n_ctx: 512 }));
    const r = await script('hi\n').done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /model tiny has no chat template[^\n]*\n[^\n]*rbee-keeper infer[^\n]*--chat-template FILE/);
    assert.strictEqual(asked().length, 0);
  });

  /* The hive's port was let through and that of its worker was not: "Is rbee-hive running there? Start it with
   * `rbee-hive daemon --addr` ...", at the worker's port. */
  test('a worker that lives by its hive\'s word, and is not reached: it is the way there', async () => {
    const port = await deadPort(), worker = fake.worker({ url: `http://127.0.0.1:${port}` });
    fake.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers: [worker] }));
    fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => json(res, 200, worker));
    const r = await script('hi\n').done;
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, new RegExp(`^rbee-keeper: CONNECTION_REFUSED: the worker ${WORKER_ID} runs, says its hive, but cannot be reached: `, 'm'));
    assert.match(r.stderr, new RegExp(`^The hive answers, port ${port} of that machine does not: `, 'm'));
    assert.doesNotMatch(r.stderr, /rbee-hive daemon/);
  });

  /* It was not replaced, as it is by infer. */
  test('a worker that went between the list and its use is replaced, once', async () => {
    const gone = WORKER_ID.replace(/.$/, 'f'), port = await deadPort();
    fake.on('GET /v1/workers/list', (req, res) =>
      json(res, 200, { workers: [fake.worker({ worker_id: gone, url: `http://127.0.0.1:${port}` })] }));
    const r = await script('hi\n').done;
    assert.strictEqual(r.stdout, 'answer 1\n', r.stderr);
    assert.strictEqual(r.code, 0);
    assert.match(r.stderr, new RegExp(`^The worker ${gone} is gone; looking for another\\.$`, 'm'));
    fake.calls.length = 0;
    fake.on('GET /v1/ready', (req, res) => json(res, 200, { ready: true, state: 'idle',
      worker_id: fake.of('GET', '/v1/ready').length === 1 ? WORKER_ID : gone })); // its port is another's, once it is asked what it can
    fake.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => error(res, 404, 'NOT_FOUND', 'There is no such worker.'));
    const twice = await script('hi\n').done;
    assert.strictEqual(twice.code, 1);
    assert.match(twice.stderr, new RegExp(`^rbee-keeper: WORKER_CRASHED: the worker ${WORKER_ID} is gone: `, 'm'));
    assert.strictEqual(fake.of('POST', '/v1/workers/spawn').length, 1);
    assert.strictEqual(asked().length, 0);
  });

  test('wrong options are usage errors, and nobody is asked', async () => {
    const folder = makeFolder();
    fs.writeFileSync(path.join(folder, 'bad.json'), '{"rbee_chat": 1, "messages": 7}');
    for (const [args, message] of [[['--temperature', '3'], /from 0 to 2/], [['--stop', ''], /1 to 256 bytes/],
      [['--backend', 'tpu'], /not 'tpu'/], [['--json-schema', '/nowhere'], /--json-schema: .*\/nowhere/],
      [['--resume', '/nowhere'], /\/nowhere/], [['--resume', path.join(folder, 'bad.json')], /messages are not an array/],
      [['--logit-bias', 'x'], /15=-2\.5/], [['hi'], /one word too many/]]) {
      const r = await script('hi\n', args).done;
      assert.match(r.stderr, message);
      assert.strictEqual(r.code, 2, args.join(' '));
    }
    assert.deepStrictEqual(fake.names(), []);
  });

  test('help tells of the options', async () => {
    const r = await run(['chat', '--help']);
    assert.match(r.stdout, /--system TEXT[\s\S]*--resume FILE[\s\S]*--temperature T/);
    assert.strictEqual(r.code, 0);
  });
});

describe('files', () => {
  test('a conversation is saved, loaded and resumed with its model and settings', async () => {
    const file = path.join(makeFolder(), 'talk.json');
    await script(`one\n/set temperature 0.25\n/save ${file}\n`, ['--system', 'Be brief.', '-n', '50']).done;
    assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600);
    assert.deepStrictEqual(JSON.parse(fs.readFileSync(file, 'utf8')), { rbee_chat: 1, model: 'tiny', system: 'Be brief.',
      settings: { max_tokens: 50, temperature: 0.25 }, messages: [user('one'), model('answer 1')] });
    const kept = [{ role: 'system', content: 'Be brief.' }, user('one'), model('answer 1'), user('two')];
    await script(`/load ${file}\ntwo\n`).done;
    assert.deepStrictEqual(asked()[1].messages, kept);
    assert.strictEqual(asked()[1].temperature, 0.25);
    await script('two\n', ['--resume', file, '--temperature', '1', '--system', 'Be long.']).done;
    assert.deepStrictEqual(asked()[2].messages, [{ role: 'system', content: 'Be long.' }, ...kept.slice(1)]);
    assert.strictEqual(asked()[2].temperature, 1, 'an option is over what the file says');
    assert.strictEqual(asked()[2].max_tokens, 50);
    await script('two\n', ['--resume', file, '--temperature', '0.8']).done;
    assert.strictEqual(asked()[3].temperature, 0.8, 'also one that says what is the default');
  });

  test('a bad file is refused with a reason and changes nothing', async () => {
    const folder = makeFolder();
    const bad = path.join(folder, 'bad.json');
    fs.writeFileSync(bad, '{"rbee_chat": 1, "messages": [{"role": "robot", "content": "x"}], "system": "evil"}');
    const r = await script(`one\n/load ${bad}\n/load ${folder}/none\n/save ${bad}\n/save\ntwo\n`).done;
    assert.match(r.stderr, /bad\.json: messages\[0\]\.role is neither/);
    assert.match(r.stderr, /\/none/);
    assert.match(r.stderr, /bad\.json is there already and holds no conversation/);
    assert.match(r.stderr, /\/save needs a file's name/);
    assert.match(fs.readFileSync(bad, 'utf8'), /robot/);
    assert.deepStrictEqual(asked()[1].messages, [user('one'), model('answer 1'), user('two')]);
    assert.deepStrictEqual(fs.readdirSync(folder), ['bad.json'], 'no half file is left');
  });

  test('/model goes on with another model, unless that one cannot', async () => {
    const file = path.join(makeFolder(), 'other.gguf');
    await script(`one\n/model ${file}\n/model\ntwo\n`).done.then((r) => assert.match(r.stderr, /other\.gguf on /));
    assert.deepStrictEqual(fake.of('POST', '/v1/workers/spawn').map((c) => c.body.model_ref), ['tiny', `file://${file}`]);
    assert.deepStrictEqual(asked()[1].messages, [user('one'), model('answer 1'), user('two')]);
    fake.calls.length = 0;
    fake.on('GET /v1/ready', (req, res) => json(res, 200,
      { worker_id: WORKER_ID, ready: true, state: 'idle', chat: fake.of('POST', '/v1/workers/spawn').at(-1).body.model_ref === 'tiny', n_ctx: 99 }));
    const r = await script(`one\n/model ${file}\n/model\ntwo\n`).done;
    assert.match(r.stderr, /no chat template/);
    assert.match(r.stderr, /^tiny on /m);
    assert.strictEqual(asked().length, 2);
    assert.strictEqual(r.code, 1);
  });

  test('a grammar of a file is sent as its text, until it is taken back; one that is not there is told of', async () => {
    const file = path.join(makeFolder(), 'yes.gbnf'), text = 'root ::= "yes" | "n\u00f6" # one of them\n';
    fs.writeFileSync(file, text);
    const r = await script(`/set grammar ${file}\none\n/set grammar ${file}-x\ntwo\n/set grammar default\nthree\n`).done;
    assert.match(r.stderr, /yes\.gbnf-x: No such file/);
    assert.deepStrictEqual(asked().map((b) => b.grammar), [text, text, undefined]);
    assert.strictEqual(r.code, 1);
    await script('one\n', ['--grammar', file]).done;
    assert.strictEqual(asked()[3].grammar, text);
  });

  test('/set, /system, /stats and /clear', async () => {
    fake.on('POST /v1/inference', (req, res, body) => answer(res, body, 'yes',
      { tokens_out: 20, decode_time_ms: 400, prompt_tokens: 57, cached_tokens: 48, prefill_time_ms: 12 }));
    const r = await script('/set temperature 9\n/set temperature 0\n/set stop "\\n"\n/set\n/stats\n/stats on\n/system Be brief.\n' +
      'one\n/stats off\n/clear\n/set temperature default\n/system -\ntwo\n').done;
    assert.match(r.stderr, /temperature must be a number from 0 to 2/);
    assert.match(r.stderr, /^ {2}temperature +0 [\s\S]*^ {2}stop +\["\\n"\][\s\S]*^ {2}min_p|^ {2}temperature +0 [\s\S]*^ {2}min_p[\s\S]*^ {2}stop +\["\\n"\]/m);
    assert.match(r.stderr, /No answer yet; the context has room for 2048 tokens/);
    assert.strictEqual(r.stderr.match(/20 tokens, 50\.0 tok\/s, first token after \d+ ms/g).length, 1);
    assert.match(r.stderr, /prompt 57 tokens, 48 of them cached, in 12 ms; context 77 of 2048 tokens/);
    assert.deepStrictEqual(asked()[0].messages, [{ role: 'system', content: 'Be brief.' }, user('one')]);
    assert.strictEqual(asked()[0].temperature, 0);
    assert.deepStrictEqual(asked()[0].stop, ['\n']);
    assert.deepStrictEqual(asked()[1].messages, [user('two')]);
    assert.strictEqual(asked()[1].temperature, 0.8);
  });
});

/* The commands as the manual has them: "/set Op Ar name Op Ar value" is "/set [NAME [VALUE]]". */
function manual() {
  const page = fs.readFileSync(path.join(__dirname, '../../man/rbee-keeper.1'), 'utf8');
  const items = [...page.matchAll(/^\.It Ic (\/.*)$/mg)].flatMap(([, item]) => item.split(/ , (?:Ic )?/));
  return items.map((item) => {
    const [name, ...words] = item.split(' ');
    let args = '', open = 0, upper = false;
    for (const word of words) {
      if (word === 'Op') { args += args ? ' [' : '['; open++; } else if (word === 'Ar' || word === 'Cm') upper = word === 'Ar';
      else args += upper ? word.toUpperCase() : word;
    }
    return `${name} ${args}${']'.repeat(open)}`.trim();
  }).sort();
}
const listed = (text) => [...text.replace(/\r|\x1b\[\?2004[hl]/g, '').matchAll(/^ {2}(\/.+?) {2,}\S.*$/mg)].map((m) => m[1]).sort();

describe('/help', () => {
  test('lists each command of the manual with its arguments, and nothing else', async () => {
    for (const word of ['/help', '/?']) {
      const r = await script(`${word}\n`).done;
      assert.deepStrictEqual(listed(r.stderr), manual());
      assert.match(r.stderr, /"""[^]*backslash[^]*Ctrl\+C[^]*Ctrl\+D/);
      assert.deepStrictEqual(r.stderr.match(/^ {2}.{79,}$/gm), null, 'no row is broken by a narrow terminal');
      assert.deepStrictEqual([r.code, r.stdout], [0, ''], 'stdout is for answers');
    }
    const more = await script('/help /set\n').done;
    assert.match(more.stderr, /^rbee-keeper chat: \/help takes nothing behind it, not '\/set'$/m);
    assert.strictEqual(more.code, 1);
    assert.strictEqual(asked().length, 0);
  });

  test('each command that it lists works, or says what it lacks', async () => {
    const says = {
      '/help': /^ {2}\/help/m, '/model': /^tiny on .* \(worker-1111/m, '/system': /^\(no system text\)$/m, '/set': /^ {2}temperature +0\.8/m,
      '/stats': /^No answer yet/m, '/save': /\/save needs a file's name/, '/load': /\/load needs a file's name/, '/clear': /^ok Forgot 0 messages$/m,
      '/bye': null, // nothing behind it is read
    };
    const names = listed((await script('/help\n').done).stderr).map((row) => row.split(' ')[0]);
    assert.deepStrictEqual(names, Object.keys(says).sort());
    for (const [name, pattern] of Object.entries(says)) {
      fake.calls.length = 0;
      const r = await script(`${name}\nhi\n`).done;
      if (pattern) assert.match(r.stderr, pattern);
      assert.strictEqual(r.stdout, pattern ? 'answer 1\n' : '');
      assert.strictEqual(r.code, /needs/.test(pattern) ? 1 : 0, r.stderr);
      assert.doesNotMatch(r.stderr, /there is no command/);
    }
  });

  test('at a terminal it is the same list, and the prompt comes back', { skip: noTerminal }, async (t) => {
    const terminal = new Terminal(['chat', '--node', fake.node]);
    t.after(() => terminal.kill());
    await terminal.says(/>>> $/);
    terminal.enter('/help');
    const [shown] = await terminal.says(/[^]*Ctrl\+D ends\.\r\n\S*>>> $/);
    assert.deepStrictEqual(listed(shown), manual());
    terminal.enter('hi');
    await terminal.says(/answer 1/);
    assert.deepStrictEqual(asked()[0].messages, [user('hi')], 'it is no part of the conversation');
  });
});

describe('at a terminal', { skip: noTerminal }, () => {
  let t;
  const open = (args = [], options = {}) => { t = new Terminal(['chat', '--node', fake.node, ...args], options); return t; };
  afterEach(() => t.kill());
  const PROMPT = />>> $/;

  test('lines are edited, remembered and called back; Ctrl+D ends', async () => {
    const { home } = open();
    await t.says(/You talk to tiny/);
    await t.says(PROMPT);
    t.keys(`helo${KEYS.left}l${KEYS.enter}`);
    await t.says(/answer 1\r\n[\s\S]*>>> $/);
    t.keys(KEYS.up);
    await t.says(/hello/);
    t.keys(`${KEYS.erase}p Gr\u00fc\u00dfe \u{1f41d}${KEYS.enter}`);
    await t.says(/answer 2\r\n[\s\S]*>>> $/);
    t.keys(KEYS.end);
    assert.strictEqual(await t.end(), 0);
    assert.deepStrictEqual(asked()[1].messages, [user('hello'), model('answer 1'), user('hellp Gr\u00fc\u00dfe \u{1f41d}')]);
    const history = path.join(home, 'chat-history');
    assert.strictEqual(fs.statSync(history).mode & 0o777, 0o600);
    open([], { home });
    await t.says(PROMPT);
    t.keys(KEYS.up);
    await t.says(/hellp/);
    t.keys(KEYS.up + KEYS.enter);
    await t.says(/answer 3/);
    assert.deepStrictEqual(asked()[2].messages, [user('hello')]);
    t.enter('/bye');
    assert.strictEqual(await t.end(), 0);
  });

  /* It came back without its quotes: as a command ("/clear" forgot the conversation), or as half of two lines. */
  test('what was quoted comes back quoted', async () => {
    open();
    for (const [line, text] of [['"""/clear what"""', '/clear what'], ['"""ends with \\"""', 'ends with \\']]) {
      await t.says(PROMPT);
      t.enter(line);
      await t.says(/answer \d+/);
      await t.says(PROMPT);
      t.keys(KEYS.up + KEYS.enter);
      await t.says(/answer \d+/);
      const said = asked().at(-1).messages.filter((m) => m.role === 'user').map((m) => m.content);
      assert.deepStrictEqual(said.slice(-2), [text, text]);
    }
  });

  test('a pasted text of several lines is one message, and waits for Enter', async () => {
    open();
    await t.says(PROMPT);
    t.keys(KEYS.pasted('one\r/two\r\tthree\r'));
    await t.says(/three/);
    assert.strictEqual(asked().length, 0);
    t.keys(KEYS.enter);
    await t.says(/answer 1[\s\S]*>>> $/);
    t.enter('"""four');
    await t.says(/\.\.\. $/);
    t.enter('five"""');
    await t.says(/answer 2/);
    assert.deepStrictEqual(asked()[1].messages.map((m) => m.content), ['one\n/two\n\tthree', 'answer 1', 'four\nfive']);
  });

  /* Of one that was a byte too long the last character was missing, and nobody said so. */
  test('a paste that is a byte too long is refused as a whole, and its end is seen', async () => {
    open();
    await t.says(PROMPT);
    t.keys(KEYS.pasted('x'.repeat((8 << 20) + 1)));
    await t.says(/The paste has over 8388608 bytes, or there is no memory for it: nothing of it was taken\./);
    t.enter('hi');
    await t.says(/answer 1/);
    assert.deepStrictEqual(asked()[0].messages.map((m) => m.content), ['hi']);
  });

  test('Ctrl+C stops the answer and not the session; what came is kept, marked as cut', async () => {
    const file = path.join(makeFolder(), 'cut.json');
    fake.on('POST /v1/inference', (req, res, body) => {
      if (asked().length > 1) { answer(res, body, 'whole'); return; }
      sseHead(res);
      res.write(event(started(body)) + event(token('half an', 0)));
      fake.held = res;
    });
    fake.on('DELETE /v1/inference/*', (req, res) => {
      res.writeHead(204); res.end();
      fake.held.end(event(end(1, 'CANCELLED')) + event('[DONE]'));
    });
    open();
    await t.says(PROMPT);
    t.enter('one');
    await t.says(/half an/);
    t.keys(KEYS.interrupt);
    await t.says(/Cut: [\s\S]*>>> $/);
    assert.strictEqual(fake.of('DELETE', '/v1/inference/').length, 1);
    t.enter('two');
    await t.says(/whole[\s\S]*>>> $/);
    assert.deepStrictEqual(asked()[1].messages, [user('one'), model('half an'), user('two')]);
    t.enter(`/save ${file}`);
    await t.says(/Saved 4 messages/);
    assert.deepStrictEqual(JSON.parse(fs.readFileSync(file, 'utf8')).messages[1], { ...model('half an'), cut: true });
    t.enter('/bye');
    assert.strictEqual(await t.end(), 0);
  });

  test('a worker that does not heed Ctrl+C is not waited for after the second', async () => {
    fake.on('POST /v1/inference', (req, res, body) => {
      if (asked().length > 1) { answer(res, body, 'whole'); return; }
      sseHead(res);
      res.write(event(started(body)));
    });
    fake.on('DELETE /v1/inference/*', () => {});
    open();
    await t.says(PROMPT);
    t.enter('one');
    await until(() => asked().length === 1);
    t.keys(KEYS.interrupt);
    await until(() => fake.of('DELETE', '/v1/inference/').length === 1);
    t.keys(KEYS.interrupt);
    await t.says(/Cancelled before a word had come[\s\S]*>>> $/);
    t.enter('two');
    await t.says(/whole/);
    assert.deepStrictEqual(asked()[1].messages, [user('two')]);
  });

  test('Ctrl+C at the prompt clears the line, and quotes that stand open', async () => {
    open();
    await t.says(PROMPT);
    t.keys('half a line');
    await t.says(/half a line/);
    t.keys(KEYS.interrupt);
    await t.says(PROMPT);
    t.enter('"""open');
    await t.says(/\.\.\. $/);
    t.keys(KEYS.interrupt);
    await t.says(PROMPT);
    t.enter('whole');
    await t.says(/answer 1/);
    assert.deepStrictEqual(asked()[0].messages, [user('whole')]);
  });

  test('a hive that goes away: it is told, the conversation is kept, the next line tries again', async () => {
    open();
    await t.says(PROMPT);
    t.enter('one');
    await t.says(/answer 1[\s\S]*>>> $/);
    await fake.stop();
    t.enter('two');
    await t.says(/worker worker-1111\S+ may be gone: its hive does not say; looking for another[\s\S]*CONNECTION_REFUSED[\s\S]*rbee-hive[\s\S]*taken back[\s\S]*>>> $/);
    await new Promise((resolve) => fake.server.listen(fake.port, '127.0.0.1', resolve));
    t.enter('three');
    await t.says(/answer 2/);
    assert.deepStrictEqual(asked().at(-1).messages, [user('one'), model('answer 1'), user('three')]);
    t.enter('/bye');
    assert.strictEqual(await t.end(), 0, 'a person has read of it');
  });

  test('thoughts are dim, words of others move no cursor', async () => {
    fake.on('POST /v1/inference', (req, res, body) => sse(res, [started(body),
      { type: 'reasoning', t: 'hm\x1b[2J', i: 0 }, token('\nYes\x07', 1), end(2, 'EOS')]));
    open();
    await t.says(PROMPT);
    t.enter('one');
    await t.says(/\x1b\[2mhm\?\[2J\r\n\x1b\[0mYes\?\r\n/);
    await t.kill();
    open([], { env: { NO_COLOR: '1' } });
    await t.says(PROMPT);
    t.enter('one');
    await t.says(/<think>\r\nhm\?\[2J\r\n<\/think>\r\nYes\?\r\n/);
  });

  test('a line can be edited though somebody else changed the modes of the terminal', async () => {
    // As a shell does when the keeper is stopped by Ctrl+Z and called back: it once edited no more.
    open();
    await t.says(PROMPT);
    const { name } = t.keeper();
    const stty = (...args) => execFileSync('stty', ['-F', name, ...args], { encoding: 'utf8' });
    assert.match(stty('-a'), /-icanon/);
    spawnSync('stty', ['-F', name, 'sane']); // it may complain that they are changed again already
    await until(() => / -icanon/.test(stty('-a')), 'the modes of an edited line');
    t.keys(`oen${KEYS.left}${KEYS.left}${KEYS.erase}on${KEYS.left}${KEYS.enter}`);
    await t.says(/answer 1/);
    assert.deepStrictEqual(asked()[0].messages, [user('onen')]);
  });

  /* A shell that came back from a chat which `kill` had ended showed nothing of what was typed, and marked pastes. */
  test('SIGTERM at the prompt leaves the terminal as it was', async () => {
    for (const [signal, code] of [['SIGTERM', 143], ['SIGHUP', 129]]) {
      open([], { behind: 'echo "ended with $?"; stty -a; echo over' });
      await t.says(PROMPT);
      process.kill(t.keeper().pid, signal);
      const [shown] = await t.says(/[\s\S]*\nover/);
      assert.match(shown, new RegExp(`ended with ${code}`));
      assert.match(shown, / icanon/);
      assert.match(shown, / echo /);
      assert.match(shown, /\x1b\[\?2004l[\s\S]*ended with/);
      await t.end();
    }
  });

  /* dash showed nothing of what was typed behind it, and pastes with their marks. (Without a shell that has jobs nobody
   * can be stopped, so that the line goes on at once.) */
  test('Ctrl+Z at the prompt leaves the terminal as it was, and the line goes on behind it', async () => {
    open();
    await t.says(PROMPT);
    t.keys('one');
    await t.says(/one/);
    t.keys('\x1a');
    await t.says(/\x1b\[\?2004l[\s\S]*\x1b\[\?2004h[\s\S]*one/);
    t.keys(` more${KEYS.enter}`);
    await t.says(/answer 1/);
    assert.deepStrictEqual(asked()[0].messages, [user('one more')]);
  });

  /* The shell went on in grey. */
  test('whatever ends an answer with thoughts, what is behind it is not dim', async () => {
    fake.on('POST /v1/inference', (req, res, body) => {
      sseHead(res);
      res.write(event(started(body)) + event({ type: 'reasoning', t: 'hm', i: 0 }));
    });
    fake.on('DELETE /v1/inference/*', () => {});
    const twice = async () => {
      t.keys(KEYS.interrupt);
      await until(() => fake.of('DELETE', '/v1/inference/').length === 1); // two that come at once are one signal
      t.keys(KEYS.interrupt);
    };
    for (const [ends, code] of [[twice, 130], [() => process.kill(t.keeper().pid, 'SIGTERM'), 143], [() => t.keys('\x1c'), 131]]) {
      t = new Terminal(['infer', '--node', fake.node, '--prompt', 'one'], { behind: 'echo "ended with $?"' });
      await t.says(/\x1b\[2mhm/);
      await ends();
      const [shown] = await t.says(/[\s\S]*ended with \d+/);
      assert.match(shown, new RegExp(`\x1b\\[0m[\\s\\S]*ended with ${code}`));
      await t.end();
    }
  });

  test('an answer that was stopped in its thoughts goes on in their style', async () => {
    fake.on('POST /v1/inference', (req, res, body) => {
      sseHead(res);
      res.write(event(started(body)) + event({ type: 'reasoning', t: 'hm', i: 0 }));
      fake.held = res;
    });
    t = new Terminal(['infer', '--node', fake.node, '--prompt', 'one']);
    await t.says(/\x1b\[2mhm/);
    t.keys('\x1a'); // without a shell that has jobs it goes on at once
    await t.says(/\x1b\[0m\x1b\[2m$/);
    fake.held.end(event({ type: 'reasoning', t: 'ah', i: 1 }) + event(token('Yes', 2)) + event(end(3, 'EOS')) + event('[DONE]'));
    await t.says(/ah\r\n\x1b\[0mYes/);
    assert.strictEqual(await t.end(), 0);
  });

  /* To put the style back it wrote to a terminal that took nothing, and could be ended by SIGKILL alone. */
  test('SIGTERM ends it also while the terminal is stopped', async () => {
    fake.on('POST /v1/inference', (req, res, body) => {
      sseHead(res);
      res.write(event(started(body)) + event({ type: 'reasoning', t: 'hm', i: 0 }));
    });
    t = new Terminal(['infer', '--node', fake.node, '--prompt', 'one'], { behind: 'true' });
    await t.says(/\x1b\[2mhm/);
    const { pid, name } = t.keeper(), terminal = fs.openSync(name, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY);
    const takes = () => { try { return fs.writeSync(terminal, 'x') > 0; } catch (e) { assert.strictEqual(e.code, 'EAGAIN'); return false; } };
    assert.ok(takes());
    t.keys('\x13');
    await until(() => !takes(), 'Ctrl+S');
    fs.closeSync(terminal);
    process.kill(pid, 'SIGTERM');
    await until(() => !isAlive(pid), 'its end');
    t.keys('\x11');
    await t.end();
  });

  /* The library crashes on a long line that it is to lay out anew in a few columns: with it went the talk. */
  test('a terminal made narrower than the library can bear leaves the line as it stands', async () => {
    open();
    await t.says(PROMPT);
    const { pid, name } = t.keeper();
    const waits = () => Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
    const line = 'a'.repeat(300);
    t.keys(line);
    await t.says(/a{90}[\s\S]*a{90}[\s\S]*a{90}/);
    for (const columns of ['6', '9']) {
      execFileSync('stty', ['-F', name, 'cols', columns]);
      const before = waits();
      await until(() => waits() > before + 2, 'two looks at the terminal');
      t.keys(`\x01x\x05x${KEYS.left}${KEYS.erase}`);
    }
    t.keys(KEYS.enter);
    await t.says(/answer 1\r\n[\s\S]*>>> $/);
    t.keys(KEYS.end);
    assert.strictEqual(await t.end(), 0);
    assert.deepStrictEqual(asked()[0].messages, [user(`xx${line.slice(1)}x`)]);
  });

  /* The library has commands of its own behind Alt+X; on an open quote it crashed in them, and took the talk along. */
  test("the editing library's own commands cannot be asked for", async () => {
    open();
    await t.says(PROMPT);
    t.keys(`\x1bxit's "${KEYS.enter}`);
    await t.says(/answer 1\r\n[\s\S]*>>> $/);
    assert.match(asked()[0].messages[0].content, /it's "$/);
    t.keys(KEYS.end);
    assert.strictEqual(await t.end(), 0);
  });

  test('a terminal that can do little still has a prompt', async () => {
    open([], { env: { TERM: 'dumb' } });
    await t.says(PROMPT);
    t.enter('one');
    await t.says(/answer 1\r\n>>> $/);
    assert.doesNotMatch(t.screen, /\x1b/);
    t.keys(KEYS.interrupt);
    await t.says(PROMPT);
    t.keys(KEYS.end);
    assert.strictEqual(await t.end(), 0);
  });
});

describe('a real hive and a model', () => {
  let hive;
  const file = path.join(makeFolder(), 'hollow.gguf');
  /* All its logits are zero: greedy, it says "a" for ever. */
  before(async () => {
    writeHollowModel(file, { layers: 1, embd: 64, ff: 64, ctx: 512,
      template: '{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:' });
    hive = await startHive();
  });
  after(() => hive.stop());

  test('the second turn goes on from the first, which is cached', async () => {
    const r = await start(['chat', '--node', hive.url, '--model', file, '-n', '8', '--temperature', '0'],
      { input: 'hi\n/stats\nand more\n/stats\n' }).done;
    assert.strictEqual(r.stdout, 'aaaaaaaa\naaaaaaaa\n', r.stderr);
    const [first, second] = [...r.stderr.matchAll(/prompt (\d+) tokens, (\d+) of them cached, .* context (\d+) of 512/g)]
      .map((m) => m.slice(1).map(Number));
    assert.strictEqual(first[2], first[0] + 8);
    assert.ok(second[0] > first[2], 'both turns are in it');
    assert.ok(second[1] >= first[0], `${second[1]} cached`);
    assert.strictEqual(r.code, 0);
  });

  test('a conversation longer than the context is refused with numbers, and /clear helps', async () => {
    const r = await start(['chat', '--node', hive.url, '--model', file, '-n', '4', '--temperature', '0'],
      { input: `${'long '.repeat(200)}\n/clear\nshort\n` }).done;
    assert.match(r.stderr, /CONTEXT_LENGTH_EXCEEDED: The prompt has \d+ tokens and the context holds 512/);
    assert.strictEqual(r.stdout, 'aaaa\n');
    assert.strictEqual(r.code, 1);
  });
});
