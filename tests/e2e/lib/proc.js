'use strict';
/*
 * proc.js - real processes for tests: started, waited for, and gone afterwards in any case.
 *
 * What a process says is kept and shown when a wait fails. One that crashes fails the test file, and so does
 * one that is left (watch.js). The programs are those of the build folder RBEE_BUILD.
 */
const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawn, spawnSync, execFileSync } = require('node:child_process');

const { watch, judge, watchHome, spareHome, ownFolder, ownMount } = require('./watch.js');

const ROOT = path.resolve(__dirname, '../../..');
const BUILD = path.resolve(process.env.RBEE_BUILD || path.join(ROOT, 'build'));
const DATA = process.env.RBEE_TEST_DATA || path.join(ROOT, '../shared/data');
const WORKER = path.join(BUILD, 'src/worker/llm-worker-rbee');
const HIVE = path.join(BUILD, 'src/hive/rbee-hive');
const KEEPER = path.join(BUILD, 'src/keeper/rbee-keeper');

/* Sanitized programs are slower; so is a machine that does other things. */
const PATIENCE_MS = 20000;
const STOP_MS = 60000; // a hive whose workers have something to finish may take 35 s

const alive = new Set();

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* Asks until the answer is true; fails with what `describe` says. */
async function until(ask, describe = 'the condition', limitMs = PATIENCE_MS) {
  const end = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) {
      throw new Error(`${typeof describe === 'function' ? describe() : describe}: not within ${limitMs} ms`);
    }
    await sleep(5);
  }
}

function makeFolder(name = 'rbee-test-') {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), name));
  ownFolder(folder);
  return folder;
}

/* The model that ships with the checkout, else the one of the test data, else null. */
function testModel() {
  const choices = [path.join(ROOT, 'models/tiny.gguf'),
    path.join(DATA, 'stories260K/stories260K.gguf')];
  return choices.find((file) => fs.existsSync(file)) || null;
}

function isAlive(pid) {
  assert.ok(Number.isInteger(pid) && pid > 0, `no process: ${pid}`); // it would be taken for one that is gone
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try { // a zombie is dead
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/* May an address be bound that this machine does not have? */
function bindsAny() {
  return fs.readFileSync('/proc/sys/net/ipv4/ip_nonlocal_bind', 'utf8').trim() === '1';
}

class Proc {
  /* stdio: what follows the three standard descriptors ('pipe' or descriptors), from number 3 on. */
  constructor(program, args = [], { env = {}, cwd = os.tmpdir(), stdio = [] } = {}) {
    this.stdout = '';
    this.stderr = '';
    this.code = this.killedBy = null;
    this.told = null; // the last signal that it was sent
    this.child = spawn(program, args, {
      cwd,
      env: { PATH: process.env.PATH, LANG: 'C.UTF-8', ...sanitizerEnv(), ...env },
      stdio: ['ignore', 'pipe', 'pipe', ...stdio],
    });
    this.pid = this.child.pid;
    this.name = path.basename(program);
    if (args.includes('--home')) watchHome(this.home = args[args.indexOf('--home') + 1]);
    watch(this.child, this.name, () => this.told !== null);
    this.child.stdout.on('data', (data) => { this.stdout += data; });
    this.child.stderr.on('data', (data) => { this.stderr += data; });
    alive.add(this);
    this.ended = new Promise((resolve, reject) => {
      this.child.on('error', (error) => { alive.delete(this); reject(error); });
      this.child.on('close', (code, signal) => {
        alive.delete(this);
        this.code = code;
        this.killedBy = signal;
        const wanted = this.crashes || (signal !== null && signal === this.told);
        judge(this.name, { code, signal, said: this.stderr, mayCrash: wanted });
        resolve(this);
      });
    });
    this.ended.catch(() => {});
  }

  /* The match of a pattern in what it says on stderr or stdout. */
  async says(pattern) {
    return until(() => {
      const match = pattern.exec(this.stderr) || pattern.exec(this.stdout);
      if (!match && !alive.has(this)) throw new Error(`ended (${this.code ?? this.killedBy}) without ${pattern}:\n${this.stderr}`);
      return match;
    }, () => `${pattern} in:\n${this.stdout}${this.stderr}`);
  }

  /* Its crash, and those of its workers, are what the test wants. */
  mayCrash() {
    this.crashes = true;
    if (this.home) spareHome(this.home);
    return this;
  }

  signal(name) {
    if (name !== 0) this.told = name;
    try { process.kill(this.pid, name); } catch { /* it is gone */ }
  }

  /* Waits for its end; { code, killedBy }. */
  async end(limitMs = PATIENCE_MS) {
    const late = Symbol('late');
    const timer = new AbortController();
    const first = await Promise.race([this.ended,
      new Promise((resolve) => {
        const t = setTimeout(resolve, limitMs, late);
        timer.signal.addEventListener('abort', () => clearTimeout(t));
      })]);
    timer.abort();
    if (first === late) throw new Error(`still alive after ${limitMs} ms:\n${this.stderr}`);
    return { code: this.code, killedBy: this.killedBy };
  }

  /* Ends it the polite way, then the other. One that the test has not ended or sent a signal must end well. */
  async stop() {
    const untouched = alive.has(this) && this.told === null;
    this.signal('SIGTERM');
    await this.end(STOP_MS).catch(() => this.signal('SIGKILL'));
    await this.ended;
    const well = this.code === 0 || this.code === 143 || this.killedBy === 'SIGTERM'; // a keeper's, and any other program's
    if (!untouched || well || this.crashes) return;
    throw new Error(`${this.name} ended by ${this.code ?? this.killedBy} when it was stopped:\n${this.stderr}`);
  }
}

/* What a sanitized build needs from the tester's environment; the thread sanitizer's wont to sleep a
 * second before a process ends is of no use here. */
function sanitizerEnv() {
  const env = {};
  for (const name of ['ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS', 'LSAN_OPTIONS']) {
    if (process.env[name]) env[name] = process.env[name];
  }
  env.TSAN_OPTIONS = `${env.TSAN_OPTIONS || ''} atexit_sleep_ms=0`;
  return env;
}

/* A worker that listens; its `url` is set. Flags as an object: { slots: 2 } is --slots 2. */
async function startWorker(flags = {}, options = {}) {
  const all = { model: testModel(), addr: '127.0.0.1:0', ...flags };
  const args = ['serve'];
  for (const [name, value] of Object.entries(all)) {
    if (value !== null) args.push(`--${name}`, String(value));
  }
  const proc = new Proc(WORKER, args, options);
  [, proc.url] = await proc.says(/listens on (http:\/\/\S+)/);
  return proc;
}

/* `llm-worker-rbee run`'s standard output. */
function runWorker(flags) {
  const args = ['run'];
  for (const [name, value] of Object.entries({ model: testModel(), ...flags })) {
    args.push(`--${name}`, String(value));
  }
  return execFileSync(WORKER, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

/* A file system of its own, so large ("2m"): { folder, end }, or { why } where there can be none. */
function smallDisk(size) {
  if (process.getuid() !== 0) return { why: 'only root can mount a small file system' };
  const folder = makeFolder('rbee-disk-');
  ownMount(folder);
  const r = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'none', folder], { encoding: 'utf8' });
  if (r.status !== 0) return { why: `cannot mount: ${r.stderr}` };
  return { folder, end: () => spawnSync('umount', [folder]) };
}

module.exports = {
  ROOT, BUILD, DATA, WORKER, HIVE, KEEPER, PATIENCE_MS,
  Proc, startWorker, runWorker, testModel, makeFolder, smallDisk, isAlive, bindsAny, sleep, until,
};
