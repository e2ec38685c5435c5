'use strict';
/*
 * gateway.js - what the hive's gateway costs: the same worker asked directly (/v1/inference) and by way
 * of the hive (/v1/completions, streamed), in turn, the order changing from pair to pair. All prompts
 * differ, so that neither side finds the other's in the worker's cache.
 *
 * A pair of one client is two requests, one right behind the other, and there are many of them: so the
 * median of their differences stands where the machine changes its speed meanwhile.
 */
const { modelFile } = require('./setting.js');
const { until } = require('./proc.js');
const { startHive, endHive, workersOf } = require('./begin.js');
const { randomWords, load, title } = require('./serve.js');
const { median, spread } = require('./stats.js');

const WORDS = 12, GENERATED = 128, AT_ONCE = 16, REQUESTS_EACH = 4, PAIRS_OF_ONE = 16;

/* A hive and one worker of its own with the model: { hive, sides: { rbee, direct } }. */
async function bringUp(model) {
  const hive = await startHive(`[hive]\nslots = ${AT_ONCE}\nctx = 256\nkeep_alive = -1\n`);
  const { worker_id: id, url } = await (await fetch(`${hive.url}/v1/workers/spawn`, {
    method: 'POST', body: JSON.stringify({ model_ref: modelFile(model) }) })).json();
  await until(async () => (await workersOf(hive)).some((w) => w.worker_id === id && w.state === 'idle'), 'the worker is ready');
  const port = (at) => ({ port: new URL(at).port });
  return { hive, sides: { rbee: ['openai', port(hive.url)], direct: ['rbee', port(url)] } };
}

/* One pair: both sides, in this or the other order, each with prompts of its own. */
async function pair(sides, clients, isTurned) {
  const told = {}, names = isTurned ? ['direct', 'rbee'] : ['rbee', 'direct'];
  for (const name of names) {
    const prompts = Array.from({ length: clients === 1 ? 1 : clients * REQUESTS_EACH }, () => randomWords(WORDS));
    told[name] = await load(...sides[name], prompts, { clients, tokens: GENERATED });
  }
  return told;
}

const of = (samples, figure) => samples.map(({ rbee, direct }) => ({ rbee: rbee[figure], direct: direct[figure] }));

/* `clients` at once. The time to the first token is compared by the difference of the pairs' medians. */
function gateway(model, clients) {
  return {
    name: `gateway-${model}-${clients}`,
    models: [model],
    async run({ pairs, emit }) {
      const { hive, sides } = await bringUp(model);
      const samples = [];
      try {
        await pair(sides, clients, false); // warm
        for (let i = 0; i < (clients === 1 ? pairs * PAIRS_OF_ONE : pairs); i++) samples.push(await pair(sides, clients, i % 2 === 1));
      } finally {
        await endHive(hive);
      }
      const what = `${clients} client${clients > 1 ? 's' : ''} by way of the gateway, ${title(model)}`;
      const added = of(samples, 'first_median_ms').map((s) => s.rbee - s.direct), { min, max } = spread(added);
      emit({ row: this.name, what, unit: 'tok/s', samples: of(samples, 'tokens_per_sec'), better: 'more', target: '>= 0.97' });
      emit({ row: `${this.name}-first`, what: `${what}, median first token`, unit: 'ms', samples: of(samples, 'first_median_ms'), better: 'less', target: '',
        note: `${median(added).toFixed(2)} ms more (${min.toFixed(2)} to ${max.toFixed(2)}); ${clients === 1 ? 'target: under 1' : 'no target'}` });
    },
  };
}

module.exports = { gateway };
