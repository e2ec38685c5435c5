'use strict';
/*
 * host.js - a machine for tests: a network of its own (a namespace, root only) with a hive in it that
 * listens on all addresses, so that keys and https are asked for and yet nobody else can reach it.
 */
const net = require('node:net');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const { HIVE, KEEPER, Proc, makeFolder, testModel } = require('./proc.js');

/* Why there can be no such machine here; false when there can. */
const notApart = process.getuid() === 0 && spawnSync('unshare', ['-n', 'true']).status === 0 &&
  spawnSync('sh', ['-c', 'command -v ip nsenter curl']).status === 0 ? false : 'needs root, unshare, ip, nsenter, curl';

/* Passes on connections from one end to another, each a port of this network's loopback or a socket's path, which
 * all networks of a machine share. */
function relay(from, to) {
  const net = require('node:net');
  const end = (at) => (/^\d+$/.test(at) ? { host: '127.0.0.1', port: Number(at) } : { path: at });
  const server = net.createServer({ allowHalfOpen: true }, (a) => {
    const b = net.connect({ ...end(to), allowHalfOpen: true });
    for (const [one, other] of [[a, b], [b, a]]) one.on('error', () => other.destroy()).pipe(other);
  });
  return new Promise((resolve) => { server.listen(end(from), () => resolve(server)); });
}

/* A process that holds a network namespace open until the test's end. */
class Host {
  constructor(address) {
    this.address = address;
    this.relays = [];
    this.servers = [];
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
  start(program, ...args) { return this.startWith({}, program, ...args); }

  startWith(env, program, ...args) {
    return new Proc('nsenter', ['-t', String(this.proc.pid), '-n', program, ...args], { env });
  }

  async #relayInside(from, to) {
    const text = `${relay}; relay('${from}', '${to}').then((s) => console.log('relays', s.address().port ?? 'it'));`;
    const proc = this.start(process.execPath, '-e', text);
    this.relays.push(proc);
    return (await proc.says(/^relays (\S+)$/m))[1];
  }

  async #relayHere(from, to) {
    const server = await relay(from, to);
    this.servers.push(server);
    return server.address().port;
  }

  /* A port of the test's own loopback that leads to one of this network. */
  async door(port) {
    const socket = path.join(makeFolder(), 'door');
    await this.#relayInside(socket, port);
    return this.#relayHere('0', socket);
  }

  /* A port of this network that leads to one of the test's own. */
  async wayOut(port) {
    const socket = path.join(makeFolder(), 'way');
    await this.#relayHere(socket, port);
    return this.#relayInside('0', socket);
  }

  async stop() {
    for (const server of this.servers) server.close();
    for (const proc of [...this.relays, this.proc]) await proc.stop();
  }

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

/* One that goes with a test. */
async function hostFor(t) {
  const host = new Host('127.0.0.1');
  t.after(() => host.stop());
  await host.proc.says(/up/);
  return host;
}

module.exports = { Host, hostFor, notApart };
