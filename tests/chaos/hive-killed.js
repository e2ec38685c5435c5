'use strict';
/*
 * hive-killed.js - a hive killed by SIGKILL at any moment leaves no process behind: none one second
 * later (the contract's own limit, section 8). One home all the time, so that each start is one
 * after a crash; at the end a hive in it serves on the same first port.
 */
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { HIVE, Proc, makeFolder, until } = require('../e2e/lib/proc.js');
const { ask, stream } = require('../e2e/lib/sse.js');
const { startHive, spawnReady, list } = require('../e2e/lib/hive.js');
const { chance, processesWith, slowModel, main, sleep } = require('./lib.js');

const LIMIT_MS = 1000;
const LATEST_MS = 700; /* of a moment to die: by then workers load, run and have clients */
const AMIDST_MS = 500; /* the same behind the first worker's start */
const START = 'in its start', ANY = 'at any moment', AMIDST = 'when there are workers';

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

/*
 * Workers are known by their model; a child of the hive's that is no other program yet, or never will be one,
 * has the hive's own command line, and so its home.
 */
const family = (home, model) => [...new Set([home, model].flatMap(processesWith))];

/* Milliseconds from the hive's own end until nothing was left; throws with what there is when it takes too long. */
async function untilNothing(look, began) {
  for (;;) {
    const ms = performance.now() - began, left = look();
    if (!left.length) return ms;
    if (ms > LIMIT_MS) {
      const what = left.map((pid) => { try { return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0/g, ' '); } catch { return ''; } });
      throw new Error(`${ms.toFixed(0)} ms after the hive's end there are processes ${left}: ${what.join('; ')}`);
    }
    await sleep(10);
  }
}

async function hiveKilled({ rounds, seed, say }) {
  const luck = chance(seed), home = makeFolder('rbee-chaos-home-'), model = slowModel({ ctx: 512 });
  let slowest = 0, most = 0, n_full = 0, n_amidst = 0;
  say(`hive killed: ${rounds} rounds, CHAOS_SEED=${seed}`);
  for (let round = 0; round < rounds; round++) {
    const when = round % 2 === 0 ? AMIDST : luck.next() < 0.7 ? ANY : START;
    const hive = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', home], { env: { HOME: home } });
    /* Its own end, and not its pipes', which a child left behind would hold. */
    const gone = new Promise((resolve) => hive.child.once('exit', () => resolve(performance.now())));
    const moment = luck.below(when === AMIDST ? AMIDST_MS : LATEST_MS);
    if (when !== START) {
      const [, url] = await hive.says(/listening on (http:\S+)/);
      keepBusy(url, model, luck);
      if (when === AMIDST) await until(async () => (await list({ url })).some((w) => w.pid), () => `a worker:\n${hive.stderr}`);
    }
    await sleep(moment);
    const n = family(home, model).filter((pid) => pid !== hive.pid).length;
    hive.signal('SIGKILL');
    slowest = Math.max(slowest, await untilNothing(() => family(home, model), await gone));
    await hive.ended;
    most = Math.max(most, n);
    if (n) n_full++;
    if (when === AMIDST) n_amidst++;
  }
  const last = await startHive({ home });
  try {
    assert.deepStrictEqual(await list(last), []);
    await spawnReady(last, model);
    assert.strictEqual(fs.readdirSync(path.join(home, 'run')).filter((f) => f.endsWith('.worker')).length, 1);
  } finally {
    await last.stop();
  }
  assert.ok(n_full >= n_amidst, `${n_full} of ${rounds} rounds had a process to leave behind, ${n_amidst} had to have one`);
  say(`hive killed: ${rounds} times, none left behind; processes at ${n_full} of the kills, at most ${most}, the last gone after ${slowest.toFixed(0)} ms`);
}

module.exports = { hiveKilled };
if (require.main === module) main(hiveKilled, 100);
