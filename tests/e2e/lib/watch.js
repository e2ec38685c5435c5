'use strict';
/*
 * watch.js - what the processes of a test file came to, whatever its tests say of themselves.
 *
 * A crash or a sanitizer's report of any of them makes the file fail, also one that only a log of a home tells
 * (a worker's, say). So does a process that is still there behind the last test: it would keep the file's own
 * process alive, so it is ended. None outlives the file.
 */
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { after } = require('node:test');

const SANITIZED = 66; // the exit code of the thread sanitizer's reports
const CRASHES = new Set(['SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGSYS']);
const CODES = new Set([SANITIZED, 132, 134, 135, 136, 139, 159]); // as a shell or `script` passes them on
const REPORT = new RegExp(['ERROR: \\w+Sanitizer:', 'WARNING: ThreadSanitizer:', ':\\d+:\\d+: runtime error: ',
  'ended with (signal SIG(SEGV|ABRT|BUS|ILL|FPE|SYS)|exit code 66)\\b'].join('|')); // the last: a hive, of a process of its own
const GONE_MS = 20000; // until one that was told to end must be gone

const alive = new Map(); // a child: its name, and whether it was told to end
const homes = new Set(), spared = new Set(), folders = [], mounts = [];

const boxed = (text) => text.slice(-12000).trimEnd().split('\n').map((line) => `| ${line}`).join('\n');

/* What a test says of it may be no more than that a connection broke: the log keeps what it said itself. */
function fail(what, said = '') {
  process.exitCode = 1;
  process.stderr.write(`${what}\n${said && `${boxed(said)}\n`}`);
}

/* Follows a child to its end. `told()`: it is about to end by itself, or by a signal that was sent. */
function watch(child, name, told = () => child.killed) {
  alive.set(child, { name, told });
  child.once('error', () => alive.delete(child));
  child.once('close', () => alive.delete(child));
}

/* Where in a text a report begins, or -1. */
function reportIn(text) {
  const lines = text.split('\n'), i = lines.findIndex((line) => REPORT.test(line));
  return i < 0 ? -1 : lines.slice(0, i).join('\n').length;
}

/* Looks at how one ended and what it said. */
function judge(name, { code, signal = null, said, mayCrash = false }) {
  const crashed = CODES.has(code) || CRASHES.has(signal) || reportIn(said) >= 0;
  if (crashed && !mayCrash) fail(`CRASHED: ${name} (${code ?? signal})`, said);
}

/* A home whose logs are read at the end, unless its workers are made to crash. */
const watchHome = (home) => homes.add(home);
const spareHome = (home) => spared.add(home);

/* A folder that goes with the file; and what is mounted in one. */
const ownFolder = (folder) => folders.push(folder);
const ownMount = (folder) => mounts.push(folder);

function readLogs(home) {
  const logs = path.join(home, 'logs');
  let names = [];
  try { names = fs.readdirSync(logs); } catch { /* it never had any, or is gone */ }
  for (const name of names) {
    try {
      const text = fs.readFileSync(path.join(logs, name), 'utf8');
      const at = reportIn(text);
      if (at >= 0) fail(`CRASHED: see ${name} of a home`, text.slice(Math.max(0, at - 1000), at + 11000));
    } catch { /* a pipe or a folder */ }
  }
}

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/* Behind all tests. */
async function endAll() {
  for (const [child, { name, told }] of alive) {
    if (!told()) fail(`LEFT: ${name} (${child.pid}) was there behind the last test`);
    child.kill('SIGKILL');
  }
  for (const end = Date.now() + GONE_MS; alive.size && Date.now() < end;) await sleep(5);
  for (const [child, { name }] of alive) { // or a grandchild that holds its output
    fail(`LEFT: ${name} (${child.pid}) does not go`);
    child.stdout?.destroy();
    child.stderr?.destroy();
    child.unref();
  }
}

/* Its place is behind what the file itself says at its top. */
if (require.main?.filename.endsWith('.test.js')) process.nextTick(() => after(endAll));

process.on('SIGTERM', () => process.exit(143)); // a runner's patience is over
process.on('exit', () => {
  for (const child of alive.keys()) child.kill('SIGKILL');
  for (const home of homes) if (!spared.has(home)) readLogs(home);
  for (const folder of mounts.reverse()) spawnSync('umount', ['-l', folder]); // most are gone
  for (const folder of folders) {
    try {
      fs.rmSync(folder, { recursive: true, force: true });
    } catch (e) {
      process.stderr.write(`LEFT: ${folder}: ${e.message}\n`);
    }
  }
});

module.exports = { watch, judge, watchHome, spareHome, ownFolder, ownMount };
