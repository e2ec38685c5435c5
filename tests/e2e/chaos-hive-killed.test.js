'use strict';
/* chaos-hive-killed.test.js - tests/chaos/hive-killed.js, short under a sanitizer. */
const { test } = require('node:test');

const { hiveKilled } = require('../chaos/hive-killed.js');
const { options } = require('../chaos/lib.js');

const sanitized = /asan|tsan/.test(process.env.RBEE_BUILD || ''); // several times slower

test('no process is left one second after a SIGKILL of the hive, at any moment', (t) =>
  hiveKilled({ ...options(sanitized ? 15 : 100), say: (text) => t.diagnostic(text) }));
