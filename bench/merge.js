#!/usr/bin/env node
'use strict';
/*
 * merge.js - several runs of the benchmarks as one table: of each row the median over the runs of its
 * medians, and how far these lie apart. Markdown on standard output.
 *
 *   node bench/merge.js A.csv B.csv C.csv
 */
const fs = require('node:fs');

const { spread, meets } = require('./lib/stats.js');
const { parseCsv, markdown } = require('./lib/table.js');

/* A row told twice in a run counts by its last telling. */
function readRun(file) {
  const { notes, rows } = parseCsv(fs.readFileSync(file, 'utf8'));
  return { notes, rows: new Map(rows.map((row) => [row.row, row])) };
}

const numbers = (rows, name) => rows.map((r) => r[name]).filter((v) => v !== '').map(Number);

/* `rows`: one row as each run told it. */
function mergeRow(rows) {
  const merged = { ...rows[rows.length - 1], runs: rows.length };
  for (const [value, low, high] of [['rbee', 'rbee_min', 'rbee_max'], ['peer_value', 'peer_min', 'peer_max'],
    ['ratio', 'ratio_min', 'ratio_max']]) {
    const all = numbers(rows, value);
    if (!all.length) continue;
    const { median, min, max } = spread(all);
    Object.assign(merged, { [value]: median, [low]: min, [high]: max });
  }
  merged.met = merged.target && merged.ratio !== '' ? (meets(merged.target, merged.ratio) ? 'yes' : 'no') : '';
  return merged;
}

function main(files) {
  if (!files.length) {
    console.error('usage: node bench/merge.js A.csv [B.csv ...]');
    process.exit(2);
  }
  const runs = files.map(readRun);
  const names = [...new Set(runs.flatMap((run) => [...run.rows.keys()]))];
  const notes = [...new Set(runs.flatMap((run) => run.notes)), `${runs.length} files of results; medians over the runs that have a row`];
  const rows = names.map((name) => mergeRow(runs.flatMap((run) => run.rows.get(name) || [])));
  process.stdout.write(markdown(notes, rows));
}

main(process.argv.slice(2));
