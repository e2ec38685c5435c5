'use strict';
/* chaos-workers-hit.test.js - the short version of tests/chaos/workers-hit.js; the long one is on demand. */
const { test } = require('node:test');

const { workersHit, hitWhileLoading, whyNoMemory } = require('../chaos/workers-hit.js');
const { options } = require('../chaos/lib.js');

const skip = whyNoMemory() || false;
const short = (t, rounds, ways) => ({ ...options(rounds), say: (text) => t.diagnostic(text), ...(ways ? { ways } : {}) });

test('a worker killed, crashed or stopped under 16 clients: every one is told, the next request works', (t) =>
  workersHit(short(t, 3)));

test('a worker out of memory under 16 clients: the same', { skip }, (t) => workersHit(short(t, 1, ['memory'])));

test('the same while it loads: every waiting client is told, another model works', (t) => hitWhileLoading(short(t, 3)));

test('the same for one that runs out of memory before it loads', { skip }, (t) => hitWhileLoading(short(t, 1, ['memory'])));
