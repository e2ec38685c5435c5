'use strict';
/*
 * keeper.js - starts rbee-keeper as a person would and collects what it says.
 *
 * Every run has a home folder of its own and none of the tester's settings. Time stamps of the
 * pieces of stdout are kept, so that a test can tell a stream from one lump.
 */
const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { spawn, spawnSync } = require('node:child_process');

const { watch, judge, watchHome, ownFolder } = require('./watch.js');

const BUILD = process.env.RBEE_BUILD || path.resolve(__dirname, '../../../build');
const KEEPER = path.join(BUILD, 'src/keeper/rbee-keeper');

/* A fresh RBEE_HOME. */
function makeHome() {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'rbee-keeper-'));
  ownFolder(home);
  watchHome(home);
  return home;
}

/* Without SHELL, `script` takes the system's sh: whose machine it is makes no difference. */
function environment(extra) {
  const env = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (!/^(RBEE_|HF_|NO_COLOR|(TERM|SHELL)$)/.test(name)) env[name] = value;
  }
  return { ...env, ...extra };
}

class Run {
  /* `stdout`: a descriptor that it is to have, else a pipe that is read. */
  constructor(args, { env = {}, home = makeHome(), cwd = os.tmpdir(), input, stdout = 'pipe' } = {}) {
    this.home = home;
    this.stdout = '';
    this.stderr = '';
    this.pieces = []; // { at, text }
    this.child = spawn(KEEPER, args, {
      cwd,
      env: environment({ RBEE_HOME: home, ...env }),
      stdio: [input === undefined ? 'ignore' : 'pipe', stdout, 'pipe'],
    });
    watch(this.child, 'rbee-keeper');
    if (input !== undefined) {
      this.child.stdin.on('error', () => {}); // it may end without reading
      this.child.stdin.end(input);
    }
    this.waiting = [];
    this.child.stdout?.on('data', (data) => {
      this.pieces.push({ at: Date.now(), text: data.toString() });
      this.stdout += data;
      this.#look();
    });
    this.child.stderr.on('data', (data) => {
      this.stderr += data;
      this.#look();
    });
    this.done = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code, signal) => {
        this.code = code;
        this.signal = signal;
        judge('rbee-keeper', { code, signal, said: this.stderr });
        this.#look(true);
        resolve(this);
      });
    });
  }

  #look(over = false) {
    this.waiting = this.waiting.filter(({ test, resolve, reject }) => {
      if (test.test(this.stdout) || test.test(this.stderr)) resolve();
      else if (over) reject(new Error(`never said ${test}: ${this.stdout}\n${this.stderr}`));
      else return true;
      return false;
    });
  }

  /* Until stdout or stderr matches. */
  says(test) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ test, resolve, reject });
      this.#look();
    });
  }

  interrupt() {
    this.child.kill('SIGINT');
  }
}

/* Starts it; `await run(...).done` waits for the end. */
function start(args, options) {
  return new Run(args, options);
}

/* Runs it to its end. */
function run(args, options) {
  return start(args, options).done;
}

/*
 * The same under a pseudo terminal (util-linux's `script`): everything comes back as one text, as
 * the terminal would show it. With `stderrOnly`, stdout is thrown away.
 */
function runOnTerminal(args, { env = {}, home = makeHome(), columns = 100 } = {}) {
  const quoted = [KEEPER, ...args].map((a) => `'${a.replace(/'/g, `'\\''`)}'`).join(' ');
  return new Promise((resolve, reject) => {
    const child = spawn('script', ['-qec', `stty cols ${columns}; exec ${quoted}`, '/dev/null'], {
      env: environment({ RBEE_HOME: home, TERM: 'xterm-256color', ...env }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let screen = '';
    child.stdout.on('data', (data) => { screen += data; });
    child.on('error', reject);
    watch(child, 'rbee-keeper on a terminal');
    child.on('close', (code) => {
      judge('rbee-keeper', { code, said: screen });
      resolve({ code, screen });
    });
  });
}

/* Why runOnTerminal cannot be used here, or false: a bare chroot has no /dev/pts. */
const noTerminal = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0
  ? false : 'no pseudo-terminal can be had here';

const taken = []; // to the end of the file

/* A port where nobody listens, nor can come to: it is bound. */
async function deadPort() {
  const { TCP, constants } = process.binding('tcp_wrap'), handle = new TCP(constants.SERVER), place = {};
  assert.strictEqual(handle.bind('127.0.0.1', 0) || handle.getsockname(place), 0);
  taken.push(handle);
  return place.port;
}

/* A port that takes no connection once `fill` was called: its program is stopped, and what waits there is full. */
async function deafPort(t) {
  const text = "const s = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(s.address().port));";
  const child = spawn(process.execPath, ['-e', text], { stdio: ['ignore', 'pipe', 'inherit'] });
  const sockets = [];
  t.after(() => { for (const s of sockets) s.destroy(); child.kill('SIGKILL'); });
  const port = await new Promise((resolve) => child.stdout.once('data', (data) => resolve(Number(data))));
  const fill = () => {
    child.kill('SIGSTOP');
    for (let i = 0; i < 4; i++) sockets.push(net.connect(port, '127.0.0.1').on('error', () => {}));
    return new Promise((resolve) => sockets[0].once('connect', resolve));
  };
  return { port, fill };
}

module.exports = { deadPort, deafPort, BUILD, KEEPER, makeHome, environment, run, start, runOnTerminal, noTerminal };
