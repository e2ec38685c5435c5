'use strict';
/*
 * fakehive.js - a hive and its worker in one server, that misbehave as told.
 *
 * By default both behave: health, an empty list, a spawn, a ready worker, three tokens. A test
 * replaces single routes with `on('GET /v1/health', (req, res, body) => ...)`; a path's last part
 * may be '*'. Every request is kept in `calls`.
 */
const http = require('node:http');

const VERSION = '0.1.0';
const WORKER_ID = 'worker-11111111-2222-4333-8444-555555555555';

function json(res, status, value, headers = {}) {
  res.writeHead(status, { 'content-type': 'application/json', ...headers });
  res.end(JSON.stringify(value));
}

/* An error body as the contract has it. */
function error(res, status, code, message, details = {}, headers = {}) {
  json(res, status, { error: { code, message, details, request_id: 'req-1', src: 'hive' } }, headers);
}

function sseHead(res) {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  res.flushHeaders();
}

function event(value) {
  return `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
}

/* A whole stream: head, events, [DONE]. */
function sse(res, events) {
  sseHead(res);
  for (const e of events) res.write(event(e));
  res.end(event('[DONE]'));
}

function started(body) {
  return { type: 'started', job_id: body.job_id, model: 'tiny', started_at: '2026-01-01T00:00:00.000Z', seed: 7 };
}

function token(t, i) {
  return { type: 'token', t, i };
}

function end(tokens, reason = 'MAX_TOKENS') {
  return { type: 'end', tokens_out: tokens, decode_time_ms: 100, stop_reason: reason, prompt_tokens: 5, prefill_time_ms: 3 };
}

class FakeHive {
  constructor() {
    this.calls = [];
    this.routes = new Map();
    this.server = http.createServer((req, res) => this.#take(req, res));
    this.server.keepAliveTimeout = 1000;
    this.#behave();
  }

  static async start() {
    const fake = new FakeHive();
    await new Promise((resolve) => fake.server.listen(0, '127.0.0.1', resolve));
    fake.port = fake.server.address().port;
    fake.node = `127.0.0.1:${fake.port}`;
    fake.url = `http://${fake.node}`;
    return fake;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  on(route, handler) {
    this.routes.set(route, handler);
    return this;
  }

  /* Requests of one route, as { method, path, query, body, headers }. */
  of(method, prefix) {
    return this.calls.filter((c) => c.method === method && c.path.startsWith(prefix));
  }

  names() {
    return this.calls.map((c) => `${c.method} ${c.path}`);
  }

  worker(more = {}) {
    return {
      worker_id: WORKER_ID, url: this.url, pid: 1, state: 'idle', model_ref: 'tiny', backend: 'cpu',
      device: 0, slots_total: 4, slots_busy: 0, queued: 0, n_ctx: 2048,
      started_at: '2026-01-01T00:00:00.000Z', last_activity_ms_ago: 1500, tokens_out: 0, ...more,
    };
  }

  #behave() {
    this.on('GET /v1/health', (req, res) => json(res, 200, { status: 'alive', version: VERSION, api_version: 'v1' }));
    this.on('GET /v1/workers/list', (req, res) => json(res, 200, { workers: [] }));
    this.on('POST /v1/workers/spawn', (req, res) =>
      json(res, 200, { worker_id: WORKER_ID, url: this.url, state: 'loading' }));
    this.on('GET /v1/ready', (req, res) => json(res, 200, { worker_id: WORKER_ID, ready: true, state: 'idle', model_loaded: true }));
    this.on(`GET /v1/workers/${WORKER_ID}`, (req, res) => json(res, 200, this.worker()));
    this.on('POST /v1/inference', (req, res, body) =>
      sse(res, [started(body), token('Once', 0), token(' upon', 1), token(' a time', 2), end(3)]));
    this.on('DELETE /v1/inference/*', (req, res) => { res.writeHead(204); res.end(); });
  }

  #find(method, path) {
    return this.routes.get(`${method} ${path}`) ||
      this.routes.get(`${method} ${path.replace(/\/[^/]*$/, '/*')}`);
  }

  #take(req, res) {
    const url = new URL(req.url, this.url);
    let text = '';
    res.on('error', () => {});
    req.setEncoding('utf8');
    req.on('data', (data) => { text += data; });
    req.on('end', () => {
      const isBytes = req.headers['content-type'] === 'application/octet-stream'; // a piece of a model
      const body = text && !isBytes ? JSON.parse(text) : undefined;
      const call = { method: req.method, path: url.pathname, query: url.searchParams, body, headers: req.headers };
      this.calls.push(call);
      const handler = this.#find(req.method, url.pathname);
      if (handler) handler(req, res, body);
      else error(res, 404, 'NOT_FOUND', `There is nothing at ${url.pathname}.`);
    });
  }
}

module.exports = { FakeHive, VERSION, WORKER_ID, json, error, sse, sseHead, event, started, token, end };
