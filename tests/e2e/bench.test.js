// The benchmarks' own arithmetic: ratios are taken pair by pair, results survive their file, and several
// runs become one table. Expected figures are worked out by hand.
'use strict';
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { ROOT, makeFolder } = require('./lib/proc.js');
const { compare, meets, median } = require('../../bench/lib/stats.js');
const table = require('../../bench/lib/table.js');

test('the median of an even number of values lies between the middle two', () => {
  assert.strictEqual(median([9, 1, 5]), 5);
  assert.strictEqual(median([1, 9, 5, 3]), 4);
});

test('a ratio is of one pair, by the peer that was best in it', () => {
  // The machine was half as fast in the second pair: the ratio of the medians would be 150 / 65.
  const told = compare([{ rbee: 200, llama: 80, node: 50 }, { rbee: 100, llama: 40, node: 50 }], 'more');
  assert.deepStrictEqual(told.ratio, { median: 2.25, min: 2, max: 2.5 });
  assert.deepStrictEqual(told.peer, { median: 65, min: 50, max: 80 });
  assert.strictEqual(told.pairs, 2);
});

test('for times the best peer is the one that took less', () => {
  const told = compare([{ rbee: 10, llama: 40, node: 20 }], 'less');
  assert.strictEqual(told.peerName, 'node');
  assert.strictEqual(told.ratio.median, 0.5);
});

test('without a peer there are only our own figures', () => {
  const told = compare([{ rbee: 10 }, { rbee: 20 }], 'more');
  assert.strictEqual(told.rbee.median, 15);
  assert.strictEqual(told.ratio, undefined);
});

test('targets are met at their very bound', () => {
  assert.ok(meets('>= 2.5', 2.5) && !meets('>= 2.5', 2.49));
  assert.ok(meets('<= 0.25', 0.25) && !meets('<= 0.25', 0.26));
});

test('rows come back from CSV as they were, commas and quotes too', () => {
  const row = Object.fromEntries(table.COLUMNS.map((name) => [name, '']));
  Object.assign(row, { row: 'x-1', what: 'a, "b"', note: '"', rbee: '1.5', ratio: '2' });
  const { notes, rows } = table.parseCsv(`# a, machine\n${table.csvHead()}${table.csvRow(row)}`);
  assert.deepStrictEqual(notes, ['a, machine']);
  assert.deepStrictEqual(rows, [row]);
});

test('merging takes the median over the runs, and judges by it', () => {
  const folder = makeFolder();
  const files = [3, 1, 2].map((ratio, i) => {
    const file = path.join(folder, `${i}.csv`);
    const row = { row: 'prefill-x', what: 'prefill', unit: 'tok/s', pairs: 3, rbee: 100 * ratio, peer: 'llama', peer_value: 100, ratio, target: '>= 2.5', met: 'yes' };
    fs.writeFileSync(file, table.csvHead() + table.csvRow(row));
    return file;
  });
  const merged = spawnSync('node', [path.join(ROOT, 'bench/merge.js'), ...files], { encoding: 'utf8' });
  assert.strictEqual(merged.status, 0, merged.stderr);
  const line = merged.stdout.split('\n').find((l) => l.startsWith('| prefill'));
  assert.strictEqual(line, '| prefill | tok/s | 200 (100–300) | 100 llama | 2.00 (1.00–3.00) | >= 2.5 | **no** |  |');
});
