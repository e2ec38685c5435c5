'use strict';
/*
 * between.js - an HTTP proxy between a client and a hive, which breaks calls as told.
 *
 * `trouble(method, path, n, bytes)` is asked for each call, the n-th of its method and path without their
 * query, and says what becomes of it:
 *
 *   undefined  it goes through
 *   'cut'      the connection is reset once a part of the body has come; that part is passed on
 *   'leave'    the connections on both sides are reset as soon as the answer begins
 *   'lose'     the whole answer is taken from the hive, then the client's connection is reset
 *
 *   'late'     408, as from a hive that has waited long enough for the body
 *
 * Every call is kept in `calls`, as "METHOD path", the bytes of each PUT that went through in `pieces`.
 * `to` (an URL) may be changed: the hive has moved.
 */
const http = require('node:http');

class Between {
  static async start(hiveUrl, trouble) {
    const self = new Between();
    self.to = new URL(hiveUrl);
    self.trouble = trouble;
    self.calls = [];
    self.pieces = [];
    self.agent = new http.Agent({ keepAlive: true });
    self.server = http.createServer((req, res) => self.#take(req, res));
    await new Promise((resolve) => self.server.listen(0, '127.0.0.1', resolve));
    self.url = `http://127.0.0.1:${self.server.address().port}`;
    return self;
  }

  stop() {
    this.server.closeAllConnections();
    this.agent.destroy();
    return new Promise((resolve) => this.server.close(resolve));
  }

  of(name) {
    return this.calls.filter((call) => call === name).length;
  }

  #take(req, res) {
    const name = `${req.method} ${req.url.split('?')[0]}`;
    this.calls.push(name);
    const bytes = Number(req.headers['content-length'] || 0);
    const how = this.trouble(req.method, req.url.split('?')[0], this.of(name), bytes);
    if (how === 'late') {
      res.writeHead(408, { connection: 'close' });
      return res.end();
    }
    if (!how && req.method === 'PUT') this.pieces.push(bytes);
    const reset = () => req.socket.resetAndDestroy();
    const up = http.request({ host: this.to.hostname, port: this.to.port, path: req.url, method: req.method,
      agent: this.agent, headers: { ...req.headers, host: this.to.host } });
    res.on('error', () => {});
    req.on('error', () => {});
    up.on('error', () => { if (!res.writableEnded) req.socket.destroy(); });
    if (how === 'cut') {
      req.once('data', (part) => { up.write(part, () => { up.destroy(); reset(); }); });
      return undefined;
    }
    up.on('response', (answer) => this.#answer(answer, up, res, how, reset));
    req.pipe(up);
    return undefined;
  }

  #answer(answer, up, res, how, reset) {
    answer.on('error', () => res.destroy());
    if (how === 'leave') {
      up.destroy();
      reset();
    } else if (how === 'lose') {
      answer.resume().on('end', reset);
    } else {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    }
  }
}

module.exports = { Between };
