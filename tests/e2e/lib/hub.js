'use strict';
/*
 * hub.js - a model hub on loopback, with the true one's API, headers and habits, that misbehaves as
 * told.
 *
 * Two servers, as in life: the hub (API, redirects that carry size and digest) and, on another port,
 * the CDN that sends the bytes with neither ETag nor Last-Modified. `cdn.plan` and `api.plan` hold
 * what the next requests meet, one entry a request; without an entry all is well:
 *
 *   { status, headers }   an answer without the file (503, 403 ...)
 *   { reset: n }          the connection is reset after n bytes
 *   { short: n }          it is closed in order after n bytes, though more were announced
 *   { ignoreRange: true } all of it, with 200, whatever was asked
 *   { shift: n }          206, but of another range
 *   { corrupt: true }     a wrong byte in it
 *   { stall: n }          n bytes, then silence
 *   { pace: n }           n bytes every 10 ms; with { quick: m } after m bytes without a pause
 *   { until: f }          half of it, and the rest once f() is true (after 20 s it goes on all the same)
 *   { extra: n }          n bytes too many
 *   { etag, lastModified } the answer carries them (the true CDN sends neither)
 *   { noSize: true }      no Content-Length: the end of the connection is the end of the file; with { short } a whole answer that is too short
 *   { hops: n }           n redirects before the file, each to the same store
 *   { location: url }     a redirect to there
 *   { unsatisfiable: true } 416, whatever was asked
 *
 * In `api.plan`, { until: promise } answers once that is kept.
 *
 * `cdn.faults(request, file)`, when it is a function, decides instead of the plan. `cdn.sent` counts
 * the bytes of each "org/repo/file" that were handed to a socket, `cdn.openMost` the most answers at once:
 * those that are not over and whose client has not closed its connection, as the kernel says (Node hears
 * of that later, maybe after the client's next request).
 */
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');

const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');
const sha1 = (text) => crypto.createHash('sha1').update(text).digest('hex');
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const drained = (res) => new Promise((resolve) => {
  const go = () => resolve(res.off('drain', go).off('close', go));
  res.on('drain', go).on('close', go);
});

const hex = (n) => n.toString(16).toUpperCase().padStart(4, '0');

/* Has all that was written to the socket been read at its other end, which is on this machine too? */
function isTaken(socket) {
  if (socket.destroyed || !socket.remotePort) return true; // nobody is there
  if (socket.writableLength) return false;
  const ends = [socket.localPort, socket.remotePort].map(hex);
  for (const [, from, to, unsent, unread] of fs.readFileSync('/proc/net/tcp', 'utf8')
    .matchAll(/^ *\d+: [0-9A-F]{8}:([0-9A-F]{4}) [0-9A-F]{8}:([0-9A-F]{4}) .. ([0-9A-F]{8}):([0-9A-F]{8}) /gm)) {
    if (from === ends[0] && to === ends[1] && Number(`0x${unsent}`)) return false;
    if (from === ends[1] && to === ends[0] && Number(`0x${unread}`)) return false;
  }
  return true;
}

/* How many of a port's connections stand, both sides open; proc(5): state 01, ports in hex. One that has
 * been handed its next request already counts once. */
function nStanding(port, remotePorts) {
  const standing = new Set([...fs.readFileSync('/proc/net/tcp', 'utf8')
    .matchAll(/^ *\d+: [0-9A-F]{8}:([0-9A-F]{4}) [0-9A-F]{8}:([0-9A-F]{4}) 01 /gm)]
    .filter(([, local]) => local === hex(port)).map(([, , remote]) => remote));
  return [...new Set(remotePorts)].filter((p) => standing.has(hex(p))).length;
}

