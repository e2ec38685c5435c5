'use strict';
/*
 * references.test.js - what a model's name means, asked of a hub: its listing, revisions, tokens and
 * where they are found, mirrors, proxies, IPv6, and the near names that an error tells. A real hive
 * and a real keeper; the hub is tests/e2e/lib/hub.js.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');

const { HIVE, WORKER, Proc, makeFolder } = require('./lib/proc.js');
const { startHive, get, post } = require('./lib/hive.js');
const { stream } = require('./lib/sse.js');
const { Hub } = require('./lib/hub.js');
const { writeHollowModel } = require('./lib/gguf.js');
const keeper = require('./lib/keeper.js');

const cli = (hive, ...args) => keeper.run([...args, '--node', hive.url]);
const offer = (hive, ref) => get(hive, `/v1/models/files?model_ref=${encodeURIComponent(ref)}`);

let made = 0;
function model() {
  const file = path.join(makeFolder('rbee-made-'), 'm.gguf');
  writeHollowModel(file, { layers: 1, ctx: 300 + made++ });
  return fs.readFileSync(file);
}

/* The last event of a download. */
async function pull(hive, ref) {
  const answer = await post(hive, '/v1/models/download', { model_ref: ref });
  assert.strictEqual(answer.status, 200, answer.text);
  if (answer.json.local_path) return { stage: 'complete', local_path: answer.json.local_path };
  return (await (await stream(`${hive.url}/v1/models/download/progress?id=${answer.json.download_id}`)).all()).at(-1);
}

let hub;
before(async () => { hub = await Hub.start({ token: 'hf_right' }); });
after(() => hub.stop());
const startWith = (env = {}, options = {}) => startHive({ ...options, env: { HF_ENDPOINT: hub.url, ...env } });

