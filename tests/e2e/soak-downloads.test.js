'use strict';
/*
 * soak-downloads.test.js - a few of the soak's downloads with every change; tests/soak/downloads.js 200
 * is the long one. A failure names the seed that decided its faults.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

test('40 downloads over a bad line, the hive killed now and then: right digests, nothing left over', () => {
  const soak = path.join(__dirname, '../soak/downloads.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [soak, '40'], { encoding: 'utf8', timeout: 300000 });
  assert.strictEqual(status, 0, `${stdout}${stderr}`);
  assert.match(stdout, /40 downloads, [1-9]\d* kills, 0 wrong, 0 orphans/);
});