function listen(handler) {
  const server = http.createServer((req, res) => {
    req.resume();
    res.on('error', () => {});
    handler(req, res);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

class Hub {
  static async start({ token = null } = {}) {
    const hub = new Hub();
    hub.token = token;
    hub.repos = new Map();
    hub.api = { plan: [], calls: [] };
    hub.cdn = { plan: [], calls: [], sent: new Map(), faults: null, under: new Map(), openMost: 0 };
    hub.linked = true; // the redirect tells size and digest
    hub.sized = true; // the API does
    hub.server = await listen((req, res) => hub.#answer(req, res));
    hub.store = await listen((req, res) => hub.#send(req, res));
    hub.url = `http://127.0.0.1:${hub.server.address().port}`;
    hub.storeUrl = `http://127.0.0.1:${hub.store.address().port}`;
    return hub;
  }

  stop() {
    for (const server of [this.server, this.store]) {
      server.closeAllConnections();
      server.close();
    }
  }

  /* Files as { name: Buffer }. `lie` changes the digest that the hub tells for a name. */
  put(name, files, { gated = false, isPrivate = false, commit = sha1(name), lie = {} } = {}) {
    const entries = new Map(Object.entries(files).map(([file, bytes]) =>
      [file, { bytes, sha256: lie[file] || sha256(bytes) }]));
    this.repos.set(name, { name, entries, gated, isPrivate, commit });
    return this;
  }

  #refuse(res, status, code, message) {
    res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'x-error-code': code, 'x-error-message': message });
    res.end(JSON.stringify({ error: message }));
  }

  /* The repository, or null when the request has been refused. */
  #admit(req, res, name) {
    const repo = this.repos.get(name);
    const known = this.token && req.headers.authorization === `Bearer ${this.token}`;
    if (!repo || (repo.isPrivate && !known)) {
      if (known) this.#refuse(res, 404, 'RepoNotFound', 'Repository not found');
      else this.#refuse(res, repo ? 401 : this.hideMissing ? 401 : 404, 'RepoNotFound', 'Invalid username or password.');
      return null;
    }
    if (repo.gated && !known) {
      this.#refuse(res, req.headers.authorization ? 403 : 401, 'GatedRepo', `Access to model ${name} is restricted.`);
      return null;
    }
    return repo;
  }

  #answer(req, res) {
    const url = new URL(req.url, this.url);
    const call = { at: Date.now(), path: url.pathname, search: url.search, authorization: req.headers.authorization };
    this.api.calls.push(call);
    const told = this.api.plan.shift();
    if (told && told.until) return told.until.then(() => this.#answer(req, res));
    if (told && told.status) {
      res.writeHead(told.status, told.headers || {});
      return res.end('{"error":"planned"}');
    }
    if (told && told.reset) return req.socket.resetAndDestroy();
    if (told && told.body !== undefined) return res.end(told.body);
    const info = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/([^/]+)$/.exec(url.pathname);
    if (info) return this.#tell(req, res, info[1], decodeURIComponent(info[2]), url.searchParams);
    const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    if (file) return this.#redirect(req, res, file[1], decodeURIComponent(file[2]), decodeURIComponent(file[3]));
    return this.#refuse(res, 404, 'NotFound', 'Not found');
  }

  #tell(req, res, name, revision, query) {
    const repo = this.#admit(req, res, name);
    if (!repo) return;
    if (revision !== 'main' && revision !== repo.commit) {
      this.#refuse(res, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
      return;
    }
    const siblings = ['.gitattributes', 'README.md'].map((rfilename) => ({ rfilename, size: 1519, blobId: sha1(rfilename) }));
    for (const [rfilename, { bytes, sha256: digest }] of repo.entries) {
      const entry = { rfilename };
      if (query.get('blobs') === 'true' && this.sized) {
        Object.assign(entry, { size: bytes.length, blobId: sha1(rfilename), lfs: { sha256: digest, size: bytes.length, pointerSize: 135 } });
      }
      siblings.push(entry);
    }
    const body = JSON.stringify({
      _id: '657d1f6eb1d1bd8c7f2d4a11', id: name, modelId: name, author: name.split('/')[0], sha: repo.commit,
      lastModified: '2024-01-02T03:04:05.000Z', private: repo.isPrivate, gated: repo.gated && 'manual', disabled: false,
      downloads: 123456, likes: 78, library_name: 'transformers', tags: ['gguf', 'region:us'], siblings,
      gguf: { total: 1100048384, architecture: 'llama', context_length: 2048 }, usedStorage: 'TOO-LARGE',
    }).replace('"TOO-LARGE"', '36893488147419103232');
    res.writeHead(200, { 'content-type': 'application/json; charset=utf-8', etag: 'W/"1f-abc"' });
    res.end(body);
  }

  #redirect(req, res, name, revision, file) {
    const repo = this.#admit(req, res, name);
    if (!repo) return;
    const entry = repo.entries.get(file);
    if (revision !== 'main' && revision !== repo.commit) {
      this.#refuse(res, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
    } else if (!entry) {
      this.#refuse(res, 404, 'EntryNotFound', 'Entry not found');
    } else {
      res.writeHead(302, {
        'content-type': 'text/plain; charset=utf-8', 'x-repo-commit': repo.commit, 'accept-ranges': 'bytes',
        ...(this.linked ? { 'x-linked-size': String(entry.bytes.length), 'x-linked-etag': `"${entry.sha256}"` } : {}),
        location: `${this.storeUrl}/repos/ab/cd/${encodeURIComponent(name)}/${encodeURIComponent(file)}?X-Amz-Signature=0123&response-content-disposition=inline`,
      });
      res.end('Found. Redirecting');
    }
  }

  async #send(req, res) {
    const [, name, file] = /^\/repos\/ab\/cd\/([^/]+)\/([^/?]+)/.exec(req.url).map(decodeURIComponent);
    const told = (this.cdn.faults ? this.cdn.faults(req, file) : this.cdn.plan.shift()) || {};
    this.cdn.calls.push({ name, file, range: req.headers.range, ifRange: req.headers['if-range'], authorization: req.headers.authorization, told });
    this.cdn.under.set(res, req.socket.remotePort);
    this.cdn.openMost = Math.max(this.cdn.openMost, nStanding(this.store.address().port, [...this.cdn.under.values()]));
    const leave = () => this.cdn.under.delete(res); // all of it is with the system, or the client has gone
    res.on('finish', leave).on('close', leave);
    if (told.location) {
      res.writeHead(302, { location: told.location });
      return res.end();
    }
    if (told.hops) {
      this.cdn.plan.unshift({ ...told, hops: told.hops - 1 });
      res.writeHead(302, { location: `${this.storeUrl}${req.url}` });
      return res.end();
    }
    if (told.status) {
      res.writeHead(told.status, told.headers || {});
      return res.end('planned');
    }
    return this.#file(req, res, name, file, told);
  }

  /* [from, to) as the request asks for it and the fault lets it have; null: the range is refused. */
  #range(req, total, told) {
    const range = !told.ignoreRange && /^bytes=(\d+)-(\d*)$/.exec(req.headers.range || '');
    const changed = req.headers['if-range'] && req.headers['if-range'] !== told.etag;
    if (told.unsatisfiable) return null;
    if (!range || changed) return { from: 0, to: total, whole: true };
    const from = Number(range[1]) + (told.shift || 0);
    const to = range[2] ? Math.min(total, Number(range[2]) + 1 + (told.shift || 0)) : total;
    return from >= total ? null : { from, to, whole: false };
  }

  #file(req, res, name, file, told) {
    const all = this.repos.get(name).entries.get(file).bytes;
    const total = all.length;
    const range = this.#range(req, total, told);
    if (!range) {
      res.writeHead(416, { 'content-range': `bytes */${total}` });
      return res.end();
    }
    let bytes = all.subarray(range.from, range.to);
    if (told.corrupt) {
      bytes = Buffer.from(bytes);
      bytes[bytes.length >> 1] ^= 1;
    }
    if (told.extra) bytes = Buffer.concat([bytes, Buffer.alloc(told.extra)]);
    const head = { 'content-type': 'binary/octet-stream', 'accept-ranges': 'bytes', 'x-cache': 'Hit from cloudfront' };
    if (!told.extra && !told.noSize) head['content-length'] = bytes.length;
    if (told.noSize) head.connection = 'close';
    if (told.etag) head.etag = told.etag;
    if (told.lastModified) head['last-modified'] = told.lastModified;
    if (!range.whole) head['content-range'] = `bytes ${range.from}-${range.to - 1}/${total}`;
    res.writeHead(range.whole ? 200 : 206, head);
    return this.#pour(res, bytes, told, `${name}/${file}`);
  }

  #count(key, n) {
    this.cdn.sent.set(key, (this.cdn.sent.get(key) || 0) + n);
  }

  async #until(res, isTrue) {
    const end = Date.now() + 20000;
    while (!isTrue() && !res.destroyed && Date.now() < end) await pause(5);
  }

  async #pour(res, bytes, told, key) {
    const end = Math.min(told.reset ?? told.short ?? told.stall ?? bytes.length, bytes.length);
    for (let at = 0, n = 0; at < end && !res.destroyed; at += n) {
      const isPaced = told.pace && at >= (told.quick || 0);
      n = Math.min(isPaced ? told.pace : 65536, end - at);
      this.#count(key, n);
      const isTaken = res.write(bytes.subarray(at, at + n));
      if (at + n === bytes.length) break; // the client has it all: the answer is over without a pause
      if (isPaced) await pause(10);
      else if (!isTaken) await drained(res);
      if (told.until && at < end / 2 && at + n >= end / 2) await this.#until(res, told.until);
    }
    if (end === bytes.length) return res.end();
    if (told.stall !== undefined) return undefined;
    await this.#until(res, () => !res.socket || isTaken(res.socket)); // a reset would drop what is on its way
    if (res.destroyed) return undefined;
    if (told.reset !== undefined) res.socket.resetAndDestroy();
    else if (told.noSize) res.end();
    else res.socket.end();
    return undefined;
  }
}

module.exports = { Hub, sha256 };