describe('what a repository offers', () => {
  let hive;
  before(async () => {
    hive = await startWith();
    hub.put('org/many', {
      'many.Q4_K_M.gguf': model(), 'many.Q8_0.gguf': Buffer.alloc(9000), 'q2/other.Q2_K.gguf': Buffer.alloc(100),
      'odd.gguf': Buffer.alloc(50), 'many.IQ1_S.gguf': Buffer.alloc(80), 'mmproj-f16.gguf': Buffer.alloc(10),
      'big-Q6_K-00001-of-00002.gguf': Buffer.alloc(700), 'big-Q6_K-00002-of-00002.gguf': Buffer.alloc(300),
      'torn-Q5_0-00001-of-00003.gguf': Buffer.alloc(7), [`${'deep'.repeat(30)}/${'name'.repeat(20)}.gguf`]: Buffer.alloc(8),
    });
  });
  after(() => hive.stop());

  test('names, sizes, quantisations, and how each is asked for', async () => {
    const { json } = await offer(hive, 'hf:org/many');
    assert.match(json.commit, /^[0-9a-f]{40}$/);
    assert.strictEqual(json.left_out, 1); // whose name no file here can have
    assert.match((await cli(hive, 'models', 'files', 'hf:org/many')).stderr, /^Left out: 1 with names that are too long for a file there\.$/m);
    const rows = Object.fromEntries(json.files.map((f) => [f.file, f]));
    assert.deepStrictEqual(Object.keys(rows).sort(), ['big-Q6_K-00001-of-00002.gguf', 'many.IQ1_S.gguf',
      'many.Q4_K_M.gguf', 'many.Q8_0.gguf', 'odd.gguf', 'q2/other.Q2_K.gguf']);
    const split = rows['big-Q6_K-00001-of-00002.gguf'];
    assert.deepStrictEqual([split.files, split.size_bytes, split.model_ref], [2, 1000, 'hf:org/many:Q6_K']);
    assert.strictEqual(rows['odd.gguf'].model_ref, 'hf:org/many:odd.gguf');
    assert.strictEqual(rows['many.IQ1_S.gguf'].known_type, false);
    assert.strictEqual(rows['many.Q8_0.gguf'].known_type, true);
    for (const f of json.files) {
      assert.strictEqual(f.fits, 'yes'); // they are small
      assert.ok(f.need_bytes > f.size_bytes && f.need_bytes <= json.memory_free_bytes);
      assert.strictEqual(f.here, false);
    }
    assert.strictEqual((await pull(hive, 'hf:org/many:Q4_K_M')).stage, 'complete');
    const again = (await offer(hive, 'hf:org/many')).json.files.filter((f) => f.here);
    assert.deepStrictEqual(again.map((f) => f.file), ['many.Q4_K_M.gguf']);
    const r = await cli(hive, 'models', 'files', 'hf:org/many');
    assert.match(r.stdout, /^hf:org\/many:Q8_0 +Q8_0 +9\.0 kB +1 +\S+ MB +yes +-$/m);
    assert.match(r.stdout, /^hf:org\/many:IQ1_S .*type unknown/m);
    assert.match(r.stderr, /org\/many at commit [0-9a-f]{12}; \S+ \S+ of memory are free/);
  });

  test('what is far too large does not fit', async () => {
    const repo = 'org/huge';
    hub.put(repo, { 'x.Q4_0.gguf': Buffer.alloc(10) });
    const body = JSON.stringify({ sha: 'a'.repeat(40), siblings: [{ rfilename: 'x.Q4_0.gguf', size: 4e15 },
      { rfilename: 'y.Q8_0.gguf' }, { rfilename: '../../z.gguf', size: 5 }] });
    hub.api.plan.push({ body });
    const { json } = await offer(hive, `hf:${repo}`);
    assert.deepStrictEqual(json.files.map((f) => [f.file, f.fits]), [['x.Q4_0.gguf', 'no'], ['y.Q8_0.gguf', 'unknown']]);
  });

  test('errors: no such repository, no such revision, no answer, not from the hub', async () => {
    const none = await offer(hive, 'hf:org/none');
    assert.deepStrictEqual([none.status, none.json.error.code], [404, 'MODEL_NOT_FOUND']);
    const revision = await offer(hive, 'hf:org/many@nope');
    assert.match(revision.json.error.message, /no revision nope/);
    hub.api.plan.push({ body: '<html>' });
    assert.match((await offer(hive, 'hf:org/many')).json.error.message, /makes no sense/);
    hub.api.plan.push({ status: 400 });
    assert.strictEqual((await offer(hive, 'hf:org/many')).json.error.code, 'DOWNLOAD_FAILED');
    assert.strictEqual((await offer(hive, '/tmp/x.gguf')).status, 400);
    assert.strictEqual((await get(hive, '/v1/models/files')).status, 400);
    hub.put('org/gated', { 'g.Q4_0.gguf': Buffer.alloc(10) }, { gated: true });
    assert.strictEqual((await offer(hive, 'hf:org/gated')).json.error.code, 'MODEL_ACCESS_DENIED');
  });

  test('near names: a quantisation, a file, a file in a folder', async () => {
    const message = async (ref) => {
      const end = await pull(hive, ref);
      assert.strictEqual(end.code, 'MODEL_NOT_FOUND', JSON.stringify(end));
      return end.message;
    };
    assert.match(await message('hf:org/many:Q4KM'), /did you mean Q4_K_M\?/);
    assert.match(await message('hf:org/many:Q8_1'), /did you mean Q8_0\?/);
    assert.match(await message('hf:org/many:mnay.Q8_0.gguf'), /did you mean many\.Q8_0\.gguf\?/);
    assert.match(await message('hf:org/many:other.Q3_K.gguf'), /did you mean q2\/other\.Q2_K\.gguf\?/);
    const far = await message('hf:org/many:entirely-different.gguf');
    assert.ok(!/did you mean/.test(far), far);
    assert.match(far, /there are, among others: .*gguf/);
  });

  test('a revision is pinned to the commit that the hub answered', async () => {
    const commit = 'd'.repeat(40);
    hub.put('org/moving', { 'm.Q4_0.gguf': model() }, { commit });
    const end = await pull(hive, `hf:org/moving@${commit}`);
    assert.strictEqual(end.stage, 'complete', JSON.stringify(end));
    const rows = (await get(hive, '/v1/models')).json.models;
    assert.strictEqual(rows.find((m) => m.model_ref === `hf:org/moving@${commit}`).source, `hf:org/moving@${commit}`);
    assert.ok(end.local_path.includes(`/${commit}/`));
    const first = await pull(hive, 'hf:org/moving');
    assert.strictEqual(first.local_path, end.local_path, 'one commit, one file');
    hub.put('org/moving', { 'm.Q4_0.gguf': model() }, { commit: 'e'.repeat(40) }); // the branch moves
    assert.strictEqual((await pull(hive, 'hf:org/moving')).local_path, end.local_path, 'what is here stays');
    assert.ok(fs.existsSync(end.local_path));
  });
});

