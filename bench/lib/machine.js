'use strict';
/* machine.js - what ran the benchmarks, as lines of text. */
const fs = require('node:fs');
const os = require('node:os');
const { spawnSync } = require('node:child_process');

const { ROOT, peers } = require('./setting.js');

const FLAGS = ['avx2', 'fma', 'f16c', 'avx512f', 'avx512bw', 'avx512_vnni', 'avx512_bf16', 'avx_vnni',
  'amx_int8', 'asimddp', 'i8mm', 'sve'];

function cpuFlags() {
  const info = fs.readFileSync('/proc/cpuinfo', 'utf8');
  const has = new Set((/^(?:flags|Features)\s*:\s*(.*)$/m.exec(info)?.[1] || '').split(' '));
  return FLAGS.filter((flag) => has.has(flag)).join(' ');
}

function describe() {
  const git = spawnSync('git', ['-C', ROOT, 'describe', '--always', '--dirty'], { encoding: 'utf8' });
  const [cpu] = os.cpus();
  return [
    `date: ${new Date().toISOString().slice(0, 16)}Z`,
    `machine: ${cpu?.model || os.arch()}, ${os.cpus().length} CPUs, ${(os.totalmem() / 2 ** 30).toFixed(0)} GiB, ${cpuFlags()}`,
    `system: ${os.type()} ${os.release()}`,
    `rbee: ${git.stdout?.trim() || 'not from a checkout'}`,
    `peers: llama.cpp ${peers.llama || 'not found'}; node-llama-cpp ${peers.node || 'not found'}`,
  ];
}

module.exports = { describe };
