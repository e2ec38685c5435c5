// `llm-worker-rbee render`: a chat template and JSON variables become a prompt, as a person would type
// it. The language itself is the unit tests' business; here it is files, stdin, exit codes, one sentence.
'use strict';
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { WORKER, makeFolder } = require('./lib/proc.js');
const { writeHollowModel } = require('./lib/gguf.js');

const CHATML = `{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
`;
const TALK = {
  messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Grüße, "you" <b>' }],
  add_generation_prompt: true,
};
const PROMPT = '<|im_start|>system\nBe brief.<|im_end|>\n' +
  '<|im_start|>user\nGrüße, "you" <b><|im_end|>\n<|im_start|>assistant\n';

const folder = makeFolder();

function render(args, input) {
  const text = typeof input === 'string' ? input : JSON.stringify(input);
  const run = spawnSync(WORKER, ['render', ...args], { input: text, timeout: 60000 });
  return { status: run.status, stdout: run.stdout.toString(), stderr: run.stderr.toString() };
}

function template(text) {
  const file = path.join(folder, 'template.jinja');
  fs.writeFileSync(file, text);
  return file;
}

/* Exit 1 (or what is asked), nothing on stdout, one sentence on stderr. */
function refused(run, words, status = 1) {
  assert.strictEqual(run.status, status, run.stderr);
  assert.strictEqual(run.stdout, '');
  assert.match(run.stderr, words);
  assert.strictEqual(run.stderr.trim().split('\n').length, 1, run.stderr);
}

test('a template from a file becomes a prompt', () => {
  const run = render(['--template', template(CHATML)], TALK);
  assert.strictEqual(run.status, 0, run.stderr);
  assert.strictEqual(run.stdout, PROMPT);
  assert.strictEqual(run.stderr, '');
});

test('a template from a model becomes a prompt', () => {
  const file = path.join(folder, 'with.gguf');
  writeHollowModel(file, { template: CHATML });
  const run = render(['--model', file], TALK);
  assert.strictEqual(run.status, 0, run.stderr);
  assert.strictEqual(run.stdout, PROMPT);
});

test('a model may have a template of its own for tools', () => {
  const file = path.join(folder, 'two.gguf');
  writeHollowModel(file, { template: 'plain', toolTemplate: '{{ tools[0] }}' });
  assert.strictEqual(render(['--model', file], { tools: ['t'] }).stdout, 't');
  assert.strictEqual(render(['--model', file], { tools: [] }).stdout, 'plain');
});

test('a model without a template, and no model at all, are told', () => {
  const file = path.join(folder, 'without.gguf');
  writeHollowModel(file);
  refused(render(['--model', file], TALK), /without\.gguf' has no chat template/);
  refused(render(['--model', path.join(folder, 'nowhere.gguf')], TALK), /nowhere\.gguf/);
  refused(render(['--template', path.join(folder, 'nowhere.jinja')], TALK), /nowhere\.jinja/);
});

test('what fails names the line of the template', () => {
  refused(render(['--template', template('a\n{{ messages[0].x.y }}')], TALK),
    /template line 2: 'x' is undefined/);
  refused(render(['--template', template("a\n\n{{ raise_exception('No roles!') }}")], TALK),
    /template line 3: No roles!/);
  refused(render(['--template', template('{% if %}')], TALK), /template line 1: expected an expression/);
  refused(render(['--template', template('{% for i in range(999999999) %}{% endfor %}')], TALK),
    /template line 1: the template (took|needs) more than \d+/);
});

test('variables that are no JSON object are refused', () => {
  refused(render(['--template', template('x')], '{"messages": ['), /variables are not JSON: line 1/);
  refused(render(['--template', template('x')], '[1]'), /no JSON object/);
  refused(render(['--template', template('x')], ''), /variables are not JSON/);
});

test('one template is asked for, not none and not two', () => {
  refused(render([], TALK), /--template FILE or --model FILE is needed/, 2);
  refused(render(['--template', 'a', '--model', 'b'], TALK), /--template FILE or --model FILE/, 2);
});

test('the clock can be set, and is the local one otherwise', () => {
  const file = template("{{ strftime_now('%Y-%m-%d %H:%M:%S') }}");
  assert.strictEqual(render(['--template', file, '--now', '1752148800'], {}).stdout, '2025-07-10 12:00:00');
  const before = new Date().getFullYear();
  const year = Number(render(['--template', file], {}).stdout.slice(0, 4));
  assert.ok(year === before || year === new Date().getFullYear());
});
