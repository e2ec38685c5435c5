'use strict';
/*
 * hung.js - a hive with mounts of its own, and a file system over a folder of them that answers nothing:
 * FUSE, without a program behind it. As NFS when its server is gone, but for this one process only.
 */
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { startHive } = require('./hive.js');
const { holding } = require('./hold.js');
const { HIVE, makeFolder } = require('./proc.js');

const MOUNT = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open('/dev/fuse', os.O_RDWR)
rc = libc.mount(b'hung', sys.argv[1].encode(), b'fuse', 0, b'fd=%d,rootmode=40000,user_id=0,group_id=0' % fd)
print('hangs' if rc == 0 else os.strerror(ctypes.get_errno()), flush=True)
rc or sys.stdin.read()
rc or libc.umount2(sys.argv[1].encode(), 2)
`;

/* An automounter's place, whose names are told to `told`, until a line or the end comes. autofs(5) */
const AUTOFS = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
at, good = sys.argv[1], sys.argv[2]
try: os.setpgid(0, 0)
except OSError: pass
told, tell = os.pipe()
def mount(*args):
    if libc.mount(*args): print(os.strerror(ctypes.get_errno()), flush=True); sys.exit(1)
mount(b'auto', at.encode(), b'autofs', 0, b'fd=%d,pgrp=%d,minproto=5,maxproto=5,indirect' % (tell, os.getpgrp()))
`;
const AUTOFS_END = `
sys.stdin.read()
libc.umount2((at + '/good').encode(), 2)
libc.umount2(at.encode(), 2)
`;

/* An automounter's place with two names in it: "good" is a folder that is mounted already, any other is waited
 * for as long as this runs. autofs(5): names are told by way of the pipe, and nobody answers. */
const AUTOMOUNT = `${AUTOFS}os.mkdir(at + '/good')
mount(good.encode(), (at + '/good').encode(), b'none', 4096, None)
print('mounted', flush=True)${AUTOFS_END}`;

/* One that answers: "good" is mounted at once, of any other name it says after so many seconds that there is none.
 * Numbers: linux/auto_fs.h, struct autofs_v5_packet. */
const AUTOMOUNT_SLOW = `${AUTOFS}
import fcntl, struct, threading, time
seconds = float(sys.argv[3])
READY, FAIL, BYTES = 0x9360, 0x9361, 304
root = os.open(at, os.O_RDONLY)
def answer(token, name):
    if name == 'good':
        os.mkdir(at + '/good')
        mount(good.encode(), (at + '/good').encode(), b'none', 4096, None)
    else: time.sleep(seconds)
    fcntl.ioctl(root, READY if name == 'good' else FAIL, token)
def listen():
    while packet := os.read(told, BYTES):
        token, n = struct.unpack_from('<I', packet, 8)[0], struct.unpack_from('<I', packet, 40)[0]
        threading.Thread(target=answer, args=(token, packet[44:44 + n].decode()), daemon=True).start()
threading.Thread(target=listen, daemon=True).start()
print('mounted', flush=True)${AUTOFS_END}`;

/*
 * The same with a program behind it: a folder that holds one file, until a line comes. From then on it takes
 * what it is asked, and answers nothing: who has asked does not even die of SIGKILL, as with a kernel's own
 * file systems. Numbers: linux/fuse.h.
 */
