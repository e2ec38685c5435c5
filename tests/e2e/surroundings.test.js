'use strict';
/*
 * surroundings.test.js - what a hive was started in, and what becomes of that: a log that nobody reads,
 * signals and limits that a shell or a service hands down, a disk that is full, what else lies in its home.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { execFileSync, spawnSync } = require('node:child_process');

const { BUILD, HIVE, KEEPER, testModel, makeFolder, smallDisk, until } = require('./lib/proc.js');
const { hostFor, notApart } = require('./lib/host.js');
const { startHive, get, post, spawn, spawnReady, childrenOf } = require('./lib/hive.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { stream } = require('./lib/sse.js');
const { Hub } = require('./lib/hub.js');
const keeper = require('./lib/keeper.js');

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

/* ---- signals ---- */

/* An answer of 60 tokens that has begun, each of them slow. */
async function beginAnswer(hive) {
  const file = path.join(makeFolder(), 'hollow.gguf');
  writeHollowModel(file, { layers: 8, embd: 512, ff: 2048, ctx: 1024 });
  const worker = await spawnReady(hive, file);
  const running = await stream(`${worker.url}/v1/inference`, { method: 'POST', body: { prompt: 'a', max_tokens: 60, temperature: 0 } });
  await running.find((e) => e.type === 'token');
  return running;
}

/*
 * The window of the terminal was closed in which somebody had typed `rbee-hive daemon &`: the hive died as SIGHUP
 * does it, streams broke off, and its workers' notes stayed. The shell and the kernel may both send one.
 */
test('SIGHUP ends a hive in order, however often it comes', async () => {
  const hive = await startHive({ flags: { threads: 1 } });
  const running = await beginAnswer(hive);
  hive.signal('SIGHUP');
  await hive.says(/SIGHUP: the hive ends; its workers are asked to finish/);
  hive.signal('SIGHUP');
  const last = (await running.all()).at(-1);
  assert.deepStrictEqual([last.type, last.tokens_out, running.done], ['end', 60, true]);
  assert.deepStrictEqual(await hive.end(), { code: 0, killedBy: null });
  assert.deepStrictEqual(fs.readdirSync(path.join(hive.home, 'run')).filter((name) => /\.worker$/.test(name)), []);
});

test('a hive whose parent ignores SIGHUP (nohup) stays', async (t) => {
  const hive = await startHive({ program: within('exec env --ignore-signal=HUP HIVE') });
  t.after(() => hive.stop());
  hive.signal('SIGHUP');
  assert.strictEqual((await get(hive, '/v1/health')).status, 200);
  hive.signal('SIGTERM');
  assert.deepStrictEqual(await hive.end(), { code: 0, killedBy: null });
  assert.match(hive.stderr, /SIGTERM: the hive ends/);
  assert.doesNotMatch(hive.stderr, /SIGHUP|a second signal/);
});

/* ---- limits ---- */

/*
 * `ulimit -f`, or LimitFSIZE of a service: with its first write past that the hive was dead, and its workers with it.
 * Here it is a line of the log; a push and the catalog are written by the same thread.
 */
test('a limit of files\' sizes fails a write, and kills no hive', { skip }, async () => {
  const log = path.join(makeFolder(), 'log');
  fs.writeFileSync(log, Buffer.alloc(4 << 20));
  const hive = await startHive({ program: within(`ulimit -f 2000; exec HIVE 2>>"${log}"`), env });
  assert.strictEqual((await generate(hive)).status, 200);
  hive.signal('SIGTERM');
  assert.deepStrictEqual(await hive.end(), { code: 0, killedBy: null });
  assert.strictEqual(fs.statSync(log).size, 4 << 20);
});

/* ---- where output goes ---- */

/* A full disk, and a standard output that is closed. */
const nowhere = (program, args, env) => ['>/dev/full', '>&-'].map((where) =>
  spawnSync('sh', ['-c', `exec "$0" "$@" ${where}`, program, ...args], { encoding: 'utf8', env }));

/* `rbee-hive pair` printed nothing, was content, and left a code open that nobody knew. */
test('a line, a table or a key that nobody could read was not given', { skip: notApart }, async (t) => {
  const home = makeFolder('rbee-hive-'), host = await hostFor(t), hive = await host.hive(home);
  t.after(() => hive.stop());
  const codes = () => fs.readFileSync(path.join(home, 'run/pairings'), 'utf8');
  const open = codes();
  for (const r of [...nowhere(HIVE, ['pair', '--home', home]), ...nowhere(HIVE, ['detect']), ...nowhere(HIVE, ['detect', '--json'])]) {
    assert.strictEqual(r.status, 1, r.stderr);
    assert.match(r.stderr, /^rbee-hive: cannot write to standard output: (No space left|Bad file desc)/);
  }
  assert.strictEqual(codes(), open);
  for (const r of nowhere(KEEPER, ['keys', 'create', '--name', 'unseen'], { RBEE_HOME: home })) {
    assert.strictEqual(r.status, 1, r.stderr);
    assert.match(r.stderr, /The key was not shown, and is not in the list\.\n[^]*cannot write to standard output/);
  }
  assert.doesNotMatch(fs.readFileSync(path.join(home, 'keys'), 'utf8'), /unseen/);
});

