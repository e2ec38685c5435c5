'use strict';
/*
 * fakeworker.js - a program that a hive takes for llm-worker-rbee and that answers what a test wants.
 *
 * What the last message (or the prompt) holds as JSON is what it does: { events: [...] } sends these
 * events and [DONE]; with `cut` it breaks off behind them, with `hang` it says nothing more, with `flood`
 * (a number) so many texts of 1,000 bytes, or events like `piece`, follow, as fast as they are read (those to come: the file left); with `status` and `body` it refuses. Each
 * request that holds "die at once" kills it before a word, one with "die once" if no other one has; how often is
 * in the file deaths; with `die` it is killed behind the events. Each
 * request is noted in the file asked.jsonl beside the program. While there is a file `hold` it loads,
 * at layer 12 of 23, or that of the file layers; while there is one `ponder` its look into a model's file does not end
 * (each is a pair of parentheses in the file looks). A file needs: how many bytes a worker takes. Once there is a file `leave` it takes it away, refuses what it
 * is asked, as a worker that is ending does, and ends once nothing runs. A file `places` holds how many requests it
 * takes at a time; past them it is full. While there is one `deaf` it reads no request further than its head. With `slow` the end of an answer comes after so many ms. With
 * `touch` (a path) it looks at that file, in a thread of its own. With
 * `comments` (a number): so many lines of comment, which keep a stream alive, before its first event and once more behind its events. With
 * `until` (a name) the flood, the break or the end comes once there is a file of that name; `last` are events that come then.
 * While there is a file `endless` /v1/tokenize is answered with so many MiB of an array, and no end; `begun` has a letter for each.
 * Told to end it does so at once; where there is a file `linger`, and it answers, it makes one `told` and goes on to the end of that. The file peak: the
 * most that ran at once. The board's fields lie as src/api/board.h has them.
 */
const fs = require('node:fs');
const path = require('node:path');

