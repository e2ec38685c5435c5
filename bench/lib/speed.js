'use strict';
/*
 * speed.js - prefill and decode of whole models: our `bench` command against llama-bench,
 * llama-batched-bench and node-llama-cpp. Everybody warms up before the clock starts.
 */
const path = require('node:path');

const { runJson, start, stop } = require('./proc.js');
const { NODE_LLAMA, ours, modelFile, peerModelFile, llama } = require('./setting.js');
const { inTurn, present, pick } = require('./pairs.js');

const BUSY = ['sh', '-c', 'while :; do :; done'];
const BATCH = 16;

/* The JSON of `llm-worker-rbee bench`. */
async function rbee(model, { threads = 2, depth = 0, prompt = 0, gen = 0, batch = 1 }) {
  const [told] = await runJson([ours.worker, 'bench', '--model', modelFile(model), '--repeat', '1',
    '--threads', `${threads}`, '--depth', `${depth}`, '--prompt-tokens', `${prompt}`,
    '--gen-tokens', `${gen}`, '--batch', `${batch}`]);
  return { prefill: told.prefill_tokens_per_sec, decode: told.decode_tokens_per_sec, ...told };
}

async function llamaBench(model, { threads = 2, depth = 0, prompt = 0, gen = 0 }) {
  const told = await runJson(llama('llama-bench', '-m', peerModelFile(model), '-t', threads, '-p', prompt,
    '-n', gen, '-d', depth, '-r', 1, '-o', 'jsonl'));
  return {
    prefill: told.find((t) => t.n_prompt > 0)?.avg_ts,
    decode: told.find((t) => t.n_gen > 0)?.avg_ts,
  };
}

async function llamaBatched(model, { prompt, gen }) {
  const [told] = await runJson(llama('llama-batched-bench', '-m', peerModelFile(model), '-t', 2,
    '-c', prompt + BATCH * (gen + 1), '-npp', prompt, '-ntg', gen, '-npl', BATCH, '-pps',
    '--output-format', 'jsonl'));
  return { decode: told.speed_tg };
}

async function nodeLlama(model, { threads = 2, prompt = 0, gen = 0 }) {
  const [told] = await runJson(['node', path.join(__dirname, '../peer-node.mjs'), NODE_LLAMA,
    modelFile(model), `${threads}`, `${prompt}`, `${gen}`, '1']);
  return { prefill: told.prefill_tokens_per_sec, decode: told.decode_tokens_per_sec };
}

async function probe(threads) {
  const [told] = await runJson([ours.probe, '--threads', `${threads}`, '--only-read']);
  return told.read_gb_s;
}

const title = (model) => model.replace(/^tl-/, '').replace(/^(s15|qw05)-/, (m) => `${m.slice(0, -1)} `);

function prefill(model, n, target, both) {
  return {
    name: `prefill-${model}-${n}`,
    models: [model],
    async run({ pairs, emit }) {
      const work = { prompt: n };
      const sides = { rbee: () => rbee(model, work), llama: () => llamaBench(model, work) };
      if (both) sides.node = () => nodeLlama(model, work);
      const samples = await inTurn(pairs, present(sides, model));
      emit({ row: this.name, what: `prefill ${n}, ${title(model)}`, unit: 'tok/s', samples: pick(samples, 'prefill'), better: 'more', target });
    },
  };
}

/* Bytes that a decoded token moved: the weights, and keys and values of half the tokens decoded. */
const bytesPerToken = (told) => told.token_bytes + told.kv_bytes_per_token * (told.depth + told.gen_tokens / 2);

/* `cached`: the model lies in the caches, and memory is no roof. */
function decode(model, threads, target, { gen = 64, cached = false } = {}) {
  return {
    name: `decode-${model}-t${threads}`,
    models: [model],
    async run({ pairs, emit }) {
      const work = { gen, threads };
      const samples = await inTurn(pairs, {
        ...present({
          rbee: () => rbee(model, work), llama: () => llamaBench(model, work), node: () => nodeLlama(model, work),
        }, model),
        memory: async () => ({ bandwidth: await probe(threads) }),
      });
      const of = `${title(model)}, ${threads} ${threads > 1 ? 'threads' : 'thread'}`;
      emit({ row: this.name, what: `decode, ${of}`, unit: 'tok/s', samples: pick(samples, 'decode'), better: 'more', target });
      if (cached) return;
      emit({
        row: `${this.name}-bandwidth`,
        what: `of the read bandwidth, ${of}`,
        unit: 'GB/s',
        samples: samples.map((s) => ({
          rbee: s.rbee.decode * bytesPerToken(s.rbee) * 1e-9, memory: s.memory.bandwidth,
        })),
        better: 'more',
        target: threads > 1 ? '>= 0.9' : '',
      });
    },
  };
}

function batch(model, target) {
  return {
    name: `batch-${model}-${BATCH}`,
    models: [model],
    async run({ pairs, emit }) {
      const work = { prompt: 128, gen: 32, batch: BATCH };
      const samples = await inTurn(pairs, present({ rbee: () => rbee(model, work), llama: () => llamaBatched(model, work) }, model));
      emit({ row: this.name, what: `decode, ${BATCH} sequences, ${title(model)}`, unit: 'tok/s', samples: pick(samples, 'decode'), better: 'more', target });
    },
  };
}

function depth(model, tokens, target) {
  return {
    name: `depth-${model}-${tokens}`,
    models: [model],
    async run({ pairs, emit }) {
      const work = { gen: 32, depth: tokens };
      const samples = await inTurn(pairs, present({ rbee: () => rbee(model, work), llama: () => llamaBench(model, work) }, model));
      emit({ row: this.name, what: `decode behind ${tokens} tokens, ${title(model)}`, unit: 'tok/s', samples: pick(samples, 'decode'), better: 'more', target });
    },
  };
}

/* How much of its speed each keeps when a third thread wants a core. */
function busy(model) {
  const kept = (measure) => async () => {
    const alone = await measure();
    const spinner = start(BUSY);
    try {
      const beside = await measure();
      return { prefill: beside.prefill / alone.prefill * 100, decode: beside.decode / alone.decode * 100 };
    } finally {
      await stop(spinner);
    }
  };
  return {
    name: `busy-${model}`,
    models: [model],
    async run({ pairs, emit }) {
      const work = { prompt: 128, gen: 32 };
      const samples = await inTurn(pairs, present({ rbee: kept(() => rbee(model, work)), llama: kept(() => llamaBench(model, work)) }, model));
      for (const figure of ['prefill', 'decode']) {
        emit({ row: `${this.name}-${figure}`, what: `${figure} beside a busy process, ${title(model)}`, unit: '% of alone', samples: pick(samples, figure), better: 'more', target: '' });
      }
    },
  };
}

module.exports = { prefill, decode, batch, depth, busy };
