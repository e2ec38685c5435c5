'use strict';
/* roof.js - what the machine can do at most, measured in the same run as everything else. */
const { runJson } = require('./proc.js');
const { ours } = require('./setting.js');

const FIGURES = [['read_gb_s', 'memory read', 'GB/s'], ['int8_gop_s', 'int8 dot products', 'Gop/s'],
  ['fp32_gflop_s', 'fp32 multiply-adds', 'Gflop/s']];

function roof(threads) {
  return {
    name: `roof-t${threads}`,
    models: [],
    async run({ pairs, emit }) {
      const told = [];
      for (let i = 0; i < pairs; i++) told.push(...await runJson([ours.probe, '--threads', `${threads}`]));
      for (const [key, what, unit] of FIGURES) {
        emit({
          row: `${this.name}-${key}`,
          what: `the machine: ${what}, ${threads} ${threads > 1 ? 'threads' : 'thread'}`,
          unit,
          samples: told.map((t) => ({ rbee: t[key] })),
          better: 'more',
          target: '',
          note: told[0].isa,
        });
      }
    },
  };
}

module.exports = { roof };
