'use strict';
/*
 * hold.js - children that hold something a hive needs, so that it stands at the very point a test is about.
 */
const { spawn } = require('node:child_process');

const { watch } = require('./watch.js');

/* A child that holds something, and says so; a function that lets go. Its `tell` sends a line, and waits for one. */
async function holding(program, args) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let told = false;
  watch(child, `what held something (${program})`, () => told);
  const says = () => new Promise((resolve, reject) => { child.on('error', reject); child.stdout.once('data', resolve); });
  await says();
  const over = new Promise((resolve) => { child.on('close', resolve); });
  const letGo = () => { told = true; child.stdin.end(); return over; };
  letGo.tell = () => { const said = says(); child.stdin.write('\n'); return said; };
  return letGo;
}

/* The lock of a file: who would move it waits. */
const hold = (file) => holding('flock', [file, 'sh', '-c', 'echo held; exec cat']);

module.exports = { hold, holding };