describe('admission', () => {
  test('what cannot be run does not enter, is kept, and is not fetched again', async () => {
    const hive = await startWith();
    try {
      const noise = Buffer.alloc(5000, 'GGUF');
      hub.put('org/noise', { 'n.Q4_0.gguf': noise });
      for (const turn of [1, 2]) {
        const end = await pull(hive, 'hf:org/noise');
        assert.strictEqual(end.stage, 'error', JSON.stringify(end));
        assert.strictEqual(end.code, 'INVALID_MODEL_FILE');
        const [, file] = /is here \((\S+)\), but: /.exec(end.message);
        assert.ok(fs.readFileSync(file).equals(noise));
        assert.strictEqual(hub.cdn.calls.filter((c) => c.name === 'org/noise').length, 1, `turn ${turn}`);
      }
      assert.ok(!(await get(hive, '/v1/models')).json.models.some((m) => m.model_ref === 'hf:org/noise'));
      assert.strictEqual((await post(hive, '/v1/workers/spawn', { model_ref: 'hf:org/noise' })).status, 404);
    } finally {
      await hive.stop();
    }
    const again = await startHive({ home: hive.home, env: { HF_ENDPOINT: hub.url } });
    assert.ok(!(await get(again, '/v1/models')).json.models.some((m) => m.model_ref === 'hf:org/noise'),
      'nor does it enter at the next start');
    await again.stop();
    fs.rmSync(path.join(hive.home, 'models.db'));
    const anew = await startHive({ home: hive.home, env: { HF_ENDPOINT: hub.url } });
    assert.ok(!(await get(anew, '/v1/models')).json.models.some((m) => m.model_ref === 'hf:org/noise'),
      'nor when the catalog is made again from the disk');
    await anew.stop();
  });

  /* The kernel once killed the look into a good model for want of memory. That was kept as the file's verdict, by
   * its digest: fetched again, removed and fetched, under another name, after a restart, it stayed INVALID_MODEL_FILE. */
  test('a look that is killed says nothing about the file: the next ask looks again', async () => {
    const worker = path.join(makeFolder('rbee-killed-'), 'worker');
    fs.writeFileSync(worker, `#!/bin/sh\n[ "$1" = inspect ] && rm ${worker}.bad 2>/dev/null && kill -9 $$\nexec ${WORKER} "$@"\n`,
      { mode: 0o755 });
    fs.writeFileSync(`${worker}.bad`, '');
    hub.put('org/good', { 'g.Q4_0.gguf': model() });
    const hive = await startWith({ RBEE_HIVE_WORKER: worker });
    try {
      const end = await pull(hive, 'hf:org/good');
      assert.strictEqual(end.code, 'WORKER_START_FAILED', JSON.stringify(end));
      assert.match(end.message, /ended with signal SIGKILL \(Killed\), which says nothing about the file itself/);
      assert.ok(!fs.existsSync(`${worker}.bad`));
      const again = await pull(hive, 'hf:org/good');
      assert.strictEqual(again.stage, 'complete', JSON.stringify(again));
      assert.strictEqual(hub.cdn.calls.filter((c) => c.name === 'org/good').length, 1, 'and fetches nothing');
    } finally {
      await hive.stop();
    }
  });

  test('what has no digest is refused at the next start all the same', async () => {
    const hive = await startWith();
    hub.put('org/nameless', { 'n.Q4_0.gguf': Buffer.alloc(6000, 'GGUF') });
    hub.linked = hub.sized = false;
    try {
      assert.strictEqual((await pull(hive, 'hf:org/nameless')).code, 'INVALID_MODEL_FILE');
    } finally {
      hub.linked = hub.sized = true;
      await hive.stop();
    }
    const again = await startHive({ home: hive.home, env: { HF_ENDPOINT: hub.url } });
    assert.ok(!(await get(again, '/v1/models')).json.models.some((m) => m.model_ref === 'hf:org/nameless'));
    await again.stop();
  });
});

