'use strict';
/*
 * slow-masks.test.js - grammars for which it takes more than one pass to find out which tokens may come.
 *
 * What one pass may spend on that is limited, as all others wait meanwhile. That limit ended the answer; and as
 * what had been found out was kept, the same request was refused a few times, and answered when it came again.
 */
const { test, before, after } = require('node:test');
const assert = require('node:assert');
const path = require('node:path');

const { startWorker, until } = require('./lib/proc.js');
const { ask, stream } = require('./lib/sse.js');

const MODEL = path.join(__dirname, '../../models/tiny.gguf');

/* 1500 alternatives or more, each with three letters of four before its number: few are out after the first token. */
function slowGrammar(seed, n = 1500) {
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const alternatives = Array.from({ length: n }, (_, i) =>
    `[${[...'abcdefghijklmnopqrstuvwxyz '].filter(() => random() < 0.75).join('')}]+ "${i}"`);
  return `root ::= ${alternatives.join(' | ')}\n`;
}

let worker;
before(async () => {
  worker = await startWorker({ model: MODEL, ctx: 512, slots: 3, threads: 1 });
  await until(async () => (await ask(`${worker.url}/v1/ready`)).json.ready, 'ready');
});
after(() => worker.stop());
const infer = (body) => ask(`${worker.url}/v1/inference`,
  { method: 'POST', body: { prompt: 'Once upon', max_tokens: 8, temperature: 0, stream: false, ...body } });

test('a grammar that takes long is answered the first time, as it is the second', async () => {
  const grammar = slowGrammar(1), first = await infer({ grammar }), second = await infer({ grammar });
  assert.strictEqual(first.status, 200, first.text);
  assert.match(first.json.text, /^[a-z ]+$/);
  assert.strictEqual(first.json.tokens_out, 8);
  assert.strictEqual(second.json.text, first.json.text);
});

test('others go on while it is found out', async () => {
  const begin = (body) => stream(`${worker.url}/v1/inference`, { method: 'POST', body: { prompt: 'Once upon', ...body } });
  const grammar = slowGrammar(2), others = [];
  let over = false;
  const talk = async (max_tokens) => { // one after the other, as long as it takes
    while (!over) {
      const one = await begin({ max_tokens, ignore_eos: true });
      others.push(one);
      await (over ? one.leave() : one.all());
    }
  };
  const talking = Promise.all([talk(500), talk(310)]); // while one of them begins anew the other goes on
  await until(() => others.length > 1 && others.every((o) => o.events.length), 'both talk');
  const slow = await begin({ max_tokens: 1, grammar });
  const end = await slow.find((e) => e.type === 'end');
  over = true;
  await talking;
  const there = slow.events.find((e) => e.json.type === 'token').at, begun = there - end.prefill_time_ms;
  const meanwhile = others.flatMap((o) => o.events).filter((e) => e.json?.type === 'token' && e.at > begun && e.at < there);
  assert.ok(meanwhile.length > 2, `${meanwhile.length} tokens came in ${end.prefill_time_ms} ms`);
});

const ready = async () => (await ask(`${worker.url}/v1/ready`)).json;

/* One token takes several passes: who may wait for a fraction of that holds its slot for no more than the one that runs. */
test('who waits for it can end', async (t) => {
  let then, size, n_passes = 0;
  for (size of [1500, 2500]) { // of more too many are open at once
    const begun = await ready(), whole = await infer({ grammar: slowGrammar(4, size), max_tokens: 1 });
    then = await ready();
    assert.strictEqual(whole.status, 200, whole.text);
    n_passes = then.passes - begun.passes;
    if (n_passes > 1) break;
  }
  if (n_passes === 1) return void t.skip('a machine so quick that it is not slow');
  const late = await infer({ grammar: slowGrammar(3, size), timeout_seconds: 0.02 });
  assert.strictEqual(late.status, 408, late.text);
  const n = (r) => Object.values(r.cancelled).reduce((sum, phase) => sum + phase.deadline, 0);
  let now;
  await until(async () => (now = await ready()).slots_busy === 0 && n(now) > n(then), () => `its end: ${JSON.stringify(now)}`);
  assert.strictEqual(n(now), n(then) + 1, JSON.stringify(now.cancelled));
  assert.ok(now.late_passes_max <= 1, `${now.late_passes_max} passes behind its end`);
});

/*
 * What a pass may spend on this held for each answer: one token of a plain stream beside eight of them took 1.3 s,
 * beside one 0.12. At once they need about as many passes as one after another.
 */
test('a pass has a go at one of them, not at each', async () => {
  const passes = async (seeds) => {
    const before_n = (await ready()).passes;
    const all = await Promise.all(seeds.map((seed) => infer({ grammar: slowGrammar(seed), max_tokens: 1 })));
    for (const answer of all) assert.strictEqual(answer.status, 200, answer.text);
    return (await ready()).passes - before_n;
  };
  const one = await passes([5]), three = await passes([6, 7, 8]);
  assert.ok(three > 1.5 * one, `${one} passes for one, ${three} for three`);
});
