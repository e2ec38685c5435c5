'use strict';
/*
 * end-by-force.test.js - workers that do not end when they are told to: SIGTERM, and ten seconds later SIGKILL, to all
 * of them at once. Its own file, for it waits as long as the program does.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { makeFolder, isAlive, until } = require('./lib/proc.js');
const { startHive, get, spawn, remove } = require('./lib/hive.js');

const SHUTDOWN_CALL_S = 3, TERM_S = 10; // worker_stop.c, WORKERS_TERM_MS

test('two that heed no SIGTERM are killed, both at a time', async (t) => {
  const program = path.join(makeFolder(), 'worker.sh');
  fs.writeFileSync(program, '#!/bin/sh\n[ "$1" = inspect ] && { echo \'{"supported":true}\'; exit 0; }\ntrap "" TERM\nexec sleep 600\n', { mode: 0o755 });
  const hive = await startHive({ flags: { worker: program } });
  t.after(() => hive.stop());
  const workers = [];
  for (const name of ['a.gguf', 'b.gguf']) {
    const model = path.join(makeFolder(), name);
    fs.writeFileSync(model, name);
    workers.push((await spawn(hive, model)).json);
  }
  for (const { pid } of workers) await until(() => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sleep'), 'it heeds no SIGTERM');
  const began = performance.now();
  for (const { worker_id: id } of workers) assert.strictEqual((await remove(hive, `/v1/workers/${id}`)).status, 202);
  const gone = await Promise.all(workers.map(({ pid }) =>
    until(() => !isAlive(pid) && performance.now() - began, () => hive.stderr, 60000)));
  for (const ms of gone) assert.ok(ms > TERM_S * 1000, `${ms} ms`); // it had its time
  assert.ok(Math.max(...gone) - Math.min(...gone) < TERM_S * 1000 / 2, `${gone} ms: one after the other`);
  assert.ok(Math.max(...gone) < (SHUTDOWN_CALL_S + 2 * TERM_S) * 1000, `${gone} ms`);
  for (const { worker_id: id } of workers) {
    assert.match(hive.stderr, new RegExp(`${id} did not end within ${TERM_S} s of SIGTERM and is killed`));
    await until(async () => (await get(hive, `/v1/workers/${id}`)).status === 404, 'the list without it');
  }
});