describe('a file that rotted', () => {
  test('is set aside by verify, and fetched again by pull: that one alone', async () => {
    const hive = await startWith();
    try {
      const bytes = model();
      hub.put('org/rot', { 'r.Q4_0.gguf': bytes });
      const { local_path: file } = await pull(hive, 'hf:org/rot');
      const fd = fs.openSync(file, 'r+');
      fs.writeSync(fd, Buffer.from([1]), 0, 1, bytes.length - 9);
      fs.closeSync(fd);
      assert.strictEqual((await cli(hive, 'models', 'verify', 'hf:org/rot')).code, 1);
      assert.ok(fs.existsSync(`${file}.bad`));
      assert.strictEqual((await cli(hive, 'models', 'verify', 'hf:org/rot')).code, 1, 'it is not here now');
      assert.strictEqual((await pull(hive, 'hf:org/rot')).local_path, file);
      assert.ok(fs.readFileSync(file).equals(bytes));
      assert.strictEqual((await cli(hive, 'models', 'verify', 'hf:org/rot')).code, 0);
      assert.strictEqual(hub.cdn.calls.filter((c) => c.name === 'org/rot').length, 2);
    } finally {
      await hive.stop();
    }
  });
});

describe('the token', () => {
  before(() => hub.put('org/closed', { 'c.Q4_0.gguf': model() }, { gated: true }));

  /* How the hive asked last, started so. */
  async function asks(env, { home = makeFolder('rbee-home-'), lay } = {}) {
    if (lay) lay(home);
    const hive = await startWith({ HOME: home, ...env }, { home });
    try {
      const answer = await offer(hive, 'hf:org/closed');
      assert.ok(!hive.stderr.includes('hf_'), 'a token is never logged');
      return { status: answer.status, sent: hub.api.calls.at(-1).authorization, said: hive.stderr };
    } finally {
      await hive.stop();
    }
  }
  const put = (...where) => (home) => {
    fs.mkdirSync(path.dirname(path.join(home, ...where)), { recursive: true });
    fs.writeFileSync(path.join(home, ...where), 'hf_right\n', { mode: 0o600 });
  };

  test('none: refused, and no header is sent', async () => {
    const { status, sent } = await asks({});
    assert.deepStrictEqual([status, sent], [403, undefined]);
  });

  test('from the environment, rbee\'s file, the hub\'s own files', async () => {
    const away = makeFolder('rbee-token-');
    put('t')(away);
    put('token')(away);
    for (const [env, lay, from] of [
      [{ HF_TOKEN: 'hf_right' }, undefined, /environment HF_TOKEN/],
      [{}, put('hf-token'), /\/hf-token/],
      [{ HF_TOKEN_PATH: path.join(away, 't') }, undefined, /\/t$/m],
      [{ HF_HOME: away }, undefined, /\/token/],
      [{}, put('.cache/huggingface/token'), /\.cache\/huggingface\/token/],
    ]) {
      const { status, sent, said } = await asks(env, { lay });
      assert.deepStrictEqual([status, sent], [200, 'Bearer hf_right']);
      assert.match(said, from);
    }
  });

  test('the environment wins over files; one that others may read is refused', async () => {
    const both = await asks({ HF_TOKEN: 'hf_wrong' }, { lay: put('hf-token') });
    assert.strictEqual(both.sent, 'Bearer hf_wrong');
    const home = makeFolder('rbee-home-');
    put('hf-token')(home);
    fs.chmodSync(path.join(home, 'hf-token'), 0o644);
    const hive = new Proc(HIVE, ['daemon', '--addr', '127.0.0.1:0', '--home', home], { env: { HOME: home } });
    assert.strictEqual((await hive.end()).code, 1);
    assert.match(hive.stderr, /others may read the token in \S+hf-token \(mode 644\); run chmod 600/);
  });
});

