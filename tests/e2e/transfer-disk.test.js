'use strict';
/*
 * transfer-disk.test.js - a disk that takes no more for a while holds up the download, and nothing else.
 *
 * The disk is played by an instruction that jumps to itself, over the first one of what writes a
 * download's bytes (lib/stuck.js): whoever writes is in there until it is put right again.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');

const { HIVE, testModel, until } = require('./lib/proc.js');
const { stream } = require('./lib/sse.js');
const { get } = require('./lib/hive.js');
const { loopForever, whyNoLoop } = require('./lib/stuck.js');
const { MIB, Hub, sha256, seeded, startWith, begin, watch } = require('./lib/transfer.js');

const SPIN_TICKS = 20; // a thread that has run so long since we looked does nothing else

/* Ticks that each thread has run in user space, by its id: proc(5), field 14. */
function ticks(pid) {
  return new Map(fs.readdirSync(`/proc/${pid}/task`).map((tid) => {
    const stat = fs.readFileSync(`/proc/${pid}/task/${tid}/stat`, 'utf8');
    return [tid, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[11])];
  }));
}

test('while a write does not return, tokens come and the hive answers; then the download goes on', { skip: !testModel() && 'no model' },
  async (t) => {
    const hub = await Hub.start(), hive = await startWith(hub, { RBEE_TINY: testModel(), RBEE_HIVE_DOWNLOAD_STALL: '600s' });
    let letGo = () => {};
    t.after(async () => { letGo(); await hive.stop(); await hub.stop(); });
    const why = whyNoLoop(hive.pid);
    if (why) return void t.skip(why);
    const bytes = seeded('disk', 4 * MIB);
    hub.put('disk/slow', { 's.gguf': bytes });
    letGo = loopForever(hive.pid, HIVE, 'path_write_at');
    const { download_id: id } = await begin(hive, 'hf:disk/slow');
    const progress = await watch(hive, id), before = ticks(hive.pid);
    await until(() => [...ticks(hive.pid)].some(([tid, n]) => n - (before.get(tid) ?? 0) > SPIN_TICKS), 'a write that does not return');
    const s = await stream(`${hive.url}/v1/completions`, { method: 'POST',
      body: { model: 'tiny', stream: true, prompt: 'Once', max_tokens: 20, ignore_eos: true } });
    await s.all();
    assert.ok(s.done && !s.events.some((e) => e.json && e.json.error), s.raw);
    const row = (await get(hive, '/v1/models/downloads')).json.downloads.find((d) => d.download_id === id);
    assert.strictEqual(row.state, 'downloading', JSON.stringify(row));
    assert.strictEqual(row.bytes_downloaded, 0, JSON.stringify(row));
    letGo();
    const end = (await progress.all()).at(-1);
    assert.strictEqual(end.stage, 'complete', JSON.stringify(end));
    assert.strictEqual(sha256(fs.readFileSync(end.local_path)), sha256(bytes));
  });
