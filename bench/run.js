#!/usr/bin/env node
'use strict';
/*
 * run.js - the benchmarks: whole models and programs, beside their peers. docs/performance.md is its
 * manual.
 *
 *   node bench/run.js [--rows a,b] [--pairs N] [--out NAME] [--list]
 *
 * Each row is printed and written as soon as it is there, so that an interrupted run keeps what it
 * has. --out adds to the files NAME.csv and NAME.md that an earlier run has begun.
 */
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { BUILD, hasModel, peers } = require('./lib/setting.js');
const { describe } = require('./lib/machine.js');
const { compare, meets } = require('./lib/stats.js');
const table = require('./lib/table.js');
const measurements = require('./lib/rows.js');

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: process.env.ROWS || '' },
    pairs: { type: 'string', default: process.env.PAIRS || '3' },
    out: { type: 'string', default: process.env.OUT || '' },
    list: { type: 'boolean', default: false },
  },
});

/* A row is meant by its name or by its beginning up to a hyphen. */
function wanted(name) {
  const words = options.rows.split(',').filter(Boolean);
  return words.length === 0 || words.some((word) => name === word || name.startsWith(`${word}-`));
}

class Results {
  constructor(base) {
    this.base = base;
    fs.mkdirSync(path.dirname(base), { recursive: true });
    if (!fs.existsSync(`${base}.csv`)) {
      fs.writeFileSync(`${base}.csv`, describe().map((line) => `# ${line}\n`).join('') + table.csvHead());
    }
  }

  add(row) {
    fs.appendFileSync(`${this.base}.csv`, table.csvRow(row));
    const { notes, rows } = table.parseCsv(fs.readFileSync(`${this.base}.csv`, 'utf8'));
    fs.writeFileSync(`${this.base}.md`, table.markdown(notes, rows));
    console.log(table.markdownRow(row));
  }
}

/* What a measurement tells, as a row of the table. */
function rowOf({ row, what, unit, samples, better, target, note }) {
  const c = compare(samples, better);
  const digits = (v) => (v === undefined ? '' : v.toPrecision(5));
  return {
    row, what, unit, pairs: c.pairs, note,
    rbee: digits(c.rbee.median), rbee_min: digits(c.rbee.min), rbee_max: digits(c.rbee.max),
    peer: c.peerName, peer_value: digits(c.peer?.median), peer_min: digits(c.peer?.min), peer_max: digits(c.peer?.max),
    ratio: digits(c.ratio?.median), ratio_min: digits(c.ratio?.min), ratio_max: digits(c.ratio?.max),
    target, met: target && c.ratio ? (meets(target, c.ratio.median) ? 'yes' : 'no') : '',
  };
}

async function measure(measurement, results) {
  const missing = measurement.models.filter((model) => !hasModel(model));
  if (missing.length) {
    console.log(`(${measurement.name}: skipped, RBEE_BENCH_MODELS has no ${missing.map((m) => `${m}.gguf`).join(', ')})`);
    return;
  }
  try {
    await measurement.run({ pairs: Number(options.pairs), emit: (told) => results.add(rowOf(told)) });
  } catch (error) {
    console.log(`(${measurement.name}: failed, ${error.message})`);
    process.exitCode = 1;
  }
}

async function main() {
  const chosen = measurements.filter((m) => wanted(m.name));
  if (options.list) {
    for (const { name } of chosen) console.log(name);
    return;
  }
  if (!chosen.length) throw new Error(`no row begins with ${options.rows}; --list names them`);
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '').replace('T', '-');
  const results = new Results(options.out || path.join(BUILD, 'bench-results', stamp));
  for (const line of describe()) console.log(`- ${line}`);
  if (!peers.llama) console.log('(llama.cpp: skipped, llama-bench is not on PATH and RBEE_BENCH_LLAMA does not lead to it)');
  if (!peers.node) console.log('(node-llama-cpp: skipped, RBEE_BENCH_NODE_LLAMA is not set to a folder with it)');
  console.log(`\n${table.MARKDOWN_HEAD}`);
  for (const measurement of chosen) await measure(measurement, results);
  console.log(`\n${results.base}.csv and .md`);
}

main().catch((error) => {
  console.error(`bench: ${error.message}`);
  process.exit(1);
});
