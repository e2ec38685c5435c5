'use strict';
/*
 * synced.js - has a program note what it renames and which folders it has the disk keep (tests/preload/noted_syncs.c).
 */
const fs = require('node:fs');
const path = require('node:path');

const { BUILD, makeFolder } = require('./proc.js');

const PRELOAD = path.join(BUILD, 'tests/preload/noted_syncs.so');
const skip = fs.existsSync(PRELOAD) ? false : 'the build is for a sanitizer, which is to be loaded first';

/* `env` is the program's. `renamed()`: the files that got a new name; `lost()`: those of them that a power cut may take. */
function synced() {
  const log = path.join(makeFolder('rbee-synced-'), 'log');
  const lines = () => fs.readFileSync(log, 'utf8').trim().split('\n').map((line) => /^(\w+) (.*)$/.exec(line).slice(1));
  const renamed = () => lines().filter(([what]) => what === 'rename').map(([, file]) => file);
  const lost = () => lines().reduce((open, [what, name]) =>
    (what === 'rename' ? [...open, name] : open.filter((file) => path.dirname(file) !== name)), []);
  return { env: { LD_PRELOAD: PRELOAD, NOTED_SYNCS: log }, renamed, lost };
}

module.exports = { skip, synced };