/* ---- whose it is ---- */

const NOBODY = 65534;

/* What lies in a folder, and is not that user's. */
const notOf = (uid, folder) => fs.readdirSync(folder, { recursive: true })
  .filter((name) => (fs.lstatSync(path.join(folder, name), { throwIfNoEntry: false })?.uid ?? uid) !== uid);

/*
 * `sudo rbee-hive daemon` with the home of another: its lock, its catalog, its logs were root's, 0600, and the hive
 * of who the home belongs to did not start from then on.
 */
test('what a hive of root\'s makes in the home of another is that other\'s', { skip: process.getuid() !== 0 && 'only root can' }, async (t) => {
  const home = makeFolder('rbee-hive-'), file = path.join(makeFolder(), 'mine.gguf');
  fs.chownSync(home, NOBODY, NOBODY);
  if (spawnSync('test', ['-w', home], { uid: NOBODY, gid: NOBODY }).status !== 0) return void t.skip('others do not get to where temporary files are');
  writeHollowModel(file, { layers: 1, ctx: 128 });
  const hub = await Hub.start();
  t.after(() => hub.stop());
  hub.put('org/theirs', { 'theirs.gguf': fs.readFileSync(file) });
  const hive = await startHive({ home, env: { HF_ENDPOINT: hub.url } });
  t.after(() => hive.stop());
  for (const args of [['pull', 'hf:org/theirs'], ['import', file, '--copy']]) {
    const r = await keeper.run(['models', ...args, '--node', hive.url]);
    assert.strictEqual(r.code, 0, r.stderr);
  }
  const manifest = (await get(hive, '/v1/models/manifest?model_ref=local:mine')).json;
  manifest.models[0].model_ref = 'local:pushed';
  manifest.models[0].files[0].sha256 = 'ab'.repeat(32); // begun, and left: its part lies there
  await (await stream(`${hive.url}/v1/models/upload`, { method: 'POST', body: manifest })).all();
  await spawnReady(hive, 'local:mine');
  const names = fs.readdirSync(home, { recursive: true }).join('\n');
  for (const name of [/^run\/hive\.lock$/m, /^run\/worker-\S+\.worker$/m, /^logs\/worker-\S+\.log$/m, /^logs\/security\.jsonl$/m, /^models\.db-wal$/m,
    /^models\/\.hive\.lock$/m, /\/theirs\.gguf$/m, /^models\/local\/\S+\/mine\.gguf$/m, /^models\/push\/\S+\/mine\.gguf$/m]) assert.match(names, name);
  assert.deepStrictEqual(notOf(NOBODY, home), []);
  await hive.stop();
  assert.deepStrictEqual(notOf(NOBODY, home), []);
});

/* ---- what is not there ---- */

