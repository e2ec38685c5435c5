'use strict';
/*
 * gateway.js - what the hive's gateway costs: the same worker asked directly (/v1/inference) and by way
 * of the hive (/v1/completions, streamed), in turn, the order changing from pair to pair.
 *
 * Speed: all prompts differ, so that neither side finds the other's in the worker's cache. A pair of one
 * client is two requests, one right behind the other, and there are many of them: so the median of
 * their ratios stands where the machine changes its speed meanwhile.
 *
 * First token, one client: one prompt, which the worker's cache knows by then, and one token. What is left
 * is one step of the model and the way, and the way is what is asked for: a prompt's own time, tens of
 * milliseconds and never twice the same, would hide it.
 */
const { modelFile } = require('./setting.js');
const { until } = require('./proc.js');
const { startHive, endHive, workersOf } = require('./begin.js');
const { randomWords, load, title } = require('./serve.js');
const { median, spread } = require('./stats.js');

const WORDS = 12, GENERATED = 128, AT_ONCE = 16, PAIRS_OF_ONE = 16, PAIRS_OF_MANY = 4, FIRST_TOKENS = 25;

/* A hive and one worker of its own with the model: { hive, sides: { rbee, direct } }. */
async function bringUp(model) {
  const hive = await startHive(`[hive]\nslots = ${AT_ONCE}\nctx = 256\nkeep_alive = -1\n`);
  const { worker_id: id, url } = await (await fetch(`${hive.url}/v1/workers/spawn`, {
    method: 'POST', body: JSON.stringify({ model_ref: modelFile(model) }) })).json();
  await until(async () => (await workersOf(hive)).some((w) => w.worker_id === id && w.state === 'idle'), 'the worker is ready');
  const port = (at) => ({ port: new URL(at).port });
  return { hive, sides: { rbee: ['openai', port(hive.url)], direct: ['rbee', port(url)] } };
}

/* One pair: both sides, in this or the other order; `prompts` makes those of one side. */
async function pair(sides, isTurned, prompts, shape) {
  const told = {}, names = isTurned ? ['direct', 'rbee'] : ['rbee', 'direct'];
  for (const name of names) told[name] = await load(...sides[name], prompts(), shape);
  return told;
}

/* `n` pairs, after one that only warms both up. */
async function pairsOf(n, sides, prompts, shape) {
  const samples = [];
  await pair(sides, false, prompts, shape);
  for (let i = 0; i < n; i++) samples.push(await pair(sides, i % 2 === 1, prompts, shape));
  return samples;
}

const of = (samples, figure) => samples.map(({ rbee, direct }) => ({ rbee: rbee[figure], direct: direct[figure] }));

/* The median of a pair is that of FIRST_TOKENS requests. */
async function firstToken(row, what, pairs, sides, emit) {
  const same = Array(FIRST_TOKENS).fill(randomWords(WORDS));
  const samples = of(await pairsOf(pairs * PAIRS_OF_ONE, sides, () => same, { clients: 1, tokens: 1 }), 'first_median_ms');
  const added = samples.map((s) => s.rbee - s.direct), { min, max } = spread(added);
  emit({ row: `${row}-first`, what: `${what}, first token of a known prompt`, unit: 'ms', samples, better: 'less', target: '',
    note: `${median(added).toFixed(2)} ms more (${min.toFixed(2)} to ${max.toFixed(2)}); target: under 1` });
}

function gateway(model, clients) {
  return {
    name: `gateway-${model}-${clients}`,
    models: [model],
    async run({ pairs, emit }) {
      const what = `${clients} client${clients > 1 ? 's' : ''} by way of the gateway, ${title(model)}`;
      const prompts = () => Array.from({ length: clients }, () => randomWords(WORDS));
      const { hive, sides } = await bringUp(model);
      try {
        const samples = await pairsOf(pairs * (clients === 1 ? PAIRS_OF_ONE : PAIRS_OF_MANY), sides, prompts, { clients, tokens: GENERATED });
        emit({ row: this.name, what, unit: 'tok/s', samples: of(samples, 'tokens_per_sec'), better: 'more', target: '>= 0.97' });
        if (clients === 1) await firstToken(this.name, what, pairs, sides, emit);
      } finally {
        await endHive(hive);
      }
    },
  };
}

module.exports = { gateway };
