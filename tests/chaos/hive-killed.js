'use strict';
/*
 * hive-killed.js - a hive killed by SIGKILL at any moment leaves no process behind: none one second
 * later (the contract's own limit, section 8). One home all the time, so that each start is one
 * after a crash; at the end a hive in it serves on the same first port.
 */
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { HIVE, Proc, makeFolder } = require('../e2e/lib/proc.js');
const { ask, stream } = require('../e2e/lib/sse.js');
const { startHive, spawnReady, list } = require('../e2e/lib/hive.js');
const { chance, processesWith, slowModel, main, sleep } = require('./lib.js');

const LIMIT_MS = 1000;
const LATEST_MS = 700; /* of a moment to die: by then workers load, run and have clients */

/* Asks for all sorts of things and waits for none of them. */
function keepBusy(url, model, luck) {
  const say = (where, body) => ask(`${url}${where}`, { method: 'POST', body }).catch(() => {});
  for (let i = 0; i < 4; i++) {
    if (luck.next() < 0.5) say('/v1/workers/spawn', { model_ref: model, new: luck.next() < 0.5, slots: 2 });
    else {
      stream(`${url}/v1/chat/completions`, { method: 'POST',
        body: { model, stream: true, max_tokens: 2000, messages: [{ role: 'user', content: 'a' }] } }).catch(() => {});
    }
  }
}

/* Milliseconds until nothing was left; throws with what there is when it takes too long. */
async function untilNothing(text) {
  const began = performance.now();
  for (;;) {
    const left = processesWith(text);
    const ms = performance.now() - began;
    if (!left.length) return ms;
    if (ms > LIMIT_MS) throw new Error(`${ms.toFixed(0)} ms after the hive's end there are processes ${left}`);
    await sleep(10);
  }
}

async function hiveKilled({ rounds, seed, say }) {
  const luck = chance(seed), home = makeFolder('rbee-chaos-home-'), model = slowModel({ ctx: 512 });
  let slowest = 0, most = 0;
  say(`hive killed: ${rounds} rounds, CHAOS_SEED=${seed}`);
  for (let round = 0; round < rounds; round++) {
    const hive = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', home], { env: { HOME: home } });
    const moment = luck.below(LATEST_MS);
    if (luck.next() < 0.85) { // else somewhere in its start
      const [, url] = await hive.says(/listening on (http:\S+)/);
      keepBusy(url, model, luck);
    }
    await sleep(moment);
    most = Math.max(most, processesWith(model).length);
    hive.signal('SIGKILL');
    await hive.ended;
    slowest = Math.max(slowest, await untilNothing(model));
  }
  const last = await startHive({ home });
  try {
    assert.deepStrictEqual(await list(last), []);
    await spawnReady(last, model);
    assert.strictEqual(fs.readdirSync(path.join(home, 'run')).filter((f) => f.endsWith('.worker')).length, 1);
  } finally {
    await last.stop();
  }
  assert.ok(most > 0, 'no round had a process to leave behind: the test shows nothing');
  say(`hive killed: ${rounds} times, none left behind; at most ${most} processes at the kill, the last gone after ${slowest.toFixed(0)} ms`);
}

module.exports = { hiveKilled };
if (require.main === module) main(hiveKilled, 100);
