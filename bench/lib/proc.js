'use strict';
/*
 * proc.js - the processes of a measurement: run to their end, timed to their first output, or kept as
 * a server. Each is the leader of a process group of its own, so that what a wrapper started ends with
 * it; none is left when the benchmark ends, however it ends.
 */
const fs = require('node:fs');
const net = require('node:net');
const { spawn } = require('node:child_process');

const groups = new Set();
function endGroup(pid, signal = 'SIGKILL') {
  try { process.kill(-pid, signal); } catch { /* it is gone */ }
}
process.on('exit', () => { for (const pid of groups) endGroup(pid); });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

/* words: the program and its arguments. stdin: text, or nothing. */
function start(words, { stdin, env = {} } = {}) {
  const child = spawn(words[0], words.slice(1), {
    detached: true,
    env: { ...process.env, ...env },
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  const proc = { child, pid: child.pid, stdout: '', stderr: '', firstAt: 0, startedAt: 0 };
  groups.add(child.pid);
  child.stdout.on('data', (data) => {
    proc.firstAt ||= performance.now();
    proc.stdout += data;
  });
  child.stderr.on('data', (data) => { proc.stderr = (proc.stderr + data).slice(-65536); });
  if (stdin !== undefined) {
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
  }
  proc.ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      groups.delete(child.pid);
      resolve(code ?? signal);
    });
  });
  proc.ended.catch(() => {});
  return proc;
}

/* Runs it to its end; the process with its output. Fails when it does. */
async function run(words, options) {
  const proc = start(words, options);
  const code = await proc.ended;
  if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}: ${proc.stderr.slice(-600)}`);
  return proc;
}

/* Lines of JSON on its standard output. */
async function runJson(words, options) {
  const { stdout } = await run(words, options);
  return stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
}

/* Milliseconds from just before the process is made to its first byte on stdout, or to its end. */
async function firstByteMs(words, options) {
  const began = performance.now();
  const proc = await run(words, options);
  return (proc.firstAt || performance.now()) - began;
}

async function stop(proc) {
  endGroup(proc.pid, 'SIGTERM');
  const late = setTimeout(() => endGroup(proc.pid), 5000);
  await proc.ended.catch(() => {});
  clearTimeout(late);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(ask, what, limitMs = 120000) {
  for (const end = Date.now() + limitMs; Date.now() < end; await sleep(10)) {
    const answer = await ask();
    if (answer) return answer;
  }
  throw new Error(`${what}: not within ${limitMs} ms`);
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/* Resident bytes of the largest process of a process group (Linux): a wrapper is smaller than what it runs. */
function residentBytes(group) {
  let most = 0;
  for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
      if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]) !== group) continue;
      const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
      most = Math.max(most, Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] || 0) * 1024);
    } catch { /* it has just ended */ }
  }
  return most;
}

module.exports = { start, run, runJson, firstByteMs, stop, sleep, until, freePort, residentBytes };
