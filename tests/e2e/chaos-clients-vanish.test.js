'use strict';
/* chaos-clients-vanish.test.js - the short version of tests/chaos/clients-vanish.js; the long one is on demand. */
const { test } = require('node:test');

const { clientsVanish } = require('../chaos/clients-vanish.js');
const { options } = require('../chaos/lib.js');

test('clients that vanish at any moment leave free slots, exact books and no memory behind', (t) =>
  clientsVanish({ ...options(100), say: (text) => t.diagnostic(text) }));
