'use strict';
/*
 * host.js - a machine for tests: a network of its own (a namespace, root only) with a hive in it that
 * listens on all addresses, so that keys and https are asked for and yet nobody else can reach it.
 */
const { spawnSync } = require('node:child_process');

const { HIVE, KEEPER, Proc, testModel } = require('./proc.js');

/* Why there can be no such machine here; false when there can. */
const notApart = process.getuid() === 0 && spawnSync('unshare', ['-n', 'true']).status === 0 &&
  spawnSync('sh', ['-c', 'command -v ip nsenter curl']).status === 0 ? false : 'needs root, unshare, ip, nsenter, curl';

/* A process that holds a network namespace open until the test's end. */
class Host {
  constructor(address) {
    this.address = address;
    this.proc = new Proc('unshare', ['-n', 'sh', '-c', 'ip link set lo up; echo up; exec sleep 300']);
  }

  run(program, args, env = {}) {
    return spawnSync('nsenter', ['-t', String(this.proc.pid), '-n', program, ...args],
      { encoding: 'utf8', timeout: 30000, env: { PATH: process.env.PATH, LANG: 'C.UTF-8', ...sanitizers(), ...env } });
  }

  keeper(home, ...args) { return this.run(KEEPER, args, { RBEE_HOME: home }); }

  /* { status, text, head } of a call by curl. */
  curl(url, ...args) {
    const r = this.run('curl', ['-sk', '-i', '--max-time', '20', url, ...args]);
    const status = Number(/^HTTP\/1\.1 (\d+)/m.exec(r.stdout)?.[1] ?? 0);
    const [head, ...body] = r.stdout.split('\r\n\r\n');
    return { status, head, text: body.join('\r\n\r\n') };
  }

  /* A process that stays, in this network. */
  start(program, ...args) { return new Proc('nsenter', ['-t', String(this.proc.pid), '-n', program, ...args]); }

  async hive(home, more = {}) {
    const hive = new Proc('nsenter', ['-t', String(this.proc.pid), '-n', HIVE, 'daemon', '--addr', '0.0.0.0:8080', '--home', home],
      { env: { HOME: home, RBEE_TINY: testModel(), ...more } });
    await hive.says(/listening on https?:\/\/0\.0\.0\.0:8080/);
    hive.home = home;
    return hive;
  }
}

function sanitizers() {
  const env = {};
  for (const name of ['ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS', 'LSAN_OPTIONS']) {
    if (process.env[name]) env[name] = process.env[name];
  }
  return env;
}

module.exports = { Host, notApart };
