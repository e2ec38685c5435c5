'use strict';
/*
 * hive.js - a real rbee-hive for a test: on a port of the kernel's choice, in a home of its own.
 */
const fs = require('node:fs');

const { HIVE, Proc, makeFolder, until } = require('./proc.js');
const { ask } = require('./sse.js');

/* Flags as an object: { slots: 2 } is --slots 2. `home` may be one that an earlier hive had. */
async function startHive({ flags = {}, env = {}, home = makeFolder('rbee-hive-'), program = HIVE } = {}) {
  const args = ['daemon', '--addr', '127.0.0.1:0', '--home', home];
  for (const [name, value] of Object.entries(flags)) args.push(`--${name}`, String(value));
  const hive = new Proc(program, args, { env: { HOME: home, ...env } });
  hive.home = home;
  [, hive.url] = await hive.says(/^rbee-hive \S+ listening on (http:\/\/127\.0\.0\.1:\d+)$/m);
  return hive;
}

const get = (hive, where) => ask(hive.url + where);
const post = (hive, where, body, headers) => ask(hive.url + where, { method: 'POST', body, headers });
const remove = (hive, where) => ask(hive.url + where, { method: 'DELETE' });
const spawn = (hive, model, more = {}) => post(hive, '/v1/workers/spawn', { model_ref: model, ...more });
const list = async (hive) => (await get(hive, '/v1/workers/list')).json.workers;

/* Spawns and waits until the worker is ready, as the hive sees it and as it says itself. */
async function spawnReady(hive, model, more) {
  const answer = await spawn(hive, model, more);
  if (answer.status !== 200) throw new Error(`spawn: ${answer.status} ${answer.text}`);
  await until(async () => (await get(hive, `/v1/workers/${answer.json.worker_id}`)).json.state === 'idle',
    () => `idle:\n${hive.stderr}`);
  await until(async () => (await get(answer.json, '/v1/ready')).json.ready, 'ready');
  return answer.json;
}

/* The process ids that a process has started and that are still there. */
function childrenOf(pid) {
  return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

/* Has a process a deleted file open whose name had this end? */
function keepsDeleted(pid, end) {
  return fs.readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return fs.readlinkSync(`/proc/${pid}/fd/${fd}`).endsWith(`${end} (deleted)`);
    } catch {
      return false; // closed meanwhile
    }
  });
}

module.exports = { startHive, get, post, remove, spawn, spawnReady, list, childrenOf, keepsDeleted };
