'use strict';
/*
 * sdk.js - the clients that others publish, unmodified, for tests: from tests/sdk/node_modules, where
 * tools/install-npm.sh puts them. Where they are not, the tests are skipped, and say so.
 */
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');

const { ROOT, makeFolder, testModel, until } = require('./proc.js');
const { startHive, list, spawnReady } = require('./hive.js');
const { writeHollowModel } = require('./gguf.js');
const { makeFakeWorker } = require('./fakeworker.js');
const { faultsOf, faultsOfEvent } = require('./openai-shape.js');

const FOLDER = path.join(ROOT, 'tests/sdk');
const load = createRequire(path.join(FOLDER, 'package.json'));

/* The module, or null. */
function sdk(name) {
  try {
    return load(name);
  } catch {
    return null;
  }
}

/* Why its tests are skipped, or false. */
function skipWithout(module) {
  if (!module) return 'the package is not here: tools/install-npm.sh fetches it';
  return testModel() ? false : 'no model: neither models/tiny.gguf nor the test data are there';
}

/* The versions of a package: { here, wanted }, as it says itself and as tests/sdk/package.json does. */
function versionsOf(name) {
  const versionIn = (file) => JSON.parse(fs.readFileSync(path.join(FOLDER, file), 'utf8'));
  return { here: versionIn(`node_modules/${name}/package.json`).version, wanted: versionIn('package.json').dependencies[name] };
}

/*
 * A fetch for an SDK that has every raw body judged by openai-shape.js, chunk by chunk, also of a
 * stream that is left. `seen` counts what was judged, `faults` says what was wrong.
 */
function judgingFetch() {
  const told = { faults: [], seen: 0, requests: [] };
  const judge = (where, status, body) => {
    told.seen++;
    told.faults.push(...(status === null ? faultsOfEvent(where, body) : faultsOf(where, status, body)));
  };
  const wholeOf = (where, status) => {
    const pieces = [];
    return new TransformStream({
      transform(piece, to) { pieces.push(piece); to.enqueue(piece); },
      flush() { judge(where, status, JSON.parse(Buffer.concat(pieces).toString())); },
    });
  };
  const eventsOf = (where) => {
    const decoder = new TextDecoder();
    let rest = '';
    return new TransformStream({
      transform(piece, to) {
        const blocks = (rest + decoder.decode(piece, { stream: true })).split('\n\n');
        rest = blocks.pop();
        for (const block of blocks) {
          const data = block.split('\n').filter((l) => l.startsWith('data: ')).map((l) => l.slice(6)).join('\n');
          if (data && data !== '[DONE]') judge(where, null, JSON.parse(data));
        }
        to.enqueue(piece);
      },
    });
  };
  told.fetch = async (url, init) => {
    const answer = await fetch(url, init);
    const where = new URL(url).pathname, isStream = /^text\/event-stream/.test(answer.headers.get('content-type') || '');
    told.requests.push({ where, status: answer.status, body: init && init.body });
    return new Response(answer.body.pipeThrough(isStream ? eventsOf(where) : wholeOf(where, answer.status)),
      { status: answer.status, statusText: answer.statusText, headers: answer.headers });
  };
  return told;
}

/* A chat template of the generic kind: roles and contents, tools as JSON. */
const TEMPLATE = '{{ bos_token }}{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m.role }}: ' +
  '{{ m.content }}\n{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}{% endfor %}' +
  '{% if add_generation_prompt %}assistant:{% endif %}';

/*
 * A model that talks: hollow (gguf.js), so that greedy it goes on with "a" for ever, and under a constraint
 * it takes the first token that is allowed. The file's path.
 */
function talkingModel({ ctx = 4096 } = {}) {
  const file = path.join(makeFolder(), 'talker.gguf');
  writeHollowModel(file, { layers: 1, embd: 64, ff: 64, ctx, template: TEMPLATE });
  return file;
}

/* A hive over real workers. */
const realHive = () => startHive({ env: { RBEE_TINY: testModel() || '' } });

/* A hive over a worker that says what the last message tells it to; `.worker` is it. */
async function toldHive(config = '') {
  const home = makeFolder('rbee-hive-'), worker = makeFakeWorker(makeFolder());
  fs.writeFileSync(path.join(home, 'config.ini'), config);
  const hive = await startHive({ home, flags: { worker: worker.program }, env: { RBEE_TINY: testModel() || '' } });
  hive.worker = worker;
  return hive;
}

/* Waits until no slot of the hive's workers is taken. */
const untilFree = (hive) => until(async () => (await list(hive)).every((w) => w.slots_busy === 0), 'free slots');

/*
 * A request whose answer ends by nothing but its client's leaving: it is more than the buffers on the way hold. `left`
 * waits for its slot and looks at what was made: a slot is free behind an answer that nobody waited for, too.
 */
async function endlessAnswer(hive) {
  const model = talkingModel({ ctx: 65536 }), { worker_id: id } = await spawnReady(hive, model, { ctx: 65536, slots: 1 });
  const max_tokens = 65000;
  async function left() {
    await untilFree(hive);
    const { tokens_out: n } = (await list(hive)).find((w) => w.worker_id === id);
    assert.ok(n > 0 && n < max_tokens, `${n} tokens were made of ${max_tokens}: the client's leaving ended nothing`);
  }
  return { how: { model, max_tokens, temperature: 0 }, left };
}
const untilBusy = (hive) => until(async () => (await list(hive)).some((w) => w.slots_busy > 0), 'a busy slot');

/* The error that a promise ends with. */
async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail('there was no error');
}

async function collect(iterable) {
  const all = [];
  for await (const one of iterable) all.push(one);
  return all;
}

module.exports = { sdk, skipWithout, versionsOf, judgingFetch, talkingModel, realHive, toldHive, endlessAnswer, untilFree, untilBusy, errorOf, collect };