const PROGRAM = String.raw`
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const beside = (name) => path.join(__dirname, name);

if (process.argv[2] === 'inspect') {
  fs.appendFileSync(beside('looks'), '(');
  const look = () => {
    if (fs.existsSync(beside('ponder'))) return setTimeout(look, 5);
    fs.appendFileSync(beside('looks'), ')');
    console.log(JSON.stringify({ supported: true, architecture: 'llama', context_length: 4096, parts: 1, scratch_bytes: fs.existsSync(beside('needs')) ? Number(fs.readFileSync(beside('needs'))) : 0 }));
    process.exit(0);
  };
  look();
  return;
}

const u32 = (at, v) => { const b = Buffer.alloc(4); b.writeUInt32LE(v); fs.writeSync(5, b, 0, 4, at); };
const active = () => {
  const b = Buffer.alloc(8);
  b.writeBigInt64LE(process.hrtime.bigint() / 1000000n);
  fs.writeSync(5, b, 0, 8, 40);
};
const [STATE, SLOTS, BUSY, LAYERS, LAYERS_ALL, CTX] = [8, 12, 16, 64, 68, 72];

u32(SLOTS, 4); u32(LAYERS, fs.existsSync(beside('layers')) ? Number(fs.readFileSync(beside('layers'))) : 12); u32(LAYERS_ALL, 23); u32(CTX, Number(process.argv[process.argv.indexOf('--ctx') + 1]) || 4096); u32(STATE, 1);
active();
const load = () => {
  if (fs.existsSync(beside('hold'))) return setTimeout(load, 5);
  active();
  u32(STATE, 2);
};
load();

const begin = (response, left) => {
  const piece = Buffer.alloc(1 << 20, '1,');
  const more = () => {
    while (left-- > 0) if (!response.write(piece)) return void response.once('drain', more);
    fs.appendFileSync(beside('begun'), 'x');
  };
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.write('{"tokens":[');
  more();
};

const own = process.argv[process.argv.indexOf('--worker-id') + 1];
let busy = 0, peak = 0, leaving = false;
function leave(response) {
  fs.rmSync(beside('leave'));
  leaving = true;
  u32(STATE, 3);
  response.on('close', () => { if (!busy) process.exit(0); });
  refuse(response, { message: 'This worker is ending', details: { draining: true } });
}
function refuse(response, error) {
  response.writeHead(503, { 'Content-Type': 'application/json', Connection: 'close' });
  response.end(JSON.stringify({ error: { code: 'ALL_SLOTS_BUSY', ...error } }));
}
function places() {
  try { return Number(fs.readFileSync(beside('places'), 'utf8')); } catch { return Infinity; }
}
function answer(asked, response) {
  if (fs.existsSync(beside('leave'))) { leave(response); return; }
  if (busy >= places()) { refuse(response, { message: 'All places are taken' }); return; }
  const last = asked.messages ? asked.messages.at(-1).content : asked.prompt;
  let todo = { events: [{ type: 'token', t: 'hello', i: 0 }] };
  try {
    const told = JSON.parse(last);
    if (told.events || told.status || told.flood) todo = { events: [], ...told };
  } catch { /* not for us */ }
  if (todo.status) {
    response.writeHead(todo.status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(todo.body));
    return;
  }
  u32(BUSY, ++busy);
  if (busy > peak) fs.writeFileSync(beside('peak'), String(peak = busy));
  let over = false;
  const free = () => {
    if (over) return;
    over = true;
    u32(BUSY, --busy);
    active();
  };
  response.on('close', () => { free(); if (leaving && !busy) process.exit(0); });
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  const send = (e) => response.write('data: ' + JSON.stringify(e) + '\n\n');
  const comment = () => { for (let i = 0; i < (todo.comments || 0); i++) response.write(': ' + i + '\n\n'); };
  comment();
  send({ type: 'started', job_id: 'j', model: 'm', started_at: '2026-01-01T00:00:00.000Z', seed: 1 });
  for (const e of todo.events) send(e);
  comment();
  const when = (go) => (todo.until && !fs.existsSync(beside(todo.until)) ? setTimeout(when, 5, go) : go());
  if (todo.flood) {
    const piece = 'data: ' + JSON.stringify(todo.piece || { type: 'token', t: '~'.repeat(1000), i: 0 }) + '\n\n';
    let left = todo.flood;
    const more = () => {
      while (left > 0 && !response.destroyed) {
        left--;
        if (!response.write(piece)) { response.once('drain', more); break; }
      }
      fs.writeFileSync(beside('left'), String(left));
      if (left === 0 && !response.writableEnded) { send({ type: 'end', tokens_out: todo.flood, stop_reason: 'EOS' }); response.end('data: [DONE]\n\n'); }
    };
    when(more);
    return;
  }
  if (todo.touch) fs.stat(todo.touch, () => {});
  if (todo.hang) return;
  if (todo.die) { setTimeout(() => process.kill(process.pid, 'SIGKILL'), 20); return; }
  if (todo.cut) { when(() => setTimeout(() => response.destroy(), 20)); return; }
  const end = () => {
    for (const e of todo.last || []) send(e);
    if (![...todo.events, ...(todo.last || [])].some((e) => e.type === 'end' || e.type === 'error')) {
      send({ type: 'end', tokens_out: 2, decode_time_ms: 7, stop_reason: 'EOS', prompt_tokens: 11,
        cached_tokens: 4, prefill_time_ms: 5, queue_time_ms: 0,
        ...(todo.events.some((e) => e.type === 'tool_call') ? { tool_calls: 1 } : {}), ...todo.end });
    }
    free();
    response.end('data: [DONE]\n\n');
  };
  when(() => (todo.slow ? setTimeout(end, todo.slow) : end()));
}

const whole = {
  '/v1/render': { prompt: 'x', tokens: 42 },
  '/v1/tokenize': { tokens: [1, 2, 3] },
  '/v1/detokenize': { content: 'abc' },
  '/v1/embeddings': { model: 'm', embeddings: [[0.5, -1.25, 2], [1, 0, 0]], prompt_tokens: 6, dimensions: 3 },
};
http.createServer((request, response) => {
  if (request.method === 'POST' && fs.existsSync(beside('deaf'))) { fs.appendFileSync(beside('deaf'), '.'); return; }
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    const text = Buffer.concat(pieces).toString();
    if (request.headers['x-rbee-worker'] !== own) { response.writeHead(421); response.end(); return; } // the hive says whom it means
    if (request.url === '/v1/admin/shutdown') {
      response.end('{}');
      if (!busy || !fs.existsSync(beside('linger'))) process.exit(0);
      leaving = true;
      fs.writeFileSync(beside('told'), '');
      return;
    }
    if (request.method === 'GET') { response.end('{}'); return; }
    if (text.includes('die at once') || (text.includes('die once') && !fs.existsSync(beside('deaths')))) {
      fs.appendFileSync(beside('deaths'), 'x');
      process.kill(process.pid, 'SIGKILL');
    }
    fs.writeFileSync(beside('request'), request.headers['x-rbee-request'] || '');
    const asked = JSON.parse(text);
    fs.appendFileSync(beside('asked.jsonl'), JSON.stringify({ url: request.url, ...asked }) + '\n');
    if (request.url === '/v1/embeddings' && asked.encoding_format === 'base64') {
      const embeddings = whole[request.url].embeddings.map((v) => Buffer.from(Float32Array.from(v).buffer).toString('base64'));
      response.end(JSON.stringify({ ...whole[request.url], embeddings }));
      return;
    }
    if (request.url === '/v1/tokenize' && fs.existsSync(beside('endless'))) { begin(response, Number(fs.readFileSync(beside('endless')))); return; }
    if (whole[request.url] && fs.existsSync(beside('leave'))) { leave(response); return; }
    if (whole[request.url]) { response.end(JSON.stringify(whole[request.url])); return; }
    answer(asked, response);
  });
}).listen({ fd: 3 });
new net.Socket({ fd: 4, writable: false }).on('close', () => process.exit(0)).resume(); // the lease
`;

