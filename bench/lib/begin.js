'use strict';
/*
 * begin.js - from the start of a process to its first token, the files in the page cache: our `run` and
 * rbee-keeper against llama-completion. A wrapper's own time is measured in each pair and taken off
 * the peer's.
 */
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { ours, modelFile, peerModelFile, llama, WRAPPER } = require('./setting.js');
const { start, run, firstByteMs, stop, until } = require('./proc.js');
const { inTurn, present } = require('./pairs.js');

const PROMPT = 'Once upon a time';
const title = (model) => model.replace(/^tl-/, '').replace(/^s15-/, 's15 ');

async function wrapperMs() {
  if (!WRAPPER.length) return 0;
  const began = performance.now();
  await run([...WRAPPER, 'true']);
  return performance.now() - began;
}

const rbeeRun = (model) => firstByteMs([ours.worker, 'run', '--model', modelFile(model), '--prompt', PROMPT,
  '--max-tokens', '1', '--temperature', '0', '--threads', '2']);

async function completion(model) {
  const wrapper = await wrapperMs();
  return await firstByteMs(llama('llama-completion', '--no-warmup', '-no-cnv', '--no-display-prompt',
    '-m', peerModelFile(model), '-p', PROMPT, '-n', 1, '-t', 2, '--temp', 0)) - wrapper;
}

function fromStart(model, target) {
  return {
    name: `start-${model}`,
    models: [model],
    async run({ pairs, emit }) {
      const sides = present({ rbee: () => rbeeRun(model), llama: () => completion(model) }, model);
      await inTurn(1, sides); // the files come into the page cache
      const samples = await inTurn(pairs, sides);
      emit({ row: this.name, what: `start to first token, ${title(model)}`, unit: 'ms', samples, better: 'less', target });
    },
  };
}

/* A hive in a home of its own, on a free port, with these lines as its configuration; { url, home, proc }. */
async function startHive(config = '', env = {}) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'rbee-bench-'));
  fs.writeFileSync(path.join(home, 'config.ini'), config);
  const proc = start([ours.hive, 'daemon', '--addr', '127.0.0.1:0', '--home', home], { env: { ...env, RBEE_HOME: home } });
  const [, url] = await until(() => /listening on (http:\S+)/.exec(proc.stderr + proc.stdout), 'a hive listens');
  return { url, home, proc };
}

async function endHive(hive) {
  await stop(hive.proc);
  fs.rmSync(hive.home, { recursive: true, force: true });
}

async function workersOf(hive) {
  return (await (await fetch(`${hive.url}/v1/workers/list`)).json()).workers;
}

async function stopWorkers(hive) {
  for (const worker of await workersOf(hive)) await fetch(`${hive.url}/v1/workers/${worker.worker_id}`, { method: 'DELETE' });
  await until(async () => (await workersOf(hive)).length === 0, 'the worker has ended');
}

const infer = (hive) => firstByteMs([ours.keeper, 'infer', '--node', hive.url.replace('http://', ''), '--model', 'tiny',
  '--prompt', PROMPT, '--max-tokens', '1', '--temperature', '0', '--quiet'], { env: { RBEE_HOME: hive.home } });

/* kind: 'cold' (no worker is up) or 'warm' (one with the model is). */
function keeper(kind, target) {
  return {
    name: `keeper-${kind}`,
    models: ['tiny'],
    async run({ pairs, emit }) {
      const hive = await startHive();
      try {
        const sides = present({
          async rbee() {
            if (kind === 'cold') await stopWorkers(hive);
            return infer(hive);
          },
          llama: () => completion('tiny'),
        }, 'tiny');
        await inTurn(1, sides);
        const samples = await inTurn(pairs, sides);
        emit({ row: this.name, what: `rbee-keeper infer, one token, tiny, ${kind} worker`, unit: 'ms', samples, better: 'less', target });
      } finally {
        await endHive(hive);
      }
    },
  };
}

module.exports = { fromStart, keeper, startHive, endHive, workersOf };
