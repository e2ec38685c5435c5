'use strict';
/*
 * serve.js - our worker against llama-server: many clients, memory, and a beginning that both have seen
 * before. Both servers are up during a measurement; only one has work at any moment.
 */
const fs = require('node:fs');

const { ours, modelFile, peerModelFile, llama, peers, peerSees } = require('./setting.js');
const { start, runJson, run, stop, sleep, until, freePort, residentBytes } = require('./proc.js');
const { inTurn, pick } = require('./pairs.js');

const CLIENTS = 16, PROMPT = 128, GENERATED = 64;
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const title = (model) => model.replace(/^tl-/, '').replace(/^s15-/, 's15 ');

/* ---- servers ---- */

async function isUp(url) {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2000) });
    const said = await answer.json();
    return answer.ok && (said.ready === true || said.status === 'ok');
  } catch {
    return false;
  }
}

async function startServer(words, port, health) {
  const server = start(words);
  server.port = port;
  let over = null;
  server.ended.then((code) => { over = code; }, (error) => { over = error.message; });
  await until(() => {
    if (over !== null) throw new Error(`${words[0]} ended with ${over}: ${server.stderr.slice(-600)}`);
    return isUp(`http://127.0.0.1:${port}${health}`);
  }, `${words.join(' ')} is up`);
  return server;
}

async function startRbee(model, slots, ctx) {
  const port = await freePort();
  return startServer([ours.worker, 'serve', '--model', modelFile(model), '--addr', `127.0.0.1:${port}`,
    '--threads', '2', '--slots', `${slots}`, '--ctx', `${ctx}`], port, '/v1/ready');
}

async function startLlama(model, slots, ctx) {
  const port = await freePort();
  return startServer(llama('llama-server', '-m', peerModelFile(model), '--port', port, '-t', 2,
    '-np', slots, '-c', slots * ctx, '--no-webui'), port, '/health');
}

/* Runs `work` with { rbee, llama } up; llama only where it is there. */
async function withServers(model, slots, ctx, work) {
  const servers = {};
  try {
    servers.rbee = await startRbee(model, slots, ctx);
    if (peers.llama && peerSees(model)) servers.llama = await startLlama(model, slots, ctx);
    return await work(servers);
  } finally {
    for (const server of Object.values(servers)) await stop(server);
  }
}

/* ---- prompts ---- */

function randomWords(n) {
  const word = () => Array.from({ length: 2 + Math.floor(Math.random() * 6) },
    () => LETTERS[Math.floor(Math.random() * LETTERS.length)]).join('');
  return Array.from({ length: n }, word).join(' ');
}

/* The beginning of `text` that has n tokens, or a few less where the cut falls into a word. */
async function cutTo(model, text, n) {
  const { stdout: ids } = await run([ours.worker, 'tokenize', '--model', modelFile(model)], { stdin: text });
  const { stdout } = await run([ours.worker, 'detokenize', '--model', modelFile(model)],
    { stdin: ids.trim().split(/\s+/).slice(0, n).join(' ') });
  return stdout.trim();
}

/* `count` different texts of n tokens, the BOS among them. */
async function makePrompts(model, count, n) {
  const prompts = [];
  for (let i = 0; i < count; i++) prompts.push(await cutTo(model, randomWords(n), n - 1));
  return prompts;
}

/* One run of the load generator against a server. */
async function load(api, server, prompts, { clients, tokens }) {
  const [told] = await runJson([ours.load, '--api', api, '--port', `${server.port}`, '--clients', `${clients}`,
    '--requests', `${prompts.length}`, '--tokens', `${tokens}`], { stdin: `${prompts.join('\n')}\n` });
  if (told.errors) throw new Error(`${told.errors} of ${told.requests} requests to ${api} failed`);
  return told;
}

/* A side for each server; `measure` gets the API's name, the server, and the number of the pair. */
const sides = (servers, measure) => Object.fromEntries(
  Object.entries(servers).map(([api, server]) => [api, (i) => measure(api, server, i)]));

/* ---- rows ---- */

function clients(model, targetSpeed, targetFirst) {
  return {
    name: `serve-${model}`,
    models: [model],
    async run({ pairs, emit }) {
      const all = [];
      for (let i = 0; i < pairs; i++) all.push(await makePrompts(model, CLIENTS, PROMPT));
      const warm = await makePrompts(model, 2, 32);
      const shape = { clients: CLIENTS, tokens: GENERATED };
      const samples = await withServers(model, CLIENTS, 256, async (servers) => {
        for (const [api, server] of Object.entries(servers)) await load(api, server, warm, { clients: 2, tokens: 8 });
        return inTurn(pairs, sides(servers, (api, server, i) => load(api, server, all[i], shape)));
      });
      const told = samples[0].rbee;
      const note = `${Math.round(told.prompt_tokens / told.requests)} + ${Math.round(told.tokens_out / told.requests)} tokens`;
      emit({ row: this.name, what: `${CLIENTS} clients, ${title(model)}`, unit: 'tok/s', samples: pick(samples, 'tokens_per_sec'), better: 'more', target: targetSpeed, note });
      emit({ row: `${this.name}-first`, what: `${CLIENTS} clients, median first token, ${title(model)}`, unit: 'ms', samples: pick(samples, 'first_median_ms'), better: 'less', target: targetFirst, note });
    },
  };
}

/* A second request with the same beginning as the first and another end. */
function prefix(model, tokens) {
  return {
    name: `prefix-${model}`,
    models: [model],
    async run({ pairs, emit }) {
      const all = [];
      for (let i = 0; i < pairs; i++) {
        const [beginning] = await makePrompts(model, 1, tokens);
        all.push([`${beginning} ${randomWords(8)}`, `${beginning} ${randomWords(8)}`]);
      }
      const shape = { clients: 1, tokens: 4 };
      const samples = await withServers(model, 4, 1024, (servers) => inTurn(pairs,
        sides(servers, async (api, server, i) => {
          const told = await load(api, server, all[i], shape);
          return { first: told.first_ms[0], second: told.first_ms[1] };
        })));
      emit({ row: this.name, what: `first token, the same ${tokens} tokens again, ${title(model)}`, unit: 'ms', samples: pick(samples, 'second'), better: 'less', target: '<= 1' });
    },
  };
}

/* Memory of one server with a model that has answered; beside the size of its file. */
function resident(model, target) {
  return {
    name: `rss-${model}`,
    models: [model],
    async run({ emit }) {
      const fileMib = fs.statSync(modelFile(model)).size / 2 ** 20;
      const prompts = await makePrompts(model, 2, 128);
      const mib = await withServers(model, 1, 512, async (servers) => {
        const told = {};
        for (const [api, server] of Object.entries(servers)) {
          await load(api, server, prompts, { clients: 1, tokens: 16 });
          await sleep(500); // what was needed for loading only is given back
          told[api] = residentBytes(server.pid) / 2 ** 20;
        }
        return told;
      });
      emit({
        row: this.name,
        what: `resident, by the file's size, ${title(model)}`,
        unit: 'MiB',
        samples: [{ rbee: mib.rbee, file: fileMib }],
        better: 'less',
        target,
        note: mib.llama ? `llama-server: ${mib.llama.toFixed(0)} MiB, ${(mib.llama / fileMib).toFixed(2)} x the file` : '',
      });
    },
  };
}

module.exports = { clients, prefix, resident, randomWords, load, title };
