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
 *   { pace: n }           n bytes every 10 ms
 *   { extra: n }          n bytes too many
 */
const crypto = require('node:crypto');
const http = require('node:http');

const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');
const sha1 = (text) => crypto.createHash('sha1').update(text).digest('hex');
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

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
    hub.cdn = { plan: [], calls: [] };
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
    const call = { path: url.pathname, search: url.search, authorization: req.headers.authorization };
    this.api.calls.push(call);
    const told = this.api.plan.shift();
    if (told && told.status) {
      res.writeHead(told.status, told.headers || {});
      return res.end('{"error":"planned"}');
    }
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
      if (query.get('blobs') === 'true') {
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
        'x-linked-size': String(entry.bytes.length), 'x-linked-etag': `"${entry.sha256}"`,
        location: `${this.storeUrl}/repos/ab/cd/${encodeURIComponent(name)}/${encodeURIComponent(file)}?X-Amz-Signature=0123&response-content-disposition=inline`,
      });
      res.end('Found. Redirecting');
    }
  }

  async #send(req, res) {
    const [, name, file] = /^\/repos\/ab\/cd\/([^/]+)\/([^/?]+)/.exec(req.url).map(decodeURIComponent);
    const told = this.cdn.plan.shift() || {};
    this.cdn.calls.push({ name, file, range: req.headers.range, authorization: req.headers.authorization });
    if (told.status) {
      res.writeHead(told.status, told.headers || {});
      return res.end('planned');
    }
    let bytes = this.repos.get(name).entries.get(file).bytes;
    const total = bytes.length;
    const range = !told.ignoreRange && /^bytes=(\d+)-$/.exec(req.headers.range || '');
    const from = range ? Number(range[1]) + (told.shift || 0) : 0;
    if (range && from >= total) {
      res.writeHead(416, { 'content-range': `bytes */${total}` });
      return res.end();
    }
    bytes = Buffer.from(bytes.subarray(from));
    if (told.corrupt) bytes[bytes.length >> 1] ^= 1;
    if (told.extra) bytes = Buffer.concat([bytes, Buffer.alloc(told.extra)]);
    const head = { 'content-type': 'binary/octet-stream', 'accept-ranges': 'bytes', 'x-cache': 'Hit from cloudfront' };
    if (!told.extra) head['content-length'] = bytes.length;
    if (range) head['content-range'] = `bytes ${from}-${total - 1}/${total}`;
    res.writeHead(range ? 206 : 200, head);
    return this.#pour(res, bytes, told);
  }

  async #pour(res, bytes, told) {
    const end = told.reset ?? told.short ?? told.stall ?? bytes.length;
    if (told.pace) {
      for (let at = 0; at < bytes.length && !res.destroyed; at += told.pace) {
        res.write(bytes.subarray(at, at + told.pace));
        await pause(10);
      }
      return res.end();
    }
    if (end >= bytes.length) return res.end(bytes);
    res.write(bytes.subarray(0, end));
    if (told.stall !== undefined) return undefined;
    await pause(30); // for the bytes to arrive
    if (told.reset !== undefined) res.socket.resetAndDestroy();
    else res.socket.end();
    return undefined;
  }
}

module.exports = { Hub, sha256 };