/* It did not start, as it could not write its process id: nobody could remove a model by it. */
test('a hive starts on a disk that is full', async (t) => {
  const disk = smallDisk('256k');
  if (disk.why) return void t.skip(disk.why);
  let hive;
  t.after(async () => { if (hive) await hive.stop(); disk.end(); });
  const home = path.join(disk.folder, 'home'), rest = fs.openSync(path.join(disk.folder, 'rest'), 'w');
  fs.mkdirSync(home);
  assert.throws(() => { for (;;) fs.writeSync(rest, Buffer.alloc(4096)); }, { code: 'ENOSPC' });
  fs.closeSync(rest);
  hive = await startHive({ home });
  await hive.says(/cannot write \S+hive\.lock, which is locked all the same: No space left/);
  await hive.says(/run\/hive\.json: No space left on device: keepers of this home look for the hive at localhost:8080 until/);
  const second = spawnSync(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', home], { encoding: 'utf8' });
  assert.match(second.stderr, /another rbee-hive \(process \?\) uses the home/);
});

/* Such a hive started on loopback only: for other machines it ended over its note of where it is. */
test('a hive for other machines starts on a disk that is full', { skip: notApart }, async (t) => {
  const disk = smallDisk('1m');
  if (disk.why) return void t.skip(disk.why);
  let hive;
  t.after(async () => { if (hive) await hive.stop(); disk.end(); });
  const home = path.join(disk.folder, 'home'), host = await hostFor(t), filler = path.join(disk.folder, 'filler');
  fs.mkdirSync(home);
  await (await host.hive(home)).stop(); // its key and its certificate are made
  assert.throws(() => fs.writeFileSync(filler, Buffer.alloc(2 << 20)), { code: 'ENOSPC' });
  hive = await host.hive(home);
  await hive.says(/run\/hive\.json: No space left on device: keepers on this machine .* do not find this hive until/);
  await hive.says(/run\/pairings: No space left on device: no further machine can be paired until/);
  assert.strictEqual(host.curl('https://127.0.0.1:8080/v1/health').status, 200);
});

/*
 * Workers are not dumpable, so a /proc that hides processes (hidepid, systemd's ProtectProc=) hides them from their
 * own user: one that was stopped by a signal was given out all the same, and none that was stuck was ever noticed.
 */
test('where /proc hides workers, one that is stopped is noticed', { skip }, async (t) => {
  const apart = ['-m', 'sh', '-c', 'mount -t proc -o hidepid=2,gid=65533 proc /proc && exec setpriv --bounding-set=-sys_ptrace "$0" "$@"'];
  if (spawnSync('unshare', [...apart, 'true']).status !== 0) return void t.skip('no /proc can be mounted here, or there is no setpriv');
  const hive = await startHive({ program: within(`exec unshare ${apart.slice(0, 3).join(' ')} '${apart[3]}' HIVE`), env });
  t.after(() => hive.stop());
  assert.strictEqual((await generate(hive)).status, 200);
  const [{ worker_id: id }] = (await get(hive, '/v1/workers/list')).json.workers;
  const worker = async () => (await get(hive, `/v1/workers/${id}`)).json;
  const { pid } = await worker();
  process.kill(pid, 'SIGSTOP');
  await until(async () => (await worker()).state === 'stopped', 'that it is stopped');
  process.kill(pid, 'SIGCONT');
  await until(async () => (await worker()).state === 'idle', 'that it goes on');
  assert.strictEqual((await generate(hive)).status, 200);
});

/* "looked at: no place at all. Check the spelling" */
test('without /proc the bundled model is not found, and why', async (t) => {
  if (/asan|tsan/.test(BUILD)) return void t.skip('a sanitizer reads /proc');
  const apart = ['-m', 'sh', '-c', 'mount -t tmpfs none /proc && exec "$0" "$@"'];
  if (spawnSync('unshare', [...apart, 'true']).status !== 0) return void t.skip('no file system can be mounted here');
  const hive = await startHive({ program: within(`exec unshare ${apart.slice(0, 3).join(' ')} '${apart[3]}' HIVE`) });
  t.after(() => hive.stop());
  const { error } = (await spawn(hive, 'tiny')).json;
  assert.strictEqual(error.code, 'MODEL_NOT_FOUND');
  assert.match(error.message, /not near this program: cannot read \/proc\/self\/exe/);
  assert.match(error.details.hint, /RBEE_TINY/);
});

/* '' for one that was reaped meanwhile. */
function nameOf(pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/*
 * As process 1 of a container a hive is given every process whose parent has ended: it waited for its own
 * children only, and each of the others kept its number for ever. Later, with SIGCHLD handed down as ignored,
 * process 1 was not told that the hive had ended: the container stayed, with nothing in it.
 */
for (const [how, prefix] of [['', ''], [', though SIGCHLD was ignored where it was started', 'env --ignore-signal=CHLD ']]) {
  test(`as process 1 what others leave is reaped, and a signal ends it in order${how}`, async (t) => {
    const apart = ['-p', '-f', '--mount-proc'];
    if (spawnSync('unshare', [...apart, 'true']).status !== 0) return void t.skip('no namespace of processes can be had here');
    const left = path.join(makeFolder(), 'left');
    const hive = await startHive({
      program: within(`exec unshare ${apart.join(' ')} sh -c '(sh -c "sleep 0.3; : > ${left}" &); exec ${prefix}"$0" "$@"' HIVE`) });
    const [first] = childrenOf(hive.pid);
    t.after(() => { // unshare itself takes no signal
      if (hive.code === null) process.kill(first, 'SIGKILL');
      return hive.stop();
    });
    assert.match(fs.readFileSync(`/proc/${first}/status`, 'utf8'), /^NSpid:\s+\d+\s+1$/m);
    await until(() => fs.existsSync(left), 'its last act');
    const names = () => childrenOf(first).map(nameOf);
    await until(() => !names().includes('sh'), () => `there is still: ${names()}`);
    assert.deepStrictEqual(names(), ['rbee-hive']);
    process.kill(first, 'SIGTERM');
    assert.deepStrictEqual(await hive.end(), { code: 0, killedBy: null });
    assert.match(hive.stderr, /SIGTERM: the hive ends; its workers are asked to finish\n$/);
  });
}
