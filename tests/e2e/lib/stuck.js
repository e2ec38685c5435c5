'use strict';
/*
 * stuck.js - makes a real program loop for ever in one of its functions: an instruction that jumps to
 * itself is written over the function's first one, in that process alone (Linux, /proc/PID/mem).
 */
const fs = require('node:fs');
const { execFileSync } = require('node:child_process');

const JUMP_TO_ITSELF = { x64: [0xeb, 0xfe], arm64: [0x00, 0x00, 0x00, 0x14] }[process.arch];

/* Where the program's file says the function is, and how long it is. */
function findFunction(program, name) {
  const found = new RegExp(`^([0-9a-f]+) ([0-9a-f]+) [Tt] ${name}$`, 'm').exec(execFileSync('nm', ['-S', program], { encoding: 'utf8' }));
  if (!found) throw new Error(`${program} has no function ${name}`);
  return { offset: parseInt(found[1], 16), bytes: parseInt(found[2], 16) };
}

/* Where the program's first byte is mapped (a position-independent program). */
function baseOf(pid, program) {
  const real = fs.realpathSync(program), maps = fs.readFileSync(`/proc/${pid}/maps`, 'utf8');
  const line = maps.split('\n').find((each) => each.endsWith(real) && / 00000000 /.test(each));
  if (!line) throw new Error(`process ${pid} is not of ${real}`);
  return parseInt(line, 16);
}

/* From the next call of the function on the caller is in it for ever: until what is returned is called. */
function loopForever(pid, program, name) {
  const at = baseOf(pid, program) + findFunction(program, name).offset;
  const jump = Buffer.from(JUMP_TO_ITSELF), before = Buffer.alloc(jump.length);
  const reach = (what, bytes) => {
    const fd = fs.openSync(`/proc/${pid}/mem`, 'r+');
    try {
      what(fd, bytes, 0, bytes.length, at);
    } finally {
      fs.closeSync(fd);
    }
  };
  reach(fs.readSync, before);
  reach(fs.writeSync, jump);
  return () => reach(fs.writeSync, before);
}

/* Where a system forbids it, say so: "" = it may be done to this process. */
function whyNoLoop(pid) {
  if (!JUMP_TO_ITSELF) return `not on ${process.arch}`;
  try {
    fs.closeSync(fs.openSync(`/proc/${pid}/mem`, 'r+'));
    return '';
  } catch (error) {
    return `another process's memory cannot be written: ${error.code}`;
  }
}

module.exports = { findFunction, loopForever, whyNoLoop };
