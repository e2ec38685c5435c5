'use strict';
/*
 * doors.test.js - hives that other machines can reach: keys, https, pairing, wrong keys and wrong
 * certificates, the security log. Each hive and its callers live in networks of their own
 * (namespaces, root only), so that nobody else can reach them even for a moment.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const https = require('node:https');
const tls = require('node:tls');
const { spawnSync } = require('node:child_process');
const { createHash, X509Certificate } = require('node:crypto');

const { HIVE, KEEPER, Proc, testModel, makeFolder, until } = require('./lib/proc.js');

const { ask } = require('./lib/sse.js');
const { FakeHive, json } = require('./lib/fakehive.js');
const { startHive } = require('./lib/hive.js');
const { run } = require('./lib/keeper.js');
const { Host, notApart } = require('./lib/host.js');

const MODEL = testModel();
const skip = !MODEL ? 'no model' : notApart;
const it = (what, how, ...more) => (assert.ok(!more.length, what), test(what, { skip, timeout: 60000 }, how));

/* Two machines and a cable between them. */
async function twoHosts() {
  const a = new Host('10.77.0.1'), b = new Host('10.77.0.2');
  await Promise.all([a.proc.says(/up/), b.proc.says(/up/)]);
  const ip = (...args) => {
    const r = spawnSync('ip', args, { encoding: 'utf8' });
    assert.strictEqual(r.status, 0, r.stderr);
  };
  const name = `rb${process.pid % 100000}`;
  ip('link', 'add', `${name}a`, 'type', 'veth', 'peer', 'name', `${name}b`);
  ip('link', 'set', `${name}a`, 'netns', String(a.proc.pid));
  ip('link', 'set', `${name}b`, 'netns', String(b.proc.pid));
  for (const [host, end] of [[a, `${name}a`], [b, `${name}b`]]) {
    host.end = end;
    for (const args of [['addr', 'add', `${host.address}/24`, 'dev', end], ['link', 'set', end, 'up']]) {
      const r = host.run('ip', args);
      assert.strictEqual(r.status, 0, r.stderr);
    }
  }
  return { a, b, stop: () => Promise.all([a.proc.stop(), b.proc.stop()]) };
}

/* The rbee:// of the line that a hive prints. */
function newLink(host, home) {
  const r = host.run(HIVE, ['pair', '--home', home]);
  assert.strictEqual(r.status, 0, r.stderr);
  const match = /^rbee-keeper node add NAME (rbee:\/\/10\.77\.0\.1:8080\/([0-9a-f]{64})\/[a-z2-7]{20})\n$/.exec(r.stdout);
  assert.ok(match, r.stdout);
  return { link: match[1], pin: match[2], stderr: r.stderr };
}

const keysOf = (home) => JSON.parse(spawnSync(KEEPER, ['keys', 'list', '--json'], { encoding: 'utf8', env: { RBEE_HOME: home } }).stdout).keys;
const infer = (host, home, ...more) => host.keeper(home, 'infer', '--node', 'bee2', '--model', 'tiny', '--prompt', 'Once upon a time', '--max-tokens', '8', '--temperature', '0', '--quiet', ...more);

