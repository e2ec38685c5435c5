'use strict';
/*
 * download.js - a model from a hub on loopback to the disk: the hive (ranges, ledger, SHA-256, brought to
 * the disk, looked at before it is a model) beside `curl -o` of the same file to the same disk, which
 * does none of this, and beside curl with a sync and sha256sum behind it, which is the same work.
 */
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const { modelFile } = require('./setting.js');
const { start, run, stop, until } = require('./proc.js');
const { inTurn } = require('./pairs.js');
const { startHive, endHive } = require('./begin.js');

const hasCurl = () => spawnSync('curl', ['--version']).status === 0;

const perSec = (bytes, began) => bytes / 1e6 / ((performance.now() - began) / 1000);

/* To the event that says it is complete. */
async function pull(hive, ref) {
  const ask = (route, body) => fetch(`${hive.url}${route}`, body && { method: 'POST', body: JSON.stringify(body) });
  const answer = await (await ask('/v1/models/download', { model_ref: ref })).json(), id = answer.download_id;
  if (!id) throw new Error(`no download begins: ${JSON.stringify(answer)}`);
  const events = await (await ask(`/v1/models/download/progress?id=${id}`)).text();
  if (!events.includes('"stage":"complete"')) throw new Error(`the download ended with ${events.slice(-600)}`);
}

async function forget(hive, ref) {
  const answer = await fetch(`${hive.url}/v1/models?model_ref=${encodeURIComponent(ref)}`, { method: 'DELETE' });
  if (!answer.ok) throw new Error(`${ref} cannot be removed: ${await answer.text()}`);
  await run(['sync']); // what the last one left to the disk is not the next one's time
}

/* The most that the process has had resident (Linux), as the kernel counts it. */
function peakBytes(pid) {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+)/m.exec(status)[1]) * 1024;
}

async function rbee(hive, ref, bytes) {
  const began = performance.now();
  await pull(hive, ref);
  const rate = perSec(bytes, began);
  await forget(hive, ref);
  return rate;
}

async function curl(url, file, bytes, isVerified) {
  const began = performance.now();
  await run(['curl', '-sSfL', '-o', file, url]);
  if (isVerified) await run(['sh', '-c', 'sync "$0" && sha256sum "$0"', file]);
  const rate = perSec(bytes, began);
  fs.rmSync(file);
  await run(['sync']);
  return rate;
}

function download(model) {
  return {
    name: `download-${model}`,
    models: [model],
    async run({ pairs, emit }) {
      if (!hasCurl()) throw new Error('curl is not on PATH');
      const file = modelFile(model), name = path.basename(file), ref = `hf:bench/file:${name}`;
      const bytes = fs.statSync(file).size;
      const hub = start([process.execPath, path.join(__dirname, 'hub-alone.js'), file]);
      const { hub: url } = JSON.parse(await until(() => /^\{.*\}$/m.exec(hub.stdout)?.[0], 'the hub listens'));
      const hive = await startHive('', { HF_ENDPOINT: url });
      const link = `${url}/bench/file/resolve/main/${name}`, to = path.join(hive.home, 'curl');
      try {
        const sides = {
          rbee: () => rbee(hive, ref, bytes),
          curl: () => curl(link, to, bytes, false),
          checked: () => curl(link, to, bytes, true),
        };
        await inTurn(1, sides);
        const samples = await inTurn(pairs * 3, sides), resident = peakBytes(hive.proc.pid);
        const beside = (peer) => samples.map((s) => ({ rbee: s.rbee, [peer]: s[peer] }));
        emit({ row: this.name, what: `download of ${name}`, unit: 'MB/s', samples: beside('curl'), better: 'more', target: '>= 0.8',
          note: `the hive's largest resident size: ${(resident / 1e6).toFixed(1)} MB; target: under 30` });
        emit({ row: `${this.name}-checked`, what: `download of ${name}, beside curl; sync; sha256sum`, unit: 'MB/s',
          samples: beside('checked'), better: 'more', target: '' });
      } finally {
        await endHive(hive);
        await stop(hub);
      }
    },
  };
}

module.exports = { download };
