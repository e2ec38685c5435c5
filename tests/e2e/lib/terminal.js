'use strict';
/*
 * terminal.js - rbee-keeper on a pseudo terminal (util-linux's `script`), typed at by a test.
 *
 * What the terminal shows comes as one text. `says` looks for a pattern behind the last one that it
 * found, so that a test reads like a dialogue; keys are what a terminal sends for them.
 */
const fs = require('node:fs');
const os = require('node:os');
const { spawn } = require('node:child_process');
const { setTimeout: sleep } = require('node:timers/promises');

const { KEEPER, makeHome, environment } = require('./keeper.js');
const { PATIENCE_MS } = require('./proc.js');
const { watch, judge } = require('./watch.js');

const KEYS = {
  enter: '\r', interrupt: '\x03', end: '\x04', erase: '\x7f', up: '\x1b[A', left: '\x1b[D',
  pasted: (text) => `\x1b[200~${text}\x1b[201~`,
};

/* The first child of a process. */
function childOf(pid) {
  return Number(fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}

class Terminal {
  /*
   * `behind`: what a shell does on the same terminal once the keeper has ended; the keys that interrupt
   * come to that shell, too, and it is not to die of them.
   */
  constructor(args, { env = {}, home = makeHome(), cwd = os.tmpdir(), behind = '' } = {}) {
    const quoted = [KEEPER, ...args].map((a) => `'${a.replace(/'/g, `'\\''`)}'`).join(' ');
    this.home = home;
    this.behind = behind;
    this.screen = '';
    this.seen = 0; // how far `says` has come
    this.waiting = null;
    this.child = spawn('script', ['-qec', `stty cols 100 rows 40; ${behind ? `trap : INT QUIT; ${quoted}; ${behind}` : `exec ${quoted}`}`, '/dev/null'], {
      cwd, env: environment({ RBEE_HOME: home, TERM: 'xterm-256color', LC_ALL: 'C.UTF-8', ...env }),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    watch(this.child, 'rbee-keeper on a terminal');
    this.child.stdin.on('error', () => {});
    this.child.stdout.setEncoding('utf8');
    this.child.stdout.on('data', (data) => { this.screen += data; this.#look(false); });
    this.done = new Promise((resolve) => {
      this.child.on('close', (code) => {
        this.code = code;
        judge('rbee-keeper', { code, said: this.screen });
        this.#look(true);
        resolve(this);
      });
    });
  }

  #look(over) {
    const w = this.waiting;
    if (!w) return;
    const match = w.pattern.exec(this.screen.slice(this.seen));
    if (!match && !over) return;
    this.waiting = null;
    clearTimeout(w.timer);
    if (match) {
      this.seen += match.index + match[0].length;
      w.resolve(match);
    } else {
      w.reject(new Error(`it ended without ${w.pattern}:\n${this.screen}`));
    }
  }

  /* Until the screen shows it, behind what was found before; the match. */
  says(pattern) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting = null;
        reject(new Error(`no ${pattern} in ${JSON.stringify(this.screen.slice(this.seen))} of:\n${this.screen}`));
      }, PATIENCE_MS);
      this.waiting = { pattern, resolve, reject, timer };
      this.#look(this.code !== undefined);
    });
  }

  /* Types the text, and Enter. */
  enter(text) {
    this.keys(text + KEYS.enter);
  }

  keys(bytes) {
    this.child.stdin.write(bytes);
  }

  /* The keeper's process, and the name of its terminal. */
  keeper() {
    const pid = this.behind ? childOf(childOf(this.child.pid)) : childOf(this.child.pid);
    return { pid, name: fs.readlinkSync(`/proc/${pid}/fd/0`) };
  }

  /* Its end; the exit code. */
  async end() {
    const late = sleep(PATIENCE_MS, 'late', { ref: false });
    if (await Promise.race([this.done, late]) === 'late') throw new Error(`it did not end:\n${this.screen}`);
    return this.code;
  }

  /* For afterEach: nothing is left, and nothing waits for it. */
  async kill() {
    if (this.code !== undefined) return;
    this.child.kill('SIGKILL'); // with it goes the terminal, and SIGHUP to whom it belongs
    this.child.stdout.destroy();
    this.child.stderr.destroy();
    await this.done;
  }
}

module.exports = { Terminal, KEYS };
