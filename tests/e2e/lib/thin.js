'use strict';
/*
 * thin.js - a file system (ext4) on a device that runs out of room beneath it, as a thin volume does, or a virtual
 * machine's image on a full host: what is written is taken, and does not get to the disk.
 *
 * The device is a file in a tmpfs. Only root can mount these; elsewhere { why }.
 */
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const { makeFolder } = require('./proc.js');
const { ownMount } = require('./watch.js');

const MADE_MB = 96; // it says to have so much room

function sh(command) {
  const r = spawnSync('sh', ['-ec', command], { encoding: 'utf8' });
  if (r.status !== 0) throw new Error(`${command}\n${r.stdout}${r.stderr}`);
  return r.stdout;
}

class Thin {
  constructor() {
    this.base = makeFolder('rbee-thin-');
    this.pool = path.join(this.base, 'pool');
    this.folder = path.join(this.base, 'mnt');
    this.image = path.join(this.pool, 'image');
    fs.mkdirSync(this.pool);
    fs.mkdirSync(this.folder);
    ownMount(this.pool);
    ownMount(this.folder);
  }

  /* Every block is there, so that none is missing for what the file system notes of itself. */
  make() {
    const whole = path.join(this.base, 'image');
    sh(`mount -t tmpfs -o size=${2 * MADE_MB}m none ${this.pool}`);
    sh(`truncate -s ${MADE_MB}M ${whole}
      mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 -J size=4 ${whole}
      cp --sparse=never ${whole} ${this.image}`);
    fs.rmSync(whole);
    this.punch();
    this.mount();
  }

  mount() { sh(`mount -o loop,nodiscard ${this.image} ${this.folder}`); }

  /* What is free has no room on the device. */
  punch() {
    const size = Number(/Block size: +(\d+)/.exec(sh(`dumpe2fs -h ${this.image} 2>&1`))[1]);
    for (const [, list] of sh(`dumpe2fs ${this.image} 2>&1`).matchAll(/^  Free blocks: (.+)$/mg)) {
      for (const range of list.split(', ')) {
        const [a, b = a] = range.split('-').map(Number);
        sh(`fallocate -p -o ${a * size} -l ${(b - a + 1) * size} ${this.image}`);
      }
    }
  }

  /* So many KiB more fit. */
  leave(kib) {
    const used = Number(sh(`du -k ${this.image}`).split('\t')[0]);
    sh(`mount -o remount,size=${used + kib}k ${this.pool}`);
  }

  /* Somebody has made room for all of it. */
  refill() { sh(`mount -o remount,size=${2 * MADE_MB}m ${this.pool}`); }

  /* From here on only what the device has is read. */
  remount() {
    sh(`umount ${this.folder}`);
    this.mount();
  }

  /* What the device has at this moment is what there is after the power comes back. */
  cutPower() { sh(`cp ${this.image} ${this.image}-then`); }

  powerIsBack() {
    sh(`umount ${this.folder}; mv ${this.image}-then ${this.image}`);
    this.mount();
  }

  /* The device loses a block that begins so. */
  spoil(bytes) {
    const fd = fs.openSync(this.image, 'r+'), at = fs.readFileSync(fd).indexOf(bytes);
    fs.writeSync(fd, Buffer.alloc(bytes.length), 0, bytes.length, at);
    fs.closeSync(fd);
  }

  /* The kernel lets go of the image a moment after it is unmounted; until then the tmpfs is busy. */
  end() {
    spawnSync('umount', [this.folder]);
    spawnSync('sh', ['-c', 'i=0; while mountpoint -q "$0" && ! umount "$0" && [ $i -lt 100 ]; do i=$((i + 1)); sleep 0.05; done', this.pool]);
  }
}

function thinDisk() {
  if (process.getuid() !== 0) return { why: 'only root can mount a file system' };
  const thin = new Thin();
  try {
    thin.make();
    return thin;
  } catch (error) {
    thin.end();
    return { why: `cannot make a file system: ${error.message.trim()}` };
  }
}

module.exports = { thinDisk };
