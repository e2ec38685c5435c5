#!/usr/bin/env node
'use strict';
/*
 * hub-alone.js FILE - the tests' model hub in a process of its own, with FILE as hf:bench/file: its two
 * servers' URLs in a line of JSON, then it serves until it is ended.
 */
const fs = require('node:fs');
const path = require('node:path');

const { Hub } = require('../../tests/e2e/lib/hub.js');

const file = process.argv[2];

(async () => {
  const hub = await Hub.start();
  hub.put('bench/file', { [path.basename(file)]: fs.readFileSync(file) });
  console.log(JSON.stringify({ hub: hub.url, store: hub.storeUrl }));
})();