/* Puts the program into a folder; { program, deaths(), revive(), asked(), looks(), ponder(), decide(), hold(), release() }. */
function makeFakeWorker(folder) {
  const program = path.join(folder, 'fake-worker.js');
  const hold = path.join(folder, 'hold');
  const looks = path.join(folder, 'looks');
  const ponder = path.join(folder, 'ponder');
  const deaths = path.join(folder, 'deaths');
  fs.writeFileSync(program, `#!${process.execPath}\n'use strict';${PROGRAM}`, { mode: 0o755 });
  return {
    program,
    /* How many died of "die at once" and "die once". */
    deaths: () => (fs.existsSync(deaths) ? fs.statSync(deaths).size : 0),
    revive: () => fs.rmSync(deaths, { force: true }),
    /* The requests that it got so far. */
    asked: () => fs.readFileSync(path.join(folder, 'asked.jsonl'), 'utf8').trim().split('\n').map(JSON.parse),
    request: () => fs.readFileSync(path.join(folder, 'request'), 'utf8'), // the id of the last one, as the hive told it
    looks: () => (fs.existsSync(looks) ? fs.readFileSync(looks, 'utf8') : ''),
    ponder: () => fs.writeFileSync(ponder, ''),
    decide: () => fs.rmSync(ponder, { force: true }),
    hold: () => fs.writeFileSync(hold, ''),
    release: () => fs.rmSync(hold, { force: true }),
    leave: () => fs.writeFileSync(path.join(folder, 'leave'), ''),
    deaf: () => fs.writeFileSync(path.join(folder, 'deaf'), ''),
    heard: () => fs.statSync(path.join(folder, 'deaf')).size, // heads, while it is deaf
    listen: () => fs.rmSync(path.join(folder, 'deaf')),
    places: (n) => fs.writeFileSync(path.join(folder, 'places'), String(n)),
    hush: (name) => fs.rmSync(path.join(folder, name), { force: true }), // not yet
    say: (name) => fs.writeFileSync(path.join(folder, name), ''), // what an `until` waits for
    layers: (n) => fs.writeFileSync(path.join(folder, 'layers'), String(n)),
    needs: (bytes) => fs.writeFileSync(path.join(folder, 'needs'), String(bytes)),
    left: () => (fs.existsSync(path.join(folder, 'left')) ? fs.readFileSync(path.join(folder, 'left'), 'utf8') : ''), // of a flood
    peak: () => Number(fs.readFileSync(path.join(folder, 'peak'), 'utf8')),
  };
}

module.exports = { makeFakeWorker };
