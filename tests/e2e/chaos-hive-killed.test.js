'use strict';
/* chaos-hive-killed.test.js - the short version of tests/chaos/hive-killed.js; the long one is on demand. */
const { test } = require('node:test');

const { hiveKilled } = require('../chaos/hive-killed.js');
const { options } = require('../chaos/lib.js');

test('no process is left one second after a SIGKILL of the hive, at any moment', (t) =>
  hiveKilled({ ...options(15), say: (text) => t.diagnostic(text) }));
