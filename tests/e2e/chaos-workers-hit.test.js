'use strict';
/* chaos-workers-hit.test.js - the short version of tests/chaos/workers-hit.js; the long one is on demand. */
const { test } = require('node:test');

const { workersHit, hitWhileLoading } = require('../chaos/workers-hit.js');
const { options } = require('../chaos/lib.js');

test('a worker killed, crashed, stopped or out of memory under 16 clients: every one is told, the next request works', (t) =>
  workersHit({ ...options(4), say: (text) => t.diagnostic(text) }));

test('the same while it loads: every waiting client is told, another model works', (t) =>
  hitWhileLoading({ ...options(4), say: (text) => t.diagnostic(text) }));
