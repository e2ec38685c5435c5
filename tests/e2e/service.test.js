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

const { BUILD, HIVE, ROOT, Proc, makeFolder } = require('./lib/proc.js');

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

    test('what the command line does not allow is not tried again, other failures are', () => {
      assert.strictEqual(spawnSync(HIVE, [...words, '--no-such-option']).status, Number(valuesOf(unit, 'RestartPreventExitStatus')));
      assert.deepStrictEqual(valuesOf(unit, 'Restart'), ['on-failure']);
    });

    test('it waits for the hive to end its workers', () => {
      const most = secondsOf('workers.h', 'WORKERS_DRAIN_MS') + secondsOf('workers.h', 'WORKERS_TERM_MS') +
        secondsOf('workers.h', 'WORKERS_KILL_MS') + secondsOf('workers.h', 'WORKERS_FREE_MS') +
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
  const make = (...words) => {
    fs.writeFileSync(log, '');
    const r = spawnSync('make', ['-f', path.join(ROOT, 'Makefile'), ...words],
      { cwd: folder, encoding: 'utf8', env: { PATH: `${bin}:${process.env.PATH}` } });
    if (!r.error) assert.strictEqual(r.status, 0, r.stderr);
    return r.error ? null : fs.readFileSync(log, 'utf8').split('\n').filter(Boolean);
  };
  const skip = make('help') ? false : 'there is no make';

  /* It went to /usr/local, as the build had been set up before; a blank in the prefix ended the setup. */
  test('install goes to the PREFIX that it is given', { skip }, () => {
    assert.deepStrictEqual(make('BUILD=out', 'PREFIX=/opt/my apps'), ['setup|out|--prefix=/opt/my apps|']);
    assert.deepStrictEqual(make('install', 'BUILD=out', 'PREFIX=/opt/bees b'), ['configure|out|--prefix=/opt/bees b|', 'install|-C|out|']);
    assert.deepStrictEqual(make('install', 'BUILD=out'), ['install|-C|out|']);
  });

  test('clean removes the build folder that is meant, not another', { skip }, () => {
    make('BUILD=out');
    fs.mkdirSync(path.join(folder, 'build'));
    make('clean', 'BUILD=out');
    assert.deepStrictEqual(['out', 'build'].map((name) => fs.existsSync(path.join(folder, name))), [false, true]);
  });
});