describe('ways to the hub', () => {
  const listen = (server, host) => new Promise((resolve) => server.listen(0, host, () => resolve(server.address().port)));

  test('a mirror with a path and a slash at its end', async () => {
    hub.put('org/mirrored', { 'm.Q4_0.gguf': Buffer.alloc(10) });
    const seen = [];
    const mirror = http.createServer((req, res) => {
      seen.push(req.url);
      http.get(hub.url + req.url.replace('/hub', ''), (from) => { res.writeHead(from.statusCode, from.headers); from.pipe(res); });
    });
    const port = await listen(mirror, '127.0.0.1');
    const hive = await startWith({ HF_ENDPOINT: `http://127.0.0.1:${port}/hub/` });
    try {
      assert.strictEqual((await offer(hive, 'hf:org/mirrored')).status, 200);
      assert.match(seen[0], /^\/hub\/api\/models\/org\/mirrored\//);
    } finally {
      await hive.stop();
      mirror.closeAllConnections();
      mirror.close();
    }
  });

  test('a proxy: the name of the hub is the proxy\'s to look up', async () => {
    hub.put('org/far', { 'm.Q4_0.gguf': Buffer.alloc(10) });
    const seen = [];
    const proxy = http.createServer((req, res) => {
      seen.push(req.url);
      const target = new URL(req.url);
      http.get(hub.url + target.pathname + target.search, (from) => { res.writeHead(from.statusCode, from.headers); from.pipe(res); });
    });
    const port = await listen(proxy, '127.0.0.1');
    const hive = await startWith({ HF_ENDPOINT: 'http://hub.invalid', http_proxy: `http://127.0.0.1:${port}` });
    try {
      const answer = await offer(hive, 'hf:org/far');
      assert.strictEqual(answer.status, 200, answer.text);
      assert.match(seen[0], /^http:\/\/hub\.invalid\/api\/models\/org\/far/);
    } finally {
      await hive.stop();
      proxy.closeAllConnections();
      proxy.close();
    }
  });

  /* The password went to every client that asked, in libcurl's error, and into the log. */
  test('a proxy whose password is written so that it is no address: said by the variable, shown to nobody', async () => {
    const hive = await startWith({ HF_ENDPOINT: 'http://hub.invalid', http_proxy: 'http://ann:geheim/7x@proxy.invalid:3128' });
    try {
      await hive.says(/http_proxy is no address of a proxy, .*a \/ is written %2F/);
      const answer = await offer(hive, 'hf:org/far');
      assert.strictEqual(answer.status, 502, answer.text);
      assert.match(answer.text, /http_proxy is no address of a proxy/);
      assert.doesNotMatch(answer.text + hive.stdout + hive.stderr, /geheim/);
    } finally {
      await hive.stop();
    }
  });

  test('IPv6', async (t) => {
    const probe = net.createServer();
    const can = await new Promise((resolve) => { probe.on('error', () => resolve(false)); probe.listen(0, '::1', () => resolve(true)); });
    probe.close();
    if (!can) return t.skip('this machine has no ::1');
    hub.put('org/six', { 'm.Q4_0.gguf': Buffer.alloc(10) });
    const six = http.createServer((req, res) => http.get(hub.url + req.url, (from) => { res.writeHead(from.statusCode, from.headers); from.pipe(res); }));
    const port = await listen(six, '::1');
    const hive = await startWith({ HF_ENDPOINT: `http://[::1]:${port}` });
    try {
      assert.strictEqual((await offer(hive, 'hf:org/six')).status, 200);
    } finally {
      await hive.stop();
      six.closeAllConnections();
      six.close();
    }
    return undefined;
  });

  test('nobody there: said with the hub\'s name', async () => {
    const gone = net.createServer();
    const port = await listen(gone, '127.0.0.1');
    await new Promise((resolve) => gone.close(resolve));
    const hive = await startWith({ HF_ENDPOINT: `http://127.0.0.1:${port}` });
    const { json } = await offer(hive, 'hf:org/x');
    await hive.stop();
    assert.strictEqual(json.error.code, 'DOWNLOAD_FAILED');
    assert.match(json.error.message, new RegExp(`127\\.0\\.0\\.1:${port}`));
  });
});
