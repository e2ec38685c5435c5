'use strict';
/*
 * sse.js - an HTTP client for tests over node:http: whole answers, and streams of server-sent events
 * with the time each event came. It reads the text/event-stream by the rules of the WHATWG, on its
 * own, so that it can judge what our server writes.
 */
const http = require('node:http');

function open(url, { method = 'GET', body, headers = {} } = {}) {
  const text = body === undefined || typeof body === 'string' || Buffer.isBuffer(body)
    ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const request = http.request(url, {
      method,
      agent: false,
      headers: text === undefined ? headers
        : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text), ...headers },
    });
    request.on('response', (response) => resolve({ request, response }));
    request.on('error', reject);
    request.end(text);
  });
}

/* A whole answer: { status, headers, text, json }; json is null when the text is none. */
async function ask(url, options) {
  const { response } = await open(url, options);
  const pieces = [];
  for await (const piece of response) pieces.push(piece);
  const text = Buffer.concat(pieces).toString();
  let json = null;
  try { json = JSON.parse(text); } catch { /* not JSON */ }
  return { status: response.statusCode, headers: response.headers, text, json };
}

class Stream {
  constructor(request, response) {
    this.request = request;
    this.response = response;
    this.status = response.statusCode;
    this.headers = response.headers;
    this.events = []; // { at, data, json }: json undefined for [DONE]
    this.comments = [];
    this.done = false; // [DONE] came
    this.over = false; // the response ended
    this.broken = null; // an error instead
    this.raw = '';
    this.waiting = [];
    let rest = '';
    const utf8 = new TextDecoder('utf-8', { fatal: true }); // a half character would be a broken stream
    response.on('data', (bytes) => {
      let piece;
      try {
        piece = utf8.decode(bytes, { stream: true });
      } catch (error) {
        response.destroy(error);
        return;
      }
      this.raw += piece;
      rest += piece;
      const blocks = rest.split('\n\n');
      rest = blocks.pop();
      for (const block of blocks) this.#take(block);
      this.#wake();
    });
    response.on('error', (error) => { this.broken = error; this.#wake(); });
    response.on('close', () => { this.over = true; this.#wake(); });
  }

  #take(block) {
    const data = [];
    for (const line of block.split('\n')) {
      if (line.startsWith(':')) this.comments.push(line.slice(1));
      else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
    }
    if (!data.length) return;
    const text = data.join('\n');
    if (text === '[DONE]') this.done = true;
    this.events.push({ at: performance.now(), data: text, json: text === '[DONE]' ? undefined : JSON.parse(text) });
  }

  #wake() {
    for (const wake of this.waiting.splice(0)) wake();
  }

  /* The first event that `test` (of its JSON) accepts, waiting for it. */
  async find(test) {
    for (;;) {
      const event = this.events.find((e) => e.json && test(e.json));
      if (event) return event.json;
      if (this.over) throw new Error(`the stream ended without it:\n${this.raw}`);
      await new Promise((resolve) => this.waiting.push(resolve));
    }
  }

  /* Waits for the end of the response; all events' JSON. */
  async all() {
    while (!this.over) await new Promise((resolve) => this.waiting.push(resolve));
    return this.events.filter((e) => e.json).map((e) => e.json);
  }

  /* The client goes away. */
  leave() {
    this.request.destroy();
  }
}

/* A stream of events; an answer that is none is a failure here. */
async function stream(url, options) {
  const { request, response } = await open(url, options);
  const s = new Stream(request, response);
  if (s.status !== 200 || !/^text\/event-stream/.test(s.headers['content-type'] || '')) {
    await s.all();
    throw new Error(`no stream but ${s.status}: ${s.raw}`);
  }
  return s;
}

const textOf = (events) => events.filter((e) => e.type === 'token').map((e) => e.t).join('');

module.exports = { open, ask, stream, textOf };
