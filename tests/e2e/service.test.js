'use strict';
/*
 * service.test.js - the units of systemd that are installed: their command is one that the program
 * takes, their times are the program's, and systemd understands them, where it is there. And where
 * `make` installs.
 */
const { describe, test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const { BUILD, HIVE, PATIENCE_MS, ROOT, Proc, bindsAny, makeFolder } = require('./lib/proc.js');

/* Of one key of a unit all its values, in their order. */
const valuesOf = (unit, key) => [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map((m) => m[1]);

/* A time of the program's, in seconds: "#define NAME 20000". */
function secondsOf(header, name) {
  const text = fs.readFileSync(path.join(ROOT, 'src/hive', header), 'utf8');
  return Number(new RegExp(`^#define ${name}\\s+(\\d+)`, 'm').exec(text)[1]) / 1000;
}

for (const [file, kind] of [['rbee-hive.service', '--system'], ['rbee-hive-user.service', '--user']]) {
  describe(file, () => {
    const unit = fs.readFileSync(path.join(BUILD, 'contrib', file), 'utf8');
    const [, program, line] = /^"(.*)" (.*)$/.exec(valuesOf(unit, 'ExecStart').join()), words = line.split(' '); // a prefix may have blanks

    test('its command is one that the hive takes, and its end a success', async () => {
      const home = makeFolder('rbee-service-');
      const env = Object.fromEntries(valuesOf(unit, 'Environment').map((line) => line.split('=')));
      assert.match(program, /^\/.*\/bin\/rbee-hive$/);
      if ('RBEE_HOME' in env) assert.strictEqual(env.RBEE_HOME, `/var/lib/${valuesOf(unit, 'StateDirectory')}`);
      const hive = new Proc(HIVE, words, { env: { HOME: home, ...env, RBEE_HOME: home, RBEE_HIVE_ADDR: '127.0.0.1:0' } });
      await hive.says(/^rbee-hive \S+ listening on http:/m);
      hive.signal('SIGTERM');
      assert.strictEqual((await hive.end()).code, 0);
    });

    test('what is written wrong is not tried again, other failures are', () => {
      const status = (args, env = {}, config = '') => {
        const home = makeFolder('rbee-service-');
        fs.writeFileSync(path.join(home, 'config.ini'), config);
        return spawnSync(HIVE, [...words, ...args], { timeout: PATIENCE_MS, env: { ...process.env, RBEE_HOME: home, ...env } }).status;
      };
      const [wrong] = valuesOf(unit, 'RestartPreventExitStatus').map(Number);
      assert.strictEqual(status(['--no-such-option']), wrong);
      assert.strictEqual(status([], {}, '[hive]\nkeepalive = 3\n'), wrong); // it was started again every five seconds, for ever
      assert.strictEqual(status([], { RBEE_HIVE_CTX: 'abc' }), wrong);
      assert.strictEqual(status([], {}, `[hive]\nchat_template = /${'x'.repeat(1100)}\n`), wrong); // too long; twice
      assert.strictEqual(status([], {}, '[nodes]\nmac = 10.0.0.1:8080\nmac = 10.0.0.2:8080\n'), wrong);
      assert.strictEqual(status([], { RBEE_HIVE_ADDR: '8080' }), wrong);
      assert.strictEqual(status([], { RBEE_HIVE_TLS_CERT: '/etc/hostname' }), wrong); // without a key
      if (!bindsAny()) assert.strictEqual(status([], { RBEE_HIVE_ADDR: '192.0.2.1:0' }), 1); // not an address of this machine: it may come to be one
      assert.deepStrictEqual(valuesOf(unit, 'Restart'), ['on-failure']);
    });

    test('it waits for the hive to end its workers', () => {
      const most = secondsOf('workers/workers.h', 'WORKERS_DRAIN_MS') + secondsOf('workers/workers.h', 'WORKERS_TERM_MS') +
        secondsOf('workers/workers.h', 'WORKERS_KILL_MS') + secondsOf('workers/workers.h', 'WORKERS_FREE_MS') +
        secondsOf('hive.h', 'HIVE_FLUSH_MS') + secondsOf('hive.h', 'HIVE_END_MS');
      assert.ok(unit.includes(`in at most ${most} s;`), `${most}`);
      assert.ok(Number(valuesOf(unit, 'TimeoutStopSec')) >= most + 10, `${most}`);
      assert.deepStrictEqual(valuesOf(unit, 'KillMode'), ['mixed']); // or SIGTERM would end the workers beside it
    });

    test('systemd understands it', (t) => {
      const folder = makeFolder('rbee-unit-'), copy = path.join(folder, 'rbee-hive.service');
      fs.writeFileSync(copy, unit.replace(program, HIVE));
      const r = spawnSync('systemd-analyze', [kind, 'verify', '--man=no', copy], { encoding: 'utf8', env: { ...process.env, XDG_RUNTIME_DIR: folder } });
      if (r.error || /Failed to initialize manager/.test(r.stderr)) { t.skip('there is no systemd'); return; }
      assert.strictEqual(r.stderr.split('\n').filter((line) => line.includes('rbee-hive.service')).join('\n'), '');
      assert.strictEqual(r.status, 0, r.stderr);
    });
  });
}

/* The Makefile on its own; what it asks of meson is written down instead. */
describe('make', () => {
  const folder = makeFolder('rbee-make-'), bin = path.join(folder, 'bin'), log = path.join(folder, 'log');
  fs.mkdirSync(bin);
  fs.writeFileSync(path.join(bin, 'ninja'), '#!/bin/sh\n', { mode: 0o755 });
  fs.writeFileSync(path.join(bin, 'meson'), `#!/bin/sh\nprintf '%s|' "$@" >>"${log}"; echo >>"${log}"\n[ "$1" != setup ] || { mkdir -p "$2"; : >"$2/build.ninja"; }\n`, { mode: 0o755 });
  const makeWith = (env, ...words) => {
    fs.writeFileSync(log, '');
    const r = spawnSync('make', ['-f', path.join(ROOT, 'Makefile'), ...words],
      { cwd: folder, encoding: 'utf8', env: { PATH: `${bin}:${process.env.PATH}`, ...env } });
    if (!r.error) assert.strictEqual(r.status, 0, r.stderr);
    return r.error ? null : fs.readFileSync(log, 'utf8').split('\n').filter(Boolean);
  };
  const make = (...words) => makeWith({}, ...words);
  const skip = make('help') ? false : 'there is no make';

  /* It went to /usr/local, as the build had been set up before; a blank in the prefix ended the setup. */
  test('install goes to the PREFIX that it is given', { skip }, () => {
    assert.deepStrictEqual(make('BUILD=out', 'PREFIX=/opt/my apps'), ['setup|out|--prefix=/opt/my apps|']);
    assert.deepStrictEqual(make('install', 'BUILD=out', 'PREFIX=/opt/bees b'), ['configure|out|--prefix=/opt/bees b|', 'install|-C|out|']);
    assert.deepStrictEqual(make('install', 'BUILD=out'), ['install|-C|out|']);
    assert.deepStrictEqual(makeWith({ PREFIX: '/opt/mine' }, 'install', 'BUILD=out'), ['configure|out|--prefix=/opt/mine|', 'install|-C|out|']);
  });

  test('clean removes the build folder that is meant, not another', { skip }, () => {
    make('BUILD=out');
    fs.mkdirSync(path.join(folder, 'build'));
    make('clean', 'BUILD=out');
    assert.deepStrictEqual(['out', 'build'].map((name) => fs.existsSync(path.join(folder, name))), [false, true]);
  });
});

/*
 * Distributions set CFLAGS, which stood behind the level of the kernels and won: they were two to four times slower.
 * And the TLS of an installation that was moved was looked for where it had been.
 */
test('what a distribution sets leaves the kernels optimised', { skip: path.basename(BUILD) !== 'build' && 'of a plain build' }, () => {
  const folder = makeFolder('rbee-flags-');
  const r = spawnSync('meson', ['setup', folder, '--buildtype=plain', '-Dtests=false', '--libdir=lib/any'],
    { cwd: ROOT, encoding: 'utf8', env: { ...process.env, CFLAGS: '-g -O2' } });
  assert.strictEqual(r.status, 0, r.stdout + r.stderr);
  const rules = fs.readFileSync(path.join(folder, 'build.ninja'), 'utf8').split(/^build /m).filter((rule) => /^src\/engine\/kern\/lib.*\.o:/.test(rule));
  const kernels = rules.filter((rule) => /^src\/engine\/kern\/libkern_/.test(rule));
  assert.ok(kernels.length > 5, `${rules.length}`);
  for (const rule of kernels) assert.strictEqual(rule.match(/ -O\S+/g).at(-1), ' -O3', rule);
  assert.match(fs.readFileSync(path.join(folder, 'build.ninja'), 'utf8'), /RBEE_LIBDIR_NEAR=\S*\.\.\/lib\/any\/rbee/);
});
