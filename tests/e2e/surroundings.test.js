'use strict';
/*
 * surroundings.test.js - what a hive was started in, and what becomes of that: a log that nobody reads,
 * signals and limits that a shell or a service hands down, a disk that is full, what else lies in its home.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { execFileSync } = require('node:child_process');

const { HIVE, testModel, makeFolder } = require('./lib/proc.js');
const { startHive, get, post } = require('./lib/hive.js');

const MODEL = testModel();
const skip = MODEL ? false : 'no model: neither models/tiny.gguf nor the test data are there';
const env = { RBEE_TINY: MODEL || '' };

/* A program that starts a hive in other surroundings, by these lines of a shell. */
function within(lines) {
  const program = path.join(makeFolder(), 'hive.sh');
  fs.writeFileSync(program, `#!/bin/sh\n${lines.replace('HIVE', `"${HIVE}" "$@"`)}\n`);
  fs.chmodSync(program, 0o755);
  return program;
}

const generate = (hive) => post(hive, '/v1/chat/completions',
  { model: 'tiny', messages: [{ role: 'user', content: 'hi' }], max_tokens: 2 });

/* ---- the log ---- */

/* A pipe that somebody holds and does not read. */
class Pipe {
  constructor() {
    this.name = path.join(makeFolder(), 'pipe');
    execFileSync('mkfifo', [this.name]);
    this.fd = fs.openSync(this.name, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  }

  /* To the last byte. */
  fill() {
    for (const size of [4096, 1]) {
      try {
        for (;;) fs.writeSync(this.fd, Buffer.alloc(size, '.'));
      } catch (e) {
        if (e.code !== 'EAGAIN') throw e;
      }
    }
  }

  /* What is in it. */
  drain() {
    const piece = Buffer.alloc(65536);
    let text = '';
    try {
      for (;;) text += piece.toString('utf8', 0, fs.readSync(this.fd, piece));
    } catch (e) {
      if (e.code !== 'EAGAIN') throw e;
    }
    return text;
  }
}

/*
 * `rbee-hive daemon 2>&1 | less`, Ctrl+S in the terminal it was started from, a hung ssh: the hive's loop waited
 * until its next line was taken. Nobody was served, and SIGTERM did nothing.
 */
test('a log that nobody reads holds up nobody, and says later what it lost', { skip }, async () => {
  const pipe = new Pipe();
  pipe.fill();
  const hive = await startHive({ program: within(`exec HIVE 2>"${pipe.name}"`), env });
  assert.strictEqual((await generate(hive)).status, 200); // two lines: its start, and that it is ready
  assert.strictEqual((await get(hive, '/v1/health')).status, 200);
  assert.match(pipe.drain(), /^\.+$/);
  const [{ worker_id: id }] = (await get(hive, '/v1/workers/list')).json.workers;
  process.kill((await get(hive, `/v1/workers/${id}`)).json.pid, 'SIGKILL');
  assert.strictEqual((await generate(hive)).status, 200);
  assert.match(pipe.drain(), /^\S+ warn {2}rbee-hive: \d+ lines? of the log (was|were) lost\n\S+ \w+ +rbee-hive: worker-/);
  pipe.fill();
  hive.signal('SIGTERM');
  assert.deepStrictEqual(await hive.end(), { code: 0, killedBy: null });
  assert.match(pipe.drain(), /^\.+$/);
  fs.closeSync(pipe.fd);
});
