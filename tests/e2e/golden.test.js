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

function scores(model, prompt, kernels) {
    const out = execFileSync(worker, ['run', '--model', model, '--prompt-ids', prompt.join(' '),
        '--max-tokens', '1', '--temperature', '0', '--top-logprobs', '320', '--kernels', kernels],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const rows = out.trim().split('\n').map((line) => JSON.parse(line));
    return new Map(rows[rows.length - 1].top);
}

// The sets that this CPU can run, as the error for an unknown one lists them.
function kernelSets() {
    const run = spawnSync(worker, ['run', '--model', path.join(golden, 'mixed-llama.gguf'),
        '--prompt', 'x', '--kernels', 'none-such'], { encoding: 'utf8' });
    assert.strictEqual(run.status, 1, run.stderr);
    return ['ref', 'avx2', 'avx512', 'neon'].filter((set) => run.stderr.includes(set));
}

for (const [file, rows] of Object.entries(oracle)) {
    test(`${file}: probabilities agree with llama.cpp's`, () => {
        let decided = 0;
        for (const { prompt, top } of rows) {
            const ours = scores(path.join(golden, file), prompt, 'auto');
            const differences = top.map(([id, logprob]) => Math.abs(ours.get(id) - logprob));
            assert.ok(Math.max(...differences) < BOUND,
                `largest difference ${Math.max(...differences)} after [${prompt}]`);
            if (top[0][1] - top[1][1] > 2 * Math.max(...differences)) {
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
        assert.ok(sets.includes('ref'));
        for (const set of sets)
            assert.deepStrictEqual([...scores(path.join(golden, file), prompt, set)], want, set);
    });
}