describe('pages in a browser', () => {
  const allowed = 'https://chat.example';
  let hive;
  before(async () => { if (MODEL) hive = await startHive({ env: { RBEE_TINY: MODEL, RBEE_HIVE_ORIGINS: allowed } }); });
  after(async () => { if (MODEL) await hive.stop(); });
  const preflight = (origin) => ask(`${hive.url}/v1/chat/completions`, { method: 'OPTIONS',
    headers: { Origin: origin, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization,content-type,x-stainless-os' } });

  test('of an allowed place, and of this machine, may ask and read', { skip: !MODEL }, async () => {
    for (const origin of [allowed, 'http://localhost:3000']) {
      const before_ = await preflight(origin);
      assert.strictEqual(before_.status, 204, origin);
      assert.strictEqual(before_.headers['access-control-allow-origin'], origin);
      assert.strictEqual(before_.headers['access-control-allow-methods'], 'GET, HEAD, POST, PUT, DELETE'); // all that a route has
      assert.strictEqual(before_.headers['access-control-allow-headers'], 'authorization,content-type,x-stainless-os');
      const models = await ask(`${hive.url}/v1/models`, { headers: { Origin: origin } });
      assert.strictEqual(models.status, 200);
      assert.strictEqual(models.headers['access-control-allow-origin'], origin);
      assert.match(models.headers.vary, /Origin/i);
    }
  });

  test('of other places may not, and a name that is not ours is refused all the same', { skip: !MODEL }, async () => {
    for (const origin of ['https://evil.example', 'null', 'https://chat.example.evil']) {
      const before_ = await preflight(origin);
      assert.strictEqual(before_.status, 403, origin);
      assert.strictEqual(before_.headers['access-control-allow-origin'], undefined);
    }
    const rebound = await ask(`${hive.url}/v1/models`, { headers: { Origin: allowed, Host: 'chat.example' } });
    assert.strictEqual(rebound.status, 403);
    const plain = await ask(`${hive.url}/v1/models`);
    assert.strictEqual(plain.headers['access-control-allow-origin'], undefined);
    assert.match(fs.readFileSync(path.join(hive.home, 'logs/security.jsonl'), 'utf8'), /"event":"forbidden_place".*evil\.example/);
  });
});

describe('keys at the shell', () => {
  const keys = (home, ...args) => spawnSync(KEEPER, ['keys', ...args], { encoding: 'utf8', env: { RBEE_HOME: home } });
  const printOf = (key) => createHash('sha256').update(key).digest('hex').slice(0, 6);
  const older = 'the-key-of-the-older-file';

  /* It was left out of the list without a word, and "there is no key" was all that a revocation said of it. */
  test('an older file that cannot be taken is told of', () => {
    const home = makeFolder('rbee-keys-');
    fs.writeFileSync(path.join(home, 'api-key'), older, { mode: 0o644 });
    const list = keys(home, 'list');
    assert.strictEqual(list.status, 0);
    assert.match(list.stderr, /api-key is not shown: .*mode 644.*chmod 600/);
    const revoked = keys(home, 'revoke', printOf(older));
    assert.notStrictEqual(revoked.status, 0);
    assert.match(revoked.stderr, /no key [0-9a-f]{6} in the list.*api-key is not known.*chmod 600/);
    assert.doesNotMatch(revoked.stderr, /rbee's fault/);
    fs.chmodSync(path.join(home, 'api-key'), 0o600);
    assert.strictEqual(keys(home, 'revoke', printOf(older)).status, 0);
    assert.ok(!fs.existsSync(path.join(home, 'api-key')));
  });

  /* The whole key stood in the error, and in what kept that. */
  test('a whole key in place of its fingerprint is revoked, and not told again', () => {
    const home = makeFolder('rbee-keys-'), key = keys(home, 'create', '--name', 'me').stdout.trim();
    assert.strictEqual(keys(home, 'revoke', key).stdout, `Revoked the key ${printOf(key)} (me).\n`);
    const again = keys(home, 'revoke', key);
    assert.notStrictEqual(again.status, 0);
    assert.match(again.stderr, new RegExp(`there is no key ${printOf(key)}`));
    assert.ok(!again.stderr.includes(key), again.stderr);
  });

  test('so is one of hex digits, which might be a fingerprint', () => {
    const home = makeFolder('rbee-keys-'), key = 'abcdef0123456789abcdef0123456789', file = path.join(home, 'api-key');
    fs.writeFileSync(file, `${key}\n`, { mode: 0o600 });
    const revoked = keys(home, 'revoke', key);
    assert.strictEqual(revoked.status, 0, revoked.stderr);
    assert.ok(!fs.existsSync(file));
    const again = keys(home, 'revoke', key);
    assert.match(again.stderr, new RegExp(`there is no key ${printOf(key)}`));
    assert.ok(!again.stderr.includes(key.slice(0, 7)), again.stderr);
  });

  /* One that stood in both files was taken out of the list alone, and went on opening the hive. */
  test('a key that stands in both files is revoked in both', () => {
    const home = makeFolder('rbee-keys-'), file = path.join(home, 'api-key');
    const key = keys(home, 'create', '--name', 'me').stdout.trim(), other = keys(home, 'create', '--name', 'other').stdout.trim();
    fs.writeFileSync(file, `${key}\n`, { mode: 0o600 });
    const first = keys(home, 'revoke', printOf(other));
    assert.strictEqual(first.stdout, `Revoked the key ${printOf(other)} (other).\n`);
    assert.ok(fs.existsSync(file));
    const both = keys(home, 'revoke', printOf(key));
    assert.strictEqual(both.status, 0, both.stderr);
    assert.match(both.stdout, /Revoked the key [0-9a-f]{6} \(me\)\.\n.*api-key as well/);
    assert.ok(!fs.existsSync(file));
    assert.deepStrictEqual(JSON.parse(keys(home, 'list', '--json').stdout).keys, []);
  });
});

describe('https on a loopback address', () => {
  test('with files of the user\'s: what they show is what clients see; no key is asked for', { skip: !MODEL }, async (t) => {
    const made = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', makeFolder('rbee-hive-')], { env: { RBEE_HIVE_TLS: 'on' } });
    t.after(() => made.stop());
    const [, port] = await made.says(/listening on https:\/\/127\.0\.0\.1:(\d+)/);
    const files = path.join(made.child.spawnargs[5], 'tls');
    const pem = fs.readFileSync(path.join(files, 'certificate.pem'), 'utf8');
    const seen = await peerOf(port);
    assert.strictEqual(seen, new X509Certificate(pem).fingerprint256);
    const home = makeFolder('rbee-hive-');
    const second = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', home], { env: { RBEE_HIVE_TLS: 'on', RBEE_TINY: MODEL,
      RBEE_HIVE_TLS_CERT: path.join(files, 'certificate.pem'), RBEE_HIVE_TLS_KEY: path.join(files, 'key.pem') } });
    t.after(() => second.stop());
    const [, other] = await second.says(/listening on https:\/\/127\.0\.0\.1:(\d+)/);
    assert.strictEqual(await peerOf(other), seen);
    assert.ok(!fs.existsSync(path.join(home, 'tls')), 'none of its own was made');
    const r = spawnSync(KEEPER, ['infer', '--node', `localhost:${other}`, '--model', 'tiny', '--prompt', 'Once', '--max-tokens', '4', '--quiet'],
      { encoding: 'utf8', env: { RBEE_HOME: home, PATH: process.env.PATH } });
    assert.strictEqual(r.status, 0, r.stderr);
  });

  /*
   * As security.md advises where others have accounts on the machine. Their keepers were told to run the line of
   * `rbee-hive pair`; that refused a loopback address, and `node add https://` the hive's own certificate.
   */
  test('a keeper of another account is paired by a line without a code', { skip: !MODEL }, async (t) => {
    const hive = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', makeFolder('rbee-hive-')], { env: { RBEE_HIVE_TLS: 'on', RBEE_TINY: MODEL } });
    t.after(() => hive.stop());
    const [, port] = await hive.says(/listening on https:\/\/127\.0\.0\.1:(\d+)/);
    const [, said] = await hive.says(/for other accounts of this machine to use it, run there:\n {2}rbee-keeper node add NAME (rbee:\S+)\n/);
    const home = makeFolder('rbee-keeper-'), list = () => run(['workers', 'list', '--node', `localhost:${port}`], { home });
    assert.match((await list()).stderr, /speaks https only[\s\S]*Run `rbee-hive pair` on that machine, and here the line it prints/);
    const pair = spawnSync(HIVE, ['pair', '--home', hive.home], { encoding: 'utf8' });
    assert.strictEqual(pair.stdout, `rbee-keeper node add NAME ${said}\n`, pair.stderr);
    assert.match(said, new RegExp(`^rbee://127\\.0\\.0\\.1:${port}/[0-9a-f]{64}$`));
    const added = await run(['node', 'add', 'svc', '-'], { home, input: pair.stdout });
    assert.strictEqual(added.code, 0, added.stderr);
    assert.match(added.stdout, /^svc is 127\.0\.0\.1:\d+ \(alive, /);
    assert.match(added.stderr, /Paired: the hive is known by its certificate, and asks for no key/);
    const r = await run(['infer', '--node', 'svc', '--model', 'tiny', '--prompt', 'Once', '--max-tokens', '4', '--quiet'], { home });
    assert.strictEqual(r.code, 0, r.stderr);
    assert.ok(!fs.existsSync(path.join(hive.home, 'run/pairings')), 'there is no code to be used');
  });

  /* Files were read at the start only: who had them renewed, as certbot does, showed one that was over three months later,
   * to clients that go by dates, and nothing said so. */
  test('a certificate that was renewed with its key is taken, by new workers too; one of another key is not', { skip: !MODEL }, async (t) => {
    const own = makeFolder('rbee-hive-'), files = makeFolder('rbee-pem-'), file = (name) => path.join(files, name);
    const first = (env) => ({ env: { RBEE_HIVE_TLS: 'on', RBEE_TINY: MODEL, ...env } });
    const makeCertificate = async (home) => { // without `certificate.pem` there: another one, of the same key
      fs.rmSync(path.join(home, 'tls/certificate.pem'), { force: true });
      const hive = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', home], first());
      await hive.says(/listening on https/);
      await hive.stop();
      return fs.readFileSync(path.join(home, 'tls/certificate.pem'), 'utf8');
    };
    const put = (name, text) => { fs.writeFileSync(file('new'), text, { mode: 0o600 }); fs.renameSync(file('new'), file(name)); };
    const shown = (pem) => new X509Certificate(pem).fingerprint256;
    const before = await makeCertificate(own), renewed = await makeCertificate(own);
    const other = makeFolder('rbee-hive-'), stranger = await makeCertificate(other);
    assert.notStrictEqual(shown(before), shown(renewed));
    put('key.pem', fs.readFileSync(path.join(own, 'tls/key.pem')));
    put('certificate.pem', before);

    const home = makeFolder('rbee-hive-');
    const hive = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', home],
      first({ RBEE_HIVE_TLS_CERT: file('certificate.pem'), RBEE_HIVE_TLS_KEY: file('key.pem') }));
    t.after(() => hive.stop());
    const [, port] = await hive.says(/listening on https:\/\/127\.0\.0\.1:(\d+)/);
    assert.strictEqual(await peerOf(port), shown(before));
    put('certificate.pem', stranger);
    put('key.pem', fs.readFileSync(path.join(other, 'tls/key.pem')));
    await hive.says(/certificate\.pem has changed, and the one of before is shown still: it is of another key, .*pair them anew/);
    assert.strictEqual(await peerOf(port), shown(before));
    put('key.pem', fs.readFileSync(path.join(own, 'tls/key.pem')));
    put('certificate.pem', renewed);
    await hive.says(/certificate\.pem has changed, and is shown from now on/);
    assert.strictEqual(await peerOf(port), shown(renewed));

    const r = spawnSync(KEEPER, ['infer', '--node', `localhost:${port}`, '--model', 'tiny', '--prompt', 'Once', '--max-tokens', '4', '--quiet'],
      { encoding: 'utf8', env: { RBEE_HOME: home, PATH: process.env.PATH } });
    assert.strictEqual(r.status, 0, r.stderr);
    const [, at] = await hive.says(/worker-\S+ started for tiny: process \d+, port (\d+)/);
    assert.strictEqual(await peerOf(at), shown(renewed));
  });

  /*
   * A hook with another umask puts the key there as 0644: the hive said `chmod 600`, and took no notice of it, for the
   * bytes were those that it had looked at already. The certificate of before ran out three months later.
   */
  test('a renewed certificate whose key could not be read is taken once it can be', async (t) => {
    const own = makeFolder('rbee-hive-'), files = makeFolder('rbee-pem-'), file = (name) => path.join(files, name);
    const first = (...env) => ({ env: Object.assign({ RBEE_HIVE_TLS: 'on' }, ...env) });
    const makeCertificate = async () => {
      fs.rmSync(path.join(own, 'tls/certificate.pem'), { force: true });
      const hive = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', own], first());
      await hive.says(/listening on https/);
      await hive.stop();
      return fs.readFileSync(path.join(own, 'tls/certificate.pem'), 'utf8');
    };
    const put = (name, text, mode) => {
      fs.writeFileSync(file('new'), text);
      fs.chmodSync(file('new'), mode);
      fs.renameSync(file('new'), file(name));
    };
    const before = await makeCertificate(), renewed = await makeCertificate(), key = fs.readFileSync(path.join(own, 'tls/key.pem'));
    put('key.pem', key, 0o600);
    put('certificate.pem', before, 0o644);
    const hive = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', makeFolder('rbee-hive-')],
      first({ RBEE_HIVE_TLS_CERT: file('certificate.pem'), RBEE_HIVE_TLS_KEY: file('key.pem') }));
    t.after(() => hive.stop());
    const [, port] = await hive.says(/listening on https:\/\/127\.0\.0\.1:(\d+)/);
    put('key.pem', key, 0o644);
    put('certificate.pem', renewed, 0o644);
    await hive.says(/shown still: the private key .* can be read by others \(mode 644\): run `chmod 600/);
    assert.strictEqual(await peerOf(port), new X509Certificate(before).fingerprint256);
    fs.chmodSync(file('key.pem'), 0o600);
    await hive.says(/certificate\.pem has changed, and is shown from now on/);
    assert.strictEqual(await peerOf(port), new X509Certificate(renewed).fingerprint256);
    assert.strictEqual(hive.stderr.match(/shown still/g).length, 1, 'it is said once');
  });

  /*
   * Bound to one address, a hive named its workers by that: the certificate that an authority had given for its name
   * was refused there, and no keeper without a pin could infer. Where the worker was warm, it was called gone.
   */
  test('with a certificate for its name: its workers are named as the hive was asked', { skip: !MODEL }, async (t) => {
    const files = makeFolder('rbee-pem-'), file = (name) => path.join(files, name);
    const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost',
      '-addext', 'subjectAltName=DNS:localhost', '-days', '2', '-keyout', file('key.pem'), '-out', file('cert.pem')], { encoding: 'utf8' });
    if (made.status !== 0) return void t.skip('no openssl');
    fs.chmodSync(file('key.pem'), 0o600);
    const hive = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', makeFolder('rbee-hive-')], { env: { RBEE_TINY: MODEL,
      RBEE_HIVE_TLS: 'on', RBEE_HIVE_TLS_CERT: file('cert.pem'), RBEE_HIVE_TLS_KEY: file('key.pem') } });
    t.after(() => hive.stop());
    const [, port] = await hive.says(/listening on https:\/\/127\.0\.0\.1:(\d+)/);
    const infer = (at) => run(['infer', '--node', `https://localhost:${at}`, '--model', 'tiny', '--prompt', 'Once', '--max-tokens', '4'],
      { env: { SSL_CERT_FILE: file('cert.pem') } });
    for (const how of [/at https:\/\/localhost:\d+\)/, /warm: worker-/]) {
      const r = await infer(port);
      assert.strictEqual(r.code, 0, r.stderr);
      assert.match(r.stderr, how);
    }

    // As security.md advises for a proxy of https; the advice of before, [hive] tls = on, could not work.
    const pem = (name) => fs.readFileSync(file(name));
    const proxy = https.createServer({ cert: pem('cert.pem'), key: pem('key.pem') }, (req, res) => {
      const to = https.request({ host: '127.0.0.1', port, method: req.method, path: req.url, headers: req.headers, rejectUnauthorized: false },
        (answer) => { res.writeHead(answer.statusCode, answer.headers); answer.pipe(res); });
      req.pipe(to);
    });
    await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    t.after(() => { proxy.closeAllConnections(); proxy.close(); });
    const by = await infer(proxy.address().port);
    assert.strictEqual(by.code, 0, by.stderr);

    const worker = { worker_id: 'worker-1', state: 'idle', model_ref: 'tiny', backend: 'cpu', device: 0 };
    const older = https.createServer({ cert: pem('cert.pem'), key: pem('key.pem') }, (req, res) => json(res, 200,
      { workers: [{ ...worker, url: `https://127.0.0.1:${older.address().port}` }] }));
    await new Promise((resolve) => older.listen(0, '127.0.0.1', resolve));
    t.after(() => older.close());
    const r = await infer(older.address().port);
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /CERTIFICATE_MISMATCH: the certificate of 127\.0\.0\.1:\d+ cannot be trusted: IP address mismatch/);
    assert.doesNotMatch(r.stderr, /is gone/);
  });

  test('a certificate that is over, or soon will be, or is not valid yet, is told at the start', async (t) => {
    const files = makeFolder('rbee-pem-'), file = (name) => path.join(files, name);
    const openssl = (...args) => spawnSync('openssl', args, { encoding: 'utf8', cwd: files });
    const day = (n) => new Date(Date.now() + n * 86400e3).toISOString().replace(/[-:T]|\.\d+/g, '');
    fs.writeFileSync(file('ca.cnf'), '[ca]\ndefault_ca=x\n[x]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n');
    const made = openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=bee', '-keyout', 'key.pem', '-out', 'asked.pem');
    if (made.status !== 0) return void t.skip('no openssl');
    fs.chmodSync(file('key.pem'), 0o600);
    for (const [from, until, says] of [[-9, -2, /cert\.pem is over since \d{4}-\d\d-\d\dT/], [-9, 5, /cert\.pem is over on .* in [45] days: renew it/],
      [3, 90, /cert\.pem is not valid before \d{4}-/], [-9, 60, null]]) {
      fs.writeFileSync(file('index'), '');
      fs.writeFileSync(file('serial'), '01');
      const r = openssl('ca', '-batch', '-config', 'ca.cnf', '-selfsign', '-keyfile', 'key.pem', '-in', 'asked.pem', '-startdate', day(from), '-enddate', day(until), '-out', 'cert.pem', '-notext');
      assert.strictEqual(r.status, 0, r.stderr);
      const hive = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', makeFolder('rbee-hive-')],
        { env: { RBEE_HIVE_TLS: 'on', RBEE_HIVE_TLS_CERT: file('cert.pem'), RBEE_HIVE_TLS_KEY: file('key.pem') } });
      t.after(() => hive.stop());
      await hive.says(/listening on https/);
      if (says) assert.match(hive.stderr, says);
      else assert.doesNotMatch(hive.stderr, /certificate/);
    }
  });

  /* The pin was asked for on https only, and the hive's answer decided whether a worker was spoken to by https. */
  test('the keeper follows no word of a hive to a worker of http', async (t) => {
    const home = makeFolder('rbee-hive-'), mine = makeFolder('rbee-keeper-');
    const real = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', home], { env: { RBEE_HIVE_TLS: 'on' } });
    t.after(() => real.stop());
    await real.says(/listening on https/);
    const pem = (file) => fs.readFileSync(path.join(home, 'tls', file));
    const cert = pem('certificate.pem'), key = `rbee-${'k'.repeat(38)}`;
    const pin = createHash('sha256').update(new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })).digest('hex');
    const fake = await FakeHive.start(), seen = [];
    const front = https.createServer({ key: pem('key.pem'), cert }, (req, res) => {
      seen.push(req.headers.authorization);
      json(res, 200, { workers: [fake.worker()] }); // its URL begins with http://
    });
    await new Promise((resolve) => front.listen(0, '127.0.0.1', resolve));
    t.after(() => { front.closeAllConnections(); front.close(); return fake.stop(); });
    fs.writeFileSync(path.join(mine, 'config.ini'), `[nodes]\nbee2 = 127.0.0.1:${front.address().port}\n`);
    fs.writeFileSync(path.join(mine, 'nodes.json'), JSON.stringify({ bee2: { tls: true, pin, key } }), { mode: 0o600 });
    const r = await run(['infer', '--node', 'bee2', '--model', 'tiny', '--prompt', 'x'], { home: mine });
    assert.deepStrictEqual(seen, [`Bearer ${key}`], r.stderr); // it was the hive that was asked, and believed
    assert.strictEqual(r.code, 1);
    assert.match(r.stderr, /CERTIFICATE_MISMATCH: .*names a worker at http:.*\n.*pair with the hive itself.*tls_cert/);
    assert.deepStrictEqual(fake.names(), []);
  });

  test('half of it, or a key that does not fit, is refused with a sentence', () => {
    const home = makeFolder('rbee-hive-'), bad = path.join(home, 'bad.pem');
    fs.writeFileSync(bad, 'rubbish', { mode: 0o600 });
    const start = (env) => spawnSync(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', home], { encoding: 'utf8', timeout: 20000, env: { RBEE_HIVE_TLS: 'on', ...env } });
    for (const env of [{ RBEE_HIVE_TLS_CERT: bad }, { RBEE_HIVE_TLS: 'auto', RBEE_HIVE_TLS_KEY: bad }]) { // where it was not needed it was not told
      const r = start(env);
      assert.strictEqual(r.status, 2, r.stderr);
      assert.match(r.stderr, /tls_cert and tls_key belong together/);
    }
    for (const [env, says] of [[{ RBEE_HIVE_TLS_CERT: bad, RBEE_HIVE_TLS_KEY: bad }, /certificate cannot be used/],
      [{ RBEE_HIVE_TLS_CERT: '/nowhere.pem', RBEE_HIVE_TLS_KEY: bad }, /nowhere\.pem/]]) {
      const r = start(env);
      assert.strictEqual(r.status, 1, r.stderr);
      assert.match(r.stderr, says);
      assert.match(r.stderr, /tls = off/);
    }
  });
});

