'use strict';
/*
 * malformed.test.js - requests that no strict server may take, as raw bytes: made by a generator with a
 * seed from sound ones, each with one fault put in. Each ends with a refusal of the HTTP layer's own or a
 * close; none reaches a route (the target exists: it would answer 200, or 405), none is answered twice. The
 * hive lives on, with as much memory and as many descriptors as before.
 *
 * MALFORMED=10000 makes more of them, SEED=n others.
 */
const { test, before, after } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');

const { startHive, get } = require('./lib/hive.js');

const sanitized = /asan|tsan/.test(process.env.RBEE_BUILD || '');
const N = Number(process.env.MALFORMED || (sanitized ? 2000 : 10000)), SEED = Number(process.env.SEED || 20240607);
const AT_ONCE = 32, WARM = 400;
const GROWTH_MAX_KIB = 8 << 10;
/* What the HTTP layer refuses with; 403 is the Host check's, in front of all routes. */
const REFUSALS = new Set([400, 403, 408, 411, 413, 414, 415, 417, 431, 501, 505]);

/* mulberry32: the same numbers for the same seed everywhere. */
function makeRandom(seed) {
  let a = seed >>> 0;
  return (n) => {
    a = (a + 0x6D2B79F5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

const HOST = 'Host: 127.0.0.1';
const LINE = 'GET /v1/health HTTP/1.1';
const NEXT = `${LINE}\r\n${HOST}\r\n\r\n`;
const get1 = (...headers) => [LINE, HOST, ...headers].join('\r\n') + '\r\n\r\n';
const post1 = (body, ...headers) => ['POST /v1/health HTTP/1.1', HOST, ...headers].join('\r\n') + `\r\n\r\n${body}`;
const chunked = (body) => post1(body, 'Transfer-Encoding: chunked');
const target = (t) => `GET ${t} HTTP/1.1\r\n${HOST}\r\n\r\n`;
const latin = (...codes) => String.fromCharCode(...codes);

/* Each: (any, pick, number) => the bytes, as latin-1. */
const FAULTS = {
  'two lengths': ({ n }) => post1('abcde' + NEXT, `Content-Length: ${n(5)}`, `Content-Length: ${5 + n(9)}`),
  'a length twice': ({ n }) => { const l = n(6); return post1('abcde' + NEXT, `Content-Length: ${l}`, `Content-Length: ${l}`); },
  'a list of lengths': ({ n }) => post1('abcde' + NEXT, `Content-Length: 5, ${n(9)}`),
  'length and coding': ({ n, pick }) => {
    const both = [`Content-Length: ${n(60)}`, `Transfer-Encoding: ${pick('chunked', 'Chunked', 'identity')}`];
    return post1('0\r\n\r\n' + NEXT, ...(n(2) ? both : both.reverse()));
  },
  'no number as length': ({ pick }) => post1('abcde' + NEXT, 'Content-Length: ' + pick('+5', '-1', '0x5', '', 'five', '5 5', '5;', '1e1', '5.0',
    '18446744073709551616', '18446744073709551621', '99999999999999999999999999', '\x0b5', '5\x0c')),
  'a huge length': ({ pick }) => post1('', 'Content-Length: ' + pick('18446744073709551615', '9223372036854775807', '4294967296', '999999999999')),
  'an unknown coding': ({ pick }) => post1('0\r\n\r\n' + NEXT, 'Transfer-Encoding: ' + pick('gzip', 'chunked, gzip', 'gzip, chunked', 'identity', 'xchunked',
    'chunked;q=1', 'chunked, chunked', '\x0bchunked', 'chunked\x00', '"chunked"', '')),
  'two codings': ({ pick }) => post1('0\r\n\r\n' + NEXT, 'Transfer-Encoding: chunked', 'Transfer-Encoding: ' + pick('chunked', 'identity', 'x')),
  'coding in 1.0': () => `POST /v1/health HTTP/1.0\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${NEXT}`,
  'a bare LF': ({ n }) => { const lines = [LINE, HOST, 'A: b']; const at = n(3); return lines.map((l, i) => l + (i === at ? '\n' : '\r\n')).join('') + '\r\n'; },
  'all bare LF': () => `${LINE}\n${HOST}\n\n`,
  'LF at the end': () => `${LINE}\r\n${HOST}\r\n\n` + NEXT,
  'a bare CR': ({ pick }) => get1(pick('A: b\rc', 'A: b\r', 'A: b\r\rX: y', '\rA: b', 'A\r: b')),
  'a NUL': ({ pick }) => pick(get1('A: b\0c'), get1('A\0: b'), target('/v1/health\0'), target('/v1/health%00'), `GE\0T /v1/health HTTP/1.1\r\n${HOST}\r\n\r\n`),
  'a control byte': ({ n }) => { let c = 1 + n(31); if ([9, 10, 13].includes(c)) c = 127; return get1(`A: b${latin(c)}c`); },
  'no Host': ({ n }) => `${LINE}\r\n${n(2) ? 'A: b\r\n' : ''}\r\n`,
  'two Hosts': ({ pick }) => get1(pick(HOST, 'host: 127.0.0.1', 'Host: evil.example', 'HOST:')),
  'a broken Host': ({ pick }) => `${LINE}\r\nHost: ${pick('a b', 'a/b', 'user@127.0.0.1', '127.0.0.1, 127.0.0.1', '127.0.0.1:x', '127.0.0.1:99999', '[::1', '<a>', 'evil.example')}\r\n\r\n`,
  'a fold': ({ n, pick }) => get1(`A: b\r\n${pick(' ', '\t', '  ')}${pick('c', 'Content-Length: 5', 'Transfer-Encoding: chunked')}`, ...(n(2) ? ['X: y'] : [])),
  'a fold at once': ({ pick }) => `${LINE}\r\n${pick(' ', '\t')}A: b\r\n${HOST}\r\n\r\n`,
  'a blank before the colon': ({ pick }) => get1(`${pick('A', 'Content-Length', 'Transfer-Encoding')}${pick(' ', '\t')}: ${pick('0', 'chunked')}`),
  'no name': ({ pick }) => get1(pick(': b', ' : b', ':', '::')),
  'no colon': ({ pick }) => get1(pick('A', 'Content-Length', 'A b')),
  'a name that is no token': ({ pick, n }) => get1(`A${pick('(', ')', '<', '@', ',', ';', '\\', '"', '/', '[', ']', '?', '=', '{', latin(128 + n(128)))}B: c`),
  'a broken chunk size': ({ pick }) => chunked(pick('g', '-1', '0x5', ' 5', '5 ', '', '+5', '5\x0b', '1ffffffffffffffff', 'ffffffffffffffff', '5_0', '5\t') + '\r\nabcde\r\n0\r\n\r\n' + NEXT),
  'a huge chunk': ({ pick }) => chunked(pick('7fffffffffffffff', 'ffffffff', '40000000') + '\r\n'),
  'a chunk with a bare LF': ({ pick }) => chunked(pick('5\nabcde\r\n0\r\n\r\n', '5\r\nabcde\n0\r\n\r\n', '5\r\nabcde\r\n0\n\r\n', '5;a\nabcde\r\n0\r\n\r\n', '5;\nx\r\n0\r\n\r\n') + NEXT),
  'a chunk that is longer': ({ pick }) => chunked(pick('4\r\nabcde\r\n0\r\n\r\n', '5\r\nabcdeX0\r\n\r\n', '5\r\nabcde0\r\n\r\n') + NEXT),
  'trailers': ({ pick }) => chunked(`0\r\n${pick('A: b', 'Content-Length: 5', HOST)}\r\n\r\n` + NEXT),
  'no path': ({ pick }) => target(pick('v1/health', '*', '../v1/health', '?a=b', '#', ':80', '127.0.0.1:80', '\\v1\\health')),
  'no target, of any method': ({ pick }) => `${pick('CONNECT', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'PROPFIND', 'PURGE', 'SOURCE')} ${pick('', ' ', '\t')}HTTP/1.1\r\n${HOST}\r\n\r\n`,
  'CONNECT': ({ pick }) => `CONNECT ${pick('127.0.0.1:80', '[::1]:80', 'x', '*', ':')} HTTP/1.1\r\n${HOST}\r\n\r\n${NEXT}`,
  'a broken escape': ({ pick }) => target('/v1/health' + pick('%', '%2', '%zz', '%g0', '%0', '?a=%', '?a=%1x')),
  'no ASCII in the target': ({ n }) => target(`/v1/health${latin(128 + n(128))}${latin(128 + n(128))}`),
  "another's absolute target": ({ pick }) => target(pick('http://evil.example/v1/health', 'http://127.0.0.1@evil.example/', 'http://', 'http:///v1/health', 'ftp://127.0.0.1/v1/health', 'file:///etc/passwd', 'http://127.0.0.1:1/v1/health')),
  'a broken version': ({ pick }) => `GET /v1/health ${pick('HTTP/1.2', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.', 'http/1.1', 'HTTP/1.10', 'HTTP/01.1', 'HTTP/1', 'HTTP /1.1', 'HTP/1.1', 'HTTP/1,1', 'HTTP/1.1x', '')}\r\n${HOST}\r\n\r\n`,
  'no version': () => `GET /v1/health\r\n${HOST}\r\n\r\n`,
  'blanks in the line': ({ pick }) => pick('GET  /v1/health HTTP/1.1', 'GET /v1/health  HTTP/1.1', ' GET /v1/health HTTP/1.1', 'GET\t/v1/health HTTP/1.1', 'GET /v1/health\tHTTP/1.1', 'GET /v1/health HTTP/1.1 ', 'GET /v1/he alth HTTP/1.1') + `\r\n${HOST}\r\n\r\n`,
  'empty lines in front': ({ n }) => '\r\n'.repeat(2 + n(5)) + NEXT,
  'a broken method': ({ pick, n }) => `${pick('get', 'G@T', 'GET\x01', '', 'G'.repeat(40 + n(1000)), 'GET,', latin(200) + 'ET')} /v1/health HTTP/1.1\r\n${HOST}\r\n\r\n`,
  'too long a head': ({ pick, n }) => { const l = (32 << 10) + n(40000); return pick(get1('A: ' + 'a'.repeat(l)), target('/' + 'a'.repeat(l)), get1('a'.repeat(l) + ': b')); },
  'too many headers': ({ n }) => get1(...Array.from({ length: 100 + n(400) }, (_, i) => `A${i}: b`)),
  'what must stand once': ({ pick }) => { const h = pick('Authorization: Bearer x', 'Origin: http://a', 'Content-Type: text/plain', 'Expect: 100-continue'); return get1(h, h); },
  'noise': ({ n }) => latin(...Array.from({ length: 1 + n(600) }, (_, i) => (i === 0 ? 128 + n(128) : n(256)))),
  'a TLS hello': ({ n }) => latin(0x16, 3, n(4), 2, 0, 1, 0, 1, 0xfc, 3, 3, ...Array.from({ length: 508 }, () => n(256))),
  'the preface of HTTP/2': () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + latin(0, 0, 0, 4, 0, 0, 0, 0, 0),
  'another protocol': ({ pick }) => pick('EHLO mail.example\r\n', 'SSH-2.0-OpenSSH_9.6\r\n', '*1\r\n$4\r\nPING\r\n', 'USER anonymous\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', '{"jsonrpc":"2.0"}\n'),
};

/* All that comes back; what is sent is sent in one or two pieces, and then the sending side is shut. */
function exchange(port, bytes, cut) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    let heard = '';
    socket.setEncoding('latin1');
    socket.on('data', (piece) => { heard += piece; });
    socket.on('error', (error) => { if (!['ECONNRESET', 'EPIPE'].includes(error.code)) reject(error); });
    socket.on('close', () => resolve(heard));
    socket.setTimeout(15000, () => { reject(new Error(`neither an answer nor a close: ${JSON.stringify(bytes.slice(0, 200))}`)); socket.destroy(); });
    socket.write(bytes.slice(0, cut), 'latin1');
    setImmediate(() => socket.end(bytes.slice(cut), 'latin1'));
  });
}