const SERVED = `
import ctypes, errno, os, select, struct, sys
dir, file = sys.argv[1:3]
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open('/dev/fuse', os.O_RDWR)
rc = libc.mount(b'served', dir.encode(), b'fuse', 0, b'fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other' % fd)
if rc: sys.exit(os.strerror(ctypes.get_errno()))
own, back = os.path.basename(file), os.open(file, os.O_RDONLY)
LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, INTERRUPT, FORGETS = 1, 2, 3, 14, 15, 18, 25, 26, 36, 42
def attr(node):
    size = os.fstat(back).st_size if node == 2 else 0
    return struct.pack('<QQQ24xIIIIIIIIII', node, size, size // 512, 0, 0, 0, 0o100644 if node == 2 else 0o40755, 1, 0, 0, 0, 4096, 0)
def answer(op, node, data):
    if op == INIT: return struct.pack('<IIIIHHIIHHI', 7, 31, 0, 0, 12, 10, 131072, 1, 32, 0, 0) + bytes(28)
    if op == GETATTR: return struct.pack('<QII', 0, 0, 0) + attr(node)
    if op == LOOKUP and data[:-1].decode() == own: return struct.pack('<QQQQII', 2, 0, 0, 0, 0, 0) + attr(2)
    if op == OPEN: return bytes(16)
    if op == READ: return os.pread(back, *reversed(struct.unpack('<QI', data[8:20])))
    return None if op == LOOKUP else b'' if op in (RELEASE, FLUSH) else -errno.ENOSYS
def serve(hung):
    request = os.read(fd, 1 << 18)
    op, unique, node = struct.unpack('<IQQ', request[4:24])
    if hung or op in (FORGET, FORGETS, INTERRUPT): return
    out = answer(op, node, request[40:])
    error = -errno.ENOENT if out is None else out if isinstance(out, int) else 0
    out = b'' if error else out
    os.write(fd, struct.pack('<IiQ', 16 + len(out), error, unique) + out)
serve(False) # INIT
print('serves', flush=True)
hung = False
while True:
    ready = select.select([0, fd], [], [])[0]
    if fd in ready: serve(hung)
    if 0 not in ready: continue
    if not os.read(0, 100): break
    hung = True
    print('hangs', flush=True)
`;

/* Why nothing can be made to hang here; false when it can. */
function notHung() {
  const dir = makeFolder('rbee-hung-');
  const r = spawnSync('unshare', ['-m', 'python3', '-c', MOUNT, dir], { input: '', encoding: 'utf8', timeout: 20000 });
  return r.stdout && r.stdout.trim() === 'hangs' ? false : 'needs root, unshare, nsenter, python3 and FUSE';
}

/* A program that starts the hive so. */
function apart() {
  const program = path.join(makeFolder(), 'hive');
  fs.writeFileSync(program, `#!/bin/sh\nexec unshare -m --propagation private ${HIVE} "$@"\n`, { mode: 0o755 });
  return program;
}

const startApart = (options) => startHive({ ...options, program: apart() });

const within = (pid, ...words) => ['-t', String(pid), '-m', ...words];

/* From now on a folder hangs for that process; a function that ends it, and the folder is as it was: who was
 * looking into it is told so when nothing of it is left. */
const hang = (pid, dir) => holding('nsenter', within(pid, 'python3', '-c', MOUNT, dir));

/* Why there is no automounter here; false when there is. */
function notAutomounted() {
  const r = spawnSync('unshare', ['-m', 'python3', '-c', AUTOMOUNT, makeFolder(), makeFolder()], { input: '', encoding: 'utf8', timeout: 20000 });
  return r.stdout && r.stdout.trim() === 'mounted' ? false : 'needs root, unshare, nsenter, python3 and autofs';
}

const automountSlowly = (pid, at, good, seconds) => holding('nsenter', within(pid, 'python3', '-c', AUTOMOUNT_SLOW, at, good, String(seconds)));
const automount = (pid, at, good) => holding('nsenter', within(pid, 'python3', '-c', AUTOMOUNT, at, good));

/* From now on that process has another file system at a folder, with these files in it. */
function otherDisk(pid, dir, ...files) {
  const r = spawnSync('nsenter', within(pid, 'sh', '-c', 'mount -t tmpfs none "$0" && cp "$@" "$0"', dir, ...files), { encoding: 'utf8' });
  if (r.status) throw new Error(r.stderr);
}

/* A hive with the mounts of that process. */
function startWithin(pid, options) {
  const program = path.join(makeFolder(), 'hive');
  fs.writeFileSync(program, `#!/bin/sh\nexec nsenter -t ${pid} -m ${HIVE} "$@"\n`, { mode: 0o755 });
  return startHive({ ...options, program });
}

/* A folder in which that file lies, for that process: { dir, file, hang(), free() }. */
async function served(pid, original) {
  const dir = fs.realpathSync(makeFolder('rbee-served-'));
  const letGo = await holding('nsenter', within(pid, 'python3', '-c', SERVED, dir, original));
  return {
    file: path.join(dir, path.basename(original)),
    hang: letGo.tell, // it hangs once that is done
    free: async () => {
      await letGo();
      spawnSync('nsenter', within(pid, 'umount', '-l', dir));
    },
  };
}

module.exports = { automount, automountSlowly, hang, notAutomounted, notHung, otherDisk, served, startApart, startWithin };
