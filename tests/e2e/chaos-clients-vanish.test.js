'use strict';
/* chaos-clients-vanish.test.js - tests/chaos/clients-vanish.js, short under a sanitizer. */
const { test } = require('node:test');

const { clientsVanish } = require('../chaos/clients-vanish.js');
const { options } = require('../chaos/lib.js');

const sanitized = /asan|tsan/.test(process.env.RBEE_BUILD || ''); // several times slower

test('clients that vanish at any moment leave free slots, exact books and no memory behind', (t) =>
  clientsVanish({ ...options(sanitized ? 100 : 1000), say: (text) => t.diagnostic(text) }));