const statusesOf = (heard) => [...heard.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((m) => Number(m[1]));
const rssKiB = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
const fdsOf = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;

let hive, port;
before(async () => { hive = await startHive(); port = Number(new URL(hive.url).port); });
after(() => hive && hive.stop());

test('sound requests sent the same way are answered: what follows can fail', async () => {
  assert.deepStrictEqual(statusesOf(await exchange(port, get1(), 9)), [200]);
  assert.deepStrictEqual(statusesOf(await exchange(port, post1('abcde', 'Content-Length: 5', 'Connection: close'), 9)), [405]);
  assert.deepStrictEqual(statusesOf(await exchange(port, chunked('5\r\nabcde\r\n0\r\n\r\n'), 9)), [405]);
  assert.deepStrictEqual(statusesOf(await exchange(port, NEXT + NEXT, 9)), [200, 200]);
});

test(`${N} malformed requests: refused or closed, none taken`, async () => {
  const n = makeRandom(SEED), names = Object.keys(FAULTS), ends = {};
  const pick = (...all) => all[n(all.length)];
  let made = 0, memory, descriptors;

  async function client() {
    while (made < N) {
      const name = names[made++ % names.length], bytes = FAULTS[name]({ n, pick });
      const statuses = statusesOf(await exchange(port, bytes, n(3) ? bytes.length : n(bytes.length)));
      const what = () => `${name} (SEED=${SEED}): ${statuses} for ${JSON.stringify(bytes.slice(0, 300))}`;
      assert.ok(statuses.length <= 1, `answered more than once: ${what()}`);
      if (statuses.length) assert.ok(REFUSALS.has(statuses[0]), `taken: ${what()}`);
      ends[statuses[0] || 'closed'] = (ends[statuses[0] || 'closed'] || 0) + 1;
      if (made >= WARM && !memory) memory = rssKiB(hive.pid);
    }
  }
  descriptors = fdsOf(hive.pid);
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  assert.strictEqual(Object.values(ends).reduce((a, b) => a + b), N);
  assert.ok(ends[400] > N / 2, JSON.stringify(ends)); // most are told why
  assert.strictEqual((await get(hive, '/v1/health')).status, 200);
  const end = Date.now() + 10000; // connections linger for those who still read
  while (fdsOf(hive.pid) > descriptors && Date.now() < end) await new Promise((r) => setTimeout(r, 20));
  assert.ok(fdsOf(hive.pid) <= descriptors, `${fdsOf(hive.pid)} descriptors, ${descriptors} before`);
  const growth = rssKiB(hive.pid) - memory;
  // a sanitizer keeps what was freed
  assert.ok(sanitized || growth < GROWTH_MAX_KIB, `the hive grew by ${growth} KiB`);
  console.log(`malformed: ${N}, seed ${SEED}: ${JSON.stringify(ends)}, ${growth} KiB more memory`);
});
