'use strict';
/*
 * setting.js - what a run of the benchmarks works with: our programs, the models, the peers; all from
 * the environment.
 *
 *   RBEE_BENCH_MODELS      folder of the models (see MODELS)
 *   RBEE_BENCH_LLAMA       words before each of llama.cpp's programs, a wrapper; else they are on PATH
 *   RBEE_BENCH_PEER_MODELS the same folder as such a wrapper's programs see it
 *   RBEE_BENCH_NODE_LLAMA  folder in which the npm package node-llama-cpp was installed
 */
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const ROOT = path.resolve(__dirname, '../..');
const BUILD = path.resolve(process.env.BUILD || path.join(ROOT, 'build'));
const MODELS = process.env.RBEE_BENCH_MODELS || '';
const PEER_MODELS = process.env.RBEE_BENCH_PEER_MODELS || MODELS;
const WRAPPER = (process.env.RBEE_BENCH_LLAMA || '').split(' ').filter(Boolean);
const NODE_LLAMA = process.env.RBEE_BENCH_NODE_LLAMA || '';

const ours = {
  worker: path.join(BUILD, 'src/worker/llm-worker-rbee'),
  hive: path.join(BUILD, 'src/hive/rbee-hive'),
  keeper: path.join(BUILD, 'src/keeper/rbee-keeper'),
  probe: path.join(BUILD, 'bench/bench_probe'),
  load: path.join(BUILD, 'bench/bench_load'),
};

/*
 * 'tl-Q4_0' to its file, as we and as the peer see it. `tiny` ships with the project; a peer behind a
 * wrapper sees it only when a copy lies in the folder of models.
 */
const TINY = path.join(ROOT, 'models/tiny.gguf');
const inFolder = (name) => MODELS !== '' && fs.existsSync(path.join(MODELS, `${name}.gguf`));
const isTinyElsewhere = (name) => name === 'tiny' && !inFolder(name);
const hasModel = (name) => isTinyElsewhere(name) || inFolder(name);
const modelFile = (name) => (isTinyElsewhere(name) ? TINY : path.join(MODELS, `${name}.gguf`));
const peerModelFile = (name) => (isTinyElsewhere(name) ? TINY : path.join(PEER_MODELS, `${name}.gguf`));
const peerSees = (name) => !isTinyElsewhere(name) || WRAPPER.length === 0;

const llama = (tool, ...args) => [...WRAPPER, tool, ...args.map(String)];

/* The version a program of llama.cpp tells, or '' when it cannot be started. */
function llamaVersion(tool) {
  const [program, ...args] = llama(tool, '--version');
  const said = spawnSync(program, args, { encoding: 'utf8', timeout: 60000 });
  const version = /version:\s*(.+)/.exec(`${said.stdout}${said.stderr}`);
  return said.status === 0 && version ? version[1] : '';
}

function nodeLlamaVersion() {
  try {
    const file = path.join(NODE_LLAMA, 'node_modules/node-llama-cpp/package.json');
    return NODE_LLAMA && JSON.parse(fs.readFileSync(file, 'utf8')).version;
  } catch {
    return '';
  }
}

/* { llama, node }: their versions, '' for one that is not there. */
const peers = { llama: llamaVersion('llama-bench'), node: nodeLlamaVersion() };

module.exports = {
  ROOT, BUILD, MODELS, WRAPPER, NODE_LLAMA, ours, modelFile, peerModelFile, hasModel, peerSees, llama, peers,
};