/* The TLS key, the hub's token and prompts were in it, wherever the system keeps cores. */
test('a hive that crashes leaves no core, though the shell would allow it', async (t) => {
  const hive = new Proc('sh', ['-c', 'ulimit -S -c "$(ulimit -H -c)"; ulimit -c; exec "$0" daemon --addr 127.0.0.1:0 --home "$1"', HIVE, makeFolder('rbee-hive-')]);
  t.after(() => hive.stop());
  await hive.says(/listening on/);
  if (/^0$/m.test(hive.stdout)) return t.skip('no cores are allowed here');
  assert.match(fs.readFileSync(`/proc/${hive.pid}/limits`, 'utf8'), /^Max core file size +0 /m);
});

/* The fingerprint of the certificate that is shown at a port. */
function peerOf(port) {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate().fingerprint256);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

/* Where Docker's bridge came before the network's card in the list, the line named it: 172.17.0.1, which on the other
 * machine is that one's own bridge. */
it('the line names the address of the way out, and no bridge for containers', async (t) => {
  const host = new Host('192.168.1.20'), home = makeFolder('rbee-hive-');
  t.after(() => host.stop());
  await host.proc.says(/up/);
  for (const args of ['link add docker0 type bridge', 'addr add 172.17.0.1/16 dev docker0', 'link set docker0 up', 'link add wlan0 type veth peer name w1',
    'addr add 192.168.1.20/24 dev wlan0', 'link set wlan0 up', 'link set w1 up', 'route add default via 192.168.1.1']) {
    const r = host.run('ip', args.split(' '));
    if (r.status !== 0 && args.includes('bridge')) return void t.skip('no bridge can be had here');
    assert.strictEqual(r.status, 0, r.stderr);
  }
  const hive = await host.hive(home);
  t.after(() => hive.stop());
  await hive.says(/node add NAME rbee:\/\/192\.168\.1\.20:8080\//);
});

describe('two machines', () => {
  let hosts, hive;
  const home = makeFolder('rbee-hive-'), mine = makeFolder('rbee-keeper-');
  before(async () => {
    if (skip) return;
    hosts = await twoHosts();
    hive = await hosts.a.hive(home);
  });
  after(async () => {
    if (skip) return;
    await hive.stop();
    await hosts.stop();
  });

  it('the line that the hive prints pairs a keeper, which then gets its answer by https', async () => {
    const { a, b } = hosts;
    const shown = /(rbee:\/\/10\.77\.0\.1:8080\/\S+)/.exec(hive.stderr);
    assert.ok(shown, hive.stderr);
    const added = b.keeper(mine, 'node', 'add', 'bee2', shown[1]);
    assert.strictEqual(added.status, 0, added.stderr);
    assert.match(added.stdout, /^bee2 is 10\.77\.0\.1:8080 \(alive/);
    const kept = path.join(mine, 'nodes.json');
    assert.strictEqual(fs.statSync(kept).mode & 0o777, 0o600);
    const { key, pin } = JSON.parse(fs.readFileSync(kept, 'utf8')).bee2;
    const cert = new X509Certificate(fs.readFileSync(path.join(home, 'tls/certificate.pem')));
    assert.strictEqual(pin, createHash('sha256').update(cert.publicKey.export({ type: 'spki', format: 'der' })).digest('hex'));
    const answer = infer(b, mine);
    assert.strictEqual(answer.status, 0, answer.stderr);
    assert.ok(answer.stdout.trim().length > 0);
    const workers = JSON.parse(b.keeper(mine, 'workers', 'list', '--node', 'bee2', '--json').stdout).workers;
    assert.match(workers[0].url, /^https:\/\/10\.77\.0\.1:\d+$/);
    assert.ok(!hive.stderr.includes(key), 'the key is in no output');
    const list = JSON.parse(b.keeper(mine, 'node', 'list', '--json').stdout).nodes;
    assert.strictEqual(list.find((n) => n.name === 'bee2').alive, true);
    /* On the hive's own machine nothing has to be set. */
    const local = a.keeper(home, 'workers', 'list');
    assert.strictEqual(local.status, 0, local.stderr);
  });

  it('a pairing line works once, and a wrong one not at all', () => {
    const { a, b } = hosts, other = makeFolder('rbee-keeper-');
    const { link } = newLink(a, home);
    assert.strictEqual(b.keeper(other, 'node', 'add', 'bee2', link).status, 0);
    const again = b.keeper(makeFolder('rbee-keeper-'), 'node', 'add', 'bee2', link);
    assert.strictEqual(again.status, 1);
    assert.match(again.stderr, /used already.*\nRun `rbee-hive pair`/);
    const bad = b.keeper(makeFolder('rbee-keeper-'), 'node', 'add', 'bee2', link.slice(0, -3));
    assert.notStrictEqual(bad.status, 0);
    const cut = b.keeper(makeFolder('rbee-keeper-'), 'node', 'add', 'bee2', link.replace(/.{20}$/, ''));
    assert.strictEqual(cut.status, 2);
    assert.match(cut.stderr, /copy it once more/);
  });

  it('without pairing: told what to do, in https and in http', () => {
    const { b } = hosts, stranger = makeFolder('rbee-keeper-');
    const plain = b.keeper(stranger, 'workers', 'list', '--node', '10.77.0.1');
    assert.strictEqual(plain.status, 1);
    assert.match(plain.stderr, /https only.*\n.*rbee-hive pair/);
    const unknown = b.keeper(stranger, 'workers', 'list', '--node', 'https://10.77.0.1:8080');
    assert.strictEqual(unknown.status, 1);
    assert.match(unknown.stderr, /CERTIFICATE_MISMATCH: the certificate of 10\.77\.0\.1:8080 cannot be trusted/);
  });

  it('a key that is revoked is refused at once, by the hive and by its workers', async () => {
    const { b } = hosts;
    const { key } = JSON.parse(fs.readFileSync(path.join(mine, 'nodes.json'), 'utf8')).bee2;
    const bearer = ['-H', `Authorization: Bearer ${key}`];
    const worker = JSON.parse(b.curl('https://10.77.0.1:8080/v1/workers/list', ...bearer).text).workers[0].url;
    const ask = () => b.curl(`${worker}/v1/inference`, ...bearer, '-d', '{"prompt":"x","max_tokens":1}').status;
    assert.strictEqual(ask(), 200);
    const print = createHash('sha256').update(key).digest('hex').slice(0, 6);
    const listed = keysOf(home).find((k) => k.fingerprint === print);
    assert.match(listed.last_used, /^20/);
    const revoked = spawnSync(KEEPER, ['keys', 'revoke', print], { encoding: 'utf8', env: { RBEE_HOME: home } });
    assert.strictEqual(revoked.status, 0, revoked.stderr);
    await until(() => /key_revoked/.test(hive.stderr), 'the hive notices');
    assert.strictEqual(ask(), 401);
    assert.strictEqual(b.curl('https://10.77.0.1:8080/v1/workers/list', ...bearer).status, 401);
    const failed = infer(b, mine);
    assert.strictEqual(failed.status, 1);
    assert.match(failed.stderr, /INVALID_API_KEY/);
  });

  it('keys made on the hive\'s machine open it at once', async () => {
    const made = spawnSync(KEEPER, ['keys', 'create', '--name', 'phone'], { encoding: 'utf8', env: { RBEE_HOME: home } });
    assert.strictEqual(made.status, 0, made.stderr);
    const key = made.stdout.trim();
    assert.strictEqual(fs.statSync(path.join(home, 'keys')).mode & 0o777, 0o600);
    assert.ok(!fs.readFileSync(path.join(home, 'keys'), 'utf8').includes(key));
    await until(() => hosts.b.curl('https://10.77.0.1:8080/v1/workers/list', '-H', `Authorization: Bearer ${key}`).status === 200, 'the new key');
  });

  /* The oldest was closed without a word, and its owner heard that it was wrong, used or over. */
  it('a ninth line closes the oldest, and says so', () => {
    const { a, b } = hosts, add = (link) => b.keeper(makeFolder('rbee-keeper-'), 'node', 'add', 'bee2', link).status;
    const lines = Array.from({ length: 8 }, () => newLink(a, home)), ninth = newLink(a, home);
    assert.match(ninth.stderr, /^rbee-hive: 8 lines are open at once: the oldest, which nobody has used, works no more\n$/);
    assert.deepStrictEqual([lines[0], lines[1], ninth].map(({ link }) => add(link)), [1, 0, 0]);
    assert.strictEqual(newLink(a, home).stderr, ''); // two were used
  });

  it('pairing where 64 keys are: told what to do, not that it is a fault of rbee', () => {
    const { a, b } = hosts, file = path.join(home, 'keys'), kept = fs.readFileSync(file, 'utf8');
    const more = Array.from({ length: 64 - kept.trim().split('\n').filter((line) => !line.startsWith('#')).length }, (_, i) => `${String(i + 1).padStart(64, '0')} 1800000000 more${i}\n`);
    const put = (text) => { fs.writeFileSync(`${file}.new`, text, { mode: 0o600 }); fs.renameSync(`${file}.new`, file); };
    const { link } = newLink(a, home);
    put(kept + more.join(''));
    const full = b.keeper(makeFolder('rbee-keeper-'), 'node', 'add', 'bee2', link);
    put(kept);
    assert.strictEqual(full.status, 1);
    assert.match(full.stderr, /there are 64 keys already.*\n.*keys revoke.*the same line works/);
    assert.doesNotMatch(full.stderr, /rbee's fault/);
    assert.strictEqual(b.keeper(makeFolder('rbee-keeper-'), 'node', 'add', 'bee2', link).status, 0); // it was used up
  });

  it('a page that sends wrong codes from its visitor\'s browser does not lock the visitor out', () => {
    const { b } = hosts, url = 'https://10.77.0.1:8080/v1/pair';
    const key = ['-H', `Authorization: Bearer ${fs.readFileSync(path.join(home, 'api-key'), 'utf8')}`];
    const page = (...headers) => b.curl(url, '-d', '{"code":"a"}', ...headers.flatMap((h) => ['-H', h]));
    for (let i = 0; i < 7; i++) {
      assert.strictEqual(page('Origin: https://evil.example', 'Content-Type: application/json').status, 403);
      assert.strictEqual(page('Content-Type: text/plain;charset=UTF-8').status, 400);
    }
    assert.strictEqual(b.curl('https://10.77.0.1:8080/v1/workers/list', ...key).status, 200);
    assert.strictEqual(page('Content-Type: application/json; charset=utf-8').status, 401);
  });

  it('wrong keys: 429 with Retry-After for that address, nobody else waits', async () => {
    const { a, b } = hosts;
    const wrong = () => b.curl('https://10.77.0.1:8080/v1/workers/list', '-H', 'Authorization: Bearer wrong-wrong-wrong-wrong');
    const right = ['-H', `Authorization: Bearer ${fs.readFileSync(path.join(home, 'api-key'), 'utf8')}`];
    let last;
    for (let i = 0; i < 40 && last?.status !== 429; i++) last = wrong(); // one in 6 s is forgiven meanwhile
    assert.strictEqual(last.status, 429, last.text);
    assert.match(last.head, /^Retry-After: [1-9]\d*\r?$/m);
    assert.strictEqual(JSON.parse(last.text).error.code, 'TOO_MANY_FAILURES');
    assert.strictEqual(b.curl('https://10.77.0.1:8080/v1/health').status, 200);
    assert.strictEqual(a.curl('https://127.0.0.1:8080/v1/workers/list', ...right).status, 200);
    assert.strictEqual(a.curl('https://10.77.0.1:8080/v1/workers/list', ...right).status, 200);
  });

  /* Behind a script with a revoked key no machine of its address could be paired for as long as it ran. */
  it('wrong keys of an address do not keep a right code of that address out', () => {
    const { b } = hosts;
    const pair = (code) => b.curl('https://10.77.0.1:8080/v1/pair', '-H', 'Content-Type: application/json', '-d', JSON.stringify({ code, name: 'b' }));
    let last;
    for (let i = 0; i < 40 && last !== 429; i++) last = pair('abcdefghijklmnopqrst').status; // one in 6 s is forgiven meanwhile
    assert.strictEqual(last, 429);
    const line = spawnSync(HIVE, ['pair', '--home', home], { encoding: 'utf8' }).stdout;
    assert.strictEqual(pair(/\/([a-z0-9]+)'?\s*$/.exec(line)[1]).status, 200);
  });

  it('bytes that are no TLS cost a connection and nothing else', () => {
    const { a, b } = hosts;
    const send = `const net = require('node:net');
      for (const hex of ['160301ffff', '80010203', '474554202f', '16', '']) {
        const s = net.connect(8080, '10.77.0.1', () => s.end(Buffer.from(hex, 'hex')));
        s.on('error', () => {}).resume();
      }`;
    assert.strictEqual(b.run(process.execPath, ['-e', send]).status, 0);
    assert.strictEqual(b.curl('https://10.77.0.1:8080/v1/health').status, 200);
    const plain = b.curl('http://10.77.0.1:8080/v1/health');
    assert.strictEqual(plain.status, 400);
    assert.match(plain.text, /speaks https/);
  });

  /* A caller who may speak it, and does so with a server that may: else it would be the caller who refuses. */
  it('TLS 1.1 is not spoken', async (t) => {
    const { a } = hosts, ciphers = 'ALL:@SECLEVEL=0', pair = path.join(makeFolder(), 'old');
    const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=old',
      '-keyout', `${pair}.key`, '-out', `${pair}.pem`]);
    if (made.status !== 0) return void t.skip('no openssl');
    const server = a.start(process.execPath, '-e', `const fs = require('node:fs');
      require('node:https').createServer({ key: fs.readFileSync('${pair}.key'), cert: fs.readFileSync('${pair}.pem'),
        minVersion: 'TLSv1', ciphers: '${ciphers}' }, (req, res) => res.end(req.socket.getProtocol()))
        .listen(0, '127.0.0.1', function () { console.log('it listens at ' + this.address().port); });`);
    t.after(() => server.stop());
    const [, port] = await server.says(/it listens at (\d+)/);
    const old = (at) => a.curl(`https://127.0.0.1:${at}/v1/health`, '--tls-max', '1.1', '--ciphers', ciphers);
    const control = old(port);
    if (control.text !== 'TLSv1.1') return void t.skip('the TLS libraries here do not speak 1.1');
    assert.deepStrictEqual([old(8080).status, a.curl('https://127.0.0.1:8080/v1/health').status], [0, 200]);
  });

  it('the security log tells all that, holds no key and no prompt, and is a chain', () => {
    const file = path.join(home, 'logs/security.jsonl'), text = fs.readFileSync(file, 'utf8');
    assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600);
    const events = text.trim().split('\n').map((line) => JSON.parse(line).event);
    for (const event of ['start', 'pairing_used', 'pairing_failed', 'key_created', 'key_first_used', 'key_revoked', 'wrong_key', 'tls_failed']) {
      assert.ok(events.includes(event), `${event} in ${events}`);
    }
    /* The first key, and what was made or revoked while no hive ran, stood nowhere. */
    const [first, start] = text.trim().split('\n').map((line) => JSON.parse(line));
    const key = fs.readFileSync(path.join(home, 'api-key'), 'utf8').trim();
    const print = createHash('sha256').update(key).digest('hex').slice(0, 6);
    assert.deepStrictEqual([first.event, first.key, first.name], ['key_created', print, 'api-key']);
    assert.deepStrictEqual([start.event, start.keys, start.prints], ['start', 1, [print]]);
    assert.ok(events.filter((e) => e === 'wrong_key').length < 4, 'failures are told together');
    const lines = text.trim().split('\n');
    for (let i = 1; i < lines.length; i++) {
      assert.strictEqual(JSON.parse(lines[i]).prev, createHash('sha256').update(lines[i - 1]).digest('hex'));
    }
    assert.ok(!text.includes('Once upon') && !/rbee-[a-z2-7]{38}/.test(text));
    for (const log of fs.readdirSync(path.join(home, 'logs'))) {
      assert.ok(!/rbee-[a-z2-7]{38}/.test(fs.readFileSync(path.join(home, 'logs', log), 'utf8')), log);
    }
    const verify = () => spawnSync(KEEPER, ['security', 'verify'], { encoding: 'utf8', env: { RBEE_HOME: home } });
    assert.strictEqual(verify().status, 0, verify().stderr);
    const copy = makeFolder('rbee-log-');
    fs.mkdirSync(path.join(copy, 'logs'));
    fs.writeFileSync(path.join(copy, 'logs/security.jsonl'), text.replace('"pairing_failed"', '"pairing_fooled"'));
    const broken = spawnSync(KEEPER, ['security', 'verify'], { encoding: 'utf8', env: { RBEE_HOME: copy } });
    assert.strictEqual(broken.status, 1);
    const line = events.indexOf('pairing_failed') + 2;
    assert.match(broken.stderr, new RegExp(`SECURITY_LOG_BROKEN: .*security\\.jsonl, line ${line}:`));
  });

  it('keys are in no command line and no environment of a worker', () => {
    const key = fs.readFileSync(path.join(home, 'api-key'), 'utf8').trim();
    const { a } = hosts;
    const workers = JSON.parse(a.keeper(home, 'workers', 'list', '--json').stdout).workers;
    assert.ok(workers.length > 0);
    for (const { pid } of workers) {
      const seen = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8') + fs.readFileSync(`/proc/${pid}/environ`, 'utf8');
      assert.ok(!seen.includes(key) && !/rbee-[a-z2-7]{38}/.test(seen) && !seen.includes('RBEE_API_KEY'));
    }
  });

  it('a hive that was made anew is refused, with both fingerprints, until it is paired again', async () => {
    const { a, b } = hosts;
    const first = newLink(a, home);
    await hive.stop();
    hive = await a.hive(home); /* the same home: the same certificate, open pairings, no memory of failures */
    assert.strictEqual(b.keeper(mine, 'node', 'add', 'bee2', first.link).status, 0);
    await hive.stop();
    fs.rmSync(path.join(home, 'tls'), { recursive: true });
    hive = await a.hive(home);
    const refused = infer(b, mine);
    assert.strictEqual(refused.status, 1);
    const { link, pin } = newLink(a, home);
    assert.match(refused.stderr, /CERTIFICATE_MISMATCH/);
    assert.ok(refused.stderr.includes(pin) && refused.stderr.includes(first.pin), refused.stderr);
    assert.match(refused.stderr, /rbee-hive pair/);
    assert.strictEqual(b.keeper(mine, 'node', 'add', 'bee2', link).status, 0);
    assert.strictEqual(infer(b, mine).status, 0);
  });

  it('a hive that speaks plain http now is named as such; a plain node add undoes the pairing', async () => {
    const { a, b } = hosts;
    await hive.stop();
    hive = await a.hive(home, { RBEE_HIVE_TLS: 'off' });
    assert.match(hive.stderr, new RegExp(`in the clear\\. Every keeper, this machine's too, needs the key in ${home}/api-key as RBEE_API_KEY\\.`));
    const refused = b.keeper(mine, 'workers', 'list', '--node', 'bee2');
    assert.strictEqual(refused.status, 1);
    assert.match(refused.stderr, /does not speak https\n.*tls = off/);
    assert.strictEqual(b.keeper(mine, 'node', 'add', 'bee2', '10.77.0.1').status, 0);
    assert.strictEqual(fs.readFileSync(path.join(mine, 'nodes.json'), 'utf8').includes('bee2'), false);
    const key = fs.readFileSync(path.join(home, 'api-key'), 'utf8').trim();
    assert.strictEqual(b.keeper(mine, 'workers', 'list', '--node', 'bee2', '--api-key', key).status, 0);
    const keyless = b.keeper(mine, 'workers', 'list', '--node', 'bee2');
    assert.strictEqual(keyless.status, 1);
    assert.match(keyless.stderr, /MISSING_API_KEY: .*\nSet RBEE_API_KEY/); // there is no pairing without https
  });

  /* It named a file that is not there: `keys create`, and pairing, make keys that are shown once. */
  it('a hive that speaks plain http with other keys than api-key says how to get one', async () => {
    const file = path.join(home, 'api-key');
    await hive.stop();
    fs.renameSync(file, `${file}.away`);
    hive = await hosts.a.hive(home, { RBEE_HIVE_TLS: 'off' });
    assert.match(hive.stderr, /needs a key as RBEE_API_KEY; `rbee-keeper keys create` makes one\.\n/);
    assert.strictEqual(fs.existsSync(file), false);
    fs.renameSync(`${file}.away`, file);
  });

  /* Takes a minute: RBEE_TEST_LONG=1 runs it. */
  test('a cable pulled in the middle of an answer ends it on both sides', { skip: skip || !process.env.RBEE_TEST_LONG, timeout: 120000 }, async () => {
    const { a, b } = hosts;
    await hive.stop();
    hive = await a.hive(home);
    assert.strictEqual(b.keeper(mine, 'node', 'add', 'bee2', newLink(a, home).link).status, 0);
    assert.strictEqual(infer(b, mine).status, 0);
    assert.strictEqual(a.run('tc', ['qdisc', 'add', 'dev', a.end, 'root', 'tbf', 'rate', '24kbit', 'burst', '2kb', 'latency', '20s']).status, 0);
    const stream = new Proc('nsenter', ['-t', String(b.proc.pid), '-n', KEEPER, 'infer', '--node', 'bee2', '--model', 'tiny',
      '--prompt', 'Once upon a time', '--max-tokens', '400', '--temperature', '0'], { env: { RBEE_HOME: mine } });
    await until(() => stream.stdout.length > 100, 'some of the answer');
    assert.strictEqual(b.run('ip', ['link', 'set', b.end, 'down']).status, 0);
    assert.strictEqual((await stream.end(60000)).code, 1);
    assert.match(stream.stderr, /broke off after \d+ tokens.*timed out/);
    const open = () => a.run('ss', ['-Htn', 'state', 'established', 'dst', b.address]).stdout.trim();
    await until(() => open() === '', () => `connections are left: ${open()}`, 60000);
    const worker = JSON.parse(a.keeper(home, 'workers', 'list', '--json').stdout).workers[0];
    assert.strictEqual(worker.slots_busy, 0);
    assert.strictEqual(b.run('ip', ['link', 'set', b.end, 'up']).status, 0);
    assert.strictEqual(a.run('tc', ['qdisc', 'del', 'dev', a.end, 'root']).status, 0);
  });

  it('there is no line for a hive that was killed', async () => {
    const { a } = hosts;
    hive.signal('SIGKILL');
    await hive.ended;
    const r = a.run(HIVE, ['pair', '--home', home]);
    assert.strictEqual(r.status, 1, r.stdout);
    assert.match(r.stderr, /no hive .* runs with the home/);
    hive = await a.hive(home);
    newLink(a, home);
  });

  it('files with keys that others may read are refused', async () => {
    const { a } = hosts;
    await hive.stop();
    for (const [file, mode] of [['keys', 0o644], ['api-key', 0o640], ['tls/key.pem', 0o604]]) {
      const full = path.join(home, file);
      fs.chmodSync(full, mode);
      const r = a.run(HIVE, ['daemon', '--addr', '0.0.0.0:8080', '--home', home]);
      assert.strictEqual(r.status, 1, `${file}: ${r.signal} ${r.error} ${r.stderr}`);
      assert.match(r.stderr, /chmod 600/);
      fs.chmodSync(full, 0o600);
    }
    hive = await a.hive(home);
  });
});
