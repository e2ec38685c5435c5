// The engine against llama.cpp: two small random models that between them use every tensor type, and
// the next-token probabilities that llama.cpp gives for them (tests/golden/mixed.json, made by
// tests/golden/make-golden.sh). The top token must agree wherever the oracle's margin exceeds the
// rounding noise, and no log-probability of its top 20 may be further off than BOUND.
'use strict';
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { execFileSync, spawnSync } = require('node:child_process');

const build = process.env.RBEE_BUILD || path.join(__dirname, '../../build');
const worker = path.join(build, 'src/worker/llm-worker-rbee');
const golden = path.join(__dirname, '../golden');
const oracle = JSON.parse(fs.readFileSync(path.join(golden, 'mixed.json'), 'utf8'));

// What rounding of activations to 8 bits does to these models, measured (tests/golden/README.md).
const BOUND = 0.35;
// Where the oracle's first is ahead by more than this, ours must be the same: the noise of each model, of its
// largest differences in the README. It is not taken from our own answers, which would excuse themselves.
const MARGINS = { 'mixed-llama.gguf': 0.35, 'mixed-qwen2.gguf': 0.11 };

function scores(model, prompt, kernels) {
    const out = execFileSync(worker, ['run', '--model', model, '--prompt-ids', prompt.join(' '),
        '--max-tokens', '1', '--temperature', '0', '--top-logprobs', '320', '--kernels', kernels],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const rows = out.trim().split('\n').map((line) => JSON.parse(line));
    return new Map(rows[rows.length - 1].top);
}

// What every CPU with these flags can run, asked of the kernel and not of the worker.
function setsOfCpu() {
    const line = /^flags\s*:(.*)$/m.exec(fs.readFileSync('/proc/cpuinfo', 'utf8'));
    const flags = new Set(line ? line[1].trim().split(/\s+/) : []);
    const avx2 = ['avx2', 'fma', 'f16c'];
    const avx512 = [...avx2, 'avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'avx512_vnni'];
    const sets = { ref: [], avx2, avxvnni: [...avx2, 'avx_vnni'], avx512 };
    return Object.keys(sets).filter((set) => sets[set].every((flag) => flags.has(flag)));
}

// The sets that the worker has here, as the error for an unknown one lists them.
function kernelSets() {
    const run = spawnSync(worker, ['run', '--model', path.join(golden, 'mixed-llama.gguf'),
        '--prompt', 'x', '--kernels', 'none-such'], { encoding: 'utf8' });
    assert.strictEqual(run.status, 1, run.stderr);
    return /there are: (.*)/.exec(run.stderr)[1].split(' ');
}

for (const [file, rows] of Object.entries(oracle)) {
    test(`${file}: probabilities agree with llama.cpp's`, () => {
        let decided = 0;
        for (const { prompt, top } of rows) {
            const ours = scores(path.join(golden, file), prompt, 'auto');
            const differences = top.map(([id, logprob]) => Math.abs(ours.get(id) - logprob));
            assert.ok(Math.max(...differences) < BOUND,
                `largest difference ${Math.max(...differences)} after [${prompt}]`);
            if (top[0][1] - top[1][1] > MARGINS[file]) {
                decided++;
                assert.strictEqual([...ours.keys()][0], top[0][0], `top token after [${prompt}]`);
            }
        }
        assert.ok(decided >= rows.length / 3, `only ${decided} of ${rows.length} prompts decide`);
    });

    test(`${file}: every kernel set gives the same bits`, () => {
        const { prompt } = rows[rows.length - 1];
        const want = [...scores(path.join(golden, file), prompt, 'ref')];
        const sets = kernelSets();
        for (const set of setsOfCpu()) assert.ok(sets.includes(set), `${set} is not among ${sets}`);
        for (const set of sets)
            assert.deepStrictEqual([...scores(path.join(golden, file), prompt, set)], want, set);
    });
}
